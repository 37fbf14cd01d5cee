"""Health checks, metrics, and the API description."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Struct, UnsetType

from rollbook import errors
from rollbook.actions import app_sessions, checks
from rollbook.api import show
from rollbook.api.call import Call
from rollbook.api.route import Route, get
from rollbook.http.origins import ANY_ORIGIN
from rollbook.http.request import JSON, LOCKED, Response
from rollbook.limits.policy import count_page
from rollbook.records import examples
from rollbook.schemas import array, identifier, says


class PublicKey(Struct, frozen=True):
    """A key that verifies tokens, as a JSON Web Key (RFC 7517): of sign-in to applications an RSA key (RFC 7518), of
    sessions an Ed25519 key (RFC 8037)."""

    kty: Annotated[str, says("The type of key: `RSA` or `OKP`.", examples=["OKP"])]
    alg: Annotated[str, says("The algorithm: `RS256` or `EdDSA`.", examples=["EdDSA"])]
    use: Annotated[str, says("What it is for: `sig`, signatures.", examples=["sig"])]
    kid: Annotated[str, identifier("ID of the key, which the header of a token names.", examples.SIGNING_KEY_ID)]
    crv: Annotated[str, says("The curve: `Ed25519`.", examples=["Ed25519"])] | UnsetType = UNSET
    x: Annotated[str, says("An Ed25519 key, in base64url.", examples=[examples.PUBLIC_KEY])] | UnsetType = UNSET
    n: Annotated[str, says("The modulus of an RSA key, in base64url.")] | UnsetType = UNSET
    e: Annotated[str, says("The exponent of an RSA key, in base64url.", examples=["AQAB"])] | UnsetType = UNSET


class PublicKeys(Struct, frozen=True):
    """The keys that verify tokens (JWK Set, RFC 7517)."""

    keys: Annotated[list[PublicKey], array("The keys. Empty if the server has never issued signed tokens.", 16)]


class Health(Struct, frozen=True, omit_defaults=True):
    """Health of the server: alive, or ready for requests."""

    status: Annotated[Literal["ok", "unavailable"], says("Whether the server is healthy.")]
    checks: (
        Annotated[
            dict[str, Annotated[str, says("`ok`, or what is wrong.")]],
            says("The result of each check.", maxProperties=16),
        ]
        | UnsetType
    ) = UNSET


# Prometheus text format 0.0.4.
METRICS = b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n" + LOCKED
PAGE = 65_536
"""Bytes that count as one page."""
FRESH = b"Cache-Control: no-cache\r\n"
REREAD = b"Cache-Control: public, max-age=300\r\n"


async def live(call: Call) -> Response:
    """Check that the process is alive

    Always returns 200. Doesn't count toward a rate limit.
    """
    return show.answer(200, Health("ok"), ANY_ORIGIN)


async def ready(call: Call) -> Response:
    """Check that the server is ready

    Returns 200 if the database is available. Returns 503 if it isn't, or if Valkey is unavailable and
    `limits_when_away` is `closed`. Doesn't count toward a rate limit.
    """
    findings = await checks.readiness(call.services.db, call.services.limiter)
    healthy = all(finding.state != "fault" for finding in findings)
    shown = {finding.what: "ok" if finding.state == "ok" else finding.found for finding in findings}
    return show.answer(
        200 if healthy else 503,
        Health("ok" if healthy else "unavailable", shown),
        ANY_ORIGIN if healthy else ANY_ORIGIN + b"Retry-After: 1\r\n",
    )


async def show_jwks(call: Call) -> Response:
    """Get the keys of signed tokens

    Returns the public keys that verify ID tokens and signed access tokens, as a JWK Set. The header of a token names
    its key: if it is not among those you know, read them again. A key is published a day before it signs.
    """
    keys = [PublicKey(**key) for key in await app_sessions.published(call.services)]
    return Response(200, JSON + REREAD + ANY_ORIGIN, show.encode(PublicKeys(keys)))


async def show_metrics(call: Call) -> Response:
    """Get metrics

    Returns the metrics of all workers in the Prometheus text format.
    """
    return Response(200, METRICS + FRESH, await call.services.operations.metrics())


async def show_openapi(call: Call) -> Response:
    """Get the API description

    Returns this description as OpenAPI 3.1, in gzip or zstd for clients that accept it. Counts toward the setting
    `page_limit`, for each IP address: uncompressed as one page for each 64 KiB.
    """
    services = call.services
    request = call.request
    described = await services.operations.openapi()
    response = await described.answer(request, JSON + FRESH + ANY_ORIGIN)
    pages = 1 if request.method == "HEAD" else max(1, len(response.body) // PAGE)
    await count_page(services.limiter, services.settings.page_limit, request.address, pages=pages)
    return response


ROWS: dict[str, list[Route]] = {
    "/metrics": [get(show_metrics, "metrics:read", None, str)],
    "/health/live": [get(live, None, None, Health)],
    "/health/ready": [get(ready, None, None, Health).but(errors=(errors.Unavailable,))],
    "/.well-known/jwks.json": [get(show_jwks, None, None, PublicKeys)],
    "/openapi.json": [get(show_openapi, None, None, dict).but(errors=(errors.TooManyRequests,))],
}
