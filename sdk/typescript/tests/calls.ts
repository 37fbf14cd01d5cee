import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { inspect } from "node:util";
import * as sdk from "@rollbook/client";
import { APIError, BadRequest, ConnectionFailed, EmailTaken, NotFound, PreconditionFailed, Rollbook, RollbookError, TimedOut } from "@rollbook/client";
import { changed, email, environment, FastClock, newUser, password } from "./server.js";

const client = new Rollbook();

test("a client does with users what an application does", async () => {
  const created = await client.users.create({ name: "Al", email: email(), password, fields: ["role", "status"] });
  assert.equal(created.role, "member");
  const user = await client.users.get(created.id);
  assert.equal(user.name, "Al");
  const updated = await client.users.update(user.id, { name: "Alan", metadata: { plan: "pro" }, fields: ["metadata"] });
  assert.deepEqual(updated.metadata, { plan: "pro" });
  const odd = { "a:b,c": "d:e,f\\" };
  await client.users.update(user.id, { metadata: odd });
  assert.equal((await client.users.count({ metadata: { ...odd, plan: "pro" }, ids: [user.id] })).count, 1);
  assert.equal((await client.users.count({ metadata: { ...odd, plan: "free" } })).count, 0);
  assert.equal((await client.users.verifyPassword({ email: user.email, password })).id, user.id);
  assert.equal((await client.users.suspend(user.id)).name, "Alan");
  assert.equal((await client.users.count({ status: "suspended", ids: [user.id, "user_unknown"] })).count, 1);
  assert.equal(await client.users.delete(user.id), undefined);
  assert.equal((await client.users.restore(user.id)).id, user.id);
  await client.users.delete(user.id, { purge: true });
  await assert.rejects(client.users.get(user.id), NotFound);
});

test("a response is there with its headers, and versions keep others' changes", async () => {
  const { id } = await newUser(client);
  const { data, response } = await client.users.get(id).withResponse();
  const etag = response.headers.get("etag")!;
  const read = await client.users.get(id);
  assert.equal(read.etag, etag);
  assert.ok(!JSON.stringify(read).includes("etag") && !("etag" in { ...read }), "no field of the user");
  assert.equal(data.id, id);
  const same = await client.users.get(id, {}, { ifNoneMatch: etag }).withResponse();
  assert.deepEqual([same.response.status, same.data], [304, undefined]);
  await client.users.update(id, { name: "First" }, { ifMatch: etag });
  await assert.rejects(client.users.update(id, { name: "Second" }, { ifMatch: etag }), PreconditionFailed);
  await assert.rejects(client.users.get("user_unknown").withResponse(), NotFound);
});

test("errors are classes by code, or by status where the code is unknown", async () => {
  const user = await newUser(client);
  const taken = await client.users.create({ name: "B", email: user.email, password }).catch((problem: unknown) => problem);
  assert.ok(taken instanceof EmailTaken && taken instanceof BadRequest && taken instanceof APIError && taken instanceof RollbookError);
  assert.deepEqual([taken.name, taken.status, taken.code, taken.message], ["EmailTaken", 400, "email_taken", "Email address is already in use."]);
  assert.match(taken.requestId!, /^req_/);
  const invalid = await client.users.create({ name: "", email: "x", password }).catch((problem: APIError) => problem);
  assert.deepEqual(invalid instanceof APIError && invalid.faults.map((fault) => fault.param).sort(), ["email", "name"]);
  const required = new Rollbook({ fetch: changed(() => new Response('{"code": "second_factor_required", "challenge": "c"}', { status: 401 })) });
  const asked = await required.users.verifyPassword({ email: user.email, password }).catch((problem: unknown) => problem);
  assert.ok(asked instanceof sdk.SecondFactorRequired && asked.challenge === "c" && taken.challenge === undefined);
  for (const [body, type, code] of [['{"error": "Later.", "code": "later_code"}', BadRequest, "later_code"], ["<html>", BadRequest, ""]] as const) {
    const later = new Rollbook({ fetch: changed(() => new Response(body, { status: 400 })) });
    const problem = await later.users.list().first().catch((problem: unknown) => problem);
    assert.ok(problem instanceof type && problem.code === code);
  }
  const proxy = new Rollbook({ fetch: changed(() => new Response("{", { headers: { "content-type": "application/json" } })) });
  await assert.rejects(proxy.users.get("me"), sdk.UnexpectedResponse);
});

