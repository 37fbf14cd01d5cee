"""What callers put into a user does not reach the terminal of who looks at it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import httpx2
import pytest

from rollbook.auth import key_format
from rollbook.cli.commands import app
from rollbook.cli.main import main
from tests.cli.command import at_terminal
from tests.harness import Server, new_user, serving


@pytest.mark.parametrize("folder", [True, False])
def test_metadata_does_not_move_a_terminal(server: Server, http: httpx2.Client, folder: bool) -> None:
    user = new_user(http, metadata={"a": "\x9b2J\x1b[2J\u202e\x7f"})
    place = ["--data", str(server.data)] if folder else ["--url", server.url, "--key", server.key]
    shown = server.rollbook("users", "get", user["id"], *place).stdout
    assert "2J" in shown
    assert not {"\x9b", "\x1b", "\u202e", "\x7f"} & set(shown)


ESCAPES = "\x1b]0;title\x07\x1b[2J\x9b2J\u202e\x7f"
UNSEEN = {"\x07", "\x1b", "\x9b", "\u202e", "\x7f"}


class Hostile(BaseHTTPRequestHandler):
    """Writes into everything what moves a terminal."""

    answer: Any = None
    """Instead of a list of a user."""

    def do_GET(self) -> None:
        user = {
            "id": f"user_{ESCAPES}",
            "name": ESCAPES,
            "email": ESCAPES,
            "role": ESCAPES,
            "status": ESCAPES,
            "created_at": ESCAPES,
        }
        refused = self.path.startswith("/v1/users/refused")
        body = json.dumps({"error": f"No {ESCAPES}", "code": "bad_request"} if refused else self.answer or [user])
        body = body.encode()
        self.send_response(400 if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Total-Count", "1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hostile() -> Iterator[str]:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Hostile)) as listening:
        yield f"http://127.0.0.1:{listening.server_port}"


@pytest.mark.parametrize("command", ["users list", "users list -q", "users list --json", "users get refused"])
def test_another_server_does_not_move_a_terminal(server: Server, hostile: str, command: str) -> None:
    done = server.rollbook(*command.split(), "--url", hostile, "--key", server.key, check=False)
    assert "2J" in done.stdout + done.stderr
    assert not UNSEEN & set(done.stdout + done.stderr)


def _reading(command: click.Command = app, path: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Commands that make a GET and end, with an ID for each argument."""
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from _reading(command.get_command(click.Context(command), name) or command, (*path, name))
    elif (getattr(command, "call", None) or [""])[0] == "GET" and path[-1] not in ("tail", "export"):
        required = [each for each in command.params if isinstance(each, click.Argument) and each.required]
        yield [*path, *["user_x"] * len(required)]


def test_no_answer_of_another_server_ends_a_command_in_a_traceback(
    hostile: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command that reads, with answers of the wrong shape and of the wrong types. In this process: two hundred
    others would be most of what it costs."""
    names = "id name email status state kind created_at expires_at type url user_id requests count members object actor"
    strange = [dict.fromkeys(names.split(), value) for value in (ESCAPES, {ESCAPES: [ESCAPES]}, None)]
    answers = [*[[each] for each in strange], strange[1], {}, [[]]]
    commands = list(_reading())
    assert len(commands) > 20
    for command in commands:
        for Hostile.answer in answers:
            monkeypatch.setattr(sys, "argv", ["rollbook", *command, "--url", hostile, "--key", key_format.mint()])
            with contextlib.suppress(SystemExit):
                main()
            assert not UNSEEN & set("".join(capsys.readouterr())), (command, Hostile.answer)


def test_an_export_does_not_move_a_terminal_and_files_keep_its_bytes(
    server: Server, http: httpx2.Client, tmp_path: Path
) -> None:
    new_user(http, metadata={"a": "\x9b2J\u202e\x7f"})
    place = ["--url", server.url, "--key", server.key]
    for kind in ("csv", "ndjson"):
        export = ["users", "export", "--format", kind, *place]
        _, shown = at_terminal(*export, answers=[], cwd=tmp_path)
        assert "2J" in shown and not UNSEEN & set(shown)
        assert "\x9b2J\u202e" in server.rollbook(*export).stdout
    _, shown = at_terminal("api", "GET", "/v1/exports", *place, answers=[], cwd=tmp_path)
    assert "2J" in shown and not UNSEEN & set(shown)


def test_a_file_to_import_does_not_move_a_terminal(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "people.ndjson"
    file.write_text(
        json.dumps({"name": "A", "email": "import@example.com", ESCAPES: 1}, ensure_ascii=False), encoding="utf-8"
    )
    done = server.rollbook("users", "import", str(file), "--data", str(server.data), check=False)
    assert done.returncode == 1 and "Field 3" in done.stderr, "a refusal names it by number"
    assert "2J" in done.stderr, "but what became of each column is said by its name"
    assert not UNSEEN & set(done.stdout + done.stderr)


def test_json_for_programs_is_the_same_value(server: Server, http: httpx2.Client) -> None:
    metadata = {"a": "\x9b2J\u202e\x7f\U0001f600\U000e0001é"}
    user = new_user(http, metadata=metadata)
    shown = server.rollbook("users", "get", user["id"], "--json", "--data", str(server.data)).stdout
    assert json.loads(shown)["metadata"] == metadata
    assert "é" in shown and "\U0001f600" in shown and not {"\x9b", "\u202e", "\x7f", "\U000e0001"} & set(shown)
