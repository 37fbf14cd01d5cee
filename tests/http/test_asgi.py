"""The application as ASGI, called as any ASGI server would: the limits hold there too."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from echo import Echo

from rollbook.config import Settings
from rollbook.http.asgi import Asgi

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "scheme": "http",
    "path": "/a",
    "raw_path": b"/a",
    "query_string": b"q=1",
    "headers": [(b"host", b"a"), (b"x-many", b"1"), (b"x-many", b"2")],
    "client": ("192.0.2.1", 4711),
}


def call(messages: list[dict[str, Any]], settings: Settings | None = None, **scope: Any) -> tuple[int, dict[str, str], bytes]:
    """Status, header fields and body of the answer to a request whose body comes in these messages, and then no more."""
    settings = settings or Settings()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Asgi(Echo(settings, 0), settings)({**SCOPE, **scope}, receive, send))
    if not sent:
        return 0, {}, b""
    fields = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], fields, b"".join(message["body"] for message in sent[1:])


def _body(data: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


def test_a_body_in_parts_is_whole() -> None:
    status, fields, body = call([_body(b"hel", True), _body(b"lo")])
    seen = msgspec.json.decode(body)
    assert status == 200
    assert (seen["body"], seen["query"], seen["address"], seen["headers"]["x-many"]) == ("hello", "q=1", "192.0.2.1", "1, 2")
    assert fields["content-length"] == str(len(body))
    assert fields["x-request-id"] == seen["id"]


@pytest.mark.parametrize(
    ("messages", "headers", "status"),
    [
        ([], [(b"content-length", b"2000")], 413),
        ([_body(b"x" * 600, True), _body(b"x" * 600)], [], 413),
        ([_body(b"x" * 2000)], [], 413),
        ([_body(b"x", True)], [], 408),
        ([_body(b"")], [(b"host", b"a"), (b"host", b"b")], 400),
    ],
)
def test_what_it_refuses(messages: list[dict[str, Any]], headers: list[tuple[bytes, bytes]], status: int) -> None:
    answer, fields, body = call(messages, Settings(max_body=1024, body_timeout=0.1), headers=headers)
    assert answer == status
    assert fields["content-type"] == "application/json"
    assert "error" in msgspec.json.decode(body)
    assert ("connection" in fields) == (status in (408, 413))


@pytest.mark.parametrize(("raw_path", "status"), [(b"/%zz", 400), (b"/%00", 400), (b"/a%2fb", 404), (b"/caf%C3%A9", 200)])
def test_paths_are_read_as_by_the_direct_way(raw_path: bytes, status: int) -> None:
    assert call([_body(b"")], raw_path=raw_path, path="/whatever the server made of it")[0] == status


def test_a_client_that_hung_up_gets_no_answer_and_no_handler() -> None:
    assert call([_body(b"x", True), {"type": "http.disconnect"}])[0] == 0


@pytest.mark.parametrize("fails", [False, True])
def test_lifespan_starts_and_stops_the_application(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if fails:
        monkeypatch.setenv("ECHO_FAILS_TO_START", "1")
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.shutdown" if sent else "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def run() -> None:
        await Asgi(Echo(Settings(), 0), Settings())({"type": "lifespan"}, receive, send)

    if fails:
        with pytest.raises(RuntimeError, match="no storage"):
            asyncio.run(run())
        assert sent == ["lifespan.startup.failed"]
    else:
        asyncio.run(run())
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
