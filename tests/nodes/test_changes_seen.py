"""What one worker of one node changed, every worker of every node knows within a second and does not go back on."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pytest

from tests.callers import SOON, Answer, Connection, ask, last_unseen, of_each_worker, together
from tests.harness import new_key, new_token, new_user
from tests.nodes.pair import Pair
from tests.visitor import cookie, is_signed_in, own_key, signed_in, visitor

WORKERS = 4

Change = Callable[[], object]


@pytest.fixture
def member(nodes: Pair) -> tuple[dict[str, Any], str]:
    """A user and their key, from the command line: a promotion ends those that other users created."""
    server = nodes.both[0]
    with server.http() as http:
        user = new_user(http)
    return user, server.rollbook("keys", "create", user["id"], "--quiet", "--data", str(server.data)).stdout.strip()


@contextmanager
def every_worker(nodes: Pair, key: str) -> Iterator[list[Connection]]:
    with ExitStack() as stack:
        yield [each for node in nodes.both for each in stack.enter_context(of_each_worker(node, WORKERS, key))]


def seen_by_all(nodes: Pair, key: str, *steps: tuple[Change, Callable[[Answer], bool], str]) -> None:
    """Each change is made, and each of the eight workers, asked again and again, must tell of it in time and not go
    back on it."""
    with every_worker(nodes, key) as connections:
        for change, is_seen, path in steps:
            for connection in connections:
                assert not is_seen(connection.call("GET", path))  # each knows the key now, and remembers it
            change()
            done = time.monotonic()

            def late(
                connection: Connection,
                done: float = done,
                is_seen: Callable[[Answer], bool] = is_seen,
                path: str = path,
            ) -> float:
                return last_unseen(done, lambda: is_seen(connection.call("GET", path)))

            assert max(found := together(*(partial(late, each) for each in connections))) < SOON, found


def by(nodes: Pair, number: int, method: str, path: str, body: Any = None) -> Change:
    """The owner's call of that node."""

    def call() -> None:
        answer = ask(nodes.both[number], method, path, body)
        assert answer.status < 300, answer.body

    return call


def test_a_revoked_key_is_refused_by_all_workers_of_both_nodes_within_a_second(
    nodes: Pair, member: tuple[dict[str, Any], str]
) -> None:
    user, key = member
    (found,) = ask(nodes.both[0], "GET", f"/v1/keys?user={user['id']}").json
    seen_by_all(
        nodes,
        key,
        (by(nodes, 0, "DELETE", f"/v1/keys/{found['id']}"), lambda answer: answer.status == 401, "/v1/users/me"),
    )


def test_suspension_roles_and_limits_reach_all_workers_of_both_nodes_within_a_second(
    nodes: Pair, member: tuple[dict[str, Any], str]
) -> None:
    user, key = member
    path = f"/v1/users/{user['id']}"
    seen_by_all(
        nodes,
        key,
        (by(nodes, 1, "POST", f"{path}/suspend"), lambda answer: answer.status == 403, "/v1/users/me"),
        (by(nodes, 0, "POST", f"{path}/activate"), lambda answer: answer.status == 200, "/v1/users/me"),
        (by(nodes, 1, "PUT", path, {"role": "viewer"}), lambda answer: answer.status == 200, "/v1/users?limit=1"),
        (
            by(nodes, 0, "PUT", path, {"rate_limit": "777777/hour"}),
            lambda answer: answer.headers.get("ratelimit-limit") == "777777",
            "/v1/users/me",
        ),
        (by(nodes, 1, "DELETE", path), lambda answer: answer.status == 401, "/v1/users/me"),
    )


def test_an_export_ends_when_its_session_is_signed_out_on_the_other_node(nodes: Pair) -> None:
    here, there = nodes.both
    large = [
        {"op": "create", "name": "Large", "email": f"large{n}@example.com", "metadata": {"text": "x" * 15_000}}
        for n in range(400)
    ]
    with here.http() as http, there.http() as other:
        made = http.post("/v1/users/bulk", json={"operations": large}).json()["results"]
        user = new_user(http, role="admin")
        with signed_in(here, user) as visitor, socket.create_connection(("127.0.0.1", here.port)) as slow:
            session = f"Cookie: rollbook-{here.port}={cookie(visitor, here)}"
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 131_072)
            slow.sendall(f"GET /admin/users/export HTTP/1.1\r\nHost: 127.0.0.1\r\n{session}\r\n\r\n".encode())
            assert slow.recv(12) == b"HTTP/1.1 200"
            (found,) = other.get("/v1/sessions", params={"user": user["id"]}).json()
            assert other.delete(f"/v1/sessions/{found['id']}").status_code == 204
            time.sleep(1)  # what was written by then is still on its way
            rest = b"".join(iter(lambda: slow.recv(65_536), b""))
        assert not rest.endswith(b"0\r\n\r\n") and len(rest) < len(large) * 15_000
        deletions = [{"op": "delete", "id": each["user"]["id"], "purge": True} for each in made]
        for start in range(0, len(deletions), 50):
            assert http.post("/v1/users/bulk", json={"operations": deletions[start : start + 50]}).status_code == 207


