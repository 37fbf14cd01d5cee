"""`rollbook users`: look at users and change them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from rollbook import config
from rollbook.cli import options
from rollbook.cli.backends import Shown, backend
from rollbook.cli.output import Failure, as_json, as_json_list, details, hint, program, table

app = options.group(help="List, make and change users.")

COLUMNS = ("id", "name", "email", "role", "status", "created_at")

Name = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="The person's name.", show_default=False)]
Email = Annotated[str | None, typer.Option("--email", metavar="EMAIL", help="The e-mail address.", show_default=False)]
Role = Annotated[str | None, typer.Option("--role", metavar="ROLE", help="member, viewer, admin or owner.", show_default=False)]
Status = Annotated[str | None, typer.Option("--status", metavar="STATUS", help="active or suspended.", show_default=False)]
UserLimit = Annotated[
    str | None,
    typer.Option("--rate-limit", metavar="LIMIT", help="The user's own: `100/minute,5000/hour`, `none` for no limit, `default` for that of its role.", show_default=False),
]  # fmt: skip


@app.command("list")
def list_users(
    search: Annotated[
        str | None, typer.Option("--search", "-s", metavar="TEXT", help="Part of the name or e-mail.", show_default=False)
    ] = None,
    email: Email = None,
    role: Role = None,
    status: Status = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort", metavar="FIELDS", help="created_at, name, email; a minus turns one: `name,-created_at`.", show_default=False
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 50,
    offset: Annotated[int, typer.Option("--offset", min=0, help="How many to leave out before them.")] = 0,
    all: Annotated[bool, typer.Option("--all", help="All of them, however many.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    data: options.Data = None,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """List users, oldest first."""
    given = {"q": search, "email": email, "role": role, "status": status}
    filters = {name: value for name, value in given.items() if value is not None}
    with backend(data, url, key) as place:
        order = {"sort": sort} if sort is not None else {}
        found = place.users(filters | order, None if all else limit, offset)
        if json:
            as_json_list(found)
        elif quiet:
            for user in found:
                print(user["id"])
        else:
            rows = list(found)
            table(COLUMNS, rows)
            total = place.count(filters)
            hint(
                f"{len(rows):,} of {total:,} users."
                + (f" The next ones: --offset {offset + len(rows)}" if rows and offset + len(rows) < total else "")
            )


@app.command("get")
def get_user(
    user: options.Named,
    json: options.Json = False,
    quiet: options.Quiet = False,
    data: options.Data = None,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Show all that is kept of a user."""
    with backend(data, url, key) as place:
        _show(place.user(user), json, quiet)


@app.command("create")
def create_user(
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="The person's name.")],
    email: Annotated[str, typer.Option("--email", metavar="EMAIL", help="The e-mail address.")],
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help="member, viewer, admin or owner.")] = "member",
    password: options.Password = None,
    rate_limit: UserLimit = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    data: options.Data = None,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Make a user."""
    fields: Shown = {"name": name, "email": email, "role": role, "password": options.password(password, required=True)}
    if rate_limit is not None:
        fields["rate_limit"] = _limit(rate_limit)
    with backend(data, url, key, make=True) as place:
        user = place.create_user(fields)
        _show(user, json, quiet)
        if not (json or quiet):
            hint(f"An API key for it: {program()} keys create {shlex.quote(user['email'])} {place.place}")


@app.command("invite")
def invite_user(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The person's e-mail address.")],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="TEXT", help="The name of a new user. [default: from the address]", show_default=False),
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(
            "--role",
            metavar="ROLE",
            help="The role of a new user: member, viewer, admin or owner. [default: member]",
            show_default=False,
        ),
    ] = None,
    public_url: Annotated[
        str | None,
        typer.Option(
            "--public-url",
            metavar="URL",
            help="Where people reach the server. [default: as `serve` is set up by environment and file]",
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print just the link.")] = False,
    data: options.Data = None,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Make a link with which a person sets a password and signs in, and the user if there is none.

    The link works once, for three days; a newer one takes its place. The server sends no mail: hand it over by a way that you trust.
    """
    if public_url is not None and not public_url.startswith(("http://", "https://")):
        raise typer.BadParameter("--public-url: write it with http:// or https://.")
    with backend(data, url, key, make=True) as place:
        user = next(place.users({"email": email}, 1, 0), None)
        is_new = user is None
        if user is None:
            user = place.create_user({"name": name or email.partition("@")[0], "email": email, "role": role or "member"})
        elif user["status"] != "active":
            again = f"{program()} users set {shlex.quote(email)} --status active {place.place}"
            raise Failure(f"{email} is suspended and could not sign in. To activate: {again}")
        link = place.password_link(user["id"], public_url)
        if json:
            as_json({"user": user, "is_new": is_new, **link})
            return
        print(link["url"])
        if quiet:
            return
        hint(f"{user['email']} is {'a new user' if is_new else 'a user already'}, {_article(user['role'])}.")
        if not is_new and role not in (None, user["role"]):
            hint(
                f"It keeps its role. To change it: {program()} users set {shlex.quote(email)} --role {shlex.quote(str(role))} {place.place}"
            )
        hint(
            f"Who opens the link sets the password and is signed in. It works once, until {link['expires_at']}: send it by a way that you trust."
        )
        if public_url is None and "://127.0.0.1:" in link["url"] and place.place.startswith("--data"):
            hint("It leads to this machine. For people elsewhere, or another port, say where the server is with --public-url.")


