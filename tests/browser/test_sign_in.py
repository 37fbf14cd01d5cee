"""Signing in and out, links that set a password, and the first run, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chromium import Watch, axe_in_both_themes, sign_in
from tests.browser.conftest import with_and_without_scripts
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_user, running, serving

NEW = "a few random words"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Guessing is slowed, and viewers may not sign in."""
    environment = {
        "ROLLBOOK_ATTEMPTS_LIMIT": "4/minute",
        "ROLLBOOK_ADDRESS_ATTEMPTS_LIMIT": "none",
        "ROLLBOOK_PAGE_LIMIT": "none",
        "ROLLBOOK_SIGN_IN_ROLES": "member,admin,owner",
    }
    data = tmp_path_factory.mktemp("server") / "data"
    with running(data, "--rate-limit", "none", "--unauthenticated-limit", "none", environment=environment) as server:
        yield server


Browse = Callable[..., Page]


@pytest.fixture
def browse(new_page: Callable[..., Page]) -> Browse:
    """A page of a browser with nothing in it, with or without scripts."""
    return lambda scripts=True: new_page(java_script_enabled=scripts)


def fill(page: Page, email: str, password: str) -> None:
    """The form of the sign-in page that is open."""
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()


def fill_new(page: Page, password: str) -> None:
    page.get_by_label("New password").fill(password)
    page.get_by_role("button", name=re.compile("^(Set password|Accept invitation)")).click()


def link(http: httpx2.Client, user: dict[str, Any]) -> str:
    return http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"}).json()["url"]


def is_at(page: Page, path: str) -> None:
    expect(page).to_have_url(re.compile(rf"^[^/]+//[^/]+{re.escape(path)}(\?|$)"))


# ---- signing in


@with_and_without_scripts
def test_a_person_signs_in_and_out(browse: Browse, http: httpx2.Client, user: dict, scripts: bool) -> None:
    page = browse(scripts)
    page.goto("/")
    is_at(page, "/account/sign-in")
    fill(page, user["email"], user["password"])
    is_at(page, "/account")
    expect(page.locator(".who")).to_have_text(user["email"])
    page.get_by_role("button", name="Sign out").click()
    is_at(page, "/account/sign-in")
    expect(page.get_by_role("status").first).to_have_text("You’ve signed out.")
    left = [cookie["name"] for cookie in page.context.cookies() if cookie["name"] != "rollbook-zone"]
    assert [name.partition("-device")[1] for name in left] == ["-device"]
    page.go_back()
    page.wait_for_load_state()
    expect(page.get_by_label("Password")).to_be_visible()
    assert http.get("/v1/sessions", params={"user": user["id"]}).json() == []


def test_signing_out_in_one_tab_does_so_in_all(browse: Browse, user: dict) -> None:
    page = browse(True)
    page.goto("/account/sign-in")
    fill(page, user["email"], user["password"])
    is_at(page, "/account")
    other = page.context.new_page()
    other.goto("/account/keys")
    page.get_by_role("button", name="Sign out").click()
    is_at(other, "/account/sign-in")
    other.close()


@with_and_without_scripts
def test_a_wrong_password_and_an_unknown_address_look_the_same(browse: Browse, user: dict, scripts: bool) -> None:
    page = browse(scripts)
    page.goto("/account/sign-in?next=/account/keys")
    for email in ("nobody@example.com", user["email"]):
        fill(page, email, "not the password")
        expect(page.get_by_role("alert")).to_have_text("The email or password is incorrect.")
        expect(page.get_by_label("Email")).to_have_value(email)
        expect(page.get_by_label("Password")).to_have_value("")
        assert page.context.cookies() == []
    fill(page, user["email"], user["password"])
    is_at(page, "/account/keys")


def test_too_many_attempts_are_told_when_to_try_again(browse: Browse, user: dict) -> None:
    page = browse()
    page.goto("/account/sign-in")
    for _ in range(4):
        fill(page, user["email"], "not the password")
        expect(page.get_by_role("alert")).to_contain_text("incorrect")
    fill(page, user["email"], user["password"])
    expect(page.get_by_role("alert")).to_have_text(
        re.compile(r"^\s*Too many failed attempts\. Try again in \d+ seconds?\.\s*$")
    )
    assert page.context.cookies() == []


