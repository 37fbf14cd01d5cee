"""The part of an import's file that only its starter may see: its columns, and refused records as they were. Both are
encrypted, apart from the report, which others see, too, and gone before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from rollbook import ids
from rollbook.storage.database import Queries, Tx, first, scalar

MAX_SIZE = 16 << 20
"""Bytes that are kept of an import. Of further records, only line and reason are."""
MAX_ALL = 256 << 20
"""Bytes that are kept of all imports. The oldest go first."""
PIECE = 1 << 18
ERASED = 100
"""Pieces that are erased at a time."""

WHETHER = "whether the user is imported"
"""Target of a column that names those who are left out, such as deleted users."""

Raw = str | list[str]
"""A record as it was: the cells of a table, or text."""


class Column(Struct, frozen=True):
    """A column of a file, or a name of its records, and what becomes of it."""

    name: str
    outcome: str
    """kept, mapped or ignored."""
    target: str | None = None
    """The fields it goes to."""
    reason: str | None = None
    """The reason why it is ignored, or goes there for some users only."""

    @property
    def sentence(self) -> str:
        if self.target is None:
            return f"{self.outcome}: {self.reason}"
        if self.target == WHETHER:
            return f"decides {self.target}"
        done = f"{self.outcome} {'as' if self.outcome == 'kept' else 'to'} {self.target}"
        return f"{done}. {self.reason}" if self.reason else done


class FileFacts(Struct, frozen=True):
    """Facts about a file. `start` is what comes before its records, such as parameters of hashes."""

    format: str
    encoding: str
    columns: list[Column]
    header: list[str]
    """Names of the columns of CSV; empty where it has none."""
    delimiter: str = ","
    start: str = ""
    is_kept: bool = False
    """True if it was tested, and is kept to be imported."""
    name: str = ""
    """Its name, as the dashboard was told."""

    def target(self, name: str) -> str | None:
        return next((column.target for column in self.columns if column.name == name), None)


class RefusedRow(NamedTuple):
    """A refused record: its number in the report, and the record itself."""

    number: int
    raw: Raw


_rows = msgspec.json.Decoder(list[RefusedRow])
_facts = msgspec.json.Decoder(FileFacts)
COLUMNS_OF = "{}/columns"

ADD = "INSERT INTO import_rows (id, size, sealed) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING"
PUT = """
    INSERT INTO import_rows (id, size, sealed) VALUES (?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET size = excluded.size, sealed = excluded.sealed"""
GET = "SELECT sealed FROM import_rows WHERE id = ?"
SIZE = "SELECT coalesce(sum(size), 0) FROM import_rows WHERE id >= ? AND id < ?"
AFTER = "SELECT id, sealed FROM import_rows WHERE id > ? AND id < ? ORDER BY id LIMIT 1"
OLD = "SELECT id FROM import_rows WHERE id < ? AND id NOT LIKE '%/columns' ORDER BY id LIMIT ?"
BEYOND = f"""
    SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY id DESC) AS newer FROM import_rows) AS all_of_them
    WHERE newer > {MAX_ALL} ORDER BY id LIMIT ?"""
ERASE = "DELETE FROM import_rows WHERE id = ?"
ERASE_ALL = "DELETE FROM import_rows WHERE id >= ? AND id < ?"
SEALED_AFTER = "SELECT id, sealed FROM import_rows WHERE id > ? ORDER BY id LIMIT ?"
SEAL_AGAIN = "UPDATE import_rows SET sealed = ? WHERE id = ? AND sealed = ?"


def pieces(id: str, rows: Sequence[tuple[int, Raw]], room: int) -> Iterator[tuple[str, bytes]]:
    """Each piece with its ID, in all not more than `room` bytes."""
    piece: list[bytes] = []
    number, size = 0, 0
    for at, raw in rows:
        text = msgspec.json.encode((at, raw))
        room -= len(text) + 1
        if room < 0:
            break
        if size + len(text) > PIECE and piece:
            yield f"{id}/{number:07}", b"[" + b",".join(piece) + b"]"
            piece, size = [], 0
        number = number if piece else at
        piece.append(text)
        size += len(text) + 1
    if piece:
        yield f"{id}/{number:07}", b"[" + b",".join(piece) + b"]"


def rows_of(text: bytes) -> list[RefusedRow]:
    return _rows.decode(text)


def facts_of(text: bytes) -> FileFacts:
    return _facts.decode(text)


def text_of(facts: FileFacts) -> bytes:
    return msgspec.json.encode(facts)


def values_of(raw: Raw, facts: FileFacts) -> dict[str, Any]:
    """The values of a record by column; empty where it can't be read."""
    if isinstance(raw, list):
        return dict(zip(facts.header or [column.name for column in facts.columns], raw, strict=False))
    try:
        values = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return {}
    return (
        {
            name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
            for name, value in values.items()
        }
        if isinstance(values, dict)
        else {}
    )


async def add(tx: Tx, sealed: Iterable[tuple[str, int, bytes]]) -> None:
    await tx.many(ADD, list(sealed))


async def put(tx: Tx, id: str, size: int, sealed: bytes) -> None:
    await tx.run(PUT, id, size, sealed)


async def get(queries: Queries, id: str) -> bytes | None:
    sealed = await first(queries, GET, id)
    return None if sealed is None else bytes(sealed)


async def size(queries: Queries, import_id: str) -> int:
    return int(await scalar(queries, SIZE, *_range(import_id)))


async def after(queries: Queries, import_id: str, id: str) -> tuple[str, bytes] | None:
    """The next piece of refused records after this one; after an empty ID, the first."""
    row = await queries.one(AFTER, id or f"{import_id}/", f"{import_id}/:")
    return None if row is None else (row[0], bytes(row[1]))


async def old(queries: Queries, before: int) -> list[str]:
    """Some pieces of imports that were started before this time, or beyond what is kept."""
    rows = await queries.all(OLD, ids.first("imp", before), ERASED) or await queries.all(BEYOND, ERASED)
    return [row[0] for row in rows]


async def erase(tx: Tx, ids: Iterable[str]) -> None:
    await tx.many(ERASE, [(id,) for id in ids])


async def erase_all(tx: Tx, import_id: str) -> None:
    await tx.run(ERASE_ALL, *_range(import_id))


async def sealed_after(queries: Queries, id: str, limit: int) -> list[tuple[str, bytes]]:
    """IDs of the pieces after this one, and what is encrypted."""
    return [(row[0], bytes(row[1])) for row in await queries.all(SEALED_AFTER, id, limit)]


async def seal_again(tx: Tx, changed: Iterable[tuple[bytes, str, bytes]]) -> None:
    """Store them encrypted again, with their IDs and former forms."""
    await tx.many(SEAL_AGAIN, changed)


def _range(import_id: str) -> tuple[str, str]:
    return f"{import_id}/", f"{import_id}0"  # which follows the slash
