"""The page of sessions: the browsers a person is signed in with, and signing out there."""

from __future__ import annotations

from rollbook.actions import browsers, sessions
from rollbook.actions.arguments import ListSessions
from rollbook.errors import NotFound
from rollbook.http.response import Response
from rollbook.web.page_request import PageRequest

MAX_SHOWN = 1_000


async def show(page: PageRequest) -> Response:
    """This one first, then the others, those that were seen last first."""
    settings = page.on.settings
    mine = await sessions.list_sessions(page.on, page.by, ListSessions(limit=MAX_SHOWN))
    others = [session for session in mine.items if session.id != page.me.session.id]
    found = [page.me.session, *sorted(others, key=lambda session: -session.last_seen_at)]
    return page.render(
        "account/sessions.html",
        section="account/sessions",
        sessions=found,
        others=mine.total - 1,
        browser=browsers.name,
        idle=_hours(settings.session_idle_timeout),
        lifetime=_hours(settings.session_lifetime),
    )


async def end(page: PageRequest) -> Response:
    id = page.ids[0]
    if id == page.me.session.id:
        raise NotFound("You are using this session. To end it, sign out.")
    try:
        await sessions.end(page.on, page.by, id, of=page.me.user.id)
    except NotFound:
        raise NotFound("This session has already ended.") from None
    return page.redirect("/account/sessions", "session-ended")


async def end_others(page: PageRequest) -> Response:
    await sessions.end_all(page.on, page.by, page.me.user.id, keep=page.me.session.id)
    return page.redirect("/account/sessions", "sessions-ended")


def _hours(hours: int) -> str:
    """`1 hour`, `14 days`."""
    number, unit = (hours // 24, "day") if hours % 24 == 0 else (hours, "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"
