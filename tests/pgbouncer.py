"""A real PgBouncer in transaction mode before a PostgreSQL: each transaction may run on another of its few sessions."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.harness import free_port
from tests.postgres import USER
from tools.programs import find_pgbouncer

MISSING = "These tests need PgBouncer 1.21 or newer. `make test` brings it, or says how."
SETTINGS = """
[databases]
* = host=127.0.0.1 port={to}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {size}
max_prepared_statements = 400
max_client_conn = 2000
max_user_connections = 0
server_round_robin = 1
logfile = {folder}/log
admin_users = {user}
"""


def program() -> str:
    found = find_pgbouncer()
    if found is None:
        raise RuntimeError(MISSING)
    return found


class PgBouncer:
    """Before the PostgreSQL at this port, with so many sessions for each database."""

    def __init__(self, to: int, size: int = 3) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="rollbook-pgbouncer-"))
        (self.folder / "users").write_text(f'"{USER}" ""\n')
        settings = SETTINGS.format(to=to, port=self.port, folder=self.folder, size=size, user=USER)
        (self.folder / "pgbouncer.ini").write_text(settings)
        # As root it does not run.
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            entry = pwd.getpwnam(user)
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        command = [program(), "--quiet", str(self.folder / "pgbouncer.ini")]
        self.process = subprocess.Popen(
            command, user=user, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/"
        )
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"PgBouncer did not start:\n{self.log()}") from None
                time.sleep(0.05)

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def log(self) -> str:
        file = self.folder / "log"
        return file.read_text() if file.exists() else ""

    def remove(self) -> None:
        self.process.kill()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)
