// What starts a Zap. Zapier gives each Zap a URL, which gets a webhook of its own as long as the Zap is on.
"use strict";

const { call, id } = require("../lib/api");
const { verified } = require("../lib/signature");

const SAMPLE = {
  id: "evt_065n1ijrg1t7ne57u1m417e15k",
  event: "user.created",
  happened_at: "2023-10-27T11:00:00Z",
  user_id: "user_065n18a8k1rnhbvqalm9j3ts0c",
  name: "Charlie Chaplin",
  email: "charlie@example.com",
  role: "member",
  status: "active",
  external_id: "crm-1042",
  email_verified: false,
  metadata: { plan: "pro" },
  created_at: "2023-10-27T10:15:00Z",
  updated_at: "2023-10-27T11:00:00Z",
};

/** An event as fields of a user, which people map to those of other apps. */
const shown = ({ id: event, type, created_at, user_id, object, before }) => ({
  ...object,
  id: event,
  event: type,
  happened_at: created_at,
  user_id,
  ...(before ? { before } : {}),
});

const trigger = (key, label, description, types) => ({
  key,
  noun: "User",
  display: { label, description },
  operation: {
    type: "hook",
    inputFields: [
      {
        key: "imports",
        label: "Include Imports",
        type: "boolean",
        default: "false",
        helpText: "Whether imports of many users start this Zap, once for each user.",
      },
    ],
    performSubscribe: async (z, bundle) => {
      const body = {
        url: bundle.targetUrl,
        types,
        description: `Zapier: ${label}`,
        skip_imports: bundle.inputData.imports !== true,
      };
      const webhook = await call(z, bundle, "POST", "/webhooks", { body });
      return { id: webhook.id, secret: webhook.secret };
    },
    performUnsubscribe: async (z, bundle) => {
      try {
        await call(z, bundle, "DELETE", `/webhooks/${id(bundle.subscribeData.id)}`);
      } catch (error) {
        if (JSON.parse(error.message).status !== 404) throw error;
      }
      return {};
    },
    perform: (z, bundle) => [shown(verified(bundle))],
    performList: async (z, bundle) => {
      const params = { type: types.join(","), order: "desc", limit: 3 };
      return (await call(z, bundle, "GET", "/events", { params })).map(shown);
    },
    sample: { ...SAMPLE, event: types[0] },
  },
});

const newUser = trigger("new_user", "New User", "Triggers when a user is created.", ["user.created"]);

const changedUser = trigger(
  "changed_user",
  "Changed User",
  "Triggers when a user's fields change, or they are suspended, activated or restored.",
  ["user.updated", "user.suspended", "user.activated", "user.restored"],
);

/** Not for Zaps: the users to choose from in other forms. */
const userList = {
  key: "user_list",
  noun: "User",
  display: { label: "List of Users", description: "Lists users to choose from.", hidden: true },
  operation: {
    type: "polling",
    canPaginate: true,
    perform: async (z, bundle) => {
      const limit = 100;
      const params = { limit, offset: limit * (bundle.meta.page ?? 0), sort: "name" };
      const users = await call(z, bundle, "GET", "/users", { params });
      return users.map((each) => ({ ...each, label: `${each.name} (${each.email})` }));
    },
    sample: { id: SAMPLE.user_id, name: SAMPLE.name, email: SAMPLE.email, label: "Charlie Chaplin (charlie@example.com)" },
  },
};

module.exports = { SAMPLE, changedUser, newUser, userList };
