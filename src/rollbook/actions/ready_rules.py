"""Rules that are ready to switch on, from `ready_rules.toml`: the gallery of the dashboard and of `rollbook rules`."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple


class ReadyRule(NamedTuple):
    """A rule that is ready to switch on."""

    key: str
    about: str
    fields: dict[str, Any]
    """`name`, `when`, `who` and `steps`, as the API has them. What has to be chosen is blank."""

    @property
    def needs(self) -> list[tuple[int, str]]:
        """Fields that have to be chosen: each with the number of its step."""
        steps = enumerate(self.fields["steps"])
        return [(at, name) for at, step in steps for name, value in step.items() if value == ""]


@cache
def all_ready() -> dict[str, ReadyRule]:
    """By key, in the order in which they are shown."""
    rules = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))["rule"]
    return {rule["key"]: ReadyRule(rule.pop("key"), rule.pop("about"), rule) for rule in rules}
