"""Maps the columns of a table, or the names of an object, to the fields of a user: as the caller says, else by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rollbook.actions.arguments import ImportedUser
from rollbook.actions.checking import fields_of, refuse
from rollbook.errors import InvalidParameter, quoted
from rollbook.sources.values import flag, json_object

Targets = dict[str, str | None]
"""The field of each column: `metadata.plan` puts it into the metadata, None leaves it out."""

METADATA = "metadata."
# How other programs name the fields.
_ALIASES = {
    **dict.fromkeys(("e_mail", "mail", "email_address", "e_mail_address"), "email"),
    **dict.fromkeys(("full_name", "display_name", "first_name", "last_name", "given_name", "family_name"), "name"),
    **dict.fromkeys(("created", "created_on"), "created_at"),
    **dict.fromkeys(("last_login", "last_sign_in"), "last_sign_in_at"),
    "verified": "email_verified",
}
_LAST = frozenset(("last_name", "family_name"))
_SEPARATORS = re.compile(r"[\s\-.]+")


def read_mapping(text: str | None) -> Targets:
    """The mapping that a caller sent. Raises InvalidParameter."""
    if text is None:
        return {}
    try:
        found = msgspec.json.decode(str(text), type=dict[str, str | None])
    except msgspec.DecodeError:
        refuse("mapping", 'must be a JSON object from columns to fields, such as {"E-mail": "email", "Age": null}')
    for target in found.values():
        if target is not None and target not in fields_of(ImportedUser) and not target[len(METADATA) :]:
            refuse(
                "mapping",
                f"names {quoted(target)}, which is not a field. Fields: {', '.join(fields_of(ImportedUser))}, metadata.NAME",
            )
    return found


def propose(columns: Sequence[str], mapping: Targets) -> Targets:
    """A field for each column: as the mapping says, else the one with its name, else a place in the metadata."""
    return {**{column: target or METADATA + column for column, target in _by_name(columns).items()}, **mapping}


def choose(columns: Sequence[str], mapping: Targets) -> Targets:
    """The field of each column. Raises InvalidParameter for columns that have none."""
    targets = {**_by_name([column for column in columns if column not in mapping]), **mapping}
    for field in ("email", "name"):
        if field not in targets.values():
            raise InvalidParameter(f"No column has the {field}. Columns: {_list(columns)}.", param="mapping")
    homeless = [column for column, target in targets.items() if target is None and column not in mapping]
    if homeless:
        raise InvalidParameter(
            f"These columns have no field: {_list(homeless)}. Map each to metadata.NAME, or to null to leave it out.",
            param="mapping",
        )
    return targets


def check_columns(columns: Sequence[str], mapping: Targets) -> None:
    """Raises InvalidParameter for a mapping of columns that don't exist."""
    for column in mapping:
        if column not in columns:
            refuse("mapping", f"names the column {quoted(column)}, which the file doesn't have")


def to_fields(row: Mapping[str, Any], targets: Targets) -> dict[str, Any]:
    """The fields of a user, by their columns. Several columns of the name are joined by spaces, in the order of the targets."""
    fields: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for column in (*targets, *(row.keys() - targets.keys())):
        target = targets.get(column, column)
        if target is None or column not in row:
            continue
        value = row[column]
        if target.startswith(METADATA):
            metadata[target[len(METADATA) :]] = value
        elif target == "metadata":
            metadata |= json_object("metadata", value)
        elif target == "name" and "name" in fields:
            fields["name"] = f"{fields['name']} {value}"
        else:
            fields[target] = flag(value) if target == "email_verified" else value
    if metadata:
        fields["metadata"] = metadata
    return fields


def _by_name(columns: Sequence[str]) -> Targets:
    """The fields that columns are named for. A first name comes before a last name, and neither counts beside a whole name."""
    names = {column: _SEPARATORS.sub("_", column.strip().lower()) for column in columns}
    columns = sorted(columns, key=lambda column: names[column] in _LAST)
    targets: Targets = {}
    for column in columns:
        name = names[column]
        alias = _ALIASES.get(name)
        if name in fields_of(ImportedUser) or (column.startswith(METADATA) and column != METADATA):
            targets[column] = name if name in fields_of(ImportedUser) else column
        elif alias in names.values() or (alias in targets.values() and name not in _LAST):
            targets[column] = None
        else:
            targets[column] = alias
    return targets


def _list(columns: Sequence[str]) -> str:
    return ", ".join(map(quoted, columns[:20]))
