"""`rollbook apps`: create applications, list and change them."""

from __future__ import annotations

from typing import Any

import click

from rollbook import roles
from rollbook.actions import clients, key_bounds
from rollbook.actions.arguments import applications as application_arguments
from rollbook.actions.arguments import keys as key_arguments
from rollbook.actions.checking import check
from rollbook.actions.key_bounds import PURPOSES, Purpose
from rollbook.api import users as user_calls
from rollbook.cli import keys, options
from rollbook.cli.backends import PAGED, WHOLE, Backend, Shown, at
from rollbook.cli.completion import objects
from rollbook.cli.fields import Fields, as_query, options_of
from rollbook.cli.output import as_json, details, hint, line, listed, shown
from rollbook.docs_site import guide

app = options.group(help="Create applications: programs that people sign in to, or that call the API.")

COLUMNS = ("id", "name", "role", "status", "rate_limit", "created_at")
APPLICATIONS, ONE = "/v1/applications", "/v1/applications/{applicationId}"
APPLICATION = options.argument("application", "ID", shell_complete=objects(APPLICATIONS, "id", "name"))
FIELDS = {"fields": "all fields"}
SIGN_IN = ("post_logout_redirect_urls", "sign_in_groups", "group_claims", "role_claim", "backchannel_logout_url")
MORE = ("external_id", "metadata", *SIGN_IN)
"""Fields of a new application that its key doesn't have."""
PROGRAMS = tuple("argo-cd flask gitea gitlab grafana jupyterhub nextcloud oauth2-proxy outline pgadmin".split())
"""The programs of docs/connect.md."""


@options.on_server(
    app,
    "create",
    options.argument("name", "NAME"),
    options.option(
        "--for",
        f"The application's purpose, which sets its role, scopes and rate limit: {', '.join(PURPOSES)}. Or the program "
        f"that people sign in to, whose configuration is printed: {', '.join(PROGRAMS)}.",
        metavar="PURPOSE",
        **options.one_of((*PURPOSES, *PROGRAMS)),
    ),
    options.option(
        "--redirect-url redirect_urls",
        "Where people return to after they signed in to it: prints a client ID and secret instead of an API key. Can "
        "be repeated.",
        metavar="URL",
        multiple=True,
    ),
    options.option("--public public_client", "An app that can keep no secret, on phones or in browsers."),
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
        "redirect_urls": "--redirect-url",
        "public_client": "--public",
        **FIELDS,
    },
)
def create_app(
    server: options.Server,
    fields: Fields,
    name: str,
    role: str | None,
    rate_limit: str | None,
    redirect_urls: tuple[str, ...],
    public_client: bool,
    json: bool,
    quiet: bool,
    **values: Any,
) -> None:
    """Create an application and its first API key, and print the key.

    With --for, the key can do what this purpose needs and no more, and a program is printed that works with it. The
    options except --for, --role, --rate-limit, --external-id and --metadata are about the key. To create more keys, use
    `keys create` with the ID of the application.

    With --redirect-url, people sign in to the application with their account here (OpenID Connect): prints the issuer,
    the client ID and, unless it is --public, the client secret, and with --for the configuration of a program.
    """
    purpose: str | None = values["for"]  # no name for a parameter
    if purpose in PROGRAMS and not redirect_urls:
        example = guide.connections()[purpose].redirect_url
        raise click.UsageError(f"--for {purpose} needs --redirect-url, such as {example}")
    chosen = {field: value for field, value in (("role", role), ("rate_limit", rate_limit)) if value is not None}
    if redirect_urls:
        with server(make=True) as backend:
            new = {"name": name, "redirect_urls": list(redirect_urls), "public_client": public_client, **chosen}
            _connect(backend, new, fields.sent(backend), purpose, json, quiet)
        return
    named = {"name": name} if purpose is None else key_bounds.new_application_of(name, purpose)
    with server(make=True) as backend:
        key = {**key_bounds.new_key_of(name, purpose), **fields.sent(backend)}
        new = named | chosen | {field: key.pop(field) for field in MORE if field in key}
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


def _connect(backend: Backend, new: Shown, given: Shown, program: str | None, json: bool, quiet: bool) -> None:
    """Create an application that people sign in to, with its secret, and print what its configuration needs."""
    if program in PURPOSES:
        raise click.UsageError(f"With --redirect-url, --for names a program: {', '.join(PROGRAMS)}.")
    new |= {field: given.pop(field) for field in MORE if field in given}
    key = {"name": "client secret", "kind": "client", "revealable": False, **given}
    check(application_arguments.ApplicationCreate, new, 0)
    check(key_arguments.KeyCreate, key, 0)  # before the application is created
    id = backend.one("POST", APPLICATIONS, WHOLE, new)["id"]
    secret = None
    if not new["public_client"]:
        secret = backend.one("POST", keys.KEYS, body={"user_id": id, **key})["key"]
    issuer = backend.issuer()
    made = {
        "issuer": issuer,
        "client_id": id,
        "client_secret": secret,
        "discovery_url": f"{issuer}/.well-known/openid-configuration",
        "redirect_urls": new["redirect_urls"],
    }
    values = {**made, "client_secret": secret or "", "redirect_url": new["redirect_urls"][0]}
    block = None if program is None else guide.connections()[program].filled(values)
    if json:
        as_json(made if block is None else {**made, "configuration": block})
    elif quiet:
        line(secret or id)
    else:
        details(made | {"redirect_urls": ", ".join(new["redirect_urls"])})
        if block is not None:
            hint(f"\nPaste into the configuration of {guide.connections()[str(program)].name}:\n\n{block}")
        if secret is not None:
            hint("\nKeep the client secret now: it is never shown again.")
    if not quiet and (warning := clients.unreachable(issuer, new["redirect_urls"])):
        hint(f"\n{warning}")


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
        empty = f"No applications. To create one: {backend.command('apps', 'create', 'NAME', '--for', 'PURPOSE')}"
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
