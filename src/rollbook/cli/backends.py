"""The interface that commands use: `folder.py` works on a data folder, `remote.py` on a running server over HTTP.

Users and keys have the same format as in the API, with all fields.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from rollbook.cli.output import Failure

if TYPE_CHECKING:
    from rollbook.cli.remote import Remote

Shown = dict[str, Any]


class Backend(Protocol):
    """All methods may raise ApiError with the message of the API, and Failure."""

    place: str
    """The options to repeat in hints: `--data DIR` or `--url URL`."""
    address: str
    """The URL of the server's API, as far as it is known."""

    def users(self, filters: Mapping[str, str], limit: int | None, offset: int) -> Iterator[Shown]:
        """Users that match the filters of `GET /v1/users`, sorted by `sort`. `limit` None: all of them."""
        ...

    def count(self, filters: Mapping[str, str]) -> int: ...

    def user(self, named: str) -> Shown:
        """By email if it contains an @, otherwise by ID."""
        ...

    def create_user(self, fields: Shown) -> Shown:
        """Without `password`, the user has no password that anyone knows."""
        ...

    def change_user(self, id: str, changes: Shown) -> Shown: ...

    def set_password(self, id: str, password: str, current: str | None) -> None:
        """`current` is for users who change their own password."""
        ...

    def password_link(self, id: str, base: str | None) -> Shown:
        """`url` and `expires_at` of a setup or password reset link. `base` is the server's URL for people; None: from the settings."""
        ...

    def delete_user(self, id: str, purge: bool) -> None: ...

    def restore_user(self, id: str) -> Shown: ...

    def keys(self, user_id: str) -> list[Shown]: ...

    def create_key(self, user_id: str, fields: Shown) -> Shown:
        """The API key, with the secret in `key`."""
        ...

    def rotate_key(self, id: str, overlap: int) -> Shown:
        """The new API key with its secret. The old one keeps working for `overlap` seconds."""
        ...

    def revoke_key(self, id: str) -> None: ...

    def events(self, filters: Mapping[str, str]) -> Iterator[Shown]:
        """Events as they happen, without end: those that `GET /v1/events/stream` sends with this `type`, `user` and `after`. What is lost for
        a while is tried again, and no event is missed."""
        ...


@contextmanager
def backend(data: Path | None, url: str | None, key: str | None, make: bool = False) -> Iterator[Backend]:
    """The server of `--url`, or of ROLLBOOK_URL without `--data`; otherwise the folder. `make`: it may be a new one."""
    if data is not None and url is not None:
        raise typer.BadParameter(
            "--data and --url can't be combined: one is a folder on this machine, the other a running server."
        )
    if url or (data is None and os.environ.get("ROLLBOOK_URL")):
        with running_server(url, key) as remote:
            yield remote
    else:
        from rollbook.cli.folder import Folder

        folder = Folder.open(data, make)
        try:
            yield folder
        finally:
            folder.close()


@contextmanager
def running_server(url: str | None, key: str | None) -> Iterator[Remote]:
    """The server of `--url` or ROLLBOOK_URL. Raises Failure."""
    from rollbook.cli.remote import Remote

    url, key = url or os.environ.get("ROLLBOOK_URL"), key or os.environ.get("ROLLBOOK_KEY")
    if not url:
        raise Failure("Name a running server: add --url, such as --url http://127.0.0.1:8000, or set ROLLBOOK_URL.")
    if not key:
        raise Failure("The server requires an API key. Set ROLLBOOK_KEY or add --key.")
    remote = Remote(url, key)
    try:
        yield remote
    finally:
        remote.close()
