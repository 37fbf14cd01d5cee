"""What may happen to a user: created, read, changed, suspended, deleted, brought back, erased, exported, signed in."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.contract.answers import Log
from tests.contract.expect import TIME, USER_ID, faults, links, refused
from tests.engines import once
from tests.harness import Server, new_key, new_user, running

WHOLE = [
    "id",
    "name",
    "email",
    "kind",
    "role",
    "status",
    "external_id",
    "metadata",
    "private_metadata",
    "email_verified",
    "rate_limit",
    "ends_at",
    "last_active_at",
    "created_at",
    "updated_at",
    "last_sign_in_at",
]
DAY = 86_400


@pytest.fixture(scope="module")
def later(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose clock these tests may move."""
    with running(tmp_path_factory.mktemp("later") / "data", "--rate-limit", "none") as server:
        yield server


def events_of(http: httpx2.Client, user: dict) -> list[str]:
    """All but those that the server notes later."""
    found = http.get("/v1/events", params={"user": user["id"], "limit": 1000}).json()
    return [event["type"] for event in found if event["type"] not in Log.NOTED_LATER]


# ---- create and get


def test_a_new_user_is_a_member_with_nothing_else_set(http: httpx2.Client) -> None:
    answer = http.post(
        "/v1/users", json={"name": "Charlie Chaplin", "email": "new@example.com", "password": "securepassword123"}
    )
    assert answer.status_code == 201
    assert list(answer.json()) == ["id", "name", "email", "created_at"]
    whole = http.get(f"/v1/users/{answer.json()['id']}")
    assert whole.status_code == 200
    user = whole.json()
    assert list(user) == WHOLE
    assert USER_ID(user["id"]) and TIME(user["created_at"]) and user["updated_at"] == user["created_at"]
    assert (user["role"], user["status"], user["external_id"], user["metadata"]) == ("member", "active", None, {})
    assert (user["email_verified"], user["rate_limit"], user["last_sign_in_at"]) == (False, None, None)
    assert whole.headers["cache-control"] == "no-store"


def test_all_that_can_be_given_is_kept(http: httpx2.Client) -> None:
    given = {
        "role": "viewer",
        "external_id": "crm-1",
        "metadata": {"plan": "pro", "n": [1, None, {"x": 0.5}]},
        "email_verified": True,
        "rate_limit": "10/minute",
    }
    user = new_user(http, **given)
    assert {name: user[name] for name in given} == given
    assert http.get(f"/v1/users/{user['id']}").json() == {name: user[name] for name in WHOLE}


@pytest.mark.parametrize("fields", ["id", "role,status", "metadata,id", "*", "role,*"])
@once
def test_fields_chooses_what_each_call_answers_besides_id_name_and_email(http: httpx2.Client, fields: str) -> None:
    expected = set(WHOLE if "*" in fields else ["id", "name", "email", *fields.split(",")])
    body = {
        "name": "A",
        "email": f"fields-{fields.replace('*', 'all').replace(',', '-')}@example.com",
        "password": "securepassword123",
    }
    query = {"fields": fields}
    created = http.post("/v1/users", json=body, params=query)
    id = http.get("/v1/users", params={"email": body["email"]}).json()[0]["id"]
    path = f"/v1/users/{id}"
    answers = [
        created,
        http.get(path, params=query),
        http.put(path, json={"name": "B"}, params=query),
        http.patch(path, json={"name": "C"}, params=query),
        http.post(f"{path}/suspend", params=query),
        http.post(f"{path}/activate", params=query),
        http.post(
            "/v1/users/verify-password", json={"email": body["email"], "password": body["password"]}, params=query
        ),
    ]
    assert http.delete(path).status_code == 204
    answers.append(http.post(f"{path}/restore", params=query))
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200, 200, 200, 200]
    assert all(set(answer.json()) == expected for answer in answers)
    assert all(set(user) == expected for user in http.get("/v1/users", params=query).json())


