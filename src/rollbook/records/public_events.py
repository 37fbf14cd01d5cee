"""An event as everything outside sees it: one form for the API, the stream, webhooks and exports."""

from __future__ import annotations

import msgspec
from msgspec import Struct


class EventActor(Struct, frozen=True):
    """Who made the change: the user, API key, ID and trace of the request, and the client's IP address (`cli` for the command line)."""

    user_id: str | None
    key_id: str | None
    address: str | None
    request_id: str | None
    trace_id: str | None


class Event(Struct, frozen=True):
    """What happened to a user, to one of their keys, sessions or password links, to a webhook, or to the server."""

    id: str
    type: str
    created_at: str
    user_id: str | None
    actor: EventActor
    object: msgspec.Raw
    before: msgspec.Raw | None
