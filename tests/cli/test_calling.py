"""How the command is called: exit codes, errors in one line, completion, the small commands."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import httpx2
import pytest

from rollbook import __version__
from rollbook.cli.commands import COMMANDS, FIRST, app
from rollbook.cli.options import examples, first_sentence, lines
from rollbook.cli.server import plain_flags
from rollbook.config import hints
from tests import processes
from tests.cli.command import PASSWORD, good, refused, rollbook
from tests.grids import grid
from tests.harness import OWNER_EMAIL, Server, free_port, new_key, new_user, running, serving

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("users", "fly"),
        ("users", "create"),
        ("serve", "--fly"),
        ("users", "list", "--limit", "many"),
        ("users", "set", "a@example.com"),
        ("users", "list", "--data", "x", "--url", "http://127.0.0.1"),
        ("keys", "rotate"),
        ("api", "GET", ".evil.example/v1/users", "--url", "http://127.0.0.1:1", "--key", "k"),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_what_is_wrong(arguments: tuple[str, ...], tmp_path: Path) -> None:
    said, help, *_ = [*refused(*arguments, code=2, cwd=tmp_path).splitlines(), ""]
    assert said.startswith("rollbook: ") and (not help or re.fullmatch(r"Help: rollbook[a-z ]* --help", help))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("users", "list"), "or a server that runs with --url, such as --url http://127.0.0.1:8000"),
        (("keys", "create", "a@example.com"), "If the server uses PostgreSQL, set ROLLBOOK_DATABASE as it does."),
        (("users", "list", "--url", "http://127.0.0.1:1", "--key", "k"), "does not answer"),
        (("users", "list", "--url", "http://127.0.0.1:1"), "ROLLBOOK_KEY"),
        (("serve", "--rate-limit", "many"), "rate_limit: 'many' is not a rate limit"),
        (("serve", "--role-limits", "king=1/minute"), "role_limits: unknown role 'king'"),
        (("serve", "--port", "99999"), "port"),
        (("serve", "--config", "nowhere.toml"), "nowhere.toml: file not found"),
        (("serve", "--tls-cert", "a.pem"), "tls_cert and tls_key go together"),
        (("users", "import", "nowhere.ndjson"), "nowhere.ndjson: No such file"),
        (("openapi", "--check", "nowhere.json"), "nowhere.json: No such file"),
    ],
)
def test_what_fails_ends_with_1_and_one_line(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    done = rollbook(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("rollbook: ")]
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data" / "rollbook.db").exists()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data", "--rate-limit", "none") as server:
        yield server


LONG = "a" * 300


@grid(
    ("arguments", "words"),
    [
        (("users", "list", "--search", ""), "--search must not be empty."),
        (("users", "list", "--sort", "age"), "--sort must name each of these at most once"),
        (("users", "list", "--created-after", "yesterday"), "--created-after must be an RFC 3339 time"),
        (("users", "list", "--email", LONG), "--email must have at most 254 characters."),
        (("users", "count", "--metadata", f"{LONG}=pro"), "--metadata must have keys and values"),
        (("users", "create", "--name", "N", "--email", "none", "--password", PASSWORD), "@-sign"),
        (("users", "set", OWNER_EMAIL, "--rate-limit", "many"), "--rate-limit 'many' is not a rate limit."),
        (("users", "set", OWNER_EMAIL, "--name", ""), "The name is blank."),
        (("users", "set", OWNER_EMAIL, "--password", "short"), "8 characters"),
        (
            ("users", "invite", OWNER_EMAIL, "--redirect-url", "http://example.com"),
            "--redirect-url must lead to an origin",
        ),
        (("users", "export", "--format", "xml"), "--format must be one of"),
        (("users", "import", os.devnull, "--from", "paper"), "--from must be one of"),
        (("users", "import", os.devnull, "--map", "Mail"), "--map: use the name of a column"),
        (("keys", "create", OWNER_EMAIL, "--ip-allow", "here"), "--ip-allow must be an IP address or a network"),
        (("keys", "create", OWNER_EMAIL, "--expires", "2001-01-31T00:00:00Z"), "--expires must be in the future"),
        (("keys", "create", OWNER_EMAIL, "--name", LONG), "--name must have at most 100 characters."),
        (("keys", "rotate", "key_1", "--overlap", "31d"), "--overlap must be at most 2592000."),
        (("logs", "list", "--status", "bad"), "--status must be a status such as 404, or a class of them such as 4xx."),
        (("logs", "list", "--status", "broken"), "--status must have at most 3 characters."),
        (("logs", "list", "--since", "noon"), "--since must be an RFC 3339 time"),
        (("logs", "list", "--path", "/", "--path-match", "some"), "--path-match must be one of"),
        (("events", "list", "--since", "noon"), "--since must be an RFC 3339 time"),
        (("events", "tail", "--after", "evt_none"), "--after: there is no such event"),
        (("events", "tail", "--type", "user.unknown"), "--type must be event types"),
        (("webhooks", "create", "https://10.0.0.1/hook", "--user", OWNER_EMAIL), "URL must have a public address"),
        (("webhooks", "create", "inbox", "--user", OWNER_EMAIL, "--type", "none"), "--type must be"),
        (("api", "GET", "/v1/users?limit=many"), "limit must be a whole number."),
        (
            ("api", "POST", "/v1/keys", "--body", '{"name": "a", "rate_limit": 5}'),
            'rate_limit must be a string such as "100/minute".',
        ),
        (("api", "POST", "/v1/keys", "--body", "{"), "--body is not valid JSON"),
    ],
)
@grid("place", ["folder", "server"])
def test_a_value_that_can_never_be_right_ends_with_2_and_one_line_that_names_its_option(
    arguments: tuple[str, ...], words: str, place: str, server: Server
) -> None:
    there = ("--data", str(server.data)) if place == "folder" else ("--url", server.url, "--key", server.key)
    said = refused(*arguments, *there, code=2)
    assert said.startswith("rollbook: ") and words in said and said.count("\n") == 1, said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("users", "list", "--url", "ftp://example.com", "--key", "k"), "--url must start with http:// or https://"),
        (("usage", "ada@example.com", "--all", "--data", "{data}"), "not both"),
        (
            ("users", "invite", OWNER_EMAIL, "--public-url", "https://a.example", "--url", "{url}", "--key", "{key}"),
            "can't be combined",
        ),
        (
            ("users", "export", "--with-hashes", "--url", "{url}", "--key", "{key}"),
            "--with-hashes needs the server's data folder",
        ),
        (("copy", "--from", "sqlite:{data}", "--to", "sqlite:{data}"), "are the same database"),
    ],
)
def test_options_that_cannot_go_together_end_with_2_and_one_line(
    arguments: tuple[str, ...], words: str, server: Server, tmp_path: Path
) -> None:
    called = [each.format(data=server.data, url=server.url, key=server.key) for each in arguments]
    said = refused(*called, code=2, cwd=tmp_path)
    assert said.startswith("rollbook: ") and words in said and said.count("\n") == 1, said


def test_https_where_the_server_has_no_tls_is_told_from_a_server_that_is_down(server: Server) -> None:
    said = refused("users", "list", "--url", server.url.replace("http:", "https:"), "--key", server.key)
    assert "Use http://" in said and "Errno" not in said


def test_what_the_state_of_the_server_refuses_ends_with_1(server: Server) -> None:
    for place in (("--data", str(server.data)), ("--url", server.url, "--key", server.key)):
        create = ("users", "create", "--name", "N", "--email", OWNER_EMAIL, "--password", PASSWORD)
        assert refused(*create, *place) == "rollbook: Email address is already in use.\n"
        refused("users", "get", "user_00000000000000000000000000", *place)


def test_a_word_that_is_almost_a_command_is_recognized() -> None:
    assert "Did you mean 'users'" in refused("user", code=2)
    assert "Did you mean 'list'" in refused("users", "lst", code=2)
    assert "Did you mean '--search'" in refused("groups", "list", "--q", "ada", code=2), "the name that the API has"
    assert "Did you mean '--user'" in refused("events", "list", "--user-id", "user_1", code=2)
    assert "Did you mean 'NAME' without an option?" in refused("groups", "create", "--name", "Team", code=2)
    assert "Did you mean '--role'" in refused("users", "list", "--roel", "admin", code=2)
    assert good("help", "users", "get") == good("users", "show", "--help") == good("users", "get", "--help")


@pytest.mark.parametrize(
    ("arguments", "words", "command"),
    [
        (("users", "get", "ada@example.com"), "There is no user ada@example.com", "users list --search ada"),
        (("users", "get", "user_1"), "There is no user user_1", "users list"),
        (("keys", "revoke", "key_1"), "There is no API key key_1", "keys list"),
        (("groups", "get", "Team"), "There is no group Team", "groups list"),
        (("bulk", "get", "job_1"), "There is no bulk job job_1", "bulk list"),
        (("webhooks", "delivery", "webhook_1", "dlv_1"), "no delivery dlv_1 of webhook webhook_1", "webhooks list"),
    ],
)
def test_what_is_not_there_is_named_and_where_to_look_for_it(
    arguments: tuple[str, ...], words: str, command: str, server: Server
) -> None:
    for place, location, option in (
        (("--data", str(server.data)), str(server.data), "--data"),
        (("--url", server.url, "--key", server.key), server.url, "--url"),
    ):
        said = refused(*arguments, *place)
        assert words in said and location in said and f" {command} {option} " in said, said
        assert said.count("\n") == 1 and server.key not in said


def test_a_key_without_the_right_is_told_what_would_help(server: Server) -> None:
    with server.http() as http:
        key = new_key(http, scopes=["users:read"])
    said = refused("users", "suspend", OWNER_EMAIL, "--url", server.url, "--key", key)
    assert "users:write" in said and "--profile" in said and said.count("\n") == 1


def test_a_database_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rollbook.db").write_bytes(b"not a database, " * 1000)
    for command in (("users", "list"), ("serve", "--port", "0"), ("migrate",)):
        assert "cannot be used as a database" in refused(*command, cwd=tmp_path)


@contextmanager
def stranger(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """The URL of a server that answers everything with this."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = answer

        def log_message(self, format: str, *values: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (("users", "get", "user_1"), (200, b"[]")),
        (("users", "get", "a@example.com"), (200, b'{"id": "user_1"}')),
        (("users", "get", "a@example.com"), (200, b"[1]")),
        (("users", "get", "user_1"), (200, b"[" * 100_000)),
        (("users", "get", "user_1"), (200, b"<html>")),
        (("users", "list"), (200, b"[{}]")),
        (("users", "list", "--quiet"), (200, b'[{"id": 5}]')),
        (("users", "list", "--quiet"), (200, b'[{"id": "user_1"}]', "<http://a:b/>; rel=next")),
        (("users", "set", "user_1", "--name", "A"), (200, b"null")),
        (("users", "restore", "user_1"), (200, b'"user"')),
        (("users", "invite", "a@example.com"), (200, b'{"id": "user_1", "url": 5}')),
        (("keys", "list", "user_1"), (200, b'{"id": "user_1"}')),
        (("keys", "create", "user_1"), (200, b'{"id": "user_1", "key": []}')),
        (("keys", "rotate", "key_1"), (200, b"[]")),
        (("users", "get", "user_1"), (400, b'{"error": 5}')),
        (("users", "get", "user_1"), (400, b"[" * 100_000)),
    ],
)
def test_what_no_rollbook_server_says_is_one_line(
    command: tuple[str, ...], answer: tuple[Any, ...], tmp_path: Path
) -> None:
    status, body, *link = answer
    with stranger(status, body, **({"Link": link[0]} if link else {})) as url:
        done = rollbook(*command, "--url", url, "--key", "k", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"rollbook: {url} answered {status}, but not like a Rollbook server. Check the URL."
    ]


