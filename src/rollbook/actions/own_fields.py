"""Fields that users can change of themselves without the right to change all users: those of the setting
`member_fields`, of the metadata key by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollbook.actions.checking import refuse
from rollbook.config import MemberFields
from rollbook.errors import InsufficientScope
from rollbook.records import rules
from rollbook.records.users import User


def check(name: str, opened: MemberFields) -> None:
    """Raises InsufficientScope."""
    if name not in opened:
        raise _refused([name], opened)


def allowed(user: User, wanted: Mapping[str, Any], opened: MemberFields, is_merged: bool) -> Mapping[str, Any]:
    """The changes of a user to themselves, with the metadata as it then is. `is_merged`: the wanted metadata is the
    present one with a patch. Raises InsufficientScope, InvalidParameter."""
    changed = {name: value for name, value in wanted.items() if getattr(user, name) != value}
    if "metadata" in changed:
        try:
            own = rules.with_own_keys(user.metadata, changed["metadata"], opened.metadata_keys, is_merged)
        except ValueError as problem:
            refuse("metadata", str(problem))
        if own is not None:
            del changed["metadata"]
            wanted = {**wanted, "metadata": own}
    refused = changed.keys() - set(opened)
    if "private_metadata" in wanted:  # whatever is sent, so that no one learns what it is
        refused |= {"private_metadata"}
    if refused:
        raise _refused(sorted(refused), opened)
    return wanted


def _refused(names: list[str], opened: MemberFields) -> InsufficientScope:
    own = f" You can change your own {', '.join(opened)}." if opened else ""
    return InsufficientScope(f"Only admins can change {', '.join(names)}.{own}", scope="users:write")
