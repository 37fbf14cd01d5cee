"""What the pages of events say of a change, and how a list of users answers a press of Enter."""

from __future__ import annotations

import json
import re

import httpx2

from tests.engines import once
from tests.harness import Server, new_user
from tests.nodes.pair import wait_until
from tests.visitor import signed_in


@once
def test_the_page_of_an_event_does_not_guess_when_the_user_was_updated_before(
    server: Server, http: httpx2.Client
) -> None:
    user = new_user(http)
    http.post(f"/v1/users/{user['id']}/suspend")
    [event] = http.get("/v1/events", params={"user": user["id"], "type": "user.suspended"}).json()
    with signed_in(server) as person:
        page = person.get(f"/admin/events/{event['id']}").text
    row = re.search(r"updated_at</th>\s*<td>(.*?)</td>\s*<td>(.*?)</td>", page, re.DOTALL)
    assert row and "not recorded" in row[1] and event["object"]["updated_at"] in row[2]
    kept = re.search(r"email</th>\s*<td>(.*?)</td>", page, re.DOTALL)
    assert kept and user["email"] in kept[1]


@once
def test_a_line_of_an_event_names_the_keys_of_the_metadata_that_changed(server: Server, http: httpx2.Client) -> None:
    metadata = {"long": "l" * 200, "plan": "free", "note": "n" * 100 + "1", "old": 7}
    user = new_user(http, metadata=metadata)
    http.patch(f"/v1/users/{user['id']}", json={"metadata": {"plan": "pro", "note": "n" * 100 + "2", "old": None}})
    http.patch(f"/v1/users/{user['id']}", json={"private_metadata": {"score": 7}})
    with signed_in(server) as person:
        page = person.get(f"/admin/users/{user['id']}/events").text
    assert (
        all(f"metadata.{name}" in page for name in ("plan", "note", "old"))
        and "private_metadata.score" in page
        and "metadata.long" not in page
    )
    assert "n1" in page and "n2" in page, "from where they differ"


@once
def test_metadata_are_compared_by_key_and_a_time_leads_to_the_changes(server: Server, http: httpx2.Client) -> None:
    user = new_user(http, metadata={"plan": "free", "old": 7, "same": "yes"})
    http.patch(f"/v1/users/{user['id']}", json={"metadata": {"plan": "pro", "old": None, "new": True}})
    http.patch(f"/v1/users/{user['id']}", json={"private_metadata": {"score": 7}})
    log = http.get("/v1/events", params={"user": user["id"], "type": "user.updated"}).json()
    event = next(event for event in log if "metadata" in event["before"])
    keys = ["plan", "old", "new"]
    with signed_in(server) as person:
        page = person.get(f"/admin/events/{event['id']}").text
        then = person.get(f"/admin/users/{user['id']}/as-of?before={event['id']}").text
    changed = r'<tr class="changed">\s*<th[^>]*>([^<]+)'
    assert sorted(re.findall(changed, page)) == sorted(f"metadata.{key}" for key in keys)
    assert "metadata.same" in page and "metadata.same" not in page.partition("The whole event")[0]
    labels = [f"Metadata: {key}" for key in keys] + ["Private metadata: score"]
    assert sorted(re.findall(changed, then)) == sorted(labels) and "Metadata: same" in then
    changes = then.partition('id="changes"')[2]
    assert all(f'href="/admin/events/{event["id"]}"' in changes for event in log)
    assert all(text in changes for text in ("metadata.plan</span> free → pro", "user.created"))


@once
def test_the_page_of_an_event_that_was_put_back_says_by_whom_and_no_more(server: Server, http: httpx2.Client) -> None:
    user = new_user(http)
    http.patch(f"/v1/users/{user['id']}", json={"email_verified": True})
    [event] = http.get("/v1/events", params={"user": user["id"], "type": "user.updated"}).json()
    with signed_in(server) as person:
        path = f"/admin/events/{event['id']}"
        assert person.post(f"{path}/revert").status_code == 303
        page = person.get(path).text
    _, later = http.get("/v1/events", params={"user": user["id"], "type": "user.updated"}).json()
    assert "<p>Put back: it is as it was before that event.</p>" in re.sub("<form.*?</form>", "", page)
    assert re.search(rf"Put back by .*?/admin/events/{later['id']}\"", page) and "has changed since" not in page