@pytest.mark.parametrize(
    "id",
    [
        "user_abc123",
        "user_" + "0" * 26,
        "USER_06H102RKB9PIL1094RGI2I5EC4",
        "1",
        "user_" + "w" * 26,
        "x" * 2000,
        "%F0%9F%92%A9",
    ],
)
@once
def test_a_malformed_id_is_404_like_an_unknown_one(http: httpx2.Client, id: str) -> None:
    for method, tail, body in (
        ("GET", "", None),
        ("PUT", "", {}),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("GET", "/export", None),
        ("POST", "/restore", None),
        ("POST", "/suspend", None),
        ("POST", "/activate", None),
        ("PUT", "/password", {"password": "securepassword123"}),
    ):
        refused(http.request(method, f"/v1/users/{id}{tail}", json=body), 404, "not_found")
    assert http.get("/v1/users", params={"ids": id}).json() == []


def test_me_is_the_callers_own_user(as_role) -> None:
    member = as_role("member")
    assert member.get("/v1/users/me").json()["id"] == member.user["id"]
    assert member.put("/v1/users/me", json={"name": "Myself"}).json()["name"] == "Myself"


# ---- update


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_what_an_update_leaves_out_stays_as_it_is(http: httpx2.Client, method: str) -> None:
    user = new_user(http, external_id=f"stays-{method}", metadata={"a": 1}, email_verified=True)
    path = f"/v1/users/{user['id']}"
    answer = http.request(method, path, json={"name": "Other"})
    assert answer.status_code == 200
    assert list(answer.json()) == ["id", "name", "email", "updated_at"]
    after = http.get(path).json()
    unchanged = [name for name in WHOLE if name not in ("name", "updated_at")]
    assert {name: after[name] for name in unchanged} == {name: user[name] for name in unchanged}
    assert after["name"] == "Other"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("body", ["{}", "same"])
def test_an_update_that_changes_nothing_is_200_and_leaves_no_trace(later: Server, method: str, body: str) -> None:
    with later.http() as http:
        user = new_user(http, metadata={"b": 1, "a": 1.0})
        path = f"/v1/users/{user['id']}"
        before = http.get(path)
        later.pass_time(5)
        answer = http.request(method, path, json={} if body == "{}" else before.json())
        assert answer.status_code == 200
        after = http.get(path)
        assert (after.json(), after.headers["etag"]) == (before.json(), before.headers["etag"])
        assert answer.json()["updated_at"] == before.json()["updated_at"]
        assert events_of(http, user) == ["user.created"]
        later.pass_time(0)


@once
def test_a_user_can_be_read_changed_and_sent_back_whole(http: httpx2.Client, as_role) -> None:
    member = as_role("member", metadata={"a": [1]})
    for client in (http, member):
        path = f"/v1/users/{member.user['id']}"
        user = client.get(path).json()
        user["name"] = f"By {client is http}"
        answer = client.put(path, json=user)
        assert answer.status_code == 200, answer.text
        assert client.get(path).json()["name"] == user["name"]


@once
def test_what_the_server_keeps_itself_is_ignored_not_changed(http: httpx2.Client, user: dict) -> None:
    path = f"/v1/users/{user['id']}"
    foreign = {
        "id": "user_" + "0" * 26,
        "created_at": "2000-01-01T00:00:00Z",
        "updated_at": "2000-01-01T00:00:00Z",
        "last_sign_in_at": "2000-01-01T00:00:00Z",
        "last_active_at": "2000-01-01T00:00:00Z",
    }
    assert http.put(path, json=foreign).status_code == 200
    assert http.get(path).json() == {name: user[name] for name in WHOLE}
    created = http.post(
        "/v1/users", json={**foreign, "name": "A", "email": "foreign@example.com", "password": "securepassword123"}
    )
    assert created.status_code == 201
    assert created.json()["id"] != foreign["id"] and created.json()["created_at"] != foreign["created_at"]


