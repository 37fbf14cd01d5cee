"""What those who run a server rely on: health, metrics, access lines, and the headers that protect callers."""

from __future__ import annotations

import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rollbook import errors, ids
from rollbook.api.operations import Health
from rollbook.api.routes import ROUTES
from rollbook.auth import key_format
from tests.contract.answers import fits, refused
from tests.engines import once
from tests.grids import grid
from tests.harness import OWNER_PASSWORD, Server, new_key, new_user, running

# ---- health


def test_health_needs_no_key_and_says_what_was_looked_at(anonymous: httpx2.Client) -> None:
    assert fits(anonymous.get("/health/live"), Health) == {"status": "ok"}
    assert fits(anonymous.get("/health/ready"), Health) == {"status": "ok", "checks": {"database": "ok"}}


def test_a_server_whose_database_is_gone_lives_but_is_not_ready(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none") as server, server.http() as http:
        server.lose_database()
        assert http.get("/health/live").status_code == 200
        answer = http.get("/health/ready")
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
        content = fits(answer, Health)
        assert content["status"] == "unavailable" and content["checks"]["database"] != "ok"
        # Everything else says so too, in the words of all errors.
        body = {"name": "A", "email": "a@example.com", "password": "securepassword123"}
        for answer in (http.get("/v1/users/me"), http.get("/v1/users"), http.post("/v1/users", json=body)):
            assert int(answer.headers["retry-after"]) >= 1
            refused(answer, errors.StorageUnavailable)


@once
def test_a_server_whose_database_was_removed_is_not_ready_and_makes_no_new_one(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, server.http() as http:
        for file in server.data.glob("rollbook.db*"):
            file.unlink()
        answer = http.get("/health/ready")
        assert answer.status_code == 503 and fits(answer, Health)["checks"]["database"] != "ok"
        assert http.get("/health/live").status_code == 200
        assert list(server.data.glob("rollbook.db*")) == []


# ---- metrics


@pytest.fixture(scope="module")
def pair(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers, whose metrics are one."""
    with running(tmp_path_factory.mktemp("pair") / "data", "--workers", "2", "--rate-limit", "none") as server:
        yield server


def scrape(http: httpx2.Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Samples by name and labels. The parser is Prometheus' own."""
    answer = http.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation and family.type in ("counter", "gauge", "histogram")
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, "a sample that is there twice"
            found[key] = sample.value
    return found


def sample(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def get(server: Server, path: str, key: str | None = "") -> int:
    """A call over a connection of its own, so that any worker may take it."""
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("GET", path, headers={} if key is None else {"Authorization": f"Bearer {key or server.key}"})
        return connection.getresponse().status


@once
def test_metrics_of_all_workers_are_added_up_whichever_answers(pair: Server) -> None:
    with pair.http() as http:
        user = new_user(http)
        before = scrape(http)
        with ThreadPoolExecutor(8) as pool:
            asked, until = 0, time.monotonic() + 60
            while asked == 0 or (not by_both(pair) and time.monotonic() < until):
                assert Counter(pool.map(lambda _: get(pair, f"/v1/users/{user['id']}"), range(100))) == {200: 100}
                asked += 100
            assert Counter(pool.map(lambda _: get(pair, f"/v1/users/{ids.new('user')}"), range(20))) == {404: 20}
            assert Counter(pool.map(lambda _: get(pair, "/v1/users", None), range(10))) == {401: 10}
            assert Counter(pool.map(lambda _: get(pair, f"/{ids.new('x')}"), range(5))) == {404: 5}
        assert by_both(pair)
        for _ in range(5):  # by new connections, to either worker
            with pair.http() as any_worker:
                after = scrape(any_worker)

            def grown(name: str, after: dict[Any, float] = after, **labels: str) -> float:
                return after[sample(name, **labels)] - before.get(sample(name, **labels), 0)

            one, unmatched = {"method": "GET", "route": "/v1/users/{userId}"}, {"method": "other", "route": "unmatched"}
            assert grown("rollbook_http_requests_total", **one, status="200") == asked
            assert grown("rollbook_http_requests_total", **one, status="404") == 20
            assert grown("rollbook_http_requests_total", method="GET", route="/v1/users", status="401") == 10
            assert grown("rollbook_http_requests_total", **unmatched, status="404") == 5
            assert grown("rollbook_http_request_duration_seconds_count", **one) == asked + 20
            assert grown("rollbook_http_request_duration_seconds_bucket", **one, le="+Inf") == asked + 20
            assert 0 < grown("rollbook_http_request_duration_seconds_sum", **one) < 5 * asked
            assert grown("rollbook_errors_total", code="not_found") == 25
            assert grown("rollbook_errors_total", code="missing_key") == 10


def by_both(pair: Server) -> bool:
    """Whether both workers have answered for one user, as their log tells within a second."""
    until = time.monotonic() + 1
    while True:
        if {line["worker"] for line in pair.logged() if line.get("route") == "/v1/users/{userId}"} == {0, 1}:
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.05)


def test_metrics_tell_of_commits_hashes_connections_and_refusals(pair: Server) -> None:
    with pair.http() as http:
        limited = new_user(http, rate_limit="1/hour")
        key = new_key(http, user_id=limited["id"])
        before = scrape(http)
        for _ in range(3):
            new_user(http)
        assert [get(pair, "/v1/users/me", key) for _ in range(4)] == [200, 429, 429, 429]
        after = scrape(http)

        def grown(name: str, **labels: str) -> float:
            return after[sample(name, **labels)] - before.get(sample(name, **labels), 0)

        def gathered() -> bool:
            """Some are, once a second."""
            nonlocal after
            after = scrape(http)
            return (
                grown("rollbook_storage_commit_writes_sum") >= 3
                and grown("rollbook_password_hashes_total", outcome="done") >= 3
                and after[sample("rollbook_connections_open")] >= 1
                and after[sample("rollbook_password_hashes_waiting")] == 0
            )

        wait_until(gathered)
        assert grown("rollbook_storage_commit_writes_sum") >= 3
        assert 1 <= grown("rollbook_storage_commit_writes_count") <= grown("rollbook_storage_commit_writes_sum")
        assert grown("rollbook_password_hashes_total", outcome="done") >= 3
        assert grown("rollbook_rate_limited_total", by="user") == 3
        assert after[sample("rollbook_connections_open")] >= 1
        assert after[sample("rollbook_password_hashes_waiting")] == 0
        assert after[sample("rollbook_worker_restarts_total")] == 0


@once
def test_routes_are_told_apart_by_pattern_and_never_by_what_callers_send(pair: Server) -> None:
    secret = ids.new("user")
    for path in (f"/v1/users/{secret}", f"/v1/{secret}", f"/{secret}", f"/v1/users?email={secret}"):
        get(pair, path)
    with pair.http() as http:
        text = http.get("/metrics").text
        assert secret not in text and "example.com" not in text
        routes = {dict(labels)["route"] for (name, labels) in scrape(http) if name == "rollbook_http_requests_total"}
        assert routes <= {route.path for route in ROUTES} | {"unmatched"}


@once
def test_only_a_key_with_the_scope_reads_metrics(
    as_role: Callable[..., httpx2.Client], anonymous: httpx2.Client
) -> None:
    refused(anonymous.get("/metrics"), errors.MissingKey)
    for role in ("member", "viewer"):
        refused(as_role(role).get("/metrics"), errors.InsufficientScope)
    refused(as_role("owner", scopes=["users:read", "events:read"]).get("/metrics"), errors.InsufficientScope)
    scraper = as_role("admin", scopes=["metrics:read"])
    assert scraper.get("/metrics").status_code == 200
    refused(scraper.get("/v1/users"), errors.InsufficientScope)


# ---- access lines


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def lines_of(server: Server, answers: list[httpx2.Response]) -> list[dict[str, Any]]:
    """The access lines of these answers, in their order: exactly one for each."""
    wanted = [answer.headers["x-request-id"] for answer in answers]
    wait_until(lambda: set(wanted) <= {line.get("request_id") for line in server.logged()})
    found = [line for line in server.logged() if line.get("event") == "request" and line["request_id"] in wanted]
    assert Counter(line["request_id"] for line in found) == dict.fromkeys(wanted, 1)
    return sorted(found, key=lambda line: wanted.index(line["request_id"]))


@once
def test_each_request_leaves_one_line_with_who_what_and_how_it_went(
    server: Server, http: httpx2.Client, anonymous: httpx2.Client, user: dict
) -> None:
    me, key = http.get("/v1/users/me").json()["id"], http.get("/v1/keys/current").json()["id"]
    asked: list[tuple[httpx2.Response, str, str | None, int, bool]] = [
        (http.get("/v1/users", params={"limit": 1}), "GET", "/v1/users", 200, True),
        (http.head(f"/v1/users/{user['id']}"), "HEAD", "/v1/users/{userId}", 200, True),
        (http.put(f"/v1/users/{user['id']}", json={"name": "New"}), "PUT", "/v1/users/{userId}", 200, True),
        (
            http.get(f"/v1/users/{user['id']}/export", headers={"Accept-Encoding": "identity"}),
            "GET",
            "/v1/users/{userId}/export",
            200,
            True,
        ),
        (http.get("/v1/users/nobody"), "GET", "/v1/users/{userId}", 404, True),
        (http.delete("/v1/users"), "DELETE", None, 405, True),
        (http.get("/v1/nowhere"), "GET", None, 404, True),
        (anonymous.get("/v1/users"), "GET", "/v1/users", 401, False),
        (anonymous.get("/health/live"), "GET", "/health/live", 200, False),
        (anonymous.options("/v1/users"), "OPTIONS", None, 204, False),
    ]
    for line, (answer, method, route, status, known) in zip(
        lines_of(server, [answer for answer, *_ in asked]), asked, strict=True
    ):
        assert (line["method"], line["route"], line["status"]) == (method, route, status)
        assert (line["user_id"], line["key_id"]) == ((me, key) if known else (None, None))
        assert line["address"] == "127.0.0.1" and line["worker"] == 0
        assert line["bytes"] == len(answer.content)
        assert isinstance(line["microseconds"], int) and 0 < line["microseconds"] < 10_000_000
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_request_is_found_by_its_trace_and_by_its_callers_id(server: Server, http: httpx2.Client) -> None:
    sent = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "X-Request-Id": "web-42"}
    answer = http.post(
        "/v1/users", json={"name": "Traced", "email": "traced@example.com", "password": "a good password"}, headers=sent
    )
    assert answer.status_code == 201 and answer.headers["traceparent"] == sent["traceparent"]
    assert answer.headers["x-request-id"].startswith("req_")
    (event,) = http.get(f"/v1/events?user={answer.json()['id']}").json()
    assert event["actor"]["trace_id"] == TRACE
    raw = [(b"traceparent", sent["traceparent"].encode()), (b"X-Request-Id", b"caf\xe9 7" + b"x" * 1_000)]
    refused = http.get("/v1/users/nobody", headers=raw)
    assert refused.status_code == 404 and refused.headers["traceparent"] == sent["traceparent"]
    plain = http.get("/v1/users/me")
    assert "traceparent" not in plain.headers
    traced, missing, other = lines_of(server, [answer, refused, plain])
    assert (traced["trace_id"], traced["client_request_id"]) == (TRACE, "web-42")
    assert (missing["trace_id"], missing["client_request_id"]) == (TRACE, "caf??7" + "x" * 122)
    assert "trace_id" not in other and "client_request_id" not in other
    assert missing["code"] == "not_found" and "code" not in other and "code" not in traced


@once
def test_a_line_has_the_code_of_the_error_whoever_found_it(server: Server, http: httpx2.Client) -> None:
    with server.http(None) as anonymous:
        wrong = {"email": "nobody@example.com", "password": "wrong"}
        same_site = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
        answers = [
            anonymous.get("/v1/users"),
            anonymous.get("/nothing"),
            anonymous.get("/v1/users", headers={"Expect": "nothing"}),
            http.post("/v1/users", json={}),
            http.post("/v1/users/verify-password", json=wrong),
            anonymous.post("/account/sign-in", data=wrong, headers=same_site),
            anonymous.post("/account/sign-in", data=wrong, headers={"Sec-Fetch-Site": "cross-site"}),
            anonymous.get("/account/sign-in", headers={"Host": "rebound.example.com"}),
        ]
    assert [line.get("code") for line in lines_of(server, answers)] == [
        "missing_key",
        "not_found",
        "bad_request",
        "invalid_parameter",
        "wrong_password",
        "wrong_password",
        "foreign_form",
        "unknown_host",
    ]


@once
@grid(
    ("sent", "answered"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-00", f"00-{TRACE}-00f067aa0ba902b7-00"),
        (f"00-{TRACE}-00f067aa0ba902b7-ff", f"00-{TRACE}-00f067aa0ba902b7-03"),
        (f"cc-{TRACE}-00f067aa0ba902b7-01-what-comes-later", f"00-{TRACE}-00f067aa0ba902b7-01"),
        (f"00-{TRACE}-00f067aa0ba902b7-01-more", None),
        (f"cc-{TRACE}-00f067aa0ba902b7-01.more", None),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE[1:]}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-00f067aa0ba902b7-1", None),
        (f"00-{TRACE}-00f067aa0ba902b7-01, 00-{TRACE}-00f067aa0ba902b7-01", None),
        ("", None),
    ],
)
def test_a_traceparent_that_is_not_valid_is_ignored(http: httpx2.Client, sent: str, answered: str | None) -> None:
    answer = http.get("/v1/users/me", headers={"traceparent": sent})
    assert answer.status_code == 200 and answer.headers.get("traceparent") == answered


@once
def test_what_never_became_a_request_leaves_a_line_too(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(b"GET /v1/users HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        head = raw.makefile("rb").read().decode()
    found = re.search(r"X-Request-Id: (\S+)", head, re.I)
    assert head.startswith("HTTP/1.1 400") and found is not None
    wait_until(lambda: found[1] in {line.get("request_id") for line in server.logged()})
    (line,) = [line for line in server.logged() if line.get("request_id") == found[1]]
    assert line["status"] == 400 and line["address"] == "127.0.0.1"


@once
def test_the_log_holds_no_secret_wherever_a_caller_puts_it(server: Server, http: httpx2.Client, user: dict) -> None:
    key, other = key_format.mint(), new_key(http)
    secrets = [
        user["password"],
        OWNER_PASSWORD,
        "anotherpasswordofhers",
        key,
        key[:-6],
        other,
        other[:-1],
        "personal-note",
    ]
    answers = [
        http.put(f"/v1/users/{user['id']}/password", json={"password": "anotherpasswordofhers"}),
        http.post("/v1/users/verify-password", json={"email": user["email"], "password": user["password"]}),
        http.post("/v1/keys/current/reveal", json={"password": OWNER_PASSWORD}),
        http.get("/v1/users", params={"q": "personal-note"}),
        http.get("/v1/users", params={"key": other}),
        http.get(f"/{other}"),
        http.get("/nowhere", params={"q": "personal-note"}),
        http.get(f"/v1/{key}/{other}"),
        http.get(f"/v1/users/{other}"),
        http.get("/v1/users", headers={"Authorization": f"Bearer {key}"}),
        http.get("/v1/users", headers={"Authorization": f"Bearer {other[:-1]}"}),
        http.get(
            "/v1/users",
            headers={"User-Agent": other, "Referer": f"https://example.com/?key={other}", "Cookie": f"key={other}"},
        ),
        http.post("/v1/users", content=f'{{"password": "{other}"'),
        http.post("/v1/users", json={other: "anotherpasswordofhers", "password": "anotherpasswordofhers"}),
    ]
    assert len(lines_of(server, answers)) == len(answers)
    text = server.log.read_text()
    for secret in [*secrets, "$argon2", user["email"]]:
        assert secret not in text


@once
def test_a_line_stays_one_line_whatever_the_path_holds(server: Server, http: httpx2.Client) -> None:
    answers = [
        http.get(path) for path in ("/a%0Ab", "/%1b%5b31mred", "/%E2%80%AEdesrever", '/"quoted"', "/" + "long" * 200)
    ]
    lines_of(server, [answer for answer in answers if answer.status_code == 404])
    text = server.log.read_text()
    assert "\x1b" not in text and "\u202e" not in text and "long" * 100 not in text


# ---- headers


@once
def test_answers_carry_what_protects_callers(server: Server, http: httpx2.Client, anonymous: httpx2.Client) -> None:
    answers = [
        http.get("/v1/users"),
        http.get("/v1/users/me"),
        http.get("/v1/keys"),
        http.get("/v1/events"),
        http.get("/v1/users/me/export"),
        http.get("/v1/nowhere"),
        http.put("/v1/users"),
        anonymous.get("/v1/users"),
        http.post("/v1/users", content=b"{"),
    ]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
    for answer in [
        *answers,
        anonymous.get("/health/live"),
        anonymous.get("/openapi.json"),
        http.get("/metrics"),
        anonymous.options("/v1/users"),
    ]:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert re.fullmatch(r"req_[0-9a-v]{24}", answer.headers["x-request-id"])
        assert "strict-transport-security" not in answer.headers, "not on a plain connection (RFC 6797 section 7.2)"
        assert "server" not in answer.headers and "set-cookie" not in answer.headers
        is_public = answer.url.path in ("/health/live", "/openapi.json")
        assert answer.headers.get("access-control-allow-origin") == ("*" if is_public else None)
    tag = http.get("/v1/users/me").headers["etag"]
    unchanged = http.get("/v1/users/me", headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.headers["etag"], unchanged.content) == (304, tag, b"")


@once
def test_a_callers_request_id_is_not_taken_over(http: httpx2.Client) -> None:
    answer = http.get("/v1/users/me", headers={"X-Request-Id": "req_forged"})
    assert answer.headers["x-request-id"] != "req_forged"


@once
def test_whoever_ends_tls_browsers_are_told_to_stay_with_it(tmp_path: Path) -> None:
    public = ("--public-url", "https://api.example.com")
    for flags, told in (
        (public, "max-age=31536000; includeSubDomains"),
        ((*public, "--no-hsts-subdomains"), "max-age=31536000"),
        ((*public, "--trusted-proxy", "127.0.0.1/32"), None),  # it says when there is TLS
        (("--public-url", "http://api.example.com"), None),
    ):
        with running(tmp_path / str(len(list(tmp_path.iterdir()))), *flags) as server, server.http() as http:
            for path in ("/v1/users/me", "/v1/nowhere", "/health/live", "/docs", "/static/app.js", "/%zz"):
                assert http.get(path).headers.get("strict-transport-security") == told, (flags, path)


@once
def test_behind_a_proxy_that_ends_tls_hsts_is_sent(tmp_path: Path) -> None:
    with (
        running(
            tmp_path / "data", "--trusted-proxy", "127.0.0.1/32", "--public-url", "https://api.example.com"
        ) as server,
        server.http() as http,
    ):
        secure = http.get("/v1/users/nobody", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"})
        assert re.match(r"max-age=\d{7,}", secure.headers["strict-transport-security"])
        assert secure.json()["doc_url"] == "https://api.example.com/docs/errors/not_found"
        assert (
            "strict-transport-security" not in http.get("/v1/users/me", headers={"X-Forwarded-Proto": "http"}).headers
        )
        assert lines_of(server, [secure])[0]["address"] == "203.0.113.7"
        link = http.get("/v1/users", headers={"Host": "evil.example"}).headers["link"]
        assert "https://api.example.com/v1/users" in link and "evil" not in link


@once
def test_the_description_names_this_server(server: Server, anonymous: httpx2.Client) -> None:
    answer = anonymous.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    described = answer.json()
    assert described["openapi"].startswith("3.1") and described["servers"][0]["url"] == server.url
    assert set(described["paths"]) == {route.path for route in ROUTES}
