"""A form of the dashboard asks for every field of what it creates or changes: none is out of reach of people."""

from __future__ import annotations

import re

import pytest
from msgspec import Struct

from rollbook.actions.arguments import GroupCreate, KeyCreate, UserCreate, WebhookCreate
from rollbook.actions.checking import fields_of
from tests.engines import once
from tests.harness import Server
from tests.visitor import signed_in

FORMS: dict[str, tuple[type[Struct], dict[str, str]]] = {
    "/account/webhooks/new": (WebhookCreate, {"types": "type", "status": "", "user_id": ""}),
    "/account/keys/new": (KeyCreate, {"expires_at": "expires", "kind": "", "user_id": ""}),
    "/admin/groups/new": (GroupCreate, {}),
    "/admin/users/new": (UserCreate, {"rate_limit": "", "status": "", "kind": "", "private_metadata": ""}),
}
"""The type of each form, and the inputs of fields that have another name; empty where the page itself decides."""


@once
@pytest.mark.parametrize("path", FORMS)
def test_each_field_has_an_input(path: str, server: Server) -> None:
    kind, others = FORMS[path]
    with signed_in(server) as person:
        page = person.get(path).text
    inputs = set(re.findall(r'<(?:input|select|textarea)[^>]* name="([a-z_]+)"', page))
    wanted = {others.get(name, name) for name in fields_of(kind)} - {""}
    assert not wanted - inputs


@once
def test_permissions_of_keys_stand_in_groups_with_names_and_read_as_text(server: Server) -> None:
    with signed_in(server) as person:
        fieldset = person.get("/account/keys/new").text.partition('class="scopes"')[2].partition("</form>")[0]
    names = re.findall(r"<legend>([^<]*)</legend>", fieldset)
    assert "Groups" in names and len(set(names)) == len(names) and not [name for name in names if ":" in name]
    assert "`" not in fieldset
