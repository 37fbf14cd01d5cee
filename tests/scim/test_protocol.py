"""Bulk, sorting, versions, parts of resources, bounds, races, and what is kept of a user."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollbook.actions.scim import ScimSearch, ScimUser, sliced
from rollbook.errors import ApiError
from rollbook.records.scim import ScimDetails
from rollbook.records.users import User
from rollbook.scim import attributes, filters, groups, patching, users
from tests.callers import Connection, of_each_worker, together
from tests.engines import once
from tests.harness import Server, new_key, running
from tests.scim.provider import BULK, ENTERPRISE, GROUP, USER, Provider, refused, told, user


def bulk(idp: Provider, *operations: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    body = {"schemas": [BULK], "Operations": operations, **fields}
    return list(told(idp.http.post("/Bulk", json=body))["Operations"])


def test_bulk_does_one_operation_after_the_other_with_the_ids_of_earlier_ones(idp: Provider) -> None:
    team = {"schemas": [GROUP], "displayName": "Bulk", "members": [{"value": "bulkId:ada"}]}
    made, group, patched, gone, wrong = bulk(
        idp,
        {"method": "POST", "path": "/Users", "bulkId": "ada", "data": user(userName="bulk@example.com")},
        {"method": "post", "path": "/Groups", "bulkId": "team", "data": team},
        {
            "method": "PATCH",
            "path": "/Users/bulkId:ada",
            "data": {"Operations": [{"op": "add", "value": {"active": "False"}}]},
        },
        {"method": "DELETE", "path": "/Users/bulkId:ada", "version": 'W/"1-1"'},
        {"method": "POST", "path": "/Users", "bulkId": "x", "data": user(userName="bulk@example.com")},
    )
    assert [each["status"] for each in (made, group, patched, gone, wrong)] == ["201", "201", "200", "412", "409"]
    id = made["location"].rpartition("/")[2]
    assert idp.get(f"/Users/{id}")["active"] is False
    assert idp.get(f"/Groups/{group['location'].rpartition('/')[2]}")["members"][0]["value"] == id
    assert (wrong["response"]["scimType"], wrong["bulkId"]) == ("uniqueness", "x")
    failing = {"method": "POST", "path": "/Nowhere", "data": {}}
    assert [each["status"] for each in bulk(idp, *[failing] * 5, failOnErrors=2)] == ["404", "404"]
    for path in ("/Users/bulkId:none", "Users", "", "/Bulk", "/Me"):
        [found] = bulk(idp, {"method": "DELETE", "path": path})
        assert int(found["status"]) in (400, 404)


@once
def test_bulk_is_bounded_and_each_operation_counts_as_a_request(idp: Provider) -> None:
    many = {"schemas": [BULK], "Operations": [{"method": "DELETE", "path": "/Users/1"}] * 1_001}
    refused(idp.http.post("/Bulk", json=many), 400, "tooMany")
    refused(idp.http.post("/Bulk", json={"Operations": "none"}), 400, "invalidSyntax")
    refused(idp.http.post("/Bulk", json={"Operations": ["x" * 1_048_576]}), 413)
    before, after = (0, 0), (0, 1)
    while before[1] < after[1]:  # another window has begun in between
        before = _left(idp)
        bulk(idp, *[{"method": "DELETE", "path": "/Users/1"}] * 20)
        after = _left(idp)
    assert before[0] - after[0] == 21


def _left(idp: Provider) -> tuple[int, int]:
    """Requests, and seconds of their window."""
    told = idp.http.get("/Users", params={"count": 0}).headers["ratelimit"]
    requests, seconds = re.findall(r";r=(\d+);t=(\d+)", told)[0]
    return int(requests), int(seconds)


def test_lists_are_sorted_by_any_attribute(idp: Provider) -> None:
    names = ["Zoë", "ada", "Bob"]
    for number, name in enumerate(names):
        idp.new_user(displayName=f"Sorted {name}", **{ENTERPRISE: {"costCenter": f"{7 - number}"}})
    filter = 'displayName sw "Sorted"'

    def sorted_by(path: str, order: str = "ascending") -> list[str]:
        found = idp.get("/Users", filter=filter, sortBy=path, sortOrder=order)["Resources"]
        return [each["displayName"].removeprefix("Sorted ") for each in found]

    assert sorted_by("displayName") == ["ada", "Bob", "Zoë"]
    assert sorted_by("DISPLAYNAME", "descending") == ["Zoë", "Bob", "ada"]
    assert sorted_by(f"{ENTERPRISE}:costCenter") == ["Bob", "ada", "Zoë"]
    assert sorted_by("meta.created", "descending") == names[::-1]
    everyone = [
        each["emails"][0]["value"] for each in idp.get("/Users", sortBy="emails.value", count=1000)["Resources"]
    ]
    assert everyone == sorted(everyone)
    refused(idp.http.get("/Users", params={"sortBy": "nothing"}), 400, "invalidPath")


def test_versions_hold_off_changes_that_would_be_lost(idp: Provider, http: httpx2.Client) -> None:
    made = idp.new_user()
    path, version = f"/Users/{made['id']}", made["meta"]["version"]
    assert idp.http.get(path, headers={"If-None-Match": version}).status_code == 304
    http.patch(f"/v1/users/{made['id']}", json={"name": "Changed"})  # by someone else
    read = idp.http.get(path, headers={"If-None-Match": version})
    assert (read.status_code, read.headers["etag"]) == (200, read.json()["meta"]["version"])
    change = {"Operations": [{"op": "add", "value": {"externalId": "v"}}]}
    for method in ("PATCH", "PUT", "DELETE"):
        body = None if method == "DELETE" else change if method == "PATCH" else made
        refused(idp.http.request(method, path, json=body, headers={"If-Match": version}), 412)
    changed = told(idp.http.patch(path, json=change, headers={"If-Match": f'W/"0-0", {read.headers["etag"]}'}))
    assert changed["meta"]["version"] not in (version, read.headers["etag"])
    assert idp.http.delete(path, headers={"If-Match": changed["meta"]["version"]}).status_code == 204
    group = idp.new_group()
    path = f"/Groups/{group['id']}"
    idp.patch(path, {"op": "add", "path": "externalId", "value": "v"})
    refused(idp.http.delete(path, headers={"If-Match": group["meta"]["version"]}), 412)
    assert idp.http.delete(path, headers={"If-Match": "*"}).status_code == 204


def test_parts_of_resources(idp: Provider) -> None:
    made = idp.new_user(**{ENTERPRISE: {"costCenter": "1", "department": "2"}})
    path = f"/Users/{made['id']}"
    always = {"schemas", "id"}
    assert idp.get(path, attributes="userName").keys() == always | {"userName"}
    found = idp.get(path, attributes=f"name.givenName, EMAILS.value,{ENTERPRISE}:department,title")
    assert found == {
        **{name: made[name] for name in always},
        "name": {"givenName": "Ada"},
        "emails": [{"value": made["userName"]}],
        ENTERPRISE: {"department": "2"},
    }
    found = idp.get(path, excludedAttributes=f"id,name.familyName,emails.type,meta,{ENTERPRISE}:costCenter")
    assert found.keys() == made.keys() - {"meta"}
    assert (found["name"], found[ENTERPRISE]) == (
        {"formatted": "Ada Lovelace", "givenName": "Ada"},
        {"department": "2"},
    )
    assert ENTERPRISE not in idp.get(path, excludedAttributes=ENTERPRISE)
    search = {"filter": f'id eq "{made["id"]}"', "attributes": ["userName"], "startIndex": 1, "count": 5}
    [found] = told(idp.http.post("/Users/.search", json=search))["Resources"]
    assert found.keys() == always | {"userName"}
    told(idp.http.patch(f"{path}?attributes=active", json={"Operations": []}))


@once
def test_filters_are_bounded(idp: Provider) -> None:
    for filter in [
        "(" * 11 + "active eq true" + ")" * 11,
        'userName eq "x"' + ' or userName eq "x"' * 200,
        f'userName eq "{"x" * 5000}"',
        "userName",
        "userName eq",
        "userName eq x",
        'userName eq "x',
        'userName like "x"',
        'active gt "x"',
        "name eq 1",
        'emails[type eq "work"',
        'emails[emails[type eq "x"]]',
        'userName eq "x" and',
        'not userName eq "x"',
        "]",
        'phoneNumbers.value eq "x"',
        'userName eq ["x"]',
        'meta.created gt "yesterday"',
        'meta.created sw "2026-01-01T00:00:00Z"',
    ]:
        refused(idp.http.get("/Users", params={"filter": filter}), 400, "invalidFilter")
    refused(idp.http.get("/Users?filter=%ff"), 400, "invalidValue")
    refused(idp.http.post("/Users?dry_run=true", json=user()), 400, "invalidValue")


@once
def test_a_filter_makes_a_bounded_number_of_comparisons_one_at_a_time(idp: Provider, http: httpx2.Client) -> None:
    for begin in (0, 600):
        people = [
            {"op": "create", "name": f"Many {n}", "email": f"compared{n}@example.com", "status": "invited"}
            for n in range(begin, begin + 600)
        ]
        results = http.post("/v1/users/bulk", json={"operations": people}).json()["results"]
        assert {each["status"] for each in results} == {201}
    some, too_many = (" or ".join(f'displayName co "z{n}"' for n in range(count)) for count in (40, 95))
    of_emails = " or ".join(f'value co "z{n}"' for n in range(95))
    for filter in (too_many, f"not ({too_many})", f"emails[{of_emails}]"):
        said = refused(idp.http.get("/Users", params={"filter": filter}), 400, "tooMany")
        assert "with 95 conditions each" in said and "fewer conditions" in said
    by_index = f'userName eq "compared7@example.com" and ({too_many} or active eq true)'
    assert len(idp.found(by_index)) == 1, "looks at one user"
    with ThreadPoolExecutor(8) as threads:
        assert [*threads.map(lambda _: idp.found(some), range(8))] == [[]] * 8


@once
def test_texts_and_members_are_bounded(idp: Provider) -> None:
    for fields in (
        {"userName": "x" * 256},
        {"userName": "a\tb@example.com"},
        {"displayName": "x" * 300},
        {"externalId": "\u2028"},
        {"name": {"givenName": ["x"]}},
        {ENTERPRISE: {"manager": {"value": "x" * 256}}},
        {"emails": [{"value": "no address"}]},
        {"emails": [{"value": "a@example.com", "type": "x" * 256}]},
        {"userName": None},
        {"emails": [{"value": f"{number}@example.com"} for number in range(101)]},
    ):
        refused(idp.http.post("/Users", json=user(**fields)), 400, "invalidValue")
    refused(idp.http.post("/Users", json={"userName": "a@example.com"}), 400, "invalidSyntax")
    path = f"/Groups/{idp.new_group()['id']}"
    members = {"op": "add", "path": "members", "value": [{"value": f"user_{number}"} for number in range(20_001)]}
    refused(idp.http.patch(path, json={"Operations": [members]}), 400, "invalidValue")
    refused(idp.http.patch(path, json={"Operations": [{"op": "add", "value": {}}] * 1_001}), 400, "invalidValue")
    refused(idp.http.patch(path, json={"Operations": [{"op": "add", "value": "x" * 4_194_304}]}), 413)


def test_the_export_of_a_user_has_what_providers_keep_and_a_purge_erases_it(
    idp: Provider, http: httpx2.Client, server: Server
) -> None:
    made = idp.new_user(
        userName="Kept", externalId="k-7", emails=[{"value": "kept@example.com"}], **{ENTERPRISE: {"costCenter": "77"}}
    )
    path = f"/v1/users/{made['id']}"
    [kept] = http.get(f"{path}/export").json()["scim"]
    assert (kept["user_name"], list(kept["external_ids"].values())) == ("Kept", ["k-7"])
    assert kept["attributes"] == {
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        ENTERPRISE: {"costCenter": "77"},
    }
    assert http.delete(f"{path}?purge=true").status_code == 204
    for table, column in (("scim_users", "user_id"), ("scim_external_ids", "object_id")):
        assert server.ask(f"SELECT * FROM {table} WHERE {column} = '{made['id']}'") == []


def test_a_restored_user_has_their_names_back_unless_another_was_given_them(idp: Provider, http: httpx2.Client) -> None:
    first, second = (
        idp.new_user(userName=name, externalId=name, emails=[{"value": f"{name}@example.com"}])
        for name in ("back", "gone")
    )
    for made in (first, second):
        assert idp.http.delete(f"/Users/{made['id']}").status_code == 204
    other = idp.new_user(userName="GONE", externalId="gone", emails=[{"value": "other@example.com"}])
    for made in (first, second):
        assert http.post(f"/v1/users/{made['id']}/restore").status_code == 200
    back, gone = (idp.get(f"/Users/{made['id']}") for made in (first, second))
    assert (back["userName"], back["externalId"], back["name"]) == ("back", "back", first["name"])
    assert (gone["userName"], gone.get("externalId"), gone["name"]) == ("gone@example.com", None, second["name"])
    assert idp.found('userName eq "gone"') == [other["id"]]


@pytest.fixture
def two_processes(engine: str, tmp_path: Any) -> Iterator[Server]:
    with running(tmp_path / "data", "--workers", "2", "--rate-limit", "none") as server:
        yield server


def test_of_two_who_create_the_same_name_at_once_one_succeeds(two_processes: Server) -> None:
    def create(connection: Connection, body: dict[str, Any]) -> int:
        return connection.call("POST", "/scim/v2/Users", body).status

    with of_each_worker(two_processes, 2) as (one, other):
        for number in range(25):
            # The same userName, in any case, with addresses of their own; or both the same.
            names = f"race{number}", f"RACE{number}"
            address = [f"{name if number % 2 else 'same'}@{number}.example.com" for name in names]
            bodies = [user(userName=names[at], emails=[{"value": address[at]}]) for at in (0, 1)]
            found = together(partial(create, one, bodies[0]), partial(create, other, bodies[1]))
            assert sorted(found) == [201, 409]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["", "x", "True", "a@b.c", "work", USER, ENTERPRISE]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "value",
                    "type",
                    "primary",
                    "op",
                    "path",
                    "name.givenName",
                    "emails",
                    "name",
                    "active",
                    "members",
                    ENTERPRISE,
                    "$ref",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
PATHS = st.sampled_from(
    [
        None,
        "",
        "active",
        "emails",
        "emails.value",
        'emails[type eq "work"].value',
        "emails[primary eq true]",
        "name",
        "name.givenName",
        f"{ENTERPRISE}:manager",
        ENTERPRISE,
        "members",
        'members[value eq "x"]',
        "x y",
        "emails[",
        "meta",
        f"{USER}:emails[value pr].type",
        "displayName",
        "externalId",
        7,
    ]
)
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "Replace", "remove", "move", 3]), "path": PATHS, "value": JSON}
    ),
    max_size=4,
)
ADA = ScimUser(
    User(1, "user_1", "Ada Lovelace", "ada@example.com"),
    ScimDetails("ada", attributes={ENTERPRISE: {"costCenter": "1"}}),
)


@once
@settings(max_examples=400)
@given(operations=OPERATIONS, filter=st.text(st.sampled_from('name[]().eq "x1 and or not pr'), max_size=20))
def test_whatever_is_sent_is_read_or_refused(operations: list[dict[str, Any]], filter: str) -> None:
    before = repr(ADA)
    for read in (
        lambda: users.edited(ADA, patching.operations("User", {"Operations": operations})),
        lambda: groups.edited(patching.operations("Group", {"Operations": operations})),
        lambda: users.read({"x": 1, **(operations[0] if operations else {})}),
        lambda: filters.parse("User", filter).test(users.shown(ADA, "http://x")),
    ):
        with contextlib.suppress(ApiError):
            read()
    assert repr(ADA) == before


@once
def test_a_key_that_may_not_read_groups_writes_none(server: Server, http: httpx2.Client, idp: Provider) -> None:
    """The answer would be refused after the change, and the provider would create the group again."""
    with server.http(new_key(http, kind="scim", scopes=["groups:write"])) as narrow:
        for method, path in (("POST", ""), ("PUT", f"/{idp.new_group()['id']}")):
            body = {"schemas": [GROUP], "displayName": "Unread"}
            refused(narrow.request(method, f"/scim/v2/Groups{path}", json=body), 403)
    assert not idp.found('displayName eq "Unread"', "Groups")


# ---- what one request may take from others


def test_what_is_no_text_is_refused_in_filters(idp: Provider) -> None:
    group = idp.new_group()
    for value in (r"\ud800", r"\u0000"):
        for kind, name in (("Users", "userName"), ("Users", "externalId"), ("Groups", "displayName"), ("Groups", "id")):
            asked = {"filter": f'{name} eq "{value}"'}
            refused(idp.http.get(f"/{kind}", params=asked), 400, "invalidFilter")
        change = {"Operations": [{"op": "remove", "path": f'members[value eq "{value}"]'}]}
        refused(idp.http.patch(f"/Groups/{group['id']}", json=change), 400, "invalidFilter")


def test_an_object_where_a_text_belongs_is_refused(idp: Provider) -> None:
    for wrong in ({ENTERPRISE: {"costCenter": {"a": "b"}}}, {"userName": {"a": "b"}}, {"displayName": {"a": "b"}}):
        refused(idp.http.post("/Users", json={**user(), **wrong}), 400, "invalidValue")


def test_no_change_takes_the_name_of_a_user_or_group_away(idp: Provider) -> None:
    made = idp.new_user(userName="Bare", emails=[{"value": "bare@example.com"}])
    team = idp.new_group(made["id"], displayName="Named")
    for kind, resource, name in (("Users", made, "userName"), ("Groups", team, "displayName")):
        path = f"/{kind}/{resource['id']}"
        without = {key: value for key, value in resource.items() if key != name}
        for body in (without, {**without, name: ""}, {**without, name: None}):
            refused(idp.http.put(path, json=body), 400, "invalidValue")
            refused(idp.http.post(f"/{kind}", json=body), 400, "invalidValue")
            [of_bulk] = bulk(idp, {"method": "PUT", "path": path, "data": body})
            assert (of_bulk["status"], of_bulk["response"]["scimType"]) == ("400", "invalidValue")
        also = {"op": "replace", "path": "externalId", "value": "not kept"}
        for operation, reason in (
            ({"op": "remove", "path": name}, "mutability"),
            ({"op": "Remove", "path": f"{resource['schemas'][0]}:{name.upper()}", "value": "x"}, "mutability"),
            ({"op": "replace", "path": name, "value": None}, "invalidValue"),
            ({"op": "add", "value": {name: ""}}, "invalidValue"),
        ):
            refused(idp.http.patch(path, json={"Operations": [also, operation]}), 400, reason)
        assert idp.get(path) == resource


def test_what_would_take_long_to_read_is_refused_at_once(idp: Provider) -> None:
    path = f"/Groups/{idp.new_group()['id']}"
    unknown = {"schemas": [GROUP], "displayName": "Many", **{f"x{number}": 1 for number in range(501)}}
    refused(idp.http.put(path, json=unknown), 400, "invalidValue")
    members = {"op": "add", "path": "members", "value": [f"{number}" for number in range(10_001)]}
    condition = {"op": "remove", "path": "members[" + " or ".join(["value eq 1"] * 70) + "]"}
    for operations in ([members] * 2, [condition] * 200):
        refused(idp.http.patch(path, json={"Operations": operations}), 400, "invalidValue")
    one = {"op": "add", "path": "members", "value": ["nobody"]}
    told(idp.http.patch(path, json={"Operations": [{**members, "value": ["x"] * 19_000}, *[one] * 999]}))
    named = {"count": 1_000, "attributes": ["emails.value", "EMAILS.value"] * 1_500}
    found = told(idp.http.post("/Users/.search", json=named))["Resources"]
    assert all(each.keys() <= {"id", "schemas", "emails"} for each in found)
    assert len(attributes.targets("User", named["attributes"])) == 1


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True, scope="module")
def test_no_user_is_locked_after_the_group(idp: Provider, server: Server, http: httpx2.Client) -> None:
    """Who was restored while a change waited for its group is left out of it: whoever holds them waits for the group."""
    stays, gone, group = idp.new_user()["id"], idp.new_user()["id"], idp.new_group()["id"]
    assert http.delete(f"/v1/users/{gone}").status_code == 204
    add = {"op": "add", "path": "members", "value": [{"value": stays}, {"value": gone}]}
    with ThreadPoolExecutor(1) as thread:
        with server.held("groups"):
            change = thread.submit(idp.patch, f"/Groups/{group}", add)
            waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'groups'::regclass"
            while not server.ask(waiting):
                assert not change.done()
                time.sleep(0.01)
            assert http.post(f"/v1/users/{gone}/restore").status_code == 200
        assert [each["value"] for each in change.result()["members"]] == [stays]


def test_filters_test_and_sort_many_groups(idp: Provider) -> None:
    ids = [idp.new_group(displayName=f"Many {number % 5} {number:02}")["id"] for number in range(45)]
    assert idp.found('displayName co "many"', "Groups", count=1_000, sortBy="meta.created") == ids
    one = idp.found('displayName co "many 3"', "Groups", sortBy="displayName", sortOrder="descending", count=2)
    assert one == [ids[43], ids[38]]
    assert idp.found(f'id eq "{ids[7]}" and displayName co "many"', "Groups") == [ids[7]]


@once
def test_others_get_their_turn_while_a_filter_is_tested(engine: str) -> None:
    async def turns_of_others() -> int:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(others())
        search = ScimSearch(passes=lambda number: number % 2 == 0, key=lambda number: -number)
        assert (await sliced([*range(1_000)], search)).resources[:2] == [998, 996]
        task.cancel()
        return turns

    assert asyncio.run(turns_of_others()) > 50
