"""Builds and validates the arguments of actions: every fault is reported; nothing is guessed, clamped or ignored."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice
from types import UnionType
from typing import Annotated, Any, NoReturn, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Struct, ValidationError
from msgspec.structs import FieldInfo

from rollbook import clock, ids
from rollbook.actions import arguments
from rollbook.actions.arguments import MAX_IDS
from rollbook.actions.arguments import events as event_arguments
from rollbook.actions.arguments import groups as group_arguments
from rollbook.actions.arguments import imports as import_arguments
from rollbook.actions.arguments import keys as key_arguments
from rollbook.actions.arguments import rules as rule_arguments
from rollbook.actions.arguments import sessions as session_arguments
from rollbook.actions.arguments import tokens as token_arguments
from rollbook.actions.arguments import usage as usage_arguments
from rollbook.actions.arguments import webhooks as webhook_arguments
from rollbook.actions.arguments.events import MAX_TYPES
from rollbook.auth import one_time_codes
from rollbook.delivery.addresses import MAX_URL
from rollbook.errors import Fault, InvalidParameter, PreconditionFailed, quoted, shortened
from rollbook.quota import Limit
from rollbook.records import event_types, groups, rules, user_metadata
from rollbook.records.user_list.query import NEVER, SORTABLE

S = TypeVar("S", bound=Struct)
Hook = Callable[[type, Any], Any]

LIMIT_LENGTH = 100
MAX_PAIRS = 10
NO_EVENT_TYPE = "must be event types such as user.created, groups such as user.*, or *"
MAX_MAPPING = 8_192
MAX_FAULTS = 100  # named at once: an object with thousands of unknown fields would otherwise be answered with megabytes
MAX_REDIRECT_URL = arguments.RedirectUrl.schema["maxLength"]  # a page's Content-Security-Policy names its origin
MAX_TOKEN_DATA = 4_096
MAX_HEADERS, MAX_HEADER_BYTES = 20, 4_096
OWN_HEADERS = frozenset(
    "host connection keep-alive te trailer transfer-encoding upgrade expect user-agent accept-encoding".split()
)
OWN_PREFIXES = ("webhook-", "content-", "ce-", "proxy-")
"""Headers, and how they begin, that webhooks can't have of their own: they are set by the server, or by HTTP itself."""

# RFC 3339 section 5.6; Python's own reader accepts week dates and decimal commas too.
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
).fullmatch
_INTEGER = re.compile(r"-?[0-9]+").fullmatch
# As JSON, Python and PHP write them.
_BOOLEANS = {"true": True, "false": False, "True": True, "False": False, "1": True, "0": False}
_LARGEST = (1 << 62) - 1
_VISIBLE = re.compile(r"[!-~]+").fullmatch
_REDIRECT_URL = re.compile(arguments.RedirectUrl.schema["pattern"].replace("(:", "(?P<port>:")).fullmatch
_IS_HASH = (
    "The password is the hash of a password. Hashes are only accepted in imports, as password_hash. If a column "
    "of your file is named "
    "password, import it with --map password=password_hash."
)
_FIELD_NAME = re.compile(r"[A-Za-z0-9-]{1,100}").fullmatch
_FIELD_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?").fullmatch  # RFC 9110 section 5.5
_METADATA_PAIR = re.compile(r"((?:[^\\,:]|\\[\\,:])++):((?:[^\\,]|\\[\\,:])++)(?:,(?!\Z)|\Z)").match
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]").search


def check(kind: type[S], values: Mapping[str, Any], password_min_length: int) -> S:
    """These fields as arguments of this type. Raises InvalidParameter with everything that is wrong with them.

    Null instead of an object or a list is the same as no such field: clients in typed languages have no other way to
    leave one out. Only where null has a meaning of its own does it stay.
    """
    hook = field_hook(password_min_length)
    try:
        checked = msgspec.convert(values, kind, dec_hook=hook)
    except ValidationError:
        checked = None
    if checked is None:
        absent = collections_of(kind) if None in values.values() else ()
        values = {name: _whole(value) for name, value in values.items() if value is not None or name not in absent}
        try:
            checked = msgspec.convert(values, kind, dec_hook=hook)
        except ValidationError:
            raise invalid(_faults(kind, values, hook)) from None
    if faults := _at_odds(kind, values):
        raise invalid(faults)
    return checked


