"""Files that pages load: styles, scripts, icons. Their URL holds a digest of their content, so browsers cache them
forever."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rollbook.errors import NotFound
from rollbook.http.coding import Fixed
from rollbook.http.request import LOCKED, Request, Response

if TYPE_CHECKING:
    from rollbook.web.page_request import PageRequest

FOLDER = Path(__file__).parent / "static"
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".png": "image/png",
}
FOREVER = b"Cache-Control: public, max-age=31536000, immutable\r\n"
SHORTLY = b"Cache-Control: public, max-age=300\r\n"


class File(NamedTuple):
    kind: bytes
    content: Fixed


async def show(page: PageRequest) -> Response:
    return await answer(page.request, page.ids[0])


async def answer(request: Request, name: str) -> Response:
    """The file, compressed where the browser takes it. Raises NotFound."""
    file = load(name)
    cache = FOREVER if request.query == f"v={file.content.digest}" else SHORTLY
    return await file.content.answer(request, b"Content-Type: " + file.kind + b"\r\n" + LOCKED + cache)


def url(name: str) -> str:
    """The URL of a static file."""
    return f"/static/{name}?v={load(name).content.digest}"


@cache
def load(name: str) -> File:
    """A file by its plain name: read once. Raises NotFound, also for names that lead elsewhere."""
    if name not in _names():
        raise NotFound()
    return File(KINDS[Path(name).suffix].encode(), Fixed((FOLDER / name).read_bytes()))


@cache
def _names() -> frozenset[str]:
    return frozenset(path.name for path in FOLDER.iterdir() if path.suffix in KINDS)
