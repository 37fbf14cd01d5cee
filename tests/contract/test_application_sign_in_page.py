"""Connecting a program that people sign in to: as a new application, on the tab *Sign-in* of one, and what a program
with another URL is told."""

from __future__ import annotations

import html
import re

import httpx2

from tests.harness import Server
from tests.relying import CALLBACK, Application
from tests.visitor import signed_in, visitor


def test_an_admin_connects_a_program_on_the_tab_of_its_application(server: Server, http: httpx2.Client) -> None:
    id = http.post("/v1/applications", json={"name": "Grafana"}).json()["id"]
    group = http.post("/v1/groups", json={"name": "Those with dashboards"}).json()["id"]
    path = f"/admin/applications/{id}/sign-in"
    with signed_in(server) as owner:
        assert "Paste into the program" not in owner.get(path).text
        form = {"redirect_urls": f"{CALLBACK}\n\n", "sign_in_groups": group, "role_claim": "on"}
        wrong = owner.post(path, data=form | {"redirect_urls": "http://grafana.example.com/"})
        assert wrong.status_code == 400 and "must begin with https://" in wrong.text
        unknown = owner.post(path, data=form | {"other_groups": "nobody"})
        assert unknown.status_code == 400 and "No group has this name or ID." in unknown.text
        assert owner.post(path, data=form).status_code == 303
        saved = http.get(f"/v1/applications/{id}").json()
        assert (saved["redirect_urls"], saved["sign_in_groups"], saved["role_claim"]) == ([CALLBACK], [group], True)
        assert owner.post(f"{path}/secret").headers["location"] == path
        page = owner.get(path)
        secret = re.search("rbo_[0-9A-Za-z]{38}", page.text)
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


def test_a_new_program_gets_its_redirect_url_its_secret_and_its_configuration(
    server: Server, http: httpx2.Client
) -> None:
    new, url = "/admin/applications/new", "https://grafana.example.com/login/generic_oauth"
    form = {"name": "Dashboards", "purpose": "program", "program": "grafana", "url": "grafana.example.com/"}
    with signed_in(server) as owner:
        assert url in owner.get(new, params=form).text, "it is proposed"
        refused = owner.post(new, data=form | {"url": "http://grafana.example.com"})
        assert refused.status_code == 400 and "The URL must begin with https://" in refused.text
        made = owner.post(new, data=form)
        assert made.status_code == 303
        page = owner.get(made.headers["location"]).text
        id = made.headers["location"].split("/")[3]
        assert http.get(f"/v1/applications/{id}").json()["redirect_urls"] == [url]
        [key] = http.get("/v1/keys", params={"user": id}).json()
        assert key["kind"] == "client", "it reads nothing of the API"
        assert re.search(r"client_secret = rbo_[0-9A-Za-z]{38}", page)
        assert "<td>People sign in</td>" in owner.get("/admin/applications", params={"q": "Dashboards"}).text
        tabs = re.findall(r'name="program" id="program-\d+" value="([^"]+)"( checked)?', page)
        assert [name for name, checked in tabs if checked] == ["Grafana"]
        assert {"GitLab", "JupyterHub", "pgAdmin", "Argo CD"} <= {name for name, _ in tabs}
        whole = owner.post(new, data=form | {"program": "", "url": "https://other.example.com/callback"})
        other = whole.headers["location"].split("/")[3]
        assert http.get(f"/v1/applications/{other}").json()["redirect_urls"] == ["https://other.example.com/callback"]


def test_a_redirect_url_that_is_not_registered_is_named_with_where_to_add_it(
    server: Server, http: httpx2.Client
) -> None:
    id = http.post("/v1/applications", json={"name": "Grafana", "redirect_urls": [CALLBACK]}).json()["id"]
    query = {"client_id": id, "redirect_uri": "http://127.0.0.1:3001/<b>wrong now", "response_type": "code"}
    with visitor(server) as person:
        page = person.get("/oauth2/authorize", params=query)
        text = html.unescape(page.text)
        assert page.status_code == 400 and "location" not in page.headers
        assert "http://127.0.0.1:3001/<b>wrong%20now" in text and "<b>wrong" not in page.text
        assert f'href="/admin/applications/{id}/sign-in"' in page.text and "use its form" not in text
        german = person.get("/oauth2/authorize", params=query | {"lang": "de"})
        assert "Das ist keine der eingetragenen Weiterleitungs-URLs." in german.text
        right = person.get("/oauth2/authorize", params=query | {"redirect_uri": CALLBACK, "scope": "openid"})
        assert "Continue to Grafana" in person.get(right.headers["location"]).text


def test_a_group_says_to_which_applications_it_lets_people_sign_in(server: Server, http: httpx2.Client) -> None:
    group = http.post("/v1/groups", json={"name": "Analysts"}).json()["id"]
    with signed_in(server) as owner:
        assert "Lets people sign in" not in owner.get(f"/admin/groups/{group}").text
        fields = {"name": "Charts", "redirect_urls": [CALLBACK], "sign_in_groups": [group]}
        id = http.post("/v1/applications", json=fields).json()["id"]
        for path in ("", "/details", "/delete"):
            assert (
                f'<a href="/admin/applications/{id}/sign-in">Charts</a>'
                in owner.get(f"/admin/groups/{group}{path}").text
            )
        assert http.delete(f"/v1/groups/{group}").status_code == 204
        path = f"/admin/applications/{id}/sign-in"
        assert f"Deleted group {group}" in owner.get(path).text
        form = {"redirect_urls": CALLBACK, "sign_in_groups": group}
        assert owner.post(path, data=form).status_code == 303
        saved = http.get(f"/v1/applications/{id}").json()
        assert saved["sign_in_groups"] == [group], "nobody is let in by a form that was not about it"
