import assert from "node:assert/strict";
import { test } from "node:test";
import { type Event, PositionExpired, RevokedKey, Rollbook } from "@rollbook/client";
import { changed, newUser } from "./server.js";

const client = new Rollbook();

async function position(): Promise<string> {
  return (await client.users.list().first()).eventPosition!;
}

test("events come as they happen, and none is missed or comes twice when connections are lost", async () => {
  // Each connection is lost after its second piece.
  const lossy = changed((response) => {
    let pieces = 0;
    const body = response.body!.pipeThrough(
      new TransformStream({ transform: (piece, to) => (++pieces > 2 ? to.error(new TypeError("lost")) : to.enqueue(piece)) }),
    );
    return new Response(body, response);
  });
  const waits: number[] = [];
  const clock = {
    now: () => performance.now(),
    sleep: async (milliseconds: number) => void waits.push(milliseconds),
  };
  const follower = new Rollbook({ fetch: lossy, clock });
  const feed = follower.events.follow(await position(), { types: ["user.created"] });
  const created: string[] = [];
  const seen: string[] = [];
  const next = async () => void created.push((await newUser(client)).id);
  await next();
  for await (const event of feed) {
    seen.push(event.user_id!);
    if (seen.length === 8) break;
    await next();
  }
  assert.deepEqual(seen, created);
  assert.ok(lossy.requests.length > 2 && waits.every((wait) => wait >= 500 && wait <= 4000), `${lossy.requests.length} ${waits}`);
  // The last event was not handled to its end, as far as the feed knows.
  const again = client.events.follow(feed.position, { types: ["user.created"] });
  for await (const event of again) {
    assert.equal(event.user_id, seen.at(-1));
    break;
  }
});

test("a revoked key ends the loop with its error, also in the middle of a stream", async () => {
  const { id, key } = await client.keys.create({ name: "follower" });
  const feed = new Rollbook({ key }).events.follow(await position(), { types: ["user.created"] });
  await newUser(client);
  const events: Event[] = [];
  await assert.rejects(async () => {
    for await (const event of feed) {
      events.push(event);
      await client.keys.revoke(id);
    }
  }, RevokedKey);
  assert.equal(events.length, 1);
});

test("a place that the log no longer has is an error: what came since must be read from the state", async () => {
  const feed = client.events.follow("1");
  await assert.rejects(async () => {
    for await (const _ of feed) assert.fail();
  }, PositionExpired);
  await assert.rejects(client.events.list({ after: "1" }).all(), PositionExpired);
});

test("a signal ends the loop, and leaving it closes the connection", async () => {
  const controller = new AbortController();
  let closed = 0;
  const fetch: typeof globalThis.fetch = (url, init) => {
    init!.signal!.addEventListener("abort", () => closed++);
    return globalThis.fetch(url, init);
  };
  const follower = new Rollbook({ fetch });
  setTimeout(() => controller.abort(new Error("enough")), 100);
  await assert.rejects(
    async () => {
      for await (const _ of follower.events.follow(undefined, { types: ["webhook.*"] }, { signal: controller.signal })) assert.fail();
    },
    { message: "enough" },
  );
  assert.equal(closed, 1);
  const after = await position();
  await newUser(client);
  for await (const _ of follower.events.follow(after)) break;
  assert.equal(closed, 2);
});
