// The client: calls of the API, sent again when that is safe, within the rate limits.
import { type Clock, systemClock } from "./clock.js";
import { errorOf } from "./generated/codes.js";
import { APIError, ConnectionFailed, type ErrorBody, RollbookError, TimedOut, UnexpectedResponse } from "./errors.js";
import { Pacer, type Ticket } from "./pacing.js";

export interface ClientOptions {
  /** Where the server is, such as `https://users.example.com`. By default what `ROLLBOOK_URL` in the environment says. */
  url?: string | undefined;
  /** An API key. By default what `ROLLBOOK_KEY` in the environment says. */
  key?: string | undefined;
  /** Milliseconds for each attempt of a call until its response is complete, or begins if it is a stream. By default 30,000. Uploads: none. */
  timeout?: number | undefined;
  /** How often a call is sent again after it failed. By default 3. */
  maxRetries?: number | undefined;
  /** Whether calls wait before the rate limit is exceeded. By default true. */
  pacing?: boolean | undefined;
  /**
   * Milliseconds that a call waits for the rate limit at most, or for as long as a response asks it to; if it would take
   * longer, it fails at once. By default an hour, so that programs that do a lot finish. In a web application, choose a second or two.
   */
  maxWait?: number | undefined;
  /** Sends requests. By default the `fetch` of the platform. */
  fetch?: typeof fetch | undefined;
  /** Header fields for each request. */
  headers?: Record<string, string> | undefined;
  /** Time, for tests. */
  clock?: Clock | undefined;
}

/** Options of one call. */
export interface CallOptions {
  /** Ends the call, also while it waits. It then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Milliseconds, instead of the client's. */
  timeout?: number | undefined;
  /** Instead of the client's. */
  maxRetries?: number | undefined;
  /** Milliseconds, instead of the client's. */
  maxWait?: number | undefined;
  /** Of a POST: your own, to repeat the call safely after your program was started again. By default a random one. */
  idempotencyKey?: string | undefined;
  /** Of a change: fails with status 412 unless this is the version, the `etag` of what you read. */
  ifMatch?: string | undefined;
  /** Of a read: `data` is undefined and the status 304 if this is the version, the `etag` of what you read before. */
  ifNoneMatch?: string | undefined;
  /** More header fields. */
  headers?: Record<string, string> | undefined;
}

type Value = string | number | boolean | Date | null | undefined;

/** Lists are sent with commas, and `undefined` not at all. */
export type Query = { [name: string]: Value | readonly Value[] | { readonly [key: string]: Value } };

export interface RawOptions extends CallOptions {
  query?: Query | undefined;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, instead of `body`. A stream can be sent once only, so there are no retries with one. */
  upload?: Upload | undefined;
}

export type Upload = string | Blob | ArrayBuffer | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

export interface Answer<T> {
  data: T;
  /** Status and headers. Its body has been read. */
  response: Response;
}

/** What a call returns: the data, or with `withResponse()` the data and the HTTP response. */
export interface Call<T> extends Promise<T> {
  withResponse(): Promise<Answer<T>>;
}

/** What a request costs, and how its list goes on, is known to the methods of the resources. */
export interface RequestOptions extends RawOptions {
  /** How many requests the server counts for this one. */
  cost?: number | undefined;
}

/** What the resources need of the client. */
export interface Caller {
  request<T>(method: string, path: string, options?: RequestOptions): Call<T>;
  open(path: string, options?: RequestOptions): Promise<Response>;
  readonly clock: Clock;
}

const HOUR = 3_600_000;

export class Client implements Caller {
  /** The server's URL, without a slash at the end. */
  readonly url: string;
  readonly #key: string;
  readonly #options: ClientOptions;
  readonly #pacer: Pacer | undefined;
  readonly clock: Clock;

