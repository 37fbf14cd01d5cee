"""What holds on every page of the table, whoever wrote it: who may see it, what is in it, and that everybody can use
it."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterator
from html import escape
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from rollbook.roles import OF_READERS, ON_ALL
from rollbook.web.pages import PAGES
from tests.browser.chromium import (
    IS_SOAK,
    Watch,
    axe,
    axe_in_both_themes,
    axe_script,
    new_context,
    sideways,
    tab,
    take_session,
    transferred,
)
from tests.browser.conftest import NO_LIMITS
from tests.browser.population import (
    DELETED,
    HOSTILE,
    NO_PAGES,
    PASSWORD,
    Place,
    Population,
    places,
    populate,
    sign_in_by_form,
)
from tests.grids import grid
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server

PATTERNS = [row.path for row in PAGES if row.method == "GET" and row.path not in NO_PAGES]
FORMS = [row.path for row in PAGES if row.method == "POST"]
every_page = grid("pattern", PATTERNS)
every_form = grid("pattern", FORMS)

WEIGHTS = {"/account": 60_000, "/admin": 60_000, "/admin/users": 60_000, "/docs/users": 80_000}
"""Most bytes of a page with all that it needs, nothing kept from before."""
MANY = 6
WIDE, NARROW = ViewportSize(width=1280, height=720), ViewportSize(width=360, height=640)

# Where names that are scripts must be seen, so that their absence elsewhere means something.
SHOWN = {
    "/admin/users": HOSTILE,
    "/account/keys": HOSTILE[1:2],
    "/admin/webhooks": HOSTILE[:1],
    "/admin/invitations": HOSTILE[:1],
    "/admin/groups": HOSTILE[:2],
    "/admin/rules": HOSTILE[:1],
}


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Population]:
    server = Server(
        tmp_path_factory.mktemp("pages") / "data",
        "--rate-limit",
        "1000/minute,100000/hour",
        "--unauthenticated-limit",
        "none",
        environment=NO_LIMITS | {"ROLLBOOK_SELF_DELETION": "true"},
    )
    try:
        yield populate(server, hours=36)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def server(population: Population) -> Server:
    return population.server


@pytest.fixture(scope="module")
def found(population: Population) -> dict[str, list[Place]]:
    """Addresses to visit, by their row."""
    by_pattern: dict[str, list[Place]] = {}
    for place in places(population):
        by_pattern.setdefault(place.pattern, []).append(place)
    return by_pattern


@pytest.fixture(scope="module")
def clients(population: Population) -> Iterator[dict[str, httpx2.Client]]:
    """Without a browser: nobody, a member, a viewer, and the owner, signed in."""
    server = population.server
    viewer = next(user for user in population.users if user["role"] == "viewer")
    people = {
        "owner": (OWNER_EMAIL, OWNER_PASSWORD),
        "viewer": (viewer["email"], PASSWORD),
        "member": (population.member["email"], PASSWORD),
    }
    made = {"nobody": server.http(None)}
    for name, (email, password) in people.items():
        made[name] = server.http(None, cookies=sign_in_by_form(server, email, password))
    for client in made.values():
        client.headers["Accept"] = "text/html"
    yield made
    for client in made.values():
        client.close()


@pytest.fixture(scope="module")
def windows(
    browser: Browser, server: Server, watch: Watch, clients: dict[str, httpx2.Client]
) -> Iterator[dict[str, Page]]:
    """A window in which nobody is signed in, and the owner's. Pages are only looked at, so that all tests share
    them."""
    opened = {"nobody": new_context(browser, server, watch), "owner": new_context(browser, server, watch)}
    take_session(opened["owner"], clients["owner"].cookies, server)
    for context in opened.values():
        context.add_init_script(axe_script())
    yield {name: context.new_page() for name, context in opened.items()}
    for context in opened.values():
        context.close()


Look = Callable[[str, str], httpx2.Response]


@pytest.fixture(scope="module")
def look(clients: dict[str, httpx2.Client]) -> Look:
    """What one of the clients gets at an address. It is asked for once, however many tests look at it."""
    return functools.cache(lambda path, who: clients[who].get(path))


@pytest.fixture(scope="module")
def read(look: Look) -> Callable[[str, str], Tags]:
    """What is in that."""
    return functools.cache(lambda path, who: Tags(look(path, who).text))


def visitor_of(place: Place) -> str:
    return "nobody" if place.who == "anyone" else "owner"


# ---- who


@every_page
def test_a_page_is_there_for_whom_it_is_for(pattern: str, found: dict[str, list[Place]], look: Look) -> None:
    for place in found[pattern]:
        answer = look(place.path, visitor_of(place))
        assert answer.status_code == 200, f"{place.path}: {answer.status_code} {answer.headers.get('location', '')}"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


@every_page
def test_nobody_is_led_to_the_sign_in_page_and_told_nothing(
    pattern: str, found: dict[str, list[Place]], clients: dict[str, httpx2.Client]
) -> None:
    for place in found[pattern]:
        if place.who != "anyone":
            answer = clients["nobody"].get(place.path)
            assert answer.status_code == 303 and answer.headers["location"].startswith("/account/sign-in"), place.path
            assert not answer.content


@every_page
def test_pages_about_all_users_open_to_the_roles_whose_scopes_cover_them(
    pattern: str, found: dict[str, list[Place]], clients: dict[str, httpx2.Client], population: Population
) -> None:
    for place in found[pattern]:
        if place.who in ("anyone", "person", "key holder"):
            continue
        for role in ("member",) if place.who in OF_READERS else ("member", "viewer"):
            answer = clients[role].get(place.path)
            if place.who in ON_ALL[role]:
                assert answer.status_code == 200, place.path
            else:
                assert answer.status_code == 403, place.path
                assert "Lindqvist" not in answer.text and population.users[1]["email"] not in answer.text


def test_a_viewer_is_offered_nothing_that_would_be_refused(
    found: dict[str, list[Place]], clients: dict[str, httpx2.Client]
) -> None:
    """On every page of the admin section that opens to them, each link and each form."""
    viewer, links = clients["viewer"], {"/admin"}
    opened = [place.path for places in found.values() for place in places if place.who in ON_ALL["viewer"]]
    assert {"/admin", "/admin/users", "/admin/events"} <= set(opened)
    for path in opened:
        tags = Tags(viewer.get(path).text).tags
        assert not [tag for tag in tags if "formaction" in tag[1]], path
        assert {tag[1]["popovertarget"] for tag in tags if "popovertarget" in tag[1]} == {"my-menu"}, path
        sent = [attributes for tag, attributes in tags if tag == "form" and attributes.get("method") == "post"]
        assert [attributes["action"] for attributes in sent] == ["/account/sign-out"], path
        inputs = [attributes.get("name") for tag, attributes in tags if tag == "input"]
        assert "id" not in inputs, f"{path}: users can be selected"
        links |= {
            urljoin(path, value)
            for tag, attributes in tags
            for name, value in attributes.items()
            if name in ("href", "action") and (tag, value) != ("form", "/account/sign-out")
        }
    refused = [link for link in links if link.startswith("/") and viewer.get(link).status_code == 403]
    assert not refused and {"/account", "/admin/users"} <= links


def test_a_viewer_sees_neither_requests_nor_deleted_users(
    clients: dict[str, httpx2.Client], population: Population
) -> None:
    deleted = population.users[DELETED[0]]
    for role, status in (("owner", 200), ("viewer", 404)):
        answer = clients[role].get(f"/admin/users/{deleted['id']}")
        assert (answer.status_code, deleted["email"] in answer.text) == (status, role == "owner")
        assert ("API requests" in clients[role].get("/admin").text) == (role == "owner")


def test_forms_about_users_refuse_a_viewer_and_change_nothing(
    clients: dict[str, httpx2.Client], server: Server, population: Population
) -> None:
    with server.http() as http:
        key = population.keys[0]
        about = {"id": population.member["id"], "key": key["id"], "session": "session_00000000000000000000000000"}

        def state() -> list[object]:
            user = population.member["id"]
            paths = (
                f"/v1/users/{user}",
                f"/v1/keys?user={user}",
                f"/v1/sessions?user={user}",
                "/v1/users/count",
                "/v1/imports",
            )
            found = [http.get(path).json() for path in paths]
            for each in found[1]:
                del each["last_used_at"]  # of calls made before, written some seconds later
            return found

        before = state()
        for row in PAGES:
            if row.method == "GET" or not row.path.startswith("/admin") or row.who in OF_READERS:
                continue
            path = re.sub(r"\{([^}]*)\}", lambda name: about[name[1]], row.path)
            form = {
                "name": "Mallory",
                "email": "mallory@example.com",
                "role": "owner",
                "confirm": population.member["email"],
            }
            answer = clients["viewer"].post(path, data=form, headers={"Origin": server.url})
            assert answer.status_code == 403, path
            assert re.search("Your role, viewer, doesn&#39;t allow|Only owners can do this", answer.text), path
        assert state() == before


@every_form
def test_nobody_can_send_a_form_that_is_for_somebody(
    pattern: str, clients: dict[str, httpx2.Client], server: Server, population: Population
) -> None:
    who = next(row.who for row in PAGES if (row.method, row.path) == ("POST", pattern))
    path = re.sub(r"\{[^}]*\}", population.member["id"], pattern)
    headers = {"Origin": server.url}
    if who != "anyone":
        answer = clients["nobody"].post(path, headers=headers)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/account/sign-in"), path
    if who not in ("anyone", "person", "key holder"):
        assert clients["member"].post(path, headers=headers).status_code == 403, path


# ---- what is in it


class Tags(HTMLParser):
    """All tags of a page, with their attributes and, of scripts and styles, what they hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.ids: set[str] = set()
        self.inline: list[str] = []
        self.title = ""
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        self.ids.update(filter(None, [attributes.get("id")]))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in in ("script", "style") and data.strip():
            self.inline.append(data)
        if self._in == "title" and not self.title:
            self.title = data.strip()


