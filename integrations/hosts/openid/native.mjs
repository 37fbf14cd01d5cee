// A native application that signs one person in with AppAuth: it prints where their browser goes, listens on its own port
// of this machine (RFC 8252, section 7.3), and prints what it was told.
import { registerHooks } from "node:module";

// AppAuth is published for bundlers, which find files without their extension.
const isOfAppAuth = (name, parent) => /^\.\.?\/.*(?<!\.js)$/.test(name) && parent.includes("/@openid/appauth/");
registerHooks({
  resolve: (name, context, next) => next(isOfAppAuth(name, context.parentURL ?? "") ? `${name}.js` : name, context),
});
const {
  AuthorizationNotifier,
  AuthorizationRequest,
  AuthorizationServiceConfiguration,
  BaseTokenRequestHandler,
  GRANT_TYPE_AUTHORIZATION_CODE,
  GRANT_TYPE_REFRESH_TOKEN,
  RevokeTokenRequest,
  TokenRequest,
} = await import("@openid/appauth/built/src/index.js");
const { NodeBasedHandler } = await import("@openid/appauth/built/src/node_support/node_request_handler.js");
const { NodeCrypto } = await import("@openid/appauth/built/src/node_support/crypto_utils.js");
const { NodeRequestor } = await import("@openid/appauth/built/src/node_support/node_requestor.js");

const { ISSUER, CLIENT_ID, PORT } = process.env;
const client = { client_id: CLIENT_ID, redirect_uri: `http://127.0.0.1:${PORT}/` };
const requestor = new NodeRequestor();
const tokens = new BaseTokenRequestHandler(requestor);

async function tell(config, request, { code }) {
  const ask = (fields) => tokens.performTokenRequest(config, new TokenRequest({ ...client, ...fields }));
  const extras = { code_verifier: request.internal.code_verifier };
  const first = await ask({ grant_type: GRANT_TYPE_AUTHORIZATION_CODE, code, extras });
  const refresh = { grant_type: GRANT_TYPE_REFRESH_TOKEN };
  const renewed = await ask({ ...refresh, refresh_token: first.refreshToken });
  const authorization = { Authorization: `Bearer ${renewed.accessToken}` };
  const userinfo = await (await fetch(config.userInfoEndpoint, { headers: authorization })).json();
  await tokens.performRevokeTokenRequest(config, new RevokeTokenRequest({ token: renewed.refreshToken, ...client }));
  const after = await ask({ ...refresh, refresh_token: renewed.refreshToken }).then(() => "works", (error) => error.message);
  console.log(JSON.stringify({ idToken: renewed.idToken, userinfo, after }));
}

AuthorizationServiceConfiguration.fetchFromIssuer(ISSUER, requestor).then((config) => {
  const handler = new NodeBasedHandler(Number(PORT));
  const notifier = new AuthorizationNotifier();
  handler.setAuthorizationNotifier(notifier);
  notifier.setAuthorizationListener((request, response, error) => {
    if (error) throw new Error(JSON.stringify(error));
    tell(config, request, response);
  });
  const fields = { ...client, scope: "openid profile email offline_access", response_type: "code" };
  handler.performAuthorizationRequest(config, new AuthorizationRequest(fields, new NodeCrypto()));
});
