"""The table of contents of the dashboard: every page and every form, each with who may open it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple

from rollbook.http.routing import STRANGERS_FORM
from rollbook.roles import Scope
from rollbook.web import assets, brand, docs, log_page, usage_page, well_known
from rollbook.web.account import (
    confirm,
    confirm_email,
    delete_account,
    forgot_password,
    keys,
    profile,
    sessions,
    set_password,
    sign_in,
    sign_in_link,
    webhook_deliveries,
    webhook_form,
    webhook_inbox,
    webhooks,
)
from rollbook.web.admin import (
    bulk,
    events,
    first_steps,
    imports,
    invitations,
    mail,
    new_import,
    new_user,
    overview,
    server,
    user,
    user_tabs,
    users,
)

PASTED = 524_288
"""Most bytes of a form with a list of a thousand people."""

Who = Literal["anyone", "person", "owner"] | Scope


class Page(NamedTuple):
    """One page, or one form that is sent. `who` may open it: anyone, a person who is signed in, an owner, or a person
    with a role in which this scope reaches every user. The actions decide again.

    `path` may have values in braces, each a whole segment: /admin/users/{id}.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: Callable[..., Awaitable[Any]]
    who: Who
    max_body: int = 0
    streams_body: bool = False

    def with_max_body(self, size: int) -> Page:
        return self._replace(max_body=size)


