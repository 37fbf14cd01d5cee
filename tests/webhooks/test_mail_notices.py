"""Mails about what changes how somebody signs in: who gets them, once each, and that strangers' text in them leads
nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from rollbook import languages
from tests.contract import test_imports as imports
from tests.engines import once
from tests.factors import App, enrolled
from tests.harness import Server, new_token, new_user
from tests.mail_server import Mail, MailServer
from tests.visitor import is_signed_in, sign_in, signed_in, visitor
from tests.webhooks.test_mail import add_key, sending

pytestmark = once  # who is told what is decided before anything is written

NEW = "another good one"
PASSWORD, ADDED = "Your password for Rollbook was changed", "A second factor for Rollbook was added"
REMOVED, CODES = "Your second factor for Rollbook was removed", "New recovery codes for Rollbook"
KEY = "New API key for Rollbook"


@pytest.fixture(scope="module")
def server(engine: str, mail: MailServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = sending(tmp_path_factory.mktemp("server") / "data", mail)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def told(http: httpx2.Client, mail: MailServer, user: dict[str, Any]) -> list[Mail]:
    """All mails to a user so far: each is sent before that about a later event."""
    add_key(http, user)
    mail.wait_for(lambda: any(each.subject == KEY for each in mail.to(user["email"])))
    return [each for each in mail.to(user["email"]) if each.subject != KEY]


Way = Callable[[Server, httpx2.Client, dict[str, Any], App], None]


def path(user: dict[str, Any]) -> str:
    return f"/v1/users/{user['id']}"


def own_password_by_page(server: Server, http: httpx2.Client, user: dict[str, Any], app: App) -> None:
    with visitor(server) as person:
        assert sign_in(person, user["email"], user["password"]).status_code == 303
        assert person.post("/account/sign-in/code", data={"code": app.recovery_codes[0]}).status_code == 303
        form = {"current_password": user["password"], "password": NEW}
        assert person.post("/account/password", data=form).status_code == 303


def password_by_admin(server: Server, http: httpx2.Client, user: dict[str, Any], app: App) -> None:
    assert http.put(f"{path(user)}/password", json={"password": NEW}).status_code == 204


def password_by_link(server: Server, http: httpx2.Client, user: dict[str, Any], app: App) -> None:
    token = new_token(http, user["id"], purpose="reset_password")["token"]
    body = {"token": token, "password": NEW, "code": app.recovery_codes[0]}
    assert http.post("/v1/tokens/consume", json=body).status_code == 200


def factor_by_admin(server: Server, http: httpx2.Client, user: dict[str, Any], app: App) -> None:
    enrolled(http, user["id"])


def removed_by_admin(server: Server, http: httpx2.Client, user: dict[str, Any], app: App) -> None:
    assert http.request("DELETE", f"{path(user)}/second-factors/{app.factor_id}", json={}).status_code == 204


def removed_by_page(server: Server, http: httpx2.Client, user: dict[str, Any], app: App) -> None:
    with visitor(server) as person:
        assert sign_in(person, user["email"], user["password"]).status_code == 303
        assert person.post("/account/sign-in/code", data={"code": app.recovery_codes[0]}).status_code == 303
        assert person.post(f"/account/security/{app.factor_id}/remove").status_code == 303


def lifted(server: Server, http: httpx2.Client, user: dict[str, Any], app: App) -> None:
    enrolled(http, user["id"])  # of two, one mail tells
    assert http.delete(f"{path(user)}/second-factors").status_code == 204


def codes_by_admin(server: Server, http: httpx2.Client, user: dict[str, Any], app: App) -> None:
    assert http.post(f"{path(user)}/recovery-codes", json={}).status_code == 200


WAYS: list[tuple[Way, list[str], str]] = [
    (own_password_by_page, [PASSWORD], "Ada"),
    (password_by_admin, [PASSWORD], "owner"),
    (password_by_link, [PASSWORD], "owner"),
    (factor_by_admin, [ADDED], "owner"),
    (removed_by_admin, [REMOVED], "owner"),
    (removed_by_page, [REMOVED], "Ada"),
    (lifted, [ADDED, REMOVED], "owner"),
    (codes_by_admin, [CODES], "owner"),
]


@pytest.mark.parametrize(("way", "subjects", "by"), WAYS)
def test_a_change_of_how_one_signs_in_is_told_once_with_who_made_it(
    server: Server, http: httpx2.Client, mail: MailServer, way: Way, subjects: list[str], by: str
) -> None:
    user = new_user(http, name="Ada")
    app = enrolled(http, user["id"])
    owner = http.get("/v1/users/me").json()["name"]
    way(server, http, user, app)
    found = told(http, mail, user)
    assert [each.subject for each in found] == [ADDED, *subjects]
    assert f"By: {owner if by == 'owner' else by}\n" in found[-1].text and user["email"] in found[-1].text
    assert "set a new password at once and contact Rollbook" in found[-1].text


def test_a_first_password_of_ones_own_and_an_import_are_not_told(http: httpx2.Client, mail: MailServer) -> None:
    row = imports.user()
    fields = {"name": "Ada", "email": f"invited-{row['email']}", "status": "invited"}
    invited = http.post("/v1/users?fields=*", json=fields).json()
    token = new_token(http, invited["id"], purpose="invite")["token"]
    assert http.post("/v1/tokens/consume", json={"token": token, "password": NEW}).status_code == 200
    body = {key: row[key] for key in ("name", "email")} | {"status": "invited"}
    imported = http.post("/v1/users?fields=*", json=body).json()
    assert imports.done(http, row | {"password_hash": imports.HASH}, on_conflict="update")["updated"] == 1
    assert told(http, mail, invited) == [] and told(http, mail, imported) == []


# ---- a change of email


def requested(server: Server, user: dict[str, Any], new: str, **headers: str) -> None:
    """A change that whoever knows the password asks for on the page."""
    with signed_in(server, user, **headers) as thief:
        form = {"name": user["name"], "email": new, "current_password": user["password"]}
        assert thief.post("/account/profile", data=form).status_code == 303


def token_in(link: str) -> dict[str, str]:
    return {"token": link.partition("token=")[2].partition("&")[0]}


def test_the_old_address_hears_of_a_change_of_email_and_its_link_stops_it(
    server: Server, http: httpx2.Client, mail: MailServer, user: dict[str, Any]
) -> None:
    new = f"thief-{user['email']}"
    requested(server, user, new)
    found = mail.wait_for_mail(user["email"])
    assert found.subject == "Your email address for Rollbook is about to change" and new not in found.text
    change = mail.wait_for_mail(new).link
    with visitor(server) as person:
        page = person.get(found.link)
        assert page.status_code == 200 and "Stop the change" in page.text and new not in page.text
        assert [each["email"] for each in http.get(f"{path(user)}/tokens").json()] == [new], "to open it stops nothing"
        wrong = person.post("/account/stop-email-change", data={"token": token_in(found.link)["token"].swapcase()})
        assert wrong.status_code == 404
        done = person.post("/account/stop-email-change", data=token_in(found.link))
        assert done.status_code == 200 and "The change was stopped" in done.text
        assert not is_signed_in(person)
        assert person.post("/account/stop-email-change", data=token_in(found.link)).status_code == 404
        assert person.get(found.link).status_code == 404
        assert person.post("/account/confirm-email", data=token_in(change)).status_code == 404
    assert http.get(path(user)).json()["email"] == user["email"]
    types = [each["type"] for each in http.get("/v1/events", params={"user": user["id"]}).json()]
    assert types[-1] == "token.revoked" and len(told(http, mail, user)) == 1


def test_the_old_address_hears_of_it_in_the_language_of_the_reader_and_of_the_server(
    server: Server, mail: MailServer, user: dict[str, Any]
) -> None:
    """Whoever asks may not be the reader, and would choose a language that the reader doesn't know."""
    requested(server, user, f"new-{user['email']}", **{"Accept-Language": "de-CH, en;q=0.5"})
    found = mail.wait_for_mail(user["email"])
    assert found.message["Content-Language"] == "de"
    assert found.subject == "Ihre E-Mail-Adresse für Rollbook soll geändert werden"
    for code in ("de", "en"):
        expected = languages.language(code).t("mail_email_change_requested_text", email=user["email"])
        assert " ".join(expected.split()) in " ".join(found.text.split())
    assert "Änderung stoppen" in found.html and f"new-{user['email']}" not in found.text


