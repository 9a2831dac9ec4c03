#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py python|typescript|live HEED: the tests of a client, `live` those of TypeScript's against a real server. 77 (skipped) where its
tools aren't installed."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

os.environ.setdefault("HEED_JOBS_PRIORITY", "low")  # other tests keep the processors busy: idle jobs would wait for them
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


def with_node(test, **env):
    """Runs a file of node's tests with the client, compiled."""
    node = shutil.which("node")
    if not node or int(subprocess.run([node, "-p", "process.versions.node"], capture_output=True, text=True).stdout.split(".")[0]) < 18:
        print("skipped: node 18 or newer is not installed")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        client = compiled(folder)
        if not client:
            print("skipped: neither tsc nor esbuild is installed")
            return 77
        return subprocess.run([node, "--test", test], env=dict(os.environ, HEED_CLIENT=str(client), **env)).returncode


def typescript():
    return with_node(CLIENTS / "typescript" / "test" / "heed.test.mjs")


def live():
    heed = os.path.abspath(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        shop = folder + "/shop"
        subprocess.run([heed, "init", shop], check=True, stdout=subprocess.DEVNULL)
        made = subprocess.run([heed, "--workspace", shop, "key", "create", "--name", "all", "--scope", "all", "--json"],
                              check=True, capture_output=True, text=True).stdout
        server = subprocess.Popen([heed, "--workspace", shop, "serve", "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, text=True)
        url = next(found.group() for line in server.stderr if (found := re.search(r"http://\S+", line)))
        code = with_node(pathlib.Path(__file__).parent / "live.mjs", HEED_URL=url, HEED_KEY=json.loads(made)["key"])
        server.terminate()
        server.stderr.read()
        return server.wait(60) or code


sys.exit({"python": python, "typescript": typescript, "live": live}[sys.argv[1]]())
