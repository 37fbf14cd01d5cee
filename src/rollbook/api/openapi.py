"""The description of the API (OpenAPI 3.1), made from the rows of `routes`, the types they name and the tree of errors.

What those do not say is in the tables below: patterns, what plain strings of an answer look like, headers and examples.
"""

from __future__ import annotations

import inspect
import json
from http import HTTPStatus
from itertools import permutations
from typing import Any, get_args, get_origin

import msgspec

from rollbook import __version__, errors
from rollbook.api import parsing, routes, types
from rollbook.api.routes import Route
from rollbook.auth import permissions
from rollbook.errors import ApiError, Fault
from rollbook.records import directory, events

Schema = dict[str, Any]


def document(server_url: str) -> bytes:
    """The description as JSON, indented, always in the same order. `server_url` is where callers reach the server."""
    return (json.dumps(describe(server_url), indent=2, ensure_ascii=False) + "\n").encode()


def describe(server_url: str) -> Schema:
    """The description as an object."""
    answered = {error for route in routes.ROUTES for error in errors_of(route)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rollbook",
            "version": __version__,
            "summary": "A self-hosted users API.",
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": server_url, "description": "The server that gave this description."}],
        "security": [{SCHEME: []}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": _paths(),
        "components": {
            "securitySchemes": {SCHEME: {"type": "http", "scheme": "bearer", "description": _scheme_text()}},
            "schemas": _schemas(),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": {_shared_name(status): _error_answer(status, found, True) for status, found in _shared().items()},
            "examples": {error.code: _error_example(error, server_url) for error in errors.tree() if error in answered},
        },
    }


# ---- calls


def operation_id(route: Route) -> str:
    """The handler's name; unique, though PUT and PATCH share one."""
    name = route.handler.__name__
    return name.replace("update", "patch") if route.method == "PATCH" else name


def words(route: Route) -> tuple[str, str]:
    """Summary and description of a call: the first line of its handler's docstring, and the rest."""
    summary, _, rest = (inspect.getdoc(route.handler) or "").partition("\n")
    return summary, rest.strip()


def tag(route: Route) -> str:
    return route.handler.__module__.rpartition(".")[2].capitalize()


def errors_of(route: Route) -> list[type[ApiError]]:
    """Every error that a call can answer with, in the order of the tree."""
    found = {*OF_EVERY_CALL, *route.errors}
    if route.scope is not None:
        found.update(OF_CALLS_WITH_A_KEY)
    if route.body is not None or route.method == "POST":
        found.update(OF_CALLS_WITH_A_BODY)
    if route.method == "POST":
        found.update(OF_POSTS)
    if "{" in route.path:
        found.add(errors.NotFound)
    return [error for error in errors.tree() if error in found]


def query_parameters(route: Route) -> list[Schema]:
    """The parameters of a call's query string."""
    if route.query is None:
        return []
    _, found = _components([route.query])
    return [_query_parameter(name, schema) for name, schema in found[route.query.__name__]["properties"].items()]


def _paths() -> Schema:
    paths: Schema = {}
    for route in routes.ROUTES:
        item = paths.setdefault(route.path, {})
        if "{" in route.path:
            item["parameters"] = [{"$ref": f"#/components/parameters/{route.path.partition('{')[2].partition('}')[0]}"}]
        item[route.method.lower()] = _operation(route)
    return paths


def _operation(route: Route) -> Schema:
    summary, description = words(route)
    said = [description] if description else []
    if route.scope is None:
        said.append("Needs no key.")
    else:
        reach = {"": "", "user": " A member reaches only itself.", "keys": " A member reaches only its own keys."}[route.own]
        said.append(f"Scope: `{route.scope}`.{reach}")
    operation: Schema = {
        "operationId": operation_id(route),
        "tags": [tag(route)],
        "summary": summary,
        "description": "\n\n".join(said),
        "security": [] if route.scope is None else [{SCHEME: [route.scope]}],
    }
    parameters = [*query_parameters(route), *({"$ref": f"#/components/parameters/{name}"} for name in _request_headers(route))]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": _content(route.body)}}
    operation["responses"] = _answers(route)
    return operation


def _request_headers(route: Route) -> list[str]:
    found = []
    if route.method == "POST":
        found.append("Idempotency-Key")
    if errors.PreconditionFailed in route.errors:
        found.append("If-Match")
    if _answers_not_modified(route):
        found.append("If-None-Match")
    return found


def _query_parameter(name: str, schema: Schema) -> Schema:
    schema = dict(schema)
    if schema.get("default", 0) is None:  # left out
        del schema["default"]
        schema = schema["anyOf"][0]
    schema = {**schema, **QUERIES.get(name, {})}
    return {"name": name, "in": "query", "required": False, "description": schema.pop("description"), "schema": _typed(schema)}


# ---- answers


def _answers(route: Route) -> Schema:
    answers: Schema = {str(route.success): _success(route)}
    if _answers_not_modified(route):
        answers["304"] = {"description": "The caller already has this version.", "headers": _headers(*LIMITED, "ETag")}
    shared = _shared()
    for status, found in _by_status(errors_of(route)).items():
        if route.scope is not None and shared.get(status) == found:
            answers[str(status)] = {"$ref": f"#/components/responses/{_shared_name(status)}"}
        elif status == errors.Unavailable.status and route.answer is types.Health:
            answers[str(status)] = _not_ready(found)
        else:
            answers[str(status)] = _error_answer(status, found, route.scope is not None)
    return dict(sorted(answers.items()))


def _success(route: Route) -> Schema:
    names = list(LIMITED if route.scope is not None else EVERYWHERE)
    if route.success == 201:
        names.append("Location")
    if route.answer in (types.User, types.UserListed, types.UserUpdated):
        names.append("ETag")
    if route.method == "POST":
        names.append("Idempotency-Replayed")
    names += PAGED.get(route.handler.__name__, ())
    found: Schema = {"description": _outcome(route), "headers": _headers(*names)}
    if route.answer is str:
        kind, schema, example = TEXTS[route.handler.__name__]
        found["content"] = {kind: {"schema": schema, "example": example}}
    elif route.answer is not None:
        selectable = route.query is not None and "fields" in route.query.__struct_fields__
        found["content"] = {"application/json": _content(route.answer, selectable)}
    return found


def _outcome(route: Route) -> str:
    if route.success == 204:
        return "Done. There is no body."
    return "Created." if route.success == 201 else "Success."


def _content(kind: Any, selectable: bool = False) -> Schema:
    """A body of this type, with its example. Where `fields` selects, it may also be any part of a user."""
    item = _item(kind)
    example = EXAMPLES[item.__name__] if item is kind else LISTS[item.__name__]
    if kind is dict:
        return {"schema": {"type": "object", "additionalProperties": True}, "example": example}
    schema: Schema = {"$ref": f"#/components/schemas/{item.__name__}"}
    if selectable:
        schema = {"anyOf": [schema, {"$ref": "#/components/schemas/UserFields"}]}
    if item is not kind:
        schema = {"type": "array", "maxItems": 1000, "items": schema}
    return {"schema": schema, "example": example}


def _item(kind: Any) -> Any:
    """What a list is of; of anything else, itself."""
    return get_args(kind)[0] if get_origin(kind) is list else kind


def _answers_not_modified(route: Route) -> bool:
    return route.answer is types.User


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


# ---- errors


def _by_status(found: list[type[ApiError]]) -> dict[int, list[type[ApiError]]]:
    statuses: dict[int, list[type[ApiError]]] = {}
    for error in found:
        statuses.setdefault(error.status, []).append(error)
    return statuses


def _shared() -> dict[int, list[type[ApiError]]]:
    """The errors of a plain call with a key and a body: most calls refer to these answers."""
    found = {*OF_EVERY_CALL, *OF_CALLS_WITH_A_KEY, *OF_CALLS_WITH_A_BODY, *OF_POSTS, errors.NotFound, errors.PreconditionFailed}
    return _by_status([error for error in errors.tree() if error in found])


def _shared_name(status: int) -> str:
    return "".join(word for word in HTTPStatus(status).phrase.title() if word.isalpha())


def _error_answer(status: int, found: list[type[ApiError]], limited: bool) -> Schema:
    names = list(LIMITED if limited and status not in BEFORE_THE_KEY else EVERYWHERE)
    if any(issubclass(error, (errors.TooManyRequests, errors.Unavailable, errors.StillRunning)) for error in found):
        names.append("Retry-After")
    if any(issubclass(error, (errors.Unauthorized, errors.InsufficientScope)) for error in found):
        names.append("WWW-Authenticate")
    return {
        "description": "\n\n".join(f"`{error.code}`: {error.__doc__}" for error in found),
        "headers": _headers(*names),
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Error"},
                "examples": {error.code: {"$ref": f"#/components/examples/{error.code}"} for error in found},
            },
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
        },
    }