def test_the_link_stops_only_its_own_change_and_does_nothing_else(
    server: Server, http: httpx2.Client, mail: MailServer, user: dict[str, Any]
) -> None:
    body = {"purpose": "change_email", "email": f"new-{user['email']}"}
    new_token(http, user["id"], **body)
    old = mail.wait_for_mail(user["email"]).link
    later = new_token(http, user["id"], **body)  # replaces it
    stops = token_in(mail.wait_for_mail(user["email"], 2).link)
    assert http.post("/v1/tokens/consume", json=stops).status_code == 400
    with visitor(server) as person:
        assert person.post("/account/stop-email-change", data=token_in(old)).status_code == 404
        for page in ("sign-in-link", "confirm-email", "set-password"):
            assert person.post(f"/account/{page}", data=stops).status_code == 404
    assert http.post("/v1/tokens/consume", json={"token": later["token"]}).status_code == 200
    with visitor(server) as person:
        assert person.post("/account/stop-email-change", data=stops).status_code == 404, "it was made"


# ---- strangers' text

LEADS = (
    "Your account is locked. Unlock: https://evil.example/unlock",
    "evil.example",
    "evil\uff0eexample",
    "evil\u3002example",
    "evil\uff61example",
    "evil\u2024example",
    "evil\u00b7example",
    "call 0900 555 0000 now",
    "call \u0660\u0669\u0660\u0660 \u0665\u0665\u0665\u0660",
    "evil@example",
)


