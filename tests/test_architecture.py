"""The rooms of ARCHITECTURE.md and the arrows between them, held over what the files really import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rollbook import config
from tools import house

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"

# A room may import from those in lines below its own, never from its own line or one above.
ROOMS = (
    ("cli",),
    ("app", "first_start"),
    ("jobs",),
    ("web",),
    ("mcp", "oauth", "sources", "destinations"),
    ("api", "docs_site", "scim"),
    ("gate", "json_objects"),
    ("actions",),
    ("delivery",),
    ("auth",),
    ("records",),
    ("storage", "limits", "http", "observe"),
    ("languages",),
    ("config",),
    (
        "roles",
        "errors",
        "ids",
        "client_tls",
        "clock",
        "colors",
        "logos",
        "machine",
        "mailing",
        "networks",
        "quota",
        "schemas",
        "trace_context",
        "units",
        "unix",
        "_client",
    ),
)

# Imports that only a type checker follows, and why they may go against the arrows.
TYPES_ONLY = {
    ("rollbook.observe.lines", "rollbook.http.request"): "what is noted is the request; nothing of http runs here",
    ("rollbook.observe.access", "rollbook.http.request"): "a line is made from the request; nothing of http runs here",
    (
        "rollbook.observe.usage_buffer",
        "rollbook.http.request",
    ): "a line is made from the request; nothing of http runs here",
    ("rollbook.observe.spans", "rollbook.http.request"): "a span is made from the request; nothing of http runs here",
}

# Imports inside functions, and why they wait.
INSIDE = {
    **dict.fromkeys(
        [
            ("rollbook.records.connect", f"rollbook.{name}")
            for name in ("storage.postgres", "storage.postgres_connection")
        ],
        "PostgreSQL's driver is a tenth of the start, and not needed on SQLite",
    ),
    (
        "rollbook.auth.server_secret",
        "cryptography.exceptions",
    ): "OpenSSL is 12 ms of the start; most calls seal nothing",
    (
        "rollbook.auth.server_secret",
        "cryptography.hazmat.primitives.ciphers.aead",
    ): "OpenSSL is 12 ms of the start; most calls seal nothing",
    (
        "rollbook.cli.options",
        "rollbook.cli.fields",
    ): "commands without fields of a call don't load the types of all calls",
    ("rollbook.auth.one_time_codes", "pyotp"): "only users with an authenticator app need it",
    **dict.fromkeys(
        [("rollbook.auth.passkeys", f"fido2{part}") for part in ("", ".server", ".webauthn")],
        "a tenth of a second, for those who have a passkey",
    ),
    ("rollbook.web.account.security", "segno"): "only for those who set up an authenticator app",
    ("rollbook.web.account.security", "markupsafe"): "the port opens a tenth of a second earlier without Jinja2",
    ("rollbook.cli.main", "click"): "a server that is started with plain flags needs no command line",
    ("rollbook.web.uploads", "multipart"): "only forms with a file need it",
    **dict.fromkeys(
        [
            ("rollbook.auth.session_tokens", f"cryptography.{part}")
            for part in (
                "exceptions",
                "hazmat.primitives",
                "hazmat.primitives.asymmetric",
                "hazmat.primitives.asymmetric.ed25519",
                "hazmat.primitives.asymmetric.padding",
                "hazmat.primitives.hashes",
                "hazmat.primitives.serialization",
            )
        ],
        "OpenSSL is 12 ms of the start; most servers sign no tokens",
    ),
    ("rollbook.auth.password_hashes", "bcrypt"): "only hashes of other systems need it",
    (
        "rollbook.auth.password_hashes",
        "cryptography.hazmat.primitives.ciphers",
    ): "only hashes of Firebase need it, and OpenSSL is 12 ms of the start",
    ("rollbook.app", "rollbook.observe.spans"): "OpenTelemetry is an extra, and a fifth of a second of the start",
    ("rollbook.cli.events", "rollbook.actions.reverting"): "only the last change is looked for by what can be put back",
    ("rollbook.cli.backends", "rollbook.records.user_search.folding"): "only a name that no group has is compared",
    ("rollbook.cli.targets", "rollbook.cli.folder"): "a command needs one of the two backends, each expensive to load",
    ("rollbook.cli.targets", "rollbook.cli.remote"): "a command needs one of the two backends, each expensive to load",
    ("rollbook.cli.commands", "rollbook.cli.version"): "only --version looks for the commit",
    ("rollbook.cli.main", "rollbook.cli.server"): "only what was called is loaded, so that the server starts fast",
    ("rollbook.cli.main", "rollbook.cli.commands"): "only what was called is loaded, so that the server starts fast",
    ("rollbook.cli.users", "rollbook.cli.imports"): "only `users import` reads files and draws a bar",
    ("rollbook.cli.folder", "rollbook.mcp.protocol"): "only `mcp` speaks it",
    ("rollbook.cli.folder", "rollbook.cli.imports"): "only `users import` reads files and draws a bar",
    ("rollbook.cli.remote", "rollbook.cli.imports"): "only `users import` reads files and draws a bar",
    ("rollbook.cli.tables", "click"): "a worker of the server prints no colors",
    ("rollbook.actions.context", "rollbook.auth.passwords"): "most starts and commands hash no password",
    (
        "rollbook.limits.valkey",
        "rollbook.limits.valkey_group",
    ): "redis-py is 0.1 s of the start, and needed for few addresses only",
    ("rollbook.http.server", "rollbook.http.supervisor"): "one worker needs no supervisor",
    (
        "rollbook.http.supervisor",
        "rollbook.http.server",
    ): "a forked child becomes a worker by the function that runs one",
    ("rollbook.web.docs", "rollbook.docs_site.search"): "needs markupsafe, which comes with jinja2",
    (
        "rollbook.web.docs",
        "rollbook.docs_site.markdown",
    ): "the renderer and its libraries, 0.15 s, wait for the first page of the guide",
    ("rollbook.cli.remote", "httpx2"): "the client loads it at the first call",
    ("rollbook.web.templates", "jinja2"): "a server that no browser visits starts faster and needs less memory",
    ("rollbook.web.templates", "markupsafe"): "comes with jinja2, and at the same time",
    ("rollbook.web.plots", "markupsafe"): "comes with jinja2, and at the same time",
    (
        "rollbook.actions.checking",
        "rollbook.auth.password_hashes",
    ): "26 ms of the start, and only new passwords need it",
    ("rollbook.records.rules", "email_validator"): "38 ms of the start, for the few addresses that need it",
    **dict.fromkeys(
        [
            ("rollbook.delivery.mails", "email.headerregistry"),
            ("rollbook.delivery.mails", "email.message"),
            ("rollbook.delivery.mails", "email.policy"),
            ("rollbook.delivery.smtp", "aiosmtplib"),
        ],
        "a server that sends no mail starts faster without the library and the email package",
    ),
    ("rollbook.app", "rollbook.api.openapi"): "a twentieth of the start, and few clients read the description",
    **dict.fromkeys(
        [("rollbook.web.admin.imports", f"rollbook.sources.{name}") for name in ("columns", "reading")],
        "a file is read by a process of its own; only the form shows its beginning",
    ),
    ("rollbook.delivery.mails", "idna"): "9 ms, for the few addresses that need it",
    **dict.fromkeys(
        [("rollbook.delivery.mails", name) for name in ("jinja2", "jinja2.sandbox")],
        "a server that sends no mail starts faster and needs less memory",
    ),
    ("rollbook.records.rules", "idna"): "9 ms of the start, for the few addresses that need it",
}


STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s").match


class Import(NamedTuple):
    importer: str
    imported: str
    types_only: bool
    inside: bool


def test_every_room_has_its_line() -> None:
    found = {
        path.stem for path in (SRC / "rollbook").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert found - {"__init__"} == {room for line in ROOMS for room in line}


def test_imports_between_rooms_go_one_way() -> None:
    line_of = {room: number for number, line in enumerate(ROOMS) for room in line}
    against = set()
    for each in _imports():
        importer, imported = _room(each.importer), _room(each.imported)
        if not importer or not imported or importer == imported:
            continue
        if line_of[importer] >= line_of[imported]:
            if each.types_only:
                assert (each.importer, each.imported) in TYPES_ONLY, (
                    f"{each.importer} imports a type from {each.imported}"
                )
            else:
                against.add(f"{each.importer} imports {each.imported}")
    assert not against


def test_actions_know_nothing_of_http_json_or_sql() -> None:
    barred = ("json", "msgspec.json", "rollbook.http", "rollbook.observe", "sqlite3", "asyncpg")
    for each in _imports():
        if _room(each.importer) == "actions":
            assert not each.imported.startswith(barred), f"{each.importer} imports {each.imported}"
    for path in _files(SRC / "rollbook" / "actions"):
        texts = {node.value for node in ast.walk(_parsed(path)) if isinstance(node, ast.Constant)}
        assert not [text for text in texts if isinstance(text, str) and STATEMENT(text)], f"{path} holds SQL"
        assert "msgspec.json" not in path.read_text(), f"{path} makes JSON"


def test_no_import_leads_back_to_where_it_started() -> None:
    graph: dict[str, set[str]] = {}
    for each in _imports():
        if (
            not each.types_only
            and (each.importer, each.imported) not in INSIDE
            and each.imported.startswith("rollbook.")
        ):
            graph.setdefault(each.importer, set()).add(each.imported)
    finished: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " > ".join([*path[path.index(module) :], module])
        if module not in finished:
            for other in sorted(graph.get(module, ())):
                visit(other, (*path, module))
            finished.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_imports_inside_functions_have_a_reason() -> None:
    found = {(each.importer, each.imported) for each in _imports() if each.inside}
    assert found == set(INSIDE)


def test_types_that_go_against_the_arrows_are_still_needed() -> None:
    assert {(each.importer, each.imported) for each in _imports() if each.types_only} >= set(TYPES_ONLY)


def test_a_name_stands_for_one_type_within_a_room() -> None:
    """But for the twins of two engines, and an event and its form in the API."""
    homes: dict[tuple[str, str], set[str]] = {}
    for path in _files(SRC / "rollbook"):
        if "_client" not in path.parts and path.stem not in ("sqlite", "postgres"):
            for node in _parsed(path).body:
                if isinstance(node, ast.ClassDef):
                    homes.setdefault((_room(_module(path)), node.name), set()).add(_module(path))
    shared = {name: modules for name, modules in homes.items() if len(modules) > 1}
    assert shared.keys() <= {("records", "Event")}, shared


def test_the_first_line_of_a_file_says_what_lives_there() -> None:
    silent = []
    for path in _files(SRC, ROOT / "tools", ROOT / "tests", ROOT / "benchmarks"):
        text = path.read_text()
        if text.strip() and not text.startswith('"""') and not text.startswith("#!"):
            silent.append(str(path.relative_to(ROOT)))
    assert not silent


