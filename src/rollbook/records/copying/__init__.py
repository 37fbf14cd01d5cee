"""Tables that a copy of a database consists of, and the marks by which an unfinished one is recognized, so that no
server serves it: a file beside the database on SQLite, a table on PostgreSQL. What else a database has follows from the
rows: indexes, counts and claims."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rollbook.config import Settings
from rollbook.records import clients, groups, imports, second_factors, sign_outs, user_rules, users, webhooks
from rollbook.records.connect import is_sqlite
from rollbook.records.webhooks import deliveries, replays
from rollbook.storage.database import DatabaseUnusable, Engine, Queries

TABLE = "copy_unfinished"
_HAS_TABLE: dict[Engine, str] = {
    "sqlite": f"SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '{TABLE}'",
    "postgresql": f"SELECT 1 WHERE to_regclass('{TABLE}') IS NOT NULL",
}


def part(file: Path) -> Path:
    """The file that a copy to SQLite writes; it is renamed to `file` once it is complete."""
    return file.with_name(f"{file.name}.copying")


def refuse_part(settings: Settings) -> None:
    """Refuse a part of a copy, before the database is opened, which would create it. Raises DatabaseUnusable."""
    if is_sqlite(settings) and part(settings.sqlite_file).exists():
        raise _unfinished(f"remove {part(settings.sqlite_file)}")


async def refuse_mark(queries: Queries) -> None:
    """Raises DatabaseUnusable."""
    if await queries.one(_HAS_TABLE[queries.engine]) is not None:
        raise _unfinished(f"DROP TABLE {TABLE}")


def _unfinished(give_up: str) -> DatabaseUnusable:
    return DatabaseUnusable(
        "A copy into this database has not finished. Run the same `rollbook copy` again; it starts over. To give "
        "up the copy and start "
        f"without its users instead: {give_up}."
    )


EVENT = (
    "id, type, user_id, created_at, actor_user, actor_key, address, request_id, trace_id, client, key_created_by, "
    "object, before"
)


class CopyTable(NamedTuple):
    name: str
    columns: tuple[str, ...]
    """Columns that are the same on both engines."""
    order: str
    """The order in which the target's primary key grows, or its numbers are given."""


def _table(name: str, columns: str, order: str) -> CopyTable:
    return CopyTable(name, tuple(columns.split(", ")), order)