@pytest.mark.parametrize("text", LEADS)
def test_text_of_strangers_leads_nowhere(http: httpx2.Client, mail: MailServer, text: str) -> None:
    made = http.post("/v1/users", json={"name": text, "email": imports.email(), "password": NEW})
    creator = None if made.status_code == 400 else made.json()  # some names are none
    user = new_user(http, name=text) if creator else new_user(http)
    add_key(http, user, text)
    found = mail.wait_for_mail(user["email"])
    assert "Hello,\n" in found.text or creator is None
    assert re.search(r"^API key: \(rbk_\S+\)$", found.text, re.MULTILINE), found.text
    for part in (text, "evil", "0900"):
        assert part not in found.text.replace(user["email"], "") and part not in found.html.replace(user["email"], "")


def test_a_browsers_name_leads_nowhere(server: Server, mail: MailServer, user: dict[str, Any]) -> None:
    with visitor(server) as first:
        assert sign_in(first, user["email"], user["password"]).status_code == 303
    with visitor(server, **{"User-Agent": "account-help.evil.example/1 x"}) as other:
        assert sign_in(other, user["email"], user["password"]).status_code == 303
    found = mail.wait_for_mail(user["email"])
    assert "Browser: Unknown browser\n" in found.text and "evil" not in found.text + found.html


def test_a_new_keys_mail_names_its_creator_and_leads_to_the_key(
    server: Server, http: httpx2.Client, mail: MailServer, user: dict[str, Any]
) -> None:
    key = http.post("/v1/keys", json={"user_id": user["id"], "name": "billing"}).json()
    found = mail.wait_for_mail(user["email"])
    assert f"By: {http.get('/v1/users/me').json()['name']}\n" in found.text
    assert found.link == f"{server.url}/account/keys/{key['id']}"
    assert "revoke it at once" in found.text
    with signed_in(server, user) as person:
        assert key["masked"] in person.get(found.link).text
