"""Routes a request by method and path to the table row that answers it; decides 404, 405, `Allow`, HEAD, OPTIONS and
trailing slashes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from difflib import get_close_matches
from typing import Any, Protocol

from rollbook.errors import MethodNotAllowed, NotFound
from rollbook.http.body import EARLY, BodyRule
from rollbook.http.request import Request, RequestName, Response, line

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Characters of a wrong path that are compared with the paths of calls, and how like one of them it must be.
MAX_COMPARED, LIKE = 64, 0.75
# RFC 5789 section 3.1; RFC 7396.
ACCEPT_PATCH = line("Accept-Patch", "application/merge-patch+json, application/json")

# Bytes of the largest form that anyone may send: a password of 256 characters, and the token of a link.
STRANGERS_FORM = 8_192

Ids = tuple[str, ...]
Answer = Response | Coroutine[Any, Any, Response]
"""A response, or what has to be waited for to get one."""
Plan = Callable[[Request, Ids], Answer]
"""Answers the requests for one row. The ids are the path's values, in the order of the braces in `row.path`. Raises
ApiError, as does the coroutine that it returns."""


async def settled(answer: Answer) -> Response:
    return answer if isinstance(answer, Response) else await answer


class RoutedRow(RequestName, Protocol):
    """A row of a table of calls or pages."""

    @property
    def max_body(self) -> int:
        """Most bytes of a body; 0: as many as the setting says."""
        ...

    @property
    def streams_body(self) -> bool:
        """Test whether the body is taken as it comes, from `Request.chunks`, after all else about the request was
        checked."""
        ...


class Entrance(Protocol):
    """Answers the requests for one table of rows: the API, the dashboard."""

    def plan(self, row: Any, /) -> Plan:
        """Asked once for each row, when the server starts."""
        ...

    async def before_refusal(self, request: Request, rows: Sequence[Any], /) -> Response | None:
        """Called before a 404 (`rows` is empty) or 405 (they are those of the path): raise or return here what may be
        told instead."""
        ...


class Resource:
    """Answers of one path pattern, by method."""

    __slots__ = ("allow", "body_rules", "entrance", "options", "plans", "rows")

    def __init__(self, entrance: Entrance, rows: Sequence[RoutedRow], max_body: int) -> None:
        self.entrance = entrance
        self.body_rules = {row.method: _body_rule(row, max_body) for row in rows}
        self.rows = rows
        self.plans: dict[str, tuple[RoutedRow, Plan]] = {row.method: (row, entrance.plan(row)) for row in rows}
        if "GET" in self.plans:
            self.plans["HEAD"] = self.plans["GET"]
        self.allow = ", ".join(method for method in METHODS if method in self.plans or method == "OPTIONS")
        self.options = line("Allow", self.allow) + (ACCEPT_PATCH if "PATCH" in self.plans else b"")


def _body_rule(row: RoutedRow, max_body: int) -> BodyRule:
    """Larger bodies must not be held before the caller is known. Where anyone may send them, they are not large."""
    size = row.max_body or max_body
    is_streamed = row.streams_body or row.max_body > max_body
    return BodyRule(size, is_streamed, size if size <= STRANGERS_FORM else EARLY)


class _Node:
    """One segment of the paths: the resource that ends here, and what can follow."""

    __slots__ = ("named", "resource", "value")

    def __init__(self) -> None:
        self.resource: Resource | None = None
        self.named: dict[str, _Node] = {}
        self.value: _Node | None = None  # what follows `{id}`


class Routes:
    """All rows of all entrances. A `{name}` in a path stands for one whole segment that is not empty; a segment spelled
    out wins over one in braces.

    Most paths are found in one of two dictionaries: those without a value, and those with one value at their end by
    what stands before it. The others are looked for in a tree of segments, which holds all.
    """

    def __init__(self, max_body: int = 65_536) -> None:
        """`max_body`: most bytes of a body where the row does not say."""
        self._max_body = max_body
        self._body_rule = BodyRule(max_body, early=EARLY)
        self._root = _Node()
        self._paths: list[str] = []
        self._static: dict[str, Resource] = {}
        self._ending: dict[str, Resource] = {}
        self._last: tuple[str, tuple[Resource, Ids] | None] = "", None
        self._prefixes: dict[str, Entrance] = {}

    def add(self, entrance: Entrance, rows: Sequence[RoutedRow], prefix: str = "") -> None:
        """`prefix`: the entrance is asked before a 404 for a path that starts with it, and with none that was added
        before."""
        if prefix:
            self._prefixes[prefix] = entrance
        by_path: dict[str, list[RoutedRow]] = {}
        for row in rows:
            by_path.setdefault(row.path, []).append(row)
        for path, group in by_path.items():
            resource = Resource(entrance, group, self._max_body)
            self._paths.append(path)
            if "{" not in path:
                self._static[path] = resource
            elif path.count("{") == 1 and path.endswith("}"):
                self._ending[path.rpartition("/")[0]] = resource
            if path != "/":  # `//` is not the root with a trailing slash
                self._node(path).resource = resource

    def _node(self, path: str) -> _Node:
        node = self._root
        for segment in path[1:].split("/"):
            if segment.startswith("{"):
                node.value = node.value or _Node()
                node = node.value
            else:
                node = node.named.setdefault(segment, _Node())
        return node

    def find(self, path: str) -> tuple[Resource, Ids] | None:
        """A trailing slash is ignored."""
        resource = self._static.get(path)
        if resource is not None:
            return resource, ()
        before, _, last = path.rpartition("/")
        resource = self._ending.get(before)
        if resource is not None and last:
            return resource, (last,)
        return _walk(self._root, (path if last else before).split("/"), 1)

    def body_rule(self, method: str, path: str) -> BodyRule:
        """Rule for the body of the row of this path."""
        match = self.find(path)
        self._last = path, match  # asked for again as soon as the body is there, or later
        return self._body_rule if match is None else match[0].body_rules.get(method, self._body_rule)

    def answer(self, request: Request) -> Answer:
        """By the plan of the row. Raises ApiError, as does the coroutine."""
        path, match = self._last
        if path is not request.path:
            match = self.find(request.path)
        if match is not None:
            planned = match[0].plans.get(request.method)
            if planned is not None:
                request.route, plan = planned
                return plan(request, match[1])
        return self._refuse(request, match)

    def _nearest(self, path: str) -> str | None:
        """The call that a wrong path probably means, as a sentence: the shortest with the same end, or one like it."""
        path = path[:MAX_COMPARED].rstrip("/")
        calls = sorted((call for call in self._paths if call.startswith("/v1/")), key=len)
        same = [call for call in calls if call.endswith(path[path.rfind("/") :])]
        nearest = same or get_close_matches(path, [call for call in calls if "{" not in call], 1, LIKE)
        return f"Did you mean {nearest[0]}? This path doesn't exist." if nearest else None

    async def _refuse(self, request: Request, match: tuple[Resource, Ids] | None) -> Response:
        if match is None:
            if request.path == "*":  # OPTIONS asks about the server as a whole (RFC 9110 section 9.3.7)
                return Response(204, line("Allow", ", ".join(METHODS)))
            for prefix, entrance in self._prefixes.items():
                if request.path.startswith(prefix):
                    if (instead := await entrance.before_refusal(request, ())) is not None:
                        return instead
                    break
            raise NotFound(self._nearest(request.path))
        resource, _ = match
        if request.method == "OPTIONS":
            return Response(204, resource.options)
        if (instead := await resource.entrance.before_refusal(request, resource.rows)) is not None:
            return instead
        raise MethodNotAllowed(request.method, resource.allow)


def _walk(node: _Node, segments: list[str], at: int) -> tuple[Resource, Ids] | None:
    if at == len(segments):
        return None if node.resource is None else (node.resource, ())
    segment = segments[at]
    following = node.named.get(segment)
    if following is not None and (match := _walk(following, segments, at + 1)) is not None:
        return match
    if node.value is None or not segment or (match := _walk(node.value, segments, at + 1)) is None:
        return None
    return match[0], (segment, *match[1])
