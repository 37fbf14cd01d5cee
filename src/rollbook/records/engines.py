"""Dialects of the records for each engine: what a database is opened with."""

from __future__ import annotations

from rollbook.records.dialect import Dialect, Upkeep
from rollbook.records.event_log import postgres as event_log_postgres
from rollbook.records.event_log import sqlite as event_log_sqlite
from rollbook.records.unique_keys import postgres as unique_keys_postgres
from rollbook.records.unique_keys import sqlite as unique_keys_sqlite
from rollbook.records.user_counts import postgres as user_counts_postgres
from rollbook.records.user_counts import sqlite as user_counts_sqlite
from rollbook.records.user_imports import postgres as user_imports_postgres
from rollbook.records.user_imports import sqlite as user_imports_sqlite
from rollbook.records.user_list import postgres as user_list_postgres
from rollbook.records.user_list import sqlite as user_list_sqlite
from rollbook.records.user_search import postgres as user_search_postgres
from rollbook.records.user_search import sqlite as user_search_sqlite

SQLITE = Dialect(
    event_log_sqlite,
    unique_keys_sqlite,
    user_counts_sqlite,
    user_imports_sqlite,
    user_list_sqlite,
    user_search_sqlite,
    upkeep=(
        Upkeep("fold search", 0.2, user_search_sqlite.fold_pending),
        Upkeep("erase from search", 3600.0, user_search_sqlite.compact),
    ),
    is_shared=False,
    latest_sample=user_search_postgres.LatestSample(),
)
POSTGRESQL = Dialect(
    event_log_postgres,
    unique_keys_postgres,
    user_counts_postgres,
    user_imports_postgres,
    user_list_postgres,
    user_search_postgres,
    upkeep=(
        Upkeep("fold counts", 0.2, user_counts_postgres.fold_appended),
        Upkeep("number events", 0.5, event_log_postgres.settle_new),
    ),
    is_shared=True,
    latest_sample=user_search_postgres.LatestSample(),
)
