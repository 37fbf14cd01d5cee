import assert from "node:assert/strict";
import { test } from "node:test";
import { type Import, ImportFailed, type Refusal, Rollbook, type User } from "@rollbook/client";
import { email } from "./server.js";

const client = new Rollbook();

function file(count: number): Blob {
  return new Blob(["name,email\n", ...Array.from({ length: count }, (_, number) => `User ${number},${email()}\n`)]);
}

test("an import runs to its end, tells how far it is, and says what was refused", async () => {
  const progress: Import[] = [];
  const users = new Blob([file(100), "Nobody,nobody\n"]);
  const job = await client.imports.run(users, { onProgress: (job) => progress.push(job) });
  assert.deepEqual([job.status, job.records, job.added, job.refused, job.bytes_read], ["finished", 101, 100, 1, users.size]);
  assert.ok(progress.length >= 2 && progress.at(-1) === job);
  const refusals: Refusal[] = [];
  for await (const refusal of client.imports.report(job.id)) refusals.push(refusal);
  assert.deepEqual(refusals.map(({ line, field, code }) => [line, field, code]), [[102, "email", "invalid_parameter"]]);
  const csv = await (await client.imports.report(job.id, { format: "csv" }).open()).text();
  assert.match(csv, /^line,field,code,reason,user_id\r?\n102,email,/);
  assert.equal((await client.imports.run(users)).added, 0); // the same file again
  assert.equal((await client.imports.list({ limit: 1 }).first()).items[0]!.skipped, 100);
});

test("an export has all fields of all users, and its connection is closed when the loop is left", async () => {
  const users = await client.users.list({ fields: ["*"] }).all();
  const exported: User[] = [];
  for await (const user of client.exports.users()) exported.push(user);
  assert.deepEqual(exported.map(({ id, email, role }) => [id, email, role]), users.map(({ id, email, role }) => [id, email, role]));
  const csv = await client.exports.users({ ids: [users[0]!.id], format: "csv" }).open();
  assert.match(csv.headers.get("event-position")!, /^\d+$/);
  assert.match(await csv.text(), new RegExp(`^id,name,email.*\r?\n${users[0]!.id},`));
  for (let number = 0; number < 3; number++) {
    // One export may run at a time.
    for await (const _ of client.exports.users()) break;
  }
});

test("a response that is not one JSON text is text", async () => {
  const lines = await client.get<string>("/v1/exports");
  assert.match(lines, /^\{"id":.*\}\n/);
  assert.match(await client.get<string>("/metrics"), /^# /);
});

test("a stream is uploaded as it comes", async () => {
  const job = await client.imports.run(file(10).stream());
  assert.equal(job.added, 10);
});

test("an import that is canceled is an error, which tells how far it came", async () => {
  const canceled = client.imports.run(file(20_000), { dry_run: true, onProgress: (job) => void client.imports.cancel(job.id) });
  await assert.rejects(canceled, (problem) => problem instanceof ImportFailed && problem.job.status === "canceled");
});
