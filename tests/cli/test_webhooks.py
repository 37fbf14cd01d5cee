"""`rollbook webhooks`: webhooks of a running server, and events for a program that no server can reach."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from rollbook.delivery import signing
from tests import processes
from tests.cli.command import good, refused, rollbook
from tests.harness import OWNER_EMAIL, Server, free_port, new_user, running, serving
from tests.nodes.pair import wait_until


class Receiver(ThreadingHTTPServer):
    """A program that events are sent to. Answers with `status`."""

    def __init__(self) -> None:
        received: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        self.received = received
        self.status = 200

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.put(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(self.server.status)  # type: ignore[missing-attribute]
                self.end_headers()
                self.wfile.write(b"What I think of it")

            def log_message(self, format: str, *values: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/hook"

    def next(self, secret: str) -> dict[str, Any]:
        """The event that came next, if the public library finds that it was signed with this secret."""
        headers, body = self.received.get(timeout=60)
        event = Webhook(secret).verify(body, headers)
        assert event["id"] == headers["webhook-id"]
        return event


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving(Receiver()) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ("--rate-limit", "none", "--unauthenticated-limit", "none", "--webhook-allow", "127.0.0.0/8")
    with running(tmp_path_factory.mktemp("server") / "data", *options) as server:
        yield server


@pytest.fixture
def place(server: Server) -> tuple[str, ...]:
    return ("--url", server.url, "--key", server.key)


# ---- without a server


def test_an_example_event_is_sent_to_a_program_and_its_answer_shown(receiver: Receiver, tmp_path: Path) -> None:
    secret = signing.new_secret()
    done = rollbook(
        "webhooks", "trigger", "user.created", "--forward-to", receiver.url, webhook_secret=secret, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "What I think of it\n")
    assert "user.created" in done.stdout
    assert "Delivered (200)" in done.stdout
    event = receiver.next(secret)
    assert (event["type"], event["object"]["name"]) == ("user.created", "Charlie Chaplin")

    receiver.status = 503
    done = rollbook("webhooks", "trigger", "key.revoked", "--forward-to", receiver.url, "--json", "--secret", secret)
    assert done.returncode == 1
    shown = json.loads(done.stdout)
    assert (shown["type"], shown["outcome"], shown["http_status"], shown["response"]["body"]) == (
        "key.revoked",
        "http_503",
        503,
        "What I think of it",
    )
    assert shown["event_id"] == receiver.next(secret)["id"]

    receiver.status = 200
    done = rollbook("webhooks", "trigger", "user.created", "--forward-to", receiver.url)
    receiver.next(done.stderr.partition("Secret: ")[2].split()[0])


def test_what_cannot_be_triggered_says_why(tmp_path: Path) -> None:
    trigger = ("webhooks", "trigger", "user.created")
    nowhere = f"http://127.0.0.1:{free_port()}/"
    assert "--forward-to must start with https://" in refused(
        *trigger, "--forward-to", "http://93.184.216.34/hook", code=2
    )
    assert "--forward-to" in refused(*trigger, "--forward-to", "ftp://127.0.0.1/hook", code=2)
    assert "public address" in refused(*trigger, "--forward-to", "http://169.254.169.254/hook", code=2)
    assert "--secret is invalid" in refused(*trigger, "--forward-to", nowhere, "--secret", "whsec_short", code=2)
    assert "no event type user.made. Types: user.created, " in refused(
        "webhooks", "trigger", "user.made", "--forward-to", nowhere, code=2
    )
    assert "Add --url" in refused("webhooks", "test", "webhook_1", cwd=tmp_path)
    assert "There is no database" in refused("webhooks", "list", cwd=tmp_path)
    done = rollbook(*trigger, "--forward-to", nowhere)
    assert done.returncode == 1
    assert "  Connection refused  " in done.stdout


# ---- webhooks of a server


def test_a_webhook_is_created_shown_paused_resumed_and_deleted(place: tuple[str, ...], receiver: Receiver) -> None:
    arguments = (
        "--type",
        "user.*",
        "--type",
        "key.created",
        "--payload",
        "thin",
        "--skip-imports",
        "--description",
        "Billing",
    )
    made = json.loads(good("webhooks", "create", receiver.url, *arguments, "--json", *place))
    assert signing.key(made["secret"])
    assert (made["url"], made["types"], made["payload"]) == (receiver.url, ["user.*", "key.created"], "thin")
    assert made["skip_imports"] is True
    id = made["id"]
    shown = good("webhooks", "get", id, *place)
    assert "user.*,key.created" in shown
    assert made["secret"] not in shown
    assert good("webhooks", "set", id, "--status", "paused", "--quiet", *place) == f"{id}\n"
    assert json.loads(good("webhooks", "get", id, "--json", *place))["status"] == "paused"
    assert (
        json.loads(good("webhooks", "set", id, "--status", "enabled", "--from", "now", "--json", *place))["status"]
        == "enabled"
    )
    assert [line.split("\t")[:4] for line in good("webhooks", "list", *place).splitlines() if id in line] == [
        [id, receiver.url, "user.*,key.created", "enabled"]
    ]
    assert id in good("webhooks", "list", "--user", made["user_id"], "--quiet", *place).split()
    assert "must be" in refused("webhooks", "set", id, "--status", "enabled", "--from", "yesterday", *place, code=2)
    good("webhooks", "delete", id, *place)
    assert f"There is no webhook {id}" in refused("webhooks", "get", id, *place)


@pytest.mark.parametrize("where", ["a server", "its folder"])
def test_a_webhook_is_changed_and_its_secret_rotated(
    where: str, server: Server, place: tuple[str, ...], receiver: Receiver
) -> None:
    if where == "its folder":
        place = ("--data", str(server.data))
        assert "Add --user" in refused("webhooks", "create", receiver.url, *place, webhook_allow="127.0.0.0/8")
    owned = (
        "--user",
        OWNER_EMAIL,
        "--type",
        "key.created",
        "--header",
        "X-Team: billing",
        "--header",
        "X-Kind:a",
        "--json",
        *place,
    )
    made = json.loads(good("webhooks", "create", receiver.url, *owned, webhook_allow="127.0.0.0/8"))
    id = made["id"]
    changes = ("--type", "user.created", "--header", "X-Kind:", "--header", "X-Place: Rome", "--description", "B")
    changed = json.loads(good("webhooks", "set", id, *changes, "--json", *place))
    assert (changed["types"], sorted(changed["headers"]), changed["description"]) == (
        ["user.created"],
        ["X-Place", "X-Team"],
        "B",
    )
    assert "Nothing to change" in refused("webhooks", "set", id, *place, code=2)
    assert "NAME:VALUE" in refused("webhooks", "set", id, "--header", "X", *place, code=2)
    secret = good("webhooks", "rotate-secret", id, "--quiet", *place).strip()
    assert signing.key(secret) != signing.key(made["secret"])
    with server.http() as http:
        new_user(http)
    headers, _ = receiver.received.get(timeout=60)
    assert (headers["x-team"], headers["x-place"], headers.get("x-kind")) == ("billing", "Rome", None)
    assert len(headers["webhook-signature"].split()) == 2, "signed with the old secret as well for a while"
    until_listed(id, place, 1)
    (delivery,) = json.loads(good("webhooks", "deliveries", id, "--json", *place))
    whole = json.loads(good("webhooks", "delivery", id, delivery["id"], "--json", *place))
    assert whole["outcome"] == "delivered"
    assert whole["response"]["body"] == "What I think of it"
    assert json.loads(good("webhooks", "set", id, "--status", "paused", "--json", *place))["status"] == "paused"
    assert json.loads(good("webhooks", "set", id, "--status", "enabled", "--json", *place))["status"] == "enabled"
    assert id in good("webhooks", "list", "--quiet", *place).split()
    good("webhooks", "delete", id, *place)


def test_people_are_told_the_secret_and_what_to_do_next(place: tuple[str, ...], receiver: Receiver) -> None:
    done = rollbook("webhooks", "create", receiver.url, *place)
    assert "secret" in done.stdout
    assert "whsec_" in done.stdout
    assert "webhooks test webhook_" in done.stderr
    good("webhooks", "delete", done.stdout.split()[1], *place)


def test_a_url_that_the_server_refuses_is_refused_here(place: tuple[str, ...]) -> None:
    assert "--webhook-allow" in refused("webhooks", "create", "https://10.0.0.1/hook", *place, code=2)


# ---- deliveries


@pytest.fixture
def webhook(place: tuple[str, ...], receiver: Receiver) -> Iterator[dict[str, Any]]:
    made = json.loads(good("webhooks", "create", receiver.url, "--type", "user.created", "--json", *place))
    yield made
    good("webhooks", "delete", made["id"], *place)


def test_a_test_event_shows_the_answer(place: tuple[str, ...], receiver: Receiver, webhook: dict[str, Any]) -> None:
    assert "Delivered (200)" in good("webhooks", "test", webhook["id"], *place)
    assert receiver.next(webhook["secret"])["type"] == "server.test"
    receiver.status = 500
    done = rollbook("webhooks", "test", webhook["id"], "--type", "user.updated", "--json", *place)
    assert done.returncode == 1
    assert json.loads(done.stdout)["outcome"] == "http_500"
    assert receiver.next(webhook["secret"])["type"] == "user.updated"
    failed = json.loads(good("webhooks", "deliveries", webhook["id"], "--outcome", "failed", "--json", *place))
    assert [(each["type"], each["trigger"]) for each in failed] == [("user.updated", "test")]
    assert len(good("webhooks", "deliveries", webhook["id"], "--quiet", "--limit", "1", *place).split()) == 1


def test_what_was_sent_is_sent_again(
    server: Server, place: tuple[str, ...], receiver: Receiver, webhook: dict[str, Any]
) -> None:
    id, secret = webhook["id"], webhook["secret"]
    with server.http() as http:
        user = new_user(http, name="Zelda")
    event = receiver.next(secret)
    assert event["object"]["name"] == "Zelda"
    until_listed(id, place, 1)
    (delivery,) = json.loads(good("webhooks", "deliveries", id, "--user", user["id"], "--json", *place))
    sent = json.loads(good("webhooks", "resend", id, delivery["id"], "--json", *place))
    assert (sent["status"], sent["delivered"], sent["failed"]) == ("done", 1, 0)
    assert receiver.next(secret) == event
    sent = json.loads(good("webhooks", "replay", id, "--from", event["id"], "--user", user["email"], "--json", *place))
    assert (sent["status"], sent["delivered"]) == ("done", 1)
    assert receiver.next(secret) == event
    receiver.status = 400
    assert rollbook("webhooks", "resend", id, delivery["id"], "--quiet", *place).returncode == 1
    made = json.loads(good("webhooks", "replay", id, "--from", event["id"], "--detach", "--json", *place))
    assert made["webhook_id"] == id
    assert "no such event" in refused("webhooks", "replay", id, "--from", "evt_unknown", *place, code=2)


def until_listed(id: str, place: tuple[str, ...], count: int) -> None:
    """Deliveries are noted a moment after they were made."""
    wait_until(lambda: len(good("webhooks", "deliveries", id, "--quiet", *place).split()) >= count)


# ---- events as they happen


@contextmanager
def listening(server: Server, receiver: Receiver, *arguments: str) -> Iterator[processes.AnyProcess]:
    command = [
        sys.executable,
        "-m",
        "rollbook.cli.main",
        "webhooks",
        "listen",
        "--forward-to",
        receiver.url,
        *arguments,
    ]
    environment = server.environment | {"ROLLBOOK_KEY": server.key}
    with processes.start(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


# Ctrl+C in the middle of `asyncio.Runner.run`, when its handler has just been installed.
EARLY = """
import signal, sys
from rollbook.cli.main import main
def interrupt(frame, event, _):
    callers = frame.f_back, frame.f_back and frame.f_back.f_back
    if frame.f_code.co_name == "_int_to_enum" and all(callers) and [each.f_code.co_name for each in callers] == ["signal", "run"]:
        sys.setprofile(None)
        signal.raise_signal(signal.SIGINT)
