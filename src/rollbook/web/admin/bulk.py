"""Changes to many users at once: selected in a list, confirmed on a page that says how many, and made by a bulk job,
whose page says what became of them. A job of few users has ended by then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from msgspec import UNSET, structs

from rollbook import clock
from rollbook.actions import bulk, bulk_jobs, users
from rollbook.actions.arguments import Time
from rollbook.actions.arguments.bulk_jobs import GROUP_ACTIONS, BulkAction, BulkFilter, BulkJobCreate
from rollbook.actions.arguments.users import UserPatch, UserUpdate
from rollbook.actions.checking import check_texts
from rollbook.errors import ApiError, InvalidParameter
from rollbook.http.request import Response
from rollbook.records import users as user_records
from rollbook.records.user_list.query import Query
from rollbook.records.users import User
from rollbook.roles import APPLICATION
from rollbook.storage.database import Queries
from rollbook.web import forms
from rollbook.web.admin import stopping
from rollbook.web.admin.bulk_jobs import LISTS
from rollbook.web.admin.events import wrong
from rollbook.web.admin.groups import find_group, offered
from rollbook.web.admin.user_filters import asked_of, filters_of, list_url, selection_of
from rollbook.web.page_request import PageRequest, whole_number

ROLE = "role:"
LINKS, SEND, METADATA, END = "links", "send", "metadata", "ends_at"
STOPS = {"suspend": "pause", "delete": "end", f"{ROLE}member": "end", f"{ROLE}viewer": "end"}
"""Fate of the API keys and webhooks that the users created for others."""
MAX_PREVIEWED = 100
"""Users of whom the page says what would end: those of a list's page."""
MAX_NAMED = 10
"""Users named on the page that asks; of the rest, the number is given."""


class BulkChange(NamedTuple):
    """Changes that can be made to the users that are selected."""

    choice: str
    request: str
    """With the number of users in the place of {}."""
    effect: str


class NamedUser(NamedTuple):
    id: str
    name: str


def options(page: PageRequest) -> list[tuple[str, str]]:
    """Options of the list of users."""
    return [(name, change.choice) for name, change in _changes(page).items() if name != "restore"]


def options_for_invited(page: PageRequest) -> list[tuple[str, str]]:
    """Options of the list of invitations, what is done most first."""
    changes = _changes(page)
    return [(name, changes[name].choice) for name in (SEND, LINKS, "suspend", "delete") if name in changes]


def _changes(page: PageRequest) -> dict[str, BulkChange]:
    days = page.on.settings.deleted_retention
    suspended = "They won’t be able to sign in or use their API keys until you reactivate them."
    activated = "They can sign in and use their API keys again."
    restored = "They can sign in again. Their API keys stay revoked."
    linked = "You get a file with a link for each, with which they set their password. It ends the link that they had."
    mailed = "Each gets a link with which they set their password. It ends the link that they had."
    deleted = f"They are signed out, and their API keys are revoked. You can restore them for {days} days."
    choices = {
        "suspend": BulkChange("Suspend", "Suspend {}", suspended),
        "activate": BulkChange("Activate", "Activate {}", activated),
        "delete": BulkChange("Delete", "Delete {}", deleted),
        "restore": BulkChange("Restore", "Restore {}", restored),
        LINKS: BulkChange("Download password links (CSV)", "Create links for {}", linked),
    }
    if page.on.settings.sends_mail:
        choices[SEND] = BulkChange("Mail password links", "Mail links to {}", mailed)
    changed = "Their permissions change immediately, and those of their API keys."
    for role in page.roles_to_give():
        choices[f"{ROLE}{role}"] = BulkChange(f"Change role to {role}", f"Change the role of {{}} to {role}", changed)
    hint = "A key is set, or removed. Other keys stay as they are."
    ended = "They are suspended at that time, and can’t sign in or use their API keys from then on."
    choices[END] = BulkChange("Change the end date", "Change the end date of {}", ended)
    choices[METADATA] = BulkChange("Change metadata", "Change the metadata of {}", hint)
    if page.may("sessions:write"):
        ended = "They sign in again, everywhere. Their API keys go on working."
        choices["end_sessions"] = BulkChange("Sign out everywhere", "Sign out {}", ended)
    if page.may("groups:write"):
        joined = "Members keep their role there, new ones have none."
        choices["add_to_group"] = BulkChange("Add to group", "Add {} to a group", joined)
        choices["remove_from_group"] = BulkChange("Remove from group", "Remove {} from a group", "They stay users.")
    return choices


async def ask(page: PageRequest, problems: Mapping[str, str] = {}) -> Response:
    """The page that says how many users, and who; the list again, if it is no one. Raises InvalidParameter."""
    op, change = _chosen(page)
    by_filter = "all" in page.form
    ids = [] if by_filter else page.getlist("id") or _ids(page)
    until = clock.now()
    count, first = await _matching(page, until) if by_filter else (len(ids), await _named(page, ids[:MAX_NAMED]))
    if not count:
        # Enter on a checkbox sends the form, too.
        return page.redirect(_back(op, page.form), "none-match" if by_filter else "none-selected")
    if verb := STOPS.get(op):
        stops = stopping.uncounted(verb) if by_filter else await stopping.of_all(page, ids, verb)
        change = change._replace(effect=change.effect + stops)
    if not by_filter and len(ids) <= MAX_PREVIEWED and (op in STOPS or op.startswith(ROLE)):
        role = page.arguments(UserUpdate, {"role": op.removeprefix(ROLE)}) if op.startswith(ROLE) else None
        operations = [bulk.Operation(op if role is None else "update", id, role) for id in ids]
        stops = await stopping.previewed(page, lambda on, by: bulk.bulk_users(on, by, operations))
        change = change._replace(effect=change.effect + stops)
    return page.render(
        "admin/bulk.html",
        section="admin/users",
        op=op,
        change=change,
        ids=ids,
        chosen_by_filter=by_filter,
        until=until,
        can_be_undone=_action(op) in bulk_jobs.UNDONE_BY,
        count=count,
        first=first,
        asked=asked_of(page.form),
        given={name: page.form.get(name, "") for name in ("key", "value", "target", "end")},
        offered=await offered(page) if op in GROUP_ACTIONS else [],
        problems=problems,
        back=_back(op, page.form),
        is_of_invitations="invitations" in page.form,
    )


