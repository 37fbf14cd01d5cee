"""Callers of two nodes who want the same thing at the same moment: one gets it, the others hear why not, nothing is
half done or done twice."""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import postgres
from tests.callers import Answer, Connection, ask, close, events, of_each_worker, together
from tests.factors import enrolled
from tests.harness import new_token, new_user
from tests.nodes.pair import WIDE, Pair, pair
from tests.nodes.pair import ask as ask_database

CALLERS = 100
WORKERS = 4
numbers = itertools.count()
ROUNDS = max(1, int(os.environ.get("ROLLBOOK_ROUNDS", "0")) // 5)


@contextmanager
def connections_to(nodes: Pair, count: int) -> Iterator[list[Connection]]:
    """In turn to one and the other. If there are enough, the first of them are to each of their workers: the system may
    hand all others to a few."""
    with ExitStack() as stack:
        opened = [Connection(node) for node, _ in zip(itertools.cycle(nodes.both), range(count), strict=False)]
        stack.callback(close, opened)
        if count >= 2 * WORKERS:
            workers = [stack.enter_context(of_each_worker(node, WORKERS)) for node in nodes.both]
            opened[: 2 * WORKERS] = itertools.chain(*zip(*workers, strict=True))
        yield opened


def at_once(nodes: Pair, calls: list[tuple[str, str, Any]], **headers: str) -> list[Answer]:
    """Each call on a connection of its own, half of them to each node, all begun at the same moment."""

    def made(connection: Connection, call: tuple[str, str, Any]) -> Callable[[], Answer]:
        return lambda: connection.call(*call, **headers)

    with connections_to(nodes, len(calls)) as opened:
        return together(*(made(*each) for each in zip(opened, calls, strict=True)))


def person(email: str, **fields: Any) -> dict[str, Any]:
    return {"name": "Alice Wonderland", "email": email, "password": "securepassword123", **fields}


def test_of_100_racing_creates_of_one_email_on_two_nodes_one_wins_and_99_hear_that_it_is_taken(nodes: Pair) -> None:
    spellings = ["race@example.com", "Race@example.com", "RACE@EXAMPLE.COM", "race@Example.Com"]
    answers = at_once(nodes, [("POST", "/v1/users", person(spellings[number % 4])) for number in range(CALLERS)])
    assert Counter(answer.status for answer in answers) == {201: 1, 400: CALLERS - 1}
    assert {answer.json["error"] for answer in answers if answer.status == 400} == {"Email address is already in use."}
    winners = [answer.json for answer in answers if answer.status == 201]
    for node in nodes.both:
        assert ask(node, "GET", "/v1/users?email=race@example.com").json == winners


def test_of_100_racing_creates_with_one_external_id_on_two_nodes_one_wins(nodes: Pair) -> None:
    calls = [
        ("POST", "/v1/users", person(f"external{number}@example.com", external_id="wanted"))
        for number in range(CALLERS)
    ]
    answers = at_once(nodes, calls)
    assert Counter(answer.status for answer in answers) == {201: 1, 400: CALLERS - 1}
    assert {answer.json["error"] for answer in answers if answer.status == 400} == {"External ID is already in use."}
    assert len(ask(nodes.both[0], "GET", "/v1/users?external_id=wanted").json) == 1
    # The losers left nothing behind: their addresses are free.
    loser = next(call[2] for call, answer in zip(calls, answers, strict=True) if answer.status == 400)
    assert ask(nodes.both[1], "POST", "/v1/users", {**loser, "external_id": None}).status == 201


@pytest.mark.parametrize("way", ["demote", "suspend", "delete"])
def test_100_racing_calls_that_would_leave_no_owner_leave_one(tmp_path: Path, way: str) -> None:
    with pair(tmp_path, *WIDE) as nodes:
        admin = nodes.both[0]
        with admin.http() as http:
            first = http.get("/v1/users/me").json()["id"]
            second = new_user(http, role="owner")["id"]
            key = http.post("/v1/keys", json={"name": "second", "user_id": second}).json()["key"]
        call = {
            "demote": ("PUT", "/v1/users/{}", {"role": "admin"}),
            "suspend": ("POST", "/v1/users/{}/suspend", None),
            "delete": ("DELETE", "/v1/users/{}", None),
        }[way]
        opened = [
            Connection(nodes.both[number % 2], key if number // 2 % 2 else nodes.key) for number in range(CALLERS)
        ]

        def made(number: int) -> Callable[[], Answer]:
            target = (first, second)[number // 4 % 2]
            return lambda: opened[number].call(call[0], call[1].format(target), call[2])

        answers = together(*map(made, range(CALLERS)))
        close(opened)
        assert {answer.status for answer in answers} <= {200, 204, 400, 401, 403, 404, 409}, Counter(
            (answer.status, answer.body) for answer in answers
        )
        owners = ask_database(nodes.database, "SELECT id FROM users WHERE role = 'owner' AND status = 'active'")
        assert len(owners) == 1 and owners[0][0] in (first, second), owners


def test_of_racing_changes_with_one_etag_on_two_nodes_one_is_made(nodes: Pair) -> None:
    with nodes.both[0].http() as http:
        user = new_user(http)
        etag = http.get(f"/v1/users/{user['id']}").headers["etag"]
    calls = [("PUT", f"/v1/users/{user['id']}", {"name": f"Alice {number}"}) for number in range(40)]
    answers = at_once(nodes, calls, If_Match=etag)
    assert Counter(answer.status for answer in answers) == {200: 1, 412: 39}
    (winner,) = (answer.json["name"] for answer in answers if answer.status == 200)
    assert ask(nodes.both[1], "GET", f"/v1/users/{user['id']}").json["name"] == winner


def test_racing_creates_with_one_idempotency_key_on_two_nodes_make_one_user(nodes: Pair) -> None:
    before = int(ask(nodes.both[0], "GET", "/v1/users/count").json["count"])
    answers = at_once(nodes, [("POST", "/v1/users", person("once@example.com"))] * 60, Idempotency_Key="once")
    assert {answer.status for answer in answers} <= {201, 409}, Counter(answer.body for answer in answers)
    made = [answer for answer in answers if answer.status == 201]
    assert len({answer.json["id"] for answer in made}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in made) == 1
    for node in nodes.both:
        again = ask(node, "POST", "/v1/users", person("once@example.com"), Idempotency_Key="once")
        assert (again.status, again.headers["idempotency-replayed"]) == (201, "true")
        assert again.json["id"] == made[0].json["id"]
        assert ask(node, "GET", "/v1/users/count").json["count"] == before + 1


def test_concurrent_updates_of_one_user_on_two_nodes_are_all_counted_and_logged_in_their_order(nodes: Pair) -> None:
    with nodes.both[0].http() as http:
        user = new_user(http)
    path = f"/v1/users/{user['id']}"
    start = ask(nodes.both[0], "GET", path).headers["etag"]
    each, writers = 20, 8

    def writer(number: int) -> Callable[[], list[str]]:
        def write() -> list[str]:
            made = []
            with Connection(nodes.both[number % 2]) as connection:
                for at in range(each):
                    answer = connection.call("PUT", path, {"name": f"W{number} N{at}"})
                    assert answer.status == 200, answer.body
                    made.append(answer.headers["etag"])
            return made

        return write

    tags = list(itertools.chain(*together(*map(writer, range(writers)))))
    assert len(set(tags)) == each * writers, "two changes made the same version"
    with Connection(nodes.both[1]) as connection:
        log = [event for event in events(connection) if event["user_id"] == user["id"]]
    updates = [event for event in log if event["type"] == "user.updated"]
    assert len(updates) == each * writers
    was = user["name"]
    for event in updates:  # each change began where the one before it ended
        assert event["before"]["name"] == was
        was = event["object"]["name"]
    now = ask(nodes.both[0], "GET", path)
    assert (now.json["name"] == was and now.headers["etag"] not in (start, *tags[:-1])) or now.headers["etag"] in tags


def test_the_log_tells_changes_in_their_order_though_the_clocks_of_the_nodes_differ(tmp_path: Path) -> None:
    with pair(tmp_path, *WIDE) as nodes:
        ahead, behind = nodes.both
        ahead.pass_time(30)
        with ahead.http() as http:
            user = new_user(http)
        names = [f"Name {number}" for number in range(20)]
        for number, name in enumerate(names):
            node = nodes.both[number % 2]
            assert ask(node, "PUT", f"/v1/users/{user['id']}", {"name": name}).status == 200
        with Connection(behind) as connection:
            log = [event for event in events(connection) if event["user_id"] == user["id"]]
        assert [event["type"] for event in log][:1] == ["user.created"]
        assert [event["object"]["name"] for event in log[1:]] == names


def test_racing_restores_purges_and_creates_of_one_email_leave_at_most_one_user(nodes: Pair) -> None:
    first = nodes.both[0]
    with first.http() as http:
        user = new_user(http, email="back@example.com")
        http.delete(f"/v1/users/{user['id']}")
    calls: list[tuple[str, str, Any]] = []
    for _ in range(8):
        calls += [("POST", f"/v1/users/{user['id']}/restore", None), ("POST", "/v1/users", person("BACK@example.com"))]
    answers = at_once(nodes, calls)
    assert sum(answer.status in (200, 201) for answer in answers) == 1, Counter(answer.body for answer in answers)
    assert {answer.status for answer in answers} <= {200, 201, 400, 404}
    assert len(ask(nodes.both[1], "GET", "/v1/users?email=back@example.com").json) == 1


def test_a_user_that_is_purged_while_it_is_restored_is_never_said_to_be_unknown(nodes: Pair) -> None:
    """At every moment it lives or can be restored: a purge finds it in one of both."""
    with nodes.both[0].http() as http:
        for _ in range(15):
            user = new_user(http)
            http.delete(f"/v1/users/{user['id']}")
            path = f"/v1/users/{user['id']}"
            calls: list[tuple[str, str, Any]] = [
                ("POST", f"{path}/restore", None),
                ("DELETE", f"{path}?purge=true", None),
            ]
            restored, purged = at_once(nodes, calls)
            assert purged.status == 204, (purged.body, restored.status)
            assert restored.status in (200, 404)
            assert http.get(path).status_code == 404
            assert http.post(f"{path}/restore").status_code == 404


def test_writers_of_both_nodes_who_lock_the_same_users_do_not_stand_in_each_others_way(nodes: Pair) -> None:
    """Each transaction takes its users in the same order: nobody waits for PostgreSQL to find a deadlock, which takes
    it a second."""
    with nodes.both[0].http() as http:
        users = [new_user(http)["id"] for _ in range(12)]

    def writer(number: int) -> Callable[[], int]:
        def write() -> int:
            done = 0
            with Connection(nodes.both[number % 2]) as connection:
                until = time.monotonic() + 1.5
                while time.monotonic() < until or (done < 5 and time.monotonic() < until + 30):
                    id = users[(done * 7 + number * 5) % len(users)]
                    assert connection.call("PUT", f"/v1/users/{id}", {"name": f"W{number} {done}"}).status == 200
                    done += 1
            return done

        return write

    before = deadlocks()
    assert sum(together(*map(writer, range(32)))) > 100
    assert deadlocks() == before


def deadlocks() -> int:
    return (postgres.shared().folder / "log").read_text().count("deadlock detected")


def test_servers_that_start_together_on_an_empty_database_make_one_owner(tmp_path: Path) -> None:
    for round in range(ROUNDS):
        folder = tmp_path / f"{round}"
        folder.mkdir()
        nodes = Pair(folder, postgres.new_database("together"), *WIDE)
        try:
            together(*(lambda node=node: node.start() for node in nodes.both))
            for node in nodes.both:
                assert len(ask(node, "GET", "/v1/users?role=owner").json) == 1
            nodes.check_logs()
        finally:
            nodes.stop()


def test_a_key_that_is_rotated_while_its_user_is_deleted_does_not_come_back_with_the_user(nodes: Pair) -> None:
    with nodes.both[0].http() as http:
        for _ in range(25):
            user = new_user(http)
            made = http.post("/v1/keys", json={"name": "old", "user_id": user["id"]}).json()
            calls: list[tuple[str, str, Any]] = [
                ("POST", f"/v1/keys/{made['id']}/rotate", {"overlap": 60}),
                ("DELETE", f"/v1/users/{user['id']}", None),
            ]
            rotated, deleted = at_once(nodes, calls)
            assert deleted.status == 204 and rotated.status in (201, 404), (deleted.body, rotated.body)
            assert http.post(f"/v1/users/{user['id']}/restore").status_code == 200
            keys = http.get(f"/v1/keys?user={user['id']}").json()
            assert all(key["revoked_at"] for key in keys), keys


def test_of_50_who_consume_one_token_on_two_nodes_one_does(nodes: Pair) -> None:
    with nodes.both[0].http() as http:
        for purpose in ("reset_password", "verify_email"):
            user = new_user(http)
            token = new_token(http, user["id"], purpose=purpose)["token"]
            passwords = [f"a few random words {number}" for number in range(50)]
            sent = [{"password": each} if purpose == "reset_password" else {} for each in passwords]
            answers = at_once(nodes, [("POST", "/v1/tokens/consume", {"token": token, **each}) for each in sent])
            assert Counter(answer.status for answer in answers) == {200: 1, 400: 49}, Counter(map(str, answers))
            assert {answer.json["code"] for answer in answers if answer.status == 400} == {"token_invalid"}
            told = ask(nodes.both[1], "GET", f"/v1/events?user={user['id']}&type=token.consumed").json
            assert len(told) == 1
            if purpose == "reset_password":
                winner = passwords[[answer.status for answer in answers].index(200)]
                credentials = {"email": user["email"], "password": winner}
                assert ask(nodes.both[1], "POST", "/v1/users/verify-password", credentials).status == 200


def test_of_50_who_send_one_code_on_two_nodes_one_signs_in(nodes: Pair) -> None:
    with nodes.both[0].http() as http:
        for is_recovery in (False, True):
            user = new_user(http)
            app = enrolled(http, user["id"])
            code = app.recovery_codes[0] if is_recovery else app.code()
            credentials = {"email": user["email"], "password": user["password"]}
            opened = [ask(nodes.both[0], "POST", "/v1/users/verify-password", credentials) for _ in range(10)]
            sent = [{"challenge": answer.json["challenge"], "code": code} for answer in opened] * 5
            calls = [("POST", "/v1/users/verify-challenge", each) for each in sent]
            answers = at_once(nodes, calls)
            assert Counter(answer.status for answer in answers)[200] == 1, Counter(answer.body for answer in answers)
            assert {answer.status for answer in answers} <= {200, 400, 401, 429}


def test_a_change_of_email_is_made_before_a_new_password_on_the_other_node_or_never(nodes: Pair) -> None:
    for _ in range(10):
        user = ask(nodes.both[0], "POST", "/v1/users", person(f"victim{next(numbers)}@example.com")).json
        path, email = f"/v1/users/{user['id']}", f"thief{next(numbers)}@example.com"
        asked = {"purpose": "change_email", "email": email}
        token = ask(nodes.both[0], "POST", f"{path}/tokens", asked).json["token"]
        calls = [
            ("PUT", f"{path}/password", {"password": "another good one"}),
            ("POST", "/v1/tokens/consume", {"token": token}),
        ]
        password, change = at_once(nodes, calls)
        assert password.status == 204 and change.status in (200, 400)
        types = [each["type"] for each in ask(nodes.both[1], "GET", f"/v1/events?user={user['id']}").json]
        if change.status == 200:
            assert types.index("token.consumed") < types.index("user.password_changed")
        else:
            assert "token.consumed" not in types
        assert ask(nodes.both[1], "GET", path).json["email"] == (email if change.status == 200 else user["email"])
