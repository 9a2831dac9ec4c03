#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check-layers.py: holds every #include under src/ to tools/layers.txt, and SQL on personal tables to privacy/."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Tables of persons: named in SQL nowhere but in privacy/ (store/batch.c counts, it holds no one).
PERSONAL = re.compile(r"\b(FROM|INTO|UPDATE|JOIN|TABLE)\s+(users|user_ids|events|reviews|tickets|messages)\b", re.I)


def read_rules():
    rooms, headers = {}, {}
    for line in (ROOT / "tools/layers.txt").read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if "=" in line:
            header, allowed = line.split("=")
            headers[header.strip()] = set(allowed.split())
        elif ":" in line:
            room, allowed = line.split(":")
            rooms[room.strip()] = set(allowed.split())
    return rooms, headers


def main():
    rooms, headers = read_rules()
    faults = []
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        room = path.relative_to(ROOT / "src").parts[0]
        if room not in rooms:
            faults.append(f"src/{room}: not a room of tools/layers.txt")
            continue
        text = path.read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            where = f"{path.relative_to(ROOT)}:{number}"
            found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if found:
                header = found.group(1)
                target = header.split("/")[0]
                if target == "heed":
                    continue
                if target not in rooms:
                    faults.append(f"{where}: include \"{header}\" by its path from src/")
                elif target != room and target not in rooms[room]:
                    faults.append(f"{where}: {room} may not include {target} ({header})")
                elif header in headers and room not in headers[header] and target != room:
                    faults.append(f"{where}: {room} may not include {header}")
            elif room != "privacy" and PERSONAL.search(line) and '"' in line and not line.lstrip().startswith("//"):
                faults.append(f"{where}: SQL on personal rows stands in privacy/ alone")
    print("\n".join(sorted(set(faults))) or "layers: every include goes downwards")
    return 1 if faults else 0


sys.exit(main())
