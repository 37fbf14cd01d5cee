"""The Python client imports files to their end, with progress and the report of what was refused."""

from __future__ import annotations

import asyncio
import io
import json
import os
from pathlib import Path

import pytest
from rollbook_client import AsyncRollbook, ImportFailed, Rollbook
from rollbook_client.types import Import

from tests.harness import Server


def lines(*emails: str) -> bytes:
    return b"".join(json.dumps({"name": "Al", "email": email}).encode() + b"\n" for email in emails)


def emails(count: int) -> list[str]:
    return [f"{os.urandom(6).hex()}@example.com" for _ in range(count)]


def test_a_file_is_imported_with_progress_and_a_report(server: Server, tmp_path: Path) -> None:
    new = emails(300)
    (tmp_path / "users.ndjson").write_bytes(lines(*new, "no email"))
    seen: list[Import] = []
    with Rollbook(url=server.url, key=server.key) as client:
        job = client.imports.run(tmp_path / "users.ndjson", on_progress=seen.append, events="summary")
        assert (job.status, job.added, job.refused, job.records) == ("finished", 300, 1, 301)
        assert seen[-1] == job and job.bytes_read == job.bytes == (tmp_path / "users.ndjson").stat().st_size
        assert [(refused["line"], refused["field"]) for refused in client.imports.report(job.id)] == [(301, "email")]
        again = client.imports.run(io.BytesIO(lines(*new)), on_conflict="update")
        assert (again.added, again.unchanged) == (0, 300)
        assert [found.id for found in client.imports.list(limit=1)][:2] == [again.id, job.id]


def test_tasks_import_too_and_what_is_no_file_of_users_is_an_error(server: Server) -> None:
    async def run() -> None:
        async with AsyncRollbook(url=server.url, key=server.key) as client:
            job = await client.imports.run(lines(*emails(3), "no email"))
            assert job.added == 3 and [refused["line"] async for refused in client.imports.report(job.id)] == [4]
            with pytest.raises(ImportFailed) as failed:
                await client.imports.run(b"PK\x03\x04 a zip archive", format="csv")
            assert failed.value.job.status == "failed" and failed.value.job.error in str(failed.value)

    asyncio.run(run())


def test_an_export_has_all_users_and_the_position_to_go_on_from(server: Server) -> None:
    with Rollbook(url=server.url, key=server.key) as client:
        client.imports.run(lines(*emails(3)))
        users = client.exports.users()
        found = [user["id"] for user in users]
        assert found == [user.id for user in client.users.list()] and len(found) > 1
        client.users.update("me", metadata={"exported": True})
        follow = client.events.follow(users.event_position)
        assert next(follow).object.metadata == {"exported": True}
        follow.close()
