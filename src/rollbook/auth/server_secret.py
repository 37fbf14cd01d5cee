"""The server's secret: 32 random bytes from which all encryption and signing keys are derived.

It is in the data folder, in the environment variable ROLLBOOK_SECRET, or in the file named by ROLLBOOK_SECRET_FILE.
Servers with the same database share it.

Whoever has it can read revealable API keys and the secrets of webhooks in a copy of the database, and forge cursors and
links. A database restored without it still has all users, keys and passwords; but keys can no longer be revealed, and
webhooks need new secrets.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import re
import stat
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rollbook.config import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Purpose = Literal["keys", "cursors", "replies", "links", "fingerprint", "devices", "webhooks", "shown", "stand-ins"]
"""Purpose of a derived key. Data sealed or signed for one purpose is invalid for any other."""

_FORM = re.compile(rb"[0-9a-f]{64}\n?").fullmatch
_VERSION = b"\x01"  # of the sealed form
_NONCE = 24
_TAG = 16


class Secret:
    """Seals (authenticated encryption) and signs. Never prints itself."""

    __slots__ = ("_derived", "_root")

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._derived: dict[tuple[str, str], bytes] = {}

    def __repr__(self) -> str:
        return "<Secret>"

    @property
    def root(self) -> bytes:
        """The 32 bytes, for the file."""
        return self._root

    def seal(self, purpose: Purpose, plaintext: bytes, associated: bytes = b"") -> bytes:
        """The data encrypted with AES-256-GCM, 41 bytes longer. `associated` is not included, but required to open it.

        Every message has its own key, derived from a 192-bit nonce: with one key and GCM's random 96-bit nonces, a busy
        server would exceed the 2^32 messages that NIST SP 800-38D (section 8.3) allows.
        """
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._cipher(purpose, nonce).encrypt(nonce[-12:], plaintext, associated)

    def unseal(self, purpose: Purpose, sealed: bytes, associated: bytes = b"") -> bytes:
        """The decrypted data. ValueError if it was sealed with another secret, purpose or `associated`, or was
        modified."""
        from cryptography.exceptions import InvalidTag

        if len(sealed) >= 1 + _NONCE + _TAG and sealed[:1] == _VERSION:
            nonce = sealed[1 : 1 + _NONCE]
            try:
                return self._cipher(purpose, nonce).decrypt(nonce[-12:], sealed[1 + _NONCE :], associated)
            except InvalidTag:
                pass
        raise ValueError("Not sealed with this secret, or damaged.")

    def sign(self, purpose: Purpose, data: bytes) -> bytes:
        """A short signature of 12 bytes, keyed BLAKE2b (RFC 7693). For cursors, where every guess costs a request."""
        return blake2b(data, key=self._key("sign", purpose), digest_size=12).digest()

    def signed(self, purpose: Purpose, data: bytes, signature: bytes) -> bool:
        """Test whether the signature is valid, in constant time."""
        return hmac.compare_digest(self.sign(purpose, data), signature)

    def mac(self, purpose: Purpose, data: bytes) -> bytes:
        """A full signature or keyed digest of 32 bytes, for data that is stored or could be guessed offline."""
        return blake2b(data, key=self._key("mac", purpose), digest_size=32).digest()

    def _cipher(self, purpose: Purpose, nonce: bytes) -> AESGCM:
        # Imported here: loading OpenSSL takes 12 ms of the start, and most API calls seal nothing.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(blake2b(nonce, key=self._key("seal", purpose), digest_size=32).digest())

    def _key(self, use: str, purpose: Purpose) -> bytes:
        """A key for one use and purpose. A keyed hash is a pseudorandom function, so no key reveals another one or the
        root."""
        try:
            return self._derived[use, purpose]
        except KeyError:
            key = blake2b(f"{use}:{purpose}".encode(), key=self._root, digest_size=32, person=b"rollbook").digest()
            self._derived[use, purpose] = key
            return key


SECRET, SECRET_FILE = "ROLLBOOK_SECRET", "ROLLBOOK_SECRET_FILE"


def is_given() -> bool:
    """Test whether the secret comes from the environment, so no file in the data folder is needed."""
    return bool(os.environ.get(SECRET) or os.environ.get(SECRET_FILE))


def load(folder: Path) -> Secret:
    """The secret from the environment, otherwise from `folder/secret`, which is created if it doesn't exist.

    Raises ConfigurationError if it is damaged or other users can read it.
    """
    if text := os.environ.get(SECRET):
        if not _FORM(text.strip().encode()):
            raise ConfigurationError(f"{SECRET} must be 64 hexadecimal digits. Create one with: openssl rand -hex 32")
        return Secret(bytes.fromhex(text.strip()))
    if named := os.environ.get(SECRET_FILE):
        try:
            # Its group may read it: containers get their secrets this way.
            return Secret(_read(Path(named), others=0o037, hint="Create one with: openssl rand -hex 32"))
        except OSError as problem:
            raise ConfigurationError(f"{named} ({SECRET_FILE}): {problem.strerror}.") from None
    path = folder / "secret"
    try:
        try:
            return Secret(_read(path))
        except FileNotFoundError:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(path)
            return Secret(_read(path))
    except OSError as problem:
        raise ConfigurationError(
            f"{path}: {problem.strerror}. The server must be able to read and create this file."
        ) from None


_RESTORE = (
    "Restore it from a backup. Or delete it to get a new one: API keys will still work, but can no longer be revealed."
)


def _read(path: Path, others: int = 0o077, hint: str = _RESTORE) -> bytes:
    """`others` are the permission bits that must not be set."""
    with open(path, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & others:
            raise ConfigurationError(f"Other users can read or change {path} (mode {mode:04o}). Run: chmod 600 {path}")
        text = file.read(100)
    if not _FORM(text):
        raise ConfigurationError(f"{path} is damaged: it must contain 64 hexadecimal digits. {hint}")
    return bytes.fromhex(text.decode())


def keep(folder: Path, secret: Secret) -> None:
    """Store the secret in `folder/secret`. Raises ConfigurationError if another one is there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _make(folder / "secret", secret.root)
    if _read(folder / "secret") != secret.root:
        raise ConfigurationError(
            f"{folder / 'secret'} already contains another secret. If no server needs it, move it away."
        )


def _make(path: Path, root: bytes | None = None) -> None:
    """Create the file atomically: other processes, or a power failure, see all of it or nothing. An existing file is
    left unchanged."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(
            folder, fcntl.LOCK_EX
        )  # if two servers start at the same time, the second finds the first one's file
        if path.exists():
            return
        unfinished = path.with_name("secret.new")
        unfinished.unlink(missing_ok=True)  # left over from a process that was killed here
        file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, (root or os.urandom(32)).hex().encode() + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
        unfinished.rename(path)
        os.fsync(folder)
    finally:
        os.close(folder)
