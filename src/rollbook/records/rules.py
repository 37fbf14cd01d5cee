"""Validation of names, emails and passwords, and when two of them are equal.

Each rule returns the value to store, or raises ValueError with a message for the client that starts with what is wrong
and never contains the value itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from functools import cache
from types import ModuleType
from typing import Any
from unicodedata import category, normalize

import msgspec

from rollbook.errors import shortened
from rollbook.records import guessable

NAME_LENGTH = 255
"""Code points."""
EMAIL_LENGTH = 254
"""Bytes in UTF-8 (RFC 5321 section 4.5.3.1.3 with erratum 1690 of RFC 3696)."""
PASSWORD_LENGTH = 256
"""Code points, as sent and in NFKC."""
LEAST_LENGTH = 8
"""Shortest password, in code points, unless the setting `password_min_length` asks for more."""
METADATA_BYTES = 16_384
MADE_UP = "@applications.invalid"
"""The end of emails that are made up for applications. No mail leads there (RFC 2606 section 2)."""
MAX_DEPTH = 32
"""Levels of objects and lists in a JSON body, and in the object that holds metadata. The outermost is the first."""

# Characters with the property White_Space (Unicode, PropList.txt). Python's strip() also removes U+001C to U+001F,
# which are controls.
_WHITE_SPACE = (
    "\t\n\v\f\r "
    "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
# Characters that fonts draw as a blank though their category says letter, mark or symbol (Unicode, NamesList.txt): the
# Hangul fillers, the blank Braille pattern, the Khitan filler, two blanks of hieroglyphs, the null notehead.
_BLANK = r"\u115f\u1160\u2800\u3164\uffa0\U00016fe4\U00013441\U00013442\U0001d159"
_REFUSED_IN_NAME = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").search
# Format characters (category Cf) and what fonts ignore (Default_Ignorable_Code_Point), as ranges: what is refused must
# not depend on the version of Python, and some ranges are for what comes. They hide text from people that assistants
# read, and reorder what stands around them (Unicode TR36 section 2.5).
_HIDDEN = (
    r"\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    rf"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff{_BLANK}"
)
_SELECTORS = r"\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
# Behind scripts from U+0590 on, symbols and emoji, joiners and selectors make another letter or picture, one at a time.
# Keycaps are digits with a selector. These scripts by what they are not: `re` walks through each range of a class.
_SCRIPTS = r"^\x00-\u058f\U00040000-\U0010ffff"
_NEEDED = (
    rf"(?<=[{_SCRIPTS}])(?<![\u200c\u200d])[\u200c\u200d]"
    rf"|(?<=[{_SCRIPTS}])(?<![\u200c\u200d{_SELECTORS}])[{_SELECTORS}]|(?<=[0-9#*\xa9\xae])\ufe0f"
)
HIDDEN = rf"(?=[{_HIDDEN}])(?!{_NEEDED})."
"""Pattern of a character that no one sees, where nothing needs it."""
_IS_BLANK = re.compile(f"[{_BLANK}]").match
_MAY_BE_HIDDEN, _FIND_HIDDEN = re.compile(f"[{_HIDDEN}]").search, re.compile(HIDDEN).search

# Plain addresses, which email-validator accepts at 25 times the cost. Everything else goes to email-validator.
_PLAIN_EMAIL = re.compile(
    r"[A-Za-z0-9_+\-]+(?:\.[A-Za-z0-9_+\-]+)*"
    r"@(?:(?![A-Za-z0-9\-]{64})[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+[A-Za-z]{2,63}"
).fullmatch


def name(text: str) -> str:
    """A person's name: surrounding whitespace removed, NFC, 1 to 255 code points, no control characters, and none that
    no one sees."""
    trimmed = text.strip(_WHITE_SPACE)
    if trimmed.isascii() and trimmed.isprintable():
        if not trimmed:
            raise ValueError("The name is blank.")
        if len(trimmed) > NAME_LENGTH:
            raise ValueError(f"The name is longer than {NAME_LENGTH} characters.")
        return trimmed
    if _REFUSED_IN_NAME(trimmed):
        raise ValueError("The name contains a control character, a line break or a lone surrogate.")
    # A composed character has at most four parts, so a longer text can't shrink enough. Composing a very long text
    # would be slow.
    if len(trimmed) > 4 * NAME_LENGTH or len(composed := normalize("NFC", trimmed)) > NAME_LENGTH:
        raise ValueError(f"The name is longer than {NAME_LENGTH} characters.")
    if all(category(character)[0] in "CZM" or _IS_BLANK(character) for character in composed):
        raise ValueError("The name is blank.")
    if character := hidden(composed):
        raise ValueError(f"The name contains an invisible character ({character}).")
    return composed


def hidden(text: str) -> str:
    """The first character that no one sees, where nothing needs it, such as `U+200F`; empty if there is none."""
    if text.isascii() or not _MAY_BE_HIDDEN(text) or not (match := _FIND_HIDDEN(text)):
        return ""
    return f"U+{ord(match[0]):04X}"


def email(text: str) -> str:
    """An email address, stored as it was sent: surrounding whitespace is rejected, not removed.

    The syntax is that of the `email-validator` library: with UTF-8 and IDN; without display names, quoted local parts
    or address literals; and without characters that no one sees. Domains that no public mail server has (`.test`,
    `.local`, `.internal`, `.invalid`) are accepted: deliverability is not a matter of syntax, and a private mail server
    may use such a domain.
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
        if (
            problem.__cause__ is not None and " (" in sentence
        ):  # the message of an underlying library, which quotes the domain
            sentence = sentence.partition(" (")[0] + "."
        raise ValueError(sentence) from None
    if character := hidden(text):
        raise ValueError(f"The email address contains an invisible character ({character}).")
    return text


