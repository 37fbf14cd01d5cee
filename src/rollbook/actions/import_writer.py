"""Writes the users of a file, a batch at a time. Each passes the rules of one who is created alone; a bad one stops no
other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

from msgspec import UNSET, Struct, UnsetType

from rollbook import clock
from rollbook.actions import import_files, passwords, second_factors, user_kinds, users
from rollbook.actions.arguments.imports import FileRecord, ImportedUser, ImportOptions
from rollbook.actions.arguments.users import NO_PASSWORD_YET
from rollbook.actions.checking import given, invalid, refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.import_files import Memberships, sealed
from rollbook.actions.permissions import may_grant, may_touch, require
from rollbook.actions.principal import Principal, as_of_now
from rollbook.actions.users import changes_of
from rollbook.auth.one_time_codes import Totp, read_totp
from rollbook.auth.password_hashes import UnknownHash, is_weak
from rollbook.auth.passwords import check_hash
from rollbook.config import Settings
from rollbook.errors import (
    ApiError,
    EmailTaken,
    EmailUnproven,
    ExternalIdTaken,
    Fault,
    GroupLimitReached,
    InsufficientScope,
    LastOwner,
    NotYourself,
    Overloaded,
)
from rollbook.machine import available_cpus
from rollbook.records import (
    event_log,
    import_rows,
    imports,
    password_parameters,
    rules,
    user_history,
    user_imports,
)
from rollbook.records import second_factors as factor_records
from rollbook.records import users as user_records
from rollbook.records.dialect import dialect
from rollbook.records.import_rows import Raw
from rollbook.records.imports import Counts, Refusal
from rollbook.records.user_imports import DryRunKeys, Existing, FileKeys, PreparedUser
from rollbook.records.users import User
from rollbook.roles import APPLICATION
from rollbook.storage.database import Duplicate, Tx

MAX_PASSWORDS = 200
"""Passwords of one batch: hashing them takes some seconds, after which what is done is written and seen."""
MAX_REASON = 300
"""Characters of a reason in a report."""
MAX_RACES = 20
"""The number of times that a batch is tried again because someone else took one of its emails at the same moment."""

SUMMED_UP = frozenset(user_history.UNLOGGED)
"""Changes of a user that `events=summary` leaves out of the event log. All others have an event of their own."""
MAX_LINES = 1_000_000
"""Users of a file among whom one that it repeats is found by line: some 100 MB. Those who come later are skipped."""
REPEATED = "repeated"
"""The code of those in a report whom the file has more than once."""
LEFT_OUT = "imported_without_password"
"""The code of those in a report whose hash is not known."""

Outcome = str | Refusal
"""added, updated, unchanged or skipped; or why the record was refused."""


class Row(Struct):
    """A record of the file in its batch, and what becomes of it."""

    line: int
    user: ImportedUser | None
    """None: the record holds none, or nothing more is needed of them than `prepared`."""
    source: Any
    """The record itself, for `Importer.raw`."""
    outcome: Outcome = "added"
    prepared: PreparedUser | None = None
    """The user as they are added. None: their password, or their hash of a weak family, is not hashed yet."""
    weak: str | None = None
    """The hash of a weak family."""
    left_out: str | None = None
    """The reason why the hash that the file has is not theirs."""
    keys: tuple[str, ...] = ()
    """Keys of the user, if it is asked who is absent from the file."""
    known: Existing | None = None
    """The user who was there already."""

    @property
    def has_password(self) -> bool:
        return self.prepared is None or self.prepared.password_hash is not None

    def packed(self) -> tuple[Any, ...]:
        """Its values from `line` to `keys`, for another process: plain tuples take half as long."""
        new = self.prepared
        plain = None if new is None else (tuple(new.new), *new[1:])
        return self.line, self.user, self.source, self.outcome, plain, self.weak, self.left_out, self.keys

    @classmethod
    def unpacked(cls, values: tuple[Any, ...]) -> Row:
        line, user, source, outcome, plain, weak, left_out, keys = values
        prepared = None if plain is None else PreparedUser(User._make(plain[0]), *plain[1:])
        return cls(line, user, source, outcome, prepared, weak, left_out, keys)


class Reported(NamedTuple):
    """An entry of the report, and the record itself; None where the user was imported."""

    refusal: Refusal
    source: Any


class BatchResult(NamedTuple):
    """Contribution of a batch to an import: counts, and its report in the order of the file."""

    counts: Counts
    report: list[Reported]


class Batches:
    """The records of a file as they will be written, in batches of `batch` at most. All of it needs no database."""

    def __init__(self, settings: Settings, options: ImportOptions, batch: int, unit: str = "line") -> None:
        """`unit` is the name of what the numbers of records count."""
        self._settings = settings
        self._unit = unit
        self._lines: dict[int, int] = {}
        """Where each user of the file is, by the hash of their key; unless the later one updates the earlier one."""
        self._options = options
        self._max_rows = batch
        self._begin(None)

    @property
    def is_full(self) -> bool:
        """Test whether what was added is to be written before more is."""
        return len(self._batch) >= self._max_rows or self._passwords >= MAX_PASSWORDS or self._next is not None

    @property
    def is_empty(self) -> bool:
        return not self._batch

    def add(self, by: Principal, record: FileRecord) -> None:
        """Add the next record of the file."""
        line, user, refusal, source, who = record
        row = Row(line, user, source)
        if self._options.absent != "ignore":
            row.keys = user_imports.keys_of(*(who if user is None else (user.email, user.external_id)), line)
        if user is None:
            assert refusal is not None  # a record is one of the two
            row.outcome = refusal
        else:
            try:
                hash, row.left_out = self._check(by, user)
                # Here, and not with the batch: on PostgreSQL it is done while the batch before is written.
                row.weak = hash if hash and is_weak(hash) else None
                if user.password is UNSET and not row.weak:
                    row.prepared = _prepare(user, hash)
                if self._options.on_conflict != "update":
                    row.outcome = self._repeated(row) or row.outcome
                    if row.prepared is not None and not _has_more(user):
                        row.user = None
            except ApiError as problem:
                row.outcome = _refusal(line, problem)
        self._append(row)

    def _repeated(self, row: Row) -> Refusal | None:
        """The refusal of a user whom the file has in an earlier line."""
        key, match = hash(_key(self._options, row)), self._options.match
        first = self._lines.get(key)
        if first is not None:
            what = "email" if match == "email" else "external ID"
            return Refusal(row.line, match, REPEATED, f"Repeats {self._unit} {first}, which has the same {what}.")
        if len(self._lines) < MAX_LINES:
            self._lines[key] = row.line
        return None

    def _append(self, row: Row) -> None:
        if isinstance(row.outcome, str):
            if self._options.on_conflict == "update":
                key = _key(self._options, row)
                if key in self._keys:
                    self._next = row
                    return
                self._keys.add(key)
            self._passwords += row.prepared is None
        self._batch.append(row)

    def take(self) -> list[Row]:
        """The batch. The next one begins."""
        batch = self._batch
        self._begin(self._next)
        return batch

    def _begin(self, first: Row | None) -> None:
        """Begin a batch, with this row."""
        self._batch: list[Row] = []
        self._passwords = 0
        self._keys: set[str] = set()
        self._next: Row | None = None
        """A row about the same user as one of the batch: it sees what that one did."""
        if first is not None:
            self._append(first)

    def _check(self, by: Principal, user: ImportedUser) -> tuple[str | None, str | None]:
        """The rules that no field shows alone. The hash as it is stored, or why it is left out. Raises ApiError."""
        may_grant(by, given(user.role, "member"))
        if user.kind == APPLICATION:
            user_kinds.check_record(user)
        if self._options.match == "external_id" and not isinstance(user.external_id, str):
            raise invalid([Fault("external_id", "external_id is required to match by it.")])
        if user.password is not UNSET:
            if user.password_hash is not UNSET:
                raise invalid([Fault("password_hash", "Give either password or password_hash.")])
            passwords.check_now(self._settings, user.password, email=user.email, name=user.new_name)
        for name in ("password", "password_hash") if user.status == "invited" else ():
            if isinstance(getattr(user, name), str):
                raise invalid([Fault(name, NO_PASSWORD_YET)])
        _check_times(user)
        if _totp_of(user) is not None:
            require(by, "users:import")
        if import_files.named(user):
            require(by, "groups:write")
        if not isinstance(user.password_hash, str):
            return None, None
        try:
            require(by, "users:import")
            return check_hash(user.password_hash, self._settings), None
        except ValueError as problem:
            if self._options.unknown_hashes == "skip" and isinstance(problem, UnknownHash):
                return None, f"Imported without a password. {problem}"
            raise invalid([Fault("password_hash", str(problem))]) from None


class Importer:
    """One import, from batch to batch. `runner` is the process that writes a job's progress; None: there is no job,
    only the users.
    `keys`: where those of everyone in the file are kept.

    `counts` are those of the whole import, `bytes_read` how much of its file is done: both are written with the users.
    """

    def __init__(
        self,
        on: Rollbook,
        options: ImportOptions,
        id: str,
        runner: str | None = None,
        counts: Counts | None = None,
        keys: FileKeys | None = None,
    ) -> None:
        self.counts = counts or Counts()
        self._keys = keys
        self.raw: Callable[[Any], Raw] = str
        """A record of the file, as it was, of what was added as its source."""
        self._on = on
        self._options = options
        self._id = id
        self._runner = runner
        self._seen = DryRunKeys() if options.dry_run else None
        self._pool: ThreadPoolExecutor | None = None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._seen is not None:
            self._seen.close()

    async def write(self, by: Principal, batch: list[Row], bytes_read: int) -> BatchResult:
        """Write a batch in one transaction. Raises InsufficientScope, Overloaded, and
        `imports.Superseded` for a job that was canceled, or that another process has taken over."""
        require(by, "users:write")
        rows = [row for row in batch if isinstance(row.outcome, str)]
        if self._keys is not None:
            self._keys.note([key for row in batch for key in row.keys], self.counts.records, len(batch))
        for _ in range(MAX_RACES):
            await self._hash_passwords(rows)
            with suppress(Duplicate, EmailTaken, ExternalIdTaken):
                result = await self._try(by, batch, rows, bytes_read)
                if result is not None:
                    self.counts = self.counts.plus(result.counts)
                    return result
        raise Overloaded(
            "Someone else is changing the same users at this moment. Users imported so far stay; run the import again."
        )

    # ---- writing

    async def _hash_passwords(self, rows: Sequence[Row]) -> None:
        """Hash the passwords of users who need them: not of those who have one already."""
        rows = [row for row in rows if row.prepared is None]
        if not rows:
            return
        existing = dialect(self._on.db).user_imports.existing
        matches = await self._on.read_aside(existing, self._options.match, [_key(self._options, row) for row in rows])
        rows = [row for row in rows if self._needs_password(matches.get(_key(self._options, row)))]
        self._pool = self._pool or ThreadPoolExecutor(available_cpus())
        loop = asyncio.get_running_loop()
        hashes = await asyncio.gather(*[loop.run_in_executor(self._pool, self._hash, row) for row in rows])
        for row, hash in zip(rows, hashes, strict=True):
            row.prepared = _prepare(_user_of(row), hash)

    def _hash(self, row: Row) -> str:
        if self._options.dry_run:  # nothing of it is kept
            return self._on.passwords.current
        if row.weak is not None:
            return self._on.passwords.wrap_now(row.weak)
        return self._on.passwords.hash_now(str(_user_of(row).password))

    def _needs_password(self, match: Existing | None) -> bool:
        if match is None or self._options.on_conflict != "update":
            return match is None
        may_adopt = self._options.adopt and not (match.user.email_verified or match.user.email_asserted)
        return may_adopt or not match.has_password

    async def _try(self, by: Principal, batch: list[Row], rows: list[Row], bytes_read: int) -> BatchResult | None:
        """Write a batch. None: nothing was written, since passwords are to be hashed first."""
        if not self._options.dry_run:
            return await self._on.write(self._write, by, batch, rows, bytes_read)
        if not await self._on.dry().write(self._write_users, by, rows):
            return None
        self._refuse_seen(rows)
        result = self._result(batch)
        if self._runner is not None:
            await self._on.write(self._advance, result, bytes_read)
        return result

    async def _write(
        self, tx: Tx, by: Principal, batch: list[Row], rows: list[Row], bytes_read: int
    ) -> BatchResult | None:
        if not await self._write_users(tx, by, rows):
            return None
        result = self._result(batch)
        if self._runner is not None:
            await self._advance(tx, result, bytes_read)
        return result

    async def _advance(self, tx: Tx, result: BatchResult, bytes_read: int) -> None:
        assert self._runner is not None  # there is a job
        counts, report = self.counts.plus(result.counts), result.report
        await imports.advance(tx, self._id, self._runner, bytes_read, counts, [record.refusal for record in report])
        first = counts.reported - len(report)
        rows = [(first + at, self.raw(source)) for at, (_, source) in enumerate(report) if source is not None]
        if rows and first < imports.MAX_REFUSALS:
            room = import_rows.MAX_SIZE - await import_rows.size(tx, self._id)
            pieces = import_rows.pieces(self._id, rows, room)
            await import_rows.add(tx, [(id, len(text), sealed(self._on.secret, id, text)) for id, text in pieces])

    async def _write_users(self, tx: Tx, by: Principal, rows: Sequence[Row]) -> bool:
        """Write the users of a batch. Returns False, and does nothing, if one of them needs a password that is not
        hashed."""
        await _check_still_may(tx, by)
        for row in rows:
            row.outcome, row.known = "added", None
        if not await self._look_up(tx, rows):
            return False
        memberships = await Memberships.of(tx, by, [row.user for row in rows if row.user is not None])
        unlogged: list[tuple[int, int]] = []
        for row in rows:
            try:
                if row.user is not None:
                    memberships.check(row.user)
            except GroupLimitReached as problem:
                row.outcome = _refusal(row.line, problem)
                continue
            if row.known is None:
                continue
            if self._options.on_conflict == "update":
                row.outcome = await self._update(tx, by, row, row.known, memberships, unlogged)
            else:
                row.outcome = self._conflict(row, EmailTaken() if self._options.match == "email" else ExternalIdTaken())
        await self._add(tx, by, [row for row in rows if row.outcome == "added"], memberships)
        await memberships.write(tx, by)
        if unlogged:
            await event_log.note_changed(tx, unlogged)
        return True

    async def _look_up(self, tx: Tx, rows: Sequence[Row]) -> bool:
        """Find the users who exist: all if they are updated, otherwise those whose passwords are not hashed. Returns
        whether all passwords that are needed are hashed."""
        updates = self._options.on_conflict == "update"
        keys = [(row, _key(self._options, row)) for row in rows if updates or row.prepared is None]
        if updates:
            await user_records.lock_owner(tx)
        if not keys:  # the database tells who exists
            return True
        matches = await dialect(tx).user_imports.existing(tx, self._options.match, [key for _, key in keys])
        if updates:
            matches = await _with_unproven(tx, matches)
        for row, key in keys:
            row.known = matches.get(key)
        return not any(row.prepared is None and self._needs_password(row.known) for row, _ in keys)

    async def _add(self, tx: Tx, by: Principal, rows: Sequence[Row], memberships: Memberships) -> None:
        """Add users, and note who could not be added; the authenticator apps of those who were, and their groups."""
        new = [row.prepared for row in rows if row.prepared is not None]
        assert len(new) == len(rows)  # see `_look_up`
        if new:
            refused = await dialect(tx).user_imports.add(tx, new, by.actor, self._options.match, self._tells)
            for at, error in refused:
                outcome = self._conflict(rows[at], error)
                if outcome == "updated":  # someone else has added them at this moment
                    raise error
                rows[at].outcome = outcome
        factors = []
        for row, user in zip(rows, new, strict=True):
            if row.outcome == "added" and row.user is not None:
                memberships.note(user.new.id, row.user)
                if (totp := _totp_of(row.user)) is not None:
                    factors.append(second_factors.imported(self._on.secret, user.new.id, totp))
        if factors:
            await factor_records.add_many(tx, factors)

    async def _add_factor(self, tx: Tx, by: Principal, user: User, totp: Totp) -> None:
        """Add the authenticator app of a user who existed, and had none."""
        factor = second_factors.imported(self._on.secret, user.id, totp)
        await second_factors.add(tx, factor)
        await second_factors.activated(tx, by, factor, is_first=True)

    @property
    def _tells(self) -> bool:
        return self._options.events == "each" and not self._options.dry_run

    def _conflict(self, row: Row, error: ApiError) -> Outcome:
        """Outcome for a user who has something that another user has."""
        is_matched = isinstance(error, EmailTaken if self._options.match == "email" else ExternalIdTaken)
        if is_matched and self._options.on_conflict != "fail":
            return "skipped" if self._options.on_conflict == "skip" else "updated"
        return _refusal(row.line, error)

    async def _update(
        self,
        tx: Tx,
        by: Principal,
        row: Row,
        match: Existing,
        memberships: Memberships,
        unlogged: list[tuple[int, int]],
    ) -> Outcome:
        """`unlogged` gets the number of a user who was changed without an event, and when."""
        user, new = match.user, _user_of(row)
        adopts = match.is_unproven and self._options.adopt
        sets_password = row.has_password and (adopts or not match.has_password)
        totp = _totp_of(new)
        if totp is not None and not adopts and await second_factors.has(tx, user.id):
            totp = None
        try:
            may_touch(by, user.id, user.role)
            if user.id == by.user_id and rules.email_key(new.email) != rules.email_key(user.email):
                raise NotYourself("An import cannot change your own email. Change it in your account settings.")
            change = users.plan(by, user, _changes(new, match))
            await _check_free(tx, user, change.columns)
            if sets_password or totp is not None:
                user_kinds.check_person(user)
                may_grant(by, user.role)
            joins = await memberships.changes(tx, user.id, new)
            changes = bool(change.columns or sets_password or totp is not None or joins)
            # The user with the company's own ID is the one it means, but may still have given someone else's email.
            is_about_email = not change.columns.keys().isdisjoint(("email", "email_verified"))
            relies_on_email = changes and (self._options.match == "email" or is_about_email)
            if match.is_unproven and relies_on_email and not adopts:
                raise EmailUnproven()
            if adopts:
                user = await users.take_over(tx, by, user)
        except ApiError as problem:
            return _refusal(row.line, problem)
        if change.columns:
            is_told = self._tells or not SUMMED_UP.issuperset(change.columns)
            try:
                after = await users.apply(tx, by, user, change, is_told)
            except LastOwner as problem:
                return _refusal(row.line, problem)
            if not is_told:
                unlogged.append((after.seq, after.updated_at))
        if sets_password and row.prepared is not None and row.prepared.password_hash is not None:
            await passwords.change(tx, by.actor, user.id, row.prepared.password_hash)
        if totp is not None:
            await self._add_factor(tx, by, user, totp)
        if joins:
            memberships.note(user.id, new)
        if changes and ("email" in change.columns or self._options.match == "email"):
            await user_records.assert_email(tx, user.id)
        return "updated" if changes or adopts else "unchanged"

    def _refuse_seen(self, rows: Sequence[Row]) -> None:
        """Note what an earlier batch of a dry run would have changed."""
        assert self._seen is not None  # it is a dry run
        for row in rows:
            if row.outcome == "added" and row.prepared is not None:
                taken = self._seen.taken(row.prepared, self._options.match)
                if taken is not None:
                    row.outcome = self._conflict(row, taken)

    # ---- telling

    def _result(self, batch: Sequence[Row]) -> BatchResult:
        counted: Counter[str] = Counter()
        report: list[Reported] = []
        for row in batch:
            if isinstance(row.outcome, Refusal):
                counted["refused"] += 1
                report.append(Reported(row.outcome, row.source))
                continue
            counted[row.outcome] += 1
            counted["weak_hashes"] += self._is_weak(row)
            if row.left_out and (refusal := self._left_out(row, row.left_out)):
                counted["without_password"] += 1
                report.append(Reported(refusal, None))
        return BatchResult(Counts(records=len(batch), **counted), report)

    def _is_weak(self, row: Row) -> bool:
        """Test whether a hash of the file was stored that is easy to guess at."""
        hash = None if row.prepared is None else row.prepared.password_hash
        if not hash or hash.startswith(self._on.passwords.current):
            return False
        is_stored = row.outcome == "added" or (row.outcome == "updated" and row.known and not row.known.has_password)
        return bool(is_stored) and password_parameters.price(password_parameters.of(hash)).is_low

    def _left_out(self, row: Row, reason: str) -> Refusal | None:
        """The refusal of a password; None: they are not imported, or have a password."""
        id = None
        if row.known is not None:
            if row.known.has_password or row.outcome == "skipped":
                return None
            id = row.known.user.id
        elif row.outcome != "added":
            return None
        elif not self._options.dry_run and row.prepared is not None:
            id = row.prepared.new.id
        return Refusal(row.line, "password_hash", LEFT_OUT, reason[:MAX_REASON], id)


async def tidy(on: Rollbook) -> None:
    """Do between two batches what one of the next would else have to do."""
    await dialect(on.db).user_imports.tidy(on.db)


async def index(on: Rollbook) -> int:
    """Bring some of the users that were changed into the search index, and return how many; 0 when all are. Searches
    are exact without it, but slow; a running server does the same, in time."""
    return await on.write(dialect(on.db).user_imports.index)


async def _check_still_may(tx: Tx, by: Principal) -> None:
    """Check that whoever imports has lost no right since the batch was begun. Their user is locked until it is written.
    Raises Unauthorized, Forbidden, NotFound."""
    if by.user_id:
        await user_records.get(tx, by.user_id)
        now = await as_of_now(tx, by)
        if (now.role, now.scopes_on_all) != (by.role, by.caller.scopes_on_all):
            raise InsufficientScope("The role or API key of the person who imports was changed meanwhile.")


async def _with_unproven(tx: Tx, existing: Mapping[str, Existing]) -> dict[str, Existing]:
    """The users, with who may not be who has their email."""
    unverified = [
        match.user.id for match in existing.values() if not (match.user.email_verified or match.user.email_asserted)
    ]
    unproven = await user_records.unproven(tx, unverified) if unverified else set()
    return {key: match._replace(is_unproven=match.user.id in unproven) for key, match in existing.items()}


def _changes(row: ImportedUser, match: Existing) -> Mapping[str, Any]:
    """Changes that the file makes to a user who exists. An older file invites no one a second time, and the metadata
    keeps keys that the file doesn't have. Raises InvalidParameter."""
    changes = changes_of(row)
    if changes.get("status") == "invited":
        del changes["status"]
    for name in user_records.METADATA:
        has = getattr(match.user, name)
        if changes.get(name, has) != has:
            try:
                changes[name] = rules.with_keys(has, changes[name])
            except ValueError as problem:
                refuse(name, f"with the keys that the user has already, {problem}")
    return users.with_status(changes, match.user, match.has_password)


