// SPDX-License-Identifier: Apache-2.0
//
// The TypeScript client against a real server, which run.py starts: HEED_CLIENT, HEED_URL, HEED_KEY.
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { test } from "node:test";

const { Heed, InputError, KeyRefused, Denied, NotFound, Limited, Unreachable } = await import(
  pathToFileURL(process.env.HEED_CLIENT).href
);
const base = process.env.HEED_URL;
const open = (key) => new Heed(base, { key, retries: 1 });
const heed = open(process.env.HEED_KEY);
const range = (n) => Array.from({ length: n }, (_, i) => i);

test("records, answers and training", async () => {
  assert.equal(await heed.ready(), true);
  assert.match((await heed.version()).version, /^\d/);
  const items = range(40).map((i) => ({ id: `i${i}`, title: `Thing ${i}` }));
  assert.equal((await heed.items(items)).accepted, 40);
  const events = range(1200).map((i) => ({
    event_id: `e${i}`, user_id: `u${i % 30}`, item_id: `i${(i * 7) % 40}`, type: "purchase", time: 1750000000 + i * 60,
  }));
  assert.equal((await heed.events(events)).accepted, 1200);
  const again = await heed.events(events.slice(0, 600)); // as after an answer that was lost
  assert.deepEqual([again.accepted, again.repeated], [0, 600]);
  const mixed = await heed.events([{ user_id: "u1", item_id: "i1", type: "view" }, { user_id: "u1", time: "never" }]);
  assert.deepEqual([mixed.accepted, mixed.rejected, mixed.errors[0].index], [1, 1, 1]);
  await assert.rejects(heed.events({ user_id: 1.5, type: "view" }), (error) => {
    assert.ok(error instanceof InputError);
    assert.equal(error.status, 422);
    return true;
  });
  assert.equal((await heed.users({ id: "zoë/1", attributes: { city: "Bonn" } })).accepted, 1);
  assert.equal((await heed.user("zoë/1")).user, "zoë/1");
  assert.equal((await heed.reviews({ user_id: "u1", item_id: "i1", rating: 5, text: "good" })).accepted, 1);
  assert.equal((await heed.tickets({ ticket_id: "t1", user_id: "u1", role: "user", text: "where?" })).accepted, 1);
  const seen = [];
  const job = await heed.wait(await heed.train({ methods: ["popular", "markov"] }), {
    timeout: 100000, every: 100, progress: (now) => seen.push(now.state),
  });
  assert.equal(job.state, "done");
  assert.ok(seen.length > 0);
  const jobs = [];
  for await (const one of heed.jobs({ limit: 1 })) jobs.push(one);
  assert.equal(jobs.length, 1);
  assert.ok((await heed.models()).some((model) => model.active));
  assert.equal((await heed.recommend("u1", { n: 3, why: true })).items.length, 3);
  assert.ok((await heed.similar("i1")).items.length > 0);
  assert.equal((await heed.export("u1")).user, "u1");
  assert.equal((await heed.consent("u1", "train", false)).on, false);
  assert.equal((await heed.restrict("u1")).restricted, true);
  const gone = await heed.erase("u2");
  assert.ok(gone.removed.events > 0);
  await assert.rejects(heed.user("u2"), NotFound);
  await assert.rejects(heed.user("nobody/..%2f"), NotFound);
});

test("keys, scopes, quotas", async () => {
  const made = await heed.createKey("web", ["read", "write"], { quota_events: 3 });
  const web = open(made.key);
  const event = { user_id: "u3", item_id: "i1", type: "view" };
  assert.equal((await web.events(event)).accepted, 1);
  await assert.rejects(web.keys(), Denied);
  await assert.rejects(web.train(), Denied);
  await web.events([event, event]);
  await assert.rejects(web.events(event), (error) => error instanceof Limited && error.code === "quota");
  assert.ok(!JSON.stringify(await heed.keys()).includes(made.key));
  await heed.revokeKey(made.id);
  await assert.rejects(web.version(), (error) => error instanceof KeyRefused && error.code === "key_revoked");
  await assert.rejects(open(undefined).models(), KeyRefused);
});

test("nobody there", async () => {
  const nowhere = new Heed("http://127.0.0.1:9", { key: "heed_x", retries: 0 });
  assert.equal(await nowhere.ready(), false);
  await assert.rejects(nowhere.version(), Unreachable);
});
