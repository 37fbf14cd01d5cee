"""Generates what docs/ says about each call and object: parameters, fields, responses and errors, from the OpenAPI
description.

`call_NAME` is a call by its operation ID, or several that take the same: `call_patch_user__update_user`. `object_NAME`
is a schema. Where they stand decides where links to them lead. A page describes each field and parameter once, and names
it with a link afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from rollbook.actions.arguments.users import UserFilters
from rollbook.api import openapi, openapi_tables
from rollbook.api.route import Route
from rollbook.api.routes import ROUTES
from rollbook.docs_site.guide import slug
from rollbook.errors import ApiError, NotFound

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
# More values than this are not listed in a row.
MAX_VALUES = 10
# Its fields are those of everything that an event can be about.
MANY = ("EventObject",)

Row = tuple[str, list[str], str]
"""A field or parameter: its name, its type and bounds in words, and its meaning."""
COMMON = {
    "conventions.md#safe-retries": ("Idempotency-Key",),
    "conventions.md#preview-a-change": ("dry_run",),
    "conventions.md#pages-of-lists": ("limit", "offset", "cursor"),
    "conventions.md#versions": ("If-Match", "If-None-Match"),
    "users.md#choose-response-fields": ("fields",),
}
"""Parameters of many calls, by where they are described by hand."""

ELSEWHERE = {
    "`delivered`: ": "webhooks.md#retries",
    "`member`: ": "authentication.md#roles-and-scopes",
    "`invite`: ": "tokens.md#tokens",
    "Compares texts, ": "users.md#filter-by-metadata",
    "One or two characters ": "users.md#search",
    "Passwords that are easy to guess ": "authentication.md#new-passwords",
    "`refuse`: ": "import.md#unknown-hashes",
    "`skip`: nothing": "import.md#existing-users",
    "What happens to people": "import.md#who-is-absent",
    "`true`: with `on_conflict`": "users.md#adopt-a-user",
    "`each`: record": "import.md#events",
    "`rows`: ": "import.md#refused-records",
    "Names and hosts are in lower case": "sessions.md#audiences-of-keys",
    "`standard`: ": "webhooks.md#formats",
    "`user`: a user's events": "webhooks.md#order",
}
"""How what the docs explain elsewhere begins in descriptions, and where that is."""

ECHOED = {"Import": "create_import"}
"""Objects that have the options of the call which creates them."""

# What is said of a field of a request beyond its meaning.
_DEFAULT = re.compile(r" (?:Default[^:.]*: [^.]*|Null: as if it were missing)\.$")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_IS_PLAIN = re.compile(
    r"\*[^*]*\*<br>(?:ID of the [a-zA-Z]+(?: key| job| it belongs to)?|When it was (?:created|last updated|requested)|The \w+'s name or email)\."
).fullmatch
"""A field that its name says."""
_MARKER = re.compile(r"^<!-- begin: (call|object)_(\w+) -->$", re.MULTILINE)


class Told:
    """What a page has said of fields and parameters up to a part of it, with the links to where."""

    def __init__(self, is_on_applications: bool = False) -> None:
        """With `is_on_applications`, the page is about applications, whose fields are those of users but for a few."""
        lists = [_resolved(each) for each in _operation(_route("list_users"))["parameters"]]
        known = {each["name"]: each for each in (*_description()["components"]["parameters"].values(), *lists)}
        places = dict.fromkeys((each["name"] for each in lists), "users.md#list-users")
        places |= {name: place for place, names in COMMON.items() for name in names}
        common = {_key_of(_parameter(known[name])): place for name, place in places.items()}
        self._places = {**_homes(), **common}
        of_users = {"UserCreate": "create-a-user", "UserUpdate": "update-a-user", "User": "the-user-object"}
        for name, anchor in of_users.items() if is_on_applications else ():
            for row in _fields(_schema(name), is_body=name != "User"):
                self._places.setdefault(_key_of(row), f"users.md#{anchor}")

    def shown(self, head: str, rows: Iterable[Row], place: str) -> Iterator[str]:
        """A list of what is new at `place`, and a sentence with links about the rest."""
        new, more, repeats = [], dict[str, list[str]](), Repeats()
        for row in rows:
            if repeats.has(row):
                continue
            name, kind, text = row
            at = self._places.setdefault(_key_of(row), place)
            if at == place:
                new.append((f"`{name}`", cell(kind, text)))
            elif kind[0] != "path":
                more.setdefault(at, []).append(f"`{name}`" + " (required)" * ("required" in kind))
        plain = [name for name, text in new if head == "field" and _IS_PLAIN(text)]
        new = [row for row in new if row[0] not in plain]
        if new and head != "field":
            yield f"{head.capitalize()}s:"
        if new:
            yield terms(new)
        if plain:
            yield f"{'Also' if new else 'Fields:'} {', '.join(plain)}."
        yield from repeats.sentences()
        if more:
            links = (_links(names, title(at), _from(at, place)) for at, names in more.items())
            yield f"{f'More {head}s' if new else f'{head.capitalize()}s'}: {'; '.join(links)}."

    def echo(self, schema: str, call: str) -> None:
        """Take the fields of an object as told that are options of the call which creates it, as they were sent."""
        options = {each["name"] for each in map(_resolved, _operation(_route(call))["parameters"])}
        for row in _fields(_schema(schema), is_body=False):
            if row[0] in options and "Null once" not in row[2]:
                self._places[_key_of(row)] = _places()["call", call]

    def once(self, sentence: str, place: str) -> str:
        """A sentence about a call, unless the page has said it of an earlier one."""
        return sentence if self._places.setdefault((sentence,), place) == place else ""


def _key_of(row: Row) -> tuple[str, ...]:
    """What makes two rows one: name and meaning, and the type as far as it is more than a length."""
    name, kind, text = row
    kinds = (each.removesuffix(" or null") for each in kind if each and each != "required")
    return name, _DEFAULT.sub("", text), *(each for each in kinds if "character" not in each)


FILTERS = [f"`{name}`" for name in UserFilters.__struct_fields__]
"""Parameters of a list of users that select some."""
MANY_FILTERS = 15
LONG = 13
"""Words from which on a description stands on one page only."""
FIRST = ("users", "tokens", "keys", "sessions", "events", "second-factor", "bulk-jobs")
"""Pages that describe what others have as well."""


@cache
def _homes() -> dict[tuple[str, ...], str]:
    """The place of each row that several pages have, and that is long: the first of these pages."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for name in [*FIRST, *sorted({page.stem for page in DOCS.glob("*.md")} - {*FIRST})]:
        for marker in _MARKER.finditer((DOCS / f"{name}.md").read_text()):
            kind, what = marker[1], marker[2].split("__")[0]
            place = _places()[kind, what]
            if kind == "call":
                parts = [rows for _, rows in _rows_of(_route(what))]
            else:  # an operation in bulk has fields of many calls
                parts = [] if what.startswith("Bulk") else [_fields(_schema(what), is_body=False)]
            for row in chain.from_iterable(parts):
                if len(row[2].split()) >= LONG:
                    found.setdefault(_key_of(row), {}).setdefault(name, place)
    return {key: next(iter(places.values())) for key, places in found.items() if len(places) > 1}


