#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# movielens.sh BUILD: from the files of MovieLens to figures, by the program itself: import, fit of markov, all methods evaluated
# (leave last out, every unseen item ranked) with default parameters and with parameters chosen on validation data. Needs the data sets
# in HEED_TEST_DATA, or in ../shared/data.
set -eu
build=$1
data=${HEED_TEST_DATA:-$(dirname "$0")/../../shared/data}
heed=$build/heed
if [ ! -d "$data/movielens-1m-seq" ]; then
    echo "skipped: no data sets in $data"
    exit 0
fi
dir=$(mktemp -d "${BENCH_DIR:-/tmp}/heed-bench-XXXXXX")
trap 'rm -rf "$dir"' EXIT INT TERM

timed() { # timed WHAT COMMAND…
    what=$1
    shift
    /usr/bin/time -o "$dir/time" -f '%e s, %U s of processor, %M KB at most' "$@" >"$dir/out" 2>"$dir/err" ||
        { cat "$dir/err" >&2; exit 1; }
    printf '%-44s %s\n' "$what" "$(cat "$dir/time")"
}

"$heed" init "$dir/1m" >/dev/null
timed "1M: import of 987,531 events" "$heed" --workspace "$dir/1m" import --preset sequence "$data/movielens-1m-seq/ml1m_seq.txt.gz"
timed "1M: markov tuned, fitted, published" "$heed" --workspace "$dir/1m" train --methods markov
timed "1M: all methods evaluated, defaults" "$heed" --workspace "$dir/1m" eval --protocol loo --methods all --defaults
cat "$dir/out"
timed "1M: all methods tuned and evaluated" "$heed" --workspace "$dir/1m" eval --protocol loo --methods all
cat "$dir/out"
"$heed" init "$dir/100k" >/dev/null
timed "100K: import of users, items, ratings" "$heed" --workspace "$dir/100k" import "$data/movielens-100k/users.tsv" \
    "$data/movielens-100k/items.tsv" "$data/movielens-100k/ratings.tsv.gz"
for protocol in loo time random; do
    timed "100K: all methods tuned and evaluated, $protocol" "$heed" --workspace "$dir/100k" eval --protocol $protocol --methods all
    cat "$dir/out"
done