def _at_odds(kind: type[Struct], values: Mapping[str, Any]) -> list[Fault]:
    """Faults of fields that are right by themselves, but not together."""
    find: Callable[[Mapping[str, Any]], Mapping[str, str]] | None = getattr(kind, "at_odds", None)
    return [] if find is None else [Fault(name, message) for name, message in find(values).items()]


def _whole(value: Any) -> Any:
    """1.0 is an integer (JSON Schema 2020-12 validation, section 6.1.1; JavaScript and others don't tell the two
    apart)."""
    return int(value) if type(value) is float and value.is_integer() else value


def check_texts(kind: type[S], texts: Mapping[str, str]) -> S:
    """Check arguments that are all text, as in a query string or on a command line."""
    faults: list[Fault] = []
    values = from_texts(kind, texts, text_hook, faults)
    if faults:
        raise invalid(faults)
    return kind(**values)


def from_texts(kind: type[Struct], texts: Mapping[str, str], hook: Hook, faults: list[Fault]) -> dict[str, Any]:
    """The values of these fields, all of which the type has. Those that are wrong are added to the faults."""
    values: dict[str, Any] = {}
    fields = fields_of(kind)
    for name, value in texts.items():
        field = fields[name]
        try:
            values[name] = msgspec.convert(_plain(value, field.type), field.type, dec_hook=hook)
        except ValidationError as problem:
            # Every value is text: that it is not a number is the fault, not that it is a string.
            faults.append(
                Fault(
                    name,
                    _message(name, str(problem), field.type).replace(", not a string.", ".").replace(" or null.", "."),
                )
            )
    return values


@cache
def fields_of(kind: type[Struct]) -> dict[str, FieldInfo]:
    """By name, required ones first. Asked of msgspec once: it takes longer than the rest of the checking."""
    return {
        field.encode_name: field for field in sorted(msgspec.structs.fields(kind), key=lambda field: not field.required)
    }


@cache
def collections_of(kind: type[Struct]) -> frozenset[str]:
    """Names of the optional fields that hold an object or a list, and for which null has no meaning of its own."""
    return frozenset(name for name, field in fields_of(kind).items() if not field.required and _is_list(field.type))


def _is_list(hint: Any) -> bool:
    """Test whether it is a list or an object, and not null as well."""
    parts = get_args(hint)
    if get_origin(hint) is Annotated:
        return _is_list(parts[0])
    if get_origin(hint) in (Union, UnionType):
        return type(None) not in parts and any(map(_is_list, parts))
    return get_origin(hint) is tuple or getattr(hint, "schema", {}).get("type") in ("array", "object")


def invalid(faults: list[Fault]) -> InvalidParameter:
    """The error that names all of these; its sentence is the first one's."""
    return InvalidParameter(faults[0].message, param=faults[0].param, faults=faults)


def refuse(param: str, sentence: str) -> NoReturn:
    """Raise InvalidParameter for one argument; the sentence goes on from its name."""
    raise invalid([Fault(param, f"{param} {sentence}.")])


def check_range(after: int | None, before: int | None, name: str = "created") -> None:
    """Check that a range of time doesn't end before it begins. Raises InvalidParameter."""
    if after is not None and before is not None and after > before:
        refuse(f"{name}_before", f"must not be earlier than {name}_after")


def check_end(ends_at: Any, name: str = "ends_at") -> None:
    """Check that a new end is not over. Raises InvalidParameter."""
    if isinstance(ends_at, int) and ends_at <= clock.now():
        refuse(name, "must be in the future")


def time_text(at: int) -> str:
    """A time as filters have it."""
    return "never" if at == NEVER and isinstance(at, arguments.ActiveTime) else clock.format_time_exactly(at)


def check_given_password(password: str) -> None:
    """Check that a password can be that long. Raises InvalidParameter."""
    try:
        rules.normalized_password(password)
    except ValueError as problem:
        raise invalid([Fault("password", str(problem))]) from None


def new_password(text: str, min_length: int, *, email: str = "", name: str = "", words: tuple[str, ...] = ()) -> str:
    """A password as `rules.password` has it, and not the hash of one: then whoever has the old hashes could sign in
    with them. What the password alone does not show, `new_passwords` checks."""
    from rollbook.auth.password_hashes import is_hash  # only new passwords need it

    if is_hash(text):
        raise ValueError(_IS_HASH)
    return rules.password(text, min_length, email=email, name=name, words=words)


def given(value: Any, otherwise: Any = None) -> Any:
    """An argument as it is stored, or `otherwise` if it is missing. Our own string types become plain strings here."""
    return otherwise if value is UNSET else str(value) if isinstance(value, str) else value


