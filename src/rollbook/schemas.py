"""Annotations of fields: what `/openapi.json` says about them besides their types."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Meta

Schema = dict[str, Any]


def paragraphs(docstring: str | None) -> str:
    """The text of a docstring: without indentation, each paragraph on one line."""
    text = inspect.cleandoc(docstring or "")
    return "\n\n".join([" ".join(part.split()) for part in text.split("\n\n")])


def says(description: str, **more: Any) -> Meta:
    """Any field. `more` is JSON Schema. What is sent has no `maxLength`: generated clients enforce it, so that nothing
    could ever get longer."""
    return Meta(extra_json_schema={**more, "description": description})


def open_enum(values: Iterable[str], description: str) -> Meta:
    """A string that has one of these values today, and others in later versions: an `enum` would make generated clients
    refuse those."""
    names = list(values)
    return says(description, examples=names[:1], **{"x-extensible-enum": names})


def uri(description: str, **more: Any) -> Meta:
    return says(description, format="uri", **more)


def identifier(description: str, example: str) -> Meta:
    return says(description, examples=[example])


def moment(description: str, example: str = "2023-10-27T10:00:00Z") -> Meta:
    return says(description, examples=[example], format="date-time")


def number(description: str, minimum: int = 0, maximum: int = 1 << 53, **more: Any) -> Meta:
    return says(description, minimum=minimum, maximum=maximum, **more)


def array(description: str, longest: int, **more: Any) -> Meta:
    return says(description, maxItems=longest, **more)


def reference(name: str) -> Meta:
    """A schema of the components, instead of that of the type."""
    return Meta(extra_json_schema={"$ref": f"#/components/schemas/{name}"})


def listed(meanings: Mapping[str, str]) -> str:
    """Meaning of each value, as part of a description."""
    return " ".join(f"`{value}`: {meaning}" for value, meaning in meanings.items())
