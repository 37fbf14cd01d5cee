"""All pages on one page."""

from __future__ import annotations

from rollbook.web import sign_in, static
from rollbook.web.page import Page

PAGES = [
    Page("GET", "/", sign_in.root, "anyone"),
    Page("GET", "/static/{name}", static.show, "anyone"),
    Page("GET", "/account/sign-in", sign_in.show, "anyone"),
    Page("POST", "/account/sign-in", sign_in.sign_in, "anyone"),
    Page("POST", "/account/sign-out", sign_in.sign_out, "anyone"),
]
