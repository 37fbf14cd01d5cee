"""Receivers of webhooks, good and hostile ones, and certificates for them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rollbook.client_tls import client_context
from rollbook.config import Networks
from rollbook.delivery.addresses import Addresses, Lookup

LOOPBACK = Networks.parse(["127.0.0.1/32"])
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Request(NamedTuple):
    connection: int
    """Counted from 1."""
    line: str
    headers: list[tuple[str, str]]
    body: bytes


class Connection:
    """What a receiver does with one connection."""

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: list[Request]
    ) -> None:
        self.number = number
        self._reader = reader
        self._writer = writer
        self._seen = seen

    async def read(self) -> Request:
        """The next request. Raises IncompleteReadError when there is none."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head[:-4].split("\r\n")
        headers = [(name, value) for name, _, value in (field.partition(": ") for field in fields)]
        length = int(next(value for name, value in headers if name.lower() == "content-length"))
        request = Request(self.number, line, headers, await self._reader.readexactly(length))
        self._seen.append(request)
        return request

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def is_closed(self) -> None:
        """Returns when the sender has closed the connection."""
        await self._reader.read()

    def reset(self) -> None:
        self._writer.transport.abort()


Behavior = Callable[[Connection], Awaitable[None]]


class Receiver:
    """`seen` are the requests, in the order in which they arrived."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connections = 0
        self.seen: list[Request] = []

    def url(self, path: str = "/hook", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@asynccontextmanager
async def receiving(
    behavior: Behavior, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Receiver]:
    """Accepts connections; each is closed when `behavior` is done with it."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        receiver.connections += 1
        try:
            await behavior(Connection(receiver.connections, reader, writer, receiver.seen))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort() if task.cancelling() else writer.close()

    server = await asyncio.start_server(serve, host, port, ssl=tls)
    receiver = Receiver(server.sockets[0].getsockname()[1])
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


def answering(*answers: bytes) -> Behavior:
    """Answers each request of a connection with the next of these, the last one for ever."""

    async def behavior(connection: Connection) -> None:
        left = list(answers)
        while True:
            await connection.read()
            await connection.write(left.pop(0) if len(left) > 1 else left[0])

    return behavior


def once(answer: bytes) -> Behavior:
    """Sends this, whatever it is, and closes the connection."""

    async def behavior(connection: Connection) -> None:
        await connection.read()
        await connection.write(answer)

    return behavior


def names(**hosts: list[str]) -> Lookup:
    """A resolver that knows these names; underscores stand for dots."""

    def look_up(host: str, port: None, *, type: int) -> list[tuple]:
        found = hosts.get(host.replace(".", "_"))
        if found is None:
            raise OSError("unknown name")
        return [(0, 0, 0, "", (address, 0)) for address in found]

    return look_up


def loopback(look_up: Lookup | None = None) -> Addresses:
    """Allows 127.0.0.1 and nothing else of what is not public."""
    return Addresses(LOOPBACK) if look_up is None else Addresses(LOOPBACK, look_up=look_up)


class Authority:
    """Issues certificates for the receivers of a test: with no more in them than Python 3.11 asks for, as many people's
    own."""

    def __init__(self, folder: Path, is_authority: bool = True) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
        certificate = self._builder(self._name, self._key.public_key(), days=1).add_extension(
            x509.BasicConstraints(ca=is_authority, path_length=None), critical=True
        )
        self.path = folder / "authority.pem"
        self.path.write_bytes(certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def trusted(self) -> ssl.SSLContext:
        """For a sender that trusts this authority alone."""
        return client_context(str(self.path))

    def server(self, *subjects: str, days: float = 1) -> ssl.SSLContext:
        """For a receiver whose certificate is for these names and addresses, until in so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._builder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subjects[0])]), key.public_key(), days
        ).add_extension(x509.SubjectAlternativeName([_subject(each) for each in subjects]), critical=False)
        path = self._folder / "server.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: float) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=days))
        )


def _subject(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)
