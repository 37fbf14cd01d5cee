"""The first start: an owner and its key before the port opens, and words that work when pasted."""

from __future__ import annotations

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook.auth import key_format
from tests import postgres, processes
from tests.certificates import certified
from tests.cli.command import PASSWORD, good, refused, rollbook
from tests.harness import CHEAP

NUMBERS = itertools.count(1)
PROGRAM = (sys.executable, "-m", "rollbook.cli.main")
PATH = "/usr/bin:/bin"
"""Without the virtual environment's folder."""


class Start:
    """A server that was started, and what it has said so far."""

    def __init__(self, folder: Path, *flags: str, program: Sequence[str] = PROGRAM, **variables: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")}
        environment |= CHEAP | {f"ROLLBOOK_{name.upper()}": value for name, value in variables.items()}
        environment |= {"PATH": PATH} if program != PROGRAM else {}
        command = [*program, "serve", "--data", "data", *flags]
        self.kept = folder / "data" / "first-start.txt"
        self._kept_before = self.kept.exists()
        self._words = folder / f"words{next(NUMBERS)}.txt"
        with open(self._words, "wb") as words:
            self.process = processes.start(command, cwd=folder, env=environment, stderr=words)

    @property
    def logged(self) -> str:
        return self._words.read_text()

    @property
    def said(self) -> str:
        """With what it says to its owner only."""
        return self.logged + (self.kept.read_text() if self.kept.exists() and not self._kept_before else "")

    def ready(self) -> str:
        """All it says until it listens, with its URL in it."""
        until = time.monotonic() + 60
        while "keys create" not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < until, self.said
            time.sleep(0.01)
        return self.said

    def listens(self) -> None:
        until = time.monotonic() + 60
        while "Rollbook listens at" not in self.logged:
            assert self.process.poll() is None and time.monotonic() < until, self.said
            time.sleep(0.01)


@contextmanager
def started(folder: Path, *flags: str, program: Sequence[str] = PROGRAM, **variables: str) -> Iterator[Start]:
    start = Start(folder, *flags, program=program, **variables)
    try:
        yield start
    finally:
        start.process.send_signal(signal.SIGTERM)
        start.process.wait(60)


def call(said: str) -> str:
    """The answer to the printed curl line, pasted into a shell."""
    (line,) = [line for line in said.splitlines() if line.strip().startswith("curl ")]
    return subprocess.run(
        ["sh", "-c", f"{line} --silent --show-error"], capture_output=True, text=True, check=True, timeout=60
    ).stdout


GOOD_HASHES = {"password_memory": "19456", "password_time_cost": "2"}
"""A server that others can reach refuses cheap ones."""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "db.example.com"])
def test_where_others_could_listen_in_it_does_not_start_and_names_three_ways(tmp_path: Path, host: str) -> None:
    done = rollbook("serve", "--host", host, "--port", "0", "--data", str(tmp_path / "data"), **GOOD_HASHES)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    for way in ("tls_cert and tls_key", "trusted_proxy", "--insecure-http (ROLLBOOK_INSECURE_HTTP=true)"):
        assert way in done.stderr
    assert not (tmp_path / "data").exists(), "nothing was created"


def test_each_of_the_three_ways_opens_the_port(tmp_path: Path) -> None:
    files = certified(tmp_path / "certificate", "localhost")
    tls = ("--tls-cert", str(files.certificate), "--tls-key", str(files.key))
    for number, flags in enumerate((tls, ("--trusted-proxy", "10.0.0.0/8"), ("--insecure-http",))):
        with started(
            tmp_path, "--host", "0.0.0.0", "--port", "0", "--data", f"data{number}", *flags, **GOOD_HASHES
        ) as start:
            start.listens()
            assert ("sent unencrypted" in start.logged) == (flags == ("--insecure-http",))
            if flags == tls:  # for another name: that is all right for one's own server, and for no other
                address = good("health", data=tmp_path / "data0").removesuffix(": database ok\n")
                assert address.startswith("https://127.0.0.1:")
                assert "certificate verify failed" in refused("health", url=address)
    with started(tmp_path, "--host", "127.0.0.2", "--port", "0", "--data", "local") as start:
        start.listens()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_first_start_makes_an_owner_and_prints_a_line_that_works_when_pasted(tmp_path: Path, workers: str) -> None:
    with started(tmp_path, "--port", "0", "--workers", workers) as start:
        said = start.ready()
        assert str(tmp_path / "data") in said
        assert "owner@example.com" in said
        [url] = set(re.findall(r"Rollbook listens at (\S+)", said))
        assert re.search(rf"Dashboard +{url}\n", said) and re.search(rf"Docs +{url}/docs\n", said)
        assert '"email":"owner@example.com"' in call(said)
        assert "\x1b" not in said
        # What it logs may be read by others.
        assert "rbk_" not in start.logged and "token=" not in start.logged and str(start.kept) in start.logged
        assert re.search(rf"\n  Sign in +see {start.kept}  \(", start.logged)
        assert start.kept.stat().st_mode & 0o777 == 0o600
        start.kept.unlink()
    assert start.process.returncode == 0
    assert (tmp_path / "data" / "secret").stat().st_mode & 0o777 == 0o600


