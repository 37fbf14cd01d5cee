"""What operators and tools ask for: health, metrics, the description of the API."""

from __future__ import annotations

from rollbook.api import types
from rollbook.api.call import Call
from rollbook.api.show import answer
from rollbook.http.response import Response

# Prometheus text format 0.0.4.
METRICS = b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
FRESH = b"Cache-Control: no-cache\r\n"


async def live(call: Call) -> Response:
    """Is the process alive?

    200 as long as it answers at all. Takes no key and counts against no limit.
    """
    return answer(200, types.Health("ok"))


async def ready(call: Call) -> Response:
    """Is the server ready for requests?

    200 when the database answers, 503 when it does not, or when requests cannot be counted and the server lets in none uncounted.
    Takes no key and counts against no limit.
    """
    healthy, checks = await call.services.operations.checks()
    return answer(
        200 if healthy else 503,
        types.Health("ok" if healthy else "unavailable", checks),
        b"" if healthy else b"Retry-After: 1\r\n",
    )


async def show_metrics(call: Call) -> Response:
    """Metrics of all workers together

    In the Prometheus text format.
    """
    return Response(200, METRICS + FRESH, call.services.operations.metrics())


async def show_openapi(call: Call) -> Response:
    """This description

    OpenAPI 3.1.
    """
    return Response(200, b"Content-Type: application/json\r\n" + FRESH, call.services.operations.openapi())
