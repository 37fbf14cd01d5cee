import * as client from "@rollbook/client";
import express from "express";

const rollbook = new client.Rollbook({ maxWait: 2000, timeout: 10_000 });
const shop = process.env.SHOP_URL; // the URL of this application, also the audience of its sessions
const fields = ["email_verified"]; // of the user, beside name and email
const refreshing = new Map();
const app = express().use(express.static("public"), onlyJson, express.json());

/** Forms of other sites can't send this type. */
function onlyJson(request, response, next) {
  if (request.method !== "POST" || request.get("content-type")?.startsWith("application/json")) next();
  else response.status(415).json({ error: "Send JSON." });
}

/** A refresh token works once, but a browser may send several requests with it at the same time. */
function refresh(refreshToken) {
  if (!refreshing.has(refreshToken)) {
    refreshing.set(refreshToken, rollbook.sessions.refresh({ refresh_token: refreshToken, audience: shop }));
    setTimeout(() => refreshing.delete(refreshToken), 10_000);
  }
  return refreshing.get(refreshToken);
}

/** Keep a session in a cookie of the browser. */
function keep(response, session) {
  // Browsers make an exception from `secure` for http://localhost, except Safari.
  const options = { maxAge: 30 * 86_400_000, secure: true, httpOnly: true, sameSite: "lax" };
  response.cookie("session", `${session.token}.${session.refresh_token}`, options);
  return session;
}

/** The session of the person who is signed in, for every route that needs one. */
async function signedIn(request, response, next) {
  const [token, refreshToken] = /(?:^|; )session=([^;.]+)\.([^;]+)/.exec(request.headers.cookie ?? "")?.slice(1) ?? [];
  if (!token) return response.status(401).json({ error: "Sign in first." });
  try {
    request.session = await rollbook.sessions.verify({ token, audience: shop, fields });
  } catch (error) {
    if (!(error instanceof client.SessionEnded)) throw error;
    request.session = keep(response, await refresh(refreshToken));
  }
  next();
}

/** Send a link that leads to a page of Rollbook, and from there back here. */
const send = (request, purpose, email) =>
  rollbook.tokens.request({ purpose, email, redirect_url: `${shop}/shop.html`, address: request.ip });

const person = ({ user: { name, email, email_verified } }) => ({ name, email, email_verified });

async function signIn(request, response) {
  const { email, password, challenge, code } = request.body;
  const proof = challenge ? { challenge, code } : { email, password };
  return person(keep(response, await rollbook.sessions.create({ audience: shop, address: request.ip, ...proof })));
}

app.post("/api/users", async (request, response) => {
  const { name, email, password } = request.body;
  await rollbook.users.create({ name, email, password });
  await send(request, "verify_email", email);
  response.status(201).json(await signIn(request, response));
});

app.post("/api/session", async (request, response) => response.json(await signIn(request, response)));

app.get("/api/session", signedIn, (request, response) => response.json(person(request.session)));

app.delete("/api/session", signedIn, async (request, response) => {
  await rollbook.sessions.end(request.session.id);
  response.sendStatus(204);
});

app.post("/api/forgot", async (request, response) => {
  await send(request, "reset_password", request.body.email);
  response.sendStatus(202);
});

app.post("/api/confirmation", signedIn, async (request, response) => {
  await send(request, "verify_email", request.session.user.email);
  response.sendStatus(202);
});

// What to tell a person whose request Rollbook refused.
const told = [client.BadRequest, client.SessionEnded, client.UserSuspended, client.WrongCode, client.WrongPassword];
app.use((error, request, response, next) => {
  if (!(error instanceof client.RollbookError)) next(error);
  else if (error instanceof client.SecondFactorRequired)
    response.status(401).json({ error: error.message, challenge: error.challenge });
  else if (error instanceof client.TooManyAttempts)
    response.status(429).json({ error: `Too many attempts. Try again in ${error.retryAfter} seconds.` });
  else if (told.some((kind) => error instanceof kind)) response.status(error.status).json({ error: error.message });
  else {
    console.error("Rollbook:", error);
    response.status(503).json({ error: "That didn't work. Try again in a minute." });
  }
});

app.listen(process.env.PORT ?? 3000, "127.0.0.1");