def test_the_form_is_one_that_programs_which_keep_passwords_understand(browse: Browse) -> None:
    page = browse()
    page.goto("/account/sign-in")
    expect(page.get_by_label("Email")).to_be_focused()
    assert page.get_by_label("Email").get_attribute("autocomplete") == "username"
    assert page.get_by_label("Password").get_attribute("autocomplete") == "current-password"


def test_a_page_that_tells_of_a_mistake_can_be_used_by_everybody(browse: Browse, user: dict) -> None:
    page = browse()
    page.goto("/account/sign-in")
    fill(page, user["email"], "not the password")
    expect(page.get_by_role("alert")).to_be_visible()
    assert axe_in_both_themes(page) == []


# ---- a session that ends while somebody is at a page


def test_who_was_away_for_too_long_signs_in_and_is_back_at_the_page(server: Server, browse: Browse, user: dict) -> None:
    page = browse(scripts=False)
    sign_in(page, user["email"], user["password"])
    page.goto("/account/keys")
    try:
        server.pass_time(25 * 3600)
        page.goto("/account/sessions?a=b")
        is_at(page, "/account/sign-in")
        expect(page.get_by_role("status").first).to_have_text("Your session has expired. Sign in again to continue.")
        fill(page, user["email"], user["password"])
        expect(page).to_have_url(f"{server.url}/account/sessions?a=b")
    finally:
        server.pass_time(0)


def test_a_form_that_is_sent_after_the_end_leads_back_to_its_page_and_does_nothing(
    browse: Browse, http: httpx2.Client, user: dict
) -> None:
    page = browse()
    sign_in(page, user["email"], user["password"])
    page.goto("/account")
    [session] = http.get("/v1/sessions", params={"user": user["id"]}).json()
    assert http.delete(f"/v1/sessions/{session['id']}").is_success
    page.get_by_label("Name", exact=True).fill("Somebody Else")
    page.locator(
        "form[action='/account/profile'] button[type=submit], form[action='/account/profile'] button:not([type])"
    ).first.click()
    is_at(page, "/account/sign-in")
    fill(page, user["email"], user["password"])
    is_at(page, "/account")
    assert http.get(f"/v1/users/{user['id']}").json()["name"] == user["name"]


def test_who_is_suspended_is_signed_out_at_the_next_click_and_told_why_at_the_next_sign_in(
    browse: Browse, http: httpx2.Client, user: dict
) -> None:
    page = browse()
    sign_in(page, user["email"], user["password"])
    assert http.post(f"/v1/users/{user['id']}/suspend").is_success
    page.get_by_role("link", name="API keys").first.click()
    is_at(page, "/account/sign-in")
    fill(page, user["email"], user["password"])
    expect(page.get_by_role("alert")).to_have_text("This account is suspended. Contact an administrator.")
    assert http.post(f"/v1/users/{user['id']}/activate").is_success
    fill(page, user["email"], user["password"])
    is_at(page, "/account/keys")


def test_a_role_that_is_switched_off_is_signed_out_and_told_so(browse: Browse, http: httpx2.Client, user: dict) -> None:
    page = browse()
    sign_in(page, user["email"], user["password"])
    assert http.patch(f"/v1/users/{user['id']}", json={"role": "viewer"}).is_success
    page.get_by_role("link", name="API keys").first.click()
    is_at(page, "/account/sign-in")
    fill(page, user["email"], user["password"])
    expect(page.get_by_role("alert")).to_have_text("This account is not allowed to sign in here.")


# ---- forms of other sites


