// SPDX-License-Identifier: Apache-2.0
//
// heed's client: one class, one method per operation, on fetch alone (Node 18 or newer, Deno, Bun; and
// browsers, where a key is no secret any more: give them one with the scope `read` at most).
//
//     import { Heed } from "./heed.js";
//
//     const heed = new Heed("http://127.0.0.1:8080", { key: "heed_…" });
//     await heed.events({ user_id: "u42", item_id: "i7", type: "view" });
//     const { items } = await heed.recommend("u42", { n: 5 });
//
// Results are the JSON of the server as it is (docs/api/). What goes wrong is a HeedError with the
// server's own words.
//
// Repeats: a request that may have been lost is sent again, up to `retries` times, with growing pauses
// of random length, or when the server says to (Retry-After). That is safe: events, reviews and messages
// get an id before they are first sent, and the server takes an id once. What isn't safe to repeat
// (starting a job, making a key) is only sent again when the server says that it did nothing.

export const version = "0.1.0";

/** Whatever JSON can hold. */
export type Json = any;
export type Fields = Record<string, Json>;
export type Params = Record<string, unknown>;
type Lines = Iterable<Fields> | AsyncIterable<Fields>;

export interface HeedOptions {
  /** "heed_…"; none is sent without it. */
  key?: string;
  /** Milliseconds for each attempt. */
  timeout?: number;
  /** Attempts after the first. */
  retries?: number;
  /** Milliseconds: the n-th pause is drawn from 0 to backoff · 2ⁿ, at most maxPause. */
  backoff?: number;
  /** Milliseconds; a server that asks for more is not waited for. */
  maxPause?: number;
  /** Records in one request; more are sent in several. */
  batch?: number;
  /** Bytes of one request of records. */
  maxBytes?: number;
  /** For tests and proxies. */
  fetch?: typeof fetch;
  sleep?: (ms: number) => Promise<void>;
  random?: () => number;
}

export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  code?: string;
  hint?: string;
  request_id?: string;
  errors?: { pointer: string; detail: string }[];
}

export interface RecordError {
  index: number;
  pointer: string;
  detail: string;
}

/** What the server did with posted records. */
export interface Tally {
  accepted: number;
  repeated: number;
  ignored: number;
  rejected: number;
  redacted: number;
  errors: RecordError[];
}

export interface Page {
  next_cursor?: string | null;
  [name: string]: Json;
}

export interface Job {
  id: string;
  state: "queued" | "running" | "done" | "failed" | "cancelled";
  [name: string]: Json;
}

/** A request that failed. */
export class HeedError extends Error {
  /** Of HTTP; undefined: there was no answer. */
  readonly status?: number;
  readonly problem: Problem;
  /** Stable, for programs. */
  readonly code?: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly requestId?: string;
  readonly errors: { pointer: string; detail: string }[];
  /** Milliseconds, where the server said when to come back. */
  readonly retryAfter?: number;
  /** From posting records: what the server took before it failed, */
  taken?: Tally;
  /** and the index of the first record that it didn't get to. */
  first?: number;

  constructor(message: string, status?: number, problem: Problem = {}, retryAfter?: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.status = status;
    this.problem = problem;
    this.code = problem.code;
    this.detail = problem.detail;
    this.hint = problem.hint;
    this.requestId = problem.request_id;
    this.errors = problem.errors ?? [];
    this.retryAfter = retryAfter;
  }
}
/** 400, 413, 415, 422: the request isn't one, or its data is refused; errors says where. */
export class InputError extends HeedError {}
/** 401: no key, an unknown one, one that expired or was revoked. */
export class KeyRefused extends HeedError {}
/** 403: the key lacks the scope, or the person said no. */
export class Denied extends HeedError {}
/** 404 */
export class NotFound extends HeedError {}
/** 409 */
export class Conflict extends HeedError {}
/** 429: too fast, or the day's quota is used up; retryAfter says for how long. */
export class Limited extends HeedError {}
/** 507: no space is left on the server's disk. */
export class Full extends HeedError {}
/** Any other 5xx. */
export class ServerError extends HeedError {}
/** No answer: the connection failed or took too long. */
export class Unreachable extends HeedError {}

