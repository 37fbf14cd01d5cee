"""What PostgreSQL is asked in other words than SQLite, all on one page. Every other statement of the records is the same for both.

SQLite has one writer at a time, so what a write reads cannot change under it. On PostgreSQL a write locks what it reads in order to
change it, or to build on it: `LOCKING`. Deadlocks that follow from it are PostgreSQL's to find; the writer then does both again.
"""

from __future__ import annotations

from rollbook.records import events, keys, places, replies, sessions, usage, users

_KEPT = f"{users.KEPT}, search_text"

# Counts that are folded, and those that are not.
_COUNTED = """
    SELECT block, CAST(sum(n) AS bigint) AS n FROM (
        SELECT block, n FROM user_blocks WHERE level = 3
        UNION ALL SELECT run >> 12, change FROM user_block_deltas) AS counted GROUP BY block ORDER BY block"""
# Of a run of level $1, the counts of the 64 runs inside it.
_INSIDE = """
    SELECT array(
        SELECT CAST(coalesce(sum(n), 0) AS bigint) FROM generate_series($2::bigint * 64, $2::bigint * 64 + 63) AS run LEFT JOIN (
            SELECT block, n FROM user_blocks WHERE level = $1::integer - 1 AND block BETWEEN $2 * 64 AND $2 * 64 + 63
            UNION ALL
            SELECT run >> (6 * ($1 - 2)), change FROM user_block_deltas WHERE run >> (6 * ($1 - 1)) = $2) AS counted ON block = run
        GROUP BY run ORDER BY run)"""

TEXTS: dict[str, str] = {
    users.KEEP_DELETED: f"INSERT INTO deleted_users ({_KEPT}, deleted_at) SELECT {_KEPT}, ? FROM users WHERE id = ?",
    users.BRING_BACK: f"INSERT INTO users ({_KEPT}) SELECT {_KEPT} FROM deleted_users WHERE id = ?",
    places.TOP: _COUNTED,
    places.INSIDE: _INSIDE,
    events.RECORD: events.APPEND,
    usage.HOLDING: usage.HOLDING.replace("instr(lines, CAST(? AS BLOB))", "position(convert_to(?, 'UTF8') IN lines) > 0"),
}

LOCKING: dict[str, str] = {
    text: f"{text} FOR UPDATE"
    for text in (
        users.BY_ID,
        users.TWO_OWNERS,
        users.SIGN_IN,
        users.PASSWORD_HASH,
        users.DELETED,
        keys.BY_ID,
        sessions.BY_ID,
        replies.FIND,
    )
}
