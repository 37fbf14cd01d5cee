"""A request for a token asks the database the same, whoever it is for; and the requests that wait are bounded."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from rollbook import clock, first_start, gate
from rollbook.actions import token_requests
from rollbook.app import App
from rollbook.auth import key_format
from rollbook.config import Settings
from rollbook.errors import Overloaded
from rollbook.quota import NO_LIMIT, Limit
from rollbook.records import one_time_tokens as records
from tests.engines import migrated
from tests.storage.test_query_plans import Calls, tracing


def test_a_request_does_the_same_whoever_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_format.mint()
    settings = Settings(
        data=tmp_path / "data",
        rate_limit=NO_LIMIT,
        token_email_limit=Limit.parse("1/hour"),
        password_memory=8,
        password_time_cost=1,
        log="none",
        access_log=False,
    )
    owner = {"EMAIL": "owner@example.com", "PASSWORD": "correct horse battery staple", "KEY": key}
    did: dict[str, list[str]] = {}

    async def run(sent: list[str]) -> None:
        app = App(settings)
        call = Calls(app, key, sent)

        async def ask(email: str) -> list[str]:
            sent.clear()
            await call("POST", "/v1/tokens/request", {"email": email, "purpose": "reset_password"})
            return [re.sub(r"x'[0-9a-f]*'|'[^']*'", "?", statement, flags=re.IGNORECASE) for statement in sent]

        try:
            people = {}
            for name in ("warm", "known", "suspended", "gone"):
                user = {"name": name, "email": f"{name}@example.com", "password": "securepassword123"}
                people[name] = (await call("POST", "/v1/users", user))["id"]
            await call("POST", f"/v1/users/{people['suspended']}/suspend")
            await call("DELETE", f"/v1/users/{people['gone']}")
            for name in ("warm", "known", "suspended", "gone", "unknown"):
                did[name] = await ask(f"{name}@example.com")
            did["beyond the limit"] = await ask("known@example.com")
        finally:
            await app.stop()

    # Nor is it asked whether keys were revoked meanwhile, as it is four times a second.
    monkeypatch.setattr(gate, "FRESH", clock.DAY)
    with tracing(monkeypatch) as sent:
        first_start.prepare(settings, {f"ROLLBOOK_OWNER_{name}": value for name, value in owner.items()})
        asyncio.run(run(sent))
    assert any("INSERT INTO token_requests" in statement for statement in did["known"])
    del did["warm"]
    assert len({tuple(statements) for statements in did.values()}) == 1, did


def test_no_more_wait_than_there_is_room_for(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_requests, "MAX_WAITING", 2)
    with migrated(engine, tmp_path) as db:
        for number in range(2):
            db.write_now(token_requests._add, f"treq_{number}", b"sealed")
        with pytest.raises(Overloaded):
            db.write_now(token_requests._add, "treq_2", b"sealed")
        assert [each.id for each in db.read_now(records.oldest_requests, 9)] == ["treq_0", "treq_1"]
        assert db.write_now(records.take_request, "treq_0") and not db.write_now(records.take_request, "treq_0")
        db.write_now(token_requests._add, "treq_2", b"sealed")