@once
@pytest.mark.parametrize("name", ["name", "email", "role", "status", "email_verified"])
def test_null_where_a_value_must_be_is_400(http: httpx2.Client, user: dict, name: str) -> None:
    assert faults(http.put(f"/v1/users/{user['id']}", json={name: None})) == [name]
    assert http.get(f"/v1/users/{user['id']}").json()[name] == user[name]


def test_null_takes_an_external_id_and_a_limit_away(http: httpx2.Client) -> None:
    user = new_user(http, external_id="gone", rate_limit="1000/minute")
    assert http.put(f"/v1/users/{user['id']}", json={"external_id": None, "rate_limit": None}).status_code == 200
    after = http.get(f"/v1/users/{user['id']}").json()
    assert (after["external_id"], after["rate_limit"]) == (None, None)
    new_user(http, external_id="gone")


@once
def test_a_password_in_an_update_is_400_and_names_the_call_for_it(http: httpx2.Client, user: dict) -> None:
    for method in ("PUT", "PATCH"):
        answer = http.request(
            method, f"/v1/users/{user['id']}", json={"password": "another password", "name": "Changed"}
        )
        assert "PUT /v1/users/{userId}/password" in refused(answer, 400, "invalid_parameter", param="password")["error"]
    assert http.get(f"/v1/users/{user['id']}").json()["name"] == user["name"]


def test_an_external_id_belongs_to_one_user(http: httpx2.Client, user: dict) -> None:
    new_user(http, external_id="only-one")
    taken = {"name": "B", "email": "other-one@example.com", "password": "securepassword123", "external_id": "only-one"}
    refused(http.post("/v1/users", json=taken), 400, "external_id_taken", param="external_id")
    refused(
        http.put(f"/v1/users/{user['id']}", json={"external_id": "only-one"}),
        400,
        "external_id_taken",
        param="external_id",
    )
    assert http.get("/v1/users", params={"email": "other-one@example.com"}).json() == []
    assert new_user(http, external_id="ONLY-ONE")["external_id"] == "ONLY-ONE", "compared letter by letter"


@pytest.mark.parametrize("sent_back", [False, True])
def test_a_new_address_is_not_verified_though_the_old_one_was(http: httpx2.Client, as_role, sent_back: bool) -> None:
    member = as_role("member", email_verified=True)
    path = f"/v1/users/{member.user['id']}"
    body = {"email": f"unproven{sent_back}@example.com", "current_password": "securepassword123"}
    body |= {"email_verified": True} if sent_back else {}
    assert member.put(path, json=body).status_code == 200
    assert http.get(path).json()["email_verified"] is False


def test_the_same_address_in_other_letters_stays_verified(http: httpx2.Client) -> None:
    user = new_user(http, email="Verified@example.com", email_verified=True)
    path = f"/v1/users/{user['id']}"
    assert http.put(path, json={"email": "verified@EXAMPLE.com"}).json()["email"] == "verified@EXAMPLE.com"
    assert http.get(path).json()["email_verified"] is True


@once
def test_metadata_is_replaced_whole_and_bounded(http: httpx2.Client, user: dict) -> None:
    path = f"/v1/users/{user['id']}"
    largest = {"k": "x" * (16_384 - len('{"k":""}'))}
    assert http.put(path, json={"metadata": largest}).status_code == 200
    assert http.get(path).json()["metadata"] == largest
    assert faults(http.put(path, json={"metadata": {"k": largest["k"] + "x"}})) == ["metadata"]
    assert faults(http.put(path, json={"metadata": {"k": "é" * 8_190}})) == ["metadata"], "bytes, not characters"
    for wrong in ([], "x", 1, True):
        assert faults(http.put(path, json={"metadata": wrong})) == ["metadata"]
    assert http.get(path).json()["metadata"] == largest
    odd = {"": 0, "<script>": "</script>", "big": 12345678901234567890123, "é": [[], {}, None, False]}
    assert http.put(path, json={"metadata": odd}).status_code == 200
    assert http.get(path).json()["metadata"] == odd


