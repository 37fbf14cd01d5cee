"""Applications over the API."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType

from rollbook import errors
from rollbook.actions import applications
from rollbook.actions.applications import Application as StoredApplication
from rollbook.actions.arguments.applications import LOGOUT_URL, ApplicationCreate, ApplicationPatch
from rollbook.actions.users import presented
from rollbook.api import show, take
from rollbook.api.call import Call
from rollbook.api.route import Route, delete, get, patch, post
from rollbook.api.users import (
    USER_FIELDS,
    DeleteUser,
    ListApplications,
    ShownFields,
    User,
    chosen,
    page_query,
    show_user_listed,
    show_user_page,
    show_user_updated,
    take_deletion,
)
from rollbook.http.request import Response
from rollbook.records import clients, examples
from rollbook.records.user_list.query import Query
from rollbook.schemas import array, open_enum, says

_URL = {"type": "string", "format": "uri"}


class Application(User, frozen=True):
    """An application: a user that is a program, and how people sign in to it."""

    redirect_urls: (
        Annotated[
            list[str],
            array(
                "Where people may return to after they signed in. Empty: no one signs in to it.",
                20,
                items=_URL,
                examples=[examples.APPLICATION["redirect_urls"]],
            ),
        ]
        | UnsetType
    ) = UNSET
    post_logout_redirect_urls: (
        Annotated[
            list[str],
            array(
                "Where people may return to after they signed out.",
                20,
                items=_URL,
                examples=[examples.APPLICATION["post_logout_redirect_urls"]],
            ),
        ]
        | UnsetType
    ) = UNSET
    public_client: (
        Annotated[bool, says("Whether the application can keep no secret, and proves a code by PKCE alone.")]
        | UnsetType
    ) = UNSET
    sign_in_groups: (
        Annotated[
            list[str],
            array("IDs of the groups whose members may sign in. Empty: everyone.", 100, examples=[[examples.GROUP_ID]]),
        ]
        | UnsetType
    ) = UNSET
    group_claims: (
        Annotated[str, open_enum(("names", "ids"), "What the scope `groups` tells of each group.")] | UnsetType
    ) = UNSET
    role_claim: Annotated[bool, says("Whether the application learns the role of whoever signs in.")] | UnsetType = (
        UNSET
    )
    backchannel_logout_url: (
        Annotated[str, says("Where the application hears of sessions that ended.", examples=[LOGOUT_URL])]
        | None
        | UnsetType
    ) = UNSET


def show_application(call: Call, application: StoredApplication) -> Response:
    """All that is kept of one, unless the caller has this version already (If-None-Match)."""
    if (unchanged := show.unless_known(call, application.user.version)) is not None:
        return unchanged
    return _with_all(call, application, call.query.fields)


def _with_all(call: Call, application: StoredApplication, fields: tuple[str, ...] | None) -> Response:
    """All fields, or those that were asked for."""
    user, client = application
    shown = presented(call.by, user)
    if fields is None or set(fields) == set(USER_FIELDS):
        return show.answer(200, shown | clients.public(client), show.etag(user.version))
    return show.answer(200, chosen(shown, fields), show.etag(user.version))


def show_application_updated(call: Call, application: StoredApplication) -> Response:
    fields = None if call.query is None else call.query.fields
    return show_user_updated(call, application.user) if fields is None else _with_all(call, application, fields)


def show_application_created(call: Call, application: StoredApplication) -> Response:
    fields = None if call.query is None else call.query.fields
    user = application.user
    response = show_user_listed(call, user) if fields is None else _with_all(call, application, fields)
    return show.created(call, f"/v1/applications/{user.id}", response)


def take_application_page(call: Call) -> tuple[Query]:
    return page_query(call, applications.filters_of(call.query))


ROWS: dict[str, list[Route]] = {
    "/v1/applications": [
        get(applications.list_applications, "users:read", ListApplications, list[User], show_user_page).but(
            takes=take_application_page
        ),
        post(applications.create, "users:write", ApplicationCreate, User, show_application_created).but(
            success=201, query=ShownFields, errors=(errors.ExternalIdTaken,)
        ),
    ],
    "/v1/applications/{applicationId}": [
        get(applications.get, "users:read", ShownFields, Application, show_application).but(
            self_access="user", takes=take.nothing
        ),
        patch(applications.update, "users:write", ApplicationPatch, User, show_application_updated).but(
            query=ShownFields,
            self_access="user",
            errors=(errors.PreconditionFailed, errors.ExternalIdTaken, errors.NotYourself),
            takes=take.changes,
        ),
        delete(applications.delete, "users:delete").but(
            query=DeleteUser, errors=(errors.PreconditionFailed, errors.NotYourself), takes=take_deletion
        ),
    ],
}