LOADS = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "object": "data",
    "use": "href",
}


@every_page
def test_nothing_in_a_page_needs_a_wider_policy(
    pattern: str, found: dict[str, list[Place]], look: Look, read: Callable[[str, str], Tags]
) -> None:
    for place in found[pattern]:
        answer = look(place.path, visitor_of(place))
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';") and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy and "form-action 'self'" in policy and "base-uri 'none'" in policy
        page = read(place.path, visitor_of(place))
        assert not page.inline
        for tag, attributes in page.tags:
            for name, value in attributes.items():
                assert name != "style" and not name.startswith(("on", "hx-on")), (
                    f"{place.path}: <{tag} {name}={value!r}>"
                )
                assert not value.lower().lstrip().startswith("javascript:"), f"{place.path}: <{tag} {name}={value!r}>"
            loads = attributes.get(LOADS.get(tag, ""), "")
            if tag == "link" and attributes.get("rel") in ("canonical", "alternate"):
                continue
            assert not loads or (loads[0] in "/#" and not loads.startswith("//")), (
                f"{place.path}: <{tag}> loads {loads}"
            )
            if tag == "form" and attributes.get("action"):
                assert re.match(r"/(?!/)", attributes["action"]), f"{place.path}: a form goes to {attributes['action']}"


@every_page
def test_names_that_are_scripts_are_shown_as_text(pattern: str, found: dict[str, list[Place]], look: Look) -> None:
    for place in found[pattern]:
        text = look(place.path, visitor_of(place)).text
        for hostile in HOSTILE:
            assert "<" not in hostile or hostile not in text, f"{place.path} has {hostile} in it"
        for hostile in SHOWN.get(place.path, ()):
            # The quotation marks of escape() and of the templates differ; both are right.
            assert escape(hostile, quote=False).replace('"', "&#34;").replace("'", "&#39;") in text, (
                f"{place.path} lacks {hostile}"
            )


