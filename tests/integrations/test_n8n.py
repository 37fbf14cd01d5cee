"""The nodes of integrations/n8n, as they are published, in a real n8n."""

from __future__ import annotations

import json
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from rollbook.delivery import signing
from tests import postgres
from tests.harness import PLAIN, free_port, new_key, new_user, running
from tests.integrations.programs import HOSTS, ROOT, Receiver, receiving, run, started
from tests.n8n_operations import OPERATIONS, Parameters, every_operation
from tests.nodes.pair import wait_until

PACKAGE = ROOT / "integrations" / "n8n"
GUIDE = ROOT / "docs" / "integrations.md"
N8N = HOSTS / "n8n" / "node_modules" / ".bin" / "n8n"
QUIET = {
    "N8N_DIAGNOSTICS_ENABLED": "false",
    "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
    "N8N_TEMPLATES_ENABLED": "false",
    "N8N_PERSONALIZATION_ENABLED": "false",
    "N8N_RUNNERS_MODE": "external",  # no node here runs code of people
    "N8N_SECURE_COOKIE": "false",
    "NO_COLOR": "1",
}
CREDENTIALS = {"rollbookApi": {"id": "rollbookCredential", "name": "Rollbook"}}


def node(name: str, kind: str, version: float, parameters: Parameters, **more: Any) -> Parameters:
    return {
        "id": str(uuid.uuid4()),
        "name": name,
        "type": kind,
        "typeVersion": version,
        "position": [0, 0],
        "parameters": parameters,
        **more,
    }


def workflow(id: str, *chains: tuple[Parameters, Parameters]) -> Parameters:
    connections = {a["name"]: {"main": [[{"node": b["name"], "type": "main", "index": 0}]]} for a, b in chains}
    nodes = [each for chain in chains for each in chain]
    return {"id": id, "name": id, "nodes": nodes, "connections": connections, "settings": {}}


def operation(name: str, parameters: Parameters) -> tuple[Parameters, Parameters]:
    """A webhook of n8n's that starts the operation, and answers with what comes out of it."""
    resource, verb = name.split()
    path = name.replace(" ", "-")
    asked = {"httpMethod": "POST", "path": path, "responseMode": "lastNode", "responseData": "allEntries"}
    start = node(f"start {name}", "n8n-nodes-base.webhook", 2, asked, webhookId=str(uuid.uuid4()))
    form = {"resource": resource, "operation": verb, **parameters}
    return start, node(name, "n8n-nodes-rollbook.rollbook", 1, form, credentials=CREDENTIALS)


def notification(receiver: Receiver, hook: str) -> tuple[Parameters, Parameters]:
    """The trigger, and a node that posts on what comes out of it."""
    form = {"types": ["user.created", "user.deleted"], "options": {"skip_imports": True}}
    start = node(
        "Rollbook Trigger", "n8n-nodes-rollbook.rollbookTrigger", 1, form, credentials=CREDENTIALS, webhookId=hook
    )
    asked = {
        "method": "POST",
        "url": receiver.url,
        "sendBody": True,
        "specifyBody": "json",
        "jsonBody": "={{ JSON.stringify({ type: $json.type, email: $json.object.email }) }}",
        "options": {},
    }
    return start, node("Post it on", "n8n-nodes-base.httpRequest", 4.2, asked)


def database() -> dict[str, str]:
    """Settings of n8n's own database: its driver of SQLite would have to be compiled."""
    url = urlsplit(postgres.new_database("n8n"))
    return {
        "DB_TYPE": "postgresdb",
        "DB_POSTGRESDB_HOST": url.hostname or "",
        "DB_POSTGRESDB_PORT": str(url.port),
        "DB_POSTGRESDB_USER": url.username or "",
        "DB_POSTGRESDB_DATABASE": url.path[1:],
    }


class N8n:
    """n8n with the package in its folder of community nodes."""

    def __init__(self, home: Path, package: Path) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {
            **QUIET,
            "N8N_USER_FOLDER": str(home),
            "N8N_PORT": str(self.port),
            "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_RUNNERS_BROKER_PORT": str(free_port()),
            "N8N_RUNNERS_AUTH_TOKEN": "none",
            "WEBHOOK_URL": self.url,
            **database(),
        }
        nodes = home / ".n8n" / "nodes"
        nodes.mkdir(parents=True)
        (nodes / "package.json").write_text('{"name": "installed-nodes", "private": true}')
        run(["npm", "install", "--ignore-scripts", "--legacy-peer-deps", "--omit=peer", package], nodes)

    def bring(self, kind: str, content: list[Parameters]) -> None:
        file = self.home / f"{kind}.json"
        file.write_text(json.dumps(content))
        run([N8N, f"import:{kind}", f"--input={file}"], self.home, **self.settings)

    def publish(self, *workflows: str) -> None:
        for each in workflows:
            run([N8N, "publish:workflow", f"--id={each}"], self.home, **self.settings)

    @contextmanager
    def running(self) -> Iterator[None]:
        ready = f"{self.url}/healthz/readiness"
        with started([N8N, "start"], self.home, self.home / "n8n.log", ready, **self.settings):
            yield

    def unpublish(self, workflow: str) -> None:
        """As the owner does it in the editor."""
        with httpx2.Client(base_url=self.url, timeout=60, **PLAIN) as editor:
            owner = {"email": "owner@example.com", "firstName": "O", "lastName": "O", "password": "Correct7Horses"}
            for path, body in ("/rest/owner/setup", owner), (f"/rest/workflows/{workflow}/deactivate", {}):
                answer = editor.post(path, json=body)
                assert answer.status_code == 200, answer.text

    def call(self, name: str, /, **body: Any) -> list[dict[str, Any]]:
        """What the operation returns."""
        answer = httpx2.post(f"{self.url}/webhook/{name.replace(' ', '-')}", json=body, timeout=60, **PLAIN)
        assert answer.status_code == 200, f"{name}: {answer.text}\n{(self.home / 'n8n.log').read_text()[-2000:]}"
        return answer.json()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it would be published, which n8n's linter accepts."""
    run(["npm", "run", "lint"], PACKAGE)
    shutil.rmtree(PACKAGE / "dist", ignore_errors=True)
    run(["npm", "run", "build"], PACKAGE)
    folder = tmp_path_factory.mktemp("package")
    run(["npm", "pack", "--pack-destination", folder], PACKAGE)
    (file,) = folder.glob("*.tgz")
    return file


