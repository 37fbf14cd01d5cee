"""Actions on webhooks. A webhook hands on events, so whoever decides what it sends must be able to read them.

The state of a webhook and its cause, in one sentence: at the top of its page, in lists and in the API.

Seals the secrets of webhooks, the values of their headers and the URLs of chats, each bound to its webhook.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any, NamedTuple

from msgspec import UNSET

from rollbook import clock
from rollbook.actions import creators, proof, token_requests
from rollbook.actions.arguments.passwords import PasswordProof
from rollbook.actions.arguments.webhooks import (
    ListWebhooks,
    WebhookCreate,
    WebhookFields,
    WebhookRotation,
    WebhookUpdate,
)
from rollbook.actions.checking import MAX_HEADER_BYTES, MAX_HEADERS, check_version, given, refuse
from rollbook.actions.context import ListPage, Rollbook
from rollbook.actions.creators import check_limit, check_may_send, check_owner, held
from rollbook.actions.events import position_before
from rollbook.actions.permissions import (
    known,
    may_touch_of,
    reaches_all,
    require,
    require_own,
    require_proof,
    subject_or_all,
    whom,
)
from rollbook.actions.principal import Principal
from rollbook.actions.proof import Proven, prove
from rollbook.auth.server_secret import Purpose, Secret
from rollbook.delivery import foreign_text, outcomes, signing
from rollbook.delivery.foreign_text import plain
from rollbook.errors import InsufficientScope, NotFound
from rollbook.records import events, users, webhooks
from rollbook.records.webhooks import REASONS, Webhook, cursors, health
from rollbook.records.webhooks.health import LOOKED_AT, WebhookHealth
from rollbook.storage.database import Queries, Tx

SEALED: Purpose = "webhooks"


class Unsealed(NamedTuple):
    """URL, headers and secrets to send an event with."""

    headers: list[tuple[str, str]]
    secrets: list[bytes]
    """The keys that sign it, the current one first."""
    url: str


def sealed_secret(secret: Secret, webhook_id: str, text: str) -> bytes:
    return secret.seal(SEALED, text.encode(), webhook_id.encode())


def revealed(secret: Secret, webhook: Webhook) -> str:
    """The current secret. ValueError if the server's secret has changed since."""
    return secret.unseal(SEALED, webhook.secret, webhook.id.encode()).decode()


def sealed_header(secret: Secret, webhook_id: str, name: str, value: str) -> bytes:
    return secret.seal(SEALED, value.encode(), f"{webhook_id} {name}".encode())


def merged_headers(
    secret: Secret, webhook_id: str, headers: Mapping[str, bytes], changes: Mapping[str, str | None]
) -> dict[str, bytes]:
    """The headers with these changes, sealed; None removes one. Names ignore case."""
    changed = {name.lower() for name in changes}
    return {
        **{name: value for name, value in headers.items() if name.lower() not in changed},
        **{
            name: sealed_header(secret, webhook_id, name, value) for name, value in changes.items() if value is not None
        },
    }


def unsealed(secret: Secret, webhook: Webhook) -> Unsealed:
    """ValueError if the server's secret has changed since."""
    headers = [
        (name, secret.unseal(SEALED, value, f"{webhook.id} {name}".encode()).decode())
        for name, value in webhooks.sealed_headers(webhook).items()
    ]
    keys = [signing.key(revealed(secret, webhook))]
    if webhook.old_secret is not None and (webhook.old_secret_until or 0) > clock.now():
        keys.append(signing.key(secret.unseal(SEALED, webhook.old_secret, webhook.id.encode()).decode()))
    return Unsealed(headers, keys, opened_url(secret, webhook))


def opened_url(secret: Secret, webhook: Webhook) -> str:
    """ValueError if the server's secret has changed since."""
    if webhook.sealed_url is None:
        return webhook.url
    return secret.unseal(SEALED, webhook.sealed_url, _of_url(webhook.id)).decode()


def stored_url(secret: Secret, webhook_id: str, url: str, format: str) -> dict[str, Any]:
    """Columns for a URL: as it is, or masked and sealed."""
    if url == webhooks.INBOX or format not in webhooks.CHATS:
        return {"url": url, "sealed_url": None}
    return {
        "url": webhooks.masked_url(url),
        "sealed_url": secret.seal(SEALED, url.encode(), _of_url(webhook_id)),
    }