test("lists go on to their last page, however the API pages them", async () => {
  const ids: string[] = [];
  for (let number = 0; number < 5; number++) ids.push((await newUser(client, `User ${number}`)).id);
  const names = [];
  for await (const user of client.users.list({ ids, sort: ["-name"], limit: 2 })) names.push(user.name);
  assert.deepEqual(names, ["User 4", "User 3", "User 2", "User 1", "User 0"]);
  const pages = [];
  for await (const page of client.users.list({ ids, limit: 2, count: "exact" }).pages()) pages.push([page.items.length, page.total]);
  assert.deepEqual(pages, [[2, 5], [2, 5], [1, 5]]);

  const me = ids[0]!;
  for (let number = 0; number < 5; number++) await client.keys.create({ name: `Key ${number}`, user_id: me });
  const keys = client.keys.list({ user: me, limit: 2 });
  assert.deepEqual((await keys.all()).map((key) => key.name), ["Key 0", "Key 1", "Key 2", "Key 3", "Key 4"]);
  assert.equal((await keys.all()).length, 5); // again from the start
  assert.equal((await keys.first()).total, 5);

  const events = await client.events.list({ user: me, limit: 2 }).all();
  assert.deepEqual(events.map((event) => event.type), ["user.created", ...Array(5).fill("key.created")]);
  assert.deepEqual(await client.users.list({ email: email() }).all(), []);
});

test("replays, which are listed by the ID of the last one, go on to their last page", async () => {
  const webhook = await client.webhooks.create({ url: "https://127.0.0.1/hook" });
  await client.webhooks.update(webhook.id, { status: "paused" });
  const { id } = await newUser(client);
  const [event] = await client.events.list({ user: id }).all();
  for (let number = 0; number < 3; number++) await client.webhooks.replays.create(webhook.id, { from: event!.id });
  const replays = await client.webhooks.replays.list(webhook.id, { limit: 1 }).all();
  assert.equal(new Set(replays.map((replay) => replay.id)).size, 3);
  await client.webhooks.delete(webhook.id);
});

test("what later versions add is kept", async () => {
  const later = new Rollbook({
    fetch: changed(async (response) => Response.json({ ...((await response.json()) as object), role: "manager", later: { of: ["any", 1] } })),
  });
  const user: sdk.User & { later?: unknown } = await later.users.get("me");
  assert.deepEqual([user.role, user.later], ["manager", { of: ["any", 1] }]);
});

test("an ID can't lead to another path", async () => {
  const fetch = changed((response) => response);
  const careful = new Rollbook({ fetch });
  for (const id of ["", ".", ".."]) {
    assert.throws(() => careful.users.delete(id), TypeError);
    await assert.rejects(Promise.resolve(careful.get(`${id}@example.com/v1/users`)), TypeError);
    assert.throws(() => careful.webhooks.deliveries.get("webhook_1", id), TypeError);
  }
  assert.equal(fetch.requests.length, 0);
  await assert.rejects(careful.users.get("me/../../v1/keys?x#y"), NotFound);
  assert.match(fetch.requests[0]!.url, /\/v1\/users\/me%2F\.\.%2F\.\.%2Fv1%2Fkeys%3Fx%23y$/);
});

test("a POST whose response was lost is sent again with its key, and nothing is done twice", async () => {
  const lossy = changed((response, number) => {
    if (number < 2) throw new TypeError("The connection was lost.");
    return response;
  });
  const careful = new Rollbook({ fetch: lossy, clock: new FastClock() });
  const { data, response } = await careful.users.create({ name: "Once", email: email(), password }).withResponse();
  assert.equal(response.headers.get("idempotency-replayed"), "true");
  assert.equal((await client.users.count({ email: data.email })).count, 1);
  const keys = lossy.requests.map(({ headers }) => headers.get("idempotency-key"));
  assert.ok(keys[0] && keys.every((key) => key === keys[0]));
  await careful.users.suspend(data.id, {}, { idempotencyKey: "of-my-own-" + data.id });
  assert.equal(lossy.requests.at(-1)!.headers.get("idempotency-key"), "of-my-own-" + data.id);
  assert.notEqual(keys[0], "of-my-own-" + data.id);
});

