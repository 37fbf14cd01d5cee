"""Users over the API: what is sent, how it is shown and taken, and the calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from rollbook import clock, errors, roles
from rollbook.actions import users
from rollbook.actions.arguments import (
    ABOUT_KIND,
    ABOUT_ROLE,
    ABOUT_STATUS,
    Limit,
    Names,
    NewPassword,
    Offset,
    Query,
    Sort,
)
from rollbook.actions.arguments import users as user_arguments
from rollbook.actions.arguments.applications import ApplicationFilters
from rollbook.actions.arguments.users import UserFilters, UserSelection
from rollbook.actions.checking import metadata_pair, refuse
from rollbook.actions.users import presented, sort_of
from rollbook.api import show, take
from rollbook.api.call import Call
from rollbook.api.route import FOUND, PROOF, TAKEN, Route, delete, get, patch, post, put
from rollbook.http.request import Response
from rollbook.records import user_list
from rollbook.records import users as user_records
from rollbook.records.examples import ALICE_ID
from rollbook.records.user_history import UserAsOf
from rollbook.records.user_list import query as list_query
from rollbook.records.user_list.query import Filters
from rollbook.schemas import Schema, array, identifier, moment, number, open_enum, says


class UserCreate(user_arguments.UserCreate, kw_only=True):
    """A user to create: with a `password` or the `status` `invited`."""

    refused: ClassVar[dict[str, str]] = {
        "kind": "kind is not for new users. Create applications with POST /v1/applications."
    }
    password: (
        Annotated[
            NewPassword,
            says(
                "Required, unless the `status` is `invited`. 8 to 256 characters. Passwords "
                "that are easy to guess are rejected: common ones, and those made of a common word or the "
                "user's name or email, with digits or signs. Nothing is truncated."
            ),
        ]
        | UnsetType
    ) = UNSET

    @staticmethod
    def at_odds(fields: Mapping[str, Any]) -> Mapping[str, str]:
        """Faults of the fields together, and a missing password."""
        faults = user_arguments.UserCreate.at_odds(fields)
        if "password" not in fields and "status" not in fields:
            return {**faults, "password": "password is required, unless the status is invited."}
        return faults


class UserUpdate(user_arguments.UserUpdate):
    """The fields of a user to change. Missing fields are left unchanged."""

    refused: ClassVar[dict[str, str]] = {
        "password": "password cannot be changed here. Use PUT /v1/users/{userId}/password."
    }


class UserPatch(user_arguments.UserPatch):
    """The fields of a user to change. Missing fields are left unchanged, and metadata is merged."""

    refused: ClassVar[dict[str, str]] = UserUpdate.refused


class ShownFields(Query):
    fields: Fields | None = None


class ReadUser(user_arguments.ReadUser):
    fields: Fields | None = None


ExactCount = Annotated[
    Literal["exact"], Meta(description="`exact`: return `X-Total-Count` for filtered lists as well.")
]
Consistency = Annotated[
    Literal["strong", "eventual"],
    Meta(
        description="`eventual`: a database standby may answer, and its data may lag. By default, lists include every "
        "acknowledged change."
    ),
]


class ListUsers(UserSelection):
    limit: Limit = 50
    offset: Offset = 0
    cursor: show.Cursor | None = None
    fields: Fields | None = None
    count: ExactCount | None = None
    consistency: Consistency | None = None


class ListApplications(ApplicationFilters):
    sort: Sort | None = None
    limit: Limit = 50
    offset: Offset = 0
    cursor: show.Cursor | None = None
    fields: Fields | None = None
    count: ExactCount | None = None
    consistency: Consistency | None = None


class DeleteUser(Query):
    purge: Annotated[bool, Meta(description="`true`: erase the user permanently, so that they can't be restored.")] = (
        False
    )


MAX_UNKNOWN = 50


class User(Struct, frozen=True):
    """A user. Lists and create return `id`, `name`, `email` and `created_at`; update returns `updated_at` instead of
    `created_at`; reading a user returns all fields. Use `fields` to choose."""

    id: Annotated[str, identifier("ID of the user. Never reused.", ALICE_ID)]
    name: Annotated[str, says("The user's name.", minLength=1, examples=["Alice Wonderland"])]
    email: Annotated[str, says("The user's email.", format="email", examples=["alice@example.com"])]
    kind: Annotated[str, open_enum(roles.USER_KINDS, ABOUT_KIND)] | UnsetType = UNSET
    role: Annotated[str, open_enum(roles.ROLES, ABOUT_ROLE)] | UnsetType = UNSET
    status: Annotated[str, open_enum(roles.STATUSES, ABOUT_STATUS)] | UnsetType = UNSET
    external_id: Annotated[str, says("Your own identifier for the user.", examples=["crm-1042"])] | None | UnsetType = (
        UNSET
    )
    metadata: (
        Annotated[
            msgspec.Raw,
            says(
                "A JSON object with your own data, which the user can read.",
                type="object",
                additionalProperties=True,
                examples=[{"plan": "pro"}],
            ),
        ]
        | UnsetType
    ) = UNSET
    private_metadata: (
        Annotated[
            msgspec.Raw,
            says(
                "A JSON object with your own data, which the user doesn't see: only in responses to callers who can "
                "read all users.",
                type="object",
                additionalProperties=True,
                examples=[{"fraud_score": 12}],
            ),
        ]
        | UnsetType
    ) = UNSET
    email_verified: Annotated[bool, says("Whether the email is verified.")] | UnsetType = UNSET
    rate_limit: (
        Annotated[str, says("Rate limit, or `none`. Null: the default applies.", examples=["1000/minute"])]
        | None
        | UnsetType
    ) = UNSET
    ends_at: Annotated[str, moment("When Rollbook suspends the user. Null: never.")] | None | UnsetType = UNSET
    last_active_at: (
        Annotated[
            str,
            moment(
                "When the user last signed in, used a session or called with an API key, to the minute. Lags by up to "
                "a minute. Null: never."
            ),
        ]
        | None
        | UnsetType
    ) = UNSET
    created_at: (
        Annotated[
            str,
            moment("When the user signed up: when they were created or, if they were imported, the date in the file."),
        ]
        | UnsetType
    ) = UNSET
    updated_at: Annotated[str, moment("When it was last updated.", "2023-10-27T11:00:00Z")] | UnsetType = UNSET
    last_sign_in_at: (
        Annotated[str, moment("When the user last signed in, or their password was last verified.")] | None | UnsetType
    ) = UNSET
    deleted_at: (
        Annotated[str, moment("When the user was deleted. Only in lists with `status=deleted`.")] | UnsetType
    ) = UNSET
    unknown_fields: (
        Annotated[list[str], array("The fields that the event log doesn't tell. Only with `at`.", MAX_UNKNOWN)]
        | UnsetType
    ) = UNSET


USER_FIELDS = tuple(field.name for field in msgspec.structs.fields(User) if field.name != "unknown_fields")
ALWAYS = tuple(field.name for field in msgspec.structs.fields(User) if field.required)
"""The fields that every answer with a user has: generated clients can rely on them."""
MAX_FIELDS = 50
"""Names in `fields`, counting those that are repeated."""


class Fields(Names):
    """Fields to return besides `id`, `name` and `email`, which every user has. `*`: all."""

    schema: ClassVar[Schema] = {
        **Names.schema,
        "maxItems": MAX_FIELDS,
        "items": {"type": "string", "enum": [*USER_FIELDS, "*"]},
        "examples": [["role", "status"], ["*"]],
    }


class Count(Struct, frozen=True):
    """The number of users."""

    count: Annotated[int, number("The number of users.")]


def show_user_page(call: Call, page: user_list.UserPage) -> Response:
    query: ListUsers | ListApplications = call.query
    if page.json is not None:
        body = page.json
    elif query.fields is None:
        body = show.encode(
            [User(id, name, email, created_at=clock.format_time(at)) for _, id, name, email, at in page.rows]
        )
    else:
        body = show.encode([chosen(user, query.fields) for user in user_list.public(page)])
    request, services = call.request, call.services
    parameters = () if page.json is not None and query.consistency is None else _parameters(query)
    head = (take.links if parameters else take.plain_links)(
        services.secret,
        services.base_url(request) + request.path,
        parameters,
        sort_of(query),
        query.limit,
        page.before,
        page.after,
    )
    head += show.event_position(page.position)
    if page.total is not None:
        head += b"X-Total-Count: %d\r\n" % page.total
    return Response(200, show.JSON_HEAD + head, body)


def _parameters(query: ListUsers | ListApplications) -> tuple[tuple[str, str], ...]:
    """Query parameters that the links to other pages repeat."""
    parameters: list[tuple[str, str]] = []
    for name in _REPEATED:
        value = getattr(query, name, None)
        if value is None:
            continue
        if name == "metadata":
            parameters.append((name, ",".join([metadata_pair(key, text) for key, text in value])))
        else:
            parameters.append((name, "*" if name == "fields" and value == USER_FIELDS else show.text(value)))
    return tuple(parameters)


_REPEATED = ("sort", "fields", *UserFilters.__struct_fields__, "count", "consistency")


def show_count(call: Call, users: int) -> Response:
    return show.answer(200, Count(users))


def show_user(call: Call, user: user_records.User | UserAsOf) -> Response:
    """All that is kept of one, unless the caller has this version already (If-None-Match)."""
    if isinstance(user, UserAsOf):
        return _user_as_of(user, call.query.fields)
    if (unchanged := show.unless_known(call, user.version)) is not None:
        return unchanged
    fields = call.query.fields
    shown = presented(call.by, user)
    return show.answer(200, shown if fields is None else chosen(shown, fields), show.etag(user.version))


def _user_as_of(user: UserAsOf, fields: tuple[str, ...] | None) -> Response:
    shown: dict[str, Any] = dict(user.fields) if fields is None else chosen(user.fields, fields)
    unknown = [name for name in user.unknown if fields is None or name in fields]
    return show.answer(200, shown | ({"unknown_fields": unknown} if unknown else {}))


def show_user_listed(call: Call, user: user_records.User) -> Response:
    return _user(call, user, is_new=True)


def show_user_updated(call: Call, user: user_records.User) -> Response:
    return _user(call, user, is_new=False)


def _user(call: Call, user: user_records.User, is_new: bool) -> Response:
    """The fields that were asked for, or else the usual ones."""
    fields = None if call.query is None else call.query.fields
    return show.answer(
        200,
        listed(user, is_new) if fields is None else chosen(presented(call.by, user), fields),
        show.etag(user.version),
    )


def listed(user: user_records.User, is_new: bool) -> User:
    """The usual fields, with when the user was created, or else updated."""
    if is_new:
        return User(user.id, user.name, user.email, created_at=clock.format_time(user.created_at))
    return User(user.id, user.name, user.email, updated_at=clock.format_time(user.updated_at))


def show_user_created(call: Call, user: user_records.User) -> Response:
    return show.created(call, f"/v1/users/{user.id}", show_user_listed(call, user))


def chosen(values: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in USER_FIELDS if name in values and (name in fields or name in ALWAYS)}


def take_user_page(call: Call) -> tuple[list_query.Query]:
    return page_query(call, users.filters_of(call.query))


def page_query(call: Call, filters: Filters) -> tuple[list_query.Query]:
    arguments: ListUsers | ListApplications = call.query
    sort = users.sort_of(arguments)
    query = list_query.Query(
        filters,
        users.order_of(sort),
        arguments.limit,
        arguments.offset,
        count=arguments.count is not None,
        eventual=arguments.consistency == "eventual",
        listed=arguments.fields is None,
    )
    if arguments.cursor is None:
        return (query,)
    if arguments.offset:
        refuse("cursor", "and offset cannot go together")
    return (query._replace(position=take.position(call.services.secret, sort, arguments.cursor)),)


def take_moment(call: Call) -> tuple[str | None]:
    return (call.query.at,)


def take_filters(call: Call) -> tuple[Filters]:
    return (users.filters_of(call.query),)


def take_deletion(call: Call) -> tuple[bool, frozenset[int] | None]:
    return call.query.purge, take.if_match(call)


UPDATE = (errors.PreconditionFailed, *TAKEN, errors.LastOwner, errors.NotYourself, *PROOF)
ROWS: dict[str, list[Route]] = {
    "/v1/users": [
        get(users.list_users, "users:read", ListUsers, list[User], show_user_page).but(
            errors=FOUND, takes=take_user_page
        ),
        post(users.create, "users:write", UserCreate, User, show_user_created).but(
            success=201, query=ShownFields, errors=(*TAKEN, errors.Overloaded)
        ),
    ],
    "/v1/users/count": [
        get(users.count_users, "users:read", UserFilters, Count, show_count).but(errors=FOUND, takes=take_filters),
    ],
    "/v1/users/{userId}": [
        get(users.get, "users:read", ReadUser, User, show_user).but(
            self_access="user", errors=(errors.NotInLog,), takes=take_moment
        ),
        put(users.update, "users:write", UserUpdate, User, show_user_updated).but(
            query=ShownFields, self_access="user", errors=UPDATE, takes=take.changes
        ),
        patch(users.update, "users:write", UserPatch, User, show_user_updated).but(
            query=ShownFields, self_access="user", errors=UPDATE, takes=take.changes
        ),
        delete(users.delete, "users:delete").but(
            query=DeleteUser,
            errors=(errors.PreconditionFailed, errors.NotYourself, errors.LastOwner),
            takes=take_deletion,
        ),
    ],
    "/v1/users/{userId}/suspend": [
        post(users.suspend, "users:write", None, User, show_user_updated).but(
            query=ShownFields, errors=(errors.NotYourself, errors.LastOwner), takes=take.nothing
        ),
    ],
    "/v1/users/{userId}/activate": [
        post(users.activate, "users:write", None, User, show_user_updated).but(query=ShownFields, takes=take.nothing),
    ],
    "/v1/users/{userId}/adopt": [
        post(users.adopt, "users:write", None, User, show_user_updated).but(
            query=ShownFields, errors=(errors.NotYourself,), takes=take.nothing
        ),
    ],
    "/v1/users/{userId}/restore": [
        post(users.restore, "users:write", None, User, show_user_listed).but(
            query=ShownFields, errors=TAKEN, takes=take.nothing
        ),
    ],
}
