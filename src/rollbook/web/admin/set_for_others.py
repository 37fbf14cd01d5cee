"""The page of what someone set for people above member, and its button that ends it."""

from __future__ import annotations

from rollbook.actions import set_for_others
from rollbook.http.response import Response
from rollbook.web.page_request import PageRequest

SAYS = {
    set_for_others.ACCOUNT: "Created the account",
    set_for_others.ROLE: "Gave the role",
    set_for_others.PASSWORD: "Set the password",
    set_for_others.FACTORS: "Added a second factor or recovery codes",
}
ENDS = {
    set_for_others.ACCOUNT: "is suspended",
    set_for_others.ROLE: "becomes a member",
    set_for_others.PASSWORD: "needs a new password",
    set_for_others.FACTORS: "sets up second factors again",
}


async def show(page: PageRequest) -> Response:
    found = await set_for_others.find(page.on, page.by, page.ids[0])
    rows = [
        (user, [SAYS[each] for each in SAYS if each in what], [ENDS[each] for each in ENDS if each in what])
        for user, what in found
    ]
    return page.render(
        "admin/set_for_others.html", section="admin/users", id=page.ids[0], rows=rows, days=set_for_others.DAYS
    )


async def end(page: PageRequest) -> Response:
    await set_for_others.end(page.on, page.by, page.ids[0])
    return page.redirect(f"/admin/users/{page.ids[0]}/set-for-others", "set-for-others-ended")
