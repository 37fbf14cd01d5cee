"""Payloads: an event in the format of its endpoint.

Chat formats are read by people, and the names in them are strangers' text: it must not mention anyone, be formatted, or
hide a link.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from rollbook import clock
from rollbook.delivery.plain_text import plain
from rollbook.records import events
from rollbook.records.event_types import TYPES
from rollbook.records.events import Event

Format = Literal["standard", "cloudevents", "slack", "discord", "teams"]
Content = Literal["full", "thin"]

MAX_CHANGES = 5
"""Changed fields that a sentence lists."""
MAX_DISCORD = 2000
"""UTF-16 code units of a message: Discord refuses longer ones."""

_encode = msgspec.json.Encoder().encode


class Unfit(Exception):
    """The event can't be written in this format. Trying again doesn't help."""


def body(event: Event, format: Format, content: Content, source: str) -> tuple[str, bytes]:
    """Content type and body. `source` is the URL of this server. Raises Unfit. `content` is for the first two
    formats."""
    try:
        return _FORMATS[format](event, content, source)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
        raise Unfit(f"event {event.id}: {problem}") from problem


def carrying(event: Event, secrets: Mapping[str, str]) -> Event:
    """The event with secrets in its object, for one delivery."""
    return event._replace(object=_encode({**_read(event.object), **secrets}).decode())


def _standard(event: Event, content: Content, source: str) -> tuple[str, bytes]:
    return "application/json", _encode(_content(event, content))


def _cloudevents(event: Event, content: Content, source: str) -> tuple[str, bytes]:
    """In structured mode (CloudEvents 1.0, HTTP protocol binding section 3.2)."""
    attributes = {
        "specversion": "1.0",
        "id": event.id,
        "source": source,
        "type": event.type,
        "time": clock.format_time(event.created_at),
        "datacontenttype": "application/json",
        "data": _content(event, content),
    }
    if event.user_id:
        attributes["subject"] = event.user_id
    return "application/cloudevents+json; charset=utf-8", _encode(attributes)


def _content(event: Event, content: Content) -> Any:
    """The event as the API shows it, or only what it is about."""
    about = _about(event)
    public = events.public(event)
    if content == "full":
        return public
    return {
        "id": public.id,
        "type": public.type,
        "created_at": public.created_at,
        "user_id": public.user_id,
        "object": {"id": about.id or about.group_id},
    }


class _About(Struct):
    """The parts of an object that are used here. Whatever else it has is only checked to be JSON."""

    id: Any = None
    name: Any = None
    email: Any = None
    description: Any = None
    url: Any = None
    message: Any = None
    status_reason: Any = None
    missed: Any = None
    group_id: Any = None
    group_name: Any = None


_read_about = msgspec.json.Decoder(_About).decode
_read = msgspec.json.Decoder(dict[str, Any]).decode


def _about(event: Event) -> _About:
    if event.before is not None:
        _read(event.before)
    return _read_about(event.object)


# ---- for people


def _slack(event: Event, content: Content, source: str) -> tuple[str, bytes]:
    """An incoming webhook. Without `mrkdwn` nothing is formatted; mentions need `<`, which is escaped."""
    lines = [*map(_escape_slack, _sentences(event)), *_link(event, source)]
    return _json({"text": "\n".join(lines), "mrkdwn": False, "unfurl_links": False, "unfurl_media": False})


def _discord(event: Event, content: Content, source: str) -> tuple[str, bytes]:
    link = _link(event, source)
    left = MAX_DISCORD - sum(_units(line) + 1 for line in link)
    lines: list[str] = []
    for line in map(_escape_discord, _sentences(event)):
        left -= _units(line) + 1
        if left < 0:
            break
        lines.append(line)
    suppress_embeds = 1 << 2
    return _json({"content": "\n".join([*lines, *link]), "allowed_mentions": {"parse": []}, "flags": suppress_embeds})


def _teams(event: Event, content: Content, source: str) -> tuple[str, bytes]:
    """An Adaptive Card for a workflow. Rich text, since text blocks read Markdown."""
    first, *others = [line.replace("{{", "{ {") for line in _sentences(event)]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": first, "weight": "Bolder"}]},
            *({"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line}]} for line in others),
        ],
        "actions": [
            {"type": "Action.OpenUrl", "title": "Open in Rollbook", "url": url} for url in _link(event, source)
        ],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return _json({"type": "message", "attachments": [attachment]})


def _json(message: dict[str, Any]) -> tuple[str, bytes]:
    return "application/json", _encode(message)


def _sentences(event: Event) -> Iterator[str]:
    """Lines of plain text, each of a bounded length: what happened, to whom, what changed, by whom."""
    about = _about(event)
    found = TYPES.get(event.type)
    says = event.type if found is None else found.says.removesuffix(".")
    named = (about.name, about.group_name, about.description, about.message, about.url, about.id)
    subject = next(filter(None, map(plain, named)), "")
    if subject and (address := plain(about.email)):
        subject = f"{subject} ({address})"
    yield f"{says}: {subject}" if subject else f"{says}."
    if reason := plain(about.status_reason) or (about.missed and f"{about.missed} events"):
        yield str(reason)
    yield from _changes(event)
    if by := _by(event):
        yield f"By {by}"


def _changes(event: Event) -> Iterator[str]:
    """`role: member → admin`. Values that are not text are only named."""
    if event.before is None:
        return
    before, after = _read(event.before), _read(event.object)
    changed = [name for name, old in before.items() if old != after.get(name)]
    for name in changed[:MAX_CHANGES]:
        old, new = before[name], after.get(name)
        if isinstance(old, str) and isinstance(new, str):
            yield f"{plain(name)}: {plain(old)} → {plain(new)}"
        else:
            yield f"{plain(name)} changed"
    if len(changed) > MAX_CHANGES:
        yield f"{len(changed) - MAX_CHANGES} more fields changed"


def _by(event: Event) -> str:
    actor = event.actor
    if actor.user_id is None:
        return {"cli": "the command line", "system": "the server"}.get(actor.address or "", "")
    who = "themselves" if actor.user_id == event.user_id else actor.user_id
    return f"{who}, API key {actor.key_id}" if actor.key_id else who


def _link(event: Event, source: str) -> list[str]:
    """The page of the user, unless they are gone."""
    is_there = event.user_id and event.type not in ("user.deleted", "user.purged")
    return [f"{source}/admin/users/{event.user_id}"] if is_there else []


def _escape_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_DISCORD_MARKUP = re.compile(r"[\\*_~`|<>\[\]()#@:\-]")


def _escape_discord(text: str) -> str:
    return _DISCORD_MARKUP.sub(r"\\\g<0>", text)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


_FORMATS: dict[Format, Callable[[Event, Content, str], tuple[str, bytes]]] = {
    "standard": _standard,
    "cloudevents": _cloudevents,
    "slack": _slack,
    "discord": _discord,
    "teams": _teams,
}
