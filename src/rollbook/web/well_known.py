"""Resources at agreed paths: an icon, rules for robots, whom to tell about a vulnerability, where to change a
password."""

from __future__ import annotations

from rollbook import clock
from rollbook.errors import NotFound
from rollbook.http.request import LOCKED, Response
from rollbook.web import assets
from rollbook.web.page_request import PageRequest

PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n" + LOCKED
DAY = b"Cache-Control: public, max-age=86400\r\n"
# How long what security.txt says is to be believed; RFC 9116 section 2.5.5 asks for less than a year.
BELIEVED = 90 * 86_400 * clock.SECOND


async def favicon(page: PageRequest) -> Response:
    """The icon, for browsers that show something other than a page of ours."""
    return await assets.answer(page.request, "icon.svg")


async def robots(page: PageRequest) -> Response:
    """Nothing here is for search engines (RFC 9309)."""
    return Response(200, PLAIN + DAY, b"User-agent: *\nDisallow: /\n")


async def security(page: PageRequest) -> Response:
    """Contact for reports of vulnerabilities (RFC 9116). Raises NotFound where the setting `security_contact` doesn't
    say."""
    settings = page.on.settings
    if not settings.security_contact:
        raise NotFound()
    lines = [f"Contact: {settings.security_contact}", f"Expires: {clock.format_time(clock.now() + BELIEVED)}"]
    if settings.public_url:
        lines.append(f"Canonical: {settings.url}/.well-known/security.txt")
    return Response(200, PLAIN + DAY, ("\n".join(lines) + "\n").encode())


async def change_password(page: PageRequest) -> Response:
    """Redirect people whom password managers send here (W3C, "A Well-Known URL for Changing Passwords")."""
    return page.redirect("/account")
