#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test-summary.py DIR STATUS: reads Meson's log of the last run and prints what failed, what was skipped and why, and as the
last line "N passed, N failed": test cases, summed over all programs. Exits 1 when anything failed or nothing ran.

A cmocka program reports its cases; any other program may print a line "N passed, N failed" of its own, else it counts as one.
A program that crashed or ran out of time counts as a failure besides the cases it reported."""
import json
import re
import sys


def cases(text):
    """(passed, failed, skipped) as the program's own output tells, or None."""
    found = [tuple(int(n or 0) for n in m) for m in
             re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", text, re.M)]
    ran = re.findall(r"^\[  (PASSED |FAILED |SKIPPED)\s*\] (\d+) test", text, re.M)
    if ran:
        sums = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
        for what, n in ran:
            sums[what.strip()] += int(n)
        found.append((sums["PASSED"], sums["FAILED"], sums["SKIPPED"]))
    return tuple(map(sum, zip(*found))) if found else None


def main():
    folder, status = sys.argv[1], int(sys.argv[2])
    passed = failed = skipped = 0
    try:
        with open(folder + "/meson-logs/testlog.json", encoding="utf-8") as log:
            programs = [json.loads(line) for line in log]
    except OSError as error:
        print(f"no test log: {error}")
        programs = []
    for p in programs:
        text = (p.get("stdout") or "") + "\n" + (p.get("stderr") or "")
        good, bad, skip = cases(text) or (int(p["returncode"] == 0), 0, int(p["returncode"] == 77))
        if p["returncode"] not in (0, 77) and bad == 0:
            bad = 1
        if bad:
            print(f"FAILED {p['name']} (exit {p['returncode']}):\n{text.strip()}\n")
        for line in re.findall(r"^skipped: .*$", text, re.M):
            print(f"{p['name']}: {line}")
        passed, failed, skipped = passed + good, failed + bad, skipped + skip
    slow = sorted(programs, key=lambda p: -p["duration"])[:5]
    print("slowest: " + ", ".join(f"{p['name']} {p['duration']:.1f} s" for p in slow))
    if skipped:
        print(f"{skipped} skipped")
    if status and not failed:
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
