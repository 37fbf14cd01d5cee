"""Generates the OpenAPI 3.1 description from the rows of `routes`, their types and the tree of errors.

Everything else it needs is in `openapi_tables`.
"""

from __future__ import annotations

import inspect
import json
import re
from functools import cache
from typing import Any, get_args, get_origin

import msgspec

from rollbook import __version__, errors
from rollbook.actions import arguments
from rollbook.actions.checking import invalid
from rollbook.api import applications as application_calls
from rollbook.api import events as event_calls
from rollbook.api import groups as group_calls
from rollbook.api import openapi_tables as tables
from rollbook.api import operations as operation_calls
from rollbook.api import routes, show
from rollbook.api import tokens as token_calls
from rollbook.api import users as user_calls
from rollbook.api import webhooks as webhook_calls
from rollbook.api.openapi_sharing import share
from rollbook.api.route import Route
from rollbook.errors import ApiError, Fault
from rollbook.schemas import Schema, paragraphs


def document(server_url: str, indent: int | None = None) -> bytes:
    """The description as JSON, in a stable order: as small as it gets, unless it is indented. `server_url` is the
    server's base URL."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(describe(server_url), indent=indent, separators=separators, ensure_ascii=False)
    return (text + "\n").encode()


def describe(server_url: str) -> Schema:
    """The description as an object that says once what several calls have in common."""
    return share(spelled_out(server_url))


def spelled_out(server_url: str) -> Schema:
    """The description as an object in which each call has its own responses and parameters in full."""
    answered = {error for route in routes.ROUTES for error in errors_of(route)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rollbook",
            "version": __version__,
            "summary": "A self-hosted users API.",
            "description": tables.ABOUT,
            "contact": {"name": "Rollbook contributors"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "externalDocs": {"url": f"{server_url}/docs", "description": "The guide, with examples."},
        "servers": [{"url": server_url, "description": "This server."}],
        "security": [{tables.SCHEME: []}],
        "tags": [{"name": name, "description": text} for name, text in tables.parts()["tags"].items()],
        "paths": _paths(),
        "webhooks": {"event": _webhook(server_url)},
        "components": {
            "securitySchemes": {
                tables.SCHEME: {"type": "http", "scheme": "bearer", "description": tables.scheme_text()}
            },
            "schemas": _schemas(),
            "parameters": tables.parameters(),
            "headers": tables.parts()["headers"],
            "examples": {error.code: _error_example(error, server_url) for error in errors.tree() if error in answered},
        },
    }


# ---- calls


def operation_id(route: Route) -> str:
    """The action's name and object. Unique, although PUT and PATCH share an action."""
    name = "patch" if route.method == "PATCH" else route.action.__name__
    return name if route.shows is None or "_" in name else f"{name}_{tag(route).lower().removesuffix('s')}"


def words(route: Route) -> tuple[str, str]:
    """Summary and description of an endpoint: the first line of its action's docstring, and the rest."""
    summary, _, rest = (inspect.getdoc(route.action) or "").partition("\n")
    rest = paragraphs(rest)
    return summary, rest.strip()


def tag(route: Route) -> str:
    return route.path.split("/")[2].replace("-", " ").capitalize() if route.path.startswith("/v1/") else "Operations"


def errors_of(route: Route) -> list[type[ApiError]]:
    """All errors an endpoint can return, in the order of the tree."""
    kinds = {*tables.OF_EVERY_CALL, *route.errors}
    if route.scope is not None:
        kinds.update(tables.OF_CALLS_WITH_A_KEY)
    if route.body is not None or route.method == "POST":
        kinds.update(tables.OF_CALLS_WITH_A_BODY)
    if route.method == "POST" and route.special.replays:
        kinds.update(tables.OF_POSTS)
    if "{" in route.path:
        kinds.add(errors.NotFound)
    return [error for error in errors.tree() if error in kinds]


def query_parameters(route: Route) -> list[Schema]:
    """The query parameters of an endpoint."""
    if route.query is None:
        return []
    return [_query_parameter(name, field) for name, field in _queries()[route.query.__name__]["properties"].items()]


@cache
def _queries() -> Schema:
    _, schemas = _components({route.query for route in routes.ROUTES if route.query is not None})
    return schemas


def _paths() -> Schema:
    paths: Schema = {}
    for route in routes.ROUTES:
        item = paths.setdefault(route.path, {})
        if "{" in route.path:
            item["parameters"] = [
                {"$ref": f"#/components/parameters/{name}"} for name in re.findall(r"{(\w+)}", route.path)
            ]
        item[route.method.lower()] = _operation(route)
    return paths


