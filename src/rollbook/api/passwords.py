"""Passwords over the API, and checks of them."""

from __future__ import annotations

from rollbook import errors
from rollbook.actions import passwords, verification
from rollbook.actions.arguments.passwords import ChallengeAnswer, Credentials, PasswordChange
from rollbook.api import show
from rollbook.api.route import CHECKS, CODE, PROOF, Route, post, put
from rollbook.api.users import ShownFields, User, show_user_listed

ROWS: dict[str, list[Route]] = {
    "/v1/users/verify-password": [
        post(verification.verify_password, "users:verify", Credentials, User, show_user_listed).but(
            query=ShownFields,
            errors=(
                errors.WrongPassword,
                errors.SecondFactorRequired,
                errors.UserSuspended,
                errors.NewPasswordRequired,
                errors.TooManyAttempts,
                errors.Overloaded,
            ),
            special=CHECKS,
        ),
    ],
    "/v1/users/verify-challenge": [
        post(verification.verify_challenge, "users:verify", ChallengeAnswer, User, show_user_listed).but(
            query=ShownFields,
            errors=(errors.InvalidChallenge, *CODE),
            special=CHECKS,
        ),
    ],
    "/v1/users/{userId}/password": [
        put(passwords.set_password, "users:write", PasswordChange, None, show.nothing).but(
            self_access="user", errors=PROOF
        ),
    ],
}
