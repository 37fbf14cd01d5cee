"""Arguments about the event log."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from rollbook.actions.arguments import Body, EventPosition, Limit, Names, Query, SomeUser, Time, Wait
from rollbook.records import event_types, examples
from rollbook.records.examples import ALICE_ID
from rollbook.schemas import Schema, says

MAX_TYPES = 50


class EventTypes(Names):
    """Types of events, separated by commas: `user.created`, `user.*` for all of a group, or `*`."""

    schema: ClassVar[Schema] = {
        **Names.schema,
        "maxItems": MAX_TYPES,
        "items": {
            "type": "string",
            "maxLength": 64,
            "pattern": f"^({'|'.join(map(re.escape, event_types.patterns()))})$",
        },
        "examples": [["user.created"], ["user.*", "key.revoked"]],
    }


class FollowEvents(Query):
    after: EventPosition | None = None
    type: EventTypes | None = None
    user: Annotated[SomeUser, says("Only events about this user, or `me`.")] | None = None
    actor: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="Only what this user or API key did: the ID of either, or `me`.",
                examples=[ALICE_ID],
            ),
        ]
        | None
    ) = None
    address: (
        Annotated[
            str,
            Meta(
                max_length=45,
                description="Only events with this IP address as `actor.address`. `cli`: the command line. "
                "`system`: the server itself.",
                examples=["127.0.0.1"],
            ),
        ]
        | None
    ) = None


class StreamEvents(FollowEvents):
    names: Annotated[
        bool,
        Meta(
            description="`false`: events have no `event` field, so that the `onmessage` of an `EventSource` gets all "
            "of them, including those of later types."
        ),
    ] = True


class ListEvents(FollowEvents):
    before: (
        Annotated[
            EventPosition,
            Meta(description="Only events before this one: an event ID or a position.", examples=[examples.EVENT_ID]),
        ]
        | None
    ) = None
    created_after: Annotated[Time, says("Only events from after this RFC 3339 time.")] | None = None
    created_before: Annotated[Time, says("Only events from before this RFC 3339 time.")] | None = None
    order: Annotated[Literal["asc", "desc"], Meta(description="`asc`: oldest first. `desc`: newest first.")] = "asc"
    limit: Limit = 50
    wait: Wait = 0


class AuditFilters(Body):
    """Filters of the audit log."""

    types: Annotated[
        tuple[str, ...], Meta(max_length=64, description="Types of events, `user.*` for all of a group, or `*`.")
    ] = ()
    user: (
        Annotated[
            str,
            Meta(
                max_length=254, description="ID or email of the user the events are about, or name of an application."
            ),
        ]
        | None
    ) = None
    actor: (
        Annotated[
            str,
            Meta(
                max_length=254,
                description="ID or email of who made the changes, name of an application, or ID of an API key.",
            ),
        ]
        | None
    ) = None
    address: Annotated[str, Meta(max_length=45, description="The client's IP address, `cli` or `system`.")] | None = (
        None
    )
    created_after: Time | None = None
    created_before: Time | None = None
