#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# import.sh BUILD [N]: importing N made-up events (a million), as CSV and as JSON lines, with and without event ids, against
# what the sqlite3 shell needs for the same: .import into a staging table, then INSERT … SELECT into the same tables with
# the same indexes and pragmas. The shell runs twice, with the indexes standing and with the indexes made at the end;
# the faster one counts. Of RUNS (3) rounds the best time of each is taken. Needs 1 GB in BENCH_DIR (/tmp).
#
# The same work: users and items found or made, event types coded, repeats of an event id left out, one transaction, durable.
# What heed does on top and the shell doesn't: sniffs, checks every value, hashes the file, can undo it all.
set -eu
build=$1
n=${2:-1000000}
runs=${RUNS:-3}
tool=$build/bench/bench_events
heed=$build/heed
[ -x "$heed" ] && "$heed" help import >/dev/null 2>&1 || heed=
dir=$(mktemp -d "${BENCH_DIR:-/tmp}/heed-bench-XXXXXX")
trap 'rm -rf "$dir"' EXIT INT TERM
cache_kib=65536 # as heed's store.cache

# The statements of one run of the shell: format, ids (1, 0), indexes (before, after).
script() {
    echo "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -$cache_kib;"
    "$tool" schema | if [ "$3" = before ]; then cat; else sed -e "$drop_indexes"; fi
    if [ "$1" = csv ]; then
        eid=NULL
        [ "$2" = 1 ] && eid=s.event_id
        user=s.user_id item=s.item_id type=s.event_type time=s.time value="nullif(s.value, '')"
        echo "CREATE TEMP TABLE staging($([ "$2" = 1 ] && echo 'event_id TEXT, ')user_id TEXT, item_id TEXT," \
            "event_type TEXT, value TEXT, time TEXT);"
        echo "BEGIN IMMEDIATE;"
        echo ".mode csv"
        echo ".import --skip 1 $dir/events.csv staging"
    else
        # A line is one column; its fields are taken out once, in a second staging table.
        eid=NULL
        [ "$2" = 1 ] && eid=s.event_id
        user=s.user_id item=s.item_id type=s.event_type time=s.time value=s.value
        echo "CREATE TEMP TABLE lines(line TEXT);"
        echo "BEGIN IMMEDIATE;"
        echo ".mode ascii"
        printf '.separator "\\037" "\\n"\n'
        echo ".import $dir/events.jsonl lines"
        echo "CREATE TEMP TABLE staging AS SELECT line ->> 'event_id' AS event_id, line ->> 'user_id' AS user_id," \
            "line ->> 'item_id' AS item_id, line ->> 'event_type' AS event_type, line ->> 'value' AS value," \
            "line ->> 'time' AS time FROM lines;"
    fi
    cat <<SQL
INSERT OR IGNORE INTO users(external_id) SELECT $user FROM staging AS s WHERE $user <> '';
INSERT OR IGNORE INTO items(id, born, batch) SELECT $item, 1, 0 FROM staging AS s WHERE $item <> '';
INSERT OR IGNORE INTO event_types(name) SELECT $type FROM staging AS s;
INSERT OR IGNORE INTO events(user_key, item_key, type, time, value, batch, event_id)
  SELECT u.key, i.key, t.key, CAST($time AS INTEGER), CAST($value AS REAL), 1, $eid FROM staging AS s
  LEFT JOIN users AS u ON u.external_id = $user LEFT JOIN items AS i ON i.id = $item
  LEFT JOIN event_types AS t ON t.name = $type;
SQL
    if [ "$3" = after ]; then "$tool" schema | grep -o 'CREATE [A-Z ]*INDEX events_by_[^;]*;'; fi
    echo "COMMIT;"
}
drop_indexes='s/CREATE [A-Z ]*INDEX events_by_[^;]*;//g'

# timed FILE COMMAND…: appends "seconds cpu-seconds kilobytes" of the run.
timed() {
    out=$1
    shift
    /usr/bin/time -o "$dir/time" -f '%e %U %S %M' "$@" >"$dir/stdout" 2>"$dir/stderr" || { cat "$dir/stderr" >&2; exit 1; }
    awk '{ print $1, $2 + $3, $4 }' "$dir/time" >>"$out"
}
run_shell() { # format ids indexes
    rm -f "$dir"/shell.db*
    script "$@" >"$dir/script.sql"
    timed "$dir/shell-$3" sqlite3 -bail -init "$dir/script.sql" "$dir/shell.db" .quit
}
run_heed() { # format ids
    rm -rf "$dir/shop"
    if [ -n "$heed" ]; then
        "$heed" init "$dir/shop" >/dev/null
        timed "$dir/heed" "$heed" --workspace "$dir/shop" import "$dir/events.$1"
    else
        mkdir "$dir/shop"
        timed "$dir/heed" "$tool" door "$n" "$2" "$dir/shop/heed.db"
    fi
}
check() { # both hold the same
    for db in shell.db shop/heed.db; do
        sqlite3 "$dir/$db" 'SELECT count(*), count(DISTINCT user_key), sum(value), max(time) FROM events' >"$dir/sum-$(dirname $db | tr / _)"
    done
    cmp -s "$dir/sum-." "$dir/sum-shop" || { echo "import.sh: heed and the shell don't hold the same events" >&2; exit 1; }
}
least() { # column file…
    column=$1
    shift
    cat "$@" | cut -d' ' -f"$column" | sort -n | head -1
}
peak() { cut -d' ' -f3 "$1" | sort -n | tail -1 | awk '{ printf "%.0f", $1 / 1024 }'; }
over() { awk "BEGIN { printf \"%.2f\", $1 / $2 }"; }

echo "import of $n events: seconds, best of $runs; ratio to the sqlite3 shell by the clock and by processor time; heed's peak memory"
printf '%-8s %-9s %8s %8s %8s %8s %8s\n' format event_id heed shell ratio cpu MB
for format in csv jsonl; do
    for ids in 1 0; do
        rm -f "$dir"/heed "$dir"/shell-before "$dir"/shell-after "$dir"/events.*
        "$tool" "$format" "$n" "$ids" "$dir/events.$format"
        for _ in $(seq "$runs"); do
            run_shell "$format" "$ids" before
            run_shell "$format" "$ids" after
            run_heed "$format" "$ids"
        done
        check
        h=$(least 1 "$dir/heed")
        s=$(least 1 "$dir"/shell-*)
        cpu=$(over "$(least 2 "$dir/heed")" "$(least 2 "$dir"/shell-*)")
        printf '%-8s %-9s %8s %8s %8s %8s %8s\n' "$format" "$([ "$ids" = 1 ] && echo yes || echo no)" "$h" "$s" \
            "$(over "$h" "$s")" "$cpu" "$(peak "$dir/heed")"
    done
done
[ -n "$heed" ] || echo "(heed has no import command in this build: its figures are of the writing side alone)"
