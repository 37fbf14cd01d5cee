"""Rate limits as they ship: what is counted, what is told, and that never one request more is let in."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from rollbook import clock, errors
from rollbook.auth import key_format
from tests.callers import Connection, worker_of
from tests.contract.answers import Log, refused
from tests.engines import once
from tests.grids import grid
from tests.harness import OWNER_EMAIL, Server, new_key, new_user, running
from tests.patient import PATIENT
from tests.valkey import ValkeyServer

FIELDS = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy", "ratelimit")
# No limiter knows the database; that changes of a user's limit are seen on PostgreSQL, see tests/nodes.
pytestmark = once


@pytest.fixture(scope="module", params=["here", "in valkey"])
def store(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Flags that say where requests are counted. All that is promised holds in both places."""
    if request.param == "here":
        return ()
    valkey: ValkeyServer = request.getfixturevalue("valkey")
    valkey.ask("FLUSHALL")
    return ("--limits", valkey.url)


@pytest.fixture
def emptied(request: pytest.FixtureRequest, store: tuple[str, ...]) -> tuple[str, ...]:
    """The same for a test with a server of its own, whose clock knows nothing of the other's: what is counted is
    forgotten."""
    if store:
        request.getfixturevalue("valkey").ask("FLUSHALL")
    return store


@pytest.fixture(scope="module")
def shipped(engine: str, tmp_path_factory: pytest.TempPathFactory, store: tuple[str, ...]) -> Iterator[Server]:
    """No other flag: the limits a server has when nobody says anything. The owner alone has none, to arrange what tests
    need."""
    with running(tmp_path_factory.mktemp("limits") / "data", *store, program=PATIENT) as server:
        server.rollbook("users", "set", OWNER_EMAIL, "--rate-limit", "none", "--data", str(server.data))
        with server.http() as http:
            wait_until(lambda: "ratelimit" not in http.get("/v1/users/me").headers)
        yield server
        checks = httpx2.get(f"{server.url}/health/ready", timeout=60).json()["checks"]
        assert checks.get("limits") == ("ok" if store else None) and "is away" not in server.log.read_text()


@pytest.fixture(scope="module")
def owner(shipped: Server) -> Iterator[httpx2.Client]:
    with shipped.http() as http:
        yield http


