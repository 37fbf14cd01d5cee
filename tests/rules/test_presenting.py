"""What is shown of a record follows its annotations."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec

from rollbook import clock
from rollbook.records.presenting import Flag, Hidden, Json, OrNull, Shown, Time, Words, presenter


class Thing(NamedTuple):
    seq: Hidden[int]
    id: str
    owner: OrNull
    tags: Words
    others: Words | None
    is_open: Flag
    data: Json
    made_at: Time
    ended_at: Time | None
    took: Annotated[int, Shown("{0} // 1000", "took_ms")]
    start: Annotated[str, Shown("record.masked", "masked")]
    sealed: Annotated[bytes | None, Shown("names_in(record)")]
    note: str | None = None

    @property
    def masked(self) -> str:
        return f"{self.start}…"


def names_in(thing: Thing) -> list[str]:
    return [] if thing.sealed is None else thing.sealed.decode().split(",")


def test_each_annotation_has_its_form_and_the_order_is_that_of_the_record() -> None:
    show = presenter(Thing)
    at = 1_700_000_000 * clock.SECOND
    full = show(Thing(7, "thing_1", "user_1", "a b", "c", 1, '{"a":[1]}', at, at, 1999, "rbk_", b"x,y", "hello"))
    assert msgspec.json.encode(full) == (
        b'{"id":"thing_1","owner":"user_1","tags":["a","b"],"others":["c"],"is_open":true,"data":{"a":[1]},'
        b'"made_at":"2023-11-14T22:13:20Z","ended_at":"2023-11-14T22:13:20Z","took_ms":1,"masked":"rbk_\xe2\x80\xa6","sealed":["x","y"],"note":"hello"}'
    )
    empty = show(Thing(7, "thing_1", "", "", None, 0, "{}", at, None, 0, "", None))
    assert (empty["owner"], empty["tags"], empty["others"], empty["is_open"], empty["ended_at"]) == (
        None,
        [],
        None,
        False,
        None,
    )
    assert (empty["sealed"], empty["note"], "seq" in empty) == ([], None, False)
