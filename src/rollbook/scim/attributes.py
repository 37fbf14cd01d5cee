"""The attributes of users and groups, read from `schemas.json`, and the paths that lead to them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from rollbook.scim.errors import refused

CORE = "urn:ietf:params:scim:schemas:core:2.0:"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ROLLBOOK = "urn:ietf:params:scim:schemas:extension:rollbook:2.0:User"
"""Schema of Rollbook's own attributes, named as Entra ID wants it."""
EXTENSIONS = (ENTERPRISE, ROLLBOOK)
SCHEMAS: list[dict[str, Any]] = msgspec.json.decode((Path(__file__).parent / "schemas.json").read_bytes())

# Of every resource; no schema lists them (RFC 7643 section 3.1).
_META = [
    {"name": "resourceType", "type": "string"},
    {"name": "created", "type": "dateTime"},
    {"name": "lastModified", "type": "dateTime"},
    {"name": "location", "type": "reference", "caseExact": True},
    {"name": "version", "type": "string", "caseExact": True},
]
_COMMON = [
    {"name": "id", "type": "string", "caseExact": True, "mutability": "readOnly"},
    {"name": "externalId", "type": "string", "caseExact": True},
    {"name": "schemas", "type": "reference", "multiValued": True, "mutability": "readOnly"},
    {"name": "meta", "type": "complex", "mutability": "readOnly", "subAttributes": _META},
]
_PATH = re.compile(r"([A-Za-z$][\w$-]*)(?:\[(.*)\])?(?:\.([A-Za-z$][\w$-]*))?", re.S).fullmatch
LONGEST_PATH = 1_000


class AttributePath(NamedTuple):
    """The place a path leads to: names as the schemas write them, empty for the whole of what stands before."""

    extension: str
    name: str
    sub: str
    definition: dict[str, Any]
    """Of the attribute; with `sub`, of that."""
    is_multi: bool
    condition: str | None
    """A filter in brackets."""

    def values(self, resource: dict[str, Any]) -> list[Any]:
        """Values that a resource has there."""
        value = (resource.get(self.extension, {}) if self.extension else resource).get(self.name)
        entries = value if isinstance(value, list) else [] if value is None else [value]
        sub = self.sub or ("value" if self.is_multi else "")
        return [entry[sub] for entry in entries if sub in entry] if sub else entries


def _index(definitions: Iterable[dict[str, Any]]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Each attribute with its sub-attributes, by names in lower case: case doesn't matter in them."""
    return {
        spec["name"].lower(): (spec, {sub["name"].lower(): sub for sub in spec.get("subAttributes", ())})
        for spec in definitions
    }


_OF = {schema["id"]: schema["attributes"] for schema in SCHEMAS}
_TABLES = {
    ("User", ""): _index([*_COMMON, *_OF[f"{CORE}User"]]),
    **{("User", urn): _index(_OF[urn]) for urn in EXTENSIONS},
    ("Group", ""): _index([*_COMMON, *_OF[f"{CORE}Group"]]),
}


def target(kind: str, path: str) -> AttributePath | None:
    """The place a path leads to, in any case and with the schema in front or without; None: to nothing that is kept.
    Raises InvalidParameter for what is no path."""
    return _target(kind, path) if len(path) <= LONGEST_PATH else None


@lru_cache(maxsize=1024)
def _target(kind: str, path: str) -> AttributePath | None:
    extension, rest = "", path.strip()
    for urn in (f"{CORE}{kind}", *EXTENSIONS):
        if rest.lower() == urn.lower():
            return AttributePath(urn if urn in EXTENSIONS else "", "", "", {}, False, None)
        if rest.lower().startswith(f"{urn}:".lower()):
            extension, rest = urn if urn in EXTENSIONS else "", rest[len(urn) + 1 :]
            break
    match = _PATH(rest)
    if match is None:
        if rest.lower().startswith("urn:"):  # of a schema that is not kept
            return None
        raise refused("invalidPath", f"{path[:100]!r} is not a path of an attribute.")
    definition, subs = _TABLES.get((kind, extension), {}).get(match[1].lower(), ({}, {}))
    sub = subs.get(match[3].lower()) if match[3] else {}
    if not definition or sub is None:
        return None
    is_multi = bool(definition.get("multiValued"))
    condition = match[2]
    return AttributePath(extension, definition["name"], sub.get("name", ""), sub or definition, is_multi, condition)


def targets(kind: str, paths: Iterable[str]) -> list[AttributePath]:
    """The places these paths lead to, each once, however often it is named."""
    attributes = [at for path in dict.fromkeys(paths) if (at := target(kind, path)) is not None]
    return list({at[:3]: at for at in attributes}.values())


def projected(resource: dict[str, Any], named: Iterable[AttributePath], leaves_out: bool) -> dict[str, Any]:
    """The resource with these attributes only, or without them (RFC 7644 section 3.9). `id` and `schemas` stay."""
    result: Any = resource if leaves_out else {name: resource[name] for name in ("schemas", "id")}
    for at in named:
        names = tuple(filter(None, at[:3]))
        if not leaves_out:
            result = _merged(result, _only(resource, names))
        elif at.name not in ("id", "schemas"):
            result = _without(result, names)
    return result


def _only(value: Any, names: tuple[str, ...]) -> Any:
    """The value at a path, with all that leads there."""
    if isinstance(value, list):
        return [_only(entry, names) for entry in value]
    if not names or not isinstance(value, dict):
        return value
    return {names[0]: _only(value[names[0]], names[1:])} if names[0] in value else {}


def _merged(one: Any, other: Any) -> Any:
    if isinstance(one, list) and isinstance(other, list):
        return list(map(_merged, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{name: _merged(one[name], value) if name in one else value for name, value in other.items()}}
    return other


def _without(value: Any, names: tuple[str, ...]) -> Any:
    """The value without what is at a path."""
    if isinstance(value, list):
        return [_without(entry, names) for entry in value]
    if not isinstance(value, dict) or names[0] not in value:
        return value
    if len(names) == 1:
        return {name: part for name, part in value.items() if name != names[0]}
    return {**value, names[0]: _without(value[names[0]], names[1:])}