def email_key(text: str) -> str:
    """The comparison key of an email: local part in NFC and lower case, `@`, domain as A-labels (UTS #46,
    non-transitional).

    Plus tags and dots make different addresses. So do letters that only look alike or only share an uppercase letter:
    `mıke` (dotless i) is not `mike`, and `ß` is not `ss`. Confusing them has let people into other people's accounts
    (CVE-2019-19844). The key of a key is the key itself. An invalid address has a key as well, which no user has.
    """
    if text.isascii() or len(text) > EMAIL_LENGTH:
        return text.lower()
    local, at, domain = text.rpartition("@")
    local = normalize("NFC", normalize("NFC", local).lower())
    if domain.isascii():
        return local + at + domain.lower()
    # Imported here: it would add 9 ms to the start, and few addresses need it.
    import idna

    try:
        return local + at + idna.encode(domain, uts46=True).decode()
    except UnicodeError:
        return local + at + domain.lower()


def password(text: str, min_length: int, *, email: str = "", name: str = "", words: Iterable[str] = ()) -> str:
    """A new password: `min_length` to 256 code points, and nothing that everybody guesses (`guessable`): a common
    password, or what is made of a common word, the email or name of its user, or one of `words`.

    There are no composition rules (NIST SP 800-63B-4 section 3.1.1.2). Passwords are compared after `fold` and NFKC;
    NFKC is also applied before hashing.
    """
    if len(text) < min_length:
        raise ValueError(f"The password is shorter than {min_length} characters.")
    normalized_password(text)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("The password contains a lone surrogate.")
    plain = comparable(text)
    if plain == comparable(email):
        raise ValueError("The password is the same as the email.")
    if plain == comparable(name):
        raise ValueError("The password is the same as the name.")
    reason = guessable.reason(plain, guessable.words_of(map(comparable, (email, name, *words))))
    if reason is not None:
        raise ValueError(reason)
    return text


def normalized_password(text: str) -> str:
    """A password in NFKC, so that one that is typed on another keyboard or system is the same (NIST SP 800-63B-4
    section 3.1.1.2)."""
    # The length as sent first: normalizing very long text can take quadratic time, and one character can become 18.
    if len(text) > PASSWORD_LENGTH or len(normal := normalize("NFKC", text)) > PASSWORD_LENGTH:
        raise ValueError(f"The password is longer than {PASSWORD_LENGTH} characters.")
    return normal


