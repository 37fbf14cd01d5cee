"""Sessions of applications: how they begin, that each refresh token works once, and what ends them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.callers import Connection, of_each_worker, together
from tests.contract.answers import Log, refused
from tests.engines import once
from tests.factors import enrolled
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_key, new_user, running
from tests.visitor import cookie, is_signed_in, signed_in, visitor

SHOP, ADMIN_APP = "https://shop.example.com", "warehouse"
MINUTE, DAY = 60, 86_400
OTHER_PASSWORD = "another good password"


def create(http: httpx2.Client, user: dict[str, Any], audience: str = SHOP, **fields: Any) -> dict[str, Any]:
    answer = sign_in(http, user, audience, **fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def sign_in(http: httpx2.Client, user: dict[str, Any], audience: str = SHOP, **fields: Any) -> httpx2.Response:
    body = {"email": user["email"], "password": user["password"], "audience": audience, **fields}
    return http.post("/v1/sessions", json=body)


def verify(http: httpx2.Client, session: dict[str, Any], audience: str = SHOP) -> httpx2.Response:
    return http.post("/v1/sessions/verify", json={"token": session["token"], "audience": audience})


def refresh(http: httpx2.Client, session: dict[str, Any], audience: str = SHOP, **headers: str) -> httpx2.Response:
    body = {"refresh_token": session["refresh_token"], "audience": audience}
    return http.post("/v1/sessions/refresh", json=body, headers=headers)


def is_valid(http: httpx2.Client, session: dict[str, Any], audience: str = SHOP) -> bool:
    answer = verify(http, session, audience)
    if answer.status_code == 200:
        return True
    refused(answer, errors.SessionEnded)
    return False


def listed(http: httpx2.Client, user: dict[str, Any], **more: str) -> list[dict[str, Any]]:
    answer = http.get("/v1/sessions", params={"user": user["id"], **more})
    assert answer.headers["x-total-count"] == str(len(answer.json()))
    return answer.json()


@pytest.fixture
def session(http: httpx2.Client, user: dict) -> dict[str, Any]:
    return create(http, user)


@pytest.fixture
def timed(tmp_path: Path) -> Iterator[Server]:
    """A server of one's own, whose clock may be moved."""
    flags = ("--app-session-lifetime", "15m", "--app-refresh-lifetime", "30d", "--app-session-max-age", "50d")
    with running(tmp_path / "data", *flags, "--rate-limit", "none") as server:
        yield server


# ---- how one begins