const errorsByStatus: Record<number, typeof HeedError> = {
  400: InputError, 413: InputError, 415: InputError, 422: InputError, 401: KeyRefused, 403: Denied, 404: NotFound,
  409: Conflict, 429: Limited, 507: Full,
};
const again = new Set([429, 502, 503, 504]);
const didNothing = new Set([429, 503]);
const safeMethods = new Set(["GET", "HEAD", "PUT", "DELETE"]);
const counts = ["accepted", "repeated", "ignored", "rejected", "redacted"] as const;

// Names by which the server knows the id that makes a repeat harmless (docs/import.md).
const repeatIds: Record<string, { add: string; known: Set<string> }> = {
  events: { add: "event_id", known: new Set(["eventid", "messageid", "insertid", "eventuuid"]) },
  reviews: { add: "review_id", known: new Set(["reviewid", "commentid", "id"]) },
  tickets: { add: "message_id", known: new Set(["messageid", "msgid"]) },
};

const squeeze = (name: string) => name.toLowerCase().replace(/[_\-. ]/g, "");

function newId(): string {
  const crypto = (globalThis as { crypto?: { randomUUID?: () => string } }).crypto;
  if (crypto?.randomUUID) return crypto.randomUUID();
  const part = () => Math.random().toString(36).slice(2); // unique is enough, it guards no secret
  return `${Date.now().toString(36)}-${part()}-${part()}`;
}

/** One segment of a path, whatever is in it. */
function part(text: string | number): string {
  const id = String(text);
  if (id === "" || id === "." || id === "..") throw new TypeError(`an id can't be '${id}'`);
  return encodeURIComponent(id);
}

/** undefined and null are left out, a list repeats its name. */
function query(params: Params): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(params))
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined && one !== null)
        pairs.append(name, typeof one === "object" ? JSON.stringify(one) : String(one));
  const text = pairs.toString();
  return text ? `?${text}` : "";
}

/** Milliseconds of a Retry-After header (seconds or a date). */
function retryAfter(text: string | null): number | undefined {
  if (!text) return undefined;
  if (/^\s*\d+\s*$/.test(text)) return Number(text) * 1000;
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : Math.max(0, time - Date.now());
}

