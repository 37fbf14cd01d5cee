"""Password hashes of other systems: every family verifies the hashes that its authors or its best-known implementations published."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.auth import crypt, password_hashes
from rollbook.auth.password_hashes import canonical, firebase, is_weak, matches, of_nobody, pbkdf2, wrapped
from rollbook.auth.passwords import Passwords, check_hash
from rollbook.config import Settings
from rollbook.records import password_parameters

# Each vector with its source, which names the password, unless it says something else.
VECTORS = {
    # Openwall, crypt_blowfish 1.3, wrapper.c
    "bcrypt 2a": (b"U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    "bcrypt 2a, beyond 72 bytes": (
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
        "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
    ),
    "bcrypt 2a, empty": (b"", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"),
    "bcrypt 2b": (b"U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    "bcrypt 2y": (b"\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"),
    "bcrypt 2x": (b"\xa3", "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"),
    "bcrypt 2x, two bytes": (b"\xd1\x91", "$2x$05$6bNw2HLQYeqHYyBfLMsv/OiwqTymGIGzFsA4hOTWebfehXHNprcAS"),
    "bcrypt 2x, collision": (b"\xff\xff\xa3", "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"),
    "bcrypt 2x, ascii": (b"U*U", "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    "bcrypt in LDAP": (b"U*U", "{CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    "bcrypt in Django": (b"U*U", "bcrypt$$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    # RFC 7914 section 12, in passlib's and the PHC's form
    "scrypt, empty": (b"", "$scrypt$ln=4,r=1,p=1$$d9ZXYjhleyA7GcpCwYoEl/FrSETjB0ro39/6P+3iFEL80Aad7QlI+DJqdToPyB8X6NPg+y4NNijPNeIMONGJBg"),
    "scrypt, p=16": (b"password", "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA"),
    "scrypt": (b"pleaseletmein", "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw"),
    # passlib 1.7.4, passlib/tests/test_handlers_scrypt.py
    "scrypt of passlib": (b"test", "$scrypt$ln=8,r=8,p=1$wlhLyXmP8b53bm1NKYVQqg$mTpvG8lzuuDk+DWz8HZIB6Vum6erDuUm0As5yU+VxWA"),
    # Django, tests/auth_tests/test_hashers.py
    "scrypt of Django": (
        "lètmein".encode(),
        "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==",
    ),
    "pbkdf2 of Django": ("lètmein".encode(), "pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c="),
    "argon2i of Django": (
        b"secret",
        "argon2$argon2i$m=8,t=1,p=1$c29tZXNhbHQ$gwQOXSNhxiOxPOA0+PY10P9QFO4NAYysnqRt1GSQLE55m+2GYDt9FEjPMHhP2Cuf0nOEXXMocVrsJAtNSsKyfg",
    ),
    "argon2id of Django": (b"secret", "argon2$argon2id$v=19$m=102400,t=2,p=8$Y041dExhNkljRUUy$TMa6A8fPJhCAUXRhJXCXdw"),
    # RFC 6070, in the PHC's form (phc-pbkdf2, test/vectors.js)
    "pbkdf2-sha1 of PHC": (b"password", "$pbkdf2-sha1$i=4096$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE"),
    "pbkdf2-sha1, two blocks": (
        b"passwordPASSWORDpassword", "$pbkdf2-sha1$i=4096$c2FsdFNBTFRzYWx0U0FMVHNhbHRTQUxUc2FsdFNBTFRzYWx0$PS7sT+QchJuAyNg2YsDkSospGpZM8vBwOA",
    ),
    "pbkdf2-sha1, NUL": (b"pass\0word", "$pbkdf2-sha1$i=4096$c2EAbHQ$Vvpqp1VICZ3MN9fwNCXgww"),
    # passlib 1.7.4, passlib/tests/test_handlers_pbkdf2.py
    "pbkdf2-sha1 of passlib": (b"password", "$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI"),
    "pbkdf2-sha256 of passlib": (b"password", "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ"),
    "pbkdf2-sha512 of passlib": (
        b"password", "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww",
    ),
    # 389 Directory Server, src/plugins/pwdchan/src/lib.rs, whose hashes are those of OpenLDAP's pw-pbkdf2
    "pbkdf2 of LDAP": (b"password", "{PBKDF2}10000$IlfapjA351LuDSwYC0IQ8Q$saHqQTuYnjJN/tmAndT.8mJt.6w"),
    "pbkdf2-sha1 of LDAP": (b"password", "{PBKDF2-SHA1}10000$ZBEH6B07rgQpJSikyvMU2w$TAA03a5IYkz1QlPsbJKvUsTqNV"),
    "pbkdf2-sha256 of LDAP": (b"password", "{PBKDF2-SHA256}10000$henZGfPWw79Cs8ORDeVNrQ$1dTJy73v6n3bnTmTZFghxHXHLsAzKaAy8SksDfZBPIw"),
    "pbkdf2-sha512 of LDAP": (
        b"password", "{PBKDF2-SHA512}10000$Je1Uw19Bfv5lArzZ6V3EPw$g4T/1sqBUYWl9o93MVnyQ/8zKGSkPbKaXXsT8WmysXQJhWy8MRP2JFudSL.N9RklQYgDPxPjnfum/F2f/TrppA",
    ),
    # Openwall, phpass 0.5, test.php; passlib 1.7.4, passlib/tests/test_handlers.py
    "phpass": (b"test12345", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"),
    "phpass of phpBB": (b"123456", "$H$9PE8jEklgZhgLmZl5.HYJAzfGCQtzi1"),
    # Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512"
    "sha256-crypt": (b"Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    "sha256-crypt, rounds": (b"Hello world!", "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"),
    "sha256-crypt, long": (
        b"a very much longer text to encrypt.  This one even stretches over morethan one line.",
        "$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1",
    ),
    "sha256-crypt, short salt": (
        b"we have a short salt string but not a short password", "$5$rounds=77777$short$JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/",
    ),
    "sha256-crypt, least rounds": (b"the minimum number is still observed", "$5$rounds=1000$roundstoolow$yfvwcWrQ8l/K0DAWyuPMDNHpIVlTQebY9l/gL972bIC"),
    "sha512-crypt": (b"Hello world!", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"),
    "sha512-crypt, rounds": (
        b"Hello world!", "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
    ),
    "sha512-crypt, long": (
        b"a very much longer text to encrypt.  This one even stretches over morethan one line.",
        "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
    ),
    "sha512-crypt in LDAP": (b"Hello world!", "{CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"),
    # `openssl passwd -1 -salt SALT PASSWORD`
    "md5-crypt": (b"Hello world!", "$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1"),
    "md5-crypt, empty": (b"", "$1$abcdefgh$M55TzYaaccxVGbptZWaxX/"),
    "md5-crypt, longer than a digest": (b"a password longer than sixteen bytes", "$1$x$HsMtwpZ51PhVKsQCJ8q181"),
    # Werkzeug 3.1, generate_password_hash("correct horse", ...)
    "scrypt of Werkzeug": (b"correct horse", "scrypt:32768:8:1$saltSALTsaltSALT$325b5b06fc3fbe3cd7eb7eb730dac1b7ea032c7577eb9dc9dd90574b6d10d20690fa588a368a67e7c8bf1ac4c9481798932c60ae32f825c24c0abc200ea8bf44"),
    "pbkdf2 of Werkzeug": (b"correct horse", "pbkdf2:sha256:1000$saltSALTsaltSALT$38d76e05d6171a222cef29696b00868b4f7d4c35522ef1bfc20a3c232376eb84"),
    # passlib 1.7.4, passlib/tests/test_handlers_django.py
    "bcrypt_sha256 of Django": (b"", "bcrypt_sha256$$2a$06$/3OeRpbOf8/l6nPPRdZPp.nRiyYqPobEZGdNRBWihQhiFDh1ws1tu"),
    # passlib 1.7.4, passlib/tests/test_handlers.py
    "ssha": (b"testing123", "{SSHA}0c0blFTXXNuAMHECS4uxrj3ZieMoWImr"),
    # hashcat, example hashes of modes 1411 and 1711
    "ssha256": (b"hashcat", "{SSHA256}OZiz0cnQ5hgyel3Emh7NCbhBRCQ+HVBwYplQunHYnER7TLuV"),
    "ssha512": (b"hashcat", "{SSHA512}ALtwKGBdRgD+U0fPAy31C28RyKYx7+a8kmfksccsOeLknLHv2DBXYI7TDnTolQMBuPkWDISgZr2cHfnNPFjGZTEyNDU4OTkw"),
    # The digest of NIST's example for SHA-1, in LDAP's form
    "sha": (b"abc", "{SHA}qZk+NkcGgWq6PiVxeFDCbJzQ2J0="),
    # uffd, tests/utils.py
    "ssha512, lower case": (b"password", "{ssha512}dOeDLmVpHJThhHeag10Hm2g4T7s3SBE6rGHcXUolXJHVufY4qT782rwZ/0XE6cuLcBZ0KpnwmUzRpAEtZBdv+JYEEtZQs/uC"),
}  # fmt: skip


@pytest.mark.parametrize(("secret", "text"), VECTORS.values(), ids=VECTORS)
def test_published_hashes_are_verified(secret: bytes, text: str) -> None:
    hash = check_hash(text)
    assert matches(hash, secret)
    assert not matches(hash, b"x" + secret)
    assert check_hash(hash) == hash, "the stored form is accepted too, in an export"


# The README of github.com/firebase/scrypt
SIGNER_KEY = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
SALT = "42xEC+ixf3L2lw=="
FIREBASE = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="


def test_a_hash_of_firebase_is_verified_and_its_project_s_signer_key_stored_nowhere() -> None:
    hash = firebase(FIREBASE, SALT, SIGNER_KEY, "Bw==", 8, 14)
    assert check_hash(hash) == hash and hash.startswith("$firebase-scrypt$ln=14,r=8,p=1$")
    assert matches(hash, b"user1password") and not matches(hash, b"user2password")
    assert SIGNER_KEY[:16] not in hash and FIREBASE[:16] not in hash
    with pytest.raises(ValueError, match=r"^The password hash doesn't fit the hash parameters of the Firebase project\.$"):
        firebase(FIREBASE, SALT, SIGNER_KEY[:24], "Bw==", 8, 14)


@pytest.mark.parametrize(
    "text",
    [
        "$2b$12$abcdefghijklmnopqrstuv", "$2c$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n", "scrypt$16383$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==",
        "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOU", "$pbkdf2-sha256$01212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
        "$5$rounds=999$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "$5$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        "{SSHA}0c0blFTXXNuAMHECS4uxrj3Z", "{SSHA256}0c0blFTXXNuAMHECS4uxrj3ZieMoWImr", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L", "$y$j9T$abc",
        "88a434c88cca4e900f7874cd98123f43", "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8", "!", "$scrypt$ln=4,r=1,p=1$a$d9ZXYjhleyA7GcpCwYoEl/FrSETjB0ro39/6P+3iFEI", "x" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_complete_hash_of_a_known_format_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^The password hash is not in a format") as refusal:
        check_hash(text)
    assert len(text) < 3 or text not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "$2b$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "$scrypt$ln=20,r=8,p=1$U29kaXVtQ2hsb3JpZGU$IQHLm2pRGq6t274Jz3D4gexWjVdKL/1Nq+XumCCtqkeOVv2PS6XQn/ocbZJ8QPTDNzBASeipUvvL9Fxvp3pBpA",
        "$scrypt$ln=63,r=1,p=1$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI", "$scrypt$ln=1,r=1,p=99999999$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
        "$pbkdf2-sha1$i=16777216$c2FsdA$7v49Yc1NpOTplFs9a6IVjCY06YQ", "$6$rounds=999999999$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        "$P$SIQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "{PBKDF2-SHA512}9999999999$Je1Uw19Bfv5lArzZ6V3EPw$g4T/1sqBUYWl9o93MVnyQ/8zKGSkPbKaXXsT8WmysXQ",
    ],
)  # fmt: skip
def test_a_hash_that_takes_more_than_a_second_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^The password hash is too expensive to verify"):
        check_hash(text)


CHECKED = [check_hash(text) for _, text in VECTORS.values()] + [firebase(FIREBASE, SALT, SIGNER_KEY, "Bw==", 8, 14)]
STORED = CHECKED + [wrapped(hash, 8, 1, 1) for hash in CHECKED if is_weak(hash)]
BY_PARAMETERS = {password_parameters.of(hash): hash for hash in STORED}


@pytest.mark.parametrize("parameters", BY_PARAMETERS)
def test_the_parameters_stand_in_front_of_every_hash_and_are_enough_for_the_same_work(parameters: str) -> None:
    assert BY_PARAMETERS[parameters].startswith(parameters) and 0 < len(parameters) <= 40
    other = of_nobody(parameters)
    assert canonical(other) == other and password_parameters.of(other) == parameters
    assert not matches(other, b"password")


@pytest.mark.parametrize(
    "name", ["phpass", "phpass of phpBB", "md5-crypt", "md5-crypt, empty", "sha", "ssha", "ssha256", "ssha512"]
)
def test_a_weak_hash_is_kept_inside_of_argon2id(name: str) -> None:
    secret, text = VECTORS[name]
    weak = check_hash(text)
    hash = wrapped(weak, 64, 2, 1)
    assert hash != wrapped(weak, 64, 2, 1), "each has a salt of its own"
    assert matches(hash, secret) and not matches(hash, secret + b"x")
    assert check_hash(hash) == hash, "the stored form is accepted too, in an export"
    digest = weak.rpartition("$")[2][-22:] if weak.startswith("$") else weak.partition("}")[2][:20]
    assert digest not in hash and weak[-10:] not in hash
    beyond = "$wrapped-p$" + hash.partition("m=")[2] if "wrapped-p" in hash else hash.replace("$m=", "$c=5,m=")
    assert canonical(beyond) is None


def test_what_is_weak() -> None:
    assert {re.split("[$}]", hash[1:])[0] for hash in CHECKED if is_weak(hash)} == {"P", "1", "SSHA", "SSHA256", "SSHA512"}


ONE_OF_EACH = {
    "argon2id": "$argon2id$v=19$m=19456,t=2,p=1$", "2b": "$2b$09$", "2x": "$2x$09$", "django-bcrypt-sha256": "$django-bcrypt-sha256$09$",
    "scrypt": "$scrypt$ln=14,r=8,p=1$", "firebase-scrypt": "$firebase-scrypt$ln=14,r=8,p=1$", "pbkdf2-sha1": "$pbkdf2-sha1$i=100000,l=20$",
    "pbkdf2-sha256": "$pbkdf2-sha256$i=100000,l=32$", "pbkdf2-sha512": "$pbkdf2-sha512$i=100000,l=64$", "P": "$P$D", "1": "$1$",
    "5": "$5$rounds=30000$", "6": "$6$rounds=30000$", "SSHA": "{SSHA}", "SSHA256": "{SSHA256}", "SSHA512": "{SSHA512}",
    "wrapped-p": "$wrapped-p$c=14,m=19456,t=2,p=1$", **{f"wrapped-{kind}": f"$wrapped-{kind}$m=19456,t=2,p=1$" for kind in ("1", "ssha", "ssha256", "ssha512")},
}  # fmt: skip
"""Parameters of each family that take tens of milliseconds, where it has parameters."""


def test_every_family_is_timed() -> None:
    assert ONE_OF_EACH.keys() == password_hashes.FAMILIES.keys() - {"argon2i", "argon2d"}


@pytest.mark.parametrize("family", ONE_OF_EACH)
def test_no_password_makes_a_hash_cost_more_than_the_price_of_its_parameters(family: str) -> None:
    parameters = ONE_OF_EACH[family]
    hash = of_nobody(parameters)

    def seconds(secret: bytes) -> float:
        """Of this thread's processor time, the least of three."""
        return min(_timed(lambda: matches(hash, secret)) for _ in range(3))

    longest = password_hashes.FAMILIES[family].longest
    short, long, longer = seconds(b"fourteen bytes"), seconds(b"x" * longest), seconds(b"x" * (longest + 1))
    assert longer < 1.5 * short + 0.001, "what matches nothing costs no more than what is short"
    assert long < 3 * short + 0.001, "what can match costs hardly more"
    # Of the machine on which prices were measured; others may take somewhat longer.
    assert max(short, long, longer) < 3 * password_parameters.price(parameters).seconds + 0.001


