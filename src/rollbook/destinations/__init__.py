"""Writes users as other systems import them: a file for each, with `START` and `END` of the file, a function `convert`
from a user as Rollbook exports them, and a function `password` from a hash to what the system takes, if it knows the
family."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import import_module

import msgspec

from rollbook.destinations import hashes

SYSTEMS = {"keycloak": "Keycloak", "auth0": "Auth0", "kratos": "Ory Kratos"}

_encode = msgspec.json.Encoder().encode


class ExportWriter:
    """Makes the file of another system from the lines of an export, and counts what can't come along."""

    def __init__(self, system: str) -> None:
        self._name, self._system = SYSTEMS[system], import_module(f"{__name__}.{system}")
        self.users = self._without = 0
        self._unknown: Counter[str] = Counter()

    def parts(self, export: Iterable[bytes]) -> Iterator[bytes]:
        yield self._system.START
        rest = b""
        for part in export:
            *lines, rest = (rest + part).split(b"\n")
            if lines:
                yield (b",\n" if self.users else b"") + b",\n".join([self._user(line) for line in lines])
        yield self._system.END

    def left_out(self, with_hashes: bool) -> list[str]:
        """Sentences for whoever moves."""
        found = []
        if self._unknown:
            forms = ", ".join(f"${name}$ {count:,}" for name, count in self._unknown.most_common())
            found.append(f"Passwords that {self._name} can't check: {self._unknown.total():,} ({forms}).")
        if self._without:
            why = "have no password" if with_hashes else "are without their password, since --with-hashes is missing"
            found.append(f"Users who {why}: {self._without:,}.")
        more = "second factors, passkeys, API keys, sessions, and when users last changed and signed in"
        return [*found, f"Not in the file: {more}."]

    def _user(self, line: bytes) -> bytes:
        user = msgspec.json.decode(line)
        self.users += 1
        password = None
        if (text := user.get("password_hash")) is None:
            self._without += 1
        else:
            hash = hashes.read(text)
            password = self._system.password(hash)
            if password is None:
                self._unknown[hash.name] += 1
        return _encode(self._system.convert(user, password))
