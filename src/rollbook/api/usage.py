"""Requests and usage over the API."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Struct

from rollbook import clock, errors
from rollbook.actions import usage
from rollbook.actions.arguments import Time
from rollbook.actions.arguments.usage import ListRequests, ReadUsage
from rollbook.actions.usage import RequestPage, Usage
from rollbook.api import show, take
from rollbook.api.call import Call
from rollbook.api.route import FOUND, Route, get
from rollbook.http.request import Response
from rollbook.records import examples, request_log
from rollbook.records.examples import CHARLIE_ID, REQUEST_ID
from rollbook.records.request_log import Logged
from rollbook.records.usage import Hour, OfKey, OfRoute, OfUser
from rollbook.schemas import array, identifier, moment, number, says


class LoggedRequest(Struct, frozen=True, kw_only=True):
    """A call that was made with an API key. Credentials, bodies that were sent and values of queries are never
    stored."""

    id: Annotated[str, says("ID of the request: the `X-Request-Id` of its response.", examples=[REQUEST_ID])]
    created_at: Annotated[str, moment("When it was answered, to the microsecond.", "2023-10-27T10:15:00.123456Z")]
    user_id: Annotated[str, identifier("ID of the user whose API key was used.", CHARLIE_ID)]
    key_id: Annotated[str, identifier("ID of the API key.", examples.KEY_ID)]
    method: Annotated[str, says("The HTTP method.", examples=["GET"])]
    path: Annotated[
        str,
        says("The path, without the query, at most 200 characters before percent-encoding.", examples=["/v1/users"]),
    ]
    status: Annotated[int, says("The HTTP status of the response.", minimum=100, maximum=599, examples=[200])]
    duration_ms: Annotated[
        float,
        says(
            "Milliseconds from the last byte of the request to the response.", minimum=0, maximum=1e9, examples=[0.412]
        ),
    ]
    address: Annotated[str, says("The client's IP address.", examples=["203.0.113.7"])]
    headers: Annotated[
        dict[str, Annotated[str, says("A value.")]],
        says(
            "Request headers that help with debugging. Keys and cookies are never stored.",
            examples=[{"user-agent": "curl/8.5.0"}],
        ),
    ]
    query: Annotated[
        list[Annotated[str, says("A name.")]],
        array("The names of the query's parameters. `…` stands for an unusual one.", 100, examples=[["limit"]]),
    ]
    error: Annotated[
        show.ErrorResponse | None,
        says("What the request was answered with, if it failed. Null: it succeeded, or there was no room to keep it."),
    ]
    limited_by: (
        Annotated[
            str,
            says("The rate limit window that refused it, such as `minute`. Null: none did.", examples=["minute"]),
        ]
        | None
    )
    more: Annotated[
        int,
        number(
            "How many more requests with this key and status came at the same moment and were only counted.",
            maximum=2**53 - 1,
            examples=[0],
        ),
    ]


class UsageCounts(Struct, frozen=True, kw_only=True):
    """Requests: all of them, and those that failed."""

    requests: Annotated[int, number("All requests.", examples=[1204])]
    client_errors: Annotated[int, number("Requests answered with a 4xx status other than 429, or 501.", examples=[17])]
    rate_limited: Annotated[int, number("Requests answered with 429.", examples=[12])]
    server_errors: Annotated[int, number("Requests answered with a 5xx status other than 501.", examples=[0])]


class UsageInterval(UsageCounts, frozen=True, kw_only=True):
    """Requests in an hour or a day."""

    at: Annotated[str, moment("The beginning of the hour or day.", "2023-10-27T10:00:00Z")]


class UserUsage(UsageCounts, frozen=True, kw_only=True):
    """Requests with the API keys of a user."""

    user_id: Annotated[str, identifier("ID of the user, who may be deleted.", CHARLIE_ID)]
    name: (
        Annotated[
            str,
            says("Name of the user. Null: you can't read it, or the user was erased.", examples=["Charlie Chaplin"]),
        ]
        | None
    )


class KeyUsage(UsageCounts, frozen=True, kw_only=True):
    """Requests with an API key."""

    key_id: Annotated[str, identifier("ID of the API key, which may be revoked.", examples.KEY_ID)]
    name: (
        Annotated[str, says("Name of the key. Null: you can't read it, or the key was erased.", examples=["Backend"])]
        | None
    )
    user_id: Annotated[str, identifier("ID of the key's user.", CHARLIE_ID)]


class RouteUsage(UsageCounts, frozen=True, kw_only=True):
    """Requests to an endpoint."""

    route: Annotated[str, says("Method and path of the endpoint.", examples=["GET /v1/users/{userId}"])]
    p50_ms: Annotated[
        float,
        says(
            "Median duration in milliseconds, estimated from counts by duration. 1000 means a second or more.",
            minimum=0,
            maximum=1000,
            examples=[0.41],
        ),
    ]
    p95_ms: Annotated[
        float,
        says(
            "95th percentile of the duration in milliseconds, estimated the same way.",
            minimum=0,
            maximum=1000,
            examples=[1.9],
        ),
    ]


class WindowUsage(Struct, frozen=True, kw_only=True):
    """Requests that a window of a rate limit refused."""

    window: Annotated[
        str,
        says(
            "The window, such as `minute`; `key-minute` for an API key's own limit, `attempts` for wrong passwords.",
            examples=["minute"],
        ),
    ]
    refused: Annotated[int, number("Requests that it refused.", examples=[12])]


class UsageReport(Struct, frozen=True, kw_only=True):
    """Requests made with API keys, by a user or by all."""

    user_id: Annotated[str, identifier("ID of the user. Null: all users.", CHARLIE_ID)] | None
    period: Annotated[str, says("How far it looks back.", examples=["7d"])]
    since: Annotated[str, moment("The beginning of the first interval.", "2023-10-21T00:00:00Z")]
    until: Annotated[str, moment("The end of the last interval, which is still running.", "2023-10-27T11:00:00Z")]
    interval: Annotated[str, says("`hour` or `day`.", examples=["hour"])]
    total: UsageCounts
    intervals: Annotated[list[UsageInterval], array("The hours or days with requests, oldest first.", 200)]
    users: Annotated[
        list[UserUsage],
        array("Usage by user, those with the most requests first. Empty, unless it is the whole server's.", 100),
    ]
    keys: Annotated[list[KeyUsage], array("Usage by API key, those with the most requests first.", 100)]
    routes: Annotated[list[RouteUsage], array("Usage by endpoint, those with the most requests first.", 200)]
    rate_limits: Annotated[list[WindowUsage], array("The windows of rate limits that refused requests.", 100)]


def show_request_list(call: Call, page: RequestPage) -> Response:
    head = f"Request-Position: {clock.format_time_exactly(page.position)}\r\n".encode()
    if page.next is not None:
        head += show.next_page(call, "/v1/requests", **{show.goes_on(call): Time(page.next)})
    base_url = call.services.base_url(call.request)
    return show.answer(200, [_request(line, base_url) for line in page.requests], head)


def show_request(call: Call, line: Logged) -> Response:
    return show.answer(200, _request(line, call.services.base_url(call.request)))


def _request(line: Logged, base_url: str) -> dict[str, Any]:
    return {**request_log.public(line), "error": logged_error(line, base_url)}


def logged_error(line: Logged, base_url: str) -> show.ErrorResponse | None:
    """The body that the request was answered with, as far as the log keeps it."""
    error = line.error
    if error is None:
        return None
    return show.ErrorResponse(
        error=error.message,
        code=error.code,
        request_id=line.request_id,
        doc_url=f"{base_url}/docs/errors/{error.code}",
        param=UNSET if error.param is None else error.param,
        errors=tuple(show.ErrorDetail(param, message) for param, message in error.faults) or UNSET,
    )


def show_usage(call: Call, report: Usage) -> Response:
    return show.answer(
        200,
        UsageReport(
            user_id=report.user_id,
            period=report.period,
            since=clock.format_time(report.since),
            until=clock.format_time(report.until),
            interval="hour" if report.step == clock.HOUR else "day",
            total=UsageCounts(**_counts(report.total)),
            intervals=[UsageInterval(at=clock.format_time(span.at), **_counts(span)) for span in report.intervals],
            users=[
                UserUsage(user_id=user.user_id, name=report.names.get(user.user_id), **_counts(user))
                for user in report.users
            ],
            keys=[
                KeyUsage(key_id=key.key_id, name=report.names.get(key.key_id), user_id=key.user_id, **_counts(key))
                for key in report.keys
            ],
            routes=[
                RouteUsage(route=route.route, **_counts(route), p50_ms=route.quantile(0.5), p95_ms=route.quantile(0.95))
                for route in report.routes
            ],
            rate_limits=[WindowUsage(window=name, refused=refused) for name, refused in report.windows],
        ),
    )


def _counts(of: Hour | OfUser | OfKey | OfRoute) -> dict[str, int]:
    return {
        "requests": of.requests,
        "client_errors": of.refused,
        "rate_limited": of.limited,
        "server_errors": of.errors,
    }


ROWS: dict[str, list[Route]] = {
    "/v1/requests": [
        get(usage.list_requests, "requests:read", ListRequests, list[LoggedRequest], show_request_list).but(
            errors=(errors.NotFound, errors.TooManyStreams), takes=take.waiting
        ),
    ],
    "/v1/requests/{requestId}": [
        get(usage.get_request, "requests:read", None, LoggedRequest, show_request),
    ],
    "/v1/usage": [
        get(usage.get_usage, "requests:read", ReadUsage, UsageReport, show_usage).but(errors=FOUND),
    ],
}
