"""deploy/Dockerfile: what it says, and an engine that builds and runs it. In place of python:slim, for which a registry
would be needed, stands an image of Debian's packages."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.deploy.programs import DEPLOY, ROOT, program, run

DOCKERFILE = DEPLOY / "Dockerfile"
BASE = "docker.io/library/python:3.13-slim"
TAG = "rollbook:local"
DEBIAN = "trixie"
CERTIFICATES = "/etc/ssl/certs"
"""Of the package index, as this machine knows it."""


class Instruction(NamedTuple):
    """One instruction, its lines joined."""

    name: str
    text: str


def instructions() -> list[Instruction]:
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Instruction(*line.split(" ", 1)) for line in joined.splitlines() if line.strip()]


def health_command() -> list[str]:
    told = next(each.text for each in instructions() if each.name == "HEALTHCHECK")
    return json.loads(told.partition("CMD ")[2])


def install_debian(target: Path, *packages: str) -> None:
    """Debian with Python and these packages, as a folder, or as an archive if that is the target's suffix."""
    names = ",".join(("ca-certificates", "python3", "python3-venv", *packages))
    # As in python:slim, a Python with pip is in /usr/local, where Debian's packages are not in its way.
    python = '--customize-hook=chroot "$1" python3 -m venv /usr/local'
    # Quickly, as nothing of it is kept; and from mirrors that stand still, too.
    options = ("--dpkgopt=force-unsafe-io", '--aptopt=Acquire::Check-Valid-Until "false"')
    command = (program("mmdebstrap"), "--quiet", "--variant=minbase", f"--include={names}", *options)
    run(*command, python, DEBIAN, target)


def network() -> dict[str, str]:
    """How this machine reaches its package index."""
    prefixes = ("UV_", "PIP_", "SSL_", "REQUESTS_", "HTTP_", "HTTPS_", "NO_", "http_", "https_", "no_")
    return {name: value for name, value in os.environ.items() if name.startswith(prefixes)}


class Podman:
    """An engine whose images and containers are all in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Of the runtimes, runc knows both versions of control groups beside each other, and crun only one.
        places = ("--root", folder / "storage", "--runroot", folder / "run", "--runtime", "runc")
        self._command = [program("podman"), *places, "--cgroup-manager", "cgroupfs", "--events-backend", "file"]
        self._environment = os.environ | {"PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}

    def __call__(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run(*self._command, *arguments, environment=self._environment, check=check)

    def build(self, revision: str) -> None:
        """The image, as docs/deployment.md says."""
        base = self._folder / "base.tar"
        install_debian(base)
        variables = [f"--change=ENV {name}={value}" for name, value in network().items()]
        self("import", "--quiet", *variables, base, BASE)
        base.unlink()
        limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
        self(
            *("build", "--pull=never", "--network=host", "--isolation=chroot", "--format=docker"),
            # It would ask for more than a machine may allow.
            *(f"--ulimit={name}={resource.getrlimit(number)[1]}" for name, number in limits.items()),
            *(f"--volume={CERTIFICATES}:{CERTIFICATES}:ro", "--build-arg", f"REVISION={revision}"),
            *("--file", DOCKERFILE, "--tag", TAG, ROOT),
        )

    def clean(self) -> None:
        """Unmounts and removes everything."""
        self("rm", "--all", "--force", "--time=0", check=False)
        self("rmi", "--all", "--force", check=False)
