"""Starts processes for tests. `rollbook` is forked from one process that has imported it already, which costs a tenth
of an import.

What runs is what ships, but hashes and imports at hardly a lower priority: `main()` with the arguments, environment,
folder, streams and exit code of a process of its own; so does the process of an import, which a server that was forked
has forked. A command that is neither plain `python -m rollbook.cli.main` nor `rollbook` beside that Python, or that
changes a variable which Python or a library may read while it is imported, is executed. So are the tests of the command
as it is installed, in `cli/test_calling.py`, `docs/test_package.py` and `deploy/`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, NamedTuple

import httpx2

import rollbook
from rollbook.app import App
from rollbook.auth import hashing_queue
from rollbook.config import Settings
from rollbook.jobs import import_runner, import_starter
from rollbook.records import rules
from rollbook.web import docs, templates

ROOT = Path(__file__).resolve().parents[1]
IMPORT = "rollbook.jobs.import_process"
PROGRAMS = (
    "rollbook.cli.main",
    IMPORT,
    "tests.fixed",
    "tests.patient",
    "tests.cli.small_batches",
    "tests.http.echo",
    "tests.http.rows",
)
"""Modules that run the command, or a server of their own, each by its function `main`."""

INSTALLED = str(Path(sys.executable).with_name("rollbook"))

# Variables that are read when the program runs, and not when it is imported.
_READ_LATER = (
    *("ROLLBOOK_", "PYTEST_", "XDG_CONFIG_HOME", "ECHO_", "_ROLLBOOK_COMPLETE", "COMP_", "COLUMNS", "TERM"),
    *("TZ", "NO_COLOR", "CLICOLOR", "FORCE_COLOR", "PAGER"),
)
EXECUTED = {"PYTHONHASHSEED": "0"}
"""Environment of a server whose processes are looked at: it is executed, and so are its imports."""
_LONGEST_MESSAGE = 1 << 20

Stream = int | IO[Any]


class Process:
    """A process that the other one has forked, to be used like a `subprocess.Popen` whose pipes carry text."""

    def __init__(self, origin: Origin, pid: int, command: Sequence[str], pipes: Sequence[IO[str] | None]) -> None:
        self._origin = origin
        self.pid = pid
        self.args = command
        self.returncode: int | None = None
        self.stdin, self.stdout, self.stderr = pipes
        self._asking = threading.Lock()

    def poll(self) -> int | None:
        with self._asking:  # it can be told once, and threads wait for the same process
            if self.returncode is None:
                self.returncode = self._origin.ended(self.pid)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        until = None if timeout is None else time.monotonic() + timeout
        delay = 0.0005
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(delay)
            delay = min(delay * 2, 0.02)
        return code

    def send_signal(self, number: int) -> None:
        # Its number is its own until it has been asked for its exit code.
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None:
                pipe.close()
        self.wait()


AnyProcess = Process | subprocess.Popen[str]


def start(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.DEVNULL,
    stderr: Stream = subprocess.DEVNULL,
    start_new_session: bool = False,
) -> AnyProcess:
    """Start a command. Streams are files, descriptors, PIPE or DEVNULL."""
    program = _program(command, env)
    if program is None:
        return subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
            start_new_session=start_new_session,
        )
    order = Order(program, [*command], {**env}, str(cwd or Path.cwd()), start_new_session)
    with contextlib.ExitStack() as opened:
        pipes: list[IO[str] | None] = [None, None, None]
        streams = []
        for number, stream in enumerate((stdin, stdout, stderr)):
            if stream == subprocess.PIPE:
                pipes[number], stream = _pipe(number)
                opened.callback(os.close, stream)
            streams.append(_descriptor(stream, opened))
        return Process(origin(), origin().fork(order, streams), command, pipes)


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    input: str | None = None,
    timeout: float = 110,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run(…, capture_output=True, text=True)` does."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        given.write((input or "").encode())
        given.seek(0)
        process = start(command, env=env, cwd=cwd, stdin=given, stdout=said, stderr=complained)
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        texts = []
        for file in (said, complained):
            file.seek(0)
            texts.append(file.read().decode().replace("\r\n", "\n"))
        return subprocess.CompletedProcess(command, code, *texts)


def _program(command: Sequence[str], env: Mapping[str, str]) -> str | None:
    """The module to be run by a fork; None when the command must be executed."""
    if command[0] == INSTALLED:
        program = PROGRAMS[0]
    elif command[0] == sys.executable and command[1] == "-m" and command[2] in PROGRAMS:
        program = command[2]
    else:
        return None
    return program if _read_early(env) == _ENVIRONMENT else None


def _read_early(env: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in env.items()
        if not name.startswith(_READ_LATER)
        and (name, value) != ("PYTHONPATH", str(ROOT))  # which holds what was imported
    }


_ENVIRONMENT = _read_early(os.environ)


def _pipe(number: int) -> tuple[IO[str], int]:
    """Our end of a new pipe, and the descriptor that a process is to have as this number."""
    reader, writer = os.pipe()
    return (open(writer, "w"), reader) if number == 0 else (open(reader), writer)


def _descriptor(stream: Stream, opened: contextlib.ExitStack) -> int:
    if stream == subprocess.DEVNULL:
        return opened.enter_context(open(os.devnull, "r+b", buffering=0)).fileno()
    return stream if isinstance(stream, int) else stream.fileno()


class Forking:
    """What stands in for `subprocess` in a forked server: its imports are forked too."""

    PIPE = subprocess.PIPE

    def __init__(self, address: str) -> None:
        self._address = address
        self._origin: Origin | None = None

    def Popen(self, command: list[str], stdin: int, start_new_session: bool) -> Process:
        self._origin = self._origin or Origin(self._address)
        reader, writer = os.pipe()
        order = Order(command[2], command, {**os.environ}, str(Path.cwd()), start_new_session)
        process = Process(self._origin, self._origin.fork(order, [reader, 1, 2]), command, (None, None, None))
        os.close(reader)
        process.stdin = open(writer, "wb")  # type: ignore[assignment]  # noqa: SIM115 - as long as the server lives
        return process


FOR_APPLICATIONS = ("rollbook._client.integrations.", "rollbook._client.testing")
"""Parts of the Python client that stand on what the server doesn't have: web frameworks, and pytest."""


