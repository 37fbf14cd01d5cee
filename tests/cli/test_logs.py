"""`rollbook logs` reads the request log, over the network and on the files, and follows it through a restart of the
server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollbook import clock
from tests.cli.command import good, refused
from tests.cli.test_events import WIDE, tail
from tests.harness import OWNER_EMAIL, Server, new_key, new_user, running
from tests.nodes.pair import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data", *WIDE) as server:
        yield server


@pytest.fixture(params=["a server", "its folder"])
def place(request: pytest.FixtureRequest, server: Server) -> tuple[str, ...]:
    return ("--url", server.url, "--key", server.key) if request.param == "a server" else ("--data", str(server.data))


def test_requests_are_listed_and_shown(server: Server, place: tuple[str, ...]) -> None:
    with server.http() as http:
        missing = http.get("/v1/users/user_00000000000000000000000000").headers["x-request-id"]
        http.get("/v1/users/count")
    listed = ("logs", "list", "--status", "404", "--user", OWNER_EMAIL, *place)
    wait_until(lambda: missing in good(*listed))
    (line,) = (line for line in good(*listed).splitlines() if missing in line)
    assert "\t404\tGET\t/v1/users/user_00000000000000000000000000\t" in line and "\tOwner\t" in line
    shown = json.loads(good("logs", "get", missing, "--json", *place))
    assert (shown["id"], shown["status"]) == (missing, 404)
    counted = ("logs", "list", "--path", "/v1/users/count", "--json", "-n", "1", *place)
    wait_until(lambda: good(*counted))
    assert [json.loads(line)["path"] for line in good(*counted).splitlines()] == ["/v1/users/count"]
    assert good("logs", "list", "--until", "2001-01-01T00:00:00Z", *place) == ""


def test_usage_is_shown_by_endpoint_and_key(server: Server, place: tuple[str, ...]) -> None:
    with server.http() as http:
        user = new_user(http)
        key = http.post("/v1/keys", json={"name": "app", "user_id": user["id"]}).json()
    with server.http(key["key"]) as http:
        for _ in range(3):
            assert http.get("/v1/users/me").status_code == 200
    asked = ("usage", user["email"], "--key-id", key["id"], "--period", "24h", *place)
    wait_until(lambda: "3 requests" in good(*asked))
    found = json.loads(good(*asked, "--json"))
    assert [(each["route"], each["requests"]) for each in found["routes"]] == [("GET /v1/users/{userId}", 3)]
    assert [line.split("\t")[:2] for line in good(*asked).splitlines()[1:]] == [
        ["GET /v1/users/{userId}", "3"],
        ["app", "3"],
    ]
    assert good(*asked).splitlines()[-1].endswith(f"\t{key['id']}")
    whole = good("usage", "--all", *place).splitlines()
    assert f"{user['name']}\t3\t0\t0\t0\t{user['id']}" in whole and f"app\t3\t0\t0\t0\t{key['id']}" in whole
    assert "not both" in refused("usage", user["email"], "--all", *place, code=2)
    assert "24h" in refused("usage", user["email"], "--period", "1y", *place, code=2)
    if place[0] == "--data":
        assert good("usage", *place) == good("usage", "--all", *place)


def test_counts_of_one_are_singular(server: Server, place: tuple[str, ...]) -> None:
    with server.http() as http:
        user = new_user(http)
        key = new_key(http, user_id=user["id"])
    with server.http(key) as http:
        assert http.get("/v1/users/nobody").status_code >= 400
    asked = ("usage", user["email"], *place)
    wait_until(lambda: good(*asked).startswith("1 request, 1 client error, 0 rate limited, 0 server errors\n"))


def test_refused_requests_are_printed_as_they_are_answered(server: Server, place: tuple[str, ...]) -> None:
    # Requests appear 4 seconds later: without a time, a command that takes longer to begin would begin after them.
    since = ("--since", clock.format_time_exactly(clock.now()))
    with (
        tail(server, "--status", "4xx", "--method", "delete", "--json", *since, *place, log="logs") as found,
        server.http() as http,
    ):
        answers = []
        for number in range(3):
            http.get("/v1/users/count")
            answers.append(http.delete(f"/v1/users/user_{number:026}").headers["x-request-id"])
        assert [event["id"] for event in found.events(3)] == answers
        assert found.stop()[0] == 130


def test_a_restart_of_the_server_loses_no_request(tmp_path: Path) -> None:
    since = ("--since", clock.format_time_exactly(clock.now()))
    with (
        running(tmp_path / "data", *WIDE) as server,
        server.http() as http,
        tail(server, "--status", "404", "--json", *since, "--url", server.url, log="logs") as found,
    ):
        first = http.get("/v1/users/user_00000000000000000000000000").headers["x-request-id"]
        assert found.events(1)[0]["id"] == first
        server.stop()
        server.start()
        second = http.get("/v1/users/user_00000000000000000000000001").headers["x-request-id"]
        assert found.events(1)[0]["id"] == second
