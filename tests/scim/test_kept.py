"""What is kept of a user by SCIM: in their export, erased with them, restored with them, and nowhere else."""

from __future__ import annotations

import httpx2

from tests.harness import Server
from tests.scim.provider import ENTERPRISE, Provider


def test_the_export_of_a_user_has_what_providers_keep_and_a_purge_erases_it(
    idp: Provider, http: httpx2.Client, server: Server
) -> None:
    made = idp.new_user(
        userName="Kept", externalId="k-7", emails=[{"value": "kept@example.com"}], **{ENTERPRISE: {"costCenter": "77"}}
    )
    path = f"/v1/users/{made['id']}"
    [kept] = http.get(f"{path}/export").json()["scim"]
    assert (kept["user_name"], list(kept["external_ids"].values())) == ("Kept", ["k-7"])
    assert kept["attributes"] == {
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        ENTERPRISE: {"costCenter": "77"},
    }
    assert http.delete(f"{path}?purge=true").status_code == 204
    for table, column in (("scim_users", "user_id"), ("scim_external_ids", "object_id")):
        assert server.ask(f"SELECT * FROM {table} WHERE {column} = '{made['id']}'") == []


def test_a_restored_user_has_their_names_back_unless_another_was_given_them(idp: Provider, http: httpx2.Client) -> None:
    first, second = (
        idp.new_user(userName=name, externalId=name, emails=[{"value": f"{name}@example.com"}])
        for name in ("back", "gone")
    )
    for made in (first, second):
        assert idp.http.delete(f"/Users/{made['id']}").status_code == 204
    other = idp.new_user(userName="GONE", externalId="gone", emails=[{"value": "other@example.com"}])
    for made in (first, second):
        assert http.post(f"/v1/users/{made['id']}/restore").status_code == 200
    back, gone = (idp.get(f"/Users/{made['id']}") for made in (first, second))
    assert (back["userName"], back["externalId"], back["name"]) == ("back", "back", first["name"])
    assert (gone["userName"], gone.get("externalId"), gone["name"]) == ("gone@example.com", None, second["name"])
    assert idp.found('userName eq "gone"') == [other["id"]]
