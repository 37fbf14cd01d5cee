"""The event log: what happened, in the order in which it was committed."""

from __future__ import annotations

from rollbook.actions.arguments import ListEvents
from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require
from rollbook.actions.principal import Principal
from rollbook.records import events
from rollbook.records.events import Event


async def list_events(on: Rollbook, by: Principal, asked: ListEvents) -> list[Event]:
    """List changes

    Everything that happened to users and keys, in the order in which it was committed. To follow the log, ask for what came `after` the
    last event seen; an empty list means that there is nothing new.
    """
    require(by, "events:read")
    if asked.type is not None and asked.type not in events.TYPES:
        refuse("type", f"must be one of {', '.join(events.TYPES)}")
    await events.settle(on.db)
    # An index leads to a type, or to a user; those of the one that are also of the other may be few and far between.
    read = on.read if asked.type is None or asked.user is None else on.read_aside
    return await read(events.after, asked.after, asked.type, asked.user, asked.limit)
