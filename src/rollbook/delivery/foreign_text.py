"""Text that strangers choose (names of users, API keys and browsers) as mails may show it: it leads nowhere, neither as
a link, into which mail programs turn what looks like one, nor as a telephone number."""

from __future__ import annotations

import re
from unicodedata import category, normalize

MAX_LENGTH = 64
MAX_DIGITS = 6
"""Digits in all. A telephone number that can be called from elsewhere has more."""
_JOINERS = "\u200c\u200d"
"""The invisible characters that names of some scripts, and emoji, need."""
# Full stops and middle dots of all scripts; NFKC has made "." of the wide ones and of U+2024.
_DOT = "[.\u00b7\u0589\u06d4\u0701\u0702\u2022\u2027\u2219\u22c5\u2e31\u2e33\u3002\ua4f8\ua60e]"
_LEADS_SOMEWHERE = re.compile(
    rf"[/:@\\]|{_DOT}\w{{2}}|{_DOT}{_DOT}|%[0-9a-f]|&#|&\w+;|\bwww\b|\bhttps?\b|\bxn--", re.IGNORECASE
).search


def harmless(text: str) -> str:
    """The text on one line; empty if it could lead somewhere, or is longer than MAX_LENGTH."""
    visible = "".join(char for char in normalize("NFKC", text) if category(char) != "Cf" or char in _JOINERS)
    line = " ".join(visible.split())
    bare = line.translate(dict.fromkeys(map(ord, _JOINERS)))
    if len(line) > MAX_LENGTH or _LEADS_SOMEWHERE(bare) or sum(map(str.isdigit, bare)) > MAX_DIGITS:
        return ""
    return line
