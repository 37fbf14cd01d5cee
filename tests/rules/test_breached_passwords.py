"""The file of breached passwords: which are found in it, and how much of it is read."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path

import pytest

from rollbook.auth import passwords


def written(path: Path, count: int, form: Callable[[str], str]) -> str:
    """The path of a file with the hashes of `password 0` and so on."""
    hashes = sorted(sha1(f"password {number}".encode()).hexdigest().upper() for number in range(count))
    path.write_bytes("".join(map(form, hashes)).encode())
    return str(path)


@pytest.mark.parametrize("count", [1, 2, 80, 81, 1000, 30_011])
@pytest.mark.parametrize(
    "form",
    [lambda hash: f"{hash}:{len(hash.strip('0'))}\r\n", lambda hash: f"{hash.lower()}\n"],
    ids=["as provided", "bare"],
)
def test_each_password_of_the_file_is_found_and_no_other(
    tmp_path: Path, count: int, form: Callable[[str], str]
) -> None:
    path = written(tmp_path / "hashes.txt", count, form)
    numbers = {0, count - 1, *random.Random(7).sample(range(count), min(count, 300))}
    assert all(passwords.holds(path, f"password {number}") for number in numbers)
    assert not any(passwords.holds(path, f"other {number}") for number in range(300))
    by_hash = sorted(range(count), key=lambda number: sha1(f"password {number}".encode()).hexdigest())
    assert all(passwords.holds(path, f"password {number}") for number in by_hash[:3] + by_hash[-3:])


def test_a_password_is_found_in_the_form_in_which_it_was_sent_and_as_it_is_hashed_here(tmp_path: Path) -> None:
    path = tmp_path / "hashes.txt"
    for spelling in ("gru\u00df\ufb01", "gru\u00dffi"):
        path.write_text(sha1(spelling.encode()).hexdigest() + "\n")
        assert passwords.holds(str(path), "gru\u00df\ufb01")


def test_a_look_up_reads_little_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "hashes.txt", 100_000, lambda hash: f"{hash}:1\n")
    read: list[int] = []
    real = os.pread

    def pread(file: int, count: int, at: int) -> bytes:
        read.append(count)
        return real(file, count, at)

    monkeypatch.setattr(passwords.os, "pread", pread)
    assert passwords.holds(path, "password 77")
    assert len(read) <= 12 and sum(read) < 8192


def test_a_file_that_is_not_of_hashes_is_told_without_quoting_it(tmp_path: Path) -> None:
    path = tmp_path / "hashes.txt"
    path.write_text("secret\n" * 10_000)
    with pytest.raises(passwords.NoHashes, match="no SHA-1 hash after byte") as refusal:
        passwords.holds(str(path), "password 1")
    assert "secret" not in str(refusal.value)
