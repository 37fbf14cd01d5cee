"""Does what deploy/Dockerfile says without a container engine: its RUN, COPY and ENV, with bubblewrap, on this
machine's Python.

Not a builder: it knows the instructions that our file uses, and fails on others. In place of python:slim stand the
folders of this machine's system, read-only, with its Python under /usr/local. Owners of files are not changed: the
sandbox knows one user.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.deploy.programs import DEPLOY, ROOT, program, run

DOCKERFILE = DEPLOY / "Dockerfile"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")


class Instruction(NamedTuple):
    """One instruction, its lines joined."""

    name: str
    text: str


class Stage:
    """What one FROM leads to: files in `folder`, variables, and what the image says of itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        self.workdir = "/"
        self.user = "0:0"
        self.said: dict[str, str] = {}

    def inside(self, path: str) -> Path:
        """Where a path of the image is on this machine."""
        return self.folder / (path if path.startswith("/") else f"{self.workdir}/{path}").lstrip("/")


def instructions() -> list[Instruction]:
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Instruction(*line.split(" ", 1)) for line in joined.splitlines() if line.strip()]


def build(folder: Path) -> Stage:
    """The last stage of the file, built under `folder`. Raises AssertionError when a step fails or is not known."""
    context = _context(folder / "context")
    base = folder / "python"
    # With pip, which python:slim has and Debian's Python has not.
    run(program("uv"), "venv", "--quiet", "--seed", "--python", sys.executable, base)
    stages: dict[str, Stage] = {}
    stage = Stage(folder / "none")
    for name, text in instructions():
        if name == "FROM":
            stage = Stage(folder / f"stage{len(stages)}")
            shutil.copytree(base, stage.inside("/usr/local"), symlinks=True)
            stages[text.partition(" AS ")[2] or "last"] = stage
        elif name == "WORKDIR":
            stage.workdir = text
            stage.inside(text).mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            _copy(text, stage, stages, context)
        elif name == "RUN":
            cache, command = re.fullmatch(r"(?:--mount=type=cache,target=(\S+) )?(.*)", text).groups()  # type: ignore[union-attr]
            _run(stage, command, cache)
        elif name == "ENV":
            for word in shlex.split(text):
                variable, _, value = word.partition("=")
                stage.environment[variable] = value.replace("$PATH", stage.environment["PATH"])
        elif name == "USER":
            stage.user = text
        else:
            assert name in "ARG LABEL VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD".split(), name
            stage.said[name] = text
    return stages["last"]


def sandbox(stage: Stage, *more: str, uid: str = "", gid: str = "") -> list[str]:
    """The start of a command line that runs what follows in the image: its root is read-only, and so is all below but
    what `more` binds."""
    own_uid, _, own_gid = stage.user.partition(":")
    python = [
        str(path) for path in {Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]} if path != Path("/usr")
    ]
    arguments = [
        program("bwrap"),
        "--die-with-parent",
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--new-session",
    ]
    arguments += ["--uid", uid or own_uid, "--gid", gid or own_gid, "--clearenv", "--cap-drop", "ALL"]
    for variable, value in stage.environment.items():
        arguments += ["--setenv", variable, value]
    for path in SYSTEM:
        arguments += ["--ro-bind-try", path, path]
    for entry in sorted(stage.folder.iterdir()):
        for path in entry.iterdir() if entry.name == "usr" else (entry,):
            inside = f"/{path.relative_to(stage.folder)}"
            arguments += ["--ro-bind", str(path), inside]
    arguments += ["--proc", "/proc", "--dev", "/dev", *more]
    for path in python:
        arguments += ["--ro-bind", path, path]
    return [*arguments, "--remount-ro", "/", "--chdir", stage.workdir, "--"]


def start_command(stage: Stage) -> list[str]:
    """ENTRYPOINT and CMD."""
    return [*json.loads(stage.said["ENTRYPOINT"]), *json.loads(stage.said["CMD"])]


def health_command() -> list[str]:
    told = next(each.text for each in instructions() if each.name == "HEALTHCHECK")
    return json.loads(told.partition("CMD ")[2])


def _context(folder: Path) -> Path:
    """The files that a builder would be sent: those that git knows, as they are now, without those that .dockerignore
    leaves out."""
    listed = run("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard").stdout.splitlines()
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = [rule[1:] for rule in rules if rule.startswith("!")]
    refused = [rule for rule in rules[1:] if not rule.startswith("!")]
    for name in listed:
        if (
            (ROOT / name).is_file()
            and any(_under(name, rule) for rule in allowed)
            and not any(_under(name, rule) for rule in refused)
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def _under(name: str, rule: str) -> bool:
    return name == rule or name.startswith(f"{rule}/")


def _copy(text: str, stage: Stage, stages: dict[str, Stage], context: Path) -> None:
    words = text.split()
    options = dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--"))
    *sources, target = [word for word in words if not word.startswith("--")]
    for source in sources:
        origin = stages[options["from"]].inside(source) if "from" in options else context / source
        goal = stage.inside(target)
        if origin.is_dir():
            shutil.copytree(origin, goal, symlinks=True, dirs_exist_ok=True)
        else:
            assert target.endswith("/"), text
            goal.mkdir(parents=True, exist_ok=True)
            shutil.copy(origin, goal)
        if "chmod" in options:
            goal.chmod(int(options["chmod"], 8))


def _run(stage: Stage, command: str, cache: str | None) -> None:
    """Runs as root of the image, whose files it may change: a layer for all that is not the system's."""
    binds = []
    for path in ("/opt", "/wheels", "/tmp", "/root", stage.workdir, "/usr/local"):
        stage.inside(path).mkdir(parents=True, exist_ok=True)
        binds += ["--bind", str(stage.inside(path)), path]
    environment = {**stage.environment, "HOME": "/root", **_network()}
    if cache:
        # The machine's own, so that what was fetched once is not fetched at each run.
        own = run(program("uv"), "cache", "dir").stdout.strip()
        Path(own).mkdir(parents=True, exist_ok=True)
        binds += ["--bind", own, f"{cache}/uv"]
        environment["UV_CACHE_DIR"] = f"{cache}/uv"
    before, stage.environment = stage.environment, environment
    try:
        done = subprocess.run(
            [*sandbox(stage, *binds, uid="0", gid="0"), "sh", "-euc", command],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    finally:
        stage.environment = before
    assert done.returncode == 0, f"RUN {command}: {done.returncode}\n{done.stdout}{done.stderr}"


def _network() -> dict[str, str]:
    """How this machine reaches its package index."""
    prefixes = ("UV_", "PIP_", "SSL_", "REQUESTS_", "HTTP_", "HTTPS_", "NO_", "http_", "https_", "no_")
    return {name: value for name, value in os.environ.items() if name.startswith(prefixes)}