# ---- suspend, activate


def test_a_suspended_users_keys_do_nothing_until_it_is_activated(http: httpx2.Client, as_role) -> None:
    member = as_role("member")
    path = f"/v1/users/{member.user['id']}"
    for _ in range(2):  # twice is as once
        answer = http.post(f"{path}/suspend")
        assert (answer.status_code, list(answer.json())) == (200, ["id", "name", "email", "updated_at"])
    refused(member.get("/v1/users/me"), 403, "user_suspended")
    assert http.get(path).json()["status"] == "suspended"
    assert [user["id"] for user in http.get("/v1/users", params={"status": "suspended"}).json()] == [member.user["id"]]
    for _ in range(2):
        assert http.post(f"{path}/activate").status_code == 200
    assert member.get("/v1/users/me").json()["status"] == "active"
    assert events_of(http, member.user) == ["user.created", "key.created", "user.suspended", "user.activated"]


def test_nobody_suspends_or_deletes_itself_or_the_last_owner(http: httpx2.Client, as_role) -> None:
    own = http.get("/v1/users/me").json()["id"]
    admin = as_role("admin")
    for id in (own, "me"):
        refused(http.post(f"/v1/users/{id}/suspend"), 403, "not_yourself")
        refused(http.delete(f"/v1/users/{id}"), 403, "not_yourself")
        refused(http.delete(f"/v1/users/{id}?purge=true"), 403, "not_yourself")
        refused(http.put(f"/v1/users/{id}", json={"role": "admin"}), 403, "last_owner")
        refused(http.put(f"/v1/users/{id}", json={"status": "suspended"}), 403, "not_yourself")
    refused(admin.post("/v1/users/me/suspend"), 403, "not_yourself")
    refused(admin.delete("/v1/users/me"), 403, "not_yourself")
    refused(admin.delete(f"/v1/users/{own}"), 403, "insufficient_scope")
    other = as_role("owner")
    assert other.delete(f"/v1/users/{admin.user['id']}").status_code == 204
    assert http.delete(f"/v1/users/{other.user['id']}").status_code == 204, "one of two owners may go"
    assert http.get("/v1/users/me").json()["role"] == "owner"


# ---- delete, restore, purge


def test_a_deleted_user_is_gone_at_once_from_everywhere_and_its_email_is_free(http: httpx2.Client, as_role) -> None:
    member = as_role("member", external_id="gone-at-once", name="Zyx Vanishing")
    id, email = member.user["id"], member.user["email"]
    total = http.get("/v1/users/count").json()["count"]
    answer = http.delete(f"/v1/users/{id}")
    assert (answer.status_code, answer.content) == (204, b"")
    refused(member.get("/v1/users/me"), 401, "invalid_key")
    for method, tail in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/export"), ("POST", "/suspend")):
        refused(http.request(method, f"/v1/users/{id}{tail}", json={} if method == "PUT" else None), 404, "not_found")
    for query in ({"email": email}, {"external_id": "gone-at-once"}, {"ids": id}, {"q": "vanishing"}):
        assert http.get("/v1/users", params=query).json() == []
        assert http.get("/v1/users/count", params=query).json() == {"count": 0}
    assert id not in [user["id"] for user in http.get("/v1/users?limit=1000").json()]
    assert http.get("/v1/users/count").json()["count"] == total - 1
    refused(
        http.post("/v1/users/verify-password", json={"email": email, "password": "securepassword123"}),
        401,
        "wrong_password",
    )
    assert new_user(http, email=email.upper(), external_id="gone-at-once")["id"] != id


