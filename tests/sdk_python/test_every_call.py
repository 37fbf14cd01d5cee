"""Every call of the Python client works against the server, from threads and from tasks alike."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable
from typing import Any

import pytest
from rollbook_client import AsyncPager, AsyncRollbook, Pager, Rollbook
from rollbook_client.errors import APIError
from rollbook_client.types import (
    AddedMembers,
    BulkJob,
    BulkResults,
    ConsumedToken,
    Count,
    Delivery,
    Event,
    Export,
    Group,
    Health,
    Import,
    Key,
    Member,
    PublicKeys,
    RecoveryCodes,
    Replay,
    RevertedEvent,
    SecondFactor,
    SecondFactors,
    SessionTokens,
    Token,
    User,
    VerifiedCode,
    VerifiedSession,
    Webhook,
)

from tests.factors import App
from tests.harness import OWNER_PASSWORD, Server
from tools.sdk_names import NAMES

PASSWORD = "securepassword123"
BY_HAND = {("events", "follow")}
"""Called by tests of their own."""

Call = tuple[str, Callable[[dict[str, Any]], dict[str, Any]], type | None]


def path(**ids: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Arguments that earlier calls brought: `user_id="user"` is the ID of what is called user."""
    return lambda found: {name: found[what].id for name, what in ids.items()}