@every_page
def test_what_an_address_says_is_shown_as_text(
    pattern: str, found: dict[str, list[Place]], clients: dict[str, httpx2.Client], look: Look
) -> None:
    names = (
        "q search email name next notice sort status role key user id before after cursor page limit filter "
        "tab token actor address created_after created_before".split()
    )
    place, hostile = found[pattern][0], " ".join(HOSTILE)

    def ask(*chosen: str) -> httpx2.Response:
        answer = clients[visitor_of(place)].get(place.path, params=[(name, hostile) for name in chosen])
        assert answer.status_code < 500, f"{answer.url}: {answer.status_code}"
        assert not any(each in answer.text for each in HOSTILE if "<" in each), str(answer.url)
        assert "<" not in answer.headers.get("location", "")
        return answer

    # A page that is the same with all of them reads none of them. On others one that is refused could hide the rest.
    if ask(*names).text != look(place.path, visitor_of(place)).text:
        for name in names:
            ask(name)


def test_to_look_at_a_page_changes_nothing(
    found: dict[str, list[Place]], clients: dict[str, httpx2.Client], server: Server
) -> None:
    with server.http() as http:
        [newest] = http.get("/v1/events", params={"order": "desc", "limit": 1}).json()
        for place in (place for places in found.values() for place in places):
            assert clients[visitor_of(place)].get(place.path).status_code < 500, place.path
        assert http.get("/v1/events", params={"after": newest["id"], "actor": "me"}).json() == []


