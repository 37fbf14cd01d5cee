"""`rollbook groups`: groups of users, and who is in them."""

from __future__ import annotations

from rollbook.actions.arguments import groups as group_arguments
from rollbook.api import groups as group_calls
from rollbook.cli import options
from rollbook.cli.backends import PAGED, Backend, at
from rollbook.cli.completion import objects
from rollbook.cli.fields import Fields, as_query
from rollbook.cli.output import as_json_list, counted, hint, line, listed, shown
from rollbook.cli.tables import table

app = options.group(help="Manage groups of users, such as teams.")

COLUMNS = ("id", "name", "external_id", "members", "created_at")
MEMBER_COLUMNS = ("user_id", "name", "email", "role", "added_at")
GROUPS, ONE = "/v1/groups", "/v1/groups/{groupId}"
GROUP = options.argument("group", "GROUP", shell_complete=objects(GROUPS, "name", "id"))
MEMBERS = options.argument("users", "EMAIL|ID...", nargs=-1, required=True)


@options.on_server(
    app,
    "list",
    options.limit("groups", default=None),
    options.JSON,
    options.QUIET,
    fields=group_arguments.ListGroups,
    call=("GET", GROUPS),
    elsewhere=PAGED,
)
def list_groups(server: options.Server, fields: Fields, limit: int | None, json: bool, quiet: bool) -> None:
    """List groups, oldest first. With --user, those of one user, with their role there."""
    columns = (*COLUMNS, "role") if "user" in fields else COLUMNS
    with server() as backend:
        groups = backend.all(GROUPS, as_query(fields.sent(backend)), limit)
        empty = f"No groups. To create one: {backend.command('groups', 'create', 'NAME')}"
        listed(groups, columns, json, quiet, spare=("external_id",), empty=empty)


@options.on_server(
    app,
    "create",
    options.argument("name", "NAME"),
    options.JSON,
    options.QUIET,
    fields=group_arguments.GroupCreate,
    call=("POST", GROUPS),
    elsewhere={"name": "NAME"},
)
def create_group(server: options.Server, fields: Fields, name: str, json: bool, quiet: bool) -> None:
    """Create a group."""
    with server() as backend:
        shown(backend.one("POST", GROUPS, body={"name": name, **fields.sent(backend)}), json, quiet)


@options.on_server(app, "get", GROUP, options.JSON, options.QUIET, call=("GET", ONE))
def show_group(server: options.Server, group: str, json: bool, quiet: bool) -> None:
    """Show a group. GROUP is its ID or, if only one has it, its name."""
    with server() as backend:
        shown(backend.group(group), json, quiet)


@options.on_server(
    app,
    "set",
    GROUP,
    options.JSON,
    options.QUIET,
    fields=group_arguments.GroupPatch,
    call=("PATCH", ONE),
)
def update_group(server: options.Server, fields: Fields, group: str, json: bool, quiet: bool) -> None:
    """Update a group. Other fields are left unchanged. An empty text removes the value of an optional field."""
    fields.require_any()
    with server() as backend:
        shown(backend.one("PATCH", at("groups", backend.group(group)["id"]), body=fields.sent(backend)), json, quiet)


@options.on_server(app, "delete", GROUP, options.YES, options.QUIET, call=("DELETE", ONE))
def delete_group(server: options.Server, group: str, yes: bool, quiet: bool) -> None:
    """Delete a group. Its members stay users."""
    with server() as backend:
        team = backend.group(group)
        options.confirm(f"Delete {team['name']} with {counted(team['members'], 'member')}?", yes)
        backend.ask("DELETE", at("groups", team["id"]))
        line(team["id"]) if quiet else hint(f"Deleted {team['name']}.")


@options.on_server(
    app,
    "members",
    GROUP,
    options.limit("members", default=None, usual=options.ON_SCREEN),
    options.option("--all", "List all members."),
    options.JSON,
    options.QUIET,
    fields=group_calls.ListMembers,
    call=("GET", f"{ONE}/members"),
    elsewhere={"limit": "--limit", "cursor": "--all"},
)
def list_members(
    server: options.Server, fields: Fields, group: str, limit: int | None, all: bool, json: bool, quiet: bool
) -> None:
    """List the members of a group, in the order in which the users were added: in a pipe or file, all of them. To
    search and filter them: rollbook users list --group GROUP"""
    limit = options.on_screen(limit)
    with server() as backend:
        team = backend.group(group)
        members = backend.linked(at("groups", team["id"], "members"), {}, None if all else limit)
        if json:
            as_json_list(members)
        elif quiet:
            for member in members:
                line(member["user_id"])
        else:
            shown_here = table(MEMBER_COLUMNS, members, ("user_id",))
            add = f" To add some: {backend.command('groups', 'add', team['name'], 'EMAIL')}"
            hint(f"{shown_here:,} of {counted(team['members'], 'member')}.{'' if team['members'] else add}")


@options.on_server(
    app,
    "add",
    GROUP,
    MEMBERS,
    options.option("--role", "Their role in the group. Members get it, too.", metavar="TEXT"),
    call=("POST", f"{ONE}/members"),
    elsewhere={"members": "EMAIL|ID..."},
)
def add_members(server: options.Server, group: str, users: tuple[str, ...], role: str | None) -> None:
    """Add users to a group: all of them, or none if one does not exist."""
    with server() as backend:
        team = backend.group(group)
        members = [{"user_id": user_id, "role": role} for user_id in _ids(backend, users)]
        done = backend.one("POST", at("groups", team["id"], "members"), body={"members": members})
        hint(f"{done['added']:,} added to {team['name']}, {done['changed']:,} changed.")


@options.on_server(app, "remove", GROUP, MEMBERS, call=("DELETE", f"{ONE}/members/{{userId}}"))
def remove_members(server: options.Server, group: str, users: tuple[str, ...]) -> None:
    """Remove users from a group."""
    with server() as backend:
        team = backend.group(group)
        ids = _ids(backend, users)
        backend.previews *= len(ids)
        for user_id in ids:
            backend.ask("DELETE", at("groups", team["id"], "members", user_id))
        hint(f"{len(set(users)):,} removed from {team['name']}.")


def _ids(backend: Backend, users: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(backend.user(user)["id"] for user in users))
