"""The access log: one line per request, written by a thread so that no request waits for a pipe or a disk."""

from __future__ import annotations

import os
import re
import select
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
from msgspec import UNSET, UnsetType

from rollbook.observe.lines import DIM, masked, paint, safe_json, safe_text, stamp

if TYPE_CHECKING:
    from rollbook.http.request import Request

# Seconds between two rounds of the thread, and the most that a reader of the log lags behind.
_INTERVAL = 0.2
# Writes to a pipe up to this size are whole among those of other processes (POSIX write()); larger ones are not once
# the pipe is full: 64 KiB writes of four workers came out torn. Files and terminals take a whole write under a lock of
# the kernel.
_PIPE_BYTES = select.PIPE_BUF
_FILE_BYTES = 65_536
# Of a path that matched no route: characters looked at, and characters shown.
_PATH_KEPT = 512
_PATH_SHOWN = 128
# Characters kept of a caller's X-Request-Id, and those that are replaced in it.
_ID_KEPT = 128
_UNPRINTABLE = re.compile(rb"[^\x21-\x7e]")
_PATH_SAFE = "/:@!$&'()*+,;=~"


class AccessLine(msgspec.Struct, gc=False, tag_field="event", tag="request"):
    """One request.

    The query string is never here, and of the path only the start, only where no route matched; else `route` is the
    pattern. `code` is that of the error it was answered with. `client_request_id` is the caller's X-Request-Id: its
    start, printable.
    """

    time: str
    request_id: str
    method: str
    route: str | None
    status: int
    microseconds: int
    bytes: int
    user_id: str | None
    key_id: str | None
    address: str
    worker: int
    code: str | UnsetType = UNSET
    path: str | UnsetType = UNSET
    trace_id: str | UnsetType = UNSET
    client_request_id: str | UnsetType = UNSET


class Dropped(msgspec.Struct, tag_field="event", tag="access lines dropped"):
    """Stands where lines are missing: the reader was too slow, or gone."""

    time: str
    lines: int
    worker: int


class AccessLog:
    """Collects lines and lets a thread write them to a file descriptor.

    `form` is `json`, `pretty` or `none`. At most `limit` lines wait; what comes on top is dropped and counted: the
    thread calls `dropped` with the number of lines lost since its last call, and a line says so where they are missing.
    `add` never blocks. A killed process loses the lines of its last 0.2 s, beside those that were not added yet.
    """

    def __init__(
        self,
        descriptor: int,
        form: str,
        *,
        limit: int = 100_000,
        dropped: Callable[[int], object] = lambda lines: None,
    ) -> None:
        self._descriptor = descriptor
        self._pretty = form == "pretty"
        self._color = self._pretty and os.isatty(descriptor) and "NO_COLOR" not in os.environ
        self._off = form == "none"
        self._limit = 0 if self._off else limit
        self._on_dropped = dropped
        self._texts: deque[tuple[bytes, int]] = deque()  # and how many lines each has
        self._taken = 0  # lines put there; only `add` counts here
        self._written = 0  # lines that have left it; only the thread counts here
        self._overflow = 0  # lines lost at the door; only `add` counts here
        self._lost = 0  # lines lost on the way out; only the thread counts here
        self._noted = self._reported = 0
        self._torn = False
        self._worker = 0
        self._stopping: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._deadline = float("inf")

    def add(self, handful: Sequence[Request]) -> None:
        """Add the lines of these requests, made into text where they come: a thread that encoded them all would hold
        the interpreter's lock for milliseconds, and every statement of SQLite, which lets that lock go, would wait for
        it."""
        if self._off:
            return
        if self._taken - self._written >= self._limit:
            self._overflow += len(handful)
            return
        worker = self._worker
        self._texts.append((self._encode([_line(request, worker) for request in handful]), len(handful)))
        self._taken += len(handful)

    def start(self, worker: int = 0) -> None:
        """Start the thread. To be called after the fork: a thread does not survive it. Lines from before it go out
        too."""
        self._worker = worker
        if self._off:
            return
        file_type = os.fstat(self._descriptor).st_mode
        self._most = _PIPE_BYTES if stat.S_ISFIFO(file_type) or stat.S_ISSOCK(file_type) else _FILE_BYTES
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._stopping,), name="access-log", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Write the remaining lines and stop the thread. Gives up after `timeout` seconds if the reader is stuck."""
        if self._thread is None or self._stopping is None:
            return
        self._deadline = time.monotonic() + timeout
        self._stopping.set()
        self._thread.join(timeout)
        self._thread = None

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(_INTERVAL):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        texts = self._texts
        while texts:
            text, count = texts[0]
            self._write(text)
            texts.popleft()
            self._written += count
            self._report()
        self._report()

    def _report(self) -> None:
        dropped = self._overflow + self._lost
        if dropped > self._reported:
            self._on_dropped(dropped - self._reported)
            self._reported = dropped
        # The line is tried once a round, and counts for nothing when it is lost too.
        if dropped > self._noted and not self._torn:
            notice = Dropped(stamp(time.time()), dropped - self._noted, self._worker)
            text = f"{notice.time[11:-1]} {notice.lines} access lines dropped\n".encode()
            if self._write(text if self._pretty else _encoder.encode(notice) + b"\n", count=False):
                self._noted = dropped

    def _encode(self, batch: list[AccessLine]) -> bytes:
        if self._pretty:
            return "".join([_pretty(line, self._color) for line in batch]).encode("utf-8", "backslashreplace")
        try:
            encoded = _encoder.encode_lines(batch)
        except UnicodeEncodeError:
            # A lone surrogate in a method or an id, which no transport lets through.
            encoded = b"".join([_repaired(line) for line in batch])
        # Five looks at the bytes for the whole batch; almost always none finds anything.
        if not encoded.isascii() or any(text in encoded for text in (b"\x7f", b"rbk_", b"rbo_", b"$argon2")):
            return safe_json(encoded.decode()).encode()
        return encoded

    def _write(self, encoded: bytes, count: bool = True) -> bool:
        """Write whole lines. Lines that cannot be written are lost and counted; True when none was."""
        first = 0
        if self._torn:
            # The last write ended within a line: end that line first.
            encoded = b"\n" + encoded
            first = 1
        at, size = 0, len(encoded)
        while at < size:
            end = size if size - at <= self._most else encoded.rfind(b"\n", at, at + self._most) + 1
            try:
                at += os.write(self._descriptor, encoded[at : end or size])
            except BlockingIOError:
                if self._wait():
                    continue
            except OSError:
                pass  # the reader is gone (EPIPE), the disk is full: the next round tries again
            else:
                continue
            if count:
                self._lost += encoded.count(b"\n", max(at, first))
            if at > 0:
                self._torn = not encoded.endswith(b"\n", 0, at)
            return False
        self._torn = False
        return True

    def _wait(self) -> bool:
        """Wait until a non-blocking descriptor takes more. False when `stop` has run out of time."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while time.monotonic() < self._deadline:
            if poll.poll(_INTERVAL * 1000):
                return True
        return False


