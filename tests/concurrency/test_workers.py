"""Four worker processes on one folder answer as one: no race is lost, no change is missed, no count is off."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.callers import (
    SOON,
    Answer,
    Connection,
    ask,
    close,
    events,
    last_unseen,
    of_each_worker,
    pages,
    together,
    worker_of,
)
from tests.event_stream import Follower
from tests.harness import Server, new_key, new_token, new_user, running

WORKERS = 4
WIDE = ("--rate-limit", "1000000/minute", "--unauthenticated-limit", "1000000/minute")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # The system may hand most connections to one worker: its queue must hold all the passwords of a race.
    flags = ("--workers", str(WORKERS), "--password-queue", "1000", *WIDE)
    with running(tmp_path_factory.mktemp("workers") / "data", *flags) as server:
        yield server


def password_body(email: str) -> dict[str, str]:
    return {"name": "Alice Wonderland", "email": email, "password": "securepassword123"}


# ---- what stays open


def test_a_user_s_streams_and_exports_are_counted_for_all_workers_and_those_of_a_killed_one_are_free_again(
    server: Server,
) -> None:
    assert server.process is not None
    with server.http() as http, ExitStack() as stack:
        key = new_key(http, user_id=new_user(http, role="admin")["id"])
        followers = [stack.enter_context(Follower(server, key)) for _ in range(100)]
        assert {follower.status for follower in followers} == {200}
        for _ in range(12):
            with Follower(server, key) as refused:
                assert (refused.status, refused.json()["code"]) == (429, "too_many_streams")
        big = [
            {"op": "create", "name": "Big", "email": f"big{n}@example.com", "metadata": {"text": "x" * 15_000}}
            for n in range(400)
        ]
        made = http.post("/v1/users/bulk", json={"operations": big}).json()["results"]
        slow = stack.enter_context(socket.socket())
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(f"GET /v1/exports HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.key}\r\n\r\n".encode())
        assert slow.recv(12) == b"HTTP/1.1 200"
        for _ in range(12):
            assert ask(server, "GET", "/v1/exports").status == 429

        workers = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        # Some of the streams are its: the system may give all of them to one.
        worker = max(workers, key=lambda pid: len(list(Path(f"/proc/{pid}/fd").iterdir())))
        os.kill(int(worker), signal.SIGKILL)
        deadline = time.monotonic() + 60
        while True:
            with Follower(server, key) as again:
                if again.status == 200:
                    break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        deletions = [{"op": "delete", "id": each["user"]["id"], "purge": True} for each in made]
        assert http.post("/v1/users/bulk", json={"operations": deletions}).status_code == 207


# ---- one e-mail, many who want it


def test_of_100_racing_creates_of_one_email_one_wins_and_99_hear_that_it_is_taken(server: Server) -> None:
    spellings = ["race@example.com", "Race@example.com", "RACE@EXAMPLE.COM", "race@Example.Com", "rAcE@eXaMpLe.cOm"]

    def create(connection: Connection, spelling: str) -> Callable[[], Answer]:
        return lambda: connection.call("POST", "/v1/users", password_body(spelling))

    with of_each_worker(server, WORKERS) as first:
        connections = [*first, *(Connection(server) for _ in range(100 - WORKERS))]
        answers = together(*(create(*pair) for pair in zip(connections, itertools.cycle(spellings), strict=False)))
        close(connections)
    assert Counter(answer.status for answer in answers) == {201: 1, 400: 99}
    assert len({answer.worker for answer in answers}) == WORKERS
    assert {answer.json["error"] for answer in answers if answer.status == 400} == {"Email address is already in use."}
    with server.http() as http:
        (winner,) = http.get("/v1/users?email=race@example.com").json()
    assert [winner] == [answer.json for answer in answers if answer.status == 201]


def test_of_racing_updates_to_one_email_one_wins(server: Server) -> None:
    with server.http() as http:
        users = [new_user(http)["id"] for _ in range(20)]

        def update(id: str) -> Callable[[], Answer]:
            return lambda: ask(server, "PUT", f"/v1/users/{id}", {"email": "wanted@example.com"})

        answers = together(*map(update, users))
        assert Counter(answer.status for answer in answers) == {200: 1, 400: 19}
        assert len(http.get("/v1/users?email=wanted@example.com").json()) == 1


def test_of_racing_restores_and_creates_of_one_email_one_wins(server: Server) -> None:
    with server.http() as http:
        user = new_user(http, email="back@example.com")
        http.delete(f"/v1/users/{user['id']}")
    calls = [lambda: ask(server, "POST", f"/v1/users/{user['id']}/restore") for _ in range(5)]
    calls += [lambda: ask(server, "POST", "/v1/users", password_body("BACK@example.com")) for _ in range(5)]
    answers = together(*calls)
    assert sum(answer.status in (200, 201) for answer in answers) == 1
    assert {answer.status for answer in answers} <= {200, 201, 400, 404}
    with server.http() as http:
        assert len(http.get("/v1/users?email=back@example.com").json()) == 1


def test_of_racing_changes_with_one_etag_one_is_made(server: Server) -> None:
    with server.http() as http:
        user = new_user(http)
        etag = http.get(f"/v1/users/{user['id']}").headers["etag"]

    def change(number: int) -> Callable[[], Answer]:
        return lambda: ask(server, "PUT", f"/v1/users/{user['id']}", {"name": f"Alice {number}"}, If_Match=etag)

    answers = together(*map(change, range(20)))
    assert Counter(answer.status for answer in answers) == {200: 1, 412: 19}


def test_racing_creates_with_one_idempotency_key_make_one_user(server: Server) -> None:
    def create() -> Answer:
        return ask(server, "POST", "/v1/users", password_body("once@example.com"), Idempotency_Key="once")

    answers = together(*[create] * 30)
    assert {answer.status for answer in answers} <= {201, 409}
    made = [answer for answer in answers if answer.status == 201]
    assert len({answer.json["id"] for answer in made}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in made) == 1
    assert create().headers["idempotency-replayed"] == "true"


# ---- what one worker changed, all know


def seen_by_all(
    server: Server,
    key: str,
    change: Callable[[], object],
    is_seen: Callable[[Answer], bool],
    path: str = "/v1/users/me",
) -> None:
    """`change` is made by one worker; each of the others, asked again and again, must tell of it in time and not go
    back on it."""
    with of_each_worker(server, WORKERS, key) as connections:
        for connection in connections:
            assert not is_seen(connection.call("GET", path))  # each knows the key now, and remembers it
        change()
        done = time.monotonic()

        def late(connection: Connection) -> float:
            return last_unseen(done, lambda: is_seen(connection.call("GET", path)))

        assert max(found := together(*(partial(late, each) for each in connections))) < SOON, found


@pytest.fixture
def member(server: Server) -> tuple[dict[str, Any], str]:
    """A user and their key, from the command line: a promotion ends those that other users created."""
    with server.http() as http:
        user = new_user(http)
    return user, server.rollbook("keys", "create", user["id"], "--quiet", "--data", str(server.data)).stdout.strip()


def as_owner(server: Server, method: str, path: str, body: Any = None) -> Callable[[], Answer]:
    def call() -> Answer:
        answer = ask(server, method, path, body)
        assert answer.status < 300, answer.body
        return answer

    return call


def test_a_revoked_key_is_refused_by_every_worker_within_a_second(
    server: Server, member: tuple[dict[str, Any], str]
) -> None:
    user, key = member
    with server.http() as http:
        (found,) = http.get(f"/v1/keys?user={user['id']}").json()
    seen_by_all(server, key, as_owner(server, "DELETE", f"/v1/keys/{found['id']}"), lambda answer: answer.status == 401)


def test_a_rotated_key_without_overlap_is_refused_by_every_worker_within_a_second(
    server: Server, member: tuple[dict[str, Any], str]
) -> None:
    user, key = member
    with server.http() as http:
        (found,) = http.get(f"/v1/keys?user={user['id']}").json()
    seen_by_all(
        server, key, as_owner(server, "POST", f"/v1/keys/{found['id']}/rotate", {}), lambda answer: answer.status == 401
    )


def test_a_suspended_user_is_refused_by_every_worker_within_a_second(
    server: Server, member: tuple[dict[str, Any], str]
) -> None:
    user, key = member
    seen_by_all(
        server, key, as_owner(server, "POST", f"/v1/users/{user['id']}/suspend"), lambda answer: answer.status == 403
    )
    seen_by_all(
        server, key, as_owner(server, "POST", f"/v1/users/{user['id']}/activate"), lambda answer: answer.status == 200
    )


def test_a_new_role_reaches_every_worker_within_a_second(server: Server, member: tuple[dict[str, Any], str]) -> None:
    user, key = member
    change = as_owner(server, "PUT", f"/v1/users/{user['id']}", {"role": "viewer"})
    seen_by_all(server, key, change, lambda answer: answer.status == 200, "/v1/users?limit=1")
    change = as_owner(server, "PUT", f"/v1/users/{user['id']}", {"role": "member"})
    seen_by_all(server, key, change, lambda answer: answer.status == 403, "/v1/users?limit=1")


def test_a_new_limit_reaches_every_worker_within_a_second(server: Server, member: tuple[dict[str, Any], str]) -> None:
    user, key = member
    change = as_owner(server, "PUT", f"/v1/users/{user['id']}", {"rate_limit": "777777/hour"})
    seen_by_all(server, key, change, lambda answer: answer.headers["ratelimit-limit"] == "777777")


@pytest.mark.parametrize("purge", ["", "?purge=true"])
def test_the_key_of_a_deleted_user_is_refused_by_every_worker_within_a_second(
    server: Server, member: tuple[dict[str, Any], str], purge: str
) -> None:
    user, key = member
    seen_by_all(
        server, key, as_owner(server, "DELETE", f"/v1/users/{user['id']}{purge}"), lambda answer: answer.status == 401
    )


def test_what_the_command_line_changes_reaches_every_worker_within_a_second(
    server: Server, member: tuple[dict[str, Any], str]
) -> None:
    user, key = member
    data = ("--data", str(server.data))
    seen_by_all(
        server,
        key,
        lambda: server.rollbook("users", "set", user["email"], "--rate-limit", "none", *data),
        lambda answer: "ratelimit-limit" not in answer.headers,
    )
    with server.http() as http:
        (found,) = http.get(f"/v1/keys?user={user['id']}").json()
    seen_by_all(
        server, key, lambda: server.rollbook("keys", "revoke", found["id"], *data), lambda answer: answer.status == 401
    )


# ---- counts, lists and events while all write


def test_total_count_and_list_agree_while_users_come_and_go(server: Server) -> None:
    began = time.monotonic()
    looked = deleted = 0

    def going() -> bool:
        """For a second and a half, and longer where so little was done."""
        seconds = time.monotonic() - began
        return seconds < 1.5 or (seconds < 60 and (looked <= 5 or deleted <= 20))

    def writer(number: int) -> Counter[str]:
        nonlocal deleted
        made: list[str] = []
        done: Counter[str] = Counter()
        with Connection(server) as connection:
            while going():
                step = done.total()
                if step % 3 < 2:
                    answer = connection.call("POST", "/v1/users", password_body(f"come{number}-{step}@example.com"))
                    assert answer.status == 201, answer.body
                    made.append(answer.json["id"])
                    done["created"] += 1
                else:
                    assert connection.call("DELETE", f"/v1/users/{made.pop(step % len(made))}").status == 204
                    done["deleted"] += 1
                    deleted += 1
        return done

    def reader() -> Counter[str]:
        nonlocal looked
        with Connection(server) as connection:
            while going():
                # One snapshot: the total in the header is that of the list beside it.
                answer = connection.call("GET", "/v1/users?limit=1000")
                total = int(answer.headers["x-total-count"])
                ids = [user["id"] for user in answer.json]
                assert len(ids) == len(set(ids)) == min(total, 1000)
                filtered = connection.call("GET", "/v1/users?q=come&count=exact&limit=1000")
                assert min(int(filtered.headers["x-total-count"]), 1000) == len(filtered.json)
                looked += 1
        return Counter()

    before = ask(server, "GET", "/v1/users/count").json["count"]
    done = sum(together(*(lambda number=number: writer(number) for number in range(6)), reader, reader), Counter())
    now = before + done["created"] - done["deleted"]
    assert looked > 5 and done["deleted"] > 20
    listed: list[dict[str, Any]] = []
    with of_each_worker(server, WORKERS) as connections:
        for each in connections:
            listed = pages(each, "/v1/users?limit=1000")
            assert len({user["id"] for user in listed}) == len(listed) == now
            assert each.call("GET", "/v1/users/count").json["count"] == now
            assert each.call("GET", "/v1/users?limit=1").headers["x-total-count"] == str(now)
    # Every offset leads to the user that stands there in the list as a whole.
    for offset in {0, 1, now // 3, now // 2, now - 2, now - 1, now}:
        assert ask(server, "GET", f"/v1/users?limit=1&offset={offset}").json == listed[offset : offset + 1]


def test_who_follows_the_events_misses_none_and_sees_none_twice(server: Server) -> None:
    """A reader asks with `after=` what came next while all workers write: an event must never come to stand before one
    it has read."""
    with server.http() as http:
        users = [new_user(http)["id"] for _ in range(8)]
    with Connection(server) as connection:
        start = list(events(connection))[-1]["id"]
    ended = threading.Event()

    def writer(id: str, connection: Connection) -> list[str]:
        made = []
        for number in range(120):
            answer = connection.call("PUT", f"/v1/users/{id}", {"name": f"Alice {number}"})
            assert answer.status == 200, answer.body
            made.append(answer.headers["x-request-id"])
        return made

    def follower() -> list[str]:
        seen, after = [], start
        with Connection(server) as connection:
            while True:
                last = ended.is_set()
                news = list(events(connection, after))
                for event in news:
                    seen.append(event["actor"]["request_id"])
                    after = event["id"]
                if last and not news:
                    return seen

    def writers() -> list[str]:
        with of_each_worker(server, WORKERS) as some, of_each_worker(server, WORKERS) as others:
            made = together(*(partial(writer, *pair) for pair in zip(users, [*some, *others], strict=True)))
        ended.set()
        return list(itertools.chain(*made))

    made, *followed = together(writers, follower, follower)
    assert len({worker_of(id) for id in made}) == WORKERS
    for seen in followed:
        assert len(seen) == len(set(seen)) == len(made)
        assert set(seen) == set(made)
    assert followed[0] == followed[1]


@pytest.mark.parametrize("purpose", ["reset_password", "sign_in"])
def test_of_50_who_consume_one_token_at_once_one_does(server: Server, purpose: str) -> None:
    with server.http() as http:
        user = new_user(http)
        token = new_token(http, user["id"], purpose=purpose)["token"]
    opened = [Connection(server) for _ in range(50)]
    passwords = [f"a few random words {number}" for number in range(50)]

    def consume(connection: Connection, password: str) -> Answer:
        more = {"password": password} if purpose == "reset_password" else {}
        return connection.call("POST", "/v1/tokens/consume", {"token": token, **more})

    answers = together(*(partial(consume, *each) for each in zip(opened, passwords, strict=True)))
    close(opened)
    assert Counter(answer.status for answer in answers) == {200: 1, 400: 49}, Counter(map(str, answers))
    assert {answer.json["code"] for answer in answers if answer.status == 400} == {"token_invalid"}
    told = ask(server, "GET", f"/v1/events?user={user['id']}&type=token.consumed").json
    assert len(told) == 1
    if purpose == "reset_password":
        winner = passwords[[answer.status for answer in answers].index(200)]
        body = {"email": user["email"], "password": winner}
        assert ask(server, "POST", "/v1/users/verify-password", body).status == 200
