"""Users and keys, by commands that work alike on a folder and on a running server."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollbook.auth import key_format
from tests import processes
from tests.cli.command import PASSWORD, at_terminal, good, refused, rollbook
from tests.factors import App
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_key, new_user, running
from tests.visitor import is_signed_in, signed_in

Place = tuple[str, ...]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Without a rate limit, so that no command waits."""
    with running(
        tmp_path_factory.mktemp("server") / "data", "--rate-limit", "none", "--unauthenticated-limit", "none"
    ) as server:
        yield server


@pytest.fixture(params=["a folder", "a folder that is served", "a server"])
def place(request: pytest.FixtureRequest, tmp_path: Path, server: Server) -> Place:
    """The options that lead to where commands work."""
    return {
        "a folder": ("--data", str(tmp_path / "data")),
        "a folder that is served": ("--data", str(server.data)),
        "a server": ("--url", server.url, "--key", server.key),
    }[request.param]


@pytest.fixture
def new(place: Place, request: pytest.FixtureRequest) -> Callable[..., dict[str, Any]]:
    """Makes a user there."""
    made = []

    def make(name: str = "Charlie Chaplin", role: str = "member", external_id: str = "") -> dict[str, Any]:
        made.append(name)
        email = f"{abs(hash((request.node.name, len(made))))}@example.com"
        arguments = (
            "users",
            "create",
            "--name",
            name,
            "--email",
            email,
            "--role",
            role,
            "--password",
            PASSWORD,
            "--json",
        )
        return json.loads(good(*arguments, *(["--external-id", external_id] if external_id else []), *place))

    return make


def show(user: str, place: Place) -> dict[str, Any]:
    return json.loads(good("users", "get", user, "--json", *place))


def test_a_user_is_made_and_found_by_its_address_and_its_id(place: Place, new: Callable[..., dict[str, Any]]) -> None:
    user = new(role="admin")
    assert user["role"] == "admin"
    assert user["status"] == "active"
    assert "password" not in str(user)
    assert show(user["email"].upper(), place) == show(user["id"], place) == user
    assert re.search(f"^email +{user['email']}$", good("users", "get", user["id"], *place), re.MULTILINE)


def test_quiet_prints_just_the_id_and_hints_stay_off_standard_output(
    place: Place, request: pytest.FixtureRequest
) -> None:
    email = f"quiet{abs(hash(request.node.name))}@example.com"
    done = rollbook(
        "users",
        "create",
        "--name",
        "N",
        "--email",
        email,
        "--role",
        "member",
        "--password",
        PASSWORD,
        "--quiet",
        *place,
    )
    assert re.fullmatch(r"user_[0-9a-v]{26}\n", done.stdout)
    assert done.stderr == ""
    done = rollbook("keys", "create", email, *place)
    assert "Try it:" in done.stderr
    done = rollbook("keys", "create", email, "--scopes", "users:write", *place)
    assert done.returncode == 0 and "/v1/users/me" not in done.stderr  # the key can't read it


def test_what_is_named_is_set_and_the_rest_stays(place: Place, new: Callable[..., dict[str, Any]]) -> None:
    user = new()
    good("users", "set", user["email"], "--rate-limit", "none", *place)
    assert show(user["id"], place)["rate_limit"] == "none"
    good("users", "set", user["email"], "--rate-limit", "5/minute", "--name", "Ada", "--role", "viewer", *place)
    changed = show(user["id"], place)
    assert (changed["name"], changed["role"], changed["rate_limit"], changed["email"]) == (
        "Ada",
        "viewer",
        "5/minute",
        user["email"],
    )
    good(
        "users",
        "set",
        user["email"],
        "--rate-limit",
        "default",
        "--status",
        "suspended",
        "--email",
        f"new{user['email']}",
        *place,
    )
    changed = show(user["id"], place)
    assert (changed["status"], changed["rate_limit"], changed["email"]) == ("suspended", None, f"new{user['email']}")