def given(**values: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda found: values


SCRIPT: list[Call] = [
    (
        "users.create=user",
        lambda _: {"name": "Al", "email": f"{os.urandom(6).hex()}@example.com", "password": PASSWORD},
        User,
    ),
    ("users.get", path(user_id="user"), User),
    ("users.list", given(limit=2), User),
    ("users.count", given(role="owner"), Count),
    ("users.update", lambda found: {"user_id": found["user"].id, "name": "Alan"}, User),
    ("users.put", lambda found: {"user_id": found["user"].id, "metadata": {"plan": "pro"}}, User),
    ("users.verify_password", lambda found: {"email": found["user"].email, "password": PASSWORD}, User),
    ("users.set_password", lambda found: {"user_id": found["user"].id, "password": PASSWORD}, None),
    ("users.create_token=token", lambda found: {"user_id": found["user"].id, "purpose": "verify_email"}, Token),
    ("users.list_tokens", path(user_id="user"), list),
    ("tokens.consume", lambda found: {"token": found["token"].token}, ConsumedToken),
    ("users.create_token=token", lambda found: {"user_id": found["user"].id, "purpose": "sign_in"}, Token),
    ("users.revoke_token", path(user_id="user", token_id="token"), None),
    ("users.second_factors.create=factor", lambda found: {"user_id": found["user"].id, "kind": "totp"}, SecondFactor),
    ("users.second_factors.get", path(user_id="user", factor_id="factor"), SecondFactor),
    (
        "users.second_factors.activate=active",
        lambda found: {
            "user_id": found["user"].id,
            "factor_id": found["factor"].id,
            "code": App(found["factor"].secret).code(),
        },
        SecondFactor,
    ),
    ("users.second_factors.list", path(user_id="user"), SecondFactors),
    (
        "users.second_factors.verify",
        lambda found: {"user_id": found["user"].id, "code": found["active"].recovery_codes[0]},
        VerifiedCode,
    ),
    ("users.second_factors.regenerate_codes", path(user_id="user"), RecoveryCodes),
    ("users.second_factors.remove", path(user_id="user", factor_id="factor"), None),
    ("users.second_factors.lift", path(user_id="user"), None),
    ("users.suspend", path(user_id="user"), User),
    ("users.activate", path(user_id="user"), User),
    ("users.export", path(user_id="user"), Export),
    (
        "users.bulk",
        lambda found: {"operations": [{"op": "update", "id": found["user"].id, "name": "Alonzo"}]},
        BulkResults,
    ),
    ("groups.create=group", given(name="Engineering", metadata={"floor": 3}), Group),
    ("groups.get", path(group_id="group"), Group),
    ("groups.update", lambda found: {"group_id": found["group"].id, "metadata": {"floor": None}}, Group),
    ("groups.put", lambda found: {"group_id": found["group"].id, "name": "Developers"}, Group),
    ("groups.members.set", path(group_id="group", user_id="user"), Member),
    (
        "groups.members.add",
        lambda found: {"group_id": found["group"].id, "members": [{"user_id": "me", "role": "lead"}]},
        AddedMembers,
    ),
    ("groups.members.list", path(group_id="group"), Member),
    ("groups.list", path(user="user"), Group),
    ("users.list", path(group="group"), User),
    ("groups.members.remove", path(group_id="group", user_id="user"), None),
    ("groups.delete", path(group_id="group"), None),
    ("keys.create=key", given(name="app"), Key),
    ("keys.get", path(key_id="key"), Key),
    ("keys.list", given(), Key),
    ("keys.reveal", lambda found: {"key_id": found["key"].id, "password": OWNER_PASSWORD}, Key),
    ("keys.update", lambda found: {"key_id": found["key"].id, "name": "renamed"}, Key),
    ("keys.rotate", path(key_id="key"), Key),
    ("keys.revoke", path(key_id="key"), None),
    (
        "sessions.create=session",
        lambda found: {"email": found["user"].email, "password": PASSWORD, "audience": "shop"},
        SessionTokens,
    ),
    (
        "sessions.verify",
        lambda found: {"token": found["session"].token, "audience": "shop"},
        VerifiedSession,
    ),
    (
        "sessions.refresh",
        lambda found: {"refresh_token": found["session"].refresh_token, "audience": "shop"},
        SessionTokens,
    ),
    ("sessions.list", given(), None),
    ("sessions.end", path(session_id="session"), None),
    ("webhooks.create=hook", given(url="https://hooks.example.com/rollbook", status="paused"), Webhook),
    ("webhooks.get", path(webhook_id="hook"), Webhook),
    ("webhooks.list", given(), Webhook),
    ("webhooks.update", lambda found: {"webhook_id": found["hook"].id, "types": ["user.*"]}, Webhook),
    ("webhooks.reveal", lambda found: {"webhook_id": found["hook"].id, "password": OWNER_PASSWORD}, Webhook),
    ("webhooks.rotate_secret", path(webhook_id="hook"), Webhook),
    ("webhooks.test=delivery", path(webhook_id="hook"), Delivery),
    ("webhooks.deliveries.list", path(webhook_id="hook"), Delivery),
    ("webhooks.deliveries.get", path(webhook_id="hook", delivery_id="delivery"), Delivery),
    ("webhooks.replays.create=replay", lambda found: {"webhook_id": found["hook"].id, "from_": "0"}, Replay),
    ("webhooks.replays.list", path(webhook_id="hook"), Replay),
    ("webhooks.replays.get", path(webhook_id="hook", replay_id="replay"), Replay),
    ("webhooks.replays.cancel", path(webhook_id="hook", replay_id="replay"), None),
    ("webhooks.delete", path(webhook_id="hook"), None),
    ("imports.create=job", given(file=b'{"name": "Al", "email": "no email"}'), Import),
    ("imports.get", path(import_id="job"), Import),
    ("imports.list", given(), Import),
    ("users.update", lambda found: {"user_id": found["user"].id, "name": "Renamed"}, User),
    ("events.list=renamed", lambda found: {"user": found["user"].id, "types": ["user.updated"], "order": "desc"}, None),
    ("events.get", path(event_id="renamed"), Event),
    ("users.get", lambda found: {"user_id": found["user"].id, "at": found["renamed"].id}, User),
    ("events.revert", path(event_id="renamed"), RevertedEvent),
    ("bulk_jobs.create=change", given(action="suspend", filter={"email": "nobody@example.com"}), BulkJob),
    ("bulk_jobs.get", path(job_id="change"), BulkJob),
    ("bulk_jobs.list", given(), BulkJob),
    ("bulk_jobs.cancel", path(job_id="change"), BulkJob),
    ("bulk_jobs.undo", path(job_id="change"), BulkJob),
    ("events.list", given(limit=5), None),
    ("users.delete", path(user_id="user"), None),
    ("users.restore", path(user_id="user"), User),
    ("server.live", given(), Health),
    ("server.ready", given(), Health),
    ("server.metrics", given(), str),
    ("server.openapi", given(), dict),
    ("server.jwks", given(), PublicKeys),
]


def method(client: Any, place: str) -> Any:
    for name in place.split("."):
        client = getattr(client, name)
    return client


def check(place: str, kind: type | None, result: Any) -> None:
    assert kind is None or isinstance(result, kind), f"{place}: {result!r}"


def test_every_call_from_threads(server: Server) -> None:
    with Rollbook(url=server.url, key=server.key) as client:
        found: dict[str, Any] = {}
        for name, arguments, kind in SCRIPT:
            place, _, saved = name.partition("=")
            result = method(client, place)(**arguments(found))
            if isinstance(result, Pager):
                result = next(iter(result), None)
            check(place, kind, result)
            found[saved] = result


def test_every_call_from_tasks(server: Server) -> None:
    async def run() -> None:
        async with AsyncRollbook(url=server.url, key=server.key) as client:
            found: dict[str, Any] = {}
            for name, arguments, kind in SCRIPT:
                place, _, saved = name.partition("=")
                result = method(client, place)(**arguments(found))
                if isinstance(result, AsyncPager):
                    items = (await result.page()).items
                    result = items[0] if items else None
                else:
                    result = await result
                check(place, kind, result)
                found[saved] = result

    asyncio.run(run())


def test_calls_that_are_not_among_them_reach_the_server_as_well(server: Server) -> None:
    """With arguments that mean nothing, so that it refuses them by a code."""
    done = {(place, name) for place, _, name in (each[0].partition("=")[0].rpartition(".") for each in SCRIPT)}
    with Rollbook(url=server.url, key=server.key) as client:
        for name in set(NAMES.values()) - done - BY_HAND:
            call = method(client, ".".join(name))
            needed = {
                each.name: b"x" if each.name == "file" else "x"
                for each in inspect.signature(call).parameters.values()
                if each.default is each.empty
            }
            refused: APIError | None = None
            try:
                call(**needed)
            except APIError as problem:
                refused = problem
            assert refused is None or refused.code, name
    with pytest.raises(ValueError, match="Not an ID"):
        client.users.get("")
