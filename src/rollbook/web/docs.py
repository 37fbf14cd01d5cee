"""The docs: pages in the browser, Markdown for programs, the API reference, and /llms.txt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rollbook.errors import ApiError, NotFound
from rollbook.http.response import JSON, PRIVATE, Response
from rollbook.web import guide, static
from rollbook.web.accept import takes_gzip, takes_html
from rollbook.web.visit import Visit

if TYPE_CHECKING:
    from rollbook.web.docs_search import Result
    from rollbook.web.markdown import Rendered

MARKDOWN = b"Content-Type: text/markdown; charset=utf-8\r\n"
PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n"
# Public pages that change with the version: browsers revalidate them and mostly get 304.
FRESH = b"Cache-Control: no-cache\r\n"
VENDOR = Path(__file__).parent / "vendor" / "swagger-ui"
# Swagger UI uses data: URLs for its icons; the rest is the same as for other pages. Only on its own path.
REFERENCE_POLICY = (
    b"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n"
)

# Cached responses for visitors who are not signed in, by page, URL and compression.
_kept: dict[tuple[str, str, bool], Response] = {}
_articles: dict[tuple[str, str], Rendered] = {}


async def landing(visit: Visit) -> Response:
    return await _chapter(visit, guide.LANDING)


async def chapter(visit: Visit) -> Response:
    """A page of the docs; as Markdown if its name ends with `.md`."""
    name, dot, ending = visit.ids[0].partition(".")
    if name not in guide.CHAPTERS or (dot and ending != "md"):
        raise NotFound()
    if name == guide.LANDING and not dot:
        return visit.redirect("/docs")
    return await _chapter(visit, name, as_markdown=bool(dot))


async def error(visit: Visit) -> Response:
    """What an error code means and how to fix it. The `doc_url` of errors leads here."""
    code, dot, ending = visit.ids[0].partition(".")
    if code not in guide.codes() or (dot and ending != "md"):
        raise NotFound()
    if dot or not takes_html(visit.request):
        return _text(visit, MARKDOWN, guide.error_source(code, visit.services.url))
    return await _page(visit, f"errors/{code}", lambda: _render(guide.error_source(code, visit.services.url)), "errors")


async def search(visit: Visit) -> Response:
    """Sections of the docs that contain all words of `q`."""
    query = " ".join(visit.query.get("q", "")[:200].split())
    results = await asyncio.get_running_loop().run_in_executor(None, _search, query)
    return visit.render("docs/search.html", section="docs", guide=guide, here=None, article=None, query=query, results=results)


def _search(query: str) -> list[Result]:
    from rollbook.web import docs_search

    return docs_search.search(query)


async def llms(visit: Visit) -> Response:
    return _text(visit, PLAIN, guide.llms(visit.services.url))


async def _chapter(visit: Visit, name: str, as_markdown: bool = False) -> Response:
    url = visit.services.url
    if as_markdown or not takes_html(visit.request):
        return _text(visit, MARKDOWN, guide.source(name, url))
    text = guide.errors_overview(url) if name == "errors" else guide.source(name, url)
    return await _page(visit, name, lambda: _render(text, guide.CHAPTERS[name].columns), name)


async def _page(visit: Visit, key: str, make: Callable[[], Rendered], chapter: str) -> Response:
    is_plain = visit.person is None and not visit.request.query
    url = visit.services.url
    kept_as = (key, url, takes_gzip(visit.request))
    response = _kept.get(kept_as) if is_plain else None
    if response is None:
        article = _articles.get((key, url))
        if article is None:
            # The first rendering takes tens of milliseconds, loading the libraries as long again: not on the event loop.
            article = _articles[key, url] = await asyncio.get_running_loop().run_in_executor(None, make)
        context: dict[str, Any] = {
            "article": article,
            "query": "",
            "here": guide.CHAPTERS[chapter],
            "markdown": f"/docs/{key}.md",
        }
        if not is_plain:
            return visit.render("docs/page.html", section="docs", guide=guide, **context)
        response = visit.render("docs/page.html", section="docs", guide=guide, cache=FRESH, **context)
        response = _kept[kept_as] = response._replace(head=response.head + _tag(response.body))
    return _unless_known(visit, response)


def _render(text: str, columns: bool = False) -> Rendered:
    from rollbook.web import markdown

    return markdown.render(text, address, columns)


def address(target: str) -> str:
    """The URL of a Markdown link: /docs/users#list-users for `users.md#list-users`; errors have their own pages."""
    file, sharp, anchor = target.removeprefix("../").partition("#")
    if file in ("", "errors.md") and anchor in guide.codes():
        return f"/docs/errors/{anchor}"
    name, dot, ending = file.partition(".")
    if dot and ending == "md" and name in guide.CHAPTERS:
        return guide.CHAPTERS[name].path + sharp + anchor
    return target


