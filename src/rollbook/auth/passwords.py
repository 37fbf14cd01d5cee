"""Hashes and verifies passwords with argon2id, off the event loop and at a low priority.

A hash takes about 20 ms of a core and `password_memory` of memory. `hashing_queue` decides which is computed when.

Passwords that were in a breach, looked up in a file of their SHA-1 hashes as Pwned Passwords provides it: a line
`HASH:COUNT` each, sorted by hash. It has tens of gigabytes: a look-up reads it in 25 places.

Stand-in parameters for accounts that have no hash: a wrong password is computed with those that some account might
have.

A keyed digest of the email chooses one of the sets of parameters in use, each as often as accounts have it. So an
unknown account takes as long as one of the known ones, always the same, and a guess costs one hash.

It changes its set as the known ones do. An account that came with an old hash keeps it until it is renewed to today's
parameters: so the digest gives an email one of the sets as they once were, and today's in its place once as large a
part of that set has been renewed.
"""

from __future__ import annotations

import math
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha1
from unicodedata import normalize

from argon2 import Type
from argon2.exceptions import HashingError, VerificationError
from argon2.low_level import error_to_str, hash_secret

from rollbook.auth.hashing_queue import KNOWN, HashingQueue, Waiter
from rollbook.auth.password_hashes import canonical, is_ours, matches, of_nobody, why_unknown, wrapped
from rollbook.auth.server_secret import Secret
from rollbook.config import Settings
from rollbook.machine import available_cpus, available_memory
from rollbook.records import password_parameters, rules
from rollbook.records.password_parameters import Frequency, Price

_DRAWN = 7  # bytes of a digest that are drawn as a number: a float holds all their bits


def choose(secret: Secret, email_key: str, today: int, old: Mapping[str, tuple[int, int]]) -> str | None:
    """One of these old sets of parameters, None for today's. Each has the number of users that have it, and that had it
    at most; `today` is the number of those with today's."""
    renewed = sum(most - users for users, most in old.values())
    share = (
        min(1.0, today / renewed) if renewed else 1.0
    )  # the others of the renewed ones are gone, and so is their part
    homes: dict[str | None, float] = {
        parameters: users + share * (most - users) for parameters, (users, most) in old.items()
    }
    homes[None] = today - share * renewed

    def drawn(text: str) -> float:
        """From 0 (not included) to 1."""
        number = int.from_bytes(secret.mac("stand-ins", f"{email_key} {text}".encode())[:_DRAWN])
        return (number + 1) / (1 << 8 * _DRAWN)

    # A weighted rendezvous: exponential variables with the numbers as their rates. The chance to be the least is the
    # share of the sum, and where one set grows, emails move to that one only.
    home = min(
        (home for home in homes if homes[home] > 0),
        key=lambda home: -math.log(drawn(f"home {home}")) / homes[home],
        default=None,
    )
    return home if home is not None and drawn("renewed") <= old[home][0] / homes[home] else None


MAX_PARALLELISM = 16
"""Maximum lanes of an imported argon2 hash: each is a thread."""
MAX_SECONDS = 1.0
"""Upper bound of the cost of checking a password that is tried in two spellings."""
SHARE = 4
"""The part of the memory that hashes may take up by default: a quarter."""

_SALT, _DIGEST = 16, 32  # bytes; RFC 9106 section 4
_DEFAULTS = Settings()
_LANES = re.compile(r"\$(?:argon2[id]+|wrapped-[a-z0-9]+)\$.*,p=([0-9]+)\$").match
_NO_MEMORY = error_to_str(-22)  # ARGON2_MEMORY_ALLOCATION_ERROR


