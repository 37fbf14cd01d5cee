"""The description of the API is the one committed, the one served, and true to the routes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import pytest

from rollbook import errors
from rollbook.api import openapi, openapi_tables
from rollbook.api.route import Route
from rollbook.api.routes import ROUTES
from rollbook.config import Settings
from tests.grids import grid
from tests.harness import Server

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTION: dict[str, Any] = openapi.describe(Settings().url)

WHOLE: dict[str, Any] = json.loads(json.dumps(openapi.spelled_out(Settings().url)))
MAX_SIZE = 278_000
"""Bytes of the description as it is served: 20,000 more than before for rules, a noun with nine calls, and 3,000 for who
acts as a user, who is absent from an import, and OCSF."""

each_route = grid("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")


def test_the_committed_description_is_what_the_code_says() -> None:
    assert (ROOT / "openapi.json").read_bytes() == openapi.document(Settings().url, indent=2), "run: make openapi"


def test_the_served_description_is_the_committed_one_with_its_own_address(
    server: Server, anonymous: httpx2.Client
) -> None:
    answer = anonymous.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.text.replace(server.url, Settings().url)) == json.loads(
        (ROOT / "openapi.json").read_text()
    )
    assert "\n" not in answer.text.rstrip() and '": ' not in answer.text[:200], "as small as it gets"


def test_the_description_is_short() -> None:
    assert len(openapi.document("")) < MAX_SIZE


@each_route
def test_what_is_said_once_is_said_of_the_call(route: Route) -> None:
    whole, short = (of["paths"][route.path][route.method.lower()] for of in (WHOLE, DESCRIPTION))
    for part in ("operationId", "summary", "security", "tags"):
        assert short[part] == whole[part]
    words = DESCRIPTION["paths"][route.path]["put"] if short["description"] == "See `PUT`." else short
    assert _without_scope(words) == _without_scope(whole)
    assert _parameters(short) == _parameters(whole)
    for status, answer in whole["responses"].items():
        content = answer.get("content", {})
        general = _resolved(short["responses"]["default"])
        own = _resolved(short["responses"].get(status, general))
        kinds = {kind: body["schema"] for kind, body in own.get("content", {}).items()}
        assert {kind: body["schema"] for kind, body in content.items()} in (
            kinds,
            kinds | {kind: body["schema"] for kind, body in general["content"].items() if kind not in kinds},
        )
        listed = re.search(rf"^- {status}: (.*)$", general["description"], re.MULTILINE)
        codes = {*re.findall(r"`(\w+)`", own["description"] if status in short["responses"] else "")}
        codes |= {*re.findall(r"`(\w+)`", listed[1])} if listed else set()
        assert {
            code for code in content.get("application/json", {}).get("examples", ()) if code != "not_ready"
        } <= codes
        assert answer.get("headers", {}).keys() <= own.get("headers", {}).keys() | general["headers"].keys()


def _parameters(operation: dict[str, Any]) -> list[Any]:
    """Its parameters, without examples of times."""
    parameters = json.loads(json.dumps([_resolved(each) for each in operation.get("parameters", ())]))
    for parameter in parameters:
        if parameter["schema"].get("format") == "date-time":
            parameter["schema"].pop("examples", None)
    return parameters


def _without_scope(operation: dict[str, Any]) -> str:
    """The description without the scope, which is said by `security`."""
    return re.sub(r"Scope: `[^`]+`\.\s*", "", operation["description"]).strip()


def test_the_words_of_every_field_are_there_once() -> None:
    """For a field of the same name, in one schema or another, or in those of its type."""
    described = [
        f"{field}: {part['description']}"
        for schema in DESCRIPTION["components"]["schemas"].values()
        for field, part in schema.get("properties", {}).items()
        if "description" in part
    ]
    described += [  # in a filter of bulk jobs
        f"{filter['name']}: {filter['description']}"
        for filter in map(_resolved, DESCRIPTION["paths"]["/v1/users"]["get"]["parameters"])
    ]
    assert len(described) == len(set(described))
    named = {name: schema.get("description") for name, schema in WHOLE["components"]["schemas"].items()}
    for schema in WHOLE["components"]["schemas"].values():
        for field, part in schema.get("properties", {}).items():
            words = part.get("description", "").replace(named.get(part.get("$ref", "").rpartition("/")[2]) or "\0", "")
            texts = words.strip(), words.removesuffix(" Null: as if it were missing.")
            assert not words or {f"{field}: {text}" for text in texts} & {*described}


def test_the_description_has_the_routes_and_no_others() -> None:
    described = {
        (method.upper(), path)
        for path, item in DESCRIPTION["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert described == {(route.method, route.path) for route in ROUTES}


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [_operation(route)["operationId"] for route in ROUTES]
    assert len(set(ids)) == len(ids)


@each_route
def test_every_call_says_what_it_is_and_which_scope_it_needs(route: Route) -> None:
    operation = _operation(route)
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"] == [openapi.tag(route)]
    assert operation["security"] == ([] if route.scope is None else [{openapi_tables.SCHEME: [route.scope]}])


@each_route
def test_every_call_lists_its_errors_with_an_example_of_each(route: Route) -> None:
    answers = WHOLE["paths"][route.path][route.method.lower()]["responses"]
    expected = {400, 500, 503} | {error.status for error in route.errors}
    if route.scope is not None:
        expected |= {401, 403, 429}
    if route.body is not None:
        expected |= {413, 415}
    if route.method == "POST" and route.special.replays:
        expected |= {409, 422}
    if "{" in route.path:
        expected |= {404}
    assert {str(status) for status in expected} <= set(answers)
    for error in route.errors:
        examples = answers[str(error.status)]["content"]["application/json"]["examples"]
        assert WHOLE["components"]["examples"][error.code]["value"]["code"] == error.code
        assert examples[error.code] == {"$ref": f"#/components/examples/{error.code}"}


@each_route
def test_every_call_tells_the_headers_of_all_answers(route: Route) -> None:
    general = _resolved(_operation(route)["responses"]["default"])
    names = set(general["headers"])
    assert {"X-Request-Id", "Retry-After"} <= names
    assert (set(openapi_tables.LIMITED) <= names) == (route.scope is not None)
    assert ("WWW-Authenticate" in names) == (route.scope is not None)


def _parts(part: Any) -> Iterator[dict[str, Any]]:
    """Every object in this part of the description but examples, and in what it refers to within responses."""
    if isinstance(part, list):
        for item in part:
            yield from _parts(item)
    elif isinstance(part, dict):
        yield part
        for name, value in part.items():
            if name not in ("example", "examples", "value"):
                yield from _parts(value)


def _of_responses() -> Iterator[dict[str, Any]]:
    """Every part of a response, once."""
    seen: set[str] = set()
    waiting: list[Any] = [
        operation["responses"]
        for item in DESCRIPTION["paths"].values()
        for operation in item.values()
        if "responses" in operation
    ]
    while waiting:
        for part in _parts(waiting.pop()):
            yield part
            if (to := part.get("$ref")) and to not in seen:
                seen.add(to)
                waiting.append(_resolved(part))


def test_clients_generated_today_take_what_later_versions_add_to_responses() -> None:
    kinds = [part for part in _of_responses() if "properties" in part]
    assert len(kinds) > 10
    for part in _of_responses():
        assert part.get("additionalProperties") is not False
        assert not {"anyOf", "pattern"} & set(part)
        assert "enum" not in part or part["enum"] in (["true"], ["ok", "unavailable"]), part
        if "properties" in part:
            assert part["additionalProperties"] is True


def test_no_client_refuses_what_a_later_version_makes_longer() -> None:
    """Nor a date that Ruby writes with 25 characters."""
    sent = [*_of_responses(), *_parts([DESCRIPTION["components"]["headers"], *_received_headers()])]
    assert len(sent) > 500
    assert not [part for part in sent if "maxLength" in part]


def _received_headers() -> list[dict[str, Any]]:
    return [_resolved(each) for item in DESCRIPTION["webhooks"].values() for each in item["post"]["parameters"]]


def test_requests_say_how_long_a_text_can_be() -> None:
    schemas = [DESCRIPTION["components"]["schemas"][route.body.__name__] for route in ROUTES if route.body is not None]
    asked = [each["schema"] for route in ROUTES for each in openapi.query_parameters(route)]
    for part in _parts([schemas, asked]):
        if part.get("type") == "string":
            assert {"maxLength", "enum"} & set(part), part


def test_every_value_of_an_enumeration_has_a_name() -> None:
    for name, schema in DESCRIPTION["components"]["schemas"].items():
        if "enum" in schema:
            names = schema["x-enum-varnames"]
            assert len(set(names)) == len(schema["enum"]), name
            assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*[A-Z0-9]", each) for each in names), names


def test_every_generator_can_write_the_patterns() -> None:
    patterns = {part["pattern"] for part in _parts(DESCRIPTION) if isinstance(part.get("pattern"), str)}
    assert len(patterns) > 5
    assert not [pattern for pattern in patterns if "\\u" in pattern or "(?" in pattern]


def test_every_answer_with_a_user_has_one_schema_and_what_is_always_there_is_required() -> None:
    assert DESCRIPTION["components"]["schemas"]["User"]["required"] == ["id", "name", "email"]
    users = {"$ref": "#/components/schemas/User"}
    answers = [
        _resolved(_operation(route)["responses"][str(route.success)])["content"]["application/json"]["schema"]
        for route in ROUTES
        if "users" in route.action.__module__ and route.shows and route.success in (200, 201)
    ]
    assert sum(users in (answer, answer.get("items")) for answer in answers) >= 8


def test_requests_have_no_defaults_and_one_type_for_each_enumeration() -> None:
    schemas = DESCRIPTION["components"]["schemas"]
    for name in ("UserCreate", "UserUpdate", "UserPatch", "KeyCreate", "KeyRotation"):
        assert schemas[name]["additionalProperties"] is False
        assert not [part for part in _parts(schemas[name]) if {"default", "enum"} & set(part)]
    assert {"Role", "Status", "Scope", "EventType", "ErrorCode"} <= set(schemas)


def test_no_two_named_enumerations_share_a_value() -> None:
    """In openapi-generator's Go client, all of their values are constants of one package: shared ones don't compile."""
    schemas = DESCRIPTION["components"]["schemas"].values()
    values = [name for schema in schemas for name in schema.get("x-enum-varnames", ())]
    assert len(values) > 15
    assert len(values) == len(set(values))


def test_no_schema_is_called_like_what_makes_another_one() -> None:
    """In openapi-generator's Go client, the function that makes a Member is NewMember: a type of that name is no type."""
    names = set(DESCRIPTION["components"]["schemas"])
    assert not names & {f"New{name}" for name in names}