def test_a_later_start_makes_nothing_and_says_how_to_get_a_key(tmp_path: Path) -> None:
    with started(tmp_path, "--port", "0") as start:
        start.ready()
    with started(tmp_path, "--port", "0") as start:
        said = start.ready()
    assert "rbk_" not in said
    (line,) = [line for line in said.splitlines() if "keys create" in line]
    command = line.partition(": ")[2]
    made = subprocess.run(  # elsewhere: it's in a log
        ["sh", "-c", f"{command} --quiet"], cwd="/", capture_output=True, text=True, check=True, timeout=60
    )
    assert key_format.is_whole(made.stdout.strip())
    assert len(good("users", "list", "--quiet", "--data", str(tmp_path / "data")).split()) == 1


def test_a_node_prints_the_url_of_all_and_the_command_with_the_variables_that_it_needs(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "rollbook"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nfrom rollbook.cli.main import main\nmain()\n")
    script.chmod(0o755)
    (tmp_path / "secret").write_text("0123456789abcdef" * 4)
    (tmp_path / "secret").chmod(0o600)
    needed = {"database": postgres.new_database(), "secret_file": str(tmp_path / "secret")}
    url = "https://users.example.com"
    environment = {f"ROLLBOOK_{name.upper()}": value for name, value in needed.items()} | {"PATH": PATH}
    for _ in range(2):
        with started(
            tmp_path, "--port", "0", "--public-url", url, program=("bin/rollbook",), **needed, **GOOD_HASHES
        ) as start:
            start.listens()
            said = start.ready()
        [(needs, command)] = set(re.findall("another API key, with (.*) of this server: (.*)", said))
        assert needs == "ROLLBOOK_DATABASE and ROLLBOOK_SECRET_FILE"
        assert command == f"{script} keys create owner@example.com", "no path that leads nowhere from elsewhere"
        made = subprocess.run(
            ["sh", "-c", f"{command} --quiet"], cwd="/", env=environment, capture_output=True, text=True, timeout=60
        )
        assert key_format.is_whole(made.stdout.strip()), made.stderr
        assert f" {url}/v1/users\n" in start.kept.read_text() and "0123456789abcdef" not in said
    # With the secret in the data folder, that is named.
    with started(tmp_path, "--port", "0", database=postgres.new_database()) as start:
        command = (
            f"with ROLLBOOK_DATABASE of this server: .* keys create owner@example.com --data {tmp_path / 'data'}\n"
        )
        assert re.search(command, start.ready())


def test_the_owner_is_who_the_environment_says_and_its_key_is_not_printed(tmp_path: Path) -> None:
    key = good("keys", "mint").strip()
    variables = {"owner_email": "ada@example.org", "owner_password": PASSWORD, "owner_key": key}
    with started(tmp_path, "--port", "0", **variables) as start:
        said = start.ready()
        assert "ada@example.org" in said
        assert key not in said
        url = re.search(r"http://\S+?:\d+", said)
        assert url
        assert "ada@example.org" in good("users", "list", "--url", url[0], "--key", key)
    # Nothing is overwritten later; a variable that does nothing is mentioned.
    variables |= {"owner_email": "other@example.org", "owner_key": key_format.mint()}
    with started(tmp_path, "--port", "0", **variables) as start:
        said = start.ready()
        assert "ROLLBOOK_OWNER_KEY has no effect" in said
        assert "other@example.org" not in said
    assert good("users", "list", "--data", str(tmp_path / "data")).count("\n") == 1


def test_the_owners_password_and_key_leave_the_environment(tmp_path: Path) -> None:
    key = good("keys", "mint").strip()
    variables = {
        "ROLLBOOK_OWNER_EMAIL": "ada@example.org",
        "ROLLBOOK_OWNER_PASSWORD": PASSWORD,
        "ROLLBOOK_OWNER_KEY": key,
    }
    words = tmp_path / "words.txt"
    command = [sys.executable, "-m", "rollbook.cli.main", "serve", "--data", str(tmp_path / "data"), "--port", "0"]
    with open(words, "wb") as output:  # not by `processes.start`, whose processes have the environment of another one
        process = subprocess.Popen(
            command, cwd=tmp_path, env=os.environ | CHEAP | variables, stderr=output, stdout=output
        )
    try:
        until = time.monotonic() + 60
        while "listens at" not in words.read_text():
            assert process.poll() is None and time.monotonic() < until, words.read_text()
            time.sleep(0.02)
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        assert b"ada@example.org" in environment
        assert key.encode() not in environment and PASSWORD.encode() not in environment
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"owner_key": "rbk_short"}, "keys mint"),
        ({"owner_key": key_format.mint()[:-1] + "!"}, "ROLLBOOK_OWNER_KEY"),
        ({"owner_password": "qwertyuiop"}, "ROLLBOOK_OWNER_PASSWORD: "),
        ({"owner_password": "Rollbook2026!"}, "ROLLBOOK_OWNER_PASSWORD: "),
        ({"owner_email": "nobody"}, "ROLLBOOK_OWNER_EMAIL: "),
    ],
)
def test_an_owner_that_cannot_be_is_refused_before_the_port_opens(
    tmp_path: Path, variables: dict[str, Any], words: str
) -> None:
    said = refused("serve", "--port", "0", "--data", str(tmp_path / "data"), **variables)
    assert words in said
    assert not any(value in said for name, value in variables.items() if name != "owner_email")
    with started(tmp_path, "--port", "0") as start:
        assert "owner@example.com" in start.ready()