def _operation(route: Route) -> Schema:
    summary, description = words(route)
    said = [description] if description else []
    if route.scope is None:
        said.append("Requires no API key.")
    else:
        reach = {
            "": "",
            "user": " Members can only access themselves.",
            "keys": " Members can only access their own keys.",
            "sessions": " Members can only access their own sessions.",
            "requests": " Members and viewers can only access requests with their own keys.",
            "webhooks": " Viewers can only access their own webhooks, members none.",
        }[route.self_access]
        said.append(f"Scope: `{route.scope}`.{reach}")
    operation: Schema = {
        "operationId": operation_id(route),
        "tags": [tag(route)],
        "summary": summary,
        "description": "\n\n".join(said),
        "security": [] if route.scope is None else [{tables.SCHEME: [route.scope]}],
    }
    parameters = [
        *query_parameters(route),
        *({"$ref": f"#/components/parameters/{name}"} for name in _request_headers(route)),
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        body = {"schema": tables.reference(route.body.__name__), "example": tables.shown()[route.body.__name__]}
        operation["requestBody"] = {
            "required": not route.body_is_optional,
            "content": dict.fromkeys(_body_types(route), body),
        }
    if route.streams_body:
        operation["requestBody"] = {"required": True, "content": tables.parts()["file"]}
    operation["responses"] = _answers(route)
    return operation


def _body_types(route: Route) -> list[str]:
    return ["application/json", *(["application/merge-patch+json"] if route.method == "PATCH" else [])]


def _request_headers(route: Route) -> list[str]:
    names = ["dry_run"] if route.can_be_previewed else []
    if route.method == "POST" and route.special.replays:
        names.append("Idempotency-Key")
    if errors.PreconditionFailed in route.errors:
        names.append("If-Match")
    if _answers_not_modified(route):
        names.append("If-None-Match")
    if route.takes is event_calls.take_following:
        names.append("Last-Event-ID")
    return names


def _query_parameter(name: str, schema: Schema) -> Schema:
    schema = dict(schema)
    if schema.get("default", 0) is None:  # optional
        del schema["default"]
        schema = dict(schema["anyOf"][0])
    if schema.get("type") == "string" and "pattern" not in schema:
        schema = {**schema, "minLength": 1, "pattern": arguments.ANY_TEXT}
    parameter = {
        "name": name,
        "in": "query",
        "description": schema.pop("description"),
        "schema": _named(schema),
    }
    if schema.get("type") == "object":
        return {**parameter, "style": "deepObject", "explode": True}
    return {**parameter, "style": "form", "explode": False} if schema.get("type") == "array" else parameter


def _webhook(server_url: str) -> Schema:
    """Description of a webhook's request. It is the same for all types of events, which the guide explains."""
    body = {"schema": tables.reference("Event"), "example": tables.event_example("user.updated")}
    return {
        "post": {
            "operationId": "on_event",
            # For openapi-generator, which would make calls of them, and writes code for those that does not compile.
            "x-internal": True,
            "tags": ["Events"],
            "summary": "An event",
            "description": f"Sent to each webhook that selects its type: {server_url}/docs/events#event-types.",
            "security": [],
            "parameters": [
                {"$ref": f"#/components/parameters/{header}"}
                for header in ("webhook-id", "webhook-timestamp", "webhook-signature")
            ],
            "requestBody": {"required": True, "content": {"application/json": body}},
            "responses": {"2XX": {"description": tables.ABOUT_WEBHOOKS}},
        }
    }


# ---- answers


def _answers(route: Route) -> Schema:
    answers: Schema = {str(route.success): _success(route)}
    if _answers_not_modified(route):
        answers["304"] = {"description": "Nothing has changed.", "headers": _headers(*tables.LIMITED, "ETag")}
    for status, kinds in _by_status(errors_of(route)).items():
        if status == errors.Unavailable.status and route.answer is operation_calls.Health:
            answers[str(status)] = _not_ready(kinds)
        else:
            answers[str(status)] = _error_answer(status, kinds, route.scope is not None)
    return dict(sorted(answers.items()))


def _success(route: Route) -> Schema:
    names = list(tables.LIMITED if route.scope is not None else tables.EVERYWHERE)
    # A token has no page of its own: what it was is gone once it is used.
    if route.success == 201 and "id" in route.answer.__struct_fields__ and route.answer is not token_calls.Token:
        names.append("Location")
    if route.answer in (user_calls.User, application_calls.Application, group_calls.Group, webhook_calls.Webhook):
        names.append("ETag")
    if route.method == "POST" and route.special.replays:
        names.append("Idempotency-Replayed")
    names += tables.PAGED.get(operation_id(route), ())
    answer: Schema = {"description": _outcome(route), "headers": _headers(*names)}
    if route.answer is str:
        answer["content"] = {
            text["type"]: {
                "schema": {"type": "string", "description": text["description"]},
                "example": text["example"],
            }
            for text in tables.parts()["texts"][operation_id(route)]
        }
    elif route.answer is not None:
        answer["content"] = {"application/json": _content(route)}
    return answer


def _outcome(route: Route) -> str:
    if route.success == 204:
        return "Success, without a body."
    return "Created." if route.success == 201 else "Success."


def _content(route: Route) -> Schema:
    """The body of a successful response, with its example."""
    item = _item(route.answer)
    if item is dict:
        return {"schema": {"type": "object", "additionalProperties": True}, "example": tables.shown()["dict"]}
    schema, examples = tables.reference(item.__name__), tables.shown()
    if item is not route.answer:
        listed = examples.get(f"{item.__name__}[]") or [examples[item.__name__]]
        return {"schema": {"type": "array", "maxItems": 1000, "items": schema}, "example": listed}
    shown = route.shows.__name__.removeprefix("show_") if route.shows else ""
    return {"schema": schema, "example": examples.get(shown, examples[item.__name__])}


def _item(kind: Any) -> Any:
    """The item type of a list; any other type itself."""
    return get_args(kind)[0] if get_origin(kind) is list else kind


def _answers_not_modified(route: Route) -> bool:
    return route.answer in (user_calls.User, application_calls.Application, group_calls.Group) and route.method == "GET"


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


# ---- errors


def _by_status(kinds: list[type[ApiError]]) -> dict[int, list[type[ApiError]]]:
    statuses: dict[int, list[type[ApiError]]] = {}
    for error in kinds:
        statuses.setdefault(error.status, []).append(error)
    return statuses


def _error_answer(status: int, kinds: list[type[ApiError]], limited: bool) -> Schema:
    names = list(tables.LIMITED if limited and status not in tables.BEFORE_THE_KEY else tables.EVERYWHERE)
    if any(issubclass(error, (errors.TooManyRequests, errors.Unavailable, errors.StillRunning)) for error in kinds):
        names.append("Retry-After")
    if any(issubclass(error, (errors.Unauthorized, errors.InsufficientScope)) for error in kinds):
        names.append("WWW-Authenticate")
    return {
        "description": f"{', '.join(f'`{error.code}`' for error in kinds)}.",
        "headers": _headers(*names),
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/ErrorResponse"},
                "examples": {error.code: {"$ref": f"#/components/examples/{error.code}"} for error in kinds},
            },
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
        },
    }


