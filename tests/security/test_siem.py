"""What a SIEM is sent of a day's work, as OCSF: events of its classes, without secrets or cells of strangers' files."""

from __future__ import annotations

import json
from pathlib import Path

from tests.contract.test_imports import ended
from tests.delivery.test_payload import ocsf_schema
from tests.factors import enrolled
from tests.harness import new_user, running
from tests.nodes.pair import wait_until
from tests.visitor import signed_in

CELL = "Cell-of-a-stranger-4711"
SECRET = "a secret passphrase of 2026"


def test_no_secret_reaches_a_siem(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--rate-limit", "none", "--unauthenticated-limit", "none") as server:
        with server.http() as http:
            hook = {"url": "inbox", "format": "ocsf", "types": ["*"]}
            webhook = http.post("/v1/webhooks", json=hook).json()
            user = new_user(http, password=SECRET)
            app = enrolled(http, user["id"])
            key = http.post("/v1/keys", json={"name": "CRM", "user_id": user["id"]}).json()["key"]
            link = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"}).json()["token"]
            acting = {"purpose": "impersonate", "reason": "Ticket 4711"}
            act = http.post(f"/v1/users/{user['id']}/tokens", json=acting).json()["token"]
            session = http.post("/v1/sessions", json={"token": act, "audience": "shop"}).json()
            http.post("/v1/sessions", json={"email": user["email"], "password": "a wrong guess", "audience": "shop"})
            http.put(f"/v1/users/{user['id']}/password", json={"password": SECRET + "!"})
            with signed_in(server) as owner:
                assert owner.get("/account").status_code == 200
            table = f"email,name,{CELL}\n{CELL},Ida,1\nida@example.com,Ida,2\n"
            mapping = json.dumps({CELL: "metadata.plan"})
            job = ended(http, http.post("/v1/imports", params={"mapping": mapping}, content=table).json())
            assert job["refused"] == 1, job
            http.delete(f"/v1/users/{user['id']}")
            last = http.get("/v1/events", params={"order": "desc", "limit": 1}).json()[0]["id"]
            path = f"/v1/webhooks/{webhook['id']}/deliveries"
            wait_until(lambda: last in http.get(path, params={"limit": 1000}).text)
        rows = server.ask(f"SELECT body FROM webhook_inbox WHERE webhook_id = '{webhook['id']}' ORDER BY id")
        bodies = [bytes(body).decode() if isinstance(body, bytes) else str(body) for (body,) in rows]
    types = {json.loads(body)["metadata"]["event_code"] for body in bodies}
    assert {"user.created", "key.created", "token.created", "session.impersonated", "import.finished"} <= types
    for body in bodies:
        message = json.loads(body)
        ocsf_schema(message["class_uid"]).validate(message)
    secrets = [SECRET, "a wrong guess", app.secret, *app.recovery_codes, key, link, act, session["token"]]
    for secret in [*secrets, session["refresh_token"], webhook["secret"], server.key, CELL, "argon2"]:
        assert not [body for body in bodies if secret in body], secret[:8]
