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
    "password-set-only": Notice("ok", "Your password is set."),
    "profile-saved": Notice("ok", "Saved."),
    "password-changed": Notice("ok", "Your password is changed. All other browsers are signed out."),
    "key-revoked": Notice("ok", "The key is revoked. It has stopped everywhere."),
    "session-ended": Notice("ok", "That session has ended."),
    "sessions-ended": Notice("ok", "All other browsers are signed out."),
}
