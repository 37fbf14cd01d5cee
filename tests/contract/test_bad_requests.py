"""What callers get wrong: each fault is a 4xx that names it, nothing is guessed, clamped or half done, and nothing is a
5xx."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from tests.contract.expect import faults, refused
from tests.engines import once
from tests.grids import grid

# All of it is refused before a database is asked.
pytestmark = once

GOOD = {"name": "Charlie Chaplin", "email": "bad-requests@example.com", "password": "securepassword123"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def nothing_is_made(http: httpx2.Client) -> Any:
    """A refused request creates nobody."""
    before = http.get("/v1/users/count").json()
    yield
    assert http.get("/v1/users", params={"email": GOOD["email"]}).json() == []
    assert http.get("/v1/users/count").json()["count"] >= before["count"]


# ---- query values


@grid(
    ("query", "params"),
    [
        ("limit=abc", ["limit"]),
        ("limit=1.5", ["limit"]),
        ("limit=1e2", ["limit"]),
        ("limit=-1", ["limit"]),
        ("limit=0", ["limit"]),
        ("limit=1001", ["limit"]),
        ("limit=", ["limit"]),
        ("limit", ["limit"]),
        ("limit=+5", ["limit"]),
        ("limit=%205", ["limit"]),
        ("limit=0x10", ["limit"]),
        ("limit=%D9%A3", ["limit"]),
        ("limit=1_0", ["limit"]),
        ("limit=99999999999999999999999", ["limit"]),
        ("limit=null", ["limit"]),
        ("limit=true", ["limit"]),
        ("limit=5%00", ["limit"]),
        ("limit=1;offset=2", ["limit"]),
        ("offset=abc", ["offset"]),
        ("offset=-1", ["offset"]),
        ("offset=-0.5", ["offset"]),
        ("offset=", ["offset"]),
        ("offset=-99999999999999999999", ["offset"]),
        ("offset=inf", ["offset"]),
        ("limit=1&limit=1", ["limit"]),
        ("limit=1&offset=0&limit=2", ["limit"]),
        ("email=a@example.com&email=b@example.com", ["email"]),
        ("li%6Dit=1&limit=1", ["limit"]),
        ("foo=1", ["foo"]),
        ("Limit=1", ["Limit"]),
        ("limit[]=1", ["limit[]"]),
        ("page=2", ["page"]),
        ("api_key=x", ["api_key"]),
        ("=1", [""]),
        ("%00=1", ["\ufffd"]),
        ("sort=", ["sort"]),
        ("sort=id", ["sort"]),
        ("sort=name,name", ["sort"]),
        ("sort=name,-name", ["sort"]),
        ("sort=name,", ["sort"]),
        ("sort=--name", ["sort"]),
        ("sort=Name", ["sort"]),
        ("sort=name%20desc", ["sort"]),
        ("fields=", ["fields"]),
        ("fields=password", ["fields"]),
        ("fields=password_hash", ["fields"]),
        ("fields=id,,name", ["fields"]),
        ("fields=*,password", ["fields"]),
        ("fields=" + "id," * 50 + "id", ["fields"]),
        ("role=king", ["role"]),
        ("role=", ["role"]),
        ("role=member,admin", ["role"]),
        ("status=banned", ["status"]),
        ("count=yes", ["count"]),
        ("ids=", ["ids"]),
        ("ids=a,,b", ["ids"]),
        ("email=" + "a" * 255, ["email"]),
        ("external_id=" + "a" * 256, ["external_id"]),
        ("q=%ff%fe%fd", ["q"]),
        ("%ff=1", ["%ff"]),
        ("cursor=x", ["cursor"]),
        ("limit=x&offset=y&foo=z&role=king&sort=id", ["foo", "limit", "offset", "role", "sort"]),
        ("ids=" + ",".join("a" * 2 for _ in range(1001)), ["ids"]),
    ],
)
def test_a_bad_query_value_is_400_and_named_never_clamped(http: httpx2.Client, query: str, params: list[str]) -> None:
    assert faults(http.get(f"/v1/users?{query}")) == params


@pytest.mark.parametrize(
    "path", ["/v1/users/count", "/v1/users/{id}", "/v1/users/{id}/export", "/v1/keys", "/v1/events"]
)
def test_every_read_refuses_parameters_it_does_not_know(http: httpx2.Client, user: dict, path: str) -> None:
    assert faults(http.get(path.format(id=user["id"]) + "?nonsense=1")) == ["nonsense"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/users"),
        ("PUT", "/v1/users/{id}"),
        ("PATCH", "/v1/users/{id}"),
        ("DELETE", "/v1/users/{id}"),
        ("PUT", "/v1/users/{id}/password"),
        ("POST", "/v1/users/{id}/suspend"),
    ],
)
def test_every_write_refuses_parameters_it_does_not_know_and_does_nothing(
    http: httpx2.Client, user: dict, method: str, path: str
) -> None:
    body = (
        None
        if method == "DELETE" or "suspend" in path
        else {"password": "another good one"}
        if "password" in path
        else GOOD
        if method == "POST"
        else {"name": "Changed"}
    )
    assert faults(http.request(method, path.format(id=user["id"]) + "?force=true", json=body)) == ["force"]
    after = http.get(f"/v1/users/{user['id']}").json()
    assert (after["name"], after["status"]) == (user["name"], "active")


def test_values_that_are_fine_in_another_form_are_taken(http: httpx2.Client) -> None:
    assert len(http.get("/v1/users?limit=%31").json()) == 1
    assert len(http.get("/v1/users?&limit=1&&").json()) == 1
    assert len(http.get("/v1/users?limit=0001&offset=00").json()) == 1
    assert http.get("/v1/users?limit=1000").status_code == 200
    assert http.get("/v1/users?").status_code == http.get("/v1/users/?limit=1").status_code == 200


# ---- bodies


@grid(
    ("body", "says"),
    [
        (b"", "empty"),
        (b" ", "not valid JSON"),
        (b"null", "object"),
        (b"[]", "object"),
        (b"[1]", "object"),
        (b'"text"', "object"),
        (b"1", "object"),
        (b"true", "object"),
        (b"{", "not valid JSON"),
        (b'{"name":"A"', "not valid JSON"),
        (b'{\n "name" "A"}', "The body is not valid JSON (line 2, column 9): a colon is missing."),
        (b'{"name":"A"} x', "not valid JSON"),
        (b'{"name":"A"}{}', "not valid JSON"),
        (b'{"name":"A",}', "not valid JSON"),
        (b"{'name':'A'}", "not valid JSON"),
        (b"name=A&email=a@example.com", "not valid JSON"),
        (b"<name>A</name>", "not valid JSON"),
        (b'{"name":"A"/**/}', "not valid JSON"),
        (b"{name:1}", "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b"\xff\xfe{\x00}\x00", "not valid"),
        (b'{"name":"\xff"}', "UTF-8"),
        (b'{"name":"\xed\xa0\x80"}', "UTF-8"),
        (b'{"name":"\xc0\xaf"}', "UTF-8"),
        (b'{"\xff":1}', "UTF-8"),
        (b'{"name":"\\ud800"}', "not valid JSON"),
        (b'{"name":"\\udc00\\ud800"}', "not valid JSON"),
        (b'{"metadata":{"\\udfff":1}}', "not valid JSON"),
        (b'{"name":"a\\u0000b"}', "NUL"),
        (b'{"a\\u0000":1}', "NUL"),
        (b'{"metadata":{"a":["\\u0000"]}}', "NUL"),
        (b'{"metadata":{"a":[[{"\\u0000":1}]]}}', "NUL"),
        (b'{"name":"a\x00b"}', "not valid JSON"),
        (b'{"name":"a\nb"}', "not valid JSON"),
        (b'{"name":NaN}', "not valid JSON"),
        (b'{"metadata":{"a":NaN}}', "not valid JSON"),
        (b'{"metadata":{"a":Infinity}}', "not valid JSON"),
        (b'{"metadata":{"a":-Infinity}}', "not valid JSON"),
        (b'{"metadata":{"a":1e999}}', "not valid JSON"),
        (b'{"metadata":{"a":01}}', "not valid JSON"),
        (b'{"metadata":{"a":+1}}', "not valid JSON"),
        (b'{"metadata":{"a":.5}}', "not valid JSON"),
        (b'{"metadata":{"a":' + b"9" * 5000 + b"}}", "not valid JSON"),
        (b'{"name":"A","name":"B"}', '"name" more than once'),
        (b'{"name" :"A","name":"B"}', '"name" more than once'),
        (b'{"name"\n:"A", "name"\t:"B"}', '"name" more than once'),
        (b'{"name":"A","n\\u0061me":"B"}', '"name" more than once'),
        (b'{"metadata":{"x":{"y":1,"y":1}}}', '"y" more than once'),
        (b'{"metadata":[{"x" :1,"x" :2}]}', '"x" more than once'),
        (b'{"name":"a:b","name":"c"}', '"name" more than once'),
        (b'{"metadata":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}", "nested too deeply"),
        (b"[" * 30_000, "not"),
        (b'{"metadata":{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}}", "nested too deeply"),
        (b'{"a":' * 9000, "not"),
    ],
)
def test_json_that_readers_could_understand_differently_is_400(
    http: httpx2.Client, user: dict, body: bytes, says: str
) -> None:
    for method, path in (
        ("POST", "/v1/users"),
        ("PUT", f"/v1/users/{user['id']}"),
        ("POST", "/v1/users/verify-password"),
        ("POST", "/v1/keys"),
    ):
        answer = http.request(method, path, content=body, headers=JSON)
        found = refused(answer, 400, "invalid_json")["error"]
        assert says in found or ("[" * 100).encode() in body or b'{"a":' * 100 in body
    after = http.get(f"/v1/users/{user['id']}").json()
    assert after["name"] == user["name"] and after["metadata"] == {}


def nested(levels: int, opening: str = '{"a":', closing: str = "}") -> str:
    return opening * levels + "1" + closing * levels


def test_json_of_more_than_32_levels_is_400_with_the_place(http: httpx2.Client, user: dict) -> None:
    path = f"/v1/users/{user['id']}"
    for body, place in (
        (f'{{"metadata": {nested(32)}}}', "metadata" + ".a" * 31),
        (f'{{"metadata": {{"b": 1, "c": {nested(31, "[", "]")}}}}}', "metadata.c" + "[0]" * 30),
        (f'{{"nobody": {nested(500)}}}', "nobody" + ".a" * 31),
        (f'{{"metadata": {nested(32, "{" + json.dumps("ü" * 100) + ":")}}}', "metadata.üü"),
    ):
        found = refused(
            http.patch(path, content=body, headers=JSON), 400, "invalid_json", param=place.partition(".")[0]
        )
        assert place in found["error"] and "32 levels" in found["error"]
    assert http.get(path).json()["metadata"] == {}
    for most in (nested(31), f'{{"c": {nested(30, "[", "]")}, "d": [{",".join(["[]"] * 100)}]}}'):
        assert http.patch(path, content=f'{{"metadata": {most}}}', headers=JSON).status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "application/problem+json"])
def test_no_error_is_larger_than_4_kib_whatever_was_sent(http: httpx2.Client, user: dict, kind: str) -> None:
    path, headers = f"/v1/users/{user['id']}", {"Accept": kind}
    many = {f'{number}"\\\n{"ü" * 100}': 1 for number in range(300)}
    for answer in (
        http.get("/v1/users?" + "&".join(f"n{number}" for number in range(1200)), headers=headers),
        http.get("/v1/users?" + "&".join(f"%22%5C{number}" for number in range(600)), headers=headers),
        http.get("/v1/users?" + "%E2%82%AC" * 800, headers=headers),
        http.put(path, json=many, headers=headers),
        http.put(
            path, json={name: {} for name in ("name", "email", "role", "status", "rate_limit")} | many, headers=headers
        ),
        http.post(
            "/v1/keys", json={"name": "a", "ip_allow": ["x" * 1000] * 64, "scopes": ["y" * 1000] * 32}, headers=headers
        ),
        http.request("X" * 200, path, headers=headers),
    ):
        assert 400 <= answer.status_code < 500
        assert len(answer.content) <= 4096
        assert answer.json().get("errors") is None or answer.json()["errors"][0]["message"] == answer.json()["error"]


def test_json_that_only_looks_odd_is_taken(http: httpx2.Client, user: dict) -> None:
    path = f"/v1/users/{user['id']}"
    for body, name in (
        (b' \r\n\t{ "name" : "Spaced" }\n ', "Spaced"),
        (b'{"name":"\\u005a\\u00f6e \\ud83d\\ude00"}', "Zöe 😀"),
        (b'{"name":"back\\\\u0000slash"}', "back\\u0000slash"),
        (b'{"name":"\\"name\\":\\"x\\", : :"}', '"name":"x", : :'),
        (b'{"n\\u0061me":"Escaped"}', "Escaped"),
    ):
        answer = http.put(path, content=body, headers=JSON)
        assert answer.status_code == 200, answer.text
        assert answer.json()["name"] == name
    metadata = {"a": {"x": 1}, "b": {"x": 1}, "deep": [[[[{"x": [1]}]]]], "big": 10**40, "small": -0.5, "tiny": 1e-300}
    assert http.put(path, json={"metadata": metadata}).status_code == 200
    assert http.get(path).json()["metadata"] == metadata


def test_all_faults_of_a_body_are_told_at_once(http: httpx2.Client, user: dict) -> None:
    body = {
        "nickname": "x",
        "password": "short",
        "email": "no address",
        "name": " ",
        "role": "king",
        "metadata": [],
        "email_verified": "yes",
    }
    answer = http.post("/v1/users", json=body)
    assert faults(answer) == ["name", "email", "role", "metadata", "email_verified", "password", "nickname"]
    assert all(fault["message"].endswith(".") for fault in answer.json()["errors"])
    assert faults(http.post("/v1/users", json={})) == ["name", "email", "password"]
    assert faults(http.put(f"/v1/users/{user['id']}", json={"name": "", "email": None, "id": 5, "x": 1, "y": 2})) == [
        "name",
        "email",
        "x",
        "y",
    ]
    assert faults(http.post("/v1/users?limit=1", json={})) == ["limit"], "the query first"


@grid(
    "name",
    [
        "nickname",
        "Name",
        "is_admin",
        "password_hash",
        "email_key",
        "seq",
        "version",
        "",
        "__proto__",
        "constructor",
        "naме",
        "x" * 5000,
        "<img src=x>",
    ],
)
def test_an_unknown_field_is_400_and_named(http: httpx2.Client, user: dict, name: str) -> None:
    for answer in (
        http.post("/v1/users", json={**GOOD, name: 1}),
        http.put(f"/v1/users/{user['id']}", json={"name": "Changed", name: 1}),
    ):
        assert faults(answer) == [name[:64]]
        assert len(answer.content) < 2000
    assert http.get(f"/v1/users/{user['id']}").json()["name"] == user["name"]


@pytest.mark.parametrize("path", ["suspend", "activate", "restore"])
def test_calls_without_a_body_take_none_or_an_empty_object(http: httpx2.Client, user: dict, path: str) -> None:
    url = f"/v1/users/{user['id']}/{path}"
    assert faults(http.post(url, json={"reason": "x"})) == ["reason"]
    refused(http.post(url, content=b"[]", headers=JSON), 400, "invalid_json")
    assert http.get(f"/v1/users/{user['id']}").json()["status"] == "active"
    for none in (b"{}", b"null\n", b""):  # generated Go and Java clients can't send less than `null`
        if path == "restore":
            http.delete(f"/v1/users/{user['id']}")
        assert http.post(url, content=none, headers=JSON).status_code == 200
    refused(http.put(f"/v1/users/{user['id']}", content=b"null", headers=JSON), 400, "invalid_json")


# ---- media types and sizes


@grid(
    "kind",
    [
        "text/plain",
        "text/html",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/octet-stream",
        "application/jsonp",
        "text/json",
        "application/json; charset=iso-8859-1",
        "application/json; charset=utf-16",
        "json",
        "application",
        "*/*",
        "application/json, text/plain",
    ],
)
def test_another_media_type_is_415(http: httpx2.Client, user: dict, kind: str) -> None:
    for method, path, body in (("POST", "/v1/users", GOOD), ("PUT", f"/v1/users/{user['id']}", {"name": "Changed"})):
        refused(
            http.request(method, path, content=json.dumps(body).encode(), headers={"Content-Type": kind}),
            415,
            "unsupported_media_type",
        )
    assert http.get(f"/v1/users/{user['id']}").json()["name"] == user["name"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "x"])
def test_a_compressed_body_is_415(http: httpx2.Client, encoding: str) -> None:
    refused(http.post("/v1/users", json=GOOD, headers={"Content-Encoding": encoding}), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "application/json",
        "APPLICATION/JSON",
        "application/json;charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/merge-patch+json",
        "application/vnd.api+json",
    ],
)
def test_json_by_any_of_its_names_or_none_is_taken(http: httpx2.Client, user: dict, kind: str | None) -> None:
    answer = http.put(
        f"/v1/users/{user['id']}", content=b'{"name":"Taken"}', headers={} if kind is None else {"Content-Type": kind}
    )
    assert answer.status_code == 200, answer.text


def test_a_body_of_64_kib_is_taken_and_one_byte_more_is_413(http: httpx2.Client, user: dict) -> None:
    path = f"/v1/users/{user['id']}"
    small = b'{"name":"Padded"}'
    assert http.put(path, content=small + b" " * (65_536 - len(small)), headers=JSON).status_code == 200
    refused(
        http.put(path, content=small.replace(b"Padded", b"Larger") + b" " * (65_537 - len(small)), headers=JSON),
        413,
        "content_too_large",
    )
    chunks = (b" " * 4096 for _ in range(64))
    refused(http.put(path, content=chunks, headers=JSON), 413, "content_too_large")
    assert http.get(path).json()["name"] == "Padded"


def test_a_target_of_8_kib_is_taken_and_one_more_is_414(http: httpx2.Client) -> None:
    path = "/v1/users?ids="
    assert http.get(path + "a" * (8192 - len(path))).status_code == 200
    refused(http.get(path + "a" * (8193 - len(path))), 414, "uri_too_long")
    refused(http.get("/" + "x" * 9000), 414, "uri_too_long")


def test_too_many_or_too_large_header_fields_are_431(http: httpx2.Client) -> None:
    assert http.get("/v1/users/count", headers={f"X-{number}": "x" for number in range(80)}).status_code == 200
    refused(
        http.get("/v1/users/count", headers={f"X-{number}": "x" for number in range(120)}), 431, "headers_too_large"
    )
    refused(http.get("/v1/users/count", headers={"X-Large": "x" * 40_000}), 431, "headers_too_large")


def test_a_404_tells_a_wrong_path_an_email_for_an_id_and_a_missing_user_apart(http: httpx2.Client) -> None:
    for path in ("/v1/user", "/users"):
        assert "Did you mean /v1/users?" in http.get(path).json()["error"], path
    assert "Did you mean /v1/users/{userId}/tokens?" in http.get("/v1/tokens").json()["error"]
    for email in ("ada@example.com", "ada%40example.com"):
        assert "GET /v1/users?email=" in http.get(f"/v1/users/{email}").json()["error"], email
    missing = http.get("/v1/users/user_00000000000000000000000000")
    assert refused(missing, 404, "not_found")["error"] == "The requested resource could not be found."
    assert "Did you mean" not in http.get("/v1/nothing-of-the-kind").json()["error"]
    assert "Did you mean q?" in http.get("/v1/users?query=ada").text
    hook = {"url": "inbox", "events": ["user.created"]}
    assert "Did you mean types?" in http.post("/v1/webhooks", json=hook).text
    misspelt = http.post("/v1/users", json={"name": "Ada", "emial": "ada@example.com", "password": "x"})
    assert refused(misspelt, 400, "invalid_parameter")["error"].startswith('email is required, not "emial".')
