"""One-time tokens: each does one thing, once, for as long as what it relies on is as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import clock, errors
from rollbook.actions import tokens
from rollbook.actions.arguments import NewPassword
from rollbook.actions.arguments.tokens import TokenConsume
from rollbook.actions.attempts import AttemptOrigin
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import CLI
from rollbook.actions.resealing import Resealing
from rollbook.auth.server_secret import Secret
from rollbook.auth.tokens import digest
from rollbook.config import Settings
from rollbook.jobs import retention
from rollbook.records import one_time_tokens, users
from rollbook.storage.database import Database
from tests.contract.answers import Log, refused
from tests.engines import migrated, once
from tests.factors import enrolled
from tests.grids import grid
from tests.harness import OWNER_PASSWORD, Server, new_key, new_token, new_user, running
from tests.visitor import is_signed_in, signed_in

NEW = "a few random words"
MINUTE, HOUR, DAY = 60, 3600, 86_400
LIFETIMES = {
    "invite": 7 * DAY,
    "reset_password": 30 * MINUTE,
    "verify_email": DAY,
    "change_email": DAY,
    "sign_in": 10 * MINUTE,
}


def path(user: dict[str, Any]) -> str:
    return f"/v1/users/{user['id']}"


def invited(http: httpx2.Client) -> dict[str, Any]:
    body = {"name": "Bob", "email": f"bob{clock.now()}@example.com", "status": "invited"}
    answer = http.post("/v1/users?fields=*", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def whose(http: httpx2.Client, purpose: str) -> dict[str, Any]:
    """A new user who can have such a token."""
    return invited(http) if purpose == "invite" else new_user(http)


def asked(purpose: str, **fields: Any) -> dict[str, Any]:
    email = {"email": f"new{clock.now()}@example.com"} if purpose == "change_email" else {}
    return {"purpose": purpose, **email, **fields}


def consume(http: httpx2.Client, token: str, **fields: Any) -> httpx2.Response:
    return http.post("/v1/tokens/consume", json={"token": token, **fields})


def used(http: httpx2.Client, made: dict[str, Any]) -> httpx2.Response:
    """Consumed with all that it needs."""
    return consume(
        http, made["token"], **({"password": NEW} if made["purpose"] in ("invite", "reset_password") else {})
    )


def open_purposes(http: httpx2.Client, user: dict[str, Any]) -> list[str]:
    return [each["purpose"] for each in http.get(path(user) + "/tokens").json()]


def verifies(http: httpx2.Client, user: dict[str, Any], password: str) -> bool:
    body = {"email": user["email"], "password": password}
    return http.post("/v1/users/verify-password", json=body).status_code == 200


@pytest.fixture
def timed(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "data") as server:
        yield server


# ---- creating


@pytest.mark.parametrize("purpose", LIFETIMES)
def test_a_token_is_shown_once_and_listed_without_its_text(http: httpx2.Client, purpose: str) -> None:
    user = whose(http, purpose)
    body = asked(purpose, data={"plan": "pro", "n": [1]}, redirect_url="http://localhost:3000/x?y=1")
    made = new_token(http, user["id"], **body)
    assert made["url"].endswith("?token=" + made["token"]) and len(made["token"]) == 43
    assert made["email"] == {"change_email": body.get("email"), "verify_email": user["email"]}.get(purpose)
    assert (made["data"], made["redirect_url"]) == (body["data"], body["redirect_url"])
    lasts = clock.parse(made["expires_at"]) - clock.parse(made["created_at"])
    assert lasts == LIFETIMES[purpose] * clock.SECOND
    assert http.get(path(user) + "/tokens").json() == [
        {name: value for name, value in made.items() if name not in ("token", "url")}
    ]


@once
@pytest.mark.parametrize(
    ("seconds", "is_good"), [(1, True), (2_592_000, True), (0, False), (-1, False), (2_592_001, False), ("60", False)]
)
def test_a_token_lasts_from_a_second_to_thirty_days(http: httpx2.Client, seconds: Any, is_good: bool) -> None:
    user = new_user(http)
    answer = http.post(path(user) + "/tokens", json=asked("sign_in", expires_in=seconds))
    if is_good:
        made = answer.json()
        assert clock.parse(made["expires_at"]) - clock.parse(made["created_at"]) == seconds * clock.SECOND
    else:
        assert refused(answer, errors.InvalidParameter)["param"] == "expires_in"


def test_a_token_expires(timed: Server) -> None:
    with timed.http() as http:
        user = new_user(http)
        second, default = new_token(http, user["id"], expires_in=1), new_token(http, user["id"], purpose="sign_in")
        timed.pass_time(2)
        refused(consume(http, second["token"]), errors.TokenInvalid)
        assert open_purposes(http, user) == ["sign_in"]
        timed.pass_time(10 * MINUTE)
        refused(consume(http, default["token"]), errors.TokenInvalid)


@once
@pytest.mark.parametrize("purpose", ["invite", "reset_password", "sign_in"])
@pytest.mark.parametrize("status", ["active", "invited", "suspended"])
def test_who_can_have_which_token(http: httpx2.Client, purpose: str, status: str) -> None:
    user = invited(http) if status == "invited" else new_user(http)
    if status == "suspended":
        assert http.post(path(user) + "/suspend").status_code == 200
    answer = http.post(path(user) + "/tokens", json=asked(purpose))
    if status == "suspended":
        assert "suspended" in refused(answer, errors.BadRequest)["error"]
    elif (purpose == "invite") == (status == "invited"):
        assert answer.status_code == 201
    else:
        assert refused(answer, errors.InvalidParameter)["param"] == "purpose"


@once
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"purpose": "nothing"}, "purpose"),
        ({}, "purpose"),
        ({"purpose": "change_email"}, "email"),
        ({"purpose": "change_email", "email": "no email"}, "email"),
        ({"purpose": "verify_email", "email": "a@example.com"}, "email"),
        ({"purpose": "verify_email", "data": [1]}, "data"),
        ({"purpose": "verify_email", "data": {"a": "x" * 4096}}, "data"),
        ({"purpose": "verify_email", "language": "xx"}, "language"),
        ({"purpose": "verify_email", "send": True}, "send"),
        ({"purpose": "verify_email", "more": 1}, "more"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_created(
    http: httpx2.Client, user: dict, fields: dict[str, Any], param: str
) -> None:
    with Log(http).silent():
        answer = http.post(path(user) + "/tokens", json=fields)
    assert refused(answer, errors.InvalidParameter)["param"] == param
    assert open_purposes(http, user) == []


@once
def test_the_new_email_must_be_another_and_free(http: httpx2.Client, user: dict) -> None:
    def ask(email: str) -> httpx2.Response:
        return http.post(path(user) + "/tokens", json={"purpose": "change_email", "email": email})

    assert refused(ask(user["email"]), errors.InvalidParameter)["param"] == "email"
    refused(ask(new_user(http)["email"].upper()), errors.EmailTaken)
    assert ask(user["email"].upper()).status_code == 201, "another spelling of one's own"


def test_only_with_users_grant_for_who_is_above_member(server: Server, http: httpx2.Client) -> None:
    admin = new_user(http, role="admin")
    roles = {role: new_user(http, role=role) for role in ("member", "viewer", "admin", "owner")}
    for scopes, allowed in ((("tokens:create",), ["member"]), (("tokens:create", "users:grant"), list(roles)[:-1])):
        with server.http(new_key(http, user_id=admin["id"], scopes=scopes)) as narrow:
            for role, user in roles.items():
                made = narrow.post(path(user) + "/tokens", json=asked("reset_password"))
                listed = narrow.get(path(user) + "/tokens")
                assert listed.status_code == 200
                if role in allowed:
                    assert made.status_code == 201, made.text
                    assert narrow.delete(f"{path(user)}/tokens/{made.json()['id']}").status_code == 204
                else:
                    refused(made, errors.InsufficientScope)
                    of_owner = new_token(http, user["id"])
                    refused(narrow.delete(f"{path(user)}/tokens/{of_owner['id']}"), errors.InsufficientScope)


@pytest.mark.parametrize("purpose", ["reset_password", "change_email", "sign_in"])
@once
def test_a_key_alone_does_not_take_over_its_user(http: httpx2.Client, purpose: str) -> None:
    refused(http.post("/v1/users/me/tokens", json=asked(purpose)), errors.NotYourself)


# ---- where it leads

REDIRECTS = {
    "https://app.example.com": True,
    "https://app.example.com/": True,
    "https://APP.example.com:443/a?b=c#d": True,
    "http://intern.example:8080/x": True,
    "http://localhost": True,
    "https://localhost:4443/x": True,
    "http://127.0.0.1:65535?a": True,
    "https://app.example.com:8443/": False,
    "http://app.example.com/": False,
    "https://intern.example:8080/": False,
    "https://app.example.com.evil.example/": False,
    "https://evil.example/https://app.example.com": False,
    "https://app.example.com@evil.example/": False,
    "https://user@app.example.com/": False,
    "https://app.example.com\\@evil.example/": False,
    "https://app.example.com/\\evil": False,
    "https://app.example.com/a b": False,
    "https://app.example.com/\ta": False,
    "https://app.example.com/é": False,
    "https:app.example.com": False,
    "//app.example.com/": False,
    "/account": False,
    "javascript:alert(1)": False,
    "http://localhost.evil.example/": False,
    "http://127.0.0.1.evil.example/": False,
    "http://127.0.0.2/": False,
    "https://app.example.com:99999/": False,
    "https://app.example.com/" + "x" * 1001: False,
    "": False,
}


@pytest.fixture(scope="module")
def restricted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    flags = ("--redirect-origins", "https://app.example.com", "--redirect-origins", "http://intern.example:8080")
    with running(tmp_path_factory.mktemp("restricted") / "data", *flags) as server, server.http() as http:
        yield http


@once
@grid("url", REDIRECTS)
def test_it_leads_only_to_the_origins_of_the_setting(restricted: httpx2.Client, url: str) -> None:
    user = new_user(restricted)
    for purpose in ("verify_email", "reset_password"):
        answer = restricted.post(path(user) + "/tokens", json=asked(purpose, redirect_url=url))
        if REDIRECTS[url]:
            assert answer.status_code == 201, answer.text
        else:
            assert refused(answer, errors.InvalidParameter)["param"] == "redirect_url"


@once
def test_without_the_setting_it_leads_nowhere_else(http: httpx2.Client, user: dict) -> None:
    answer = http.post(
        path(user) + "/tokens", json=asked("verify_email", redirect_url="https://app.example.com/welcome")
    )
    assert "redirect_origins" in refused(answer, errors.InvalidParameter)["error"]


# ---- what each does


def test_an_invitation_sets_the_first_password_and_the_name(http: httpx2.Client) -> None:
    user, log = invited(http), Log(http)
    made = new_token(http, user["id"], purpose="invite", data={"team": 7}, redirect_url="http://localhost/welcome")
    answer = consume(http, made["token"], password=NEW, name="Robert", address="203.0.113.9")
    assert answer.status_code == 200, answer.text
    token = answer.json().pop("token")
    assert token == {name: made[name] for name in ("id", "purpose", "redirect_url", "data")}
    assert {name: value for name, value in answer.json().items() if name != "token"} == http.get(path(user)).json()
    assert (answer.json()["name"], answer.json()["status"], answer.json()["email_verified"]) == (
        "Robert",
        "active",
        False,
    ), "it was handed out, so nothing is known of the email"
    assert verifies(http, user, NEW)
    told = log.news()[:5]
    assert [event["type"] for event in told] == [
        "token.created",
        "token.consumed",
        "user.updated",
        "user.password_changed",
        "user.activated",
    ]
    assert {event["actor"]["address"] for event in told[1:]} == {"203.0.113.9"}
    shown = {name: value for name, value in made.items() if name not in ("token", "url", "redirect_url")}
    assert told[0]["object"] == {**shown, "send": False} and told[1]["object"] == shown


@pytest.mark.parametrize("sent", [{}, {"revoke_keys": False}, {"revoke_keys": True}])
def test_a_reset_sets_the_password_and_shuts_out_who_knew_the_old_one(
    server: Server, http: httpx2.Client, sent: dict[str, bool]
) -> None:
    user = new_user(http)
    key = new_key(http, user_id=user["id"])
    made = new_token(http, user["id"], purpose="reset_password")
    with signed_in(server, user) as before, server.http(key) as own:
        assert consume(http, made["token"], password=NEW, **sent).status_code == 200
        assert not is_signed_in(before)
        assert own.get("/v1/users/me").status_code == (200 if sent.get("revoke_keys") is False else 401)
    assert verifies(http, user, NEW) and not verifies(http, user, user["password"])


def test_an_email_is_verified_by_whoever_got_the_token_there(http: httpx2.Client, user: dict) -> None:
    made = new_token(http, user["id"])
    answer = consume(http, made["token"])
    assert (answer.status_code, answer.json()["email_verified"]) == (200, True)
    assert http.get(path(user)).json()["email_verified"] is True
    last = http.get("/v1/events", params={"user": user["id"], "type": "user.updated"}).json()[-1]
    assert last["before"] == {"email_verified": False}
    with Log(http).silent():
        refused(consume(http, made["token"]), errors.TokenInvalid)


def test_a_new_email_is_taken_and_verified(http: httpx2.Client, user: dict) -> None:
    made = new_token(http, user["id"], **(body := asked("change_email")))
    assert http.get(path(user)).json()["email"] == user["email"], "not before it is consumed"
    answer = consume(http, made["token"])
    assert (answer.json()["email"], answer.json()["email_verified"]) == (body["email"], True)
    last = http.get("/v1/events", params={"user": user["id"], "type": "user.updated"}).json()[-1]
    assert last["before"] == {"email": user["email"], "email_verified": False}
    assert verifies(http, body, user["password"])


def test_a_new_email_that_was_taken_meanwhile_uses_nothing_up(http: httpx2.Client, user: dict) -> None:
    made = new_token(http, user["id"], **(body := asked("change_email")))
    other = new_user(http, email=body["email"])
    with Log(http).silent():
        refused(consume(http, made["token"]), errors.EmailTaken)
    assert http.delete(path(other)).status_code == 204
    assert consume(http, made["token"]).status_code == 200


def test_a_sign_in_is_recorded(http: httpx2.Client, user: dict) -> None:
    log = Log(http)
    answer = consume(http, new_token(http, user["id"], purpose="sign_in")["token"], address="203.0.113.9")
    assert answer.json()["last_sign_in_at"] is not None
    told = log.news()
    assert [event["type"] for event in told] == ["token.created", "token.consumed", "user.signed_in"]
    assert told[2]["actor"]["address"] == "203.0.113.9"


@pytest.mark.parametrize("purpose", ["invite", "reset_password", "sign_in"])
def test_a_token_that_was_mailed_verifies_the_email(server: Server, http: httpx2.Client, purpose: str) -> None:
    user = whose(http, purpose)
    made = new_token(http, user["id"], purpose=purpose)
    server.ask(f"UPDATE one_time_tokens SET is_sent = 1 WHERE id = '{made['id']}'")
    assert used(http, made).json()["email_verified"] is True


@once
@pytest.mark.parametrize("purpose", LIFETIMES)
def test_what_a_token_needs_and_what_it_does_not_take(http: httpx2.Client, purpose: str) -> None:
    made = new_token(http, whose(http, purpose)["id"], **asked(purpose))
    sets_password = purpose in ("invite", "reset_password")
    wrong = [{"name": "Robert", "password": NEW}] if purpose == "reset_password" else []
    wrong += [{}, {"password": "short"}, {"password": "password1"}] if sets_password else [{"password": NEW}]
    wrong += [] if sets_password else [{"name": "Robert"}]
    for fields in wrong:
        with Log(http).silent():
            answer = consume(http, made["token"], **fields)
        assert refused(answer, errors.InvalidParameter)["param"] == ("name" if "name" in fields else "password")
    assert used(http, made).status_code == 200, "what was refused used nothing up"


def test_a_password_like_the_users_name_uses_nothing_up(http: httpx2.Client) -> None:
    user = new_user(http, name="Long Enough Name")
    made = new_token(http, user["id"], purpose="reset_password")
    for password in ("long enough name", user["email"]):
        refused(consume(http, made["token"], password=password), errors.InvalidParameter)
    assert used(http, made).status_code == 200


@pytest.mark.parametrize("purpose", ["reset_password", "sign_in"])
@once
def test_a_second_factor_is_asked_for_and_until_it_is_given_nothing_is_used_up(
    http: httpx2.Client, user: dict, purpose: str
) -> None:
    app = enrolled(http, user["id"])
    made = new_token(http, user["id"], purpose=purpose)
    fields = {"password": NEW} if purpose == "reset_password" else {}
    refused(consume(http, made["token"], **fields), errors.SecondFactorRequired)
    refused(consume(http, made["token"], **fields, code=app.wrong()), errors.WrongCode)
    if fields:
        weak = consume(http, made["token"], password="password1", code=app.recovery_codes[0])
        assert refused(weak, errors.InvalidParameter)["param"] == "password"
    assert consume(http, made["token"], **fields, code=app.recovery_codes[0]).status_code == 200, "nor was the code"
    refused(consume(http, made["token"], **fields, code=app.recovery_codes[1]), errors.TokenInvalid)
    email = new_token(http, user["id"])
    assert consume(http, email["token"]).status_code == 200, "an email is confirmed without it"


# ---- when it ends


def test_a_newer_token_ends_the_older_of_its_purpose(http: httpx2.Client, user: dict) -> None:
    older, other = new_token(http, user["id"]), new_token(http, user["id"], purpose="sign_in")
    newer = new_token(http, user["id"])
    refused(consume(http, older["token"]), errors.TokenInvalid)
    assert consume(http, newer["token"]).status_code == consume(http, other["token"]).status_code == 200


def test_a_revoked_token_ends(http: httpx2.Client, user: dict) -> None:
    made, kept, log = new_token(http, user["id"]), new_token(http, user["id"], purpose="sign_in"), Log(http)
    assert http.delete(f"{path(user)}/tokens/{made['id']}").status_code == 204
    assert [event["type"] for event in log.news()] == ["token.revoked"]
    refused(http.delete(f"{path(user)}/tokens/{made['id']}"), errors.NotFound)
    refused(http.delete(f"{path(new_user(http))}/tokens/{kept['id']}"), errors.NotFound)
    refused(consume(http, made["token"]), errors.TokenInvalid)
    assert consume(http, kept["token"]).status_code == 200


ENDINGS: dict[str, tuple[Callable[[httpx2.Client, dict[str, Any]], httpx2.Response], set[str]]] = {
    "suspended": (lambda http, user: http.post(path(user) + "/suspend"), {*LIFETIMES}),
    "deleted": (lambda http, user: http.delete(path(user)), {*LIFETIMES}),
    "purged": (lambda http, user: http.delete(path(user) + "?purge=true"), {*LIFETIMES}),
    "promoted": (lambda http, user: http.patch(path(user), json={"role": "viewer"}), {*LIFETIMES}),
    "another email": (
        lambda http, user: http.patch(path(user), json={"email": f"n{clock.now()}@example.com"}),
        {*LIFETIMES},
    ),
    "a new password": (
        lambda http, user: http.put(path(user) + "/password", json={"password": NEW}),
        {*LIFETIMES} - {"verify_email"},
    ),
    "another name": (lambda http, user: http.patch(path(user), json={"name": "Robert"}), set()),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_ends_which_tokens(server: Server, http: httpx2.Client, ending: str) -> None:
    end, ended = ENDINGS[ending]
    for user in (new_user(http), invited(http)):
        purposes = {*LIFETIMES} - ({"reset_password", "sign_in"} if user["status"] == "invited" else {"invite"})
        made = {purpose: new_token(http, user["id"], **asked(purpose)) for purpose in purposes}
        assert end(http, user).is_success
        left = server.ask(f"SELECT purpose FROM one_time_tokens WHERE user_id = '{user['id']}'")
        assert {purpose for (purpose,) in left} == purposes - ended
        if ending == "suspended":
            assert http.post(path(user) + "/activate").is_success
        if ending == "deleted":
            assert http.post(path(user) + "/restore").is_success
        for purpose in purposes & ended:
            refused(used(http, made[purpose]), errors.TokenInvalid)
        if "verify_email" not in ended:
            assert used(http, made["verify_email"]).status_code == 200


def test_a_consumed_new_email_ends_the_others(http: httpx2.Client, user: dict) -> None:
    made = [new_token(http, user["id"], **asked(purpose)) for purpose in LIFETIMES if purpose != "invite"]
    change = next(each for each in made if each["purpose"] == "change_email")
    assert consume(http, change["token"]).status_code == 200
    assert http.get(path(user) + "/tokens").json() == []


def test_those_that_have_expired_are_deleted(engine: str, tmp_path: Path) -> None:
    with migrated(engine, tmp_path) as db:
        on = Rollbook(Settings(data=tmp_path), db)
        kept = db.write_now(users.add, users.new("Kept", "kept@example.com"))
        db.write_now(tokens.add, CLI.actor, kept, tokens.record("kept", kept.id, "sign_in", clock.DAY))
        for number in range(retention.BATCH + 1):
            user = db.write_now(users.add, users.new("Alice", f"alice{number}@example.com"))
            db.write_now(tokens.add, CLI.actor, user, tokens.record(f"old{number}", user.id, "sign_in", -1))
        assert on.run(retention.expire_sessions(on)), "a bounded step at a time"
        assert not on.run(retention.expire_sessions(on))
        assert db.read_now(_digests) == [digest("kept")]


# ---- it is a secret


def test_the_text_of_a_token_is_nowhere_but_in_its_answer(server: Server, http: httpx2.Client, user: dict) -> None:
    made = new_token(http, user["id"], data={"plan": "pro"})
    export = http.get(path(user) + "/export").json()
    assert [each["id"] for each in export["tokens"]] == [made["id"]] and "token" not in export["tokens"][0]
    assert consume(http, made["token"]).status_code == 200
    for told in (
        http.get("/v1/events", params={"user": user["id"], "limit": 1000}).text,
        http.get(path(user) + "/tokens").text,
        http.get(path(user) + "/export").text,
        server.log.read_text(),
    ):
        assert made["token"] not in told
    files = b"".join(each.read_bytes() for each in server.data.iterdir() if each.is_file())
    assert made["token"].encode() not in files and OWNER_PASSWORD.encode() not in files


def test_erasure_leaves_nothing_of_tokens(http: httpx2.Client) -> None:
    user = new_user(http)
    body = asked("change_email", data={"secret": "of the person"})
    new_token(http, user["id"], **body)
    assert http.delete(path(user) + "?purge=true").status_code == 204
    told = http.get("/v1/events", params={"user": user["id"], "limit": 1000}).text
    assert "token.created" in told and body["email"] not in told and "of the person" not in told


def test_a_token_that_waits_to_be_sent_survives_a_change_of_the_secret(engine: str, tmp_path: Path) -> None:
    old, new = Secret(b"o" * 32), Secret(b"n" * 32, b"o" * 32)
    with migrated(engine, tmp_path) as db:
        user = db.write_now(users.add, users.new("Alice", "alice@example.com"))
        made = tokens.to_deliver(old, tokens.record("text", user.id, "sign_in", clock.DAY), "text", "webhook_mail")
        db.write_now(tokens.add, CLI.actor, user, made)
        on = Rollbook(Settings(data=tmp_path), db)
        on.secret = new
        assert on.run(Resealing(on).whole()) == 1
        [(id, sealed)] = db.read_now(one_time_tokens.sealed_after, "", 9)
        assert Secret(b"n" * 32).unseal(tokens.SEALED, sealed, id.encode()) == b"text"


class Watched:
    """A database that notes what it is asked."""

    def __init__(self, db: Database) -> None:
        self.asked: list[str] = []
        one, all_ = db.one, db.all

        def note_one(sql: str, *values: Any) -> Any:
            self.asked.append(sql)
            return one(sql, *values)

        def note_all(sql: str, *values: Any) -> Any:
            self.asked.append(sql)
            return all_(sql, *values)

        db.one, db.all = note_one, note_all  # type: ignore[method-assign]


@once
def test_unknown_used_replaced_and_expired_tokens_cost_the_same(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same statements, and no hash: what differs in time is less than what a network adds."""
    with migrated(engine, tmp_path) as db:
        on = Rollbook(Settings(data=tmp_path, password_memory=8, password_time_cost=1), db)
        user = db.write_now(users.add, users.new("Alice", "alice@example.com"))
        dead = ["unknown" * 6, "expired" * 6, "replaced" * 5]

        def add(text: str, lifetime: int = clock.DAY) -> None:
            db.write_now(tokens.add, CLI.actor, user, tokens.record(text, user.id, "reset_password", lifetime))

        def ask(text: str) -> TokenConsume:
            return TokenConsume(token=text, password=NewPassword(NEW))

        add(dead[2])
        add("used")
        on.run(tokens.consume_token(on, CLI, ask("used")))
        add(dead[1], -1)
        assert db.read_now(_digests) == [digest(dead[1])], "it is still there"
        watched, seen = Watched(db), []
        monkeypatch.setattr(type(on.passwords), "hash", None)
        for text in (*dead, "used"):
            watched.asked.clear()
            with pytest.raises(errors.TokenInvalid):
                on.run(tokens.prepare(on, CLI.actor, ask(text), AttemptOrigin("test")))
            seen.append(list(watched.asked))
        assert seen[0] and all(each == seen[0] for each in seen)


async def _digests(queries: Any) -> list[bytes]:
    return [bytes(row[0]) for row in await queries.all("SELECT digest FROM one_time_tokens")]
