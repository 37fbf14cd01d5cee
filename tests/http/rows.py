"""The command `rollbook` with three more rows in its API, which take bodies in the ways a row can: `Server(...,
program=ROWS)` runs it."""

from __future__ import annotations

from typing import Any

from rollbook.api import routes, show
from rollbook.api import users as user_calls
from rollbook.api.call import Call
from rollbook.api.route import Route, Special, at, post
from rollbook.cli import main as command
from rollbook.http.request import Response

ROWS = "tests.http.rows"
STREAMED = 50_000_000
LARGE = 1_000_000
SMALL = 200


async def upload(call: Call) -> Response:
    """Take a body as it comes"""
    size = 0
    async for part in call.request.chunks():
        size += len(part)
    return show.answer(200, {"size": size})


async def create(call: Call) -> Response:
    """Take a whole body"""
    return show.answer(200, {"size": len(call.request.body), "type": type(call.body).__name__})


def row(path: str, action: Any, body: Any, special: Special) -> Route:
    return at(path, post(action, "users:write", body, dict, None).but(special=special))


def main() -> None:
    routes.ROUTES += [
        row("/v1/test/streamed", upload, None, Special(max_body=STREAMED, streams_body=True)),
        row("/v1/test/large", create, user_calls.UserCreate, Special(max_body=LARGE)),
        row("/v1/test/usual", create, user_calls.UserCreate, Special()),
        row("/v1/test/small", create, user_calls.UserCreate, Special(max_body=SMALL)),
    ]
    command.main()


if __name__ == "__main__":
    main()