def test_a_file_of_breached_passwords_that_cannot_be_used_is_refused_before_the_port_opens(tmp_path: Path) -> None:
    for path, words in (("/dev/null", "line 1 is no SHA-1 hash"), (str(tmp_path / "none"), "No such file")):
        said = refused("serve", "--port", "0", "--data", str(tmp_path / "data"), breached_passwords=path)
        assert f"breached_passwords: {path} can't be used: {words}" in said


def test_an_address_that_another_user_has_is_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    good("users", "create", "--name", "Ada", "--email", "ada@example.org", "--password", PASSWORD, *data)
    said = refused("serve", "--port", "0", *data, owner_email="ADA@example.org")
    assert "users set ADA@example.org --role owner" in said
    good("users", "set", "ADA@example.org", "--role", "owner", *data)
    with started(tmp_path, "--port", "0") as start:
        assert "ada@example.org" in start.ready()


def test_the_key_is_not_lost_when_the_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = refused("serve", "--port", port, "--data", str(tmp_path / "data"))
    assert f":{port} is taken by" in said
    kept = tmp_path / "data" / "first-start.txt"
    assert str(kept) in said and "rbk_" not in said
    assert key_format.is_whole(kept.read_text().strip())


def test_nobody_is_told_to_create_a_key_that_there_is(tmp_path: Path) -> None:
    for _ in range(2):
        with started(tmp_path, "--port", "0") as start:
            start.listens()
            start.ready()
            assert "Create another API key: " in start.logged and "Create an API key" not in start.said
    data = ("--data", str(tmp_path / "data"))
    (key,) = good("keys", "list", "owner@example.com", "--quiet", *data).split()
    good("keys", "revoke", key, *data)
    with started(tmp_path, "--port", "0") as start:
        assert "Create an API key: " in start.ready()


def test_two_servers_that_start_at_once_make_one_owner(tmp_path: Path) -> None:
    with started(tmp_path, "--port", "0") as one, started(tmp_path, "--port", "0") as other:
        one.ready()
        other.ready()
    assert len(good("users", "list", "--quiet", "--data", str(tmp_path / "data")).split()) == 1


