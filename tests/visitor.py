"""A visitor of the pages who sends what browsers send: cookies, forms, and where they come from. For tests that need no
real browser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import httpx2

from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, client_of

FORM = {
    "Accept": "text/html",
    "Sec-Fetch-Site": "same-origin",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0",
}


def visitor(server: Server, **headers: str) -> httpx2.Client:
    """Not signed in yet. Redirects are not followed."""
    return client_of(server.url, headers=FORM | {"Origin": server.url} | headers)


def sign_in(
    visitor: httpx2.Client, email: str = OWNER_EMAIL, password: str = OWNER_PASSWORD, **fields: str
) -> httpx2.Response:
    """Send the form."""
    return visitor.post("/account/sign-in", data={"email": email, "password": password, **fields})


def signed_in(server: Server, user: dict[str, Any] | None = None, **headers: str) -> httpx2.Client:
    """A visitor who has signed in: the owner, or a user as `new_user` gives it."""
    with visitor(server, **headers) as first:
        answer = sign_in(first) if user is None else sign_in(first, user["email"], user["password"])
        assert answer.status_code == 303, answer.text
    # Another client with the same cookies, since one that has been used is not opened again.
    found = visitor(server, **headers)
    found.cookies = first.cookies
    return found


def is_signed_in(visitor: httpx2.Client) -> bool:
    """Whether a page that needs somebody is shown."""
    answer = visitor.get("/account/sessions")
    assert answer.status_code == 200 or answer.headers["location"].startswith("/account/sign-in"), answer.text
    return answer.status_code == 200


def cookie(visitor: httpx2.Client, server: Server) -> str | None:
    """The text of its session cookie."""
    return visitor.cookies.get(f"rollbook-{server.port}")


def set_password(visitor: httpx2.Client, link: str, password: str) -> httpx2.Response:
    """Open a link and send its form."""
    page = visitor.get(link)
    assert page.status_code == 200, page.text
    token = re.search(r'name="token" value="([^"]+)"', page.text)
    assert token
    return visitor.post("/account/set-password", data={"token": token[1], "password": password})


def own_key(person: httpx2.Client, scopes: Sequence[str] = ()) -> str:
    """A key that somebody who is signed in creates for themselves."""
    form = {
        "name": "own",
        "reach": "some" if scopes else "all",
        "expires": "never",
        "revealable": "on",
        "scopes": list(scopes),
    }
    answer = person.post("/account/keys", data=form)
    assert answer.status_code == 303, answer.text
    page = person.get(answer.headers["location"])
    key = re.search(r"rbk_[0-9A-Za-z]{38}", page.text)
    assert key
    return key[0]
