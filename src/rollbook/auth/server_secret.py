"""The server's secret: 32 random bytes from which all encryption and signing keys are derived.

It is in the data folder, in the environment variable ROLLBOOK_SECRET, or in the file named by ROLLBOOK_SECRET_FILE.
Servers with the same database share it. Former secrets may follow, a line each: the first one seals and signs, all of
them open and verify. So it can be changed while what the former one has sealed and signed stays valid.

Whoever has it can read revealable API keys and the secrets of webhooks and authenticator apps in a copy of the
database, and forge cursors and links. A database restored without it still has all users, keys and passwords; but keys
can no longer be revealed, webhooks need new secrets, and authenticator apps must be set up again.
"""

from __future__ import annotations

import hmac
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rollbook.config import ConfigurationError
from rollbook.unix import fcntl

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Purpose = Literal[
    "keys",
    "cursors",
    "replies",
    "links",
    "bulk links",
    "fingerprint",
    "devices",
    "webhooks",
    "shown",
    "stand-ins",
    "factors",
    "signing",
    "passkeys",
    "email changes",
    "confirmations",
    "imports",
    "settings",
]
"""Purpose of a derived key. Data sealed or signed for one purpose is invalid for any other."""

MAX_SECRETS = 4
"""The current one and former ones. Each is tried in turn."""

_FORM = re.compile(rb"[0-9a-f]{64}(?:\s+[0-9a-f]{64}){0,%d}\n?" % (MAX_SECRETS - 1)).fullmatch
_IN_WORDS = f"64 hexadecimal digits, or up to {MAX_SECRETS} times that, one in a line"
_VERSION = b"\x01"  # of the sealed form
_SIZE = 32
_NONCE = 24
_TAG = 16


class Secret:
    """Seals (authenticated encryption) and signs. Never prints itself. `root` is the current secret, `former` are those
    it has replaced."""

    __slots__ = ("_derived", "roots")

    def __init__(self, root: bytes, *former: bytes) -> None:
        self.roots = (root, *former)
        self._derived: dict[tuple[bytes, str, str], bytes] = {}

    def __repr__(self) -> str:
        return "<Secret>"

    @property
    def is_changing(self) -> bool:
        """True while former secrets are accepted."""
        return len(self.roots) > 1

    def seal(self, purpose: Purpose, plaintext: bytes, associated: bytes = b"") -> bytes:
        """The data encrypted with AES-256-GCM, 41 bytes longer. `associated` is not included, but required to open it.

        Every message has its own key, derived from a 192-bit nonce: with one key and GCM's random 96-bit nonces, a busy
        server would exceed the 2^32 messages that NIST SP 800-38D (section 8.3) allows.
        """
        nonce = os.urandom(_NONCE)
        cipher = self._cipher(self.roots[0], purpose, nonce)
        return _VERSION + nonce + cipher.encrypt(nonce[-12:], plaintext, associated)

    def unseal(self, purpose: Purpose, sealed: bytes, associated: bytes = b"") -> bytes:
        """The decrypted data. ValueError if it was sealed with another secret, purpose or `associated`, or was
        modified."""
        for root in self.roots:
            opened = self._opened(root, purpose, sealed, associated)
            if opened is not None:
                return opened
        raise ValueError("Not sealed with this secret, or damaged.")

    def sealed_again(self, purpose: Purpose, sealed: bytes, associated: bytes = b"") -> bytes | None:
        """Sealed data, sealed again with the current secret; None if it is already, or no secret opens it."""
        current, *former = self.roots
        if self._opened(current, purpose, sealed, associated) is None:
            for root in former:
                if (opened := self._opened(root, purpose, sealed, associated)) is not None:
                    return self.seal(purpose, opened, associated)
        return None

    def sign(self, purpose: Purpose, data: bytes) -> bytes:
        """A short signature of 16 bytes, keyed BLAKE2b (RFC 7693). For cursors, where every guess costs a request."""
        return self._signatures(purpose, data, 1)[0]

    def signed(self, purpose: Purpose, data: bytes, signature: bytes) -> bool:
        """Test whether the signature is valid, in constant time."""
        return _is_any(signature, self._signatures(purpose, data, MAX_SECRETS))

    def mac(self, purpose: Purpose, data: bytes) -> bytes:
        """A full signature or keyed digest of 32 bytes, for data that is stored or could be guessed offline."""
        return self._macs(purpose, data, 1)[0]

    def has_mac(self, purpose: Purpose, data: bytes, mac: bytes) -> bool:
        """Test whether `mac` is that of the data, in constant time."""
        return _is_any(mac, self._macs(purpose, data, MAX_SECRETS))

    def _signatures(self, purpose: Purpose, data: bytes, of: int) -> list[bytes]:
        keys = [self._key(root, "sign", purpose) for root in self.roots[:of]]
        return [blake2b(data, key=key, digest_size=16).digest() for key in keys]

    def _macs(self, purpose: Purpose, data: bytes, of: int) -> list[bytes]:
        keys = [self._key(root, "mac", purpose) for root in self.roots[:of]]
        return [blake2b(data, key=key, digest_size=32).digest() for key in keys]

    def _opened(self, root: bytes, purpose: Purpose, sealed: bytes, associated: bytes) -> bytes | None:
        from cryptography.exceptions import InvalidTag

        if len(sealed) < 1 + _NONCE + _TAG or sealed[:1] != _VERSION:
            return None
        nonce = sealed[1 : 1 + _NONCE]
        try:
            return self._cipher(root, purpose, nonce).decrypt(nonce[-12:], sealed[1 + _NONCE :], associated)
        except InvalidTag:
            return None

    def _cipher(self, root: bytes, purpose: Purpose, nonce: bytes) -> AESGCM:
        # Imported here: loading OpenSSL takes 12 ms of the start, and most API calls seal nothing.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(blake2b(nonce, key=self._key(root, "seal", purpose), digest_size=32).digest())

    def _key(self, root: bytes, use: str, purpose: Purpose) -> bytes:
        """A key for one use and purpose. A keyed hash is a pseudorandom function, so no key reveals another one or the
        root."""
        try:
            return self._derived[root, use, purpose]
        except KeyError:
            key = blake2b(f"{use}:{purpose}".encode(), key=root, digest_size=32, person=b"rollbook").digest()
            self._derived[root, use, purpose] = key
            return key


