"""Sessions of applications over two nodes: what ends one ends it everywhere at once, and of many refreshes with one
token one wins."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from functools import partial
from typing import Any

from tests.callers import ask, of_each_worker, together
from tests.harness import new_user
from tests.nodes.pair import Pair
from tests.nodes.test_races import WORKERS, connections_to

CALLERS = 24


def create(nodes: Pair, number: int, user: dict[str, Any]) -> dict[str, Any]:
    body = {"email": user["email"], "password": user["password"], "audience": "shop"}
    answer = ask(nodes.both[number], "POST", "/v1/sessions", body)
    assert answer.status == 201, answer.body
    return answer.json


def test_what_ends_a_session_on_one_node_ends_it_for_all_workers_of_both_at_once(nodes: Pair) -> None:
    def ends(session: dict[str, Any]) -> list[tuple[str, str, Any]]:
        path = f"/v1/users/{session['user_id']}"
        return [
            ("DELETE", f"/v1/sessions/{session['id']}", None),
            ("POST", f"{path}/suspend", None),
            ("PUT", f"{path}/password", {"password": "another good password"}),
            ("PATCH", path, {"role": "viewer"}),
            ("DELETE", path, None),
        ]

    with nodes.both[0].http() as http, ExitStack() as stack:
        every = [each for node in nodes.both for each in stack.enter_context(of_each_worker(node, WORKERS, nodes.key))]
        for at in range(5):
            session = create(nodes, at % 2, new_user(http))
            body = {"token": session["token"], "audience": "shop"}

            def verified(body: dict[str, str] = body) -> Counter[int]:
                return Counter(each.call("POST", "/v1/sessions/verify", body).status for each in every)

            assert verified() == {200: 2 * WORKERS}
            method, path, change = ends(session)[at]
            assert ask(nodes.both[(at + 1) % 2], method, path, change).status < 300
            assert verified() == {401: 2 * WORKERS}, "not a moment later: they read what was committed"


def test_of_racing_refreshes_with_one_token_on_two_nodes_one_wins_and_the_session_is_over(nodes: Pair) -> None:
    with nodes.both[0].http() as http:
        user = new_user(http)
    for round in range(3):
        session = create(nodes, round % 2, user)
        body = {"refresh_token": session["refresh_token"], "audience": "shop"}
        with connections_to(nodes, CALLERS) as opened:
            answers = together(*(partial(each.call, "POST", "/v1/sessions/refresh", body) for each in opened))
        assert Counter(answer.status for answer in answers) == {200: 1, 401: CALLERS - 1}
        (won,) = (answer.json for answer in answers if answer.status == 200)
        for node in nodes.both:
            token = {"token": won["token"], "audience": "shop"}
            assert ask(node, "POST", "/v1/sessions/verify", token).status == 401
    path = f"/v1/events?user={user['id']}&type=session.reuse_detected"
    assert len(ask(nodes.both[1], "GET", path).json) == 3, "one for each session, however many were late"
