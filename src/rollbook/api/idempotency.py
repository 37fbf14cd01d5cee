"""`Idempotency-Key`: a retried POST returns the stored response instead of being executed again.

See draft-ietf-httpapi-idempotency-key-header-07.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.api.call import Call, Services
from rollbook.auth.server_secret import Secret
from rollbook.errors import ApiError, KeyReused
from rollbook.http.boundary import render
from rollbook.http.request import Request, Response
from rollbook.records import idempotency_keys
from rollbook.records.idempotency_keys import Claim, StoredReply
from rollbook.storage.database import Tx

PURPOSE = "replies"
LONGEST_KEY = 255
REPLAYED = b"Idempotency-Replayed: true\r\n"


def key_of(request: Request) -> str | None:
    """The header's value, with or without the quotes of a structured field string. Raises InvalidParameter."""
    header = request.headers.get(b"idempotency-key")
    if header is None:
        return None
    key = header.decode("latin-1").strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        refuse("Idempotency-Key", f"must be 1 to {LONGEST_KEY} printable ASCII characters")
    return key


async def once(
    call: Call, key: str, act: Callable[[Rollbook], Awaitable[Any]], shows: Callable[[Call, Any], Response]
) -> Response:
    """The action's response, or the stored one if the same request was answered before. Raises KeyReused,
    StillRunning."""
    request, by, db = call.request, call.by, call.services.db
    # Includes the key and its privileges: another key of the same user must not get the response to this one, such as a
    # new key, which goes back to other users; nor must this one, once it was narrowed.
    fingerprint = (
        f"{by.key_id} {by.caller.privileges} {request.method} {request.path}?{request.query}\n".encode() + request.body
    )
    secret = call.services.secret
    claim = Claim(by.user_id, key, secret.mac(PURPOSE, fingerprint), request.id)
    reply = await idempotency_keys.find(db, claim) or await db.write(idempotency_keys.claim, claim)
    if reply is not None:
        return _replayed(secret, reply, claim, fingerprint)
    call.services.claims.add(claim)
    try:
        return await _kept(call, claim, act, shows)
    except BaseException:
        # Return the original error whatever happens to the claim, above all that the outcome is unknown.
        with suppress(ApiError):
            await db.write(idempotency_keys.release, claim)
        raise
    finally:
        call.services.claims.discard(claim)


async def _kept(
    call: Call, claim: Claim, act: Callable[[Rollbook], Awaitable[Any]], shows: Callable[[Call, Any], Response]
) -> Response:
    """The action's response, which is stored in the transaction of its change; or its refusal, if it would be the same
    again."""
    request, services = call.request, call.services
    response: Response | None = None

    async def keep(tx: Tx, response: Response) -> None:
        sealed = services.secret.seal(PURPOSE, response.body, _bound(claim))
        await idempotency_keys.finish(tx, claim, response.status, response.head, sealed)

    async def work(tx: Tx, fn: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> tuple[Any, Response]:
        result = await fn(tx, *args)
        response = shows(call, result)
        await keep(tx, response)
        return result, response

    async def write(fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        nonlocal response
        result, response = await services.db.write(work, fn, args)
        return result

    try:
        result = await act(services.writing(write))
    except ApiError as error:
        if response is not None or not 400 <= error.status < 500 or error.status in (401, 409, 429):
            raise
        refusal = render(error, request.id, services.url, request.headers.get(b"accept"))
        await services.db.write(keep, refusal)
        return refusal
    if response is None:  # nothing was written
        response = shows(call, result)
        await services.db.write(keep, response)
    return response


def _bound(claim: Claim) -> bytes:
    """Context that a stored response is sealed for."""
    return f"{claim.user_id} {claim.key}".encode()


def _replayed(secret: Secret, reply: StoredReply, claim: Claim, fingerprint: bytes) -> Response:
    """Raises KeyReused, also if the stored response can't be decrypted, so that it is unknown whether the request is
    the same."""
    try:
        body = secret.unseal(PURPOSE, reply.sealed, _bound(claim))
    except ValueError:
        raise KeyReused(
            "The response to this Idempotency-Key can no longer be decrypted: the server's secret has changed. "
            "Check whether the request was done, and use a new key."
        ) from None
    if not secret.has_mac(PURPOSE, fingerprint, reply.request):
        raise KeyReused()
    return Response(reply.status, reply.head + REPLAYED, body)


async def renew_claims(services: Services) -> bool:
    """A job: while a worker lives, no one else takes up what it is still doing."""
    if services.claims:
        await services.db.write(idempotency_keys.renew, tuple(services.claims))
    return False
