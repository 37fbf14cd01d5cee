"""Password hashes of other systems: which texts are accepted, the one form each is stored in, and whether a password
matches.

Nothing here hashes new passwords: a user's hash is replaced by argon2id when they first sign in (`auth/passwords`).
Until then, hashes of weak families are kept inside of argon2id: what it hashes is their digest.

The hashes of crypt(3) and phpass that no library of ours computes: MD5-crypt, SHA-crypt, phpass and bcrypt's
revision 2x.

Their loops are Python, which only one thread runs at a time, so they let the event loop in between.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import struct
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import NamedTuple

from argon2 import Type
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import hash_secret_raw, verify_secret

ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

MAX_CRYPT_SECRET = 256
"""Maximum bytes of a password, as in musl's SHA-crypt: each round hashes all of it."""
_TURN = 1024
"""Rounds, less than a millisecond, after which other threads get the interpreter."""
_PAUSE = 0.00005
"""Seconds. With 0 this thread would have the interpreter back before another one woke up."""


def sha_crypt(digest: str, secret: bytes, salt: bytes, rounds: int) -> str:
    """The digest of `$5$` (sha256) and `$6$` (sha512): Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", steps 1
    to 22."""
    new = getattr(hashlib, digest)
    b = new(secret + salt + secret).digest()
    a = new(secret + salt + _repeated(b, len(secret)))
    length = len(secret)
    while length:
        a.update(b if length & 1 else secret)
        length >>= 1
    c = a.digest()
    p = _repeated(new(secret * len(secret)).digest(), len(secret))
    s = _repeated(new(salt * (16 + c[0])).digest(), len(salt))
    # What one round of 42 adds in front of and behind the running digest repeats: it depends on the round modulo 2, 3
    # and 7.
    around = []
    for round in range(42):
        middle = (s if round % 3 else b"") + (p if round % 7 else b"")
        around.append((p + middle, b"") if round & 1 else (b"", middle + p))
    for round in range(rounds):
        before, behind = around[round % 42]
        c = new(before + c + behind).digest()
        if round % _TURN == _TURN - 1:
            time.sleep(_PAUSE)
    return _radix64(_shuffled(c))


def md5_crypt(secret: bytes, salt: bytes) -> str:
    """The digest of `$1$`: Poul-Henning Kamp, FreeBSD's lib/libcrypt/crypt-md5.c."""
    new = hashlib.md5
    b = new(secret + salt + secret).digest()
    a = new(secret + b"$1$" + salt + _repeated(b, len(secret)))
    length = len(secret)
    while length:
        a.update(b"\0" if length & 1 else secret[:1])
        length >>= 1
    c = a.digest()
    for round in range(1000):
        middle = (salt if round % 3 else b"") + (secret if round % 7 else b"")
        c = new(secret + middle + c if round & 1 else c + middle + secret).digest()
    order = (12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11)
    return _radix64(bytes(c[at] for at in order))


def phpass(secret: bytes, salt: bytes, log_rounds: int, digest: str = "md5") -> str:
    """The digest of `$P$`, in which WordPress and phpBB kept passwords: Openwall's phpass, `crypt_private`."""
    new = getattr(hashlib, digest)
    c = new(salt + secret).digest()
    for round in range(1 << log_rounds):
        c = new(c + secret).digest()
        if round % _TURN == _TURN - 1:
            time.sleep(_PAUSE)
    return _radix64(c)


def sign_extended(secret: bytes) -> bytes:
    """The 72 bytes of key that bcrypt's 2x made of a password: a byte above 127 sets all bits of those before it in its
    group of four (CVE-2011-2483). Given to a correct bcrypt, they have the same hash."""
    key = bytearray(((secret + b"\0") * 72)[:72])
    for group in range(0, 72, 4):
        signed = [at for at in range(group, group + 4) if key[at] > 127]
        if signed:
            key[group : signed[-1]] = b"\xff" * (signed[-1] - group)
    return bytes(key)


