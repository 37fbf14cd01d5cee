"""`rollbook apps`: connect applications, and list them."""

from __future__ import annotations

import click

from rollbook import roles
from rollbook.actions import arguments
from rollbook.actions.checking import check
from rollbook.cli import keys, options
from rollbook.cli.fields import Fields
from rollbook.cli.output import as_json, hint, listed

app = options.group(help="Connect applications, such as your shop: users that have API keys and can't sign in.")

COLUMNS = ("id", "name", "role", "status", "rate_limit", "created_at")
USERS = "/v1/users"
ROLES = tuple(role for role in roles.ROLES if role != "owner")


@options.on_server(
    app,
    "create",
    options.argument("name", "NAME"),
    options.option(
        "--role",
        f"The application's role: {', '.join(ROLES)}. [default: member]",
        metavar="ROLE",
        **options.one_of(ROLES),
    ),
    options.option("--rate-limit", "Rate limit of the application, such as 600/minute, or `none`.", metavar="LIMIT"),
    options.JSON,
    keys.QUIET,
    fields=arguments.KeyCreate,
    call=("POST", keys.KEYS),
    elsewhere={
        "user_id": "the application",
        "name": "NAME",
        "kind": "always api",
        "rate_limit": "of the application",
        "revealable": "never: it has no password",
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
) -> None:
    """Create an application and its first API key, and print the key.

    The options except --role and --rate-limit are about the key. To create more keys, use `keys create` with the ID of
    the application.
    """
    given = {"role": role, "rate_limit": rate_limit}
    new = {"kind": "application", "name": name, **{key: value for key, value in given.items() if value is not None}}
    with server(make=True) as backend:
        key = {"name": "first key", "revealable": False, **fields.sent(backend)}
        check(arguments.UserCreate, new, 0)
        check(arguments.KeyCreate, key, 0)  # before the application is created
        user = backend.create_user(new)
        try:
            made = backend.one("POST", keys.KEYS, body={"user_id": user["id"], **key})
        except click.ClickException:
            hint(f"{name} was created, but without a key. Create one: {backend.command('keys', 'create', user['id'])}")
            raise
        if json:
            as_json({"user": user, "key": made})
            return
        keys.show(made, backend.address, json, quiet)
        if not quiet:
            more = backend.command("keys", "create", user["id"])
            hint(f"\nThe application is {user['id']}. For another key: {more}")


@options.on_server(app, "list", options.JSON, options.QUIET, call=("GET", USERS))
def list_apps(server: options.Server, json: bool, quiet: bool) -> None:
    """List applications, in the order in which they were added. `users list --kind application` has more filters."""
    with server() as backend:
        empty = f"No applications yet. To connect one: {backend.command('apps', 'create', 'NAME', '--role', 'ROLE')}"
        found = list(backend.users({"kind": "application"}, None, 0))
        listed(found, COLUMNS, json, quiet, spare=("rate_limit",), empty=empty)
