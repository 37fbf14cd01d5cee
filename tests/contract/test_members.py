"""Members' own pages: profile, security and sessions, in the brand of the server and the language of the reader."""

from __future__ import annotations

import re
from pathlib import Path

from tests.engines import once
from tests.harness import new_key, new_user, running
from tests.visitor import set_password, signed_in, visitor

ACME = {"ROLLBOOK_MEMBER_FIELDS": "name,email", "ROLLBOOK_BRAND_NAME": "Acme Cloud"}
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"
OWN = {"/account": "Profil", "/account/security": "Sicherheit", "/account/sessions": "Sitzungen"}


@once
def test_members_have_pages_in_brand_and_language_and_no_api_keys(tmp_path: Path) -> None:
    with running(tmp_path / "data", environment=ACME) as server, server.http() as http:
        member, viewer = new_user(http), new_user(http, role="viewer")
        key = {"name": "Mine", "reach": "all", "expires": "90"}
        with signed_in(server, member, **{"Accept-Language": "de-CH", "User-Agent": CHROME}) as person:
            for path, title in OWN.items():
                page = person.get(path).text
                assert '<html lang="de">' in page and f"<title>{title} · Acme Cloud</title>" in page
                assert [href for href in OWN if f'<a href="{href}"' in page] == list(OWN)
                assert not re.search(r"Copy|user ID|Chrome on|never|\d [A-Z][a-z]{2} \d{4}, ", page), path
                assert "Rollbook" not in page and "API keys" not in page and "/account/keys" not in page
            for path in (
                "/account/keys",
                "/account/keys/new",
                "/account/assistants",
                "/account/usage",
                "/account/requests",
            ):
                assert person.get(path).status_code == 403, path
            assert person.post("/account/keys", data=key).status_code == 403
            page = person.get("/admin/users", headers={"Accept": "text/html"}).text
            assert "<title>Kein Zugriff · Acme Cloud</title>" in page
            assert "Rollbook" not in page and "Mit Ihrem Konto können Sie diese Seite nicht öffnen." in page
            lost = person.get("/account/nothing", headers={"Accept": "text/html"})
            assert lost.status_code == 404 and '<html lang="de">' in lost.text and "Rollbook" not in lost.text
            assert '<html lang="fr">' in person.get("/account?lang=fr").text, "chosen at the foot of the page"
            assert '<html lang="fr">' in person.get("/account/security").text, "and remembered"
            person.get("/account?lang=de")
            saved = person.post("/account/profile", data={"name": "Ada", "email": member["email"]})
            assert saved.status_code == 303 and "Gespeichert." in person.get("/account").text
        new_key(http, user_id=member["id"])
        with signed_in(server, viewer) as person:
            assert person.post("/account/keys", data=key).status_code == 303
            assert "Rollbook</title>" in person.get("/account").text


@once
def test_who_accepts_an_invitation_stays_in_brand_and_language(tmp_path: Path) -> None:
    with running(tmp_path / "data", environment=ACME) as server, server.http() as http:
        member = {"name": "Ines", "email": "ines@example.com", "status": "invited"}
        invited = http.post("/v1/users", json=member).json()
        link = http.post(f"/v1/users/{invited['id']}/tokens", json={"purpose": "invite"}).json()["url"]
        with visitor(server, **{"Accept-Language": "de"}) as person:
            accepted = set_password(person, link, "a few random words")
            assert accepted.headers["location"] == "/account"
            page = person.get("/account").text
            assert '<html lang="de">' in page and "Acme Cloud" in page and "You’re signed in" not in page