def of_people(receiver: Receiver) -> list[dict[str, Any]]:
    """What was received about people: applications are created and deleted, too."""
    return [each for each in receiver.received if not each["email"].endswith("@applications.invalid")]


def hooks(http: httpx2.Client) -> list[dict[str, Any]]:
    return http.get("/v1/webhooks").json()


def test_a_user_created_by_the_node_starts_the_trigger_of_another_workflow(tmp_path: Path, package: Path) -> None:
    n8n, hook = N8n(tmp_path / "n8n", package), str(uuid.uuid4())
    with (
        running(tmp_path / "data", "--rate-limit", "none", "--webhook-allow", "127.0.0.0/8") as server,
        server.http() as http,
        receiving() as receiver,
    ):
        admin = new_user(http, role="admin", email="n8n@example.com")
        scopes = re.findall(r"--scopes (\S+)", GUIDE.read_text())[0].split(",")
        key = new_key(http, user_id=admin["id"], scopes=[*scopes, "keys:read", "keys:write"])
        n8n.bring(
            "credentials",
            [
                {
                    "id": "rollbookCredential",
                    "name": "Rollbook",
                    "type": "rollbookApi",
                    "data": {"baseUrl": f"{server.url}/", "apiKey": key},
                }
            ],
        )
        operations = workflow("operations", *(operation(*each) for each in OPERATIONS.items()))
        n8n.bring("workflow", [operations, workflow("notification", notification(receiver, hook))])
        n8n.publish("operations", "notification")
        url = f"{n8n.url}/webhook/{hook}/webhook"
        with server.http(key) as before:  # an n8n that lost its database
            left = before.post("/v1/webhooks", json={"url": url}).json()["id"]
        with n8n.running():
            wait_until(lambda: [each["id"] for each in hooks(http)] not in ([], [left]) and len(hooks(http)) == 1)
            (registered,) = hooks(http)
            assert registered["url"] == url
            assert registered["types"] == ["user.created", "user.deleted"]
            assert (registered["status"], registered["skip_imports"]) == ("enabled", True)
            assert registered["user_id"] == admin["id"]
            every_operation(n8n, http)
            wait_until(lambda: len(of_people(receiver)) >= 2)
            assert of_people(receiver) == [
                {"type": "user.created", "email": "ada@example.com"},
                {"type": "user.deleted", "email": "ada@example.com"},
            ]
            refused(n8n, hook)
            assert len(of_people(receiver)) == 2
        # It stays while n8n is stopped, so that no event is lost, and n8n still knows its secret.
        assert [each["id"] for each in hooks(http)] == [registered["id"]]
        with n8n.running():
            new_user(http, email="grace@example.com")
            wait_until(lambda: len(of_people(receiver)) == 3)
            assert of_people(receiver)[2] == {"type": "user.created", "email": "grace@example.com"}
            assert [each["id"] for each in hooks(http)] == [registered["id"]]
            n8n.unpublish("notification")
            wait_until(lambda: not hooks(http))
            many_pages(n8n, http)


def refused(n8n: N8n, hook: str) -> None:
    """What is not signed, signed with another secret, or changed does not start the workflow."""
    body = b'{"id": "evt_1", "type": "user.created", "object": {"email": "mallory@example.com"}}'
    forged = dict(signing.headers("evt_1", int(time.time()), body, [signing.key(signing.new_secret())]))
    for headers in ({}, forged):
        answer = httpx2.post(
            f"{n8n.url}/webhook/{hook}/webhook",
            content=body,
            headers={"content-type": "application/json", **headers},
            timeout=60,
            **PLAIN,
        )
        assert answer.status_code == 401, answer.text


def many_pages(n8n: N8n, http: httpx2.Client) -> None:
    """All users come back, however many pages there are."""
    operations = [
        {"op": "create", "name": "Bot", "email": f"bot{number}@example.com", "status": "invited"}
        for number in range(1100)
    ]
    for start in range(0, len(operations), 100):
        answer = http.post("/v1/users/bulk", json={"operations": operations[start : start + 100]})
        assert answer.status_code == 207, answer.text
    found = n8n.call("user getAll")
    assert len({each["id"] for each in found}) == len(found) == 1100
