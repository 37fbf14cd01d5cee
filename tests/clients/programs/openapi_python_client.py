"""What an application does, with openapi-python-client's client."""

from __future__ import annotations

import json
import os

from rollbook_client import AuthenticatedClient
from rollbook_client.api.events import list_events
from rollbook_client.api.exports import export_users
from rollbook_client.api.groups import create_group, delete_group, list_members, set_member
from rollbook_client.api.keys import create_key, revoke_key, rotate_key
from rollbook_client.api.users import create_user, delete_user, get_user, list_users, patch_user, update_user
from rollbook_client.api.webhooks import create_webhook, delete_webhook
from rollbook_client.models import (
    GroupCreate,
    KeyCreate,
    ListUsersFieldsItem,
    ListUsersSortItem,
    MemberUpdate,
    PatchUserFieldsItem,
    Scope,
    UserCreate,
    UserPatch,
    UserUpdate,
    WebhookCreate,
)
from rollbook_client.models.user_patch_metadata_type_0 import UserPatchMetadataType0
from rollbook_client.types import UNSET

env = os.environ
client = AuthenticatedClient(base_url=env["ROLLBOOK_URL"], token=env["ROLLBOOK_KEY"], timeout=60)
seen = {"pages": []}

cursor = UNSET
while True:
    page = list_users.sync_detailed(
        client=client,
        ids=env["IDS"].split(","),
        sort=[ListUsersSortItem("-name")],
        limit=2,
        cursor=cursor,
        fields=[ListUsersFieldsItem.ROLE, ListUsersFieldsItem.STATUS],
    )
    seen["pages"].append([[user.name, user.role] for user in page.parsed])
    cursor = page.headers.get("X-Next-Cursor")
    if cursor is None:
        break

new = create_user.sync(client=client, body=UserCreate(name="Al", email=env["EMAIL"], password="securepassword123"))
whole = get_user.sync(new.id, client=client)
seen["created"] = [
    new.name,
    new.email == env["EMAIL"],
    whole.role,
    whole.status,
    whole.metadata.to_dict(),
    whole.external_id,
]
change = UserPatch(name="Alan", metadata=UserPatchMetadataType0.from_dict({"plan": "pro"}))
changed = patch_user.sync(
    new.id, client=client, body=change, fields=[PatchUserFieldsItem.ROLE, PatchUserFieldsItem.METADATA]
)
seen["updated"] = [changed.name, changed.role, changed.metadata.to_dict(), changed.status or None]
update_user.sync(new.id, client=client, body=UserUpdate(name="Alan"))
found = list_users.sync(client=client, ids=[new.id], metadata=["plan:pro"])
seen["found"] = [user.name for user in found]

key = create_key.sync(client=client, body=KeyCreate(name="app", user_id=new.id, scopes=[Scope.USERS_READ]))
rotated = rotate_key.sync(key.id, client=client)
seen["key"] = [key.key[:4], key.scopes, rotated.id != key.id]
revoke_key.sync_detailed(rotated.id, client=client)
found = list_events.sync(client=client, user=new.id)
seen["events"] = [[event.type_, event.object_.name or None, event.object_.email == env["EMAIL"]] for event in found]

group = create_group.sync(client=client, body=GroupCreate(name="Editors")).id
set_member.sync(group, new.id, client=client, body=MemberUpdate(role="member"))
members = [[member.name, member.role] for member in list_members.sync(group, client=client)]
seen["group"] = [members, [user.name for user in list_users.sync(client=client, group=group)]]
delete_group.sync_detailed(group, client=client)
hook = create_webhook.sync(client=client, body=WebhookCreate(url="https://app.example.com/hook"))
seen["webhook"] = [hook.types, hook.secret[:6]]
delete_webhook.sync_detailed(hook.id, client=client)
seen["exported"] = json.loads(export_users.sync_detailed(client=client, ids=[new.id]).content)["name"]


def refused(answer):
    return [int(answer.status_code), answer.parsed.code, answer.parsed.param or None]


invalid = UserCreate(name="Al", email="nobody", password="securepassword123")
seen["invalid"] = refused(create_user.sync_detailed(client=client, body=invalid))
delete_user.sync_detailed(new.id, client=client)
seen["gone"] = refused(get_user.sync_detailed(new.id, client=client))
print(json.dumps(seen))
