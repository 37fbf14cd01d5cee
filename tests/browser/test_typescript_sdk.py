"""The TypeScript SDK in a real browser, on a page of another origin."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests import typescript_sdk
from tests.harness import running, serving

PROGRAM = """async ([url, key]) => {
    const { EmailTaken, Rollbook } = await import("/index.js");
    const client = new Rollbook({ url, key });
    const user = { name: "Alice", email: "alice@example.com", password: "securepassword123" };
    const { data, response } = await client.users.create(user).withResponse();
    const taken = await client.users.create(user).catch((problem) => problem instanceof EmailTaken);
    const { eventPosition } = await client.users.list().first();
    for (let number = 0; number < 3; number++) await client.keys.create({ name: `Key ${number}` });
    const keys = await client.keys.list({ limit: 1 }).all();
    const names = [];
    for await (const event of client.events.follow(eventPosition, { types: ["key.*"] })) {
        if (names.push(event.object.name) === 3) break;
    }
    return [data.email, response.headers.get("idempotency-replayed"), taken, keys.length, names];
}"""


class Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    """The compiled SDK as files."""
    files = partial(Files, directory=str(typescript_sdk.built() / "dist"))
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), files)) as listening:
        yield f"http://127.0.0.1:{listening.server_port}"


def test_a_page_of_another_origin_uses_the_sdk(browser: Browser, site: str, tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", environment={"ROLLBOOK_CORS_ORIGINS": site}) as server,
        browser.new_context() as context,
    ):
        page = context.new_page()
        page.goto(f"{site}/package.json")  # any page, also that of an error
        seen = page.evaluate(PROGRAM, [server.url, server.key])
    assert seen == ["alice@example.com", None, True, 4, ["Key 0", "Key 1", "Key 2"]]
