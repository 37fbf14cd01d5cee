"""Strangers' text in a sentence: one line of visible characters, of a bounded length."""

from __future__ import annotations

import html
import re
from typing import Any

import msgspec
from msgspec import Struct

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
        text = "".join([each if each.isprintable() else " " if each.isspace() else "" for each in text])
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def answer(body: str, type: str | None) -> str:
    """The message in the body of an answer: that of a JSON object, the title of an HTML page, or its beginning."""
    if "html" in (type or "").lower():
        found = _title(body)
        return plain(html.unescape(found[1]), MAX_ANSWER) if found else ""
    try:
        problem = _read(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return plain(body, MAX_ANSWER)
    error = problem.error
    nested = error.get("message") if isinstance(error, dict) else error
    texts = (plain(each, MAX_ANSWER) for each in (nested, problem.message, problem.detail, problem.title, body))
    return next(filter(None, texts), "")
