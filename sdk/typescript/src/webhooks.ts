// Verifies requests of webhooks, signed as Standard Webhooks says (standardwebhooks.com).
import { WebhookVerificationError } from "./errors.js";
import type { Event } from "./generated/types.js";

export interface VerifyOptions {
  /** Seconds that the timestamp may be off, so that no one can send an old request again. By default 300. */
  tolerance?: number | undefined;
}

/**
 * Checks the signature of a webhook's request and returns its event. It may come more than once: handle each `id` once.
 *
 * @param payload The body as it arrived. JSON that was decoded and encoded again is not what was signed.
 * @param headers Of a `Request`, or of Node.js: `request.headers`.
 * @param secret The webhook's, `whsec_…`.
 * @throws {WebhookVerificationError} No signature is right, or the timestamp is too far off.
 * @throws {TypeError} The secret is not one.
 * @example
 * const event = await webhooks.verify(await request.text(), request.headers, process.env.WEBHOOK_SECRET);
 */
export async function verify<T = Event>(
  payload: string | ArrayBuffer | Uint8Array<ArrayBuffer>,
  headers: Headers | Record<string, string | string[] | undefined>,
  secret: string,
  { tolerance = 300 }: VerifyOptions = {},
): Promise<T> {
  const secretBytes = bytes(secret.replace(/^whsec_/, ""));
  if (!secretBytes.length) throw new TypeError("The secret of a webhook is whsec_ and base64.");
  const field = (name: string) => String((headers instanceof Headers ? headers.get(name) : headers[name]) ?? "");
  const [id, timestamp, signatures] = [field("webhook-id"), field("webhook-timestamp"), field("webhook-signature")];
  if (!/^\d+$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > tolerance) {
    throw new WebhookVerificationError("The timestamp of the request is missing or too far off.");
  }
  const content = typeof payload === "string" ? new TextEncoder().encode(payload) : new Uint8Array(payload);
  const signed = new Uint8Array(await new Blob([`${id}.${timestamp}.`, content]).arrayBuffer());
  const key = await crypto.subtle.importKey("raw", secretBytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  // Several while a secret is rotated.
  for (const signature of signatures.split(" ")) {
    const [version, value = ""] = signature.split(",");
    if (version === "v1" && (await crypto.subtle.verify("HMAC", key, bytes(value), signed))) {
      return JSON.parse(new TextDecoder().decode(content)) as T;
    }
  }
  throw new WebhookVerificationError("No signature of the request is right.");
}

/** From base64. None if it is not that. */
function bytes(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}
