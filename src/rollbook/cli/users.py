"""`rollbook users`: list, create and update users."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from rollbook import roles
from rollbook.cli import options
from rollbook.cli.backends import WHOLE, Backend, Shown, at
from rollbook.cli.completion import deleted_emails
from rollbook.cli.failures import Failure
from rollbook.cli.output import as_json, as_json_list, counted, hint, line, program, shown, table, written

app = options.group(help="List, create and update users.")

COLUMNS = ("id", "name", "email", "role", "status", "created_at")

STDOUT = Path("-")

# fmt: off
Search = Annotated[str | None, typer.Option("--search", "-s", metavar="TEXT", help="Search for part of the name or email, or the beginning of an ID or external ID.")]
Name = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="The user's name.")]
Email = Annotated[str | None, typer.Option("--email", metavar="EMAIL", help="The user's email.")]
Role = Annotated[str | None, typer.Option("--role", metavar="ROLE", **options.one_of(roles.ROLES), help="member, viewer, admin or owner.")]
Status = Annotated[str | None, typer.Option("--status", metavar="STATUS", **options.one_of(roles.STATUSES), help="active or suspended.")]
StatusFilter = Annotated[str | None, typer.Option("--status", metavar="STATUS", **options.one_of((*roles.STATUSES, roles.DELETED)), help="active, suspended, or deleted: users you can restore, newest deletion first.")]
UserLimit = Annotated[str | None, typer.Option("--rate-limit", metavar="LIMIT", help="The user's rate limit: `100/minute,5000/hour`, `none` for no limit, or `default` for the limit of the role.")]
CurrentPassword = Annotated[str | None, typer.Option("--current-password", metavar="PASSWORD", help="Your current password, to change your own email or password without being an admin. `-` reads it from standard input.")]
MetadataOption = Annotated[list[str] | None, typer.Option("--metadata", metavar="NAME=TEXT", help="Set a value of the metadata. `NAME=` removes it. Can be repeated.")]
Verified = Annotated[bool | None, typer.Option("--email-verified/--email-unverified", help="Whether the email is known to be theirs.")]
NewName = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="The name of a new user. [default: from the email]")]
NewRole = Annotated[str | None, typer.Option("--role", metavar="ROLE", **options.one_of(roles.ROLES), help="The role of a new user: member, viewer, admin or owner. [default: member]")]
PublicUrl = Annotated[str | None, typer.Option("--public-url", metavar="URL", help="The server's URL for people. [default: the setting public_url, or the address of the server that runs on the folder]")]
RedirectUrl = Annotated[str | None, typer.Option("--redirect-url", metavar="URL", help="Where the person continues after setting the password: an https URL of your application. [default: the dashboard]")]
ImportFile = Annotated[Path, typer.Argument(metavar="FILE", help="NDJSON, a JSON array or CSV, also compressed with gzip or zstd; `-` reads standard input.", allow_dash=True)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Do all the work and report what would happen, but change nothing.")]
Report = Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write refused records to this file, one JSON object per line, instead of printing them.")]
Sort = Annotated[str | None, typer.Option("--sort", metavar="FIELDS", help="created_at, name or email. Prefix with - for descending order: `name,-created_at`.")]
DeletedUser = Annotated[str, typer.Argument(metavar="USER", help="The email or ID of the deleted user.", autocompletion=deleted_emails)]
ExportFile = Annotated[Path, typer.Argument(metavar="FILE", help="The file to write. Default or `-`: standard output.", allow_dash=True)]
ExportFormat = Annotated[str | None, typer.Option("--format", metavar="FORMAT", help="`ndjson` or `csv`. [default: csv if FILE ends with .csv, otherwise ndjson]")]
WithHashes = Annotated[bool, typer.Option("--with-hashes", help="Include password hashes. Only for a data folder. Keep the file secret.")]
# fmt: on


FILTERS: dict[str, Any] = {
    "q": Search,
    "email": options.text("--email", "EMAIL", "Only the user with this email."),
    "external_id": options.text("--external-id", "TEXT", "Only the user with this external ID."),
    "role": Role,
    "created_after": options.text("--created-after", "TIME", "Only users created after this RFC 3339 time, or the beginning of this day (UTC)."),
    "metadata": Annotated[
        list[str] | None,
        typer.Option("--metadata", metavar="KEY=VALUE", help="Only users with this value at the top level of their metadata. Can be repeated.")
    ],
    "created_before": options.text("--created-before", "TIME", "Only users created before this RFC 3339 time, or the beginning of this day (UTC)."),
}  # fmt: skip
"""What selects users, but for their status."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch

PLAIN_OPTIONS = {"external_id": options.text("--external-id", "TEXT", "Your own identifier for the user.")}
"""Optional texts of a user, for `create` and `set`."""


