"""The admin pages in a real browser: finding, making, changing and deleting users, their keys and sessions, what
changed, and the server."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Response, expect

from rollbook import clock
from rollbook.api.files import write_rows
from rollbook.config import MASKED, Source
from rollbook.web.admin import user_filters
from rollbook.web.admin.server import as_text, line_of
from rollbook.web.admin.users import PAGE
from tests import assistant
from tests.browser.chromium import Watch, axe, axe_in_both_themes, new_context, sign_in, take_session, transferred
from tests.browser.conftest import with_and_without_scripts
from tests.browser.population import HOSTILE, sign_in_by_form
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_key, new_user, running
from tests.nodes.pair import wait_until

MANY = 120
"""Users with one name, more than two pages of them."""


@pytest.fixture(scope="module")
def crowd(http: httpx2.Client) -> list[dict[str, Any]]:
    return [new_user(http, name=f"Crowd {number:03}", email=f"crowd{number:03}@example.com") for number in range(MANY)]


@pytest.fixture(scope="module")
def owner_cookies(server: Server) -> httpx2.Cookies:
    return sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD)


@pytest.fixture(scope="module")
def windows(
    browser: Browser, server: Server, watch: Watch, owner_cookies: httpx2.Cookies
) -> Iterator[dict[bool, Page]]:
    """The owner's, with scripts and without: each test opens an address of its own in one of them."""
    contexts = {scripts: new_context(browser, server, watch, java_script_enabled=scripts) for scripts in (True, False)}
    for context in contexts.values():
        take_session(context, owner_cookies, server)
    yield {scripts: context.new_page() for scripts, context in contexts.items()}
    for context in contexts.values():
        context.close()


@pytest.fixture
def browse(server: Server, new_page: Callable[..., Page], windows: dict[bool, Page]) -> Callable[..., Page]:
    """A page of the owner's browser, or of another user's."""

    def make(scripts: bool = True, user: dict[str, Any] | None = None) -> Page:
        if user is None:
            return windows[scripts]
        page = new_page(java_script_enabled=scripts)
        take_session(page.context, sign_in_by_form(server, user["email"], user["password"]), server)
        return page

    return make


def press(page: Page, button: str, confirm: bool = False, last: bool = False) -> Response:
    """Press a button that sends a form, and the one of the question where scripts ask; the answer to the form."""
    found = page.get_by_role("button", name=button, exact=True)
    with page.expect_response(lambda response: response.request.method == "POST") as answer:
        (found.last if last else found.first).click()
        if confirm:
            page.locator("dialog").get_by_role("button", name=button, exact=True).click()
    page.wait_for_load_state()
    return answer.value


def of(user: dict[str, Any], tab: str = "") -> str:
    return f"/admin/users/{user['id']}{tab}"


def choose(page: Page, action: str, confirm: bool = False) -> Response:
    """An action of the menu in the header of a user; the answer to its form."""
    page.get_by_role("button", name="Actions", exact=True).click()
    return press(page, action, confirm=confirm)


def names(page: Page) -> list[str]:
    return [(text or "").strip() for text in page.locator("#users tbody th a").all_text_contents()]


def stored(http: httpx2.Client, user: dict[str, Any]) -> dict[str, Any]:
    return http.get(f"/v1/users/{user['id']}").json()


# ---- who


def test_a_member_is_refused_and_nobody_led_to_sign_in(
    server: Server, http: httpx2.Client, browse: Callable[..., Page], page: Page
) -> None:
    theirs = browse(user=new_user(http))
    for path, what in {
        "/admin": "see other users",
        "/admin/users": "see other users",
        "/admin/events": "read the event log",
        "/admin/imports/new": "create or change other users",
        "/admin/webhooks": "see webhooks",
        "/admin/webhooks/new": "create or change webhooks",
    }.items():
        answer = theirs.goto(path)
        assert answer and answer.status == 403, path
        expect(theirs.get_by_text(f"Your role, member, doesn’t allow you to {what}.")).to_be_visible()
        assert theirs.locator(".error-page").get_by_text("API key").count() == 0
        assert theirs.get_by_text("use its form").count() == 0, "there is no form to use again"
        expect(theirs.get_by_role("link", name="Go to your account")).to_be_visible()
    theirs.goto("/account")
    assert theirs.get_by_role("link", name="Dashboard", exact=True).count() == 0
    page.goto("/admin/users?role=admin")
    assert page.url == f"{server.url}/account/sign-in?next=/admin/users%3Frole%3Dadmin"


# ---- overview


def test_the_overview_tells_how_many_users_there_are_exactly(
    http: httpx2.Client, browse: Callable[..., Page], crowd: list[Any]
) -> None:
    page = browse()
    page.goto("/admin")
    total = http.get("/v1/users/count?kind=person").json()["count"]
    assert page.locator(".stat").first.locator(".number").inner_text() == f"{total:,}"
    new = page.locator(".stat", has_text="New users, 24 hours").locator(".number").inner_text()
    assert new == f"{total:,}", "all of them are new"
    gone = new_user(http)
    http.delete(f"/v1/users/{gone['id']}")
    page.goto("/admin")
    assert page.locator(".stat").first.locator(".number").inner_text() == f"{total:,}"
    expect(page.locator("tbody tr", has_text="user.deleted").first).to_contain_text(gone["name"])


