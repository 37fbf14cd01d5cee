"""/v1/sessions"""

from __future__ import annotations

from rollbook import ids
from rollbook.api import types
from rollbook.api.answers import answer, no_content
from rollbook.auth import permissions, tokens
from rollbook.errors import InsufficientScope, NotFound
from rollbook.gate import Call
from rollbook.http.response import Response
from rollbook.records import sessions, users
from rollbook.storage.database import Tx


async def list_sessions(call: Call) -> Response:
    """List sessions

    The browsers in which the caller is signed in, newest first; an admin may name another `user`.
    """
    query: types.ListSessions = call.query
    user_id = await _subject(call, query.user)
    lifetime = tokens.lifetime(call.services.settings)
    found = await sessions.of_user(call.db, user_id, lifetime, query.limit, query.offset)
    total = b"X-Total-Count: %d\r\n" % await sessions.count(call.db, user_id, lifetime)
    return answer(200, [sessions.public(session) for session in found], total)


async def end_session(call: Call) -> Response:
    """End a session

    Its browser is signed out at once.
    """
    if not ids.is_id("ses", call.ids[0]):
        raise NotFound()
    return await call.write(_end, call.ids[0], call, answer=no_content)


async def _end(tx: Tx, id: str, call: Call) -> None:
    """For a caller that reaches only itself, others' sessions do not exist."""
    session = await sessions.get(tx, id)
    if session.user_id != call.caller.user_id:
        if not call.reaches_all:
            raise NotFound()
        permissions.may_touch(call.caller.role, (await users.get(tx, session.user_id)).role)
    await sessions.end(tx, id, call.actor)


async def _subject(call: Call, named: str | None) -> str:
    """Whose sessions the call is about. Another user's are for those whose scope reaches all."""
    if named is None or named == "me" or named == call.caller.user_id:
        return call.caller.user_id
    if not call.reaches_all:
        raise InsufficientScope("Only an admin may see another user's sessions.")
    if not ids.is_id("user", named):
        raise NotFound()
    return (await users.get(call.db, named)).id
