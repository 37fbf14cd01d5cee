"""`rollbook keys`: create, list, change, reveal, rotate and revoke API keys."""

from __future__ import annotations

from rollbook.actions.arguments import keys as key_arguments
from rollbook.actions.arguments import passwords as password_arguments
from rollbook.actions.keys import FILTERS
from rollbook.actions.usage import ALL
from rollbook.auth import key_format
from rollbook.cli import options
from rollbook.cli.backends import PAGED, Backend, Shown, at
from rollbook.cli.completion import emails, objects
from rollbook.cli.fields import Fields
from rollbook.cli.output import Failure, Misuse, as_json, details, hint, line, listed, shown

app = options.group(help="Create, list, change, reveal, rotate and revoke API keys.")

COLUMNS = ("id", "name", "status", "kind", "masked", "scopes", "rate_limit", "created_at", "expires_at", "last_used_at")
COLUMNS_OF_ALL = ("id", "owner", *COLUMNS[1:])
SPARE = ("kind", "rate_limit", "scopes", "created_at")
SPARE_OF_ALL = (*SPARE, "last_used_at", "expires_at", "name")
SHOWN = ("id", "name", "kind", "scopes", "ip_allow", "rate_limit", "audiences", "expires_at")
"""Fields of a new key that people see."""

KEYS, ONE = "/v1/keys", "/v1/keys/{keyId}"
KEY_ID = options.argument("key_id", "ID|NAME", shell_complete=objects(KEYS, "id", "name"))
HOLDER = options.argument("user", "USER", required=False, shell_complete=emails)
CURRENT_PASSWORD = options.option(
    "--current-password",
    "Your current password, to give a key more than it has. `-` asks for it or reads it from standard input.",
    metavar="PASSWORD",
)
UNASKED = options.option("--yes -y", "Accepted, though nothing is asked.", expose_value=False)
QUIET = options.option("--quiet -q", "Print only the new key.")


@options.on_server(
    app,
    "create",
    HOLDER,
    options.JSON,
    QUIET,
    fields=key_arguments.KeyCreate,
    call=("POST", KEYS),
    elsewhere={"user_id": "USER"},
    optional=("name",),
)
def create_key(server: options.Server, fields: Fields, user: str | None, json: bool, quiet: bool) -> None:
    """Create an API key of a user, by default your own, and print it. USER is an email, an ID, or the name of an
    application."""
    with server() as backend:
        named = {} if "name" in fields else {"name": "command line"}
        body = {"user_id": backend.key_holder(user)["id"], **named, **fields.sent(backend)}
        show(backend.one("POST", KEYS, body=body), backend.address, json, quiet)


@options.on_server(
    app,
    "list",
    HOLDER,
    options.option("--all", "API keys of all users."),
    options.limit("API keys", default=None),
    options.JSON,
    options.QUIET,
    fields=key_arguments.ListKeys,
    call=("GET", KEYS),
    elsewhere={"user": "USER", **PAGED},
)
def list_keys(
    server: options.Server, fields: Fields, user: str | None, all: bool, limit: int | None, json: bool, quiet: bool
) -> None:
    """List the API keys of a user, by default your own, or with --all those of all users, oldest first, without the
    secrets. USER is an email, an ID, or the name of an application."""
    if user is not None and all:
        raise Misuse("Pass USER or --all, not both.")
    with server() as backend:
        all = all or (user is None and backend.is_operator)
        if "q" in fields and (all or any(name in fields for name in FILTERS)):
            raise Misuse(
                "--search looks among all keys of one user: pass USER without filters, or use --prefix instead."
            )
        query = {"user": ALL if all else backend.key_holder(user)["id"], **fields.sent(backend)}
        records = list(backend.linked(KEYS, query, limit))
        create = f"No API keys. To create one: {backend.command('keys', 'create', *filter(None, [user]))}"
        empty = "No such API keys." if all else create
        columns, spare = (COLUMNS_OF_ALL, SPARE_OF_ALL) if all else (COLUMNS, SPARE)
        listed(records, columns, json, quiet, row=_with_owner, spare=spare, empty=empty)


def _with_owner(key: Shown) -> Shown:
    """A key with its user as people know them: an application has a name, and an email that is made up."""
    is_application = key.get("user_kind") == "application"
    return {**key, "owner": f"{key['user_name']} (application)" if is_application else key.get("user_email")}


