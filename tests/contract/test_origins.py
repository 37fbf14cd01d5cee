"""Who may call from where: links with the host that was called, and scripts of other web origins (Fetch standard, "CORS
protocol")."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx2
import pytest

from rollbook.config import ConfigurationError, load
from tests.contract.expect import refused
from tests.engines import once
from tests.harness import Server, running

pytestmark = once

APP = "https://app.example.com"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    origins = {"ROLLBOOK_CORS_ORIGINS": f"{APP},http://127.0.0.1:3000"}
    with running(
        tmp_path_factory.mktemp("shared") / "data", "--rate-limit", "1000/minute", environment=origins
    ) as server:
        yield server


@pytest.fixture(scope="module")
def script(shared: Server) -> Iterator[httpx2.Client]:
    with shared.http() as client:
        client.headers["Origin"] = APP
        yield client


# ---- links


@pytest.mark.parametrize(
    "host", ["localhost:9000", "10.0.0.7", "[::1]:8000", "rollbook", "users.internal:8443", socket.gethostname()]
)
def test_links_lead_to_the_host_that_was_called(http: httpx2.Client, host: str) -> None:
    called = {"Host": host}
    email = f"links{abs(hash(host))}@example.com"
    new = {"name": "A", "email": email, "password": "securepassword123"}
    made = http.post("/v1/users", json=new, headers=called)
    assert made.headers["location"] == f"http://{host}/v1/users/{made.json()['id']}"
    key = http.post("/v1/keys", json={"name": "A key"}, headers=called)
    assert key.headers["location"] == f"http://{host}/v1/keys/{key.json()['id']}"
    for path in ("/v1/users", "/v1/events"):
        assert http.get(f"{path}?limit=1", headers=called).headers["link"].startswith(f"<http://{host}{path}?")


@pytest.mark.parametrize("host", ["evil.example", "app.example.com:8000", "a.b"])
def test_links_never_lead_to_a_host_that_a_stranger_can_own(http: httpx2.Client, server: Server, host: str) -> None:
    answer = http.get("/v1/users?limit=1", headers={"Host": host, "X-Forwarded-Host": host})
    assert answer.headers["link"].startswith(f"<{server.url}/v1/users?") and host not in answer.headers["link"]


def test_links_in_what_is_passed_on_never_follow_the_request(http: httpx2.Client, server: Server, user: dict) -> None:
    made = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"}, headers={"Host": "10.0.0.7"})
    assert made.json()["url"].startswith(server.url)


# ---- other origins


def test_a_script_of_a_listed_origin_may_call_and_read(script: httpx2.Client) -> None:
    for answer, status in (
        (script.get("/v1/users?limit=1"), 200),
        (script.get("/v1/users/nobody"), 404),
        (script.get("/v1/nowhere"), 404),
        (script.post("/v1/users", json={"name": ""}), 400),
        (script.get("/v1/users", headers={"Authorization": "Bearer x"}), 401),
        (script.post("/v1/users", content=b"x" * 100_000), 413),
    ):
        assert answer.status_code == status
        assert (
            answer.headers["access-control-allow-origin"] == APP and answer.headers["vary"].split(", ")[-1] == "Origin"
        )
        exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
        safelisted = ("content-type", "content-length", "cache-control", "content-language", "expires", "last-modified")
        unread = ("date", "vary", "connection", "x-content-type-options", "content-encoding", "allow")
        unread += ("content-security-policy",)
        own = [
            name
            for name in answer.headers
            if not name.startswith("access-control-") and name not in (*safelisted, *unread)
        ]
        assert not set(own) - set(exposed)
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_preflight_needs_no_key_and_is_kept(shared: Server, method: str) -> None:
    with shared.http(None) as browser:
        asks = {
            "Origin": APP,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,idempotency-key",
        }
        answer = browser.options("/v1/users/me", headers=asks)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == APP
    assert method in answer.headers["access-control-allow-methods"].split(", ")
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "idempotency-key", "if-match", "if-none-match"} <= set(allowed)
    assert int(answer.headers["access-control-max-age"]) >= 7200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "https://app.example.com.evil.example",
        "http://app.example.com",
        "HTTPS://APP.EXAMPLE.COM",
    ],
)
def test_no_other_origin_may(shared: Server, origin: str) -> None:
    with shared.http() as browser:
        browser.headers["Origin"] = origin
        for answer in (
            browser.get("/v1/users/me"),
            browser.options("/v1/users", headers={"Access-Control-Request-Method": "GET"}),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control-")]
            assert "Origin" in answer.headers["vary"]


def test_no_origin_may_as_shipped_and_none_may_use_the_dashboard(http: httpx2.Client, script: httpx2.Client) -> None:
    answers = [
        http.get("/v1/users/me", headers={"Origin": APP}),
        script.get("/account/sign-in"),
        script.get("/metrics"),
    ]
    for answer in answers:
        assert answer.status_code == 200 and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/openapi.json", "/health/live", "/health/ready"])
def test_public_documents_are_for_all_origins(anonymous: httpx2.Client, path: str) -> None:
    answer = anonymous.get(path, headers={"Origin": "https://editor.example"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")


@pytest.mark.parametrize(
    "wrong",
    [
        "*",
        "app.example.com",
        "https://app.example.com/",
        "https://App.example.com",
        "https://a.example:443",
        "null",
        "ftp://a",
    ],
)
def test_what_is_no_origin_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"cors_origins: .* is not an origin\. Use a scheme and a host, such as https://"
    ):
        load(environment={"ROLLBOOK_CORS_ORIGINS": wrong})


def test_origins_are_no_way_around_the_key(shared: Server) -> None:
    with shared.http(None) as stranger:
        refused(stranger.get("/v1/users", headers={"Origin": APP}), 401, "missing_key")
