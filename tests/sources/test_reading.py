"""Files of users, read record by record: what is one, what is refused and why, and what can't be read at all."""

from __future__ import annotations

import gzip
import io
import json
import sys
import traceback
from contextlib import suppress
from itertools import islice
from typing import Any

import msgspec
import pytest

from rollbook.actions.arguments.imports import ColumnMapping, FileRecord, ImportOptions
from rollbook.api import files
from rollbook.errors import InvalidParameter
from rollbook.sources import arrays, unpacking
from rollbook.sources.reading import Broken, Reading, preview
from tests.grids import grid

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def read(data: bytes, *, skip: int = 0, **options: Any) -> list[FileRecord]:
    return list(Reading(io.BytesIO(data), ImportOptions(**options), 8, skip))


def ndjson(*users: Any) -> bytes:
    return b"".join(json.dumps(user).encode() + b"\n" for user in users)


def user(number: int, **fields: Any) -> dict[str, Any]:
    return {"name": f"Person {number}", "email": f"p{number}@example.com", **fields}


def emails(records: list[FileRecord]) -> list[str | None]:
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
        (6, None, "invalid_record"),
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


def test_a_refused_row_is_given_back_as_it_was() -> None:
    """Also with cells over several lines, with what ends a line elsewhere, and with what spreadsheets need."""
    rows = [["no", "A\nB\u2028C\x0bD", "NULL"], ["no", "=1+1", ""], ["no", "'=1", ' "x", '], ["no", "-2"]]
    for name in ("plan", "problem"):
        data = files.write_rows([["email", "name", name], *rows], ";")
        reading = Reading(io.BytesIO(data), ImportOptions(mapping=ColumnMapping(f'{{"{name}": null}}')), 8)
        width = 2 if name == "problem" else 3
        assert [reading.raw(record.source) for record in reading] == [row[:width] for row in rows]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_progress_is_that_of_the_records_and_not_of_the_buffers_that_hold_them(codec: str, packed: bool) -> None:
    """All of such a file is read at once, long before its first record is done."""
    people = [user(number, metadata={"key": f"{number * 7919 % 10_007:x}" * 8}) for number in range(2_000)]
    table = "name,email\n" + "".join(f"{each['name']},{each['email']}\n" for each in people)
    for text in (ndjson(*people).decode(), json.dumps(people), table):
        data = gzip.compress(text.encode(codec)) if packed else text.encode(codec)
        reading = Reading(io.BytesIO(data), ImportOptions(), 8)
        records = iter(reading)
        assert reading.bytes_read < len(data) * 0.1
        assert len(list(islice(records, 1_000))) == 1_000
        assert len(data) * 0.4 < reading.bytes_read < len(data) * (0.9 if packed else 0.6)
        assert len(list(records)) == 1_000 and reading.bytes_read == len(data)


def test_a_file_that_is_packed_to_keep_a_server_busy_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="more than 250 times its size"):
        read(zstd.compress(b" " * (80 << 20)))


def test_a_packed_file_has_a_largest_size_whatever_its_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED", 1 << 20)
    read(zstd.compress(b" " * (1 << 20)))
    with pytest.raises(InvalidParameter, match="more than 1.0 MiB. Send it in parts"):
        read(zstd.compress(b" " * ((1 << 20) + 1)))


@pytest.mark.parametrize(
    "data",
    [
        b'{"name": "A"}\nnonsense\n\n' + ndjson(user(1), user(2)),
        b"[1, 2," + json.dumps(user(2)).encode() + b"]",
        b"name,email\nA\nB,b\nC,c@example.com\n",
    ],
    ids=["ndjson", "json", "csv"],
)
def test_what_was_read_before_is_passed_over(data: bytes) -> None:
    assert read(data, skip=2) == read(data)[2:]
    assert len(read(data)) > 2


