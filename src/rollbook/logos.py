"""Logos: a file, or the image itself as a `data:` URL (RFC 2397), as one that was uploaded is stored. An image is
recognized by its content, whatever its name."""

from __future__ import annotations

from base64 import b64decode, b64encode
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

MAX_SIZE = 262_144
SVG, PNG = "image/svg+xml", "image/png"


class Logo(NamedTuple):
    kind: str
    content: bytes


@lru_cache(4)
def read(setting: str) -> Logo | None:
    """None: there is none. Raises ValueError with a sentence about the setting."""
    if not setting:
        return None
    name, content = "the image", b""
    if setting.startswith("data:"):
        content = b64decode(setting.partition(",")[2])
    else:
        name = setting
        try:
            with Path(setting).open("rb") as file:
                content = file.read(MAX_SIZE + 1)
        except OSError as problem:
            raise ValueError(f"brand_logo: {name} can't be read: {problem.strerror}.") from None
    if len(content) > MAX_SIZE:
        raise ValueError(f"brand_logo: {name} is larger than 256 KiB.")
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return Logo(PNG, content)
    if _is_svg(content):
        return Logo(SVG, content)
    raise ValueError(f"brand_logo: {name} is neither an SVG nor a PNG image.")


def setting(content: bytes) -> str:
    """The setting for an image that was uploaded; `read` checks what it is."""
    return f"data:;base64,{b64encode(content).decode()}"


def named(setting: str) -> str:
    """The setting for people: the path of a file, or what an uploaded image is."""
    logo = read(setting) if setting.startswith("data:") else None
    return setting if logo is None else f"{logo.kind}, {len(logo.content):,} bytes"


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
