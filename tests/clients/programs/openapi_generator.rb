# What an application does, with openapi-generator's Ruby client.
require "json"
require "openapi_client"
include OpenapiClient

email = ENV["EMAIL"]
OpenapiClient.configure do |configuration|
  configuration.scheme, configuration.host = ENV["ROLLBOOK_URL"].split("://")
  configuration.server_index = nil
  configuration.access_token = ENV["ROLLBOOK_KEY"]
end
users, keys, events = UsersApi.new, KeysApi.new, EventsApi.new
groups, webhooks, exports = GroupsApi.new, WebhooksApi.new, ExportsApi.new
seen = { pages: [] }

cursor = nil
loop do
  asked = { ids: ENV["IDS"].split(","), sort: ["-name"], limit: 2, fields: ["role", "status"], cursor: cursor }.compact
  page, _, headers = users.list_users_with_http_info(asked)
  seen[:pages] << page.map { |user| [user.name, user.role] }
  cursor = headers["X-Next-Cursor"] or break
end

wanted = ->(email) { UserCreate.new(name: "Al", email: email, password: "securepassword123") }
created = users.create_user(wanted.(email))
id = created.id
whole = users.get_user(id)
seen[:created] = [created.name, created.email == email, whole.role, whole.status, whole.metadata, whole.external_id]
patch = UserPatch.new(name: "Alan", metadata: { plan: "pro" })
changed = users.patch_user(id, patch, fields: ["role", "metadata"])
seen[:updated] = [changed.name, changed.role, changed.metadata, changed.status]
users.update_user(id, UserUpdate.new(name: "Alan"))
seen[:found] = users.list_users(ids: [id], metadata: ["plan:pro"]).map(&:name)

key = keys.create_key(KeyCreate.new(name: "app", user_id: id, scopes: [Scope::USERS_READ]))
rotated = keys.rotate_key(key.id)
seen[:key] = [key.key[0, 4], key.scopes, rotated.id != key.id]
keys.revoke_key(rotated.id)
seen[:events] = events.list_events(user: id).map { |event| [event.type, event.object.name, event.object.email == email] }

group = groups.create_group(GroupCreate.new(name: "Editors")).id
groups.set_member(group, id, member_update: MemberUpdate.new(role: "member"))
members = groups.list_members(group).map { |member| [member.name, member.role] }
seen[:group] = [members, users.list_users(group: group).map(&:name)]
groups.delete_group(group)
hook = webhooks.create_webhook(WebhookCreate.new(url: "https://app.example.com/hook"))
seen[:webhook] = [hook.types, hook.secret[0, 6]]
webhooks.delete_webhook(hook.id)
seen[:exported] = JSON.parse(exports.export_users(ids: [id]))["name"]

def refused
  yield
rescue ApiError => error
  body = ErrorResponse.build_from_hash(JSON.parse(error.response_body, symbolize_names: true))
  [error.code, body.code, body.param]
end

seen[:invalid] = refused { users.create_user(wanted.("nobody")) }
users.delete_user(id)
seen[:gone] = refused { users.get_user(id) }
puts JSON.generate(seen)
