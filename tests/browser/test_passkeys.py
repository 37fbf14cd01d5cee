"""Second factors in a real browser: passkeys by its virtual authenticator, codes, and the same without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from playwright.sync_api import BrowserContext, CDPSession, Error, Page, expect

from tests.browser.chromium import axe_in_both_themes, sideways
from tests.browser.conftest import with_and_without_scripts
from tests.factors import App, enrolled
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_user

New = Callable[..., BrowserContext]


class Device:
    """An authenticator of a browser, with the fingers of its person."""

    def __init__(self, page: Page, **options: Any) -> None:
        self.devtools: CDPSession = page.context.new_cdp_session(page)
        self.devtools.send("WebAuthn.enable")
        usual = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = self.devtools.send("WebAuthn.addVirtualAuthenticator", {"options": usual | options})
        self.id = made["authenticatorId"]

    def keys(self) -> list[dict[str, Any]]:
        return self.devtools.send("WebAuthn.getCredentials", {"authenticatorId": self.id})["credentials"]

    def take(self, key: dict[str, Any]) -> None:
        self.devtools.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": key})

    def forget(self) -> None:
        self.devtools.send("WebAuthn.clearCredentials", {"authenticatorId": self.id})

    def recognizes(self, person: bool) -> None:
        self.devtools.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": person})


@pytest.fixture
def origin(server: Server, watch: Any) -> str:
    """The name under which browsers have passkeys for this machine."""
    watch.origin = f"http://localhost:{server.port}"
    return watch.origin


@pytest.fixture
def page(new_context: New, origin: str) -> Page:
    return new_context(base_url=origin).new_page()


def fill(page: Page, user: dict[str, Any], path: str = "/account/sign-in") -> None:
    page.goto(path)
    page.get_by_label("Email").fill(user["email"])
    page.get_by_label("Password", exact=True).fill(user["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page).to_have_url(re.compile("/account/sign-in"))


def register(page: Page, name: str = "Laptop") -> None:
    page.goto("/account/security")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create passkey").click()
    expect(page).to_have_url(re.compile("/account/security(/codes)?$"))


def is_looked_at(page: Page, path: str) -> None:
    """Everybody can use it: no fault that axe finds, and it fits a phone."""
    assert axe_in_both_themes(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert sideways(page) == ""
    page.set_viewport_size({"width": 1280, "height": 720})


def test_a_passkey_is_made_and_signs_in_alone_and_after_the_password(
    page: Page, http: httpx2.Client, user: dict
) -> None:
    device = Device(page)
    fill(page, user)
    register(page, "Laptop <b>")
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    is_looked_at(page, "codes")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "recovery-codes.txt"
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("rowheader", name="Laptop <b>")).to_be_visible()
    is_looked_at(page, "security")

    sign_out(page)
    is_looked_at(page, "sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(re.compile("/account$"))
    assert device.keys()[0]["signCount"] == 2

    sign_out(page)
    fill(page, user, "/account/sign-in?next=/account/keys")
    expect(page.get_by_role("heading", name="Confirm that it’s you")).to_be_visible()
    is_looked_at(page, "second step")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(re.compile("/account/keys$"))
    [factor] = http.get(f"/v1/users/{user['id']}/second-factors").json()["second_factors"]
    assert factor["kind"] == "passkey" and factor["last_used_at"]


def test_a_device_makes_one_passkey_for_an_account(page: Page, user: dict) -> None:
    Device(page)
    fill(page, user)
    register(page)
    page.goto("/account/security/passkey")
    page.get_by_role("button", name="Create passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("already has a passkey")


def test_a_copy_of_a_passkey_is_refused(page: Page, new_context: New, origin: str, user: dict) -> None:
    device = Device(page)
    fill(page, user)
    register(page)
    copied = device.keys()[0]
    sign_out(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(re.compile("/account$"))
    thief = new_context(base_url=origin).new_page()
    Device(thief).take(copied)
    thief.goto("/account/sign-in")
    thief.get_by_role("button", name="Sign in with a passkey").click()
    expect(thief.get_by_role("alert").first).to_contain_text("This passkey was not accepted")


def test_a_device_that_does_not_recognize_its_person_signs_nobody_in(page: Page, user: dict) -> None:
    device = Device(page)
    fill(page, user)
    register(page)
    sign_out(page)
    device.recognizes(False)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("No passkey was used")
    device.recognizes(True)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(re.compile("/account$"))


def test_another_site_gets_no_passkey_of_this_one(
    page: Page, new_context: New, server: Server, watch: Any, user: dict
) -> None:
    device = Device(page)
    fill(page, user)
    register(page)
    sign_out(page)
    options = page.locator("[data-passkey]").get_attribute("data-options")
    key = device.keys()[0]
    watch.origin = f"http://rollbook.localhost:{server.port}"
    elsewhere = new_context(base_url=watch.origin).new_page()
    Device(elsewhere).take(key)
    elsewhere.goto("/account/sign-in")
    with pytest.raises(Error, match="SecurityError"):
        elsewhere.evaluate(
            """text => { const publicKey = JSON.parse(text);
            publicKey.challenge = new Uint8Array(8); return navigator.credentials.get({ publicKey }); }""",
            options,
        )
    elsewhere.get_by_role("button", name="Sign in with a passkey").click()
    expect(elsewhere.get_by_role("alert")).to_contain_text("No passkey was used")


def test_a_passkey_is_asked_for_before_what_is_sensitive(page: Page, server: Server, user: dict) -> None:
    Device(page)
    fill(page, user)
    register(page)
    try:
        server.pass_time(601)
        page.goto("/account/keys/new")
        page.get_by_label("Name").fill("deploy")
        page.get_by_role("button", name="Create key").click()
        expect(page.get_by_role("heading", name="Confirm that it’s you")).to_be_visible()
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_role("heading", name="Your new API key")).to_be_visible()
    finally:
        server.pass_time(0)


@with_and_without_scripts
def test_an_authenticator_app_is_set_up_and_asked_for(
    new_context: New, origin: str, http: httpx2.Client, scripts: bool
) -> None:
    user = new_user(http)
    page = new_context(base_url=origin, java_script_enabled=scripts).new_page()
    fill(page, user)
    page.goto("/account/security")
    page.get_by_role("button", name="Add an authenticator app").click()
    expect(page.get_by_role("img", name="QR code for your authenticator app")).to_be_visible()
    app = App((page.locator(".copyable code").text_content() or "").replace(" ", ""))
    if scripts:
        is_looked_at(page, "app")
    page.get_by_role("textbox", name="Code").fill(app.wrong())
    page.get_by_role("button", name="Activate").click()
    expect(page.locator("#field-code-problem")).to_contain_text("The code is incorrect")
    page.get_by_role("textbox", name="Code").fill(app.code())
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    recovery = (page.locator("pre").text_content() or "").split()[0]
    expect(page.get_by_role("button", name="Print")).to_be_visible(visible=scripts)
    page.get_by_role("link", name="Done").click()
    page.locator("summary", has_text="Rename").click()
    page.get_by_role("textbox", name="Name").fill("  ")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("alert").get_by_role("link").click()
    expect(page.get_by_role("textbox", name="Name")).to_be_focused()
    page.get_by_role("textbox", name="Name").fill("Aegis")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("rowheader", name="Aegis")).to_be_visible()
    sign_out(page)
    fill(page, user)
    expect(page.get_by_role("button", name="Use a passkey")).to_have_count(0)
    page.get_by_role("textbox", name="Code").fill(app.wrong())
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#field-code-problem")).to_contain_text("The code is incorrect")
    page.get_by_role("textbox", name="Code").fill(app.code())
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile("/account$"))
    sign_out(page)
    fill(page, user)
    page.get_by_role("textbox", name="Code").fill(recovery.upper())
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile("/account$"))


def test_without_scripts_no_passkey_is_offered_and_codes_work(
    new_context: New, page: Page, origin: str, http: httpx2.Client, user: dict
) -> None:
    Device(page)
    fill(page, user)
    register(page)
    recovery = (page.locator("pre").text_content() or "").split()[0]
    plain = new_context(base_url=origin, java_script_enabled=False).new_page()
    fill(plain, user)
    expect(plain.get_by_role("button", name="Use a passkey")).to_be_hidden()
    plain.get_by_label("Recovery code").fill(recovery)
    plain.get_by_role("button", name="Continue").click()
    expect(plain).to_have_url(re.compile("/account$"))
    plain.goto("/account/security/passkey")
    expect(plain.get_by_text("Passkeys need JavaScript.")).to_be_visible()
    expect(plain.get_by_role("button", name="Create passkey")).to_be_hidden()


def test_an_admin_lifts_somebodys_factors(page: Page, http: httpx2.Client, user: dict) -> None:
    enrolled(http, user["id"])
    fill(page, {"email": OWNER_EMAIL, "password": OWNER_PASSWORD})
    page.goto(f"/admin/users/{user['id']}")
    page.get_by_role("button", name="Lift second factors").click()
    page.get_by_role("dialog").get_by_role("button", name="Lift second factors").click()
    expect(page.get_by_text("Second factors lifted.")).to_be_visible()
    expect(page.get_by_role("button", name="Lift second factors")).to_have_count(0)
    page.get_by_role("button", name="User menu").click()
    sign_out(page)
    fill(page, user)
    expect(page).to_have_url(re.compile("/account$"))
