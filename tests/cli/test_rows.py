"""Every call of the API has a command, and each field of its query and body an option: what programs can do, people
can."""

from __future__ import annotations

import click

from rollbook.actions.checking import fields_of
from rollbook.api.route import Route
from rollbook.api.routes import ROUTES
from rollbook.cli.commands import COMMANDS, app
from rollbook.cli.fields import FieldOption
from rollbook.cli.options import Command

BY_API = {
    "GET /metrics": "for Prometheus: `rollbook api GET /metrics`",
    "PUT /v1/users/{userId}": "as PATCH, but that it replaces metadata",
    "PUT /v1/groups/{groupId}": "as PATCH, but that it replaces metadata",
    "PUT /v1/groups/{groupId}/members/{userId}": "for one member what POST does for several: `rollbook groups add`",
    "POST /v1/sessions": "for applications: a person signs in to the dashboard, or with `rollbook login`",
    "POST /v1/sessions/refresh": "for applications, as above",
    "POST /v1/sessions/verify": "for applications, as above",
    "POST /v1/rules/preview": "what `rollbook rules import --dry-run` says of each rule in a file",
}
"""Rows without a command, each with the reason."""
OLD_NAMES = """
    users: list get create invite set password suspend activate count delete restore export import
    keys: create list get reveal rotate revoke mint
    sessions: list delete
    events: list tail
    webhooks: list create get set rotate-secret delete test deliveries delivery resend replay listen trigger
    logs: list get tail
"""
OLD_FLAGS = """
    users list: --search -s --email --external-id --role --created-after --created-before --metadata --status --sort --limit -n --offset --all --json --quiet -q
    users create: --name --email --role --password --rate-limit --metadata --email-verified --email-unverified --external-id --json --quiet
    users invite: --name --role --public-url --redirect-url --json --quiet
    users set: --name --email --role --status --password --current-password --rate-limit --metadata --email-verified --email-unverified --external-id
    users delete: --purge --yes -y --quiet
    users export: --format --status --with-hashes --search --role
    users import: --from --format --match --on-conflict --map --delimiter --events --dry-run --report --json
    keys create: --name --scopes --rate-limit --expires --ip-allow --json --quiet
    keys reveal: --password --json --quiet
    keys rotate: --overlap --json --quiet
    events list: --type --user --actor --address --since --until --limit -n --json
    events tail: --type --user --actor --address --after --json
    webhooks create: --type --description --format --payload --ordering --header --skip-imports --user --json --quiet
    webhooks set: --target --type --description --payload --header --status --from --json --quiet
    webhooks rotate-secret: --overlap --json --quiet
    webhooks test: --type --json
    webhooks deliveries: --outcome --type --user --limit --json --quiet
    webhooks replay: --from --to --type --user --only --detach --json --quiet
    webhooks listen: --forward-to --type --user --after --secret --json
    logs list: --status --method --path --path-match --user --key-id --since --until --limit --json
    logs tail: --status --method --path --path-match --user --key-id --since --json
    usage: --key-id --period --json
"""


def commands() -> dict[str, click.Command]:
    """By name, such as `users list`."""
    found = {}
    for name in COMMANDS:
        command = app.get_command(click.Context(app), name)
        assert command is not None
        children = getattr(command, "commands", None)
        found |= {f"{name} {child}": each for child, each in children.items()} if children else {name: command}
    return found


def test_every_field_of_every_call_can_be_given_on_the_command_line() -> None:
    by_call: dict[tuple[str, str], list[Command]] = {}
    for command in commands().values():
        if isinstance(command, Command) and command.call is not None:
            by_call.setdefault(command.call, []).append(command)
    rows = {(route.method, route.path): route for route in ROUTES if route.scope is not None}
    assert by_call.keys() <= rows.keys()
    for (method, path), route in rows.items():
        if f"{method} {path}" in BY_API:
            continue
        assert (method, path) in by_call, f"{method} {path} has no command"
        assert not missing(route, by_call[method, path]), f"{method} {path}"


def missing(route: Route, commands: list[Command]) -> set[str]:
    wanted = {name for kind in (route.query, route.body) if kind is not None for name in fields_of(kind)}
    for command in commands:
        wanted -= {each.field for each in command.params if isinstance(each, FieldOption)} | command.elsewhere.keys()
    return wanted


def test_every_change_can_be_previewed_on_the_command_line() -> None:
    rows = {(route.method, route.path): route for route in ROUTES}
    for name, command in commands().items():
        if isinstance(command, Command) and command.call is not None and command.call != ("POST", "/v1/imports"):
            previews = any("--dry-run" in parameter.opts for parameter in command.params)
            assert previews == rows[command.call].can_be_previewed, name


def test_what_stands_for_a_field_is_there() -> None:
    for name, command in commands().items():
        flags = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)}
        metavars = {str(each.metavar).strip("[]") for each in command.params}
        for field, other in getattr(command, "elsewhere", {}).items():
            assert not other.startswith("--") or other in flags, (name, field)
            assert not other.isupper() or other in metavars, (name, field)


def test_names_and_flags_that_were_there_stay() -> None:
    found = commands()
    for line in OLD_NAMES.strip().splitlines():
        group, _, names = line.strip().partition(": ")
        assert not [name for name in names.split() if f"{group} {name}" not in found]
    for line in OLD_FLAGS.strip().splitlines():
        name, _, flags = line.strip().partition(": ")
        known = {flag for each in found[name].params for flag in (*each.opts, *each.secondary_opts)}
        assert not set(flags.split()) - known, name
