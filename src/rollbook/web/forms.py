"""Common parts of forms: choices, and what to say beside a field that is wrong.

Forms made of the fields of a Struct: which fields are shown, what was filled in, and the arguments that it stands
for.

The form keeps its layout, its words, and what has no field of its own, such as permissions that are chosen one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from msgspec import Meta, Struct, UnsetType

from rollbook import clock
from rollbook.actions.arguments.users import UserFields
from rollbook.actions.checking import fields_of
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
from rollbook.web.page_request import PageRequest

UPPER = {"id": "ID", "url": "URL", "ip": "IP"}
"""Words of names that people write in capitals."""


class FormField(NamedTuple):
    """A field that a form shows as one input."""

    name: str
    label: str
    hint: str
    max_length: int
    choices: tuple[str, ...]
    """The values of a choice; empty for a text."""
    is_required: bool
    is_bool: bool
    can_be_null: bool
    can_be_blank: bool


class FormOf(NamedTuple):
    """The fields of a Struct that a form shows as texts, choices and checkboxes."""

    fields: tuple[FormField, ...]

    def blank(self) -> dict[str, Any]:
        """An empty form. A choice has its first value."""
        return {field.name: False if field.is_bool else next(iter(field.choices), "") for field in self.fields}

    def given(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Values that were filled in."""
        return {
            field.name: field.name in form if field.is_bool else form.get(field.name, "").strip()
            for field in self.fields
        }

    def stored(self, record: Any) -> dict[str, Any]:
        """The form of what there is."""
        return {field.name: _stored(getattr(record, field.name), field) for field in self.fields}

    def wanted(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The form as arguments. A blank text removes a value that can be null, and leaves others unchanged."""
        fields: dict[str, Any] = {}
        for field in self.fields:
            value = values[field.name]
            if value == "" and field.can_be_null:
                fields[field.name] = None
            elif value != "" or field.is_required or field.can_be_blank:
                fields[field.name] = value
        return fields

    def labels(self) -> dict[str, str]:
        """Names of arguments in sentences."""
        return {
            field.name: f"The {field.label if field.label[:2].isupper() else field.label[0].lower() + field.label[1:]}"
            for field in self.fields
        }


def form_of(
    kind: type[Struct], leave_out: Iterable[str] = (), labels: Mapping[str, str] = {}, hints: Mapping[str, str] = {}
) -> FormOf:
    """Return the form of the fields that are texts, choices, or yes and no. `labels` and `hints` are words for people
    where the name of a field and its description are for programs."""
    fields = []
    for name, field in fields_of(kind).items():
        form_field = _field(name, field.type, field.required, labels.get(name) or _label(name), hints.get(name, ""))
        if name not in leave_out and form_field is not None:
            fields.append(form_field)
    return FormOf(tuple(fields))


def _field(name: str, kind: Any, required: bool, label: str, hint: str) -> FormField | None:
    types = [
        option
        for option in (get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,))
        if option is not UnsetType
    ]
    others = [option for option in types if option is not NoneType]
    if len(others) != 1:
        return None
    inner, meta = others[0], Meta()
    if get_origin(inner) is Annotated:
        metas = [arg for arg in get_args(inner)[1:] if isinstance(arg, Meta)]
        meta = next((part for part in reversed(metas) if part.max_length is not None), metas[-1] if metas else Meta())
        inner = get_args(inner)[0]
    choices = tuple(map(str, get_args(inner))) if get_origin(inner) is Literal else ()
    schema: Mapping[str, Any] = getattr(inner, "schema", {})
    is_text = inner is str or (schema.get("type") == "string" and issubclass(inner, str))
    if not (choices or inner is bool or is_text):
        return None
    least = schema.get("minLength", meta.min_length or 0)
    return FormField(
        name=name,
        label=label,
        hint=hint or _first_sentence(meta.description or ""),
        max_length=schema.get("maxLength", meta.max_length or 0),
        choices=choices,
        is_required=required,
        is_bool=inner is bool,
        can_be_null=NoneType in types,
        can_be_blank=is_text and not least,
    )


def _stored(value: Any, field: FormField) -> Any:
    return bool(value) if field.is_bool else value or ""


def _label(name: str) -> str:
    words = " ".join(UPPER.get(word, word) for word in name.split("_"))
    return words[0].upper() + words[1:]


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]


USER = form_of(UserFields, hints={"external_id": "The ID in your own system."})
"""The form of a user's details, as every admin page has them."""
PLAIN_FIELDS = tuple(field for field in USER.fields if field.can_be_null and field.name != "rate_limit")
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
    "ends_at": "The end",
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
    password or code that the person had to give. The page that shows them has the status of the error, which is counted
    as one that was sent."""
    if error is None:
        return {}
    if isinstance(error, ProofRequired):  # the page asks for the password, and sends the form again
        raise error
    page.error = error
    page.on.operations.count(error, page.request)
    if proof and isinstance(error, PROOFS):
        return {
            proof: page.t("error_own_password") if isinstance(error, WrongPassword) else sentence(error, page.language)
        }
    return by_field(error, labels, page.language)


def by_field(error: ApiError, labels: dict[str, str] = LABELS, reader: Language | None = None) -> dict[str, str]:
    """Problems of an error that is not sent, by field."""
    reader = reader or language(ENGLISH)
    if not error.faults and not error.param:
        return {"": sentence(error, reader)}
    messages: dict[str, str] = {}
    for fault in error.faults or (Fault(error.param or "", error.message),):
        messages.setdefault(fault.param, _translated(fault.param, _named(fault, labels), reader))
    return messages


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
