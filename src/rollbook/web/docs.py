"""The docs as pages and as Markdown for programs: everything under /docs, and /llms.txt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from rollbook import clock
from rollbook.actions import keys as key_actions
from rollbook.actions.arguments.keys import ListKeys
from rollbook.actions.arguments.passwords import PasswordProof
from rollbook.docs_site import guide
from rollbook.errors import ApiError, NotFound
from rollbook.http import coding
from rollbook.http.request import JSON, LOCKED, PRIVATE, Response
from rollbook.web import templates
from rollbook.web.page_request import PageRequest, accepts_html

if TYPE_CHECKING:
    from rollbook.docs_site.markdown import Rendered
    from rollbook.docs_site.search import Result

MARKDOWN = b"Content-Type: text/markdown; charset=utf-8\r\n" + LOCKED
PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n" + LOCKED
# The pages are public, but change with the version: clients ask each time, and mostly get 304.
FRESH = b"Cache-Control: no-cache\r\n"

MAX_KEYS = 1_000
# Results that are shown while somebody types.
SUGGESTED = 8
MAX_RESULTS = 30

# Responses to people who are not signed in are all alike: by page, URL of the server and encoding.
_kept: dict[tuple[str, str, str], Response] = {}
_articles: dict[tuple[str, str], Rendered] = {}


async def landing(page: PageRequest) -> Response:
    return await _chapter(page, guide.LANDING)


async def chapter(page: PageRequest) -> Response:
    """A page of the docs; as Markdown if its name ends with `.md`."""
    name, dot, ending = page.ids[0].partition(".")
    if there := guide.moved().get(name):
        new, sharp, anchor = there.partition("#")
        return page.redirect(f"/docs/{new}{dot}{ending}{sharp}{anchor}")
    if name not in guide.CHAPTERS or (dot and ending != "md"):
        raise NotFound()
    if name == guide.LANDING and not dot:
        return page.redirect("/docs")
    return await _chapter(page, name, as_markdown=bool(dot))


async def error(page: PageRequest) -> Response:
    """Page of an error code: what it means, when it happens and how to fix it. `doc_url` of every error leads here."""
    code, dot, ending = page.ids[0].partition(".")
    if code not in guide.codes() or (dot and ending != "md"):
        raise NotFound()
    if dot or not accepts_html(page.request):
        return _text(page, MARKDOWN, guide.error_source(code, page.on.url))
    return await _page(page, f"errors/{code}", lambda: _render(guide.error_source(code, page.on.url)), "errors")


async def search(page: PageRequest) -> Response:
    """Sections of the docs with any of the words of `q`; for htmx, the first of them only, which are shown while
    somebody types."""
    query = " ".join(page.query.get("q", "")[:200].split())
    limit = SUGGESTED + 1 if page.is_htmx else MAX_RESULTS
    results = await asyncio.get_running_loop().run_in_executor(None, _search, query, page.on.url, limit)
    if page.is_htmx:
        return page.render("docs/found.html", query=query, results=results[:SUGGESTED], more=len(results) > SUGGESTED)
    return page.render(
        "docs/search.html", section="docs", guide=guide, here=None, article=None, query=query, results=results
    )


def _search(query: str, url: str, limit: int) -> list[Result]:
    from rollbook.docs_site import search

    return search.search(query, url, limit)


async def llms(page: PageRequest) -> Response:
    return _text(page, PLAIN, guide.llms(page.on.url))


async def _chapter(page: PageRequest, name: str, as_markdown: bool = False) -> Response:
    url = page.on.url
    if as_markdown or not accepts_html(page.request):
        return _text(page, MARKDOWN, guide.source(name, url))
    text = guide.errors_overview(url) if name == "errors" else guide.source(name, url)
    return await _page(page, name, lambda: _render(text, guide.CHAPTERS[name].columns), name)


async def _page(page: PageRequest, key: str, make: Callable[[], Rendered], chapter: str) -> Response:
    is_plain = page.person is None and not page.request.query
    url = page.on.url
    kept_as = (key, url, coding.accepted(page.request))
    response = _kept.get(kept_as) if is_plain else None
    if response is None:
        article = _articles.get((key, url))
        if article is None:
            # The first rendering takes tens of milliseconds, and loading its libraries as much again: not on the event
            # loop.
            article = _articles[key, url] = await asyncio.get_running_loop().run_in_executor(None, make)
        context: dict[str, Any] = {
            "article": article,
            "query": "",
            "here": guide.CHAPTERS[chapter],
            "markdown": f"/docs/{key}.md",
        }
        if not is_plain:
            return page.render("docs/page.html", section="docs", guide=guide, **context)
        response = page.render("docs/page.html", section="docs", guide=guide, cache=FRESH, **context)
        response = _kept[kept_as] = replace(response, head=response.head + _tag(response.body))
    return _unless_known(page, response)


def prepare(url: str) -> None:
    """Load what renders the docs: the text of the page that most visits begin with, the table of contents, the
    templates. `url` is the server's."""
    _articles[guide.LANDING, url] = _render(guide.source(guide.LANDING, url), guide.CHAPTERS[guide.LANDING].columns)
    for name in guide.CHAPTERS:
        guide.title(name)
    for template in ("page", "nav", "try"):
        templates.environment().get_template(f"docs/{template}.html")


def prepare_search() -> None:
    """Read what the search of the docs finds."""
    from rollbook.docs_site import search

    search.prepare()


def _render(text: str, columns: bool = False) -> Rendered:
    from rollbook.docs_site import markdown

    return markdown.render(text, guide.url, templates.render, columns)


# ---- Markdown and plain text


def _text(page: PageRequest, kind: bytes, text: str) -> Response:
    body = text.encode()
    return _unless_known(page, Response(200, kind + FRESH + b"Vary: Accept\r\n" + _tag(body), body))


def _tag(body: bytes) -> bytes:
    return b'ETag: "' + blake2b(body, digest_size=12).hexdigest().encode() + b'"\r\n'


def _unless_known(page: PageRequest, response: Response) -> Response:
    """304 where the client has this response already (RFC 9110 section 13.1.2)."""
    tags = page.request.headers.get(b"if-none-match")
    tag = response.head[response.head.rindex(b"ETag: ") + 6 :].partition(b"\r\n")[0]
    if tags is not None and tag in (entry.strip().removeprefix(b"W/") for entry in tags.split(b",")):
        headers = b"".join(
            line + b"\r\n"
            for line in response.head.split(b"\r\n")
            if line.startswith((b"ETag:", b"Vary:", b"Cache-Control:"))
        )
        return Response(304, headers)
    return response


# ---- the person's own key, for "Try it"


async def keys(page: PageRequest) -> Response:
    """The person's keys that can be revealed and work."""
    listing = await key_actions.list_keys(page.on, page.by, ListKeys(limit=MAX_KEYS))
    now = clock.now()
    works = [
        key for key in listing.keys if key.revealable and key.revoked_at is None and (key.expires_at or now + 1) > now
    ]
    return _private([{"id": key.id, "name": key.name, "masked": key.masked} for key in works])


async def key(page: PageRequest) -> Response:
    """One of the person's keys, if they have just proven who they are. It goes to the page's memory, never into a
    page."""
    try:
        issued = await key_actions.reveal(page.on, page.by, page.form.get("key", ""), PasswordProof())
    except ApiError as problem:
        return _private({"error": problem.message}, problem.status)
    return _private({"key": issued.token})


def _private(content: object, status: int = 200) -> Response:
    return Response(status, JSON + PRIVATE, msgspec.json.encode(content))
