"""`rollbook factors`: list, add, verify and remove second factors."""

from __future__ import annotations

from rollbook.actions.arguments import factors as factor_arguments
from rollbook.cli import options
from rollbook.cli.backends import at
from rollbook.cli.fields import Fields
from rollbook.cli.output import as_json, hint, line, listed, shown

app = options.group(help="List, add, verify and remove second factors.")

COLUMNS = ("id", "kind", "name", "confirmed_at", "last_used_at")
OF_USER = "/v1/users/{userId}/second-factors"
ONE = f"{OF_USER}/{{factorId}}"
FACTOR = options.argument("factor_id", "FACTOR_ID")
CURRENT_PASSWORD = options.option(
    "--current-password",
    "Your current password, to add your own first factor without being an admin. `-` reads it from standard input.",
    metavar="PASSWORD",
)


@options.on_server(app, "list", options.NAMED_OR_OWN, options.JSON, options.QUIET, call=("GET", OF_USER))
def list_factors(server: options.Server, user: str | None, json: bool, quiet: bool) -> None:
    """List the authenticator apps and passkeys of a user, by default your own, oldest first."""
    with server() as backend:
        factors = backend.one("GET", at("users", backend.user_or_self(user)["id"], "second-factors"))
        if json:
            as_json(factors)
            return
        listed(factors["second_factors"], COLUMNS, False, quiet, spare=("confirmed_at",), empty="No second factors.")
        if not quiet:
            hint(f"Recovery codes left: {factors['recovery_codes_left']}.")


@options.on_server(app, "get", options.NAMED, FACTOR, options.JSON, options.QUIET, call=("GET", ONE))
def get_factor(server: options.Server, user: str, factor_id: str, json: bool, quiet: bool) -> None:
    """Print a second factor."""
    with server() as backend:
        shown(backend.one("GET", at("users", backend.user(user)["id"], "second-factors", factor_id)), json, quiet)


@options.on_server(
    app,
    "add",
    options.NAMED,
    CURRENT_PASSWORD,
    options.JSON,
    options.QUIET,
    fields=factor_arguments.SecondFactorCreate,
    call=("POST", OF_USER),
    elsewhere={"kind": "always totp", "current_password": "--current-password"},
)
def add_factor(
    server: options.Server, fields: Fields, user: str, current_password: str | None, json: bool, quiet: bool
) -> None:
    """Add an authenticator app, and print its secret. It is not asked for before you activate it."""
    password = options.current_password(current_password)
    with server() as backend:
        body = {"kind": "totp", **({} if password is None else {"current_password": password}), **fields.sent(backend)}
        shown(backend.one("POST", at("users", backend.user(user)["id"], "second-factors"), body=body), json, quiet)


@options.on_server(
    app,
    "activate",
    options.NAMED,
    FACTOR,
    options.argument("code", "CODE"),
    options.JSON,
    options.QUIET,
    call=("POST", f"{ONE}/activate"),
    elsewhere={"code": "CODE"},
)
def activate_factor(server: options.Server, user: str, factor_id: str, code: str, json: bool, quiet: bool) -> None:
    """Activate an authenticator app with a code that it shows. With a user's first one, prints their recovery codes."""
    with server() as backend:
        path = at("users", backend.user(user)["id"], "second-factors", factor_id, "activate")
        shown(backend.one("POST", path, body={"code": code}), json, quiet)


@options.on_server(
    app,
    "verify",
    options.NAMED,
    options.argument("code", "CODE"),
    options.JSON,
    fields=factor_arguments.SecondFactorCode,
    call=("POST", f"{OF_USER}/verify"),
    previews=False,
    elsewhere={"code": "CODE"},
)
def verify_code(server: options.Server, fields: Fields, user: str, code: str, json: bool) -> None:
    """Verify a code of a user's authenticator app, or a recovery code. It works once."""
    with server() as backend:
        body = {"code": code, **fields.sent(backend)}
        shown(backend.one("POST", at("users", backend.user(user)["id"], "second-factors", "verify"), body=body), json)


@options.on_server(
    app,
    "recovery-codes",
    options.NAMED,
    options.JSON,
    fields=factor_arguments.RecoveryCodesCreate,
    call=("POST", "/v1/users/{userId}/recovery-codes"),
)
def create_recovery_codes(server: options.Server, fields: Fields, user: str, json: bool) -> None:
    """Create ten recovery codes for a user, and print them. Those they had stop working."""
    with server() as backend:
        codes = backend.one("POST", at("users", backend.user(user)["id"], "recovery-codes"), body=fields.sent(backend))
        if json:
            as_json(codes)
        else:
            for code in codes["recovery_codes"]:
                line(code)


@options.on_server(
    app,
    "remove",
    options.NAMED,
    FACTOR,
    options.QUIET,
    fields=factor_arguments.SecondFactorProof,
    call=("DELETE", ONE),
)
def remove_factor(server: options.Server, fields: Fields, user: str, factor_id: str, quiet: bool) -> None:
    """Remove a second factor of a user."""
    with server() as backend:
        backend.ask("DELETE", at("users", backend.user(user)["id"], "second-factors", factor_id), fields.sent(backend))
        line(factor_id) if quiet else hint(f"Removed {factor_id}.")


@options.on_server(app, "lift", options.NAMED, options.YES, options.QUIET, call=("DELETE", OF_USER))
def lift_factors(server: options.Server, user: str, yes: bool, quiet: bool) -> None:
    """Remove all second factors and recovery codes of a user who has lost them. Their password alone signs them in
    again.

    With `--data DIR`, anyone who can write to the data folder can do this for every user, even owners.
    """
    options.confirm(f"Lift the second factors of {user}? Make sure that the request comes from them.", yes)
    with server() as backend:
        id = backend.user(user)["id"]
        backend.ask("DELETE", at("users", id, "second-factors"))
        line(id) if quiet else hint(f"Lifted the second factors of {user}. Their password alone signs them in.")
