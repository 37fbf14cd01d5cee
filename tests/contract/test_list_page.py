"""The page of users: a filtered list says how many there are, as far as that is quick to count."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import httpx2

from tests.engines import once
from tests.harness import running
from tests.visitor import signed_in

MANY = 10_070
"""More than the page counts."""


def said(owner: httpx2.Client, query: str) -> str:
    """The line above the table, as text."""
    found = re.search(r'<p class="muted" role="status">(.*?)</p>', owner.get(f"/admin/users?{query}").text, re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]+>", "", found[1]).split())


def wait_for(owner: httpx2.Client, query: str, line: str) -> None:
    """On a busy machine, a page may do without the number."""
    deadline = time.monotonic() + 60
    while said(owner, query) != line:
        assert time.monotonic() < deadline, said(owner, query)
        time.sleep(0.2)


@once
def test_a_filtered_list_says_how_many_there_are(tmp_path: Path) -> None:
    teams = ({"team": "a"}, {"team": "b"})
    crowd = "".join(
        json.dumps({"name": f"Crowd {number}", "email": f"{number}@example.com", "metadata": teams[number < 70]}) + "\n"
        for number in range(MANY)
    )
    with (
        running(tmp_path / "data", "--rate-limit", "none") as server,
        server.http() as http,
        signed_in(server) as owner,
    ):
        job = http.post("/v1/imports?events=summary", content=crowd, timeout=60)
        deadline = time.monotonic() + 120
        while http.get("/v1/users/count").json()["count"] < MANY + 1:
            assert time.monotonic() < deadline, job.text
            time.sleep(0.1)
        wait_for(owner, "metadata[team]=b", "70 users found · page 1 of 2")
        wait_for(owner, "metadata[team]=b&page=2", "70 users found · page 2 of 2")
        wait_for(owner, "role=member", "More than 10,000 users found · page 1 · Count all results")
        assert said(owner, "role=member&count=exact") == f"{MANY:,} users found · page 1 of 202"
        assert said(owner, "role=owner") == "1 user found"
