"""All pages on one page."""

from __future__ import annotations

from rollbook.web import docs, sign_in, static
from rollbook.web.page import Page

PAGES = [
    Page("GET", "/", sign_in.root, "anyone"),
    Page("GET", "/static/{name}", static.show, "anyone"),
    Page("GET", "/account/sign-in", sign_in.show, "anyone"),
    Page("POST", "/account/sign-in", sign_in.sign_in, "anyone"),
    Page("POST", "/account/sign-out", sign_in.sign_out, "anyone"),
    Page("GET", "/docs", docs.landing, "anyone"),
    Page("GET", "/docs/errors/{code}", docs.error, "anyone"),
    Page("GET", "/docs/api", docs.reference, "anyone"),
    Page("GET", "/docs/api/{name}", docs.reference_file, "anyone"),
    Page("GET", "/docs/keys", docs.keys, "person"),
    Page("POST", "/docs/key", docs.key, "person"),
    Page("GET", "/docs/{name}", docs.chapter, "anyone"),
    Page("GET", "/llms.txt", docs.llms, "anyone"),
]
