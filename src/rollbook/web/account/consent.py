"""Asks a person whether an assistant may act as them, to read or also to change."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from rollbook import clock
from rollbook.actions import authorization, oauth2
from rollbook.actions.arguments.keys import KeyCreate
from rollbook.actions.authorization import Asked
from rollbook.config import is_loopback
from rollbook.errors import BadRequest
from rollbook.http.request import Response
from rollbook.web.account import authorize
from rollbook.web.account.sign_in import policy_of
from rollbook.web.keys import form
from rollbook.web.page_request import PageRequest


async def show(page: PageRequest) -> Response:
    next_path = page.query.get("next", "")
    asked = await _asked(page, next_path)
    target = urlsplit(asked.wanted.redirect_url)
    return page.render(
        "account/consent.html",
        section="account/assistants",
        leads_to=policy_of(asked.wanted.redirect_url),
        name=asked.name,
        next=next_path,
        target=target.netloc or f"{target.scheme}:",
        is_here=is_loopback(target.hostname or ""),
        is_read_only=asked.is_read_only,
    )


async def answer(page: PageRequest) -> Response:
    """Leads back to the assistant, with a code or without."""
    asked = await _asked(page, page.form.get("next", ""))
    if page.form.get("answer") != "allow":
        return authorize.answered(page, asked.parameters, {"error": "access_denied"})
    fields = {
        "name": asked.name,
        "kind": "assistant",
        "scopes": form.scopes(page, may_change=page.form.get("access") == "change" and not asked.is_read_only),
        "expires_at": clock.format_time(clock.now() + oauth2.CODE_LIFETIME),
        "revealable": False,
    }
    key = page.arguments(KeyCreate, fields)
    code = await oauth2.issue_key(page.on, page.by, page.me.session, asked.wanted, key)
    return authorize.answered(page, asked.parameters, {"code": code})


async def _asked(page: PageRequest, next_path: str) -> Asked:
    """The assistant's request. Raises BadRequest."""
    path, _, query = next_path.partition("?")
    try:
        asked = await authorization.read(page.on, parse_qsl(query, keep_blank_values=True))
    except (authorization.Refused, ValueError):
        raise BadRequest("This sign-in is not one of an assistant.") from None
    if path != authorization.PATH or not asked.is_assistant:
        raise BadRequest("This sign-in is not one of an assistant.")
    return asked
