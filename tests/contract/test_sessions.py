"""Being signed in to the pages: how it begins, what ends it, and who may look at it and end it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.callers import Connection, of_each_worker, together
from tests.contract.answers import Log, refused
from tests.engines import once
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_key, new_user, running
from tests.visitor import cookie, is_signed_in, sign_in, signed_in, visitor

HOUR = 3600
OTHER_PASSWORD = "another good password"


@pytest.fixture
def person(server: Server, user: dict) -> Iterator[httpx2.Client]:
    """A member who is signed in."""
    with signed_in(server, user) as found:
        yield found


@pytest.fixture
def timed(tmp_path: Path) -> Iterator[Server]:
    """A server of one's own, whose clock may be moved."""
    with running(tmp_path / "data", "--session-lifetime", "72", "--session-idle-timeout", "24") as server:
        yield server


# ---- how it begins


@once
def test_a_good_sign_in_sets_a_cookie_that_scripts_and_other_sites_cannot_use(server: Server, user: dict) -> None:
    with visitor(server) as person:
        answer = sign_in(person, user["email"], user["password"])
        assert (answer.status_code, answer.headers["location"], answer.content) == (303, "/", b"")
        line, device = answer.headers.get_list("set-cookie")
        text, *attributes = line.split("; ")
        assert text.startswith(f"rollbook-{server.port}=") and len(text.partition("=")[2]) >= 43
        assert sorted(attributes) == ["HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=Lax"]
        text, *attributes = device.split("; ")
        assert text.startswith(f"rollbook-{server.port}-device=") and len(text) <= 120
        assert sorted(attributes) == ["HttpOnly", "Max-Age=15552000", "Path=/", "SameSite=Lax"]
        assert answer.headers["cache-control"] == "no-store"
        assert is_signed_in(person)


@once
def test_over_tls_the_cookie_is_bound_to_the_host_and_to_tls(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "--trusted-proxy", "127.0.0.1/32") as server,
        visitor(server, **{"X-Forwarded-Proto": "https"}) as person,
    ):
        line, device = sign_in(person).headers.get_list("set-cookie")
        assert device.startswith("__Host-rollbook-device=") and device.endswith("; Secure")
        text, *attributes = line.split("; ")
        assert text.startswith("__Host-rollbook=")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} < set(attributes) and "Domain" not in line
        person.headers["Cookie"] = text
        assert is_signed_in(person)
        # The same text under the other name, or without TLS, is nobody.
        person.headers["Cookie"] = text.replace("__Host-rollbook", f"rollbook-{server.port}")
        assert not is_signed_in(person)
        person.headers |= {"Cookie": text, "X-Forwarded-Proto": "http"}
        assert not is_signed_in(person)


