# SPDX-License-Identifier: Apache-2.0
"""A server that is killed (-9) in the middle of posting, publishing and erasing. HEED_KILLS: how often (2)."""
import json
import os
import random
import signal
import sys
import threading
import time
import unittest

from serving import Shop, run

KILLS = int(os.environ.get("HEED_KILLS", "2"))


class Worker(threading.Thread):
    """Does something until the server is gone; notes what was acknowledged."""

    def __init__(self, work):
        super().__init__()
        self.work, self.acknowledged = work, []

    def run(self):
        k = 0
        while True:
            try:
                done = self.work(k)
            except (OSError, ValueError):
                return
            if done is not None:
                self.acknowledged.append(done)
            k += 1


class Killed(unittest.TestCase):
    def setUp(self):
        self.shop = Shop().start()
        self.rng = random.Random(5)

    def tearDown(self):
        self.shop.close()

    def event(self, event_id, user):
        return {"event_id": event_id, "user": user, "item": "i1", "type": "view", "properties": {"note": f"canary-{user}"}}

    def test_whatever_was_acknowledged_is_there(self):
        for n in range(KILLS):
            victims = [f"victim-{n}-{k}" for k in range(40)]
            answer = self.shop.ask("POST", "/api/v1/events", body=[self.event(f"v-{v}", v) for v in victims])
            self.assertEqual(answer.json["accepted"], len(victims))
            workers = [Worker(lambda k, w=w, n=n: self.post(n, w, k)) for w in range(2)]
            workers.append(Worker(lambda k, victims=victims: self.erase(victims, k)))
            workers.append(Worker(lambda k: self.publish(k)))
            for worker in workers:
                worker.start()
            time.sleep(0.1 + self.rng.random() * 0.5)
            self.shop.stop(signal.SIGKILL)
            for worker in workers:
                worker.join()
            self.check(n, victims, workers)

    def post(self, n, w, k):
        answer = self.shop.ask("POST", "/api/v1/events", body=self.event(f"k{n}-{w}-{k}", f"poster-{n}-{w}"))
        return f"k{n}-{w}-{k}" if answer.status == 200 else None

    def erase(self, victims, k):
        if k >= len(victims):
            raise OSError("all are erased")
        return victims[k] if self.shop.ask("DELETE", f"/api/v1/users/{victims[k]}").status == 200 else None

    def publish(self, k):
        if k % 2 == 0:
            job = self.shop.ask("POST", "/api/v1/train", body={"methods": ["popular", "markov"]}).json
            time.sleep(0.05)
            return job.get("id")
        self.shop.ask("POST", "/api/v1/models/rollback", body={})
        return None

    def check(self, n, victims, workers):
        self.shop.start()
        for w in range(2):
            events = [self.event(e, f"poster-{n}-{w}") for e in workers[w].acknowledged]
            if events:
                answer = self.shop.ask("POST", "/api/v1/events", body=events).json
                self.assertEqual((answer["accepted"], answer["repeated"]), (0, len(events)))
        erased = set(workers[2].acknowledged)
        for victim in victims:
            status = self.shop.ask("GET", f"/api/v1/users/{victim}").status
            if victim in erased:
                self.assertEqual(status, 404, victim)
            else:
                self.assertIn(status, (200, 404), victim)
        answer = self.shop.ask("GET", "/api/v1/recommend/u1")
        self.assertEqual(answer.status, 200, answer.body[:300])
        verified = run("privacy", "audit", "--verify", "--json", cwd=self.shop.folder, check=False)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        self.assertTrue(json.loads(verified.stdout)["sound"])


if __name__ == "__main__":
    sys.argv = sys.argv[:1] + sys.argv[2:]
    unittest.main(verbosity=1)
