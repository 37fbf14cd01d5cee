"""A mail server in a thread of its own, which writes down what arrives and answers as a test wants."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.certificates import Certified
from tests.harness import free_port

USER, PASSWORD = "rollbook", "pass word/1"
ACCEPTED = "250 OK"
HANGS = ""
"""Instead of an answer."""


class Mail:
    """One mail as it arrived."""

    def __init__(self, envelope: Envelope, answer: str) -> None:
        self.sender = envelope.mail_from
        (self.recipient,) = envelope.rcpt_tos
        self.content: bytes = envelope.content  # pyrefly: ignore[bad-assignment]
        self.options = envelope.mail_options
        self.answer = answer
        message = message_from_bytes(self.content, policy=policy.SMTPUTF8)
        assert isinstance(message, EmailMessage)
        self.message = message
        self.id = str(message["Message-ID"])
        self.subject = str(message["Subject"])

    @property
    def text(self) -> str:
        part = self.message.get_body(("plain",))
        assert part is not None
        return part.get_content().replace("\r\n", "\n")

    @property
    def html(self) -> str:
        part = self.message.get_body(("html",))
        assert part is not None
        return part.get_content()

    @property
    def link(self) -> str:
        """The link that the person is to open."""
        found = re.search(r"^https?://\S+$", self.text, re.MULTILINE)
        assert found, self.text
        return found[0]


class MailServer(Controller):
    """`answer` decides about each mail once it has arrived, `answer_recipient` before; both in the server's thread."""

    def __init__(self, certified: Certified | None, **options: Any) -> None:
        self.mails: list[Mail] = []
        self.recipients: list[str] = []
        self.logins: list[tuple[str, str]] = []
        self.answer: Callable[[Mail], str] = lambda mail: ACCEPTED
        self.answer_recipient: Callable[[str], str] = lambda address: ACCEPTED
        self.is_implicit = options.pop("is_implicit", False)
        context = None
        if certified is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certified.certificate, certified.key)
        self.certified = certified
        self._tls = None if self.is_implicit else context
        self._options: dict[str, Any] = {"enable_SMTPUTF8": True, **options}
        super().__init__(
            self,
            hostname="127.0.0.1",
            port=free_port(),
            ssl_context=context if self.is_implicit else None,
            ready_timeout=60,
        )

    def factory(self) -> SMTP:
        return SMTP(
            self,
            hostname="mail.example.com",
            tls_context=self._tls,
            require_starttls=self._tls is not None,
            authenticator=self._authenticate,
            auth_require_tls=not self.is_implicit,
            loop=self.loop,
            **self._options,
        )

    @property
    def url(self) -> str:
        """The setting `smtp`."""
        scheme = "smtps" if self.is_implicit else "smtp" if self._tls is not None else "smtp+insecure"
        login = f"{USER}:{PASSWORD.replace(' ', '%20').replace('/', '%2F')}@" if self._tls or self.is_implicit else ""
        return f"{scheme}://{login}127.0.0.1:{self.port}"

    def settings(self, public_url: str = "https://rollbook.example.com") -> dict[str, Any]:
        found: dict[str, Any] = {
            "smtp": self.url,
            "mail_from": "Example <no-reply@example.com>",
            "public_url": public_url,
        }
        return found if self.certified is None else {**found, "smtp_ca": str(self.certified.authority)}

    def flags(self, public_url: str) -> tuple[str, ...]:
        """Of a server that sends its mail here. Mails are told apart, so hashes may be cheap."""
        settings = {**self.settings(public_url), "password_memory": "8", "password_time_cost": "1"}
        return tuple(part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value))

    def to(self, address: str) -> list[Mail]:
        return [mail for mail in list(self.mails) if mail.recipient == address]

    @property
    def accepted(self) -> list[Mail]:
        return [mail for mail in list(self.mails) if mail.answer == ACCEPTED]

    def wait_for(self, happened: Callable[[], Any], seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < until, f"it did not happen; {len(self.mails)} mails came"
            time.sleep(0.01)

    def wait_for_mail(self, address: str, count: int = 1) -> Mail:
        """The newest of so many to this address."""
        self.wait_for(lambda: len(self.to(address)) >= count)
        return self.to(address)[-1]

    # ---- what aiosmtpd calls

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=self.logins[-1] == (USER, PASSWORD), handled=False)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.recipients.append(address)
        answer = await _given(self.answer_recipient(address))
        if answer == ACCEPTED:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        mail = Mail(envelope, "")
        mail.answer = self.answer(mail)
        self.mails.append(mail)
        return await _given(mail.answer)


async def _given(answer: str) -> str:
    if answer == HANGS:
        await asyncio.sleep(3600)
    return answer


@contextmanager
def mail_server(certified: Certified | None = None, **options: Any) -> Iterator[MailServer]:
    """With STARTTLS and a login if it has a certificate, otherwise in clear and for anyone."""
    server = MailServer(certified, **options)
    server.start()
    try:
        yield server
    finally:
        with suppress(Exception):
            server.stop()
