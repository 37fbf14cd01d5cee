"""The column `groups` of imports and exports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import httpx2
import pytest

from tests.harness import client_of, new_key, running
from tests.nodes.pair import wait_until


@pytest.fixture(scope="module")
def http(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    with running(tmp_path_factory.mktemp("columns") / "data", "--rate-limit", "none") as server, server.http() as http:
        yield http


def imported(http: httpx2.Client, content: str, **options: str) -> dict[str, Any]:
    job = http.post("/v1/imports", params=options, content=content)
    assert job.status_code == 201, job.text
    wait_until(lambda: http.get(job.headers["location"]).json()["status"] != "processing")
    wait_until(lambda: http.get(job.headers["location"]).json()["status"] not in ("waiting", "running"), 240)
    found = http.get(job.headers["location"]).json()
    found["report"] = [json.loads(line) for line in http.get(f"{job.headers['location']}/report").text.splitlines()]
    return found


def lines(*users: dict[str, Any]) -> str:
    return "".join(json.dumps(user) + "\n" for user in users)


def exported(http: httpx2.Client, emails: Sequence[str], **options: str) -> dict[str, str]:
    text = http.get("/v1/exports", params=options).text
    rows = csv.DictReader(io.StringIO(text)) if options.get("format") == "csv" else map(json.loads, text.splitlines())
    return {row["email"]: row.get("groups", "") for row in rows if row["email"] in emails}


def groups_of(http: httpx2.Client, email: str) -> dict[str, str]:
    user = http.get("/v1/users", params={"email": email}).json()[0]
    return {each["name"]: each["role"] for each in http.get("/v1/groups", params={"user": user["id"]}).json()}


def test_people_come_into_their_groups_and_an_export_says_so_again(http: httpx2.Client) -> None:
    """Names with separators, several users of one group, groups that exist and some that don't."""
    known = http.post("/v1/groups", json={"name": "Support"}).json()
    strange = "a;b:c\\d"
    texts = {
        "one@example.com": "support:lead;Design",
        "two@example.com": r"Design:a\;b:c;a\;b\:c\\d",
        "none@example.com": "",
    }
    found = imported(http, lines(*({"name": "N", "email": email, "groups": text} for email, text in texts.items())))
    assert (found["added"], found["refused"]) == (3, 0), found
    assert groups_of(http, "one@example.com") == {"Support": "lead", "Design": ""}
    assert groups_of(http, "two@example.com") == {"Design": "a;b:c", strange: ""}
    assert groups_of(http, "none@example.com") == {}
    assert http.get(f"/v1/groups/{known['id']}").json()["members"] == 1
    assert len(http.get("/v1/groups", params={"name": "design"}).json()) == 1
    told = exported(http, [*texts])
    assert told == {
        "one@example.com": "Design;Support:lead",
        "two@example.com": r"a\;b\:c\\d;Design:a\;b:c",
        "none@example.com": "",
    }
    assert exported(http, [*texts], format="csv") == told


def test_an_update_adds_to_groups_and_changes_roles_and_removes_from_none(http: httpx2.Client) -> None:
    first = lines({"name": "Up", "email": "up@example.com", "groups": "Kept;Turned:old"})
    assert imported(http, first)["added"] == 1
    again = imported(http, first, on_conflict="update")
    assert (again["unchanged"], again["updated"]) == (1, 0)
    more = lines({"name": "Up", "email": "up@example.com", "groups": "Turned:new;More"})
    assert imported(http, more, on_conflict="update")["updated"] == 1
    assert groups_of(http, "up@example.com") == {"Kept": "", "Turned": "new", "More": ""}
    skipped = imported(http, lines({"name": "Up", "email": "up@example.com", "groups": "Never"}))
    assert skipped["skipped"] == 1
    assert "Never" not in groups_of(http, "up@example.com")
    user = http.get("/v1/users", params={"email": "up@example.com"}).json()[0]["id"]
    kinds = [each["type"] for each in http.get("/v1/events", params={"user": user}).json()]
    assert sorted(kinds) == ["group.member_added"] * 3 + ["group.member_changed", "user.created"]


def test_a_dry_run_creates_no_group(http: httpx2.Client) -> None:
    before = len(http.get("/v1/groups", params={"limit": 1000}).json())
    found = imported(http, lines({"name": "D", "email": "dry@example.com", "groups": "Dry"}), dry_run="true")
    assert found["added"] == 1
    assert len(http.get("/v1/groups", params={"limit": 1000}).json()) == before


def test_what_can_not_be_is_refused_alone_and_never_repeated(http: httpx2.Client) -> None:
    """Texts that name no groups, more groups than a user can be in, and a key that may not change groups."""
    secret = "zebra\x01stripe"
    texts = [f"{secret}", "Ends\\", ";".join(f"g{n}" for n in range(1_001)), "x" * 256, "r:" + "x" * 256]
    records = [{"name": "B", "email": f"bad{n}@example.com", "groups": text} for n, text in enumerate(texts)]
    found = imported(http, lines(*records, {"name": "G", "email": "good@example.com", "groups": "Good"}))
    assert (found["added"], found["refused"]) == (1, len(texts)), found
    assert all("groups " in json.dumps(each) for each in found["report"]), found["report"]
    assert "zebra" not in json.dumps(found)
    full = ";".join(f"full{n}" for n in range(1_000))
    assert imported(http, lines({"name": "F", "email": "full@example.com", "groups": full}))["added"] == 1
    over = lines({"name": "F", "email": "full@example.com", "groups": "One more"})
    refused = imported(http, over, on_conflict="update")
    assert [each["code"] for each in refused["report"]] == ["group_limit_reached"]


def test_who_may_not_change_or_read_groups_neither_imports_nor_exports_them(http: httpx2.Client) -> None:
    key = new_key(http, scopes=["users:read", "users:write", "users:export"])
    with client_of(str(http.base_url), headers={"Authorization": f"Bearer {key}"}) as narrow:
        found = imported(narrow, lines({"name": "N", "email": "narrow@example.com", "groups": "Closed"}))
        assert [each["code"] for each in found["report"]] == ["insufficient_scope"]
        imported(http, lines({"name": "Seen", "email": "seen@example.com"}))
        imported(http, lines({"name": "Seen", "email": "seen@example.com", "groups": "Closed"}), on_conflict="update")
        assert exported(narrow, ["seen@example.com"]) == {"seen@example.com": ""}
        assert exported(http, ["seen@example.com"]) == {"seen@example.com": "Closed"}
