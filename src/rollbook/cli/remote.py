"""`Backend` for a running server, over its Python client."""

from __future__ import annotations

import logging
import shlex
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import msgspec

from rollbook import __version__, units
from rollbook._client import OMIT, Rollbook, errors
from rollbook.cli.backends import Answer, Backend, Body, ExportFile, Shown, at
from rollbook.cli.output import Failure, Misuse, Refused, Unreachable, base_url, hint, program
from rollbook.errors import Fault, InsufficientScope, NotFound
from rollbook.mcp import META

if TYPE_CHECKING:
    import httpx2

    from rollbook.cli.imports import FileImport

TEXTS = ("id", "key", "url")  # fields that commands send back or take apart
OBJECTS = ("health", "response")
MAX_WAIT = 60
"""Seconds that a command waits for the rate limit."""
RETRIES = 2
UNAVAILABLE = (429, 502, 503, 504)
HEADERS = {"User-Agent": f"rollbook-cli/{__version__}"}


class Remote(Backend):
    """The server checks the key's permissions."""

    def __init__(self, url: str, key: str, profile: str | None = None) -> None:
        """`profile` is where URL and key come from. Raises Misuse if the URL or the key is invalid."""
        super().__init__()
        self.address = self.location = base_url(url)
        self.flags = f"--url {shlex.quote(self.address)}" if profile is None else f"--profile {profile}"
        self._profile = profile
        try:
            self._client = Rollbook(url=self.address, key=key, max_wait=MAX_WAIT, max_retries=RETRIES)
        except (errors.RollbookError, ValueError) as problem:
            raise Misuse(f"--url or --key is invalid: {problem}") from None
        _tell_of_waiting()

    def close(self) -> None:
        self._client.close()

    def link(self, path: str, base: str | None, body: Shown) -> Shown:
        if base is not None:
            raise Misuse("--public-url and --url can't be combined: a running server knows its own public_url.")
        return self.one("POST", path, body=body)

    def import_users(self, task: FileImport) -> None:
        from rollbook.cli.imports import send

        send(self, task)

    def create_import(self, query: Mapping[str, Any], file: Iterable[bytes]) -> Shown:
        with self._failures("/v1/imports"):
            response = self._client.request("POST", "/v1/imports", query=query, content=file, headers=HEADERS)
        if not isinstance(response.parsed, dict):
            raise self.stranger(response.status_code)
        return self.checked(response.parsed, response.status_code)

    def import_report(self, id: str) -> Iterator[Shown]:
        """The refused records."""
        rest = b""
        with self.body("GET", at("imports", id, "report"), {}) as report:
            for part in report.parts:
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    yield self._parsed(line)
        if rest:
            yield self._parsed(rest)

    def _parsed(self, line: bytes) -> Shown:
        try:
            return self.checked(msgspec.json.decode(line, type=Shown), 200)
        except msgspec.DecodeError:
            raise self.stranger(200) from None

    def _ask(self, method: str, path: str, query: Mapping[str, Any] | None, body: Shown | None) -> Answer:
        """Waits for the rate limit, and tries again after a lost connection."""
        with self._failures(path):
            response = self._client.request(method, path, OMIT if body is None else body, query=query, headers=HEADERS)
            following = response.http_response.links.get("next")
            next = "" if following is None else urlsplit(following["url"]).query
        if following is not None and not next:
            raise self.stranger(response.status_code)
        position = response.headers.get("request-position") or response.headers.get("event-position", "")
        return Answer(response.status_code, response.parsed, next, position, response.headers.get("x-dry-run-ends", ""))

    def issuer(self) -> str:
        return str(self.one("GET", "/.well-known/openid-configuration")["issuer"])

    def mcp(self, message: Any, is_read_only: bool) -> Shown | None:
        """Over HTTP, a message repeats parts of itself in headers."""
        path = "/mcp/readonly" if is_read_only else "/mcp"
        with self._failures(path):
            try:
                answer = self._client.request("POST", path, message, headers=HEADERS | _mirrored(message)).parsed
            except errors.APIError as problem:
                if not isinstance(problem.body, dict) or "jsonrpc" not in problem.body:
                    raise
                answer = problem.body
        return answer if isinstance(answer, dict) else None

    @contextmanager
    def body(self, method: str, path: str, query: Mapping[str, Any], body: Any = None) -> Iterator[Body]:
        with self._failures(path):
            if method == "GET":
                with self._client.stream(path, query=query) as response:
                    yield Body(_kind(response.headers), self._parts(response), _limit(response.headers))
            else:
                answer = self._client.request(
                    method, path, OMIT if body is None else body, query=query, headers=HEADERS
                )
                yield Body(_kind(answer.headers), iter((answer.content,)), _limit(answer.headers))

    def _parts(self, response: httpx2.Response) -> Iterator[bytes]:
        """Raises Failure if the connection is lost before the end."""
        import httpx2

        try:
            yield from response.iter_bytes()
        except httpx2.TransportError:
            raise Unreachable(f"{self.address} ended the response before it was complete.") from None

    def events(self, filters: Mapping[str, str]) -> Iterator[Shown]:
        types = filters["type"].split(",") if "type" in filters else None
        with self._failures("/v1/events/stream"):
            some = {name: filters.get(name) for name in ("user", "actor", "address")}
            for event in self._client.events.follow(filters.get("after"), types=types, **some):
                checked = self.checked(event.to_dict(), 200)
                if not isinstance(checked["object"], dict) or not isinstance(checked["actor"], dict):
                    raise self.stranger(200)
                yield checked

    @contextmanager
    def export(self, query: Mapping[str, str], with_hashes: bool) -> Iterator[ExportFile]:
        if with_hashes:
            raise Misuse("--with-hashes needs the server's data folder: a running server returns no password hashes.")
        with self._failures("/v1/exports"), self._client.stream("/v1/exports", query=query) as response:
            yield ExportFile(response.headers.get("event-position", ""), self._parts(response))

    def checked(self, record: Shown, status: int) -> Shown:
        """An object of the API, as commands read it. Reading a field that it lacks fails with a sentence."""
        is_sound = all(isinstance(record.get(name, ""), str) for name in TEXTS)
        if not is_sound or not all(isinstance(record.get(name) or {}, dict) for name in OBJECTS):
            raise self.stranger(status)
        return _Object(record, self.stranger(status))

    def unlike_rollbook(self, problem: Exception) -> Failure:
        """The failure where a command could make nothing of what the server said."""
        return Failure(
            f"{self.address} answered, but not like a Rollbook server of this version ({type(problem).__name__}: "
            f"{problem}). Check the URL."
        )

    @contextmanager
    def _failures(self, path: str) -> Iterator[None]:
        """Turns errors of the client into sentences for whoever typed the command."""
        try:
            yield
        except errors.ConnectionFailed as problem:
            advice = "Check that the server is running and that the URL is correct."
            if "WRONG_VERSION_NUMBER" in str(problem):  # OpenSSL's name for an answer that is not TLS
                advice = "Use http://: the server has no TLS."
            raise Unreachable(f"{problem} {advice}") from None
        except errors.UnexpectedResponse as problem:
            raise Failure(str(problem)) from None
        except errors.APIError as problem:
            raise self._refusal(problem, path) from None

    def _refusal(self, problem: errors.APIError, path: str) -> Failure:
        if not problem.code:
            return self.stranger(problem.status)
        sentence = " ".join(fault.message for fault in problem.faults) or problem.message
        new_key = (
            f"Set ROLLBOOK_KEY to an API key of this server. To create one, run `{program()} keys create "
            f"EMAIL` on its machine, or sign in: {program()} login --url {shlex.quote(self.address)}"
        )
        again = f"Sign in again: {program()} login --profile {self._profile}"
        if problem.status == 401:
            sentence += f" {new_key if self._profile is None else again}"
        elif problem.code == NotFound.code:
            missing = self.missing(path) if sentence == NotFound.message else None
            sentence = missing or f"{sentence} ({path} at {self.address})"
        elif problem.code == InsufficientScope.code:
            sentence += " Use a key that may: with --profile or --key, or in ROLLBOOK_KEY."
        elif problem.code == "rate_limit_exceeded":
            sentence = f"Rate limit exceeded. Try again in {problem.retry_after or 0:.0f} s."
        if problem.status in UNAVAILABLE and problem.code:
            return Unreachable(sentence)
        return Refused(sentence, problem.code, [Fault(*fault) for fault in problem.faults])


