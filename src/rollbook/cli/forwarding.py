"""Sends events from this machine as the server would send them: the same bodies, signatures, addresses and outcomes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network

import msgspec

from rollbook import clock, ids
from rollbook.cli.backends import Shown
from rollbook.cli.output import Misuse
from rollbook.cli.tables import when
from rollbook.config import Networks
from rollbook.delivery import outcomes, signing
from rollbook.delivery.addresses import Addresses
from rollbook.delivery.sender import Sender, Sent
from rollbook.machine import Runner
from rollbook.records import events
from rollbook.records.event_types import TYPES

LOCAL = Networks(
    map(ip_network, ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
)
"""The addresses with which plain HTTP is accepted: this machine and private networks."""


class Forward:
    """A URL that events are sent to, one after another."""

    def __init__(self, runner: Runner, url: str, secret: str, key: bytes) -> None:
        self.secret = secret
        self._runner = runner
        self._url = url
        self._key = key

    def send(self, event: Shown) -> Shown:
        """Send an event, and return how it went, with the fields of a delivery."""
        body = msgspec.json.encode(event)
        head = [
            ("content-type", "application/json"),
            *signing.headers(event["id"], int(time.time()), body, (self._key,)),
        ]
        sent = self._runner.run(self._post(head, body))
        response = None if sent.http_status is None else {"content_type": sent.response_type, "body": sent.response}
        return {
            "event_id": event["id"],
            "type": event["type"],
            "created_at": clock.format_time(clock.now()),
            "duration_ms": sent.duration // 1000,
            "outcome": sent.outcome,
            "detail": sent.detail,
            "http_status": sent.http_status,
            "address": sent.address,
            "response": response,
        }

    async def _post(self, head: list[tuple[str, str]], body: bytes) -> Sent:
        # A connection of its own: between two events, no one would notice that a kept one was closed.
        sender = _sender(self._url)
        try:
            return await sender.post(head, body)
        finally:
            await sender.close()


@contextmanager
def to(url: str, secret: str | None) -> Iterator[Forward]:
    """Without a secret, with a new one. Raises Misuse if the URL or the secret is invalid."""
    secret = secret or signing.new_secret()
    try:
        key = signing.key(secret)
    except ValueError:
        raise Misuse("--secret is invalid: secrets start with whsec_ and are copied whole.") from None
    try:
        _sender(url)
    except ValueError as problem:
        fault = str(problem).partition(". ")[0].rstrip(".")  # what follows is for the operator of a server
        raise Misuse(f"--forward-to {fault}. Plain http is for this machine and private networks.") from None
    with Runner() as runner:
        yield Forward(runner, url, secret, key)


def _sender(url: str) -> Sender:
    return Sender(url, Addresses(LOCAL), connections=1)


def example(type: str) -> Shown:
    """An event of this type that is in no log. Raises Misuse."""
    if type not in TYPES:
        raise Misuse(f"There is no event type {type}. Types: {', '.join(TYPES)}.")
    return msgspec.json.decode(msgspec.json.encode(events.public(events.example(type, ids.new("evt"), clock.now()))))


def sentence(delivery: Shown) -> str:
    """One line: when, what, and how it ended."""
    status, outcome = delivery["http_status"], delivery["outcome"]
    why = delivery.get("detail") or outcomes.describe(outcome)
    short = outcomes.words(outcome).short
    answer = why if status is None else short if outcome.startswith("http_") else f"{short} ({status})"
    return (
        f"{when(delivery['created_at'], sys.stdout)}  {delivery['type']:<22}  {delivery['event_id']}  {answer}  "
        f"{delivery['duration_ms']} ms"
    )
