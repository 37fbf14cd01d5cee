"""A request for a page: who is signed in, the form, and ways to respond."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from rollbook.actions.principal import Caller, Principal, stranger
from rollbook.actions.sessions import Browser
from rollbook.api.call import Services
from rollbook.api.router import Router
from rollbook.auth import tokens
from rollbook.config import Settings
from rollbook.errors import ApiError, BadRequest, UnsupportedMediaType
from rollbook.http.request import Request
from rollbook.http.response import Response, line
from rollbook.http.routing import Ids
from rollbook.quota import Limit
from rollbook.records.sessions import Session
from rollbook.records.users import User
from rollbook.storage.database import Database
from rollbook.web import origins, templates
from rollbook.web.accept import takes_gzip
from rollbook.web.notices import NOTICES, Notice

HTML = b"Content-Type: text/html; charset=utf-8\r\n"
FORM = b"application/x-www-form-urlencoded"
MOST_FIELDS = 200
# Only our own files, no inline scripts or styles, no embedding in frames (CSP level 3).
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# `same-origin` instead of `no-referrer`, with which browsers would send `Origin: null` with our own forms.
GUARDS = (
    b"Referrer-Policy: same-origin\r\nX-Frame-Options: DENY\r\nCross-Origin-Opener-Policy: same-origin\r\n"
    b"Cross-Origin-Resource-Policy: same-origin\r\nPermissions-Policy: camera=(), geolocation=(), microphone=()\r\n"
)
SAFE = b"Content-Security-Policy: " + POLICY.encode() + b"\r\n" + GUARDS
# For pages whose URL may contain a secret: it isn't sent with requests for our own files either, which a proxy may log.
SAFE_SECRET = SAFE.replace(b"Referrer-Policy: same-origin", b"Referrer-Policy: strict-origin")
PRIVATE = b"Cache-Control: no-store\r\n"
# Smaller pages aren't compressed: it would save no packet.
LEAST_ZIPPED = 1000

_decode = msgspec.json.Decoder().decode


class Person(NamedTuple):
    """A person who is signed in."""

    user: User
    session: Session

    @property
    def is_admin(self) -> bool:
        return self.user.role in ("admin", "owner")


class Answer(NamedTuple):
    """The response of an API call. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    content: Any


