"""One-time tokens over the API."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from rollbook import errors
from rollbook.actions import token_requests, tokens
from rollbook.actions.arguments.tokens import ABOUT_PURPOSES, TokenConsume, TokenCreate, TokenRequest
from rollbook.actions.tokens import IssuedToken, TokenUse
from rollbook.actions.users import presented
from rollbook.api import show
from rollbook.api.call import Call
from rollbook.api.route import Route, Special, delete, get, post
from rollbook.api.users import User
from rollbook.auth import tokens as token_format
from rollbook.http.request import Response
from rollbook.records import examples, one_time_tokens
from rollbook.records.examples import CHARLIE_ID
from rollbook.schemas import identifier, moment, open_enum, says, uri


class Token(Struct, frozen=True, kw_only=True):
    """A one-time token. `token` and `url` are returned once, when it is created, unless Rollbook mails it."""

    id: Annotated[str, identifier("ID of the token, which is not the token itself.", examples.TOKEN_ID)]
    user_id: Annotated[str, identifier("ID of the user it is for.", CHARLIE_ID)]
    purpose: Annotated[str, open_enum(one_time_tokens.PURPOSES, ABOUT_PURPOSES)]
    email: (
        Annotated[
            str,
            says(
                "The new email of `change_email`, or the one that `verify_email` confirms.",
                format="email",
                examples=["charlie@example.com"],
            ),
        ]
        | None
    )
    redirect_url: Annotated[str, says("Where the user continues afterwards. Null: in the dashboard.")] | None
    data: (
        Annotated[
            msgspec.Raw,
            says("Your own data.", type="object", additionalProperties=True, examples=[{"plan": "pro"}]),
        ]
        | None
    )
    created_at: Annotated[str, moment("When it was created.", "2023-10-27T10:20:00Z")]
    expires_at: Annotated[str, moment("When it expires.", "2023-10-28T10:20:00Z")]
    reason: Annotated[str, says("Why somebody acts as the user, of `impersonate`.", examples=["Ticket 4711"])] | None
    token: (
        Annotated[str, says("The token, for a link to your own application.", examples=[examples.TOKEN_TEXT])]
        | UnsetType
    ) = UNSET
    url: Annotated[str, uri("A link to the page of Rollbook on which the user uses it.")] | UnsetType = UNSET


class UsedToken(Struct, frozen=True):
    """The token that was used."""

    id: Annotated[str, identifier("ID of the token.", examples.TOKEN_ID)]
    purpose: Annotated[str, open_enum(one_time_tokens.PURPOSES, "What it was for.")]
    redirect_url: Annotated[str, says("Where the user continues.")] | None
    data: (
        Annotated[
            msgspec.Raw,
            says("Your own data.", type="object", additionalProperties=True, examples=[{"plan": "pro"}]),
        ]
        | None
    )


class ConsumedToken(User, frozen=True, kw_only=True):
    """The user after a one-time token was used, with all fields, and the token."""

    token: UsedToken


def show_token_created(call: Call, issued: IssuedToken) -> Response:
    return show.answer(201, token_with_text(call, issued))


def token_with_text(call: Call, issued: IssuedToken) -> dict[str, Any]:
    """A token that was created just now, with what is shown at no other time, and not at all if it is mailed."""
    if not issued.text:
        return one_time_tokens.public(issued.token)
    return one_time_tokens.public(issued.token) | {"token": issued.text, "url": link_url(call, issued)}


def link_url(call: Call, issued: IssuedToken) -> str:
    return token_format.link_url(call.services.url, issued.token.purpose, issued.text, issued.token.language)


def show_token_list(call: Call, records: list[one_time_tokens.Token]) -> Response:
    return show.answer(200, [one_time_tokens.public(token) for token in records])


def show_token_consumed(call: Call, used: TokenUse) -> Response:
    token = one_time_tokens.public(used.token)
    shown = {name: token[name] for name in UsedToken.__struct_fields__}
    return show.answer(200, presented(call.by, used.user) | {"token": shown}, show.etag(used.user.version))


ROWS: dict[str, list[Route]] = {
    "/v1/users/{userId}/tokens": [
        get(tokens.list_tokens, "tokens:create", None, list[Token], show_token_list),
        post(tokens.create_token, "tokens:create", TokenCreate, Token, show_token_created).but(
            success=201, errors=(errors.NotYourself, errors.EmailTaken)
        ),
    ],
    "/v1/users/{userId}/tokens/{tokenId}": [
        delete(tokens.revoke_token, "tokens:create"),
    ],
    "/v1/tokens/request": [
        post(token_requests.request_token, "tokens:create", TokenRequest, None, show.accepted).but(success=202),
    ],
    "/v1/tokens/consume": [
        post(tokens.consume_token, "tokens:consume", TokenConsume, ConsumedToken, show_token_consumed).but(
            errors=(
                errors.TokenInvalid,
                errors.EmailTaken,
                errors.SecondFactorRequired,
                errors.WrongCode,
                errors.TooManyAttempts,
                errors.Overloaded,
            ),
            special=Special(replays=False),
        ),
    ],
}