def test_an_optional_text_is_set_at_creation_or_later_and_removed_by_an_empty_one(
    place: Place, new: Callable[..., dict[str, Any]]
) -> None:
    text = f"crm of {new()['id']}"
    user = new(external_id=text)
    assert user["external_id"] == text
    good("users", "set", user["email"], "--name", "Ada", *place)
    assert show(user["id"], place)["external_id"] == text, "left unchanged"
    good("users", "set", user["email"], "--external-id", "", *place)
    assert show(user["id"], place)["external_id"] is None


def test_metadata_and_a_verified_email_are_set_and_merged(place: Place, new: Callable[..., dict[str, Any]]) -> None:
    user = new()["id"]
    good("users", "set", user, "--metadata", "plan=team", "--metadata", "note=a=b", "--email-verified", *place)
    changed = show(user, place)
    assert (changed["metadata"], changed["email_verified"]) == ({"plan": "team", "note": "a=b"}, True)
    good("users", "set", user, "--metadata", "note=", "--email-unverified", *place)
    changed = show(user, place)
    assert (changed["metadata"], changed["email_verified"]) == ({"plan": "team"}, False)
    assert "NAME=TEXT" in refused("users", "set", user, "--metadata", "plan", *place, code=2)


def test_every_filter_selects_what_is_listed_counted_and_exported(
    place: Place, new: Callable[..., dict[str, Any]]
) -> None:
    text = f"filtered {new()['id']}"
    user = new(external_id=text, role="viewer")
    good("users", "set", user["id"], "--metadata", "team=red & blue", "--metadata", "n=1", *place)
    for options, finds in (
        (("--external-id", text, "--role", "viewer"), True),
        (("--external-id", text, "--created-after", "2020-01-01"), True),
        (("--external-id", text, "--email", user["email"], "--search", user["email"], "--status", "active"), True),
        (("--external-id", text, "--created-before", "2020-01-01T00:00:00+02:00"), False),
        (("--external-id", text, "--role", "owner"), False),
        (("--external-id", text, "--metadata", "team=red & blue", "--metadata", "n=1"), True),
        (("--external-id", text, "--metadata", "team=red & blue", "--metadata", "n=2"), False),
        (("--external-id", f"{text}!"), False),
    ):
        assert good("users", "list", *options, "--quiet", *place).split() == [user["id"]] * finds, options
        assert good("users", "count", *options, *place).strip() == str(int(finds)), options
        exported = [json.loads(line)["id"] for line in good("users", "export", *options, *place).splitlines()]
        assert exported == [user["id"]] * finds, options
    for command in ("list", "count", "export"):
        assert "KEY=VALUE" in refused("users", command, "--metadata", "plan", *place, code=2)
        assert "--created-after must be" in refused("users", command, "--created-after", "soon", *place, code=2)


def test_a_user_is_suspended_activated_and_counted_and_given_a_password(
    place: Place, new: Callable[..., dict[str, Any]], server: Server
) -> None:
    user = new()
    before = int(good("users", "count", "--status", "suspended", *place))
    assert json.loads(good("users", "suspend", user["email"], "--json", *place))["status"] == "suspended"
    assert int(good("users", "count", "--status", "suspended", *place)) == before + 1
    assert json.loads(good("users", "activate", user["id"], "--json", *place))["status"] == "active"
    done = rollbook("users", "password", user["email"], "--password", "-", *place, input="another fine password\n")
    assert (done.returncode, "another fine" in done.stdout + done.stderr) == (0, False)
    if str(server.data) in place or server.url in place:
        with server.http() as http:
            given = {"email": user["email"], "password": "another fine password"}
            assert http.post("/v1/users/verify-password", json=given).status_code == 200


