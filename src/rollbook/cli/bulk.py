"""`rollbook bulk`: changes of many users in the background, on a running server."""

from __future__ import annotations

from typing import get_args

import click

from rollbook.actions import arguments
from rollbook.actions.arguments import bulk_jobs as bulk_job_arguments
from rollbook.actions.checking import metadata_pair, text_hook
from rollbook.cli import options
from rollbook.cli.backends import Backend, Shown, at
from rollbook.cli.completion import objects
from rollbook.cli.fields import Fields, as_query, metadata_of, parts, until
from rollbook.cli.output import as_it_is, as_json, bar, counted, hint, line, listed, looks, shown

app = options.group(help="Change many users in the background: run, undo, list and cancel bulk jobs.")

ACTIONS = get_args(bulk_job_arguments.BulkAction)
COLUMNS = ("id", "created_at", "action", "status", "total", "done", "changed", "unchanged", "refused", "undoes")
JOBS, ONE = "/v1/bulk-jobs", "/v1/bulk-jobs/{jobId}"
JOB_ID = options.argument("job_id", "JOB_ID")
DETACH = options.option("--detach", "Don't wait until it has ended.")
SENTENCES = {
    "role": "Change the role of {} to {}?",
    "metadata": "Change the metadata of {}?",
    "ends_at": "Change the end date of {}?",
    "setup_links": "Create links to set a password for {}?",
    "add_to_group": "Add {} to the group {}?",
    "remove_from_group": "Remove {} from the group {}?",
}


