"""`POST /v1/users/bulk`: each operation as its own call would be, all of them in one, each alone or all or none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.answers import Log
from tests.contract.expect import refused
from tests.engines import once
from tests.grids import grid
from tests.harness import Server, new_key, new_user, running

HASHED = 'rollbook_password_hashes_total{outcome="done"}'
BULK = "/v1/users/bulk"
numbers = count(time.time_ns() // 1000)


def email() -> str:
    return f"bulk{next(numbers)}@example.com"


def create(**fields: Any) -> dict[str, Any]:
    return {"op": "create", "name": "Dora Explorer", "email": email(), **fields}


def results(answer: httpx2.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 207, answer.text
    found = answer.json()["results"]
    assert [result["index"] for result in found] == list(range(len(found)))
    return found


def statuses(answer: httpx2.Response) -> list[int | str]:
    """The status of each result, or the code of its error."""
    return [result["error"]["code"] if "error" in result else result["status"] for result in results(answer)]


def bulk(http: httpx2.Client, *operations: dict[str, Any], **body: Any) -> httpx2.Response:
    return http.post(BULK, json={"operations": operations, **body})


def test_each_operation_is_done_as_its_own_call_does_it(http: httpx2.Client) -> None:
    log, total = Log(http), http.get("/v1/users/count").json()["count"]
    made = results(bulk(http, *(create(role="viewer", metadata={"n": n}) for n in range(4))))
    assert [result["status"] for result in made] == [201] * 4
    ids = [result["user"]["id"] for result in made]
    assert [user["id"] for user in http.get("/v1/users", params={"sort": "-created_at", "limit": 4}).json()] == ids[
        ::-1
    ]
    assert [event["type"] for event in log.news()] == ["user.created"] * 4

    answer = bulk(
        http,
        {"op": "update", "id": ids[0], "name": "Swiper Fox", "metadata": {"more": True}, "if_match": made[0]["etag"]},
        {"op": "suspend", "id": ids[1]},
        {"op": "activate", "id": ids[1]},
        {"op": "delete", "id": ids[2]},
        {"op": "restore", "id": ids[2]},
        {"op": "delete", "id": ids[3], "purge": True},
    )
    assert statuses(answer) == [200, 200, 200, 204, 200, 204]
    news = log.news()
    types = [
        "user.updated",
        "user.suspended",
        "user.activated",
        "user.deleted",
        "user.restored",
        "user.deleted",
        "user.purged",
    ]
    # What the log held about an erased user is erased with them, but for the fact itself.
    assert [event["type"] for event in news] == [*types[:5], types[6]]
    assert {event["actor"]["request_id"] for event in news} == {answer.headers["x-request-id"]}
    renamed = http.get(f"/v1/users/{ids[0]}")
    assert (renamed.json()["name"], renamed.json()["metadata"]) == ("Swiper Fox", {"n": 0, "more": True}), (
        "merged, as by PATCH"
    )
    assert results(answer)[0]["etag"] == renamed.headers["etag"]
    assert http.get("/v1/users/count").json()["count"] == total + 3
    found = http.get("/v1/users", params={"q": "swiper", "count": "exact"})
    assert ids[0] in [user["id"] for user in found.json()], "searches find what was changed"


def test_one_that_fails_changes_nothing_and_does_not_touch_the_others(http: httpx2.Client) -> None:
    log, user, taken = Log(http), new_user(http), new_user(http)
    me = http.get("/v1/users/me").json()["id"]
    log.news()
    answer = bulk(
        http,
        create(email=taken["email"].upper()),
        create(name="", email="nobody"),
        create(password="short"),
        create(rôle="member"),
        {"op": "update", "id": user["id"], "name": "New", "email": taken["email"]},
        {"op": "update", "id": user["id"], "name": "New", "if_match": '"7"'},
        {"op": "update", "id": user["id"], "password": "securepassword123"},
        {"op": "update", "name": "New"},
        {"op": "delete", "id": "user_nobody"},
        {"op": "delete", "id": me},
        {"op": "suspend", "id": me},
        {"op": "update", "id": me, "role": "admin"},
        {"op": "explode", "id": user["id"]},
        {"id": user["id"]},
        {"op": "suspend", "id": user["id"], "purge": True},
        {"op": "update", "id": taken["id"], "name": "Renamed"},
    )
    assert statuses(answer) == [
        "email_taken",
        "invalid_parameter",
        "invalid_parameter",
        "invalid_parameter",
        "email_taken",
        "precondition_failed",
        "invalid_parameter",
        "invalid_parameter",
        "not_found",
        "not_yourself",
        "not_yourself",
        "last_owner",
        "invalid_parameter",
        "invalid_parameter",
        "invalid_parameter",
        200,
    ]
    found = results(answer)
    assert [fault["param"] for fault in found[1]["error"]["errors"]] == ["name", "email"]
    for result in found[:-1]:
        assert result["error"]["request_id"] == answer.headers["x-request-id"]
        assert result["status"] in (400, 403, 404, 412)
    assert [(event["type"], event["user_id"]) for event in log.news()] == [("user.updated", taken["id"])]
    assert http.get(f"/v1/users/{user['id']}").json()["name"] == user["name"]


def test_what_one_operation_did_the_next_one_finds(http: httpx2.Client) -> None:
    one, two = new_user(http), new_user(http)
    spare = email()
    answer = bulk(
        http,
        {"op": "update", "id": one["id"], "email": spare},
        {"op": "update", "id": two["id"], "email": one["email"]},
        {"op": "update", "id": one["id"], "email": two["email"]},
        {"op": "delete", "id": two["id"]},
        create(email=one["email"]),
        {"op": "restore", "id": two["id"]},
    )
    assert statuses(answer) == [200, 200, 200, 204, 201, "email_taken"]
    assert http.get(f"/v1/users/{one['id']}").json()["email"] == two["email"]


def test_atomic_operations_are_all_done_or_none_is(http: httpx2.Client) -> None:
    user, taken = new_user(http), new_user(http)
    assert statuses(bulk(http, create(), {"op": "suspend", "id": user["id"]}, atomic=True)) == [201, 200]
    total = http.get("/v1/users/count").json()["count"]
    log = Log(http)
    with log.silent():
        answer = bulk(
            http,
            create(),
            {"op": "activate", "id": user["id"]},
            {"op": "update", "id": user["id"], "email": taken["email"]},
            {"op": "delete", "id": "user_06h102rkb9pil1094rgi2i5ec4"},
            {"op": "update", "id": taken["id"], "name": "Renamed"},
            atomic=True,
        )
        found = refused(answer, 422, "bulk_refused", param="operations[2].email")
        assert [error["param"] for error in found["errors"]] == ["operations[2].email", "operations[3]"]
        answer = bulk(http, create(), create(email="nobody"), atomic=True)
        refused(answer, 422, "bulk_refused", param="operations[1].email")
    assert http.get("/v1/users/count").json()["count"] == total
    assert http.get(f"/v1/users/{user['id']}").json()["status"] == "suspended"


def test_roles_and_scopes_hold_for_each_operation(http: httpx2.Client, as_role: Callable[..., httpx2.Client]) -> None:
    owner, member, admin = new_user(http, role="owner"), new_user(http), as_role("admin")
    owners = [{"op": op, "id": owner["id"]} for op in ("suspend", "activate", "delete")]
    answer = bulk(
        admin,
        *owners,
        create(role="owner"),
        create(role="admin"),
        {"op": "update", "id": member["id"], "role": "owner"},
    )
    assert statuses(answer) == ["insufficient_scope"] * 4 + [201, "insufficient_scope"]
    narrow = as_role("admin", scopes=["users:read", "users:write"])
    answer = bulk(
        narrow, create(role="admin"), {"op": "delete", "id": member["id"]}, {"op": "suspend", "id": member["id"]}
    )
    assert statuses(answer) == ["insufficient_scope", "insufficient_scope", 200]
    for role in ("member", "viewer"):
        refused(bulk(as_role(role), create()), 403, "insufficient_scope")


def test_whoever_is_suspended_or_deleted_is_out_at_once(server: Server, http: httpx2.Client) -> None:
    people = [new_user(http, role="viewer") for _ in range(3)]
    clients = [server.http(new_key(http, user_id=user["id"])) for user in people]
    hook = clients[0].post("/v1/webhooks", json={"url": "inbox"}).json()
    assert [client.get("/v1/users/me").status_code for client in clients] == [200] * 3
    ids = [user["id"] for user in people]
    answer = bulk(
        http,
        {"op": "suspend", "id": ids[0]},
        {"op": "delete", "id": ids[1]},
        {"op": "update", "id": ids[2], "role": "member"},
    )
    assert statuses(answer) == [200, 204, 200]
    assert [client.get("/v1/users").status_code for client in clients] == [403, 401, 403]
    assert http.get(f"/v1/webhooks/{hook['id']}").json()["status_reason"] == "owner_suspended"
    for client in clients:
        client.close()


def test_two_bulks_about_the_same_users_in_another_order_are_both_done(http: httpx2.Client) -> None:
    ids = [result["user"]["id"] for result in results(bulk(http, *(create() for _ in range(100))))]
    names = "Ping", "Pong"
    with ThreadPoolExecutor(2) as pool:
        asks = [
            pool.submit(bulk, http, *({"op": "update", "id": id, "name": name} for id in order))
            for name, order in zip(names, (ids, ids[::-1]), strict=True)
        ]
        assert [statuses(ask.result()) for ask in asks] == [[200] * 100] * 2
    assert (
        len({user["name"] for user in http.get("/v1/users", params={"ids": ",".join(ids), "limit": 200}).json()}) == 1
    )


def test_passwords_are_hashed_and_not_too_many(http: httpx2.Client) -> None:
    new = create(password="securepassword123")
    own = email()
    assert statuses(bulk(http, new, create(email=own, password=own))) == [201, "invalid_parameter"]
    guessed = create(name="Ada Lovelace", password="Lovelace1815!")
    assert statuses(bulk(http, guessed, create(password="Summer2026!"))) == ["invalid_parameter"] * 2
    assert (
        http.post("/v1/users/verify-password", json={"email": new["email"], "password": new["password"]}).status_code
        == 200
    )
    many = [create(password="securepassword123") for _ in range(201)]
    refused(bulk(http, *many), 400, "invalid_parameter", param="operations")


# ---- the body


@once
@grid(
    ("body", "code", "sentence"),
    [
        ("", "invalid_json", "The body is empty. A JSON object is required."),
        ("{", "invalid_json", "The body is not valid JSON (line 1, column 2): a name in double quotes is missing."),
        ("[]", "invalid_json", "The body must be a JSON object."),
        ("{}", "invalid_parameter", "operations is required."),
        ('{"operations": {}}', "invalid_parameter", "operations must be a list."),
        ('{"operations": [ ]}', "invalid_parameter", "operations must have at least 1 item."),
        (
            '{"operations": [{"op": "suspend"}, 1]}',
            "invalid_parameter",
            "operations must be a list of objects (item 2).",
        ),
        ('{"operations": [{"op": "x"}], "atomic": 1}', "invalid_parameter", "atomic must be true or false."),
        (
            '{"operations": [{"op": "x"}], "atomc": true}',
            "invalid_parameter",
            '"atomc" is not a field of this request. Fields: operations, atomic.',
        ),
        (
            '{"operations": [{"op": "x"}], "operations": [{"op": "x"}]}',
            "invalid_json",
            "The body contains a field more than once.",
        ),
        ('{"operations": [{"op": "x", "op": "x"}]}', "invalid_json", 'The body contains "op" more than once.'),
        ('{"operations": [{"op": "x", "name": "\\ud800"}]}', "invalid_json", "The body is not valid JSON."),
        ('{"operations": [{"op": "x", "name": NaN}]}', "invalid_json", "The body is not valid JSON."),
    ],
)
def test_a_body_that_is_no_list_of_operations_is_refused_as_a_whole(
    http: httpx2.Client, body: str, code: str, sentence: str
) -> None:
    with Log(http).silent():
        refused(http.post(BULK, content=body, headers={"Content-Type": "application/json"}), 400, code, sentence)


@once
def test_up_to_1000_operations_with_all_that_they_may_hold(http: httpx2.Client) -> None:
    text = {'],[{"\\': '"}]},{"' * 1000, "ünïcödé": ["[", "]", {"a": "\\"}]}
    found = results(bulk(http, *(create(metadata=text) for _ in range(1000))))
    assert {result["status"] for result in found} == {201}
    assert http.get(f"/v1/users/{found[-1]['user']['id']}").json()["metadata"] == text
    refused(
        bulk(http, *(create() for _ in range(1001))),
        400,
        "invalid_parameter",
        "operations must have at most 1,000 items.",
    )
    sentence = "Operation 2 is larger than 65,536 bytes. Nothing was changed."
    for large in ("b" * 66_000, "}" * 66_000, ["]"] * 20_000, [[]] * 30_000):
        with Log(http).silent():
            refused(bulk(http, create(), create(metadata={"a": large})), 413, "content_too_large", sentence)


# ---- limits


@pytest.fixture(scope="module")
def limited(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("limited") / "data", "--rate-limit", "50/minute,1000/hour") as server:
        yield server


def remaining(answer: httpx2.Response) -> int:
    return int(answer.headers["ratelimit-remaining"])


@once
def test_a_call_counts_as_its_operations_and_is_refused_as_a_whole(limited: Server) -> None:
    with limited.http() as http:
        left = remaining(http.get("/v1/users/me"))
        answer = bulk(http, *(create() for _ in range(20)))
        assert remaining(answer) == left - 20
        total = http.get("/v1/users/count").json()["count"]
        answer = bulk(http, *(create() for _ in range(40)))
        refused(answer, 429, "rate_limit_exceeded")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert remaining(answer) == left - 22, "the request itself was counted, its operations were not"
        refused(bulk(http, *(create() for _ in range(51))), 400, "invalid_parameter", param="operations")
        assert http.get("/v1/users/count").json()["count"] == total
        with limited.http(new_key(http, rate_limit="5/minute")) as own:
            refused(bulk(own, *(create() for _ in range(6))), 400, "invalid_parameter", param="operations")
            assert statuses(bulk(own, create(), create(), create())) == [201] * 3
            assert own.get("/v1/users/me").headers["ratelimit-remaining"] == "0"


@once
def test_many_at_once_are_admitted_exactly_as_far_as_the_limit_goes(limited: Server) -> None:
    with (
        limited.http() as http,
        limited.http(new_key(http, user_id=new_user(http, role="admin", rate_limit="100/minute")["id"])) as own,
    ):
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: bulk(own, *(create() for _ in range(9))), range(20)))
        done = sum(answer.status_code == 207 for answer in answers)
        assert {answer.status_code for answer in answers} == {207, 429}
        # Each counts as nine; one that was refused once it was read counts as one.
        assert 9 * done <= 100
        assert 9 * done + (20 - done) >= 92


@once
def test_a_repeated_call_counts_as_one(limited: Server, tmp_path: Path) -> None:
    with (
        limited.http() as http,
        limited.http(new_key(http, user_id=new_user(http, role="admin", rate_limit="100/minute")["id"])) as own,
    ):
        body, key = {"operations": [create() for _ in range(10)]}, {"Idempotency-Key": "a bulk"}
        first = own.post(BULK, json=body, headers=key)
        again = own.post(BULK, json=body, headers=key)
        assert (first.content, again.headers["idempotency-replayed"]) == (again.content, "true")
        assert (remaining(first), remaining(again)) == (90, 89)


@once
def test_a_key_that_is_revoked_while_passwords_are_hashed_changes_nothing(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "--rate-limit", "none", "--password-memory", "19456") as server,
        server.http() as http,
    ):

        def hashed() -> str:
            return next(line for line in http.get("/metrics").text.splitlines() if line.startswith(HASHED))

        for _ in range(10):
            created = [create(password="securepassword123") for _ in range(60)]
            users = http.get("/v1/users/count").json()["count"]
            key = http.post("/v1/keys", json={"name": "revoked meanwhile"}).json()
            with server.http(key["key"]) as caller, ThreadPoolExecutor(1) as pool:
                caller.timeout = None
                before = hashed()
                asked = pool.submit(bulk, caller, *created)
                while not asked.done() and hashed() == before:
                    time.sleep(0.005)
                assert http.delete(f"/v1/keys/{key['id']}").status_code == 204
                answer = asked.result()
                if answer.status_code == 207:  # it was done before
                    continue
                refused(answer, 401, "revoked_key")
                assert http.get("/v1/users/count").json()["count"] == users
                return
    raise AssertionError("the call was over each time before the key was revoked")


def test_tokens_for_many_users_are_created_as_each_is_alone(server: Server, http: httpx2.Client) -> None:
    made = [each["user"]["id"] for each in results(bulk(http, *(create(status="invited") for _ in range(3))))]
    log = Log(http)
    invite = {"op": "create_token", "purpose": "invite"}
    answer = bulk(
        http,
        {**invite, "id": made[0], "expires_in": 60},
        {**invite, "id": made[1], "data": {"plan": "pro"}},
        {**invite, "id": made[2], "purpose": "reset_password"},
        {**invite, "id": made[2], "redirect_url": "https://other.example.com/"},
        {"op": "create_token", "id": made[2]},
    )
    assert statuses(answer) == [201, 201, *["invalid_parameter"] * 3]
    tokens = [result["token"] for result in results(answer)[:2]]
    assert [(token["user_id"], token["purpose"]) for token in tokens] == [(id, "invite") for id in made[:2]]
    assert tokens[1]["data"] == {"plan": "pro"} and all(token["token"] in token["url"] for token in tokens)
    assert [event["type"] for event in log.news()] == ["token.created"] * 2
    with log.silent():
        refused(
            bulk(http, {**invite, "id": made[2]}, {**invite, "id": made[2], "purpose": "none"}, atomic=True),
            422,
            "bulk_refused",
        )
    consumed = {"token": tokens[0]["token"], "password": "a few random words"}
    assert http.post("/v1/tokens/consume", json=consumed).json()["status"] == "active"

    narrowed = new_key(http, scopes=["users:write"])
    with server.http(narrowed) as caller:
        assert statuses(bulk(caller, {**invite, "id": made[2]})) == ["insufficient_scope"]
