"""What the tests of each folder and file need that `.venv` doesn't hold. Standard library only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from environment import CLIENTS, CONNECT, DEPLOY, MIGRATE, Stage
from programs import (
    APACHE,
    BROWSER,
    CARGO,
    CLUSTER,
    CRATES,
    CURL,
    FONT,
    GIT,
    GO,
    HAPROXY,
    JAVA,
    MMDEBSTRAP,
    MOD_AUTH_OPENIDC,
    NEWER_NODE,
    NODE,
    NSPAWN,
    OPENSSL,
    PGBOUNCER,
    PHP,
    PHP_PACKAGES,
    PODMAN,
    POSTGRESQL,
    POSTGRESQL_TLS,
    PROMETHEUS,
    ROOT,
    RUBY,
    RUBY_PACKAGES,
    SQLITE,
    STRACE,
    SWIFT,
    SYSTEMD,
    VALKEY,
    VALKEY_CLI,
    VALKEY_TLS,
    Need,
)

TESTS: dict[str, tuple[Need | Stage, ...]] = {
    "browser": (NODE, BROWSER, FONT, CURL),
    "cli": (POSTGRESQL, CURL),
    "cli/test_doctor.py": (VALKEY,),
    "clients": (NODE, JAVA, GO, CLIENTS),
    "clients/test_more_clients.py": (PHP, *PHP_PACKAGES, RUBY, *RUBY_PACKAGES, CARGO, *CRATES, SWIFT),
    "cluster/test_chaos.py": CLUSTER,
    "concurrency": (VALKEY,),
    "contract": (POSTGRESQL,),
    "contract/test_activity.py": (VALKEY,),
    # These run behind it, see `VARIANTS` in tests/engines.py.
    "contract/test_events.py": (PGBOUNCER,),
    "contract/test_idempotency.py": (PGBOUNCER,),
    "contract/test_keys.py": (PGBOUNCER,),
    "contract/test_limits.py": (VALKEY,),
    "contract/test_n8n_requests.py": (NODE,),
    "contract/test_sessions.py": (PGBOUNCER,),
    "crash": (POSTGRESQL,),
    "delivery/test_signing.py": (NODE,),
    "deploy": (POSTGRESQL, OPENSSL, HAPROXY, STRACE, PROMETHEUS, SYSTEMD, GIT, DEPLOY),
    "deploy/test_booted.py": (MMDEBSTRAP, NSPAWN),
    "deploy/test_image.py": (MMDEBSTRAP, *PODMAN),
    "deploy/test_mod_auth_openidc.py": (APACHE, MOD_AUTH_OPENIDC),
    "deploy/test_three_nodes.py": (POSTGRESQL_TLS, VALKEY_TLS, VALKEY_CLI),
    "docs": (NODE, CURL, MIGRATE),
    "docs/test_recipe_programs.py": (POSTGRESQL,),
    "docs/test_sign_in_programs.py": (BROWSER,),
    "docs/test_webhook_programs.py": (GO,),
    "integrations": (NEWER_NODE, POSTGRESQL),
    "integrations/test_openid_clients.py": (BROWSER, FONT, VALKEY, CONNECT),
    "limits": (VALKEY,),
    "limits/test_limits_valkey_group.py": (VALKEY_CLI,),
    "limits/test_limits_valkey_tls.py": (VALKEY_TLS,),
    "model": (POSTGRESQL,),
    "nodes": (POSTGRESQL, VALKEY),
    "nodes/test_pgbouncer.py": (PGBOUNCER,),
    "observe": (POSTGRESQL,),
    "scim": (POSTGRESQL,),
    "security/test_networks.py": (VALKEY,),
    "sources": (SQLITE, MIGRATE),
    "sources/test_export_queries.py": (POSTGRESQL,),
    "storage": (POSTGRESQL,),
    "storage/test_postgres_tls.py": (POSTGRESQL_TLS,),
    "webhooks": (POSTGRESQL,),
}
"""By paths below tests/; a file needs what its folder does, too."""


SOAK = (
    # Processes and machines that die, in many rounds.
    "crash",
    # Several servers, and clusters of what they stand on.
    "nodes",
    "concurrency/test_limits_nodes.py",
    "limits/test_limits_valkey_group.py",
    # Programs of others: load balancers, systemd, Prometheus, generators of clients.
    "deploy",
    "clients/test_generated_clients.py",
    "clients/test_python_types.py",
    "clients/test_typescript_sdk.py",
    # Crowds that guess without a pause.
    "security/test_crowds.py",
    "security/test_guesses_in_512_mebibytes.py",
    # Thousands of made-up requests.
    "contract/test_description.py",
    # The forms of the node for n8n, without n8n.
    "contract/test_n8n_requests.py",
    # Ten thousand members of a group.
    "scim/test_large.py",
    # Each example of the guide, in each language.
    "docs/test_languages.py",
    "docs/test_follow_programs.py",
    "docs/test_recipe_programs.py",
    "docs/test_typescript_programs.py",
    "docs/test_webhook_programs.py",
    "sources/test_moving.py",
)
"""What `make test` leaves to `make soak`: it is slow, and rarely breaks."""
ELSEWHERE = (
    # Programs of gigabytes, in tasks of their own.
    "integrations",
    "clients/test_collections.py",
    "clients/test_more_clients.py",
    # Whole machines, as root: `make soak ARGS=` with their names.
    "cluster/test_chaos.py",
    "deploy/test_booted.py",
    "deploy/test_image.py",
)
"""What is run only where it is asked for."""
INTEGRATIONS = {
    "test_n8n.py": ("n8n", "hosts/n8n"),
    "test_node_red.py": ("hosts/node-red",),
    "test_openid_clients.py": ("hosts/openid",),
    "test_zapier.py": ("zapier",),
}
COLLECTIONS = "hosts/collections"
"""The folders below integrations/ with a lock file of npm; by the tests that need them."""
IN_BOTH = (
    # On PostgreSQL what `make test` tries on SQLite.
    "contract",
    # The dark theme, narrow pages, and pages without scripts.
    "browser",
    # Two programs more.
    "docs/test_sign_in_programs.py",
    # 4,500 connections instead of 2,500.
    "security/test_unfinished_requests.py",
)
"""What both run: ROLLBOOK_SOAK is set in `make soak`, where these try more."""


COMPAT = (
    # The server's own HTTP: sockets, TLS, event loops, depth and memory.
    "http",
    "limits/test_limits_valkey_tls.py",
    "security/test_memory_of_callers.py",
    "security/test_unfinished_requests.py",
    # Its clients: webhooks and mail, IP addresses that are not public; the SDK.
    "delivery",
    "sdk_python",
    "security/test_webhook_addresses.py",
    "webhooks/test_delivering.py",
    "webhooks/test_mail.py",
    # Processes, signals, threads and warnings, the start and the help.
    "cli/test_backup.py",
    "cli/test_calling.py",
    "cli/test_first_start.py",
    "cli/test_interrupting.py",
    "cli/test_logs.py",
    "cli/test_mcp.py",
    "cli/test_running_server.py",
    "concurrency/test_workers.py",
    "observe/test_log.py",
    "observe/test_metrics.py",
    "rules/test_hashing_queue.py",
    "test_forks.py",
    # Drivers of databases.
    "storage/test_group_commit.py",
    "storage/test_migrate.py",
    "storage/test_postgres_text.py",
    "storage/test_postgres_tls.py",
    "storage/test_postgres_writer.py",
    "storage/test_processes.py",
    "storage/test_sqlite.py",
    # Tables of characters and zones, addresses, JSON, CSV, URLs, hashes, and what is signed.
    "cli/test_import.py",
    "contract/test_access_tokens.py",
    "contract/test_bad_requests.py",
    "contract/test_coding.py",
    "contract/test_forms.py",
    "contract/test_import_rows.py",
    "contract/test_metadata.py",
    "contract/test_names_emails_passwords.py",
    "contract/test_requests.py",
    "rules/test_avatars.py",
    "rules/test_breached_passwords.py",
    "rules/test_emails.py",
    "rules/test_interpreter.py",
    "rules/test_mail_templates.py",
    "rules/test_names.py",
    "rules/test_passkeys.py",
    "rules/test_password_hashes.py",
    "rules/test_password_hashing.py",
    "rules/test_secret.py",
    "rules/test_settings.py",
    "rules/test_zones.py",
    "scim/test_protocol.py",
    "security/test_hidden_text.py",
    "security/test_terminal.py",
    "sources/test_identity_providers.py",
    "sources/test_pasted.py",
    "sources/test_reading.py",
    "sources/test_wrong_files.py",
    # Once through the whole.
    "contract/test_event_stream.py",
    "contract/test_first_steps.py",
    "contract/test_guide.py",
    "contract/test_well_known.py",
)
"""What another version of Python can break: its standard library, its drivers, warnings, processes, memory. All of it on
SQLite and in at most three minutes on two cores. What a route allows and stores is left out: those are lines that read
the same to each version, over the same libraries, and `make test` holds them on the oldest."""
BRIEFLY = (
    "cli/test_calling.py",
    "cli/test_first_start.py",
    "concurrency/test_workers.py",
    "contract/test_bad_requests.py",
    "contract/test_first_steps.py",
    "contract/test_guide.py",
    "delivery",
    "http/test_server_life.py",
    "observe/test_log.py",
    "rules/test_emails.py",
    "rules/test_interpreter.py",
    "rules/test_password_hashing.py",
    "rules/test_settings.py",
    "sdk_python/test_every_call.py",
    "sources/test_reading.py",
    "storage/test_migrate.py",
    "storage/test_processes.py",
    "storage/test_sqlite.py",
    "webhooks/test_delivering.py",
)
"""Of these, what runs on versions between the oldest and that of the image: what breaks there alone is rare."""
WARNINGS = ("DeprecationWarning", "PendingDeprecationWarning", "SyntaxWarning")
"""Errors in `make compat`, in servers and commands as well as in tests."""


def left_to_others(file: Path) -> bool:
    return any(file.is_relative_to(ROOT / "tests" / each) for each in (*SOAK, *ELSEWHERE))


CHOOSING = ("-k", "-m", "--lf", "--last-failed", "--deselect", "--ignore")
"""Options of pytest that leave out tests of the files it is given."""


def of(files: Iterable[Path]) -> list[Need | Stage]:
    """What these files and folders need, each once."""
    tests = ROOT / "tests"
    places = [(tests / name, needs) for name, needs in TESTS.items()]
    touched = (
        needs for file in files for place, needs in places if file.is_relative_to(place) or place.is_relative_to(file)
    )
    return list(dict.fromkeys(each for needs in touched for each in needs))


def packages_of(places: Iterable[Path]) -> list[str]:
    """The folders below integrations/ whose packages these tests need."""
    tests = ROOT / "tests" / "integrations"
    return [
        folder
        for name, folders in INTEGRATIONS.items()
        if any((tests / name).is_relative_to(place) for place in places)
        for folder in folders
    ]


def named(arguments: Sequence[str]) -> list[Path]:
    """The files and folders of tests that pytest's arguments name."""
    places = [Path(each.partition("::")[0]).resolve() for each in arguments if not each.startswith("-")]
    return [place for place in places if place.is_relative_to(ROOT / "tests") and place.exists()]


