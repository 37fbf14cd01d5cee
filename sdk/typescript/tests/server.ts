// The server of the tests, which runs already: tests/clients/test_typescript_sdk.py starts it.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { type Clock, Rollbook } from "@rollbook/client";

export const environment = process.env as Record<"ROLLBOOK_URL" | "ROLLBOOK_KEY" | "CLOCK_FILE", string>;
export const password = "securepassword123";

export function email(): string {
  return `${randomBytes(6).toString("hex")}@example.com`;
}

export function newUser(client: Rollbook, name = "Alice Wonderland") {
  return client.users.create({ name, email: email(), password });
}

/** The key of a new admin, who has this rate limit. */
export async function keyWithLimit(rate_limit: string): Promise<string> {
  const owner = new Rollbook();
  const { id } = await owner.users.create({ name: "Limited", email: email(), password, role: "admin", rate_limit });
  const { key } = await owner.keys.create({ name: "test", user_id: id });
  assert.ok(key);
  return key;
}

/** Sends requests as `fetch` does; `change` may replace responses, and throw instead. It is called with the number of the request, from 0. */
export function changed(change: (response: Response, number: number) => Response | Promise<Response>) {
  const requests: { url: string; headers: Headers }[] = [];
  const send: typeof fetch = async (url, init) => {
    const number = requests.push({ url: String(url), headers: new Headers(init?.headers) }) - 1;
    return change(await fetch(url, init), number);
  };
  return Object.assign(send, { requests });
}

/** A clock on which waiting takes no time, also for the server. It moves on when no request is under way. */
export class FastClock implements Clock {
  slept: number[] = [];
  /** Milliseconds for which nobody had to wait. */
  passed = 0;
  #sleeping = new Set<{ until: number; wake: () => void }>();
  #underWay = 0;

  now(): number {
    return performance.now() + this.passed;
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = {
        until: this.now() + milliseconds,
        wake: () => {
          this.slept.push(milliseconds);
          resolve();
        },
      };
      this.#sleeping.add(sleeper);
      signal?.addEventListener("abort", () => {
        this.#sleeping.delete(sleeper);
        reject(signal.reason);
      });
      setImmediate(() => this.#moveOn());
    });
  }

  /** Sends requests as `fetch` does, while time goes on as usual. */
  readonly fetch: typeof fetch = async (url, init) => {
    this.#underWay++;
    try {
      const response = await fetch(url, init);
      return new Response(response.body && (await response.arrayBuffer()), response);
    } finally {
      this.#underWay--;
      setTimeout(() => this.#moveOn());
    }
  };

  #moveOn(): void {
    const [next] = [...this.#sleeping].sort((a, b) => a.until - b.until);
    if (this.#underWay || !next) return;
    const missing = Math.max(0, next.until - this.now());
    this.passed += missing;
    moveServer(missing);
    this.#sleeping.delete(next);
    next.wake();
    setImmediate(() => this.#moveOn());
  }
}

/** Moves the server's clock on. */
export function moveServer(milliseconds: number): void {
  const number = Buffer.alloc(8);
  number.writeBigInt64LE(readFileSync(environment.CLOCK_FILE).readBigInt64LE() + BigInt(Math.ceil(milliseconds * 1000)));
  const file = openSync(environment.CLOCK_FILE, "r+");
  writeSync(file, number, 0, 8, 0);
  closeSync(file);
}