def _repeated(data: bytes, length: int) -> bytes:
    return (data * (length // len(data) + 1))[:length]


def _radix64(data: bytes) -> str:
    """Little-endian groups of three bytes, lowest six bits first."""
    text = ""
    for at in range(0, len(data), 3):
        group = data[at : at + 3]
        value = int.from_bytes(group, "little")
        for _ in range(len(group) + 1):
            text += ALPHABET[value & 63]
            value >>= 6
    return text


def _shuffled(c: bytes) -> bytes:
    """The bytes in the order in which SHA-crypt writes a digest: three columns, which change places from one group to
    the next."""
    third = len(c) // 3
    columns, order = [0, third, 2 * third], []
    for _ in range(third):
        order += reversed(columns)
        columns = [at + 1 for at in (columns[2:] + columns[:2] if len(c) == 32 else columns[1:] + columns[:1])]
    return bytes(c[at] for at in (*order, *range(3 * third, len(c))))


MAX_LENGTH = 1_000
"""Maximum characters of a hash."""
MAX_SECRET = 1_024
"""Maximum bytes of a password: 256 characters of four bytes."""


class UnknownHash(ValueError):
    """Text that is no complete hash of a known format. The message says what it is instead, where that can be known,
    and does not quote it."""


_UNKNOWN = (
    "The password hash is not in a format that Rollbook knows: argon2, bcrypt, scrypt, PBKDF2, phpass, "
    "SHA-crypt, MD5-crypt, SSHA, "
    "or Firebase's scrypt, complete with its salt and parameters."
)
# Other than complete hashes. What is in one of these forms is never a hash.
_NAMED = (
    ("{noop}", "This is a plain password, not a hash. Only hashes are imported as password_hash."),
    (
        "$firebase-scrypt$",
        "The password hash needs the Firebase project's hash_config, which must come before the export in the "
        "same file.",
    ),
)
_BCRYPT = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# Unpadded base64 in the canonical form that argon2 requires: the unused bits of the last character are zero.
_BASE64 = "((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048])?)"
_ANY64 = r"([A-Za-z0-9+/._-]*={0,2})"  # also passlib's, with a dot for the plus, and the one of URLs
_CRYPT_DIGESTS = {"1": 22, "5": 43, "6": 86}
_SHORT = 16  # bytes of a password that is too long which are hashed for nothing
# An identifier as crypt(5), LDAP, Django or Werkzeug write it, and 20 or more of the characters that salts and digests
# consist of. A random password of 40 printable characters has this form once in a hundred million times.
_HAS_FORM = re.compile(
    r"(?:\$[A-Za-z0-9-]{1,24}\$|\{[A-Za-z0-9-]{2,20}\}"
    r"|(?:argon2|bcrypt|md5|pbkdf2|scrypt|sha1|sha256|sha512)[A-Za-z0-9_-]{0,20}[$:])"
    r"[./A-Za-z0-9+=,$:_-]{20,}"
).fullmatch
_TYPES = {"argon2id": Type.ID, "argon2i": Type.I, "argon2d": Type.D}


def canonical(text: str) -> str | None:
    """The form in which a hash is stored, whatever it costs. None if it is no complete hash of a known format."""
    if len(text) > MAX_LENGTH:
        return None
    for form, stored in _FORMS:
        match = form(text)
        if match is not None:
            try:
                return stored(*match.groups())
            except ValueError:
                return None
    return None


def is_hash(text: str) -> bool:
    """Test whether a text given as a plain password is a hash: a complete one of a known format, or what has the form
    of one of another."""
    text = text.strip()
    return _HAS_FORM(text) is not None or canonical(text) is not None


def why_unknown(text: str) -> UnknownHash:
    """Explain why a text has no canonical form."""
    start = text[:MAX_LENGTH].lower()
    return UnknownHash(next((reason for mark, reason in _NAMED if start.startswith(mark)), _UNKNOWN))


def matches(hash: str, secret: bytes) -> bool:
    """Test whether a hash in its stored form is that of the password. A longer one than the family takes matches
    nothing, for the same work."""
    family = FAMILIES[_name(hash)]
    fits = len(secret) <= family.longest
    expected, computed = family.verify(hash, secret if fits else secret[:_SHORT])
    return hmac.compare_digest(expected, computed) and fits


def is_weak(hash: str) -> bool:
    """Test whether a hash in its stored form is so cheap to guess at that it is wrapped before it is stored."""
    return _name(hash) in _WEAK


def wrapped(hash: str, memory: int, passes: int, lanes: int) -> str:
    """A hash of a weak family, in its stored form, as it is kept: its digest is hashed with argon2id and a salt of its
    own."""
    weak, salt = _WEAK[_name(hash)], secrets.token_bytes(16)
    rounds, inner_salt, digest = weak.parts(hash)
    numbers = f"{'' if rounds is None else f'c={rounds},'}m={memory},t={passes},p={lanes}"
    key = hash_secret_raw(digest, salt, passes, memory, lanes, 32, Type.ID)
    return f"$wrapped-{_name(hash).lower()}${numbers}${_base64(inner_salt)}${_base64(salt)}${_base64(key)}"


def of_nobody(parameters: str) -> str:
    """A hash with these parameters, for the same work: its salt and digest are zeros, of which no password is known."""
    return parameters + FAMILIES[_name(parameters)].blank(parameters)


def is_ours(hash: str) -> bool:
    """Test whether Rollbook may have computed it: argon2, of a normalized password."""
    return hash.startswith("$argon2")


def _name(hash: str) -> str:
    return hash[1:].partition("}" if hash.startswith("{") else "$")[0]


def firebase(hash: str, salt: str, signer_key: str, salt_separator: str, rounds: int, mem_cost: int) -> str:
    """The text of a hash that `firebase auth:export` wrote, with the project's parameters; the first four are base64.
    ValueError if they can't belong together.

    Firebase encrypts its signer key, with AES-CTR and the password's scrypt digest as the key. Combined with the signer
    key by exclusive or, its hash is the key stream: as good to verify a password, and without need of the signer key,
    which is therefore stored nowhere.
    """
    sealed, key = _decoded(hash), _decoded(signer_key)
    if len(sealed) != len(key) or not 16 <= len(sealed) <= 128 or not 1 <= mem_cost <= 24 or not 1 <= rounds <= 120:
        raise ValueError("The password hash doesn't fit the hash parameters of the Firebase project.")
    stream = bytes(one ^ other for one, other in zip(sealed, key, strict=True))
    salt_ = _base64(_decoded(salt) + _decoded(salt_separator))
    return f"$firebase-scrypt$ln={mem_cost},r={rounds},p=1${salt_}${_base64(stream)}"


def pbkdf2(digest: str, iterations: int, salt: bytes, key: bytes) -> str:
    """The text of a PBKDF2 hash; `digest` is sha1, sha256 or sha512. ValueError if the salt or key has an unusable
    length."""
    _check_lengths(salt, key, 1024)
    return f"$pbkdf2-{digest}$i={iterations},l={len(key)}${_base64(salt)}${_base64(key)}"


def scrypt(n: int, r: int, p: int, salt: bytes, key: bytes) -> str:
    """The text of an scrypt hash (RFC 7914). ValueError if `n` is not a power of two, or the salt or key has an
    unusable length."""
    _check_lengths(salt, key, 128)
    if n < 2 or n & (n - 1) or r * p >= 1 << 30:
        raise ValueError("These are no parameters of scrypt.")
    return f"$scrypt$ln={n.bit_length() - 1},r={r},p={p}${_base64(salt)}${_base64(key)}"


# ---- from the forms of other systems to the stored one


def _argon2(text: str, memory: str, lanes: str, salt: str, digest: str) -> str:
    # At least 8 bytes of salt (RFC 9106 section 3.1) and 16 of digest: other passwords would match a shorter one.
    if int(memory) < 8 * int(lanes) or not (8 <= len(salt) * 3 // 4 <= 64 and 16 <= len(digest) * 3 // 4 <= 64):
        raise ValueError
    return text


def _bcrypt(revision: str, cost: str, salt: str, digest: str) -> str:
    """Only 2x differs, by a bug: a, b and y are names of the same. Some libraries leave the unused bits of salts and
    digests set."""
    return f"$2{'x' if revision == 'x' else 'b'}${cost}${_clear(salt, 0b110000)}{_clear(digest, 0b111100)}"


def _bcrypt_sha256(cost: str, salt: str, digest: str) -> str:
    return f"$django-bcrypt-sha256${cost}${_clear(salt, 0b110000)}{_clear(digest, 0b111100)}"


def _scrypt(log_n: str, r: str, p: str, salt: str, digest: str) -> str:
    return scrypt(1 << int(log_n), int(r), int(p), _decoded(salt), _decoded(digest))


def _firebase(log_n: str, r: str, salt: str, stream: str) -> str:
    return firebase(stream, salt, b64encode(bytes(len(_decoded(stream)))).decode(), "", int(r), int(log_n))


def _scrypt_django(n: str, salt: str, r: str, p: str, digest: str) -> str:
    return scrypt(int(n), int(r), int(p), salt.encode(), _decoded(digest))


def _scrypt_werkzeug(n: str, r: str, p: str, salt: str, digest: str) -> str:
    return scrypt(int(n), int(r), int(p), salt.encode(), bytes.fromhex(digest))


def _pbkdf2(digest: str | None, iterations: str, salt: str, key: str) -> str:
    return pbkdf2((digest or "sha1").lower(), int(iterations), _decoded(salt), _decoded(key))


def _pbkdf2_django(digest: str, iterations: str, salt: str, key: str) -> str:
    return pbkdf2(digest, int(iterations), salt.encode(), _decoded(key))


def _pbkdf2_werkzeug(digest: str, iterations: str, salt: str, key: str) -> str:
    return pbkdf2(digest, int(iterations), salt.encode(), bytes.fromhex(key))


def _wordpress(cost: str, salt: str, digest: str) -> str:
    return f"$wordpress-bcrypt${cost}${_clear(salt, 0b110000)}{_clear(digest, 0b111100)}"


def _better_auth(salt: str, key: str) -> str:
    """better-auth has no other parameters (@better-auth/utils, password.node.mjs), and the salt is the text, not the
    bytes that it means."""
    return scrypt(1 << 14, 16, 1, salt.encode(), bytes.fromhex(key))


def _identity(text: str) -> str:
    """ASP.NET Core Identity: dotnet/aspnetcore, src/Identity/Extensions.Core/src/PasswordHasher.cs."""
    data = _decoded(text)
    if data[:1] == b"\0" and len(data) == 49:  # version 2
        return pbkdf2("sha1", 1000, data[1:17], data[17:])
    version, prf, iterations, size = struct.unpack(">BIII", data[:13])
    if version != 1 or prf > 2 or not iterations or size < 16 or len(data) < 13 + size:
        raise ValueError
    return pbkdf2(("sha1", "sha256", "sha512")[prf], iterations, data[13 : 13 + size], data[13 + size :])


def _spring_pbkdf2(salt: str, key: str) -> str:
    """The defaults of Spring Security until 5.7, which `{pbkdf2}` still means (`Pbkdf2PasswordEncoder`)."""
    return pbkdf2("sha1", 185_000, bytes.fromhex(salt), bytes.fromhex(key))


def _spring_pbkdf2_5_8(salt: str, key: str) -> str:
    return pbkdf2("sha256", 310_000, bytes.fromhex(salt), bytes.fromhex(key))


def _spring_scrypt(parameters: str, salt: str, key: str) -> str:
    number = int(parameters, 16)  # `SCryptPasswordEncoder`: the logarithm of N, then a byte for r and one for p
    log_n, r, p = number >> 16, number >> 8 & 255, number & 255
    if not (r and p and log_n < 64):
        raise ValueError
    return scrypt(1 << log_n, r, p, _decoded(salt), _decoded(key))


def _sha_crypt(kind: str, rounds: str | None, salt: str, digest: str) -> str:
    if len(digest) != _CRYPT_DIGESTS[kind]:
        raise ValueError
    return f"${kind}$rounds={rounds or 5000}${salt}${digest}"


def _wrapped(
    text: str, family: str, rounds: str | None, memory: str, lanes: str, salt: str, own_salt: str, key: str
) -> str:
    sizes = len(_decoded(salt)) <= 64, len(_decoded(own_salt)) == 16, len(_decoded(key)) == 32
    if not all(sizes) or int(memory) < 8 * int(lanes) or (family == "p") != (rounds is not None):
        raise ValueError
    return text


def _ssha(size: str, data: str) -> str:
    if _HEXADECIMAL(
        data
    ):  # of another system, such as Spring Security's `{sha256}`: as base64 it would be one with a long salt
        raise ValueError
    decoded = _decoded(data)
    if not 0 <= len(decoded) - hashlib.new("sha" + (size or "1")).digest_size <= 64:
        raise ValueError
    return f"{{SSHA{size}}}{b64encode(decoded).decode()}"


_COST = r"(0[4-9]|[12][0-9]|3[01])"
_NUMBER = r"([1-9][0-9]{0,9})"
_HEXADECIMAL = re.compile(r"[0-9a-f]{40,}|(?=[A-F]*[0-9])[0-9A-F]{40,}").fullmatch
_SPRING = r"(?:@SpringSecurity_v5_8)?"  # identifiers of its DelegatingPasswordEncoder
_CRYPT_SALT = r"[!-#%-9;-~]"  # printable, without the separators $ and :
_FORMS: list[tuple[Callable[[str], re.Match[str] | None], Callable[..., str]]] = [
    (re.compile(form).fullmatch, stored)
    for form, stored in (
        # The format of the reference implementation; without `v=` it is version 1.0.
        (
            rf"(?:argon2(?=\$)|(?i:\{{ARGON2{_SPRING}\}}))?(\$argon2(?:id|i|d)(?:\$v=(?:16|19))?"
            rf"\$m={_NUMBER},t=[1-9][0-9]{{0,9}},p=([1-9][0-9]{{0,7}})\${_BASE64}\${_BASE64})",
            _argon2,
        ),
        (
            rf"(?:bcrypt\$|(?i:\{{(?:BCRYPT|CRYPT)\}}))?"
            rf"\$2([abxy])\${_COST}\$([./A-Za-z0-9]{{22}})([./A-Za-z0-9]{{31}})",
            _bcrypt,
        ),
        (
            rf"(?:bcrypt_sha256\$\$2[aby]|\$django-bcrypt-sha256)\${_COST}\$([./A-Za-z0-9]{{22}})([./A-Za-z0-9]{{31}})",
            _bcrypt_sha256,
        ),
        # WordPress since 6.8, and the stored form.
        (rf"\$(?:wp\$2[aby]|wordpress-bcrypt)\${_COST}\$([./A-Za-z0-9]{{22}})([./A-Za-z0-9]{{31}})", _wordpress),
        (rf"\$scrypt\$ln=([1-9][0-9]?),r={_NUMBER},p={_NUMBER}\${_ANY64}\${_ANY64}", _scrypt),
        (rf"(?i:\{{scrypt{_SPRING}\}})?\$([0-9a-f]{{5,6}})\${_ANY64}\${_ANY64}", _spring_scrypt),
        (r"([0-9a-f]{32}):([0-9a-f]{128})", _better_auth),
        (rf"\$firebase-scrypt\$ln=([1-9][0-9]?),r={_NUMBER},p=1\${_ANY64}\${_ANY64}", _firebase),
        (rf"scrypt\${_NUMBER}\$([^$]{{1,128}})\${_NUMBER}\${_NUMBER}\${_ANY64}", _scrypt_django),
        (rf"scrypt:{_NUMBER}:{_NUMBER}:{_NUMBER}\$([^$]{{1,128}})\$([0-9a-f]*)", _scrypt_werkzeug),
        # PHC (`i=`, with or without `l=`) and passlib.
        (rf"\$pbkdf2-(sha1|sha256|sha512)\$(?:i=)?{_NUMBER}(?:,l=[0-9]+)?\${_ANY64}\${_ANY64}", _pbkdf2),
        (rf"\$pbkdf2()\${_NUMBER}\${_ANY64}\${_ANY64}", _pbkdf2),
        (rf"\{{PBKDF2(?:-(SHA1|SHA256|SHA512))?\}}{_NUMBER}\${_ANY64}\${_ANY64}", _pbkdf2),
        (r"(?i:\{pbkdf2\})([0-9a-f]{16})([0-9a-f]{64})", _spring_pbkdf2),
        (r"(?i:\{pbkdf2@SpringSecurity_v5_8\})([0-9a-f]{32})([0-9a-f]{64})", _spring_pbkdf2_5_8),
        (r"(A[A-Za-z0-9+/]{59,}={0,2})", _identity),
        (rf"pbkdf2_(sha1|sha256|sha512)\${_NUMBER}\$([^$]{{1,128}})\${_ANY64}", _pbkdf2_django),
        (rf"pbkdf2:(sha1|sha256|sha512):{_NUMBER}\$([^$]{{1,128}})\$([0-9a-f]*)", _pbkdf2_werkzeug),
        (r"\$[PH]\$([./0-9A-Za-z]{31})", "$P${}".format),
        (r"(\$S\$[5-9A-S][./0-9A-Za-z]{51})", str),  # Drupal's MIN_HASH_COUNT to MAX_HASH_COUNT
        (
            rf"(?:\{{CRYPT\}})?\$([56])\$(?:rounds=([1-9][0-9]{{3,8}})\$)?"
            rf"({_CRYPT_SALT}{{0,16}})\$([./0-9A-Za-z]{{43,86}})",
            _sha_crypt,
        ),
        (rf"(?:\{{CRYPT\}})?(\$1\${_CRYPT_SALT}{{0,8}}\$[./0-9A-Za-z]{{22}})", str),
        (rf"(?i:\{{ldap\}})?\{{(?i:S?SHA)(256|512|)\}}{_ANY64}", _ssha),
        (
            rf"(\$wrapped-(p|1|ssha(?:256|512)?)\$(?:c=([0-9]{{1,2}}),)?m={_NUMBER},t=[1-9][0-9]{{0,9}}"
            rf",p=([1-9][0-9]{{0,7}})\${_BASE64}\${_BASE64}\${_BASE64})",
            _wrapped,
        ),
    )
]


# ---- what a stored form holds, and what the password gives


class Family(NamedTuple):
    """Verification of one family of stored forms. What it costs has a row in `records/password_parameters`, and the
    texts that are accepted of it one or more in `_FORMS`."""

    verify: Callable[[str, bytes], tuple[bytes, bytes]]
    """The digest that a hash holds, and the one that the password gives."""
    blank: Callable[[str], str]
    """The part of a hash of no password that follows the parameters."""
    longest: int = MAX_SECRET
    """Bytes of the longest password. Less where each round works on the whole password, so that a long one costs hardly
    more."""


def _verify_argon2(hash: str, secret: bytes) -> tuple[bytes, bytes]:
    try:
        return b"", b"" if verify_secret(hash.encode(), secret, _TYPES[_name(hash)]) else b"other"
    except VerifyMismatchError:
        return b"", b"other"


def _verify_bcrypt(hash: str, secret: bytes) -> tuple[bytes, bytes]:
    import bcrypt  # only where there are such hashes

    # bcrypt reads no more than 72 bytes, and the library refuses more.
    expected = b"$2b$" + hash.split("$", 2)[2].encode()
    return expected, bcrypt.hashpw(secret[:72], expected[:29])


def _verify_bcrypt_2x(hash: str, secret: bytes) -> tuple[bytes, bytes]:
    return _verify_bcrypt(hash, sign_extended(secret))


def _verify_bcrypt_sha256(hash: str, secret: bytes) -> tuple[bytes, bytes]:
    return _verify_bcrypt(hash, hashlib.sha256(secret).hexdigest().encode())


def _verify_wordpress(hash: str, secret: bytes) -> tuple[bytes, bytes]:
    """WordPress, wp-includes/pluggable.php, wp_hash_password, which hashes what PHP's trim leaves of a password."""
    digest = hmac.digest(b"wp-sha384", secret.strip(b" \t\n\r\0\x0b"), "sha384")
    return _verify_bcrypt(hash, b64encode(digest))


def _verify_drupal(hash: str, secret: bytes) -> tuple[bytes, bytes]:
    """Drupal, PhpassHashedPasswordBase: phpass with SHA-512, of whose digest 43 characters are kept."""
    computed = phpass(secret, hash[4:12].encode(), ALPHABET.index(hash[3]), "sha512")
    return hash[12:].encode(), computed[:43].encode()


def _verify_scrypt(hash: str, secret: bytes) -> tuple[bytes, bytes]:
    _, _, numbers, salt, digest = hash.split("$")
    expected = _decoded(digest)
    return expected, _scrypt_key(numbers, _decoded(salt), secret, len(expected))


def _verify_firebase(hash: str, secret: bytes) -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    _, _, numbers, salt, stream = hash.split("$")
    expected = _decoded(stream)
    key = _scrypt_key(numbers, _decoded(salt), secret, 32)
    return expected, Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(bytes(len(expected)))


def _scrypt_key(numbers: str, salt: bytes, secret: bytes, length: int) -> bytes:
    log_n, r, p = (int(pair.partition("=")[2]) for pair in numbers.split(","))
    return hashlib.scrypt(secret, salt=salt, n=1 << log_n, r=r, p=p, maxmem=(1 << 31) - 2, dklen=length)


def _verify_pbkdf2(hash: str, secret: bytes) -> tuple[bytes, bytes]:
    _, family, numbers, salt, key = hash.split("$")
    expected = _decoded(key)
    iterations = int(numbers.partition(",")[0].partition("=")[2])
    return expected, hashlib.pbkdf2_hmac(
        family.removeprefix("pbkdf2-"), secret, _decoded(salt), iterations, len(expected)
    )


def _verify_sha_crypt(hash: str, secret: bytes) -> tuple[bytes, bytes]:
    _, kind, rounds, salt, expected = hash.split("$")
    digest = {"5": "sha256", "6": "sha512"}[kind]
    return expected.encode(), sha_crypt(digest, secret, salt.encode(), int(rounds.partition("=")[2])).encode()


class Weak(NamedTuple):
    """A family that is so cheap that it is kept inside of argon2id."""

    parts: Callable[[str], tuple[int | None, bytes, bytes]]
    """The binary logarithm of the rounds, if they differ, the salt and the digest of a hash."""
    digest: Callable[[int | None, bytes, bytes], bytes]
    """The digest of a salt and a password, for the rounds of a hash."""


def _parts_of_phpass(hash: str) -> tuple[int | None, bytes, bytes]:
    return ALPHABET.index(hash[3]), hash[4:12].encode(), hash[12:].encode()


def _parts_of_md5_crypt(hash: str) -> tuple[int | None, bytes, bytes]:
    _, _, salt, digest = hash.split("$")
    return None, salt.encode(), digest.encode()


def _parts_of_ssha(hash: str) -> tuple[int | None, bytes, bytes]:
    data, size = b64decode(hash.partition("}")[2]), hashlib.new(_sha_of(hash)).digest_size
    return None, data[size:], data[:size]


def _weak_sha(digest: str) -> Weak:
    return Weak(
        _parts_of_ssha, lambda _, salt, secret: hashlib.new(digest, secret + salt, usedforsecurity=False).digest()
    )


_WEAK = {
    "P": Weak(_parts_of_phpass, lambda rounds, salt, secret: phpass(secret, salt, rounds or 0).encode()),
    "1": Weak(_parts_of_md5_crypt, lambda _, salt, secret: md5_crypt(secret, salt).encode()),
    "SSHA": _weak_sha("sha1"),
    "SSHA256": _weak_sha("sha256"),
    "SSHA512": _weak_sha("sha512"),
}


def _verify_weak(hash: str, secret: bytes) -> tuple[bytes, bytes]:
    weak = _WEAK[_name(hash)]
    rounds, salt, digest = weak.parts(hash)
    return digest, weak.digest(rounds, salt, secret)


def _verify_wrapped(hash: str, secret: bytes) -> tuple[bytes, bytes]:
    _, name, numbers, inner_salt, salt, key = hash.split("$")
    number = {pair[0]: int(pair[2:]) for pair in numbers.split(",")}
    digest = _WEAK[name.removeprefix("wrapped-").upper()].digest(number.get("c"), _decoded(inner_salt), secret)
    return _decoded(key), hash_secret_raw(digest, _decoded(salt), number["t"], number["m"], number["p"], 32, Type.ID)


def _sha_of(hash: str) -> str:
    return "sha" + (_name(hash).removeprefix("SSHA") or "1")


def _blank_digest(parameters: str) -> str:
    length = re.search(r",l=([0-9]+)\$", parameters)
    return f"{_base64(bytes(16))}${_base64(bytes(int(length[1]) if length else 32))}"


def _blank_wrapped(_: str) -> str:
    return "$".join(_base64(bytes(size)) for size in (8, 16, 32))


def _blank_ssha(parameters: str) -> str:
    return b64encode(bytes(hashlib.new(_sha_of(parameters)).digest_size + 8)).decode()


FAMILIES: dict[str, Family] = {
    **dict.fromkeys(_TYPES, Family(_verify_argon2, _blank_digest)),
    "2b": Family(_verify_bcrypt, lambda _: "." * 53),
    "2x": Family(_verify_bcrypt_2x, lambda _: "." * 53),
    "django-bcrypt-sha256": Family(_verify_bcrypt_sha256, lambda _: "." * 53),
    "wordpress-bcrypt": Family(_verify_wordpress, lambda _: "." * 53),
    "scrypt": Family(_verify_scrypt, _blank_digest),
    "firebase-scrypt": Family(_verify_firebase, _blank_digest),
    **dict.fromkeys(("pbkdf2-sha1", "pbkdf2-sha256", "pbkdf2-sha512"), Family(_verify_pbkdf2, _blank_digest)),
    "P": Family(_verify_weak, lambda _: "." * 30, MAX_CRYPT_SECRET),
    "S": Family(_verify_drupal, lambda _: "." * 51, MAX_CRYPT_SECRET),
    "1": Family(_verify_weak, lambda _: f"{'.' * 8}${'.' * 22}", MAX_CRYPT_SECRET),
    "5": Family(_verify_sha_crypt, lambda _: f"{'.' * 8}${'.' * 43}", MAX_CRYPT_SECRET),
    "6": Family(_verify_sha_crypt, lambda _: f"{'.' * 8}${'.' * 86}", MAX_CRYPT_SECRET),
    **dict.fromkeys(("SSHA", "SSHA256", "SSHA512"), Family(_verify_weak, _blank_ssha)),
    **dict.fromkeys(("wrapped-p", "wrapped-1"), Family(_verify_wrapped, _blank_wrapped, MAX_CRYPT_SECRET)),
    **dict.fromkeys(("wrapped-ssha", "wrapped-ssha256", "wrapped-ssha512"), Family(_verify_wrapped, _blank_wrapped)),
}
"""By the name with which a stored form begins."""


def _check_lengths(salt: bytes, key: bytes, max_key: int) -> None:
    if len(salt) > 512 or not 16 <= len(key) <= max_key:
        raise ValueError("The salt or the digest of the password hash is too short or too long.")


def _clear(text: str, used: int) -> str:
    """Return the text with the unused bits of the last character set to zero."""
    return text[:-1] + _BCRYPT[_BCRYPT.index(text[-1]) & used]


def _decoded(text: str) -> bytes:
    plain = text.rstrip("=").translate({ord("."): "+", ord("-"): "+", ord("_"): "/"})
    return b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _base64(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")
