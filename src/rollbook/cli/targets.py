"""Decides what a command works on: a data folder, or the running server of a URL or a profile."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from rollbook import clock, config
from rollbook.cli import profile_store, server_address
from rollbook.cli.backends import Backend
from rollbook.cli.output import Failure, base_url, hint, program, where
from rollbook.cli.profile_store import Profile
from rollbook.cli.tables import when

if TYPE_CHECKING:
    from rollbook.cli.remote import Remote

SOON = 7 * clock.DAY
"""A key of a profile that expires within this is pointed out at a terminal."""


@contextmanager
def backend(
    data: Path | None, url: str | None, key: str | None, profile: str | None, make: bool = False
) -> Iterator[Backend]:
    """Open the target of a command: the first of `--data`, `--url` or `--profile`; ROLLBOOK_URL; ROLLBOOK_PROFILE; a
    data folder or database that is there; the default profile; the data folder. `make`: the folder may be a new one."""
    _refuse_two(data, url, profile)
    if data is None and (server := _running(url, key, profile) or _by_default()):
        with opened(server) as remote:
            yield remote
    else:
        from rollbook.cli.folder import Folder

        with closing(Folder.open(data, make)) as folder:
            yield folder


@contextmanager
def running_server(url: str | None, key: str | None, profile: str | None) -> Iterator[Remote]:
    """The server of `--url` or `--profile`, ROLLBOOK_URL, ROLLBOOK_PROFILE, or the default profile. Raises Failure."""
    _refuse_two(None, url, profile)
    server = _running(url, key, profile) or _default_profile()
    if server is None:
        address = server_address.find(config.load()[0].data) or "http://127.0.0.1:8000"
        raise Failure(
            f"This is done by a running server, not on a folder. Add --url {address} with an API key in ROLLBOOK_KEY, "
            f"or sign in once: {_login(address)}"
        )
    with opened(server) as remote:
        yield remote


def dashboard(data: Path | None, url: str | None, profile: str | None) -> str:
    """The URL of a server's dashboard. It needs no API key, unlike the commands. Raises Failure, ConfigurationError."""
    _refuse_two(data, url, profile)
    if data is None:
        if url := url or (os.environ.get("ROLLBOOK_URL") if profile is None else None):
            return base_url(url)
        if profile := profile or os.environ.get("ROLLBOOK_PROFILE"):
            return profile_store.get(profile).url
    settings, _ = config.load({"data": data})
    if address := server_address.find(settings.data):
        return settings.public_url.rstrip("/") or address
    if data is None and (saved := profile_store.find(profile_store.DEFAULT)):
        return saved.url
    raise Failure(
        f"No server is running on {settings.data}. Start it with `{program()} serve{where(settings)}`, or name "
        "another one with --data, --url or --profile."
    )


def _refuse_two(data: Path | None, url: str | None, profile: str | None) -> None:
    """Raises BadParameter."""
    if data is not None and url is not None:
        raise click.BadParameter(
            "--data and --url can't be combined: one is a folder on this machine, the other a running server."
        )
    if data is not None and profile is not None:
        raise click.BadParameter("--data and --profile can't be combined: a profile stands for a running server.")
    if url is not None and profile is not None:
        raise click.BadParameter("--url and --profile can't be combined: a profile has its own URL and key.")


class ServerTarget(NamedTuple):
    """A running server, the key to use, and the profile they come from."""

    url: str
    key: str
    profile: str | None = None


def _running(url: str | None, key: str | None, profile: str | None) -> ServerTarget | None:
    """The server that options or variables name."""
    url = url or (os.environ.get("ROLLBOOK_URL") if profile is None else None)
    if url:
        key = key or os.environ.get("ROLLBOOK_KEY")
        if not key:
            raise Failure("The server requires an API key. Set ROLLBOOK_KEY or add --key, or sign in: " + _login(url))
        return ServerTarget(url, key)
    if profile := profile or os.environ.get("ROLLBOOK_PROFILE"):
        return _of(profile, profile_store.get(profile))
    return None


def _by_default() -> ServerTarget | None:
    """The default profile, unless this is a place where a command without options works on a folder or database."""
    server = _default_profile()
    if server is None or "ROLLBOOK_DATA" in os.environ:
        return None
    settings, _ = config.load()
    return None if settings.database or settings.sqlite_file.exists() else server


def _default_profile() -> ServerTarget | None:
    profile = profile_store.find(profile_store.DEFAULT)
    return None if profile is None else _of(profile_store.DEFAULT, profile)


def _of(name: str, profile: Profile) -> ServerTarget:
    if profile.expires_at is not None and sys.stderr.isatty():
        left = clock.parse(profile.expires_at) - clock.now()
        if 0 < left < SOON:
            hint(
                f"The key of profile {name} expires at {when(profile.expires_at)}. To replace it: {program()} login "
                f"--profile {name}"
            )
    return ServerTarget(profile.url, profile.key, name)


def _login(url: str) -> str:
    return f"{program()} login --url {shlex.quote(url)}"


@contextmanager
def opened(target: ServerTarget) -> Iterator[Remote]:
    from rollbook.cli.remote import Remote

    with closing(Remote(*target)) as remote:
        try:
            yield remote
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as problem:
            raise remote.unlike_rollbook(problem) from problem
