"""Makes the OpenAPI description small: what several calls have in common becomes a component, and they refer to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from rollbook.schemas import Schema

_encode = msgspec.json.Encoder().encode
Place = tuple[Any, Any, str]
"""An object or list, a key in it, and a name for what is there."""


def share(description: Schema) -> Schema:
    """The same description with components for responses and parameters that are there more than once."""
    items = [*description["paths"].values(), *description["webhooks"].values()]
    operations = [each for item in items for each in item.values() if isinstance(each, dict)]
    answers = [(each["responses"], status, f"R{status}") for each in operations for status in each["responses"]]
    asked = [
        (each["parameters"], at, f"query-{parameter['name']}")
        for each in operations
        for at, parameter in enumerate(each.get("parameters", ()))
        if "$ref" not in parameter
    ]
    components = description["components"]
    parameters = components["parameters"] | _moved(asked, "parameters")
    components |= {"responses": _moved(answers, "responses"), "parameters": parameters}
    return description


def _moved(places: Iterable[Place], kind: str) -> Schema:
    """The components, those with the most references first: they get the shortest names."""
    alike: dict[bytes, list[Place]] = {}
    for place in places:
        alike.setdefault(_encode(place[0][place[1]]), []).append(place)
    moved: Schema = {}
    names: dict[str, int] = {}
    for same in sorted(alike.values(), key=len, reverse=True):
        (holder, key, name), *others = same
        if others:
            names[name] = names.get(name, 0) + 1
            name += f"-{names[name]}" if names[name] > 1 else ""
            moved[name] = holder[key]
            for holder, key, _ in same:
                holder[key] = {"$ref": f"#/components/{kind}/{name}"}
    return moved
