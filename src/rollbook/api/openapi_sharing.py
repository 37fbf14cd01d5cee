"""Makes the OpenAPI description small: it says once what calls have in common, and nothing that its other parts give.

- Errors that any call can get are its response `default`. A status stands beside it if one of its codes is the call's
  own. The headers that every response has are there.
- Examples of objects are those of their fields. Fields that a schema has of another one are described in that one.
- Responses and parameters that are there more than once become components.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from rollbook.api import openapi_tables as tables
from rollbook.schemas import Schema

_encode = msgspec.json.Encoder().encode
Place = tuple[Any, Any, str]
"""An object or list, a key in it, and a name for what is there."""
GENERAL = frozenset(
    error.code
    for errors in (tables.OF_EVERY_CALL, tables.OF_CALLS_WITH_A_KEY, tables.OF_CALLS_WITH_A_BODY, tables.OF_POSTS)
    for error in errors
)
"""Codes of errors that any call of its kind can get."""
GATHERED = ("BulkOperation", "EventObject", "NotReady", "Problem")
"""Schemas of which the fields are those of others, and described there."""


def share(description: Schema) -> Schema:
    """Shorten the description as far as nothing is lost."""
    components = description["components"]
    operations = list(_operations(description))
    for operation in operations:
        operation["responses"] = _shortened(operation["responses"])
    answers = [
        (operation["responses"], status, "Error" if status == "default" else f"R{status}")
        for operation in operations
        for status in operation["responses"]
    ]
    parameters = [
        (operation["parameters"], at, f"query-{parameter['name']}")
        for operation in operations
        for at, parameter in enumerate(operation.get("parameters", ()))
        if "$ref" not in parameter
    ]
    del components["examples"]
    components["schemas"] = _said_once(components["schemas"])
    components["parameters"] |= _moved(parameters, "parameters")
    components["responses"] = _moved(answers, "responses")
    return description


def _operations(description: Schema) -> Iterator[Schema]:
    for item in [*description["paths"].values(), *description["webhooks"].values()]:
        yield from (operation for operation in item.values() if isinstance(operation, dict))


# ---- responses


def _shortened(answers: Schema) -> Schema:
    """Successes, the statuses of the call's own errors, and all other errors as one."""
    codes = {status: _codes(answer) for status, answer in answers.items()}
    briefly = {
        status: _brief(answer, [code for code in codes[status] if code not in GENERAL])
        for status, answer in answers.items()
        if not codes[status] or set(codes[status]) - GENERAL
    }
    general = {status: shared for status in codes if (shared := [code for code in codes[status] if code in GENERAL])}
    return briefly | ({"default": _any_other(general, answers)} if general else {})


def _codes(answer: Schema) -> list[str]:
    """Codes of a response's errors. A success has none."""
    return list(answer.get("content", {}).get("application/json", {}).get("examples", ()))


def _brief(answer: Schema, codes: list[str]) -> Schema:
    """A response with these codes only, without headers that all have, and examples that its schema has."""
    headers = {name: header for name, header in answer.get("headers", {}).items() if name not in tables.LIMITED}
    content = {
        kind: {"schema": body["schema"]} if "$ref" in str(body["schema"]) else body
        for kind, body in answer.get("content", {}).items()
    }
    said = {"description": _listed(codes) + "." if codes else answer["description"]}
    return said | {name: part for name, part in {"headers": headers, "content": content}.items() if part}


def _any_other(general: dict[str, list[str]], answers: Schema) -> Schema:
    """One response for these codes by status, with the headers of all."""
    lines = [f"- {status}: {_listed(codes)}" for status, codes in general.items()]
    headers = {name: header for status in general for name, header in answers[status]["headers"].items()}
    errors = answers[next(iter(general))]["content"]
    return {
        "description": "\n".join(["Any error, with a code by status:\n", *lines]),
        "headers": headers,
        "content": {kind: {"schema": body["schema"]} for kind, body in errors.items()},
    }


def _listed(codes: Iterable[str]) -> str:
    return ", ".join(f"`{code}`" for code in codes)


# ---- schemas


def _said_once(schemas: Schema) -> Schema:
    """The schemas without titles, which are their names, and without words that stand where their fields come from."""
    described = {
        (field, schema.get("description"))
        for name, component in schemas.items()
        if name not in GATHERED
        for field, schema in component.get("properties", {}).items()
    }
    plain = {}
    for name, component in schemas.items():
        plain[name] = _plain(component)
        for field, schema in component.get("properties", {}).items():
            if name in GATHERED and (field, schema.get("description")) in described:
                left_out = {"description", "examples"}
            else:
                named = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
                left_out = {"description"} if schema.get("description") == named.get("description") else set()
            plain[name]["properties"][field] = {
                key: value for key, value in _plain(schema).items() if key not in left_out
            }
    return plain


def _plain(schema: Schema) -> Schema:
    """A schema without what is said by its name, its fields or its format."""
    left_out = {"title"}
    if "properties" in schema or "x-extensible-enum" in schema or schema.get("format") in ("date-time", "email"):
        left_out.add("examples")
    return {key: value for key, value in schema.items() if key not in left_out} | (
        {"properties": dict(schema["properties"])} if "properties" in schema else {}
    )


# ---- components


def _moved(places: Iterable[Place], kind: str) -> Schema:
    """The components, those with the most references first: they get the shortest names."""
    alike: dict[bytes, list[Place]] = {}
    for place in places:
        alike.setdefault(_encode(place[0][place[1]]), []).append(place)
    moved: Schema = {}
    names: dict[str, int] = {}
    for same in sorted(alike.values(), key=len, reverse=True):
        (holder, key, name), *others = same
        if others:
            names[name] = names.get(name, 0) + 1
            name += f"-{names[name]}" if names[name] > 1 else ""
            moved[name] = holder[key]
            for holder, key, _ in same:
                holder[key] = {"$ref": f"#/components/{kind}/{name}"}
    return moved
