"""The browsers in which a user is signed in, and signing them out."""

from __future__ import annotations

from rollbook.actions import sessions
from rollbook.actions.arguments import ListSessions
from rollbook.http.response import Response
from rollbook.web.admin import user_frame
from rollbook.web.page_request import PageRequest

MAX_SHOWN = 50


async def show(page: PageRequest) -> Response:
    user = await user_frame.user(page)
    found = await sessions.list_sessions(page.on, page.by, ListSessions(user=user.id, limit=MAX_SHOWN))
    return page.render("admin/user_sessions.html", found=found, **user_frame.context(page, user, "sessions"))


async def end(page: PageRequest) -> Response:
    await sessions.end(page.on, page.by, page.ids[1], of=page.ids[0])
    return page.redirect(user_frame.path(page, "sessions"), "user-session-ended")


async def end_all(page: PageRequest) -> Response:
    await sessions.end_all(page.on, page.by, page.ids[0])
    return page.redirect(user_frame.path(page, "sessions"), "user-sessions-ended")
