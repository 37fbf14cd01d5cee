"""A page's script in a real browser: what it may call and read from another web origin, and what its `EventSource` gets."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.harness import new_key, new_user, running, serving

CALL = """async ([url, key]) => {
    const headers = {Authorization: `Bearer ${key}`, "Idempotency-Key": "once", "Content-Type": "application/json"};
    const body = JSON.stringify({name: "A", email: "script@example.com", password: "securepassword123"});
    try {
        const answer = await fetch(`${url}/v1/users`, {method: "POST", headers, body});
        return [answer.status, answer.headers.get("Location"), answer.headers.get("RateLimit-Remaining"), (await answer.json()).email];
    } catch (problem) {
        return [String(problem)];
    }
}"""
FOLLOW = """async url => {
    window.seen = [];
    const opened = ["", "?names=false"].map((query) => {
        const source = new EventSource(`${url}/v1/events/stream${query}`);
        source.onmessage = (message) => seen.push(["any", JSON.parse(message.data).type]);
        source.addEventListener("user.created", (message) => seen.push(["named", JSON.parse(message.data).type]));
        return new Promise((resolve) => source.addEventListener("position", (message) => resolve(JSON.parse(message.data).position)));
    });
    return await Promise.all(opened);
}"""
DESCRIBED = "async ([url]) => (await (await fetch(`${url}/openapi.json`)).json()).openapi"


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A page</title>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Page)) as listening:
        yield f"http://127.0.0.1:{listening.server_port}"


def test_only_a_listed_origin_calls_the_api_and_any_reads_the_description(
    browser: Browser, site: str, tmp_path: Path
) -> None:
    with (
        running(tmp_path / "data", environment={"ROLLBOOK_CORS_ORIGINS": site}) as server,
        browser.new_context() as context,
    ):
        page = context.new_page()
        page.goto(site)
        status, location, left, email = page.evaluate(CALL, [server.url, server.key])
        assert (status, left, email) == (201, "99", "script@example.com") and location.startswith(
            f"{server.url}/v1/users/"
        )
        page.goto(site.replace("127.0.0.1", "localhost"))  # another origin
        assert "Failed to fetch" in page.evaluate(CALL, [server.url, server.key])[0]
        assert page.evaluate(DESCRIBED, [server.url]).startswith("3.1")


def test_an_event_source_gets_events_by_their_names_or_all_of_them_without(browser: Browser, tmp_path: Path) -> None:
    with (
        running(tmp_path / "data") as server,
        server.http() as http,
        browser.new_context(extra_http_headers={"Authorization": f"Bearer {server.key}"}, bypass_csp=True) as context,
    ):
        page = context.new_page()
        page.goto(f"{server.url}/health/live")
        newest = http.get("/v1/events?order=desc&limit=1").headers["event-position"]
        assert page.evaluate(FOLLOW, server.url) == [newest, newest]
        new_key(http, user_id=new_user(http)["id"])
        page.wait_for_function("() => seen.length >= 3")
        seen = page.evaluate("() => seen.sort()")
        assert seen == [["any", "key.created"], ["any", "user.created"], ["named", "user.created"]]
