"""Measures the house: code lines by room, files, and modules that the server imports. `python tools/house.py` prints them;
tests/test_architecture.py holds the budget of ARCHITECTURE.md over them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "rollbook"
TOP = "(top)"
"""Modules that are no room of several files."""


def files() -> list[Path]:
    """The Python files of the server, without the Python SDK that it has a link to."""
    return [path for path in sorted(SOURCE.rglob("*.py")) if "_client" not in path.relative_to(SOURCE).parts]


def code_lines(path: Path) -> int:
    """Lines of a file that are neither blank nor a comment, a docstring or the text under a field."""
    text = path.read_text(encoding="utf-8")
    texts: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
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


def rooms() -> Counter[str]:
    """Code lines by room."""
    lines: Counter[str] = Counter()
    for path in files():
        inside = path.relative_to(SOURCE)
        lines[inside.parts[0] if len(inside.parts) > 1 else TOP] += code_lines(path)
    return lines


def imported_by_the_server() -> int:
    """Modules of this package that are there when the port opens."""
    code = "import sys, rollbook.app; print(sum(name.split('.')[0] == 'rollbook' for name in sys.modules))"
    return int(
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    )


def main() -> None:
    lines = rooms()
    sql = list(SOURCE.rglob("*.sql"))
    print(f"{sum(lines.values()):,} code lines in {len(files())} files; {imported_by_the_server()} modules at start")
    print(f"{sum(len(path.read_text().splitlines()) for path in sql):,} lines of SQL in {len(sql)} files")
    for room, count in lines.most_common():
        print(f"{count:7,}  {room}")


if __name__ == "__main__":
    main()
