"""Pages that the first person on a server sees: where the first link is, and where passkeys work."""

from __future__ import annotations

import re
from pathlib import Path

from tests.engines import once
from tests.harness import OWNER_PASSWORD, running
from tests.nodes.pair import wait_until
from tests.visitor import set_password, signed_in, visitor


@once
def test_the_sign_in_page_of_a_new_server_says_where_the_first_link_is(tmp_path: Path) -> None:
    with running(tmp_path / "data", environment={"ROLLBOOK_OWNER_PASSWORD": ""}) as server:
        with visitor(server, **{"Accept-Language": "de"}) as german:
            assert "Dieser Server ist neu" in german.get("/account/sign-in").text
        link = re.search(r"token=(\S+)", (server.data / "first-start.txt").read_text())
        with visitor(server) as owner:
            assert "first-start.txt" in owner.get("/account/sign-in").text
            assert link
            done = set_password(owner, f"/account/set-password?token={link[1]}", OWNER_PASSWORD)
            assert done.status_code == 303
        with visitor(server) as other:
            assert "first-start.txt" not in other.get("/account/sign-in").text


@once
def test_the_first_events_say_what_happened_and_requests_whose_key_it_was(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server, signed_in(server) as owner, server.http() as http:
        overview = owner.get("/admin").text
        assert "signed in to Rollbook" in overview
        request = http.get("/v1/users/me").headers["x-request-id"]
        key = http.get("/v1/keys").json()[0]
        path = f"/admin/requests/{request}"  # the log is 2 seconds behind
        wait_until(lambda: f'/keys/{key["id"]}">first key</a>' in owner.get(path).text)
        assert 'href="/admin">Go to the overview</a>' in owner.get("/admin/nothing").text


@once
def test_where_the_public_url_is_an_ip_address_passkeys_are_for_localhost(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--public-url", "http://127.0.0.1:1") as server, signed_in(server) as person:
        page = person.get("/account/security/passkey").text
        assert 'href="http://localhost:1/account/security/passkey"' in page and "Open <a" not in page
        there = {"Host": f"localhost:{server.port}"}
        assert "Create passkey" in person.get("/account/security/passkey", headers=there).text
