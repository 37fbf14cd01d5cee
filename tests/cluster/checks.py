"""What must hold of the clients' notes after each fault: promises of the contract, held against the event log and the
users there are."""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from tests.cluster import history
from tests.cluster.load import HOOKS, WINDOW, Api, Notes, Reply

MADE = {"POST /v1/users ": "user.created", "POST /v1/keys ": "key.created", "value ": "user.updated"}
"""Acknowledged changes by what the notes call them, and the event that each has left."""
SENT = ("user.created", "user.updated")
DRAIN = 120
"""Seconds in which webhooks must have all events after a fault."""


class Books:
    """What is known so far, to be held against the notes. Each problem is told once."""

    def __init__(self, notes: Notes, key: str) -> None:
        self._notes = notes
        self._api = Api(key)
        self.log: list[dict[str, Any]] = []
        self._told: set[str] = set()
        self.waited = 0.0
        """Seconds until webhooks had all events, at the last check."""

    def check(self) -> list[str]:
        """New problems. Raises TimeoutError if the cluster doesn't answer."""
        self._read_log()
        found = [
            *self._notes.violations,
            *self._lost(),
            *self._doubled(),
            *self._histories(),
            *self._users(),
            *self._hooks(),
        ]
        fresh = [problem for problem in dict.fromkeys(found) if problem not in self._told]
        self._told.update(fresh)
        return fresh

    def _get(self, path: str) -> Reply:
        for _ in range(60):
            reply = self._api.call("GET", path)
            if reply.status == 200:
                return reply
            time.sleep(0.5)
        raise TimeoutError(f"GET {path}: {reply.status} {reply.body}")

    def _read_log(self) -> None:
        while True:
            after = f"&after={self.log[-1]['id']}" if self.log else ""
            events = self._get(f"/v1/events?limit=1000{after}").body
            if not events:
                return
            self.log += events

    def _lost(self) -> list[str]:
        """Acknowledged changes without their event."""
        acknowledged = dict(self._notes.requests)
        self._read_log()
        events = {(event["actor"]["request_id"], event["type"]) for event in self.log}
        return [
            f"lost: {what} ({request})"
            for request, what in acknowledged.items()
            for prefix, type in MADE.items()
            if what.startswith(prefix) and (request, type) not in events
        ]

    def _doubled(self) -> list[str]:
        """Changes that were made twice: each value, email and name of a key is asked for once."""
        seen: Counter[tuple[str, str]] = Counter()
        for event in self.log:
            item = event["object"]
            if event["type"] == "user.created":
                seen[event["type"], item["email"].casefold()] += 1
            elif event["type"] == "key.created" or (
                event["type"] == "user.updated" and "name" in (event["before"] or {})
            ):
                seen[event["type"], item["name"]] += 1
        doubled = [f"doubled: {type} {name} {count} times" for (type, name), count in seen.items() if count > 1]
        ids = Counter(event["id"] for event in self.log)
        return doubled + [f"doubled: event {id}" for id, count in ids.items() if count > 1]

    def _histories(self) -> list[str]:
        under_way = dict(self._notes.under_way)  # before the others: what ends meanwhile is in both
        found = []
        for user, noted in self._notes.registers.items():
            operations = list(noted)
            values = {operation.value for operation in operations if operation.kind == "write"}
            operations += [
                history.Operation("write", value, start, math.inf, "unknown")
                for value, (whose, start) in under_way.items()
                if whose == user and value not in values
            ]
            found += [f"not linearizable: {user}: {problem}" for problem in history.problems(operations, "first")]
        return found

    def _users(self) -> list[str]:
        """Each acknowledged user is there once, and each that was asked for at most once."""
        created, tried = dict(self._notes.created), set(self._notes.tried)
        listed: dict[str, list[str]] = defaultdict(list)
        offset = 0
        while page := self._get(f"/v1/users?limit=1000&offset={offset}").body:
            for user in page:
                listed[user["email"].casefold()].append(user["id"])
            offset += len(page)
        lost = [f"lost: user {email}" for email, id in created.items() if listed.get(email.casefold()) != [id]]
        return lost + [f"doubled: user {email}" for email in tried if len(listed.get(email.casefold(), [])) > 1]

    def _hooks(self) -> list[str]:
        """Every event has arrived at every webhook, and those of a user in their order."""
        places = {event["id"]: place for place, event in enumerate(self.log)}
        first = min(
            (places[hook[0]["id"]] for hook in self._notes.hooks if hook and hook[0]["id"] in places), default=0
        )
        wanted = {event["id"] for event in self.log[first:] if event["type"] in SENT}
        began = time.monotonic()
        while time.monotonic() < began + DRAIN and any(wanted - self._arrived(number) for number in range(HOOKS)):
            time.sleep(0.5)
        self.waited = time.monotonic() - began
        found = []
        for number in range(HOOKS):
            missing = wanted - self._arrived(number)
            if missing:
                found.append(f"webhook {number} did not get {len(missing)} events: {sorted(missing)[:3]}")
            found += out_of_order(number, list(self._notes.hooks[number]), places)
        return found

    def _arrived(self, number: int) -> set[str]:
        return {event["id"] for event in list(self._notes.hooks[number])}

    def doubled_deliveries(self) -> int:
        """They are allowed."""
        return sum(len(hook) - len({event["id"] for event in hook}) for hook in self._notes.hooks)


def out_of_order(number: int, hook: Sequence[dict[str, Any]], places: dict[str, int]) -> list[str]:
    latest: dict[str, int] = {}
    arrived: set[str] = set()
    found = []
    for event in hook:
        place = places.get(event["id"])
        if place is None or event["id"] in arrived:  # newer than the log that was read, or sent again
            continue
        arrived.add(event["id"])
        user = event["object"]["id"]
        if place < latest.get(user, -1):
            found.append(f"webhook {number} got {event['id']} of {user} after a later one")
        latest[user] = max(place, latest.get(user, -1))
    return found


def longest_gap(moments: Sequence[float], start: float, end: float) -> float:
    """Seconds without any, between these two times."""
    inside = [start, *(moment for moment in moments if start < moment < end), end]
    inside.sort()
    return max(later - earlier for earlier, later in itertools.pairwise(inside))


def most_admitted(admitted: Sequence[Reply], start: float, end: float) -> int:
    """Requests of the user with a limit that were admitted in one window, at most. A window is known by its end, which
    each answer tells in whole seconds."""
    ends = sorted(
        reply.end + float(reply.headers["ratelimit-reset"]) for reply in admitted if start - WINDOW < reply.start < end
    )
    most, first = 0, 0
    for last, moment in enumerate(ends):
        while moment - ends[first] > WINDOW / 4:
            first += 1
        most = max(most, last - first + 1)
    return most
