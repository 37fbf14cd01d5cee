"""Hashes and verifies passwords with argon2id, off the event loop and at a low priority.

A hash takes about 20 ms of a core and `password_memory` of memory. At most `password_threads` run at once in a worker, so a server needs
workers x threads x memory (19 MiB by default) for them.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from typing import TypeVar
from unicodedata import normalize

from argon2 import Type
from argon2.exceptions import VerificationError
from argon2.low_level import hash_secret

from rollbook.auth.password_hashes import canonical, matches, of_nobody
from rollbook.config import Settings
from rollbook.cpu import available_cpus
from rollbook.errors import Overloaded
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
NICENESS = 10
"""What threads that hash add to their nice value: the kernel then gives them a tenth of a core that others want too, which reads hardly
notice. With 19 they got a sixtieth, and a sign-in beside busy programs took seconds (decision 6)."""

T = TypeVar("T")

_SALT, _DIGEST = 16, 32  # bytes; RFC 9106 section 4
_UNKNOWN = (
    "The password hash is not in a format that Rollbook knows: argon2, bcrypt, scrypt, PBKDF2, phpass, SHA-crypt, MD5-crypt, SSHA, "
    "or Firebase's scrypt, complete with its salt and parameters."
)
_KIB_PER_SECOND = 2_000_000  # rough speed of a core, until a hash has been measured


class Passwords:
    """Hashes and verifies passwords. Threads start with the first password, so it can be created before a fork."""

    def __init__(self, settings: Settings) -> None:
        self._memory, self._time_cost, self._lanes = (
            settings.password_memory,
            settings.password_time_cost,
            settings.password_parallelism,
        )
        self._start = f"$argon2id$v=19$m={self._memory},t={self._time_cost},p={self._lanes}$"
        self._threads = settings.password_threads or max(1, available_cpus() // settings.workers)
        self._pool = ThreadPoolExecutor(self._threads, "password", initializer=_step_back)
        self._queue = settings.password_queue
        self._lock = threading.Lock()
        self._jobs = 0  # running and waiting
        self.done = 0  # hashed or verified so far
        self.refused = 0  # refused so far because too many were waiting
        self._seconds = self._memory * self._time_cost / _KIB_PER_SECOND  # moving average of one hash

    @property
    def waiting(self) -> int:
        """Passwords waiting for a thread."""
        return max(0, self._jobs - self._threads)

    async def hash(self, password: str) -> str:
        """The argon2id string to store. Raises Overloaded if too many are waiting."""
        return await self._aside(self.hash_now, password)

    async def verify(self, hash: str | None, password: str, in_use: Sequence[str] = ()) -> bool:
        """Whether the password matches, with the parameters in the hash. Raises Overloaded if too many are waiting.

        `in_use` are the parameters that other users' hashes have. Unless the password matches, one hash is computed with each of them and
        with the current ones, so that timing reveals neither whether the user exists nor how old their hash is: not for an invalid hash or
        None either, which match no password. (A hash with none of these parameters takes its own time besides.)
        """
        return await self._aside(self.verify_now, hash, password, in_use)

    def hash_now(self, password: str) -> str:
        """Like `hash`, in this thread: for commands. ValueError if the password can't be encoded."""
        return hash_secret(
            _encoded(password), secrets.token_bytes(_SALT), self._time_cost, self._memory, self._lanes, _DIGEST, Type.ID
        ).decode()  # fmt: skip

    def verify_now(self, hash: str | None, password: str, in_use: Sequence[str] = ()) -> bool:
        """Like `verify`, in this thread."""
        spellings = _spellings(password)
        known = canonical(hash) if hash else None
        left = dict.fromkeys((self._start, *in_use))
        if known is not None and spellings:
            if any(matches(known, each) for each in spellings):
                return True
            left.pop(password_parameters.of(known), None)
        for parameters in left:
            for each in spellings or [b""]:
                with suppress(VerificationError, MemoryError, ValueError):  # there may not be enough memory
                    matches(of_nobody(parameters), each)
        return False

    def needs_renewal(self, hash: str) -> bool:
        """Whether the hash has other than the current parameters. Renew it while the password is available: at a successful sign-in."""
        return not hash.startswith(self._start)

    def close(self) -> None:
        """Finish running hashes and drop the waiting ones, whose callers get CancelledError."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def current(self) -> str:
        """The parameters of new hashes, as `records/password_parameters` has them."""
        return self._start

    async def _aside(self, work: Callable[..., T], *values: str | Sequence[str] | None) -> T:
        with self._lock:
            if self._jobs >= self._threads + self._queue:
                self.refused += 1
                raise Overloaded(retry_after=max(1, math.ceil(self._jobs / self._threads * self._seconds)))
            self._jobs += 1
        try:
            job = self._pool.submit(self._timed, work, *values)
        except BaseException:
            self._ended()
            raise
        job.add_done_callback(self._ended)
        # A plain future: the caller may be a coroutine that runs without a task.
        return await asyncio.wrap_future(job)

    def _timed(self, work: Callable[..., T], *values: str | Sequence[str] | None) -> T:
        begun = time.perf_counter()
        try:
            return work(*values)
        finally:
            self._seconds += (time.perf_counter() - begun - self._seconds) / 8

    def _ended(self, job: Future[T] | None = None) -> None:
        # Called once for every job, including dropped ones, from any thread.
        with self._lock:
            self._jobs -= 1
            self.done += 1


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
    numbers = {name: int(number) for name, number in re.findall(r"([a-z]+)=([0-9]+)", parameters)}
    if "scrypt" in parameters:  # RFC 7914 section 2: 128 * r * (N + p) bytes
        return numbers["r"] * ((1 << numbers["ln"]) + numbers["p"]) > 8 * MAX_MEMORY
    return (
        numbers.get("m", 0) > MAX_MEMORY or numbers.get("t", 0) > MAX_TIME_COST or numbers.get("p", 0) > MAX_PARALLELISM
    )  # fmt: skip


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


def _step_back() -> None:
    """Give this thread a low priority, so that reads keep their speed.

    On Linux each thread has its own priority. Elsewhere this would lower that of the whole process.
    """
    if sys.platform == "linux":
        os.nice(NICENESS)
