"""Commands about servers: `rollbook login` saves one and an API key for it, so that commands need neither `--url` nor
`--key`, `rollbook profiles` lists and `rollbook logout` forgets them, and `rollbook open` opens the dashboard of
one."""

from __future__ import annotations

import os
import platform
import sys
import webbrowser
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import click

from rollbook import clock, roles
from rollbook.cli import fields, options, profile_store, targets
from rollbook.cli.backends import Shown, at
from rollbook.cli.output import Failure, Refused, base_url, details, has_browser, hint, line, listed, program
from rollbook.cli.profile_store import Profile
from rollbook.cli.targets import ServerTarget, backend, opened, running_server

if TYPE_CHECKING:
    from rollbook.cli.remote import Remote


CHOICES = (7, 30, 90, 365)
"""Days after which a key expires that the dashboard's form offers. Others are a date."""
LOCAL = ("localhost", "127.0.0.1", "::1")


@options.command(
    None,
    "login",
    options.profile("The name to save it under."),
    options.option(
        "--url", "The server. [env: ROLLBOOK_URL; default: that of the profile, or asked for]", metavar="URL"
    ),
    options.option(
        "--key",
        "The API key; `-` reads it from standard input. [default: asked for, with a link that creates one]",
        metavar="KEY",
    ),
    options.option(
        "--scopes",
        "The scopes of the new key, such as `users:read,events:read`. [default: everything you can do]",
        metavar="A,B",
        **options.one_of(roles.SCOPES),
    ),
    options.option(
        "--expires", "When the new key expires, such as 30d.", metavar="TIME", default="90d", show_default=True
    ),
    options.option(
        "--browser/--no-browser", "Open the link in a browser, if there is one.", default=True, show_default=True
    ),
    options.file(
        "--data", "DIR", "On the server's machine: create the key in its data folder, for the user of --user."
    ),
    options.option("--user", "The user of the key, with --data.", metavar="EMAIL|ID"),
)
def app(
    profile: str,
    url: str | None,
    key: str | None,
    scopes: str | None,
    expires: str,
    browser: bool,
    data: Path | None,
    user: str | None,
) -> None:
    """Save a server and an API key, so that commands need no --url and --key.

    Prints a link to the dashboard's form for a new key, opens it in a browser if there is one, and asks for the key. It
    also works over SSH. The key is kept in your config folder, readable by you only. With several servers, give each
    its own --profile.
    """
    profile_store.check(profile)
    chosen = fields.parts(scopes or "")
    until = fields.until(expires)
    name = f"Command line on {platform.node() or 'a computer'}"[:100]
    if (data is None) != (user is None) or (data is not None and key is not None):
        raise click.BadParameter("Use --data together with --user, and without --key: it creates the key.")
    if data is not None:
        new = _created(
            data, str(user), url, {"name": name, "expires_at": until} | ({"scopes": chosen} if chosen else {})
        )
    else:
        address = _address(profile, url)
        new = _checked(address, _key_text(key, _form(address, name, chosen, until), browser))
    path = profile_store.save(profile, new)
    details({"profile": profile, **profile_store.as_known(new.public())})
    hint(f"Saved in {path}. Commands use it {_use(profile)}")


def _address(profile: str, url: str | None) -> str:
    """The server. Raises Failure."""
    url = url or os.environ.get("ROLLBOOK_URL")
    if url is None and (saved := profile_store.find(profile)) is not None:
        return saved.url
    if url is None and sys.stdin.isatty():
        url = input("URL of the server: ")
    if not url:
        raise Failure(f"Name the server: {program()} login --url https://rollbook.example.com")
    address = base_url(url)
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname not in LOCAL:
        hint(f"Warning: {address} is not encrypted. Whoever can listen on the network can read the key. Use https.")
    return address


def _form(address: str, name: str, scopes: list[str], until: str) -> str:
    """The dashboard's form for a new key, with these values filled in."""
    days = round((clock.parse(until) - clock.now()) / clock.DAY)
    expiry = {"expires": str(days)} if days in CHOICES else {"expires": "date", "expires_on": until[:10]}
    return f"{address}/account/keys/new?{urlencode({'name': name, **expiry, 'scopes': ','.join(scopes)})}"


