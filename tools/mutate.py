"""Breaks rules one at a time and asks the tests: `python tools/mutate.py --seed 1 --count 40`, in a checkout of its own.

Places are chosen by the seed over `actions/`, `limits/` and `gate.py`: a condition is negated, a comparison moved by one,
a refusal left out. One run of the tests tells which files reach each place, unless `--by-name` saves it; those that tell
most of its words, then the quickest, run against the mutant until a test fails. What survives is a promise that no test
holds, or code that makes no difference. Standard library only.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "rollbook"
RULES = ("actions", "limits", "gate.py")
MOVED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
REACHED = """(lambda os: "MUTATE_FOLDER" in os.environ and os.close(os.open(f"{os.environ['MUTATE_FOLDER']}/NAME:" + os.environ.get(
    "PYTEST_CURRENT_TEST", "").partition("::")[0].replace("/", ":"), os.O_CREAT | os.O_WRONLY)))(__import__("os"))"""


class Place(NamedTuple):
    """What can be broken: the number-th node of a file, in the order of `ast.walk`."""

    path: Path
    number: int

    @property
    def node(self) -> ast.AST:
        return list(ast.walk(ast.parse(self.path.read_text())))[self.number]

    def __str__(self) -> str:
        node = self.node
        text = ast.unparse(node.test if isinstance(node, ast.If) else node)
        return f"{self.path.relative_to(ROOT)}:{node.lineno} {type(node).__name__} {text.splitlines()[0][:90]}"  # type: ignore[attr-defined]


def places() -> Iterator[Place]:
    for name in RULES:
        for path in [SOURCE / name] if name.endswith(".py") else sorted((SOURCE / name).rglob("*.py")):
            for number, node in enumerate(ast.walk(ast.parse(path.read_text()))):
                is_moved = isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in MOVED
                if is_moved or isinstance(node, ast.If) or (isinstance(node, ast.Raise) and node.exc):
                    yield Place(path, number)


class Changed(ast.NodeTransformer):
    """The file with these of its nodes broken, or noted when they are reached."""

    def __init__(self, tree: ast.Module, marks: dict[int, str]) -> None:
        self._marks = {id(node): marks[number] for number, node in enumerate(ast.walk(tree)) if number in marks}

    def visit(self, node: ast.AST) -> ast.AST:
        mark = self._marks.get(id(node))
        node = self.generic_visit(node)
        if mark is None:
            return node
        noted = ast.parse(REACHED.replace("NAME", mark), mode="eval").body
        if isinstance(node, ast.Raise):
            return ast.If(noted, [node], [node]) if mark else ast.Pass()
        if isinstance(node, ast.If):
            node.test = _first(noted, node.test) if mark else ast.UnaryOp(ast.Not(), node.test)
        elif mark:
            return _first(noted, node)
        elif isinstance(node, ast.Compare):
            node.ops = [MOVED[type(node.ops[0])]()]
        return node


def _first(noted: ast.expr, then: ast.AST) -> ast.expr:
    return ast.Subscript(ast.Tuple([noted, then], ast.Load()), ast.Constant(1), ast.Load())  # type: ignore[list-item]


def run(marks: dict[Place, str], files: list[str], *options: str, **environment: str) -> int:
    """pytest's exit code over these files, with the source changed meanwhile."""
    before = {place.path: place.path.read_text() for place in marks}
    try:
        for path, text in before.items():
            tree = ast.parse(text)
            inside = {place.number: mark for place, mark in marks.items() if place.path == path}
            path.write_text(ast.unparse(ast.fix_missing_locations(Changed(tree, inside).visit(tree))))
        words = "-m pytest -q --no-header -p no:cacheprovider --timeout 100".split()
        command = [sys.executable, *words, *options, *files]
        return subprocess.run(
            command, cwd=ROOT, env=os.environ | environment, check=False, stdout=subprocess.DEVNULL
        ).returncode
    finally:
        for path, text in before.items():
            path.write_text(text)


def nearest(place: Place, files: set[str], seconds: dict[str, float]) -> list[str]:
    """Those that tell most of the words around the place first, then the quickest."""
    lines = place.path.read_text().splitlines()
    line = place.node.lineno  # type: ignore[attr-defined]
    text = " ".join([str(place.path.relative_to(SOURCE)), *lines[max(0, line - 6) : line + 4]])
    words = {word.lower().removesuffix("s") for word in re.findall(r"[A-Za-z]{4,}", text)}
    told = {file: (ROOT / file).read_text().lower() for file in files}
    rarity = {word: 1 / (1 + sum(word in each for each in told.values())) for word in words}
    of_path = {word for word in words if word in str(place.path.relative_to(SOURCE))}

    def score(file: str) -> float:
        return sum(rarity[word] for word in words if word in told[file]) + sum(word in file for word in of_path)

    return sorted(files, key=lambda file: (-score(file), seconds.get(file, 60)))


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--count", type=int, default=40)
    options.add_argument("--by-name", action="store_true")
    options.add_argument("--files", type=int, default=8, help="at most so many for each mutant")
    options.add_argument(
        "tests", nargs="*", default=["tests/contract", "tests/rules", "tests/limits", "tests/security"]
    )
    given = options.parse_args()
    chosen = random.Random(given.seed).sample(list(places()), given.count)
    record = ROOT / "benchmarks" / "suite.json"
    seconds: dict[str, float] = json.loads(record.read_text())["waits"] if record.exists() else {}
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        names = {place: f"{number}" for number, place in enumerate(chosen)}
        if not given.by_name:
            run(names, given.tests, "-n", "4", MUTATE_FOLDER=folder)
        everything = {str(each.relative_to(ROOT)) for name in given.tests for each in (ROOT / name).rglob("test_*.py")}
        for place, name in names.items():
            reaching = {each.name.partition(":")[2].replace(":", "/") for each in Path(folder).glob(f"{name}:*.py")}
            tried = nearest(place, reaching or (everything if given.by_name else set()), seconds)[: given.files]
            is_caught = bool(tried) and run({place: ""}, tried, "-x", "-n", "3") != 0
            survived += not is_caught
            print("caught  " if is_caught else "SURVIVED", place, *tried[:2], flush=True)
    print(f"{len(chosen) - survived} of {len(chosen)} caught")
    return 0


if __name__ == "__main__":
    sys.exit(main())
