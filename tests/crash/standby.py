"""A PostgreSQL primary with a synchronous standby, and what a script does when the primary dies: promote, and build a
new standby."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.postgres import USER, Cluster

NAME = "standby"


@contextmanager
def standby_of(primary: Cluster) -> Iterator[Cluster]:
    """One that follows it without being waited for."""
    Two._allow_replication(primary)
    primary.ask("SELECT pg_reload_conf()")
    standby = Two._built_from(primary)
    try:
        yield standby
    finally:
        standby.remove()


class Two:
    """`primary` takes writes and answers for each only when `standby` has applied it."""

    def __init__(self) -> None:
        self.primary = Cluster().initialise()
        self._allow_replication(self.primary)
        self.primary.start()
        self.standby = self._built_from(self.primary)
        self._wait_for(self.primary)

    def url(self, database: str) -> str:
        """Of both, whichever takes writes at the moment."""
        hosts = ",".join(
            f"127.0.0.1:{cluster.port}" for cluster in sorted((self.primary, self.standby), key=lambda each: each.port)
        )
        return f"postgresql://{USER}@{hosts}/{database}?target_session_attrs=read-write"

    def fail_over(self) -> None:
        """Kill the primary as a power cut would, and let the standby take its place."""
        self.primary.stop(signal.SIGKILL)
        self.promote()

    def silence(self) -> list[int]:
        """The primary answers nobody any more, and does not hang up either: its processes, to be waked in the end."""
        return stopped(self.primary)

    def fail_over_within_a_commit(self, is_under_way: Callable[[], bool]) -> None:
        """The same as `fail_over`, but the primary dies while it waits for the standby to have a commit, so that no one
        learns whether the standby has it."""
        with self.without_standby():
            until = time.monotonic() + 60
            while not is_under_way():
                assert time.monotonic() < until, "no commit waits"
            self.primary.stop(signal.SIGKILL)
        self.promote()

    @contextmanager
    def without_standby(self) -> Iterator[None]:
        """It takes nothing, and the primary waits for it with every commit."""
        asleep = stopped(self.standby)
        try:
            yield
        finally:
            wake(asleep)

    def promote(self) -> None:
        """The standby takes the place of the primary."""
        self._dead, self.primary = self.primary, self.standby
        # The trap: it was copied with the name of a standby that it must wait for, and now it has none. Until this is
        # cleared, every write on it waits without end.
        self.primary.ask("ALTER SYSTEM RESET synchronous_standby_names")
        self.primary.ask("SELECT pg_reload_conf()")
        self.primary.ask("SELECT pg_promote()")

    def rebuild(self) -> None:
        """A new standby where the dead primary was, from the new one; from then on writes wait for it."""
        port = self._dead.port
        self._dead.remove()
        self.standby = self._built_from(self.primary, port)
        self._wait_for(self.primary)

    def remove(self) -> None:
        for cluster in {self.primary, self.standby, getattr(self, "_dead", self.primary)}:
            cluster.stop(signal.SIGKILL)
            cluster.remove()

    @staticmethod
    def _allow_replication(cluster: Cluster) -> None:
        with open(cluster.data / "pg_hba.conf", "a") as file:
            file.write("host replication all 127.0.0.1/32 trust\n")

    @staticmethod
    def _built_from(primary: Cluster, port: int | None = None) -> Cluster:
        standby = Cluster()
        if port is not None:
            standby.port = port
        source = f"host=127.0.0.1 port={primary.port} user={USER} application_name={NAME}"
        standby.run(
            "pg_basebackup", "-d", source, "-D", str(standby.data), "-R", "-X", "stream", "-c", "fast", "--no-sync"
        )
        return standby.start()

    @staticmethod
    def _wait_for(primary: Cluster) -> None:
        primary.ask(f"ALTER SYSTEM SET synchronous_standby_names = '{NAME}'")
        primary.ask("ALTER SYSTEM SET synchronous_commit = 'remote_apply'")
        primary.ask("SELECT pg_reload_conf()")
        until = time.monotonic() + 60
        while primary.ask("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") != "1":
            assert time.monotonic() < until, "the standby does not take part"
            time.sleep(0.05)


def stopped(cluster: Cluster) -> list[int]:
    """Its processes, which do nothing until they are waked. The first of them first, so that it starts no other."""
    assert cluster.process is not None
    first = cluster.process.pid
    found = [first]
    os.kill(first, signal.SIGSTOP)
    while Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.001)
    for pid in map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split()):
        with suppress(ProcessLookupError):  # it has ended
            os.kill(pid, signal.SIGSTOP)
            found.append(pid)
    return found


def wake(stopped: list[int]) -> None:
    for pid in stopped:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
