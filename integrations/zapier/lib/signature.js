// Whether a request comes from Rollbook: https://www.standardwebhooks.com
"use strict";

const { Webhook } = require("standardwebhooks");

/**
 * The event of a request as Zapier hands it to triggers. Throws if it is not signed with the secret of the subscription,
 * or was signed more than five minutes ago.
 */
const verified = (bundle) => {
  const { content, headers } = bundle.rawRequest;
  // Zapier writes `webhook-id` as `Http-Webhook-Id`.
  const plain = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase().replace(/^http-/, ""), value]),
  );
  return new Webhook(bundle.subscribeData?.secret ?? "").verify(content, plain);
};

module.exports = { verified };
