"""The arguments of actions that are more than the call's body or query."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from rollbook.actions import applications, users
from rollbook.actions.arguments import MAX_POSITION, FollowEvents, ImportOptions, SessionVerification
from rollbook.actions.checking import refuse
from rollbook.actions.events import Waiting
from rollbook.api import paging, types
from rollbook.api.call import Call
from rollbook.http.coding import plain_tag
from rollbook.http.request import Request
from rollbook.records.user_list.query import Filters, Query

_ETAG = re.compile(r'(W/)?"([^"]*)"')
_ETAGS = re.compile(r'[ \t,]*(?:W/)?"[^"]*"(?:[ \t]*,(?:[ \t]*(?:W/)?"[^"]*")?)*[ \t]*')


def user_page(call: Call) -> tuple[Query]:
    return _page(call, users.filters_of(call.query))


def application_page(call: Call) -> tuple[Query]:
    return _page(call, applications.filters_of(call.query))


def _page(call: Call, filters: Filters) -> tuple[Query]:
    asked: types.ListUsers | types.ListApplications = call.query
    sort = users.sort_of(asked)
    query = Query(
        filters,
        users.order_of(sort),
        asked.limit,
        asked.offset,
        count=asked.count is not None,
        eventual=asked.consistency == "eventual",
        listed=asked.fields is None,
    )
    if asked.cursor is None:
        return (query,)
    if asked.offset:
        refuse("cursor", "and offset cannot go together")
    return (query._replace(position=paging.position(call.services.secret, sort, asked.cursor)),)


def nothing(call: Call) -> tuple[()]:
    """Take no arguments: the query only chooses what is shown."""
    return ()


def moment(call: Call) -> tuple[str | None]:
    return (call.query.at,)


def filters(call: Call) -> tuple[Filters]:
    return (users.filters_of(call.query),)


def changes(call: Call) -> tuple[Any, frozenset[int] | None]:
    return call.body, _if_match(call)


def deletion(call: Call) -> tuple[bool, frozenset[int] | None]:
    return call.query.purge, _if_match(call)


def member_page(call: Call) -> tuple[int, int]:
    asked: types.ListMembers = call.query
    if asked.cursor is None:
        return asked.limit, 0
    return asked.limit, paging.position(call.services.secret, None, asked.cursor).values[0]


def verification(call: Call) -> tuple[SessionVerification, bool]:
    return call.body, call.query.fields is not None


def versions(call: Call) -> tuple[frozenset[int] | None]:
    return (_if_match(call),)


def waiting(call: Call) -> tuple[Any, Waiting]:
    return call.query, partial(_waiting, call.request)


@contextmanager
def _waiting(request: Request, leave: Callable[[], None]) -> Iterator[None]:
    """The time in it is not counted as that of the request: it says nothing about the server."""
    began = time.perf_counter_ns()
    if request.left is not None:
        leave()
    request.left = leave
    try:
        yield
    finally:
        request.left = None
        request.started += time.perf_counter_ns() - began


def following(call: Call) -> tuple[FollowEvents, str | None]:
    last = call.request.headers.get(b"last-event-id")
    if last is not None and len(last) > MAX_POSITION:
        refuse("Last-Event-ID", f"must be at most {MAX_POSITION} characters")
    return call.query, None if last is None else last.decode("latin-1")


def import_file(call: Call) -> tuple[ImportOptions, AsyncIterator[bytes]]:
    return call.query, call.request.chunks()


def _if_match(call: Call) -> frozenset[int] | None:
    """Versions the caller will change, None for any (RFC 9110 section 13.1.1: a weak tag never matches)."""
    given = call.request.headers.get(b"if-match")
    if given is None:
        return None
    return versions_in(given.decode("latin-1").strip(), "If-Match")


def versions_in(text: str, name: str) -> frozenset[int] | None:
    """Versions in the value of a condition, in a header or elsewhere. Raises InvalidParameter."""
    if text == "*":
        return None
    if not _ETAGS.fullmatch(text):
        refuse(name, 'must hold entity tags in quotes, such as "3"')
    tags = [plain_tag(tag) for weak, tag in _ETAG.findall(text) if not weak]
    return frozenset(int(tag) for tag in tags if tag.isascii() and tag.isdigit() and len(tag) < 19)