def test_patch_names_the_type_of_a_merge_patch() -> None:
    for route in ROUTES:
        named = "application/merge-patch+json" in _operation(route).get("requestBody", {"content": {}})["content"]
        assert named == (route.method == "PATCH")


def test_lists_and_booleans_in_queries_are_typed_and_no_header_has_a_constant_example() -> None:
    users = [route for route in ROUTES if route.path.startswith("/v1/users")]
    parameters = {each["name"]: each for route in users for each in openapi.query_parameters(route)}
    for name in ("ids", "sort", "fields", "metadata"):
        assert parameters[name]["schema"]["type"] == "array"
        assert (parameters[name]["style"], parameters[name]["explode"]) == ("form", False)
    assert parameters["purge"]["schema"]["type"] == "boolean"
    assert not [
        part
        for part in _parts(DESCRIPTION["components"]["parameters"]["Idempotency-Key"])
        if {"example", "examples"} & set(part)
    ]
    rotate = DESCRIPTION["paths"]["/v1/keys/{keyId}/rotate"]["post"]
    assert rotate["requestBody"]["required"] is False


def test_every_example_is_what_its_schema_says() -> None:
    seen = 0
    for where, schema, example in _examples():
        seen += 1
        problems = [problem.message for problem in _validator(schema).iter_errors(example)]
        assert not problems, f"{where}: {problems}"
    assert seen > 100


