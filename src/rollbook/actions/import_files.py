"""The files of imports, in the folder `imports` of the data folder of the server that received them, until each import
is finished. That of a dry run is kept for a week, encrypted, so that it can be imported as it was tested.

The groups of imported users, a batch at a time. Users are added to those that the file names, and leave none.

The part of an import's file that only its starter may see: what becomes of each column, and the records
that were refused, as they were.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

from msgspec.structs import replace

from rollbook import clock
from rollbook.actions import groups
from rollbook.actions.arguments.imports import ImportedUser
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import Principal
from rollbook.auth.server_secret import Purpose, Secret
from rollbook.errors import GroupLimitReached, StorageUnavailable
from rollbook.machine import has_free_disk
from rollbook.records import groups as group_records
from rollbook.records import import_rows, imports, users
from rollbook.records.import_rows import FileFacts, Raw, RefusedRow
from rollbook.records.imports import Import, Refusal
from rollbook.storage.database import Tx
from rollbook.unix import fcntl

logger = logging.getLogger("rollbook")

PART = 1 << 20
"""Bytes that are written at a time."""
ABANDONED = 3600
"""Seconds after which a file that no import needs is removed."""


KEPT = 7 * 86_400
"""Seconds for which tested files are kept."""
MAX_KEPT = 1 << 30
"""Bytes of tested files that are kept. The oldest go first."""

Cipher = Callable[[bytes, bytes], bytes]
"""Seals or unseals a piece of a tested file; the second value says which. Unsealing raises ValueError."""


def path(data: Path, id: str) -> Path:
    return data / "imports" / f"{id}.part"


async def store(data: Path, id: str, chunks: AsyncIterator[bytes]) -> int:
    """Write the file and return its size in bytes; it is durable then. Whatever goes wrong, nothing of it is left.
    Raises StorageUnavailable, and what `chunks` raises."""
    at = path(data, id)
    try:
        await asyncio.to_thread(_make_folder, at.parent)
        file = os.open(at.with_suffix(".upload"), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            size = await _fill(file, chunks)
        finally:
            os.close(file)
        await asyncio.to_thread(_publish, at)
    except OSError as problem:
        at.with_suffix(".upload").unlink(missing_ok=True)
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageUnavailable(
                "There is not enough space for the file on the server's disk. Nothing was imported."
            ) from None
        logger.error("the file of an import can't be stored: %s", problem)
        raise StorageUnavailable("The server can't store the file. Nothing was imported.") from problem
    except BaseException:
        at.with_suffix(".upload").unlink(missing_ok=True)
        raise
    return size


async def _fill(file: int, chunks: AsyncIterator[bytes]) -> int:
    size, waiting, pending = 0, [], 0
    async for chunk in chunks:
        waiting.append(chunk)
        pending += len(chunk)
        if pending >= PART:
            await asyncio.to_thread(_write, file, b"".join(waiting))
            size, waiting, pending = size + pending, [], 0
    await asyncio.to_thread(_write, file, b"".join(waiting))
    await asyncio.to_thread(os.fsync, file)
    return size + pending


def _write(file: int, content: bytes) -> None:
    """Raises OSError, also while there is room left that the database needs."""
    if not has_free_disk(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def _make_folder(folder: Path) -> None:
    """On PostgreSQL and with a secret from the environment, a server may have no data folder yet."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync(folder.parent)