def _not_ready(found: list[type[ApiError]]) -> Schema:
    """Readiness tells in its own words what is missing; before that the server may refuse the call as it does any other."""
    answer = _error_answer(errors.Unavailable.status, found, False)
    answer["description"] = "Not ready: `checks` says what is wrong.\n\n" + answer["description"]
    content = answer["content"]["application/json"]
    content["schema"] = {"anyOf": [{"$ref": "#/components/schemas/Health"}, content["schema"]]}
    content["examples"]["not_ready"] = {
        "summary": "A check failed",
        "value": {"status": "unavailable", "checks": {"database": errors.StorageUnavailable.message}},
    }
    return answer


def _error_example(kind: type[ApiError], server_url: str) -> Schema:
    if kind is errors.InvalidParameter:
        error: ApiError = parsing.invalid([Fault("limit", "limit must be at most 1000.")])
    elif issubclass(kind, errors.TooManyRequests):
        error = kind(23)
    else:
        error = kind()
    value: Schema = {
        "error": error.message,
        "code": error.code,
        "request_id": REQUEST_ID,
        "doc_url": f"{server_url}/docs/errors/{error.code}",
    }
    if error.param is not None:
        value["param"] = error.param
    if error.faults:
        value["errors"] = [fault._asdict() for fault in error.faults]
    return {"summary": error.message, "value": value}


