"""What commands ask for, whoever does it: a data folder here, or a running server over HTTP.

Users and keys go in and out as the API shows them, all fields of a user included.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import typer

from rollbook.cli.output import Failure

Shown = dict[str, Any]


class Backend(Protocol):
    """Each may raise ApiError with the sentence the API answers, and Failure."""

    place: str
    """The options that lead here, to be repeated in hints: `--data DIR` or `--url URL`."""
    address: str
    """Where the API of this server is found, as far as is known here."""

    def users(self, filters: Mapping[str, str], limit: int | None, offset: int) -> Iterator[Shown]:
        """Users in the order asked for (`sort`), those that pass the filters of `GET /v1/users`; None for all there are."""
        ...

    def count(self, filters: Mapping[str, str]) -> int: ...

    def user(self, named: str) -> Shown:
        """By id, or by e-mail when there is an @ in it."""
        ...

    def create_user(self, fields: Shown) -> Shown:
        """Without `password`, it has none that anybody knows."""
        ...

    def change_user(self, id: str, changes: Shown) -> Shown: ...

    def set_password(self, id: str, password: str) -> None: ...

    def password_link(self, id: str, base: str | None) -> Shown:
        """`url` and `expires_at` of a link that sets its password once. `base` is where people reach the server; None: as it is set."""
        ...

    def delete_user(self, id: str, purge: bool) -> None: ...

    def restore_user(self, id: str) -> Shown: ...

    def keys(self, user_id: str) -> list[Shown]: ...

    def create_key(self, user_id: str, fields: Shown) -> Shown:
        """The key with its text in `key`."""
        ...

    def rotate_key(self, id: str, overlap: int) -> Shown:
        """The new key with its text; the old one goes on for `overlap` seconds."""
        ...

    def revoke_key(self, id: str) -> None: ...


@contextmanager
def backend(data: Path | None, url: str | None, key: str | None, make: bool = False) -> Iterator[Backend]:
    """The server that `--url` names, or ROLLBOOK_URL when there is no `--data`; else the folder. `make`: it may be a new one."""
    if data is not None and url is not None:
        raise typer.BadParameter("--data and --url cannot go together: the one is a folder here, the other a running server.")
    if data is None:
        url = url or os.environ.get("ROLLBOOK_URL")
    if url:
        from rollbook.cli.remote import Remote

        key = key or os.environ.get("ROLLBOOK_KEY")
        if not key:
            raise Failure("A server asks for an API key: set ROLLBOOK_KEY, or add --key.")
        remote = Remote(url, key)
        try:
            yield remote
        finally:
            remote.close()
    else:
        from rollbook.cli.folder import Folder

        folder = Folder.open(data, make)
        try:
            yield folder
        finally:
            folder.close()
