"""Answers requests for pages: session, CSRF check, then the handler of the row in `pages`. Shows errors as pages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from rollbook import clock
from rollbook.api.call import Services
from rollbook.api.router import Router
from rollbook.auth import tokens
from rollbook.errors import ApiError, Forbidden, TooManyRequests
from rollbook.http.request import Request
from rollbook.http.response import Response, line
from rollbook.http.routing import Ids
from rollbook.limits import windows
from rollbook.limits.policy import address_bucket
from rollbook.records import sessions, users
from rollbook.web import origins, templates
from rollbook.web.accept import takes_html
from rollbook.web.page import Page
from rollbook.web.visit import Person, Visit, cookie_of

# The accuracy of a session's `last_seen_at`.
SEEN_EVERY = 60 * clock.SECOND


class Site:
    def __init__(self, services: Services, router: Router) -> None:
        self._services = services
        self._router = router
        self._limit = services.settings.page_limit
        self._lifetime = services.session_lifetime
        self._seen: dict[str, int] = {}

    async def answer(self, request: Request, page: Page, ids: Ids) -> Response:
        """Raises ApiError."""
        settings = self._services.settings
        if page.who != "anyone" or page.method != "GET" or request.path.startswith("/account"):
            origins.check_host(request, settings)
        if request.path.startswith("/static/"):
            return await page.handler(Visit(self._services, self._router, request, ids, None, None))
        if not templates.is_prepared():
            # Takes a third of a second the first time: not on the event loop.
            await asyncio.get_running_loop().run_in_executor(None, templates.prepare)
        person = await self._person(request)
        await self._count(request, person)
        if page.method != "GET":
            origins.check_form(request, settings)
        caller = None if person is None else self._router.gate.person(person.user)
        visit = Visit(self._services, self._router, request, ids, person, caller)
        try:
            if page.who != "anyone" and person is None:
                return self._to_sign_in(visit)
            if page.who == "admin" and not (person is not None and person.is_admin):
                raise Forbidden("Only admins can open this page.")
            return await page.handler(visit)
        except ApiError as error:
            if not takes_html(request):
                raise
            # Here we know who is signed in.
            self._services.operations.count(error, request)
            return _error(visit, error)

    async def before_refusal(self, request: Request, rows: Sequence[Page]) -> None:
        """The list of pages is no secret."""

    def error_page(self, error: ApiError, request: Request) -> Response | None:
        """The error as a page; None for API requests and for clients other than browsers."""
        if request.path.startswith("/v1") or not takes_html(request):
            return None
        bare = Request(
            "GET", request.path, "", request.headers, b"", request.address, request.secure, request.id, request.started
        )
        return _error(Visit(self._services, self._router, bare, (), None, None), error)

    def take_seen(self) -> list[tuple[str, int]]:
        """Sessions seen since the last call, each with the time of its last request."""
        seen, self._seen = self._seen, {}
        return list(seen.items())

    # ---- authentication, rate limit, redirect to sign-in

    async def _person(self, request: Request) -> Person | None:
        text = cookie_of(request, self._services.settings)
        if text is None:
            return None
        db = self._services.db
        session = await sessions.find(db, tokens.digest(text), self._lifetime)
        if session is None:
            return None
        user = await users.by_id(db, session.user_id)
        if user is None or user.status != "active" or user.role not in self._services.settings.sign_in_roles:
            return None
        now = clock.now()
        if now - session.last_seen_at > SEEN_EVERY:
            self._seen[session.id] = now
        request.user_id = user.id
        return Person(user, session)

    async def _count(self, request: Request, person: Person | None) -> None:
        bucket = "pages:" + (address_bucket(request.address) if person is None else person.user.id)
        verdict = await self._services.limiter.take(bucket, self._limit, clock.now())
        if not verdict.admitted:
            raise TooManyRequests(windows.retry_after(verdict))

    def _to_sign_in(self, visit: Visit) -> Response:
        request = visit.request
        path = "/account/sign-in"
        if (target := self._wanted(visit)) is not None:
            path += f"?next={quote(target, safe='/')}"
        had_cookie = cookie_of(request, self._services.settings) is not None
        return visit.redirect(path, "session-expired" if had_cookie else None)

    def _wanted(self, visit: Visit) -> str | None:
        """The page to return to: the requested one; for a form or a fragment, the page that contains it."""
        request = visit.request
        if request.method in ("GET", "HEAD") and not visit.is_fragment:
            return request.path + (f"?{request.query}" if request.query else "")
        on = request.headers.get(b"hx-current-url") or request.headers.get(b"referer") or b""
        url = on.decode("latin-1")
        if not origins.is_ours(url, request, self._services.settings):
            return None
        parts = urlsplit(url)
        return parts.path + (f"?{parts.query}" if parts.query else "")


def _error(visit: Visit, error: ApiError) -> Response:
    """An error page. Its URL may contain the token of a link."""
    headers = b"".join([line(name, value) for name, value in error.headers.items()])
    return visit.render(
        "error.html", error.status, secret=True, headers=headers, error=error, request_id=visit.request.id, section="error"
    )
