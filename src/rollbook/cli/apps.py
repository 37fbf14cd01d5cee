"""`rollbook apps`: connect applications, list and change them."""

from __future__ import annotations

from typing import Any

import click

from rollbook import roles
from rollbook.actions import key_bounds
from rollbook.actions.arguments import applications as application_arguments
from rollbook.actions.arguments import keys as key_arguments
from rollbook.actions.checking import check
from rollbook.actions.key_bounds import PURPOSES, Purpose
from rollbook.api import users as user_calls
from rollbook.cli import keys, options
from rollbook.cli.backends import PAGED, WHOLE, Shown, at
from rollbook.cli.completion import objects
from rollbook.cli.fields import Fields, as_query, options_of
from rollbook.cli.output import as_json, hint, line, listed, shown
from rollbook.docs_site import guide

app = options.group(help="Connect applications, such as your shop: users that have API keys and can't sign in.")

COLUMNS = ("id", "name", "role", "status", "rate_limit", "created_at")
APPLICATIONS, ONE = "/v1/applications", "/v1/applications/{applicationId}"
APPLICATION = options.argument("application", "ID", shell_complete=objects(APPLICATIONS, "id", "name"))
FIELDS = {"fields": "all fields"}
MORE = ("external_id", "metadata")
"""Fields of a new application that its key doesn't have."""


@options.on_server(
    app,
    "create",
    options.argument("name", "NAME"),
    options.option(
        "--for",
        f"The application's purpose, which sets its role, scopes and rate limit: {', '.join(PURPOSES)}.",
        metavar="PURPOSE",
        **options.one_of(PURPOSES),
    ),
    options.option(
        "--role",
        f"The application's role: {', '.join(roles.APPLICATION_ROLES)}. [default: that of --for, or member]",
        metavar="ROLE",
        **options.one_of(roles.APPLICATION_ROLES),
    ),
    options.option(
        "--rate-limit",
        "Rate limit of the application, such as 600/minute, or `none`. [default: that of --for]",
        metavar="LIMIT",
    ),
    *(flag for flag in options_of(application_arguments.ApplicationCreate) if getattr(flag, "field", None) in MORE),
    options.JSON,
    keys.QUIET,
    fields=key_arguments.KeyCreate,
    call=("POST", APPLICATIONS),
    elsewhere={
        "user_id": "the application",
        "name": "NAME",
        "role": "--role",
        "kind": "always api",
        "rate_limit": "--rate-limit",
        "revealable": "never: it has no password",
        **FIELDS,
    },
)
def create_app(
    server: options.Server,
    fields: Fields,
    name: str,
    role: str | None,
    rate_limit: str | None,
    json: bool,
    quiet: bool,
    **values: Any,
) -> None:
    """Create an application and its first API key, and print the key.

    With --for, the key can do what this purpose needs and no more, and a program is printed that works with it. The
    options except --for, --role, --rate-limit, --external-id and --metadata are about the key. To create more keys, use
    `keys create` with the ID of the application.
    """
    purpose: str | None = values["for"]  # no name for a parameter
    named = {"name": name} if purpose is None else key_bounds.new_application_of(name, purpose)
    chosen = {"role": role, "rate_limit": rate_limit}
    new = {**named, **{key: value for key, value in chosen.items() if value is not None}}
    with server(make=True) as backend:
        key = {**key_bounds.new_key_of(name, purpose), **fields.sent(backend)}
        new |= {field: key.pop(field) for field in MORE if field in key}
        check(application_arguments.ApplicationCreate, new, 0)
        check(key_arguments.KeyCreate, key, 0)  # before the application is created
        user = backend.one("POST", APPLICATIONS, WHOLE, new)
        try:
            issued = backend.one("POST", keys.KEYS, body={"user_id": user["id"], **key})
        except click.ClickException:
            hint(f"{name} was created, but without a key. Create one: {backend.command('keys', 'create', user['id'])}")
            raise
        if json:
            as_json({"user": user, "key": issued})
            return
        keys.show(issued, backend.address, json, quiet, purpose is None)
        if not quiet:
            if purpose is not None:
                hint(_program(key_bounds.PURPOSES[purpose], backend.address, issued))
            more = backend.command("keys", "create", user["id"])
            hint(f"\nThe application is {user['id']}. Its keys can't be revealed. For another one: {more}")


def _program(purpose: Purpose, url: str, key: Shown) -> str:
    """Steps to try the application, in words and as a program."""
    program = key_bounds.program(purpose, url, key["key"], key["audiences"] or [], guide.program("flask"))
    return f"\n{purpose.about}\n\nTry it:\n\n{program}"


@options.on_server(
    app,
    "list",
    options.limit("applications", default=None),
    options.JSON,
    options.QUIET,
    fields=user_calls.ListApplications,
    call=("GET", APPLICATIONS),
    elsewhere={**PAGED, "cursor": "all pages", "count": "all pages", **FIELDS},
)
def list_apps(server: options.Server, fields: Fields, limit: int | None, json: bool, quiet: bool) -> None:
    """List applications, in the order in which they were added. `users list --kind application` has more filters."""
    with server() as backend:
        empty = f"No applications. To connect one: {backend.command('apps', 'create', 'NAME', '--for', 'PURPOSE')}"
        applications = list(backend.linked(APPLICATIONS, {**as_query(fields.sent(backend)), **WHOLE}, limit))
        listed(applications, COLUMNS, json, quiet, spare=("rate_limit",), empty=empty)


@options.on_server(app, "get", APPLICATION, options.JSON, options.QUIET, call=("GET", ONE), elsewhere=FIELDS)
def get_app(server: options.Server, application: str, json: bool, quiet: bool) -> None:
    """Show an application."""
    with server() as backend:
        shown(backend.one("GET", at("applications", application)), json, quiet)


@options.on_server(
    app,
    "set",
    APPLICATION,
    options.JSON,
    options.QUIET,
    fields=application_arguments.ApplicationPatch,
    call=("PATCH", ONE),
    elsewhere=FIELDS,
)
def set_app(server: options.Server, fields: Fields, application: str, json: bool, quiet: bool) -> None:
    """Update an application. Other fields are left unchanged. An empty text removes the value of an optional field."""
    fields.require_any()
    with server() as backend:
        shown(backend.one("PATCH", at("applications", application), WHOLE, fields.sent(backend)), json, quiet)


@options.on_server(
    app,
    "delete",
    APPLICATION,
    options.YES,
    options.QUIET,
    options.option("--purge", "Erase the application permanently. You can't restore it."),
    call=("DELETE", ONE),
    elsewhere={"purge": "--purge"},
)
def delete_app(server: options.Server, application: str, yes: bool, quiet: bool, purge: bool) -> None:
    """Delete an application. Its API keys stop working for good. You can restore it until it is erased (30 days by
    default)."""
    with server() as backend:
        options.confirm(f"Delete {application}? Its API keys stop working.", yes, "Its API keys stop working for good.")
        backend.ask("DELETE", at("applications", application), {"purge": "true"} if purge else None)
        if quiet:
            line(application)
        elif purge:
            hint(f"Permanently erased {application}.")
        else:
            hint(f"Deleted {application}. To restore it: {backend.command('users', 'restore', application)}")
