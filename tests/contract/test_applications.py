"""Applications: users that are programs. They have API keys, and nothing that somebody could sign in with."""

from __future__ import annotations

import json
import time
from itertools import count
from typing import Any

import httpx2
import pytest

from rollbook import errors
from tests.contract.answers import Log, refused
from tests.engines import once
from tests.harness import OWNER_EMAIL, Server, new_key, new_user
from tests.visitor import sign_in, visitor

PASSWORD = "a few random words"
HASH = "$2b$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
TOTP = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
numbers = count(time.time_ns() // 1000)


def application(http: httpx2.Client, **fields: Any) -> dict[str, Any]:
    """`email`: given to it later, as to every user."""
    email = fields.pop("email", None)
    answer = http.post("/v1/applications?fields=*", json={"name": "Shop", **fields})
    assert answer.status_code == 201, answer.text
    if email is None:
        return answer.json()
    return http.patch(f"/v1/users/{answer.json()['id']}?fields=*", json={"email": email}).json()


def invited(http: httpx2.Client, **fields: Any) -> dict[str, Any]:
    body = {"name": "Ann", "email": f"ann{next(numbers)}@example.com", "status": "invited", **fields}
    answer = http.post("/v1/users?fields=*", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def as_of(server: Server, http: httpx2.Client, user: dict[str, Any], **fields: Any) -> httpx2.Client:
    return server.http(new_key(http, user_id=user["id"], **fields))


# ---- created


def test_an_application_needs_a_name_only_is_active_and_acts_with_its_keys(server: Server, http: httpx2.Client) -> None:
    log = Log(http)
    shop = application(http, role="admin")
    assert (shop["kind"], shop["status"], shop["role"]) == ("application", "active", "admin")
    assert shop["email"] == f"{shop['id']}@applications.invalid"
    assert http.get("/v1/users", params={"q": "applications.inv"}).json() == [], "no one has typed its email"
    [event] = log.news()
    assert (event["type"], event["object"]["kind"]) == ("user.created", "application")
    with as_of(server, http, shop) as itself:
        assert itself.get("/v1/users/me").json()["id"] == shop["id"]
        assert new_user(itself)["kind"] == "person"
        hook = itself.post("/v1/webhooks", json={"url": "inbox", "types": ["user.*"]})
        assert (hook.status_code, hook.json()["user_id"]) == (201, shop["id"])


def test_an_application_is_read_changed_and_deleted_by_its_own_calls_and_people_are_not(
    server: Server, http: httpx2.Client
) -> None:
    shop, person, log = application(http, metadata={"plan": "pro"}), new_user(http), Log(http)
    at = f"/v1/applications/{shop['id']}"
    read = http.get(at)
    assert (read.json(), read.headers["etag"]) == (shop, '"1"')
    assert list(http.get(at, params={"fields": "kind"}).json()) == ["id", "name", "email", "kind"]
    change = {"name": "Web shop", "metadata": {"zone": 1}, "rate_limit": "none"}
    refused(http.patch(at, json=change, headers={"If-Match": '"7"'}), errors.PreconditionFailed)
    changed = http.patch(f"{at}?fields=*", json=change, headers={"If-Match": '"1"'}).json()
    assert (changed["name"], changed["metadata"]) == ("Web shop", {"plan": "pro", "zone": 1})
    assert http.patch(f"{at}?fields=status", json={"status": "suspended"}).json()["status"] == "suspended"
    assert http.patch(f"{at}?fields=status", json={"status": "active"}).json()["status"] == "active"
    with as_of(server, http, shop) as itself, as_of(server, http, person) as themselves:
        assert itself.get("/v1/applications/me").json()["id"] == shop["id"]
        assert itself.patch("/v1/applications/me", json={"name": "Shop"}).status_code == 200
        refused(itself.patch("/v1/applications/me", json={"role": "admin"}), errors.InsufficientScope)
        refused(itself.delete(at), errors.InsufficientScope)
        refused(themselves.get("/v1/applications/me"), errors.NotFound)
        refused(themselves.get(at), errors.InsufficientScope)
        refused(themselves.get("/v1/applications"), errors.InsufficientScope)
    types = ["user.updated", "user.suspended", "user.activated", "user.updated"]
    assert [event["type"] for event in log.news() if event["type"].startswith("user.")] == types
    with log.silent():
        for id in (person["id"], "user_00000000000000000000000000", "shop"):
            wrong = f"/v1/applications/{id}"
            for answer in (http.get(wrong), http.patch(wrong, json={"name": "Ann"}), http.delete(wrong)):
                refused(answer, errors.NotFound)
        http.delete(f"/v1/users/{person['id']}")
        log.news()
        refused(http.delete(f"/v1/applications/{person['id']}?purge=true"), errors.NotFound)
    assert http.delete(at).status_code == 204
    refused(http.get(at), errors.NotFound)
    [deleted, *_] = http.get("/v1/applications", params={"status": "deleted"}).json()
    assert deleted["id"] == shop["id"]
    assert http.delete(at, params={"purge": "true"}).status_code == 204
    refused(http.post(f"/v1/users/{shop['id']}/restore"), errors.NotFound)


def test_applications_are_listed_searched_and_paged_by_themselves(http: httpx2.Client) -> None:
    tag = f"app{next(numbers)}"
    made = [application(http, name=f"{tag} {at}")["id"] for at in range(5)]
    new_user(http, name=f"{tag} person")
    http.post(f"/v1/users/{made[1]}/suspend")
    answer = http.get("/v1/applications", params={"q": tag, "limit": 2, "count": "exact", "fields": "kind"})
    assert answer.headers["x-total-count"] == "5"
    found = answer.json()
    while "next" in answer.links:
        assert "/v1/applications?" in answer.links["next"]["url"]
        answer = http.get(answer.links["next"]["url"])
        found += answer.json()
    assert [user["id"] for user in found] == made and {user["kind"] for user in found} == {"application"}
    suspended = http.get("/v1/applications", params={"q": tag, "status": "suspended"}).json()
    assert [user["id"] for user in suspended] == [made[1]]
    backwards = http.get("/v1/applications", params={"q": tag, "sort": "-name", "offset": 1, "limit": 2}).json()
    assert [user["id"] for user in backwards] == made[2:4][::-1]
    everyone = http.get("/v1/applications", params={"limit": 1000, "fields": "kind"}).json()
    assert {user["kind"] for user in everyone} == {"application"}
    for unknown in ({"kind": "person"}, {"role": "admin"}, {"q": ""}):
        refused(http.get("/v1/applications", params=unknown), errors.InvalidParameter)


def test_the_guides_answers_keep_their_fields_and_kind_is_one_of_the_others(http: httpx2.Client) -> None:
    made = http.post("/v1/applications", json={"name": "Shop"}).json()
    assert list(made) == ["id", "name", "email", "created_at"]
    [listed] = http.get("/v1/users", params={"ids": made["id"]}).json()
    assert list(listed) == ["id", "name", "email", "created_at"]
    [chosen] = http.get("/v1/users", params={"ids": made["id"], "fields": "kind"}).json()
    assert chosen == {"id": made["id"], "name": "Shop", "email": made["email"], "kind": "application"}
    assert http.get(f"/v1/users/{made['id']}").json()["kind"] == "application"


@once
def test_what_an_application_cannot_have_is_refused_when_it_is_created(http: httpx2.Client) -> None:
    for fields, param in (
        ({"password": PASSWORD}, "password"),
        ({"email": "shop@example.com"}, "email"),
        ({"status": "invited"}, "status"),
        ({"status": "active"}, "status"),
        ({"role": "owner"}, "role"),
        ({"kind": "application"}, "kind"),
        ({"name": ""}, "name"),
    ):
        with Log(http).silent():
            answer = http.post("/v1/applications", json={"name": "Shop", **fields})
            assert refused(answer, errors.InvalidParameter)["param"] == param
    assert refused(http.post("/v1/applications", json={}), errors.InvalidParameter)["param"] == "name"


@once
def test_a_user_to_create_is_a_person_with_a_name_and_an_email(http: httpx2.Client) -> None:
    """As the guide says, in the description too, so that every client and form made of it asks for them."""
    schemas = http.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["UserCreate"]["required"] == ["name", "email"]
    assert schemas["ApplicationCreate"]["required"] == ["name"]
    with Log(http).silent():
        for kind in ("application", "person"):
            person = {"kind": kind, "name": "Shop", "email": f"shop{next(numbers)}@example.com", "status": "invited"}
            wrong = refused(http.post("/v1/users", json=person), errors.InvalidParameter)
            assert wrong["param"] == "kind" and "/v1/applications" in wrong["error"]
            operations = [{"op": "create", **person}, {"op": "create", "kind": kind, "name": "Shop"}]
            for done in http.post("/v1/users/bulk", json={"operations": operations}).json()["results"]:
                assert done["status"] == 400
    found = refused(http.post("/v1/users", json={"name": "Ann", "password": PASSWORD}), errors.InvalidParameter)
    assert (found["param"], found["error"]) == ("email", "email is required.")
    invited = refused(http.post("/v1/users", json={"name": "Ann", "status": "invited"}), errors.InvalidParameter)
    assert invited["param"] == "email"


# ---- nothing to sign in with


def test_nobody_gets_a_way_to_sign_in_as_an_application(server: Server, http: httpx2.Client) -> None:
    shop = application(http, email=f"shop{next(numbers)}@example.com")
    at = f"/v1/users/{shop['id']}"
    with as_of(server, http, shop) as itself, Log(http).silent():
        for caller in (http, itself):
            refused(caller.put(f"{at}/password", json={"password": PASSWORD}), errors.BadRequest)
            refused(caller.post(f"{at}/second-factors", json={"kind": "totp"}), errors.BadRequest)
        refused(http.post(f"{at}/tokens", json={"purpose": "reset_password"}), errors.BadRequest)
        for purpose in ("invite", "reset_password", "verify_email", "sign_in"):
            refused(http.post(f"{at}/tokens", json={"purpose": purpose}), errors.BadRequest)
        change = {"purpose": "change_email", "email": f"shop{next(numbers)}@example.com"}
        refused(http.post(f"{at}/tokens", json=change), errors.BadRequest)
        for purpose in ("reset_password", "invite", "sign_in"):
            operation = {"op": "create_token", "id": shop["id"], "purpose": purpose}
            [done] = http.post("/v1/users/bulk", json={"operations": [operation]}).json()["results"]
            assert done["status"] == 400
    assert http.get(f"{at}/tokens").json() == []


def test_its_email_leads_nowhere(server: Server, http: httpx2.Client) -> None:
    """Whoever could change it, or receives its mail, gets no token, no session and another answer than for nobody."""
    email = f"shop{next(numbers)}@example.com"
    shop = application(http, email=email, role="admin")
    credentials = {"email": email, "password": PASSWORD}
    wrong = refused(http.post("/v1/users/verify-password", json=credentials), errors.WrongPassword)
    nobody = credentials | {"email": f"nobody{next(numbers)}@example.com"}
    assert wrong["error"] == refused(http.post("/v1/users/verify-password", json=nobody), errors.WrongPassword)["error"]
    session = {"audience": "https://app.example.com", **credentials}
    refused(http.post("/v1/sessions", json=session), errors.WrongPassword)
    with visitor(server) as person:
        assert sign_in(person, email, PASSWORD).status_code == 401
    log = Log(http)
    hook = http.post("/v1/webhooks", json={"url": "https://hook.example.com/", "types": ["token.requested"]})
    assert hook.status_code == 201, hook.text
    for purpose in ("reset_password", "sign_in", "verify_email", "invite"):
        assert http.post("/v1/tokens/request", json={"email": email, "purpose": purpose}).status_code == 202
    other = new_user(http)  # asked for later, made later
    http.post("/v1/tokens/request", json={"email": other["email"], "purpose": "reset_password"})
    requested: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    while not requested:
        assert time.monotonic() < deadline
        requested = [event for event in log.news() if event["type"] == "token.requested"]
    assert [event["user_id"] for event in requested] == [other["id"]]
    assert http.get(f"/v1/users/{shop['id']}/tokens").json() == []
    http.delete(f"/v1/webhooks/{hook.json()['id']}")


def test_an_application_stays_one_and_is_never_an_owner(server: Server, http: httpx2.Client) -> None:
    shop, person = application(http, role="admin"), new_user(http)
    log = Log(http)
    with log.silent():
        for method in ("PUT", "PATCH"):
            for user, kind in ((shop, "person"), (person, "application")):
                answer = http.request(method, f"/v1/users/{user['id']}", json={"kind": kind})
                assert refused(answer, errors.InvalidParameter)["param"] == "kind"
            answer = http.request(method, f"/v1/users/{shop['id']}", json={"role": "owner"})
            assert refused(answer, errors.InvalidParameter)["param"] == "role"
        operation = {"op": "update", "id": shop["id"], "role": "owner"}
        [done] = http.post("/v1/users/bulk", json={"operations": [operation]}).json()["results"]
        assert done["status"] == 400
        # What was read can be sent back.
        whole = http.get(f"/v1/users/{shop['id']}").json()
        assert http.put(f"/v1/users/{shop['id']}", json=whole).status_code == 200
    with as_of(server, http, person) as themselves:
        refused(themselves.patch("/v1/users/me", json={"kind": "application"}), errors.InsufficientScope)


def test_suspended_and_activated_it_is_active_again_not_invited(server: Server, http: httpx2.Client) -> None:
    shop = application(http)
    with as_of(server, http, shop) as itself:
        http.post(f"/v1/users/{shop['id']}/suspend")
        refused(itself.get("/v1/users/me"), errors.UserSuspended)
        assert http.post(f"/v1/users/{shop['id']}/activate?fields=status").json()["status"] == "active"
        assert itself.get("/v1/users/me").status_code == 200


def test_a_deleted_application_is_restored_as_one_and_can_be_purged(http: httpx2.Client) -> None:
    shop = application(http)
    at = f"/v1/users/{shop['id']}"
    assert http.delete(at).status_code == 204
    deleted = http.get("/v1/users", params={"status": "deleted", "kind": "application", "fields": "kind"}).json()
    assert [shop["id"], "application"] in [[user["id"], user["kind"]] for user in deleted]
    others = http.get("/v1/users", params={"status": "deleted", "kind": "person"}).json()
    assert shop["id"] not in [user["id"] for user in others]
    assert http.post(f"{at}/restore?fields=kind").json()["kind"] == "application"
    refused(http.put(f"{at}/password", json={"password": PASSWORD}), errors.BadRequest)
    assert http.get(f"{at}/export").json()["user"]["kind"] == "application"
    assert http.delete(at, params={"purge": "true"}).status_code == 204
    refused(http.get(at), errors.NotFound)


# ---- files


def imported(http: httpx2.Client, *rows: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    content = "".join(json.dumps(row) + "\n" for row in rows)
    job = http.post("/v1/imports", params={"on_conflict": "update"}, content=content.encode()).json()
    deadline = time.monotonic() + 60
    while job["status"] not in ("finished", "failed"):
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
        job = http.get(f"/v1/imports/{job['id']}").json()
    report = http.get(f"/v1/imports/{job['id']}/report").text
    return job, [json.loads(line) for line in report.splitlines()]


def test_an_import_gives_an_application_nothing_to_sign_in_with(server: Server, http: httpx2.Client) -> None:
    number = next(numbers)
    shop = application(http, email=f"shop{number}@example.com", external_id=f"shop-{number}")
    same = {"name": "Shop", "email": shop["email"]}
    new = {"name": "New", "kind": "application"}
    job, report = imported(
        http,
        same | {"password_hash": HASH},
        same | {"password": PASSWORD},
        same | {"totp_secret": TOTP},
        same | {"role": "owner"},
        same | {"kind": "person"},
        new | {"email": f"a{number}@example.com", "password_hash": HASH},
        new | {"email": f"b{number}@example.com", "status": "invited"},
        new | {"email": f"c{number}@example.com", "role": "owner"},
    )
    assert (job["refused"], job["added"], job["updated"]) == (8, 0, 0), report
    wanted = [None, None, None, "role", "kind", "password_hash", "status", "role"]
    assert [each["field"] for each in report] == wanted
    refused(
        http.post("/v1/users/verify-password", json={"email": shop["email"], "password": PASSWORD}),
        errors.WrongPassword,
    )
    assert http.get(f"/v1/users/{shop['id']}/second-factors").json()["second_factors"] == []


def test_an_export_brings_applications_back_as_what_they_were(http: httpx2.Client) -> None:
    shop = application(http, external_id=f"shop-{next(numbers)}")
    exported = http.get("/v1/exports", params={"ids": shop["id"]}).text
    assert json.loads(exported)["kind"] == "application"
    assert http.delete(f"/v1/users/{shop['id']}", params={"purge": "true"}).status_code == 204
    record = json.loads(exported) | {"email": f"shop{next(numbers)}@example.com"}
    del record["id"]
    job, report = imported(http, record)
    assert (job["added"], report) == (1, [])
    [again] = http.get("/v1/users", params={"email": record["email"], "fields": "kind,status"}).json()
    assert (again["kind"], again["status"]) == ("application", "active")


# ---- lists


def test_lists_counts_and_exports_are_filtered_by_kind(http: httpx2.Client) -> None:
    tag = f"t{next(numbers)}"
    metadata = {"tag": tag}
    made = []
    for at in range(12):
        fields = {"name": f"{tag} {at:02}", "metadata": metadata}
        is_application = at in (0, 3, 4, 11)
        made.append(application(http, **fields) if is_application else new_user(http, **fields))
    people = [user["id"] for user in made if user["kind"] == "person"]
    programs = [user["id"] for user in made if user["kind"] == "application"]
    for narrowed in ({"metadata": f"tag:{tag}"}, {"q": tag}, {"ids": ",".join(user["id"] for user in made)}):
        for kind, wanted in (("person", people), ("application", programs)):
            asked = narrowed | {"kind": kind}
            answer = http.get("/v1/users", params=asked | {"count": "exact"})
            assert [user["id"] for user in answer.json()] == wanted
            assert answer.headers["x-total-count"] == str(len(wanted))
            assert http.get("/v1/users/count", params=asked).json() == {"count": len(wanted)}
            exported = http.get("/v1/exports", params=asked).text.splitlines()
            assert [json.loads(line)["id"] for line in exported] == wanted
            for sort in ("-created_at", "name", "-email"):
                found = http.get("/v1/users", params=asked | {"sort": sort}).json()
                assert {user["id"] for user in found} == set(wanted)
                assert sort != "-created_at" or [user["id"] for user in found] == wanted[::-1]
    total = http.get("/v1/users/count").json()["count"]
    counted = [http.get("/v1/users/count", params={"kind": kind}).json()["count"] for kind in ("person", "application")]
    assert sum(counted) == total
    assert http.get("/v1/users/count", params={"kind": "application", "role": "member"}).json()["count"] >= 4


def test_pages_of_persons_at_any_offset_and_by_cursor_skip_applications_only(http: httpx2.Client) -> None:
    for at in range(30):
        (application if at % 3 else invited)(http)
    rising = [user["id"] for user in every(http, kind="person")]
    assert len(rising) == http.get("/v1/users/count", params={"kind": "person"}).json()["count"]
    for order, wanted in (({}, rising), ({"sort": "-created_at"}, rising[::-1])):
        for offset in (*range(0, len(wanted) + 2, 3), len(wanted) - 1):
            answer = http.get("/v1/users", params={"kind": "person", "offset": offset, "limit": 4, **order})
            assert [user["id"] for user in answer.json()] == wanted[offset : offset + 4], (order, offset)
            assert answer.headers["x-total-count"] == str(len(wanted))
        assert [user["id"] for user in every(http, kind="person", limit=4, **order)] == wanted


def every(http: httpx2.Client, **asked: Any) -> list[dict[str, Any]]:
    answer = http.get("/v1/users", params=asked)
    found = answer.json()
    while "next" in answer.links:
        answer = http.get(answer.links["next"]["url"])
        found += answer.json()
    return found


# ---- identity providers


def test_identity_providers_do_not_see_applications(server: Server, http: httpx2.Client) -> None:
    number = next(numbers)
    email = f"shop{number}@example.com"
    shop, person = application(http, email=email), new_user(http)
    group = http.post("/v1/groups", json={"name": f"Group {number}"}).json()["id"]
    members = [{"user_id": user["id"]} for user in (shop, person)]
    assert http.post(f"/v1/groups/{group}/members", json={"members": members}).status_code == 200
    key = new_key(http, kind="scim")
    with server.http(key) as idp:
        at = f"/scim/v2/Users/{shop['id']}"
        replace = {"op": "replace", "path": "active", "value": False}
        patch = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [replace]}
        whole = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": email, "active": False}
        with Log(http).silent():
            for answer in (idp.get(at), idp.patch(at, json=patch), idp.put(at, json=whole), idp.delete(at)):
                assert answer.status_code == 404, answer.text
            assert idp.post("/scim/v2/Users", json=whole).status_code == 409
        for filter in (f'userName eq "{email}"', f'id eq "{shop["id"]}"', f'emails.value eq "{email}"'):
            assert idp.get("/scim/v2/Users", params={"filter": filter}).json()["totalResults"] == 0
        listed = idp.get("/scim/v2/Users", params={"count": 200}).json()
        total = http.get("/v1/users/count", params={"kind": "person"}).json()["count"]
        assert listed["totalResults"] == total
        assert shop["id"] not in [user["id"] for user in listed["Resources"]]
        starting = idp.get("/scim/v2/Users", params={"filter": f'userName sw "shop{number}"'}).json()
        assert starting["totalResults"] == 0
        shown = idp.get(f"/scim/v2/Groups/{group}").json()
        assert [each["value"] for each in shown["members"]] == [person["id"]]
        # The provider's word on who the members are is about persons.
        other, at_group = application(http), f"/scim/v2/Groups/{group}"
        for op, value in (("add", [{"value": other["id"]}]), ("replace", []), ("remove", [{"value": shop["id"]}])):
            operation = {"op": op, "path": "members", "value": value}
            idp.patch(at_group, json=patch | {"Operations": [operation]})
        assert [each["user_id"] for each in http.get(f"/v1/groups/{group}/members").json()] == [shop["id"]]


# ---- who may


def test_only_who_may_grant_makes_an_application_more_than_a_member(server: Server, http: httpx2.Client) -> None:
    narrow = new_key(http, scopes=["users:read", "users:write", "keys:write"])
    with server.http(narrow) as caller:
        body = {"name": "Shop"}
        refused(caller.post("/v1/applications", json=body | {"role": "admin"}), errors.InsufficientScope)
        made = caller.post("/v1/applications", json=body).json()
        for path in ("users", "applications"):
            answer = caller.patch(f"/v1/{path}/{made['id']}", json={"role": "viewer"})
            refused(answer, errors.InsufficientScope)
    with as_of(server, http, made) as itself:
        refused(itself.post("/v1/applications", json=body), errors.InsufficientScope)
        refused(itself.patch("/v1/users/me", json={"role": "admin"}), errors.InsufficientScope)
    assert http.get("/v1/users", params={"email": OWNER_EMAIL, "kind": "application"}).json() == []


@pytest.mark.parametrize("kind", ["robot", "", "APPLICATION"])
@once
def test_other_kinds_are_refused(kind: str, http: httpx2.Client) -> None:
    assert refused(http.get("/v1/users", params={"kind": kind}), errors.InvalidParameter)["param"] == "kind"
