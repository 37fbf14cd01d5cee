"""What all pages share, in a real browser: toasts, keyboard shortcuts, local times, tables on a phone, copy buttons."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chromium import axe_in_both_themes, sideways, take_session
from tests.browser.population import sign_in_by_form
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_user

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def cookies(server: Server) -> httpx2.Cookies:
    with server.http() as http:
        new_user(http, name="Wilhelmina Featherstonehaugh", email="w.featherstonehaugh@example.com")
    return sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD)


@pytest.fixture
def opened(new_context: Callable[..., BrowserContext], server: Server, cookies: httpx2.Cookies) -> Open:
    """A page that the owner has opened in a browser of their own."""

    def open(path: str, **options: object) -> Page:
        context = new_context(**options)
        take_session(context, cookies, server)
        page = context.new_page()
        page.goto(path)
        return page

    return open


# ---- toasts


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_what_was_done_is_said_once(opened: Open, scripts: bool) -> None:
    page = opened("/account", java_script_enabled=scripts)
    page.get_by_role("button", name="Save").first.click()
    expect(page.locator(".toast")).to_have_text(re.compile(r"Saved\."))
    expect(page.locator(".toast")).to_be_in_viewport()
    if scripts:
        assert not axe_in_both_themes(page)
        page.get_by_role("button", name="Dismiss").click()
        expect(page.locator(".toast")).to_have_count(0)
    page.reload()
    expect(page.locator(".toast")).to_have_count(0)


def test_good_news_goes_by_itself_unless_it_is_being_read(opened: Open) -> None:
    page = opened("/account")
    page.clock.install()
    page.get_by_role("button", name="Save").first.click()
    page.locator(".toast").hover()
    page.clock.run_for(15_000)
    expect(page.locator(".toast")).to_be_visible()
    page.mouse.move(0, 0)
    page.clock.run_for(5_000)
    expect(page.locator(".toast")).to_have_count(0)


# ---- keyboard


def test_single_keys_search_list_and_lead_elsewhere(opened: Open) -> None:
    page = opened("/admin/users")
    search = page.get_by_role("searchbox").first
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.type("?/gk")
    expect(search).to_have_value("?/gk"), "keys are letters while somebody types"
    search.blur()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    assert not axe_in_both_themes(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("k")
    page.wait_for_url("**/account/keys")


def test_single_keys_can_be_turned_off(opened: Open) -> None:
    page = opened("/admin/users")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Use single-key shortcuts").uncheck()
    page.get_by_role("button", name="Close").click()
    page.reload()
    page.locator("body").press("/")
    expect(page.get_by_role("searchbox").first).not_to_be_focused()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(page.get_by_label("Use single-key shortcuts")).not_to_be_checked()


# ---- times


def test_times_are_in_the_zone_of_the_reader_and_in_utc_on_hover(opened: Open) -> None:
    path = "/admin/users?role=owner"
    plain = opened(path, java_script_enabled=False).locator("tbody time").first
    utc = plain.inner_text()
    assert re.fullmatch(r"\d{1,2} [A-Z][a-z]{2} \d{4}, \d\d:\d\d UTC", utc)
    expect(opened(path).locator("tbody time").first).to_have_text(utc)
    there = opened(path, timezone_id="Pacific/Kiritimati").locator("tbody time").first  # UTC+14
    expect(there).to_have_text(re.compile(r"^\d{1,2} [A-Z][a-z]{2,3} \d{4}, \d\d:\d\d$"))
    assert there.inner_text() != utc.removesuffix(" UTC")
    assert there.get_attribute("title") == plain.get_attribute("title")


# ---- phones

BROKEN_WORD = """() => {
    const range = document.createRange(), found = [];
    for (const cell of document.querySelectorAll("tbody .small, tbody .badge")) {
        range.selectNodeContents(cell);
        if (range.getClientRects().length > 1) found.push(cell.textContent.trim());
    }
    return found;
}"""


def test_rows_of_a_table_are_cards_on_a_phone(opened: Open) -> None:
    page = opened("/admin/users", viewport={"width": 390, "height": 844})
    row = page.locator("tbody tr", has_text="Wilhelmina")
    labels = row.locator("td[data-label]").evaluate_all("cells => cells.map(cell => cell.dataset.label)")
    assert {"Role", "Status", "Created"} <= set(labels)
    width = page.evaluate("innerWidth")
    for cell in row.locator("td, th").all():
        box = cell.bounding_box()
        assert box is None or box["x"] + box["width"] <= width
    assert page.locator(".table").evaluate_all("all => all.every(each => each.scrollWidth <= each.clientWidth)")
    assert not page.evaluate(BROKEN_WORD)
    assert not sideways(page)


# ---- copy buttons

COVERED = """() => [...document.querySelectorAll("[data-copy]")].filter(button => {
    const code = button.parentElement.querySelector("code");
    if (!code || !button.checkVisibility()) return false;
    const a = button.getBoundingClientRect(), b = (code.closest("pre") || code).getBoundingClientRect();
    return a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
}).map(button => button.parentElement.textContent.trim().slice(0, 60))"""


def test_copy_buttons_cover_no_text(opened: Open) -> None:
    page = opened("/account")
    for path in ("/admin/server", "/docs/users", "/docs/operations", "/docs/configuration", "/docs/quickstart"):
        page.goto(path)
        for width in (390, 820, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            covered = page.evaluate(COVERED)
            assert not covered, f"{path} at {width}: {covered}"
