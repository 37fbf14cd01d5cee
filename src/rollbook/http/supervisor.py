"""Runs several workers behind one port: starts them, replaces those that die, and passes on the signal to stop."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from rollbook.config import ConfigurationError, Settings
from rollbook.http.request import Application
from rollbook.http.server import begin_nothing

log = logging.getLogger("rollbook")

# Seconds before a worker that died is started again: none the first time, then doubling up to the last.
FIRST_DELAY, LAST_DELAY = 0.25, 10.0
# A worker that lived this long, in seconds, did not fail while starting.
HEALTHY = 10.0

READY = b"+"


class Child(NamedTuple):
    """One worker process."""

    number: int
    started: float
    report: int  # file descriptor on which it reports that it is ready, or why it cannot start


class Supervisor:
    """Runs in the parent, which serves no requests itself."""

    def __init__(
        self,
        settings: Settings,
        build: Callable[[Settings, int], Application],
        sockets: list[socket.socket],
        ready: Callable[[], None],
        restarted: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._build = build
        self._sockets = sockets
        self._ready = ready
        self._restarted = restarted
        self._announced = False
        self._children: dict[int, Child] = {}
        self._due: dict[int, float] = {}  # worker number: when to start it again
        self._delays = [0.0] * settings.workers
        self._stopping = False
        self._signals: list[int] = []
        self._failure = ""

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; returns the exit code. Raises ConfigurationError when the workers cannot start
        for that reason."""
        wake, waker = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(waker, False)
        # A worker that reads end-of-file from this pipe knows that the parent is gone, whatever ended it.
        self._alive, self._lifeline = os.pipe()
        handled = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
        before = {number: signal.signal(number, self._note) for number in handled}
        previous_waker = signal.set_wakeup_fd(waker)
        self._own = (wake, waker, self._lifeline)
        try:
            for number in range(self._settings.workers):
                self._start(number)
            return self._watch(wake)
        finally:
            signal.set_wakeup_fd(previous_waker)
            for number, handler in before.items():
                signal.signal(number, handler)
            for descriptor in (
                wake,
                waker,
                self._alive,
                self._lifeline,
                *(child.report for child in self._children.values()),
            ):
                os.close(descriptor)

    def _note(self, number: int, _frame: object) -> None:
        self._signals.append(number)

    def _watch(self, wake: int) -> int:
        kill_at = float("inf")
        code = 0
        while self._children or (self._due and not self._stopping):
            now = time.monotonic()
            timeout = max(0.0, min([kill_at, *self._due.values(), now + 60.0]) - now)
            reports = {child.report: pid for pid, child in self._children.items()}
            readable, _, _ = select.select([wake, *reports], [], [], timeout)
            if wake in readable:
                os.read(wake, 4096)
            for descriptor in readable:
                if descriptor in reports:
                    self._hear(reports[descriptor])
            while self._signals:
                number = self._signals.pop(0)
                if number == signal.SIGCHLD:
                    continue
                if self._stopping:
                    self._tell(signal.SIGKILL)
                    return 128 + number
                kill_at = self._stop()
            self._reap()
            if self._failure and not self._stopping:
                kill_at = self._stop()
                code = 1
            now = time.monotonic()
            if now >= kill_at:
                log.warning("%d workers did not stop in time and were killed", len(self._children))
                self._tell(signal.SIGKILL)
                kill_at, code = float("inf"), 1
            if not self._stopping:
                for number in [number for number, due in self._due.items() if due <= now]:
                    del self._due[number]
                    self._start(number)
                    self._restarted()
        if self._failure:
            raise ConfigurationError(self._failure)
        return code

    def _start(self, number: int) -> None:
        report, reporter = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD))
        pid = os.fork()
        if pid == 0:
            os.close(report)
            self._be_worker(number, reporter)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(reporter)
        self._children[pid] = Child(number, time.monotonic(), report)

    def _be_worker(self, number: int, reporter: int) -> None:
        """Runs in the child, and never returns into the parent's code."""
        from rollbook.http.server import run_worker

        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for name in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(name, signal.SIG_DFL)
            for descriptor in (*self._own, *(child.report for child in self._children.values())):
                os.close(descriptor)
            run_worker(self._settings, self._build, number, self._sockets, lambda: _say(reporter, READY), self._alive)
            code = 0
        except ConfigurationError as problem:
            _say(reporter, str(problem).encode())
        except BaseException:
            log.exception("worker %d failed", number)
        finally:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)

    def _hear(self, pid: int) -> None:
        """A worker reports that it is ready, or why it is not; at end-of-file it is gone."""
        child = self._children[pid]
        words = os.read(child.report, 4096)
        if words == READY:
            if not self._announced:
                self._announced = True
                self._ready()
        elif words and not self._announced:
            self._failure = words.decode()
        else:
            # The end of the pipe: the process has exited, or is about to.
            self._reap(pid)

    def _reap(self, only: int | None = None) -> None:
        for pid in list(self._children) if only is None else [only]:
            gone, status = os.waitpid(pid, 0 if only is not None else os.WNOHANG)
            if not gone:
                continue
            child = self._children.pop(pid)
            os.close(child.report)
            if self._stopping:
                continue
            self._mourn(child, pid, os.waitstatus_to_exitcode(status))

    def _mourn(self, child: Child, pid: int, code: int) -> None:
        now = time.monotonic()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if not self._announced:
            self._failure = self._failure or f"worker {child.number} could not start ({how}); the log says more."
            return
        delay = 0.0 if now - child.started >= HEALTHY else self._delays[child.number]
        self._delays[child.number] = min(LAST_DELAY, max(FIRST_DELAY, delay * 2))
        self._due[child.number] = now + delay
        log.error("worker %d (process %d) ended with %s; starting it again in %.2f s", child.number, pid, how, delay)

    def _stop(self) -> float:
        """Tell the workers to stop. Returns when to kill those that have not, on the monotonic clock."""
        self._stopping = True
        for listener in self._sockets:
            begin_nothing(listener)
            listener.close()
        self._tell(signal.SIGTERM)
        return time.monotonic() + self._settings.drain_timeout + 2.0

    def _tell(self, number: signal.Signals) -> None:
        for pid in self._children:
            os.kill(pid, number)


def _say(descriptor: int, words: bytes) -> None:
    os.write(descriptor, words)
