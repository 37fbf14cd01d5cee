// People sign in to an application whose handlers turn a `Request` into a `Response`: Next.js, Hono, Deno, Bun.
import type { User } from "./generated/types.js";
import { type Current, type Incoming, MAX_BODY, type Outgoing, SignInPages, type SignInOptions, Unavailable, userOf } from "./signIn.js";

export { escapeHtml, type Page, type SignInOptions } from "./signIn.js";

export interface FetchSignInOptions extends SignInOptions {
  /** The IP address of the person, such as the last one of `X-Forwarded-For`, which your proxy appends. */
  address?: ((request: Request) => string | undefined) | undefined;
}

export type Handler = (request: Request) => Promise<Response>;

/**
 * The pages `/sign-in`, `/sign-up`, `/sign-out`, `/forgot-password` and `/confirm-email`, and who is signed in.
 *
 * @example
 * const shop = signIn({ url: "https://shop.example.com" });
 * export const GET = shop.required((request, user) => new Response(`Hello, ${user.name}!`));
 */
export function signIn({ address, ...options }: FetchSignInOptions = {}) {
  const pages = new SignInPages(options);

  function incomingOf(request: Request, body = ""): Incoming {
    const { pathname, search, protocol } = new URL(request.url);
    const header = (name: string) => request.headers.get(name) ?? "";
    const scheme = protocol.slice(0, -1);
    return { method: request.method, path: pathname, query: search.slice(1), scheme, header, address: address?.(request), body };
  }

  /** The response, with the cookie of a session that was refreshed. */
  async function checked(request: Request, respond: (user: User | undefined) => Response | Promise<Response> | undefined) {
    const incoming = incomingOf(request);
    let current: Current;
    try {
      current = await pages.current(incoming);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      return responseOf(pages.unavailable(incoming, error));
    }
    const response = (await respond(userOf(current))) ?? responseOf(pages.askedToSignIn(incoming));
    const kept = new Response(response.body, response);
    for (const [name, value] of current.headers) name === "Set-Cookie" ? kept.headers.append(name, value) : kept.headers.set(name, value);
    return kept;
  }

  return {
    /** Responds to the requests of these pages, and to others with 404. */
    pages: (async (request) => {
      if (!pages.has(request.method, new URL(request.url).pathname)) return new Response("Not found", { status: 404 });
      const body = await textOf(request);
      return body === undefined ? new Response(null, { status: 413 }) : responseOf(await pages.answer(incomingOf(request, body)));
    }) as Handler,
    /** A handler for people who are signed in. Others are sent to sign in, and come back. */
    required:
      (handle: (request: Request, user: User) => Response | Promise<Response>): Handler =>
      (request) =>
        checked(request, (user) => user && handle(request, user)),
    /** A handler that greets whoever is signed in, and is for others, too. */
    optional:
      (handle: (request: Request, user: User | undefined) => Response | Promise<Response>): Handler =>
      (request) =>
        checked(request, (user) => handle(request, user)),
  };
}

/** The text of the body. Undefined if it is too long. */
async function textOf(request: Request): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  const reader = request.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    text += decoder.decode(part.value, { stream: true });
    if (text.length > MAX_BODY) return undefined;
  }
  return text + decoder.decode();
}

function responseOf({ status, headers, body }: Outgoing): Response {
  return new Response(status === 204 ? null : body, { status, headers });
}
