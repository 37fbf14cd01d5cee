// What calls throw. `codes.ts` has a class for each error code of the API.

/** Everything that a call throws, except for the reason of your own `AbortSignal`. */
export class RollbookError extends Error {
  override name = "RollbookError";
}

/** No response came: the server can't be reached, or the connection was lost. The cause is in `cause`. */
export class ConnectionFailed extends RollbookError {
  override name = "ConnectionFailed";
}

/** No response came within `timeout`. */
export class TimedOut extends ConnectionFailed {
  override name = "TimedOut";
}

/** The response is not one of a Rollbook server. Check the URL, and proxies in between. */
export class UnexpectedResponse extends RollbookError {
  override name = "UnexpectedResponse";
}

/** The request is not from your Rollbook, was changed on its way, or is an old one sent again. Respond with status 400. */
export class WebhookVerificationError extends RollbookError {
  override name = "WebhookVerificationError";
}

/** One thing that is wrong with a request. */
export interface Fault {
  /** The query parameter, header or field of the body. */
  param: string;
  message: string;
}

/** The body of an error response. */
export interface ErrorBody {
  error?: string;
  code?: string;
  param?: string;
  errors?: Fault[];
  request_id?: string;
  doc_url?: string;
  challenge?: string;
  retry_after?: number;
}

/** An error response. Subclasses tell what is wrong; one that is newer than this client has the class of its status, or this one. */
export class APIError extends RollbookError {
  /** The HTTP status. */
  readonly status: number;
  /** What went wrong, for programs. Later versions of the server have more codes. */
  readonly code: string;
  /** The first query parameter, header or field that is at fault. */
  readonly param: string | undefined;
  /** Everything that is wrong with the request. */
  readonly faults: readonly Fault[];
  /** To be sent with a code, where a second factor is required. */
  readonly challenge: string | undefined;
  /** Find the request in the server's log with it. */
  readonly requestId: string | undefined;
  /** The documentation of this error. */
  readonly docUrl: string | undefined;
  /** Seconds after which the same request can succeed, if the server says so. */
  readonly retryAfter: number | undefined;
  /** Empty if no response has brought the error, but the pacing or a message of the event stream. */
  readonly headers: Headers;

  constructor(status: number, body: ErrorBody, headers = new Headers()) {
    super(body.error ?? `The server responded with status ${status}.`);
    // As its class is named, also where a bundler shortens names.
    this.name = body.code?.replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase()) ?? "APIError";
    this.status = status;
    this.code = body.code ?? "";
    this.param = body.param;
    this.faults = body.errors ?? [];
    this.challenge = body.challenge;
    this.requestId = body.request_id ?? headers.get("x-request-id") ?? undefined;
    this.docUrl = body.doc_url;
    this.retryAfter = body.retry_after ?? seconds(headers.get("retry-after"));
    this.headers = headers;
  }
}

/** `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). */
function seconds(field: string | null): number | undefined {
  if (!field) return undefined;
  const number = /^\d+$/.test(field) ? Number(field) : (Date.parse(field) - Date.now()) / 1000;
  return Number.isNaN(number) ? undefined : Math.max(0, number);
}