def check_version(version: int | str, versions: Collection[int | str] | None) -> None:
    """Raises PreconditionFailed unless it is one of those that the caller will change; None: any."""
    if versions is not None and version not in versions:
        raise PreconditionFailed()


# ---- our own types: each is made by a function that raises ValueError with words that do not repeat the value


@cache
def field_hook(password_min_length: int) -> Hook:
    """Makes them from the fields of an object."""

    def hook(kind: type, value: Any) -> Any:
        if kind is arguments.Metadata:
            return arguments.Metadata(rules.metadata(value))
        if kind is arguments.MetadataPatch:
            return arguments.MetadataPatch(rules.metadata_patch(value))
        if kind is token_arguments.TokenData:
            return token_arguments.TokenData(_token_data(value))
        if kind is webhook_arguments.WebhookHeaders:
            return _webhook_headers(value)
        if kind in _LISTS:
            return _FROM_TEXT[kind](",".join(_texts(value)))
        if not isinstance(value, str):
            example = ' such as "100/minute"' if kind is arguments.LimitText else ""
            raise ValueError(f"must be a string{example}")
        if kind is arguments.NewPassword:
            return arguments.NewPassword(new_password(value, password_min_length))
        return _FROM_FIELD[kind](value)

    return hook


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
        raise ValueError("must be a list of strings")
    return value


def text_hook(kind: type, value: str) -> Any:
    """Makes them from texts."""
    return _FROM_TEXT[kind](value)


def _limit(value: str) -> arguments.LimitText:
    if len(value) > LIMIT_LENGTH:
        raise ValueError(f"must have at most {LIMIT_LENGTH} characters")
    return arguments.LimitText(str(Limit.parse(value)))


def _given_password(value: str) -> arguments.GivenPassword:
    if not value:
        raise ValueError("must not be empty")
    rules.normalized_password(value)
    return arguments.GivenPassword(value)


def _user_id(value: str) -> import_arguments.UserId:
    if not ids.is_id("user", value):
        raise ValueError("must be the ID of a user as Rollbook exports it")
    return import_arguments.UserId(value)


def _totp_secret(value: str) -> import_arguments.TotpSecret:
    if len(value) > import_arguments.TotpSecret.schema["maxLength"]:
        raise ValueError("must have at most 1024 characters")
    one_time_codes.read_totp(value)
    return import_arguments.TotpSecret(value)


def _network(value: str) -> key_arguments.Network:
    try:
        if "%" in value:  # a zone (RFC 4007): any text at all, and it means something on one machine only
            raise ValueError(value)
        return key_arguments.Network(_plain_network(value))
    except ValueError:
        raise ValueError("must be an IP address or a network such as 203.0.113.0/24") from None


def _address(value: str) -> arguments.Address:
    try:
        if "%" in value:  # a zone, as above
            raise ValueError(value)
        address = ip_address(value)
    except ValueError:
        raise ValueError("must be an IP address such as 203.0.113.7") from None
    return arguments.Address((isinstance(address, IPv6Address) and address.ipv4_mapped) or address)


def _plain_network(value: str) -> IPv4Network | IPv6Network:
    """An IPv4 network that was written as IPv6 (::ffff:192.0.2.0/120) is what it means: that is how callers' addresses
    are seen."""
    network = ip_network(value)
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return network if mapped is None or network.prefixlen < 96 else ip_network((mapped, network.prefixlen - 96))


def _time(value: str) -> arguments.Time:
    try:
        if not _RFC_3339(value):
            raise ValueError(value)
        at = clock.parse(value)
    except (ValueError, OverflowError):
        raise ValueError("must be an RFC 3339 time such as 2023-10-27T10:00:00Z") from None
    if not 0 <= at <= clock.LATEST:
        raise ValueError("must be a time between 1970 and 9999")
    return arguments.Time(at)


def _active_time(value: str) -> arguments.ActiveTime:
    return arguments.ActiveTime(NEVER if value == "never" else max(NEVER + 1, _time(value)))


def _search_text(value: str) -> arguments.SearchText:
    if not value:
        raise ValueError("must not be empty")
    if len(value) > 255:
        raise ValueError("must have at most 255 characters")
    if _CONTROLS(value):
        raise ValueError("must not contain control characters")
    return arguments.SearchText(value)


