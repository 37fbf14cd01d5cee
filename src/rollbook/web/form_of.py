"""Forms made of the fields of a Struct: which fields are shown, what was filled in, and the arguments that it stands
for.

The form keeps its layout, its words, and what has no field of its own, such as permissions that are chosen one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from msgspec import Meta, Struct, UnsetType

from rollbook.actions.checking import fields_of

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
        return {each.name: False if each.is_bool else next(iter(each.choices), "") for each in self.fields}

    def given(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Values that were filled in."""
        return {
            each.name: each.name in form if each.is_bool else form.get(each.name, "").strip() for each in self.fields
        }

    def stored(self, record: Any) -> dict[str, Any]:
        """The form of what there is."""
        return {each.name: _stored(getattr(record, each.name), each) for each in self.fields}

    def wanted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The form as arguments. A blank text removes a value that can be null, and leaves others unchanged."""
        found: dict[str, Any] = {}
        for each in self.fields:
            value = given[each.name]
            if value == "" and each.can_be_null:
                found[each.name] = None
            elif value != "" or each.is_required or each.can_be_blank:
                found[each.name] = value
        return found

    def labels(self) -> dict[str, str]:
        """Names of arguments in sentences."""
        return {
            each.name: f"The {each.label if each.label[:2].isupper() else each.label[0].lower() + each.label[1:]}"
            for each in self.fields
        }


def form_of(
    kind: type[Struct], leave_out: Iterable[str] = (), labels: Mapping[str, str] = {}, hints: Mapping[str, str] = {}
) -> FormOf:
    """Return the form of the fields that are texts, choices, or yes and no. `labels` and `hints` are words for people
    where the name of a field and its description are for programs."""
    found = []
    for name, field in fields_of(kind).items():
        each = _field(name, field.type, field.required, labels.get(name) or _label(name), hints.get(name, ""))
        if name not in leave_out and each is not None:
            found.append(each)
    return FormOf(tuple(found))


def _field(name: str, kind: Any, required: bool, label: str, hint: str) -> FormField | None:
    types = [
        each
        for each in (get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,))
        if each is not UnsetType
    ]
    others = [each for each in types if each is not NoneType]
    if len(others) != 1:
        return None
    inner, meta = others[0], Meta()
    if get_origin(inner) is Annotated:
        metas = [each for each in get_args(inner)[1:] if isinstance(each, Meta)]
        meta = next((each for each in reversed(metas) if each.max_length is not None), metas[-1] if metas else Meta())
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
