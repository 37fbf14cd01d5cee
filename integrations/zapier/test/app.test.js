// The app against a real Rollbook: ROLLBOOK_URL and ROLLBOOK_KEY say which. It must be allowed to send events to 127.0.0.1.
"use strict";

const assert = require("node:assert/strict");
const { createServer } = require("node:http");
const { once } = require("node:events");
const { after, before, test } = require("node:test");
const zapier = require("zapier-platform-core");
const App = require("../index");

const run = zapier.createAppTester(App);
const authData = { url: `${process.env.ROLLBOOK_URL}/`, key: process.env.ROLLBOOK_KEY };
const { creates, searches, triggers } = App;

const create = (name, inputData) => run(creates[name].operation.perform, { authData, inputData });
const find = (inputData) => run(searches.find_user.operation.perform, { authData, inputData });
const unique = () => `ada-${Date.now()}-${Math.round(Math.random() * 1e9)}@example.com`;

/** What Zapier would get at the URL of a Zap, in the form in which it hands it to the app. */
const requests = [];
const hooks = createServer(async (request, response) => {
  const chunks = await request.toArray();
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [
      name === "content-type" ? "Content-Type" : `Http-${name.replace(/(^|-)[a-z]/g, (each) => each.toUpperCase())}`,
      value,
    ]),
  );
  requests.push({ method: "POST", headers, content: Buffer.concat(chunks).toString("utf8") });
  response.end();
});

const received = async () => {
  for (let left = 600; requests.length === 0; left--) {
    assert.ok(left > 0, "no event arrived within a minute");
    await new Promise((done) => setTimeout(done, 100));
  }
  return requests.shift();
};

before(async () => {
  hooks.listen(0, "127.0.0.1");
  await once(hooks, "listening");
});
after(() => hooks.close());

test("Zapier accepts the definition", async () => {
  const { results } = await zapier.createAppHandler(App)({ command: "validate" });
  assert.deepEqual(results, []);
});

test("a connection is tested with the key", async () => {
  const { email } = await run(App.authentication.test, { authData });
  assert.match(email, /@/);
  await assert.rejects(run(App.authentication.test, { authData: { ...authData, key: "rbk_wrong" } }), /API key/);
});

test("users are created, found, changed, suspended and activated", async () => {
  const email = unique();
  const external_id = `crm-${email}`;
  const user = await create("create_user", { name: "Ada Lovelace", email, external_id, metadata: { plan: "pro" } });
  assert.deepEqual([user.status, user.email, user.metadata], ["invited", email, { plan: "pro" }]);
  const { url } = await create("create_setup_link", { user_id: user.id });
  assert.match(url, /^http/);
  for (const by of [{ email }, { external_id }, { q: email }]) {
    assert.deepEqual((await find(by)).map(({ id }) => id), [user.id]);
  }
  assert.deepEqual(await find({ email: unique() }), []);
  await assert.rejects(find({ email: "" }), /Enter an email/);
  const changed = await create("update_user", { user_id: user.id, name: "Countess", role: "", metadata: { seats: "3" } });
  assert.deepEqual([changed.name, changed.role, changed.metadata], ["Countess", "member", { plan: "pro", seats: "3" }]);
  assert.equal((await create("suspend_user", { user_id: user.id })).status, "suspended");
  assert.notEqual((await create("activate_user", { user_id: user.id })).status, "suspended");
  const withPassword = await create("create_user", { name: "Grace", email: unique(), password: "a few random words" });
  assert.equal(withPassword.status, "active");
});

test("people see what Rollbook says of an error", async () => {
  const email = unique();
  await create("create_user", { name: "Ada Lovelace", email });
  await assert.rejects(create("create_user", { name: "Ada Lovelace", email }), /email_taken/);
});

test("the users to choose from are listed page by page", async () => {
  const list = (page) => run(triggers.user_list.operation.perform, { authData, meta: { page } });
  assert.ok((await list(0)).every(({ id, label }) => id && label.includes("@")));
  assert.deepEqual(await list(1000), []);
});

for (const { key, cause } of [
  { key: "new_user", cause: () => create("create_user", { name: "Zoë", email: unique() }) },
  {
    key: "changed_user",
    cause: async () => {
      const user = await create("create_user", { name: "Zoë", email: unique() });
      return await create("suspend_user", { user_id: user.id });
    },
  },
]) {
  test(`${key}: a Zap subscribes, gets what is signed, and unsubscribes`, async () => {
    const { perform, performList, performSubscribe, performUnsubscribe, sample } = triggers[key].operation;
    const targetUrl = `http://127.0.0.1:${hooks.address().port}/${key}`;
    const subscribeData = await run(performSubscribe, { authData, inputData: {}, targetUrl });
    const user = await cause();
    const rawRequest = await received();
    const [found, ...more] = await run(perform, { authData, rawRequest, subscribeData });
    assert.deepEqual(more, []);
    assert.deepEqual([found.user_id, found.name, found.email], [user.id, "Zoë", user.email]);
    assert.ok(found.event.startsWith("user."));
    for (const field of Object.keys(sample)) assert.ok(field in found, `${field} is only in the sample`);

    const [latest] = await run(performList, { authData, inputData: {} });
    assert.deepEqual(latest, found, "the example in the editor is like what comes later");

    const old = { ...rawRequest.headers, "Http-Webhook-Timestamp": String(Math.round(Date.now() / 1000) - 3600) };
    for (const forged of [
      { rawRequest: { ...rawRequest, content: rawRequest.content.replace("Zoë", "Eve") }, subscribeData },
      { rawRequest: { ...rawRequest, headers: {} }, subscribeData },
      { rawRequest: { ...rawRequest, headers: old }, subscribeData },
      { rawRequest, subscribeData: { ...subscribeData, secret: `whsec_${Buffer.alloc(32, 7).toString("base64")}` } },
      { rawRequest, subscribeData: {} },
    ]) {
      await assert.rejects(run(perform, { authData, ...forged }));
    }

    await run(performUnsubscribe, { authData, subscribeData });
    // Again, as when somebody has deleted the webhook in Rollbook.
    await run(performUnsubscribe, { authData, subscribeData });
    const headers = { Authorization: `Bearer ${authData.key}` };
    const gone = await fetch(`${process.env.ROLLBOOK_URL}/v1/webhooks/${subscribeData.id}`, { headers });
    assert.equal(gone.status, 404);
  });
}
