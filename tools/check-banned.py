#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check-banned.py: calls that heed doesn't make, and habits that a reader shouldn't have to look out for."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# pattern, what to do instead, files that may (relative to src/)
RULES = [
    (r"(strcpy|strcat|sprintf|vsprintf|gets|strncpy|strncat|strtok|alloca)", "use base/str.h", ()),
    (r"(atoi|atol|atoll|atof|strtod|strtof|strtol|strtoll|strtoul|strtoull|sscanf)",
     "use hd_slice_i64 or hd_slice_f64: whole, checked, free of the locale", ("base/str.c",)),
    (r"(rand|srand|random|srandom|drand48)", "use base/rng.h", ()),
    (r"(localtime|gmtime|ctime|asctime|strftime|mktime|strptime)", "use base/time.h", ()),
    (r"(system|popen|tmpnam|tempnam|mktemp)", "never", ()),
    (r"(malloc|calloc|realloc|free|strdup|strndup|asprintf|vasprintf|posix_memalign|aligned_alloc)",
     "use base/mem.h", ("base/mem.c",)),
    (r"(fopen|creat|unlink|remove|rename|mkdir|fsync|rmdir)", "use base/fs.h", ("base/fs.c",)),
    (r"(printf|puts|putchar|perror|exit|_exit|abort)", "a library neither prints nor exits: return an error", ("cli/",)),
    (r"(setlocale|setenv|putenv)", "process-wide state", ("cli/",)),
]


def strip(text):
    """Blanks comments and literals, keeping line numbers."""
    blank = lambda m: re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text, flags=re.S)


def main():
    faults = []
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        name = str(path.relative_to(ROOT / "src"))
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > 1000:
            faults.append(f"src/{name}: {lines} lines, 1,000 at most")
        if not text.startswith("// SPDX-License-Identifier: Apache-2.0"):
            faults.append(f"src/{name}:1: begins with its SPDX line")
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line) and not re.search(r"#\d+", line):
                faults.append(f"src/{name}:{number}: a TODO names its issue")
        code = strip(text)
        for pattern, instead, allowed in RULES:
            if any(name.startswith(a) for a in allowed):
                continue
            for found in re.finditer(r"(?<![\w.>])" + pattern + r"\s*\(", code):
                number = code.count("\n", 0, found.start()) + 1
                faults.append(f"src/{name}:{number}: {found.group(1)} is banned: {instead}")
    print("\n".join(faults) or "banned calls: none")
    return 1 if faults else 0


sys.exit(main())
