"""Files that pages load: styles, scripts, icons, and the application's own name, logo and color on the pages that its
customers see. The URL of one of ours holds a digest of its content, so browsers cache it forever; the application's are
served from paths of ours, too, so that the policy of pages needs no exception."""

from __future__ import annotations

from functools import cache, lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rollbook import colors, logos
from rollbook.config import PRODUCT, ConfigurationError, Settings
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


TYPES = {logos.SVG: b"image/svg+xml; charset=utf-8", logos.PNG: b"image/png"}
# Opened by itself, an SVG image is a document: its scripts don't run, and it loads nothing (CSP level 3).
SANDBOX = b"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'\r\n"
CSS = b"Content-Type: text/css; charset=utf-8\r\nContent-Security-Policy: default-src 'none'\r\n"


class Image(NamedTuple):
    kind: bytes
    content: Fixed


class Brand(NamedTuple):
    """The brand of a server, with its files."""

    name: str
    support: str
    logo: Image | None
    icon: Image | None
    """Icon of the browser's tab; None where it is Rollbook's."""
    styles: Fixed | None
    """The variables of style.css that are different; None where none is."""

    @property
    def logo_url(self) -> str:
        return "" if self.logo is None else f"/brand/logo?v={self.logo.content.digest}"

    @property
    def icon_url(self) -> str:
        return "" if self.icon is None else f"/brand/icon?v={self.icon.content.digest}"

    @property
    def styles_url(self) -> str:
        return "" if self.styles is None else f"/brand/colors.css?v={self.styles.digest}"


@lru_cache(4)
def brand_of(settings: Settings) -> Brand:
    """Raises ConfigurationError where the logo can't be shown."""
    try:
        image = logos.read(settings.brand_logo)
    except ValueError as problem:
        raise ConfigurationError(str(problem)) from None
    logo = None if image is None else Image(TYPES[image.kind], Fixed(image.content))
    icon = logo
    if icon is None and settings.brand_name != PRODUCT:
        icon = Image(TYPES[logos.SVG], Fixed(_monogram(settings.brand_name, settings.brand_color or colors.ACCENT)))
    styles = Fixed(colors.stylesheet(settings.brand_color).encode()) if settings.brand_color else None
    return Brand(settings.brand_name, settings.brand_support, logo, icon, styles)


async def show_logo(page: PageRequest) -> Response:
    return await _show(page, brand_of(page.on.settings).logo)


async def show_icon(page: PageRequest) -> Response:
    return await _show(page, brand_of(page.on.settings).icon)


async def show_colors(page: PageRequest) -> Response:
    styles = brand_of(page.on.settings).styles
    if styles is None:
        raise NotFound()
    return await styles.answer(page.request, CSS + _cache(page, styles))


async def _show(page: PageRequest, image: Image | None) -> Response:
    if image is None:
        raise NotFound()
    head = b"Content-Type: " + image.kind + b"\r\n" + SANDBOX + _cache(page, image.content)
    return await image.content.answer(page.request, head)


def _cache(page: PageRequest, content: Fixed) -> bytes:
    return FOREVER if page.request.query == f"v={content.digest}" else SHORTLY


def _monogram(name: str, color: str) -> bytes:
    """The first letter of the name on its color."""
    fill = colors.parsed(color)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<rect width="32" height="32" rx="8" fill="{colors.as_hex(fill)}"/>'
        f'<text x="16" y="22.5" font-family="system-ui, sans-serif" font-size="19" font-weight="600" '
        f'text-anchor="middle" fill="{colors.as_hex(colors.on(fill))}">{escape(name.strip()[0].upper())}</text></svg>'
    ).encode()