@once
def test_the_events_of_an_import_are_one_row_of_the_log(server: Server, http: httpx2.Client) -> None:
    before = new_user(http)
    lines = [json.dumps({"name": f"Fold {n}", "email": f"fold{n}@example.com"}) for n in range(60)]
    id = http.post("/v1/imports", content="\n".join(lines)).json()["id"]
    wait_until(lambda: http.get(f"/v1/imports/{id}").json()["finished_at"])
    [finished] = http.get("/v1/events", params={"type": "import.finished", "order": "desc", "limit": 1}).json()
    with signed_in(server) as person:
        row = _row(person.get("/admin").text, f"/admin/imports/{id}")
        assert "<summary>61 events: 1 import.finished, 60 user.created</summary>" in row and "60 added" in row
        page = person.get(f"/admin/events/{finished['id']}").text
        assert "An import of users has ended: 60 added</h1>" in page and f'href="/admin/imports/{id}"' in page
        # A page of the log ends with it, and the next one begins behind it.
        log = person.get("/admin/events").text
        row = _row(log, f"/admin/imports/{id}")
        more = re.search(r'href="([^"]+)">More of its events', row)
        assert more and "<summary>Some of its events</summary>" in row, "no number that depends on the page"
        assert "<summary>Some of its events</summary>" in person.get(more[1]).text
        older = person.get(_link(log, "next")).text
        assert f"/admin/imports/{id}" not in older and before["id"] in older
        newer = person.get(_link(person.get(_link(older, "prev")).text, "prev")).text
    assert f"/admin/imports/{id}" not in newer and "session.created" in newer


def _row(page: str, link: str) -> str:
    [row] = [row for row in page.split("<tr>") if link in row]
    return row


def _link(page: str, rel: str) -> str:
    link = re.search(rf'href="([^"]+)" rel="{rel}"', page)
    assert link
    return link[1]


@once
def test_an_event_says_what_happened_to_whom_and_is_put_back_from_its_row(server: Server, http: httpx2.Client) -> None:
    user = new_user(http, name="Alice Wonderland")
    path = f"/v1/users/{user['id']}"
    http.patch(path, json={"name": "Alice"})
    http.patch(path, json={"name": "Alice Wonderland"})
    http.delete(path)
    [event] = http.get("/v1/events", params={"user": user["id"], "type": "user.deleted"}).json()
    log = f"/admin/events?user={user['id']}"
    with signed_in(server) as person:
        assert '<div class="muted">signed in to Rollbook, Firefox on Linux</div>' in person.get("/admin/events").text
        assert "Alice Wonderland was deleted</h1>" in person.get(f"/admin/events/{event['id']}").text
        page = person.get(log).text
        # Of two changes of the same field, only the last can be put back.
        buttons = re.findall(r'action="/admin/events/(\w+)/revert".*?name="back" value="([^"]*)"', page)
        assert len(buttons) == 2 and buttons[0] == (event["id"], log) and '<div class="muted">was deleted</div>' in page
        asked = re.findall(r'data-confirm="([^"]*)"', page)
        changed = "Alice Wonderland was updated. Put back name: Alice Wonderland → Alice?"
        assert asked == ["Restore Alice Wonderland? Their API keys stay revoked.", changed]
        answer = person.post(f"/admin/events/{event['id']}/revert", data={"back": log})
        assert "User restored." in person.get(log).text
        assert answer.headers["location"].startswith(log) and http.get(path).status_code == 200


@once
def test_a_press_of_enter_with_nobody_selected_leads_back_to_the_list(server: Server, http: httpx2.Client) -> None:
    with signed_in(server) as person:
        answer = person.post("/admin/users/bulk", data={"op": "suspend", "q": "nobody"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/users?q=nobody")
        assert "Select at least one user." in person.get(answer.headers["location"]).text


@once
def test_the_log_shows_what_is_left_of_events_about_someone_who_was_erased(server: Server, http: httpx2.Client) -> None:
    user = new_user(http)
    path = f"/v1/users/{user['id']}"
    for purpose in ("reset_password", "sign_in"):
        http.post(f"{path}/tokens", json={"purpose": purpose})
    http.post("/v1/sessions", json={"email": user["email"], "password": user["password"], "audience": "shop"})
    http.post("/v1/keys", json={"name": "theirs", "user_id": user["id"]})
    group = http.post("/v1/groups", json={"name": f"Group of {user['id']}"}).json()
    http.put(f"/v1/groups/{group['id']}/members/{user['id']}")
    http.post(f"{path}/suspend")
    http.delete(path, params={"purge": "true"})
    log = http.get("/v1/events", params={"user": user["id"], "limit": 1000}).json()
    erased = {event["type"] for event in log if event["object"].get("erased")}
    assert erased >= {"token.created", "session.created", "user.signed_in", "key.created", "group.member_added"}
    with signed_in(server) as person:
        lines = re.sub("<[^>]+>", " ", person.get(f"/admin/events?user={user['id']}").text)
        pages = {event["type"]: person.get(f"/admin/events/{event['id']}").status_code for event in log}
    assert "got a one-time token" in lines and "signed in to Rollbook" not in lines
    assert set(pages.values()) == {200}, pages
