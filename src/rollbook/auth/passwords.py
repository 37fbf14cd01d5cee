"""Hashes and verifies passwords with argon2id, off the event loop and at the lowest priority.

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
from base64 import b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar
from unicodedata import normalize

from argon2 import Type
from argon2.exceptions import VerificationError, VerifyMismatchError
from argon2.low_level import hash_secret, verify_secret

from rollbook.config import Settings
from rollbook.cpu import available_cpus
from rollbook.errors import Overloaded
from rollbook.records import password_parameters
from rollbook.records.rules import PASSWORD_LENGTH

MAX_MEMORY = 1_048_576
"""Maximum memory of an imported hash, in KiB (1 GiB)."""
MAX_TIME_COST = 20
"""Maximum passes of an imported hash."""
MAX_WORK = 4_194_304
"""Maximum KiB times passes of an imported hash: about 2 s of a core."""
MAX_PARALLELISM = 16
"""Maximum lanes of an imported hash."""

T = TypeVar("T")

_SALT, _DIGEST = 16, 32  # bytes; RFC 9106 section 4
# Unpadded base64 in the canonical form that the library requires: the unused bits of the last character are zero.
_BASE64 = "((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048])?)"
# The format of the reference implementation; without `v=` it is version 1.0.
_FORM = re.compile(
    rf"\$argon2(?:id|i|d)(?:\$v=(?:16|19))?\$m=([1-9]\d{{0,9}}),t=([1-9]\d{{0,9}}),p=([1-9]\d{{0,7}})\${_BASE64}\${_BASE64}"
).fullmatch
_TYPES = {"argon2id": Type.ID, "argon2i": Type.I, "argon2d": Type.D}
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
        # A salt and digest that match no password.
        self._nobodys = f"{_base64(secrets.token_bytes(_SALT))}${_base64(secrets.token_bytes(_DIGEST))}"
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
        try:
            secret = _encoded(password)
        except ValueError:
            hash, secret = None, b""
        left = dict.fromkeys((self._start, *in_use))
        if hash is not None and _parse(hash) is not None:
            if _matches(hash, secret):
                return True
            left.pop(password_parameters.of(hash), None)
        for parameters in left:
            with suppress(VerificationError):  # there may not be enough memory
                _matches(parameters + self._nobodys, secret)
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


def check_hash(text: str) -> None:
    """ValueError unless this is a complete argon2 string (argon2id, argon2i, argon2d) of bounded cost.

    For imported hashes: each sign-in costs the server what the string says. At most 1 GiB, 20 passes and 4 GiB written in total.
    """
    form = _parse(text)
    if form is None:
        raise ValueError(
            "The password hash is not a complete argon2 string, such as $argon2id$v=19$m=19456,t=2,p=1$<salt>$<digest>."
        )
    memory, passes, lanes = int(form[1]), int(form[2]), int(form[3])
    if memory > MAX_MEMORY or passes > MAX_TIME_COST or memory * passes > MAX_WORK or lanes > MAX_PARALLELISM:
        raise ValueError(
            f"The password hash is too expensive to verify: at most m={MAX_MEMORY}, t={MAX_TIME_COST}, p={MAX_PARALLELISM} "
            f"and m times t {MAX_WORK}."
        )


def _parse(text: str) -> re.Match[str] | None:
    """The parts of an argon2 string that the library accepts: memory, passes, lanes, salt, digest."""
    form = _FORM(text)
    if form is None or int(form[1]) < 8 * int(form[3]):
        return None
    # At least 8 bytes of salt (RFC 9106 section 3.1) and 16 of digest: other passwords would match a shorter one.
    salt, digest = len(form[4]) * 3 // 4, len(form[5]) * 3 // 4
    return form if 8 <= salt <= 64 and 16 <= digest <= 64 else None


def _matches(hash: str, secret: bytes) -> bool:
    try:
        return verify_secret(hash.encode(), secret, _TYPES[hash.split("$")[1]])
    except VerifyMismatchError:
        return False


def _base64(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")


def _encoded(password: str) -> bytes:
    """NFKC, so that a password typed on another keyboard or system is the same (NIST SP 800-63B-4 section 3.1.1.2)."""
    if len(password) > PASSWORD_LENGTH:  # can't be a stored password, and normalizing very long text can take quadratic time
        raise ValueError("The password is too long.")
    try:
        return normalize("NFKC", password).encode()
    except UnicodeEncodeError:
        raise ValueError("The password contains a lone surrogate.") from None  # Python's own message would quote it


def _step_back() -> None:
    """Give this thread the lowest priority, so that reads keep their speed.

    On Linux each thread has its own priority. Elsewhere this would lower that of the whole process.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