# ---- schemas


def _schemas() -> Schema:
    bodies = {route.body for route in routes.ROUTES if route.body is not None}
    answers = {_item(route.answer) for route in routes.ROUTES} - {None, str, dict}
    _, arriving = _components(bodies)
    _, leaving = _components([*answers, types.Error])
    found = {name: _arriving(name, schema) for name, schema in arriving.items()}
    found |= {name: _leaving(name, schema) for name, schema in leaving.items()}
    part = {"title": "UserFields", "description": "The fields of a user that `fields` names.", "minProperties": 1}
    found["UserFields"] = {name: value for name, value in found["User"].items() if name != "required"} | part
    found["Problem"] = _problem(found["Error"])
    for name in found:
        if name in EXAMPLES:
            found[name]["examples"] = [EXAMPLES[name]]
    return {name: found[name] for name in sorted(found)}


def _components(kinds: Any) -> tuple[Any, Schema]:
    return msgspec.json.schema_components(
        sorted(kinds, key=lambda kind: kind.__name__), schema_hook=_custom, ref_template="#/components/schemas/{name}"
    )


def _custom(kind: Any) -> Schema:
    """The schema of one of our own types: what it says of itself, and what its parser takes."""
    return {"description": inspect.getdoc(kind), **kind.schema, **PATTERNS.get(kind, {})}


def _arriving(type_name: str, schema: Schema) -> Schema:
    properties = {}
    for name, field in schema["properties"].items():
        properties[name] = _typed({**(BODIES.get(f"{type_name}.{name}") or BODIES.get(name) or {}), **field})
    return {**schema, "properties": properties}


def _leaving(type_name: str, schema: Schema) -> Schema:
    properties = {}
    for name, field in schema["properties"].items():
        shown = ANSWERS.get(f"{type_name}.{name}") or ANSWERS.get(name)
        properties[name] = _typed(field) if shown is None else _or_null(shown, field)
    return {**schema, "properties": properties, "additionalProperties": False}


def _or_null(shown: Schema, field: Schema) -> Schema:
    return _typed({"anyOf": [shown, {"type": "null"}]}) if {"type": "null"} in field.get("anyOf", ()) else _typed(shown)


def _typed(schema: Schema) -> Schema:
    """The same with `type` beside each `enum`, and `X or null` as one schema of two types."""
    either = schema.get("anyOf", ())
    if len(either) == 2 and either[1] == {"type": "null"} and "type" in (inner := _typed(either[0])):
        schema = {**inner, **{name: value for name, value in schema.items() if name != "anyOf"}, "type": [inner["type"], "null"]}
    if "enum" in schema and "type" not in schema:
        schema = {"type": "string", **schema}
    if "items" in schema:
        schema = {**schema, "items": _typed(schema["items"])}
    if schema.get("type") == "integer":
        schema = {"type": "integer", "format": "int64", **schema}
    return schema