def metadata_pair(key: str, value: str) -> str:
    """An item of the filter `metadata`, such as `plan:pro`. A backslash is before what would otherwise end a text."""
    key, value = re.sub(r"[\\,:]", r"\\\g<0>", key), re.sub(r"[\\,]", r"\\\g<0>", value)
    return f"{key}:{value}"


def _metadata_filter(value: str) -> arguments.MetadataFilter:
    pairs: dict[str, str] = {}
    at = 0
    while at < len(value) or not pairs:
        item = _METADATA_PAIR(value, at)
        if item is None or "\0" in value:
            raise ValueError(
                "must be KEY:VALUE, such as plan:pro, and several with commas between them. Write a comma, a "
                "backslash, and a colon in a key with a backslash before it"
            )
        key, text = (re.sub(r"\\(.)", r"\1", part) for part in item.groups())
        if key in pairs:
            raise ValueError("must have each key once")
        if max(len(key), len(text)) > user_metadata.MAX_LENGTH:
            raise ValueError(f"must have keys and values of 1 to {user_metadata.MAX_LENGTH} characters")
        pairs[key] = text
        at = item.end()
    if len(pairs) > MAX_PAIRS:
        raise ValueError(f"must have at most {MAX_PAIRS} keys")
    return arguments.MetadataFilter(pairs.items())


def _webhook_url(value: str) -> webhook_arguments.WebhookUrl:
    """Check the form of a URL, which may be masked. Whether the server sends to it is for the action to say, which
    knows the settings."""
    if not 0 < len(value) <= MAX_URL or not _VISIBLE(value.removesuffix("…")):
        raise ValueError(
            f"must be a URL of at most {MAX_URL:,} characters, without spaces and with characters other than "
            "ASCII percent-encoded"
        )
    return webhook_arguments.WebhookUrl(value)


def _redirect_url(value: str) -> arguments.RedirectUrl:
    url = None if len(value) > MAX_REDIRECT_URL else _REDIRECT_URL(value)
    if url is None or int((url["port"] or ":0")[1:]) > 65_535:
        raise ValueError(
            f"must be an http or https URL with a host name and at most {MAX_REDIRECT_URL:,} characters, without user "
            "name, spaces and backslashes, and with characters other than ASCII percent-encoded"
        )
    return arguments.RedirectUrl(value)


def _token_data(value: Any) -> str:
    text = rules.metadata(value)
    if len(text.encode()) > MAX_TOKEN_DATA:
        raise ValueError(f"must be at most {MAX_TOKEN_DATA:,} bytes of JSON")
    return text


def _event_pattern(value: str) -> arguments.EventPattern:
    if not event_types.is_pattern(value):
        raise ValueError(NO_EVENT_TYPE + _perhaps(value, event_types.TYPES))
    return arguments.EventPattern(value)


def _webhook_headers(value: Any) -> webhook_arguments.WebhookHeaders:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    if len(value) > MAX_HEADERS or len({name.lower() for name in value}) < len(value):
        raise ValueError(f"must have at most {MAX_HEADERS} headers, each once")
    for name, content in value.items():
        if not _FIELD_NAME(name) or name.lower() in OWN_HEADERS or name.lower().startswith(OWN_PREFIXES):
            raise ValueError(
                f"must not contain {quoted(name)}: use letters, digits and hyphens, and no header that the server sets"
            )
        if content is not None and (not isinstance(content, str) or not _FIELD_VALUE(content)):
            raise ValueError("must have values of printable ASCII characters, without spaces at either end")
    if sum(len(name) + len(content or "") for name, content in value.items()) > MAX_HEADER_BYTES:
        raise ValueError("must have at most 4 KiB")
    return webhook_arguments.WebhookHeaders(value.items())


def names(value: str) -> list[str]:
    """Names, separated by commas."""
    parts = value.split(",")
    if "" in parts:
        raise ValueError("must be names separated by single commas")
    return parts


def _sort(value: str) -> arguments.Sort:
    keys = names(value)
    columns = [key.removeprefix("-") for key in keys]
    if len(set(columns)) != len(columns) or not set(columns) <= set(SORTABLE):
        raise ValueError(
            f"must name each of these at most once, prefixed with - for descending order: {', '.join(SORTABLE)}"
        )
    return arguments.Sort(keys)


def _event_types(value: str) -> event_arguments.EventTypes:
    patterns = names(value)
    if len(patterns) > MAX_TYPES:
        raise ValueError(f"must be at most {MAX_TYPES} types")
    for pattern in patterns:
        if not event_types.is_pattern(pattern):
            raise ValueError(NO_EVENT_TYPE + _perhaps(pattern, event_types.TYPES))
    return event_arguments.EventTypes(patterns)


