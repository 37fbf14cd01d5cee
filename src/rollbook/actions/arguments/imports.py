"""Arguments about imports, and the fields of a user in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from msgspec import UNSET, Meta, UnsetType

from rollbook.actions.arguments import ABOUT_KIND, Body, Limit, Name, Query, Time
from rollbook.actions.arguments.users import UserCreate
from rollbook.actions.import_sources import OWN_FILE, ImportSource
from rollbook.records import examples, groups
from rollbook.records.imports import Refusal
from rollbook.roles import UserKind
from rollbook.schemas import Schema, says


class UserId(str):
    """The ID that a user had when they were exported. It must not be in use, nor belong to a deleted user."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 31,
        "maxLength": 31,
        "examples": ["user_065n18kq2h1o9d3f7g5j8l4n6s"],
    }


class TotpSecret(str):
    """The secret of the user's authenticator app: base32, or an `otpauth://totp/` URL. The app goes on working."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 16,
        "maxLength": 1024,
        "examples": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
    }


class GroupNames(dict[str, str]):
    """The groups to add the user to, separated by `;`, each a name or `name:role`. A group that doesn't exist is
    created. Write a `;`, a backslash, and a `:` in a name with a backslash before it."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "maxLength": groups.MAX_TEXT,
        "examples": ["Design;Support:lead"],
    }


class ColumnMapping(str):
    """A JSON object from the columns of a CSV file to fields, such as `{"Mail": "email", "Plan": "metadata.plan",
    "Notes": null}`. `metadata.plan` puts a column into the metadata, null ignores it. Default: columns that are named
    like fields."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 2,
        "maxLength": 8192,
        "pattern": r"^\s*\{[\s\S]*\}\s*$",
        "examples": ['{"Mail": "email", "Plan": "metadata.plan"}'],
    }


class ImportedUser(UserCreate, kw_only=True):
    """A user to import: with a `password`, the hash of one, or neither, and then they set one by a link."""

    kind: Annotated[UserKind, says(f"{ABOUT_KIND} Default: `person`. Can't be changed.")] | UnsetType = UNSET
    id: UserId | UnsetType = UNSET
    password_hash: str | None | UnsetType = UNSET
    totp_secret: TotpSecret | None | UnsetType = UNSET
    created_at: Time | UnsetType = UNSET
    updated_at: Time | UnsetType = UNSET
    last_sign_in_at: Time | None | UnsetType = UNSET
    last_active_at: Annotated[Time, says("Default: `last_sign_in_at`.")] | None | UnsetType = UNSET
    groups: GroupNames | None | UnsetType = UNSET

    @staticmethod
    def at_odds(fields: Mapping[str, Any]) -> Mapping[str, str]:
        """Nothing: `import_writer` says it, which the fields of every file come to."""
        return {}

    @property
    def new_name(self) -> str:
        """The name as a new user."""
        return self.name


class ConvertedUser(ImportedUser, kw_only=True):
    """A user of another system, who may have no name."""

    name: Name | UnsetType = UNSET  # type: ignore[bad-override-mutable-attribute]  # frozen

    @property
    def new_name(self) -> str:
        """The name as a new user; that of one who exists stays."""
        return self.name if isinstance(self.name, str) else self.email.partition("@")[0]


class FileRecord(NamedTuple):
    """A record of a file: a user, or why it holds none."""

    line: int
    """The line it begins in; in JSON lists, its position. Both count from 1."""
    user: ImportedUser | None
    refusal: Refusal | None
    source: Any = None
    """The record itself, for `Reading.raw`."""
    who: tuple[Any, Any] = (None, None)
    """Email and external ID that a refused record has, as they are there; None for one that it was refused for."""


ImportFormat = Literal["auto", "ndjson", "json", "csv"]
AbsentUsers = Literal["ignore", "report", "suspend"]


class ImportOptions(Query):
    """Options of an import: how its file is read, and what happens to users who exist."""

    source: Annotated[ImportSource, Meta(description="The system that the file was exported from.")] = OWN_FILE
    format: Annotated[
        ImportFormat, Meta(description="The file's format. `auto`: detected, as is compression with gzip or zstd.")
    ] = "auto"
    match: Annotated[Literal["email", "external_id"], Meta(description="How users who exist are recognized.")] = "email"
    on_conflict: Annotated[
        Literal["skip", "update", "fail"],
        Meta(
            description="What happens to users who exist already. `skip`: nothing. `update`: their fields are "
            "set to those of the file. `fail`: the report names them."
        ),
    ] = "skip"
    unknown_hashes: Annotated[
        Literal["refuse", "skip"],
        Meta(
            description="What happens to users whose password hash is in no format that Rollbook knows. "
            "`refuse`: they are refused. `skip`: they are imported without a password, and the "
            "report names them, so that you can send them a link to set one."
        ),
    ] = "refuse"
    dry_run: Annotated[bool, Meta(description="`true`: do the same work and report on it, but change nothing.")] = False
    events: Annotated[
        Literal["each", "summary"],
        Meta(
            description="`each`: record `user.created` and `user.updated` for each user. `summary`: record "
            "`import.finished`, and changes of users who exist to anything but their name, metadata "
            "and external ID."
        ),
    ] = "each"
    adopt: Annotated[
        bool,
        Meta(
            description="`true`: with `on_conflict` `update`, take over users who have not verified their email and "
            "have a password, second factor or API key of their own. Ends those, with their sessions and links. "
            "`false`: such users are refused, since they may be someone else."
        ),
    ] = False
    absent: Annotated[
        AbsentUsers,
        Meta(
            description="What happens to people of `absent_group`, or with `absent_metadata`, who are not in the file. "
            "`report`: the report names them. `suspend`: a bulk job suspends them as well, unless they are too many."
        ),
    ] = "ignore"
    absent_group: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="For `absent`: ID of the group that the file has all of.",
                examples=[examples.GROUP_ID],
            ),
        ]
        | None
    ) = None
    absent_metadata: (
        Annotated[
            str,
            Meta(
                max_length=511,
                pattern=r"^[^,:\\]{1,255}:[^,\\]{1,255}$",
                description="For `absent`: a key and value in the metadata of everyone whom the file has.",
                examples=["source:hr"],
            ),
        ]
        | None
    ) = None
    mapping: ColumnMapping | None = None
    delimiter: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=1,
                description="The character between the columns of a CSV file. Default: detected.",
            ),
        ]
        | None
    ) = None


class AbsentSuspend(Body):
    """Users who are absent from a file, and are to be suspended."""

    confirm_count: Annotated[
        int,
        Meta(
            ge=1,
            le=1 << 53,
            description="The import's `absent_users`. If it is another number, nothing happens.",
            examples=[1204],
        ),
    ]


class ListImports(Query):
    before: (
        Annotated[
            str,
            Meta(
                max_length=40,
                description="Only imports older than the one with this ID.",
                examples=[examples.IMPORT_ID],
            ),
        ]
        | None
    ) = None
    limit: Limit = 50


class ImportReport(Query):
    format: Annotated[
        Literal["ndjson", "csv", "rows"],
        Meta(
            description="The format of the report. `rows`: the refused records themselves, to be fixed and imported "
            "again, for a week: as CSV if the file was CSV, otherwise as NDJSON. Each says why as `problem`, which "
            "imports leave out. Only with the key that the import was requested with."
        ),
    ] = "ndjson"
