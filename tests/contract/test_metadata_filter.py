"""Users found by what is in their metadata: which values count, and that every change is seen at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from rollbook.actions.checking import metadata_pair
from tests.contract.expect import links
from tests.engines import once
from tests.grids import grid
from tests.harness import new_user

VALUES: list[tuple[Any, str]] = [
    ("pro", "pro"),
    ("Ünï\n&=[x]", "Ünï\n&=[x]"),
    ("a,b:c\\,", "a,b:c\\,"),
    ("x" * 255, "x" * 255),
    (1, "1"),
    (-7, "-7"),
    (1.0, "1"),
    (0.0, "0"),
    (0.5, "0.5"),
    (-123456.789, "-123456.789"),
    (12345678901234567, "12345678901234567"),
    (True, "true"),
    (False, "false"),
    (None, "null"),
]
"""What is stored, and as what it is found."""
NO_VALUES = ["", "x" * 256, {"a": "b"}, ["pro"], {}, 1e-7, 1e20, 1234567890123456789]
"""Metadata that no filter finds: nested, long, or numbers that would need an exponent."""


@pytest.fixture
def find(http: httpx2.Client) -> Callable[..., list[str]]:
    """Who is found, by list, count and export alike, in every way to write the filter."""

    def found(**pairs: str) -> list[str]:
        items = [metadata_pair(key, value) for key, value in pairs.items()]
        asked: dict[str, Any] = {"metadata": ",".join(items)}
        listed = [user["id"] for user in http.get("/v1/users", params={**asked, "limit": 1000}).json()]
        assert http.get("/v1/users/count", params=asked).json() == {"count": len(listed)}
        exported = http.get("/v1/exports", params=asked)
        assert [json.loads(line)["id"] for line in exported.text.splitlines()] == listed
        for same in (
            {"metadata": items},
            {"metadata[]": items},
            {f"metadata[{at}]": item for at, item in enumerate(items)},
        ):
            assert http.get("/v1/users/count", params=same).json() == {"count": len(listed)}, same
        return listed

    return found


def test_texts_numbers_booleans_and_null_are_compared_as_text(
    http: httpx2.Client, find: Callable[..., list[str]]
) -> None:
    users = [new_user(http, metadata={"value": stored})["id"] for stored, _ in VALUES]
    for unfound in NO_VALUES:
        new_user(http, metadata={"value": unfound, "other": unfound})
    for text in {text for _, text in VALUES}:
        wanted = [id for id, (_, as_text) in zip(users, VALUES, strict=True) if as_text == text]
        assert find(value=text) == wanted, text
    for text in (
        "PRO",
        "pr",
        "pro ",
        "1.0",
        "True",
        "None",
        "0.50",
        '"pro"',
        "b",
        "1e-7",
        "1e-07",
        "0.0000001",
        "1e+20",
    ):
        assert find(value=text) == [], text


def test_every_change_is_seen_at_once(http: httpx2.Client, find: Callable[..., list[str]]) -> None:
    user = new_user(http, metadata={"team": "red", "note": "old"})
    path = f"/v1/users/{user['id']}"
    assert find(team="red") == [user["id"]]
    http.patch(path, json={"metadata": {"team": "blue"}})
    assert (find(team="red"), find(team="blue"), find(team="blue", note="old")) == ([], [user["id"]], [user["id"]])
    http.put(path, json={"metadata": {"team": "green"}})
    assert (find(team="blue"), find(note="old"), find(team="green")) == ([], [], [user["id"]])
    http.put(path, json={"name": "Somebody Else"})
    assert find(team="green") == [user["id"]]
    http.delete(path)
    assert find(team="green") == []
    http.post(f"{path}/restore")
    assert find(team="green") == [user["id"]]
    http.patch(path, json={"metadata": {"team": None}})
    assert find(team="green") == []
    lines = "\n".join(
        json.dumps({"name": "Imported", "email": f"meta{n}@import.example", "metadata": {"team": "in"}})
        for n in range(3)
    )
    done = http.post("/v1/imports", content=lines, headers={"Content-Type": "application/x-ndjson"}).json()
    while done["status"] in ("waiting", "running"):
        done = http.get(f"/v1/imports/{done['id']}").json()
    assert done["added"] == 3, done
    assert len(find(team="in")) == 3


def test_links_repeat_the_filter(http: httpx2.Client) -> None:
    asked = {"metadata": "odd [\\:key\\,]:a&b:\\\\"}
    users = [new_user(http, metadata={"odd [:key,]": "a&b:\\"})["id"] for _ in range(3)]
    answer = http.get("/v1/users", params={**asked, "limit": 2, "sort": "-created_at"})
    assert [user["id"] for user in answer.json()] == users[:0:-1]
    following = http.get(links(answer)["next"])
    assert following.json()[0]["id"] == users[0]
    assert [user["id"] for user in http.get(links(following)["prev"]).json()] == users[:0:-1]


def test_the_index_of_a_list_is_no_key(http: httpx2.Client) -> None:
    """Java's clients and PHP's arrays write `metadata[0]=plan:pro`."""
    user = new_user(http, metadata={"0": "zero", "7": "seven", "tag": "indexed"})["id"]
    for query in (
        "metadata[0]=tag:indexed",
        "metadata[7]=tag:indexed",
        "metadata=0:zero",
        "metadata[0]=0:zero&metadata[1]=7:seven",
    ):
        assert [each["id"] for each in http.get(f"/v1/users?{query}").json()] == [user], query


@once
@grid(
    "query",
    [
        "metadata=pro",
        "metadata[]=pro",
        "metadata[0]=pro",
        "metadata[0]=plan:pro&metadata[1]=x",
        "metadata=plan:pro,",
        "metadata=plan:pro,team",
        "metadata=:pro",
        "metadata=plan:",
        "metadata=pl\\an:pro",
        "metadata=plan:pro\\",
        "metadata=plan:pro,plan:free",
        "metadata=plan:a%00b",
        f"metadata={'k' * 256}:pro",
        "metadata=" + ",".join(f"k{number}:1" for number in range(11)),
        "metadata[plan]=pro",
        f"metadata=plan:{'x' * 256}",
        "metadata=plan:pro&status=deleted",
    ],
)
def test_what_is_no_filter_is_400(http: httpx2.Client, query: str) -> None:
    answer = http.get(f"/v1/users?{query}")
    assert answer.status_code == 400 and answer.json()["param"].startswith("metadata"), answer.text
    assert len(answer.content) < 4096
