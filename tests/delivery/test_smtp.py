"""Sending mail to a real server: TLS before anything else, what each answer means, and addresses of all kinds."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollbook import config
from rollbook.config import ConfigurationError, Settings
from rollbook.delivery import outcomes, smtp
from rollbook.delivery.mails import Letter
from rollbook.delivery.sender import Sent
from rollbook.delivery.smtp import Failed, Mailer, MailTimeouts
from tests.certificates import Certified, certified
from tests.harness import free_port
from tests.mail_server import HANGS, PASSWORD, USER, MailServer, mail_server

LETTER = Letter(
    "alice@example.com",
    "A subject",
    "A text.\n.\nFrom here on\n",
    "<p>A text.</p>",
    "en",
    "evt_1",
    1_700_000_000_000_000,
)
QUICK = MailTimeouts(connect=0.3, total=0.6, idle=0.1)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certified(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture
def server(certificate: Certified) -> Iterator[MailServer]:
    with mail_server(certificate) as found:
        yield found


def settings(server: MailServer, **changed: Any) -> Settings:
    return config.load({**server.settings(), **changed}, {})[0]


def send(settings: Settings, *letters: Letter, timeouts: MailTimeouts = smtp.TIMEOUTS) -> list[Sent]:
    async def run() -> list[Sent]:
        mailer = Mailer(settings, timeouts)
        try:
            return [await mailer.send(letter) for letter in letters]
        finally:
            await mailer.close()

    return asyncio.run(run())


def outcome(settings: Settings, letter: Letter = LETTER, timeouts: MailTimeouts = smtp.TIMEOUTS) -> str:
    (sent,) = send(settings, letter, timeouts=timeouts)
    assert outcomes.describe_mail(sent.outcome)
    return sent.outcome


def test_a_mail_arrives_whole_after_starttls_and_a_login(server: MailServer) -> None:
    assert outcome(settings(server, mail_reply_to="Help <help@example.com>")) == outcomes.DELIVERED
    (mail,) = server.mails
    assert server.logins == [(USER, PASSWORD)]
    assert (mail.sender, mail.recipient) == ("no-reply@example.com", "alice@example.com")
    assert mail.text == LETTER.text
    assert mail.html.strip() == LETTER.html
    found = {name: str(value) for name, value in mail.message.items() if name != "Content-Type"}
    assert found == {
        "From": "Example <no-reply@example.com>",
        "To": "alice@example.com",
        "Reply-To": "Help <help@example.com>",
        "Subject": "A subject",
        "Date": "Tue, 14 Nov 2023 22:13:20 +0000",
        "Message-ID": "<evt_1@rollbook.example.com>",
        "Auto-Submitted": "auto-generated",
        "Content-Language": "en",
        "MIME-Version": "1.0",
    }


def test_a_logo_comes_with_the_mail_that_shows_it(server: MailServer) -> None:
    logo = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    shown = LETTER._replace(html='<p><img src="cid:logo" alt="Example"></p>', logo=logo)
    assert [sent.outcome for sent in send(settings(server), shown, shown._replace(html="<p></p>"))] == ["delivered"] * 2
    first, second = server.mails
    (image,) = [part for part in first.message.walk() if part.get_content_type() == "image/png"]
    assert image.get_content() == logo and image["Content-ID"] == "<logo>"
    assert first.text == LETTER.text and 'src="cid:logo"' in first.html
    assert "image/png" not in second.content.decode()


def test_several_mails_share_a_connection(server: MailServer) -> None:
    letters = [LETTER._replace(id=f"evt_{number}") for number in range(3)]
    assert [sent.outcome for sent in send(settings(server), *letters)] == [outcomes.DELIVERED] * 3
    assert [mail.id.split("@")[0] for mail in server.mails] == ["<evt_0", "<evt_1", "<evt_2"]
    assert len(server.logins) == 1


def test_without_starttls_nothing_is_sent_not_even_the_password() -> None:
    with mail_server() as server:
        url = server.url.replace("smtp+insecure://", f"smtp://{USER}:secret@")
        assert outcome(settings(server, smtp=url)) == outcomes.NO_STARTTLS
        assert not server.logins and not server.recipients
        assert outcome(settings(server)) == outcomes.DELIVERED, "smtp+insecure:// says that this is all right"


def test_tls_from_the_first_byte(certificate: Certified) -> None:
    with mail_server(certificate, is_implicit=True) as server:
        assert outcome(settings(server)) == outcomes.DELIVERED
        assert server.logins == [(USER, PASSWORD)]
        plain = server.url.replace("smtps://", "smtp://")
        assert outcome(settings(server, smtp=plain), timeouts=QUICK) in (outcomes.TIMED_OUT, outcomes.DISCONNECTED)


def test_a_certificate_that_is_not_trusted_or_for_another_name_is_told(server: MailServer, tmp_path: Path) -> None:
    unknown = settings(server, smtp_ca="")
    other = settings(server, smtp=server.url.replace("127.0.0.1", "localhost"))
    for found, why in ((unknown, "unable to get local issuer certificate"), (other, "Hostname mismatch")):
        (sent,) = send(found, LETTER)
        assert sent.outcome == outcomes.TLS_FAILED and why in (sent.detail or ""), sent
    assert not server.logins and not server.mails
    for content in (None, "no certificate"):
        file = tmp_path / "authority.pem"
        if content:
            file.write_text(content)
        with pytest.raises(ConfigurationError, match=r"^smtp_ca: .*authority\.pem cannot be read"):
            smtp.check_settings(settings(server, smtp_ca=str(file)))
    smtp.check_settings(settings(server))


def test_a_wrong_password_is_told_and_not_repeated_in_what_is_told(server: MailServer) -> None:
    (sent,) = send(settings(server, smtp=server.url.replace("pass%20word", "guessed")), LETTER)
    assert sent.outcome == outcomes.LOGIN_FAILED
    assert sent.detail and sent.detail.startswith("535") and "guessed" not in sent.detail


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("450 Mailbox busy", "smtp_450"),
        ("451 Try later", "smtp_451"),
        ("550 No such user <alice@example.com>", "smtp_550"),
        ("552 Too much", "smtp_552"),
    ],
)
def test_answers_about_a_mail_are_its_outcome(server: MailServer, answer: str, name: str) -> None:
    for place in ("answer", "answer_recipient"):
        setattr(server, place, lambda _: answer)
        (sent,) = send(settings(server), LETTER)
        assert (sent.outcome, sent.detail) == (name, answer)
        assert outcomes.is_final(name) == name.startswith("smtp_5")


def test_after_a_refused_mail_the_next_one_is_sent(server: MailServer) -> None:
    server.answer_recipient = lambda address: "250 OK" if address.startswith("bob") else "550 Unknown"
    bob = LETTER._replace(recipient="bob@example.com")
    found = [sent.outcome for sent in send(settings(server), LETTER, bob, LETTER, bob)]
    assert found == ["smtp_550", outcomes.DELIVERED] * 2


def test_a_server_that_hangs_is_left_after_a_while(server: MailServer) -> None:
    server.answer = lambda mail: HANGS
    assert outcome(settings(server), timeouts=QUICK._replace(connect=60)) == outcomes.TIMED_OUT
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"smtp://127.0.0.1:{silent.getsockname()[1]}"
        assert outcome(settings(server, smtp=url), timeouts=QUICK) == outcomes.TIMED_OUT


@pytest.mark.parametrize(
    ("greeting", "name"),
    [
        (b"", outcomes.CONNECT_FAILED),
        (b"HTTP/1.1 200 OK\r\n\r\n", outcomes.BAD_RESPONSE),
        (b"554 Go away\r\n", outcomes.REFUSED),
        (b"421 Busy\r\n", "smtp_421"),
        (b"x" * 100_000, outcomes.BAD_RESPONSE),
    ],
)
def test_what_is_no_mail_server_is_told(server: MailServer, greeting: bytes, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)

        thread = threading.Thread(target=greet)
        thread.start()
        assert outcome(settings(server, smtp=f"smtp://127.0.0.1:{listener.getsockname()[1]}")) == name
        thread.join()
    assert outcome(settings(server, smtp=f"smtp://127.0.0.1:{free_port()}")) == outcomes.CONNECT_FAILED


def test_addresses_in_all_scripts(certificate: Certified) -> None:
    with mail_server(certificate) as server:
        for recipient, there in (
            ("алиса@пример.рф", "алиса@xn--e1afmkfd.xn--p1ai"),
            ("alice@bücher.example", "alice@xn--bcher-kva.example"),
            ("o'neil+tag@example.com", "o'neil+tag@example.com"),
        ):
            assert outcome(settings(server), LETTER._replace(recipient=recipient)) == outcomes.DELIVERED
            mail = server.mails[-1]
            assert mail.recipient == there
            assert str(mail.message["To"]) == there
            assert ("SMTPUTF8" in mail.options) == (not there.isascii())
        sender = "Köche & Söhne <post@bücher.example>"
        assert outcome(settings(server, mail_from=sender)) == outcomes.DELIVERED
        assert str(server.mails[-1].message["From"]) == "Köche & Söhne <post@xn--bcher-kva.example>"
        assert server.mails[-1].content.isascii()
    with mail_server(certificate, enable_SMTPUTF8=False) as server:
        assert outcome(settings(server), LETTER._replace(recipient="alice@bücher.example")) == outcomes.DELIVERED
        assert server.mails[-1].recipient == "alice@xn--bcher-kva.example"
        assert outcome(settings(server), LETTER._replace(recipient="алиса@example.com")) == outcomes.UNFIT_ADDRESS
        assert len(server.mails) == 1 and outcomes.is_final(outcomes.UNFIT_ADDRESS)


@pytest.mark.parametrize("field", ["recipient", "subject", "language", "id"])
def test_a_line_break_makes_no_header(server: MailServer, field: str) -> None:
    changed: dict[str, Any] = {field: f"{getattr(LETTER, field)}\r\nBcc: mallory@example.com"}
    letter = LETTER._replace(**changed)
    with pytest.raises(ValueError):
        send(settings(server), letter)
    assert not server.mails and not server.recipients


def test_8_bit_text_arrives_as_it_was_written(server: MailServer) -> None:
    letter = LETTER._replace(subject="こんにちは 🎉 " * 20, text="Grüße\n" + "ü" * 2000 + "\n", html="<p>Grüße</p>")
    assert outcome(settings(server), letter) == outcomes.DELIVERED
    (mail,) = server.mails
    assert mail.subject.split() == letter.subject.split()
    assert mail.text == letter.text
    assert mail.content.isascii() and max(map(len, mail.content.splitlines())) <= 998


def test_the_check_connects_and_signs_in(server: MailServer) -> None:
    told = asyncio.run(Mailer(settings(server)).check())
    assert told == f"127.0.0.1:{server.port}, TLSv1.3, SMTPUTF8, signed in as {USER}"
    assert not server.mails
    with pytest.raises(Failed) as failed:
        asyncio.run(Mailer(settings(server, smtp=f"smtp://127.0.0.1:{free_port()}")).check())
    assert failed.value.outcome == outcomes.CONNECT_FAILED