def test_requests_are_plotted_and_their_failures_counted(
    server: Server, http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    user = new_user(http)
    with server.http(new_key(http, user_id=user["id"], rate_limit="1/day")) as client:
        assert [client.get("/v1/users/me").status_code for _ in range(3)] == [200, 429, 429]
    wait_until(lambda: len(http.get("/v1/requests", params={"user": user["id"]}).json()) == 3)
    page = browse()
    page.goto("/admin")
    said = page.locator("section", has=page.get_by_role("heading", name="API requests"))
    assert re.search(r"\b[2-9]\d* rate limited", said.inner_text()), said.inner_text()
    assert said.locator("svg .bar.warn").count() >= 1
    page.goto(of(user, "/requests"))
    listed = page.get_by_role("region", name="Requests")
    expect(listed).to_contain_text("429")
    assert page.locator("svg.plot .bar.warn").count() == 1
    listed.get_by_role("link", name="/v1/users/me").last.click()
    expect(page.locator("h1")).to_have_text("GET /v1/users/me")
    page.get_by_role("link", name=f"Requests of {user['name']}").click()
    expect(listed).to_be_visible()


def test_the_buttons_beside_a_users_sessions_are_within_the_card(
    http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    page = browse()
    page.goto(of(http.get("/v1/users/me").json(), "/sessions"))
    sessions = page.get_by_role("region", name="Sessions")
    expect(sessions.get_by_role("button", name="Sign out").first).to_be_visible()
    assert sessions.evaluate("region => region.scrollWidth - region.clientWidth") == 0


# ---- the list


def test_users_are_found_while_typing(server: Server, browse: Callable[..., Page], crowd: list[Any]) -> None:
    page = browse()
    page.goto("/admin/users")
    field = page.get_by_label("Search")
    field.press_sequentially("cr")
    expect(page.locator("#users tbody tr").first).to_contain_text("Crowd 119")
    assert names(page) == [f"Crowd {number:03}" for number in range(119, 69, -1)]
    expect(field).to_be_focused()
    field.press_sequentially("owd 04")
    expect(page.locator("#users tbody tr")).to_have_count(10)
    assert names(page) == [f"Crowd {number:03}" for number in range(49, 39, -1)]
    expect(field).to_be_focused()
    expect(page).to_have_url(f"{server.url}/admin/users?q=crowd+04")
    page.get_by_label("Status", exact=True).select_option("suspended")
    expect(page.get_by_text("No users found")).to_be_visible()
    page.reload()
    expect(page.get_by_text("No users found")).to_be_visible()
    expect(field).to_have_value("crowd 04")


def test_users_are_found_without_scripts(browse: Callable[..., Page], crowd: list[dict[str, Any]]) -> None:
    page = browse(scripts=False)
    page.goto("/admin/users")
    page.get_by_label("Search").fill("CROWD11")
    page.get_by_role("button", name="Search").click()
    assert names(page) == [f"Crowd {number}" for number in range(119, 109, -1)]
    page.get_by_label("Search").fill(crowd[7]["id"])
    page.get_by_role("button", name="Search").click()
    assert names(page) == ["Crowd 007"]
    page.get_by_role("link", name="Crowd 007").click()
    expect(page.get_by_role("heading", name="Crowd 007")).to_be_visible()


def test_filters_narrow_the_list_and_are_counted(
    http: httpx2.Client, browse: Callable[..., Page], crowd: list[Any]
) -> None:
    new_user(http, name="Vera Viewer", role="viewer")
    page = browse()
    page.goto("/admin/users?role=viewer")
    assert names(page) == ["Vera Viewer"]
    page.goto("/admin/users?role=member&q=crowd")
    assert len(names(page)) == 50
    # A page on a busy machine may do without the number, and offer it.
    expect(page.get_by_text(re.compile(r"(120|More than 50) users found · page 1"))).to_be_visible()
    page.goto("/admin/users?role=member&q=crowd&count=exact")
    expect(page.get_by_text("120 users found · page 1 of 3")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("120 users found · page 2 of 3")).to_be_visible()


def test_the_list_is_sorted_both_ways(browse: Callable[..., Page], crowd: list[Any]) -> None:
    page = browse()
    page.goto("/admin/users?q=crowd")
    for heading, first, sort in (
        ("Created", "Crowd 000", "ascending"),
        ("Created", "Crowd 119", "descending"),
        ("Name and email", "Crowd 000", "ascending"),
        ("Name and email", "Crowd 119", "descending"),
    ):
        page.get_by_role("columnheader", name=heading).get_by_role("link").click()
        expect(page.locator("#users tbody th a").first).to_have_text(first)
        assert page.get_by_role("columnheader", name=heading).get_attribute("aria-sort") == sort
        assert page.locator("th[aria-sort]").count() == 1
    page.goto("/admin/users?q=crowd&sort=-email")
    assert names(page)[0] == "Crowd 119"


def test_pages_follow_each_other_and_can_be_jumped_to(
    http: httpx2.Client, browse: Callable[..., Page], crowd: list[Any]
) -> None:
    total = http.get("/v1/users/count").json()["count"]
    pages = -(-total // 50)
    everybody = [user["name"] for user in http.get("/v1/users?limit=1000&sort=-created_at").json()]
    page = browse(scripts=False)
    page.goto("/admin/users")
    seen: list[str] = []
    for number in range(1, pages + 1):
        expect(page.get_by_text(f"page {number} of {pages}")).to_be_visible()
        seen += names(page)
        if number < pages:
            page.get_by_role("link", name="Next").click()
    assert seen == everybody
    assert page.get_by_role("link", name="Next").count() == 0
    page.get_by_role("link", name="Previous").click()
    assert names(page) == everybody[(pages - 2) * 50 : (pages - 1) * 50]
    field, label = page.get_by_label("Page", exact=True), page.locator("label[for=field-page]")
    label_height, field_height = (each.evaluate("element => element.offsetHeight") for each in (label, field))
    assert label_height < field_height, "the word Page is on one line"
    field.fill("2")
    page.get_by_role("button", name="Go").click()
    assert names(page) == everybody[50:100]
    page.get_by_label("Page", exact=True).fill("900")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_text("Page 900 doesn’t exist")).to_be_visible()
    page.get_by_role("link", name="Last page").click()
    assert names(page) == everybody[(pages - 1) * 50 :]


@with_and_without_scripts
def test_filters_are_in_the_url_and_removed_one_by_one(
    http: httpx2.Client, browse: Callable[..., Page], scripts: bool
) -> None:
    """By day and by external ID; a filter in effect is a chip that leads to the list without it."""
    tag = "with" if scripts else "without"
    user = new_user(http, name=f"Filtered {tag}", external_id=f"crm {tag}/1", metadata={"team": tag, "beta": True})
    today = user["created_at"][:10]
    page = browse(scripts)
    page.goto("/admin/users")
    page.get_by_text("More filters").click()
    page.get_by_label("Created from").fill(today)
    page.get_by_label("Created until").fill(today)
    page.get_by_label("External ID").fill(f"crm {tag}/1")
    if scripts:
        page.wait_for_url(f"**/admin/users?external_id=crm+{tag}%2F1&created_after={today}&created_before={today}")
    else:
        page.get_by_role("button", name="Search").click()
    expect(page.locator("#users tbody tr")).to_have_count(1)
    assert names(page) == [user["name"]]
    page.reload()
    assert names(page) == [user["name"]]
    expect(page.get_by_label("External ID", exact=True)).to_have_value(f"crm {tag}/1")
    page.get_by_role("link", name="Remove filter External ID").click()
    page.wait_for_url(f"**/admin/users?created_after={today}&created_before={today}")
    expect(page.locator("#users tbody tr")).not_to_have_count(1)
    assert names(page)[0] == user["name"]
    page.goto("/admin/users?metadata[team]=" + tag)
    page.get_by_role("textbox", name="Metadata").fill("beta=true")
    page.get_by_role("button", name="Search").click() if not scripts else page.wait_for_url("**metadata%5Bbeta%5D=true")
    expect(page.get_by_role("link", name="Remove filter Metadata team")).to_be_visible()
    assert names(page) == [user["name"]]
    page.get_by_role("link", name="Remove filter Metadata team").click()
    expect(page.get_by_role("link", name="Remove filter Metadata team")).to_have_count(0)
    expect(page).to_have_url(re.compile("metadata%5Bbeta%5D=true"))
    page.goto("/admin/users?created_before=2020-01-01")
    expect(page.get_by_text("No users found")).to_be_visible()
    page.goto("/admin/users?status=deleted")
    page.wait_for_url("**/admin/users/deleted")


def test_numbers_of_tiles_beside_each_other_stand_in_one_line(browse: Callable[..., Page], crowd: list[Any]) -> None:
    page = browse()
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/admin")
    places = page.locator(".stats").evaluate(
        "stats => [...stats.children].map(tile => [tile, tile.querySelector('.number')].map("
        "each => Math.round(each.getBoundingClientRect().y)))"
    )
    tops = [top for top, _ in places]
    assert len(set(tops)) < len(tops), "some are beside each other"
    assert len({tuple(place) for place in places}) == len(set(tops))


def test_more_filters_leave_the_row_of_filters_as_it_was(browse: Callable[..., Page]) -> None:
    page = browse()
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto("/admin/users")
    shown = [page.get_by_label(name, exact=True) for name in ("Search", "Role", "Status", "Sort by")]
    shown.append(page.get_by_text("More filters"))
    before = [each.bounding_box() for each in shown]
    page.get_by_text("More filters").click()
    expect(page.get_by_label("Created from")).to_be_visible()
    assert [each.bounding_box() for each in shown] == before


def test_on_a_phone_users_begin_below_their_search(browse: Callable[..., Page]) -> None:
    page = browse()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/admin/users")
    role = page.get_by_label("Role", exact=True)
    expect(role).to_be_hidden()
    top = page.locator("#users tbody tr").first.bounding_box()
    assert top is not None and top["y"] < 844 * 0.6, "three users are seen without scrolling"
    page.get_by_text("More filters").click()
    role.select_option("owner")
    page.wait_for_url("**/admin/users?role=owner")
    expect(page.get_by_role("link", name="Remove filter Role")).to_be_visible()


def test_a_backup_appears_by_itself(server: Server, browse: Callable[..., Page]) -> None:
    page = browse()
    page.goto("/admin/server")
    page.get_by_role("button", name="Back up now").click()
    made = page.get_by_role("region", name="Backups").locator("tbody th")
    expect(made.first).to_have_text(re.compile(r"rollbook-\w+\.db"), timeout=60_000)
    expect(page.get_by_role("button", name="Back up now")).to_be_visible(timeout=60_000)


def test_a_day_is_filtered_by_whole() -> None:
    """From its first microsecond until its last: the API's bounds are exclusive."""
    asked = {"created_after": "2024-02-29", "created_before": "2024-02-29"}
    found = user_filters.filters_of(user_filters.asked_of(asked))
    assert found.pop("kind") == "person"
    assert found == {"created_after": "2024-02-28T23:59:59.999999Z", "created_before": "2024-03-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("plan=pro", "plan:pro"), ("plan:pro", "plan:pro"), ("shop:plan=a:b", r"shop\:plan:a:b")],
)
def test_metadata_is_filtered_by_as_the_page_or_as_the_api_writes_it(typed: str, meant: str) -> None:
    assert user_filters.filters_of(user_filters.asked_of({"metadata": typed}))["metadata"] == meant


@with_and_without_scripts
def test_a_row_has_a_menu_that_the_keyboard_opens(
    http: httpx2.Client, browse: Callable[..., Page], scripts: bool
) -> None:
    """What it does leads back to the page of the list that it was done on."""
    tag = "with" if scripts else "without"
    user = new_user(http, name=f"Menu {tag}")
    page = browse(scripts)

    def choose(item: str, asks: bool = True) -> None:
        page.get_by_role("button", name=f"Actions for {user['name']}").press("Enter")
        found = page.get_by_role("button", name=item, exact=True)
        expect(found).to_be_visible()
        found.press("Enter")
        if scripts and asks:
            page.locator("dialog").get_by_role("button", name=item, exact=True).click()

    page.goto(f"/admin/users?q=menu+{tag}&role=member")
    page.get_by_role("button", name=f"Actions for {user['name']}").press("Enter")
    expect(page.get_by_role("link", name="Open", exact=True)).to_be_visible()
    assert not scripts or axe(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Open", exact=True)).to_be_hidden()
    if scripts:
        page.get_by_role("button", name=f"Actions for {user['name']}").press("Enter")
        page.get_by_role("button", name="Suspend", exact=True).press("Enter")
        expect(page.get_by_role("dialog", name=f"Suspend {user['name']}?")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name=f"Actions for {user['name']}")).to_be_focused()
    choose("Suspend")
    expect(page.get_by_role("row", name=user["name"])).to_contain_text("suspended")
    assert f"q=menu+{tag}&role=member" in page.url, "back on the list, with its filters"
    assert stored(http, user)["status"] == "suspended"
    choose("Activate", asks=False)
    expect(page.get_by_role("row", name=user["name"])).to_contain_text("active")
    choose("Create link to set a password", asks=False)
    expect(page.get_by_text("/account/set-password")).to_be_visible()
    page.goto(f"/admin/users?q=menu+{tag}&role=member")
    choose("Delete")
    expect(page.get_by_text("No users found")).to_be_visible()
    assert http.get(f"/v1/users/{user['id']}").status_code == 404
    me = http.get("/v1/users/me").json()
    page.goto(f"/admin/users?q={me['id']}")
    page.get_by_role("button", name=f"Actions for {me['name']}").press("Enter")
    expect(page.get_by_role("link", name="Open", exact=True)).to_be_visible()
    assert page.get_by_role("button", name="Delete", exact=True).count() == 0, "no one deletes themselves"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("q=a%07b", "must not contain control characters"),
        ("role=king", "Role must be one of"),
        ("created_after=soon", "Created from must be an RFC 3339 time"),
        ("sort=age", "sort"),
        ("page=0", "The page must be a whole number, 1 or higher."),
        ("page=x", "The page must be a whole number, 1 or higher."),
        ("page=99999999999999999999", "The page must be a whole number, 1 or higher."),
        ("cursor=made-up", "cursor is invalid"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(browse: Callable[..., Page], query: str, sentence: str) -> None:
    page = browse()
    answer = page.goto(f"/admin/users?{query}")
    assert answer and answer.status == 400
    expect(page.locator("#users .notice")).to_contain_text(sentence)
    expect(page.get_by_role("heading", name="Users", exact=True)).to_be_visible()


def test_forms_of_settings_follow_what_is_typed_and_boxes_are_square(page: Page) -> None:
    sign_in(page, OWNER_EMAIL, OWNER_PASSWORD)
    page.goto("/admin/server/brand")
    page.get_by_label("Name of your application").fill("Acme & Sons")
    expect(page.locator("[data-text-of]")).to_have_text("Acme & Sons")
    page.goto("/admin/server/mail")
    for encryption, port in (("implicit", "465"), ("starttls", "587")):
        page.get_by_label("Encryption").select_option(encryption)
        expect(page.get_by_label("Port")).to_have_value(port)
    page.get_by_label("Port").fill("2525")
    page.get_by_label("Encryption").select_option("implicit")
    expect(page.get_by_label("Port")).to_have_value("2525")
    page.goto("/admin/events")
    page.locator("summary", has_text="Event types").click()
    box = page.locator(".event-types input").first.bounding_box()
    assert box and box["width"] == box["height"]


# ---- many at once


@with_and_without_scripts
def test_many_users_are_changed_at_once_and_who_could_not_be_is_named(
    http: httpx2.Client, browse: Callable[..., Page], scripts: bool
) -> None:
    """Selected by box, asked about by number, done before the page comes, which undoes it; the list of the deleted
    brings them back the same way."""
    name = f"Bulky {'with' if scripts else 'without'} scripts"
    users = [new_user(http, name=name, email=f"{name.split()[1]}{number}@bulky.example") for number in range(3)]
    admin = new_user(http, name=name, role="admin")
    page = browse(scripts, admin)
    page.goto(f"/admin/users?q={name}")
    expect(page.get_by_role("button", name="Continue")).to_be_hidden()
    for box in (
        page.locator("#users tbody [name=id]").all()
        if not scripts
        else [page.get_by_label("Select all users on this page")]
    ):
        box.check()
    if scripts:
        expect(page.get_by_text("4 selected").first).to_be_visible()
        page.get_by_role("searchbox", name="Search").press_sequentially(" ")
        expect(page.locator("body > .visually-hidden[role=status]")).to_be_empty()
        page.get_by_label("Select all users on this page").check()
    assert not scripts or axe(page) == []
    page.get_by_label("Action", exact=True).select_option("delete")
    press(page, "Continue")
    expect(page.get_by_role("heading", name="Delete 4 users?")).to_be_visible()
    assert not scripts or axe(page) == []
    assert stored(http, users[0])["status"] == "active", "asked, not done"
    press(page, "Delete 4 users")
    expect(page.get_by_role("heading", name="Finished")).to_be_visible()
    expect(page.get_by_role("row", name=name)).to_contain_text("You cannot delete yourself.")
    assert not scripts or axe(page) == []
    assert [http.get(f"/v1/users/{user['id']}").status_code for user in (*users, admin)] == [404, 404, 404, 200]
    with page.expect_download() as download:
        page.get_by_role("link", name="Download results (CSV)").click()
    assert download.value.path().read_text().count("not_yourself") == 1
    press(page, "Undo", scripts)
    expect(page.get_by_role("heading", name="Undo: Delete 3 users")).to_be_visible()
    expect(page.get_by_role("heading", name="Finished")).to_be_visible()
    assert [http.get(f"/v1/users/{user['id']}").status_code for user in users] == [200] * 3
    page.get_by_role("link", name="Delete 4 users").click()
    expect(page.get_by_role("heading", name="Undone")).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="Back to the list").click()
    page.wait_for_url(lambda url: parse_qs(urlsplit(url).query)["q"] == [name])
    for user in users:
        http.delete(f"/v1/users/{user['id']}")
    page.goto("/admin/users/deleted")
    for user in users[:2]:
        page.locator(f"[name=id][value={user['id']}]").check()
    press(page, "Continue")
    press(page, "Restore 2 users")
    expect(page.get_by_role("heading", name="Finished")).to_be_visible()
    assert [http.get(f"/v1/users/{user['id']}").status_code for user in users] == [200, 200, 404]
    page.get_by_role("link", name="Back to the list").click()
    page.wait_for_url("**/admin/users/deleted")


def ended(page: Page) -> None:
    """The job of this page has ended: without scripts, after some reloads."""
    while page.get_by_role("heading", name="Finished").count() == 0:
        page.reload()


def test_all_users_that_match_are_changed_and_no_others(
    http: httpx2.Client, browse: Callable[..., Page], crowd: list[dict[str, Any]]
) -> None:
    page = browse(scripts=False)
    page.goto("/admin/users?q=crowd&status=active")
    page.locator("#users tbody [name=id]").first.check()
    page.get_by_label("All users that match, on every page").check()
    page.get_by_label("Action", exact=True).select_option("role:viewer")
    press(page, "Continue")
    expect(page.get_by_role("heading", name=f"Change the role of {MANY} users to viewer?")).to_be_visible()
    later = new_user(http, name="Crowd after the question")
    press(page, f"Change the role of {MANY} users to viewer")
    ended(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Change the role of {MANY} users to viewer")
    assert http.get("/v1/users/count?q=crowd&role=viewer").json()["count"] == MANY
    assert stored(http, later)["role"] == "member", "who was not counted is not changed"
    page.goto("/admin/events?type=bulk_job.finished")
    row = page.locator("tbody tr").first
    expect(row).to_contain_text(f"role: {MANY} changed")
    row.get_by_role("link", name=f"Change the role of {MANY} users to viewer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Change the role of {MANY} users to viewer")
    page.goto("/admin/events?type=user.promoted")
    page.locator("tbody tr").first.get_by_role("link", name="user.promoted").click()
    page.get_by_role("link", name=f"Change the role of {MANY} users to viewer").click()
    expect(page.get_by_role("heading", name="Finished")).to_be_visible()
    http.delete(f"/v1/users/{later['id']}")
    page.goto("/admin/users?q=crowd")
    page.locator("#users tbody [name=id]").first.check()
    page.get_by_label("All users that match, on every page").check()
    page.get_by_label("Action", exact=True).select_option("role:member")
    press(page, "Continue")
    press(page, f"Change the role of {MANY} users to member")
    ended(page)
    press(page, "Undo")
    ended(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Undo: Change the role of {MANY} users")
    expect(page.get_by_role("link", name=f"Change the role of {MANY} users to member")).to_be_visible()
    assert http.get("/v1/users/count?q=crowd&role=viewer").json()["count"] == MANY
    page.goto("/admin/users?q=crowd")
    page.locator("#users tbody [name=id]").first.check()
    page.get_by_label("All users that match, on every page").check()
    page.get_by_label("Action", exact=True).select_option("role:member")
    press(page, "Continue")
    press(page, f"Change the role of {MANY} users to member")
    ended(page)
    assert http.get("/v1/users/count?q=crowd&role=member").json()["count"] == MANY


def test_reloading_after_many_were_changed_changes_nothing_again(
    http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    """And leads back to the list, as it was filtered."""
    tag = f"Reloaded{time.perf_counter_ns()}"
    user = new_user(http, name=tag)
    page = browse(scripts=False)
    page.goto(f"/admin/users?q={tag}")
    page.locator(f"[name=id][value={user['id']}]").check()
    page.get_by_label("Action", exact=True).select_option("suspend")
    press(page, "Continue")
    press(page, "Suspend 1 user")
    assert stored(http, user)["status"] == "suspended"
    http.post(f"/v1/users/{user['id']}/activate")
    page.reload()
    expect(page.get_by_role("heading", name="Finished")).to_be_visible()
    assert stored(http, user)["status"] == "active"
    page.get_by_role("link", name="Back to the list").click()
    page.wait_for_url(f"**/admin/users?q={tag}")


def test_applications_are_changed_where_applications_are_listed(
    http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    shop = http.post("/v1/applications?fields=*", json={"name": "Shop of many"}).json()
    page = browse(scripts=False)
    page.goto("/admin/users?q=Shop+of+many&kind=application")
    page.locator(f"[name=id][value={shop['id']}]").check()
    page.get_by_label("Action", exact=True).select_option("suspend")
    press(page, "Continue")
    press(page, "Suspend 1 user")
    assert stored(http, shop)["status"] == "suspended"


def test_the_users_that_match_are_downloaded_as_a_file(
    browse: Callable[..., Page], crowd: list[dict[str, Any]]
) -> None:
    page = browse()
    first, last = (user["created_at"][:10] for user in (crowd[0], crowd[-1]))
    page.goto(f"/admin/users?q=crowd&role=member&status=active&created_after={first}&created_before={last}&sort=-name")
    for format, read in (
        ("CSV", lambda text: [row["email"] for row in csv.DictReader(io.StringIO(text))]),
        ("NDJSON", lambda text: [json.loads(each)["email"] for each in text.splitlines()]),
    ):
        with page.expect_download() as download:
            page.get_by_role("link", name=format, exact=True).click()
        assert re.fullmatch(rf"rollbook-users-[0-9T-]+\.{format.lower()}", download.value.suggested_filename)
        text = Path(download.value.path()).read_text()
        assert read(text) == [user["email"] for user in crowd]
    for query in (
        "created_before=2020-01-01",
        "created_after=2999-01-01",
        "external_id=nobody",
        "metadata[a]=b",
        "status=suspended",
        "role=owner",
    ):
        answer = page.request.get(f"/admin/users/export?q=crowd&format=ndjson&{query}")
        assert answer.status == 200 and answer.body() == b"", query


@pytest.mark.parametrize(
    ("path", "field", "text", "button"),
    [("/admin/users", "Search", "crowd", "Search"), ("/admin/requests", "Path", "/v1/users", "Apply")],
)
def test_the_address_has_only_the_filters_that_were_set(
    browse: Callable[..., Page], path: str, field: str, text: str, button: str
) -> None:
    page = browse(scripts=False)
    page.goto(path)
    page.get_by_label(field, exact=True).fill(text)
    page.get_by_role("main").get_by_role("button", name=button, exact=True).click()
    page.wait_for_url(re.compile(r"\?"))
    assert page.url.partition(path)[2] == f"?{urlencode({'q' if field == 'Search' else 'path': text})}"
    page.goto(f"{path}?status=&role=&path=")
    assert page.url.endswith(path)


def test_a_row_of_the_list_opens_its_user(
    http: httpx2.Client, browse: Callable[..., Page], crowd: list[dict[str, Any]]
) -> None:
    page = browse()
    page.goto("/admin/users?q=crowd+007")
    page.get_by_role("row", name="Crowd 007").locator("td.nowrap").last.click()
    page.wait_for_url(f"**{of(crowd[7])}")


def test_the_pages_of_the_list_are_turned_on_one_line_at_every_width(
    browse: Callable[..., Page], crowd: list[dict[str, Any]]
) -> None:
    page = browse()
    try:
        for width in (360, 820, 1440):
            page.set_viewport_size({"width": width, "height": 700})
            page.goto("/admin/users")
            assert page.locator(".pager").evaluate(
                "pager => pager.scrollWidth <= pager.clientWidth && pager.offsetHeight < 50"
            )
            expect(page.get_by_role("link", name="Next")).to_be_visible()
    finally:
        page.set_viewport_size({"width": 1280, "height": 720})


def test_a_full_page_of_the_list_is_light(
    new_context: Callable[..., BrowserContext],
    server: Server,
    owner_cookies: httpx2.Cookies,
    crowd: list[dict[str, Any]],
) -> None:
    page = new_context().new_page()
    take_session(page.context, owner_cookies, server)
    parts = transferred(page, "/admin/users")
    assert page.locator("#users tbody tr").count() == PAGE
    assert sum(parts.values()) <= 60_000, parts


def test_names_that_are_scripts_are_text_on_all_pages_of_a_user(
    http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    user = new_user(http, name=HOSTILE[0], external_id=HOSTILE[1], metadata={HOSTILE[1]: HOSTILE[2]})
    new_key(http, user_id=user["id"], name=HOSTILE[1])
    http.patch(f"/v1/users/{user['id']}", json={"name": HOSTILE[2]})
    page = browse()
    page.goto(of(user))
    expect(page.get_by_role("heading", name=HOSTILE[2]).first).to_be_visible()
    page.goto(of(user, "/keys"))
    expect(page.get_by_text(HOSTILE[1]).first).to_be_visible()
    page.goto(f"/admin/events?user={user['id']}")
    expect(page.get_by_text(f"{HOSTILE[0]} → {HOSTILE[2]}")).to_be_visible()
    http.delete(f"/v1/users/{user['id']}")
    for path in (of(user), "/admin/users/deleted"):
        page.goto(path)
        expect(page.get_by_text(HOSTILE[2]).first).to_be_visible()


# ---- making one


@with_and_without_scripts
def test_a_user_is_made_with_a_password(
    server: Server, http: httpx2.Client, browse: Callable[..., Page], scripts: bool
) -> None:
    email = f"made{time.perf_counter_ns()}@example.com"
    page = browse(scripts)
    page.goto("/admin/users")
    page.get_by_role("link", name="New user").click()
    page.get_by_label("Name").fill("Made Here")
    page.get_by_label("Email", exact=True).fill(email)
    page.get_by_label("Role").select_option("viewer")
    page.get_by_label("Password").fill("orchard lantern 42")
    press(page, "Create user")
    expect(page.get_by_text("They can sign in with the password you chose.")).to_be_visible()
    [made] = http.get("/v1/users", params={"email": email, "fields": "*"}).json()
    assert page.url.startswith(f"{server.url}/admin/users/{made['id']}")
    assert (made["name"], made["role"]) == ("Made Here", "viewer")
    sign_in_by_form(server, email, "orchard lantern 42")
    assert "orchard lantern 42" not in page.content()


def test_a_user_made_without_a_password_is_invited_by_a_link_that_is_shown_once(
    server: Server, http: httpx2.Client, browse: Callable[..., Page], new_page: Callable[..., Page]
) -> None:
    email = f"linked{time.perf_counter_ns()}@example.com"
    page = browse(scripts=False)
    page.goto("/admin/users/new")
    page.get_by_label("Name").fill("Linked Here")
    page.get_by_label("Email", exact=True).fill(email)
    assert press(page, "Create user").status == 303
    link = page.locator(".copyable code").inner_text()
    assert link.startswith(server.url) and link not in page.url
    [made] = http.get("/v1/users", params={"email": email, "fields": "status"}).json()
    assert made["status"] == "invited"
    answer = page.reload()
    assert answer and answer.headers["cache-control"] == "no-store" and "content-encoding" not in answer.headers
    assert page.locator(".copyable code").inner_text() == link, "the same, and nothing was sent again"
    theirs = new_page(java_script_enabled=False)
    theirs.goto(link)
    passwords = theirs.locator("input[type=password]")
    for number in range(passwords.count()):
        passwords.nth(number).fill("a lobster in the library")
    theirs.locator("main form button[type=submit]").click()
    theirs.wait_for_url(lambda url: "/account/invitation" not in url)
    sign_in_by_form(server, email, "a lobster in the library")
    page.get_by_role("link", name="Go to the user").click()
    assert link.rpartition("/")[2] not in page.content()
    assert stored(http, made)["status"] == "active"


def test_the_overview_leads_to_those_who_are_invited(http: httpx2.Client, browse: Callable[..., Page]) -> None:
    tag = f"invitee{time.perf_counter_ns()}"
    answer = http.post("/v1/users", json={"name": tag, "email": f"{tag}@example.com", "status": "invited"})
    assert answer.status_code == 201
    page = browse(scripts=False)
    page.goto("/admin")
    page.get_by_role("link", name=re.compile(r"^[1-9][0-9]* invited$")).click()
    expect(page.get_by_role("row", name=tag)).to_contain_text("None")
    page.goto("/admin/users?status=invited")
    expect(page.get_by_role("row", name=tag)).to_contain_text("invited")


def test_a_secret_is_shown_in_the_session_that_created_it_and_for_ten_minutes(
    server: Server, http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    user = new_user(http)
    page = browse(scripts=False)
    page.goto(of(user, "/keys/new"))
    page.get_by_label("Name").fill("Shown for a while")
    press(page, "Create key")
    shown = page.url.removeprefix(server.url)
    key = page.locator("#new-key").inner_text()
    sealed = {each["name"]: each["value"] for each in page.context.cookies(page.url) if each["name"].endswith("-shown")}
    assert sealed and key not in str(sealed)
    others = sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD)
    with server.http(None, cookies={**dict(others.items()), **sealed}) as client:
        answer = client.get(shown)
    assert (answer.status_code, answer.headers["location"]) == (303, shown.removesuffix("/secret")), (
        "of another session"
    )
    try:
        server.pass_time(9 * 60)
        page.reload()
        assert page.locator("#new-key").inner_text() == key
        server.pass_time(11 * 60)
        page.reload()
        assert page.url == server.url + shown.removesuffix("/secret") and key not in page.content()
    finally:
        server.pass_time(0)


def test_what_is_wrong_with_a_new_user_is_said_beside_the_field(
    http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    taken = new_user(http)
    page = browse()
    page.goto("/admin/users/new")
    page.get_by_label("Name").fill("Twice")
    page.get_by_label("Email", exact=True).fill(taken["email"].upper())
    page.get_by_label("Password").fill("orchard lantern 42")
    assert press(page, "Create user").status == 400
    expect(page.locator("#field-email-problem")).to_have_text("Email address is already in use.")
    expect(page.get_by_label("Name")).to_have_value("Twice")
    page.get_by_label("Email", exact=True).fill(f"twice{time.perf_counter_ns()}@example.com")
    page.get_by_label("Password").fill("password1")
    assert press(page, "Create user").status == 400
    expect(page.locator("#field-password-problem")).to_be_visible()
    assert "password1" not in page.content()


# ---- changing one


@with_and_without_scripts
def test_a_user_is_changed(http: httpx2.Client, browse: Callable[..., Page], scripts: bool) -> None:
    user = new_user(http)
    email = f"other{time.perf_counter_ns()}@example.com"
    page = browse(scripts)
    page.goto(of(user))
    page.get_by_label("Name", exact=True).fill("Other Name")
    page.get_by_label("Email", exact=True).fill(email)
    page.get_by_label("Email is verified").check()
    page.get_by_label("Role").select_option("admin")
    page.get_by_text("External ID, end, metadata, rate limit").click()
    page.get_by_label("Rate limit", exact=True).fill("7/minute")
    page.get_by_label("External ID").fill(email)
    if scripts:
        page.get_by_role("button", name="Edit as JSON").click()
    page.get_by_role("textbox", name="Metadata").fill('{"plan": "pro", "n": 12345678901234567890}')
    press(page, "Save")
    expect(page.get_by_text("Saved.")).to_be_visible()
    now = stored(http, user)
    assert {
        name: now[name] for name in ("name", "email", "role", "rate_limit", "external_id", "metadata", "email_verified")
    } == {
        "name": "Other Name",
        "email": email,
        "role": "admin",
        "rate_limit": "7/minute",
        "external_id": email,
        "metadata": {"plan": "pro", "n": 12345678901234567890},
        "email_verified": True,
    }
    press(page, "Save")
    assert stored(http, user) == now, "what is saved as it was read changes nothing"
    page.get_by_role("link", name="Events", exact=True).click()
    expect(page.get_by_role("region", name="Events")).to_contain_text("name Alice Wonderland → Other Name")


def test_edits_that_are_not_saved_are_not_lost_without_a_question(
    http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    user = new_user(http)
    page = browse()
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    try:
        page.goto(of(user))
        page.get_by_label("Name", exact=True).fill("Changed")
        with page.expect_event("dialog"):
            page.get_by_role("link", name="Sessions", exact=True).click()
        assert asked == ["beforeunload"] and page.url.endswith(user["id"])
        page.get_by_label("Name", exact=True).fill(user["name"])
        page.get_by_role("link", name="Sessions", exact=True).click()
        page.wait_for_url("**/sessions")
        page.goto(of(user))
        page.get_by_text("External ID, end, metadata, rate limit").click()
        page.get_by_role("button", name="Add a key").click()
        with page.expect_event("dialog"):
            page.get_by_role("link", name="Sessions", exact=True).click()
        page.get_by_role("button", name="Remove new key").click()
        page.get_by_role("button", name="Edit as JSON").click()
        page.get_by_role("textbox", name="Metadata").fill("{broken")
        assert press(page, "Save").status == 400, "the form itself is sent"
        with page.expect_event("dialog"):
            page.get_by_role("link", name="Sessions", exact=True).click()
        assert asked == ["beforeunload"] * 3, "what came back with an error is not saved either"
        page.get_by_role("textbox", name="Metadata").fill("{}")
        assert press(page, "Save").status == 303
        assert asked == ["beforeunload"] * 3
    finally:
        page.remove_listener("dialog", stay)


def test_metadata_is_edited_in_rows_by_keyboard(http: httpx2.Client, browse: Callable[..., Page]) -> None:
    """What is not touched stays as it is, to the last digit."""
    metadata = {
        "plan": "pro",
        "n": 12345678901234567890,
        "nested": {"a": [1, {"b": None}]},
        "note": 'two\nlines, "quoted"',
    }
    user = new_user(http, metadata=metadata)
    page = browse()
    page.goto(of(user))
    page.get_by_text("External ID, end, metadata, rate limit").click()
    rows = page.get_by_role("group", name="Keys and values")
    expect(page.get_by_role("textbox", name="Metadata", exact=True)).to_be_hidden()
    expect(rows.get_by_label("Type of nested")).to_have_value("json")
    assert axe_in_both_themes(page, dark=True) == []
    rows.get_by_label("Value of plan").press("End")
    rows.get_by_label("Value of plan").press_sequentially("fessional")
    rows.get_by_role("button", name="Remove note").press("Enter")
    expect(rows.get_by_label("Key", exact=True).last).to_be_focused()
    page.get_by_role("button", name="Add a key").press("Enter")
    page.keyboard.type("beta")
    rows.get_by_label("Type of beta").select_option("True/false")
    rows.get_by_label("Value of beta").fill("yes")
    page.get_by_role("button", name="Save").press("Enter")
    expect(rows.get_by_label("Value of beta")).to_be_focused()
    assert (
        rows.get_by_label("Value of beta").evaluate("field => field.validationMessage") == "beta: Enter true or false."
    )
    assert stored(http, user)["metadata"] == metadata, "nothing was sent"
    rows.get_by_label("Value of beta").fill("true")
    rows.get_by_label("Key", exact=True).first.fill("n")
    assert "Another row has the key n." in rows.get_by_label("Key", exact=True).nth(1).evaluate(
        "field => field.validationMessage"
    )
    rows.get_by_label("Key", exact=True).first.fill("plan")
    page.get_by_role("button", name="Edit as JSON").press("Enter")
    field = page.get_by_role("textbox", name="Metadata", exact=True)
    field.fill(field.input_value()[:-1])
    page.get_by_role("button", name="Edit as rows").press("Enter")
    expect(field).to_be_focused()
    field.fill(field.input_value() + "}")
    page.get_by_role("button", name="Edit as rows").press("Enter")
    expect(rows.get_by_label("Value of beta")).to_have_value("true")
    press(page, "Save")
    expect(page.get_by_text("Saved.")).to_be_visible()
    del metadata["note"]
    assert stored(http, user)["metadata"] == metadata | {"plan": "professional", "beta": True}


@with_and_without_scripts
def test_a_new_user_has_metadata(http: httpx2.Client, browse: Callable[..., Page], scripts: bool) -> None:
    email = f"meta{time.perf_counter_ns()}@example.com"
    page = browse(scripts)
    page.goto("/admin/users/new")
    page.get_by_label("Name").fill("With Metadata")
    page.get_by_label("Email", exact=True).fill(email)
    page.get_by_text("External ID, end, metadata, verified email").click()
    if scripts:
        page.get_by_role("button", name="Add a key").click()
        page.get_by_label("Key", exact=True).fill("plan")
        page.get_by_label("Value of plan").fill("pro")
    else:
        page.get_by_label("Metadata").fill('{"plan": "pro"')
        assert press(page, "Create user").status == 400
        expect(page.locator("#field-metadata-problem")).to_have_text(
            "Metadata is not valid JSON (line 1, column 15): a comma or a closing bracket is missing."
        )
        page.get_by_label("Metadata").fill('{"plan": "pro"}')
    press(page, "Create user")
    [made] = http.get("/v1/users", params={"email": email, "fields": "*"}).json()
    assert made["metadata"] == {"plan": "pro"}


def test_a_user_that_somebody_else_changed_meanwhile_is_not_overwritten(
    http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    user = new_user(http)
    page = browse()
    page.goto(of(user))
    page.get_by_label("Name", exact=True).fill("Mine")
    page.get_by_text("External ID, end, metadata, rate limit").click()
    page.get_by_label("External ID").fill("mine")
    http.patch(f"/v1/users/{user['id']}", json={"name": "Theirs", "role": "viewer"})
    assert press(page, "Save").status == 412
    expect(page.locator(".problems")).to_contain_text("Someone else changed this user while you were editing")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Theirs")
    expect(page.locator("#field-name-problem")).to_have_text("The name you entered was “Mine”.")
    expect(page.locator("#field-role-problem")).to_have_text("The role you entered was “member”.")
    expect(page.locator("#field-external_id-problem")).to_have_text("The external ID you entered was “mine”.")
    assert page.locator("#field-email-problem").count() == 0
    assert (stored(http, user)["name"], stored(http, user)["external_id"]) == ("Theirs", None)
    page.get_by_label("External ID").fill("mine")
    press(page, "Save")
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert (stored(http, user)["name"], stored(http, user)["external_id"]) == ("Theirs", "mine")


def test_a_user_that_only_signed_in_meanwhile_is_changed_all_the_same(
    server: Server, http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    user = new_user(http)
    page = browse()
    page.goto(of(user))
    page.get_by_label("Name", exact=True).fill("Mine")
    sign_in_by_form(server, user["email"], user["password"])
    press(page, "Save")
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert stored(http, user)["name"] == "Mine"


@pytest.mark.parametrize(
    ("label", "value", "field", "sentence"),
    [
        (
            "Metadata",
            "{broken",
            "metadata",
            "Metadata is not valid JSON (line 1, column 2): a name in double quotes is missing.",
        ),
        (
            "Metadata",
            '{\n  "plan": "pro"\n  "n": 1}',
            "metadata",
            "Metadata is not valid JSON (line 3, column 3): a comma or a closing bracket is missing.",
        ),
        ("Metadata", "[1]", "metadata", "Metadata must be a JSON object."),
        ("Rate limit", "many", "rate_limit", "not a rate limit"),
        ("Email", "nobody@", "email", "There must be something after the @-sign."),
    ],
)
def test_what_is_wrong_with_a_change_is_said_beside_the_field(
    http: httpx2.Client, browse: Callable[..., Page], label: str, value: str, field: str, sentence: str
) -> None:
    user = new_user(http)
    page = browse(scripts=False)
    page.goto(of(user))
    page.locator("form").evaluate_all("forms => forms.forEach(form => { form.noValidate = true })")
    page.get_by_label("Name", exact=True).fill("Kept in the form")
    page.get_by_text("External ID, end, metadata, rate limit").click()
    page.get_by_label(label, exact=True).fill(value)
    assert press(page, "Save").status == 400
    expect(page.locator(f"#field-{field}-problem")).to_contain_text(sentence)
    expect(page.locator(".problems")).to_contain_text(sentence)
    expect(page.get_by_label("Name", exact=True)).to_have_value("Kept in the form")
    expect(page.get_by_label(label, exact=True)).to_have_value(value)
    assert stored(http, user)["name"] == user["name"]


@with_and_without_scripts
def test_a_suspended_user_stops_until_it_is_activated(
    server: Server, http: httpx2.Client, browse: Callable[..., Page], scripts: bool
) -> None:
    user = new_user(http)
    with server.http(new_key(http, user_id=user["id"])) as client:
        page = browse(scripts)
        page.goto(of(user))
        assert page.get_by_label("Status").count() == 0, "there is one way to do it"
        choose(page, "Suspend", confirm=scripts)
        expect(page.get_by_text("User suspended.")).to_be_visible()
        assert client.get("/v1/users/me").status_code == 403
        press(page, "Activate")
        expect(page.get_by_text("User activated.")).to_be_visible()
        assert client.get("/v1/users/me").status_code == 200


@with_and_without_scripts
def test_a_deleted_user_is_listed_and_restored(http: httpx2.Client, browse: Callable[..., Page], scripts: bool) -> None:
    user = new_user(http, name="Gone Girl")
    page = browse(scripts)
    page.goto(of(user))
    page.get_by_role("button", name="Actions", exact=True).click()
    page.get_by_role("link", name="Delete…").click()
    assert http.get(f"/v1/users/{user['id']}").status_code == 200, "asked, not done"
    press(page, "Delete user")
    expect(page.get_by_text("User deleted. You can still restore them.")).to_be_visible()
    assert http.get(f"/v1/users/{user['id']}").status_code == 404
    page.get_by_role("link", name="Deleted users").click()
    row = page.get_by_role("row").filter(has_text=user["email"])
    expect(row).to_contain_text("Gone Girl")
    expect(page.locator("tbody tr").first).to_contain_text(user["email"])  # the last deletion comes first
    with page.expect_response(lambda response: response.request.method == "POST"):
        row.get_by_role("button").click()
    expect(page.get_by_text("User restored.")).to_be_visible()
    assert stored(http, user)["email"] == user["email"]


def test_a_user_whose_email_is_taken_is_not_restored_and_that_is_said(
    http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    user = new_user(http)
    http.delete(f"/v1/users/{user['id']}")
    new_user(http, email=user["email"])
    page = browse()
    page.goto(of(user))
    assert press(page, "Restore").status == 400
    expect(page.locator(".problems")).to_contain_text("Email address is already in use.")


def test_deleted_users_are_paged(http: httpx2.Client, browse: Callable[..., Page]) -> None:
    gone = [new_user(http, name=f"Paged {number}") for number in range(55)]
    for user in gone:
        http.delete(f"/v1/users/{user['id']}")
    page = browse()
    page.goto("/admin/users/deleted")
    first = page.locator("tbody th a").all_text_contents()
    assert first == [f"Paged {number}" for number in range(54, 4, -1)]
    page.get_by_role("link", name="Older").click()
    assert page.locator("tbody th a").all_text_contents()[:5] == [f"Paged {number}" for number in range(4, -1, -1)]


@with_and_without_scripts
def test_a_user_is_erased_for_good_once_its_address_is_typed(
    http: httpx2.Client, browse: Callable[..., Page], scripts: bool
) -> None:
    user = new_user(http)
    page = browse(scripts)
    page.goto(of(user, "/delete"))
    page.get_by_text("Erase permanently…").click()
    page.get_by_label("to confirm").fill("somebody@example.com")
    assert press(page, "Erase permanently").status == 400
    expect(page.locator("#field-confirm-problem")).to_be_visible()
    assert stored(http, user)["id"] == user["id"]
    page.get_by_label("to confirm").fill(user["email"].upper())
    press(page, "Erase permanently")
    expect(page.get_by_text("User permanently erased.")).to_be_visible()
    answer = page.goto(of(user))
    assert answer and answer.status == 404
    assert http.post(f"/v1/users/{user['id']}/restore").status_code == 404


def test_a_deleted_user_is_erased_for_good(http: httpx2.Client, browse: Callable[..., Page]) -> None:
    user = new_user(http)
    http.delete(f"/v1/users/{user['id']}")
    page = browse()
    page.goto(of(user))
    page.get_by_text("Erase permanently…").click()
    page.get_by_label("to confirm").fill(user["email"])
    press(page, "Erase permanently")
    page.goto("/admin/users/deleted")
    assert user["email"] not in page.content()


def test_a_set_password_link_is_made_for_a_user(
    server: Server, http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    user = new_user(http)
    page = browse()
    page.goto(of(user))
    assert choose(page, "Create link to set a password").status == 303
    link = page.locator(".copyable code").inner_text()
    assert link.startswith(server.url)
    sign_in_by_form(server, user["email"], user["password"])


# ---- keys and sessions


@with_and_without_scripts
def test_a_key_is_made_for_a_user_and_revoked(
    server: Server, http: httpx2.Client, browse: Callable[..., Page], scripts: bool
) -> None:
    user = new_user(http)
    page = browse(scripts)
    page.goto(of(user, "/keys"))
    page.get_by_role("link", name="Create key").click()
    page.get_by_label("Name").fill("Made by an admin")
    page.get_by_label("Only selected permissions").check()
    page.get_by_label("users:read").check()
    page.get_by_label("Expires").select_option("30")
    assert press(page, "Create key").status == 303
    key = page.locator("#new-key").inner_text()
    with server.http(key) as client:
        assert client.get("/v1/users/me").json()["id"] == user["id"]
        own = client.get("/v1/keys/current")
        assert own.status_code == 403, "it has only the scope that was ticked"
        page.get_by_role("link", name="Done").click()
        assert key not in page.content()
        row = page.get_by_role("region", name="API keys").get_by_role("row").filter(has_text="Made by an admin")
        expect(row).to_contain_text(f"{key[:8]}…{key[-4:]}")
        expect(row).to_contain_text("users:read")
        page.get_by_role("button", name="Actions for Made by an admin").click()
        if scripts:
            press(page, "Revoke", confirm=True)
        else:
            page.get_by_role("link", name="Revoke…").click()
            page.get_by_text("Revoke key…").click()
            assert client.get("/v1/users/me").status_code == 200, "a question alone revokes nothing"
            press(page, "Revoke key")
        expect(page.get_by_text("API key revoked.")).to_be_visible()
        assert client.get("/v1/users/me").status_code == 401
    page.get_by_text("Revoked and expired (1)").click()
    expect(page.get_by_role("region", name="Revoked and expired keys")).to_contain_text("Made by an admin")


def test_a_key_of_a_user_is_rotated_and_both_are_told_apart(
    server: Server, http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    user = new_user(http)
    old = new_key(http, user_id=user["id"], name="Twice")
    page = browse()
    page.goto(of(user, "/keys"))
    page.get_by_role("button", name="Actions for Twice").click()
    page.get_by_role("link", name="Rotate…").click()
    assert press(page, "Rotate key").status == 303
    expect(page.get_by_text("The old key works until")).to_be_visible()
    new = page.locator("#new-key").inner_text()
    page.get_by_role("link", name="Done").click()
    first, second = page.get_by_role("region", name="API keys").locator("tbody tr").all()
    expect(first).to_contain_text(f"…{new[-4:]}")
    expect(first).not_to_contain_text("Expires soon")
    expect(second).to_contain_text(f"…{old[-4:]}")
    expect(second).to_contain_text("Expires soon")
    assert page.get_by_text("Reveal").count() == 0, "only who has it can"
    with server.http(new) as client:
        assert client.get("/v1/users/me").json()["id"] == user["id"]


def test_the_words_about_a_person_are_those_for_a_person(http: httpx2.Client, browse: Callable[..., Page]) -> None:
    """Whoever they are, and whatever their name ends with."""
    user = new_user(http, name="Zelda S.")
    page = browse()
    main = page.get_by_role("main")
    page.goto(of(user, "/delete"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete Zelda S.?")
    page.goto(of(user, "/keys/new"))
    page.get_by_label("Name", exact=True).fill("For Zelda")
    page.get_by_label("Allow revealing this key again").check()
    press(page, "Create key")
    expect(main).to_contain_text("Zelda S. can reveal it.")
    page.goto("/admin/users?q=zelda+nobody+has+this")
    expect(main).to_contain_text("No name, email, ID or external ID matches.")
    for path in ("", "/delete", "/keys", "/sessions", "/requests", "/events"):
        page.goto(of(user, path))
        assert not re.search(r"\.…|…\.|\.\.|\bits? (password|keys)\b|own password", main.inner_text()), path


@with_and_without_scripts
def test_sessions_of_a_user_are_ended(
    server: Server, http: httpx2.Client, browse: Callable[..., Page], scripts: bool
) -> None:
    user = new_user(http)
    cookies = [sign_in_by_form(server, user["email"], user["password"]) for _ in range(3)]

    def signed_in() -> int:
        count = 0
        for each in cookies:
            with server.http(None, cookies=each) as client:
                count += client.get("/account").status_code == 200
        return count

    page = browse(scripts)
    page.goto(of(user, "/sessions"))
    assert signed_in() == 3
    with page.expect_response(lambda response: response.request.method == "POST"):
        page.get_by_role("region", name="Sessions").get_by_role("button").first.click()
    expect(page.get_by_text("The user has been signed out there.")).to_be_visible()
    assert signed_in() == 2
    choose(page, "Sign out everywhere", confirm=scripts)
    expect(page.get_by_text("The user has been signed out everywhere.")).to_be_visible()
    assert signed_in() == 0
    expect(page.get_by_text("Not signed in anywhere")).to_be_visible()


def test_a_key_or_session_is_touched_below_its_own_user_only(
    server: Server, http: httpx2.Client, owner_cookies: httpx2.Cookies
) -> None:
    one, other = new_user(http), new_user(http)
    new_key(http, user_id=one["id"])
    [key] = http.get("/v1/keys", params={"user": one["id"]}).json()
    with server.http(None, cookies=owner_cookies) as client:
        client.headers["Origin"] = server.url
        assert client.post(f"{of(other)}/keys/{key['id']}/revoke").status_code == 404
    [key] = http.get("/v1/keys", params={"user": one["id"]}).json()
    assert key["revoked_at"] is None


# ---- owners


def test_an_admin_sees_an_owner_and_cannot_touch_it(
    server: Server, http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    admin, owner = new_user(http, role="admin"), new_user(http, role="owner", name="Olivia Owner")
    new_key(http, user_id=owner["id"])
    [key] = http.get("/v1/keys", params={"user": owner["id"]}).json()
    sign_in_by_form(server, owner["email"], owner["password"])
    page = browse(user=admin)
    page.goto(of(owner))
    expect(page.get_by_text("Only an owner can change an owner.")).to_be_visible()
    for tab in ("", "/keys", f"/keys/{key['id']}", "/sessions", "/delete"):
        page.goto(of(owner, tab))
        assert page.locator("main form").count() == 0, f"a form is offered at {tab}"
    page.goto(of(admin))
    assert "owner" not in page.get_by_label("Role").locator("option").all_text_contents()
    cookies = sign_in_by_form(server, admin["email"], admin["password"])
    with server.http(None, cookies=cookies) as client:
        client.headers["Origin"] = server.url
        version = {"version": "1", "name": "Mallory", "email": owner["email"], "role": "member", "status": "active"}
        for path, form in (
            ("", version),
            ("/suspend", {}),
            ("/delete", {}),
            ("/purge", {"confirm": owner["email"]}),
            ("/link", {}),
            ("/keys", {"name": "mine"}),
            (f"/keys/{key['id']}/rotate", {}),
            (f"/keys/{key['id']}/revoke", {}),
            ("/sessions/end", {}),
        ):
            assert client.post(of(owner) + path, data=form).status_code == 403, path
        assert client.post(of(admin), data={**version, "email": admin["email"], "role": "owner"}).status_code == 403
    assert stored(http, owner)["name"] == "Olivia Owner" and stored(http, owner)["status"] == "active"
    assert stored(http, admin)["role"] == "admin"
    http.delete(f"/v1/users/{owner['id']}")
    page.goto(of(owner))
    expect(page.get_by_text("Only an owner can restore or erase an owner.")).to_be_visible()
    assert page.locator("main form").count() == 0
    page.goto("/admin/users/deleted")
    assert page.get_by_role("row").filter(has_text=owner["email"]).get_by_role("button").count() == 0


def test_the_last_owner_cannot_step_down_nor_anybody_delete_itself(
    http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    me = http.get("/v1/users/me").json()
    page = browse()
    page.goto(of(me))
    page.get_by_role("button", name="Actions", exact=True).click()
    assert page.locator("#user-menu .menu-item").all_inner_texts() == [
        "See what they set for others",
        "Sign out everywhere",
    ]
    page.keyboard.press("Escape")
    page.get_by_label("Role").select_option("member")
    assert press(page, "Save").status == 403
    expect(page.locator(".problems")).to_contain_text("The last owner cannot be removed.")
    assert stored(http, me)["role"] == "owner"


# ---- changes


def test_changes_are_filtered_and_paged(http: httpx2.Client, browse: Callable[..., Page]) -> None:
    user = new_user(http)
    for number in range(70):
        http.patch(f"/v1/users/{user['id']}", json={"name": f"Name {number}"})
    page = browse(scripts=False)
    page.goto("/admin/events")
    page.get_by_label("User", exact=True).fill(user["email"])
    page.get_by_text("Event types").click()
    page.get_by_label("user.updated").check()
    page.get_by_role("button", name="Apply").click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(50)
    expect(rows.first).to_contain_text("Name 68 → Name 69")
    page.get_by_role("link", name="Older").click()
    expect(rows).to_have_count(20)
    expect(rows.first).to_contain_text("Name 18 → Name 19")
    assert page.get_by_role("link", name="Older").count() == 0
    page.get_by_role("link", name="Newer").click()
    expect(rows).to_have_count(50)
    expect(rows.first).to_contain_text("Name 68 → Name 69")
    assert page.get_by_role("link", name="Newer").count() == 0
    page.goto("/admin/events?type=user.created")
    expect(rows.first).to_contain_text("user.created")
    assert page.locator("tbody tr", has_text="user.updated").count() == 0


def test_the_log_is_searched_by_who_did_what_when_and_from_where(
    http: httpx2.Client, server: Server, browse: Callable[..., Page], as_role: Callable[..., httpx2.Client]
) -> None:
    user, admin = new_user(http), as_role("admin")
    admin.patch(f"/v1/users/{user['id']}", json={"name": "Changed by an admin", "metadata": {"plan": "pro"}})
    http.patch(f"/v1/users/{user['id']}", json={"name": "Changed by the owner"})
    [theirs] = http.get("/v1/events", params={"user": user["id"], "type": "user.updated", "limit": 1}).json()
    page = browse(scripts=False)
    rows = page.get_by_role("region", name="Audit log").locator("tbody tr")
    for actor in (admin.user["id"], admin.user["email"], theirs["actor"]["key_id"]):  # type: ignore[attr-defined]
        page.goto(f"/admin/events?{urlencode({'actor': actor, 'type': 'user.*'})}")
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("Changed by an admin")
    for query, count in (
        (f"user={user['id']}&address=127.0.0.1", 3),
        (f"user={user['id']}&address=127.0.0.2", 0),
        (f"user={user['id']}&created_after=2023-10-27T10:00", 3),
        (f"user={user['id']}&created_before=2023-10-27T10:00", 0),
        (f"user={user['id']}&type=user.created&type=user.updated", 3),
        (f"user={user['id']}&type=key.*", 0),
    ):
        page.goto(f"/admin/events?{query}")
        expect(rows).to_have_count(count)
    # One event, as JSON, with what changed marked.
    page.goto(f"/admin/events?user={user['id']}")
    page.get_by_role("link", name="user.updated").nth(1).click()
    changed = page.get_by_role("region", name="Fields before and after")
    expect(changed.locator("del")).to_have_text([f'"{user["name"]}"'])
    expect(changed.locator("ins")).to_have_text(['"Changed by an admin"', '"pro"'])
    page.get_by_text("The whole event").click()
    assert json.loads(page.locator("code.language-json").inner_text()) == theirs
    # What the type says names fields of the JSON, as plain words.
    expect(page.get_by_role("heading", level=1)).to_have_text("Changed by the owner was updated")
    [signed_in] = http.get("/v1/events", params={"type": "user.signed_in", "limit": 1}).json()
    page.goto(f"/admin/events/{signed_in['id']}")
    expect(page.locator(".lead")).to_contain_text("actor.address is theirs, if it is known.")
    expect(page.locator(".lead")).not_to_contain_text("`")


def test_an_event_is_put_back_from_its_page(
    http: httpx2.Client, browse: Callable[..., Page], as_role: Callable[..., httpx2.Client]
) -> None:
    user = new_user(http, name="Ann", metadata={"plan": "pro", "seats": 3})
    path = f"/v1/users/{user['id']}"
    http.patch(path, json={"name": "Bob", "metadata": {"plan": "team", "seats": 4}})
    http.patch(path, json={"metadata": {"plan": "solo"}})
    page = browse(scripts=False)
    page.goto(f"/admin/users/{user['id']}/events")
    page.locator("tbody tr", has_text="Ann → Bob").get_by_role("link", name="user.updated").click()
    page.get_by_text("What is put back", exact=True).click()
    rows = page.get_by_role("region", name="What is put back").locator("tbody tr")
    expect(rows).to_have_text([re.compile(r"name\s*Bob\s*Ann"), re.compile(r"metadata.seats\s*4\s*3")])
    expect(page.get_by_text("metadata.plan has changed since.")).to_be_visible()
    page.get_by_role("button", name="Put back").click()
    expect(page.get_by_text("Put back. What has changed since stayed as it was.")).to_be_visible()
    now = http.get(path).json()
    assert (now["name"], now["metadata"]) == ("Ann", {"plan": "solo", "seats": 3})
    expect(page.get_by_role("button", name="Put back")).to_have_count(0)
    expect(page.get_by_text("name has changed since.")).to_be_visible()
    # Whoever may not change a user is not offered it, and what changed nothing offers nothing.
    [created] = http.get("/v1/events", params={"user": user["id"], "type": "user.created"}).json()
    page.goto(f"/admin/events/{created['id']}")
    expect(page.get_by_text("To undo it, delete the user.")).to_be_visible()
    [signed_in] = http.get("/v1/events", params={"type": "session.created", "limit": 1}).json()
    page.goto(f"/admin/events/{signed_in['id']}")
    expect(page.get_by_role("heading", name="Undo")).to_have_count(0)


def test_a_user_is_shown_as_they_were(http: httpx2.Client, browse: Callable[..., Page]) -> None:
    user = new_user(http, name="Ann")
    http.patch(f"/v1/users/{user['id']}", json={"name": "Bob", "role": "viewer"})
    page = browse(scripts=False)
    page.goto(f"/admin/users/{user['id']}/events")
    page.locator("tbody tr", has_text="Ann → Bob").get_by_role("link", name="before").click()
    expect(page.get_by_role("heading", name="Right before user.promoted")).to_be_visible()
    changed = page.locator("tr.changed")
    expect(changed.filter(has_text="Name")).to_have_text(re.compile(r"Name\s*Ann\s*Bob"))
    expect(changed.filter(has_text="Role")).to_have_text(re.compile(r"Role\s*member\s*viewer"))
    page.get_by_role("link", name="Show them right after it").click()
    expect(changed).to_have_count(0)
    page.goto(f"/admin/users/{user['id']}")
    page.get_by_role("link", name="See this user at an earlier time").click()
    page.get_by_label("Time (UTC)").fill("2023-10-27T10:00")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("There was no such user at this time.")).to_be_visible()
    page.get_by_label("Time (UTC)").fill("2099-10-27T10:00")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("The time must not be in the future.").first).to_be_visible()
    page.goto(f"/admin/users/{user['id']}/as-of?at={clock.format_time_exactly(clock.now())}")
    expect(page.get_by_role("heading", name=re.compile("^On "))).to_be_visible()
    http.delete(f"/v1/users/{user['id']}")
    [event] = http.get("/v1/events", params={"user": user["id"], "type": "user.promoted"}).json()
    page.goto(f"/admin/users/{user['id']}/as-of?at={event['id']}")
    expect(page.get_by_text("The user has been deleted since.")).to_be_visible()
    expect(page.locator(".diff tbody tr", has_text="Name")).to_contain_text("Bob")
    page.get_by_role("region", name="Changes of this user").get_by_role("link", name="user.promoted").click()
    expect(page).to_have_url(re.compile(event["id"]))


def test_the_log_names_the_key_that_something_was_done_with(http: httpx2.Client, browse: Callable[..., Page]) -> None:
    key = http.post("/v1/keys", json={"name": "Okta", "kind": "scim"}).json()
    with_key = {"Authorization": f"Bearer {key['key']}"}
    sent = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "key.of@example.com"}
    user = http.post("/scim/v2/Users", json=sent, headers=with_key).json()
    page = browse(scripts=False)
    page.goto(f"/admin/events?user={user['id']}")
    expect(page.locator("tbody tr", has_text="user.created")).to_contain_text("Key Okta")
    page.get_by_role("link", name="user.created").click()
    expect(page.get_by_role("region", name="Details")).to_contain_text(f"Okta {key['id']}")


def test_the_log_names_the_assistant_that_did_something_for_a_person(
    http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    user = new_user(http)
    assistant.call(http, "update_user", user_id=user["id"], name="Changed by an assistant")
    page = browse(scripts=False)
    page.goto(f"/admin/events?user={user['id']}")
    expect(page.locator("tbody tr", has_text="user.updated")).to_contain_text("Assistant tests")


def test_the_events_that_are_shown_can_be_downloaded(http: httpx2.Client, server: Server) -> None:
    user = new_user(http, name="=1+1")
    for number in range(40):
        http.patch(f"/v1/users/{user['id']}", json={"name": f'@Name, {number}" '})
    wanted = http.get("/v1/events", params={"user": user["id"], "limit": 1000}).json()
    cookies = sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD, "=cmd|' /C calc'!A0")
    with server.http(None, cookies=cookies) as client:
        answer = client.get("/admin/events/export", params={"format": "ndjson", "user": user["id"]})
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert [json.loads(line) for line in answer.text.splitlines()] == wanted and len(wanted) == 41
        answer = client.get(
            "/admin/events/export", params={"format": "csv", "user": user["id"], "type": "user.updated"}
        )
        assert answer.headers["content-type"].startswith("text/csv") and ".csv" in answer.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [(row["id"], json.loads(row["object"]), json.loads(row["before"])) for row in rows] == [
            (event["id"], event["object"], event["before"]) for event in wanted[1:]
        ]
        assert client.get("/admin/events/export?format=xls", headers={"Accept": "text/html"}).status_code == 400


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1"])
def test_no_cell_of_a_downloaded_file_is_a_formula(text: str) -> None:
    assert [*csv.reader(io.StringIO(write_rows([[text, "plain"]]).decode(), newline=""))] == [[f"'{text}", "plain"]]


@pytest.mark.parametrize(
    "query",
    ["type=user.married", "user=alice", "actor=alice", "address=home", "created_after=now", "before=x", "after=9" * 30],
)
def test_an_address_of_the_log_that_means_nothing_is_said(browse: Callable[..., Page], query: str) -> None:
    page = browse()
    answer = page.goto(f"/admin/events?{query}")
    assert answer and answer.status == 400
    expect(page.locator(".problems")).to_be_visible()


# ---- the server


def test_the_server_page_tells_what_is_in_force_and_where_it_came_from(
    server: Server, browse: Callable[..., Page]
) -> None:
    page = browse()
    page.goto("/admin/server")
    expect(page.get_by_role("heading", name="Server", exact=True)).to_be_visible()
    first = page.get_by_role("region", name="First settings")
    row = first.get_by_role("row").filter(has=page.get_by_role("rowheader", name="rate_limit", exact=True))
    expect(row).to_contain_text("1000000/minute,10000000/hour")
    expect(row).to_contain_text("--rate-limit")
    expect(row).to_contain_text('rate_limit = "1000000/minute,10000000/hour"')
    page.get_by_text("advanced settings").click()
    advanced = page.get_by_role("region", name="Advanced settings")
    row = advanced.get_by_role("row").filter(has=page.get_by_role("rowheader", name="page_limit", exact=True))
    expect(row).to_contain_text("ROLLBOOK_PAGE_LIMIT")
    expect(advanced).to_contain_text("session_lifetime")
    page.get_by_text(re.compile(r"^\d+ of \d+ ok$")).click()
    expect(page.get_by_role("region", name="Checks that are ok")).to_contain_text(str(server.data / "rollbook.db"))
    expect(page.get_by_role("region", name="Processes")).to_contain_text("MiB")
    secret = (server.data / "secret").read_text().strip()
    assert secret not in page.content() and server.key not in page.content()


def test_the_server_page_knows_all_workers_and_the_file(tmp_path: Path) -> None:
    (tmp_path / "rollbook.toml").write_text('password_min_length = 9\nrole_limits = ["admin=7/minute"]\n')
    environment = {"ROLLBOOK_PUBLIC_URL": "http://somebody:hunter2hunter2@127.0.0.1"}
    with running(tmp_path / "data", "--workers", "2", environment=environment) as server:
        cookies = sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD)
        with server.http(None, cookies=cookies) as client:
            # Right after the start, one of them may not be there yet.
            wait_until(
                lambda: {"Worker 0", "Worker 1"} <= set(re.findall(r"Worker \d", client.get("/admin/server").text))
            )
            text = client.get("/admin/server").text
    assert "2 workers." in text
    assert re.search(r"password_min_length</th><td[^>]*><span[^>]*>9</span><div[^>]*>rollbook.toml<", text)
    assert re.search(r"Each admin</th><td[^>]*>7/minute</td>", text)
    assert "Worker 0" in text and "Worker 1" in text and "Parent" in text
    assert "hunter2hunter2" not in text and "ROLLBOOK_PUBLIC_URL" in text


@pytest.mark.parametrize("name", ["tls_key", "secret", "smtp_password", "webhook_token", "key", "database_dsn"])
def test_no_text_under_the_name_of_a_secret_is_shown(name: str) -> None:
    assert as_text(name, "/etc/keys/private.pem") == MASKED
    assert as_text(name, Path("/etc/keys/private.pem")) == MASKED
    assert as_text(name, ("one", "two")) == MASKED
    assert as_text(name, "") == "empty"


def test_the_line_to_paste_has_no_secret() -> None:
    for url in ("postgresql://u:p@db/rollbook", "postgresql://db/rollbook?user=rb&password=p"):
        assert line_of(Source("database", url, "flag")) == 'database = "postgresql://rollbook@db.example.com/rollbook"'
    assert line_of(Source("smtp", "smtp://u:p@mail", "dashboard")).startswith('smtp = "smtp://user:password@')
    assert line_of(Source("data", Path("/srv"), "rollbook.toml")) == 'data = "/srv"'
    assert line_of(Source("sign_in_roles", ("owner",), "flag")) == 'sign_in_roles = ["owner"]'


def test_a_test_of_the_mail_server_says_what_is_wrong_and_leaves_what_was_typed(
    browse: Callable[..., Page],
) -> None:
    page = browse()
    page.goto("/admin/server/mail")
    page.get_by_label("Server", exact=True).fill("mail.example.com")
    page.get_by_label("Sender").fill("no-reply@example.com")
    page.get_by_label("Password (optional)").fill("only typed")
    page.get_by_role("button", name="Send a test to yourself").click()
    expect(page.locator("#tried")).to_contain_text("The user is required with a password.")
    page.get_by_label("User (optional)").fill("rollbook")
    page.get_by_role("button", name="Send a test to yourself").click()
    expect(page.locator("#tried")).to_contain_text("The mail server needs public_url")
    expect(page.get_by_label("Password (optional)")).to_have_value("only typed")


def test_other_settings_are_shown(tmp_path: Path) -> None:
    assert as_text("password_min_length", 8) == "8"
    assert as_text("database_timeout", 5.0) == "5.0"
    assert as_text("access_log", True) == "on"
    assert as_text("trusted_proxy", ("10.0.0.0/8", "::1")) == "10.0.0.0/8, ::1"
    assert as_text("public_url", "https://u:p@example.com/x") == "https://…@example.com/x"
    assert (
        as_text("database", "postgresql://db/rollbook?user=rb&password=p&ssl=on")
        == "postgresql://db/rollbook?user=rb&ssl=on"
    )
    assert as_text("database_replicas", ("postgresql://db/rollbook?password=p",)) == "postgresql://db/rollbook"
