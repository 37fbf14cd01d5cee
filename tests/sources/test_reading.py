"""Files of users, read record by record: what is one, what is refused and why, and what can't be read at all."""

from __future__ import annotations

import gzip
import io
import json
import sys
from typing import Any

import pytest

from rollbook.actions.arguments import ImportOptions
from rollbook.errors import InvalidParameter
from rollbook.sources.reading import Reading, Record

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def read(data: bytes, *, skip: int = 0, **options: Any) -> list[Record]:
    return list(Reading(io.BytesIO(data), ImportOptions(**options), 8, skip))


def ndjson(*users: Any) -> bytes:
    return b"".join(json.dumps(user).encode() + b"\n" for user in users)


def user(number: int, **fields: Any) -> dict[str, Any]:
    return {"name": f"Person {number}", "email": f"p{number}@example.com", **fields}


def emails(records: list[Record]) -> list[str | None]:
    return [str(record.user.email) if record.user else None for record in records]


def test_a_refused_line_says_where_and_why_and_the_others_are_read() -> None:
    data = (
        b'\n{"name": "A", "email": "a@example.com"}\n \n{"name": "B", "email": "b"}\nnonsense\n{"name": "'
        + b"x" * 70_000
        + b'"}\n'
    )
    records = read(data + ndjson(user(1)))
    assert emails(records) == ["a@example.com", None, None, None, "p1@example.com"]
    assert [record.line for record in records] == [2, 4, 5, 6, 7]
    refusals = [record.refusal for record in records if record.refusal]
    assert [(each.line, each.field, each.code) for each in refusals] == [
        (4, "email", "invalid_parameter"),
        (5, None, "invalid_json"),
        (6, None, "invalid_json"),
    ]
    assert "longer than 65,536 bytes" in refusals[2].reason


def test_a_reason_repeats_no_password() -> None:
    (record,) = read(ndjson(user(1, password="password1", password_hash=7)))
    assert record.refusal
    assert "password1" not in record.refusal.reason


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_compressed_files_are_recognized_and_progress_counts_their_own_bytes(pack: Any) -> None:
    packed = pack(ndjson(user(1))) + pack(ndjson(user(2)))
    reading = Reading(io.BytesIO(packed), ImportOptions(), 8)
    assert emails(list(reading)) == ["p1@example.com", "p2@example.com"]
    assert reading.bytes_read == len(packed)
    with pytest.raises(InvalidParameter, match="ends early"):
        read(packed[:-3])


def test_a_file_that_is_packed_to_keep_a_server_busy_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="more than 250 times its size"):
        read(zstd.compress(b" " * (80 << 20)))


def test_what_was_read_before_is_passed_over() -> None:
    data = b"nonsense\n\n" + ndjson(user(1), user(2))
    assert read(data, skip=2) == read(data)[2:]
