"""Imports of users: the list, each with its progress and report, and what can be done to them.

The form for a new import: what a file holds is shown first, a dry run says what would happen, then the users are
imported.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from rollbook import clock
from rollbook.actions import bulk_jobs, import_files, imports
from rollbook.actions.arguments.imports import (
    AbsentSuspend,
    ColumnMapping,
    ImportedUser,
    ImportOptions,
    ImportReport,
    ListImports,
)
from rollbook.actions.checking import check_texts, fields_of
from rollbook.actions.import_sources import OWN_FILE, SYSTEMS
from rollbook.actions.permissions import require_proof
from rollbook.api import imports as import_calls
from rollbook.errors import ApiError, BadRequest
from rollbook.http.request import Response, line
from rollbook.records import bulk_jobs as bulk_job_records
from rollbook.records import groups
from rollbook.records import imports as records
from rollbook.records.imports import MAX_REFUSALS, Import
from rollbook.storage.database import Queries
from rollbook.web import forms, uploads
from rollbook.web.admin import rules
from rollbook.web.admin.background_jobs import KINDS, JobView, newest, with_names
from rollbook.web.admin.events import wrong
from rollbook.web.admin.groups import find_group
from rollbook.web.page_request import PageRequest, download_file, whole_number

if TYPE_CHECKING:
    from rollbook.sources.reading import Preview

SECTION = "admin/imports"
SOURCES = ((OWN_FILE, "Own file or Rollbook export"), *SYSTEMS.items())
USERS = 50
"""Users on a page of those whom an import has changed."""
ENCODINGS = {"utf-16": "UTF-16", "utf-32": "UTF-32", "windows-1252": "Windows-1252"}
"""Encodings that the page names."""


class ImportView(JobView[Import]):
    @cached_property
    def options(self) -> ImportOptions:
        return imports.options_of(self.found)

    @property
    def progress(self) -> tuple[int, int]:
        return self.found.bytes_read, self.found.bytes

    @property
    def source(self) -> str:
        return SYSTEMS.get(self.options.source, "File")

    @property
    def rate(self) -> int:
        """Records a second."""
        began, ended = self.found.started_at, self.found.finished_at or clock.now()
        return 0 if began is None or ended <= began else self.found.records * clock.SECOND // (ended - began)


async def show_all(page: PageRequest) -> Response:
    shown = await newest(page, ImportView, ListImports, imports.list_imports)
    own = [view.found.id for view in shown["found"] if import_files.is_own(page.by, view.found)]
    files = {id: facts.name for id in own if (facts := await import_files.facts_of(page.on, id))}
    return page.render("admin/imports.html", section=SECTION, files=files, **shown)


async def show_one(page: PageRequest) -> Response:
    """Raises NotFound."""
    return page.render("admin/import.html", section=SECTION, **await live(page, page.ids[0]))


async def show_live(page: PageRequest) -> Response:
    """Progress of an import, for a page that is open."""
    if not page.is_htmx:
        return page.redirect(f"/admin/imports/{page.ids[0]}")
    return page.render("admin/import_live.html", **await live(page, page.ids[0], page.next_poll()))


async def report(page: PageRequest) -> Response:
    """The report as a file, or the refused records. Raises ApiError."""
    query = check_texts(ImportReport, {"format": page.query.get("format", "csv")})
    rows = await imports.report(page.on, page.by, page.ids[0], query)
    kind = "refused" if isinstance(rows, imports.RefusedRows) else "report"
    return download_file(f"rollbook-{page.ids[0]}-{kind}", import_calls.report_file(rows))


async def run(page: PageRequest) -> Response:
    """Import the file of a dry run."""
    job = await imports.run(page.on, page.by, page.ids[0])
    return page.redirect(f"/admin/imports/{job.id}")


async def suspend(page: PageRequest) -> Response:
    """Suspend who is absent from the file."""
    count = whole_number(page.form.get("count", "")) or 0
    job = await bulk_jobs.suspend_absent(page.on, page.by, page.ids[0], AbsentSuspend(confirm_count=count))
    await bulk_jobs.run_few(page.on, job)
    return page.redirect(f"/admin/bulk-jobs/{job.id}")


async def undo(page: PageRequest) -> Response:
    job = await bulk_jobs.undo_import(page.on, page.by, page.ids[0])
    await bulk_jobs.run_few(page.on, job)
    return page.redirect(f"/admin/bulk-jobs/{job.id}")


async def show_users(page: PageRequest) -> Response:
    """The users whom an import has added or changed, by its events. Raises NotFound."""
    job, facts = await imports.get(page.on, page.by, page.ids[0])
    after = whole_number(page.query.get("after", "")) or 0
    changed, following = await imports.changed_users(page.on, job, after, USERS)
    names = await page.on.read(bulk_job_records.people, [user.user_id for user in changed])
    return page.render(
        "admin/import_users.html",
        section=SECTION,
        job=job,
        file=facts.name if facts else "",
        users=[(user, names.get(user.user_id)) for user in changed],
        first=not after,
        next=None if following is None else f"/{SECTION}/{job.id}/users?after={following}",
    )


async def cancel(page: PageRequest) -> Response:
    await imports.cancel(page.on, page.by, page.ids[0])
    return page.redirect(f"/admin/imports/{page.ids[0]}", "import-canceled")


async def live(page: PageRequest, id: str, polls: int | None = 0, in_form: bool = False) -> dict[str, Any]:
    """Context of the part of a page that refreshes itself. `in_form`: below the form that has the file, so that it can
    be sent again."""
    job, facts = await imports.get(page.on, page.by, id)
    [shown] = await page.on.read(with_names, ImportView, [job])
    return {
        "shown": shown,
        "facts": facts,
        "faults": await import_files.faults(page.on, page.by, job) if job.counts.reported else [],
        "may_cancel": not shown.is_over and await page.may_cancel(job.user_id),
        "why_not_undone": imports.why_not_undone(job),
        "summed_up": imports.SUMMED_UP,
        "undone_by": await page.on.read(bulk_job_records.undoing, job.id),
        "is_own": import_files.is_own(page.by, job),
        "encodings": ENCODINGS,
        "kinds": KINDS,
        "absent": await page.on.read(_absent, job) if job.absent_users else {},
        "rules": await rules.of_added(page, shown.options.events) if shown.options.dry_run and job.added else "",
        "group": await page.on.read(groups.by_id, job.absent_group) if job.absent_group else None,
        "polls": polls,
        "in_form": in_form or "form" in page.query,
        "most_refused": MAX_REFUSALS,
    }


async def _absent(queries: Queries, job: Import) -> dict[str, tuple[str, str]]:
    """Name and email of the first of those who are absent, by ID."""
    reported = await records.refusals(queries, job.id, job.counts.reported - 1, USERS)
    return await bulk_job_records.people(queries, [str(refusal.user_id) for _, refusal in reported])


PREVIEWED = 262_144
"""Bytes of the beginning of a file, which the script of the form sends."""
ROWS = 5
MAX_NAME = 255
"""Characters of a file's name that are kept."""
OPTIONS = ("source", "match", "on_conflict", "unknown_hashes", "events", "adopt", "absent", "absent_metadata")
LABELS = {"absent": "Looking for absent people", "source": "The source", "mapping": "The columns", "file": "The file"}
FIELDS = fields_of(ImportedUser)
NAMES = dict(SOURCES)