def _not_ready(kinds: list[type[ApiError]]) -> Schema:
    """Readiness has its own body. The server may also refuse the request like any other."""
    answer = _error_answer(errors.Unavailable.status, kinds, False)
    answer["description"] = "Not ready. `checks` says what is wrong.\n\n" + answer["description"]
    content = answer["content"]["application/json"]
    content["schema"] = tables.reference("NotReady")
    content["examples"]["not_ready"] = {
        "description": "A check failed.",
        "value": {"status": "unavailable", "checks": {"database": errors.StorageUnavailable.message}},
    }
    return answer


def _error_example(kind: type[ApiError], server_url: str) -> Schema:
    if kind is errors.InvalidParameter:
        error: ApiError = invalid([Fault("limit", "limit must be at most 1000.")])
    elif issubclass(kind, errors.TooManyRequests):
        error = kind(23)
    else:
        error = kind()
    value: Schema = {
        "error": error.message,
        "code": error.code,
        "request_id": tables.REQUEST_ID,
        "doc_url": f"{server_url}/docs/errors/{error.code}",
    }
    if error.param is not None:
        value["param"] = error.param
    if error.faults:
        value["errors"] = [fault._asdict() for fault in error.faults]
    without_links = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", paragraphs(kind.__doc__))
    return {"description": without_links, "value": value}


# ---- schemas


def _schemas() -> Schema:
    bodies = {route.body for route in routes.ROUTES if route.body is not None}
    answers = {_item(route.answer) for route in routes.ROUTES} - {None, str, dict}
    _, arriving = _components(bodies)
    _, leaving = _components([*answers, show.Problem, event_calls.EventObject])
    schemas = {name: _arriving(schema) for name, schema in arriving.items()}
    schemas |= {name: _leaving(schema) for name, schema in leaving.items()}
    schemas |= tables.ENUMS | tables.OPEN_ENUMS | {"NotReady": _not_ready_body(schemas)}
    schemas["EventObject"]["properties"] = _of_event_objects(schemas)
    # Where they are sent, there is an example already.
    shown = {kind.__name__ for kind in bodies | answers & {route.answer for route in routes.ROUTES}}
    for name in schemas.keys() & tables.shown().keys() - shown:
        schemas[name]["examples"] = [tables.shown()[name]]
    return {name: schemas[name] for name in sorted(schemas)}


