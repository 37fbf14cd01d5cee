"""`rollbook tokens`: create, list, revoke, consume and request one-time tokens."""

from __future__ import annotations

from rollbook.actions.arguments import tokens as token_arguments
from rollbook.actions.checking import check
from rollbook.cli import options
from rollbook.cli.backends import at
from rollbook.cli.fields import Fields
from rollbook.cli.output import Misuse, as_json, hint, line, listed, shown
from rollbook.cli.tables import when

app = options.group(help="Create, list, revoke, consume and request one-time tokens.")

COLUMNS = ("id", "purpose", "email", "created_at", "expires_at")
OF_USER = "/v1/users/{userId}/tokens"
CONSUME, REQUEST = "/v1/tokens/consume", "/v1/tokens/request"


@options.on_server(
    app,
    "create",
    options.NAMED,
    options.PUBLIC_URL,
    options.JSON,
    options.option("--quiet -q", "Print only the link."),
    fields=token_arguments.TokenCreate,
    call=("POST", OF_USER),
    flags={"data": "token-data"},
)
def create_token(
    server: options.Server, fields: Fields, user: str, public_url: str | None, json: bool, quiet: bool
) -> None:
    """Create a one-time token and print the link to its page. A newer token of the same purpose ends the older one."""
    base = options.public_url(public_url)
    with server() as backend:
        body = fields.sent(backend)
        check(token_arguments.TokenCreate, body, 0)
        if body.get("send") and not backend.sends_mail:
            raise Misuse(
                "--send needs the server's settings for mail, which this command doesn't have: set ROLLBOOK_SMTP, "
                "ROLLBOOK_MAIL_FROM and ROLLBOOK_PUBLIC_URL as for the server, or let the server that runs create it, "
                "with --url and --key."
            )
        token = backend.link(at("users", backend.user(user)["id"], "tokens"), base, body)
        if json:
            as_json(token)
        elif "url" not in token:
            until = when(token["expires_at"])
            if quiet:
                line(token["id"])
            elif backend.runs:
                hint(f"The server mails it to the user. It expires at {until}.")
            else:
                hint(f"No server runs here. One that starts before {until} mails it: {backend.command('serve')}")
        else:
            line(token["url"])
            if not quiet:
                hint(f"It works once and expires at {when(token['expires_at'])}. Send it over a channel you trust.")


@options.on_server(app, "list", options.NAMED_OR_OWN, options.JSON, options.QUIET, call=("GET", OF_USER))
def list_tokens(server: options.Server, user: str | None, json: bool, quiet: bool) -> None:
    """List the open tokens of a user, by default your own, oldest first."""
    with server() as backend:
        tokens = backend.page(backend.ask("GET", at("users", backend.user_or_self(user)["id"], "tokens")))
        empty = f"No open tokens. To create one: {backend.command('tokens', 'create', *filter(None, [user]))}"
        listed(tokens, COLUMNS, json, quiet, spare=("created_at",), empty=empty)


@options.on_server(
    app,
    "revoke",
    options.NAMED,
    options.argument("token_id", "TOKEN_ID"),
    options.QUIET,
    call=("DELETE", f"{OF_USER}/{{tokenId}}"),
)
def revoke_token(server: options.Server, user: str, token_id: str, quiet: bool) -> None:
    """Revoke an open token of a user."""
    with server() as backend:
        backend.ask("DELETE", at("users", backend.user(user)["id"], "tokens", token_id))
        line(token_id) if quiet else hint(f"Revoked {token_id}.")


@options.on_server(
    app,
    "consume",
    options.argument("token", "TOKEN"),
    options.PASSWORD,
    options.JSON,
    options.QUIET,
    fields=token_arguments.TokenConsume,
    call=("POST", CONSUME),
    elsewhere={"token": "TOKEN", "password": "--password"},
)
def consume_token(
    server: options.Server, fields: Fields, token: str, password: str | None, json: bool, quiet: bool
) -> None:
    """Use a one-time token, as an application does that has a page for it."""
    secret = options.password(password, required=False)
    with server() as backend:
        body = {"token": token, **({} if secret is None else {"password": secret}), **fields.sent(backend)}
        user = backend.one("POST", CONSUME, body=body)
        shown(user if json else {name: value for name, value in user.items() if name != "token"}, json, quiet)


@options.on_server(
    app,
    "request",
    options.argument("email", "EMAIL"),
    options.QUIET,
    fields=token_arguments.TokenRequest,
    call=("POST", REQUEST),
    elsewhere={"email": "EMAIL"},
)
def request_token(server: options.Server, fields: Fields, email: str, quiet: bool) -> None:
    """Send a one-time token to the user with this email, as a form of your application does. The response is the same
    if there is no such user."""
    with server() as backend:
        backend.ask("POST", REQUEST, body={"email": email, **fields.sent(backend)})
        if not quiet:
            hint(f"If {email} belongs to a user who can use it, it is sent within seconds, by a server that runs.")
