// Finds a user for later steps of a Zap.
"use strict";

const { call } = require("../lib/api");
const { USER } = require("../creates/users");

module.exports = {
  key: "find_user",
  noun: "User",
  display: { label: "Find User", description: "Finds a user by email or external ID, or by a part of their name." },
  operation: {
    inputFields: [
      { key: "email", label: "Email", type: "string" },
      { key: "external_id", label: "External ID", type: "string" },
      { key: "q", label: "Part of a Name or Email", type: "string" },
    ],
    perform: (z, bundle) => {
      const { email, external_id, q } = bundle.inputData;
      const asked = Object.entries({ email, external_id, q }).filter(([, value]) => value);
      // Without a condition, the first user of all would be found.
      if (asked.length === 0) throw new z.errors.Error("Enter an email, an external ID or a part of a name.", "empty", 400);
      const params = { ...Object.fromEntries(asked), fields: "*", limit: 1 };
      return call(z, bundle, "GET", "/users", { params });
    },
    sample: USER,
  },
};
