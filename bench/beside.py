#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""beside.py BUILD [PAIRS] [SECONDS]: latencies of 2,000 recommendations a second, with a training job halted and running in turn.

MovieLens 1M (HEED_TEST_DATA or ../shared/data), one server, one long training posted to it (every method, tuned). In each pair the
job is halted for a run of SECONDS and goes on for the next, which asks for the same users; a pair counts as sure when the job ran to
the pair's end and the host took no processor time from the machine ("stolen", /proc/stat). Prints each pair, and the 99th percentiles
of the requests of all sure pairs together.
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


def measure(server, key):
    port = next(m[1] for line in server.stderr if (m := re.search(r"serving at http://127\.0\.0\.1:(\d+)", line)))
    ask = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/train", b"{}", {"X-API-Key": key, "Content-Type": "application/json"})

    def rate(seed):
        before = stolen()
        with tempfile.NamedTemporaryFile("r", prefix="heed-rate-") as file:
            subprocess.run([str(build / "bench/bench_rate"), "--seed", str(seed), "--latencies", file.name, "127.0.0.1", port, key, "2000",
                            seconds], check=True, capture_output=True)
            return [float(line) for line in file], stolen() - before

    rate(0)
    json.load(urllib.request.urlopen(ask))
    while not (jobs := children(server.pid)):
        time.sleep(0.05)
    job, sure, pools = jobs[0], [], ([], [])
    time.sleep(2)
    for pair in range(pairs):
        os.kill(job, signal.SIGSTOP)
        time.sleep(0.1)
        alone, stolen_alone = rate(pair)
        os.kill(job, signal.SIGCONT)
        time.sleep(0.1)
        beside, stolen_beside = rate(pair)
        gone = state(job) in ("gone", "Z")
        said = "the job has ended: not counted" if gone else f"stolen {stolen_alone} and {stolen_beside}"
        ratio = p99(beside) / p99(alone)
        print(f"p99 {p99(alone):.2f} and {p99(beside):.2f} ms: {ratio:.2f} times ({said})", flush=True)
        if gone:
            break
        if stolen_alone + stolen_beside == 0:
            sure.append(ratio)
            pools[0].extend(alone)
            pools[1].extend(beside)
    if sure:
        alone, beside = map(p99, pools)
        print(f"{len(sure)} sure pairs: {statistics.median(sure):.2f} times in the median, {max(sure):.2f} at most; their {len(pools[0])} "
              f"requests of each kind together: p99 {alone:.2f} and {beside:.2f} ms, {beside / alone:.2f} times")
    os.kill(job, signal.SIGKILL) if state(job) not in ("gone", "Z") else None


main()
