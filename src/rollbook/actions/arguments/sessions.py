"""Arguments about sessions of the dashboard and of applications."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from rollbook.actions.arguments import (
    ANY_TEXT,
    NO_LINE_BREAK,
    Address,
    Body,
    ChallengeText,
    Code,
    GivenEmail,
    GivenPassword,
    Limit,
    Offset,
    Query,
    SomeUser,
)
from rollbook.records import examples
from rollbook.schemas import says

_OF_PATH = "A-Za-z0-9._~:@!$&()+,;=%?#-"
IS_AUDIENCE = f"^[a-z0-9][a-z0-9._:+-]*(//[a-z0-9._:-]+)?(/([{_OF_PATH}][/{_OF_PATH}]*)?)?${NO_LINE_BREAK}"
SomeAudience = Annotated[str, Meta(min_length=1, max_length=255, pattern=IS_AUDIENCE, examples=[examples.AUDIENCE])]
Audience = Annotated[
    SomeAudience,
    says(
        "Your application: its ID, or a name that you choose, such as its URL, which the API key must have among its "
        "`audiences`. Default: the only one of the key. Names and hosts are in lower case, and compared exactly. "
        "Tokens are only valid for the audience that their session was created for."
    ),
]
UserAgent = Annotated[
    str,
    Meta(
        max_length=2048,
        description="The User-Agent header of the person's browser or app, to tell sessions apart. The first 300 "
        "characters are kept.",
        examples=[examples.USER_AGENT],
        extra_json_schema={"pattern": ANY_TEXT},
    ),
]
SessionText = Annotated[str, Meta(min_length=1, max_length=100, extra_json_schema={"pattern": ANY_TEXT})]


class SessionCreate(Body):
    """A person who signs in to your application: with `email` and `password`, then `challenge` and `code` if they have
    a second factor, or with a one-time `token`."""

    audience: Audience | UnsetType = UNSET
    email: GivenEmail | UnsetType = UNSET
    password: GivenPassword | UnsetType = UNSET
    token: (
        Annotated[SessionText, says("A one-time token of the purpose `sign_in`.", examples=[examples.TOKEN_TEXT])]
        | UnsetType
    ) = UNSET
    challenge: ChallengeText | UnsetType = UNSET
    code: Code | UnsetType = UNSET
    address: Address | UnsetType = UNSET
    user_agent: UserAgent | UnsetType = UNSET


class SessionRefresh(Body):
    """A refresh token, which works once."""

    refresh_token: Annotated[SessionText, says("The refresh token of the session.", examples=[examples.REFRESH_TOKEN])]
    audience: Audience | UnsetType = UNSET


class SessionVerification(Body):
    """A token of a session."""

    token: Annotated[SessionText, says("The token of the session.", examples=[examples.SESSION_TOKEN])]
    audience: Audience | UnsetType = UNSET


class ListSessions(Query):
    user: Annotated[SomeUser, says("ID of the user whose sessions to list. Default: yourself.")] | None = None
    audience: Annotated[SomeAudience, says("Only sessions for this audience.")] | None = None
    limit: Limit = 50
    offset: Offset = 0
