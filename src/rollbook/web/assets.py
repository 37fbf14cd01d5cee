"""Files that pages load: styles, scripts, icons. Their URL holds a digest of their content, so browsers cache them forever."""

from __future__ import annotations

import zlib
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rollbook.errors import NotFound
from rollbook.http.request import Request
from rollbook.http.response import Response
from rollbook.web.accept import takes_gzip

if TYPE_CHECKING:
    from rollbook.web.page_request import PageRequest

FOLDER = Path(__file__).parent / "static"
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
FOREVER = b"Cache-Control: public, max-age=31536000, immutable\r\n"
SHORTLY = b"Cache-Control: public, max-age=300\r\n"


class File(NamedTuple):
    kind: bytes
    content: bytes
    compressed: bytes
    digest: str


async def show(page: PageRequest) -> Response:
    return answer(page.request, page.ids[0])


def answer(request: Request, name: str, folder: Path = FOLDER) -> Response:
    """The file, compressed where the browser takes it. Raises NotFound."""
    file = load(folder, name)
    head = b"Content-Type: " + file.kind + b"\r\n" + (FOREVER if request.query == f"v={file.digest}" else SHORTLY)
    head += b'ETag: "' + file.digest.encode() + b'"\r\nVary: Accept-Encoding\r\n'
    if request.headers.get(b"if-none-match") == b'"' + file.digest.encode() + b'"':
        return Response(304, head)
    if len(file.compressed) < len(file.content) and takes_gzip(request):
        return Response(200, head + b"Content-Encoding: gzip\r\n", file.compressed)
    return Response(200, head, file.content)


def url(name: str) -> str:
    """The URL of a static file."""
    return f"/static/{name}?v={load(FOLDER, name).digest}"


def load(folder: Path, name: str) -> File:
    """A file by its plain name: read and compressed once. Raises NotFound, also for names that lead elsewhere."""
    if name not in _names(folder):
        raise NotFound()
    return _load(folder, name)


@cache
def _names(folder: Path) -> frozenset[str]:
    return frozenset(path.name for path in folder.iterdir() if path.suffix in KINDS)


@cache
def _load(folder: Path, name: str) -> File:
    content = (folder / name).read_bytes()
    compressed = zlib.compress(content, 9, wbits=31)
    return File(KINDS[Path(name).suffix].encode(), content, compressed, blake2b(content, digest_size=8).hexdigest())
