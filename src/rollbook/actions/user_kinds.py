"""Rules for the fields of kinds of users: applications, which act with their API keys, have nothing that people sign in
with (no password, no one-time token, no session, no second factor), and people change those fields of themselves that
the setting `member_fields` names, of the metadata key by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollbook.actions.arguments.imports import ImportedUser
from rollbook.actions.arguments.users import NO_OWNER, OF_APPLICATIONS
from rollbook.actions.checking import invalid, refuse
from rollbook.config import MemberFields
from rollbook.errors import BadRequest, Fault, InsufficientScope
from rollbook.records import rules
from rollbook.records.users import User
from rollbook.roles import APPLICATION


def email(id: str) -> str:
    """The email that is made up for a new application."""
    return id + rules.MADE_UP


def check_person(user: User) -> None:
    """Check that it is a person whom a password, a token, a session or a second factor is about to be given. Raises
    BadRequest."""
    if user.kind == APPLICATION:
        raise BadRequest("This user is an application: it can't sign in. It uses API keys.")


def check_record(new: ImportedUser) -> None:
    """Check that a file gives this application nothing to sign in with. Raises InvalidParameter."""
    for name in ("password", "password_hash", "totp_secret"):
        if isinstance(getattr(new, name), str):
            raise invalid([Fault(name, OF_APPLICATIONS["password"])])
    if new.status == "invited":
        raise invalid([Fault("status", OF_APPLICATIONS["status"])])
    if new.role == "owner":
        raise invalid([Fault("role", NO_OWNER)])


def check_change(user: User, columns: Mapping[str, Any]) -> None:
    """Check that a user stays what they are. Raises InvalidParameter."""
    if "kind" in columns:
        refuse("kind", "can't be changed. Create another user")
    if user.kind == APPLICATION and columns.get("role") == "owner":
        raise invalid([Fault("role", NO_OWNER)])


def check_own_field(name: str, opened: MemberFields) -> None:
    """Raises InsufficientScope."""
    if name not in opened:
        raise _refused([name], opened)


def own_changes(user: User, values: Mapping[str, Any], opened: MemberFields, is_merged: bool) -> Mapping[str, Any]:
    """The changes of a user to themselves, with the metadata as it then is. `is_merged`: the wanted metadata is the
    present one with a patch. Raises InsufficientScope, InvalidParameter."""
    changed = {name: value for name, value in values.items() if getattr(user, name) != value}
    if "metadata" in changed:
        try:
            own = rules.with_own_keys(user.metadata, changed["metadata"], opened.metadata_keys, is_merged)
        except ValueError as problem:
            refuse("metadata", str(problem))
        if own is not None:
            del changed["metadata"]
            values = {**values, "metadata": own}
    refused = changed.keys() - set(opened)
    if "private_metadata" in values:  # whatever is sent, so that no one learns what it is
        refused |= {"private_metadata"}
    if refused:
        raise _refused(sorted(refused), opened)
    return values


def _refused(names: list[str], opened: MemberFields) -> InsufficientScope:
    fields = ", ".join(name for name in opened if name != "keys")
    own = f" You can change your own {fields}." if fields else ""
    return InsufficientScope(f"Only admins can change {', '.join(names)}.{own}", scope="users:write")
