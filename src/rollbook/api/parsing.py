"""What callers send, read strictly: every fault is named, nothing is guessed, clamped or dropped."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, NoReturn, TypeVar, get_args
from urllib.parse import unquote

import msgspec
from msgspec import Struct, ValidationError
from msgspec.structs import FieldInfo

from rollbook import clock
from rollbook.api import types
from rollbook.errors import Fault, InvalidJson, InvalidParameter, UnsupportedMediaType
from rollbook.quota import Limit
from rollbook.records import directory, rules, search

S = TypeVar("S", bound=Struct)

METADATA_BYTES = 16_384
LIMIT_LENGTH = 100
MOST_IDS = 200  # as many as a target of 8 KiB has room for, and some room to spare
MOST_FAULTS = 100  # told at once: a body of thousands of made-up names would else be answered with megabytes
# So that a client may read a user, change a field and send it all back.
READ_ONLY = frozenset(("id", "created_at", "updated_at", "last_sign_in_at"))

_INTEGER = re.compile(r"-?[0-9]+").fullmatch
# Section 5.6; Python's own reader takes week dates and decimal commas too.
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
).fullmatch
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]").search
_LARGEST = (1 << 62) - 1
_decode = msgspec.json.Decoder().decode
# `*+` gives nothing back: two runs of blanks in a row would be parted in every way there is, seconds for a long header.
_MEDIA_TYPE = re.compile(rb"\s*+application/(?:[\w.-]+\+)?json\s*+(?:;\s*+charset\s*+=\s*+\"?utf-?8\"?\s*+)?;?\s*+\Z", re.I).match


class NoQuery(types.Query):
    """For calls that take no parameters."""


class NoBody(types.Body):
    """For calls whose body, if there is one, is an empty object."""


# ---- bodies


def read_object(body: bytes, content_type: bytes | None, encoding: bytes | None) -> dict[str, Any]:
    """A JSON object (RFC 8259) of the kind every reader understands alike: UTF-8, no duplicate names, no NaN, no NUL, no lone surrogates.

    Raises UnsupportedMediaType, InvalidJson.
    """
    if content_type is not None and not _MEDIA_TYPE(content_type):
        raise UnsupportedMediaType()
    if encoding is not None and encoding.strip().lower() != b"identity":
        raise UnsupportedMediaType("Send the body without Content-Encoding.")
    if not body:
        raise InvalidJson("The body is empty: a JSON object is expected.")
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise InvalidJson(_json_sentence(problem)) from None
    if type(found) is not dict:
        raise InvalidJson("The body must be a JSON object.")
    # msgspec keeps the last of two equal names. As many colons as names is proof that there are no two; else look closely.
    if len(found) != body.count(b":") or b"\\u0000" in body:
        _look_closely(body)
    return found


def parse_body(kind: type[S], found: dict[str, Any], hook: Callable[[type, Any], Any]) -> S:
    """The object as this type. Raises InvalidParameter with all that is wrong with it."""
    if kind is types.UserChanges or kind is types.NewUser:
        found = {name: value for name, value in found.items() if name not in READ_ONLY}
    try:
        return msgspec.convert(found, kind, dec_hook=hook)
    except ValidationError:
        raise invalid(_faults(kind, found, hook)) from None


def dec_hook(password_min_length: int) -> Callable[[type, Any], Any]:
    """How our own types are made from what arrived. Each raises ValueError with words that do not repeat the value."""

    def hook(kind: type, value: Any) -> Any:
        if kind is types.Metadata:
            return _metadata(value)
        if not isinstance(value, str):
            raise ValueError("must be a string")
        if kind is types.Name:
            return types.Name(rules.name(value))
        if kind is types.Email:
            return types.Email(rules.email(value))
        if kind is types.NewPassword:
            return types.NewPassword(rules.password(value, password_min_length))
        if kind is types.Time:
            return _time(value)
        if kind is types.LimitText:
            if len(value) > LIMIT_LENGTH:
                raise ValueError(f"must have at most {LIMIT_LENGTH} characters")
            return types.LimitText(str(Limit.parse(value)))
        if kind is types.Network:
            try:
                if "%" in value:  # a zone (RFC 4007): any text at all, and it means something on one machine only
                    raise ValueError(value)
                return types.Network(_plain_network(value))
            except ValueError:
                raise ValueError("must be an address or a network such as 203.0.113.0/24") from None
        raise NotImplementedError(kind)

    return hook


def _plain_network(value: str) -> IPv4Network | IPv6Network:
    """An IPv4 network that was written as IPv6 (::ffff:192.0.2.0/120) is what it means: that is how callers' addresses are seen."""
    network = ip_network(value)
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return network if mapped is None or network.prefixlen < 96 else ip_network((mapped, network.prefixlen - 96))


