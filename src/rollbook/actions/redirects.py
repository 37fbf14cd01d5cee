"""Destinations of people who leave our pages: only applications that whoever runs the server has named."""

from __future__ import annotations

from urllib.parse import urlsplit

from rollbook.actions.checking import refuse
from rollbook.config import Settings

_LOCAL = ("localhost", "127.0.0.1")
"""Hosts with any port and either scheme, for development: they lead no further than the person's own machine."""
_DEFAULT_PORTS = {"https": 443, "http": 80}


def check(settings: Settings, url: str | None) -> str:
    """The URL as it is kept, empty for none. Its origin must be one of `redirect_origins`. Raises InvalidParameter."""
    if url is None:
        return ""
    if not _is_local(url) and origin(url) not in settings.redirect_origins:
        refuse("redirect_url", "must lead to an origin that the setting redirect_origins has, or to localhost")
    return str(url)


def check_of_link(settings: Settings, url: str | None) -> str:
    """The same for password links: while `redirect_origins` is empty, they may lead to any https host, as before there
    was the setting."""
    if url is None or settings.redirect_origins:
        return check(settings, url)
    if not url.startswith("https:") and not _is_local(url):
        refuse("redirect_url", "must be an https URL. http is accepted on localhost and 127.0.0.1")
    return str(url)


def origin(url: str) -> str:
    """Origin of a URL, as browsers send it (RFC 6454 section 6.2). The URL has passed the pattern of
    `arguments.RedirectUrl`: what precedes the path is a scheme, a host and a port, and nothing else."""
    parts = urlsplit(url)
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"


def _is_local(url: str) -> bool:
    return urlsplit(url).hostname in _LOCAL
