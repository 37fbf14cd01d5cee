"""Invitations: the users who have no password yet, each with their link, and a pasted list of people to invite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from rollbook import clock
from rollbook.actions import invitations, tokens, users
from rollbook.actions.arguments.users import UserCreate
from rollbook.errors import ApiError, InvalidParameter, NotFound
from rollbook.http.request import Response
from rollbook.records import rules
from rollbook.records.users import User
from rollbook.sources import pasted
from rollbook.web import forms
from rollbook.web.admin import bulk, user_tabs
from rollbook.web.admin.user import back, invitation_of, invitations_of, redirect_to_link
from rollbook.web.admin.user_filters import asked_of, list_url
from rollbook.web.admin.users import UserListPage, listed_page
from rollbook.web.page_request import PageRequest, whole_number

PATH = "/admin/invitations"
SECTION = "admin/invitations"
MAX_SHOWN = 20
"""People in the preview, beside those of whom something is wrong."""
KNOWN = {
    "active": "This email already belongs to a user.",
    "invited": "This person is invited already. Create a new link for them instead.",
    "suspended": "This email belongs to a user who is suspended.",
}


# ---- the list


async def show(page: PageRequest) -> Response:
    """Everyone who is invited, newest first."""
    values = dict.fromkeys(asked_of({}), "") | {
        "q": page.query.get("q", "").strip(),
        "created_after": page.query.get("created_after", "").strip(),
        "status": "invited",
    }
    listed, problems = UserListPage([], None, None, None), dict[str, str]()
    try:
        listed = await listed_page(page, values, whole_number(page.query.get("page", "1")) or 1, PATH)
    except InvalidParameter as error:
        problems = forms.problems(page, error)
    return page.render(
        "admin/invitations.html",
        section=SECTION,
        asked=values,
        listed=listed,
        invitations=await invitations_of(page, listed.users),
        count=await invitations.count(page.on, page.by),
        most_counted=invitations.MAX_COUNTED,
        problems=problems,
        bulk_options=bulk.options_for_invited(page),
        may_touch=page.may_touch,
    )


async def create_link(page: PageRequest) -> Response:
    """A newer link ends the one before."""
    return await redirect_to_link(page, await _invited(page))


async def revoke(page: PageRequest) -> Response:
    """End the link that a user has. They stay invited."""
    user = await _invited(page)
    token = (await invitation_of(page, user)).token
    if token is not None:
        await tokens.revoke_token(page.on, page.by, user.id, token.id)
    return page.redirect(back(page), "invitation-revoked")


async def _invited(page: PageRequest) -> User:
    """The user that the path names. Raises NotFound if they are not invited, or no longer."""
    user = await user_tabs.find_user(page)
    if user.status != "invited":
        raise NotFound("This user is not invited, or has accepted the invitation.")
    return user


# ---- a list of people to invite


class Invitee(NamedTuple):
    """One person of the pasted list: their user, or what is wrong."""

    line: int
    text: str
    name: str
    email: str
    role: str
    user: UserCreate | None
    problem: str


async def show_form(page: PageRequest) -> Response:
    return _form(page, {})


async def preview(page: PageRequest) -> Response:
    """Show what would become of the list, without inviting anybody."""
    form = page.form
    try:
        people = await _read(page, form)
    except pasted.UnreadableList as problem:
        return _form(page, form, problems={"people": str(problem)}, status=400)
    return _form(page, form, people)


async def create(page: PageRequest) -> Response:
    """Invite all of whom nothing is wrong, and lead to them. If the list is another than the one that was previewed, it
    is previewed first; what could not be done with is shown again."""
    form = page.form
    try:
        people = await _read(page, form)
    except pasted.UnreadableList as problem:
        return _form(page, form, problems={"people": str(problem)}, status=400)
    good = [person for person in people if person.user is not None]
    if not good or form.get("seen") != _digest(form):
        return _form(page, form, people, status=200 if good else 400)
    began = clock.now()
    good_users = [person.user for person in good if person.user is not None]
    results = await invitations.invite(page.on, page.by, good_users, "send" in form)
    failed = [
        person._replace(user=None, problem=forms.sentence(result.error))
        for person, result in zip(good, results, strict=True)
        if result.error is not None
    ]
    left = sorted([*(person for person in people if person.user is None), *failed], key=lambda person: person.line)
    count = len(good) - len(failed)
    link = list_url({"created_after": clock.format_time_exactly(began - 1)}, PATH)
    if not left:
        notice = "users-invited-by-mail" if "send" in form else "users-invited"
        return page.redirect(link, notice, count=count)
    lines = list(dict.fromkeys([pasted.header(form["people"]), *(person.text for person in left)]))
    left = [person._replace(line=lines.index(person.text) + bool(lines[0])) for person in left]
    text = "\n".join(lines).removeprefix("\n")
    return _form(page, {**form, "people": text}, left, invited=count, invited_link=link)


async def _read(page: PageRequest, form: Mapping[str, str]) -> list[Invitee]:
    """Raises Unreadable."""
    people = [_person(page, line, form.get("role", "member")) for line in pasted.read(form.get("people", ""))]
    if not people:
        raise pasted.UnreadableList("Paste at least one email.")
    emails = [person.email for person in people if person.user is not None]
    statuses = {key: user.status for key, user in (await users.with_emails(page.on, page.by, emails)).items()}
    seen: set[str] = set()
    return [_unless_taken(person, statuses, seen) for person in people]


def _person(page: PageRequest, line: pasted.Pasted, role: str) -> Invitee:
    fields = {"role": role, **line.fields}
    user, problem = None, line.problem
    if not problem:
        try:
            user = page.arguments(UserCreate, {**fields, "status": "invited"})
        except ApiError as error:
            problem = " ".join(forms.by_field(error).values())
    return Invitee(line.line, line.text, fields.get("name", ""), fields.get("email", ""), fields["role"], user, problem)


def _unless_taken(person: Invitee, statuses: Mapping[str, str], seen: set[str]) -> Invitee:
    if person.user is None:
        return person
    key = rules.email_key(person.email)
    if key in statuses:
        return person._replace(user=None, problem=KNOWN[statuses[key]])
    if key in seen:
        return person._replace(user=None, problem="The list has this email twice.")
    seen.add(key)
    return person


def _digest(form: Mapping[str, str]) -> str:
    """Tells a list from another."""
    text = "\n".join([form.get("role", ""), *form.get("people", "").split()])
    return sha256(text.encode()).hexdigest()


def _form(
    page: PageRequest,
    form: Mapping[str, str],
    people: Sequence[Invitee] | None = None,
    *,
    problems: Mapping[str, str] = {},
    status: int = 200,
    **more: Any,
) -> Response:
    wrong = [person for person in people or () if person.user is None]
    good = [person for person in people or () if person.user is not None]
    context: dict[str, Any] = {
        "form": form,
        "problems": problems,
        "roles": page.roles_to_give(),
        "most": pasted.MAX_PEOPLE,
        "columns": pasted.COLUMNS,
        "previewed": people is not None,
        "wrong": wrong,
        "good": good[:MAX_SHOWN],
        "good_count": len(good),
        "seen": _digest(form),
        "invited": None,
        **more,
    }
    return page.render("admin/invite.html", status, section=SECTION, **context)