USERS = CopyTable("users", users.KEPT, "seq")
DELETED_USERS = CopyTable("deleted_users", (*users.KEPT, "deleted_at"), "seq")
TABLES = (
    USERS,
    DELETED_USERS,
    CopyTable("groups", groups.KEPT, "id"),
    _table("group_members", "group_id, user_seq, user_id, role, added_at", "group_id, user_seq"),
    _table("deleted_group_members", "user_id, group_id, user_seq, role, added_at", "user_id, group_id"),
    _table("deleted_groups", "id", "id"),
    _table(
        "keys",
        "id, user_id, name, digest, start, last_four, sealed, scopes, ip_allow, rate_limit, created_at, "
        "expires_at, last_used_at, revoked_at, created_by, created_with, lineage, limited_with, kind, "
        "tenant, audiences",
        "id",
    ),
    _table("lineages", "lineage, user_id", "lineage, user_id"),
    _table(
        "sessions",
        "id, digest, user_id, created_at, last_seen_at, address, user_agent, proven_at, audience, family, "
        "refresh_digest, expires_at, refresh_expires_at, created_by, user_seq, lineage, methods, scope, begun_in, "
        "acted_by, reason",
        "id",
    ),
    _table("signing_keys", "id, public, sealed, created_at, signs_from, algorithm", "id"),
    CopyTable("clients", clients.Client._fields, "user_id"),
    CopyTable("sign_in_codes", clients.SignInCode._fields, "digest"),
    CopyTable("sign_outs", sign_outs.SignOut._fields, "session_id"),
    _table("password_parameters", "cost, parameters, in_doubt, users, most, counted_at", "cost, parameters"),
    _table(
        "one_time_tokens",
        "id, digest, user_id, purpose, email, redirect_url, data, language, sealed, is_sent, delivered_by, created_by, "
        "created_with, lineage, created_at, expires_at, audiences, acted_by, reason",
        "id",
    ),
    _table("token_requests", "id, sealed", "id"),
    _table("second_factors", second_factors.COLUMNS, "id"),
    _table("recovery_codes", "user_id, digest, created_at", "user_id, digest"),
    _table("challenges", "digest, user_id, purpose, data, created_at, expires_at", "digest"),
    _table("scim_users", "user_id, user_name, user_name_key, attributes, version, updated_at", "user_id"),
    _table("scim_external_ids", "tenant, object_id, kind, external_id", "tenant, object_id"),
    _table("events", f"seq, {EVENT}", "seq"),
    _table("erased_events", "seq, id", "seq"),
    _table("unlogged_changes", "first_seq, last_seq, changed_at, is_new", "is_new, first_seq, changed_at"),
    _table("purged_users", "id", "id"),
    _table("marks", "name, number", "name"),
    _table("settings", "name, value, sealed, version", "name"),
    _table("second_factor_grace", "user_id, began_at", "user_id"),
    _table("failed_guesses", "account, kind, failures", "account, kind"),
    _table("user_languages", "user_id, language", "user_id"),
    _table("new_passwords", "user_id", "user_id"),
    _table("event_metadata", "user_id, digest, last_used, value", "user_id, digest"),
    _table("replies", "user_id, key, request, owner, started_at, status, head, sealed", "user_id, key"),
    _table("usage", "hour, user_id, key_id, requests, errors, refused, limited", "hour, user_id, key_id"),
    _table("usage_limits", "hour, user_id, key_id, name, limited", "hour, user_id, key_id, name"),
    _table(
        "usage_routes",
        "hour, user_id, key_id, route, requests, errors, refused, limited, t0, t1, t2, t3, t4, t5, t6, t7, t8, t9",
        "hour, user_id, key_id, route",
    ),
    # Its ids differ by engine and mean nothing: the target gives its own.
    _table("request_log", "user_id, key_id, status, limited_by, first, last, left_out, lines", "last, id"),
    _table("request_log_sizes", "hour, bytes", "hour"),
    _table("erased_usage", "user_id, erased_at", "user_id"),
    _table("webhooks", webhooks.COLUMNS, "id"),
    _table(
        "webhook_cursors",
        "webhook_id, seq, holder, epoch, until, failures, failing_since, probes, open_until, missed, told_at",
        "webhook_id",
    ),
    _table("webhook_lanes", "webhook_id, lane, seq, attempts, next_at, failed_at, outcome", "webhook_id, lane"),
    _table("webhook_deliveries", deliveries.COLUMNS, "id"),
    _table("webhook_hours", "webhook_id, hour, delivered, failed, duration", "webhook_id, hour"),
    _table("webhook_replays", replays.COLUMNS, "id"),
    _table(
        "bulk_jobs",
        "id, user_id, key_id, address, action, options, undoes, status, error, error_code, parts_done, total, done, "
        "changed, unchanged, refused, created_at, started_at, finished_at, session_id, rule_id, rule_step",
        "id",
    ),
    CopyTable("rules", user_rules.UserRule._fields, "id"),
    CopyTable("rule_people", ("rule_id", "user_id", "occasion", "step", "due_at"), "rule_id, user_id, occasion"),
    _table("bulk_job_parts", "id, changed, refused, users, results, sealed", "id"),
    # Those that wait or run have their files elsewhere: they end where they are looked for.
    CopyTable("imports", imports.Import._fields, "id"),
    _table("import_refusals", "import_id, number, line, field, code, reason, user_id", "import_id, number"),
    _table("import_rows", "id, size, sealed", "id"),
    _table("webhook_inbox", deliveries.MESSAGE_COLUMNS, "id"),
)


class Positions(NamedTuple):
    """Numbers of the next user, event and change of access."""

    user: int
    user_time: int
    """Microseconds; users are given distinct, rising times."""
    event: int
    access: int
