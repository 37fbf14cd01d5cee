"""What an application's session costs: `POST /v1/sessions/verify` beside `GET /v1/users/{userId}` (W2), in alternation.

    .venv/bin/python benchmarks/sessions.py

One server, one worker, 100,000 users with a session each. Both calls go through the users in the same scrambled order,
on 32 connections. Prints microseconds of the server's CPU for a request, and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from pathlib import Path

import machine
from load import WORK, Call, load
from measure import WARM_UP
from peers.rollbook import Rollbook

AUDIENCE = "https://app.example.com"
BATCH = 1_000


class Sessions(Rollbook):
    """Rollbook with a session for each user."""

    def __init__(self) -> None:
        super().__init__("rollbook-sessions")
        self.tokens = self.folder / "tokens"

    def fill(self, users: int) -> None:
        super().fill(users)
        self.tokens.write_text("\n".join(sign_in(self.folder / "data")) + "\n")

    def calls_for(self, users: int, ids: Path) -> dict[str, Call]:
        body = json.dumps({"token": "@ID@", "audience": AUDIENCE})
        return {
            "W2": Call("GET", "/v1/users/@ID@", self.headers, ids=ids),
            "verify": Call("POST", "/v1/sessions/verify", self.headers, body, self.tokens),
        }

    def microseconds(self, name: str, seconds: int) -> float:
        load(self.port, self.calls[name], seconds=WARM_UP)
        self.process.settle()
        before = self.process.exact_cpu_seconds()
        seen = load(self.port, self.calls[name], seconds=seconds)
        spent = self.process.exact_cpu_seconds() - before
        if seen.refused or seen.broken:
            sys.exit(f"{name}: {seen.refused} requests refused, {seen.broken} broken")
        return spent / seen.requests * 1e6


def sign_in(data: Path) -> list[str]:
    """Tokens of a new session for each user, in a scrambled order. Not by the API: to prove 100,000 passwords takes an
    hour."""
    from rollbook import clock, ids
    from rollbook.auth import session_tokens
    from rollbook.config import Settings
    from rollbook.records import app_sessions, users
    from rollbook.records.app_sessions import Issue, NewSession
    from rollbook.records.connect import connect
    from rollbook.records.users import User
    from rollbook.storage.database import Queries, Tx

    async def everyone(queries: Queries) -> list[User]:
        return [User._make(row) for row in await queries.all(f"SELECT {users.COLUMNS} FROM users")]

    async def add(tx: Tx, some: list[tuple[User, str]]) -> None:
        ends_at = clock.now() + clock.DAY
        for user, token in some:
            digests = session_tokens.refresh_digests(session_tokens.mint_refresh())
            assert digests is not None
            issue = Issue(
                session_tokens.session_digest(token, AUDIENCE), digests.family, digests.token, ends_at, ends_at
            )
            await app_sessions.add(
                tx, user, NewSession(ids.new("ses"), AUDIENCE, "203.0.113.7", "benchmark", ""), issue
            )

    db = connect(Settings(data=data))
    made = [(user, session_tokens.mint_session()) for user in db.read_now(everyone)]
    for at in range(0, len(made), BATCH):
        db.write_now(add, made[at : at + BATCH])
    db.close()
    tokens = [token for _, token in made]
    random.Random(2).shuffle(tokens)
    return tokens


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks/sessions.py", description="CPU of verifying a session.")
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement (default 2)")
    parser.add_argument("--rounds", type=int, default=7, help="of both (default 7)")
    parser.add_argument("--users", type=int, default=100_000, help="with a session each (default 100000)")
    asked = parser.parse_args()
    machine.require_two_cores()
    (WORK / "logs").mkdir(parents=True, exist_ok=True)
    costs: dict[str, list[float]] = {"W2": [], "verify": []}
    with machine.nothing_left_behind():
        server = Sessions()
        server.start(asked.users)
        for number in range(asked.rounds):
            for name in list(costs)[:: 1 if number % 2 else -1]:
                costs[name].append(server.microseconds(name, asked.seconds))
    for name, found in costs.items():
        print(f"{name}: {statistics.median(found):.1f} µs (lowest {min(found):.1f}, highest {max(found):.1f})")
    print(f"ratio: {statistics.median(costs['verify']) / statistics.median(costs['W2']):.2f}")


if __name__ == "__main__":
    main()
