"""Hashes and verifies passwords with argon2id, off the event loop and at a low priority.

A hash takes about 20 ms of a core and `password_memory` of memory. `hashing_queue` decides which is computed when.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from unicodedata import normalize

from argon2 import Type
from argon2.exceptions import HashingError, VerificationError
from argon2.low_level import error_to_str, hash_secret

from rollbook.auth.hashing_queue import KNOWN, HashingQueue, Price, Waiter
from rollbook.auth.password_hashes import canonical, matches, of_nobody
from rollbook.config import Settings
from rollbook.cpu import available_cpus
from rollbook.records import password_parameters
from rollbook.records.rules import PASSWORD_LENGTH

MAX_MEMORY = 1_048_576
"""Maximum memory of an imported hash, in KiB (1 GiB)."""
MAX_TIME_COST = 20
"""Maximum passes of an imported argon2 hash."""
MAX_PARALLELISM = 16
"""Maximum lanes of an imported argon2 hash."""
MAX_COST = 4_194_304
"""Maximum cost of an imported hash, as `records/password_parameters` counts it: about 2 s of a core."""
MEBIBYTES = 256
"""Memory that a worker's hashes may take up at once."""

_SALT, _DIGEST = 16, 32  # bytes; RFC 9106 section 4
_UNKNOWN = (
    "The password hash is not in a format that Rollbook knows: argon2, bcrypt, scrypt, PBKDF2, phpass, SHA-crypt, MD5-crypt, SSHA, "
    "or Firebase's scrypt, complete with its salt and parameters."
)
_COST_PER_SECOND = 2_000_000  # `password_parameters.Parameters.cost` that a core gets done
_NO_MEMORY = error_to_str(-22)  # ARGON2_MEMORY_ALLOCATION_ERROR


class Passwords:
    """Hashes and verifies passwords. Threads start with the first password, so it can be created before a fork."""

    def __init__(self, settings: Settings) -> None:
        self._memory, self._time_cost, self._lanes = (
            settings.password_memory,
            settings.password_time_cost,
            settings.password_parallelism,
        )
        self._start = f"$argon2id$v=19$m={self._memory},t={self._time_cost},p={self._lanes}$"
        threads = settings.password_threads or max(1, available_cpus() // settings.workers)
        self.queue = HashingQueue(threads, settings.password_queue, MEBIBYTES)

    async def hash(self, password: str) -> str:
        """The argon2id string to store. Raises Overloaded if too many are waiting, or there is too little memory."""
        return await self.queue.run(lambda: self.hash_now(password), _price([self._start]))

    async def verify(self, hash: str | None, password: str, in_use: Sequence[str] = (), waiter: Waiter = KNOWN) -> bool:
        """Whether the password matches, with the parameters in the hash. Raises Overloaded if too many are waiting, or there is too little
        memory.

        `in_use` are the parameters that other users' hashes have. Unless the password matches, one hash is computed with each of them and
        with the current ones, so that timing reveals neither whether the user exists nor how old their hash is: not for an invalid hash or
        None either, which match no password. (A hash with none of these parameters takes its own time besides.)
        """
        price = _price({self._start, *in_use, *([hash] if hash else [])})
        return await self.queue.run(lambda: self.verify_now(hash, password, in_use), price, waiter)

    def hash_now(self, password: str) -> str:
        """Like `hash`, in this thread: for commands. ValueError if the password can't be encoded, MemoryError if there is too little."""
        salt, secret = secrets.token_bytes(_SALT), _encoded(password)
        with _memory_errors():
            return hash_secret(secret, salt, self._time_cost, self._memory, self._lanes, _DIGEST, Type.ID).decode()

    def verify_now(self, hash: str | None, password: str, in_use: Sequence[str] = ()) -> bool:
        """Like `verify`, in this thread."""
        spellings = _spellings(password)
        known = canonical(hash) if hash else None
        left = dict.fromkeys((self._start, *in_use))
        if known is not None and spellings:
            with _memory_errors():
                if any(matches(known, each) for each in spellings):
                    return True
            left.pop(password_parameters.of(known), None)
        for parameters in left:
            for each in spellings or [b""]:
                with suppress(VerificationError, ValueError), _memory_errors():
                    matches(of_nobody(parameters), each)
        return False

    def needs_renewal(self, hash: str) -> bool:
        """Whether the hash has other than the current parameters. Renew it while the password is available: at a successful sign-in."""
        return not hash.startswith(self._start)

    @property
    def current(self) -> str:
        """The parameters of new hashes, as `records/password_parameters` has them."""
        return self._start


def _price(parameters: Iterable[str]) -> Price:
    """Of one hash after the other with each of these."""
    found = {each for each in map(password_parameters.read, parameters) if each is not None}
    seconds = sum(each.cost for each in found) / _COST_PER_SECOND
    return Price(seconds, max((_mebibytes(each.text) for each in found), default=0))


@lru_cache(maxsize=64)
def _mebibytes(parameters: str) -> float:
    numbers = _numbers(parameters)
    if "scrypt" in parameters:  # RFC 7914 section 2: 128 * r * (N + p) bytes
        return numbers["r"] * ((1 << numbers["ln"]) + numbers["p"]) / 8192
    return numbers.get("m", 0) / 1024


def _numbers(parameters: str) -> dict[str, int]:
    return {name: int(number) for name, number in re.findall(r"([a-z]+)=([0-9]+)", parameters)}


@contextmanager
def _memory_errors() -> Iterator[None]:
    """MemoryError for what argon2 raises instead."""
    try:
        yield
    except (HashingError, VerificationError) as problem:
        if str(problem) == _NO_MEMORY:
            raise MemoryError(_NO_MEMORY) from None
        raise


def check_hash(text: str) -> str:
    """The form in which an imported hash is stored. ValueError, with a sentence that does not quote it, unless it is complete and of bounded
    cost: every sign-in with it costs the server what it says, at most about 2 s of a core and 1 GiB."""
    hash = canonical(text)
    if hash is None:
        raise ValueError(_UNKNOWN)
    found = password_parameters.read(hash)
    if found is None or found.cost > MAX_COST or _needs_too_much(found.text):
        raise ValueError(
            "The password hash is too expensive to verify: at most about 2 seconds of a core, 1 GiB of memory, and for argon2 "
            f"t={MAX_TIME_COST} and p={MAX_PARALLELISM}."
        )
    return hash


@lru_cache(maxsize=64)  # an import asks for the same again and again
def _needs_too_much(parameters: str) -> bool:
    """Memory, passes or lanes beyond the maximum, though the product may be small."""
    if _mebibytes(parameters) * 1024 > MAX_MEMORY:
        return True
    numbers = _numbers(parameters)
    return "scrypt" not in parameters and (numbers.get("t", 0) > MAX_TIME_COST or numbers.get("p", 0) > MAX_PARALLELISM)


def _spellings(password: str) -> list[bytes]:
    """What a hash may be of: the password in the form in which passwords are hashed here, and as it was typed, for hashes of other systems.
    Nothing if no hash can be of it."""
    try:
        return list(dict.fromkeys((_encoded(password), password.encode())))
    except ValueError:
        return []


def _encoded(password: str) -> bytes:
    """NFKC, so that a password typed on another keyboard or system is the same (NIST SP 800-63B-4 section 3.1.1.2)."""
    if len(password) > PASSWORD_LENGTH:  # can't be a stored password, and normalizing very long text can take quadratic time
        raise ValueError("The password is too long.")
    try:
        return normalize("NFKC", password).encode()
    except UnicodeEncodeError:
        raise ValueError("The password contains a lone surrogate.") from None  # Python's own message would quote it
