"""Tokens that people ask for, at two nodes of four workers each: one for each request, whoever works it off, and limits
that hold for both."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.callers import Answer, Connection, ask, close, together
from tests.harness import new_user
from tests.nodes.pair import WIDE, Pair, pair, wait_until
from tests.nodes.pair import ask as ask_database
from tests.patient import PATIENT
from tests.valkey import ValkeyServer
from tests.webhooks.listener import listening

USERS = 40


def request(nodes: Pair, emails: list[str]) -> None:
    opened = [Connection(node) for node, _ in zip(itertools.cycle(nodes.both), emails, strict=False)]

    def asking(connection: Connection, email: str) -> Callable[[], Answer]:
        body = {"email": email, "purpose": "sign_in"}
        return lambda: connection.call("POST", "/v1/tokens/request", body)

    answers = together(*(asking(*each) for each in zip(opened, emails, strict=True)))
    close(opened)
    assert {answer.status for answer in answers} == {202}
    wait_until(lambda: ask_database(nodes.database, "SELECT count(*) FROM token_requests")[0][0] == 0)


def test_each_request_becomes_one_token_and_one_delivery_and_limits_count_for_both(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    flags = (*WIDE, "--workers", "4", "--webhook-allow", "127.0.0.0/8", "--token-email-limit", "3/hour")
    environment = {"ROLLBOOK_LIMITS": valkey.url, "ROLLBOOK_CLOCK_FILE": ""}
    with pair(tmp_path, *flags, environment=environment, program=PATIENT) as nodes, listening() as listener:
        hook = {"url": listener.url(), "types": ["token.requested"]}
        assert ask(nodes.both[0], "POST", "/v1/webhooks", hook).status == 201
        with nodes.both[0].http() as http:
            emails = [new_user(http)["email"] for _ in range(USERS)]
        request(nodes, emails)
        listener.wait_for(lambda: len({message.id for message in listener.delivered()}) == USERS)
        carried = Counter(message.event["object"]["email"] for message in listener.delivered())
        assert carried == dict.fromkeys(emails, 1)

        def is_settled() -> bool:
            waiting = "SELECT count(*) FROM one_time_tokens WHERE sealed IS NOT NULL OR is_sent = 0"
            return ask_database(nodes.database, waiting)[0][0] == 0

        wait_until(is_settled)
        request(nodes, emails[:1] * 10)
        named = ask(nodes.both[1], "GET", "/v1/events?type=token.requested&limit=1000").json
        assert len(named) == USERS + 2, "two more of ten, since the first one counts"
