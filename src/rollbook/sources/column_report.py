"""The report on the columns of a file: what becomes of each. For exports of other systems it is found out by leaving a
column out, and by changing it, and looking at which fields of the user that changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from msgspec import UNSET

from rollbook.actions.arguments.imports import ImportedUser
from rollbook.errors import ApiError
from rollbook.records.import_rows import WHETHER, Column
from rollbook.records.users import METADATA
from rollbook.sources.columns import PROBLEM, Targets, key_of
from rollbook.sources.values import is_secret

ConvertRow = Callable[[dict[str, Any]], dict[str, Any] | None]

MAX_NAMES = 1_000
"""Names of JSON that are looked at."""
MAX_NAME = 100
SAMPLES = 3
"""Records with a value in a column from which is learned what becomes of it."""
TRIES = 50
"""Records of which all values are looked at; then only those that are neither empty nor false."""
PROBES = ("1", "0", "false", "2001-02-03T04:05:06Z")
"""Values put in a column's place where leaving it out changes nothing: marks that most users don't have."""
_FIELDS = ImportedUser.__struct_fields__
_OF_NEW = frozenset(("id", "created_at", "updated_at", "last_sign_in_at", "last_active_at"))
"""Fields that users who exist keep, also where others are updated."""
_NOTHING: tuple[Any, ...] = (None, "", [], {})


class ColumnReport:
    """The columns that were seen so far, in the order of the file."""

    def __init__(
        self,
        columns: Sequence[str],
        mapping: Targets,
        convert: ConvertRow | None,
        system: str,
        is_preview: bool,
        updates: bool,
    ) -> None:
        self._mapping, self._convert, self._system = mapping, convert, system
        self._updates = updates
        self._every = "the first records" if is_preview else "every record"
        self._targets: dict[str, list[str]] = {}
        self._open: dict[str, int] = {}
        """Columns of which more is to be learned, each with how many values it had that weren't false."""
        self._false: Counter[str] = Counter()
        self._fallbacks: set[str] = set()
        self._is_table = bool(columns)
        self._names: tuple[str, ...] = ()
        """Names in the last record."""
        self._tries = 0
        self._unseen = list(range(len(_FIELDS)))
        self._values = itemgetter(*self._unseen)
        self._see(columns)

    def _see(self, names: Iterable[str]) -> None:
        for name in names:
            if len(self._targets) < MAX_NAMES and name not in self._targets:
                self._targets[name] = []
                self._open[name] = 0

    def saw_user(self, values: tuple[Any, ...]) -> None:
        """Note which fields a user has, by the values of all in their order."""
        if self._unseen and self._values(values).count(UNSET) < len(self._unseen):
            self._see([_FIELDS[at] for at in self._unseen if values[at] is not UNSET])
            self._unseen = [at for at in self._unseen if values[at] is UNSET]
            if len(self._unseen) == 1:  # of which an itemgetter makes no tuple
                self._unseen *= 2
            self._values = itemgetter(*self._unseen or (0, 0))

    def saw(self, row: dict[str, Any]) -> None:
        """Note the names of a record, and learn from it."""
        if not self._is_table and (names := (*row,)) != self._names:
            self._names = names
            self._see(row)
        if self._open and self._convert and (self._tries < TRIES or any(map(row.get, self._open))):
            self._tries += 1
            self._learn(self._convert, row)

    def _learn(self, convert: ConvertRow, row: dict[str, Any]) -> None:
        names = [
            name
            for name in self._open
            if row.get(name) or (row.get(name) not in _NOTHING and self._false[name] < SAMPLES)
        ]
        base = _fields_by(convert, row) if names else None
        for name in names if base is None or not any(isinstance(value, ApiError) for value in base.values()) else ():
            (self._open if row[name] else self._false)[name] += 1
            if self._open[name] == SAMPLES:
                del self._open[name]
            changed = _changed(base, _fields_by(convert, {column: row[column] for column in row if column != name}))
            for probe in PROBES if not changed and not self._targets[name] else ():
                changed = changed or _changed(base, _fields_by(convert, {**row, name: probe}))
            self._targets[name] += [field for field in changed if field not in self._targets[name]]
            if not changed:
                email = {column: row[column] for column in row if "email" in self._targets.get(column, ())}
                if _changed(_fields_by(convert, email), _fields_by(convert, {**email, name: row[name]})):
                    self._fallbacks.add(name)

    def columns(self) -> list[Column]:
        return [self._column(name) for name in self._targets]

    def _column(self, name: str) -> Column:
        short = name if len(name) <= MAX_NAME or self._convert is None else name[: MAX_NAME - 1] + "…"
        if self._convert is None:
            target = self._mapping.get(name, name)
            if target is None:
                why = PROBLEM_SAYS if name == PROBLEM else "Left out by the mapping."
                return Column(short, "ignored", None, why)
            if target not in _FIELDS and key_of(target) is None:
                return Column(short, "ignored", None, "Not a field of a user: records that have it are refused.")
            return Column(short, "kept" if target == name else "mapped", target, self._whose([target]))
        targets = self._targets[name]
        if targets:
            is_kept = name in targets or any(f"{field}.{name}" in targets for field in METADATA)
            return Column(short, "kept" if is_kept else "mapped", ", ".join(targets), self._whose(targets))
        return Column(short, "ignored", None, self._reason(name))

    def _whose(self, targets: Sequence[str]) -> str | None:
        """The reason why not every user gets the value."""
        return "Only new users: those who exist keep theirs." if self._updates and _OF_NEW.issuperset(targets) else None

    def _reason(self, name: str) -> str:
        if name == PROBLEM:
            return PROBLEM_SAYS
        if self._open.get(name) == 0:
            return f"Empty or false in {self._every}."
        if is_secret(name):
            return "Named like a secret: of these, only passwords and secrets of authenticator apps are imported."
        if name in self._fallbacks:
            return "Used only where other columns are empty."
        return f"Exports of {self._system} have nothing about a user in this column."


PROBLEM_SAYS = "Says why a record was refused before."


def _fields_by(convert: ConvertRow, row: dict[str, Any]) -> dict[str, Any] | None:
    """Fields of the user, those of the metadata by their own names; None: the record is passed over."""
    try:
        user = convert(row)
    except ApiError as problem:
        return {problem.param or "": problem}
    if user is None:
        return None
    fields = {name: value for name, value in user.items() if name not in METADATA}
    return fields | {f"{field}.{name}": value for field in METADATA for name, value in user.get(field, {}).items()}


def _changed(one: dict[str, Any] | None, other: dict[str, Any] | None) -> list[str]:
    if one is None or other is None:
        return [] if one is other else [WHETHER]
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]