@pytest.mark.parametrize("body", [b'{"\\u001b[31m": "\\u001b[31m"}', b"{}"])
def test_fields_that_no_rollbook_server_has_are_harmless(body: bytes) -> None:
    with stranger(200, body, **{"Content-Type": "application/json"}) as url:
        assert "\x1b" not in good("imports", "get", "import_1", "--url", url, "--key", "k")


@pytest.mark.parametrize("command", [("api", "GET", "/v1/exports"), ("users", "export", "-")])
def test_a_response_that_is_cut_off_is_a_failure(command: tuple[str, ...]) -> None:
    with stranger(
        200, b'{"id": "user_1"}\n', **{"Content-Type": "application/x-ndjson", "Content-Length": "1000"}
    ) as url:
        done = rollbook(*command, "--url", url, "--key", "k")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"rollbook: {url} ended the response before it was complete."]


def test_every_setting_is_a_flag_of_serve() -> None:
    page = " ".join(good("serve", "--help").split())
    for name in hints():
        assert f"--{name.replace('_', '-')}" in page
    assert "Rate limit of each user, shared by all of their API keys" in page


@grid(
    ("arguments", "flags"),
    [
        ([], {}),
        (["--port", "1", "--rate-limit=none", "--data", "d"], {"port": "1", "rate_limit": "none", "data": "d"}),
        (
            ["--role-limits", "admin=1/minute", "--role-limits=viewer=2/minute"],
            {"role_limits": ["admin=1/minute", "viewer=2/minute"]},
        ),
        (["--help"], None),
        (["--port"], None),
        (["--port", "--host"], None),
        (["--no-access-log"], None),
        (["--access-log"], None),
        (["port", "1"], None),
        (["--fly", "1"], None),
        (["--rate_limit", "none"], None),
        (["--config", "f"], None),
        (["--port", "-1"], None),
    ],
)
def test_the_short_way_to_serve_takes_what_it_knows_whole_and_leaves_the_rest(
    arguments: list[str], flags: object
) -> None:
    assert plain_flags(arguments) == flags


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("rollbook us", "users"),
        ("rollbook users cre", "create"),
        ("rollbook keys ro", "rotate"),
        ("rollbook serve --rate", "--rate-limit"),
    ],
)
def test_shells_complete_commands_and_flags(words: str, found: str) -> None:
    environment = os.environ | {
        "_ROLLBOOK_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    command = Path(sys.executable).with_name("rollbook")
    done = subprocess.run([command], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert f"plain,{found}" in done.stdout.split()


# Elsewhere in the tests the command is forked from a process that has loaded it, see `tests/processes.py`.
@pytest.mark.parametrize(
    "command", [[Path(sys.executable).with_name("rollbook")], [sys.executable, "-m", "rollbook.cli.main"]]
)
def test_the_command_is_installed_and_serves(command: list[str | Path], tmp_path: Path) -> None:
    port = free_port()
    flags = ["serve", "--port", str(port), "--data", tmp_path / "data"]
    log = tmp_path / "log"
    with open(log, "wb") as words:
        server = subprocess.Popen([*command, *flags], stderr=words, cwd=tmp_path, env={"PATH": os.defpath})
    try:
        until = time.monotonic() + 60
        while not is_ready(f"http://127.0.0.1:{port}"):
            assert server.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        for page in ("/account/sign-in", "/docs"):
            answer = httpx2.get(
                f"http://127.0.0.1:{port}{page}", headers={"Accept": "text/html"}, timeout=60, verify=False
            )
            assert answer.status_code == 200 and "<h1" in answer.text
    finally:
        server.terminate()
        assert server.wait(60) == 0, log.read_text()


def is_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/health/ready").status_code == 200
    except httpx2.TransportError:
        return False


def test_version_names_what_runs_and_the_commit_of_a_checkout() -> None:
    described = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    commit = subprocess.run(described, capture_output=True, text=True, check=True).stdout.strip()
    said = good("--version")
    assert said.startswith(f"rollbook {__version__} ({commit}), Python {platform.python_version()}, SQLite 3.")


def test_migrate_says_what_is_pending_and_applies_it(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    done = rollbook("migrate", "--check", *data)
    assert done.returncode == 1
    assert "0103_schema.sql" in done.stdout
    assert "migrate" in refused("users", "list", *data)
    applied = json.loads(good("migrate", "--json", *data))["applied"]
    assert applied[0] == "0103_schema.sql"
    assert json.loads(good("migrate", "--check", "--json", *data)) == {"pending": []}
    good("users", "create", "--name", "N", "--email", "n@example.com", "--password", PASSWORD, *data)


def test_openapi_is_printed_and_compared(tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_text(good("openapi"))
    assert json.loads(file.read_text())["openapi"].startswith("3.1")
    good("openapi", "--check", str(file))
    file.write_text(file.read_text().replace("/v1/users", "/v1/persons"))
    assert "is outdated" in refused("openapi", "--check", str(file))


def commands() -> dict[str, Any]:
    """By name, such as `users list`."""
    root = app
    found = {}
    for name in COMMANDS:
        command = root.get_command(click.Context(root), name)  # type: ignore[attr-defined]
        found |= (
            {f"{name} {each}": child for each, child in command.commands.items()}
            if hasattr(command, "commands")
            else {name: command}
        )
    return found


def test_the_list_of_commands_has_their_first_sentences_and_waits_for_none_of_them() -> None:
    program = (
        "import sys; from rollbook.cli.main import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--help", "--all"], capture_output=True, text=True, timeout=60
    )
    shown = " ".join(done.stdout.split())
    for name, sentence in COMMANDS.items():
        command = app.get_command(click.Context(app), name)
        assert command is not None and first_sentence(command.help or "") == sentence, name
        assert f"{name} {sentence}" in shown
    loaded = set(done.stderr.split())
    assert loaded and not loaded & {
        "rollbook.cli.users",
        "rollbook.cli.server",
        "rollbook.app",
        "rollbook.actions.arguments",
    }


def test_help_lists_what_most_people_need_and_all_commands_where_that_is_asked_for() -> None:
    def listed(*words: str) -> list[str]:
        return re.findall(r"^  ([a-z][a-z-]*)  ", good(*words).partition("\n\nOptions:")[2], re.M)

    assert set(listed("--help")) == FIRST and len(FIRST) == 12
    assert "\n17 more commands: rollbook --help --all\n" in good("--help")
    assert listed("--help", "--all") == listed("help", "--all") == listed("--all") == list(COMMANDS)
    assert "show-replay" not in listed("webhooks", "--help") and "replay" in listed("webhooks", "--help")
    assert "show-replay" in listed("webhooks", "--help", "--all")
    assert good("webhooks", "replays", "--help").startswith("Usage: rollbook webhooks replays")


def test_each_command_has_examples_that_can_be_called() -> None:
    tried = []
    for name, command in commands().items():
        assert examples(name), name
        for text in examples(name):
            words = shlex.split(text.split(" | ")[0].split(" < ")[0].split(" > ")[0])
            command.make_context(name, words[1 + len(name.split()) :])
            tried.append(text)
    assert sorted(tried) == sorted(lines())


def test_help_has_examples_whole_sentences_and_no_types() -> None:
    for arguments in ((), ("users",), ("webhooks",)):
        words = good(*arguments, "--help")
        assert "..." not in words.partition("Options:")[2]
    for arguments in (("users", "list"), ("webhooks", "deliveries"), ("backup",)):
        words = good(*arguments, "--help")
        assert f"Examples:\n    {examples(' '.join(arguments))[0]}\n" in words
        assert "range>" not in words


def offered(words: str, **environment: str) -> set[str]:
    """What the shell offers for the last of these words."""
    asked = {"_ROLLBOOK_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    done = processes.run([processes.INSTALLED], env=os.environ | asked | environment)
    assert not done.stderr
    return {each.partition(",")[2] for each in done.stdout.split()}


def offered_soon(words: str, **environment: str) -> set[str]:
    """What is read from a database or a server. On a busy machine that may take longer than whoever presses Tab waits
    for, and nothing is offered."""
    until = time.monotonic() + 60
    while not (found := offered(words, **environment)) and time.monotonic() < until:
        pass
    return found


def test_the_shell_offers_roles_statuses_and_scopes() -> None:
    assert offered("rollbook users list --role ") == {"member", "viewer", "admin", "owner"}
    assert offered("rollbook users list --status d") == {"deleted"}
    assert offered("rollbook keys create a@b.co --scopes users:read,users:w") == {"users:read,users:write"}


def test_the_shell_offers_emails_of_the_folder_or_the_server(server: Server) -> None:
    with server.http() as http:
        for name in ("Zoe", "Zora", "Bo"):
            new_user(http, name=name, email=f"{name.lower()}@example.com")
        gone = new_user(http, email="zed@example.com")
        assert http.delete(f"/v1/users/{gone['id']}").status_code == 204
    both = {"zoe@example.com", "zora@example.com"}
    for place in (f"--data {server.data}", f"--url {server.url} --key {server.key}"):
        assert offered_soon(f"rollbook users get {place} zo") == both
        assert offered_soon(f"rollbook users get {place} zor") == {"zora@example.com"}
        assert both <= offered_soon(f"rollbook users get {place} ")
        assert offered_soon(f"rollbook logs list {place} --user zo") == both
        assert offered_soon(f"rollbook events list {place} --user zo") == both
        assert offered_soon(f"rollbook users restore {place} z") == {"zed@example.com"}
    assert offered_soon("rollbook users get zo", ROLLBOOK_URL=server.url, ROLLBOOK_KEY=server.key) == both
    assert offered_soon("rollbook users get zo", ROLLBOOK_DATA=str(server.data)) == both


def test_the_shell_offers_groups_keys_webhooks_and_profiles(server: Server, tmp_path: Path) -> None:
    with server.http() as http:
        for name in ("Navigators", "Nav$(id)", "Nav a"):
            http.post("/v1/groups", json={"name": name}).raise_for_status()
        hook = http.post("/v1/webhooks", json={"url": "inbox"}).json()["id"]
        key = http.get("/v1/keys").json()[0]["id"]
    remote, folder = f"--url {server.url} --key {server.key}", f"--data {server.data}"
    for place in (remote, folder):
        assert offered(f"rollbook groups get {place} Nav") == {"Navigators"}  # bash would run the other
        fish = {"_ROLLBOOK_COMPLETE": "fish_complete", "COMP_CWORD": "Nav"}
        assert {"Navigators", "Nav$(id)"} < offered(f"rollbook groups get {place} Nav", **fish)
        assert hook in offered(f"rollbook webhooks get {place} webhook_")
    assert key in offered(f"rollbook keys revoke {remote} key_")
    saved = tmp_path / "rollbook" / "profiles"
    saved.mkdir(parents=True)
    (saved / "staging.json").write_text("{}")
    for command in ("users list", "login", "logout"):
        assert offered(f"rollbook {command} --profile st", XDG_CONFIG_HOME=str(tmp_path)) == {"staging"}


def test_where_emails_cannot_be_read_the_shell_offers_none_and_the_line_stays_clean(tmp_path: Path) -> None:
    there = {"ROLLBOOK_DATA": str(tmp_path / "none"), "XDG_CONFIG_HOME": str(tmp_path)}
    assert offered("rollbook users get a", **there) == set()
    assert not (tmp_path / "none").exists()
    assert offered("rollbook users get --url http://127.0.0.1:1 --key k a") == set()
    assert offered("rollbook users get --url nonsense --key k a") == set()
    with stranger(200, b"<html>") as url:
        assert offered(f"rollbook users get --url {url} --key k a") == set()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and never answers
        assert offered(f"rollbook users get --url http://127.0.0.1:{silent.getsockname()[1]} --key k a") == set()


def test_a_role_status_scope_or_time_that_there_is_not_ends_with_2(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    good("users", "create", "--name", "A", "--email", "a@example.com", "--password", PASSWORD, *data)
    for arguments in (
        ("users", "set", "a@example.com", "--role", "king"),
        ("users", "list", "--status", "gone"),
        ("keys", "create", "a@example.com", "--expires", "soon"),
        ("keys", "create", "a@example.com", "--scopes", "fly"),
    ):
        refused(*arguments, *data, code=2)
    made = good("keys", "create", "a@example.com", "--ip-allow", "10.0.0.0/8,192.0.2.1", *data)
    assert "10.0.0.0/8" in made, "what limits the key is printed"