def _problem(error: Schema) -> Schema:
    return {
        **error,
        "title": "Problem",
        "description": "The same as a problem document (RFC 9457), for callers that send `Accept: application/problem+json`.",
        "properties": {
            "type": {**_uri("The page about this error.", 2048), "examples": ["https://api.example.com/docs/errors/not_found"]},
            "title": _text("The status in words.", 64, examples=["Not Found"]),
            "status": {
                "type": "integer",
                "minimum": 400,
                "maximum": 599,
                "format": "int32",
                "description": "The status of the answer.",
            },
            "detail": error["properties"]["error"],
            "instance": _text("This very occurrence.", 64, pattern="^urn:rollbook:request:req_[0-9a-v]{24}$"),
            **error["properties"],
        },
        "required": ["type", "title", "status", "detail", "instance", *error["required"]],
    }


# ---- tables: schemas

ANY_TEXT = "^[^\\u0000]*$"
USER_ID = "user_[0-9a-v]{26}"
KEY_ID = "key_[0-9a-v]{26}"
EVENT_ID = "evt_[0-9a-v]{26}"
ALICE_ID = "user_065n14sd01rd526r46hrcu0i8o"
BOB_ID = "user_065n1610s1svlbjclvt8htp6r0"
CHARLIE_ID = "user_065n18a8k1rnhbvqalm9j3ts0c"
THE_KEY_ID = "key_065n19esg1vsvaetc6pc73vuso"
THE_EVENT_ID = "evt_065n1ijrg1t7ne57u1m417e15k"
REQUEST_ID = "req_7m2c9v0kq1t8a3hs0000001f"
# Of the right form, made for this page and nobody's.
KEY_TEXT = "rbk_" + "Example" * 4 + "Only" + "1gTtmI"


def _text(description: str, longest: int, *, pattern: str = ANY_TEXT, **more: Any) -> Schema:
    return {"type": "string", "maxLength": longest, "pattern": pattern, "description": description, **more}


def _uri(description: str, longest: int) -> Schema:
    return {"type": "string", "format": "uri", "maxLength": longest, "description": description}


def _id(pattern: str, description: str, example: str) -> Schema:
    return _text(description, 31, pattern=f"^{pattern}$", examples=[example])


