// Lists: one page after the other, as the items are asked for.
import type { Caller, CallOptions, Query } from "./client.js";

/** How a list goes on: by the link to its next page, before the ID of the last item, or after as many items. */
export type By = "link" | "before" | "offset";

export interface Page<T> {
  items: T[];
  /** Items of the whole list, if the server says so; of filtered lists of users only with `count: "exact"`. */
  total: number | undefined;
  /** The page has all changes up to there: `client.events.follow(page.eventPosition)` goes on with what comes next. */
  eventPosition: string | undefined;
  response: Response;
}

/** Items of a page, where you don't say how many: as many as the server allows, since each page counts toward the rate limit. */
const LIMIT = 1000;

/** All items of a list. Nothing is requested before the first item is, and each loop starts again. */
export class List<T> implements AsyncIterable<T> {
  readonly #caller: Caller;
  readonly #by: By;
  readonly #path: string;
  readonly #query: Query;
  readonly #options: CallOptions;

  constructor(caller: Caller, by: By, path: string, query: Query, options: CallOptions) {
    this.#caller = caller;
    this.#by = by;
    this.#path = path;
    this.#query = query;
    this.#options = options;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for await (const page of this.pages()) yield* page.items;
  }

  /** All items in an array. */
  async all(): Promise<T[]> {
    const items: T[] = [];
    for await (const item of this) items.push(item);
    return items;
  }

  /** The first page. */
  async first(): Promise<Page<T>> {
    for await (const page of this.pages()) return page;
    throw new Error("unreachable");
  }

  /** One page after the other, of up to `limit` items. */
  async *pages(): AsyncGenerator<Page<T>, void, undefined> {
    let query: Query | undefined = { ...this.#query, limit: this.#query.limit ?? LIMIT };
    while (query) {
      const { data, response }: { data: T[]; response: Response } = await this.#caller
        .request<T[]>("GET", this.#path, { ...this.#options, query })
        .withResponse();
      const total = response.headers.get("x-total-count");
      const page: Page<T> = {
        items: data,
        total: total === null ? undefined : Number(total),
        eventPosition: response.headers.get("event-position") ?? undefined,
        response,
      };
      yield page;
      query = next(this.#by, page, query);
    }
  }
}

/** The query of the next page. */
function next<T>(by: By, { items, response }: Page<T>, query: Query): Query | undefined {
  if (by === "link") {
    const link = /<([^>]*)>\s*;\s*rel="?next"?/.exec(response.headers.get("link") ?? "")?.[1]; // RFC 8288
    // Its host and path are the server's, which may be others behind a proxy.
    return link ? Object.fromEntries(new URL(link, "http://localhost").searchParams) : undefined;
  }
  if (items.length < Number(query.limit)) return undefined;
  return by === "before" ? { ...query, before: (items.at(-1) as { id: string }).id } : { ...query, offset: Number(query.offset ?? 0) + items.length };
}
