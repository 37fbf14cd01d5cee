// People sign in to an Express application.
import { WebhookVerificationError } from "./errors.js";
import type { Event, User } from "./generated/types.js";
import { type Current, type Incoming, MAX_BODY, type Outgoing, SignInPages, type SignInOptions, Unavailable, userOf } from "./signIn.js";
import { verify } from "./webhooks.js";

export { escapeHtml, type Page, type SignInOptions } from "./signIn.js";

/** A request, as far as it is read: those of Express are such. */
export interface ExpressRequest extends AsyncIterable<Uint8Array | string> {
  method: string;
  originalUrl: string;
  protocol: string;
  ip?: string | undefined;
  headers: Record<string, string | string[] | undefined>;
  body?: unknown;
}

export interface ExpressResponse {
  status(code: number): unknown;
  append(name: string, value: string): unknown;
  set(name: string, value: string): unknown;
  end(body?: string): unknown;
}

export type Middleware = (request: ExpressRequest, response: ExpressResponse, next: (error?: unknown) => void) => Promise<void>;

/**
 * Adds `/sign-in`, `/sign-up`, `/sign-out`, `/forgot-password` and `/confirm-email` to an application.
 *
 * @example
 * const shop = signIn({ url: "https://shop.example.com" });
 * app.use(shop.pages);
 * app.get("/", shop.required, (request, response) => response.send(`Hello, ${escapeHtml(shop.user(request).name)}!`));
 */
export function signIn(options: SignInOptions = {}) {
  const pages = new SignInPages(options);
  const currents = new WeakMap<object, Current>();

  /** Finds the session, and goes on only if there is one, or if none is needed. */
  const checked =
    (isRequired: boolean): Middleware =>
    async (request, response, next) => {
      const incoming = incomingOf(request);
      let current: Current;
      try {
        current = await pages.current(incoming);
      } catch (error) {
        if (!(error instanceof Unavailable)) return next(error);
        return send(response, pages.unavailable(incoming, error));
      }
      currents.set(request, current);
      for (const [name, value] of current.headers) name === "Set-Cookie" ? response.append(name, value) : response.set(name, value);
      if (isRequired && !current.session) return send(response, pages.askedToSignIn(incoming));
      next();
    };

  return {
    /** The pages, for `app.use`. */
    pages: (async (request, response, next) => {
      const incoming = incomingOf(request);
      if (!pages.has(incoming.method, incoming.path)) return next();
      try {
        const body = await bodyOf(request);
        if (body === undefined) return send(response, { status: 413, headers: [], body: "" });
        send(response, await pages.answer({ ...incoming, body }));
      } catch (error) {
        next(error);
      }
    }) as Middleware,
    /** For routes of people who are signed in. Others are sent to sign in, and come back. */
    required: checked(true),
    /** For routes that greet whoever is signed in, and are for others, too. */
    optional: checked(false),
    /** The person who is signed in, as they are now: behind `required` and `optional`. */
    user: (request: ExpressRequest): User | undefined => userOf(currents.get(request)),
  };
}

/** Bytes of an event, which is far smaller. */
const MAX_EVENT = 1 << 20;

/** A route for a webhook: calls `handle` with each event. Use it before `express.json()`. The secret is read from WEBHOOK_SECRET by default. */
export function webhook(handle: (event: Event) => unknown, secret?: string): Middleware {
  const { process } = globalThis as { process?: { env: Record<string, string | undefined> } };
  return async (request, response, next) => {
    try {
      const body = await bodyOf(request, MAX_EVENT);
      const event = await verify(typeof body === "string" ? body : "", request.headers, secret ?? process?.env.WEBHOOK_SECRET ?? "");
      await handle(event);
      send(response, { status: 204, headers: [], body: "" });
    } catch (error) {
      if (error instanceof WebhookVerificationError) send(response, { status: 400, headers: [], body: "" });
      else next(error);
    }
  };
}

/** What a parser of your own has read, otherwise the text of the body. Undefined if it is too long. */
async function bodyOf(request: ExpressRequest, most = MAX_BODY): Promise<string | Record<string, unknown> | undefined> {
  if (request.body instanceof Uint8Array) return new TextDecoder().decode(request.body);
  if (typeof request.body === "object" && request.body !== null) return request.body as Record<string, unknown>;
  const decoder = new TextDecoder();
  let text = "";
  // Read to its end: to stop in between would close the connection before the response is sent.
  for await (const part of request) {
    if (text.length <= most) text += typeof part === "string" ? part : decoder.decode(part, { stream: true });
  }
  return text.length > most ? undefined : text + decoder.decode();
}

function incomingOf(request: ExpressRequest): Incoming {
  const [path = "/", query = ""] = request.originalUrl.split(/\?(.*)/s);
  const header = (name: string) => String(request.headers[name] ?? "");
  return { method: request.method, path, query, scheme: request.protocol, header, address: request.ip };
}

function send(response: ExpressResponse, { status, headers, body }: Outgoing): void {
  response.status(status);
  for (const [name, value] of headers) name === "Set-Cookie" ? response.append(name, value) : response.set(name, value);
  response.end(body);
}
