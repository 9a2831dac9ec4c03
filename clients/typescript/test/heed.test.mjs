// SPDX-License-Identifier: Apache-2.0
//
// Tests of the TypeScript client against a server that is told what to answer, with node's own runner:
// `npm test`, or with the compiled client elsewhere: HEED_CLIENT=/path/heed.js node --test test/
import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { pathToFileURL } from "node:url";
import { after, before, beforeEach, test } from "node:test";

const client = process.env.HEED_CLIENT ? pathToFileURL(process.env.HEED_CLIENT).href : "../dist/heed.js";
const heedModule = await import(client);
const { Heed, HeedError, InputError, KeyRefused, Denied, NotFound, Conflict, Limited, Full, ServerError, Unreachable } =
  heedModule;

// Each step of the script is [status, body, headers], or "drop" (closes without an answer). Without a
// script: 200 and {}. All requests are kept.
let server, base, script, asked, pauses, heed;

before(async () => {
  server = http.createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const text = Buffer.concat(parts).toString();
      const seen = { method: request.method, path: request.url, headers: request.headers, body: text ? JSON.parse(text) : undefined };
      asked.push(seen);
      const step = script.shift() ?? [200, {}];
      if (step === "drop") return request.socket.destroy();
      const [status, body, headers = {}] = step;
      const content = typeof body === "function" ? body(seen) : body;
      response.writeHead(status, headers);
      response.end(typeof content === "string" ? content : JSON.stringify(content));
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  base = `http://127.0.0.1:${server.address().port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

function open(options = {}) {
  return new Heed(base, {
    key: "heed_abc", random: () => 1, sleep: async (ms) => void pauses.push(ms), ...options,
  });
}
beforeEach(() => {
  script = [];
  asked = [];
  pauses = [];
  heed = open();
});

const tally = (request) => ({ accepted: request.body.length, repeated: 0, ignored: 0, rejected: 0, redacted: 0, errors: [] });
const problem = (status, code, more = {}) => [
  status, { type: `urn:heed:error:${code}`, title: "T", status, detail: "what was wrong", code, request_id: "r1", ...more },
];
const caught = async (promise) => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail("it did not fail");
};

test("paths and queries", async () => {
  await heed.recommend("a/b ü?#%", { n: 5, category: ["x", "y&z"], why: true, exclude: undefined });
  await heed.recommend(null, { session: ["i1", "i2"] });
  await heed.similar("i7", { n: 3 });
  await heed.export("u1");
  await heed.consent("u1", "train", false);
  await heed.erase("u1");
  await heed.call("POST", "/api/v1/x", { params: { context: { hour: 8 } }, body: { 名: 1 } });
  await heed.predict("churn", [{ age: 1 }], 1);
  assert.deepEqual(asked.map((r) => `${r.method} ${r.path}`), [
    "GET /api/v1/recommend/a%2Fb%20%C3%BC%3F%23%25?n=5&category=x&category=y%26z&why=true",
    "GET /api/v1/recommend?session=i1&session=i2",
    "GET /api/v1/items/i7/similar?n=3",
    "GET /api/v1/users/u1/export",
    "PUT /api/v1/users/u1/consent/train",
    "DELETE /api/v1/users/u1",
    "POST /api/v1/x?context=%7B%22hour%22%3A8%7D",
    "POST /api/v1/models/churn/predict",
  ]);
  assert.deepEqual(asked[4].body, { state: "off" });
  assert.deepEqual(asked[6].body, { 名: 1 });
  assert.deepEqual(asked[7].body, { rows: [{ age: 1 }], top: 1 });
  for (const request of asked) assert.equal(request.headers.authorization, "Bearer heed_abc");
  for (const id of ["..", ".", ""]) assert.throws(() => heed.profile(id), TypeError);
});

test("a base address with a path", async () => {
  await new Heed(`${base}/shop/`).version();
  assert.equal(asked[0].path, "/shop/api/v1/version");
  assert.equal(asked[0].headers.authorization, undefined);
});

test("what no client can be", () => {
  for (const url of ["127.0.0.1:8080", "ftp://x", ""]) assert.throws(() => new Heed(url), TypeError);
  for (const key of ["a\r\nX: y", "ü", ""]) assert.throws(() => new Heed("http://x", { key }), TypeError);
  assert.throws(() => new Heed("http://x", { batch: 0 }), TypeError);
  assert.ok(!JSON.stringify(heed).includes("heed_abc"));
});

test("pages", async () => {
  script = [[200, { jobs: [1, 2], next_cursor: "c&1" }], [200, { jobs: [3], next_cursor: null }]];
  const all = [];
  for await (const job of heed.jobs({ limit: 2 })) all.push(job);
  assert.deepEqual(all, [1, 2, 3]);
  assert.equal(asked[1].path, "/api/v1/jobs?limit=2&cursor=c%261");
});

test("answers that are no JSON", async () => {
  script = [[200, "heed_up 1\n"], [204, ""], [502, "<html>bad gateway"]];
  assert.equal(await heed.get("/metrics"), "heed_up 1\n");
  assert.equal(await heed.get("/x"), undefined);
  const error = await caught(open({ retries: 0 }).get("/x"));
  assert.ok(error instanceof ServerError);
  assert.equal(error.code, undefined);
});

test("each failure has its class", async () => {
  const kinds = {
    400: InputError, 401: KeyRefused, 403: Denied, 404: NotFound, 409: Conflict, 413: InputError, 418: HeedError,
    422: InputError, 429: Limited, 500: ServerError, 503: ServerError, 507: Full,
  };
  const once = open({ retries: 0 });
  for (const [status, kind] of Object.entries(kinds)) {
    script = [problem(Number(status), `c${status}`, { hint: "do this", errors: [{ pointer: "/n", detail: "d" }] })];
    const error = await caught(once.version());
    assert.equal(error.constructor, kind);
    assert.equal(error.name, kind.name);
    assert.deepEqual([error.status, error.code, error.requestId, error.hint], [Number(status), `c${status}`, "r1", "do this"]);
    assert.deepEqual(error.errors, [{ pointer: "/n", detail: "d" }]);
    assert.match(error.message, /what was wrong/);
  }
});

test("nobody there", async () => {
  const free = net.createServer();
  await new Promise((done) => free.listen(0, "127.0.0.1", done));
  const port = free.address().port;
  await new Promise((done) => free.close(done));
  const lost = new Heed(`http://127.0.0.1:${port}`, { retries: 2, sleep: async (ms) => void pauses.push(ms) });
  assert.ok((await caught(lost.version())) instanceof Unreachable);
  assert.equal(pauses.length, 2);
  assert.equal(await lost.ready(), false);
  assert.equal(await heed.ready(), true);
});