def test_docstrings_are_understood_without_the_one_before() -> None:
    unclear = [
        f"{path.relative_to(SRC)}:{node.lineno}"
        for path in _files(SRC)
        for node in house.statements(_parsed(path))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and _is_unclear(str(node.value.value))
    ]
    assert not unclear, "begin with a noun phrase or an imperative: STYLE.md"


def _is_unclear(docstring: str) -> bool:
    return docstring.startswith(("The same", "Who ", "What ", "Whether ", "Those ", "For "))


def test_the_page_on_the_architecture_names_every_room() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    assert " > ".join(" · ".join(line) for line in ROOMS) in page
    for path in sorted((SRC / "rollbook").iterdir()):
        if path.suffix == ".py" and path.stem != "__init__":
            assert f"`{path.name}`" in page
        elif (path / "__init__.py").exists():
            assert f"`{path.name}/`" in page


def _files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in sorted(folder.rglob("*.py")) if "work" not in path.relative_to(ROOT).parts)


def _room(module: str) -> str:
    """The room a module of ours lives in; empty for the package itself and for what others wrote."""
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == "rollbook" else ""


@cache
def _imports() -> tuple[Import, ...]:
    return tuple(found for path in _files(SRC) for found in _imports_of(path))


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _is_for_types(test: ast.expr) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "TYPE_CHECKING" for each in ast.walk(test))


