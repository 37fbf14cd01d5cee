"""Frame of all pages about one user: the header with its menu of actions, and the tabs."""

from __future__ import annotations

from typing import Any, NamedTuple

from rollbook.actions import users
from rollbook.records.users import User
from rollbook.web.admin.permitted import may_touch
from rollbook.web.page_request import PageRequest


class Tab(NamedTuple):
    name: str
    text: str
    scope: str
    """Scope that reading it takes."""


TABS = (
    Tab("", "Profile", "users:read"),
    Tab("keys", "API keys", "keys:read"),
    Tab("sessions", "Sessions", "sessions:read"),
    Tab("requests", "Requests", "requests:read"),
    Tab("events", "Events", "events:read"),
)


async def user(page: PageRequest) -> User:
    """The user that the path names. Raises NotFound."""
    return await users.get(page.on, page.by, page.ids[0])


def path(page: PageRequest, tab: str) -> str:
    return f"/admin/users/{page.ids[0]}/{tab}"


def context(page: PageRequest, user: User, tab: str = "") -> dict[str, Any]:
    """Context of `admin/user_head.html`, with the name of the tab that is open."""
    return {
        "section": "admin/users",
        "user": user,
        "tab": tab,
        "tabs": [each for each in TABS if page.may(each.scope)],
        "may_touch": may_touch(page, user.role),
        "is_me": user.id == page.me.user.id,
    }