def _time(description: str, example: str = "2023-10-27T10:00:00Z") -> Schema:
    return {"type": "string", "format": "date-time", "maxLength": 20, "description": description, "examples": [example]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


# Names as `records/rules` takes them: white space around, nothing inside that cannot be shown, and something to see.
_WHITE = "\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"
_REFUSED = "\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069"
_INVISIBLE = "\\u00ad\\u115f\\u1160\\u200b-\\u200f\\u2060-\\u2065\\u2800\\u3164\\ufeff\\uffa0"
_WINDOW = "[1-9][0-9]{0,8}/(second|minute|hour|day|[1-9][0-9]{0,5}s)"
_FIELD = f"({'|'.join(types.USER_FIELDS)})"

PATTERNS: dict[type, Schema] = {
    types.Name: {"pattern": f"^[{_WHITE}]*[^{_REFUSED}]*[^{_REFUSED}{_WHITE}{_INVISIBLE}][^{_REFUSED}]*[{_WHITE}]*$"},
    types.Time: {"pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-"},
    types.LimitText: {"pattern": f"^(none|{_WINDOW}(,{_WINDOW}){{0,3}})$"},
    types.Network: {"pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"},
    types.Fields: {"pattern": f"^(\\*|{_FIELD}(,{_FIELD})*)$", "maxLength": 8192},
    types.Ids: {"pattern": "^[^,\\u0000]+(,[^,\\u0000]+)*$"},
    types.Sort: {"pattern": f"^({'|'.join('-?{}(,-?{}(,-?{})?)?'.format(*each) for each in permutations(directory.SORTABLE))})$"},
    types.Cursor: {"pattern": "^[A-Za-z0-9_-]+$"},
    types.SearchText: {"pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]+$"},
}

_ROLE = "What the user may do. " + " ".join(f"`{role}`: {reach}" for role, reach in permissions.ROLES.items())
_STATUS = "`suspended`: its keys and its password do nothing until it is activated."

# What bodies' plain fields mean, by name, or by type and name. Fields with a type of their own say it there.
BODIES: dict[str, Schema] = {
    "Credentials.email": {"pattern": ANY_TEXT},
    "NewUser.role": {"description": _ROLE, "default": "member"},
    "role": {"description": _ROLE},
    "status": {"description": _STATUS},
    "external_id": {"description": "The caller's own identifier of the user. Unique. Null takes it away."},
    "email_verified": {"description": "Whether the address is known to be the user's."},
    "rate_limit": {"description": "Requests per window, such as `100/minute,5000/hour`, or `none`. Null: what applies without one."},
    "ip_allow": {"description": "Where the key may be used from. Left out or null: anywhere."},
    "password": {"format": "password"},
    "current_password": {"format": "password"},
    "expires_at": {"description": "When the key stops working, an RFC 3339 time in the future. Left out or null: never."},
    "user_id": {"pattern": ANY_TEXT, "examples": [CHARLIE_ID]},
    "scopes": {"description": "What the key may do. Left out or null: all that its user may."},
}  # fmt: skip

# What queries' plain parameters look like, by name.
QUERIES: dict[str, Schema] = {
    "email": {"minLength": 1, "pattern": ANY_TEXT, "examples": ["alice@example.com"]},
    "external_id": {"minLength": 1, "pattern": ANY_TEXT, "examples": ["crm-1042"]},
    "role": {"description": "Only users with this role."},
    "status": {"description": "Only users with this status."},
    "created_after": {"description": "Only users created after this RFC 3339 time."},
    "created_before": {"description": "Only users created before this RFC 3339 time."},
    "user": {"minLength": 1, "pattern": ANY_TEXT, "examples": [CHARLIE_ID]},
    "after": {"minLength": 1, "pattern": ANY_TEXT, "examples": [THE_EVENT_ID]},
    "type": {"enum": list(events.TYPES), "description": "Only events of this type. " + " ".join(f"`{name}`: {text}" for name, text in events.TYPES.items())},
    "limit": {"examples": [2]},
    "offset": {"examples": [0]},
}  # fmt: skip

# What plain strings and raw JSON of an answer look like: by the field's name, or by type and field where the name means several things.
ANSWERS: dict[str, Schema] = {
    "id": _id(USER_ID, "Identifier of the user, never used again.", ALICE_ID),
    "Key.id": _id(KEY_ID, "Identifier of the key.", THE_KEY_ID),
    "Event.id": _id(EVENT_ID, "Identifier of the event: `after` takes it.", THE_EVENT_ID),
    "name": _text("The user's name.", 255, minLength=1, examples=["Alice Wonderland"]),
    "Key.name": _text("What the key is for.", 100, minLength=1, examples=["billing service"]),
    "email": {"type": "string", "format": "email", "maxLength": 254, "description": "The user's e-mail address.", "examples": ["alice@example.com"]},
    "role": {"enum": list(permissions.ROLES), "description": _ROLE},
    "status": {"enum": list(get_args(types.Status)), "description": _STATUS},
    "external_id": _text("The caller's own identifier of the user.", 255, examples=["crm-1042"]),
    "metadata": {"type": "object", "additionalProperties": True, "description": "A JSON object of the caller's own.", "examples": [{"plan": "pro"}]},
    "email_verified": {"type": "boolean", "description": "Whether the address is known to be the user's."},
    "rate_limit": _text("Requests per window, or `none`; null: what applies without one.", 100, examples=["1000/minute"]),
    "created_at": _time("When it came into being."),
    "updated_at": _time("When it was changed last.", "2023-10-27T11:00:00Z"),
    "last_sign_in_at": _time("When the user's password was last given rightly."),
    "user_id": _id(USER_ID, "Whose it is.", CHARLIE_ID),
    "Event.user_id": _id(USER_ID, "The user that the event is about, or whose key it is about.", CHARLIE_ID),
    "EventActor.user_id": _id(USER_ID, "The user whose key made the request.", ALICE_ID),
    "masked": _text("Beginning and end of the key's text, by which people tell keys apart.", 16, examples=[f"{KEY_TEXT[:8]}…{KEY_TEXT[-4:]}"]),
    "scopes": {"type": "array", "maxItems": 32, "items": {"enum": list(permissions.SCOPES)}, "description": "What the key may do; null: all that its user may."},
    "ip_allow": {"type": "array", "maxItems": 64, "items": _text("An address or network.", 43), "description": "Where the key may be used from; null: anywhere."},
    "revealable": {"type": "boolean", "description": "Whether its owner can be shown the key again."},
    "expires_at": _time("When the key stops working; null: never.", "2024-10-27T10:00:00Z"),
    "last_used_at": _time("When the key was last used, to within some seconds; null: never."),
    "revoked_at": _time("When the key was revoked; null: it was not."),
    "key": _text("The key itself.", 42, pattern="^rbk_[0-9A-Za-z]{38}$", examples=[KEY_TEXT]),
    "type": {"enum": list(events.TYPES), "description": "What happened."},
    "key_id": _id(KEY_ID, "The key that made the request.", THE_KEY_ID),
    "address": _text("Where the request came from: an address, `cli` for the command line, `system` for the server itself.", 64, examples=["203.0.113.7"]),
    "request_id": _text("Identifier of the request, also in `X-Request-Id` and in the server's log.", 28, pattern="^req_[0-9a-v]{24}$", examples=[REQUEST_ID]),
    "object": {"description": "The user or key after the change, as the API shows it. Of an erased user only the id.", "anyOf": [_ref("UserFields"), _ref("Key")]},
    "before": {"description": "What the changed fields of the user were, or the key that was replaced; null where nothing was before.", "anyOf": [_ref("UserFields"), _ref("Key"), {"type": "null"}]},
    "count": {"type": "integer", "minimum": 0, "maximum": 1 << 53, "description": "How many users there are."},
    "Export.keys": {"type": "array", "maxItems": 1_000_000, "items": _ref("Key"), "description": "The user's API keys, without their text."},
    "Export.events": {"type": "array", "maxItems": 100_000, "items": _ref("Event"), "description": "The log of changes to the user and its keys."},
    "error": _text("What went wrong, in a sentence for people.", 2048, examples=["Email address is already in use."]),
    "code": {"enum": list(dict.fromkeys(error.code for error in errors.tree())), "description": "What went wrong, for programs. Never changes its meaning."},
    "doc_url": _uri("A page about this error.", 2048),
    "param": _text("The query parameter, header or field of the body that is at fault.", 64, examples=["email"]),
    "errors": {"type": "array", "maxItems": 10_000, "items": _ref("FaultShown"), "description": "Everything that is wrong with the request."},
    "FaultShown.message": _text("What is wrong with it.", 2048),
    "Health.status": {"enum": ["ok", "unavailable"], "description": "Whether all is well."},
    "checks": {"type": "object", "maxProperties": 16, "additionalProperties": _text("`ok`, or what is wrong.", 1024), "description": "What was looked at."},
}  # fmt: skip

# ---- tables: calls

SCHEME = "key"

ABOUT = """\
Users, their API keys, and the log of what happened to them.

- **Keys.** Send `Authorization: Bearer YOUR_API_KEY`. A key acts as its user, and can do no more than the user's role and its own scopes allow.
- **Errors.** JSON with `error` (a sentence), `code` (for programs) and `request_id`; with `Accept: application/problem+json`, RFC 9457.
- **Limits.** By default 100 requests a minute and 5,000 an hour for each user, all its keys together. The `RateLimit` headers tell what is left.
- **Retries.** Every POST takes an `Idempotency-Key`: sent again within 24 hours, the same request is answered again, not done again.
- **Methods.** HEAD is answered wherever GET is; OPTIONS names the methods of a path in `Allow`, as does 405.
"""

TAGS: dict[str, str] = {
    "Users": "People with a name, an e-mail address and a password.",
    "Keys": "API keys: what they may do, from where, how long.",
    "Events": "What happened, in the order in which it was committed.",
    "Operations": "What operators and tools ask for.",
}

OF_EVERY_CALL = (
    errors.InvalidParameter, errors.BadMessage, errors.RequestTimeout, errors.UriTooLong, errors.HeadersTooLarge, errors.ApiError,
    errors.StorageUnavailable, errors.Stopping,
)  # fmt: skip
OF_CALLS_WITH_A_KEY = (
    errors.MissingKey, errors.MalformedKey, errors.InvalidKey, errors.ExpiredKey, errors.RevokedKey, errors.InsufficientScope,
    errors.UserSuspended, errors.AddressNotAllowed, errors.TooManyRequests, errors.Overloaded,
)  # fmt: skip
OF_CALLS_WITH_A_BODY = (errors.InvalidJson, errors.ContentTooLarge, errors.UnsupportedMediaType)
OF_POSTS = (errors.StillRunning, errors.KeyReused)
# Answered by the transport, which has not looked at the key yet.
BEFORE_THE_KEY = (408, 413, 414, 431)

# ---- tables: headers

EVERYWHERE = ("X-Request-Id",)
LIMITED = (*EVERYWHERE, "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy", "RateLimit")
PAGED = {"list_users": ("Link", "X-Total-Count"), "list_keys": ("X-Total-Count",)}


def _header(description: str, schema: Schema, example: Any) -> Schema:
    return {"description": description, "schema": schema, "example": example}


def _number(least: int = 0) -> Schema:
    return {"type": "integer", "format": "int64", "minimum": least, "maximum": 1 << 53}


def _line(pattern: str = "^[ -~]*$", longest: int = 8192) -> Schema:
    return {"type": "string", "maxLength": longest, "pattern": pattern}


HEADERS: Schema = {
    "X-Request-Id": _header("Identifier of this request in the server's log.", _line("^req_[0-9a-v]{24}$", 28), REQUEST_ID),
    "RateLimit-Limit": _header("Requests that fit into the window with the fewest left.", _number(1), 100),
    "RateLimit-Remaining": _header("Requests left in that window.", _number(), 97),
    "RateLimit-Reset": _header("Seconds until that window starts anew.", _number(1), 42),
    "RateLimit-Policy": _header("All windows: how many requests (`q`) in how many seconds (`w`).", _line(), '"minute";q=100;w=60, "hour";q=5000;w=3600'),
    "RateLimit": _header("All windows: how many requests are left (`r`) for how many seconds (`t`).", _line(), '"minute";r=97;t=42, "hour";r=4890;t=2871'),
    "Retry-After": _header("Seconds to wait before the request is worth sending again.", _number(1), 23),
    "ETag": _header("The user's version, for `If-Match` and `If-None-Match`.", _line('^"[0-9]+"$', 32), '"3"'),
    "Link": _header("Other pages of this list (RFC 8288): `first`, `prev`, `next`, each where there is one.", _line(longest=32_768), '<https://api.example.com/v1/users?limit=50>; rel="first"'),
    "X-Total-Count": _header("How many items the whole list has. On a filtered list of users only with `count=exact`.", _number(), 2),
    "Location": _header("Where the new thing is.", _line("^/v1/[a-z]+/[a-z]+_[0-9a-v]{26}$", 64), f"/v1/users/{CHARLIE_ID}"),
    "WWW-Authenticate": _header("How to identify oneself, and what was wrong (RFC 6750).", _line(longest=512), errors.InvalidKey.challenge),
    "Idempotency-Replayed": _header("`true`: this is the answer that the first request with this `Idempotency-Key` got.", {"type": "string", "enum": ["true"]}, "true"),
}  # fmt: skip

PARAMETERS: Schema = {
    "userId": {
        "name": "userId", "in": "path", "required": True,
        "description": "Identifier of the user, or `me` for the caller's own.",
        "schema": _text("", 31, pattern=f"^(me|{USER_ID})$"), "example": CHARLIE_ID,
    },
    "keyId": {
        "name": "keyId", "in": "path", "required": True,
        "description": "Identifier of the key, or `current` for the one that makes this request.",
        "schema": _text("", 30, pattern=f"^(current|{KEY_ID})$"), "example": THE_KEY_ID,
    },
    "code": {
        "name": "code", "in": "path", "required": True, "description": "The `code` of an error.",
        "schema": {"type": "string", "enum": ANSWERS["code"]["enum"]}, "example": "email_taken",
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key", "in": "header", "required": False,
        "description": "Any text that is new for each new request, such as a random UUID. The same text with the same request within 24 hours gets the stored answer.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": '^(?!""$)[!-~]([ -~]*[!-~])?$'}, "example": "0b2c7f0e-9a54-4b43-8d3e-6a1f0c7d2e55",
    },
    "If-Match": {
        "name": "If-Match", "in": "header", "required": False,
        "description": "Do it only if the user still has this `ETag`; else 412.",
        "schema": _line('^(\\*|(W/)?"[^"]*"( *, *(W/)?"[^"]*")*)$', 1024), "example": '"3"',
    },
    "If-None-Match": {
        "name": "If-None-Match", "in": "header", "required": False,
        "description": "Answer 304 if the user still has this `ETag`.",
        "schema": _line(longest=1024), "example": '"3"',
    },
}  # fmt: skip


