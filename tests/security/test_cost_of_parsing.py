"""What a caller sends is read in time that grows with its size, and answered with no more than it is worth."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from itertools import islice, product
from string import ascii_letters

import httpx2
import pytest

from rollbook import errors
from tests.contract.answers import refused
from tests.contract.test_equal_time import cpu_seconds
from tests.harness import Server
from tests.visitor import signed_in

NAMES = ["".join(letters) for letters in islice(product(ascii_letters, repeat=3), 8_000)]


@pytest.fixture
def member(as_role: Callable[..., httpx2.Client]) -> httpx2.Client:
    return as_role("member")


def quickly(server: Server, call: Callable[[], httpx2.Response], seconds: float = 0.5) -> httpx2.Response:
    """The answer, which must cost no more than this of computing: meanwhile nobody else of this worker is served.
    Quadratic reading takes more, each time. Waiting for a core, which says more about the machine, is not in it."""
    for _ in range(10):
        begun = cpu_seconds(server)
        answer = call()
        if cpu_seconds(server) - begun < seconds:
            return answer
    raise AssertionError(f"it took more than {seconds} seconds ten times")


@pytest.mark.parametrize("start", ["application/json", "application/json;charset=utf-8"])
def test_a_media_type_with_thousands_of_blanks(server: Server, member: httpx2.Client, start: str) -> None:
    answer = quickly(
        server, lambda: member.patch("/v1/users/me", content=b"{}", headers={"Content-Type": f"{start}{' ' * 30_000}x"})
    )
    refused(answer, errors.UnsupportedMediaType)


@pytest.mark.parametrize(
    "kind", ["application/json  ;", "application/json ; charset = utf-8 ;", "application/merge-patch+json"]
)
def test_blanks_in_a_media_type_are_taken(member: httpx2.Client, kind: str) -> None:
    assert member.patch("/v1/users/me", content=b"{}", headers={"Content-Type": kind}).status_code == 200


def test_the_last_of_thousands_of_names_comes_twice(server: Server, member: httpx2.Client) -> None:
    body = f"{{{','.join(f'{chr(34)}{name}{chr(34)}:1' for name in [*NAMES, 'zzz', 'zzz'])}}}".encode()
    content = refused(quickly(server, lambda: member.patch("/v1/users/me", content=body)), errors.InvalidJson)
    assert content["error"] == 'The body contains "zzz" more than once.'


def test_thousands_of_unknown_names_are_not_all_told(member: httpx2.Client) -> None:
    for answer in (
        member.patch("/v1/users/me", json=dict.fromkeys(NAMES, 1)),
        member.get(f"/v1/users/me?{'&'.join(NAMES[:2_000])}"),
    ):
        assert 5 < len(refused(answer, errors.InvalidParameter)["errors"]) < 100
        assert len(answer.content) < 32_768


def test_a_limit_longer_than_any_is_refused_and_not_repeated(http: httpx2.Client, user: dict) -> None:
    for text in ("x" * 60_000, ",".join(f"1/{seconds}s" for seconds in range(1, 6_000)), "100/minute" + " " * 91):
        answer = http.patch(f"/v1/users/{user['id']}", json={"rate_limit": text})
        assert refused(answer, errors.InvalidParameter)["error"] == "rate_limit must have at most 100 characters."


@pytest.mark.parametrize("network", ["fe80::1%a b", "fe80::1%eth0", "fe80::%eth0/64"])
def test_an_address_with_a_zone_is_no_network(http: httpx2.Client, network: str) -> None:
    refused(http.post("/v1/keys", json={"name": "x", "ip_allow": [network]}), errors.InvalidParameter)


BOUNDARY = "----test"


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (lambda: gzip.compress(b"\n" * (60 << 20)), ""),
        (lambda: gzip.compress(b" " * (60 << 20)), ""),
        (lambda: ",".join(f"c{number}" for number in range(9_000)).encode() + b"\n", "more than 1,000 columns"),
    ],
    ids=["blank lines", "blanks", "columns"],
)
def test_a_file_that_an_import_shows_a_preview_of(server: Server, file: Callable[[], bytes], says: str) -> None:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="users"\r\n\r\n'.encode()
    form = head + file() + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "HX-Request": "true"}
    with signed_in(server) as owner:
        answer = quickly(server, lambda: owner.post("/admin/imports/preview", content=form, headers=kind))
    assert answer.status_code == (400 if says else 200) and says in answer.text, answer.text


def test_an_operation_of_a_bulk_that_is_as_large_as_a_body_can_be(server: Server, http: httpx2.Client) -> None:
    """It is found to be JSON in a fraction of a second. To find the operation's end took many."""
    body = b'{"operations": [{"op": "create", "name": [' + b"[]," * (10 << 20) + b"1]}]}"
    kind = {"Content-Type": "application/json"}
    answer = quickly(server, lambda: http.post("/v1/users/bulk", content=body, headers=kind), 2.0)
    refused(answer, errors.ContentTooLarge)
