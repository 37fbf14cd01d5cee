"""Imports over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, get_args

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import astuple, replace

from rollbook import errors
from rollbook.actions import bulk_jobs, imports
from rollbook.actions.arguments.imports import (
    AbsentSuspend,
    AbsentUsers,
    ImportFormat,
    ImportOptions,
    ImportReport,
    ListImports,
)
from rollbook.actions.import_sources import OWN_FILE, SYSTEMS
from rollbook.actions.imports import ImportDetails, RefusedRows, Report
from rollbook.api import files, show
from rollbook.api.bulk_jobs import BulkJob, show_bulk_job_created
from rollbook.api.call import Call
from rollbook.api.files import File
from rollbook.api.route import Route, Special, get, post
from rollbook.http.request import Response
from rollbook.records import examples
from rollbook.records import imports as import_records
from rollbook.records.examples import ALICE_ID
from rollbook.records.imports import Refusal
from rollbook.schemas import array, identifier, moment, number, open_enum, says, uri


class ImportColumn(Struct, frozen=True):
    """A column of an imported file, or a name of its JSON objects, and what becomes of it."""

    name: Annotated[str, says("Its name in the file.", examples=["Mail"])]
    outcome: Annotated[
        str,
        open_enum(
            ("kept", "mapped", "ignored"),
            "`kept`: under its name. `mapped`: elsewhere, as `target` says. `ignored`: not at all, for the `reason`.",
        ),
    ]
    target: Annotated[str, says("The fields that come from it.", examples=["email"])] | None
    reason: (
        Annotated[str, says("Why it is ignored, or only for new users.", examples=["Left out by the mapping."])] | None
    )


class Import(Struct, frozen=True, kw_only=True):
    """An import of users: how its file is read, how far it has come, and what became of the records read so far."""

    id: Annotated[str, identifier("ID of the import.", examples.IMPORT_ID)]
    user_id: (
        Annotated[str, identifier("ID of the user who requested it. Null: from the command line.", ALICE_ID)] | None
    )
    key_id: Annotated[str, identifier("ID of the API key it was requested with. Null: none.", examples.KEY_ID)] | None
    status: Annotated[
        str,
        open_enum(
            ("waiting", "running", "finished", "failed", "canceled"),
            "`failed`: it stopped, for the reason in `error`. What was imported by then stays.",
        ),
    ]
    error: Annotated[str, says("Why it failed. In events always null: `error_code` says it there.")] | None
    error_code: (
        Annotated[
            str,
            says("Why it failed, for programs: the code of an error, or `file_lost`.", examples=["invalid_parameter"]),
        ]
        | None
    )
    source: Annotated[str, open_enum((OWN_FILE, *SYSTEMS), "The system that the file was exported from.")]
    format: Annotated[str, open_enum(get_args(ImportFormat), "The file's format, as requested.")]
    match: Annotated[str, open_enum(("email", "external_id"), "How users who exist are recognized.")]
    on_conflict: Annotated[str, open_enum(("skip", "update", "fail"), "What happens to users who exist already.")]
    unknown_hashes: Annotated[
        str, open_enum(("refuse", "skip"), "What happens to users whose password hash is not known.")
    ]
    dry_run: Annotated[bool, says("Whether nothing is changed.")]
    events: Annotated[str, open_enum(("each", "summary"), "Which events are recorded.")]
    adopt: Annotated[
        bool, says("Whether users were taken over who had not verified their email and had a password of their own.")
    ]
    mapping: (
        Annotated[
            str,
            says(
                "From the columns of a CSV file to fields: a JSON object. Null once the import has ended, and in "
                "events.",
            ),
        ]
        | None
    )
    delimiter: Annotated[str, says("The character between the columns of a CSV file. Null: what was detected.")] | None
    bytes: Annotated[int, number("Size of the file.")]
    bytes_read: Annotated[int, number("Bytes of the file whose records are done.")]
    records: Annotated[int, number("Records of the file that are done.")]
    records_expected: (
        Annotated[
            int,
            number("Records of the file: an estimate until the import has ended. Null: not known yet."),
        ]
        | None
    )
    added: Annotated[int, number("Users who were added.")]
    updated: Annotated[int, number("Users who existed and were changed.")]
    unchanged: Annotated[int, number("Users who existed and were the same.")]
    skipped: Annotated[int, number("Users who existed and were left alone.")]
    refused: Annotated[int, number("Records that were refused. The report says why.")]
    without_password: Annotated[
        int, number("Users who have no password since their hash is not known. The report names them.")
    ]
    weak_hashes: Annotated[
        int,
        number(
            "Users whose password hash is easy to guess at, such as bcrypt below cost 10 or PBKDF2 with few iterations."
        ),
    ]
    created_at: Annotated[str, moment("When it was requested.")]
    started_at: Annotated[str, moment("When it started. Null: it waits.")] | None
    finished_at: Annotated[str, moment("When it ended. Null: it waits or runs.")] | None
    absent: Annotated[str, open_enum(get_args(AbsentUsers), "What happens to people who are absent from the file.")]
    absent_group: Annotated[str, says("ID of the group that the file has all of.")] | None
    absent_metadata: Annotated[str, says("Key and value in the metadata of everyone the file has.")] | None
    absent_users: Annotated[int, number("People who are absent. Null: not known, or not asked for.")] | None
    absent_job_id: (
        Annotated[
            str,
            says(
                "ID of the bulk job that suspends them. Null: none, or the import waits until someone approves.",
                examples=[examples.JOB_ID],
            ),
        ]
        | None
    )
    report_url: Annotated[
        str, uri("Where the report is: the records that were refused, and the users who have no password.")
    ]
    encoding: (
        Annotated[
            str,
            open_enum(
                ("utf-8", "utf-16", "utf-32", "windows-1252"),
                "The encoding as which the file is read. Only where `columns` are.",
            ),
        ]
        | UnsetType
    ) = UNSET
    columns: (
        Annotated[
            list[ImportColumn],
            array(
                "What becomes of each column. Only when you get the import, with the key that it was requested with.",
                1_000,
            ),
        ]
        | UnsetType
    ) = UNSET


def show_import_list(call: Call, jobs: list[import_records.Import]) -> Response:
    return show.answer(200, [_import(call, job) for job in jobs])


def show_import(call: Call, job: import_records.Import) -> Response:
    return show.answer(200, _import(call, job))


def show_import_created(call: Call, job: import_records.Import) -> Response:
    return show.created(call, f"/v1/imports/{job.id}", show.answer(201, _import(call, job)))


def show_import_details(call: Call, details: ImportDetails) -> Response:
    shown = _import(call, details.found)
    if details.facts is not None:
        columns = [ImportColumn(*astuple(column)) for column in details.facts.columns]
        shown = replace(shown, encoding=details.facts.encoding, columns=columns)
    return show.answer(200, shown)


def _import(call: Call, job: import_records.Import) -> Import:
    url = f"{call.services.base_url(call.request)}/v1/imports/{job.id}/report"
    return Import(**import_records.public(job), report_url=url)


def show_import_report(call: Call, report: Report | RefusedRows) -> Response:
    return show.file(report_file(report))


def report_file(report: Report | RefusedRows) -> File:
    if isinstance(report, RefusedRows):
        form = files.refused_rows(report.facts)
        return File(files.format_of(report.facts), files.written(form, report.parts))
    form = files.table(report.format, Refusal._fields, Refusal._asdict)
    return File(report.format, files.written(form, report.parts))


def take_import_file(call: Call) -> tuple[ImportOptions, AsyncIterator[bytes]]:
    return call.query, call.request.chunks()


ROWS: dict[str, list[Route]] = {
    "/v1/imports": [
        get(imports.list_imports, "users:write", ListImports, list[Import], show_import_list),
        post(imports.create, "users:write", None, Import, show_import_created).but(
            success=201,
            query=ImportOptions,
            errors=(errors.ImportLimitReached, errors.StorageUnavailable),
            takes=take_import_file,
            special=Special(streams_body=True, replays=False),
        ),
    ],
    "/v1/imports/{importId}": [
        get(imports.get, "users:write", None, Import, show_import_details),
    ],
    "/v1/imports/{importId}/report": [
        get(imports.report, "users:write", ImportReport, str, show_import_report),
    ],
    "/v1/imports/{importId}/run": [
        post(imports.run, "users:write", None, Import, show_import_created).but(
            success=201, errors=(errors.ImportLimitReached,)
        ),
    ],
    "/v1/imports/{importId}/cancel": [
        post(imports.cancel, "users:write", None, Import, show_import),
    ],
    "/v1/imports/{importId}/suspend": [
        post(bulk_jobs.suspend_absent, "users:write", AbsentSuspend, BulkJob, show_bulk_job_created).but(
            success=201, errors=(errors.BulkJobLimitReached,)
        ),
    ],
    "/v1/imports/{importId}/undo": [
        post(bulk_jobs.undo_import, "users:write", None, BulkJob, show_bulk_job_created).but(
            success=201, errors=(errors.BulkJobLimitReached,)
        ),
    ],
}