@every_page
def test_what_a_person_sees_is_not_kept_by_the_browser(pattern: str, found: dict[str, list[Place]], look: Look) -> None:
    for place in found[pattern]:
        if place.who != "anyone":
            assert "no-store" in look(place.path, visitor_of(place)).headers["cache-control"], place.path


def test_every_page_has_a_title_of_its_own(found: dict[str, list[Place]], read: Callable[[str, str], Tags]) -> None:
    titles: dict[str, str] = {}
    for place in (each[0] for each in found.values()):
        title = read(place.path, visitor_of(place)).title
        assert title, place.path
        assert "Rollbook · Rollbook" not in title
        assert title not in titles, f"{place.path} and {titles[title]} are both called {title}"
        titles[title] = place.path


def test_every_link_leads_somewhere(
    found: dict[str, list[Place]], look: Look, read: Callable[[str, str], Tags]
) -> None:
    """As seen by somebody who is signed in: there are more links then."""
    broken, seen = [], set()
    for place in (place for each in found.values() for place in each):
        for tag, attributes in read(place.path, "owner").tags:
            address = urljoin(place.path, attributes.get("href", ""))
            parts = urlsplit(address)
            if tag not in ("a", "link") or "href" not in attributes or parts.scheme or parts.netloc or address in seen:
                continue
            seen.add(address)
            path = address.partition("#")[0]
            answer = look(path, "owner")
            if answer.status_code >= 400:
                broken.append(f"{place.path} links to {address}: {answer.status_code}")
            elif parts.fragment and answer.status_code == 200 and "text/html" in answer.headers["content-type"]:
                if parts.fragment not in read(path, "owner").ids:
                    broken.append(f"{place.path} links to {address}: nothing there is called so")
    assert len(seen) > 500 and not broken, "\n".join(broken)


# ---- that everybody can use it


