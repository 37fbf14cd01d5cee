"""Applications over the API."""

from __future__ import annotations

from rollbook import errors
from rollbook.actions import applications
from rollbook.actions.arguments.applications import ApplicationCreate, ApplicationPatch
from rollbook.api import show, take
from rollbook.api.call import Call
from rollbook.api.route import Route, delete, get, patch, post
from rollbook.api.users import (
    DeleteUser,
    ListApplications,
    ShownFields,
    User,
    page_query,
    show_user,
    show_user_listed,
    show_user_page,
    show_user_updated,
    take_deletion,
)
from rollbook.http.request import Response
from rollbook.records import users as user_records
from rollbook.records.user_list.query import Query


def show_application_created(call: Call, user: user_records.User) -> Response:
    return show.created(call, f"/v1/applications/{user.id}", show_user_listed(call, user))


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
        get(applications.get, "users:read", ShownFields, User, show_user).but(self_access="user", takes=take.nothing),
        patch(applications.update, "users:write", ApplicationPatch, User, show_user_updated).but(
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
