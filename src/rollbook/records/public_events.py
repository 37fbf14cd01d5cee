"""An event as everything outside sees it: one form for the API, the stream, webhooks and exports."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Struct

from rollbook.records import examples
from rollbook.records.examples import ALICE_ID, CHARLIE_ID, REQUEST_ID, TRACE_ID
from rollbook.schemas import identifier, moment, reference, says


class EventActor(Struct, frozen=True):
    """Actor of the change: the user, API key, ID and trace of the request, the client's IP address (`cli` for the
    command line), and the assistant that made it."""

    user_id: Annotated[str, identifier("ID of the user who made the request.", ALICE_ID)] | None
    key_id: Annotated[str, identifier("ID of the API key that made the request.", examples.KEY_ID)] | None
    address: (
        Annotated[
            str,
            says(
                "Where the request came from: an IP address, `cli` for the command line, `system` for the server "
                "itself.",
                examples=["203.0.113.7"],
            ),
        ]
        | None
    )
    request_id: (
        Annotated[
            str,
            says(
                "ID of the request, also in `X-Request-Id` and in the server's log, or of the import that did it.",
                examples=[REQUEST_ID],
            ),
        ]
        | None
    )
    trace_id: (
        Annotated[
            str,
            says(
                "ID of the distributed trace that the request belongs to, from its `traceparent` header. Null: "
                "it had none.",
                examples=[TRACE_ID],
            ),
        ]
        | None
    )
    client: (
        Annotated[
            str,
            says(
                "Name and version of the assistant that made the request over MCP, as it says itself. Null: the "
                "request was not made over MCP.",
                examples=["claude-code 2.1.0"],
            ),
        ]
        | None
    )
    key_created_by: (
        Annotated[
            str,
            identifier(
                "ID of the user whom the API key goes back to, if that is not the key's own user: who created it, or "
                "the key it was created with. Without a key, of whoever created the link that the session began with. "
                "Null: it is the user's own, or none.",
                ALICE_ID,
            ),
        ]
        | None
    )


class Event(Struct, frozen=True):
    """Change of a user, of one of their keys, sessions or one-time tokens, of a webhook, or of the server."""

    id: Annotated[
        str, identifier("ID of the event. Pass it as `after` to get the events that follow.", examples.EVENT_ID)
    ]
    type: Annotated[str, reference("EventType")]
    created_at: Annotated[str, moment("When it was created.")]
    user_id: (
        Annotated[
            str,
            identifier(
                "ID of the user the event is about, or whose key, session, token or webhook it is about. Null: it "
                "is about no user.",
                CHARLIE_ID,
            ),
        ]
        | None
    )
    actor: EventActor
    object: Annotated[msgspec.Raw, reference("EventObject")]
    before: Annotated[
        Annotated[msgspec.Raw, reference("EventObject")] | None,
        says(
            "The previous values of the fields that changed, or the API key that was rotated. Null if there is "
            "no previous state."
        ),
    ]
