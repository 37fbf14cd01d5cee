"""Two nodes that share PostgreSQL and no Valkey accept a hundred wrong codes for an account, and not a hundred each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.callers import Connection, close, together
from tests.factors import enrolled
from tests.harness import new_user
from tests.nodes.pair import WIDE, Pair, ask, pair, wait_until

GUESSES = 240
UNLIMITED = ("--attempts-limit", "none", "--account-attempts-limit", "none", "--address-attempts-limit", "none")


def test_two_nodes_count_wrong_passwords_and_codes_together(tmp_path: Path) -> None:
    with pair(tmp_path, "--workers", "2", *WIDE, *UNLIMITED) as nodes:
        with nodes.both[0].http() as http:
            user = new_user(http)
            app = enrolled(http, user["id"])
            wrong = app.wrong()
        path = f"/v1/users/{user['id']}/second-factors/verify"
        code = [("POST", path, {"code": wrong, "address": f"10.0.{n >> 8}.{n & 255}"}) for n in range(GUESSES)]
        assert Counter(everywhere(nodes, code)) == {401: GUESSES}
        rest = {"email": user["email"], "password": "wrong"}
        words = [("POST", "/v1/users/verify-password", {**rest, "address": f"10.1.0.{n}"}) for n in range(120)]
        assert Counter(everywhere(nodes, words)) == {401: 120}
        counted = ask(nodes.database, "SELECT kind, failures FROM failed_guesses WHERE account = $1", user["id"])
        assert {each["kind"]: each["failures"] for each in counted} == {"code": 100, "password": 100}
        right = ("POST", path, {"code": app.at(1), "address": "192.0.2.1"})
        word = ("POST", "/v1/users/verify-password", {**rest, "password": user["password"], "address": "192.0.2.1"})
        assert everywhere(nodes, [right, right, word, word]) == [401] * 4
        told = "SELECT count(*) FROM events WHERE user_id = $1 AND type = 'user.guesses_exhausted'"
        # Events get their place in the log a moment after they were written.
        wait_until(lambda: ask(nodes.database, told, user["id"])[0][0] == 2)


def everywhere(nodes: Pair, calls: list[tuple[str, str, dict[str, str]]]) -> list[int]:
    """Their statuses; one call goes to this node, the next one to the other."""
    opened = [Connection(nodes.both[number % 2]) for number in range(20)]

    def several(number: int) -> list[int]:
        return [opened[number].call(*call).status for call in calls[number::20]]

    statuses = together(*(lambda number=number: several(number) for number in range(20)))
    close(opened)
    return [status for each in statuses for status in each]
