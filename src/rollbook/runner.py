"""Runs coroutines for code without an event loop, such as commands."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


class Runner(asyncio.Runner):
    """Ctrl+C cancels what runs in it and raises KeyboardInterrupt, at whatever moment it comes.

    Python's own handler cancels in the midst of whatever the loop does, such as between the test whether a future is
    done and its result: an InvalidStateError on the terminal. Here the loop itself cancels, between its steps.
    """

    def run(self, coro: Coroutine[Any, Any, T], *, context: Context | None = None) -> T:
        loop = self.get_loop()
        interrupted = False

        def interrupt(*_: object) -> None:
            nonlocal interrupted
            interrupted = True
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a second one doesn't wait
            loop.call_soon_threadsafe(lambda: task.cancel())  # `task` is there once the loop runs

        handles = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        if handles:
            signal.signal(signal.SIGINT, interrupt)
        try:
            task = loop.create_task(coro, context=context)
            result = loop.run_until_complete(task)
        except asyncio.CancelledError:
            # Nothing else cancels what is run here.
            raise KeyboardInterrupt from None
        finally:
            if handles:
                signal.signal(signal.SIGINT, signal.default_int_handler)
        if interrupted and not task.cancelling():  # it came when all was done
            raise KeyboardInterrupt
        return result


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it in a loop of its own."""
    with Runner() as runner:
        return runner.run(coroutine)
