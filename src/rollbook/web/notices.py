"""What a page says about what was just done. Only these sentences can be shown, by their name in the address: a link cannot put others there."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Notice(NamedTuple):
    kind: Literal["ok", "warn", "bad"]
    text: str


NOTICES: dict[str, Notice] = {
    "signed-out": Notice("ok", "You are signed out."),
    "session-expired": Notice("warn", "Your session has ended. Sign in again to go on."),
    "password-set": Notice("ok", "Your password is set, and you are signed in."),
}
