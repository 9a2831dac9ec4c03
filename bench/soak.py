#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""soak.py HEED [MINUTES] [REQUESTS_PER_SECOND] [EVENTS]: a server under mixed load, its memory by the minute.

Reads, posts, new items, documents, mistakes, exports, erasures; an imported file and a training every ten minutes. What is kept stays
about as large as it is: no more than EVENTS ids of events come (20000; 0: each is new), most of them sent again and known. Prints a
line a minute - resident memory, and what the server says it uses - and at the end the growth after the first third; exits 1 when
anything answered 5xx or was answered wrongly.
"""
import http.client
import json
import pathlib
import random
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "serve"))
import serving  # noqa: E402


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main():
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 60
    rate = float(sys.argv[3]) if len(sys.argv) > 3 else 100
    ids = int(sys.argv[4]) if len(sys.argv) > 4 else 20000
    rng = random.Random(1)
    shop = serving.Shop().start("--setting", "serve.failures=0")
    key = shop.keys["all"]
    connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=60)
    counts, samples, n = {}, [], 0
    begun = time.monotonic()

    def ask(method, path, body=None, auth=True, expect=(200, 201, 202), raw=None):
        nonlocal n
        headers = {"Authorization": f"Bearer {key}"} if auth else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = raw or (json.dumps(body) if body is not None else None)
        try:
            connection.request(method, path, body=data, headers=headers)
            answer = connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):  # idle for too long: the machine was asleep
            connection.close()
            counts["connected anew"] = counts.get("connected anew", 0) + 1
            connection.request(method, path, body=data, headers=headers)
            answer = connection.getresponse()
        answer.read()
        n += 1
        counts[answer.status] = counts.get(answer.status, 0) + 1
        if answer.status not in expect:
            counts["unexpected"] = counts.get("unexpected", 0) + 1
            print(f"{method} {path}: {answer.status}", flush=True)

    def used():
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {key}"})
        text = connection.getresponse().read().decode()
        return float(re.search(r"^heed_memory_bytes (\S+)", text, re.M)[1]) / (1 << 20)

    def event(k):
        it = random.Random(rng.randrange(ids)) if ids else rng  # the same id is the same event
        return {"event_id": f"s{it.randrange(1 << 60)}", "user": f"u{it.randint(1, 400)}", "item": f"i{it.randint(1, 30)}",
                "type": it.choice(["view", "purchase", "cart"]), "time": f"2026-01-{it.randint(1, 28):02}T12:00:00Z"}

    def upload():
        it = random.Random(2) if ids else rng
        rows = ["event_id,user_id,item_id,type"] + [f"f{it.randrange(1 << 60)},u{it.randint(1, 400)},i{it.randint(1, 30)},view" for k in range(2000)]
        ask("POST", "/api/v1/imports?as=events", raw="\n".join(rows).encode())

    def turn():
        what = rng.random()
        if what < 0.6:
            ask("GET", f"/api/v1/recommend/u{rng.randint(1, 40)}?n=10")
        elif what < 0.85:
            ask("POST", "/api/v1/events", [event(k) for k in range(rng.randint(1, 10))])
        elif what < 0.88:
            ask("PUT", f"/api/v1/items/i{rng.randint(1, 40)}", {"title": f"Item {n}", "categories": [f"c{n % 3}"]})
        elif what < 0.9:
            ask("PUT", f"/api/v1/documents/d{rng.randint(1, 40)}", {"title": f"Answer {n}", "text": "x" * 500})
        elif what < 0.94:
            ask("GET", f"/api/v1/profile/u{rng.randint(1, 40)}")
        elif what < 0.955:
            ask("GET", "/metrics")
        elif what < 0.96:  # somebody comes, is exported and goes; others are erased who had been there
            user = f"gone{n}" if rng.random() < 0.9 else f"u{rng.randint(41, 400)}"
            ask("POST", "/api/v1/events", [dict(event(k), user=user, event_id=f"g{n}-{k}") for k in range(3)])
            ask("GET", f"/api/v1/users/{user}/export")
            ask("DELETE", f"/api/v1/users/{user}")
        elif what < 0.98:
            ask("GET", f"/api/v1/recommend/u1?n={rng.choice(['x', '0', ''])}", expect=(400,))
        else:
            ask("GET", "/api/v1/recommend/u1", auth=False, expect=(401,))

    next_minute, trained, imported = 0, 0, 0
    try:
        while time.monotonic() - begun < minutes * 60:
            turn()
            at = time.monotonic() - begun
            if at >= next_minute * 60:
                rss = resident(shop.process.pid)
                samples.append((at / 60, rss))
                print(f"minute {next_minute}: {n} requests, {rss:.1f} MB, in use {used():.1f} MB", flush=True)
                next_minute += 1
            if at >= (trained + 1) * 600:
                ask("POST", "/api/v1/train", {"methods": ["popular", "markov"]})
                trained += 1
            if at >= imported * 600 + 300:
                upload()
                imported += 1
            time.sleep(max(0.0, n / rate - (time.monotonic() - begun)))
        settled = [s for s in samples if s[0] >= minutes / 3] or samples
        growth = settled[-1][1] - settled[0][1]
        print(f"{n} requests in {minutes:g} minutes: {counts}; {trained} trainings, {imported} imports; resident {settled[0][1]:.1f} MB at "
              f"minute {settled[0][0]:.0f}, {settled[-1][1]:.1f} MB at the end ({growth:+.1f} MB)")
        code = shop.stop()
        return 1 if counts.get("unexpected") or code != 0 else 0
    finally:
        shop.close()


sys.exit(main())