test("what passes is tried again after as long as the server says, and what does not pass is not", async () => {
  async function tries(status: number, code: string, retryAfter?: string): Promise<[number, number[]]> {
    const fetch = changed(() => Response.json({ error: "No.", code }, { status, headers: retryAfter ? { "retry-after": retryAfter } : {} }));
    const clock = new FastClock();
    await assert.rejects(new Rollbook({ fetch, clock, pacing: false, maxWait: 60_000 }).users.get("me"), APIError);
    return [fetch.requests.length, clock.slept];
  }
  const [count, slept] = await tries(503, "overloaded", "7");
  assert.ok(count === 4 && slept.every((each) => each >= 7000 && each <= 7250), `${count} ${slept}`);
  const [, backoff] = await tries(500, "internal_error");
  assert.deepEqual(backoff.map((each, number) => each >= 250 * 2 ** number && each <= 500 * 2 ** number), [true, true, true]);
  for (const [status, code, wait] of [[400, "email_taken"], [409, "conflict"], [429, "too_many_attempts", "1"], [503, "overloaded", "3600"]] as const) {
    assert.equal((await tries(status, code, wait))[0], 1, code);
  }
  assert.equal((await tries(409, "idempotency_still_running"))[0], 4);
  assert.equal((await tries(503, "stopping", new Date(Date.now() + 30_000).toUTCString()))[0], 4);
});

test("a server that can't be reached, or does not answer in time, is an error of its own", async () => {
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const away = new Rollbook({ url: `http://127.0.0.1:${port}`, maxRetries: 1, clock: new FastClock() });
  const problem = await away.users.get("me").catch((problem: unknown) => problem);
  assert.ok(problem instanceof ConnectionFailed && problem.cause instanceof TypeError);
  assert.match(problem.message, /^GET http:.* failed: connect ECONNREFUSED 127\.0\.0\.1:\d+\.$/);
  const never: typeof fetch = (_, init) => new Promise((_, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal!.reason)));
  const slow = new Rollbook({ fetch: never, clock: new FastClock(), maxRetries: 0 });
  await assert.rejects(slow.users.get("me", {}, { timeout: 10 }), TimedOut);
});

test("a signal ends a call wherever it is", async () => {
  const reason = new Error("The person has gone.");
  await assert.rejects(client.users.get("me", {}, { signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const waiting = client.get("/v1/events", { query: { after: (await client.users.list().first()).eventPosition, wait: 60 }, signal: controller.signal });
  setTimeout(() => controller.abort(reason), 20);
  await assert.rejects(waiting, reason);
  const refused = new Rollbook({ fetch: changed(() => new Response("", { status: 503, headers: { "retry-after": "100" } })) });
  const retrying = refused.users.get("me", {}, { signal: AbortSignal.timeout(200) });
  await assert.rejects(retrying, { name: "TimeoutError" });
});

test("any path can be called", async () => {
  const users = await client.get<{ id: string }[]>("/v1/users", { query: { limit: 1, created_before: new Date("2100-01-01") } });
  assert.equal(users.length, 1);
  const user = await client.post<{ id: string }>("/v1/users", { body: { name: "Raw", email: email(), password } });
  assert.equal((await client.put<{ name: string }>(`/v1/users/${user.id}`, { body: { name: "Put" } })).name, "Put");
  assert.equal((await client.patch<{ name: string }>(`/v1/users/${user.id}`, { body: { name: "Patch" } })).name, "Patch");
  assert.equal((await client.delete(`/v1/users/${user.id}`).withResponse()).response.status, 204);
  assert.match(await client.server.metrics(), /^# HELP/);
});

test("the key stays where it was given", async () => {
  const { ROLLBOOK_KEY: key } = environment;
  for (const shown of [inspect(client, { depth: 9, showHidden: true }), JSON.stringify(client), inspect(client.users, { depth: 9, showHidden: true })]) {
    assert.ok(!shown.includes(key));
  }
  const options = { url: environment.ROLLBOOK_URL, key };
  const other = new Rollbook(options);
  options.key = "rbk_changed";
  await other.users.get("me");
});

test("a client says what it was not given", () => {
  for (const name of ["ROLLBOOK_URL", "ROLLBOOK_KEY"]) {
    const value = process.env[name];
    delete process.env[name];
    assert.throws(() => new Rollbook(), { message: new RegExp(name) });
    process.env[name] = value;
  }
  assert.throws(() => new Rollbook({ url: "users.example.com" }), RollbookError);
});
