"""Reads users to import from lines of JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, NamedTuple

import msgspec
from msgspec import UNSET

from rollbook.actions import imports
from rollbook.actions.arguments import ImportedUser
from rollbook.actions.checking import check, field_hook
from rollbook.actions.context import Rollbook
from rollbook.actions.imports import BATCH, Prepared
from rollbook.actions.principal import Principal
from rollbook.api.parsing import read_object
from rollbook.cpu import available_cpus
from rollbook.errors import ApiError

MAX_LINE = 65_536  # bytes: the largest body of a request that creates a user
MAX_PASSWORDS = 200
"""Of one batch: hashing them takes some seconds, after which what is done is written and seen."""


class Batch(NamedTuple):
    """Users to add together."""

    users: list[Prepared]
    lines: list[int]
    """The number of each user's line."""
    refused: list[tuple[int, str]]
    """The numbers of lines that hold no user, and why."""
    bytes: int
    """Of the source, so far."""


def batches(on: Rollbook, by: Principal, source: BinaryIO) -> Iterator[Batch]:
    """The source, in constant memory. Lines are checked by the rules of `actions/imports`, passwords hashed on all CPUs."""
    parse = _parser(on)
    number = size = 0
    line = b"\n"
    with ThreadPoolExecutor(available_cpus()) as pool:
        while line:
            users: list[tuple[ImportedUser, Future[str] | None]] = []
            lines: list[int] = []
            refused: list[tuple[int, str]] = []
            hashing = 0
            while len(users) + len(refused) < BATCH and hashing < MAX_PASSWORDS and (line := source.readline(MAX_LINE)):
                number += 1
                size += len(line)
                if len(line) == MAX_LINE and line[-1:] != b"\n":
                    size += _skip_line(source)
                    refused.append((number, f"The line is longer than {MAX_LINE:,} bytes."))
                    continue
                if line.isspace():
                    continue
                try:
                    user = parse(line)
                    imports.check(on, by, user)
                except ApiError as problem:
                    refused.append((number, problem.full_message))
                    continue
                hash = None
                if user.password is not UNSET:
                    hashing += 1
                    hash = pool.submit(on.passwords.hash_now, user.password)
                users.append((user, hash))
                lines.append(number)
            # No name holds the batch while the next one is read.
            yield Batch(
                [imports.prepare(user, None if hash is None else hash.result()) for user, hash in users], lines, refused, size
            )


def _skip_line(source: BinaryIO) -> int:
    skipped = 0
    while part := source.readline(MAX_LINE):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped


def _parser(on: Rollbook) -> Callable[[bytes], ImportedUser]:
    """A function from a line to its user. It raises ApiError."""
    min_length = on.settings.password_min_length
    decode = msgspec.json.Decoder(ImportedUser, dec_hook=field_hook(min_length)).decode

    def parse(line: bytes) -> ImportedUser:
        try:
            if b"\\u0000" in line:
                raise ValueError
            return decode(line)
        except (msgspec.DecodeError, ValueError, RecursionError):
            # Again, as the API reads bodies: slowly, and with words for everything that is wrong.
            return check(ImportedUser, read_object(line.strip(), None, None), min_length)

    return parse
