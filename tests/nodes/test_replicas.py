"""Standby servers answer lists whose callers say that they need not be the newest, and nothing else; and TLS to
PostgreSQL is what was asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.crash.standby import standby_of
from tests.harness import Server, new_user, running
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
    with running(folder, "--rate-limit", "none", environment=environment) as server:
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
        assert "While Away" in names(http, **EVENTUAL)


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


# ---- TLS


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Path]]:
    """A PostgreSQL that takes connections by TLS only, and the certificate that it shows."""
    folder = tmp_path_factory.mktemp("certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
    ]
    subprocess.run(
        [*made, "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    cluster = Cluster("ssl=on").initialise()
    try:
        for file, name in ((key, "server.key"), (certificate, "server.crt")):
            cluster.put(name, file.read_bytes())
        cluster.put("pg_hba.conf", b"hostssl all all 127.0.0.1/32 trust\nlocal all all trust\n")
        cluster.start()
        yield cluster, certificate
    finally:
        cluster.remove()


def address(cluster: Cluster, **query: str) -> str:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{cluster.url('postgres').replace('127.0.0.1', 'localhost')}?{asked}"


def test_a_server_whose_certificate_is_known_is_used_over_tls(certified: tuple[Cluster, Path], tmp_path: Path) -> None:
    cluster, certificate = certified
    url = address(cluster, sslmode="verify-full", sslrootcert=str(certificate))
    with running(tmp_path / "data", environment={"ROLLBOOK_DATABASE": url}) as server, server.http() as http:
        assert http.get("/v1/users").status_code == 200
        using = (
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = "
            "'rollbook'"
        )
        assert cluster.ask_locally(using) == "t"


@pytest.mark.parametrize(
    "query", [{"sslmode": "verify-full"}, {"sslmode": "disable"}], ids=["unknown certificate", "without TLS"]
)
def test_a_connection_that_is_not_what_was_asked_for_is_not_made(
    certified: tuple[Cluster, Path], tmp_path: Path, query: dict[str, str]
) -> None:
    cluster, _ = certified
    secret = "pass-that-is-seen-nowhere"
    url = address(cluster, **query).replace("rollbook@", f"rollbook:{secret}@")
    server = Server(tmp_path / "data", environment={"ROLLBOOK_DATABASE": url})
    done = server.rollbook("serve", "--port", str(server.port), "--data", str(server.data), check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "PostgreSQL at postgresql://rollbook@localhost" in done.stderr
    assert secret not in done.stdout + done.stderr
