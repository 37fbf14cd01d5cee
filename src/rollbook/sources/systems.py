"""The systems whose exports are read as they come: for each, a function from one of its records to the fields of a
user."""

from __future__ import annotations

from collections.abc import Callable
from io import BufferedReader
from typing import Any, NamedTuple

from rollbook.sources import auth0, clerk, django, fastapi_users, firebase, keycloak, pocketbase, supabase
from rollbook.sources.values import Fields

Convert = Callable[[dict[str, Any]], Fields | None]
"""None for what is no user. Raises InvalidParameter for one that can't be imported."""


class System(NamedTuple):
    begin: Callable[[BufferedReader], tuple[Convert, BufferedReader]]
    """Reads what comes before the export itself."""
    columns: tuple[str, ...] = ()
    """Of CSV files that have no header."""


def _plain(convert: Convert) -> System:
    return System(lambda source: (convert, source))


SYSTEMS: dict[str, System] = {
    "auth0": _plain(auth0.convert),
    "firebase": System(firebase.begin, firebase.COLUMNS),
    "supabase": _plain(supabase.convert),
    "keycloak": _plain(keycloak.convert),
    "clerk": _plain(clerk.convert),
    "django": _plain(django.convert),
    "fastapi-users": _plain(fastapi_users.convert),
    "pocketbase": _plain(pocketbase.convert),
}
