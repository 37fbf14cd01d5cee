"""What all pages share, in a real browser: toasts, keyboard shortcuts, local times, tables on a phone, copy buttons."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chromium import axe_in_both_themes, sideways, sign_in, take_session
from tests.browser.conftest import with_and_without_scripts
from tests.browser.population import sign_in_by_form
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_user

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def cookies(server: Server) -> httpx2.Cookies:
    with server.http() as http:
        new_user(http, name="Wilhelmina Featherstonehaugh", email="w.featherstonehaugh@example.com")
    return sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD)


@pytest.fixture
def opened(new_page: Callable[..., Page], server: Server, cookies: httpx2.Cookies) -> Open:
    """A page that the owner has opened in a browser of their own."""

    def open(path: str, page: Page | None = None, **options: object) -> Page:
        page = page or new_page(**options)
        take_session(page.context, cookies, server)
        page.goto(path)
        return page

    return open


# ---- toasts


@with_and_without_scripts
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


def test_good_news_goes_by_itself_unless_it_is_being_read(
    opened: Open, new_context: Callable[..., BrowserContext]
) -> None:
    page = opened("/account", new_context().new_page())
    page.clock.install(time=0)
    page.clock.pause_at(1)  # from here on time passes as this test says
    page.get_by_role("button", name="Save").first.click()
    page.locator(".toast").hover()
    page.clock.run_for(15_000)
    expect(page.locator(".toast")).to_be_visible()
    page.mouse.move(0, 0)
    page.clock.run_for(5_000)
    expect(page.locator(".toast")).to_have_count(0)


def test_the_current_page_is_outlined_where_the_system_chooses_the_colors(
    opened: Open, new_context: Callable[..., BrowserContext]
) -> None:
    page = opened("/admin/users", new_context(forced_colors="active").new_page())
    style = "link => getComputedStyle(link).outlineStyle"
    side = page.get_by_role("navigation", name="Dashboard").locator("a")
    assert {link.evaluate(style) for link in side.all() if link.get_attribute("aria-current")} == {"solid"}
    assert {link.evaluate(style) for link in side.all() if not link.get_attribute("aria-current")} == {"none"}


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
    page.evaluate("document.body.append(Object.assign(document.createElement('input'), {type: 'checkbox', id: 'box'}))")
    page.locator("#box").press("?")
    expect(dialog, "a checkbox takes no letters").to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.type("gk")  # one soon after the other
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


def test_the_palette_leads_to_pages_users_and_the_docs(opened: Open) -> None:
    page = opened("/account")
    palette = page.get_by_role("dialog", name="Go to")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.press("Control+k")
    expect(palette).to_be_visible()
    field = palette.get_by_role("searchbox")
    expect(field).to_be_focused()
    field.press_sequentially("audit")
    expect(palette.locator("ul").get_by_role("link")).to_have_text([re.compile("Audit log"), "Search users for audit"])
    expect(palette.locator("#palette-docs").get_by_role("link").first).to_be_visible()
    assert not axe_in_both_themes(page)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/events")
    page.keyboard.press("Control+k")
    field.fill("rotate a key")
    expect(palette.locator("#palette-docs").get_by_role("link").first).to_contain_text("Rotate a key")
    page.keyboard.press("ArrowDown")
    expect(palette.get_by_role("link", name="Search users for rotate a key")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/docs/keys#rotate-a-key")
    page.keyboard.press("Control+k")
    field.fill("wilhelmina & co")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/users?q=wilhelmina%20%26%20co")
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    expect(palette).to_be_hidden()


def test_a_key_that_is_pasted_into_a_search_is_sent_no_further_than_lists_show_it(opened: Open, server: Server) -> None:
    page, sent = opened("/admin/keys"), list[str]()
    page.on("request", lambda request: sent.append(f"{request.url} {request.headers.get('referer')}"))
    shown = f"{server.key[:8]}…{server.key[-4:]}"
    field = page.get_by_label("Key", exact=True)
    field.focus()
    page.keyboard.insert_text(f"Bearer {server.key}")
    expect(field).to_have_value(f"Bearer {shown}")
    field.clear()
    page.keyboard.insert_text(server.key)
    expect(field).to_have_value(shown)
    page.wait_for_url(f"**/admin/keys?prefix={quote(shown)}")
    expect(page.locator("#keys tbody tr")).to_have_count(1)
    page.keyboard.press("Control+k")
    page.keyboard.insert_text(server.key)
    palette = page.get_by_role("dialog", name="Go to")
    expect(palette.locator("[data-people] a").first).to_contain_text(shown)
    expect(palette.locator("[data-people] a").first).to_contain_text("Owner · API key")
    expect(palette.locator("#palette-docs")).to_have_text("")
    expect(palette.get_by_role("link", name="Search users")).to_be_hidden()
    assert len(sent) >= 3 and not [each for each in sent if server.key[8:16] in each]


def test_the_palette_finds_people_and_offers_what_can_be_done_to_them(opened: Open, server: Server) -> None:
    with server.http() as http:
        made = new_user(http, name="Zoë O'Müller", email="zoe.m@acme.example")
        new_user(http, name="Other Zoe", email="another.zoe.m@acme.example")
        http.post("/v1/groups", json={"name": "Zoë’s group"})
    page = opened("/account")
    palette = page.get_by_role("dialog", name="Go to")
    page.keyboard.press("Control+k")
    field, people = palette.get_by_role("searchbox"), palette.get_by_role("list", name="Users, groups and API keys")
    field.fill("zoe omull")
    expect(people.get_by_role("link")).to_have_text([re.compile("Zoë O'Müller zoe.m@acme.example")])
    field.fill("zoe.m@acme.example")
    found = people.locator("li > a")
    expect(found).to_have_text([re.compile("Zoë O'Müller"), re.compile("Other Zoe")])
    field.fill("zoe's")
    expect(found).to_have_text([re.compile("Zoë’s group Group")])
    field.fill(made["id"])
    expect(found).to_have_text([re.compile("Zoë O'Müller")])
    field.press("ArrowDown")
    expect(found).to_be_focused()
    actions = palette.get_by_role("group", name="Actions for Zoë O'Müller")
    expect(actions.get_by_role("button")).to_have_text(["Suspend", "Create link to set a password"])
    expect(actions.get_by_role("link")).to_have_text(["API keys", "Events"])
    assert not axe_in_both_themes(page)
    page.keyboard.press("ArrowRight")
    expect(actions.get_by_role("button", name="Suspend")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(found).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="Suspend Zoë O'Müller?").get_by_role("button", name="Suspend").press("Enter")
    page.wait_for_url(f"**/admin/users/{made['id']}")
    expect(page.get_by_role("button", name="Activate").first).to_be_visible()
    page.keyboard.press("Control+k")
    field.fill("zoe o'mu")
    expect(found).to_have_text([re.compile("Zoë O'Müller zoe.m@acme.example suspended", re.IGNORECASE)])
    field.press("ArrowDown")
    expect(actions.get_by_role("button")).to_have_text(["Activate"])
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(actions.get_by_role("link", name="API keys")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/admin/users/{made['id']}/keys")


@pytest.mark.parametrize(("role", "status", "names"), [("member", 403, 0), ("viewer", 200, 1)])
def test_the_palette_tells_of_others_whom_it_may_and_offers_what_they_may(
    server: Server, cookies: httpx2.Cookies, role: str, status: int, names: int
) -> None:
    with server.http() as http:
        new_user(http, name="Palette", email=f"palette-{role}@example.com", role=role, password=OWNER_PASSWORD)
    theirs = sign_in_by_form(server, f"palette-{role}@example.com", OWNER_PASSWORD)
    for session, shown in ((theirs, names), (cookies, 1)):
        with server.http(None, cookies=session) as browser:
            answer = browser.get("/admin/people?q=featherstone")
        assert answer.text.count("Wilhelmina Featherstonehaugh <span") == shown
        assert ("Suspend" in answer.text) == (session is cookies)
        assert answer.status_code == (status if session is theirs else 200)


# An answer to `nobody` comes when the test says so, and whether or not anyone still waits for it.
LATE = """() => {
    const real = fetch;
    window.fetch = (url, options) => url.endsWith("nobody") ? new Promise((come) => {
        document.documentElement.dataset.asked = "";
        window.comeLate = () => come(new Response("<ul><li><a href='/'>Late</a></li></ul>"));
    }) : real(url, options);
}"""


def test_nobody_who_was_found_for_an_earlier_text_can_be_chosen(opened: Open) -> None:
    page = opened("/account")
    page.evaluate(LATE)
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Go to")
    field, people = palette.get_by_role("searchbox"), palette.locator("[data-people] > ul")
    field.fill("wilhelmina")
    expect(people).to_contain_text("Wilhelmina")
    field.fill("nobody")
    expect(page.locator("html[data-asked]")).to_have_count(1)
    expect(palette.locator("[data-people][inert]")).to_have_count(1)
    field.press("ArrowDown")
    expect(palette.get_by_role("link", name="Search users for nobody")).to_be_focused()
    field.fill("wilhelmina f")
    expect(palette.locator("[data-people][inert]")).to_have_count(0)
    page.evaluate("comeLate()")
    field.fill("w.feather")
    expect(palette.locator("[data-people][inert]")).to_have_count(0)
    expect(people).to_contain_text("Wilhelmina")
    expect(people).not_to_contain_text("Late")


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


def test_the_first_page_after_signing_in_is_in_the_zone_of_the_reader(new_page: Callable[..., Page]) -> None:
    page = new_page(timezone_id="Asia/Tokyo")
    page.goto("/account/sign-in")
    assert page.context.cookies() == [], "strangers get none"
    with page.expect_response(lambda response: response.url.endswith("/admin")) as answer:
        sign_in(page, OWNER_EMAIL, OWNER_PASSWORD)
    assert "Per hour, times in Asia/Tokyo." in answer.value.text()


@with_and_without_scripts
@pytest.mark.parametrize(("path", "name"), [("/admin/requests", "after"), ("/admin/events", "created_after")])
def test_times_are_filtered_and_plotted_in_the_zone_of_the_rows(
    opened: Open, path: str, name: str, scripts: bool
) -> None:
    page = opened("/account", timezone_id="Asia/Tokyo", java_script_enabled=scripts)
    page.goto(path)
    zone, until = ("Asia/Tokyo", "2023-10-27T10:00") if scripts else ("UTC", "2023-10-27T01:00")
    if path == "/admin/requests":
        page.get_by_text("More filters").click()
    page.get_by_label(f"From ({zone})").fill(until)
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_label(f"From ({zone})")).to_have_value(until)
    page.goto(f"{path}?{name}=2023-10-27T01:00:00Z")
    expect(page.get_by_label(f"From ({zone})")).to_have_value(until)
    page.goto("/admin")
    assert f"Per hour, times in {zone}." in page.content()
    page.goto("/admin/users")
    page.get_by_text("More filters").click()
    expect(page.get_by_label(f"Created from ({zone})")).to_be_visible()


# ---- the user menu


@with_and_without_scripts
def test_the_user_menu_says_who_one_is_and_signs_out(
    server: Server, new_page: Callable[..., Page], scripts: bool
) -> None:
    with server.http() as http:
        user = new_user(http, name="Ada Lovelace", role="admin")
    page = new_page(java_script_enabled=scripts)
    take_session(page.context, sign_in_by_form(server, user["email"], user["password"]), server)
    page.goto("/docs")
    button = page.get_by_role("button", name="User menu: Ada Lovelace")
    expect(button.locator(".avatar")).to_have_attribute("data-initials", "AL")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    button.press("Enter")
    menu = page.locator("#my-menu")
    expect(menu).to_contain_text(f"Ada Lovelace{user['email']}admin")
    if scripts:
        assert not axe_in_both_themes(page)
        page.emulate_media(color_scheme="light")
        menu.get_by_role("button", name="Use the dark theme").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        expect(menu.get_by_role("button", name="Use the light theme")).to_be_visible()
    else:
        assert menu.get_by_role("button").count() == 1
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(button).to_be_focused()
    button.press("Enter")
    menu.get_by_role("button", name="Sign out").press("Enter")
    page.wait_for_url("**/account/sign-in")


# ---- phones

BROKEN_WORD = """() => {
    const range = document.createRange(), found = [];
    for (const cell of document.querySelectorAll("tbody .small, tbody .badge")) {
        range.selectNodeContents(cell);
        if (new Set([...range.getClientRects()].map(box => box.top)).size > 1) found.push(cell.textContent.trim());
    }
    return found;
}"""


@pytest.mark.parametrize("path", ["/admin/events", "/admin/requests", "/account/requests"])
def test_filters_of_a_log_are_folded_away_on_a_phone_only(opened: Open, path: str) -> None:
    page = opened(path, viewport={"width": 390, "height": 844})
    fold = page.locator(".fold > summary")
    filters = page.locator(".filters input[type=search], .filters input[type=datetime-local]")
    expect(filters.first).to_be_hidden()
    box = page.locator("main .table, main .empty").first.bounding_box()
    assert box is not None and box["y"] < 480
    fold.click()
    expect(filters.first).to_be_visible()
    page.goto(f"{path}?{'address' if 'events' in path else 'path'}=x")
    expect(fold).to_have_text("Filters (1)")
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(filters.first).to_be_visible()
    expect(fold).to_be_hidden()


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
    height = "row => row.getBoundingClientRect().height"
    assert row.evaluate(height) <= 110
    page.set_viewport_size({"width": 1440, "height": 900})
    assert row.evaluate(height) <= 48 and not page.evaluate(BROKEN_WORD)


LONG = "x" * 60
OUTSIDE = """() => {
    const range = document.createRange(), found = [];
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const parent = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || parent.closest("pre, select, svg, .numbers, .tab-bar, .one-line, .visually-hidden")) continue;
        const limit = Math.min(parent.closest(".card, .table, .notice, .empty, main").getBoundingClientRect().right, innerWidth) + 1;
        range.selectNodeContents(walker.currentNode);
        const boxes = getComputedStyle(parent).textOverflow === "ellipsis" ? parent.getClientRects() : range.getClientRects();
        if ([...boxes].some(box => box.right > limit)) found.push(walker.currentNode.data.trim().slice(0, 80));
    }
    return found;
}"""


def test_long_names_and_emails_stay_within_their_cards_on_a_phone(opened: Open, server: Server) -> None:
    with server.http() as http:
        user = new_user(
            http,
            name=f"Name{LONG}",
            email=f"{LONG}@{LONG}.example.com",
            external_id=f"crm-{LONG}",
            metadata={LONG: LONG},
        )
        key = http.post("/v1/keys", json={"name": f"Key{LONG}", "user_id": user["id"]}).json()
        own = http.post("/v1/keys", json={"name": f"Key{LONG}"}).json()
        http.get("/v1/users/me", headers={"Authorization": f"Bearer {own['key']}"})
        webhook = http.post("/v1/webhooks", json={"url": "inbox", "description": f"Hook{LONG}"}).json()
        gone = new_user(http, name=f"Gone{LONG}", email=f"gone{LONG}@{LONG}.example.com")
        http.delete(f"/v1/users/{gone['id']}")
        event = http.get("/v1/events", params={"user": user["id"], "type": "user.created"}).json()[0]
    about = f"/admin/users/{user['id']}"
    tabs = [
        about + tab
        for tab in ("", "/delete", "/keys", f"/keys/{key['id']}", "/sessions", "/requests", "/events", "/usage")
    ]
    page = opened("/account", viewport={"width": 390, "height": 844})
    wrong = []
    for path in (
        *tabs,
        "/admin",
        "/admin/users",
        "/admin/users/deleted",
        f"/admin/users/{gone['id']}",
        "/admin/events",
        f"/admin/events/{event['id']}",
        "/admin/webhooks",
        "/account/keys",
        f"/account/keys/{own['id']}",
        "/account/usage",
        "/account/requests",
        f"/admin/webhooks/{webhook['id']}",
        f"/admin/webhooks/{webhook['id']}/deliveries",
    ):
        answer = page.goto(path)
        assert answer and answer.status == 200, path
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        wrong += [f"{path}: {each}" for each in (*page.evaluate(OUTSIDE), sideways(page)) if each]
    assert not wrong, "\n".join(wrong)


# ---- copy buttons

COVERED = """() => [...document.querySelectorAll("[data-copy]")].filter(button => {
    const code = button.parentElement.querySelector("code");
    if (!code || !button.checkVisibility()) return false;
    const a = button.getBoundingClientRect(), labels = button.closest(".tabs")?.querySelectorAll(":scope > label") ?? [];
    return [code.closest("pre") || code, ...labels].map(each => each.getBoundingClientRect()).some(b =>
        a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1);
}).map(button => button.parentElement.textContent.trim().slice(0, 60))"""


def test_copy_buttons_cover_no_text(opened: Open) -> None:
    page = opened("/account")
    for path in ("/admin/server", "/docs/errors", "/docs/operations", "/docs/configuration", "/docs/quickstart"):
        page.goto(path)
        for width in (390, 820, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            covered = page.evaluate(COVERED)
            assert not covered, f"{path} at {width}: {covered}"
