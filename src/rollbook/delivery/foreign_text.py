"""Text that strangers choose: as mails may show it (names of users, API keys and browsers), it leads nowhere, neither
as a link, into which mail programs turn what looks like one, nor as a telephone number; in sentences, such as what an
endpoint answered, it is one line of visible characters of a bounded length."""

from __future__ import annotations

import html
import re
from typing import Any
from unicodedata import category, normalize

import msgspec
from msgspec import Struct

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


# ---- in sentences

MAX_VALUE = 100
"""Characters of a name or another value in a sentence."""

MAX_ANSWER = 160
"""Characters of what an endpoint answered."""

_title = re.compile(r"<title[^<>]*>([^<]*)", re.IGNORECASE).search


class _Problem(Struct):
    """Fields in which an error is explained: RFC 9457, and what is usual besides."""

    error: Any = None
    message: Any = None
    detail: Any = None
    title: Any = None


_read = msgspec.json.Decoder(_Problem).decode


def plain(value: Any, most: int = MAX_VALUE) -> str:
    """No control, no invisible and no direction-changing characters. Empty if it is not text."""
    if not isinstance(value, str):
        return ""
    text = value[: 4 * most]
    if not text.isprintable():
        text = "".join([char if char.isprintable() else " " if char.isspace() else "" for char in text])
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def answer(body: str, type: str | None) -> str:
    """The message in the body of an answer: that of a JSON object, the title of an HTML page, or its beginning."""
    if "html" in (type or "").lower():
        title = _title(body)
        return plain(html.unescape(title[1]), MAX_ANSWER) if title else ""
    try:
        problem = _read(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return plain(body, MAX_ANSWER)
    error = problem.error
    nested = error.get("message") if isinstance(error, dict) else error
    texts = (plain(text, MAX_ANSWER) for text in (nested, problem.message, problem.detail, problem.title, body))
    return next(filter(None, texts), "")
