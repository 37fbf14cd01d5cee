import * as client from "@rollbook/client";
import { cookies } from "next/headers";

export const rollbook = new client.Rollbook({ maxWait: 2000, timeout: 10_000 });
const shop = process.env.SHOP_URL; // the URL of this application, also the audience of its sessions
const fields = ["email_verified"]; // of the user, beside name and email
const refreshing = (globalThis.refreshing ??= new Map());

/** A refresh token works once, but a browser may send several requests with it at the same time. */
function refresh(refreshToken) {
  if (!refreshing.has(refreshToken)) {
    refreshing.set(refreshToken, rollbook.sessions.refresh({ refresh_token: refreshToken, audience: shop }));
    setTimeout(() => refreshing.delete(refreshToken), 10_000);
  }
  return refreshing.get(refreshToken);
}

/** Keep a session in a cookie of the browser. */
async function keep(session) {
  // Browsers make an exception from `secure` for http://localhost, except Safari.
  const options = { maxAge: 30 * 86_400, secure: true, httpOnly: true, sameSite: "lax" };
  (await cookies()).set("session", `${session.token}.${session.refresh_token}`, options);
  return session;
}

/** The session of the person who is signed in, or undefined. */
export async function currentSession() {
  const [token, refreshToken] = (await cookies()).get("session")?.value.split(".") ?? [];
  if (!token) return undefined;
  try {
    return await rollbook.sessions.verify({ token, audience: shop, fields });
  } catch (error) {
    if (!(error instanceof client.SessionEnded)) throw error;
  }
  try {
    return await keep(await refresh(refreshToken));
  } catch (error) {
    if (!(error instanceof client.SessionEnded)) throw error;
    return undefined;
  }
}

/** `proof` is an email and a password, or the challenge that they were answered with and a code. */
export async function signIn(request, { email, password, challenge, code }) {
  const proof = challenge ? { challenge, code } : { email, password };
  return keep(await rollbook.sessions.create({ audience: shop, address: addressOf(request), ...proof }));
}

/** Send a link that leads to a page of Rollbook, and from there back here. */
export const send = (request, purpose, email) =>
  rollbook.tokens.request({ purpose, email, redirect_url: `${shop}/shop.html`, address: addressOf(request) });

/** The address of the person. Your proxy has appended it; what stands before it is written by the client. */
const addressOf = (request) => request.headers.get("x-forwarded-for")?.split(",").at(-1)?.trim();

export const person = ({ user: { name, email, email_verified } }) => ({ name, email, email_verified });

const told = [client.BadRequest, client.UserSuspended, client.WrongCode, client.WrongPassword];

/** A route handler that tells a person whose request Rollbook refused what to do. */
export const handler = (handle) => async (request) => {
  const answer = (status, message, more) => Response.json({ error: message, ...more }, { status });
  // Forms of other sites can't send this type.
  if (request.method === "POST" && !request.headers.get("content-type")?.startsWith("application/json"))
    return answer(415, "Send JSON.");
  try {
    return await handle(request);
  } catch (error) {
    if (!(error instanceof client.RollbookError)) throw error;
    if (error instanceof client.SecondFactorRequired) return answer(401, error.message, { challenge: error.challenge });
    if (error instanceof client.TooManyAttempts)
      return answer(429, `Too many attempts. Try again in ${error.retryAfter} seconds.`);
    if (told.some((kind) => error instanceof kind)) return answer(error.status, error.message);
    console.error("Rollbook:", error);
    return answer(503, "That didn't work. Try again in a minute.");
  }
};