class Visit:
    def __init__(
        self,
        services: Services,
        router: Router,
        request: Request,
        ids: Ids,
        person: Person | None,
        caller: Caller | None,
    ) -> None:
        self.services = services
        self.db: Database = services.db
        self.request = request
        self.ids = ids  # the values for the braces in the path, in order
        self.person = person
        self._router = router
        self._caller = caller
        self.query = dict(_pairs(request.query))
        self._form: list[tuple[str, str]] | None = None

    # ---- what was sent

    @property
    def form(self) -> dict[str, str]:
        """The form fields; the last one if a name is repeated. Raises BadRequest, UnsupportedMediaType."""
        return dict(self._fields())

    def chosen(self, name: str) -> list[str]:
        """All values of a field, such as selected checkboxes."""
        return [value for field, value in self._fields() if field == name]

    def _fields(self) -> list[tuple[str, str]]:
        if self._form is None:
            request = self.request
            kind = request.headers.get(b"content-type", FORM).partition(b";")[0].strip().lower()
            if kind != FORM:
                raise UnsupportedMediaType("Forms must be sent as application/x-www-form-urlencoded.")
            try:
                self._form = _pairs(request.body.decode("ascii"))
            except UnicodeDecodeError:
                raise BadRequest("The form is not valid URL-encoded data.") from None
        return self._form

    @property
    def is_fragment(self) -> bool:
        """Whether htmx requests a part of the page."""
        return self.request.headers.get(b"hx-request") == b"true"

    # ---- who is signed in

    @property
    def me(self) -> Person:
        """The person. Only on pages that require signing in."""
        assert self.person is not None
        return self.person

    @property
    def by(self) -> Principal:
        """Who acts: the person, or a visitor who has not signed in."""
        request = self.request
        if self._caller is None:
            return stranger(request.address, request.id)
        return Principal(self._caller, request.address, request.id)

    @property
    def browser(self) -> Browser:
        """The browser that signs in."""
        agent = self.request.headers.get(b"user-agent", b"").decode("utf-8", "replace")
        return Browser(agent, self.cookie_digest)

    @property
    def limit(self) -> Limit:
        """The rate limit shared by the person's keys."""
        assert self._caller is not None
        return self._caller.limit

    async def api(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, if_match: str | None = None, **query: Any
    ) -> Answer:
        """Call the API as this person, with its permissions, validation and errors. Parameters that are None or empty are
        omitted. Raises ApiError."""
        assert self._caller is not None
        given = {name: str(value) for name, value in query.items() if value is not None and value != ""}
        response = await self._router.act(
            self._caller,
            self.request,
            method,
            path,
            urlencode(given, quote_via=quote),
            None if body is None else dict(body),
            None if if_match is None else if_match.encode(),
        )
        headers: dict[str, str] = {}
        for each in response.head.decode("latin-1").split("\r\n"):
            name, _, value = each.partition(": ")
            headers[name.lower()] = value
        return Answer(response.status, headers, _decode(response.body) if response.body else None)

    # ---- responses

    def render(
        self,
        template: str,
        status: int = 200,
        *,
        secret: bool = False,
        headers: bytes = b"",
        cache: bytes = PRIVATE,
        **context: Any,
    ) -> Response:
        """Render a page or a part of one. `secret`: the page or its URL contains a secret. It isn't compressed then, since the
        compressed length reveals content (BREACH), and its URL isn't sent as a referrer. `cache` is the Cache-Control line."""
        body = templates.render(
            template,
            visit=self,
            person=self.person,
            url=self.services.url,
            notice=self.notice,
            **{"section": "", **context},
        ).encode()
        head = HTML + cache + (SAFE_SECRET if secret else SAFE) + b"Vary: Accept-Encoding, Accept, HX-Request\r\n" + headers
        if not secret and len(body) >= LEAST_ZIPPED and takes_gzip(self.request):
            squeeze = zlib.compressobj(5, wbits=31)
            return Response(status, head + b"Content-Encoding: gzip\r\n", squeeze.compress(body) + squeeze.flush())
        return Response(status, head, body)

    @property
    def notice(self) -> Notice | None:
        return NOTICES.get(self.query.get("notice", ""))

    def redirect(self, path: str, notice: str | None = None, headers: bytes = b"") -> Response:
        """Redirect to another page of ours (303, so with GET). `notice` is a name in NOTICES."""
        if notice is not None:
            assert notice in NOTICES
            path += ("&" if "?" in path else "?") + f"notice={notice}"
        location = line("Location", quote(path, safe="/?&=%:,+~@-._"))
        if self.is_fragment:
            # htmx would follow a redirect and put the whole page into a part of this one.
            return Response(204, location.replace(b"Location:", b"HX-Redirect:") + PRIVATE + headers)
        return Response(303, location + PRIVATE + SAFE + headers)

    def problems(self, error: ApiError) -> dict[str, str]:
        """Problems by form field; "" for problems without a field. Counts the error in the metrics."""
        self.services.operations.count(error, self.request)
        if error.faults:
            found: dict[str, str] = {}
            for fault in error.faults:
                found.setdefault(fault.param, fault.message)
            return found
        return {error.param or "": error.message}

    # ---- the cookie

    @property
    def cookie_digest(self) -> bytes | None:
        """Digest of the session cookie, valid or not."""
        text = cookie_of(self.request, self.services.settings)
        return None if text is None else tokens.digest(text)

    def cookie(self, text: str) -> bytes:
        """The header line that signs this browser in."""
        return self._cookie(text, self.services.settings.session_lifetime * 3600)

    def no_cookie(self) -> bytes:
        """The header line that removes the cookie."""
        return self._cookie("", 0)

    def _cookie(self, text: str, seconds: int) -> bytes:
        secure = origins.is_secure(self.request, self.services.settings)
        name = tokens.cookie_name(self.services.settings, secure)
        return line(
            "Set-Cookie", f"{name}={text}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
        )


def cookie_of(request: Request, settings: Settings) -> str | None:
    """The value of our cookie. None if there is none, or several, one of which may have been planted."""
    header = request.headers.get(b"cookie")
    if header is None:
        return None
    name = tokens.cookie_name(settings, origins.is_secure(request, settings))
    parts = [part.strip().partition("=") for part in header.decode("latin-1").split(";")]
    found = [value for key, _, value in parts if key == name]
    return found[0] if len(found) == 1 and found[0] else None


def _pairs(text: str) -> list[tuple[str, str]]:
    """Fields of a form or query. Raises BadRequest."""
    try:
        found = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except (ValueError, UnicodeDecodeError):
        raise BadRequest("The form is not valid URL-encoded data, or has too many fields.") from None
    if any("\0" in name or "\0" in value for name, value in found):
        raise BadRequest("A field contains a NUL character.")
    return found
