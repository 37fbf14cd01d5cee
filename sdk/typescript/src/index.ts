// Everything that `@rollbook/client` exports.
export type { Answer, Call, CallOptions, Client, ClientOptions, Query, RawOptions, Upload } from "./client.js";
export type { Clock } from "./clock.js";
export type { Download, Refusal } from "./downloads.js";
export * from "./errors.js";
export type { Feed } from "./following.js";
export * from "./generated/codes.js";
export * from "./generated/rollbook.js";
export type * from "./generated/types.js";
export type { List, Page } from "./paging.js";
export * as webhooks from "./webhooks.js";
