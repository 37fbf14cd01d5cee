"""The tasks, one function each. Run them with `make NAME` or `python3 tools/setup.py NAME`. Standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import needs
import release as releasing
from environment import APART, DEV, INSTALLER, RUNTIME, Stage, find_uv, prepare, prepare_node, prepare_packages, provide
from programs import (
    BROWSER,
    CLUSTER,
    FONT,
    NODE,
    ROOT,
    SHIPPED,
    SHIPPED_PYTHON,
    Need,
    SetupFailed,
    find_pythons,
    missing,
    npm,
)

Arguments = Sequence[str]

MADE = (
    ".venv .venv-3.11 .venv-3.12 .venv-3.13 .venv-3.14 .venv-bench .venv-clients .venv-connect .venv-deploy .venv-migrate .venv-programs .venv-release node_modules dist .pytest_cache "
    ".ruff_cache .hypothesis benchmarks/work screenshots sdk/typescript/dist sdk/typescript/tests/dist "
    "integrations/n8n/dist integrations/n8n/node_modules integrations/zapier/node_modules "
    "integrations/hosts/n8n/node_modules integrations/hosts/node-red/node_modules "
    "integrations/hosts/collections/node_modules integrations/hosts/openid/node_modules".split()
)


def setup(arguments: Arguments) -> int:
    """Create .venv with everything needed to serve, test and lint; ARGS=--apart: .venv-3.13, for this Python alone."""
    python = prepare(APART if "--apart" in arguments else DEV)
    print(f"Ready: {python.parent.relative_to(ROOT)}/rollbook")
    return 0


def serve(arguments: Arguments) -> NoReturn:
    """Start the server; pass flags in ARGS, such as ARGS="--port 9000"."""
    become([str(prepare(RUNTIME).parent / "rollbook"), "serve", *arguments])


IN_MEMORY = Path("/dev/shm")
ENOUGH_MEMORY = 4 << 30


def test(arguments: Arguments) -> NoReturn:
    """Run the tests in parallel; arguments for pytest in ARGS, such as ARGS="-k limits"; ARGS=--record notes what they
    cost."""
    left_out = [] if needs.named(arguments) else [f"--ignore=tests/{each}" for each in (*needs.SOAK, *needs.ELSEWHERE)]
    python = prepare_tests(needs.of_test(), arguments, left_out)
    _keep_in_memory()
    if list(arguments) == ["--record"]:
        become([str(python), "tools/suite.py", *_pytest(python), *left_out])
    become([*_pytest(python), *left_out, *arguments])


def _keep_in_memory() -> None:
    """What is written for a minute needs no disk, which most of SQLite's work would wait for; and to copy a database of
    PostgreSQL computes ten times as long there. `make soak` keeps it."""
    if IN_MEMORY.exists() and shutil.disk_usage(IN_MEMORY).free > ENOUGH_MEMORY:
        os.environ.setdefault("TMPDIR", str(IN_MEMORY))


def compat(arguments: Arguments) -> int:
    """Run the tests that another Python can fail on each other one of this machine, and on that of deploy/Dockerfile."""
    provide(SHIPPED_PYTHON)
    prepare_tests(needs.of_compat(), arguments)
    pythons = find_pythons() | {SHIPPED: str(SHIPPED_PYTHON.find())}
    return max(_compat_on(version, pythons[version], arguments) for version in sorted(pythons))


def _compat_on(version: str, python: str, arguments: Arguments) -> int:
    print(f"Python {version}", flush=True)
    made = subprocess.run([python, "tools/setup.py", "setup", "--apart"], check=False)
    if made.returncode != 0:
        return made.returncode
    _keep_in_memory()
    files = needs.of_compat(is_brief=_numbers(version) < _numbers(SHIPPED))
    places = [] if needs.named(arguments) else [str(place.relative_to(ROOT)) for place in files]
    command = [*_pytest(ROOT / f".venv-{version}" / "bin" / "python"), *places, *arguments]
    # What a library does that the next version won't allow fails the tests of servers and commands, too.
    strict = {"PYTHONWARNINGS": ",".join(f"error::{name}" for name in needs.WARNINGS)}
    return subprocess.run(
        command, check=False, env={"ROLLBOOK_TEST_ENGINES": "sqlite", **os.environ, **strict}
    ).returncode


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def soak(arguments: Arguments) -> NoReturn:
    """Run the tests that are slow and rarely break: servers that are killed, clusters, deploy/, the dark theme;
    ARGS=--record notes how long its files take."""
    os.environ["ROLLBOOK_SOAK"] = "1"
    os.environ.setdefault("ROLLBOOK_ROUNDS", "6")
    python = prepare_tests(needs.of_soak(), arguments)
    places = [] if needs.named(arguments) else [str(place.relative_to(ROOT)) for place in needs.of_soak()]
    record = [str(python), "tools/suite.py"] if list(arguments) == ["--record"] else []
    # Fewer than elsewhere: its tests share a disk, and look how soon a server is back.
    become([*record, *_pytest(python, 2.5), "--timeout", "900", *places, *([] if record else arguments)])


def cluster(arguments: Arguments) -> NoReturn:
    """Start the cluster of docs/scaling.md in network namespaces of this machine, as root; ARGS=chaos breaks it for 20
    minutes, ARGS=stop removes what is left."""
    provide(*CLUSTER)
    become([str(prepare(DEV)), "-m", "tests.cluster", *arguments])


def integrations(arguments: Arguments) -> NoReturn:
    """Run integrations/ in the real n8n, Node-RED and Zapier runner, and sign in to real applications: 5 GB of packages."""
    files = [ROOT / "tests" / "integrations"]
    python = prepare_tests(files, arguments)
    prepare_packages([ROOT / "integrations" / each for each in needs.packages_of(needs.named(arguments) or files)])
    places = [] if needs.named(arguments) else ["tests/integrations"]
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # these programs have thousands of files
    become([str(python), "-m", "pytest", "-n", "2", "--timeout", "900", *places, *arguments])


def clients(arguments: Arguments) -> NoReturn:
    """Generate, compile and run clients in eight languages, and import the description into Postman and Bruno: 3 GB of
    compilers."""
    python = prepare_tests([ROOT / "tests" / "clients"], arguments)
    prepare_node(ROOT / "integrations" / needs.COLLECTIONS)
    places = [] if needs.named(arguments) else ["tests/clients"]
    become([str(python), "-m", "pytest", "-n", "2", "--timeout", "900", *places, *arguments])


def prepare_tests(files: Sequence[Path], arguments: Arguments, left_out: Arguments = ()) -> Path:
    """Have all that these files need, or those that the arguments name; the Python that runs them.

    Raises SetupFailed: something is missing, so that none of them can begin.
    """
    places: Sequence[Path] = needs.named(arguments) or files
    if missing(_programs(places)) and any(each.startswith(needs.CHOOSING) for each in arguments):
        places = needs.chosen(prepare(DEV), [*left_out, *arguments]) or places
    provide(INSTALLER, *_programs(places))
    python = prepare(DEV)
    wanted = needs.of(places)
    if NODE in wanted:
        prepare_node()
    for stage in wanted:
        if isinstance(stage, Stage):
            prepare(stage)
    return python


def _pytest(python: Path, per_core: float = 3.5) -> list[str]:
    # Keep bytecode, whatever the shell says: otherwise every process compiles all of it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # A file runs in one process, since its tests share a server. More processes than cores: tests wait as much as they
    # compute. Five on two cores left a quarter of the cores unused.
    processes = str(min(10, int(per_core * (os.cpu_count() or 1))))
    return [str(python), "-m", "pytest", "-n", processes]


def _programs(places: Sequence[Path]) -> list[Need]:
    return [each for each in needs.of(places) if isinstance(each, Need)]


def screenshots(arguments: Arguments) -> NoReturn:
    """Take pictures of every page in both themes and three widths, in screenshots/index.html."""
    provide(BROWSER, FONT)
    python = prepare(DEV)
    become([str(python), "tools/screenshots.py", *arguments])


def lint(arguments: Arguments) -> int:
    """Check style, types and the API description."""
    provide(INSTALLER, NODE)
    programs, node = prepare(DEV).parent, prepare_node()
    description = "openapi.json"
    checks: list[list[str | Path]] = [
        [programs / "ruff", "check", "--quiet"],
        [programs / "ruff", "format", "--check", "--quiet"],
        [programs / "pyrefly", "check", "--summary=none"],
        [programs / "actionlint", ".github/workflows/tests.yml"],
        [programs / "rollbook", "openapi", "--check", description],
        [programs / "python", "tools/sdk_python.py", "--check"],
        [programs / "python", "tools/sdk_typescript.py", "--check"],
        [programs / "python", "tools/sdk_n8n.py", "--check"],
        [node / "spectral", "lint", "--quiet", "--fail-severity=error", description],
        [node / "redocly", "lint", description],
    ]
    # Run all of them even after a failure, so that one run shows everything there is to fix.
    outcomes = [passes(command) for command in checks]
    return 0 if all(outcomes) else 1


def bench(arguments: Arguments) -> NoReturn:
    """Compare with other servers and write benchmarks/RESULTS.md; ARGS="--postgresql" uses PostgreSQL."""
    script = "benchmarks/postgresql.py" if "--postgresql" in arguments else "benchmarks/run.py"
    become([str(prepare(DEV)), script, *(each for each in arguments if each != "--postgresql")])


def openapi(arguments: Arguments) -> int:
    """Generate openapi.json from the routes."""
    described = subprocess.run([str(prepare(DEV).parent / "rollbook"), "openapi"], check=False, stdout=subprocess.PIPE)
    if described.returncode == 0:
        (ROOT / "openapi.json").write_bytes(described.stdout)
    return described.returncode


def sdk(arguments: Arguments) -> int:
    """Generate parts of sdk/ and integrations/ from openapi.json."""
    python = str(prepare(DEV))
    prepare_node()
    return max(
        subprocess.run([python, f"tools/sdk_{each}.py", *arguments], check=False).returncode
        for each in ("python", "typescript", "n8n")
    )


def docs(arguments: Arguments) -> NoReturn:
    """Generate parts of docs/ from the code."""
    become([str(prepare(DEV)), "tools/docs.py", *arguments])


def fuzz(arguments: Arguments) -> NoReturn:
    """Send 10,000 generated requests, valid and invalid, to a server."""
    become([str(prepare(DEV)), "tests/fuzz.py", "--cases", "10000", *arguments])


def lock(arguments: Arguments) -> int:
    """Update the lock files to the newest allowed versions."""
    prepare(DEV)
    provide(NODE)
    uv = find_uv()
    if not uv:
        raise SetupFailed("Locking needs uv, which has no build for this platform.")
    options = [
        "--universal",
        "--python-version=3.11",
        "--generate-hashes",
        "--no-emit-index-url",
        "--custom-compile-command=make lock",
    ]
    # The largest set comes first and constrains the others, which are installed into the same environment.
    alone = ["--no-deps"]  # of these, only the program inside is wanted
    # The MCP SDK names it for its server. Its folder `multipart` hides the library of that name from the type checker.
    apart = ["--no-emit-package=python-multipart"]
    # What pgAdmin would compile: Kerberos, which it does without, and its driver, which is there without a compiler.
    interpreted = ["--no-emit-package=gssapi", "--no-emit-package=psycopg-c"]
    for name, parts in {
        "dev": ["pyproject.toml", "--extra=otel", "--group=dev", "--group=build", *apart],
        "runtime": ["pyproject.toml", "--constraints=requirements/dev.txt"],
        "otel": ["pyproject.toml", "--extra=otel", "--constraints=requirements/dev.txt"],
        "build": ["--group=build", "--constraints=requirements/dev.txt"],
        "uv": ["--group=uv"],
        "clients": ["--group=clients"],
        "deploy": ["--group=deploy"],
        "release": ["--group=release"],
        "bench": ["--group=bench"],
        "connect": ["--group=connect", *interpreted],
        "migrate": ["--group=migrate", "--constraints=requirements/bench.txt"],
        "postgresql": ["--group=postgresql", *alone],
        "valkey": ["--group=valkey", *alone],
        "node": ["--group=node", *alone],
    }.items():
        command = [
            uv,
            "pip",
            "compile",
            "--quiet",
            "--upgrade",
            *options,
            *parts,
            f"--output-file=requirements/{name}.txt",
        ]
        if subprocess.run(command, check=False).returncode != 0:
            return 1
    return subprocess.run(
        [*npm(), "install", "--package-lock-only", "--ignore-scripts", "--no-audit"], check=False
    ).returncode


def release(arguments: Arguments) -> int:
    """Build what is released into dist/, twice, compare, install and try it; ARGS="--sign KEY" signs the checksums."""
    return releasing.release(arguments)


def clean(arguments: Arguments) -> int:
    """Remove everything the tasks created, except the data folder."""
    for name in MADE:
        shutil.rmtree(ROOT / name, ignore_errors=True)
    return 0


TASKS: dict[str, Callable[[Arguments], int]] = {
    task.__name__: task
    for task in (
        setup,
        serve,
        test,
        compat,
        soak,
        cluster,
        integrations,
        clients,
        lint,
        bench,
        openapi,
        sdk,
        docs,
        fuzz,
        screenshots,
        lock,
        release,
        clean,
    )
}


def main(arguments: Arguments) -> int:
    """Run the task named by the first argument, or list all tasks. Returns the exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        for name, task in TASKS.items():
            print(f"  make {name:11} {task.__doc__}")
        return 0
    name, *rest = arguments
    if name not in TASKS:
        print(f"Unknown task {name!r}. Tasks: {', '.join(TASKS)}.", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    try:
        return TASKS[name](rest)
    except SetupFailed as failure:
        print(failure, file=sys.stderr)
        return 1


def become(command: Sequence[str]) -> NoReturn:
    """Replace this process, so that signals and the exit code are the command's own."""
    sys.stdout.flush()
    os.execv(command[0], list(command))


def passes(command: Sequence[str | Path]) -> bool:
    """Run one check. Prints its output only if it fails."""
    name = f"{Path(command[0]).name} {command[1]}"
    started = time.monotonic()
    quiet = {
        **os.environ,
        "REDOCLY_TELEMETRY": "off",
        "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
        "NO_UPDATE_NOTIFIER": "1",
    }
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, env=quiet)
    good = done.returncode == 0
    print(f"{'ok    ' if good else 'failed'} {name} ({time.monotonic() - started:.1f} s)", flush=True)
    if not good:
        sys.stdout.buffer.write(done.stdout + done.stderr)
        sys.stdout.flush()
    return good
