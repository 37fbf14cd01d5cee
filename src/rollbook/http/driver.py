"""Runs a coroutine without a task: resumes it whenever a future that it waits for is done."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


@types.coroutine
def resumed(coroutine: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine that has suspended once. `waits_for` is what its first `send(None)` returned."""
    while True:
        step: Callable[[Any], Any] = coroutine.send
        value: Any = None
        try:
            value = yield waits_for
        except BaseException as problem:
            step, value = coroutine.throw, problem
        try:
            waits_for = step(value)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


class Driver:
    """Resumes a coroutine that has suspended once, until it ends.

    A task costs about 15 microseconds and an iteration of the event loop, which a handler that never waits does not
    need. A task also invites cancellation when the client hangs up, and a write that has begun must finish.
    """

    __slots__ = ("_coroutine", "_done", "_loop")

    def __init__(
        self,
        coroutine: Coroutine[Any, None, Any],
        waits_for: asyncio.Future[Any] | None,
        done: Callable[[Any, BaseException | None], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`waits_for` is what the first `send(None)` returned. `done(result, error)` is called once, from the loop."""
        self._coroutine = coroutine
        self._done = done
        self._loop = loop
        self._wait(waits_for)

    def _wait(self, future: asyncio.Future[Any] | None) -> None:
        if future is None:  # asyncio.sleep(0)
            self._loop.call_soon(self._step)
        else:
            # As a task does with a future: `await` sets this flag, and whoever resumes the coroutine clears it.
            future._asyncio_future_blocking = False  # type: ignore[attr-defined]
            future.add_done_callback(self._step)

    def _step(self, _future: asyncio.Future[Any] | None = None) -> None:
        # The future raises its error, or CancelledError, inside the coroutine when `await` takes its result.
        try:
            future = self._coroutine.send(None)
        except StopIteration as end:
            self._done(end.value, None)
        except BaseException as error:
            self._done(None, error)
        else:
            self._wait(future)
