"""The docs as resources: the pages of the guide, and one for each error code."""

from __future__ import annotations

from functools import cache
from typing import Any

from rollbook.docs_site import guide

_SCHEME = "rollbook://docs/"
_ERRORS = "errors/"


@cache
def listed() -> list[dict[str, Any]]:
    pages = [(name, guide.title(name), guide.about(name)) for name in guide.CHAPTERS]
    codes = [(_ERRORS + code, code, sentence) for code, sentence in guide.codes().items()]
    return [
        {
            "uri": _SCHEME + path,
            "name": path,
            "title": title,
            **({"description": about} if about else {}),
            "mimeType": "text/markdown",
        }
        for path, title, about in (*pages, *codes)
    ]


def read(uri: object, url: str) -> str | None:
    """The Markdown of a page, with `url` as the server's base URL. None if there is none."""
    if not isinstance(uri, str) or not uri.startswith(_SCHEME):
        return None
    path = uri.removeprefix(_SCHEME)
    try:
        if path.startswith(_ERRORS):
            return guide.error_source(path.removeprefix(_ERRORS), url)
        return guide.source(path, url)
    except KeyError:
        return None
