"""Pages that customers see, in a real browser: the application's brand, their language, and nothing about the
product."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from rollbook.languages import NAMES, language
from tests.browser.chromium import axe_in_both_themes, sideways, sign_in
from tests.browser.conftest import NO_LIMITS, with_and_without_scripts
from tests.factors import enrolled
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_user, running, serving

LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 32"><style>text { fill: #0f766e } '
    "@media (prefers-color-scheme: dark) { text { fill: #5eead4 } }</style>"
    '<script>alert("a logo")</script><image href="https://example.com/x.png" width="1" height="1"/>'
    '<text x="0" y="24" font-family="sans-serif" font-size="24" font-weight="700">Acme Cloud</text></svg>'
)
NAME = "Acme Cloud"
SUPPORT = "mailto:help@acme.example"
NEW = "a few random words"
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    logo = folder / "logo.svg"
    logo.write_text(LOGO)
    brand = {
        "ROLLBOOK_BRAND_NAME": NAME,
        "ROLLBOOK_BRAND_LOGO": str(logo),
        "ROLLBOOK_BRAND_COLOR": "#ffd400",
        "ROLLBOOK_BRAND_SUPPORT": SUPPORT,
        "ROLLBOOK_LANGUAGE": "fr",
        "ROLLBOOK_SELF_DELETION": "true",
    }
    limits = ("--rate-limit", "none", "--unauthenticated-limit", "none", "--token-email-limit", "3/hour")
    hooks = ("--webhook-allow", "127.0.0.0/8", "--token-address-limit", "none")
    with running(folder / "data", *limits, *hooks, environment=NO_LIMITS | brand) as server:
        yield server


def visitor(server: Server, **headers: str) -> httpx2.Client:
    """Somebody without a key, whose browser sends these headers."""
    client = server.http(None)
    client.headers.update({"Accept": "text/html", **{name.replace("_", "-"): each for name, each in headers.items()}})
    return client


def link(http: httpx2.Client, user: dict) -> str:
    answer = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"})
    return answer.json()["url"]


# ---- whose pages they are


def test_the_pages_are_the_applications_and_say_nothing_about_the_product(
    server: Server, page: Page, http: httpx2.Client, user: dict
) -> None:
    for path in ("/account/sign-in", link(http, user), "/account/set-password?token=gone"):
        page.goto(path)
        expect(page.get_by_role("img", name=NAME)).to_be_visible()
        assert page.title().endswith(f" · {NAME}")
        expect(page.get_by_role("link", name="Contact support").last).to_have_attribute("href", SUPPORT)
        links = page.eval_on_selector_all("a", "found => found.map(each => each.getAttribute('href'))")
        assert not [each for each in links if re.match(r"/(docs|admin)|https?:", each)], links
        assert "rollbook" not in page.content().replace(server.url, "").lower()
        assert page.locator("[data-shortcuts], #palette, #shortcuts").count() == 0
        page.keyboard.press("Control+k")
        page.keyboard.press("?")
        assert page.locator("dialog").count() == 0
    page.goto("/account/sign-in")
    button = page.get_by_role("main").get_by_role("button", name="Sign in")
    expect(button).to_have_css("background-color", "rgb(255, 212, 0)")
    expect(button).to_have_css("color", "rgb(0, 0, 0)")


def test_a_logo_runs_and_loads_nothing_even_when_it_is_opened(
    server: Server, new_context: Callable[..., BrowserContext]
) -> None:
    page = new_context().new_page()
    page.goto("/account/sign-in")
    path = page.get_by_role("img", name=NAME).get_attribute("src")
    with server.http(None) as stranger:
        answer = stranger.get(f"{path}")
    assert answer.headers["content-type"] == "image/svg+xml; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; sandbox;") and "script" not in policy
    assert "immutable" in answer.headers["cache-control"] and answer.text == LOGO


def test_the_policy_of_these_pages_is_that_of_all_pages(server: Server) -> None:
    with visitor(server) as stranger:
        ours = stranger.get("/account/sign-in").headers["content-security-policy"]
        assert ours == stranger.get("/docs").headers["content-security-policy"] and "unsafe" not in ours
        for path in ("/brand/logo", "/brand/icon", "/brand/colors.css"):
            assert "max-age=300" in stranger.get(path).headers["cache-control"]
        assert stranger.get("/brand/other").status_code == 404


# ---- in which language


@pytest.mark.parametrize("code", NAMES)
def test_every_page_is_in_the_language_of_the_browser(
    new_context: Callable[..., BrowserContext], http: httpx2.Client, user: dict, code: str
) -> None:
    """And fits onto a phone, whatever the language."""
    reader = language(code)  # pyrefly: ignore[bad-argument-type]
    context = new_context(locale=code, viewport={"width": 360, "height": 640})
    page = context.new_page()
    page.goto("/account/sign-in")
    expect(page.locator("html")).to_have_attribute("lang", code)
    expect(page.get_by_role("heading", level=1)).to_have_text(reader.t("sign_in"))
    assert not sideways(page)
    page.get_by_label(reader.t("email"), exact=True).fill(user["email"])
    page.get_by_label(reader.t("password"), exact=True).fill("not the password")
    page.get_by_role("button", name=reader.t("sign_in")).click()
    expect(page.get_by_role("alert")).to_have_text(reader.t("error_wrong_password"))
    page.goto(link(http, user))
    page.get_by_label(reader.t("new_password"), exact=True).fill("password")
    expect(page.get_by_text(reader.t("long_enough"))).to_be_visible()
    page.get_by_label(reader.t("new_password"), exact=True).fill("passwo")
    expect(page.get_by_text(reader.counted("characters_needed", 2))).to_be_visible()
    page.get_by_label(reader.t("new_password"), exact=True).fill("password")
    page.get_by_role("button", name=reader.t("set_password_and_sign_in")).click()
    expect(page.locator(".problem")).to_have_text(reader.t("error_password_common"))
    assert not sideways(page) and axe_in_both_themes(page) == []
    page.goto("/account/set-password?token=gone")
    expect(page.get_by_role("heading", level=1)).to_have_text(reader.t("link_dead_title"))
    assert not sideways(page)


def test_a_reader_chooses_another_language_and_keeps_it(page: Page, http: httpx2.Client, user: dict) -> None:
    page.goto(link(http, user))
    page.get_by_role("link", name="Deutsch").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Passwort festlegen")
    page.get_by_label("Neues Passwort", exact=True).fill(user["email"])
    page.get_by_role("button", name="Passwort festlegen und anmelden").click()
    expect(page.locator(".problem")).to_have_text("Das Passwort ist dasselbe wie die E-Mail-Adresse.")
    page.get_by_role("link", name="日本語").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("パスワードの設定")
    page.get_by_label("新しいパスワード", exact=True).fill(NEW)
    page.get_by_role("button", name="パスワードを設定してログイン").click()
    expect(page).to_have_url(re.compile(r"/account(\?|$)"))


def test_answers_say_their_language_and_what_it_depends_on(server: Server) -> None:
    with visitor(server) as stranger:
        for accept, query, code in (
            ("es-MX", "", "es"),
            ("nl", "", "fr"),
            ("es", "?lang=ja", "ja"),
            ("es", "?lang=x", "es"),
        ):
            answer = stranger.get("/account/sign-in" + query, headers={"Accept-Language": accept})
            assert answer.headers["content-language"] == code
            assert "Accept-Language" in answer.headers["vary"]
        docs = stranger.get("/docs", headers={"Accept-Language": "es"})
        assert "content-language" not in docs.headers and "Accept-Language" not in docs.headers["vary"]


def test_what_goes_wrong_is_told_in_the_same_language(server: Server) -> None:
    with visitor(server, Accept_Language="de") as stranger:
        foreign = stranger.post("/account/sign-in", data={"email": "a@example.com", "password": "x"})
        assert foreign.status_code == 403 and "von einer anderen Website gesendet" in foreign.text
        assert "/docs" not in foreign.text and NAME in foreign.text
        missing = stranger.get("/account/sign-in/none")
        assert missing.status_code == 404 and "Seite nicht gefunden" in missing.text
        assert "docs/errors" in stranger.get("/nowhere").text, "pages for operators stay as they are"


def test_the_rate_limits_of_pages_and_passwords_are_told_in_the_same_language(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    limits = {"ROLLBOOK_ATTEMPTS_LIMIT": "2/minute", "ROLLBOOK_PAGE_LIMIT": "8/minute"}
    data = tmp_path_factory.mktemp("limits") / "data"
    with (
        running(data, "--rate-limit", "none", "--unauthenticated-limit", "none", environment=limits) as server,
        server.http() as http,
        visitor(server, Accept_Language="fr", Origin=server.url) as stranger,
    ):
        form = {"email": new_user(http)["email"], "password": "not the password"}
        texts = [stranger.post("/account/sign-in", data=form).text for _ in range(3)]
        assert "L’adresse e-mail ou le mot de passe est incorrect." in texts[0]
        assert re.search(r"Trop de tentatives infructueuses\. Réessayez dans \d+\u00a0secondes?\.", texts[2])
        answers = [stranger.get("/account/sign-in") for _ in range(9)]
        assert answers[-1].status_code == 429 and "Trop de requêtes" in answers[-1].text
        assert "/docs" not in answers[-1].text


# ---- deleting one's own account


def test_a_person_deletes_their_own_account_and_it_can_be_restored(
    server: Server, new_page: Callable[..., Page], http: httpx2.Client, user: dict
) -> None:
    """Without scripts. Who has not proven for ten minutes who they are is asked to."""
    page = new_page(java_script_enabled=False)
    sign_in(page, user["email"], user["password"])
    try:
        server.pass_time(11 * 60)
        page.goto("/account")
        page.get_by_role("link", name="Delete my account…").click()
        expect(page.get_by_role("main")).to_contain_text("For 30 days it can still be restored.")
        page.get_by_role("link", name="Cancel").click()
        page.get_by_role("link", name="Delete my account…").click()
        page.get_by_role("button", name="Delete my account").click()
        page.locator("input[type=password]").fill("not the password")
        page.locator("main form button[type=submit]").click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert http.get(f"/v1/users/{user['id']}").is_success
        page.locator("input[type=password]").fill(user["password"])
        page.locator("main form button[type=submit]").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Your account is deleted")
        expect(page.get_by_role("main")).to_contain_text("For 30 days support can still restore it.")
    finally:
        server.pass_time(0)
    [event] = http.get("/v1/events", params={"user": user["id"], "order": "desc", "limit": 1}).json()
    assert (event["type"], event["actor"]["user_id"]) == ("user.deleted", user["id"])
    page.goto("/account")
    expect(page).to_have_url(re.compile("/account/sign-in"))
    assert http.post(f"/v1/users/{user['id']}/restore").is_success
    sign_in(page, user["email"], user["password"])


def test_who_has_a_second_factor_is_asked_for_that_in_the_language_of_the_page(
    server: Server, new_page: Callable[..., Page], http: httpx2.Client, user: dict
) -> None:
    page, german = new_page(java_script_enabled=False), language("de")
    app = enrolled(http, user["id"])
    page.goto("/account/sign-in?lang=de")
    page.locator("input[name=email]").fill(user["email"])
    page.locator("input[name=password]").fill(user["password"])
    page.locator("main form button[type=submit]").click()
    page.get_by_label(german.t("code"), exact=True).fill(app.recovery_codes[0])
    page.locator("main form button[type=submit]").click()
    expect(page).to_have_url(re.compile("/account$"))
    try:
        server.pass_time(11 * 60)
        app.ahead = 11 * 60
        page.goto("/account/delete?lang=de")
        page.get_by_role("button", name=german.t("delete_account")).click()
        page.get_by_label(german.t("code"), exact=True).fill(app.wrong())
        page.locator("main form button[type=submit]").click()
        expect(page.locator("html")).to_have_attribute("lang", "de")
        assert http.get(f"/v1/users/{user['id']}").is_success
        page.get_by_label(german.t("code"), exact=True).fill(app.code())
        page.locator("main form button[type=submit]").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(german.t("deleted_title"))
        assert http.get(f"/v1/users/{user['id']}").status_code == 404
    finally:
        server.pass_time(0)


def test_the_last_owner_cannot_delete_their_account(server: Server, page: Page, http: httpx2.Client) -> None:
    sign_in(page, OWNER_EMAIL, OWNER_PASSWORD)
    page.goto("/account/delete?lang=es")
    page.get_by_role("button", name="Eliminar mi cuenta").click()
    expect(page.get_by_role("alert")).to_have_text("No se puede eliminar al último propietario.")
    assert http.get("/v1/users/me").is_success


# ---- links


def token_url(http: httpx2.Client, user: dict, purpose: str, **fields: object) -> str:
    answer = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": purpose, **fields})
    assert answer.is_success, answer.text
    return answer.json()["url"]


def invited(http: httpx2.Client, **fields: object) -> dict:
    email = f"invited{next(NUMBERS)}@example.com"
    return http.post("/v1/users", json={"name": "Invited", "email": email, "status": "invited", **fields}).json()


@with_and_without_scripts
def test_who_is_invited_chooses_a_name_and_a_password(
    new_page: Callable[..., Page], http: httpx2.Client, scripts: bool
) -> None:
    user = invited(http)
    page = new_page(java_script_enabled=scripts)
    url = token_url(http, user, "invite")
    assert "/account/invitation?" in url
    page.goto(url)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Welcome to {NAME}")
    expect(page.get_by_label("Email")).to_have_value(user["email"])
    expect(page.get_by_label("Name")).to_have_value("Invited")
    assert axe_in_both_themes(page) == [] if scripts else True
    page.get_by_label("Name").fill("Ada \u202e Lovelace")
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Accept invitation").click()
    expect(page.locator(".problem")).to_contain_text("an invisible character (U+202E)")
    assert http.get(f"/v1/users/{user['id']}").json()["status"] == "invited", "nothing is used up"
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Accept invitation").click()
    expect(page).to_have_url(re.compile("/account$"))
    found = http.get(f"/v1/users/{user['id']}").json()
    assert (found["name"], found["status"]) == ("Ada Lovelace", "active")
    page.goto(url)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link is no longer valid")


@with_and_without_scripts
def test_an_email_is_confirmed_by_a_button_and_not_by_opening_the_link(
    new_page: Callable[..., Page], http: httpx2.Client, user: dict, scripts: bool
) -> None:
    page = new_page(java_script_enabled=scripts)
    url = token_url(http, user, "verify_email")
    for _ in range(2):
        page.goto(url)
        expect(page.get_by_role("main")).to_contain_text(user["email"])
    assert http.get(f"/v1/users/{user['id']}").json()["email_verified"] is False
    page.get_by_role("button", name="Confirm email address").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your email address is confirmed")
    assert http.get(f"/v1/users/{user['id']}").json()["email_verified"] is True
    assert page.context.cookies() == [], "nobody is signed in by it"
    page.goto(url)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link is no longer valid")


def test_a_new_email_counts_once_it_is_confirmed(page: Page, http: httpx2.Client, user: dict) -> None:
    email = f"new{next(NUMBERS)}@example.com"
    url = token_url(http, user, "change_email", email=email)
    page.goto(url)
    expect(page.get_by_role("main")).to_contain_text(f"you’ll sign in with {email} instead of {user['email']}")
    other = new_user(http, email=email)
    page.get_by_role("button", name="Confirm email address").click()
    expect(page.get_by_role("alert")).to_contain_text("Email address is already in use.")
    assert http.delete(f"/v1/users/{other['id']}").is_success
    page.get_by_role("button", name="Confirm email address").click()
    expect(page.get_by_role("main")).to_contain_text(f"{email} is confirmed")
    found = http.get(f"/v1/users/{user['id']}").json()
    assert (found["email"], found["email_verified"]) == (email, True)


@with_and_without_scripts
def test_a_link_signs_in_by_a_button(
    new_page: Callable[..., Page], http: httpx2.Client, user: dict, scripts: bool
) -> None:
    page = new_page(java_script_enabled=scripts)
    url = token_url(http, user, "sign_in")
    page.goto(url)
    assert page.context.cookies() == []
    page.goto(url)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".who")).to_have_text(user["email"])
    page.goto(url)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link is no longer valid")


@pytest.mark.parametrize("purpose", ["reset_password", "verify_email", "sign_in"])
def test_a_link_of_somebody_who_is_suspended_says_so_before_anything_is_typed(
    page: Page, http: httpx2.Client, user: dict, purpose: str
) -> None:
    url = token_url(http, user, purpose)
    assert http.post(f"/v1/users/{user['id']}/suspend").is_success
    answer = page.goto(url)
    assert answer and answer.status == 404
    expect(page.get_by_role("main")).to_contain_text("a suspended account")
    expect(page.get_by_role("main").get_by_role("link", name="Contact support")).to_be_visible()
    assert page.locator("input").count() == 0


@pytest.mark.parametrize("purpose", ["verify_email", "sign_in", "reset_password"])
def test_a_link_leads_on_to_where_it_says(server: Server, http: httpx2.Client, user: dict, purpose: str) -> None:
    """And the policy of its page lets its form lead there, and there alone."""
    url = token_url(http, user, purpose, redirect_url="http://localhost:3000/done?a=1")
    with visitor(server, Origin=server.url) as stranger:
        page = stranger.get(url)
        assert "form-action 'self' http://localhost:3000;" in page.headers["content-security-policy"]
        assert "http://localhost:3000" not in page.headers["content-security-policy"].replace(
            "form-action 'self' http://localhost:3000;", ""
        )
        token = url.partition("token=")[2]
        path = url.partition("?")[0]
        answer = stranger.post(path, data={"token": token, "password": NEW})
        assert (answer.status_code, answer.headers["location"]) == (303, "http://localhost:3000/done?a=1")
        assert ("set-cookie" in answer.headers) == (purpose == "sign_in")
        assert stranger.post(path, data={"token": token}).status_code == 404


def test_a_link_does_nothing_on_the_page_of_another(page: Page, http: httpx2.Client, user: dict) -> None:
    pages = {"verify_email": "sign-in-link", "sign_in": "set-password", "reset_password": "confirm-email"}
    for purpose, path in pages.items():
        url = token_url(http, user, purpose)
        page.goto(f"/account/{path}?{url.partition('?')[2]}")
        expect(page.get_by_role("heading", level=1)).to_have_text("This link is no longer valid")
    assert len(http.get(f"/v1/users/{user['id']}/tokens").json()) == 3


@pytest.mark.parametrize("code", [code for code in NAMES if code != "en"])
def test_the_pages_of_links_are_in_the_language_of_the_browser(
    new_context: Callable[..., BrowserContext], http: httpx2.Client, code: str
) -> None:
    reader = language(code)  # pyrefly: ignore[bad-argument-type]
    page = new_context(locale=code, viewport={"width": 360, "height": 640}).new_page()
    user = new_user(http)
    titles = {
        token_url(http, invited(http), "invite"): reader.t("invitation_title", brand=NAME),
        token_url(http, user, "verify_email"): reader.t("confirm_email_title"),
        token_url(http, user, "change_email", email=f"x{next(NUMBERS)}@example.com"): reader.t("change_email_title"),
        token_url(http, user, "sign_in"): reader.t("sign_in_link_title"),
        "/account/deleted": reader.t("deleted_title"),
    }
    for url, title in titles.items():
        page.goto(url)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        assert not sideways(page)


# ---- a forgotten password


@pytest.fixture
def carried(http: httpx2.Client) -> Iterator[Callable[[], list[dict]]]:
    """What a webhook of the application is given to deliver."""
    received: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["object"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as found:
        url = f"http://127.0.0.1:{found.server_port}/hook"
        made = http.post("/v1/webhooks", json={"url": url, "types": ["token.requested"]})
        assert made.status_code == 201, made.text
        yield lambda: received
        http.delete(f"/v1/webhooks/{made.json()['id']}")


def wait_for(carried: Callable[[], list[dict]], count: int) -> dict:
    until = time.monotonic() + 60
    while len(carried()) < count:
        assert time.monotonic() < until, carried()
        time.sleep(0.02)
    return carried()[-1]


@with_and_without_scripts
def test_who_forgot_the_password_sets_a_new_one(
    new_page: Callable[..., Page], http: httpx2.Client, user: dict, carried: Callable[[], list[dict]], scripts: bool
) -> None:
    page = new_page(java_script_enabled=scripts)
    page.goto("/account/sign-in?lang=pt")
    page.get_by_role("link", name="Esqueceu a senha?").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Esqueceu a senha?")
    page.get_by_label("E-mail").fill(user["email"].upper())
    page.get_by_role("button", name="Enviar link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Confira o seu e-mail")
    expect(page.get_by_role("main")).to_contain_text("o e-mail informa até quando ele vale")
    assert axe_in_both_themes(page) == [] if scripts else True
    told = wait_for(carried, 1)
    assert (told["purpose"], told["email"]) == ("reset_password", user["email"])
    page.goto(told["url"])
    page.get_by_label("Nova senha").fill(NEW)
    page.get_by_role("button", name="Definir senha e entrar").click()
    expect(page).to_have_url(re.compile(r"/account\?lang=pt$"))
    assert http.get(f"/v1/users/{user['id']}").json()["email_verified"] is True, "who has the link reads the mail"
    page.goto(told["url"])
    page.get_by_role("link", name="Solicitar um novo link").click()
    expect(page.get_by_label("E-mail")).to_be_visible()


def test_who_is_invited_and_asks_for_a_new_password_is_invited_again(
    page: Page, http: httpx2.Client, carried: Callable[[], list[dict]]
) -> None:
    user = invited(http)
    page.goto("/account/forgot-password")
    page.get_by_label("Email").fill(user["email"])
    page.get_by_role("button", name="Send link").click()
    page.goto(wait_for(carried, 1)["url"])
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Welcome to {NAME}")


def test_the_form_answers_the_same_whoever_it_is_about(
    server: Server, http: httpx2.Client, user: dict, carried: Callable[[], list[dict]]
) -> None:
    """Known, unknown, suspended, and beyond the limit of an email, after which nothing more is sent."""
    suspended = new_user(http)
    assert http.post(f"/v1/users/{suspended['id']}/suspend").is_success
    with visitor(server, Origin=server.url) as stranger:

        def ask(email: str) -> str:
            answer = stranger.post("/account/forgot-password", data={"email": email})
            assert answer.status_code == 200 and "no-store" in answer.headers["cache-control"]
            assert "content-encoding" not in answer.headers and not answer.cookies
            return answer.text.replace(email, "EMAIL")

        said = {ask(email) for email in (user["email"], "nobody@example.com", suspended["email"], *[user["email"]] * 4)}
        assert len(said) == 1
        wait_for(carried, 3)
        other = new_user(http)
        ask(other["email"])
        wait_for(carried, 4)
        assert [told["user_id"] for told in carried()] == [user["id"]] * 3 + [other["id"]]
        wrong = stranger.post("/account/forgot-password", data={"email": "nobody"}, headers={"Accept-Language": "es"})
        assert wrong.status_code == 400 and "Este correo electrónico no es válido." in wrong.text


def test_without_anyone_who_delivers_links_the_page_says_whom_to_ask(server: Server, page: Page) -> None:
    page.goto("/account/sign-in")
    assert page.get_by_role("link", name="Forgot password?").count() == 0
    expect(page.get_by_role("main")).to_contain_text("Support can give you a link to set a new one.")
    expect(page.get_by_role("main").get_by_role("link", name="Contact support")).to_have_attribute("href", SUPPORT)
    page.goto("/account/forgot-password")
    assert page.locator("input").count() == 0
    expect(page.get_by_role("main").get_by_role("link", name="Contact support")).to_be_visible()
    with visitor(server, Origin=server.url) as stranger:
        answer = stranger.post("/account/forgot-password", data={"email": OWNER_EMAIL})
        assert answer.status_code == 200 and "Contact" in answer.text
    assert server.ask("SELECT count(*) FROM token_requests") == [(0,)]
