"""Delivery results of one webhook that are not stored yet."""

from __future__ import annotations

from collections.abc import Sequence

from rollbook import clock, ids
from rollbook.delivery import outcomes
from rollbook.delivery.sender import Sent
from rollbook.records import token_deliveries
from rollbook.records.events import Event
from rollbook.records.token_deliveries import Settled
from rollbook.records.webhooks.cursors import BreakerState, StoredLane
from rollbook.records.webhooks.deliveries import Delivery
from rollbook.records.webhooks.health import DeliveryHour
from rollbook.records.webhooks.inbox import Message
from rollbook.records.webhooks.replays import Progress
from rollbook.records.webhooks.results import Results


class Outbox:
    def __init__(self, webhook_id: str, stored_seq: int) -> None:
        self.stored_seq = stored_seq
        self.deliveries: list[Delivery] = []
        self.unstored = 0
        """Deliveries that would be made again after a crash: those on their way to the database, too."""
        self._messages: list[Message] = []
        self._tokens: list[Settled] = []
        self._webhook_id = webhook_id

    def note(self, event: Event, trigger: str, attempt: int, at: int, sent: Sent, retry_at: int | None) -> None:
        """Add an attempt that began at this time."""
        self.unstored += 1
        is_delivered = sent.outcome == outcomes.DELIVERED
        if event.type in token_deliveries.CARRYING and (is_delivered or (trigger == "event" and retry_at is None)):
            self._tokens.append(Settled(is_delivered, token_deliveries.token_id(event)))
        self.deliveries.append(
            Delivery(
                id=ids.new("dlv"),
                webhook_id=self._webhook_id,
                seq=event.seq,
                event_id=event.id,
                type=event.type,
                user_id=event.user_id,
                trigger=trigger,
                attempt=attempt,
                created_at=at,
                duration=sent.duration,
                outcome=sent.outcome,
                response=sent.response or sent.detail,
                http_status=sent.http_status,
                address=sent.address,
                retry_at=retry_at,
                response_type=sent.response_type,
            )
        )

    def store_message(self, message: Message) -> None:
        """Store a message in the inbox."""
        self._messages.append(message)

    def take(
        self,
        epoch: int,
        seq: int,
        breaker: BreakerState,
        lanes: Sequence[StoredLane],
        removed: Sequence[str],
        replays: Sequence[Progress],
    ) -> Results:
        deliveries, self.deliveries = self.deliveries, []
        messages, self._messages = self._messages, []
        tokens, self._tokens = self._tokens, []
        return Results(
            webhook_id=self._webhook_id,
            epoch=epoch,
            seq=seq,
            breaker=breaker,
            lanes=lanes,
            delivered_lanes=removed,
            deliveries=deliveries,
            hours=_hours(deliveries),
            messages=messages,
            tokens=tokens,
            replays=replays,
        )

    def stored(self, results: Results) -> None:
        self.stored_seq = results.seq
        self.unstored -= len(results.deliveries)

    def put_back(self, results: Results) -> None:
        self.deliveries[:0] = results.deliveries
        self._messages[:0] = results.messages
        self._tokens[:0] = results.tokens


def _hours(deliveries: Sequence[Delivery]) -> list[DeliveryHour]:
    found: dict[int, list[int]] = {}
    for delivery in deliveries:
        if delivery.outcome == outcomes.EXHAUSTED:  # says what became of the attempt before it
            continue
        counts = found.setdefault(delivery.created_at // clock.HOUR, [0, 0, 0])
        counts[delivery.outcome != outcomes.DELIVERED] += 1
        counts[2] += delivery.duration
    return [DeliveryHour(hour, *counts) for hour, counts in found.items()]
