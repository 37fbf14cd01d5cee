"""Takes the stored form of a password hash apart."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import NamedTuple

_NAME = re.compile(r"[${]([^$}]+)")
_NUMBER = re.compile(r"([a-z]+)=([0-9]+)")


class Hash(NamedTuple):
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


def read(text: str) -> Hash:
    parts = text.split("$")
    salt, digest = [each + "=" * (-len(each) % 4) for each in parts[-2:]] if len(parts) > 3 else ("", "")
    found = _NAME.match(text)
    numbers = {name: int(number) for name, number in _NUMBER.findall(",".join(parts[2:-2]))}
    return Hash(text, found[1] if found else "", numbers, salt, digest)
