// Pages on which people sign up, in and out, and the session that a request belongs to. Free of any framework.
import * as errors from "./errors.js";
import * as codes from "./generated/codes.js";
import { Rollbook } from "./generated/rollbook.js";
import type { SessionTokens, User, VerifiedSession } from "./generated/types.js";

/** A page for `page` to render: `title`, `problem` and `notice` as text, `form` as HTML. */
export interface Page {
  title: string;
  form: string;
  problem: string;
  notice: string;
}

export interface SignInOptions {
  /** By default one that reads ROLLBOOK_URL and ROLLBOOK_KEY. */
  client?: Rollbook | undefined;
  /** Of this application, such as `https://shop.example.com`. Links in emails lead back to it. */
  url?: string | undefined;
  /** Of sessions, if the API key has several or none. */
  audience?: string | undefined;
  /** False if people can't create an account themselves. */
  signUp?: boolean | undefined;
  /** Renders a page in your layout and returns HTML. */
  page?: ((page: Page) => string) | undefined;
}

/** A request, as far as signing in reads it. */
export interface Incoming {
  method: string;
  /** As it was sent, without the query. */
  path: string;
  query: string;
  scheme: string;
  /** A header, by its name in lower case. */
  header: (name: string) => string;
  /** IP address of the person. */
  address?: string | undefined;
  /** The body, or the fields of a form or of a JSON object that was read before. */
  body?: string | Record<string, unknown> | undefined;
}

export interface Outgoing {
  status: number;
  headers: [name: string, value: string][];
  body: string;
}

/** The session that a request belongs to. `headers` are of the response, whatever else it says. */
export interface Current {
  session?: SessionTokens | VerifiedSession | undefined;
  headers: [name: string, value: string][];
}

type Fields = Record<string, string>;
type Handler = (request: Incoming, fields: Fields) => Promise<Outgoing>;

/** Bytes of a form. */
export const MAX_BODY = 65_536;
const REMEMBERED = 10_000;
const COOKIE = "session";
/** Browsers accept it only over TLS, without a domain: no other subdomain can set it. */
const SECURE_COOKIE = "__Host-session";
const TOKENS = /^(rbs_[\w-]{1,96})\.(rbr_[\w-]{1,96})$/;
const NO_STORE: [string, string] = ["Cache-Control", "no-store"];
/** What a person can do something about. Everything else is about the application, and is logged. */
const MISTAKES = [codes.BadRequest, codes.ChallengeInvalid, codes.UserSuspended, codes.WrongCode, codes.WrongPassword];
const OURS = ["redirect_url", "audience", "address", "user_agent"];

/** No one can say who the person is. */
export class Unavailable extends errors.RollbookError {
  override name = "Unavailable";
}

