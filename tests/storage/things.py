"""Two small tables, what is written to them, and the programs that do so in processes of their own."""

from __future__ import annotations

import sys
from pathlib import Path

from rollbook.storage.database import Queries, Row, Tx

PROGRAMS = Path(__file__).with_name("programs")


async def make_tables(tx: Tx) -> None:
    await tx.run("CREATE TABLE IF NOT EXISTS things (id INTEGER PRIMARY KEY, name TEXT UNIQUE, colour TEXT)")
    await tx.run("CREATE TABLE IF NOT EXISTS changes (number INTEGER PRIMARY KEY, thing INTEGER NOT NULL)")


async def add(tx: Tx, name: str) -> Row:
    """A thing and its change, as a user and its event."""
    row = await tx.one("INSERT INTO things (name) VALUES (?) RETURNING id, name", name)
    assert row is not None
    await tx.run("INSERT INTO changes (thing) VALUES (?)", row[0])
    return row


async def names(queries: Queries) -> list[str]:
    return [row[0] for row in await queries.all("SELECT name FROM things ORDER BY id")]


async def problems(queries: Queries) -> list[str]:
    """What SQLite finds to be wrong with the whole file."""
    found = [row[0] for row in await queries.all("PRAGMA quick_check")]
    return [] if found == ["ok"] else found


def program(name: str, *arguments: object) -> list[str]:
    """The command line of a program beside the tests."""
    return [sys.executable, str(PROGRAMS / f"{name}.py"), *map(str, arguments)]