async def show_form(page: PageRequest) -> Response:
    require_proof(page.by)  # now, as a file that was sent could not be sent again
    seen = None
    before = page.query.get("fix") or page.query.get("tested")
    if before and (mapping := await _mapping_before(page, before)):
        # Imported here: only a form that begins with columns needs it.
        from rollbook.sources.reading import Preview

        columns = msgspec.json.decode(mapping)
        seen = Preview("csv", "none", "utf-8", None, tuple(columns), columns, [], [])
    return _render(page, page.query, seen=seen)


async def preview(page: PageRequest) -> Response:
    """Preview of the beginning of a file, for the form's script. Raises BadRequest."""
    upload = await uploads.receive(page.request)
    async with aclosing(upload.file) as file:
        head = await _head(file)
    try:
        seen = await _look(page, head, await _options(page, upload.fields))
    except ApiError as error:
        return page.render("admin/import_problem.html", error.status, sentence=forms.sentence(error))
    return page.render("admin/import_preview.html", **_shown(seen))


async def create(page: PageRequest) -> Response:
    """Start the import, or a dry run. The form's script gets the part of a page that shows how far a dry run is."""
    fields: Mapping[str, str] = {}
    seen = None
    try:
        upload = await uploads.receive(page.request)
        fields = upload.fields
        if not upload.filename:
            raise wrong("file", "Choose a file.")
        async with aclosing(upload.file) as file:
            options, head = await _options(page, fields), await _head(file)
            seen = await _look(page, head, options)
            if not options.mapping and seen.columns and seen.mapping:
                options = _tested_first(options, seen)
            name = upload.filename[:MAX_NAME]
            job = await imports.create(page.on, page.by, options, _whole(head, file), name)
    except ApiError as error:
        problems = forms.problems(page, error, LABELS)
        if "mapping" in problems:
            problems["file"] = problems.pop("mapping")
        if page.is_htmx:
            return page.render("admin/import_problem.html", error.status, sentence=" ".join(problems.values()))
        return _render(page, fields, problems, seen)
    if page.is_htmx and imports.options_of(job).dry_run:
        shown, url = await live(page, job.id, in_form=True), f"/{SECTION}/{job.id}"
        return page.render("admin/import_live.html", headers=line("HX-Replace-Url", url), **shown)
    return page.redirect(f"/admin/imports/{job.id}")


