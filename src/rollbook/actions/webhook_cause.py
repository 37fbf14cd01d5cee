"""The state of a webhook and its cause, in one sentence: at the top of its page, in lists and in the API."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import takewhile
from typing import NamedTuple

from rollbook import clock
from rollbook.delivery import outcomes, plain_text
from rollbook.delivery.plain_text import plain
from rollbook.records.webhooks import REASONS, Webhook
from rollbook.records.webhooks.health import LOOKED_AT, WebhookHealth

_NOT_USERS = {"cli": " from the command line", "system": " by the server"}
"""Stands in the place of a user."""


class Cause(NamedTuple):
    kind: str
    """ok, warn or bad."""
    state: str
    """One word."""
    parts: tuple[str | int, ...]
    """The sentence; numbers are times, in microseconds."""

    @property
    def sentence(self) -> str:
        return "".join(part if isinstance(part, str) else _time(part) for part in self.parts)


def of(webhook: Webhook, health: WebhookHealth, changed_by: str | None) -> Cause:
    """`changed_by` is the name of who paused it, if the reader may know it."""
    if webhook.status == "paused":
        who = _NOT_USERS.get(webhook.status_by or "", f" by {plain(changed_by)}" if changed_by else "")
        return Cause("warn", "Paused", (f"Paused{who}", *_at(webhook.status_at, "on" if who else "since"), "."))
    if webhook.status == "disabled":
        why = _lower(REASONS.get(webhook.status_reason or "", "by the server").removesuffix("."))
        last = _last_failure(health) if webhook.status_reason == "failing" else ""
        return Cause("bad", "Disabled", ("Disabled", *_at(webhook.status_at, "since"), f": {why}{last}."))
    if not health.latest:
        return _untroubled(health)
    if health.latest[0].outcome != outcomes.DELIVERED:
        return _failing(health)
    return _retrying(webhook, health)


def _untroubled(health: WebhookHealth) -> Cause:
    if health.last_at is None:
        return Cause("ok", "Enabled", ("Nothing has been sent yet.",))
    return Cause("ok", "Enabled", ("Works: the last delivery succeeded on ", health.last_at, "."))


def _failing(health: WebhookHealth) -> Cause:
    last = health.latest[0]
    if health.failing_since is None:  # events arrive, but not what someone has sent by hand
        what = {"test": "test event", "resend": "resent event", "replay": "replayed event"}.get(last.trigger, "event")
        return Cause("warn", "Failing", (f"The last {what} failed on ", last.at, f"{_last_failure(health)}."))
    same = list(takewhile(lambda each: each.outcome == last.outcome, health.latest))
    if len(same) == LOOKED_AT:  # and perhaps before
        return Cause("warn", "Failing", ("Failing since ", health.failing_since, f"{_last_failure(health)}."))
    ongoing = outcomes.words(last.outcome).ongoing
    return Cause("warn", "Failing", (f"{ongoing} since ", same[-1].at, f"{_said(health)}."))


def _retrying(webhook: Webhook, health: WebhookHealth) -> Cause:
    """The endpoint works, but not for all events."""
    count = health.failing
    if not count:
        return _untroubled(health)
    if webhook.ordering == "user":
        what = "The events of one user wait" if count == 1 else f"The events of {count:,} users wait"
    else:
        what = "One event waits" if count == 1 else f"{count:,} events wait"
    again = () if health.next_attempt_at is None else (" for the attempt on ", health.next_attempt_at)
    return Cause("warn", "Retrying", (what, *again, f"{_last_failure(health)}."))


def _last_failure(health: WebhookHealth) -> str:
    """` (answered 500: TypeError)`, if one is among the newest attempts."""
    failed = next((each for each in health.latest if each.outcome != outcomes.DELIVERED), None)
    return "" if failed is None else f" ({_lower(outcomes.words(failed.outcome).short)}{_said(health)})"


def _said(health: WebhookHealth) -> str:
    """The words of the endpoint's answer, or of the failure: a stranger's text."""
    said = plain_text.answer(health.answer or "", health.answer_type).rstrip(". ")
    return f": {said}" if said else ""


def _lower(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _at(at: int | None, word: str) -> tuple[str | int, ...]:
    return () if at is None else (f" {word} ", at)


def _time(at: int) -> str:
    """The same as the pages show without scripts."""
    return datetime.fromtimestamp(at / clock.SECOND, UTC).strftime("%-d %b %Y, %H:%M UTC")
