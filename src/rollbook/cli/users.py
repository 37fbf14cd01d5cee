"""`rollbook users`: list, create and update users."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from rollbook import destinations, ids, roles
from rollbook.actions.arguments import imports as import_arguments
from rollbook.actions.arguments import passwords as password_arguments
from rollbook.actions.arguments import tokens as token_arguments
from rollbook.actions.arguments import users as user_arguments
from rollbook.actions.checking import check
from rollbook.api import users as user_calls
from rollbook.cli import options
from rollbook.cli.backends import WHOLE, Backend, Shown, at
from rollbook.cli.completion import deleted_emails
from rollbook.cli.fields import Fields, as_query
from rollbook.cli.output import Failure, Misuse, as_json, as_json_list, counted, hint, line, shown, written
from rollbook.cli.tables import table, when
from rollbook.roles import is_barred

app = options.group(help="List, create and update users.")

COLUMNS = ("id", "name", "email", "role", "status", "created_at")
SPARE = ("id",)
USERS, ONE = "/v1/users", "/v1/users/{userId}"
FIELDS = {"fields": "all fields"}
"""Stand-in for the choice of fields: commands show all of them."""

STDOUT = Path("-")
PATH = click.Path(path_type=Path, allow_dash=True)
CURRENT_PASSWORD = options.option(
    "--current-password",
    "Your current password, to change your own email or password without being an admin. `-` reads it from "
    "standard input.",
    metavar="PASSWORD",
)
QUIET_LINK = options.option("--quiet -q", "Print only the link.")
INVITE: dict[str, object] = {"purpose": "invite"}
RESET: dict[str, object] = {"purpose": "reset_password", "expires_in": token_arguments.HANDED_ON}
"""Tokens for a link that a person hands on, by whether its user has been active."""


# ---- reading


@options.on_server(
    app,
    "list",
    options.limit("users", default=None, usual=options.ON_SCREEN),
    options.option("--offset", "Number of users to skip.", metavar="N", type=options.WholeNumber(min=0), default=0),
    options.option("--all", "List all users."),
    options.JSON,
    options.QUIET,
    fields=user_calls.ListUsers,
    call=("GET", USERS),
    elsewhere={"limit": "--limit", "offset": "--offset", "cursor": "--all", "count": "counted", **FIELDS},
)
def list_users(
    server: options.Server, fields: Fields, limit: int | None, offset: int, all: bool, json: bool, quiet: bool
) -> None:
    """List users, in the order in which they were added: in a pipe or file, all of them."""
    limit = options.on_screen(limit)
    with server() as backend:
        query = as_query(fields.sent(backend))
        users = backend.users(query, None if all else limit, offset)
        if json:
            as_json_list(users)
        elif quiet:
            for user in users:
                line(user["id"])
        else:
            shown_here = table(COLUMNS, map(_for_people, users) if sys.stdout.isatty() else users, SPARE)
            total = backend.count({name: value for name, value in query.items() if name not in ("sort", "consistency")})
            shown_to = offset + shown_here
            more = f" Next page: --offset {shown_to}" if shown_here and shown_to < total else ""
            hint(f"{shown_here:,} of {counted(total, 'user')}.{more}")


def _for_people(user: Shown) -> Shown:
    """A user without the email that an application has only been given."""
    return {**user, "email": "(application)"} if user["kind"] == "application" else user


@options.on_server(
    app,
    "get",
    options.NAMED,
    options.JSON,
    options.QUIET,
    fields=user_arguments.ReadUser,
    call=("GET", ONE),
    elsewhere=FIELDS,
)
def get_user(server: options.Server, fields: Fields, user: str, json: bool, quiet: bool) -> None:
    """Show a user with all fields, as they are now or as they were."""
    with server() as backend:
        query = as_query(fields.sent(backend))
        if not query:
            return shown(backend.user(user), json, quiet)
        # By their ID, also who has been deleted since.
        id = user if ids.is_id("user", user) else backend.user(user)["id"]
        return shown(backend.one("GET", at("users", id), query), json, quiet)


@options.on_server(app, "count", options.JSON, fields=user_arguments.UserFilters, call=("GET", f"{USERS}/count"))
def count_users(server: options.Server, fields: Fields, json: bool) -> None:
    """Count users."""
    with server() as backend:
        count = backend.count(as_query(fields.sent(backend)))
        as_json({"count": count}) if json else line(count)


@options.on_server(app, "personal-data", options.NAMED, call=("GET", f"{ONE}/export"))
def show_personal_data(server: options.Server, user: str) -> None:
    """Print everything that is stored about a user, as JSON."""
    with server() as backend:
        as_json(backend.one("GET", at("users", backend.user(user)["id"], "export")))


@options.on_server(
    app,
    "verify-password",
    options.argument("email", "EMAIL"),
    options.PASSWORD,
    options.JSON,
    options.QUIET,
    fields=password_arguments.Credentials,
    call=("POST", f"{USERS}/verify-password"),
    previews=False,
    elsewhere={"email": "EMAIL", "password": "--password", **FIELDS},
)
def verify_password(
    server: options.Server, fields: Fields, email: str, password: str | None, json: bool, quiet: bool
) -> None:
    """Check a user's password, as an application does that signs them in. It is typed without being shown."""
    secret = options.current_password(password or "-")
    with server() as backend:
        body = {"email": email, "password": secret, **fields.sent(backend)}
        shown(backend.one("POST", f"{USERS}/verify-password", WHOLE, body), json, quiet)