sys.setprofile(interrupt)
main()
"""


def test_an_interrupt_just_before_it_waits_for_events_ends_it(server: Server, receiver: Receiver) -> None:
    command = [
        sys.executable,
        "-c",
        EARLY,
        "webhooks",
        "listen",
        "--forward-to",
        receiver.url,
        "--data",
        str(server.data),
    ]
    done = subprocess.run(command, env=server.environment, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 130, done.stderr


def test_events_are_forwarded_signed_and_in_order_until_it_is_interrupted(server: Server, receiver: Receiver) -> None:
    with server.http() as http:
        for where in (("--url", server.url), ("--data", str(server.data))):
            position = http.get("/v1/events?order=desc&limit=1").headers["event-position"]
            with listening(server, receiver, "--type", "user.*", "--after", position, "--json", *where) as process:
                assert process.stderr is not None
                assert process.stdout is not None
                secret = process.stderr.readline().removeprefix("Secret: ").strip()
                assert receiver.url in process.stderr.readline()
                user = new_user(http, name="Zelda")
                assert receiver.next(secret)["object"]["name"] == "Zelda"
                assert json.loads(process.stdout.readline())["outcome"] == "delivered"
                receiver.status = 500
                http.patch(f"/v1/users/{user['id']}", json={"name": "Zoe"})
                sent = receiver.next(secret)
                assert (sent["type"], sent["before"]) == ("user.updated", {"name": "Zelda"})
                assert sent == http.get("/v1/events", params={"user": user["id"]}).json()[-1]
                result = json.loads(process.stdout.readline())
                assert (result["event_id"], result["outcome"], result["response"]["body"]) == (
                    sent["id"],
                    "http_500",
                    "What I think of it",
                )
                process.send_signal(signal.SIGINT)
                assert process.wait(60) == 130, process.stderr.read()
                receiver.status = 200
