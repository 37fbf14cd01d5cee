"""/v1/users"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

import msgspec

from rollbook import clock, ids
from rollbook.api import paging, types
from rollbook.api.answers import answer, answer_json, created, encode, etag, event_shown, no_content, not_modified
from rollbook.api.parsing import invalid, refuse
from rollbook.auth import attempts, permissions, tokens
from rollbook.errors import Fault, InsufficientScope, NotFound, NotYourself, UserSuspended, WrongPassword
from rollbook.gate import Call
from rollbook.http.response import Response
from rollbook.records import directory, events, keys, password_links, rules, sessions, users
from rollbook.records.users import User
from rollbook.storage.database import Queries, Tx

# What a user may change of itself; the rest is for those who keep all users.
OWN_FIELDS = frozenset(("name", "email", "metadata"))
MOST_EXPORTED_EVENTS = 100_000
# Reads that a cursor, an index or a block count bounds stay on the loop; beyond this many skipped rows they leave it.
NEAR = 1_000

Read = Callable[..., Awaitable[Any]]


async def list_users(call: Call) -> Response:
    """List users

    All users, oldest first, unless filters, `sort` or `q` say otherwise. The page after this one, and the one before, are in the `Link`
    header, the total in `X-Total-Count`.
    """
    query: types.ListUsers = call.query
    filters = filters_of(query)
    order = _order(query.sort)
    sort = ",".join(query.sort) if query.sort else "created_at"
    plain = query.sort is None and filters is directory.ANY
    position = None
    if query.cursor is not None:
        if query.offset:
            refuse("cursor", "and offset cannot go together")
        position = paging.position(call.services.secret, sort, query.cursor, len(directory.keys_of(order)))
    page: directory.Page | directory.Listing
    if plain and query.fields is None and (position is None or not position.backwards):
        read = _reader(call, bounded=True)
        listing: directory.Listing
        if position is None:
            page = listing = await read(directory.listing, query.limit, query.offset)
        else:
            page = listing = await read(directory.next_listing, query.limit, position)
        body = listing.json
    else:
        page = await _page(call, plain, filters, order, position)
        if query.fields is None:
            body = encode([types.UserListed(id, name, email, clock.format_time(at)) for _, id, name, email, at in page.rows])
        else:
            body = encode([_fields(User._make(row), query.fields) for row in page.rows])
    head = paging.link(
        call.services.url + "/v1/users",
        [] if plain and query.fields is None and query.consistency is None else _parameters(query),
        query.limit,
        page,
        lambda at: paging.cursor(call.services.secret, sort, at),
    )
    if page.total is not None:
        head += b"X-Total-Count: %d\r\n" % page.total
    return answer_json(200, body, head)


async def _page(
    call: Call, plain: bool, filters: directory.Filters, order: tuple[directory.Order, ...], position: directory.Position | None
) -> directory.Page:
    query: types.ListUsers = call.query
    columns = directory.LISTED if query.fields is None else directory.WHOLE
    if plain:
        read = _reader(call, bounded=True)
        if position is None:
            return await read(directory.plain_page, columns, query.limit, query.offset)
        return await read(directory.plain_neighbour, columns, query.limit, position)
    read = _reader(call, filters.q is None and query.offset <= NEAR and query.count is None and _is_indexed(filters, order))
    return await read(directory.page, columns, filters, order, query.limit, query.offset, position, query.count is not None)


def _reader(call: Call, bounded: bool) -> Read:
    if call.query.consistency == "eventual":
        return call.db.read_eventually
    return call.db.read if bounded else call.db.read_aside


async def create_user(call: Call) -> Response:
    """Create a user

    The password is kept as an argon2id hash and shown nowhere. Send an `Idempotency-Key` to repeat the request safely.
    """
    new: types.NewUser = call.body
    _may_grant(call, None if new.role is msgspec.UNSET else new.role)
    _check_password(call, new.password, new.email, new.name)
    hash = await call.services.passwords.hash(new.password)
    record = users.NewUser(
        name=new.name,
        email=new.email,
        password_hash=hash,
        role=given(new.role, "member"),
        external_id=given(new.external_id, None),
        metadata=given(new.metadata, "{}"),
        email_verified=given(new.email_verified, False),
        rate_limit=given(new.rate_limit, None),
    )
    return await call.write(users.add, record, call.actor, answer=lambda user: _created(call, user))


async def get_user(call: Call) -> Response:
    """Get a user

    All that is kept of it, except the password. `me` stands for the caller's own user. The `ETag` changes with the user: send it as
    `If-None-Match` to ask whether it did, or as `If-Match` with a change.
    """
    fields = call.query.fields
    # An item that is no id is nobody's, as the look-up finds.
    if fields is None:
        body, version = await users.as_json(call.db, call.ids[0])
    else:
        user = await users.get(call.db, call.ids[0])
        body, version = encode(_fields(user, fields)), user.version
    if not_modified(call.request, version):
        return Response(304, etag(version))
    return answer_json(200, body, etag(version))


async def update_user(call: Call) -> Response:
    """Update a user

    Fields that are left out stay as they are. A user may change its own name, e-mail and metadata, an admin the rest too. With `If-Match`,
    the change is made only to the version named there.
    """
    changes = {
        name: _plain(value)
        for name in types.UserChanges.__struct_fields__
        if (value := getattr(call.body, name)) is not msgspec.UNSET
    }
    user = await call.write(
        users.update, _id(call.ids[0]), changes, call.actor, _may(call), _if_match(call), answer=lambda user: _updated(call, user)
    )
    return user


async def delete_user(call: Call) -> Response:
    """Delete a user

    It is gone from every list at once, its API keys stop, its e-mail is free. It can be restored for 30 days. `purge=true` erases it for
    good, and with it all that the log of changes holds about it.
    """
    id = _id(call.ids[0])
    if id == call.caller.user_id:
        raise NotYourself("You cannot delete yourself.")
    verb = users.purge if call.query.purge == "true" else users.delete
    return await call.write(verb, id, call.actor, _may(call), _if_match(call), answer=no_content)


async def count_users(call: Call) -> Response:
    """Count users

    How many there are, or how many pass the filters. Exact.
    """
    filters = filters_of(call.query)
    read = call.db.read if filters is directory.ANY else call.db.read_aside
    return answer(200, types.Count(await read(directory.count, filters)))


async def verify_password(call: Call) -> Response:
    """Verify an e-mail and password

    The call with which an application signs its own users in: the user, or 401 when the two do not belong together. An unknown address
    takes as long as a wrong password. After too many failures for one account, 429.
    """
    given: types.Credentials = call.body
    user, hash = await users.sign_in(call.db, given.email)
    await attempts.verify(
        call.services.passwords,
        call.services.limiter,
        call.services.settings,
        attempts.account(given.email),
        hash,
        given.password,
    )
    if user is None or hash is None:
        raise WrongPassword()
    if user.status != "active":
        raise UserSuspended()
    renewed = (hash, await call.services.passwords.hash(given.password)) if call.services.passwords.needs_renewal(hash) else None
    return await call.write(users.signed_in, user.id, renewed, answer=lambda user: _listed(call, user))


async def set_password(call: Call) -> Response:
    """Set a user's password

    A user that sets its own gives its present one as `current_password`.
    """
    id = _id(call.ids[0])
    change: types.PasswordChange = call.body
    user = await users.get(call.db, id)
    _may(call)(user, {})
    if id == call.caller.user_id:
        await _prove(call, user, None if change.current_password is msgspec.UNSET else change.current_password)
    _check_password(call, change.password, user.email, user.name)
    hash = await call.services.passwords.hash(change.password)
    return await call.write(users.set_password, id, hash, call.actor, _may(call), answer=no_content)


async def create_password_link(call: Call) -> Response:
    """Make a link that sets a password

    Who opens `url` sets the user's password, once, and is signed in. It works for three days, until a newer one is made or the password
    is set in another way. For a user that has no password yet, or has forgotten it; hand it over by a way that you trust.
    """
    text = tokens.mint()
    url = tokens.password_link(call.services.url, text)
    return await call.write(
        _add_password_link,
        _id(call.ids[0]),
        tokens.digest(text),
        call,
        answer=lambda expires_at: answer(201, types.PasswordLink(url, clock.format_time(expires_at))),
    )


async def _add_password_link(tx: Tx, id: str, digest: bytes, call: Call) -> int:
    _may(call)(await users.get(tx, id), {})
    if id == call.caller.user_id and await users.password_hash(tx, id) is not None:
        # Or a key alone would be enough to set the password, for which `set_password` asks for the present one.
        raise NotYourself("You have a password: change it with PUT /v1/users/me/password.")
    return await password_links.add(tx, id, digest, call.actor)


async def suspend_user(call: Call) -> Response:
    """Suspend a user

    Its API keys and its password do nothing until it is activated. It stays in lists.
    """
    return await _set_status(call, "suspended")


async def activate_user(call: Call) -> Response:
    """Activate a suspended user"""
    return await _set_status(call, "active")


async def restore_user(call: Call) -> Response:
    """Restore a deleted user

    It comes back to the place it had in the list. Its API keys stay revoked. 400 when another user has its e-mail by now.
    """
    since = clock.now() - call.services.settings.deleted_retention * clock.DAY
    return await call.write(
        users.restore, _id(call.ids[0]), call.actor, _may(call), since, answer=lambda user: _listed(call, user)
    )


async def export_user(call: Call) -> Response:
    """Export all that is held about a user

    The user, its API keys (not their text), where it is signed in, and the log of changes to it.
    """

    async def held(queries: Queries) -> types.Export:
        user = await users.get(queries, _id(call.ids[0]))
        return types.Export(
            types.User(*_shown(user).values()),
            [keys.public(key) for key in await keys.of_user(queries, user.id)],
            [types.Session(**sessions.public(session)) for session in await sessions.held(queries, user.id)],
            [event_shown(event) for event in await events.of_user(queries, user.id, MOST_EXPORTED_EVENTS)],
        )

    await events.settle(call.db)
    return answer(200, await call.db.read_aside(held))


# ---- permissions


def _may(call: Call) -> users.May:
    """What the caller may do to the user it names."""

    def may(user: User, changed: Mapping[str, Any]) -> None:
        permissions.may_touch(call.caller.role, user.role)
        if not call.reaches_all and not OWN_FIELDS.issuperset(changed):
            raise InsufficientScope(
                f"Only an admin may change {', '.join(sorted(set(changed) - OWN_FIELDS))}.", scope="users:write"
            )
        if "role" in changed:
            _may_grant(call, changed["role"])
        if changed.get("status") == "suspended" and user.id == call.caller.user_id:
            raise NotYourself("You cannot suspend yourself.")

    return may


def _may_grant(call: Call, role: str | None) -> None:
    if role is not None:
        permissions.may_touch(call.caller.role, role)


async def _prove(call: Call, user: User, password: str | None) -> None:
    hash = await users.password_hash(call.db, user.id)
    if hash is None:
        return  # its first one
    if password is None:
        refuse("current_password", "is required to change your own password")
    await attempts.verify(
        call.services.passwords, call.services.limiter, call.services.settings, attempts.account(user.email), hash, password
    )


def _check_password(call: Call, password: str, email: str, name: str) -> None:
    """What the body alone could not tell: whether the password is the user's own address or name."""
    try:
        rules.password(password, call.services.settings.password_min_length, email=email, name=name)
    except ValueError as problem:
        raise invalid([Fault("password", str(problem))]) from None


