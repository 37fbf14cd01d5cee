// The app: https://docs.zapier.com/platform/build-cli/overview
"use strict";

const { authentication, addKey, explainErrors } = require("./lib/api");
const { version } = require("./package.json");
const { changedUser, newUser, userList } = require("./triggers/users");
const { activateUser, createSetupLink, createUser, suspendUser, updateUser } = require("./creates/users");
const findUser = require("./searches/user");

const byKey = (...each) => Object.fromEntries(each.map((one) => [one.key, one]));

module.exports = {
  version,
  platformVersion: require("zapier-platform-core").version,
  authentication,
  beforeRequest: [addKey],
  afterResponse: [explainErrors],
  triggers: byKey(newUser, changedUser, userList),
  creates: byKey(createUser, updateUser, suspendUser, activateUser, createSetupLink),
  searches: byKey(findUser),
  searchOrCreates: {
    [findUser.key]: {
      key: findUser.key,
      display: { label: "Find or Create User", description: "Finds a user, or creates one if there is none." },
      search: findUser.key,
      create: createUser.key,
    },
  },
};
