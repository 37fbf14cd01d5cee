"""Target of the events that mails are sent about: the mail server of the settings."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from rollbook.actions import mails
from rollbook.actions.context import Rollbook
from rollbook.actions.event_reader import Entry
from rollbook.delivery import mail_kinds, outcomes, schedule
from rollbook.delivery.mail_kinds import Occasion
from rollbook.delivery.sender import Sent
from rollbook.delivery.smtp import Mailer
from rollbook.records import webhooks
from rollbook.records.events import Event

logger = logging.getLogger("rollbook")


class MailTarget:
    webhook_id = webhooks.MAIL_ID
    version = 1
    is_enabled = True
    types: frozenset[str] | None = mail_kinds.TYPES
    reads: frozenset[str] | None = mail_kinds.TYPES
    skips_imports = True
    sends = "mail"
    steps: Sequence[float] = schedule.MAIL_STEPS
    is_one_by_one = True
    can_be_disabled = False

    def __init__(self, on: Rollbook) -> None:
        self.rate = on.settings.mail_rate / 60
        self._on = on
        self._mailer = Mailer(on.settings)
        self._templates = mails.templates(on.settings)

    def wants(self, event: Event) -> bool:
        occasion = self._occasion(event)
        return occasion is not None and mail_kinds.is_wanted(self._on.settings, occasion)

    def lane(self, event: Event) -> str:
        return event.id

    async def send(self, entry: Entry, now: int) -> Sent:
        """Raises ApiError, OSError if the database can't be asked."""
        event = entry.event
        occasion = self._occasion(event)
        if occasion is None:
            return Sent(outcomes.NOTHING)
        mail = await mails.about(self._on, event, occasion)
        if isinstance(mail, str):
            return Sent(mail)
        try:
            letter = mails.letter(self._on.settings, self._templates, mail, event.id, event.created_at)
        except Exception as problem:
            _report(event, problem)
            return Sent(outcomes.BODY_FAILED)
        return await self._mailer.send(letter)

    def _occasion(self, event: Event) -> Occasion | None:
        try:
            return mail_kinds.occasion(event)
        except Exception as problem:
            _report(event, problem)
            return None

    async def close(self) -> None:
        await self._mailer.close()


def _report(event: Event, problem: Exception) -> None:
    """Log which event no mail can be written about: those after it must not wait for it. The text of exceptions may be
    personal."""
    logger.error("no mail can be written about event %s: %s", event.id, type(problem).__name__)
