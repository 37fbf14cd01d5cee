"""Pages on which people sign up, in and out, and the session that a request belongs to. Free of any framework."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote

from .. import errors
from .._requests import OMIT
from .._sync.client import Rollbook
from ..types import SessionTokens, User, VerifiedSession
from . import _messages
from ._messages import Page, Request, Response
from ._refreshes import Refreshes

_log = logging.getLogger("rollbook_client")
_LINK_SENT = "If you have an account, you get an email with a link."
_UNAVAILABLE = "That didn't work. Try again in a minute."
_MISTAKES = (errors.BadRequest, errors.ChallengeInvalid, errors.UserSuspended, errors.WrongCode, errors.WrongPassword)
"""What a person can do something about. Everything else is about the application, and is logged."""
_OURS = ("redirect_url", "audience", "address", "user_agent")
"""Parameters that no person has typed."""


class Unavailable(errors.RollbookError):
    """No one can say who the person is."""


class Current(NamedTuple):
    """The session that a request belongs to."""

    session: SessionTokens | VerifiedSession | None
    headers: tuple[tuple[str, str], ...] = ()
    """Of the response, whatever else it says: the cookie, once the session was refreshed or has ended."""

    @property
    def user(self) -> User | None:
        return self.session.user if self.session else None


class Pages:
    """The pages of one application.

    Args:
        client: By default one that reads ROLLBOOK_URL and ROLLBOOK_KEY.
        url: Of this application, such as `https://shop.example.com`. Links in emails lead back to it.
        audience: Of sessions, if the API key has several or none.
        sign_up: False if people can't create an account themselves.
        page: Renders a page in your layout and returns HTML.
    """

    def __init__(
        self,
        client: Rollbook | None = None,
        *,
        url: str | None = None,
        audience: str | None = None,
        sign_up: bool = True,
        page: Callable[[Page], str] = _messages.plain,
    ) -> None:
        self.client = client or Rollbook(max_wait=2, timeout=10)
        self.url = url.rstrip("/") if url else None
        self._audience = audience or OMIT
        self._has_sign_up = sign_up
        self._page = page
        self._refreshes = Refreshes(self._refresh)
        self._gets = {"/sign-in": self._sign_in_page, "/forgot-password": self._forgot_page}
        self._posts = {
            "/sign-in": self._sign_in,
            "/forgot-password": self._forgot,
            "/sign-out": self._sign_out,
            "/confirm-email": self._confirm,
        }
        if sign_up:
            self._gets["/sign-up"], self._posts["/sign-up"] = self._sign_up_page, self._sign_up

    def has(self, method: str, path: str) -> bool:
        """Test whether `answer` is for this request."""
        return path in (self._posts if method == "POST" else self._gets if method in ("GET", "HEAD") else ())

    def answer(self, request: Request) -> Response:
        """The response to a request of these pages."""
        if request.method != "POST":
            return self._shown(request, self._gets[request.path](request.next(), {}))
        if not request.is_from_here(self.url):
            return self._said(request, 403, "This form was sent from another site. Open the page, and try again.")
        if len(request.body) > _messages.MAX_BODY:
            return self._said(request, 413, "The form is too large.")
        fields = {} if not request.body else request.fields()
        if fields is None:
            return self._said(request, 415, "Send a form, or JSON.")
        try:
            return self._posts[request.path](request, fields)
        except errors.RollbookError as error:
            return self._refused(request, fields, error)

    def current(self, request: Request) -> Current:
        """The session of the person who sent the request. Raises Unavailable."""
        tokens = request.tokens(self.url)
        if tokens is None:
            return Current(None)
        try:
            try:
                return Current(self.client.sessions.verify(token=tokens[0], audience=self._audience))
            except errors.SessionEnded:
                session = self._refreshes.refresh(tokens[1])
        except errors.SessionEnded:
            session = None
        except errors.RollbookError as error:
            raise Unavailable(str(error)) from error
        return Current(session, (_messages.cookie(request, self.url, session), ("Cache-Control", "no-store")))

    def asked_to_sign_in(self, request: Request) -> Response:
        """The response to a request that needs a person who is signed in."""
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return _messages.redirect(_messages.sign_in_path(request))
        return _messages.as_json(401, {"error": "Sign in first."})

    def unavailable(self, request: Request, error: errors.RollbookError) -> Response:
        """The response while no one can say who the person is."""
        _log.error("Rollbook: %s", error)
        return self._said(request, 503, _UNAVAILABLE)

    def _refresh(self, token: str, key: str) -> SessionTokens:
        return self.client.sessions.refresh(refresh_token=token, audience=self._audience, idempotency_key=key)

    # ---- what people send

    def _sign_in(self, request: Request, fields: Mapping[str, str]) -> Response:
        names = ("challenge", "code") if "challenge" in fields else ("email", "password")
        return self._signed_in(request, fields, {name: fields.get(name, "") for name in names})

    def _signed_in(self, request: Request, fields: Mapping[str, str], proof: dict[str, str]) -> Response:
        session = self.client.sessions.create(
            audience=self._audience,
            address=request.address or OMIT,
            user_agent=request.headers.get("user-agent") or OMIT,
            **proof,
        )
        cookie = _messages.cookie(request, self.url, session)
        if request.is_json:
            user = session.user
            values = {"id": user.id, "name": user.name, "email": user.email, "email_verified": user.email_verified}
            return _messages.as_json(200, values, cookie)
        return _messages.redirect(_messages.local(fields.get("next", "")), cookie)

    def _sign_up(self, request: Request, fields: Mapping[str, str]) -> Response:
        name, email, password = (fields.get(each, "") for each in ("name", "email", "password"))
        self.client.users.create(name=name, email=email, password=password)
        try:
            self._send(request, "verify_email", email)
        except errors.RollbookError as error:  # the account exists, and the link can be sent again
            _log.error("Rollbook: %s", error)
        return self._signed_in(request, fields, {"email": email, "password": password})

    def _sign_out(self, request: Request, fields: Mapping[str, str]) -> Response:
        if (session := self.current(request).session) is not None:
            with suppress(errors.NotFound):  # another click has ended it
                self.client.sessions.end(session.id)
        cookie = _messages.cookie(request, self.url, None)
        return Response(204, [cookie]) if request.is_json else _messages.redirect("/sign-in", cookie)

    def _forgot(self, request: Request, fields: Mapping[str, str]) -> Response:
        self._send(request, "reset_password", fields.get("email", ""))
        return self._said(request, 202, "", _LINK_SENT)

    def _confirm(self, request: Request, fields: Mapping[str, str]) -> Response:
        session, headers = self.current(request)
        if session is None:
            return self.asked_to_sign_in(request)
        self._send(request, "verify_email", session.user.email)
        answer = self._said(request, 202, "", "You get an email with a link.")
        return answer._replace(headers=[*answer.headers, *headers])

    def _send(self, request: Request, purpose: str, email: str) -> None:
        """The link leads to a page of Rollbook, and from there back."""
        back = f"{self.url}/{'sign-in' if purpose == 'reset_password' else ''}" if self.url else OMIT
        self.client.tokens.request(purpose=purpose, email=email, redirect_url=back, address=request.address or OMIT)

    # ---- what they see

    def _sign_in_page(self, after: str, fields: Mapping[str, str]) -> Page:
        links = ["<p><a href='/forgot-password'>Forgot your password?</a></p>"]
        if self._has_sign_up:
            links.append(f"<p><a href='/sign-up{_query(after)}'>Create an account</a></p>")
        values = {**_next(after), **{name: fields[name] for name in ("email",) if name in fields}}
        return Page("Sign in", _messages.form("/sign-in", "Sign in", ("email", "password"), values, *links))

    def _sign_up_page(self, after: str, fields: Mapping[str, str]) -> Page:
        values = {**_next(after), **{name: fields[name] for name in ("name", "email") if name in fields}}
        form = _messages.form("/sign-up", "Create account", ("name", "email", "new-password"), values)
        return Page("Create an account", form)

    def _forgot_page(self, after: str, fields: Mapping[str, str]) -> Page:
        return Page("Forgot your password?", _messages.form("/forgot-password", "Send me a link", ("email",), {}))

    def _code_page(self, after: str, challenge: str) -> Page:
        values = {**_next(after), "challenge": challenge}
        return Page("Second step", _messages.form("/sign-in", "Continue", ("code",), values))

    def _refused(self, request: Request, fields: Mapping[str, str], error: errors.RollbookError) -> Response:
        after = _messages.local(fields.get("next", ""))
        if isinstance(error, errors.SecondFactorRequired):
            if request.is_json:
                return _messages.as_json(401, {"error": error.message, "challenge": error.challenge})
            return self._shown(request, self._code_page(after, error.challenge or ""), 401)
        if isinstance(error, errors.TooManyAttempts):
            status, problem = 429, f"Too many attempts. Try again in {error.retry_after or 60:.0f} seconds."
        elif isinstance(error, _MISTAKES) and error.param not in _OURS:
            status, problem = error.status, error.message
        else:
            return self.unavailable(request, error)
        if request.is_json:
            return _messages.as_json(status, {"error": problem})
        if isinstance(error, errors.WrongCode):
            page = self._code_page(after, fields.get("challenge", ""))
        else:
            page = self._gets.get(request.path, self._sign_in_page)(after, fields)
        return self._shown(request, page._replace(problem=problem), status)

    def _said(self, request: Request, status: int, problem: str, notice: str = "") -> Response:
        if request.is_json:
            return _messages.as_json(status, {"error": problem} if problem else {"notice": notice})
        return self._shown(
            request, Page("Sign in" if problem else "Check your mail", problem=problem, notice=notice), status
        )

    def _shown(self, request: Request, page: Page, status: int = 200) -> Response:
        return _messages.as_html(status, self._page(page))


def _next(after: str) -> dict[str, str]:
    """The hidden field of a form that leads on to this page."""
    return {} if after == "/" else {"next": after}


def _query(after: str) -> str:
    return "" if after == "/" else f"?next={quote(after, safe='/')}"
