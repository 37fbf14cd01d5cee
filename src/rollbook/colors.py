"""Colors of the application's brand: which of them can be read on which surface."""

from __future__ import annotations

from typing import NamedTuple

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


class MailColors(NamedTuple):
    """Colors of a mail, in the notation of CSS: of its button and the text on it, and of the brand on each theme."""

    color: str
    color_text: str
    color_on_light: str
    color_on_dark: str


def of_mail(brand: str) -> MailColors:
    """`brand` is the setting; empty: Rollbook's."""
    fill = parsed(brand or ACCENT)
    colors = (fill, on(fill), readable(fill, LIGHT, BLACK), readable(fill, DARK, WHITE))
    return MailColors(*map(as_hex, colors))


def stylesheet(color: str) -> str:
    """The variables of style.css for a color: the color itself on buttons, and as text what can be read on each theme's
    surfaces."""
    fill = parsed(color)
    text = on(fill)
    hover = mixed(fill, BLACK if text == WHITE else WHITE, 0.14)
    light, dark = readable(fill, LIGHT, BLACK), readable(fill, DARK, WHITE)
    edges = [
        as_hex(accent) if contrast(fill, card) < VISIBLE else "transparent"
        for accent, card in ((light, LIGHT_CARD), (dark, DARK_CARD))
    ]
    return (
        ":root {\n"
        f"  --accent: light-dark({as_hex(light)}, {as_hex(dark)});\n"
        f"  --accent-fill: {as_hex(fill)};\n"
        f"  --accent-fill-hover: {as_hex(hover)};\n"
        f"  --accent-edge: light-dark({edges[0]}, {edges[1]});\n"
        f"  --on-accent: {as_hex(text)};\n"
        f"  --accent-soft: light-dark({as_hex(mixed(fill, WHITE, 0.9))}, {as_hex(mixed(fill, DARK_CARD, 0.82))});\n"
        "}\n"
    )


def readable(color: Color, surface: Color, towards: Color) -> Color:
    """The color, made darker or lighter until text in it can be read on a surface."""
    steps = (mixed(color, towards, step / 50) for step in range(51))
    return next(color for color in steps if contrast(color, surface) >= READABLE)


def contrast(one: Color, other: Color) -> float:
    """From 1 to 21 (WCAG 2.2, contrast ratio)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (byte / 255 for byte in color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def on(fill: Color) -> Color:
    """The color of text on a fill: one of the two can always be read."""
    return WHITE if contrast(fill, WHITE) >= READABLE else BLACK


def mixed(one: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def parsed(text: str) -> Color:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def as_hex(color: Color) -> str:
    return "#" + "".join(f"{part:02x}" for part in color)
