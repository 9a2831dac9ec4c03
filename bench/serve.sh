#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# serve.sh BUILD [SECONDS]: a server on MovieLens 1M with the load generator beside it on the same machine:
#   1. as many recommendations as 64 connections can ask for (wrk)
#   2. a fixed 2,000 recommendations a second (bench_rate; autocannon, from npm): latencies, resident memory
#   3. the same while 1,000 events a second are posted, and while a training job runs
#   4. events posted in batches of 100, each batch acknowledged when it is durable
# BACK, FRONT: what to start server and clients with, on a machine that others use too ("nice -n -10", say). What the host takes from
# a virtual machine nobody on it can mend: "stolen", in hundredths of a second over all processors, stands beside each run.
# Needs wrk, curl, python3, node with npm, and the data sets in HEED_TEST_DATA or ../shared/data. BENCH_DIR: on which disk (default /tmp).
set -eu
build=$(cd "$1" && pwd)
seconds=${2:-10}
here=$(cd "$(dirname "$0")" && pwd)
data=${HEED_TEST_DATA:-$here/../../shared/data}
heed=$build/heed
[ -d "$data/movielens-1m-seq" ] || { echo "skipped: no data sets in $data"; exit 0; }
dir=$(mktemp -d "${BENCH_DIR:-/tmp}/heed-serve-XXXXXX")
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$dir"' EXIT INT TERM

"$heed" init "$dir/shop" >/dev/null
"$heed" --workspace "$dir/shop" import --preset sequence "$data/movielens-1m-seq/ml1m_seq.txt.gz" >/dev/null
"$heed" --workspace "$dir/shop" train --methods markov --setting train.tune=false >/dev/null
key=$("$heed" --workspace "$dir/shop" key create --name bench --scope all --json | grep -o 'heed_[a-z0-9]*_[a-z0-9]*' | head -1)
front=${FRONT:-} back=${BACK:-}
$back "$heed" --workspace "$dir/shop" serve --listen 127.0.0.1:0 2>"$dir/log" >/dev/null &
server=$!
until grep -q 'serving at' "$dir/log"; do sleep 0.1; done
url=$(sed -n 's/.*serving at \(http[^ ]*\).*/\1/p' "$dir/log")

cat >"$dir/users.lua" <<LUA
math.randomseed(1)
wrk.headers["X-API-Key"] = "$key"
request = function() return wrk.format("GET", "/api/v1/recommend/" .. math.random(1, 6040) .. "?n=10") end
done = function(summary, latency)
  io.write(string.format("%.0f requests/s, p50 %.2f ms, p99 %.2f ms, errors %d\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.errors.status + summary.errors.connect +
    summary.errors.read + summary.errors.timeout))
end
LUA
resident() { awk '/VmRSS|VmHWM/ { printf "%s %.0f MB  ", $1, $2 / 1024 }' "/proc/$server/status"; echo; }
wrk_run() { $front wrk -t1 -c64 -d"$seconds" -s "$dir/users.lua" "$url" | tail -1; }
if [ -d "${BENCH_NPM:-}" ]; then ln -s "$BENCH_NPM" "$dir/npm"; else npm install --silent --no-audit --no-fund --prefix "$dir/npm" autocannon@7 >/dev/null 2>&1 || echo "autocannon could not be fetched"; fi
cat >"$dir/rate.cjs" <<'JS'
const autocannon = require(process.argv[2] + '/node_modules/autocannon');
const [url, key, rate, seconds, connections] = process.argv.slice(3);
let x = 1;
const user = () => 1 + (x = (x * 48271) % 2147483647) % 6040;
const requests = !key ? [{method: 'GET', path: '/health/live'}] : Array.from({length: 20}, () => ({method: 'GET', path: `/api/v1/recommend/${user()}?n=10`, headers: {'x-api-key': key}}));
autocannon({url, connections: +connections, duration: +seconds, overallRate: +rate, requests}).then((d) =>
  console.log(`${d.requests.average.toFixed(0)} requests/s, p50 ${d.latency.p50} ms, p99 ${d.latency.p99} ms, errors ${d.errors + d.non2xx}`));
JS
port=${url##*:}
stolen() { awk '/^cpu / { print $9 }' /proc/stat; }
noting() { # CMD...: with what the host took meanwhile
  before=$(stolen)
  said=$("$@")
  echo "$said [stolen $(($(stolen) - before)), load $(cut -d' ' -f1 /proc/loadavg)]"
}
rate() { $front "$build/bench/bench_rate" 127.0.0.1 "$port" "$key" "$1" "$seconds"; } # evenly spaced, from when each was due
# latencies at a fixed rate. autocannon builds the bytes of every request for every connection when it starts, and counts that as
# waiting: 20 users. It lets each connection send its share of a second as fast as it is answered when the second
# begins: with 64 connections that is a burst of 64 at a time, with 4 the same requests come four at a time.
cannon() { $front node "$dir/rate.cjs" "$dir/npm" "$url" "$key" "$1" "$seconds" "$2"; }
cannon_live() { $front node "$dir/rate.cjs" "$dir/npm" "$url" "" "$1" "$seconds" "$2"; }

echo "recommendations, 64 connections (wrk): $(noting wrk_run)"
echo "recommendations, 2,000/s (bench_rate): $(noting rate 2000)"
for n in 4 10 64; do # 10: its own choice
  echo "recommendations, 2,000/s (autocannon, $n connections): $(noting cannon 2000 $n)"
  echo "  its own floor, /health/live:         $(noting cannon_live 2000 $n)"
done
echo "memory: $(resident)"
python3 "$here/post.py" "$url" "$key" 1000 $((seconds + 4)) >"$dir/posted" &
poster=$!
sleep 1
echo "  while 1,000 events/s are posted:     $(noting rate 2000)"
wait $poster
echo "  meanwhile: $(cat "$dir/posted")"
curl -s -X POST -H "X-API-Key: $key" -H 'Content-Type: application/json' -d '{"methods": ["item_knn"]}' "$url/api/v1/train" >"$dir/job"
sleep 0.5
echo "  while a training job runs:           $(noting rate 2000)"
echo "  the job: $(curl -s -H "X-API-Key: $key" "$url/api/v1/jobs" | grep -o '"state":"[a-z]*"' | head -1)"
for _ in $(seq 120); do # events are posted when the training has ended
  curl -s -H "X-API-Key: $key" "$url/api/v1/jobs" | grep -q '"state":"running"' || break
  sleep 1
done
echo "events in batches of 100:              $(python3 "$here/post.py" "$url" "$key" 0 "$seconds")"
echo "memory: $(resident)"
kill "$server"
wait "$server" || true
server=
