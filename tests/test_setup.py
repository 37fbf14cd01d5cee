"""`make test` has all it needs before the first test runs: it brings what is missing, or stops with one command to
paste."""

from __future__ import annotations

import ast
import contextlib
import os
import pty
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tools.programs import NEWEST_PYTHON, SHIPPED_PYTHON

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "tests.yml"
TESTS = ROOT / "tests"
VALKEY = "tests/limits/test_limits_valkey_tls.py"
# As `unshare` makes one of somebody who isn't.
AS_ROOT = [] if os.geteuid() == 0 else ["/usr/bin/unshare", "--user", "--map-root-user"]
APT = f"""#!{sys.executable}
import os, sys
folder = os.path.dirname(__file__)
with open(os.path.join(folder, "called"), "a") as file:
    print(*sys.argv[1:], file=file)
if "valkey-server" in sys.argv:
    with open(os.path.join(folder, "valkey-server"), "w") as file:
        os.fchmod(file.fileno(), 0o755)
"""


def make_test(
    path: Path, *arguments: str, stdin: int = subprocess.DEVNULL, stderr: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    """`make test` on a machine that has no programs but those in this folder, and those that no PATH is needed for."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ROLLBOOK_", "PYTEST_"))}
    return subprocess.Popen(
        [*AS_ROOT, sys.executable, "tools/setup.py", "test", *arguments],
        cwd=ROOT,
        env=environment | {"PATH": str(path)},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    """A file of what apt-get was called with; it brings Valkey."""
    program = tmp_path / "apt-get"
    program.write_text(APT)
    program.chmod(0o755)
    return tmp_path / "called"


def test_what_nothing_brings_stops_it_at_once_with_one_command(tmp_path: Path) -> None:
    started = make_test(tmp_path, VALKEY, "tests/nodes/test_pgbouncer.py", "tests/deploy", "-x")
    ran, said = started.communicate(timeout=100)
    assert started.returncode == 1
    assert ran == "", "no test has run"
    assert "Missing on this machine: " in said
    [command] = [line for line in said.splitlines() if "apt-get" in line]
    assert {"strace", "mmdebstrap", "systemd"} <= set(command.split())


def test_only_what_the_chosen_tests_need_is_asked_for(tmp_path: Path) -> None:
    for arguments in (["tests/http/test_reader.py"], ["tests/http/test_reader.py", VALKEY, "-k", "test_reader"]):
        started = make_test(tmp_path, *arguments, "--collect-only", "-q", "-n", "0")
        ran, said = started.communicate(timeout=100)
        assert started.returncode == 0, said
        assert "test_reader.py" in ran and "valkey" not in ran


def test_root_gets_it_installed_with_a_line_for_each(tmp_path: Path, apt: Path) -> None:
    started = make_test(tmp_path, VALKEY, "--collect-only", "-q", "-n", "0")
    ran, said = started.communicate(timeout=100)
    assert started.returncode == 0, said
    assert [line for line in said.splitlines() if line.startswith("Installing")] == [
        "Installing Debian's valkey-server: Valkey or Redis"
    ]
    called = apt.read_text().splitlines()
    assert called[0].startswith("update ") and called[1].endswith(" valkey-server") and len(called) == 2
    assert VALKEY in ran


def test_at_a_terminal_it_asks_first(tmp_path: Path, apt: Path) -> None:
    ours, terminal = pty.openpty()
    started = make_test(tmp_path, VALKEY, stdin=terminal, stderr=terminal)
    os.write(ours, b"n\n")
    ran, _ = started.communicate(timeout=100)
    os.close(terminal)
    said = ""
    with contextlib.suppress(OSError):  # the end of what a terminal has shown
        while part := os.read(ours, 10_000):
            said += part.decode()
    os.close(ours)
    assert started.returncode == 1 and ran == ""
    assert "Install valkey-server? [Y/n]" in said
    assert "Nothing was installed, and nothing has run." in said
    assert "install" not in apt.read_text()


def compat(path: Path) -> subprocess.CompletedProcess[str]:
    """`make compat` where the image has a Python that no machine has."""
    code = "import sys; sys.path.insert(0, 'tools'); import programs; programs.SHIPPED = '3.99'; import tasks; "
    return subprocess.run(
        [*AS_ROOT, sys.executable, "-c", f"{code}sys.exit(tasks.main(['compat']))"],
        cwd=ROOT,
        env=os.environ | {"PATH": str(path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_without_the_python_of_the_image_its_tests_fail_instead_of_being_skipped(tmp_path: Path, apt: Path) -> None:
    done = compat(tmp_path)
    assert done.returncode == 1 and "Missing on this machine: Python " in done.stderr
    assert apt.read_text().splitlines()[1].endswith(f" {SHIPPED_PYTHON.packages[0]}"), "root has it installed"
    (tmp_path / "apt-get").unlink()
    done = compat(tmp_path)
    assert done.returncode == 1 and "Missing on this machine: Python " in done.stderr and done.stdout == ""


def test_the_versions_of_python_that_are_named_are_those_that_are_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = int(project["requires-python"].removeprefix(">=3."))
    versions = [f"3.{minor}" for minor in range(oldest, NEWEST_PYTHON + 1)]
    named = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    assert named == jobs["test"]["strategy"]["matrix"]["python"] == versions
    assert f"Python {versions[0]} to {versions[-1]}" in (ROOT / "README.md").read_text()


def test_the_workflow_names_commits_and_can_change_nothing() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    actions = [step["uses"] for step in steps if "uses" in step]
    assert actions and all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action) for action in actions)
    assert not any("permissions" in job or "secrets" in str(job) for job in workflow["jobs"].values())
    assert all(step["with"]["persist-credentials"] is False for step in steps if "checkout" in step.get("uses", ""))


USED = {
    "tests.postgres": ("PostgreSQL",),
    "tests.engines": ("PostgreSQL",),
    "tests.valkey": ("Valkey", "Redis"),
    "tests.pgbouncer": ("PgBouncer",),
    "tests.typescript_sdk": ("Node.js",),
    "tests.browser.chromium": ("Chromium",),
}


def test_the_table_of_needs_knows_what_each_file_uses() -> None:
    """Otherwise its tests would begin on a machine where they can't but fail."""
    code = """import sys; sys.path.insert(0, 'tools'); import needs, pathlib
for line in sys.stdin: print(*[each.name for each in needs.of([pathlib.Path(line.strip())])], sep=',')"""
    files = sorted(TESTS.rglob("test_*.py"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        check=True,
    )
    for file, known in zip(files, done.stdout.splitlines(), strict=True):
        for module in _imported(file) & USED.keys():
            assert any(word in known for word in USED[module]), (
                f"{file.relative_to(ROOT)} uses {module}: tools/needs.py"
            )


def _imported(file: Path) -> set[str]:
    names: set[str] = set()
    for each in ast.walk(ast.parse(file.read_text())):
        if isinstance(each, ast.ImportFrom) and each.module:
            names |= {each.module, *(f"{each.module}.{alias.name}" for alias in each.names)}
    return names


def test_what_is_left_to_other_tasks_is_there() -> None:
    """A file that is renamed must not fall out of all."""
    code = """import sys; sys.path.insert(0, 'tools'); import needs
others = needs.of_soak() + [needs.ROOT / 'tests' / each for each in needs.ELSEWHERE]
compat = [needs.ROOT / 'tests' / each for each in needs.COMPAT]
print(*[place for place in others + compat if not place.exists()])
print(*needs.of_test(), *(file for place in others for file in [place, *place.rglob('test_*.py')]))"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    lost, run = done.stdout.split("\n")[:2]
    assert lost == ""
    assert {str(file) for file in TESTS.rglob("test_*.py")} <= set(run.split())
