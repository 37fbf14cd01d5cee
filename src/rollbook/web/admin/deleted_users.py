"""Deleted users that can still be restored, the last one first."""

from __future__ import annotations

from rollbook import clock
from rollbook.actions import users
from rollbook.errors import InvalidParameter
from rollbook.http.response import Response
from rollbook.web.admin.permitted import may_touch
from rollbook.web.page_request import PageRequest, whole_number

PAGE = 50


async def show(page: PageRequest) -> Response:
    before = _before(page.query.get("before", ""))
    found = await users.list_deleted(page.on, page.by, PAGE + 1, before)
    has_more = len(found) > PAGE
    found = found[:PAGE]
    days = page.on.settings.deleted_retention
    return page.render(
        "admin/deleted.html",
        section="admin/users",
        found=found,
        retention=days * clock.DAY,
        retention_days=days,
        first=before is None,
        next=f"/admin/users/deleted?before={found[-1].deleted_at}-{found[-1].user.seq}" if has_more else None,
        may_touch=lambda user: may_touch(page, user.role),
    )


def _before(text: str) -> tuple[int, int] | None:
    """Where the page before this one ended: when its last user was deleted, and their number. Raises
    InvalidParameter."""
    if not text:
        return None
    at, _, seq = text.partition("-")
    deleted_at, number = whole_number(at), whole_number(seq)
    if deleted_at is None or number is None:
        raise InvalidParameter("This link is invalid. Start from the newest.", param="before")
    return deleted_at, number
