"""Webhooks in a real browser: made, watched, changed and deleted by whoever may have them; what is sent, and what comes
back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import axe, take_session
from tests.browser.conftest import NO_LIMITS, with_and_without_scripts
from tests.browser.population import sign_in_by_form
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_user, running, serving
from tests.nodes.pair import wait_until

URL = "https://hooks.invalid/rollbook"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that sends to this machine too."""
    folder = tmp_path_factory.mktemp("server") / "data"
    with running(folder, "--rate-limit", "none", "--webhook-allow", "127.0.0.0/8", environment=NO_LIMITS) as server:
        yield server


class Receiver(ThreadingHTTPServer):
    """Answers with `status` and a body; what came is in `bodies`."""

    status = 200
    answer = b'{"thanks": "<script>alert(1)</script>"}'

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.bodies: list[dict] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook"


class Answers(BaseHTTPRequestHandler):
    server: Receiver  # type: ignore[bad-override-mutable-attribute]

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving(Receiver()) as started:
        yield started


@pytest.fixture(scope="module")
def owner_cookies(server: Server) -> httpx2.Cookies:
    return sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD)


@pytest.fixture
def browse(server: Server, new_page: Callable[..., Page], owner_cookies: httpx2.Cookies) -> Callable[..., Page]:
    """A page of the owner's browser."""

    def make(scripts: bool = True) -> Page:
        page = new_page(java_script_enabled=scripts)
        take_session(page.context, owner_cookies, server)
        return page

    return make


def hook(http: httpx2.Client, **fields: object) -> dict:
    answer = http.post("/v1/webhooks", json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def stored(http: httpx2.Client, webhook: dict | str) -> dict:
    return http.get(f"/v1/webhooks/{webhook if isinstance(webhook, str) else webhook['id']}").json()


@with_and_without_scripts
def test_a_webhook_is_created_with_chosen_types_and_changed(
    http: httpx2.Client, browse: Callable[..., Page], scripts: bool
) -> None:
    page = browse(scripts)
    page.goto("/admin/webhooks")
    page.get_by_role("link", name="Create webhook").click()
    page.get_by_label("URL").fill("ftp://hooks.invalid/")
    page.get_by_role("button", name="Create webhook").click()
    expect(page.locator(".problems")).to_contain_text("The URL must")
    page.get_by_label("URL").fill(URL)
    page.get_by_label("Description").fill("Billing")
    page.get_by_label("Only selected types").check()
    page.get_by_label("user.created", exact=True).check()
    page.locator("[name=type][value='key.*']").check()
    expect(page.get_by_label("Format")).to_be_hidden()
    page.get_by_text("Format, payload, order, headers").click()
    page.get_by_label("Format").select_option("cloudevents")
    page.get_by_label("Skip events of imports").check()
    page.get_by_role("textbox", name="Headers").fill("X-Tenant: acme\nX-Token: s3cret")
    page.get_by_role("button", name="Create webhook").click()
    secret = page.locator("#new-secret").inner_text()
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("heading", name="Billing")).to_be_visible()
    assert secret not in page.content() and "s3cret" not in page.content()
    webhook = stored(http, page.url.rpartition("/")[2])
    assert webhook["url"] == URL and webhook["format"] == "cloudevents" and webhook["skip_imports"]
    assert sorted(webhook["types"]) == ["key.*", "user.created"] and webhook["headers"] == ["X-Tenant", "X-Token"]
    # Changed: what is not touched stays, and of two who change it at once, the second is told.
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("user.created", exact=True)).to_be_checked()
    page.get_by_label("Remove X-Token").check()
    page.get_by_label("All events").check()
    http.patch(f"/v1/webhooks/{webhook['id']}", json={"description": "Changed meanwhile"})
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".problems")).to_contain_text("changed since you read it")
    page.goto(f"/admin/webhooks/{webhook['id']}/edit")
    page.get_by_label("Remove X-Token").check()
    page.get_by_label("All events").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    after = stored(http, webhook)
    assert (after["types"], after["headers"], after["format"]) == (["*"], ["X-Tenant"], "cloudevents")
    page.get_by_role("navigation", name="Webhook").get_by_role("link", name="Settings").click()
    page.get_by_text("Delete webhook…").click()
    page.get_by_role("button", name="Delete webhook").last.click()
    expect(page.get_by_text("Webhook deleted.")).to_be_visible()
    assert http.get(f"/v1/webhooks/{webhook['id']}").status_code == 404


