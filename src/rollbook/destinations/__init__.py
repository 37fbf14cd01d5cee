"""Writes users as other systems import them: a file for each, with `START` and `END` of the file, a function `convert`
from a user as Rollbook exports them, and a function `password` from a hash to what the system takes, if it knows the
family."""

from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import NamedTuple

import msgspec

SYSTEMS = {"keycloak": "Keycloak", "auth0": "Auth0", "kratos": "Ory Kratos"}

_encode = msgspec.json.Encoder().encode
_NAME = re.compile(r"[${]([^$}]+)")
_NUMBER = re.compile(r"([a-z]+)=([0-9]+)")


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
        lines = []
        if self._unknown:
            forms = ", ".join(f"${name}$ {count:,}" for name, count in self._unknown.most_common())
            lines.append(f"Passwords that {self._name} can't check: {self._unknown.total():,} ({forms}).")
        if self._without:
            why = "have no password" if with_hashes else "are without their password, since --with-hashes is missing"
            lines.append(f"Users who {why}: {self._without:,}.")
        more = "second factors, passkeys, API keys, sessions, and when users last changed and signed in"
        return [*lines, f"Not in the file: {more}."]

    def _user(self, line: bytes) -> bytes:
        user = msgspec.json.decode(line)
        self.users += 1
        password = None
        if (text := user.get("password_hash")) is None:
            self._without += 1
        else:
            hash = read_hash(text)
            password = self._system.password(hash)
            if password is None:
                self._unknown[hash.name] += 1
        return _encode(self._system.convert(user, password))


class Hash(NamedTuple):
    """The stored form of a password hash, taken apart."""

    text: str
    name: str
    """Name of its family (`auth/password_hashes.FAMILIES`)."""
    numbers: dict[str, int]
    """The parameters, by their names in the text. Salt and digest are padded base64, where the family has that."""
    salt: str
    digest: str

    @property
    def size(self) -> int:
        """Bytes of the digest."""
        return len(b64decode(self.digest))


def read_hash(text: str) -> Hash:
    parts = text.split("$")
    salt, digest = [part + "=" * (-len(part) % 4) for part in parts[-2:]] if len(parts) > 3 else ("", "")
    match = _NAME.match(text)
    numbers = {name: int(number) for name, number in _NUMBER.findall(",".join(parts[2:-2]))}
    return Hash(text, match[1] if match else "", numbers, salt, digest)
