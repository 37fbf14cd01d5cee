"""Writes the users of a file, a batch at a time. Each passes the rules of one who is created alone; a bad one stops no
other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from rollbook import clock
from rollbook.actions import adoption, import_files, passwords, second_factors, user_kinds, users
from rollbook.actions.arguments.imports import ImportedUser, ImportOptions
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
    import_rows,
    imports,
    password_parameters,
    rules,
    unlogged_changes,
    user_history,
    user_imports,
)
from rollbook.records import second_factors as factor_records
from rollbook.records import users as user_records
from rollbook.records.dialect import dialect
from rollbook.records.import_rows import Raw
from rollbook.records.imports import Counts, Refusal
from rollbook.records.user_imports import BATCH, DryRunKeys, Existing, Prepared
from rollbook.records.users import User
from rollbook.storage.database import Duplicate, Tx

MAX_PASSWORDS = 200
"""Passwords of one batch: hashing them takes some seconds, after which what is done is written and seen."""
MAX_REASON = 300
"""Characters of a reason in a report."""
MAX_RACES = 20
"""The number of times that a batch is tried again because someone else took one of its emails at the same moment."""

SUMMED_UP = frozenset(user_history.UNLOGGED)
"""Changes of a user that `events=summary` leaves out of the event log. All others have an event of their own."""
LEFT_OUT = "imported_without_password"
"""The code of those in a report whose hash is not known."""

Outcome = str | ApiError
"""added, updated, unchanged or skipped; or why the record was refused."""


class BatchOutcomes(NamedTuple):
    """Outcome of a batch."""

    outcomes: list[Outcome]
    existing: Mapping[str, Existing]
    """Users who were there already, by what they are recognized by."""


class _Raced(Exception):
    """Someone else changed what this batch was made for."""


class _Undone(Exception):
    """A dry run is complete: nothing of it is kept."""

    def __init__(self, done: BatchOutcomes) -> None:
        self.done = done


class UserRecord(NamedTuple):
    """A user of the file, checked."""

    line: int
    user: ImportedUser
    prepared: Prepared | None
    """None: the file has a password, or a hash of a weak family, which is hashed with those of the batch."""
    weak: str | None = None
    """The hash of a weak family."""
    left_out: str | None = None
    """The reason why the hash that the file has is not theirs."""
    source: Any = None
    """The record itself, for `Importer.raw`."""

    @property
    def has_password(self) -> bool:
        return self.prepared is None or self.prepared.password_hash is not None


class RefusedRecord(NamedTuple):
    """An entry of the report, and the record itself; None where the user was imported."""

    refusal: Refusal
    source: Any


class BatchResult(NamedTuple):
    """Contribution of a batch to an import."""

    counts: Counts
    refusals: list[Refusal]
    rows: list[Any]
    """The record of each, for `Importer.raw`; None where the user was imported."""


class Importer:
    """One import, from batch to batch. `runner` is the process that writes a job's progress; None: there is no job,
    only the users.

    `counts` are those of the whole import, `bytes_read` how much of its file is done: both are written with the users.
    """

    def __init__(
        self,
        on: Rollbook,
        options: ImportOptions,
        id: str,
        runner: str | None = None,
        counts: Counts | None = None,
        batch: int = BATCH,
    ) -> None:
        self.counts = counts or Counts()
        self.raw: Callable[[Any], Raw] = str
        """A record of the file, as it was, of what was added or refused as its source."""
        self._on = on
        self._options = options
        self._id = id
        self._runner = runner
        self._batch = batch
        self._seen = DryRunKeys() if options.dry_run else None
        self._pool = ThreadPoolExecutor(available_cpus())
        self._rows: list[UserRecord] = []
        self._refusals: list[RefusedRecord] = []
        self._passwords = 0
        self._keys: set[str] = set()
        self._untold: list[tuple[int, int]] = []
        """Users of the batch who were changed without an event, by their number, and when."""
        self._next: UserRecord | None = None
        """A row about the same user as one of the batch: it sees what that one did."""

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        if self._seen is not None:
            self._seen.close()

    @property
    def is_full(self) -> bool:
        """Test whether what was added is to be written before more is."""
        return (
            len(self._rows) + len(self._refusals) >= self._batch
            or self._passwords >= MAX_PASSWORDS
            or self._next is not None
        )

    @property
    def is_empty(self) -> bool:
        return not self._rows and not self._refusals

    def refuse(self, refusal: Refusal, source: Any) -> None:
        """The next record of the file holds no user."""
        self._refusals.append(RefusedRecord(refusal, source))

    def add(self, by: Principal, line: int, user: ImportedUser, source: Any = None) -> None:
        """The next record of the file holds this user."""
        try:
            hash, left_out = self._check(by, user)
        except ApiError as problem:
            self._refusals.append(RefusedRecord(_refusal(line, problem), source))
            return
        # Here, and not with the batch: on PostgreSQL it is done while the batch before is written.
        weak = hash if hash and is_weak(hash) else None
        row = UserRecord(
            line, user, _prepare(user, hash) if user.password is UNSET and not weak else None, weak, left_out, source
        )
        if self._options.on_conflict == "update":
            key = self._key(user)
            if key in self._keys:
                self._next = row
                return
            self._keys.add(key)
        self._rows.append(row)
        self._passwords += row.prepared is None

    async def write(self, by: Principal, bytes_read: int) -> BatchResult:
        """Write what was added since, in one transaction. Raises InsufficientScope, Overloaded, and
        `imports.Superseded` for a job that was canceled, or that another process has taken over."""
        require(by, "users:write")
        rows, refusals = self._rows, self._refusals
        next = self._next
        self._rows, self._refusals, self._passwords, self._keys, self._next = [], [], 0, set(), None
        if next is not None:
            self._rows.append(next)
            self._keys.add(self._key(next.user))
        step = await self._written(by, rows, refusals, bytes_read)
        self.counts = self.counts.plus(step.counts)
        return step

    # ---- checking

    def _check(self, by: Principal, user: ImportedUser) -> tuple[str | None, str | None]:
        """The rules that no field shows alone. The hash as it is stored, or why it is left out. Raises ApiError."""
        may_grant(by, given(user.role, "member"))
        user_kinds.check_record(user)
        if self._options.match == "external_id" and not isinstance(user.external_id, str):
            raise invalid([Fault("external_id", "external_id is required to match by it.")])
        if user.password is not UNSET:
            if user.password_hash is not UNSET:
                raise invalid([Fault("password_hash", "Give either password or password_hash.")])
            passwords.check_now(self._on.settings, user.password, email=user.email, name=user.new_name)
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
            return check_hash(user.password_hash, self._on.settings), None
        except ValueError as problem:
            if self._options.unknown_hashes == "skip" and isinstance(problem, UnknownHash):
                return None, f"Imported without a password. {problem}"
            raise invalid([Fault("password_hash", str(problem))]) from None

    # ---- writing

    async def _written(
        self, by: Principal, rows: list[UserRecord], refusals: list[RefusedRecord], bytes_read: int
    ) -> BatchResult:
        for _ in range(MAX_RACES):
            prepared = await self._prepared(rows)
            with suppress(Duplicate, EmailTaken, ExternalIdTaken, _Raced):
                try:
                    return await self._on.write(self._write, by, rows, prepared, refusals, bytes_read)
                except _Undone as undone:
                    done = undone.done._replace(outcomes=self._without_seen(undone.done.outcomes, prepared))
                    step = self._step(rows, done, prepared, refusals)
                    if self._runner is not None:
                        await self._on.write(self._advance, step, bytes_read)
                    return step
        raise Overloaded(
            "Someone else is changing the same users at this moment. Users imported so far stay; run the import again."
        )

    async def _prepared(self, rows: list[UserRecord]) -> list[Prepared | None]:
        """The users as they are added. None: a user whose password was not hashed, since they have one already."""
        prepared = [row.prepared for row in rows]
        with_password = {at: self._key(row.user) for at, row in enumerate(rows) if row.prepared is None}
        if not with_password:
            return prepared
        existing = dialect(self._on.db).user_imports.existing
        known = await self._on.read_aside(existing, self._options.match, list(with_password.values()))
        loop = asyncio.get_running_loop()
        waiting = {
            at: loop.run_in_executor(self._pool, self._hash, rows[at])
            for at, key in with_password.items()
            if self._needs_password(known.get(key))
        }
        for at, hashed in zip(waiting, await asyncio.gather(*waiting.values()), strict=True):
            prepared[at] = _prepare(rows[at].user, hashed)
        return prepared

    def _hash(self, row: UserRecord) -> str:
        if self._options.dry_run:  # nothing of it is kept
            return self._on.passwords.current
        return (
            self._on.passwords.hash_now(str(row.user.password))
            if row.weak is None
            else self._on.passwords.wrap_now(row.weak)
        )

    def _needs_password(self, known: Existing | None) -> bool:
        if known is None or self._options.on_conflict != "update":
            return known is None
        may_adopt = self._options.adopt and not (known.user.email_verified or known.user.email_asserted)
        return may_adopt or not known.has_password

    def _key(self, user: ImportedUser) -> str:
        return rules.email_key(user.email) if self._options.match == "email" else str(user.external_id)

    async def _write(
        self,
        tx: Tx,
        by: Principal,
        rows: list[UserRecord],
        prepared: list[Prepared | None],
        refusals: list[RefusedRecord],
        bytes_read: int,
    ) -> BatchResult:
        await _check_still_may(tx, by)
        done = await self._done(tx, by, rows, prepared)
        if self._options.dry_run:
            raise _Undone(done)
        step = self._step(rows, done, prepared, refusals)
        if self._runner is not None:
            await self._advance(tx, step, bytes_read)
        return step

    async def _advance(self, tx: Tx, step: BatchResult, bytes_read: int) -> None:
        assert self._runner is not None  # there is a job
        counts = self.counts.plus(step.counts)
        await imports.advance(tx, self._id, self._runner, bytes_read, counts, step.refusals)
        first = counts.reported - len(step.refusals)
        rows = [(first + at, self.raw(source)) for at, source in enumerate(step.rows) if source is not None]
        if rows and first < imports.MAX_REFUSALS:
            room = import_rows.MAX_SIZE - await import_rows.size(tx, self._id)
            pieces = import_rows.pieces(self._id, rows, room)
            await import_rows.add(tx, [(id, len(text), sealed(self._on.secret, id, text)) for id, text in pieces])

    async def _done(
        self, tx: Tx, by: Principal, rows: list[UserRecord], prepared: list[Prepared | None]
    ) -> BatchOutcomes:
        """Write the rows."""
        updates = self._options.on_conflict == "update"
        self._untold = []
        memberships = await Memberships.of(tx, by, [row.user for row in rows])
        outcomes = [_outcome(memberships, row.user) for row in rows]
        if not updates and None not in prepared:  # the database tells who exists
            new = [at for at, outcome in enumerate(outcomes) if outcome == "added"]
            await self._add(tx, by, prepared, new, outcomes)
            await self._add_rest(tx, by, rows, prepared, outcomes, memberships)
            return BatchOutcomes(outcomes, {})
        keys = [self._key(row.user) for row in rows]
        asked = [key for key, user in zip(keys, prepared, strict=True) if updates or user is None]
        if updates:
            await user_records.lock_owner(tx)
        existing = await dialect(tx).user_imports.existing(tx, self._options.match, asked) if asked else {}
        if updates:
            existing = await _with_unproven(tx, existing)
        new = []
        for at, key in enumerate(keys):
            known, user = existing.get(key), prepared[at]
            if isinstance(outcomes[at], ApiError):
                continue
            if known is None:
                if user is None:
                    raise _Raced
                new.append(at)
            elif updates:
                hash = None if user is None else user.password_hash
                outcomes[at] = await self._update(tx, by, rows[at], known, hash, memberships)
            else:
                outcomes[at] = self._conflict(EmailTaken() if self._options.match == "email" else ExternalIdTaken())
        await self._add(tx, by, prepared, new, outcomes)
        await self._add_rest(tx, by, rows, prepared, outcomes, memberships)
        await unlogged_changes.note_changed(tx, self._untold)
        return BatchOutcomes(outcomes, existing)

    async def _add(
        self, tx: Tx, by: Principal, prepared: list[Prepared | None], new: Sequence[int], outcomes: list[Outcome]
    ) -> None:
        """Add these, and note who could not be added."""
        to_add = [user for at in new if (user := prepared[at]) is not None]
        if not to_add:
            return
        for at, error in await dialect(tx).user_imports.add(tx, to_add, by.actor, self._options.match, self._tells):
            outcomes[new[at]] = self._conflict(error)
            if outcomes[new[at]] == "updated":
                raise _Raced

    async def _add_rest(
        self,
        tx: Tx,
        by: Principal,
        rows: list[UserRecord],
        prepared: list[Prepared | None],
        outcomes: list[Outcome],
        memberships: Memberships,
    ) -> None:
        """Add the authenticator apps of those who were added, and the groups of all."""
        factors = []
        for row, user, outcome in zip(rows, prepared, outcomes, strict=True):
            if outcome != "added" or user is None:
                continue
            memberships.note(user.new.id, row.user)
            if (totp := _totp_of(row.user)) is not None:
                factors.append(second_factors.imported(self._on.secret, user.new.id, totp))
        if factors:
            await factor_records.add_many(tx, factors)
        await memberships.write(tx, by)

    async def _add_factor(self, tx: Tx, by: Principal, user: User, totp: Totp) -> None:
        """Add the authenticator app of a user who existed, and had none."""
        factor = second_factors.imported(self._on.secret, user.id, totp)
        await second_factors.add(tx, factor)
        await second_factors.activated(tx, by, factor, is_first=True)

    @property
    def _tells(self) -> bool:
        return self._options.events == "each" and not self._options.dry_run

    def _conflict(self, error: ApiError) -> Outcome:
        """Outcome for a user who has something that another user has."""
        is_matched = isinstance(error, EmailTaken if self._options.match == "email" else ExternalIdTaken)
        if is_matched and self._options.on_conflict != "fail":
            return "skipped" if self._options.on_conflict == "skip" else "updated"
        return error

    async def _update(
        self, tx: Tx, by: Principal, row: UserRecord, known: Existing, hash: str | None, memberships: Memberships
    ) -> Outcome:
        user = known.user
        adopts = known.is_unproven and self._options.adopt
        sets_password = row.has_password and (adopts or not known.has_password)
        if sets_password and hash is None:
            raise _Raced
        totp = _totp_of(row.user)
        if totp is not None and not adopts and await second_factors.has(tx, user.id):
            totp = None
        try:
            may_touch(by, user.id, user.role)
            if user.id == by.user_id and rules.email_key(row.user.email) != rules.email_key(user.email):
                raise NotYourself("An import cannot change your own email. Change it in your account settings.")
            change = users.plan(by, user, _changes(row.user, known))
            await _check_free(tx, user, change.columns)
            if sets_password or totp is not None:
                user_kinds.check_person(user)
                may_grant(by, user.role)
            joins = await memberships.changes(tx, user.id, row.user)
            changes = bool(change.columns or sets_password or totp is not None or joins)
            # The user with the company's own ID is the one it means, but may still have given someone else's email.
            is_about_email = not change.columns.keys().isdisjoint(("email", "email_verified"))
            relies_on_email = changes and (self._options.match == "email" or is_about_email)
            if known.is_unproven and relies_on_email and not adopts:
                raise EmailUnproven()
            if adopts:
                user = await adoption.take_over(tx, by, user)
        except ApiError as problem:
            return problem
        if change.columns:
            is_told = self._tells or not SUMMED_UP.issuperset(change.columns)
            try:
                after = await users.apply(tx, by, user, change, is_told)
            except LastOwner as problem:
                return problem
            if not is_told:
                self._untold.append((after.seq, after.updated_at))
        if sets_password and hash is not None:
            await passwords.change(tx, by.actor, user.id, hash)
        if totp is not None:
            await self._add_factor(tx, by, user, totp)
        if joins:
            memberships.note(user.id, row.user)
        if changes and ("email" in change.columns or self._options.match == "email"):
            await user_records.assert_email(tx, user.id)
        return "updated" if changes or adopts else "unchanged"

    def _without_seen(self, outcomes: list[Outcome], prepared: list[Prepared | None]) -> list[Outcome]:
        """Return the outcomes, with what an earlier batch of a dry run would have changed."""
        assert self._seen is not None  # it is a dry run
        for at, user in enumerate(prepared):
            if outcomes[at] == "added" and user is not None:
                taken = self._seen.taken(user, self._options.match)
                if taken is not None:
                    outcomes[at] = self._conflict(taken)
        return outcomes

    # ---- telling

    def _step(
        self,
        rows: Sequence[UserRecord],
        done: BatchOutcomes,
        prepared: Sequence[Prepared | None],
        refusals: Sequence[RefusedRecord],
    ) -> BatchResult:
        """Combine outcomes into a step. Its report is in the order of the file."""
        each = list(zip(rows, done.outcomes, prepared, strict=True))
        refused = [
            *refusals,
            *(
                RefusedRecord(_refusal(row.line, outcome), row.source)
                for row, outcome, _ in each
                if isinstance(outcome, ApiError)
            ),
        ]
        left_out = [
            RefusedRecord(found, None)
            for row, outcome, user in each
            if row.left_out and (found := self._left_out(row, outcome, user, done))
        ]
        counted = Counter(outcome for outcome in done.outcomes if isinstance(outcome, str))
        weak = sum(self._is_weak(row, outcome, user, done) for row, outcome, user in each)
        records = len(rows) + len(refusals)
        counts = Counts(
            records=records,
            added=counted["added"],
            updated=counted["updated"],
            unchanged=counted["unchanged"],
            skipped=counted["skipped"],
            refused=len(refused),
            without_password=len(left_out),
            weak_hashes=weak,
        )
        report = sorted([*refused, *left_out], key=lambda found: found.refusal.line)
        return BatchResult(counts, [found.refusal for found in report], [found.source for found in report])

    def _is_weak(self, row: UserRecord, outcome: Outcome, user: Prepared | None, done: BatchOutcomes) -> bool:
        """Test whether a hash of the file was stored that is easy to guess at."""
        if user is None or not user.password_hash or user.password_hash.startswith(self._on.passwords.current):
            return False
        is_stored = outcome == "added" or (outcome == "updated" and not done.existing[self._key(row.user)].has_password)
        return is_stored and password_parameters.price(password_parameters.of(user.password_hash)).is_low

    def _left_out(
        self, row: UserRecord, outcome: Outcome, user: Prepared | None, done: BatchOutcomes
    ) -> Refusal | None:
        """The refusal of a password; None: they are not imported, or have a password."""
        id = None
        if outcome == "added" and user is not None:
            id = None if self._options.dry_run else user.new.id
        elif outcome in ("updated", "unchanged") and not (known := done.existing[self._key(row.user)]).has_password:
            id = known.user.id
        else:
            return None
        return Refusal(row.line, "password_hash", LEFT_OUT, str(row.left_out)[:MAX_REASON], id)


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
            raise InsufficientScope("The role or API key of whoever imports was changed meanwhile.")


async def _with_unproven(tx: Tx, existing: Mapping[str, Existing]) -> dict[str, Existing]:
    """The users, with who may not be who has their email."""
    asked = [each.user.id for each in existing.values() if not (each.user.email_verified or each.user.email_asserted)]
    unproven = await user_records.unproven(tx, asked) if asked else set()
    return {key: each._replace(is_unproven=each.user.id in unproven) for key, each in existing.items()}


def _changes(row: ImportedUser, known: Existing) -> Mapping[str, Any]:
    """Changes that the file makes to a user who exists. An older file invites no one a second time, and the metadata
    keeps keys that the file doesn't have. Raises InvalidParameter."""
    wanted = changes_of(row)
    if wanted.get("status") == "invited":
        del wanted["status"]
    for name in user_records.METADATA:
        has = getattr(known.user, name)
        if wanted.get(name, has) != has:
            try:
                wanted[name] = rules.with_keys(has, wanted[name])
            except ValueError as problem:
                refuse(name, f"with the keys that the user has already, {problem}")
    return users.with_status(wanted, known.user, known.has_password)


