"""`/v1/bulk-jobs`: changes of many users in the background, with progress, results, cancel and undo."""

from __future__ import annotations

import csv
import io
import json
import signal
import time
import tracemalloc
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from rollbook import ids
from rollbook.actions.bulk_jobs import AT_ONCE, JobTargets
from rollbook.records.bulk_jobs import JobUser
from tests.contract.answers import Log
from tests.contract.expect import refused
from tests.contract.test_groups import made, members, put
from tests.engines import once
from tests.harness import OWNER_EMAIL, Server, new_key, new_user, running
from tests.nodes.pair import wait_until
from tests.visitor import signed_in

JOBS = "/v1/bulk-jobs"
FINAL = ("finished", "failed", "canceled")
numbers = count(time.time_ns() // 1000)


def people(http: httpx2.Client, how_many: int, **fields: Any) -> tuple[str, list[str]]:
    """Members who have a value in their metadata that no one else has: a filter for them, and their IDs."""
    mark = f"m{next(numbers)}"
    made: list[str] = []
    for start in range(0, how_many, 500):
        operations = [
            {
                "op": "create",
                "name": f"Bea Bulk {number}",
                "email": f"{mark}.{number}@example.com",
                "metadata": {"mark": mark},
                **fields,
            }
            for number in range(start, min(how_many, start + 500))
        ]
        answer = http.post("/v1/users/bulk", json={"operations": operations, "atomic": True})
        assert answer.status_code == 207, answer.text
        made += [result["user"]["id"] for result in answer.json()["results"]]
    return f"mark:{mark}", made


def job(http: httpx2.Client, action: str, **fields: Any) -> dict[str, Any]:
    answer = http.post(JOBS, json={"action": action, **fields})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(f"{JOBS}/{answer.json()['id']}")
    return answer.json()


def ended(http: httpx2.Client, found: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (found := http.get(f"{JOBS}/{found['id']}").json())["status"] not in FINAL:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def done(http: httpx2.Client, action: str, **fields: Any) -> dict[str, Any]:
    """The job, when it has ended."""
    return ended(http, job(http, action, **fields))


def undone(http: httpx2.Client, found: dict[str, Any]) -> dict[str, Any]:
    answer = http.post(f"{JOBS}/{found['id']}/undo")
    assert answer.status_code == 201, answer.text
    return ended(http, answer.json())


def counts(found: dict[str, Any]) -> tuple[int, int, int, int]:
    assert found["done"] == found["changed"] + found["unchanged"] + found["refused"]
    return found["total"], found["changed"], found["unchanged"], found["refused"]


def results(http: httpx2.Client, found: dict[str, Any], **query: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in http.get(found["results_url"], params=query).text.splitlines()]


def statuses(http: httpx2.Client, ids: list[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(ids), 200):
        some = ids[start : start + 200]
        users = http.get("/v1/users", params={"ids": ",".join(some), "fields": "*", "limit": 200}).json()
        assert len(users) == len(some)
        found |= {user["status"] for user in users}
    return found


def test_all_who_match_are_changed_once_each_and_put_back(http: httpx2.Client) -> None:
    """More than the thousand of other bulk changes, in several parts, and no one else."""
    mark, ids = people(http, 1_203)
    other = new_user(http)
    one, two = ids[5], ids[700]
    http.post(f"/v1/users/{one}/suspend")
    log = Log(http)
    found = done(http, "suspend", filter={"metadata": [mark], "role": "member"}, confirm_count=1_203)
    assert counts(found) == (1_203, 1_202, 1, 0)
    assert found["filter"] == {"metadata": [mark], "role": "member", "kind": "person"}
    assert statuses(http, ids) == {"suspended"}
    assert statuses(http, [other["id"]]) == {"active"}
    news = log.news()
    events = [event for event in news if event["type"] == "user.suspended"]
    assert sorted(event["user_id"] for event in events) == sorted(set(ids) - {one})
    assert {event["actor"]["request_id"] for event in events} == {found["id"]}
    assert events[0]["before"] == {"status": "active"}
    [end] = http.get("/v1/events", params={"type": "bulk_job.finished", "order": "desc", "limit": 1}).json()
    assert (end["object"]["id"], end["object"]["changed"]) == (found["id"], 1_202)
    assert [row["result"] for row in results(http, found) if row["user_id"] == one] == ["unchanged"]

    # Somebody else has activated one and suspended them again: that is not of the job.
    http.post(f"/v1/users/{two}/activate")
    http.post(f"/v1/users/{two}/suspend")
    back = undone(http, found)
    assert (back["action"], back["undoes"], counts(back)) == ("activate", found["id"], (1_202, 1_201, 0, 1))
    [row] = results(http, back, result="refused")
    assert (row["user_id"], row["code"]) == (two, "changed_since")
    # As they were. Activated by hand, who has no password is invited.
    assert statuses(http, sorted(set(ids) - {one, two})) == {"active"}
    assert statuses(http, [one, two]) == {"suspended"}
    assert refused(http.post(f"{JOBS}/{back['id']}/undo"), 400, "bad_request")
    # A second time there is nothing left to do.
    assert counts(undone(http, found)) == (1_202, 0, 0, 1_202)


def test_the_deleted_are_restored_and_roles_put_back(http: httpx2.Client) -> None:
    mark, ids = people(http, 5)
    http.patch(f"/v1/users/{ids[0]}", json={"role": "viewer"})
    found = done(http, "role", ids=[*ids, "user_unknown"], role="admin")
    assert counts(found) == (6, 5, 0, 1)
    assert [(row["code"], row["name"]) for row in results(http, found, result="refused")] == [("not_found", "")]
    http.patch(f"/v1/users/{ids[1]}", json={"role": "owner"})  # since
    assert counts(undone(http, found)) == (5, 4, 0, 1)
    roles = [user["role"] for user in http.get("/v1/users", params={"ids": ",".join(ids), "fields": "*"}).json()]
    assert roles == ["viewer", "owner", "member", "member", "member"]

    found = done(http, "delete", filter={"metadata": [mark]})
    assert counts(found) == (5, 5, 0, 0)
    assert not http.get("/v1/users", params={"ids": ",".join(ids)}).json()
    assert {row["email"] for row in results(http, found)} == {f"{mark[5:]}.{number}@example.com" for number in range(5)}
    http.post(f"/v1/users/{ids[2]}/restore")  # since
    assert counts(undone(http, found)) == (5, 4, 0, 1)
    assert len(http.get("/v1/users", params={"ids": ",".join(ids)}).json()) == 5
    http.delete(f"/v1/users/{ids[3]}")
    assert counts(done(http, "restore", ids=ids)) == (5, 1, 0, 4)


def test_metadata_is_merged(http: httpx2.Client) -> None:
    mark, ids = people(http, 3)
    http.patch(f"/v1/users/{ids[1]}", json={"metadata": {"plan": "team"}})
    found = done(http, "metadata", filter={"metadata": [mark]}, metadata={"plan": "team", "old": None})
    assert (counts(found), found["metadata"]) == ((3, 2, 1, 0), {"plan": "team", "old": None})
    for user in http.get("/v1/users", params={"ids": ",".join(ids), "fields": "*"}).json():
        assert user["metadata"] == {"mark": mark[5:], "plan": "team"}
    # Other keys may have changed since; of a key that has, the value stays.
    http.patch(f"/v1/users/{ids[0]}", json={"metadata": {"seats": 3}})
    http.patch(f"/v1/users/{ids[2]}", json={"metadata": {"plan": "pro"}})
    back = undone(http, found)
    assert counts(back) == (2, 1, 0, 1)
    assert [row["code"] for row in results(http, back, result="refused")] == ["not_reversible"]
    metadata = [user["metadata"] for user in http.get("/v1/users", params={"ids": ",".join(ids), "fields": "*"}).json()]
    assert metadata == [
        {"mark": mark[5:], "seats": 3},
        {"mark": mark[5:], "plan": "team"},
        {"mark": mark[5:], "plan": "pro"},
    ]
    links = done(http, "setup_links", ids=ids)
    refused(http.post(f"{JOBS}/{links['id']}/undo"), 400, "bad_request")


def test_users_join_and_leave_a_group_and_are_put_back_in_their_roles(
    server: Server, http: httpx2.Client, as_role: Callable[..., httpx2.Client]
) -> None:
    mark, ids = people(http, 53)  # two parts
    group = made(http, name="Design")
    name = {"group_id": group.rpartition("/")[2]}
    put(http, group, ids[0], role="lead")
    joined = done(http, "add_to_group", filter={"metadata": [mark]}, **name)
    assert (counts(joined), joined["group_id"]) == ((53, 52, 1, 0), name["group_id"])
    assert members(http, group) == dict.fromkeys(ids, "") | {ids[0]: "lead"}
    put(http, group, ids[1], role="guest")  # since
    back = undone(http, joined)
    assert (counts(back), [row["user_id"] for row in results(http, back, result="refused")]) == (
        (52, 51, 0, 1),
        [ids[1]],
    )
    assert members(http, group) == {ids[0]: "lead", ids[1]: "guest"}
    left = done(http, "remove_from_group", ids=[*ids[:3], ids_of_nobody()], **name)
    assert (counts(left), members(http, group)) == ((4, 2, 1, 1), {})
    assert counts(undone(http, left)) == (2, 2, 0, 0)
    assert members(http, group) == {ids[0]: "lead", ids[1]: "guest"}
    with server.http(new_key(http, scopes=["users:write", "users:read"])) as narrow:
        refused(narrow.post(JOBS, json={"action": "add_to_group", "ids": ids, **name}), 403, "insufficient_scope")
    # As alone, an owner's memberships are not for who can't grant.
    [owner] = http.get("/v1/users", params={"email": OWNER_EMAIL}).json()
    assert counts(done(as_role("admin"), "add_to_group", ids=[owner["id"]], **name)) == (1, 0, 0, 1)
    wrong = {"action": "add_to_group", "ids": ids}
    refused(http.post(JOBS, json=wrong), 400, "invalid_parameter")
    refused(http.post(JOBS, json={**wrong, "action": "suspend", **name}), 400, "invalid_parameter")
    http.delete(group)
    refused(http.post(JOBS, json={**wrong, **name}), 404, "not_found")


def test_a_job_with_large_metadata_ends_and_the_log_has_it_whole(http: httpx2.Client) -> None:
    [id] = people(http, 1)[1]
    large, log = {"notes": "n" * 5_000, "old": None}, Log(http)
    found = done(http, "metadata", ids=[id], metadata=large)
    assert (counts(found), found["status"]) == ((1, 1, 0, 0), "finished")
    asked = {"type": "bulk_job.finished", **({"after": log.after} if log.after else {})}
    [event] = [each for each in http.get("/v1/events", params=asked).json() if each["object"]["id"] == found["id"]]
    assert event["object"]["metadata"] == large


def test_links_are_for_who_asked_and_for_a_day(server: Server, http: httpx2.Client) -> None:
    _, ids = people(http, 3)
    suspended = new_user(http)["id"]
    http.post(f"/v1/users/{suspended}/suspend")
    found = done(http, "setup_links", ids=[*ids, suspended], redirect_url="http://localhost:3000/start")
    assert counts(found) == (4, 3, 0, 1)
    table = http.get(found["results_url"], params={"format": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    links = {row["user_id"]: row["url"] for row in rows}
    assert all(links[id].startswith("http") for id in ids) and not links[suspended]
    token = links[ids[0]].rpartition("/")[2].rpartition("=")[2].rpartition("#")[2]
    raw = b"".join(file.read_bytes() for file in server.data.glob("rollbook.db*"))
    assert token.encode() not in raw  # neither in the table nor in the log of the database
    with server.http(new_key(http)) as same_owner:  # another key
        assert {row["url"] for row in results(same_owner, found)} == {None}
    assert {row["url"] for row in results(http, found)} > {None}


def test_rules_hold_for_each_and_creators_lose_their_jobs(
    server: Server, http: httpx2.Client, as_role: Callable[..., httpx2.Client]
) -> None:
    admin = as_role("admin")
    _, [member] = people(http, 1)
    [owner] = http.get("/v1/users", params={"email": OWNER_EMAIL}).json()
    me = admin.get("/v1/users/me").json()["id"]  # type: ignore[attr-defined]
    for action, codes in (
        ("suspend", {owner["id"]: "insufficient_scope", me: "not_yourself"}),
        ("delete", {owner["id"]: "insufficient_scope", me: "not_yourself"}),
    ):
        found = done(admin, action, ids=[owner["id"], me, member])
        assert {row["user_id"]: row["code"] for row in results(admin, found, result="refused")} == codes
        undone(admin, found)
    found = done(admin, "role", ids=[owner["id"], me, member], role="viewer")
    assert counts(found) == (3, 1, 0, 2)
    refused(admin.post(JOBS, json={"action": "role", "role": "owner", "ids": [member]}), 403, "insufficient_scope")
    with server.http(new_key(admin, scopes=["users:write", "users:read"])) as narrow:
        refused(narrow.post(JOBS, json={"action": "role", "role": "admin", "ids": [member]}), 403, "insufficient_scope")
        refused(narrow.post(JOBS, json={"action": "delete", "ids": [member]}), 403, "insufficient_scope")
        refused(narrow.post(JOBS, json={"action": "setup_links", "ids": [member]}), 403, "insufficient_scope")
        # Without users:grant, whoever is more than a member is not activated.
        http.post(f"/v1/users/{member}/suspend")
        assert counts(done(narrow, "activate", ids=[member])) == (1, 0, 0, 1)


def test_applications_stop_only_where_the_filter_says_so(http: httpx2.Client) -> None:
    mark, [person] = people(http, 1)
    made = http.post("/v1/applications", json={"name": "Shop", "metadata": {"mark": mark[5:]}})
    assert made.status_code == 201, made.text
    shop = made.json()["id"]
    found = done(http, "suspend", filter={"metadata": [mark]}, confirm_count=1)
    assert [row["user_id"] for row in results(http, found)] == [person]
    assert counts(done(http, "suspend", ids=[shop])) == (1, 0, 0, 1)
    assert statuses(http, [shop]) == {"active"}
    found = done(http, "suspend", filter={"metadata": [mark], "kind": "application"})
    assert statuses(http, [shop]) == {"suspended"}
    assert counts(undone(http, found)) == (1, 1, 0, 0)
    assert statuses(http, [shop]) == {"active"}


def test_wrong_jobs_are_refused_in_words(http: httpx2.Client) -> None:
    def faults(**body: Any) -> dict[str, str]:
        answer = http.post(JOBS, json=body)
        assert answer.status_code == 400, answer.text
        return {fault["param"]: fault["message"] for fault in answer.json()["errors"]}

    assert faults(action="suspend") == {"filter": "filter or ids is required, and not both."}
    assert faults(action="suspend", filter={}, ids=["user_1"]) == {"filter": "filter or ids is required, and not both."}
    assert faults(action="suspend", filter={"status": "deleted", "created_after": "x", "colour": 1}) == {
        "filter.status": "filter.status must be one of active, invited, suspended.",
        "filter.created_after": "filter.created_after must be an RFC 3339 time such as 2023-10-27T10:00:00Z.",
        "filter.colour": '"colour" is not a field of this request. Fields: email, external_id, ids, role, status, kind, '
        "created_after, created_before, q, metadata, group, active_after, active_before, ends_after, ends_before, "
        "email_verified, second_factor, status_since_before.",
    }
    assert faults(action="role", filter={}) == {"role": "role is required."}
    assert faults(action="suspend", filter={}, role="admin") == {"role": "role is only for the action role."}
    assert faults(action="role", role="viewer", ids=["user_1=owner"]) == {"ids": "ids must be IDs of users."}
    assert faults(action="restore", filter={}) == {"filter": "filter finds no deleted users. Send their ids."}
    _, ids = people(http, 2)
    assert list(faults(action="suspend", ids=ids, confirm_count=3)) == ["confirm_count"]
    assert statuses(http, ids) == {"active"}
    missing = ids_of_nobody()
    refused(http.post(JOBS, json={"action": "suspend", "filter": {"group": missing}}), 404, "not_found")
    for path in ("", "/results", "/cancel", "/undo"):
        send = http.post if path in ("/cancel", "/undo") else http.get
        refused(send(f"{JOBS}/{ids_of_nobody('job')}{path}"), 404, "not_found")


def test_the_page_of_a_job_keeps_no_search_and_leads_back_to_the_list_after_a_cancel(
    http: httpx2.Client, server: Server
) -> None:
    found = done(http, "suspend", filter={"q": "nobody of this name", "role": "viewer"})
    with signed_in(server) as owner:
        canceled = owner.post(f"/admin/bulk-jobs/{found['id']}/cancel?list=users&q=a+b&role=viewer")
        shown = owner.get(canceled.headers["location"]).text
    assert '<dt>Search</dt><dd><span class="muted">Not kept, because it can name a person</span></dd>' in shown
    assert "<dt>Role</dt><dd>viewer</dd>" in shown
    assert '<a href="/admin/users?q=a+b&amp;role=viewer">Back to the list</a>' in shown


def ids_of_nobody(kind: str = "grp") -> str:
    return ids.new(kind)


def test_the_users_of_a_job_take_no_memory_however_many_they_are(tmp_path: Path) -> None:
    targets = [JobUser(ids.new("user"))] * AT_ONCE
    tracemalloc.start()
    with (tmp_path / "users").open("w+") as file:
        chosen = JobTargets(file)
        for _ in range(20):
            chosen.add(targets)
        stored = sum(len(part.split(" ")) for some in chosen.parts() for part in some)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert stored == chosen.total == 20 * AT_ONCE
    assert peak < 128 * AT_ONCE


@once
def test_kill_9_changes_no_user_twice_and_forgets_none(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none") as server:
        with server.http() as http:
            _, people_ids = people(http, 3_000)
            found = job(http, "suspend", filter={"role": "member"})
            # However far it has come by then: the promise holds wherever the process ends.
            wait_until(lambda: http.get(f"{JOBS}/{found['id']}").json()["done"])
        server.stop(signal.SIGKILL)
        server.start()
        with server.http() as http:
            end = ended(http, found)
            assert counts(end) == (3_000, 3_000, 0, 0)
            assert [row["user_id"] for row in results(http, end)] == people_ids
        told = server.ask("SELECT user_id FROM events WHERE type = 'user.suspended'")
        assert sorted(row[0] for row in told) == sorted(people_ids)