def test_who_acts_as_a_user_on_one_node_no_longer_does_once_suspended_on_the_other(nodes: Pair) -> None:
    here, there = nodes.both
    with here.http() as http, there.http() as other:
        for end, whom in (("suspend", "support"), ("suspend", "user")):
            support, user = new_user(http, role="admin"), new_user(http)
            with here.http(new_key(http, user_id=support["id"])) as by:
                fields = {"purpose": "impersonate", "reason": "Ticket 4711"}
                link = by.post(f"/v1/users/{user['id']}/tokens", json=fields).json()
                session = http.post("/v1/sessions", json={"token": link["token"], "audience": "shop"}).json()
            with signed_in(here, support) as browser:
                path = f"/admin/users/{user['id']}/impersonate"
                assert browser.post(path, data={"reason": "Ticket 4711"}).status_code == 303
                assert is_signed_in(browser)
                id = support["id"] if whom == "support" else user["id"]
                assert other.post(f"/v1/users/{id}/{end}").status_code == 200
                assert not is_signed_in(browser), "not a moment later"
            form = {"token": session["token"], "audience": "shop"}
            assert http.post("/v1/sessions/verify", json=form).status_code == 401


def test_a_key_that_is_looked_up_while_it_is_revoked_is_not_remembered(nodes: Pair) -> None:
    """All workers meet many keys for the first time at the moment in which they are revoked."""
    with nodes.both[0].http() as http:
        user = new_user(http)
        made = [http.post("/v1/keys", json={"name": f"{number}", "user_id": user["id"]}).json() for number in range(40)]

    def met(share: int) -> Callable[[], None]:
        def meet() -> None:
            for _ in range(4):
                for each in made:
                    with Connection(nodes.both[share % 2], each["key"]) as connection:
                        assert connection.call("GET", "/v1/users/me").status in (200, 401)

        return meet

    def revoke() -> None:
        for each in made:
            assert ask(nodes.both[0], "DELETE", f"/v1/keys/{each['id']}").status == 204

    together(revoke, *map(met, range(6)))
    time.sleep(SOON)
    for each in made:
        for node in nodes.both:
            for _ in range(4):
                with Connection(node, each["key"]) as connection:
                    assert connection.call("GET", "/v1/users/me").status == 401


def test_a_suspension_suspends_on_both_nodes_what_was_made_with_a_key_and_activation_brings_it_back(
    nodes: Pair,
) -> None:
    server = nodes.both[0]
    with server.http() as http:
        root, member = new_user(http, role="admin"), new_user(http)
    command = ("keys", "create", root["id"], "--quiet", "--data", str(server.data))
    with server.http(server.rollbook(*command).stdout.strip()) as admin:
        application = admin.post("/v1/applications", json={"name": "Nightly job", "role": "admin"}).json()["id"]
        between = new_key(admin, user_id=application)
    with server.http(between) as job:
        key = new_key(job, user_id=member["id"])
    path = f"/v1/users/{root['id']}"
    seen_by_all(
        nodes,
        key,
        (by(nodes, 1, "POST", f"{path}/suspend"), lambda answer: answer.status == 403, "/v1/users/me"),
        (by(nodes, 1, "POST", f"{path}/activate"), lambda answer: answer.status == 200, "/v1/users/me"),
    )


def test_what_is_made_in_a_session_by_a_link_of_another_follows_them_on_both_nodes(nodes: Pair) -> None:
    here, there = nodes.both
    with here.http() as http:
        root, member = new_user(http, role="admin"), new_user(http)
    command = ("keys", "create", root["id"], "--quiet", "--data", str(here.data))
    with here.http(here.rollbook(*command).stdout.strip()) as admin:
        link = new_token(admin, member["id"], purpose="sign_in")
    path = f"/v1/users/{root['id']}"
    with visitor(there) as browser:
        assert browser.post("/account/sign-in-link", data={"token": link["token"]}).status_code == 303
        key = own_key(browser)
        for verb, is_there in (("suspend", False), ("activate", True)):
            by(nodes, 0, "POST", f"{path}/{verb}")()
            assert is_signed_in(browser) is is_there
        seen_by_all(
            nodes,
            key,
            (by(nodes, 0, "POST", f"{path}/suspend"), lambda answer: answer.status == 403, "/v1/users/me"),
            (by(nodes, 0, "POST", f"{path}/activate"), lambda answer: answer.status == 200, "/v1/users/me"),
            (by(nodes, 0, "DELETE", path), lambda answer: answer.status == 401, "/v1/users/me"),
        )
        assert not is_signed_in(browser)
