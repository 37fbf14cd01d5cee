"""Arguments about one-time tokens."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, UnsetType

from rollbook.actions.arguments import ANY_TEXT, NO_CONTROLS, Address, Body, Code, Email, Name, NewPassword, RedirectUrl
from rollbook.config import MAX_TOKEN_LIFETIME, LanguageCode
from rollbook.records import examples, one_time_tokens
from rollbook.records.one_time_tokens import Purpose as TokenPurpose
from rollbook.schemas import Schema, listed, says


class TokenData(str):
    """A JSON object with your own data, at most 4 KiB. It is returned when the token is consumed, and in events: no
    place for secrets."""

    schema: ClassVar[Schema] = {"type": "object", "additionalProperties": True, "examples": [{"plan": "pro"}]}


ABOUT_PURPOSES = listed(one_time_tokens.PURPOSES)
TokenLifetime = Annotated[
    int,
    Meta(
        ge=1,
        le=MAX_TOKEN_LIFETIME,
        description="Seconds until it expires, at most 30 days. Default: by its purpose.",
        examples=[3600],
    ),
]
HANDED_ON = 3 * 86_400
"""Seconds for which a link for a new password can be used that a person hands on, and no mail."""
TokenSend = Annotated[
    bool,
    says("Whether Rollbook mails it to the user. `token` and `url` are then not returned. Needs the setting `smtp`."),
]
TokenLanguage = Annotated[LanguageCode, says("Language of the page. Default: the one that the browser prefers.")]


class TokenCreate(Body):
    """A one-time token to create."""

    purpose: Annotated[TokenPurpose, says(ABOUT_PURPOSES)]
    expires_in: TokenLifetime | UnsetType = UNSET
    redirect_url: RedirectUrl | UnsetType = UNSET
    email: Annotated[Email, says("The new email. Required for `change_email`, and only for that.")] | UnsetType = UNSET
    data: TokenData | UnsetType = UNSET
    language: TokenLanguage | UnsetType = UNSET
    send: TokenSend = False
    reason: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=200,
                pattern=NO_CONTROLS,
                description="Why you act as the user, which they see. Required for `impersonate`, and only for that.",
                examples=["Ticket 4711: an invoice is missing"],
            ),
        ]
        | UnsetType
    ) = UNSET


REQUESTED = {
    name: text
    for name, text in one_time_tokens.PURPOSES.items()
    if name not in ("change_email", one_time_tokens.IMPERSONATE)
}
"""Purposes of tokens that people ask for who are not signed in."""


class TokenRequest(Body):
    """A one-time token that someone asks for who is not signed in."""

    email: Annotated[Email, says("The email that the person entered.")]
    purpose: Annotated[
        Literal["reset_password", "verify_email", "sign_in", "invite"],
        says(listed(REQUESTED)),
    ]
    redirect_url: RedirectUrl | UnsetType = UNSET
    address: (
        Annotated[
            Address,
            says(
                "The IP address of the person, as your application sees it. Not that of your application or its proxy."
            ),
        ]
        | UnsetType
    ) = UNSET
    language: (
        Annotated[
            LanguageCode,
            says(
                "Language of the email and the page. Default: for the email, the one in which the user last used the "
                "pages, or the setting `language`; for the page, the one that the browser prefers."
            ),
        ]
        | UnsetType
    ) = UNSET


class TokenConsume(Body):
    """A one-time token to use, with what it needs."""

    token: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=2048,
            description="The token.",
            examples=[examples.TOKEN_TEXT],
            extra_json_schema={"pattern": ANY_TEXT},
        ),
    ]
    password: (
        Annotated[NewPassword, says("The new password. Required for `invite` and `reset_password`.")] | UnsetType
    ) = UNSET
    name: (
        Annotated[Name, says("The user's name, only for `invite`, and if `member_fields` has it. Default: unchanged.")]
        | UnsetType
    ) = UNSET
    code: (
        Annotated[
            Code,
            says(
                "A code of the user's authenticator app, or a recovery code. Required for all but `verify_email` if "
                "the user has a second factor."
            ),
        ]
        | UnsetType
    ) = UNSET
    revoke_keys: (
        Annotated[
            bool,
            says(
                "Whether a new password revokes the user's API keys, disables their webhooks, and ends what they "
                "created for others. Default: `true` for `reset_password`, otherwise `false`."
            ),
        ]
        | UnsetType
    ) = UNSET
    address: Address | UnsetType = UNSET
