"""Runs files of tests beside each other: `pytest -n 5`. They are collected once, in this process, and run in forks of
it.

A file runs in one process, as its tests share a server. A process gets the next file before the last test of the one it
has, so that pytest knows which fixtures are still needed. One that dies fails its test, and another goes on with the
rest. So does one that says nothing for longer than any of its tests may take: it is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import mmap
import os
import random
import signal
import sys
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Iterator
from multiprocessing.connection import Connection, Pipe, wait
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from tests import postgres, processes

SLACK = 60
"""Seconds that a process may be silent for, beyond what its tests may take."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("forks")
    # pytest keeps short options in lower case for itself, and `-n` is the one that everybody knows.
    group._addoption(
        "-n", "--numprocesses", type=int, default=0, help="Processes that run files of tests; 0: this one."
    )
    group._addoption(
        "--dist", choices=["loadfile"], default="loadfile", help="As in pytest-xdist. There is no other way here."
    )


def pytest_configure(config: pytest.Config) -> None:
    count = config.getoption("numprocesses")
    if count > 1 and not config.option.collectonly and not config.option.usepdb:
        config.pluginmanager.register(Forks(config, count), "forks")


class Child(NamedTuple):
    number: int
    pid: int
    line: Connection


class Forks:
    """The process that collects: it hands out files, and reports what becomes of them."""

    def __init__(self, config: pytest.Config, count: int) -> None:
        self._config = config
        self._count = count
        self._children: dict[Connection, Child] = {}
        self._given: dict[int, deque[pytest.Item]] = defaultdict(deque)
        """By the number of a process, the tests it has been given and not ended, in the order in which it runs them."""
        self._files: deque[deque[pytest.Item]] = deque()
        self._heard: dict[Connection, float] = {}
        """When each child has last said something."""
        self._stop = mmap.mmap(-1, 1)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            return None  # pytest says so
        self._files.extend(deque(items) for _, items in itertools.groupby(session.items, lambda item: item.path))
        self._items = {item.nodeid: item for item in session.items}
        self._longest = SLACK + max((_timeout(item) for item in session.items), default=0)
        self._show()
        try:
            for number in range(min(self._count, len(self._files))):
                self._fork(session, number)
            while self._children:
                for line in wait(list(self._children), 5):
                    assert isinstance(line, Connection)
                    self._heard[line] = time.monotonic()
                    self._hear(session, line)
                self._kill_silent()
                if session.shouldfail or session.shouldstop:
                    self._stop[0] = 1
        finally:
            self._end()
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        return True

    def _show(self) -> None:
        """Dots, as for one file: files run beside each other."""
        reporter: Any = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter and reporter.verbosity == 0:
            reporter.showfspath = False
        self._config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]

    def _fork(self, session: pytest.Session, number: int) -> None:
        ours, theirs = Pipe()
        pid = os.fork()
        if pid:
            theirs.close()
            self._children[ours], self._heard[ours] = Child(number, pid, ours), time.monotonic()
            return
        try:
            for line in (ours, *self._children):
                line.close()
            _become_a_child(session, number, self._count)
            _Runner(session, theirs, self._items, self._stop).run()
            code = 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            code = 1
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            atexit._run_exitfuncs()
            os._exit(code)

    def _hear(self, session: pytest.Session, line: Connection) -> None:
        child = self._children[line]
        kind, content = None, None
        with contextlib.suppress(EOFError, ConnectionError):
            kind, content = line.recv()
        if kind is None:
            self._lose(session, child)
        elif kind == "next":
            stopped = session.shouldfail or session.shouldstop
            items = self._files.popleft() if self._files and not stopped else deque()
            line.send([item.nodeid for item in items])
            self._given[child.number].extend(items)
        elif kind == "origin":
            line.send(processes.address())
        elif kind == "cluster":
            line.send(postgres.initialised())
        elif kind == "report":
            report = self._config.hook.pytest_report_from_serializable(config=self._config, data=content)
            self._tell(child, report)
            if report.when == "teardown":
                self._given[child.number].popleft()

    def _kill_silent(self) -> None:
        """Whoever hangs where no timeout of a test reaches dies, and so fails its test: the run goes on."""
        for line, child in self._children.items():
            if time.monotonic() - self._heard[line] > self._longest:
                os.kill(child.pid, signal.SIGKILL)

    def _tell(self, child: Child, report: pytest.TestReport) -> None:
        # By this name pytest knows that tests of several files are reported in turns.
        report.node = SimpleNamespace(  # type: ignore[missing-attribute]
            _workerinfocache=f"process {child.number}", gateway=SimpleNamespace(id=str(child.number))
        )  # type: ignore[attr-defined]
        self._config.hook.pytest_runtest_logreport(report=report)

    def _lose(self, session: pytest.Session, child: Child) -> None:
        """It has ended: because all is done, or it died in the middle of a test."""
        del self._children[child.line]
        child.line.close()
        _, status = os.waitpid(child.pid, 0)
        given = self._given.pop(child.number, deque())
        if self._stop[0]:
            return
        if not given:
            if status:
                session.shouldfail = f"process {child.number} failed after its tests, see what it wrote"
            return
        item = given.popleft()
        how = f"The process of this test has ended: {os.waitstatus_to_exitcode(status)}"
        crash: Any = pytest.TestReport(
            item.nodeid, item.location, {}, "failed", how, "call", start=0, stop=0, duration=0
        )
        self._tell(child, crash)
        if given:
            self._files.appendleft(given)
        self._fork(session, child.number)

    def _end(self) -> None:
        """None of them stays, whatever happened here: those that still run are interrupted, as by Ctrl-C."""
        self._stop[0] = 1
        for child in self._children.values():
            os.kill(child.pid, signal.SIGINT)
        until = time.monotonic() + 60
        for child in self._children.values():
            child.line.close()
            while not os.waitpid(child.pid, os.WNOHANG)[0]:
                if time.monotonic() > until:
                    os.kill(child.pid, signal.SIGKILL)
                time.sleep(0.02)
        self._children.clear()


