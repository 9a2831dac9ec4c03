#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""beside.py BUILD [PAIRS] [SECONDS] [job[:METHODS]|posts]: latencies of 2,000 recommendations a second, alone and beside something, in turn.

MovieLens 1M (HEED_TEST_DATA or ../shared/data), one server; beside it a training posted to it (every method, or METHODS with commas
between; tuned; another when it has ended), or 1,000 events a second, posted in batches of 100. In each pair that is halted for a run of
SECONDS and goes on for the next, which asks for the same users; a pair in which no training ran to the end isn't counted, and one
counts as sure when the host took no processor time from the machine meanwhile ("stolen", /proc/stat). Prints each pair, and the 99th
percentiles of the requests of all pairs together, and of the sure ones.
"""
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

here = pathlib.Path(__file__).resolve().parent
build = pathlib.Path(sys.argv[1]).resolve()
pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 8
seconds = sys.argv[3] if len(sys.argv) > 3 else "3"
beside = sys.argv[4] if len(sys.argv) > 4 else "job"
data = pathlib.Path(os.environ.get("HEED_TEST_DATA", here.parent.parent / "shared" / "data")) / "movielens-1m-seq"
heed = str(build / "heed")


def stolen():
    return int(pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[8])


def state(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "gone"


def p99(latencies):
    return sorted(latencies)[len(latencies) * 99 // 100]


def children(pid):
    return [int(p) for task in pathlib.Path(f"/proc/{pid}/task").iterdir() for p in (task / "children").read_text().split()]


def main():
    if not data.is_dir():
        print(f"skipped: no data set in {data}")
        return
    with tempfile.TemporaryDirectory(prefix="heed-beside-") as folder:
        shop = folder + "/shop"
        run = lambda *args: subprocess.run([heed, *args], check=True, capture_output=True, text=True).stdout
        run("init", shop)
        run("--workspace", shop, "import", "--preset", "sequence", str(data / "ml1m_seq.txt.gz"))
        run("--workspace", shop, "train", "--methods", "markov", "--setting", "train.tune=false")
        key = re.search(r"heed_[a-z0-9]+_[a-z0-9]+", run("--workspace", shop, "key", "create", "--name", "b", "--scope", "all", "--json"))[0]
        server = subprocess.Popen([heed, "--workspace", shop, "serve", "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
        try:
            measure(server, key)
        finally:
            server.terminate()
            server.wait()


def start_job(server, port, key):
    methods = beside.partition(":")[2]
    wish = json.dumps({"methods": methods.split(",")} if methods else {}).encode()
    ask = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/train", wish, {"X-API-Key": key, "Content-Type": "application/json"})
    json.load(urllib.request.urlopen(ask))
    while not (jobs := children(server.pid)):
        time.sleep(0.05)
    return jobs[0]


def start_posts(port, key):
    most = str(int((2 * float(seconds) + 3) * pairs + 10))
    return subprocess.Popen([sys.executable, str(here / "post.py"), f"http://127.0.0.1:{port}", key, "1000", most], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL).pid


def measure(server, key):
    port = next(m[1] for line in server.stderr if (m := re.search(r"serving at http://127\.0\.0\.1:(\d+)", line)))
    def rate(seed):
        before = stolen()
        with tempfile.NamedTemporaryFile("r", prefix="heed-rate-") as file:
            subprocess.run([str(build / "bench/bench_rate"), "--seed", str(seed), "--latencies", file.name, "127.0.0.1", port, key, "2000",
                            seconds], check=True, capture_output=True)
            return [float(line) for line in file], stolen() - before

    rate(0)
    start = (lambda: start_posts(port, key)) if beside == "posts" else (lambda: start_job(server, port, key))
    ratios, pools = {"all": [], "sure": []}, {"all": ([], []), "sure": ([], [])}
    pid = start()
    time.sleep(2)
    for pair in range(pairs):
        if state(pid) in ("gone", "Z"):
            pid = start()
            time.sleep(1)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.5)
        alone, stolen_alone = rate(pair + 1)
        os.kill(pid, signal.SIGCONT)
        time.sleep(1)  # posts come up with what they missed
        busy, stolen_beside = rate(pair + 1)
        gone = state(pid) in ("gone", "Z")
        said = "it has ended: not counted" if gone else f"stolen {stolen_alone} and {stolen_beside}"
        ratio = p99(busy) / p99(alone)
        print(f"p99 {p99(alone):.2f} and {p99(busy):.2f} ms: {ratio:.2f} times ({said})", flush=True)
        for kind in [] if gone else ["all"] if stolen_alone + stolen_beside else ["all", "sure"]:
            ratios[kind].append(ratio)
            pools[kind][0].extend(alone)
            pools[kind][1].extend(busy)
    for kind, found in ratios.items():
        if found:
            alone, busy = map(p99, pools[kind])
            print(f"{len(found)} pairs ({kind}): {statistics.median(found):.2f} times in the median, {max(found):.2f} at most; their "
                  f"{len(pools[kind][0])} requests of each kind together: p99 {alone:.2f} and {busy:.2f} ms, {busy / alone:.2f} times")
    os.kill(pid, signal.SIGKILL) if state(pid) not in ("gone", "Z") else None


main()
