"""Two nodes on one PostgreSQL behind Caddy and HAProxy, as deploy/ configures them: restarting one after the other
fails no request."""

from __future__ import annotations

import http.client
import json
import secrets
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from rollbook.auth import key_format
from tests import postgres
from tests.deploy.balancers import BALANCERS, Caller, balancing, command, environment
from tests.deploy.programs import DEPLOY, program, run
from tests.harness import Server, free_port
from tests.nodes.pair import wait_until

FLAGS = ("--rate-limit", "none", "--unauthenticated-limit", "none", "--trusted-proxy", "127.0.0.1/32")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    key, folder = key_format.mint(), tmp_path_factory.mktemp("nodes")
    shared = {"ROLLBOOK_DATABASE": postgres.new_database("rolling"), "ROLLBOOK_SECRET": secrets.token_hex(32)}
    nodes = [Server(folder / f"node{number}", *FLAGS, environment=shared, owner_key=key) for number in (1, 2)]
    try:
        yield [node.start() for node in nodes]
    finally:
        for node in nodes:
            node.stop()


@pytest.mark.parametrize("name", BALANCERS)
def test_the_configuration_is_valid(name: str, tmp_path: Path) -> None:
    node = Server(tmp_path / "node")
    run(*command(name, check=True), environment=environment(name, free_port(), [node, node], tmp_path))


@pytest.mark.parametrize("name", BALANCERS)
def test_a_rolling_restart_under_load_fails_no_request(name: str, nodes: list[Server], tmp_path: Path) -> None:
    key = nodes[0].key
    with balancing(name, nodes, tmp_path) as url:
        before = _users(nodes[0])
        callers = [Caller(url, key, ("read",), pause=0.01) for _ in range(2)]
        callers += [Caller(url, key, ("create once", "read", "create"), pause=0.02) for _ in range(2)]
        for caller in callers:
            caller.start()
        wait_until(lambda: all(len(caller.outcomes) >= len(caller.kinds) for caller in callers))
        for node in nodes:
            assert node.stop(signal.SIGTERM) == 0
            # Gone for longer than between two looks of the balancer.
            time.sleep(1.5)
            answered = _requests(node)
            node.start()
            # The next node stops when the balancer has seen that this one is back.
            wait_until(lambda node=node, answered=answered: _requests(node) > answered)
        wait_until(lambda: _total(callers)["read", "200"] > 300)
        for caller in callers:
            caller.stop()
    outcomes = _total(callers)
    assert set(outcomes) == {("read", "200"), ("create", "201"), ("create once", "201")}, outcomes
    assert max(caller.slowest for caller in callers) < 30
    # Nothing was lost, and nothing done twice.
    assert _users(nodes[0]) - before == outcomes["create", "201"] + outcomes["create once", "201"]


@pytest.mark.parametrize("name", BALANCERS)
def test_the_nodes_know_a_caller_by_its_address_and_believe_nobody_else(
    name: str, nodes: list[Server], tmp_path: Path
) -> None:
    with balancing(name, nodes, tmp_path) as url:
        connection = http.client.HTTPConnection(
            url.removeprefix("http://"), source_address=("127.0.0.7", 0), timeout=60
        )
        connection.request("GET", "/v1/nothing", headers={"X-Forwarded-For": "203.0.113.9"})
        answer = connection.getresponse()
        id = answer.headers["X-Request-Id"]
        answer.read()
        connection.close()
    deadline = time.monotonic() + 60
    while not (found := [line for node in nodes for line in node.logged() if line.get("request_id") == id]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "127.0.0.7" in str(found) and "203.0.113.9" not in str(found)


@pytest.mark.parametrize("name", BALANCERS)
def test_over_plain_http_pages_lead_to_https_and_calls_are_refused(name: str, tmp_path: Path) -> None:
    plain = free_port()
    nodes = [Server(tmp_path / "1"), Server(tmp_path / "2")]
    with (
        balancing(name, nodes, tmp_path, path="", plain=plain),
        httpx2.Client(base_url=f"http://127.0.0.1:{plain}", timeout=60) as client,
    ):
        wait_until(lambda: is_open(plain))
        for path in ("/", "/account/sign-in?next=/admin", "/docs/users", "/v11"):
            answer = client.get(path, headers={"Host": "api.example.com"})
            assert (answer.status_code, answer.headers["location"]) == (308, f"https://api.example.com{path}")
        key = {"Authorization": "Bearer rbk_secret"}
        for method, path, headers in (
            ("GET", "/v1/users", key),
            ("GET", "/v1/users", {}),
            ("GET", "/v1", {}),
            ("POST", "/v1/users", key),
            ("GET", "/metrics", {}),
            ("GET", "/docs", key),
            ("POST", "/account/sign-in", {}),
        ):
            answer = client.request(method, path, headers=headers)
            assert answer.status_code == 403 and "location" not in answer.headers, (method, path)
            assert answer.headers["content-type"] == "application/json"
            assert answer.json()["code"] == "forbidden" and "rotate the key" in answer.json()["error"]


def test_with_a_domain_caddy_redirects_nothing_by_itself(tmp_path: Path) -> None:
    variables = environment("caddy", free_port(), [Server(tmp_path / "1")], tmp_path) | {"SITE": "api.example.com"}
    file = str(DEPLOY / "Caddyfile")
    adapted = run(program("caddy"), "adapt", "--adapter", "caddyfile", "--config", file, environment=variables).stdout
    servers = json.loads(adapted)["apps"]["http"]["servers"].values()
    (https,) = [each for each in servers if each["listen"] == ["127.0.0.1:443"]]
    assert https["automatic_https"]["disable_redirects"] is True


@pytest.mark.parametrize("name", BALANCERS)
def test_without_any_node_the_answer_is_an_error_and_comes_soon(name: str, tmp_path: Path) -> None:
    with balancing(name, [Server(tmp_path / "1"), Server(tmp_path / "2")], tmp_path, path="") as url:
        started = time.monotonic()
        answer = httpx2.post(f"{url}/v1/users", json={}, timeout=60)
        assert (answer.status_code, answer.json()["code"]) in ((502, "outcome_unknown"), (503, "unavailable"))
        assert answer.headers["content-type"] == "application/json" and int(answer.headers["retry-after"]) >= 1
        assert time.monotonic() - started < 30


def is_open(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def _total(callers: list[Caller]) -> Counter[tuple[str, str]]:
    return sum((caller.outcomes.copy() for caller in callers), Counter[tuple[str, str]]())


def _requests(node: Server) -> int:
    """How many the node has answered."""
    return node.log.read_bytes().count(b"/v1/users")


def _users(node: Server) -> int:
    with node.http() as http:
        return int(http.get("/v1/users?limit=1").headers["X-Total-Count"])
