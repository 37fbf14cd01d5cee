import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Rollbook } from "@rollbook/client";
import { type ExpressRequest, webhook } from "@rollbook/client/express";
import { signIn } from "@rollbook/client/fetch";
import { email, moveServer, newUser, password } from "./server.js";

const client = new Rollbook();
const url = "https://shop.example.com";
const audience = "shop";
const address = () => "192.0.2.66";
const shop = signIn({ url, audience, address });
const home = shop.required((_, user) => new Response(user.id));

function get(path: string, cookie = "", headers = {}): Request {
  return new Request(url + path, { headers: { accept: "text/html", cookie, ...headers } });
}

function post(path: string, fields: Record<string, string>, headers: Record<string, string> = { "sec-fetch-site": "same-origin" }): Request {
  return new Request(url + path, { method: "POST", headers, body: new URLSearchParams(fields) });
}

/** What the browser sends from then on. */
const cookieOf = (response: Response) => response.headers.getSetCookie().join().split(";")[0] ?? "";

async function signedIn(more = {}) {
  const user = await newUser(client);
  const response = await shop.pages(post("/sign-in", { email: user.email, password, ...more }));
  return { user, response, cookie: cookieOf(response) };
}

test("a session is kept in a cookie that only this site gets over TLS", async () => {
  const { user, response, cookie } = await signedIn({ next: "/orders" });
  assert.deepEqual([response.status, response.headers.get("location")], [303, "/orders"]);
  assert.match(response.headers.get("set-cookie")!, /^__Host-session=rbs_.*; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax; Secure$/);
  assert.equal(await (await home(get("/", cookie))).text(), user.id);
  assert.equal((await home(get("/", cookie.replace("__Host-", "")))).status, 303);
  const asked = await home(get("/orders?page=2"));
  assert.equal(asked.headers.get("location"), "/sign-in?next=%2Forders%3Fpage%3D2");
  assert.equal((await home(get("/", "", { accept: "application/json" }))).status, 401);
});

test("what a person typed wrong is said, and no page leads elsewhere", async () => {
  const wrong = await shop.pages(post("/sign-in", { email: email(), password: "<wrong>" }));
  assert.match(await wrong.text(), /role="alert">The email or password is incorrect\./);
  const short = await shop.pages(post("/sign-up", { name: '"><b>', email: email(), password: "short" }));
  assert.match(await short.text(), /value="&#34;&#62;&#60;b&#62;"/);
  const user = await newUser(client);
  for (const next of ["//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil.example", "/a\r\nSet-Cookie: a=b"]) {
    const response = await shop.pages(post("/sign-in", { email: user.email, password, next }));
    assert.equal(response.headers.get("location"), "/", next);
  }
});

test("no other site signs anyone in, up or out", async () => {
  const { user, cookie } = await signedIn();
  for (const headers of [{ "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }, { origin: "https://evil.example" }, { origin: "null" }]) {
    for (const path of ["/sign-in", "/sign-up", "/sign-out", "/forgot-password", "/confirm-email"]) {
      const response = await shop.pages(post(path, { email: user.email, password }, { cookie, ...headers } as Record<string, string>));
      assert.deepEqual([response.status, response.headers.getSetCookie()], [403, []], path);
    }
  }
  assert.equal((await home(get("/", cookie))).status, 200);
  assert.equal((await shop.pages(post("/sign-in", { email: "a".repeat(100_000) }))).status, 413);
});

test("requests beside each other share one refresh", async () => {
  const { user, cookie } = await signedIn();
  moveServer(20 * 60_000);
  const responses = await Promise.all(Array.from({ length: 8 }, () => home(get("/", cookie))));
  assert.deepEqual(new Set(await Promise.all(responses.map((response) => response.text()))), new Set([user.id]));
  const [next, ...others] = new Set(responses.map(cookieOf));
  assert.deepEqual(others, []);
  assert.notEqual(next, cookie);
  const now = await home(get("/", next));
  assert.deepEqual([now.status, now.headers.getSetCookie()], [200, []]);
});

test("a session ends at once, and its cookie is removed", async () => {
  const [left, suspended] = [await signedIn(), await signedIn()];
  for (let times = 0; times < 2; times++) {
    const response = await shop.pages(post("/sign-out", {}, { origin: url, cookie: left.cookie }));
    assert.deepEqual([response.status, response.headers.get("location")], [303, "/sign-in"]);
    assert.match(response.headers.get("set-cookie")!, /Max-Age=0/);
  }
  await client.users.suspend(suspended.user.id);
  for (const { cookie } of [left, suspended]) {
    const response = await home(get("/", cookie));
    assert.equal(response.status, 303);
    assert.match(response.headers.get("set-cookie")!, /Max-Age=0/);
  }
});

test("while Rollbook is away, no one is signed out", async (context) => {
  context.mock.method(console, "error", () => {});
  const { user, cookie } = await signedIn();
  const away = signIn({ url, audience, client: new Rollbook({ url: "http://127.0.0.1:9", maxRetries: 0 }) });
  const response = await away.required(() => new Response())(get("/", cookie));
  assert.deepEqual([response.status, response.headers.getSetCookie()], [503, []]);
  const json = new Request(`${url}/sign-in`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ email: user.email, password }) });
  assert.deepEqual(await (await away.pages(json)).json(), { error: "That didn't work. Try again in a minute." });
});

test("a view for a webhook gets what is signed, and nothing else", async () => {
  const received: string[] = [];
  const key = randomBytes(32);
  const view = webhook((event) => received.push(event.type), `whsec_${key.toString("base64")}`);
  const receiver = createServer((request, response) =>
    view(
      request as unknown as ExpressRequest,
      Object.assign(response, { status: (code: number) => (response.statusCode = code) }) as never,
      (error) => response.writeHead(500).end(String(error)),
    ),
  ).listen(0, "127.0.0.1");
  await once(receiver.unref(), "listening");
  const { port } = receiver.address() as AddressInfo;
  const body = '{"type": "user.created"}';
  const now = Math.floor(Date.now() / 1000);
  const signature = `v1,${createHmac("sha256", key).update(`evt_1.${now}.${body}`).digest("base64")}`;
  const headers = { "webhook-id": "evt_1", "webhook-timestamp": `${now}`, "webhook-signature": signature };
  const statuses: number[] = [];
  for (const sent of [body, `${body} `, "a".repeat(2 << 20)]) {
    statuses.push((await fetch(`http://127.0.0.1:${port}/`, { method: "POST", headers, body: sent })).status);
  }
  assert.deepEqual([statuses, received], [[204, 400, 400], ["user.created"]]);
  receiver.close();
});
