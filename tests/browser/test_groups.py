"""The pages of groups: from the first one to who is in it, found and removed again, and what a viewer sees."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.chromium import axe, sideways, take_session
from tests.browser.conftest import with_and_without_scripts
from tests.browser.population import sign_in_by_form
from tests.browser.test_shell import COVERED
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_user


@pytest.fixture
def browse(server: Server, new_page: Callable[..., Page]) -> Callable[..., Page]:
    """A page of the owner's browser, or of another user's."""

    def make(scripts: bool = True, user: dict[str, Any] | None = None) -> Page:
        page = new_page(java_script_enabled=scripts)
        email, password = (OWNER_EMAIL, OWNER_PASSWORD) if user is None else (user["email"], user["password"])
        take_session(page.context, sign_in_by_form(server, email, password), server)
        return page

    return make


def press(page: Page, button: str, confirm: bool = False) -> Response:
    """Press a button that sends a form, and the one of the question where scripts ask; the answer to the form."""
    with page.expect_response(lambda response: response.request.method == "POST") as answer:
        page.get_by_role("button", name=button, exact=True).first.click()
        if confirm:
            page.locator("dialog").get_by_role("button").last.click()
    page.wait_for_load_state()
    return answer.value


def roles(http: httpx2.Client, id: str) -> dict[str, str]:
    return {member["user_id"]: member["role"] for member in http.get(f"/v1/groups/{id}/members").json()}


@with_and_without_scripts
def test_a_group_is_created_filled_changed_and_deleted(
    http: httpx2.Client, browse: Callable[..., Page], scripts: bool
) -> None:
    name = f"Team {time.perf_counter_ns()}"
    users = [new_user(http, name=f"{name} {number}") for number in range(53)]
    page = browse(scripts)
    page.goto("/admin")
    page.get_by_role("link", name="Groups", exact=True).click()
    page.get_by_role("link", name="New group").first.click()
    page.get_by_label("Name").fill(name)
    press(page, "Create group")
    id = page.url.rpartition("/")[2]

    page.get_by_text("Paste emails or IDs").click()
    page.get_by_label("Users").fill("\n".join(user["email"] for user in users) + "\nnobody@example.com")
    page.get_by_label("Role in the group").fill("lead")
    assert press(page, "Add to group").status == 400
    expect(page.locator("#field-members-problem")).to_contain_text("nobody@example.com")
    assert roles(http, id) == {}
    page.get_by_label("Users").fill("\n".join(user["email"] for user in users))
    press(page, "Add to group")
    expect(page.locator(".toast")).to_contain_text("53 users added to the group.")
    expect(page.locator("tbody tr")).to_have_count(50)

    # Two of the second page get another role, one of the third is removed, and both lead back to that page.
    page.get_by_role("link", name="Next").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    second = page.url
    for user in users[51:]:
        page.get_by_label(f"Select {user['name']}").check()
    page.get_by_label("Role in the group").last.fill("guest")
    press(page, "Set role")
    assert page.url == second
    expect(page.get_by_role("row", name=users[52]["name"])).to_contain_text("guest")
    press(page, f"Remove {users[50]['name']}", confirm=scripts)
    assert page.url == second
    expect(page.locator("tbody tr")).to_have_count(2)
    for user in users[51:]:
        page.get_by_label(f"Select {user['name']}").check()
    press(page, "Remove from group", confirm=scripts)
    expect(page.get_by_text("No more members")).to_be_visible()
    assert roles(http, id) == {user["id"]: "lead" for user in users[:50]}

    page.get_by_role("link", name="Details").click()
    page.get_by_label("External ID").fill(f"crm {name}")
    press(page, "Save")
    expect(page.locator(".toast")).to_have_text("Saved.")
    assert http.get(f"/v1/groups/{id}").json()["external_id"] == f"crm {name}"
    page.get_by_role("link", name="Delete group").click()
    expect(page.locator("main")).to_contain_text("It has 50 members.")
    press(page, "Delete group")
    assert page.url.endswith("/admin/groups") and http.get(f"/v1/groups/{id}").status_code == 404
    assert http.get(f"/v1/users/{users[0]['id']}").status_code == 200


@with_and_without_scripts
def test_people_are_picked_by_searching_for_each(
    http: httpx2.Client, browse: Callable[..., Page], scripts: bool
) -> None:
    name = f"Pick {time.perf_counter_ns()}"
    ada, bob = [new_user(http, name=f"{name} {each}") for each in ("Ada", "Bob")]
    id = http.post("/v1/groups", json={"name": name}).json()["id"]
    page = browse(scripts)
    page.goto(f"/admin/groups/{id}")
    if scripts:  # one search after the other, and both are chosen
        for user in (ada, bob):
            page.get_by_label("Find people").fill(user["email"])
            page.get_by_label(user["name"]).check()
    else:
        page.get_by_label("Find people").fill(name)
        page.get_by_role("button", name="Find", exact=True).click()
        for user in (ada, bob):
            page.get_by_label(user["name"]).check()
    press(page, "Add to group")
    expect(page.locator(".toast")).to_contain_text("2 users added to the group.")
    assert roles(http, id) == {ada["id"]: "", bob["id"]: ""}


@with_and_without_scripts
def test_a_user_is_put_into_a_group_on_their_own_page_and_found_by_it(
    http: httpx2.Client, browse: Callable[..., Page], scripts: bool
) -> None:
    name, [ada, bob] = f"Class {time.perf_counter_ns()}", [new_user(http, name=each) for each in ("Ada", "Bob")]
    id = http.post("/v1/groups", json={"name": name}).json()["id"]
    http.put(f"/v1/groups/{id}/members/{bob['id']}", json={})
    page = browse(scripts)
    page.goto(f"/admin/users/{ada['id']}")
    page.get_by_role("navigation", name="User").get_by_role("link", name="Groups").click()
    page.get_by_label("Add to group").fill(name)
    press(page, "Add")
    page.get_by_label(f"Role in {name}", exact=True).fill("pupil")
    press(page, f"Save role in {name}")
    assert roles(http, id) == {ada["id"]: "pupil", bob["id"]: ""}

    page.get_by_role("link", name=name).click()
    page.get_by_label("Search members").fill("ada")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_label(f"Remove filter Group: {name}")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Open the group").click()
    page.wait_for_url(f"**/admin/groups/{id}")
    page.goto(f"/admin/users?group={name}")
    expect(page.locator("tbody tr")).to_have_count(2)
    assert page.goto("/admin/users?group=nobody") and page.get_by_text("No group has this name or ID.").is_visible()

    page.goto(f"/admin/users/{ada['id']}/groups")
    press(page, f"Remove from {name}", confirm=scripts)
    expect(page.get_by_text("In no group")).to_be_visible()
    assert roles(http, id) == {bob["id"]: ""}


def test_groups_are_found_while_typing(http: httpx2.Client, browse: Callable[..., Page]) -> None:
    name = f"Typed {time.perf_counter_ns()}"
    http.post("/v1/groups", json={"name": name})
    page = browse()
    page.goto("/admin/groups")
    page.get_by_label("Search").press_sequentially(name.lower())
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("#groups [role=status]")).to_have_text("1 group found")
    page.wait_for_url(f"**/admin/groups?q={name.lower().replace(' ', '+')}")
    page.get_by_label("Search").press_sequentially("x")
    expect(page.get_by_text("No groups found")).to_be_visible()


def test_groups_are_usable_on_a_phone_and_read_only_for_viewers(
    http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    viewer = new_user(http, role="viewer")
    id = http.post("/v1/groups", json={"name": "Long " * 50, "metadata": {"plan": "pro"}}).json()["id"]
    http.put(f"/v1/groups/{id}/members/{viewer['id']}", json={"role": "x" * 200})
    for page, changes in ((browse(), True), (browse(user=viewer), False)):
        page.set_viewport_size({"width": 360, "height": 740})
        for path in ("/admin/groups", *(f"/admin/groups/{id}{tab}" for tab in ("", "/details"))):
            page.goto(path)
            assert not sideways(page) and not page.evaluate(COVERED), path
            assert not axe(page), path
        assert ("plan" in page.locator("main").inner_text()) != changes, "the metadata is text, or fields"
        assert page.get_by_role("button", name="Save").count() == changes
    page.goto(f"/admin/users/{viewer['id']}/groups")
    expect(page.locator("tbody")).to_contain_text("x" * 200)
    assert page.locator("main form").count() == 0
