"""A request to a page, as its handler sees it: who is signed in, what was sent, and how to respond."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

from msgspec import Struct

from rollbook import clock
from rollbook.actions import keys, permissions
from rollbook.actions.checking import check
from rollbook.actions.principal import Principal, stranger
from rollbook.actions.second_factors import Duty
from rollbook.actions.sessions import Browser, SignedIn
from rollbook.api.call import Services
from rollbook.api.files import File
from rollbook.auth import key_format, tokens
from rollbook.config import LanguageCode, Settings
from rollbook.errors import ApiError, BadRequest, Forbidden, UnsupportedMediaType
from rollbook.http import coding, origins
from rollbook.http.request import PRIVATE, Chunks, Request, Response, Stream, line
from rollbook.http.routing import Ids
from rollbook.languages import ENGLISH, Language, chosen, language, named
from rollbook.records.sessions import Session
from rollbook.records.users import User
from rollbook.roles import OF_READERS, ROLES
from rollbook.web import assets, notices, templates, zones
from rollbook.web.notices import NOTICES, Notice
from rollbook.web.zones import Zone

HTML = b"Content-Type: text/html; charset=utf-8\r\n"
FORM = b"application/x-www-form-urlencoded"
MAX_FIELDS = 200
MAX_POLLS = 600
"""Refreshes of an open page, up to half an hour: an unattended browser must not keep its session alive."""
# Only our own files, no inline scripts or styles, and no framing (CSP level 3).
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
# For pages whose URL may hold a secret: it is not sent with the requests for our own files either, which a proxy may
# log.
SAFE_SECRET = SAFE.replace(b"Referrer-Policy: same-origin", b"Referrer-Policy: strict-origin")
# How the paths of pages begin that the application's customers see: these have its brand, and the reader's language.
CUSTOMER_PAGES = (
    "/account/sign-in",
    "/account/forgot-password",
    "/account/set-password",
    "/account/invitation",
    "/account/confirm-email",
    "/account/not-me",
    "/account/stop-email-change",
    "/account/assistants/consent",
    "/account/delete",
    "/oauth2/authorize",
    "/oauth2/logout",
)
# Those of the dashboard that members have, too, where they can have API keys.
KEY_PAGES = ("/account/keys", "/account/assistants", "/account/usage", "/account/requests")
# Fields of the URL that stay when a reader changes the language.
KEPT = ("token", "next")
LANGUAGE = "rollbook-language"
"""The cookie with the language that a reader has chosen."""
LANGUAGE_SECONDS = 31_536_000
VARY = b"Vary: Accept-Encoding, Accept, HX-Request\r\n"
# Compressing anything shorter saves no packet.
MIN_COMPRESSED = 1000

S = TypeVar("S", bound=Struct)


class Person(NamedTuple):
    """A person who is signed in."""

    user: User
    session: Session
    acting: str | None = None
    """Name of who acts as the user; None: it is the user."""


class PageRequest:
    def __init__(
        self, on: Services, request: Request, ids: Ids = (), person: Person | None = None, by: Principal | None = None
    ) -> None:
        self.on = on
        self.request = request
        self.ids = ids  # the values for the braces in the path, in order
        self.person = person
        self.by = by or stranger(request.address, request.id, request.trace_id)
        """The caller: the person, or a stranger."""
        self.new_cookies = b""
        """Header lines that go with the response, whatever it is."""
        self.error: ApiError | None = None
        """The error that a page tells about, see `forms.problems`. A part of a page tells it with 200."""
        self.duty: Duty | None = None
        """The second factor that the person has yet to set up."""
        self._queried = [(name, key_format.without_secrets(value)) for name, value in _pairs(request.query)]
        self.query = dict(self._queried)
        self._form: list[tuple[str, str]] | None = None

    # ---- what was sent

    @property
    def form(self) -> dict[str, str]:
        """The fields of the form; of several with one name, the last. Raises BadRequest, UnsupportedMediaType."""
        return dict(self.fields)

    def getlist(self, name: str) -> list[str]:
        """All values of a field, such as the checkboxes that are on."""
        return [value for field, value in self.fields if field == name]

    def queried(self, name: str) -> list[str]:
        """All values of a parameter of the URL."""
        return [value for parameter, value in self._queried if parameter == name]

    @property
    def has_key_in_url(self) -> bool:
        """Test whether the URL has an API key, or more of one than its public beginning."""
        return self._queried != _pairs(self.request.query)

    @property
    def url_without_blanks(self) -> str:
        """The URL as if the fields that a form of filters left blank had not been sent, and without API keys."""
        query = urlencode([(name, value) for name, value in self._queried if value])
        return self.request.path + (f"?{query}" if query else "")

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The fields of the form in order. Raises BadRequest, UnsupportedMediaType."""
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

    def next_poll(self) -> int | None:
        """The number of this refresh of a part that refreshes itself while the page is open, by htmx. None: it was the
        last."""
        before = whole_number(self.query.get("n", "0"))
        return None if before is None or before + 1 >= MAX_POLLS else before + 1

    @property
    def is_htmx(self) -> bool:
        """Test whether htmx requests a part of the page."""
        return self.request.headers.get(b"hx-request") == b"true"

    def arguments(self, kind: type[S], fields: Mapping[str, Any]) -> S:
        """The arguments of an action, from what a form says. Raises InvalidParameter with everything that is wrong with
        them."""
        return check(kind, fields, self.on.settings.password_min_length)

    # ---- for whom, in which language

    @cached_property
    def is_public(self) -> bool:
        """Test whether the page is one that customers see."""
        return self.request.path.startswith(CUSTOMER_PAGES) or self.has_own_pages

    @property
    def has_own_pages(self) -> bool:
        """Test whether this is one of the pages of a member: who has no dashboard has these, in the brand, and so is
        the refusal of all others."""
        path = self.request.path
        if self.person is None or self.may("users:read") or path.startswith(CUSTOMER_PAGES):
            return False
        if path.startswith(KEY_PAGES) and self.is_for("key holder"):
            return False
        return path.startswith(("/account", "/admin"))

    @property
    def layout(self) -> str:
        """The template of the frame."""
        return "public.html" if self.is_public else "base.html"

    @cached_property
    def language(self) -> Language:
        """The reader's; pages that only people who run or use this server see are in English."""
        return language(self.reads if self.is_public else ENGLISH)

    @property
    def reads(self) -> LanguageCode:
        """The language of the reader, for pages and mails to them."""
        accept = self.request.headers.get(b"accept-language", b"").decode("latin-1")
        asked = self._asked if named(self._asked) else cookie_named(self.request, LANGUAGE) or ""
        return chosen(asked, accept, self.on.settings.language)

    def t(self, key: str, **values: object) -> str:
        """A text in the reader's language."""
        return self.language.t(key, **values)

    @property
    def new_language(self) -> LanguageCode | None:
        """The language that a member chooses by this request."""
        code = named(self._asked) if self.has_own_pages else None
        return None if code == cookie_named(self.request, LANGUAGE) else code

    @property
    def _asked(self) -> str:
        return self.query.get("lang", "")

    def localized(self, path: str, **query: str) -> str:
        """The URL of one of these pages, in the language that this one was asked for in."""
        lang = {"lang": self._asked} if named(self._asked) else {}
        query = lang | query
        return path + (f"?{urlencode(query)}" if query else "")

    def in_language(self, code: str) -> str:
        """The URL of this page in another language."""
        sent = self.query if self.request.method == "GET" or self._form is None else dict(self._form)
        kept = sent if self.request.path.startswith("/oauth2/") else KEPT  # all that an application asks for
        parameters = {name: sent[name] for name in kept if sent.get(name)}
        return f"{self.request.path}?{urlencode({**parameters, 'lang': code})}"

    @cached_property
    def zone(self) -> Zone:
        """The reader's time zone."""
        return zones.named(cookie_named(self.request, zones.COOKIE))

    def sent_utc(self, text: str, last: bool = False) -> str:
        """The time that was typed into a field of a form of ours, in the zone that the form names, as an RFC 3339
        time."""
        return zones.named((self.query if self.request.method == "GET" else self.form).get("zone")).utc(text, last)

    # ---- who is signed in

    @property
    def me(self) -> Person:
        """The person, on pages that only people who are signed in can open."""
        assert self.person is not None
        return self.person

    def is_for(self, who: str) -> bool:
        """Test whether they are among those a page is for: everyone who is signed in, who may have API keys, owners, or
        who has this scope for every user, or for their own webhooks."""
        if who == "key holder":
            return keys.may_have_own(self.on, self.by)
        if who in OF_READERS:
            return permissions.reaches(self.by, who, self.by.user_id)
        return who == "person" or (self.by.role == "owner" if who == "owner" else self.may(who))

    def may(self, scope: str) -> bool:
        """Test whether they may do this to every user, so that pages offer nothing else. The actions decide again."""
        return permissions.reaches_all(self.by, scope)

    def may_touch(self, role: str) -> bool:
        """Test whether they may change other users with this role."""
        if not self.may("users:write"):
            return False
        try:
            permissions.may_touch(self.by, "", role)
        except Forbidden:
            return False
        return True

    def may_act_as(self, role: str) -> bool:
        """Test whether they may act as users with this role."""
        try:
            permissions.may_act_as(self.by, role)
        except Forbidden:
            return False
        return True

    async def may_cancel(self, user_id: str) -> bool:
        """Test whether they may cancel a job of this user."""
        return user_id == self.me.user.id or self.may_touch(await self.on.read(permissions.role_of, user_id))

    def roles_to_give(self) -> list[str]:
        return [role for role in ROLES if self.may_touch(role)]

    @property
    def browser(self) -> Browser:
        """The browser in which a session begins."""
        agent = self.request.headers.get(b"user-agent", b"").decode("utf-8", "replace")
        return Browser(agent, self.cookie_digest, cookie_of(self.request, self.on.settings, tokens.DEVICE), self.reads)

    # ---- how to respond

    def render(
        self,
        template: str,
        status: int = 200,
        *,
        secret: bool = False,
        error: ApiError | None = None,
        headers: bytes = b"",
        cache: bytes = PRIVATE,
        leads_to: str = "",
        **context: Any,
    ) -> Response:
        """A page, or a part of one; after an `error`, with its status and header. `secret`: the page or its URL holds a
        secret, so it is not compressed, since its length would tell about its content (BREACH), and its URL is not sent
        as a referrer. `cache` is the Cache-Control line. `leads_to` is the origin to which the response to a form of
        this page may redirect."""
        notice = self._notice if cache is PRIVATE else None
        body = templates.render(
            template,
            page=self,
            person=self.person,
            url=self.on.url,
            notice=notice,
            error=error,
            language=self.language,
            t=templates.texts(self.language),
            brand=assets.brand_of(self.on.settings),
            **{"section": "", **context},
        ).encode()
        error = error or (None if self.is_htmx else self.error)
        if error is not None:
            status, headers = error.status, headers + header_lines(error)
        safe = SAFE_SECRET if secret else SAFE
        if leads_to:
            safe = safe.replace(b"form-action 'self'", b"form-action 'self' " + leads_to.encode())
        headers += self._language_cookie if self.has_own_pages else b""
        head = HTML + cache + safe + (self._vary if self.is_public else VARY) + headers
        if notice is not None:
            head += self.set_cookie("", 0, notices.COOKIE)
        if not secret and len(body) >= MIN_COMPRESSED and (chosen := coding.accepted(self.request)):
            return Response(status, head + line("Content-Encoding", chosen), coding.compress(body, chosen))
        return Response(status, head, body)

    @property
    def _vary(self) -> bytes:
        return VARY.replace(b"\r\n", b", Accept-Language\r\n") + line("Content-Language", self.language.code)

    @property
    def _notice(self) -> Notice | None:
        """The notice to show: on whole pages only, since a part of a page has no room for it."""
        name = None if self.is_htmx else cookie_of(self.request, self.on.settings, notices.COOKIE)
        return None if name is None else notices.found(name)

    def redirect(
        self, path: str, notice: str | None = None, headers: bytes = b"", count: int | None = None, undo: str = ""
    ) -> Response:
        """Redirect to another page of ours (303: with GET), which shows the notice of this name, with a number of users
        where it is about many, and a button that puts back the event `undo`."""
        if notice is not None:
            assert notice in NOTICES
            text = f"{notice}.{'' if count is None else count}.{undo}".rstrip(".")
            headers += self.set_cookie(text, notices.SECONDS, notices.COOKIE)
        location = line("Location", quote(path, safe="/?&=%:,+~@-._#"))
        if self.is_htmx:
            # htmx would follow a 303 and put the whole page into a part of this one.
            return Response(204, location.replace(b"Location:", b"HX-Redirect:") + PRIVATE + headers)
        return Response(303, location + PRIVATE + SAFE + headers)

    def leave(self, url: str, headers: bytes = b"") -> Response:
        """Redirect to another site (303: with GET), whose URL has been checked."""
        return Response(303, line("Location", url) + PRIVATE + SAFE + headers)

    # ---- the cookies

    @property
    def cookie_digest(self) -> bytes | None:
        """Digest of the session cookie that was sent, valid or not."""
        text = cookie_of(self.request, self.on.settings)
        return None if text is None else tokens.digest(text)

    def cookies(self, signed_in: SignedIn) -> bytes:
        """The header lines that sign this browser in, let it be known at the next sign-in, and name its time zone, if
        the form does."""
        session = self.set_cookie(signed_in.token, self.on.settings.session_lifetime * 3600)
        zone = zones.cookie(self.form["zone"]) if "zone" in self.form else b""
        device = self.set_cookie(signed_in.device, tokens.DEVICE_VALID // clock.SECOND, tokens.DEVICE)
        return session + device + zone + self._language_cookie

    @property
    def _language_cookie(self) -> bytes:
        """The header line that remembers the language that the URL names, for people who are signed in."""
        code = named(self._asked)
        return (
            line("Set-Cookie", f"{LANGUAGE}={code}; Path=/; Max-Age={LANGUAGE_SECONDS}; SameSite=Lax") if code else b""
        )

    def set_cookie(self, text: str, seconds: int, of: str = "") -> bytes:
        """The header line that sets a cookie of ours for this long; `of` is the end of its name."""
        secure = origins.is_secure(self.request, self.on.settings)
        name = tokens.cookie_name(self.on.settings, secure) + of
        return line(
            "Set-Cookie",
            f"{name}={text}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}",
        )


def cookie_of(request: Request, settings: Settings, of: str = "") -> str | None:
    """The value of the session's cookie, or of the one whose name ends with `of`; None when there is none, or several,
    one of which another site may have set."""
    return cookie_named(request, tokens.cookie_name(settings, origins.is_secure(request, settings)) + of)


def cookie_named(request: Request, name: str) -> str | None:
    header = request.headers.get(b"cookie")
    if header is None:
        return None
    parts = [part.strip().partition("=") for part in header.decode("latin-1").split(";")]
    values = [value for key, _, value in parts if key == name]
    return values[0] if len(values) == 1 and values[0] else None


def download(name: str, content_type: str, content: bytes | Chunks) -> Response:
    """A file to save."""
    head = (
        line("Content-Type", content_type)
        + line("Content-Disposition", f'attachment; filename="{name}"')
        + PRIVATE
        + SAFE
    )
    return Response(200, head, content) if isinstance(content, bytes) else Response(200, head, stream=Stream(content))


def download_file(name: str, file: File) -> Response:
    return download(f"{name}.{file.format}", file.content_type, file.parts)


def minute() -> str:
    """The current one, for the name of a file: `2023-10-27T1000` (UTC)."""
    return clock.format_time(clock.now())[:16].replace(":", "")


def whole_number(text: str, digits: int = 18) -> int | None:
    """The number that a URL or a form has; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None


def header_lines(error: ApiError) -> bytes:
    """The header fields of an error."""
    return b"".join([line(name, value) for name, value in error.headers.items()])


def _pairs(text: str) -> list[tuple[str, str]]:
    """Fields of a form or query. Raises BadRequest."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except (ValueError, UnicodeDecodeError):
        raise BadRequest("The form is not valid URL-encoded data, or has too many fields.") from None
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise BadRequest("A field contains a NUL character.")
    return pairs


def accepts_html(request: Request) -> bool:
    """Test whether the client is a browser and not a program."""
    return b"text/html" in request.headers.get(b"accept", b"")
