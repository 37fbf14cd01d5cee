"""Second factors over the API."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Struct, UnsetType

from rollbook import errors
from rollbook.actions import second_factors
from rollbook.actions.arguments.factors import (
    RecoveryCodesCreate,
    SecondFactorActivation,
    SecondFactorCode,
    SecondFactorCreate,
    SecondFactorProof,
)
from rollbook.actions.second_factors import ActivatedFactor, EnrolledFactor, Factors, VerifiedFactor
from rollbook.api import show
from rollbook.api.call import Call
from rollbook.api.route import CHECKS, CODE, Route, Special, delete, get, post
from rollbook.http.request import Response
from rollbook.records import examples
from rollbook.records import second_factors as factor_records
from rollbook.records.examples import CHARLIE_ID
from rollbook.schemas import array, identifier, moment, number, open_enum, says


class SecondFactor(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A second factor of a user: an authenticator app or a passkey. `secret`, `otpauth_url` and `recovery_codes` are
    only returned once."""

    id: Annotated[str, identifier("ID of the second factor.", examples.FACTOR_ID)]
    user_id: Annotated[str, identifier("ID of the user it belongs to.", CHARLIE_ID)]
    kind: Annotated[str, open_enum(("totp", "passkey"), "`totp`: an authenticator app. `passkey`: a passkey.")]
    name: Annotated[str, says("What the user calls it.", minLength=1, examples=["Phone"])]
    created_at: Annotated[str, moment("When it was created.")]
    confirmed_at: Annotated[str, moment("When it was activated. Null: it is not active yet.")] | None
    last_used_at: Annotated[str, moment("When it was last used. Null: never.")] | None
    secret: (
        Annotated[
            str,
            says(
                "The secret of an authenticator app, in base32. Only when you create it.",
                examples=[examples.TOTP_SECRET],
            ),
        ]
        | UnsetType
    ) = UNSET
    otpauth_url: Annotated[str, says("The secret as a URL for a QR code. Only when you create it.")] | UnsetType = UNSET
    recovery_codes: (
        Annotated[
            tuple[Annotated[str, says("A recovery code.")], ...],
            array("The recovery codes. Only when you activate the user's first factor.", 10),
        ]
        | UnsetType
    ) = UNSET


class SecondFactors(Struct, frozen=True):
    """The second factors of a user."""

    second_factors: Annotated[list[SecondFactor], array("The factors, oldest first.", 20)]
    recovery_codes_left: Annotated[int, number("How many recovery codes the user has left.", maximum=10)]


class RecoveryCodes(Struct, frozen=True):
    """Recovery codes. Each works once."""

    recovery_codes: Annotated[
        tuple[Annotated[str, says("A recovery code.")], ...], array("The codes. Only returned once.", 10)
    ]


class VerifiedCode(Struct, frozen=True):
    """A code that was right."""

    factor_id: (
        Annotated[str, identifier("ID of the authenticator app. Null: it was a recovery code.", examples.FACTOR_ID)]
        | None
    )
    recovery_codes_left: Annotated[int, number("How many recovery codes the user has left.", maximum=10)]


def show_second_factors(call: Call, factors: Factors) -> Response:
    return show.answer(200, SecondFactors([_factor(factor) for factor in factors.factors], factors.recovery_codes_left))


def show_second_factor(call: Call, factor: factor_records.SecondFactor) -> Response:
    return show.answer(200, _factor(factor))


def show_second_factor_created(call: Call, new: EnrolledFactor) -> Response:
    shown = SecondFactor(**factor_records.public(new.factor), secret=new.secret, otpauth_url=new.otpauth_url)
    path = f"/v1/users/{new.factor.user_id}/second-factors/{new.factor.id}"
    return show.created(call, path, show.answer(201, shown))


def show_second_factor_activated(call: Call, active: ActivatedFactor) -> Response:
    codes = active.recovery_codes or UNSET
    return show.answer(200, SecondFactor(**factor_records.public(active.factor), recovery_codes=codes))


def _factor(factor: factor_records.SecondFactor) -> SecondFactor:
    return SecondFactor(**factor_records.public(factor))


def show_recovery_codes(call: Call, codes: tuple[str, ...]) -> Response:
    return show.answer(200, RecoveryCodes(codes))


def show_verified_code(call: Call, verified: VerifiedFactor) -> Response:
    return show.answer(200, VerifiedCode(*verified))


ROWS: dict[str, list[Route]] = {
    "/v1/users/{userId}/second-factors": [
        get(second_factors.list_second_factors, "users:write", None, SecondFactors, show_second_factors).but(
            self_access="user"
        ),
        post(
            second_factors.create_second_factor,
            "users:write",
            SecondFactorCreate,
            SecondFactor,
            show_second_factor_created,
        ).but(
            success=201,
            self_access="user",
            errors=(*CODE, errors.WrongPassword, errors.FactorLimitReached, errors.Overloaded),
            special=Special(replays=False),
        ),
        delete(second_factors.lift_second_factors, "users:write").but(errors=(errors.NotYourself,)),
    ],
    "/v1/users/{userId}/second-factors/verify": [
        post(
            second_factors.verify_second_factor, "users:verify", SecondFactorCode, VerifiedCode, show_verified_code
        ).but(errors=(*CODE, errors.UserSuspended), special=CHECKS),
    ],
    "/v1/users/{userId}/second-factors/{factorId}": [
        get(second_factors.get_second_factor, "users:write", None, SecondFactor, show_second_factor).but(
            self_access="user"
        ),
        delete(second_factors.remove_second_factor, "users:write").but(
            query=SecondFactorProof, self_access="user", errors=(*CODE, errors.LastFactor)
        ),
    ],
    "/v1/users/{userId}/second-factors/{factorId}/activate": [
        post(
            second_factors.activate_second_factor,
            "users:write",
            SecondFactorActivation,
            SecondFactor,
            show_second_factor_activated,
        ).but(self_access="user", errors=(errors.WrongCode,)),
    ],
    "/v1/users/{userId}/recovery-codes": [
        post(
            second_factors.regenerate_recovery_codes,
            "users:write",
            RecoveryCodesCreate,
            RecoveryCodes,
            show_recovery_codes,
        ).but(self_access="user", errors=CODE, special=Special(replays=False)),
    ],
}
