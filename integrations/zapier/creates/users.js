// What a Zap does with users.
"use strict";

const { call, id } = require("../lib/api");
const { SAMPLE } = require("../triggers/users");

const { id: event, event: type, happened_at, user_id, ...fields } = SAMPLE;
const USER = { id: user_id, ...fields };

const USER_ID = {
  key: "user_id",
  label: "User",
  type: "string",
  required: true,
  dynamic: "user_list.id.label",
  search: "find_user.id",
};
const FIELDS = [
  { key: "name", label: "Name", type: "string" },
  { key: "email", label: "Email", type: "string" },
  {
    key: "role",
    label: "Role",
    type: "string",
    choices: { member: "Member", viewer: "Viewer", admin: "Admin", owner: "Owner" },
    helpText: "Other roles than Member need a key with the scope `users:grant`.",
  },
  { key: "external_id", label: "External ID", type: "string", helpText: "Your own identifier for the user. Unique." },
  { key: "email_verified", label: "Email Verified", type: "boolean" },
  { key: "ends_at", label: "Ends At", type: "datetime", helpText: "The user is suspended at this time." },
  { key: "metadata", label: "Metadata", dict: true, helpText: "Your own data about the user." },
];

/** The fields that were filled in. */
const filled = (given) =>
  Object.fromEntries(
    [...FIELDS.map(({ key }) => key), "password"].map((key) => [key, given[key]]).filter(([, value]) => value !== undefined && value !== ""),
  );

const create = (key, label, description, inputFields, perform, sample = USER) => ({
  key,
  noun: "User",
  display: { label, description },
  operation: { inputFields, perform, sample },
});

const createUser = create(
  "create_user",
  "Create User",
  "Creates a user. Without a password, they are invited: create a link for them.",
  [
    ...FIELDS.map((each) => (["name", "email"].includes(each.key) ? { ...each, required: true } : each)),
    { key: "password", label: "Password", type: "password", helpText: "8 to 256 characters." },
  ],
  (z, bundle) => {
    const body = filled(bundle.inputData);
    if (!body.password) body.status = "invited";
    return call(z, bundle, "POST", "/users", { params: { fields: "*" }, body });
  },
);

const updateUser = create(
  "update_user",
  "Update User",
  "Changes fields of a user. What you leave empty stays as it is, and metadata is merged.",
  [USER_ID, ...FIELDS],
  (z, bundle) =>
    call(z, bundle, "PATCH", `/users/${id(bundle.inputData.user_id)}`, {
      params: { fields: "*" },
      body: filled(bundle.inputData),
    }),
);

const suspendUser = create(
  "suspend_user",
  "Suspend User",
  "Suspends a user: they can't sign in or use their API keys until they are activated.",
  [USER_ID],
  (z, bundle) => call(z, bundle, "POST", `/users/${id(bundle.inputData.user_id)}/suspend`, { params: { fields: "*" } }),
);

const activateUser = create(
  "activate_user",
  "Activate User",
  "Activates a suspended user.",
  [USER_ID],
  (z, bundle) => call(z, bundle, "POST", `/users/${id(bundle.inputData.user_id)}/activate`, { params: { fields: "*" } }),
);

const createSetupLink = create(
  "create_setup_link",
  "Create Link",
  "Creates a link with which a user sets or resets their password. Send it to them by email.",
  [USER_ID],
  async (z, bundle) => {
    const path = `/users/${id(bundle.inputData.user_id)}`;
    const { status } = await call(z, bundle, "GET", path, {});
    const body = status === "invited" ? { purpose: "invite" } : { purpose: "reset_password", expires_in: 259200 };
    return call(z, bundle, "POST", `${path}/tokens`, { body });
  },
  { url: "https://users.example.com/set-password/EXAMPLE", expires_at: "2023-10-30T10:00:00Z" },
);

module.exports = { USER, activateUser, createSetupLink, createUser, suspendUser, updateUser };
