"""The server's secret: its file, and what is derived from it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.auth import server_secret
from rollbook.config import ConfigurationError

SECRET = server_secret.Secret(bytes(range(32)))
OTHER = server_secret.Secret(bytes(range(1, 33)))


def test_it_is_made_once_for_nobody_else_to_read(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    made = server_secret.load(folder)
    file = folder / "secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(bytes.fromhex(file.read_text())) == 32
    assert [entry.name for entry in folder.iterdir()] == ["secret"]
    assert server_secret.load(folder).mac("links", b"x") == made.mac("links", b"x")
    assert server_secret.load(tmp_path / "another").mac("links", b"x") != made.mac("links", b"x")


def test_a_wide_umask_does_not_open_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        server_secret.load(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o644, 0o777])
def test_a_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    server_secret.load(tmp_path)
    (tmp_path / "secret").chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        server_secret.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [b"", b"\n", b"ab" * 31, b"ab" * 33, b"zz" * 32, b"AB" * 32, b"ab" * 32 + b"\n\n", b"\x00" * 64, b"\xff" * 64],
)
def test_a_damaged_file_is_refused_and_kept(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(text)
    file.chmod(0o600)
    with pytest.raises(ConfigurationError, match=r"damaged.*backup"):
        server_secret.load(tmp_path)
    assert file.read_bytes() == text


def test_a_folder_in_its_place_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match="directory"):
        server_secret.load(tmp_path)


def test_what_a_killed_start_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "secret.new").write_text("ab")
    server_secret.load(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_processes_that_start_at_once_have_one_secret(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from rollbook.auth import server_secret; input(); "
        "print(server_secret.load(Path(sys.argv[1])).mac('links', b'x').hex())"
    )
    for turn in range(3):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(tmp_path / str(turn))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(6)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=60)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * 6
        assert len(set(answers)) == 1


def test_it_never_shows_itself() -> None:
    assert repr(SECRET) == str(SECRET) == f"{SECRET}" == "<Secret>"


@given(st.binary(), st.binary())
def test_what_was_sealed_is_opened_again(plaintext: bytes, associated: bytes) -> None:
    sealed = SECRET.seal("keys", plaintext, associated)
    assert len(sealed) == len(plaintext) + 41
    assert len(plaintext) < 4 or plaintext not in sealed
    assert SECRET.unseal("keys", sealed, associated) == plaintext
    assert SECRET.seal("keys", plaintext, associated) != sealed


def test_nothing_else_opens_it() -> None:
    sealed = SECRET.seal("keys", b"rbk_text", b"key_1")
    attempts: list[tuple[server_secret.Secret, server_secret.Purpose, bytes]] = [
        (OTHER, "keys", b"key_1"),
        (SECRET, "replies", b"key_1"),
        (SECRET, "keys", b"key_2"),
        (SECRET, "keys", b""),
    ]
    for opener, purpose, associated in attempts:
        with pytest.raises(ValueError, match="Not sealed with this secret"):
            opener.unseal(purpose, sealed, associated)


@given(st.integers(0, 48), st.integers(1, 255))
def test_any_change_of_it_is_seen(place: int, change: int) -> None:
    sealed = bytearray(SECRET.seal("keys", b"rbk_text"))
    sealed[place] ^= change
    with pytest.raises(ValueError, match="Not sealed"):
        SECRET.unseal("keys", bytes(sealed))


@given(st.binary(max_size=60))
def test_other_bytes_are_not_opened(junk: bytes) -> None:
    with pytest.raises(ValueError, match="Not sealed"):
        SECRET.unseal("keys", junk)


def test_each_use_and_purpose_has_a_key_of_its_own() -> None:
    purposes: list[server_secret.Purpose] = ["keys", "cursors", "replies", "links"]
    digests = [SECRET.mac(purpose, b"x") for purpose in purposes] + [OTHER.mac("keys", b"x")]
    signatures = [SECRET.sign(purpose, b"x") for purpose in purposes] + [OTHER.sign("keys", b"x")]
    assert {len(digest) for digest in digests} == {32}
    assert {len(signature) for signature in signatures} == {16}
    assert len({value[:12] for value in digests + signatures}) == 10


def test_a_signature_is_for_its_data_and_purpose_only() -> None:
    signature = SECRET.sign("cursors", b"offset 50")
    assert SECRET.signed("cursors", b"offset 50", signature)
    assert not SECRET.signed("cursors", b"offset 51", signature)
    assert not SECRET.signed("links", b"offset 50", signature)
    assert not SECRET.signed("cursors", b"offset 50", signature[:-1])
    assert not OTHER.signed("cursors", b"offset 50", signature)


def test_what_is_derived_stays_the_same_in_every_version() -> None:
    """Sealed keys and links live longer than a release."""
    sealed = bytes.fromhex(
        "01d0ef8ee55e8c47edde16441f092a6bd02f99d975226cc6b0875ca8633ad1314ffdbb83e38d4c216be960873909ca406e"
    )
    assert SECRET.unseal("keys", sealed, b"key_1") == b"rbk_text"
    assert SECRET.sign("cursors", b"x").hex() == "99f87ece411dfc7bfbaece7a70c9a8fd"
    assert SECRET.mac("links", b"x").hex() == "6479d6469e369a522dfb4aa3cc60fc427b22df078335c8cf3d3403687e4c109c"
