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
    "user-created": Notice("ok", "The user is created and can sign in with the password you chose."),
    "user-saved": Notice("ok", "Saved."),
    "user-suspended": Notice("warn", "The user is suspended. Its API keys and its password do nothing until it is activated."),
    "user-activated": Notice("ok", "The user is active again."),
    "user-deleted": Notice("ok", "The user is deleted. It can still be restored."),
    "user-restored": Notice("ok", "The user is back where it was. Its API keys stay revoked."),
    "user-purged": Notice("ok", "The user is erased for good."),
    "user-key-revoked": Notice("ok", "The key is revoked. It has stopped everywhere."),
    "user-session-ended": Notice("ok", "That session has ended."),
    "user-sessions-ended": Notice("ok", "The user is signed out everywhere."),
}
