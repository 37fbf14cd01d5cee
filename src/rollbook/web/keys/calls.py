"""A call to try at once with an API key, as a line for a terminal."""

from __future__ import annotations

from rollbook import roles
from rollbook.actions import key_bounds
from rollbook.records.keys import Key
from rollbook.web.keys.holder import Holder
from rollbook.web.page_request import PageRequest


def example(page: PageRequest, holder: Holder, key: Key | None = None, token: str | None = None) -> str:
    """One that the key may make; without a key, any that its user may."""
    scopes = None if key is None else key_bounds.scopes_of(key.scopes)
    path = "/v1/users/me"
    if scopes is None or "users:read" in scopes:
        if "users:read" in roles.ON_ALL[holder.user.role]:
            path = "/v1/users"
    elif "keys:read" in scopes:
        path = "/v1/keys/current"
    elif "events:read" in scopes:
        path = "/v1/events"
    elif "metrics:read" in scopes:
        path = "/metrics"
    return f'curl {page.on.url}{path} \\\n  -H "Authorization: Bearer {token or "$ROLLBOOK_KEY"}"'
