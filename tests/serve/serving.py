# SPDX-License-Identifier: Apache-2.0
"""A small shop that is served: what the tests of `heed serve` share. Standard library only."""
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("HEED_JOBS_PRIORITY", "low")  # other tests keep the processors busy: idle jobs would wait for them
HEED = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else "heed"


def place():
    """In memory where that can be had: the tests aren't about how fast a disk syncs."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def run(*args, cwd=None, check=True, env=None):
    """A command: its exit code, stdout and stderr."""
    done = subprocess.run([HEED, *args], cwd=cwd, capture_output=True, text=True, timeout=120, env=env, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"heed {' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Shop:
    """A workspace with 40 users and 30 items, trained; keys by name."""

    def __init__(self, folder=None, train=True):
        self.own = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="heed-serve-", dir=place()))
        self.process = None
        self.port = None
        self.keys = {}
        run("init", str(self.folder))
        self.fill()
        if train:
            run("train", "--methods", "popular,markov", cwd=self.folder)
        for name, scope in [("all", "read,write,admin,personal"), ("read", "read"), ("write", "write")]:
            made = run("key", "create", "--name", name, "--scope", scope, "--json", cwd=self.folder)
            self.keys[name] = re.search(r"heed_[a-z0-9]+_[a-z0-9]+", made.stdout).group(0)

    def fill(self):
        items = ["item_id,title,category"] + [f"i{k},Item {k},c{k % 3}" for k in range(1, 31)]
        events = ["event_id,user_id,item_id,type,time"]
        for user in range(1, 41):
            for k in range(6):
                item = (user + k) % 30 + 1  # one thing leads to the next
                events.append(f"e{user}-{k},u{user},i{item},purchase,{1790000000 + user * 5000 + k * 60}")
        for name, lines in [("items", items), ("events", events)]:
            path = self.folder / f"{name}.csv"
            path.write_text("\n".join(lines) + "\n")
            run("import", str(path), cwd=self.folder)

    def start(self, *args, cwd=None, env=None):
        self.process = subprocess.Popen(
            [HEED, "serve", "--listen", "127.0.0.1:0", *args], cwd=cwd or self.folder, stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL, text=True, env=env)
        for line in self.process.stderr:
            found = re.search(r"serving at (https?)://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(2))
                break
        else:
            raise AssertionError(f"heed serve ended: {self.process.wait()}")
        return self

    def stop(self, how=signal.SIGTERM):
        if not self.process:
            return None
        self.process.send_signal(how)
        code = self.process.wait(timeout=60)
        self.process.stderr.close()
        self.process = None
        return code

    def ask(self, method, path, body=None, key="all", headers=None, raw=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        send = dict(headers or {})
        if key:
            send["Authorization"] = f"Bearer {self.keys.get(key, key)}"
        data = raw
        if body is not None:
            data = json.dumps(body)
            send.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body=data, headers=send)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def send(self, data, wait=2.0):
        """Raw bytes; what comes back until the server closes or is quiet for `wait` seconds, and whether it closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as s:
            s.sendall(data)
            out = b""
            try:
                while True:
                    got = s.recv(65536)
                    if not got:
                        return out, True
                    out += got
            except (socket.timeout, ConnectionResetError):
                return out, False

    def wait_job(self, job, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = self.ask("GET", f"/api/v1/jobs/{job}").json
            if state["state"] in ("done", "failed", "cancelled"):
                return state
            time.sleep(0.05)
        raise AssertionError(f"job {job} did not end")

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()
        if self.own:
            shutil.rmtree(self.folder, ignore_errors=True)