class Passwords:
    """Hashes and verifies passwords. Threads start with the first password, so it can be created before a fork."""

    def __init__(self, settings: Settings) -> None:
        self._memory, self._time_cost, self._lanes = (
            settings.password_memory,
            settings.password_time_cost,
            settings.password_parallelism,
        )
        self._most_seconds = settings.imported_hash_seconds
        self._most_memory = max(settings.imported_hash_memory, -(-self._memory // 1024))
        self._start = f"$argon2id$v=19$m={self._memory},t={self._time_cost},p={self._lanes}$"
        threads = settings.password_threads or max(1, available_cpus() // settings.workers)
        # At least the most expensive one and a sign-in beside it.
        least = self._most_memory + _price(self._start).mebibytes
        memory = settings.password_memory_budget or max(least, available_memory() // SHARE // settings.workers)
        self.queue = HashingQueue(threads, settings.password_queue, memory)

    async def hash(self, password: str, waiter: Waiter = KNOWN) -> str:
        """The argon2id string to store. Raises Overloaded if too many are waiting, or there is too little memory."""
        return await self.queue.run(lambda: self.hash_now(password), _price(self._start), waiter)

    async def verify(self, hash: str | None, password: str, stand_in: str = "", waiter: Waiter = KNOWN) -> bool:
        """Test whether the password matches, with the parameters in the hash. Raises Overloaded if too many are
        waiting, or there is too little memory.

        An invalid hash, one that needs more memory than it may, or None matches no password, and takes as long as one
        with the parameters `stand_in`, or the current ones.
        """
        compared = self._compared(hash, stand_in)
        seconds, mebibytes = _price(compared)
        price = Price(seconds * max(1, len(_spellings(compared, password))), mebibytes)
        return await self.queue.run(lambda: self.verify_now(hash, password, stand_in), price, waiter)

    def hash_now(self, password: str) -> str:
        """Like `hash`, in this thread: for commands. ValueError if the password can't be encoded, MemoryError if there
        is too little."""
        salt, secret = secrets.token_bytes(_SALT), _encoded(password)
        with _memory_errors():
            return hash_secret(secret, salt, self._time_cost, self._memory, self._lanes, _DIGEST, Type.ID).decode()

    def wrap_now(self, hash: str) -> str:
        """A hash of a weak family as it is stored: see `password_hashes.wrapped`."""
        with _memory_errors():
            return wrapped(hash, self._memory, self._time_cost, self._lanes)

    def verify_now(self, hash: str | None, password: str, stand_in: str = "") -> bool:
        """Like `verify`, in this thread."""
        compared = self._compared(hash, stand_in)
        spellings = _spellings(compared, password)
        with _memory_errors():
            is_match = any(matches(compared, spelling) for spelling in spellings or [b""])
        return is_match and bool(spellings) and self._usable(hash) is not None

    def stand_in(self, secret: Secret, email_key: str, in_use: Mapping[str, Frequency]) -> str:
        """The parameters that an account takes its time from that has no hash: one of those in use that are within the
        bounds for imported hashes, or the current ones."""
        old = {}
        for parameters, frequency in in_use.items():
            price = password_parameters.price(parameters)
            if price.seconds <= self._most_seconds and price.mebibytes <= self._most_memory:
                users = frequency.users if frequency.counted_at else max(1, frequency.users)
                old[parameters] = users, max(users, frequency.most)
        today, _ = old.pop(self._start, (1, 1))
        return choose(secret, email_key, today, old) or self._start

    def _usable(self, hash: str | None) -> str | None:
        """The hash in its stored form, unless it needs more memory than it may: a server that is killed serves
        no one."""
        standard = canonical(hash) if hash else None
        if standard is None or _price(standard).mebibytes > self._most_memory:
            return None
        return standard

    def _compared(self, hash: str | None, stand_in: str) -> str:
        """The hash that a password is compared with: that of no one for an account without one."""
        return self._usable(hash) or of_nobody(stand_in or self._start)

    def needs_renewal(self, hash: str) -> bool:
        """Test whether the hash has other than the current parameters. Renew it while the password is available: at a
        successful sign-in."""
        return not hash.startswith(self._start)

    @property
    def current(self) -> str:
        """The parameters of new hashes, as `records/password_parameters` has them."""
        return self._start


def _price(hash: str) -> Price:
    return password_parameters.price(password_parameters.of(hash))


def _spellings(hash: str, password: str) -> list[bytes]:
    """Spellings that the hash may be of: the password in the form in which passwords are hashed here, and as it was
    typed, for hashes of other systems. The likelier one alone if both together would cost too much; nothing if no hash
    can be of it."""
    try:
        both = [_encoded(password), password.encode()]
    except ValueError:
        return []
    if not is_ours(hash):
        both.reverse()
    return list(dict.fromkeys(both))[: 2 if 2 * _price(hash).seconds <= MAX_SECONDS else 1]


@contextmanager
def _memory_errors() -> Iterator[None]:
    """MemoryError for what argon2 raises instead."""
    try:
        yield
    except (HashingError, VerificationError) as problem:
        if str(problem) == _NO_MEMORY:
            raise MemoryError(_NO_MEMORY) from None
        raise


def check_hash(text: str, settings: Settings = _DEFAULTS) -> str:
    """The form in which an imported hash is stored. ValueError, with a sentence that does not quote it, unless it is
    complete (UnknownHash) and costs no more than imported hashes may: a stranger's wrong password costs the server what
    it says."""
    hash = canonical(text)
    if hash is None:
        raise why_unknown(text)
    parameters = password_parameters.of(hash)
    if (
        problem := _too_expensive(parameters, settings.imported_hash_seconds, settings.imported_hash_memory)
    ) is not None:
        raise ValueError(problem)
    return hash


@lru_cache(maxsize=1024)
def _too_expensive(parameters: str, seconds: float, memory: int) -> str | None:
    """The reason for which hashes with these parameters cost more than imported ones may. Nearly all of a file have the
    same."""
    price = password_parameters.price(parameters)
    lanes = int(match[1]) if (match := _LANES(parameters)) else 1
    if price.seconds <= seconds and price.mebibytes <= memory and lanes <= MAX_PARALLELISM:
        return None
    return (
        f"The password hash is too expensive to verify: about {price.seconds:.2g} s of a core and "
        f"{price.mebibytes:,} MiB. At most {seconds:g} s, {memory:,} MiB and, of argon2, {MAX_PARALLELISM} lanes are "
        "accepted."
    )


def _encoded(password: str) -> bytes:
    """NFKC, so that a password typed on another keyboard or system is the same (NIST SP 800-63B-4 section 3.1.1.2)."""
    normalized = rules.normalized_password(password)
    try:
        return normalized.encode()
    except UnicodeEncodeError:
        raise ValueError("The password contains a lone surrogate.") from None  # Python's own message would quote it


_LINE = re.compile(rb"[0-9A-F]{40}(?::\d+)?\r?", re.IGNORECASE).fullmatch
_DIGITS = 40
_LONGEST_LINE = 128
_BLOCK = 4096
"""Bytes that are read as they are, once the search has come down to them."""
_SAMPLES = 1000


class NoHashes(ValueError):
    """Not a sorted file of hashes. The message says where, and doesn't quote it."""


def holds(path: str, password: str) -> bool:
    """Test whether the file has the hash of this password, as sent or in NFKC. Raises OSError, NoHashes."""
    file = os.open(path, os.O_RDONLY)
    try:
        return any(_has(file, spelling) for spelling in {password, normalize("NFKC", password)})
    finally:
        os.close(file)


def check(path: str) -> int:
    """About how many hashes the file has. It is read in a thousand places. Raises OSError, NoHashes."""
    file = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(file).st_size
        line = os.pread(file, _LONGEST_LINE, 0).partition(b"\n")[0]
        if not _LINE(line):
            raise NoHashes("line 1 is no SHA-1 hash, such as 00000…:17")
        last = line[:_DIGITS].upper()
        for at in range(size // _SAMPLES, size - _LONGEST_LINE, max(_LONGEST_LINE, size // _SAMPLES)):
            start, digest = _line_after(file, at)
            if digest <= last:
                raise NoHashes(f"it isn't sorted by hash before byte {start:,}")
            last = digest
        return round(size / (len(line) + 1))
    finally:
        os.close(file)


def _has(file: int, password: str) -> bool:
    target = sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
    low, high = 0, os.fstat(file).st_size  # where lines begin
    while high - low > _BLOCK:
        start, digest = _line_after(file, (low + high) // 2)
        if digest <= target:
            low = start
        else:
            high = start
    block = b"\n" + os.pread(file, high - low + _LONGEST_LINE, low).upper()
    return b"\n" + target in block


def _line_after(file: int, at: int) -> tuple[int, bytes]:
    """Return where the next line begins, and its hash."""
    text = os.pread(file, 2 * _LONGEST_LINE, at)
    start = text.find(b"\n") + 1
    line = text[start:].partition(b"\n")[0]
    if not start or not _LINE(line):
        raise NoHashes(f"there is no SHA-1 hash after byte {at:,}")
    return at + start, line[:_DIGITS].upper()
