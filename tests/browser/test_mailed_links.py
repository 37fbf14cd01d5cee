"""What people do with the links that Rollbook mails to them, in a real browser, from the form to the end."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import sign_in
from tests.browser.conftest import NO_LIMITS, with_and_without_scripts
from tests.harness import Server, new_user
from tests.mail_server import MailServer

NEW = "a few random words"
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server(mail: MailServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server") / "data", environment=NO_LIMITS)
    limits = ("--rate-limit", "none", "--unauthenticated-limit", "none", "--token-email-limit", "2/hour")
    server.flags = (*mail.flags(server.url), *limits, "--mail-rate", "6000", "--token-address-limit", "none")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def test_who_forgot_the_password_gets_a_mail_in_the_language_of_the_page(
    new_page: Callable[..., Page], http: httpx2.Client, mail: MailServer, user: dict
) -> None:
    page = new_page(java_script_enabled=False)
    page.goto("/account/sign-in?lang=de")
    page.get_by_role("link", name="Passwort vergessen?").click()
    page.get_by_label("E-Mail-Adresse").fill(user["email"])
    page.get_by_role("button", name="Link senden").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Prüfen Sie Ihre E-Mails")
    found = mail.wait_for_mail(user["email"])
    assert found.subject.startswith("Neues Passwort")
    page.goto(found.link)
    page.get_by_label("Neues Passwort").fill(NEW)
    page.get_by_role("button", name="Passwort festlegen").click()
    expect(page.locator(".who")).to_have_text(user["email"])
    assert http.get(f"/v1/users/{user['id']}").json()["email_verified"] is True


def change_email(page: Page, email: str, password: str) -> None:
    page.goto("/account")
    page.get_by_role("textbox", name="Email", exact=True).fill(email)
    page.get_by_label("Password to change your email").fill(password)
    page.get_by_role("button", name="Save").click()


def test_a_new_email_of_ones_own_counts_once_its_link_was_opened(
    new_page: Callable[..., Page], http: httpx2.Client, mail: MailServer, user: dict
) -> None:
    page, email = new_page(java_script_enabled=False), f"own{next(NUMBERS)}@example.com"
    sign_in(page, user["email"], user["password"])
    change_email(page, email, "not the password")
    expect(page.get_by_role("alert")).to_contain_text("Incorrect password.")
    page.goto("/account")
    page.get_by_label("Name", exact=True).fill("Ada Lovelace")
    page.get_by_role("textbox", name="Email", exact=True).fill(email)
    page.get_by_label("Password to change your email").fill(user["password"])
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("Open the link that was sent to your new email.")
    found = http.get(f"/v1/users/{user['id']}").json()
    assert (found["email"], found["name"]) == (user["email"], "Ada Lovelace")
    page.goto(mail.wait_for_mail(email).link)
    page.get_by_role("button", name="Confirm email address").click()
    expect(page.get_by_role("main")).to_contain_text(f"{email} is confirmed")
    found = http.get(f"/v1/users/{user['id']}").json()
    assert (found["email"], found["email_verified"]) == (email, True)
    expect_old = mail.wait_for_mail(user["email"])
    assert re.search("has changed", expect_old.subject)


def test_a_new_email_that_somebody_else_has_is_refused_and_nobody_is_flooded(
    page: Page, http: httpx2.Client, mail: MailServer, user: dict
) -> None:
    sign_in(page, user["email"], user["password"])
    other = new_user(http)
    change_email(page, other["email"], user["password"])
    expect(page.get_by_role("alert")).to_contain_text("Email address is already in use.")
    email = f"flooded{next(NUMBERS)}@example.com"
    for _ in range(2):
        change_email(page, email, user["password"])
        expect(page.get_by_role("status").first).to_contain_text("Open the link")
    change_email(page, email, user["password"])
    expect(page.get_by_role("alert")).to_contain_text("Too many links were sent already.")
    mail.wait_for(lambda: len(mail.to(email)) == 2)
    assert mail.to(other["email"]) == [] and http.get(f"/v1/users/{user['id']}").json()["email"] == user["email"]


@with_and_without_scripts
def test_an_email_that_is_not_verified_gets_a_link_from_the_profile_and_nobody_is_flooded(
    new_page: Callable[..., Page], http: httpx2.Client, mail: MailServer, user: dict, scripts: bool
) -> None:
    page = new_page(java_script_enabled=scripts)
    sign_in(page, user["email"], user["password"])
    for _ in range(2):
        page.goto("/account")
        page.get_by_role("button", name="Send confirmation link").click()
        expect(page.get_by_role("status").first).to_contain_text("Open the link that was sent to your email.")
    page.get_by_role("button", name="Send confirmation link").click()
    expect(page.get_by_role("alert")).to_contain_text("Too many links were sent already.")
    mail.wait_for(lambda: len(mail.to(user["email"])) == 2)
    assert http.get(f"/v1/users/{user['id']}").json()["email_verified"] is False
    page.goto(mail.to(user["email"])[-1].link)
    page.get_by_role("button", name="Confirm email address").click()
    expect(page.get_by_role("main")).to_contain_text(f"{user['email']} is confirmed")
    assert http.get(f"/v1/users/{user['id']}").json()["email_verified"] is True
    page.goto("/account")
    expect(page.get_by_role("region", name="Account", exact=True).get_by_text("verified", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Send confirmation link")).to_have_count(0)


@with_and_without_scripts
def test_the_profile_shows_which_new_email_waits_and_until_when_and_cancels_it(
    new_page: Callable[..., Page], http: httpx2.Client, mail: MailServer, user: dict, scripts: bool
) -> None:
    page, email = new_page(java_script_enabled=scripts), f"waiting{next(NUMBERS)}@example.com"
    sign_in(page, user["email"], user["password"])
    change_email(page, email, user["password"])
    waiting = page.get_by_text(f"Waiting for confirmation of {email} (link valid until ")
    expect(waiting).to_be_visible()
    (token,) = http.get(f"/v1/users/{user['id']}/tokens").json()
    expect(waiting.locator("time")).to_have_attribute("datetime", token["expires_at"])
    link = mail.wait_for_mail(email).link
    page.get_by_role("button", name=f"Cancel the change to {email}").click()
    expect(page.get_by_role("status").first).to_contain_text("Your email stays as it is.")
    expect(waiting).to_have_count(0)
    assert http.get(f"/v1/users/{user['id']}/tokens").json() == []
    told = http.get("/v1/events", params={"type": "token.revoked", "user": user["id"]}).json()
    assert [(each["object"]["id"], each["actor"]["user_id"]) for each in told] == [(token["id"], user["id"])]
    page.goto(link)
    expect(page.get_by_role("button", name="Confirm email address")).to_have_count(0)


def test_the_link_of_a_token_opens_its_page_and_those_after_it_in_the_language_of_the_token(
    new_page: Callable[..., Page], http: httpx2.Client, mail: MailServer
) -> None:
    person = {"name": "Ina", "email": f"ina{next(NUMBERS)}@example.com", "status": "invited"}
    path = f"/v1/users/{http.post('/v1/users', json=person).json()['id']}/tokens"
    asked = {"purpose": "invite", "language": "de"}
    assert http.post(path, json=asked).json()["url"].endswith("&lang=de")
    assert http.post(path, json={**asked, "send": True}).status_code == 201
    found = mail.wait_for_mail(person["email"])
    assert found.link.replace("&", "&amp;") in found.html
    page = new_page(java_script_enabled=False)
    page.goto(found.link)
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.locator("[name=password]").fill("password1")
    page.locator("main [type=submit]").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator("main [name=password]")).to_be_visible()
