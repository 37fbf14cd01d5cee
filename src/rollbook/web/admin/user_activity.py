"""Usage of a user's API keys, and the events about the user."""

from __future__ import annotations

from rollbook.actions import audit, requests
from rollbook.actions.arguments import AuditFilters, ListRequests, Time
from rollbook.http.response import Response
from rollbook.records import usage as usage_records
from rollbook.records.request_log import Logged
from rollbook.web import log_page, plots, usage
from rollbook.web.account import own_keys
from rollbook.web.admin import changes, user_frame
from rollbook.web.keys.holder import find, theirs
from rollbook.web.log_page import KeyLink, Place
from rollbook.web.page_request import PageRequest, whole_number

PAGE = 20


async def show_requests(page: PageRequest) -> Response:
    """Newest first: of all keys, or of the one that the URL asks for."""
    user = await user_frame.user(page)
    key_id, before = page.query.get("key") or None, whole_number(page.query.get("before", ""))
    key = None if key_id is None else await find(page, theirs(user), key_id)
    asked = ListRequests(user=user.id, key=key_id, before=None if before is None else Time(before), limit=PAGE)
    found = await requests.list_requests(page.on, page.by, asked)
    since, until = usage.last_week()
    hours = await page.on.read_aside(usage_records.hours, user.id, since, key_id)
    more = "" if key is None else f"&key={key.id}"
    return page.render(
        "admin/user_requests.html",
        requests=found.requests,
        key=key,
        newest=before is None,
        older=None if found.next is None else f"{user_frame.path(page, 'requests')}?before={found.next}{more}",
        plot=plots.requests(hours, since, until, "Requests per hour over 7 days") if hours else None,
        retention=page.on.settings.request_retention,
        **user_frame.context(page, user, "requests"),
    )


async def show_request(page: PageRequest) -> Response:
    """Raises NotFound."""
    holder = theirs(await user_frame.user(page))

    async def name(request: Logged) -> KeyLink:
        key = await find(page, holder, request.key_id)
        return KeyLink(own_keys.label(key), f"{holder.base}/{key.id}")

    place = Place(holder.requests, holder.section, holder.user.id, f"Requests of {holder.user.name}", None, name)
    return await log_page.show_one(page, place, page.ids[1])


async def show_events(page: PageRequest) -> Response:
    user = await user_frame.user(page)
    before = whole_number(page.query.get("before", ""))
    found = await audit.search(
        page.on, page.by, page.arguments(AuditFilters, {"types": [], "user": user.id}), PAGE, before
    )
    return page.render(
        "admin/user_events.html",
        changes=await page.on.read(changes.in_words, found.events),
        newest=before is None,
        older=None if found.older is None else f"{user_frame.path(page, 'events')}?before={found.older}",
        searched_to=found.searched_to,
        **user_frame.context(page, user, "events"),
    )
