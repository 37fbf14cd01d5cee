"""Paths find their rows, whatever their depth and number of values, and what is not there is refused in one way."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import pytest

from rollbook.api.routes import ROUTES
from rollbook.errors import ApiError, MethodNotAllowed, NotFound, Unauthorized
from rollbook.http.request import Request, Response
from rollbook.http.routing import Plan, Routes, _walk, settled
from rollbook.web.pages import PAGES


class Line(NamedTuple):
    method: str
    path: str
    is_open: bool = False
    max_body: int = 0
    streams_body: bool = False


class Entrance:
    def __init__(self, name: str) -> None:
        self.name = name

    def plan(self, row: Line) -> Plan:
        return lambda request, ids: Response(
            200, b"", f"{self.name} {row.method} {row.path} {' '.join(ids)}".strip().encode()
        )

    async def before_refusal(self, request: Request, rows: Sequence[Line]) -> None:
        if not any(row.is_open for row in rows):
            raise Unauthorized()


@pytest.fixture(scope="module")
def routes() -> Routes:
    routes = Routes()
    routes.add(
        Entrance("api"),
        [
            Line("GET", "/v1/webhooks"),
            Line("POST", "/v1/webhooks"),
            Line("GET", "/v1/webhooks/events"),
            Line("GET", "/v1/webhooks/{id}"),
            Line("DELETE", "/v1/webhooks/{id}"),
            Line("GET", "/v1/webhooks/{id}/deliveries/{delivery}"),
            Line("POST", "/v1/webhooks/{id}/deliveries/{delivery}/resend"),
            Line("POST", "/health", is_open=True),
        ],
        "/v1",
    )
    routes.add(Entrance("scim"), [Line("GET", "/scim/v2/Users/{id}"), Line("PATCH", "/scim/v2/Users/{id}")], "/scim")
    routes.add(
        Entrance("pages"), [Line("GET", "/", True), Line("GET", "/docs", True), Line("GET", "/docs/{name}", True)]
    )
    return routes


def ask(routes: Routes, method: str, path: str) -> Response:
    call = settled(routes.answer(Request(method, path, "", {}, b"", "192.0.2.1", False, "req_0", 0)))
    try:
        call.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("nothing here waits")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v1/webhooks", "api GET /v1/webhooks"),
        ("/v1/webhooks/", "api GET /v1/webhooks"),
        ("/v1/webhooks/a", "api GET /v1/webhooks/{id} a"),
        ("/v1/webhooks/a/", "api GET /v1/webhooks/{id} a"),
        ("/v1/webhooks/events", "api GET /v1/webhooks/events"),
        ("/v1/webhooks/a/deliveries/b", "api GET /v1/webhooks/{id}/deliveries/{delivery} a b"),
        ("/v1/webhooks/events/deliveries/b", "api GET /v1/webhooks/{id}/deliveries/{delivery} events b"),
        ("/scim/v2/Users/a", "scim GET /scim/v2/Users/{id} a"),
        ("/", "pages GET /"),
        ("/docs/quickstart", "pages GET /docs/{name} quickstart"),
    ],
)
def test_a_path_finds_its_row_and_values(routes: Routes, path: str, found: str) -> None:
    assert ask(routes, "GET", path).body.decode() == found
    assert ask(routes, "HEAD", path).body.decode() == found


def test_a_method_finds_its_own_row(routes: Routes) -> None:
    assert ask(routes, "POST", "/v1/webhooks/a/deliveries/b/resend").body.decode().endswith("resend a b")
    assert ask(routes, "PATCH", "/scim/v2/Users/a").body.decode() == "scim PATCH /scim/v2/Users/{id} a"


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("", NotFound),
        ("//", NotFound),
        ("/nothing", NotFound),
        ("/docs//", NotFound),
        ("/docs/a/b", NotFound),
        ("/v1", Unauthorized),
        ("/v1/nothing", Unauthorized),
        ("/v1/webhooks//", Unauthorized),
        ("/v1/webhooks/a/deliveries", Unauthorized),
        ("/v1/webhooks//deliveries/b", Unauthorized),
        ("/scim/v2/Users", Unauthorized),
    ],
)
def test_what_is_not_there_is_refused_by_the_entrance_of_its_prefix(
    routes: Routes, path: str, refusal: type[ApiError]
) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        with pytest.raises(refusal):
            ask(routes, method, path)


def test_a_method_that_a_path_does_not_have(routes: Routes) -> None:
    with pytest.raises(MethodNotAllowed) as refused:
        ask(routes, "GET", "/health")
    assert refused.value.headers["Allow"] == "POST, OPTIONS"
    with pytest.raises(MethodNotAllowed) as refused:
        ask(routes, "DELETE", "/docs/a")
    assert refused.value.headers["Allow"] == "GET, HEAD, OPTIONS"
    with pytest.raises(Unauthorized):
        ask(routes, "DELETE", "/v1/webhooks")


def test_options_names_the_methods_of_a_path(routes: Routes) -> None:
    answer = ask(routes, "OPTIONS", "/v1/webhooks/a")
    assert (answer.status, answer.head) == (204, b"Allow: GET, HEAD, DELETE, OPTIONS\r\n")


def test_options_of_the_server_names_all_methods(routes: Routes) -> None:
    assert ask(routes, "OPTIONS", "*").head == b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"


def test_paths_are_found_as_in_the_tree() -> None:
    """The two dictionaries say what the tree says, for the rows as they are."""
    routes = Routes()
    routes.add(Entrance("api"), [Line(row.method, row.path) for row in (*ROUTES, *PAGES)])
    parts = sorted({part for row in (*ROUTES, *PAGES) for part in row.path.split("/")} | {"", "a", "user_1"})
    choose = random.Random(1)
    for _ in range(20_000):
        path = "/" + "/".join(choose.choice(parts) for _ in range(choose.randint(0, 6)))
        if choose.random() < 0.7:
            path = choose.choice(ROUTES).path.replace("{userId}", choose.choice(parts)) + choose.choice(("", "/", "//"))
        tree = _walk(routes._root, (path[:-1] if path.endswith("/") else path).split("/"), 1)
        found = routes.find(path)
        assert found == (tree or ((routes._static["/"], ()) if path == "/" else None)), path
