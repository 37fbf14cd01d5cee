"""Compressed responses: which coding a client gets, what is left as it is, and the entity tags of each (RFC 9110
sections 8.8.3 and 12.5.3)."""

from __future__ import annotations

import json
import re
import zlib

import httpx2
import pytest
from backports import zstd

from tests.contract.expect import refused
from tests.engines import once
from tests.grids import grid
from tests.harness import Server, new_user

pytestmark = once

SCOPES = ["users:read", "keys:read"]


def raw(
    http: httpx2.Client, path: str, accept: str | None, method: str = "GET", **headers: str
) -> tuple[httpx2.Response, bytes]:
    """The response and its body as it was sent."""
    headers = {**headers, "Accept-Encoding": "identity" if accept is None else accept}
    with http.stream(method, path, headers=headers) as answer:
        return answer, b"".join(answer.iter_raw())


def decoded(answer: httpx2.Response, body: bytes) -> bytes:
    match answer.headers.get("content-encoding"):
        case "gzip":
            return zlib.decompress(body, wbits=31)
        case "zstd":
            return zstd.decompress(body)
        case coding:
            assert coding is None
            return body


@pytest.fixture(scope="module")
def many(http: httpx2.Client) -> str:
    """A list of more than 4 kB."""
    for number in range(40):
        new_user(http, name=f"Charlie Mboya {number}")
    return "/v1/users?limit=40"


@grid(
    ("accept", "coding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("gzip;q=0, zstd;q=0.001", "zstd"),
        ("gzip;q=0", None),
        ("*", "zstd"),
        ("*;q=0", None),
        ("zstd;q=0, *;q=0.5", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("br, deflate", None),
        ("gzip;q=2", None),
        ("gzip;level=9", None),
        ("gzip ; q=0.3", "gzip"),
    ],
)
def test_a_client_gets_the_coding_it_prefers(
    http: httpx2.Client, many: str, accept: str | None, coding: str | None
) -> None:
    plain = http.get(many)
    answer, body = raw(http, many, accept)
    assert answer.headers.get("content-encoding") == coding
    assert "Accept-Encoding" in answer.headers["vary"]
    assert json.loads(decoded(answer, body)) == plain.json()
    assert answer.headers["content-length"] == str(len(body))
    assert coding is None or len(body) < len(plain.content) / 2


def test_what_is_short_stays_as_it_is(http: httpx2.Client, user: dict) -> None:
    for path in ("/v1/users?limit=5", f"/v1/users/{user['id']}", "/health/live"):
        answer, body = raw(http, path, "gzip, zstd")
        assert "content-encoding" not in answer.headers and len(body) < 4096


def test_head_has_the_header_fields_of_get(http: httpx2.Client, many: str) -> None:
    for path in (many, "/openapi.json", "/v1/users/me/export"):
        for accept in ("gzip", "zstd", None):
            _, before = raw(http, path, accept)
            head, nothing = raw(http, path, accept, "HEAD")
            get, after = raw(http, path, accept)
            while before != after:  # when a key was last used is written later
                before = after
                head, nothing = raw(http, path, accept, "HEAD")
                get, after = raw(http, path, accept)
            assert nothing == b""
            for name in ("content-encoding", "content-length", "vary", "etag"):
                assert head.headers.get(name) == get.headers.get(name)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_large_and_streamed_responses_and_metrics_are_compressed(http: httpx2.Client, coding: str) -> None:
    person = new_user(http)
    for number in range(60):
        http.patch(f"/v1/users/{person['id']}", json={"metadata": {"number": number, "words": "lorem ipsum " * 50}})
    for path in (f"/v1/users/{person['id']}/export", "/v1/events?limit=60", "/metrics", "/openapi.json"):
        answer, body = raw(http, path, coding)
        assert answer.headers["content-encoding"] == coding
        whole = decoded(answer, body)
        assert len(body) < len(whole) / 3
        if path == "/metrics":
            assert whole.startswith(b"# ")
        else:
            assert json.loads(whole) == http.get(path).json()


def test_responses_to_a_post_are_not_compressed_since_they_may_hold_a_secret(http: httpx2.Client) -> None:
    body = {
        "name": "A key",
        "ip_allow": [f"2001:db8:{number:x}::/48" for number in range(1, 64)],
        "scopes": SCOPES,
        "revealable": True,
    }
    with http.stream("POST", "/v1/keys", json=body, headers={"Accept-Encoding": "gzip, zstd"}) as answer:
        sent = b"".join(answer.iter_raw())
    assert answer.status_code == 201, sent
    assert b'"key":"' in sent and "content-encoding" not in answer.headers


def test_each_coding_has_an_entity_tag_of_its_own_and_each_is_current(http: httpx2.Client, server: Server) -> None:
    page = http.get("/account/sign-in", headers={"Accept": "text/html"}).text
    style = re.findall(r'"(/static/[^"]+\.css\?[^"]+)"', page)[0]
    for path in ("/openapi.json", style):
        tags = {accept: raw(http, path, accept)[0].headers["etag"] for accept in ("identity", "gzip", "zstd")}
        assert len(set(tags.values())) == 3 and all(tag.startswith('"') for tag in tags.values())
        for accept, tag in tags.items():
            for form in (tag, f"W/{tag}", f'"other", {tag}'):
                answer, body = raw(http, path, accept, **{"If-None-Match": form})
                assert (answer.status_code, body, answer.headers["etag"]) == (304, b"", tag)
                assert "content-encoding" not in answer.headers
        assert raw(http, path, "gzip", **{"If-None-Match": '"other"'})[0].status_code == 200


def test_the_tag_of_a_compressed_user_is_good_for_a_change(http: httpx2.Client) -> None:
    person = new_user(http, metadata={f"key_{number}": "lorem ipsum " * 20 for number in range(40)})
    path = f"/v1/users/{person['id']}"
    tags = {accept: raw(http, path, accept)[0].headers["etag"] for accept in ("identity", "gzip", "zstd")}
    assert len(set(tags.values())) == 3
    for accept, tag in tags.items():
        answer, _ = raw(http, path, accept, **{"If-None-Match": tag})
        assert (answer.status_code, answer.headers["etag"]) == (304, tag)
    assert http.patch(path, json={"name": "Changed"}, headers={"If-Match": tags["zstd"]}).status_code == 200
    refused(http.patch(path, json={"name": "Again"}, headers={"If-Match": tags["gzip"]}), 412, "precondition_failed")


def test_a_compressed_body_is_refused_with_what_is_accepted(http: httpx2.Client, user: dict) -> None:
    answer = http.post("/v1/users", content=b"x", headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
    options = http.options(f"/v1/users/{user['id']}")
    assert "PATCH" in options.headers["allow"] and "application/merge-patch+json" in options.headers["accept-patch"]
    assert "accept-patch" not in http.options("/v1/users").headers