@pytest.mark.timeout(600)  # of one row there may be fifty pages
@every_page
def test_everybody_can_use_a_page(pattern: str, found: dict[str, list[Place]], windows: dict[str, Page]) -> None:
    """By keyboard; then axe, with all that can be opened open; and on a narrow phone, where nothing moves the page
    sideways.

    axe is asked once about each row of the dashboard; in `make soak` about each of its pages and about the docs, in dark
    colors and where they are narrow, too. Pages that differ in their text alone are opened in `make soak`.

    What the policy refused and what was loaded from elsewhere is looked at after every test.
    """
    is_of_docs = pattern.startswith("/docs")  # long pages, most of what axe would compute
    for number, place in enumerate(found[pattern] if IS_SOAK else found[pattern][:MANY]):
        page = windows[visitor_of(place)]
        # Many pages of one row differ in their text, not in their colors, nor in what is beside the text where there is
        # room.
        is_first, is_alike = number == 0, number >= MANY
        page.set_viewport_size(NARROW if is_alike else WIDE)
        _open(page, place)
        if is_first:
            _use_keyboard(page, place)
        page.evaluate("for (const each of document.querySelectorAll('details')) { each.name = ''; each.open = true; }")
        is_asked = (is_first and not is_of_docs) or (IS_SOAK and not is_alike)
        problems = axe_in_both_themes(page) if is_asked else []
        page.set_viewport_size(NARROW)
        if IS_SOAK and (is_alike or is_first):
            problems += [f"narrow: {each}" for each in axe(page, colors=False)]
        assert not problems, f"{place.path}\n" + "\n".join(problems)
        assert not sideways(page), f"{place.path} can be moved sideways: {sideways(page)}"


# Some pages put the focus into their first field; the keyboard is tried from the top all the same.
TO_THE_TOP = "() => { document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex'); }"


def _use_keyboard(page: Page, place: Place) -> None:
    """The skip link comes first and works, and wherever the focus goes it can be seen."""
    page.evaluate(TO_THE_TOP)
    stops = tab(page, 25)
    assert stops[0].href.startswith("#"), f"{place.path}: first comes {stops[0].element}"
    for stop in itertools.takewhile(lambda stop: stop.element, stops):
        assert stop.is_in_sight, f"{place.path}: the focus went out of sight, to {stop.element}"
        assert stop.is_shown, f"{place.path}: the focus cannot be seen on {stop.element}"
    page.evaluate(TO_THE_TOP)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(LANDED, stops[0].href), f"{place.path}: the skip link does not lead to what it names"


# In what it names, or where that has nothing to be focused, behind it.
LANDED = """target => {
    const named = document.querySelector(target), active = document.activeElement;
    return named.contains(active) || !named.querySelector('a, button, input, select, summary, [tabindex="0"]');
}"""


def _open(page: Page, place: Place) -> None:
    page.goto(place.path)
    assert page.evaluate("document.querySelector('main').checkVisibility()"), place.path


WIDE_TABLES = "/account/keys /account/requests /admin/events /admin/groups/{id} /admin/users/{id}/groups /admin/requests /admin/server /admin/users /admin/webhooks".split()


@pytest.mark.parametrize("pattern", WIDE_TABLES)
def test_tables_need_not_be_moved_sideways(
    pattern: str, found: dict[str, list[Place]], windows: dict[str, Page]
) -> None:
    """So that the menus in their last column are in sight."""
    page = windows["owner"]
    _open(page, found[pattern][0])
    for width in (700, 820, 1024, 1280):
        page.set_viewport_size(ViewportSize(width=width, height=720))
        too_wide = page.evaluate(
            "() => [...document.querySelectorAll('.table')].filter(table => table.scrollWidth > "
            "table.clientWidth + 1).map(table => table.ariaLabel)"
        )
        assert not too_wide, f"{width} px: {too_wide}"


@pytest.mark.parametrize("path", WEIGHTS)
def test_pages_are_light(
    path: str, new_context: Callable[..., BrowserContext], server: Server, clients: dict[str, httpx2.Client]
) -> None:
    """All that is transferred for one, headers too, by a browser that has nothing yet; the next time, the page
    alone."""
    page = new_context().new_page()
    take_session(page.context, clients["owner"].cookies, server)
    parts = transferred(page, path)
    assert len(parts) >= 3
    print(f"bytes transferred for {path}:", sum(parts.values()), parts)
    assert sum(parts.values()) <= WEIGHTS[path], parts
    again = transferred(page, path)
    assert not any(each.startswith("/static/") for each in again), f"asked for once more: {again}"