def _components(kinds: Any) -> tuple[Any, Schema]:
    refs, schemas = msgspec.json.schema_components(
        sorted(kinds, key=lambda kind: kind.__name__), schema_hook=_custom, ref_template="#/components/schemas/{name}"
    )
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = paragraphs(schema["description"])
    return refs, schemas


def _custom(kind: Any) -> Schema:
    """The schema of one of our own types: its docstring, and what its parser accepts."""
    return {"description": paragraphs(kind.__doc__), **kind.schema}


def _arriving(schema: Schema) -> Schema:
    """Required fields first, and then those that are described as required unless something else is given."""
    required = schema["required"]
    fields = sorted(
        schema["properties"].items(),
        key=lambda field: (field[0] not in required, not field[1].get("description", "").startswith("Required, ")),
    )
    described = {name: _without_default(field) for name, field in fields}
    described |= {name: _or_null(field) for name, field in described.items() if name not in required}
    return {**schema, "properties": {name: _named(field) for name, field in described.items()}}


def _without_default(schema: Schema) -> Schema:
    """The default in words: a `default` makes some generators require the field."""
    if "default" not in schema:
        return schema
    schema = dict(schema)
    if schema["default"] is None:  # optional
        return dict(schema["anyOf"][0])
    default = json.dumps(schema.pop("default"))
    return {**schema, "description": f"{schema['description']} Default: `{default}`."}


def _or_null(schema: Schema) -> Schema:
    """An optional object or list can be null: Java's and Dart's generators give others an empty one, and send it."""
    if schema.get("type") not in ("array", "object"):
        return schema
    described = f"{schema['description']} Null: as if it were missing."
    return {**schema, "type": [schema["type"], "null"], "description": described}


def _named(schema: Schema) -> Schema:
    """A schema with a reference for each enumeration that has a name."""
    schema = _typed(schema)
    if "items" in schema:
        schema = {**schema, "items": _named(schema["items"])}
    for name, enum in tables.ENUMS.items():
        if set(schema.get("enum", ())) == set(enum["enum"]):
            rest = {key: value for key, value in schema.items() if key not in ("enum", "type")}
            return tables.reference(name) | rest
    return (
        {**schema, "pattern": schema["pattern"].removesuffix(arguments.NO_LINE_BREAK).replace(arguments.NO_HIDDEN, "")}
        if "pattern" in schema
        else schema
    )


def _leaving(schema: Schema) -> Schema:
    properties = {name: _typed(field) for name, field in schema["properties"].items()}
    return {**schema, "properties": properties, "additionalProperties": True}


def _of_event_objects(schemas: Schema) -> Schema:
    """The fields of what an event is about. One schema for users, applications, groups, keys, sessions, tokens,
    webhooks, imports and bulk jobs: a union would have generated clients refuse what later versions add."""
    properties: Schema = {}
    for kind in ("User", "Application", "Group", "Key", "Session", "Token", "Webhook", "Import", "BulkJob"):
        properties |= {
            name: field
            for name, field in schemas[kind]["properties"].items()
            if name not in properties and name not in _NOT_IN_EVENTS
        }
    return properties | schemas["EventObject"]["properties"]


_NOT_IN_EVENTS = ("key", "deleted_at", "unknown_fields", "token", "secret", "health", "report_url", "results_url")


def _typed(schema: Schema) -> Schema:
    """A schema with a `type` for each `enum`, `X or null` as one schema of two types, and references by themselves."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    schema = dict(schema)
    if "anyOf" in schema:
        inner, null = _typed(schema["anyOf"][0]), {"type": "null"}
        assert schema.pop("anyOf")[1:] == [null]
        schema = (
            {"oneOf": [inner, null], **schema}
            if "$ref" in inner
            else {**inner, **schema, "type": [inner["type"], "null"]}
        )
    if "enum" in schema and "type" not in schema:
        schema = {"type": "string", **schema}
    if "items" in schema:
        schema = {**schema, "items": _typed(schema["items"])}
    if schema.get("type") == "integer":
        schema["format"] = schema.get("format", "int64")
    return dict(sorted(schema.items(), key=lambda item: _ORDER.get(item[0], 0)))


_ORDER = {"type": -2, "format": -1, "examples": 1}
"""Order of the keys of a schema: the others are between, as they come."""


def _not_ready_body(schemas: Schema) -> Schema:
    return {
        "title": "NotReady",
        "type": "object",
        "description": "Why the server is not ready: its checks, or the error that any request can get.",
        "properties": schemas["Health"]["properties"] | schemas["ErrorResponse"]["properties"],
        "additionalProperties": True,
    }
