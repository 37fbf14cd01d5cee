"""Refreshes of sessions. A refresh token works once, but browsers send several requests with it at the same time, to
all threads and processes of an application."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from .. import errors
from ..types import SessionTokens

_REMEMBERED = 10
"""Seconds for which a token may be sent again. After that, someone may have a copy of it."""
_PATIENCE = 5


class Refreshes:
    """Refreshes each session once.

    Args:
        send: Refreshes a session, by its refresh token and an `Idempotency-Key`.
    """

    def __init__(self, send: Callable[[str, str], SessionTokens]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._results: dict[str, tuple[float, Future[SessionTokens]]] = {}

    def refresh(self, token: str) -> SessionTokens:
        """The next tokens. One thread asks for them, and those beside it get the same."""
        now = time.monotonic()
        with self._lock:
            for old in [old for old, (until, _) in self._results.items() if until < now]:
                del self._results[old]
            is_first = token not in self._results
            _, result = self._results.setdefault(token, (now + _REMEMBERED, Future()))
        if is_first:
            try:
                result.set_result(self._ask(token, now + _PATIENCE))
            except BaseException as error:
                if not isinstance(error, errors.SessionEnded):
                    with self._lock:
                        self._results.pop(token, None)
                result.set_exception(error)
        return result.result()

    def _ask(self, token: str, deadline: float) -> SessionTokens:
        key = _key_of_this_machine(token)
        while True:
            try:
                return self._send(token, key)
            except errors.IdempotencyStillRunning:  # another process has just asked
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def _key_of_this_machine(token: str) -> str:
    """The `Idempotency-Key` with which each process of this machine refreshes with this token, so that Rollbook gives
    all of them the same response. It is random, of no use without the token and the API key, and forgotten after some
    seconds.

    It is the target of a link: links are created with their content, by one process only.
    """
    new = os.urandom(16).hex()
    with suppress(OSError, AttributeError):  # without such a folder, processes don't share
        folder = Path(tempfile.gettempdir()) / f"rollbook-client-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if status.st_uid != os.getuid() or status.st_mode & 0o170077 != 0o040000:
            return new  # another user of the machine created it, or may write to it
        for old in folder.iterdir():
            with suppress(FileNotFoundError):  # another process was quicker
                if old.lstat().st_mtime < time.time() - _REMEMBERED:
                    old.unlink()
        link = folder / hashlib.sha256(token.encode()).hexdigest()
        with suppress(FileExistsError):
            link.symlink_to(new)
        return os.readlink(link)
    return new
