"""The pages of invitations: who has been invited, their links, and a list of people to invite."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.chromium import axe_in_both_themes, axe_script, take_session
from tests.browser.conftest import with_and_without_scripts
from tests.browser.population import sign_in_by_form
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_user
from tests.visitor import set_password, visitor

PASSWORD = "a lobster in the library"


@pytest.fixture
def browse(server: Server, new_page: Callable[..., Page]) -> Callable[..., Page]:
    """A page of the owner's browser, or of another user's."""

    def make(scripts: bool = True, user: dict[str, Any] | None = None) -> Page:
        page = new_page(java_script_enabled=scripts)
        email, password = (OWNER_EMAIL, OWNER_PASSWORD) if user is None else (user["email"], user["password"])
        take_session(page.context, sign_in_by_form(server, email, password), server)
        return page

    return make


def press(page: Page, button: str) -> Response:
    """Press a button that sends a form; the answer to it."""
    with page.expect_response(lambda response: response.request.method == "POST") as answer:
        page.get_by_role("button", name=button, exact=True).first.click()
    page.wait_for_load_state()
    return answer.value


@pytest.fixture
def tag() -> str:
    return f"tag{time.perf_counter_ns()}"


def invited(http: httpx2.Client, tag: str, **fields: Any) -> dict[str, Any]:
    body = {"name": tag, "email": f"{tag}@example.com", "status": "invited", **fields}
    answer = http.post("/v1/users", json=body, params={"fields": "*"})
    assert answer.status_code == 201, answer.text
    return answer.json()


def found(http: httpx2.Client, email: str) -> list[dict[str, Any]]:
    return http.get("/v1/users", params={"email": email, "fields": "*"}).json()


def links(page: Page, name: str, role: Literal["button", "link"] = "button") -> list[dict[str, str]]:
    """The rows of the file that this button gives."""
    with page.expect_download() as download:
        page.get_by_role(role, name=name, exact=True).click()
    assert download.value.suggested_filename.endswith(".csv")
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))


@with_and_without_scripts
def test_a_pasted_list_is_previewed_invited_and_gets_its_links(
    server: Server, http: httpx2.Client, browse: Callable[..., Page], scripts: bool, tag: str
) -> None:
    already = invited(http, f"{tag}0")
    page = browse(scripts)
    page.add_init_script(axe_script())
    page.goto("/admin/invitations")
    page.get_by_role("link", name="Invite people").first.click()
    page.get_by_label("People", exact=True).fill(
        f"Ada Byron <{tag}1@example.com>\n{tag}2@example.com\n{already['email'].upper()}\n{OWNER_EMAIL}\nno email\n"
        f"{tag}1@EXAMPLE.com\n{tag}3@"
    )
    page.get_by_label("Role").select_option("viewer")
    press(page, "Preview")
    wrong = page.get_by_role("region", name="Who can’t be invited")
    for text, why in (
        (already["email"].upper(), "invited already"),
        (OWNER_EMAIL, "already belongs to a user"),
        ("no email", "Write one person on each line"),
        (f"{tag}1@EXAMPLE.com", "twice"),
        (f"{tag}3@", "after the @-sign"),
    ):
        expect(wrong.get_by_role("row", name=text)).to_contain_text(why)
    expect(page.get_by_role("region", name="Who will be invited").locator("tbody tr")).to_have_count(2)
    assert found(http, f"{tag}1@example.com") == [], "a preview invites nobody"
    assert not scripts or axe_in_both_themes(page) == []

    # What was not previewed is previewed first.
    page.get_by_label("People", exact=True).press("Control+End")
    page.get_by_label("People", exact=True).type(f"\n{tag}4@example.com")
    press(page, "Invite 2 people")
    assert found(http, f"{tag}1@example.com") == []
    press(page, "Invite 3 people")
    expect(page.locator(".notice.ok")).to_contain_text("3 people invited.")
    expect(page.get_by_label("People", exact=True)).to_have_value(
        f"{already['email'].upper()}\n{OWNER_EMAIL}\nno email\n{tag}1@EXAMPLE.com\n{tag}3@"
    )
    [ada] = found(http, f"{tag}1@example.com")
    assert (ada["name"], ada["role"], ada["status"]) == ("Ada Byron", "viewer", "invited")
    assert found(http, f"{tag}2@example.com")[0]["name"] == f"{tag}2"

    page.get_by_role("link", name="Create their links.").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.locator("tbody [name=id]").first.check()
    page.get_by_label("All who were invited just now").check()
    press(page, "Continue")
    expect(page.get_by_role("heading", level=1)).to_have_text("Create links for 3 users?")
    press(page, "Create links for 3 users")
    over = page.get_by_role("heading", name="Finished", exact=True)
    while not scripts and not over.is_visible():
        page.reload()
    expect(over).to_be_visible()
    rows = links(page, "Download links (CSV)", "link")
    assert {row["email"] for row in rows} == {f"{tag}{number}@example.com" for number in (1, 2, 4)}
    assert all(row["url"].startswith(server.url) and row["result"] == "changed" for row in rows)
    with visitor(server) as person:
        [url] = [row["url"] for row in rows if row["name"] == "Ada Byron"]
        assert set_password(person, url, PASSWORD).status_code == 303
    assert found(http, f"{tag}1@example.com")[0]["status"] == "active"


@with_and_without_scripts
def test_a_list_that_is_all_good_leads_to_who_was_invited(
    http: httpx2.Client, browse: Callable[..., Page], scripts: bool, tag: str
) -> None:
    page = browse(scripts)
    page.goto("/admin/invitations/new")
    page.get_by_label("People", exact=True).fill(f"Name;Email;External ID\nBob Builder;{tag}@example.com;crm-{tag}")
    press(page, "Preview")
    press(page, "Invite 1 person")
    expect(page.locator(".toast")).to_contain_text("1 user invited.")
    expect(page.get_by_role("row", name="Bob Builder")).to_be_visible()
    [bob] = found(http, f"{tag}@example.com")
    assert bob["external_id"] == f"crm-{tag}"
    for text, why in (
        ("", "at least one"),
        ("email,team\na@example.com,x", "“team” is not known"),
        ('name,email\n"Bob', "quotation mark"),
        ("\n".join(f"many{number}@example.com" for number in range(1001)), "At most 1,000"),
    ):
        page.goto("/admin/invitations/new")
        page.get_by_label("People", exact=True).evaluate(
            "(field, text) => { field.required = false; field.value = text; }", text
        )
        assert press(page, "Preview").status == 400
        expect(page.locator("#field-people-problem")).to_contain_text(why)


@with_and_without_scripts
def test_a_link_is_created_again_and_revoked(
    server: Server, http: httpx2.Client, browse: Callable[..., Page], scripts: bool, tag: str
) -> None:
    user = invited(http, tag)
    first = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "invite"}).json()
    page = browse(scripts)
    page.goto(f"/admin/invitations?q={tag}")
    expect(page.get_by_role("row", name=tag)).to_contain_text("Expires")
    press(page, f"New link for {tag}")
    second = page.locator(".copyable code").inner_text()
    with visitor(server) as person:
        assert person.get(first["url"]).status_code == 404, "the newer one counts"
        assert person.get(second).status_code == 200
    page.goto(f"/admin/invitations?q={tag}")
    press(page, f"Revoke the link of {tag}")
    assert page.url.endswith(f"/admin/invitations?q={tag}")
    expect(page.get_by_role("row", name=tag)).to_contain_text("None")
    with visitor(server) as person:
        assert person.get(second).status_code == 404
    assert http.get(f"/v1/users/{user['id']}/tokens").json() == []

    # The same on the user's own page.
    page.goto(f"/admin/users/{user['id']}")
    expect(page.get_by_role("region", name="Invited")).to_contain_text("They have no link.")
    press(page, "Create link")
    page.goto(f"/admin/users/{user['id']}")
    press(page, "Revoke link")
    expect(page.get_by_role("region", name="Invited")).to_contain_text("They have no link.")
    assert found(http, user["email"])[0]["status"] == "invited"


def test_links_for_selected_users_are_of_the_kind_that_each_can_use(
    server: Server, http: httpx2.Client, browse: Callable[..., Page], tag: str
) -> None:
    users = [invited(http, f"{tag}i"), new_user(http, name=f"{tag}a"), new_user(http, name=f"{tag}s")]
    http.post(f"/v1/users/{users[2]['id']}/suspend")
    page = browse()
    page.goto(f"/admin/users?q={tag}")
    page.get_by_label("Select all users on this page").check()
    page.get_by_label("Action", exact=True).select_option("links")
    press(page, "Continue")
    press(page, "Create links for 3 users")
    rows = {row["name"]: row for row in links(page, "Download links (CSV)", "link")}
    assert "suspended" in rows[f"{tag}s"]["reason"] and not rows[f"{tag}s"]["url"]
    for name in (f"{tag}i", f"{tag}a"):
        with visitor(server) as person:
            assert set_password(person, rows[name]["url"], PASSWORD).status_code == 303


def test_an_admin_invites_no_owner(http: httpx2.Client, browse: Callable[..., Page], tag: str) -> None:
    admin = new_user(http, role="admin")
    page = browse(user=admin)
    page.goto("/admin/invitations/new")
    page.get_by_label("People", exact=True).fill(f"email,role\n{tag}@example.com,owner")
    press(page, "Preview")
    press(page, "Invite 1 person")
    expect(page.get_by_role("region", name="Who can’t be invited")).to_contain_text("Only owners can change an owner.")
    expect(page.get_by_label("People", exact=True)).to_have_value(f"email,role\n{tag}@example.com,owner")
    assert found(http, f"{tag}@example.com") == []
