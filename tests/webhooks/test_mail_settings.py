"""Mail and brand as owners set them in the dashboard: every worker and node follows, what the server was started with
wins, and the password of the mail server is shown to no one and sent to no other."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from rollbook.records.webhooks import MAIL_ID
from tests.harness import OWNER_EMAIL, Server, new_user
from tests.mail_server import ACCEPTED, PASSWORD, USER, MailServer, mail_server
from tests.visitor import signed_in, visitor
from tests.webhooks.test_mail import NO_LIMITS, add_key

MAIL, BRAND = "/admin/server/mail", "/admin/server/brand"
SENDER = "Acme <no-reply@acme.example>"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'


@pytest.fixture(scope="module")
def nodes(engine: str, mail: MailServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """A server of two workers, and on PostgreSQL another node."""
    folder = tmp_path_factory.mktemp("nodes")
    assert mail.certified is not None
    common = {"ROLLBOOK_SECRET": secrets.token_hex(32), "ROLLBOOK_SMTP_CA": str(mail.certified.authority)}
    flags = (*NO_LIMITS, "--workers", "2", "--brand-support", "mailto:help@acme.example")
    first = Server(folder / "one", *flags, environment=common)
    nodes = [first]
    if first.database:
        same = {**common, "ROLLBOOK_DATABASE": first.database, "ROLLBOOK_DATABASE_DIRECT": ""}
        nodes.append(Server(folder / "two", *flags, environment=same, owner_key=first.key))
    for node in nodes:
        node.environment["ROLLBOOK_PUBLIC_URL"] = node.url
        node.start()
    try:
        yield nodes
    finally:
        for node in nodes:
            node.stop()


@pytest.fixture(scope="module")
def server(nodes: list[Server]) -> Server:
    return nodes[0]


@pytest.fixture(scope="module")
def owner(server: Server) -> Iterator[httpx2.Client]:
    with signed_in(server) as person:
        yield person


@pytest.fixture(autouse=True)
def _blank(owner: httpx2.Client, mail: MailServer) -> Iterator[None]:
    mail.answer = mail.answer_recipient = lambda _: ACCEPTED
    yield
    save(owner, filled(mail, host="", mail_from=""))
    assert brand(owner, brand_name="", brand_color="", remove_logo="on").status_code == 303


def filled(mail: MailServer, **fields: str) -> dict[str, str]:
    """The form of the mail server."""
    login = {"user": USER, "password": PASSWORD}
    server = {"host": "127.0.0.1", "port": str(mail.port), "tls": "starttls"}
    return {**server, **login, "mail_from": SENDER, "mail_reply_to": "", **fields}


def save(person: httpx2.Client, form: dict[str, str]) -> None:
    answer = person.post(MAIL, data=form)
    assert answer.status_code == 303 and answer.headers["location"] == MAIL, answer.text


def brand(person: httpx2.Client, logo: bytes = b"", **fields: str) -> httpx2.Response:
    """Send the form of the brand as browsers do: its file last, with an empty name where none was chosen."""
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts.append(b'name="logo"; filename="' + (b"logo" if logo else b"") + b'"\r\n\r\n' + logo)
    body = b"".join(b"--part\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--part--\r\n"
    return person.post(BRAND, content=body, headers={"Content-Type": "multipart/form-data; boundary=part"})


def problem(answer: httpx2.Response, field: str) -> str:
    assert answer.status_code == 400, answer.text
    found = re.search(rf'id="field-{field}-problem">([^<]*)<', answer.text)
    assert found, answer.text
    return found[1]


def changes(http: httpx2.Client) -> list[dict[str, Any]]:
    """Events about the settings, newest first."""
    return http.get("/v1/events", params={"type": "settings.updated", "order": "desc"}).json()


def test_what_is_in_the_form_is_tried_before_it_is_saved_and_then_all_mail_goes_that_way(
    owner: httpx2.Client, http: httpx2.Client, server: Server, mail: MailServer
) -> None:
    before, early, user = len(changes(http)), new_user(http), new_user(http)
    assert "is on its way" in owner.post(f"{MAIL}/test", data=filled(mail)).text
    sent = mail.wait_for_mail(OWNER_EMAIL)
    assert str(sent.message["From"]) == SENDER
    assert len(changes(http)) == before and 'value="127.0.0.1"' not in owner.get(MAIL).text, "nothing was saved"
    add_key(http, early)

    save(owner, filled(mail, mail_reply_to="help@acme.example"))
    add_key(http, user)
    assert str(mail.wait_for_mail(user["email"]).message["Reply-To"]) == "help@acme.example"
    assert not mail.to(early["email"]), "mail begins when it is turned on"
    assert (
        "The mail server accepted"
        in server.rollbook("mail", "test", "ada@example.com", "--data", str(server.data)).stderr
    )

    shown = owner.get(MAIL).text
    assert 'value="127.0.0.1"' in shown and f'value="{USER}"' in shown
    (event, *_) = changes(http)
    assert event["actor"]["user_id"] and event["user_id"] is None
    assert event["object"]["smtp"] == f"smtp://…@127.0.0.1:{mail.port}"
    assert event["before"] == {"smtp": "", "mail_from": "", "mail_reply_to": ""}
    places = {**server.kept(), "page": shown.encode(), "events": str(changes(http)).encode()}
    for text in (PASSWORD, quote(PASSWORD, safe="")):
        assert not [name for name, content in places.items() if text.encode() in content]

    save(owner, filled(mail, host=""))
    assert server.ask(f"SELECT count(*) FROM webhook_cursors WHERE webhook_id = '{MAIL_ID}'")[0][0] == 0


def test_mail_that_a_wrong_password_kept_back_is_sent_as_soon_as_it_is_corrected(
    owner: httpx2.Client, http: httpx2.Client, server: Server, mail: MailServer
) -> None:
    user = new_user(http)
    tried = owner.post(f"{MAIL}/test", data=filled(mail, password="wrong")).text
    assert "refused user and password" in tried and "wrong" not in tried
    save(owner, filled(mail, password="wrong"))
    add_key(http, user)
    failed = f"SELECT outcome FROM webhook_deliveries WHERE user_id = '{user['id']}'"
    mail.wait_for(lambda: server.ask(failed))
    assert not mail.to(user["email"])
    save(owner, filled(mail))
    mail.wait_for_mail(user["email"])  # no clock was moved: its next attempt would have been later


def test_the_stored_password_goes_to_no_other_server_user_or_encryption(owner: httpx2.Client, mail: MailServer) -> None:
    save(owner, filled(mail))
    save(owner, filled(mail, password="", mail_from="Other <other@acme.example>"))
    assert "is on its way" in owner.post(f"{MAIL}/test", data=filled(mail, password="")).text
    with mail_server() as other:
        for fields in ({"port": str(other.port)}, {"tls": "none"}, {"user": "root"}, {"host": "localhost"}):
            for path in (MAIL, f"{MAIL}/test"):
                answer = owner.post(path, data=filled(mail, password="", **fields))
                assert problem(answer, "password").startswith("The password is required"), fields
        assert not other.logins and not other.mails


def test_what_does_not_fit_is_told_beside_its_field_and_nothing_is_saved(
    owner: httpx2.Client, http: httpx2.Client, mail: MailServer, tmp_path: Path
) -> None:
    before = len(changes(http))
    for field, value in {
        "host": "evil.example@mail.example",
        "port": "70000",
        "mail_from": "nobody",
        "mail_reply_to": "a@b.example, c@d.example",
    }.items():
        assert problem(owner.post(MAIL, data=filled(mail, **{field: value})), field)
    assert problem(owner.post(MAIL, data=filled(mail, user="")), "user")
    assert problem(owner.post(MAIL, data=filled(mail, mail_from="")), "mail_from") == "The sender is required."
    for fields in ({"brand_color": "red"}, {"brand_name": "x" * 65}):
        assert problem(brand(owner, b"", **fields), next(iter(fields)))
    for logo in (b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"." * 262_144, b"<svg><script/></svg>"):
        assert problem(brand(owner, logo, brand_name="Acme"), "brand_logo")
    image = tmp_path / "logo.svg"
    image.write_bytes(SVG)
    answer = brand(owner, b"", brand_logo=str(image))
    assert "no file of the server is read" in problem(answer, "brand_logo"), "not even whether it is there is told"
    assert len(changes(http)) == before


def test_the_brand_is_seen_on_every_worker_and_node_within_a_second_and_stays_after_a_restart(
    owner: httpx2.Client, http: httpx2.Client, nodes: list[Server], server: Server, mail: MailServer
) -> None:
    assert brand(owner, SVG, brand_name="Acme Cloud", brand_color="#0f766e").status_code == 303
    assert changes(http)[0]["before"] == {"brand_name": "Rollbook", "brand_logo": "", "brand_color": ""}

    def is_seen(node: Server) -> bool:
        with visitor(node) as stranger:
            page = stranger.get("/account/sign-in").text
            logo = stranger.get("/brand/logo")
        return "· Acme Cloud<" in page and "/brand/colors.css" in page and logo.content == SVG

    for node in nodes:
        # A connection is accepted by either worker.
        mail.wait_for(lambda node=node: all(is_seen(node) for _ in range(8)))
    assert brand(owner, PNG).status_code == 303, "fields that are not sent stay"
    server.stop()
    server.start()
    with visitor(server) as stranger:
        assert stranger.get("/brand/logo").content == PNG
        assert "· Acme Cloud<" in stranger.get("/account/sign-in").text
    assert brand(owner, remove_logo="on").status_code == 303
    assert 'alt="The logo"' not in owner.get(BRAND).text


def test_what_the_server_was_started_with_wins_and_is_shown_as_set_there(
    owner: httpx2.Client, http: httpx2.Client, server: Server
) -> None:
    assert "Set by --brand-support, and changed only there." in owner.get(BRAND).text
    assert brand(owner, brand_support="https://evil.example").status_code == 400
    assert brand(owner, brand_name="Stored", brand_color="#123456").status_code == 303
    server.stop()
    server.environment["ROLLBOOK_BRAND_NAME"] = "Rollbook"  # the default, but said
    server.start()
    with visitor(server) as stranger:
        page = stranger.get("/account/sign-in").text
    assert "· Rollbook<" in page and "/brand/colors.css" in page
    assert "Set by ROLLBOOK_BRAND_NAME, and changed only there." in owner.get(BRAND).text
    shown = owner.get("/admin/server").text
    assert "dashboard" in shown and "brand_name = &#34;Rollbook&#34;" in shown, "a line to paste"
    assert "smtp = &#34;smtp://user:password@smtp.example.com:587&#34;" in shown, "an example"
    server.stop()
    del server.environment["ROLLBOOK_BRAND_NAME"]
    server.start()


def test_only_owners_change_them_and_no_one_sends_many_tests(
    owner: httpx2.Client, http: httpx2.Client, server: Server, mail: MailServer
) -> None:
    admin = new_user(http, role="admin")
    with signed_in(server, admin) as person:
        for path in (MAIL, f"{MAIL}/test"):
            assert person.post(path, data=filled(mail)).status_code == 403, path
        assert brand(person, brand_name="Mine").status_code == 403 and person.get(BRAND).status_code == 403
        page = person.get(MAIL)
        assert page.status_code == 200 and 'name="host"' not in page.text
    foreign = owner.post(f"{MAIL}/test", data=filled(mail), headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    answers = [owner.post(f"{MAIL}/test", data=filled(mail)).status_code for _ in range(6)]
    assert answers[-1] == 429