def test_a_restored_user_is_as_it_was_but_its_keys_stay_dead(http: httpx2.Client, as_role) -> None:
    member = as_role("member", external_id="restored", metadata={"a": 1}, name="Wvu Returning")
    id, path = member.user["id"], f"/v1/users/{member.user['id']}"
    before = http.get(path)
    listed = http.get("/v1/users?limit=1000").json()
    http.delete(path)
    answer = http.post(f"{path}/restore")
    assert (answer.status_code, list(answer.json())) == (200, ["id", "name", "email", "created_at"])
    after = http.get(path)
    assert {**after.json(), "updated_at": ""} == {**before.json(), "updated_at": ""}
    assert after.headers["etag"] != before.headers["etag"]
    assert http.get("/v1/users?limit=1000").json() == listed, "at the place it had"
    for query in ({"email": member.user["email"]}, {"external_id": "restored"}, {"q": "returning"}):
        assert [user["id"] for user in http.get("/v1/users", params=query).json()] == [id]
    refused(member.get("/v1/users/me"), 401, "revoked_key", "The API key has been revoked.")
    assert (
        http.post(
            "/v1/users/verify-password", json={"email": member.user["email"], "password": "securepassword123"}
        ).status_code
        == 200
    )
    refused(http.post(f"{path}/restore"), 404, "not_found")
    assert events_of(http, member.user)[-3:] == ["user.deleted", "user.restored", "user.signed_in"]


def test_a_user_whose_address_was_taken_meanwhile_cannot_come_back(http: httpx2.Client, user: dict) -> None:
    path = f"/v1/users/{user['id']}"
    http.delete(path)
    other = new_user(http, email=user["email"].title())
    refused(http.post(f"{path}/restore"), 400, "email_taken", "Email address is already in use.")
    refused(http.get(path), 404, "not_found")
    http.put(f"/v1/users/{other['id']}", json={"email": "moved-on@example.com"})
    assert http.post(f"{path}/restore").status_code == 200


def test_a_purged_user_cannot_come_back_and_leaves_only_the_fact(http: httpx2.Client, as_role) -> None:
    for first in (False, True):
        member = as_role("member", name="Erased Person")
        path = f"/v1/users/{member.user['id']}"
        if first:
            http.delete(path)
        yes = "True" if first else "1"  # as clients in Python and PHP write it
        assert http.delete(f"{path}?purge={yes}").status_code == 204
        refused(member.get("/v1/users/me"), 401, "invalid_key")
        refused(http.post(f"{path}/restore"), 404, "not_found")
        refused(http.delete(f"{path}?purge=true"), 404, "not_found")
        held = http.get("/v1/events", params={"user": member.user["id"]}).json()
        assert (held[-1]["type"], held[-1]["object"]) == ("user.purged", {"id": member.user["id"]})
        assert all(set(event["object"]) == {"id", "erased"} and event["before"] is None for event in held[:-1])
        new_user(http, email=member.user["email"])
    assert faults(http.delete(f"{path}?purge=yes")) == ["purge"]


def test_purge_false_is_a_plain_delete(http: httpx2.Client, user: dict) -> None:
    for no in ("false", "False", "0"):  # the latter as clients in Python and PHP write it
        assert http.delete(f"/v1/users/{user['id']}?purge={no}").status_code == 204
        assert http.post(f"/v1/users/{user['id']}/restore").status_code == 200


def test_a_user_can_be_restored_for_30_days_and_not_longer(later: Server) -> None:
    with later.http() as http:
        one, other = new_user(http), new_user(http)
        for user in (one, other):
            assert http.delete(f"/v1/users/{user['id']}").status_code == 204
        later.pass_time(30 * DAY - 60)
        assert http.post(f"/v1/users/{one['id']}/restore").status_code == 200
        later.pass_time(30 * DAY + 60)
        refused(http.post(f"/v1/users/{other['id']}/restore"), 404, "not_found")
        assert http.get(f"/v1/users/{one['id']}").status_code == 200
        later.pass_time(0)


def test_ids_rise_and_are_never_given_twice(http: httpx2.Client) -> None:
    made = []
    for _ in range(10):
        user = new_user(http, email="again@example.com")
        made.append(user["id"])
        http.delete(f"/v1/users/{user['id']}?purge=true")
    assert made == sorted(set(made))


