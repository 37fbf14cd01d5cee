"""Maps the columns of a table, or the names of an object, to the fields of a user: as the caller says, else by their
names.

Errors name columns and fields of a record by number: where a file lacks its header, the names are the first user's
email and password, and errors are kept, listed and sent to others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from rollbook.actions.arguments.imports import ImportedUser
from rollbook.actions.checking import fields_of, refuse
from rollbook.errors import Fault, InvalidParameter
from rollbook.records.users import METADATA
from rollbook.sources.values import flag, json_object

Targets = dict[str, str | None]
"""The field of each column: `metadata.plan` puts it into the metadata, None leaves it out."""

PROBLEM = "problem"
"""The last column of a file of refused records: why each was refused. It is left out."""
_QUOTING = frozenset(("email", *METADATA))
"""Fields whose rules repeat, behind a colon, which characters or keys of the value are wrong."""
# How other programs name the fields.
_ALIASES = {
    **dict.fromkeys(("e_mail", "mail", "email_address", "e_mail_address"), "email"),
    **dict.fromkeys(("full_name", "display_name", "first_name", "last_name", "given_name", "family_name"), "name"),
    **dict.fromkeys(("created", "created_on"), "created_at"),
    **dict.fromkeys(("last_login", "last_sign_in"), "last_sign_in_at"),
    **dict.fromkeys(("last_active", "last_activity", "last_seen", "last_seen_at"), "last_active_at"),
    "verified": "email_verified",
}
_LIKELY = {
    **dict.fromkeys(("group", "team", "teams", "department"), "groups"),
    **dict.fromkeys("signup sign_up signed_up signed_up_at registered registered_at joined".split(), "created_at"),
}
"""Fields that are only proposed to people: such a column may hold something else."""
_LAST = frozenset(("last_name", "family_name"))
_SEPARATORS = re.compile(r"[\s\-.]+")


IN_METADATA = tuple(f"{field}.NAME" for field in METADATA)


class MetadataKey(NamedTuple):
    field: str
    """One of METADATA."""
    name: str


def read_mapping(text: str | None) -> Targets:
    """The mapping that a caller sent. Raises InvalidParameter."""
    if text is None:
        return {}
    try:
        targets = msgspec.json.decode(str(text), type=dict[str, str | None])
    except msgspec.DecodeError:
        refuse("mapping", 'must be a JSON object from columns to fields, such as {"E-mail": "email", "Age": null}')
    for number, target in enumerate(targets.values(), 1):
        if _is_unknown(target):
            fields = ", ".join(fields_of(ImportedUser))
            refuse(
                "mapping",
                f"must have fields as values, unlike entry {number}. Fields: {fields}, {', '.join(IN_METADATA)}",
            )
    return targets


def propose(columns: Sequence[str], mapping: Targets) -> Targets:
    """A field for each column: as the mapping says, else the one with its name or a likely one, else a key of the
    metadata."""
    proposed = _by_name(columns)
    for column in columns:
        likely = _LIKELY.get(_spelled(column))
        if proposed[column] is None and likely not in (*proposed.values(), *mapping.values()):
            proposed[column] = likely
    return {**{column: target or f"metadata.{column}" for column, target in proposed.items()}, **mapping}


def kept_as_metadata(columns: Sequence[str], mapping: Targets) -> Targets:
    """The columns that no name or mapping gives a field, each with its place in the metadata. Raises InvalidParameter
    where none is a user's name or email: the first line may then be no header."""
    by_name = _by_name(columns)
    homeless: Targets = {
        column: f"metadata.{column}" for column in columns if column not in mapping and by_name[column] is None
    }
    choose(columns, {**mapping, **homeless})
    return homeless


def choose(columns: Sequence[str], mapping: Targets) -> Targets:
    """The field of each column. Raises InvalidParameter for columns that have none."""
    targets = {**_by_name([column for column in columns if column not in mapping]), **mapping}
    for field in ("email", "name"):
        if field not in targets.values():
            raise InvalidParameter(
                f"The first line names no column for the {field} ({_counted(columns)}).", param="mapping"
            )
    homeless = [number for number, column in enumerate(columns, 1) if targets[column] is None and column not in mapping]
    if homeless:
        has, pronoun = ("has", "it") if len(homeless) == 1 else ("have", "each")
        raise InvalidParameter(
            f"{listed('Column', homeless)} {has} no field. Map {pronoun} to metadata.NAME, or leave it out.",
            param="mapping",
        )
    return targets