class Repeats:
    """Fields that several objects within one have, such as the counts of a report."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, ...], str] = {}
        self._names: dict[str, list[str]] = {}

    def has(self, row: Row) -> bool:
        """Whether another object within the same one has a field of this name, type and meaning."""
        name, kind, text = row
        parent, is_within, last = name.rpartition(".")
        first = self._first.setdefault((last, text, *kind), parent)
        if not is_within or first in (parent, ""):
            return False
        self._names.setdefault(parent, []).append(f"`{last}` as in `{first}`")
        return True

    def sentences(self) -> Iterator[str]:
        parents: dict[str, list[str]] = {}
        for parent, names in self._names.items():
            parents.setdefault(", ".join(names), []).append(f"`{parent}`")
        for names, sharing in parents.items():
            *fields, last = names.split(", ")
            fields = [each.partition(" as in ")[0] for each in fields]
            yield f"{', '.join(sharing)} also have {', '.join([*fields, last])}."


def part(name: str, told: Told) -> str:
    """The generated part of a page that has `told` what comes before it. Raises KeyError."""
    kind, _, what = name.partition("_")
    place = _places()[kind, what.split("__")[0]]
    if kind == "object":
        if what in ECHOED:
            told.echo(what, ECHOED[what])
        return "\n\n".join(told.shown("field", _fields(_schema(what), is_body=False), place))
    return "\n\n".join(_calls([_route(each) for each in what.split("__")], told, place))


def calls_part() -> str:
    """Every call with a link to the place that describes it, by resource."""
    found = []
    for tag, about in openapi_tables.parts()["tags"].items():
        calls = [f"- {_link(route)} {_operation(route)['summary']}" for route in ROUTES if openapi.tag(route) == tag]
        found += [f"### {tag}", about, "\n".join(calls)]
    return "\n\n".join(found)


def everywhere_part() -> str:
    """What all calls have in common."""
    own, limits = openapi_tables.EVERYWHERE, openapi_tables.LIMITED[len(openapi_tables.EVERYWHERE) :]
    rows = [
        ("all calls", openapi_tables.OF_EVERY_CALL),
        ("calls that require an API key", openapi_tables.OF_CALLS_WITH_A_KEY),
        ("calls with an ID in the path", (NotFound,)),
        ("calls with a body", openapi_tables.OF_CALLS_WITH_A_BODY),
        ("every POST with an `Idempotency-Key`", openapi_tables.OF_POSTS),
    ]
    return "\n\n".join(
        [
            f"Every response has the header {_names(own)}. Responses of calls that require an API key also have "
            f"{_names(limits)}.",
            table(("", ""), [(name, errors_of(found)) for name, found in rows]),
        ]
    )


def place(method: str, path: str) -> str:
    """The link to where a call is described: `users.md#create-a-user`. Raises KeyError."""
    return _places()[
        "call", next(openapi.operation_id(route) for route in ROUTES if (route.method, route.path) == (method, path))
    ]


def errors_of(found: Iterable[type[ApiError]]) -> str:
    return ", ".join(f"[`{error.code}`](errors.md#{error.code})" for error in found)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def terms(rows: Iterable[tuple[str, str]]) -> str:
    """A list of names, each with its meaning on a line of its own."""
    lines = ((name, " " if text.startswith("*") else "<br>", " ".join(text.split())) for name, text in rows)
    return "\n".join(f"- {name}{gap}{text}" for name, gap, text in lines)


# ---- one call, or several that take the same


def _calls(routes: list[Route], told: Told, place: str) -> Iterator[str]:
    for head, rows in _rows_of(routes[0]):
        yield from told.shown(head, rows, place)
    for kind, body in _operation(routes[0]).get("requestBody", {}).get("content", {}).items():
        if not kind.startswith(("application/json", "application/merge")):
            yield f"The body is `{kind}`. {body['schema'].get('description', '')}".rstrip()
    yield from dict.fromkeys(_answer(route) for route in routes)
    yield from dict.fromkeys(filter(None, (told.once(_access(route), place) for route in routes)))
    own = dict.fromkeys(error for route in routes for error in route.errors)
    if "{" in routes[0].path:
        own.pop(NotFound, None)  # as of all of these
    if own:
        yield f"Errors: {errors_of(own)}, [common](api.md#errors)."


def _rows_of(route: Route) -> Iterator[tuple[str, Iterable[Row]]]:
    """The parameters of a call, and the fields of its body."""
    operation = _operation(route)
    parameters = [_resolved(each) for each in (*_path_parameters(route), *operation.get("parameters", ()))]
    # What `{groupId}` in a path is needs no words.
    yield (
        "parameter",
        [_parameter(each) for each in parameters if each["in"] != "path" or " or " in each["description"]],
    )
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        if kind == "application/json":
            yield "body field", _fields(_resolved(body["schema"]), is_body=True)


def _parameter(described: dict[str, Any]) -> Row:
    where = [] if described["in"] == "query" else [described["in"]]
    required = ["required"] if described.get("required") and not where else []
    # How long an ID or a filter can get is in the description for programs.
    kind = [] if "path" in where else [each for each in _kind(described["schema"]) if "character" not in each]
    return described["name"], [*where, *required, *kind], _without_values(described["description"])


def _access(route: Route) -> str:
    """What those may do whose scope reaches only what is their own."""
    return _operation(route)["description"].partition("\n\nScope")[2].partition(". ")[2]


def _answer(route: Route) -> str:
    answer = _operation(route)["responses"][str(route.success)]
    everywhere = (*openapi_tables.LIMITED, "Idempotency-Replayed")
    headers = [name for name in answer["headers"] if name not in everywhere]
    bodies = [_said(body["schema"], kind) for kind, body in answer.get("content", {}).items()]
    content = f" and {' or '.join(bodies)}" if bodies else ""
    return f"Returns **{route.success}**{content}{f' ({_names(headers)})' if headers else ''}."


def _said(schema: dict[str, Any], kind: str) -> str:
    """What a body is, in words: `a list of User`."""
    listed = schema.get("type") == "array"
    reference = (schema["items"] if listed else schema).get("$ref")
    if reference is None:
        return f"`{kind}`"
    name = reference.rpartition("/")[2]
    inline = (
        _named(name)
        if ("object", name) in _places()
        else ", ".join(f"`{field}`" for field in _schema(name)["properties"])
    )
    return f"a list of {inline}" if listed else inline


# ---- fields


def _fields(schema: dict[str, Any], is_body: bool, before: str = "") -> Iterator[Row]:
    """A row for each field, and for those of objects within."""
    for name, field in schema["properties"].items():
        inner = _inner(field)
        text = field.get("description") or _resolved(field).get("description") or (inner or {}).get("description", "")
        required = ["required"] if is_body and name in schema.get("required", ()) else []
        text = text.removesuffix(" Null: as if it were missing.")  # docs/conventions.md says it of all
        # How long or large a value of ours can get is of interest to generated clients only.
        kind = _kind(field) if is_body else _kind(field)[:1]
        yield f"{before}{name}", [*required, *kind], _without_values(text)
        if inner is not None and inner["title"] not in MANY and not before:
            yield from _fields(inner, is_body, f"{name}{'[]' if 'items' in field else ''}.")


def _without_values(text: str) -> str:
    """A description without what the docs explain elsewhere, such as the meanings of values."""
    for values, target in ELSEWHERE.items():
        before, has_values, after = text.partition(values)
        if has_values:
            default = after[found:] if (found := after.find("Default")) >= 0 else ""
            return f"{before}See [{title(target)}]({target}). {default}".rstrip()
    return text


def _inner(field: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of an object in a field, unless it is described where all can link to it."""
    for each in (field, field.get("items", {}), *field.get("oneOf", ())):
        name = each.get("$ref", "").rpartition("/")[2]
        if name and "properties" in _schema(name) and ("object", name) not in _places():
            return _schema(name)
    return None


