"""`rollbook imports`: the imports of a server. `rollbook users import` starts one."""

from __future__ import annotations

from rollbook.actions.arguments import imports as import_arguments
from rollbook.cli import options
from rollbook.cli.backends import Shown, at
from rollbook.cli.bulk import DETACH, follow
from rollbook.cli.completion import objects
from rollbook.cli.fields import Fields
from rollbook.cli.output import as_it_is, counted, hint, listed, shown

app = options.group(help="Look at the imports of a server, cancel and undo them.")

COLUMNS = ("id", "created_at", "status", "records", "added", "updated", "skipped", "refused", "source")
MOST = 1000
IMPORTS, ONE = "/v1/imports", "/v1/imports/{importId}"
IMPORT_ID = options.argument("import_id", "IMPORT_ID", shell_complete=objects(IMPORTS, "id", "status"))


@options.on_server(
    app,
    "list",
    options.limit("imports", most=MOST),
    options.JSON,
    options.QUIET,
    fields=import_arguments.ListImports,
    call=("GET", IMPORTS),
    elsewhere={"limit": "--limit"},
)
def list_imports(server: options.Server, fields: Fields, limit: int, json: bool, quiet: bool) -> None:
    """List imports, newest first. As status, also "dry run" and "undone"."""
    with server() as backend:
        jobs = backend.page(backend.ask("GET", IMPORTS, {**fields.sent(backend), "limit": limit}))
        others = backend.page(backend.ask("GET", "/v1/bulk-jobs", {"limit": MOST})) if jobs and not json else []
        undone = dict.fromkeys((job["undoes"] for job in others if job["changed"]), "undone")

        def row(job: Shown) -> Shown:
            is_tested = job["dry_run"] and job["status"] == "finished"
            return {**job, "status": "dry run" if is_tested else undone.get(job["id"], job["status"])}

        empty = f"No imports yet. To start one: {backend.command('users', 'import', 'FILE')}"
        listed(jobs, COLUMNS, json, quiet, row=row, spare=("source", "skipped", "updated", "records"), empty=empty)


@options.on_server(app, "get", IMPORT_ID, options.JSON, call=("GET", ONE))
def get_import(server: options.Server, import_id: str, json: bool) -> None:
    """Show an import and how far it is."""
    with server() as backend:
        job = backend.one("GET", at("imports", import_id))
        shown(job if json else backend.with_names(job, "user_id"), json)


@options.on_server(app, "report", IMPORT_ID, fields=import_arguments.ImportReport, call=("GET", f"{ONE}/report"))
def show_report(server: options.Server, fields: Fields, import_id: str) -> None:
    """Print the refused records of an import, with the line and reason of each."""
    with server() as backend, backend.body("GET", at("imports", import_id, "report"), fields.texts) as answer:
        as_it_is(answer.parts)


@options.on_server(app, "cancel", IMPORT_ID, options.JSON, options.QUIET, call=("POST", f"{ONE}/cancel"))
def cancel_import(server: options.Server, import_id: str, json: bool, quiet: bool) -> None:
    """Cancel an import. What was imported stays."""
    with server() as backend:
        shown(backend.one("POST", at("imports", import_id, "cancel")), json, quiet)
        if not (json or quiet):
            hint(f"Canceled {import_id}.")


@options.on_server(app, "run", IMPORT_ID, options.JSON, options.QUIET, call=("POST", f"{ONE}/run"))
def run_import(server: options.Server, import_id: str, json: bool, quiet: bool) -> None:
    """Import the file of a dry run, as it was tested. Servers keep it for a week."""
    with server() as backend:
        job = backend.one("POST", at("imports", import_id, "run"))
        shown(job, json, quiet)
        if not (json or quiet):
            hint(f"To see its progress: {backend.command('imports', 'get', job['id'])}")


@options.on_server(
    app,
    "suspend",
    IMPORT_ID,
    options.YES,
    DETACH,
    options.JSON,
    options.QUIET,
    call=("POST", f"{ONE}/suspend"),
    elsewhere={"confirm_count": "--yes"},
    running=True,
)
def suspend_absent(server: options.Running, import_id: str, yes: bool, detach: bool, json: bool, quiet: bool) -> None:
    """Suspend the people who are absent from the file of an import, as its report names them."""
    with server() as backend:
        count = backend.one("GET", at("imports", import_id))["absent_users"] or 0
        people = counted(count, "user")
        options.confirm(f"Suspend {people}?", yes, f"{people} would be suspended.")
        body = {"confirm_count": max(1, count)}
        follow(backend, backend.one("POST", at("imports", import_id, "suspend"), body=body), detach, json, quiet)


@options.on_server(
    app, "undo", IMPORT_ID, options.YES, DETACH, options.JSON, options.QUIET, call=("POST", f"{ONE}/undo"), running=True
)
def undo_import(server: options.Running, import_id: str, yes: bool, detach: bool, json: bool, quiet: bool) -> None:
    """Put back what an import did: delete the users it added, and give those it changed what they had."""
    with server() as backend:
        job = backend.one("GET", at("imports", import_id))
        effect = f"{counted(job['added'], 'user')} would be deleted, {job['updated']:,} put back."
        options.confirm(f"Undo this import? {effect}", yes, effect)
        done = " or ".join(verb for verb, count in (("deleted", job["added"]), ("put back", job["updated"])) if count)
        follow(backend, backend.one("POST", at("imports", import_id, "undo")), detach, json, quiet, done)
