// A web application that signs people in with openid-client: the page they come back to shows what it was told.
import { createServer } from "node:http";
import * as client from "openid-client";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, PORT, NODES } = process.env;
const here = `http://localhost:${PORT}`;
const nodes = NODES.split(" ");
const begun = new Map();
let requests = 0;
let session;

// Each request goes to the next node, as behind a load balancer.
const toNextNode = (url, options) => fetch(url.replace(ISSUER, nodes[requests++ % nodes.length]), options);
const config = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, client.ClientSecretBasic(CLIENT_SECRET), {
  execute: [client.allowInsecureRequests],
  [client.customFetch]: toNextNode,
});

async function signIn() {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const checks = { pkceCodeVerifier, expectedState: client.randomState(), expectedNonce: client.randomNonce() };
  begun.set(checks.expectedState, checks);
  return client.buildAuthorizationUrl(config, {
    redirect_uri: `${here}/callback`,
    scope: "openid profile email groups offline_access",
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    state: checks.expectedState,
    nonce: checks.expectedNonce,
  });
}

async function callback(url) {
  const checks = begun.get(url.searchParams.get("state"));
  const first = await client.authorizationCodeGrant(config, url, { ...checks, idTokenExpected: true });
  const claims = first.claims();
  session = { sub: claims.sub, ...(await client.refreshTokenGrant(config, first.refresh_token)) };
  return { claims, userinfo: await client.fetchUserInfo(config, session.access_token, claims.sub) };
}

const outcome = (promise) => promise.then(() => "works", (error) => error.error ?? error.status);

async function leftOfSession() {
  return {
    userinfo: await outcome(client.fetchUserInfo(config, session.access_token, session.sub)),
    refresh: await outcome(client.refreshTokenGrant(config, session.refresh_token)),
  };
}

const pages = {
  "/": signIn,
  "/callback": callback,
  "/sign-out": () =>
    client.buildEndSessionUrl(config, { id_token_hint: session.id_token, post_logout_redirect_uri: `${here}/left` }),
  "/revoke": async () => {
    await client.tokenRevocation(config, session.refresh_token);
    return new URL(`${here}/left`);
  },
  "/left": leftOfSession,
  "/health": () => ({}),
};

createServer(async (request, response) => {
  const url = new URL(request.url, here);
  try {
    const result = await (pages[url.pathname] ?? (() => ({})))(url);
    if (result instanceof URL) response.writeHead(302, { Location: result.href }).end();
    else response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(result));
  } catch (error) {
    console.error(error);
    response.writeHead(500, { "Content-Type": "application/json" }).end(JSON.stringify({ error: String(error) }));
  }
}).listen(Number(PORT), "127.0.0.1");