FEW = 2 << 20
WITHOUT_RECORDS = {
    "blank lines": (b" \n" * (FEW // 2), "ndjson"),
    "a line without an end": (b"x" * FEW, "ndjson"),
    "space": (b"[" + b" " * FEW, "json"),
    "a string without an end": (b'["' + b"x" * FEW, "json"),
    "depth": (b"[" * (FEW // 4), "json"),
    "a list that no one asked for": (b'{"x":[' + b"1," * (FEW // 2), "json"),
    "blank rows": (b"email,name\n" + b"\n" * (FEW // 4), "csv"),
    "a row without an end": (b"email,name\n" + b"x" * FEW, "csv"),
}


@grid("what", WITHOUT_RECORDS)
@grid("pack", [bytes, gzip.compress])
def test_whoever_reads_is_asked_after_each_mebibyte_whether_to_go_on(what: str, pack: Any) -> None:
    data, format = WITHOUT_RECORDS[what]
    options = msgspec.convert({"format": format}, ImportOptions)
    with suppress(InvalidParameter):
        pauses = 0
        reading = Reading(io.BytesIO(pack(data)), options, 8)
        while not reading.is_over:
            assert len([*reading.some(100)]) <= 1
            pauses += 1
    assert pauses >= len(data) >> 20


def test_what_is_passed_over_to_go_on_behind_it_is_passed_over_in_parts() -> None:
    reading = Reading(io.BytesIO(ndjson(*map(user, range(1_000)))), ImportOptions(), 8, 999)
    pauses = [len([*reading.some(100)]) for _ in range(11)]
    assert pauses == [0] * 9 + [1, 0] and reading.is_over


# ---- JSON


@pytest.mark.parametrize(
    "row",
    [
        '{"name":"A","email":"a@example.com","role":"member","role":"owner"}',
        '{"name":"A","email":"a@example.com","role" :"member","role":"owner"}',
        '{"name":"A","email":"a@example.com","role"\t: "member","role" \r:"owner"}',
        '{"name":"A","email":"a@example.com","r\\u006fle":"member","role":"owner"}',
        '{"name":"A","email":"a@example.com","metadata":{"x":1,"x":2}}',
        '{"name":"A","email":"a@example.com","metadata":{"x":{"y":1,"y":2}}}',
        # What makes up for the name that is lost, once the metadata is written again.
        '{"name":"A","email":"a@example.com","role":"member","role":"owner","metadata":{"x":"\\u0022:"}}',
        '{"name":"A","email":"a@example.com","role":"member","role":"owner","metadata":{"x":"\\"\\u003a"}}',
    ],
)
def test_two_equal_names_in_a_record_are_refused_as_in_the_api(row: str) -> None:
    for data in (row + "\n", f"[{row}]"):
        (record,) = read(data.encode())
        assert record.refusal
        assert (record.refusal.code, "more than once" in record.refusal.reason) == ("invalid_json", True)


def test_what_only_looks_like_equal_names_is_read() -> None:
    rows = (
        user(1, metadata={"name": 1, "email": {"email": 2}, "x": '":', "y": " :"}),
        user(2, name='A "b": c : d', external_id='{"name":1,"name":2}'),
    )
    assert all(record.user for record in read(ndjson(*rows)) + read(json.dumps(rows, indent=1).encode()))


@pytest.mark.parametrize("chunk", [1, 2, 7, 64])
def test_an_array_is_split_wherever_its_text_is_cut(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "CHUNK", chunk)
    people = [user(1, metadata={"a": [{"b": "}],{"}]}), user(2, external_id='\\" ]'), user(3, name="Zoë, 日本")]
    for text in (json.dumps(people), json.dumps(people, indent=2, ensure_ascii=False)):
        records = read(text.encode(), format="json")
        assert [record.line for record in records] == [1, 2, 3]
        assert emails(records) == ["p1@example.com", "p2@example.com", "p3@example.com"]
        assert records[1].user and records[1].user.external_id == '\\" ]'


def test_the_list_of_an_object_is_found_between_its_other_parts_and_parts_of_an_export_may_follow_each_other() -> None:
    huge = {
        "id": "x",
        "roles": {"data": ["y" * 3_000_000]},
        "text": '"' * 100_000,
        "users": [user(1)],
        "clients": [{"users": [1]}],
    }
    data = (
        json.dumps(huge).encode() + b"\n" + json.dumps({"page": 2, "items": [user(2)]}, indent=1).encode() + b"\n[]\n"
    )
    assert emails(read(data)) == ["p1@example.com", "p2@example.com"]


def test_a_record_that_is_too_long_or_no_object_is_refused_alone() -> None:
    data = json.dumps([user(1, metadata={"a": "x" * 70_000}), "y" * 2_000_000, user(2), None, [user(3)]]).encode()
    records = read(data)
    assert emails(records) == [None, None, "p2@example.com", None, None]
    assert [record.refusal and record.refusal.code for record in records] == [
        "invalid_record",
        "invalid_record",
        None,
        "invalid_json",
        "invalid_json",
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'[{"name": "A"}', "ends early, after record 1"),
        (b'[{"name": "A"} {}]', "not valid JSON, after record 1"),
        (b'{\n"total": 3}', "has no list of users"),
        (b'[{"name": "' + b"x" * 2_000_000, "ends early"),
    ],
)
def test_what_is_no_list_is_refused_as_a_whole(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidParameter, match=reason):
        read(data)


# ---- CSV


def test_a_table_of_a_spreadsheet_is_read_by_its_header() -> None:
    data = (
        '\ufeffE-mail;Last name;First name;Age\r\n"a@example.com";Lee;"Ann '
        '""X""\r\nY";7\r\n\r\nb@example.com;Lee;Bob;\r\n'
    )
    records = read(data.encode(), mapping='{"Age": "metadata.age", "First name": "metadata.first"}')
    (one, two) = [record.user for record in records]
    assert one and two
    assert (one.email, one.name, one.metadata) == (
        "a@example.com",
        "Lee",
        '{"age":"7","first":"Ann \\"X\\"\\r\\nY"}',
    )
    assert (two.metadata, [record.line for record in records]) == ('{"first":"Bob"}', [2, 5])
    [ann] = read(data.replace('"Ann ""X""\r\nY"', "Ann").replace(";Age", ";metadata.age").encode())[:1]
    assert ann.user is not None and ann.user.name == "Ann Lee"


def test_cells_become_what_their_fields_are() -> None:
    data = (
        b"email\tname\tmetadata\tEmail "
        b'verified\tcreated_at\trole\na@example.com\t\'=A\t{""\tt\t2023-10-27T10:00:00Z\tadmin\n'.replace(
            b'{""', b'"{""a"": 1}"'
        )
    )
    (record,) = read(data)
    assert record.user
    assert (record.user.name, record.user.metadata, record.user.email_verified, record.user.role) == (
        "=A",
        '{"a":1}',
        True,
        "admin",
    )
    assert record.user.created_at == 1_698_400_800_000_000


TIMES = [
    "2024-01-01 00:00:00",  # MySQL
    "2024-01-01 01:00:00.000000+01",  # PostgreSQL
    "2024-01-01 00:00:00.000 +00:00",  # Sequelize
    "2024-01-01 00:00:00.0000000",  # SQL Server
    "2024-01-01 00:00:00 UTC",  # Rails
    "2024-01-01T00:00:00",
    "2024-01-01",
]


@pytest.mark.parametrize("format", ["csv", "ndjson"])
def test_times_are_read_as_databases_write_them(format: str) -> None:
    times = [*TIMES, "0000-00-00 00:00:00", "01/02/2024", "1704067200"]
    people = [user(number, created_at=time, last_sign_in_at=time) for number, time in enumerate(times)]
    header = ",".join(people[0])
    table = "\n".join([header, *[",".join(each.values()) for each in people]]).encode()
    *known, zero, slashes, number = read(table if format == "csv" else ndjson(*people))
    for record in known:
        assert record.user, record
        assert (record.user.created_at, record.user.last_sign_in_at) == (1_704_067_200_000_000,) * 2, record
    assert zero.user
    assert (zero.user.created_at, zero.user.last_sign_in_at) == (msgspec.UNSET,) * 2
    assert slashes.refusal and number.refusal
    assert slashes.refusal.field == number.refusal.field == "created_at"


def test_blanks_around_an_email_and_line_breaks_in_a_name_are_no_reason_to_refuse_a_user() -> None:
    row = {"email": " a@example.com\t", "name": "Line\r\nbreak\ttab"}
    for data in (json.dumps(row), json.dumps([row]), f'name,email\n"{row["name"]}"," a@example.com\t"\n'):
        (record,) = Reading(io.BytesIO(data.encode()), ImportOptions(), 8)
        assert record.user and (record.user.email, record.user.name) == ("a@example.com", "Line break tab")


def test_bad_rows_are_refused_alone() -> None:
    rows = [
        b"a@example.com,A",
        b"b@example.com",
        "b@example.com,Zoë Ångström".encode() + b"\xeb",
        b'd@example.com,"D"x',
        b"e@example.com,\0",
        b"f@example.com,F",
    ]
    records = read(
        b"email,name\n"
        + b"\n".join(rows)
        + b"\n"
        + b'g@example.com,"'
        + b"G,\n" * 30_000
        + b'h@example.com,H\ni@example.com,"I'
    )
    assert set(emails(records)) == {"a@example.com", "f@example.com", "h@example.com", None}
    reasons = {record.line: record.refusal.reason for record in records if record.refusal}
    for line, part in (
        (3, "1 cells"),
        (4, "UTF-8"),
        (5, "quotation mark"),
        (6, "NUL"),
        (8, "longer"),
        (max(reasons), "no partner"),
    ):
        assert part in reasons[line]


@pytest.mark.parametrize(
    ("data", "options", "reason"),
    [
        (b"name\nA\n", {}, r"names no column for the email \(1 column\)"),
        (b"email,name,plan\n", {}, "Column 3 has no field. Map it to"),
        (b"x,email,name,y,z\n", {}, "Columns 1, 4 and 5 have no field. Map each to"),
        (b"email,name,name\n", {}, "Columns 2 and 3 have the same name"),
        (b"email,name\n", {"mapping": '{"name": "name", "Plan": null}'}, "entry 2 of 2"),
        (b"email,name\n", {"mapping": '{"name": "metadata_of_them"}'}, "entry 1"),
        (b"email,name\n", {"mapping": "[]"}, "must be a JSON object"),
    ],
)
def test_a_table_without_sense_is_refused_as_a_whole(data: bytes, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidParameter, match=reason):
        read(data, **options)


HEADERLESS = [
    "alice@example.com,{secret},Alice",
    "{secret},Alice",
    "{secret},{secret},alice@example.com",
    "1,alice@example.com,$2b$12$" + "c" * 53 + ",{secret}",
    "Alice,$P$B123456781234567890123456789012,{secret}",
]


@pytest.mark.parametrize(
    ("line", "propose"),
    [*((line, False) for line in HEADERLESS), *((line, True) for line in HEADERLESS if "@" in line or "$" in line)],
)
def test_no_error_about_a_file_without_a_header_quotes_its_first_user(line: str, propose: bool) -> None:
    secret = "Tr0ub4dor&3-unique"
    content = io.BytesIO((line.format(secret=secret) + "\n").encode() * 2)
    with pytest.raises(InvalidParameter) as error:
        list(Reading(content, ImportOptions(), 8, propose=propose))
    said = f"{error.value.full_message} {error.value.faults}"
    assert "column" in said and not any(cell in said for cell in (secret, "alice", "Alice", "ccccc", "B1234"))


SECRET = "Zx9&unheard-of"
CELLS = [
    user(1, **{SECRET: 1}),
    user(1, **{"surname": 1, SECRET: SECRET, "email": "x"}),
    user(1, email=f"({SECRET}@example.com"),
    user(1, email=f"a@{SECRET}.com"),
    user(1, name="\0" + SECRET),
    user(1, role=SECRET),
    user(1, status=SECRET),
    user(1, id=SECRET),
    user(1, created_at=SECRET),
    user(1, metadata=SECRET),
    user(1, metadata={SECRET: json.loads("[" * 32 + "]" * 32)}),
    user(1, external_id=SECRET + "\n"),
    user(1, password=SECRET[:7]),
    user(1, rate_limit=SECRET),
    f'{{"name": "A", "{SECRET}": 1, "{SECRET}": 2}}',
    f'{{"name": "A", "{SECRET}": {"[" * 40}{"]" * 40}}}',
    f'{{"name": "A", "{SECRET}": nonsense}}',
    SECRET,
]


@grid("options", [{"format": "ndjson"}, {"format": "ndjson", "mapping": '{"a": null}'}])
@grid("record", CELLS, ids=range(len(CELLS)))
def test_no_reason_quotes_what_a_record_holds(record: Any, options: dict[str, Any]) -> None:
    data = record.encode() if isinstance(record, str) else ndjson(record)
    (found,) = read(data, **options)
    assert found.refusal is not None
    assert not any(part in f"{found.refusal}" for part in (SECRET, SECRET[:7], "surname", "'('", "'&'"))
    assert found.refusal.reason.endswith((".", "..."))


def test_a_bug_is_told_with_its_line_and_without_the_cell_it_failed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def buggy(row: dict[str, Any]) -> dict[str, Any]:
        return {}[row["name"]]

    reading = Reading(io.BytesIO(b"name\n" + SECRET.encode() + b"\n"), ImportOptions(source="auth0", format="csv"), 8)
    monkeypatch.setattr(reading, "_convert", buggy)
    with pytest.raises(Broken) as bug:
        list(reading)
    said = "".join(traceback.format_exception(bug.value))
    assert "record 2: KeyError" in said and "in buggy" in said and SECRET not in said


def test_fields_that_users_do_not_have_are_named_by_number() -> None:
    (record,) = read(ndjson({"x": 1, "name": "A", "y": 2, "email": "a@example.com"}))
    assert record.refusal is not None and record.refusal.field is None
    assert record.refusal.reason.startswith(
        "Fields 1 and 3 of the record are not fields of a user. Fields: name, email, "
    )
    (record,) = read(ndjson({"x": 1, "name": "A", "y": 2, "email": "a@example.com"}), mapping='{"x": "metadata.x"}')
    assert record.refusal is not None and record.refusal.reason.startswith("Field 3 of the record is not a field")


def test_names_in_json_can_be_mapped_too() -> None:
    (record,) = read(
        ndjson({"mail": "a@example.com", "name": "A", "age": 7, "x": 1}),
        mapping='{"mail": "email", "age": "metadata.age", "x": null}',
    )
    assert record.user and (record.user.email, record.user.metadata) == ("a@example.com", '{"age":7}')


# ---- preview


def test_a_preview_shows_what_a_file_is_and_a_field_for_each_column() -> None:
    data = gzip.compress(
        b"E-mail,Plan,Full name\n" + b"".join(b"p%d@example.com,pro,P\n" % number for number in range(50))
    )
    shown = preview(io.BytesIO(data), ImportOptions(mapping=ColumnMapping('{"Plan": "metadata.plan"}')), 8, rows=3)
    assert (shown.format, shown.compression, shown.columns) == ("csv", "gzip", ("E-mail", "Plan", "Full name"))
    assert shown.mapping == {"E-mail": "email", "Plan": "metadata.plan", "Full name": "name"}
    assert emails(shown.records) == ["p0@example.com", "p1@example.com", "p2@example.com"]
    packed = gzip.compress(json.dumps([user(number) for number in range(20_000)]).encode())
    beginning = preview(io.BytesIO(packed[: len(packed) // 2]), ImportOptions(), 8, rows=20_000).records
    assert emails(beginning)[:2] == ["p0@example.com", "p1@example.com"]
    assert len(beginning) > 5_000
    assert preview(io.BytesIO(b"Plan\nx\n"), ImportOptions(), 8).mapping == {"Plan": "metadata.Plan"}


def test_likely_fields_are_proposed_to_people_once_each_and_never_taken_for_granted() -> None:
    data = b"name,email,Team,Department,Signup\nA,a@example.com,Sales,North,2024-05-01\n"
    shown = preview(io.BytesIO(data), ImportOptions(), 8)
    proposed = {"Team": "groups", "Department": "metadata.Department", "Signup": "created_at"}
    assert shown.mapping == {"name": "name", "email": "email", **proposed}
    with pytest.raises(InvalidParameter, match="Columns 3, 4 and 5 have no field"):
        read(data)
