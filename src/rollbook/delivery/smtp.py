"""Sends mail by SMTP, one at a time over a connection that is kept for a while. TLS verifies the server; without it
nothing is sent, unless the settings say so.

`aiosmtplib` speaks the protocol. What it raises is turned into the outcomes of `outcomes`.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from rollbook.client_tls import client_context
from rollbook.config import ConfigurationError, Settings
from rollbook.delivery import mails, outcomes
from rollbook.delivery.mails import Letter, UnfitAddress
from rollbook.delivery.sender import Sent, tls_fault
from rollbook.mailing import MailFrom, MailServer

if TYPE_CHECKING:
    from aiosmtplib import SMTP

MAX_REPLY = 500
"""Characters of a server's answer that are kept."""


class MailTimeouts(NamedTuple):
    """Seconds."""

    connect: float = 15.0
    """Seconds until the server greets."""
    total: float = 60.0
    """Seconds for one mail. Long, since a mail that the server accepted a moment later would be sent twice."""
    idle: float = 20.0
    """Seconds that a connection is kept without being used."""


TIMEOUTS = MailTimeouts()
_OWN_AUTHORITY = (
    "If the mail server has a certificate authority of its own, smtp_ca must name the file with that authority's "
    "certificate."
)


class Failed(Exception):
    """Nothing was sent."""

    def __init__(self, outcome: str, detail: str = "") -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.detail = detail


