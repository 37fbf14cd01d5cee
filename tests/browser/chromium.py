"""The real browser: how it is started, what is watched in it, and what is asked of every page."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import httpx2
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Request,
    Response,
    ViewportSize,
    WebError,
    sync_playwright,
)

from tests.harness import Server
from tools.programs import ROOT, SetupFailed, find_browser

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLORS = ["color-contrast", "link-in-text-block"]
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
IS_SOAK = bool(os.environ.get("ROLLBOOK_SOAK"))
"""Whether each page is asked about in the dark as well, and again where it is narrow."""
# A page of ours is there in a fraction of a second; the rest is for a machine that is busy.
PATIENCE = 30_000  # ms

# Nothing goes out that a page did not ask for, and nothing pops up. playwright's own flags say most of it once more.
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No page is there for long enough that compiling its scripts a second time, for speed, would pay.
    "--js-flags=--no-opt --no-maglev",
]

# Runs before every page's own scripts. What the policy refuses is told, and so is a script that got in through a name.
WATCHER = """
document.addEventListener("securitypolicyviolation", event =>
    tellTest("violation", `${event.violatedDirective} refused ${event.blockedURI} ${event.sample} at ${event.sourceFile}:${event.lineNumber}`));
window.alert = text => tellTest("alert", String(text));
"""


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium with a profile of its own, gone at the end. Raises SetupFailed."""
    found = find_browser()
    if found is None:
        raise SetupFailed("These tests need Chromium or Chrome. `make test` brings it, or says how.")
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root.
        started = playwright.chromium.launch(executable_path=found, args=FLAGS, chromium_sandbox=os.geteuid() != 0)
        try:
            yield started
        finally:
            started.close()


ON_LOADED_PAGES = {
    Locator: (
        "all all_inner_texts all_text_contents bounding_box check click count dispatch_event evaluate evaluate_all fill "
        "focus get_attribute hover inner_text input_value is_visible press press_sequentially select_option "
        "set_input_files text_content type uncheck"
    ),
    Page: "content eval_on_selector_all evaluate title",
}
"""What nobody does, or reads, before a page is there whole and its scripts have run."""


def wait_for_pages() -> None:
    """A click that leads to another page ends when the answer begins to come in. From then on playwright would take
    half of a page for all of it, and press buttons that no script listens to yet."""
    for kind, names in ON_LOADED_PAGES.items():
        for name in names.split():
            setattr(kind, name, _on_loaded_pages(getattr(kind, name)))


