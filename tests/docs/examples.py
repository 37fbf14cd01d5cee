"""Runs the examples of a page: its `sh` blocks in order, each against what the page says comes of it.

A block runs `curl` (the options used here) and `rollbook`. A `json` block right behind it is the answer's body, an
`http` block its status, some of its header fields and its body; without one the call must succeed. What is different at
each run (ids, times, keys, cursors) may differ from the page; the place where it first appears tells what stands for
what in the commands further down. Blocks of other kinds (`console`, `ini`) are there to be read.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from tests.harness import PLAIN, Server

PAGE_URL = "http://127.0.0.1:8000"
OWNER_KEY = "rbk_Ex7h5FzCdSSUBp5E1GPtN7Gz3cNeKgUeta83wU"
"""The owner's key on all pages. Nobody's: its checksum is wrong."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# What no two runs share, by its form.
_CHANGING = re.compile(
    r"user_[0-9a-v]{26}|group_[0-9a-v]{26}|webhook_[0-9a-v]{26}|dlv_[0-9a-v]{26}|replay_[0-9a-v]{26}|whsec_[0-9A-Za-z+/]{43}=|key_[0-9a-v]{26}|evt_[0-9a-v]{26}|fac_[0-9a-v]{26}|\b[A-Z2-7]{32}\b|ses_[0-9a-v]{26}|tok_[0-9a-v]{26}|req_[0-9a-v]{24}|rbs_[\w-]{43}|rbr_[\w-]{65}|rb[ko]_[0-9A-Za-z]{38}|rb[ko]_[0-9A-Za-z]{4}…[0-9A-Za-z]{4}"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|(?<=cursor=)[\w-]+|(?<=token=)[\w.-]+|(?<![\w.-])[\w-]{43}(?![\w.-])"
)


class Example(NamedTuple):
    """Commands, and what comes of the last of them."""

    line: int
    commands: list[list[str]]
    kind: str
    expected: str


def examples(page: str) -> list[Example]:
    """The examples of a page, in order."""
    found = []
    blocks = list(_BLOCK.finditer(page))
    for at, block in enumerate(blocks):
        if block[1] != "sh":
            continue
        after = blocks[at + 1] if at + 1 < len(blocks) else None
        follows = after is not None and after[1] in ("json", "http") and not page[block.end() : after.start()].strip()
        kind, expected = (after[1], after[2]) if follows and after is not None else ("", "")
        found.append(Example(page.count("\n", 0, block.start()) + 1, _commands(block[2]), kind, expected))
    return found


class Runner:
    """Runs examples against a server, and learns what stands for what as it goes."""

    def __init__(self, server: Server, page: Path) -> None:
        self._server = server
        self._page = page
        self._known = {OWNER_KEY: server.key}

    def run(self, example: Example) -> None:
        """Raises AssertionError with the place on the page."""
        where = f"{self._page.name}:{example.line}"
        answer: httpx2.Response | None = None
        for command in example.commands:
            arguments = [self._translated(argument) for argument in command]
            if arguments[0] == "curl":
                answer = self.send(arguments)
                if command is not example.commands[-1]:
                    assert answer.status_code < 400, (
                        f"{where}: {shlex.join(command)}: {answer.status_code} {answer.text}"
                    )
            elif arguments[0] == "rollbook":
                self._server.rollbook(*arguments[1:])
            else:
                raise AssertionError(f"{where}: {arguments[0]} is not run by tests: use a `console` block")
        if answer is None:
            assert not example.kind, f"{where}: only what curl gets is compared"
        elif example.kind == "http":
            self._compare_message(where, example.expected, answer)
        else:
            assert answer.status_code < 400, f"{where}: {answer.status_code} {answer.text}"
            if example.kind == "json":
                self._compare(where, json.loads(example.expected), answer.json())

    def _translated(self, argument: str) -> str:
        """A command's word with the server's own address, key, folder and ids in place of the page's."""
        if argument == "data":
            return str(self._server.data)
        return self.known(argument.replace(PAGE_URL, self._server.url))

    def known(self, text: str) -> str:
        """The text with this run's ids, keys, times and cursors in place of the page's, as far as they have been
        met."""
        return _CHANGING.sub(lambda found: self._known.get(found[0], found[0]), text)

    def send(self, arguments: list[str]) -> httpx2.Response:
        """The answer to a curl line."""
        method, body, url = "", None, ""
        headers: dict[str, str] = {}
        words = iter(arguments[1:])
        for word in words:
            if word in ("-X", "--request"):
                method = next(words)
            elif word in ("-H", "--header"):
                name, _, value = next(words).partition(": ")
                headers[name] = value.replace("$ROLLBOOK_KEY", self._server.key)
            elif word == "--json":
                body = next(words)
                headers = {"Content-Type": "application/json", "Accept": "application/json"} | headers
            elif word in ("-i", "-s"):
                pass
            elif word.startswith("http"):
                assert not url, f"two addresses: {shlex.join(arguments)}"
                url = word
            else:
                raise AssertionError(f"this option of curl is not known to the tests: {word}")
        return httpx2.request(
            method or ("GET" if body is None else "POST"), url, headers=headers, content=body, timeout=60, **PLAIN
        )

    def _compare_message(self, where: str, expected: str, answer: httpx2.Response) -> None:
        head, _, body = expected.partition("\n\n")
        start, *fields = head.splitlines()
        assert start == f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}", (
            f"{where}: {answer.status_code} {answer.text}"
        )
        for field in fields:
            name, _, value = field.partition(": ")
            assert name in answer.headers, f"{where}: the answer has no {name}"
            real = answer.headers[name].replace(self._server.url, PAGE_URL)
            if name.startswith("RateLimit") or name == "Retry-After":
                value, real = re.sub(r"\d+", "0", value), re.sub(r"\d+", "0", real)
            if name == "X-Next-Cursor":
                value, real = f"cursor={value}", f"cursor={real}"
            self._compare(f"{where}: {name}", value, real)
        if body.strip():
            self._compare(where, json.loads(body), answer.json())
        else:
            assert not answer.content, f"{where}: the answer has a body: {answer.text}"

    def _compare(self, where: str, expected: Any, real: Any) -> None:
        if isinstance(expected, dict):
            assert isinstance(real, dict), f"{where}: {real}"
            assert list(expected) == list(real), f"{where}: fields {list(real)}"
            for name, value in expected.items():
                if name != "last_active_at":  # it is written some seconds later
                    self._compare(f"{where}: {name}", value, real[name])
        elif isinstance(expected, list):
            assert isinstance(real, list), f"{where}: {real}"
            assert len(expected) == len(real), f"{where}: {len(real)} items"
            for number, item in enumerate(expected):
                self._compare(f"{where}: {number}", item, real[number])
        elif isinstance(expected, str):
            assert isinstance(real, str), f"{where}: {real!r}"
            real = real.replace(self._server.url, PAGE_URL)
            assert _CHANGING.sub("*", expected) == _CHANGING.sub("*", real), f"{where}: {real!r}"
            self._known.update(zip(_CHANGING.findall(expected), _CHANGING.findall(real), strict=True))
        else:
            assert expected == real, f"{where}: {real!r}"


def _commands(block: str) -> list[list[str]]:
    """Lines that end within quotes go on in the next one."""
    commands, text = [], ""
    for line in block.replace("\\\n", " ").splitlines():
        if not text and (not line.strip() or line.startswith(("#", "export "))):
            continue
        text += line + "\n"
        try:
            commands.append(shlex.split(text))
            text = ""
        except ValueError:
            continue
    assert not text, f"quotes are not closed: {text}"
    return commands
