"""Metrics of several real processes: nothing lost, nothing doubled, text that Prometheus' own parsers read."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from rollbook import errors
from rollbook.observe.metrics import COMMITS, DURATIONS, NAMED, STATUSES, UNMATCHED, Metrics
from tests.grids import grid

ROUTES = ["GET /v1/users", "POST /v1/users", "GET /v1/users/{userId}"]


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_text(metrics.render().decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, frozenset(labels.items())))


def in_process(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def test_four_workers_counting_at_once_lose_nothing() -> None:
    metrics = Metrics(ROUTES, workers=4)

    def work(worker: int) -> None:
        metrics.join(worker)
        for number in range(20_000):
            metrics.request(number % 3, (200, 404)[number % 2], 70)
            metrics.add("hashes_done")
        metrics.commit(8)
        metrics.set("connections_open", worker)

    for pid in [in_process(lambda worker=worker: work(worker)) for worker in range(4)]:  # type: ignore[misc]
        os.waitpid(pid, 0)
    seen = samples(metrics)
    assert sum(count for (name, _), count in seen.items() if name == "rollbook_http_requests_total") == 80_000
    assert (
        sum(count for (name, _), count in seen.items() if name == "rollbook_http_request_duration_seconds_count")
        == 80_000
    )
    assert metrics.total("hashes_done") == 80_000
    assert metrics.total("connections_open") == 0 + 1 + 2 + 3
    assert value(metrics, "rollbook_storage_commit_writes_count") == 4
    assert value(metrics, "rollbook_storage_commit_writes_sum") == 32


def test_a_killed_worker_loses_no_count_and_the_next_goes_on_in_its_row() -> None:
    metrics = Metrics(ROUTES, workers=1)
    ready, done = os.pipe()

    def work() -> None:
        metrics.join(0)
        metrics.set("connections_open", 9)
        for _ in range(1_000):
            metrics.request(0, 200, 70)
        os.write(done, b"!")
        time.sleep(60)

    pid = in_process(work)
    os.read(ready, 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(ready)
    os.close(done)
    assert value(metrics, "rollbook_http_requests_total", method="GET", route="/v1/users", status="200") == 1_000

    def next_work() -> None:
        metrics.join(0)
        metrics.request(0, 200, 70)

    os.waitpid(in_process(next_work), 0)
    metrics.add("worker_restarts")
    assert value(metrics, "rollbook_http_requests_total", method="GET", route="/v1/users", status="200") == 1_001
    assert value(metrics, "rollbook_connections_open") == 0  # the dead worker's connections died with it
    assert value(metrics, "rollbook_worker_restarts_total") == 1


def test_threads_of_a_process_lose_nothing() -> None:
    metrics = Metrics(ROUTES)

    def work() -> None:
        for _ in range(50_000):
            metrics.add("hashes_done")
            metrics.request(1, 201, 30)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.total("hashes_done") == 200_000
    assert value(metrics, "rollbook_http_requests_total", method="POST", route="/v1/users", status="201") == 200_000


@grid("status", [*STATUSES, 299])
def test_each_status_is_counted_as_itself_or_as_other(status: int) -> None:
    metrics = Metrics(ROUTES)
    metrics.request(2, status, 70)
    label = str(status) if status in STATUSES else "other"
    counts = {
        labels: count for (name, labels), count in samples(metrics).items() if name == "rollbook_http_requests_total"
    }
    assert counts == {frozenset({"method": "GET", "route": "/v1/users/{userId}", "status": label}.items()): 1}


def test_every_status_of_the_error_tree_and_every_code_has_a_counter() -> None:
    metrics = Metrics(ROUTES)
    for error in errors.tree():
        assert error.status in STATUSES
        metrics.add(error.code)
        assert metrics.total(error.code) == 1


def test_a_request_that_matched_no_route_is_counted_apart() -> None:
    metrics = Metrics(ROUTES)
    metrics.request(UNMATCHED, 404, 70)
    assert value(metrics, "rollbook_http_requests_total", method="other", route="unmatched", status="404") == 1


@grid("bound", DURATIONS)
def test_bounds_of_durations_are_inclusive(bound: int) -> None:
    metrics = Metrics(ROUTES)
    metrics.request(0, 200, bound)
    metrics.request(0, 200, bound + 1)
    name, labels = "rollbook_http_request_duration_seconds", {"method": "GET", "route": "/v1/users"}
    assert value(metrics, f"{name}_bucket", le=repr(bound / 1e6), **labels) == 1
    assert value(metrics, f"{name}_bucket", le="+Inf", **labels) == 2
    assert value(metrics, f"{name}_sum", **labels) == pytest.approx((2 * bound + 1) / 1e6)


@pytest.mark.parametrize("writes", [*COMMITS, COMMITS[-1] + 1])
def test_a_commit_falls_into_the_bucket_of_its_writes(writes: int) -> None:
    metrics = Metrics(ROUTES)
    metrics.commit(writes)
    label = f"{writes}.0" if writes in COMMITS else "+Inf"
    assert value(metrics, "rollbook_storage_commit_writes_bucket", le=label) == 1


def test_the_parser_of_prometheus_reads_every_family() -> None:
    metrics = Metrics([*ROUTES, 'GET /odd"\\path'])
    idle = list(parse_text(metrics.render().decode()))
    for route in range(UNMATCHED, 4):
        for status in STATUSES:
            metrics.request(route, status, 123)
    for name in [name for named in NAMED for name in named.samples]:
        metrics.set(name, 7)
    busy = list(parse_text(metrics.render().decode()))
    assert len(busy) == len(idle)
    assert {'/odd"\\path'} < {sample.labels.get("route") for family in busy for sample in family.samples}
    for family in idle + busy:
        assert family.documentation and family.name.startswith(("rollbook_", "process_"))
        assert family.type in ("counter", "gauge", "histogram")
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)


def test_memory_and_cpu_of_each_live_process_are_shown() -> None:
    metrics = Metrics(ROUTES, workers=2)
    ready, done = os.pipe()

    def work() -> None:
        metrics.join(1)
        os.write(done, b"!")
        time.sleep(60)

    pid = in_process(work)
    os.read(ready, 1)

    def of_each(name: str) -> dict[str, float]:
        return {dict(labels)["worker"]: value for (each, labels), value in samples(metrics).items() if each == name}

    memory = of_each("process_resident_memory_bytes")
    assert memory.keys() == {"1", "parent"} and min(memory.values()) > 1 << 20
    assert of_each("process_cpu_seconds_total")["parent"] > 0
    assert 0 <= time.time() - of_each("process_start_time_seconds")["1"] < 60
    gc.collect()  # what other tests have left open is not closed in between
    before = of_each("process_open_fds")["parent"]
    more = os.dup(ready)
    assert of_each("process_open_fds")["parent"] == before + 1 < of_each("process_max_fds")["parent"]
    os.close(more)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(ready)
    os.close(done)
    assert value(metrics, "process_resident_memory_bytes", worker="1") is None


def test_a_name_that_is_not_in_the_table_is_an_error() -> None:
    metrics = Metrics(ROUTES)
    with pytest.raises(KeyError):
        metrics.add("hashes_doen")
    with pytest.raises(KeyError):
        metrics.set("connections", 1)
