"""Backups of SQLite: by command, by the schedule, and by the button of an owner."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rollbook import clock
from rollbook.actions import backups
from tests.cli.command import good, refused, rollbook
from tests.harness import OWNER_EMAIL, Server, new_user, running
from tests.visitor import signed_in

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data", "--backup-every", "24h", "--backup-keep", "2") as server:
        yield server


def found(server: Server) -> list[Path]:
    return sorted((server.data / "backups").glob("rollbook-*.db"))


def wait_for(condition: Callable[[], object]) -> None:
    # A backup runs after everything else that the machine has to do.
    until = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def pass_time(server: Server, seconds: int) -> None:
    """From where its clock is now."""
    shift = int.from_bytes(server.clock_file.read_bytes(), "little") // clock.SECOND
    server.pass_time(shift + seconds)


def backup_findings(server: Server) -> list[dict[str, str]]:
    done = rollbook(
        "doctor", "--json", "--data", str(server.data), backup_every="24h", clock_file=str(server.clock_file)
    )
    assert done.returncode == 0, done.stdout
    return [each for each in json.loads(done.stdout)["findings"] if each["what"] == "backups"]


def test_the_schedule_keeps_the_newest(server: Server) -> None:
    wait_for(lambda: len(found(server)) == 1)
    [first] = found(server)
    for _ in (2, 3):
        newest = found(server)[-1]
        pass_time(server, 23 * 3600)
        assert found(server)[-1] == newest, "not before it is due"
        pass_time(server, 3600)
        wait_for(lambda newest=newest: found(server)[-1] != newest)
    wait_for(lambda: len(found(server)) == 2)
    assert not first.exists()
    for file in found(server):
        assert file.stat().st_mode & 0o077 == 0
        with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as database:
            assert database.execute("SELECT email FROM users").fetchall() == [(OWNER_EMAIL,)]
    [finding] = backup_findings(server)
    assert finding["state"] == "ok" and finding["found"].startswith("2 in ")


def test_an_owner_has_one_created_and_nobody_else_can(server: Server) -> None:
    wait_for(lambda: found(server))
    with server.http() as http, signed_in(server) as owner, signed_in(server, new_user(http, role="admin")) as admin:
        assert "Back up now" in owner.get("/admin/server").text
        assert "Back up now" not in admin.get("/admin/server").text
        newest = found(server)[-1]
        refused = admin.post("/admin/server/backups")
        assert refused.status_code == 403 and "Only owners can do this." in refused.text
        assert not (server.data / "backups" / backups.REQUESTED).exists()
        pass_time(server, 60)
        assert owner.post("/admin/server/backups").status_code == 303
        part, until = owner.get("/admin/server").text, time.monotonic() + 180
        while 'hx-get="/admin/server/backups' in part:
            assert time.monotonic() < until
            time.sleep(0.2)  # the limit counts pages too
            part = owner.get("/admin/server/backups?n=1", headers={"HX-Request": "true"}).text
        assert found(server)[-1] != newest and found(server)[-1].name in part, "the page asks again until it is there"


def test_a_failure_is_in_the_log_in_doctor_and_on_the_page(server: Server) -> None:
    wait_for(lambda: 0 < len(found(server)) <= 2)
    assert server.process is not None
    pass_time(server, 60)
    before = found(server)
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    with signed_in(server) as owner:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (100_000, limits[1]))
        try:
            assert owner.post("/admin/server/backups").status_code == 303
            wait_for(lambda: "backup failed" in server.log.read_text())
        finally:
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
        assert found(server) == before, "nothing is left of it, and nothing was removed for it"
        wait_for(lambda: [each["state"] for each in backup_findings(server)] == ["warning"])
        assert "failed" in backup_findings(server)[0]["found"]
        assert "The last backup failed" in owner.get("/admin/server").text
        assert owner.post("/admin/server/backups").status_code == 303
        wait_for(lambda: [each["state"] for each in backup_findings(server)] == ["ok"])
        pass_time(server, 3 * 86_400)
        wait_for(lambda: found(server)[-1] not in before)


def test_a_server_that_is_down_for_too_long_is_told_by_doctor(tmp_path: Path) -> None:
    good(
        "users",
        "create",
        "--name",
        "A",
        "--email",
        "a@b.co",
        "--password",
        "-",
        "--data",
        str(tmp_path),
        input="a long password\n",
    )
    findings = json.loads(good("doctor", "--json", "--data", str(tmp_path), backup_every="24h"))["findings"]
    [finding] = [each for each in findings if each["what"] == "backups"]
    assert finding["state"] == "warning" and "due every 24 hours" in finding["found"]


def test_the_command_writes_one_private_file_and_overwrites_none(server: Server, tmp_path: Path) -> None:
    file, data = tmp_path / "copy.db", str(server.data)
    done = rollbook("backup", str(file), "--data", data)
    assert done.returncode == 0 and str(file) in done.stderr and "rm -f" in done.stderr
    assert file.stat().st_mode & 0o777 == 0o600 and list(tmp_path.iterdir()) == [file]
    content = file.read_bytes()
    assert "--force" in refused("backup", str(file), "--data", data)
    assert file.read_bytes() == content
    with server.http() as http:
        new = new_user(http)
    assert json.loads(good("backup", str(file), "--force", "--json", "--data", data))["size"] == file.stat().st_size
    assert new["email"].encode() in file.read_bytes()


def test_where_there_is_nothing_to_copy_it_says_so(server: Server, tmp_path: Path) -> None:
    assert "no database" in refused("backup", str(tmp_path / "b.db"), "--data", str(tmp_path))
    assert "is a folder" in refused("backup", str(tmp_path), "--data", str(server.data))
    missing = tmp_path / "missing" / "b.db"
    assert str(missing.parent) in refused("backup", str(missing), "--data", str(server.data))
    words = refused("backup", str(tmp_path / "b.db"), database="postgresql://u:hunter2@127.0.0.1/x")
    assert "pg_dump" in words and "hunter2" not in words
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_else_put_in_the_place_of_the_copy_is_not_written(server: Server, tmp_path: Path) -> None:
    other, part = tmp_path / "other", tmp_path / "copy.db.part"
    other.write_text("precious")
    part.symlink_to(other)
    assert str(tmp_path / "copy.db") in refused("backup", str(tmp_path / "copy.db"), "--data", str(server.data))
    assert other.read_text() == "precious" and not (tmp_path / "copy.db").exists()
    if os.geteuid() == 0:  # only root can give files away
        part.unlink()
        part.touch()
        os.chown(part, 65534, 65534)
        assert "somebody else" in refused("backup", str(tmp_path / "copy.db"), "--data", str(server.data))
        assert part.stat().st_size == 0
