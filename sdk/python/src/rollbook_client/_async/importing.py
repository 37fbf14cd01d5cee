"""Imports a file of users, from sending it to the end."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO, Unpack

from .._errors import ImportFailed
from ..types import Import, ImportOptions
from .resource import AsyncResource

PART = 1 << 16
"""Bytes."""
FIRST = 0.2
LONGEST = 5.0
"""Seconds between two looks at how far an import is."""


class AsyncImporting(AsyncResource):
    async def run(
        self,
        file: str | os.PathLike[str] | BinaryIO | bytes,
        *,
        on_progress: Callable[[Import], object] | None = None,
        **options: Unpack[ImportOptions],
    ) -> Import:
        """Import users from a file, and wait until all are read.

        Args:
            file: A path, an open binary file, or bytes. It is sent as it is, in parts, however large. on_progress:
            Called with the import each time its progress was asked for, at most every 0.2 and at least every 5 seconds:
                `records` were read, `bytes_read` of `bytes`.
            options: As for `create`.

        Raises:
            ImportFailed: The file could not be read to its end, or the import was canceled. Its `job` says why, and how
            many users
                went in.

        Example:
            >>> job = await client.imports.run("users.csv", on_conflict="update")
            >>> job.added, job.updated, job.refused
        """
        job = await self._client.imports.create(file, **options)
        pause = FIRST
        while job.finished_at is None:
            await self._client._connection.clock.sleep(pause)
            pause = min(pause * 1.5, LONGEST)
            job = await self._client.imports.get(job.id)
            if on_progress is not None:
                on_progress(job)
        if job.status in ("failed", "canceled"):
            raise ImportFailed(job)
        return job


async def parts(file: str | os.PathLike[str] | BinaryIO | bytes) -> AsyncIterator[bytes]:
    """The file, for a request that is sent once."""
    if isinstance(file, bytes):
        yield file
    elif isinstance(file, (str, os.PathLike)):
        with open(file, "rb") as opened:  # noqa: ASYNC230 (without threads; a part of a local file takes microseconds)
            while part := opened.read(PART):
                yield part
    else:
        while part := file.read(PART):
            yield part
