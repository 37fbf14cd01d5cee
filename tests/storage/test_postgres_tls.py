"""The way to PostgreSQL: off this machine only by TLS with a server that proves its name, unless the URL says
otherwise."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rollbook.storage import bulk, postgres_tls
from rollbook.storage.database import DatabaseUnusable
from rollbook.storage.postgres_connection import address
from tests import postgres
from tests.certificates import ELSEWHERE, Certified, certified
from tests.cli.command import rollbook
from tests.cli.test_doctor import examine
from tests.harness import free_port, running
from tests.postgres import Cluster
from tests.visitor import signed_in

PASSWORD = "pass-that-is-seen-nowhere"


@contextmanager
def no_tls() -> Iterator[tuple[int, list[bytes]]]:
    """A man in the middle: a port that says no to TLS and asks for the password in clear, and what it was sent."""
    told: list[bytes] = []
    with socket.create_server(("127.0.0.1", free_port())) as listener:

        def answer(connection: socket.socket) -> None:
            with connection:
                connection.settimeout(60)
                while packet := connection.recv(65_536):
                    if packet[4:8] == struct.pack("!I", 80877103):  # SSLRequest
                        connection.sendall(b"N")
                        continue
                    told.append(packet)
                    if packet[:1] == b"p":
                        return
                    connection.sendall(b"R" + struct.pack("!II", 8, 3))  # AuthenticationCleartextPassword

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], told
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(60)


def test_who_offers_no_tls_is_told_nothing_whatever_connects(tmp_path: Path) -> None:
    with no_tls() as (port, told):
        url = f"postgresql://rollbook:{PASSWORD}@{ELSEWHERE}:{port}/rollbook"
        data = ["--data", str(tmp_path / "data")]
        (tmp_path / "full").mkdir()
        rollbook("migrate", "--data", str(tmp_path / "full"))
        for done in (
            rollbook("migrate", *data, database=url),
            rollbook("migrate", *data, database="postgresql://127.0.0.1:1/none", database_direct=url),
            rollbook("serve", *data, "--port", str(free_port()), database=url),
            rollbook("doctor", *data, database=url),
            rollbook("users", "list", *data, database=url),
            rollbook("copy", "--from", f"sqlite:{tmp_path / 'full'}", copy_to=url),
        ):
            assert done.returncode == 1 and "it offers no TLS" in done.stdout + done.stderr, done
            assert "sslmode=disable" in done.stdout + done.stderr and PASSWORD not in done.stdout + done.stderr
        with pytest.raises(DatabaseUnusable, match="it offers no TLS"):  # a copy's second connection
            asyncio.run(bulk.connect(address(url)))
        assert told == []
        # The operator's word, and what it leads to.
        assert rollbook("migrate", *data, database=f"{url}?sslmode=prefer").returncode == 1
        assert any(PASSWORD.encode() in packet for packet in told)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Certified]]:
    """A PostgreSQL that takes connections by TLS only, and the authority of its certificate."""
    files = certified(tmp_path_factory.mktemp("certificates"), "localhost", ELSEWHERE)
    cluster = Cluster("ssl=on").initialise()
    try:
        for file, name in ((files.key, "server.key"), (files.certificate, "server.crt")):
            cluster.put(name, file.read_bytes())
        cluster.put("pg_hba.conf", b"hostssl all all 127.0.0.1/32 trust\nlocal all all trust\n")
        cluster.start()
        yield cluster, files
    finally:
        cluster.remove()


def url(cluster: Cluster, query: str = "", host: str = ELSEWHERE) -> str:
    return f"postgresql://rollbook:{PASSWORD}@{host}:{cluster.port}/postgres{query}"


def test_a_server_that_proves_its_name_is_used_over_tls(server: tuple[Cluster, Certified], tmp_path: Path) -> None:
    cluster, files = server
    database = url(cluster, f"?sslrootcert={files.authority}")
    with running(tmp_path / "data", environment={"ROLLBOOK_DATABASE": database}) as node, node.http() as http:
        assert http.get("/v1/users").status_code == 200
        ours = "SELECT bool_and(ssl), count(*) > 1 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
        assert cluster.ask_locally(f"{ours} WHERE application_name = 'rollbook'") == "t|t"
        with signed_in(node) as owner:
            page = owner.get("/admin/server").text
            assert "the server&#39;s certificate is verified" in page and "take the place of the database" not in page
    _, found, _ = examine(tmp_path / "data", database=database)
    assert [each["state"] for each in found["way to PostgreSQL"]] == ["ok"]


@pytest.mark.parametrize("query", ["", "?sslmode=verify-full", "?sslrootcert=system"])
def test_the_authorities_of_the_system_are_known(
    server: tuple[Cluster, Certified], tmp_path: Path, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, files = server
    monkeypatch.setenv("SSL_CERT_FILE", str(files.authority))
    done = rollbook("migrate", "--data", str(tmp_path / "data"), database=url(cluster, query))
    assert done.returncode == 0, done.stderr


def test_who_does_not_prove_the_name_that_was_asked_for_is_not_used(
    server: tuple[Cluster, Certified], tmp_path: Path
) -> None:
    cluster, files = server
    other = "0177.1"  # this machine again, by a name that is not in the certificate
    for told, says in (
        (url(cluster), "its certificate is not to be trusted"),
        (url(cluster, "?sslmode=verify-full", "localhost"), "its certificate is not to be trusted"),
        (url(cluster, f"?sslrootcert={files.authority}", other), "its certificate is another server's"),
        (url(cluster, f"?sslrootcert={files.key}"), "TLS failed"),
        (url(cluster, "?sslrootcert=/none.pem"), "sslrootcert: /none.pem does not exist"),
        (url(cluster, "?sslmode=disable"), "no encryption"),
    ):
        for done in (
            rollbook("serve", "--port", str(free_port()), "--data", str(tmp_path / "data"), database=told),
            rollbook("copy", "--verify", "--from", told, "--to", f"{told}&a=b" if "?" in told else f"{told}?a=b"),
        ):
            assert done.returncode == 1 and says in done.stderr and PASSWORD not in done.stderr, (told, done.stderr)
            assert done.stderr.count("\n") == 1


def test_of_several_hosts_the_one_that_does_not_prove_its_name_is_told(
    server: tuple[Cluster, Certified], tmp_path: Path
) -> None:
    cluster, files = server
    # As where the others are standbys: 127.1 is not what is asked for.
    asked = f"?target_session_attrs=standby&sslrootcert={files.authority}"
    unproven, wrong_role, away = f"0177.1:{cluster.port}", f"{ELSEWHERE}:{cluster.port}", f"{ELSEWHERE}:1"
    for hosts, says in (
        (f"{unproven},{wrong_role},{away}", "its certificate is another server's"),
        (f"{away},{unproven},{wrong_role}", "its certificate is another server's"),
        (f"{away},{wrong_role}", "no host has the role that target_session_attrs requires. Check"),
        (f"{wrong_role},{away}", "Connection refused. Check"),
    ):
        database = f"postgresql://rollbook:{PASSWORD}@{hosts}/postgres{asked}"
        for command in ("migrate", "doctor"):
            done = rollbook(command, "--data", str(tmp_path / "data"), database=database)
            told = done.stdout + done.stderr
            assert done.returncode == 1 and says in told and PASSWORD not in told, (command, hosts, told)
            assert ("Check that it runs" in told) == ("certificate" not in says)


@pytest.mark.parametrize(
    ("query", "says"),
    [("sslmode=disable", "not encrypted"), ("sslmode=prefer", "encrypted only if the server")],
)
def test_a_way_that_the_url_leaves_open_is_used_and_named(tmp_path: Path, query: str, says: str) -> None:
    plain = postgres.migrated_database().replace("127.0.0.1", ELSEWHERE)
    environment = {"ROLLBOOK_DATABASE": f"{plain}?{query}"}
    with running(tmp_path / "data", environment=environment) as node, signed_in(node) as owner:
        page = owner.get("/admin/server").text
        assert says in page and "take the place of the database" in page
    _, found, _ = examine(tmp_path / "data", database=f"{plain}?{query}", database_replicas=f"{plain}?sslmode=require")
    assert [each["state"] for each in found["way to PostgreSQL"]] == ["warning", "warning"]


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://rollbook@127.0.0.1/name", ""),
        ("postgresql://rollbook@[::1]:5432/name", ""),
        ("postgresql://localhost,127.0.0.2:5433/name", ""),
        ("postgresql:///name", ""),
        ("postgresql:///name?host=/run/postgresql", ""),
        ("postgresql://%2Frun%2Fpostgresql/name", ""),
        ("postgresql://db/name", "verify-full"),
        ("postgresql://10.0.0.1/name", "verify-full"),
        ("postgresql://[fd00::1]/name", "verify-full"),
        ("postgresql://localhost,db/name", "verify-full"),
        ("postgresql:///name?host=/run/postgresql,db", "verify-full"),
        ("postgresql:///name?host=127.0.0.1&host=db", "verify-full"),
        ("postgresql://localhost@db/name", "verify-full"),
        ("postgresql://localhost.example.com/name", "verify-full"),
        ("postgresql:///name?service=main", "verify-full"),
        ("postgresql://db/name?sslmode=verify_ca", "verify-ca"),
        ("postgresql://db/name?sslmode=require&sslrootcert=system", "verify-full"),
        ("postgresql://127.0.0.1/name?sslmode=require", "require"),
    ],
)
def test_what_leaves_this_machine_is_verified(url: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    found = postgres_tls.protection(url)
    assert found.mode == mode
    context = found.driver
    if mode == "verify-full":
        assert isinstance(context, ssl.SSLContext) and context.check_hostname
        assert context.verify_mode == ssl.CERT_REQUIRED and context.minimum_version == ssl.TLSVersion.TLSv1_2
    else:
        assert context == (mode or None)


def test_variables_of_postgresql_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db")
    assert postgres_tls.protection("postgresql:///name").mode == "verify-full"
    monkeypatch.setenv("PGSSLMODE", "disable")
    assert postgres_tls.protection("postgresql:///name").mode == "disable"
    monkeypatch.setenv("PGSSLROOTCERT", "/etc/authority.pem")
    assert postgres_tls.protection("postgresql://db/name?sslmode=verify-full").driver == "verify-full"
