"""Connects an identity provider: a SCIM key for it, the steps on its side, and the SCIM keys that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollbook import roles
from rollbook.actions import keys
from rollbook.actions.arguments.keys import KeyCreate
from rollbook.errors import ApiError
from rollbook.http.request import Response
from rollbook.records.users import User
from rollbook.web import forms
from rollbook.web.keys import pages
from rollbook.web.keys.pages import Holder, mine, theirs
from rollbook.web.page_request import PageRequest

BLANK = {"provider": "", "expires": "365", "grant": False}


async def show(page: PageRequest) -> Response:
    return await _page(page, {**BLANK, "provider": page.query.get("provider", "")}, {})


async def create(page: PageRequest) -> Response:
    """Leads to the page that shows the key, with the steps on the side of the provider."""
    form = page.form
    provider = form.get("provider") if form.get("provider") in pages.PROVIDERS else "other"
    given = {"provider": provider, "expires": form.get("expires", ""), "grant": "grant" in form}
    wanted = {
        "name": pages.PROVIDERS[provider],
        "kind": "scim",
        "scopes": sorted(roles.SCIM_GRANTABLE) if given["grant"] else None,
        "expires_at": forms.expiry(given["expires"]),
        "revealable": False,
    }
    try:
        issued = await keys.create(page.on, page.by, page.arguments(KeyCreate, wanted))
    except ApiError as error:
        return await _page(page, given, forms.problems(page, error))
    return pages.redirect_to_secret(page, mine(page), issued, query=f"?provider={provider}")


async def _page(page: PageRequest, given: Mapping[str, Any], problems: Mapping[str, str]) -> Response:
    def holder(user: User) -> Holder:
        return mine(page) if user.id == page.by.user_id else theirs(user)

    return page.render(
        "admin/scim.html",
        section="admin/scim",
        given=given,
        problems=problems,
        expiries=forms.EXPIRIES,
        found=[(each.key, holder(each.user)) for each in await keys.list_scim(page.on, page.by)],
        state=pages.state,
        limit=str(page.on.settings.scim_limit),
    )