def _mirrored(message: Any) -> dict[str, str]:
    """The headers of a message of MCP that says its version by itself."""
    if not isinstance(message, dict) or not isinstance(params := message.get("params"), dict):
        return {}
    meta = params.get("_meta")
    version = meta.get(f"{META}protocolVersion") if isinstance(meta, dict) else None
    if version is None:
        return {}
    name = params.get("name", params.get("uri"))
    named = {} if name is None else {"Mcp-Name": f"=?base64?{b64encode(str(name).encode()).decode()}?="}
    return {"MCP-Protocol-Version": str(version), "Mcp-Method": str(message.get("method")), **named}


class _Object(Shown):
    """An object that a server sent, which may be any server."""

    def __init__(self, record: Shown, stranger: Failure) -> None:
        super().__init__(record)
        self._stranger = stranger

    def __missing__(self, name: str) -> NoReturn:
        raise self._stranger


class _Hints(logging.Handler):
    """Tells people what the client waits for."""

    def emit(self, record: logging.LogRecord) -> None:
        hint(record.getMessage())


def _tell_of_waiting() -> None:
    log = logging.getLogger("rollbook_client")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [_Hints()]


def _kind(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _limit(headers: Mapping[str, str]) -> str:
    limit, left, reset = (headers.get(f"ratelimit-{name}", "") for name in ("limit", "remaining", "reset"))
    if not (limit.isdecimal() and left.isdecimal() and reset.isdecimal()):
        return ""
    return f"{int(left):,} of {int(limit):,} requests left. Resets in {units.duration(int(reset))}."
