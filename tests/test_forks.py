"""Files of tests run beside each other, and what becomes of each test is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import running

ROOT = Path(__file__).resolve().parents[1]
ONE = """
import os, pathlib, pytest
HERE = pathlib.Path(__file__).parent
@pytest.fixture(scope="session")
def session():
    yield
    (HERE / f"ended-{os.getpid()}").touch()
@pytest.fixture(scope="module")
def module():
    yield
    raise ValueError("this teardown fails")
def test_passes(session): print("never seen")
def test_fails(session):
    print("seen in the report")
    assert {"a": 1} == {"a": 2}
def test_dies(): os._exit(7)
def test_goes_on(session, module): pass
"""
OTHER = """
import pytest

from tests.harness import running
@pytest.mark.parametrize("number", range(20))
def test_passes(number, tmp_path): (tmp_path / "file").touch()
def test_is_skipped(): pytest.skip("not today")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "test_one.py").write_text(ONE)
    (tmp_path / "test_other.py").write_text(OTHER)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    plugins = [
        "-p",
        "tests.forks",
        "-p",
        "no:xdist",
        "-p",
        "no:schemathesis",
        "-p",
        "no:anyio",
        "-p",
        "no:cacheprovider",
    ]
    command = [sys.executable, "-m", "pytest", "-n", "2", *plugins, f"--rootdir={folder}", str(folder), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)


def test_each_test_is_told_once_even_if_its_process_dies(folder: Path) -> None:
    done = run(folder)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed, 22 passed, 1 skipped, 1 error in" in done.stdout
    assert "The process of this test has ended: 7" in done.stdout
    assert "this teardown fails" in done.stdout and "seen in the report" in done.stdout and "{'a': 1}" in done.stdout
    assert "never seen" not in done.stdout
    assert len([*folder.glob("ended-*")]) == 1, (
        "of the session's two processes one died, and the other ended as it should"
    )


def test_the_first_failure_can_end_it(folder: Path) -> None:
    done = run(folder, "-x")
    assert done.returncode == 1
    assert "1 failed" in done.stdout and "test_dies" not in done.stdout and "stopping after 1 failures" in done.stdout


def test_a_process_that_hangs_where_no_timeout_reaches_is_killed_and_fails_its_test(tmp_path: Path) -> None:
    hangs = "import os, signal\nfrom tests import forks\nforks.SLACK = 1\ndef test_hangs():\n    os.kill(os.getpid(), signal.SIGSTOP)\n"
    (tmp_path / "test_one.py").write_text(hangs)
    (tmp_path / "test_other.py").write_text("def test_passes(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\ntimeout = 1\n")
    done = run(tmp_path)
    assert "The process of this test has ended: -9" in done.stdout and "1 failed, 1 passed" in done.stdout, done.stdout


def test_a_server_that_ends_by_itself_fails_its_test(tmp_path: Path) -> None:
    def dies() -> None:
        with running(tmp_path / "data") as server:
            assert server.process is not None
            server.process.kill()
            server.process.wait()

    with pytest.raises(RuntimeError, match="ended by itself"):
        dies()


def test_servers_of_the_tests_run_on_their_python(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        assert server.process is not None
        assert Path(f"/proc/{server.process.pid}/exe").resolve() == Path(sys.executable).resolve()