# ---- export


def test_an_export_holds_the_user_its_keys_and_its_log_but_no_secret(http: httpx2.Client, as_role) -> None:
    member = as_role("member")
    member.put("/v1/users/me", json={"name": "Exported"})
    for client, id in ((http, member.user["id"]), (member, "me")):
        answer = client.get(f"/v1/users/{id}/export")
        assert answer.status_code == 200
        found = answer.json()
        assert list(found) == [
            "user",
            "language",
            "keys",
            "tokens",
            "sessions",
            "second_factors",
            "groups",
            "scim",
            "events",
        ]
        assert found["user"] == client.get(f"/v1/users/{member.user['id']}").json()
        assert found["language"] is None and len(found["keys"]) == 1 and "key" not in found["keys"][0]
        assert [event["type"] for event in found["events"]] == ["user.created", "key.created", "user.updated"]
        key = member.headers["authorization"].removeprefix("Bearer ")
        assert key not in answer.text and "securepassword123" not in answer.text and "argon2" not in answer.text


def test_an_export_holds_every_event_of_a_long_history_in_order(http: httpx2.Client) -> None:
    user = new_user(http)
    for number in range(250):
        http.put(f"/v1/users/{user['id']}", json={"name": f"Alice {number}"})
    answer = http.get(f"/v1/users/{user['id']}/export")
    assert answer.headers["transfer-encoding"] == "chunked"
    *first, last = answer.json()["events"]
    kept = http.get(f"/v1/events?user={user['id']}&limit=250").json()
    assert [{**event, "actor": None} for event in first] == [{**event, "actor": None} for event in kept]
    assert last["object"]["name"] == "Alice 249"


def test_an_export_does_not_say_who_else_changed_the_user(http: httpx2.Client, as_role) -> None:
    admin, member = as_role("admin"), as_role("member")
    change = admin.put(f"/v1/users/{member.user['id']}", json={"name": "By an admin"})
    member.put("/v1/users/me", json={"name": "By themselves"})
    for client in (member, http):
        answer = client.get(f"/v1/users/{member.user['id']}/export")
        *_, by_admin, own = [event["actor"] for event in answer.json()["events"]]
        assert by_admin == {
            "user_id": None,
            "key_id": None,
            "address": None,
            "request_id": change.headers["x-request-id"],
            "trace_id": None,
            "client": None,
            "key_created_by": None,
        }
        assert (
            own["user_id"] == member.user["id"] and own["key_id"].startswith("key_") and own["address"] == "127.0.0.1"
        )
        for other in (admin, http):
            assert other.get("/v1/users/me").json()["id"] not in answer.text
            assert other.get("/v1/keys/current").json()["id"] not in answer.text


@once  # whose turn it is, no database has a part in
def test_each_user_has_one_export_at_a_time(server: Server, http: httpx2.Client, as_role) -> None:
    member, other = as_role("member"), as_role("member")
    large = [{"text": letter * 16_000} for letter in "ab"]
    for number in range(400):  # 12 MB: more than the sockets take in
        http.put(f"/v1/users/{member.user['id']}", json={"metadata": large[number % 2]})
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(
            "GET /v1/users/me/export HTTP/1.1\r\nHost: a\r\nAuthorization: "
            f"{member.headers['authorization']}\r\n\r\n".encode()
        )
        assert slow.recv(12) == b"HTTP/1.1 200"
        refused(member.get("/v1/users/me/export"), 429, "export_running")
        assert member.get("/v1/users/me").status_code == 200
        assert other.get("/v1/users/me/export").status_code == 200
    deadline = time.monotonic() + 60  # it ends when the server notices that the client has left
    while (answer := member.get("/v1/users/me/export")).status_code == 429:
        assert time.monotonic() < deadline
    assert len(answer.json()["events"]) == 402
    assert member.head("/v1/users/me/export").status_code == member.get("/v1/users/me/export").status_code == 200