def _scheme_text() -> str:
    scopes = "\n".join(f"- `{scope}`: {text}" for scope, text in permissions.SCOPES.items())
    return f"An API key in the Authorization header: `Authorization: Bearer YOUR_API_KEY`. Scopes:\n\n{scopes}"


# ---- tables: examples

ALICE = {"id": ALICE_ID, "name": "Alice Wonderland", "email": "alice@example.com", "created_at": "2023-10-27T10:00:00Z"}
BOB = {"id": BOB_ID, "name": "Bob The Builder", "email": "bob@example.com", "created_at": "2023-10-27T10:05:00Z"}
CHARLIE = {"id": CHARLIE_ID, "name": "Charlie Chaplin", "email": "charlie@example.com", "created_at": "2023-10-27T10:15:00Z"}
CHARLES = {"id": CHARLIE_ID, "name": "Charles Chaplin", "email": "charlie.c@example.com", "updated_at": "2023-10-27T11:00:00Z"}
WHOLE_CHARLES = {
    "id": CHARLIE_ID, "name": "Charles Chaplin", "email": "charlie.c@example.com", "role": "member", "status": "active",
    "external_id": "crm-1042", "metadata": {"plan": "pro"}, "email_verified": False, "rate_limit": None,
    "created_at": "2023-10-27T10:15:00Z", "updated_at": "2023-10-27T11:00:00Z", "last_sign_in_at": None,
}  # fmt: skip
LISTED_KEY = {
    "id": THE_KEY_ID, "user_id": CHARLIE_ID, "name": "billing service", "masked": f"{KEY_TEXT[:8]}…{KEY_TEXT[-4:]}",
    "scopes": ["users:read"], "ip_allow": ["203.0.113.0/24"], "rate_limit": "50/minute", "revealable": True,
    "created_at": "2023-10-27T10:20:00Z", "expires_at": "2024-10-27T10:00:00Z", "last_used_at": None, "revoked_at": None,
}  # fmt: skip
RENAMED = {
    "id": THE_EVENT_ID, "type": "user.updated", "created_at": "2023-10-27T11:00:00Z", "user_id": CHARLIE_ID,
    "actor": {"user_id": ALICE_ID, "key_id": THE_KEY_ID, "address": "203.0.113.7", "request_id": REQUEST_ID},
    "object": WHOLE_CHARLES, "before": {"name": "Charlie Chaplin", "email": "charlie@example.com"},
}  # fmt: skip

