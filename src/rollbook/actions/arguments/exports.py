"""Arguments about exports."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from rollbook.actions.arguments import ExportedStatus
from rollbook.actions.arguments.users import UserFilters

ExportFormat = Literal["ndjson", "csv"]


class ExportUsers(UserFilters):
    """The users to export, and the format."""

    status: ExportedStatus | None = None  # type: ignore[bad-override-mutable-attribute]  # frozen
    format: Annotated[
        ExportFormat, Meta(description="`ndjson`: a JSON object on each line. `csv`: a table with a header.")
    ] = "ndjson"