def _timed(work: Callable[[], object]) -> float:
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def test_a_password_longer_than_a_family_takes_matches_nothing() -> None:
    right = b"x" * 257
    hash = f"$6$rounds=1000$saltsalt${crypt.sha_crypt('sha512', right, b'saltsalt', 1000)}"
    assert not matches(hash, right)
    assert matches(f"$6$rounds=1000$saltsalt${crypt.sha_crypt('sha512', right[1:], b'saltsalt', 1000)}", right[1:])


def test_every_family_has_a_published_hash() -> None:
    assert {re.split("[$}]", hash[1:])[0] for hash in STORED} == set(password_hashes.FAMILIES) - {"argon2d"}


@given(st.text(max_size=120), st.sampled_from([text for _, text in VECTORS.values()]), st.integers(0, 120))
def test_no_text_breaks_the_check(noise: str, text: str, at: int) -> None:
    for each in (noise, text[:at] + noise + text[at:], text[:at] + noise):
        hash = canonical(each)
        assert hash is None or canonical(hash) == hash


def test_a_password_matches_as_it_was_typed_and_in_our_own_form() -> None:
    """Other systems hash what is typed; here it is normalized first, which turns \\u212b into \\u00c5."""
    passwords = Passwords(Settings(password_memory=64, password_time_cost=1, password_threads=1))
    try:
        for typed in ("\u212bngstr\u00f6ms", "caf\u00e9-noir"):
            hash = pbkdf2("sha256", 1, b"salt", hashlib.pbkdf2_hmac("sha256", typed.encode(), b"salt", 1))
            assert passwords.verify_now(hash, typed)
            assert not passwords.verify_now(hash, typed + "!")
            assert passwords.needs_renewal(hash)
        assert passwords.verify_now(hash, "cafe\u0301-noir")
    finally:
        passwords.queue.close()
