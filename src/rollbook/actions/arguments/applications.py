"""Arguments about applications."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from rollbook import roles
from rollbook.actions.arguments import (
    ABOUT_STATUS,
    Body,
    ExternalId,
    LimitText,
    Metadata,
    MetadataPatch,
    Name,
    Query,
    SearchText,
)
from rollbook.records.examples import GROUP_ID
from rollbook.roles import ApplicationRole, Status, StatusFilter
from rollbook.schemas import listed, says

ABOUT_APPLICATION_ROLES = listed({role: roles.ROLES[role] for role in roles.APPLICATION_ROLES})


MAX_URLS, MAX_URL = 20, 1_024
_EXAMPLE, LOGOUT_URL = "https://grafana.example.com/login/generic_oauth", "https://grafana.example.com/signed-out"
SignInUrl = Annotated[
    str, Meta(min_length=1, max_length=MAX_URL, extra_json_schema={"pattern": r"^[!-\[\]-~]+$"}, examples=[_EXAMPLE])
]
SignInUrls = Annotated[tuple[SignInUrl, ...], Meta(max_length=MAX_URLS)]
GroupId = Annotated[
    str, Meta(min_length=1, max_length=40, extra_json_schema={"pattern": "^[!-~]+$"}, examples=[GROUP_ID])
]
ABOUT_URLS = (
    "Compared character by character: `https`, or `http` on this machine, where the port of `127.0.0.1` and `[::1]` "
    "doesn't matter, or the scheme of an app, which has a dot."
)


class ApplicationFields(Body, kw_only=True):
    """The fields of an application that callers set, at creation or later."""

    name: Name | UnsetType = UNSET
    role: (
        Annotated[ApplicationRole, says(f"The application's role. {ABOUT_APPLICATION_ROLES} Default: `member`.")]
        | UnsetType
    ) = UNSET
    external_id: ExternalId | None | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    rate_limit: LimitText | None | UnsetType = UNSET
    redirect_urls: (
        Annotated[SignInUrls, says(f"Where people may return to after they signed in. {ABOUT_URLS}")] | UnsetType
    ) = UNSET
    post_logout_redirect_urls: (
        Annotated[SignInUrls, says(f"Where people may return to after they signed out. {ABOUT_URLS}")] | UnsetType
    ) = UNSET
    public_client: (
        Annotated[
            bool,
            says(
                "Whether the application can keep no secret, such as a mobile app or one in the browser. It proves "
                "with PKCE that a code is its own."
            ),
        ]
        | UnsetType
    ) = UNSET
    sign_in_groups: (
        Annotated[
            tuple[GroupId, ...],
            Meta(max_length=100, description="IDs of the groups whose members may sign in. Empty: everyone."),
        ]
        | UnsetType
    ) = UNSET
    group_claims: (
        Annotated[Literal["names", "ids"], says("What the scope `groups` tells of each group. Default: `names`.")]
        | UnsetType
    ) = UNSET
    role_claim: (
        Annotated[bool, says("Whether the application learns the role of whoever signs in. Default: false.")]
        | UnsetType
    ) = UNSET
    backchannel_logout_url: (
        Annotated[
            str,
            Meta(min_length=1, max_length=MAX_URL, examples=[LOGOUT_URL]),
            says("Where the application hears of sessions that ended (OpenID Connect Back-Channel Logout)."),
        ]
        | None
        | UnsetType
    ) = UNSET


class ApplicationCreate(ApplicationFields, kw_only=True):
    """An application to create: a name is enough. Its email is made up."""

    name: Name  # type: ignore[bad-override-mutable-attribute]  # frozen


class ApplicationPatch(ApplicationFields, kw_only=True):
    """The fields of an application to change. Missing fields are left unchanged, and metadata is merged."""

    metadata: MetadataPatch | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]  # frozen
    status: Annotated[Status, says(ABOUT_STATUS)] | UnsetType = UNSET


class ApplicationFilters(Query):
    """Filters of applications."""

    q: SearchText | None = None
    status: (
        Annotated[
            StatusFilter,
            says(
                "Only applications with this status. `deleted`: those that were deleted and can be restored, newest "
                "deletion first. Requires the scope `users:write` as well."
            ),
        ]
        | None
    ) = None
