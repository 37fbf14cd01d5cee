"""Arguments about second factors."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, UnsetType

from rollbook.actions.arguments import Address, Body, Code, GivenPassword, OwnCode, Query, label
from rollbook.schemas import says


class SecondFactorCreate(Body):
    """An authenticator app to add."""

    kind: Annotated[Literal["totp"], says("The kind of factor. `totp`: an authenticator app.")]
    name: Annotated[str, label("What the user calls the factor.", "Phone")] | UnsetType = UNSET
    issuer: (
        Annotated[
            str,
            label(
                "Name of your application, which the app shows beside the code. Default: the setting `brand_name`.",
                "Acme",
            ),
        ]
        | UnsetType
    ) = UNSET
    code: OwnCode | UnsetType = UNSET
    current_password: (
        Annotated[GivenPassword, says("Your current password. Required to add your own first factor.")] | UnsetType
    ) = UNSET


class SecondFactorActivation(Body):
    """A code of the app to activate."""

    code: Annotated[Code, says("A code that the app shows.")]


class SecondFactorCode(Body):
    """A code to verify."""

    code: Code
    address: Address | UnsetType = UNSET


class RecoveryCodesCreate(Body):
    """Recovery codes to create."""

    code: OwnCode | UnsetType = UNSET


class SecondFactorName(Body):
    """The name of a second factor."""

    name: Annotated[str, label("What you call the factor.", "Phone")]


class SecondFactorProof(Query):
    code: OwnCode | None = None
