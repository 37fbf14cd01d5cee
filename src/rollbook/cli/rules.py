"""`rollbook rules`: what is done by itself, when and for whom; as a file, for version control."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from rollbook.actions.arguments import rules as rule_arguments
from rollbook.actions.ready_rules import ReadyRule, all_ready
from rollbook.actions.rule_words import ids_in, people, sentence
from rollbook.cli import options
from rollbook.cli.backends import PAGED, Backend, Shown, at
from rollbook.cli.bulk import COLUMNS as RUN_COLUMNS
from rollbook.cli.completion import objects
from rollbook.cli.fields import Fields
from rollbook.cli.output import Failure, as_json, counted, hint, line, listed, shown
from rollbook.cli.tables import table

app = options.group(help="Automate what is done to users, such as suspending those who are inactive.")

RULES, ONE = "/v1/rules", "/v1/rules/{ruleId}"
COLUMNS = ("id", "name", "enabled", "does", "next_run_at", "last_run_at")
SPARE = ("last_run_at", "id")
SAID = ("name", "enabled", "when", "who", "steps", "max_users")
"""Fields of a rule in a file."""
PARTS = {"when": "FILE", "who": "FILE", "steps": "FILE"}
RULE = options.argument("rule", "RULE", shell_complete=objects(RULES, "name", "id"))
PATH = click.Path(path_type=Path, allow_dash=True)


@options.on_server(
    app, "list", options.limit("rules", default=None), options.JSON, options.QUIET, call=("GET", RULES), elsewhere=PAGED
)
def list_rules(server: options.Server, limit: int | None, json: bool, quiet: bool) -> None:
    """List rules, oldest first, each with what it does."""
    with server() as backend:
        rules = backend.all(RULES, {}, limit)
        names = {} if json or quiet else _names(backend, rules)
        empty = f"No rules. Some are ready: {backend.command('rules', 'create', '--help')}"
        listed(
            rules,
            COLUMNS,
            json,
            quiet,
            row=lambda rule: {**rule, "does": _sentence(rule, names)},
            spare=SPARE,
            empty=empty,
        )


@options.on_server(app, "get", RULE, options.JSON, call=("GET", ONE))
def get_rule(server: options.Server, rule: str, json: bool) -> None:
    """Show a rule. RULE is its ID or its name."""
    with server() as backend:
        record = _rule(backend, rule)
        does = {"does": _sentence(record, {} if json else _names(backend, [record]))}
        parts = {name: value for name, value in record.items() if name not in PARTS}
        shown(record if json else {"name": record["name"], **does, **parts}, json)


@options.on_server(
    app,
    "create",
    options.argument("file", "FILE", required=False, type=PATH),
    options.option("--ready", "A rule that is ready.", metavar="NAME", type=click.Choice(list(all_ready()))),
    options.option("--group", "Its group.", metavar="GROUP", shell_complete=objects("/v1/groups", "name", "id")),
    options.JSON,
    options.QUIET,
    fields=rule_arguments.RuleCreate,
    call=("POST", RULES),
    elsewhere=PARTS,
    optional=("name",),
)
def create_rule(
    server: options.Server,
    fields: Fields,
    file: Path | None,
    ready: str | None,
    group: str | None,
    json: bool,
    quiet: bool,
) -> None:
    """Create a rule that is ready, or the one in a JSON file, as `rules get --json` prints it. It is off until you run
    `rules set RULE --enabled`."""
    if (file is None) == (ready is None):
        raise click.BadParameter("Name a file, or one that is ready with --ready.")
    with server() as backend:
        rule = _chosen(backend, all_ready()[ready], group) if ready else _said(_read(file))
        created = backend.one("POST", RULES, body={**rule, "enabled": False, **fields.sent(backend)})
        shown(created, json, quiet)
        if not (json or quiet):
            hint(f"See whom it is for: {backend.command('rules', 'preview', created['id'])}")


def _chosen(backend: Backend, ready: ReadyRule, group: str | None) -> Shown:
    """A rule that is ready, with what has to be chosen. Raises Failure."""
    rule = msgspec.json.decode(msgspec.json.encode(ready.fields))
    for step, name in ready.needs:
        if name == "group_id" and group is not None:
            rule["steps"][step][name] = backend.group(group)["id"]
        else:
            raise Failure(f"{ready.key} needs --group." if name == "group_id" else f"{ready.key} needs {name}.")
    return rule


@options.on_server(
    app,
    "set",
    RULE,
    options.argument("file", "FILE", required=False, type=PATH),
    options.JSON,
    options.QUIET,
    fields=rule_arguments.RuleUpdate,
    call=("PATCH", ONE),
    elsewhere=PARTS,
)
def update_rule(server: options.Server, fields: Fields, rule: str, file: Path | None, json: bool, quiet: bool) -> None:
    """Update a rule, or switch it on or off. FILE has what it says, as JSON. Other fields are left unchanged."""
    if file is None:
        fields.require_any("FILE")
    with server() as backend:
        changes = {**(_said(_read(file)) if file else {}), **fields.sent(backend)}
        shown(backend.one("PATCH", at("rules", _rule(backend, rule)["id"]), body=changes), json, quiet)


@options.on_server(app, "delete", RULE, options.YES, options.QUIET, call=("DELETE", ONE))
def delete_rule(server: options.Server, rule: str, yes: bool, quiet: bool) -> None:
    """Delete a rule. People who wait for a step get no further steps. Its runs stay, and can be
    undone."""
    with server() as backend:
        record = _rule(backend, rule)
        options.confirm(f"Delete {record['name']}?", yes)
        backend.ask("DELETE", at("rules", record["id"]))
        line(record["id"]) if quiet else hint(f"Deleted {record['name']}.")


@options.on_server(app, "preview", RULE, options.JSON, call=("POST", f"{ONE}/preview"), previews=False)
def preview_rule(server: options.Server, rule: str, json: bool) -> None:
    """Show how many people a rule would begin with, and the first of them. Nothing is changed."""
    with server() as backend:
        record = _rule(backend, rule)
        preview = backend.one("POST", at("rules", record["id"], "preview"))
        if json:
            return as_json(preview)
        line(f"{_sentence(record, _names(backend, [record]))}.")
        table(("id", "name", "email"), preview["users"], ())
        hint(_count(record, preview))


@options.on_server(
    app,
    "run",
    RULE,
    options.YES,
    options.JSON,
    options.QUIET,
    call=("POST", f"{ONE}/run"),
    elsewhere={"confirm_count": "--yes"},
)
def run_rule(server: options.Server, rule: str, yes: bool, json: bool, quiet: bool) -> None:
    """Run a rule now, or approve one that waits. Says for how many people, and asks."""
    with server() as backend:
        record = _rule(backend, rule)
        count = record["waiting_count"]
        if count is None:
            count = backend.one("POST", at("rules", record["id"], "preview"))["count"]
        options.confirm(f"Run {record['name']} for {people(count)}?", yes, f"It would begin with {people(count)}.")
        shown(backend.one("POST", at("rules", record["id"], "run"), body={"confirm_count": count}), json, quiet)
        if not (json or quiet):
            hint(f"Its runs: {backend.command('rules', 'runs', record['id'])}")


@options.on_server(
    app,
    "runs",
    RULE,
    options.limit("runs", most=200),
    options.JSON,
    options.QUIET,
    fields=rule_arguments.ListRuns,
    call=("GET", f"{ONE}/runs"),
    elsewhere={"limit": "--limit"},
)
def list_runs(server: options.Server, fields: Fields, rule: str, limit: int, json: bool, quiet: bool) -> None:
    """List the runs of a rule, newest first. They are bulk jobs, which `rollbook bulk` can undo."""
    with server() as backend:
        path = at("rules", _rule(backend, rule)["id"], "runs")
        listed(
            backend.page(backend.ask("GET", path, {**fields.sent(backend), "limit": limit})), RUN_COLUMNS, json, quiet
        )


# ---- as a file


@options.on_server(app, "export")
def export_rules(server: options.Server) -> None:
    """Print all rules as JSON, for version control. `rules import` reads it."""
    with server() as backend:
        as_json([_said(rule) for rule in _all(backend)])


@options.on_server(app, "import", options.argument("file", "FILE", type=PATH), options.DRY_RUN, options.YES)
def import_rules(server: options.Server, file: Path, dry_run: bool, yes: bool) -> None:
    """Create and change rules, by their names, as in a file of `rules export`. Says what would change, for how many
    people, and asks."""
    rules = _read(file)
    names = (
        [rule.get("name") if isinstance(rule, dict) else None for rule in rules] if isinstance(rules, list) else [None]
    )
    if None in names or len(set(names)) < len(names):
        raise Failure(f"{file} must be a list of rules, each with a name of its own.")
    with server() as backend:
        existing = {rule["name"]: rule for rule in _all(backend)}
        changes = {rule["name"]: rule for rule in map(_said, rules) if not _is_same(existing.get(rule["name"]), rule)}
        for name, rule in changes.items():
            preview = backend.one("POST", f"{RULES}/preview", body={**rule, "enabled": False})
            line(f"{'Change' if name in existing else 'Create'} {name}: {_sentence(rule)}. {_count(rule, preview)}")
        hint(f"{len(changes):,} to create or change, {len(rules) - len(changes):,} unchanged.")
        if not changes or dry_run:
            return
        options.confirm(
            f"Import {counted(len(changes), 'rule')}?", yes, f"{counted(len(changes), 'rule')} would be changed."
        )
        for name, rule in changes.items():
            if name in existing:
                backend.one("PATCH", at("rules", existing[name]["id"]), body=rule)
            else:
                backend.one("POST", RULES, body=rule)


def _is_same(existing: Shown | None, rule: Shown) -> bool:
    return existing is not None and all(existing[name] == value for name, value in rule.items())


def _read(file: Path | None) -> Any:
    """Raises Failure."""
    text = sys.stdin.buffer.read() if file is None or str(file) == "-" else file.read_bytes()
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as problem:
        raise Failure(f"{file} is not valid JSON: {problem}.") from None


def _said(rule: Any) -> Shown:
    """The fields of a rule that a file has. Raises Failure."""
    if not isinstance(rule, dict):
        raise Failure("A rule must be a JSON object.")
    return {name: rule[name] for name in SAID if name in rule}


# ---- rules by name, and in words


def _all(backend: Backend) -> list[Shown]:
    return backend.all(RULES, {}, None)


def _rule(backend: Backend, named: str) -> Shown:
    """A rule by its ID or, if only one has it, its name. Raises Failure."""
    if named.startswith("rule_"):
        return backend.one("GET", at("rules", named))
    rules = [rule for rule in _all(backend) if rule["name"].casefold() == named.casefold()]
    if len(rules) > 1:
        raise Failure(f"More than one rule is named {named}: use an ID ({backend.location}).")
    if not rules:
        raise Failure(f"There is no rule {named} ({backend.location}). To see all: {backend.command('rules', 'list')}")
    return rules[0]


def _sentence(rule: Mapping[str, Any], names: Mapping[str, str] = {}) -> str:
    return sentence({"who": {}, **rule}, names)


def _names(backend: Backend, rules: list[Shown]) -> dict[str, str]:
    """Names of the groups that rules name by ID."""
    wanted = ids_in(rules)
    groups = backend.all("/v1/groups", {}, None) if wanted else []
    return {group["id"]: group["name"] for group in groups if group["id"] in wanted}


def _count(rule: Mapping[str, Any], preview: Shown) -> str:
    if "event" in rule["when"]:
        return "For people from now on, at each event."
    now = f"{people(preview['count'])} {'in the next run' if 'daily' in rule['when'] else 'now'}."
    return f"{now} Next: {preview['next_run_at']}." if preview["next_run_at"] else now