test("too late", async () => {
  const silent = net.createServer(() => {});
  await new Promise((done) => silent.listen(0, "127.0.0.1", done));
  const waiting = new Heed(`http://127.0.0.1:${silent.address().port}`, { retries: 0, timeout: 50 });
  assert.ok((await caught(waiting.version())) instanceof Unreachable);
  silent.close();
});

test("what is lost is sent again", async () => {
  for (const step of ["drop", problem(429, "rate"), problem(502, "x"), problem(503, "busy"), problem(504, "x")]) {
    asked = [];
    script = [step, step, [200, { version: "1" }]];
    assert.deepEqual(await heed.version(), { version: "1" });
    assert.equal(asked.length, 3);
  }
});

test("what is refused is not", async () => {
  for (const status of [400, 401, 403, 404, 409, 422, 500, 507]) {
    asked = [];
    script = [problem(status, "x")];
    await caught(heed.version());
    assert.equal(asked.length, 1);
  }
  assert.deepEqual(pauses, []);
});

test("it gives up, with growing pauses", async () => {
  script = Array(20).fill("drop");
  await caught(heed.version());
  assert.equal(asked.length, 6);
  assert.deepEqual(pauses, [200, 400, 800, 1600, 3200]);
});

test("Retry-After is honoured", async () => {
  script = [[429, {}, { "Retry-After": "7" }], [503, {}, { "Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT" }],
    [503, {}, { "Retry-After": "soon" }], [200, {}]];
  await heed.version();
  assert.deepEqual(pauses, [7000, 400, 800]);
  pauses = [];
  script = [[429, { code: "quota" }, { "Retry-After": "40000" }]];
  const error = await caught(heed.version());
  assert.ok(error instanceof Limited);
  assert.deepEqual([error.retryAfter, pauses], [40_000_000, []]);
});

test("only what is safe is repeated", async () => {
  script = ["drop"];
  assert.ok((await caught(heed.train())) instanceof Unreachable);
  script = [problem(502, "x")];
  assert.ok((await caught(heed.createKey("n", ["read"]))) instanceof ServerError);
  assert.equal(asked.length, 2);
  script = [problem(503, "busy"), problem(429, "rate"), [202, { id: "j1" }]];
  assert.deepEqual(await heed.train({ methods: ["markov"] }), { id: "j1" });
  assert.deepEqual(asked[4].body, { methods: ["markov"] });
});

