"""`dry_run` for requests that schemathesis makes up from the description: each is sent twice. After the preview the
database is equal row by row, and the change is then answered as the preview was, but for IDs and times."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core import NotSet

from rollbook.api.route import Route
from tests.contract.test_previews import PREVIEWED, said, sql, unchanged, world
from tests.contract.test_routes import Ask, World, name
from tests.processes import ROOT

__all__ = ["sql", "world"]

CASES = 3
SCHEMA = schemathesis.openapi.from_path(ROOT / "openapi.json")
OWN = ("Authorization", "Idempotency-Key")
"""Headers of each request's own: a key of which the first letter is made up, and one that ends with the change."""


def twice(world: World, sql: str, route: Route) -> int:
    """Sends made-up requests to this row, each as a preview and then as a change. Returns how many were done."""
    done = 0

    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    @given(case=SCHEMA[route.path][route.method].as_strategy())
    def send(case: Any) -> None:
        nonlocal done
        asks: list[Ask] = []
        headers = {key: text for key, text in (case.headers or {}).items() if key not in OWN}
        query = {key: value for key, value in (case.query or {}).items() if key != "dry_run"}
        body = None if isinstance(case.body, NotSet) else case.body
        if isinstance(body, dict) and isinstance(body.get("filter"), dict):
            body["filter"]["email"] = "nobody@example.com"  # not everybody: others are in use

        def ask(**more: str) -> httpx2.Response:
            return world.ask(route, asks[-1]._replace(json=body), params={**query, **more}, headers=headers)

        preview = unchanged(world, sql, lambda: ask(dry_run="true"), lambda: asks.append(world.valid(route)))
        answer = ask()
        assert "x-dry-run" not in answer.headers
        assert said(preview) == said(answer), json.dumps(body)
        done += answer.is_success

    send()
    return done


@pytest.mark.timeout(1_200)
def test_any_change_is_answered_as_its_preview_which_keeps_nothing(world: World, sql: str) -> None:
    failures: list[Exception] = []
    done: dict[str, int] = {}
    for route in PREVIEWED:
        try:
            done[name(route)] = twice(world, sql, route)
        except Exception as failure:
            failure.add_note(name(route))
            failures.append(failure)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(PREVIEWED)} calls failed", failures)
    assert sum(count > 0 for count in done.values()) > 0.7 * len(done), done