def of_test() -> list[Path]:
    """The files of `make test`."""
    return [file for file in sorted((ROOT / "tests").rglob("test_*.py")) if not left_to_others(file)]


def of_compat(is_brief: bool = False) -> list[Path]:
    """The files of `make compat`."""
    places = [ROOT / "tests" / each for each in (BRIEFLY if is_brief else COMPAT)]
    return [file for file in of_test() if any(map(file.is_relative_to, places))]


def of_soak() -> list[Path]:
    """The files and folders of `make soak`."""
    places: list[Path] = []
    left_out = {ROOT / "tests" / each for each in ELSEWHERE}
    for place in (ROOT / "tests" / each for each in (*SOAK, *IN_BOTH)):
        places += sorted({*place.glob("test_*.py")} - left_out) if left_out & {*place.glob("*.py")} else [place]
    return places


def chosen(python: Path, arguments: Sequence[str]) -> list[Path]:
    """The files whose tests pytest would run, of which an option such as `-k` may leave out most. Takes some
    seconds."""
    command = [python, "-m", "pytest", *arguments, "--collect-only", "-qq", "-n", "0", "-p", "no:cacheprovider"]
    said = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True).stdout
    files = [ROOT / line.partition(":")[0] for line in said.splitlines()]
    return [file for file in files if file.suffix == ".py" and file.exists()]
