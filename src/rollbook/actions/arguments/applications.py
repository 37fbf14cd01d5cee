"""Arguments about applications."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType

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
from rollbook.roles import ApplicationRole, Status, StatusFilter
from rollbook.schemas import listed, says

ABOUT_APPLICATION_ROLES = listed({role: roles.ROLES[role] for role in roles.APPLICATION_ROLES})


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