def metadata(value: object) -> str:
    """A JSON object as the text that is kept, at most 16 KiB."""
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object")
    text = msgspec.json.encode(value)
    if len(text) > METADATA_BYTES:
        raise ValueError(f"must be at most {METADATA_BYTES:,} bytes of JSON")
    if (path := too_deep(value, text, MAX_DEPTH - 1)) is not None:
        raise ValueError(f"must have at most {MAX_DEPTH - 1} levels: {path} has more")
    return text.decode()


def metadata_patch(value: object) -> str:
    """Check a metadata patch (RFC 7396). It can be larger than metadata: only the result counts."""
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object")
    return msgspec.json.encode(value).decode()


def is_object_of_names(text: str) -> bool:
    """Test whether this is a JSON object whose values are strings or null."""
    try:
        names = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return isinstance(names, dict) and all(value is None or isinstance(value, str) for value in names.values())


def patched(text: str, patch: str) -> str:
    """Metadata with a patch applied to it. ValueError where the result is none that can be kept."""
    return metadata(_merged(msgspec.json.decode(text), msgspec.json.decode(patch)))


def with_keys(text: str, more: str) -> str:
    """Metadata with all keys of other metadata. ValueError where the result is none that can be kept."""
    return metadata({**msgspec.json.decode(text), **msgspec.json.decode(more)})


def with_own_keys(text: str, changed: str, keys: Set[str], is_merged: bool) -> str | None:
    """Metadata with these keys of wanted metadata. None if that sets another key, or removes one: to leave one out of
    metadata that isn't merged does not. ValueError where the result is none that can be kept."""
    now, new, missing = msgspec.json.decode(text), msgspec.json.decode(changed), object()
    for key in (now.keys() | new.keys()) - keys:
        if new.get(key, missing if is_merged else now.get(key)) != now.get(key, missing):
            return None
    # In Python, 1 and true are equal: the other keys keep what they have, not what was sent.
    names = [key for key in {**now, **new} if key in new or key not in keys]
    return metadata({key: (new if key in keys else now)[key] for key in names})


def _merged(target: object, patch: object) -> object:
    """RFC 7396 section 2."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def too_deep(value: Any, text: bytes, levels: int = MAX_DEPTH) -> str | None:
    """The path to an object or list below so many levels, such as `metadata.a[0].b`; None if there is none. `text` is
    the JSON of the value."""
    if text.count(b"{") + text.count(b"[") <= levels:
        return None
    path = _path_below(value, levels)
    return None if path is None else _written(path)


def _path_below(value: Any, levels: int) -> list[str | int] | None:
    if levels == 0:
        return []
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, dict | list) and (path := _path_below(item, levels - 1)) is not None:
            return [name, *path]
    return None


def _written(path: list[str | int]) -> str:
    names = [f"[{name}]" if isinstance(name, int) else f".{shortened(name)}" for name in path]
    text = "".join(names).removeprefix(".")
    return text if len(text) <= 200 else f"{text[:100]}…{text[-99:]}"


def fold(text: str) -> str:
    """The text as search compares it: case-folded and composed (NFC). Idempotent."""
    if text.isascii():
        return text.lower()
    return normalize("NFC", normalize("NFC", text).casefold())


def prepare() -> None:
    """Load what the rules would load on first use, about 60 ms. Called in a thread once the server answers."""
    guessable.prepare()
    email(unusual := "é@é.example")
    email_key(unusual)


def comparable(text: str) -> str:
    """The text as passwords are compared."""
    return fold(normalize("NFKC", text))


@cache
def _email_validator() -> ModuleType:
    # Imported here: it would add 38 ms to the start, and few addresses need it.
    import email_validator

    # The library's documented way to accept such domains: the list of those it would reject.
    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
    return email_validator