async def _check_free(tx: Tx, user: User, columns: Mapping[str, Any]) -> None:
    """Before anything is written: on PostgreSQL, a row that is refused would undo the batch. Raises EmailTaken,
    ExternalIdTaken."""
    if "email" in columns:
        other = await user_records.by_email(tx, columns["email"])
        if other is not None and other.id != user.id:
            raise EmailTaken()
    if columns.get("external_id") is not None:
        other = await user_records.by_external_id(tx, columns["external_id"])
        if other is not None and other.id != user.id:
            raise ExternalIdTaken()


def _key(options: ImportOptions, row: Row) -> str:
    user = _user_of(row)
    return rules.email_key(user.email) if options.match == "email" else str(user.external_id)


def _has_more(user: ImportedUser) -> bool:
    """Test whether a user brings what is written beside them."""
    return isinstance(user.totp_secret, str) or bool(import_files.named(user))


def _user_of(row: Row) -> ImportedUser:
    assert row.user is not None  # the record was not refused
    return row.user


def _check_times(user: ImportedUser) -> None:
    """Raises InvalidArguments for times in the future."""
    if user.created_at is user.updated_at is user.last_sign_in_at is user.last_active_at is UNSET:
        return
    now = clock.now()
    faults = [
        Fault(name, f"{name} is in the future: the time here is {clock.format_time(now)}.")
        for name in ("created_at", "updated_at", "last_sign_in_at", "last_active_at")
        if isinstance(value := getattr(user, name), int) and value > now
    ]
    if faults:
        raise invalid(faults)


