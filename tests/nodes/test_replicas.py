"""Standby servers answer lists whose callers say that they need not be the newest, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.crash.standby import standby_of
from tests.harness import Server, new_user, running
from tests.nodes.pair import wait_until
from tests.postgres import Cluster, own_cluster

EVENTUAL = {"consistency": "eventual"}


@pytest.fixture(scope="module")
def primary() -> Iterator[Cluster]:
    with own_cluster() as cluster:
        cluster.ask("CREATE DATABASE rollbook")
        yield cluster


@pytest.fixture(scope="module")
def standby(primary: Cluster) -> Iterator[Cluster]:
    with standby_of(primary) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def server(primary: Cluster, standby: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = {"ROLLBOOK_DATABASE": primary.url("rollbook"), "ROLLBOOK_DATABASE_REPLICAS": standby.url("rollbook")}
    folder = tmp_path_factory.mktemp("replicas") / "data"
    # If the standby does not answer in time, the primary does.
    flags = ("--rate-limit", "none", "--database-timeout", "60")
    with running(folder, *flags, environment=environment) as server:
        yield server


def names(http: httpx2.Client, **query: str) -> set[str]:
    answer = http.get("/v1/users", params={"limit": "1000", **query})
    assert answer.status_code == 200, answer.text
    return {user["name"] for user in answer.json()}


def test_only_who_says_so_is_answered_by_a_standby(server: Server, standby: Cluster) -> None:
    with server.http() as http:
        new_user(http, name="Before Pause", email="before@example.com")
        while "Before Pause" not in names(http, **EVENTUAL):
            pass  # until the standby has it, or the test's time is over
        standby.ask("SELECT pg_wal_replay_pause()")
        wait_until(lambda: standby.ask("SELECT pg_get_wal_replay_pause_state()") == "paused")
        try:
            new_user(http, name="After Pause", email="after@example.com")
            # The standby does not know of her, so what comes without her comes from there.
            for query in ({}, {"q": "pause"}, {"sort": "-created_at"}, {"fields": "name"}, {"role": "member"}):
                assert "After Pause" not in names(http, **query, **EVENTUAL), query
                assert "Before Pause" in names(http, **query, **EVENTUAL), query
                for said in ({}, {"consistency": "strong"}):
                    assert "After Pause" in names(http, **query, **said), query
            eventual = http.get("/v1/users", params={**EVENTUAL, "limit": "1"})
            assert (
                int(eventual.headers["x-total-count"])
                == int(http.get("/v1/users?limit=1").headers["x-total-count"]) - 1
            )
            assert "consistency=eventual" in eventual.headers["link"], "the pages after it are of the same kind"
            assert http.get("/v1/users/count").json()["count"] == 3
        finally:
            standby.ask("SELECT pg_wal_replay_resume()")


def test_without_an_answer_from_a_standby_the_primary_answers(server: Server, standby: Cluster) -> None:
    with server.http() as http:
        standby.stop()
        try:
            new_user(http, name="While Away", email="away@example.com")
            assert "While Away" in names(http, **EVENTUAL)
            assert http.get("/health/ready").status_code == 200
        finally:
            standby.start()
        wait_until(lambda: "While Away" in names(http, **EVENTUAL))  # it may have a while to catch up


@pytest.mark.parametrize("value", ["weak", "", "EVENTUAL"])
def test_another_consistency_is_refused(server: Server, value: str) -> None:
    with server.http() as http:
        answer = http.get("/v1/users", params={"consistency": value})
        assert answer.status_code == 400 and answer.json()["param"] == "consistency"


def test_on_sqlite_it_is_taken_and_changes_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, server.http() as http:
        new_user(http, name="Anna")
        for query in ({}, {"q": "anna"}, {"fields": "name"}):
            assert "Anna" in names(http, **query, **EVENTUAL)
