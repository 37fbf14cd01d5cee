"""The flow of examples/node-red in a real Node-RED."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx2

from rollbook.delivery import signing
from tests.harness import PLAIN, free_port, new_key, new_user, running
from tests.integrations.programs import HOSTS, ROOT, started
from tests.nodes.pair import wait_until

NODE_RED = HOSTS / "node-red" / "node_modules" / ".bin" / "node-red"
FLOW = ROOT / "examples" / "node-red" / "flow.json"
SETTINGS = (
    "module.exports = { uiHost: '127.0.0.1', telemetry: { enabled: false }, logging: { console: { level: 'info' } } };"
)


def test_the_flow_changes_a_user_whose_creation_it_is_told_of_and_refuses_what_is_not_signed(tmp_path: Path) -> None:
    home, port = tmp_path / "node-red", free_port()
    home.mkdir()
    (home / "settings.js").write_text(SETTINGS)
    url = f"http://127.0.0.1:{port}"
    command = [NODE_RED, "--userDir", home, "--settings", home / "settings.js", "--port", str(port), "flow.json"]
    with (
        running(tmp_path / "data", "--webhook-allow", "127.0.0.0/8") as server,
        server.http() as http,
        started(command, home, home / "log", url),
        httpx2.Client(base_url=url, timeout=60, **PLAIN) as node_red,
    ):
        admin = new_user(http, role="admin")
        scopes = ["users:read", "users:write"]
        hook = http.post("/v1/webhooks", json={"url": f"{url}/rollbook", "types": ["user.created"]}).json()
        # What a person does who imports the file, and fills in the properties of the flow.
        tab, *nodes = json.loads(FLOW.read_text())
        (at, key, secret) = tab["env"]
        assert (at["name"], key, secret) == (
            "ROLLBOOK_URL",
            {"name": "ROLLBOOK_KEY", "value": "", "type": "cred"},
            {"name": "ROLLBOOK_WEBHOOK_SECRET", "value": "", "type": "cred"},
        )
        at["value"] = server.url
        tab["credentials"] = {
            "ROLLBOOK_KEY": new_key(http, user_id=admin["id"], scopes=scopes),
            "ROLLBOOK_WEBHOOK_SECRET": hook["secret"],
        }
        deployed = node_red.post("/flows", json={"flows": [tab, *nodes]}, headers={"Node-RED-API-Version": "v2"})
        assert deployed.status_code == 200, deployed.text

        # The button of the node that creates a user.
        button = next(each["id"] for each in nodes if each["type"] == "inject")
        wait_until(lambda: node_red.post(f"/inject/{button}").status_code == 200)
        wait_until(lambda: http.get("/v1/users?q=ada-&fields=metadata").json())
        wait_until(lambda: http.get("/v1/users?q=ada-&fields=metadata").json()[0]["metadata"].get("welcomed_at"))
        wait_until(lambda: http.get(f"/v1/webhooks/{hook['id']}/deliveries").json())
        (delivery,) = http.get(f"/v1/webhooks/{hook['id']}/deliveries").json()
        assert (delivery["outcome"], delivery["http_status"]) == ("delivered", 204)

        body = json.dumps({"id": "evt_1", "type": "user.created", "user_id": admin["id"]}).encode()
        forged = signing.headers("evt_1", int(time.time()), body, [signing.key(signing.new_secret())])
        old = signing.headers("evt_1", int(time.time()) - 600, body, [signing.key(hook["secret"])])
        for headers in ([], forged, old):
            answer = node_red.post("/rollbook", content=body, headers=[*headers, ("content-type", "application/json")])
            assert answer.status_code == 401, answer.text
        assert http.get(f"/v1/users/{admin['id']}?fields=metadata").json()["metadata"] == {}
