"""Arguments about requests and usage."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from rollbook.actions.arguments import Limit, Query, SomeKey, SomeUser, Time, Wait
from rollbook.schemas import says

STATUS_OR_CLASS = "^[1-5]([0-9][0-9]|xx)$"
StatusOrClass = Annotated[
    str,
    Meta(
        max_length=3,
        pattern=STATUS_OR_CLASS,
        description="Only responses with this status, or this class of them.",
        examples=["4xx"],
    ),
]


class ListRequests(Query):
    user: (
        Annotated[SomeUser, says("Only requests with the API keys of this user. Default: all that you can see.")] | None
    ) = None
    key: Annotated[SomeKey, says("Only requests with this API key.")] | None = None
    status: StatusOrClass | None = None
    method: (
        Annotated[str, Meta(max_length=32, description="Only requests with this method.", examples=["POST"])] | None
    ) = None
    path: (
        Annotated[
            str,
            Meta(
                max_length=200,
                description="Only requests to this path, see `path_match`. `%` escapes are as in the URL.",
                examples=["/v1/users"],
            ),
        ]
        | None
    ) = None
    path_match: Annotated[
        Literal["prefix", "exact"],
        Meta(description="How `path` is compared. `prefix`: the path begins with it. `exact`: it is the whole path."),
    ] = "prefix"
    after: Annotated[Time, says("Only requests answered after this RFC 3339 time.")] | None = None
    before: Annotated[Time, says("Only requests answered before this RFC 3339 time.")] | None = None
    order: Annotated[
        Literal["asc", "desc"], Meta(description="`desc`: newest first. `asc`: oldest first, to follow the log.")
    ] = "desc"
    limit: Limit = 50
    wait: Wait = 0


UsagePeriod = Literal["24h", "7d", "30d", "90d"]


class ReadUsage(Query):
    user: (
        Annotated[
            SomeUser,
            says("Usage of this user. Default: your own. Admins can pass `all` for that of the whole server."),
        ]
        | None
    ) = None
    key: Annotated[SomeKey, says("Only requests with this API key of the user.")] | None = None
    period: Annotated[
        UsagePeriod,
        Meta(
            description="How far to look back. `24h` and `7d` are counted by the hour, `30d` and `90d` by the "
            "day; days begin at 00:00 UTC."
        ),
    ] = "7d"
