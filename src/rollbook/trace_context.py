"""Distributed trace that a request belongs to: the header `traceparent` of W3C Trace Context
(https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

import re
from typing import NamedTuple

# Section 3.2: version, trace ID, parent ID, flags. Later versions may append more. No ID is all zeros, and no version
# ff.
_FORM = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL
).fullmatch
SAMPLED, RANDOM = 1, 2
"""The flags that have a meaning (level 2, section 2.2.5)."""


class Trace(NamedTuple):
    id: str
    """32 hexadecimal digits."""
    span: str
    """16 hexadecimal digits: the caller's span, or ours where spans are exported."""
    flags: int
    parent: str = ""
    """The caller's span, where `span` is ours."""

    @property
    def line(self) -> bytes:
        """The header line of the response."""
        return f"traceparent: 00-{self.id}-{self.span}-{self.flags:02x}\r\n".encode("ascii")


def parse(header: bytes) -> Trace | None:
    """The trace; None for a header that is not valid, which is to be ignored."""
    parts = _FORM(header)
    if parts is None or (parts[1] == b"00" and parts[5] is not None):
        return None
    return Trace(parts[2].decode("ascii"), parts[3].decode("ascii"), int(parts[4], 16) & (SAMPLED | RANDOM))
