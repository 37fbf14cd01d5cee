"""The groups of a user as one text, in files: `Design;Support:lead`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rollbook.records import rules

MAX = 1_000
"""Groups of a user."""
MAX_TEXT = 65_536
MAX_ROLE = 255
_REFUSED_IN_ROLE = re.compile(r"[\x00-\x1f\x7f]").search
_NAME = re.compile(r"((?:[^;:\\]|\\.)*)(?::((?:[^;\\]|\\.)*))?(?:;|\Z)", re.DOTALL).match
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_IN_NAMES, _IN_ROLES = (str.maketrans({each: f"\\{each}" for each in special}) for special in (";:\\", ";\\"))


def read(text: str) -> dict[str, str]:
    """The role in each group, by its name. A backslash before `;`, `:` or a backslash makes it a part of the name.
    Raises ValueError, without what the text says."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"must have at most {MAX_TEXT:,} characters")
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        item = _NAME(text, at)
        if item is None:
            raise ValueError("must not end with a backslash")
        at = item.end()
        name, role = (_ESCAPED.sub(r"\1", part or "").strip() for part in item.groups())
        if not name and not role:  # `;;`, or one at the end
            continue
        try:
            found[rules.name(name)] = _role(role)
        except ValueError:
            raise ValueError(
                f"must be names of groups, such as Design;Support:lead. Entry {len(found) + 1} is none"
            ) from None
        if len(found) > MAX:
            raise ValueError(f"must be at most {MAX:,} groups")
    return found


def _role(text: str) -> str:
    if len(text) > MAX_ROLE or _REFUSED_IN_ROLE(text) or rules.hidden(text):
        raise ValueError(text)
    return text


def write(groups: Iterable[tuple[str, str]]) -> str:
    """The text for these groups, each a name and a role, which `read` reads."""
    return ";".join(
        f"{name.translate(_IN_NAMES)}:{role.translate(_IN_ROLES)}" if role else name.translate(_IN_NAMES)
        for name, role in groups
    )
