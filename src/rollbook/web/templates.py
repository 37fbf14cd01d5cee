"""The templates: the Jinja2 environment, created after the start, and what templates can call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any
from unicodedata import bidirectional
from zlib import crc32

from msgspec import UNSET

from rollbook import __version__, clock, units
from rollbook.actions import key_bounds, sessions
from rollbook.delivery import outcomes
from rollbook.languages import ENGLISH, NAMES, Language
from rollbook.web import assets

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import Context
    from markupsafe import Markup

FOLDER = Path(__file__).parent / "templates"
SHARED = ("base.html", "macros.html", "public.html", "public_macros.html")


def render(template: str, **context: Any) -> str:
    """Render a template. Every value is escaped; an undefined name is an error."""
    return environment().get_template(template).render(context)


def prepare() -> None:
    """Load Jinja2 and the templates that every page needs: most of what the first page would wait for."""
    with _preparing:
        if not is_prepared():
            for name in SHARED:
                environment().get_template(name)
            _prepared.set()


def compile_all() -> None:
    """Compile the templates of all pages ahead of time. Other threads can render in the meantime."""
    for name in environment().list_templates():
        environment().get_template(name)


def is_prepared() -> bool:
    return _prepared.is_set()


_preparing = Lock()
_prepared = Event()


@cache
def environment() -> Environment:
    # Imported here: the port opens a tenth of a second earlier without Jinja2.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context

    jinja = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    filters: dict[str, Callable[..., Any]] = {
        "browser": pass_context(browser),
        "duration": units.duration,
        "elapsed": units.elapsed,
        "given": given,
        "hue": hue,
        "initials": initials,
        "number": number,
        "outcome": outcome,
        "purpose": key_bounds.title_of,
        "rfc3339": clock.format_time,
        "size": units.size,
        "status_kind": status_kind,
        "time": pass_context(time),
        "upcoming": upcoming,
    }
    jinja.filters.update(filters)
    ours: dict[str, Any] = {"static": assets.url, "version": __version__, "languages": NAMES}
    jinja.globals.update(ours)
    return jinja


def texts(language: Language) -> Callable[..., Markup]:
    """The texts of a language, for templates: values are escaped, unless they are markup."""
    from markupsafe import escape

    def t(key: str, **values: object) -> Markup:
        text = escape(language.texts[key])
        return text.format(**values) if values else text

    return t


def browser(context: Context, user_agent: str) -> str:
    """The browser in the language of the page."""
    return sessions.name_in(context["language"], user_agent)


def time(
    context: Context,
    at: int | None,
    otherwise: str = "never",
    relative: bool = False,
    seconds: bool = False,
    milliseconds: bool = False,
) -> Markup | str:
    """Microseconds since 1970 as a `<time>` element: `25 Nov 2026, 10:00 UTC`, or with seconds and without the year,
    `25 Nov, 10:00:03 UTC`, also with milliseconds. Pages in other languages have `2026-11-25 10:00 UTC`.

    Scripts turn it into the reader's local time, or if `relative`, into `2 hours ago`.
    """
    from markupsafe import Markup

    if at is None:
        return otherwise
    when = datetime.fromtimestamp(at / clock.SECOND, UTC)
    reader: Language | None = context.get("language")  # none in a macro
    is_english = reader is None or reader.code == ENGLISH
    return Markup('<time datetime="{}" title="{}" data-{}>{}</time>').format(
        clock.format_time_exactly(at) if milliseconds else clock.format_time(at),
        when.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "relative" if relative else "local=milliseconds" if milliseconds else "local=seconds" if seconds else "local",
        f"{when:%-d %b, %H:%M:%S}.{when.microsecond // 1000:03} UTC"
        if milliseconds
        else moment(at)
        if seconds
        else when.strftime("%-d %b %Y, %H:%M UTC" if is_english else "%Y-%m-%d %H:%M UTC"),
    )


def moment(at: int) -> str:
    """`25 Nov, 10:00:03 UTC`."""
    return f"{datetime.fromtimestamp(at // clock.SECOND, UTC):%-d %b, %H:%M:%S} UTC"


def outcome(name: str) -> str:
    """The outcome of an attempt to send an event or a mail, in a few words."""
    return outcomes.words(name).short.replace("'", "’")


HUES = 8


def hue(id: str) -> int:
    """The color of somebody's avatar, the same on every page: one of HUES."""
    return crc32(id.encode()) % HUES


def initials(name: str) -> str:
    """`AL` for Ada Lovelace. One letter where letters join, or where a name is written without spaces."""
    words = [word for word in name.split() if word[0].isalnum()] or name.split()
    ends = [word[0] for word in dict.fromkeys((words[0], words[-1]))] if words else []
    if len(ends) == 2 and any(bidirectional(letter) in ("R", "AL") for letter in ends):
        del ends[1]
    return "".join([letter.upper()[:1] for letter in ends])


def given(value: Any, otherwise: str) -> Any:
    """A field of arguments, which may have been left out."""
    return otherwise if value is UNSET or value is None else value


def status_kind(status: int) -> str:
    """The color of a status."""
    if status == 429:
        return "warn"
    return "bad" if status >= 500 else "" if status >= 400 else "ok"


def upcoming(at: int | None) -> int | None:
    """A time that is still to come."""
    return at if at is not None and at > clock.now() else None


def number(n: int) -> str:
    """Format a number with thousands separators."""
    return f"{n:,}"
