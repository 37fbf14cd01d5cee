"""Turns requests for one-time tokens into tokens, a moment after they were answered: in the process that answered, or,
if that died, in any other."""

from __future__ import annotations

import asyncio

from rollbook.actions import token_requests
from rollbook.actions.context import Rollbook
from rollbook.records.token_requests import CHANNEL

PAUSE = 5.0
"""Seconds until it looks for requests that another process has left."""
GATHER = 0.02
"""Seconds from a request to its token, so that the response is on its way: nothing of what is done for a user who
exists delays it."""


class TokenRequests:
    def __init__(self, on: Rollbook) -> None:
        self._on = on
        self.woken = asyncio.Event()
        on.db.listen(CHANNEL, self.woken.set)

    async def step(self) -> bool:
        """Returns whether there is more."""
        await asyncio.sleep(GATHER)
        return await token_requests.work_off(self._on)