def test_erasing_a_user_is_confirmed(place: Place, new: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    user = new()
    erase = ("users", "delete", user["id"], "--purge", *place)
    assert "Add --yes" in refused(*erase)
    assert at_terminal(*erase, answers=[("Erase", "n")], cwd=tmp_path)[0] == 1
    assert show(user["id"], place)
    assert at_terminal(*erase, answers=[("Erase", "y")], cwd=tmp_path)[0] == 0
    refused("users", "get", user["id"], *place)


def test_any_call_is_sent_as_it_is(place: Place, new: Callable[..., dict[str, Any]]) -> None:
    user = new()
    path = f"/v1/users/{user['id']}"
    assert json.loads(good("api", "get", f"{path}?fields=*", *place)) == user
    assert json.loads(good("api", "PATCH", path, "--body", '{"name": "Ada"}', *place))["name"] == "Ada"
    assert json.loads(good("api", "PATCH", path, "--body", "-", *place, input='{"name": "Zoe"}'))["name"] == "Zoe"
    assert good("api", "DELETE", path, *place) == ""
    assert f"There is no user {user['id']}" in refused("api", "GET", path, *place)
    assert "not valid JSON" in refused("api", "PATCH", path, "--body", "{", *place, code=2)


def test_any_response_is_printed_as_it_is(place: Place, new: Callable[..., dict[str, Any]]) -> None:
    """JSON is indented; NDJSON, CSV and what has no type of its own arrive byte by byte."""
    users = [new(), new()]
    good("api", "PATCH", f"/v1/users/{users[0]['id']}", "--body", '{"metadata": {"text": "one\u2028line"}}', *place)
    lines = [json.loads(line) for line in good("api", "GET", "/v1/exports", *place).rstrip("\n").split("\n")]
    assert {user["id"] for user in users} <= {line["id"] for line in lines}
    exported = good("api", "GET", "/v1/exports?format=csv", *place)
    assert exported.startswith("id,") and all(user["id"] in exported for user in users)
    if "--url" in place:
        assert "# TYPE rollbook_" in good("api", "GET", "/metrics", *place)


def test_an_endless_response_is_printed_as_it_arrives(server: Server) -> None:
    with server.http() as http:
        user = new_user(http)
    for place in (("--url", server.url, "--key", server.key), ("--data", str(server.data))):
        command = [sys.executable, "-m", "rollbook.cli.main", "api", "GET", "/v1/events/stream?after=0", *place]
        follower = processes.start(command, stdout=subprocess.PIPE, env=server.environment)
        assert follower.stdout is not None
        assert any(user["id"] in line for line in follower.stdout)
        follower.send_signal(signal.SIGINT)
        assert follower.wait(60) == 130
        follower.stdout.close()


def test_a_call_says_how_many_requests_are_left(server: Server) -> None:
    with server.http() as http:
        key = new_key(http, user_id=new_user(http, rate_limit="9/day")["id"])
    for left in (8, 7):
        said = rollbook("api", "GET", "/v1/users/me", "--url", server.url, "--key", key).stderr
        assert re.fullmatch(rf"{left} of 9 requests left\. Resets in 24 hours\.\n", said), said
    assert rollbook("api", "GET", "/v1/users/count", "--data", str(server.data)).stderr == "", "a folder has no limit"


def test_a_deleted_user_is_gone_and_can_be_restored(place: Place, new: Callable[..., dict[str, Any]]) -> None:
    user = new()
    done = rollbook("users", "delete", user["email"], *place)
    assert f"users restore {user['id']}" in done.stderr
    refused("users", "get", user["id"], *place)
    refused("users", "get", user["email"], *place)
    good("users", "restore", user["id"], *place)
    assert show(user["id"], place)["email"] == user["email"]
    good("users", "delete", user["id"], "--purge", "--yes", *place)
    refused("users", "restore", user["id"], *place)


def test_a_deleted_user_can_still_be_purged_by_its_id(place: Place, new: Callable[..., dict[str, Any]]) -> None:
    user = new()
    good("users", "delete", user["id"], *place)
    good("users", "delete", user["id"], "--purge", "--yes", *place)
    refused("users", "restore", user["id"], *place)


def test_lists_are_filtered_sorted_and_paged(
    place: Place, new: Callable[..., dict[str, Any]], request: pytest.FixtureRequest
) -> None:
    mark = f"mark{abs(hash(request.node.name))}"
    made = [new(f"{mark} {letter}")["id"] for letter in "cab"]
    found = json.loads(good("users", "list", "--search", mark.upper(), "--json", *place))
    assert [user["id"] for user in found] == made
    assert set(found[0]) > {"role", "status", "metadata"}
    by_name = good("users", "list", "--search", mark, "--sort", "-name", "--quiet", *place).split()
    assert by_name == [made[0], made[2], made[1]]
    page = rollbook("users", "list", "--search", mark, "--limit", "1", "--offset", "1", *place)
    assert page.stdout.split("\t")[0] == made[1]
    assert page.stderr == "1 of 3 users. Next page: --offset 2\n"
    assert json.loads(good("users", "list", "--search", "nobody-is-called-so", "--json", *place)) == []


def test_all_lists_more_than_a_page_holds(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    lines = [
        json.dumps({"name": "N", "email": f"n{number}@example.com", "password_hash": None}) for number in range(2_345)
    ]
    good("users", "import", "-", *data, input="\n".join(lines))
    key = key_format.mint()
    with running(tmp_path / "data", "--rate-limit", "none", owner_key=key) as server:
        for place in (data, ("--url", server.url, "--key", key)):
            assert len(set(good("users", "list", "--all", "--quiet", *place).split())) == 2_346
            assert len(good("users", "list", "--limit", "1500", "--sort", "-email", "--quiet", *place).split()) == 1_500
            assert len(good("users", "list", "--quiet", *place).split()) == 2_346, "a pipe gets all, a terminal 50"


def test_keys_are_made_listed_rotated_and_revoked(place: Place, new: Callable[..., dict[str, Any]]) -> None:
    user = new(role="admin")
    text = good(
        "keys",
        "create",
        user["email"],
        "--scopes",
        "users:read,users:write",
        "--rate-limit",
        "10/minute",
        "--quiet",
        *place,
    ).strip()
    assert key_format.is_whole(text)
    (key,) = json.loads(good("keys", "list", user["email"], "--json", *place))
    assert key["scopes"] == ["users:read", "users:write"]
    assert key["rate_limit"] == "10/minute"
    assert text not in str(key)
    rotated = json.loads(good("keys", "rotate", key["id"], "--overlap", "1h", "--json", *place))
    assert rotated["scopes"] == key["scopes"]
    assert key_format.is_whole(rotated["key"])
    old, _ = json.loads(good("keys", "list", user["id"], "--json", *place))
    assert old["expires_at"] is not None
    assert good("keys", "list", user["id"], "--limit", "1", "--quiet", *place).split() == [old["id"]]
    good("keys", "revoke", rotated["id"], *place)
    good("keys", "revoke", rotated["id"], "--yes", *place)
    assert json.loads(good("keys", "list", user["id"], "--json", *place))[1]["revoked_at"] is not None
    whose = OWNER_EMAIL if "--url" in place else user["email"]
    for _ in range(2):
        good("keys", "create", whose, "--name", user["email"], *place)
    assert f"More than one API key is named {user['email']}" in refused("keys", "revoke", user["email"], *place)
    newest = good("keys", "list", whose, "--search", user["email"], "--quiet", *place).split()[-1]
    good("keys", "revoke", newest, *place)
    assert "Revoked" in rollbook("keys", "revoke", user["email"], *place).stderr
    assert f"There is no API key {user['email']}" in refused("keys", "revoke", user["email"], *place)


def test_ones_own_keys_need_no_name(server: Server) -> None:
    place = ("--url", server.url, "--key", server.key)
    made = json.loads(good("keys", "create", "--name", "mine", "--json", *place))
    assert made["id"] in good("keys", "list", "--quiet", *place).split()
    for command in ("keys", "tokens", "factors", "sessions"):  # IDs: when each was used changes meanwhile
        of_oneself = good(command, "list", "--quiet", *place)
        assert of_oneself == good(command, "list", OWNER_EMAIL, "--quiet", *place)
    assert "Whose?" in refused("tokens", "list", "--data", str(server.data), code=2)


def test_a_key_is_changed(place: Place, new: Callable[..., dict[str, Any]]) -> None:
    narrow = ("--scopes", "users:read", "--ip-allow", "10.0.0.0/8", "--rate-limit", "10/minute", "--expires", "30d")
    key = json.loads(good("keys", "create", new()["email"], *narrow, "--json", *place))
    changed = json.loads(good("keys", "set", key["id"], "--name", "backup", "--expires", "1d", "--json", *place))
    assert (changed["name"], changed["scopes"], changed["rate_limit"]) == ("backup", ["users:read"], "10/minute")
    assert changed["expires_at"] < key["expires_at"]
    more = ("--scopes", "all", "--ip-allow", "any", "--rate-limit", "default", "--expires", "never")
    if "--url" in place:
        assert "--current-password is required" in refused("keys", "set", key["id"], *more, *place, code=2)
    password = ("--current-password", OWNER_PASSWORD)
    wide = json.loads(good("keys", "set", key["id"], *more, *password, "--json", *place))
    assert [wide[name] for name in ("scopes", "ip_allow", "rate_limit", "expires_at")] == [None] * 4
    assert good("keys", "set", key["id"], "--name", "last", "--quiet", *place).strip() == key["id"]
    assert "Nothing to change" in refused("keys", "set", key["id"], *place, code=2)


def test_lists_of_keys_say_which_work_at_any_width(
    place: Place, new: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    user = new()["email"]
    first, second = (json.loads(good("keys", "create", user, "--json", *place))["id"] for _ in range(2))
    good("keys", "revoke", first, *place)
    states = {line.split("\t")[0]: line.split("\t")[2] for line in good("keys", "list", user, *place).splitlines()}
    assert states == {first: "revoked", second: "active"}
    code, shown = at_terminal("keys", "list", user, *place, answers=(), cwd=tmp_path, columns=60)
    assert code == 0 and "revoked" in shown and "active" in shown and "created at" in shown.partition("Hidden")[2], (
        shown
    )
    assert json.loads(good("keys", "get", second, "--json", *place))["id"] == second


def test_a_key_in_place_of_an_id_is_not_shown_and_leads_to_the_search(
    place: Place, new: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    user = new()
    key = json.loads(good("keys", "create", user["email"], "--json", "--no-revealable", *place))
    for command in ("get", "revoke", "reveal") if "--url" in place else ("get", "revoke"):
        told = refused("keys", command, key["key"], *place, code=2)
        assert key["key"] not in told and f"keys list --all --prefix '{key['masked']}'" in told, told
    assert key["id"] in good("keys", "list", "--all", "--prefix", key["masked"], *place)
    assert "use --prefix instead" in refused("keys", "list", "--all", "--search", key["masked"], *place, code=2)
    code, shown = at_terminal("keys", "list", "--all", *place, answers=(), cwd=tmp_path, columns=80)
    assert code == 0 and key["masked"] in shown, shown
    if "--url" in place:
        assert "can't be revealed" in refused("keys", "reveal", key["id"], *place)
    good("users", "delete", user["email"], "--yes", *place)
    told = refused("keys", "list", "--all", "--created-by", user["email"], *place)
    assert "users list --status deleted" in told, told


@pytest.mark.parametrize("columns", [12, 40, 60, 100])
def test_ids_are_whole_in_terminals_of_any_width(server: Server, tmp_path: Path, columns: int) -> None:
    place = ("--data", str(server.data))
    id = json.loads(good("keys", "create", OWNER_EMAIL, "--name", "a long name of a key " * 4, "--json", *place))["id"]
    code, shown = at_terminal("keys", "list", OWNER_EMAIL, *place, answers=(), cwd=tmp_path, columns=columns)
    assert code == 0 and id in shown, shown
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.partition("Hidden")[0]).splitlines()
    assert max(map(len, lines)) <= max(columns, len(id) + 2)


def test_an_export_asks_before_it_replaces_a_file(server: Server, tmp_path: Path) -> None:
    place, file = ("--data", str(server.data)), tmp_path / "users.ndjson"
    good("users", "export", str(file), *place)
    kept = file.read_bytes()
    assert kept
    file.write_text("mine")
    assert "Add --force to replace it" in refused("users", "export", str(file), *place)
    question = f"{file} exists. Replace it?"
    code, _ = at_terminal("users", "export", str(file), *place, answers=((question, "n"),), cwd=tmp_path)
    assert (code, file.read_text()) == (1, "mine")
    code, _ = at_terminal("users", "export", str(file), *place, answers=((question, "y"),), cwd=tmp_path)
    assert (code, file.read_bytes()) == (0, kept)
    good("users", "export", str(file), "--force", *place)
    assert good("users", "export", "-", *place).encode() == kept
    good("users", "export", "/dev/null", *place)


def test_a_key_for_an_identity_provider_is_created_with_the_url_to_paste(
    place: Place, new: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    admin = new(role="admin")["email"]
    made = json.loads(good("keys", "create", admin, "--kind", "scim", "--name", "Okta", "--json", *place))
    assert made["kind"] == "scim" and "groups:write" in made["scopes"]
    assert "scim" in good("keys", "list", admin, *place)
    assert "admins and owners" in refused("keys", "create", new()["email"], "--kind", "scim", *place)
    _, shown = at_terminal("keys", "create", admin, "--kind", "scim", *place, answers=(), cwd=tmp_path)
    assert "/scim/v2" in shown


def test_people_reveal_their_own_keys_with_their_password(server: Server) -> None:
    place = ("--url", server.url, "--key", server.key)
    assert "incorrect" in refused("keys", "reveal", "current", *place, input="wrong\n")
    shown = good("keys", "reveal", "current", "--quiet", *place, input=f"{OWNER_PASSWORD}\n").strip()
    assert shown == server.key


def test_a_browser_is_signed_out(server: Server) -> None:
    for place in (("--url", server.url, "--key", server.key), ("--data", str(server.data))):
        with signed_in(server) as visitor:
            newest = good("sessions", "list", OWNER_EMAIL, "--quiet", *place).split()[0]
            assert is_signed_in(visitor)
            good("sessions", "delete", newest, *place)
            assert not is_signed_in(visitor)


def test_events_are_listed_newest_first(place: Place, new: Callable[..., dict[str, Any]]) -> None:
    user = new()
    good("users", "suspend", user["id"], *place)
    found = good("events", "list", "--user", user["email"], "--json", *place).splitlines()
    assert [json.loads(line)["type"] for line in found] == ["user.suspended", "user.created"]
    (line,) = good("events", "list", "--type", "user.suspended", "--user", user["id"], "-n", "1", *place).splitlines()
    assert "user.suspended" in line
    assert good("events", "list", "--user", user["id"], "--until", "2001-01-01T00:00:00Z", *place) == ""


def test_a_key_expires_when_it_should(place: Place, new: Callable[..., dict[str, Any]]) -> None:
    user = new()
    key = json.loads(good("keys", "create", user["email"], "--expires", "2099-01-31T00:00:00Z", "--json", *place))
    assert key["expires_at"] == "2099-01-31T00:00:00Z"
    assert (
        json.loads(good("keys", "create", user["email"], "--expires", "30d", "--json", *place))["expires_at"]
        > key["created_at"]
    )
    assert "future" in refused("keys", "create", user["email"], "--expires", "2001-01-31T00:00:00Z", *place, code=2)
    assert "--expires" in refused("keys", "create", user["email"], "--expires", "soon", *place, code=2)


def test_what_the_rules_refuse_is_said_in_their_words(place: Place, new: Callable[..., dict[str, Any]]) -> None:
    user = new()
    create = ("users", "create", "--name", "N", "--role", "member")
    said = refused(*create, "--email", user["email"].upper(), "--password", PASSWORD, *place)
    assert said == "rollbook: Email address is already in use.\n"
    said = refused(*create, "--email", "no address", "--password", "short", *place, code=2)
    assert "shorter than 8 characters" in said
    assert "@-sign" in said
    assert "--role must be one of member" in refused("users", "set", user["email"], "--role", "emperor", *place, code=2)
    assert "--scopes" in refused("keys", "create", user["email"], "--scopes", "users:everything", *place, code=2)
    assert "There is no user nobody@example.com" in refused("users", "get", "nobody@example.com", *place)
    refused("users", "get", "user_00000000000000000000000000", *place)


def test_a_password_is_read_from_standard_input_and_never_printed(
    place: Place, new: Callable[..., dict[str, Any]], server: Server
) -> None:
    user = new()
    done = rollbook("users", "set", user["email"], "--password", "-", *place, input="another fine password\n")
    assert done.returncode == 0, done.stderr
    assert "another fine" not in done.stdout + done.stderr
    if str(server.data) in place or server.url in place:
        with server.http() as http:
            given = {"email": user["email"], "password": "another fine password"}
            assert http.post("/v1/users/verify-password", json=given).status_code == 200


def test_who_is_no_admin_changes_their_own_email_and_password_with_the_current_one(server: Server) -> None:
    with server.http() as http:
        user = new_user(http)
        key = new_key(http, user_id=user["id"])
    me = ("users", "set", "me", "--url", server.url, "--key", key)
    assert "--current-password" in refused(*me, "--email", "new." + user["email"], code=2)
    assert "incorrect" in refused(*me, "--email", "new." + user["email"], "--current-password", "wrong")
    typed = f"{user['password']}\nanother fine password\n"
    done = rollbook(*me, "--email", "new." + user["email"], "--current-password", "-", "--password", "-", input=typed)
    assert done.returncode == 0 and "new." + user["email"] in done.stdout, done.stderr
    with server.http() as http:
        given = {"email": "new." + user["email"], "password": "another fine password"}
        assert http.post("/v1/users/verify-password", json=given).status_code == 200


def test_a_needed_password_that_nobody_gives_is_asked_for_in_words(tmp_path: Path) -> None:
    said = refused(
        "users", "create", "--name", "N", "--email", "n@example.com", "--data", str(tmp_path / "data"), input="", code=2
    )
    assert "--password -" in said


def test_at_a_terminal_a_password_that_is_refused_is_asked_for_again(
    place: Place, new: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    user = new()
    good_one = "another fine password"
    asked = [
        ("Password: ", "short"),
        ("Confirm password: ", "short"),
        ("Password: ", good_one),
        ("Confirm password: ", "a slip"),
    ]
    asked += [("Password: ", good_one), ("Confirm password: ", good_one)]
    email = f"new.{user['email']}"
    commands = (
        ("users", "create", "--name", "N", "--email", email),
        ("users", "password", user["email"]),
        ("users", "set", user["email"], "--password", "-"),
    )
    for command in commands:
        code, shown = at_terminal(*command, *place, answers=asked, cwd=tmp_path)
        assert code == 0, shown
        assert shown.count("shorter than 8 characters") == 1 and shown.count("don't match. Try again.") == 1
        assert good_one not in shown
    asked = [("Password: ", "short"), ("Confirm password: ", "short")] * 3
    code, shown = at_terminal("users", "password", user["email"], *place, answers=asked, cwd=tmp_path)
    assert code == 2 and shown.count("shorter than 8 characters") == 3


def test_changes_on_a_folder_reach_its_running_server_within_a_second(server: Server) -> None:
    place = ("--data", str(server.data))
    good(
        "users",
        "create",
        "--name",
        "N",
        "--email",
        "seen@example.com",
        "--role",
        "admin",
        "--password",
        PASSWORD,
        *place,
    )
    key = good("keys", "create", "seen@example.com", "--quiet", *place).strip()
    with server.http(key) as http:
        assert http.get("/v1/users").status_code == 200
        good("users", "set", "seen@example.com", "--rate-limit", "7/minute", *place)
        server_sees(lambda: http.get("/v1/users").headers.get("ratelimit-limit") == "7")
        good("users", "set", "seen@example.com", "--rate-limit", "none", "--status", "suspended", *place)
        server_sees(lambda: http.get("/v1/users").status_code == 403)
        good("users", "set", "seen@example.com", "--status", "active", *place)
        server_sees(lambda: http.get("/v1/users").status_code == 200)
        (shown,) = json.loads(good("keys", "list", "seen@example.com", "--json", *place))
        good("keys", "revoke", shown["id"], *place)
        server_sees(lambda: http.get("/v1/users").status_code == 401)
    with server.http() as http:
        events = http.get("/v1/events", params={"user": shown["user_id"]}).json()
    # Whoever asks until something is seen may exceed the limit, and has asked once with a revoked key.
    events = [event for event in events if event["type"] not in ("limit.exceeded", "key.refused")]
    assert [event["type"] for event in events] == [
        "user.created",
        "key.created",
        "user.updated",
        "user.suspended",
        "user.activated",
        "key.revoked",
    ]
    assert {event["actor"]["address"] for event in events} == {"cli"}


def server_sees(condition: Callable[[], bool]) -> None:
    """Within a second, of which tests/concurrency makes sure; a busy machine may take more."""
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_second_factors_are_added_verified_removed_and_lifted(place: Place, new: Callable[..., dict[str, Any]]) -> None:
    """Whoever has the files lifts those of an owner who is locked out, too."""
    user = new(role="owner")
    made = json.loads(good("factors", "add", user["email"], "--name", "Phone", "--issuer", "Acme", "--json", *place))
    app = App(made["secret"])
    activated = json.loads(good("factors", "activate", user["email"], made["id"], app.code(), "--json", *place))
    codes = activated["recovery_codes"]
    assert made["id"] in good("factors", "list", user["email"], *place)
    assert json.loads(good("factors", "list", user["email"], "--json", *place))["recovery_codes_left"] == 10
    assert json.loads(good("factors", "get", user["id"], made["id"], "--json", *place))["name"] == "Phone"
    verified = json.loads(good("factors", "verify", user["email"], codes[0], "--json", *place))
    assert verified == {"factor_id": None, "recovery_codes_left": 9}
    assert "incorrect" in refused("factors", "verify", user["email"], codes[0], *place)
    assert len(good("factors", "recovery-codes", user["email"], *place).split()) == 10
    told = refused("users", "verify-password", user["email"], "--password", "-", *place, input=PASSWORD)
    assert "second_factor_required" in told or "second factor" in told
    assert good("factors", "lift", user["email"], "--yes", "--quiet", *place).strip() == user["id"]
    assert user["id"] in good("users", "verify-password", user["email"], "--password", "-", *place, input=PASSWORD)
    again = json.loads(good("factors", "add", user["email"], "--json", *place))
    assert again["id"] in good("factors", "remove", user["email"], again["id"], "--quiet", *place)


def test_keys_of_all_users_are_listed_with_their_users_and_filtered(place: Place, new: Any) -> None:
    user = new()
    key = json.loads(good("keys", "create", user["email"], "--name", "billing", "--json", *place))
    listed = good("keys", "list", "--all", "--prefix", key["key"][:8], *place)
    assert key["id"] in listed and user["email"] in listed
    assert good("keys", "list", "--all", "--quiet", "--prefix", key["masked"], *place).split() == [key["id"]]
    assert good("keys", "list", "--all", "--quiet", "--scope", "users:delete", "--prefix", key["id"], *place) == ""
    assert good("keys", "list", "--all", "--json", "--expires-before", "1h", "--prefix", key["id"], *place) == "[]\n"
    expiring = json.loads(good("keys", "create", user["email"], "--expires", "20d", "--json", *place))
    asked = ("keys", "list", user["email"], "--quiet", "--expires-before")
    assert [good(*asked, text, *place).split() for text in ("30d", "10d")] == [[expiring["id"]], []], "from now"
    assert good("keys", "list", "--all", "--created-by", user["email"], *place) == ""
    assert "not both" in refused("keys", "list", user["email"], "--all", *place, code=2)
