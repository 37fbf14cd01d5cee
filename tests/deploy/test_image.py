"""The image of deploy/Dockerfile, built and run by Podman: a server that runs as a stranger, in 512 MiB, on a file system
it cannot write to."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook.auth import key_format
from tests import postgres
from tests.deploy import image
from tests.deploy.image import TAG, Podman
from tests.deploy.programs import program, run
from tests.harness import OWNER_EMAIL, free_port
from tests.security.test_guesses_in_512_mebibytes import MEBIBYTES

pytestmark = pytest.mark.timeout(900)  # Debian is installed first

REVISION = "c0ffee0123456789"
# As Docker does, and Kubernetes: no folder in memory is writable, either.
CONFINED = (
    *("--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
    *(f"--memory={MEBIBYTES}m", "--network=host"),
)
NAME = "rollbook-1"


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    engine = Podman(tmp_path_factory.mktemp("podman"))
    try:
        engine.build(REVISION)
        yield engine
    finally:
        engine.clean()


@pytest.fixture
def key(podman: Podman) -> Iterator[str]:
    yield key_format.mint()
    podman("rm", "--force", "--time=0", "--volumes", NAME, check=False)


def test_the_dockerfile_is_free_of_known_mistakes() -> None:
    run(program("hadolint"), image.DOCKERFILE)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_server_runs_on_a_read_only_root_as_a_stranger_and_ends_at_sigterm(
    workers: str, podman: Podman, key: str
) -> None:
    client = _start(podman, key, "--volume=rollbook:/data", f"--env=ROLLBOOK_WORKERS={workers}")
    probe = "id -u; for at in /data / /opt/rollbook /usr /tmp /run; do touch $at/x 2>/dev/null && echo $at; done; rm /data/x"
    assert _inside(podman, "sh", "-c", probe).split() == ["10001", "/data"]
    status = _inside(podman, "cat", "/proc/1/status")
    assert "CapBnd:\t0000000000000000\n" in status and "NoNewPrivs:\t1\n" in status and "Seccomp:\t2\n" in status
    limits = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true"
    assert _inside(podman, "sh", "-c", limits).split() == [str(MEBIBYTES << 20)]
    with client:
        body = {"name": "Alice", "email": "alice@example.com", "password": "securepassword123"}
        assert client.post("/v1/users", json=body).status_code == 201
        # The guide and the pages come from the package.
        assert client.get("/docs", headers={"Accept": "text/html"}).status_code == 200
        assert client.get("/openapi.json").status_code == 200
        assert _stop(podman) == 0
        assert podman("healthcheck", "run", NAME, check=False).returncode != 0
        podman("start", NAME)
        _wait_until_healthy(podman)
        assert [user["email"] for user in client.get("/v1/users").json()] == [OWNER_EMAIL, "alice@example.com"]
    written = _inside(podman, "ls", "/data").split()
    assert {name.partition("-")[0] for name in written} == {
        "first",
        "rollbook.db",
        "secret",
        "server.url",
        "writer.lock",
    }
    podman("rm", "--force", NAME)
    podman("volume", "rm", "rollbook")


def test_a_node_on_postgresql_writes_nowhere_at_all_and_reads_its_secret_from_a_file(
    podman: Podman, key: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("5e" * 32 + "\n")
    # As Kubernetes leaves it: defaultMode 0400, and the group's right from fsGroup.
    secret.chmod(0o440)
    secret.parent.chmod(0o755)
    run("chown", "0:10001", secret)
    given = [f"--volume={secret}:/run/secrets/rollbook:ro", "--env=ROLLBOOK_SECRET_FILE=/run/secrets/rollbook"]
    # In place of the image's own /data, nothing that could be written to.
    given += [f"--volume={tmp_path}:/data:ro", f"--env=ROLLBOOK_DATABASE={postgres.new_database('image')}"]
    migrate = ("run", "--rm", *CONFINED, *given, TAG, "migrate")
    assert podman(*migrate, "--check", check=False).returncode != 0
    podman(*migrate)
    podman(*migrate, "--check")
    with _start(podman, key, *given) as client:
        body = {"name": "Alice", "email": "alice@example.com", "password": "securepassword123"}
        assert client.post("/v1/users", json=body).status_code == 201
        assert len(client.get("/v1/users").json()) == 2
    assert _stop(podman) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"secret"}


def test_nothing_in_the_image_is_closed_to_its_user_or_left_to_be_compiled(podman: Podman) -> None:
    program = """
from pathlib import Path
for path in Path("/opt/rollbook").rglob("*"):
    if not path.is_symlink():
        mode = path.stat().st_mode
        assert mode & 0o004 and not mode & 0o022, f"{path}: {mode:o}"
        if path.suffix == ".py" and "lib" in path.parts:
            assert list((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")), path
"""
    podman("run", "--rm", *CONFINED, "--entrypoint=python", TAG, "-c", program)


def test_the_image_holds_the_package_and_no_tools_secrets_or_sources(podman: Podman) -> None:
    said = json.loads(podman("image", "inspect", TAG).stdout)[0]
    assert said["User"] == "10001:10001" and said["Labels"]["org.opencontainers.image.revision"] == REVISION
    assert f"({REVISION})" in podman("run", "--rm", *CONFINED, TAG, "--version").stdout
    listed = "test ! -e /src; test -z $(ls -A /data); cd /opt/rollbook; ls bin; cd lib/python3.*/site-packages; ls"
    names = set(podman("run", "--rm", *CONFINED, "--entrypoint=sh", TAG, "-ec", listed).stdout.split())
    assert {"rollbook", "python", "argon2"} <= names
    assert not {"pip", "uv", "hatchling", "editables", "setuptools", "tests"} & names


def _start(podman: Podman, key: str, *options: str) -> httpx2.Client:
    """A server in a container, and a client of it."""
    port = free_port()
    settings = {"HOST": "127.0.0.1", "PORT": port, "OWNER_EMAIL": OWNER_EMAIL, "OWNER_KEY": key}
    variables = [f"--env=ROLLBOOK_{name}={value}" for name, value in settings.items()]
    podman("run", "--detach", "--name", NAME, *CONFINED, *variables, *options, TAG)
    _wait_until_healthy(podman)
    return httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=60)


def _wait_until_healthy(podman: Podman) -> None:
    deadline = time.monotonic() + 60
    while podman("healthcheck", "run", NAME, check=False).returncode:
        assert _state(podman)["Running"] and time.monotonic() < deadline, podman("logs", NAME).stderr
        time.sleep(0.2)


def _stop(podman: Podman) -> int:
    """The exit code of the server, which memory must not have ended."""
    podman("stop", "--time=15", NAME)
    assert _state(podman)["OOMKilled"] is False
    return _state(podman)["ExitCode"]


def _state(podman: Podman) -> dict[str, Any]:
    return json.loads(podman("container", "inspect", NAME).stdout)[0]["State"]


def _inside(podman: Podman, *command: str) -> str:
    return podman("exec", NAME, *command).stdout
