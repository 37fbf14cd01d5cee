"""Sign-in to an application in a real browser, which follows redirects from form to form only as far as the policy of a
page lets it."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import axe_in_both_themes, sideways
from tests.browser.test_passkeys import Device, fill, register, sign_out
from tests.certificates import certified
from tests.factors import enrolled
from tests.harness import Server, new_user, running, serving
from tests.relying import Application, Assistant, Publisher, application, parameters_of


class Callback(BaseHTTPRequestHandler):
    """The application's page that people return to. It remembers the form that it got."""

    posted: dict[str, str]

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Back</title><link rel=icon href='data:,'>")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        type(self).posted = dict(parse_qsl(body))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def app(server: Server, watch: Any) -> Iterator[Application]:
    with (
        serving(ThreadingHTTPServer(("127.0.0.1", 0), Callback)) as listening,
        server.http() as http,
        application(server, http, redirect_urls=[f"http://127.0.0.1:{listening.server_port}/callback"]) as made,
    ):
        yield made
        at = f"http://127.0.0.1:{listening.server_port}/"
        watch.strangers = [each for each in watch.strangers if at not in each]


def _asked(app: Application, **changed: str | None) -> str:
    return f"{app.server.url}/oauth2/authorize?{urlencode(app.asked(**changed))}"


def test_a_passkey_signs_in_to_an_application(new_context: Any, server: Server, app: Application, watch: Any) -> None:
    watch.origin = f"http://localhost:{server.port}"
    page = new_context(base_url=watch.origin).new_page()
    with server.http() as http:
        user = new_user(http)
    Device(page)
    fill(page, user)
    register(page)
    page.goto("/account")
    sign_out(page)
    page.goto(f"/oauth2/authorize?{urlencode(app.asked())}")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"{app.callback}?*")
    told = app.claims(app.exchange(parameters_of(page.url)["code"]).json()["id_token"])
    assert told["sub"] == user["id"] and told["amr"] == ["hwk", "mfa"] and told["acr"] == "aal2"


def test_a_person_is_led_through_sign_in_and_second_step_and_back(page: Page, server: Server, app: Application) -> None:
    with server.http() as http:
        user = new_user(http)
        codes = enrolled(http, user["id"])
    page.goto(_asked(app, login_hint=user["email"]))
    expect(page.get_by_label("Email")).to_have_value(user["email"])
    page.get_by_label("Password", exact=True).fill(user["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Code").fill(codes.code())
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{app.callback}?*")
    told = app.claims(app.exchange(parameters_of(page.url)["code"]).json()["id_token"])
    assert told["sub"] == user["id"] and told["amr"] == ["pwd", "otp", "mfa"]

    page.goto(_asked(app, response_mode="form_post"))
    page.wait_for_url(app.callback)
    assert app.exchange(Callback.posted["code"]).status_code == 200, "the form has sent itself"

    page.goto(_asked(app, prompt="select_account"))
    expect(page.get_by_role("heading")).to_have_text("Continue to Grafana")
    assert axe_in_both_themes(page) == []
    page.get_by_role("link", name="Continue").click()
    page.wait_for_url(f"{app.callback}?*")
    assert "code" in parameters_of(page.url)


def test_a_person_lets_an_assistant_change_something_after_they_prove_who_they_are(
    new_context: Any, watch: Any, tmp_path: Path
) -> None:
    files = certified(tmp_path / "certificate", "127.0.0.1")
    flags, trusted = ("--webhook-allow", "127.0.0.0/8"), {"SSL_CERT_FILE": str(files.authority)}
    with (
        serving(ThreadingHTTPServer(("127.0.0.1", 0), Callback)) as listening,
        serving(Publisher(files)) as publisher,
        running(tmp_path / "data", *flags, environment=trusted) as server,
        server.http() as http,
    ):
        watch.origin = server.url
        url = publisher.publish("/client.json", redirect_uris=["http://127.0.0.1/callback"])
        assistant, callback = Assistant(server, url), f"http://127.0.0.1:{listening.server_port}/callback"
        user = new_user(http, role="admin")
        page = new_context(base_url=server.url, viewport={"width": 360, "height": 740}).new_page()
        page.goto(f"/oauth2/authorize?{urlencode(assistant.asked(redirect_uri=callback))}")
        page.get_by_label("Email").fill(user["email"])
        page.get_by_label("Password", exact=True).fill(user["password"])
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading")).to_have_text(f"Connect {publisher.host}")
        expect(page.get_by_label("Only read")).to_be_checked()
        assert axe_in_both_themes(page) == [] and not sideways(page)
        server.pass_time(3_600)
        page.get_by_label("Read and change").check()
        page.get_by_role("button", name="Allow").click()
        page.get_by_label("Password", exact=True).fill(user["password"])
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(f"{callback}?*")
        answer = assistant.exchange(parameters_of(page.url)["code"], redirect_uri=callback)
        tools = assistant.tools(answer.json()["access_token"])
        assert isinstance(tools, set) and "create_user" in tools
        watch.strangers = [each for each in watch.strangers if callback not in each]
