"""Notices about the last action. The redirect after it names one in a cookie, which the next page shows and deletes: no
link and no reload shows it, and whoever sets that cookie can choose among these texts only, a number, and an event that
a button puts back if the reader presses it and may."""

from __future__ import annotations

from typing import Literal, NamedTuple

from rollbook import ids

COOKIE = "-notice"
"""The end of the name of the cookie."""
SECONDS = 60
"""Seconds that the cookie waits for the next page."""


class Notice(NamedTuple):
    kind: Literal["ok", "warn", "bad"]
    text: str
    of: tuple[str, str] = ("user", "users")
    """The noun of its number."""
    undo: str = ""
    """The event that its button puts back."""


_HELD = ("API key or webhook", "API keys and webhooks")
NOTICES: dict[str, Notice] = {
    "signed-out": Notice("ok", "You’ve signed out."),
    "session-expired": Notice("warn", "Your session has expired. Sign in again to continue."),
    "sign-in-to-act": Notice(
        "warn", "Only the person who created this link can use it, to act as someone. Sign in as that person."
    ),
    "sign-in-expired": Notice("warn", "Your sign-in took too long. Sign in again."),
    "app-added": Notice("ok", "Authenticator app added."),
    "passkey-added": Notice("ok", "Passkey added."),
    "factor-renamed": Notice("ok", "Saved."),
    "application-sign-in-saved": Notice("ok", "Saved."),
    "factor-removed": Notice("ok", "Second factor removed. All other browsers have been signed out."),
    "factor-too-late": Notice("warn", "That took too long. Add the authenticator app again."),
    "factors-lifted": Notice(
        "ok", "Second factors lifted. The user was signed out everywhere, and signs in with their password alone."
    ),
    "user-adopted": Notice("ok", "Adopted. Their password, second factors, sessions, API keys and links have ended."),
    "password-set": Notice("ok", "Your password is set and you’re signed in."),
    "password-set-only": Notice("ok", "Your password is set."),
    "profile-saved": Notice("ok", "Saved."),
    "email-asked": Notice("ok", "Saved. Open the link that was sent to your new email. Until then, the old one stays."),
    "verification-sent": Notice("ok", "Open the link that was sent to your email."),
    "email-canceled": Notice("ok", "Canceled. Your email stays as it is."),
    "password-changed": Notice("ok", "Your password has been changed. All other browsers have been signed out."),
    "key-saved": Notice("ok", "Saved. The change takes effect within a second, on all servers."),
    "key-revoked": Notice("ok", "API key revoked. It no longer works."),
    "keys-revoked": Notice("ok", "{} revoked. Nothing works with them any more.", ("API key", "API keys")),
    "no-key-selected": Notice("warn", "Select at least one API key."),
    "session-ended": Notice("ok", "You have been signed out there."),
    "sessions-ended": Notice("ok", "You have been signed out everywhere else."),
    "user-created": Notice("ok", "User created. They can sign in with the password you chose."),
    "user-invited": Notice("ok", "User invited. The link is on the way to them."),
    "user-saved": Notice("ok", "Saved."),
    "user-suspended": Notice(
        "warn", "User suspended. They can’t sign in or use their API keys until you reactivate them."
    ),
    "application-suspended": Notice("warn", "Application suspended. Its API keys are refused until you activate it."),
    "user-activated": Notice("ok", "User activated."),
    "user-suspended-with": Notice(
        "warn",
        "User suspended. They can’t sign in or use their API keys until you reactivate them. {} that they created "
        "for others paused as well.",
        _HELD,
    ),
    "user-deleted": Notice("ok", "User deleted. You can still restore them."),
    "user-deleted-with": Notice(
        "ok", "User deleted. You can still restore them, but not {} that they created for others, now ended.", _HELD
    ),
    "user-restored": Notice("ok", "User restored. Their API keys stay revoked."),
    "users-role-changed": Notice("ok", "Role of {} changed."),
    "users-invited": Notice("ok", "{} invited. Create their links, and send them."),
    "users-invited-by-mail": Notice("ok", "{} invited. Their links are on the way."),
    "link-sent": Notice("ok", "The link is on the way. It ended the one before."),
    "invitation-revoked": Notice("ok", "The link no longer works. The user stays invited."),
    "user-purged": Notice("ok", "User permanently erased."),
    "user-session-ended": Notice("ok", "The user has been signed out there."),
    "user-sessions-ended": Notice("ok", "The user has been signed out everywhere."),
    "group-created": Notice("ok", "Group created. Add its members."),
    "group-saved": Notice("ok", "Saved."),
    "group-deleted": Notice("ok", "Group deleted. Its members are still users."),
    "members-added": Notice("ok", "{} added to the group."),
    "members-known": Notice("ok", "No one new: all of them were members already. They have the role you chose."),
    "members-removed": Notice("ok", "{} removed from the group."),
    "membership-saved": Notice("ok", "Saved. The user is in the group."),
    "none-selected": Notice("warn", "Select at least one user."),
    "none-match": Notice("warn", "No user matches any more."),
    "bulk-job-canceled": Notice("ok", "Job canceled. Users who were changed already stay changed."),
    "import-canceled": Notice("ok", "Import canceled. Users who were imported already stay."),
    "event-reverted": Notice("ok", "Put back: it is as it was before that event."),
    "event-partly-reverted": Notice("ok", "Put back. What has changed since stayed as it was."),
    "settings-saved": Notice("ok", "Saved. It takes effect within a second."),
    "rule-created": Notice("ok", "Rule created. It is off: look at the preview, then switch it on."),
    "rule-saved": Notice("ok", "Saved."),
    "rule-on": Notice("ok", "Switched on."),
    "rule-off": Notice("warn", "Switched off. Whoever waits for a step goes on when you switch it on again."),
    "rule-runs": Notice("ok", "The rule looks for people now. Its runs appear below."),
    "rule-deleted": Notice("ok", "Rule deleted. Its runs stay, and can be undone."),
    "webhook-saved": Notice("ok", "Saved."),
    "webhook-paused": Notice("warn", "Webhook paused. Nothing is sent until you resume it."),
    "webhook-resumed": Notice("ok", "Webhook resumed."),
    "inbox-created": Notice("ok", "Inbox created. Send a test event, or change something."),
    "delivery-resent": Notice("ok", "The event is sent again. The attempt appears below."),
    "replay-started": Notice("ok", "Replay started."),
    "replay-canceled": Notice("ok", "Replay canceled."),
    "webhook-deleted": Notice("ok", "Webhook deleted."),
}


def found(text: str) -> Notice | None:
    """The notice that the cookie names, with its number of users, or of what else it is about."""
    name, count, undo, *_ = f"{text}..".split(".")
    notice = NOTICES.get(name)
    if notice is not None and ids.is_id("evt", undo):
        notice = notice._replace(undo=undo)
    if notice is None or not count.isdecimal():
        return notice
    return notice._replace(text=notice.text.format(f"{int(count[:6]):,} {notice.of[count != '1']}"))