def at_key(backend: Backend, key_id: str, *segments: str) -> str:
    """The path of a key. Raises Misuse for the text of one, which is neither sent nor shown."""
    if key_id.startswith(key_format.PREFIX):
        search = backend.command("keys", "list", "--all", "--prefix", key_format.without_secrets(key_id))
        raise Misuse(f"This is the text of a key, not its ID. To look for it: {search}")
    return at("keys", backend.key_id(key_id), *segments)


@options.on_server(app, "get", KEY_ID, options.JSON, call=("GET", ONE))
def get_key(server: options.Server, key_id: str, json: bool) -> None:
    """Show an API key without the secret. `current` is the key that you use."""
    with server() as backend:
        key = backend.one("GET", at_key(backend, key_id))
        shown(key if json else backend.with_names(key, "user_id", "created_by"), json)


@options.on_server(
    app,
    "set",
    KEY_ID,
    CURRENT_PASSWORD,
    options.JSON,
    options.QUIET,
    fields=key_arguments.KeyUpdate,
    call=("PATCH", ONE),
    elsewhere={"current_password": "--current-password"},
)
def set_key(
    server: options.Server, fields: Fields, key_id: str, current_password: str | None, json: bool, quiet: bool
) -> None:
    """Update an API key. Other fields are left unchanged. To give it more than it has, add --current-password."""
    fields.require_any()
    password = options.current_password(current_password)
    with server() as backend:
        proof = {} if password is None else {"current_password": password}
        shown(backend.one("PATCH", at_key(backend, key_id), body={**fields.sent(backend), **proof}), json, quiet)


@options.on_server(
    app,
    "reveal",
    KEY_ID,
    options.OWN_PASSWORD,
    options.JSON,
    QUIET,
    fields=password_arguments.PasswordProof,
    call=("POST", f"{ONE}/reveal"),
    previews=False,
    elsewhere={"password": "--password"},
    running=True,
)
def reveal_key(server: options.Running, fields: Fields, key_id: str, password: str, json: bool, quiet: bool) -> None:
    """Print one of your own API keys in full. Requires your password, and is recorded in the event log."""
    with server() as backend:
        if not backend.one("GET", at_key(backend, key_id))["revealable"]:
            raise Failure("This key can't be revealed.")
        proof = {"password": options.current_password(password), **fields.sent(backend)}
        show(backend.one("POST", at_key(backend, key_id, "reveal"), body=proof), backend.address, json, quiet)


@options.on_server(
    app, "rotate", KEY_ID, options.JSON, QUIET, fields=key_arguments.KeyRotation, call=("POST", f"{ONE}/rotate")
)
def rotate_key(server: options.Server, fields: Fields, key_id: str, json: bool, quiet: bool) -> None:
    """Rotate an API key: create a new key with the same permissions and print it."""
    with server() as backend:
        show(
            backend.one("POST", at_key(backend, key_id, "rotate"), body=fields.sent(backend)),
            backend.address,
            json,
            quiet,
        )


@options.on_server(app, "revoke", KEY_ID, UNASKED, options.QUIET, call=("DELETE", ONE))
def revoke_key(server: options.Server, key_id: str, quiet: bool) -> None:
    """Revoke an API key. It stops working within a second."""
    with server() as backend:
        backend.ask("DELETE", at_key(backend, key_id))
        line(key_id) if quiet else hint(f"Revoked {key_id}.")


@options.command(app, "mint")
def mint_key() -> None:
    """Generate an API key for ROLLBOOK_OWNER_KEY."""
    print(key_format.mint())


def show(key: Shown, address: str, json: bool, quiet: bool, is_tried: bool = True) -> None:
    """A new key, and if `is_tried`, how to try it."""
    if quiet:
        line(key["key"])
    elif json:
        as_json(key)
    else:
        details({"key": key["key"], **{name: key[name] for name in SHOWN}})
        if not key["revealable"]:
            hint("\nSave the key now. Rollbook can't show this key again.")
        if key["kind"] == "scim":
            hint(f"\nTenant URL for your identity provider: {address}/scim/v2")
        elif is_tried and (key["scopes"] is None or "users:read" in key["scopes"]):
            hint(f'\nTry it:\n\n  curl -H "Authorization: Bearer {key["key"]}" {address}/v1/users/me')
