"""The part of an import's file that only its starter may see: what becomes of each column, and the records
that were refused, as they were."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import NamedTuple

from msgspec.structs import replace

from rollbook import clock
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import Principal
from rollbook.auth.server_secret import Purpose, Secret
from rollbook.records import import_rows, imports
from rollbook.records.import_rows import FileFacts, Raw, RefusedRow
from rollbook.records.imports import Import, Refusal
from rollbook.storage.database import Tx

SEALED: Purpose = "imports"
KEPT = 7 * clock.DAY
"""The time that refused records are kept."""
SHOWN = 50
MAX_VALUE = 200
_SECRETS = ("password", "password_hash", "totp_secret")
"""Fields whose values are in the file of refused records only."""


class Fault(NamedTuple):
    """A refused record on the page of its import."""

    refusal: Refusal
    columns: str
    """Columns that the field comes from. Empty: the reason is about the whole record."""
    value: str | None
    """None: it is not shown, or not kept."""


def sealing(secret: Secret) -> Callable[[bytes, bytes], bytes]:
    """A function that seals pieces of files."""
    return lambda text, associated: secret.seal(SEALED, text, associated)


def unsealing(secret: Secret) -> Callable[[bytes, bytes], bytes]:
    return lambda text, associated: secret.unseal(SEALED, text, associated)


def sealed(secret: Secret, id: str, text: bytes) -> bytes:
    return secret.seal(SEALED, text, id.encode())


def _opened(on: Rollbook, id: str, found: bytes) -> bytes | None:
    """The opened record; None if a secret sealed it that is gone."""
    try:
        return on.secret.unseal(SEALED, found, id.encode())
    except ValueError:
        return None


def is_own(by: Principal, found: Import) -> bool:
    """Test whether this is who started the import: the same key, or the person on the pages of the dashboard."""
    return bool(by.user_id) and by.user_id == found.user_id and by.key_id in (None, found.key_id)


async def keep(on: Rollbook, import_id: str, facts: FileFacts) -> None:
    """Store what the file was found to be. Columns of a run that was interrupted stay, and its name."""
    if (before := await facts_of(on, import_id)) is not None:
        known = {column.name for column in facts.columns}
        columns = facts.columns + [column for column in before.columns if column.name not in known]
        facts = replace(facts, columns=columns, name=before.name)
    await on.write(_put, on.secret, import_id, facts)


async def keep_name(tx: Tx, secret: Secret, import_id: str, name: str) -> None:
    """Store the name, if there is one, of a file of which nothing else is known yet."""
    if name:
        await _put(tx, secret, import_id, FileFacts("", "", [], [], name=name))


async def _put(tx: Tx, secret: Secret, import_id: str, facts: FileFacts) -> None:
    id, text = import_rows.COLUMNS_OF.format(import_id), import_rows.text_of(facts)
    await import_rows.put(tx, id, len(text), sealed(secret, id, text))


async def facts_of(on: Rollbook, import_id: str) -> FileFacts | None:
    id = import_rows.COLUMNS_OF.format(import_id)
    found = await on.read(import_rows.get, id)
    text = None if found is None else _opened(on, id, found)
    return None if text is None else import_rows.facts_of(text)


async def rows(on: Rollbook, import_id: str) -> AsyncGenerator[list[RefusedRow], None]:
    """The refused records that are kept, in pieces."""
    id = ""
    while piece := await on.read(import_rows.after, import_id, id):
        id = piece[0]
        if text := _opened(on, *piece):
            yield import_rows.rows_of(text)


async def faults(on: Rollbook, by: Principal, found: Import) -> list[Fault]:
    """The first refused records of an import: with their values for whoever started it."""
    refusals = await on.read(imports.refusals, found.id, -1, SHOWN)
    facts = await facts_of(on, found.id) if is_own(by, found) else None
    raws: dict[int, Raw] = {}
    if facts is not None:
        async for part in rows(on, found.id):
            raws.update(part)
            if len(raws) >= SHOWN:
                break
    return [_fault(refusal, raws.get(number), facts) for number, refusal in refusals]


def _fault(refusal: Refusal, raw: Raw | None, facts: FileFacts | None) -> Fault:
    if facts is None or refusal.field is None:
        text = raw if isinstance(raw, str) else None
        return Fault(refusal, "", _short(text) if text else None)
    names = [column.name for column in facts.columns if refusal.field in (column.target or "").split(", ")]
    if raw is None or refusal.field in _SECRETS:
        return Fault(refusal, ", ".join(names), None)
    values = import_rows.values_of(raw, facts)
    return Fault(refusal, ", ".join(names), _short(" ".join(values.get(name, "") for name in names)))


def _short(text: str) -> str:
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"


async def expire(on: Rollbook) -> bool:
    """Erase refused records after a week, and the oldest where there is too much of them."""
    old = await on.read(import_rows.old, clock.now() - KEPT)
    if old:
        await on.write(import_rows.erase, old)
    return bool(old)
