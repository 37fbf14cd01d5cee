"""Renders Markdown as the HTML of a page: safe, with anchors, highlighted code, and curl examples in three languages.

Loaded for the first page of the guide, in a thread, because its two libraries take a while.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from html import escape
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.common import normalize_url
from markdown_it.token import Token
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from rollbook.docs_site import examples
from rollbook.docs_site.search import Anchors, Heading

# mdurl fills its tables at the first use, where a second thread may read them half full.
normalize_url.normalizeLink("/")
normalize_url.normalizeLinkText("/")

# What people call a language, where pygments calls it otherwise. `console` shows commands and what they print: nothing
# to color.
LEXERS = {"sh": "bash", "console": "text", "http": "http"}

# The kinds of words that style.css gives a color; the others are left without a mark, which halves a page.
HIGHLIGHTED = frozenset(
    "c c1 ch cm cs cp k kc kd kn kr kt ow nt s s1 s2 sb sd sa se si dl l m mi mf mh il nf fm nc nd nb bp na nv "
    "vi vc err".split()
)

_WORD = re.compile(r'<span class="(\w+)">([^<]*)</span>')
_CALL = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/\S*)")


Template = Callable[..., str]
"""Renders a template of the site by its name and context: `docs/code.html` and `docs/example.html` show what is defined
here."""


class Rendered(NamedTuple):
    title: str
    html: Markup
    headings: list[Heading]


class CodeBlock(NamedTuple):
    """Code, prepared for a template."""

    text: str
    html: Markup


class Example(NamedTuple):
    """A curl command, the same request in other languages, the data for "Try it", and the expected response."""

    number: int
    languages: list[tuple[str, CodeBlock]]
    method: str
    path: str
    headers: str
    body: str
    needs_key: bool
    status: str
    head: str
    answer: CodeBlock | None

    @property
    def is_good(self) -> bool:
        return self.status[:1] in "23"


def render(text: str, link: Callable[[str], str], template: Template, columns: bool = False) -> Rendered:
    """A page. `link` returns the URL for the target of a link in the Markdown. With `columns`, the text on each call
    stands beside one panel with all examples of it."""
    tokens = _parser().parse(text)
    headings = _prepare(tokens, link)
    parts = list(_pairs(tokens, template) if columns else _in_line(tokens, template))
    html = "".join(parts) if columns else f'<div class="prose">{"".join(parts)}</div>'
    return Rendered(headings[0].text if headings else "", Markup(html), headings)


def _in_line(tokens: Sequence[Token], template: Template) -> Iterator[str]:
    """The page in one column."""
    prose: list[Token] = []
    for part in _split(tokens):
        if isinstance(part, Token):
            prose.append(part)
        else:
            yield _html(prose, template) + template("docs/example.html", example=part)
            prose.clear()
    yield _html(prose, template)


def _pairs(tokens: Sequence[Token], template: Template) -> Iterator[str]:
    """The page as rows: a heading or call with the text on it, and its examples."""
    prose: list[Token] = []
    calls: list[tuple[str, Example]] = []
    has_call = False

    def row() -> str:
        begins = " begins" if prose and prose[0].type == "heading_open" else ""
        panel = template("docs/panel.html", examples=calls) if calls else ""
        return f'<div class="docs-pair{begins}"><div class="prose">{_html(prose, template)}</div>{panel}</div>'

    for part in _split(tokens):
        if isinstance(part, Example):
            calls.append((_lead(prose), part))
            continue
        is_call = part.attrGet("class") == "calls"
        if (prose or calls) and ((part.type == "heading_open" and part.tag in ("h1", "h2")) or (is_call and has_call)):
            yield row()
            prose, calls, has_call = [], [], False
        has_call = has_call or is_call
        prose.append(part)
    yield row()


def _lead(prose: list[Token]) -> str:
    """The sentence that leads to an example, such as "With metadata:". It is taken from the text, because it names the
    example."""
    if len(prose) < 3 or prose[-3].type != "paragraph_open" or not prose[-2].content.endswith(":"):
        return ""
    lead = "".join(child.content or " " for child in prose[-2].children or ())
    del prose[-3:]
    return lead.removesuffix(":")


def _split(tokens: Sequence[Token]) -> Iterator[Token | Example]:
    """The tokens of the text, and the examples among them: each a curl command with the response that follows it."""
    at = number = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token.type == "fence" and token.info == "sh" and token.content.startswith("curl "):
            after = tokens[at] if at < len(tokens) else None
            answer = after if after is not None and after.type == "fence" and after.info in ("json", "http") else None
            at += answer is not None
            number += 1
            yield _example(number, token, answer)
        else:
            yield token


# ---- the parser, and changes to its tokens


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("code_inline", _code)
    parser.add_render_rule("text", _text)
    return parser


def _html(tokens: Sequence[Token], template: Template) -> str:
    parser = _parser()
    return parser.renderer.render(tokens, parser.options, {"template": template})


def _prepare(tokens: list[Token], link: Callable[[str], str]) -> list[Heading]:
    """Adds anchors to headings, URLs to links, frames to tables, and classes to lines that name an endpoint and to
    lists of fields."""
    headings: list[Heading] = []
    anchors = Anchors()
    tables: dict[str, int] = {}
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            inline = tokens[at + 1]
            text = "".join(child.content for child in inline.children or ())
            anchor = anchors.of(text)
            headings.append(Heading(int(token.tag[1]), text, anchor))
            token.attrSet("id", anchor)
            if token.tag != "h1":
                inline.children = [*(inline.children or ()), *_own_link(anchor, text)]
        elif token.type == "paragraph_open" and _names_a_call(tokens[at + 1]):
            token.attrSet("class", "calls")
        elif token.type == "bullet_list_open" and "`<br>" in tokens[at + 3].content.replace("*<br>", "`<br>"):
            token.attrSet("class", "terms")
        elif token.type == "table_open":
            under = headings[-1].text if headings else ""
            tables[under] = tables.get(under, 0) + 1
            # Two regions of a page must not have the same name.
            token.meta["label"] = f"Table: {under}" + (f" ({tables[under]})" if tables[under] > 1 else "")
        elif token.type == "th_open" and not tokens[at + 1].content:
            token.tag = tokens[at + 2].tag = "td"
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("href", link(str(child.attrGet("href"))))
    _drop_empty_heads(tokens)
    _frame_tables(tokens)
    return headings


def _own_link(anchor: str, text: str) -> Iterator[Token]:
    """The link after a heading that leads to itself."""
    opening = Token("link_open", "a", 1)
    opening.attrs = {"class": "anchor", "href": f"#{anchor}", "aria-label": f"Link to {text}"}
    sign = Token("text", "", 0)
    sign.content = "#"
    yield from (opening, sign, Token("link_close", "a", -1))


def _names_a_call(inline: Token) -> bool:
    first = (inline.children or [None])[0]
    return first is not None and first.type == "code_inline" and _CALL.fullmatch(first.content) is not None


def _drop_empty_heads(tokens: list[Token]) -> None:
    """Markdown requires a table head. Remove it if all of its cells are empty."""
    tokens_left: list[Token] = []
    head: list[Token] | None = None
    for token in tokens:
        if token.type == "thead_open":
            head = []
        (tokens_left if head is None else head).append(token)
        if token.type == "thead_close" and head is not None:
            tokens_left += head if any(token.content for token in head) else []
            head = None
    tokens[:] = tokens_left


def _frame_tables(tokens: list[Token]) -> None:
    """A scrollable frame around each table for narrow pages. It can be focused, so that the keyboard can scroll it."""
    for at in reversed(range(len(tokens))):
        if tokens[at].type == "table_open":
            frame = Token("table_frame_open", "div", 1, block=True)
            frame.attrs = {"class": "table", "tabindex": "0", "role": "region", "aria-label": tokens[at].meta["label"]}
            tokens.insert(at, frame)
        elif tokens[at].type == "table_close":
            tokens.insert(at + 1, Token("table_frame_close", "div", -1, block=True))


# ---- custom rendering


def _text(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    # Markdown tables have no other way to break a line in a cell.
    return escape(tokens[at].content).replace("&lt;br&gt;", "<br>")


def _code(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    call = _CALL.fullmatch(tokens[at].content)
    if call is None:
        return f"<code>{escape(tokens[at].content)}</code>"
    # Long paths break between segments.
    path = escape(call[2]).replace("/", "<wbr>/").removeprefix("<wbr>")
    return f'<code class="call"><span class="method {call[1].lower()}">{call[1]}</span> {path}</code>'


def _fence(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    token = tokens[at]
    shown = _message(token.content) if token.info == "http" else highlighted(token.content, token.info)
    return env["template"]("docs/code.html", code=shown)


def _message(text: str) -> CodeBlock:
    """A message: where its body is JSON, head and body are each colored in their own way."""
    head, gap, body = text.partition("\n\n")
    if not body.startswith(("{", "[")):
        return highlighted(text, "http")
    return CodeBlock(text, highlighted(head, "http").html + gap + highlighted(body, "json").html)


def _example(number: int, commands: Token, answer: Token | None) -> Example:
    request = examples.parse(commands.content)
    status, head, body = "", "", ""
    if answer is not None:
        body = answer.content
        if answer.info == "http":
            head, _, body = answer.content.partition("\n\n")
            start, _, head = head.partition("\n")
            status = start.partition(" ")[2]
        else:
            status = "200 OK" if request.method != "POST" else ""
    shows = "json" if body.strip() else "text" if answer is None else ""
    address = urlsplit(request.url)
    return Example(
        number=number,
        languages=[
            ("curl", highlighted(examples.curl(request), "sh")),
            ("Python", highlighted(examples.python(request, shows), "python")),
            ("JavaScript", highlighted(examples.javascript(request, shows), "javascript")),
            ("HTTP", _message(examples.message(request))),
        ],
        method=request.method,
        path=address.path + (f"?{address.query}" if address.query else ""),
        headers="\n".join(f"{name}: {value}" for name, value in request.headers.items() if name != "Authorization"),
        body="" if request.body is None else examples.pretty(request.body),
        needs_key=request.needs_key,
        status=status,
        head=head,
        answer=highlighted(body, "json") if body.strip() else None,
    )


def highlighted(code: str, language: str) -> CodeBlock:
    """Code with a class for each kind of word."""
    code = code.strip("\n")
    lexer = get_lexer_by_name(LEXERS.get(language, language or "text"), stripnl=False)
    html = highlight(code, lexer, _formatter()).rstrip("\n")
    return CodeBlock(code, Markup(_WORD.sub(lambda word: word[0] if word[1] in HIGHLIGHTED else word[2], html)))


@cache
def _formatter() -> HtmlFormatter[str]:
    return HtmlFormatter(nowrap=True)
