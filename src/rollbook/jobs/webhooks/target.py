"""Target of one webhook's events: its settings, unsealed.

Target of the events that mails are sent about: the mail server of the settings.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast

from rollbook import clock
from rollbook.actions import mails, stored_settings, token_requests
from rollbook.actions import webhooks as webhook_actions
from rollbook.actions.context import Rollbook
from rollbook.actions.event_feeds import Entry
from rollbook.api import rules
from rollbook.delivery import mails as mail_delivery
from rollbook.delivery import outcomes, payload, sender, signing
from rollbook.delivery.addresses import Addresses
from rollbook.delivery.mails import Occasion
from rollbook.delivery.sender import Sender, Sent
from rollbook.delivery.smtp import Mailer
from rollbook.jobs.webhooks.state import MAX_WINDOW
from rollbook.records import event_parts, event_types, events, webhooks
from rollbook.records.events import Event
from rollbook.records.one_time_tokens import REQUESTED, token_id
from rollbook.records.webhooks import Webhook, deliveries
from rollbook.records.webhooks.deliveries import Message

logger = logging.getLogger("rollbook")

NAMES = "names"
"""Of what is made of an event: names for all chats."""
NOT_KEPT = "(not kept, since the request carried a token)"
"""Instead of a response, which may repeat what was sent."""


class Target(Protocol):
    """The receiver of an endpoint's events."""

    webhook_id: str
    version: int
    is_enabled: bool
    types: frozenset[str] | None
    """The types it asks for; None: all."""
    reads: frozenset[str] | None
    """The types of events to read; None: all."""
    skips_imports: bool
    sends: str
    """`webhook` or `mail`: what attempts are counted as."""
    rate: float
    """Attempts a second at most."""
    steps: Sequence[float]
    """Seconds from each failed attempt to the next."""
    is_one_by_one: bool
    """One at a time, each stored before the next begins: a crash repeats at most one."""
    can_be_disabled: bool
    """True if it is given up for good when it has failed for days."""

    def wants(self, event: Event) -> bool: ...

    def lane(self, event: Event) -> str:
        """Events of a lane are sent in order, one at a time."""
        ...

    async def send(self, entry: Entry, now: int) -> Sent: ...

    async def close(self) -> None: ...


