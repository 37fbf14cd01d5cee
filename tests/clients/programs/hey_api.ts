// What an application does, with hey-api's client.
import { client } from "./client.gen";
import {
  createGroup, createKey, createUser, createWebhook, deleteGroup, deleteUser, deleteWebhook, exportUsers, getUser, listEvents, listMembers, listUsers,
  patchUser, revokeKey, rotateKey, setMember, updateUser, type ErrorResponse,
} from "./index";

const env = process.env as Record<string, string>;
client.setConfig({ baseUrl: env.ROLLBOOK_URL, auth: () => env.ROLLBOOK_KEY });

async function main() {
  const pages: unknown[] = [];
  let cursor: string | undefined;
  do {
    const { data, response } = await listUsers({ query: { ids: env.IDS.split(","), sort: ["-name"], limit: 2, fields: ["role", "status"], cursor } });
    pages.push(data!.map((user) => [user.name, user.role]));
    cursor = response!.headers.get("x-next-cursor") ?? undefined;
  } while (cursor);

  const { data: created } = await createUser({ body: { name: "Al", email: env.EMAIL, password: "securepassword123" } });
  const id: string = created!.id;
  const { data: whole } = await getUser({ path: { userId: id } });
  const { data: changed } = await patchUser({
    path: { userId: id },
    body: { name: "Alan", metadata: { plan: "pro" } },
    query: { fields: ["role", "metadata"] },
  });
  await updateUser({ path: { userId: id }, body: { name: "Alan" } });
  const { data: found } = await listUsers({ query: { ids: [id], metadata: ["plan:pro"] } });
  const { data: key } = await createKey({ body: { name: "app", user_id: id, scopes: ["users:read"] } });
  const { data: rotated } = await rotateKey({ path: { keyId: key!.id } });
  await revokeKey({ path: { keyId: rotated!.id } });
  const { data: events } = await listEvents({ query: { user: id } });

  const { data: group } = await createGroup({ body: { name: "Editors" } });
  const groupId = group!.id;
  await setMember({ path: { groupId, userId: id }, body: { role: "member" } });
  const { data: members } = await listMembers({ path: { groupId } });
  const { data: team } = await listUsers({ query: { group: groupId } });
  await deleteGroup({ path: { groupId } });
  const { data: hook } = await createWebhook({ body: { url: "https://app.example.com/hook" } });
  await deleteWebhook({ path: { webhookId: hook!.id } });
  const { data: exported } = await exportUsers({ query: { ids: [id] }, parseAs: "text" });

  function refused({ error, response }: { error?: unknown; response?: Response }) {
    const body = error as ErrorResponse;
    return [response!.status, body.code, body.param ?? null];
  }

  const invalid = refused(await createUser({ body: { name: "Al", email: "nobody", password: "securepassword123" } }));
  await deleteUser({ path: { userId: id } });
  const gone = refused(await getUser({ path: { userId: id } }));
  console.log(
    JSON.stringify({
      pages,
      created: [created!.name, created!.email === env.EMAIL, whole!.role, whole!.status, whole!.metadata, whole!.external_id],
      updated: [changed!.name, changed!.role, changed!.metadata, changed!.status ?? null],
      found: found!.map((user) => user.name),
      key: [key!.key!.slice(0, 4), key!.scopes, rotated!.id !== key!.id],
      events: events!.map((event) => [event.type, event.object.name ?? null, event.object.email === env.EMAIL]),
      group: [members!.map((member) => [member.name, member.role]), team!.map((user) => user.name)],
      webhook: [hook!.types, hook!.secret!.slice(0, 6)],
      exported: JSON.parse(exported as string).name,
      invalid,
      gone,
    }),
  );
}

main();
