"""`rollbook apps`: an application and its first key in one command."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from rollbook.actions.key_bounds import PURPOSES
from rollbook.cli.apps import PROGRAMS
from rollbook.docs_site import guide
from tests.cli.command import PASSWORD, good, refused, rollbook
from tests.harness import running


def test_one_command_connects_an_application_and_prints_a_key_that_works(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        for place in (("--data", str(server.data)), ("--url", server.url, "--key", server.key)):
            name = f"Shop {place[0]}"
            quiet = good("apps", "create", name, "--role", "viewer", "--scopes", "users:read", "-q", *place).strip()
            with server.http(quiet) as itself:
                me = itself.get("/v1/users/me").json()
                key = itself.get("/v1/users/count")
            assert (me["name"], me["kind"], me["role"]) == (name, "application", "viewer")
            assert key.status_code == 200
        of_user = ("--rate-limit", "none", "--external-id", name, "--metadata", "team=sales")
        made = json.loads(good("apps", "create", "Limited", *of_user, "--json", *place))
        assert [made["user"][field] for field in ("rate_limit", "external_id", "metadata")] == [
            "none",
            name,
            {"team": "sales"},
        ]
        assert (made["key"]["scopes"], made["key"]["revealable"]) == (None, False)
        listed = good("apps", "list", *place)
        assert [name for name in ("Shop --data", "Shop --url", "Limited") if name not in listed] == []


def test_an_application_with_a_purpose_gets_what_it_needs_and_a_program_that_works_as_it_is_printed(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "data") as server, server.http() as http:
        place = ("--url", server.url, "--key", server.key)
        for purpose, wanted in PURPOSES.items():
            done = rollbook("apps", "create", "Shop", "--for", purpose, *place)
            assert done.returncode == 0, done.stderr
            printed = done.stderr.partition("Try it:\n\n")[2].partition("\n\nThe application is")[0]
            for _ in range(2 if purpose != "sign-in" else 0):  # tests/docs/test_as_printed.py runs that one
                ran = subprocess.run(["sh", "-ec", printed], capture_output=True, text=True, timeout=60)
                assert ran.returncode == 0 and '"error"' not in ran.stdout, ran.stdout
                assert "@example.com" in ran.stdout, ran.stdout
            [shop] = http.get("/v1/applications", params={"sort": "-created_at", "limit": 1, "fields": "*"}).json()
            assert (shop["role"], shop["rate_limit"]) == (wanted.role, wanted.rate_limit)
            [key] = http.get("/v1/keys", params={"user": shop["id"]}).json()
            assert (key["name"], set(key["scopes"])) == (f"Shop: {purpose}", set(wanted.scopes))
            assert key["audiences"] == [shop["id"]]
            with server.http(re.search("rbk_[0-9A-Za-z]{38}", printed)[0]) as itself:  # type: ignore[index]
                owner = http.get("/v1/users/me").json()["id"]
                for answer in (
                    itself.delete(f"/v1/users/{owner}"),
                    itself.patch(f"/v1/users/{owner}", json={"name": "Eve"}),
                    itself.post(
                        "/v1/users", json={"name": "E", "email": "e@example.com", "password": PASSWORD, "role": "admin"}
                    ),
                ):
                    assert answer.status_code == 403, (purpose, answer.text)
        named = ("--for", "sign-in", "--audiences", "https://shop.example.com", "--rate-limit", "300/minute", "--json")
        made = json.loads(good("apps", "create", "Shop", *named, *place))
        assert (made["key"]["audiences"], made["user"]["rate_limit"]) == (["https://shop.example.com"], "300/minute")
        assert "--for" in refused("apps", "create", "Shop", "--for", "world-peace", *place, code=2)


def test_the_configuration_of_each_program_has_the_values_of_the_application(tmp_path: Path) -> None:
    data, programs = ("--data", str(tmp_path / "data")), guide.connections()
    assert tuple(programs) == PROGRAMS
    for name, program in programs.items():
        base = f"https://{name}.acme.test"
        url = f"{base}{program.path}"
        made = json.loads(good("apps", "create", name, "--for", name, "--redirect-url", url, "--json", *data))
        block = made["configuration"]
        assert made["client_id"] in block and made["client_secret"] in block and made["issuer"] in block
        assert not re.search("YOUR_|A_LONG_RANDOM", block), block
        assert program.redirect_url.removesuffix(program.path) not in block, "only the application's own address"
        assert name != "grafana" or f"root_url = {base}/\n" in block


def test_it_warns_of_an_issuer_that_the_program_cannot_reach_and_names_the_program_that_was_meant(
    tmp_path: Path,
) -> None:
    grafana = ("apps", "create", "Grafana", "--for", "grafana", "--data", str(tmp_path / "data"), "--redirect-url")
    for host, public_url, warns in (
        ("https://grafana.acme.test", "", True),
        ("http://127.0.0.1:3000", "", False),
        ("https://grafana.acme.test", "https://id.acme.test", False),
    ):
        done = rollbook(*grafana, f"{host}/login/generic_oauth", public_url=public_url)
        assert done.returncode == 0 and ("Set public_url" in done.stderr) == warns, done.stderr
        assert "into the configuration of Grafana:" in done.stderr
    assert "Did you mean grafana?" in refused("apps", "create", "Grafana", "--for", "grafna", code=2)


def test_keys_of_an_application_are_found_by_its_name(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    shop = json.loads(good("apps", "create", "Café", "--json", *data))
    more = json.loads(good("keys", "create", "café", "--json", *data))
    assert (more["user_id"], good("keys", "list", "CAFÉ", "-q", *data).split()) == (
        shop["user"]["id"],
        [shop["key"]["id"], more["id"]],
    )
    shown = good("keys", "list", "--all", *data)
    assert shown.count("Café (application)") == 2 and "applications.invalid" not in shown
    assert "no application Cafés" in refused("keys", "list", "Cafés", *data)
    good("apps", "create", "Café", *data)
    assert "use an ID" in refused("keys", "create", "Café", *data)


def test_an_application_is_shown_changed_and_deleted(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    id = json.loads(good("apps", "create", "Shop", "--json", *data))["user"]["id"]
    assert json.loads(good("apps", "get", id, "--json", *data))["kind"] == "application"
    good("apps", "set", id, "--name", "Web shop", "--rate-limit", "600/minute", *data)
    assert "Web shop" in good("apps", "list", "--search", "web", *data)
    assert good("apps", "list", "--status", "suspended", "-q", *data) == ""
    assert "--yes" in refused("apps", "delete", id, *data)
    good("apps", "delete", id, "--yes", *data)
    assert good("apps", "list", "-q", *data) == ""
    assert "There is no application" in refused("apps", "get", id, *data)


def test_what_it_cannot_be_is_refused_before_anything_is_created(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    assert "--role" in refused("apps", "create", "Shop", "--role", "owner", *data, code=2)
    assert "scopes" in refused("apps", "create", "Shop", "--scopes", "users:fly", *data, code=2)
    assert "rate" in refused("apps", "create", "Shop", "--rate-limit", "fast", *data, code=2)
    assert "--email" in refused("users", "create", "--name", "Ada", *data, code=2)
    good("users", "create", "--name", "Ada", "--email", "ada@example.com", "--status", "invited", *data)
    assert good("apps", "list", "-q", *data) == ""