class Mailer:
    """The mail server of the settings. For one caller at a time."""

    def __init__(self, settings: Settings, timeouts: MailTimeouts = TIMEOUTS) -> None:
        self._server = MailServer.parse(settings.smtp)
        self._from = MailFrom.parse(settings.mail_from)
        self._reply_to = MailFrom.parse(settings.mail_reply_to) if settings.mail_reply_to else None
        self._host = _host(settings)
        self._ca = settings.smtp_ca
        self._timeouts = timeouts
        self._client: SMTP | None = None
        self._tls: ssl.SSLContext | None = None
        self._closer: asyncio.TimerHandle | None = None

    async def send(self, letter: Letter) -> Sent:
        """Never raises, except if canceled; then the mail may have been sent."""
        began = perf_counter()
        try:
            async with asyncio.timeout(self._timeouts.total):
                await self._send(letter)
            outcome, detail = outcomes.DELIVERED, ""
            self._keep()
        except TimeoutError:
            outcome, detail = outcomes.TIMED_OUT, ""
            self._drop()
        except UnfitAddress:
            outcome, detail = outcomes.UNFIT_ADDRESS, ""
        except Failed as failed:
            outcome, detail = failed.outcome, failed.detail
        except BaseException:
            self._drop()
            raise
        return Sent(outcome, duration=round((perf_counter() - began) * 1e6), detail=detail or None)

    async def check(self) -> str:
        """Connect and sign in, and say how. Raises Failed."""
        try:
            async with asyncio.timeout(self._timeouts.total):
                client = await self._connected()
                secured = client.get_transport_info("ssl_object")
                version = secured.version() if secured is not None else "no TLS"
                charset = "SMTPUTF8" if client.supports_extension("smtputf8") else "no SMTPUTF8"
                as_whom = f", signed in as {self._server.user}" if self._server.user else ""
                return f"{self._server.address}, {version}, {charset}{as_whom}"
        except TimeoutError:
            raise Failed(outcomes.TIMED_OUT) from None
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connection, with a farewell that is not waited for long."""
        client, self._client = self._client, None
        self._stop_closer()
        if client is not None:
            transport = client.transport
            with suppress(Exception):
                async with asyncio.timeout(1.0):
                    await client.quit()
            _abort(transport)

    # ---- one mail

    async def _send(self, letter: Letter) -> None:
        """Raises Failed, Unfit, TimeoutError."""
        import aiosmtplib

        client = await self._connected()
        has_utf8 = client.supports_extension("smtputf8")
        message = mails.written(letter, self._from, self._reply_to, self._host, has_utf8)
        sender, recipient = (mails.sendable(address, has_utf8) for address in (self._from.email, letter.recipient))
        options = ["SMTPUTF8", "BODY=8BITMIME"] if mails.needs_utf8(sender, recipient) else []
        try:
            await client.sendmail(sender, [recipient], message, mail_options=options)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            reply = refused.recipients[0]
            raise Failed(outcomes.of_reply(reply.code), _reply(reply)) from None
        except aiosmtplib.SMTPSenderRefused as refused:
            outcome = outcomes.SENDER_REFUSED if refused.code >= 500 else outcomes.of_reply(refused.code)
            raise Failed(outcome, _reply(refused)) from None
        except aiosmtplib.SMTPResponseException as refused:
            raise Failed(outcomes.of_reply(refused.code), _reply(refused)) from None
        except (aiosmtplib.SMTPException, OSError) as problem:
            self._drop()
            raise _failure(problem) from None

    # ---- the connection

    async def _connected(self) -> SMTP:
        """The connection that is kept, if it still works, or a new one. Raises Failed, TimeoutError."""
        self._stop_closer()
        if self._client is not None:
            try:
                await self._client.noop(timeout=self._timeouts.connect)
                return self._client
            except Exception:  # the server has closed it meanwhile
                self._drop()
        import aiosmtplib

        if self._tls is None and self._server.tls != "none":
            self._tls = await asyncio.to_thread(client_context, self._ca)
        client = aiosmtplib.SMTP(
            hostname=mails.ascii_host(self._server.host),
            port=self._server.port,
            local_hostname=self._host,
            timeout=self._timeouts.total,
            use_tls=self._server.tls == "implicit",
            start_tls=False,  # `_signed_in` does it
            tls_context=self._tls,
        )
        try:
            await client.connect(timeout=self._timeouts.connect)
            await self._signed_in(client)
        except BaseException as problem:
            _abort(client.transport)
            client.close()
            if isinstance(problem, (aiosmtplib.SMTPException, OSError)):
                raise _failure(problem) from None
            raise
        self._client = client
        return client

    async def _signed_in(self, client: SMTP) -> None:
        """First TLS, then the password. Raises Failed, SMTPException, OSError."""
        import aiosmtplib

        await client.ehlo()
        if self._server.tls == "starttls":
            if not client.supports_extension("starttls"):
                raise Failed(outcomes.NO_STARTTLS)
            await client.starttls(timeout=self._timeouts.connect)
            await client.ehlo()
        if self._server.user:
            try:
                await client.login(self._server.user, self._server.password)
            except aiosmtplib.SMTPAuthenticationError as refused:
                raise Failed(outcomes.LOGIN_FAILED, _reply(refused)) from None
            except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError):
                raise
            except aiosmtplib.SMTPException:  # it has no way to sign in, or none that we know
                raise Failed(outcomes.LOGIN_FAILED) from None

    def _keep(self) -> None:
        self._stop_closer()
        self._closer = asyncio.get_running_loop().call_later(self._timeouts.idle, self._drop)

    def _drop(self) -> None:
        self._stop_closer()
        if self._client is not None:
            _abort(self._client.transport)
            self._client.close()
            self._client = None

    def _stop_closer(self) -> None:
        if self._closer is not None:
            self._closer.cancel()
            self._closer = None


def _abort(transport: asyncio.BaseTransport | None) -> None:
    """Close a connection at once: with TLS, the server would be waited for."""
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


def check_settings(settings: Settings) -> None:
    """Raises ConfigurationError."""
    if settings.smtp_ca:
        try:
            client_context(settings.smtp_ca)
        except (OSError, ssl.SSLError) as problem:
            raise ConfigurationError(
                f"smtp_ca: {settings.smtp_ca} cannot be read ({problem.strerror or 'no certificate'}). Name a file "
                "with the certificates (PEM) of the authorities that vouch for the mail server."
            ) from None


def _host(settings: Settings) -> str:
    """The host of `public_url`: what this server calls itself."""
    host = urlsplit(settings.public_url).hostname or "localhost"
    try:
        ascii_name = mails.ascii_host(host)
    except UnfitAddress:
        return "localhost"
    return f"[{'IPv6:' + ascii_name if ':' in ascii_name else ascii_name}]" if _IS_ADDRESS(ascii_name) else ascii_name


_IS_ADDRESS = re.compile(r"[0-9.]+|.*:.*").fullmatch


def _reply(problem: Exception) -> str:
    """Code and text of the server's answer. The text is the server's: it may hold the recipient's address."""
    text = " ".join(str(getattr(problem, "message", "")).split())
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return f"{getattr(problem, 'code', '')} {shown}".strip()[:MAX_REPLY]


def _failure(problem: BaseException) -> Failed:
    """The reason why there is no connection, or no longer."""
    import aiosmtplib

    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Failed(outcomes.TLS_FAILED, tls_fault(cause, _OWN_AUTHORITY))
        cause = cause.__cause__
    if isinstance(problem, TimeoutError):
        return Failed(outcomes.TIMED_OUT)
    if isinstance(problem, aiosmtplib.SMTPResponseException):
        code = problem.code
        if code == aiosmtplib.SMTPStatus.invalid_response:
            return Failed(outcomes.BAD_RESPONSE)
        return Failed(outcomes.of_reply(code) if 400 <= code < 500 else outcomes.REFUSED, _reply(problem))
    if isinstance(problem, aiosmtplib.SMTPConnectError):
        return Failed(outcomes.CONNECT_FAILED)
    return Failed(outcomes.DISCONNECTED)
