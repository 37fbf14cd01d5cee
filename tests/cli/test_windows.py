"""Commands on a server elsewhere need nothing that Windows lacks, as far as another system can show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rollbook.cli.commands import COMMANDS
from tests.harness import OWNER_EMAIL, running

AS_ON_WINDOWS = """
import os, signal, socket, sys
for module in "fcntl grp pwd resource readline termios tty pty syslog".split():
    sys.modules[module] = None  # importing it raises ModuleNotFoundError
for name in "chown fchown fork geteuid getegid getgid getuid getpgid killpg mkfifo nice register_at_fork".split():
    delattr(os, name)
for name in "sched_getaffinity setpriority setsid statvfs sysconf uname".split():
    delattr(os, name)
for name in "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGUSR1 SIGWINCH pthread_sigmask".split():
    delattr(signal, name)
del socket.AF_UNIX
from rollbook.cli.main import main
if len(sys.argv) > 1:
    main()
from rollbook.cli.commands import COMMANDS, app
for name in COMMANDS:
    try:
        app.get_command(None, name)
    except ModuleNotFoundError:
        print(name)
"""
ON_A_FOLDER = {"serve", "doctor", "backup", "migrate", "copy", "secret", "openapi", "mail"}
"""Commands that no one needs where no server runs."""


def test_commands_work_on_a_server_without_the_modules_of_unix(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        (tmp_path / "users.csv").write_text("name,email\nAda,ada@example.com\n")
        for words, shown in (
            ("users import users.csv", ""),
            ("users list", "ada@example.com"),
            ("users set ada@example.com --name Ada.L", "Ada.L"),
            ("events revert --last", ""),
            ("keys create ada@example.com --quiet", "rbk_"),
            ("events list --user ada@example.com", "user.updated"),
            ("webhooks list", ""),
            ("bulk list", ""),
            ("api GET /v1/users/me", OWNER_EMAIL),
            ("health", "database ok"),
            ("open", server.url),
            ("--version", "Python"),
        ):
            done = _run(tmp_path, *words.split(), ROLLBOOK_URL=server.url, ROLLBOOK_KEY=server.key)
            assert done.returncode == 0 and shown in done.stdout, (words, done.stdout, done.stderr)
    assert set(_run(tmp_path).stdout.split()) <= ON_A_FOLDER < set(COMMANDS)


def _run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")}
    return subprocess.run(
        [sys.executable, "-c", AS_ON_WINDOWS, *words],
        cwd=folder,
        env=environment | {"XDG_CONFIG_HOME": str(folder)} | variables,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
