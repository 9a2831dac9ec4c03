# SPDX-License-Identifier: Apache-2.0
"""A server that is started by hand: the passphrase is typed once, and it and the flags reach the processes of jobs, unseen by others."""
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import unittest

import serving
from serving import Shop, run

PHRASE = "correct horse battery staple"


class Typed(unittest.TestCase):
    def setUp(self):
        self.shop = Shop(train=False)
        run("key", "passphrase", cwd=self.shop.folder, env=dict(os.environ, HEED_NEW_PASSPHRASE=PHRASE))
        self.said = ""

    def tearDown(self):
        self.shop.close()

    def start(self, phrase, *flags):
        """heed serve on a terminal of its own; waits for the question, answers, and reads on."""
        outer, inner = pty.openpty()
        self.addCleanup(os.close, outer)
        env = {k: v for k, v in os.environ.items() if not k.startswith("HEED_PASS")}
        process = subprocess.Popen([serving.HEED, "serve", "--listen", "127.0.0.1:0", *flags], cwd=self.shop.folder,
                                   stdin=inner, stdout=inner, stderr=inner, env=dict(env, TERM="dumb"), start_new_session=True)
        os.close(inner)
        self.shop.process = process
        process.stderr = open(os.devnull, encoding="ascii")
        self.read_until(outer, "passphrase of the keys")
        os.write(outer, phrase.encode() + b"\n")
        self.outer = outer

    def read_until(self, outer, text, seconds=60):
        end = time.monotonic() + seconds
        while text not in self.said and time.monotonic() < end:
            try:
                self.said += os.read(outer, 4096).decode(errors="replace")
            except OSError:  # the terminal's other side is closed
                break
        self.assertIn(text, self.said)

    def watch(self, job, seen):
        """What anybody can see of the job's process while it runs."""
        own = f"/proc/{self.shop.process.pid}/task"
        while not job.is_set():
            for task in pathlib.Path(own).iterdir():
                try:
                    for child in (task / "children").read_text().split():
                        place = pathlib.Path("/proc") / child
                        seen.append((place / "cmdline").read_bytes() + (place / "environ").read_bytes())
                except OSError:
                    continue
            time.sleep(0.005)

    def test_jobs_open_the_keys_and_know_the_flags(self):
        self.start(PHRASE, "--setting", "train.methods=popular")
        self.read_until(self.outer, "serving at")
        self.shop.port = int(re.search(r"127\.0\.0\.1:(\d+)", self.said).group(1))
        threading.Thread(target=self.drain, daemon=True).start()
        self.assertEqual(self.shop.ask("GET", "/api/v1/items").status, 200)
        done, seen = threading.Event(), []
        watcher = threading.Thread(target=self.watch, args=(done, seen))
        watcher.start()
        job = self.shop.ask("POST", "/api/v1/train", body={})
        self.assertEqual(job.status, 202, job.body)
        state = self.shop.wait_job(job.json["id"])
        done.set()
        watcher.join()
        self.assertEqual(state["state"], "done", state)
        self.assertEqual(self.shop.ask("GET", "/api/v1/recommend/u1").json["method"], "popular")
        methods = {model["method"] for model in self.shop.ask("GET", "/api/v1/models").json["models"]}
        self.assertEqual(methods & {"markov", "item_knn", "user_knn"}, set())
        self.assertTrue(any(b"train.methods=popular" in text and b"--lent-passphrase" in text for text in seen), len(seen))
        for text in seen:
            self.assertNotIn(PHRASE.encode(), text)
        self.shop.process.send_signal(signal.SIGHUP)  # handles are opened anew: nobody is asked again
        time.sleep(0.5)
        event = {"user": "u1", "item": "i2", "type": "view"}
        self.assertEqual(self.shop.ask("POST", "/api/v1/events", body=event).status, 200)
        self.assertEqual(self.said.count("passphrase of the keys"), 1)
        self.assertEqual(self.shop.stop(), 0)

    def drain(self):
        try:
            while got := os.read(self.outer, 4096):
                self.said += got.decode(errors="replace")
        except OSError:
            pass

    def test_a_wrong_one_ends_the_start(self):
        self.start("wrong")
        self.read_until(self.outer, "heed:")
        self.assertNotEqual(self.shop.process.wait(60), 0)


if __name__ == "__main__":
    sys.argv = sys.argv[:1] + sys.argv[2:]
    unittest.main(verbosity=1)
