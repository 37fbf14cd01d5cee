"""Applications: the list, a new one with its first key, one of them with all that is about it, and what asks before one
is stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rollbook import clock
from rollbook.actions import applications, key_bounds, keys, users, webhooks
from rollbook.actions import usage as usage_actions
from rollbook.actions.arguments.applications import ApplicationCreate
from rollbook.actions.arguments.keys import KeyCreate, ListKeys
from rollbook.actions.arguments.usage import ListRequests
from rollbook.actions.arguments.users import UserSelection
from rollbook.actions.arguments.webhooks import ListWebhooks
from rollbook.actions.checking import check_texts
from rollbook.actions.context import ListPage
from rollbook.actions.key_bounds import PURPOSES
from rollbook.docs_site import guide
from rollbook.errors import ApiError, NotFound
from rollbook.http.request import Response
from rollbook.records import keys as key_records
from rollbook.records import usage as usage_records
from rollbook.records.keys import Activity, Key
from rollbook.records.user_list.query import Query
from rollbook.records.users import User
from rollbook.roles import APPLICATION, APPLICATION_ROLES
from rollbook.storage.database import Queries
from rollbook.web import forms, lists, plots, shown_once, usage
from rollbook.web.admin import stopping, user_tabs
from rollbook.web.admin import webhooks as webhook_pages
from rollbook.web.admin.events import undoable, wrong
from rollbook.web.keys import pages
from rollbook.web.keys.pages import theirs
from rollbook.web.page_request import PageRequest

PATH = "/admin/applications"
SECTION = "admin/applications"
PAGE, MAX_KEYS, LATEST = 50, 20, 10
MAX_WEBHOOKS = 100
SIGNED_IN_TO = "program"
"""The purpose of a program that people sign in to. It calls nothing of the API."""
CLIENT_SECRET = {"name": "client secret", "kind": "client", "revealable": False}
BLANK = {"name": "", "purpose": "", "program": "", "url": "", "audience": "", "role": "", "expires": "never"}
SAYS = {
    "suspend": ("Suspend", "Its API keys are refused until you activate it.", "application-suspended"),
    "delete": ("Delete", "Its API keys are revoked for good. You can restore it, but not its keys.", "user-deleted"),
}
"""Ways to stop an application: as a button says it, what happens, and the notice afterwards."""


_FIELDS = {"audiences[0]": "audience", "audiences": "audience", "redirect_urls[0]": "url"}
"""Fields of the form, by the arguments that they become."""


class ListedApplication(NamedTuple):
    """An application in the list."""

    user: User
    activity: Activity
    requests: int


async def show_all(page: PageRequest) -> Response:
    values = {"q": page.query.get("q", "").strip()}

    async def read(offset: int) -> ListPage[ListedApplication]:
        selection = check_texts(UserSelection, {"kind": APPLICATION, "sort": "name"} | (values if values["q"] else {}))
        query = Query(users.filters_of(selection), users.order_of(selection.sort), PAGE, offset, count=True)
        part = await users.list_users(page.on, page.by, query)
        shown = [User._make(row) for row in part.rows]
        activity, uses = await page.on.read_aside(_activity, [user.id for user in shown], clock.now() - clock.DAY)
        rows = [ListedApplication(user, activity.get(user.id, Activity()), uses.get(user.id, 0)) for user in shown]
        return ListPage(rows, part.total or 0)

    frame = await lists.numbered(page, PATH, values, PAGE, read, ListPage([]))
    return page.render("admin/applications.html", section=SECTION, **frame)


async def _activity(queries: Queries, ids: Sequence[str], since: int) -> tuple[dict[str, Activity], dict[str, int]]:
    return await key_records.activity(queries, ids), await usage_records.requests(queries, ids, since)


async def find(page: PageRequest) -> User:
    """The application that the path names. Raises NotFound."""
    user = await user_tabs.find_user(page)
    if user.kind != APPLICATION:
        raise NotFound()
    return user


async def show(page: PageRequest) -> Response:
    """Its keys, webhooks, usage and requests, on one page."""
    user = await find(page)
    since, until = usage.last_week()
    context: dict[str, Any] = {"plot": None, "latest": [], "hooks": []}
    if page.may("requests:read"):
        hours = await page.on.read_aside(usage_records.hours, user.id, since)
        query = ListRequests(user=user.id, limit=LATEST)
        context["plot"] = plots.requests(hours, since, until, "Requests per hour over 7 days") if hours else None
        context["latest"] = (await usage_actions.list_requests(page.on, page.by, query)).requests
    if page.may("webhooks:read"):
        context["hooks"] = await webhook_pages.rows(page, (await _webhooks(page, user)).items)
    return page.render(
        "admin/application.html",
        **context,
        **await _keys(page, user),
        **await user_tabs.context(page, user, "overview"),
    )


async def _keys(page: PageRequest, user: User) -> dict[str, Any]:
    """Its working keys, the newest ones, as `keys/parts.html` shows them."""
    if not page.may("keys:read"):
        return {"keys": [], "total": 0, "holder": theirs(user)}
    batch = await keys.list_by_state(page.on, page.by, ListKeys(user=user.id, sort="-created_at", limit=MAX_KEYS), True)
    return {"keys": batch.items, "total": batch.total, "holder": theirs(user), "state": pages.state}


async def _webhooks(page: PageRequest, user: User) -> Any:
    return await webhooks.list_webhooks(page.on, page.by, ListWebhooks(user=user.id, limit=MAX_WEBHOOKS))


# ---- a new one


async def show_form(page: PageRequest) -> Response:
    """The query can fill it in."""
    return _form(page, {name: page.query.get(name, value).strip() for name, value in BLANK.items()})


async def create(page: PageRequest) -> Response:
    """Leads to the page that shows its first key, or its client secret in the configuration of the program."""
    form = {name: page.form.get(name, "").strip() for name in BLANK}
    is_signed_in_to = form["purpose"] == SIGNED_IN_TO
    if not (is_signed_in_to or form["purpose"] in PURPOSES or form["role"]):
        return _form(page, form, forms.problems(page, wrong("purpose", "Choose what the application is.")))
    try:
        new, key = (_wanted_program if is_signed_in_to else _wanted)(page, form)
        issued = await applications.connect(page.on, page.by, new, key)
    except ApiError as error:
        return _form(page, form, forms.problems(page, error, {**forms.LABELS, "redirect_urls[0]": "The URL"}))
    if is_signed_in_to:
        return shown_once.redirect(page, f"{PATH}/{issued.key.user_id}/sign-in", {"secret": issued.token})
    return pages.redirect_to_secret(page, theirs(await users.get(page.on, page.by, issued.key.user_id)), issued)


def _wanted_program(page: PageRequest, form: Mapping[str, str]) -> tuple[ApplicationCreate, KeyCreate]:
    new = {"name": form["name"], "redirect_urls": [_redirect_url(form)]}
    return page.arguments(ApplicationCreate, new), page.arguments(KeyCreate, CLIENT_SECRET)


def _redirect_url(form: Mapping[str, str]) -> str:
    """Where people return to: below the URL of the program, unless that is the whole. Without a scheme, it is https."""
    program = guide.connections().get(form["program"])
    path = "" if program is None else program.path
    url = form["url"] if ":/" in form["url"] else f"https://{form['url']}"
    return url if url.endswith(path) else url.rstrip("/") + path


def _wanted(page: PageRequest, form: Mapping[str, str]) -> tuple[ApplicationCreate, KeyCreate]:
    """The form as arguments. A role that is chosen takes the place of the purpose: its key has full access."""
    name, purpose = form["name"], None if form["role"] else form["purpose"]
    named = {"name": name, "role": form["role"]} if purpose is None else key_bounds.new_application_of(name, purpose)
    new = page.arguments(ApplicationCreate, named)
    key = {**key_bounds.new_key_of(name, purpose), "expires_at": forms.expiry(form["expires"])}
    if form["audience"]:
        key["audiences"] = [form["audience"]]
    return new, page.arguments(KeyCreate, key)


def _form(page: PageRequest, form: Mapping[str, str], problems: Mapping[str, str] = {}) -> Response:
    programs = guide.connections()
    return page.render(
        "admin/new_application.html",
        section=SECTION,
        form=form,
        problems={_FIELDS.get(name, name): sentence for name, sentence in problems.items()},
        purposes=PURPOSES,
        programs=programs,
        program_options=[("", "Another program"), *((key, program.name) for key, program in programs.items())],
        redirect_url=_redirect_url(form) if form["url"] else "",
        roles=[role for role in page.roles_to_give() if role in APPLICATION_ROLES],
        expiries=forms.EXPIRIES,
    )


# ---- stopping one


async def ask_suspend(page: PageRequest) -> Response:
    return await _ask(page, await find(page), "suspend")


async def suspend(page: PageRequest) -> Response:
    user = await find(page)
    if not _is_confirmed(page, user):
        return await _ask(page, user, "suspend", 400)
    await users.suspend(page.on, page.by, user.id)
    return page.redirect(f"{PATH}/{user.id}", SAYS["suspend"][2], undo=await undoable(page, user.id))


async def ask_delete(page: PageRequest) -> Response:
    return await _ask(page, await find(page), "delete")


async def delete(page: PageRequest) -> Response:
    user = await find(page)
    if not _is_confirmed(page, user):
        return await _ask(page, user, "delete", 400)
    await users.delete(page.on, page.by, user.id)
    return page.redirect(PATH, SAYS["delete"][2], undo=await undoable(page, user.id))


def _is_confirmed(page: PageRequest, user: User) -> bool:
    """Test whether the name was typed."""
    return " ".join(page.form.get("confirm", "").split()).casefold() == " ".join(user.name.split()).casefold()


async def _ask(page: PageRequest, user: User, what: str, status: int = 200) -> Response:
    """Say what stops, and ask for the name."""
    text, effect, _ = SAYS[what]
    stops = (await stopping.of_users(page, [user]))[user.id]
    act = users.suspend if what == "suspend" else users.delete
    stopped = await stopping.previewed(page, lambda on, by: act(on, by, user.id))
    listing = ListPage[Key]([], 0)
    if page.may("keys:read"):
        query = ListKeys(user=user.id, sort="-last_used_at", limit=MAX_KEYS)
        listing = await keys.list_by_state(page.on, page.by, query, True)
    return page.render(
        "admin/stop_application.html",
        status,
        section=SECTION,
        user=user,
        what=what,
        text=text,
        effect=effect + (stops.pauses if what == "suspend" else stops.ends) + stopped,
        keys=listing.items,
        total=listing.total,
        hooks=(await _webhooks(page, user)).items if page.may("webhooks:read") else [],
        title=webhook_pages.title,
        problems={"confirm": f"Type {user.name} to {what} this application."} if status == 400 else {},
        is_allowed=page.may_touch(user.role),
    )