def filters_of(given: dict[str, Any]) -> dict[str, str]:
    """The options of FILTERS as parameters of the API."""
    found = {name: value for name, value in given.items() if value is not None and name != "metadata"}
    for each in given["metadata"] or ():
        key, equals, value = each.partition("=")
        if not (key and equals and value):
            raise typer.BadParameter(f"--metadata: use KEY=VALUE, such as plan=pro, not {each!r}.")
        found[f"metadata[{key}]"] = value
    for name in ("created_after", "created_before"):
        if name in found and _DAY(found[name]):
            found[name] += "T00:00:00Z"
    return found


@app.command("list")
@options.on_server
@options.taking(FILTERS)
def list_users(
    server: options.Server,
    status: StatusFilter = None,
    sort: Sort = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="Maximum number of users.")] = 50,
    offset: Annotated[int, typer.Option("--offset", metavar="N", min=0, help="Number of users to skip.")] = 0,
    all: Annotated[bool, typer.Option("--all", help="List all users.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    **filters: str | None,
) -> None:
    """List users, in the order in which they were added."""
    asked = filters_of({**filters, "status": status})
    with server() as place:
        order = {"sort": sort} if sort is not None else {}
        found = place.users(asked | order, None if all else limit, offset)
        if json:
            as_json_list(found)
        elif quiet:
            for user in found:
                line(user["id"])
        else:
            rows = list(found)
            table(COLUMNS, rows)
            total = place.count(asked)
            hint(
                f"{len(rows):,} of {counted(total, 'user')}."
                + (f" Next page: --offset {offset + len(rows)}" if rows and offset + len(rows) < total else "")
            )


@app.command("get")
@options.on_server
def get_user(server: options.Server, user: options.Named, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Show a user with all fields."""
    with server() as place:
        shown(place.user(user), json, quiet)


@app.command("create")
@options.on_server
@options.taking(PLAIN_OPTIONS)
def create_user(
    server: options.Server,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="The user's name.")],
    email: Annotated[str, typer.Option("--email", metavar="EMAIL", help="The user's email.")],
    role: Role = "member",
    password: options.Password = None,
    rate_limit: UserLimit = None,
    metadata: MetadataOption = None,
    email_verified: Verified = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    **plain: str | None,
) -> None:
    """Create a user."""
    secret = str(options.password(password, required=True))
    fields: Shown = {"name": name, "email": email, "role": role}
    fields |= {field: value for field, value in plain.items() if value} | _more(metadata, email_verified)
    if rate_limit is not None:
        fields["rate_limit"] = _limit(rate_limit)
    with server(make=True) as place:
        user = options.with_password(password, secret, lambda chosen: place.create_user(fields | {"password": chosen}))
        shown(user, json, quiet)
        if not (json or quiet):
            hint(f"To create an API key for them: {program()} keys create {shlex.quote(user['email'])} {place.place}")


@app.command("invite")
@options.on_server
def invite_user(
    server: options.Server,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The person's email.")],
    name: NewName = None,
    role: NewRole = None,
    public_url: PublicUrl = None,
    redirect_url: RedirectUrl = None,
    json: options.Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the link.")] = False,
) -> None:
    """Create a setup or password reset link, and the user if they don't exist yet.

    The link works once and expires after three days. A newer link replaces it. Rollbook sends no email: send the link over a channel you trust.
    """
    if public_url is not None and not public_url.startswith(("http://", "https://")):
        raise typer.BadParameter("--public-url must start with http:// or https://.")
    body = {} if redirect_url is None else _link_to(redirect_url)
    with server(make=True) as place:
        user, is_new = _invited(place, email, name, role)
        link = place.password_link(user["id"], public_url, body)
        if json:
            as_json({"user": user, "is_new": is_new, **link})
            return
        line(link["url"])
        if quiet:
            return
        hint(f"{user['email']} is {'a new user' if is_new else 'an existing user'} with the role {user['role']}.")
        if not is_new and role not in (None, user["role"]):
            hint(f"Their role is unchanged. To change it: {_set(email)} --role {shlex.quote(str(role))} {place.place}")
        opens = "can set the password" if redirect_url else "can set the password and is signed in"
        hint(
            f"Whoever opens the link {opens}. It works once and expires at {link['expires_at']}. Send it over a channel you trust."
        )
        if public_url is None and "://127.0.0.1:" in link["url"] and place.place.startswith("--data"):
            hint("The link leads to this machine. For people elsewhere, add --public-url or set ROLLBOOK_PUBLIC_URL.")


def _link_to(redirect_url: str) -> Shown:
    """The body of the call for the link. It is checked before a user is created. Raises InvalidParameter."""
    from rollbook.actions.arguments import PasswordLinkCreate
    from rollbook.actions.checking import check

    body = {"redirect_url": redirect_url}
    check(PasswordLinkCreate, body, 0)
    return body


def _invited(place: Backend, email: str, name: str | None, role: str | None) -> tuple[Shown, bool]:
    """The user, and whether they were created just now."""
    user = next(place.users({"email": email}, 1, 0), None)
    if user is None:
        return place.create_user({"name": name or email.partition("@")[0], "email": email, "role": role or "member"}), True
    if user["status"] != "active":
        raise Failure(f"{email} is suspended and can't sign in. To activate them: {_set(email)} --status active {place.place}")
    return user, False


def _set(email: str) -> str:
    return f"{program()} users set {shlex.quote(email)}"


@app.command("set")
@options.on_server
@options.taking(PLAIN_OPTIONS)
def set_user(
    server: options.Server,
    user: options.Named,
    name: Name = None,
    email: Email = None,
    role: Role = None,
    status: Status = None,
    password: options.Password = None,
    current_password: CurrentPassword = None,
    rate_limit: UserLimit = None,
    metadata: MetadataOption = None,
    email_verified: Verified = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    **plain: str | None,
) -> None:
    """Update a user. Other fields are left unchanged. An empty text removes the value of an optional field."""
    given = {"name": name, "email": email, "role": role, "status": status}
    changes: Shown = {field: value for field, value in given.items() if value is not None}
    changes |= {field: value or None for field, value in plain.items() if value is not None} | _more(metadata, email_verified)
    if rate_limit is not None:
        changes["rate_limit"] = _limit(rate_limit)
    current = options.current_password(current_password)
    secret = options.password(password, required=False)
    if not changes and secret is None:
        raise typer.BadParameter(
            "Nothing to change: add at least one of --name, --email, --role, --status, --rate-limit, --metadata, --email-verified, --password"
            + "".join(f", --{field.replace('_', '-')}" for field in PLAIN_OPTIONS)
            + "."
        )
    with server() as place:
        found = place.user(user)
        if secret is not None:
            current = options.with_password(password, secret, lambda chosen: _set_password(place, found["id"], chosen, current))
        if changes:
            proof = {} if current is None else {"current_password": current}
            place.ask("PATCH", at("users", found["id"]), body=changes | proof)
        shown(place.user(found["id"]), json, quiet)


def _set_password(place: Backend, id: str, chosen: str, current: str | None) -> str | None:
    """The password that proves from now on who changes their own user; None if no proof was given."""
    place.set_password(id, chosen, current)
    return None if current is None else chosen


def _more(metadata: list[str] | None, email_verified: bool | None) -> Shown:
    """The fields of these options."""
    fields: Shown = {} if email_verified is None else {"email_verified": email_verified}
    if metadata:
        if unnamed := [each for each in metadata if not each.partition("=")[0] or "=" not in each]:
            raise typer.BadParameter(f"--metadata: use NAME=TEXT, such as plan=team, not {unnamed[0]!r}.")
        fields["metadata"] = {name: text or None for name, _, text in (each.partition("=") for each in metadata)}
    return fields


@app.command("password")
@options.on_server
def set_password(
    server: options.Server,
    user: options.Named,
    password: options.Password = None,
    current_password: CurrentPassword = None,
    quiet: options.Quiet = False,
) -> None:
    """Set a user's password. It is typed without being shown, or read from standard input with `--password -`.

    To let them choose it themselves, send them a link instead: rollbook users invite EMAIL
    """
    current = options.current_password(current_password)
    secret = options.password(password, required=True)
    with server() as place:
        id = place.user(user)["id"]
        options.with_password(password, str(secret), lambda chosen: place.set_password(id, chosen, current))
        line(id) if quiet else hint(f"Set the password of {user}. They were signed out everywhere.")


@app.command("suspend")
@options.on_server
def suspend_user(server: options.Server, user: options.Named, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Suspend a user. They can't sign in or use their API keys until you activate them."""
    with server() as place:
        shown(place.one("POST", at("users", place.user(user)["id"], "suspend"), WHOLE), json, quiet)


@app.command("activate")
@options.on_server
def activate_user(server: options.Server, user: options.Named, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Activate a suspended user."""
    with server() as place:
        shown(place.one("POST", at("users", place.user(user)["id"], "activate"), WHOLE), json, quiet)


@app.command("count")
@options.on_server
@options.taking(FILTERS)
def count_users(server: options.Server, status: StatusFilter = None, json: options.Json = False, **filters: str | None) -> None:
    """Count users."""
    with server() as place:
        count = place.count(filters_of({**filters, "status": status}))
        as_json({"count": count}) if json else line(count)


@app.command("delete")
@options.on_server
def delete_user(
    server: options.Server,
    user: options.Named,
    purge: Annotated[bool, typer.Option("--purge", help="Erase the user permanently. You can't restore them.")] = False,
    yes: options.Yes = False,
    quiet: options.Quiet = False,
) -> None:
    """Delete a user. Their API keys stop working. You can restore them until they are erased (30 days by default)."""
    if purge:
        options.confirm(f"Erase {user} permanently? You can't restore them.", yes)
    with server() as place:
        id = user if purge and "@" not in user else place.user(user)["id"]  # a deleted user is erased by ID
        place.ask("DELETE", at("users", id), {"purge": "true"} if purge else None)
        if quiet:
            line(id)
        elif purge:
            hint(f"Permanently erased {id}.")
        else:
            hint(f"Deleted {id}. To restore them: {program()} users restore {id} {place.place}")


@app.command("restore")
@options.on_server
def restore_user(server: options.Server, user: DeletedUser, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Restore a deleted user. Their API keys stay revoked. `users list --status deleted` lists those you can restore."""
    with server() as place:
        shown(place.one("POST", at("users", _deleted(place, user) if "@" in user else user, "restore"), WHOLE), json, quiet)


def _deleted(place: Backend, email: str) -> str:
    """The ID of the deleted user who had this email."""
    found = [user["id"] for user in place.users({"status": "deleted", "email": email}, 5, 0)]
    if not found:
        raise Failure(f"There is no deleted user {email} who can be restored.")
    if len(found) > 1:
        raise Failure(f"Several deleted users had the email {email}. Use the ID, newest deletion first: {', '.join(found)}")
    return found[0]


@app.command("export")
@options.on_server
@options.taking(FILTERS)
def export_users(
    server: options.Server,
    file: ExportFile = STDOUT,
    format: ExportFormat = None,
    status: Status = None,
    with_hashes: WithHashes = False,
    **filters: str | None,
) -> None:
    """Export all users to a file, in the order in which they were added: a snapshot of one moment.

    `rollbook users import` creates the same users from it, in the same order. Without --with-hashes, they have to set new passwords.
    """
    format = format or ("csv" if file.suffix == ".csv" else "ndjson")
    with (
        server() as place,
        place.export(filters_of({"format": format, **filters, "status": status}), with_hashes) as found,
        written(file) as output,
    ):
        lines = 0
        for part in found.parts:
            output.write(part)
            lines += part.count(b"\n")
        users = lines - (format == "csv")
    hint(
        f"{counted(users, 'user')} exported. To follow what changes from here on: {program()} events tail --after {found.position}"
    )


IMPORT: dict[str, Any] = {
    "source": options.text("--from", "SYSTEM", "The system it was exported from: rollbook, auth0, firebase, supabase, keycloak, clerk, django, fastapi-users or pocketbase. [default: rollbook]"),
    "format": options.text("--format", "FORMAT", "auto, ndjson, json or csv. [default: auto]"),
    "match": options.text("--match", "FIELD", "How to recognize users who exist: by email or external_id. [default: email]"),
    "on_conflict": options.text("--on-conflict", "ACTION", "What to do with users who exist already: skip, update or fail. [default: skip]"),
    "mapping": Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=FIELD", help="Which field a column of a CSV file is, such as `Mail=email` or `Plan=metadata.plan`; `Notes=` ignores it. Can be repeated.")
    ],
    "delimiter": options.text("--delimiter", "CHARACTER", "The character between the columns of a CSV file. [default: detected]"),
    "events": options.text("--events", "WHICH", "each: an event for each user. summary: only import.finished, and changes of role, status, email or password. [default: each]"),
}  # fmt: skip
"""How a file is read: parameters of the API."""


@app.command("import")
@options.on_server
@options.taking(IMPORT)
def import_users(
    server: options.Server,
    file: ImportFile,
    dry_run: DryRun = False,
    report: Report = None,
    json: options.Json = False,
    **given: Any,
) -> None:
    """Import users from a file, with their password hashes.

    Records that can't be imported are reported with their line and the reason, and the exit code is then 1. Importing the same file again
    changes nothing. The server can be running. See docs/import.md.
    """
    # Imported here: only this command needs it.
    from rollbook.cli.imports import Import, import_options, report_to

    columns = given.pop("mapping") or ()
    wanted = import_options({**given, "dry_run": str(dry_run).lower()}, columns)
    if str(file) != "-":
        file.open("rb").close()  # if it can't be read, no folder is created for it
    with server(make=True) as place, report_to(report) as written:
        asked = Import(file, wanted, written)
        try:
            place.import_users(asked)
        finally:
            if json:
                as_json({**asked.counts._asdict(), "seconds": round(asked.seconds, 3), "rows_per_second": asked.rate})
            else:
                hint(asked.sentence)
    raise typer.Exit(1 if asked.counts.refused else 0)


def _limit(text: str) -> str | None:
    return None if text.strip().lower() == "default" else text