# ---- passwords: verify and change


def verify(http: httpx2.Client, email: str, password: str) -> httpx2.Response:
    return http.post("/v1/users/verify-password", json={"email": email, "password": password})


def test_the_right_password_answers_the_user_and_notes_the_sign_in(http: httpx2.Client) -> None:
    user = new_user(http, email="Sign.In@example.com")
    for email in ("Sign.In@example.com", "sign.in@EXAMPLE.com"):
        answer = verify(http, email, user["password"])
        assert answer.status_code == 200
        assert answer.json() == {name: user[name] for name in ("id", "name", "email", "created_at")}
    assert TIME(http.get(f"/v1/users/{user['id']}").json()["last_sign_in_at"])


@once
def test_an_unknown_address_and_a_wrong_password_are_told_alike(http: httpx2.Client, user: dict) -> None:
    answers = [
        verify(http, user["email"], "wrong password"),
        verify(http, "nobody@example.com", "wrong password"),
        verify(http, "not an address", "x"),
    ]
    for answer in answers:
        refused(answer, 401, "wrong_password", "The email or password is incorrect.")
    said = [{**answer.json(), "request_id": ""} for answer in answers]
    assert said[0] == said[1] == said[2]
    names = [sorted(answer.headers) for answer in answers]
    assert names[0] == names[1] == names[2]
    assert http.get(f"/v1/users/{user['id']}").json()["last_sign_in_at"] is None


def test_a_suspended_user_cannot_sign_in_and_only_the_right_password_learns_why(
    http: httpx2.Client, user: dict
) -> None:
    http.post(f"/v1/users/{user['id']}/suspend")
    refused(verify(http, user["email"], "wrong password"), 401, "wrong_password")
    refused(verify(http, user["email"], user["password"]), 403, "user_suspended")


@pytest.mark.parametrize("known", [True, False])
@once
def test_guessing_is_slowed_for_known_and_unknown_addresses_alike(later: Server, known: bool) -> None:
    with later.http() as http:
        later.pass_time(0)
        email = f"guessed{known}@example.com"
        if known:
            new_user(http, email=email)
        for attempt in range(10):
            spelling = email.upper() if attempt % 2 else email
            refused(verify(http, spelling, f"wrong {attempt}"), 401, "wrong_password")
        slowed = verify(http, email, "securepassword123")
        refused(slowed, 429, "too_many_attempts", "Too many failed attempts.")
        assert 1 <= int(slowed.headers["retry-after"]) <= 60
        bystander = new_user(http)
        assert verify(http, bystander["email"], bystander["password"]).status_code == 200, "others are not held up"
        later.pass_time(61)
        assert verify(http, email, "securepassword123").status_code == (200 if known else 401)
        later.pass_time(0)


def test_right_passwords_are_never_slowed(http: httpx2.Client, user: dict) -> None:
    assert {verify(http, user["email"], user["password"]).status_code for _ in range(15)} == {200}


@once
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "a@example.com"},
        {"password": "x"},
        {"email": 1, "password": "x"},
        {"email": "a@example.com", "password": None},
        {"email": "", "password": ""},
    ],
)
def test_half_of_the_credentials_is_400(http: httpx2.Client, body: dict) -> None:
    assert set(faults(http.post("/v1/users/verify-password", json=body))) <= {"email", "password"}


def test_a_changed_password_works_at_once_and_the_old_one_never_again(http: httpx2.Client, user: dict) -> None:
    answer = http.put(f"/v1/users/{user['id']}/password", json={"password": "a wholly new one"})
    assert (answer.status_code, answer.content) == (204, b"")
    refused(verify(http, user["email"], user["password"]), 401, "wrong_password")
    assert verify(http, user["email"], "a wholly new one").status_code == 200
    assert events_of(http, user)[:2] == ["user.created", "user.password_changed"]