def _on_loaded_pages(action: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(action)
    def waiting(place: Locator | Page, *arguments: Any, **options: Any) -> Any:
        (place if isinstance(place, Page) else place.page).wait_for_load_state()
        return action(place, *arguments, **options)

    return waiting


class Watch:
    """What happened in a context that must not: all of it is empty at the end of a good test."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.violations: list[str] = []
        """What the content security policy refused."""
        self.errors: list[str] = []
        """Errors that no script caught, errors on the console, alerts, and scripts, styles, images and fonts that did
        not come."""
        self.strangers: list[str] = []
        """Addresses elsewhere that were asked for."""

    def over(self, context: BrowserContext) -> None:
        context.expose_binding("tellTest", self._told)
        context.add_init_script(WATCHER)
        context.on("console", self._console)
        context.on("weberror", self._uncaught)
        context.on("request", self._request)
        context.on("response", self._response)

    def seen(self) -> str:
        """All of it, a line each."""
        parts = {"refused by the policy": self.violations, "errors": self.errors, "asked of elsewhere": self.strangers}
        return "\n".join(f"{name}: {each}" for name, found in parts.items() for each in found)

    def clear(self) -> None:
        """Forget: for a test that caused what was seen on purpose, and has looked at it."""
        for found in (self.violations, self.errors, self.strangers):
            found.clear()

    def _told(self, source: dict[str, Any], kind: str, text: str) -> None:
        (self.violations if kind == "violation" else self.errors).append(f"{source['page'].url}: {kind}: {text}")

    def _uncaught(self, error: WebError) -> None:
        self.errors.append(f"{error.page and error.page.url}: {error.error}")

    def _console(self, message: ConsoleMessage) -> None:
        # An answer other than 2xx is written to the console too: what a test expects of a page is for the test to say.
        if message.type == "error" and not message.text.startswith("Failed to load resource: the server responded"):
            refused = "Content Security Policy" in message.text
            (self.violations if refused else self.errors).append(f"{message.page and message.page.url}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.origin + "/", "data:", "blob:", "about:")):
            self.strangers.append(f"{request.frame.url}: {request.method} {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type in (
            "script",
            "stylesheet",
            "image",
            "font",
            "manifest",
        ):
            self.errors.append(f"{response.request.frame.url}: {response.status} {response.url}")


def new_context(browser: Browser, server: Server, watch: Watch, **options: Any) -> BrowserContext:
    """A browser with nothing in it, as of another person; playwright's own options, such as `viewport`, are taken."""
    plain: dict[str, Any] = {
        "base_url": server.url,
        "locale": "en-GB",
        "timezone_id": "UTC",
        "reduced_motion": "reduce",
    }
    context = browser.new_context(**plain | options)
    context.set_default_timeout(PATIENCE)
    watch.over(context)
    return context


class Pages:
    """Pages of browsers with nothing in them, each of another person.

    To start one costs more than most tests do in it. So a page is emptied after a test, and the next test gets it. What
    cannot be taken back is not for these: listeners, routes, permissions, a clock. A test that needs some opens a
    context of its own.
    """

    def __init__(self, browser: Browser, server: Server, watch: Watch) -> None:
        self._new_context = functools.partial(new_context, browser, server, watch)
        self._free: dict[str, list[Page]] = {}
        self._taken: list[tuple[str, Page, ViewportSize | None]] = []

    def take(self, **options: Any) -> Page:
        """One that nobody has; the options are those of a context."""
        kind = repr(sorted(options.items()))
        free = self._free.setdefault(kind, [])
        page = free.pop() if free else self._new_context(**options).new_page()
        self._taken.append((kind, page, page.viewport_size))
        return page

    def sign_out(self) -> None:
        """Nobody is signed in any longer on those that were taken. All that happened on them has been told by then."""
        for _, page, _ in self._taken:
            page.context.clear_cookies()

    def give_back(self) -> None:
        for kind, page, size in self._taken:
            for other in page.context.pages:
                if other != page:
                    other.close()
            # A page of ours without scripts, so that there is somewhere to empty the storage.
            try:
                page.goto("/robots.txt")
            except Error as problem:  # a script of the page was about to go elsewhere
                if "ERR_ABORTED" not in str(problem):
                    raise
                page.goto("/robots.txt")
            page.evaluate("localStorage.clear(); sessionStorage.clear()")
            page.emulate_media(color_scheme="light")
            if size and page.viewport_size != size:
                page.set_viewport_size(size)
            self._free[kind].append(page)
        self._taken.clear()

    def close(self) -> None:
        for page in itertools.chain(*self._free.values()):
            page.context.close()


def sign_in(page: Page, email: str, password: str) -> None:
    """By the form, as a person does, and wait for the page behind it."""
    page.goto("/account/sign-in")
    form = page.locator("form", has=page.locator("input[name=password]"))
    form.locator("input[name=email]").fill(email)
    form.locator("input[name=password]").fill(password)
    with page.expect_response(
        lambda response: response.request.method == "POST" and "/account/sign-in" in response.url
    ) as answer:
        form.locator("button[type=submit], button:not([type]), input[type=submit]").first.click()
    assert answer.value.status == 303, f"signing in as {email} was answered with {answer.value.status}"
    page.wait_for_url(lambda url: "/account/sign-in" not in url)


def take_session(context: BrowserContext, cookies: httpx2.Cookies, server: Server) -> None:
    """Be signed in as somebody who did it without a browser: by the form in every test would be most of what they
    do."""
    context.add_cookies([{"name": each.name, "value": str(each.value), "url": server.url} for each in cookies.jar])


@functools.cache
def axe_script() -> str:
    """axe itself; where each page is to be asked about, it costs least as a script of the context. Raises
    SetupFailed."""
    if not AXE.exists():
        raise SetupFailed("The accessibility rules of the browser tests are not there: npm ci --ignore-scripts")
    return AXE.read_text()


def axe(page: Page, *, colors: bool = True, all_else: bool = True) -> list[str]:
    """What axe has against the page as it stands now: WCAG 2.2 A and AA and best practice, a line for each element."""
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(axe_script())
    options = {
        "runOnly": {"type": "tag", "values": RULES} if all_else else {"type": "rule", "values": COLORS},
        "rules": {} if colors else {name: {"enabled": False} for name in COLORS},
        "resultTypes": ["violations"],
    }
    found = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {' '.join(map(str, node['target']))}: "
        f"{' '.join(node['failureSummary'].split())}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def axe_in_both_themes(page: Page, dark: bool = IS_SOAK) -> list[str]:
    """As `axe`, in light, and in `make soak` in dark; each line begins with the theme.

    Between the two only colors differ, so dark is asked about those.
    """
    found = []
    for theme in THEMES if dark else THEMES[:1]:
        page.emulate_media(color_scheme=theme)
        found += [f"{theme}: {each}" for each in axe(page, all_else=theme == "light")]
    return found


def sideways(page: Page) -> str:
    """By how much the page can be moved sideways, and what sticks out; empty when it cannot."""
    moved, wide = page.evaluate(
        """() => {
            scrollTo(1000, scrollY);
            const wide = [...document.querySelectorAll('body *')].filter(each => each.getBoundingClientRect().right + scrollX > innerWidth + 1);
            return [scrollX, wide.slice(0, 5).map(each => each.tagName + '.' + each.className)];
        }"""
    )
    return f"{moved} px, {wide}" if moved else ""


def transferred(page: Page, path: str) -> dict[str, int]:
    """Bytes that went over the network for a page and all that it needs, headers too, by path; none of what the browser
    had kept."""
    sizes: dict[str, int] = {}
    addresses: dict[str, str] = {}
    devtools = page.context.new_cdp_session(page)
    devtools.on(
        "Network.responseReceived", lambda event: addresses.update({event["requestId"]: event["response"]["url"]})
    )
    devtools.on(
        "Network.loadingFinished", lambda event: sizes.update({event["requestId"]: int(event["encodedDataLength"])})
    )
    devtools.send("Network.enable")
    page.goto(path, wait_until="networkidle")
    devtools.detach()
    return {urlsplit(addresses[request]).path: size for request, size in sizes.items() if size}


class Focus(NamedTuple):
    """Where the keyboard is. `element` and `href` are empty when it is nowhere."""

    element: str
    href: str
    is_in_sight: bool
    is_shown: bool


def tab(page: Page, times: int) -> list[Focus]:
    """Press Tab so often; what had the focus after each of them, and whether a person sees that."""
    page.evaluate(NOTE_FOCUS)
    for _ in range(times + 1):  # it is noted when the key comes down again: by then the page has been scrolled
        page.keyboard.down("Tab")
    page.keyboard.up("Tab")
    return [Focus(*each) for each in page.evaluate("window.seenByTest.slice(1)")]


NOTE_FOCUS = """() => {
    const note = () => {
        const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
        if (element === document.body) return ['', '', true, true];
        // In a field for a date the browser itself marks the part that has the focus.
        const parts = element.matches('[type=date], [type=time], [type=datetime-local]');
        const drawn = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== 'none';
        const inside = box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
        return [element.outerHTML.slice(0, 120), element.getAttribute('href') || '', inside, drawn || parts];
    };
    window.seenByTest = [];
    addEventListener('keydown', event => event.key === 'Tab' && seenByTest.push(note()), true);
}"""
