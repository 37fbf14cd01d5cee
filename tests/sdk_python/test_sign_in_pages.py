"""The sign-in pages of the Python client keep sessions, and refuse what other sites make a browser send. Without a
framework: tests/docs/test_sign_in_programs.py runs them in each."""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest
from rollbook_client import Rollbook
from rollbook_client.integrations._messages import Page, Request, Response
from rollbook_client.integrations._sign_in import Pages, Unavailable

from tests.factors import enrolled
from tests.harness import Server, new_user, running

URL = "https://shop.example.com"
HERE = {"host": "shop.example.com", "sec-fetch-site": "same-origin", "accept": "text/html"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
SCOPES = ["users:write", "tokens:create", "sessions:create", "sessions:verify", "sessions:write"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--rate-limit", "none", "--redirect-origins", URL)
    with running(tmp_path_factory.mktemp("server") / "data", *flags) as server:
        yield server


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx2.Client]:
    with server.http() as http:
        yield http


@pytest.fixture(scope="module")
def client(server: Server, http: httpx2.Client) -> Iterator[Rollbook]:
    shop = http.post("/v1/applications", json={"name": "Shop", "role": "admin", "rate_limit": "none"}).json()
    key = http.post("/v1/keys", json={"name": "shop", "user_id": shop["id"], "scopes": SCOPES}).json()["key"]
    with Rollbook(url=server.url, key=key) as client:
        yield client


@pytest.fixture(scope="module")
def pages(client: Rollbook) -> Pages:
    return Pages(client, url=URL)


def get(path: str, query: str = "", **headers: str) -> Request:
    return Request("GET", path, query, "https", {**HERE, **headers}, address="192.0.2.9")


def post(path: str, fields: dict[str, str], headers: dict[str, str] = HERE) -> Request:
    return Request("POST", path, "", "https", {**headers, **FORM}, urlencode(fields).encode(), "192.0.2.9")


def cookie(answer: Response) -> str:
    """What the browser sends from then on."""
    [value] = [value for name, value in answer.headers if name == "Set-Cookie"]
    return value.partition(";")[0]


def header(answer: Response, name: str) -> str:
    return dict(answer.headers)[name]


def signed_in(pages: Pages, user: dict[str, str], **more: str) -> Response:
    return pages.answer(post("/sign-in", {"email": user["email"], "password": user["password"], **more}))


def test_a_session_is_kept_in_a_cookie_that_only_this_site_gets_over_tls(pages: Pages, http: httpx2.Client) -> None:
    user = new_user(http)
    answer = signed_in(pages, user)
    assert (answer.status, header(answer, "Location"), header(answer, "Cache-Control")) == (303, "/", "no-store")
    name, *attributes = header(answer, "Set-Cookie").split("; ")
    assert name.startswith("__Host-session=rbs_")
    assert {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"} < set(attributes)
    assert not any(each.startswith("Domain") for each in attributes)
    current = pages.current(get("/", cookie=cookie(answer)))
    assert current.user is not None and (current.user.id, current.headers) == (user["id"], ())
    # Another subdomain can set a cookie without the prefix.
    tossed = cookie(answer).removeprefix("__Host-")
    assert pages.current(get("/", cookie=tossed)).user is None
    for broken in ("__Host-session=x.y", "__Host-session=", "a=b; ;;=", f'x="{{"; {cookie(answer)}'):
        known = broken.endswith(cookie(answer))
        assert (pages.current(get("/", cookie=broken)).user is not None) == known


@pytest.mark.parametrize(
    ("url", "scheme", "more", "is_secure"),
    [
        (None, "http", {"host": "localhost:5000"}, False),
        (None, "http", {"host": "[::1]:5000"}, False),
        (None, "http", {"host": "127.0.0.1:5000", "origin": "https://127.0.0.1:5000"}, True),  # behind a proxy
        (None, "http", {"host": "localhost.example.com"}, True),
        (None, "https", {"host": "localhost"}, True),
        ("http://localhost:5000", "http", {"host": "localhost:5000"}, False),
        ("https://shop.example.com", "http", {"host": "127.0.0.1:5000"}, True),
    ],
)
def test_the_cookie_is_for_tls_only_except_on_the_machine_of_a_developer(
    url: str | None, scheme: str, more: dict[str, str], is_secure: bool
) -> None:
    assert Request("POST", "/sign-in", "", scheme, more).needs_tls(url) == is_secure


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "https://www.shop.example.com"},
        {"origin": "null"},
        {"origin": "null", "host": ""},
        {"origin": "https://["},
    ],
)
def test_no_other_site_signs_anyone_in_up_or_out(pages: Pages, http: httpx2.Client, headers: dict[str, str]) -> None:
    user = new_user(http)
    session = cookie(signed_in(pages, user))
    sent = {"host": HERE["host"], "cookie": session, **headers}
    for path in ("/sign-in", "/sign-up", "/sign-out", "/forgot-password", "/confirm-email"):
        answer = pages.answer(post(path, user, sent))
        assert answer.status == 403 and "Set-Cookie" not in dict(answer.headers), path
    text = Request("POST", "/sign-in", "", "https", {**HERE, "content-type": "text/plain"}, json.dumps(user).encode())
    assert pages.answer(text).status == 415
    assert pages.current(get("/", cookie=session)).user is not None


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "evil",
        "/a b",
        "/a\r\nSet-Cookie: a=b",
    ],
)
def test_signing_in_leads_on_to_pages_of_the_application_only(
    pages: Pages, http: httpx2.Client, elsewhere: str
) -> None:
    assert header(signed_in(pages, new_user(http), next=elsewhere), "Location") == "/"
    assert 'name="next"' not in pages.answer(get("/sign-in", urlencode({"next": elsewhere}))).body


