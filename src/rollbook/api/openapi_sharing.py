"""Makes the OpenAPI description small: it says once what calls have in common, and nothing that its other parts give.

- Errors that any call can get are the response `default`: one for calls with a key, one for others. A status stands
  beside it if one of its codes is the call's own. The headers of errors and the form that every error has are there.
- Examples of objects are those of their fields. Fields that a schema has of another one are described in that one, and
  filters in the parameters.
- Responses and parameters that are there more than once become components, and what `PUT` and `PATCH` have in common is
  said of `PUT`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Set
from typing import Any

import msgspec

from rollbook.api import openapi_tables as tables
from rollbook.errors import NotFound
from rollbook.schemas import Schema

_encode = msgspec.json.Encoder().encode
Place = tuple[Any, Any, str]
"""An object or list, a key in it, and a name for what is there."""
GENERAL = frozenset(
    error.code
    for errors in (tables.OF_EVERY_CALL, tables.OF_CALLS_WITH_A_KEY, tables.OF_CALLS_WITH_A_BODY, tables.OF_POSTS)
    for error in (*errors, NotFound)
)
"""Codes of errors that any call of its kind can get."""
GATHERED = ("BulkOperation", "EventObject", "NotReady", "Problem")
"""Schemas of which the fields are those of others, and described there."""
IN_OTHERS = {"x-extensible-enum"}
"""Values of the fields of events' objects, which those have."""
IN_PARAMETERS = {"description", "examples"}
"""Words about filters, which the parameters have."""


def share(description: Schema) -> Schema:
    """Shorten the description as far as nothing is lost."""
    components = description["components"]
    operations = list(_operations(description))
    for has_key in (True, False):
        alike = [operation for operation in operations if bool(operation["security"]) == has_key]
        general = {"default": _general([operation["responses"] for operation in alike])}
        for operation in alike:
            is_ours = any(map(_codes, operation["responses"].values()))
            operation["responses"] = _own(operation["responses"]) | (general if is_ours else {})
    for operation in operations:
        # `security` names the scope.
        rest = re.sub(r"Scope: `[^`]+`\.\s*", "", operation["description"]).strip()
        operation["description"] = rest or operation["description"]
        for parameter in operation.get("parameters", ()):
            if "schema" in parameter:
                parameter["schema"] = _plain(parameter["schema"])
        bodies = operation.get("requestBody", {}).get("content", {})
        for kind in [*bodies][1:]:  # a merge patch, whose schema and example are those of JSON
            bodies[kind] = {"schema": bodies[kind]["schema"]}
    for item in description["paths"].values():
        if "patch" in item and item["patch"]["description"] == item.get("put", {}).get("description"):
            item["patch"]["description"] = "See `PUT`."
    answers = [
        (operation["responses"], status, "Error" if status == "default" else f"R{status}")
        for operation in operations
        for status in operation["responses"]
    ]
    parameters = [
        (operation["parameters"], at, parameter["name"])
        for operation in operations
        for at, parameter in enumerate(operation.get("parameters", ()))
        if "$ref" not in parameter
    ]
    del components["examples"]
    schemas = components["schemas"] = _said_once(components["schemas"])
    of_objects, of_filters = (schemas[name]["properties"] for name in ("EventObject", "BulkFilter"))
    of_objects |= {name: _without(schema, IN_OTHERS) for name, schema in of_objects.items()}
    for parameter in description["paths"]["/v1/users"]["get"]["parameters"]:
        name, words = parameter.get("name"), parameter.get("description", "")
        if name in of_filters and of_filters[name].get("description", "").startswith(words):
            of_filters[name] = _without(of_filters[name], IN_PARAMETERS)
    components["parameters"] |= _moved(parameters, "parameters")
    components["responses"] = _moved(answers, "responses")
    return description


def _operations(description: Schema) -> Iterator[Schema]:
    for item in [*description["paths"].values(), *description["webhooks"].values()]:
        yield from (operation for operation in item.values() if isinstance(operation, dict))


# ---- responses


def _own(answers: Schema) -> Schema:
    """Successes, and the statuses of the call's own errors."""
    codes = {status: _codes(answer) for status, answer in answers.items()}
    return {
        status: _brief(answer, [code for code in codes[status] if code not in GENERAL])
        for status, answer in answers.items()
        if not codes[status] or set(codes[status]) - GENERAL
    }


def _general(calls: Iterable[Schema]) -> Schema:
    """One response for the errors that any call can get, by status, with the headers of all."""
    codes: dict[str, list[str]] = {}
    headers, content = {}, {}
    for status, answer in ((status, answer) for answers in calls for status, answer in answers.items()):
        listed = codes.setdefault(status, [])
        if general := [code for code in _codes(answer) if code in GENERAL]:
            listed += [code for code in general if code not in listed]
            headers |= answer["headers"]
            content |= {kind: {"schema": body["schema"]} for kind, body in answer["content"].items()}
    lines = [f"- {status}: {_listed(listed)}" for status, listed in sorted(codes.items()) if listed]
    return {
        "description": "\n".join(["Any error, with a code by status:\n", *lines]),
        "headers": headers,
        "content": content,
    }


def _codes(answer: Schema) -> list[str]:
    """Codes of a response's errors. A success has none."""
    return list(answer.get("content", {}).get("application/json", {}).get("examples", ()))


def _brief(answer: Schema, codes: list[str]) -> Schema:
    """A response with these codes only, without headers that all have, of errors without any, the form that all errors
    can have, and examples that its schema has."""
    headers = {
        name: header for name, header in answer.get("headers", {}).items() if not codes and name not in tables.LIMITED
    }
    content = {
        kind: {"schema": body["schema"]} if "$ref" in str(body["schema"]) else body
        for kind, body in answer.get("content", {}).items()
        if not codes or kind == "application/json"
    }
    said = {"description": _listed(codes) + "." if codes else answer["description"]}
    return said | {name: part for name, part in {"headers": headers, "content": content}.items() if part}


def _listed(codes: Iterable[str]) -> str:
    return ", ".join(f"`{code}`" for code in codes)


# ---- schemas


def _said_once(schemas: Schema) -> Schema:
    """The schemas without titles, which are their names, and each field with its words and example once: where it is
    created, or else in the first schema that has it. What its type says isn't repeated."""
    said: set[tuple[str, str]] = set()
    shorter = {name: _plain(schema) for name, schema in schemas.items()}
    for name in sorted(schemas, key=lambda name: (name in GATHERED, not name.endswith("Create"))):
        for field, schema in schemas[name].get("properties", {}).items():
            named = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
            words = schema.get("description", "").replace(named.get("description", "\0"), "").strip()
            texts = {"description": words, "examples": str(schema.get("examples", ""))}
            left_out = {key for key, text in texts.items() if not text or (field, text) in said}
            said |= {(field, text) for text in texts.values()}
            plain = _plain(schema) | ({"description": words} if words else {})
            shorter[name]["properties"][field] = {key: value for key, value in plain.items() if key not in left_out}
    return shorter


def _without(schema: Schema, left_out: Set[str]) -> Schema:
    schema = {key: part for key, part in schema.items() if key not in left_out}
    return {**schema, "items": _without(schema["items"], left_out)} if "items" in schema else schema


def _plain(schema: Schema) -> Schema:
    """A schema without what is said by its name, its fields or its format."""
    left_out = {"title"}
    if "properties" in schema or "x-extensible-enum" in schema or schema.get("format") in ("date-time", "email"):
        left_out.add("examples")
    if "$ref" in schema.get("items", {}):
        schema = {**schema, "items": {"$ref": schema["items"]["$ref"]}}
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