function parse(text: string): Json {
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The tally of a chunk, whose records are the by-th and following of all. */
function shift(tally: Tally, by: number): Tally {
  if (by === 0 || !tally?.errors?.length) return tally;
  const errors = tally.errors.map((error) => {
    const head = `/${error.index}`;
    const here = error.pointer === head || error.pointer?.startsWith(`${head}/`);
    return {
      ...error,
      index: error.index + by,
      pointer: here ? `/${error.index + by}${error.pointer.slice(head.length)}` : error.pointer,
    };
  });
  return { ...tally, errors };
}

function add(tallies: Tally[]): Tally {
  const total: Tally = { accepted: 0, repeated: 0, ignored: 0, rejected: 0, redacted: 0, errors: [] };
  for (const tally of tallies) {
    for (const name of counts) total[name] += tally?.[name] ?? 0;
    total.errors.push(...(tally?.errors ?? []));
  }
  return total;
}

/** A workspace behind a server. */
export class Heed {
  readonly baseUrl: string;
  readonly #key?: string;
  readonly #o: Required<Omit<HeedOptions, "key">>;

  constructor(baseUrl: string, options: HeedOptions = {}) {
    const url = new URL(baseUrl);
    if (url.protocol !== "http:" && url.protocol !== "https:")
      throw new TypeError(`the address must be http://… or https://…, not '${baseUrl}'`);
    if (options.key !== undefined && !/^[\x21-\x7e]+$/.test(options.key)) throw new TypeError("the key isn't one");
    if ((options.batch ?? 1) < 1) throw new TypeError("batch must be at least 1");
    this.baseUrl = url.href.replace(/\/+$/, "");
    this.#key = options.key;
    this.#o = {
      timeout: options.timeout ?? 10_000,
      retries: options.retries ?? 5,
      backoff: options.backoff ?? 200,
      maxPause: options.maxPause ?? 30_000,
      batch: options.batch ?? 500,
      maxBytes: options.maxBytes ?? 4 << 20,
      fetch: options.fetch ?? ((...args) => fetch(...args)),
      sleep: options.sleep ?? ((ms) => new Promise((done) => setTimeout(done, ms))),
      random: options.random ?? Math.random,
    };
  }

  // ── Requests ──

  async #attempt(method: string, target: string, body?: string): Promise<{ response: Response; text: string }> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (this.#key) headers.Authorization = `Bearer ${this.#key}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(new Error("it took too long")), this.#o.timeout);
    try {
      const response = await this.#o.fetch(this.baseUrl + target, {
        method, headers, body, signal: stop.signal, redirect: "manual",
      });
      return { response, text: await response.text() };
    } finally {
      clearTimeout(timer);
    }
  }

  #failure(response: Response, text: string): HeedError {
    const parsed = parse(text);
    const problem: Problem = parsed && typeof parsed === "object" ? parsed : {};
    const status = response.status;
    const kind = errorsByStatus[status] ?? (status >= 500 ? ServerError : HeedError);
    const said = problem.detail ?? problem.title ?? (response.statusText || "no reason given");
    return new kind(`${status}: ${said}`, status, problem, retryAfter(response.headers.get("Retry-After")));
  }

  /** Waits before the next attempt; false: the server asks for longer than we wait. */
  async #pause(attempt: number, error: HeedError): Promise<boolean> {
    const { backoff, maxPause, random, sleep } = this.#o;
    const asked = error.retryAfter ?? 0;
    if (asked > maxPause) return false;
    await sleep(Math.max(asked, random() * Math.min(maxPause, backoff * 2 ** attempt)));
    return true;
  }

  async #send(method: string, target: string, body: string | undefined, repeatable: boolean): Promise<Json> {
    for (let attempt = 0; ; attempt++) {
      let error: HeedError;
      let repeat: boolean;
      try {
        const { response, text } = await this.#attempt(method, target, body);
        if (response.status >= 200 && response.status < 300) return parse(text);
        error = this.#failure(response, text);
        repeat = (repeatable ? again : didNothing).has(response.status);
      } catch (cause) {
        const why = (cause as { cause?: Error })?.cause?.message ?? (cause as Error)?.message ?? String(cause);
        error = new Unreachable(`no answer from ${this.baseUrl}: ${why}`, undefined, {}, undefined, cause);
        repeat = repeatable;
      }
      if (!repeat || attempt >= this.#o.retries || !(await this.#pause(attempt, error))) throw error;
    }
  }

  /** Any operation: call("GET", "/api/v1/report"). repeatable: whether sending it twice does the same as once. */
  call(
    method: string,
    path: string,
    { params = {}, body, repeatable = safeMethods.has(method) }: { params?: Params; body?: Json; repeatable?: boolean } = {},
  ): Promise<Json> {
    return this.#send(method, path + query(params), body === undefined ? undefined : JSON.stringify(body), repeatable);
  }

  get(path: string, params: Params = {}): Promise<Json> {
    return this.call("GET", path, { params });
  }

  /** All entries of a list, page by page. */
  async *pages(path: string, name: string, params: Params = {}): AsyncGenerator<Json> {
    for (let cursor: unknown = params.cursor; ; ) {
      const page: Page = await this.get(path, { ...params, cursor });
      yield* page[name];
      if (!page.next_cursor) return;
      cursor = page.next_cursor;
    }
  }

  // ── Posting records ──

  /** A record as JSON, with an id that makes a repeat harmless. */
  #encode(kind: string, record: Fields): string {
    const id = repeatIds[kind];
    const has = id && Object.entries(record).some(([k, v]) => id.known.has(squeeze(k)) && v != null && v !== "");
    return JSON.stringify(id && !has ? { ...record, [id.add]: newId() } : record);
  }

  /** One chunk; halved where the server finds it too large. */
  async #postChunk(path: string, chunk: string[]): Promise<Tally[]> {
    try {
      return [await this.#send("POST", path, `[${chunk.join(",")}]`, true)];
    } catch (error) {
      if (!(error instanceof HeedError) || error.status !== 413 || chunk.length < 2) throw error;
    }
    const half = chunk.length >> 1;
    const first = await this.#postChunk(path, chunk.slice(0, half));
    try {
      const second = await this.#postChunk(path, chunk.slice(half));
      return [...first, ...second.map((tally) => shift(tally, half))];
    } catch (error) {
      throw told(error, first, half);
    }
  }

  async #post(kind: string, records: Fields | Lines): Promise<Tally> {
    const lines = Symbol.iterator in records || Symbol.asyncIterator in records ? (records as Lines) : [records as Fields];
    const tallies: Tally[] = [];
    let chunk: string[] = [];
    let bytes = 0;
    let sent = 0;
    const flush = async () => {
      if (chunk.length === 0) return;
      try {
        for (const tally of await this.#postChunk(`/api/v1/${kind}`, chunk)) tallies.push(shift(tally, sent));
      } catch (error) {
        throw told(error, tallies, sent);
      }
      sent += chunk.length;
      chunk = [];
      bytes = 0;
    };
    for await (const record of lines) {
      const line = this.#encode(kind, record);
      const size = new TextEncoder().encode(line).length + 1;
      if (chunk.length === this.#o.batch || (chunk.length > 0 && bytes + size > this.#o.maxBytes)) await flush();
      chunk.push(line);
      bytes += size;
    }
    await flush();
    return add(tallies);
  }

  /** What users did: {user_id, item_id, type, time, …}, one or any number. A bad record is refused alone.
   *  Acknowledged means durable. */
  events(records: Fields | Lines): Promise<Tally> {
    return this.#post("events", records);
  }
  /** {id, …attributes}: new, or changed. */
  users(records: Fields | Lines): Promise<Tally> {
    return this.#post("users", records);
  }
  /** {id, title, categories, price, …}: new, or changed; recommendable at once. */
  items(records: Fields | Lines): Promise<Tally> {
    return this.#post("items", records);
  }
  /** {user_id, item_id, rating, text, …} */
  reviews(records: Fields | Lines): Promise<Tally> {
    return this.#post("reviews", records);
  }
  /** Messages of conversations: {ticket_id, user_id, role, text, …} */
  tickets(records: Fields | Lines): Promise<Tally> {
    return this.#post("tickets", records);
  }
  /** Answers and articles: {id, title, text, url, lang, …}: new, or changed. */
  documents(records: Fields | Lines): Promise<Tally> {
    return this.#post("documents", records);
  }

  // ── Answers ──

  /** Items for a user, or (null) for a visitor by what the session looked at. options: n, session, category,
   *  filter, exclude, context, exclude_seen, cap_per_category, why, … */
  recommend(user: string | number | null, options: Params = {}): Promise<Json> {
    return this.get(`/api/v1/recommend${user === null ? "" : `/${part(user)}`}`, options);
  }
  similar(item: string | number, options: Params = {}): Promise<Json> {
    return this.get(`/api/v1/items/${part(item)}/similar`, options);
  }
  trending(options: Params = {}): Promise<Json> {
    return this.get("/api/v1/trending", options);
  }
  /** A recipe's model on rows: (await heed.predict("churn", [{ age: 30 }])).predictions. top: so many probabilities a row. */
  predict(model: string, rows: Fields[], top?: number): Promise<Json> {
    return this.call("POST", `/api/v1/models/${part(model)}/predict`, { body: { rows, top }, repeatable: true });
  }
  profile(user: string | number): Promise<Json> {
    return this.get(`/api/v1/profile/${part(user)}`);
  }
  segments(): Promise<Json> {
    return this.get("/api/v1/segments");
  }

  // ── Rights ──

  user(user: string | number): Promise<Json> {
    return this.get(`/api/v1/users/${part(user)}`);
  }
  /** All that is known of a person. */
  export(user: string | number): Promise<Json> {
    return this.get(`/api/v1/users/${part(user)}/export`);
  }
  /** Erases a person for good. Gives the signed receipt. */
  erase(user: string | number): Promise<Json> {
    return this.call("DELETE", `/api/v1/users/${part(user)}`);
  }
  /** Whether a person lets their data be used for a purpose: recommend, profile, train, … */
  consent(user: string | number, purpose: string, on: boolean): Promise<Json> {
    const path = `/api/v1/users/${part(user)}/consent/${part(purpose)}`;
    return this.call("PUT", path, { body: { state: on ? "on" : "off" } });
  }
  /** Keeps a person's data, and uses it for nothing. */
  restrict(user: string | number, on = true): Promise<Json> {
    return this.call("PUT", `/api/v1/users/${part(user)}/restriction`, { body: { state: on ? "on" : "off" } });
  }

  // ── Jobs and models ──

  /** Starts a training. Gives the job: see wait(). */
  train(options: Params = {}): Promise<Job> {
    return this.call("POST", "/api/v1/train", { body: options });
  }
  /** All jobs, the newest first. */
  jobs(options: Params = {}): AsyncGenerator<Job> {
    return this.pages("/api/v1/jobs", "jobs", options);
  }
  job(job: string): Promise<Job> {
    return this.get(`/api/v1/jobs/${part(job)}`);
  }
  cancel(job: string): Promise<Job> {
    return this.call("POST", `/api/v1/jobs/${part(job)}/cancel`, { repeatable: true });
  }
  /** The job once it has ended. progress: called with the job whenever it is looked at. */
  async wait(
    job: string | Job,
    { timeout = Infinity, every = 1000, progress }: { timeout?: number; every?: number; progress?: (job: Job) => void } = {},
  ): Promise<Job> {
    const id = typeof job === "string" ? job : job.id;
    const end = Date.now() + timeout;
    for (;;) {
      const now = await this.job(id);
      progress?.(now);
      if (now.state !== "queued" && now.state !== "running") return now;
      if (Date.now() + every > end) throw new Error(`job ${id} is ${now.state}`);
      await this.#o.sleep(every);
    }
  }
  async models(): Promise<Json[]> {
    return (await this.get("/api/v1/models")).models;
  }

  // ── Keys ──

  async keys(): Promise<Json[]> {
    return (await this.get("/api/v1/keys")).keys;
  }
  /** The result has the key's text, once. */
  createKey(name: string, scope: string[], options: Params = {}): Promise<Json> {
    return this.call("POST", "/api/v1/keys", { body: { ...options, name, scope } });
  }
  revokeKey(id: string): Promise<Json> {
    return this.call("DELETE", `/api/v1/keys/${part(id)}`);
  }
  usage(options: Params = {}): Promise<Json> {
    return this.get("/api/v1/usage", options);
  }

  // ── The server ──

  version(): Promise<Json> {
    return this.get("/api/v1/version");
  }
  /** Whether it takes requests now. Never fails. */
  async ready(): Promise<boolean> {
    try {
      return (await this.#attempt("GET", "/health/ready")).response.status === 200;
    } catch {
      return false;
    }
  }
}

/** Adds to a failure what went well before it. */
function told(error: unknown, before: Tally[], sent: number): unknown {
  if (!(error instanceof HeedError)) return error;
  error.first = sent + (error.first ?? 0);
  error.taken = add([...before, ...(error.taken ? [shift(error.taken, sent)] : [])]);
  return error;
}
