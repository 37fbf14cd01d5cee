"""The access log over real pipes, files and processes: whole lines, no secrets, and a caller that never waits."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import struct
import termios
import threading
import time
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook import clock
from rollbook.http.request import Request
from rollbook.observe.access import AccessLog

KEY = "rbk_" + "aB3" * 12 + "xy"
HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$R2Vvcmdl+/x"


def request(
    path: str = "/v1/users/user_1",
    *,
    route: str | None = "/v1/users/{userId}",
    method: str = "GET",
    id: str = "req_1",
    address: str = "::1",
) -> Request:
    headers = {b"authorization": b"Bearer " + KEY.encode()}
    made = Request(method, path, f"token={KEY}", headers, KEY.encode(), address, False, id, 0)
    made.user_id, made.key_id = "user_1", "key_1"
    made.route = SimpleNamespace(path=route) if route else None  # type: ignore[assignment]
    return made


def note(log: AccessLog, made: Request, status: int, microseconds: int, size: int = 0) -> None:
    """One request, as a handful of its own."""
    made.status, made.size, made.microseconds, made.answered_at = status, size, microseconds, clock.now()
    log.add([made])


def written(requests: list[Request], form: str = "json", status: int = 200) -> bytes:
    """What the log writes for these requests, through a real pipe."""
    reader, writer = os.pipe()
    log = AccessLog(writer, form)
    log.start(3)
    for each in requests:
        note(log, each, status, 431, 1234)
    log.stop()
    os.close(writer)
    with open(reader, "rb") as file:
        return file.read()


def lines(output: bytes) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in output.splitlines()]


def test_a_line_says_what_was_asked_by_whom_and_how_long_it_took() -> None:
    (line,) = lines(written([request()]))
    assert abs(time.time() - datetime.fromisoformat(line.pop("time")).timestamp()) < 60
    assert line == {
        "event": "request",
        "request_id": "req_1",
        "method": "GET",
        "route": "/v1/users/{userId}",
        "status": 200,
        "microseconds": 431,
        "bytes": 1234,
        "user_id": "user_1",
        "key_id": "key_1",
        "address": "::1",
        "worker": 3,
    }


def test_the_path_is_shown_only_where_no_route_matched_and_only_its_start() -> None:
    assert "path" not in lines(written([request("/v1/users/user_1")]))[0]
    (line,) = lines(written([request("/no/such/" + "x" * 1000, route=None)], status=404))
    assert line["route"] is None
    assert line["path"].startswith("/no/such/xxx") and len(line["path"]) == 128


@pytest.mark.parametrize("form", ["json", "pretty"])
@pytest.mark.parametrize("cut", [0, 90, 110, 480, 505])
def test_a_key_in_the_path_is_masked_also_where_the_path_is_cut(form: str, cut: int) -> None:
    for key in (KEY, KEY.replace("rbk_", "rbo_")):
        output = written([request("/" + "p" * cut + "/" + key, route=None)], form)
        assert key[4:20].encode() not in output


foreign = st.one_of(
    st.text(max_size=60), st.sampled_from([KEY, HASH, "\n", "\x1b[2J", "\x9b2J", "\u2028", "\ud800", "rbk_"])
)
texts = st.lists(foreign, max_size=4).map("".join)


@given(
    path=texts, method=texts, id=texts, address=texts, form=st.sampled_from(["json", "pretty"]), routed=st.booleans()
)
def test_nothing_a_caller_sends_forges_a_line_moves_a_terminal_or_shows_a_secret(
    path: str, method: str, id: str, address: str, form: str, routed: bool
) -> None:
    made = request(path, route="/v1/users" if routed else None, method=method, id=id, address=address)
    output = written([made, request()], form)
    assert output.count(b"\n") == 2 and output.endswith(b"\n")
    text = output.decode()
    assert KEY not in text and HASH not in text
    assert not [
        each for each in text if each != "\n" and (ord(each) < 32 or 127 <= ord(each) < 160 or each == "\u2028")
    ]
    if form == "json":
        assert [line["event"] for line in lines(output)] == ["request", "request"]


def test_lines_of_four_processes_to_one_slow_pipe_are_whole() -> None:
    reader, writer = os.pipe()
    count = 3_000

    def work(worker: int) -> None:
        log = AccessLog(writer, "json")
        log.start(worker)
        for number in range(count):
            note(log, request(id=f"req_{worker}_{number}"), 200, number)
        log.stop(60)

    pids = []
    for worker in range(4):
        pid = os.fork()
        if pid == 0:
            try:
                work(worker)
            finally:
                os._exit(0)
        pids.append(pid)
    os.close(writer)
    output = bytearray()
    while part := os.read(reader, 3_000):
        output += part
        time.sleep(0.0002)  # slower than the four: the pipe is full most of the time
    os.close(reader)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    seen = lines(bytes(output))
    assert len(seen) == 4 * count
    for worker in range(4):
        assert [line["microseconds"] for line in seen if line["worker"] == worker] == list(range(count))


@pytest.mark.parametrize("blocking", [True, False])
def test_a_pipe_nobody_reads_holds_up_no_caller_and_what_is_lost_is_counted(blocking: bool) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, blocking)
    dropped: list[int] = []
    log = AccessLog(writer, "json", limit=500, dropped=dropped.append)
    log.start()
    slowest = 0.0
    one = request()
    for number in range(5_000):
        started = time.perf_counter()
        note(log, one, 200, number)
        slowest = max(slowest, time.perf_counter() - started)
        if number == 400:
            wait_until(lambda: _waits_to_write(reader))  # the thread runs into the full pipe
    assert slowest < 60, "told from one that waits for the pipe, for ever"

    output = bytearray()
    reading = threading.Thread(target=lambda: output.extend(read_all(reader)))
    reading.start()  # the reader comes back
    log.stop(60)
    os.close(writer)
    reading.join()
    seen = lines(bytes(output))
    requests = [line for line in seen if line["event"] == "request"]
    notices = [line for line in seen if line["event"] == "access lines dropped"]
    assert 500 <= len(requests) < 1_500
    assert sum(notice["lines"] for notice in notices) == sum(dropped) == 5_000 - len(requests)


def _waits_to_write(reader: int) -> bool:
    """Whether nothing more goes into the pipe, and no byte has in the last tenth of a second."""
    before = _filled(reader)
    time.sleep(0.1)
    return 0 < before == _filled(reader)


def _filled(reader: int) -> int:
    """Bytes in the pipe."""
    return struct.unpack("i", fcntl.ioctl(reader, termios.FIONREAD, b"\0" * 4))[0]


def read_all(reader: int) -> bytes:
    with open(reader, "rb") as file:
        return file.read()


@pytest.mark.parametrize("blocking", [True, False])
def test_stop_gives_up_on_a_pipe_that_stays_full(blocking: bool) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, blocking)
    log = AccessLog(writer, "json")
    for _ in range(1_000):
        note(log, request(), 200, 1)
    threads = threading.active_count()
    log.start()
    started = time.monotonic()
    log.stop(0.5)
    assert time.monotonic() - started < 60
    os.close(reader)  # frees the thread: its write ends with EPIPE
    wait_until(lambda: threading.active_count() == threads)
    os.close(writer)


def test_a_reader_that_is_gone_costs_lines_and_nothing_else() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    dropped: list[int] = []
    log = AccessLog(writer, "json", dropped=dropped.append)
    for _ in range(1_000):
        note(log, request(), 200, 1)
    log.start()
    log.stop()
    os.close(writer)
    assert sum(dropped) == 1_000


def test_a_full_disk_costs_lines_and_the_log_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills within a line is the one thing here that no test can have for real without being root."""
    path = tmp_path / "access.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    write, room = os.write, [300]

    def short_of_room(target: int, content: bytes) -> int:
        if target != descriptor:
            return write(target, content)
        if room[0] == 0:
            raise OSError(errno.ENOSPC, "full")
        count = write(target, content[: room[0]])
        room[0] -= count
        return count

    monkeypatch.setattr(os, "write", short_of_room)
    dropped: list[int] = []
    log = AccessLog(descriptor, "json", dropped=dropped.append)
    log.start()
    for number in range(10):
        note(log, request(), 200, number)
    wait_until(lambda: sum(dropped) == 9)
    room[0] = 1 << 20
    note(log, request(), 200, 10)
    log.stop()
    os.close(descriptor)
    first, torn, *rest = path.read_bytes().splitlines()
    assert msgspec.json.decode(first)["microseconds"] == 0
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(torn)
    assert sorted((line["event"], line.get("microseconds") or line["lines"]) for line in lines(b"\n".join(rest))) == [
        ("access lines dropped", 9),
        ("request", 10),
    ]