@once
def test_who_changes_its_own_password_proves_the_present_one(http: httpx2.Client, as_role) -> None:
    member = as_role("member")
    email = member.user["email"]
    refused(
        member.put("/v1/users/me/password", json={"password": "a wholly new one"}),
        400,
        "invalid_parameter",
        param="current_password",
    )
    wrong = {"password": "a wholly new one", "current_password": "wrong password"}
    refused(member.put("/v1/users/me/password", json=wrong), 401, "wrong_password")
    assert verify(http, email, "securepassword123").status_code == 200
    right = {"password": "a wholly new one", "current_password": "securepassword123"}
    assert member.put("/v1/users/me/password", json=right).status_code == 204
    assert verify(http, email, "a wholly new one").status_code == 200
    assert faults(member.put("/v1/users/me/password", json={**right, "password": "short"})) == ["password"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@once
def test_users_prove_their_password_to_change_their_own_email(http: httpx2.Client, as_role, method: str) -> None:
    def change(caller: httpx2.Client, id: str = "me", **fields: str) -> httpx2.Response:
        return caller.request(method, f"/v1/users/{id}", json={"name": "Another name", **fields})

    for role in ("member", "viewer"):
        own = as_role(role)
        email, proof = own.user["email"], {"current_password": "securepassword123"}
        new = "new." + email
        log = Log(http)
        with log.silent():
            refused(change(own, email=new), 400, "invalid_parameter", param="current_password")
            refused(change(own, own.user["id"], email=new, current_password="wrong"), 401, "wrong_password")
            # Whether an email is taken is only told to who has proven who they are.
            refused(
                change(own, email=http.get("/v1/users/me").json()["email"]),
                400,
                "invalid_parameter",
                param="current_password",
            )
        assert change(own, email=email).status_code == 200, "it stays as it is"
        assert change(own, email=new, **proof).json()["email"] == new
        assert verify(http, new, "securepassword123").status_code == 200
        assert "securepassword123" not in http.get("/v1/events", params={"user": own.user["id"]}).text
    for reaching_all in (http, as_role("admin")):
        id = reaching_all.get("/v1/users/me").json()["id"]
        email = http.get(f"/v1/users/{id}").json()["email"]
        refused(change(reaching_all, email=email.upper()), 400, "invalid_parameter", param="current_password")
        refused(change(reaching_all, id, email="x" + email), 400, "invalid_parameter", param="current_password")
        assert change(reaching_all, email=email).status_code == 200, "it stays as it is"
        assert change(reaching_all, own.user["id"], email=own.user["email"]).status_code == 200


def test_who_has_no_password_changes_their_email_without(server: Server, http: httpx2.Client) -> None:
    email = f"invited{time.perf_counter_ns()}@example.com"
    server.rollbook("users", "invite", email, "--data", str(server.data))
    [user] = http.get("/v1/users", params={"email": email}).json()
    with server.http(new_key(http, user_id=user["id"])) as own:
        assert own.patch("/v1/users/me", json={"email": "new." + email}).status_code == 200


@once
def test_a_key_of_its_own_does_not_let_anyone_guess_the_password_fast(as_role) -> None:
    member = as_role("member")
    wrong = {"password": "a wholly new one", "current_password": "wrong password"}
    statuses = [member.put("/v1/users/me/password", json=wrong).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2


def test_the_list_names_its_own_server_in_links_not_what_the_request_says(server: Server, http: httpx2.Client) -> None:
    answer = http.get("/v1/users?limit=1", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert answer.status_code == 200
    assert all(target.startswith(f"{server.url}/v1/users?") for target in links(answer).values())


def test_a_new_key_of_a_restored_user_works(http: httpx2.Client, server: Server, user: dict) -> None:
    http.delete(f"/v1/users/{user['id']}")
    http.post(f"/v1/users/{user['id']}/restore")
    with server.http(new_key(http, user_id=user["id"])) as client:
        assert client.get("/v1/users/me").json()["id"] == user["id"]
