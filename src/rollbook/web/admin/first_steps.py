"""First steps on a new server, for its owner and admins: a checklist on the overview. What is done is read from the
data, and remembered: a key may be erased later, a webhook or an application deleted."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from rollbook import clock
from rollbook.errors import Unavailable
from rollbook.http.response import Response
from rollbook.records import keys, progress, webhooks
from rollbook.storage.database import Queries, Tx
from rollbook.web.page_request import PageRequest, cookie_of

COOKIE = "-first-steps"
"""The end of the name of the cookie with which a browser has dismissed them."""

MARK = "first_steps.done"
"""Mark: the sum of a power of two for each step that was done, the first one's is 1."""


class Step(NamedTuple):
    done: bool
    title: str
    text: str
    path: str


def are_dismissed(page: PageRequest) -> bool:
    return cookie_of(page.request, page.on.settings, COOKIE) is not None


async def dismiss(page: PageRequest) -> Response:
    return page.redirect("/admin", headers=page.set_cookie("dismissed", 365 * clock.DAY // clock.SECOND, COOKIE))


async def find(page: PageRequest, total: int) -> list[Step]:
    """The steps, on a server with this many people, deleted ones included; none when all are done."""
    before, now = await page.on.read(_done, page.me.user.id, total)
    if now != before:
        with suppress(Unavailable):  # the page is to be read
            await page.on.write(_remember, now)
    steps = _steps(now)
    return [] if all(step.done for step in steps) else steps


async def _done(queries: Queries, user_id: str, total: int) -> tuple[int, int]:
    """The steps done at an earlier look, and by now; as MARK says it."""
    before = await progress.get(queries, MARK)
    own = await keys.milestones(queries, user_id)
    connected = own.used_narrow or bool(await webhooks.some(queries, None, 1))
    done = (total > 1, own.narrow, own.used, connected)
    return before, before | sum(1 << number for number, is_done in enumerate(done) if is_done)


async def _remember(tx: Tx, done: int) -> None:
    await progress.advance(tx, MARK, done | await progress.lock(tx, MARK))


def _steps(done: int) -> list[Step]:
    return [
        Step(
            bool(done & 1),
            "Create a user",
            "Enter a name and an email, and choose how they get a password.",
            "/admin/users/new",
        ),
        Step(
            bool(done & 2),
            "Connect an application",
            "Your shop or a script gets a name and an API key of its own, with only the permissions it needs.",
            "/admin/applications/new",
        ),
        Step(
            bool(done & 4),
            "See a request",
            "Call the API with the command that you see with a new key. It appears in the log within seconds.",
            "/admin/requests",
        ),
        Step(
            bool(done & 8),
            "Use it in your code",
            "Receive events by webhook, or call the API with the Python or TypeScript SDK.",
            "/docs/integrations",
        ),
    ]
