#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check-docs.py: every room has a README of at most a page, every page of docs/ that users read stands in both languages, and
links between pages lead somewhere."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# For those who build heed, in English only: everything else has a twin in docs/zh/.
ENGLISH_ONLY = {"map.md", "glossary.md", "benchmarks.md"}


def main():
    faults = []
    for room in sorted(p for p in (ROOT / "src").iterdir() if p.is_dir()):
        if not any(room.glob("*.c")):
            continue
        readme = room / "README.md"
        if not readme.exists():
            faults.append(f"{room.relative_to(ROOT)}: no README.md")
        elif len(readme.read_text(encoding="utf-8").splitlines()) > 80:
            faults.append(f"{readme.relative_to(ROOT)}: longer than a page")
    docs = ROOT / "docs"
    english = {str(p.relative_to(docs)) for p in docs.rglob("*.md") if p.relative_to(docs).parts[0] not in ("zh", "api")}
    chinese = {str(p.relative_to(docs / "zh")) for p in (docs / "zh").rglob("*.md")}
    faults += [f"docs/{name}: no docs/zh/{name}" for name in sorted(english - chinese - ENGLISH_ONLY)]
    faults += [f"docs/zh/{name}: no docs/{name}" for name in sorted(chinese - english)]
    for page in [p for p in ROOT.rglob("*.md") if "build" not in str(p.relative_to(ROOT)).split("/")[0]]:
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", link) and not (page.parent / link).exists():
                faults.append(f"{page.relative_to(ROOT)}: link to {link}, which is not there")
    print("\n".join(faults) or "docs: both languages, no dead link")
    return 1 if faults else 0


sys.exit(main())
