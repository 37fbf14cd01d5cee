"""Loads a file of users. One process reads and checks the lines, this one writes: each has a core to itself where there are two."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import UNSET, Struct, UnsetType

from rollbook.actions import arguments
from rollbook.actions.checking import check, field_hook
from rollbook.actions.principal import CLI
from rollbook.actions.users import record
from rollbook.api.parsing import read_object
from rollbook.auth.passwords import Passwords, check_hash
from rollbook.cli.output import Failure
from rollbook.config import Settings
from rollbook.cpu import available_cpus
from rollbook.errors import ApiError, EmailTaken, ExternalIdTaken
from rollbook.first_start import open_database
from rollbook.records import imports, rules
from rollbook.records.imports import BATCH, Prepared
from rollbook.records.users import NewUser
from rollbook.storage.database import Database, Duplicate

STDIN = Path("-")
# Passwords of one batch: some seconds of hashing, so that what is done is written and seen.
MOST_PASSWORDS = 200
# How often a batch is retried because someone else took one of its emails at the same moment.
MOST_RACES = 20
LONGEST_LINE = 65_536  # bytes: the largest body of a call that creates a user


class Line(arguments.NewUser):
    """A user to load: `password`, or `password_hash`, an argon2 string; null for a user that cannot sign in yet."""

    password_hash: str | None | UnsetType = UNSET


class Batch(Struct, array_like=True):
    """What the reading process hands over: users, the numbers of their lines, and lines that are none, with the reason."""

    users: list[Prepared]
    lines: list[int]
    faults: list[tuple[int, str]]
    bytes: int
    """Of the file, so far."""


class Summary(Struct):
    """What came of it."""

    added: int = 0
    refused: int = 0
    seconds: float = 0.0


def load(
    settings: Settings,
    file: Path,
    summary: Summary,
    refuse: Callable[[int, str], None],
    progress: Callable[[int], None],
) -> None:
    """Add the users of a file (`-`: standard input), counting in `summary`; `refuse(line, reason)` hears of each that could not be.

    What was added stays when it ends early. `progress(bytes)` is called after each transaction. Raises Failure, DatabaseUnusable.
    """
    began = time.perf_counter()
    # Rows by the million, none of which refers to itself: looking for such garbage among them is a tenth of the work, for nothing.
    gc.disable()
    with _reading(settings, file) as batches:
        db = open_database(settings)
        try:
            for batch in batches:
                with _uninterrupted():
                    taken = _add(db, batch.users) if batch.users else []
                    summary.added += len(batch.users) - len(taken)
                refused = [*batch.faults, *[(batch.lines[at], problem.message) for at, problem in taken]]
                for line, reason in sorted(refused):
                    refuse(line, reason)
                summary.refused += len(refused)
                summary.seconds = time.perf_counter() - began
                progress(batch.bytes)
        finally:
            db.close()


def _add(db: Database, users: list[Prepared]) -> list[tuple[int, EmailTaken | ExternalIdTaken]]:
    for _ in range(MOST_RACES):
        with suppress(Duplicate):
            return db.write_now(imports.add_many, users, CLI.actor)
    raise Failure("Others add the same users at this moment. The users added so far stay; run the command again.")


def index(settings: Settings, progress: Callable[[int], None]) -> None:
    """Bring what was loaded into the search index. Searches are exact without it, and slow; a running server would do it too, in time."""
    db = open_database(settings)
    try:
        done = 0
        while (notes := db.write_now(imports.index)) > 0:
            done += notes
            progress(done)
            if notes < BATCH:
                break
    finally:
        db.close()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits for the end of this block, so that what was written is counted."""
    asked = False

    def note(number: int, frame: object) -> None:
        nonlocal asked
        asked = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt


