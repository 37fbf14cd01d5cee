"""What callers put into a user does not reach the terminal of who looks at it."""

from __future__ import annotations

import httpx2
import pytest

from tests.harness import Server, new_user


@pytest.mark.parametrize("folder", [True, False])
def test_metadata_does_not_move_a_terminal(server: Server, http: httpx2.Client, folder: bool) -> None:
    user = new_user(http, metadata={"a": "\x9b2J\x1b[2J\u202e\x7f"})
    place = ["--data", str(server.data)] if folder else ["--url", server.url, "--key", server.key]
    shown = server.rollbook("users", "get", user["id"], *place).stdout
    assert "2J" in shown
    assert not {"\x9b", "\x1b", "\u202e", "\x7f"} & set(shown)
