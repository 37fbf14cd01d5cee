"""Mails as they are sent: header and body of a message, in which nothing of a user's can become another header."""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from typing import NamedTuple

from rollbook import clock
from rollbook.delivery.mail_kinds import LOGO
from rollbook.mailing import Sender


class Unfit(Exception):
    """An address that the mail server can't handle."""


class Letter(NamedTuple):
    """A mail to one recipient."""

    recipient: str
    subject: str
    text: str
    html: str
    language: str
    id: str
    """Of the event it is about, or one of its own: the same on every try."""
    created_at: int
    """The time when the event was recorded, in microseconds."""
    logo: bytes | None = None
    """A PNG image, for HTML that shows it."""


def sendable(email: str, has_utf8: bool) -> str:
    """An address as it is sent. Internationalized domains are sent as A-labels, which every server understands; what is
    before the @ has no such form (RFC 6531). Raises Unfit."""
    local, _, domain = email.rpartition("@")
    if not local.isascii() and not has_utf8:
        raise Unfit(email)
    return f"{local}@{ascii_host(domain)}"


def ascii_host(host: str) -> str:
    """A host name as the DNS has it. Raises Unfit."""
    if host.isascii():
        return host
    import idna

    try:
        return idna.encode(host, uts46=True).decode()
    except UnicodeError:
        raise Unfit(host) from None


def needs_utf8(*emails: str) -> bool:
    """Test whether the server must have SMTPUTF8 to send from and to these."""
    return not all(email.rpartition("@")[0].isascii() for email in emails)


def written(letter: Letter, sender: Sender, reply_to: Sender | None, host: str, has_utf8: bool) -> bytes:
    """The message (RFC 5322). `host` makes its ID unique. Raises Unfit."""
    utf8 = has_utf8 and needs_utf8(letter.recipient, sender.email, *([reply_to.email] if reply_to else ()))
    policy = SMTPUTF8 if utf8 else SMTP
    # What is parsed as an address or a line of text can't hold a line break: `EmailMessage` refuses it.
    message = EmailMessage(policy=policy)
    message["From"] = _mailbox(sender, has_utf8)
    message["To"] = _mailbox(Sender("", letter.recipient), has_utf8)
    if reply_to is not None:
        message["Reply-To"] = _mailbox(reply_to, has_utf8)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(letter.created_at // clock.SECOND, UTC))
    message["Message-ID"] = f"<{letter.id}@{host}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no one's holiday notice answers it
    message.set_content(letter.text, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    if letter.logo is not None and LOGO in letter.html:
        html = message.get_body(("html",))
        assert isinstance(html, EmailMessage)  # what was just added
        html.add_related(letter.logo, "image", "png", cid=f"<{LOGO.removeprefix('cid:')}>", disposition="inline")
    message["Content-Language"] = letter.language
    return message.as_bytes()


def _mailbox(sender: Sender, has_utf8: bool) -> Address:
    # Not `addr_spec`, which is parsed, and refuses what is not ASCII.
    username, _, domain = sendable(sender.email, has_utf8).rpartition("@")
    return Address(sender.name, username, domain)