@contextmanager
def _reading(settings: Settings, file: Path) -> Iterator[Iterator[Batch]]:
    """The file's batches, made in a process of their own."""
    source = _open(file)
    # Forked: the file may be a pipe, and nothing runs here yet that a fork could tear apart.
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    reader = context.Process(target=_read, args=(settings, source, ours, theirs), daemon=True)
    reader.start()
    theirs.close()
    decode = msgspec.msgpack.Decoder(Batch).decode

    def batches() -> Iterator[Batch]:
        while True:
            try:
                message = ours.recv_bytes()
            except EOFError:
                raise Failure(
                    "The process that reads the file ended early. The users added so far stay; run the command again."
                ) from None
            if not message:
                return
            yield decode(message)

    try:
        yield batches()
    finally:
        ours.close()
        reader.terminate()
        reader.join()


def _open(file: Path) -> BinaryIO:
    # A descriptor of its own: multiprocessing closes standard input in the processes it starts.
    return open(os.dup(0) if file == STDIN else file, "rb", buffering=1 << 20)


def _read(settings: Settings, source: BinaryIO, not_ours: Connection, output: Connection) -> None:
    """The reading process: lines in, batches out, an empty message at the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the writing process hears it too, and ends this one
    not_ours.close()
    encode = msgspec.msgpack.Encoder().encode
    try:
        for message in map(encode, _batches(settings, source)):
            output.send_bytes(message)
        output.send_bytes(b"")
    except BrokenPipeError:
        return


def _batches(settings: Settings, source: BinaryIO) -> Iterator[Batch]:
    parse = _parser(settings)
    passwords = Passwords(settings)
    number = size = 0
    with ThreadPoolExecutor(available_cpus()) as pool:
        ended = False
        while not ended:
            found: list[tuple[int, NewUser, Future[str] | None]] = []
            faults: list[tuple[int, str]] = []
            hashing = 0
            while len(found) + len(faults) < BATCH and hashing < MOST_PASSWORDS:
                line = source.readline(LONGEST_LINE)
                if not line:
                    ended = True
                    break
                number += 1
                size += len(line)
                if len(line) == LONGEST_LINE and line[-1:] != b"\n":
                    size += _skip_line(source)
                    faults.append((number, f"The line is longer than {LONGEST_LINE:,} bytes."))
                    continue
                if line.isspace():
                    continue
                try:
                    user, password = parse(line)
                except ApiError as problem:
                    faults.append(
                        (number, " ".join(fault.message for fault in problem.faults) if problem.faults else problem.message)
                    )
                    continue
                hash = None
                if password is not None:
                    hashing += 1
                    hash = pool.submit(passwords.hash_now, password)
                found.append((number, user, hash))
            # No name holds the batch while the next one is read.
            yield Batch(
                [
                    imports.prepare(user if hash is None else user._replace(password_hash=hash.result()))
                    for _, user, hash in found
                ],
                [line for line, _, _ in found],
                faults,
                size,
            )


def _skip_line(source: BinaryIO) -> int:
    skipped = 0
    while part := source.readline(LONGEST_LINE):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped


def _parser(settings: Settings) -> Callable[[bytes], tuple[NewUser, str | None]]:
    """A function from a line to its user and the password that is still to be hashed. It raises ApiError."""
    decode = msgspec.json.Decoder(Line, dec_hook=field_hook(settings.password_min_length)).decode

    def parse(line: bytes) -> tuple[NewUser, str | None]:
        try:
            if b"\\u0000" in line:
                raise ValueError
            found = decode(line)
        except (msgspec.DecodeError, ValueError, RecursionError):
            # Once more, as the API reads bodies: slowly, and with words for all that is wrong.
            found = check(Line, read_object(line.strip(), None, None), settings.password_min_length)
        password, hash = found.password, found.password_hash
        if (password is UNSET) == (hash is UNSET):
            raise _refused("Give either password or password_hash.")
        try:
            if password is not UNSET:
                rules.password(password, settings.password_min_length, email=found.email, name=found.name)
            elif isinstance(hash, str):
                check_hash(hash)
        except ValueError as problem:
            raise _refused(str(problem)) from None
        return record(found, None if hash is UNSET else hash), None if password is UNSET else password

    return parse


def _refused(sentence: str) -> ApiError:
    return ApiError(sentence)
