"""Documents in which assistants say who they are and where answers may go (OAuth client ID metadata documents): the URL
of one is the client ID. Fetched as bounded as webhooks are sent, and remembered for a while."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from rollbook.delivery import outcomes
from rollbook.delivery.addresses import Addresses
from rollbook.delivery.sender import Sender, Timeouts

MAX_SIZE, MAX_URLS, MAX_REMEMBERED = 10_240, 20, 256
MAX_HOST = 100
"""Characters of a host, which people see whole."""
TIMEOUTS = Timeouts(total=5.0, connect=2.0)
SHORTEST, LONGEST = 60, 86_400
"""Seconds that a document is remembered, whatever its headers say; the first also for one that is no good."""


class ClientDocument(msgspec.Struct):
    """Fields that are read of a document. Its names and pictures are a stranger's words."""

    client_id: str
    redirect_uris: list[str]
    token_endpoint_auth_method: str = "none"


class Remembered(NamedTuple):
    until: float
    document: asyncio.Future[ClientDocument | None]


def is_url(client_id: str) -> bool:
    """Test whether this names a document, and no application."""
    return "://" in client_id


class ClientDocuments:
    """One for each process."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._remembered: dict[str, Remembered] = {}

    async def get(self, url: str) -> ClientDocument | None:
        """None if there is none that may be trusted to be about this URL. Fetched once for all who ask at once."""
        found = self._remembered.get(url)
        if found is None or found.until <= time.monotonic():
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            fetching = asyncio.ensure_future(self._fetch(url))
            found = self._remembered[url] = Remembered(time.monotonic() + SHORTEST, fetching)
        return await asyncio.shield(found.document)

    async def _fetch(self, url: str) -> ClientDocument | None:
        try:
            sender = Sender(url, self._addresses, timeouts=TIMEOUTS, method="GET", keeps=MAX_SIZE)
            parts = urlsplit(url)
        except ValueError:
            return None
        steps = parts.path.split("/")
        if not url.startswith("https://") or len(parts.netloc) > MAX_HOST:
            return None
        if not any(steps) or not {".", ".."}.isdisjoint(steps):
            return None
        sent = await sender.post([("Accept", "application/json")], b"")
        await sender.close()
        try:
            document = msgspec.json.decode(sent.response, type=ClientDocument)
        except (msgspec.DecodeError, ValueError):
            return None
        is_good = sent.outcome == outcomes.DELIVERED and document.client_id == url
        if not is_good or document.token_endpoint_auth_method != "none" or len(document.redirect_uris) > MAX_URLS:
            return None
        seconds = min(max(sent.max_age or 0, SHORTEST), LONGEST)
        if (found := self._remembered.get(url)) is not None:
            self._remembered[url] = found._replace(until=time.monotonic() + seconds)
        return document
