#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Freeze the ABI: write offsets.h and the copy of the SDK's headers in v1.0/.

Run from anywhere when a release adds members at the end of a struct, and read the
diff: lines may be added, none may change once v1 is declared stable. Layouts come
from the compiler; this script only finds the names.
"""
import pathlib
import re
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SDK = HERE.parent.parent / "core" / "include" / "lsbench"


def members(body):
    """Names of a struct's members, in order; a union counts by its own name."""
    body = re.sub(r"union\s*\{[^}]*\}", "union_", body)
    for declaration in body.split(";"):
        declaration = " ".join(declaration.split())
        if not declaration:
            continue
        function = re.match(r"[^(]*\(\*(\w+)\)\s*\(", declaration)
        if function:
            yield function.group(1)
            continue
        for declarator in declaration.split(","):
            yield re.search(r"(\w+)\s*(\[[^\]]*\])?$", declarator.strip()).group(1)


def structs():
    for header in sorted(SDK.glob("*.h")):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        text = re.sub(r"^\s*#.*(\\\n.*)*$", "", text, flags=re.M)
        for match in re.finditer(r"^struct (\w+) \{\n(.*?)^\};", text, flags=re.S | re.M):
            yield match.group(1), list(members(match.group(2)))


def main():
    lines = ["#include <stdio.h>", '#include "lsbench/plugin.h"', "int main(void) {"]
    for name, fields in structs():
        lines.append(f'printf("SIZE({name}, %zu)\\n", sizeof(struct {name}));')
        lines += [f'printf("MEMBER({name}, {f}, %zu)\\n", offsetof(struct {name}, {f}));' for f in fields]
    lines.append("return 0; }")
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder, "offsets.c"), pathlib.Path(folder, "offsets")
        source.write_text("\n".join(lines))
        subprocess.run(["cc", "-std=c11", "-I", SDK.parent, source, "-o", program], check=True)
        table = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    (HERE / "offsets.h").write_text(
        "/* SPDX-License-Identifier: Apache-2.0 */\n"
        "/* Where every member of the SDK's structs lies, on 64-bit machines. Written by freeze.py. */\n" + table)
    frozen = HERE / "v1.0" / "lsbench"
    frozen.mkdir(parents=True, exist_ok=True)
    for header in SDK.glob("*.h"):
        shutil.copy(header, frozen)


if __name__ == "__main__":
    main()