def wait_until(holds: Any) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_lines_appear_soon_and_survive_kill_after_that(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    pid = os.fork()
    if pid == 0:
        log = AccessLog(descriptor, "json")
        log.start(1)
        note(log, request(), 200, 5)
        time.sleep(60)
        os._exit(0)
    os.close(descriptor)
    started = time.monotonic()
    wait_until(lambda: path.stat().st_size > 0)
    assert time.monotonic() - started < 50  # half a second where nothing else runs; told from as late as the log ends
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert [line["microseconds"] for line in lines(path.read_bytes())] == [5]


def test_pretty_lines_line_up_and_are_coloured_on_a_terminal_only() -> None:
    output = written([request(), request(method="DELETE")], "pretty").decode()
    first, second = output.splitlines()
    assert first.index("/v1/users/{userId}") == second.index("/v1/users/{userId}") and first.index(
        "0.4 ms"
    ) == second.index("0.4 ms")
    assert "\x1b" not in output
    assert (
        max(map(len, (first, second))) <= 100
        and "user_1" not in output
        and "key_1" not in output
        and "req_1" not in output
    )
    assert "10.0.0.7" in written([request(address="10.0.0.7")], "pretty").decode(), "who isn't on this machine"

    controller, terminal = os.openpty()
    log = AccessLog(terminal, "pretty")
    note(log, request(), 503, 1)
    log.start()
    log.stop()
    assert b"\x1b[31m503" in os.read(controller, 4096)
    os.close(controller)
    os.close(terminal)


def test_none_writes_nothing_and_drops_nothing() -> None:
    dropped: list[int] = []
    log = AccessLog(-1, "none", dropped=dropped.append)
    log.start()
    note(log, request(), 200, 1)
    log.stop()
    assert dropped == []
