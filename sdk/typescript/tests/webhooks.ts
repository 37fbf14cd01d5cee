import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Rollbook, webhooks } from "@rollbook/client";

const client = new Rollbook();

test("what the server sends is verified, and nothing else", async () => {
  const received: { headers: IncomingHttpHeaders; body: string }[] = [];
  const receiver = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    received.push({ headers: request.headers, body });
    response.writeHead(204).end();
  }).listen(0, "127.0.0.1");
  await once(receiver.unref(), "listening");
  const { port } = receiver.address() as AddressInfo;
  const { id, secret } = await client.webhooks.create({ url: `http://127.0.0.1:${port}/hook`, types: ["user.purged"] });
  await client.webhooks.test(id, { type: "user.created" });
  await client.webhooks.rotateSecret(id, { overlap: 3600 });
  await client.webhooks.test(id, { type: "user.created" });
  const [first, second] = received;
  assert.ok(first && second && secret);
  assert.equal(String(second.headers["webhook-signature"]).split(" ").length, 2); // also with the old secret
  // The server's clock goes ahead in these tests.
  const options = { tolerance: Infinity };
  for (const { headers, body } of [first, second]) {
    assert.equal((await webhooks.verify(body, headers, secret, options)).type, "user.created");
    assert.equal((await webhooks.verify(new TextEncoder().encode(body), new Headers(headers as Record<string, string>), secret, options)).type, "user.created");
  }
  const { body, headers } = first;
  for (const [payload, fields, key] of [
    [body + " ", headers, secret],
    [body, { ...headers, "webhook-id": "evt_2" }, secret],
    [body, { ...headers, "webhook-timestamp": String(Number(headers["webhook-timestamp"]) + 1) }, secret],
    [body, { ...headers, "webhook-timestamp": "soon" }, secret],
    [body, { ...headers, "webhook-signature": "v1," }, secret],
    [body, { ...headers, "webhook-signature": "v1,%%" }, secret],
    [body, {}, secret],
    [body, headers, "whsec_" + btoa("another secret of somebody else!")],
  ] as const) {
    await assert.rejects(webhooks.verify(payload, fields, key, options), { name: "WebhookVerificationError" });
  }
  await assert.rejects(webhooks.verify(body, headers, "whsec_"), TypeError);
  await client.webhooks.delete(id);
  receiver.close();
});

test("a signature of the standard is right, within five minutes of its time", async (context) => {
  // Of the tests of github.com/standard-webhooks/standard-webhooks.
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const at = 1_614_265_330;
  const headers = { "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": `${at}`, "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" };
  const verify = () => webhooks.verify<unknown>('{"test": 2432232314}', headers, secret);
  for (const [off, good] of [[0, true], [-299, true], [299, true], [-301, false], [301, false]] as const) {
    context.mock.timers.enable({ apis: ["Date"], now: (at + off) * 1000 });
    await (good ? verify() : assert.rejects(verify(), { name: "WebhookVerificationError" }));
    context.mock.timers.reset();
  }
});
