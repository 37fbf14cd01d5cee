"""Frame of the pages of imports and of bulk jobs: the list, and how far a job is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Generic

from rollbook import clock
from rollbook.actions.checking import check_texts
from rollbook.records import bulk_jobs, users
from rollbook.records.background_jobs import J, job_options
from rollbook.storage.database import Queries
from rollbook.web.page_request import PageRequest

PAGE = 50
KINDS = {"queued": "info", "waiting": "info", "running": "info", "finished": "ok", "failed": "bad", "canceled": "warn"}
"""The color of a status."""


class JobView(Generic[J]):
    """A job, and the name of its creator: None of someone who is gone, or of the command line."""

    def __init__(self, job: J, by: str | None = None) -> None:
        self.found = job
        self.by = by

    @cached_property
    def options(self) -> Any:
        return job_options(self.found)

    @property
    def progress(self) -> tuple[int, int]:
        """The part of it that is done, and the whole."""
        raise NotImplementedError

    @property
    def is_over(self) -> bool:
        return self.found.finished_at is not None

    @property
    def seconds_left(self) -> int | None:
        """The seconds that are left; None while that can't be known."""
        done, total = self.progress
        if self.is_over or self.found.started_at is None or not done:
            return None
        return (clock.now() - self.found.started_at) * (total - done) // done // clock.SECOND


async def with_names(queries: Queries, view: type[JobView[J]], jobs: Sequence[J]) -> list[Any]:
    names = {id: await users.name(queries, id) for id in {job.user_id for job in jobs if job.user_id}}
    return [view(job, names.get(job.user_id or "")) for job in jobs]


async def newest(
    page: PageRequest, view: type[JobView[J]], query_type: type[Any], listed: Callable[..., Any]
) -> dict[str, Any]:
    """Context of the list of a kind: its newest jobs, or those before one."""
    before = {"before": page.query["before"]} if page.query.get("before") else {}
    jobs = await listed(page.on, page.by, check_texts(query_type, {"limit": str(PAGE), **before}))
    return {
        "found": await page.on.read(with_names, view, jobs),
        "kinds": KINDS,
        "undone": await page.on.read(bulk_jobs.undone),
        "first": not before,
        "next": f"{page.request.path}?before={jobs[-1].id}" if len(jobs) == PAGE else None,
    }
