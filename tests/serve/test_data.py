# SPDX-License-Identifier: Apache-2.0
"""Data over HTTP: what is posted stands by itself, comes back page by page, and hostile bodies harm nobody."""
import base64
import json
import sys
import unittest

from serving import Shop


class Data(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = Shop(train=False).start()

    @classmethod
    def tearDownClass(cls):
        cls.shop.close()

    def ok(self, method, path, status=200, **more):
        answer = self.shop.ask(method, path, **more)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json

    def test_a_bad_event_leaves_the_others(self):
        events = [{"event_id": "p1", "user": "p", "type": "view"}, {"user": "p", "type": "view", "time": "soon"}, 7]
        told = self.ok("POST", "/api/v1/events", body={"events": events})
        self.assertEqual((told["accepted"], told["rejected"]), (1, 2))
        self.assertEqual([e["pointer"] for e in told["errors"]], ["/events/1/time", "/events/2"])
        problem = self.ok("POST", "/api/v1/events", status=422, body=events[1:])
        self.assertEqual((problem["code"], problem["status"]), ("INPUT", 422))
        self.assertEqual([e["pointer"] for e in problem["errors"]], ["/0/time", "/1"])
        self.assertIn("soon", problem["errors"][0]["detail"])
        chinese = self.ok("POST", "/api/v1/events", status=422, body=7, headers={"Accept-Language": "zh"})
        self.assertIn("不是对象", chinese["errors"][0]["detail"])

    def test_senders_of_other_products(self):
        basic = "Basic " + base64.b64encode((self.shop.keys["write"] + ":").encode()).decode()
        order = {"userId": "s1", "messageId": "m1", "event": "Order Completed",
                 "properties": {"products": [{"product_id": "i1"}, {"product_id": "i2", "price": 3}]}}
        for accepted in (1, 0):
            told = self.ok("POST", "/v1/track", key=None, headers={"Authorization": basic}, body=order)
            self.assertEqual((told["success"], told["accepted"]), (True, accepted))
        self.ok("POST", "/v1/batch", key=None, headers={"Authorization": basic},
                body={"batch": [{"type": "identify", "userId": "s1", "traits": {"plan": "pro"}}], "sentAt": "2026-01-01T00:00:00Z"})
        told = self.ok("POST", "/batch/", key=None, body={"api_key": self.shop.keys["write"], "historical_migration": False,
                       "batch": [{"event": "Product Viewed", "distinct_id": "s1", "properties": {"product_id": "i3"}}]})
        self.assertEqual((told["status"], told["accepted"]), (1, 1))
        for path in ("/capture/", "/i/v0/e/"):
            self.ok("POST", path, key=None, body={"api_key": self.shop.keys["write"], "event": "seen", "distinct_id": "s1"})
        self.ok("POST", "/capture/", status=401, key=None, body={"api_key": "heed_x", "event": "seen", "distinct_id": "s1"})
        self.ok("POST", "/v1/track", status=401, key=None, body=order)
        events = self.ok("GET", "/api/v1/users/s1/events")["events"]
        self.assertEqual(sorted(e["type"] for e in events), ["purchase", "purchase", "seen", "seen", "view"])

    def test_pages(self):
        seen, path = [], "/api/v1/items?limit=7"
        while path:
            page = self.ok("GET", path)
            seen += [item["id"] for item in page["items"]]
            path = page["next_cursor"] and f"/api/v1/items?limit=7&cursor={page['next_cursor']}"
        self.assertEqual(len(seen), len(set(seen)))
        self.assertLessEqual({f"i{k}" for k in range(1, 31)}, set(seen))
        self.ok("GET", "/api/v1/items?cursor=x", status=400)
        self.ok("GET", "/api/v1/items?limit=0", status=400)

    def test_things_and_people(self):
        item = "/api/v1/items/t%2F1"  # a slash in an id
        for accepted in (1, 0):
            self.assertEqual(self.ok("PUT", item, body={"title": "Tea", "price": 3.5})["accepted"], accepted)
        self.assertEqual(self.ok("GET", item)["id"], "t/1")
        self.assertEqual(self.ok("DELETE", item), {"item": "t/1", "removed": True})
        self.ok("GET", item, status=404)
        faq = {"title": "Returns?", "text": "30 days"}
        self.assertEqual(self.ok("PUT", "/api/v1/documents/d1", body=faq)["accepted"], 1)
        self.assertEqual(self.ok("POST", "/api/v1/documents", body=[{"id": "d1", **faq}, {"id": "d2", **faq}])["accepted"], 1)
        self.assertEqual([d["id"] for d in self.ok("GET", "/api/v1/documents", key="read")["documents"]][-2:], ["d1", "d2"])
        self.ok("POST", "/api/v1/documents", status=403, key="read", body=faq)
        self.assertEqual(self.ok("DELETE", "/api/v1/documents/d1"), {"document": "d1", "removed": True})
        self.ok("GET", "/api/v1/documents/d1", status=404)
        self.ok("PUT", "/api/v1/users/w1", body={"city": "Bonn"})
        self.ok("POST", "/api/v1/reviews", body={"user": "w1", "item": "i1", "rating": 5, "text": "good"})
        self.assertEqual(self.ok("GET", "/api/v1/users/w1/reviews")["reviews"][0]["text"], "good")
        self.assertEqual(self.ok("GET", "/api/v1/items/i1/reviews")["reviews"][0]["user"], "w1")
        self.ok("POST", "/api/v1/tickets", body={"id": "k1", "user": "w1", "text": "help", "message_id": "1"})
        self.ok("POST", "/api/v1/tickets/k1/messages", body={"role": "agent", "text": "yes"})
        self.assertEqual(len(self.ok("GET", "/api/v1/tickets/k1")["messages"]), 2)
        for path in ("/api/v1/users", "/api/v1/users/w1/events", "/api/v1/tickets/k1"):
            self.ok("GET", path, status=403, key="read")

    def test_an_upload_is_imported(self):
        rows = "user_id,item_id,type\n" + "".join(f"up{k},i1,view\n" for k in range(50))
        job = self.ok("POST", "/api/v1/imports?as=events", status=202, raw=rows.encode(),
                      headers={"Content-Type": "text/csv"})
        done = self.shop.wait_job(job["id"])
        self.assertEqual(done["state"], "done", done)
        batch = self.ok("GET", f"/api/v1/jobs/{job['id']}")["result"]["files"][0]["batch"]
        self.assertEqual(self.ok("GET", f"/api/v1/imports/{batch}")["new"], 50)
        self.assertIn(batch, [b["batch"] for b in self.ok("GET", "/api/v1/imports")["batches"]])
        self.assertEqual(self.ok("POST", f"/api/v1/imports/{batch}/undo", body={})["undone"], batch)
        self.ok("POST", f"/api/v1/imports/{batch}/undo", status=409, body={})

    def test_evaluations_are_kept(self):
        job = self.ok("POST", "/api/v1/eval", status=202, body={"methods": ["popular", "markov"], "bootstrap": 0})
        self.assertEqual(self.shop.wait_job(job["id"])["state"], "done")
        newest = self.ok("GET", "/api/v1/eval", key="read")["evaluations"][0]
        self.assertEqual([row["method"] for row in newest["methods"]], ["popular", "markov"])
        found = self.ok("GET", f"/api/v1/eval/{newest['id']}")
        self.assertEqual(found["results"], self.ok("GET", f"/api/v1/jobs/{job['id']}")["result"])
        self.ok("GET", "/api/v1/eval/1234567890123", status=404)
        self.ok("GET", "/api/v1/eval?cursor=x", status=400)

    def test_hostile_bodies(self):
        bodies = [b"", b"{", b"[", b"nul", b"\xff\xfe", b'"\xc3"', b"{\"user\":\"a\x00b\",\"type\":\"view\"}",
                  b'{"user":"a\\u0000b","type":"view"}', b'{"user":"a","user":"b","type":"view"}',
                  b"[" * 100000, b'{"a":' * 100 + b"1" + b"}" * 100, b'{"user":"u","type":"view","value":1e999}',
                  b'{"user":123456789012345678901234567890,"type":"view"}', b'{"user":"u","type":"view"} x',
                  b'{"user":"' + b"u" * 100000 + b'","type":"view"}', b'{"user":{"id":[]},"type":{}}',
                  b'{"events":7}', b'{"events":{"user":"u","type":"view"}}', b"[[[]]]", b"0", b"null", b'"view"',
                  json.dumps({"user": "u", "type": "view", **{f"k{k}": k for k in range(5000)}}).encode(),
                  json.dumps([{"user": "u", "type": "view"}] * 10001).encode()]
        for path in ("/api/v1/events", "/api/v1/users", "/api/v1/items", "/api/v1/reviews", "/api/v1/tickets", "/api/v1/documents"):
            for body in bodies:
                answer = self.shop.ask("POST", path, raw=body, headers={"Content-Type": "application/json"})
                self.assertIn(answer.status, (400, 413, 422), (path, body[:60], answer.body[:200]))
                self.assertIn("detail", answer.json)
        for path in ("/v1/track", "/capture/"):
            for body in (b"7", b"[7]", b'{"batch":7}', b'{"properties":{"products":[[]]}}'):
                answer = self.shop.ask("POST", path, raw=body, headers={"Content-Type": "application/json"})
                self.assertIn(answer.status, (400, 401, 422), (path, body, answer.body[:200]))
        self.ok("POST", "/api/v1/events", body={"user": "still", "type": "view"})


if __name__ == "__main__":
    sys.argv = sys.argv[:1] + sys.argv[2:]
    unittest.main()
