"""The steps of deploy/Dockerfile make a server that runs as a stranger on a file system it cannot write to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from rollbook.auth import key_format
from tests import postgres
from tests.deploy import image
from tests.deploy.programs import program, run
from tests.harness import OWNER_EMAIL, free_port


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> image.Stage:
    return image.build(tmp_path_factory.mktemp("image"))


def test_the_dockerfile_is_free_of_known_mistakes() -> None:
    run(program("hadolint"), image.DOCKERFILE)


def test_the_server_runs_on_a_read_only_root_as_a_stranger_and_ends_at_sigterm(
    built: image.Stage, tmp_path: Path
) -> None:
    assert built.user == "10001:10001"
    with _serving(built, tmp_path) as server:
        # Only /data: there is not even a /tmp.
        probe = (
            "id -u; for at in /data / /opt/rollbook /usr /tmp; do touch $at/x 2>/dev/null && echo $at; done; rm /data/x"
        )
        said = run(*image.sandbox(built, "--bind", str(server.data), "/data"), "sh", "-c", probe).stdout.split()
        assert said == ["10001", "/data"]
        client = httpx2.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.key}"}, timeout=60)
        with client:
            body = {"name": "Alice", "email": "alice@example.com", "password": "securepassword123"}
            assert client.post("/v1/users", json=body).status_code == 201
            assert [user["email"] for user in client.get("/v1/users").json()] == [OWNER_EMAIL, "alice@example.com"]
            # The guide and the pages come from the package.
            assert client.get("/docs", headers={"Accept": "text/html"}).status_code == 200
            assert client.get("/openapi.json").status_code == 200
        assert server.healthy() == 0
        assert server.stop() == 0
        assert server.healthy() != 0
    written = {path.name.partition("-")[0] for path in server.data.iterdir()}
    assert written == {"first", "rollbook.db", "secret", "writer.lock"}


def test_several_workers_need_no_more_than_one(built: image.Stage, tmp_path: Path) -> None:
    with _serving(built, tmp_path, ROLLBOOK_WORKERS="2") as server:
        assert (
            httpx2.get(
                f"{server.url}/v1/users", headers={"Authorization": f"Bearer {server.key}"}, timeout=60
            ).status_code
            == 200
        )
        assert server.stop() == 0


def test_the_secret_is_read_from_a_file_that_only_the_user_and_its_group_can_read(
    built: image.Stage, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("5e" * 32 + "\n")
    # As Kubernetes leaves it: defaultMode 0400, and the group's right from fsGroup.
    secret.chmod(0o440)
    mounted = ("--ro-bind", str(secret), "/run/secrets/rollbook")
    with _serving(built, tmp_path, *mounted, ROLLBOOK_SECRET_FILE="/run/secrets/rollbook") as server:
        assert httpx2.get(f"{server.url}/health/ready", timeout=60).status_code == 200
        assert server.stop() == 0
    assert "secret" not in {path.name for path in server.data.iterdir()}


def test_a_node_on_postgresql_writes_nowhere_at_all(built: image.Stage, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("5e" * 32 + "\n")
    secret.chmod(0o400)
    mounted = ("--ro-bind", str(secret), "/run/secrets/rollbook")
    variables = {"ROLLBOOK_DATABASE": postgres.new_database("image"), "ROLLBOOK_SECRET_FILE": "/run/secrets/rollbook"}
    # The image's own /data is read-only here, like all the rest.
    migrate = image.sandbox(built, *mounted, *(word for pair in variables.items() for word in ("--setenv", *pair)))
    assert run(*migrate, "rollbook", "migrate", "--check", check=False).returncode != 0
    run(*migrate, "rollbook", "migrate")
    run(*migrate, "rollbook", "migrate", "--check")
    with _serving(built, tmp_path, *mounted, writable=False, **variables) as server:
        with httpx2.Client(
            base_url=server.url, headers={"Authorization": f"Bearer {server.key}"}, timeout=60
        ) as client:
            body = {"name": "Alice", "email": "alice@example.com", "password": "securepassword123"}
            assert client.post("/v1/users", json=body).status_code == 201
            assert len(client.get("/v1/users").json()) == 2
        assert server.healthy() == 0
        assert server.stop() == 0
    assert not list(server.data.iterdir())


def test_nothing_in_the_image_is_closed_to_its_user_or_left_to_be_compiled(built: image.Stage) -> None:
    for path in built.inside("/opt/rollbook").rglob("*"):
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        assert mode & 0o004 and not mode & 0o022, f"{path}: {mode:o}"
        if path.suffix == ".py" and path.is_relative_to(built.inside("/opt/rollbook/lib")):
            assert list((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")), path


def test_the_image_holds_the_package_and_no_tools_secrets_or_sources(built: image.Stage) -> None:
    (packages,) = built.inside("/opt/rollbook/lib").glob("python3.*/site-packages")
    assert (packages / "rollbook" / "docs" / "deployment.md").exists()
    assert {path.name for path in packages.iterdir()} & {
        "pip",
        "uv",
        "hatchling",
        "editables",
        "setuptools",
        "tests",
    } == set()
    programs = {path.name for path in built.inside("/opt/rollbook/bin").iterdir()}
    assert {"python", "rollbook"} <= programs and not programs & {"pip", "uv", "hatchling"}
    assert not built.inside("/src").exists() and not list(built.inside("/data").iterdir())


class _Served:
    def __init__(
        self,
        stage: image.Stage,
        data: Path,
        mounted: tuple[str, ...],
        variables: dict[str, str],
        log: Path,
        writable: bool,
    ) -> None:
        self.data = data
        self.key = key_format.mint()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._stage = stage
        self._mounted = ("--bind", str(data), "/data", *mounted) if writable else mounted
        self._variables = {
            "ROLLBOOK_PORT": str(self.port),
            "ROLLBOOK_OWNER_EMAIL": OWNER_EMAIL,
            "ROLLBOOK_OWNER_KEY": self.key,
            "ROLLBOOK_INSECURE_HTTP": "true",  # as in deploy/compose.yaml: only this machine reaches the port
            **variables,
        }
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                [*self._sandbox(), *image.start_command(stage)], stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )

    def _sandbox(self) -> list[str]:
        more = [*self._mounted]
        for name, value in self._variables.items():
            more += ["--setenv", name, value]
        return image.sandbox(self._stage, *more)

    def healthy(self) -> int:
        """The exit code of HEALTHCHECK."""
        return run(*self._sandbox(), *image.health_command(), check=False).returncode

    def stop(self) -> int:
        """Sends SIGTERM to the server, which an engine would do; the exit code."""
        if self.process.poll() is None:
            os.kill(self._server(), signal.SIGTERM)
        return self.process.wait(60)

    def _server(self) -> int:
        """The server's process: bubblewrap's grandchild, behind the one that stands in for init."""
        pid = self.process.pid
        for _ in range(2):
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        return pid


@contextmanager
def _serving(
    stage: image.Stage, folder: Path, *mounted: str, writable: bool = True, **variables: str
) -> Iterator[_Served]:
    data, log = folder / "data", folder / "log"
    data.mkdir(mode=0o700)
    server = _Served(stage, data, mounted, variables, log, writable)
    try:
        deadline = time.monotonic() + 60
        while server.process.poll() is None:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", server.port)) == 0:
                    break
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        assert server.process.poll() is None, log.read_text()
        yield server
    finally:
        server.process.kill()
        server.process.wait()
