"""`Idempotency-Key`: a POST that is sent again is answered again, not done again (draft-ietf-httpapi-idempotency-key-header-07)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from rollbook.api.parsing import refuse
from rollbook.errors import ApiError
from rollbook.gate import Call
from rollbook.http.request import Request
from rollbook.http.response import Response
from rollbook.records import replies
from rollbook.records.replies import Claim, Reply
from rollbook.storage.database import Tx

PURPOSE = "replies"
LONGEST_KEY = 255
REPLAYED = b"Idempotency-Replayed: true\r\n"


def key_of(request: Request) -> str | None:
    """The header's value, with or without the quotes of a structured field string. Raises InvalidParameter."""
    given = request.headers.get(b"idempotency-key")
    if given is None:
        return None
    key = given.decode("latin-1").strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        refuse("Idempotency-Key", f"must be 1 to {LONGEST_KEY} printable ASCII characters")
    return key


async def once(
    call: Call, key: str, handler: Callable[[Call], Awaitable[Response]], render: Callable[[ApiError], Response]
) -> Response:
    """The handler's answer, or the one it gave to the same request before. Raises KeyReused, StillRunning."""
    request, secret, db = call.request, call.services.secret, call.db
    # With what the key may do: a narrower key of the same user must not be given what a wider one was, such as a new key's text.
    asked = f"{call.caller.privileges} {request.method} {request.path}?{request.query}\n".encode() + request.body
    claim = Claim(call.caller.user_id, key, secret.mac(PURPOSE, asked), request.id)
    bound = f"{claim.user_id} {key}".encode()
    reply = await replies.find(db, claim) or await db.write(replies.claim, claim)
    if reply is not None:
        return Response(reply.status, reply.head + REPLAYED, secret.unseal(PURPOSE, reply.sealed, bound))

    def kept(response: Response) -> Reply:
        return Reply(response.status, response.head, secret.seal(PURPOSE, response.body, bound))

    finished = False

    async def work(
        tx: Tx, fn: Callable[..., Awaitable[Any]], args: tuple[Any, ...], answer: Callable[[Any], Response]
    ) -> Response:
        response = answer(await fn(tx, *args))
        await replies.finish(tx, claim, kept(response))
        return response

    async def write(fn: Callable[..., Awaitable[Any]], *args: Any, answer: Callable[[Any], Response]) -> Response:
        nonlocal finished
        response = await db.write(work, fn, args, answer)
        finished = True
        return response

    async def release() -> None:
        # The handler's error is the answer, whatever becomes of the claim: above all that nobody knows whether the change was made.
        with suppress(ApiError):
            await db.write(replies.release, claim)

    call.write = write
    try:
        response = await handler(call)
    except ApiError as error:
        if 400 <= error.status < 500 and error.status not in (401, 409, 429):
            response = render(error)
            await db.write(replies.finish, claim, kept(response))
            return response
        await release()
        raise
    except BaseException:
        await release()
        raise
    if not finished:
        await db.write(replies.finish, claim, kept(response))
    return response
