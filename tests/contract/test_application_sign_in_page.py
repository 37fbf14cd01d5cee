"""The tab *Sign-in* of an application: what it saves, the secret that it shows once, and the blocks to paste."""

from __future__ import annotations

import re

import httpx2

from tests.harness import Server
from tests.relying import CALLBACK, Application
from tests.visitor import signed_in


def test_an_admin_connects_a_program_on_the_tab_of_its_application(server: Server, http: httpx2.Client) -> None:
    id = http.post("/v1/applications", json={"name": "Grafana"}).json()["id"]
    group = http.post("/v1/groups", json={"name": "Those with dashboards"}).json()["id"]
    path = f"/admin/applications/{id}/sign-in"
    with signed_in(server) as owner:
        assert "Paste into the program" not in owner.get(path).text
        form = {"redirect_urls": f"{CALLBACK}\n\n", "sign_in_groups": "those with dashboards", "role_claim": "on"}
        wrong = owner.post(path, data=form | {"redirect_urls": "http://grafana.example.com/"})
        assert wrong.status_code == 400 and "must begin with https://" in wrong.text
        unknown = owner.post(path, data=form | {"sign_in_groups": "nobody"})
        assert unknown.status_code == 400 and "There is no group nobody." in unknown.text
        assert owner.post(path, data=form).status_code == 303
        saved = http.get(f"/v1/applications/{id}").json()
        assert (saved["redirect_urls"], saved["sign_in_groups"], saved["role_claim"]) == ([CALLBACK], [group], True)
        assert owner.post(f"{path}/secret").headers["location"] == path
        page = owner.get(path)
        secret = re.search("rbk_[0-9A-Za-z]{38}", page.text)
        assert secret and f"client_secret = {secret[0]}" in page.text and f"client_id = {id}" in page.text
        assert page.headers["cache-control"] == "no-store"
        assert (
            http.put(f"/v1/groups/{group}/members/{http.get('/v1/users/me').json()['id']}", json={}).status_code < 300
        )
        app = Application(server, id, secret[0])
        with app.http:
            assert app.userinfo(app.signed_in(owner)["access_token"]).json()["role"] == "owner"
    with signed_in(server) as again:
        assert secret[0] not in again.get(path).text, "in this session only"
