"""E-mail addresses: which are taken, and which two are the same."""

from __future__ import annotations

import unicodedata

import email_validator
import idna
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from rollbook.records import rules
from tests.grids import grid

letters = st.characters(categories=["Ll", "Lu", "Lt", "Lo", "Nd", "Mn"])
local_parts = st.lists(st.text(letters, min_size=1, max_size=8), min_size=1, max_size=3).map(".".join)
domains = st.sampled_from(
    [
        "example.com",
        "Bücher.example",
        "straße.de",
        "пример.испытание",
        "例え.テスト",
        "xn--bcher-kva.example",
        "faß.example",
        "ΣΊΣΥΦΟΣ.example",
    ]
)
addresses = st.builds("{}@{}".format, local_parts, domains)
labels = st.text(st.sampled_from("abzABZ0189-"), min_size=1, max_size=8) | st.text("b", min_size=60, max_size=65)
plain_addresses = st.builds(
    "{}@{}".format,
    st.lists(st.text(st.sampled_from("azAZ09_+-"), min_size=1, max_size=8), min_size=1, max_size=3).map(".".join),
    st.lists(labels, min_size=2, max_size=4).map(".".join),
)
# Everything that is near an address, and much that is not.
near_addresses = st.text(
    st.sampled_from(
        list('abzABZ019._+-@@@...!#"(),:;<>[\\] \t\n\x00\x7f') + list("éßıİ\u0130\u212aσ。＠\u0301\u200d\ud800")
    ),
    max_size=40,
)


def library_takes(text: str) -> bool:
    try:
        email_validator.validate_email(text, check_deliverability=False)
    except email_validator.EmailNotValidError:
        return False
    return True


@grid(
    "address",
    [
        "alice@example.com",
        "bob@example.com",
        "charlie.c@example.com",
        "a+tag@example.org",
        "o'brien@example.com",
        "A.B@Example.COM",
        "user@mail.test",
        "user@corp.local",
        "user@corp.internal",
        "user@gone.invalid",
        "user@x.localhost",
        "bjørn@example.no",
        "用户@例え.テスト",
        "x@bücher.example",
        "a" * 65 + "@example.com",
        "a" * 242 + "@example.com",
        "a@" + "b" * 63 + ".com",
        "a@1.2.example",
    ],
)
def test_an_address_is_kept_as_sent(address: str) -> None:
    assert rules.email(address) == address


