"""Reads the values that exports hold, from JSON and from the cells of a table: texts, booleans, times, objects,
names."""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from rollbook import clock
from rollbook.actions.checking import refuse

Record = Mapping[str, Any]
Fields = dict[str, Any]
"""Fields of a user, by name. None: the file doesn't have it."""

PLAIN_HASH, UNKNOWN_HASH = "{noop}", "$unknown"
"""The `password_hash` of those whose password the export has in the clear, or in a form that is not known: the rules of
hashes refuse it, or leave it out."""

_TRUE, _FALSE = frozenset(("true", "t", "1", "yes")), frozenset(("false", "f", "0", "no"))
_NUMBER = re.compile(r"\d{9,17}(?:\.\d+)?").fullmatch
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d+)?) ?(?:[Zz]|UTC|([+-]\d\d)(?::?(\d\d))?)?"
).fullmatch
_NO_TIME = ("0000-00-00", "0001-01-01")
"""The beginnings of times that are none, in MySQL, Go and .NET."""
_IS_DATE = re.compile(r"\d{4}-\d\d-\d\d").match
_BREAKS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_TIMES = ("created_at", "updated_at", "last_sign_in_at", "last_active_at", "ends_at")
_MILLISECONDS = 100_000_000_000
"""Numbers of seconds reach this in the year 5138, and those of milliseconds did in 1973."""
is_secret = re.compile(r"passw|secret|token|hash|otp|salt|private_?key|api_?key", re.IGNORECASE).search


def text(*values: Any) -> str | None:
    """The first of these that is a text and isn't empty; numbers as they are written."""
    for value in values:
        if value is not None and value != "" and not isinstance(value, dict | list):
            return str(value)
    return None


def flag(value: Any) -> Any:
    """A boolean, also as databases write it; anything else as it is, for whoever checks it to refuse."""
    word = str(value).lower()
    return True if word in _TRUE else False if word in _FALSE else value


def is_true(value: Any) -> bool:
    return flag(value) is True


def active_if(value: Any) -> str | None:
    """The status of a user of whom an export says whether they are active."""
    return None if value is None else "active" if is_true(value) else "suspended"


def suspended_if(value: Any) -> str | None:
    return None if value is None else "suspended" if is_true(value) else "active"


def time(value: Any) -> str | None:
    """An RFC 3339 time from one as databases write it (without a zone it is UTC), or from seconds or milliseconds since
    1970. None for a zero.

    What is none of these is returned as it is, for whoever checks it to refuse.
    """
    moment_text = text(value)
    if moment_text is None or moment_text.startswith(_NO_TIME):
        return None
    if moment := _MOMENT(moment_text):
        day, hour, hours, minutes = moment.groups()
        return f"{day}T{hour}{hours or '+00'}:{minutes or '00'}"
    try:
        if _NUMBER(moment_text):
            number = float(moment_text)
            at = datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS else number, UTC)
        else:
            at = datetime.fromisoformat(moment_text)
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return at.isoformat()
    except (ValueError, OverflowError):
        return moment_text


def with_times(user: Fields) -> Fields:
    """The fields with RFC 3339 times, where a table has such as databases write them. Numbers stay for whoever checks
    them to refuse: of a system that isn't known, they may be seconds or anything else."""
    times = {name: time(user[name]) for name in _TIMES if _IS_DATE(str(user.get(name)))}
    return {name: value for name, value in {**user, **times}.items() if name not in times or value} if times else user


def tidied(user: Fields) -> Fields:
    """The fields without blanks around the email, and with the name in one line, where forms and spreadsheets let
    such in."""
    email, name = user.get("email"), user.get("name")
    if isinstance(email, str) and email != email.strip():
        user = {**user, "email": email.strip()}
    if isinstance(name, str) and not name.isprintable():
        user = {**user, "name": _BREAKS.sub(" ", name)}
    return user


def is_ahead(end: str | None) -> bool:
    """Test whether the end of a suspension, as `time` reads it, is still to come. One that is no time is: databases
    write `infinity`."""
    try:
        return end is not None and clock.parse(end) > clock.now()
    except ValueError:
        return True


def json_object(field: str, value: Any) -> dict[str, Any]:
    """An object, or the JSON text of one. Raises InvalidParameter."""
    value = _from_json(field, value, "object")
    if not value:
        return {}
    if not isinstance(value, dict):
        refuse(field, "must be a JSON object")
    return value


def json_objects(field: str, value: Any) -> list[dict[str, Any]]:
    """The objects of an array, or of the JSON text of one. Raises InvalidParameter."""
    value = _from_json(field, value, "array")
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _from_json(field: str, value: Any, what: str) -> Any:
    try:
        return msgspec.json.decode(value) if isinstance(value, str) and value else value
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        refuse(field, f"must be a JSON {what}")


def full_name(row: Record, *names: str | tuple[str, str]) -> str | None:
    """The first of these that the row has, pairs joined."""
    for name in names:
        parts = [text(row.get(part)) for part in ([name] if isinstance(name, str) else name)]
        if joined := " ".join(part.strip() for part in parts if part and part.strip()):
            return joined
    return None


def otpauth_url(secret: bytes | str, digits: Any = None, period: Any = None, algorithm: Any = None) -> str:
    """The secret of an authenticator app, as bytes or base32, as `totp_secret`, for whoever checks it to refuse."""
    parameters = {
        "secret": secret if isinstance(secret, str) else b32encode(secret).decode().rstrip("="),
        "digits": text(digits),
        "period": text(period),
        "algorithm": text(algorithm),
    }
    return "otpauth://totp/?" + urlencode({name: value for name, value in parameters.items() if value is not None})


def others(row: Record, used: frozenset[str]) -> dict[str, Any]:
    """Other values of the row, for either metadata: but nothing that is empty or, by its name, a secret."""
    return {
        name: value
        for name, value in row.items()
        if name not in used and value not in (None, "", [], {}) and not is_secret(name)
    }


def parted(values: Record, is_readable: Callable[[str], bool]) -> tuple[Fields, Fields]:
    """Values that users may read of themselves, by their names, and the rest."""
    readable = {name: value for name, value in values.items() if is_readable(name)}
    return readable, {name: value for name, value in values.items() if name not in readable}


def true_ones(row: Record, *names: str) -> dict[str, bool]:
    """Return those of these marks that the user has."""
    return {name: True for name in names if is_true(row.get(name))}


def fields(**user: Any) -> Fields:
    """The fields that the row has."""
    return {name: value for name, value in user.items() if value not in (None, {})}