def _metadata(value: Any) -> types.Metadata:
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object")
    text = msgspec.json.encode(value).decode()
    if len(text.encode()) > METADATA_BYTES:
        raise ValueError(f"must be at most {METADATA_BYTES:,} bytes of JSON")
    return types.Metadata(text)


def _time(value: str) -> types.Time:
    try:
        if not _RFC_3339(value):
            raise ValueError(value)
        at = clock.parse(value)
    except (ValueError, OverflowError):
        raise ValueError("must be an RFC 3339 time such as 2023-10-27T10:00:00Z") from None
    if not 0 <= at <= clock.LATEST:
        raise ValueError("must be a time between 1970 and 9999")
    return types.Time(at)


def _look_closely(body: bytes) -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            counts = Counter([name for name, _ in pairs])
            twice = next(name for name, count in counts.items() if count > 1)
            raise InvalidJson(f"The body has the name {_quoted(twice)} more than once.")
        for name, value in pairs:
            if "\0" in name or (isinstance(value, str) and "\0" in value):
                raise InvalidJson("The body holds a NUL character.")
            if isinstance(value, list):
                _no_nul(value)
        return found

    try:
        json.loads(body, object_pairs_hook=once)
    except RecursionError:
        raise InvalidJson("The body is nested too deeply.") from None


def _no_nul(items: list[Any]) -> None:
    for item in items:
        if isinstance(item, str) and "\0" in item:
            raise InvalidJson("The body holds a NUL character.")
        if isinstance(item, list):
            _no_nul(item)


def _json_sentence(problem: Exception) -> str:
    if isinstance(problem, RecursionError):
        return "The body is nested too deeply."
    if isinstance(problem, UnicodeDecodeError) or "utf-8" in str(problem).lower():
        return "The body is not valid UTF-8."
    return "The body is not valid JSON."


def _faults(kind: type[Struct], found: dict[str, Any], hook: Callable[[type, Any], Any]) -> list[Fault]:
    """Everything that is wrong, field by field, in the order of the type; unknown fields at the end."""
    faults: list[Fault] = []
    fields = _fields(kind)
    for field in fields.values():
        if field.encode_name not in found:
            if field.required:
                faults.append(Fault(field.encode_name, f"{field.encode_name} is required."))
            continue
        try:
            msgspec.convert(found[field.encode_name], field.type, dec_hook=hook)
        except ValidationError as problem:
            faults.append(Fault(field.encode_name, _message(field.encode_name, str(problem), field.type)))
    for name in found:
        if name not in fields and len(faults) < MOST_FAULTS:
            faults.append(Fault(_short(name), _unknown_field(name, kind)))
    return faults


def _unknown_field(name: str, kind: type[Struct]) -> str:
    if name == "password" and kind is types.UserChanges:
        return "password cannot be changed here: use PUT /v1/users/{userId}/password."
    return f"{_quoted(name)} is not a field of this request. Fields: {', '.join(_fields(kind)) or 'none'}."


_WORDS = {
    "str": "a string", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "a list", "object": "an object",
    "null": "null",
}  # fmt: skip
_EXPECTED = re.compile(r"Expected `([^`]+)`, got `(\w+)`")
_BOUND = re.compile(r"Expected `(\w+)`( of length)? (>=|<=|>|<|==) ([\d.]+)")


def _message(param: str, problem: str, kind: Any) -> str:
    """A whole sentence about a parameter. The rules of `records/rules` give one already; others go on from the parameter's name."""
    sentence = _sentence(problem, kind)
    if sentence[:1].isupper():
        return sentence
    return f"{param} {sentence}" if sentence.endswith(".") else f"{param} {sentence}."


def _sentence(problem: str, kind: Any) -> str:
    """msgspec's message in words for people."""
    problem, _, place = problem.partition(" - at ")
    where = f" (item {int(place[3:-2]) + 1})" if place.startswith("`$[") and place[3:-2].isdigit() else ""
    if found := _BOUND.match(problem):
        of, length, comparison, bound = found.groups()
        unit = "" if not length else (" character" if of == "str" else " item") + ("" if bound == "1" else "s")
        amount = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than", "==": "exactly"}[comparison]
        verb = "must have" if length else "must be"
        return f"{verb} {amount} {bound}{unit}{where}"
    if problem.startswith("Invalid enum value"):
        return f"must be one of {', '.join(_choices(kind))}{where}"
    if found := _EXPECTED.match(problem):
        expected = [_WORDS.get(word.strip(), word.strip()) for word in found[1].split("|")]
        return f"must be {' or '.join(expected)}, not {_WORDS.get(found[2], found[2])}{where}"
    if problem.startswith("Expected `str` matching regex"):
        return f"must not hold control characters{where}"
    return problem + where


