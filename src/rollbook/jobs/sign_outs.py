"""Tells applications which of their sessions have ended, until they have heard it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence

from rollbook import clock
from rollbook.actions import oauth2
from rollbook.actions.context import Rollbook
from rollbook.delivery import outcomes
from rollbook.delivery.sender import BUSY, Sender, Sent, next_try
from rollbook.records import sign_outs
from rollbook.records.sign_outs import Listener, SignOut

logger = logging.getLogger("rollbook")

BATCH = 16
"""Sessions of an application that it is told of at a time."""
FORM = ("content-type", "application/x-www-form-urlencoded")


class SignOuts:
    def __init__(self, on: Rollbook) -> None:
        self._on = on

    async def step(self) -> bool:
        """Returns whether there is more. An application that doesn't answer delays others by 15 seconds, and is asked
        again less and less often."""
        listeners = await sign_outs.listeners(self._on.db)
        return any(await asyncio.gather(*map(self._tell, listeners)))

    async def _tell(self, listener: Listener) -> bool:
        """Returns whether it could be told of a session."""
        ended = await sign_outs.due(self._on.db, listener.client_id, BATCH)
        if ended and ended[0].attempts:
            ended = ended[:1]  # to see whether it answers again
        results = dict(zip(ended, await self._send(listener.url, ended), strict=True))
        told = [session.session_id for session, sent in results.items() if sent.outcome == outcomes.DELIVERED]
        if told:
            await self._on.db.write(sign_outs.forget, told)
        for session, sent in results.items():
            if sent.outcome != outcomes.DELIVERED and await self._postpone(session, sent):
                break
        return bool(told)

    async def _send(self, url: str, ended: Sequence[SignOut]) -> list[Sent]:
        try:
            sender = Sender(url, self._on.addresses)
        except ValueError:  # `webhook_allow` is narrower than when it was set
            return [Sent(outcomes.NO_ADDRESS)] * len(ended)
        try:
            tokens = await oauth2.logout_tokens(self._on, ended)
            return await asyncio.gather(*(sender.post([FORM], b"logout_token=%b" % text.encode()) for text in tokens))
        finally:
            await sender.close()

    async def _postpone(self, ended: SignOut, sent: Sent) -> bool:
        """Returns whether it is for all sessions of the application, since it can't be reached. One that it refuses
        delays no other."""
        status = sent.http_status or 0
        is_for_all = not 400 <= status < 500 or status in BUSY
        seconds = next_try(ended.attempts + 1, sent, random.random)
        if seconds is None:
            await self._on.db.write(sign_outs.give_up, ended, is_for_all)
        else:
            await self._on.db.write(sign_outs.postpone, ended, clock.now() + int(seconds * clock.SECOND), is_for_all)
        then = "never" if seconds is None else f"in {seconds:.0f} s"
        logger.warning("application %s was not told of a sign-out (%s), again %s", ended.client_id, sent.outcome, then)
        return is_for_all