def _outcome(memberships: Memberships, user: ImportedUser) -> Outcome:
    """Outcome for a user as far as their groups decide it: added, unless one can't be created."""
    try:
        memberships.check(user)
    except GroupLimitReached as problem:
        return problem
    return "added"


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


def _check_times(user: ImportedUser) -> None:
    """Raises InvalidArguments for times in the future."""
    if user.created_at is user.updated_at is user.last_sign_in_at is UNSET:
        return
    now = clock.now()
    faults = [
        Fault(name, f"{name} is in the future: the time here is {clock.format_time(now)}.")
        for name in ("created_at", "updated_at", "last_sign_in_at")
        if isinstance(value := getattr(user, name), int) and value > now
    ]
    if faults:
        raise invalid(faults)


def _prepare(user: ImportedUser, hash: str | None) -> Prepared:
    """Prepare a user, with the hash of their password in the form in which it is stored."""
    return user_imports.prepare(
        _record(user), hash, user.id is not UNSET, _time(user.created_at), _time(user.updated_at)
    )


def _record(user: ImportedUser) -> User:
    """Record of a new user, apart from the password, `created_at` and `updated_at`."""
    fields = changes_of(user)
    fields.setdefault("name", user.new_name)
    new = user_records.new(**fields, email_asserted=1)
    if user.last_sign_in_at is user.id is UNSET:
        return new
    return new._replace(last_sign_in_at=_time(user.last_sign_in_at), id=new.id if user.id is UNSET else str(user.id))


def _totp_of(user: ImportedUser) -> Totp | None:
    """The secret of the user's authenticator app, if the file has one."""
    return read_totp(user.totp_secret) if isinstance(user.totp_secret, str) else None


def _time(given: int | None | UnsetType) -> int | None:
    return int(given) if isinstance(given, int) else None


def _refusal(line: int, problem: ApiError) -> Refusal:
    return Refusal(line, problem.param, problem.code, problem.full_message[:MAX_REASON])
