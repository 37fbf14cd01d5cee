"""Answers requests for pages: finds the session, guards against other sites, calls the handler of the row in `pages`,
shows errors as pages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from msgspec.structs import replace

from rollbook import clock
from rollbook.actions import second_factors
from rollbook.actions.permissions import refusal
from rollbook.actions.principal import Principal, signed_in
from rollbook.actions.sessions import choose_language
from rollbook.api.call import Services
from rollbook.auth import tokens
from rollbook.errors import ApiError, Forbidden, ForeignForm
from rollbook.http import origins
from rollbook.http.request import Request, Response
from rollbook.http.routing import Ids, Plan
from rollbook.limits.policy import count_page
from rollbook.records import sessions, users
from rollbook.records.events import Actor
from rollbook.roles import OF_READERS, ON_ALL, grantable, is_barred
from rollbook.web import docs, forms, proof, templates
from rollbook.web.page_request import PageRequest, Person, accepts_html, cookie_of
from rollbook.web.pages import PAGES, Page

SECURITY = "/account/security"
REFUSALS = {"owner": "Only owners can do this.", "key holder": "On this server, members have no API keys of their own."}
PATHS = frozenset(row.path for row in PAGES if row.method == "GET")
# The accuracy of a session's `last_seen_at`.
SEEN_EVERY = 60 * clock.SECOND
# Seconds from the first page of a process until the others are compiled: by then it is there.
REST_AFTER = 1.0


class Site:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._limit = services.settings.page_limit
        self._lifetime = services.session_lifetime
        self._seen: dict[str, int] = {}
        self._visited = False

    def plan(self, row: Page) -> Plan:
        return lambda request, ids: self._answer(request, row, ids)

    async def _answer(self, request: Request, row: Page, ids: Ids) -> Response:
        """Raises ApiError."""
        settings = self._services.settings
        if row.who != "anyone" or row.method != "GET" or request.path.startswith(("/account", "/oauth2")):
            origins.check_host(request, settings)
        if request.path.startswith(("/static/", "/brand/")):
            return await row.handler(PageRequest(self._services, request, ids))
        if not templates.is_prepared():
            await asyncio.get_running_loop().run_in_executor(None, templates.prepare)
        if not self._visited:
            self._visited = True
            asyncio.get_running_loop().call_later(REST_AFTER, self._compile_rest)
        person = await self._person(request)
        await self._count(request, person)
        if row.method != "GET" and not row.is_foreign:
            self._check_form(request, person)
        by = None if person is None else self._principal(person, request)
        page = PageRequest(self._services, request, ids, person, by)
        if row.method == "GET" and page.has_key_in_url and not page.is_htmx:
            return page.redirect(page.url_without_blanks)
        try:
            if row.who != "anyone" and person is None:
                return self._to_sign_in(page)
            if row.who != "anyone" and not page.is_for(row.who):
                raise Forbidden(_refusal(page, row.who))
            if person is not None and await self._must_add_factor(page, person, row):
                return page.redirect(SECURITY)
            if row.method == "GET" and row.who != "anyone" and not page.is_htmx and "" in page.query.values():
                return page.redirect(page.url_without_blanks)
            if page.new_language is not None and page.by.caller.acted_by is None:
                await choose_language(self._services, page.by, page.new_language)
            if not row.streams_body:
                await request.complete()
            response = await proof.answer(page, row)
        except ApiError as error:
            if not accepts_html(request):
                raise
            # Here we know who is signed in.
            self._services.operations.count(error, request)
            response = _error(page, error)
        # Before the handler's: a cookie that it sets, or takes away, is the last, which counts.
        return replace(response, head=page.new_cookies + response.head) if page.new_cookies else response

    async def _must_add_factor(self, page: PageRequest, person: Person, row: Page) -> bool:
        """Test whether the page is closed to somebody who needs a second factor first; `page.duty` says so on the
        others. Raises Forbidden, to programs."""
        if person.acting is not None:
            return False
        page.duty = await second_factors.duty_of(self._services, person.user)
        if page.duty is None or not page.duty.is_due or row.who == "anyone":
            return False
        if page.request.path == proof.CONFIRM or page.request.path.startswith(SECURITY):
            return False
        if not accepts_html(page.request):
            raise Forbidden(f"Your role, {page.by.role}, needs a second factor. Set one up: {SECURITY}.")
        return True

    def _check_form(self, request: Request, person: Person | None) -> None:
        """Raises ForeignForm."""
        try:
            origins.check_form(request, self._services.settings)
        except ForeignForm:
            user_id, session = (None, None) if person is None else (person.user.id, person.session)
            actor = Actor(user_id, None, request.address, request.id, request.trace_id)
            self._services.deferred_events.form_refused(session, actor)
            raise

    def _compile_rest(self) -> None:
        """A browser has come: compile the other pages and index the docs, which takes half a second, beside other
        requests."""
        asyncio.get_running_loop().run_in_executor(None, templates.compile_all)
        asyncio.get_running_loop().run_in_executor(None, docs.prepare_search)

    async def before_refusal(self, request: Request, rows: Sequence[Page]) -> Response | None:
        """Count a look for a page. Which pages exist is no secret. A browser that loads the URL to which a form is sent
        is led back to the page of the form: it may have shown an error there."""
        await self._count(request, None)
        if not rows or request.method not in ("GET", "HEAD") or not accepts_html(request):
            return None
        return PageRequest(self._services, request).redirect(_page_of_form(rows[0].path, request.path))

    async def error_page(self, error: ApiError, request: Request) -> Response | None:
        """The error as a page, with the header of who is signed in; None where the client is not a browser, or the path
        is the API's."""
        if request.path.startswith("/v1") or not accepts_html(request):
            return None
        bare = Request(
            method="GET",
            path=request.path,
            query="",
            headers=request.headers,
            body=b"",
            address=request.address,
            secure=request.secure,
            id=request.id,
            started=request.started,
        )
        try:
            person = await self._person(bare)
        except Exception:  # nor can we tell who it is
            person = None
        by = None if person is None else self._principal(person, bare)
        return _error(PageRequest(self._services, bare, person=person, by=by), error)

    def take_seen(self) -> list[tuple[str, int]]:
        """Sessions seen since the last call, each with the time of its last request."""
        seen, self._seen = self._seen, {}
        return list(seen.items())

    # ---- who, how often, from which page

    async def _person(self, request: Request) -> Person | None:
        text = cookie_of(request, self._services.settings)
        if text is None:
            return None
        db = self._services.db
        session = await sessions.find(db, tokens.digest(text), self._lifetime)
        if session is None:
            return None
        user = await users.by_id(db, session.user_id)
        if user is None or is_barred(user.status) or user.role not in self._services.settings.sign_in_roles:
            return None
        now = clock.now()
        acting = None if session.acted_by is None else await users.name(db, session.acted_by) or session.acted_by
        if acting is None and now - session.last_seen_at > SEEN_EVERY:  # it is no activity of the user's
            self._seen[session.id] = now
        request.user_id = user.id
        return Person(user, session, acting)

    def _principal(self, person: Person, request: Request) -> Principal:
        user = person.user
        limit = self._services.policy.limit_for(user.role, user.rate_limit)
        session = person.session
        origin = session.created_by, session.lineage, session.acted_by
        caller = signed_in(user.id, user.role, user.status, user.rate_limit, limit, *origin)
        return Principal(caller, request.address, request.id, request.trace_id, session.proven_at, session.id)

    async def _count(self, request: Request, person: Person | None) -> None:
        await count_page(
            self._services.limiter, self._limit, request.address, None if person is None else person.user.id
        )

    def _to_sign_in(self, page: PageRequest) -> Response:
        request = page.request
        path = "/account/sign-in"
        if (target := self._wanted(page)) is not None:
            path += f"?next={quote(target, safe='/')}"
        had_cookie = cookie_of(request, self._services.settings) is not None
        notice = (
            "sign-in-to-act" if request.path == "/account/impersonate" else "session-expired" if had_cookie else None
        )
        return page.redirect(path, notice)

    def _wanted(self, page: PageRequest) -> str | None:
        """The page to come back to: the one requested, or the one that a form or a part of a page is on."""
        request = page.request
        if request.method in ("GET", "HEAD") and not page.is_htmx:
            return request.path + (f"?{request.query}" if request.query else "")
        on = request.headers.get(b"hx-current-url") or request.headers.get(b"referer") or b""
        url = on.decode("latin-1")
        if not origins.is_ours(url, request, self._services.settings):
            return None
        parts = urlsplit(url)
        return parts.path + (f"?{parts.query}" if parts.query else "")


def _refusal(page: PageRequest, who: str) -> str:
    """The sentence for a person whom a page is not for."""
    scopes_of = grantable if who in OF_READERS else ON_ALL.__getitem__
    return REFUSALS.get(who) or refusal(page.by, who, scopes_of)


def _page_of_form(pattern: str, path: str) -> str:
    """The page nearest above the URL to which a form is sent: `/admin/groups/{id}` of
    `/admin/groups/{id}/members/role`."""
    segments = pattern.split("/")
    while "/".join(segments) not in PATHS:
        segments.pop()
    return "/".join(path.split("/")[: len(segments)])


def _error(page: PageRequest, error: ApiError) -> Response:
    """An error page. Its URL may hold the token of a link."""
    return page.render(
        "sign_in/error.html" if page.is_public else "error.html",
        secret=True,
        error=error,
        sentence=forms.sentence(error, page.language),
        request_id=page.request.id,
        section="error",
    )