_encoder = msgspec.json.Encoder()
_COLORS = {2: "\x1b[32m", 3: "\x1b[36m", 4: "\x1b[33m", 5: "\x1b[31m"}


def _line(request: Request, worker: int) -> AccessLine:
    route, trace, id = request.route, request.trace, request.headers.get(b"x-request-id")
    return AccessLine(
        stamp(request.answered_at / 1e6),
        request.id,
        request.method,
        None if route is None else route.path,
        request.status,
        request.microseconds,
        request.size,
        request.user_id,
        request.key_id,
        request.address,
        worker,
        UNSET if request.error is None else request.error.code,
        UNSET if route is not None else _shown(request.path[:_PATH_KEPT]) or UNSET,
        UNSET if trace is None else trace.id,
        _UNPRINTABLE.sub(b"?", id[:_ID_KEPT]).decode("ascii") if id else UNSET,
    )


def _shown(path: str) -> str:
    """A path that matched no route, as in a URL, so without control characters; masked before it is cut."""
    return quote(masked(path), safe=_PATH_SAFE, errors="backslashreplace")[:_PATH_SHOWN]


def _repaired(line: AccessLine) -> bytes:
    fields: dict[str, Any] = msgspec.structs.asdict(line)
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = value.encode("utf-8", "backslashreplace").decode()
    return _encoder.encode(AccessLine(**fields)) + b"\n"


_LOOPBACK = ("127.0.0.1", "::1", "")


def _pretty(line: AccessLine, color: bool) -> str:
    """A line for people, `10:00:00 200 GET    /v1/users/{userId}                      4.3 ms`, the status in the color
    of its class. Behind it the client's address, unless it is this machine. It fits a terminal of 100 columns: who
    called, and the IDs, are in the JSON lines."""
    status = paint(str(line.status), _COLORS.get(line.status // 100, ""), color)
    target = line.route if line.route is not None else line.path if line.path is not UNSET else "-"
    elapsed = f"{line.microseconds / 1000:.{0 if line.microseconds >= 10_000 else 1}f} ms"
    address = "" if line.address in _LOOPBACK else f"  {line.address}"
    return (
        f"{paint(str(line.time)[11:19], DIM, color)} {status} {safe_text(line.method):<6} {safe_text(str(target)):<44}"
        f" {elapsed:>9}{paint(safe_text(address), DIM, color)}\n"
    )
