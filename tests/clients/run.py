#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py python|typescript: the tests of a client. 77 (skipped) where its tools aren't installed."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

CLIENTS = pathlib.Path(__file__).resolve().parent.parent.parent / "clients"


def python():
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    return subprocess.run([sys.executable, "-m", "unittest", "test_heed"], cwd=CLIENTS / "python", env=env).returncode


def compiled(folder):
    """heed.ts as JavaScript in the folder; None: nothing here can make it."""
    source, out = CLIENTS / "typescript" / "heed.ts", pathlib.Path(folder) / "heed.js"
    (out.parent / "package.json").write_text('{"type": "module"}')
    if tsc := shutil.which("tsc"):
        version = subprocess.run([tsc, "--version"], capture_output=True, text=True).stdout.split()
        if version and int(version[-1].split(".")[0]) >= 5:
            subprocess.run([tsc, "--project", source.parent, "--outDir", folder, "--declaration", "false"], check=True)
            return out
    if esbuild := shutil.which("esbuild"):
        subprocess.run([esbuild, source, "--format=esm", "--target=es2022", f"--outfile={out}", "--log-level=error"], check=True)
        return out
    return None


def typescript():
    node = shutil.which("node")
    if not node or int(subprocess.run([node, "-p", "process.versions.node"], capture_output=True, text=True).stdout.split(".")[0]) < 18:
        print("skipped: node 18 or newer is not installed")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        client = compiled(folder)
        if not client:
            print("skipped: neither tsc nor esbuild is installed")
            return 77
        env = dict(os.environ, HEED_CLIENT=str(client))
        test = CLIENTS / "typescript" / "test" / "heed.test.mjs"
        return subprocess.run([node, "--test", test], env=env).returncode


sys.exit({"python": python, "typescript": typescript}[sys.argv[1]]())