def test_a_right_password_makes_a_session_that_the_log_tells_of_without_its_tokens(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    log = Log(http)
    made = create(http, user, address="203.0.113.7", user_agent="Netscape/4.0")
    assert made["token"].startswith("rbs_") and made["refresh_token"].startswith("rbr_")
    assert made["user"] == http.get(f"/v1/users/{user['id']}").json()
    assert made["user"]["last_sign_in_at"] is not None
    signed, began = log.news()
    assert (signed["type"], began["type"]) == ("user.signed_in", "session.created")
    (found,) = listed(http, user)
    assert found == began["object"]
    assert {name: found[name] for name in ("id", "audience", "address", "user_agent", "expires_at")} == {
        "id": made["id"],
        "audience": SHOP,
        "address": "203.0.113.7",
        "user_agent": "Netscape/4.0",
        "expires_at": made["expires_at"],
    }
    assert began["actor"]["address"] == "203.0.113.7" and began["actor"]["key_id"] is not None
    kept = str((signed, began, found, server.log.read_text()))
    assert made["token"] not in kept and made["refresh_token"] not in kept
    rows = server.ask("SELECT * FROM sessions")
    assert not any(
        token.encode() in bytes(cell)
        for row in rows
        for cell in row
        if isinstance(cell, (bytes, memoryview))
        for token in (made["token"], made["refresh_token"])
    )


def test_a_wrong_password_and_an_unknown_email_are_refused_alike_and_counted_as_elsewhere(
    http: httpx2.Client, user: dict
) -> None:
    wrong = sign_in(http, user | {"password": "not the password"})
    unknown = sign_in(http, user | {"email": "no.one@example.com"})
    contents = [refused(answer, errors.WrongPassword) | {"request_id": ""} for answer in (wrong, unknown)]
    assert contents[0] == contents[1] and listed(http, user) == []
    for _ in range(9):
        body = {"email": user["email"], "password": "not the password"}
        assert http.post("/v1/users/verify-password", json=body).status_code == 401
    refused(sign_in(http, user), errors.TooManyAttempts)


def test_a_sign_in_link_makes_a_session_once_and_other_tokens_make_none(http: httpx2.Client, user: dict) -> None:
    def token(purpose: str) -> str:
        answer = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": purpose})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def exchange(text: str, **fields: Any) -> httpx2.Response:
        return http.post("/v1/sessions", json={"token": text, "audience": SHOP, **fields})

    sign_in_token, reset = token("sign_in"), token("reset_password")
    assert refused(exchange(reset), errors.InvalidParameter)["param"] == "token"
    opened = {"token": reset, "password": OTHER_PASSWORD}
    assert http.post("/v1/tokens/consume", json=opened).status_code == 200, "it was not used up"
    sign_in_token = token("sign_in")
    log = Log(http)
    answer = exchange(sign_in_token, address="203.0.113.7")
    assert answer.status_code == 201 and is_valid(http, answer.json())
    assert [event["type"] for event in log.news()] == ["token.consumed", "user.signed_in", "session.created"]
    refused(exchange(sign_in_token), errors.TokenInvalid)
    refused(exchange("unknown"), errors.TokenInvalid)


def test_a_user_with_a_second_factor_gets_a_session_for_the_code_and_none_for_the_password(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    app = enrolled(http, user["id"])
    log = Log(http)
    challenge = refused(sign_in(http, user), errors.SecondFactorRequired)["challenge"]
    assert listed(http, user) == [] and log.news() == []

    def answer(code: str) -> httpx2.Response:
        body = {"challenge": challenge, "code": code, "audience": SHOP, "address": "203.0.113.7"}
        return http.post("/v1/sessions", json=body)

    refused(answer(app.wrong()), errors.WrongCode)
    assert listed(http, user) == []
    right = {"challenge": challenge, "code": app.code(), "audience": SHOP}
    connections = [Connection(server) for _ in range(4)]
    answers = together(*(partial(each.call, "POST", "/v1/sessions", right) for each in connections))
    for each in connections:
        each.close()
    (made,) = [each.json for each in answers if each.status == 201]
    assert is_valid(http, made)
    (session,) = listed(http, user)
    assert session["id"] == made["id"]
    assert [event["type"] for event in log.news()] == ["user.signed_in", "session.created"]
    refused(answer(app.recovery_codes[0]), errors.InvalidChallenge)
    # The same challenge of the older call is good here, too.
    answered = http.post("/v1/users/verify-password", json={"email": user["email"], "password": user["password"]})
    challenge = answered.json()["challenge"]
    assert answer(app.recovery_codes[0]).status_code == 201


def test_of_many_who_exchange_one_sign_in_link_one_gets_a_session(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    text = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "sign_in"}).json()["token"]
    connections = [Connection(server) for _ in range(8)]
    body = {"token": text, "audience": SHOP}
    answers = together(*(partial(each.call, "POST", "/v1/sessions", body) for each in connections))
    for each in connections:
        each.close()
    assert sorted(answer.status for answer in answers) == [201] + [400] * 7
    assert len(listed(http, user)) == 1


@once
def test_one_way_to_sign_in_must_be_given_and_only_one(http: httpx2.Client, user: dict) -> None:
    both = {"email": user["email"], "password": user["password"]}
    for fields, param in (
        ({}, "email"),
        ({"email": user["email"]}, "password"),
        ({"password": user["password"]}, "email"),
        ({**both, "token": "x"}, "token"),
        ({"email": user["email"], "token": "x"}, "token"),
        ({"challenge": "x"}, "code"),
        ({"code": "123456"}, "challenge"),
        ({**both, "code": "123456"}, "challenge"),
    ):
        answer = http.post("/v1/sessions", json={"audience": SHOP, **fields})
        assert refused(answer, errors.InvalidParameter)["param"] == param
    assert listed(http, user) == []


@once
def test_what_is_no_audience_or_token_is_refused_by_name(http: httpx2.Client, user: dict) -> None:
    for audience in ("", "with space", "é", "line\n", "a" * 256, None, 7):
        answer = sign_in(http, user, audience)  # type: ignore[arg-type]
        assert refused(answer, errors.InvalidParameter)["param"] == "audience"
    missing = http.post("/v1/sessions", json={"email": user["email"], "password": user["password"]})
    assert refused(missing, errors.InvalidParameter)["param"] == "audience"
    for token in ("", "x" * 101, "\0", 7):
        for path, name in (("verify", "token"), ("refresh", "refresh_token")):
            answer = http.post(f"/v1/sessions/{path}", json={name: token, "audience": SHOP})
            assert answer.status_code == 400 and answer.json().get("param", name) == name
    for token in ("rbs_", "rbr_" + "A" * 65, "rbr_" + "é" * 65, "\ud7ff"):
        refused(verify(http, {"token": token}), errors.SessionEnded)
        refused(refresh(http, {"refresh_token": token}), errors.SessionEnded)


def test_verify_tells_of_the_user_as_they_are_now_and_as_much_as_is_asked_for(
    http: httpx2.Client, user: dict, session: dict[str, Any]
) -> None:
    path = f"/v1/users/{user['id']}"
    assert http.patch(path, json={"name": "Renamed", "metadata": {"plan": "pro"}}).status_code == 200
    few = verify(http, session).json()
    assert few == {
        "id": session["id"],
        "user_id": user["id"],
        "audience": SHOP,
        "expires_at": session["expires_at"],
        "user": {"id": user["id"], "name": "Renamed", "email": user["email"]},
    }
    body = {"token": session["token"], "audience": SHOP}
    whole = http.post("/v1/sessions/verify?fields=*", json=body).json()
    assert whole == {**few, "user": http.get(path).json()}
    some = http.post("/v1/sessions/verify?fields=email_verified", json=body).json()
    assert some["user"] == {**few["user"], "email_verified": False}


@once
def test_a_body_is_read_the_same_however_it_is_written(http: httpx2.Client, session: dict[str, Any]) -> None:
    """The usual ones are read on a short way, which must not let through what the long one refuses."""
    token, json_type = session["token"], {"Content-Type": "application/json"}

    def ask(text: str, **headers: str) -> httpx2.Response:
        return http.post("/v1/sessions/verify", content=text.encode(), headers={**json_type, **headers})

    for text in (
        f'{{"token":"{token}","audience":"{SHOP}"}}',
        f' {{ "audience" :\n"{SHOP}", "token" : "{token}" }} ',
        f'{{"token":"{token}","audience":"https:\\u002f\\u002fshop.example.com"}}',
    ):
        assert ask(text).status_code == 200, text
        assert ask(text, **{"Content-Type": "application/json; charset=utf-8"}).status_code == 200
    for text, error in (
        (f'{{"token":"{token}","audience":"{SHOP}","audience":"{SHOP}"}}', errors.InvalidJson),
        (f'{{"token":"x","audience":"{SHOP}","token":"{token}"}}', errors.InvalidJson),
        (f'{{"token":"{token}","audience":"{SHOP}","more":""}}', errors.InvalidParameter),
        (f'{{"token":"{token}","audience":"{SHOP}"}}}}', errors.InvalidJson),
        (f'{{"token":"{token}\x00","audience":"{SHOP}"}}', errors.InvalidJson),
        (f'["{token}","{SHOP}","",""]', errors.InvalidJson),
    ):
        refused(ask(text), error)
    refused(
        ask(f'{{"token":"{token}","audience":"{SHOP}"}}', **{"Content-Type": "text/plain"}), errors.UnsupportedMediaType
    )


# ---- one table, told apart


def test_a_token_is_only_good_for_its_audience_and_a_cookie_for_the_dashboard(
    server: Server, http: httpx2.Client, user: dict, session: dict[str, Any]
) -> None:
    assert (
        is_valid(http, session) and not is_valid(http, session, ADMIN_APP) and not is_valid(http, session, "dashboard")
    )
    refused(refresh(http, session, ADMIN_APP), errors.SessionEnded)
    assert is_valid(http, session), "another application's attempt ends nothing"
    with signed_in(server, user) as person:
        text = cookie(person, server)
        for audience in (SHOP, "null", "none", "dashboard"):
            assert not is_valid(http, {"token": text}, audience)
            refused(refresh(http, {"refresh_token": text}, audience), errors.SessionEnded)
        for token in (session["token"], session["refresh_token"]):
            with visitor(server, Cookie=f"rollbook-{server.port}={token}") as thief:
                assert not is_signed_in(thief)
            assert http.get("/v1/users", headers={"Authorization": f"Bearer {token}"}).status_code == 401
            assert person.post("/account/sign-out").status_code == 303
        assert is_valid(http, session), "to sign out of the dashboard is not to sign out of the shop"


def test_the_list_names_each_and_can_be_asked_for_one_application(
    server: Server, http: httpx2.Client, user: dict, session: dict[str, Any]
) -> None:
    other = create(http, user, ADMIN_APP)
    with signed_in(server, user):
        assert [each["audience"] for each in listed(http, user)] == [None, ADMIN_APP, SHOP]
    assert [each["id"] for each in listed(http, user, audience=ADMIN_APP)] == [other["id"]]
    assert listed(http, user, audience="nothing") == []


# ---- refreshing


def test_each_refresh_replaces_both_tokens_and_makes_no_event(
    http: httpx2.Client, user: dict, session: dict[str, Any]
) -> None:
    log = Log(http)
    pairs = [session]
    with log.silent():
        for _ in range(3):
            answer = refresh(http, pairs[-1])
            assert answer.status_code == 200
            pairs.append(answer.json())
            assert [is_valid(http, each) for each in pairs] == [False] * (len(pairs) - 1) + [True]
    tokens = {pair[name] for pair in pairs for name in ("token", "refresh_token")}
    assert len(tokens) == 8 and {pair["id"] for pair in pairs} == {session["id"]}
    assert len(listed(http, user)) == 1


def test_a_refresh_token_that_is_sent_again_ends_the_session_however_old_it_is(
    http: httpx2.Client, user: dict, session: dict[str, Any]
) -> None:
    newest = session
    for _ in range(3):
        newest = refresh(http, newest).json()
    log = Log(http)
    content = refused(refresh(http, session), errors.SessionEnded)
    assert content["error"] == "This refresh token was used before, so the session has ended."
    assert not is_valid(http, newest)
    refused(refresh(http, newest), errors.SessionEnded)
    (event,) = log.news()
    assert (event["type"], event["object"]["id"], event["user_id"]) == (
        "session.reuse_detected",
        session["id"],
        user["id"],
    )
    assert listed(http, user) == []


def test_of_many_refreshes_at_once_one_wins_and_the_others_end_the_session(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    for _ in range(3):
        session = create(http, user)
        body = {"refresh_token": session["refresh_token"], "audience": SHOP}
        connections = [Connection(server) for _ in range(8)]
        log = Log(http)
        answers = together(*(partial(each.call, "POST", "/v1/sessions/refresh", body) for each in connections))
        for each in connections:
            each.close()
        statuses = sorted(answer.status for answer in answers)
        assert statuses == [200] + [401] * 7
        (won,) = [answer.json for answer in answers if answer.status == 200]
        assert not is_valid(http, won), "nobody can tell the thief from the user"
        assert [event["type"] for event in log.news()] == ["session.reuse_detected"]


def test_a_refresh_whose_answer_was_lost_can_be_repeated_with_its_key_and_with_no_other(
    http: httpx2.Client, session: dict[str, Any]
) -> None:
    headers = {"Idempotency-Key": "first try"}
    lost = refresh(http, session, **headers)
    again = refresh(http, session, **headers)
    assert again.json() == lost.json() and again.headers["idempotency-replayed"] == "true"
    assert is_valid(http, again.json())
    refused(refresh(http, session, **{"Idempotency-Key": "second try"}), errors.SessionEnded)
    assert not is_valid(http, again.json())
    refused(refresh(http, session, **{"Idempotency-Key": "second try"}), errors.SessionEnded)


# ---- what ends one

End = Callable[[httpx2.Client, dict[str, Any], dict[str, Any]], httpx2.Response]
ENDS: dict[str, End] = {
    "signed out": lambda http, user, session: http.delete(f"/v1/sessions/{session['id']}"),
    "suspended": lambda http, user, session: http.post(f"/v1/users/{user['id']}/suspend"),
    "deleted": lambda http, user, session: http.delete(f"/v1/users/{user['id']}"),
    "erased": lambda http, user, session: http.delete(f"/v1/users/{user['id']}?purge=true"),
    "given a password": lambda http, user, session: http.put(
        f"/v1/users/{user['id']}/password", json={"password": OTHER_PASSWORD}
    ),
    "promoted": lambda http, user, session: http.patch(f"/v1/users/{user['id']}", json={"role": "viewer"}),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_ends_a_session_ends_both_tokens_for_good(http: httpx2.Client, user: dict, end: End) -> None:
    session = create(http, user)
    assert is_valid(http, session)
    assert end(http, user, session).is_success
    assert not is_valid(http, session)
    refused(refresh(http, session), errors.SessionEnded)
    path = f"/v1/users/{user['id']}"
    for back in ("activate", "restore"):
        http.post(f"{path}/{back}")
    assert not is_valid(http, session)


def test_what_ends_a_session_ends_it_in_every_worker_at_once(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "--workers", "2", "--rate-limit", "none") as server,
        server.http() as http,
        of_each_worker(server, 2) as workers,
    ):
        for end in ENDS.values():
            user = new_user(http)
            session = create(http, user)
            body = {"token": session["token"], "audience": SHOP}
            asked = [worker.call("POST", "/v1/sessions/verify", body).status for worker in workers]
            assert end(http, user, session).is_success
            asked += [worker.call("POST", "/v1/sessions/verify", body).status for worker in workers]
            assert asked == [200, 200, 401, 401]


def test_signing_out_everywhere_in_the_dashboard_ends_those_of_applications_too(
    server: Server, http: httpx2.Client, user: dict, session: dict[str, Any]
) -> None:
    with signed_in(server, user) as person:
        page = person.get("/account/sessions").text
        assert SHOP in page and f"/account/sessions/{session['id']}/end" in page
        other = create(http, user, ADMIN_APP)
        assert person.post(f"/account/sessions/{other['id']}/end").status_code == 303
        assert not is_valid(http, other, ADMIN_APP) and is_valid(http, session)
        assert person.post("/account/sessions/end-others").status_code == 303
        assert not is_valid(http, session) and is_signed_in(person)


def test_a_session_outlives_the_key_and_the_application_that_created_it(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    application = new_user(http, role="admin")
    key = new_key(http, user_id=application["id"], scopes=["sessions:create", "sessions:write"])
    with server.http(key) as app:
        session = create(app, user)
        answer = app.post("/v1/sessions/verify", json={"token": session["token"], "audience": SHOP})
        refused(answer, errors.InsufficientScope)
        own = {"email": OWNER_EMAIL, "password": OWNER_PASSWORD}
        of_owner = create(app, own)
        assert app.delete(f"/v1/sessions/{of_owner['id']}").status_code == 204, "it signs out whom it signed in"
        elsewhere = create(http, own)
        refused(app.delete(f"/v1/sessions/{elsewhere['id']}"), errors.InsufficientScope)
    assert http.delete(f"/v1/users/{application['id']}").status_code == 204
    assert is_valid(http, session)
    assert refresh(http, session).status_code == 200


def test_the_session_after_the_hundredth_for_an_audience_ends_its_oldest(tmp_path: Path) -> None:
    flags = ("--password-memory", "8", "--password-time-cost", "1", "--rate-limit", "none")
    with running(tmp_path / "data", *flags) as server, server.http() as http:
        user = new_user(http)
        other = create(http, user, ADMIN_APP)
        made = [create(http, user) for _ in range(101)]
        assert [is_valid(http, made[0]), is_valid(http, made[1]), is_valid(http, made[-1])] == [False, True, True]
        assert is_valid(http, other, ADMIN_APP)
        revoked = {"user": user["id"], "type": "session.revoked"}
        (event,) = http.get("/v1/events", params=revoked).json()
        assert event["object"]["id"] == made[0]["id"]


def test_tokens_expire_sessions_end_and_neither_is_kept(timed: Server) -> None:
    with timed.http() as http:
        user = new_user(http)
        kept, left = create(http, user), create(http, user)
        timed.pass_time(14 * MINUTE)
        assert is_valid(http, kept)
        timed.pass_time(15 * MINUTE + 1)
        assert not is_valid(http, kept)
        for days in (1, 25, 31):
            timed.pass_time(days * DAY)
            kept = refresh(http, kept).json()
            assert is_valid(http, kept)
        assert [each["id"] for each in listed(http, user)] == [kept["id"]]
        refused(refresh(http, left), errors.SessionEnded)
        timed.pass_time(50 * DAY - 60)
        kept = refresh(http, kept).json()
        assert kept["expires_at"] == kept["refresh_expires_at"], "the token does not outlive the session"
        timed.pass_time(50 * DAY + 1)
        assert not is_valid(http, kept)
        refused(refresh(http, kept), errors.SessionEnded)
        timed.stop()
        timed.start()  # what has ended is looked for as soon as this server leads
        deadline = time.monotonic() + 60
        path = f"/v1/users/{user['id']}/export"
        while http.get(path).json()["sessions"] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert http.get(path).json()["sessions"] == []


def test_a_password_that_changes_while_somebody_signs_in_with_the_old_one_leaves_no_session(tmp_path: Path) -> None:
    flags = ("--password-threads", "1", "--rate-limit", "none")
    with running(tmp_path / "data", *flags) as server, server.http() as http:
        user = new_user(http)
        path = f"/v1/users/{user['id']}/password"
        body = {"email": user["email"], "password": user["password"], "audience": SHOP}
        for _ in range(5):
            with Connection(server) as app, Connection(server) as other:
                statuses = together(
                    lambda app=app: app.call("POST", "/v1/sessions", body).status,
                    lambda other=other: other.call("PUT", path, {"password": OTHER_PASSWORD}).status,
                )
            assert statuses in ([201, 204], [401, 204])
            assert listed(http, user) == []
            assert http.put(path, json={"password": user["password"]}).is_success
