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
    await events.settle(call.db)
    # An index leads to a type, or to a user; those of the one that are also of the other may be few and far between.
    read = call.db.read if query.type is None or query.user is None else call.db.read_aside
    found = await read(events.after, query.after, query.type, query.user, query.limit)
    return answer(200, [event_shown(event) for event in found])
