// How the app calls Rollbook: with the server and key of the connection, and errors that a person can read.
"use strict";

const authentication = {
  type: "custom",
  fields: [
    {
      key: "url",
      label: "Server URL",
      type: "string",
      required: true,
      placeholder: "https://users.example.com",
      helpText: "The URL of your Rollbook server, without `/v1`. Zapier must be able to reach it.",
    },
    {
      key: "key",
      label: "API Key",
      type: "password",
      required: true,
      helpText:
        "A key of an admin with the scopes `users:read`, `users:write`, `tokens:create`, `events:read`, `webhooks:read` and `webhooks:write`.",
    },
  ],
  test: (z, bundle) => call(z, bundle, "GET", "/users/me"),
  connectionLabel: "{{bundle.inputData.email}}",
};

/** The answer to a call, as JSON. */
const call = async (z, bundle, method, path, { params, body } = {}) => {
  const url = `${bundle.authData.url.replace(/\/+$/, "")}/v1${path}`;
  const response = await z.request({ method, url, params, body });
  return response.data;
};

const addKey = (request, z, bundle) => {
  if (bundle.authData?.key) request.headers.Authorization = `Bearer ${bundle.authData.key}`;
  return request;
};

const explainErrors = (response, z) => {
  if (response.status < 400) return response;
  let found = {};
  try {
    found = JSON.parse(response.content);
  } catch {
    // Not from Rollbook: a proxy in front of it, or another server.
  }
  const message = found.error ?? `The server answered with the status ${response.status}.`;
  if (response.status === 429) {
    throw new z.errors.ThrottledError(message, Number(response.getHeader("retry-after")) || 60);
  }
  throw new z.errors.Error(message, found.code ?? "unknown", response.status);
};

/** An ID in a path. */
const id = (text) => encodeURIComponent(text);

module.exports = { authentication, addKey, call, explainErrors, id };
