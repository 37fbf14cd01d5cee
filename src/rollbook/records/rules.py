"""What we take for a name, an e-mail address and a password, and when two of them are equal.

Each rule returns the value to keep, or raises ValueError with a sentence for the caller that begins with what is wrong and never holds
the value itself.
"""

from __future__ import annotations

import gzip
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from unicodedata import category, normalize

import msgspec

NAME_LENGTH = 255
"""Code points."""
EMAIL_LENGTH = 254
"""Bytes in UTF-8 (RFC 5321 section 4.5.3.1.3 with erratum 1690 of RFC 3696)."""
PASSWORD_LENGTH = 256
"""Code points, as sent."""
METADATA_BYTES = 16_384

# Characters with the property White_Space (Unicode, PropList.txt). Python's own notion has U+001C to U+001F too, which are controls.
_WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
# Letters by category that show nothing: the Hangul fillers and the blank Braille pattern.
_INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")
# Embeddings, overrides and isolates put the text around a name out of order (Unicode TR36 section 2.5). The marks U+200E, U+200F and
# U+061C and the joiners stay: Arabic, Hebrew, Persian and Indic names need them, and emoji too.
_REFUSED_IN_NAME = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]").search

# Plain addresses, which email-validator takes: its answer costs 25 times as much. It knows more; whatever does not match is asked of it.
_PLAIN_EMAIL = re.compile(
    r"[A-Za-z0-9_+\-]+(?:\.[A-Za-z0-9_+\-]+)*"
    r"@(?:(?![A-Za-z0-9\-]{64})[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+[A-Za-z]{2,63}"
).fullmatch  # fmt: skip


def name(text: str) -> str:
    """A person's name: outer white space trimmed, NFC, 1 to 255 code points, no control characters, something to see."""
    trimmed = text.strip(_WHITE_SPACE)
    if trimmed.isascii() and trimmed.isprintable():
        if not trimmed:
            raise ValueError("The name is blank.")
        if len(trimmed) > NAME_LENGTH:
            raise ValueError(f"The name is longer than {NAME_LENGTH} characters.")
        return trimmed
    if _REFUSED_IN_NAME(trimmed):
        raise ValueError("The name contains a control character, a line break or half of a surrogate pair.")
    # A composed character has at most four parts, so that nothing longer can shrink enough; and composing a very long text is slow.
    if len(trimmed) > 4 * NAME_LENGTH or len(composed := normalize("NFC", trimmed)) > NAME_LENGTH:
        raise ValueError(f"The name is longer than {NAME_LENGTH} characters.")
    if all(category(character)[0] in "CZM" or character in _INVISIBLE for character in composed):
        raise ValueError("The name is blank.")
    return composed


def email(text: str) -> str:
    """An e-mail address, kept as it was sent: blanks around it are refused, not trimmed.

    Its syntax is that of the `email-validator` library: with UTF-8 and IDN; without display names, quoted local parts or address literals.
    Names that no public mail server has (`.test`, `.local`, `.internal`, `.invalid`) are taken: where mail goes is not a matter of syntax,
    and a server of one's own may live in such a domain.
    """
    if len(text) <= EMAIL_LENGTH and _PLAIN_EMAIL(text):
        return text
    if len(text.encode(errors="surrogatepass")) > EMAIL_LENGTH:
        raise ValueError(f"The email address is longer than {EMAIL_LENGTH} bytes.")
    library = _email_validator()
    try:
        library.validate_email(text, check_deliverability=False, allow_smtputf8=True)
    except library.EmailNotValidError as problem:
        sentence = str(problem)
        if problem.__cause__ is not None and " (" in sentence:  # the words of the library below it, which quote the domain
            sentence = sentence.partition(" (")[0] + "."
        raise ValueError(sentence) from None
    return text


def email_key(text: str) -> str:
    """What is equal for equal addresses: the local part in NFC and lower-cased, `@`, the domain as A-labels (UTS #46, non-transitional).

    Plus-tags and dots make different addresses. So do letters that only look alike or only share a capital: `mıke` (dotless i) is not
    `mike`, and `ß` is not `ss`; taking them for one another has let people into other people's accounts (CVE-2019-19844).
    The key of a key is the key. A text that is no address has a key too, one that no address has: nobody is found under it.
    """
    if text.isascii() or len(text) > EMAIL_LENGTH:
        return text.lower()
    local, at, domain = text.rpartition("@")
    local = normalize("NFC", normalize("NFC", local).lower())
    if domain.isascii():
        return local + at + domain.lower()
    # Not at the top: 9 ms of the start, for the few addresses that need it.
    import idna

    try:
        return local + at + idna.encode(domain, uts46=True).decode()
    except UnicodeError:
        return local + at + domain.lower()


def password(text: str, min_length: int, *, email: str = "", name: str = "") -> str:
    """A new password: `min_length` to 256 code points as sent, not one of the most common, not the e-mail address or the name of its user.

    Nothing is asked of its make-up (NIST SP 800-63B-4 section 3.1.1.2). It is compared as `fold` makes it, and with compatibility forms
    as one (NFKC), which is also how it is hashed.
    """
    if len(text) < min_length:
        raise ValueError(f"The password is shorter than {min_length} characters.")
    if len(text) > PASSWORD_LENGTH:
        raise ValueError(f"The password is longer than {PASSWORD_LENGTH} characters.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("The password contains half of a surrogate pair.")
    plain = _plain(text)
    if plain.strip() in _common_passwords():
        raise ValueError("The password is one of the most common ones and would be guessed soon.")
    if plain == _plain(email):
        raise ValueError("The password is the same as the email address.")
    if plain == _plain(name):
        raise ValueError("The password is the same as the name.")
    return text


def metadata(value: object) -> str:
    """A JSON object as the text that is kept, at most 16 KiB."""
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object")
    text = msgspec.json.encode(value)
    if len(text) > METADATA_BYTES:
        raise ValueError(f"must be at most {METADATA_BYTES:,} bytes of JSON")
    return text.decode()


def fold(text: str) -> str:
    """The text as search compares it: without upper and lower case, composed (NFC). Folding what is folded changes nothing."""
    if text.isascii():
        return text.lower()
    return normalize("NFC", normalize("NFC", text).casefold())


def prepare() -> None:
    """Loads what the rules load at their first need: some 60 ms. For a thread, once the server answers."""
    _common_passwords()
    email(unusual := "é@é.example")
    email_key(unusual)


def _plain(text: str) -> str:
    return fold(normalize("NFKC", text))


@cache
def _common_passwords() -> frozenset[str]:
    """Those with 8 characters and more of the list Django ships (see NOTICE), folded. Read at the first new password."""
    return frozenset(gzip.decompress(Path(__file__).with_name("common_passwords.txt.gz").read_bytes()).decode().splitlines())


@cache
def _email_validator() -> ModuleType:
    # Not at the top: 38 ms of the start, for the few addresses that need it.
    import email_validator

    # Its documented way to take such domains; the list is of those it would refuse.
    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
    return email_validator
