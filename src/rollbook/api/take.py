"""Arguments of actions of several nouns that are more than the call's body or query."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from rollbook.actions.checking import refuse
from rollbook.actions.events import Waiting
from rollbook.api.call import Call
from rollbook.http.coding import plain_tag
from rollbook.http.request import Request

_ETAG = re.compile(r'(W/)?"([^"]*)"')
_ETAGS = re.compile(r'[ \t,]*(?:W/)?"[^"]*"(?:[ \t]*,(?:[ \t]*(?:W/)?"[^"]*")?)*[ \t]*')


def nothing(call: Call) -> tuple[()]:
    """Take no arguments: the query only chooses what is shown."""
    return ()


def changes(call: Call) -> tuple[Any, frozenset[int] | None]:
    return call.body, if_match(call)


def versions(call: Call) -> tuple[frozenset[int] | None]:
    return (if_match(call),)


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


def if_match(call: Call) -> frozenset[int] | None:
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
