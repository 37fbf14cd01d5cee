"""Backups of a SQLite database in a folder: which there are, when the next is due, which are removed, and why the last
one failed.

`storage/sqlite_backup.py` writes them. The folder is all that is known: what a command or a person adds or removes
there counts as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from rollbook import clock
from rollbook.actions.principal import Principal
from rollbook.config import Settings
from rollbook.errors import InsufficientScope, StorageUnavailable

REQUESTED, BEGUN, FAILED = "backup.requested", "backup.begun", "backup.failed"
"""Files in the folder: that a backup is wanted now, that the server creates one, and why the last one failed."""
_IS_BACKUP = re.compile(r"rollbook-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.db").fullmatch


class Backup(NamedTuple):
    file: Path
    size: int
    """Bytes."""
    created_at: int
    """The time it was begun, in microseconds: what was written until then is in it."""


class BackupFailure(NamedTuple):
    at: int
    reason: str


def folder(settings: Settings) -> Path:
    return Path(settings.backup_folder) if settings.backup_folder else settings.data / "backups"


def name(now: int) -> str:
    """Sorts by time. To the second."""
    text = clock.format_time(now)
    return f"rollbook-{text[:19].replace('-', '').replace(':', '')}Z.db"


def found(settings: Settings) -> list[Backup]:
    """Newest first. Empty if the folder can't be read."""
    with suppress(OSError):
        return sorted(_found(folder(settings)), key=lambda backup: backup.file.name, reverse=True)
    return []


def _found(path: Path) -> Iterator[Backup]:
    for file in path.iterdir():
        if (parts := _IS_BACKUP(file.name)) is not None:
            year, month, day, hour, minute, second = parts.groups()
            with suppress(ValueError, FileNotFoundError):
                at = clock.parse(f"{year}-{month}-{day}T{hour}:{minute}:{second}Z")
                yield Backup(file, file.stat().st_size, at)


def under_way(settings: Settings) -> int | None:
    """Bytes of a backup that is being written: 0 before its process does, and until its end is noted. None if none
    is."""
    with suppress(OSError):
        sizes = [file.stat().st_size for file in folder(settings).glob("rollbook-*.db.part")]
        return max(sizes, default=0 if (folder(settings) / BEGUN).exists() else None)
    return None


def is_due(settings: Settings, now: int) -> bool:
    """Test whether the schedule wants one."""
    if not settings.backup_every:
        return False
    newest = next(iter(found(settings)), None)
    return newest is None or newest.created_at + settings.backup_every * clock.SECOND <= now


def is_overdue(settings: Settings, now: int) -> bool:
    """Test whether backups have not come about for twice as long as the schedule wants, so that someone should look."""
    newest = next(iter(found(settings)), None)
    return bool(settings.backup_every) and (
        newest is None or newest.created_at + 2 * settings.backup_every * clock.SECOND < now
    )


def request(settings: Settings, by: Principal) -> None:
    """Have the server create one now. Raises InsufficientScope, StorageUnavailable."""
    if by.role != "owner":
        raise InsufficientScope("Only owners can create backups.")
    try:
        folder(settings).mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder(settings) / REQUESTED).touch(mode=0o600)
    except OSError as problem:
        raise StorageUnavailable(f"The backup folder can't be written: {problem.strerror}.") from None


def is_requested(settings: Settings) -> bool:
    """Test whether one is wanted, or was begun and has not ended."""
    return any((folder(settings) / file).exists() for file in (REQUESTED, BEGUN))


def begin(settings: Settings, now: int) -> Path:
    """The file to write. What a backup that was cut off left behind is removed. Raises OSError."""
    path = folder(settings)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in path.glob("rollbook-*.db.part*"):
        left.unlink(missing_ok=True)
    (path / BEGUN).touch(mode=0o600)  # before the other goes: a page that looks meanwhile must see one of them
    (path / REQUESTED).unlink(missing_ok=True)
    return path / name(now)


def succeeded(settings: Settings) -> None:
    """Keep the newest ones only. Raises OSError."""
    (folder(settings) / FAILED).unlink(missing_ok=True)
    for old in found(settings)[settings.backup_keep :]:
        old.file.unlink(missing_ok=True)
    (folder(settings) / BEGUN).unlink(missing_ok=True)


def failed(settings: Settings, now: int, reason: str) -> None:
    with suppress(OSError):  # the log has it as well
        (folder(settings) / FAILED).write_text(f"{now} {reason}\n")
    with suppress(OSError):  # on a full disk, too
        (folder(settings) / BEGUN).unlink(missing_ok=True)


def failure(settings: Settings) -> BackupFailure | None:
    """Failure of the last backup, if it failed."""
    with suppress(OSError, ValueError):
        at, _, reason = (folder(settings) / FAILED).read_text().strip().partition(" ")
        return BackupFailure(int(at), reason)
    return None
