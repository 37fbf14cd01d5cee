"""The server's secret is changed, and nothing that it has sealed or signed is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import good, refused
from tests.factors import enrolled
from tests.harness import OWNER_PASSWORD, Server, new_user, running


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "data") as server:
        yield server


def secrets_of(server: Server) -> list[str]:
    return (server.data / "secret").read_text().split()


def seal(server: Server) -> dict[str, str]:
    """A key and a webhook are made, beside the owner's key. Returns what is revealed of each, by path."""
    with server.http() as http:
        key = http.post("/v1/keys", json={"name": "Shop"}).json()
        webhook = http.post(
            "/v1/webhooks", json={"url": "https://example.com/", "types": ["*"], "headers": {"X-Token": "sesame"}}
        ).json()
    return {f"/v1/keys/{key['id']}": key["key"], f"/v1/webhooks/{webhook['id']}": webhook["secret"]}


def cursor_of(server: Server) -> str:
    with server.http() as http:
        new_user(http)
        return http.get("/v1/users", params={"limit": 1}).headers["X-Next-Cursor"]


def status_of_page(server: Server, cursor: str) -> int:
    with server.http() as http:
        return http.get("/v1/users", params={"limit": 1, "cursor": cursor}).status_code


def revealed(server: Server, path: str) -> str:
    with server.http() as http:
        answer = http.post(f"{path}/reveal", json={"password": OWNER_PASSWORD})
        assert answer.status_code == 200, answer.text
        return answer.json().get("key") or answer.json()["secret"]


def test_a_new_secret_opens_all_and_the_former_one_can_go(server: Server) -> None:
    sealed = seal(server)
    with server.http() as http:
        user = new_user(http)
        app = enrolled(http, user["id"])
    cursor = cursor_of(server)
    [before] = secrets_of(server)
    assert server.url in refused("secret", "rotate", "--data", str(server.data))
    server.stop()
    assert json.loads(good("secret", "rotate", "--data", str(server.data), "--json")) == {"sealed_again": 4}
    new, former = secrets_of(server)
    assert former == before != new
    server.start()
    assert {path: revealed(server, path) for path in sealed} == sealed
    assert status_of_page(server, cursor) == 200
    assert "1 former one accepted" in good("doctor", "--data", str(server.data))
    assert json.loads(good("secret", "forget", "--data", str(server.data), "--json")) == {"forgotten": 1}
    assert secrets_of(server) == [new]
    assert (server.data / "secret").stat().st_mode & 0o777 == 0o600
    server.stop()
    server.start()
    assert {path: revealed(server, path) for path in sealed} == sealed
    assert status_of_page(server, cursor) == 400
    with server.http() as http:
        verified = http.post(f"/v1/users/{user['id']}/second-factors/verify", json={"code": app.code()})
        assert verified.json() == {"factor_id": app.factor_id, "recovery_codes_left": 10}


def test_a_change_that_was_interrupted_is_finished_by_the_server(server: Server) -> None:
    sealed = seal(server)
    server.stop()
    (server.data / "secret").write_text(f"{'ab' * 32}\n{secrets_of(server)[0]}\n")
    server.start()
    assert {path: revealed(server, path) for path in sealed} == sealed
    good("secret", "forget", "--data", str(server.data))
    server.stop()
    server.start()
    assert {path: revealed(server, path) for path in sealed} == sealed


def test_a_secret_that_is_given_is_changed_by_who_gives_it(tmp_path: Path) -> None:
    for command in ("rotate", "forget"):
        told = refused("secret", command, "--data", str(tmp_path), secret="ab" * 32)
        assert "openssl rand -hex 32" in told
        assert "one by one" in told
