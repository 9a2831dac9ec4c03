#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""live.py HEED: the Python client against a real server: what it posts arrives, keys hold, quotas and restarts."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "clients" / "python"))
from heed import Denied, Heed, HeedError, InputError, KeyRefused, Limited, NotFound  # noqa: E402

HEED = os.path.abspath(sys.argv.pop(1))
ENV = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": "/nonexistent"}
ENV.update({name: value for name, value in os.environ.items() if "SAN_OPTIONS" in name})


class Live(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.shop = self.folder.name + "/shop"
        self.process = None
        self.run_heed("init", self.shop)
        self.key = self.make_key("all", "--scope", "all")
        self.start()

    def tearDown(self):
        self.stop()
        self.folder.cleanup()

    def run_heed(self, *words):
        return subprocess.run([HEED, *words], capture_output=True, text=True, check=True, env=ENV).stdout

    def make_key(self, name, *words):
        return json.loads(self.run_heed("--workspace", self.shop, "key", "create", "--name", name, "--json", *words))["key"]

    def start(self):
        self.process = subprocess.Popen([HEED, "--workspace", self.shop, "serve", "--listen", "127.0.0.1:0"], env=ENV,
                                        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        for line in self.process.stderr:
            if found := re.search(r"http://\S+", line):
                self.url = found.group()
                break
        self.heed = self.client(self.key)

    def stop(self):
        if self.process:
            self.heed.close()
            self.process.terminate()
            self.process.stderr.read()
            self.process.stderr.close()
            self.assertEqual(self.process.wait(30), 0)
            self.process = None

    def client(self, key):
        client = Heed(self.url, key=key, retries=1)
        self.addCleanup(client.close)
        return client

    def test_records_answers_and_training(self):
        heed = self.heed
        self.assertTrue(heed.ready())
        self.assertEqual(heed.items({"id": "i%d" % i, "title": "Thing %d" % i} for i in range(40))["accepted"], 40)
        events = [{"event_id": "e%d" % i, "user_id": "u%d" % (i % 30), "item_id": "i%d" % (i * 7 % 40),
                   "type": "purchase", "time": 1750000000 + i * 60} for i in range(1200)]
        self.assertEqual(heed.events(events)["accepted"], 1200)
        again = heed.events(events[:600])  # as after an answer that was lost
        self.assertEqual((again["accepted"], again["repeated"]), (0, 600))
        mixed = heed.events([{"user_id": "u1", "item_id": "i1", "type": "view"}, {"user_id": "u1", "time": "never"}])
        self.assertEqual((mixed["accepted"], mixed["rejected"], mixed["errors"][0]["index"]), (1, 1, 1))
        with self.assertRaises(InputError):
            heed.events({"user_id": "u1", "time": "never"})
        self.assertEqual(heed.reviews({"user_id": "u1", "item_id": "i1", "rating": 5, "text": "good"})["accepted"], 1)
        self.assertEqual(heed.tickets({"ticket_id": "t1", "user_id": "u1", "role": "user", "text": "where?"})["accepted"], 1)
        self.assertEqual(heed.wait(heed.train(), timeout=60, every=0.1)["state"], "done")
        self.assertEqual(len(list(heed.jobs(limit=1))), 1)
        self.assertTrue(any(model["active"] for model in heed.models()))
        self.assertEqual(len(heed.recommend("u1", n=3, why=True)["items"]), 3)
        self.assertEqual(heed.export("u1")["user"], "u1")
        self.assertFalse(heed.consent("u1", "train", False)["on"])
        self.assertTrue(heed.restrict("u1")["restricted"])
        with self.assertRaises(NotFound):
            heed.user("nobody/..%2f")

    def test_keys_scopes_and_revoking(self):
        made = self.heed.create_key("web", ["read", "write"], expires="1d")
        web = self.client(made["key"])
        self.assertEqual(web.events({"user_id": "u1", "item_id": "i1", "type": "view"})["accepted"], 1)
        with self.assertRaises(Denied):
            web.keys()
        admin = self.client(self.heed.create_key("admin", ["admin"])["key"])
        with self.assertRaises(Denied):  # nobody hands out more than they have
            admin.create_key("more", ["personal"])
        self.assertNotIn(made["key"], json.dumps(self.heed.keys()))
        self.heed.revoke_key(made["id"])
        with self.assertRaises(KeyRefused) as caught:
            web.version()
        self.assertEqual(caught.exception.code, "key_revoked")
        with self.assertRaises(KeyRefused):
            self.client(None).models()
        # The command line goes through the server that holds the workspace.
        late = self.client(self.make_key("late", "--scope", "read"))
        self.assertIn("version", late.version())

    def test_quotas_outlive_a_restart(self):
        key = self.make_key("small", "--scope", "read,write", "--quota-requests", "5", "--quota-events", "3")
        small = self.client(key)
        self.assertEqual(small.events([{"user_id": "u1", "item_id": "i1", "type": "view"}] * 3)["accepted"], 3)
        with self.assertRaises(Limited) as caught:
            small.events({"user_id": "u1", "item_id": "i1", "type": "view"})
        self.assertEqual(caught.exception.code, "quota")
        for _ in range(2):
            small.version()
        self.stop()
        self.start()
        small = self.client(key)
        with self.assertRaises(Limited):
            small.events({"user_id": "u1", "item_id": "i1", "type": "view"})
        for _ in range(2):
            small.version()
        with self.assertRaises(Limited) as caught:
            small.version()
        self.assertTrue(0 < caught.exception.retry_after <= 86400)
        self.stop()
        rows = json.loads(self.run_heed("--workspace", self.shop, "usage", "--key", key[5:13], "--json"))["total"]
        self.assertEqual((rows["requests"], rows["events"], rows["refused"]), (5, 3, 3))
        self.start()

    def test_guessing_is_slowed_down(self):
        wrong = self.client(self.key[:20] + ("b" if self.key[20] == "a" else "a") + self.key[21:])
        wrong.retries = 0
        codes = []
        for _ in range(12):
            with self.assertRaises(HeedError) as caught:
                wrong.version()
            codes.append(caught.exception.status)
        self.assertEqual(codes, [401] * 10 + [429] * 2)
        self.assertIn("version", self.heed.version())


if __name__ == "__main__":
    unittest.main()
