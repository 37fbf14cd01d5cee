"""The programs of the guide "Webhooks" verify what Rollbook sends, refuse what it did not, and handle an event once."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from rollbook.delivery import payload, signing
from rollbook.records import events
from tests.harness import free_port

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "webhooks.md").read_text()
PROGRAMS = {
    language: text
    for language, text in re.findall(r"^```(python|js)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    if "3000" in text
}


def python(program: str, folder: Path) -> list[str]:
    file = folder / "receiver.py"
    file.write_text(program)
    return [sys.executable, str(file)]


def node(program: str, folder: Path) -> list[str]:
    file = folder / "receiver.mjs"
    file.write_text(program)
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    return ["node", str(file)]


BUILDERS = {"python": python, "js": node}


@contextmanager
def receiver(
    build: Callable[[str, Path], list[str]], program: str, folder: Path, secret: str
) -> Iterator[tuple[str, Path]]:
    """The program, listening: its URL, and the file with what it prints."""
    port = free_port()
    command = build(program.replace("3000", str(port)), folder)
    printed = folder / "printed"
    with (
        printed.open("w") as output,
        subprocess.Popen(
            command, env=os.environ | {"WEBHOOK_SECRET": secret}, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}/hook"
            for _ in range(600):
                try:
                    httpx2.get(url, timeout=60)
                    break
                except httpx2.TransportError:
                    assert process.poll() is None, printed.read_text()
                    time.sleep(0.1)
            yield url, printed
        finally:
            process.kill()


@pytest.mark.parametrize("language", BUILDERS)
def test_the_receivers_of_the_guide_accept_what_is_signed_and_nothing_else(language: str, tmp_path: Path) -> None:
    event = events.example("user.updated", "evt_065n1ijrg1t7ne57u1m417e15k", 1_700_000_000_000_000)
    kind, body = payload.body(event, "standard", "full", "https://users.example.com")
    old, new, other = signing.new_secret(), signing.new_secret(), signing.new_secret()
    now = int(time.time())

    def head(*secrets: str, at: int = now) -> dict[str, str]:
        return {
            "Content-Type": kind,
            **dict(signing.headers(event.id, at, body, [signing.key(each) for each in secrets])),
        }

    with receiver(BUILDERS[language], PROGRAMS[language], tmp_path, old) as (url, printed):
        for headers in (head(old), head(new, old)):
            assert httpx2.post(url, content=body, headers=headers, timeout=60).status_code == 204
        assert printed.read_text().count(f"user.updated {event.id}\n") == 2
        refused = [
            (body, head(other)),
            (body + b" ", head(old)),
            (body, head(old) | {"webhook-id": "evt_2"}),
            (body, head(old, at=now - 3600)),
            (body, head(old, at=now + 3600)),
            (body, head(old) | {"webhook-signature": "v1,"}),
            (body, {"Content-Type": kind}),
        ]
        for content, headers in refused:
            assert httpx2.post(url, content=content, headers=headers, timeout=60).status_code == 400
        assert printed.read_text().count("user.updated") == 2


def test_the_handler_of_the_guide_does_its_work_once_for_an_event() -> None:
    [program] = [
        text for text in re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE) if "seen_events" in text
    ]
    names: dict = {}
    exec(compile(program, "webhooks.md", "exec"), names)
    database = sqlite3.connect(":memory:")
    database.executescript("CREATE TABLE seen_events (id TEXT PRIMARY KEY); CREATE TABLE welcome_emails (user_id TEXT)")
    for id, user_id in (("evt_1", "user_1"), ("evt_1", "user_1"), ("evt_2", "user_1")):
        names["handle"](database, {"id": id, "user_id": user_id})
    assert database.execute("SELECT count(*) FROM welcome_emails").fetchone() == (2,)
    database.close()