def _key_text(text: str | None, form: str, browser: bool) -> str:
    """The key: as given, from standard input, or typed without being shown."""
    if text not in (None, "-"):
        return text
    if text == "-" or not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    hint(f"Create a key here, then copy it:\n\n  {form}\n")
    if browser and has_browser():
        webbrowser.open(form)
    return getpass("Paste the key (it stays hidden): ").strip()


def _checked(address: str, key: str) -> Profile:
    """Raises Failure if the server doesn't accept the key."""
    if not key:
        raise Failure("No key was given. Nothing was saved.")
    with opened(ServerTarget(address, key)) as server:
        key_record = _current_key(server)
        try:
            user = server.user("me")["email"]
        except Refused:  # the scopes of the key leave it out
            user = None
    return _profile(address, key, user, key_record)


def _current_key(server: Remote) -> Shown:
    """The key of these requests; empty if it works, but may not read itself."""
    try:
        return server.one("GET", at("keys", "current"))
    except Refused as refused:
        if refused.code == "insufficient_scope":
            return {}
        raise


def _created(data: Path, user: str, url: str | None, fields: Shown) -> Profile:
    """Profile with a new key of the data folder."""
    with backend(data, None, None, None) as folder:
        owner = folder.user(user)
        key = folder.one("POST", "/v1/keys", body={**fields, "user_id": owner["id"]})
        return _profile(base_url(url or folder.address), key["key"], owner["email"], key)


def _profile(address: str, key: str, user: str | None, key_record: Shown) -> Profile:
    return Profile(
        url=address,
        key=key,
        key_id=key_record.get("id"),
        user=user,
        scopes=key_record.get("scopes"),
        expires_at=key_record.get("expires_at"),
    )


def _use(profile: str) -> str:
    if profile == profile_store.DEFAULT:
        return "where nothing else is named and there is no data folder."
    return f"with --profile {profile}."


@options.command(None, "open", options.DATA, options.URL, options.PROFILE)
def open_dashboard(data: Path | None, url: str | None, profile: str | None) -> None:
    """Open the dashboard in the browser, and print its URL.

    The server is the one that runs on the data folder, or that --url or --profile names. Without a display, the URL is
    only printed.
    """
    address = targets.dashboard(data, url, profile)
    line(address)
    if has_browser():
        webbrowser.open(address)


COLUMNS = ("name", "url", "user", "expires_at", "scopes", "key_id")


@options.command(None, "profiles", options.JSON, options.option("--quiet -q", "Print only the names."))
def profiles(json: bool, quiet: bool) -> None:
    """List the profiles that `rollbook login` saved, without the keys."""
    records = [{"name": name, **profile_store.get(name).public()} for name in profile_store.names()]
    empty = f"No profiles yet. To create one: {program()} login"
    listed(records, COLUMNS, json, quiet, id="name", row=profile_store.as_known, empty=empty)


@options.command(
    None,
    "logout",
    options.profile("The profile."),
    options.option("--revoke", "Revoke the key on the server first, for everyone who uses it."),
)
def logout(profile: str, revoke: bool) -> None:
    """Forget a profile and its API key. The key keeps working, unless you add --revoke."""
    saved = profile_store.get(profile)
    if revoke:
        if saved.key_id is None:
            raise Failure(f"The scopes of this key don't allow revoking it. Revoke it at {saved.url}/account/keys.")
        with running_server(None, None, profile) as server:
            server.ask("DELETE", at("keys", saved.key_id))
    profile_store.remove(profile)
    if revoke:
        hint(f"Forgot the profile {profile}, and revoked its key.")
    else:
        page = "" if saved.key_id is None else f"/{saved.key_id}"
        hint(f"Forgot the profile {profile}. Its key still works. You can revoke it at {saved.url}/account/keys{page}.")
