"""What strangers can do to the pages: send forms from elsewhere, guess passwords, lead people astray. They cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from rollbook.actions.bulk import MAX_OPERATIONS
from rollbook.api import openapi
from rollbook.config import Settings
from rollbook.web.pages import PAGES
from tests.callers import together
from tests.contract.answers import Log
from tests.grids import grid
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, client_of, new_user, running
from tests.nodes.pair import wait_until
from tests.visitor import is_signed_in, sign_in, signed_in, visitor

POSTS = [page for page in PAGES if page.method == "POST"]
PUBLIC = "https://users.example.com"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With room for a module's worth of wrong passwords from one address."""
    with running(
        tmp_path_factory.mktemp("server") / "data",
        "--rate-limit",
        "none",
        "--address-attempts-limit",
        "none",
        "--page-limit",
        "none",
        "--public-url",
        PUBLIC,
    ) as server:
        yield server


def bare(server: Server, **headers: str) -> httpx2.Client:
    """Sends no more about where a form comes from than it is told to."""
    return client_of(server.url, headers={"Accept": "text/html"} | headers)


def credentials(email: str = OWNER_EMAIL, password: str = OWNER_PASSWORD) -> dict[str, str]:
    return {"email": email, "password": password}


# ---- forms come from our own pages

FOREIGN = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:{port}"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://127.0.0.1:{port}.evil.example"},
    {"Origin": "http://127.0.0.1:{port}@evil.example"},
    {"Origin": "https://127.0.0.1:{port}"},
    {"Origin": "http://localhost:{port}"},
    {"Origin": "http://users.example.com"},
    {"Origin": "https://users.example.com:8443"},
    {"Origin": "https://users.example.com.evil.example"},
    {"Referer": "http://127.0.0.1:{port}/account/sign-in"},
]
OURS = [
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:{port}"},
    {"Origin": "http://127.0.0.1:{port}"},
    {"Origin": "HTTP://127.0.0.1:{port}"},
    {"Origin": "https://users.example.com"},
    {"Origin": "https://users.example.com:443"},
]


@grid("headers", FOREIGN, ids=str)
def test_a_form_from_elsewhere_is_refused_and_changes_nothing(
    server: Server, http: httpx2.Client, headers: dict[str, str]
) -> None:
    headers = {name: value.format(port=server.port) for name, value in headers.items()}
    with signed_in(server) as person, bare(server, **headers) as victim, Log(http).silent():
        victim.cookies = person.cookies
        for page in POSTS:
            answer = victim.post(page.path, data=credentials())
            assert "set-cookie" not in answer.headers
            if page.is_foreign:  # goes on as a link, as if the other site had had one
                assert answer.status_code == 303 and answer.headers["location"].startswith(f"{page.path}?"), page.path
            else:
                assert answer.status_code == 403 and "sent from another site" in answer.text, page.path
        assert is_signed_in(victim)


@pytest.mark.parametrize("headers", OURS, ids=str)
def test_a_form_of_our_own_is_taken(server: Server, headers: dict[str, str]) -> None:
    headers = {name: value.format(port=server.port) for name, value in headers.items()}
    with bare(server, **headers) as person:
        assert person.post("/account/sign-in", data=credentials()).status_code == 303


def test_behind_a_proxy_the_name_that_the_browser_uses_counts(server: Server) -> None:
    """Whether the proxy passes it on or not."""
    for host in ("users.example.com", f"127.0.0.1:{server.port}"):
        with bare(server, Host=host, Origin=PUBLIC) as person:
            assert person.post("/account/sign-in", data=credentials()).status_code == 303
    with bare(server, Host="users.example.com", Origin="http://users.example.com") as stranger:
        assert stranger.post("/account/sign-in", data=credentials()).status_code == 403, (
            "what came without TLS may be anybody's"
        )


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "text/plain", "application/json"])
def test_only_what_a_form_of_ours_sends_is_read(server: Server, kind: str) -> None:
    with visitor(server) as person:
        answer = person.post("/account/sign-in", content=b"email=a&password=b", headers={"Content-Type": kind})
        assert answer.status_code == 415


