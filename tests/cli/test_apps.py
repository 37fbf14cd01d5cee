"""`rollbook apps`: an application and its first key in one command."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.command import good, refused
from tests.harness import running


def test_one_command_connects_an_application_and_prints_a_key_that_works(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        for place in (("--data", str(server.data)), ("--url", server.url, "--key", server.key)):
            name = f"Shop {place[0]}"
            quiet = good("apps", "create", name, "--role", "viewer", "--scopes", "users:read", "-q", *place).strip()
            with server.http(quiet) as itself:
                me = itself.get("/v1/users/me").json()
                key = itself.get("/v1/users/count")
            assert (me["name"], me["kind"], me["role"]) == (name, "application", "viewer")
            assert key.status_code == 200
        made = json.loads(good("apps", "create", "Limited", "--rate-limit", "none", "--json", *place))
        assert (made["user"]["rate_limit"], made["key"]["scopes"], made["key"]["revealable"]) == ("none", None, False)
        listed = good("apps", "list", *place)
        assert [name for name in ("Shop --data", "Shop --url", "Limited") if name not in listed] == []


def test_what_it_cannot_be_is_refused_before_anything_is_created(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    assert "--role" in refused("apps", "create", "Shop", "--role", "owner", *data, code=2)
    assert "scopes" in refused("apps", "create", "Shop", "--scopes", "users:fly", *data, code=2)
    assert "rate" in refused("apps", "create", "Shop", "--rate-limit", "fast", *data, code=2)
    assert "--email" in refused("users", "create", "--name", "Ada", *data, code=2)
    good("users", "create", "--name", "Ada", "--email", "ada@example.com", "--status", "invited", *data)
    assert good("apps", "list", "-q", *data) == ""
