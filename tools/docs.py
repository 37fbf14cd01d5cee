"""Generates parts of docs/ from the code: errors, settings, routes, scopes, commands. With `--check`, only reports which are outdated.

A generated part is between `<!-- begin: NAME -->` and `<!-- end: NAME -->`. The rest of the page is written by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import typer

from rollbook import config, errors, roles
from rollbook.api import openapi, openapi_tables, types
from rollbook.api.routes import ROUTES
from rollbook.cli import options as cli_options
from rollbook.cli.commands import app
from rollbook.config import Settings
from rollbook.delivery import outcomes, schedule
from rollbook.http.wire import REASON
from rollbook.records import event_types

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGE_URL = "http://127.0.0.1:8000"
"""The base URL in the docs."""


def main(arguments: list[str]) -> int:
    """Update the pages, or with `--check` name the outdated ones. Returns the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: tools/docs.py [--check]", file=sys.stderr)
        return 2
    outdated = {page: text for page in sorted(DOCS.glob("*.md")) if (text := renewed(page.read_text())) != page.read_text()}
    for page, text in outdated.items():
        if arguments:
            print(f"{page.relative_to(ROOT)} is outdated. Run: make docs", file=sys.stderr)
        else:
            page.write_text(text)
            print(page.relative_to(ROOT))
    return 1 if arguments and outdated else 0


def renewed(page: str) -> str:
    """The page with its generated parts updated. KeyError if a part has no generator."""

    def part(found: re.Match[str]) -> str:
        name = found[1]
        return f"<!-- begin: {name} -->\n{PARTS[name]()}\n<!-- end: {name} -->"

    page = re.sub(r"<!-- begin: (\w+) -->\n.*?<!-- end: \1 -->", part, page, flags=re.DOTALL)
    return _WHOLE_USER.sub(_with_all_fields, page)


# A user with all fields in an example, one per line.
_WHOLE_USER = re.compile(r'^( +)"id": "user_.*\n(?:\1[ "].*\n)*?\1"last_sign_in_at": .*\n', re.MULTILINE)


def _with_all_fields(user: re.Match[str]) -> str:
    """The example, with `null` for each field it lacks."""
    shown = {line[2]: line[0] for line in re.finditer(rf'^({user[1]})"(\w+)": .*\n(?:\1 .*\n)*', user[0], re.MULTILINE)}
    return "".join(shown.get(name, f'{user[1]}"{name}": null,\n') for name in types.USER_FIELDS if name != "deleted_at")


# ---- parts


def user_fields_part() -> str:
    return ", ".join(f"`{name}`" for name in types.USER_FIELDS)


def codes_part() -> str:
    rows = [(f"[`{error.code}`](#{error.code})", str(error.status), _sentence(error)) for error in _by_code()]
    return _table(("code", "status", ""), rows)


def errors_part() -> str:
    examples = openapi.describe(PAGE_URL)["components"]["examples"]
    found = []
    for error in _by_code():
        found += [f"## {error.code}", f"**{error.status}** · {_sentence(error)}", error.__doc__ or ""]
        calls = [route for route in ROUTES if error in route.errors]
        if calls:
            links = [
                f"[`{route.method} {route.path}`](reference.md#{_anchor(f'{route.method} {route.path}')})" for route in calls
            ]
            found.append(f"Returned by {', '.join(links)}.")
        if error.code in examples:
            body = json.dumps(examples[error.code]["value"], indent=2, ensure_ascii=False)
            found.append(f"```http\nHTTP/1.1 {error.status} {REASON[error.status]}\n\n{body}\n```")
    return "\n\n".join(found)


def settings_part() -> str:
    rows = []
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    for name, hint in get_type_hints(Settings, include_extras=True).items():
        kind, meta = config.written_type(hint), get_args(hint)[1]
        names = f"`{name}`<br>`--{name.replace('_', '-')}`<br>`{config.PREFIX}{name.upper()}`"
        rows.append((names, _value(config.written(defaults[name])), _range(kind, meta), meta.description))
    return _table(("setting, flag, variable", "default", "values", ""), rows)


def routes_part() -> str:
    description = openapi.describe("")
    found = list(_every_call())
    for tag in openapi_tables.TAGS:
        found += [f"## {tag}", openapi_tables.TAGS[tag]]
        for route in ROUTES:
            if openapi.tag(route) == tag:
                found += list(_call(description, route))
    return "\n\n".join(found)


def roles_part() -> str:
    return _table(("role", ""), [(f"`{name}`", text) for name, text in roles.ROLES.items()])


