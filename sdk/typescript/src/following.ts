// The event log as it grows: server-sent events (WHATWG HTML, section 9.2), and connecting again.
import { type Caller, type CallOptions, delay, type Query } from "./client.js";
import { connect, parts } from "./downloads.js";
import { ConnectionFailed } from "./errors.js";
import { errorOf } from "./generated/codes.js";

/** Milliseconds without a byte after which the connection is lost. The server sends something every 15 seconds. */
const SILENCE = 60_000;

interface Message {
  event: string;
  data: string;
  id: string | undefined;
  retry: number | undefined;
}

/** Events, as they happen, until you leave the loop. */
export class Feed<T> implements AsyncIterable<T> {
  /** Where to go on: the `position` of another `follow`. It moves when you ask for the next event, so an event whose handling failed comes again. */
  position: string | undefined;
  readonly #caller: Caller;
  readonly #path: string;
  readonly #query: Query;
  readonly #options: CallOptions;

  constructor(caller: Caller, path: string, position: string | undefined, query: Query, options: CallOptions) {
    this.#caller = caller;
    this.#path = path;
    this.#query = query;
    this.#options = options;
    this.position = position;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    let connected = false;
    let lost = 0;
    let pause = 1000;
    for (;;) {
      try {
        for await (const message of this.#messages()) {
          connected = true;
          lost = 0;
          if (message.event === "end") throw errorOf(0, JSON.parse(message.data));
          pause = message.retry ?? pause;
          if (message.event.includes(".")) yield JSON.parse(message.data) as T;
          this.position = message.id ?? this.position;
        }
      } catch (problem) {
        this.#options.signal?.throwIfAborted();
        const wait = connected ? delay(problem, lost++) : undefined;
        if (wait === undefined) throw problem;
        pause = Math.max(pause, wait);
      }
      await this.#caller.clock.sleep(pause, this.#options.signal);
    }
  }

  async *#messages(): AsyncGenerator<Message, void, undefined> {
    const { response, close, signal } = await connect(this.#caller, this.#path, { ...this.#query, after: this.position }, this.#options);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const listen = () => {
      clearTimeout(timer);
      timer = setTimeout(() => close(new ConnectionFailed("The event stream fell silent.")), SILENCE);
    };
    try {
      for await (const part of parts(response, "\n\n", listen)) {
        clearTimeout(timer); // while the caller handles it
        yield parse(part);
      }
    } catch (problem) {
      throw signal.aborted ? signal.reason : new ConnectionFailed("The event stream was lost.", { cause: problem });
    } finally {
      clearTimeout(timer);
      close(); // also when the caller leaves the loop
    }
  }
}

function parse(text: string): Message {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name === "data" && values.has(name)) values.set(name, `${values.get(name)}\n${value}`);
    else if (name) values.set(name, value ?? "");
  }
  const retry = values.get("retry");
  return { event: values.get("event") ?? "", data: values.get("data") ?? "", id: values.get("id"), retry: retry ? Number(retry) : undefined };
}