# One for each type that a body or an answer has.
EXAMPLES: dict[str, Any] = {
    "NewUser": {"name": "Charlie Chaplin", "email": "charlie@example.com", "password": "securepassword123"},
    "UserChanges": {"name": "Charles Chaplin", "email": "charlie.c@example.com"},
    "PasswordChange": {"password": "another-good-one", "current_password": "securepassword123"},
    "Credentials": {"email": "charlie@example.com", "password": "securepassword123"},
    "NewKey": {"name": "billing service", "scopes": ["users:read"], "ip_allow": ["203.0.113.0/24"], "rate_limit": "50/minute"},
    "KeyRotation": {"overlap": 3600},
    "PasswordProof": {"password": "securepassword123"},
    "UserListed": CHARLIE,
    "UserUpdated": CHARLES,
    "User": WHOLE_CHARLES,
    "UserFields": {"id": CHARLIE_ID, "role": "member"},
    "Count": {"count": 2},
    "Key": {**LISTED_KEY, "key": KEY_TEXT},
    "Event": RENAMED,
    "Export": {"user": WHOLE_CHARLES, "keys": [LISTED_KEY], "events": [RENAMED]},
    "Health": {"status": "ok"},
    "dict": {"openapi": "3.1.0", "info": {"title": "Rollbook", "version": __version__}},
}

LISTS: dict[str, list[Any]] = {"UserListed": [ALICE, BOB], "Key": [LISTED_KEY], "Event": [RENAMED]}

TEXTS: dict[str, tuple[str, Schema, str]] = {
    "show_metrics": ("text/plain", _text("Prometheus text format.", 10_000_000), "# TYPE rollbook_connections_open gauge\nrollbook_connections_open 1\n"),
    "explain_error": ("text/markdown", _text("The page.", 10_000), "# `email_taken`\n\nStatus 400.\n\nAnother user has this e-mail address.\n"),
}  # fmt: skip
