#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# gorse.sh BUILD GORSE [SECONDS]: the same users, items and requests as serve.sh, asked of Gorse's `gorse-in-one`:
#   1. MovieLens 1M is posted to it, then it is started anew and given time until every user's list is computed
#   2. as many recommendations as 64 connections can ask for (wrk), then a fixed 2,000 and 300 a second (bench_rate)
# Gorse (Apache-2.0, Go) is not part of heed; to build the version that Go's module proxy serves last:
#   dir=$(go mod download -json github.com/zhenghaoz/gorse@v0.4.15 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
#   cp -r "$dir" gorse && chmod -R u+w gorse && cd gorse && go build ./cmd/gorse-in-one
# Data and cache are kept in SQLite, as heed's are; everything else that shapes its answers is its own default, but that
# popular items fill a short list, and that its search for better models is short (SEARCH_TRIALS, SEARCH_EPOCHS).
# Needs wrk, curl, python3 and the data sets in HEED_TEST_DATA or ../shared/data. PATIENCE: seconds to wait for its lists (default
# 3600). BACK, FRONT: as in serve.sh. KEEP: a folder that keeps the loaded databases; there already, they aren't loaded again.
set -eu
build=$(cd "$1" && pwd)
gorse=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
seconds=${3:-10}
here=$(cd "$(dirname "$0")" && pwd)
data=${HEED_TEST_DATA:-$here/../../shared/data}
[ -d "$data/movielens-1m-seq" ] || { echo "skipped: no data sets in $data"; exit 0; }
dir=${KEEP:-$(mktemp -d "${BENCH_DIR:-/tmp}/heed-gorse-XXXXXX")}
mkdir -p "$dir"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; wait; [ -n "${KEEP:-}" ] || rm -rf "$dir"' EXIT INT TERM
port=${GORSE_PORT:-18088}
url=http://127.0.0.1:$port

cat >"$dir/config.toml" <<TOML
[database]
data_store = "sqlite://$dir/data.db"
cache_store = "sqlite://$dir/cache.db"
[master]
port = $((port - 2))
host = "127.0.0.1"
http_port = $port
http_host = "127.0.0.1"
n_jobs = 2
[server]
default_n = 10
[recommend]
cache_size = 100
[recommend.data_source]
positive_feedback_types = ["view"]
[recommend.popular]
popular_window = "87600h"
[recommend.collaborative]
model_fit_period = "1440m"
model_search_period = "1440m"
model_search_trials = ${SEARCH_TRIALS:-1}
model_search_epoch = ${SEARCH_EPOCHS:-10}
[recommend.offline]
enable_popular_recommend = true
[recommend.online]
fallback_recommend = ["popular"]
TOML

start() {
  (cd "$dir" && exec ${BACK:-} "$gorse" --config "$dir/config.toml" --cache-path "$dir/one_cache.data" --recommend-jobs 2) >"$dir/log" 2>&1 &
  server=$!
  until curl -sf "$url/api/health/live" >/dev/null; do
    kill -0 "$server" || { tail -3 "$dir/log"; exit 1; }
    sleep 0.5
  done
}

cat >"$dir/load.py" <<'PY'
# Posts the sequences as feedback, a minute apart and ending now: the file has an order but no times.
import datetime, gzip, http.client, json, sys, time

connection = http.client.HTTPConnection(sys.argv[1], timeout=600)
now, begun, sent, some = datetime.datetime.utcnow(), time.time(), 0, []


def post():
    global sent, some
    connection.request("POST", "/api/feedback", json.dumps(some), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{answer.status} {text[:200]}")
    sent, some = sent + len(some), []


for line in gzip.open(sys.argv[2], "rt"):
    user, *items = line.split()
    for i, item in enumerate(items):
        when = now - datetime.timedelta(minutes=len(items) - i)
        some.append({"FeedbackType": "view", "UserId": user, "ItemId": item,
                     "Timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ")})
        if len(some) == 10000:
            post()
post()
print(f"{sent} events posted in {time.time() - begun:.0f} s: {sent / (time.time() - begun):.0f}/s")
PY

cat >"$dir/users.lua" <<'LUA'
math.randomseed(1)
request = function() return wrk.format("GET", "/api/recommend/" .. math.random(1, 6040) .. "?n=10") end
done = function(summary, latency)
  io.write(string.format("%.0f requests/s, p50 %.2f ms, p99 %.2f ms, errors %d\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.errors.status + summary.errors.connect +
    summary.errors.read + summary.errors.timeout))
end
LUA
resident() { awk '/VmRSS|VmHWM/ { printf "%s %.0f MB  ", $1, $2 / 1024 }' "/proc/$server/status"; echo; }
busy() { awk '{ print $14 + $15 }' "/proc/$server/stat"; } # processor time in ticks
lists() { python3 - "$dir/cache.db" <<'PY'
import sqlite3, sys
try:
    cache = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=20)
    print(cache.execute("SELECT count(DISTINCT name) FROM sorted_sets WHERE name LIKE 'offline_recommend/%'").fetchone()[0])
except sqlite3.Error:
    print(0)
PY
}

if [ ! -s "$dir/loaded" ]; then
  start
  python3 "$dir/load.py" "127.0.0.1:$port" "$data/movielens-1m-seq/ml1m_seq.txt.gz" >"$dir/loaded.tmp"
  kill "$server"; wait "$server" || true
  mv "$dir/loaded.tmp" "$dir/loaded"
fi
cat "$dir/loaded"
begun=$(date +%s)
start
# Ready: every user has a list, and for half a minute it has hardly worked (a twentieth of one processor).
while :; do
  before=$(busy)
  sleep 30
  worked=$(($(busy) - before))
  n=$(lists)
  echo "$(($(date +%s) - begun)) s: $n lists, processor $worked ticks of 3000" >&2
  [ "$n" -lt 6040 ] || [ "$worked" -gt 150 ] || break
  [ $(($(date +%s) - begun)) -lt "${PATIENCE:-3600}" ] || { echo "not ready in time: $n lists"; break; }
done
echo "lists of $(lists) users after $(($(date +%s) - begun)) s"
echo "an answer: $(curl -s "$url/api/recommend/1?n=10" | tr -d ' \n')"
echo "memory: $(resident)"
rate() { timeout $((seconds * 20)) ${FRONT:-} "$build/bench/bench_rate" --path '/api/recommend/%u?n=10' 127.0.0.1 "$port" - "$1" "$seconds"; }
echo "recommendations, 64 connections (wrk): $(${FRONT:-} wrk -t1 -c64 -d"$seconds" -s "$dir/users.lua" "$url" | tail -1)"
for n in 300 1000 2000; do echo "recommendations, $n/s (bench_rate): $(rate $n)"; done
echo "memory: $(resident)"