def _imports_of(path: Path) -> Iterator[Import]:
    importer = _module(path)
    for node, types_only, inside in _statements(_parsed(path)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written whole"
            names = [_imported(node.module or "", alias.name) for alias in node.names]
        for name in names:
            yield Import(importer, name, types_only, inside)


def _statements(node: ast.AST, types_only: bool = False, inside: bool = False) -> Iterator[tuple[ast.AST, bool, bool]]:
    """All below, and of each whether it is there for a type checker alone, and within a function."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.stmt | ast.excepthandler | ast.match_case):
            yield each, types_only, inside
            yield from _statements(
                each,
                types_only or (isinstance(each, ast.If) and _is_for_types(each.test)),
                inside or isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef),
            )


@cache
def _imported(module: str, name: str) -> str:
    """`from rollbook import errors` imports a module, `from rollbook.errors import NotFound` a name of one."""
    whole = f"{module}.{name}"
    place = SRC / Path(*whole.split("."))
    return whole if place.with_suffix(".py").exists() or (place / "__init__.py").exists() else module


def _module(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_events_hold_the_whole_user_and_responses_what_the_caller_may_see() -> None:
    """`users.complete` has what users don't see of themselves: an event without it is a wrong past, a response with it a
    leak. `presented` of `actions/users.py` decides between the two."""
    for room in ("actions", "api", "mcp", "scim"):
        for file in (SRC / "rollbook" / room).rglob("*.py"):
            for line in file.read_text().splitlines():
                shown = set(re.findall(r"\b(?:users|user_records)\.(public|complete)\(", line))
                allowed = [set(), {"complete"}] if room == "actions" or file.name == "exports.py" else [set()]
                assert shown in allowed or "reaches_all(" in line, f"{file}: {line}"


def test_a_new_setting_takes_the_place_of_another_one() -> None:
    assert len(config.hints()) <= 70


def test_no_room_is_larger_than_its_budget() -> None:
    """The budget is raised only by a decision that names the promise bought with it."""
    page = (ROOT / "ARCHITECTURE.md").read_text().partition("\n## Budget\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| ([0-9,]+) \|$", page, re.M)
    budget = {room: int(lines.replace(",", "")) for room, lines in rows}
    lines = house.rooms()
    assert budget.keys() == lines.keys()
    assert {room: count for room, count in lines.items() if count > budget[room]} == {}
