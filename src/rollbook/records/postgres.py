"""What PostgreSQL is asked in other words than SQLite, all on one page. Every other statement of the records is the same for both.

SQLite has one writer at a time, so what a write reads cannot change under it. On PostgreSQL a write locks what it reads in order to
change it, or to build on it: `LOCKING`. Deadlocks that follow from it are PostgreSQL's to find; the writer then does both again.
"""

from __future__ import annotations

from rollbook.records import keys, replies, sessions, usage, users

TEXTS: dict[str, str] = {
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
