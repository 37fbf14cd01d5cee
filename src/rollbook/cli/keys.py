"""`rollbook keys`: create, list, reveal, rotate and revoke API keys."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from rollbook import clock, roles
from rollbook.auth import key_format
from rollbook.cli import options
from rollbook.cli.backends import Shown, at
from rollbook.cli.output import as_json, details, hint, line, listed, program, shown

app = options.group(help="Create, list, reveal, rotate and revoke API keys.")

COLUMNS = ("id", "name", "state", "masked", "scopes", "rate_limit", "created_at", "expires_at", "last_used_at")

# fmt: off
QuietKey = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the new key.")]
KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="The ID of the key, as shown by `keys list`.")]
CurrentKey = Annotated[str, typer.Argument(metavar="KEY_ID", help="The ID, as shown by `keys list`, or `current` for the key that you use.")]
Scopes = Annotated[str | None, typer.Option("--scopes", metavar="A,B", **options.one_of(roles.SCOPES), help="The scopes of the key, such as `users:read,users:write`. [default: everything the user can do]")]
KeyLimit = Annotated[str | None, typer.Option("--rate-limit", metavar="LIMIT", help="A rate limit for this key, in addition to its user's.")]
Expires = Annotated[str | None, typer.Option("--expires", metavar="TIME", help="When the key expires: a duration such as 30d or 12h, or an RFC 3339 time.")]
IpAllow = Annotated[str | None, typer.Option("--ip-allow", metavar="A,B", help="The IP addresses and networks that can use the key.")]
OwnPassword = Annotated[str, typer.Option("--password", metavar="PASSWORD", help="Your password. `-` asks for it or reads it from standard input.")]
Overlap = Annotated[str, typer.Option("--overlap", metavar="TIME", help="How long the old key keeps working, such as 1h; at most 30d.")]
# fmt: on


@app.command("create")
@options.on_server
def create_key(
    server: options.Server,
    user: options.Named,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What you use the key for.")] = "command line",
    scopes: Scopes = None,
    rate_limit: KeyLimit = None,
    expires: Expires = None,
    ip_allow: IpAllow = None,
    json: options.Json = False,
    quiet: QuietKey = False,
) -> None:
    """Create an API key and print it."""
    given = {
        "name": name,
        "scopes": None if scopes is None else _parts(scopes),
        "ip_allow": None if ip_allow is None else _parts(ip_allow),
        "rate_limit": rate_limit,
        "expires_at": None if expires is None else options.expiry(expires),
    }
    with server() as place:
        fields = {"user_id": place.user(user)["id"], **given}
        _show(place.one("POST", "/v1/keys", body=fields), place.address, json, quiet)


@app.command("list")
@options.on_server
def list_keys(server: options.Server, user: options.Named, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List a user's API keys, oldest first, without the secrets."""
    with server() as place:
        found = place.all("/v1/keys", {"user": place.user(user)["id"]})
        empty = f"No API keys yet. To create one: {program()} keys create {shlex.quote(user)} {place.place}"
        listed(found, COLUMNS, json, quiet, row=_with_state, empty=empty)


def _with_state(key: Shown) -> Shown:
    is_over = key["expires_at"] is not None and clock.parse(key["expires_at"]) <= clock.now()
    return {**key, "state": "revoked" if key["revoked_at"] is not None else "expired" if is_over else "active"}


@app.command("get")
@options.on_server
def get_key(server: options.Server, key_id: CurrentKey, json: options.Json = False) -> None:
    """Show an API key without the secret."""
    with server() as place:
        key = place.one("GET", at("keys", key_id))
        shown(key if json else _with_state(key), json)


@app.command("reveal")
@options.on_running_server
def reveal_key(
    server: options.Running, key_id: CurrentKey, password: OwnPassword = "-", json: options.Json = False, quiet: QuietKey = False
) -> None:
    """Print one of your own API keys in full. Requires your password, and is recorded in the event log."""
    with server() as place:
        proof = {"password": options.current_password(password)}
        _show(place.one("POST", at("keys", key_id, "reveal"), body=proof), place.address, json, quiet)


@app.command("rotate")
@options.on_server
def rotate_key(
    server: options.Server, key_id: KeyId, overlap: Overlap = "0s", json: options.Json = False, quiet: QuietKey = False
) -> None:
    """Rotate an API key: create a new key with the same permissions and print it."""
    with server() as place:
        kept = {"overlap": options.overlap(overlap)}
        _show(place.one("POST", at("keys", key_id, "rotate"), body=kept), place.address, json, quiet)


@app.command("revoke")
@options.on_server
def revoke_key(server: options.Server, key_id: KeyId, quiet: options.Quiet = False) -> None:
    """Revoke an API key. It stops working within a second."""
    with server() as place:
        place.ask("DELETE", at("keys", key_id))
        if quiet:
            line(key_id)
        else:
            hint(f"Revoked {key_id}.")


@app.command("mint")
def mint_key() -> None:
    """Generate an API key for ROLLBOOK_OWNER_KEY."""
    print(key_format.mint())


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _show(key: Shown, address: str, json: bool, quiet: bool) -> None:
    if quiet:
        line(key["key"])
    elif json:
        as_json(key)
    else:
        details(
            {"key": key["key"], **{name: key[name] for name in ("id", "name", "scopes", "ip_allow", "rate_limit", "expires_at")}}
        )
        hint(f'\nTry it:\n\n  curl -H "Authorization: Bearer {key["key"]}" {address}/v1/users/me')
