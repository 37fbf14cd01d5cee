"""The secret of two nodes is changed while one of them always runs."""

from __future__ import annotations

import secrets
from pathlib import Path

from rollbook.auth.server_secret import Secret
from tests.harness import OWNER_PASSWORD
from tests.nodes.pair import ask, pair, wait_until


def test_nodes_change_their_secret_one_by_one(tmp_path: Path) -> None:
    new = secrets.token_hex(32)
    with pair(tmp_path) as nodes:
        former = nodes.both[0].environment["ROLLBOOK_SECRET"]
        with nodes.both[0].http() as http:
            keys = [http.post("/v1/keys", json={"name": "Shop"}).json()]

        def all_reveal() -> None:
            for node in nodes.both:
                with node.http() as http:
                    for key in keys:
                        answer = http.post(f"/v1/keys/{key['id']}/reveal", json={"password": OWNER_PASSWORD})
                        assert answer.json().get("key") == key["key"], answer.text

        for given in (f"{former} {new}", f"{new} {former}", new):
            for node in nodes.both:
                node.stop()
                node.environment["ROLLBOOK_SECRET"] = given
                node.start()
                with node.http() as http:
                    keys.append(http.post("/v1/keys", json={"name": "Shop"}).json())
                all_reveal()
            if given.startswith(new):  # all is sealed again soon
                wait_until(lambda: fingerprint(nodes.database) == Secret(bytes.fromhex(new)).mac("fingerprint", b""))
        all_reveal()


def fingerprint(database: str) -> bytes:
    return bytes(ask(database, "SELECT fingerprint FROM server_secret")[0][0])