def cell(kind: list[str], text: str) -> str:
    """What a table says of a field, parameter or setting: `kind` in words, and below it the text."""
    kind = [part for part in kind if part and not _is_said(part, text)]
    return f"*{', '.join(kind)}*<br>{text}" if kind else text


def _is_said(bound: str, text: str) -> bool:
    """Test whether the text has a bound, such as `up to 255 characters`, as well."""
    match = re.fullmatch(r"(?:up to |([\d,]+)–)([\d,]+)(?: characters)?", bound)
    if match is None:
        return False
    least = rf"(?<![\d,.]){match[1]} to" if match[1] else "(?:[Uu]p to|at most|1 to)"
    return re.search(rf"{least} {match[2]}(?![\d,])", text) is not None


def _kind(schema: dict[str, Any]) -> list[str]:
    """The type of a value, its bounds and its default."""
    if "$ref" in schema:
        target = _resolved(schema)
        name = schema["$ref"].rpartition("/")[2]
        return (
            [_named(name)]
            if ("object", name) in _places()
            else _kind({key: target[key] for key in target if key != "default"})
        )
    several = schema.get("oneOf") or schema.get("anyOf")
    if several:
        return [" or ".join(_kind(each)[0] for each in several)]
    types = schema.get("type", "")
    said = " or ".join(types) if isinstance(types, list) else types
    if schema.get("format") == "date-time":
        return [said.replace("string", "time"), "", ""]
    values = schema.get("enum") or schema.get("x-extensible-enum") or ()
    if said.startswith("array"):
        items = _kind(schema["items"])[0]
        said = said.replace(
            "array",
            "list of strings"
            if "string" in items or ("`" in items and "[" not in items)
            else f"list of {'objects' if items == 'object' else items}",
        )
    if 0 < len(values) <= MAX_VALUES:
        said = ", ".join(f"`{value}`" for value in values if value is not None) + (
            " or null" if "null" in types else ""
        )
    if "format" in schema and schema["format"] not in ("int64", "password", "double"):
        said += f" ({schema['format']})"
    return [said, _bounds(schema), _default(schema.get("default"))]


