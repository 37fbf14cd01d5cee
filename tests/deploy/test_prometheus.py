"""deploy/prometheus and deploy/grafana: a real Prometheus scrapes a server with them, and finds what alerts and
dashboard ask for."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.deploy.programs import DEPLOY, program, run
from tests.harness import Server, free_port, new_key, running
from tests.nodes.pair import wait_until

ALERTS, SCRAPING = DEPLOY / "prometheus" / "alerts.yml", DEPLOY / "prometheus" / "prometheus.yml"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "rollbook.json").read_text())


def test_promtool_accepts_the_files(tmp_path: Path) -> None:
    run(program("promtool"), "check", "rules", ALERTS)
    key = tmp_path / "key"
    key.write_text("rbk_x")
    config = tmp_path / "prometheus.yml"
    config.write_text(
        SCRAPING.read_text().replace("/etc/prometheus/rollbook.key", str(key)).replace("alerts.yml", str(ALERTS))
    )
    run(program("promtool"), "check", "config", config)


def test_promtool_accepts_the_metrics(server: Server) -> None:
    with server.http() as http:
        text = http.get("/metrics").text
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("scraped") / "data", "--workers", "2") as server:
        yield server


@pytest.fixture(scope="module")
def prometheus(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """One with the shipped files, but for the addresses of server and key, and the time between scrapes."""
    folder = tmp_path_factory.mktemp("prometheus")
    with server.http() as http:
        (folder / "rollbook.key").write_text(new_key(http, scopes=["metrics:read"]))
    text = SCRAPING.read_text().replace("/etc/prometheus/rollbook.key", str(folder / "rollbook.key"))
    text = (
        text.replace("15s", "1s")
        .replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
        .replace("alerts.yml", str(ALERTS))
    )
    (folder / "prometheus.yml").write_text(text)
    port = free_port()
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.page-title=test",
    ]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            deadline = time.monotonic() + 60
            while not _is_up(client):
                assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.wait(60)


def _is_up(client: httpx2.Client) -> bool:
    """Whether it has scraped the server twice, so that rates have a value."""
    try:
        answer = client.get("/api/v1/query", params={"query": 'count_over_time(up{job="rollbook"}[1m]) > 1'})
    except httpx2.TransportError:
        return False
    return answer.status_code == 200 and bool(answer.json()["data"]["result"])  # 503 until it has started


def query(prometheus: httpx2.Client, expression: str) -> list[dict[str, Any]]:
    answer = prometheus.get("/api/v1/query", params={"query": expression})
    assert answer.status_code == 200, f"{expression}: {answer.text}"
    return answer.json()["data"]["result"]


def scraped(prometheus: httpx2.Client, expression: str) -> list[dict[str, Any]]:
    """What is there if the last scrape took no longer than a second, or one of the next."""
    found: list[dict[str, Any]] = []
    wait_until(lambda: found.extend(query(prometheus, expression)) or found)
    return found


def expressions() -> list[str]:
    asked = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    asked = [
        each.replace("$instance", ".*").replace("$job", "rollbook").replace("$__rate_interval", "1m") for each in asked
    ]
    return asked + [rule["expr"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def test_every_metric_that_alerts_and_dashboard_name_exists(prometheus: httpx2.Client) -> None:
    asked = expressions()
    assert len(asked) > 30
    names = {
        name for each in asked for name in re.findall(r"\b(?:rollbook|process)_[a-z_]+", each) if name != "rollbook"
    }
    for expression in asked:
        query(prometheus, expression)
    for name in names:
        scraped(prometheus, name)


def test_nothing_alarms_on_a_healthy_server(prometheus: httpx2.Client) -> None:
    def rules() -> list[dict[str, Any]]:
        groups = prometheus.get("/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    assert len(rules()) >= 10
    assert {rule["health"] for rule in rules()} <= {"ok", "unknown"}
    # Not even for as long as a busy machine takes for a scrape, which is over soon.
    wait_until(lambda: scraped(prometheus, 'up{job="rollbook"}')[0]["value"][1] == "1")
    wait_until(lambda: {rule["state"] for rule in rules()} == {"inactive"})


def test_every_process_is_shown_by_the_standard_names(prometheus: httpx2.Client) -> None:
    for name in ("resident_memory_bytes", "cpu_seconds_total", "start_time_seconds", "open_fds", "max_fds"):
        found = {
            sample["metric"]["worker"]: float(sample["value"][1]) for sample in scraped(prometheus, f"process_{name}")
        }
        assert found.keys() == {"parent", "0", "1"} and min(found.values()) > 0, name
    (size,) = scraped(prometheus, "rollbook_database_size_bytes")
    assert float(size["value"][1]) > 100_000
