"""The Jinja2 environment, created for the first page, and the filters and functions for templates."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from rollbook import __version__, clock
from rollbook.web import static

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

FOLDER = Path(__file__).parent / "templates"


def render(template: str, **context: Any) -> str:
    """Render a template. Every value is escaped; an undefined name is an error."""
    return environment().get_template(template).render(context)


def prepare() -> None:
    """Read and compile all templates ahead of time. Other threads can render in the meantime."""
    with _preparing:
        if not is_prepared():
            found = environment()
            for name in found.list_templates():
                found.get_template(name)
            _prepared.set()


def is_prepared() -> bool:
    return _prepared.is_set()


_preparing = Lock()
_prepared = Event()


@cache
def environment() -> Environment:
    # Imported here: a server that no browser visits starts faster and needs less memory without Jinja2.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    found.filters |= {"time": time, "number": number, "day": day}
    ours: dict[str, Any] = {"static": static.url, "version": __version__}
    found.globals.update(ours)
    return found


def time(at: int | str | None, otherwise: str = "never", relative: bool = False) -> Markup | str:
    """A `<time>` element: microseconds since 1970, or RFC 3339, as `25 Nov 2026, 10:00 UTC`. `relative`: scripts make it `2 hours ago`."""
    from markupsafe import Markup

    if at is None:
        return otherwise
    micros = clock.parse(at) if isinstance(at, str) else at
    when = datetime.fromtimestamp(micros / clock.SECOND, UTC)
    return Markup('<time datetime="{}" title="{}"{}>{}</time>').format(
        clock.format_time(micros),
        when.strftime("%Y-%m-%d %H:%M:%S UTC"),
        Markup(" data-relative") if relative else "",
        when.strftime("%-d %b %Y, %H:%M UTC"),
    )


def day(at: int) -> str:
    """`25 Nov`."""
    return datetime.fromtimestamp(at / clock.SECOND, UTC).strftime("%-d %b")


def number(n: int) -> str:
    """With thousands separators."""
    return f"{n:,}"
