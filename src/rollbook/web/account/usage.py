"""What the person's keys did in the last seven days, and the windows of their limits as they stand now."""

from __future__ import annotations

from rollbook.http.response import Response
from rollbook.records import usage as records
from rollbook.web import plots, polling, usage
from rollbook.web.account import own_keys
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    """Of all keys, or of one."""
    me = page.me.user.id
    key_id = await own_keys.chosen(page)
    since, until = usage.last_week()
    hours = await records.hours(page.on.db, me, since, key_id)
    hit = await records.hit(page.on.db, me, since)
    return page.render(
        "account/usage.html",
        section="account/usage",
        keys=own_keys.options(await own_keys.newest(page)),
        key_id=key_id or "",
        gauges=await usage.gauges(page, me, page.by.caller.limit),
        polls=0,
        most_polls=polling.MAX_POLLS,
        totals=usage.totals(hours),
        plot=plots.requests_by_hour(hours, since, until) if hours else None,
        hit=sorted([(usage.window_name(name), count) for name, count in hit.items()], key=lambda each: -each[1]),
    )


async def show_live(page: PageRequest) -> Response:
    """The windows alone, for a page that is open."""
    if not page.is_htmx:
        return page.redirect("/account/usage")
    found = await usage.gauges(page, page.me.user.id, page.by.caller.limit)
    return page.render("account/live.html", gauges=found, polls=polling.next_poll(page), most_polls=polling.MAX_POLLS)