  constructor(options: ClientOptions = {}) {
    const url = options.url ?? environment("ROLLBOOK_URL");
    const key = options.key ?? environment("ROLLBOOK_KEY");
    if (!url) throw new RollbookError("Give the server's url, or set ROLLBOOK_URL.");
    if (!key) throw new RollbookError("Give an API key, or set ROLLBOOK_KEY.");
    if (!/^https?:\/\/[^/?#]/.test(url)) throw new RollbookError("The server's url must begin with https:// or http://.");
    this.url = url.replace(/\/+$/, "");
    this.#key = key;
    this.#options = { ...options };
    this.clock = options.clock ?? systemClock;
    if (options.pacing ?? true) this.#pacer = new Pacer(this.clock);
  }

  /** Sends a GET request to any path of the API. */
  get<T = unknown>(path: string, options?: RawOptions): Call<T> {
    return this.request("GET", path, options);
  }

  /** Sends a POST request to any path of the API. */
  post<T = unknown>(path: string, options?: RawOptions): Call<T> {
    return this.request("POST", path, options);
  }

  /** Sends a PUT request to any path of the API. */
  put<T = unknown>(path: string, options?: RawOptions): Call<T> {
    return this.request("PUT", path, options);
  }

  /** Sends a PATCH request to any path of the API. */
  patch<T = unknown>(path: string, options?: RawOptions): Call<T> {
    return this.request("PATCH", path, options);
  }

  /** Sends a DELETE request to any path of the API. */
  delete<T = unknown>(path: string, options?: RawOptions): Call<T> {
    return this.request("DELETE", path, options);
  }

  /** Sends a request, and reads its response: JSON as a value, nothing as `undefined`, all else as a string. */
  request<T = unknown>(method: string, path: string, options: RequestOptions = {}): Call<T> {
    const answer = this.#send(method, path, options, async (response) => {
      return { data: decode(response, await response.text()) as T, response };
    });
    const data = answer.then((answer) => answer.data);
    const withResponse = () => {
      data.catch(() => {}); // whoever asks for the response handles its errors there
      return answer;
    };
    return Object.assign(data, { withResponse });
  }

  /** Sends a GET request, and resolves when its response begins. Read its body, cancel it, or abort the signal. */
  open(path: string, options: RequestOptions = {}): Promise<Response> {
    return this.#send("GET", path, options);
  }

  /** Without `read`, the body is the caller's to read, until they abort the signal. */
  async #send<R = Response>(method: string, path: string, options: RequestOptions, read?: (response: Response) => Promise<R>): Promise<R> {
    // Behind the URL of the server, anything else could name another one, which would get the key.
    if (!path.startsWith("/")) throw new TypeError(`A path begins with a slash, such as /v1/users, unlike ${JSON.stringify(path)}.`);
    const { signal, upload, cost = 1, maxRetries = this.#options.maxRetries ?? 3, maxWait = this.#options.maxWait ?? HOUR } = options;
    const retries = upload instanceof ReadableStream ? 0 : maxRetries;
    const request = this.#request(method, options);
    const pacer = path.startsWith("/v1/") ? this.#pacer : undefined;
    for (let attempt = 0; ; attempt++) {
      const ticket = await pacer?.admit(cost, maxWait, signal);
      let problem: unknown;
      try {
        return await this.#attempt(this.url + path + search(options.query), request, options, ticket, read);
      } catch (thrown) {
        signal?.throwIfAborted();
        problem = thrown;
      }
      const wait = attempt < retries ? delay(problem, attempt) : undefined;
      if (wait === undefined || wait > maxWait + 1000) throw problem;
      await this.clock.sleep(wait, signal);
    }
  }

