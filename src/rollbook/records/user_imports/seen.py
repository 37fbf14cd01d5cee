"""Users whom a dry run would have added so far. They are in no table, and may be millions: so they are in a temporary
file. They are in no table, and may be millions: so they are in a temporary file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from rollbook.errors import EmailTaken, ExternalIdTaken, IdTaken
from rollbook.records.user_imports import Match, Prepared, Taken

ADD = "INSERT OR IGNORE INTO seen VALUES (?)"
HAS = "SELECT 1 FROM seen WHERE key = ?"


class DryRunKeys:
    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)  # a temporary file that goes with the connection
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID")

    def close(self) -> None:
        self._file.close()

    def taken(self, user: Prepared, match: Match) -> Taken | None:
        """The unique value of this user that an earlier one has; None: there is none, and the user is noted. If there
        are several, that of `match`."""
        keys = list(_keys(user))
        found = [error for key, error in keys if self._file.execute(HAS, (key,)).fetchone()]
        if not found:
            self._file.executemany(ADD, [(key,) for key, _ in keys])
            return None
        return ExternalIdTaken() if match == "external_id" and ExternalIdTaken in found else found[0]()


def _keys(user: Prepared) -> Iterable[tuple[str, type[Taken]]]:
    yield f"email {user.email_key}", EmailTaken
    if user.new.external_id is not None:
        yield f"external_id {user.new.external_id}", ExternalIdTaken
    if user.has_own_id:
        yield f"id {user.new.id}", IdTaken
