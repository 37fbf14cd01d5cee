"""`rollbook doctor` finds what is wrong, says how to fix it, and changes nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from rollbook import clock, machine
from tests.certificates import ELSEWHERE
from tests.cli.command import PASSWORD, rollbook
from tests.harness import OWNER_EMAIL, Server, free_port, running
from tests.postgres import own_cluster
from tests.valkey import running_valkey
from tests.visitor import signed_in


def examine(data: Path, *flags: str, **variables: Any) -> tuple[int, dict[str, list[dict[str, str]]], dict[str, Any]]:
    """Its exit code, its findings by what they are about, and the whole of its JSON."""
    variables.setdefault("port", str(free_port()))
    done = rollbook("doctor", "--json", "--data", str(data), *flags, **variables)
    assert "Traceback" not in done.stderr, done.stderr
    whole = json.loads(done.stdout)
    by_topic: dict[str, list[dict[str, str]]] = {}
    for finding in whole["findings"]:
        by_topic.setdefault(finding["what"], []).append(finding)
    return done.returncode, by_topic, whole


def states(found: dict[str, list[dict[str, str]]], what: str) -> list[str]:
    return [finding["state"] for finding in found.get(what, [])]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running(tmp_path_factory.mktemp("server") / "data", cheap=False) as server:
        yield server


def test_a_served_folder_is_well(server: Server) -> None:
    code, found, whole = examine(
        server.data, "--deep", port=str(server.port), password_memory="19456", password_time_cost="2"
    )
    assert code == 0
    assert whole["ok"]
    assert states(found, "backups") == ["warning"], "there is none, and none is planned"
    assert {finding["state"] for what in found.keys() - {"backups"} for finding in found[what]} == {"ok"}
    assert f"runs at {server.url}" in found["port"][0]["found"]
    assert found["Python"][0]["found"] == f"{machine.python_name()} ({sys.executable})"
    assert "integrity_check" in found["pages"][0]["found"]


def test_a_clock_that_was_set_back_is_a_warning(server: Server, tmp_path: Path) -> None:
    clock.move(str(tmp_path / "clock"), -clock.DAY)
    _, found, _ = examine(server.data, port=str(server.port), clock_file=str(tmp_path / "clock"))
    assert states(found, "clock") == ["warning", "warning"]
    assert "CLOCK_FILE" in found["clock"][0]["fix"] and "behind the last event" in found["clock"][1]["found"]


def test_a_folder_that_is_not_there_is_said_and_is_not_made(tmp_path: Path) -> None:
    code, found, _ = examine(tmp_path / "data")
    assert (code, states(found, "database"), states(found, "server")) == (0, ["warning"], [])
    assert "The first start creates it." in found["database"][0]["fix"]
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_a_variable_names_is_said_not_to_be_examined(tmp_path: Path) -> None:
    done = rollbook("doctor", cwd=tmp_path, url="http://127.0.0.1:1", port=str(free_port()))
    assert "warning  server: http://127.0.0.1:1 (ROLLBOOK_URL) is not examined, only this machine" in done.stdout
    assert "http://127.0.0.1:1/health/ready" in done.stdout and done.returncode == 0


def test_settings_in_force_come_with_their_origin(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('log_level = "warning"\n')
    _, _, whole = examine(tmp_path / "data", "--config", str(tmp_path / "settings.toml"), workers="3")
    settings = {setting["name"]: (setting["value"], setting["origin"]) for setting in whole["settings"]}
    assert settings["workers"] == (3, "ROLLBOOK_WORKERS")
    assert settings["log_level"] == ("warning", str(tmp_path / "settings.toml"))
    assert settings["data"][1] == "flag"
    assert settings["host"] == ("127.0.0.1", "default")


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    done = rollbook(
        "doctor", "--data", str(tmp_path / "data"), owner_password=PASSWORD, owner_key="rbk_secret", key="rbk_other"
    )
    assert PASSWORD not in done.stdout
    assert "rbk_" not in done.stdout


def test_a_file_of_breached_passwords_is_readable_and_sorted(tmp_path: Path) -> None:
    lines = [f"{number:040X}:{number}\n" for number in range(5000)]
    for text, state, words in (
        ("".join(lines), "ok", "sorted"),
        ("".join(reversed(lines)), "fault", "isn't sorted"),
        ("".join(lines).replace("F", "secret"), "fault", "no SHA-1 hash after byte"),
        ("secret\n" * 99, "fault", "line 1 is no SHA-1 hash"),
    ):
        (tmp_path / "hashes.txt").write_text(text)
        code, found, _ = examine(tmp_path / "data", breached_passwords=str(tmp_path / "hashes.txt"))
        (finding,) = found["breached passwords"]
        assert (finding["state"], code) == (state, state == "fault") and words in finding["found"]
        assert "secret" not in finding["found"]
    _, found, _ = examine(tmp_path / "data", breached_passwords=str(tmp_path / "missing"))
    assert "No such file" in found["breached passwords"][0]["found"]


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://rollbook:s3cr3t@127.0.0.1:1/name",
        "postgresql://127.0.0.1:1/name?user=rollbook&password=s3cr3t",
        "postgresql://127.0.0.1:1/name?p%61ssword=s3cr3t&user=rollbook",
        "postgresql:///name?host=127.0.0.1&port=1&sslpassword=s3cr3t",
    ],
)
def test_the_password_of_a_database_is_not_shown(tmp_path: Path, address: str) -> None:
    done = rollbook(
        "doctor", "--data", str(tmp_path / "data"), database=address, database_direct=address, database_replicas=address
    )
    assert "s3cr3t" not in done.stdout + done.stderr
    assert done.stdout.count("127.0.0.1") >= 3
    _, _, whole = examine(tmp_path / "data", database=address, database_direct=address, database_replicas=address)
    assert "s3cr3t" not in json.dumps(whole)


def test_a_variable_that_is_no_setting_is_named(tmp_path: Path) -> None:
    _, found, _ = examine(tmp_path / "data", ratelimit="none", copy_to="sqlite:other", webhook_secret="whsec_")
    (named,) = found["environment"]
    assert "ROLLBOOK_RATELIMIT" in named["found"]


def test_a_setting_that_cannot_be_is_a_fault(tmp_path: Path) -> None:
    code, found, _ = examine(tmp_path / "data", rate_limit="many")
    assert code == 1
    assert states(found, "settings") == ["fault"]


def test_files_that_others_can_read_are_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data):
        pass
    (data / "secret").chmod(0o644)
    (data / "rollbook.db").chmod(0o644)
    code, found, _ = examine(data)
    assert code == 1
    assert states(found, "secret") == ["fault"]
    assert "chmod 600" in found["secret"][0]["found"]
    assert states(found, "rollbook.db") == ["warning"]
    assert found["rollbook.db"][0]["fix"].startswith("Run: chmod 600 ")


def test_a_lost_secret_is_noticed_and_not_made_anew(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data):
        pass
    (data / "secret").unlink()
    _, found, _ = examine(data)
    assert states(found, "secret") == ["warning"]
    assert not (data / "secret").exists()
    assert rollbook("keys", "create", OWNER_EMAIL, "--data", str(data)).returncode == 0  # encrypted with a new one
    _, found, _ = examine(data)
    assert states(found, "secret") == ["ok", "warning"]


def test_a_damaged_database_is_a_fault(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data):
        pass
    whole = bytearray((data / "rollbook.db").read_bytes())
    for page in range(5, len(whole) // 4096):
        whole[page * 4096 + 100 : page * 4096 + 4000] = b"\xff" * 3900
    (data / "rollbook.db").write_bytes(whole)
    code, found, _ = examine(data)
    assert code == 1
    assert "fault" in states(found, "pages") + states(found, "database")


def test_a_large_event_log_is_a_warning_here_and_on_the_server_page(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "--event-log-warning", "1", "--rate-limit", "none") as server,
        server.http() as http,
    ):
        with signed_in(server) as owner:
            assert "Set event_retention" not in owner.get("/admin/server").text
            for number in range(100):
                assert http.patch("/v1/users/me", json={"metadata": {"a": f"{number:016}" * 1_000}}).is_success
            assert "Set event_retention" in owner.get("/admin/server").text
        _, found, _ = examine(server.data, "--event-log-warning", "1")
        assert states(found, "event log") == ["warning"] and "event_retention" in found["event log"][0]["fix"]
        _, found, _ = examine(server.data, "--event-log-warning", "2")
        assert states(found, "event log") == ["ok"] and found["event log"][0]["found"].startswith("about 1.")


def test_a_taken_port_is_a_fault(tmp_path: Path, server: Server) -> None:
    code, found, _ = examine(tmp_path / "data", port=str(server.port), tls_cert="none.pem", tls_key="none.pem")
    assert code == 1
    assert states(found, "port") == ["fault"]
    assert "is taken by" in found["port"][0]["found"]


def test_an_open_door_without_tls_is_a_fault_or_a_warning(tmp_path: Path) -> None:
    code, found, _ = examine(tmp_path / "data", host="0.0.0.0")
    assert code == 1
    assert states(found, "TLS") == ["fault"] and "--insecure-http" in found["TLS"][0]["fix"]
    code, found, _ = examine(tmp_path / "data", host="0.0.0.0", insecure_http="true")
    assert code == 0
    assert states(found, "TLS") == ["warning"]
    _, found, _ = examine(tmp_path / "data", host="0.0.0.0", trusted_proxy="10.0.0.0/8")
    assert "TLS" not in found


def test_spans_that_leave_the_machine_in_clear_are_a_warning(tmp_path: Path) -> None:
    for url, told in (
        ("http://127.0.0.1:4318", []),
        ("https://otel.example.com", []),
        ("http://otel.example.com", ["warning"]),
    ):
        _, found, _ = examine(tmp_path / "data", otlp_endpoint=url)
        assert states(found, "OpenTelemetry") == told, url


def test_standbys_for_which_writes_wait_and_slots_that_no_one_uses_are_warnings(tmp_path: Path) -> None:
    with own_cluster() as cluster:
        url, data = cluster.url("postgres"), tmp_path / "data"
        rollbook("migrate", "--data", str(data), database=url)
        _, found, _ = examine(data, database=url)
        assert states(found, "durability") == ["ok"] and "standbys" not in found
        assert "a pooler's or proxy's own connection is not checked" in found["way to PostgreSQL"][0]["found"]
        cluster.ask("SELECT pg_create_physical_replication_slot('db3')")
        for names, awaited in (("ANY 2 (a, b, c)", 2), ("FIRST 1 (*)", 1), ("a, b", 1), ("3 (a, b, c)", 3)):
            cluster.ask(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
            cluster.ask("SELECT pg_reload_conf()")
            code, found, _ = examine(data, database=url)
            assert (code, [each["found"] for each in found["standbys"]]) == (
                0,
                [
                    f"0 connected, and writes wait for {awaited} (synchronous_standby_names)",
                    "no one uses the replication slot db3",
                ],
            )
        cluster.ask("ALTER SYSTEM SET synchronous_commit = 'local'")
        cluster.ask("SELECT pg_reload_conf()")
        _, found, _ = examine(data, database=url)
        assert [each["found"] for each in found["standbys"]] == ["no one uses the replication slot db3"]


def test_what_protects_valkey_is_told_here_and_on_the_server_page(tmp_path: Path) -> None:
    with running_valkey(tmp_path / "valkey") as valkey:
        for host, query, lacks in (
            ("127.0.0.1", "", None),
            (ELSEWHERE, "?sslmode=disable&login=none", "without TLS and without a password"),
        ):
            limits = f"valkey://{host}:{valkey.port}{query}"
            with running(tmp_path / host, environment={"ROLLBOOK_LIMITS": limits}) as server:
                _, found, _ = examine(server.data, limits=limits)
                assert [each["found"] for each in found.get("way to Valkey", [])] == ([lacks] if lacks else [])
                assert states(found, "limits") == ["ok"]
                with signed_in(server) as owner:
                    page = owner.get("/admin/server").text
                assert f"{host}:{valkey.port}" in page
                assert ("without TLS and without a password" in page) == (lacks is not None)
        refused = rollbook("serve", "--data", str(tmp_path / "no"), limits=f"valkey://{ELSEWHERE}:{valkey.port}")
        assert refused.returncode == 1 and "Valkey is on another machine: without TLS" in refused.stderr
        code, found, _ = examine(tmp_path / "no", limits=f"valkey://{ELSEWHERE}:{valkey.port}")
        assert (code, states(found, "limits")) == (1, ["fault"])


def test_what_a_wrong_password_costs_and_which_hashes_cost_too_much(tmp_path: Path) -> None:
    salt, digest = "c2FsdHNhbHRzYWx0c2FsdA", "A" * 43
    argon2, big = "$argon2id$v=19$m=65536,t=3,p=1$", "$argon2id$v=19$m=262144,t=1,p=1$"
    hashes = [
        f"{argon2}{salt}${digest}",
        "$2b$15$" + "C" * 53,
        f"{big}{salt}${digest}",
        f"{big}{salt}${digest[::-1]}",
        "$2b$05$" + "C" * 53,
    ]
    people = [{"name": "Old", "email": f"old{at}@example.com", "password_hash": hash} for at, hash in enumerate(hashes)]
    allowed = ("--imported-hash-seconds", "10", "--imported-hash-memory", "512")
    data = str(tmp_path / "data")
    rollbook("migrate", "--data", data)
    rollbook("users", "import", "-", "--data", data, *allowed, input="\n".join(map(json.dumps, people)))
    good = {"password_memory": "19456", "password_time_cost": "2"}
    _, found, _ = examine(tmp_path / "data", **good)
    told = [(each["state"], each["found"]) for each in found["password hashes"]]
    assert told == [
        ("ok", "a wrong password costs at most 2 s of a core and 1 MiB: $2b$15$"),
        ("warning", "One user has $2b$15$: a stranger's wrong password for them costs 2 s of a core and 1 MiB"),
        ("warning", f"2 users have {big}, which needs 256 MiB: no password matches"),
        ("warning", "One user has $2b$05$, which is easy to guess at for whoever steals the database"),
    ]
    _, found, _ = examine(tmp_path / "data", *allowed, password_memory="8", password_time_cost="2")
    assert [each["state"] for each in found["password hashes"]] == ["ok", "warning", "warning"]
    assert found["password hashes"][2]["found"] == "password_memory 8 and password_time_cost 2 are for tests"


def test_the_owners_credentials_that_were_never_deleted_are_told(tmp_path: Path) -> None:
    with running(tmp_path):
        (tmp_path / "first-start.txt").write_text("as a first start writes it, where no one reads its output")
        code, found, _ = examine(tmp_path)
    assert code == 0 and states(found, "first start") == ["warning"]
    assert "Delete it" in found["first start"][0]["fix"]
    (tmp_path / "first-start.txt").unlink()
    assert "first start" not in examine(tmp_path)[1]
