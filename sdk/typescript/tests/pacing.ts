import assert from "node:assert/strict";
import { test } from "node:test";
import { RateLimitExceeded, Rollbook } from "@rollbook/client";
import { changed, email, FastClock, keyWithLimit } from "./server.js";

/** A client within this limit on a fast clock; how many requests were over the limit, the seconds that have passed, and those of them that were waited: a busy machine adds to the others. */
async function limited(limit: string, options: { pacing?: boolean; maxWait?: number } = {}) {
  const clock = new FastClock();
  const statuses: number[] = [];
  const fetch: typeof globalThis.fetch = async (url, init) => {
    const response = await clock.fetch(url, init);
    statuses.push(response.status);
    return response;
  };
  const client = new Rollbook({ key: await keyWithLimit(limit), fetch, clock, ...options });
  const started = clock.now();
  return { client, refused: () => statuses.filter((status) => status === 429).length, sent: () => statuses.length, seconds: () => (clock.now() - started) / 1000, waited: () => clock.passed / 1000 };
}

test("many calls at once wait for the rate limit, and none is over it", async () => {
  const { client, refused, sent, seconds, waited } = await limited("100/minute");
  await Promise.all(Array.from({ length: 350 }, () => client.users.get("me")));
  assert.deepEqual([refused(), sent()], [0, 350]);
  assert.ok(seconds() >= 180 && waited() < 190, `${seconds()} s, ${waited()} s of them waited`);
});

test("a few workers go on through several windows at once, as fast as these allow", async () => {
  const count = Number(process.env.PACED_CALLS ?? 1500);
  const { client, refused, seconds, waited } = await limited(process.env.PACED_LIMIT ?? "100/minute,1000/hour");
  let left = count;
  const worker = async () => {
    while (left-- > 0) await client.users.get("me");
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  // 1,000 in the first hour, then another 500 in windows of 100.
  const least = process.env.PACED_LEAST ? Number(process.env.PACED_LEAST) : 3600 + 4 * 60;
  console.log(`# ${count} calls: ${refused()} over the limit, ${seconds().toFixed(0)} s of ${least} s at least`);
  assert.equal(refused(), 0);
  assert.ok(waited() < least * 1.02 && seconds() > least - 1, `${seconds()} s, ${waited()} s of them waited, instead of ${least} s`);
});

test("without pacing a call is refused, and sent again when there is room", async () => {
  const { client, refused, seconds, waited } = await limited("5/minute", { pacing: false });
  for (let number = 0; number < 6; number++) await client.users.get("me");
  assert.equal(refused(), 1);
  assert.ok(seconds() >= 59 && waited() < 119, `${seconds()} s, ${waited()} s of them waited`);
});

test("a call that would wait too long for the rate limit fails at once, and nothing is sent", async () => {
  const { client, sent } = await limited("5/minute", { maxWait: 2000 });
  for (let number = 0; number < 5; number++) await client.users.get("me");
  const problem = await client.users.get("me").catch((problem: unknown) => problem);
  assert.ok(problem instanceof RateLimitExceeded && problem.retryAfter! > 2);
  await assert.rejects(Promise.all([client.users.get("me"), client.users.get("me")]), RateLimitExceeded);
  assert.equal(sent(), 5);
});

test("a call that has left the queue holds up no other", async () => {
  const { client, waited } = await limited("5/minute");
  for (let number = 0; number < 5; number++) await client.users.get("me");
  const controller = new AbortController();
  const gone = client.users.get("me", {}, { signal: controller.signal });
  const rest = Promise.all([client.users.get("me"), client.users.get("me")]);
  controller.abort(new Error("gone"));
  await assert.rejects(gone, { message: "gone" });
  await rest;
  assert.ok(waited() < 70);
});

test("while the limits are unknown, one slow call does not hold up others", async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const fetch = changed(async (response, number) => {
    if (number === 0) await held;
    return response;
  });
  const client = new Rollbook({ key: await keyWithLimit("100/minute"), fetch, clock: new FastClock() });
  const slow = client.users.get("me");
  await client.users.get("me");
  assert.ok(fetch.requests.length >= 2);
  release();
  await slow;
});

test("where the server has no limits, nothing waits", async () => {
  const { client, waited } = await limited("none");
  await Promise.all(Array.from({ length: 200 }, () => client.users.get("me")));
  assert.ok(waited() < 30);
});

test("a bulk call costs as much as its operations", async () => {
  const { client, refused, seconds, waited } = await limited("10/minute");
  const bulk = () => client.users.bulk({ operations: Array.from({ length: 4 }, () => ({ op: "create", name: "Bulk", email: email() })) });
  const results = await Promise.all([bulk(), bulk(), bulk()]);
  assert.deepEqual(results.flatMap(({ results }) => results.map(({ status }) => status)), Array(12).fill(201));
  assert.equal(refused(), 0);
  assert.ok(seconds() >= 59 && waited() < 65, `${seconds()} s, ${waited()} s of them waited`);
});