@options.on_server(
    app,
    "verify-challenge",
    options.argument("challenge", "CHALLENGE"),
    options.argument("code", "CODE"),
    options.JSON,
    options.QUIET,
    fields=password_arguments.ChallengeAnswer,
    call=("POST", f"{USERS}/verify-challenge"),
    previews=False,
    elsewhere={"challenge": "CHALLENGE", "code": "CODE", **FIELDS},
)
def verify_challenge(
    server: options.Server, fields: Fields, challenge: str, code: str, json: bool, quiet: bool
) -> None:
    """Check a code of a user's second factor, as an application does in the second step of a sign-in."""
    with server() as backend:
        body = {"challenge": challenge, "code": code, **fields.sent(backend)}
        shown(backend.one("POST", f"{USERS}/verify-challenge", WHOLE, body), json, quiet)


# ---- creating and changing


@options.on_server(
    app,
    "create",
    options.PASSWORD,
    options.JSON,
    options.QUIET,
    fields=user_arguments.UserCreate,
    call=("POST", USERS),
    elsewhere={"password": "--password", **FIELDS},
)
def create_user(server: options.Server, fields: Fields, password: str | None, json: bool, quiet: bool) -> None:
    """Create a user. With `--status invited` they have no password yet."""
    is_invited = fields.texts.get("status") == "invited"
    if is_invited and password is not None:
        raise click.BadParameter("An invited user has no password yet: leave out --password, or --status.")
    if not is_invited and password is None and not sys.stdin.isatty():
        raise Misuse(
            "A password is required: add --password - to read it from standard input, or --status invited to create "
            "the user without one."
        )
    secret = "" if is_invited else str(options.password(password, required=True))
    with server(make=True) as backend:
        sent = fields.sent(backend)
        if is_invited:
            user = backend.create_user(sent)
        else:
            user = options.with_password(
                password, secret, lambda chosen: backend.create_user({**sent, "password": chosen})
            )
        shown(user, json, quiet)
        if not (json or quiet):
            what, words = ("a link", ("users", "invite")) if is_invited else ("an API key", ("keys", "create"))
            hint(f"To create {what} for them: {backend.command(*words, user['email'])}")


@options.on_server(
    app,
    "invite",
    options.argument("user", "USER"),
    options.option("--name", "The name of a new user. [default: from the email]", metavar="TEXT"),
    options.option(
        "--role",
        "The role of a new user: member, viewer, admin or owner. [default: member]",
        metavar="ROLE",
        **options.one_of(roles.ROLES),
    ),
    options.PUBLIC_URL,
    options.JSON,
    QUIET_LINK,
    fields=token_arguments.TokenCreate,
    call=("POST", f"{ONE}/tokens"),
    elsewhere=dict.fromkeys(("data", "send", "reason"), "tokens create") | {"purpose": "by status", "email": "theirs"},
)
def invite_user(
    server: options.Server,
    fields: Fields,
    user: str,
    name: str | None,
    role: str | None,
    public_url: str | None,
    json: bool,
    quiet: bool,
) -> None:
    """Create a link to set a password, and the user if they don't exist yet. USER is an email, or the ID of a user
    who exists.

    The link works once. It expires after three days, for an invited user after seven. A newer link replaces it. This
    command sends no email: send the link over a channel you trust, or mail it with `tokens create USER --purpose invite
    --send`.
    """
    base = options.public_url(public_url)
    with server(make=True) as backend:
        body = fields.sent(backend)
        check(token_arguments.TokenCreate, INVITE | body, 0)  # before a user is created
        invited, is_new = _invited(backend, user, name, role)
        token = INVITE if invited["status"] == "invited" else RESET
        link = backend.link(at("users", invited["id"], "tokens"), base, token | body)
        if json:
            as_json({"user": invited, "is_new": is_new, "url": link["url"], "expires_at": link["expires_at"]})
            return
        line(link["url"])
        if quiet:
            return
        _explain_invited(backend, invited, is_new, role)
        opens = "can set the password" if "redirect_url" in body else "can set the password and is signed in"
        hint(
            f"Whoever opens the link {opens}. It works once and expires at {when(link['expires_at'])}. "
            "Send it over a channel you trust."
        )
        if public_url is None and "://127.0.0.1:" in link["url"] and backend.flags.startswith("--data"):
            hint("The link leads to this machine. For people elsewhere, add --public-url or set ROLLBOOK_PUBLIC_URL.")


