"""The application's own name, logo and color on the pages that its customers see. Both files are served from paths of
ours, so that the policy of pages needs no exception."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.parsers import expat

from rollbook.config import ConfigurationError, Settings
from rollbook.errors import NotFound
from rollbook.http.coding import Fixed
from rollbook.http.response import Response
from rollbook.web.assets import FOREVER, SHORTLY

if TYPE_CHECKING:
    from rollbook.web.page_request import PageRequest

MAX_LOGO = 262_144
PRODUCT = "Rollbook"
SVG, PNG = b"image/svg+xml; charset=utf-8", b"image/png"
# Opened by itself, an SVG image is a document: its scripts don't run, and it loads nothing (CSP level 3).
SANDBOX = b"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'\r\n"
CSS = b"Content-Type: text/css; charset=utf-8\r\nContent-Security-Policy: default-src 'none'\r\n"
READABLE = 4.5
"""Contrast of text (WCAG 2.2, 1.4.3)."""
VISIBLE = 3.0
"""Contrast of a button with what is around it (1.4.11)."""
# The surfaces of style.css that links are on: the one with the least contrast, and that of cards.
LIGHT, LIGHT_CARD = (0xF4, 0xF5, 0xF8), (0xFF, 0xFF, 0xFF)
DARK, DARK_CARD = (0x1C, 0x20, 0x29), (0x15, 0x18, 0x1F)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
ACCENT = "#2350d0"

Color = tuple[int, int, int]


class Image(NamedTuple):
    kind: bytes
    content: Fixed


class Brand(NamedTuple):
    """The brand of a server, with its files."""

    name: str
    support: str
    logo: Image | None
    icon: Image | None
    """Of the browser's tab; None where it is Rollbook's."""
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

    @property
    def is_ours(self) -> bool:
        """Test whether the pages are Rollbook's own."""
        return self.name == PRODUCT


@cache
def of(settings: Settings) -> Brand:
    """Raises ConfigurationError where the logo can't be shown."""
    logo = _image(settings.brand_logo) if settings.brand_logo else None
    icon = logo
    if icon is None and settings.brand_name != PRODUCT:
        icon = Image(SVG, Fixed(_monogram(settings.brand_name, settings.brand_color or ACCENT)))
    styles = Fixed(stylesheet(settings.brand_color).encode()) if settings.brand_color else None
    return Brand(settings.brand_name, settings.brand_support, logo, icon, styles)


async def show_logo(page: PageRequest) -> Response:
    return await _show(page, of(page.on.settings).logo)


async def show_icon(page: PageRequest) -> Response:
    return await _show(page, of(page.on.settings).icon)


async def show_colors(page: PageRequest) -> Response:
    styles = of(page.on.settings).styles
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


# ---- images


def _image(path: str) -> Image:
    """An image by its content, whatever its name. Raises ConfigurationError."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_LOGO + 1)
    except OSError as problem:
        raise ConfigurationError(f"brand_logo: {path} can't be read: {problem.strerror}.") from None
    if len(content) > MAX_LOGO:
        raise ConfigurationError(f"brand_logo: {path} is larger than 256 KiB.")
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return Image(PNG, Fixed(content))
    if _is_svg(content):
        return Image(SVG, Fixed(content))
    raise ConfigurationError(f"brand_logo: {path} is neither an SVG nor a PNG image.")


def _is_svg(content: bytes) -> bool:
    """Test whether this is XML whose first element is `svg`, without a document type that defines entities."""
    names: list[str] = []
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda name, _: names.append(name) if not names else None
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError):
        return False
    return names == ["http://www.w3.org/2000/svg svg"]


def _refuse(*_: object) -> None:
    raise ValueError("an entity")


def _monogram(name: str, color: str) -> bytes:
    """The first letter of the name on its color."""
    fill = _parsed(color)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<rect width="32" height="32" rx="8" fill="{_hex(fill)}"/>'
        f'<text x="16" y="22.5" font-family="system-ui, sans-serif" font-size="19" font-weight="600" '
        f'text-anchor="middle" fill="{_hex(_on(fill))}">{escape(name.strip()[0].upper())}</text></svg>'
    ).encode()


# ---- colors


def stylesheet(color: str) -> str:
    """The variables of style.css for a color: the color itself on buttons, and as text what can be read on each theme's
    surfaces."""
    fill = _parsed(color)
    text = _on(fill)
    hover = _mixed(fill, BLACK if text == WHITE else WHITE, 0.14)
    light, dark = readable(fill, LIGHT, BLACK), readable(fill, DARK, WHITE)
    edges = [
        _hex(accent) if contrast(fill, card) < VISIBLE else "transparent"
        for accent, card in ((light, LIGHT_CARD), (dark, DARK_CARD))
    ]
    return (
        ":root {\n"
        f"  --accent: light-dark({_hex(light)}, {_hex(dark)});\n"
        f"  --accent-fill: {_hex(fill)};\n"
        f"  --accent-fill-hover: {_hex(hover)};\n"
        f"  --accent-edge: light-dark({edges[0]}, {edges[1]});\n"
        f"  --on-accent: {_hex(text)};\n"
        f"  --accent-soft: light-dark({_hex(_mixed(fill, WHITE, 0.9))}, {_hex(_mixed(fill, DARK_CARD, 0.82))});\n"
        "}\n"
    )


def readable(color: Color, surface: Color, towards: Color) -> Color:
    """The color, made darker or lighter until text in it can be read on a surface."""
    steps = (_mixed(color, towards, step / 50) for step in range(51))
    return next(each for each in steps if contrast(each, surface) >= READABLE)


def contrast(one: Color, other: Color) -> float:
    """From 1 to 21 (WCAG 2.2, contrast ratio)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (each / 255 for each in color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _on(fill: Color) -> Color:
    """The color of text on a fill: one of the two can always be read."""
    return WHITE if contrast(fill, WHITE) >= READABLE else BLACK


def _mixed(one: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _parsed(text: str) -> Color:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _hex(color: Color) -> str:
    return "#" + "".join(f"{part:02x}" for part in color)
