"""Tables fit the terminal, name whom an ID stands for, and tell times in the zone of whoever reads them."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from rollbook.cli import backends, tables
from rollbook.cli.targets import backend
from tests.cli.command import at_terminal, good, rollbook
from tests.harness import OWNER_EMAIL, Server, new_key, new_user, running

LONG = "a.long.email.address.of.somebody@people.example.com"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data", "--rate-limit", "none") as server:
        with server.http() as http:
            new_user(http, name="Zoë Müller", email="zoe@example.com")
            new_user(http, name="山田太郎" * 10, email=LONG)
            http.post("/v1/applications", json={"name": "Shop"}).raise_for_status()
        yield server


def shown(server: Server, tmp_path: Path, *arguments: str, columns: int = 80, **environment: str) -> list[str]:
    place = ("--data", str(server.data))
    plain = {"TZ": "Asia/Kolkata", "NO_COLOR": "1"} | environment
    code, text = at_terminal(*arguments, *place, answers=(), cwd=tmp_path, columns=columns, **plain)
    assert code == 0, text
    return text.replace("\r", "").splitlines()


def cells(line: str) -> int:
    """The columns of the terminal that it takes."""
    return sum(2 if "\u3040" <= letter <= "\u9fff" else 1 for letter in line)


@pytest.mark.parametrize("columns", [50, 80, 120, 250])
def test_what_people_look_for_fits_and_the_rest_is_named(server: Server, tmp_path: Path, columns: int) -> None:
    head, *rows, last = shown(server, tmp_path, "users", "list", columns=columns)
    assert head.split()[:2] == (["ID", "NAME"] if columns > 100 else ["NAME", "EMAIL"]) and last == "4 of 4 users."
    if columns < 120:
        assert "id" in rows.pop().partition("Hidden (terminal too narrow): ")[2].partition(".")[0].split(", ")
    assert max(map(cells, (head, *rows))) <= columns
    assert "zoe@example.com" in rows[1] and ("…" in rows[2]) == (columns < 250)
    assert "Shop" in rows[3] and "(application)" in rows[3]
    if columns >= 80:
        assert "STATUS" in head and "active" in rows[1]


def test_widths_are_columns_of_the_terminal() -> None:
    texts = ("Zoë", "Zoe\u0308", "東京タワー", "नमस्ते", "👩", "")
    assert [tables.width(text) for text in texts] == [3, 3, 10, 4, 2, 0]
    assert [tables.filled(text, 3) for text in texts] == ["Zoë", "Zoe\u0308", "東 ", "नमस्", "👩 ", "   "]


def test_times_are_local_and_named_for_people_and_utc_for_programs(server: Server, tmp_path: Path) -> None:
    place = ("--data", str(server.data))
    user = json.loads(good("users", "get", "zoe@example.com", "--json", *place))
    local = datetime.fromisoformat(user["created_at"]).replace(tzinfo=None) + timedelta(hours=5, minutes=30)
    head, _, row, *_ = shown(server, tmp_path, "users", "list")
    assert head.endswith("CREATED AT (IST)") and row.endswith(str(local))
    assert f"created at        {local} IST" in shown(server, tmp_path, "users", "get", "zoe@example.com")
    assert good("users", "list", *place).splitlines()[1].endswith(user["created_at"])
    assert user["created_at"] in good("users", "get", "zoe@example.com", *place)


def test_a_row_beyond_those_that_are_measured_names_its_zone_if_it_is_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setenv("NO_COLOR", "1")
    time.tzset()
    try:
        winter, summer, none = "2026-11-29T10:00:00Z", "2026-07-01T10:00:00Z", "2026-02-30T10:00:00Z"
        rows = [{"at": at, "id": "x"} for at in [winter] * tables.MEASURED + [summer, none]]
        assert tables.table(("at", "id"), rows) == len(rows)
    finally:
        monkeypatch.undo()
        time.tzset()
    head, first, *_, other, strange = capsys.readouterr().out.splitlines()
    assert (head, first) == ("AT (CET)             ID", "2026-11-29 11:00:00  x")
    assert other == "2026-07-01 12:00:00 CEST  x" and strange.startswith(none)


def test_a_time_is_typed_as_tables_show_it_or_as_how_long_ago(server: Server, tmp_path: Path) -> None:
    place = ("--data", str(server.data))
    *_, last = json.loads(good("users", "list", "--json", *place))
    *_, row, _ = shown(server, tmp_path, "users", "list", columns=120)
    local = row[-19:]
    for option, text, is_found in (
        ("--created-before", local, False),
        ("--created-before", local[:10], False),
        ("--created-after", local[:10], True),
        ("--created-after", "52w", True),
        ("--created-after", "9999-12-30", False),
        ("--created-after", "0s", False),
    ):
        found = shown(server, tmp_path, "users", "list", option, text, "--json")
        assert (last["id"] in "".join(found)) == is_found, (option, text)


def test_events_requests_and_webhooks_name_people(server: Server, tmp_path: Path) -> None:
    with server.http() as http:
        zoe = http.get("/v1/users", params={"email": "zoe@example.com"}).json()[0]["id"]
        group = http.post("/v1/groups", json={"name": "Team"}).json()["id"]
        http.post(f"/v1/groups/{group}/members", json={"members": [{"user_id": zoe}]}).raise_for_status()
        http.post("/v1/keys", json={"user_id": zoe, "name": "backup"}).raise_for_status()
        hook = http.post("/v1/webhooks", json={"url": "inbox"}).json()["id"]
    for place in (("--data", str(server.data)), ("--url", server.url, "--key", server.key)):
        found = [line.split("\t")[1:4] for line in good("events", "list", *place).splitlines()]
        assert ["key.created", "backup (Zoë Müller)", "Owner"] in found
        assert ["group.member_added", "Team (Zoë Müller)", "Owner"] in found
        assert ["user.created", OWNER_EMAIL, "system"] in found
    assert any(
        "backup (Zoë Müller) Owner" in " ".join(line.split()) for line in shown(server, tmp_path, "events", "list")
    )
    details = dict(
        re.split("  +", line, maxsplit=1) for line in shown(server, tmp_path, "webhooks", "get", hook) if "  " in line
    )
    assert details["user id"].endswith(" (Owner)") and details["user id"].startswith("user_")


def test_names_are_kept_within_a_bound(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "NAMES_KEPT", 1)
    with backend(None, server.url, server.key, None) as opened:
        users = {user["id"]: user["name"] for user in opened.users({}, 3, 0)}
        first, *others = users
        assert opened.names([*users, None, "user_none"]) == users
        monkeypatch.setattr(opened, "ask", asked := Mock(wraps=opened.ask))
        assert opened.names([first]) == opened.names([first]) == {first: users[first]}
        assert asked.call_count == 1 and opened.names(others) == {id: users[id] for id in others}


def test_who_may_not_read_names_gets_ids(server: Server) -> None:
    with server.http() as http:
        me = http.get("/v1/users/me").json()["id"]
        key = new_key(http, scopes=["events:read"])
    done = rollbook("events", "list", "-n", "1", "--url", server.url, "--key", key)
    assert (done.returncode, done.stderr) == (0, "") and f"\t{me}\t" in done.stdout


def test_where_there_is_nothing_a_sentence_says_what_to_do(server: Server, tmp_path: Path) -> None:
    for arguments, words in (
        (("users", "list", "--search", "nobody"), "0 of 0 users."),
        (("keys", "list", "zoe@example.com", "--search", "none"), "No API keys. To create one: "),
        (("imports", "list"), "No imports yet. To start one: "),
        (("events", "list", "--until", "2001-01-01"), "No such events."),
        (("groups", "list", "--user", LONG), "No groups. To create one: "),
    ):
        (line,) = shown(server, tmp_path, *arguments)
        assert line.startswith(words), line


def test_colors_are_for_terminals_that_want_them(server: Server, tmp_path: Path) -> None:
    def colored(**environment: str) -> bool:
        return "\x1b[32mactive" in "".join(shown(server, tmp_path, "users", "list", columns=80, **environment))

    assert colored(NO_COLOR="", TERM="xterm-256color")
    assert not colored(NO_COLOR="1", TERM="xterm-256color")
    assert not colored(NO_COLOR="", TERM="dumb")
