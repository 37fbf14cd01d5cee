"""What is sent in each format, and that the names in it, which strangers choose, stay names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

import jsonschema_rs
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from rollbook import clock, ids
from rollbook.delivery import foreign_text, payload
from rollbook.delivery.payload import UnfitEvent, body
from rollbook.records import events
from rollbook.records.event_types import TYPES
from rollbook.records.events import Actor, Event
from rollbook.records.examples import CHARLIE_ID, GROUP_ID
from tests.grids import grid

FORMATS = get_args(payload.Format)
AT = clock.parse("2026-11-26T10:00:00Z")
SOURCE = "https://users.example.com"


def event_of(type: str = "user.updated", **object: Any) -> Event:
    before = object.pop("before", None)
    return Event(
        1,
        "evt_1",
        type,
        "user_1",
        AT,
        Actor("user_2", None, "192.0.2.1", None),
        json.dumps({"id": "user_1", **object}),
        None if before is None else json.dumps(before),
    )


def sent(event: Event, format: payload.Format, content: payload.Content = "full", names: Mapping[str, str] = {}) -> Any:
    return json.loads(body(event, format, content, SOURCE, names)[1])


def text_of(
    event: Event, format: payload.Format, content: payload.Content = "full", names: Mapping[str, str] = {}
) -> str:
    """What people see, as it is sent."""
    message = sent(event, format, content, names)
    if format == "teams":
        blocks = message["attachments"][0]["content"]["body"]
        return "\n".join(inline["text"] for block in blocks for inline in block["inlines"])
    return message["text" if format == "slack" else "content"]


@grid("type", TYPES)
def test_every_type_has_every_format(type: str) -> None:
    example = events.example(type, "evt_1", AT)
    for format in FORMATS:
        for content in get_args(payload.Content):
            assert sent(example, format, content)
    assert sent(example, "standard") == json.loads(json.dumps(sent(example, "cloudevents")["data"]))
    for format in ("slack", "discord", "teams"):
        assert not text_of(example, format).startswith(type)


def test_full_is_the_event_as_the_api_shows_it_and_thin_is_what_it_is_about() -> None:
    example = events.example("user.updated", "evt_1", AT)
    full = sent(example, "standard")
    assert list(full) == ["id", "type", "created_at", "user_id", "actor", "object", "before"]
    assert full["object"] == TYPES["user.updated"].object
    assert sent(example, "standard", "thin") == {
        "id": "evt_1",
        "type": "user.updated",
        "created_at": "2026-11-26T10:00:00Z",
        "user_id": example.user_id,
        "object": {"id": full["object"]["id"]},
    }
    assert sent(events.example("server.test", "evt_1", AT), "standard", "thin")["user_id"] is None
    member = sent(events.example("group.member_added", "evt_1", AT), "standard", "thin")
    assert (member["user_id"], member["object"]) == (CHARLIE_ID, {"id": GROUP_ID})


@pytest.mark.parametrize("type", ["user.updated", "server.test", "limit.exceeded"])
def test_the_public_sdk_reads_our_cloudevents(type: str) -> None:
    example = events.example(type, "evt_1", AT)
    content_type, content = body(example, "cloudevents", "full", SOURCE)
    read = from_http_event(HTTPMessage({"content-type": content_type}, content))
    assert (read.get_specversion(), read.get_id(), read.get_source(), read.get_type()) == ("1.0", "evt_1", SOURCE, type)
    assert read.get_subject() == (example.user_id or None)
    time = read.get_time()
    assert time is not None and clock.parse(time.isoformat()) == AT
    assert read.get_datacontenttype() == "application/json"
    assert read.get_data() == sent(example, "standard")


@cache
def ocsf_schema(class_uid: int) -> Any:
    """That of a class, as the framework publishes it."""
    from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

    schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.5.0"))
    name = schemas.lookup_class_name_from_uid(class_uid)
    return jsonschema_rs.Draft202012Validator(schemas.get_class_schema(class_name=name, profiles=[]))


ACTORS = (
    Actor(CHARLIE_ID, "key_1", "2001:db8::7", "req_1", "trace", "claude-code 2.1.0", "user_2"),
    Actor(None, None, "cli", None),
    Actor(None, None, "system", "job_1"),
    Actor(CHARLIE_ID, None, None, None),
)


def test_every_type_is_an_event_of_ocsf_and_an_unknown_one_a_base_event() -> None:
    classes = set()
    for type in [*TYPES, "user.teleported"]:
        example = events.example(type if type in TYPES else "user.updated", "evt_1", AT)._replace(type=type)
        for actor, user_id in [(actor, example.user_id) for actor in ACTORS] + [(ACTORS[1], "")]:
            event = example._replace(actor=actor, user_id=user_id)
            for content in get_args(payload.Content):
                message = sent(event, "ocsf", content)
                ocsf_schema(message["class_uid"]).validate(message)
                assert message["type_uid"] == message["class_uid"] * 100 + message["activity_id"]
                assert message["time"] == 1795687200000 and message["metadata"]["uid"] == "evt_1"
                assert message["unmapped"] == sent(event, "standard", content)
                assert user_id or message["class_uid"] in (0, 6003), "of the others, none is about nobody"
                classes.add(message["class_uid"])
    assert classes == {0, 3001, 3002, 6003}
    unknown = sent(event_of("user.teleported"), "ocsf")
    assert (unknown["class_uid"], unknown["type_uid"], unknown["message"]) == (0, 99, "user.teleported")
    created = sent(events.example("user.created", "evt_1", AT), "ocsf")
    assert created["user"] == {"uid": CHARLIE_ID, "name": "Charlie Chaplin"} and created["type_uid"] == 300101
    assert created["actor"]["user"]["credential_uid"] and created["src_endpoint"] == {"ip": "203.0.113.7"}
    thin = sent(events.example("user.sign_in_failed", "evt_1", AT), "ocsf", "thin")
    assert thin["type_uid"] == 300201 and (thin["status_id"], thin["user"]) == (2, {"uid": CHARLIE_ID})
    assert "Charlie" not in json.dumps(thin) and "203.0" not in json.dumps(thin)


def test_sentences_say_what_happened_to_whom_what_changed_and_by_whom() -> None:
    changed = event_of(
        name="Ann Smith",
        email="ann@example.com",
        role="admin",
        metadata={},
        before={"role": "member", "metadata": {"a": 1}, "name": "Ann Smith"},
    )
    assert text_of(changed, "slack").split("\n") == [
        "A user was updated: Ann Smith (ann@example.com)",
        "role: member → admin",
        "metadata changed",
        "By user_2",
        "https://users.example.com/admin/users/user_1",
    ]
    assert text_of(changed, "teams").split("\n")[0] == "A user was updated: Ann Smith (ann@example.com)"
    assert text_of(changed, "discord").split("\n")[1] == "role\\: member → admin"
    purged = event_of("user.purged")._replace(actor=Actor(None, None, "system", None))
    assert text_of(purged, "slack").split("\n") == ["A user was permanently erased: user_1", "By the server"]


def test_sentences_have_names_instead_of_ids() -> None:
    alice, key = ids.new("user"), ids.new("key")
    changed = event_of("webhook.updated", description="Billing", user_id=alice, before={"user_id": "user_1"})
    changed = changed._replace(actor=Actor(alice, key, "192.0.2.1", None))
    assert payload.named(changed, "slack", "full") == [alice, key]
    names = {"user_1": "Ann Smith", alice: "Alice Example", key: "CRM sync"}
    assert text_of(changed, "slack", names=names).split("\n")[:3] == [
        "A webhook was updated, paused or resumed: Billing (Ann Smith)",
        "user_id: Ann Smith → Alice Example",
        "By Alice Example with the key CRM sync",
    ]
    own = event_of("session.created")._replace(actor=Actor("user_1", key, None, None))
    lines = text_of(own, "teams", names=names).split("\n")
    assert lines[0].endswith(": Ann Smith") and lines[1] == "By themselves with the key CRM sync"
    # Names are strangers' text as well; of who was erased, there is only the ID.
    text = text_of(changed, "slack", names={alice: "<!channel>\r\nBy \u202eme", key: "@here"})
    assert "By &lt;!channel&gt; By me with the key @here" in text and "<" not in text
    assert f"By {alice} with the key {key}" in text_of(changed, "slack")


def test_a_receiver_that_should_get_no_personal_data_gets_no_names() -> None:
    event = event_of(name="Ann Smith", email="ann@example.com", before={"name": "Ann"})
    for format in ("slack", "discord", "teams"):
        assert payload.named(event, format, "thin") == []
        text = text_of(event, format, "thin", {"user_1": "Ann Smith", "user_2": "Alice Example"})
        assert "user" in text and not any(each in text for each in ("Ann", "Alice", "example.com:"))
    assert payload.named(event, "standard", "full") == []


STRANGE_NAMES = [
    "<!channel> <!here> <@U012345> <#C012345>",
    "<https://evil.example|your account>",
    "@everyone @here <@123> <@&123> <#123> <:a:1> <t:1>",
    "[your account](https://evil.example)",
    "**bold** __under__ ~~gone~~ ||spoiler|| `code` ```block```",
    "# heading\n> quote\n- list\n1. one",
    "{{DATE(2026-11-26T10:00:00Z)}} ${user.name} <at>all</at>",
    "\u202eevil\u202c \u2066x\u2069 \u200bzero \ufeffwidth",
    "a\r\nBy the server\x00\x1b[31m\x85\u2028line",
    '"}]}, {"type": "Input.Text"',
    "\\*already escaped\\*",
]


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_a_name_mentions_no_one_formats_nothing_and_stays_in_its_line(name: str) -> None:
    event = event_of(name=name, email="ann@example.com")
    for format in ("slack", "discord", "teams"):
        text = text_of(event, format)
        lines = text.split("\n")
        assert len(lines) == (2 if format == "teams" else 3)
        assert all(line.isprintable() for line in lines)
    slack = sent(event, "slack")
    assert "<" not in slack["text"] and ">" not in slack["text"] and slack["mrkdwn"] is False
    discord = sent(event, "discord")
    assert discord["allowed_mentions"] == {"parse": []}
    for mark in "*_~`|<>[]()#@:":
        assert mark not in discord["content"].split("\n")[0].replace(f"\\{mark}", "").replace("\\\\", "")
    teams = sent(event, "teams")["attachments"][0]["content"]
    assert {block["type"] for block in teams["body"]} == {"RichTextBlock"}
    assert "{{" not in text_of(event, "teams")


def test_sentences_are_bounded_whatever_they_hold() -> None:
    long = "😀_" * 10_000
    event = event_of(
        name=long,
        email=long,
        **{f"f{n}": long for n in range(50)},
        before={f"f{n}": f"{long}x{n}" for n in range(49, -1, -1)},
    )
    assert len(sent(event, "discord")["content"].encode("utf-16-le")) // 2 <= payload.MAX_DISCORD
    assert sent(event, "discord")["content"].endswith(f"{SOURCE}/admin/users/user_1")
    assert max(map(len, text_of(event, "slack").split("\n"))) < 4 * foreign_text.MAX_VALUE
    for format in ("slack", "teams"):
        assert len(body(event, format, "full", SOURCE)[1]) < 16_384


DEEP = 1_000_000  # from Python 3.14 on, the size of the stack is the bound
POISON = ["", "nothing", '{"id":', "[1]", "3", '{"id":"\ud800"}', '{"a":' * DEEP + "1" + "}" * DEEP, '{"a":1}x']


@pytest.mark.parametrize("object", POISON, ids=range(len(POISON)))
def test_an_event_that_can_not_be_written_is_unfit_in_every_format(object: str) -> None:
    for format in FORMATS:
        with pytest.raises(UnfitEvent, match="evt_1"):
            body(event_of()._replace(object=object), format, "full", SOURCE)
        with pytest.raises(UnfitEvent, match="evt_1"):
            body(event_of()._replace(before=object), format, "thin", SOURCE)