def scopes_part() -> str:
    def holders(scope: str) -> str:
        every = [role for role, scopes in roles.ON_ALL.items() if scope in scopes]
        itself = [role for role in roles.ROLES if scope in roles.grantable(role) and role not in every]
        return ", ".join(every) + (f"; {', '.join(itself)}: own only" if itself else "")

    return _table(("scope", "", "roles"), [(f"`{scope}`", text, holders(scope)) for scope, text in roles.SCOPES.items()])


def events_part() -> str:
    return _table(
        ("type", "object", ""),
        [(f"`{name}`", type.kind.replace("_", " "), type.says) for name, type in event_types.TYPES.items()],
    )


def retries_part() -> str:
    waits = [("1", "at once"), *((str(number), _span(wait)) for number, wait in enumerate(schedule.STEPS, 2))]
    return _table(("attempt", "after"), waits)


def _span(seconds: float) -> str:
    size, unit = next((size, unit) for size, unit in ((3600, "hours"), (60, "minutes"), (1, "seconds")) if seconds >= size)
    return f"{seconds / size:g} {unit}"


def outcomes_part() -> str:
    rows = [(f"`{name}`", text) for name, text in outcomes.DESCRIPTIONS.items()]
    answered = (f"`{outcomes.of_status(400)}` to `{outcomes.of_status(599)}`", "The receiver answered with this status.")
    at = [name for name, _ in rows].index(f"`{outcomes.BODY_FAILED}`")
    return _table(("outcome", ""), [*rows[:at], answered, *rows[at:]])


def commands_part() -> str:
    found: list[str] = []
    for name, command in commands(typer.main.get_command(app), "rollbook"):
        arguments = " ".join(_argument(parameter) for parameter in command.params if parameter.param_type_name == "argument")
        found += [
            f"## {name}",
            (command.help or "").strip(),
            f"```console\n{' '.join(filter(None, (name, arguments)))} [OPTIONS]\n```",
        ]
        if name == "rollbook serve":
            found.append(
                "Every [setting](configuration.md) has a flag. `--config FILE` reads another settings file than `./rollbook.toml`."
            )
            continue
        shown = [parameter for parameter in command.params if _is_shown(parameter)]
        # Commands that take a profile to work on take the options that come with it, which have a table of their own.
        targets = {"data", "url", "key", "profile"} if any(parameter.help == _PROFILE for parameter in shown) else set()
        options = [
            (_flags(parameter), (parameter.help or "") + _required(parameter))
            for parameter in shown
            if parameter.name not in targets
        ]
        if options:
            found.append(_table(("option", ""), options))
        if targets:
            folder = (
                "On a data folder or a running server" if any(each.name == "data" for each in shown) else "On a running server"
            )
            found.append(f"{folder}: see [where commands work](#where-commands-work).")
    return "\n\n".join(found)


_PROFILE = get_args(cli_options.Profile)[1].help

PARTS: dict[str, Callable[[], str]] = {
    "user_fields": user_fields_part,
    "codes": codes_part,
    "errors": errors_part,
    "settings": settings_part,
    "routes": routes_part,
    "roles": roles_part,
    "scopes": scopes_part,
    "events": events_part,
    "retries": retries_part,
    "outcomes": outcomes_part,
    "commands": commands_part,
}


# ---- errors and settings


def _by_code() -> list[type[errors.ApiError]]:
    return list({error.code: error for error in reversed(errors.tree())}.values())[::-1]


