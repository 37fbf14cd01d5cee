"""What a release consists of, in `dist/`: wheel, source archive, bill of materials, checksums, and their signature.

Everything is built twice, in two folders, by two versions of Python where the machine has them, with another umask, time
zone and language, and must be the same to the byte. Then it is installed as people install it, and the README is followed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from environment import RELEASE, prepare
from programs import ROOT, SetupFailed, find_pythons

DIST = ROOT / "dist"
SUMS = "SHA256SUMS"
STATIC = "src/rollbook/web/static"
HERE = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
ELSEWHERE = {"LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1"}


def release(arguments: Sequence[str]) -> int:
    """Build and check it all; sign with the key that `--sign` names. Raises SetupFailed."""
    signer = arguments[arguments.index("--sign") + 1] if "--sign" in arguments[:-1] else ""
    if _output("git", "status", "--porcelain"):
        raise SetupFailed("A release is built from a commit: commit what you have changed.")
    tools = prepare(RELEASE).parent
    with tempfile.TemporaryDirectory(prefix="rollbook-release-") as folder:
        work = Path(folder)
        pythons = [sys.executable, *find_pythons().values()]
        first = _build(work / "one", tools, pythons[0], 0o022, HERE)
        second = _build(work / "another folder", tools, pythons[-1], 0o077, ELSEWHERE)
        _must_be_same(first, second)
        wheel, archive = next(first.glob("*.whl")), next(first.glob("*.tar.gz"))
        _run(tools / "twine", "check", "--strict", wheel, archive)
        # The two halves of the client have the same first file.
        _run(tools / "check-wheel-contents", "--toplevel=rollbook", "--ignore=W002", wheel)
        _try(
            work / "pipx",
            wheel,
            [tools / "pipx", "install", "--quiet", "--python", pythons[0], wheel],
            "PIPX_HOME",
            "PIPX_BIN_DIR",
        )
        _try(
            work / "uv",
            wheel,
            [tools / "uv", "tool", "install", "--quiet", "--python", pythons[-1], wheel],
            "UV_TOOL_DIR",
            "UV_TOOL_BIN_DIR",
        )
        if signer:
            _sign(first / SUMS, signer)
        shutil.rmtree(DIST, ignore_errors=True)
        shutil.copytree(first, DIST)
    for file in sorted(DIST.iterdir()):
        print(f"{file.stat().st_size:>10,}  {file.relative_to(ROOT)}")
    return 0


def _build(folder: Path, tools: Path, python: str, mask: int, environment: Mapping[str, str]) -> Path:
    """Builds a clone of the commit; returns the folder with what came of it."""
    _say(f"Building with {_output(python, '--version')}")
    clone, built = folder / "clone", folder / "dist"
    before = os.umask(mask)
    try:
        built.mkdir(parents=True)
        _run("git", "clone", "--quiet", "--no-hardlinks", ROOT, clone)
        epoch = _output("git", "-C", clone, "log", "-1", "--format=%ct")
        inside = {**environment, "SOURCE_DATE_EPOCH": epoch}
        builder = _environment(folder / "builder", tools, python, clone / "requirements" / "build.txt")
        # The wheel is made of the archive, as installers do: what it lacks would be missing.
        _run(builder, "-m", "hatchling", "build", "-t", "sdist", "-d", built, cwd=clone, **inside)
        (archive,) = built.iterdir()
        shutil.unpack_archive(archive, folder, filter="data")
        unpacked = folder / archive.name.removesuffix(".tar.gz")
        _run(builder, "-m", "hatchling", "build", "-t", "wheel", "-d", built, cwd=unpacked, **inside)
        _run(builder, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "direct", cwd=clone, **inside)
        (wheel,) = built.glob("*.whl")
        if wheel.read_bytes() != (folder / "direct" / wheel.name).read_bytes():
            raise SetupFailed("The wheel made of the source archive is another one than that of the checkout.")
        # By one Python in both builds: some packages are only needed by older ones.
        server = _environment(folder / "server", tools, sys.executable, clone / "requirements" / "runtime.txt")
        _run(tools / "uv", "pip", "install", "--quiet", "--no-deps", "--python", server, wheel)
        _describe(built / f"{wheel.name.partition('-py3')[0]}.cdx.json", tools, server, clone, inside)
    finally:
        os.umask(before)
    files = sorted(built.iterdir())
    (built / SUMS).write_text(
        "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    )
    return built


def _environment(folder: Path, tools: Path, python: str, lock: Path) -> Path:
    _run(tools / "uv", "venv", "--quiet", "--python", python, folder)
    _run(
        tools / "uv", "pip", "install", "--quiet", "--require-hashes", "--python", folder / "bin" / "python", "-r", lock
    )
    return folder / "bin" / "python"


def _describe(file: Path, tools: Path, server: Path, clone: Path, inside: Mapping[str, str]) -> None:
    """Bill of materials (CycloneDX) of what is installed, with the one file of others that is inside the package."""
    command = [
        tools / "cyclonedx-py",
        "environment",
        "--output-reproducible",
        "--validate",
        "--sv",
        "1.6",
        "--pyproject",
    ]
    _run(*command, clone / "pyproject.toml", "-o", file, server, cwd=clone, **inside)
    bill: dict[str, Any] = json.loads(file.read_text())
    locked = set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", (clone / "requirements" / "runtime.txt").read_text(), re.M))
    named = {re.sub(r"[-_.]+", "-", component["name"]).lower() for component in bill["components"]} - {"rollbook"}
    if not named or not named <= locked:
        raise SetupFailed(f"The bill of materials has other packages than requirements/runtime.txt: {named ^ locked}")
    version = re.search(r"\[htmx\]\([^)]+\) ([0-9][0-9.]*[0-9])", (clone / STATIC / "LICENSES.md").read_text())
    assert version is not None
    digest = hashlib.sha256((clone / STATIC / "htmx.js").read_bytes()).hexdigest()
    purl = f"pkg:npm/htmx.org@{version[1]}"
    htmx = {"type": "library", "bom-ref": purl, "name": "htmx.org", "version": version[1], "purl": purl}
    bill["components"].append({**htmx, "hashes": [{"alg": "SHA-256", "content": digest}]})
    file.write_text(json.dumps(bill, indent=1) + "\n")


def _must_be_same(first: Path, second: Path) -> None:
    names = {file.name for folder in (first, second) for file in folder.iterdir()}
    different = [name for name in sorted(names) if _bytes(first / name) != _bytes(second / name)]
    if different:
        kept = Path(tempfile.mkdtemp(prefix="rollbook-differs-"))
        for folder, name in ((first, "first"), (second, "second")):
            shutil.copytree(folder, kept / name)
        raise SetupFailed(f"Two builds differ in {', '.join(different)}: {kept}")


def _bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def _try(folder: Path, wheel: Path, command: Sequence[str | Path], *places: str) -> None:
    """Installs the wheel into an empty place, and follows the README from an empty folder, with nothing else on PATH."""
    _say(f"Installing with {Path(command[0]).name}, and following the README")
    programs, visited = folder / "programs", folder / "visited"
    visited.mkdir(parents=True)
    home = {"HOME": str(folder), places[0]: str(folder / "packages"), places[1]: str(programs)}
    _run(*command, cwd=visited, **home)
    environment = {**os.environ, **home, "PATH": f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin"}
    environment = {
        name: value for name, value in environment.items() if not name.startswith(("ROLLBOOK_", "PYTHON", "VIRTUAL"))
    }
    said = _output(programs / "rollbook", "--version")
    commit = _output("git", "describe", "--always", "--abbrev=12", "--exclude=*")
    if not said.startswith(f"rollbook {wheel.name.split('-')[1]} ({commit}), "):
        raise SetupFailed(f"What is installed calls itself {said}.")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with open(folder / "log", "w") as log:
        serve = [programs / "rollbook", "serve", "--port", port]
        server = subprocess.Popen(serve, cwd=visited, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _wait_until_ready(programs / "rollbook", environment, visited, folder / "log", server)
            script = "\n".join(["set -euo pipefail", *quickstart()]).replace("8000", port)
            done = subprocess.run(
                ["bash", "-c", script], cwd=visited, env=environment, text=True, capture_output=True, check=False
            )
        finally:
            server.send_signal(signal.SIGTERM)
        if server.wait(30) or done.returncode:
            raise SetupFailed(f"{script}\n{done.stdout}{done.stderr}{(folder / 'log').read_text()}")


def _wait_until_ready(
    program: Path, environment: Mapping[str, str], folder: Path, log: Path, server: subprocess.Popen[bytes]
) -> None:
    deadline = time.monotonic() + 60
    while subprocess.run([program, "health"], cwd=folder, env=environment, capture_output=True, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise SetupFailed(f"The installed server does not start: {log.read_text()}")
        time.sleep(0.2)


def quickstart() -> list[str]:
    """Commands of the README's start, but for those that need its clone."""
    start = (ROOT / "README.md").read_text().partition("## Start\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```console\n(.*?)```", start, re.DOTALL)
    return [block for block in blocks if not block.startswith("make ")]


def _sign(sums: Path, signer: str) -> None:
    """With a key of SSH, which is a file, or else by GnuPG with the key of this name. Checks what came of it."""
    if Path(signer).exists():
        _run("ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", signer, sums)
        with open(sums, "rb") as file:
            subprocess.run(
                ["ssh-keygen", "-q", "-Y", "check-novalidate", "-n", "file", "-s", f"{sums}.sig"],
                stdin=file,
                check=True,
            )
    else:
        _run("gpg", "--batch", "--yes", "--local-user", signer, "--armor", "--detach-sign", sums)
        _run("gpg", "--batch", "--verify", f"{sums}.asc", sums)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _run(*command: str | Path, cwd: Path | None = None, **environment: str) -> None:
    """Raises SetupFailed with all that a command says, if it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SetupFailed(f"{done.stdout}This command failed: {' '.join(map(str, command))}")


def _output(*command: str | Path) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
