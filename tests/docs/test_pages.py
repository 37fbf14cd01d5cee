"""The guide over HTTP: for browsers as pages, for programs as Markdown; every link leads somewhere, nothing in it
runs."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urldefrag, urljoin

import httpx2
import pytest

from rollbook import errors, languages
from rollbook.actions.arguments.users import UserFilters
from rollbook.auth import key_format
from rollbook.docs_site import guide, markdown, search
from rollbook.schemas import paragraphs
from rollbook.web import templates
from rollbook.web.proof import PASSWORD
from tests.docs import pictures
from tests.grids import grid
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_key, new_user, running

HTML = {"Accept": "text/html"}
PATHS = [chapter.path for chapter in guide.CHAPTERS.values()]
CODES = list(dict.fromkeys(error.code for error in errors.tree()))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """As shipped, but for the limit of pages: more are asked for here than anybody reads in a minute."""
    with running(tmp_path_factory.mktemp("server") / "data", environment={"ROLLBOOK_PAGE_LIMIT": "none"}) as server:
        yield server


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[httpx2.Client]:
    """What a browser of nobody in particular sends."""
    with server.http(None) as client:
        client.headers.update(HTML)
        yield client


@pytest.fixture(scope="module")
def program(server: Server) -> Iterator[httpx2.Client]:
    """What a program of nobody in particular sends."""
    with server.http(None) as client:
        yield client


@pytest.fixture(scope="module")
def pages(browser: httpx2.Client) -> Callable[[str], httpx2.Response]:
    """What a browser is shown at an address. It is asked for once, however many links lead there."""
    return functools.cache(browser.get)


@pytest.fixture(scope="module")
def owner(server: Server) -> Iterator[httpx2.Client]:
    """The same, signed in as the owner."""
    with server.http(None) as client:
        client.headers.update(HTML | {"Origin": server.url})
        answer = client.post("/account/sign-in", data={"email": OWNER_EMAIL, "password": OWNER_PASSWORD})
        assert answer.status_code == 303, answer.text
        yield client


def test_every_page_of_the_dashboard_that_the_docs_name_is_there(owner: httpx2.Client) -> None:
    named = {
        found
        for name in guide.CHAPTERS
        for found in re.findall(r"`(/(?:account|admin)[a-z/-]*)`", (guide.folder() / f"{name}.md").read_text())
    }
    assert {"/admin/events", "/admin/webhooks", "/admin/webhooks/inbox"} <= named
    for path in named:
        assert owner.get(path).status_code == 200, path


def test_the_errors_of_sign_in_that_the_docs_quote_are_those_of_the_pages(browser: httpx2.Client) -> None:
    quoted = re.findall(r"^\| \*(.+)\* \|", (guide.folder() / "connect.md").read_text(), re.MULTILINE)
    redirect = languages.language("en").t("error_redirect_url", name="Grafana", url="…")
    shown = (browser.get("/oauth2/authorize?client_id=user_none").text, redirect)
    for quote, text in zip(quoted, shown, strict=True):
        assert quote in text


def test_the_picture_of_the_readme_shows_the_page_as_it_is(owner: httpx2.Client) -> None:
    shown = pictures.headings(owner.get("/admin/users").text)
    assert shown == pictures.HEADINGS.read_text(), "Take it again: make screenshots ARGS=admin-users"


# ---- for people and for programs


@grid("path", PATHS)
def test_a_page_is_html_for_browsers_and_markdown_for_all_others(
    path: str, browser: httpx2.Client, program: httpx2.Client, server: Server
) -> None:
    name = path.removeprefix("/docs").strip("/") or guide.LANDING
    page = browser.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert f'<h1 id="{search.slug(guide.title(name))}">{guide.title(name)}' in page.text
    text = (guide.folder() / f"{name}.md").read_text()
    for answer in (
        program.get(path),
        program.get(path, headers={"Accept": "text/markdown"}),
        browser.get(f"/docs/{name}.md"),
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
        served = answer.text.replace(f"\n{guide.NOT_FOUND}\n", "")
        assert served == re.sub(r"<!-- .* -->\n", "", text).replace(guide.PAGE_URL, server.url)
        assert "Accept" in answer.headers["vary"] and "Accept" in page.headers["vary"]


@grid("code", CODES)
def test_every_error_has_a_page_that_says_what_it_means(code: str, browser: httpx2.Client) -> None:
    error = next(each for each in errors.tree() if each.code == code)
    page = browser.get(f"/docs/errors/{code}")
    assert page.status_code == 200
    shown = unescape(re.sub(r"<[^>]+>", "", page.text))
    assert str(error.status) in shown
    meaning = re.sub(r"\[(.+?)\]\(.+?\)", r"\1", paragraphs(error.__doc__))
    assert meaning.replace("`", "") in shown
    text = browser.get(f"/docs/errors/{code}.md")
    assert text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert text.text.startswith(f"# {code}\n") and paragraphs(error.__doc__).replace("](", "](../") in text.text


@pytest.mark.parametrize(
    "path",
    [
        "/docs/nothing",
        "/docs/nothing.md",
        "/docs/users.txt",
        "/docs/errors/nothing",
        "/docs/errors/.md",
        "/docs/decisions",
        "/docs/api/LICENSE",
        "/docs/users.md.md",
    ],
)
def test_what_is_not_there_is_404_in_the_form_that_is_asked_for(
    path: str, browser: httpx2.Client, program: httpx2.Client
) -> None:
    page = browser.get(path)
    assert page.status_code == 404
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    answer = program.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_language_models_find_a_map_whose_links_are_all_markdown(
    browser: httpx2.Client, program: httpx2.Client, server: Server
) -> None:
    answer = browser.get("/llms.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    lines = answer.text.splitlines()
    assert lines[0] == "# Rollbook" and lines[2].startswith("> Rollbook is a self-hosted users API.")
    links = re.findall(r"^- \[[^\]]+\]\(([^)]+)\): (.+)$", answer.text, re.MULTILINE)
    assert len(links) == len(PATHS) - 1 + len(CODES)
    for url, about in links:
        assert url.startswith(server.url) and about
        assert program.get(url).headers["content-type"] == "text/markdown; charset=utf-8"


# ---- asked for again


@pytest.mark.parametrize("path", ["/docs", "/docs/users", "/docs/users.md", "/docs/errors/not_found", "/llms.txt"])
def test_who_has_a_page_is_told_that_it_is_the_same(path: str, browser: httpx2.Client) -> None:
    first = browser.get(path)
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    again = browser.get(path, headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag and again.headers["vary"] == first.headers["vary"]
    assert browser.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_somebody_who_is_signed_in_gets_a_page_of_its_own_that_nobody_keeps(
    browser: httpx2.Client, owner: httpx2.Client
) -> None:
    tag = browser.get("/docs/users").headers["etag"]
    page = owner.get("/docs/users", headers={"If-None-Match": tag})
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store" and "etag" not in page.headers
    assert OWNER_EMAIL in page.text
    assert "Sign out" in page.text and "Sign out" not in browser.get("/docs/users").text


# ---- what is in a page


@grid("path", [*PATHS, "/docs/errors/email_taken"])
def test_links_and_anchors_lead_somewhere(path: str, pages: Callable[[str], httpx2.Response], server: Server) -> None:
    page = pages(path)
    for link in re.findall(r'<a [^>]*href="([^"]+)"', page.text):
        target, anchor = urldefrag(urljoin(str(page.url), unescape(link)))
        if not target.startswith(server.url):
            continue
        answer = pages(target)
        # The account is for people who are signed in.
        assert answer.status_code == 200 or answer.headers.get("location", "").startswith("/account/sign-in"), (
            f"{path}: {link}"
        )
        if anchor:
            assert f'id="{anchor}"' in answer.text, f"{path}: {link}"


@grid("path", PATHS)
def test_no_page_holds_script_or_style_or_one_id_twice(path: str, pages: Callable[[str], httpx2.Response]) -> None:
    page = pages(path).text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*src=)|javascript:", page)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_pages_speak_of_the_server_that_shows_them(browser: httpx2.Client, server: Server) -> None:
    page = browser.get("/docs/users").text
    assert f"{server.url}/v1/users" in page and guide.PAGE_URL not in page.replace(server.url, "")
    programs = browser.get("/docs/connect.md").text
    assert f"auth_url = {server.url}/oauth2/authorize" in programs and "{issuer}" not in programs


@grid("name", [name for name in guide.CHAPTERS if name not in ("cli", "quickstart")])
def test_each_page_with_a_command_says_where_the_command_is(name: str) -> None:
    text = guide.source(name, "http://x.example")
    has_command = re.search(r"^(?:\$ )?rollbook ", text, re.MULTILINE) is not None
    assert text.count("[put it on your PATH](cli.md#install-the-command)") == has_command


def test_markdown_cannot_bring_html_or_scripts_into_a_page() -> None:
    text = (
        "# Title\n\n<script>alert(1)</script>\n\n<b onclick=alert(1)>x</b> [a](javascript:alert(1)) "
        "[b](data:text/html,x)\n\n`<i>`\n\n```html\n<u>\n```\n\n| a |\n| --- |\n| <br><s> |\n"
    )
    html = str(markdown.render(text, str, templates.render).html)
    for never in ("<script", "<b ", "<i>", "<u>", "<s>", 'href="javascript', 'href="data'):
        assert never not in html
    # The one that tables need.
    assert "<br>" in html


def test_headings_of_one_text_have_anchors_of_their_own() -> None:
    found = markdown.render("# A\n\n## Same\n\n## Same\n\n## `GET /v1/x`, *more*\n", str, templates.render).headings
    assert [each.anchor for each in found] == ["a", "same", "same-1", "get-v1x-more"]


def test_every_call_of_the_guide_can_be_tried_and_is_shown_in_three_languages_and_as_a_message(
    browser: httpx2.Client,
) -> None:
    for name in ("users", "keys", "events", "webhooks", "health"):
        page = browser.get(f"/docs/{name}").text
        examples = page.count("data-try-open")
        assert examples == guide.source(name, guide.PAGE_URL).count("```sh\n") > 0
        assert page.count('class="panel"') == 4 * examples


def test_a_sentence_that_leads_to_an_example_stands_with_it(pages: Callable[[str], httpx2.Response]) -> None:
    for chapter in guide.CHAPTERS.values():
        # A colon before the next paragraph, unless that lists code, or at the end of the text.
        assert not re.findall(r"[^>]*:</p>\s*<(?:p\b(?!><code)|/div)", pages(chapter.path).text), chapter.path
    assert '<p class="docs-lead">For example, when you count users</p>' in pages("/docs/limits").text


# ---- search


# What people ask, and what they must find first.
QUESTIONS = {
    "reset password": "/docs/tokens#password-reset",
    "forgot password": "/docs/tokens#password-reset",
    "pagination": "/docs/conventions#pages-of-lists",
    "webhook": "/docs/webhooks",
    "python sdk": "/docs/sdk-python",
    "import csv": "/docs/import",
    "email verification": "/docs/tokens#email-confirmation",
    "endpoint": "/docs/api#endpoints",
    "how do i delete a user": "/docs/users#delete-and-restore-a-user",
    "when people leave": "/docs/users#when-people-leave",
    "offboarding": "/docs/users#when-people-leave",
    "Can I rotate an API key?": "/docs/keys#rotate-a-key",
    "rate limit": "/docs/limits",
    "docker": "/docs/deployment#one-container",
    "node sdk": "/docs/sdk-typescript",
    "verify webhook signature": "/docs/webhooks#verify-the-signature",
    "migrate from auth0": "/docs/migrate#auth0",
    "audit log": "/docs/events#audit-log",
    "Idempotency-Key 24": "/docs/conventions#safe-retries",
    "overlap rotate": "/docs/keys#rotate-a-key",
    "email_taken": "/docs/errors/email_taken",
    "prometheus": "/docs/operations#metrics",
    "suspending users": "/docs/users#suspend-and-activate",
    "cors": "/docs/authentication#other-origins",
    "ip allowlist": "/docs/keys#create-a-key",
    "nextjs": "/docs/sign-in#nextjs",
    "2fa": "/docs/second-factor",
    "passkey": "/docs/second-factor#in-the-dashboard",
    "jwt": "/docs/sessions#access-tokens",
    "invite": "/docs/users#invite-a-user",
    "magic link": "/docs/tokens",
    "lost api key": "/docs/quickstart#next-steps",
    "whose key": "/docs/keys#find-whose-key-it-is",
    "Who owns this key?": "/docs/keys#find-whose-key-it-is",
    "which user does a key belong to": "/docs/keys#find-whose-key-it-is",
    "list all keys": "/docs/keys#find-whose-key-it-is",
    "delete account": "/docs/users#delete-and-restore-a-user",
    "log format": "/docs/operations#logs",
    "max body size": "/docs/conventions#maximum-sizes",
    "timezone": "/docs/conventions#times-and-time-zones",
    "date format": "/docs/conventions#times-and-time-zones",
    "413": "/docs/errors/content_too_large",
    "disable access log": "/docs/operations#logs",
    "scim": "/docs/scim",
    "provision users from okta": "/docs/scim#okta",
    "move from okta": "/docs/migrate#okta",
    "export to keycloak": "/docs/exports#export-to-keycloak",
    "mcp": "/docs/mcp",
    "claude": "/docs/mcp",
    "azure ad": "/docs/scim#microsoft-entra-id",
    "google workspace": "/docs/scim#others",
    "sso": "/docs/connect",
    "single sign-on": "/docs/connect",
    "oidc": "/docs/connect",
    "openid connect": "/docs/connect",
    "oauth": "/docs/connect",
    "saml": "/docs/connect",
    "ldap": "/docs/connect",
    "grafana": "/docs/connect#grafana",
    "redirect_uri": "/docs/connect#when-it-doesnt-work",
    "connect grafana": "/docs/connect#grafana",
    "mobile app": "/docs/connect#mobile-and-browser-apps",
    "team": "/docs/groups",
    "mfa": "/docs/second-factor",
    "totp": "/docs/second-factor",
    # Typing errors.
    "webook": "/docs/webhooks",
    "paginaton": "/docs/conventions#pages-of-lists",
    "rate limt": "/docs/limits",
    "verfy webhook signatrue": "/docs/webhooks#verify-the-signature",
    "impotr csv": "/docs/import",
    "downgrade": "/docs/backups#go-back",
    "license": "/docs#license",
    "licence": "/docs#license",
    "create user": "/docs/users#create-a-user",
    "change password": "/docs/users#set-a-password",
    "sign up": "/docs/sign-in",
    "failed guesses": "/docs/authentication#wrong-passwords",
    "audiences of keys": "/docs/sessions#audiences-of-keys",
    "undo": "/docs/bulk-jobs#undo-a-bulk-job",
    "who created this key": "/docs/keys#find-whose-key-it-is",
    "python 3.13": "/docs/operations#certificates-and-python-313",
    # The last word may not be complete.
    "webho": "/docs/webhooks",
    "rotatin": "/docs/keys#rotate-a-key",
    "create a web": "/docs/webhooks#create-a-webhook",
}


@grid("query", QUESTIONS)
def test_a_question_finds_its_answer_first(query: str, browser: httpx2.Client, server: Server) -> None:
    page = browser.get("/docs/search", params={"q": query}).text
    found = re.findall(r'<li><a href="([^"]+)"', page.partition('<ol class="found">')[2])
    assert found[0] == QUESTIONS[query]
    assert "<mark>" in page and "```" not in page and "**" not in page
    assert not re.search(r"</mark> [.,:;]", page)
    assert guide.PAGE_URL not in page.replace(server.url, "")


def test_results_lead_to_the_headings_that_the_pages_have(pages: Callable[[str], httpx2.Response]) -> None:
    for name, chapter in guide.CHAPTERS.items():
        known = [
            heading.anchor for heading, *_ in search.read(guide.searchable(name)) if heading.anchor not in guide.codes()
        ]
        shown = re.findall(
            r'<h\d id="([^"]+)"', pages(chapter.path).text.partition('<article class="docs-article">')[2]
        )
        assert known == [anchor for anchor in shown if anchor != "shortcuts-title"], name


def test_every_page_is_found_by_its_title() -> None:
    for name in guide.CHAPTERS:
        if name != guide.LANDING:
            first = [each.path for each in search.search(guide.title(name))[:3]]
            assert guide.CHAPTERS[name].path in first, f"{guide.title(name)}: {first}"


def test_while_somebody_types_the_first_results_are_a_part_of_a_page(browser: httpx2.Client) -> None:
    part = browser.get("/docs/search", params={"q": "rotat"}, headers={"HX-Request": "true"}).text
    assert "<html" not in part and part.count("<li>") == 8
    assert 'href="/docs/keys#rotate-a-key"' in part and 'href="/docs/search?q=rotat"' in part
    nothing = browser.get("/docs/search", params={"q": "zzzz"}, headers={"HX-Request": "true"}).text
    assert "No results in the docs for zzzz" in nothing and "<li>" not in nothing


@pytest.mark.parametrize("query", ["<script>alert(1)</script>", "\"'><b>", "ß İ", "a" * 500, "%", "zzzz qqqq", ""])
def test_a_search_for_anything_is_answered_and_shown_as_text(query: str, browser: httpx2.Client) -> None:
    answer = browser.get("/docs/search", params={"q": query})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text and "<b>" not in answer.text


# ---- the reference


def test_every_call_is_on_the_page_of_its_resource_with_all_it_takes_and_says(
    browser: httpx2.Client, server: Server
) -> None:
    described = browser.get("/openapi.json").json()
    overview = browser.get("/docs/api").text
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            link = re.search(
                rf'<a href="([^"]+)"><code class="call"><span class="method \w+">{method.upper()}</span> '
                rf"{_broken(path)}</code>",
                overview,
            )
            assert link, f"{method} {path}"
            name, _, anchor = link[1].removeprefix("/docs/").partition("#")
            section = _section(guide.source(name, guide.PAGE_URL), anchor)
            for parameter in (*operations.get("parameters", ()), *operation.get("parameters", ())):
                known = described["components"]["parameters"].get(
                    parameter.get("$ref", "").rpartition("/")[2], parameter
                )
                is_filter = known["name"] in UserFilters.__struct_fields__ and "all filters" in section
                named = is_filter or re.search(rf"[`{{]{known['name']}[`}}]", section)
                assert named, f"{method} {path}: {known['name']}"
            for body in operation.get("requestBody", {}).get("content", {}).values():
                schema = described["components"]["schemas"].get(body["schema"].get("$ref", "").rpartition("/")[2], {})
                for field in schema.get("properties", ()):
                    assert f"`{field}`" in section, f"{method} {path}: {field}"
            success = next(status for status in operation["responses"] if status.startswith("2"))
            assert f"Returns **{success}**" in section
            for schema in re.findall(r"schemas/(\w+)", str(operation["responses"][success])):
                link = re.search(rf"\[`{schema}`\]\(([\w-]+)\.md#([\w-]+)\)", section)
                fields = described["components"]["schemas"][schema]["properties"]
                where = _section(guide.source(link[1], guide.PAGE_URL), link[2]) if link else section
                for field in fields:
                    assert f"`{field}`" in where, f"{method} {path}: {schema}.{field}"


def _broken(path: str) -> str:
    """A path in a page, which may break between its segments."""
    return re.escape(path).replace("/", "<wbr>/").removeprefix("<wbr>")


def _section(text: str, anchor: str) -> str:
    """What stands under a heading, up to the next of its kind."""
    for part in re.split(r"^(?=#{2} )", text, flags=re.MULTILINE):
        if search.slug(part.partition("\n")[0].lstrip("# ")) == anchor:
            return part
    raise AssertionError(anchor)


def test_where_a_page_was_leads_to_where_its_text_is(browser: httpx2.Client) -> None:
    locations = {}
    for old in guide.moved():
        answer = browser.get(f"/docs/{old}")
        locations[old] = answer.headers["location"]
        target, anchor = urldefrag(locations[old])
        page = browser.get(target)
        assert (answer.status_code, page.status_code) == (303, 200) and f'id="{anchor}"' in page.text + 'id=""', old
        assert browser.get(f"/docs/{old}.md").headers["location"].startswith(f"{target}.md")
    assert (locations["reference"], locations["migrate-auth0"]) == ("/docs/api", "/docs/migrate#auth0")


# ---- one's own key


def test_nobody_is_given_keys_and_no_other_site_asks_for_them(server: Server, owner: httpx2.Client) -> None:
    with server.http(None) as nobody:
        nobody.headers["Origin"] = server.url
        assert nobody.get("/docs/key").headers["location"].startswith("/account/sign-in")
        asked = nobody.post("/docs/key", data={"key": "current", "password": OWNER_PASSWORD})
        assert asked.status_code == 303 and server.key not in asked.text
    found = owner.get("/docs/key").json()
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        asked = owner.post("/docs/key", data={"key": found[0]["id"], "password": OWNER_PASSWORD}, headers=headers)
        assert asked.status_code == 403 and server.key not in asked.text


def test_a_person_who_has_proven_to_be_it_is_given_its_own_key_and_nothing_keeps_it(
    server: Server, owner: httpx2.Client, http: httpx2.Client
) -> None:
    hidden = new_key(http, name="hidden", revealable=False)
    soon = (datetime.now(UTC) + timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    new_key(http, name="expired", expires_at=soon)
    revoked = http.post("/v1/keys", json={"name": "revoked"}).json()
    assert {"expired", "revoked"} <= {each["name"] for each in owner.get("/docs/key").json()}
    assert http.delete(f"/v1/keys/{revoked['id']}").status_code == 204
    server.pass_time(600)
    answer = owner.get("/docs/key")
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert server.key not in answer.text and hidden not in answer.text
    assert not {"hidden", "expired", "revoked"} & {each["name"] for each in found}
    late = owner.post("/docs/key", data={"key": found[0]["id"]})
    assert (late.status_code, late.json()["error"]) == (403, errors.ProofRequired.message)
    assert owner.post("/account/confirm", data={PASSWORD: OWNER_PASSWORD}).status_code == 303
    right = owner.post("/docs/key", data={"key": found[0]["id"]})
    assert right.status_code == 200 and right.json() == {"key": server.key}
    assert right.headers["cache-control"] == "no-store"
    for path in PATHS:
        assert server.key not in owner.get(path).text
    assert server.key not in server.log.read_text()


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"key": "", "password": ""},
        {"key": "key_nobody", "password": OWNER_PASSWORD},
        {"key": "../users/me", "password": OWNER_PASSWORD},
    ],
)
def test_what_is_no_key_of_ones_own_is_refused(form: dict[str, str], owner: httpx2.Client, server: Server) -> None:
    answer = owner.post("/docs/key", data=form)
    assert answer.status_code in (400, 404)
    assert set(answer.json()) == {"error"} and server.key not in answer.text


def test_another_persons_key_is_not_shown(http: httpx2.Client, owner: httpx2.Client) -> None:
    theirs = new_key(http, user_id=new_user(http)["id"])
    listed = http.get("/v1/keys", params={"user": http.get("/v1/users?limit=1000").json()[-1]["id"]}).json()
    answer = owner.post("/docs/key", data={"key": listed[0]["id"], "password": OWNER_PASSWORD})
    assert answer.status_code in (403, 404) and theirs not in answer.text


def test_the_example_keys_in_the_guide_are_nobodys() -> None:
    shown = {key for name in guide.CHAPTERS for key in re.findall(r"rb[ko]_\w{38}", guide.source(name, guide.PAGE_URL))}
    assert shown
    for key in shown:
        with pytest.raises(errors.MalformedKey):
            key_format.from_header(f"Bearer {key}".encode())