def _render(
    page: PageRequest, form: Mapping[str, str], problems: Mapping[str, str] = {}, seen: Preview | None = None
) -> Response:
    shown = _shown(seen) if seen else {"found": None}
    return page.render("admin/new_import.html", section=SECTION, sources=SOURCES, form=form, problems=problems, **shown)


def _shown(seen: Preview) -> dict[str, Any]:
    """Context of a preview."""
    return {"found": seen, "columns": list(seen.mapping), "fields": FIELDS, "systems": NAMES, "encodings": ENCODINGS}


def _tested_first(options: ImportOptions, found: Preview) -> ImportOptions:
    """The options for a table whose columns no one has chosen, since the page has no script: where they have names of
    their own, a dry run with the fields that are proposed. Raises InvalidParameter if no column is the email or name.
    """
    from rollbook.sources import columns

    if columns.are_fields(found.columns):
        return options
    mapping = ColumnMapping(msgspec.json.encode(columns.choose(found.columns, found.mapping)).decode())
    return msgspec.structs.replace(options, mapping=mapping, dry_run=True)


async def _look(page: PageRequest, head: bytes, options: ImportOptions) -> Preview:
    """Read the beginning of the file. Raises InvalidParameter."""
    from rollbook.sources import reading

    least = page.on.settings.password_min_length
    return await asyncio.to_thread(reading.preview, io.BytesIO(head), options, least, rows=ROWS)


async def _options(page: PageRequest, fields: Mapping[str, str]) -> ImportOptions:
    """Return the options that the form gives; whether it is a dry run, the button does. Raises InvalidParameter."""
    texts: dict[str, Any] = {name: fields[name] for name in OPTIONS if fields.get(name)}
    if group := fields.get("absent_group", "").strip():
        texts["absent_group"] = (await find_group(page, group, "absent_group")).id
    if "columns" in fields:
        texts["mapping"] = _mapping(fields)
    elif (before := fields.get("fix") or fields.get("tested")) and (mapping := await _mapping_before(page, before)):
        texts["mapping"] = mapping
    return check_texts(ImportOptions, {**texts, "dry_run": "false" if page.query.get("run") == "import" else "true"})


async def _mapping_before(page: PageRequest, id: str) -> str | None:
    """The mapping of the import whose file, or refused records, are uploaded again. Raises NotFound."""
    job, facts = await imports.get(page.on, page.by, id)
    if facts is None or not facts.header or imports.options_of(job).source != OWN_FILE:
        return None
    return msgspec.json.encode(
        {column.name: column.target for column in facts.columns if column.name in facts.header}
    ).decode()


def _mapping(fields: Mapping[str, str]) -> str:
    """The field that was chosen for each column, as ImportOptions has it. Raises BadRequest."""
    try:
        columns = msgspec.json.decode(fields["columns"], type=list[str])
    except msgspec.DecodeError:
        raise BadRequest("The form has no valid list of columns.") from None
    return msgspec.json.encode(
        {column: fields.get(f"field-{at}") or None for at, column in enumerate(columns)}
    ).decode()


async def _head(file: AsyncGenerator[bytes, None]) -> bytes:
    """The beginning of a file, at least as much of it as the form's script sends."""
    head = b""
    async for part in file:
        head += part
        if len(head) >= PREVIEWED:
            break
    return head


async def _whole(head: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield head
    async for part in rest:
        yield part
