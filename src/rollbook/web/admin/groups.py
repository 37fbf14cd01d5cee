"""Groups: the list, a new one, and the details of each.

Members of groups: on the page of a group, and the groups of a user on theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from rollbook.actions import groups, users
from rollbook.actions.arguments.groups import (
    MAX_MEMBERS,
    GroupCreate,
    GroupUpdate,
    ListGroups,
    MembersAdd,
    MemberToAdd,
    MemberUpdate,
)
from rollbook.actions.checking import check_texts
from rollbook.actions.groups import GroupPage
from rollbook.api.show import for_people
from rollbook.errors import ApiError, InvalidParameter, NotFound, PreconditionFailed, Unavailable
from rollbook.http.request import Response
from rollbook.records import clients, rules
from rollbook.records import groups as group_records
from rollbook.records.groups import Group
from rollbook.records.users import User
from rollbook.web import forms, lists
from rollbook.web.admin import user_tabs
from rollbook.web.admin.events import undoable, wrong
from rollbook.web.admin.user_filters import find_people, list_url, matching
from rollbook.web.forms import form_of
from rollbook.web.page_request import PageRequest, whole_number

PATH = "/admin/groups"
SECTION = "admin/groups"
PAGE = 50
SORTS = (
    ("", "Name, A to Z"),
    ("-name", "Name, Z to A"),
    ("-created_at", "Newest first"),
    ("created_at", "Oldest first"),
)
FORM = form_of(GroupCreate, hints={"external_id": "The ID in your own system."})


async def show_all(page: PageRequest) -> Response:
    values = {name: page.query.get(name, "").strip() for name in ("q", "sort")}

    async def read(offset: int) -> GroupPage:
        texts = {"q": values["q"], "sort": values["sort"] or "name", "limit": str(PAGE), "offset": str(offset)}
        filters = check_texts(ListGroups, {name: value for name, value in texts.items() if value})
        return await groups.list_groups(page.on, page.by, filters)

    frame = await lists.numbered(page, PATH, values, PAGE, read, GroupPage([], 0, None))
    return page.render("admin/groups.html", section=SECTION, sorts=SORTS, **frame)


async def show_form(page: PageRequest) -> Response:
    return _form(page)


async def create(page: PageRequest) -> Response:
    form = page.form
    try:
        group = await groups.create(page.on, page.by, page.arguments(GroupCreate, _wanted(form)))
    except ApiError as error:
        return _form(page, form, forms.problems(page, error))
    return page.redirect(f"{PATH}/{group.id}", "group-created")


async def show_details(page: PageRequest) -> Response:
    return await _details(page, await groups.get(page.on, page.by, page.ids[0]))


async def edit(page: PageRequest) -> Response:
    """Changes what the form was made from. Members may have come and gone meanwhile."""
    form = page.form
    group = await groups.get(page.on, page.by, page.ids[0])
    try:
        if form.get("seen") != _digest(group):
            raise PreconditionFailed()
        changes = page.arguments(GroupUpdate, _wanted(form))
        await groups.update(page.on, page.by, group.id, changes, frozenset([group.version]))
    except NotFound:
        raise
    except PreconditionFailed as error:
        forms.problems(page, error)
        sentence = (
            "This group was changed while you were editing. Nothing was saved; the form shows its current values."
        )
        return await _details(page, await groups.get(page.on, page.by, group.id), None, {"": sentence})
    except ApiError as error:
        return await _details(page, group, form, forms.problems(page, error))
    return page.redirect(f"{PATH}/{group.id}/details", "group-saved")


async def ask_delete(page: PageRequest) -> Response:
    group = await groups.get(page.on, page.by, page.ids[0])
    return page.render("admin/delete_group.html", **await context(page, group))


async def delete(page: PageRequest) -> Response:
    await groups.delete(page.on, page.by, page.ids[0])
    return page.redirect(PATH, "group-deleted")


async def find_group(page: PageRequest, text: str, field: str = "group") -> Group:
    """A group by its ID or, if only one has it, by its name. Raises InvalidParameter about the field."""
    try:
        return await groups.get(page.on, page.by, text)
    except NotFound:
        matches = (await groups.list_groups(page.on, page.by, ListGroups(name=text, limit=2))).groups
    if len(matches) != 1:
        several = "Several groups have this name. Enter the ID of one."
        raise wrong(field, several if matches else "No group has this name or ID.")
    return matches[0]


async def offered(page: PageRequest) -> list[Group]:
    """Groups that a field suggests."""
    return (await groups.list_groups(page.on, page.by, ListGroups(sort="name", limit=MAX_OFFERED))).groups


async def context(page: PageRequest, group: Group, tab: str = "") -> dict[str, Any]:
    """Context of `admin/group_head.html`, with the name of the tab that is open."""
    lets_in = await page.on.read(clients.let_in, group.id) if page.may("users:read") else []
    head = {"section": SECTION, "group": group, "tab": tab, "may_change": page.may("groups:write")}
    return {**head, "lets_in": lets_in}


def _form(page: PageRequest, form: Mapping[str, str] = {}, problems: Mapping[str, str] = {}) -> Response:
    return page.render("admin/new_group.html", section=SECTION, fields=FORM.fields, form=form, problems=problems)


async def _details(
    page: PageRequest,
    group: Group,
    sent: Mapping[str, str] | None = None,
    problems: Mapping[str, str] = {},
) -> Response:
    stored = FORM.stored(group) | {"metadata": "", "seen": _digest(group)}
    if group.metadata != "{}":
        stored["metadata"] = for_people(group.metadata.encode()).decode()
    return page.render(
        "admin/group_details.html",
        fields=FORM.fields,
        form=stored if sent is None else sent,
        stored=stored,
        problems=problems,
        **await context(page, group, "details"),
    )


def _wanted(form: Mapping[str, str]) -> dict[str, Any]:
    """The form as arguments. Raises InvalidJson."""
    return FORM.wanted(FORM.given(form)) | {"metadata": forms.read_metadata(form.get("metadata", ""))}


def _digest(group: Group) -> str:
    """Digest of what the form changes."""
    return sha256(repr((FORM.stored(group), group.metadata)).encode()).hexdigest()


MAX_NAMED = 10
"""Unknown people named beside the field; of the rest, the number is given."""
MAX_OFFERED = 100
"""Groups that the field suggests."""
MAX_FOUND, MAX_PICKED = 20, 100
"""Users whom a search offers, and those who stay chosen while others are searched for."""

_ADDRESSES = re.compile(r"<([^<>]*)>").findall
_BETWEEN = re.compile(r"[\s,;]+").split
_UNKNOWN = re.compile(r"members\[([0-9]+)\]\.user_id").fullmatch


# ---- of a group


async def show_members(page: PageRequest) -> Response:
    """The page of a group, or only the people whom it offers when htmx requests them."""
    if page.is_htmx:
        group = await groups.get(page.on, page.by, page.ids[0])
        return page.render("admin/group_people.html", **await _picker(page, group))
    return await _members(page)


async def _picker(page: PageRequest, group: Group) -> dict[str, Any]:
    """People whom the search finds, after those who were chosen before it."""
    text = " ".join((page.query.get("find") or page.form.get("find", "")).split())
    chosen = [*dict.fromkeys([*page.queried("id"), *page.getlist("id")])][:MAX_PICKED]
    people: list[User] = []
    problem = ""
    try:
        if chosen:
            people = await matching(page, MAX_PICKED, ids=",".join(chosen))
        if text:
            people += await find_people(page, text, MAX_FOUND)
    except (InvalidParameter, Unavailable) as error:
        problem = forms.sentence(error, page.language)
    known = await page.on.read(group_records.candidates, group.id, [user.id for user in people])
    members = {id for id, candidate in known.items() if candidate.role is not None}
    people = [*{user.id: user for user in people}.values()]
    return {"find": text, "people": people, "chosen": chosen, "members": members, "find_problem": problem}


async def add_members(page: PageRequest) -> Response:
    """Add those who are chosen, or named by email or ID: all of them, or none."""
    form, id = page.form, page.ids[0]
    try:
        ids = {id: id for id in page.getlist("id")}
        if form.get("members", "").strip() or not ids:
            ids |= await _named(page, form.get("members", ""))
        role = _role(page).role
        done = await _add(page, id, MembersAdd(tuple([MemberToAdd(user_id, role) for user_id in ids])), ids)
    except NotFound:
        raise
    except ApiError as error:
        return await _members(page, form, forms.problems(page, error))
    return page.redirect(f"{PATH}/{id}", "members-added" if done.added else "members-known", count=done.added)


async def _add(page: PageRequest, id: str, new: MembersAdd, named: Mapping[str, str]) -> groups.MembersOutcome:
    """Raises InvalidParameter that names people as the form does."""
    try:
        return await groups.add_members(page.on, page.by, id, new)
    except InvalidParameter as error:
        places = [int(match[1]) for fault in error.faults or () if (match := _UNKNOWN(fault.param))]
        if not places:
            raise
        raise _unknown([[*named.values()][place] for place in places]) from None


async def _named(page: PageRequest, text: str) -> dict[str, str]:
    """IDs of the users of a pasted list, each with how it names them. Raises InvalidParameter."""
    named = list(dict.fromkeys(part for line in text.splitlines() for part in _people(line)))
    if not named:
        raise wrong("members", "Select or enter at least one user.")
    if len(named) > MAX_MEMBERS:
        raise wrong("members", f"At most {MAX_MEMBERS:,} users can be added at once.")
    by_email = await users.with_emails(page.on, page.by, [entry for entry in named if "@" in entry])
    ids = {entry: entry for entry in named if entry.startswith("user_")}
    ids |= {entry: user.id for entry in named if (user := by_email.get(rules.email_key(entry))) is not None}
    if missing := [entry for entry in named if entry not in ids]:
        raise _unknown(missing)
    return {id: text for text, id in ids.items()}


def _people(line: str) -> Iterable[str]:
    """Emails and IDs of a line, which may also be `Name <email>`."""
    return [part.strip() for part in _ADDRESSES(line) or _BETWEEN(line) if part.strip()]


def _unknown(people: list[str]) -> ApiError:
    more = f" and {len(people) - MAX_NAMED:,} more" if len(people) > MAX_NAMED else ""
    listed = ", ".join(person[:80] for person in people[:MAX_NAMED])
    return wrong("members", f"No user has this email or ID: {listed}{more}. No one was added.")


async def set_member_role(page: PageRequest) -> Response:
    """Change the role of those who are selected."""
    done = await groups.set_roles(page.on, page.by, page.ids[0], page.getlist("id"), _role(page))
    return page.redirect(_back(page), "users-role-changed", count=done)


async def remove_member(page: PageRequest) -> Response:
    """Remove the one whose button was pressed, or those who are selected."""
    done = await groups.remove_members(page.on, page.by, page.ids[0], page.getlist("only") or page.getlist("id"))
    return page.redirect(_back(page), "members-removed", count=done)


def _role(page: PageRequest) -> MemberUpdate:
    """Raises InvalidParameter."""
    return page.arguments(MemberUpdate, {"role": page.form.get("role", "").strip()})


def _back(page: PageRequest) -> str:
    """The page of members that the form was on."""
    return list_url({"after": page.form.get("after", "")}, f"{PATH}/{page.ids[0]}")


async def _members(page: PageRequest, form: Mapping[str, str] = {}, problems: Mapping[str, str] = {}) -> Response:
    group = await groups.get(page.on, page.by, page.ids[0])
    after = whole_number(page.query.get("after", "")) or 0
    batch = await groups.list_members(page.on, page.by, group.id, PAGE, after)
    return page.render(
        "admin/group.html",
        found=batch,
        after=after,
        next=f"{PATH}/{group.id}?after={batch.members[-1].seq}" if batch.more else None,
        form=form,
        problems=problems,
        most=MAX_MEMBERS,
        **await _picker(page, group),
        **await context(page, group),
    )


# ---- of a user


async def show_groups_of_user(page: PageRequest) -> Response:
    return await _of_user(page, await user_tabs.find_user(page))


async def join(page: PageRequest) -> Response:
    """Add the user to a group, or change their role there."""
    user, form = await user_tabs.find_user(page), page.form
    try:
        group = await find_group(page, form.get("group", "").strip())
        await groups.set_member(page.on, page.by, group.id, user.id, _role(page))
    except ApiError as error:
        return await _of_user(page, user, form, forms.problems(page, error))
    return page.redirect(user_tabs.path(page, "groups"), "membership-saved", undo=await undoable(page, user.id))


async def leave(page: PageRequest) -> Response:
    done = await groups.remove_members(page.on, page.by, page.form.get("group", ""), [page.ids[0]])
    undo = await undoable(page, page.ids[0])
    return page.redirect(user_tabs.path(page, "groups"), "members-removed", count=done, undo=undo)


async def _of_user(
    page: PageRequest, user: User, form: Mapping[str, str] = {}, problems: Mapping[str, str] = {}
) -> Response:
    memberships = await groups.of_user(page.on, page.by, user.id)
    may_change = page.may("groups:write")
    number = whole_number(page.query.get("page", "1"), 9) or 1
    path = user_tabs.path(page, "groups")
    return page.render(
        "admin/user_groups.html",
        memberships=memberships[(number - 1) * PAGE : number * PAGE],
        total=len(memberships),
        previous=list_url({}, path, page=number - 1) if number > 1 else None,
        next=list_url({}, path, page=number + 1) if number * PAGE < len(memberships) else None,
        offered=await offered(page) if may_change else [],
        may_change=may_change,
        form=form,
        problems=problems,
        **await user_tabs.context(page, user, "groups"),
    )
