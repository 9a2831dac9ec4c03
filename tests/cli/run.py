#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs text cases of the command line: run.py HEED FILE.case...

A case file is a list of commands with what they must print, run in order in one empty folder:

    # comment
    $ heed version            a line for sh; ends with \\ to go on in the next line
    | text                    lines of standard input
    > heed 0.1.0              expected standard output
    ! heed: message           expected standard error
    = 4                       expected exit code (0 unless said)
    ? no-TOOL                 skip the rest of the file where TOOL isn't there (or: ? not-root, ? no-terminal)

In expected lines <*> stands for any text, and a line of ... for any number of lines. Where no > or !
lines stand, that stream isn't looked at; a lone > or ! says that it is empty. Commands run with
LC_ALL=C, HEED_NOW fixed, and nothing else of heed's in the environment.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

NOW = "2026-11-22T00:00:00Z"


def parse(path):
    cases, case = [], None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if case and case["command"].endswith("\\"):
            case["command"] = case["command"][:-1] + line
            continue
        sign, text = line[:1], line[2:]
        if sign in ("", "#"):
            continue
        if sign in ("$", "?"):
            case = {"line": number, "kind": sign, "command": text, "stdin": [], ">": None, "!": None, "code": 0}
            cases.append(case)
        elif sign == "|":
            case["stdin"].append(text)
        elif sign in (">", "!"):
            case[sign] = (case[sign] or []) + ([text] if len(line) > 1 else [])
        elif sign == "=":
            case["code"] = int(text)
        else:
            raise SystemExit(f"{path}:{number}: begins with none of $ | > ! = ? #")
    return cases


def matches(expected, lines):
    """Whether expected lines with <*> and ... fit; a small backtracking matcher."""
    if not expected:
        return not lines
    if expected[0] == "...":
        return any(matches(expected[1:], lines[i:]) for i in range(len(lines) + 1))
    pattern = ".*".join(re.escape(part) for part in expected[0].split("<*>"))
    return bool(lines) and re.fullmatch(pattern, lines[0]) is not None and matches(expected[1:], lines[1:])


def skip(what):
    if what == "not-root":
        return os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0
    if what == "no-terminal":
        try:
            for end in os.openpty():
                os.close(end)
        except OSError:
            return True
        return shutil.which("script") is None
    if what.startswith("no-"):
        return shutil.which(what[3:]) is None
    raise SystemExit(f"unknown condition '{what}'")


def run_file(heed, path, data):
    env = {"PATH": f"{heed.parent}:{heed.parent}/examples:{os.environ['PATH']}", "LC_ALL": "C", "HEED_NOW": NOW, "HOME": "/nonexistent",
           "CASES": str(path.parent.resolve()), "DATA": str(data)}
    env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
    faults = 0
    with tempfile.TemporaryDirectory(prefix="heed-cli-") as folder:
        os.chmod(folder, 0o755)
        for case in parse(path):
            if case["kind"] == "?":
                if skip(case["command"]):
                    print(f"skipped: the rest of {path.name} from line {case['line']} ({case['command']})")
                    break
                continue
            stdin = "".join(line + "\n" for line in case["stdin"]).encode()
            got = subprocess.run(["sh", "-c", case["command"]], cwd=folder, env=env, input=stdin, capture_output=True)
            out = {">": got.stdout.decode(errors="replace"), "!": got.stderr.decode(errors="replace")}
            bad = [s for s in (">", "!") if case[s] is not None and not matches(case[s], out[s].splitlines())]
            if not bad and got.returncode == case["code"]:
                continue
            faults += 1
            print(f"{path.name}:{case['line']}: $ {case['command']}\n  exit {got.returncode}, expected {case['code']}")
            for sign in (">", "!"):
                print("".join(f"  {sign} {line}\n" for line in out[sign].splitlines()[:40]), end="")
            for sign in bad:
                print("  expected:\n" + "".join(f"  {sign} {line}\n" for line in case[sign]), end="")
    return faults


def main():
    heed = pathlib.Path(sys.argv[1]).resolve()
    data = pathlib.Path(os.environ.get("HEED_TEST_DATA", pathlib.Path(__file__).resolve().parents[3] / "shared/data"))
    faults = sum(run_file(heed, pathlib.Path(name), data) for name in sys.argv[2:])
    print(f"{faults} faults")
    return 1 if faults else 0


sys.exit(main())
