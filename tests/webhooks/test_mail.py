"""Mails about events: to whom, when, what they say, what is tried again, and what is never sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from rollbook import languages
from rollbook.records.webhooks import MAIL_ID
from tests.harness import OWNER_EMAIL, Server, new_user
from tests.mail_server import ACCEPTED, PASSWORD, MailServer
from tests.visitor import sign_in, signed_in, visitor
from tests.webhooks.hooks import Time

NO_LIMITS = ("--rate-limit", "none", "--unauthenticated-limit", "none", "--page-limit", "none", "--mail-rate", "6000")


@pytest.fixture(autouse=True)
def _friendly(mail: MailServer) -> None:
    mail.answer = mail.answer_recipient = lambda _: ACCEPTED


def sending(data: Path, mail: MailServer, *flags: str) -> Server:
    """A server that sends its mail there."""
    server = Server(data)
    server.flags = (*NO_LIMITS, *mail.flags(server.url), *flags)
    return server


@pytest.fixture(scope="module")
def server(engine: str, mail: MailServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = sending(tmp_path_factory.mktemp("server") / "data", mail)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def add_key(http: httpx2.Client, user: dict[str, Any], name: str = "billing") -> str:
    """Something that a mail is sent about. The ID of its event."""
    http.post("/v1/keys", json={"user_id": user["id"], "name": name}).raise_for_status()
    (event,) = http.get("/v1/events", params={"user": user["id"], "type": "key.created"}).json()[-1:]
    return event["id"]


def waiting(server: Server, user: dict[str, Any]) -> int:
    """Mails about a user that wait for another attempt."""
    found = f"SELECT count(*) FROM webhook_lanes WHERE seq IN (SELECT seq FROM events WHERE user_id = '{user['id']}')"
    return server.ask(found)[0][0]


def attempts_about(server: Server, user: dict[str, Any]) -> list[tuple[str, int, str]]:
    """Type, number and outcome of each, in order."""
    return server.ask(
        f"SELECT type, attempt, outcome FROM webhook_deliveries WHERE user_id = '{user['id']}' ORDER BY id"
    )


def test_a_new_key_is_told_to_its_user(http: httpx2.Client, mail: MailServer, user: dict[str, Any]) -> None:
    event = add_key(http, user, "billing <service>")
    found = mail.wait_for_mail(user["email"])
    assert found.id == f"<{event}@[127.0.0.1]>"
    assert found.subject == "New API key for Rollbook"
    assert "Hello Alice Wonderland,\n" in found.text
    assert "API key: billing <service> (rbk_" in found.text
    assert "billing &lt;service&gt;" in found.html and "<service>" not in found.html
    for trace in ("<img", "src=", "url("):
        assert trace not in found.html, "a mail loads nothing, and tells no one that it was read"


def test_people_who_have_not_joined_yet_or_are_suspended_get_no_notice_and_applications_no_mail_at_all(
    http: httpx2.Client, mail: MailServer, user: dict[str, Any]
) -> None:
    fields = {"name": "Ada", "email": f"ada-{user['email']}", "status": "invited"}
    invited = http.post("/v1/users", json=fields).json()
    suspended = new_user(http)
    http.patch(f"/v1/users/{suspended['id']}", json={"status": "suspended"}).raise_for_status()
    shop = http.post("/v1/applications", json={"name": "Shop"}).json()
    shop = http.patch(f"/v1/users/{shop['id']}", json={"email": f"shop-{user['email']}"}).json()
    for each in (invited, suspended, shop, user):
        add_key(http, each)
    mail.wait_for_mail(user["email"])
    assert not any(mail.to(each["email"]) for each in (invited, suspended, shop))


def test_a_changed_email_is_told_to_the_old_one(http: httpx2.Client, mail: MailServer, user: dict[str, Any]) -> None:
    new = f"new-{user['email']}"
    http.patch(f"/v1/users/{user['id']}", json={"email": new}).raise_for_status()
    found = mail.wait_for_mail(user["email"])
    assert found.subject == "Your email address for Rollbook has changed"
    assert new not in found.text and new not in found.html
    http.patch(f"/v1/users/{user['id']}", json={"name": "Another Name"}).raise_for_status()
    add_key(http, user)
    mail.wait_for_mail(new)
    assert len(mail.to(user["email"])) == 1 and len(mail.to(new)) == 1


def test_a_sign_in_with_another_browser_is_told(server: Server, mail: MailServer, user: dict[str, Any]) -> None:
    with signed_in(server, user) as browser:  # the first one ever: nothing to compare it with
        again = sign_in(browser, user["email"], user["password"])
        assert again.status_code == 303
    with visitor(server, **{"User-Agent": "Mozilla/5.0 (Macintosh) Version/17.0 Safari/605"}) as other:
        assert sign_in(other, user["email"], user["password"]).status_code == 303
    found = mail.wait_for_mail(user["email"])
    assert "Browser: Safari on macOS\n" in found.text and "IP address: 127.0.0.1\n" in found.text
    assert len(mail.to(user["email"])) == 1


def test_what_the_server_can_not_take_now_is_sent_again_as_the_same_mail(
    http: httpx2.Client, server: Server, later: Time, mail: MailServer, user: dict[str, Any]
) -> None:
    mail.answer = lambda _: "451 Try again later" if len(mail.to(user["email"])) < 2 else ACCEPTED
    add_key(http, user)
    for count in (1, 2):
        mail.wait_for_mail(user["email"], count)
        mail.wait_for(lambda count=count: len(attempts_about(server, user)) >= count)
        later(90)
    mail.wait_for_mail(user["email"], 3)
    mail.wait_for(lambda: waiting(server, user) == 0)
    sent = mail.to(user["email"])
    assert len({each.id for each in sent}) == 1
    assert len({str(each.message["Date"]) for each in sent}) == 1
    assert attempts_about(server, user) == [
        ("key.created", 1, "smtp_451"),
        ("key.created", 2, "smtp_451"),
        ("key.created", 3, "delivered"),
    ]


def test_what_the_server_will_never_take_is_sent_once(
    http: httpx2.Client, server: Server, later: Time, mail: MailServer, user: dict[str, Any]
) -> None:
    mail.answer_recipient = lambda address: "550 Unknown" if address == user["email"] else ACCEPTED
    add_key(http, user)
    mail.wait_for(lambda: ("key.created", 1, "smtp_550") in attempts_about(server, user))
    later(3600)
    other = new_user(http)
    add_key(http, other)
    mail.wait_for_mail(other["email"])
    assert mail.recipients.count(user["email"]) == 1 and waiting(server, user) == 0


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        ("Ada", "Hello Ada,"),
        ("J. R. R. Tolkien", "Hello J. R. R. Tolkien,"),
        ("{{ 7 * 7 }} {email}", "Hello {{ 7 * 7 }} {email},"),
        ("<b>Ada</b>", "Hello,"),
        ("Win at evil.example", "Hello,"),
        ("x" * 200, "Hello,"),
    ],
)
def test_a_name_is_text_and_leads_nowhere(http: httpx2.Client, mail: MailServer, name: str, greeting: str) -> None:
    user = new_user(http, name=name)
    add_key(http, user)
    found = mail.wait_for_mail(user["email"])
    assert f"{greeting}\n" in found.text
    assert greeting in found.html and "<b>" not in found.html


def test_the_mail_server_is_no_webhook_of_anyones(http: httpx2.Client, mail: MailServer, user: dict[str, Any]) -> None:
    add_key(http, user)
    mail.wait_for_mail(user["email"])
    assert http.get("/v1/webhooks").json() == []
    for path in ("", "/deliveries", "/replays"):
        assert http.get(f"/v1/webhooks/{MAIL_ID}{path}").status_code == 404
    assert http.patch(f"/v1/webhooks/{MAIL_ID}", json={"types": ["*"]}).status_code == 404
    assert http.delete(f"/v1/webhooks/{MAIL_ID}").status_code == 404
    metrics = http.get("/metrics").text
    assert "rollbook_webhooks_enabled 0" in metrics
    assert 'rollbook_mails_total{outcome="delivered"}' in metrics
    assert 'rollbook_webhook_deliveries_total{outcome="delivered"} 0' in metrics


def test_mail_begins_with_what_happens_after_it_is_set_up(engine: str, mail: MailServer, tmp_path: Path) -> None:
    server = Server(tmp_path / "data", *NO_LIMITS)
    on = sending(tmp_path / "data", mail, "--mail-notices", "key_created", "--mail-notices", "email_changed")
    emails = []

    def happens(which: Server) -> None:
        with which.http(server.key) as http:
            user = new_user(http)
            add_key(http, user)
            emails.append(user["email"])

    try:
        for which in (server, on, server, on):
            which.port, which.url = server.port, server.url
            which.flags = server.flags if which is server else (*NO_LIMITS, *mail.flags(server.url))
            which.environment = server.environment
            which.start()
            happens(which)
            if which is on:
                mail.wait_for_mail(emails[-1])
            which.stop()
    finally:
        server.stop()
        on.stop()
    assert [len(mail.to(email)) for email in emails] == [0, 1, 0, 1]


def test_after_a_hundred_wrong_passwords_the_person_is_told_once(
    http: httpx2.Client, mail: MailServer, user: dict[str, Any]
) -> None:
    for number in range(120):
        guess = {"email": user["email"], "password": "wrong", "address": f"10.0.{number}.1"}
        assert http.post("/v1/users/verify-password", json=guess).status_code == 401
    add_key(http, user)  # is told of later
    mail.wait_for(lambda: len(mail.to(user["email"])) == 2)
    first, _ = mail.to(user["email"])
    assert first.subject == "Many failed sign-ins to your account at Rollbook"
    assert f"given 100 times in a row for your account {user['email']}" in first.text


def test_notices_that_are_not_wanted_are_not_sent(engine: str, mail: MailServer, tmp_path: Path) -> None:
    server = sending(tmp_path / "data", mail, "--mail-notices", "email_changed")
    server.start()
    try:
        with server.http() as http:
            user = new_user(http)
            add_key(http, user)
            http.patch(f"/v1/users/{user['id']}", json={"email": f"new-{user['email']}"}).raise_for_status()
        mail.wait_for_mail(user["email"])
        assert [each.subject for each in mail.to(user["email"])] == ["Your email address for Rollbook has changed"]
        assert not mail.to(f"new-{user['email']}")
    finally:
        server.stop()


def test_the_log_names_no_one(server: Server, http: httpx2.Client, mail: MailServer, user: dict[str, Any]) -> None:
    mail.answer = lambda _: "451 Not now"
    add_key(http, user)
    mail.wait_for_mail(user["email"])
    mail.answer = lambda _: ACCEPTED
    log = server.log.read_text()
    assert user["email"] not in log and "@example.com" not in log.replace(OWNER_EMAIL, "")
    assert "pass word" not in log and "pass%20word" not in log and mail.url not in log


def ask(http: httpx2.Client, user: dict[str, Any], purpose: str = "reset_password", **more: str) -> None:
    """As whoever has forgotten their password."""
    body = {"email": user["email"], "purpose": purpose, **more}
    assert http.post("/v1/tokens/request", json=body).status_code == 202


def consume(http: httpx2.Client, link: str, **more: str) -> httpx2.Response:
    return http.post("/v1/tokens/consume", json={"token": link.partition("token=")[2], **more})


def test_a_link_that_was_asked_for_is_mailed_and_works_once(
    server: Server, http: httpx2.Client, mail: MailServer, user: dict[str, Any]
) -> None:
    assert not user["email_verified"]
    ask(http, user)
    found = mail.wait_for_mail(user["email"])
    assert found.subject == "Set a new password for Rollbook"
    assert found.link.startswith(f"{server.url}/account/set-password?token=") and found.link in found.html
    answer = consume(http, found.link, password="a new and longer one")
    assert answer.status_code == 200 and answer.json()["email_verified"], answer.text
    assert consume(http, found.link, password="a new and longer one").status_code == 400


def test_a_dead_link_leads_to_a_new_one(server: Server) -> None:
    with visitor(server) as person:
        for code in languages.NAMES:
            page = person.get("/account/invitation", params={"token": "dead", "lang": code}).text
            assert languages.language(code).t("request_or_ask") in page and "<code>" not in page
            assert f'href="/account/forgot-password?lang={code}"' in page


def test_a_token_is_mailed_instead_of_handed_out(http: httpx2.Client, mail: MailServer, user: dict[str, Any]) -> None:
    new = f"new-{user['email']}"
    password = {"password": "a few random words"}
    for asked, to, more in (
        ({"purpose": "reset_password"}, user["email"], password),
        ({"purpose": "change_email", "email": new}, new, {}),
    ):
        path = f"/v1/users/{user['id']}"
        made = http.post(f"{path}/tokens", json={**asked, "send": True})
        assert made.status_code == 201 and not {"token", "url"} & made.json().keys()
        used = consume(http, mail.wait_for_mail(to).link, **more)
        assert (used.json()["id"], used.json()["email"], used.json()["email_verified"]) == (user["id"], to, True)
        assert http.get(f"{path}/tokens").json() == []


def test_mails_are_in_the_language_that_was_asked_for(
    http: httpx2.Client, mail: MailServer, user: dict[str, Any]
) -> None:
    ask(http, user, language="ja")
    found = mail.wait_for_mail(user["email"])
    assert found.subject == "Rollbookの新しいパスワードの設定"
    assert "Alice Wonderland 様" in found.text and found.message["Content-Language"] == "ja"
    ask(http, user, "sign_in", language="de")
    assert mail.wait_for_mail(user["email"], 2).subject == "Bei Rollbook anmelden"


def test_notices_are_in_the_language_that_their_reader_last_used_on_the_pages(
    server: Server, http: httpx2.Client, mail: MailServer, user: dict[str, Any]
) -> None:
    add_key(http, user)
    assert mail.wait_for_mail(user["email"]).subject == "New API key for Rollbook", "as the server is set"
    with signed_in(server, user, **{"Accept-Language": "de-CH"}) as person:
        add_key(http, user)
        assert mail.wait_for_mail(user["email"], 2).subject == "Neuer API-Schlüssel für Rollbook"
        assert '<html lang="fr">' in person.get("/account?lang=fr").text
        ask(http, user)
        assert mail.wait_for_mail(user["email"], 3).message["Content-Language"] == "fr", "nor has who asked named one"
    with signed_in(server, user, **{"Accept-Language": "ja", "User-Agent": "Mozilla/5.0 (Macintosh) Safari/605"}):
        found = mail.wait_for_mail(user["email"], 4)
    assert found.subject == "Nouvelle connexion à Rollbook", "whoever it was, the reader is who was there before"
    assert "Un navigateur sous macOS" in found.text
    assert http.get(f"/v1/users/{user['id']}/export").json()["language"] == "fr"
    assert http.delete(f"/v1/users/{user['id']}?purge=true").status_code == 204
    assert server.ask(f"SELECT count(*) FROM user_languages WHERE user_id = '{user['id']}'")[0][0] == 0


def test_the_link_of_a_retry_is_the_same_and_what_has_ended_is_not_sent(
    http: httpx2.Client, server: Server, later: Time, mail: MailServer, user: dict[str, Any]
) -> None:
    mail.answer = lambda _: "450 Greylisted"
    ask(http, user)
    first = mail.wait_for_mail(user["email"])
    mail.wait_for(lambda: waiting(server, user) == 1)
    later(90)
    second = mail.wait_for_mail(user["email"], 2)
    assert (first.id, first.link) == (second.id, second.link)
    ((sealed,),) = server.ask(f"SELECT sealed FROM one_time_tokens WHERE user_id = '{user['id']}'")
    assert sealed and first.link.partition("token=")[2].encode() not in bytes(sealed)
    mail.answer = lambda _: ACCEPTED
    mail.wait_for(lambda: len(attempts_about(server, user)) >= 2)
    assert consume(http, second.link, password="a new and longer one").status_code == 200
    later(90)
    mail.wait_for(lambda: waiting(server, user) == 0)
    assert [each.id for each in mail.to(user["email"])].count(first.id) == 2


def test_the_page_of_mail_has_every_attempt_previews_and_a_test(
    server: Server, http: httpx2.Client, mail: MailServer, user: dict[str, Any]
) -> None:
    mail.answer_recipient = lambda address: "550 No such user" if address == user["email"] else ACCEPTED
    event = add_key(http, user)
    mail.wait_for(lambda: ("key.created", 1, "smtp_550") in attempts_about(server, user))
    with signed_in(server) as owner:
        page = owner.get("/admin/server/mail").text
        assert "550 No such user" in page and event in page and "127.0.0.1" in page
        assert PASSWORD not in page and quote(PASSWORD) not in page and mail.url not in page
        assert 'aria-label="Attempts"' not in page, "a region in one that is called so already"
        for kind, name in (("invite", "Invite"), ("sign_in", "Sign-in"), ("test", "Test")):
            assert f">{name}</option>" in page
            greeted = "" if kind == "test" else " Alice Wonderland"  # a test is read by who sends it
            html = owner.get(f"/admin/server/mail/preview?kind={kind}&lang=de")
            assert f"Guten Tag{greeted}," in html.text
            assert "sandbox; default-src 'none'" in html.headers["content-security-policy"]
            text = owner.get(f"/admin/server/mail/preview?kind={kind}&part=text")
            assert text.headers["content-type"].startswith("text/plain") and f"Hello{greeted}," in text.text
        assert owner.get("/admin/server/mail/preview?kind=nothing").status_code == 404
        sent = owner.post("/admin/server/mail/test", data={"kind": "invite", "lang": "de"})
        assert sent.status_code == 200 and f"on its way to {OWNER_EMAIL}" in sent.text
        assert mail.wait_for_mail(OWNER_EMAIL).subject == "Ihre Einladung zu Rollbook"
        mail.answer = lambda _: "451 Busy now"
        failed = owner.post("/admin/server/mail/test", data={"kind": "test"})
        shown = re.search(r'<div class="notice bad.*?<p>([^<]+)', failed.text, re.DOTALL)
        assert shown and shown[1].startswith("127.0.0.1:") and "451 Busy now" in shown[1]
        mail.answer = lambda _: ACCEPTED
        statuses = [owner.post("/admin/server/mail/test", data={"kind": "test"}).status_code for _ in range(6)]
        assert statuses == [200, 200, 200, 429, 429, 429]
    with signed_in(server, user) as member:
        for path in ("", "/preview?kind=test"):
            assert member.get(f"/admin/server/mail{path}").status_code == 403
        assert member.post("/admin/server/mail/test").status_code == 403
    assert not mail.to(user["email"])


def test_whoever_acts_as_an_admin_sends_them_no_test_mail(
    server: Server, http: httpx2.Client, mail: MailServer
) -> None:
    admin = new_user(http, role="admin")
    with signed_in(server) as owner:
        answer = owner.post(f"/admin/users/{admin['id']}/impersonate", data={"reason": "Ticket 4711"})
        assert answer.status_code == 303 and owner.get("/admin/server/mail").status_code == 200
        assert owner.post("/admin/server/mail/test", data={"kind": "test"}).status_code == 403
    with signed_in(server, admin) as person:
        assert person.post("/admin/server/mail/test", data={"kind": "invite"}).status_code == 200
    invitation = mail.wait_for_mail(admin["email"]).subject
    assert "Test" not in invitation and len(mail.to(admin["email"])) == 1, "nothing came before"
