"""Reads HTTP/1.1 requests from the bytes of one connection, or says why they must be refused. Knows no transport and no
clock.

httptools (llhttp, strict) parses; what it leaves open, such as which Host is valid, is decided by the rules of
`http/guard`.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import NamedTuple

import httptools

from rollbook.config import Settings
from rollbook.errors import (
    ApiError,
    BadMessage,
    ContentTooLarge,
    HeadersTooLarge,
    MethodNotAllowed,
    UriTooLong,
)
from rollbook.http import heads
from rollbook.http.body import EARLY, BodyRule, BodyStream
from rollbook.http.origins import Proxies
from rollbook.http.request import Request, RequestIds

log = logging.getLogger("rollbook")

# A start line, to tell an unknown method from bytes that are not HTTP at all.
_start_line = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) \S+ HTTP/1\.[01]\r\n").match

# Where the reader is. CLOSED: it reads nothing more, since what follows is in doubt or was announced as not coming.
IDLE, HEAD, BODY, CLOSED = range(4)
# Bytes given to the parser at a time. It cannot be stopped between two requests, so this bounds how many can wait.
MAX_HEADERS, MAX_HEADER_BYTES = 100, 32_768
"""Bounds of a request. Proxies and browsers send fewer: none has been seen that needs more."""
SLICE = 16_384
# Bytes that a request takes in memory once it has begun, and that a field takes besides its name and value.
BEGUN, FIELD = 8_192, 200


class RefusedRequest(NamedTuple):
    """A request that the application never sees."""

    error: ApiError
    method: str
    target: bytes
    headers: dict[bytes, bytes]


class Rules:
    """Rules that the readers of one process share. Every field is read for each request, so it is one step away."""

    def __init__(self, settings: Settings, body_rule: Callable[[str, str], BodyRule]) -> None:
        self.body_rule = body_rule  # of a method and path
        self.new_id = RequestIds()
        self.proxies = Proxies(settings.trusted_proxy)
        self.valid_hosts: set[bytes] = set()
        self.max_body = settings.max_body
        self.max_target = settings.max_target
        # Bytes that may be read before a head has ended: llhttp keeps an unfinished header value in memory.
        self.max_raw_head = MAX_HEADER_BYTES + settings.max_target + 32_768


class _Closed(Exception):
    """Raised in a callback to stop the parser: what follows is not read."""


class Reader:
    """`feed` it bytes; it calls `deliver(message, keep)` for each request, while the parser is still inside `feed`.

    `keep` says whether another request may follow on the connection. A request whose body is streamed is delivered at
    the end of its head; its stream gets what follows, errors included.
    """

    def __init__(
        self, rules: Rules, deliver: Callable[[Request | RefusedRequest, bool], None], peer: str, secure: bool
    ) -> None:
        self.state = IDLE
        self.continue_due = False  # the client waits for `100 Continue`
        self.body: BodyStream | None = None  # the body that is being read, when it is streamed
        self._rules = rules
        self._deliver = deliver
        self.peer = peer
        self._secure = secure
        self._behind_proxy = rules.proxies.trusts(peer)
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)

        # The request that is being read.
        self._method = b""
        self._target = b""
        self._fields: dict[bytes, bytes] = {}
        self._repeated = 0  # header fields beyond those that `_fields` counts
        self._path: tuple[str, str] | None = None  # and query, once the target was split
        self._content: bytes | bytearray = b""
        self._size = 0  # bytes of the body so far
        self._max_size = 0
        self._raw = 0  # upper bound of the bytes read of the current head, or body
        self._head = 0  # upper bound of the bytes of the head whose body is being read
        self._version = "1.1"
        self._keep = True
        self._body_after_upgrade = False
        # The head that requests repeat; only where the parser stands between two messages.
        self._known: heads.KnownHead | None = None
        self._first: Request | None = None  # that ended in the bytes which the parser was given last

    def feed(self, data: bytes) -> None:
        if self._known is not None and self._feed_known(data, self._known):
            return
        began = self.state
        self._known = None
        self._feed_parser(data)
        if self._first is not None:
            if began == IDLE == self.state:
                self._known = heads.learn(data, self._first)
            self._first = None

    def _feed_known(self, data: bytes, head: heads.KnownHead) -> bool:
        """Deliver the request in `data` without the parser. False: the parser has to read it."""
        line = heads.repeated(data, head, self._rules.max_target)
        if line is None:
            return False
        method, path, query, body = line
        rules = self._rules
        if body:
            rule = rules.body_rule(method, path)
            if rule.is_streamed or len(body) > rule.max_bytes:
                return False
        address, secure = self.peer, self._secure
        if self._behind_proxy:
            address, secure = rules.proxies.client(address, secure, head.fields)
        request = Request(
            method, path, query, head.fields, body, address, secure, rules.new_id(), time.perf_counter_ns()
        )
        try:
            self._deliver(request, True)
        except Exception as problem:
            log.error("reading a request failed", exc_info=problem)
            self.refuse(ApiError())
        return True

    def _feed_parser(self, data: bytes) -> None:
        if self.state == IDLE:
            self.state = HEAD
        self._raw += len(data)
        try:
            rest = self._parse(data)
            if rest is not None:
                self._parse_after_upgrade(rest)
        except httptools.HttpParserError as problem:
            if self.state != CLOSED:
                self.refuse(_translate(problem, data))
            return
        if self.state == HEAD:
            if self._raw > self._rules.max_raw_head:
                self.refuse(HeadersTooLarge())
        elif self.state == BODY and self._raw > 8 * self._max_size + 65_536:
            # A body may come in chunks of one byte, each with five bytes of framing, or with endless chunk extensions.
            self.refuse(ContentTooLarge())

    @property
    def held(self) -> int:
        """About how many bytes of memory a request takes that is not read to its end."""
        if self.state == HEAD:
            return BEGUN + self._raw + FIELD * len(self._fields)
        if self.state == BODY:
            content = len(self._content) if self.body is None else self.body.held
            return BEGUN + self._head + FIELD * len(self._fields) + content
        return 0

    @property
    def client(self) -> str:
        """Address of the client, as far as what was read of the request tells."""
        if self._behind_proxy and self.state == BODY:
            return self._rules.proxies.client(self.peer, self._secure, self._fields)[0]
        return self.peer

    def end(self) -> None:
        """The client sends no more."""
        if self.state == BODY or (self.state == HEAD and self._target):
            self.refuse(BadMessage("The request ended before it was complete."))
        self.state = CLOSED

    def refuse(self, error: ApiError) -> None:
        """Deliver the error and read nothing more: where this request ends, or who sent the next bytes, is in doubt."""
        if self.body is not None:
            self._fail_body(error)
            return
        method = self._parser.get_method().decode("ascii") if self._target and self._parser is not None else ""
        refusal, deliver = RefusedRequest(error, method, self._target[:1024], self._fields), self._deliver
        self._forget()
        deliver(refusal, False)

    def close(self) -> None:
        """Read nothing more. May be called from `deliver`."""
        if self.body is not None:
            self._fail_body(BadMessage("The request ended before it was complete."))
        self._forget()

    def _forget(self) -> None:
        """A connection that only waits for its client to hang up holds nothing. Nor do the parser, the reader and the
        connection hold each other: only the garbage collector would find them."""
        self.state = CLOSED
        self._parser = None
        self._deliver = _nowhere
        self._fields = {}
        self._content = b""
        self._known = self._first = None

    def _fail_body(self, error: ApiError) -> None:
        self.state = CLOSED
        body, self.body = self.body, None
        assert body is not None
        body.fail(error)

    # The parser's calls.

    def on_url(self, url: bytes) -> None:
        if self.state == BODY:  # the head we made for a body after an upgrade
            return
        self.state = HEAD
        self._target = self._target + url if self._target else url
        if len(self._target) > self._rules.max_target:
            raise UriTooLong()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.state == BODY:  # trailers: read past, never merged into the head (RFC 9110 section 6.5.1)
            return
        name = name.lower()
        fields = self._fields
        if name in fields:
            self._repeated += 1
            value = heads.join(name, fields[name], value)
        fields[name] = value
        if len(fields) + self._repeated > MAX_HEADERS:
            raise HeadersTooLarge()

    def on_headers_complete(self) -> None:
        if self.state == BODY:
            return
        fields = self._fields
        parser = self._parser
        assert parser is not None
        self._method = method = parser.get_method()
        if self._raw > MAX_HEADER_BYTES:
            self._check_head_size()
        self._version = version = "1.1"
        upgrade = False
        if b"connection" in fields or not parser.should_keep_alive():
            self._version = version = parser.get_http_version()
            if version != "1.1" and version != "1.0":
                raise BadMessage("The HTTP version must be 1.1 or 1.0.")
            self._keep = version == "1.1" and parser.should_keep_alive()
            upgrade = parser.should_upgrade()
        if method == b"CONNECT":  # what follows it is not HTTP
            raise MethodNotAllowed("CONNECT", heads.ALLOW)
        host = fields.get(b"host")
        if host not in self._rules.valid_hosts:
            self._check_host(host, version)
        if b"content-length" in fields or b"transfer-encoding" in fields:
            self._begin_body(upgrade)
        elif b"expect" in fields:
            heads.wants_continue(fields)
        self.state = BODY
        self._raw = 0
        if self.body is not None:
            self._deliver(self._message(), self._keep)
            if self.state == CLOSED:
                raise _Closed()

    def _begin_body(self, upgrade: bool) -> None:
        length = heads.check_framing(self._fields, self._version)
        if length == 0:
            return
        try:
            path, _ = self._split_target()
        except ApiError:  # to be told when the body has been read, so that the connection can go on
            rule = BodyRule(self._rules.max_body, early=EARLY)
        else:
            rule = self._rules.body_rule(self._method.decode("ascii"), path)
        if length > rule.max_bytes:
            raise ContentTooLarge()
        self._size = 0
        self._head = self._raw
        self._max_size = rule.max_bytes
        self._body_after_upgrade = upgrade
        self.continue_due = heads.wants_continue(self._fields) and self._version == "1.1"
        if rule.hands_over(length):
            self.body = BodyStream(is_short=not rule.is_streamed)

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._max_size:
            raise ContentTooLarge()
        content = self._content
        if self.body is not None:
            self.continue_due = False
            self.body.put(body)
        elif not content:
            self._content = body
        elif isinstance(content, bytearray):
            content += body
        else:
            self._content = bytearray(content) + body

    def on_message_complete(self) -> None:
        if self._body_after_upgrade:
            return
        body, self.body = self.body, None
        message = self._message() if body is None else None
        keep = self._keep
        self._fields = {}
        self._target = self._content = b""
        self._path = None
        self._raw = SLICE  # all that is left of the slice may belong to the next head
        if self._repeated or self.continue_due:
            self._repeated = 0
            self.continue_due = False
        self.state = IDLE if keep else CLOSED
        if message is not None:
            if self._first is None and isinstance(message, Request):
                self._first = message
            self._deliver(message, keep)
        elif body is not None:
            body.complete()
        if self.state == CLOSED:
            raise _Closed()

    # Parsing.

    def _parse(self, data: bytes) -> bytes | None:
        """Parse the next bytes. Returns what the parser left because it stopped at an upgrade; None when it read
        all."""
        assert self._parser is not None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return data[upgrade.args[0] :]
        return None

    def _parse_after_upgrade(self, rest: bytes) -> None:
        """Go on behind the head of a request that wishes for another protocol, where the parser has stopped. We speak
        none, and may ignore the wish (RFC 9110 section 7.8): what follows is HTTP.

        llhttp assumes that such a request has no body. Where it has one, a new parser is told so by a head that we
        make: otherwise the body would be read as the next request.
        """
        while self.state != CLOSED and (rest or self._body_after_upgrade):
            if self._body_after_upgrade:
                self._body_after_upgrade = False
                length = self._fields.get(b"content-length")
                framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: " + length
                self._parser = httptools.HttpRequestParser(self)
                rest = b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n" + rest
            elif self.state == IDLE:
                self.state = HEAD
            more = self._parse(rest)
            if more is None:
                return
            rest = more

    def _check_head_size(self) -> None:
        # `_raw` is only a bound. The sum has ": " and CRLF too, and the name of a repeated field once.
        if sum(len(name) + len(value) + 4 for name, value in self._fields.items()) > MAX_HEADER_BYTES:
            raise HeadersTooLarge()

    def _check_host(self, host: bytes | None, version: str) -> None:
        if host is not None:
            heads.check_host(host)
            if len(self._rules.valid_hosts) < 1000:
                self._rules.valid_hosts.add(host)
        elif version == "1.1":
            raise BadMessage("The request has no Host header.")

    def _message(self) -> Request | RefusedRequest:
        """The request that was just read."""
        method = self._method.decode("ascii")
        fields = self._fields
        try:
            path, query = self._path or self._split_target()
        except ApiError as error:
            return RefusedRequest(error, method, self._target, fields)
        rules = self._rules
        address, secure = self.peer, self._secure
        if self._behind_proxy:
            address, secure = rules.proxies.client(address, secure, fields)
        return Request(
            method,
            path,
            query,
            fields,
            bytes(self._content),
            address,
            secure,
            rules.new_id(),
            time.perf_counter_ns(),
            self._version,
            self.body,
        )

    def _split_target(self) -> tuple[str, str]:
        """Path and query. Raises ApiError."""
        target = self._target
        if target[:1] != b"/" and not (target == b"*" and self._method == b"OPTIONS"):
            target = heads.origin_form(target, self._fields.get(b"host"))
        if self._method == b"TRACE":
            raise MethodNotAllowed("TRACE", heads.ALLOW)
        self._path = split = heads.split_target(target)
        return split


def _nowhere(message: Request | RefusedRequest, keep: bool) -> None:
    """The receiver for a reader that reads nothing more: there is nothing to deliver."""


def _translate(problem: httptools.HttpParserError, data: bytes) -> ApiError:
    """Our error for the parser's; `data` is what it was reading."""
    if isinstance(problem, httptools.HttpParserCallbackError):
        cause = problem.__context__
        if isinstance(cause, ApiError):
            return cause
        log.error("reading a request failed", exc_info=cause)
        return ApiError()
    if isinstance(problem, httptools.HttpParserInvalidMethodError):
        line = _start_line(data)
        if line and line[1] not in heads.METHODS:
            return MethodNotAllowed("This method", heads.ALLOW)
    if isinstance(problem, httptools.HttpParserInvalidURLError):
        return BadMessage("The request target is invalid.")
    return BadMessage(f"The HTTP request is malformed: {problem}.")
