"""Groups: the list, a new one, and the details of each. `members` has who is in them."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from rollbook.actions import groups
from rollbook.actions.arguments import GroupCreate, GroupUpdate, ListGroups
from rollbook.actions.checking import check_texts
from rollbook.actions.groups import GroupPage
from rollbook.api.show import for_people
from rollbook.errors import ApiError, InvalidParameter, NotFound, PreconditionFailed
from rollbook.http.response import Response, line
from rollbook.records.groups import Group
from rollbook.web import forms
from rollbook.web.admin.events import wrong
from rollbook.web.admin.user_filters import list_url
from rollbook.web.form_of import form_of
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
    asked = {name: page.query.get(name, "").strip() for name in ("q", "sort")}
    number = whole_number(page.query.get("page", "1"), 9) or 1
    found, problems = GroupPage([], 0, None), dict[str, str]()
    wanted = {"q": asked["q"], "sort": asked["sort"] or "name", "limit": str(PAGE), "offset": str((number - 1) * PAGE)}
    try:
        listed = check_texts(ListGroups, {name: value for name, value in wanted.items() if value})
        found = await groups.list_groups(page.on, page.by, listed)
    except InvalidParameter as error:
        problems = forms.problems(page, error)
    return page.render(
        "admin/groups.html",
        400 if problems and not page.is_htmx else 200,
        headers=line("HX-Replace-Url", list_url(asked, PATH)) if page.is_htmx else b"",
        section=SECTION,
        asked=asked,
        found=found,
        problems=problems,
        sorts=SORTS,
        number=number,
        pages=max(1, -(-found.total // PAGE)),
        page_link=lambda number: list_url(asked, PATH, page=number),
    )


async def show_form(page: PageRequest) -> Response:
    return _form(page)


async def create(page: PageRequest) -> Response:
    form = page.form
    try:
        group = await groups.create(page.on, page.by, page.arguments(GroupCreate, _wanted(form)))
    except ApiError as error:
        return _form(page, error.status, form, forms.problems(page, error))
    return page.redirect(f"{PATH}/{group.id}", "group-created")


async def show_details(page: PageRequest) -> Response:
    return _details(page, await groups.get(page.on, page.by, page.ids[0]))


async def edit(page: PageRequest) -> Response:
    """Changes what the form was made from. Members may have come and gone meanwhile."""
    form = page.form
    group = await groups.get(page.on, page.by, page.ids[0])
    try:
        if form.get("seen") != _digest(group):
            raise PreconditionFailed()
        wanted = page.arguments(GroupUpdate, _wanted(form))
        await groups.update(page.on, page.by, group.id, wanted, frozenset([group.version]))
    except NotFound:
        raise
    except PreconditionFailed as error:
        problems = {
            "": "This group was changed while you were editing. Nothing was saved; the form shows the current values."
        }
        return _details(page, await groups.get(page.on, page.by, group.id), None, problems, error.status)
    except ApiError as error:
        return _details(page, group, form, forms.problems(page, error), error.status)
    return page.redirect(f"{PATH}/{group.id}/details", "group-saved")


async def ask_delete(page: PageRequest) -> Response:
    group = await groups.get(page.on, page.by, page.ids[0])
    return page.render("admin/delete_group.html", section=SECTION, group=group)


async def delete(page: PageRequest) -> Response:
    await groups.delete(page.on, page.by, page.ids[0])
    return page.redirect(PATH, "group-deleted")


async def find_group(page: PageRequest, text: str) -> Group:
    """A group by its ID or, if only one has it, by its name. Raises InvalidParameter about `group`."""
    try:
        return await groups.get(page.on, page.by, text)
    except NotFound:
        found = (await groups.list_groups(page.on, page.by, ListGroups(name=text, limit=2))).groups
    if len(found) != 1:
        several = "Several groups have this name. Enter the ID of one."
        raise wrong("group", several if found else "No group has this name or ID.")
    return found[0]


def context(page: PageRequest, group: Group, tab: str = "") -> dict[str, Any]:
    """Context of `admin/group_head.html`, with the name of the tab that is open."""
    return {"section": SECTION, "group": group, "tab": tab, "may_change": page.may("groups:write")}


def _form(
    page: PageRequest, status: int = 200, form: Mapping[str, str] = {}, problems: Mapping[str, str] = {}
) -> Response:
    return page.render(
        "admin/new_group.html", status, section=SECTION, fields=FORM.fields, form=form, problems=problems
    )


def _details(
    page: PageRequest,
    group: Group,
    sent: Mapping[str, str] | None = None,
    problems: Mapping[str, str] = {},
    status: int = 200,
) -> Response:
    stored = FORM.stored(group) | {"metadata": "", "seen": _digest(group)}
    if group.metadata != "{}":
        stored["metadata"] = for_people(group.metadata.encode()).decode()
    return page.render(
        "admin/group_details.html",
        status,
        fields=FORM.fields,
        form=stored if sent is None else sent,
        stored=stored,
        problems=problems,
        **context(page, group, "details"),
    )


def _wanted(form: Mapping[str, str]) -> dict[str, Any]:
    """The form as arguments. Raises InvalidJson."""
    return FORM.wanted(FORM.given(form)) | {"metadata": forms.read_metadata(form.get("metadata", ""))}


def _digest(group: Group) -> str:
    """Digest of what the form changes."""
    return sha256(repr((group.name, group.external_id, group.metadata)).encode()).hexdigest()
