"""The synchronous standby is away: what only the primary has is acknowledged to nobody, and is seen by nobody; what
needs no standby goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests import postgres
from tests.callers import Answer, ask
from tests.crash.load import WIDE
from tests.crash.standby import Two
from tests.harness import Server, running
from tests.nodes.pair import UNFORESEEN, wait_until

COMMITS = "FROM pg_stat_activity WHERE datname = 'waits' AND wait_event = 'SyncRep'"
OF_USERS = (
    "query = 'COMMIT' AND EXISTS (SELECT 1 FROM pg_locks AS held WHERE held.pid = pg_stat_activity.pid AND "
    "relation = 'users'::regclass)"
)
NEW = {"name": "New", "email": "new@example.com", "password": "securepassword123"}


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    two = Two()
    try:
        two.primary.ask("CREATE DATABASE waits")
        yield two
    finally:
        two.remove()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, two: Two) -> Iterator[Server]:
    """With four connections for writes. The time-out is long enough for a busy machine to stop the standby while a
    statement waits."""
    data = tmp_path_factory.mktemp("standby") / "data"
    flags = ("--database-timeout", "6", "--database-connections", "6", *WIDE)
    with running(data, *flags, environment={"ROLLBOOK_DATABASE": two.primary.url("waits")}) as server:
        yield server
        told = server.log.read_text()
        assert not [word for word in UNFORESEEN if word in told], told[-4000:]


def unknown(answer: Answer) -> None:
    assert (answer.status, answer.json["code"]) == (503, "outcome_unknown"), answer.body
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("ended", ["by the time", "by an administrator"])
def test_a_commit_that_no_standby_has_is_no_success_and_its_retry_gets_what_came_of_it(
    two: Two, server: Server, ended: str
) -> None:
    new = NEW | {"email": f"{ended.replace(' ', '-')}@example.com"}

    def create() -> Answer:
        return ask(server, "POST", "/v1/users", new, Idempotency_Key=ended)

    with ThreadPoolExecutor(1) as pool, ExitStack() as frozen:
        with postgres.holding(two.primary.url("waits"), "LOCK TABLE email_claims"):
            creating = pool.submit(create)
            # By then the claim of the key is committed.
            wait_until(lambda: two.primary.ask("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1")
            frozen.enter_context(two.without_standby())
        wait_until(lambda: two.primary.ask(f"SELECT count(*) {COMMITS} AND {OF_USERS}", "waits") == "1")
        if ended == "by an administrator":
            two.primary.ask(f"SELECT pg_cancel_backend(pid) {COMMITS} AND {OF_USERS}", "waits")
        unknown(creating.result())
        if ended == "by the time":
            retry = create()
            assert retry.status in (409, 503) and int(retry.headers["retry-after"]) >= 1
            assert two.primary.ask(f"SELECT count(*) FROM users WHERE email = '{new['email']}'", "waits") == "0"
            assert two.primary.ask(f"SELECT count(*) {COMMITS} AND {OF_USERS}", "waits") == "1"
    answers: list[Answer] = []

    def is_answered() -> bool:
        answers.append(create())
        return answers[-1].status not in (409, 503)

    wait_until(is_answered)
    assert answers[-1].status == 201 and answers[-1].headers["idempotency-replayed"] == "true"
    (user,) = ask(server, "GET", f"/v1/users?email={new['email']}").json
    assert user["id"] == answers[-1].json["id"]


def test_an_update_whose_wait_for_the_standby_was_ended_is_no_success(two: Two, server: Server) -> None:
    """Updates share transactions."""
    with two.without_standby(), ThreadPoolExecutor(1) as pool:
        changing = pool.submit(ask, server, "PUT", "/v1/users/me", {"name": "Changed"})
        wait_until(
            lambda: two.primary.ask(f"SELECT count(pg_cancel_backend(pid)) {COMMITS} AND {OF_USERS}", "waits") != "0"
        )
        unknown(changing.result())
    assert ask(server, "PUT", "/v1/users/me", {"name": "Changed"}).status == 200


def test_without_the_standby_reads_go_on_and_the_commits_that_wait_do_not_use_up_all_connections(
    two: Two, server: Server
) -> None:
    told = threading.Event()

    def read() -> None:
        while not told.is_set():
            assert ask(server, "GET", "/v1/users/me").status == 200

    def create(number: int) -> Answer:
        return ask(server, "POST", "/v1/users", NEW | {"email": f"new{number}@example.com"})

    with ThreadPoolExecutor(9) as pool:
        with two.without_standby():
            reading = pool.submit(read)
            answers = list(pool.map(create, range(40)))
            waiting = int(two.primary.ask(f"SELECT count(*) {COMMITS}"))
            told.set()
            reading.result()
        assert {(answer.status, answer.json["code"]) for answer in answers} == {
            (503, "outcome_unknown"),
            (503, "storage_unavailable"),
        }
        assert 4 <= waiting <= 8
        wait_until(lambda: create(40).status == 201)
    # Each that was unknown is there as a whole, each that was refused is not.
    wait_until(lambda: two.primary.ask(f"SELECT count(*) {COMMITS}") == "0")
    for number, answer in enumerate(answers):
        found = ask(server, "GET", f"/v1/users?email=new{number}@example.com").json
        assert len(found) == (answer.json["code"] == "outcome_unknown")
