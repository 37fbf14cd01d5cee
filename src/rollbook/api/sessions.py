"""Sessions over the API: those of the dashboard and of applications."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Struct, UnsetType

from rollbook import clock, errors
from rollbook.actions import app_sessions, sessions
from rollbook.actions.app_sessions import IssuedSession
from rollbook.actions.arguments.sessions import ListSessions, SessionCreate, SessionRefresh, SessionVerification
from rollbook.actions.users import presented
from rollbook.api import show
from rollbook.api.call import Call
from rollbook.api.route import CHECKS, FOUND, Route, Special, delete, get, post
from rollbook.api.users import ShownFields, User, chosen
from rollbook.http.request import Response
from rollbook.records import examples
from rollbook.records import sessions as session_records
from rollbook.records.app_sessions import SessionWithUser
from rollbook.records.examples import CHARLIE_ID
from rollbook.schemas import identifier, moment, says

_EXPIRES_AT = "When the `token` expires, unless the session is refreshed."
_REFRESH_EXPIRES_AT = "When the session ends, unless it is refreshed before."


class Act(Struct, frozen=True):
    """Person who acts as a user (RFC 8693, section 4.1)."""

    sub: Annotated[str, identifier("ID of the person.", examples.ALICE_ID)]


_ACT = Annotated[
    Act | UnsetType, says("Who acts as the user, with a token of the purpose `impersonate`. Absent: the user.")
]


class Session(Struct, frozen=True):
    """A browser a user is signed in to the dashboard with, or an application's session of a user."""

    id: Annotated[str, identifier("ID of the session.", examples.SESSION_ID)]
    user_id: Annotated[str, identifier("ID of the user who is signed in.", CHARLIE_ID)]
    audience: (
        Annotated[str, says("The application it is for. Null: the dashboard.", examples=[examples.AUDIENCE])] | None
    )
    created_at: Annotated[str, moment("When the user signed in.")]
    last_seen_at: Annotated[
        str,
        moment("When the browser was last seen, accurate to about a minute; an application's: when it was refreshed."),
    ]
    expires_at: Annotated[str, moment(f"{_EXPIRES_AT} Null: it is the dashboard's.", "2023-10-27T10:55:00Z")] | None
    refresh_expires_at: (
        Annotated[
            str,
            moment(
                f"{_REFRESH_EXPIRES_AT} Null: it is the dashboard's.",
                "2023-11-26T10:40:00Z",
            ),
        ]
        | None
    )
    address: Annotated[
        str,
        says(
            "The IP address the user signed in from. Empty if the application didn't send it.",
            examples=["203.0.113.7"],
        ),
    ]
    user_agent: Annotated[
        str,
        says(
            "The browser's User-Agent header. Empty if the application didn't send it.",
            examples=[examples.USER_AGENT],
        ),
    ]
    acted_by: (
        Annotated[str, identifier("ID of the person who acts as the user, for support.", examples.ALICE_ID)] | None
    )
    reason: Annotated[str, says("Why they act as the user.", examples=["Ticket 4711"])] | None


class SessionTokens(Struct, frozen=True):
    """A session of your application, and its tokens. They are only returned here."""

    id: Annotated[str, identifier("ID of the session.", examples.SESSION_ID)]
    user_id: Annotated[str, identifier("ID of the user who is signed in.", CHARLIE_ID)]
    audience: Annotated[str, says("The application it is for.", examples=[examples.AUDIENCE])]
    token: Annotated[str, says("Proves that the user is signed in: verify it.", examples=[examples.SESSION_TOKEN])]
    refresh_token: Annotated[
        str, says("Gets the next `token` and `refresh_token`, once.", examples=[examples.REFRESH_TOKEN])
    ]
    expires_at: Annotated[str, moment("When the `token` expires.", "2023-10-27T10:55:00Z")]
    refresh_expires_at: Annotated[str, moment(_REFRESH_EXPIRES_AT, "2023-11-26T10:40:00Z")]
    user: User
    access_token: (
        Annotated[
            str,
            says(
                "A signed access token (JWT), if the setting `access_tokens` is on.",
                examples=[examples.ACCESS_TOKEN],
            ),
        ]
        | UnsetType
    ) = UNSET
    access_expires_at: (
        Annotated[str, moment("When the `access_token` expires: 5 minutes after now.", "2023-10-27T10:45:00Z")]
        | UnsetType
    ) = UNSET
    act: _ACT = UNSET


