#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""post.py URL KEY RATE SECONDS [BATCH] [CONNECTIONS]: posts events in batches and says how many were acknowledged a second.

RATE 0: as fast as the connections allow. Bodies are made beforehand, so that the sender costs little.
"""
import http.client
import json
import random
import sys
import threading
import time
import urllib.parse


def main():
    url, key, rate, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
    batch = int(sys.argv[5]) if len(sys.argv) > 5 else 100
    connections = int(sys.argv[6]) if len(sys.argv) > 6 else (1 if rate else 4)
    where = urllib.parse.urlsplit(url)
    rng = random.Random(7)
    run = f"{time.time():.0f}"
    counts, times, failed, lock = [0], [], [], threading.Lock()
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    start_line = threading.Barrier(connections + 1)

    def body(who, n):
        return json.dumps([{"event_id": f"{run}-{who}-{n}-{k}", "user": str(rng.randint(1, 6040)), "item": str(rng.randint(1, 3400)),
                            "type": "view"} for k in range(batch)])

    def post(who):
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
        n = 0
        most = rate / batch if rate else 300  # batches a second; making more than are sent would take the processor meanwhile
        ready = [body(who, i) for i in range(int(seconds * most / connections) + 2)]
        start_line.wait()
        start = time.monotonic()
        while time.monotonic() - start < seconds and n < len(ready):
            text = ready[n]
            at = time.monotonic()
            connection.request("POST", "/api/v1/events", body=text, headers=headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                failed.append(answer.status)
                return
            with lock:
                counts[0] += batch
                times.append(time.monotonic() - at)
            n += 1
            if rate:
                time.sleep(max(0.0, n * batch * connections / rate - (time.monotonic() - start)))

    threads = [threading.Thread(target=post, args=(i,)) for i in range(connections)]
    for thread in threads:
        thread.start()
    start_line.wait()
    begun = time.monotonic()
    for thread in threads:
        thread.join()
    if failed:
        raise SystemExit(f"answered {failed} after {counts[0]} events")
    times.sort()
    took = time.monotonic() - begun
    print(f"{counts[0] / took:.0f} events/s acknowledged, a batch of {batch} p50 {times[len(times) // 2] * 1000:.1f} ms, "
          f"p99 {times[int(len(times) * 0.99)] * 1000:.1f} ms, most {times[-1] * 1000:.1f} ms")


main()
