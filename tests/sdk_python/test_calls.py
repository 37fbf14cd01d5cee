"""The Python client's calls against the server of the same commit: results, errors, pages, raw responses."""

from __future__ import annotations

import asyncio
import copy
import inspect
import os
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import rollbook_client
from rollbook_client import AsyncRollbook, Rollbook, errors, types
from rollbook_client._async import resources as of_async
from rollbook_client._sync import resources as of_sync

from tests.factors import App
from tests.harness import Server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Rollbook]:
    with Rollbook(url=server.url, key=server.key) as client:
        yield client


def unique_email() -> str:
    return f"{os.urandom(6).hex()}@example.com"


def new_user(client: Rollbook, **fields: Any) -> types.User:
    return client.users.create(name="Al", email=unique_email(), password="securepassword123", **fields)


def test_a_user_from_the_first_call_to_the_last(client: Rollbook) -> None:
    user = new_user(client, metadata={"plan": "pro"}, external_id="crm-1")
    assert (user.role, user.status, user.metadata, user.last_sign_in_at) == ("member", "active", {"plan": "pro"}, None)
    assert datetime.now(UTC).year == user.created_at.year and user.created_at.utcoffset() == UTC.utcoffset(None)
    assert client.users.update(user.id, name="Alan", metadata={"seats": 2}).metadata == {"plan": "pro", "seats": 2}
    odd = {"a:b,c": "d:e,f\\"}
    assert client.users.update(user.id, metadata=odd).id == user.id
    assert [each.id for each in client.users.list(metadata={**odd, "plan": "pro"})] == [user.id]
    assert client.users.count(metadata={**odd, "plan": "free"}).count == 0
    assert client.users.put(user.id, metadata={}, external_id=None).external_id is None
    assert client.users.verify_password(email=user.email, password="securepassword123").last_sign_in_at is not None
    assert client.users.count(q="Alan").count == len(client.users.list(q="Alan").page()) == 1
    assert client.users.suspend(user.id).status == "suspended"
    client.users.delete(user.id)
    with pytest.raises(errors.NotFound):
        client.users.get(user.id)
    assert client.users.restore(user.id).id == user.id


def test_errors_have_types_by_code_and_say_what_to_do(client: Rollbook) -> None:
    user = new_user(client)
    with pytest.raises(errors.EmailTaken) as taken:
        client.users.create(name="Al", email=user.email, password="securepassword123")
    assert isinstance(taken.value, errors.BadRequest) and isinstance(taken.value, rollbook_client.RollbookError)
    assert (taken.value.status, taken.value.code, taken.value.message) == (
        400,
        "email_taken",
        "Email address is already in use.",
    )
    with pytest.raises(errors.InvalidParameter) as invalid:
        client.users.create(name="", email="a@example.com", password="short")
    assert [fault.param for fault in invalid.value.faults] == ["name", "password"]
    assert invalid.value.request_id and str(invalid.value).startswith("The name is blank. The password is shorter")


def test_a_wrong_keyword_is_told_with_the_one_that_was_meant(server: Server, client: Rollbook) -> None:
    async def of_async() -> None:
        async with AsyncRollbook(url=server.url, key=server.key) as other:
            await other.keys.create(name="A", user="me")  # type: ignore[unexpected-keyword]

    calls: list[Callable[[], object]] = [
        lambda: client.events.list(user_id="me"),  # type: ignore[unexpected-keyword]
        lambda: client.events.with_raw_response.list(user_id="me"),  # type: ignore[unexpected-keyword]
        lambda: asyncio.run(of_async()),
    ]
    for call, meant in zip(calls, ("user", "user", "user_id"), strict=True):
        with pytest.raises(TypeError, match=f"Did you mean '{meant}'"):
            call()
    with pytest.raises(errors.InvalidParameter, match=r'"user_id" is not a parameter .* Did you mean user\?'):
        client.request("GET", "/v1/events", query={"user_id": "me"})


