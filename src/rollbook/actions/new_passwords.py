"""The rule for new passwords, the same however they come: a call, a form, a link, an import or the first start."""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rollbook.actions.checking import invalid, new_password
from rollbook.auth import breached_passwords
from rollbook.config import PRODUCT, ConfigurationError, Settings
from rollbook.errors import Fault

if TYPE_CHECKING:
    from rollbook.actions.context import Rollbook

_BREACHED = "The password was found in a data breach. Choose another one."

logger = logging.getLogger("rollbook.passwords")


def check_settings(settings: Settings) -> None:
    """Check that the file of breached passwords can be used. Raises ConfigurationError."""
    if path := settings.breached_passwords:
        try:
            breached_passwords.check(path)
        except (OSError, breached_passwords.NoHashes) as problem:
            raise ConfigurationError(f"breached_passwords: {path} can't be used: {_reason(problem)}.") from None


async def check(on: Rollbook, password: str, *, email: str, name: str) -> None:
    """Check a new password of this user. Raises InvalidParameter."""
    if on.settings.breached_passwords:  # on a disk that may be slow
        await asyncio.to_thread(check_now, on.settings, password, email=email, name=name)
    else:
        check_now(on.settings, password, email=email, name=name)


def check_now(settings: Settings, password: str, *, email: str, name: str) -> None:
    """The same in this thread: for commands and imports."""
    try:
        accept(settings, password, email=email, name=name)
    except ValueError as problem:
        raise invalid([Fault("password", str(problem))]) from None


def accept(settings: Settings, password: str, *, email: str, name: str) -> str:
    """A password that this user may choose. ValueError, with a sentence that doesn't repeat it, for others."""
    new_password(password, settings.password_min_length, email=email, name=name, words=_words(settings))
    if settings.breached_passwords and _is_breached(settings.breached_passwords, password):
        raise ValueError(_BREACHED)
    return password


def _is_breached(path: str, password: str) -> bool:
    """Test whether the password is in the breach file. If the file can't be read, the other rules have to do: users
    must be able to leave a password that is known."""
    try:
        return breached_passwords.holds(path, password)
    except (OSError, breached_passwords.NoHashes) as problem:
        logger.warning("breached passwords not checked", extra={"reason": _reason(problem)})
        return False


def _reason(problem: Exception) -> str:
    return str(problem.strerror if isinstance(problem, OSError) else problem)


@cache
def _words(settings: Settings) -> tuple[str, ...]:
    """Words that everybody knows about the server: the product, the application's name, the labels of its host without
    the last one, and the words of the setting."""
    host = urlsplit(settings.public_url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        labels = host.split(".")
        return (*_names(settings), *(labels[:-1] or labels), *settings.password_words)
    return (*_names(settings), *settings.password_words)


def _names(settings: Settings) -> tuple[str, ...]:
    return (PRODUCT, *({settings.brand_name} - {PRODUCT}))