def test_a_worker_starts_without_what_only_some_calls_need() -> None:
    """What a start costs is paid at every restart, and by every test."""
    needless = (
        "httpx2",
        "click",
        "rich",
        "cryptography",
        "prometheus_client",
        "email_validator",
        "idna",
        "opentelemetry",
        "rollbook.cli.commands",
    )
    code = (
        f"import rollbook.cli.main, rollbook.cli.server, sys; print([name for name in {needless!r} if name in "
        "sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def link(said: str) -> str:
    (found,) = re.findall(r"Sign in +(http\S+/account/set-password\?token=\S+)", said)
    return found


def set_password(link: str, password: str = PASSWORD) -> httpx2.Response:
    base, _, token = link.partition("/account/set-password?token=")
    fields = {"token": token, "password": password}
    return httpx2.post(f"{base}/account/set-password", data=fields, headers={"Origin": base}, timeout=60)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_first_start_prints_one_link_with_which_the_owner_signs_in(tmp_path: Path, workers: str) -> None:
    with started(tmp_path, "--port", "0", "--workers", workers) as start:
        said = start.ready()
        assert said.index("Sign in") < said.index("curl")
        base = re.search(r"listens at (\S+)\n", said)[1]  # type: ignore[index]
        assert f"Dashboard  {base}\n" in said and f"Docs       {base}/docs\n" in said
        # The address is that of the port which was taken for 0.
        assert link(said).startswith(re.search(r"listens at (\S+)", said)[1] + "/")  # type: ignore[index]
        assert httpx2.get(link(said), timeout=60).status_code == 200
        answer = set_password(link(said))
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin")
        again = set_password(link(said), "another good password")
        assert again.status_code == 404 and "set-cookie" not in again.headers
        assert start.said.count("token=") == 1
    with started(tmp_path, "--port", "0") as start:
        said = start.ready()
        assert "token=" not in said and "users invite" not in said


def test_a_later_start_says_how_an_owner_without_a_password_gets_a_link_and_the_old_one_goes_on(tmp_path: Path) -> None:
    with started(tmp_path, "--port", "0") as start:
        first = link(start.ready())
    with started(tmp_path, "--port", "0") as start:
        said = start.ready()
        assert "token=" not in said
        url = re.search(r"listens at (\S+)", said)[1]  # type: ignore[index]
        moved = re.sub(r"http://[^/]+", url, first)
        assert httpx2.get(moved, timeout=60).status_code == 200, (
            "the first link is good for three days, whatever the server does"
        )
        (command,) = [line.partition(": ")[2] for line in said.splitlines() if "users invite" in line]
        made = subprocess.run(
            ["sh", "-c", f"{command} --quiet"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()
        assert made.startswith(url + "/"), "the pasted command makes a link to this server"
        assert httpx2.get(moved, timeout=60).status_code == 404, "the newest link counts"
        assert set_password(made).status_code == 303


def test_an_owner_with_a_password_gets_no_link_and_neither_does_one_that_may_not_sign_in(tmp_path: Path) -> None:
    with started(tmp_path, "--port", "0", owner_password=PASSWORD) as start:
        said = start.ready()
        assert "token=" not in said and "users invite" not in said
    other = tmp_path / "other"
    other.mkdir()
    with started(other, "--port", "0", sign_in_roles="member") as start:
        said = start.ready()
        assert "token=" not in said and "users invite" not in said


def test_nobody_can_set_the_owners_password_without_the_link(tmp_path: Path) -> None:
    with started(tmp_path, "--port", "0") as start:
        said = start.ready()
        url = re.search(r"listens at (\S+)", said)[1]  # type: ignore[index]
        for token in ("", "a", "0" * 43, link(said)[-43:-1], "owner@example.com"):
            assert set_password(f"{url}/account/set-password?token={token}").status_code == 404
        for password in ("", "owner@example.com"):
            fields = {"email": "owner@example.com", "password": password}
            assert (
                httpx2.post(f"{url}/account/sign-in", data=fields, headers={"Origin": url}, timeout=60).status_code
                == 401
            )
        assert set_password(link(said)).status_code == 303


def test_a_server_that_could_not_start_says_how_to_set_the_owners_password(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = refused("serve", "--port", str(taken.getsockname()[1]), "--data", str(tmp_path / "data"))
    assert "users invite owner@example.com" in said