def _explain_invited(backend: Backend, user: Shown, is_new: bool, role: str | None) -> None:
    hint(f"{user['email']} is {'a new user' if is_new else 'an existing user'} with the role {user['role']}.")
    if not is_new and role not in (None, user["role"]):
        change = backend.command("users", "set", user["email"], "--role", str(role))
        hint(f"Their role is unchanged. To change it: {change}")


def _invited(backend: Backend, email: str, name: str | None, role: str | None) -> tuple[Shown, bool]:
    """The user with this email or ID, and whether they were created just now."""
    by_id = email.startswith("user_") and "@" not in email
    user = backend.user(email) if by_id else next(backend.users({"email": email}, 1, 0), None)
    if user is None:
        person = {"name": name or email.partition("@")[0], "email": email, "role": role or "member"}
        return backend.create_user({**person, "status": "invited"}), True
    if is_barred(user["status"]):
        activate = backend.command("users", "set", user["email"], "--status", "active")
        raise Failure(f"{user['email']} is suspended and can't sign in. To activate them: {activate}")
    return user, False


@options.on_server(
    app,
    "set",
    options.NAMED,
    options.PASSWORD,
    CURRENT_PASSWORD,
    options.JSON,
    options.QUIET,
    fields=user_arguments.UserPatch,
    call=("PATCH", ONE),
    elsewhere={"current_password": "--current-password", "kind": "stays", **FIELDS},
)
def set_user(
    server: options.Server,
    fields: Fields,
    user: str,
    password: str | None,
    current_password: str | None,
    json: bool,
    quiet: bool,
) -> None:
    """Update a user. Other fields are left unchanged. An empty text removes the value of an optional field."""
    current = options.current_password(current_password)
    secret = options.password(password, required=False)
    if secret is None:
        fields.require_any("--password")
    with server() as backend:
        record = backend.user(user)
        backend.previews *= (secret is not None) + bool(fields)
        if secret is not None:
            current = options.with_password(
                password, secret, lambda chosen: _set_password(backend, record["id"], chosen, current)
            )
        if fields:
            proof = {} if current is None else {"current_password": current}
            backend.ask("PATCH", at("users", record["id"]), body={**fields.sent(backend), **proof})
        shown(backend.user(record["id"]), json, quiet)


def _set_password(backend: Backend, id: str, chosen: str, current: str | None) -> str | None:
    """The password that proves from now on who changes their own user; None if no proof was given."""
    backend.set_password(id, chosen, current)
    return current if current is None or backend.previews else chosen


@options.on_server(
    app,
    "password",
    options.NAMED,
    options.PASSWORD,
    CURRENT_PASSWORD,
    options.QUIET,
    fields=password_arguments.PasswordChange,
    call=("PUT", f"{ONE}/password"),
    elsewhere={"password": "--password", "current_password": "--current-password"},
)
def set_password(
    server: options.Server, fields: Fields, user: str, password: str | None, current_password: str | None, quiet: bool
) -> None:
    """Set a user's password. It is typed without being shown, or read from standard input with `--password -`.

    To let them choose it themselves, send them a link instead: rollbook users invite EMAIL
    """
    current = options.current_password(current_password)
    secret = options.password(password, required=True)
    with server() as backend:
        id = backend.user(user)["id"]
        options.with_password(password, str(secret), lambda chosen: backend.set_password(id, chosen, current))
        line(id) if quiet else hint(f"Set the password of {user}. They were signed out everywhere.")


