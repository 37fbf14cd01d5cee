"""Ctrl+C at any moment ends a command without a word of Python's."""

from __future__ import annotations

import subprocess
import sys

IN_THE_MIDST = """
import asyncio, signal
from rollbook.machine import Runner

async def waits():
    result = asyncio.get_running_loop().create_future()

    def arrives():
        free = not result.done()
        signal.raise_signal(signal.SIGINT)  # where the loop takes over the result of a thread
        if free:
            result.set_result("rows")

    asyncio.get_running_loop().call_soon(arrives)
    await result
    await asyncio.sleep(60)

async def is_done():
    asyncio.current_task().add_done_callback(lambda _: signal.raise_signal(signal.SIGINT))

with Runner() as runner:
    for coroutine in waits, is_done, waits:
        try:
            runner.run(coroutine())
        except KeyboardInterrupt:
            print(coroutine.__name__, "interrupted")
"""


def test_an_interrupt_cancels_between_two_steps_and_is_never_lost() -> None:
    ended = subprocess.run([sys.executable, "-c", IN_THE_MIDST], capture_output=True, text=True, timeout=60, check=True)
    assert (ended.stdout, ended.stderr) == ("waits interrupted\nis_done interrupted\nwaits interrupted\n", "")
