"""Generates parts of docs/ and README.md from the code, and figures from what was measured (figures.py): errors, settings,
routes, scopes, commands. With `--check`, only reports which are outdated.

A generated part is between `<!-- begin: NAME -->` and `<!-- end: NAME -->`. The rest of the page is written by hand.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import click
import msgspec

from rollbook import config, errors, roles
from rollbook.actions.import_sources import SYSTEMS
from rollbook.actions.key_bounds import PURPOSES
from rollbook.actions.ready_rules import all_ready
from rollbook.actions.rule_words import sentence
from rollbook.api import openapi
from rollbook.api import users as user_calls
from rollbook.cli import options as cli_options
from rollbook.cli.commands import app
from rollbook.config import Settings
from rollbook.delivery import outcomes, sender
from rollbook.docs_site.guide import slug
from rollbook.records import event_types
from rollbook.schemas import paragraphs

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import docs_calls, figures  # noqa: E402
from tools.docs_calls import table, terms  # noqa: E402

DOCS = ROOT / "docs"
PAGE_URL = "http://127.0.0.1:8000"
"""The base URL in the docs."""


def main(arguments: list[str]) -> int:
    """Update the pages, or with `--check` name the outdated ones. Returns the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: tools/docs.py [--check]", file=sys.stderr)
        return 2
    outdated = {
        page: text
        for page in [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
        if (text := renewed(page.read_text())) != page.read_text()
    }
    for page, text in outdated.items():
        if arguments:
            print(f"{page.relative_to(ROOT)} is outdated. Run: make docs", file=sys.stderr)
        else:
            page.write_text(text)
            print(page.relative_to(ROOT))
    return 1 if arguments and outdated else 0


def renewed(page: str) -> str:
    """The page with its generated parts updated. KeyError if a part has no generator."""

    told = docs_calls.Told("object_Application" in page)

    def part(found: re.Match[str]) -> str:
        name = found[1]
        made = PARTS[name]() if name in PARTS else docs_calls.part(name, told)
        return f"<!-- begin: {name} -->\n{made}\n<!-- end: {name} -->"

    page = re.sub(r"<!-- begin: (\w+) -->\n.*?<!-- end: \1 -->", part, page, flags=re.DOTALL)
    return _WHOLE_USER.sub(_with_all_fields, page)


# A user with all fields in an example, one per line.
_WHOLE_USER = re.compile(r'^( +)"id": "user_.*\n(?:\1[ "].*\n)*?\1"last_sign_in_at": .*\n', re.MULTILINE)


def _with_all_fields(user: re.Match[str]) -> str:
    """The example, with `null` for each field it lacks."""
    shown = {line[2]: line[0] for line in re.finditer(rf'^({user[1]})"(\w+)": .*\n(?:\1 .*\n)*', user[0], re.MULTILINE)}
    return "".join(
        shown.get(name, f'{user[1]}"{name}": null,\n') for name in user_calls.USER_FIELDS if name != "deleted_at"
    )


# ---- parts


def user_fields_part() -> str:
    return ", ".join(f"`{name}`" for name in user_calls.USER_FIELDS)


def systems_part() -> str:
    return " · ".join(f"[{name}](#{slug(name)})" for name in SYSTEMS.values())


def purposes_part() -> str:
    rows = [
        (f"`{name}`: {each.about}", f"`{each.role}`", " ".join(f"`{scope}`" for scope in each.scopes), each.rate_limit)
        for name, each in PURPOSES.items()
    ]
    return table(("purpose", "role", "scopes of the key", "rate limit"), rows)


def errors_part() -> str:
    examples = openapi.spelled_out(PAGE_URL)["components"]["examples"]
    found = []
    for error in _by_code():
        found += [f"## {error.code}", f"**{error.status}** · {_sentence(error)}", paragraphs(error.__doc__)]
        body = examples.get(error.code, {}).get("value", {})
        if body.keys() - {"error", "code", "request_id", "doc_url", "param", "errors"}:
            found.append(f"```json\n{json.dumps(body, indent=2, ensure_ascii=False)}\n```")
    return "\n\n".join(found)


def settings_part() -> str:
    return _settings(config.FIRST)


def advanced_settings_part() -> str:
    return _settings(name for name in config.hints() if name not in config.FIRST)


def _settings(names: Iterable[str]) -> str:
    rows = []
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    hints = config.hints()
    for name in names:
        kind, meta = config.written_type(hints[name]), get_args(hints[name])[1]
        names = f"`{name}`<br>`--{name.replace('_', '-')}`<br>`{config.PREFIX}{name.upper()}`"
        value = _value(config.written(defaults[name]))
        rows.append(
            (names, docs_calls.cell([_range(kind, meta), f"default {value}" if value else ""], meta.description or ""))
        )
    return table(("setting, flag, variable", ""), rows)


def roles_part() -> str:
    return table(("role", ""), [(f"`{name}`", text) for name, text in roles.ROLES.items()])


def scopes_part() -> str:
    def holders(scope: str) -> str:
        every = [role for role, scopes in roles.ON_ALL.items() if scope in scopes]
        itself = [role for role in roles.ROLES if scope in roles.grantable(role) and role not in every]
        return ", ".join(every) + (f"; {', '.join(itself)}: own only" if itself else "")

    return terms([(f"`{scope}`", docs_calls.cell([holders(scope)], text)) for scope, text in roles.SCOPES.items()])


def events_part() -> str:
    rows = [(f"`{name}`", _SAID_ABOVE.sub("", each.description)) for name, each in event_types.TYPES.items()]
    return terms(rows)


# What docs/events.md says of all events.
_SAID_ABOVE = re.compile(
    r" `before` has the previous values of the fields that changed\.| At most one (?:a minute )?for each [^.:]*\."
)


PROGRAMS = {
    "flask": "flask/app.py",
    "fastapi": "fastapi/main.py",
    "django": "django/app.py",
    "express": "express/app.mjs",
    "nextjs_lib": "nextjs/lib/shop.js",
    "nextjs_pages": "nextjs/app/[page]/route.js",
    "nextjs_home": "nextjs/app/route.js",
}
"""Files of examples/ that pages show."""
_COMMENTS = {"py": ("python", "# {}"), "mjs": ("js", "// {}"), "js": ("js", "// {}")}


def ready_rules_part() -> str:
    return "\n".join(f"- `{ready.key}`<br>{sentence(ready.fields)}" for ready in all_ready().values())


def program_part(path: str) -> str:
    """A program, with the name of its file as a comment in front."""
    language, comment = _COMMENTS[path.rpartition(".")[2]]
    name = path.partition("/")[2]
    return f"```{language}\n{comment.format(name)}\n{(ROOT / 'examples' / path).read_text()}```"


def shop_part() -> str:
    """A program for a reader to paste into a shell."""
    return f"```console\ncat > shop.py <<'END'\n{(ROOT / 'examples' / PROGRAMS['flask']).read_text()}END\n```"


def retries_part() -> str:
    *waits, last = map(_span, sender.STEPS)
    return f"At once, then after {', '.join(waits)} and {last}."


def _span(seconds: float) -> str:
    size, unit = next(
        (size, unit) for size, unit in ((3600, "hours"), (60, "minutes"), (1, "seconds")) if seconds >= size
    )
    return f"{seconds / size:g} {unit}"


def outcomes_part() -> str:
    rows = [(f"`{name}`", text) for name, text in outcomes.DESCRIPTIONS.items()]
    answered = (
        f"`{outcomes.of_status(400)}` to `{outcomes.of_status(599)}`",
        "The receiver answered with this status.",
    )
    at = [name for name, _ in rows].index(f"`{outcomes.BODY_FAILED}`")
    return terms([*rows[:at], answered, *rows[at:]])


def mail_outcomes_part() -> str:
    shared = ", ".join(f"`{name}`" for name in outcomes.OF_MAIL if name in outcomes.DESCRIPTIONS)
    own = [(f"`{name}`", text) for name, text in outcomes.OF_MAIL.items() if name not in outcomes.DESCRIPTIONS]
    answered = ("`smtp_400` to `smtp_599`", "The mail server answered with this code, about the recipient or the mail.")
    return f"{terms([answered, *own])}\n\n{shared}: As for [webhooks](webhooks.md#retries)."


def commands_part() -> str:
    found: list[str] = []
    told: dict[tuple[str, str], str] = {}
    filters: dict[str, set[str]] = {}
    for name, command in commands(app, "rollbook"):
        arguments = [_argument(each) for each in command.params if each.param_type_name == "argument"]
        shown = cli_options.examples(name.removeprefix("rollbook "))[:1]  # `--help` has all
        example = ["```console", *(shown or [" ".join([name, *arguments])]), "```"]
        found += [
            f"## {name}",
            _help(name, inspect.cleandoc(command.help or "")),
            *([] if shown == [name] or not (shown or arguments) else ["\n".join(example)]),
            *([] if name == "rollbook serve" else _options(name, command, told, filters)),
        ]
    return "\n\n".join(found)


EXPLAINED = {
    "rollbook serve": "configuration.md#configuration",
    "rollbook migrate": "deployment.md#upgrades",
    "rollbook mcp": "mcp.md#set-up-your-assistant",
    "rollbook login": "#profiles",
    "rollbook users import": "import.md#import-users",
    "rollbook users invite": "users.md#a-link-to-set-a-password",
    "rollbook apps create": "applications.md#new-application",
    "rollbook users export": "exports.md#export-and-leave",
    "rollbook bulk run": "bulk-jobs.md#bulk-jobs",
    "rollbook mail test": "mail.md#set-it-up",
    "rollbook webhooks listen": "#examples",
    "rollbook webhooks trigger": "#examples",
    "rollbook backup": "operations.md#backups",
    "rollbook copy": "operations.md#moving-to-another-database",
    "rollbook secret rotate": "operations.md#the-servers-secret",
    "rollbook secret forget": "operations.md#the-servers-secret",
    "rollbook secret renew-access-keys": "sessions.md#access-tokens",
}
"""Commands whose help says more than its first paragraph, and where the docs do so."""


def _help(name: str, text: str) -> str:
    """The help of a command, or its beginning and where the rest is told."""
    place = EXPLAINED.get(name)
    if place is None:
        return re.sub(
            r" (?:Other fields are left unchanged|An empty text removes the value of an optional field)\.", "", text
        )
    title = docs_calls.title(place if not place.startswith("#") else f"cli.md{place}")
    return f"{text.partition(chr(10) * 2)[0]}\n\nSee [{title}]({place})."


MANY = 15
"""Options that two commands share, from which on the second names the first instead of them."""


def _options(name: str, command: Any, told: dict[tuple[str, str], str], called: dict[str, set[str]]) -> Iterator[str]:
    """The options of a command: those that stand for fields of a call, then its own, but for those of many commands.
    `told` are the options that commands before it have, with the first of these, `called` those that stand for fields
    by command."""
    shown = [each for each in command.params if _is_shown(each)]
    # Commands that take a profile to work on take the options that come with it.
    places = {"data", "url", "key", "profile"} if any(each.help == cli_options.PROFILE.help for each in shown) else {}
    own = [each for each in shown if each.name not in places]
    call = getattr(command, "call", None)
    fields = [each for each in own if call and hasattr(each, "field")]
    common = [each for each in own if each.name in COMMON or each.help == cli_options.DATA.help]
    if call and fields:
        flags = [_flag(each) for each in fields]
        for first, others in called.items():
            if len(others & {*flags}) >= MANY:
                less = " and ".join(sorted(others - {*flags}))
                flags = [
                    f"those of [`{first}`](#{slug(first)})" + f" without {less}" * bool(less),
                    *(flag for flag in flags if flag not in others),
                ]
                break
        else:
            called[name] = {*flags}
        yield f"[Options]({docs_calls.place(*call)}): {', '.join(flags)}."
    rows = [(_flags(each), (each.help or "") + _required(each)) for each in own if each not in [*fields, *common]]
    firsts = {row: told.setdefault(row, name) for row in rows}
    new = [row for row in rows if firsts[row] == name]
    if new and name in EXPLAINED:
        yield f"More options: {', '.join(flags for flags, _ in new)}."
    elif new:
        yield terms(new)
    more: dict[str, list[str]] = {}
    for (flags, _), first in firsts.items():
        more.setdefault(first, []).append(flags)
    for first, flags in more.items():
        if first != name:
            yield f"{'More options' if new else 'Options'}: {', '.join(flags)}, as for [`{first}`](#{slug(first)})."
    if places and not any(each.name == "data" for each in shown):
        yield "Only on a running server."


def _flag(option: Any) -> str:
    """An option by name, with the field that it stands for, if that is called otherwise."""
    field = getattr(option, "field", "").replace("_", "-")
    other = f" (`{option.field}`)" if field and f"--{field}" != option.opts[0] else ""
    return f"`{option.opts[0]}`{other}{' (required)' if option.required else ''}"


COMMON = ("json", "quiet", "yes", "dry_run", "limit", "offset", "all", "password")
"""Options of many commands, which docs/cli.md describes once."""

PARTS: dict[str, Callable[[], str]] = {
    **docs_calls.PARTS,
    **figures.PARTS,
    "user_fields": user_fields_part,
    "systems": systems_part,
    "purposes": purposes_part,
    "ready_rules": ready_rules_part,
    "errors": errors_part,
    "settings": settings_part,
    "advanced_settings": advanced_settings_part,
    "roles": roles_part,
    "scopes": scopes_part,
    "shop": shop_part,
    "events": events_part,
    "retries": retries_part,
    "outcomes": outcomes_part,
    "mail_outcomes": mail_outcomes_part,
    "commands": commands_part,
    **{f"program_{name}": partial(program_part, path) for name, path in PROGRAMS.items()},
}


# ---- errors and settings


def _by_code() -> list[type[errors.ApiError]]:
    return list({error.code: error for error in reversed(errors.tree())}.values())[::-1]


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
        return f"{'above ' if meta.ge is None else ''}{low:,}–{meta.le:,}"
    return "a list" if kind == tuple[str, ...] else ""


# ---- commands


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command with its full name."""
    if hasattr(command, "list_commands"):
        context = click.Context(command)
        for child in command.list_commands(context):
            yield from commands(command.get_command(context, child), f"{name} {child}")
    else:
        yield name, command


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required else f"[{name}]"


def _flags(parameter: Any) -> str:
    value = "" if parameter.is_flag else f" {parameter.metavar or 'N'}"
    return ", ".join(
        f"`{flag}{value if flag.startswith('--') else ''}`" for flag in [*parameter.opts, *parameter.secondary_opts]
    )


def _required(parameter: Any) -> str:
    if parameter.required:
        return " Required."
    default = parameter.default
    if (
        parameter.is_flag
        or not isinstance(default, (int, str))
        or default == ""
        or "default:" in (parameter.help or "")
    ):
        return ""
    return f" Default: `{default}`."


def _is_shown(parameter: Any) -> bool:
    return parameter.param_type_name == "option" and not parameter.hidden and parameter.name != "help"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
