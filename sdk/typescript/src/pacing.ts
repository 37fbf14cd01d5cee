// Keeps calls within the server's rate limits, by what its responses say is left (draft-ietf-httpapi-ratelimit-headers).
import type { Clock } from "./clock.js";
import { RateLimitExceeded } from "./generated/codes.js";

/** A call that was let go. */
export interface Ticket {
  cost: number;
  generation: number;
}

interface Window {
  quota: number;
  /** At least so many calls are left, besides those in flight. */
  left: number;
  /** The window has ended by then. Infinity: no response has told yet. */
  endsAt: number;
  /** Calls with an older ticket may have been counted in the window before. */
  generation: number;
}

interface Waiter {
  cost: number;
  maxWait: number;
  go(ticket: Ticket): void;
  fail(reason: unknown): void;
  gone: boolean;
}

/** While no limits are known, one call at a time finds out; but calls that take longer than this hold up no others. */
const PATIENCE = 1000;

export class Pacer {
  readonly #clock: Clock;
  readonly #windows = new Map<string, Window>();
  #waiting: Waiter[] = [];
  #inFlight = 0;
  #generation = 0;
  #lastSent = 0;
  #unlimited = false;
  #alarm: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Waits in turn until there is room. Report what came of the call with `answered`.
   *
   * @param cost How many requests the server counts for this one.
   * @param maxWait Milliseconds. Rejects with RateLimitExceeded if the limit requires to wait longer.
   */
  admit(cost: number, maxWait: number, signal?: AbortSignal): Promise<Ticket> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const stop = () => {
        waiter.gone = true;
        reject(signal?.reason);
        this.#next();
      };
      const waiter: Waiter = {
        cost,
        maxWait,
        gone: false,
        go: (ticket) => {
          signal?.removeEventListener("abort", stop);
          resolve(ticket);
        },
        fail: (reason) => {
          signal?.removeEventListener("abort", stop);
          reject(reason);
        },
      };
      signal?.addEventListener("abort", stop, { once: true });
      this.#waiting.push(waiter);
      this.#next();
    });
  }

  /** A response came, or none, in which case the call may have been counted all the same. */
  answered({ cost, generation }: Ticket, response?: Response): void {
    this.#inFlight -= cost;
    const headers = response?.headers;
    // Without a valid key, the limit is that of an IP address.
    const windows = response?.status === 401 ? [] : items(headers?.get("ratelimit"));
    const policies = new Map(items(headers?.get("ratelimit-policy")));
    if (response?.ok) this.#unlimited = windows.length === 0;
    if (!response) for (const window of this.#windows.values()) window.left -= cost;
    for (const [name, { r = 0, t = 1 }] of windows) {
      const endsAt = this.#clock.now() + t * 1000;
      const quota = policies.get(name)?.q ?? r;
      const window = this.#windows.get(name);
      if (!window) {
        this.#windows.set(name, { quota, left: r, endsAt, generation: 0 });
      } else if (generation < window.generation) {
        window.left -= cost;
      } else {
        window.quota = quota;
        // Responses overtake each other: the one with the least was counted last. `t` is rounded up.
        window.left = Math.min(window.left, r);
        window.endsAt = Math.min(window.endsAt, endsAt);
      }
    }
    this.#next();
  }

  /** Lets calls go as long as there is room, then sleeps until there is again. */
  #next(): void {
    this.#alarm?.abort();
    this.#alarm = undefined;
    let wait = 0;
    let gone = 0;
    for (const waiter of this.#waiting) {
      if (!waiter.gone) {
        wait = this.#wait(waiter.cost);
        if (wait > 0 && (wait === Infinity || wait <= waiter.maxWait)) break;
        if (wait > 0) {
          waiter.fail(new RateLimitExceeded(429, tooLong(wait)));
          wait = 0;
        } else {
          this.#inFlight += waiter.cost;
          this.#lastSent = this.#clock.now();
          waiter.go({ cost: waiter.cost, generation: this.#generation });
        }
      }
      gone++;
    }
    this.#waiting.splice(0, gone);
    if (wait > 0 && wait < Infinity) {
      const alarm = (this.#alarm = new AbortController());
      this.#clock.sleep(wait, alarm.signal).then(
        () => alarm === this.#alarm && this.#next(),
        () => {},
      );
    }
  }

  /** Milliseconds until there can be room. 0: there is. Infinity: when a call in flight is answered. */
  #wait(cost: number): number {
    if (this.#unlimited) return 0;
    const now = this.#clock.now();
    if (!this.#windows.size) return this.#inFlight ? Math.max(0, this.#lastSent + PATIENCE - now) : 0;
    let wait = 0;
    for (const window of this.#windows.values()) {
      if (now >= window.endsAt) {
        // The next one begins with its first call.
        Object.assign(window, { left: window.quota, endsAt: Infinity, generation: ++this.#generation });
      }
      // Calls in flight count in full: whether `left` already has them is not known. With none, a call has to find out.
      const isFull = window.left - this.#inFlight < Math.min(cost, window.quota);
      if (isFull && (this.#inFlight || window.endsAt < Infinity)) wait = Math.max(wait, window.endsAt - now);
    }
    return wait;
  }
}

function tooLong(wait: number) {
  const seconds = Math.ceil(wait / 1000);
  return { error: `The rate limit is used up for ${seconds} seconds.`, code: "rate_limit_exceeded", retry_after: seconds };
}

/** `"minute";r=94;t=60, "hour";r=4994;t=3600` (RFC 9651), whose names have no commas or semicolons. */
function items(field: string | null | undefined): [string, Record<string, number>][] {
  return (field ?? "")
    .split(",")
    .filter((item) => item.trim())
    .map((item) => {
      const [name = "", ...parameters] = item.split(";").map((part) => part.trim());
      return [name, Object.fromEntries(parameters.map((each) => [each.slice(0, each.indexOf("=")), Number(each.slice(each.indexOf("=") + 1))]))];
    });
}
