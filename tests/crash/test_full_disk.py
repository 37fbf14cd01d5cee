"""A disk that takes no more: changes are refused with 503, reads go on, and with room again all works without a
restart."""

from __future__ import annotations

import resource
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.callers import Answer, Connection
from tests.crash.load import WIDE, check_file
from tests.harness import OWNER_EMAIL, Server, new_user

INSIDE = 'mount -t tmpfs -o size=$SIZE tmpfs "$0" && exec "$@"'


class OnSmallDisk(Server):
    """Its data folder lies on a tmpfs of its own, in a mount namespace of its own: where that is allowed to us."""

    def __init__(self, data: Path, *flags: str, mebibytes: int = 6, **options: Any) -> None:
        super().__init__(data, *flags, **options)
        data.mkdir()
        self.inside = INSIDE.replace("$SIZE", f"{mebibytes}m")
        for namespace in (["unshare", "-m"], ["unshare", "-U", "-r", "-m"]):
            probe = [*namespace, "sh", "-c", self.inside, str(data), "true"]
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                self.namespace = namespace
                return
        raise PermissionError("no mount namespace for us")

    def command(self) -> list[str]:
        return [*self.namespace, "sh", "-c", self.inside, str(self.data), *super().command()]

    @property
    def ballast(self) -> Path:
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root{self.data}/ballast")

    def fill(self) -> None:
        with open(self.ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass

    def make_room(self) -> None:
        self.ballast.unlink()

    def copy_data(self) -> Path:
        """What lies there, as it can be seen once the server, and its namespace with it, is gone."""
        copy = self.data.with_name("copy")
        assert self.process is not None
        subprocess.run(["cp", "-r", f"/proc/{self.process.pid}/root{self.data}", str(copy)], check=True)
        return copy


class UnderSizeLimit(Server):
    """The kernel lets no file of the server grow (RLIMIT_FSIZE): to SQLite a failing disk."""

    def _limit(self, size: int) -> None:
        assert self.process is not None
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def fill(self) -> None:
        self._limit((self.data / "rollbook.db-wal").stat().st_size)

    def make_room(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def copy_data(self) -> Path:
        return self.data


def made(kind: type[OnSmallDisk] | type[UnderSizeLimit], data: Path) -> OnSmallDisk | UnderSizeLimit:
    options: dict[str, Any] = {"environment": {"ROLLBOOK_ACCESS_LOG": "false"}}
    try:
        return kind(data, *WIDE, **options)
    except PermissionError:
        data.rmdir()
        return UnderSizeLimit(data, *WIDE, **options)


@pytest.mark.parametrize("kind", [OnSmallDisk, UnderSizeLimit])
def test_a_full_disk_refuses_changes_serves_reads_and_recovers(
    tmp_path: Path, kind: type[OnSmallDisk] | type[UnderSizeLimit]
) -> None:
    server = made(kind, tmp_path / "data")
    server.start()
    kept: dict[str, str] = {}  # id: name, as acknowledged
    events = 0
    try:
        with Connection(server) as connection:

            def change(number: int) -> Answer:
                """Creates and updates by turns; takes down what was acknowledged."""
                nonlocal events
                body = {
                    "name": f"Name {number} {'x' * 200}",
                    "email": f"user{number}@example.com",
                    "metadata": {"x": "x" * 2000},
                }
                if number % 2 and kept:
                    id = next(iter(kept))
                    answer = connection.call("PUT", f"/v1/users/{id}", {"name": body["name"]})
                else:
                    answer = connection.call("POST", "/v1/users", body | {"password": "securepassword123"})
                if answer.status < 300:
                    kept[answer.json["id"]] = body["name"]
                    events += 1
                else:
                    assert answer.status == 503, answer.body
                    assert answer.json["code"] == "storage_unavailable"
                    assert answer.headers["content-type"] == "application/json"
                    assert int(answer.headers["retry-after"]) >= 1
                return answer

            def all_is_as_acknowledged() -> None:
                users = connection.call("GET", "/v1/users?limit=1000")
                assert users.status == 200
                assert {user["id"]: user["name"] for user in users.json if user["email"] != OWNER_EMAIL} == kept
                assert (
                    users.headers["x-total-count"]
                    == str(len(kept) + 1)
                    == str(connection.call("GET", "/v1/users/count").json["count"])
                )
                log = connection.call("GET", "/v1/events?limit=1000").json
                assert len(log) == events + 2  # the owner and its key
                newest = next(reversed(kept))
                assert connection.call("GET", f"/v1/users/{newest}").status == 200
                assert connection.call("GET", "/v1/users?q=Name&limit=1000").status == 200
                assert connection.call("GET", "/health/live").status == 200

            for number in range(20):
                assert change(number).status < 300
            server.fill()
            refused, number = 0, 100
            while refused < 25:
                refused += change(number).status == 503
                number += 1
                assert number < 5000, "the disk is not full"
                if refused == 10:
                    all_is_as_acknowledged()
            if isinstance(server, OnSmallDisk):  # the other kind limits each file alone, and this one is small
                file = [{"name": "x" * 200, "email": f"i{number}@example.com"} for number in range(2000)]
                refusal = connection.call("POST", "/v1/imports", file)
                assert (refusal.status, refusal.json["code"]) == (503, "storage_unavailable"), refusal.body
            all_is_as_acknowledged()
            server.make_room()
            until = time.monotonic() + 60
            while change(number).status == 503:
                number += 1
                assert time.monotonic() < until, "there is room, and still nothing can be written"
                time.sleep(0.05)
            for further in range(number + 1, number + 20):
                assert change(further).status < 300
            all_is_as_acknowledged()
        kept_there = server.copy_data()
        check_file(kept_there)
        assert not [*(kept_there / "imports").glob("*")]
    finally:
        assert server.stop() == 0


def test_a_file_of_users_leaves_the_database_room_to_write(tmp_path: Path) -> None:
    server = OnSmallDisk(tmp_path / "data", *WIDE, mebibytes=300)
    server.start()
    try:
        with server.http() as http:
            answer = http.post("/v1/imports", content=(b" " * (1 << 20) for _ in range(100)))
            assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable"), answer.text
            assert http.get("/v1/imports").json() == []
            new_user(http)
    finally:
        server.stop()
