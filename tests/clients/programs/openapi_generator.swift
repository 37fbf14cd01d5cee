// What an application does, with openapi-generator's Swift client.
import Foundation
import OpenAPIClient

let env = ProcessInfo.processInfo.environment
let (email, ids) = (env["EMAIL"]!, env["IDS"]!.components(separatedBy: ","))
let configuration = OpenAPIClientAPIConfiguration.shared
configuration.basePath = env["ROLLBOOK_URL"]!
configuration.customHeaders["Authorization"] = "Bearer \(env["ROLLBOOK_KEY"]!)"
var seen: [String: Any] = [:]

func orNull(_ value: Any?) -> Any { value ?? NSNull() }

func user(_ email: String) -> UserCreate { UserCreate(name: "Al", email: email, password: "securepassword123") }

func metadata(_ user: User) -> Any { (user.metadata ?? [:]).mapValues { value in if case .string(let text) = value { text } else { "" } } }

@MainActor func refused(_ call: @MainActor () async throws -> Void) async throws -> [Any] {
    do {
        try await call()
    } catch ErrorResponse.error(let status, let data, _, _) {
        let body = try JSONDecoder().decode(ModelErrorResponse.self, from: data!)
        return [status, body.code, orNull(body.param)]
    }
    fatalError("not refused")
}

var pages: [[[Any]]] = []
var cursor: String?
repeat {
    let page = try await UsersAPI.listUsersWithRequestBuilder(
        ids: ids, sort: [.name2], limit: 2, cursor: cursor, fields: [.role, .status]).execute()
    pages.append(page.body.map { [$0.name, orNull($0.role)] })
    cursor = page.header.first { $0.key.lowercased() == "x-next-cursor" }?.value
} while cursor != nil
seen["pages"] = pages

let created = try await UsersAPI.createUser(userCreate: user(email))
let id = created.id
let whole = try await UsersAPI.getUser(userId: id)
seen["created"] = [created.name, created.email == email, orNull(whole.role), orNull(whole.status), metadata(whole), orNull(whole.externalId)]
let patch = UserPatch(name: "Alan", metadata: ["plan": .string("pro")])
let changed = try await UsersAPI.patchUser(userId: id, userPatch: patch, fields: [.role, .metadata])
seen["updated"] = [changed.name, orNull(changed.role), metadata(changed), orNull(changed.status)]
_ = try await UsersAPI.updateUser(userId: id, userUpdate: UserUpdate(name: "Alan"))
seen["found"] = try await UsersAPI.listUsers(ids: [id], metadata: ["plan:pro"]).map { $0.name }

let key = try await KeysAPI.createKey(keyCreate: KeyCreate(name: "app", userId: id, scopes: [.USERS_READ]))
let rotated = try await KeysAPI.rotateKey(keyId: key.id)
seen["key"] = [String(key.key!.prefix(4)), orNull(key.scopes), rotated.id != key.id]
try await KeysAPI.revokeKey(keyId: rotated.id)
seen["events"] = try await EventsAPI.listEvents(user: id).map { [$0.type, orNull($0.object.name), $0.object.email == email] }

let group = try await GroupsAPI.createGroup(groupCreate: GroupCreate(name: "Editors")).id
_ = try await GroupsAPI.setMember(groupId: group, userId: id, memberUpdate: MemberUpdate(role: "member"))
let members = try await GroupsAPI.listMembers(groupId: group).map { [$0.name, $0.role] }
seen["group"] = [members, try await UsersAPI.listUsers(group: group).map { $0.name }]
try await GroupsAPI.deleteGroup(groupId: group)
let hook = try await WebhooksAPI.createWebhook(webhookCreate: WebhookCreate(url: "https://app.example.com/hook"))
seen["webhook"] = [hook.types, String(hook.secret!.prefix(6))]
try await WebhooksAPI.deleteWebhook(webhookId: hook.id)
let exported = try await ExportsAPI.exportUsers(ids: [id])
seen["exported"] = (try JSONSerialization.jsonObject(with: Data(exported.utf8)) as! [String: Any])["name"]

seen["invalid"] = try await refused { _ = try await UsersAPI.createUser(userCreate: user("nobody")) }
try await UsersAPI.deleteUser(userId: id)
seen["gone"] = try await refused { _ = try await UsersAPI.getUser(userId: id) }
print(String(decoding: try JSONSerialization.data(withJSONObject: seen), as: UTF8.self))