@pytest.fixture
def elsewhere() -> Iterator[Callable[[str], int]]:
    """A server of a stranger, on another port: shows what it is given, and says which port it has."""
    shown = {"body": ""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = shown["body"].encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as found:

        def show(body: str) -> int:
            shown["body"] = f"<!doctype html><title>Win a prize</title>{body}"
            return found.server_port

        yield show


# To a browser another port of 127.0.0.1 is the same site, so that our cookie goes along; `localhost` is another site.
@pytest.mark.parametrize(("host", "scripts"), [("127.0.0.1", True), ("localhost", False)])
def test_a_form_of_another_site_is_refused_and_changes_nothing(
    server: Server,
    browse: Browse,
    http: httpx2.Client,
    watch: Watch,
    user: dict,
    elsewhere: Callable[[str], int],
    host: str,
    scripts: bool,
) -> None:
    page = browse(scripts)
    sign_in(page, user["email"], user["password"])
    for path, fields in (
        ("/account/profile", {"name": "Stolen", "email": "thief@example.com"}),
        ("/account/sign-out", {}),
        ("/account/sign-in", {"email": OWNER_EMAIL, "password": "x"}),
        ("/account/keys", {"name": "theirs"}),
    ):
        hidden = "".join(f'<input type=hidden name={name} value="{value}">' for name, value in fields.items())
        port = elsewhere(f'<form method=post action="{server.url}{path}">{hidden}<button>Win</button></form>')
        page.goto(f"http://{host}:{port}/")
        with page.expect_response(lambda response, path=path: response.url == server.url + path) as answer:
            page.get_by_role("button", name="Win").click()
        assert answer.value.status == 403
        expect(page.get_by_role("main")).to_contain_text("This form was sent from another site.")
    page.goto("/account")
    is_at(page, "/account")
    assert http.get(f"/v1/users/{user['id']}").json()["name"] == user["name"]
    assert http.get("/v1/keys", params={"user": user["id"]}).json() == []
    assert not watch.violations and not watch.errors
    watch.clear()  # the stranger's page was asked for, by the test


def test_a_script_of_another_site_can_send_and_read_nothing_and_nobody_frames_us(
    server: Server,
    new_context: Callable[..., BrowserContext],
    http: httpx2.Client,
    watch: Watch,
    user: dict,
    elsewhere: Callable[[str], int],
) -> None:
    page = new_context().new_page()
    sign_in(page, user["email"], user["password"])
    port = elsewhere(f'<iframe src="{server.url}/account" title=framed></iframe>')
    page.goto(f"http://127.0.0.1:{port}/")
    statuses = []
    page.on("response", lambda response: statuses.append((response.request.method, response.status)))
    outcome = page.evaluate(
        """async url => {
            const options = { method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams({ name: "Stolen" }) };
            const sent = await fetch(url + "/account/profile", options).then(answer => answer.type, error => "refused");
            const read = await fetch(url + "/account", { credentials: "include" }).then(answer => answer.text(), error => "refused");
            return [sent, read];
        }""",
        server.url,
    )
    assert outcome[1] == "refused" and ("POST", 303) not in statuses and ("POST", 200) not in statuses
    assert user["email"] not in "".join(frame.content() for frame in page.frames if frame != page.main_frame)
    assert http.get(f"/v1/users/{user['id']}").json()["name"] == user["name"]
    watch.clear()  # all of this was refused by the browser, aloud


# ---- links that set a password


@with_and_without_scripts
def test_somebody_with_a_link_sets_a_password_and_is_at_the_profile(
    browse: Browse, http: httpx2.Client, user: dict, scripts: bool
) -> None:
    page = browse(scripts)
    url = link(http, user)
    page.goto(url)
    expect(page.get_by_label("Email")).to_have_value(user["email"])
    assert page.get_by_label("New password").get_attribute("autocomplete") == "new-password"
    fill_new(page, "qwertyuiop")
    expect(page.locator(".problem")).to_contain_text("too common")
    fill_new(page, NEW)
    is_at(page, "/account")
    expect(page.get_by_role("status").first).to_have_text("Your password is set and you’re signed in.")
    other = browse(scripts)
    other.goto(url)
    expect(other.get_by_role("heading", level=1)).to_have_text("This link is no longer valid")
    expect(other.get_by_role("main")).to_contain_text("Ask an administrator")
    sign_in(other, user["email"], NEW)


@with_and_without_scripts
def test_a_link_that_somebody_else_opens_says_whose_session_ends(
    browse: Browse, http: httpx2.Client, user: dict, scripts: bool
) -> None:
    page, other = browse(scripts), new_user(http)
    sign_in(page, other["email"], other["password"])
    page.goto(link(http, user))
    said = page.locator(".notice")
    expect(said).to_contain_text(f"You’re signed in as {other['email']}, but this link belongs to {user['email']}.")
    expect(said).to_contain_text("signs you out of the first account and in to the second")
    fill_new(page, NEW)
    is_at(page, "/account")
    expect(page.locator(".who")).to_have_text(user["email"])
    assert http.get("/v1/sessions", params={"user": other["id"]}).json() == []
    page.goto(link(http, user))
    assert page.locator(".notice").count() == 0, "a link of one's own"


def test_a_password_is_shown_on_request_and_what_it_lacks_is_counted(
    browse: Browse, http: httpx2.Client, user: dict
) -> None:
    page = browse()
    page.goto(link(http, user))
    button = page.get_by_role("button", name="Show new password")
    field = page.get_by_label("New password")
    field.fill("four")
    expect(page.get_by_text("4 more characters needed.")).to_be_visible()
    field.fill("\U0001f511\U0001f511 keys in it")
    expect(page.get_by_text("Long enough.")).to_be_visible()
    expect(button).to_have_attribute("aria-pressed", "false")
    button.press("Space")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(field).to_have_attribute("type", "text")
    assert axe_in_both_themes(page) == []
    button.click()
    expect(field).to_have_attribute("type", "password")
    plain = browse(scripts=False)
    plain.goto("/account/sign-in")
    expect(plain.locator("[data-show-password]")).to_be_hidden()


def test_everyone_begins_where_their_work_is(browse: Browse, http: httpx2.Client, user: dict) -> None:
    """Admins and owners at the overview, others at their account; and at the page they wanted, if they wanted one."""
    for person, path in ((new_user(http, role="admin"), "/admin"), (user, "/account")):
        page = browse()
        page.goto("/")
        is_at(page, "/account/sign-in")
        fill(page, person["email"], person["password"])
        is_at(page, path)
        page.goto("/")
        is_at(page, path)


def test_of_two_who_have_the_page_of_a_link_open_the_second_is_told(
    browse: Browse, http: httpx2.Client, user: dict
) -> None:
    first, second = browse(), browse()
    url = link(http, user)
    first.goto(url)
    second.goto(url)
    fill_new(first, NEW)
    is_at(first, "/account")
    fill_new(second, "something else entirely")
    expect(second.get_by_role("heading", level=1)).to_have_text("This link is no longer valid")
    assert second.context.cookies() == []


def test_the_pages_of_links_can_be_used_by_everybody(browse: Browse, http: httpx2.Client, user: dict) -> None:
    page = browse()
    page.goto(link(http, user))
    assert axe_in_both_themes(page) == []
    fill_new(page, "qwertyuiop")
    expect(page.locator(".problem")).to_be_visible()
    assert axe_in_both_themes(page) == []
    page.goto("/account/set-password?token=gone")
    assert axe_in_both_themes(page) == []


def test_the_address_of_a_link_is_told_to_nobody(
    new_context: Callable[..., BrowserContext], http: httpx2.Client, user: dict
) -> None:
    page = new_context().new_page()
    told: list[str] = []
    page.on("request", lambda request: told.append(request.headers.get("referer", "")))
    url = link(http, user)
    page.goto(url)
    fill_new(page, NEW)
    is_at(page, "/account")
    assert any(told) and not any(url.partition("=")[2] in each for each in told)


@with_and_without_scripts
def test_a_link_leads_to_the_application_that_asked_for_it(
    new_context: Callable[..., BrowserContext],
    http: httpx2.Client,
    watch: Watch,
    user: dict,
    elsewhere: Callable[[str], int],
    scripts: bool,
) -> None:
    """The policy of the page lets its form lead there, and there alone."""
    application = f"http://localhost:{elsewhere('<h1>Welcome back</h1>')}/welcome?from=reset"
    answer = http.post(
        f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password", "redirect_url": application}
    )
    page = new_context(java_script_enabled=scripts).new_page()
    told: list[str] = []
    page.on("request", lambda request: told.append(request.headers.get("referer", "")))
    page.goto(answer.json()["url"])
    expect(page.get_by_text("You then continue at localhost:")).to_be_visible()
    fill_new(page, NEW)
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome back")
    assert page.url == application
    assert any(told) and not any("token" in each for each in told)
    assert not watch.violations and not watch.errors
    watch.clear()  # the application was asked for, by the link


def test_an_invitation_from_the_command_line_leads_to_the_profile(server: Server, browse: Browse) -> None:
    made = server.rollbook(
        "users", "invite", "grace@example.com", "--name", "Grace", "--quiet", "--url", server.url, "--key", server.key
    )
    page = browse()
    page.goto(made.stdout.strip())
    fill_new(page, NEW)
    is_at(page, "/account")
    expect(page.locator(".who")).to_have_text("grace@example.com")


def test_the_first_run_leads_the_owner_to_the_overview_and_the_keys_have_a_line_to_paste(
    new_context: Callable[..., BrowserContext], watch: Watch, tmp_path: Path
) -> None:
    with running(tmp_path / "data", environment={"ROLLBOOK_OWNER_PASSWORD": ""}) as fresh:
        watch.origin = fresh.url
        [url] = re.findall(r"Sign in +(\S+)", (fresh.data / "first-start.txt").read_text())
        page = new_context(base_url=fresh.url).new_page()
        page.goto("/account/sign-in")
        fill(page, OWNER_EMAIL, "a stranger's guess")
        expect(page.get_by_role("alert")).to_contain_text("incorrect")
        page.goto(url)
        fill_new(page, NEW)
        is_at(page, "/admin")
        page.goto("/account/keys")
        expect(page.get_by_role("main")).to_contain_text("curl")
        expect(page.get_by_role("main")).to_contain_text("first key")
        page.goto(url)
        expect(page.get_by_role("heading", level=1)).to_have_text("This link is no longer valid")


def test_no_key_is_said_to_be_shown_only_once_that_can_be_revealed(tmp_path: Path) -> None:
    """The one of the first start, and one that the command line creates: who has the password gets both again."""
    with running(tmp_path / "data", environment={"ROLLBOOK_OWNER_KEY": ""}) as fresh, fresh.http(None) as http:
        first = (fresh.data / "first-start.txt").read_text()
        made = fresh.rollbook("keys", "create", OWNER_EMAIL, "--data", str(fresh.data))
        for said in (first, made.stdout + made.stderr):
            assert not re.search(r"\bonly (now|once)\b|shown once|see it again", said, re.IGNORECASE), said
            [key] = set(re.findall(r"rbk_[0-9A-Za-z]{38}", said))
            headers = {"Authorization": f"Bearer {key}"}
            id = http.get("/v1/keys/current", headers=headers).json()["id"]
            again = http.post(f"/v1/keys/{id}/reveal", json={"password": OWNER_PASSWORD}, headers=headers)
            assert (again.status_code, again.json()["key"]) == (200, key)


def test_a_new_user_has_no_password_to_guess(browse: Browse, server: Server) -> None:
    server.rollbook("users", "invite", "nopassword@example.com", "--data", str(server.data))
    page = browse()
    page.goto("/account/sign-in")
    fill(page, "nopassword@example.com", "None")
    expect(page.get_by_role("alert")).to_have_text("The email or password is incorrect.")


def test_an_admin_may_hand_out_a_link_made_in_the_pages_own_way(browse: Browse, http: httpx2.Client) -> None:
    user = new_user(http, name="<b>Bold</b>")
    page = browse()
    page.goto(link(http, user))
    expect(page.get_by_role("heading", level=1)).to_have_text("Set your password")
    fill_new(page, "<b>bold</b>")
    expect(page.locator(".problem")).to_contain_text("same as the name")
