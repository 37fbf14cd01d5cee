"""`rollbook login` keeps a server and a key for it, and commands use them. The key is readable by its user only, and
never printed."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import at_terminal, good, refused, rollbook
from tests.harness import OWNER_EMAIL, Server, new_key, running
from tests.visitor import signed_in


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(
        tmp_path_factory.mktemp("server") / "data", "--rate-limit", "none", "--unauthenticated-limit", "none"
    ) as server:
        yield server


@pytest.fixture
def here(tmp_path: Path) -> dict[str, Any]:
    """A folder without a database, and an empty config folder."""
    (tmp_path / "here").mkdir()
    return {"cwd": tmp_path / "here", "config": tmp_path / "config"}


def files(here: dict[str, Any]) -> Path:
    return here["config"] / "rollbook" / "profiles"


def make_key(server: Server, **fields: Any) -> str:
    with server.http(server.key) as http:
        return new_key(http, **fields)


def log_in(server: Server, here: dict[str, Any], key: str, *arguments: str) -> dict[str, Any]:
    """With the key on standard input."""
    done = rollbook("login", "--url", server.url, *arguments, input=f"{key}\n", **here)
    assert done.returncode == 0, done.stderr
    assert key not in done.stdout + done.stderr
    return {line.split()[0]: line.split()[-1] for line in done.stdout.splitlines()}


def test_after_signing_in_commands_need_no_options(server: Server, here: dict[str, Any]) -> None:
    assert log_in(server, here, make_key(server))["user"] == OWNER_EMAIL
    assert json.loads(good("users", "get", OWNER_EMAIL, "--json", **here))["role"] == "owner"
    assert good("webhooks", "list", **here) == ""


def test_the_key_is_readable_by_its_user_only_and_never_printed(server: Server, here: dict[str, Any]) -> None:
    old = os.umask(0)
    try:
        key = make_key(server)
        log_in(server, here, key)
        log_in(server, here, key)
    finally:
        os.umask(old)
    assert os.listdir(files(here)) == ["default.json"], "nothing unfinished is left"
    modes = [path.stat().st_mode & 0o777 for path in (files(here).parent, files(here), files(here) / "default.json")]
    assert modes == [0o700, 0o700, 0o600]
    assert json.loads((files(here) / "default.json").read_text())["key"] == key
    for form in ((), ("--json",), ("--quiet",)):
        done = rollbook("profiles", *form, **here)
        assert "default" in done.stdout
        assert key not in done.stdout + done.stderr
    (files(here) / "default.json").chmod(0o640)
    assert "chmod 600" in refused("users", "list", **here)


def test_several_profiles_are_told_apart_and_forgotten_one_by_one(server: Server, here: dict[str, Any]) -> None:
    wide, narrow = make_key(server), make_key(server, scopes=["users:read"])
    log_in(server, here, wide)
    log_in(server, here, narrow, "--profile", "reader")
    assert [profile["scopes"] for profile in json.loads(good("profiles", "--json", **here))] == [None, None]
    assert good("keys", "list", OWNER_EMAIL, **here)
    assert "does not have the scope" in refused("keys", "list", OWNER_EMAIL, "--profile", "reader", **here)
    assert "does not have the scope" in refused("keys", "list", OWNER_EMAIL, profile="reader", **here)
    done = rollbook("logout", "--profile", "reader", **here)
    assert done.returncode == 0
    assert "still works" in done.stderr
    assert good("profiles", "--quiet", **here) == "default\n"
    assert "There is no profile reader. Profiles: default." in refused("users", "list", "--profile", "reader", **here)
    with server.http(narrow) as http:
        assert http.get("/v1/users/me").status_code == 200


def test_logout_revokes_the_key_if_asked(server: Server, here: dict[str, Any]) -> None:
    key = make_key(server)
    log_in(server, here, key)
    rollbook("logout", "--revoke", **here)
    with server.http(key) as http:
        assert http.get("/v1/users/me").json()["code"] == "revoked_key"
    assert good("profiles", "--quiet", **here) == ""


def test_what_is_named_goes_before_a_profile(server: Server, here: dict[str, Any], tmp_path: Path) -> None:
    log_in(server, here, make_key(server))
    local = tmp_path / "here" / "data"
    arguments = (
        "users",
        "create",
        "--name",
        "L",
        "--email",
        "local@example.com",
        "--password",
        "correct horse battery staple",
    )
    good(*arguments, "--data", str(local), **here)
    for options in ({}, {"data": local}):
        assert good("users", "list", **here, **options).count("local@example.com") == 1, (
            "a folder that is there goes first"
        )
    assert OWNER_EMAIL in good("users", "list", "--profile", "default", **here)
    assert OWNER_EMAIL in good("users", "list", profile="default", **here)
    assert "does not answer" in refused(
        "users", "list", "--url", "http://127.0.0.1:1", "--key", "k", profile="default", **here
    )
    assert "does not answer" in refused("users", "list", url="http://127.0.0.1:1", key="k", profile="default", **here)
    for other in (("--url", server.url), ("--data", "data")):
        assert "--profile can't be combined" in refused("users", "list", *other, "--profile", "default", code=2, **here)


def test_a_key_that_does_not_work_is_not_saved_and_one_that_stopped_says_what_to_do(
    server: Server, here: dict[str, Any]
) -> None:
    done = rollbook("login", "--url", server.url, "--key", "-", input="rbk_wrong\n", **here)
    assert done.returncode == 1
    assert not files(here).exists()
    assert "No key was given" in refused("login", "--url", server.url, input="", **here)
    assert "not a profile name" in refused("login", "--url", server.url, "--profile", "../x", input="", code=2, **here)
    log_in(server, here, make_key(server))
    with server.http(server.key) as http:
        http.delete(f"/v1/keys/{json.loads(good('profiles', '--json', **here))[0]['key_id']}")
    assert "login --profile default" in refused("users", "list", **here)


def test_a_damaged_profile_is_named(server: Server, here: dict[str, Any]) -> None:
    log_in(server, here, make_key(server))
    (files(here) / "default.json").write_text("{")
    assert "is damaged" in refused("users", "list", **here)


def test_a_terminal_gets_a_link_that_fills_in_the_form_and_does_not_show_the_key(
    server: Server, here: dict[str, Any]
) -> None:
    key = make_key(server, scopes=["users:read", "keys:read"])
    login = ("login", "--url", server.url, "--scopes", "users:read,keys:read")
    code, shown = at_terminal(*login, answers=[("Paste the key", key)], **here)
    assert code == 0, shown
    assert key not in shown
    link = re.search(r"http://\S+/account/keys/new\S+", shown)
    assert link
    with signed_in(server) as visitor:
        form = html.unescape(visitor.get(link[0]).text)
        assert re.search(r'name="name"[^>]*value="Command line on [^"]+"', form)
        assert re.findall(r'name="scopes"[^>]*value="([^"]+)" checked', form) == ["users:read", "keys:read"]
        assert re.search(r'name="reach" value="some" checked', form)
        assert re.search(r'<option value="90" selected', form)
        assert len(visitor.get("/account/keys").text.split("Command line on")) == 1, "a link creates no key"
    assert json.loads(good("profiles", "--json", **here))[0]["scopes"] == ["keys:read", "users:read"]


def test_on_the_machine_of_a_data_folder_login_creates_the_key(server: Server, here: dict[str, Any]) -> None:
    folder = ("--data", str(server.data), "--user", OWNER_EMAIL, "--url", server.url)
    done = rollbook("login", *folder, "--scopes", "users:read", "--expires", "30d", **here)
    assert done.returncode == 0, done.stderr
    assert "rbk_" not in done.stdout + done.stderr
    assert OWNER_EMAIL in good("users", "list", **here)
    profile = json.loads(good("profiles", "--json", **here))[0]
    assert profile["scopes"] == ["users:read"]
    assert profile["expires_at"] is not None
    assert "--user" in refused("login", "--data", str(server.data), code=2, **here)