def test_whoever_is_not_signed_in_comes_back_to_the_page_they_wanted(pages: Pages, http: httpx2.Client) -> None:
    asked = pages.asked_to_sign_in(get("/orders/é", "page=2&q=a%20b"))
    path, _, query = header(asked, "Location").partition("?")
    page = pages.answer(get(path, query)).body
    [after] = re.findall(r'name="next" value="([^"]+)"', page)
    answer = signed_in(pages, new_user(http), next=after.replace("&amp;", "&"))
    assert header(answer, "Location") == "/orders/%C3%A9?page=2&q=a%20b"
    assert pages.asked_to_sign_in(get("/orders", accept="application/json")).status == 401


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the processes of an application share refreshes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"rollbook-client-{os.getuid()}"


def test_requests_beside_each_other_share_one_refresh(
    server: Server, client: Rollbook, http: httpx2.Client, folder: Path
) -> None:
    user = new_user(http)
    processes = [Pages(client, url=URL) for _ in range(3)]
    old = cookie(signed_in(processes[0], user))
    server.pass_time(20 * 60)
    try:
        with ThreadPoolExecutor(9) as threads:
            currents = list(threads.map(lambda pages: pages.current(get("/", cookie=old)), processes * 3))
        cookies = {value for current in currents for name, value in current.headers if name == "Set-Cookie"}
        assert len({value.partition(";")[0] for value in cookies}) == 1
        assert {current.user and current.user.id for current in currents} == {user["id"]}
        new = cookies.pop().partition(";")[0]
        assert new != old and processes[0].current(get("/", cookie=new)).headers == ()
        # Later, whoever sends the old token has a copy: the session ends.
        [link] = folder.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700 and not re.search("rb[sr]_", f"{link}{os.readlink(link)}")
        os.utime(link, (0, 0), follow_symlinks=False)
        assert Pages(client, url=URL).current(get("/", cookie=old)).user is None
        assert processes[0].current(get("/", cookie=new)).user is None
    finally:
        server.pass_time(0)


def test_no_other_user_of_the_machine_chooses_how_sessions_are_refreshed(
    server: Server, pages: Pages, http: httpx2.Client, folder: Path
) -> None:
    old = cookie(signed_in(pages, new_user(http)))
    folder.mkdir()
    folder.chmod(0o777)
    server.pass_time(20 * 60)
    try:
        assert pages.current(get("/", cookie=old)).user is not None and not list(folder.iterdir())
    finally:
        server.pass_time(0)