def are_fields(names: Collection[str]) -> bool:
    """Test whether each of these columns has a field, and a user's name and email are among them."""
    try:
        choose(tuple(names), {})
    except InvalidParameter:
        return False
    return True


def check_columns(columns: Sequence[str], mapping: Targets) -> None:
    """Raises InvalidParameter for a mapping of columns that don't exist."""
    for number, column in enumerate(mapping, 1):
        if column not in columns:
            refuse(
                "mapping",
                f"must name columns of the file, unlike entry {number} of {len(mapping)} ({_counted(columns)})",
            )


def to_fields(row: Mapping[str, Any], targets: Targets) -> dict[str, Any]:
    """The fields of a user, by their columns. Several columns of the name are joined by spaces, in the order of the
    targets."""
    fields: dict[str, Any] = {}
    objects: dict[str, dict[str, Any]] = {}
    for column in (*targets, *(row.keys() - targets.keys())):
        target = targets.get(column, column)
        if target is None or column not in row:
            continue
        value = row[column]
        if (key := key_of(target)) is not None:
            objects.setdefault(key.field, {})[key.name] = value
        elif target in METADATA:
            objects.setdefault(target, {}).update(json_object(target, value))
        elif target == "name" and "name" in fields:
            fields["name"] = f"{fields['name']} {value}"
        else:
            fields[target] = flag(value) if target == "email_verified" else value
    return fields | {name: value for name, value in objects.items() if value}


def key_of(target: str) -> MetadataKey | None:
    """The key of the metadata that is meant; None: another field."""
    field, _, name = target.partition(".")
    return MetadataKey(field, name) if name and field in METADATA else None


def without_cells(problem: InvalidParameter, row: Mapping[str, Any], mapping: Targets) -> InvalidParameter:
    """The error without names and values of the record."""
    fields = fields_of(ImportedUser)
    faults: list[Fault] = []
    for fault in problem.faults or ():
        if fault.param in fields:
            message = fault.message.partition(": ")[0].rstrip(".") + "." if fault.param in _QUOTING else fault.message
            faults.append(Fault(fault.param, message))
    unknown = [number for number, name in enumerate(row, 1) if _is_unknown(mapping.get(name, name))]
    if unknown:
        are = "is not a field" if len(unknown) == 1 else "are not fields"
        faults.append(
            Fault("", f"{listed('Field', unknown)} of the record {are} of a user. Fields: {', '.join(fields)}.")
        )
    return InvalidParameter(faults[0].message, param=faults[0].param, faults=faults) if faults else problem


def listed(what: str, numbers: Sequence[int]) -> str:
    """`Column 3`, or `Columns 3, 4 and 7`."""
    *first, last = numbers[:20]
    return f"{what}s {', '.join(map(str, first))} and {last}" if first else f"{what} {last}"


def _is_unknown(target: str | None) -> bool:
    return target is not None and target not in fields_of(ImportedUser) and key_of(target) is None


def _by_name(columns: Sequence[str]) -> Targets:
    """The fields that columns are named for. A first name comes before a last name, and neither counts beside a whole
    name."""
    names = {column: _spelled(column) for column in columns}
    columns = sorted(columns, key=lambda column: names[column] in _LAST)
    targets: Targets = {}
    for column in columns:
        name = names[column]
        alias = _ALIASES.get(name)
        if name in fields_of(ImportedUser) or key_of(column) is not None:
            targets[column] = name if name in fields_of(ImportedUser) else column
        elif alias in names.values() or (alias in targets.values() and name not in _LAST):
            targets[column] = None
        else:
            targets[column] = alias
    return targets


def _spelled(column: str) -> str:
    return _SEPARATORS.sub("_", column.strip().lower())


def _counted(columns: Sequence[str]) -> str:
    return f"{len(columns):,} column{'' if len(columns) == 1 else 's'}"
