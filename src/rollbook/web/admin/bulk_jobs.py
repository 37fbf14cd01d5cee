"""Bulk jobs: the list, each with its progress and results, and what can be done to them. `bulk` has the page that asks
before one is created."""

from __future__ import annotations

from typing import Any

from rollbook import clock
from rollbook.actions import bulk_jobs
from rollbook.actions.arguments.bulk_jobs import BulkJobResults, ListBulkJobs
from rollbook.actions.arguments.users import TIMES
from rollbook.actions.bulk_jobs import UserResult
from rollbook.actions.checking import check_texts
from rollbook.api import bulk_jobs as bulk_job_calls
from rollbook.http.request import Response
from rollbook.records import bulk_jobs as records
from rollbook.records import groups, user_rules
from rollbook.records.bulk_jobs import JOBS, BulkJob
from rollbook.roles import PERSON
from rollbook.web.admin.background_jobs import JobView, newest, with_names
from rollbook.web.admin.user_filters import asked_of, list_url
from rollbook.web.page_request import PageRequest, download_file

SECTION = "admin/bulk-jobs"
MAX_REFUSED = 50
"""Refused users who are named on the page of a job. The others are in its results."""
LISTS = {"users": "/admin/users", "invitations": "/admin/invitations", "deleted": "/admin/users/deleted"}
"""Lists in which users are selected."""
TITLES = {
    "suspend": "Suspend {}",
    "activate": "Activate {}",
    "delete": "Delete {}",
    "restore": "Restore {}",
    "role": "Change the role of {}",
    "metadata": "Change the metadata of {}",
    "ends_at": "Change the end date of {}",
    "setup_links": "Create links for {}",
    "undo_import": "Undo the import of {}",
    "add_to_group": "Add {} to a group",
    "remove_from_group": "Remove {} from a group",
    "end_sessions": "Sign out {}",
    "require_new_password": "Require a new password of {}",
    "mail": "Mail {}",
    "webhook": "Call a webhook about {}",
    "report": "Report {}",
}
_UNDONE = {by: action for action, by in bulk_jobs.UNDONE_BY.items()}
"""The action that one undoes."""
FILTERS = {
    "email": "Email",
    "external_id": "External ID",
    "ids": "IDs",
    "role": "Role",
    "status": "Status",
    "kind": "Kind",
    "created_after": "Created after",
    "created_before": "Created before",
    "q": "Search",
    "metadata": "Metadata",
    "group": "Group",
    "active_after": "Active after",
    "active_before": "Active before",
    "ends_after": "Ends after",
    "ends_before": "Ends before",
    "email_verified": "Email verified",
    "second_factor": "Second factor",
    "status_since_before": "Status since before",
}


class BulkJobView(JobView[BulkJob]):
    @property
    def title(self) -> str:
        total = f"{self.found.total:,} user{'' if self.found.total == 1 else 's'}"
        if self.found.undoes is not None and self.found.action in _UNDONE:
            return f"Undo: {TITLES[_UNDONE[self.found.action]].format(total)}"
        title = TITLES[self.found.action].format(total)
        return f"{title} to {self.options['role']}" if self.found.action == "role" else title

    @property
    def progress(self) -> tuple[int, int]:
        return self.found.done, self.found.total

    @property
    def can_be_undone(self) -> bool:
        return self.is_over and bulk_jobs.can_be_undone(self.found)

    @property
    def filters(self) -> list[tuple[str, str, int | None]]:
        """Name and value of each, and the time that the value is."""
        filters: dict[str, Any] = {"kind": PERSON} | (self.options["filter"] or {})
        return [
            (
                FILTERS.get(name, name),
                ", ".join(value) if isinstance(value, list) else str(value),
                clock.parse(value) if name in TIMES and value != "never" else None,
            )
            for name, value in filters.items()
            if (name, value) != ("kind", PERSON)
        ]