def test_a_session_ends_at_once_and_its_cookie_is_removed(pages: Pages, http: httpx2.Client) -> None:
    left, suspended = new_user(http), new_user(http)
    sessions = {user["id"]: cookie(signed_in(pages, user)) for user in (left, suspended)}
    answer = pages.answer(post("/sign-out", {}, {**HERE, "cookie": sessions[left["id"]]}))
    assert (answer.status, header(answer, "Location")) == (303, "/sign-in") and "Max-Age=0" in header(
        answer, "Set-Cookie"
    )
    http.post(f"/v1/users/{suspended['id']}/suspend").raise_for_status()
    for session in sessions.values():
        current = pages.current(get("/", cookie=session))
        assert current.user is None and "Max-Age=0" in dict(current.headers)["Set-Cookie"]
    refused = signed_in(pages, suspended)
    assert refused.status == 403 and "suspended" in refused.body and "Set-Cookie" not in dict(refused.headers)


def test_a_second_step_is_asked_for_and_its_challenge_is_in_no_url(pages: Pages, http: httpx2.Client) -> None:
    user = new_user(http)
    codes = enrolled(http, user["id"]).recovery_codes
    asked = signed_in(pages, user, next="/orders")
    assert asked.status == 401 and "Set-Cookie" not in dict(asked.headers) and "Location" not in dict(asked.headers)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]+)"', asked.body))
    assert set(fields) == {"challenge", "next"}
    wrong = pages.answer(post("/sign-in", {**fields, "code": "000000"}))
    assert wrong.status == 401 and 'role="alert"' in wrong.body and fields["challenge"] in wrong.body
    right = pages.answer(post("/sign-in", {**fields, "code": codes[0]}))
    assert header(right, "Location") == "/orders"


def test_what_a_person_typed_wrong_is_said_and_nothing_else(
    pages: Pages, http: httpx2.Client, caplog: pytest.LogCaptureFixture
) -> None:
    user = new_user(http)
    wrong = pages.answer(post("/sign-in", {"email": user["email"], "password": "<wrong>"}))
    assert wrong.status == 401 and "The email or password is incorrect." in wrong.body
    assert "&lt;wrong" not in wrong.body and "<wrong" not in wrong.body and user["email"] in wrong.body
    unknown = pages.answer(post("/sign-in", {"email": "no-one@example.com", "password": "<wrong>"}))
    assert unknown.body == wrong.body.replace(user["email"], "no-one@example.com")
    short = pages.answer(post("/sign-up", {"name": '"><b>', "email": "b@example.com", "password": "short"}))
    assert short.status == 400 and "shorter than 8 characters" in short.body and "<b>" not in short.body
    caplog.set_level(logging.DEBUG, "rollbook_client")
    broken = Pages(Rollbook(url="http://127.0.0.1:9", key="rbk_secret", max_retries=0), url=URL)
    answer = signed_in(broken, user)
    assert answer.status == 503 and "Try again in a minute." in answer.body
    with pytest.raises(Unavailable):
        broken.current(get("/", cookie="__Host-session=rbs_secret.rbr_secret"))
    assert caplog.text and not any(each in caplog.text for each in ("secret", user["email"], user["password"]))


def test_the_front_end_of_an_application_may_send_json(pages: Pages, http: httpx2.Client) -> None:
    user = new_user(http)

    def send(path: str, **fields: str) -> tuple[Response, dict[str, object]]:
        headers = {**HERE, "content-type": "application/json"}
        answer = pages.answer(Request("POST", path, "", "https", headers, json.dumps(fields).encode()))
        return answer, json.loads(answer.body)

    answer, values = send("/sign-in", email=user["email"], password=user["password"])
    assert (answer.status, values["email"]) == (200, user["email"]) and cookie(answer)
    answer, values = send("/sign-in", email=user["email"], password="wrong password")
    assert (answer.status, values) == (401, {"error": "The email or password is incorrect."})
    codes = enrolled(http, user["id"]).recovery_codes
    answer, values = send("/sign-in", email=user["email"], password=user["password"])
    assert answer.status == 401
    answer, _ = send("/sign-in", challenge=str(values["challenge"]), code=codes[0])
    assert answer.status == 200 and cookie(answer)


def test_an_application_has_its_own_layout_and_may_do_without_sign_up(client: Rollbook) -> None:
    def layout(page: Page) -> str:
        return f"<main>{page.title}|{page.problem}{page.form}</main>"

    pages = Pages(client, url=URL, sign_up=False, page=layout)
    assert not pages.has("POST", "/sign-up") and not pages.has("GET", "/sign-up")
    answer = pages.answer(get("/sign-in"))
    assert answer.body.startswith("<main>Sign in|<form") and "sign-up" not in answer.body
    assert header(answer, "Content-Security-Policy") == "frame-ancestors 'none'"
