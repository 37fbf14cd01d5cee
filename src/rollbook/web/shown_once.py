"""Secrets that only the response to a form has: a new API key, a link. The response redirects to a page, which
reads it from a sealed cookie of its own: reloading shows it again for ten minutes, and sends nothing again. Nothing is
stored, so any server can show the page."""

from __future__ import annotations

from typing import Any

import msgspec

from rollbook import clock
from rollbook.auth import tokens
from rollbook.auth.server_secret import Purpose
from rollbook.http import origins
from rollbook.http.request import Response, line
from rollbook.web.page_request import PageRequest, cookie_named

MINUTES = 10
SEALED: Purpose = "shown"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def redirect(page: PageRequest, path: str, secret: dict[str, Any], query: str = "") -> Response:
    """Redirect to the page at `path`, which shows the secret in this session only."""
    until = clock.now() + MINUTES * 60 * clock.SECOND
    sealed = page.on.secret.seal(SEALED, _encode({**secret, "until": until}), _bound(page, path)).hex()
    secure = "; Secure" if origins.is_secure(page.request, page.on.settings) else ""
    cookie = f"{_name(page)}={sealed}; Path={path}; Max-Age={MINUTES * 60}; HttpOnly; SameSite=Strict{secure}"
    return page.redirect(path + query, headers=line("Set-Cookie", cookie))


def found(page: PageRequest, path: str | None = None) -> dict[str, Any] | None:
    """The secret that the page which is requested shows, or the one at `path` above it; None if it came too late, or
    from another session."""
    text = cookie_named(page.request, _name(page))
    bound = _bound(page, path or page.request.path)
    try:
        opened = _decode(page.on.secret.unseal(SEALED, bytes.fromhex(text or ""), bound))
    except ValueError:
        return None
    return opened if opened["until"] > clock.now() else None


def _name(page: PageRequest) -> str:
    # A `__Host-` cookie would go along to all pages.
    name = tokens.cookie_name(page.on.settings, origins.is_secure(page.request, page.on.settings))
    return name.replace("__Host-", "__Secure-") + "-shown"


def _bound(page: PageRequest, path: str) -> bytes:
    """Context of the cookie: copied to another browser, it is worth nothing."""
    return f"{page.me.session.id} {path}".encode()
