"""What an application does, with openapi-generator's Python client."""

from __future__ import annotations

import json
import os

import openapi_client as rollbook
from openapi_client.rest import ApiException

env = os.environ
api = rollbook.ApiClient(rollbook.Configuration(host=env["ROLLBOOK_URL"], access_token=env["ROLLBOOK_KEY"]))
users, keys, events = rollbook.UsersApi(api), rollbook.KeysApi(api), rollbook.EventsApi(api)
groups, webhooks, exports = rollbook.GroupsApi(api), rollbook.WebhooksApi(api), rollbook.ExportsApi(api)
seen = {"pages": []}

cursor = None
while True:
    page = users.list_users_with_http_info(
        ids=env["IDS"].split(","), sort=["-name"], limit=2, fields=["role", "status"], cursor=cursor
    )
    seen["pages"].append([[user.name, user.role] for user in page.data])
    cursor = page.headers.get("X-Next-Cursor")
    if cursor is None:
        break

new = users.create_user(rollbook.UserCreate(name="Al", email=env["EMAIL"], password="securepassword123"))
whole = users.get_user(new.id)
seen["created"] = [new.name, new.email == env["EMAIL"], whole.role, whole.status, whole.metadata, whole.external_id]
changed = users.patch_user(
    new.id, rollbook.UserPatch(name="Alan", metadata={"plan": "pro"}), fields=["role", "metadata"]
)
seen["updated"] = [changed.name, changed.role, changed.metadata, changed.status]
users.update_user(new.id, rollbook.UserUpdate(name="Alan"))
seen["found"] = [user.name for user in users.list_users(ids=[new.id], metadata=["plan:pro"])]

key = keys.create_key(rollbook.KeyCreate(name="app", user_id=new.id, scopes=["users:read"]))
rotated = keys.rotate_key(key.id)
seen["key"] = [key.key[:4], key.scopes, rotated.id != key.id]
keys.revoke_key(rotated.id)
seen["events"] = [
    [event.type, event.object.name, event.object.email == env["EMAIL"]] for event in events.list_events(user=new.id)
]

group = groups.create_group(rollbook.GroupCreate(name="Editors")).id
groups.set_member(group, new.id, member_update=rollbook.MemberUpdate(role="member"))
members = [[member.name, member.role] for member in groups.list_members(group)]
seen["group"] = [members, [user.name for user in users.list_users(group=group)]]
groups.delete_group(group)
hook = webhooks.create_webhook(rollbook.WebhookCreate(url="https://app.example.com/hook"))
seen["webhook"] = [hook.types, hook.secret[:6]]
webhooks.delete_webhook(hook.id)
# It has no function for a response of lines, other than the one that returns bytes.
seen["exported"] = json.loads(exports.export_users_without_preload_content(ids=[new.id]).data)["name"]


def refused(call):
    try:
        call()
    except ApiException as error:
        body = rollbook.ErrorResponse.from_json(error.body)
        return [error.status, body.code, body.param]


seen["invalid"] = refused(
    lambda: users.create_user(rollbook.UserCreate(name="Al", email="nobody", password="securepassword123"))
)
users.delete_user(new.id)
seen["gone"] = refused(lambda: users.get_user(new.id))
print(json.dumps(seen))