def _is_any(mac: bytes, valid: list[bytes]) -> bool:
    """Compares with all of them, whichever it is."""
    return sum([hmac.compare_digest(mac, candidate) for candidate in valid]) > 0


SECRET, SECRET_FILE = "ROLLBOOK_SECRET", "ROLLBOOK_SECRET_FILE"
NAME = "secret"
"""The file in the data folder."""


def is_given() -> bool:
    """Test whether the secret comes from the environment, so no file in the data folder is needed."""
    return bool(os.environ.get(SECRET) or os.environ.get(SECRET_FILE))


def load(folder: Path) -> Secret:
    """The secret from the environment, otherwise from `folder/secret`, which is created if it doesn't exist.

    Raises ConfigurationError if it is damaged or other users can read it.
    """
    if text := os.environ.get(SECRET):
        if not _FORM(text.strip().encode()):
            raise ConfigurationError(f"{SECRET} must be {_IN_WORDS}. Create one with: openssl rand -hex 32")
        return _parse(text)
    if named := os.environ.get(SECRET_FILE):
        try:
            # Its group may read it: containers get their secrets this way.
            return _read(Path(named), others=0o037, hint="Create one with: openssl rand -hex 32")
        except OSError as problem:
            raise ConfigurationError(f"{named} ({SECRET_FILE}): {problem.strerror}.") from None
    path = folder / NAME
    try:
        try:
            return _read(path)
        except FileNotFoundError:
            with _held(folder):
                if not path.exists():
                    _write(path, Secret(os.urandom(_SIZE)))
            return _read(path)
    except OSError as problem:
        raise ConfigurationError(
            f"{path}: {problem.strerror}. The server must be able to read and create this file."
        ) from None


def rotate(folder: Path) -> Secret:
    """Put a new secret in front of those in `folder/secret`. Raises ConfigurationError if there are too many."""
    with _held(folder):
        roots = _read(folder / NAME).roots
        if len(roots) == MAX_SECRETS:
            raise ConfigurationError(
                f"{folder / NAME} has {MAX_SECRETS} secrets already. Remove the former ones first: "
                "rollbook secret forget"
            )
        secret = Secret(os.urandom(_SIZE), *roots)
        _write(folder / NAME, secret)
        return secret


def forget(folder: Path) -> None:
    """Leave only the current secret in `folder/secret`."""
    with _held(folder):
        _write(folder / NAME, Secret(_read(folder / NAME).roots[0]))


_RESTORE = (
    "Restore it from a backup. Or delete it to get a new one: API keys will still work, but can no longer be revealed."
)


def _read(path: Path, others: int = 0o077, hint: str = _RESTORE) -> Secret:
    """`others` are the permission bits that must not be set."""
    with open(path, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & others:
            raise ConfigurationError(f"Other users can read or change {path} (mode {mode:04o}). Run: chmod 600 {path}")
        text = file.read(100 * MAX_SECRETS)
    if not _FORM(text):
        raise ConfigurationError(f"{path} is damaged: it must contain {_IN_WORDS}. {hint}")
    return _parse(text.decode())


def _parse(text: str) -> Secret:
    return Secret(*map(bytes.fromhex, text.split()))


def keep(folder: Path, secret: Secret) -> None:
    """Store the secret in `folder/secret`. Raises ConfigurationError if another one is there."""
    path = folder / NAME
    with _held(folder):
        if not path.exists():
            _write(path, secret)
    if _read(path).roots != secret.roots:
        raise ConfigurationError(f"{path} already contains another secret. If no server needs it, move it away.")


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Lock the folder: of two servers that start at the same time, the second finds the first one's file."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, secret: Secret) -> None:
    """Replace the file atomically: other processes, or a power failure, see all of the old or the new one."""
    unfinished = path.with_name("secret.new")
    unfinished.unlink(missing_ok=True)  # left over from a process that was killed here
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, "".join(f"{root.hex()}\n" for root in secret.roots).encode())
        os.fsync(file)
    finally:
        os.close(file)
    unfinished.rename(path)
