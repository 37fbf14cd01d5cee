"""What compose.three-nodes.yaml puts together, without an engine: the secrets of secrets.sh, a PostgreSQL and a Valkey as the
file starts them, the migration by one role, and a node that serves with another."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
import yaml

from tests import postgres, processes
from tests.certificates import certified
from tests.deploy import image
from tests.deploy.balancers import balancing
from tests.deploy.programs import DEPLOY, run
from tests.harness import Server, free_port, new_user, running
from tests.postgres import Cluster
from tests.valkey import program, wait_for
from tools.programs import find_valkey_cli

SERVICES = yaml.safe_load((DEPLOY / "compose.three-nodes.yaml").read_text())["services"]
SUDO = """#!/bin/sh
# Only root can give files away: written down instead.
[ "$1" = install ] || exec "$@"
echo "$@" >> "{folder}/installed"
shift; exec install -m 0400 "$7" "$8"
"""
NODE = {"rollbook": "10001", "node.crt": "10001", "node.key": "10001"}
OWNERS = (
    NODE
    | {"ca.key": "0", "valkey.acl": "999"}
    | {f"{name}.{end}": "999" for name in ("postgres", "valkey") for end in ("crt", "key")}
)


def create_secrets(folder: Path) -> None:
    """Run the script, in a copy of deploy/, as somebody who is not root."""
    for name, text in (("sudo", SUDO.format(folder=folder)), ("id", "#!/bin/sh\necho 1000\n")):
        (folder / "bin").mkdir(exist_ok=True)
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    run("sh", folder / "deploy" / "secrets.sh", environment={"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"})


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("three")
    shutil.copytree(DEPLOY, folder / "deploy", ignore=shutil.ignore_patterns("secrets", ".env"))
    create_secrets(folder)
    return folder / "deploy"


class Parts(NamedTuple):
    """What runs, and the variables of the services that use it."""

    cluster: Cluster
    valkey: int
    node: dict[str, str]
    migrate: dict[str, str]
    secrets: Path


@pytest.fixture(scope="module")
def parts(deploy: Path) -> Iterator[Parts]:
    variables = dict(line.split("=") for line in (deploy / ".env").read_text().splitlines())
    secrets = deploy / "secrets"
    port = free_port()
    with_superuser = Cluster()
    cluster = Cluster(*options(with_superuser), folder=with_superuser.folder)
    cluster.run("initdb", "-D", str(cluster.data), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    for name in ("postgres.crt", "postgres.key"):
        cluster.put(name, (secrets / name).read_bytes())
    cluster.put("pg_hba.conf", (deploy / "postgresql" / "pg_hba.conf").read_bytes())
    try:
        cluster.start()
        valkey = subprocess.Popen(
            [program(), "--bind", "127.0.0.1", *valkey_options(secrets, port)], cwd=deploy, stdout=subprocess.DEVNULL
        )
        try:
            where = {"PGHOST": str(cluster.folder), "PGPORT": str(cluster.port), "PATH": os.environ["PATH"]}
            where["PATH"] = f"{postgres.programs()}:{where['PATH']}"
            run("sh", deploy / "postgresql" / "roles.sh", environment=where | variables)
            wait_for(lambda: ask_valkey(secrets, port, "PING") != "")
            found = [
                {
                    name: filled(value, variables, secrets, cluster.port, port)
                    for name, value in SERVICES[service]["environment"].items()
                    if name in ("ROLLBOOK_DATABASE", "ROLLBOOK_LIMITS", "ROLLBOOK_SECRET_FILE")
                }
                for service in ("node1", "migrate")
            ]
            yield Parts(cluster, port, found[0], found[1], secrets)
        finally:
            valkey.kill()
            valkey.wait()
    finally:
        cluster.remove()


def options(cluster: Cluster) -> list[str]:
    """Those of the service `postgres`, with the files of this cluster."""
    command = SERVICES["postgres"]["command"]
    assert command[0] == "postgres" and all(word.startswith("-c") for word in command[1:])
    return [
        re.sub(r"=/(?:run/secrets|etc/postgresql)/", f"={cluster.data}/", word.removeprefix("-c"))
        for word in command[1:]
    ]


def valkey_options(secrets: Path, port: int) -> list[str]:
    command = SERVICES["valkey"]["command"]
    assert command[0] == "valkey-server"
    return [
        word.replace("/run/secrets", str(secrets)).replace("--tls-port 6379", f"--tls-port {port}")
        for word in command[1:]
    ]


def filled(text: str, variables: dict[str, str], secrets: Path, postgres: int, valkey: int) -> str:
    """A value of the file as Compose hands it on, for what runs here."""
    text = re.sub(r"\$\{(\w+):[^}]*\}", lambda found: variables[found[1]], text)
    text = text.replace("@postgres:5432", f"@localhost:{postgres}").replace("@valkey:6379", f"@localhost:{valkey}")
    return text.replace("/run/secrets/ca", str(secrets / "ca.crt")).replace("/run/secrets/", f"{secrets}/")


def ask_valkey(secrets: Path, port: int, *words: str, login: tuple[str, ...] = ()) -> str:
    command = [find_valkey_cli() or "valkey-cli", "--tls", "--cacert", str(secrets / "ca.crt"), "-p", str(port)]
    done = subprocess.run([*command, *login, *words], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def test_the_script_creates_what_the_file_names_once_and_for_its_readers_only(deploy: Path) -> None:
    whole = yaml.safe_load((DEPLOY / "compose.three-nodes.yaml").read_text())
    for secret in whole["secrets"].values():
        assert (deploy / secret["file"]).exists(), secret
    wanted = set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose.three-nodes.yaml").read_text()))
    assert wanted == {line.partition("=")[0] for line in (deploy / ".env").read_text().splitlines()}
    installed = [line.split() for line in (deploy.parent / "installed").read_text().splitlines()]
    assert {words[-1].removeprefix("secrets/"): words[2] for words in installed} == OWNERS
    for words in installed:
        assert words[1:7] == ["-o", words[2], "-g", words[2], "-m", "0400"]
    assert (deploy / ".env").stat().st_mode & 0o077 == (deploy / "secrets").stat().st_mode & 0o077 == 0
    files = [deploy / ".env", *(deploy / "secrets").iterdir()]
    before = {file: file.read_bytes() for file in files}
    password = before[deploy / ".env"].partition(b"VALKEY_PASSWORD=")[2].split()[0]
    assert password not in before[deploy / "secrets" / "valkey.acl"]
    create_secrets(deploy.parent)
    assert {file: file.read_bytes() for file in files} == before
    for name in ("postgres", "valkey", "node1", "node2", "node3"):
        verified = ["openssl", "verify", "-CAfile", str(deploy / "secrets/ca.crt"), "-verify_hostname", name]
        run(*verified, "-purpose", "sslserver", deploy / f"secrets/{name.rstrip('123')}.crt")


def test_one_role_migrates_and_the_other_serves_and_can_do_no_more(parts: Parts, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")}
    node = Server(tmp_path / "data", environment=parts.node)
    refused = node.rollbook("serve", "--port", str(node.port), check=False)
    assert refused.returncode == 1 and "run `rollbook migrate`" in refused.stderr and refused.stderr.count("\n") == 1
    owner = Server(tmp_path / "migrate", environment=environment | parts.migrate)
    assert "0103_schema.sql" in owner.rollbook("migrate").stdout
    with running(tmp_path / "data", "--log-level", "info", environment=parts.node) as node, node.http() as http:
        user = new_user(http, name="Alice Wonderland", metadata={"plan": "pro"})
        assert [each["id"] for each in http.get("/v1/users?q=wonder").json()] == [user["id"]]
        assert http.delete(f"/v1/users/{user['id']}").status_code == 204
        wait_for(lambda: "\nrollbook_limits_away 0" in http.get("/metrics").text)  # looked at once a second
        assert "\nrollbook_limits_counted_locally_total 0" in http.get("/metrics").text
        assert http.get("/health/ready").json()["checks"] == {"database": "ok", "limits": "ok"}
        assert node.rollbook("migrate", "--check").returncode == 0
        doctor = node.rollbook("doctor", check=False).stdout
        assert "permission" not in node.log.read_text() + doctor
    for statement in (
        "CREATE TABLE planted (a int)",
        "CREATE FUNCTION planted() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE users ADD COLUMN planted int",
        "DROP TABLE events",
        "TRUNCATE users",
        "CREATE INDEX ON users (name)",
        "COPY users TO PROGRAM 'true'",
        "CREATE ROLE planted",
        "SET ROLE rollbook_owner",
        "CREATE TEMPORARY TABLE planted (a int)",
    ):
        done = psql(parts, parts.node["ROLLBOOK_DATABASE"], statement)
        assert done.returncode != 0 and re.search("permission denied|must be (owner|superuser)", done.stderr), (
            statement,
            done,
        )
    for role in ("rollbook", "rollbook_owner"):
        said = (
            f"SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication FROM pg_roles WHERE rolname = '{role}'"
        )
        assert postgres_says(parts, said) == "f"


def test_without_tls_or_the_password_no_one_gets_in(parts: Parts) -> None:
    url = parts.node["ROLLBOOK_DATABASE"]
    assert psql(parts, url, "SELECT 1").returncode == 0
    for other in (url.replace("verify-full", "disable"), re.sub(":[0-9a-f]{48}@", ":wrong@", url)):
        assert psql(parts, other, "SELECT 1").returncode != 0
    password = re.findall(":([0-9a-f]{48})@", parts.node["ROLLBOOK_LIMITS"])[0]
    login = ("--user", "rollbook", "--pass", password, "--no-auth-warning")
    assert "NOAUTH" in ask_valkey(parts.secrets, parts.valkey, "PING")
    assert ask_valkey(parts.secrets, parts.valkey, "PING", login=login) == "PONG\n"
    for words in (("FLUSHALL",), ("CONFIG", "GET", "*"), ("SET", "other", "1"), ("KEYS", "*"), ("ACL", "LIST")):
        assert "NOPERM" in ask_valkey(parts.secrets, parts.valkey, *words, login=login), words
    done = subprocess.run(
        [find_valkey_cli() or "valkey-cli", "-p", str(parts.valkey), "PING"], capture_output=True, text=True, timeout=60
    )
    assert "PONG" not in done.stdout and "NOAUTH" not in done.stdout


def psql(parts: Parts, url: str, statement: str) -> Any:
    command = [str(postgres.programs() / "psql"), "-X", "-q", "-t", "-A", "-d", url, "-c", statement]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", env={"PATH": os.environ["PATH"]})


def postgres_says(parts: Parts, sql: str) -> str:
    where = f"postgresql:///rollbook?host={parts.cluster.folder}&port={parts.cluster.port}&user=postgres"
    done = psql(parts, where, sql)
    assert done.returncode == 0, done.stderr
    return str(done.stdout).strip()


def test_the_health_check_of_valkey_is_an_answer_without_a_login(parts: Parts) -> None:
    kind, *command = SERVICES["valkey"]["healthcheck"]["test"]
    assert kind == "CMD"
    here = shlex.join(command).replace("/run/secrets/ca", str(parts.secrets / "ca.crt"))
    here = here.replace("valkey-cli", f"{find_valkey_cli()} -p {parts.valkey}")
    assert subprocess.run(shlex.split(here), capture_output=True).returncode == 0


class Encrypted(Server):
    """A node that speaks TLS."""

    def start(self) -> Server:
        with open(self.log, "ab") as log:
            self.process = processes.start(
                self.command(), env=self.environment, stdout=log, stderr=log, cwd=self.data.parent
            )
        wait_for(lambda: "Rollbook listens at https://" in self.log.read_text())
        return self


def test_the_balancer_calls_nodes_by_tls_and_only_those_of_our_authority(deploy: Path, tmp_path: Path) -> None:
    secrets = deploy / "secrets"
    tls = SERVICES["caddy"]["environment"]["NODES_TLS"].replace("/run/secrets/ca", str(secrets / "ca.crt"))
    environment = {f"ROLLBOOK_TLS_{end.upper()}": str(secrets / f"node.{file}") for end, file in TLS_FILES.items()}
    for end, file in TLS_FILES.items():
        assert SERVICES["node1"]["environment"][f"ROLLBOOK_TLS_{end.upper()}"] == f"/run/secrets/node.{file}"
    node = Encrypted(tmp_path / "data", "--trusted-proxy", "127.0.0.1/32", environment=environment)
    try:
        node.start()
        health = image.health_command()
        for variables, code in ((environment, 0), ({}, 1)):
            asked = [str(Path(sys.executable).with_name(health[0])), *health[1:]]
            done = run(*asked, environment={"ROLLBOOK_PORT": str(node.port), **variables}, check=False)
            assert done.returncode == code, done.stderr
        key = {"Authorization": f"Bearer {node.key}"}
        with balancing("caddy", [node], tmp_path, more={"NODES_TLS": tls}) as url:
            answer = httpx2.get(f"{url}/v1/users/me", headers=key, timeout=60)
            assert answer.status_code == 200 and "strict-transport-security" not in answer.headers
        other = certified(tmp_path / "other", "127.0.0.1").authority
        tls = f"tls_trust_pool file {other}"
        with balancing("caddy", [node], tmp_path, path="", more={"NODES_TLS": tls}) as url:
            assert httpx2.get(f"{url}/v1/users/me", headers=key, timeout=60).status_code in (502, 503)
    finally:
        node.stop()


TLS_FILES = {"cert": "crt", "key": "key"}