@grid(
    "text",
    [
        "",
        "alice",
        "@",
        "alice@",
        "@example.com",
        "alice@localhost",
        "alice@example",
        "a@b@example.com",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a b@example.com",
        " alice@example.com",
        "alice@example.com ",
        "alice@example.com\n",
        "alice@example.com\r\nBcc: bob@example.com",
        "a\x00b@example.com",
        "alice@-example.com",
        "alice@example-.com",
        "alice@example..com",
        "alice@example.com.",
        "alice@ab--cd.com",
        "alice@xn--zzzzzzzz.com",
        "alice@[127.0.0.1]",
        '"a b"@example.com',
        "Alice <alice@example.com>",
        "alice@exa_mple.com",
        "alice@1.2.3.4",
        "alice＠example.com",
        "a\ud800@example.com",
        "a@\ud800.com",
        "a\u202eb@example.com",
        "a@" + "b" * 64 + ".com",
        "a" * 243 + "@example.com",
        "é" * 122 + "@example.com",
        "@" * 100_000,
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z].*\.$"):
        rules.email(text)


@settings(max_examples=150)
@given(plain_addresses.filter(lambda text: len(text) <= 254 and rules._PLAIN_EMAIL(text)))
@example("a" * 64 + "@" + ("b" * 63 + ".") * 2 + "c" * 60)
@example("-+_@1.2-3.co")
def test_the_library_takes_every_address_we_do_not_ask_it_about(text: str) -> None:
    rules.prepare()
    assert library_takes(text)


@settings(max_examples=300)
@given(near_addresses | addresses | st.emails() | st.text())
@example("a@b.c")
@example("a@b.com\n")
@example("a\u034f@example.com")
def test_an_address_is_taken_just_when_the_library_takes_it_and_all_of_it_is_seen(text: str) -> None:
    rules.prepare()
    try:
        taken = rules.email(text) == text
    except ValueError:
        taken = False
    assert taken == (library_takes(text) and not rules.hidden(text))


@pytest.mark.parametrize("hidden", ["s3cretvalue"])
@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "{}@",
        "{}@{}\u200b.com",
        "{}@xn--{}-999999.com",
        "\u1fef{}(@a.com",
        "{}@a\u2260{}.com",
        "{}@[IPv6:{}]",
        "{}@{}.1",
    ],
)
def test_the_words_of_a_refusal_do_not_hold_the_address(form: str, hidden: str) -> None:
    with pytest.raises(ValueError, match=r"address|@-sign") as refusal:
        rules.email(form.format(hidden, hidden))
    assert hidden not in str(refusal.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice@example.com", "ALICE@Example.COM"),
        ("jose\u0301@example.com", "JOS\u00c9@example.com"),
        ("x@bücher.example", "X@BÜCHER.EXAMPLE"),
        ("x@bücher.example", "x@xn--bcher-kva.example"),
        ("x@bücher.example", "x@bu\u0308cher.example"),
        ("x@bücher.example", "x@ｂücher。example"),
        ("x@пример.испытание", "x@xn--e1afmkfd.xn--80akhbyknj4f"),
        ("\u212aelvin@example.com", "kelvin@example.com"),
        ("\u212bngstrom@example.com", "\u00e5ngstrom@example.com"),
    ],
)
def test_these_are_the_same_address(one: str, other: str) -> None:
    assert rules.email_key(rules.email(one)) == rules.email_key(rules.email(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice@example.com", "alice+tag@example.com"),
        ("alice.b@example.com", "aliceb@example.com"),
        ("mike@example.com", "m\u0131ke@example.com"),
        ("mike@example.com", "M\u0130KE@example.com"),
        ("mike@example.org", "mike@example.com"),
        ("x@github.com", "x@g\u0131thub.com"),
        ("strasse@example.com", "straße@example.com"),
        ("x@strasse.de", "x@straße.de"),
        ("ﬁ@example.com", "fi@example.com"),
        ("a\uff20b@example.com", "ab@example.com"),
    ],
)
def test_these_are_different_addresses(one: str, other: str) -> None:
    assert rules.email_key(rules.email(one)) != rules.email_key(rules.email(other))


@settings(max_examples=200)
@given(addresses)
@example("M\u0130KE@example.com")
@example("ΟΔΟΣ@example.com")
@example("\u1fb3\u0345@example.com")
def test_spellings_of_one_address_have_one_key(address: str) -> None:
    assume(library_takes(address))
    key = rules.email_key(address)
    local, _, domain = address.rpartition("@")
    for spelling in (
        key,
        unicodedata.normalize("NFD", address),
        unicodedata.normalize("NFC", address),
        f"{local.lower()}@{domain.upper().replace('SS', 'ß') if 'ß' in domain else domain.swapcase()}",
        f"{local}@{idna.encode(domain, uts46=True).decode()}",
        f"{local}@{idna.decode(domain, uts46=True)}",
    ):
        assert rules.email_key(spelling) == key


@given(addresses)
def test_the_key_of_an_address_ends_in_the_domain_mail_servers_ask_for(address: str) -> None:
    assume(library_takes(address))
    expected = email_validator.validate_email(address, check_deliverability=False).ascii_domain
    domain = rules.email_key(address).rpartition("@")[2]
    assert domain == expected
    assert domain.isascii()


@given(near_addresses | st.text(st.characters(exclude_categories=[])))
@example("é@" + "ü" * 10_000)
@example("é@xn--zzz\u2260.com")
def test_a_text_that_is_no_address_has_a_key_that_no_address_has(text: str) -> None:
    key = rules.email_key(text)
    if library_takes(key):
        assert library_takes(text)
    assert rules.email_key(key) == key
