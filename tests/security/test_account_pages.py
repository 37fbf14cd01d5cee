"""Account settings, against somebody who sits at a session that is not theirs, or who reads what is left behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.browser.population import sign_in_by_form
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_user, running

KEY = re.compile(r"rbk_\w{38}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Three wrong passwords for an account, and no log of requests."""
    folder = tmp_path_factory.mktemp("server") / "data"
    with running(
        folder,
        "--unauthenticated-limit",
        "none",
        environment={"ROLLBOOK_ATTEMPTS_LIMIT": "3/minute", "ROLLBOOK_REQUEST_RETENTION": "0"},
    ) as server:
        yield server


@pytest.fixture
def browse(server: Server, user: dict) -> Iterator[httpx2.Client]:
    """A new member, signed in."""
    with signed_in(server, user["email"], user["password"]) as client:
        yield client


def signed_in(server: Server, email: str, password: str) -> httpx2.Client:
    client = server.http(None, cookies=sign_in_by_form(server, email, password))
    client.headers.update({"Origin": server.url, "Accept": "text/html"})
    return client


def create(client: httpx2.Client, **fields: str | list[str]) -> httpx2.Response:
    return client.post(
        "/account/keys", data={"name": "test", "reach": "all", "expires": "never", "revealable": "on", **fields}
    )


def shown(client: httpx2.Client, answer: httpx2.Response) -> httpx2.Response:
    """The page with the key that an answer leads to."""
    assert answer.status_code == 303 and not KEY.search(answer.text + str(answer.headers)), answer.text
    return client.get(answer.headers["location"])


def key_id(client: httpx2.Client) -> str:
    return re.findall(r"/account/keys/(key_\w+)", client.get("/account/keys").text)[0]


def test_guessing_the_password_of_an_open_session_is_slowed(browse: httpx2.Client, user: dict) -> None:
    """At all places that ask for it together; the right one is refused then too, and nothing is shown or changed."""
    key = KEY.findall(shown(browse, create(browse)).text)[0]
    reveal = f"/account/keys/{key_id(browse)}/reveal"
    assert browse.post(reveal, data={"proof_password": "guess one"}).status_code == 401
    change = {"current_password": "guess two", "password": "a lobster in the library"}
    assert browse.post("/account/password", data=change).status_code == 401
    assert browse.post(reveal, data={"proof_password": "guess three"}).status_code == 401
    for path, data in (
        (reveal, {"proof_password": user["password"]}),
        ("/account/password", change | {"current_password": user["password"]}),
    ):
        answer = browse.post(path, data=data)
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
        assert "Too many failed attempts. Try again in" in answer.text and key not in answer.text


def test_a_page_with_a_key_is_kept_and_squeezed_by_nobody(browse: httpx2.Client, user: dict) -> None:
    """Zipped, its length would tell of the key."""
    browse.headers["Accept-Encoding"] = "gzip"
    pages = [shown(browse, create(browse))]
    id = key_id(browse)
    for action, data in (("reveal", {}), ("rotate", {"overlap": "0"})):
        pages.append(shown(browse, browse.post(f"/account/keys/{id}/{action}", data=data)))
    for page in pages:
        assert KEY.search(page.text) and page.headers["cache-control"] == "no-store"
        assert "content-encoding" not in page.headers
    assert "content-encoding" in browse.get("/account/keys").headers, "the others are zipped"


def test_keys_and_passwords_are_left_nowhere(
    server: Server, http: httpx2.Client, browse: httpx2.Client, user: dict
) -> None:
    keys = KEY.findall(shown(browse, create(browse)).text)
    browse.post(f"/account/keys/{key_id(browse)}/reveal", data={})
    browse.post(
        "/account/password", data={"current_password": user["password"], "password": "a lobster in the library"}
    )
    events = http.get("/v1/events", params={"user": user["id"], "limit": 100}).text
    assert "key.revealed" in events and "user.password_changed" in events
    for place in (server.log.read_text(), events):
        for secret in (*keys, user["password"], "a lobster in the library"):
            assert secret not in place
    for file in Path(server.data).glob("*"):
        assert all(key.encode() not in file.read_bytes() for key in keys), file.name


