"""Options made of the fields of a call: type, choices and description are those of the field.

What only people need is said here: an email instead of an ID, a duration, several values, another name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import click
from click.shell_completion import CompletionItem
from msgspec import Meta, Struct, UnsetType

from rollbook import clock, units
from rollbook.actions.arguments import ActiveTime, LimitText, Metadata, MetadataFilter, MetadataPatch, Time
from rollbook.actions.arguments.tokens import TokenData
from rollbook.actions.arguments.webhooks import WebhookHeaders
from rollbook.actions.checking import fields_of, metadata_pair
from rollbook.cli.backends import Backend, Shown
from rollbook.cli.completion import emails

FLAGS = {
    "expires_at": "expires",
    "expires_in": "expires",
    "headers": "header",
    "key": "key-id",
    "mapping": "map",
    "q": "search",
    "source": "from",
    "types": "type",
    "user_id": "user",
}
"""Fields whose option has another name."""
SHORT = {"limit": "-n", "q": "-s"}
NEGATIVE = {"email_verified": "--email-unverified"}
"""The opposite of an option, where it is not --no-…"""
METAVARS = {
    "absent_group": "GROUP",
    "group": "GROUP",
    "email": "EMAIL",
    "url": "URL",
    "redirect_url": "URL",
    "address": "IP",
    "key": "KEY_ID",
    "method": "METHOD",
}
HELP: dict[Any, str] = {
    "headers": "Headers to send with each event, at most 20, with at most 4 KiB. Values are never shown again.",
    "absent_group": "For --absent: the group all of whose members the file has, named by its ID or its name.",
    "absent_metadata": "For --absent: a value that the metadata of everyone has whom the file should have.",
    "adopt": "With --on-conflict update, take over users who may have signed up with an email that isn't theirs. This "
    "ends their password, second factors, API keys, sessions and links. Otherwise, they are refused.",
    "dry_run": "Only say what would happen, and change nothing.",
    "ip_allow": "IP addresses and networks that can use the key, separated by commas, or `any`.",
    "path": "Only requests to paths that begin like this; with --path-match exact, to this one.",
    "path_match": "How --path is compared: `prefix`, the default, or `exact`.",
    "rate_limit": "Rate limit, such as `100/minute,5000/hour`, `none`, or `default`.",
    "revealable": "Let the key be revealed again. [default: yes]",
    "scopes": "Scopes of the key, separated by commas, or `all`: everything its user can do.",
    "skip_imports": "Leave out the events of imports, except `import.finished`.",
    "expires_in": "How long it can be used, at most 30 days. Default: by its purpose.",
    "group": "Only members of this group, named by its ID or its name.",
    "expires_at": "When the key expires: a duration such as 30d or 12h, an RFC 3339 time, or `never`.",
    "ends_at": "When the user is suspended: a duration such as 30d, an RFC 3339 time, or `never`.",
    "mapping": "Which field a column of a CSV file is, such as `Mail=email` or `Plan=metadata.plan`; `Notes=` "
    "ignores it.",
    "user_id": "The user it belongs to. [default: yourself]",
    MetadataFilter: "Only users with this value at the top level of their metadata, compared as text.",
}
"""The descriptions of fields whose own say how programs write them."""
EVERYTHING = {"scopes": "all", "ip_allow": "any"}
"""Lists that can be null, with the word that people write for it."""
PEOPLE = ("user", "user_id", "actor", "created_by")
"""Fields that are about a user: the option takes an email, or what the API takes."""

_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?").fullmatch


class Writing(NamedTuple):
    """Form in which people write the value of a field."""

    metavar: str = "TEXT"
    read: Callable[[Any], Any] = lambda text: text
    """The value as the API gets it. Raises ValueError with a sentence."""
    more: str = ""
    """Words after the description."""
    is_repeated: bool = False
    choices: tuple[str, ...] = ()


class FieldOption(click.Option):
    """An option for a field of a call."""

    def __init__(self, field: str, flags: list[str], **more: Any) -> None:
        super().__init__(flags, **more)
        self.field = field


class Fields:
    """The fields of a call that were given as options."""

    def __init__(self, command: click.Command, values: dict[str, Any]) -> None:
        """Takes the values of the options for fields out of `values`."""
        options = [(flag, values.pop(str(flag.name))) for flag in command.params if isinstance(flag, FieldOption)]
        self._given = {option.field: value for option, value in options if value not in (None, ())}
        self._flags = [option.opts[0] for option, _ in options]

    def __bool__(self) -> bool:
        return bool(self._given)

    def __contains__(self, field: str) -> bool:
        return field in self._given

    @property
    def texts(self) -> dict[str, str]:
        """The values that were given, as a query has them. No emails are looked up."""
        return as_query(self._given)

    def require_any(self, *others: str) -> None:
        """Raises BadParameter if no field was given. `others` are options that would do as well."""
        if not self._given:
            raise click.BadParameter(f"Nothing to change: add at least one of {', '.join([*self._flags, *others])}.")

    def take(self, field: str) -> Any:
        """The value of a field that the command handles itself; None if it was not given."""
        return self._given.pop(field, None)

    def sent(self, backend: Backend) -> Shown:
        """Values that the call gets. Emails of users become their IDs. Raises Failure, ApiError."""
        fields: Shown = {name: None if value is NOTHING else value for name, value in self._given.items()}
        for name in PEOPLE:
            if "@" in fields.get(name, ""):
                fields[name] = backend.user(fields[name])["id"]
        if "group" in fields:
            fields["group"] = backend.group(fields["group"])["id"]
        return fields


def as_query(fields: Shown) -> dict[str, str]:
    """Fields as a query has them: lists with commas, yes and no as `true` and `false`."""
    return {name: _as_text(value) for name, value in fields.items()}


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else str(value)


NOTHING: Any = object()
"""An empty text: removes the value of a field that can be null."""


def options_of(
    kind: type[Struct], leave_out: Iterable[str] = (), flags: Mapping[str, str] = {}, optional: Iterable[str] = ()
) -> list[click.Parameter]:
    """An option for each field of a query or body. `flags` are names in this command alone; `optional` are fields that
    the command fills in where the option is missing."""
    return [
        _option(
            name,
            field,
            flags.get(name) or FLAGS.get(name) or name.replace("_", "-"),
            field.required and name not in optional,
        )
        for name, field in fields_of(kind).items()
        if name not in leave_out
    ]


def _option(name: str, field: Any, flag: str, required: bool) -> FieldOption:
    variable = flag.replace("-", "_") if flag.replace("-", "_").isidentifier() and flag != "from" else name
    help = HELP.get(MetadataFilter if _holds(field.type, MetadataFilter) else name) or _about(field.type)
    if _holds(field.type, bool):
        return FieldOption(name, [f"--{flag}/{NEGATIVE.get(name, f'--no-{flag}')}", variable], default=None, help=help)
    writing = _writing(name, field.type)

    def read(context: click.Context, option: click.Parameter, value: Any) -> Any:
        if value in (None, ()):
            return None
        try:
            return writing.read(list(value) if writing.is_repeated else value)
        except ValueError as problem:
            raise click.BadParameter(f"--{flag}: {problem}") from None

    return FieldOption(
        name,
        [f"--{flag}", *([SHORT[name]] if name in SHORT else []), variable],
        metavar=writing.metavar,
        type=int if writing.metavar == "N" else str,
        multiple=writing.is_repeated,
        required=required,
        help=f"{help} {writing.more}".strip(),
        callback=read,
        shell_complete=emails if name in PEOPLE else offering(writing.choices) if writing.choices else None,
    )


def _writing(name: str, kind: Any) -> Writing:
    if name in PEOPLE:
        return Writing("EMAIL|ID")
    if name in _NAMED:
        return _NAMED[name]
    for inner, writing in _HELD.items():
        if _holds(kind, inner):
            return writing
    choices = tuple(_choices(kind))
    if _holds(kind, tuple):
        if name in ("type", "types"):
            return Writing("TYPE", more="Can be repeated.", is_repeated=True)
        if (word := EVERYTHING.get(name)) and _holds(kind, type(None)):
            return Writing("A,B", lambda text: NOTHING if text == word else parts(text), choices=choices)
        return Writing("A,B", parts, choices=choices)
    if _holds(kind, int) and not _has_schema(kind):
        return Writing("N")
    metavar = METAVARS.get(name) or (name.upper() if choices else "TEXT")
    if _holds(kind, type(None)) and _holds(kind, UnsetType):  # in a body, null removes the value
        return Writing(metavar, lambda text: text or NOTHING)
    return Writing(metavar, choices=choices)


# ---- values


def parts(text: str) -> list[str]:
    """`A,B` as a list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def offering(choices: Iterable[str]) -> Callable[..., list[CompletionItem]]:
    """Completion of one of these values, or of several with commas between them."""

    def offered(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        first, comma, last = incomplete.rpartition(",")
        return [CompletionItem(first + comma + value) for value in choices if value.startswith(last)]

    return offered


def expiry(text: str) -> str:
    """A duration from now (`30d`) or an RFC 3339 time, as RFC 3339. Raises ValueError."""
    if (length := units.seconds(text)) is not None:
        at = clock.now() + length * clock.SECOND
        if at > clock.LATEST:
            raise ValueError(f"{text} is later than the year 9999.")
        return clock.format_time(at)
    try:
        clock.parse(text)
    except (ValueError, OverflowError):
        raise ValueError("use a duration such as 30d, or a time such as 2027-01-31T00:00:00Z.") from None
    return text


def until(text: str, option: str = "--expires") -> str:
    """`expiry` of an option. Raises BadParameter."""
    try:
        return expiry(text)
    except ValueError as problem:
        raise click.BadParameter(f"{option}: {problem}") from None


def _seconds(text: str) -> int:
    seconds = units.seconds(text)
    if seconds is None:
        raise ValueError(f"use a duration such as 90s, 15m, 12h, 30d or 2w, not {text!r}.")
    return seconds


def moment(text: str) -> str:
    """A duration before now (`2h`), or a day or time in the zone of this machine, as tables show it, as RFC 3339.
    Anything else stays as it is: the API says what is wrong with it."""
    return _moment(text, -1)


def _moment(text: str, sign: int) -> str:
    """A time as `moment` reads it, with a duration from now where `sign` is 1."""
    if (length := units.seconds(text)) is not None:
        return clock.format_time(min(max(0, clock.now() + sign * length * clock.SECOND), clock.LATEST))
    if not _LOCAL(text):
        return text
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()[:19] + "Z"
    except (ValueError, OverflowError):
        return text


def _headers(texts: list[str]) -> dict[str, str | None]:
    """By name. One without a value is to be removed."""
    pairs = [text.partition(":") for text in texts]
    if wrong := [texts[at] for at, (name, colon, _) in enumerate(pairs) if not name.strip() or not colon]:
        raise ValueError(f"use NAME:VALUE, not {wrong[0]!r}.")
    return {name.strip(): value.strip() or None for name, _, value in pairs}


def metadata_of(texts: list[str]) -> dict[str, str | None]:
    """By name. One without a value is to be removed. Raises ValueError."""
    pairs = [text.partition("=") for text in texts]
    if wrong := [texts[at] for at, (name, equals, _) in enumerate(pairs) if not name or not equals]:
        raise ValueError(f"use NAME=TEXT, such as plan=team, not {wrong[0]!r}.")
    return {name: text or None for name, _, text in pairs}


def _metadata_query(texts: list[str]) -> str:
    pairs = [text.partition("=") for text in texts]
    if wrong := [texts[at] for at, (name, _, text) in enumerate(pairs) if not name or not text]:
        raise ValueError(f"use KEY=VALUE, such as plan=pro, not {wrong[0]!r}.")
    return ",".join([metadata_pair(name, text) for name, _, text in pairs])


def _limit(text: str) -> Any:
    return NOTHING if text.strip().lower() == "default" else text


AHEAD = Writing(
    "TIME", lambda text: _moment(text, 1), "Or a day or time in your zone, or how long from now, such as `30d`."
)
_NAMED = {
    "absent_metadata": Writing("KEY=VALUE", lambda text: _metadata_query([text])),
    "overlap": Writing("TIME", _seconds, "A duration, such as 1h or 30d."),
    "expires_in": Writing("TIME", _seconds, "A duration, such as 15m or 7d."),
    "ends_at": Writing("TIME", lambda text: NOTHING if text == "never" else expiry(text)),
    **dict.fromkeys(("ends_after", "ends_before"), AHEAD),
    "expires_at": Writing("TIME", lambda text: NOTHING if text == "never" else expiry(text)),
    "expires_before": AHEAD,
    "mapping": Writing("COLUMN=FIELD", more="Can be repeated.", is_repeated=True),
    "method": Writing("METHOD", lambda text: text.upper()),
}
_HELD: dict[Any, Writing] = {
    **dict.fromkeys(
        (Time, ActiveTime), Writing("TIME", moment, "Or a day or time in your zone, or how long ago, such as `2h`.")
    ),
    WebhookHeaders: Writing("NAME:VALUE", _headers, "`NAME:` removes one. Can be repeated.", is_repeated=True),
    MetadataFilter: Writing("KEY=VALUE", _metadata_query, "Can be repeated.", is_repeated=True),
    Metadata: Writing("NAME=TEXT", metadata_of, "Can be repeated.", is_repeated=True),
    TokenData: Writing("NAME=TEXT", metadata_of, "Can be repeated.", is_repeated=True),
    MetadataPatch: Writing("NAME=TEXT", metadata_of, "`NAME=` removes one. Can be repeated.", is_repeated=True),
    LimitText: Writing("LIMIT", _limit),
}


# ---- types


def _about(kind: Any) -> str:
    """The description of a field's type."""
    if get_origin(kind) is Annotated:
        for part in reversed(get_args(kind)[1:]):  # the last one describes this field, those before its type
            if isinstance(part, Meta) and (
                description := part.description or (part.extra_json_schema or {}).get("description")
            ):
                return str(description).replace(" Null removes it.", "").replace("Default or null:", "Default:")
    if isinstance(kind, type) and _has_schema(kind):
        return " ".join((kind.__doc__ or "").split())
    for part in get_args(kind):
        if not isinstance(part, Meta) and (description := _about(part)):
            return description
    return ""


def _has_schema(kind: Any) -> bool:
    """Test whether this is a type of our own, or holds one: what arrives for it is a text."""
    return hasattr(kind, "schema") if isinstance(kind, type) else any(_has_schema(part) for part in _inner(kind))


def _holds(kind: Any, part: Any) -> bool:
    if isinstance(kind, type):
        return kind is part or (part is tuple and issubclass(kind, tuple)) or (part is int and kind is int)
    return get_origin(kind) is part or any(_holds(inner, part) for inner in _inner(kind))


def _choices(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    if isinstance(kind, type) and _has_schema(kind):
        schema: Mapping[str, Any] = kind.schema  # type: ignore[attr-defined]
        return list(schema.get("enum") or schema.get("items", {}).get("enum") or ())
    return [choice for part in _inner(kind) for choice in _choices(part)]


def _inner(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Annotated:
        return (get_args(kind)[0],)
    return get_args(kind) if get_origin(kind) in (Union, UnionType, tuple) else ()
