// What an application does, with openapi-generator's TypeScript client.
import {
  Configuration, EventsApi, ExportsApi, GroupsApi, KeysApi, ResponseError, UsersApi, WebhooksApi, type ErrorResponse,
} from "./index";

const env = process.env as Record<string, string>;
const configuration = new Configuration({ basePath: env.ROLLBOOK_URL, accessToken: env.ROLLBOOK_KEY });
const [users, keys, log] = [new UsersApi(configuration), new KeysApi(configuration), new EventsApi(configuration)];
const [groups, webhooks, exports_] = [new GroupsApi(configuration), new WebhooksApi(configuration), new ExportsApi(configuration)];

async function main() {
  const pages: unknown[] = [];
  let cursor: string | undefined;
  do {
    const page = await users.listUsersRaw({ ids: env.IDS.split(","), sort: ["-name"], limit: 2, fields: ["role", "status"], cursor });
    pages.push((await page.value()).map((user) => [user.name, user.role]));
    cursor = page.raw.headers.get("x-next-cursor") ?? undefined;
  } while (cursor);

  const created = await users.createUser({ userCreate: { name: "Al", email: env.EMAIL, password: "securepassword123" } });
  const userId = created.id;
  const whole = await users.getUser({ userId });
  const changed = await users.patchUser({ userId, userPatch: { name: "Alan", metadata: { plan: "pro" } }, fields: ["role", "metadata"] });
  await users.updateUser({ userId, userUpdate: { name: "Alan" } });
  const found = await users.listUsers({ ids: [userId], metadata: ["plan:pro"] });
  const key = await keys.createKey({ keyCreate: { name: "app", userId, scopes: ["users:read"] } });
  const rotated = await keys.rotateKey({ keyId: key.id });
  await keys.revokeKey({ keyId: rotated.id });
  const events = await log.listEvents({ user: userId });

  const { id: groupId } = await groups.createGroup({ groupCreate: { name: "Editors" } });
  await groups.setMember({ groupId, userId, memberUpdate: { role: "member" } });
  const members = await groups.listMembers({ groupId });
  const team = await users.listUsers({ group: groupId });
  await groups.deleteGroup({ groupId });
  const hook = await webhooks.createWebhook({ webhookCreate: { url: "https://app.example.com/hook" } });
  await webhooks.deleteWebhook({ webhookId: hook.id });
  const exported = await (await exports_.exportUsersRaw({ ids: [userId] })).raw.json();

  async function refused(call: Promise<unknown>) {
    try {
      await call;
    } catch (error) {
      const { response } = error as ResponseError;
      const body = (await response.json()) as ErrorResponse;
      return [response.status, body.code, body.param ?? null];
    }
  }

  const invalid = await refused(users.createUser({ userCreate: { name: "Al", email: "nobody", password: "securepassword123" } }));
  await users.deleteUser({ userId });
  const gone = await refused(users.getUser({ userId }));
  console.log(
    JSON.stringify({
      pages,
      created: [created.name, created.email === env.EMAIL, whole.role, whole.status, whole.metadata, whole.externalId],
      updated: [changed.name, changed.role, changed.metadata, changed.status ?? null],
      found: found.map((user) => user.name),
      key: [key.key!.slice(0, 4), key.scopes, rotated.id !== key.id],
      events: events.map((event) => [event.type, event.object.name ?? null, event.object.email === env.EMAIL]),
      group: [members.map((member) => [member.name, member.role]), team.map((user) => user.name)],
      webhook: [hook.types, hook.secret!.slice(0, 6)],
      exported: exported.name,
      invalid,
      gone,
    }),
  );
}

main();
