"""The watch itself: what must not happen in a browser is seen when it happens. Pages here are made up, the browser is
real."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from tests.browser.chromium import Pages, Watch, axe, axe_in_both_themes, sideways, tab
from tests.harness import Server

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
GOOD = """<!doctype html><html lang=en><head><title>Good</title><meta name=viewport content="width=device-width"></head>
<body><main><h1>Good</h1><p>Nothing wrong here.</p></main></body></html>"""


def show(page: Page, server: Server, body: str, policy: str = POLICY) -> None:
    """Have the browser load `body` from the server's address, under our policy."""

    def answer(route: Route) -> None:
        route.fulfill(
            status=200, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": policy}, body=body
        )

    page.route(server.url + "/made-up", answer)
    page.goto("/made-up")
    page.unroute(server.url + "/made-up")


def until(page: Page, seen: Callable[[], object]) -> None:
    """Let the browser tell what happened, for a while."""
    for _ in range(1200):
        page.wait_for_timeout(50)
        if seen():
            return


def test_a_good_page_is_not_complained_of(page: Page, server: Server, watch: Watch) -> None:
    show(page, server, GOOD)
    assert axe_in_both_themes(page) == []
    assert watch.seen() == ""


@pytest.mark.parametrize(
    "broken",
    [
        "<script>document.title = 'got in'</script>",
        "<p style='color: red'>styled</p>",
        "<style>p { color: red }</style>",
        "<img src=/favicon.ico alt='' onerror=\"document.title = 'got in'\">",
        "<img src=x alt='' onerror=\"document.title = 'got in'\">",
        "<script src=http://127.0.0.1:9/elsewhere.js></script>",
        "<iframe src=/health title=framed></iframe>",
    ],
)
def test_what_the_policy_refuses_is_counted(page: Page, server: Server, watch: Watch, broken: str) -> None:
    show(page, server, GOOD.replace("<p>", broken + "<p>"))
    until(page, lambda: watch.violations)
    assert watch.violations
    assert page.title() == "Good"
    watch.clear()


def test_what_the_policy_refuses_is_counted_without_javascript(
    page_without_scripts: Page, server: Server, watch: Watch
) -> None:
    show(page_without_scripts, server, GOOD.replace("<p>", "<p style='color: red'>"))
    until(page_without_scripts, lambda: watch.violations)
    assert watch.violations
    watch.clear()


@pytest.mark.parametrize(
    "script", ["throw new Error('lost')", "Promise.reject(new Error('lost'))", "console.error('lost')", "alert('lost')"]
)
def test_errors_of_scripts_are_counted(page: Page, server: Server, watch: Watch, script: str) -> None:
    show(page, server, GOOD.replace("<p>", f"<script>{script}</script><p>"), policy="script-src 'unsafe-inline'")
    until(page, lambda: watch.errors)
    assert "lost" in watch.errors[0]
    watch.clear()


def test_a_script_that_is_not_there_is_counted(page: Page, server: Server, watch: Watch) -> None:
    show(page, server, GOOD.replace("<p>", "<script src=/v1/gone.js></script><p>"))
    until(page, lambda: watch.errors)
    assert watch.errors and "gone.js" in watch.errors[0]
    watch.clear()


def test_a_request_to_another_server_is_counted(page: Page, server: Server, watch: Watch) -> None:
    show(page, server, GOOD.replace("<p>", "<img alt='' src=http://127.0.0.1:9/pixel.gif><p>"), policy="img-src *")
    until(page, lambda: watch.strangers)
    assert watch.strangers and "pixel.gif" in watch.strangers[0]
    watch.clear()


def test_the_rules_of_accessibility_are_applied(page: Page, server: Server) -> None:
    faults = '<img src="data:,"><input name=nameless><p class=pale>pale</p>'
    policy = "style-src 'unsafe-inline'; img-src data:"
    show(
        page,
        server,
        GOOD.replace("<p>", f"<style>.pale {{ color: #bbb; background: #fff }}</style>{faults}<p>"),
        policy,
    )
    found = {line.partition(" ")[0] for line in axe(page)}
    assert found >= {"image-alt", "label", "color-contrast"}


def test_a_fault_in_the_dark_theme_alone_is_found(page: Page, server: Server) -> None:
    style = "<style>@media (prefers-color-scheme: dark) { body { background: #111 } h1, p { color: #333 } }</style>"
    show(page, server, GOOD.replace("</head>", style + "</head>"), policy="style-src 'unsafe-inline'")
    found = axe_in_both_themes(page, dark=True)
    assert found and all(line.startswith("dark: color-contrast") for line in found)


def test_two_browsers_share_nothing(server: Server, new_context: Callable[..., BrowserContext]) -> None:
    one, other = new_context(), new_context()
    one.add_cookies([{"name": "mine", "value": "1", "url": server.url}])
    assert one.cookies() and not other.cookies()


def test_nothing_that_a_test_left_in_a_page_is_there_for_the_next(pages: Pages, server: Server) -> None:
    left = "[{...localStorage}, {...sessionStorage}, matchMedia('(prefers-color-scheme: dark)').matches, innerWidth]"
    page = pages.take()
    page.goto("/account/sign-in")
    before = page.evaluate(left)
    page.evaluate("localStorage.mine = sessionStorage.mine = 1")
    page.context.add_cookies([{"name": "mine", "value": "1", "url": server.url}])
    page.context.new_page()
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 640})
    assert page.evaluate(left) == [{"mine": "1"}, {"mine": "1"}, True, 360]
    pages.sign_out()
    pages.give_back()
    again = pages.take()
    assert again == page and again.context.pages == [page]
    again.goto("/account/sign-in")
    assert again.evaluate(left) == before and again.context.cookies() == []


def test_what_makes_a_phone_scroll_sideways_is_found(page: Page, server: Server) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    show(page, server, GOOD)
    assert sideways(page) == ""
    show(
        page,
        server,
        GOOD.replace("<p>", "<p class=wide>").replace("</head>", "<style>.wide { width: 500px }</style></head>"),
        "style-src 'unsafe-inline'",
    )
    assert "P.wide" in sideways(page)


def test_a_focus_that_cannot_be_seen_is_found(page: Page, server: Server) -> None:
    style = "<style>.none:focus { outline: none } .off { position: absolute; left: -900px }</style>"
    links = "<a href=/1>seen</a> <a href=/2 class=none>unmarked</a> <a href=/3 class=off>outside</a>"
    show(
        page,
        server,
        GOOD.replace("</head>", style + "</head>").replace("<p>", links + "<p>"),
        "style-src 'unsafe-inline'",
    )
    found = [stop[1:] for stop in tab(page, 4)]
    assert found == [("/1", True, True), ("/2", True, False), ("/3", False, True), ("", True, True)]
