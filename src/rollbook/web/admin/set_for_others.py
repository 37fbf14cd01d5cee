"""The page of what someone set for people above member, and its form that ends what is chosen of it."""

from __future__ import annotations

from rollbook.actions import set_for_others, ways_in
from rollbook.actions.set_for_others import SetForOther
from rollbook.http.request import Response
from rollbook.web.page_request import PageRequest

TEXTS = {
    ways_in.ACCOUNT: ("Created the account", "Suspended"),
    ways_in.RETURN: ("Activated or restored them", "Suspended"),
    ways_in.ROLE: ("Gave the role", "Role becomes member"),
    ways_in.EMAIL: ("Changed the email", "Email becomes {} again. If someone else has it, suspended"),
    ways_in.PASSWORD: ("Set the password", "Signed out, and needs a new password"),
    ways_in.LINK: ("Created a link or one-time token", "Signed out, and open links end"),
    ways_in.FACTORS: ("Added a second factor or recovery codes", "Second factors are lifted"),
    ways_in.KEYS: ("Created or changed {} API key{}", "{} API key{} revoked"),
    ways_in.WEBHOOKS: ("Created or changed {} webhook{}", "{} webhook{} paused"),
}
"""Texts of what was done, and of what becomes of it."""


async def show(page: PageRequest) -> Response:
    found = await set_for_others.find(page.on, page.by, page.ids[0])
    return page.render(
        "admin/set_for_others.html",
        section="admin/users",
        id=page.ids[0],
        found=found,
        rows=[(line, _texts(line, 0), _texts(line, 1)) for line in found.lines],
        days=set_for_others.DAYS,
    )


def _texts(line: SetForOther, which: int) -> list[str]:
    texts = dict[str, None]()  # what becomes of it is said once
    for what, both in TEXTS.items():
        if what in line.what:
            values = line.what[what]
            counted = len(values), "" if len(values) == 1 else "s"
            texts[both[which].format(*(values if what == ways_in.EMAIL else counted))] = None
    return [*texts]


async def end(page: PageRequest) -> Response:
    path = f"/admin/users/{page.ids[0]}/set-for-others"
    chosen = page.getlist("line")
    if not chosen:
        return page.redirect(path, "none-selected")
    await set_for_others.end(page.on, page.by, page.ids[0], chosen)
    return page.redirect(path, "set-for-others-ended")
