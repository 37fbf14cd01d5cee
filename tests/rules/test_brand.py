"""The brand of the pages that customers see: any color can be read, and a logo is an image that runs nothing."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import pytest

from rollbook import colors, logos
from rollbook.colors import Color
from rollbook.config import ConfigurationError, Settings, load
from rollbook.web import assets
from tests.grids import grid

COLORS = ["#000000", "#ffffff", "#808080", "#ffd400", "#ff0000", "#00ff00", "#0000ff", "#777777", "#0f766e", "#fde2e2"]
STYLE = (Path(assets.__file__).parent / "static" / "style.css").read_text()
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><rect width="1" height="1"/></svg>'


def png() -> bytes:
    """One black pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("color", COLORS)
def test_any_color_can_be_read_on_all_surfaces_of_both_themes(color: str) -> None:
    named = re.findall(r"--([\w-]+): ([^;]+);", colors.stylesheet(color))
    ours = {name: _themes(value) for name, value in named}
    theirs = {name: _themes(value) for name, value in re.findall(r"--(page|surface|sunken|text): ([^;]+);", STYLE)}
    assert [_hex(each) for each in ours["accent-fill"]] == [color, color], "the color itself is on buttons"
    for theme in (0, 1):
        accent = ours["accent"][theme]
        for surface in ("page", "surface", "sunken"):
            assert colors.contrast(accent, theirs[surface][theme]) >= 4.5, (color, surface)
        for fill in ("accent-fill", "accent-fill-hover"):
            assert colors.contrast(ours["on-accent"][theme], ours[fill][theme]) >= 4.5, (color, fill)
        assert colors.contrast(theirs["text"][theme], ours["accent-soft"][theme]) >= 4.5, color
    edges = dict(named)["accent-edge"].removeprefix("light-dark(").removesuffix(")").split(", ")
    for edge, fill, card in zip(edges, ours["accent-fill"], theirs["surface"], strict=True):
        seen = fill if edge == "transparent" else _parsed(edge)
        assert colors.contrast(seen, card) >= 3, f"{color}: a button that cannot be seen"


def _themes(value: str) -> tuple[Color, Color]:
    found = [_parsed(each) for each in re.findall(r"#(?:[0-9a-f]{6}|[0-9a-f]{3})\b", value.lower())]
    return (found[0], found[-1]) if found else ((0, 0, 0), (0, 0, 0))


def _parsed(text: str) -> Color:
    digits = text.lstrip("#")
    digits = digits if len(digits) == 6 else "".join(each * 2 for each in digits)
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def _hex(color: Color) -> str:
    return "#" + "".join(f"{part:02x}" for part in color)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (SVG, "image/svg+xml; charset=utf-8"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a logo -->\n" + SVG, "image/svg+xml; charset=utf-8"),
        (png(), "image/png"),
        (b"<html><body>no</body></html>", None),
        (b"<svg><rect/></svg>", None),
        (SVG + b"<script>alert(1)</script>", None),
        (b'<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + SVG, None),
        (b"GIF89a", None),
        (b"", None),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * logos.MAX_SIZE, None),
        (SVG.replace(b"<rect", b"<!--" + b" " * logos.MAX_SIZE + b"--><rect"), None),
    ],
)
def test_a_logo_is_what_its_content_says_whatever_it_is_called(
    tmp_path: Path, content: bytes, kind: str | None
) -> None:
    file = tmp_path / "logo.jpg"
    file.write_bytes(content)
    settings = Settings(brand_logo=str(file))
    if kind is None:
        with pytest.raises(ConfigurationError, match="brand_logo: "):
            assets.brand_of(settings)
    else:
        logo = assets.brand_of(settings).logo
        assert logo is not None and (logo.kind.decode(), logo.content.content) == (kind, content)


def test_a_logo_that_is_not_there_is_told_when_the_server_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"brand_logo: .*none\.svg can't be read: No such file or directory\."):
        assets.brand_of(Settings(brand_logo=str(tmp_path / "none.svg")))


@grid(
    ("name", "value"),
    [
        ("brand_name", ""),
        ("brand_name", " "),
        ("brand_name", "a\nb"),
        ("brand_name", "x" * 65),
        ("brand_color", "blue"),
        ("brand_color", "#fff"),
        ("brand_color", "#12345g"),
        ("brand_color", "#ffffff;}"),
        ("brand_support", "help@example.com"),
        ("brand_support", "javascript:alert(1)"),
        ("brand_support", "http://example.com"),
        ("brand_support", "https://example.com/a b"),
    ],
)
def test_what_cannot_be_shown_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load({name: value}, {})


def test_a_name_without_a_logo_has_its_first_letter_as_the_icon() -> None:
    icon = assets.brand_of(Settings(brand_name="<Ünder> & Co", brand_color="#ffd400")).icon
    assert icon is not None
    text = icon.content.content.decode()
    assert "&lt;</text>" in text and 'fill="#ffd400"' in text and 'fill="#000000"' in text
    assert assets.brand_of(Settings()).icon is None
