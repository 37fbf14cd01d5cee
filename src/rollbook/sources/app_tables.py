"""The table of users of an application, whose framework leaves columns to the application: those that are usual are
known under any spelling, such as `first_name`, `firstName` and `FirstName`."""

from __future__ import annotations

from typing import Any

from rollbook.sources.values import Fields, Record, fields, flag, full_name, is_true, others, parted, text, time

_ALLOWED = frozenset("active isactive enabled isenabled accountnonlocked accountnonexpired".split())
_BARRED = frozenset(
    "banned isbanned blocked isblocked disabled isdisabled suspended issuspended locked islocked accountlocked "
    "bannedat blockedat disabledat suspendedat deactivatedat".split()
)
_DELETED = ("deletedat", "discardedat", "isdeleted")
_NAMES = ("name", "fullname", "displayname", ("firstname", "lastname"), ("givenname", "familyname"), "username")
_DATES = {
    "created_at": ("createdat", "created", "datejoined"),
    "updated_at": ("updatedat", "updated"),
    "last_sign_in_at": ("currentsigninat", "lastsigninat", "lastloginat", "lastlogin"),
}
_KNOWN = (
    frozenset("id email password name fullname displayname firstname lastname givenname familyname".split())
    | _ALLOWED
    | _BARRED
    | {*_DELETED}
    | {name for names in _DATES.values() for name in names}
)
_READABLE = frozenset(
    "username phone phonenumber mobile image avatar avatarurl picture website locale language timezone".split()
)
"""Columns of the application that it shows to the users themselves."""


def spelled(name: str) -> str:
    """A column's name in the one spelling in which these tables are read."""
    return name.replace("_", "").lower()


def columns(row: Record) -> dict[str, Any]:
    return {spelled(name): value for name, value in row.items()}


def username_and_email(row: Record) -> tuple[str | None, str | None]:
    """The email, which is the username where there is no column for it, and the username if it is another."""
    username = text(row.get("username"))
    login = username if username and "@" in username else None
    email = text(*map(row.get, ("email", "emailaddress", "mail")), login)
    return None if username == email else username, email


def user(row: Record, used: str = "", **own: Any) -> Fields | None:
    """The fields of a user; None for one whom the application keeps as deleted. `own` are those that the framework has
    elsewhere, and `used` the columns that they come from, or that are of no use."""
    values = {name: value for name, value in columns(row).items() if name != "username" or "@" not in str(value)}
    if any(text(values.get(name)) and flag(values[name]) is not False for name in _DELETED):
        return None
    email = own.pop("email", text(values.get("email")))
    hidden = _KNOWN.union(used.split())
    more = others({name: value for name, value in row.items() if spelled(name) not in hidden}, frozenset())
    # Only the application knows what users may see of its own columns.
    readable, more = parted(more, lambda name: spelled(name) in _READABLE)
    own_fields = {
        "email": email,
        "name": full_name(values, *_NAMES),
        "external_id": text(values.get("id")),
        "password_hash": text(values.get("password")),
        "totp_secret": text(row.get("totp_secret")),
        "status": _status(values),
        **{field: time(text(*map(values.get, names))) for field, names in _DATES.items()},
        **own,
        "metadata": readable | own.get("metadata", {}),
        "private_metadata": more | own.get("private_metadata", {}),
    }
    return fields(**own_fields)


def _status(row: Record) -> str | None:
    """The status by the usual columns, which say who may sign in. None where there are none, so that an import that
    updates lifts no suspension."""
    allowed = [flag(row[name]) is not False for name in _ALLOWED & row.keys()]
    barred = [is_true(row[name]) or (name.endswith("at") and text(row[name])) for name in _BARRED & row.keys()]
    if any(barred) or not all(allowed):
        return "suspended"
    return "active" if allowed or barred else None
