"""`rollbook groups`: on a data folder and over the network alike."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cli.command import good, refused, rollbook
from tests.harness import Server, new_user, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data", "--rate-limit", "none") as server:
        yield server


@pytest.mark.parametrize("where", ["folder", "network"])
def test_a_group_from_its_creation_to_its_end(server: Server, where: str) -> None:
    folder = ("--data", str(server.data))
    to = folder if where == "folder" else ("--url", server.url, "--key", server.key)
    with server.http() as http:
        ada, bob = (new_user(http, name=name) for name in ("Ada", "Bob"))
    id = good("groups", "create", f"Team {where}", "--metadata", "floor=3", "--quiet", *to).strip()
    good("groups", "add", f"team {where}", ada["email"], bob["id"], "--role", "lead", *to)
    assert good("groups", "members", id, "--quiet", *to).split() == [ada["id"], bob["id"]]
    assert len(json.loads(good("groups", "members", id, "--limit", "1", "--json", *to))) == 1
    assert good("groups", "list", "--user", ada["email"], *to).strip().endswith("\tlead")
    good("groups", "create", f"Second {where}", *to)
    assert len(good("groups", "list", "--limit", "1", "--quiet", *to).split()) == 1
    assert good("users", "list", "--group", f"Team {where}", "--search", "ada", "--quiet", *to).strip() == ada["id"]
    assert good("users", "count", "--group", id, *to).strip() == "2"
    good("groups", "remove", id, bob["email"], *to)
    shown = json.loads(good("groups", "update", id, "--metadata", "floor=", "--external-id", where, "--json", *to))
    assert (shown["members"], shown["metadata"], shown["external_id"]) == (1, {}, where)
    assert "no group Nothing" in refused("groups", "show", "Nothing", *to)
    assert "no user nobody@" in refused("groups", "add", id, "nobody@example.com", *to)
    good("groups", "create", f"Team {where}", *to)
    assert "use an ID" in refused("groups", "delete", f"Team {where}", "--yes", *to)
    assert "Add --yes" in refused("groups", "delete", id, *to)
    good("groups", "delete", id, "--yes", *to)
    refused("groups", "show", id, *to)


@pytest.mark.parametrize("where", ["folder", "network"])
def test_a_group_is_found_without_its_accents_where_only_one_can_be_meant(server: Server, where: str) -> None:
    to = ("--data", str(server.data)) if where == "folder" else ("--url", server.url, "--key", server.key)
    ids = [good("groups", "create", name, "--quiet", *to).strip() for name in (f"Zürich {where}", f"Zürich {where} 2")]
    assert good("groups", "get", f"zurich {where}", "--quiet", *to).strip() == ids[0]
    assert "no group zur" in refused("groups", "get", "zur", *to)
    good("groups", "create", f"Zurích {where}", "--quiet", *to)
    assert "use an ID" in refused("groups", "get", f"zurich {where}", *to)


def test_an_empty_group_says_how_to_add_members(server: Server) -> None:
    to = ("--data", str(server.data))
    good("groups", "create", "Nobody yet", *to)
    said = rollbook("groups", "members", "Nobody yet", *to).stderr
    assert said.startswith("0 of 0 members. To add some: ") and "groups add 'Nobody yet' EMAIL --data " in said
