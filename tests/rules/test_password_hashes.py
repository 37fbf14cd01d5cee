"""Password hashes of other systems: every family verifies the hashes that its authors or its best-known implementations
published."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.auth import password_hashes
from rollbook.auth.password_hashes import (
    UnknownHash,
    canonical,
    firebase,
    is_hash,
    is_weak,
    matches,
    of_nobody,
    pbkdf2,
    wrapped,
)
from rollbook.auth.passwords import Passwords, check_hash
from rollbook.config import Settings
from rollbook.records import password_parameters
from tests.grids import grid

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
    "scrypt, empty": (
        b"",
        "$scrypt$ln=4,r=1,p=1$$d9ZXYjhleyA7GcpCwYoEl/FrSETjB0ro39/6P+3iFEL80Aad7QlI+DJqdToPyB8X6NPg+y4NNijPNeIMONGJBg",
    ),
    "scrypt, p=16": (
        b"password",
        "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA",
    ),
    "scrypt": (
        b"pleaseletmein",
        "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw",
    ),
    # passlib 1.7.4, passlib/tests/test_handlers_scrypt.py
    "scrypt of passlib": (
        b"test",
        "$scrypt$ln=8,r=8,p=1$wlhLyXmP8b53bm1NKYVQqg$mTpvG8lzuuDk+DWz8HZIB6Vum6erDuUm0As5yU+VxWA",
    ),
    # Django, tests/auth_tests/test_hashers.py
    "scrypt of Django": (
        "lètmein".encode(),
        "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==",
    ),
    "pbkdf2 of Django": (
        "lètmein".encode(),
        "pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c=",
    ),
    "argon2i of Django": (
        b"secret",
        "argon2$argon2i$m=8,t=1,p=1$c29tZXNhbHQ$gwQOXSNhxiOxPOA0+PY10P9QFO4NAYysnqRt1GSQLE55m+2GYDt9FEjPMHhP2Cuf0nOEXXMocVrsJAtNSsKyfg",
    ),
    "argon2id of Django": (b"secret", "argon2$argon2id$v=19$m=102400,t=2,p=8$Y041dExhNkljRUUy$TMa6A8fPJhCAUXRhJXCXdw"),
    # RFC 6070, in the PHC's form (phc-pbkdf2, test/vectors.js)
    "pbkdf2-sha1 of PHC": (b"password", "$pbkdf2-sha1$i=4096$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE"),
    "pbkdf2-sha1, two blocks": (
        b"passwordPASSWORDpassword",
        "$pbkdf2-sha1$i=4096$c2FsdFNBTFRzYWx0U0FMVHNhbHRTQUxUc2FsdFNBTFRzYWx0$PS7sT+QchJuAyNg2YsDkSospGpZM8vBwOA",
    ),
    "pbkdf2-sha1, NUL": (b"pass\0word", "$pbkdf2-sha1$i=4096$c2EAbHQ$Vvpqp1VICZ3MN9fwNCXgww"),
    # passlib 1.7.4, passlib/tests/test_handlers_pbkdf2.py
    "pbkdf2-sha1 of passlib": (b"password", "$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI"),
    "pbkdf2-sha256 of passlib": (
        b"password",
        "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
    ),
    "pbkdf2-sha512 of passlib": (
        b"password",
        "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww",
    ),
    # 389 Directory Server, src/plugins/pwdchan/src/lib.rs, whose hashes are those of OpenLDAP's pw-pbkdf2
    "pbkdf2 of LDAP": (b"password", "{PBKDF2}10000$IlfapjA351LuDSwYC0IQ8Q$saHqQTuYnjJN/tmAndT.8mJt.6w"),
    "pbkdf2-sha1 of LDAP": (b"password", "{PBKDF2-SHA1}10000$ZBEH6B07rgQpJSikyvMU2w$TAA03a5IYkz1QlPsbJKvUsTqNV"),
    "pbkdf2-sha256 of LDAP": (
        b"password",
        "{PBKDF2-SHA256}10000$henZGfPWw79Cs8ORDeVNrQ$1dTJy73v6n3bnTmTZFghxHXHLsAzKaAy8SksDfZBPIw",
    ),
    "pbkdf2-sha512 of LDAP": (
        b"password",
        "{PBKDF2-SHA512}10000$Je1Uw19Bfv5lArzZ6V3EPw$g4T/1sqBUYWl9o93MVnyQ/8zKGSkPbKaXXsT8WmysXQJhWy8MRP2JFudSL.N9RklQYgDPxPjnfum/F2f/TrppA",
    ),
    # Openwall, phpass 0.5, test.php; passlib 1.7.4, passlib/tests/test_handlers.py
    "phpass": (b"test12345", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"),
    "phpass of phpBB": (b"123456", "$H$9PE8jEklgZhgLmZl5.HYJAzfGCQtzi1"),
    # Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512"
    "sha256-crypt": (b"Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    "sha256-crypt, rounds": (
        b"Hello world!",
        "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
    ),
    "sha256-crypt, long": (
        b"a very much longer text to encrypt.  This one even stretches over morethan one line.",
        "$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1",
    ),
    "sha256-crypt, short salt": (
        b"we have a short salt string but not a short password",
        "$5$rounds=77777$short$JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/",
    ),
    "sha256-crypt, least rounds": (
        b"the minimum number is still observed",
        "$5$rounds=1000$roundstoolow$yfvwcWrQ8l/K0DAWyuPMDNHpIVlTQebY9l/gL972bIC",
    ),
    "sha512-crypt": (
        b"Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
    "sha512-crypt, rounds": (
        b"Hello world!",
        "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
    ),
    "sha512-crypt, long": (
        b"a very much longer text to encrypt.  This one even stretches over morethan one line.",
        "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
    ),
    "sha512-crypt in LDAP": (
        b"Hello world!",
        "{CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
    # `openssl passwd -1 -salt SALT PASSWORD`
    "md5-crypt": (b"Hello world!", "$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1"),
    "md5-crypt, empty": (b"", "$1$abcdefgh$M55TzYaaccxVGbptZWaxX/"),
    "md5-crypt, longer than a digest": (b"a password longer than sixteen bytes", "$1$x$HsMtwpZ51PhVKsQCJ8q181"),
    # Werkzeug 3.1, generate_password_hash("correct horse", ...)
    "scrypt of Werkzeug": (
        b"correct horse",
        "scrypt:32768:8:1$saltSALTsaltSALT$325b5b06fc3fbe3cd7eb7eb730dac1b7ea032c7577eb9dc9dd90574b6d10d20690fa588a368a67e7c8bf1ac4c9481798932c60ae32f825c24c0abc200ea8bf44",
    ),
    "pbkdf2 of Werkzeug": (
        b"correct horse",
        "pbkdf2:sha256:1000$saltSALTsaltSALT$38d76e05d6171a222cef29696b00868b4f7d4c35522ef1bfc20a3c232376eb84",
    ),
    # passlib 1.7.4, passlib/tests/test_handlers_django.py
    "bcrypt_sha256 of Django": (b"", "bcrypt_sha256$$2a$06$/3OeRpbOf8/l6nPPRdZPp.nRiyYqPobEZGdNRBWihQhiFDh1ws1tu"),
    # passlib 1.7.4, passlib/tests/test_handlers.py
    "ssha": (b"testing123", "{SSHA}0c0blFTXXNuAMHECS4uxrj3ZieMoWImr"),
    # hashcat, example hashes of modes 1411 and 1711
    "ssha256": (b"hashcat", "{SSHA256}OZiz0cnQ5hgyel3Emh7NCbhBRCQ+HVBwYplQunHYnER7TLuV"),
    "ssha512": (
        b"hashcat",
        "{SSHA512}ALtwKGBdRgD+U0fPAy31C28RyKYx7+a8kmfksccsOeLknLHv2DBXYI7TDnTolQMBuPkWDISgZr2cHfnNPFjGZTEyNDU4OTkw",
    ),
    # The digest of NIST's example for SHA-1, in LDAP's form
    "sha": (b"abc", "{SHA}qZk+NkcGgWq6PiVxeFDCbJzQ2J0="),
    # `wp_hash_password` of WordPress (github.com/WordPress/wordpress-develop, 00515dff), run by PHP 8.4 with cost 5
    "wordpress": (b"correct horse", "$wp$2y$05$ycuk1hOpo20C47lUjCMIIuX2yd.WiRKGT5DrUtZ5yyzgQOXV/c2Xe"),
    "wordpress, not ASCII": (
        "pässwörd-日本".encode(),
        "$wp$2y$05$J7KD3P.3j6DoUszzZyssLOK8TeUfyABftSzLtmbC08h61FE27tFxS",
    ),
    "wordpress, trimmed": (b" spaces around ", "$wp$2y$05$Imt9JauZLL7nFwuEpehXLulYmqf5p1bFADlVTZzAvIB7gRKuXigj2"),
    "wordpress, beyond 72 bytes": (
        b"long password " * 18,
        "$wp$2y$05$gAU3OEAwcq937vptx9hDwua.44trHlVTorLJckIjtrwKOh.q79DcC",
    ),
    # `hashPassword` of better-auth 1.7.25
    "better-auth": (
        b"correct horse",
        "9e6ab5bb8d9f92e0adab7820ad5486ae:200d26a2c53e504069796ffbec0500fb410702a17886ca0c7b9b35191e60d87e0b7b81e524033b0af92250496c266c26738f8652f22bcfe7fd72d840c3b645b0",
    ),
    "better-auth, not ASCII": (
        "pässwörd-日本".encode(),
        "8d55441f784ca5a07da29773a9418219:67be5a3545e81336a536b2d3b1ae0696fabc593bbd1ec9b73e0f63865fd9eaa2c2f9e55b0e359685f41e16c2ba61704676c4f5adeb33df62404d4ff1fcb23993",
    ),
    # ASP.NET Core, src/Identity/test/Identity.Test/PasswordHasherTest.cs
    "ASP.NET Identity 2": (b"my password", "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg=="),
    "ASP.NET Identity 2, random salt": (
        b"my password",
        "ANXrDknc7fGPpigibZXXZFMX4aoqz44JveK6jQuwY3eH/UyPhvr5xTPeGYEckLxz9A==",
    ),
    "ASP.NET Identity 3": (
        b"my password",
        "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
    ),
    "ASP.NET Identity 3, 250,000 rounds": (
        b"my password",
        "AQAAAAEAA9CQAAAAIESkQuj2Du8Y+kbc5lcN/W/3NiAZFEm11P27nrSN5/tId+bR1SwV8CO1Jd72r4C08OLvplNlCDc3oQZ8efcW+jQ=",
    ),
    "ASP.NET Identity 3, SHA-1": (b"my password", "AQAAAAAAAAD6AAAAEAhftMyfTJylOlZT+eEotFXd1elee8ih5WsjXaR3PA9M"),
    "ASP.NET Identity 3, SHA-512": (b"my password", "AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw"),
    "ASP.NET Identity 3, SHA-512, 64 bytes": (
        b"my password",
        "AQAAAAIAAAD6AAAAIJbVi5wbMR+htSfFp8fTw8N8GOS/Sje+S/4YZcgBfU7EQuqv4OkVYmc4VJl9AGZzmRTxSkP7LtVi9IWyUxX8IAAfZ8v+ZfhjCcudtC1YERSqE1OEdXLW9VukPuJWBBjLuw==",
    ),
    # The encoders of Spring Security (d449950b, August 2026), run by Java 17
    "Spring Security's {pbkdf2}": (
        b"correct horse",
        "{pbkdf2}700c4a26db48d85c713327857526cda79cadd434ba03cb1a92c328ebedee21f60de4f6810838d5ef",
    ),
    "Spring Security's {pbkdf2@SpringSecurity_v5_8}": (
        b"correct horse",
        "{pbkdf2@SpringSecurity_v5_8}0149521074cfa09df776f98cf40ecf2e8068691d34cceec652f41d44d0b83af8c59437d0c1f88597811d733d00bab280",
    ),
    "Spring Security's {scrypt}": (
        b"correct horse",
        "{scrypt}$e0801$DzARwMHmlh2pJtXA05lV1HVqTyM0D8GIBAVMIG+hIg3tNvMT7ZC+Ce7aTV6pNCeyyuq5KrIHL2B7hMPmFoqtSQ==$/FtSTIlv6vpLuRwHn4zBSeQ1Dk2GN1i1Z+UOs4GZISE=",
    ),
    "Spring Security's {scrypt@SpringSecurity_v5_8}": (
        b"correct horse",
        "{scrypt@SpringSecurity_v5_8}$100801$HyBQqQlVD9V7s6TT502fIQ==$Ip8kk2esCNuH7KGWZp3BcnbqNLTkds8f33o2OCLXkAU=",
    ),
    "Spring Security's {argon2}": (
        b"correct horse",
        "{argon2}$argon2id$v=19$m=4096,t=3,p=1$XSTmhCD1arPxq6b9phLIlg$yxKgt4+ITdptNa3BIL1aY/SXnxJgeUj3agdtE0xbTL8",
    ),
    "Spring Security's {argon2@SpringSecurity_v5_8}": (
        b"correct horse",
        "{argon2@SpringSecurity_v5_8}$argon2id$v=19$m=16384,t=2,p=1$yQZzxvm0angt1Fcv3agDDQ$1gjIVjvyoAV5Z59sEDKSWg9VyPRCJAl14THyVT6C6J4",
    ),
    "Spring Security's {bcrypt}": (
        b"correct horse",
        "{bcrypt}$2a$05$u4anaeVnGIPrqlFx2Y00.emg/FXWk9LXm5u3GN632X6SHVJGIeSfu",
    ),
    "Spring Security's {pbkdf2}, not ASCII": (
        "pässwörd-日本".encode(),
        "{pbkdf2}af55dbaa4757a0e5557fcf80a969932dd9444c180218c267f73687e2212169e67f3d0550087341ef",
    ),
    "Spring Security's {pbkdf2@SpringSecurity_v5_8}, not ASCII": (
        "pässwörd-日本".encode(),
        "{pbkdf2@SpringSecurity_v5_8}ac49a24c926b39b0a3faed47954f36ff288b4d83ecb8d4045dd102813054740a5eaaf7919bc9d13e16b363dcef394f71",
    ),
    "Spring Security's {scrypt}, not ASCII": (
        "pässwörd-日本".encode(),
        "{scrypt}$e0801$Cgj/Whz9Z7DQ86Msh+WpTXb8FnqO5SIIP1irjN6wfJV1UnAfTEYavxkbXLy0daFp+6iL5LpwoouBGi3sKHYTRQ==$xkDBrMqWWU+fPrmkvEZmFw/lnPdjqN5339lsZbBPEYM=",
    ),
    "Spring Security's {scrypt@SpringSecurity_v5_8}, not ASCII": (
        "pässwörd-日本".encode(),
        "{scrypt@SpringSecurity_v5_8}$100801$0tuPcNmvwVdJ1EbxnJblCQ==$sIzYnWTUdSvko/6f/g2lENpDYA+MZItudLC4GlaZDIo=",
    ),
    "Spring Security's {argon2}, not ASCII": (
        "pässwörd-日本".encode(),
        "{argon2}$argon2id$v=19$m=4096,t=3,p=1$i94NnFklIq2XZr3GIG1ChQ$z58fbOfE85t0+DDhFaoEUw/QZK/BzN2nf9WBskIs3X4",
    ),
    "Spring Security's {argon2@SpringSecurity_v5_8}, not ASCII": (
        "pässwörd-日本".encode(),
        "{argon2@SpringSecurity_v5_8}$argon2id$v=19$m=16384,t=2,p=1$78S5YS7fsPCNua+EvyBHhg$izhhd5qiXjjS9w9Ndy7UhD5oz3pKchs7hD0tAHmXfAE",
    ),
    "Spring Security's {bcrypt}, not ASCII": (
        "pässwörd-日本".encode(),
        "{bcrypt}$2a$05$P.DqWfUz1lImMc3znNzh/Oy5CfAzPTk4rMI2u0ktYtS.jAG42TWwO",
    ),
    # The Javadoc of Spring Security's DelegatingPasswordEncoder
    "Spring Security's {BCRYPT}": (b"password", "{BCRYPT}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG"),
    "Spring Security's {pbkdf2} of the docs": (
        b"password",
        "{Pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc",
    ),
    "Spring Security's {SCRYPT}": (
        b"password",
        "{SCRYPT}$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of4g24hHnazw==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=",
    ),
    "Spring Security's {ldap}": (b"testing123", "{ldap}{SSHA}0c0blFTXXNuAMHECS4uxrj3ZieMoWImr"),
    # `crypt` of Drupal's PhpassHashedPasswordBase (github.com/drupal/drupal, 25de611b), run by PHP 8.4
    "drupal": (b"correct horse", "$S$DZBuAyoO3Jgl3NCqerm/6lRqBghoF8CEoulG3.2VF556HauxufxO"),
    "drupal, not ASCII": ("pässwörd-日本".encode(), "$S$5wYDKXz8Mpr9iWJ05rmBu6M3JU9KgM7JO3uWowvILyOjP1ab6dzp"),
    # uffd, tests/utils.py
    "ssha512, lower case": (
        b"password",
        "{ssha512}dOeDLmVpHJThhHeag10Hm2g4T7s3SBE6rGHcXUolXJHVufY4qT782rwZ/0XE6cuLcBZ0KpnwmUzRpAEtZBdv+JYEEtZQs/uC",
    ),
}


@grid(("secret", "text"), VECTORS.values(), ids=VECTORS)
def test_published_hashes_are_verified(secret: bytes, text: str) -> None:
    hash = check_hash(text)
    assert matches(hash, secret)
    assert not matches(hash, b"x" + secret)
    assert check_hash(hash) == hash, "the stored form is accepted too, in an export"
    assert is_hash(text), "it is never taken for a plain password"


# The README of github.com/firebase/scrypt
SIGNER_KEY = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
SALT = "42xEC+ixf3L2lw=="
FIREBASE = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="


def test_a_hash_of_firebase_is_verified_and_its_project_s_signer_key_stored_nowhere() -> None:
    hash = firebase(FIREBASE, SALT, SIGNER_KEY, "Bw==", 8, 14)
    assert check_hash(hash) == hash and hash.startswith("$firebase-scrypt$ln=14,r=8,p=1$")
    assert matches(hash, b"user1password") and not matches(hash, b"user2password")
    assert SIGNER_KEY[:16] not in hash and FIREBASE[:16] not in hash
    with pytest.raises(
        ValueError, match=r"^The password hash doesn't fit the hash parameters of the Firebase project\.$"
    ):
        firebase(FIREBASE, SALT, SIGNER_KEY[:24], "Bw==", 8, 14)


@grid(
    "text",
    [
        "$2b$12$abcdefghijklmnopqrstuv",
        "$2c$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n",
        "scrypt$16383$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==",
        "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOU",
        "$pbkdf2-sha256$01212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
        "$5$rounds=999$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "$5$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        "{SSHA}0c0blFTXXNuAMHECS4uxrj3Z",
        "{SSHA256}0c0blFTXXNuAMHECS4uxrj3ZieMoWImr",
        "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L",
        "$y$j9T$abc",
        # ASP.NET's own cases of what is too short; Spring Security's digests without a key derivation; better-auth's
        # without its end
        "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggE=",
        "AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4A=",
        "AQAAAAMAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw",
        "AQAAAAIAAAAAAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw",
        "AQAAAAIAAAAy/////+Mwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw",
        "{sha256}97cde38028ad898ebc02e690819fa220e88c62e0699403e94fff291cfffaf8410849f27605abcbc0",
        "{SHA}a9993e364706816aba3e25717850c26c9cd0d89d",
        "{MD5}900150983cd24fb0d6963f7d28e17f72",
        "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8",
        "{scrypt}$e0001$YWJj$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=",
        "9e6ab5bb8d9f92e0adab7820ad5486ae:200d26a2c53e504069796ffbec0500fb",
        "$wp$2y$05$ycuk1hOpo20C47lUjCMIIu",
        "$wp$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$Z3dPUVhTTmh4aU94UE9B",
        "$S$4e2dkQMUYycthKs6azMEQ1C.EfUrj3pinNNoKnF/d9N.p6qsmSa8",
        "$S$De2dkQMUYycthKs6azMEQ1C.EfUrj3pinNNoKnF/d9N.p6qsmSa",
        "88a434c88cca4e900f7874cd98123f43",
        "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8",
        "!",
        "$scrypt$ln=4,r=1,p=1$a$d9ZXYjhleyA7GcpCwYoEl/FrSETjB0ro39/6P+3iFEI",
        "x" * 100_000,
    ],
)
def test_what_is_no_complete_hash_of_a_known_format_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^The password hash is not in a format") as refusal:
        check_hash(text)
    assert len(text) < 3 or text not in str(refusal.value)


@pytest.mark.parametrize("text", ["{noop}correct horse", "{NoOp}x", "{noop}"])
def test_a_plain_password_in_the_place_of_a_hash_is_refused_by_name(text: str) -> None:
    with pytest.raises(UnknownHash, match=r"^This is a plain password, not a hash") as refusal:
        check_hash(text)
    assert "horse" not in str(refusal.value)


@grid(
    "text",
    [
        "$2b$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$scrypt$ln=20,r=8,p=1$U29kaXVtQ2hsb3JpZGU$IQHLm2pRGq6t274Jz3D4gexWjVdKL/1Nq+XumCCtqkeOVv2PS6XQn/ocbZJ8QPTDNzBASeipUvvL9Fxvp3pBpA",
        "$scrypt$ln=63,r=1,p=1$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
        "$scrypt$ln=1,r=1,p=99999999$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
        "$pbkdf2-sha1$i=16777216$c2FsdA$7v49Yc1NpOTplFs9a6IVjCY06YQ",
        "$6$rounds=999999999$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        "$S$Se2dkQMUYycthKs6azMEQ1C.EfUrj3pinNNoKnF/d9N.p6qsmSa8",
        "$wp$2y$17$ycuk1hOpo20C47lUjCMIIuX2yd.WiRKGT5DrUtZ5yyzgQOXV/c2Xe",
        "{scrypt}$1e0801$DzARwMHmlh2pJtXA05lV1Q==$/FtSTIlv6vpLuRwHn4zBSeQ1Dk2GN1i1Z+UOs4GZISE=",
        "AQAAAAH/////AAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
        "$P$SIQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0",
        "{PBKDF2-SHA512}9999999999$Je1Uw19Bfv5lArzZ6V3EPw$g4T/1sqBUYWl9o93MVnyQ/8zKGSkPbKaXXsT8WmysXQ",
    ],
)
def test_a_hash_that_takes_more_than_a_second_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^The password hash is too expensive to verify"):
        check_hash(text)


CHECKED = [check_hash(text) for _, text in VECTORS.values()] + [firebase(FIREBASE, SALT, SIGNER_KEY, "Bw==", 8, 14)]
STORED = CHECKED + [wrapped(hash, 8, 1, 1) for hash in CHECKED if is_weak(hash)]
BY_PARAMETERS = {password_parameters.of(hash): hash for hash in STORED}


@grid("parameters", BY_PARAMETERS)
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
    assert {re.split("[$}]", hash[1:])[0] for hash in CHECKED if is_weak(hash)} == {
        "P",
        "1",
        "SSHA",
        "SSHA256",
        "SSHA512",
    }


ONE_OF_EACH = {
    "argon2id": "$argon2id$v=19$m=19456,t=2,p=1$",
    "2b": "$2b$09$",
    "2x": "$2x$09$",
    "django-bcrypt-sha256": "$django-bcrypt-sha256$09$",
    "wordpress-bcrypt": "$wordpress-bcrypt$09$",
    "S": "$S$D",
    "scrypt": "$scrypt$ln=14,r=8,p=1$",
    "firebase-scrypt": "$firebase-scrypt$ln=14,r=8,p=1$",
    "pbkdf2-sha1": "$pbkdf2-sha1$i=100000,l=20$",
    "pbkdf2-sha256": "$pbkdf2-sha256$i=100000,l=32$",
    "pbkdf2-sha512": "$pbkdf2-sha512$i=100000,l=64$",
    "P": "$P$D",
    "1": "$1$",
    "5": "$5$rounds=30000$",
    "6": "$6$rounds=30000$",
    "SSHA": "{SSHA}",
    "SSHA256": "{SSHA256}",
    "SSHA512": "{SSHA512}",
    "wrapped-p": "$wrapped-p$c=14,m=19456,t=2,p=1$",
    **{f"wrapped-{kind}": f"$wrapped-{kind}$m=19456,t=2,p=1$" for kind in ("1", "ssha", "ssha256", "ssha512")},
}
"""Parameters of each family that take tens of milliseconds, where it has parameters."""


def test_every_family_is_timed() -> None:
    assert ONE_OF_EACH.keys() == password_hashes.FAMILIES.keys() - {"argon2i", "argon2d"}


@grid("family", ONE_OF_EACH)
def test_no_password_makes_a_hash_cost_more_than_the_price_of_its_parameters(family: str) -> None:
    parameters = ONE_OF_EACH[family]
    hash = of_nobody(parameters)

    longest = password_hashes.FAMILIES[family].longest
    secrets = (b"fourteen bytes", b"x" * longest, b"x" * (longest + 1))
    least = [float("inf")] * 3  # of this thread's processor time, taken in turns: a busy machine makes some dearer

    def no_more_than_their_price() -> bool:
        for number, secret in enumerate(secrets):
            least[number] = min(least[number], _timed(lambda secret=secret: matches(hash, secret)))
        short, long, longer = least
        return (
            longer < 1.5 * short + 0.001  # what matches nothing costs no more than what is short
            and long < 3 * short + 0.001  # what can match costs hardly more
            # Of the machine on which prices were measured; others may take somewhat longer.
            and max(least) < 3 * password_parameters.price(parameters).seconds + 0.001
        )

    assert any(no_more_than_their_price() for _ in range(30)), least


def _timed(work: Callable[[], object]) -> float:
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def test_a_password_longer_than_a_family_takes_matches_nothing() -> None:
    right = b"x" * 257
    hash = f"$6$rounds=1000$saltsalt${password_hashes.sha_crypt('sha512', right, b'saltsalt', 1000)}"
    assert not matches(hash, right)
    assert matches(
        f"$6$rounds=1000$saltsalt${password_hashes.sha_crypt('sha512', right[1:], b'saltsalt', 1000)}", right[1:]
    )


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