def _timeout(item: pytest.Item) -> float:
    """Seconds that a test may take."""
    mark = item.get_closest_marker("timeout")
    limit = mark.args[0] if mark and mark.args else item.config.getoption("timeout") or item.config.getini("timeout")
    return float(limit or "inf")


def _become_a_child(session: pytest.Session, number: int, count: int) -> None:
    """What is this process's own, and not shared with the others."""
    atexit._clear()  # these would end what the parent has started
    random.seed()
    os.environ["PYTEST_WORKER"], os.environ["PYTEST_WORKER_COUNT"] = str(number), str(count)
    config: Any = session.config
    base = config._tmp_path_factory.getbasetemp() / f"process{number}"
    base.mkdir(mode=0o700, exist_ok=True)
    config._tmp_path_factory._basetemp = base
    capture = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()  # into files whose positions would be everybody's
    capture.start_global_capturing()
    reporter = config.pluginmanager.unregister(name="terminalreporter")
    if reporter:
        config.pluginmanager.register(_Silent(config), "terminalreporter")
    config.pluginmanager.unregister(name="forks")


class _Silent:
    """What a child has instead of pytest's reporter: the parent reports. Failures are laid out by its writer."""

    def __init__(self, config: pytest.Config) -> None:
        self._tw = pytest.TerminalReporter(config, open(os.devnull, "w"))._tw  # noqa: SIM115


class _Runner:
    """In a child: runs the files it is given."""

    def __init__(
        self, session: pytest.Session, line: Connection, items: dict[str, pytest.Item], stop: mmap.mmap
    ) -> None:
        self._session = session
        self._line = line
        self._items = items
        self._stop = stop
        processes.ask_for_address = lambda: self._ask("origin")
        postgres.ask_for_folder = lambda: self._ask("cluster")

    def run(self) -> None:
        self._session.config.pluginmanager.register(self)
        item = next(items := self._all_items(), None)
        while item is not None and not self._stop[0]:
            following = next(items, None)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            item = following
        self._session._setupstate.teardown_exact(None)  # type: ignore[attr-defined]

    def _all_items(self) -> Iterator[pytest.Item]:
        while names := self._ask("next"):
            yield from (self._items[name] for name in names)

    def _ask(self, what: str) -> Any:
        self._line.send((what, None))
        return self._line.recv()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        config = self._session.config
        data = config.hook.pytest_report_to_serializable(config=config, report=report)
        self._line.send(("report", data))