  #request(method: string, options: RawOptions): RequestInit {
    const headers = new Headers({ accept: "application/json", ...this.#options.headers, ...options.headers });
    headers.set("authorization", `Bearer ${this.#key}`);
    if (options.body !== undefined) headers.set("content-type", "application/json");
    if (options.upload !== undefined) headers.set("content-type", "application/octet-stream");
    if (method === "POST") headers.set("idempotency-key", options.idempotencyKey ?? randomKey());
    if (options.ifMatch) headers.set("if-match", options.ifMatch);
    if (options.ifNoneMatch) headers.set("if-none-match", options.ifNoneMatch);
    const body = options.upload ?? (options.body === undefined ? null : JSON.stringify(options.body));
    // A redirect would be a wrong url: a POST would arrive as a GET. `duplex` is what fetch asks for with a stream.
    return { method, headers, body, redirect: "error", ...(options.upload && { duplex: "half" }) };
  }

  async #attempt<R>(
    url: string,
    request: RequestInit,
    { signal, timeout, upload, query }: RawOptions,
    ticket: Ticket | undefined,
    read?: (response: Response) => Promise<R>,
  ): Promise<R> {
    const controller = new AbortController();
    const stop = () => controller.abort(signal?.reason);
    signal?.addEventListener("abort", stop, { once: true });
    // A response may be asked to wait itself.
    const patience = timeout ?? (upload ? Infinity : (this.#options.timeout ?? 30_000) + Number(query?.wait ?? 0) * 1000);
    const expire = () => controller.abort(new TimedOut(`No response within ${patience / 1000} seconds.`));
    const timer = patience < Infinity ? setTimeout(expire, patience) : undefined;
    let response: Response | undefined;
    try {
      response = await (this.#options.fetch ?? fetch)(url, { ...request, signal: controller.signal });
      if (ticket) this.#pacer?.answered(ticket, response);
      if (response.ok || response.status === 304) return read ? await read(response) : (response as R);
      throw errorOf(response.status, bodyOf(await response.text()), response.headers);
    } catch (problem) {
      if (!response && ticket) this.#pacer?.answered(ticket);
      if (problem instanceof RollbookError) throw problem;
      if (controller.signal.aborted) throw controller.signal.reason;
      const reason = reasonOf(problem);
      throw new ConnectionFailed(`${request.method} ${url} failed${reason && `: ${reason}`}.`, { cause: problem });
    } finally {
      clearTimeout(timer);
      if (read) signal?.removeEventListener("abort", stop);
    }
  }
}

/** One part of a path. Throws TypeError for what would change the path's meaning. */
export function segment(value: string): string {
  if (typeof value !== "string" || /^\.{0,2}$/.test(value)) throw new TypeError(`Not an ID: ${JSON.stringify(value)}`);
  return encodeURIComponent(value);
}

/** Milliseconds until the next attempt; undefined when there should be none. */
export function delay(problem: unknown, attempt: number): number | undefined {
  const backoff = Math.min(500 * 2 ** attempt, 8000) * (0.5 + Math.random() / 2);
  if (problem instanceof ConnectionFailed) return backoff;
  if (!(problem instanceof APIError) || !isTemporary(problem)) return undefined;
  // Others were asked to wait as well, and not all should return at once.
  return problem.retryAfter === undefined ? backoff : (problem.retryAfter + Math.random() / 4) * 1000;
}

/** Not after wrong passwords: a person must hear of that at once. */
function isTemporary({ status, code }: APIError): boolean {
  return code !== "too_many_attempts" && (status >= 500 || status === 429 || status === 408 || code === "idempotency_still_running");
}

function search(query: Query = {}): string {
  const text = (value: Value) => (value instanceof Date ? value.toISOString() : String(value));
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    if (Array.isArray(value)) parameters.set(name, value.map(text).join(","));
    else if (typeof value === "object" && !(value instanceof Date)) {
      const pairs = Object.entries(value).map(([key, each]) => `${key.replace(/[\\,:]/g, "\\$&")}:${text(each).replace(/[\\,]/g, "\\$&")}`);
      if (pairs.length) parameters.set(name, pairs.join(","));
    } else parameters.set(name, text(value as Value));
  }
  return String(parameters) && `?${parameters}`;
}

function decode(response: Response, text: string): unknown {
  const kind = response.headers.get("content-type")?.split(";")[0]!.trim().toLowerCase() ?? "";
  // NDJSON is no JSON text, but many of them.
  if (!text || !(kind === "application/json" || kind.endsWith("+json"))) return text || undefined;
  try {
    return withVersion(JSON.parse(text), response.headers.get("etag"));
  } catch (problem) {
    throw new UnexpectedResponse(`${response.url} responded with something that is no JSON.`, { cause: problem });
  }
}

/** The object with its version as `etag`, which copies and JSON leave out: the next version has another one. */
function withVersion(value: unknown, etag: string | null): unknown {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return etag && isObject && !("etag" in value) ? Object.defineProperty(value, "etag", { value: etag }) : value;
}

/** Why a request failed, in the words of who knows it best: `fetch failed` hides its reason below several causes. */
function reasonOf(problem: unknown): string {
  let found = "";
  for (let each = problem; each instanceof Error; each = each.cause ?? (each as Partial<AggregateError>).errors?.[0]) found = each.message || found;
  return found.replace(/\.$/, "");
}

function bodyOf(text: string): ErrorBody {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body ? body : {};
  } catch {
    return {}; // from a proxy
  }
}

/** 128 bits. Not `crypto.randomUUID`, which pages on plain http don't have. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function environment(name: string): string | undefined {
  try {
    return (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env?.[name];
  } catch {
    return undefined; // Deno without the permission to read it
  }
}
