"""`Backend` for a data folder: answers the calls itself, on the server's files or its PostgreSQL."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlencode

import msgspec

from rollbook import config
from rollbook.actions import exports, stored_settings
from rollbook.actions.arguments.users import ExportUsers
from rollbook.actions.checking import check_texts
from rollbook.actions.principal import CLI
from rollbook.api.exports import form_of
from rollbook.api.local import Local
from rollbook.cli import server_address
from rollbook.cli.backends import Answer, Backend, Body, ExportFile, Shown
from rollbook.cli.output import Failure, counted, where
from rollbook.config import Settings
from rollbook.errors import NotFound
from rollbook.first_start import open_database
from rollbook.gate import Gate
from rollbook.http.request import Request, Response
from rollbook.records.connect import address, exists
from rollbook.storage import migrate
from rollbook.storage.database import Database

if TYPE_CHECKING:
    from rollbook.cli.imports import FileImport
    from rollbook.mcp.protocol import Protocol

T = TypeVar("T")

_NEXT = re.compile(rb'<[^>?]*\?([^>]*)>; rel="next"').search
_KIND = re.compile(rb"Content-Type: ([^\r;]*)").search
_ENDS = re.compile(rb"X-Dry-Run-Ends: ([^\r]*)").search
_POSITION = re.compile(rb"(?:Request|Event)-Position: ([^\r]*)").search


class Folder(Backend):
    """Everyone who can write to the files has full access."""

    is_operator = True

    @classmethod
    def open(cls, data: Path | None, make: bool) -> Folder:
        """Raises ConfigurationError, DatabaseUnusable, Failure."""
        settings, _ = config.load({"data": data})
        is_new = make and not exists(settings)
        folder = cls(settings, open_existing(settings) if not make else open_database(settings))
        folder.is_new = is_new
        return folder

    def __init__(self, settings: Settings, db: Database) -> None:
        super().__init__()
        self.flags = where(settings).strip()
        running = server_address.find(settings.data)
        self.address = settings.public_url.rstrip("/") or running or settings.url
        self.location = address(settings)
        self._settings = settings
        self._local = Local(settings, db, CLI)
        self._on = self._local.services
        self._run(stored_settings.refresh(self._on))
        self.sends_mail, self.runs = self._on.settings.sends_mail, running is not None
        self._protocol: Protocol | None = None

    def close(self) -> None:
        self._on.db.close()

    def _ask(self, method: str, path: str, query: Mapping[str, Any] | None, body: Shown | None) -> Answer:
        response = self._response(method, path, query or {}, body)
        following, position, ends = _NEXT(response.head), _POSITION(response.head), _ENDS(response.head)
        return Answer(
            response.status,
            msgspec.json.decode(response.body) if response.body else None,
            "" if following is None else following[1].decode(),
            "" if position is None else position[1].decode(),
            "" if ends is None else ends[1].decode(),
        )

    @contextmanager
    def body(self, method: str, path: str, query: Mapping[str, Any], body: Any = None) -> Iterator[Body]:
        response = self._response(method, path, query, body)
        kind = _KIND(response.head)
        try:
            parts = iter((response.body,)) if response.stream is None else self._each(aiter(response.stream.chunks))
            yield Body("" if kind is None else kind[1].decode(), parts)
        finally:
            if response.stream is not None:
                self._run(response.stream.chunks.aclose())
                self._run(_end_tasks())

    def _response(self, method: str, path: str, query: Mapping[str, Any], body: Any) -> Response:
        sent = b"" if body is None else msgspec.json.encode(body)
        try:
            return self._run(self._local.call(method, unquote(path), urlencode(query), sent))
        except NotFound as problem:
            missing = self.missing(path) if problem.message == NotFound.message else None
            raise NotFound(missing or f"{problem.message} ({path} in {self.location})") from None

    def link(self, path: str, base: str | None, body: Shown) -> Shown:
        self._on.url = base or self.address
        return self.one("POST", path, body=body)

    def import_users(self, task: FileImport) -> None:
        from rollbook.cli.imports import load

        load(self._on, task)

    def mcp(self, message: Any, is_read_only: bool) -> Shown | None:
        if self._protocol is None:
            from rollbook.mcp.protocol import Protocol

            self._protocol = Protocol(self._on, Gate(self._on))
        request = Request("POST", "/mcp", "", {}, b"", CLI.address, True, "", 0)
        return self._run(self._protocol.answer(message, CLI.caller, request, is_read_only, has_headers=False)).content

    def events(self, filters: Mapping[str, str]) -> Iterator[Shown]:
        try:
            yield from self.followed("/v1/events", filters, filters.get("after"))
        finally:
            self._run(_end_tasks())

    @contextmanager
    def export(self, query: Mapping[str, str], with_hashes: bool) -> Iterator[ExportFile]:
        typed = check_texts(ExportUsers, query)
        export = self._run(exports.export_users(self._on, CLI, typed, form_of(typed.format, with_hashes), with_hashes))
        try:
            yield ExportFile(str(export.position), self._each(aiter(export.parts)))
        finally:
            self._run(export.parts.aclose())

    def _each(self, parts: AsyncIterator[bytes]) -> Iterator[bytes]:
        while (part := self._run(_next_of(parts))) is not None:
            yield part

    def _run(self, action: Coroutine[Any, Any, T]) -> T:
        return self._on.run(action)


async def _next_of(parts: AsyncIterator[bytes]) -> bytes | None:
    """The next part; None at the end."""
    return await anext(parts, None)


async def _end_tasks() -> None:
    """Cancel the tasks that wait for events in the background."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def open_existing(settings: Settings) -> Database:
    """An existing database. Raises DatabaseUnusable, Failure."""
    db = open_database(settings, make=False)
    if waiting := migrate.pending(db):
        db.close()
        raise Failure(
            f"The database needs {counted(len(waiting), 'migration')} of this version. Run: rollbook "
            f"migrate{where(settings)}"
        )
    return db
