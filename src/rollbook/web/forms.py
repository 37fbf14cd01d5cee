"""Common parts of forms: choices, and what to say beside a field that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollbook import clock
from rollbook.actions.arguments import UserFields
from rollbook.errors import (
    ApiError,
    Fault,
    InvalidJson,
    ProofRequired,
    SecondFactorRequired,
    TooManyAttempts,
    WrongCode,
    WrongPassword,
)
from rollbook.json_objects import read_object
from rollbook.languages import ENGLISH, Language, language
from rollbook.web.form_of import FormOf, form_of
from rollbook.web.page_request import PageRequest

USER = form_of(UserFields, hints={"external_id": "The ID in your own system."})
"""The form of a user's details, as every admin page has them."""
PLAIN_FIELDS = tuple(each for each in USER.fields if each.can_be_null and each.name != "rate_limit")
"""Optional texts of a user that admins can change: each is shown and saved without a word in a page."""

LABELS = {
    **USER.labels(),
    "name": "The name",
    "email": "The email address",
    "password": "The password",
    "current_password": "Your current password",
    "role": "The role",
    "status": "The status",
    "rate_limit": "The rate limit",
    "metadata": "The metadata",
    "private_metadata": "The private metadata",
    "scopes": "The permissions",
    "ip_allow": "Each entry",
    "expires_at": "The expiry",
}
"""Names of arguments in sentences."""

EXPIRIES = (("7", "In 7 days"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In 1 year"), ("never", "Never"))
"""The times after which a new API key expires."""

OVERLAPS = (("0", "0 minutes: stop now"), ("3600", "1 hour"), ("86400", "1 day"), ("604800", "1 week"))
"""Seconds that what is rotated keeps working."""

PROOFS = (WrongPassword, SecondFactorRequired, WrongCode, TooManyAttempts)
"""Errors about the proof in a form."""


def problems(
    page: PageRequest, error: ApiError | None, labels: dict[str, str] = LABELS, proof: str = ""
) -> dict[str, str]:
    """Problems of a form, by field, in the language of the page; under "" those about none. `proof` is the field of the
    password or code that the person had to give. The error is counted as one that was sent."""
    if error is None:
        return {}
    if isinstance(error, ProofRequired):  # the page asks for the password, and sends the form again
        raise error
    page.on.operations.count(error, page.request)
    if proof and isinstance(error, PROOFS):
        return {
            proof: page.t("error_own_password") if isinstance(error, WrongPassword) else sentence(error, page.language)
        }
    return by_field(error, labels, page.language)


def by_field(error: ApiError, labels: dict[str, str] = LABELS, reader: Language | None = None) -> dict[str, str]:
    """The same of an error that is not sent."""
    reader = reader or language(ENGLISH)
    if not error.faults and not error.param:
        return {"": sentence(error, reader)}
    found: dict[str, str] = {}
    for fault in error.faults or (Fault(error.param or "", error.message),):
        found.setdefault(fault.param, _translated(fault.param, _named(fault, labels), reader))
    return found


def plain_fields(form: Mapping[str, str]) -> dict[str, str | None]:
    """The plain fields as arguments. Blank removes the value."""
    return FormOf(PLAIN_FIELDS).wanted(USER.given(form))


def sentence(error: ApiError, reader: Language | None = None) -> str:
    """The error message, and when to try again."""
    reader = reader or language(ENGLISH)
    wait, what = error.headers.get("Retry-After"), reader.said(error.message)
    return reader.t("error_retry", what=what, time=reader.duration(int(wait))) if wait else what


def _translated(param: str, text: str, reader: Language) -> str:
    """The sentence in the reader's language. The library that checks emails has many, which all mean the same."""
    return reader.t("error_email") if param == "email" and not reader.says(text) else reader.said(text)


def overlap(form: Mapping[str, str]) -> int:
    """The seconds of one of OVERLAPS."""
    chosen = form.get("overlap", "0")
    return int(chosen) if chosen in dict(OVERLAPS) else 0


def expiry(choice: str) -> str | None:
    """The time that one of EXPIRIES stands for; None for no expiry."""
    return (
        clock.format_time(clock.now() + int(choice) * clock.DAY)
        if choice.isdecimal() and choice in dict(EXPIRIES)
        else None
    )


def _named(fault: Fault, labels: dict[str, str]) -> str:
    """The fault in words that name the field as the form does."""
    label = labels.get(fault.param)
    return (
        label + fault.message.removeprefix(fault.param)
        if label and fault.message.startswith(fault.param + " ")
        else fault.message
    )


def read_metadata(text: str, field: str = "metadata") -> dict[str, Any]:
    """Return the metadata that a form has as text; a blank text is an empty object.

    Raises InvalidJson, whose message says where.
    """
    if not text.strip():
        return {}
    try:
        return read_object(text.encode(), None, None)
    except InvalidJson as error:
        raise InvalidJson(error.message.replace("The body", "Metadata"), param=field) from None
