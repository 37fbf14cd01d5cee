"""The table of all API endpoints, by noun. The router, permissions, OpenAPI, docs, SDKs and contract tests read it.

A row is a verb, the action, the scope, the type of the query or body, the type of what is sent, and how it is shown;
`but` says what not every row has (`api/route.py`).
"""

from __future__ import annotations

from rollbook.api import (
    applications,
    bulk,
    bulk_jobs,
    events,
    exports,
    factors,
    groups,
    imports,
    keys,
    operations,
    passwords,
    rules,
    sessions,
    tokens,
    usage,
    users,
    webhooks,
)
from rollbook.api.route import Route, at

TABLE: dict[str, list[Route]] = (
    users.ROWS
    | bulk.ROWS
    | passwords.ROWS
    | tokens.ROWS
    | factors.ROWS
    | exports.ROWS
    | applications.ROWS
    | groups.ROWS
    | keys.ROWS
    | sessions.ROWS
    | webhooks.ROWS
    | bulk_jobs.ROWS
    | rules.ROWS
    | events.ROWS
    | imports.ROWS
    | usage.ROWS
    | operations.ROWS
)

ROUTES = [at(path, row) for path, rows in TABLE.items() for row in rows]
