"""What the forms of the group pages do, without a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from rollbook import ids
from tests.contract.test_groups import made, members, people, put
from tests.harness import Server, new_user
from tests.nodes.pair import wait_until
from tests.visitor import signed_in


@pytest.fixture(scope="module")
def owner(server: Server) -> Iterator[httpx2.Client]:
    with signed_in(server) as person:
        yield person


def pages_of(group: str) -> str:
    """Path of the page of a group that the API has at this path."""
    return group.replace("/v1/", "/admin/")


def problem(answer: httpx2.Response, field: str) -> str:
    found = re.search(rf'id="field-{field}-problem">([^<]*)', answer.text)
    assert answer.status_code == 400 and found, answer.text
    return found[1]


def add(owner: httpx2.Client, group: str, text: str, role: str = "") -> httpx2.Response:
    return owner.post(f"{pages_of(group)}/members", data={"members": text, "role": role})


def test_members_are_named_by_email_or_id_however_they_are_pasted(http: httpx2.Client, owner: httpx2.Client) -> None:
    group, users = made(http, name="Pasted"), [new_user(http) for _ in range(5)]
    lines = (
        f"{users[0]['email'].upper()}; {users[1]['id']}\r\nAda Byron <{users[2]['email']}>, <{users[3]['email']}>\r\n"
    )
    answer = add(owner, group, f"{lines}\r\n {users[0]['email']} {users[0]['id']}", "lead")
    assert (answer.status_code, answer.headers["location"]) == (303, pages_of(group))
    assert members(http, group) == {user["id"]: "lead" for user in users[:4]}
    assert "4 users added to the group." in owner.get(pages_of(group)).text
    add(owner, group, users[0]["email"], "guest")
    assert "all of them were members already" in owner.get(pages_of(group)).text
    assert members(http, group)[users[0]["id"]] == "guest"


def test_who_is_unknown_is_named_and_nobody_added(http: httpx2.Client, owner: httpx2.Client) -> None:
    group, user = made(http, name="Unknown"), new_user(http)
    never = "user_" + "0" * 26
    for text, named in (
        (f"{user['email']}\nnobody@example.com, somebody", "nobody@example.com, somebody."),
        (f"{user['id']} {never}", f"{never}."),
        (f"{user['id']} user_x", "user_x."),
        (" ".join(f"no{number}@example.com" for number in range(13)), "no9@example.com and 3 more."),
    ):
        answer = add(owner, group, text)
        assert problem(answer, "members").endswith(f"{named} No one was added.")
        assert text.split()[0] in answer.text, "what was typed is still there"
    assert "at least one" in problem(add(owner, group, " ,\n"), "members")
    assert "1,000" in problem(add(owner, group, " ".join(f"user_{n}" for n in range(1_001))), "members")
    assert "must" in problem(add(owner, group, user["email"], "x" * 256), "role")
    assert members(http, group) == {}


def test_members_are_chosen_among_those_whom_a_search_finds(http: httpx2.Client, owner: httpx2.Client) -> None:
    group, word = made(http, name="Chosen"), f"Picky{ids.new('x')[-8:]}"
    ada, bob, eve = [new_user(http, name=f"{word} {name}") for name in ("Ada", "Bob", "Eve")]
    put(http, group, eve["id"])

    def boxes(page: str) -> dict[str, str]:
        """The boxes of users, each with what they are."""
        return dict(re.findall(r'<input type="checkbox" id="pick-(\w+)"([^>]*)>', page))

    wait_until(lambda: len(boxes(owner.get(pages_of(group), params={"find": word}).text)) == 3)
    page = owner.get(pages_of(group), params={"find": f" {word}  Bob", "id": [ada["id"], "user_" + "0" * 26]}).text
    assert [*boxes(page)] == [ada["id"], bob["id"]] and f'value="{word} Bob"' in page, "who was chosen stays chosen"
    assert "checked" in boxes(page)[ada["id"]] and "checked" not in boxes(page)[bob["id"]]
    part = owner.get(pages_of(group), params={"find": eve["email"]}, headers={"HX-Request": "true"}).text
    assert "checked disabled" in boxes(part)[eve["id"]] and "already a member" in part and "<html" not in part
    assert "No one found." in owner.get(pages_of(group), params={"find": f"{word} Zoe"}).text
    done = owner.post(f"{pages_of(group)}/members", data={"id": [ada["id"], bob["id"]], "members": "", "role": "lead"})
    assert done.status_code == 303
    assert members(http, group) == {ada["id"]: "lead", bob["id"]: "lead", eve["id"]: ""}
    wrong = owner.post(f"{pages_of(group)}/members", data={"id": ada["id"], "members": "nobody", "find": word})
    assert "nobody" in problem(wrong, "members") and "checked" in boxes(wrong.text)[ada["id"]]


def test_selected_users_are_put_into_a_group_and_out_again(http: httpx2.Client, owner: httpx2.Client) -> None:
    group, ids = made(http, name="Picked in the list"), people(http, 3)
    for _ in range(2):
        made(http, name="Twice in the list")
    asked = owner.post("/admin/users/bulk", data={"op": "add_to_group", "id": ids[:2]}).text
    assert "Add 2 users to a group?" in asked and '<option value="Picked in the list">' in asked
    apply = {"op": "add_to_group", "ids": " ".join(ids[:2])}
    for target, why in (("", "No group"), ("no such", "No group"), ("twice in the list", "Several groups")):
        refused = owner.post("/admin/users/bulk/apply", data={**apply, "target": target})
        assert refused.status_code == 400 and why in refused.text and ids[1] in refused.text
    done = owner.post("/admin/users/bulk/apply", data={**apply, "target": " picked in THE list"})
    assert members(http, group) == dict.fromkeys(ids[:2], "")
    job = owner.get(done.headers["location"]).text
    assert "Add 2 users to a group" in job and f'<a href="{pages_of(group)}">Picked in the list</a>' in job
    # All who match: those of the group, which the form names already.
    id = group.rpartition("/")[2]
    asked = owner.post("/admin/users/bulk", data={"op": "remove_from_group", "all": "on", "group": id}).text
    assert "Remove 2 users from a group?" in asked and f'name="target" value="{id}"' in re.sub(
        r' (id|type)="[^"]*"', "", asked
    )
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', asked))
    owner.post("/admin/users/bulk/apply", data={**hidden, "target": id})
    assert members(http, group) == {}


def test_a_change_of_role_brings_nobody_back_who_was_removed(http: httpx2.Client, owner: httpx2.Client) -> None:
    group, ids = made(http, name="Roles"), people(http, 3)
    put(http, group, *ids, role="lead")
    http.delete(f"{group}/members/{ids[0]}")
    answer = owner.post(f"{pages_of(group)}/members/role", data={"id": ids[:2], "role": "guest", "after": "7"})
    assert answer.headers["location"] == f"{pages_of(group)}?after=7"
    assert members(http, group) == {ids[1]: "guest", ids[2]: "lead"}
    assert "Role of 1 user changed." in owner.get(pages_of(group)).text
    owner.post(f"{pages_of(group)}/members/remove", data={"id": ids[:2]})
    owner.post(f"{pages_of(group)}/members/remove", data={"id": ids[1:], "only": ids[1]})
    assert members(http, group) == {ids[2]: "lead"}, "only the one whose button was pressed, whoever is selected"


def test_an_edit_overwrites_no_other_edit_but_minds_no_members(http: httpx2.Client, owner: httpx2.Client) -> None:
    group = made(http, name="Before", external_id="edit-1", metadata={"a": 1})
    path = f"{pages_of(group)}/details"

    def form(**fields: str) -> dict[str, Any]:
        seen = re.search(r'name="seen" value="(\w+)"', owner.get(path).text)
        assert seen
        return {"seen": seen[1], "name": "After", "external_id": "", "metadata": '{"b": 2}', **fields}

    ours = form()
    put(http, group, *people(http, 1))
    assert owner.post(path, data=ours).status_code == 303
    found = http.get(group).json()
    assert (found["name"], found["external_id"], found["metadata"]) == ("After", None, {"b": 2})
    ours = form(name="Ours")
    http.patch(group, json={"name": "Theirs"})
    answer = owner.post(path, data=ours)
    assert answer.status_code == 412 and 'value="Theirs"' in answer.text and "Nothing was saved" in answer.text
    assert http.get(group).json()["name"] == "Theirs"
    assert "The name" in problem(owner.post(path, data=form(name=" ")), "name")
    other = made(http, name="Other", external_id="edit-2")
    assert "already in use" in problem(owner.post(path, data=form(external_id="edit-2")), "external_id")
    assert "not valid JSON" in problem(owner.post(path, data=form(metadata="{")), "metadata")
    assert http.get(other).status_code == 200 and http.get(group).json()["metadata"] == {"b": 2}


def test_a_user_is_put_into_a_group_by_its_name_unless_several_have_it(
    http: httpx2.Client, owner: httpx2.Client
) -> None:
    user = new_user(http)
    path, one = f"/admin/users/{user['id']}/groups", made(http, name="Named once")
    two = [made(http, name="Named twice") for _ in range(2)]
    for text, why in (("named twice", "Several groups"), ("no such", "No group"), ("group_x", "No group")):
        assert why in problem(owner.post(path, data={"group": text}), "group")
    assert members(http, two[0]) == {}
    assert owner.post(path, data={"group": " named ONCE ", "role": "lead"}).status_code == 303
    owner.post(path, data={"group": two[0].rpartition("/")[2]})
    assert members(http, one) == {user["id"]: "lead"} and members(http, two[0]) == {user["id"]: ""}
    owner.post(f"{path}/leave", data={"group": one.rpartition("/")[2]})
    assert members(http, one) == {} and members(http, two[0])


def test_the_list_of_groups_is_searched_sorted_and_paged(http: httpx2.Client, owner: httpx2.Client) -> None:
    for number in range(52):
        made(http, name=f"Paged {number:02}")

    def names(query: str) -> list[str]:
        answer = owner.get(f"/admin/groups?q=paged&{query}")
        assert answer.status_code == 200
        return re.findall(r"Paged (\d\d)", answer.text)

    assert names("") == [f"{number:02}" for number in range(50)] and names("page=2") == ["50", "51"]
    assert names("sort=-name")[:2] == names("sort=-created_at")[:2] == ["51", "50"]
    assert "52</strong> groups found · page 1 of 2" in owner.get("/admin/groups?q=PAGED").text
    assert "doesn’t exist" in owner.get("/admin/groups?q=paged&page=3").text
    assert "No groups found" in owner.get("/admin/groups?q=no such").text
    assert owner.get("/admin/groups?sort=members").status_code == 400


def test_the_log_says_which_group(http: httpx2.Client, owner: httpx2.Client) -> None:
    group, [id] = made(http, name="Logged"), people(http, 1)
    put(http, group, id, role="lead")
    put(http, group, id, role="guest")
    http.patch(group, json={"name": "Renamed"})
    text = owner.get("/admin/events?type=group.*").text
    for told in ("Logged (lead)", "Logged (guest)", '<span class="muted">role</span> lead → guest', "Logged → Renamed"):
        assert told in text