@once
def test_under_an_https_public_url_the_cookie_is_for_tls_whatever_the_proxy_says(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--public-url", "https://users.example.com") as server, visitor(server) as person:
        person.headers["Host"] = "users.example.com"
        line, _ = sign_in(person).headers.get_list("set-cookie")
        assert line.startswith("__Host-rollbook=") and line.endswith("; Secure")
        # From the machine itself, without the proxy, it is plain.
        person.headers["Host"] = f"127.0.0.1:{server.port}"
        line, _ = sign_in(person).headers.get_list("set-cookie")
        assert line.startswith(f"rollbook-{server.port}=") and "Secure" not in line


def test_signing_in_notes_when_and_is_in_the_log_without_its_secret(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    log = Log(http)
    with signed_in(server, user, **{"User-Agent": "Netscape/4.0"}) as person:
        signed, event = log.news()
        text = cookie(person, server)
    assert (event["type"], event["user_id"], event["actor"]["user_id"]) == ("session.created", user["id"], user["id"])
    assert event["object"]["user_agent"] == "Netscape/4.0" and event["object"]["address"] == "127.0.0.1"
    assert (signed["type"], signed["actor"]) == ("user.signed_in", event["actor"])
    assert text and text not in str((signed, event))
    assert http.get(f"/v1/users/{user['id']}").json()["last_sign_in_at"] == event["created_at"]
    assert text not in server.log.read_text()


def test_signing_in_makes_a_new_session_in_the_place_of_the_browsers_old_one(
    server: Server, http: httpx2.Client, user: dict, person: httpx2.Client
) -> None:
    first = cookie(person, server)
    assert sign_in(person, user["email"], user["password"]).status_code == 303
    second = cookie(person, server)
    assert first != second
    assert len(http.get("/v1/sessions", params={"user": user["id"]}).json()) == 1
    with visitor(server, Cookie=f"rollbook-{server.port}={first}") as old:
        assert not is_signed_in(old)
    assert is_signed_in(person)


@once
def test_a_cookie_that_somebody_planted_is_never_adopted(server: Server, user: dict) -> None:
    planted = "A" * 43
    name = f"rollbook-{server.port}"
    with visitor(server, Cookie=f"{name}={planted}") as victim:
        answer = sign_in(victim, user["email"], user["password"])
        assert answer.status_code == 303 and planted not in answer.headers["set-cookie"]
        assert not is_signed_in(victim)
    # Of two cookies with our name one may be another's: neither counts.
    with signed_in(server, user) as person:
        text = cookie(person, server)
    with visitor(server, Cookie=f"{name}={text}; {name}={planted}") as both:
        assert not is_signed_in(both)
    with visitor(server, Cookie=f"{name}={text}") as one:
        assert is_signed_in(one)


# ---- what ends it


def test_signing_out_ends_this_session_and_no_other(
    server: Server, http: httpx2.Client, user: dict, person: httpx2.Client
) -> None:
    with signed_in(server, user) as other:
        text, log = cookie(person, server), Log(http)
        answer = person.post("/account/sign-out")
        assert (answer.status_code, answer.headers["location"]) == (303, "/account/sign-in")
        assert "Max-Age=0" in answer.headers["set-cookie"]
        assert answer.headers["clear-site-data"] == '"cache"', "going back shows nothing to whoever comes next"
        assert [(event["type"], event["actor"]["user_id"]) for event in log.news()] == [("session.revoked", user["id"])]
        with visitor(server, Cookie=f"rollbook-{server.port}={text}") as thief:
            assert not is_signed_in(thief), "the cookie is worth nothing, whoever has kept it"
        assert is_signed_in(other)
        assert person.post("/account/sign-out").status_code == 303, "nothing to end is no error"


def test_a_session_without_requests_ends_and_one_with_requests_goes_on(timed: Server) -> None:
    with signed_in(timed) as idle, signed_in(timed) as busy:
        for hours in (20, 40, 60):
            timed.pass_time(hours * HOUR)
            assert is_signed_in(busy)
            timed.stop()  # what is noted in memory is written
            timed.start()
        assert not is_signed_in(idle)
        assert idle.get("/account").headers["location"] == "/account/sign-in?next=/account"


def test_a_session_ends_after_its_lifetime_however_busy_it_is(timed: Server) -> None:
    with signed_in(timed) as person:
        for hours in (23, 46, 69):
            timed.pass_time(hours * HOUR)
            assert is_signed_in(person)
            timed.stop()  # what is noted in memory is written
            timed.start()
        timed.pass_time(72 * HOUR + 1)
        assert not is_signed_in(person)


def test_sessions_that_have_ended_by_themselves_are_not_kept(timed: Server) -> None:
    with timed.http() as http, signed_in(timed):
        assert len(http.get("/v1/sessions").json()) == len(http.get("/v1/users/me/export").json()["sessions"]) == 1
        timed.pass_time(25 * HOUR)
        assert http.get("/v1/sessions").json() == []
        timed.stop()
        timed.start()  # they are looked for as soon as this server leads, then every minute
        deadline = time.monotonic() + 60
        while http.get("/v1/users/me/export").json()["sessions"] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert http.get("/v1/users/me/export").json()["sessions"] == []


End = Callable[[httpx2.Client, dict[str, Any]], httpx2.Response]
ENDS: dict[str, End] = {
    "suspended": lambda http, user: http.post(f"/v1/users/{user['id']}/suspend"),
    "suspended by a change": lambda http, user: http.patch(f"/v1/users/{user['id']}", json={"status": "suspended"}),
    "deleted": lambda http, user: http.delete(f"/v1/users/{user['id']}"),
    "erased": lambda http, user: http.delete(f"/v1/users/{user['id']}?purge=true"),
    "given a password": lambda http, user: http.put(
        f"/v1/users/{user['id']}/password", json={"password": OTHER_PASSWORD}
    ),
    "signed out": lambda http, user: http.delete(
        f"/v1/sessions/{http.get('/v1/sessions', params={'user': user['id']}).json()[0]['id']}"
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_whoever_is_suspended_deleted_or_has_a_new_password_is_signed_out_at_once(
    server: Server, http: httpx2.Client, user: dict, person: httpx2.Client, end: End
) -> None:
    assert is_signed_in(person)
    assert end(http, user).is_success
    assert not is_signed_in(person)


def test_activated_or_restored_is_not_signed_in_again(http: httpx2.Client, user: dict, person: httpx2.Client) -> None:
    path = f"/v1/users/{user['id']}"
    for away, back in ((path + "/suspend", path + "/activate"), (path, path + "/restore")):
        assert http.request("DELETE" if away == path else "POST", away).is_success
        assert http.post(back).is_success
        assert not is_signed_in(person)
        assert sign_in(person, user["email"], user["password"]).status_code == 303


def test_what_ends_a_session_ends_it_in_every_worker_at_once(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "--workers", "2", "--rate-limit", "none") as server,
        server.http() as http,
        of_each_worker(server, 2, key=None) as workers,
    ):
        for end in ENDS.values():
            user = new_user(http)
            with signed_in(server, user) as person:
                text = f"rollbook-{server.port}={cookie(person, server)}"

            def status(worker: Connection, text: str = text) -> int:
                return worker.call("GET", "/account/sessions", Cookie=text).status

            assert [status(worker) for worker in workers] == [200, 200]
            assert end(http, user).is_success
            assert [status(worker) for worker in workers] == [303, 303]


@once
def test_a_role_that_may_not_sign_in_is_refused_and_signed_out(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", environment={"ROLLBOOK_SIGN_IN_ROLES": "admin,owner"}) as server,
        server.http() as http,
    ):
        admin, member = new_user(http, role="admin"), new_user(http)
        with signed_in(server, admin) as person, visitor(server) as other:
            answer = sign_in(other, member["email"], member["password"])
            assert (
                answer.status_code == 403
                and "not allowed to sign in" in answer.text
                and "set-cookie" not in answer.headers
            )
            assert is_signed_in(person)
            assert http.patch(f"/v1/users/{admin['id']}", json={"role": "member"}).is_success
            assert not is_signed_in(person)
        # Keys are not touched by it.
        with server.http(new_key(http, user_id=member["id"])) as program:
            assert program.get("/v1/users/me").status_code == 200


def test_a_password_that_changes_while_somebody_signs_in_with_the_old_one_leaves_nobody_signed_in(
    tmp_path: Path,
) -> None:
    """The old password was right when it was looked at: the session must not outlive it all the same."""
    flags = ("--password-threads", "1", "--rate-limit", "none")
    with running(tmp_path / "data", *flags) as server, server.http() as http:
        user = new_user(http)
        path = f"/v1/users/{user['id']}/password"
        for _ in range(5):
            with visitor(server) as person, Connection(server) as other:
                statuses = together(
                    lambda person=person: sign_in(person, user["email"], user["password"]).status_code,
                    lambda other=other: other.call("PUT", path, {"password": OTHER_PASSWORD}).status,
                )
                assert statuses in ([303, 204], [401, 204])
                assert not is_signed_in(person)
                assert http.get("/v1/sessions", params={"user": user["id"]}).json() == []
            assert http.put(path, json={"password": user["password"]}).is_success


# ---- how many


def test_the_sign_in_after_the_hundredth_session_ends_the_oldest(tmp_path: Path) -> None:
    flags = ("--password-memory", "8", "--password-time-cost", "1", "--page-limit", "none", "--rate-limit", "none")
    with running(tmp_path / "data", *flags) as server, server.http() as http, ExitStack() as stack:
        user = new_user(http)
        people = [stack.enter_context(signed_in(server, user)) for _ in range(100)]
        oldest = http.get("/v1/sessions", params={"user": user["id"], "limit": 1, "offset": 99}).json()[0]
        assert is_signed_in(people[0])
        newest = stack.enter_context(signed_in(server, user))
        assert [is_signed_in(each) for each in (people[0], people[1], newest)] == [False, True, True]
        revoked = {"user": user["id"], "type": "session.revoked", "limit": 1000}
        (event,) = http.get("/v1/events", params=revoked).json()
        assert event["object"]["id"] == oldest["id"] and event["actor"]["user_id"] == user["id"]
        assert newest.get("/account/sessions").text.count("/end") == 100  # 99 others, and the form that ends them all
        assert newest.post("/account/sessions/end-others").status_code == 303
        assert [is_signed_in(each) for each in (people[1], people[99], newest)] == [False, False, True]
        assert http.get("/v1/sessions", params={"user": user["id"]}).headers["x-total-count"] == "1"
        assert len(http.get("/v1/events", params=revoked).json()) == 100


# ---- who may look at it and end it


def test_ones_own_sessions_are_listed_newest_first_with_their_number(
    server: Server, http: httpx2.Client, user: dict, as_role: Callable[..., httpx2.Client]
) -> None:
    agents = [f"Browser/{number}" for number in range(3)]
    for agent in agents:
        signed_in(server, user, **{"User-Agent": agent}).close()
    with server.http(new_key(http, user_id=user["id"])) as member:
        answer = member.get("/v1/sessions")
        assert [session["user_agent"] for session in answer.json()] == agents[::-1]
        assert answer.headers["x-total-count"] == "3"
        page = member.get("/v1/sessions?limit=1&offset=1")
        assert [session["user_agent"] for session in page.json()] == [agents[1]] and page.headers[
            "x-total-count"
        ] == "3"
        assert http.get("/v1/sessions", params={"user": user["id"]}).json() == answer.json()
        refused(as_role("viewer").get("/v1/sessions", params={"user": user["id"]}), errors.InsufficientScope)
        id = answer.json()[0]["id"]
        assert member.delete(f"/v1/sessions/{id}").status_code == 204
        refused(member.delete(f"/v1/sessions/{id}"), errors.NotFound)
        assert member.get("/v1/sessions").headers["x-total-count"] == "2"


@once
def test_a_key_alone_signs_nobody_in_and_a_session_is_no_key(server: Server, user: dict, person: httpx2.Client) -> None:
    with visitor(server, Authorization=f"Bearer {server.key}") as program:
        assert not is_signed_in(program)
    refused(person.get("/v1/users/me"), errors.MissingKey)
    text = cookie(person, server)
    refused(
        httpx2.get(f"{server.url}/v1/users/me", headers={"Authorization": f"Bearer {text}"}, timeout=60),
        errors.MalformedKey,
    )


def test_the_export_holds_sessions_and_what_is_erased_has_none(
    server: Server, http: httpx2.Client, user: dict, person: httpx2.Client
) -> None:
    held = http.get(f"/v1/users/{user['id']}/export").json()
    assert [session["user_id"] for session in held["sessions"]] == [user["id"]]
    assert {"session.created"} <= {event["type"] for event in held["events"]}
    assert str(cookie(person, server)) not in str(held)
    id = held["sessions"][0]["id"]
    assert http.delete(f"/v1/users/{user['id']}?purge=true").is_success
    events = http.get("/v1/events", params={"user": user["id"], "type": "session.created", "limit": 1000}).json()
    assert [event["object"] for event in events] == [{"id": id, "erased": True}]
    refused(http.delete(f"/v1/sessions/{id}"), errors.NotFound)


@pytest.mark.parametrize("id", ["1", "ses_1", "key_06h15iau59rth0k51t0sbk84b4", "ses_06h15iau59rth0k51t0sbk84b4"])
@once
def test_a_session_that_is_none_is_404(http: httpx2.Client, id: str) -> None:
    refused(http.delete(f"/v1/sessions/{id}"), errors.NotFound)


def test_the_owner_signs_in_with_the_address_in_any_case(server: Server) -> None:
    with visitor(server) as person:
        assert sign_in(person, f"  {OWNER_EMAIL.upper()} ", OWNER_PASSWORD).status_code == 303