class Clock:
    """The server's clock, moved on from test to test: a window that one has used up is over in the next."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.at = 0.0

    def move(self, seconds: float) -> None:
        self.at += seconds
        self.server.pass_time(self.at)


@pytest.fixture(scope="module")
def still(shipped: Server) -> Clock:
    return Clock(shipped)


def member(server: Server, owner: httpx2.Client, **fields: Any) -> httpx2.Client:
    """A client of a new user; `fields` are the key's, but for the user's `limit` and `role`."""
    of_user = {"rate_limit": fields.pop("limit", None), "role": fields.pop("role", "member")}
    user = new_user(owner, **of_user)
    client = server.http(new_key(owner, user_id=user["id"], **fields))
    client.user = user  # type: ignore[attr-defined]
    return client


def told(answer: httpx2.Response) -> tuple[int, int, int]:
    """Limit, remaining, reset."""
    return tuple(int(answer.headers[field]) for field in FIELDS[:3])  # type: ignore[return-value]


def wait_until(happened: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


# ---- 100 a minute, 5,000 an hour


def test_the_guides_limits_hold_to_the_request_and_every_answer_tells_where_one_stands(
    shipped: Server, owner: httpx2.Client, still: Clock
) -> None:
    with member(shipped, owner) as http:
        began = time.monotonic()
        for count in range(1, 101):
            answer = http.get("/v1/users/me")
            assert answer.status_code == 200
            limit, remaining, reset = told(answer)
            assert (limit, remaining) == (100, 100 - count) and 59 - (time.monotonic() - began) <= reset <= 60
            assert answer.headers["ratelimit-policy"] == '"minute";q=100;w=60, "hour";q=5000;w=3600'
            told_of = re.fullmatch(r'"minute";r=(\d+);t=(\d+), "hour";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
            assert told_of is not None
            left, minute, hour_left, hour = map(int, told_of.groups())
            assert (left, hour_left) == (100 - count, 5000 - count)
            assert minute == reset and hour - minute == 3540
            assert "retry-after" not in answer.headers
        for _ in range(3):
            answer = http.get("/v1/users/me")
            refused(answer, errors.TooManyRequests)
            limit, remaining, reset = told(answer)
            assert (limit, remaining) == (100, 0) and 59 - (time.monotonic() - began) <= reset <= 60
            assert answer.headers["retry-after"] == str(reset)
            assert re.match(r'"minute";r=0;t=\d+, "hour";r=4900;t=\d+', answer.headers["ratelimit"]), (
                "a refused request counts in no window"
            )
        still.move(61)
        answer = http.get("/v1/users/me")
        assert told(answer)[:2] == (100, 99) and 40 <= told(answer)[2] <= 60
        assert '"hour";r=4899;' in answer.headers["ratelimit"]


def test_a_window_starts_with_its_first_request_and_not_with_the_minute(
    shipped: Server, owner: httpx2.Client, still: Clock
) -> None:
    for _ in range(50):
        with member(shipped, owner, limit="2/minute") as http:
            began = time.monotonic()
            assert told(http.get("/v1/users/me")) == (2, 1, 60)
            still.move(30)
            limit, remaining, reset = told(http.get("/v1/users/me"))
            still.move(29)
            answer = http.get("/v1/users/me")
            if time.monotonic() - began > 0.9:
                continue  # we were held up, and the minute may be over
            assert (limit, remaining) == (2, 0) and reset in (29, 30)
            assert answer.status_code == 429 and told(answer)[2] == 1, "at least a second"
            still.move(1.5)
            assert told(http.get("/v1/users/me")) == (2, 1, 60), "the next window starts with the next request"
            still.move(3600)
            assert told(http.get("/v1/users/me")) == (2, 1, 60)
            return
    pytest.fail("the machine is too busy: three requests never took less than a second")


def test_both_windows_must_have_room_and_the_hour_is_told_when_it_is_the_tighter(
    shipped: Server, owner: httpx2.Client, still: Clock
) -> None:
    with member(shipped, owner) as http:
        began = time.monotonic()
        with Connection(shipped, http.headers["authorization"].removeprefix("Bearer ")) as plain:
            for minute in range(50):
                assert [plain.call("GET", "/v1/users/me").status for _ in range(100)] == [200] * 100, f"minute {minute}"
                still.move(61)
        answer = http.get("/v1/users/me")
        refused(answer, errors.TooManyRequests)
        limit, remaining, reset = told(answer)
        rest = 3600 - 50 * 61
        assert (limit, remaining) == (5000, 0) and rest - 1 - (time.monotonic() - began) <= reset <= rest
        assert answer.headers["retry-after"] == str(reset)
        assert answer.headers["ratelimit"].startswith('"minute";r=100;t=60, "hour";r=0;')
        still.move(3600 - 50 * 61 + 1)
        assert http.get("/v1/users/me").status_code == 200


@grid(
    ("method", "path", "status"),
    [
        ("GET", "/v1/users/me", 200),
        ("HEAD", "/v1/users/me", 200),
        ("GET", "/v1/users", 403),
        ("GET", "/v1/users/nobody", 403),
        ("GET", "/v1/keys/nothing", 404),
        ("GET", "/v1/nowhere", 404),
        ("DELETE", "/v1/users", 405),
        ("PUT", "/v1/users/me", 400),
        ("GET", "/v1/keys?limit=0", 400),
    ],
)
def test_every_authenticated_answer_counts_and_tells(
    shipped: Server, owner: httpx2.Client, method: str, path: str, status: int
) -> None:
    with member(shipped, owner) as http:
        for count in (1, 2):
            answer = http.request(method, path)
            assert (answer.status_code, answer.headers["ratelimit-remaining"]) == (status, str(100 - count))
            assert all(field in answer.headers for field in FIELDS)


def test_a_304_and_a_204_tell_too(shipped: Server, owner: httpx2.Client) -> None:
    with member(shipped, owner) as http:
        tag = http.get("/v1/users/me").headers["etag"]
        answer = http.get("/v1/users/me", headers={"If-None-Match": tag})
        assert (answer.status_code, told(answer)[1]) == (304, 98)
        body = {"password": "anothersecurepassword", "current_password": http.user["password"]}  # type: ignore[attr-defined]
        answer = http.put("/v1/users/me/password", json=body)
        assert (answer.status_code, told(answer)[1]) == (204, 97)


# ---- whose limit


def test_all_keys_of_a_user_share_its_limit_so_that_minting_keys_buys_nothing(
    shipped: Server, owner: httpx2.Client
) -> None:
    with member(shipped, owner, limit="6/minute") as first:
        with shipped.http(new_key(first)) as second:
            assert told(second.get("/v1/users/me"))[:2] == (6, 4)
            assert told(first.get("/v1/users/me"))[:2] == (6, 3)
            assert [second.get("/v1/users/me").status_code for _ in range(4)] == [200, 200, 200, 429]
            assert first.get("/v1/users/me").status_code == 429
            assert first.post("/v1/keys", json={"name": "more"}).status_code == 429
        third = owner.post("/v1/keys", json={"name": "more", "user_id": first.user["id"]}).json()["key"]  # type: ignore[attr-defined]
        with shipped.http(third) as http:
            refused(http.get("/v1/users/me"), errors.TooManyRequests)


def test_users_do_not_share(shipped: Server, owner: httpx2.Client) -> None:
    with member(shipped, owner, limit="1/minute") as one, member(shipped, owner, limit="1/minute") as two:
        assert [one.get("/v1/users/me").status_code for _ in range(2)] == [200, 429]
        assert two.get("/v1/users/me").status_code == 200


def test_a_keys_own_lower_limit_is_told_beside_the_users(shipped: Server, owner: httpx2.Client) -> None:
    with member(shipped, owner, rate_limit="2/minute,10/hour") as http:
        answer = http.get("/v1/users/me")
        assert told(answer)[:2] == (2, 1)
        assert (
            answer.headers["ratelimit-policy"]
            == '"minute";q=100;w=60, "hour";q=5000;w=3600, "key-minute";q=2;w=60, "key-hour";q=10;w=3600'
        )
        assert [http.get("/v1/users/me").status_code for _ in range(3)] == [200, 429, 429]
        with shipped.http(new_key(owner, user_id=http.user["id"])) as other:  # type: ignore[attr-defined]
            assert told(other.get("/v1/users/me"))[:2] == (100, 97), (
                "the user's count has what the key was let in for, and not what it was refused"
            )


def test_a_key_cannot_have_more_than_its_user(shipped: Server, owner: httpx2.Client) -> None:
    with member(shipped, owner, limit="2/minute", rate_limit="1000/minute") as http:
        assert [http.get("/v1/users/me").status_code for _ in range(3)] == [200, 200, 429]


def test_a_key_of_a_user_without_limit_keeps_its_own(shipped: Server, owner: httpx2.Client) -> None:
    with member(shipped, owner, limit="none", rate_limit="2/minute") as http:
        answer = http.get("/v1/users/me")
        assert told(answer)[:2] == (2, 1) and answer.headers["ratelimit-policy"] == '"key-minute";q=2;w=60'
        assert [http.get("/v1/users/me").status_code for _ in range(2)] == [200, 429]


def test_a_users_own_limit_goes_before_the_servers_and_is_heard_at_once(shipped: Server, owner: httpx2.Client) -> None:
    with member(shipped, owner) as http:
        path = f"/v1/users/{http.user['id']}"  # type: ignore[attr-defined]
        assert told(http.get("/v1/users/me"))[:2] == (100, 99)
        assert owner.put(path, json={"rate_limit": "3/minute"}).status_code == 200
        assert told(http.get("/v1/users/me"))[:2] == (3, 1), "what was used stays used"
        assert [http.get("/v1/users/me").status_code for _ in range(2)] == [200, 429]
        assert owner.put(path, json={"rate_limit": "none"}).status_code == 200
        for _ in range(150):
            answer = http.get("/v1/users/me")
            assert answer.status_code == 200 and not any(field in answer.headers for field in FIELDS)
        assert owner.put(path, json={"rate_limit": None}).status_code == 200
        assert told(http.get("/v1/users/me"))[0] == 100


def test_the_command_line_changes_a_users_limit_while_the_server_runs(shipped: Server, owner: httpx2.Client) -> None:
    with member(shipped, owner) as http:
        assert told(http.get("/v1/users/me"))[0] == 100
        for limit, expected in (("none", None), ("7/minute", "7"), ("default", "100")):
            shipped.rollbook("users", "set", http.user["email"], "--rate-limit", limit, "--data", str(shipped.data))  # type: ignore[attr-defined]
            wait_until(lambda expected=expected: http.get("/v1/users/me").headers.get("ratelimit-limit") == expected)


@grid(
    "limit",
    [
        "",
        "100",
        "100/fortnight",
        "0/minute",
        "-1/minute",
        "1/minute,2/minute",
        "1/second,1/minute,1/hour,1/day,1/7s",
        5,
    ],
)
def test_a_limit_that_is_none_is_refused(owner: httpx2.Client, limit: Any) -> None:
    with Log(owner).silent():
        answer = owner.put("/v1/users/me", json={"rate_limit": limit})
    assert refused(answer, errors.InvalidParameter)["param"] == "rate_limit"


def test_a_role_has_its_own_limit_where_the_server_says_so(tmp_path: Any, emptied: tuple[str, ...]) -> None:
    flags = (*emptied, "--rate-limit", "5/minute", "--role-limits", "admin=50/minute", "--role-limits", "owner=none")
    with running(tmp_path / "data", *flags, program=PATIENT) as server, server.http() as owner:
        assert "ratelimit-limit" not in owner.get("/v1/users/me").headers
        for role, expected in (("member", 5), ("viewer", 5), ("admin", 50)):
            with member(server, owner, role=role) as http:
                assert told(http.get("/v1/users/me"))[0] == expected
        with member(server, owner, role="admin", limit="7/minute") as http:
            assert told(http.get("/v1/users/me"))[0] == 7, "a user's own goes before its role's"
            owner.put(f"/v1/users/{http.user['id']}", json={"rate_limit": None, "role": "viewer"})  # type: ignore[attr-defined]
            assert told(http.get("/v1/users/me"))[0] == 5


# ---- without a valid key


def test_guessing_keys_is_slow_and_hurts_no_valid_one(shipped: Server, owner: httpx2.Client, still: Clock) -> None:
    still.move(3601)
    guesses = [key_format.mint() for _ in range(60)]
    with shipped.http(None) as http, member(shipped, owner) as valid:
        for count, guess in enumerate(guesses, 1):
            answer = http.get("/v1/users", headers={"Authorization": f"Bearer {guess}"} if count % 3 else {})
            assert answer.status_code == 401
            assert told(answer)[:2] == (60, 60 - count)
        for headers in (
            {},
            {"Authorization": f"Bearer {key_format.mint()}"},
            {"Authorization": "Bearer nonsense"},
            {"Authorization": "Basic eA=="},
        ):
            answer = http.get("/v1/users", headers=headers)
            refused(answer, errors.TooManyRequests)
            assert answer.headers["retry-after"] == answer.headers["ratelimit-reset"]
        answer = valid.get("/v1/users/me")
        assert answer.status_code == 200 and told(answer)[:2] == (100, 99)
        refused(http.get("/v1/users"), errors.TooManyRequests)
        for path in ("/health/live", "/health/ready", "/openapi.json", "/docs/errors/missing_key"):
            assert http.get(path).status_code == 200
        still.move(61)
        assert http.get("/v1/users").status_code == 401


def test_addresses_have_a_bucket_each_and_a_header_does_not_change_ones_own(
    tmp_path: Any, emptied: tuple[str, ...]
) -> None:
    flags = (*emptied, "--unauthenticated-limit", "3/minute", "--trusted-proxy", "127.0.0.2/32")
    with running(tmp_path / "data", *flags, program=PATIENT) as server, server.http(None) as direct:
        forged = [
            direct.get("/v1/users", headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code
            for number in range(5)
        ]
        assert forged == [401, 401, 401, 429, 429]
        proxy = server.http(None, transport=httpx2.HTTPTransport(verify=False, local_address="127.0.0.2"))
        with proxy:
            for client, expected in (
                ("203.0.113.1", [401, 401, 401, 429]),
                ("203.0.113.2", [401, 401, 401, 429]),
                ("2001:db8::1", [401, 401, 401, 429]),
            ):
                assert [
                    proxy.get("/v1/users", headers={"X-Forwarded-For": client}).status_code for _ in range(4)
                ] == expected


# ---- exact, however many at once


@pytest.mark.parametrize("workers", [1, 4], ids=["1 worker", "4 workers"])
def test_of_2000_parallel_requests_exactly_100_are_let_in(
    tmp_path: Any, workers: int, emptied: tuple[str, ...]
) -> None:
    with (
        running(tmp_path / "data", "--workers", str(workers), *emptied, program=PATIENT) as server,
        server.http() as owner,
    ):
        users = [new_user(owner) for _ in range(2)]
        tokens = [new_key(owner, user_id=users[0]["id"]) for _ in range(2)]
        answers = asyncio.run(flood(server, tokens, connections=40, each=50, workers=workers))
        codes = Counter(code for code, _ in answers)
        assert codes == {200: 100, 429: 1900}
        left = sorted(remaining for code, remaining in answers if code == 200)
        assert left == list(range(100)), "each number of requests left is told once"
        assert {remaining for code, remaining in answers if code == 429} == {0}
        with server.http(new_key(owner, user_id=users[1]["id"])) as other:
            assert told(other.get("/v1/users/me"))[:2] == (100, 99)
        wait_until(lambda: len([line for line in server.logged() if line.get("user_id") == users[0]["id"]]) == 2000)
        served = {line["worker"] for line in server.logged() if line.get("user_id") == users[0]["id"]}
        assert len(served) >= min(workers, 2), "the flood reached several workers"
        server.pass_time(61)
        assert Counter(
            code for code, _ in asyncio.run(flood(server, tokens, connections=20, each=10, workers=workers))
        ) == {
            200: 100,
            429: 100,
        }


async def flood(server: Server, tokens: list[str], connections: int, each: int, workers: int) -> list[tuple[int, int]]:
    """Status and RateLimit-Remaining of so many requests, sent in one piece on each of so many connections, which
    several of the workers have taken."""

    async def opened() -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return reader, writer, worker_of((await fields(reader))["x-request-id"])

    async def fields(reader: asyncio.StreamReader) -> dict[str, str]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        found = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        await reader.readexactly(int(found["content-length"]))
        return found | {"status": head.split(" ")[1]}

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> list[tuple[int, int]]:
        request = f"GET /v1/users/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        writer.write(request.encode() * each)
        found = []
        for _ in range(each):
            answer = await fields(reader)
            found.append((int(answer["status"]), int(answer["ratelimit-remaining"])))
        writer.close()
        return found

    deadline = time.monotonic() + 60
    while True:
        held = await asyncio.gather(*(opened() for _ in range(connections)))
        if len({worker for *_, worker in held}) >= min(workers, 2):
            break
        assert time.monotonic() < deadline, "one worker takes all connections"
        for _, writer, _ in held:
            writer.close()
    tasks = (one(reader, writer, tokens[number % len(tokens)]) for number, (reader, writer, _) in enumerate(held))
    return [answer for answers in await asyncio.gather(*tasks) for answer in answers]


@pytest.mark.parametrize("workers", [1, 4], ids=["1 worker", "4 workers"])
def test_a_scim_key_has_a_limit_of_its_own_that_is_as_exact_and_neither_uses_up_the_other(
    tmp_path: Any, workers: int, emptied: tuple[str, ...]
) -> None:
    flags = (*emptied, "--workers", str(workers), "--scim-limit", "150/minute")
    with running(tmp_path / "data", *flags, program=PATIENT) as server, server.http() as owner:
        admin = new_user(owner, role="admin")
        ordinary = new_key(owner, user_id=admin["id"])
        first = owner.post("/v1/keys", json={"name": "Okta", "kind": "scim", "user_id": admin["id"]}).json()
        second = owner.post(f"/v1/keys/{first['id']}/rotate", json={"overlap": 3600}).json()
        other = new_key(owner, user_id=admin["id"], kind="scim")
        tokens = [first["key"], second["key"]]
        answers = asyncio.run(flood(server, tokens, connections=20, each=20, workers=workers))
        assert Counter(code for code, _ in answers) == {403: 150, 429: 250}, "it works elsewhere, and is counted"
        assert sorted(left for code, left in answers if code == 403) == list(range(150))
        codes = Counter(code for code, _ in asyncio.run(flood(server, [ordinary] * 2, 10, 20, workers)))
        assert codes == {200: 100, 429: 100}, "a run of the identity provider has used nothing of its user's limit"
        assert [code for code, _ in asyncio.run(flood(server, [other], 1, 150, 1))] == [403] * 150, "nor of another's"


def test_a_window_in_shared_memory_ends_by_the_clock_too(tmp_path: Any) -> None:
    with running(tmp_path / "data", "--workers", "2", "--rate-limit", "20/minute") as server, server.http() as http:
        assert Counter(http.get("/v1/users/me").status_code for _ in range(25)) == {200: 20, 429: 5}
        server.pass_time(30)
        assert http.get("/v1/users/me").status_code == 429
        server.pass_time(60 + 1)
        assert told(http.get("/v1/users/me")) == (20, 19, 60)


def test_the_clock_of_these_tests_is_the_servers(shipped: Server, owner: httpx2.Client, still: Clock) -> None:
    still.move(86_400)
    made = new_user(owner)
    assert abs(clock.parse(made["created_at"]) - clock.now() - still.at * clock.SECOND) < clock.MINUTE
