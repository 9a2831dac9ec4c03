# SPDX-License-Identifier: Apache-2.0
"""heed serve as its clients meet it: routes, keys, freshness, jobs, models, the command line beside it, the end."""
import json
import os
import signal
import sys
import threading
import time
import unittest

import serving
from serving import Shop, run


class Served(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = Shop().start()

    @classmethod
    def tearDownClass(cls):
        cls.shop.close()

    def ok(self, *args, status=200, **kw):
        answer = self.shop.ask(*args, **kw)
        self.assertEqual(answer.status, status, answer.body[:500])
        return answer

    def problem(self, status, *args, **kw):
        answer = self.shop.ask(*args, **kw)
        self.assertEqual(answer.status, status, answer.body[:500])
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        problem = answer.json
        for member in ("type", "title", "status", "detail", "code"):
            self.assertIn(member, problem)
        self.assertEqual(problem["status"], status)
        return problem

    def test_what_needs_no_key(self):
        self.assertEqual(self.ok("GET", "/health/live", key=None).json["status"], "live")
        self.assertEqual(self.ok("GET", "/health/ready", key=None).json["status"], "ready")
        self.assertIn("version", self.ok("GET", "/version", key=None).json)
        api = self.ok("GET", "/openapi.json", key=None).json
        self.assertEqual(api["openapi"], "3.1.0")
        self.assertIn("/api/v1/recommend/{user}", api["paths"])

    def test_a_recipes_model_answers_and_is_replaced(self):
        rows = [{"sepal_length": 5.0, "sepal_width": 3.4, "petal_length": 1.4, "petal_width": 0.2}] * 3
        path = "/api/v1/models/iris_mlp/predict"
        self.problem(404, "POST", path, body={"rows": rows})
        train = ["recipe", "run", "iris_mlp", "--set", "train.epochs=100", "--set", "compare=[majority]"]
        run(*train, cwd=self.shop.folder)
        said = self.ok("POST", path, key="read", body={"rows": rows, "top": 1}).json
        self.assertEqual(said["version"], "000001")
        self.assertEqual([p["class"] for p in said["predictions"]], ["setosa"] * 3)
        self.assertEqual(len(said["predictions"][0]["probabilities"]), 1)
        # Another version is taken up as soon as it is in force.
        run(*train, "--seed", "2", cwd=self.shop.folder)
        self.assertEqual(self.ok("POST", path, body={"rows": rows}).json["version"], "000002")
        self.ok("POST", "/api/v1/models/rollback", body={"model": "iris_mlp"})
        self.assertEqual(self.ok("POST", path, body={"rows": rows}).json["version"], "000001")
        # What doesn't fit is said.
        short = {name: 1 for name in rows[0] if name != "petal_width"}
        self.assertIn("'petal_width' is missing", self.problem(422, "POST", path, body={"rows": [short]})["detail"])
        wide = {**rows[0], "petal_width": "wide"}
        self.assertIn("not a number", self.problem(422, "POST", path, body={"rows": [wide]})["detail"])
        for wrong in ([7], [{}] * 10001, {}):
            self.problem(422, "POST", path, body={"rows": wrong})
        self.problem(400, "POST", path, body={})
        self.assertEqual(self.ok("POST", path, body={"rows": []}).json["predictions"], [])
        self.assertIn("iris_mlp", [r["name"] for r in self.ok("GET", "/api/v1/recipes").json["recipes"]])
        self.problem(401, "POST", path, key=None, body={"rows": rows})

    def test_metrics_are_prometheus_text(self):
        self.ok("GET", "/api/v1/recommend/u1")
        text = self.ok("GET", "/metrics").body.decode()
        self.assertRegex(text, r'heed_requests_total\{operation="recommend",status="2xx"\} [1-9]')
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) |[a-z_]+(\{[^}]*\})? [-+0-9.e]+$)')
        self.problem(401, "GET", "/metrics", key=None)

    def test_keys_open_what_their_scope_says(self):
        self.problem(401, "GET", "/api/v1/recommend/u1", key=None)
        self.problem(401, "GET", "/api/v1/recommend/u1", key="heed_aaaaaaaa_" + "a" * 52)
        self.problem(401, "GET", "/api/v1/recommend/u1", key="nonsense")
        self.ok("GET", "/api/v1/recommend/u1", key="read")
        self.problem(403, "GET", "/api/v1/recommend/u1", key="write")
        for path in ("/api/v1/train", "/api/v1/models/rollback", "/api/v1/models/markov/activate"):
            self.problem(403, "POST", path, body={}, key="write")
        self.problem(403, "GET", "/api/v1/profile/u1", key="read")
        self.ok("GET", "/api/v1/recommend/u1", key=None, headers={"X-API-Key": self.shop.keys["read"]})
        problem = self.problem(400, "GET", f"/api/v1/recommend/u1?api_key={self.shop.keys['read']}")
        self.assertNotIn(self.shop.keys["read"], json.dumps(problem))

    def test_a_revoked_key_ends_at_once(self):
        made = self.ok("POST", "/api/v1/keys", body={"name": "short", "scope": ["read"]}, status=201).json
        self.ok("GET", "/api/v1/recommend/u1", key=made["key"])
        run("key", "revoke", made["id"], cwd=self.shop.folder)
        self.problem(401, "GET", "/api/v1/recommend/u1", key=made["key"])

    def test_wrong_requests_are_told_apart(self):
        self.problem(404, "GET", "/nothing")
        self.problem(404, "GET", "/api/v1/recommend/nobody-of-that-id/more")
        problem = self.shop.ask("PUT", "/api/v1/train")
        self.assertEqual((problem.status, problem.headers["Allow"]), (405, "POST"))
        self.assertEqual(self.problem(400, "GET", "/api/v1/recommend/u1?n=x")["errors"][0]["pointer"], "/query/n")
        self.assertIn("did you mean 'n'", self.problem(400, "GET", "/api/v1/recommend/u1?m=1")["detail"])
        self.problem(404, "GET", "/api/v1/profile/nobody-of-that-id")
        chinese = self.problem(400, "GET", "/api/v1/recommend/u1?n=x", headers={"Accept-Language": "zh-CN"})
        self.assertIn("整数", chinese["detail"])

    def test_an_event_changes_the_next_answer(self):
        user = "fresh-1"
        event = {"event_id": "f1", "user_id": user, "item_id": "i5", "type": "purchase", "time": "2026-11-01T10:00:00Z"}
        self.assertEqual(self.ok("POST", "/api/v1/events", body=event).json["accepted"], 1)
        first = self.ok("GET", f"/api/v1/recommend/{user}").json
        self.assertNotIn("i5", [item["id"] for item in first["items"]])
        event.update(event_id="f2", item_id=first["items"][0]["id"], time="2026-11-01T10:01:00Z")
        self.ok("POST", "/api/v1/events", body=event)
        second = self.ok("GET", f"/api/v1/recommend/{user}").json
        self.assertNotEqual([i["id"] for i in first["items"]], [i["id"] for i in second["items"]])
        self.assertNotIn(first["items"][0]["id"], [item["id"] for item in second["items"]])
        again = self.ok("POST", "/api/v1/events", body=event).json
        self.assertEqual((again["accepted"], again["repeated"]), (0, 1))

    def test_a_new_item_is_recommendable_at_once(self):
        self.ok("PUT", "/api/v1/items/brand-new", body={"title": "Brand new", "category": "only-this"})
        answer = self.ok("GET", "/api/v1/recommend/u3?category=only-this").json
        self.assertEqual([item["id"] for item in answer["items"]], ["brand-new"])

    def test_training_goes_on_beside_serving(self):
        answer = self.ok("POST", "/api/v1/train", body={"methods": ["popular"]}, status=202)
        job = answer.json["id"]
        self.assertEqual(answer.headers["Location"], f"/api/v1/jobs/{job}")
        while self.shop.ask("GET", f"/api/v1/jobs/{job}").json["state"] in ("queued", "running"):
            self.ok("GET", "/api/v1/recommend/u1")
        self.assertEqual(self.shop.wait_job(job)["state"], "done")
        self.assertEqual(self.ok("GET", "/api/v1/recommend/u1").json["method"], "popular")
        self.ok("POST", "/api/v1/models/rollback", body={})
        self.assertEqual(self.ok("GET", "/api/v1/recommend/u1").json["method"], "markov")

    def test_progress_is_streamed(self):
        job = self.ok("POST", "/api/v1/train", body={"methods": ["popular"]}, status=202).json["id"]
        answer = self.ok("GET", f"/api/v1/jobs/{job}/progress")
        self.assertEqual(answer.headers["Content-Type"], "text/event-stream")
        text = answer.body.decode()
        self.assertIn("event: end", text)
        self.assertEqual(self.shop.wait_job(job)["state"], "done")
        self.ok("POST", "/api/v1/models/rollback", body={})

    def test_commands_go_through_the_server(self):
        folder = self.shop.folder
        run("users", "merge", "u38", "u39", "--yes", cwd=folder)
        path = folder / "more.csv"
        path.write_text("event_id,user_id,item_id,type,time\nm1,cli-user,i1,view,1790009999\n")
        done = run("import", str(path), "--json", cwd=folder)
        self.assertEqual(json.loads(done.stdout)["files"][0]["new"], 1)
        self.ok("GET", "/api/v1/recommend/cli-user")
        wrong = run("users", "merge", "nobody-1", "nobody-2", "--yes", cwd=folder, check=False)
        self.assertEqual(wrong.returncode, 4)
        self.assertIn("nobody-2", wrong.stderr)

    def test_pipelined_requests_are_answered_in_order(self):
        key = self.shop.keys["read"]
        one = f"GET /api/v1/recommend/u%d?n=1 HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n\r\n"
        data = "".join(one % user for user in range(1, 21)) + "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        out, closed = self.shop.send(data.encode(), wait=10)
        self.assertTrue(closed)
        self.assertEqual(out.count(b"HTTP/1.1 200 OK"), 21)
        places = [out.index(b'"user":"u%d"' % user) for user in range(1, 21)]
        self.assertEqual(places, sorted(places))

    def test_many_writers_at_once(self):
        answers = []

        def post(n):
            events = [{"event_id": f"w{n}-{k}", "user_id": f"w{n}", "item_id": f"i{k % 30 + 1}", "type": "view"} for k in range(20)]
            answers.append(self.shop.ask("POST", "/api/v1/events", body=events).json)

        threads = [threading.Thread(target=post, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sum(answer["accepted"] for answer in answers), 320)

    def test_an_entry_names_the_key_that_asked(self):
        """While one key's writes wait for the disk, another key is let in by the same loops."""
        def entries():
            return self.ok("GET", "/api/v1/privacy/audit?what=consent&limit=1000").json["entries"]

        before = len(entries())
        mine = self.ok("GET", "/api/v1/keys").json["keys"]
        mine = next(key["id"] for key in mine if key["name"] == "all")
        rest = threading.Event()

        def read():
            while not rest.is_set():
                self.ok("GET", "/api/v1/recommend/u1", key="read")

        def write(user):
            for on in (False, True) * 6:
                self.ok("PUT", f"/api/v1/users/u{user}/consent/recommend", body={"state": "on" if on else "off"})

        readers = [threading.Thread(target=read) for _ in range(4)]
        writers = [threading.Thread(target=write, args=(user,)) for user in range(30, 36)]
        for thread in readers + writers:
            thread.start()
        for thread in writers:
            thread.join()
        rest.set()
        for thread in readers:
            thread.join()
        made = entries()
        self.assertEqual((len(made) - before, {entry["actor"] for entry in made[:72]}), (72, {mine}))


class Life(unittest.TestCase):
    def test_what_was_acknowledged_survives_a_kill(self):
        shop = Shop(train=False).start()
        try:
            for n in range(3):
                acknowledged = []
                stop = threading.Event()

                def post(n=n):
                    k = 0
                    while not stop.is_set():
                        event = {"event_id": f"k{n}-{k}", "user_id": f"k{n}", "item_id": "i1", "type": "view"}
                        try:
                            if shop.ask("POST", "/api/v1/events", body=event).status == 200:
                                acknowledged.append(event["event_id"])
                        except OSError:
                            return
                        k += 1

                thread = threading.Thread(target=post)
                thread.start()
                end = time.monotonic() + 20
                while len(acknowledged) < 20 and time.monotonic() < end:
                    time.sleep(0.01)
                self.assertGreaterEqual(len(acknowledged), 20)
                shop.stop(signal.SIGKILL)
                stop.set()
                thread.join()
                shop.start()
                events = [{"event_id": e, "user_id": f"k{n}", "item_id": "i1", "type": "view"} for e in acknowledged]
                answer = shop.ask("POST", "/api/v1/events", body=events).json
                self.assertEqual((answer["accepted"], answer["repeated"]), (0, len(acknowledged)))
        finally:
            shop.close()

    def test_it_drains_and_starts_again(self):
        shop = Shop(train=False).start()
        try:
            self.assertEqual(shop.stop(), 0)
            self.assertFalse((shop.folder / "heed.sock").exists())
            self.assertFalse((shop.folder / "heed.db-wal").exists() and (shop.folder / "heed.db-wal").stat().st_size > 0)
            shop.start()
            self.assertEqual(shop.ask("GET", "/health/ready", key=None).status, 200)
        finally:
            shop.close()

    def test_a_key_opens_its_own_workspace_alone(self):
        import pathlib
        import tempfile
        folder = pathlib.Path(tempfile.mkdtemp(prefix="heed-serve-", dir=serving.place()))
        one = Shop(folder / "one", train=False)
        two = Shop(folder / "two", train=False)
        one.own = True
        one.folder, kept = folder, one.folder
        try:
            one.start("--workspaces", str(folder))
            event = {"event_id": "a", "user_id": "only-in-one", "item_id": "i1", "type": "view"}
            self.assertEqual(one.ask("POST", "/api/v1/events", body=event).json["accepted"], 1)
            one.keys["two"] = two.keys["all"]
            self.assertEqual(one.ask("GET", "/api/v1/users/only-in-one").status, 200)
            self.assertEqual(one.ask("GET", "/api/v1/users/only-in-one", key="two").status, 404)
            run("users", "merge", "u1", "only-in-one", "--yes", cwd=kept)
        finally:
            one.close()

    def test_a_full_disk_refuses_writes_and_answers_reads(self):
        if os.geteuid() != 0 or os.system("mount --version >/dev/null 2>&1") != 0:
            self.skipTest("a small file system can be mounted by root alone")
        import subprocess
        import tempfile
        folder = tempfile.mkdtemp(prefix="heed-full-")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], check=False, capture_output=True).returncode:
            os.rmdir(folder)
            self.skipTest("no file system can be mounted here")
        shop = None
        try:
            shop = Shop(f"{folder}/shop", train=False)
            shop.start()
            status, k = 200, 0
            while status == 200 and k < 400:
                events = [{"event_id": f"x{k}-{n}", "user_id": f"x{n}", "item_id": "i1", "type": "view",
                           "properties": {"note": "n" * 200}} for n in range(100)]
                answer = shop.ask("POST", "/api/v1/events", body=events)
                status, k = answer.status, k + 1
            self.assertEqual(status, 507, answer.body[:300])
            self.assertEqual(answer.json["code"], "FULL")
            self.assertEqual(shop.ask("GET", "/api/v1/users/x1").status, 200)
            self.assertEqual(shop.stop(), 0)
        finally:
            if shop:
                shop.own = False
                shop.close()
            subprocess.run(["umount", "-l", folder], check=False)
            os.rmdir(folder)


if __name__ == "__main__":
    sys.argv = sys.argv[:1] + sys.argv[2:]
    unittest.main(verbosity=1)
