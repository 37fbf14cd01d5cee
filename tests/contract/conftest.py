"""What callers are promised. `make test` tries on each database what the databases do in ways of their own: statements,
orders, indexes, locks. The rest it tries on SQLite, and `make soak` on PostgreSQL."""

from __future__ import annotations

import os

import pytest

from tests.engines import CHOSEN, set_engine

engine = pytest.fixture(scope="module", autouse=True)(set_engine)
IS_SOAK = bool(os.environ.get("ROLLBOOK_SOAK"))
DIFFERS = frozenset(
    "test_activity test_all_keys test_bulk test_bulk_jobs test_conditional test_deleted_users test_event_pages "
    "test_event_positions test_events test_exports test_failed_guesses test_groups test_history test_idempotency "
    "test_impersonation test_import_absence test_import_rows test_imports test_key_lists test_keys test_list_page test_lists "
    "test_metadata_filter test_names_emails_passwords test_oauth2 test_password_links test_previews test_previews_by_schema "
    "test_private_metadata test_purge test_reads_see_writes test_rules test_search test_sessions test_tokens "
    "test_usage_reports test_users test_webhook_deliveries".split()
)
"""Files that run on each database at once."""
OF_SOAK = ("test_description", "test_n8n_requests")
"""Files that only `make soak` runs."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marks = metafunc.definition.iter_markers("parametrize")
    if not any("engine" in mark.args[0] for mark in marks):
        runs_on = CHOSEN if _runs_on_each(metafunc.definition) else ["postgresql" if IS_SOAK else "sqlite"]
        metafunc.parametrize("engine", runs_on, indirect=True, scope="module")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What `make test` has run is not run again."""
    if IS_SOAK:
        again = [each for each in items if each.path.parent.name == "contract" and not _is_left(each)]
        config.hook.pytest_deselected(items=again)
        items[:] = [each for each in items if each not in set(again)]


def _runs_on_each(item: pytest.Item) -> bool:
    return item.path.stem in DIFFERS or item.path.stem in OF_SOAK


def _is_left(item: pytest.Item) -> bool:
    if _runs_on_each(item):
        return item.path.stem in OF_SOAK
    return isinstance(item, pytest.Function) and item.callspec.params.get("engine") == "postgresql"
