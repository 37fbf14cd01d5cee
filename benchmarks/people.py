"""The users of a run: the same people, in the same order, for every server."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

GIVEN = (
    "Ada Aiko Alejandro Amara Anna Arjun Astrid Ayşe Beatriz Björn Carlos Chidi Chloé Dagny Daniel Dmitri Elena "
    "Emeka Emma Farah Fatima Felix "
    "Gabriel Giulia Hana Henrik Ines Ingrid Ivan Jamal Jana Joao Jonas Kaito Karin Kwame Lars Leila Liam Lina "
    "Lucía Magnus Mai Marek Maria "
    "Mateo Maya Mei Mira Nadia Nils Noah Nora Olga Omar Oscar Paula Pedro Priya Rafael Rania Ravi Rosa Ruth "
    "Samir Sara Sofia Sven Tariq Tessa "
    "Thomas Tomoko Valentina Vera Viktor Wanjiru Yara Yusuf Zainab Zoe"
).split()
FAMILY = (
    "Abbott Achebe Almeida Andersen Asante Barros Becker Bergman Bianchi Castillo Chatterjee Chen Conti Costa "
    "Dahl Delgado Diallo Dubois Eriksen "
    "Farouk Ferreira Fischer Fujita Garcia Gomez Haddad Hansen Hashimoto Hoffmann Horvat Ibrahim Ito Ivanova "
    "Jansen Jensen Kaminski Kapoor Kaya "
    "Keita Kim Kowalski Lambert Larsson Lehmann Lopez Mahmoud Marchetti Mbeki Mendoza Meyer Moreau Müller "
    "Nakamura Ndiaye Nguyen Nielsen Novak "
    "Okafor Olsen Ortega Osei Park Patel Petrov Popescu Quinn Ramos Reyes Rossi Russo Sato Schmidt Sharma Silva "
    "Singh Sørensen Suzuki Tanaka "
    "Tran Vargas Vasquez Virtanen Wagner Walker Weber Wójcik Yamamoto Yılmaz Zhang Ziegler"
).split()

PASSWORD = "orchard lantern 42 river"


class Person(NamedTuple):
    name: str
    email: str


def people(count: int) -> Iterator[Person]:
    """`count` people with unique emails; a name such as "Anna Weber" is shared by about one in 7,000."""
    choose = random.Random(1).choice
    for number in range(count):
        given, family = choose(GIVEN), choose(FAMILY)
        yield Person(f"{given} {family}", f"user{number}@example.com")


def write_ndjson(path: Path, count: int, password_hash: str) -> None:
    """A file for `rollbook users import`, a line of about 190 bytes for each user.

    One hash for all: making 100,000 takes half an hour of a core, and nothing measured here verifies one.
    """
    with path.open("w") as file:
        for name, email in people(count):
            file.write(
                json.dumps({"name": name, "email": email, "password_hash": password_hash}, ensure_ascii=False) + "\n"
            )
