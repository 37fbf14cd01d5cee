"""Clients generated from openapi.json, compiled, and ready to run the program beside them that does what an application
does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
NODE = ROOT / "node_modules"
JAVA = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
SECONDS = 600
"""At most, for each command."""


class Client(NamedTuple):
    """A generated client: the command that runs its program, in its folder."""

    folder: Path
    command: list[str | Path]

    def run(self, **environment: str) -> dict[str, object]:
        """What the program saw."""
        return json.loads(run(self.command, self.folder, **environment))


def run(command: list[str | Path], folder: Path, **environment: str) -> str:
    """What the command prints. AssertionError with all it said, if it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


def jar() -> Path:
    """openapi-generator, from its package on PyPI."""
    (found,) = PYTHON.parent.parent.glob("lib/python3*/site-packages/openapi_generator_cli/openapi-generator.jar")
    return found


# Without documentation and tests.
NOTHING_ELSE = dict.fromkeys(("apiDocs", "modelDocs", "apiTests", "modelTests"), "false")
OPENAPI_GENERATOR: dict[str, dict[str, Any]] = {
    "openapi-generator python": {"generatorName": "python"},
    "openapi-generator typescript-fetch": {"generatorName": "typescript-fetch", "outputDir": "client"},
    "openapi-generator java": {
        "generatorName": "java",
        "library": "native",
        "additionalProperties": {"openApiNullable": "false", "useSingleRequestParameter": "true"},
        "parameterNameMappings": {"wait": "waitSeconds"},  # a method of every Java object is called `wait`
    },
    "openapi-generator go": {"generatorName": "go"},
    "openapi-generator php": {"generatorName": "php"},
    "openapi-generator ruby": {"generatorName": "ruby"},
    "openapi-generator rust": {
        "generatorName": "rust",
        "additionalProperties": {"useSingleRequestParameter": "true"},
    },
    "openapi-generator swift": {"generatorName": "swift6"},
}


def openapi_generator(folder: Path, names: Iterable[str]) -> None:
    """All that openapi-generator writes, by one of it: it takes longer to start than to write a client."""
    settings = []
    for name in names:
        own, place = OPENAPI_GENERATOR[name], place_of(folder, name)
        shared = {"inputSpec": str(ROOT / "openapi.json"), "globalProperties": NOTHING_ELSE}
        file = folder / f"{place.name}.json"
        file.write_text(json.dumps({**own, **shared, "outputDir": str(place / own.get("outputDir", "."))}))
        settings.append(file)
    run([*JAVA, "-jar", jar(), "batch", "--fail-fast", *settings], folder)


def python_of_openapi_generator(folder: Path) -> list[str | Path]:
    return _python(folder, "openapi_generator.py")


def openapi_python_client(folder: Path) -> list[str | Path]:
    run(
        [
            PYTHON.with_name("openapi-python-client"),
            "generate",
            "--path",
            ROOT / "openapi.json",
            "--meta",
            "none",
            "--output-path",
            folder / "rollbook_client",
        ],
        folder,
    )
    return _python(folder, "openapi_python_client.py")


def _python(folder: Path, program: str) -> list[str | Path]:
    shutil.copy(PROGRAMS / program, folder / "program.py")
    run([PYTHON, "-W", "error", "-m", "compileall", "-q", "."], folder)
    return [PYTHON, "program.py"]


def hey_api(folder: Path) -> list[str | Path]:
    run(
        [
            NODE / ".bin" / "openapi-ts",
            "-i",
            ROOT / "openapi.json",
            "-o",
            folder / "client",
            "-c",
            "@hey-api/client-fetch",
        ],
        ROOT,
    )
    return _typescript(folder, "hey_api.ts")


def openapi_fetch(folder: Path) -> list[str | Path]:
    run([NODE / ".bin" / "openapi-typescript", ROOT / "openapi.json", "-o", folder / "client" / "schema.d.ts"], ROOT)
    return _typescript(folder, "openapi_fetch.ts")


def typescript_fetch(folder: Path) -> list[str | Path]:
    return _typescript(folder, "typescript_fetch.ts")


def _typescript(folder: Path, program: str) -> list[str | Path]:
    shutil.copy(PROGRAMS / program, folder / "client" / "program.ts")
    return ["node", folder.parent / "out" / folder.name / "client" / "program.js"]


def compile_typescript(folder: Path) -> None:
    """All clients in TypeScript at once, which read the same declarations: as strictly as it can. The folder's modules
    are the checkout's."""
    (folder / "node_modules").symlink_to(NODE)
    (folder / "package.json").write_text('{"type": "commonjs"}')
    options = [
        "--strict",
        "--skipLibCheck",
        "--target",
        "es2022",
        "--module",
        "commonjs",
        "--moduleResolution",
        "node10",
        "--types",
        "node",
    ]
    programs = sorted(folder.glob("*/client/program.ts"))
    run([NODE / ".bin" / "tsc", *options, "--rootDir", ".", "--outDir", "out", *programs], folder)


def java_of_openapi_generator(folder: Path) -> list[str | Path]:
    """Compiled by the compiler inside Debian's Java runtime, against the Jackson inside the generator's jar."""
    source = folder / "src" / "main" / "java"
    shutil.copy(PROGRAMS / "Program.java", source)
    (source / "javax" / "annotation").mkdir(parents=True)
    shutil.copy(PROGRAMS / "Generated.java", source / "javax" / "annotation")
    compiler = [
        *JAVA,
        "-m",
        "jdk.compiler/com.sun.tools.javac.Main",
        "-nowarn",
        "-proc:none",
        "-cp",
        jar(),
        "-d",
        "out",
    ]
    run([*compiler, *sorted(source.rglob("*.java"))], folder)
    return [*JAVA, "-cp", f"out:{jar()}", "Program"]


