"""People who sign in to programs of others, in a browser: each with another factor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2
from playwright.sync_api import Browser, Page, Route

from tests.browser.chromium import PATIENCE
from tests.browser.test_passkeys import Device, fill, register
from tests.factors import App, enrolled
from tests.harness import Server, new_user

HERE = ("localhost", "127.0.0.1", None)


class Factor(NamedTuple):
    """`add` to an account; then `sign_in` on the page that asks for it. `methods` are what applications are told."""

    methods: list[str]
    add: Callable[[httpx2.Client, Page, dict[str, Any]], Any]
    sign_in: Callable[[Page, dict[str, Any], Any], None]


def _add_passkey(http: httpx2.Client, page: Page, user: dict[str, Any]) -> None:
    Device(page)
    fill(page, user)
    register(page)
    page.context.clear_cookies()


def _by_password(page: Page, user: dict[str, Any], app: App | None) -> None:
    page.get_by_label("Email").fill(user["email"])
    page.get_by_label("Password", exact=True).fill(user["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    if app is not None:
        page.get_by_label("Code").fill(app.code())
        page.get_by_role("button", name="Continue").click()


FACTORS = {
    "password": Factor(["pwd"], lambda http, page, user: None, _by_password),
    "code": Factor(["pwd", "otp", "mfa"], lambda http, page, user: enrolled(http, user["id"]), _by_password),
    "passkey": Factor(
        ["hwk", "mfa"],
        _add_passkey,
        lambda page, user, added: page.get_by_role("button", name="Sign in with a passkey").click(),
    ),
}


class Person(NamedTuple):
    name: str
    """Of their factor."""
    user: dict[str, Any]
    page: Page
    added: Any

    @property
    def methods(self) -> list[str]:
        return FACTORS[self.name].methods

    def sign_in(self) -> None:
        """On the page of ours that their browser was sent to."""
        FACTORS[self.name].sign_in(self.page, self.user, self.added)


def people(browser: Browser, server: Server, http: httpx2.Client) -> Iterator[Person]:
    """One for each factor, with a browser of their own, which asks nothing of other machines."""
    for name, factor in FACTORS.items():
        strangers: list[str] = []

        def refuse(route: Route, strangers: list[str] = strangers) -> None:
            strangers.append(route.request.url)
            route.abort()

        context = browser.new_context(base_url=server.url, locale="en-GB")
        context.set_default_timeout(PATIENCE)
        context.route(lambda url: urlsplit(url).hostname not in HERE, refuse)
        try:
            user, page = new_user(http), context.new_page()
            yield Person(name, user, page, factor.add(http, page, user))
        finally:
            context.close()
        assert not strangers, strangers
