// What an application does, with openapi-fetch and the types of openapi-typescript.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

const env = process.env as Record<string, string>;
const client = createClient<paths>({ baseUrl: env.ROLLBOOK_URL, headers: { Authorization: `Bearer ${env.ROLLBOOK_KEY}` } });

async function main() {
  const pages: unknown[] = [];
  let cursor: string | undefined;
  do {
    const { data, response } = await client.GET("/v1/users", {
      params: { query: { ids: env.IDS.split(","), sort: ["-name"], limit: 2, fields: ["role", "status"], cursor } },
      querySerializer: { array: { style: "form", explode: false } },
    });
    pages.push(data!.map((user) => [user.name, user.role]));
    cursor = response.headers.get("x-next-cursor") ?? undefined;
  } while (cursor);

  const { data: created } = await client.POST("/v1/users", { body: { name: "Al", email: env.EMAIL, password: "securepassword123" } });
  const path = { userId: created!.id as string };
  const { data: whole } = await client.GET("/v1/users/{userId}", { params: { path } });
  const { data: changed } = await client.PATCH("/v1/users/{userId}", {
    params: { path, query: { fields: ["role", "metadata"] } },
    body: { name: "Alan", metadata: { plan: "pro" } },
  });
  await client.PUT("/v1/users/{userId}", { params: { path }, body: { name: "Alan" } });
  const { data: found } = await client.GET("/v1/users", { params: { query: { ids: [path.userId], metadata: ["plan:pro"] } } });
  const { data: key } = await client.POST("/v1/keys", { body: { name: "app", user_id: path.userId, scopes: ["users:read"] } });
  const { data: rotated } = await client.POST("/v1/keys/{keyId}/rotate", { params: { path: { keyId: key!.id } } });
  await client.DELETE("/v1/keys/{keyId}", { params: { path: { keyId: rotated!.id } } });
  const { data: events } = await client.GET("/v1/events", { params: { query: { user: path.userId } } });

  const { data: group } = await client.POST("/v1/groups", { body: { name: "Editors" } });
  const of = { groupId: group!.id };
  await client.PUT("/v1/groups/{groupId}/members/{userId}", { params: { path: { ...of, ...path } }, body: { role: "member" } });
  const { data: members } = await client.GET("/v1/groups/{groupId}/members", { params: { path: of } });
  const { data: team } = await client.GET("/v1/users", { params: { query: { group: of.groupId } } });
  await client.DELETE("/v1/groups/{groupId}", { params: { path: of } });
  const { data: hook } = await client.POST("/v1/webhooks", { body: { url: "https://app.example.com/hook" } });
  await client.DELETE("/v1/webhooks/{webhookId}", { params: { path: { webhookId: hook!.id } } });
  const { data: exported } = await client.GET("/v1/exports", { params: { query: { ids: [path.userId] } }, parseAs: "text" });

  function refused({ error, response }: { error?: components["schemas"]["ErrorResponse"]; response: Response }) {
    return [response.status, error!.code, error!.param ?? null];
  }

  const invalid = refused(await client.POST("/v1/users", { body: { name: "Al", email: "nobody", password: "securepassword123" } }));
  await client.DELETE("/v1/users/{userId}", { params: { path } });
  const gone = refused(await client.GET("/v1/users/{userId}", { params: { path } }));
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
      exported: JSON.parse(exported!).name,
      invalid,
      gone,
    }),
  );
}

main();
