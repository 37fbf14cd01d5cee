"""Requests and responses as the integrations exchange them with a framework, and the rules that all of them keep: local
redirects, forms of the same site only, and cookies that scripts can't read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

if TYPE_CHECKING:
    from ..types import SessionTokens

MAX_BODY = 65_536
"""Bytes of a form."""
COOKIE, SECURE_COOKIE = "session", "__Host-session"
"""Browsers accept the second one only over TLS, without a domain: no other subdomain can set it."""
_TOKENS = re.compile(r"(rbs_[\w-]{1,96})\.(rbr_[\w-]{1,96})", re.ASCII)
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Request(NamedTuple):
    """A request, as far as signing in reads it."""

    method: str
    path: str
    query: str
    scheme: str
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes = b""
    address: str | None = None
    """IP address of the person."""

    @property
    def is_json(self) -> bool:
        return self._type == "application/json"

    @property
    def _type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def fields(self) -> dict[str, str] | None:
        """The fields of a form or of a JSON object; None if the body is something else."""
        if self._type == "application/x-www-form-urlencoded":
            return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        try:
            values = json.loads(self.body) if self.is_json else None
        except ValueError:
            return None
        if not isinstance(values, dict):
            return None
        return {name: value for name, value in values.items() if isinstance(value, str)}

    def next(self) -> str:
        """The page to go on to, after signing in."""
        return local(dict(parse_qsl(self.query)).get("next", ""))

    def is_from_here(self, url: str | None) -> bool:
        """Test whether a page of this application sent the request, or no browser did. Forms of other sites, and of
        other subdomains, are told apart by what browsers say of them (Fetch Metadata, RFC 6454)."""
        if site := self.headers.get("sec-fetch-site"):
            return site in ("same-origin", "none")
        if (origin := self.headers.get("origin")) is None:
            return True
        here = (urlsplit(url).netloc if url else self.headers.get("host", "")).lower()
        return here != "" and origin.partition("://")[2] == here

    def needs_tls(self, url: str | None) -> bool:
        """Test whether the cookie is for TLS only: everywhere but on the machine of a developer."""
        if url:
            return url.startswith("https:")
        host = self.headers.get("host", "").rpartition("@")[2]
        name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
        return self.scheme == "https" or self.headers.get("origin", "").startswith("https:") or name not in _LOOPBACK

    def tokens(self, url: str | None) -> tuple[str, str] | None:
        """The token and the refresh token of the cookie."""
        pairs = [pair.strip().partition("=") for pair in self.headers.get("cookie", "").split(";")]
        names = (SECURE_COOKIE,) if self.needs_tls(url) else (SECURE_COOKIE, COOKIE)
        for wanted in names:
            for name, _, value in pairs:
                if name == wanted and (tokens := _TOKENS.fullmatch(value)):
                    return tokens[1], tokens[2]
        return None


class Response(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: str = ""


class Html(str):
    """Text that Jinja and Django put on a page as it is."""

    def __html__(self) -> str:
        return self


class Page(NamedTuple):
    """A page for `page=` to render: `title`, `problem` and `notice` as text, `form` as HTML."""

    title: str
    form: Html = Html()
    problem: str = ""
    notice: str = ""


def local(path: str) -> str:
    """The path, if it leads to this application, otherwise `/`. Browsers read a backslash as a slash, and skip control
    characters."""
    return path if re.fullmatch(r"/(?![/\\])[!-~]*", path) else "/"


def sign_in_path(request: Request) -> str:
    """The page to sign in on, which leads back to this one."""
    path = quote(request.path, safe="/%") + (f"?{request.query}" if request.query else "")
    return f"/sign-in?next={quote(path, safe='/')}"


def cookie(request: Request, url: str | None, session: SessionTokens | None) -> tuple[str, str]:
    """The header that keeps a session in the browser, or removes it."""
    secure = request.needs_tls(url)
    value, age = "", 0
    if session is not None:
        value = f"{session.token}.{session.refresh_token}"
        age = max(60, int((session.refresh_expires_at - datetime.now(UTC)).total_seconds()))
    parts = [f"{SECURE_COOKIE if secure else COOKIE}={value}", "Path=/", f"Max-Age={age}", "HttpOnly", "SameSite=Lax"]
    return "Set-Cookie", "; ".join([*parts, *(["Secure"] if secure else [])])


def redirect(path: str, *headers: tuple[str, str]) -> Response:
    return Response(303, [("Location", path), ("Cache-Control", "no-store"), *headers])


def as_json(status: int, values: Mapping[str, Any], *headers: tuple[str, str]) -> Response:
    type = ("Content-Type", "application/json")
    return Response(status, [type, ("Cache-Control", "no-store"), *headers], json.dumps(values))


def as_html(status: int, body: str, *headers: tuple[str, str]) -> Response:
    always = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "same-origin"),
        ("Content-Security-Policy", "frame-ancestors 'none'"),
    ]
    return Response(status, [*always, *headers], body)


_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:22rem;margin:10vh auto;padding:0 1rem}"
    "input,button{font:inherit;display:block;width:100%;box-sizing:border-box;margin:.25rem 0 1rem;padding:.5rem}"
    ":root{color-scheme:light dark}[role=alert]{border-left:.25rem solid #c00;padding-left:.75rem}"
)


def plain(page: Page) -> str:
    """A page without a layout of yours."""
    said = f'<p role="alert">{escape(page.problem)}</p>' if page.problem else ""
    said += f'<p role="status">{escape(page.notice)}</p>' if page.notice else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(page.title)}</title><style>{_STYLE}</style><h1>{escape(page.title)}</h1>{said}{page.form}"
    )


_LABELS = {
    "name": ("Name", "text", "name"),
    "email": ("Email", "email", "username"),
    "password": ("Password", "password", "current-password"),
    "new-password": ("Password", "password", "new-password"),
    "code": ("Code from your authenticator app, or a recovery code", "text", "one-time-code"),
}


def form(action: str, button: str, names: tuple[str, ...], values: Mapping[str, str], *more: str) -> Html:
    """A form with these fields; values of other names are hidden in it."""
    parts = [f'<form method="post" action="{escape(action)}">']
    for name, value in values.items():
        if name not in names:
            parts.append(f'<input type="hidden" name="{name}" value="{escape(value)}">')
    for name in names:
        label, type, autocomplete = _LABELS[name]
        value = f' value="{escape(values[name])}"' if name in values else ""
        attributes = f'type="{type}" name="{name.removeprefix("new-")}"{value} autocomplete="{autocomplete}"'
        parts.append(f"<label>{label}<input {attributes} required></label>")
    return Html("".join([*parts, f"<button>{button}</button></form>", *more]))
