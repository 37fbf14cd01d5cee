"""The page about one API key: details, usage, and revealing, rotating and revoking it."""

from __future__ import annotations

from collections.abc import Mapping

from rollbook import roles
from rollbook.actions import key_bounds, keys
from rollbook.actions.arguments import KeyRotation, PasswordProof
from rollbook.errors import ApiError
from rollbook.http.response import Response
from rollbook.limits.policy import key_bucket
from rollbook.records import usage as records
from rollbook.records.keys import Key
from rollbook.web import forms, plots, usage
from rollbook.web.keys import listing, secret
from rollbook.web.keys.holder import Holder, find
from rollbook.web.page_request import PageRequest, header_lines


async def show(page: PageRequest, holder: Holder, id: str, may_change: bool = True) -> Response:
    return await _page(page, holder, await find(page, holder, id), may_change=may_change)


async def reveal(page: PageRequest, holder: Holder, id: str) -> Response:
    key = await find(page, holder, id)
    try:
        proof = page.arguments(PasswordProof, {"password": page.form.get("password", "")})
        issued = await keys.reveal(page.on, page.by, key.id, proof)
    except ApiError as error:
        problems = forms.problems(page, error, {"password": "Your password"}, proof="password")
        return await _page(page, holder, key, error.status, headers=header_lines(error), problems=problems)
    return secret.redirect(page, holder, issued, revealed=True)


async def rotate(page: PageRequest, holder: Holder, id: str) -> Response:
    key = await find(page, holder, id)
    try:
        issued = await keys.rotate(page.on, page.by, key.id, KeyRotation(overlap=forms.overlap(page.form)))
    except ApiError as error:
        return await _page(page, holder, key, error.status, problems=forms.problems(page, error))
    return secret.redirect(page, holder, issued, old=key)


async def revoke(page: PageRequest, holder: Holder, id: str) -> Response:
    await keys.revoke(page.on, page.by, id, of=holder.user.id)
    return page.redirect(holder.base, "key-revoked")


async def _page(
    page: PageRequest,
    holder: Holder,
    key: Key,
    status: int = 200,
    *,
    headers: bytes = b"",
    problems: Mapping[str, str] = {},
    may_change: bool = True,
) -> Response:
    since, until = usage.last_week()
    hours = await records.hours(page.on.db, key.user_id, since, key.id)
    return page.render(
        "keys/key.html",
        status,
        headers=headers,
        section=holder.section,
        holder=holder,
        key=key,
        state=listing.state(key),
        may_change=may_change,
        problems=problems,
        overlaps=forms.OVERLAPS,
        scopes=roles.SCOPES,
        gauges=await usage.gauges(
            page, key_bucket(key.user_id, key.limited_with or key.id), key_bounds.limit_of(key.rate_limit)
        ),
        total=records.total(hours).requests,
        plot=plots.requests(hours, since, until) if hours else None,
    )
