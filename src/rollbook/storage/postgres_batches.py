"""Writes that share a transaction, and its statements, on PostgreSQL: only those that ask for it.

Calls of the same function about different things (`write_together`) are driven side by side in one transaction, see
`postgres_together`. After an error each is done again, alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from rollbook.errors import OutcomeUnknown, Overloaded, Stopping
from rollbook.storage.postgres_connection import Pool
from rollbook.storage.postgres_together import Running, drive
from rollbook.storage.postgres_writer import MAX_WAITING, PostgresWriter

T = TypeVar("T")

MAX_TOGETHER = 64
TRANSACTIONS = 2
"""While PostgreSQL writes the log for one, the next one is on its way; a third would only make each of them smaller."""


class BatchedWrite(NamedTuple):
    future: asyncio.Future[Any]
    about: str
    fn: Callable[..., Awaitable[Any]]
    args: tuple[Any, ...]


class Batches:
    def __init__(self, pool: Pool, writer: PostgresWriter) -> None:
        """`writer` does those that do not share."""
        self._pool = pool
        self._writer = writer
        self._jobs: deque[BatchedWrite] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        return len(self._jobs)

    async def write(self, about: str, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        if self._writer.closed:
            raise Stopping()
        if len(self._jobs) >= MAX_WAITING:
            raise Overloaded("Too many changes are waiting to be written. Try again shortly.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.append(BatchedWrite(future, about, fn, args))
        if len(self._tasks) < TRANSACTIONS:
            self._tasks.add(loop.create_task(self._work()))
        # A caller that is cancelled leaves its write in the queue: it is done once, whether or not it is still wanted.
        return await future

    async def close(self) -> None:
        """Commits what waits."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        try:
            while self._jobs:
                jobs = self._next()
                alone = jobs if len(jobs) == 1 else await self._together(jobs)
                await asyncio.gather(*map(self._alone, alone))
        finally:
            # In the same turn in which it saw that nothing waits: a write that comes right after must find it gone, and
            # begin another.
            self._tasks.discard(asyncio.current_task())  # type: ignore[arg-type]

    def _next(self) -> list[BatchedWrite]:
        """The job that has waited longest, and others of its function that are about other things. In the order of
        these, so that two transactions that lock the same rows wait in turn."""
        first = self._jobs.popleft()
        jobs, later = {first.about: first}, []
        while self._jobs and len(jobs) < MAX_TOGETHER:
            job = self._jobs.popleft()
            if job.fn is first.fn and job.about not in jobs:
                jobs[job.about] = job
            else:
                later.append(job)
        self._jobs.extendleft(reversed(later))
        return sorted(jobs.values(), key=lambda job: job.about)

    async def _alone(self, job: BatchedWrite) -> None:
        try:
            result = await self._writer.alone(job.fn, job.args)
        except BaseException as problem:
            _settle(job, None, problem)
        else:
            _settle(job, result, None)

    async def _together(self, jobs: list[BatchedWrite]) -> list[BatchedWrite]:
        """All in one transaction, and their callers answered; those that have to be done alone are returned."""
        running = {Running((job.fn, job.args), self._writer.dialect): job for job in jobs}
        try:
            async with self._pool.taken() as connection:
                await connection.execute(self._writer.begin)
                try:
                    shared = await drive(connection, running)
                except BaseException as problem:
                    await connection.roll_back(after=problem)
                    raise
                try:
                    await connection.commit()
                except OutcomeUnknown as problem:
                    for member in shared:  # one for each: a raised exception gathers its caller's traceback
                        unknown = OutcomeUnknown()
                        unknown.__cause__ = problem.__cause__
                        _settle(running[member], None, unknown)
                    return [job for member, job in running.items() if member not in shared]
        except Exception:  # whatever it is, each finds out for itself
            for member in running:
                member.drop()
            return jobs
        good = [member for member in shared if member.error is None]
        self._writer.done(len(good), [channel for member in good for channel in member.tx.channels])
        for member in shared:
            _settle(running[member], member.result, member.error)
        return [job for member, job in running.items() if member not in shared]


def _settle(job: BatchedWrite, result: Any, error: BaseException | None) -> None:
    if job.future.done():  # the caller has gone
        return
    if error is None:
        job.future.set_result(result)
    else:
        job.future.set_exception(error)