def _prepare(user: ImportedUser, hash: str | None) -> PreparedUser:
    """Prepare a user, with the hash of their password in the form in which it is stored."""
    return user_imports.prepare(
        _record(user), hash, user.id is not UNSET, _time(user.created_at), _time(user.updated_at)
    )


def _record(user: ImportedUser) -> User:
    """Record of a new user, apart from the password, `created_at` and `updated_at`."""
    fields = changes_of(user)
    fields.setdefault("name", user.new_name)
    new = user_records.new(**fields, email_asserted=1)
    if new.status != "active" and user.created_at is not UNSET:
        new = new._replace(status_since=clock.now())  # not since they signed up elsewhere
    if user.last_sign_in_at is user.last_active_at is user.id is UNSET:
        return new
    signed_in = _time(user.last_sign_in_at)
    active = signed_in if user.last_active_at is UNSET else _time(user.last_active_at)
    id = new.id if user.id is UNSET else str(user.id)
    return new._replace(last_sign_in_at=signed_in, last_active_at=active, id=id)


def _totp_of(user: ImportedUser) -> Totp | None:
    """The secret of the user's authenticator app, if the file has one."""
    return read_totp(user.totp_secret) if isinstance(user.totp_secret, str) else None


def _time(value: int | None | UnsetType) -> int | None:
    return int(value) if isinstance(value, int) else None


def _refusal(line: int, problem: ApiError) -> Refusal:
    return Refusal(line, problem.param, problem.code, problem.full_message[:MAX_REASON])