def _change(verb: str, help: str) -> None:
    """Add a command that changes a user by a call without a body."""

    def change(server: options.Server, user: str, json: bool, quiet: bool) -> None:
        with server() as backend:
            shown(backend.one("POST", at("users", backend.user(user)["id"], verb), WHOLE), json, quiet)

    change.__doc__ = help
    parameters = (options.NAMED, options.JSON, options.QUIET)
    options.on_server(app, verb, *parameters, call=("POST", f"{ONE}/{verb}"), elsewhere=FIELDS)(change)


_change(
    "suspend",
    "Suspend a user. They can't sign in or use their API keys, and those that they created for others pause, until you "
    "activate them.",
)
_change("activate", "Activate a suspended user.")
_change(
    "adopt",
    "Adopt a user whom SCIM or an import refuses, since someone else may have signed up with their email.\n\n"
    "Ends their password, second factors, sessions, API keys and links.",
)


@options.on_server(
    app,
    "bulk",
    options.argument("file", "FILE", type=PATH),
    options.option("--atomic", "Make all changes, or none if one fails."),
    call=("POST", f"{USERS}/bulk"),
    elsewhere={"operations": "FILE", "atomic": "--atomic"},
)
def bulk_users(server: options.Server, file: Path, atomic: bool) -> None:
    """Make up to 1,000 changes that a file of JSON lists: an array of operations. Prints what came of each.

    `-` reads standard input. Exits with 1 if one failed.
    """
    text = sys.stdin.buffer.read() if file == STDOUT else file.read_bytes()
    try:
        operations = msgspec.json.decode(text)
    except msgspec.DecodeError as problem:
        raise Failure(f"{file} is not valid JSON: {problem}.") from None
    with server() as backend:
        answer = backend.ask("POST", f"{USERS}/bulk", body={"operations": operations, "atomic": atomic}).value
    as_json(answer)
    if any(result["status"] >= 400 for result in answer.get("results", ())):
        raise click.exceptions.Exit(1)


# ---- deleting


@options.on_server(
    app,
    "delete",
    options.NAMED,
    options.YES,
    options.QUIET,
    options.option("--purge", "Erase the user permanently. You can't restore them."),
    call=("DELETE", ONE),
    elsewhere={"purge": "--purge"},
)
def delete_user(server: options.Server, user: str, yes: bool, quiet: bool, purge: bool) -> None:
    """Delete a user. Their API keys, and those that they created for others, stop working. You can restore the user
    until they are erased (30 days by default)."""
    if purge:
        options.confirm(
            f"Erase {user} permanently? What they created for others ends as well. You can't restore them.", yes
        )
    with server() as backend:
        # Who is deleted already is erased by ID.
        record = {"id": user, "email": user} if purge and "@" not in user else backend.user(user)
        id = record["id"]
        backend.ask("DELETE", at("users", id), {"purge": "true"} if purge else None)
        if quiet:
            line(id)
        elif purge:
            hint(f"Permanently erased {record['email']}.")
        else:
            hint(f"Deleted {record['email']}. To restore them: {backend.command('users', 'restore', id)}")


@options.on_server(
    app,
    "restore",
    options.argument("user", "USER", shell_complete=deleted_emails),
    options.JSON,
    options.QUIET,
    call=("POST", f"{ONE}/restore"),
    elsewhere=FIELDS,
)
def restore_user(server: options.Server, user: str, json: bool, quiet: bool) -> None:
    """Restore a deleted user, by email or ID. Their API keys stay revoked. `users list --status deleted` lists those
    you can restore."""
    with server() as backend:
        shown(
            backend.one("POST", at("users", _deleted(backend, user) if "@" in user else user, "restore"), WHOLE),
            json,
            quiet,
        )


def _deleted(backend: Backend, email: str) -> str:
    """The ID of the deleted user who had this email."""
    matches = [user["id"] for user in backend.users({"status": "deleted", "email": email}, 5, 0)]
    if not matches:
        raise Failure(f"There is no deleted user {email} who can be restored.")
    if len(matches) > 1:
        raise Failure(
            f"Several deleted users had the email {email}. Use the ID, newest deletion first: {', '.join(matches)}"
        )
    return matches[0]


# ---- files


