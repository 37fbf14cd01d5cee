"""Runs coroutines for code without an event loop, such as commands."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


class Runner(asyncio.Runner):
    """Ctrl+C cancels what runs in it and raises KeyboardInterrupt, at whatever moment it comes."""

    def run(self, coro: Coroutine[Any, Any, T], *, context: Context | None = None) -> T:
        try:
            return super().run(coro, context=context)
        except asyncio.CancelledError:
            # Python forgets that it was Ctrl+C when it comes between the installation of the handler and the first step
            # of the loop. Nothing else cancels what is run here.
            raise KeyboardInterrupt from None


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it in a loop of its own."""
    with Runner() as runner:
        return runner.run(coroutine)
