"""The cluster of docs/scaling.md on one machine: three database machines (PostgreSQL with Patroni, Valkey), three
nodes (Rollbook, PgBouncer, HAProxy, etcd, Sentinel), a balancer, and one for the clients, set up by the files in deploy/."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rollbook.auth import key_format
from tests.cluster import network
from tests.cluster.machines import Machine, Service, with_clock
from tools.programs import SYSTEM_FOLDERS, find_postgresql

sys.path.append(str(Path(__file__).parents[2] / "deploy/cluster"))

import prepare

ROOT = Path(__file__).parents[2]
FOLDER = Path(f"/tmp/rollbook-cluster{network.NUMBER}")
AUTHORITY = FOLDER / "authority"
DATABASES, NODES = prepare.DATABASES, prepare.NODES
LAST_BYTE = {"db1": 1, "db2": 2, "db3": 3, "node1": 11, "node2": 12, "node3": 13, "balancer": 21, "clients": 31}
ADDRESSES = {name: f"{network.NETWORK}.{number}" for name, number in LAST_BYTE.items()}
DISK = "512m"
PREVIOUS = FOLDER / "previous"
"""The checkout from which nodes start that are to be upgraded."""
ROLLBOOK = (sys.executable, "-m", "rollbook.cli.main")
OWNER_PASSWORD = "correct horse battery staple"


def program(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path=SYSTEM_FOLDERS)
    if path is None:
        raise RuntimeError(f"{name} is missing: `make cluster` says how to get it")
    return path


class Cluster:
    """`previous`: the commit that all nodes run until they are upgraded. `valkey_cluster`: Valkey is a cluster of six, instead
    of a primary with Sentinel."""

    def __init__(self, previous: str | None = None, valkey_cluster: bool = False) -> None:
        self.key = key_format.mint()
        self._previous = previous
        self._old_nodes = list(NODES) if previous else []
        self._valkey_cluster = valkey_cluster
        self.machines: dict[str, Machine] = {}
        self._passwords: dict[str, str] = {}
        self._ended = threading.Event()

    # ---- start and stop

    def start(self, say: Callable[[str], None]) -> Cluster:
        stop()
        FOLDER.mkdir(mode=0o755)
        network.create(ADDRESSES)
        network.enter("clients")
        self._prepare()
        if self._previous:
            self._unpack(self._previous)
        for name in DATABASES:
            self._set_up_database(name)
        for name in NODES:
            self._set_up_node(name)
        self._set_up_balancer()
        threading.Thread(target=self._look_after, daemon=True).start()
        say("etcd and Sentinel on node1, node2 and node3; Patroni, PostgreSQL and Valkey on db1, db2 and db3")
        for machine in self.machines.values():
            machine.switch_on()
        self.wait_for("a primary with two standbys", self.has_standbys, 180)
        say(f"PostgreSQL has its primary, {self.primary()}: roles and tables")
        self._create_database()
        if self._valkey_cluster:
            self._join_valkey()
        say("Rollbook, PgBouncer and HAProxy on node1, node2 and node3")
        for name in NODES:
            self._add_rollbook(self.machines[name])
        self.wait_for("all nodes", lambda: all(self.is_ready(name) for name in NODES), 120)
        self.wait_for("the balancer", lambda: self.status("balancer", 8080, "/health/ready") == 200, 60)
        return self

    def stop(self) -> None:
        self._ended.set()
        for machine in self.machines.values():
            with machine._lock:
                machine.is_on = False
        stop()

    def _look_after(self) -> None:
        while not self._ended.wait(0.25):
            for machine in self.machines.values():
                machine.look_after()

    # ---- files of each machine

    def _machine(self, name: str) -> Machine:
        folder = FOLDER / name
        folder.mkdir()
        machine = self.machines[name] = Machine(name, ADDRESSES[name], folder)
        return machine

    def _prepare(self) -> None:
        """The files of each machine, by the program that administrators use."""
        settings = {
            **{name.upper(): address for name, address in ADDRESSES.items()},
            "PUBLIC_URL": f"http://{ADDRESSES['balancer']}:8080",
            "FILES": f"{FOLDER}/$NAME/files",
            "DATA": f"{FOLDER}/$NAME/data",
            "POSTGRESQL": str(find_postgresql()),
            "SHARED_BUFFERS": "64MB",
            "MAX_WAL": "96MB",
            "KEPT_WAL": "64MB",
            "VALKEY_PORT": "6379",
        }
        assert settings.keys() == prepare.settings_of(ROOT / "deploy/cluster/cluster.env").keys() | {"CLIENTS"}
        openssl = (*with_clock(-3600), program("openssl"))  # valid on machines whose clocks are behind, too
        prepare.prepare(settings, AUTHORITY, openssl)
        (AUTHORITY / "clients").mkdir()
        prepare.certify(AUTHORITY, AUTHORITY / "clients", "clients", ADDRESSES["clients"], openssl)
        self._passwords = prepare.settings_of(AUTHORITY / "passwords.env")

    def _give_files(self, machine: Machine) -> Path:
        return Path(shutil.copytree(AUTHORITY / machine.name, machine.folder / "files"))

    def _set_up_database(self, name: str) -> None:
        machine = self._machine(name)
        files = self._give_files(machine)
        _disk(machine)
        ports = (6379, 6380) if self._valkey_cluster else (6379,)
        commands = {port: [program("valkey-server"), str(self._valkey_file(machine, port))] for port in ports}
        own(machine.folder, "postgres")
        for port, command in commands.items():
            machine.add(Service("valkey" if port == 6379 else "valkey-6380", command, "postgres", restart=10))
        patroni = str(files / "patroni.yml")
        machine.add(Service("patroni", [program("patroni"), patroni], "postgres", restart=1))
        alive = ["sh", str(files / "patroni-alive.sh"), machine.address]
        # As systemd does: all processes of the service.
        first = f"{machine.folder}/data/postgresql/postmaster.pid"
        end = f"pkill -KILL -f '[p]atroni {patroni}'; pkill -KILL -P $(head -n 1 {first}); kill -KILL $(head -n 1 {first})"
        machine.add(Service("patroni-alive", [*alive, "sh", "-c", end], "postgres"))

    def _valkey_file(self, machine: Machine, port: int) -> Path:
        folder = machine.folder / "data" / f"valkey-{port}"
        folder.mkdir()
        text = (machine.folder / "files/valkey.conf").read_text()
        if self._valkey_cluster:
            more = (ROOT / "deploy/cluster/valkey-cluster.conf").read_text()
            text = text.partition("replicaof")[0].replace("6379", str(port)) + more
        file = folder / "valkey.conf"
        file.write_text(text)
        return file

    def _join_valkey(self) -> None:
        servers = [f"{ADDRESSES[name]}:{port}" for port in (6379, 6380) for name in DATABASES]
        login = ["--user", "machine", "--pass", self._passwords["VALKEY_MACHINES_PASSWORD"], "--no-auth-warning"]
        tls = ["--tls", "--cacert", f"{AUTHORITY}/ca.crt"]
        network.run(
            *(program("valkey-cli"), *tls, *login, "--cluster", "create", *servers),
            *("--cluster-replicas", "1", "--cluster-yes"),
        )

    def _set_up_node(self, name: str) -> None:
        machine = self._machine(name)
        files = self._give_files(machine)
        data = _disk(machine)
        (data / "sentinel").mkdir()
        sentinel = shutil.copy(files / "sentinel.conf", data / "sentinel")
        own(machine.folder, "postgres")
        os.chown(files / "secret", 0, 0)
        machine.add(Service("etcd", [program("etcd"), "--config-file", str(files / "etcd.yml")], "postgres"))
        machine.add(Service("sentinel", [program("valkey-sentinel"), str(sentinel)], "postgres"))
        haproxy = str(files / "haproxy-postgresql.cfg")
        hosts = {each.upper(): ADDRESSES[each] for each in DATABASES}
        machine.add(Service("haproxy", [program("haproxy"), "-db", "-f", haproxy], environment=hosts))
        machine.add(Service("pgbouncer", [program("pgbouncer"), str(files / "pgbouncer.ini")], "postgres"))

    def _add_rollbook(self, machine: Machine) -> None:
        without_limits = ["--rate-limit", "none", "--unauthenticated-limit", "none"]
        command = [*ROLLBOOK, "serve", "--data", str(machine.folder / "rollbook"), *without_limits]
        environment = {**self.settings(machine), **self._source(old=machine.name in self._old_nodes)}
        machine.add(Service("rollbook", command, environment=environment, restart=1))

    def _unpack(self, commit: str) -> None:
        """The source of that commit. It runs with today's dependencies."""
        PREVIOUS.mkdir()
        archive = FOLDER / "previous.tar"
        network.run("git", "-C", str(ROOT), "archive", f"--output={archive}", commit)
        network.run("tar", "-xf", str(archive), "-C", str(PREVIOUS))
        archive.unlink()

    def _source(self, old: bool) -> dict[str, str]:
        """It comes before the folders of `.venv`."""
        return {"PYTHONPATH": str((PREVIOUS if old else ROOT) / "src")}

    def upgrade(self) -> str:
        """The next node has the present version, as an administrator does it: migrations first."""
        if len(self._old_nodes) == len(NODES):
            self._migrate(old=False)
        name = self._old_nodes.pop(0)
        machine = self.machines[name]
        machine.services["rollbook"].environment = {**self.settings(machine), **self._source(old=False)}
        machine.restart("rollbook")
        self.wait_for(f"the upgraded {name}", lambda: self.is_ready(name), 60)
        return name

    def versions(self) -> int:
        """How many there are on the nodes."""
        return 1 + (0 < len(self._old_nodes) < len(NODES))

    def settings(self, machine: Machine) -> dict[str, str]:
        lines = (machine.folder / "files/rollbook.env").read_text().splitlines()
        if self._valkey_cluster:
            servers = ",".join(f"{ADDRESSES[name]}:6379" for name in DATABASES)
            lines = [
                re.sub(r"(?<=LIMITS=valkeys\+)sentinel(://[^@]*@)[^/]*/rollbook", rf"cluster\g<1>{servers}", line)
                for line in lines
            ]
        own_lines = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
        return own_lines | {
            "ROLLBOOK_SECRET_FILE": str(machine.folder / "files/secret"),
            "ROLLBOOK_WEBHOOK_ALLOW": f"{ADDRESSES['clients']}/32",
            "ROLLBOOK_OWNER_EMAIL": "owner@example.com",
            "ROLLBOOK_OWNER_PASSWORD": OWNER_PASSWORD,
            "ROLLBOOK_OWNER_KEY": self.key,
            "PYTHONDONTWRITEBYTECODE": "",
        }

    def _set_up_balancer(self) -> None:
        machine = self._machine("balancer")
        places = {name.upper(): f"{ADDRESSES[name]}:8000" for name in NODES}
        environment = {"BIND": f"{machine.address}:8080", **places}
        command = [program("haproxy"), "-db", "-f", str(ROOT / "deploy/haproxy.cfg")]
        machine.add(Service("haproxy", command, environment=environment))

    def _create_database(self) -> None:
        primary = ADDRESSES[self.primary() or "db1"]
        environment = {
            "PATH": f"{find_postgresql()}:{os.environ['PATH']}",
            **self._passwords,
            "PGHOST": primary,
            "PGUSER": "postgres",
            "PGPASSWORD": self._passwords["POSTGRES_PASSWORD"],
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": f"{AUTHORITY}/ca.crt",
        }
        on_clients(["sh", str(ROOT / "deploy/postgresql/roles.sh")], environment)
        self._migrate(old=bool(self._previous))

    def _migrate(self, old: bool) -> None:
        tls = f"sslrootcert={AUTHORITY}/ca.crt"
        hosts = ",".join(f"{ADDRESSES[name]}:5432" for name in DATABASES)
        owner = f"rollbook_owner:{self._passwords['DATABASE_OWNER_PASSWORD']}"
        url = f"postgresql://{owner}@{hosts}/rollbook?target_session_attrs=read-write&{tls}"
        on_clients(
            [*ROLLBOOK, "migrate"],
            {
                "PATH": os.environ["PATH"],
                "ROLLBOOK_DATABASE": url,
                "ROLLBOOK_DATA": str(AUTHORITY),
                **self._source(old),
            },
        )

    # ---- questions

    def status(self, name: str, port: int, path: str, timeout: float = 2) -> int:
        """Status of an answer; 0: there is none."""
        connection = http.client.HTTPConnection(ADDRESSES[name], port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Host": "rollbook"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def ask_patroni(self, name: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection(ADDRESSES[name], 8008, timeout=2)
        try:
            connection.request("GET", "/cluster")
            return json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        finally:
            connection.close()

    def primary(self) -> str | None:
        """The machine whose Patroni holds the leader's key."""
        return next((name for name in DATABASES if self.status(name, 8008, "/primary") == 200), None)

    def has_standbys(self) -> bool:
        primary = self.primary()
        members = self.ask_patroni(primary).get("members", []) if primary else []
        return sum(member.get("role") != "leader" and member.get("state") == "streaming" for member in members) == 2

    def etcd_leader(self) -> str | None:
        mine = AUTHORITY / "clients"
        flags = [f"--cacert={AUTHORITY}/ca.crt", f"--cert={mine}/machine.crt", f"--key={mine}/machine.key"]
        for name in NODES:
            done = subprocess.run(
                [
                    program("etcdctl"),
                    *flags,
                    f"--endpoints=https://{ADDRESSES[name]}:2379",
                    "--command-timeout=3s",
                    "endpoint",
                    "status",
                    "-w",
                    "json",
                ],
                check=False,
                capture_output=True,
                text=True,
                env={"ETCDCTL_API": "3", "PATH": os.environ["PATH"]},
            )
            with suppress(ValueError, LookupError):
                said = json.loads(done.stdout)[0]["Status"]
                if said["leader"] == said["header"]["member_id"]:
                    return name
        return None

    def valkey_primary(self) -> str | None:
        """The machine whose Valkey counts; of a cluster, one of several."""
        if self._valkey_cluster:
            return DATABASES[0]
        for name in NODES:
            flags = ["-t", "3", "-h", ADDRESSES[name], "-p", "26379", "--tls", "--cacert", f"{AUTHORITY}/ca.crt"]
            done = subprocess.run(
                ["timeout", "4", program("valkey-cli"), *flags, "sentinel", "get-master-addr-by-name", "rollbook"],
                check=False,
                capture_output=True,
                text=True,
            )
            address = (done.stdout.split() or [""])[0]
            for each, known in ADDRESSES.items():
                if known == address:
                    return each
        return None

    def was_without_valkey(self, since: float) -> bool:
        """Whether a node counted by itself, be it for a moment, after this time of the clock."""
        moment = datetime.fromtimestamp(since, UTC).isoformat()[:19]
        logs = [(FOLDER / name / "rollbook.log").read_text(errors="replace") for name in NODES]
        times = [time for log in logs for time in re.findall(r'(?m)^\{"time":"([^"]*)"[^\n]*"limits: Valkey', log)]
        return max(times, default="") >= moment

    def is_ready(self, name: str) -> bool:
        return self.status(name, 8000, "/health/ready", 5) == 200

    def is_whole(self) -> bool:
        """All machines are what they were before a fault."""
        return (
            self.has_standbys()
            and all(self.is_ready(name) for name in NODES)
            and self.etcd_leader() is not None
            and self.valkey_primary() is not None
        )

    def wait_for(self, what: str, happened: Callable[[], Any], seconds: float) -> float:
        """Seconds that it took. Raises TimeoutError."""
        began = time.monotonic()
        while not happened():
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"after {seconds:.0f} s there is not {what}")
            time.sleep(0.5)
        return time.monotonic() - began

    def postgres_process(self, name: str) -> int | None:
        """The first process of PostgreSQL on this machine."""
        with suppress(OSError, ValueError, IndexError):
            return int((FOLDER / name / "data/postgresql/postmaster.pid").read_text().split()[0])
        return None


def on_clients(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")


def _disk(machine: Machine) -> Path:
    """The machine's own disk, of a fixed size: it is to be filled. In memory, so that machines don't wait for one disk that
    all of them share."""
    data = machine.folder / "data"
    data.mkdir()
    network.run("mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0755", "tmpfs", str(data))
    return data


def own(folder: Path, user: str) -> None:
    entry = pwd.getpwnam(user)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, entry.pw_uid, entry.pw_gid)


def stop() -> None:
    """End and remove all that any run of this has left on the machine."""
    network.remove()
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        place = line.split()[1]
        if place.startswith(f"{FOLDER}/"):
            subprocess.run(["umount", "-l", place], check=False)
    shutil.rmtree(FOLDER, ignore_errors=True)
    for file in Path("/dev/shm").glob("*faketime_*"):  # of programs with another clock that were killed
        if not Path("/proc", file.name.rpartition("_")[2]).exists():
            file.unlink(missing_ok=True)