@options.on_server(
    app,
    "run",
    options.argument("action", "ACTION", type=click.Choice(ACTIONS)),
    options.argument("users", "EMAIL|ID...", nargs=-1, required=False),
    options.option("--all", "All users, if no filter is given."),
    options.option("--new-role", "For `role`: the role they get.", metavar="ROLE"),
    options.option(
        "--set",
        "For `metadata`: a value to set; `NAME=` removes one. Can be repeated.",
        metavar="NAME=TEXT",
        multiple=True,
    ),
    options.option(
        "--target-group",
        "For `add_to_group` and `remove_from_group`: the ID or name of the group.",
        metavar="GROUP",
        shell_complete=objects("/v1/groups", "name", "id"),
    ),
    options.option("--new-end", "For `ends_at`: when they are suspended, such as 30d, or `never`.", metavar="TIME"),
    options.option("--send", "For `setup_links`: mail each link to its user."),
    options.option("--redirect-url", "For `setup_links`: where users continue afterwards.", metavar="URL"),
    options.YES,
    DETACH,
    options.JSON,
    options.QUIET,
    fields=bulk_job_arguments.BulkFilter,
    call=("POST", JOBS),
    elsewhere={
        "action": "ACTION",
        "filter": "--all",
        "ids": "EMAIL|ID...",
        "send": "--send",
        "redirect_url": "--redirect-url",
        "ends_at": "--new-end",
        "group_id": "--target-group",
        "confirm_count": "--yes",
    },
    running=True,
)
def run_job(
    server: options.Running,
    fields: Fields,
    action: str,
    users: tuple[str, ...],
    all: bool,
    new_role: str | None,
    set: tuple[str, ...],
    target_group: str | None,
    new_end: str | None,
    send: bool,
    redirect_url: str | None,
    yes: bool,
    detach: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Change the users that you name, or all who match the filters.

    Says how many there are, and asks. The job goes on if you press Ctrl+C, and survives a restart of the server.
    """
    if bool(users) == (bool(fields) or all):
        raise click.BadParameter("Name users, or choose them by filters, or all with --all.")
    body = _change(action, new_role, set, target_group, new_end, send, redirect_url)
    with server() as backend:
        if target_group:
            body["group_id"] = backend.group(target_group)["id"]
        if users:
            body["ids"] = [backend.user(user)["id"] if "@" in user else user for user in users]
            count = len(body["ids"])
        else:
            query = {"kind": "person", **fields.sent(backend)}
            count = backend.count(as_query(query))
            body |= {"filter": _filter(query), "confirm_count": count}
        question = SENTENCES.get(action, f"{action.capitalize()} {{}}?").format(
            counted(count, "user"), new_role or target_group
        )
        if action in ("suspend", "delete"):
            verb = "pause" if action == "suspend" else "end"
            question = f"{question} API keys and webhooks that they created for others {verb} as well."
        options.confirm(question, yes, f"{counted(count, 'user')} would be changed.")
        follow(backend, backend.one("POST", JOBS, body=body), detach, json, quiet)


def _change(
    action: str,
    role: str | None,
    pairs: tuple[str, ...],
    group: str | None,
    end: str | None,
    send: bool,
    redirect_url: str | None,
) -> Shown:
    """The body of a job without its users and group."""
    for option, value, of in (
        ("--new-role", role, ("role",)),
        ("--set", pairs, ("metadata",)),
        ("--target-group", group, bulk_job_arguments.GROUP_ACTIONS),
        ("--new-end", end, ("ends_at",)),
    ):
        if bool(value) != (action in of):
            raise click.BadParameter(f"{option} is {'required' if action in of else 'only for ' + ' and '.join(of)}.")
    fields = {
        "role": role,
        "metadata": metadata_of(list(pairs)) if pairs else None,
        "send": send or None,
        "redirect_url": redirect_url,
    }
    ends = {} if end is None else {"ends_at": None if end == "never" else until(end, "--new-end")}
    return {"action": action, **ends, **{name: value for name, value in fields.items() if value is not None}}


def _filter(query: Shown) -> Shown:
    """Filters as a body has them."""
    if "metadata" in query:
        pairs = text_hook(arguments.MetadataFilter, query["metadata"])
        query["metadata"] = [metadata_pair(key, value) for key, value in pairs]
    if "ids" in query:
        query["ids"] = parts(query["ids"])
    return query


def follow(backend: Backend, job: Shown, detach: bool, json: bool, quiet: bool, done: str = "") -> None:
    """Wait until it has ended, and show its progress to people. `done`: to users, if not as the job says."""
    path = at("bulk-jobs", job["id"])
    with bar("Changing", job["total"] or 1) as (_, show):
        for _ in () if detach else looks():
            job = backend.one("GET", path)
            show(job["done"], _counts(job, done))
            if job["finished_at"]:
                break
    if json:
        as_json(job)
    else:
        line(job["id"])
    if not (json or quiet or detach):
        hint(f"{job['status'].capitalize()}: {_counts(job, done)}.")
        if job["refused"]:
            hint(f"Why they were refused: {backend.command('bulk', 'results', job['id'], '--result', 'refused')}")
        if job["action"] == "setup_links" and not job["send"]:
            links = backend.command("bulk", "results", job["id"], "--format", "csv")
            hint(f"Their links, for a day: {links} > links.csv")
        if job["changed"] and job["undoes"] is None and job["action"] not in ("restore", "setup_links"):
            hint(f"To undo it: {backend.command('bulk', 'undo', job['id'])}")
    if not detach and job["status"] != "finished":
        raise click.exceptions.Exit(1)


def _counts(job: Shown, done: str = "") -> str:
    verb = done or ("put back" if job["undoes"] else "changed")
    return f"{job['changed']:,} {verb}, {job['unchanged']:,} unchanged, {job['refused']:,} refused"


@options.on_server(
    app,
    "undo",
    JOB_ID,
    options.YES,
    DETACH,
    options.JSON,
    options.QUIET,
    call=("POST", f"{ONE}/undo"),
    running=True,
)
def undo_job(server: options.Running, job_id: str, yes: bool, detach: bool, json: bool, quiet: bool) -> None:
    """Put back what a job has changed: of all but `restore` and `setup_links`."""
    with server() as backend:
        job = backend.one("GET", at("bulk-jobs", job_id))
        count = counted(job["changed"], "user")
        options.confirm(f"Undo {job['action']} of {count}?", yes, f"{count} would be changed.")
        follow(backend, backend.one("POST", at("bulk-jobs", job_id, "undo")), detach, json, quiet)


@options.on_server(
    app,
    "list",
    options.limit("jobs", most=1000),
    options.JSON,
    options.QUIET,
    fields=bulk_job_arguments.ListBulkJobs,
    call=("GET", JOBS),
    elsewhere={"limit": "--limit"},
)
def list_jobs(server: options.Server, fields: Fields, limit: int, json: bool, quiet: bool) -> None:
    """List bulk jobs, newest first."""
    with server() as backend:
        listed(backend.page(backend.ask("GET", JOBS, {**fields.sent(backend), "limit": limit})), COLUMNS, json, quiet)


@options.on_server(app, "get", JOB_ID, options.JSON, call=("GET", ONE))
def get_job(server: options.Server, job_id: str, json: bool) -> None:
    """Show a bulk job and how far it is."""
    with server() as backend:
        shown(backend.one("GET", at("bulk-jobs", job_id)), json)


@options.on_server(app, "results", JOB_ID, fields=bulk_job_arguments.BulkJobResults, call=("GET", f"{ONE}/results"))
def show_results(server: options.Server, fields: Fields, job_id: str) -> None:
    """Print what became of each user of a job and, for a day, the links that it created."""
    with server() as backend, backend.body("GET", at("bulk-jobs", job_id, "results"), fields.texts) as answer:
        as_it_is(answer.parts)


@options.on_server(app, "cancel", JOB_ID, options.JSON, options.QUIET, call=("POST", f"{ONE}/cancel"))
def cancel_job(server: options.Server, job_id: str, json: bool, quiet: bool) -> None:
    """Cancel a bulk job. Who was changed stays so."""
    with server() as backend:
        shown(backend.one("POST", at("bulk-jobs", job_id, "cancel")), json, quiet)
        if not (json or quiet):
            hint(f"Canceled {job_id}.")