async def _set_status(call: Call, status: str) -> Response:
    return await call.write(
        _change_status, _id(call.ids[0]), status, call, answer=lambda user: _updated(call, user)
    )  # fmt: skip


async def _change_status(tx: Tx, id: str, status: str, call: Call) -> User:
    return await users.update(tx, id, {"status": status}, call.actor, _may(call))


# ---- what was asked


def _id(item: str) -> str:
    """A malformed id is nobody's."""
    if not ids.is_id("user", item):
        raise NotFound()
    return item


def filters_of(query: types.UserFilters) -> directory.Filters:
    if query.created_after is None and query.created_before is None and query.q is None and query.email is None and query.external_id is None and query.ids is None and query.role is None and query.status is None:  # fmt: skip
        return directory.ANY
    return directory.Filters(
        query.email,
        query.external_id,
        None if query.ids is None else tuple(query.ids),
        query.role,
        query.status,
        query.created_after,
        query.created_before,
        query.q,
    )


def _order(sort: types.Sort | None) -> tuple[directory.Order, ...]:
    if sort is None:
        return directory.OLDEST_FIRST
    return tuple([directory.Order(part.removeprefix("-"), part.startswith("-")) for part in sort])


def _is_indexed(filters: directory.Filters, order: tuple[directory.Order, ...]) -> bool:
    """Whether an index leads to the page at once, so that the read is short for any number of users."""
    if filters.email is not None or filters.external_id is not None or filters.ids is not None:
        return True
    several = (filters.role is not None) + (filters.status is not None)
    if order[0].name == "created_at":
        return several <= 1
    # In order of e-mail the index gives all users, and those that pass the filters may be few and far between. A name may be that of half
    # of them, which are then walked, or sorted, to find the place among equals.
    return order[0].name == "email" and several == 0 and filters.created_after is None and filters.created_before is None