def test_error_examples_are_errors_as_they_are_sent() -> None:
    for code, example in WHOLE["components"]["examples"].items():
        assert not list(_validator({"$ref": "#/components/schemas/ErrorResponse"}).iter_errors(example["value"])), code


def test_every_error_a_caller_can_see_has_an_example_but_one() -> None:
    # 405 belongs to no call that is described. The bare kinds are parents only. A report names the taken ID of a
    # record, the results of a bulk job who was changed since. Forms, hosts and proofs are those of the dashboard, names of users those of /scim/v2,
    # and what applications are refused is told in the form of OAuth.
    left_out = {
        errors.UserNameTaken,
        errors.OAuthRefused,
        errors.EmailUnproven,
        errors.MethodNotAllowed,
        errors.IdTaken,
        errors.ChangedSince,
        errors.LeftAlone,
        errors.ForeignForm,
        errors.ProofRequired,
        errors.UnknownHost,
        errors.BadRequest,
        errors.Unauthorized,
        errors.Unavailable,
        errors.Forbidden,
    }
    described = set(WHOLE["components"]["examples"])
    assert {error.code for error in errors.tree()} - described <= {error.code for error in left_out}


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/v1/users", "User"),
        ("/v1/users?fields=metadata", "User"),
        ("/v1/users/me", "User"),
        ("/v1/users/me/export", "Export"),
        ("/v1/users/count", "Count"),
        ("/v1/keys", "Key"),
        ("/v1/events", "Event"),
        ("/health/ready", "Health"),
        ("/v1/users/nobody", "ErrorResponse"),
        ("/v1/users?limit=x&offset=-1", "ErrorResponse"),
    ],
)
def test_real_answers_are_what_their_schemas_say(http: httpx2.Client, path: str, schema: str) -> None:
    answer = http.get(path).json()
    for item in answer if isinstance(answer, list) else [answer]:
        assert not [
            problem.message for problem in _validator({"$ref": f"#/components/schemas/{schema}"}).iter_errors(item)
        ]