@pytest.mark.parametrize("body", [b"email=%ff", b"email=%00", b"\xff", b"a=1&" * 300])
def test_a_form_that_is_none_is_400(server: Server, body: bytes) -> None:
    with visitor(server) as person:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert person.post("/account/sign-in", content=body, headers=headers).status_code == 400


# ---- the server is found by names that are its own


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "users.example.com.evil.example",
        "localhost.evil.example",
        "evillocal.com",
        "example.com",
    ],
)
def test_nobody_signs_in_under_a_strangers_name(server: Server, http: httpx2.Client, host: str) -> None:
    """DNS rebinding: a page elsewhere lets its own name point here, and is then the same origin to the browser."""
    with (
        bare(server, Host=host, Origin=f"http://{host}", **{"Sec-Fetch-Site": "same-origin"}) as person,
        Log(http).silent(),
    ):
        for answer in (
            person.post("/account/sign-in", data=credentials()),
            person.get("/account/sign-in"),
            person.get("/account"),
        ):
            assert answer.status_code == 403 and "set-cookie" not in answer.headers
            assert "public_url" in answer.text and "known host names" in answer.text
        assert person.get("/docs").status_code == 200, "what is for everybody is shown under any name"


@grid(
    "host",
    [
        "127.0.0.1",
        "[::1]:8000",
        "192.168.1.7:8000",
        "localhost",
        "nas",
        "nas.local",
        "nas.lan:8000",
        "users.internal",
        "a.b.home.arpa",
        "users.example.com",
        "USERS.example.com.",
        "app.localhost:3000",
    ],
)
def test_addresses_local_names_and_the_public_name_are_its_own(server: Server, host: str) -> None:
    with bare(server, Host=host, **{"Sec-Fetch-Site": "same-origin"}) as person:
        assert person.get("/account/sign-in").status_code == 200
        assert person.post("/account/sign-in", data=credentials()).status_code == 303


def test_nothing_that_is_answered_is_made_from_the_host_of_a_request(server: Server) -> None:
    with bare(server, Host="evil.example") as person:
        for path in ("/", "/docs", "/docs/errors/not_found", "/account", "/nowhere"):
            answer = person.get(path)
            assert "evil.example" not in str(answer.headers)
            assert "//evil.example" not in answer.text


# ---- guessing is slow


