"""What users of the Python client write, with the types that they rely on. Checked, not run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, assert_type

from rollbook_client import AsyncPager, AsyncRollbook, EmailTaken, Page, Pager, RawResponse, Rollbook
from rollbook_client.types import BulkResult, Event, Import, Key, User
from rollbook_client.webhooks import verify


def sync(client: Rollbook, body: bytes, headers: dict[str, str]) -> None:
    user = client.users.create(
        name="Al", email="al@example.com", password="securepassword123", metadata={"plan": "pro"}
    )
    assert_type(user, User)
    assert_type(user.created_at, datetime)
    assert_type(user.deleted_at, datetime | None)
    assert_type(user.external_id, str | None)
    assert_type(user.metadata, dict[str, Any])
    assert_type(client.users.update(user.id, external_id=None, role="admin").role, str)
    assert_type(client.users.list(role="admin", created_after=datetime.now().astimezone()), Pager[User])
    assert_type([found.email for found in client.users.list()], list[str])
    page = client.users.list(limit=2).page()
    assert_type(page, Page[User])
    assert_type(page.items, list[User])
    assert_type(page.total, int | None)
    assert_type(client.users.delete(user.id), None)
    assert_type(client.keys.create(name="app", scopes=["users:read"], expires_at=None).key, str | None)
    assert_type(client.users.export("me").keys, list[Key])
    assert_type(client.users.with_raw_response.get("me"), RawResponse[User])
    assert_type(client.users.with_raw_response.list().parsed, Page[User])
    assert_type(client.get("/v1/users").parsed, Any)
    done = client.users.bulk(
        operations=[{"op": "create", "name": "Al", "email": "al@example.com"}, {"op": "delete", "id": user.id}]
    )
    assert_type(done.results, list[BulkResult])
    assert_type(client.imports.run("users.csv", on_conflict="update", dry_run=True), Import)
    for event in client.events.follow("0", types=["user.*"]):
        assert_type(event, Event)
        assert_type(event.actor.address, str | None)
    assert_type(verify(body, headers, "whsec_"), Event)
    assert_type(client.webhooks.verify(body, headers, "whsec_"), Event)
    assert_type(client.with_options(timeout=None), Rollbook)
    try:
        client.users.get("me")
    except EmailTaken as problem:
        assert_type([fault.param for fault in problem.faults], list[str])


async def with_tasks(types: Sequence[str]) -> None:
    async with AsyncRollbook(url="https://users.example.com", key="rbk_", max_wait=2) as client:
        assert_type(client, AsyncRollbook)
        assert_type(await client.users.get("me"), User)
        assert_type(client.users.list(), AsyncPager[User])
        assert_type([found.email async for found in client.users.list()], list[str])
        assert_type(await client.users.list().page(), Page[User])
        assert_type(await client.users.with_raw_response.get("me"), RawResponse[User])
        assert_type((await client.users.with_raw_response.list()).parsed, Page[User])
        async for event in client.events.follow(types=types):
            assert_type(event.object.id, str | None)
        assert_type((await client.webhooks.deliveries.get("wh_1", "dlv_1")).attempt, int)


def mistakes(client: Rollbook, user: User) -> None:
    client.users.get()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    client.users.create(email="al@example.com")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    client.users.list(limit="2")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    client.users.bulk(operations=[{"op": "create", "nmae": "Al"}])  # type: ignore[typeddict-unknown-key] # pyright: ignore[reportArgumentType]
    client.imports.run("users.csv", on_conflit="update")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    print(user.emial)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
