"""Filters (RFC 7644 section 3.4.2.2): from text to a test of a resource."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from types import NoneType
from typing import Any, NamedTuple

from rollbook.errors import InvalidParameter
from rollbook.scim.attributes import AttributePath, target
from rollbook.scim.errors import refused

LONGEST, MAX_TOKENS, DEEPEST = 4_096, 400, 10
Test = Callable[[dict[str, Any]], bool]

_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*+")|([()\[\]])|([^\s()\[\]"]+))')
_NO_TEXT = re.compile("[\0\ud800-\udfff]").search
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda one, other: one == other,
    "co": lambda one, other: other in one,
    "sw": lambda one, other: one.startswith(other),
    "ew": lambda one, other: one.endswith(other),
    "gt": lambda one, other: one > other,
    "ge": lambda one, other: one >= other,
    "lt": lambda one, other: one < other,
    "le": lambda one, other: one <= other,
}
_NOT_OF = {"boolean": ("co", "sw", "ew", "gt", "ge", "lt", "le"), "dateTime": ("co", "sw", "ew")}
"""Operators that values of these types have not."""


class Filter(NamedTuple):
    test: Test
    equal: tuple[tuple[tuple[str, str], str], ...] = ()
    """Pairs that have to be equal: attribute and sub-attribute, and the value. All of it has to be."""
    named: tuple[tuple[tuple[str, str], str], ...] = ()
    """Pairs of all comparisons, whether or not they have to be true."""
    conditions: int = 1
    """Comparisons that a test may take."""


def parse(kind: str, text: str) -> Filter:
    """Raises InvalidParameter."""
    if len(text) > LONGEST:
        raise refused("invalidFilter", f"The filter is longer than {LONGEST:,} characters.")
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None or len(tokens) == MAX_TOKENS:
            raise refused("invalidFilter", f"The filter can't be read from character {at + 1} on.")
        tokens.append(match[0].strip())
        at = match.end()
    parser = _Parser(kind, tokens)
    condition = parser.either()
    if parser.next():
        raise parser.wrong()
    return condition


class _Parser:
    def __init__(self, kind: str, tokens: list[str]) -> None:
        self._kind = kind
        self._tokens = tokens
        self._at = self._depth = 0
        self._within: AttributePath | None = None
        """The attribute whose entries a filter in brackets is about."""

    def next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.next()
        if not token or (expected and token.lower() != expected):
            raise self.wrong()
        self._at += 1
        return token

    def wrong(self) -> Exception:
        near = f"at {self.next()[:100]!r}" if self.next() else "at its end"
        return refused("invalidFilter", f"The filter can't be read {near}.")

    def either(self) -> Filter:
        self._depth += 1
        if self._depth > DEEPEST:
            raise refused("invalidFilter", f"The filter is nested more than {DEEPEST} levels deep.")
        left = self.both()
        while self.next().lower() == "or":
            self.take()
            left = _or(left, self.both())
        self._depth -= 1
        return left

    def both(self) -> Filter:
        left = self.one()
        while self.next().lower() == "and":
            self.take()
            left = _and(left, self.one())
        return left

    def one(self) -> Filter:
        negates = self.next().lower() == "not"
        if negates:
            self.take()
        if negates or self.next() == "(":
            self.take("(")
            inner = self.either()
            self.take(")")
            if not negates:
                return inner
            return Filter(lambda resource: not inner.test(resource), (), inner.named, inner.conditions)
        return self._comparison()

    def _comparison(self) -> Filter:
        path = self.take()
        at = self._target(path)
        if self.next() != "[":
            return self._compared(at)
        if self._within is not None:
            raise self.wrong()
        self.take()
        self._within = at
        inner = self.either()
        self.take("]")
        if self.next().startswith("."):
            inner = _and(inner, self._compared(self._target(self.take()[1:])))
        self._within = None
        whole = at._replace(sub="", is_multi=False)
        return inner._replace(test=lambda resource: any(map(inner.test, whole.values(resource))))

    def _target(self, path: str) -> AttributePath:
        within = self._within
        try:
            attribute = target(self._kind, path if within is None else f"{within.name}.{path}")
        except InvalidParameter:
            attribute = None
        if attribute is not None and within is not None:
            attribute = attribute._replace(extension="", name=attribute.sub, sub="", is_multi=False)
        if attribute is None or not attribute.name:
            raise refused("invalidFilter", f"{path[:100]!r} is no attribute to filter by.")
        return attribute

    def _compared(self, at: AttributePath) -> Filter:
        op = self.take().lower()
        if op == "pr":
            return Filter(lambda resource: any(value not in ("", None) for value in at.values(resource)))
        kind = at.definition["type"]
        if at.is_multi and not at.sub:
            kind = "string"
        if op not in (*_COMPARE, "ne") or kind == "complex" or op in _NOT_OF.get(kind, ()):
            raise refused("invalidFilter", f"The operator {op[:10]!r} can't be used here.")
        try:
            literal = json.loads(self.take())
        except ValueError:
            raise refused("invalidFilter", "A value is a text in double quotes, true, false or a number.") from None
        if _NO_TEXT(str(literal)):
            raise refused("invalidFilter", "A value contains NUL, or half of a character.")
        reads = _reader(kind, at.definition.get("caseExact", False))
        operand, compare = reads(literal), _COMPARE["eq" if op == "ne" else op]
        if operand is None:
            raise refused("invalidFilter", f"{at.name} can't be compared with this value.")

        def test(resource: dict[str, Any]) -> bool:
            values = [reads(value) for value in at.values(resource)]
            return any(value is not None and compare(value, operand) for value in values) != (op == "ne")

        name = (self._within.name, at.name) if self._within is not None else (at.name, at.sub or "value" * at.is_multi)
        equal = ((name, str(literal)),) if op == "eq" and not at.extension else ()
        return Filter(test, equal, equal)


def _reader(kind: str, case_exact: bool) -> Callable[[Any], Any]:
    """Function from a value to what it is compared by; None where it can't be."""
    if kind == "boolean":
        return lambda value: {"true": True, "false": False}.get(str(value).lower())
    if kind == "dateTime":
        return _time
    return lambda value: (
        None if isinstance(value, dict | list | NoneType) else str(value) if case_exact else str(value).lower()
    )


def _time(value: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _and(one: Filter, other: Filter) -> Filter:
    return Filter(
        lambda resource: one.test(resource) and other.test(resource),
        one.equal + other.equal,
        one.named + other.named,
        one.conditions + other.conditions,
    )


def _or(one: Filter, other: Filter) -> Filter:
    return Filter(
        lambda resource: one.test(resource) or other.test(resource),
        (),
        one.named + other.named,
        one.conditions + other.conditions,
    )