def _parameters(query: types.ListUsers) -> list[tuple[str, str]]:
    """What the links to other pages repeat."""
    found: list[tuple[str, str]] = []
    for name in (
        "sort",
        "fields",
        "email",
        "external_id",
        "ids",
        "role",
        "status",
        "created_after",
        "created_before",
        "q",
        "count",
        "consistency",
    ):
        value = getattr(query, name)
        if value is None:
            continue
        if name in ("created_after", "created_before"):
            value = clock.format_time_exactly(value)
        elif name == "fields" and value == types.USER_FIELDS:
            value = "*"
        elif isinstance(value, tuple):
            value = ",".join(value)
        found.append((name, value))
    return found


_ETAG = re.compile(r'(W/)?"([^"]*)"')
_ETAGS = re.compile(r'[ \t,]*(?:W/)?"[^"]*"(?:[ \t]*,(?:[ \t]*(?:W/)?"[^"]*")?)*[ \t]*')


def _if_match(call: Call) -> frozenset[int] | None:
    """Versions the caller will change, None for any (RFC 9110 section 13.1.1: a weak tag never matches)."""
    given = call.request.headers.get(b"if-match")
    if given is None:
        return None
    text = given.decode("latin-1").strip()
    if text == "*":
        return None
    if not _ETAGS.fullmatch(text):
        _bad_if_match()
    return frozenset(
        int(tag) for weak, tag in _ETAG.findall(text) if not weak and tag.isascii() and tag.isdigit() and len(tag) < 19
    )