def test_a_secret_is_shown_again_and_rotated_with_an_overlap(http: httpx2.Client, browse: Callable[..., Page]) -> None:
    webhook = hook(http)
    page = browse(scripts=False)
    page.goto(f"/admin/webhooks/{webhook['id']}/settings")
    page.get_by_role("button", name="Reveal secret").click()
    shown = page.locator("#new-secret")
    expect(shown).to_have_text(webhook["secret"])
    page.get_by_role("link", name="Done").click()
    page.get_by_label("Keep signing with the old secret for").select_option("1 hour")
    page.get_by_role("button", name="Rotate secret").click()
    expect(shown).to_have_text(re.compile("whsec_"))
    rotated = shown.inner_text()
    assert rotated != webhook["secret"]
    page.reload()
    expect(shown).to_have_text(rotated)
    expect(page.get_by_text("signed with the old secret as well")).to_be_visible()


def test_a_webhook_is_paused_and_resumed_from_a_chosen_place(http: httpx2.Client, browse: Callable[..., Page]) -> None:
    webhook = hook(http)
    page = browse(scripts=False)
    page.goto(f"/admin/webhooks/{webhook['id']}")
    page.get_by_role("button", name="Pause").click()
    assert stored(http, webhook)["status"] == "paused"
    for choice, field in (("time", "Time (UTC)"), ("event", "Event ID")):
        page.get_by_label("Start").select_option(choice)
        expect(page.get_by_label(field)).to_be_visible()
        page.get_by_role("button", name="Resume").click()
        expect(page.locator(".problems")).to_contain_text("The start must")
    assert stored(http, webhook)["status"] == "paused"
    page.get_by_label("Start").select_option("now")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Webhook resumed.")).to_be_visible()
    assert stored(http, webhook)["status"] == "enabled"
    wait_until(lambda: stored(http, webhook)["health"]["waiting"] <= 1)


def test_viewers_have_their_own_webhooks_and_members_none(
    server: Server, http: httpx2.Client, browse: Callable[..., Page], page: Page, new_page: Callable[..., Page]
) -> None:
    owners = hook(http, description="Of the owner")
    viewer, member = new_user(http, role="viewer"), new_user(http)
    theirs = hook(http, description="Of a viewer", user_id=viewer["id"])
    take_session(page.context, sign_in_by_form(server, viewer["email"], viewer["password"]), server)
    page.goto("/admin/webhooks")
    expect(page.get_by_role("navigation", name="Dashboard")).to_contain_text("Rules and webhooks")
    expect(page.get_by_role("region", name="Webhooks").locator("tbody tr")).to_have_count(1)
    for path in (f"/admin/webhooks/{owners['id']}", f"/admin/webhooks/{owners['id']}/edit"):
        answer = page.goto(path)
        assert answer and answer.status == 404
    other = new_page()
    take_session(other.context, sign_in_by_form(server, member["email"], member["password"]), server)
    other.goto("/account")
    expect(other.get_by_role("navigation", name="Account")).not_to_contain_text("Webhooks")
    expect(other.get_by_role("navigation", name="Dashboard")).to_have_count(0)
    for path in ("/admin/webhooks", "/admin/webhooks/new", f"/admin/webhooks/{theirs['id']}"):
        answer = other.goto(path)
        assert answer and answer.status == 403
    # Admins see all of them, with whose they are.
    page = browse()
    page.goto("/admin/webhooks?q=of+a+viewer")
    expect(page.get_by_role("region", name="Webhooks").locator("tbody tr")).to_have_count(1)
    row = page.get_by_role("row").filter(has_text="Of a viewer")
    expect(row).to_contain_text(viewer["name"])
    row.get_by_role("link", name="Of a viewer").click()
    expect(page.get_by_role("navigation", name="Dashboard").locator("[aria-current]")).to_have_text(
        "Rules and webhooks"
    )


# ---- what is sent, and what comes back


