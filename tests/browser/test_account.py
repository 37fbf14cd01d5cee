"""Account settings in a real browser: profile, password, keys, usage, the log of requests, sessions. The essentials
without JavaScript too."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Response, expect

from tests.browser.chromium import sign_in, take_session
from tests.browser.conftest import with_and_without_scripts
from tests.browser.population import BROWSER_NAMES, HOSTILE, sign_in_by_form
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_key, new_user
from tests.nodes.pair import wait_until

# One way through each form with scripts and without; all else with scripts, or, where none has a part in it, without.
CHROMIUM = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
NEW_PASSWORD = "a lobster in the library"


class Member(NamedTuple):
    """Somebody who is signed in, in a browser."""

    user: dict[str, Any]
    page: Page


@pytest.fixture
def member(server: Server, http: httpx2.Client, new_page: Callable[..., Page]) -> Callable[..., Member]:
    """Makes a member without keys and signs it in, in a browser of its own; or signs in one that is there."""

    def make(
        scripts: bool = True, user: dict[str, Any] | None = None, page: Page | None = None, **fields: Any
    ) -> Member:
        user = user or new_user(http, **fields)
        page = page or new_page(java_script_enabled=scripts)
        take_session(page.context, sign_in_by_form(server, user["email"], user["password"], CHROMIUM), server)
        return Member(user, page)

    return make


def send(page: Page, button: str | Locator) -> Response:
    """Press a button that sends a form; the answer to the form."""
    pressed = page.get_by_role("button", name=button, exact=True) if isinstance(button, str) else button
    with page.expect_response(lambda response: response.request.method == "POST") as answer:
        pressed.click()
    page.wait_for_load_state()
    return answer.value


def shown_key(page: Page) -> str:
    text = page.locator("#new-key").text_content() or ""
    assert re.fullmatch(r"rbk_\w{38}", text), text
    return text


def with_key(server: Server, key: str, path: str = "/v1/users/me", **options: Any) -> httpx2.Response:
    with server.http(key) as client:
        return client.get(path, **options)


def logged(http: httpx2.Client, user: dict[str, Any], count: int) -> None:
    """Wait until so many requests of a user are in the log. They are on the pages then."""
    wait_until(lambda: len(http.get("/v1/requests", params={"user": user["id"], "limit": 1000}).json()) == count)


# ---- keys


def test_the_first_key_is_one_click_away_and_its_curl_line_works(server: Server, member: Callable[..., Member]) -> None:
    page = member(scripts=False).page
    page.goto("/account/keys")
    expect(page.get_by_text("No API keys yet")).to_be_visible()
    assert send(page, "Create my first key").status == 303
    key = shown_key(page)
    assert key not in page.url
    answer = page.reload()
    assert answer and answer.headers["cache-control"] == "no-store" and "content-encoding" not in answer.headers
    assert shown_key(page) == key, "the same, and no second one was created"
    line = page.locator(".code code").first.text_content() or ""
    assert key in line and server.url in line
    done = subprocess.run(["sh", "-c", line + " --silent --fail"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and json.loads(done.stdout)["email"], done.stderr
    expect(page.get_by_text(f"ROLLBOOK_KEY={key}")).to_be_visible()
    page.get_by_role("link", name="Done").click()
    row = page.get_by_role("row").filter(has_text="My first key")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(f"{key[:8]}…{key[-4:]}")
    assert key not in page.content()


def test_the_owners_key_lists_users(server: Server, page: Page) -> None:
    take_session(page.context, sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD), server)
    page.goto("/account/keys/new")
    page.get_by_label("Name").fill("Lists users")
    send(page, "Create key")
    assert "/v1/users \\" in (page.locator(".code code").first.text_content() or "")
    assert with_key(server, shown_key(page), "/v1/users").status_code == 200


def test_a_new_key_is_copied_by_a_click(
    member: Callable[..., Member], new_context: Callable[..., BrowserContext]
) -> None:
    page = member(page=new_context().new_page()).page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/account/keys")
    send(page, "Create my first key")
    page.get_by_role("button", name="Copy API key").click()
    expect(page.get_by_text("Copied", exact=True).first).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == shown_key(page)


@with_and_without_scripts
def test_a_key_is_made_as_the_form_says(server: Server, member: Callable[..., Member], scripts: bool) -> None:
    page = member(scripts).page
    page.goto("/account/keys/new")
    page.get_by_label("Name").fill("Narrow")
    page.get_by_label("Only selected permissions").check()
    page.get_by_label("users:read").check()
    page.get_by_label("keys:read").check()
    assert page.get_by_label("users:delete").count() == 0, "a member is offered what it may not do"
    page.get_by_label("Expires").select_option("date")
    page.get_by_label("Last day").fill("2099-12-31")
    page.get_by_label("Allow revealing this key again").uncheck()
    page.get_by_text("Restrictions: allowed IPs, rate limit").click()
    page.get_by_label("Allowed IPs").fill("127.0.0.1\n203.0.113.0/24")
    page.get_by_label("Rate limit").fill("7/minute")
    send(page, "Create key")
    expect(page.get_by_text("You won’t be able to see it again")).to_be_visible()
    key = with_key(server, shown_key(page), "/v1/keys/current").json()
    assert (
        key["name"] == "Narrow"
        and key["scopes"] == ["keys:read", "users:read"]
        and key["expires_at"] == "2099-12-31T23:59:00Z"
    )
    assert (
        key["ip_allow"] == ["127.0.0.1/32", "203.0.113.0/24"]
        and key["rate_limit"] == "7/minute"
        and not key["revealable"]
    )
    page.goto("/account/keys")
    expect(page.get_by_role("row").filter(has_text="Narrow").get_by_text("2 permissions")).to_be_visible()
    page.goto(f"/account/keys/{key['id']}")
    assert page.locator("dd code[title]").all_text_contents() == key["scopes"]
    assert page.get_by_text("Reveal key").count() == 0
    expect(page.get_by_text("6 left")).to_be_visible()


def test_a_key_expires_when_it_was_chosen_to(server: Server, member: Callable[..., Member]) -> None:
    page = member().page
    for choice, days in (("30", 30), ("90", 90), ("365", 365), ("never", None)):
        page.goto("/account/keys/new")
        page.get_by_label("Name").fill("Ends")
        page.get_by_label("Expires").select_option(choice)
        send(page, "Create key")
        key = with_key(server, shown_key(page), "/v1/keys/current").json()
        if days is None:
            assert key["expires_at"] is None
        else:
            lives = datetime.fromisoformat(key["expires_at"]) - datetime.fromisoformat(key["created_at"])
            assert abs(lives - timedelta(days=days)) < timedelta(minutes=1)


def test_what_is_wrong_with_a_key_is_said_beside_its_field(member: Callable[..., Member]) -> None:
    page = member().page
    page.goto("/account/keys/new")
    page.get_by_label("Name").fill("Kept as it was")
    page.get_by_label("Only selected permissions").check()
    page.get_by_text("Restrictions: allowed IPs, rate limit").click()
    page.get_by_label("Allowed IPs").fill("the moon")
    page.get_by_label("Rate limit").fill("often")
    assert send(page, "Create key").status == 400
    expect(page.locator("#scopes-problem")).to_have_text("Select at least one permission, or choose full access.")
    page.get_by_label("users:read").check()
    page.get_by_label("Expires").select_option("date")
    page.get_by_label("Last day").fill("2001-01-01")
    assert send(page, "Create key").status == 400
    expect(page.locator("#field-ip_allow-problem")).to_have_text(
        "Each entry must be an IP address or a network such as 203.0.113.0/24 (item 1)."
    )
    expect(page.locator("#field-rate_limit-problem")).to_contain_text("is not a rate limit")
    page.get_by_label("Allowed IPs").fill("")
    page.get_by_label("Rate limit").fill("")
    assert send(page, "Create key").status == 400
    expect(page.locator("#field-expires_on-problem")).to_have_text("The expiry must be in the future.")
    expect(page.get_by_label("Name")).to_have_value("Kept as it was")
    expect(page.get_by_label("users:read")).to_be_checked()
    expect(page.get_by_label("Last day")).to_have_value("2001-01-01")
    page.goto("/account/keys")
    expect(page.get_by_text("No API keys yet")).to_be_visible()


@with_and_without_scripts
def test_a_key_is_shown_again_once_the_password_is_confirmed(
    server: Server, member: Callable[..., Member], scripts: bool
) -> None:
    user, page = member(scripts)
    page.goto("/account/keys")
    send(page, "Create my first key")
    key = shown_key(page)
    page.goto("/account/keys")
    page.get_by_role("link", name="My first key").click()
    try:
        server.pass_time(601)
        assert send(page, "Reveal key").status == 200
        page.get_by_label("Password", exact=True).fill("not my password")
        assert send(page, "Continue").status == 401
        expect(page.locator("#field-proof_password-problem")).to_have_text("Incorrect password.")
        assert key not in page.content() and "not my password" not in page.content()
        page.get_by_label("Password", exact=True).fill(user["password"])
        assert send(page, "Continue").status == 303
        assert shown_key(page) == key
    finally:
        server.pass_time(0)
    assert key in (page.locator(".code code").first.text_content() or "")


@pytest.mark.parametrize("overlap", ["0", "3600"])
def test_a_replaced_key_goes_on_as_long_as_was_chosen(
    server: Server, member: Callable[..., Member], overlap: str
) -> None:
    page = member().page
    page.goto("/account/keys")
    send(page, "Create my first key")
    old = shown_key(page)
    page.goto("/account/keys")
    page.get_by_role("link", name="My first key").click()
    page.get_by_label("Keep the old key active for").select_option(overlap)
    assert send(page, "Rotate key").status == 303
    new = shown_key(page)
    assert with_key(server, new).status_code == 200
    assert with_key(server, old).status_code == (401 if overlap == "0" else 200)
    expect(
        page.get_by_text("The old key no longer works" if overlap == "0" else "The old key works until")
    ).to_be_visible()
    page.goto("/account/keys")
    active = page.get_by_role("region", name="API keys", exact=True).locator("tbody tr")
    expect(active.first).to_contain_text(f"…{new[-4:]}")
    if overlap == "0":
        expect(active).to_have_count(1)
        expect(page.get_by_role("region", name="Revoked and expired keys")).to_be_hidden()
        page.get_by_text("Revoked and expired (1)").click()
        expect(page.get_by_role("region", name="Revoked and expired keys")).to_contain_text(f"…{old[-4:]}")
    else:
        expect(active.nth(1)).to_contain_text(f"…{old[-4:]}")
        expect(active.nth(1)).to_contain_text("Expires soon")


@with_and_without_scripts
def test_a_revoked_key_stops_at_once(server: Server, member: Callable[..., Member], scripts: bool) -> None:
    page = member(scripts).page
    page.goto("/account/keys")
    send(page, "Create my first key")
    key = shown_key(page)
    page.goto("/account/keys")
    page.get_by_role("link", name="My first key").click()
    expect(page.get_by_role("button", name="Revoke key", exact=True)).to_be_hidden()
    page.get_by_text("Revoke key…").click()
    assert with_key(server, key).status_code == 200, "a question alone revokes nothing"
    assert send(page, "Revoke key").status == 303
    expect(page.get_by_text("API key revoked.")).to_be_visible()
    answer = with_key(server, key)
    assert answer.status_code == 401 and answer.json()["code"] == "revoked_key"
    page.get_by_text("Revoked and expired (1)").click()
    page.get_by_role("link", name="My first key").click()
    expect(page.locator("h1 + .badge")).to_have_text("Revoked")
    for gone in ("Reveal key", "Rotate key", "Revoke key…"):
        assert page.get_by_text(gone, exact=True).count() == 0


def test_many_keys_are_listed_by_the_page_and_found_while_one_types(
    server: Server, member: Callable[..., Member], http: httpx2.Client
) -> None:
    user, page = member()
    for number in range(105):
        new_key(http, name=f"Key {number:03}", user_id=user["id"])
    names = page.locator("tbody th a")
    page.goto("/account/keys")
    assert names.all_text_contents() == [f"Key {number:03}" for number in reversed(range(5, 105))]
    page.get_by_role("link", name="Next").click()
    expect(names).to_have_text([f"Key {number:03}" for number in reversed(range(5))])
    page.get_by_role("searchbox", name="Search").press_sequentially("key 09")
    expect(names).to_have_text([f"Key {number:03}" for number in reversed(range(90, 100))])
    page.get_by_label("Sort by").select_option("name")
    expect(names).to_have_text([f"Key {number:03}" for number in range(90, 100)])
    page.wait_for_url("**/account/keys?q=key+09&sort=name")


def test_a_key_is_edited(server: Server, member: Callable[..., Member], http: httpx2.Client) -> None:
    user, page = member()
    new_key(http, name="Old name", user_id=user["id"], scopes=["users:read", "users:write"])
    page.goto("/account/keys")
    page.get_by_role("button", name="Actions for Old name").click()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Name").fill("New name")
    page.get_by_label("users:write").uncheck()
    page.get_by_label("Expires").select_option("30")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="New name")).to_be_visible()
    expect(page.get_by_text("Saved.")).to_be_visible()
    (key,) = http.get("/v1/keys", params={"user": user["id"]}).json()
    assert (key["name"], key["scopes"]) == ("New name", ["users:read"]) and key["expires_at"] is not None


def test_nobody_sees_or_touches_the_keys_of_others(
    server: Server, http: httpx2.Client, member: Callable[..., Member], page: Page
) -> None:
    """Not members those of others, and not even the owner here: that is for the admin pages."""
    mine, theirs = member(), new_user(http)
    text = new_key(http, name="Not yours", user_id=theirs["id"])
    key_id = with_key(server, text, "/v1/keys/current").json()["id"]
    take_session(page.context, sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD), server)
    for browser in (mine.page, page):
        answer = browser.goto(f"/account/keys/{key_id}")
        assert answer is not None and answer.status == 404 and "Not yours" not in browser.content()
        for path in (f"/account/usage?key={key_id}", f"/account/requests?key={key_id}"):
            answer = browser.goto(path)
            assert answer is not None and answer.status == 404, path
        cookies = {str(each["name"]): str(each["value"]) for each in browser.context.cookies()}
        with server.http(None, cookies=cookies) as client:
            for action in ("reveal", "rotate", "revoke"):
                refused = client.post(
                    f"/account/keys/{key_id}/{action}",
                    data={"password": OWNER_PASSWORD, "overlap": "0"},
                    headers={"Origin": server.url},
                )
                assert refused.status_code == 404, action
    assert with_key(server, text).status_code == 200


def test_names_of_keys_that_are_scripts_are_text(member: Callable[..., Member]) -> None:
    page = member().page
    page.goto("/account/keys/new")
    page.get_by_label("Name").fill(HOSTILE[1])
    send(page, "Create key")
    expect(page.locator(".lead")).to_have_text(HOSTILE[1])
    page.goto("/account/keys")
    page.get_by_role("link", name=HOSTILE[1]).click()
    expect(page.locator("h1")).to_have_text(HOSTILE[1])
    page.goto("/account/requests")
    assert HOSTILE[1] in page.get_by_label("Key").inner_text()


# ---- profile


@with_and_without_scripts
def test_name_and_email_are_changed(
    server: Server, http: httpx2.Client, member: Callable[..., Member], scripts: bool
) -> None:
    user, page = member(scripts)
    email = "new." + user["email"]
    page.goto("/account")
    expect(page.get_by_text(user["id"])).to_be_visible()
    page.locator("#field-name").fill(HOSTILE[0])
    page.locator("#field-email").fill(email)
    assert send(page, "Save").status == 400
    expect(page.locator("#field-email-password-problem")).to_have_text(
        "Your current password is required to change your own email."
    )
    page.get_by_label("Password to change your email").fill("not my password")
    assert send(page, "Save").status == 401
    expect(page.locator("#field-email-password-problem")).to_have_text("Incorrect password.")
    expect(page.locator("#field-email")).to_have_value(email)
    page.get_by_label("Password to change your email").fill(user["password"])
    assert send(page, "Save").status == 303
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.locator("#field-name")).to_have_value(HOSTILE[0])
    kept = http.get(f"/v1/users/{user['id']}").json()
    assert kept["name"] == HOSTILE[0] and kept["email"] == email


def test_what_is_wrong_with_a_profile_is_said_and_nothing_is_lost(
    http: httpx2.Client, member: Callable[..., Member]
) -> None:
    user, page = member()
    page.goto("/account")
    page.locator("#field-name").fill("Another name")
    page.locator("#field-email").fill(OWNER_EMAIL.upper())
    page.get_by_label("Password to change your email").fill(user["password"])
    assert send(page, "Save").status == 400
    expect(page.locator("#field-email-problem")).to_be_visible()
    expect(page.locator("#field-email")).to_have_value(OWNER_EMAIL.upper())
    expect(page.locator("#field-name")).to_have_value("Another name")
    page.locator("#field-name").fill("\u2800")
    assert send(page, "Save").status == 400
    expect(page.locator("#field-name-problem")).to_have_text("The name is blank.")
    page.locator("#field-name").fill("Another name")
    page.locator("#field-email").fill("someone.else@example.com")
    page.get_by_label("Password to change your email").fill("not my password")
    assert send(page, "Save").status in (400, 401, 403)
    page.get_by_role("alert").get_by_role("link", name="Incorrect password.").click()
    expect(page.get_by_label("Password to change your email")).to_be_focused()
    assert http.get(f"/v1/users/{user['id']}").json()["name"] == user["name"]


@with_and_without_scripts
def test_a_new_password_signs_out_all_other_browsers(
    server: Server, member: Callable[..., Member], new_page: Callable[..., Page], scripts: bool
) -> None:
    user, page = member(scripts)
    other = new_page()
    sign_in(other, user["email"], user["password"])
    page.goto("/account")
    before = page.context.cookies()
    page.get_by_label("Current password").fill("not my password")
    page.get_by_label("New password").fill(NEW_PASSWORD)
    assert send(page, "Change password").status == 401
    expect(page.locator("#field-current_password-problem")).to_have_text("Incorrect password.")
    assert NEW_PASSWORD not in page.content()
    other.goto("/account")
    expect(other.locator("h1")).to_have_text("Profile")

    page.get_by_label("Current password").fill(user["password"])
    page.get_by_label("New password").fill("password")
    assert send(page, "Change password").status == 400
    expect(page.locator("#field-password-problem")).to_be_visible()

    page.get_by_label("Current password").fill(user["password"])
    page.get_by_label("New password").fill(NEW_PASSWORD)
    assert send(page, "Change password").status == 303
    expect(page.get_by_text("Your password has been changed.")).to_be_visible()
    assert page.context.cookies() != before, "a session outlived its password"
    page.goto("/account/sessions")
    expect(page.locator("tbody tr")).to_have_count(1)
    other.goto("/account/keys")
    assert "/account/sign-in" in other.url
    sign_in(other, user["email"], NEW_PASSWORD)


def test_all_that_is_kept_about_oneself_is_a_file(member: Callable[..., Member]) -> None:
    user, page = member()
    page.goto("/account/keys")
    send(page, "Create my first key")
    key = shown_key(page)
    page.goto("/account")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download my data").click()
    assert download.value.suggested_filename.startswith(f"rollbook-{user['id']}-")
    text = download.value.path().read_text()
    held = json.loads(text)
    assert held["user"]["email"] == user["email"] and held["keys"][0]["name"] == "My first key" and held["events"]
    assert key not in text and user["password"] not in text


# ---- sessions


@with_and_without_scripts
def test_sessions_are_listed_and_ended(server: Server, member: Callable[..., Member], scripts: bool) -> None:
    user, page = member(scripts)
    others = [sign_in_by_form(server, user["email"], user["password"], name) for name in (*BROWSER_NAMES, "curl/8.5.0")]
    page.goto("/account/sessions")
    expect(page.locator("tbody tr").first).to_contain_text("Chrome on Linux")
    expect(page.locator("tbody tr").first).to_contain_text("this browser")
    for name in ("Firefox on Linux", "Safari on iPhone", "Unknown browser", "curl"):
        expect(page.get_by_role("rowheader", name=name)).to_be_visible()
    assert send(page, page.get_by_role("row").filter(has_text="Firefox").get_by_role("button")).status == 303
    expect(page.get_by_text("You have been signed out there.")).to_be_visible()

    def is_in(cookies: httpx2.Cookies) -> bool:
        with server.http(None, cookies=cookies) as client:
            return client.get("/account").status_code == 200

    assert [is_in(cookies) for cookies in others] == [False, True, True, True]
    assert send(page, "Sign out everywhere else").status == 303
    expect(page.locator("tbody tr")).to_have_count(1)
    assert [is_in(cookies) for cookies in others] == [False] * 4


def test_how_long_ago_is_told_in_the_unit_that_it_rounds_to(
    server: Server, member: Callable[..., Member], new_context: Callable[..., BrowserContext]
) -> None:
    user, page = member(page=new_context().new_page())
    sign_in_by_form(server, user["email"], user["password"])
    page.goto("/account/sessions")
    shown = page.locator("tbody tr").nth(1).locator("td time")
    seen = shown.get_attribute("datetime")
    assert seen is not None
    for seconds, words in ((20, "just now"), (59.7, "1 minute ago"), (3599, "1 hour ago"), (90_000, "yesterday")):
        page.clock.set_fixed_time(datetime.fromisoformat(seen) + timedelta(seconds=seconds))
        page.reload()
        expect(shown).to_have_text(words)


def test_nobody_ends_the_session_of_another(server: Server, member: Callable[..., Member]) -> None:
    """Not even the owner here: that is for the admin pages."""
    mine, theirs = member(), member()
    sign_in_by_form(server, theirs.user["email"], theirs.user["password"])
    theirs.page.goto("/account/sessions")
    action = theirs.page.locator("form[action$='/end']").get_attribute("action")
    assert action is not None
    owner = sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD)
    for cookies in (owner, {str(each["name"]): str(each["value"]) for each in mine.page.context.cookies()}):
        with server.http(None, cookies=cookies) as client:
            assert client.post(action, headers={"Origin": server.url}).status_code == 404
    theirs.page.reload()
    expect(theirs.page.locator("tbody tr")).to_have_count(2)


# ---- usage and requests


@pytest.fixture(scope="module")
def over_the_limit(server: Server, http: httpx2.Client) -> tuple[dict[str, Any], str]:
    """A user with five requests a minute who made seven with a key: three good ones, two for nothing, two too many."""
    user = new_user(http, rate_limit="5/minute,100/hour")
    key = new_key(http, name="Limited", user_id=user["id"])
    with server.http(key) as client:
        client.headers.update({"User-Agent": f"tests {HOSTILE[0]}", "Cookie": "secret=crumbs"})
        for path in ("/v1/users/me",) * 3 + ("/v1/keys/key_00000000000000000000000000",) * 2 + ("/v1/users/me",) * 2:
            client.get(path, params={"fields": "id"} if path.endswith("me") else None)
    logged(http, user, 7)
    return user, key


@pytest.fixture
def limited(over_the_limit: tuple[dict[str, Any], str], member: Callable[..., Member]) -> tuple[Member, str]:
    """That one, in a browser of this test. What it did is only looked at."""
    user, key = over_the_limit
    return member(user=user), key


def test_before_there_is_anything_pages_say_what_to_do(member: Callable[..., Member]) -> None:
    page = member(scripts=False).page
    page.goto("/account/usage")
    expect(page.get_by_text("No requests in the last 7 days")).to_be_visible()
    page.goto("/account/requests")
    expect(page.get_by_text("No requests yet")).to_be_visible()
    expect(page.get_by_text("kept for 7 days")).to_be_visible()


def test_usage_shows_what_was_just_asked_for(limited: tuple[Member, str]) -> None:
    page = limited[0].page
    page.goto("/account/usage")
    assert page.locator(".stat .number").all_text_contents() == ["7", "2", "2", "0"]
    minute, hour = page.locator("#live .gauge").all()
    expect(minute).to_contain_text("5 of 5")
    expect(minute).to_contain_text("0 left. Resets in")
    expect(hour).to_contain_text("5 of 100")
    bar = page.locator(".plot .column")
    expect(bar).to_have_count(1)
    expect(bar.locator(".tip")).to_contain_text("3 successful, 2 client errors, 2 rate limited")
    page.get_by_text("Show as table").click()
    assert page.locator(".numbers tbody td").all_text_contents() == ["7", "2", "2", "0"]
    expect(page.get_by_role("row").filter(has_text="All keys together, per minute")).to_contain_text("2")


def test_usage_is_told_for_one_key(server: Server, http: httpx2.Client, member: Callable[..., Member]) -> None:
    user, page = member()
    one, two = (new_key(http, name=name, user_id=user["id"]) for name in ("One", "Two"))
    for key, times in ((one, 1), (two, 3)):
        for _ in range(times):
            with_key(server, key)
    logged(http, user, 4)
    page.goto("/account/usage")
    expect(page.locator(".stat .number").first).to_have_text("4")
    expect(page.locator("#by-key ~ .table tbody tr")).to_have_count(2)
    page.get_by_label("API key", exact=True).select_option(label=f"Two (…{two[-4:]})")
    expect(page.locator(".stat .number").first).to_have_text("3")
    expect(page.get_by_text("This key has no rate limit of its own.")).to_be_visible()
    expect(page.locator("#routes ~ .table tbody tr td").first).to_have_text("3")
    page.goto("/account/keys")
    page.get_by_role("link", name="One").click()
    expect(page.get_by_text("1 request in the last 7 days")).to_be_visible()


def test_bars_of_a_plot_are_read_by_pointer_keyboard_and_finger_and_lead_to_their_requests(
    limited: tuple[Member, str],
) -> None:
    page = limited[0].page
    page.goto("/account/usage")
    tip = page.locator(".plot .tip").last
    summary = page.locator(".plot .summary")
    expect(tip).to_have_css("opacity", "0")
    expect(summary).to_have_css("opacity", "1")
    page.locator(".plot .hit").last.hover(force=True)
    expect(tip).to_have_css("opacity", "1")
    expect(summary).to_have_css("opacity", "0")
    page.mouse.move(0, 0)
    expect(tip).to_have_css("opacity", "0")
    page.locator(".plot a[tabindex='0']").focus()
    expect(tip).to_have_css("opacity", "1")
    # A finger shows the numbers first; a second tap follows the link.
    bar = page.locator(".plot .column a").first
    page.evaluate("document.activeElement.blur()")
    for tapped in (False, True):
        expect(tip).to_have_css("opacity", "1" if tapped else "0")
        bar.evaluate(
            "bar => bar.dispatchEvent(new PointerEvent('click', {bubbles: true, cancelable: true, pointerType: "
            "'touch'}))"
        )
    page.wait_for_url("**/account/requests?after=*")
    expect(page.locator("tbody tr")).to_have_count(7)
    page.goto("/account/usage")
    page.locator(".plot a[href*='status=4xx']").dispatch_event("click", {"bubbles": True, "cancelable": True})
    page.wait_for_url("**/account/requests?*status=4xx")
    expect(page.locator("tbody tr")).to_have_count(4)


def test_periods_are_chosen_by_links_and_their_numbers_can_be_downloaded(limited: tuple[Member, str]) -> None:
    page = limited[0].page
    page.goto("/account/usage?period=90d")
    expect(page.locator(".stat .number").first).to_have_text("7")
    for period, unit in (("24 hours", "hour"), ("30 days", "day"), ("90 days", "day"), ("7 days", "hour")):
        page.get_by_role("link", name=period).click()
        expect(page.get_by_role("link", name=period)).to_have_attribute("aria-current", "true")
        expect(page.locator("#hours")).to_have_text(f"Requests per {unit}")
        expect(page.locator(".stat .number").first).to_have_text("7")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert download.value.suggested_filename.startswith("rollbook-usage-7d-")
    rows = Path(download.value.path()).read_text().splitlines()
    assert rows[0] == "of,name,requests,client_errors,rate_limited,server_errors,p50_ms,p95_ms"
    assert sum(int(row.split(",")[2]) for row in rows if row.startswith("hour,")) == 7
    assert sum(row.startswith("endpoint,GET /v1/") for row in rows) == 2
    answer = page.goto("/account/usage?period=week")
    assert answer is not None and answer.status == 400
    expect(page.get_by_text("period must be one of")).to_be_visible()


def test_windows_are_live_while_the_page_is_open(
    server: Server, http: httpx2.Client, member: Callable[..., Member]
) -> None:
    user, page = member(rate_limit="50/minute")
    key = new_key(http, user_id=user["id"])
    page.goto("/account/usage")
    expect(page.locator("#live")).to_contain_text("0 of 50")
    page.evaluate("window.stillTheSame = true")
    for used in (1, 2):
        with_key(server, key)
        expect(page.locator("#live")).to_contain_text(f"{used} of 50")
    assert page.evaluate("window.stillTheSame")


def test_how_long_a_window_lasts_is_told_in_words_that_say_something(
    server: Server, http: httpx2.Client, member: Callable[..., Member]
) -> None:
    user, page = member(rate_limit="50/minute,50/hour,50/day,50/2678400s")
    with_key(server, new_key(http, user_id=user["id"]))
    page.goto("/account/usage")
    for words in (r"\d\d seconds", "60 minutes", "24 hours", "31 days"):
        expect(page.locator("#live")).to_contain_text(re.compile(rf"49 left\. Resets in {words}\."))


def test_the_log_shows_each_request_and_which_limit_refused_it(limited: tuple[Member, str]) -> None:
    (_, page), key = limited
    page.goto("/account/requests")
    expect(page.locator("tbody tr")).to_have_count(7)
    assert page.locator("tbody .badge").all_text_contents() == ["429"] * 2 + ["404"] * 2 + ["200"] * 3
    page.get_by_label("Status").fill("429")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    assert set(page.locator("tbody .badge").all_text_contents()) == {"429"}
    page.locator("tbody a").first.click()
    expect(page.get_by_text("This request exceeded a rate limit: All keys together, per minute.")).to_be_visible()
    expect(page.locator("h1")).to_have_text("GET /v1/users/me")
    expect(page.get_by_role("row", name="user-agent")).to_contain_text(f"tests {HOSTILE[0]}")
    text = page.content()
    assert key not in text and "Bearer" not in text and "crumbs" not in text and "authorization" not in text.lower()
    page.get_by_role("link", name="What to do").click()
    expect(page.locator("h1")).to_contain_text("rate_limit_exceeded")


def test_an_error_is_told_with_its_code_parameter_and_body(
    server: Server, http: httpx2.Client, member: Callable[..., Member]
) -> None:
    user, page = member()
    with server.http(new_key(http, user_id=user["id"])) as client:
        client.patch("/v1/users/me?fields=id", json={"nickname": "x"})
    logged(http, user, 1)
    page.goto("/account/requests")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("invalid_parameter")
    page.locator("tbody tr a").first.click()
    for text in ("nickname", "fields"):
        expect(page.get_by_text(text, exact=True).first).to_be_visible()
    expect(page.locator("pre[aria-label='Response body']")).to_contain_text('"code": "invalid_parameter"')
    page.get_by_role("link", name="What invalid_parameter means").click()
    expect(page.locator("h1")).to_contain_text("invalid_parameter")


def test_the_log_is_filtered_by_all_that_is_told_of_a_request_and_says_what_it_does_not_know(
    server: Server, http: httpx2.Client, member: Callable[..., Member]
) -> None:
    user, page = member()
    with server.http(new_key(http, user_id=user["id"])) as client:
        for method, path in (
            ("GET", "/v1/users/me"),
            ("GET", "/v1/users/me/"),
            ("PATCH", "/v1/users/me"),
            ("GET", "/v1/events"),
        ):
            client.request(method, path)
    logged(http, user, 4)
    page.goto("/account/requests")
    expect(page.locator("tbody tr")).to_have_count(4)
    page.get_by_label("Path", exact=True).fill("/v1/users/me")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_text("More filters", exact=True).click()
    page.get_by_label("Path match").select_option("exact")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    for query, rows in (
        ("method=PATCH", 1),
        ("status=403", 1),
        ("after=2023-10-27T10:00", 4),
        ("before=2023-10-27T10:00", 0),
    ):
        page.goto(f"/account/requests?{query}")
        expect(page.locator("tbody tr")).to_have_count(rows)
    for query, says in (
        ("status=9xx", "The status must"),
        ("colour=red", "There is no filter “colour”."),
        ("after=soon", "From must"),
        ("path_match=exact", "requires path"),
        ("user=me", "There is no filter “user”."),
    ):
        answer = page.goto(f"/account/requests?{query}")
        assert answer is not None and answer.status == 400, query
        expect(page.get_by_text(says).first).to_be_visible()
        expect(page.locator("tbody tr")).to_have_count(0)


def test_the_log_can_be_followed(server: Server, http: httpx2.Client, member: Callable[..., Member]) -> None:
    user, page = member()
    key = new_key(http, user_id=user["id"])
    page.goto("/account/requests?status=2xx")
    page.get_by_role("link", name="Follow live").click()
    page.evaluate("window.stillTheSame = true")
    with server.http(key) as client:
        client.get("/v1/events")
        client.get("/v1/users/me")
    expect(page.locator("tbody tr")).to_have_count(1, timeout=60_000)
    expect(page.locator("tbody tr")).to_contain_text("/v1/users/me")
    assert page.evaluate("window.stillTheSame")
    page.get_by_role("link", name="Stop following").click()
    expect(page.locator("#live[hx-get]")).to_have_count(0)
    page.goto("/account/requests?live=on")
    part = page.request.get("/account/requests/live?live=on&n=600", headers={"HX-Request": "true"}).text()
    assert "Live updates are paused" in part and "hx-get" not in part


def test_a_request_is_found_by_its_id(
    server: Server, limited: tuple[Member, str], member: Callable[..., Member]
) -> None:
    (_, page), _ = limited
    page.goto("/account/requests?status=4xx")
    id = page.locator("tbody tr").last.get_attribute("id") or ""
    page.goto("/account/requests")
    page.get_by_text("More filters", exact=True).click()
    page.get_by_label("Request ID").fill(f" {id} ")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(f"**/account/requests/{id}")
    stranger = member().page
    answer = stranger.goto(f"/account/requests/{id}")
    assert answer is not None and answer.status == 404
    stranger.goto(f"/account/requests?id={id}")
    expect(stranger.get_by_text("No request with this ID")).to_be_visible()


def test_a_long_log_is_turned_page_by_page(server: Server, http: httpx2.Client, member: Callable[..., Member]) -> None:
    user, page = member(scripts=False)
    key = new_key(http, user_id=user["id"])
    with server.http(key) as client:
        ids = [client.get("/v1/users/me").headers["x-request-id"] for _ in range(120)][::-1]

    def listed() -> list[str]:
        return page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.id)")

    logged(http, user, 120)
    page.goto("/account/requests")
    assert listed() == ids[:50]
    page.get_by_role("link", name="Older").click()
    assert listed() == ids[50:100]
    page.get_by_role("link", name="Older").click()
    assert listed() == ids[100:]
    assert page.get_by_role("link", name="Older").count() == 0
    page.get_by_role("link", name="Newer").click()
    assert listed() == ids[50:100]
    page.get_by_role("link", name="Newer").click()
    assert listed() == ids[:50]
