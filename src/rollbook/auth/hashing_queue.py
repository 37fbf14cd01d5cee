"""Queue of passwords to hash: bounded by threads, places and memory, and shared out fairly.

Whoever is known (by a session, an API key or a browser in which they signed in before) and strangers have a line each.
Strangers have half of the places and, while known ones wait, half of the time. In the line of strangers, the network
comes first that has had the least time lately, and in it the network within it; in the other line, the user. Where all
places are taken, the newest of the one with the most gives way. So whoever guesses from many addresses of few networks,
or for long, waits for themselves.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from rollbook.errors import Overloaded, Stopping
from rollbook.records.password_parameters import Price

NICENESS = 10
"""Nice value that hashing threads add to their own: the kernel then gives them a tenth of a core that others want too,
which reads hardly notice. With 19 they got a sixtieth, and a sign-in beside busy programs took seconds (decision 6)."""

HALF_LIFE = 600.0
"""Seconds after which half of the time that a network or user has had is forgotten."""
MAX_REMEMBERED = 10_000
"""Networks and users whose time is remembered: those that had some last."""

T = TypeVar("T")


class Waiter(NamedTuple):
    """Waiter whose password is hashed."""

    groups: tuple[str, ...] = ()
    """Groups that share their time: a stranger's networks, the widest first; the user for a caller who is known."""
    is_stranger: bool = False


KNOWN = Waiter()
"""One who is known, and whose time counts for no one."""