def _of_url(webhook_id: str) -> bytes:
    return f"{webhook_id}\nurl".encode()  # no header has such a name


def sealed_again(secret: Secret, webhook: Webhook) -> Webhook:
    """The webhook with everything that a former secret of the server has sealed sealed with the current one."""

    def again(sealed: bytes, associated: bytes) -> bytes:
        return secret.sealed_again(SEALED, sealed, associated) or sealed

    id, old, url = webhook.id, webhook.old_secret, webhook.sealed_url
    headers = {name: again(value, f"{id} {name}".encode()) for name, value in webhooks.sealed_headers(webhook).items()}
    return webhook._replace(
        secret=again(webhook.secret, id.encode()),
        old_secret=None if old is None else again(old, id.encode()),
        headers=webhooks.kept_headers(headers),
        sealed_url=None if url is None else again(url, _of_url(id)),
    )


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
    same = list(takewhile(lambda delivery: delivery.outcome == last.outcome, health.latest))
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
    failed = next((delivery for delivery in health.latest if delivery.outcome != outcomes.DELIVERED), None)
    return "" if failed is None else f" ({_lower(outcomes.words(failed.outcome).short)}{_said(health)})"


def _said(health: WebhookHealth) -> str:
    """The words of the endpoint's answer, or of the failure: a stranger's text."""
    said = foreign_text.answer(health.answer or "", health.answer_type).rstrip(". ")
    return f": {said}" if said else ""


