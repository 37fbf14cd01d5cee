"""Measures the house: `python tools/house.py [--cases] [COMMITS]` prints its size, its rooms and the arrows between them,
what the server imports, and how many files and rooms the last commits touch (300, unless it is told). `--cases` collects
the tests, too. tests/test_architecture.py holds the budget of ARCHITECTURE.md over the lines."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import mean, median

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "src/rollbook"
SOURCE = ROOT / PACKAGE
TOP = "(top)"
"""Modules that are no room of several files."""
NO_CONTRACT = "(?!bulk|call|event_stream|files|idempotency|local|openapi|paging|parsing|plan|route|router)"
CONTRACT = re.compile(rf"{PACKAGE}/(actions/arguments(/\w+)?|api/{NO_CONTRACT}\w+|records/examples)\.py").fullmatch
"""Files that describe the API: what arrives, what goes out and the rows, by kind until they were turned by noun."""
BUILDS = 10
"""Lines by which a commit that builds something lengthens them."""


def files() -> list[Path]:
    """The Python files of the server, without the Python SDK that it has a link to."""
    return [path for path in sorted(SOURCE.rglob("*.py")) if "_client" not in path.relative_to(SOURCE).parts]


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements below, without the expressions in them: a fifteenth of what `ast.walk` finds."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.stmt | ast.excepthandler | ast.match_case):
            yield each
            yield from statements(each)


def code_lines(path: Path) -> int:
    """Lines of a file that are neither blank nor a comment, a docstring or the text under a field."""
    text = path.read_text(encoding="utf-8")
    texts: set[int] = set()
    for statement in statements(ast.parse(text)):
        if (
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
            and isinstance(statement.value.value, str)
        ):
            texts.update(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))
    return sum(
        1
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.strip().startswith("#") and number not in texts
    )


def room_of(parts: tuple[str, ...]) -> str:
    """The room of a file, by the parts of its path within the package."""
    return parts[0] if len(parts) > 1 else TOP


def rooms() -> Counter[str]:
    """Code lines by room."""
    lines: Counter[str] = Counter()
    for path in files():
        lines[room_of(path.relative_to(SOURCE).parts)] += code_lines(path)
    return lines


def arrows() -> Counter[tuple[str, str]]:
    """Imports between rooms; a module at the top is a room here."""
    found: Counter[tuple[str, str]] = Counter()
    for path in files():
        own = path.relative_to(SOURCE).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rollbook":
                inside = (node.module or "").split(".")[1:]
                for other in [inside[0]] if inside else [alias.name for alias in node.names]:
                    if other not in (own, "__version__"):
                        found[own, other] += 1
    return found


def start() -> tuple[int, int, float]:
    """Modules of this package, and all modules, that are there when the port opens, and the fewest seconds of a
    processor that importing them took in five processes."""
    code = (
        "import sys, time; from_then = time.process_time(); import rollbook.app; took = time.process_time() - from_then; "
        "print(sum(name.split('.')[0] == 'rollbook' for name in sys.modules), len(sys.modules), took)"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
        ).stdout.split()
        for _ in range(5)
    ]
    return int(runs[0][0]), int(runs[0][1]), min(float(run[2]) for run in runs)


def commits(number: int) -> Iterator[list[tuple[int, str]]]:
    """The files of each of the last commits, with how many lines longer they are."""
    log = subprocess.run(
        ["git", "log", f"-{number}", "--no-merges", "--no-renames", "--numstat", "--format=%x00"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    ).stdout
    for commit in log.split("\0")[1:]:
        lines = [line.split("\t") for line in commit.strip().splitlines()]
        yield [(int(added) - int(removed), name) for added, removed, name in lines if added != "-"]


def python_of(commit: Iterable[tuple[int, str]]) -> list[Path]:
    """The server's Python files that a commit touches, within the package."""
    return [Path(name).relative_to(PACKAGE) for _, name in commit if re.fullmatch(rf"{PACKAGE}/.*\.py", name)]


def say_size() -> None:
    lines, sql = rooms(), list(SOURCE.rglob("*.sql"))
    print(f"{sum(lines.values()):,} code lines in {len(files())} files")
    print(f"{sum(len(path.read_text().splitlines()) for path in sql):,} lines of SQL in {len(sql)} files")
    for room, count in lines.most_common():
        print(f"{count:7,}  {room}")
    between = arrows()
    both = sum((there, here) in between for here, there in between) // 2
    print(f"{len(between)} arrows between rooms, {both} of them both ways, from {between.total():,} imports")


def say_start() -> None:
    own, all, seconds = start()
    print(f"{own} modules of ours and {all - own} others at start, in {seconds:.2f} s of a processor")


def say_commits(number: int) -> None:
    every = list(commits(number))
    touching = [touched for commit in every if (touched := python_of(commit))]
    counts = [len({room_of(path.parts) for path in touched}) for touched in touching]
    print(f"{len(every)} commits touch {mean(map(len, every)):.1f} files each;")
    print(f"{len(touching)} of them Python of {PACKAGE}: {mean(map(len, touching)):.1f} files and", end=" ")
    print(f"{mean(counts):.1f} rooms (median {median(counts):g}) each")
    contracts = [[(more, name) for more, name in commit if CONTRACT(name)] for commit in every]
    built = [len(contract) for contract in contracts if sum(more for more, _ in contract) >= BUILDS]
    print(f"{len(built)} of them build something: {mean(built or [0]):.1f} contract files each")


def say_tests(collects: bool) -> None:
    paths = list((ROOT / "tests").rglob("*.py"))
    texts = [path.read_text(encoding="utf-8") for path in paths]
    functions = sum(len(re.findall(r"^(?:async )?def test_", text, re.MULTILINE)) for text in texts)
    print(
        f"{sum(len(text.splitlines()) for text in texts):,} lines of tests in {len(paths)} files, {functions:,} functions"
    )
    if collects:
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests"]
        said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip().splitlines()
        print(said[-1] if said else "The tests can't be collected.")


def main(words: list[str]) -> None:
    say_size()
    say_start()
    say_commits(next((int(word) for word in words if word.isdecimal()), 300))
    say_tests("--cases" in words)


if __name__ == "__main__":
    main(sys.argv[1:])