class HashingQueue:
    """Called on event loops and by its own threads, which start with the first password: it can be created before a
    fork."""

    def __init__(self, threads: int, places: int, mebibytes: int) -> None:
        """`places` are for those who wait. What needs more than all of the `mebibytes` is computed while nothing else
        is."""
        self._threads, self._places, self._mebibytes = threads, places, mebibytes
        self._pool = ThreadPoolExecutor(threads, "password", initializer=_step_back)
        self._lock = threading.Lock()
        self._past = _Past()
        self._known, self._strangers = _Line(self._past), _Line(self._past)
        self._next: _Job | None = None  # whose turn it is, while there is no memory for them
        self._running: set[_Job] = set()
        self._closed = False
        self._lead = 0.0  # seconds that strangers got more than known ones
        self._ahead = 0  # microseconds by the prices of all that run and wait
        self._pace = 1.0  # moving average of the seconds that hashes took, for each second of their price
        self.done = 0  # hashed or verified so far
        self.refused = 0  # refused so far because too many were waiting

    @property
    def waiting(self) -> int:
        """Passwords waiting for a thread, or for memory."""
        return self._known.size + self._strangers.size

    async def run(self, work: Callable[[], T], price: Price, waiter: Waiter = KNOWN) -> T:
        """Return or raise what `work` does. Raises Overloaded if too many are waiting or there is not enough memory,
        Stopping once closed."""
        job = _Job(work, price, waiter)
        with self._lock:
            if self._closed:
                raise Stopping()
            self._enter(job)
            self._start()
            self._make_room(job)
        job.future.add_done_callback(lambda _: self._leave(job))  # where the caller went away
        # A plain future: the caller may be a coroutine that runs without a task.
        return await asyncio.wrap_future(job.future)

    def close(self) -> None:
        """Finish running hashes and drop the waiting ones, whose callers get Stopping."""
        with self._lock:
            self._closed = True
            for line in (self._known, self._strangers):
                while line.size:
                    self._give_up(line.first(), Stopping())
        self._pool.shutdown(wait=False)

    def _leave(self, job: _Job) -> None:
        if job.line is not None:
            with self._lock:
                self._remove(job)

    def _work(self, job: _Job) -> None:
        """Do the job, in a thread of the pool."""
        if job.future.done():  # there was no thread for it
            return
        begun, result, problem = time.perf_counter(), None, None
        try:
            result = job.work()
        except MemoryError:
            problem = Overloaded()
        except BaseException as raised:
            problem = raised
        with self._lock:
            self.done += 1
            self._ahead -= job.microseconds
            self._pace += ((time.perf_counter() - begun) * 1e6 / job.microseconds - self._pace) / 8
            self._running.remove(job)
            self._start()
        if problem is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(problem)

    # ---- with the lock

    def _enter(self, job: _Job) -> None:
        # Who begins to wait brings along what they owe, but cannot save up.
        if job.waiter.is_stranger:
            job.line = self._strangers
            self._lead = self._lead if job.line.size else max(self._lead, 0.0)
        else:
            job.line = self._known
            self._lead = self._lead if job.line.size else min(self._lead, 0.0)
        job.line.add(job, job.waiter.groups)
        self._ahead += job.microseconds

    def _remove(self, job: _Job) -> None:
        """From its line, if it is still there."""
        if job.line is not None:
            job.line.remove(job, job.waiter.groups)
            job.line = None
            self._next = None if self._next is job else self._next
            self._ahead -= job.microseconds

    def _give_up(self, job: _Job, problem: Exception) -> None:
        self._remove(job)
        if job.future.set_running_or_notify_cancel():
            job.future.set_exception(problem)

    def _make_room(self, newcomer: _Job) -> None:
        """Someone gives way where more wait than there are places for: strangers for strangers, and known ones for
        anyone once they have more than their half."""
        strangers = max(1, self._places // 2)
        if self._strangers.size > strangers:
            line = self._strangers
        elif self.waiting > self._places and self._known.size > 1:
            line = self._known
        else:
            return
        job = line.newest_of_most(newcomer.waiter.groups)
        seconds = (self._ahead - job.microseconds) / 1e6 * self._pace / self._threads
        self._give_up(job, Overloaded(retry_after=max(1, math.ceil(seconds))))
        self.refused += 1

    def _start(self) -> None:
        """All that there are threads and memory for."""
        while (job := self._startable()) is not None:
            self._remove(job)
            if not job.future.set_running_or_notify_cancel():
                continue
            self._lead += job.price.seconds if job.waiter.is_stranger else -job.price.seconds
            self._past.add(job.waiter.groups, job.price.seconds)
            self._running.add(job)
            self._ahead += job.microseconds
            try:
                self._pool.submit(self._work, job)
            except RuntimeError:  # the system has no memory for another thread
                self._running.remove(job)
                self._ahead -= job.microseconds
                job.future.set_exception(Overloaded())

    def _startable(self) -> _Job | None:
        """Waiter whose turn it is; None if no one waits, or while there is no thread or memory for them. No one
        overtakes, otherwise what needs much memory might never get it: but known ones need not wait for the memory of
        one stranger after the other."""
        if len(self._running) >= self._threads or not self.waiting:
            return None
        if self._next is None:
            is_strangers = self._strangers.size and (self._lead < 0 or not self._known.size)
            self._next = (self._strangers if is_strangers else self._known).first()
        job = self._next
        if (
            not self._fits(job)
            and job.waiter.is_stranger
            and self._known.size
            and any(running.waiter.is_stranger for running in self._running)
        ):
            job = self._known.first()
        return job if self._fits(job) else None

    def _fits(self, job: _Job) -> bool:
        used = sum(running.price.mebibytes for running in self._running)
        return not self._running or used + job.price.mebibytes <= self._mebibytes


class _Job:
    """`line` is where it waits, None once it runs or was given up."""

    __slots__ = ("future", "line", "microseconds", "price", "waiter", "work")

    def __init__(self, work: Callable[[], Any], price: Price, waiter: Waiter) -> None:
        self.work, self.price, self.waiter = work, price, waiter
        self.microseconds = max(1, round(price.seconds * 1e6))
        self.future: Future[Any] = Future()
        self.line: _Line | None = None


class _Past:
    """The seconds that networks and users have had lately."""

    def __init__(self) -> None:
        self._had: OrderedDict[str, tuple[float, float]] = OrderedDict()  # and when

    def of(self, name: str) -> float:
        seconds, at = self._had.get(name, (0.0, 0.0))
        return seconds * 0.5 ** ((time.monotonic() - at) / HALF_LIFE)

    def add(self, names: tuple[str, ...], seconds: float) -> None:
        for name in names:
            self._had[name] = (self.of(name) + seconds, time.monotonic())
            self._had.move_to_end(name)
        while len(self._had) > MAX_REMEMBERED:
            self._had.popitem(last=False)


class _Line:
    """Jobs by their groups."""

    __slots__ = ("_jobs", "_parts", "_past", "seconds", "size")

    def __init__(self, past: _Past) -> None:
        self._past = past
        self._parts: dict[str, _Line] = {}
        self._jobs: dict[_Job, None] = {}  # of no group, oldest first
        self.size = 0
        self.seconds = 0.0  # of all that wait in it

    def add(self, job: _Job, groups: tuple[str, ...]) -> None:
        self.size += 1
        self.seconds += job.price.seconds
        if not groups:
            self._jobs[job] = None
            return
        if groups[0] not in self._parts:
            self._parts[groups[0]] = _Line(self._past)
        self._parts[groups[0]].add(job, groups[1:])

    def remove(self, job: _Job, groups: tuple[str, ...]) -> None:
        self.size -= 1
        self.seconds -= job.price.seconds
        if not groups:
            del self._jobs[job]
            return
        self._parts[groups[0]].remove(job, groups[1:])
        if not self._parts[groups[0]].size:
            del self._parts[groups[0]]

    def first(self) -> _Job:
        """The oldest of no group, or that of the group which has had the least. There must be one."""
        if self._jobs:
            return next(iter(self._jobs))
        return self._parts[min(self._parts, key=self._past.of)].first()

    def newest_of_most(self, newcomer: tuple[str, ...]) -> _Job:
        """The newest job of the group that would have had the most once all of its jobs were done, and so on within it.
        Of equals, the newcomer's, or the last one's."""
        if len(self._jobs) > max((part.size for part in self._parts.values()), default=0):
            return next(reversed(self._jobs))
        most = max(
            reversed(self._parts),
            key=lambda name: (self._past.of(name) + self._parts[name].seconds, newcomer[:1] == (name,)),
        )
        return self._parts[most].newest_of_most(newcomer[1:])


def _step_back() -> None:
    """Give this thread a low priority, so that reads keep their speed.

    On Linux each thread has its own priority. Elsewhere this would lower that of the whole process.
    """
    if sys.platform == "linux":
        os.nice(NICENESS)
