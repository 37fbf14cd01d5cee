"""Sign-in to applications over two nodes: a code works once on all of them, and what ends a session ends it on all."""

from __future__ import annotations

from collections import Counter

import httpx2

from tests.callers import together
from tests.certificates import Certified
from tests.harness import PLAIN, new_user, serving
from tests.nodes.pair import Pair, wait_until
from tests.relying import CALLBACK, Assistant, Publisher, application, hearing
from tests.visitor import signed_in

CALLERS = 24


def test_of_all_who_come_with_a_code_to_two_nodes_one_gets_tokens_and_they_end_on_both(nodes: Pair) -> None:
    first, second = nodes.both
    with first.http() as http, application(first, http) as app:
        user = new_user(http)
        with signed_in(first, user) as browser:
            code = app.code(browser)
            form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": app.verifier}

            def come(number: int) -> httpx2.Response:
                url = nodes.both[number % 2].url
                with httpx2.Client(base_url=url, timeout=60, **PLAIN) as caller:
                    fields = {"grant_type": "authorization_code", **form}
                    return caller.post("/oauth2/token", data=fields, auth=(app.id, app.secret))

            answers = together(*[lambda number=number: come(number) for number in range(CALLERS)])
            assert Counter(answer.status_code for answer in answers) == {200: 1, 400: CALLERS - 1}
            (won,) = (answer.json() for answer in answers if answer.status_code == 200)
            assert app.refresh(won["refresh_token"]).status_code == 400, "it has ended"
            tokens = app.signed_in(browser)
        with second.http() as other:
            assert other.post(f"/v1/users/{user['id']}/suspend").status_code == 200
        assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
        assert app.userinfo(tokens["access_token"]).status_code == 401, "not a moment later"


def test_an_application_hears_of_a_session_that_ends_on_any_node(nodes: Pair) -> None:
    first, second = nodes.both
    with (
        hearing() as receiver,
        first.http() as http,
        application(first, http, backchannel_logout_url=receiver.url) as app,
        second.http() as other,
    ):
        sids = set()
        for end in (http, other):
            user = new_user(http)
            with signed_in(first, user) as browser:
                sids.add(app.claims(app.signed_in(browser)["id_token"])["sid"])
            assert end.post(f"/v1/users/{user['id']}/suspend").status_code == 200
        assert {told["sid"] for told in receiver.wait_for(app, sids)} == sids


def test_an_assistants_code_works_once_on_both_nodes_and_then_revokes_what_it_gave(
    nodes: Pair, files: Certified
) -> None:
    with serving(Publisher(files)) as publisher, signed_in(nodes.both[0]) as browser:
        assistant = Assistant(nodes.both[0], publisher.publish("/client.json"))
        elsewhere = Assistant(nodes.both[1], assistant.id)
        elsewhere.pair, resource = assistant.pair, f"{nodes.both[0].url}/mcp"
        code = assistant.code(browser)
        calls = [lambda comer=comer: comer.exchange(code, resource=resource) for comer in (assistant, elsewhere)] * 8
        answers = together(*calls)
        assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 15}
        (token,) = (answer.json()["access_token"] for answer in answers if answer.status_code == 200)
        for comer in (assistant, elsewhere):
            wait_until(lambda comer=comer: comer.tools(token) == 401)