def go_of_openapi_generator(folder: Path) -> list[str | Path]:
    """Needs no other package than Go's own: nothing is downloaded."""
    (folder / "program").mkdir()
    shutil.copy(PROGRAMS / "openapi_generator.go", folder / "program" / "main.go")
    run(["go", "build", "-o", "out", "./program"], folder, GOPROXY="off", GOTOOLCHAIN="local", CGO_ENABLED="0")
    return [folder / "out"]


CLIENTS: dict[str, Callable[[Path], list[str | Path]]] = {
    "openapi-generator python": python_of_openapi_generator,
    "openapi-generator typescript-fetch": typescript_fetch,
    "openapi-python-client": openapi_python_client,
    "hey-api": hey_api,
    "openapi-typescript and openapi-fetch": openapi_fetch,
    "openapi-generator java": java_of_openapi_generator,
    "openapi-generator go": go_of_openapi_generator,
}
"""Those of `make soak`."""


def php_of_openapi_generator(folder: Path) -> list[str | Path]:
    """Runs on Debian's Guzzle."""
    shutil.copy(PROGRAMS / "openapi_generator.php", folder / "program.php")
    return ["php", "-d", "error_reporting=-1", "-d", "display_errors=stderr", "program.php"]


def ruby_of_openapi_generator(folder: Path) -> list[str | Path]:
    """Runs on Debian's Typhoeus."""
    shutil.copy(PROGRAMS / "openapi_generator.rb", folder / "program.rb")
    return ["ruby", "-I", "lib", "program.rb"]


CARGO = """
[net]
offline = true
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "/usr/share/cargo/registry"
"""


def rust_of_openapi_generator(folder: Path) -> list[str | Path]:
    """Compiled with the crates that Debian has, so that nothing is downloaded. Its reqwest is a version older than the
    one that the generator names: two of its features were always there, those for TLS have other names. Parameters have
    defaults, so that the program names those that it sends, and new ones move nothing."""
    manifest = (folder / "Cargo.toml").read_text().replace('"^0.13"', '"^0.12"').replace(', "query", "form"', "")
    manifest = manifest.partition("[features]")[0]
    tokio = 'tokio = { version = "^1", features = ["fs", "rt", "macros"] }'
    (folder / "Cargo.toml").write_text(re.sub("^tokio = .*$", tokio, manifest, flags=re.M))
    (folder / ".cargo").mkdir()
    (folder / ".cargo" / "config.toml").write_text(CARGO)
    (folder / "src" / "bin").mkdir()
    shutil.copy(PROGRAMS / "openapi_generator.rs", folder / "src" / "bin" / "program.rs")
    for api in (folder / "src" / "apis").glob("*_api.rs"):
        text = api.read_text()
        api.write_text(
            text.replace("#[derive(Clone, Debug)]\npub struct", "#[derive(Clone, Debug, Default)]\npub struct")
        )
    run(["cargo", "build", "--quiet"], folder, CARGO_HOME=str(folder / "cargo"), RUSTFLAGS="-Awarnings")
    return [folder / "target" / "debug" / "program"]


def swift_of_openapi_generator(folder: Path) -> list[str | Path]:
    place = folder / "Sources" / "Program"
    place.mkdir()
    shutil.copy(PROGRAMS / "openapi_generator.swift", place / "main.swift")
    target = '.executableTarget(name: "Program", dependencies: ["OpenAPIClient"]),'
    manifest = folder / "Package.swift"
    manifest.write_text(manifest.read_text().replace("        .target(", f"{target}\n        .target("))
    run(["swift", "build", "--quiet", "--disable-sandbox"], folder)
    return [folder / ".build" / "debug" / "Program"]


MORE: dict[str, Callable[[Path], list[str | Path]]] = {
    "openapi-generator php": php_of_openapi_generator,
    "openapi-generator ruby": ruby_of_openapi_generator,
    "openapi-generator rust": rust_of_openapi_generator,
    "openapi-generator swift": swift_of_openapi_generator,
}
"""Those that only `make clients` runs: they need compilers of gigabytes."""


TYPESCRIPT = (typescript_fetch, hey_api, openapi_fetch)


def place_of(folder: Path, name: str) -> Path:
    return folder / name.replace(" ", "-")


def generate(folder: Path, clients: dict[str, Callable[[Path], list[str | Path]]]) -> dict[str, Client | Exception]:
    """All of them, two at a time; for those that can't be generated or compiled, why."""
    for name in clients:
        place_of(folder, name).mkdir(parents=True)
    together = [name for name in clients if name in OPENAPI_GENERATOR]

    def one(name: str) -> Client | Exception:
        try:
            if name in together:
                written.result()
            return Client(place_of(folder, name), clients[name](place_of(folder, name)))
        except Exception as problem:
            return problem

    with ThreadPoolExecutor(2) as pool:
        written = pool.submit(openapi_generator, folder, together)
        # Those that need not wait for it come first. None waits for one that comes later.
        made = {name: pool.submit(one, name) for name in sorted(clients, key=lambda name: name in together)}
        in_typescript = [name for name, make in clients.items() if make in TYPESCRIPT]
        compiled = pool.submit(lambda: [made[name].result() for name in in_typescript] and compile_typescript(folder))
    found = {name: made[name].result() for name in clients}
    try:
        compiled.result()
    except Exception as problem:
        found |= dict.fromkeys(in_typescript, problem)
    return found