class VerifiedSession(Struct, frozen=True):
    """A session of your application that has not ended, and its user as they are now."""

    id: Annotated[str, identifier("ID of the session.", examples.SESSION_ID)]
    user_id: Annotated[str, identifier("ID of the user who is signed in.", CHARLIE_ID)]
    audience: Annotated[str, says("The application it is for.", examples=[examples.AUDIENCE])]
    expires_at: Annotated[str, moment("When the `token` expires.", "2023-10-27T10:55:00Z")]
    user: User
    act: _ACT = UNSET


show_session_list = show.page(session_records.public)


def show_session_created(call: Call, issued: IssuedSession) -> Response:
    return show.created(call, f"/v1/sessions/{issued.session.id}", show_session_refreshed(call, issued))


def show_session_refreshed(call: Call, issued: IssuedSession) -> Response:
    fields = session_records.public(issued.session)
    shown = SessionTokens(
        fields["id"],
        fields["user_id"],
        fields["audience"],
        issued.token,
        issued.refresh_token,
        fields["expires_at"],
        fields["refresh_expires_at"],
        User(**presented(call.by, issued.user)),
        UNSET if issued.access is None else issued.access.text,
        UNSET if issued.access is None else clock.format_time(issued.access.expires_at),
        _act(issued.session.acted_by),
    )
    return show.answer(200, shown)


def show_session_verified(call: Call, verified: SessionWithUser) -> Response:
    if verified.user is None:
        user = User(verified.user_id, verified.name, verified.email)
    else:
        user = User(**chosen(presented(call.by, verified.user), call.query.fields))
    expires_at = clock.format_time(verified.expires_at)
    act = _act(verified.acted_by)
    shown = VerifiedSession(verified.id, verified.user_id, verified.audience, expires_at, user, act)
    return show.answer(200, shown)


def _act(acted_by: str | None) -> Act | UnsetType:
    return UNSET if acted_by is None else Act(acted_by)


def take_verification(call: Call) -> tuple[SessionVerification, bool]:
    return call.body, call.query.fields is not None


ROWS: dict[str, list[Route]] = {
    "/v1/sessions": [
        get(sessions.list_sessions, "sessions:read", ListSessions, list[Session], show_session_list).but(errors=FOUND),
        post(app_sessions.create, "sessions:create", SessionCreate, SessionTokens, show_session_created).but(
            success=201,
            errors=(
                errors.WrongPassword,
                errors.TokenInvalid,
                errors.SecondFactorRequired,
                errors.InvalidChallenge,
                errors.WrongCode,
                errors.UserSuspended,
                errors.NewPasswordRequired,
                errors.TooManyAttempts,
                errors.Overloaded,
            ),
            # The token of a session that isn't kept would work wherever it is verified without asking us.
            special=Special(replays=False, previews=False),
        ),
    ],
    "/v1/sessions/refresh": [
        post(app_sessions.refresh, "sessions:create", SessionRefresh, SessionTokens, show_session_refreshed).but(
            errors=(errors.SessionEnded,), special=Special(previews=False)
        ),
    ],
    "/v1/sessions/verify": [
        post(app_sessions.verify, "sessions:verify", SessionVerification, VerifiedSession, show_session_verified).but(
            query=ShownFields,
            errors=(errors.SessionEnded,),
            takes=take_verification,
            special=CHECKS,
        ),
    ],
    "/v1/sessions/{sessionId}": [
        delete(sessions.end, "sessions:write"),
    ],
}