def test_every_code_of_the_description_has_a_type() -> None:
    assert len(errors.BY_CODE) > 30
    for code, kind in errors.BY_CODE.items():
        assert kind.__name__ == "".join(part.capitalize() for part in code.split("_")) and issubclass(
            kind, errors.APIError
        )
        assert getattr(rollbook_client, kind.__name__) is kind and kind.__doc__


def test_a_list_goes_on_over_all_pages_while_users_are_added(client: Rollbook) -> None:
    mark = unique_email()
    before = [new_user(client, metadata={"mark": mark}).id for _ in range(7)]
    found = []
    for user in client.users.list(limit=2, created_after=datetime(2000, 1, 1, tzinfo=UTC), sort=["-created_at"]):
        found.append(user.id)
        new_user(client)  # at the front of the list, where an offset would count it
        if found[-1] == before[0]:
            break
    assert found[:7] == before[::-1] and len(found) == len(set(found))


@pytest.mark.parametrize("limit", [2, 3])
def test_lists_without_cursors_go_on_as_well(client: Rollbook, limit: int) -> None:
    user = new_user(client)
    keys = [client.keys.create(name=str(number), user_id=user.id).id for number in range(6)]
    assert sorted(key.id for key in client.keys.list(user=user.id, limit=limit)) == sorted(keys)
    pages = list(client.keys.list(user=user.id, limit=limit).pages())
    assert [len(page) for page in pages if page.items] == [limit] * (6 // limit) and pages[0].total == 6
    events = [event.type for event in client.events.list(user=user.id, limit=limit)]
    assert events == ["user.created", *["key.created"] * 6]


def test_what_was_read_is_updated_only_if_no_one_else_has(client: Rollbook) -> None:
    user = client.users.get(new_user(client).id)
    assert user.etag and pickle.loads(pickle.dumps(user)).etag == user.etag
    after = client.users.update(user.id, name="Alan", if_match=user.etag)
    with pytest.raises(errors.PreconditionFailed):
        client.users.update(user.id, name="Alonzo", if_match=user.etag)
    assert client.users.update(user.id, name="Alonzo", if_match=after.etag).name == "Alonzo"
    assert next(iter(client.users.list(ids=[user.id]))).etag is None
    assert "etag" not in user.to_dict() and not hasattr(client.keys.get("current"), "etag")


def test_a_raw_response_has_the_head_and_makes_updates_conditional(client: Rollbook) -> None:
    user = new_user(client)
    raw = client.users.with_raw_response.get(user.id)
    assert raw.parsed == user and raw.status_code == 200 and raw.request_id and raw.json()["id"] == user.id
    client.users.update(user.id, name="Alan", if_match=raw.etag)
    with pytest.raises(errors.PreconditionFailed):
        client.users.update(user.id, name="Alonzo", if_match=raw.etag)
    page = client.users.with_raw_response.list(limit=1).parsed
    assert page.has_next and page.total and page.event_position
    assert (
        client.get("/v1/users/me", headers={"If-None-Match": client.get("/v1/users/me").etag or ""}).status_code == 304
    )
    assert (
        client.post("/v1/users/verify-password", {"email": user.email, "password": "securepassword123"}).parsed["id"]
        == user.id
    )


def test_a_second_factor_is_a_second_step_with_the_challenge_of_the_error(client: Rollbook) -> None:
    user = new_user(client)
    made = client.users.second_factors.create(user.id, kind="totp")
    assert made.secret is not None
    app = App(made.secret)
    active = client.users.second_factors.activate(user.id, made.id, code=app.code())
    assert active.recovery_codes is not None and len(active.recovery_codes) == 10
    assert made.secret not in repr(made) and active.recovery_codes[0] not in repr(active)
    with pytest.raises(errors.SecondFactorRequired) as required:
        client.users.verify_password(email=user.email, password="securepassword123")
    challenge = required.value.challenge
    assert challenge is not None and required.value.status == 401
    with pytest.raises(errors.WrongCode) as wrong:
        client.users.verify_challenge(challenge=challenge, code=app.wrong())
    assert wrong.value.challenge is None
    assert client.users.verify_challenge(challenge=challenge, code=app.code()).id == user.id


def test_lines_of_json_are_told_from_one_json_text(client: Rollbook) -> None:
    """U+2028 ends a line of text, but not one of NDJSON."""
    made = client.users.create(
        name="Ada", email="separator@example.com", password="securepassword123", metadata={"text": "one\u2028line"}
    )
    exported = {user["id"]: user for user in client.exports.users()}
    assert exported[made.id]["metadata"] == {"text": "one\u2028line"}
    for path, beginning in (("/v1/exports", "{"), ("/metrics", "#")):
        raw = client.get(path)
        assert raw.parsed is None and raw.text.startswith(beginning)


def test_objects_keep_all_that_was_sent_hide_secrets_and_cannot_be_changed(client: Rollbook) -> None:
    user = types.User(
        {
            "id": "user_1",
            "name": "Al",
            "email": "al@example.com",
            "later": {"a": 1},
            "role": "manager",
            "created_at": "soon",
        }
    )
    assert user["later"] == {"a": 1} and "later" in user and user.to_dict()["role"] == user.role == "manager"
    assert user.created_at == "soon" and user.deleted_at is None  # pyrefly: ignore
    with pytest.raises(AttributeError, match="sent no 'status'"):
        _ = user.status
    with pytest.raises(AttributeError, match="cannot be changed"):
        user.name = "Eve"
    assert pickle.loads(pickle.dumps(user)) == copy.deepcopy(user) == user
    key = client.keys.create(name="app", scopes=["users:read"])
    assert key.key and key.key not in repr(key) and key.id in repr(key)
    assert key.key not in repr(client) and Rollbook(url=client.url, key=key.key).users.get("me").role == "owner"


def test_settings_come_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROLLBOOK_URL", "ROLLBOOK_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(rollbook_client.RollbookError, match="ROLLBOOK_URL"):
        Rollbook(key=server.key)
    monkeypatch.setenv("ROLLBOOK_URL", f"{server.url}/v1")
    with pytest.raises(rollbook_client.RollbookError, match="ROLLBOOK_KEY"):
        Rollbook()
    monkeypatch.setenv("ROLLBOOK_KEY", server.key)
    with Rollbook() as client:
        assert client.users.get("me").email == "owner@example.com"


def test_both_clients_have_the_same_calls(server: Server) -> None:
    """Names, parameters and documentation, but for `await`."""
    pairs = [
        (cls, getattr(of_async, f"Async{name}"))
        for name, cls in vars(of_sync).items()
        if hasattr(of_async, f"Async{name}")
    ]
    assert len(pairs) > 10
    for one, other in [*pairs, (Rollbook, AsyncRollbook)]:
        mine = {
            name: method for name, method in inspect.getmembers(one, inspect.isfunction) if not name.startswith("_")
        }
        others = {
            name: method for name, method in inspect.getmembers(other, inspect.isfunction) if not name.startswith("_")
        }
        assert set(mine) == {name.replace("aclose", "close") for name in others}
        for name, method in mine.items():
            assert [*inspect.signature(method).parameters] == [
                *inspect.signature(others.get(name) or others["aclose"]).parameters
            ]
            assert method.__doc__


def test_the_same_with_tasks(server: Server) -> None:
    async def run() -> None:
        async with AsyncRollbook(url=server.url, key=server.key) as client:
            users = await asyncio.gather(
                *(client.users.create(name="Al", email=unique_email(), password="securepassword123") for _ in range(7))
            )
            found = [user.id async for user in client.users.list(ids=[user.id for user in users], limit=3)]
            assert sorted(found) == sorted(user.id for user in users)
            raw = await client.users.with_raw_response.get(users[0].id)
            assert raw.parsed == users[0] and (await client.users.list(limit=1).page()).has_next
            with pytest.raises(errors.NotFound):
                await client.users.get("user_x")

    asyncio.run(run())
