"""Each example in each of its languages, just as the page shows it: run against a new server, it is answered as the
page says."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stdout
from functools import cache
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import httpx2
import pytest

from rollbook.docs_site import examples, guide, markdown
from rollbook.web import templates
from tests.docs.examples import PAGE_URL, Runner
from tests.docs.examples import examples as examples_of
from tests.harness import Server, running, serving

LANGUAGES = ("curl", "Python", "JavaScript")
PAGES = [name for name in guide.CHAPTERS if "```sh\ncurl" in guide.source(name, PAGE_URL)]

_SHOWN = re.compile(r'<div class="panel">.*?<code>(.*?)</code>', re.DOTALL)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PAGES)
def test_the_examples_that_a_page_shows_run_in_every_language(
    name: str, language: str, tmp_path: Path, node: Node
) -> None:
    run_page(name, language, tmp_path, node, lambda program: program)


def test_python_readers_may_use_requests_as_the_conventions_say(tmp_path: Path, node: Node) -> None:
    assert "The code also works with `requests`" in guide.source("conventions", PAGE_URL)
    run_page("users", "Python", tmp_path, node, lambda program: program.replace("httpx2", "requests"))


def run_page(name: str, language: str, folder: Path, node: Node, change: Callable[[str], str]) -> None:
    programs = iter(shown(name)[language])
    with running(folder / "data") as server, listening(server) as between:
        runner = ProgramRunner(server, guide.folder() / f"{name}.md", folder, language, between, node)
        for example in examples_of(guide.source(name, PAGE_URL)):
            for command in example.commands:
                if command[0] == "curl":
                    program = next(programs)
                    if language == "curl":
                        assert examples.parse(program) == examples.parse(shlex.join(command)), (
                            "not what the Markdown says"
                        )
                    runner.programs.append(change(program))
            runner.run(example)
    assert next(programs, None) is None, "an example was shown that did not run"


@cache
def shown(name: str) -> dict[str, list[str]]:
    """The code of all examples on a page, by its language."""
    html = markdown.render(guide.source(name, PAGE_URL), str, templates.render, guide.CHAPTERS[name].columns).html
    found = [unescape(re.sub(r"<[^>]*>", "", code)) for code in _SHOWN.findall(str(html))]
    # The raw message comes after them.
    return {language: found[number :: len(LANGUAGES) + 1] for number, language in enumerate(LANGUAGES)}


class ProgramRunner(Runner):
    """Runs what the page shows instead of sending its curl lines itself. The answer is seen by a listener between
    program and server."""

    def __init__(self, server: Server, page: Path, folder: Path, language: str, between: Between, node: Node) -> None:
        super().__init__(server, page)
        self.programs: list[str] = []
        self._folder = folder
        self._language = language
        self._between = between
        self._node = node
        self._count = 0
        # Nothing speaks TLS here, and to load the certificates of all authorities takes longer than the request.
        no_certificates = folder / "certificates"
        no_certificates.mkdir()
        self._environment = {
            "ROLLBOOK_KEY": server.key,
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "SSL_CERT_DIR": str(no_certificates),
        }

    def send(self, arguments: list[str]) -> httpx2.Response:
        program = self.known(self.programs.pop(0)).replace(PAGE_URL, self._between.url)
        self._between.seen.clear()
        run = {"curl": self._curl, "Python": self._python, "JavaScript": self._javascript}[self._language]
        printed = run(program)
        assert len(self._between.seen) == 1, program
        answer = self._between.seen[0]
        if self._language != "curl":
            assert printed.split()[0] == str(answer.status_code), f"{program}\n{printed}"
        return answer

    def _python(self, program: str) -> str:
        # Here, not in a process of its own, which would load its library anew for each example.
        printed = io.StringIO()
        with mock.patch.dict(os.environ, self._environment), redirect_stdout(printed):
            exec(compile(program, "example", "exec"), {})
        return printed.getvalue()

    def _curl(self, program: str) -> str:
        command = ["bash", "-c", f'curl() {{ command curl -sS "$@"; }}\n{program}']
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{program}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _javascript(self, program: str) -> str:
        self._count += 1
        file = self._folder / f"example{self._count}.mjs"
        file.write_text(program)
        return self._node.run(file, self._environment)


class Node:
    """One Node.js for all examples: each is a module of its own."""

    def __init__(self) -> None:
        node = shutil.which("node")
        assert node, "the examples in JavaScript need Node.js"
        command = [node, "--input-type=module", "-e", RUN_EACH]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, file: Path, environment: dict[str, str]) -> str:
        """What it prints."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"file": str(file), "environment": environment}) + "\n")
        self._process.stdin.flush()
        printed = ""
        while (line := self._process.stdout.readline()) != OVER:
            assert line, f"{file.read_text()}\n{printed}"
            printed += line
        return printed

    def close(self) -> None:
        with self._process as node:  # which ends at the end of its input
            assert node.stdin
            node.stdin.close()
            assert node.wait(60) == 0


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with closing(Node()) as node:
        yield node


OVER = "the example is over\n"
RUN_EACH = f"""
import {{ createInterface }} from "node:readline";
for await (const line of createInterface({{ input: process.stdin }})) {{
    const {{ file, environment }} = JSON.parse(line);
    process.env = environment;
    await import(file);
    console.log({OVER.strip()!r});
}}
"""


class Between(ThreadingHTTPServer):
    """Passes requests on to a server, and keeps the answers."""

    def __init__(self, client: httpx2.Client) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.client = client
        self.seen: list[httpx2.Response] = []


class Passing(BaseHTTPRequestHandler):
    def answer(self) -> None:
        between = self.server
        assert isinstance(between, Between)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("host", "connection", "accept-encoding")
        }
        answer = between.client.request(
            self.command, self.path, headers=headers | {"Accept-Encoding": "identity"}, content=body
        )
        between.seen.append(answer)
        self.send_response_only(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in (
                "transfer-encoding",
                "content-length",
            ):  # the body is whole by now, also of a stream
                self.send_header(name, value)
        if answer.status_code not in (204, 304):
            self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def listening(server: Server) -> Iterator[Between]:
    with server.http(None) as client, serving(Between(client)) as between:
        yield between


# ---- what the languages write, at their edges


TRICKY = """curl -i -X PUT -H "Authorization: Bearer $ROLLBOOK_KEY" -H 'If-Match: "1"' 'http://127.0.0.1:8000/v1/users/me?fields=*' \\
  --json '{"name": "Žofie \\"the \\\\ bold\\" O'\\''Neil", "external_id": null, "metadata": {"a": [true, false, 1.5, {"b": ""}], "c-d": "${x} `y` {z}"}}'"""


def test_a_body_with_everything_that_needs_care_arrives_as_it_stands(tmp_path: Path, node: Node) -> None:
    request = examples.parse(TRICKY)
    programs = (examples.curl(request), examples.python(request, "json"), examples.javascript(request, "json"))
    with running(tmp_path / "data") as server, listening(server) as between:
        for language, program in zip(LANGUAGES, programs, strict=True):
            (folder := tmp_path / language).mkdir()
            runner = ProgramRunner(server, tmp_path, folder, language, between, node)
            runner.programs.append(program.replace('"1"', "*"))
            answer = runner.send([])
            assert answer.status_code == 200, answer.text
            kept = {name: answer.json()[name] for name in request.body}
            assert kept == request.body


@pytest.mark.parametrize(
    "line", ["curl --insecure http://127.0.0.1:8000/", "wget http://127.0.0.1:8000/", "curl http://a http://b"]
)
def test_a_line_that_cannot_be_translated_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="curl"):
        examples.parse(line)