def _anchor(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _sentence(error: type[errors.ApiError]) -> str:
    if error is errors.MethodNotAllowed:
        return "PATCH is not allowed here. Allowed: GET, HEAD, POST, OPTIONS."
    return error.message


def _value(value: Any) -> str:
    if value in ("", ()):
        return ""
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _range(kind: Any, meta: msgspec.Meta) -> str:
    if kind is bool:
        return "`true`, `false`"
    if meta.pattern:
        return ", ".join(f"`{word}`" for word in meta.pattern.strip("^()$").split("|"))
    low = meta.ge if meta.ge is not None else meta.gt
    if low is not None and meta.le is not None:
        return f"{'above ' if meta.ge is None else ''}{low:,} to {meta.le:,}"
    return "a list" if kind == tuple[str, ...] else ""


# ---- routes


def _every_call() -> Iterator[str]:
    """What all endpoints have in common."""
    yield "## All endpoints"
    own, limits = openapi_tables.EVERYWHERE, openapi_tables.LIMITED[len(openapi_tables.EVERYWHERE) :]
    yield (
        f"Every response has the header {_names(own)}. Responses of endpoints that require an API key also have {_names(limits)}. "
        "Any endpoint can return these errors:"
    )
    rows = [
        ("all endpoints", openapi_tables.OF_EVERY_CALL),
        ("endpoints that require an API key", openapi_tables.OF_CALLS_WITH_A_KEY),
        ("endpoints with a body", openapi_tables.OF_CALLS_WITH_A_BODY),
        ("every POST with an `Idempotency-Key`", openapi_tables.OF_POSTS),
    ]
    yield _table(("", ""), [(name, _links(found)) for name, found in rows])


def _names(found: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in found)


def _links(found: Iterable[type[errors.ApiError]]) -> str:
    return ", ".join(f"[`{error.code}`](errors.md#{error.code})" for error in found)


def _call(description: dict[str, Any], route: Any) -> Iterator[str]:
    operation = description["paths"][route.path][route.method.lower()]
    yield f"### {route.method} {route.path}"
    yield f"**{operation['summary']}.** {operation['description']}"
    parameters = [_resolved(description, parameter) for parameter in operation.get("parameters", ())]
    named = [(parameter, parameter["schema"]) for parameter in parameters]
    if named:
        rows = [(f"`{each['name']}`", f"{each['in']}{_kind(schema)}", each["description"]) for each, schema in named]
        yield _table(("parameter", "", ""), rows)
    if route.body is not None:
        schema = description["components"]["schemas"][route.body.__name__]
        yield _table(("field", "", ""), list(_fields(schema)))
    yield _answer(operation, route)
    if route.errors:
        yield f"Additional errors: {_links(dict.fromkeys(route.errors))}."


def _fields(schema: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, field in schema["properties"].items():
        need = "required" if name in schema.get("required", ()) else "optional"
        yield f"`{name}`", f"{need}{_kind(field)}", field.get("description", "")


def _answer(operation: dict[str, Any], route: Any) -> str:
    answer = operation["responses"][str(route.success)]
    own = ", ".join(f"`{name}`" for name in answer["headers"] if name not in openapi_tables.LIMITED)
    content = ""
    for kind, body in answer.get("content", {}).items():
        names = re.findall(r"schemas/(\w+)", str(body["schema"]))
        several = "list of " if body["schema"].get("type") == "array" else ""
        content = f" {several}{' or '.join(f'`{name}`' for name in names)}" if names else f" `{kind}`"
    return f"**{route.success}**{content}{f', with {own}' if own else ''}."


def _resolved(description: dict[str, Any], parameter: dict[str, Any]) -> dict[str, Any]:
    return description["components"]["parameters"][parameter["$ref"].rpartition("/")[2]] if "$ref" in parameter else parameter


def _kind(schema: dict[str, Any]) -> str:
    types = schema.get("type", "")
    said = " or ".join(types) if isinstance(types, list) else types
    if "enum" in schema:
        said = ", ".join(f"`{value}`" for value in schema["enum"])
    elif "minimum" in schema:
        said += f" from {schema['minimum']:,}" + (f" to {schema['maximum']:,}" if "maximum" in schema else "")
    elif "maxLength" in schema and "format" not in schema:
        said += f" of up to {schema['maxLength']:,} characters"
    elif "maxItems" in schema:
        said += f" of up to {schema['maxItems']:,}"
    if "format" in schema and schema["format"] != "int64":
        said += f" ({schema['format']})"
    if schema.get("default") not in (None, ""):
        said += f", default `{schema['default']}`"
    return f" · {said}"


# ---- commands


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command with its full name."""
    if hasattr(command, "list_commands"):
        context = typer.Context(command)
        for child in command.list_commands(context):
            yield from commands(command.get_command(context, child), f"{name} {child}")
    else:
        yield name, command


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required else f"[{name}]"


def _flags(parameter: Any) -> str:
    value = "" if parameter.is_flag else f" {parameter.metavar or 'N'}"
    return ", ".join(f"`{flag}{value if flag.startswith('--') else ''}`" for flag in [*parameter.opts, *parameter.secondary_opts])


def _required(parameter: Any) -> str:
    if parameter.required:
        return " Required."
    if parameter.is_flag or parameter.default in (None, "", ()) or "default:" in (parameter.help or ""):
        return ""
    return f" Default: `{parameter.default}`."


def _is_shown(parameter: Any) -> bool:
    return parameter.param_type_name == "option" and not parameter.hidden and parameter.name != "help"


# ---- Markdown


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