def _column_mapping(value: str) -> import_arguments.ColumnMapping:
    if len(value) > MAX_MAPPING:
        raise ValueError(f"must have at most {MAX_MAPPING:,} characters")
    if not rules.is_object_of_names(value):
        raise ValueError("must be a JSON object from columns to fields or null")
    return import_arguments.ColumnMapping(value)


def _ids(value: str) -> arguments.Ids:
    parts = names(value)
    if len(parts) > MAX_IDS:
        raise ValueError(f"must be at most {MAX_IDS:,} IDs")
    return arguments.Ids(parts)


_FROM_FIELD: dict[type, Callable[[str], Any]] = {
    arguments.Name: lambda value: arguments.Name(rules.name(value)),
    group_arguments.GroupName: lambda value: group_arguments.GroupName(rules.name(value)),
    arguments.Email: lambda value: arguments.Email(rules.email(value)),
    arguments.GivenPassword: _given_password,
    arguments.Time: _time,
    arguments.ActiveTime: _active_time,
    import_arguments.UserId: _user_id,
    import_arguments.TotpSecret: _totp_secret,
    import_arguments.GroupNames: lambda value: import_arguments.GroupNames(groups.read(value)),
    arguments.LimitText: _limit,
    key_arguments.Network: _network,
    arguments.Address: _address,
    webhook_arguments.WebhookUrl: _webhook_url,
    arguments.EventPattern: _event_pattern,
    arguments.RedirectUrl: _redirect_url,
    arguments.SearchText: _search_text,
}
_LISTS = (arguments.MetadataFilter, arguments.Ids)
"""Texts with commas in a query, and lists in a body."""
_FROM_TEXT: dict[type, Callable[[str], Any]] = {
    arguments.Time: _time,
    arguments.ActiveTime: _active_time,
    arguments.SearchText: _search_text,
    arguments.MetadataFilter: _metadata_filter,
    arguments.Sort: _sort,
    arguments.Ids: _ids,
    import_arguments.ColumnMapping: _column_mapping,
    event_arguments.EventTypes: _event_types,
}


def _plain(value: str, kind: Any) -> Any:
    """The number or boolean that is wanted, if the text is one. Otherwise the text."""
    if get_origin(kind) in (Union, UnionType):
        kind = get_args(kind)[0]
    if get_origin(kind) is Annotated and get_args(kind)[0] is bool:
        return _BOOLEANS.get(value, value)
    if kind not in (arguments.Limit, arguments.Offset, arguments.Wait):
        return value
    if not _INTEGER(value):
        return value  # msgspec says: a whole number, not a string
    if value[0] == "-":
        return -1
    # An offset has no ceiling; one that no list can reach is past the end of all of them.
    digits = value.lstrip("0")
    return min(int(digits or "0"), _LARGEST) if len(digits) < 20 else _LARGEST


# ---- what is wrong, in words for people


def _faults(kind: type[Struct], values: Mapping[str, Any], hook: Hook) -> list[Fault]:
    """Everything that is wrong, field by field, in the order of the type; unknown fields at the end."""
    faults: list[Fault] = []
    fields = fields_of(kind)
    for name, field in fields.items():
        if name not in values:
            if field.required:
                unknown = (shortened(other) for other in islice(values, MAX_FAULTS) if other not in fields)
                near = get_close_matches(name, unknown, 1)
                faults.append(Fault(name, f"{name} is required{f', not {quoted(near[0])}' if near else ''}."))
            continue
        try:
            msgspec.convert(values[name], field.type, dec_hook=hook)
        except ValidationError as problem:
            within = _inner_faults(name, field.type, values[name], hook)
            faults += within or [Fault(name, _message(name, str(problem), field.type))]
    faults += _at_odds(kind, values)
    refused: Mapping[str, str] = getattr(kind, "refused", {})
    for name in values:
        if name not in fields and len(faults) < MAX_FAULTS:
            allowed = f"Fields: {', '.join(fields) or 'none'}."
            message = f"{quoted(name)} is not a field of this request. {did_you_mean(name, fields)}{allowed}"
            faults.append(Fault(shortened(name), refused.get(name) or message))
    return faults


