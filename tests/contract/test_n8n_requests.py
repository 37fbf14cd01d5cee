"""Requests that the node for n8n makes of its forms, against the server: quickly, without n8n."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2

from tests.engines import once
from tests.harness import running
from tests.n8n_operations import OPERATIONS, every_operation

ROOT = Path(__file__).resolve().parents[2]
PROPERTIES = "import json, sdk_n8n; print(json.dumps(sdk_n8n.properties()).replace('\"@time\"', '\"={{ $value }}\"'))"


class Node:
    """What stands in for n8n: a request of its forms is made and sent."""

    def __init__(self, http: httpx2.Client) -> None:
        self.http = http
        self.properties = json.loads(_run([sys.executable, "-c", PROPERTIES], ROOT / "tools"))
        self.called: set[str] = set()

    def call(self, name: str, /, **body: Any) -> list[dict[str, Any]]:
        self.called.add(name)
        resource, operation = name.split()
        parameters = {"resource": resource, "operation": operation, **OPERATIONS[name]}
        form = {"properties": self.properties, "parameters": parameters, "body": body}
        asked = json.loads(_run(["node", ROOT / "tests" / "n8n_request.mjs"], ROOT, json.dumps(form)))
        answer = self.http.request(
            asked["method"], asked["url"], params=asked["query"] or None, json=asked["body"] or None
        )
        assert answer.is_success, f"{name}: {answer.text}"
        if asked["succeeds"] and not answer.content:
            return [{"success": True}]
        return answer.json() if isinstance(answer.json(), list) else [answer.json()]


def _run(command: list[Any], folder: Path, sent: str = "") -> str:
    done = subprocess.run(command, cwd=folder, input=sent, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@once
def test_each_operation_of_the_node_sends_what_the_server_accepts(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none") as server, server.http() as http:
        node = Node(http)
        every_operation(node, http)
        operations = [each for each in node.properties if each["name"] == "operation"]
        offered = {
            f"{each['displayOptions']['show']['resource'][0]} {option['value']}"
            for each in operations
            for option in each["options"]
        }
        assert node.called == OPERATIONS.keys() == offered
