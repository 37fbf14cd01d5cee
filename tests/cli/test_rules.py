"""`rollbook rules`: from one that is ready to its runs, and all of them as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import good, refused, rollbook
from tests.harness import Server, new_key, new_user, running
from tests.nodes.pair import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data", "--rate-limit", "none") as server:
        yield server


@pytest.mark.parametrize("where", ["folder", "network"])
def test_a_ready_rule_is_created_previewed_switched_on_and_run(server: Server, where: str) -> None:
    to = ("--data", str(server.data)) if where == "folder" else ("--url", server.url, "--key", server.key)
    name = f"Sales {where}"
    with server.http() as http:
        new_user(http, name=name, metadata={"department": "sales"})
    good("groups", "create", name, *to)
    ready = ("rules", "create", "--ready", "group-by-attribute")
    assert "needs --group" in refused(*ready, *to)
    id = good(*ready, "--group", name, "--name", name, "--quiet", *to).strip()
    assert "Name a file" in refused("rules", "create", *to, code=2)
    preview = good("rules", "preview", name, *to)
    assert f"At sign-up, for people with department = sales: add to “{name}”." in preview and f"\t{name}\t" in preview
    count = json.loads(good("rules", "preview", id, "--json", *to))["count"]
    assert "turned off" in refused("rules", "run", id, "--yes", *to)
    assert json.loads(good("rules", "update", name, "--enabled", "--max-users", "1", "--json", *to))["enabled"]
    if count > 1:
        good("rules", "run", name, "--yes", *to)
    wait_until(lambda: '"finished"' in good("rules", "runs", name, "--json", *to), 30)
    [job] = json.loads(good("rules", "runs", name, "--json", *to))
    assert (job["changed"], job["rule_id"]) == (count, id)
    assert f"add to “{name}”" in good("rules", "list", *to)
    good("rules", "delete", name.upper(), "--yes", *to)
    assert f"no rule {name}" in refused("rules", "get", name, *to)


@pytest.mark.parametrize("where", ["folder", "network"])
def test_a_dry_run_of_an_import_names_the_rules_that_begin_with_who_is_added(server: Server, where: str) -> None:
    to = ("--data", str(server.data)) if where == "folder" else ("--url", server.url, "--key", server.key)
    rule = json.dumps({"when": {"event": "user.created"}, "steps": [{"do": "end_sessions"}], "who": {}})
    good("rules", "create", "-", "--name", "Greet", *to, input=rule)
    dry = ("users", "import", "-", "--dry-run")
    text, says = "name,email\nAnn,ann@example.com\n", "A rule begins with the people who are added: Greet."
    assert says not in rollbook(*dry, *to, input=text).stderr, "it is off"
    good("rules", "set", "Greet", "--enabled", *to)
    assert says in rollbook(*dry, *to, input=text).stderr
    if where == "network":
        with server.http() as http:
            narrow = new_key(http, scopes=["users:read", "users:write"])
        done = rollbook(*dry, "--url", server.url, "--key", narrow, input=text)
        assert done.returncode == 0 and "1 user added" in done.stderr and says not in done.stderr
    good("rules", "delete", "Greet", "--yes", *to)


def test_rules_come_back_from_their_file_by_name(server: Server, tmp_path: Path) -> None:
    to = ("--data", str(server.data))
    file = tmp_path / "rules.json"
    for key in ("suspend-inactive", "delete-suspended"):
        good("rules", "create", "--ready", key, *to)
    file.write_text(good("rules", "export", *to))
    assert "0 to create or change" in rollbook("rules", "import", str(file), *to).stderr
    rules = json.loads(file.read_text())
    assert not {"id", "user_id", "created_at"} & rules[0].keys()
    rules[0]["when"]["days"] = 60
    file.write_text(json.dumps(rules))
    good("rules", "delete", rules[1]["name"], "--yes", *to)
    before = good("rules", "list", "--json", *to)
    tried = good("rules", "import", str(file), "--dry-run", *to)
    assert f"Change {rules[0]['name']}: 60 days after" in tried and f"Create {rules[1]['name']}: " in tried
    assert "Add --yes" in rollbook("rules", "import", str(file), *to).stderr
    assert good("rules", "list", "--json", *to) == before
    good("rules", "import", str(file), "--yes", *to)
    assert json.loads(good("rules", "export", *to)) == rules
    file.write_text("[{}]")
    assert "each with a name of its own" in refused("rules", "import", str(file), *to)