class WebhookTarget:
    sends = "webhook"
    rate = math.inf
    steps: Sequence[float] = sender.STEPS
    is_one_by_one = False
    can_be_disabled = True

    def __init__(self, on: Rollbook, webhook: Webhook, addresses: Addresses, store: Callable[[Message], None]) -> None:
        """`store` takes what goes to the inbox. Raises ValueError if the server's secret has changed since the
        webhook's was sealed."""
        self.webhook_id = webhook.id
        self._on = on
        self._webhook = webhook
        self._store = store
        self._format = cast("payload.Format", webhook.format)
        self._content = cast("payload.Content", webhook.payload)
        self.is_enabled = webhook.status == "enabled"
        self.version = webhook.version
        self._chosen = event_types.selected(webhook.types.split())
        self.types = None if self._chosen is None else self._chosen | event_types.OF_CALLS
        self.reads = None if self.types is None else self.types | event_types.OF_WEBHOOKS
        """The types of events to read, None for all: also those that tell of a change of the webhook."""
        self.skips_imports = bool(webhook.skip_imports)
        self._carries_tokens = token_requests.carries(webhook)
        self._is_ordered = webhook.ordering == "user"
        self._headers, self._keys, url = webhook_actions.unsealed(on.secret, webhook)
        self._keys_until = webhook.old_secret_until if len(self._keys) > 1 else None
        self._sender: Sender | None = None
        self._is_refused = False
        if url != webhooks.INBOX:
            try:
                self._sender = Sender(url, addresses, connections=MAX_WINDOW)
            except ValueError:  # `webhook_allow` is narrower than when it was set
                self._is_refused = True

    def wants(self, event: Event) -> bool:
        if event.is_erased or (self.skips_imports and events.is_of_import(event)):
            return False
        if event.type in event_types.OF_CALLS and f'"webhook_id":"{self.webhook_id}"' in event.object:
            return True
        return self._chosen is None or event.type in self._chosen

    def lane(self, event: Event) -> str:
        return event.user_id if self._is_ordered else event.id

    async def send(self, entry: Entry, now: int) -> Sent:
        """Signed as of now. Raises only what the database does."""
        webhook = self._webhook
        if self._is_refused:
            return Sent(outcomes.NO_ADDRESS)
        token = None
        if self._carries_tokens and entry.event.type == REQUESTED:
            token = await token_requests.carried(self._on, token_id(entry.event), webhook.id)
        names = await self._names(entry)
        try:
            if token is None:
                type, body = entry.made((self._format, self._content), lambda event: self._body(event, names))
            else:  # of all that is made of an event, this alone is kept nowhere
                carried = {"token": token.token, "url": token.url, "email": token.email}
                type, body = self._body(payload.carrying(entry.event, carried))
        except payload.UnfitEvent:
            return Sent(outcomes.BODY_FAILED)
        except Exception:  # whatever is wrong with an event, those after it must not wait for it
            logger.exception("the body of event %s cannot be made", entry.event.id)
            return Sent(outcomes.BODY_FAILED)
        if self._keys_until is not None and now >= self._keys_until:
            del self._keys[1:]
        head = [("content-type", type), *signing.headers(entry.event.id, now // clock.SECOND, body, self._keys)]
        if self._sender is not None:
            sent = await self._sender.post([*head, *self._headers], body)
            return sent if token is None else sent._replace(response=NOT_KEPT if sent.response else "")
        self._store(deliveries.message(webhook.id, entry.event.user_id, now, head, self._headers, body))
        return Sent(outcomes.DELIVERED)

    def _body(self, event: Event, names: Mapping[str, str] = {}) -> tuple[str, bytes]:
        """The content type and the body. Raises `payload.UnfitEvent`."""
        return payload.body(event, self._format, self._content, self._on.settings.url, names)

    async def _names(self, entry: Entry) -> Mapping[str, str]:
        """Names in a text for people. They are looked up once for all chats, and kept for as long as the entry, which
        is read again before it is old: then those of erased users are gone."""
        named = payload.named(entry.event, self._format, self._content)
        if not named:
            return {}
        names: Mapping[str, str] | None = entry.find(NAMES)
        if names is None:
            names = await self._on.db.read(event_parts.of, named)
            entry.made(NAMES, lambda event: names)
        return names

    async def close(self) -> None:
        if self._sender is not None:
            await self._sender.close()


class MailTarget:
    webhook_id = webhooks.MAIL_ID
    version = 1
    is_enabled = True
    types: frozenset[str] | None = mail_delivery.TYPES
    reads: frozenset[str] | None = mail_delivery.TYPES
    skips_imports = True
    sends = "mail"
    steps: Sequence[float] = sender.MAIL_STEPS
    is_one_by_one = True
    can_be_disabled = False

    def __init__(self, on: Rollbook) -> None:
        self.rate = on.settings.mail_rate / 60
        self._on = on
        self._settings = on.settings
        self._mailer: Mailer | None = None

    def wants(self, event: Event) -> bool:
        occasion = self._occasion(event)
        return occasion is not None and mail_delivery.is_wanted(self._on.settings, occasion)

    def lane(self, event: Event) -> str:
        return event.id

    async def send(self, entry: Entry, now: int) -> Sent:
        """Raises ApiError, OSError if the database can't be asked."""
        event = entry.event
        occasion = self._occasion(event)
        mailer = await self._current()
        if occasion is None or mailer is None:
            return Sent(outcomes.NOTHING)
        mail = await mails.about(self._on, event, occasion)
        if isinstance(mail, str):
            return Sent(mail)
        try:
            settings = self._on.settings
            letter = mails.letter(settings, mails.templates(settings), mail, event.id, event.created_at)
            if occasion.job_id:
                letter = letter._replace(table=await self._on.read_aside(rules.report, occasion.job_id))
        except Exception as problem:
            _report(event, problem)
            return Sent(outcomes.BODY_FAILED)
        return await mailer.send(letter)

    async def _current(self) -> Mailer | None:
        """The mail server as of now: an owner can change it, or turn mail off."""
        await stored_settings.refresh(self._on)
        settings = self._on.settings
        if self._mailer is None or self._settings is not settings:
            await self.close()
            self._settings = settings
            self._mailer = Mailer(settings) if settings.sends_mail else None
        return self._mailer

    def _occasion(self, event: Event) -> Occasion | None:
        try:
            return mail_delivery.occasion(event)
        except Exception as problem:
            _report(event, problem)
            return None

    async def close(self) -> None:
        if self._mailer is not None:
            await self._mailer.close()


def _report(event: Event, problem: Exception) -> None:
    """Log which event no mail can be written about: those after it must not wait for it. The text of exceptions may be
    personal."""
    logger.error("no mail can be written about event %s: %s", event.id, type(problem).__name__)
