"""Seals again, with the current secret of the server, what former ones have sealed: API keys that can be revealed, the
secrets of authenticator apps, one-time tokens that wait to be sent and requests for them, the links of bulk jobs, what
is kept of the files of imports, the password of the mail server, and the secrets, headers and URLs of webhooks. Then
the former ones can go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from rollbook.actions import app_sessions, bulk_jobs, import_files, keys, second_factors, stored_settings, tokens
from rollbook.actions import webhooks as webhook_actions
from rollbook.actions.context import Rollbook
from rollbook.auth.server_secret import Purpose
from rollbook.records import app_sessions as app_session_records
from rollbook.records import bulk_jobs as job_records
from rollbook.records import import_rows as row_records
from rollbook.records import keys as key_records
from rollbook.records import marks, one_time_tokens, webhooks
from rollbook.records import second_factors as factor_records
from rollbook.records import settings as setting_records
from rollbook.records.dialect import dialect
from rollbook.records.webhooks import Webhook
from rollbook.storage.database import Queries, Tx

BATCH = 100


class Sealed(NamedTuple):
    """Secrets of one kind, each sealed together with the ID of what it belongs to."""

    purpose: Purpose
    after: Callable[[Queries, str, int], Awaitable[list[tuple[str, bytes]]]]
    seal_again: Callable[[Tx, Iterable[tuple[bytes, str, bytes]]], Awaitable[None]]


KINDS = (
    Sealed(keys.SEALED, key_records.sealed_after, key_records.seal_again),
    Sealed(tokens.SEALED, one_time_tokens.sealed_after, one_time_tokens.seal_again),
    Sealed(tokens.SEALED, one_time_tokens.sealed_requests_after, one_time_tokens.seal_requests_again),
    Sealed(bulk_jobs.SEALED, job_records.sealed_after, job_records.seal_again),
    Sealed(second_factors.SEALED, factor_records.sealed_after, factor_records.seal_again),
    Sealed(app_sessions.SEALED, app_session_records.sealed_keys_after, app_session_records.seal_keys_again),
    Sealed(import_files.SEALED, row_records.sealed_after, row_records.seal_again),
    Sealed(stored_settings.SEALED, setting_records.sealed_after, setting_records.seal_again),
)


class Resealing:
    """Goes through all secrets of each kind, then all webhooks, a batch at each step."""

    def __init__(self, on: Rollbook) -> None:
        self._on = on
        self._kinds_done = 0
        self._after = ""
        self._after_webhook = ""
        self.sealed = 0
        """The number of secrets and webhooks that were sealed again so far."""

    async def step(self) -> bool:
        """Returns whether there is more. At the end it begins again: another server may have sealed with its former
        secret meanwhile."""
        if not self._on.secret.is_changing:
            return False
        if self._kinds_done < len(KINDS):
            self._after = await self._reseal(KINDS[self._kinds_done], self._after)
            self._kinds_done += not self._after
            return True
        self._after_webhook = await self._webhooks(self._after_webhook)
        if self._after_webhook:
            return True
        self._kinds_done = 0
        if dialect(self._on.db).is_shared:
            # From now on, a server that has former secrets only doesn't start.
            await self._on.db.write(marks.keep_fingerprint, self._on.secret.mac("fingerprint", b""))
        return False

    async def whole(self) -> int:
        """Do all of it. Returns how many secrets and webhooks were sealed again."""
        while await self.step():
            pass
        return self.sealed

    async def _reseal(self, kind: Sealed, after: str) -> str:
        """Returns the last one's ID, empty if there are no more."""
        rows = await kind.after(self._on.db, after, BATCH)
        changed = [
            (new, id, old)
            for id, old in rows
            if (new := self._on.secret.sealed_again(kind.purpose, old, id.encode())) is not None
        ]
        if changed:
            await self._on.db.write(kind.seal_again, changed)
            self.sealed += len(changed)
        return rows[-1][0] if len(rows) == BATCH else ""

    async def _webhooks(self, after: str) -> str:
        """Returns the last one's ID, empty if there are no more."""
        batch = await webhooks.after(self._on.db, after, BATCH)
        changed = [new for hook in batch if (new := webhook_actions.sealed_again(self._on.secret, hook)) != hook]
        if changed:
            await self._on.db.write(_store, changed)
            self.sealed += len(changed)
        return batch[-1].id if len(batch) == BATCH else ""


async def _store(tx: Tx, changed: list[Webhook]) -> None:
    for webhook in changed:
        await webhooks.seal_again(tx, webhook)
