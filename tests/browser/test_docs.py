"""The guide in a real browser: languages, requests tried from the page, one's own key, search."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium import axe_in_both_themes, take_session
from tests.browser.population import sign_in_by_form
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server

# What a page can keep, and what is written in it: nowhere there may a key be. Fields hold it as their value, which is
# none of these.
KEPT = (
    "() => document.documentElement.outerHTML + JSON.stringify([{...localStorage}, {...sessionStorage}, "
    "document.cookie, history.state, location.href])"
)


def example(page: Page, number: int = 0) -> Locator:
    return page.locator(".example").nth(number)


def opened(page: Page, number: int = 0) -> Locator:
    """The form that tries an example."""
    place = shown(page, number)
    place.get_by_role("button", name="Try it").click()
    return place.locator("form")


def shown(page: Page, number: int) -> Locator:
    """An example, which may have to be opened first: of several in one panel, one is."""
    place = example(page, number)
    if not place.is_visible():
        place.locator("xpath=ancestor::details").locator("> summary").click()
    return place


def code(place: Locator) -> str:
    return place.locator(".panel code").locator("visible=true").inner_text()


# ---- languages


def test_languages_are_chosen_without_scripts(page_without_scripts: Page) -> None:
    page = page_without_scripts
    page.goto("/docs/users")
    place = example(page)
    assert code(place).startswith("curl")
    place.get_by_text("Python", exact=True).click()
    assert code(place).startswith("import os")
    place.get_by_role("radio", name="Python").press("ArrowRight")
    assert code(place).startswith("const answer")
    # What needs scripts does not show.
    expect(page.get_by_role("button", name="Try it")).to_have_count(0)


def test_a_language_that_was_chosen_is_shown_everywhere_and_next_time(page: Page) -> None:
    page.goto("/docs/users")
    example(page).get_by_text("JavaScript", exact=True).click()
    assert code(shown(page, 1)).startswith("const answer")
    page.goto("/docs/keys")
    assert code(example(page)).startswith("const answer")


# ---- try it


def test_a_request_is_sent_and_its_answer_shown_the_body_before_the_limits_and_other_headers(
    page: Page, server: Server
) -> None:
    page.goto("/docs/users")
    form = opened(page)
    assert form.get_by_label("Path").input_value() == "/v1/users"
    form.get_by_label("API key").fill(server.key)
    form.get_by_label("Body").fill('{"name": "Trudy", "email": "trudy@example.com", "password": "securepassword123"}')
    form.get_by_role("button", name="Send").click()
    expect(form.locator(".try-answer .badge")).to_have_text("201 Created")
    assert form.locator(".try-answer > *").nth(1).locator("pre").is_visible()
    expect(form.locator(".try-fields")).to_be_hidden()
    form.get_by_text("response headers").click()
    fields = form.locator(".try-fields dt").all_inner_texts()
    assert [name.lower() for name in fields[:5]] == [
        "ratelimit",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
        "ratelimit-policy",
    ]
    assert '"email": "trudy@example.com"' in form.locator(".try-answer pre").inner_text()
    with server.http() as http:
        assert http.get("/v1/users", params={"email": "trudy@example.com"}).json()[0]["name"] == "Trudy"
    # A form opened later has the key already.
    assert opened(page, 1).get_by_label("API key").input_value() == server.key


def test_a_refusal_is_shown_with_its_body_and_text_from_the_server_stays_text(page: Page, server: Server) -> None:
    page.goto("/docs/users")
    form = opened(page)
    form.get_by_role("button", name="Send").click()
    expect(form.locator(".try-answer .badge")).to_have_text("401 Unauthorized")
    assert "missing_key" in form.locator(".try-answer pre").inner_text()
    form.get_by_label("API key").fill(server.key)
    form.get_by_label("Body").fill(
        '{"name": "<img src=x onerror=alert(1)>", "email": "img@example.com", "password": "securepassword123"}'
    )
    form.get_by_role("button", name="Send").click()
    expect(form.locator(".try-answer .badge")).to_have_text("201 Created")
    assert "<img src=x" in form.locator(".try-answer pre").inner_text()
    assert page.locator(".try-answer img").count() == 0


def test_a_request_is_sent_without_the_session_and_to_this_server_only(page: Page, server: Server) -> None:
    take_session(page.context, sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD), server)
    page.goto("/docs/users")
    form = opened(page)
    with page.expect_request("**/v1/users") as sent:
        form.get_by_role("button", name="Send").click()
    assert "cookie" not in sent.value.all_headers() and "authorization" not in sent.value.all_headers()
    form.get_by_label("Path").fill("https://evil.example/v1/users")
    form.get_by_role("button", name="Send").click()
    expect(form.locator(".try-answer")).to_contain_text("another server")


def test_the_form_is_usable_by_everybody(page: Page) -> None:
    page.goto("/docs/users")
    page.get_by_role("button", name="Try it").first.press("Enter")
    expect(example(page).get_by_label("API key")).to_be_focused()
    assert axe_in_both_themes(page) == []


def test_examples_get_the_readers_own_ids_and_ask_before_they_delete(page: Page, server: Server) -> None:
    with server.http() as http:
        own, keys = http.get("/v1/users/me").json(), http.get("/v1/keys").json()
    page.goto("/docs/users#get-a-user")
    get = page.locator('[data-try][data-method="GET"][data-path*="/v1/users/user_"]').first
    get.get_by_role("button", name="Try it").click()
    form = get.locator("form")
    form.get_by_label("API key").fill(server.key)
    form.get_by_label("API key").blur()
    expect(form.get_by_label("Path")).to_have_value(re.compile(own["id"]))
    form.get_by_role("button", name="Send").click()
    expect(form.locator(".try-answer .badge")).to_have_text("200 OK")
    delete = page.locator('[data-try][data-method="DELETE"]').first
    example_id = str(delete.get_attribute("data-path"))
    delete.get_by_role("button", name="Try it").click()
    expect(delete.locator("form").get_by_label("Path")).to_have_value(example_id)
    delete.get_by_role("button", name="Send").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"DELETE {example_id}")
    dialog.get_by_role("button", name="Cancel").click()
    expect(delete.locator(".try-answer .badge")).to_have_count(0)
    delete.get_by_role("button", name="Send").click()
    page.get_by_role("dialog").get_by_role("button", name="Send").click()
    expect(delete.locator(".try-answer .badge")).to_have_text("404 Not Found")
    assert keys[0]["id"] not in example_id


def test_of_several_examples_of_a_call_one_is_open_also_without_scripts(page_without_scripts: Page) -> None:
    page = page_without_scripts
    page.goto("/docs/users")
    variants = page.locator(".variant")
    expect(variants.nth(0).locator(".example")).to_be_visible()
    other = variants.nth(1)
    other.locator("> summary").click()
    expect(other.locator(".example")).to_be_visible()
    expect(variants.nth(0).locator(".example")).to_be_hidden()


def test_on_a_phone_the_table_of_contents_is_a_drawer_without_scripts_too(new_page: Callable[..., Page]) -> None:
    page = new_page(java_script_enabled=False, viewport={"width": 390, "height": 800})
    page.goto("/docs/users")
    contents = page.get_by_role("navigation", name="Docs")
    expect(contents).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    contents.get_by_role("link", name="Webhooks", exact=True).click()
    page.wait_for_url("**/docs/webhooks")
    page.get_by_role("link", name="Next").click()
    page.wait_for_url("**/docs/follow")


# ---- one's own key


def test_ones_own_key_is_filled_in_after_a_proof_and_is_nowhere_else(page: Page, server: Server) -> None:
    take_session(page.context, sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD), server)
    page.goto("/docs/keys")
    other, form = opened(page, 1), opened(page)
    form.get_by_text("Use my key").click()
    expect(form.get_by_label("Saved key")).to_contain_text(server.key[-4:])
    try:
        server.pass_time(601)
        form.get_by_role("button", name="Fill in").click()
        confirm = form.get_by_role("alert").get_by_role("link", name="Confirm that it’s you")
        expect(confirm).to_have_attribute("href", "/account/confirm?next=%2Fdocs%2Fkeys")
        assert form.get_by_label("API key").input_value() == ""
    finally:
        server.pass_time(0)
    form.get_by_role("button", name="Fill in").click()
    expect(form.get_by_label("API key")).to_have_value(server.key)
    expect(other.get_by_label("API key")).to_have_value(server.key)
    kept = page.evaluate(KEPT)
    assert server.key not in kept
    other.get_by_role("button", name="Send").click()
    expect(other.locator(".try-answer .badge")).to_have_text("200 OK")
    # It is gone with the page.
    page.reload()
    assert opened(page).get_by_label("API key").input_value() == ""


def test_a_key_stays_from_page_to_page_of_the_docs_and_is_nowhere_but_in_memory(page: Page, server: Server) -> None:
    page.goto("/docs/keys")
    opened(page).get_by_label("API key").fill(server.key)
    page.get_by_role("navigation", name="Docs").get_by_role("link", name="Sessions", exact=True).click()
    page.wait_for_url("**/docs/sessions")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sessions")
    expect(page).to_have_title("Sessions · Rollbook")
    expect(page.get_by_role("main")).to_be_focused()
    form = opened(page)
    assert form.get_by_label("API key").input_value() == server.key
    form.get_by_role("button", name="Send").click()
    expect(form.locator(".try-answer .badge")).to_have_text(re.compile("^20[01] "))
    assert axe_in_both_themes(page) == []
    page.get_by_role("searchbox", name="Search the docs").fill("rotate a key")
    page.keyboard.press("Enter")
    page.wait_for_url("**/docs/search?q=rotate+a+key")
    page.locator(".docs-article").get_by_role("link", name="Rotate a key").click()
    page.wait_for_url("**/docs/keys#rotate-a-key")
    expect(page.get_by_role("heading", name="Rotate a key")).to_be_in_viewport()
    page.go_back()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sessions")
    assert opened(page).get_by_label("API key").input_value() == server.key
    assert server.key not in page.evaluate(KEPT)
    page.goto("/account/sign-in")
    page.go_back()
    assert opened(page).get_by_label("API key").input_value() == "", "it is gone once the docs are left"


def test_who_is_not_signed_in_is_not_offered_a_key(page: Page) -> None:
    page.goto("/docs/keys")
    expect(opened(page).get_by_text("Use my key")).to_have_count(0)


def test_a_session_that_ended_is_said(page: Page, server: Server) -> None:
    take_session(page.context, sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD), server)
    page.goto("/docs/keys")
    form = opened(page)
    page.context.clear_cookies()
    form.get_by_text("Use my key").click()
    expect(form.get_by_role("alert")).to_contain_text("Sign in again")


# ---- search


def test_the_guide_is_searched_without_scripts(page_without_scripts: Page) -> None:
    page = page_without_scripts
    page.goto("/docs")
    page.get_by_role("searchbox", name="Search the docs").fill("overlap rotate")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Rotate a key").click()
    assert page.url.endswith("/docs/keys#rotate-a-key")
    expect(page.get_by_role("heading", name="Rotate a key")).to_be_in_viewport()


def test_results_show_while_somebody_types_and_are_reached_by_keyboard(page: Page) -> None:
    page.goto("/docs/limits")
    field = page.get_by_role("searchbox", name="Search the docs")
    field.fill("rotate a k")  # at once: what is found for each letter could take the focus away when it comes late
    first = page.locator("#docs-found").get_by_role("link").first
    expect(first).to_contain_text("Rotate a key")
    assert axe_in_both_themes(page) == []
    field.press("ArrowDown")
    expect(first).to_be_focused()
    first.press("ArrowDown")
    expect(page.locator("#docs-found").get_by_role("link").nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(field).to_be_focused()
    field.press("Tab")
    expect(first).to_be_focused()
    first.press("Enter")
    page.wait_for_url("**/docs/keys#rotate-a-key")


# Points of the results that show something else, and whether the results lie over what could cover them.
COVERED = """list => {
    const frame = list.getBoundingClientRect();
    const points = [];
    for (let x = frame.left + 12; x < frame.right - 12; x += 40)
        for (let y = frame.top + 12; y < Math.min(frame.bottom, innerHeight) - 12; y += 20) points.push([x, y]);
    const overlaps = each => {
        const box = each.getBoundingClientRect();
        return box.left < frame.right && box.right > frame.left && box.top < frame.bottom && box.bottom > frame.top;
    };
    return {
        covered: points.filter(point => !list.contains(document.elementFromPoint(...point))),
        points: points.length,
        over: [".terms", ".tabs", ".code"].filter(name => [...document.querySelectorAll(`.docs-article ${name}`)].some(overlaps)),
    };
}"""


def test_results_lie_over_lists_tabs_and_code_and_get_their_clicks(page: Page) -> None:
    places = ((1280, 800, "users#list-users"), (1440, 900, "users#the-user-object"), (390, 844, "quickstart"))
    for width, height, place in places:
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"/docs/{place}")
        page.get_by_role("searchbox", name="Search the docs").fill("forgot password")
        results = page.locator("#docs-found")
        expect(results.get_by_role("link").first).to_be_visible()
        found = results.evaluate(COVERED)
        assert found["points"] > 100 and found["over"], (width, found)
        assert found["covered"] == [], (width, found)
        last = results.get_by_role("link").last
        last.scroll_into_view_if_needed()
        target = last.get_attribute("href") or ""
        box = last.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
        page.wait_for_url(f"**{target}")