def _bad_if_match() -> NoReturn:
    refuse("If-Match", 'must hold entity tags in quotes, such as "3"')


def given(value: Any, otherwise: Any) -> Any:
    """A field of a body as plain data, or what stands for it when it was left out."""
    return otherwise if value is msgspec.UNSET else _plain(value)


def _plain(value: Any) -> Any:
    """Our own kinds of text are plain text from here on."""
    return str(value) if isinstance(value, str) else value


# ---- what is answered


def _shown(user: User) -> dict[str, Any]:
    return users.public(user)


def _fields(user: User, fields: tuple[str, ...]) -> dict[str, Any]:
    shown = users.public(user)
    return {name: shown[name] for name in types.USER_FIELDS if name in fields}


def _listed(call: Call, user: User) -> Response:
    if call.query is not None and call.query.fields is not None:
        return answer(200, _fields(user, call.query.fields), etag(user.version))
    return answer(200, types.UserListed(user.id, user.name, user.email, clock.format_time(user.created_at)), etag(user.version))


def _created(call: Call, user: User) -> Response:
    return created(f"/v1/users/{user.id}", _listed(call, user))


def _updated(call: Call, user: User) -> Response:
    if call.query is not None and call.query.fields is not None:
        return answer(200, _fields(user, call.query.fields), etag(user.version))
    return answer(200, types.UserUpdated(user.id, user.name, user.email, clock.format_time(user.updated_at)), etag(user.version))
