"""`rollbook bulk`: asks before many users are changed, says what came of it, and undoes it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from tests.harness import new_user, running


def test_many_users_are_changed_counted_and_put_back(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none") as server, server.http() as http:
        mark = {"plan": r"trial, old:er\one"}  # what a filter has to escape
        users = [new_user(http, name=f"Bea {number}", metadata=mark) for number in range(3)]
        server.environment |= {"ROLLBOOK_URL": server.url, "ROLLBOOK_KEY": server.key}

        def status() -> list[str]:
            return [http.get(f"/v1/users/{user['id']}").json()["status"] for user in users]

        chosen = ("--metadata", f"plan={mark['plan']}")
        for wrong in (("suspend",), ("suspend", users[0]["email"], "--all"), ("role", "--all"), ("metadata", "--all")):
            assert server.rollbook("bulk", "run", *wrong, "--yes", check=False).returncode == 2, wrong
        asked = server.rollbook("bulk", "run", "suspend", *chosen, check=False, input="")
        assert asked.returncode == 1 and "3 users would be changed. Add --yes" in asked.stderr
        assert status() == ["active"] * 3
        done = server.rollbook("bulk", "run", "suspend", *chosen, "--yes")
        assert "Finished: 3 changed, 0 unchanged, 0 refused." in done.stderr
        assert status() == ["suspended"] * 3
        job = done.stdout.strip()
        assert f"bulk undo {job} --url {server.url}" in done.stderr
        assert [line.split("\t")[0] for line in server.rollbook("bulk", "list").stdout.splitlines()] == [job]
        server.rollbook("bulk", "undo", job, "--yes")
        assert status() == ["active"] * 3
        emails = [users[0]["email"], users[1]["id"]]
        server.rollbook("bulk", "run", "metadata", *emails, "--set", "plan=", "--set", "team=red", "--yes")
        assert http.get(f"/v1/users/{users[1]['id']}").json()["metadata"] == {"team": "red"}
        group = http.post("/v1/groups", json={"name": "Design"}).json()["id"]
        assert server.rollbook("bulk", "run", "add_to_group", *emails, "--yes", check=False).returncode == 2
        server.rollbook("bulk", "run", "add_to_group", *emails, "--target-group", "design", "--yes")
        assert http.get(f"/v1/groups/{group}").json()["members"] == 2
        links = server.rollbook("bulk", "run", "setup_links", *emails, "--yes", "--json")
        table = server.rollbook("bulk", "results", json.loads(links.stdout)["id"], "--format", "csv").stdout
        assert all(row["url"].startswith("http") for row in csv.DictReader(io.StringIO(table)))
