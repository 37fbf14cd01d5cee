"""Arguments about passwords and checks of them."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType

from rollbook.actions.arguments import (
    Address,
    Body,
    ChallengeText,
    Code,
    GivenEmail,
    GivenPassword,
    NewPassword,
)
from rollbook.schemas import says


class PasswordChange(Body):
    """A password to set. Users who change their own password must send the current one."""

    password: NewPassword
    current_password: GivenPassword | UnsetType = UNSET
    revoke_keys: (
        Annotated[
            bool,
            says(
                "Whether the user's API keys are revoked and their webhooks disabled, and what they created for others "
                "ends. Default: `true` for another user, `false` for yourself."
            ),
        ]
        | UnsetType
    ) = UNSET


class Credentials(Body):
    """An email and a password."""

    email: GivenEmail
    password: GivenPassword
    address: Address | UnsetType = UNSET


class ChallengeAnswer(Body):
    """A code for the challenge of a sign-in."""

    challenge: ChallengeText
    code: Code
    address: Address | UnsetType = UNSET


class PasswordProof(Body):
    """Your own password or, if you have a second factor, a code."""

    password: Annotated[GivenPassword, says("Your password. Required unless you have a second factor.")] | UnsetType = (
        UNSET
    )
    code: (
        Annotated[
            Code, says("A code of your authenticator app, or a recovery code. Required if you have a second factor.")
        ]
        | UnsetType
    ) = UNSET