@pytest.mark.parametrize("scope", ["users:delete", "metrics:read", "everything"])
def test_a_member_gives_no_key_more_than_it_has(browse: httpx2.Client, scope: str) -> None:
    answer = create(browse, reach="some", scopes=["users:read", scope])
    assert answer.status_code in (400, 403) and not KEY.search(answer.text)
    assert "No API keys yet" in browse.get("/account/keys").text


def test_a_member_makes_itself_no_admin(server: Server, http: httpx2.Client, browse: httpx2.Client, user: dict) -> None:
    assert (
        browse.post("/account/profile", data={"name": "M", "email": user["email"], "role": "owner"}).status_code == 303
    )
    kept = http.get(f"/v1/users/{user['id']}").json()
    assert kept["name"] == "M" and kept["role"] == "member"


def test_a_session_ends_for_good(server: Server, user: dict) -> None:
    """Ended from another browser, it can do nothing any longer: no page, no form."""
    with (
        signed_in(server, user["email"], user["password"]) as one,
        signed_in(server, user["email"], user["password"]) as other,
    ):
        assert one.post("/account/sessions/end-others").status_code == 303
        assert one.get("/account").status_code == 200
        assert other.get("/account").status_code == 303
        assert create(other).status_code == 303
        assert "No API keys yet" in one.get("/account/keys").text


def test_where_no_log_is_kept_the_page_says_so(server: Server, browse: httpx2.Client) -> None:
    text = browse.get("/account/requests").text
    assert "This server doesn’t keep a request log" in text and "kept for 0" not in text


def test_forms_that_make_no_sense_break_nothing(server: Server, http: httpx2.Client) -> None:
    user = new_user(http)
    with signed_in(server, user["email"], user["password"]) as client:
        for data in (
            {},
            {"name": "a", "expires": "date", "expires_on": "soon"},
            {"name": "a\nb", "expires": "9" * 40},
            {"name": "x" * 101},
        ):
            answer = client.post("/account/keys", data=data)
            assert answer.status_code == 400, data
        for path in (
            "/account/keys?page=0",
            "/account/keys?page=99999999",
            "/account/keys?page=x",
            "/account/requests?turned=x.-1",
        ):
            assert client.get(path).status_code == 200, path
        for path in ("/account/keys/current", "/account/keys/key_x", "/account/requests/req_x", "/account/usage?key=x"):
            assert client.get(path).status_code == 404, path
        for path in ("/account/profile", "/account/password", "/account/sessions/x/end", "/account/keys/x/revoke"):
            assert client.post(path, data={}).status_code in (400, 404), path


def test_where_no_mail_is_sent_the_profile_says_who_verifies_an_email(server: Server, http: httpx2.Client) -> None:
    user = new_user(http)
    with signed_in(server, user["email"], user["password"]) as client:
        page = client.get("/account").text
        assert "ask an administrator to mark it as verified" in page and "Send confirmation link" not in page
        assert client.post("/account/email/verify").status_code == 400
        assert http.get(f"/v1/users/{user['id']}/tokens").json() == []
    with signed_in(server, OWNER_EMAIL, OWNER_PASSWORD) as owner:
        own = re.search(r'href="(/admin/users/[^"]+)">mark it as verified', owner.get("/account").text)
        assert own and 'name="email_verified"' in owner.get(own[1]).text


def test_an_email_change_that_an_application_began_is_shown_and_canceled_too(
    server: Server, http: httpx2.Client
) -> None:
    user = new_user(http)
    path, email = f"/v1/users/{user['id']}/tokens", f"new-{user['email']}"
    assert http.post(path, json={"purpose": "change_email", "email": email}).status_code == 201
    assert http.post(path, json={"purpose": "reset_password"}).status_code == 201
    with signed_in(server, user["email"], user["password"]) as client:
        assert email in client.get("/account").text
        for _ in range(2):  # the second time, there is nothing left to cancel
            assert client.post("/account/email/cancel").status_code == 303
        assert email not in client.get("/account").text
    assert [each["purpose"] for each in http.get(path).json()] == ["reset_password"]