def _default(value: Any) -> str:
    return "" if value in (None, "") else f"default `{str(value).lower() if isinstance(value, bool) else value}`"


def _bounds(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None:
        return f"{low:,}–{high:,.0f}" if high is not None and high < 2**53 - 1 else f"from {low:,}"
    if "maxItems" in schema:
        return f"up to {schema['maxItems']:,}"
    if "maxLength" in schema and schema.get("format", "password") == "password" and "enum" not in schema:
        least = schema.get("minLength", 0)
        most = schema["maxLength"]
        if most == 1:
            return "1 character"
        return f"{f'{least:,}–' if least > 1 else 'up to '}{most:,} characters"
    return ""


# ---- the description, and where each thing stands


@cache
def _description() -> dict[str, Any]:
    return openapi.spelled_out("")


@cache
def _places() -> dict[tuple[str, str], str]:
    """The page and heading of each call and object: `users.md#create-a-user`."""
    found = {}
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text()
        for marker in _MARKER.finditer(text):
            heading = [each[1] for each in _HEADING.finditer(text, 0, marker.start())][-1]
            for name in marker[2].split("__"):
                found[marker[1], name] = f"{page.name}#{slug(heading)}"
    return found


def title(place: str) -> str:
    """The heading that a link leads to."""
    page, _, anchor = place.partition("#")
    return next(each for each in _HEADING.findall((DOCS / page).read_text()) if slug(each) == anchor)


def _links(names: list[str], title: str, target: str) -> str:
    """Names with a link each or, if they are many, with one for all."""
    if len(names) > 3:
        if len(filters := {*FILTERS} & {*names}) >= MANY_FILTERS:
            less = sorted({*FILTERS} - filters)
            names = ["all filters" + f" but {', '.join(less)}" * bool(less), *(it for it in names if it not in filters)]
        return f"{', '.join(names)} ([{title}]({target}))"
    return ", ".join(re.sub("`.*`", rf"[\g<0>]({target})", name) for name in names)


def _from(place: str, here: str) -> str:
    """The link to a heading, on the page of another one."""
    page = here.partition("#")[0]
    return place.removeprefix(page) if place.startswith(f"{page}#") else place


def _schema(name: str) -> dict[str, Any]:
    return _description()["components"]["schemas"][name]


def _resolved(found: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in found:
        return found
    _, kind, name = found["$ref"].rsplit("/", 2)
    return _description()["components"][kind][name]


def _route(name: str) -> Route:
    return next(route for route in ROUTES if openapi.operation_id(route) == name)


def _operation(route: Route) -> dict[str, Any]:
    return _description()["paths"][route.path][route.method.lower()]


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return _description()["paths"][route.path].get("parameters", [])


def _link(route: Route) -> str:
    return f"[`{route.method} {route.path}`]({place(route.method, route.path)})"


def _named(schema: str) -> str:
    return f"[`{schema}`]({_places()['object', schema]})"


def _names(found: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in found)


PARTS: dict[str, Callable[[], str]] = {"calls": calls_part, "everywhere": everywhere_part}