test("events get an id that stays", async () => {
  script = ["drop", problem(503, "busy"), [200, tally]];
  const event = { user_id: "u1", item_id: "i1", type: "view" };
  assert.equal((await heed.events(event)).accepted, 1);
  assert.equal(new Set(asked.map((r) => r.body[0].event_id)).size, 1);
  assert.equal(asked.length, 3);
  assert.equal(event.event_id, undefined);
});

test("ids given are kept", async () => {
  const given = [{ event_id: "e1" }, { messageId: "m1" }, { "Event Id": 5 }, { event_id: "" }, { event_id: null }, {}];
  script = [[200, tally]];
  await heed.events(given);
  assert.deepEqual(asked[0].body.slice(0, 3), given.slice(0, 3));
  assert.equal(new Set(asked[0].body.slice(3).map((event) => event.event_id)).size, 3);
  for (const event of asked[0].body.slice(3)) assert.ok(event.event_id);
});

test("other kinds of records", async () => {
  for (const [kind, id] of [["users"], ["items"], ["reviews", "review_id"], ["tickets", "message_id"], ["documents"]]) {
    asked = [];
    script = [[200, tally]];
    await heed[kind]([{ x: 1 }]);
    assert.equal(asked[0].path, `/api/v1/${kind}`);
    assert.deepEqual(Object.keys(asked[0].body[0]), id ? ["x", id] : ["x"]);
  }
});

test("batches", async () => {
  script = Array(3).fill([200, tally]);
  async function* many() {
    for (let i = 0; i < 1200; i++) yield { event_id: String(i) };
  }
  assert.equal((await heed.events(many())).accepted, 1200);
  assert.deepEqual(asked.map((r) => r.body.length), [500, 500, 200]);
  assert.deepEqual(asked.flatMap((r) => r.body.map((e) => Number(e.event_id))), [...Array(1200).keys()]);
  asked = [];
  assert.equal((await heed.events([])).accepted, 0);
  assert.equal(asked.length, 0);
  script = Array(9).fill([200, tally]);
  await open({ maxBytes: 1000 }).items(Array(5).fill({ id: "i", title: "x".repeat(400) }));
  assert.deepEqual(asked.map((r) => r.body.length), [2, 2, 1]);
});

test("too large for the server", async () => {
  script = [problem(413, "large"), [200, tally], problem(413, "large"), [200, tally], [200, tally]];
  const total = await heed.events([...Array(8).keys()].map((i) => ({ event_id: String(i) })));
  assert.deepEqual(asked.map((r) => r.body.length), [8, 4, 4, 2, 2]);
  assert.equal(total.accepted, 8);
  script = [problem(413, "large")];
  assert.ok((await caught(heed.events({ event_id: "one" }))) instanceof InputError);
});

test("errors are told by the caller's index", async () => {
  const badSecond = (request) => ({
    ...tally(request), accepted: request.body.length - 1, rejected: 1,
    errors: [{ index: 1, pointer: "/1/time", detail: "no time" }],
  });
  script = [[200, badSecond], [200, badSecond]];
  const total = await open({ batch: 3 }).events(Array(6).fill({}));
  assert.deepEqual([total.accepted, total.rejected], [4, 2]);
  assert.deepEqual(total.errors.map((e) => [e.index, e.pointer]), [[1, "/1/time"], [4, "/4/time"]]);
  script = [problem(413, "x"), [200, tally], [200, badSecond]];
  assert.equal((await open({ batch: 10 }).events(Array(6).fill({}))).errors[0].pointer, "/4/time");
});

test("what was taken before it failed", async () => {
  script = [[200, tally], [200, tally], problem(507, "full")];
  let error = await caught(open({ batch: 2 }).events(Array(7).fill({})));
  assert.ok(error instanceof Full);
  assert.deepEqual([error.first, error.taken.accepted], [4, 4]);
  script = [[200, tally], problem(413, "x"), [200, tally], problem(507, "full")];
  error = await caught(open({ batch: 8 }).events(Array(16).fill({})));
  assert.deepEqual([error.first, error.taken.accepted], [12, 12]);
});

test("waiting for a job", async () => {
  const seen = [];
  script = ["queued", "running", "done"].map((state) => [200, { id: "j1", state }]);
  const job = await heed.wait({ id: "j1", state: "queued" }, { progress: (j) => seen.push(j.state) });
  assert.deepEqual([job.state, seen, pauses], ["done", ["queued", "running", "done"], [1000, 1000]]);
  script = [[200, { id: "j1", state: "running" }]];
  assert.match((await caught(heed.wait("j1", { timeout: 0 }))).message, /j1 is running/);
});