def test_an_account_is_closed_to_guessing_for_a_while_also_to_the_right_password(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    with visitor(server) as guesser:
        for number in range(10):
            answer = sign_in(guesser, user["email"], f"guess number {number}")
            assert answer.status_code == 401 and "incorrect" in answer.text
        answer = sign_in(guesser, user["email"].upper(), user["password"])
        assert answer.status_code == 429 and "set-cookie" not in answer.headers
        assert 0 < int(answer.headers["retry-after"]) <= 60
        assert re.search(r"Too many failed attempts\. Try again in \d+ seconds?\.", answer.text)
    # The window of an application that tells the same address is the same one.
    asked = {**credentials(user["email"], user["password"]), "address": "::ffff:127.0.0.1"}
    assert http.post("/v1/users/verify-password", json=asked).status_code == 429
    assert http.post("/v1/users/verify-password", json={**asked, "address": "192.0.2.1"}).status_code == 200
    with visitor(server) as other:
        assert sign_in(other).status_code == 303, "others are not touched by it"


def test_guesses_at_the_api_and_at_the_page_are_counted_together(
    server: Server, http: httpx2.Client, user: dict
) -> None:
    with visitor(server) as guesser:
        for _ in range(5):
            asked = {**credentials(user["email"], "wrong"), "address": "127.0.0.1"}
            assert http.post("/v1/users/verify-password", json=asked).status_code == 401
            assert sign_in(guesser, user["email"], "wrong").status_code == 401
        assert sign_in(guesser, user["email"], user["password"]).status_code == 429


def test_guesses_that_come_at_once_are_all_counted(server: Server, user: dict) -> None:
    def guess() -> int:
        with visitor(server) as guesser:
            return sign_in(guesser, user["email"], "wrong").status_code

    statuses = together(*[guess] * 20)
    assert (statuses.count(401), statuses.count(429)) == (10, 10)


def test_an_address_that_nobody_has_is_counted_like_one_that_somebody_has(server: Server) -> None:
    with visitor(server) as guesser:
        for _ in range(10):
            assert sign_in(guesser, "nobody.at.all@example.com", "wrong").status_code == 401
        assert sign_in(guesser, "nobody.at.all@example.com", "wrong").status_code == 429


def test_one_client_cannot_try_one_password_on_many_accounts(tmp_path: Path) -> None:
    flags = ("--address-attempts-limit", "5/minute", "--trusted-proxy", "127.0.0.1/32", "--rate-limit", "none")
    with running(tmp_path / "data", *flags) as server, server.http() as http:
        users = [new_user(http) for _ in range(6)]
        with visitor(server, **{"X-Forwarded-For": "203.0.113.7"}) as guesser:
            assert [sign_in(guesser, user["email"], "wrong").status_code for user in users] == [401] * 5 + [429]
            assert sign_in(guesser).status_code == 429
        with visitor(server, **{"X-Forwarded-For": "203.0.113.8"}) as other:
            for _ in range(8):
                assert sign_in(other).status_code == 303, "right passwords are not counted"
            # What the client that is refused has tried is not held against the accounts.
            assert sign_in(other, users[5]["email"], users[5]["password"]).status_code == 303
        server.pass_time(61)
        with visitor(server, **{"X-Forwarded-For": "203.0.113.7"}) as guesser:
            assert sign_in(guesser).status_code == 303
        assert b"rollbook_rate_limited" in http.get("/metrics").content


def test_an_unknown_account_costs_the_work_of_a_wrong_password(tmp_path: Path) -> None:
    """The time is measured elsewhere; here, that a hash is computed for each, and one only."""
    limits = ("--attempts-limit", "none", "--account-attempts-limit", "none", "--rate-limit", "none")
    with running(tmp_path / "data", *limits) as server, server.http() as http, visitor(server) as guesser:

        def hashes() -> int:
            """So many are told; workers tell them once a second."""
            return int(
                re.findall(r'^rollbook_password_hashes_total\{outcome="done"\} (\d+)', http.get("/metrics").text, re.M)[
                    0
                ]
            )

        user, suspended = new_user(http), new_user(http)
        assert http.post(f"/v1/users/{suspended['id']}/suspend").is_success
        wait_until(lambda: hashes() == 2)
        for number, (email, password) in enumerate(
            (
                (user["email"], "wrong"),
                ("nobody@example.com", "wrong"),
                ("", "wrong"),
                ("no address", ""),
                (user["email"], "x" * 256),
                (suspended["email"], "wrong"),
            )
        ):
            assert sign_in(guesser, email, password).status_code == 401
            wait_until(lambda number=number: hashes() > 2 + number)
            assert hashes() == 3 + number, (email, password[:10])
        for too_long in ("x" * 257, "\ufdfa" * 15):
            assert sign_in(guesser, user["email"], too_long).status_code == 400


def told(answer: httpx2.Response, email: str) -> tuple[int, str, list[str]]:
    """All of an answer that could tell one account from another."""
    page = re.sub(r"req_\w+", "", answer.text.replace(email, "EMAIL"))
    return answer.status_code, page, sorted(set(answer.headers) - {"content-length"})


def test_to_who_does_not_know_the_password_all_accounts_look_the_same(tmp_path: Path) -> None:
    environment = {"ROLLBOOK_SIGN_IN_ROLES": "member,owner"}
    with running(tmp_path / "data", "--rate-limit", "none", environment=environment) as server, server.http() as http:
        active, suspended, switched_off = new_user(http), new_user(http), new_user(http, role="viewer")
        assert http.post(f"/v1/users/{suspended['id']}/suspend").is_success
        invited = {"name": "Ines", "email": "invited@example.com", "status": "invited"}
        assert http.post("/v1/users", json=invited).status_code == 201
        known = (active, suspended, switched_off, invited)
        emails = [*(each["email"] for each in known), "nobody@example.com"]
        with visitor(server) as guesser:
            answers = [told(sign_in(guesser, email, "wrong"), email) for email in emails]
            assert all(answer == answers[0] for answer in answers) and answers[0][0] == 401
            # Who knows it is told what is the matter.
            assert "suspended" in sign_in(guesser, suspended["email"], suspended["password"]).text
            assert "not allowed to sign in" in sign_in(guesser, switched_off["email"], switched_off["password"]).text


# ---- nobody is led astray

ASTRAY = [
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/%09/evil.example",
    "/account/..//evil.example\r\nSet-Cookie: a=b",
    "/account\r\nX-Evil: 1",
    "javascript:alert(1)",
    "account",
    "",
    "/account/sign-in",
    "/account/sign-out",
    "/account/sign-in?next=/account/sign-in",
    "/v1/users",
    "/static/app.js",
    "/accountant",
    "/account/\u00e9",
    "/.//evil.example",
    "/account@evil.example",
]
HOME = ["/account", "/account/keys", "/account/keys?c=x&a=b%20c", "/admin/users?q=a%26b", "/docs/errors/not_found"]


@grid("wanted", ASTRAY, ids=repr)
def test_signing_in_leads_to_our_own_pages_only(server: Server, wanted: str) -> None:
    with visitor(server) as person:
        answer = sign_in(person, next=wanted)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "x-evil" not in answer.headers and len(answer.headers.get_list("set-cookie")) == 2
        assert person.get(f"/account/sign-in?next={quote(wanted)}").headers["location"] == "/"


@pytest.mark.parametrize("wanted", HOME)
def test_signing_in_leads_back_to_the_page_that_was_wanted(server: Server, wanted: str) -> None:
    with visitor(server) as person:
        location = person.get(wanted).headers.get("location", "")
        if not wanted.startswith("/docs"):
            assert location == f"/account/sign-in?next={quote(wanted, safe='/')}"
            page = person.get(location)
            [field] = re.findall(r'name="next" value="([^"]*)"', page.text)
            assert field.replace("&amp;", "&") == wanted
        assert sign_in(person, next=wanted).headers["location"] == wanted


def test_a_form_or_part_of_a_page_whose_session_has_ended_leads_back_to_its_page(server: Server) -> None:
    with visitor(server, Referer=f"{server.url}/account/keys?a=1") as person:
        assert person.post("/account/keys").headers["location"] == "/account/sign-in?next=/account/keys%3Fa%3D1"
        part = person.get(
            "/account/usage", headers={"HX-Request": "true", "HX-Current-URL": f"{server.url}/account/usage"}
        )
        assert (part.status_code, part.headers["hx-redirect"]) == (204, "/account/sign-in?next=/account/usage")
        stranger = person.post("/account/keys", headers={"Referer": "http://evil.example/account/keys"})
        assert stranger.headers["location"] == "/account/sign-in"


# ---- what every page carries


def test_what_is_no_page_is_shown_in_no_frame_and_loads_nothing(server: Server) -> None:
    """Pages have a policy of their own, see below, and what the API answers one for each row in test_routes.py."""
    with visitor(server) as stranger:
        markdown = {"Accept": "text/markdown"}
        answers = [stranger.get(path) for path in ("/favicon.ico", "/robots.txt", "/static/app.js", "/llms.txt", "/v1")]
        answers += [stranger.get("/docs/users", headers=markdown), stranger.get("/docs", headers=markdown)]
        for answer in answers:
            assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'", answer.url
            assert "<html" not in answer.text


@pytest.mark.parametrize(
    "path", ["/account/sign-in", "/account/set-password?token=x", "/account", "/nowhere", "/account/sign-in?a=%ff"]
)
def test_no_page_may_be_framed_kept_or_run_what_is_not_ours(server: Server, path: str) -> None:
    with signed_in(server) as person, visitor(server) as stranger:
        for answer in (stranger.get(path), person.get(path)):
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
            assert "form-action 'self'" in policy and "base-uri 'none'" in policy
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["referrer-policy"] in ("same-origin", "strict-origin")
            assert "access-control-allow-origin" not in answer.headers


def test_more_users_than_one_call_can_change_are_counted_and_changed_by_a_job(
    server: Server, http: httpx2.Client
) -> None:
    lines = (f'{{"name": "Crowd", "email": "crowd{number}@example.com"}}' for number in range(MAX_OPERATIONS + 1))
    server.rollbook("users", "import", "-", "--data", str(server.data), input="\n".join(lines))
    with signed_in(server) as owner:
        form = {"op": "suspend", "all": "on", "q": "crowd"}
        page = owner.post("/admin/users/bulk", data=form)
        assert page.status_code == 200 and "Suspend 1,001 users?" in page.text
        form |= {name: re.findall(f'name="{name}" value="(\\d+)"', page.text)[0] for name in ("count", "until")}
        # Whoever comes later is not among them; but where others have left, the page asks again.
        late = new_user(http, name="Crowd who comes later")["id"]
        crowd = http.get("/v1/users?q=crowd&limit=1").json()
        assert http.delete(f"/v1/users/{crowd[0]['id']}").status_code == 204
        page = owner.post("/admin/users/bulk/apply", data={**form, "until": form["until"]})
        assert page.status_code == 400 and "Suspend 1,001 users?" in page.text, "with the one who came"
        done = owner.post("/admin/users/bulk/apply", data={**form, "count": "1000"})
        job = f"/v1/bulk-jobs/{httpx2.URL(done.headers['location']).path.rpartition('/')[2]}"
        wait_until(lambda: http.get(job).json()["finished_at"])
        assert http.get(job).json()["changed"] == 1_000
        assert http.get(f"/v1/users/{late}").json()["status"] == "active"
        back = owner.post(f"/admin/bulk-jobs/{job.rpartition('/')[2]}/undo")
        job = f"/v1/bulk-jobs/{back.headers['location'].rpartition('/')[2]}"
        wait_until(lambda: http.get(job).json()["finished_at"])
        assert http.get("/v1/users/count?status=suspended&q=crowd").json()["count"] == 0


def test_what_is_typed_comes_back_as_text(server: Server) -> None:
    evil = '"><script>alert(1)</script>{{7*7}}'
    with visitor(server) as person:
        for answer in (
            sign_in(person, evil, "wrong", next=evil),
            person.get("/account/sign-in", params={"next": evil, "email": evil, "notice": evil}),
        ):
            assert "<script>alert" not in answer.text and ">49" not in answer.text


def test_an_error_is_shown_to_who_is_signed_in_as_to_one_who_is(server: Server) -> None:
    with signed_in(server) as person:
        for path in ("/account/keys/key_nothing", "/nowhere", "/docs/nothing"):
            answer = person.get(path)
            assert answer.status_code == 404 and "Sign out" in answer.text and ">Sign in<" not in answer.text, path


def sign_ins(server: Server) -> list[tuple[int, str | None]]:
    """Status and user of those in the log."""
    return [(line["status"], line["user_id"]) for line in server.logged() if line.get("route") == "/account/sign-in"]


def test_no_password_cookie_or_query_is_in_the_log(server: Server, user: dict) -> None:
    def statuses_since(user: dict) -> list[int]:
        """Of the sign-ins since this user's: what is logged late may be of the test before."""
        found = sign_ins(server)
        mine = (303, user["id"])
        return [status for status, _ in found[found.index(mine) :]] if mine in found else []

    with signed_in(server, user) as person, visitor(server) as guesser:
        person.get("/account?secret=of-the-query")
        sign_in(guesser, user["email"], "a password that was mistyped")
        text = person.cookies.get(f"rollbook-{server.port}")
    wait_until(lambda: 401 in statuses_since(user))
    words = server.log.read_text()
    assert "/account/sign-in" in words and user["id"] in words
    for secret in ("of-the-query", "mistyped", user["password"], text):
        assert secret and secret not in words


def test_the_log_says_who_signed_in(server: Server, user: dict) -> None:
    signed_in(server, user).close()
    wait_until(lambda: (303, user["id"]) in sign_ins(server))


def test_refused_sign_ins_are_in_the_metrics(server: Server, http: httpx2.Client) -> None:
    def refused() -> int:
        found = re.findall(r'^rollbook_errors_total\{code="wrong_password"\} (\d+)', http.get("/metrics").text, re.M)
        return int(found[0]) if found else 0

    before = refused()
    with visitor(server) as guesser:
        sign_in(guesser, "nobody.else@example.com", "wrong")
    assert refused() == before + 1


def test_a_stranger_may_ask_for_so_many_pages_and_no_more(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--page-limit", "5/minute") as server, visitor(server) as person:
        assert sign_in(person).status_code == 303
        with visitor(server) as stranger:
            statuses = [stranger.get("/account/sign-in").status_code for _ in range(6)]
            assert statuses == [200] * 4 + [429] * 2, "what came before it was signed in counts for its address"
            assert stranger.get("/static/style.css").status_code == 200
            for path in ("/openapi.json", "/nothing"):
                refusal = stranger.get(path)
                assert refusal.status_code == 429 and 0 < int(refusal.headers["retry-after"]) <= 60
            assert stranger.head("/openapi.json").status_code == 429
            assert stranger.get("/health/live").status_code == 200
        assert is_signed_in(person), "who is signed in has a window of its own"


def test_the_api_description_counts_by_its_size(tmp_path: Path) -> None:
    pages = len(openapi.document(Settings().url)) // 65_536
    assert pages > 2
    with running(tmp_path / "data", "--page-limit", f"{2 * pages + 4}/minute") as server, server.http(None) as stranger:

        def ask(method: str = "GET", **headers: str) -> int:
            return stranger.request(method, "/openapi.json", headers=headers).status_code

        plain = stranger.get("/openapi.json", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert ask(**{"Accept-Encoding": "identity"}) == 200
        for coding in ("gzip", "zstd"):
            assert ask(**{"Accept-Encoding": coding}) == 200
        assert ask(**{"Accept-Encoding": "identity"}) == 429, "two that count as so many have left four, of which two"
        assert ask(**{"Accept-Encoding": "identity", "If-None-Match": plain.headers["etag"]}) == 304
        assert ask("HEAD", **{"Accept-Encoding": "identity"}) == 200
        assert ask(**{"Accept-Encoding": "zstd"}) == 429
    with running(tmp_path / "data", "--page-limit", "3/minute") as server, server.http(None) as stranger:
        assert stranger.get("/openapi.json", headers={"Accept-Encoding": "identity"}).status_code == 200


def test_signing_in_leads_nowhere_but_to_a_page_of_ours(server: Server) -> None:
    with signed_in(server) as owner:
        for wanted, leads in (
            ("/account/keys?q=a", "/account/keys?q=a"),
            ("/account/../..//evil.example", "/"),
            ("/account//evil.example", "/"),
            ("/account/./../admin/", "/"),
            ("//evil.example", "/"),
            ("https://evil.example/", "/"),
        ):
            answer = owner.get("/account/sign-in", params={"next": wanted}, follow_redirects=False)
            assert answer.headers["location"] == leads, wanted