def _choices(kind: Any) -> list[str]:
    found: list[str] = []
    for part in get_args(kind):
        if isinstance(part, str):
            found.append(part)
        else:
            found.extend(_choices(part))
    return found


# ---- queries


def parse_query(kind: type[S], query: str) -> S:
    """The query string as this type. Raises InvalidParameter with all that is wrong with it."""
    found: dict[str, str] = {}
    faults: list[Fault] = []
    fields = _fields(kind)
    for part in query.split("&") if query else ():
        if not part:
            continue
        if len(faults) >= MOST_FAULTS:
            break
        raw_name, _, raw_value = part.partition("=")
        try:
            name, value = _decoded(raw_name), _decoded(raw_value)
        except UnicodeDecodeError:
            faults.append(Fault(_short(raw_name), f"{_quoted(raw_name)} is not UTF-8 in percent-encoding."))
            continue
        if name not in fields:
            allowed = f"Parameters: {', '.join(fields)}." if fields else "This call takes none."
            faults.append(Fault(_short(name), f"{_quoted(name)} is not a parameter of this call. {allowed}"))
        elif name in found:
            faults.append(Fault(name, f"{name} must be given once."))
        elif value == "":
            faults.append(Fault(name, f"{name} must not be empty."))
        elif "\0" in value:
            faults.append(Fault(name, f"{name} must not hold a NUL character."))
        else:
            found[name] = value
    values: dict[str, Any] = {}
    for name, value in found.items():
        field = fields[name]
        try:
            values[name] = msgspec.convert(_number(value, field.type), field.type, dec_hook=_query_hook)
        except ValidationError as problem:
            # Everything in a query is text: that it is not a number is the fault, not that it is a string.
            faults.append(Fault(name, _message(name, str(problem), field.type).replace(", not a string.", ".")))
    if faults:
        raise invalid(faults)
    return kind(**values)


@cache
def _fields(kind: type[Struct]) -> dict[str, FieldInfo]:
    """Asked of msgspec once: it takes longer than the rest of the parsing."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _decoded(text: str) -> str:
    return unquote(text.replace("+", " "), errors="strict") if "%" in text or "+" in text else text


def _number(value: str, kind: Any) -> Any:
    """A whole number in decimal digits for an integer parameter, as it is for others; a word for what is no number."""
    if kind not in (types.Limit, types.Offset):
        return value
    if not _INTEGER(value):
        return value  # msgspec says: a whole number, not a string
    if value[0] == "-":
        return -1
    # An offset has no ceiling; one that no list can reach is past the end of all of them.
    digits = value.lstrip("0")
    return min(int(digits or "0"), _LARGEST) if len(digits) < 20 else _LARGEST


def _query_hook(kind: type, value: Any) -> Any:
    if kind is types.Time:
        return _time(value)
    if kind is types.SearchText:
        if len(rules.fold(value)) < search.SHORTEST:
            raise ValueError(f"must have at least {search.SHORTEST} characters")
        if len(value) > 255:
            raise ValueError("must have at most 255 characters")
        if _CONTROLS(value):
            raise ValueError("must not hold control characters")
        return types.SearchText(value)
    if kind is types.Cursor:
        return types.Cursor(value)
    parts = value.split(",")
    if "" in parts:
        raise ValueError("must be names with one comma between")
    if kind is types.Fields:
        if value == "*":
            return types.Fields(types.USER_FIELDS)
        for part in parts:
            if part not in types.USER_FIELDS:
                raise ValueError(f"must name fields of a user, or be *. Fields: {', '.join(types.USER_FIELDS)}")
        return types.Fields(parts)
    if kind is types.Sort:
        names = [part.removeprefix("-") for part in parts]
        if len(set(names)) != len(names) or not set(names) <= set(directory.SORTABLE):
            raise ValueError(f"must name each of these at most once, with a minus to turn it: {', '.join(directory.SORTABLE)}")
        return types.Sort(parts)
    if kind is types.Ids:
        if len(parts) > MOST_IDS:
            raise ValueError(f"must be at most {MOST_IDS:,} identifiers")
        return types.Ids(parts)
    raise NotImplementedError(kind)


# ---- faults


def invalid(faults: list[Fault]) -> InvalidParameter:
    """The error that names all of these; its sentence is the first one's."""
    return InvalidParameter(faults[0].message, param=faults[0].param, faults=faults)


def refuse(param: str, sentence: str) -> NoReturn:
    """Raise InvalidParameter for one parameter; the sentence goes on from its name."""
    raise invalid([Fault(param, f"{param} {sentence}.")])


def _short(name: str) -> str:
    """As much of a name that a caller made up as an answer repeats. A NUL, which we take from nobody, we give to nobody."""
    return name[:64].replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _quoted(name: str) -> str:
    return json.dumps(_short(name), ensure_ascii=False)
