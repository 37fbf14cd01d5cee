"""What tests of the contract ask of every answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2

from tests.contract.answers import told_whole

USER_ID = re.compile(r"user_[0-9a-v]{26}").fullmatch
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z").fullmatch


def refused(
    answer: httpx2.Response, status: int, code: str, sentence: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """The body of an error, after a look at everything that each of them promises."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    assert found["code"] == code, found
    told_whole(answer, found)
    assert re.fullmatch(r"\S.*[.]", found["error"], re.S), "a sentence for people"
    assert set(found) <= {"error", "code", "request_id", "doc_url", "param", "errors"}
    if sentence is not None:
        assert found["error"] == sentence
    if param is not None:
        assert found["param"] == param
    return found


def faults(answer: httpx2.Response) -> list[str]:
    """Parameters at fault, in the order of the answer."""
    found = refused(answer, 400, "invalid_parameter")
    assert found["param"] == found["errors"][0]["param"]
    assert found["error"] == found["errors"][0]["message"]
    return [fault["param"] for fault in found["errors"]]


def links(answer: httpx2.Response) -> dict[str, str]:
    """Targets of the Link header (RFC 8288) by relation."""
    return {rel: target for target, rel in re.findall(r'<([^<>]*)>; rel="([a-z]+)"', answer.headers.get("link", ""))}


def pages(http: httpx2.Client, url: str, relation: str = "next") -> Iterator[httpx2.Response]:
    """This page and those after it (or before it), by their links."""
    seen = set()
    while True:
        assert url not in seen, "the links go in a circle"
        seen.add(url)
        answer = http.get(url)
        assert answer.status_code == 200, answer.text
        yield answer
        found = links(answer)
        if relation not in found:
            return
        url = found[relation]


def ids(answers: Iterator[httpx2.Response] | list[httpx2.Response]) -> list[str]:
    return [user["id"] for answer in answers for user in answer.json()]
