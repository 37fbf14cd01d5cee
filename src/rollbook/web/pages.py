"""All pages on one page."""

from __future__ import annotations

from rollbook.web import account, docs, keys, set_password, sign_in, static, usage
from rollbook.web.page import Page

PAGES = [
    Page("GET", "/", sign_in.root, "anyone"),
    Page("GET", "/static/{name}", static.show, "anyone"),
    Page("GET", "/account/sign-in", sign_in.show, "anyone"),
    Page("POST", "/account/sign-in", sign_in.sign_in, "anyone"),
    Page("POST", "/account/sign-out", sign_in.sign_out, "anyone"),
    Page("GET", "/account/set-password", set_password.show, "anyone"),
    Page("POST", "/account/set-password", set_password.set_password, "anyone"),
    Page("GET", "/account", account.show, "person"),
    Page("POST", "/account/profile", account.change_profile, "person"),
    Page("POST", "/account/password", account.change_password, "person"),
    Page("GET", "/account/export", account.export, "person"),
    Page("GET", "/account/keys", keys.show, "person"),
    Page("POST", "/account/keys", keys.create, "person"),
    Page("GET", "/account/keys/new", keys.show_form, "person"),
    Page("GET", "/account/keys/{id}", keys.show_one, "person"),
    Page("POST", "/account/keys/{id}/reveal", keys.reveal, "person"),
    Page("POST", "/account/keys/{id}/rotate", keys.rotate, "person"),
    Page("POST", "/account/keys/{id}/revoke", keys.revoke, "person"),
    Page("GET", "/account/usage", usage.show, "person"),
    Page("GET", "/account/usage/live", usage.show_live, "person"),
    Page("GET", "/account/requests", usage.show_requests, "person"),
    Page("GET", "/account/requests/{id}", usage.show_request, "person"),
    Page("GET", "/account/sessions", account.show_sessions, "person"),
    Page("POST", "/account/sessions/end-others", account.end_others, "person"),
    Page("POST", "/account/sessions/{id}/end", account.end_session, "person"),
    Page("GET", "/docs", docs.landing, "anyone"),
    Page("GET", "/docs/errors/{code}", docs.error, "anyone"),
    Page("GET", "/docs/api", docs.reference, "anyone"),
    Page("GET", "/docs/api/{name}", docs.reference_file, "anyone"),
    Page("GET", "/docs/keys", docs.keys, "person"),
    Page("POST", "/docs/key", docs.key, "person"),
    Page("GET", "/docs/{name}", docs.chapter, "anyone"),
    Page("GET", "/llms.txt", docs.llms, "anyone"),
]
