"""A later version of the API, as an old client meets it: a proxy that adds to every response what may be added at any
time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2

from tests.harness import PLAIN, Server, serving

NEW = {"role": "manager", "status": "away", "type": "user.merged", "code": "later_code"}


@contextmanager
def later(server: Server) -> Iterator[str]:
    """Its URL."""

    class Handler(BaseHTTPRequestHandler):
        # Java's client may send a second request on a connection that HTTP/1.0 is about to close.
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = [
                (name, value)
                for name, value in self.headers.items()
                if name.lower() not in ("host", "connection", "accept-encoding")
            ]
            real = httpx2.request(
                self.command, server.url + self.path, headers=headers, content=body, timeout=60, **PLAIN
            )
            content = json.dumps(_grown(json.loads(real.content))).encode() if real.content else b""
            self.send_response(real.status_code)
            for name in ("Content-Type", "X-Next-Cursor"):
                if name in real.headers:
                    self.send_header(name, real.headers[name])
            if real.status_code != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *values: Any) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as proxy:
        yield f"http://127.0.0.1:{proxy.server_port}"


def _grown(value: Any) -> Any:
    """The same with a field more in each object but metadata, and with values that no version has today."""
    if isinstance(value, list):
        return [_grown(item) for item in value]
    if not isinstance(value, dict):
        return value
    grown = {
        name: item if name == "metadata" else NEW[name] if name in NEW else _grown(item) for name, item in value.items()
    }
    return (
        grown | {"later": {"of": ["any", 1]}, "scopes": [*value["scopes"], "teams:read"]}
        if value.get("scopes")
        else grown | {"later": 1}
    )
