"""PATCH (RFC 7644 section 3.5.2), as identity providers send it: names in any case, dotted names and schemas within a
value, and entries that are created where a condition meets none. What is not kept is ignored."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any, NamedTuple

from rollbook.scim import filters
from rollbook.scim.attributes import AttributePath, target
from rollbook.scim.errors import refused

MAX_OPERATIONS, MAX_ENTRIES, MAX_ATTRIBUTES = 1_000, 20, 500
_REQUIRED = {"User": "userName", "Group": "displayName"}


class PatchStep(NamedTuple):
    op: str
    at: AttributePath
    value: Any


def operations(kind: str, body: dict[str, Any]) -> list[PatchStep]:
    """The operations of a request, each at an attribute that is kept. Raises InvalidParameter."""
    entries = next((value for name, value in body.items() if name.lower() == "operations"), None)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise refused("invalidSyntax", "Operations must be a list of objects.")
    if len(entries) > MAX_OPERATIONS:
        raise refused("invalidValue", f"Operations must have at most {MAX_OPERATIONS:,} items.")
    steps: list[PatchStep] = []
    for entry in entries:
        entry = {name.lower(): value for name, value in entry.items()}
        op, path = str(entry.get("op")).lower(), entry.get("path")
        if op not in ("add", "replace", "remove"):
            raise refused("invalidSyntax", "op must be add, replace or remove.")
        if path is not None and not isinstance(path, str):
            raise refused("invalidPath", "path must be a text.")
        if op != "remove" and "value" not in entry:
            raise refused("invalidValue", "value is required.")
        if not path:
            if op == "remove":
                raise refused("noTarget", "To remove something, name its path.")
            if not isinstance(entry["value"], dict):
                raise refused("invalidValue", "Without a path, value must be an object.")
            steps += parts(kind, entry["value"], op)
        elif (at := target(kind, path)) is not None:
            if at.definition.get("mutability") == "readOnly":
                raise refused("mutability", f"{at.name} can't be changed.")
            steps.append(PatchStep(op, at, entry.get("value")))
    for operation in steps:
        _check_required(kind, operation)
    return steps


def _check_required(kind: str, operation: PatchStep) -> None:
    """Refuse to take away what no resource is without (RFC 7644 section 3.5.2.2). Raises InvalidParameter."""
    op, at, value = operation
    if at.name == _REQUIRED[kind]:
        if op == "remove":
            raise refused("mutability", f"{at.name} can't be removed.")
        if value is None or value == "":
            raise refused("invalidValue", f"{at.name} can't be empty.")


def parts(kind: str, value: dict[str, Any], op: str = "replace") -> Iterator[PatchStep]:
    """The attributes of a whole or partial resource, each as an operation."""
    if len(value) > MAX_ATTRIBUTES:
        raise refused("invalidValue", f"An object must have at most {MAX_ATTRIBUTES:,} attributes.")
    for name, part in value.items():
        at = target(kind, name) if name.lower() not in ("schemas", "id", "meta") else None
        if at is not None:
            yield PatchStep(op, at, part)


def apply(resource: dict[str, Any], operation: PatchStep) -> None:
    """Change a resource, whose names are those of the schemas. What is removed is None from then on."""
    op, at, value = operation
    if op == "remove" and not at.definition.get("multiValued"):
        value = None
    if at.extension:
        extension = dict(resource.get(at.extension) or {}) if at.name or op == "add" else {}
        resource[at.extension] = resource = extension  # a copy: what was there belongs to what is compared
        if not at.name:
            if not isinstance(value, dict | NoneType):
                raise refused("invalidValue", f"{at.extension} must be an object.")
            for part in parts("User", {f"{at.extension}:{name}": part for name, part in (value or {}).items()}, op):
                apply(resource, part._replace(at=part.at._replace(extension="")))
            return
    if at.is_multi:
        resource[at.name] = _entries(resource.get(at.name) or [], op, at, value)
    elif at.sub:
        resource[at.name] = {**(resource.get(at.name) or {}), at.sub: value}
    elif at.definition["type"] == "complex" and value is not None:
        subs = {sub["name"].lower(): sub["name"] for sub in at.definition["subAttributes"]}
        if not isinstance(value, dict):  # a manager by their ID alone
            value = {"value": value}
        fields = {subs[name.lower()]: part for name, part in value.items() if name.lower() in subs}
        resource[at.name] = {**(resource.get(at.name) or {}), **fields}
    elif isinstance(value, dict):
        raise refused("invalidValue", f"{at.name} must be a text.")
    else:
        resource[at.name] = value


def _entries(entries: list[dict[str, Any]], op: str, at: AttributePath, value: Any) -> list[dict[str, Any]]:
    """The entries of an attribute with several, changed."""
    new = [_entry(item) for item in (value if isinstance(value, list) else [] if value is None else [value])]
    if len(entries) + len(new) > MAX_ENTRIES:
        raise refused("invalidValue", f"{at.name} must have at most {MAX_ENTRIES} entries.")
    if at.condition is None and not at.sub:
        if op == "replace":
            return new
        if op == "add":
            return entries + [entry for entry in new if entry not in entries]
        removed = [entry.get("value") for entry in new]
        return [entry for entry in entries if removed and entry.get("value") not in removed]
    condition = None if at.condition is None else filters.parse("User", f"{at.name}[{at.condition}]")
    meant = [entry for entry in entries if condition is None or condition.test({at.name: [entry]})]
    if op == "remove" and not at.sub:
        return [entry for entry in entries if entry not in meant]
    change = {at.sub: None if op == "remove" else value} if at.sub else {} if not new else new[0]
    if not meant and op != "remove":
        described = {name: text for (_, name), text in condition.equal} if condition is not None else {}
        return [*entries, {**described, **change}]
    return [{**entry, **change} if entry in meant else entry for entry in entries]


def _entry(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"$ref" if name.lower() == "$ref" else name.lower(): part for name, part in value.items()}
    return {"value": value}
