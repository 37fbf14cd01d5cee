"""/v1/events"""

from __future__ import annotations

from rollbook.api import types
from rollbook.api.answers import answer, event_shown
from rollbook.api.parsing import refuse
from rollbook.gate import Call
from rollbook.http.response import Response
from rollbook.records import events


async def list_events(call: Call) -> Response:
    """List changes

    Everything that happened to users and keys, in the order in which it was committed. To follow the log, ask for what came `after` the
    last event seen; an empty list means that there is nothing new.
    """
    query: types.ListEvents = call.query
    if query.type is not None and query.type not in events.TYPES:
        refuse("type", f"must be one of {', '.join(events.TYPES)}")
    found = await call.db.read(events.after, query.after, query.type, query.user, query.limit)
    return answer(200, [event_shown(event) for event in found])