async def apply(page: PageRequest) -> Response:
    """Change the users that the page before named: few of them at once, many in the background. Asks again where the
    number of those who match is another one by now."""
    op, _ = _chosen(page)
    try:
        wanted = BulkJobCreate(**await _asked(page, op), **_whom(page, op))
        job = await bulk_jobs.create_bulk_job(page.on, page.by, wanted)
    except InvalidParameter as error:
        if error.param not in ("confirm_count", "metadata", "target", END):
            raise
        problems = forms.problems(page, error, {"metadata": "The key", END: "The end"})
        if error.param == "confirm_count":
            problems = {"count": "The number of users who match has changed meanwhile. Check it once more."}
        return await ask(page, problems)
    await bulk_jobs.run_few(page.on, job)
    return page.redirect(_result_url(job.id, op, page.form))


def _ids(page: PageRequest) -> list[str]:
    return [id for id in page.form.get("ids", "").split(" ") if id][: bulk.MAX_OPERATIONS]


def _whom(page: PageRequest, op: str) -> dict[str, Any]:
    """The users of a job. Raises InvalidParameter."""
    if "all" in page.form:
        count, until = (whole_number(page.form.get(name, "")) for name in ("count", "until"))
        confirmed = UNSET if count is None else count
        return {"filter": _filter(page, until or clock.now()), "confirm_count": confirmed}
    ids = tuple(_ids(page))
    if not ids:
        raise _none_selected()
    if asked_of(page.form)["kind"] == APPLICATION and op != "restore":
        return {"filter": check_texts(BulkFilter, {"ids": ",".join(ids), "kind": APPLICATION})}
    return {"ids": ids}


def _none_selected() -> ApiError:
    return wrong("id", "Select at least one user.")


def _action(op: str) -> BulkAction:
    if op.startswith(ROLE):
        return "role"
    return "setup_links" if op in (LINKS, SEND) else cast(BulkAction, op)


async def _asked(page: PageRequest, op: str) -> dict[str, Any]:
    """The arguments of a job. Raises InvalidParameter."""
    fields: dict[str, Any] = {"action": _action(op)}
    if op.startswith(ROLE):
        fields["role"] = page.arguments(UserUpdate, {"role": op.removeprefix(ROLE)}).role
    if op == METADATA:
        key, value = page.form.get("key", "").strip(), page.form.get("value", "").strip()
        if not key:
            raise wrong("metadata", "Enter a key.")
        fields["metadata"] = page.arguments(UserPatch, {"metadata": {key: value or None}}).metadata
    if op in GROUP_ACTIONS:
        fields["group_id"] = (await find_group(page, page.form.get("target", "").strip(), "target")).id
    if op == END:
        end = page.form.get("end", "").strip()
        fields["ends_at"] = page.arguments(UserPatch, {"ends_at": page.sent_utc(end) if end else None}).ends_at
    return fields | ({"send": True} if op == SEND else {})


def _filter(page: PageRequest, until: int) -> BulkFilter:
    """The filters of the list, without whoever was created since they were counted. Raises InvalidParameter."""
    filters = check_texts(BulkFilter, filters_of(asked_of(page.form)))
    before = until if filters.created_before is None else min(until, filters.created_before)
    return structs.replace(filters, created_before=Time(before))


def _chosen(page: PageRequest) -> tuple[str, BulkChange]:
    op = page.form.get("op", "")
    change = _changes(page).get(op)
    if change is None:
        raise wrong("op", "Choose what to do with the selected users.")
    return op, change


async def _matching(page: PageRequest, until: int) -> tuple[int, list[NamedUser]]:
    """The number of users whom the filters of the list select, and the first of them. Raises InvalidParameter."""
    filters = bulk_jobs.chosen(_filter(page, until))
    order = users.order_of(users.sort_of(selection_of(asked_of(page.form))))
    batch = await users.list_users(page.on, page.by, Query(filters, order, MAX_NAMED))
    first = [User._make(row) for row in batch.rows]
    return await users.count_users(page.on, page.by, filters), [NamedUser(user.id, user.name) for user in first]


async def _named(page: PageRequest, ids: Sequence[str]) -> list[NamedUser]:
    return await page.on.read(_names, ids)


async def _names(queries: Queries, ids: Sequence[str]) -> list[NamedUser]:
    return [NamedUser(id, await user_records.name(queries, id) or id) for id in ids]


def _list_of(op: str, values: Mapping[str, str]) -> str:
    return "deleted" if op == "restore" else "invitations" if "invitations" in values else "users"


def _back(op: str, values: Mapping[str, str]) -> str:
    return list_url(asked_of(values), LISTS[_list_of(op, values)])


def _result_url(job_id: str, op: str, values: Mapping[str, str]) -> str:
    """The page of a job, which leads back to the list."""
    return list_url(asked_of(values), f"/admin/bulk-jobs/{job_id}", list=_list_of(op, values))