def test_the_first_webhook_is_seen_without_any_other_program(server: Server, http: httpx2.Client, page: Page) -> None:
    viewer = new_user(http, role="viewer")
    take_session(page.context, sign_in_by_form(server, viewer["email"], viewer["password"]), server)
    page.goto("/admin/webhooks")
    page.get_by_role("button", name="Create an inbox").click()
    arrived = page.locator("section", has=page.get_by_role("heading", name="Headers"))
    first = arrived.filter(has=page.get_by_role("heading", name="webhook.created"))
    expect(first).to_contain_text("valid signature")
    page.get_by_label("Event type").select_option("key.expired")
    page.get_by_role("button", name="Send test event").click()
    tested = arrived.filter(has=page.get_by_role("heading", name="key.expired"))
    expect(tested).to_contain_text("valid signature")
    expect(tested).to_contain_text("webhook-signature")
    # What happens meanwhile comes by itself.
    user = new_user(http, name="Seen at once")
    expect(arrived.filter(has_text=user["id"])).to_contain_text("valid signature")


@with_and_without_scripts
def test_a_test_event_shows_what_was_sent_and_what_came_back(
    http: httpx2.Client, browse: Callable[..., Page], receiver: Receiver, scripts: bool
) -> None:
    webhook = hook(http, url=receiver.url, status="paused", headers={"X-Token": "s3cret"})
    page = browse(scripts)
    for receiver.status, outcome in ((500, "Answered 500"), (200, "Delivered")):
        page.goto(f"/admin/webhooks/{webhook['id']}")
        page.get_by_role("main").get_by_label("Event type").first.select_option("user.updated")
        page.get_by_role("button", name="Send test event").click()
        expect(page.get_by_role("heading", name="user.updated")).to_be_visible()
        expect(page.locator(".page-head")).to_contain_text(outcome)
        request, response = (
            page.locator("section", has=page.get_by_role("heading", name=name)) for name in ("Request", "Response")
        )
        expect(request).to_contain_text(f"POST {receiver.url}")
        expect(request).to_contain_text("X-Token")
        assert json.loads(request.locator("pre").inner_text()) == receiver.bodies[-1]
        expect(response).to_contain_text(f"HTTP {receiver.status}")
        assert json.loads(response.locator("pre").inner_text()) == json.loads(receiver.answer)
        assert "s3cret" not in page.content()
    page.goto(f"/admin/webhooks/{webhook['id']}/deliveries?outcome=failed")
    rows = page.get_by_role("region", name="Deliveries").locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Answered 500")
    answer = page.goto(f"/admin/webhooks/{webhook['id']}/deliveries?outcome=lost&created_after=yesterday")
    assert answer and answer.status == 400


def test_what_failed_is_watched_resent_and_replayed(
    http: httpx2.Client, browse: Callable[..., Page], receiver: Receiver
) -> None:
    receiver.status = 503
    webhook = hook(http, url=receiver.url, types=["user.created"], description="Fails at first")
    user = new_user(http)
    page = browse()
    page.goto(f"/admin/webhooks/{webhook['id']}")
    rows = page.get_by_role("region", name="Deliveries").locator("tbody tr")
    expect(rows.filter(has_text="Answered 503").first).to_be_visible()
    rows.last.get_by_role("link").click()
    expect(page.get_by_text("Attempt 1 of 10 failed.")).to_be_visible()
    expect(page.get_by_text("Next attempt:")).to_be_visible()
    receiver.status = 200
    page.get_by_role("button", name="Resend").click()
    expect(rows.filter(has_text="Delivered").first).to_contain_text("resend")
    assert receiver.bodies[-1]["user_id"] == user["id"]
    # A part of the log once more.
    page.get_by_role("link", name="Deliveries to").click()
    page.get_by_role("navigation", name="Webhook").get_by_role("link", name="Replays").click()
    page.get_by_label("Period").select_option("A time of your choice")
    page.get_by_label("From (UTC)").fill("2023-10-27T10:00")
    page.get_by_label("Event types").select_option("user.created")
    page.get_by_label("User ID").fill(user["id"])
    page.get_by_role("button", name="Start replay").click()
    expect(page.get_by_text("Replay started.")).to_be_visible()
    replays = page.get_by_role("region", name="Replays").locator("tbody tr")
    expect(replays.filter(has_text="user.created")).to_contain_text("done")
    assert receiver.bodies[-1]["user_id"] == user["id"] and receiver.bodies[-1]["type"] == "user.created"


