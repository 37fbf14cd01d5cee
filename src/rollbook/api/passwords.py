"""Passwords over the API, and checks of them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from rollbook import clock, errors
from rollbook.actions import passwords, tokens, verification
from rollbook.actions.arguments.passwords import ChallengeAnswer, Credentials, PasswordChange, PasswordLinkCreate
from rollbook.actions.tokens import IssuedToken
from rollbook.api import show
from rollbook.api.call import Call
from rollbook.api.route import CODE, PROOF, Route, Special, post, put
from rollbook.api.tokens import link_url
from rollbook.api.users import ShownFields, User, show_user_listed
from rollbook.http.request import Response
from rollbook.schemas import moment, uri


class PasswordLink(Struct, frozen=True):
    """A setup or password reset link. It works once."""

    url: Annotated[str, uri("The link. Only returned once.")]
    expires_at: Annotated[str, moment("When the link expires.", "2023-10-30T10:20:00Z")]


def show_password_link(call: Call, link: IssuedToken) -> Response:
    return show.answer(201, PasswordLink(link_url(call, link), clock.format_time(link.token.expires_at)))


ROWS: dict[str, list[Route]] = {
    "/v1/users/verify-password": [
        post(verification.verify_password, "users:verify", Credentials, User, show_user_listed).but(
            query=ShownFields,
            errors=(
                errors.WrongPassword,
                errors.SecondFactorRequired,
                errors.UserSuspended,
                errors.TooManyAttempts,
                errors.Overloaded,
            ),
            special=Special(replays=False),
        ),
    ],
    "/v1/users/verify-challenge": [
        post(verification.verify_challenge, "users:verify", ChallengeAnswer, User, show_user_listed).but(
            query=ShownFields,
            errors=(errors.InvalidChallenge, *CODE),
            special=Special(replays=False),
        ),
    ],
    "/v1/users/{userId}/password": [
        put(passwords.set_password, "users:write", PasswordChange, None, show.nothing).but(
            self_access="user", errors=PROOF
        ),
    ],
    "/v1/users/{userId}/password-link": [
        post(tokens.create_password_link, "users:write", PasswordLinkCreate, PasswordLink, show_password_link).but(
            success=201, errors=(errors.NotYourself,)
        ),
    ],
}
