"""Templates of mails: the built-in design, and files of a folder that replace it. They are rendered in a sandbox, with
values that are plain text, lists and numbers.

A file that can't be rendered, or leaves out the link that the mail is sent for, is not used: the built-in one is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rollbook.config import LanguageCode

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

logger = logging.getLogger("rollbook")

FOLDER = Path(__file__).parent / "mail"
LAYOUT = "layout"
MAX_SIZE = 262_144
"""Characters of a rendered file. Some mail programs cut off more than 100 KB."""
SUBJECT, TEXT, HTML = "subject.txt", "txt", "html"
PARTS = (SUBJECT, TEXT, HTML)
_NAME = re.compile(r"(?P<kind>[a-z_]+)(?:\.(?P<language>[a-z]{2}))?\.(?P<part>subject\.txt|txt|html)").fullmatch


class Broken(Exception):
    """A template that can't be used. The message says why, without values of the mail."""


class TemplateProblem(NamedTuple):
    """A file of the folder that is not used, and why."""

    file: str
    why: str


class Rendered(NamedTuple):
    subject: str
    text: str
    html: str


class Templates:
    """Templates with those of a folder before the built-in ones."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder) if folder else None
        self._told: set[str] = set()

    def rendered(self, kind: str, language: LanguageCode, values: Mapping[str, Any]) -> Rendered:
        """The parts of a mail. `values` are those of `docs/mail.md`."""
        return Rendered(*(self._part(kind, language, part, values) for part in PARTS))

    def problems(self, samples: Mapping[str, Mapping[str, Any]], languages: Collection[str]) -> list[TemplateProblem]:
        """Files of the folder that are not used. `samples` are values for each kind of mail."""
        if self._folder is None:
            return []
        try:
            names = sorted(path.name for path in self._folder.iterdir() if path.is_file() and path.name[0] != ".")
        except OSError as problem:
            return [TemplateProblem(str(self._folder), f"can't be read: {problem.strerror}")]
        return [TemplateProblem(name, why) for name in names for why in self._faults(name, samples, languages)]

    def _faults(self, name: str, samples: Mapping[str, Mapping[str, Any]], languages: Collection[str]) -> Iterator[str]:
        parts = _NAME(name)
        if parts is None or (parts["kind"] not in (*samples, LAYOUT)):
            yield "not the name of a template, so it has no effect"
            return
        if parts["language"] is not None and parts["language"] not in languages:
            yield f"there is no language {parts['language']}, so it has no effect"
            return
        kinds = samples if parts["kind"] == LAYOUT else (parts["kind"],)
        for kind in kinds:
            try:
                _checked(self._environment(), name, parts["part"], samples[kind])
            except Broken as problem:
                yield f"{problem}. The built-in one is used"
                return

    def _part(self, kind: str, language: LanguageCode, part: str, values: Mapping[str, Any]) -> str:
        for name in self._own(kind, language, part):
            try:
                return _checked(self._environment(), name, part, values)
            except Broken as problem:
                if name not in self._told:
                    self._told.add(name)
                    logger.warning("mail_templates: %s: %s; the built-in one is used", name, problem)
        if part == SUBJECT:
            return str(values["subject"])
        return _checked(_built_in(), f"{LAYOUT}.{part}", part, values)

    def _own(self, kind: str, language: LanguageCode, part: str) -> Iterator[str]:
        """Files that there are for it, the most specific first."""
        if self._folder is not None:
            for name in (kind, LAYOUT):
                for file in (f"{name}.{language}.{part}", f"{name}.{part}"):
                    if (self._folder / file).is_file():
                        yield file

    def _environment(self) -> SandboxedEnvironment:
        assert self._folder is not None
        return _environment(self._folder)


def _checked(environment: SandboxedEnvironment, name: str, part: str, values: Mapping[str, Any]) -> str:
    """Raises Broken."""
    from jinja2 import TemplateError, TemplateSyntaxError

    try:
        text = environment.get_template(name).render(values)
    except TemplateSyntaxError as problem:
        raise Broken(f"line {problem.lineno}: {problem.message}") from None
    except TemplateError as problem:  # names a variable, or what the sandbox refuses
        raise Broken(str(problem.message).rstrip(".")) from None
    except (OSError, UnicodeDecodeError):
        raise Broken("can't be read as UTF-8") from None
    except Exception as problem:  # whatever a template does; its message may hold values of the mail
        raise Broken(f"rendering fails with {type(problem).__name__}") from None
    if len(text) > MAX_SIZE:
        raise Broken(f"more than {MAX_SIZE} characters")
    if part == SUBJECT:
        return " ".join(text.split()) or _refuse("the subject is empty")
    link = values["link"]
    if link and (escape(link) if part == HTML else link) not in text:
        raise Broken("the link is missing: write {{ link }}")
    return text


def _refuse(why: str) -> str:
    raise Broken(why)


@cache
def _built_in() -> SandboxedEnvironment:
    return _environment(FOLDER)


@cache
def _environment(folder: Path) -> SandboxedEnvironment:
    # Imported here: a server that sends no mail starts faster without Jinja2.
    from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([FileSystemLoader(folder), FileSystemLoader(FOLDER)]),
        autoescape=lambda name: name is None or name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