def test_the_top_of_a_webhooks_page_says_why_it_fails_and_that_it_works_again_without_a_reload(
    http: httpx2.Client, browse: Callable[..., Page], receiver: Receiver
) -> None:
    receiver.status, receiver.answer = 500, b'{"error": "TypeError: <b>user</b> is undefined"}'
    webhook = hook(http, url=receiver.url, types=["user.created"], description="Billing", ordering="none")
    new_user(http)
    page = browse()
    page.goto(f"/admin/webhooks/{webhook['id']}")
    cause, state = page.locator("#cause"), page.locator("#state")
    expect(cause).to_have_text(re.compile(r"^Answering 500 since .+: TypeError: <b>user</b> is undefined\.$"))
    expect(state).to_have_text("Failing")
    receiver.status = 200
    assert http.patch(f"/v1/webhooks/{webhook['id']}", json={"status": "enabled"}).status_code == 200
    new_user(http)
    expect(cause).to_have_text(re.compile(r"^Works: the last delivery succeeded on "))
    expect(state).to_have_text("Enabled")
    page.goto("/admin/webhooks")
    row = page.get_by_role("row").filter(has_text="Billing")
    expect(row).to_contain_text("Works: the last delivery succeeded on")


@with_and_without_scripts
def test_the_tabs_of_a_webhook_are_pages_of_their_own(
    http: httpx2.Client, browse: Callable[..., Page], scripts: bool
) -> None:
    webhook = hook(http, status="paused")
    page = browse(scripts)
    page.goto(f"/admin/webhooks/{webhook['id']}")
    tabs = page.get_by_role("navigation", name="Webhook")
    for name, heading in (
        ("Deliveries", "No deliveries"),
        ("Replays", "Send events again"),
        ("Settings", "Signing secret"),
        ("Overview", "Send a test event"),
    ):
        tabs.get_by_role("link", name=name).click()
        expect(tabs.locator("[aria-current=page]")).to_have_text(name)
        expect(page.get_by_text(heading, exact=True).first).to_be_visible()
        expect(page.locator("#cause")).to_contain_text("Paused by ")
        # Each fits two screens: all of it on one page was 2,755 pixels high.
        assert page.evaluate("document.documentElement.scrollHeight") < 1_600


def test_what_failed_is_sent_again_with_one_button(
    http: httpx2.Client, browse: Callable[..., Page], receiver: Receiver
) -> None:
    webhook = hook(http, url=receiver.url, types=["user.created"])
    receiver.status = 410
    failed = new_user(http)
    wait_until(lambda: stored(http, webhook)["status"] == "disabled")
    skipped, path = new_user(http), f"/v1/webhooks/{webhook['id']}"
    receiver.status = 200
    assert http.patch(f"{path}", json={"status": "enabled", "from": "now"}).status_code == 200
    page = browse(scripts=False)
    page.goto(f"/admin/webhooks/{webhook['id']}/deliveries")
    expect(page.get_by_text("1 event failed and was not delivered.")).to_be_visible()
    page.goto(f"/admin/webhooks/{webhook['id']}/replays")
    expect(page.get_by_role("button", name="Resend all failed")).to_be_visible()
    page.get_by_role("button", name="Replay since it began to fail").click()
    expect(page.get_by_text("Replay started.")).to_be_visible()
    wait_until(lambda: http.get(f"{path}/replays").json()[0]["status"] == "done")
    first, *again = [body["user_id"] for body in receiver.bodies]
    assert first == failed["id"] and set(again) == {failed["id"], skipped["id"]} and len(again) == 2  # side by side
    page.reload()
    expect(page.get_by_role("button", name="Resend all failed")).to_have_count(0)


def test_regions_of_the_tab_of_replays_have_names_of_their_own(
    http: httpx2.Client, browse: Callable[..., Page]
) -> None:
    webhook = hook(http, status="paused")
    assert http.post(f"/v1/webhooks/{webhook['id']}/replays", json={"from": "2023-10-27T10:00:00Z"}).status_code == 201
    page = browse()
    for tab in ("", "/replays"):
        page.goto(f"/admin/webhooks/{webhook['id']}{tab}")
        assert axe(page) == []
