"""Imports of users: the list, each with its progress and report, and what can be done to them. `new_import` has the
form."""

from __future__ import annotations

from typing import Any, NamedTuple

from rollbook import clock
from rollbook.actions import import_rows, imports
from rollbook.actions.arguments import ImportOptions, ImportReport, ListImports
from rollbook.actions.checking import check_texts
from rollbook.actions.import_sources import OWN_FILE, SYSTEMS
from rollbook.api import refused_rows, show, spreadsheets
from rollbook.http.response import Response
from rollbook.records import users
from rollbook.records.imports import MAX_REFUSALS, Import
from rollbook.storage.database import Queries
from rollbook.web.page_request import PageRequest, download

SECTION = "admin/imports"
PAGE = 50
SOURCES = ((OWN_FILE, "Own file or Rollbook export"), *SYSTEMS.items())
ENCODINGS = {"utf-16": "UTF-16", "utf-32": "UTF-32", "windows-1252": "Windows-1252"}
"""Encodings that the page names."""
KINDS = {"waiting": "info", "running": "info", "finished": "ok", "failed": "bad", "canceled": "warn"}
"""The color of a status."""
REPORTS = {"csv": (spreadsheets.CONTENT_TYPE, show.report_csv), "ndjson": ("application/x-ndjson", show.report_ndjson)}


class ImportView(NamedTuple):
    """An import, how its file is read, and who started it."""

    found: Import
    options: ImportOptions
    by: str | None
    """Their name; None of someone who is gone, or of the command line."""

    @property
    def is_over(self) -> bool:
        return self.found.finished_at is not None

    @property
    def source(self) -> str:
        return SYSTEMS.get(self.options.source, "File")

    @property
    def rate(self) -> int:
        """Records a second."""
        began, ended = self.found.started_at, self.found.finished_at or clock.now()
        return 0 if began is None or ended <= began else self.found.records * clock.SECOND // (ended - began)

    @property
    def seconds_left(self) -> int | None:
        """The seconds that are left; None while that can't be known."""
        found = self.found
        if self.is_over or found.started_at is None or not found.bytes_read:
            return None
        return (clock.now() - found.started_at) * (found.bytes - found.bytes_read) // found.bytes_read // clock.SECOND


async def show_all(page: PageRequest) -> Response:
    asked = check_texts(
        ListImports, {"limit": str(PAGE), **({"before": page.query["before"]} if page.query.get("before") else {})}
    )
    found = await imports.list_imports(page.on, page.by, asked)
    return page.render(
        "admin/imports.html",
        section=SECTION,
        found=await page.on.read(_with_names, found),
        kinds=KINDS,
        first=asked.before is None,
        next=f"/admin/imports?before={found[-1].id}" if len(found) == PAGE else None,
    )


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
    asked = check_texts(ImportReport, {"format": page.query.get("format", "csv")})
    found = await imports.report(page.on, page.by, page.ids[0], asked)
    name = f"rollbook-{page.ids[0]}"
    if isinstance(found, imports.RefusedRows):
        file = f"{name}-refused.{refused_rows.ending(found.facts)}"
        return download(file, refused_rows.content_type(found.facts), show.report_rows(found))
    kind, encode = REPORTS[asked.format]
    return download(f"{name}-report.{asked.format}", kind, encode(found))


async def run(page: PageRequest) -> Response:
    """Import the file of a dry run."""
    made = await imports.run(page.on, page.by, page.ids[0])
    return page.redirect(f"/admin/imports/{made.id}")


async def cancel(page: PageRequest) -> Response:
    await imports.cancel(page.on, page.by, page.ids[0])
    return page.redirect(f"/admin/imports/{page.ids[0]}", "import-canceled")


async def live(page: PageRequest, id: str, polls: int | None = 0, in_form: bool = False) -> dict[str, Any]:
    """Context of the part of a page that refreshes itself. `in_form`: below the form that has the file, so that it can
    be sent again."""
    found, facts = await imports.get(page.on, page.by, id)
    [shown] = await page.on.read(_with_names, [found])
    return {
        "shown": shown,
        "facts": facts,
        "faults": await import_rows.faults(page.on, page.by, found) if found.counts.reported else [],
        "may_cancel": not shown.is_over and await page.may_cancel(found.user_id),
        "is_own": import_rows.is_own(page.by, found),
        "encodings": ENCODINGS,
        "kinds": KINDS,
        "polls": polls,
        "in_form": in_form or "form" in page.query,
        "most_refused": MAX_REFUSALS,
    }


async def _with_names(queries: Queries, found: list[Import]) -> list[ImportView]:
    names = {id: await users.name(queries, id) for id in {each.user_id for each in found if each.user_id}}
    return [ImportView(each, imports.options_of(each), names.get(each.user_id)) for each in found]
