"""Changes to many users at once: selected in a list, and confirmed on a page that says how many. For those of a page,
the list then says how many were changed, or a page says which were not, and why. All who match are changed by a bulk
job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from msgspec import UNSET, structs

from rollbook import clock
from rollbook.actions import bulk, bulk_jobs, users
from rollbook.actions.arguments import BulkAction, BulkFilter, BulkJobCreate, Time, TokenCreate, UserPatch, UserUpdate
from rollbook.actions.bulk import Operation, OperationResult
from rollbook.actions.checking import check_texts
from rollbook.actions.tokens import password_purpose
from rollbook.api import spreadsheets
from rollbook.auth.tokens import link_url
from rollbook.errors import InvalidParameter
from rollbook.http.response import Response
from rollbook.records import users as user_records
from rollbook.records.user_list.query import Filters, Query
from rollbook.records.users import User
from rollbook.storage.database import Queries
from rollbook.web import forms, shown_once
from rollbook.web.admin.events import wrong
from rollbook.web.admin.user_filters import asked_of, filters_of, list_url, selection_of
from rollbook.web.page_request import PageRequest, download, minute, whole_number

ROLE = "role:"
LINKS, SEND, METADATA = "links", "send", "metadata"
MAX_NAMED = 10
"""Users named on the page that asks; of the rest, the number is given."""
MAX_FAILED = 24
"""Users named on the page that says which were not changed: as many as a cookie has room for."""
RESULT = "/admin/users/bulk"
INVITATIONS = "/admin/invitations"


class BulkChange(NamedTuple):
    """Changes that can be made to the users that are selected."""

    choice: str
    request: str
    """With the number of users in the place of {}, as `done`."""
    done: str
    effect: str
    notice: str


class Named(NamedTuple):
    id: str
    name: str


class Failed(NamedTuple):
    """Users that were not changed, for the same reason."""

    why: str
    count: int
    first: list[Named]


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
    linked = (
        "The file has a link for each of them, with which they set their password. It ends the link that they had. "
        "Whoever has a link can use it: send each over a channel you trust, and delete the file."
    )
    mailed = "Each gets a link with which they set their password. It ends the link that they had."
    deleted = f"They are signed out, and their API keys are revoked. You can restore them for {days} days."
    found = {
        "suspend": BulkChange("Suspend", "Suspend {}", "{} suspended", suspended, "users-suspended"),
        "activate": BulkChange("Activate", "Activate {}", "{} activated", activated, "users-activated"),
        "delete": BulkChange("Delete", "Delete {}", "{} deleted", deleted, "users-deleted"),
        "restore": BulkChange("Restore", "Restore {}", "{} restored", restored, "users-restored"),
        LINKS: BulkChange("Create links (CSV)", "Create links for {}", "", linked, ""),
    }
    if page.on.settings.sends_mail:
        found[SEND] = BulkChange("Mail links", "Mail links to {}", "Links mailed to {}", mailed, "users-sent-links")
    changed = "Their permissions change immediately, and those of their API keys."
    for role in page.roles_to_give():
        found[f"{ROLE}{role}"] = BulkChange(
            f"Change role to {role}",
            f"Change the role of {{}} to {role}",
            f"Role of {{}} changed to {role}",
            changed,
            "users-role-changed",
        )
    found[METADATA] = BulkChange(
        "Change metadata", "Change the metadata of {}", "", "A key is set, or removed. Other keys stay as they are.", ""
    )
    return found


async def ask(page: PageRequest, problems: Mapping[str, str] = {}) -> Response:
    """The page that says how many users, and who. Raises InvalidParameter."""
    op, change = _chosen(page)
    by_filter = "all" in page.form
    ids = [] if by_filter else page.getlist("id") or _ids(page)
    until = clock.now()
    count, first = await _matching(page, until) if by_filter else (len(ids), await _named(page, ids[:MAX_NAMED]))
    if not count:
        raise wrong("id", "No user matches any more." if by_filter else "Select at least one user.")
    return page.render(
        "admin/bulk.html",
        400 if problems else 200,
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
        given={name: page.form.get(name, "") for name in ("key", "value")},
        problems=problems,
        back=_back(op, page.form),
        is_of_invitations="invitations" in page.form,
    )


async def apply(page: PageRequest) -> Response:
    """Change the users that the page before named, all but those that can't be changed."""
    op, change = _chosen(page)
    ids = _ids(page)
    if "all" in page.form or op == METADATA:
        return await _start_job(page, op, ids)
    if op == LINKS:
        return await _links(page, ids)
    results = await bulk.bulk_users(page.on, page.by, await _operations(page, op, ids))
    failed: dict[str, list[str]] = {}
    for id, result in zip(ids, results, strict=True):
        if result.error is not None:
            failed.setdefault(forms.sentence(result.error), []).append(id)
    done = len(ids) - sum(map(len, failed.values()))
    if not failed:
        return page.redirect(_back(op, page.form), change.notice, count=done)
    named = max(1, MAX_FAILED // len(failed))
    shown = [(why, len(of), of[:named]) for why, of in failed.items()]
    asked = list_url(asked_of(page.form), "", invitations=page.form.get("invitations", ""))
    return shown_once.redirect(page, RESULT, {"op": op, "done": done, "failed": shown}, asked)


def _ids(page: PageRequest) -> list[str]:
    return [id for id in page.form.get("ids", "").split(" ") if id][: bulk.MAX_OPERATIONS]


async def _start_job(page: PageRequest, op: str, ids: Sequence[str]) -> Response:
    """Change all who match in the background, or ask again where their number is another one by now."""
    try:
        whom: dict[str, Any] = {"ids": tuple(ids)}
        if "all" in page.form:
            count, until = (whole_number(page.form.get(name, "")) for name in ("count", "until"))
            whom = {"filter": _filter(page, until or clock.now()), "confirm_count": UNSET if count is None else count}
        made = await bulk_jobs.create_bulk_job(page.on, page.by, BulkJobCreate(**_asked(page, op), **whom))
    except InvalidParameter as error:
        if error.param not in ("confirm_count", "metadata"):
            raise
        found = forms.problems(page, error, {"metadata": "The key"})
        if error.param == "confirm_count":
            found = {"count": "The number of users who match has changed meanwhile. Check it once more."}
        return await ask(page, found)
    return page.redirect(f"/admin/bulk-jobs/{made.id}")


def _action(op: str) -> BulkAction:
    if op.startswith(ROLE):
        return "role"
    return "setup_links" if op in (LINKS, SEND) else cast(BulkAction, op)


def _asked(page: PageRequest, op: str) -> dict[str, Any]:
    """The arguments of a job. Raises InvalidParameter."""
    asked: dict[str, Any] = {"action": _action(op)}
    if op.startswith(ROLE):
        asked["role"] = page.arguments(UserUpdate, {"role": op.removeprefix(ROLE)}).role
    if op == METADATA:
        key, value = page.form.get("key", "").strip(), page.form.get("value", "").strip()
        if not key:
            raise wrong("metadata", "Enter a key.")
        asked["metadata"] = page.arguments(UserPatch, {"metadata": {key: value or None}}).metadata
    return asked | ({"send": True} if op == SEND else {})


def _filter(page: PageRequest, until: int) -> BulkFilter:
    """The filters of the list, without whoever was created since they were counted. Raises InvalidParameter."""
    found = check_texts(BulkFilter, filters_of(asked_of(page.form)))
    before = until if found.created_before is None else min(until, found.created_before)
    return structs.replace(found, created_before=Time(before))


async def show(page: PageRequest) -> Response:
    """Result of a change that some users could not be part of."""
    found = shown_once.found(page)
    change = None if found is None else _changes(page).get(found["op"])
    if found is None or change is None:  # it was long ago, or a role that they can't give any more
        return page.redirect("/admin/users")
    return page.render(
        "admin/bulk_done.html",
        section="admin/users",
        change=change,
        done=found["done"],
        failed=[Failed(why, count, await _named(page, ids)) for why, count, ids in found["failed"]],
        back=_back(found["op"], page.query),
    )


async def _links(page: PageRequest, ids: Sequence[str]) -> Response:
    """A file with a link for each of these users: an invitation, or to set a new password."""
    found = await _users(page, ids)
    results = await bulk.bulk_users(page.on, page.by, [_link_for(user.id, user.status) for user in found])
    rows = [_row(page, user, result) for user, result in zip(found, results, strict=True)]
    content = spreadsheets.rows([("name", "email", "url", "expires_at", "problem"), *rows])
    return download(f"rollbook-links-{minute()}.csv", spreadsheets.CONTENT_TYPE, content)


async def _users(page: PageRequest, ids: Sequence[str]) -> list[User]:
    query = Query(Filters(ids=tuple(ids)), limit=bulk.MAX_OPERATIONS)
    return [User._make(row) for row in (await users.list_users(page.on, page.by, query)).rows]


def _link_for(id: str, status: str, sends: bool = False) -> Operation:
    return Operation("create_token", id, TokenCreate(purpose=password_purpose(status), send=sends))


def _row(page: PageRequest, user: User, result: OperationResult) -> tuple[str, ...]:
    made = result.token
    if made is None:
        return user.name, user.email, "", "", "" if result.error is None else forms.sentence(result.error)
    url = link_url(page.on.url, made.token.purpose, made.text)
    return user.name, user.email, url, clock.format_time(made.token.expires_at), ""


async def _operations(page: PageRequest, op: str, ids: Sequence[str]) -> list[Operation]:
    if op == SEND:
        statuses = {user.id: user.status for user in await _users(page, ids)}
        return [_link_for(id, statuses.get(id, ""), sends=True) for id in ids]
    return [_operation(page, op, id) for id in ids]


def _operation(page: PageRequest, op: str, id: str) -> Operation:
    if op.startswith(ROLE):
        return Operation("update", id, page.arguments(UserUpdate, {"role": op.removeprefix(ROLE)}))
    return Operation(op, id)


def _chosen(page: PageRequest) -> tuple[str, BulkChange]:
    op = page.form.get("op", "")
    change = _changes(page).get(op)
    if change is None:
        raise wrong("op", "Choose what to do with the selected users.")
    return op, change


async def _matching(page: PageRequest, until: int) -> tuple[int, list[Named]]:
    """The number of users whom the filters of the list select, and the first of them. Raises InvalidParameter."""
    filters = bulk_jobs.chosen(_filter(page, until))
    order = users.order_of(users.sort_of(selection_of(asked_of(page.form))))
    found = await users.list_users(page.on, page.by, Query(filters, order, MAX_NAMED))
    first = [User._make(row) for row in found.rows]
    return await users.count_users(page.on, page.by, filters), [Named(user.id, user.name) for user in first]


async def _named(page: PageRequest, ids: Sequence[str]) -> list[Named]:
    return await page.on.read(_names, ids)


async def _names(queries: Queries, ids: Sequence[str]) -> list[Named]:
    return [Named(id, await user_records.name(queries, id) or id) for id in ids]


def _back(op: str, asked: Mapping[str, str]) -> str:
    if op == "restore":
        return "/admin/users/deleted"
    return list_url(asked_of(asked), INVITATIONS if "invitations" in asked else "/admin/users")
