"""The page of what someone set for people above member, and its form that ends what is chosen of it."""

from __future__ import annotations

from rollbook.actions import set_for_others
from rollbook.actions.set_for_others import SetForOther
from rollbook.http.request import Response
from rollbook.records.staff_events import StaffEvent
from rollbook.web.page_request import PageRequest

TEXTS = {
    set_for_others.ACCOUNT: ("Created the account", "Suspended", "Accounts are suspended."),
    set_for_others.RETURN: ("Activated or restored them", "Suspended", "Accounts are suspended."),
    set_for_others.ROLE: ("Gave the role", "Role becomes member", "Roles become member."),
    set_for_others.EMAIL: (
        "Changed the email",
        "Email becomes {} again. If someone else has it, suspended",
        "Emails change back, and people are signed out.",
    ),
    set_for_others.PASSWORD: (
        "Set the password",
        "Signed out, and needs a new password",
        "People are signed out and need a new password.",
    ),
    set_for_others.LINK: (
        "Created a link or one-time token",
        "Signed out, and open links end",
        "People are signed out, and open links end.",
    ),
    set_for_others.FACTORS: (
        "Added a second factor or recovery codes",
        "Second factors are lifted",
        "Second factors are lifted.",
    ),
    set_for_others.KEYS: ("Created or changed {} API key{}: {}", "{} API key{} revoked: {}", "API keys are revoked."),
    set_for_others.WEBHOOKS: ("Created or changed {} webhook{}", "{} webhook{} paused", "Webhooks are paused."),
}
"""Texts of what was done, of what becomes of it, and of what that does to all who are chosen."""


async def end(page: PageRequest) -> Response:
    """End what is chosen, and say what that was."""
    chosen = page.getlist("line")
    if not chosen:
        return page.redirect(f"/admin/users/{page.ids[0]}/set-for-others", "none-selected")
    return await show(page, await set_for_others.end(page.on, page.by, page.ids[0], chosen))


async def show(page: PageRequest, ended: list[SetForOther] | None = None) -> Response:
    findings = await set_for_others.find(page.on, page.by, page.ids[0])
    return page.render(
        "admin/set_for_others.html",
        section="admin/users",
        id=page.ids[0],
        found=findings,
        rows=[(line, _texts(line, 0), [*_texts(line, 1)], [*_texts(line, 2)]) for line in findings.lines],
        ended=None if ended is None else [(line, [*_texts(line, 1)]) for line in ended],
        days=set_for_others.DAYS,
    )


def _texts(line: SetForOther, which: int) -> dict[str, StaffEvent | None]:
    """Texts with the event each tells of."""
    texts = dict[str, StaffEvent | None]()  # what becomes of it is said once
    for what, all in TEXTS.items():
        if what in line.what:
            values = line.what[what]
            counted = len(values), "" if len(values) == 1 else "s", ", ".join(line.key_names)
            texts[all[which].format(*(values if what == set_for_others.EMAIL else counted))] = line.events.get(what)
    return texts
