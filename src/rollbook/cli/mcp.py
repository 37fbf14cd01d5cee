"""`rollbook mcp`: the tools of assistants on standard input and output, for a running server or a data folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from rollbook.cli import options
from rollbook.cli.backends import Backend, Shown
from rollbook.cli.output import Failure
from rollbook.errors import ApiError, InvalidJson
from rollbook.json_objects import look_closely
from rollbook.mcp import INTERNAL_ERROR, META, MODERN, PARSE_ERROR

LONGEST = 1 << 20
"""Bytes of a message."""


@options.on_server(
    None, "mcp", options.option("--read-only", "Only offer tools that change nothing, whatever the key can do.")
)
def app(server: options.Server, read_only: bool) -> None:
    """Let an assistant on this machine use Rollbook (MCP).

    It speaks on standard input and output. Assistants start this command by themselves: add it to their settings.
    """
    with server() as backend:
        _Session(backend, read_only).run()


class _Session:
    """A process is a session: it remembers what a client of an earlier version said in its handshake, and asks it what
    clients of today are asked in results."""

    def __init__(self, backend: Backend, is_read_only: bool) -> None:
        self._backend = backend
        self._is_read_only = is_read_only
        self._hello: Mapping[str, Any] = {}
        self._answers: dict[str, Any] = {}
        self._asked = 0

    def run(self) -> None:
        while self._take():
            pass

    def _take(self) -> bool:
        """Handle the next message. False at the end of the input."""
        line = sys.stdin.buffer.readline(LONGEST)
        if not line:
            return False
        try:
            message = msgspec.json.decode(line)
            look_closely(line, names=False)
        except InvalidJson as problem:
            _send(_failure(None, PARSE_ERROR, problem.message))
            return line.endswith(b"\n")
        except (msgspec.DecodeError, RecursionError):
            _send(_failure(None, PARSE_ERROR, "The line is not valid JSON, or too long."))
            return line.endswith(b"\n")
        if isinstance(message, dict) and "method" not in message:
            self._answers[str(message.get("id"))] = message.get("result")
        else:
            _send(self._reply(message))
        return True

    def _reply(self, message: Any) -> Shown | None:
        if not isinstance(message, dict) or not isinstance(params := message.get("params", {}), dict):
            return self._backend.mcp(message, self._is_read_only)
        id, method = message.get("id"), message.get("method")
        if method == "initialize":
            self._hello = params
        try:
            if not self._hello or method == "initialize" or f"{META}protocolVersion" in (params.get("_meta") or {}):
                return self._backend.mcp(message, self._is_read_only)
            if id is None:
                return None
            return {"jsonrpc": "2.0", "id": id, "result": {}} if method == "ping" else self._translated(message, params)
        except (Failure, ApiError) as problem:
            return _failure(id, INTERNAL_ERROR, str(problem))

    def _translated(self, message: Shown, params: Shown) -> Shown | None:
        """The reply to a request of an earlier version, asked in the terms of today."""
        said = {
            f"{META}protocolVersion": MODERN,
            f"{META}clientCapabilities": self._hello.get("capabilities") or {},
            f"{META}clientInfo": self._hello.get("clientInfo"),
        }
        params = {**params, "_meta": said}
        while True:
            reply = self._backend.mcp({**message, "params": params}, self._is_read_only)
            result = (reply or {}).get("result") or {}
            if result.get("resultType") != "input_required":
                return reply
            answers = {name: self._ask(question) for name, question in result["inputRequests"].items()}
            params = {**params, "inputResponses": answers, "requestState": result["requestState"]}

    def _ask(self, question: Shown) -> Any:
        """The client's answer to a request of ours. Other messages are handled while it asks a person."""
        self._asked += 1
        id = f"rollbook-{self._asked}"
        _send({"jsonrpc": "2.0", "id": id, **question})
        while id not in self._answers:
            if not self._take():
                return None
        return self._answers.pop(id)


def _failure(id: Any, code: int, message: str) -> Shown:
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}


def _send(message: Shown | None) -> None:
    if message is not None:
        sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
        sys.stdout.buffer.flush()
