"""Sends made-up requests, good and bad, to a server as it ships, and holds its answers against its own description.

`make fuzz` runs it with 10,000 cases: `python tests/fuzz.py --cases 10000 [--seed N] [--role member]`. The exit code is
1 when an answer is not as described. What schemathesis reports although it is right is told apart in `fuzz_rules.py`,
with the reason for each.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rollbook.roles import ROLES  # noqa: E402
from tests.harness import Server, new_key, new_user, running  # noqa: E402

WIDE = ("--rate-limit", "none", "--unauthenticated-limit", "none", "--page-limit", "none")
# Wrong passwords are most of what a fuzzer sends; without a limit it gets past them.
ENVIRONMENT = {"ROLLBOOK_ATTEMPTS_LIMIT": "none"}
ALL_PHASES = "examples,coverage,fuzzing,stateful"
LONGEST = 840  # seconds of one round


class Outcome(NamedTuple):
    """What one round came to: the requests it made, and the report of those that were answered wrongly."""

    cases: int
    failed: bool
    report: str


def run(
    server: Server, folder: Path, examples: int, seed: int, role: str = "owner", phases: str = ALL_PHASES
) -> Outcome:
    """One round of schemathesis against a running server, `examples` for each call and phase, with the key of a user of
    this role."""
    report = folder / f"{seed}.json"
    with server.http() as http:
        me = http.get("/v1/users/me").json() if role == "owner" else new_user(http, role=role)
        key = server.key if role == "owner" else new_key(http, user_id=me["id"])
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        str(program),
        "run",
        f"{server.url}/openapi.json",
        "--header",
        f"Authorization: Bearer {key}",
        "--checks",
        "all",
        "--phases",
        phases,
        "--max-examples",
        str(examples),
        "--seed",
        str(seed),
        "--continue-on-failure",
        "--max-failures",
        "20",
        "--generation-database",
        "none",
        "--output-truncate",
        "true",
        "--no-color",
        "--no-shrink",
        "--warnings",
        "off",
        "--suppress-health-check",
        "all",
        "--exclude-path",
        "/v1/events/stream",  # it has no end to wait for; tests/contract/test_event_stream.py reads it
        "--report",
        "json",
        "--report-json-path",
        str(report),
    ]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.fuzz_rules",
        "PYTHONPATH": str(ROOT),
        "FUZZ_URL": server.url,
        "FUZZ_KEY": server.key,
        "FUZZ_CALLER": me["id"],
        "FUZZ_REACH": "self" if role == "member" else "all",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST
    )
    if not report.exists():
        raise RuntimeError(f"schemathesis did not run:\n{done.stdout}{done.stderr}")
    found: dict[str, Any] = json.loads(report.read_text())
    failed = bool(found["failures"] or found["errors"] or done.returncode or not found["complete"])
    return Outcome(
        found["test_cases"]["generated"], failed, "\n".join(line[:2000] for line in done.stdout.splitlines())
    )


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--cases", type=int, default=10_000, help="at least so many requests")
    arguments.add_argument(
        "--seed", type=int, default=random.randrange(1 << 32), help="of the first round; each further one has the next"
    )
    arguments.add_argument("--role", choices=list(ROLES), default="owner", help="of the user who sends them")
    given = arguments.parse_args()
    started = time.monotonic()
    cases, rounds, failures = 0, 0, 0
    with tempfile.TemporaryDirectory() as name, running(Path(name) / "data", *WIDE, environment=ENVIRONMENT) as server:
        while cases < given.cases:
            seed = given.seed + rounds
            outcome = run(server, Path(name), 50, seed, given.role)
            cases, rounds = cases + outcome.cases, rounds + 1
            failures += outcome.failed
            print(
                f"{min(cases, given.cases):6,} of {given.cases:,} cases, seed {seed}, "
                f"{time.monotonic() - started:.0f} s",
                flush=True,
            )
            if outcome.failed:
                print(outcome.report, flush=True)
        bugs = [line for line in server.logged() if line.get("status") == 500 or line.get("level") == "error"]
    for line in bugs[:10]:
        print(json.dumps(line), flush=True)
    print(
        f"{cases:,} cases in {rounds} rounds, {failures} rounds with failures, {len(bugs)} errors in the server's log."
    )
    return 1 if failures or bugs else 0


if __name__ == "__main__":
    sys.exit(main())