PAGES = [
    Page("GET", "/", sign_in.root, "anyone"),
    Page("GET", "/static/{name}", assets.show, "anyone"),
    Page("GET", "/brand/logo", brand.show_logo, "anyone"),
    Page("GET", "/brand/icon", brand.show_icon, "anyone"),
    Page("GET", "/brand/colors.css", brand.show_colors, "anyone"),
    Page("GET", "/account/sign-in", sign_in.show, "anyone"),
    Page("POST", "/account/sign-in", sign_in.sign_in, "anyone", STRANGERS_FORM),
    Page("POST", "/account/sign-out", sign_in.sign_out, "anyone", STRANGERS_FORM),
    Page("GET", "/account/set-password", set_password.show, "anyone"),
    Page("POST", "/account/set-password", set_password.set_password, "anyone", STRANGERS_FORM),
    Page("GET", "/account/invitation", set_password.show, "anyone"),
    Page("POST", "/account/invitation", set_password.set_password, "anyone", STRANGERS_FORM),
    Page("GET", "/account/forgot-password", forgot_password.show, "anyone"),
    Page("POST", "/account/forgot-password", forgot_password.ask, "anyone", STRANGERS_FORM),
    Page("GET", "/account/confirm-email", confirm_email.show, "anyone"),
    Page("POST", "/account/confirm-email", confirm_email.confirm, "anyone", STRANGERS_FORM),
    Page("GET", "/account/sign-in-link", sign_in_link.show, "anyone"),
    Page("POST", "/account/sign-in-link", sign_in_link.sign_in, "anyone", STRANGERS_FORM),
    Page("GET", "/account", profile.show, "person"),
    Page("POST", "/account/profile", profile.change_profile, "person"),
    Page("POST", "/account/password", profile.change_password, "person"),
    Page("GET", "/account/confirm", confirm.show, "person"),
    Page("POST", "/account/confirm", confirm.confirm, "person"),
    Page("GET", "/account/export", profile.export, "person"),
    Page("GET", "/account/delete", delete_account.show, "person"),
    Page("POST", "/account/delete", delete_account.delete, "person"),
    Page("GET", "/account/deleted", delete_account.show_deleted, "anyone"),
    Page("GET", "/account/keys", keys.show, "person"),
    Page("POST", "/account/keys", keys.create, "person"),
    Page("GET", "/account/keys/new", keys.show_form, "person"),
    Page("GET", "/account/keys/{id}", keys.show_one, "person"),
    Page("GET", "/account/keys/{id}/secret", keys.show_secret, "person"),
    Page("POST", "/account/keys/{id}/reveal", keys.reveal, "person"),
    Page("POST", "/account/keys/{id}/rotate", keys.rotate, "person"),
    Page("POST", "/account/keys/{id}/revoke", keys.revoke, "person"),
    Page("GET", "/account/usage", usage_page.show_own, "person"),
    Page("GET", "/account/usage/live", usage_page.show_own_live, "person"),
    Page("GET", "/account/usage/export", usage_page.export_own, "person"),
    Page("GET", "/account/requests", log_page.show_own, "person"),
    Page("GET", "/account/requests/live", log_page.show_own_live, "person"),
    Page("GET", "/account/requests/{id}", log_page.show_own_request, "person"),
    Page("GET", "/account/sessions", sessions.show, "person"),
    Page("POST", "/account/sessions/end-others", sessions.end_others, "person"),
    Page("POST", "/account/sessions/{id}/end", sessions.end, "person"),
    Page("GET", "/account/webhooks", webhooks.show, "person"),
    Page("POST", "/account/webhooks", webhook_form.create, "person"),
    Page("GET", "/account/webhooks/new", webhook_form.show_new, "person"),
    Page("GET", "/account/webhooks/inbox", webhook_inbox.show, "person"),
    Page("POST", "/account/webhooks/inbox", webhook_inbox.create, "person"),
    Page("GET", "/account/webhooks/inbox/live", webhook_inbox.show_live, "person"),
    Page("GET", "/account/webhooks/{id}", webhooks.show_one, "person"),
    Page("POST", "/account/webhooks/{id}", webhook_form.save, "person"),
    Page("GET", "/account/webhooks/{id}/edit", webhook_form.show_edit, "person"),
    Page("GET", "/account/webhooks/{id}/live", webhooks.show_live, "person"),
    Page("POST", "/account/webhooks/{id}/test", webhook_deliveries.test, "person"),
    Page("GET", "/account/webhooks/{id}/deliveries", webhook_deliveries.show, "person"),
    Page("GET", "/account/webhooks/{id}/deliveries/{delivery}", webhook_deliveries.show_one, "person"),
    Page("GET", "/account/webhooks/{id}/deliveries/{delivery}/live", webhook_deliveries.show_live, "person"),
    Page("POST", "/account/webhooks/{id}/deliveries/{delivery}/resend", webhook_deliveries.resend, "person"),
    Page("POST", "/account/webhooks/{id}/replays", webhook_deliveries.create_replay, "person"),
    Page("POST", "/account/webhooks/{id}/replays/{replay}/cancel", webhook_deliveries.cancel_replay, "person"),
    Page("POST", "/account/webhooks/{id}/pause", webhooks.pause, "person"),
    Page("POST", "/account/webhooks/{id}/resume", webhooks.resume, "person"),
    Page("GET", "/account/webhooks/{id}/secret", webhooks.show_secret, "person"),
    Page("POST", "/account/webhooks/{id}/reveal", webhooks.reveal, "person"),
    Page("POST", "/account/webhooks/{id}/rotate-secret", webhooks.rotate_secret, "person"),
    Page("POST", "/account/webhooks/{id}/delete", webhooks.delete, "person"),
    Page("GET", "/admin", overview.show, "users:read"),
    Page("POST", "/admin/first-steps/dismiss", first_steps.dismiss, "users:write"),
    Page("GET", "/admin/events", events.show, "events:read"),
    Page("GET", "/admin/events/export", events.export, "events:read"),
    Page("GET", "/admin/events/{id}", events.show_one, "events:read"),
    Page("GET", "/admin/imports", imports.show_all, "users:write"),
    Page("POST", "/admin/imports", new_import.create, "users:write", streams_body=True),
    Page("GET", "/admin/imports/new", new_import.show, "users:write"),
    Page("POST", "/admin/imports/preview", new_import.preview, "users:write", max_body=524_288, streams_body=True),
    Page("GET", "/admin/imports/{id}", imports.show_one, "users:write"),
    Page("GET", "/admin/imports/{id}/live", imports.show_live, "users:write"),
    Page("GET", "/admin/imports/{id}/report", imports.report, "users:write"),
    Page("POST", "/admin/imports/{id}/cancel", imports.cancel, "users:write"),
    Page("GET", "/admin/invitations", invitations.show, "tokens:create"),
    Page("POST", "/admin/invitations", invitations.create, "users:write", max_body=PASTED),
    Page("GET", "/admin/invitations/new", invitations.show_form, "users:write"),
    Page("POST", "/admin/invitations/new", invitations.preview, "users:write", max_body=PASTED),
    Page("POST", "/admin/invitations/{id}/link", invitations.create_link, "tokens:create"),
    Page("POST", "/admin/invitations/{id}/revoke", invitations.revoke, "tokens:create"),
    Page("GET", "/admin/requests", log_page.show_all, "requests:read"),
    Page("GET", "/admin/requests/live", log_page.show_all_live, "requests:read"),
    Page("GET", "/admin/requests/{id}", log_page.show_any_request, "requests:read"),
    Page("GET", "/admin/server", server.show, "metrics:read"),
    Page("POST", "/admin/server/backups", server.back_up, "owner"),
    Page("GET", "/admin/server/mail", mail.show, "metrics:read"),
    Page("POST", "/admin/server/mail/test", mail.send_test, "metrics:read"),
    Page("GET", "/admin/server/mail/preview/{kind}", mail.preview, "metrics:read"),
    Page("GET", "/admin/users", users.show, "users:read"),
    Page("GET", "/admin/users/bulk", bulk.show, "users:write"),
    Page("POST", "/admin/users/bulk", bulk.ask, "users:write"),
    Page("POST", "/admin/users/bulk/apply", bulk.apply, "users:write"),
    Page("GET", "/admin/users/deleted", users.show_deleted, "users:write"),
    Page("GET", "/admin/users/export", users.export, "users:export"),
    Page("GET", "/admin/users/new", new_user.show, "users:write"),
    Page("POST", "/admin/users/new", new_user.create, "users:write"),
    Page("GET", "/admin/users/{id}", user.show, "users:read"),
    Page("POST", "/admin/users/{id}", user.edit, "users:write"),
    Page("POST", "/admin/users/{id}/suspend", user.suspend, "users:write"),
    Page("POST", "/admin/users/{id}/activate", user.activate, "users:write"),
    Page("GET", "/admin/users/{id}/delete", user.ask_delete, "users:delete"),
    Page("POST", "/admin/users/{id}/delete", user.delete, "users:delete"),
    Page("POST", "/admin/users/{id}/restore", user.restore, "users:write"),
    Page("POST", "/admin/users/{id}/purge", user.purge, "owner"),
    Page("GET", "/admin/users/{id}/password-link", user.show_link, "users:write"),
    Page("POST", "/admin/users/{id}/password-link", user.create_link, "users:write"),
    Page("POST", "/admin/users/{id}/send-link", user.send_link, "tokens:create"),
    Page("GET", "/admin/users/{id}/keys", user_tabs.show_keys, "keys:read"),
    Page("POST", "/admin/users/{id}/keys", user_tabs.create_key, "keys:write"),
    Page("GET", "/admin/users/{id}/keys/new", user_tabs.show_key_form, "keys:write"),
    Page("GET", "/admin/users/{id}/keys/{key}", user_tabs.show_key, "keys:read"),
    Page("GET", "/admin/users/{id}/keys/{key}/secret", user_tabs.show_key_secret, "keys:write"),
    Page("POST", "/admin/users/{id}/keys/{key}/rotate", user_tabs.rotate_key, "keys:write"),
    Page("POST", "/admin/users/{id}/keys/{key}/revoke", user_tabs.revoke_key, "keys:write"),
    Page("GET", "/admin/users/{id}/sessions", user_tabs.show_sessions, "sessions:read"),
    Page("POST", "/admin/users/{id}/sessions/end", user_tabs.end_sessions, "sessions:write"),
    Page("POST", "/admin/users/{id}/sessions/{session}/end", user_tabs.end_session, "sessions:write"),
    Page("GET", "/admin/users/{id}/requests", user_tabs.show_requests, "requests:read"),
    Page("GET", "/admin/users/{id}/requests/{request}", user_tabs.show_request, "requests:read"),
    Page("GET", "/admin/users/{id}/events", user_tabs.show_events, "events:read"),
    Page("GET", "/admin/users/{id}/usage", usage_page.show_theirs, "requests:read"),
    Page("GET", "/admin/users/{id}/usage/live", usage_page.show_their_live, "requests:read"),
    Page("GET", "/admin/users/{id}/usage/export", usage_page.export_theirs, "requests:read"),
    Page("GET", "/admin/webhooks", webhooks.show_all, "webhooks:read"),
    Page("GET", "/docs", docs.landing, "anyone"),
    Page("GET", "/docs/errors/{code}", docs.error, "anyone"),
    Page("GET", "/docs/search", docs.search, "anyone"),
    Page("GET", "/docs/key", docs.keys, "person"),
    Page("POST", "/docs/key", docs.key, "person"),
    Page("GET", "/docs/{name}", docs.chapter, "anyone"),
    Page("GET", "/llms.txt", docs.llms, "anyone"),
    Page("GET", "/favicon.ico", well_known.favicon, "anyone"),
    Page("GET", "/robots.txt", well_known.robots, "anyone"),
    Page("GET", "/.well-known/security.txt", well_known.security, "anyone"),
    Page("GET", "/.well-known/change-password", well_known.change_password, "anyone"),
]
