"""Permissions of the person who is signed in, so that pages offer nothing else. The actions decide again."""

from __future__ import annotations

from rollbook.actions import permissions
from rollbook.errors import Forbidden
from rollbook.web.page_request import PageRequest

ROLES = ("member", "viewer", "admin", "owner")


def may_touch(page: PageRequest, role: str) -> bool:
    """Test whether they may change users with this role."""
    if not page.may("users:write"):
        return False
    try:
        permissions.may_touch(page.by, role)
    except Forbidden:
        return False
    return True


def roles_to_give(page: PageRequest) -> list[str]:
    return [role for role in ROLES if may_touch(page, role)]
