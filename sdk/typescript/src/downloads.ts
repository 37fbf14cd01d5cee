// Responses that are read while they arrive, such as exports.
import type { Caller, CallOptions, Query } from "./client.js";
import { ConnectionFailed } from "./errors.js";

/** A record that was not imported, or whose user was imported without a password. */
export interface Refusal {
  /** The line of the file, or the number of the record in a JSON list, from 1. */
  line: number;
  /** The field that is at fault. */
  field: string | null;
  /** An error code, as that of a request. */
  code: string;
  /** A sentence. */
  reason: string;
  /** Whoever was imported without a password. */
  user_id: string | null;
}

/** Items that arrive one after the other. Nothing is requested before you read them, and each loop starts again. */
export class Download<T> implements AsyncIterable<T> {
  readonly #caller: Caller;
  readonly #path: string;
  readonly #query: Query;
  readonly #options: CallOptions;

  constructor(caller: Caller, path: string, query: Query, options: CallOptions) {
    this.#caller = caller;
    this.#path = path;
    this.#query = query;
    this.#options = options;
  }

  /**
   * The response, to read its bytes in the `format` that you asked for: `response.body` is a stream. Read all of it, cancel it, or abort
   * the signal of the call.
   */
  open(): Promise<Response> {
    return this.#caller.open(this.#path, { ...this.#options, query: this.#query });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    const { response, close } = await connect(this.#caller, this.#path, { ...this.#query, format: "ndjson" }, this.#options);
    try {
      for await (const line of parts(response, "\n")) yield JSON.parse(line) as T;
    } catch (problem) {
      this.#options.signal?.throwIfAborted();
      throw new ConnectionFailed("The response was cut short.", { cause: problem });
    } finally {
      close();
    }
  }
}

/** A response, and what closes its connection. So does the signal of the options. */
export async function connect(caller: Caller, path: string, query: Query, options: CallOptions) {
  const controller = new AbortController();
  const stop = () => controller.abort(options.signal?.reason);
  options.signal?.addEventListener("abort", stop, { once: true });
  const close = (reason?: unknown) => {
    options.signal?.removeEventListener("abort", stop);
    controller.abort(reason);
  };
  try {
    options.signal?.throwIfAborted();
    return { response: await caller.open(path, { ...options, query, signal: controller.signal }), close, signal: controller.signal };
  } catch (problem) {
    close();
    throw problem;
  }
}

/** The parts of a text that are ended by a separator. What comes behind the last one was cut short. */
export async function* parts(response: Response, separator: string, beforeRead?: () => void): AsyncGenerator<string, void, undefined> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    beforeRead?.();
    const { value, done } = await reader.read();
    if (done) return;
    const found = (text + value).split(separator);
    text = found.pop() ?? "";
    yield* found;
  }
}
