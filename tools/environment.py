"""What the tasks run on: virtual environments filled from the lock files, Node packages, programs of the machine. Standard library only.

A stamp beside what was installed holds a digest of all it came from, so that a second run reads a few files and does nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
OLDEST_NODE = (20, 19)
# The first is Chromium without windows: the same pages for a quarter of the work.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


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
CLIENTS = Stage("clients", ROOT / ".venv-clients", ("clients.txt",), holds_project=False)
BENCH = Stage("bench", ROOT / ".venv-bench", ("bench.txt",), holds_project=False)
MIGRATE = Stage("migrate", ROOT / ".venv-migrate", ("migrate.txt",), holds_project=False)

ENOUGH = {
    RUNTIME.name: (RUNTIME, DEV),
    DEV.name: (DEV,),
    DEPLOY.name: (DEPLOY,),
    CLIENTS.name: (CLIENTS,),
    BENCH.name: (BENCH,),
    MIGRATE.name: (MIGRATE,),
}
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
    need(NPM)  # Debian's package brings Node.js along
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


def find_browser() -> str | None:
    """The program that ROLLBOOK_CHROMIUM names, else a Chromium or Chrome on PATH, else None."""
    named = os.environ.get("ROLLBOOK_CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, BROWSERS)), None)


def find_postgresql() -> str | None:
    """The programs of PostgreSQL 14 or newer, where tests/postgres.py looks for them."""
    named = os.environ.get("ROLLBOOK_POSTGRES")
    debian = (str(path) for path in Path("/usr/lib/postgresql").glob("*/bin/initdb") if int(path.parts[-3]) >= 14)
    return named or next(debian, None) or shutil.which("initdb")


def find_pgbouncer() -> str | None:
    return shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")  # a folder that is not on everyone's PATH


def find_valkey() -> str | None:
    return shutil.which("valkey-server") or shutil.which("redis-server")


class Need(NamedTuple):
    """A program that some tasks run, the Debian package that has it, and how to find it."""

    name: str
    package: str
    find: Callable[[], str | None]

    @classmethod
    def on_path(cls, command: str, package: str = "") -> Need:
        return cls(command, package or command, lambda: shutil.which(command))


NPM = Need.on_path("npm")
JAVA = Need.on_path("java", "default-jre-headless")
SQLITE = Need.on_path("sqlite3")
WRK = Need.on_path("wrk")
BROWSER = Need("Chromium or Chrome (on PATH or named in ROLLBOOK_CHROMIUM)", BROWSERS[0], find_browser)
POSTGRESQL = Need("PostgreSQL 14 or newer", "postgresql", find_postgresql)
PGBOUNCER = Need("PgBouncer", "pgbouncer", find_pgbouncer)
VALKEY = Need("Valkey or Redis", "valkey-server", find_valkey)
DEPLOY_TOOLS = (
    Need.on_path("haproxy"),
    Need.on_path("bwrap", "bubblewrap"),
    Need.on_path("strace"),
    Need.on_path("prometheus"),  # with promtool
    Need.on_path("systemd-analyze", "systemd"),
)


def need(*needs: Need) -> None:
    """Raises SetupFailed, which names everything that is missing and how to install it."""
    missing = [each for each in needs if not each.find()]
    if missing:
        raise SetupFailed(
            f"Missing on this machine: {', '.join(each.name for each in missing)}.\n"
            f"On Debian or Ubuntu:  sudo apt-get install {' '.join(each.package for each in missing)}"
        )


def find_uv() -> str | None:
    """The machine's uv, else the one in .venv, else None."""
    own = ROOT / ".venv" / "bin" / "uv"
    return shutil.which("uv") or (str(own) if own.exists() else None)


def _fill(stage: Stage) -> None:
    python = _python(stage)
    born = stage.folder / ".setup-python"
    if not _holds(born, _interpreter()) or not python.exists():
        _say(f"Creating {stage.folder.name} with Python {sys.version.split()[0]}")
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
        _install_ensurepip()
        _run(unpack, quiet=True)
    return [str(python), "-m", "pip", *quiet]


def _install_ensurepip() -> None:
    """Debian keeps it in a package of its own. Root gets that package, because `make serve` needs nothing else of the machine."""
    package = f"python3.{sys.version_info.minor}-venv"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupFailed(
            "This Python comes without ensurepip, so it cannot install packages.\n"
            f"On Debian or Ubuntu:  sudo apt-get install {package}"
        )
    _say(f"Installing Debian's {package}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", package]):
        _run(["apt-get", *command], environment=environment, quiet=True)


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
    """Raises SetupFailed when the command fails. With `quiet`, its output is shown only then."""
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