# ---- Markdown and plain text


def _text(visit: Visit, kind: bytes, text: str) -> Response:
    body = text.encode()
    return _unless_known(visit, Response(200, kind + FRESH + b"Vary: Accept\r\n" + _tag(body), body))


def _tag(body: bytes) -> bytes:
    return b'ETag: "' + blake2b(body, digest_size=12).hexdigest().encode() + b'"\r\n'


def _unless_known(visit: Visit, response: Response) -> Response:
    """304 if the client already has this response (RFC 9110 section 13.1.2)."""
    known = visit.request.headers.get(b"if-none-match")
    tag = response.head[response.head.rindex(b"ETag: ") + 6 :].partition(b"\r\n")[0]
    if known is not None and tag in (each.strip().removeprefix(b"W/") for each in known.split(b",")):
        kept = b"".join(
            line + b"\r\n" for line in response.head.split(b"\r\n") if line.startswith((b"ETag:", b"Vary:", b"Cache-Control:"))
        )
        return Response(304, kept)
    return response


# ---- "Use my key" of "Try it"


async def keys(visit: Visit) -> Response:
    """The person's revealable keys, without the secrets."""
    found = (await visit.api("GET", "/v1/keys", user=visit.me.user.id, limit=1000)).content
    now = [key for key in found if key["revealable"] and key["revoked_at"] is None]
    return _private([{"id": key["id"], "name": key["name"], "masked": key["masked"]} for key in now])


async def key(visit: Visit) -> Response:
    """Reveal one of the person's keys, with their password. The script keeps it in memory; it is never part of a page."""
    form = visit.form
    try:
        answer = await visit.api("POST", f"/v1/keys/{form.get('key', '')}/reveal", {"password": form.get("password", "")})
    except ApiError as problem:
        return _private({"error": problem.message}, problem.status)
    return _private({"key": answer.content["key"]})


def _private(content: object, status: int = 200) -> Response:
    return Response(status, JSON + PRIVATE, msgspec.json.encode(content))


# ---- the API reference


async def reference(visit: Visit) -> Response:
    """The interactive API reference: Swagger UI for /openapi.json."""
    await _loaded("swagger-ui-bundle.js")
    response = visit.render("docs/api.html", vendor=_vendor)
    head = b"".join(
        line + b"\r\n" for line in response.head.split(b"\r\n") if line and not line.startswith(b"Content-Security-Policy:")
    )
    return response._replace(head=head + REFERENCE_POLICY)


async def reference_file(visit: Visit) -> Response:
    await _loaded(visit.ids[0])
    return static.answer(visit.request, visit.ids[0], VENDOR)


async def _loaded(name: str) -> None:
    # Compressing it for the first time takes a quarter of a second.
    await asyncio.get_running_loop().run_in_executor(None, static.load, VENDOR, name)


@cache
def _vendor(name: str) -> str:
    return f"/docs/api/{name}?v={static.load(VENDOR, name).digest}"
