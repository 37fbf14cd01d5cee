"""The notation of mail servers, `smtp://user:password@host:587`, and of senders, `Example <no-reply@example.com>`."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, Self
from urllib.parse import quote, unquote, urlsplit

TLS = Literal["starttls", "implicit", "none"]

NOTICES = (
    "email_change_requested",
    "email_changed",
    "password_changed",
    "new_device",
    "key_created",
    "key_expiring",
    "webhook_disabled",
    "second_factor_added",
    "second_factor_removed",
    "recovery_codes_created",
    "guesses_exhausted",
    "rule_waiting",
    "rule_stopped",
    "import_waiting",
)
"""Kinds of mails that no one has asked for."""

_SCHEMES: dict[str, tuple[TLS, int]] = {
    "smtp": ("starttls", 587),
    "smtps": ("implicit", 465),
    "smtp+insecure": ("none", 25),
}
_HOW_TO_WRITE_IT = (
    "Use smtp://user:password@host:587 (STARTTLS), smtps://user:password@host:465 (TLS), or, on a network you trust, "
    "smtp+insecure://host:25. In user and password, write the characters / ? # % @ as %2F %3F %23 %25 %40."
)
# RFC 5322 section 3.4, without the forms that no one writes: comments, groups and quoted local parts.
_IS_SENDER = re.compile(
    r"""(?:(?P<name>[^\x00-\x1f\x7f"<>@,]*|"[^\x00-\x1f\x7f"\\]*")\s*<(?P<there>[^\s<>@,;:"]+@[^\s<>@,;:"]+)>"""
    r"""|(?P<alone>[^\s<>@,;:"]+@[^\s<>@,;:"]+))"""
).fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class MailServer(NamedTuple):
    """An SMTP server, and how to sign in to it."""

    host: str
    port: int
    tls: TLS
    """`starttls` demands it (RFC 3207): without it nothing is sent, not even the password."""
    user: str = ""
    password: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError with a sentence that says what to write, never with the text: that has a password."""
        scheme = text.partition("://")[0].lower()
        if scheme not in _SCHEMES:
            raise ValueError(f"not the URL of a mail server. {_HOW_TO_WRITE_IT}")
        tls, port = _SCHEMES[scheme]
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port or port
        except ValueError:
            raise ValueError(f"host or port cannot be read. {_HOW_TO_WRITE_IT}") from None
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if not host or parts.path.strip("/") or parts.query or parts.fragment or _CONTROL.search(user + password):
            raise ValueError(f"only user, password, host and port belong into the URL. {_HOW_TO_WRITE_IT}")
        if bool(user) != bool(password):
            raise ValueError(f"user and password go together. {_HOW_TO_WRITE_IT}")
        return cls(host, port, tls, user, password)

    @property
    def url(self) -> str:
        """The setting."""
        scheme = next(scheme for scheme, (tls, _) in _SCHEMES.items() if tls == self.tls)
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        return f"{scheme}://{login}{self.address}"

    @property
    def address(self) -> str:
        """Host and port, for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class MailFrom(NamedTuple):
    """Name and email of whom mail comes from."""

    name: str
    email: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError with a sentence that says what to write."""
        parts = _IS_SENDER(text)
        if parts is None:
            raise ValueError(
                f"{text!r} is not a sender. Use an email address, or a name and an email address such as "
                "Example <no-reply@example.com>."
            )
        return cls((parts["name"] or "").strip().strip('"'), parts["there"] or parts["alone"])