/** Text for HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

export class SignInPages {
  readonly #client: Rollbook;
  readonly #url: string | undefined;
  readonly #audience: { audience?: string };
  readonly #page: (page: Page) => string;
  readonly #refreshed = new Map<string, Promise<SessionTokens>>();
  readonly #gets: Record<string, (after: string, fields: Fields) => Page>;
  readonly #posts: Record<string, Handler>;

  constructor({ client, url, audience, signUp = true, page = plain }: SignInOptions = {}) {
    this.#client = client ?? new Rollbook({ maxWait: 2000, timeout: 10_000 });
    this.#url = url?.replace(/\/+$/, "");
    this.#audience = audience ? { audience } : {};
    this.#page = page;
    this.#gets = { "/sign-in": (after, fields) => signInPage(after, fields, signUp), "/forgot-password": forgotPage };
    this.#posts = {
      "/sign-in": (request, fields) => this.#signIn(request, fields),
      "/forgot-password": (request, fields) => this.#forgot(request, fields),
      "/sign-out": (request) => this.#signOut(request),
      "/confirm-email": (request) => this.#confirm(request),
    };
    if (signUp) {
      this.#gets["/sign-up"] = signUpPage;
      this.#posts["/sign-up"] = (request, fields) => this.#signUp(request, fields);
    }
  }

  /** Tests whether `answer` is for this request. */
  has(method: string, path: string): boolean {
    return Object.hasOwn(method === "POST" ? this.#posts : /^(GET|HEAD)$/.test(method) ? this.#gets : {}, path);
  }

  /** The response to a request of these pages. */
  async answer(request: Incoming): Promise<Outgoing> {
    if (request.method !== "POST") {
      const after = local(new URLSearchParams(request.query).get("next"));
      return this.#shown(this.#gets[request.path]!(after, {}));
    }
    if (!this.#isFromHere(request)) {
      return this.#said(request, 403, "This form was sent from another site. Open the page, and try again.");
    }
    const fields = fieldsOf(request);
    if (fields === undefined) return this.#said(request, 415, "Send a form, or JSON.");
    try {
      return await this.#posts[request.path]!(request, fields);
    } catch (error) {
      if (!(error instanceof errors.RollbookError)) throw error;
      return this.#refused(request, fields, error);
    }
  }

  /** The session of the person who sent the request. Throws Unavailable. */
  async current(request: Incoming): Promise<Current> {
    const tokens = this.#tokens(request);
    if (!tokens) return { headers: [] };
    let session: SessionTokens | undefined;
    try {
      try {
        const session = await this.#client.sessions.verify({ token: tokens[0], fields: ["*"], ...this.#audience });
        return { session, headers: [] };
      } catch (error) {
        if (!(error instanceof codes.SessionEnded)) throw error;
      }
      session = await this.#refresh(tokens[1]);
    } catch (error) {
      if (!(error instanceof codes.SessionEnded)) throw new Unavailable(String(error), { cause: error });
    }
    return { session, headers: [this.#cookie(request, session), NO_STORE] };
  }

  /** The response to a request that needs a person who is signed in. */
  askedToSignIn(request: Incoming): Outgoing {
    if (request.method === "GET" && request.header("accept").includes("text/html")) {
      const path = request.path + (request.query ? `?${request.query}` : "");
      return redirect(`/sign-in?next=${encodeURIComponent(path)}`);
    }
    return json(401, { error: "Sign in first." });
  }

  /** The response while no one can say who the person is. */
  unavailable(request: Incoming, error: Error): Outgoing {
    console.error(`Rollbook: ${error.message}`);
    return this.#said(request, 503, "That didn't work. Try again in a minute.");
  }

  /** A refresh token works once: the first request sends it, and those beside it get the same result. */
  #refresh(token: string): Promise<SessionTokens> {
    const known = this.#refreshed.get(token);
    if (known) return known;
    const result = this.#client.sessions.refresh({ refresh_token: token, ...this.#audience });
    this.#refreshed.set(token, result);
    const timer: unknown = setTimeout(() => this.#refreshed.delete(token), REMEMBERED);
    (timer as { unref?: () => void }).unref?.(); // Node.js ends without waiting for it
    result.catch((error: unknown) => {
      if (!(error instanceof codes.SessionEnded)) this.#refreshed.delete(token);
    });
    return result;
  }

  // ---- what people send

  #signIn(request: Incoming, fields: Fields): Promise<Outgoing> {
    const { email = "", password = "", challenge, code = "" } = fields;
    return this.#signedIn(request, fields, challenge === undefined ? { email, password } : { challenge, code });
  }

  async #signedIn(request: Incoming, fields: Fields, proof: Fields): Promise<Outgoing> {
    const session = await this.#client.sessions.create({
      ...this.#audience,
      ...(request.address && { address: request.address }),
      ...(request.header("user-agent") && { user_agent: request.header("user-agent") }),
      ...proof,
    });
    const cookie = this.#cookie(request, session);
    const { id, name, email, email_verified } = session.user;
    return isJson(request) ? json(200, { id, name, email, email_verified }, cookie) : redirect(local(fields.next), cookie);
  }

  async #signUp(request: Incoming, fields: Fields): Promise<Outgoing> {
    const { name = "", email = "", password = "" } = fields;
    await this.#client.users.create({ name, email, password });
    try {
      await this.#send(request, "verify_email", email);
    } catch (error) {
      console.error(`Rollbook: ${(error as Error).message}`); // the account exists, and the link can be sent again
    }
    return this.#signedIn(request, fields, { email, password });
  }

  async #signOut(request: Incoming): Promise<Outgoing> {
    const { session } = await this.current(request);
    try {
      if (session) await this.#client.sessions.end(session.id);
    } catch (error) {
      if (!(error instanceof codes.NotFound)) throw error; // otherwise another click has ended it
    }
    const cookie = this.#cookie(request, undefined);
    return isJson(request) ? { status: 204, headers: [cookie], body: "" } : redirect("/sign-in", cookie);
  }

  async #forgot(request: Incoming, { email = "" }: Fields): Promise<Outgoing> {
    await this.#send(request, "reset_password", email);
    return this.#said(request, 202, "", "If you have an account, you get an email with a link.");
  }

  async #confirm(request: Incoming): Promise<Outgoing> {
    const { session, headers } = await this.current(request);
    if (!session) return this.askedToSignIn(request);
    await this.#send(request, "verify_email", session.user.email);
    const answer = this.#said(request, 202, "", "You get an email with a link.");
    return { ...answer, headers: [...answer.headers, ...headers] };
  }

  /** The link leads to a page of Rollbook, and from there back. */
  async #send(request: Incoming, purpose: "verify_email" | "reset_password", email: string): Promise<void> {
    await this.#client.tokens.request({
      purpose,
      email,
      ...(this.#url && { redirect_url: `${this.#url}/${purpose === "reset_password" ? "sign-in" : ""}` }),
      ...(request.address && { address: request.address }),
    });
  }

  // ---- what they see

  #refused(request: Incoming, fields: Fields, error: errors.RollbookError): Outgoing {
    const after = local(fields.next);
    if (error instanceof codes.SecondFactorRequired) {
      const { challenge = "" } = error;
      return isJson(request) ? json(401, { error: error.message, challenge }) : this.#shown(codePage(after, challenge), 401);
    }
    const isTooMany = error instanceof codes.TooManyAttempts;
    const isMistake = MISTAKES.some((kind) => error instanceof kind) && !OURS.includes((error as errors.APIError).param ?? "");
    if (!isTooMany && !isMistake) return this.unavailable(request, error);
    const { status, retryAfter, message } = error as errors.APIError;
    const problem = isTooMany ? `Too many attempts. Try again in ${Math.ceil(retryAfter ?? 60)} seconds.` : message;
    if (isJson(request)) return json(status, { error: problem });
    const page =
      error instanceof codes.WrongCode
        ? codePage(after, fields.challenge ?? "")
        : (this.#gets[request.path] ?? this.#gets["/sign-in"]!)(after, fields);
    return this.#shown({ ...page, problem }, status);
  }

  #said(request: Incoming, status: number, problem: string, notice = ""): Outgoing {
    if (isJson(request)) return json(status, problem ? { error: problem } : { notice });
    return this.#shown({ title: problem ? "Sign in" : "Check your mail", form: "", problem, notice }, status);
  }

  #shown(page: Page, status = 200): Outgoing {
    const headers: [string, string][] = [
      ["Content-Type", "text/html; charset=utf-8"],
      NO_STORE,
      ["Referrer-Policy", "same-origin"],
      ["Content-Security-Policy", "frame-ancestors 'none'"],
    ];
    return { status, headers, body: this.#page(page) };
  }

  // ---- cookies and origins

  /** Tests whether a page of this application sent the request, or no browser did (Fetch Metadata, RFC 6454). */
  #isFromHere(request: Incoming): boolean {
    const site = request.header("sec-fetch-site");
    if (site) return site === "same-origin" || site === "none";
    const origin = request.header("origin");
    if (!origin) return true;
    const here = this.#url ? new URL(this.#url).host : request.header("host");
    return URL.canParse(origin) && new URL(origin).host === here;
  }

  /** Tests whether the cookie is for TLS only: everywhere but on the machine of a developer. */
  #needsTls(request: Incoming): boolean {
    if (this.#url) return this.#url.startsWith("https:");
    if (request.scheme === "https" || request.header("origin").startsWith("https:")) return true;
    return !/^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(request.header("host"));
  }

  /** The token and the refresh token of the cookie. */
  #tokens(request: Incoming): [string, string] | undefined {
    const pairs = request.header("cookie").split(";").map((pair) => pair.trim().split(/=(.*)/s));
    for (const wanted of this.#needsTls(request) ? [SECURE_COOKIE] : [SECURE_COOKIE, COOKIE]) {
      for (const [name, value = ""] of pairs) {
        const [, token, refreshToken] = TOKENS.exec(value) ?? [];
        if (name === wanted && token && refreshToken) return [token, refreshToken];
      }
    }
    return undefined;
  }

  /** The header that keeps a session in the browser, or removes it. */
  #cookie(request: Incoming, session: SessionTokens | undefined): [string, string] {
    const secure = this.#needsTls(request);
    const value = session ? `${session.token}.${session.refresh_token}` : "";
    const age = session ? Math.max(60, Math.floor((Date.parse(session.refresh_expires_at) - Date.now()) / 1000)) : 0;
    const attributes = `Path=/; Max-Age=${age}; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
    return ["Set-Cookie", `${secure ? SECURE_COOKIE : COOKIE}=${value}; ${attributes}`];
  }
}

/** The person of a session. */
export const userOf = (current: Current | undefined): User | undefined => current?.session?.user;

/** The path, if it leads to this application, otherwise `/`. Browsers read a backslash as a slash, and skip control characters. */
export function local(path: string | null | undefined): string {
  return path && /^\/(?![/\\])[!-~]*$/.test(path) ? path : "/";
}

function type(request: Incoming): string {
  return request.header("content-type").split(";")[0]!.trim().toLowerCase();
}

const isJson = (request: Incoming) => type(request) === "application/json";

/** The fields of a form or of a JSON object. Undefined if the body is something else. */
function fieldsOf(request: Incoming): Fields | undefined {
  const { body } = request;
  if (!body) return {};
  const isForm = type(request) === "application/x-www-form-urlencoded";
  if (!isForm && !isJson(request)) return undefined;
  if (isForm && typeof body === "string") return Object.fromEntries(new URLSearchParams(body));
  try {
    const values: unknown = typeof body === "string" ? JSON.parse(body) : body;
    if (typeof values !== "object" || values === null) return undefined;
    return Object.fromEntries(Object.entries(values).filter((pair): pair is [string, string] => typeof pair[1] === "string"));
  } catch {
    return undefined;
  }
}

function redirect(path: string, ...headers: [string, string][]): Outgoing {
  return { status: 303, headers: [["Location", path], NO_STORE, ...headers], body: "" };
}

function json(status: number, values: Record<string, unknown>, ...headers: [string, string][]): Outgoing {
  return { status, headers: [["Content-Type", "application/json"], NO_STORE, ...headers], body: JSON.stringify(values) };
}

// ---- HTML

const STYLE =
  "body{font:1rem/1.5 system-ui,sans-serif;max-width:22rem;margin:10vh auto;padding:0 1rem}" +
  "input,button{font:inherit;display:block;width:100%;box-sizing:border-box;margin:.25rem 0 1rem;padding:.5rem}" +
  ":root{color-scheme:light dark}[role=alert]{border-left:.25rem solid #c00;padding-left:.75rem}";

function plain({ title, form, problem, notice }: Page): string {
  const said =
    (problem && `<p role="alert">${escapeHtml(problem)}</p>`) + (notice && `<p role="status">${escapeHtml(notice)}</p>`);
  return (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">' +
    `<title>${escapeHtml(title)}</title><style>${STYLE}</style><h1>${escapeHtml(title)}</h1>${said}${form}`
  );
}

/** Label, name, type and `autocomplete` of a field. */
type Field = readonly [label: string, name: string, type: string, autocomplete: string];
const NAME: Field = ["Name", "name", "text", "name"];
const EMAIL: Field = ["Email", "email", "email", "username"];
const PASSWORD: Field = ["Password", "password", "password", "current-password"];
const NEW_PASSWORD: Field = ["Password", "password", "password", "new-password"];
const CODE: Field = ["Code from your authenticator app, or a recovery code", "code", "text", "one-time-code"];

/** A form with these fields; `hidden` ones are sent, too. Passwords and codes are never filled in. */
function form(action: string, button: string, fields: readonly Field[], hidden: Fields, values: Fields = {}): string {
  const sent = Object.entries(hidden).map(([name, value]) => `<input type="hidden" name="${name}" value="${escapeHtml(value)}">`);
  const shown = fields.map(([label, name, type, autocomplete]) => {
    const value = type !== "password" && name !== "code" && values[name] ? ` value="${escapeHtml(values[name])}"` : "";
    return `<label>${label}<input type="${type}" name="${name}"${value} autocomplete="${autocomplete}" required></label>`;
  });
  return `<form method="post" action="${action}">${[...sent, ...shown].join("")}<button>${button}</button></form>`;
}

const hidden = (after: string): Fields => (after === "/" ? {} : { next: after });

function signInPage(after: string, fields: Fields, signUp: boolean): Page {
  const query = after === "/" ? "" : `?next=${encodeURIComponent(after)}`;
  const links =
    '<p><a href="/forgot-password">Forgot your password?</a></p>' +
    (signUp ? `<p><a href="/sign-up${query}">Create an account</a></p>` : "");
  return { title: "Sign in", form: form("/sign-in", "Sign in", [EMAIL, PASSWORD], hidden(after), fields) + links, problem: "", notice: "" };
}

function signUpPage(after: string, fields: Fields): Page {
  const form_ = form("/sign-up", "Create account", [NAME, EMAIL, NEW_PASSWORD], hidden(after), fields);
  return { title: "Create an account", form: form_, problem: "", notice: "" };
}

function forgotPage(): Page {
  return { title: "Forgot your password?", form: form("/forgot-password", "Send me a link", [EMAIL], {}), problem: "", notice: "" };
}

function codePage(after: string, challenge: string): Page {
  return { title: "Second step", form: form("/sign-in", "Continue", [CODE], { ...hidden(after), challenge }), problem: "", notice: "" };
}