@options.on_server(
    app,
    "export",
    options.argument("file", "FILE", type=PATH, required=False, default=STDOUT),
    options.option("--force", "Replace FILE without asking if it exists."),
    options.option("--with-hashes", "Include password hashes. Only for a data folder. Keep the file secret."),
    options.option(
        "--as system",
        f"Write the file that another system imports: {', '.join(destinations.SYSTEMS)}. Says at the end what can't "
        "come along.",
        metavar="SYSTEM",
        type=click.Choice(list(destinations.SYSTEMS)),
    ),
    fields=user_arguments.ExportUsers,
    call=("GET", "/v1/exports"),
)
def export_users(
    server: options.Server, fields: Fields, file: Path, force: bool, with_hashes: bool, system: str | None
) -> None:
    """Export all users to a file, in the order in which they were added: a snapshot of one moment. Without FILE, to
    standard output.

    `rollbook users import` creates the same users from it, in the same order. Without --with-hashes, they have to set
    new passwords. A FILE that ends with .csv becomes a table, any other NDJSON, unless --format says otherwise. With
    --as, it becomes what another system imports: see docs/exports.md#leave-rollbook.
    """
    if system and "format" in fields.texts:
        raise click.BadParameter("--as writes the format of the other system: leave out --format.")
    other = destinations.ExportWriter(system) if system else None
    if file != STDOUT and not force:
        options.confirm_replace(file)
    with server() as backend:
        usual = "csv" if file.suffix == ".csv" and not system else "ndjson"
        query = {"format": usual, **as_query(fields.sent(backend))}
        with backend.export(query, with_hashes) as export, written(file) as output:
            lines = 0
            for part in other.parts(export.parts) if other else export.parts:
                output.write(part)
                lines += part.count(b"\n")
        users = other.users if other else lines - (query["format"] == "csv")
    follow = backend.command("events", "tail", "--after", export.position)
    hint(f"{counted(users, 'user')} exported. To follow what changes from here on: {follow}")
    for sentence in other.left_out(with_hashes) if other else ():
        hint(sentence)


@options.on_server(
    app,
    "import",
    options.argument("file", "FILE", type=PATH),
    options.file(
        "--report", "FILE", "Write the report to this file, one JSON object per line, instead of printing it."
    ),
    options.file(
        "--refused", "FILE", "Write the refused records to this file as they were, each with its problem, to be fixed."
    ),
    options.JSON,
    fields=import_arguments.ImportOptions,
    call=("POST", "/v1/imports"),
    previews=False,
)
def import_users(
    server: options.Server, fields: Fields, file: Path, report: Path | None, refused: Path | None, json: bool
) -> None:
    """Import users from a file, with their password hashes: CSV, NDJSON (one JSON object per line) or JSON, also
    compressed. `-` is standard input.

    Records that can't be imported are reported with their line and the reason, and the exit code is then 1. Users who
    are imported without a password (--unknown-hashes) are reported with their ID. Importing the same file again changes
    nothing. The server can be running. See docs/import.md.
    """
    # Imported here: only this command needs it.
    from rollbook.cli.imports import FileImport, import_options, map_all, report_to

    columns, group = fields.take("mapping") or (), fields.take("absent_group")
    import_settings = import_options(fields.texts, columns)
    if str(file) != "-":
        file.open("rb").close()  # if it can't be read, no folder is created for it
    with server(make=True) as backend, report_to(report) as written:
        if group is not None:
            import_settings = msgspec.structs.replace(import_settings, absent_group=backend.group(group)["id"])
        task = FileImport(file, import_settings, written, refused=refused)
        map_all(task)
        if backend.is_new and not json:
            hint(f"There was no database yet: {backend.location} is new. For your server's, add --data or --url.")
        sentence = None
        try:
            backend.import_users(task)
            sentence = task.sentence
        except KeyboardInterrupt:
            sentence = task.stopped
            raise
        finally:
            if json:
                done = {"seconds": round(task.seconds, 3), "rows_per_second": task.rate, "columns": task.columns}
                absent = {} if task.absent_users is None else {"absent_users": task.absent_users}
                as_json({**task.counts._asdict(), **absent, **done})
            elif sentence or task.counts.records:
                task.say_columns()
                if refused is not None and task.counts.refused:
                    hint(f"{refused} has the refused records, each with its problem.")
                if task.counts.skipped:
                    hint("Skipped: users whose email or external ID is there already. --on-conflict fail names them.")
                hint(sentence or task.sentence)
        if task.options.dry_run and task.counts.added and not json:
            task.say_rules(backend)
    raise click.exceptions.Exit(1 if task.counts.refused else 0)