def _publish(at: Path) -> None:
    at.with_suffix(".upload").rename(at)
    _sync(at.parent)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def opened(data: Path, id: str) -> Iterator[BinaryIO]:
    """The file, for one process at a time: the kernel lets go of it when that ends, however it ends. Raises
    BlockingIOError while another process has it, FileNotFoundError."""
    with open(path(data, id), "rb", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file


def keys_path(data: Path, id: str) -> Path:
    """Where the keys of those are whom a file has, while it is imported."""
    return path(data, id).with_suffix(".keys")


def exists(data: Path, id: str) -> bool:
    return path(data, id).exists()


def remove(data: Path, id: str) -> None:
    path(data, id).unlink(missing_ok=True)
    keys_path(data, id).unlink(missing_ok=True)


def _tested(data: Path, id: str) -> Path:
    return path(data, id).with_suffix(".tested")


def is_kept(data: Path, id: str) -> bool:
    return _tested(data, id).exists()


def keep(data: Path, id: str, options: bytes, seal: Cipher) -> bool:
    """Keep the file of a dry run, with its options, unless it is too large. Raises OSError."""
    at, tested = path(data, id), _tested(data, id)
    older = sorted((other.stat().st_mtime, other.stat().st_size, other) for other in at.parent.glob("*.tested"))
    room = MAX_KEPT - at.stat().st_size
    if room < 0:
        return False
    while older and sum(size for _, size, _ in older) > room:
        older.pop(0)[2].unlink(missing_ok=True)
    with _written(tested.with_suffix(".upload")) as file, at.open("rb") as source:
        for number, piece in enumerate(chain([options], iter(lambda: source.read(PART), b""))):
            sealed = seal(piece, f"{id}/{number}".encode())
            _write(file, len(sealed).to_bytes(4, "big") + sealed)
    tested.with_suffix(".upload").rename(tested)
    _sync(at.parent)
    return True


def tested_options(data: Path, id: str, unseal: Cipher) -> bytes:
    """The options of the dry run whose file is kept. Raises FileNotFoundError, ValueError."""
    with _tested(data, id).open("rb") as file:
        return next(_pieces(file, id, unseal))


def take(data: Path, id: str, new: str, unseal: Cipher) -> None:
    """Let the file of a dry run become that of the import `new`. Raises FileNotFoundError, ValueError, OSError."""
    at = path(data, new)
    with _tested(data, id).open("rb") as tested, _written(at.with_suffix(".upload")) as file:
        pieces = _pieces(tested, id, unseal)
        next(pieces)
        for piece in pieces:
            _write(file, piece)
    _publish(at)
    _tested(data, id).unlink(missing_ok=True)


@contextmanager
def _written(at: Path) -> Iterator[int]:
    """A new file to write to, durable at the end of the block. Nothing is left of it if that fails."""
    file = os.open(at, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        yield file
        os.fsync(file)
    except BaseException:
        at.unlink(missing_ok=True)
        raise
    finally:
        os.close(file)


def _pieces(file: BinaryIO, id: str, unseal: Cipher) -> Iterator[bytes]:
    number = 0
    while size := file.read(4):
        yield unseal(file.read(int.from_bytes(size, "big")), f"{id}/{number}".encode())
        number += 1


def remove_abandoned(data: Path, needed: set[str]) -> None:
    """Remove the files of imports that are finished, of requests that ended in the middle, and of old dry runs."""
    folder = data / "imports"
    if not folder.is_dir():
        return
    for file in folder.iterdir():
        if file.suffix == ".upload" or file.stem not in needed:
            try:
                if file.stat().st_mtime < time.time() - (KEPT if file.suffix == ".tested" else ABANDONED):
                    file.unlink()
            except FileNotFoundError:  # it was finished meanwhile
                continue


def named(user: ImportedUser) -> Mapping[str, str]:
    """The user's role in each group that the file names."""
    return user.groups if isinstance(user.groups, Mapping) else {}


class Memberships:
    """Memberships of a batch: collected while its users are written, and then written together."""

    def __init__(self, ids: Mapping[str, str]) -> None:
        self._ids = ids
        self._joining: dict[str, dict[str, str]] = {}

    @classmethod
    async def of(cls, tx: Tx, by: Principal, new: Iterable[ImportedUser]) -> Memberships:
        """Creates the groups that don't exist."""
        names = dict.fromkeys(name for user in new for name in named(user))
        return cls(await groups.named(tx, by, [*names]) if names else {})

    def check(self, user: ImportedUser) -> None:
        """Raises GroupLimitReached: a group of theirs can't be created."""
        if not all(name in self._ids for name in named(user)):
            raise GroupLimitReached(f"There are {groups.MAX_GROUPS:,} groups already, so this one can't be created.")

    async def changes(self, tx: Tx, user_id: str, user: ImportedUser) -> bool:
        """Test whether an existing user is not in their groups yet, with their roles. Raises GroupLimitReached."""
        new_roles = self._wanted(user)
        if not new_roles:
            return False
        roles = {membership.group_id: membership.role for membership in await group_records.of_user(tx, user_id)}
        if len(roles.keys() | new_roles.keys()) > groups.MAX_MEMBERSHIPS:
            raise GroupLimitReached(f"The user would be in more than {groups.MAX_MEMBERSHIPS:,} groups.")
        return not roles.items() >= new_roles.items()

    def _wanted(self, user: ImportedUser) -> dict[str, str]:
        return {self._ids[name]: role for name, role in named(user).items()}

    def note(self, user_id: str, user: ImportedUser) -> None:
        for id, role in self._wanted(user).items():
            self._joining.setdefault(id, {})[user_id] = role

    async def write(self, tx: Tx, by: Principal) -> None:
        """Users are locked before groups, as all do who lock both, and groups in the order of their IDs."""
        if not self._joining:
            return
        await users.lock_users(tx, sorted({user_id for roles in self._joining.values() for user_id in roles}))
        for id in sorted(self._joining):
            await groups.put_members(tx, by, id, self._joining[id])


SEALED: Purpose = "imports"
ROWS_KEPT = 7 * clock.DAY
"""The time that refused records are kept."""
SHOWN = 50
MAX_VALUE = 200
_SECRETS = ("password", "password_hash", "totp_secret")
"""Fields whose values are in the file of refused records only."""


class RowFault(NamedTuple):
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


def _opened(on: Rollbook, id: str, ciphertext: bytes) -> bytes | None:
    """The opened record; None if a secret sealed it that is gone."""
    try:
        return on.secret.unseal(SEALED, ciphertext, id.encode())
    except ValueError:
        return None


def is_own(by: Principal, job: Import) -> bool:
    """Test whether this is who started the import: the same key, or the person on the pages of the dashboard."""
    return bool(by.user_id) and by.user_id == job.user_id and by.key_id in (None, job.key_id)


async def keep_facts(on: Rollbook, import_id: str, facts: FileFacts) -> None:
    """Store what the file was found to be. Columns of a run that was interrupted stay, and its name."""
    if (before := await facts_of(on, import_id)) is not None:
        names = {column.name for column in facts.columns}
        columns = facts.columns + [column for column in before.columns if column.name not in names]
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
    ciphertext = await on.read(import_rows.get, id)
    text = None if ciphertext is None else _opened(on, id, ciphertext)
    return None if text is None else import_rows.facts_of(text)


async def rows(on: Rollbook, import_id: str) -> AsyncGenerator[list[RefusedRow], None]:
    """The refused records that are kept, in pieces."""
    id = ""
    while piece := await on.read(import_rows.after, import_id, id):
        id = piece[0]
        if text := _opened(on, *piece):
            yield import_rows.rows_of(text)


async def faults(on: Rollbook, by: Principal, job: Import) -> list[RowFault]:
    """The first refused records of an import: with their values for whoever started it."""
    refusals = await on.read(imports.refusals, job.id, -1, min(SHOWN, job.counts.reported))
    facts = await facts_of(on, job.id) if is_own(by, job) else None
    raws: dict[int, Raw] = {}
    if facts is not None:
        async for part in rows(on, job.id):
            raws.update(part)
            if len(raws) >= SHOWN:
                break
    return [_fault(refusal, raws.get(number), facts) for number, refusal in refusals]


def _fault(refusal: Refusal, raw: Raw | None, facts: FileFacts | None) -> RowFault:
    if facts is None or refusal.field is None:
        text = raw if isinstance(raw, str) else None
        return RowFault(refusal, "", _short(text) if text else None)
    names = [column.name for column in facts.columns if refusal.field in (column.target or "").split(", ")]
    if raw is None or refusal.field in _SECRETS:
        return RowFault(refusal, ", ".join(names), None)
    values = import_rows.values_of(raw, facts)
    return RowFault(refusal, ", ".join(names), _short(" ".join(values.get(name, "") for name in names)))


def _short(text: str) -> str:
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"


async def expire(on: Rollbook) -> bool:
    """Erase refused records after a week, and the oldest where there is too much of them."""
    old = await on.read(import_rows.old, clock.now() - ROWS_KEPT)
    if old:
        await on.write(import_rows.erase, old)
    return bool(old)