def _inner_faults(name: str, hint: Any, value: Any, hook: Hook) -> list[Fault]:
    """Faults of the object, or of the objects of the list, that a field holds."""
    if isinstance(value, dict) and (kind := _object_of(hint)) is not None:
        return [_within(name, fault) for fault in _faults(kind, value, hook)]
    if isinstance(value, list) and (kind := _object_of(hint, in_list=True)) is not None:
        return [
            _within(f"{name}[{at}]", fault)
            for at, item in enumerate(value[:MAX_FAULTS])
            if isinstance(item, dict)
            for fault in _faults(kind, item, hook)
        ]
    return []


def _object_of(hint: Any, in_list: bool = False) -> type[Struct] | None:
    """The type of the object that a field of this type holds, or holds a list of."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        return None if in_list else hint
    if get_origin(hint) is tuple:
        return _object_of(get_args(hint)[0]) if in_list else None
    return next((kind for part in get_args(hint) if (kind := _object_of(part, in_list)) is not None), None)


def _within(name: str, fault: Fault) -> Fault:
    """A fault of the object that a field holds."""
    path = f"{name}.{fault.param}"
    rest = fault.message.removeprefix(f"{fault.param} ")
    return Fault(path, fault.message if rest == fault.message else f"{path} {rest}")


_WORDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_EXPECTED = re.compile(r"Expected `([^`]+)`, got `(\w+)`")
_PATTERNS = {
    arguments.NO_EMAIL: "must be an ID such as user_065n13np41qj3c5581dclct02g, not an email",
    rule_arguments.CLOCK_TIME: "must be a time such as 06:00",
    usage_arguments.STATUS_OR_CLASS: "must be a status such as 404, or a class of them such as 4xx",
    session_arguments.IS_AUDIENCE.removesuffix(
        arguments.NO_LINE_BREAK
    ): "must be a name or URL such as shop or https://shop.example.com, its host in lower case",
}
"""Patterns that arguments must match; all other patterns exclude control characters."""
_BOUND = re.compile(r"Expected `(\w+)`( of length)? (>=|<=|>|<|==) ([\d.]+)")


def _message(param: str, problem: str, kind: Any) -> str:
    """A whole sentence about an argument. The rules of `records/rules` give one already; others go on from its name."""
    sentence = _sentence(problem, kind)
    if sentence[:1].isupper():
        return sentence
    return f"{param} {sentence}" if sentence.endswith(".") else f"{param} {sentence}."


def _sentence(problem: str, kind: Any) -> str:
    """msgspec's message in words for people."""
    problem, _, place = problem.partition(" - at ")
    where = f" (item {int(place[3:-2]) + 1})" if place.startswith("`$[") and place[3:-2].isdigit() else ""
    if match := _BOUND.match(problem):
        of, length, comparison, bound = match.groups()
        unit = "" if not length else (" character" if of == "str" else " item") + ("" if bound == "1" else "s")
        amount = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than", "==": "exactly"}[comparison]
        verb = "must have" if length else "must be"
        return f"{verb} {amount} {bound}{unit}{where}"
    if problem.startswith("Invalid enum value"):
        choices, value = _choices(kind), problem.partition("'")[2][:-1]
        return f"must be one of {', '.join(choices)}{where}{_perhaps(value, choices)}"
    if match := _EXPECTED.match(problem):
        expected = [_WORDS.get(word.strip(), word.strip()) for word in match[1].split("|")]
        return f"must be {' or '.join(expected)}, not {_WORDS.get(match[2], match[2])}{where}"
    if problem.startswith("Expected `str` matching regex"):
        otherwise = "must not contain control characters or invisible characters"
        sentence = next((words for pattern, words in _PATTERNS.items() if pattern in problem), otherwise)
        return f"{sentence}{where}"
    return problem + where


def _perhaps(value: str, words: Iterable[str]) -> str:
    """The nearest of the known values, as one more sentence; nothing if none is near."""
    nearest = get_close_matches(value[:64], words, 1)
    return f". Perhaps you mean {nearest[0]}" if nearest else ""


def did_you_mean(name: str, names: Collection[str]) -> str:
    """A question for the nearest of the known names, and a space; nothing if none is near."""
    other = {"query": "q", "search": "q", "events": "types"}.get(name)
    nearest = [other] if other in names else get_close_matches(name[:64], names, 1)
    return f"Did you mean {nearest[0]}? " if nearest else ""


def _choices(kind: Any) -> list[str]:
    choices: list[str] = []
    for part in get_args(kind):
        if isinstance(part, str):
            choices.append(part)
        else:
            choices.extend(_choices(part))
    return choices
