"""A form of the dashboard asks for every field of what it creates or changes: none is out of reach of people."""

from __future__ import annotations

import re

import httpx2
import pytest
from msgspec import Struct

from rollbook.actions.arguments.groups import GroupCreate
from rollbook.actions.arguments.keys import KeyCreate
from rollbook.actions.arguments.users import UserCreate
from rollbook.actions.arguments.webhooks import WebhookCreate
from rollbook.actions.checking import fields_of
from rollbook.web.pages import PAGES
from tests.engines import once
from tests.harness import Server
from tests.visitor import signed_in

FORMS: dict[str, tuple[type[Struct], dict[str, str]]] = {
    "/admin/webhooks/new": (WebhookCreate, {"types": "type", "status": "", "user_id": ""}),
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


@once
def test_the_last_day_of_a_key_ends_where_its_reader_is(server: Server, http: httpx2.Client) -> None:
    day = {"expires": "date", "expires_on": "2100-07-01"}
    with signed_in(server) as person:
        person.cookies.set("rollbook-zone", "America/New_York")
        zone = re.search(r'name="zone" value="([^"]*)"', person.get("/account/keys/new").text)
        assert zone
        for name, fields in (("World", {}), ("New York", {"zone": zone[1]})):
            assert person.post("/account/keys", data={"name": name, **day, **fields}).status_code == 303
    ends = {key["name"]: key["expires_at"] for key in http.get("/v1/keys", params={"user": "all"}).json()}
    assert (ends["World"], ends["New York"]) == ("2100-07-01T23:59:00Z", "2100-07-02T03:59:00Z")


@once
def test_the_url_that_a_form_is_sent_to_leads_back_to_a_page(server: Server) -> None:
    """Browsers load it again: after an error, or from their history."""
    patterns = {method: {row.path for row in PAGES if row.method == method} for method in ("GET", "POST")}
    shown = [re.sub(r"\\\{[^}]*\}", "[^/]+", re.escape(path)) for path in patterns["GET"]]
    with signed_in(server) as person:
        for pattern in sorted(patterns["POST"] - patterns["GET"]):
            path = re.sub(r"\{[^}]*\}", "some-id", pattern)
            answer = person.get(path)
            assert answer.status_code == 303, path
            location = answer.headers["location"]
            assert path.startswith(f"{location}/") and any(re.fullmatch(each, location) for each in shown), path
        assert person.get("/account/profile").headers["location"] == "/account"
        assert person.get("/admin/groups/grp_a/members/role").headers["location"] == "/admin/groups/grp_a"
        assert person.get("/admin/users/bulk/apply").headers["location"] == "/admin/users"
        refused = person.get("/account/profile", headers={"Accept": "application/json"})
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST, OPTIONS")
        assert person.put("/account/profile").status_code == 405