@app.command("set")
def set_user(
    user: options.Named,
    name: Name = None,
    email: Email = None,
    role: Role = None,
    status: Status = None,
    password: options.Password = None,
    rate_limit: UserLimit = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    data: options.Data = None,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Change a user. What is not named stays as it is."""
    given = {"name": name, "email": email, "role": role, "status": status}
    changes: Shown = {field: value for field, value in given.items() if value is not None}
    if rate_limit is not None:
        changes["rate_limit"] = _limit(rate_limit)
    secret = options.password(password, required=False)
    if not changes and secret is None:
        raise typer.BadParameter(
            "Nothing to change: name at least one of --name, --email, --role, --status, --rate-limit, --password."
        )
    with backend(data, url, key) as place:
        found = place.user(user)
        if secret is not None:
            place.set_password(found["id"], secret)
        if changes:
            place.change_user(found["id"], changes)
        _show(place.user(found["id"]), json, quiet)


@app.command("delete")
def delete_user(
    user: options.Named,
    purge: Annotated[bool, typer.Option("--purge", help="Erase it for good: it cannot be restored.")] = False,
    quiet: options.Quiet = False,
    data: options.Data = None,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Delete a user: its keys stop at once. It can be restored for a time."""
    with backend(data, url, key) as place:
        id = user if purge and "@" not in user else place.user(user)["id"]  # one that is deleted already is purged by its id
        place.delete_user(id, purge)
        if quiet:
            print(id)
        elif purge:
            hint(f"Erased {id} for good.")
        else:
            hint(f"Deleted {id}. To bring it back: {program()} users restore {id} {place.place}")


@app.command("restore")
def restore_user(
    id: Annotated[str, typer.Argument(metavar="ID", help="The id it had.")],
    json: options.Json = False,
    quiet: options.Quiet = False,
    data: options.Data = None,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Bring a deleted user back. Its keys stay revoked."""
    if "@" in id:
        raise Failure("A deleted user is named by its id: its e-mail may belong to another by now.")
    with backend(data, url, key) as place:
        _show(place.restore_user(id), json, quiet)


@app.command("import")
def import_users(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="One JSON object a line; `-` reads standard input.", allow_dash=True)
    ],
    json: options.Json = False,
    data: options.Data = None,
) -> None:
    """Load users from a file, each with name, email and password_hash (an argon2 string) or password.

    Also taken: role, external_id, metadata, email_verified, rate_limit. A line that cannot be loaded is named on standard error, with
    the reason, and the rest goes on; the exit code is then 1. Loading the same file again changes nothing. The server may be running.
    """
    # Here, not at the top: only this command needs it.
    from rollbook.cli.imports import Summary
    from rollbook.cli.progress import load_shown

    settings, _ = config.load({"data": data})
    summary = Summary()
    try:
        load_shown(settings, file, summary)
    finally:
        rate = round(summary.added / summary.seconds) if summary.seconds else 0
        if json:
            as_json(
                {
                    "added": summary.added,
                    "refused": summary.refused,
                    "seconds": round(summary.seconds, 3),
                    "rows_per_second": rate,
                }
            )
        else:
            hint(
                f"{summary.added:,} users added, {summary.refused:,} lines refused, in {summary.seconds:.1f} s ({rate:,} users/s)."
            )
    raise typer.Exit(1 if summary.refused else 0)


def _article(role: str) -> str:
    return f"{'an' if role[0] in 'ao' else 'a'} {role}"


def _limit(text: str) -> str | None:
    return None if text.strip().lower() == "default" else text


def _show(user: Shown, json: bool, quiet: bool) -> None:
    if quiet:
        print(user["id"])
    elif json:
        as_json(user)
    else:
        details(user)
