"""The log of events: one line for each, whole, without secrets, whatever it is given."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.config import Settings
from rollbook.observe import lines, log
from rollbook.observe.lines import masked

KEY = "rbk_" + "aB3" * 12 + "xy"
HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$R2Vvcmdl+/x"
logger = logging.getLogger("rollbook.test")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    names = ("rollbook", "asyncio")
    before = [(each.handlers[:], each.level, each.propagate) for each in map(logging.getLogger, names)]
    yield
    for name, (handlers, level, propagate) in zip(names, before, strict=True):
        each = logging.getLogger(name)
        each.handlers[:], each.level, each.propagate = handlers, level, propagate


def configured(form: Any, level: Any = "info") -> io.StringIO:
    stream = io.StringIO()
    log.configure(Settings(log=form, log_level=level), stream)
    return stream


def only_line(stream: io.StringIO) -> dict[str, object]:
    (line,) = stream.getvalue().splitlines()
    return msgspec.json.decode(line)  # type: ignore[no-any-return]


def test_an_event_is_one_json_line_with_its_fields() -> None:
    stream = configured("json")
    logger.warning("worker %s died", 2, extra={"signal": 9, "level": "mine"})
    line = only_line(stream)
    assert str(line.pop("time")).endswith("Z")
    assert line == {
        "level": "warning",
        "event": "worker 2 died",
        "logger": "rollbook.test",
        "signal": 9,
        "level_": "mine",
    }


def test_an_exception_is_one_field() -> None:
    stream = configured("json")
    try:
        raise ValueError(f"bad {KEY}\nlevel=info forged")
    except ValueError:
        logger.exception("request failed", extra={"request_id": "req_1"})
    line = only_line(stream)
    assert str(line["exception"]).startswith("Traceback") and "ValueError: bad ***" in str(line["exception"])
    assert KEY not in stream.getvalue()


hostile = st.sampled_from([KEY, HASH, "\x1b[2J", "\x9b", "\u202e", "\ud800", "\r\n"])
messages = st.lists(st.one_of(st.text(max_size=30), hostile), max_size=4).map("".join)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=20), messages),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=20), inner, max_size=3)),
    max_leaves=6,
)


@given(message=messages, value=values, form=st.sampled_from(["json", "pretty"]))
def test_no_value_forges_a_line_moves_a_terminal_or_shows_a_secret(message: str, value: object, form: str) -> None:
    stream = configured(form)
    logger.info("%s", message, extra={"value": value, "object": object(), "where": {KEY: [HASH]}})
    text = stream.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n")
    assert KEY not in text and HASH not in text
    assert not [each for each in text[:-1] if ord(each) < 32 or 127 <= ord(each) < 160 or each == "\u202e"]
    text.encode()
    if form == "json":
        assert only_line(stream)["level"] == "info"


def test_a_broken_call_of_the_logger_is_an_event_of_its_own_and_shows_no_argument(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = configured("json")
    logger.info("%d users", KEY)
    line = only_line(stream)
    assert line["event"] == "event could not be logged" and str(line["where"]).startswith("test_log.py:")
    assert KEY not in stream.getvalue() + capsys.readouterr().err


def test_a_stream_that_is_closed_costs_the_event_only() -> None:
    stream = configured("json")
    stream.close()
    logger.error("nobody hears this")


def test_pretty_indents_a_traceback_so_that_no_line_of_it_passes_for_an_event() -> None:
    stream = configured("pretty")
    try:
        raise ValueError("first\n10:00:00.000 INFO    forged\x1b[2J")
    except ValueError:
        logger.exception("request failed")
    first, *rest = stream.getvalue().splitlines()
    assert "ERROR   request failed" in first
    assert rest and all(line.startswith("    | ") for line in rest)
    assert "\x1b" not in stream.getvalue()


def test_auto_is_pretty_for_a_terminal_and_json_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines.form("auto", Terminal()) == "pretty" and lines.form("auto", io.StringIO()) == "json"
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    log.configure(Settings(), stream)
    logger.warning("careful")
    assert "\x1b[33mWARNING" in stream.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    log.configure(Settings(), stream)
    logger.warning("careful")
    assert "\x1b" not in stream.getvalue() and "WARNING careful" in stream.getvalue()


def test_none_writes_nothing_and_the_level_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    stream = configured("none")
    logger.error("silence")
    assert stream.getvalue() == "" and capsys.readouterr().err == ""
    stream = configured("json", level="warning")
    logger.info("too little")
    assert stream.getvalue() == ""


def test_a_task_whose_exception_nobody_fetched_is_logged_like_ours() -> None:
    stream = configured("json")

    async def failing() -> None:
        raise ValueError(KEY)

    async def main() -> None:
        task = asyncio.ensure_future(failing())
        await asyncio.sleep(0)
        del task

    asyncio.run(main())
    line = only_line(stream)
    assert line["logger"] == "asyncio" and line["level"] == "error"
    assert KEY not in stream.getvalue()


def test_the_mask_leaves_ids_and_shown_parts_of_keys_alone() -> None:
    text = "user_06ck3v8sn5p7p0m4q2h1t9d6bg key_06ck3v8sn5p7p0m4q2h1t9d6bg rbk_ab12…wxyz"
    assert masked(text) == text
    assert masked(f"<{KEY}> {KEY}x {HASH};") == "<***> *** ***;"
    assert masked(KEY.replace("rbk", "rbo")) == "***", "a client secret"
