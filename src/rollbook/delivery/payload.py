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

from rollbook import clock, ids
from rollbook.delivery import ocsf
from rollbook.delivery.foreign_text import plain
from rollbook.records import events
from rollbook.records.event_types import TYPES
from rollbook.records.events import Event
from rollbook.records.webhooks import CHATS

Format = Literal["standard", "cloudevents", "ocsf", "slack", "discord", "teams"]
Content = Literal["full", "thin"]

MAX_CHANGES = 5
"""Changed fields that a sentence lists."""
MAX_DISCORD = 2000
"""UTF-16 code units of a message: Discord refuses longer ones."""

_encode = msgspec.json.Encoder().encode


class UnfitEvent(Exception):
    """The event can't be written in this format. Trying again doesn't help."""


def body(
    event: Event, format: Format, content: Content, source: str, names: Mapping[str, str] = {}
) -> tuple[str, bytes]:
    """Content type and body. `source` is the URL of this server, `names` are those of the IDs that `named` gives.
    Raises Unfit."""
    try:
        return _FORMATS[format](event, content, source, names)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
        raise UnfitEvent(f"event {event.id}: {problem}") from problem


def named(event: Event, format: str, content: str) -> list[str]:
    """IDs of users and API keys, of which a text for people has the names. Receivers that should get no personal data
    get none."""
    if format not in CHATS or content == "thin":
        return []
    changed: list[str] = []
    if event.before is not None and '"user_' in event.before:
        try:
            changed = [value for difference in _changed(event) for value in difference[1:] if isinstance(value, str)]
        except (msgspec.DecodeError, UnicodeError, RecursionError):  # as `body` says
            return []
    ids_in_event = [event.user_id, event.actor.user_id, event.actor.key_id, *changed[: 2 * MAX_CHANGES]]
    return [id for id in dict.fromkeys(ids_in_event) if id and (ids.is_id("user", id) or ids.is_id("key", id))]


def carrying(event: Event, secrets: Mapping[str, str]) -> Event:
    """The event with secrets in its object, for one delivery."""
    return event._replace(object=_encode({**_read(event.object), **secrets}).decode())


def _standard(event: Event, content: Content, source: str, names: Mapping[str, str]) -> tuple[str, bytes]:
    return "application/json", _encode(_content(event, content))


def _cloudevents(event: Event, content: Content, source: str, names: Mapping[str, str]) -> tuple[str, bytes]:
    """The content type and body in structured mode (CloudEvents 1.0, HTTP protocol binding section 3.2)."""
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


def _ocsf(event: Event, content: Content, source: str, names: Mapping[str, str]) -> tuple[str, bytes]:
    whole, is_thin = _content(event, content), content == "thin"
    return "application/json", _encode(ocsf.attributes(event, _about(event), whole, source, is_thin))


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


def _slack(event: Event, content: Content, source: str, names: Mapping[str, str]) -> tuple[str, bytes]:
    """An incoming webhook. Without `mrkdwn` nothing is formatted; mentions need `<`, which is escaped."""
    lines = [*map(_escape_slack, _sentences(event, content, names)), *_link(event, source)]
    return _json({"text": "\n".join(lines), "mrkdwn": False, "unfurl_links": False, "unfurl_media": False})


def _discord(event: Event, content: Content, source: str, names: Mapping[str, str]) -> tuple[str, bytes]:
    link = _link(event, source)
    left = MAX_DISCORD - sum(_units(line) + 1 for line in link)
    lines: list[str] = []
    for line in map(_escape_discord, _sentences(event, content, names)):
        left -= _units(line) + 1
        if left < 0:
            break
        lines.append(line)
    suppress_embeds = 1 << 2
    return _json({"content": "\n".join([*lines, *link]), "allowed_mentions": {"parse": []}, "flags": suppress_embeds})


def _teams(event: Event, content: Content, source: str, names: Mapping[str, str]) -> tuple[str, bytes]:
    """An Adaptive Card for a workflow. Rich text, since text blocks read Markdown."""
    first, *others = [line.replace("{{", "{ {") for line in _sentences(event, content, names)]
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


def _sentences(event: Event, content: Content, names: Mapping[str, str]) -> Iterator[str]:
    """Lines of plain text, each of a bounded length: what happened, to whom, what changed, by whom."""
    about = _about(event)
    entry = TYPES.get(event.type)
    says = event.type if entry is None else entry.says.removesuffix(".")
    if content == "thin":
        id = plain(about.id) or plain(about.group_id)
        yield f"{says}: {id}" if id else f"{says}."
        return
    of_user = plain(names.get(event.user_id))
    called = (about.name, about.group_name, about.description, about.message, about.url, of_user, about.id)
    subject = next(filter(None, map(plain, called)), "")
    if subject and (whose := plain(about.email) or of_user) and whose != subject:
        subject = f"{subject} ({whose})"
    yield f"{says}: {subject}" if subject else f"{says}."
    if reason := plain(about.status_reason) or (about.missed and f"{about.missed} events"):
        yield str(reason)
    yield from _changes(event, names)
    if by := _by(event, names):
        yield f"By {by}"


def _changes(event: Event, names: Mapping[str, str]) -> Iterator[str]:
    """`role: member → admin`. Values that are not text are only named."""
    changed = _changed(event)
    for name, old, new in changed[:MAX_CHANGES]:
        if isinstance(old, str) and isinstance(new, str):
            yield f"{plain(name)}: {plain(names.get(old, old))} → {plain(names.get(new, new))}"
        else:
            yield f"{plain(name)} changed"
    if len(changed) > MAX_CHANGES:
        yield f"{len(changed) - MAX_CHANGES} more fields changed"


def _changed(event: Event) -> list[tuple[str, Any, Any]]:
    """Name, old and new value of each field that changed."""
    if event.before is None:
        return []
    before, after = _read(event.before), _read(event.object)
    return [(name, old, after.get(name)) for name, old in before.items() if old != after.get(name)]


def _by(event: Event, names: Mapping[str, str]) -> str:
    actor = event.actor
    if actor.user_id is None:
        return {"cli": "the command line", "system": "the server"}.get(actor.address or "", "")
    who = "themselves" if actor.user_id == event.user_id else plain(names.get(actor.user_id)) or actor.user_id
    return f"{who} with the key {plain(names.get(actor.key_id)) or actor.key_id}" if actor.key_id else who


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


_FORMATS: dict[Format, Callable[[Event, Content, str, Mapping[str, str]], tuple[str, bytes]]] = {
    "standard": _standard,
    "cloudevents": _cloudevents,
    "ocsf": _ocsf,
    "slack": _slack,
    "discord": _discord,
    "teams": _teams,
}