async def show_all(page: PageRequest) -> Response:
    shown = await newest(page, BulkJobView, ListBulkJobs, bulk_jobs.list_bulk_jobs)
    return page.render("admin/bulk_jobs.html", section=SECTION, **shown)


async def show_one(page: PageRequest) -> Response:
    """Raises NotFound."""
    path = LISTS.get(page.query.get("list", ""))
    back = None if path is None else list_url(asked_of(page.query), path)
    return page.render("admin/bulk_job.html", section=SECTION, back=back, **await _live(page, 0))


async def show_live(page: PageRequest) -> Response:
    """Progress of a job, for a page that is open."""
    if not page.is_htmx:
        return page.redirect(_url(page, f"/admin/bulk-jobs/{page.ids[0]}"))
    return page.render("admin/bulk_job_live.html", **await _live(page, page.next_poll()))


async def results(page: PageRequest) -> Response:
    """A file with the result for each user and, for the creator of the job, the links. Raises ApiError."""
    query = check_texts(BulkJobResults, {"format": page.query.get("format", "csv")})
    report = await bulk_jobs.get_bulk_job_results(page.on, page.by, page.ids[0], query)
    return download_file(f"rollbook-{page.ids[0]}", bulk_job_calls.results_file(report, page.on.url))


async def cancel(page: PageRequest) -> Response:
    await bulk_jobs.cancel_bulk_job(page.on, page.by, page.ids[0])
    return page.redirect(_url(page, f"/admin/bulk-jobs/{page.ids[0]}"), "bulk-job-canceled")


async def undo(page: PageRequest) -> Response:
    job = await bulk_jobs.undo_bulk_job(page.on, page.by, page.ids[0])
    await bulk_jobs.run_few(page.on, job)
    return page.redirect(_url(page, f"/admin/bulk-jobs/{job.id}"))


def _url(page: PageRequest, path: str, **more: object) -> str:
    """The URL of another page about jobs, which leads back to the same list."""
    name = page.query.get("list", "")
    return list_url(asked_of(page.query), path, list=name, **more) if name in LISTS else list_url({}, path, **more)


async def _live(page: PageRequest, polls: int | None) -> dict[str, Any]:
    """Context of the part of a page that refreshes itself."""
    job = await bulk_jobs.get_bulk_job(page.on, page.by, page.ids[0])
    [shown] = await page.on.read(with_names, BulkJobView, [job])
    undone = job.undoes and await page.on.read(JOBS.find, job.undoes)
    group_id = shown.options["group_id"]
    return {
        "shown": shown,
        "undone": BulkJobView(undone) if undone else None,
        "group": await page.on.read(groups.by_id, group_id) if group_id else None,
        "rule": await page.on.read(user_rules.find, job.rule_id) if job.rule_id else None,
        "undone_by": await page.on.read(records.undoing, job.id),
        "polls": polls,
        "job_url": _url(page, f"/admin/bulk-jobs/{job.id}"),
        "live_url": _url(page, f"/admin/bulk-jobs/{job.id}/live", n=polls),
        "cancel_url": _url(page, f"/admin/bulk-jobs/{job.id}/cancel"),
        "undo_url": _url(page, f"/admin/bulk-jobs/{job.id}/undo"),
        "refused": await _refused(page, job.id) if shown.is_over and job.refused else [],
        "may_cancel": not shown.is_over and await page.may_cancel(job.user_id),
        "has_links": bulk_jobs.shows_links(page.by, job),
        "retention_days": page.on.settings.deleted_retention,
    }


async def _refused(page: PageRequest, id: str) -> list[UserResult]:
    """The first of those who were refused."""
    query = BulkJobResults(result="refused")
    refused: list[UserResult] = []
    async for part in (await bulk_jobs.get_bulk_job_results(page.on, page.by, id, query)).parts:
        refused += part
        if len(refused) >= MAX_REFUSED:
            break
    return refused[:MAX_REFUSED]