class Order(NamedTuple):
    """What a new process is to be."""

    program: str
    command: list[str]
    environment: dict[str, str]
    folder: str
    start_new_session: bool


class Origin:
    """The process that others are forked from, seen from the tests. What was started over this line ends with it."""

    def __init__(self, address: str) -> None:
        self._lock = threading.Lock()
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST_MESSAGE)
        self._line.connect(address)
        self.running: set[int] = set()
        self.spent = 0.0
        """CPU seconds of those that have ended."""

    def fork(self, order: Order, streams: list[int]) -> int:
        """The number of a new process with these streams."""
        pid = self._ask([order], streams)
        self.running.add(pid)
        return pid

    def ended(self, pid: int) -> int | None:
        """Its exit code, once; None while it runs."""
        code, spent = self._ask([pid], [])
        if code is not None:
            self.running.discard(pid)
            self.spent += spent
        return code

    def _ask(self, question: list[Any], streams: list[int]) -> Any:
        with self._lock:
            try:
                socket.send_fds(self._line, [json.dumps(question).encode()], streams)
                answer = self._line.recv(100)
            except ConnectionError:
                answer = b""
        if not answer:
            raise RuntimeError("the process that starts others has ended; what it wrote says why")
        return json.loads(answer)


_starting = threading.Lock()


def children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def importing(data: Path) -> list[int]:
    """The processes that import for the server of this folder. Each has locked its file."""
    locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return [
        int(lock[4])
        for file in (data / "imports").glob("*.part")
        for lock in locks
        if lock[1] == "FLOCK" and lock[5].endswith(f":{file.stat().st_ino}") and _has_open(int(lock[4]), file)
    ]


def _has_open(process: int, file: Path) -> bool:
    with contextlib.suppress(OSError):  # it has ended
        return any(each.samefile(file) for each in Path(f"/proc/{process}/fd").iterdir() if each.exists())
    return False


def origin() -> Origin:
    with _starting:
        return _origin()


@cache
def _origin() -> Origin:
    return Origin(ask_for_address())


@cache
def address() -> str:
    """Where the process listens that others are forked from. It is started by the first who asks, and ends with this
    one."""
    folder = tempfile.mkdtemp(prefix="rollbook-origin-")
    place = f"{folder}/line"
    ours, theirs = socket.socketpair()
    with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(place)
        listener.listen(100)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.processes", str(listener.fileno()), str(theirs.fileno())],
            cwd=ROOT,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            pass_fds=[listener.fileno(), theirs.fileno()],
        )
    owner = os.getpid()

    def end() -> None:
        if os.getpid() == owner:  # not in a process that a test forked
            ours.shutdown(socket.SHUT_RDWR)  # in the forks of this one it stays open
            process.wait(60)
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return place


