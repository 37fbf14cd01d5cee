"""Sign-in to an application over OpenID Connect, as its admins set it up: where answers may lead, who may sign in, what
the application is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from msgspec import UNSET

from rollbook.actions.arguments.applications import ApplicationFields
from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.config import is_loopback
from rollbook.delivery.client_documents import is_url
from rollbook.errors import InvalidParameter, NotFound
from rollbook.records import clients, events, groups, users
from rollbook.records.clients import Client, WorkingClient
from rollbook.records.events import Actor
from rollbook.records.users import User
from rollbook.storage.database import Tx

FIELDS = tuple(name for name in Client._fields if name != "user_id")
_URLS = ("redirect_urls", "post_logout_redirect_urls")
_IS_PLAIN = re.compile(r"[!-\[\]-~]+").fullmatch
_IS_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+").fullmatch
_OF_APP = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+").fullmatch
_LOOPBACK = r"(http://(?:127\.0\.0\.1|\[::1\]{}))(?::[0-9]{{1,5}})?([/?].*)?"
_LOOPBACK_IP, _LOOPBACK_NAME = (re.compile(_LOOPBACK.format(name)).fullmatch for name in ("", "|localhost"))


def given_of(on: Rollbook, fields: ApplicationFields) -> dict[str, Any]:
    """The given fields, as they are stored. Raises InvalidParameter."""
    given = {name: value for name in FIELDS if (value := getattr(fields, name)) is not UNSET}
    for name in _URLS:
        for number, url in enumerate(given.get(name, ())):
            check_url(f"{name}[{number}]", url)
    if url := given.get("backchannel_logout_url"):
        try:
            on.addresses.check_url(url)
        except ValueError as problem:
            refuse("backchannel_logout_url", str(problem).removesuffix("."))
    return {name: _stored(value) for name, value in given.items()}


def _stored(value: Any) -> Any:
    if isinstance(value, tuple):
        return " ".join(dict.fromkeys(value))
    return int(value) if isinstance(value, bool) else value


def check_url(name: str, url: str) -> None:
    """Check where an answer may lead. Raises InvalidParameter."""
    if not _IS_PLAIN(url):
        refuse(name, "must have no spaces, backslashes, or characters beyond ASCII")
    if "#" in url:
        refuse(name, "must not have a fragment")
    try:
        parts = urlsplit(url)
        host, has_port = parts.hostname or "", parts.port is None or parts.port > 0
    except ValueError:
        refuse(name, "must be a URL")
    if parts.scheme in ("https", "http"):
        if not url.startswith(f"{parts.scheme}://") or not host or not has_port or not _IS_HOST(parts.netloc):
            refuse(name, "must be a URL with a host, and without a user name")
        if parts.scheme == "http" and not is_loopback(host):
            refuse(name, "must begin with https://, unless it leads to this machine, such as http://127.0.0.1/")
    elif not _OF_APP(parts.scheme) or not url.startswith(f"{parts.scheme}:"):
        refuse(name, "must be a URL of https or, for an app, of a scheme with a dot, such as com.example.app:/")


def unreachable(issuer: str, redirect_urls: Iterable[str]) -> str:
    """The warning for an issuer that a program on another machine can't reach; "" if there is none."""
    hosts = [urlsplit(url).hostname or "localhost" for url in redirect_urls]
    if not is_loopback(urlsplit(issuer).hostname or "") or all(map(is_loopback, hosts)):
        return ""
    return "The issuer is an address of this machine, which others can't reach. Set public_url and restart the server."


async def working(on: Rollbook, client_id: str) -> WorkingClient | None:
    """An application that people can sign in to now; or an assistant by the URL of its document, named by its host."""
    if "\0" in client_id:
        return None
    if not is_url(client_id):
        return await clients.working(on.db, client_id)
    document = await on.client_documents.get(client_id)
    if document is None:
        return None
    urls = " ".join(filter(_may_lead_to, document.redirect_uris))
    return WorkingClient(urlsplit(client_id).netloc, Client(client_id, urls, public_client=1))


def _may_lead_to(url: str) -> bool:
    try:
        check_url("", url)
    except InvalidParameter:
        return False
    return True


def leads_to(url: str, client: Client) -> bool:
    """Test whether an answer may lead to this URL of a client."""
    return is_one_of(url, client.redirect_urls, _LOOPBACK_NAME if is_url(client.user_id) else _LOOPBACK_IP)


def is_one_of(url: str, urls: str, on_any_port: Callable[[str], re.Match[str] | None] = _LOOPBACK_IP) -> bool:
    """Test whether a URL is one of these, with spaces between, character by character. Programs on a person's own
    machine listen on any port (RFC 8252, section 7.3); assistants call it localhost, too."""
    registered = urls.split()
    if url in registered:
        return True
    match = on_any_port(url) if "#" not in url else None
    return match is not None and any(
        other[1] == match[1] and other[2] == match[2] for other in map(on_any_port, registered) if other is not None
    )


async def keep(tx: Tx, by: Actor, user: User, changes: Mapping[str, Any], is_new: bool = False) -> User:
    """Set up sign-in to an application, which is locked; nothing happens if that is how it is. Raises
    InvalidParameter."""
    before = await clients.of_user(tx, user.id)
    after = before._replace(**changes)
    if after == before:
        return user
    for number, id in enumerate(str(changes.get("sign_in_groups", "")).split()):
        try:
            await groups.get(tx, id)
        except NotFound:
            refuse(f"sign_in_groups[{number}]", "must be the ID of a group")
    await clients.keep(tx, after)
    shown, was = clients.public(after), clients.public(before)
    if not is_new:  # a new version, for whoever has the former one
        user = await users.change(tx, user, {"email_verified": user.email_verified})
    changed = {name: value for name, value in was.items() if shown[name] != value}
    await events.record(tx, "application.updated", user.id, by, {"id": user.id, "name": user.name, **shown}, changed)
    return user