def _lower(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _at(at: int | None, word: str) -> tuple[str | int, ...]:
    return () if at is None else (f" {word} ", at)


def _time(at: int) -> str:
    """Text of a time, as pages show it without scripts."""
    return datetime.fromtimestamp(at / clock.SECOND, UTC).strftime("%-d %b %Y, %H:%M UTC")


HANDED_OVER = 86_400
"""Seconds for which events are signed with the former owner's secret as well, so that the receiver rejects none until
it has the new one."""
SENT = ("url", "types", "format", "payload")
"""Fields that decide which events go where: setting them takes `events:read` as well."""


class WebhookDetails(NamedTuple):
    """A webhook, and how it is doing. `secret` only where it is shown."""

    webhook: Webhook
    health: WebhookHealth
    cause: Cause
    secret: str | None = None


async def list_webhooks(on: Rollbook, by: Principal, query: ListWebhooks) -> ListPage[WebhookDetails]:
    """List webhooks

    Returns webhooks, oldest first, without the secrets: your own or, for admins, all. Pass `user` for those of one
    user.
    """
    user_id = await subject_or_all(on, by, "webhooks:read", query.user)
    return await on.read_aside(_list, by, user_id, query.limit, query.offset)


async def _list(
    queries: Queries, by: Principal, user_id: str | None, limit: int, offset: int
) -> ListPage[WebhookDetails]:
    batch = await webhooks.some(queries, user_id, limit, offset)
    healths = await health.of(queries, [webhook.id for webhook in batch])
    return ListPage(
        [await _details(queries, by, *pair) for pair in zip(batch, healths, strict=True)],
        await webhooks.count(queries, user_id),
    )


async def get(on: Rollbook, by: Principal, id: str) -> WebhookDetails:
    """Get a webhook

    Returns the webhook without its secret and the values of its headers. `health` says how deliveries are going.
    """
    webhook = await find(on, by, "webhooks:read", id)
    return await on.read(_seen, by, webhook)


async def _seen(queries: Queries, by: Principal, webhook: Webhook, secret: str | None = None) -> WebhookDetails:
    return await _details(queries, by, webhook, (await health.of(queries, (webhook.id,)))[0], secret)


async def _details(
    queries: Queries, by: Principal, webhook: Webhook, doing: WebhookHealth, secret: str | None = None
) -> WebhookDetails:
    """Show what the endpoint answered to those who may see its deliveries, and who paused it to those who may see
    users."""
    if not reaches_all(by, "events:read"):
        doing = doing._replace(answer=None)
    name = None
    if webhook.status == "paused" and webhook.status_by and reaches_all(by, "users:read"):
        name = await users.name(queries, webhook.status_by)
    return WebhookDetails(webhook, doing, of(webhook, doing, name), secret)


async def create(on: Rollbook, by: Principal, new: WebhookCreate) -> WebhookDetails:
    """Create a webhook

    From now on, events are sent to the URL, signed with the `secret` in the response (Standard Webhooks). A webhook for
    all types gets its own `webhook.created` event first. It belongs to you, or to `user_id` if you are an admin, and is
    disabled when that user can no longer read events. Also requires the scope `events:read`.
    """
    require_own(by, "webhooks:write")
    require(by, "events:read")
    require_proof(by)
    user_id = _owner(by, given(new.user_id))
    await may_touch_of(on.db, by, user_id)
    _check_url(on, new.url)
    id, secret = webhooks.new_id(), signing.new_secret()
    columns = _stored(new) | {
        **stored_url(on.secret, id, given(new.url), given(new.format, "standard")),
        "id": id,
        "user_id": user_id,
        **creators.of(by, user_id)._asdict(),
        "status_by": by.actor.user_id or by.actor.address,
        "secret": sealed_secret(on.secret, id, secret),
        "headers": _headers(on, id, {}, new),
    }
    token_requests.check(by, Webhook(**columns))
    await events.settle(on.db)
    return await on.write(_create, by, Webhook(**columns), secret)


async def _create(tx: Tx, by: Principal, new: Webhook, secret: str) -> WebhookDetails:
    await creators.lock_people(tx, by, "webhooks:write", new.user_id)
    await may_touch_of(tx, by, new.user_id)
    await check_owner(tx, new.user_id)
    await check_limit(tx, new.user_id)
    await token_requests.check_owner(tx, new)
    webhook = await webhooks.add(tx, new)
    await events.record(tx, "webhook.created", webhook.user_id, by.actor, webhooks.in_events(webhook))
    return await _seen(tx, by, webhook, secret)


async def update(
    on: Rollbook, by: Principal, id: str, changes: WebhookUpdate, versions: frozenset[int] | None = None
) -> WebhookDetails:
    """Update a webhook

    Fields you don't send are left unchanged. `headers` are merged, and null removes a header. A new `url` removes all
    headers that you don't send with it. Events that have not been delivered yet are sent with the new settings.

    While the `status` is `paused`, nothing is sent, and nothing is lost, as long as the events are in the event log. To
    resume a webhook that was paused or disabled, send `enabled`: what happened in the meantime is sent then, in order.
    To start elsewhere, send `from`, too: `now` skips these events, an earlier time or event sends events again. To
    change `url`, `types`, `format` or `payload`, the key also needs the scope `events:read`. Admins can give the
    webhook to another user: the response then has a new `secret`, and events are signed with the old one as well for 24
    hours. With `If-Match`, the update only succeeds if the webhook still has that version.
    """
    webhook = await find(on, by, "webhooks:write", id)
    if any(getattr(changes, name) is not UNSET for name in SENT):
        require(by, "events:read")
    columns = _stored(changes)
    if "user_id" in columns:
        columns["user_id"] = _owner(by, columns["user_id"])
    if columns.get("url") == webhook.url:  # perhaps masked, as it was shown
        del columns["url"]
    if "url" in columns:
        _check_url(on, columns["url"])
    if "url" in columns or "user_id" in columns:
        require_proof(by)
    seq = await _first_seq(on, by, changes)
    return await on.write(_update, on, by, webhook.id, columns, changes, versions, seq)


async def _first_seq(on: Rollbook, by: Principal, changes: WebhookUpdate) -> int | None:
    """The number of the event before the first one to send; None: where the webhook stands. Raises InvalidParameter,
    PositionExpired."""
    if changes.start is UNSET:
        return None
    if changes.status != "enabled":
        refuse("from", "needs the status `enabled`")
    if changes.start == "cursor":
        return None
    if changes.start == "now":
        return await events.newest(on.db)
    require(by, "events:read")  # it sends again what was sent
    await events.settle(on.db)
    return await on.read(position_before, changes.start)


def _stored(fields: WebhookFields) -> dict[str, Any]:
    """Columns for the fields that are set, but for the headers, which are merged with those there are,
    and the start."""
    names = [
        name
        for name in fields.__struct_fields__
        if name not in ("headers", "start") and getattr(fields, name) is not UNSET
    ]
    return {name: given(getattr(fields, name)) for name in names} | (
        {} if fields.types is UNSET else {"types": patterns(fields.types)}
    )


async def _update(
    tx: Tx,
    on: Rollbook,
    by: Principal,
    id: str,
    values: dict[str, Any],
    changes: WebhookUpdate,
    versions: frozenset[int] | None,
    seq: int | None,
) -> WebhookDetails:
    owner = values.get("user_id")
    if owner is not None or "url" in values:  # before the webhook is locked, as all do who change both
        await creators.lock_people(tx, by, "webhooks:write", owner or await webhooks.owner_of(tx, id))
    if owner is not None:
        await may_touch_of(tx, by, owner)
    webhook = await held(tx, by, id)
    check_version(webhook.version, versions)
    if seq is not None:
        await cursors.move(tx, id, seq)
    columns = {name: value for name, value in values.items() if getattr(webhook, name) != value}
    moves = "url" in columns and columns["url"] != _opened_url(on, webhook)
    columns = _with_url(on, webhook, columns, moves)
    if moves or (changes.headers is not UNSET and changes.headers):
        # The values of headers are often keys of the receiver: no one learns them by having them sent elsewhere.
        headers = _headers(on, id, {} if moves else webhooks.sealed_headers(webhook), changes)
        if headers is not None or webhook.headers is not None:
            columns["headers"] = headers
    secret = None
    if "user_id" in columns:
        await check_owner(tx, columns["user_id"])
        await check_limit(tx, columns["user_id"])
        secret = signing.new_secret()
        columns |= _rotated(on, webhook, secret, HANDED_OVER * clock.SECOND)
    if token_requests.DECIDING & columns.keys():
        token_requests.check(by, webhook._replace(**columns))
        await token_requests.check_owner(tx, webhook._replace(**columns))
    if "user_id" in columns or moves:
        columns |= creators.of(by, columns.get("user_id", webhook.user_id))._asdict()
    return await _changed(tx, by, webhook, columns, secret)


def _opened_url(on: Rollbook, webhook: Webhook) -> str | None:
    """The opened URL; None if the server's secret has changed since, so that no one knows it any more."""
    try:
        return opened_url(on.secret, webhook)
    except ValueError:
        return None


def _with_url(on: Rollbook, webhook: Webhook, columns: dict[str, Any], moves: bool) -> dict[str, Any]:
    """The columns with those of a new URL, or of the one there is if it becomes that of a chat."""
    format = columns.get("format", webhook.format)
    if moves:
        return columns | stored_url(on.secret, webhook.id, columns["url"], format)
    rest = {name: value for name, value in columns.items() if name != "url"}
    if "format" in columns and format in webhooks.CHATS and webhook.sealed_url is None:
        return rest | stored_url(on.secret, webhook.id, webhook.url, format)
    return rest


async def _changed(
    tx: Tx, by: Principal, webhook: Webhook, columns: dict[str, Any], secret: str | None = None
) -> WebhookDetails:
    """Change a webhook. A field that already has the value is no change, and without a change there is no event."""
    if not columns:
        return await _seen(tx, by, webhook)
    if columns.get("status") == "enabled":
        await check_may_send(tx, webhook._replace(user_id=columns.get("user_id", webhook.user_id)))
        await cursors.resume(tx, webhook.id)
    if "status" in columns:
        columns |= {"status_reason": None, "status_by": by.actor.user_id or by.actor.address, "status_at": clock.now()}
        is_orphaned = webhook.status_reason in creators.REASONS or await webhooks.is_orphaned(tx, webhook)
        if columns["status"] == "enabled" and is_orphaned:  # whoever enables it again answers for it
            columns |= creators.of(by, columns.get("user_id", webhook.user_id))._asdict()
    after = await webhooks.change(tx, webhook, columns)
    was, now = webhooks.in_events(webhook), webhooks.in_events(after)
    before = {name: was[name] for name in was if name in columns}
    await events.record(tx, "webhook.updated", after.user_id, by.actor, now, before)
    return await _seen(tx, by, after, secret)


async def delete(on: Rollbook, by: Principal, id: str, versions: frozenset[int] | None = None) -> None:
    """Delete a webhook

    Nothing more is sent, and its deliveries are deleted. To keep it for later, pause it instead.
    """
    webhook = await find(on, by, "webhooks:write", id)
    require_proof(by)
    await on.write(_delete, by, webhook.id, versions)


async def _delete(tx: Tx, by: Principal, id: str, versions: frozenset[int] | None) -> None:
    webhook = await held(tx, by, id)
    check_version(webhook.version, versions)
    await webhooks.remove(tx, id)
    await events.record(tx, "webhook.deleted", webhook.user_id, by.actor, webhooks.in_events(webhook))


# ---- the secret


async def reveal(on: Rollbook, by: Principal, id: str, proof: PasswordProof) -> WebhookDetails:
    """Reveal the secret of a webhook

    Returns the webhook with its secret. Requires your password or, if you have a second factor, a code.
    """
    webhook = await find(on, by, "webhooks:write", id)
    proven = await prove(on, by, proof)
    try:
        secret = revealed(on.secret, webhook)
    except ValueError:
        raise NotFound(
            "This secret cannot be shown again: the server's secret has changed since it was created. Rotate it."
        ) from None
    return await on.write(_revealed, by, webhook.id, secret, proven)


async def _revealed(tx: Tx, by: Principal, id: str, secret: str, proven: Proven | None) -> WebhookDetails:
    await proof.use(tx, by.actor, proven)
    webhook = await held(tx, by, id)
    await events.record(tx, "webhook.revealed", webhook.user_id, by.actor, webhooks.in_events(webhook))
    return await _seen(tx, by, webhook, secret)


async def rotate_secret(on: Rollbook, by: Principal, id: str, rotation: WebhookRotation) -> WebhookDetails:
    """Rotate the secret of a webhook

    Creates a new secret. For `overlap` seconds, 24 hours by default, events have two signatures, one with each secret,
    so that your application rejects nothing while you change its secret.
    """
    webhook = await find(on, by, "webhooks:write", id)
    require_proof(by)
    secret = signing.new_secret()
    return await on.write(_rotate, on, by, webhook.id, secret, rotation.overlap * clock.SECOND)


async def _rotate(tx: Tx, on: Rollbook, by: Principal, id: str, secret: str, overlap: int) -> WebhookDetails:
    old = await held(tx, by, id)
    webhook = await webhooks.change(tx, old, _rotated(on, old, secret, overlap))
    await events.record(tx, "webhook.rotated", webhook.user_id, by.actor, webhooks.in_events(webhook))
    return await _seen(tx, by, webhook, secret)


def _rotated(on: Rollbook, old: Webhook, secret: str, overlap: int) -> dict[str, Any]:
    return {
        "secret": sealed_secret(on.secret, old.id, secret),
        "old_secret": old.secret if overlap else None,
        "old_secret_until": clock.now() + overlap if overlap else None,
    }


# ----


async def find(on: Rollbook, by: Principal, scope: str, id: str) -> Webhook:
    """Find a webhook. For callers who reach only themselves, others' webhooks do not exist; those of owners are changed
    by owners alone. Raises InsufficientScope, NotFound."""
    require_own(by, scope)
    webhook = await webhooks.get(on.db, known("webhook", id))
    if webhook.user_id != by.user_id and not reaches_all(by, scope):
        raise NotFound()
    if scope != "webhooks:read":
        await may_touch_of(on.db, by, webhook.user_id)
    return webhook


def _owner(by: Principal, named: str | None) -> str:
    """Raises InsufficientScope."""
    id = whom(by, named or "me")
    if id != by.user_id and not reaches_all(by, "webhooks:write"):
        raise InsufficientScope("Only admins can give webhooks to other users.")
    return id


def _check_url(on: Rollbook, url: str) -> None:
    """Check a URL as far as can be said without looking its host up. Raises InvalidParameter."""
    if url.endswith("…"):
        refuse("url", "must be whole, not masked")
    if url != webhooks.INBOX:
        try:
            on.addresses.check_url(url)
        except ValueError as problem:
            refuse("url", str(problem).removesuffix("."))


def patterns(types: tuple[str, ...]) -> str:
    return " ".join(dict.fromkeys(map(str, types)))


def _headers(on: Rollbook, id: str, old: dict[str, bytes], fields: WebhookFields) -> bytes | None:
    """Raises InvalidParameter."""
    changes = {} if fields.headers is UNSET else dict(fields.headers)
    new = merged_headers(on.secret, id, old, changes)
    if len(new) > MAX_HEADERS or sum(len(name) + len(value) - 41 for name, value in new.items()) > MAX_HEADER_BYTES:
        refuse("headers", f"must be at most {MAX_HEADERS}, with 4 KiB in all")
    return webhooks.kept_headers(new)
