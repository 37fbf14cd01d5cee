"""Bulk jobs over the API."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from msgspec import Struct

from rollbook import clock, errors
from rollbook.actions import bulk_jobs
from rollbook.actions.arguments.bulk_jobs import BulkAction, BulkJobCreate, BulkJobResults, ListBulkJobs
from rollbook.actions.arguments.rules import ONLY_RULES
from rollbook.actions.bulk_jobs import Results, UserResult, result_of
from rollbook.api import files, show
from rollbook.api.call import Call
from rollbook.api.files import File
from rollbook.api.route import Route, Special, get, post
from rollbook.auth import tokens
from rollbook.http.request import Response
from rollbook.records import bulk_jobs as bulk_job_records
from rollbook.records import examples
from rollbook.records.bulk_jobs import RefusedChange
from rollbook.records.examples import ALICE_ID
from rollbook.schemas import identifier, moment, number, open_enum, says, uri


class BulkJob(Struct, frozen=True, kw_only=True):
    """A change of many users: what it does, how far it has come, and what became of the users who are done."""

    id: Annotated[str, identifier("ID of the job.", examples.JOB_ID)]
    user_id: Annotated[str, identifier("ID of the user who created it. Null: from the command line.", ALICE_ID)] | None
    key_id: Annotated[str, identifier("ID of the API key it was created with. Null: none.", examples.KEY_ID)] | None
    action: Annotated[str, open_enum((*get_args(BulkAction), "undo_import", *ONLY_RULES), "What is done to each user.")]
    role: (
        Annotated[str, says("For `role`: the new role or, if the job undoes another one, the role that is taken back.")]
        | None
    )
    metadata: Annotated[dict[str, Any], says("For `metadata`: keys that are set, or with null removed.")] | None
    ends_at: Annotated[str, says("For `ends_at`: when they are suspended. Null: never.", format="date-time")] | None
    send: Annotated[bool, says("For `setup_links`: whether each link is mailed to its user.")]
    redirect_url: Annotated[str, uri("For `setup_links`: where users continue afterwards.")] | None
    group_id: (
        Annotated[str, identifier("For `add_to_group` and `remove_from_group`: ID of the group.", examples.GROUP_ID)]
        | None
    )
    filter: (
        Annotated[
            dict[str, Any],
            says("Which users. Of filters by email, external ID, ID or search, only the name is kept. Null: by ID."),
        ]
        | None
    )
    undoes: (
        Annotated[str, identifier("ID of the job or import that this one undoes. Null: none.", examples.JOB_ID)] | None
    )
    rule_id: Annotated[str, identifier("ID of the rule whose run it is. Null: none.", examples.RULE_ID)] | None
    status: Annotated[
        str,
        open_enum(
            ("queued", "running", "finished", "failed", "canceled"),
            "`failed`: it ended early, for the reason in `error`. Users who were changed by then stay so.",
        ),
    ]
    error: Annotated[str, says("Why it failed.")] | None
    error_code: (
        Annotated[str, says("Why it failed, for programs: the code of an error.", examples=["user_suspended"])] | None
    )
    total: Annotated[int, number("Users of the job.")]
    done: Annotated[int, number("Users who are done.")]
    changed: Annotated[int, number("Users who were changed.")]
    unchanged: Annotated[int, number("Users who were so already.")]
    refused: Annotated[int, number("Users who could not be changed. The results say why.")]
    created_at: Annotated[str, moment("When it was created.")]
    started_at: Annotated[str, moment("When it started. Null: it waits.")] | None
    finished_at: Annotated[str, moment("When it ended. Null: it waits or runs.")] | None
    results_url: Annotated[str, uri("Where its results are: a line for each user who is done.")]


BULK_RESULTS = ("user_id", "name", "email", "result", "code", "reason", "url", "expires_at")


def show_bulk_job_list(call: Call, jobs: list[bulk_job_records.BulkJob]) -> Response:
    return show.answer(200, [_bulk_job(call, job) for job in jobs])


def show_bulk_job(call: Call, job: bulk_job_records.BulkJob) -> Response:
    return show.answer(200, _bulk_job(call, job))


def show_bulk_job_created(call: Call, job: bulk_job_records.BulkJob) -> Response:
    return show.created(call, f"/v1/bulk-jobs/{job.id}", show.answer(201, _bulk_job(call, job)))


def _bulk_job(call: Call, job: bulk_job_records.BulkJob) -> BulkJob:
    url = f"{call.services.base_url(call.request)}/v1/bulk-jobs/{job.id}/results"
    return BulkJob(**bulk_job_records.public(job), results_url=url)


def show_bulk_job_results(call: Call, results: Results) -> Response:
    return show.file(results_file(results, call.services.url))


def results_file(results: Results, base_url: str) -> File:
    form = files.table(results.format, BULK_RESULTS, lambda result: _bulk_result(result, base_url))
    return File(results.format, files.written(form, results.parts))


def _bulk_result(result: UserResult, base_url: str) -> dict[str, str | None]:
    code, reason = result.outcome if isinstance(result.outcome, RefusedChange) else (None, None)
    url = expires_at = None
    if (link := result.link) is not None:
        url, expires_at = tokens.link_url(base_url, link.purpose, link.text), clock.format_time(link.expires_at)
    values = result.user_id, result.name, result.email, result_of(result.outcome), code, reason, url, expires_at
    return dict(zip(BULK_RESULTS, values, strict=True))


ROWS: dict[str, list[Route]] = {
    "/v1/bulk-jobs": [
        get(bulk_jobs.list_bulk_jobs, "users:write", ListBulkJobs, list[BulkJob], show_bulk_job_list),
        post(bulk_jobs.create_bulk_job, "users:write", BulkJobCreate, BulkJob, show_bulk_job_created).but(
            success=201,
            errors=(errors.BulkJobLimitReached, errors.NotFound),
            special=Special(max_body=524_288),
        ),
    ],
    "/v1/bulk-jobs/{jobId}": [
        get(bulk_jobs.get_bulk_job, "users:write", None, BulkJob, show_bulk_job),
    ],
    "/v1/bulk-jobs/{jobId}/results": [
        get(bulk_jobs.get_bulk_job_results, "users:write", BulkJobResults, str, show_bulk_job_results),
    ],
    "/v1/bulk-jobs/{jobId}/cancel": [
        post(bulk_jobs.cancel_bulk_job, "users:write", None, BulkJob, show_bulk_job),
    ],
    "/v1/bulk-jobs/{jobId}/undo": [
        post(bulk_jobs.undo_bulk_job, "users:write", None, BulkJob, show_bulk_job_created).but(
            success=201, errors=(errors.BulkJobLimitReached,)
        ),
    ],
}
