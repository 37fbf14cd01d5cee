"""`--dry-run` of every command that changes something: on a folder and on a server, it says that nothing was changed,
and the database is equal row by row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollbook.api.routes import ROUTES
from rollbook.cli.options import Command
from tests.cli.test_rows import commands
from tests.contract.paths import RULE
from tests.contract.test_previews import BY_JOBS, at_rest, kept, statement
from tests.contract.test_routes import World, name
from tests.grids import grid
from tests.harness import new_user, running

OF_FILES = {"users import", "rules import"}
"""Dry runs of their own, which test_import.py and test_rules.py try."""
CHANGING = {
    command_name: command
    for command_name, command in commands().items()
    if isinstance(command, Command)
    and command_name not in OF_FILES
    and any("--dry-run" in parameter.opts for parameter in command.params)
}
OF_SERVERS = {
    command_name
    for command_name, command in CHANGING.items()
    if all("--data" not in each.opts for each in command.params)
} | {"imports run"}
"""Commands that need a running server, or what only the key can do that has asked for it."""
MORE: dict[str, Callable[[World, Path], list[str]]] = {
    "users create": lambda world, folder: ["--name", "Charlie", "--email", world.email(), "--password", "-"],
    "users set": lambda world, folder: ["--name", "Charlie"],
    "users password": lambda world, folder: ["--password", "-"],
    "users bulk": lambda world, folder: [file(folder, [{"op": "create", "name": "Charlie", "email": world.email()}])],
    "apps create": lambda world, folder: ["Shop"],
    "apps set": lambda world, folder: ["--name", "Web shop"],
    "groups create": lambda world, folder: ["Engineering"],
    "groups set": lambda world, folder: ["--name", "Developers"],
    "groups add": lambda world, folder: [world.user["id"]],
    "tokens create": lambda world, folder: ["--purpose", "verify_email"],
    "tokens consume": lambda world, folder: [str(ask_of(world, "tokens consume", "token"))],
    "tokens request": lambda world, folder: [world.email(), "--purpose", "reset_password"],
    "factors activate": lambda world, folder: ["CODE"],
    "keys create": lambda world, folder: [world.user["id"]],
    "keys set": lambda world, folder: ["--name", "changed"],
    "webhooks create": lambda world, folder: ["inbox", "--user", world.owner["id"]],
    "webhooks set": lambda world, folder: ["--description", "Billing"],
    "webhooks replay": lambda world, folder: ["--from", "2023-10-27T10:00:00Z"],
    "rules create": lambda world, folder: [file(folder, RULE)],
    "rules set": lambda world, folder: ["--name", "Another"],
    "bulk run": lambda world, folder: ["suspend", new_user(world.http)["id"]],
}
"""What a command needs beside the IDs in the path of its call."""


def file(folder: Path, content: object) -> str:
    path = folder / "file.json"
    path.write_text(json.dumps(content))
    return str(path)


def ask_of(world: World, command: str, field: str) -> object:
    call = CHANGING[command].call
    assert call is not None
    route = next(route for route in ROUTES if (route.method, route.path) == call)
    return (world.valid(route).json or {})[field]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("previews") / "data", "--rate-limit", "none") as server, server.http() as http:
        world = World(server, http)
        yield world
        world.close()


@pytest.fixture(scope="module")
def sql(world: World) -> str:
    return statement(world.server)


def arguments(world: World, command: str, folder: Path) -> list[str]:
    """A command that would succeed once."""
    call = CHANGING[command].call
    assert call is not None
    route = next(route for route in ROUTES if (route.method, route.path) == call)
    ids: list[str] = []
    more = MORE.get(command, lambda world, folder: [])(world, folder)
    if "{" in route.path:
        ask = world.valid(route)
        pattern = re.sub(r"\\{[^}]*\\}", "([^/?]+)", re.escape(route.path))
        found = re.match(pattern, ask.path)
        assert found is not None, name(route)
        ids = [*found.groups()]
        if more == ["CODE"]:
            more = [(ask.json or {})["code"]]
    return [*command.split(), *ids, *more]


@grid("command", CHANGING)
def test_a_dry_run_says_what_would_be_and_changes_nothing(world: World, sql: str, tmp_path: Path, command: str) -> None:
    server = world.server
    on_folder, on_server = ("--data", str(server.data)), ("--url", server.url, "--key", server.key)
    for where in (on_server,) if command in OF_SERVERS else (on_folder, on_server):
        for left in range(5, -1, -1):
            words = arguments(world, command, tmp_path)
            before = at_rest(world, sql)
            done = server.rollbook(*words, "--dry-run", *where, check=False, input="another password 1\n")
            after = kept(world, sql)
            assert done.returncode == 0, (words, done.stdout, done.stderr)
            said = "Would put back" if command == "events revert" else "Dry run: nothing was changed. It would "
            assert said in done.stderr, (words, done.stdout, done.stderr)
            assert not done.stdout.startswith(("{", "[")), (words, "JSON is for --json")
            differing = {table for table in before.keys() | after.keys() if before.get(table) != after.get(table)}
            if not differing:
                break
            # Jobs went on with what was prepared.
            assert left and differing <= BY_JOBS | {"rules"}, {
                table: (before.get(table), after.get(table)) for table in differing
            }
