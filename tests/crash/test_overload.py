"""More passwords than can be hashed: 503 that says when to come back, reads as ever, and no create lost."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from tests.callers import Answer, Connection, ask, together
from tests.crash.load import WIDE
from tests.harness import running

# One at a time, one waiting, each a tenth of a second or more.
SLOW = (
    *("--password-threads", "1", "--password-queue", "1"),
    *("--password-memory", "65536", "--password-time-cost", "2"),
)


def test_creates_beyond_the_queue_are_refused_until_there_is_room_and_none_is_lost(tmp_path: Path) -> None:
    with running(tmp_path / "data", *WIDE, *SLOW, cheap=False) as server:
        ended = threading.Event()

        def create(number: int) -> list[Answer]:
            """Until it is taken; all answers on the way."""
            body = {"name": "Alice", "email": f"alice{number}@example.com", "password": "securepassword123"}
            answers = []
            with Connection(server) as connection:
                while not answers or answers[-1].status == 503:
                    if answers:
                        time.sleep(min(int(answers[-1].headers["retry-after"]), 1))
                    answers.append(connection.call("POST", "/v1/users", body, Idempotency_Key=f"create {number}"))
            return answers

        def creates() -> list[list[Answer]]:
            try:
                return together(*(lambda number=number: create(number) for number in range(8)))
            finally:
                ended.set()

        def reads() -> list[list[Answer]]:
            answers = []
            with Connection(server) as connection:
                while not ended.is_set() or len(answers) <= 10:
                    answers.append(connection.call("GET", "/v1/users/me"))
                    time.sleep(0.01)
            return [answers]

        created, (read,) = together(creates, reads)
        refused = [answer for answers in created for answer in answers if answer.status != 201]
        assert refused
        assert {(answer.status, answer.json["code"]) for answer in refused} == {(503, "overloaded")}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert {answer.status for answer in read} == {200}
        made = {answers[-1].json["id"] for answers in created}
        listed = {user["id"] for user in ask(server, "GET", "/v1/users?q=alice").json}
        assert listed == made and len(made) == 8
        assert ask(server, "GET", "/v1/users/count").json["count"] == 9
