"""API keys that are changed: what of them, by whom, with which proof, and from when on."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.callers import of_each_worker
from tests.contract.answers import Log, refused
from tests.contract.test_keys import hours_from_now, make, status
from tests.engines import once
from tests.factors import enrolled
from tests.harness import OWNER_PASSWORD, Server, new_user, running
from tests.visitor import signed_in

WIDE = ("--rate-limit", "none", "--unauthenticated-limit", "none")
PROOF = {"current_password": OWNER_PASSWORD}


def change(http: httpx2.Client, key: dict[str, Any], **fields: Any) -> httpx2.Response:
    return http.patch(f"/v1/keys/{key['id']}", json=fields)


@pytest.fixture
def using(server: Server) -> Iterator[Callable[[dict[str, Any]], httpx2.Client]]:
    """A client that uses a key."""
    with ExitStack() as stack:
        yield lambda key: stack.enter_context(server.http(key["key"]))


def test_every_field_that_narrows_a_key_can_be_changed_in_one_event(http: httpx2.Client) -> None:
    key = make(http)
    fields = {
        "name": "nightly export",
        "scopes": ["events:read", "users:read"],
        "ip_allow": ["127.0.0.0/8"],
        "rate_limit": "5/minute",
        "expires_at": hours_from_now(5),
    }
    log = Log(http)
    log.news()
    answer = change(http, key, **fields)
    assert answer.status_code == 200, answer.text
    expected = {**{name: value for name, value in key.items() if name != "key"}, **fields}
    assert answer.json() == http.get(f"/v1/keys/{key['id']}").json() == expected
    (event,) = log.news()
    told = {name: value for name, value in expected.items() if name not in ("created_by", "created_with")}
    assert (event["type"], event["object"]) == ("key.updated", told)
    assert event["before"] == {name: key[name] for name in fields}


def test_a_change_of_nothing_is_none(http: httpx2.Client) -> None:
    key = make(http, rate_limit="5/minute")
    with Log(http).silent():
        for fields in ({}, {"name": key["name"]}, {"rate_limit": "5/minute", "scopes": None}):
            assert change(http, key, **fields).json()["rate_limit"] == "5/minute"


@pytest.mark.parametrize(
    ("narrow", "wider"),
    [
        ({"scopes": ["users:read"]}, {"scopes": ["users:read", "users:write"]}),
        ({"scopes": ["users:read"]}, {"scopes": None}),
        ({"ip_allow": ["127.0.0.1/32"]}, {"ip_allow": ["127.0.0.0/8"]}),
        ({"ip_allow": ["127.0.0.1/32"]}, {"ip_allow": None}),
        ({"rate_limit": "5/minute"}, {"rate_limit": "6/minute"}),
        ({"rate_limit": "5/minute"}, {"rate_limit": None}),
        ({"expires_at": "2990-01-01T00:00:00Z"}, {"expires_at": "2990-01-02T00:00:00Z"}),
        ({"expires_at": "2990-01-01T00:00:00Z"}, {"expires_at": None}),
    ],
)
def test_to_give_a_key_more_than_it_has_takes_the_password(
    http: httpx2.Client, narrow: dict[str, Any], wider: dict[str, Any]
) -> None:
    key = make(http, **narrow)
    with Log(http).silent():
        assert refused(change(http, key, **wider), errors.InvalidParameter)["param"] == "current_password"
        refused(change(http, key, **wider, current_password="not the password"), errors.WrongPassword)
    given = change(http, key, **wider, **PROOF).json()
    assert {name: given[name] for name in wider} == wider
    assert change(http, key, **narrow).status_code == 200, "less takes no proof"


def test_who_has_a_second_factor_gives_more_with_a_code(
    http: httpx2.Client, using: Callable[..., httpx2.Client]
) -> None:
    admin = new_user(http, role="admin")
    app = enrolled(http, admin["id"])
    own = using(make(http, user_id=admin["id"]))
    key = make(own, scopes=["users:read"])
    wider = {"scopes": None, "current_password": admin["password"]}
    assert refused(change(own, key, **wider), errors.InvalidParameter)["param"] == "code"
    refused(change(own, key, **wider, code=app.wrong()), errors.WrongCode)
    code = app.code()
    assert change(own, key, **wider, code=code).json()["scopes"] is None
    assert change(own, key, scopes=["users:read"]).status_code == 200
    refused(change(own, key, **wider, code=code), errors.WrongCode)


@once
@pytest.mark.parametrize("param", ["kind", "user_id", "revealable", "masked", "role"])
def test_what_cannot_be_changed_is_named(http: httpx2.Client, param: str) -> None:
    key = make(http)
    assert refused(change(http, key, **{param: "api"}), errors.InvalidParameter)["param"] == param


def test_what_works_no_longer_is_not_changed(server: Server, http: httpx2.Client) -> None:
    revoked, expired = make(http), make(http, expires_at=hours_from_now(1))
    http.delete(f"/v1/keys/{revoked['id']}")
    refused(change(http, revoked, name="again"), errors.NotFound)
    server.pass_time(3_700)
    try:
        with Log(http).silent():
            refused(change(http, expired, expires_at=None, **PROOF), errors.NotFound)
    finally:
        server.pass_time(0)


# ---- what a caller may not give


@pytest.mark.parametrize(
    ("own", "wider"),
    [
        ({"scopes": ["keys:write"]}, {"scopes": ["users:read"]}),
        ({"ip_allow": ["127.0.0.0/8"]}, {"ip_allow": ["0.0.0.0/0"]}),
        ({"rate_limit": "500/minute"}, {"rate_limit": "501/minute"}),
        ({"expires_at": "2990-01-01T00:00:00Z"}, {"expires_at": "2991-01-01T00:00:00Z"}),
    ],
)
def test_a_key_gives_no_more_than_it_has_not_even_to_itself(
    http: httpx2.Client, using: Callable[..., httpx2.Client], own: dict[str, Any], wider: dict[str, Any]
) -> None:
    admin = new_user(http, role="admin")
    narrow = make(http, user_id=admin["id"], **own)
    wide = make(http, user_id=admin["id"])
    client = using(narrow)
    child = make(client)
    with Log(http).silent():
        for key in (narrow, child):
            refused(change(client, key, **wider, current_password=admin["password"]), errors.InsufficientScope)
        refused(change(client, wide, name="mine"), errors.InsufficientScope)
    ((name, value),) = own.items()
    assert change(client, narrow, **{name: None}).json()[name] == value, "null is all that it has itself"


def test_an_admin_changes_keys_of_others_but_gives_no_more_than_their_role_and_touches_no_owner(
    http: httpx2.Client, using: Callable[..., httpx2.Client], user: dict
) -> None:
    admin = new_user(http, role="admin")
    client = using(make(http, user_id=admin["id"]))
    theirs, owners = make(http, user_id=user["id"], scopes=["users:read"]), make(http)
    proof = {"current_password": admin["password"]}
    assert change(client, theirs, name="kept", scopes=["users:read", "users:write"], **proof).status_code == 200
    with Log(http).silent():
        assert (
            refused(change(client, theirs, scopes=["metrics:read"], **proof), errors.InvalidParameter)["param"]
            == "scopes"
        )
        refused(change(client, owners, name="mine"), errors.InsufficientScope)
    member = using(make(http, user_id=user["id"]))
    refused(change(member, owners, name="mine"), errors.NotFound)
    assert change(member, theirs, name="own").json()["name"] == "own"


def test_what_an_admin_gives_a_key_of_someone_else_ends_with_the_admins_right(
    server: Server, http: httpx2.Client, using: Callable[..., httpx2.Client], user: dict
) -> None:
    admin = new_user(http, role="admin")
    client, member = using(make(http, user_id=admin["id"])), using(make(http, user_id=user["id"]))
    with signed_in(server, user) as person:
        assert (
            person.post("/account/keys", data={"name": "own", "reach": "some", "scopes": "users:read"}).status_code
            == 303
        )
        assert (
            person.post("/account/keys", data={"name": "two", "reach": "some", "scopes": "users:read"}).status_code
            == 303
        )
    wider, narrower = [key for key in member.get("/v1/keys").json() if key["name"] in ("own", "two")]
    assert change(client, wider, scopes=None, current_password=admin["password"]).status_code == 200
    assert change(client, narrower, name="renamed").status_code == 200
    http.delete(f"/v1/users/{admin['id']}")
    assert http.get(f"/v1/keys/{wider['id']}").json()["revoked_at"] is not None
    assert http.get(f"/v1/keys/{narrower['id']}").json()["revoked_at"] is None


def test_a_scim_key_is_changed_within_what_scim_keys_need(http: httpx2.Client) -> None:
    key = make(http, kind="scim")
    assert change(http, key, name="Okta", scopes=["users:read"]).json()["scopes"] == ["users:read"]
    answer = change(http, key, scopes=["users:read", "keys:write"], **PROOF)
    assert refused(answer, errors.InvalidParameter)["param"] == "scopes"
    assert change(http, key, scopes=["users:read", "users:write"], **PROOF).json()["kind"] == "scim"


@once
def test_a_maximum_age_of_keys_counts_from_their_creation(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--key-max-age", "30") as server, server.http() as http:
        key = make(http, expires_at=hours_from_now(24))
        server.pass_time(10 * 86_400 // 20)
        late = change(http, key, expires_at=hours_from_now(30 * 24 + 1), **PROOF)
        assert refused(late, errors.InvalidParameter)["param"] == "expires_at"
        assert change(http, key, expires_at=hours_from_now(30 * 24 - 1), **PROOF).status_code == 200
        never = change(http, key, expires_at=None, **PROOF).json()["expires_at"]
        assert hours_from_now(30 * 24 - 1) < never <= hours_from_now(30 * 24)


# ---- from when on


def test_a_lower_limit_counts_what_was_used_and_other_windows_begin_anew(server: Server, http: httpx2.Client) -> None:
    key = make(http, rate_limit="8/minute")
    with server.http(key["key"]) as client:
        twin = make(client, name="twin")
    assert [status(server, key["key"]) for _ in range(4)] == [200] * 4
    change(http, key, rate_limit="5/minute")
    assert status(server, key["key"]) == 429, "five were counted"
    assert change(http, key, rate_limit="3/hour", **PROOF).status_code == 200
    assert [status(server, each["key"]) for each in (key, twin, key, twin, key, twin)] == [200] * 6, "two buckets"
    assert [status(server, each["key"]) for each in (key, twin)] == [429, 429]


def test_a_narrowed_key_is_narrow_on_every_worker(engine: str, tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", *WIDE, "--workers", "3") as server,
        of_each_worker(server, 3) as workers,
        server.http() as http,
    ):
        key = make(http)

        def statuses(path: str) -> list[int]:
            return [worker.call("GET", path, Authorization=f"Bearer {key['key']}").status for worker in workers]

        assert statuses("/v1/users") == [200] * 3
        assert change(http, key, scopes=["keys:read"]).status_code == 200
        deadline = time.monotonic() + 60  # a second is promised; a busy machine may take longer
        while statuses("/v1/users") != [403] * 3:
            assert time.monotonic() < deadline, "a worker does not hear of it"
            time.sleep(0.02)
        assert statuses("/v1/keys") == [200] * 3


# ---- the form


def inputs(page: str) -> dict[str, str]:
    """The form of a key as a browser sends it unchanged."""
    form = page[page.index("key-form") :]
    texts = dict(re.findall(r'<input [^>]*name="(name|seen|rate_limit)"[^>]*value="([^"]*)"', form))
    texts |= dict(re.findall(r'<input [^>]*value="([^"]*)"[^>]*name="(seen)"', form))
    checked = re.findall(r'<input [^>]*name="(reach|scopes)" [^>]*value="([^"]*)" checked', form)
    area = re.search(r'<textarea[^>]*name="ip_allow"[^>]*>\n?([^<]*)</textarea>', form)
    return {**texts, **dict(checked), "ip_allow": area[1] if area else "", "expires": "keep"}


@pytest.mark.parametrize("whose", ["one's own", "a user's"])
def test_the_form_changes_a_key_and_leaves_the_rest(
    server: Server, http: httpx2.Client, user: dict, whose: str
) -> None:
    owner = http.get("/v1/users/me").json()["id"] if whose == "one's own" else user["id"]
    fields = {"scopes": ["users:read"], "ip_allow": ["127.0.0.0/8"], "rate_limit": "9/minute"}
    key = make(http, user_id=owner, expires_at="2990-01-01T00:00:00Z", **fields)
    base = f"/account/keys/{key['id']}" if whose == "one's own" else f"/admin/users/{owner}/keys/{key['id']}"
    with signed_in(server) as person:
        assert f'href="{base}/edit"' in person.get(base).text
        form = inputs(person.get(f"{base}/edit").text)
        assert (form["name"], form["scopes"], form["ip_allow"]) == ("test", "users:read", "127.0.0.0/8")
        answer = person.post(base, data={**form, "name": "renamed"})
        assert (answer.status_code, answer.headers["location"]) == (303, base)
        now = http.get(f"/v1/keys/{key['id']}").json()
        assert now == {**{name: value for name, value in key.items() if name != "key"}, "name": "renamed"}
        stale = person.post(base, data={**form, "rate_limit": "8/minute"})
        assert stale.status_code == 412 and "Someone has changed this key meanwhile" in stale.text
        assert http.get(f"/v1/keys/{key['id']}").json() == now
        server.pass_time(601)
        try:
            more = {**inputs(person.get(f"{base}/edit").text), "reach": "all"}
            asked = person.post(base, data=more)
            assert asked.status_code == 200 and 'name="proof_password"' in asked.text
            assert person.post(base, data={**more, "proof_password": OWNER_PASSWORD}).status_code == 303
        finally:
            server.pass_time(0)
    assert http.get(f"/v1/keys/{key['id']}").json()["scopes"] is None


def test_the_form_says_what_is_wrong_beside_the_field(server: Server, http: httpx2.Client) -> None:
    key = make(http)
    with signed_in(server) as person:
        base = f"/account/keys/{key['id']}"
        form = inputs(person.get(f"{base}/edit").text)
        for field, value in (("rate_limit", "lots"), ("ip_allow", "here"), ("name", "")):
            answer = person.post(base, data={**form, field: value})
            assert (
                answer.status_code == 400 and f'id="field-{field}"' in answer.text and f"{field}-problem" in answer.text
            )
        http.delete(f"/v1/keys/{key['id']}")
        assert person.get(f"{base}/edit").status_code == person.post(base, data=form).status_code == 404
