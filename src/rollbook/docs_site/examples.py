"""Examples in curl, Python, JavaScript and as a raw message, generated from the curl command in the Markdown."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

# The reader's API key. The shell expands it for curl; Python and JavaScript read the environment variable.
KEY = "$ROLLBOOK_KEY"
# Longer literals are split into several lines.
WIDTH = 56

_NAME = re.compile(r"[A-Za-z_$][\w$]*")


class ExampleRequest(NamedTuple):
    """The request of a curl command. `body` is the decoded JSON, None without a body. `shows_head`: curl prints the
    response headers."""

    method: str
    url: str
    headers: dict[str, str]
    body: Any
    shows_head: bool

    @property
    def needs_key(self) -> bool:
        return "Authorization" in self.headers


def parse(command: str) -> ExampleRequest:
    """Parse a curl command with the options used in the docs. Raises ValueError."""
    program, *arguments = shlex.split(command.replace("\\\n", " "))
    if program != "curl":
        raise ValueError(f"not a curl line: {command}")
    method, url, body, shows_head = "", "", None, False
    headers: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "--json":
            body = json.loads(next(words))
        elif word.startswith("http") and not url:
            url = word
        elif word == "-i":
            shows_head = True
        else:
            raise ValueError(f"curl's {word} is not known here: {command}")
    return ExampleRequest(method or ("GET" if body is None else "POST"), url, headers, body, shows_head)


def curl(request: ExampleRequest) -> str:
    """The request as a shell command, with line breaks for a narrow column."""
    usual = "GET" if request.body is None else "POST"
    words = ["curl"]
    if request.shows_head:
        words.append("-i")
    if request.method != usual:
        words.append(f"-X {request.method}")
    words.append(shlex.quote(request.url))
    parts = [" ".join(words)]
    parts += [f"-H {_shell(f'{name}: {value}')}" for name, value in request.headers.items()]
    if request.body is not None:
        parts.append(f"--json {shlex.quote(pretty(request.body, 1))}")
    return " \\\n  ".join(parts)


def python(request: ExampleRequest, shows: str) -> str:
    """The request with httpx2 (works with httpx and requests as well). `shows` is what to print next to the status:
    "json", "text" or nothing."""
    arguments = [_quoted(request.url)]
    if request.headers:
        items = [f"{_quoted(name)}: {_python_header(value)}" for name, value in request.headers.items()]
        arguments.append(f"headers={_wrapped('{', items, '}', 1, ' ' * 4)}")
    if request.body is not None:
        arguments.append(f"json={_python(request.body, 1)}")
    call = f"answer = httpx2.{request.method.lower()}"
    said = {"json": ", answer.json()", "text": ", answer.text"}.get(shows, "")
    return "\n".join(
        [
            *(["import os", ""] if request.needs_key and KEY in request.headers["Authorization"] else []),
            "import httpx2  # pip install httpx2",
            "",
            call + _wrapped("(", arguments, ")", 0, " " * 4, len(call)),
            f"print(answer.status_code{said})",
        ]
    )


def javascript(request: ExampleRequest, shows: str) -> str:
    """The request with fetch, as a Node.js module."""
    options = [] if request.method == "GET" else [f"method: {_quoted(request.method)}"]
    headers = [f"{_property(name)}: {_javascript_header(value)}" for name, value in request.headers.items()]
    if request.body is not None:
        headers.append('"Content-Type": "application/json"')
    if headers:
        options.append(f"headers: {_wrapped('{ ', headers, ' }', 1, '  ')}")
    if request.body is not None:
        options.append(f"body: JSON.stringify({_javascript(request.body, 1)})")
    indented = "".join(f"  {option},\n" for option in options)
    said = {"json": ", await answer.json()", "text": ", await answer.text()"}.get(shows, "")
    return "\n".join(
        [
            f"const answer = await fetch({_quoted(request.url)}" + (f", {{\n{indented}}});" if options else ");"),
            f"console.log(answer.status{said});",
        ]
    )


def message(request: ExampleRequest) -> str:
    """The request as it is sent (RFC 9112)."""
    address = urlsplit(request.url)
    headers = {"Host": address.netloc} | request.headers
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    lines = [f"{request.method} {address.path}{f'?{address.query}' if address.query else ''} HTTP/1.1"]
    lines += [f"{name}: {value.replace(KEY, 'YOUR_API_KEY')}" for name, value in headers.items()]
    return "\n".join(lines) + ("" if request.body is None else f"\n\n{pretty(request.body)}")


# ---- literals


def pretty(value: Any, depth: int = 0) -> str:
    """JSON with line breaks only where a line would be too long."""
    if isinstance(value, dict):
        items = [f"{json.dumps(name, ensure_ascii=False)}: {pretty(item, depth + 1)}" for name, item in value.items()]
        return _wrapped("{", items, "}", depth, "  ", last="")
    if isinstance(value, list):
        return _wrapped("[", [pretty(item, depth + 1) for item in value], "]", depth, "  ", last="")
    return json.dumps(value, ensure_ascii=False)


def _python(value: Any, depth: int) -> str:
    if isinstance(value, dict):
        items = [f"{_quoted(name)}: {_python(item, depth + 1)}" for name, item in value.items()]
        return _wrapped("{", items, "}", depth, " " * 4)
    if isinstance(value, list):
        return _wrapped("[", [_python(item, depth + 1) for item in value], "]", depth, " " * 4)
    return _quoted(value) if isinstance(value, str) else repr(value)


def _javascript(value: Any, depth: int) -> str:
    if isinstance(value, dict):
        items = [f"{_property(name)}: {_javascript(item, depth + 1)}" for name, item in value.items()]
        return _wrapped("{ ", items, " }", depth, "  ")
    if isinstance(value, list):
        return _wrapped("[", [_javascript(item, depth + 1) for item in value], "]", depth, "  ")
    return json.dumps(value, ensure_ascii=False)


def _wrapped(
    opening: str, items: Iterable[str], closing: str, depth: int, indent: str, before: int = 0, last: str = ","
) -> str:
    """On one line if it fits, otherwise one item per line. `before` is the width already used, `last` follows the last
    item."""
    items = list(items)
    if not items:
        return opening.strip() + closing.strip()
    line = f"{opening}{', '.join(items)}{closing}"
    if "\n" not in line and before + len(indent) * depth + len(line) <= WIDTH:
        return line
    inner = ",\n".join(f"{indent * (depth + 1)}{item}" for item in items)
    return f"{opening.strip()}\n{inner}{last}\n{indent * depth}{closing.strip()}"


def _shell(text: str) -> str:
    # In double quotes the shell expands the variable.
    return f'"{text}"' if KEY in text else shlex.quote(text)


def _python_header(value: str) -> str:
    return "f" + _quoted(value.replace(KEY, "{os.environ['ROLLBOOK_KEY']}")) if KEY in value else _quoted(value)


def _javascript_header(value: str) -> str:
    return f"`{value.replace(KEY, '${process.env.ROLLBOOK_KEY}')}`" if KEY in value else _quoted(value)


def _property(name: str) -> str:
    return name if _NAME.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    """A string literal for Python and JavaScript, in single quotes if that avoids escapes."""
    if '"' in text and "'" not in text and "\\" not in text:
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)
