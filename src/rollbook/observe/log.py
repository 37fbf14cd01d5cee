"""The server log: JSON lines for programs or colored lines for people.

    logger = logging.getLogger("rollbook.http")
    logger.warning("worker died", extra={"worker": 2, "signal": 9})

writes `{"time":"…","level":"warning","event":"worker died","logger":"rollbook.http","worker":2,"signal":9}`.
Events are few and are written at once, by the caller: the last words of a dying process must not sit in a buffer.
Requests are many: `access.py`. `docs/decisions/0004-logging.md` says why this is the standard library.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, TextIO

import msgspec

from rollbook.config import Settings
from rollbook.observe.lines import DIM, form, paint, safe_json, safe_text, stamp

_OURS = "rollbook"
# Libraries whose messages operators must see, such as an exception in a task that is never awaited.
_OTHERS = ("asyncio", "opentelemetry")
# The end of a traceback says what happened; a deep one would drown the line.
_TRACEBACK_CHARACTERS = 16_384

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_RESERVED = ("time", "level", "event", "logger", "exception")
_COLORS = {"debug": DIM, "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}
_encoder = msgspec.json.Encoder(enc_hook=repr)


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send events of the logger `rollbook` (and warnings of asyncio) to a stream, standard error by default.

    May be called again; the last call counts.
    """
    stream = sys.stderr if stream is None else stream
    chosen = form(settings.log, stream)
    level = logging.getLevelName(settings.log_level.upper())
    handler = logging.NullHandler() if chosen == "none" else _Lines(stream, chosen)
    for name in (_OURS, *_OTHERS):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(level if name == _OURS else max(level, logging.WARNING))


class _Lines(logging.Handler):
    """Writes each event in one call, so that lines of several processes stay whole. Never raises, and never lets the
    standard library print a record it could not write: that would go around the mask."""

    def __init__(self, stream: TextIO, form: str) -> None:
        super().__init__()
        self._stream = stream
        self._pretty = form == "pretty"
        self._color = stream.isatty() and "NO_COLOR" not in os.environ

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields = _fields(record)
        except Exception as problem:
            # A broken call of the logger, such as arguments that do not fit the message.
            where = f"{record.filename}:{record.lineno}"
            fields = _head(record, "event could not be logged") | {"problem": type(problem).__name__, "where": where}
        line = _pretty(fields, self._color) if self._pretty else _json(fields)
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # The reader of the stream is gone, or the stream is closed. There is nowhere left to say so.
            return


def _head(record: logging.LogRecord, event: str) -> dict[str, Any]:
    return {"time": stamp(record.created), "level": record.levelname.lower(), "event": event, "logger": record.name}


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = _head(record, record.getMessage())
    for name, value in vars(record).items():
        if name not in _STANDARD:
            fields[f"{name}_" if name in _RESERVED else name] = value
    if record.exc_info and record.exc_info[0] is not None:
        text = logging.Formatter().formatException(record.exc_info)
        fields["exception"] = text[-_TRACEBACK_CHARACTERS:]
    return fields


def _json(fields: dict[str, Any]) -> str:
    try:
        text = _encoder.encode(fields).decode()
    except Exception:
        # A lone surrogate, a cycle, a key or a repr that fails: every value as text, in characters that UTF-8 has.
        text = _encoder.encode({_text(name): _text(value) for name, value in fields.items()}).decode()
    return safe_json(text)


def _pretty(fields: dict[str, Any], color: bool) -> str:
    """`10:00:00.123 WARNING worker died  worker=2 signal=9`; below it a traceback, indented so that its lines are not
    read as events."""
    time, level, event, _, *rest = fields.items()
    label = paint(f"{level[1].upper():<7}", _COLORS.get(level[1], ""), color)
    line = f"{paint(time[1][11:-1], DIM, color)} {label} {safe_text(_text(event[1]))}"
    more = [
        f"{paint(f'{safe_text(name)}=', DIM, color)}{safe_text(_text(value))}"
        for name, value in rest
        if name != "exception"
    ]
    if more:
        line += f"  {' '.join(more)}"
    for part in fields.get("exception", "").splitlines():
        line += f"\n    {paint('|', DIM, color)} {safe_text(part)}"
    return line


def _text(value: object) -> str:
    try:
        return str(value).encode("utf-8", "backslashreplace").decode()
    except Exception:
        return f"<{type(value).__name__}>"
