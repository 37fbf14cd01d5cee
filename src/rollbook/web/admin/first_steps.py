"""First steps on a new server, for its owner and admins: a checklist on the overview, whose state is read from the
data."""

from __future__ import annotations

from typing import NamedTuple

from rollbook import clock
from rollbook.http.response import Response
from rollbook.records import keys, webhooks
from rollbook.storage.database import Queries
from rollbook.web.page_request import PageRequest, cookie_of

COOKIE = "-first-steps"
"""The end of the name of the cookie with which a browser has dismissed them."""


class Step(NamedTuple):
    done: bool
    title: str
    text: str
    path: str


def are_dismissed(page: PageRequest) -> bool:
    return cookie_of(page.request, page.on.settings, COOKIE) is not None


async def dismiss(page: PageRequest) -> Response:
    return page.redirect("/admin", headers=page.set_cookie("dismissed", 365 * clock.DAY // clock.SECOND, COOKIE))


async def find(queries: Queries, user_id: str, total: int) -> list[Step]:
    """The steps of this person, on a server with this many users, deleted ones included; none when all are done."""
    own = await keys.milestones(queries, user_id)
    connected = own.used_narrow or bool(await webhooks.some(queries, None, 1))
    steps = [
        Step(
            total > 1,
            "Create a user",
            "Enter a name and an email, and choose how they get a password.",
            "/admin/users/new",
        ),
        Step(
            own.narrow,
            "Connect an application",
            "Your shop or a script gets a name and an API key of its own, with only the permissions it needs.",
            "/admin/applications/new",
        ),
        Step(
            own.used,
            "See a request",
            "Call the API with the command that you see with a new key. It appears in the log within seconds.",
            "/admin/requests",
        ),
        Step(
            connected,
            "Use it in your code",
            "Receive events by webhook, or call the API with the Python or TypeScript SDK.",
            "/docs/integrations",
        ),
    ]
    return [] if all(step.done for step in steps) else steps