def _operation(route: Route) -> dict[str, Any]:
    return DESCRIPTION["paths"][route.path][route.method.lower()]


def _resolved(part: dict[str, Any], of: dict[str, Any] = DESCRIPTION) -> dict[str, Any]:
    while "$ref" in part:
        found: Any = of
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


COMPONENTS = jsonschema_rs.Registry([("urn:api", {"components": DESCRIPTION["components"]})])


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return _validator_of(json.dumps(schema).replace('"#/', '"urn:api#/'))


@cache
def _validator_of(schema: str) -> jsonschema_rs.Draft202012Validator:
    """To make one compiles all that it refers to."""
    return jsonschema_rs.Draft202012Validator(json.loads(schema), registry=COMPONENTS, validate_formats=True)


def _examples(part: Any = WHOLE, where: str = "#") -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Every example in the description, with the schema it stands beside or in."""
    if isinstance(part, list):
        for number, item in enumerate(part):
            yield from _examples(item, f"{where}/{number}")
    elif isinstance(part, dict):
        if "schema" in part and "example" in part:
            yield where, part["schema"], part["example"]
        if "schema" in part and isinstance(part.get("examples"), dict):
            for name, example in part["examples"].items():
                yield f"{where}/{name}", part["schema"], _resolved(example, WHOLE)["value"]
        if isinstance(part.get("examples"), list):
            for example in part["examples"]:
                yield where, {name: value for name, value in part.items() if name != "examples"}, example
        for name, value in part.items():
            if name not in ("example", "examples", "value"):
                yield from _examples(value, f"{where}/{name}")


def test_the_description_is_json_that_any_parser_reads() -> None:
    assert json.loads(openapi.document("https://api.example.com"))["servers"][0]["url"] == "https://api.example.com"
