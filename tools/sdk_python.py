"""Writes the generated parts of sdk/python from openapi.json: types, errors, resources, and the synchronous half from
the asynchronous one.

`make sdk` writes them, `make lint` (`--check`) says whether they are current.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

from sdk_description import (
    METADATA,
    ROOT,
    SCHEMAS,
    Operation,
    codes,
    general_codes,
    operations,
    pascal,
    resolve,
    versioned,
)
from sdk_names import NAMES, RENAMED

PACKAGE = ROOT / "sdk" / "python" / "src" / "rollbook_client"

COMPLETE = {"User": {"deleted_at"}}
"""Types whose optional fields all come, since this client asks for them, but for these."""
ITEMS = ("BulkOperation", "BulkFilter")
"""Objects inside arguments whose fields are typed one by one."""
SECRETS = {
    "Key": ("key",),
    "Webhook": ("secret",),
    "Token": ("token", "url"),
    "SecondFactor": ("secret", "otpauth_url", "recovery_codes"),
    "RecoveryCodes": ("recovery_codes",),
}
"""What `repr` leaves out."""
BY_HAND = {"follow_events"}
BASES = {"events": "AsyncFollowing", "imports": "AsyncImporting"}
TELLING = {"user": "email", "member": "email"}
"""What examples print of an object, if not its ID."""
MORE = {"webhooks": ["verify = staticmethod(verify)"]}
WIDTH = 112
SYNC = [
    (r"\bAsyncIterat(or|able)\b", r"Iterat\1"),
    (r"\bAsyncGenerator\[(\w+), None\]", r"Generator[\1, None, None]"),
    (r"\bAwaitable\[(\w+(\[\w+(\[\w+\])?\])?)\]", r"\1"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"  # noqa: ASYNC.*", ""),
    (r"\b_async\b", "_sync"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\ba(close|read|iter_bytes|iter_lines)\b", r"\1"),
    (r"for asyncio\. `_sync` is generated from this folder by `make sdk`\.", "for threads, and programs without any."),
]


def main(arguments: list[str]) -> int:
    """Write what is generated, or with `--check` say what is not current. Returns the exit code."""
    made = formatted({"types.py": types(), "errors.py": errors(), "_async/resources.py": resources()})
    sources = [
        f"_async/{each.name}" for each in sorted((PACKAGE / "_async").glob("*.py")) if each.name != "_waiting.py"
    ]  # each half has its own
    made |= formatted(
        {f"_sync/{name[7:]}": synchronous(made.get(name) or (PACKAGE / name).read_text()) for name in sources}
    )
    old = [name for name, text in made.items() if not (PACKAGE / name).exists() or (PACKAGE / name).read_text() != text]
    if "--check" in arguments:
        if old:
            print(f"Not current in {PACKAGE.relative_to(ROOT)}: {', '.join(old)}. Run: make sdk")
        return 1 if old else 0
    for name in old:
        (PACKAGE / name).write_text(made[name])
    return 0


def formatted(files: dict[str, str]) -> dict[str, str]:
    """As ruff writes them."""
    ruff = [str(Path(sys.executable).with_name("ruff"))]
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / PACKAGE.name  # by which ruff knows what is imported from within
        places = {name: package / name for name in ("__init__.py", *files)}
        for name, place in places.items():
            place.parent.mkdir(exist_ok=True)
            place.write_text(files.get(name, ""))
        for options in (
            ["check", "--fix-only", "--quiet", "--select=F401,I,UP028,RUF022", "--unsafe-fixes"],
            ["format", "--quiet"],
        ):
            subprocess.run(
                [*ruff, *options, "--no-cache", f"--config={ROOT / 'pyproject.toml'}", folder], check=True, cwd=ROOT
            )
        return {name: places[name].read_text() for name in files}


def synchronous(text: str) -> str:
    for pattern, replacement in SYNC:
        text = re.sub(pattern, replacement, text)
    return text


# ---- openapi.json


def name_of(node: dict[str, Any]) -> str | None:
    """The name of the schema a node refers to, also beside null."""
    for each in (node, *node.get("anyOf", ()), *node.get("oneOf", ())):
        if "$ref" in each:
            return each["$ref"].rpartition("/")[2]
    return None


def is_nullable(node: dict[str, Any]) -> bool:
    kinds = node.get("type")
    return (isinstance(kinds, list) and "null" in kinds) or any(
        each.get("type") == "null" for each in (*node.get("anyOf", ()), *node.get("oneOf", ()))
    )


def kind_of(node: dict[str, Any]) -> str:
    kinds = node.get("type", "")
    return next(each for each in kinds if each != "null") if isinstance(kinds, list) else kinds


def is_open(schema: dict[str, Any]) -> bool:
    """Whether it is a list of values, to which a later version may add."""
    return "enum" in schema or "x-extensible-enum" in schema


# ---- types


def sent_names() -> list[str]:
    """Schemas of objects in responses, those that others hold first."""
    found: list[str] = []

    def visit(node: dict[str, Any]) -> None:
        name = name_of(node)
        if name:
            if name not in found and SCHEMAS[name].get("type") == "object":
                for each in SCHEMAS[name].get("properties", {}).values():
                    visit(each)
                found.append(name)
        elif "items" in node:
            visit(node["items"])

    for operation in operations():
        if operation.result:
            visit(operation.result)
    return found


def types() -> str:
    lines = [
        '"""Objects of the API, and the values that some fields have. Generated from openapi.json by `make sdk`."""',
        "from __future__ import annotations",
        "from datetime import datetime",
        "from collections.abc import Mapping, Sequence",
        "from typing import Any, Literal, NotRequired, TypedDict",
        "from ._models import Model, each, one, time",
    ]
    for name, schema in SCHEMAS.items():
        if is_open(schema):
            values = schema.get("enum") or schema["x-extensible-enum"]
            lines.append(f"\n{name} = Literal[{', '.join(map(json.dumps, values))}] | str")
            lines.append(docstring([schema.get("description", ""), "Later versions can add values."], ""))
    for name in ITEMS:
        lines += item(name, SCHEMAS[name])
    lines += import_options()
    for name in sent_names():
        lines += model(name, SCHEMAS[name])
    return "\n".join(lines)


def item(name: str, schema: dict[str, Any]) -> list[str]:
    """The dictionary that stands for an object inside an argument."""
    lines = [f"\n\nclass {name}(TypedDict):", docstring([schema.get("description", "")], "    ")]
    for field, node in schema["properties"].items():
        there = sent(node) + (" | None" if is_nullable(node) else "")
        lines.append(f"    {field}: {there if field in schema['required'] else f'NotRequired[{there}]'}")
        lines.append(docstring([limits_of(about_field(node), node, False)], "    "))
    return lines


def import_options() -> list[str]:
    """What `imports.run` passes on to `imports.create`."""
    (create,) = (operation for operation in operations() if operation.takes_file)
    lines = ["\n\nclass ImportOptions(TypedDict, total=False):", docstring(["How `imports.run` reads a file."], "    ")]
    for each in arguments(create, is_list=False)[1]:
        lines.append(f"    {each.name}: {each.annotation}")
        lines.append(docstring([each.about], "    "))
    return lines


ETAG = (
    "The version, for `if_match`: of an object that a call of its own returned, and not a list or a part of a response."
)


def model(name: str, schema: dict[str, Any]) -> list[str]:
    fields: dict[str, Any] = schema.get("properties", {})
    required = set(schema.get("required", ()))
    if name in COMPLETE:
        required = set(fields) - COMPLETE[name]
    about = schema.get("description", "").partition(" Lists and create return")[0]
    lines = [f"\n\nclass {name}(Model):", docstring([about], "    "), "    __slots__ = ()"]
    for field, node in fields.items():
        there = received(node)
        optional = "" if field in required or there.endswith("| None") or there == "Any" else " | None"
        lines.append(f"    {field}: {there}{optional}")
        lines.append(docstring([about_field(node)], "    "))
    if name in versioned():
        lines.append("    etag: str | None")
        lines.append(docstring([ETAG], "    "))
        lines.append("    _has_version = True")
    kinds = {field: reader(node) for field, node in fields.items()}
    if any(kinds.values()):
        lines.append(
            f"    _kinds = {{{', '.join(f'{json.dumps(field)}: {kind}' for field, kind in kinds.items() if kind)}}}"
        )
    if len(required) < len(fields):
        lines.append(f"    _optional = frozenset({sorted(set(fields) - required)!r})")
    if name in SECRETS:
        lines.append(f"    _secret = frozenset({sorted(SECRETS[name])!r})")
    lines.append(f"    _known = {tuple(fields)!r}")
    return lines


def received(node: dict[str, Any]) -> str:
    """The annotation of a field in a response."""
    null = " | None" if is_nullable(node) else ""
    name = name_of(node)
    if name:
        return name + null
    kind = kind_of(node)
    if kind == "array":
        return f"list[{received(node['items'])}]" + null
    if node.get("format") == "date-time":
        return "datetime" + null
    return {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "object": "dict[str, Any]"}.get(
        kind, "Any"
    ) + null


def reader(node: dict[str, Any]) -> str:
    name = name_of(node)
    if name:
        return f"one({name})" if SCHEMAS[name].get("type") == "object" else ""
    inner = name_of(node["items"]) if kind_of(node) == "array" else None
    if inner:
        return f"each({inner})" if SCHEMAS[inner].get("type") == "object" else ""
    return "time" if node.get("format") == "date-time" else ""


def about_field(node: dict[str, Any]) -> str:
    return node.get("description") or resolve(node).get("description", "")


# ---- errors


def errors() -> str:
    found: dict[int, dict[str, str]] = {}
    for operation in operations():
        for status, answer in operation.of["responses"].items():
            if status >= "4":
                found.setdefault(int(status), {}).update(codes(resolve(answer)))
    lines = [
        '"""Errors by status and by code. Generated from openapi.json by `make sdk`."""',
        "from __future__ import annotations",
        "from ._errors import APIError, ConnectionFailed, Fault, ImportFailed, RollbookError, "
        "TimedOut, UnexpectedResponse",
        "from .webhooks import WebhookVerificationError",
        "__all__ = "
        f"{['APIError', 'BY_CODE', 'BY_STATUS', 'ConnectionFailed', 'Fault', 'ImportFailed', 'RollbookError', 'ServerError', 'TimedOut', 'UnexpectedResponse', 'WebhookVerificationError']!r}",
        "\n\nclass ServerError(APIError):",
        '    """500 and above: the server failed. Retries did not help."""',
    ]
    by_status: dict[int, str] = {}
    by_code: dict[str, str] = {}
    exported = []
    for status in sorted(found):
        family = FAMILIES[status]
        by_status[status] = family
        own = found[status]
        alone = next((about for code, about in own.items() if pascal(code) == family), "")
        parent = "ServerError" if status >= 500 else "APIError"
        lines += [f"\n\nclass {family}({parent}):", docstring([f"{status}. {alone}"], "    ")]
        exported.append(family)
        for code, about in own.items():
            by_code[code] = pascal(code)
            if pascal(code) != family:
                lines += [f"\n\nclass {pascal(code)}({family}):", docstring([f"`{code}`: {about}"], "    ")]
                exported.append(pascal(code))
    lines += [
        "",
        "BY_STATUS: dict[int, type[APIError]] = "
        f"{{{', '.join(f'{status}: {name}' for status, name in by_status.items())}}}",
    ]
    lines.append(
        "BY_CODE: dict[str, type[APIError]] = "
        f"{{{', '.join(f'{json.dumps(code)}: {name}' for code, name in by_code.items())}}}"
    )
    text = "\n".join(lines)
    return text.replace("__all__ = [", "__all__ = [" + "".join(f"'{each}', " for each in exported))


FAMILIES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "RequestTimeout",
    409: "Conflict",
    410: "Gone",
    412: "PreconditionFailed",
    413: "ContentTooLarge",
    414: "UriTooLong",
    415: "UnsupportedMediaType",
    422: "UnprocessableContent",
    429: "TooManyRequests",
    431: "RequestHeaderFieldsTooLarge",
    500: "InternalServerError",
    503: "Unavailable",
}


# ---- resources


class Parameter(NamedTuple):
    name: str
    """In Python."""
    key: str
    """In the request."""
    annotation: str
    default: str
    """Empty: required."""
    about: str


def resources() -> str:
    places: dict[str, list[Operation]] = {}
    for operation in operations():
        places.setdefault(NAMES[operation.id].resource, []).append(operation)
    lines = [
        '"""The calls of the API. Generated from openapi.json by `make sdk`."""',
        "from __future__ import annotations",
        "from collections.abc import Mapping, Sequence",
        "from datetime import datetime",
        "import os",
        "from typing import TYPE_CHECKING, Any, BinaryIO, cast",
        "from ..types import "
        f"{', '.join([*sent_names(), *ITEMS, *(name for name in SCHEMAS if is_open(SCHEMAS[name]))])}",
        "from .following import AsyncFollowing",
        "from .importing import AsyncImporting, parts",
        "from .lines import AsyncLines",
        "from .pages import AsyncPager",
        "from .raw import raw, raw_page",
        "from .resource import AsyncResource",
        "from .._requests import OMIT, Omit, build, segment",
        "from .._responses import json_of, list_of, nothing, one_of, text",
        "from ..webhooks import verify",
        "if TYPE_CHECKING:\n    from .client import AsyncRollbook",
    ]
    for place in sorted(places, key=lambda place: (-place.count("."), place)):
        lines += resource(place, places[place], [each for each in places if each.startswith(f"{place}.")])
    lines += ["\n\nclass AsyncResources:", '    """What a client has calls for."""']
    for place in places:
        if "." not in place:
            lines += [
                "",
                "    @property",
                f"    def {place}(self) -> {class_of(place)}:",
                f"        return {class_of(place)}(cast('AsyncRollbook', self))",
            ]
    return "\n".join(lines)


def class_of(place: str) -> str:
    return f"Async{''.join(part.capitalize() for part in re.split('[._]', place))}"


def resource(place: str, of: list[Operation], children: list[str]) -> list[str]:
    title = class_of(place)
    lines = [f"\n\nclass {title}({BASES.get(place, 'AsyncResource')}):", f'    """`client.{place}`"""']
    lines += [f"    {line}" for line in MORE.get(place, ())]
    for child in children:
        name = child.rpartition(".")[2]
        lines += [
            "",
            "    @property",
            f"    def {name}(self) -> {class_of(child)}:",
            f"        return {class_of(child)}(self._client)",
        ]
    generated = [each for each in of if each.id not in BY_HAND]
    for operation in generated:
        lines += ["", *method(operation)]
    if all(operation.has_lines for operation in generated):
        return lines
    lines += [
        "",
        "    @property",
        f"    def with_raw_response(self) -> {title}WithRawResponse:",
        '        """Calls that return the response with its headers."""',
        f"        return {title}WithRawResponse(self._client)",
        f"\n\nclass {title}WithRawResponse:",
        "    def __init__(self, client: AsyncRollbook) -> None:",
        f"        found = {title}(client, raw=True)",
    ]
    for operation in generated:
        name = NAMES[operation.id].method
        if operation.has_lines:
            continue
        lines.append(f"        self.{name} = {'raw_page' if paging(operation) else 'raw'}(found.{name})")
    return lines


def paging(operation: Operation) -> str:
    """How a list goes on; empty if the operation returns none, or all of it."""
    if not operation.result or kind_of(operation.result) != "array":
        return ""
    names = {each["name"] for each in operation.parameters}
    if "Link" in operation.success.get("headers", {}):
        return "link"
    return next((each for each in ("before", "offset") if each in names), "")


def method(operation: Operation) -> list[str]:
    by = paging(operation)
    path, query, body, headers = arguments(operation, bool(by))
    keywords = sorted([*body, *query, *headers], key=lambda each: bool(each.default))
    signature = ["self", *(f"{each.name}: {each.annotation}" for each in path)]
    if keywords:
        signature += [
            "*",
            *(f"{each.name}: {each.annotation}" + (f" = {each.default}" if each.default else "") for each in keywords),
        ]
    returns, decode = result(operation)
    name = NAMES[operation.id].method
    request = [
        f'"{operation.method}"',
        f'{"f" if "{" in operation.path else ""}"{re.sub(r"{(.*?)}", lambda found: "{segment(" + snake(found[1]) + ")}", operation.path)}"',
    ]
    if query:
        request.append(f"query={{{', '.join(f'{json.dumps(each.key)}: {each.name}' for each in query)}}}")
    if operation.body:
        request.append(f"body={{{', '.join(f'{json.dumps(each.key)}: {each.name}' for each in body)}}}")
    for each in headers:
        if each.key == "Idempotency-Key":
            request.append("idempotency_key=idempotency_key")
    others = [each for each in headers if each.key != "Idempotency-Key"]
    if others:
        request.append(f"headers={{{', '.join(f'{json.dumps(each.key)}: {each.name}' for each in others)}}}")
    if operation.takes_file:
        request.append('content=parts(file), headers={"Content-Type": "application/octet-stream"}')
    built = f"build({', '.join(request)})"
    doc = documentation(operation, [*path, *keywords], by)
    if by:
        kind = (name_of(operation.result["items"]) or "") if operation.result else ""
        return [
            f"    def {name}({', '.join(signature)}) -> AsyncPager[{kind}]:",
            doc,
            f'        return self._pages({built}, {kind}, "{by}")',
        ]
    if operation.has_lines:
        return [
            f"    def {name}({', '.join(signature)}) -> AsyncLines:",
            doc,
            f"        return self._lines({built})",
        ]
    return [
        f"    async def {name}({', '.join(signature)}) -> {returns}:",
        doc,
        f"        return await self._call({built}, {decode})",
    ]


def result(operation: Operation) -> tuple[str, str]:
    """The annotation of what a method returns, and what reads it."""
    schema = operation.result
    if schema is None:
        return ("str", "text") if "text/plain" in operation.success.get("content", {}) else ("None", "nothing")
    if kind_of(schema) == "array":
        inner = name_of(schema["items"])
        return f"Sequence[{inner}]", f"list_of({inner})"
    name = name_of(schema)
    return (name, f"one_of({name})") if name else ("Any", "json_of")


def arguments(
    operation: Operation, is_list: bool
) -> tuple[list[Parameter], list[Parameter], list[Parameter], list[Parameter]]:
    """Those in the path, the query, the body and the headers."""
    path, query, headers = [], [], []
    for each in operation.parameters:
        key, node = each["name"], each["schema"]
        about = each.get("description", "") or about_field(node)
        if each["in"] == "path":
            path.append(Parameter(snake(key), key, "str", "", about))
        elif key == "fields":
            query.append(
                Parameter(
                    key,
                    key,
                    "Sequence[str]",
                    '("*",)',
                    "Fields to return besides `id`, `name` and `email`. Default: all.",
                )
            )
        elif each["in"] == "query" and key == "metadata":
            query.append(Parameter(key, key, "Mapping[str, str] | None", "None", METADATA))
        elif each["in"] == "query" and key != "cursor" and not (operation.has_lines and key == "format"):
            name = RENAMED.get(operation.id, {}).get(key, key)
            default = "None"
            if is_list and key == "limit":
                about, default = "Items per page; iterating goes on over all pages.", str(node["maximum"])
            annotation = sent(node) + ("" if default != "None" else " | None")
            query.append(
                Parameter(
                    identifier(name), key, annotation, default, limits_of(about, node, is_list and key == "limit")
                )
            )
        elif key == "Idempotency-Key":
            about = (
                "Set it to repeat the call safely from another process, for 24 hours. Default: a new one, "
                "kept over retries."
            )
            headers.append(Parameter("idempotency_key", key, "str | None", "None", about))
        elif key == "If-Match":
            about = "Only if the object still has this version, its `etag`."
            headers.append(Parameter("if_match", key, "str | None", "None", about))
    if operation.takes_file:
        path.append(
            Parameter(
                "file",
                "",
                "str | os.PathLike[str] | BinaryIO | bytes",
                "",
                "A path, an open binary file, or bytes. Sent once, in parts.",
            )
        )
    body = []
    schema = operation.body or {}
    for key, node in schema.get("properties", {}).items():
        is_required = key in schema.get("required", ())
        annotation = sent(node) + (" | None" if is_nullable(node) else "") + ("" if is_required else " | Omit")
        body.append(
            Parameter(
                identifier(key),
                key,
                annotation,
                "" if is_required else "OMIT",
                limits_of(about_field(node), node, False),
            )
        )
    return path, query, body, headers


def sent(node: dict[str, Any]) -> str:
    """The annotation of an argument, without null."""
    name = name_of(node)
    if name:
        return name if is_open(SCHEMAS[name]) or name in ITEMS else sent(SCHEMAS[name])
    kind = kind_of(node)
    if kind == "array":
        return f"Sequence[{sent(node['items'])}]"
    if (
        kind == "object"
        and isinstance(node.get("additionalProperties"), dict)
        and node["additionalProperties"].get("type") == "string"
    ):
        return "Mapping[str, str]"
    if node.get("format") == "date-time":
        return "datetime | str"
    return {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "object": "Mapping[str, Any]"}.get(
        kind, "Any"
    )


def limits_of(about: str, node: dict[str, Any], is_page: bool) -> str:
    """The description, and in words what the schema says besides."""
    node = resolve(node)
    low, high = node.get("minimum"), node.get("maximum")
    shortest, longest = node.get("minLength"), node.get("maxLength")
    more = []
    if low is not None and high is not None and high < 1 << 50:
        more.append(f"{low:,} to {high:,}.")
    if longest and kind_of(node) == "string" and node.get("format") != "date-time":
        more.append(
            f"{shortest} to {longest:,} characters."
            if shortest and shortest > 1
            else f"At most {longest:,} characters."
        )
    values = node.get("enum") or node.get("items", {}).get("enum")
    if values and not all(value in about for value in values):
        more.append(f"One of {', '.join(f'`{value}`' for value in values)}.")
    if "default" in node and not is_page:
        more.append(f"Default: {node['default']}.")
    return " ".join([about, *(each for each in more if each not in about)]).strip()


def documentation(operation: Operation, parameters: list[Parameter], by: str) -> str:
    of = operation.of
    parts = [of["summary"].rstrip(".") + ".", *paragraphs(of.get("description", ""))]
    if parameters:
        parts.append("Args:\n" + "\n".join(hanging(f"{each.name}: {each.about}") for each in parameters))
    own = {
        code: about
        for answer in of["responses"].values()
        for code, about in codes(resolve(answer)).items()
        if code not in general_codes()
    }
    if own:
        parts.append(
            "Raises:\n"
            + "\n".join(hanging(f"{pascal(code)}: {about.split('. ')[0].rstrip('.')}.") for code, about in own.items())
        )
    parts.append("Example:\n" + textwrap.indent("\n".join(example(operation, by)), "    "))
    return docstring(parts, "        ")


def example(operation: Operation, by: str) -> list[str]:
    place, name = NAMES[operation.id]
    given = [
        repr(each.get("example") or each["schema"].get("examples", ["…"])[0])
        for each in operation.parameters
        if each["in"] == "path"
    ]
    content = operation.of.get("requestBody", {}).get("content", {}).get("application/json", {})
    sample = content.get("example") or next(
        (resolve(each)["value"] for each in content.get("examples", {}).values()), {}
    )
    given += [f"{identifier(key)}={value!r}" for key, value in sample.items()]
    if operation.takes_file:
        given.append("'users.csv'")
    call = f"client.{place}.{name}({', '.join(given)})"
    if operation.has_lines:
        return [f">>> async for line in {call}:", "...     print(line)"]
    if by:
        kind = snake(name_of(operation.result["items"]) or "") if operation.result else ""
        kind = {"import": "job", "api_request": "request"}.get(kind, kind)
        return [f">>> async for {kind} in {call}:", f"...     print({kind}.{TELLING.get(kind, 'id')})"]
    returned = name_of(operation.result) if operation.result else None
    if not returned:
        return [f">>> await {call}"]
    variable = {"import": "job"}.get(snake(returned), snake(returned))
    shown = operation.success["content"]["application/json"].get("example", {})
    field = next(
        (each for each in {"Key": ("key", "id"), "Count": ("count",)}.get(returned, ("id", "status")) if each in shown),
        "",
    )
    return [f">>> {variable} = await {call}"] + ([f">>> {variable}.{field}", repr(shown[field])] if field else [])


# ---- text


def paragraphs(text: str) -> list[str]:
    text = re.sub(r"[^.]*(`Link`|`X-Total-Count`|`Idempotency-Key`)[^.]*\.", "", text)  # the client sees to them
    return [
        " ".join(each.split()) if not each.lstrip().startswith(("-", "|", "```")) else each
        for each in text.strip().split("\n\n")
        if each.strip()
    ]


def hanging(text: str) -> str:
    return textwrap.fill(
        " ".join(text.split()),
        WIDTH - 8,
        initial_indent="    ",
        subsequent_indent="        ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def docstring(parts: list[str], indent: str) -> str:
    filled = [
        each
        if "\n" in each
        else textwrap.fill(each, WIDTH - len(indent), break_long_words=False, break_on_hyphens=False)
        for each in parts
        if each
    ]
    text = "\n\n".join(filled).replace("\\", "\\\\")
    single = "\n" not in text
    return textwrap.indent(f'"""{text}"""' if single else f'"""{text}\n"""', indent, lambda line: bool(line.strip()))


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def identifier(name: str) -> str:
    return f"{name}_" if name in ("from", "global", "in", "is") else name.replace("-", "_")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
