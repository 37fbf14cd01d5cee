"""Fixtures of the browser tests: one browser, a real server for each module, pages that are watched."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser import chromium
from tests.browser.chromium import IS_SOAK, PATIENCE, Pages, Watch
from tests.harness import Server, running

# Of pages and sign-ins; what these limits do is tested where they are set.
NO_LIMITS = {
    "ROLLBOOK_ATTEMPTS_LIMIT": "none",
    "ROLLBOOK_ADDRESS_ATTEMPTS_LIMIT": "none",
    "ROLLBOOK_PAGE_LIMIT": "none",
}


with_and_without_scripts = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
"""`make test` runs the first, `make soak` the second."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make soak` runs what needs no scripts without them, and what `make test` has run only where dark pages are looked
    at, too."""
    ours = [each for each in items if each.path.parent == Path(__file__).parent and isinstance(each, pytest.Function)]
    left = {each for each in ours if not _runs(each)}
    config.hook.pytest_deselected(items=list(left))
    items[:] = [each for each in items if each not in left]


def _runs(test: pytest.Function) -> bool:
    has_scripts = not hasattr(test, "callspec") or test.callspec.params.get("scripts", True)
    return has_scripts is not IS_SOAK or (IS_SOAK and "axe_in_both_themes" in inspect.getsource(test.function))


expect.set_options(timeout=PATIENCE)  # 5 s where nobody says so
chromium.wait_for_pages()


# As long as this folder's tests and no longer: while it is there, playwright's event loop counts as the running one of
# this thread.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium.browser() as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker, limits wide enough for a module's worth of pages and sign-ins, everything else as shipped."""
    with running(
        tmp_path_factory.mktemp("server") / "data",
        "--rate-limit",
        "1000000/minute,10000000/hour",
        "--unauthenticated-limit",
        "1000000/minute",
        environment=NO_LIMITS,
    ) as server:
        yield server


@pytest.fixture(scope="module")
def watch(server: Server) -> Watch:
    """What happened in a test's pages that must not. A test that causes some of it looks, then calls `clear`."""
    return Watch(server.url)


@pytest.fixture(scope="module")
def pages(browser: Browser, server: Server, watch: Watch) -> Iterator[Pages]:
    made = Pages(browser, server, watch)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def nothing_wrong_in_the_browser(server: Server, watch: Watch, pages: Pages) -> Iterator[None]:
    """After every test: the policy refused nothing, no script failed, nothing was asked of another server."""
    yield
    pages.sign_out()
    seen = watch.seen()
    pages.give_back()
    watch.clear()
    watch.origin = server.url
    assert not seen, seen


@pytest.fixture
def new_context(
    browser: Browser, server: Server, watch: Watch, nothing_wrong_in_the_browser: None
) -> Iterator[Callable[..., BrowserContext]]:
    """Starts browsers with nothing in them, as of another person, for this test alone: it may change in them whatever
    it likes.

    Playwright's own options, such as `viewport`, are taken.
    """
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        context = chromium.new_context(browser, server, watch, **options)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def new_page(pages: Pages, nothing_wrong_in_the_browser: None) -> Callable[..., Page]:
    """A page of a browser with nothing in it, as of another person, for what `Pages` are good for: most tests."""
    return pages.take


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A page of a browser with nothing in it, nobody signed in."""
    return new_page()


@pytest.fixture
def page_without_scripts(new_page: Callable[..., Page]) -> Page:
    """The same with JavaScript switched off."""
    return new_page(java_script_enabled=False)
