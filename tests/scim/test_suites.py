"""Conformance: the suites of others against a real server."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scim_sanity.probe.runner import run_probe

from tests.engines import once
from tests.harness import Server
from tests.scim.provider import Provider

# Okta's own test of SCIM servers for Runscope, which its developer documentation offers for download ("Okta SCIM 2.0
# SPEC Test", https://developer.okta.com/docs/guides/scim-provisioning-integration-prepare/main/).
OKTA = Path(__file__).parent / "okta-spec.json"


# It fills times with UUIDs, which none of its models takes: they get a time.
TESTER = """
import json, random, sys, httpx2
from datetime import datetime, timezone
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server, filling

def example(path, of=filling.get_random_example_value):
    binding = path.resolve()
    if binding is None or binding.target_type is not datetime:
        return of(path)
    return datetime(2090, 1, 1, 0, 0, random.randrange(60), tzinfo=timezone.utc)

filling.get_random_example_value = example

base_url, headers = json.load(sys.stdin)
with httpx2.Client(base_url=base_url, headers=headers, timeout=60, verify=False) as http:
    results = check_server(SyncSCIMClient(http))
print(json.dumps([f"{each.title}: {each.reason}" * (each.status != Status.SUCCESS) for each in results]))
"""


@once  # test_behaviors and test_protocol are of each database
def test_scim2_tester_finds_nothing(idp: Provider) -> None:
    # In a process of its own: to load it takes a second, and ten where all other tests have been loaded before.
    given = json.dumps([str(idp.http.base_url), dict(idp.http.headers)])
    done = subprocess.run([sys.executable, "-c", TESTER], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert [*filter(None, results)] == []
    assert len(results) >= 90  # as many as there are attributes and calls to check


@once
def test_scim_sanity_finds_nothing_when_it_is_strict(
    server: Server, idp: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    token = idp.http.headers["authorization"].removeprefix("Bearer ")
    exit_code = run_probe(f"{server.url}/scim/v2", token=token, strict=True, json_output=True, accept_side_effects=True)
    report = json.loads(capsys.readouterr().out)
    assert exit_code == 0, report


@once
def test_okta_spec_test_passes(idp: Provider) -> None:
    """Each request with its assertions, in a runner that knows those that the file uses."""
    idp.new_user()
    spec = json.loads(OKTA.read_text())
    name = f"okta{random.getrandbits(32)}"
    variables = {
        "SCIMBaseURL": str(idp.http.base_url).rstrip("/"),
        "auth": idp.http.headers["authorization"],
        "InvalidUserEmail": "abcdefgh@atko.com",
        "UserIdThatDoesNotExist": "010101001010101011001010101011",
        "randomEmail": f"{name}@example.com",
        "randomUsername": f"{name}@example.com",
        "randomUsernameCaps": f"{name}@example.com".upper(),
        "randomGivenName": "Okta",
        "randomFamilyName": "Tester",
    }
    requests = [step for step in spec["steps"] if step["step_type"] == "request"]
    for step in requests:
        answer = _send(step, variables)
        timed = [each for each in step["assertions"] if each["source"] == "response_time"]
        for _ in range(9):
            if all(_found(each, answer) < float(each["value"]) for each in timed):
                break
            answer = _send(step, variables)  # a busy machine may take longer than it says, but not each time
        for each in step["assertions"]:
            _check(each, answer, variables, step["note"])
        for each in step["variables"]:
            variables[each["name"]] = str(_at(answer.json(), each["property"]))
    assert len(requests) == 12


def _filled(text: str, variables: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: variables[match[1]], text)


def _send(step: dict[str, Any], variables: dict[str, str]) -> httpx2.Response:
    url, _, query = _filled(step["url"], variables).partition("?")
    headers = {name: _filled(values[0], variables) for name, values in step["headers"].items()}
    parameters = dict([part.split("=", 1) for part in query.split("&")]) if query else {}
    content = _filled(step["body"], variables) if step.get("body") else None
    return httpx2.request(
        step["method"], url, params=parameters, headers=headers, content=content, timeout=60, verify=False
    )


def _at(found: Any, path: str) -> Any:
    for part in re.findall(r"[^.\[\]]+", path):
        found = found[int(part)] if part.isdigit() else found[part]
    return found


def _found(each: dict[str, Any], answer: httpx2.Response) -> Any:
    if each["source"] == "response_status":
        return answer.status_code
    if each["source"] == "response_time":
        return answer.elapsed.total_seconds() * 1000
    return _at(answer.json(), each["property"]) if each["property"] else answer.text


def _check(each: dict[str, Any], answer: httpx2.Response, variables: dict[str, str], note: str) -> None:
    found = _found(each, answer)
    wanted = None if each["value"] is None else _filled(each["value"], variables)
    text = found if isinstance(found, str) else json.dumps(found)
    passes = {
        "equal_number": lambda: float(found) == float(wanted or ""),
        "not_empty": lambda: found not in (None, "", [], {}),
        "has_value": lambda: wanted in found,
        "contains": lambda: wanted in found,
        "is_a_number": lambda: isinstance(found, int),
        "is_less_than": lambda: found < float(wanted or ""),
        "equal": lambda: text == wanted,
    }
    assert passes[each["comparison"]](), f"{note}: {each} found {found!r}"