ask_for_address: Callable[[], str] = address
"""Tests that run beside each other ask the process that has collected them: one is enough for all."""


# ---- the process itself


def main() -> None:
    """Load the program, and fork for each order until the tests are over; in a new process, run what was ordered."""
    atexit.register(_leave)  # first, so that it comes last
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests decide what ends when they are interrupted
    for module in pkgutil.walk_packages(rollbook.__path__, "rollbook."):
        if not module.name.startswith(FOR_APPLICATIONS):
            importlib.import_module(module.name)
    programs = {name: importlib.import_module(name) for name in PROGRAMS}
    # Tests beside it compute without a pause: what has a far lower priority would wait for all of them.
    hashing_queue.NICENESS = import_runner.NICENESS = 1  # type: ignore[bad-assignment]
    _warm_up()
    assert threading.active_count() == 1, "an import has started a thread, which no fork would have"
    gc.collect()
    gc.freeze()
    listener, owner = (socket.socket(fileno=int(argument)) for argument in sys.argv[1:])
    import_starter.subprocess = Forking(listener.getsockname())  # type: ignore[assignment]
    lines: dict[socket.socket, set[int]] = {}
    """Who asks, and the processes that run for each of them."""
    imports: set[int] = set()
    """Processes that end by themselves when the server that asked for them does."""
    while True:
        for ready in select.select([listener, owner, *lines], [], [])[0]:
            if ready is owner:
                for children in (*lines.values(), imports):
                    _kill(children)
                return
            if ready is listener:
                lines[listener.accept()[0]] = set()
            elif (order := _answer(ready, lines[ready], imports)) == _GONE:
                _kill(lines.pop(ready))
                ready.close()
            elif order is not None:
                for line in (listener, owner, *lines):
                    line.close()
                _run(programs[order.program])
                return


_GONE = Order("", [], {}, "", False)


def _answer(line: socket.socket, children: set[int], imports: set[int]) -> Order | None:
    """Do what was asked. In a new process, what it is to be; _GONE when nobody asks any more."""
    try:
        message, streams, _, _ = socket.recv_fds(line, _LONGEST_MESSAGE, 3)
    except ConnectionError:
        return _GONE
    if not message:
        return _GONE
    (question,) = json.loads(message)
    answer: Any
    if isinstance(question, int):
        try:
            gone, status, used = os.wait4(question, os.WNOHANG)
        except ChildProcessError:  # one line asks for the process of another that has gone: both were killed
            gone, answer = question, [-signal.SIGKILL, 0]
        else:
            answer = [os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime] if gone else [None, 0]
        children -= {gone}
        imports -= {gone}
    elif not (answer := os.fork()):
        order = Order(*question)
        _become(order, streams)
        return order
    else:
        (imports if question[0] == IMPORT else children).add(answer)
    for stream in streams:
        os.close(stream)
    with contextlib.suppress(ConnectionError):
        line.send(json.dumps(answer).encode())
    return None


def _kill(children: set[int]) -> None:
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _warm_up() -> None:
    """Load what each server loads once its port is open, and compile all pages: half a second of computing for each
    process. A server that is executed does it by itself, as in `test_the_command_is_installed_and_serves`."""
    rules.prepare()
    templates.prepare()
    templates.compile_all()
    docs.prepare("http://localhost")
    App(Settings(database="postgresql://127.0.0.1/none"))  # readers of all rows, which the next one finds
    importlib.import_module("cryptography.hazmat.primitives.ciphers.aead")
    # What the client loads when it is made, and when it connects: most of what a command that speaks to a server costs.
    httpx2.AsyncClient(verify=False)
    importlib.import_module("anyio._backends._asyncio")
    importlib.import_module("anyio.streams.tls")


def _become(order: Order, streams: list[int]) -> None:
    """Be as a new process is."""
    if order.start_new_session:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())  # type: ignore[union-attr]
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    time.tzset()
    called, *arguments = order.command
    if called == INSTALLED:
        sys.modules["__main__"] = types.ModuleType("__main__")
    else:
        sys.modules["__main__"] = sys.modules[order.program]
        called, arguments = str(sys.modules[order.program].__file__), arguments[2:]
    sys.argv = [called, *arguments]


_code: int | None = None


def _run(program: Any) -> None:
    global _code
    try:
        program.main()
        _code = 0
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        _code = end.code or 0


def _leave() -> None:
    """End when all threads and exit handlers have, without taking the modules apart one by one: that would be most of
    what a command costs."""
    if _code is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_code & 255)


if __name__ == "__main__":
    main()
