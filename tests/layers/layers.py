#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hold the direction of includes: docs/architecture.md draws it, ALLOWED says it.

layers.py ROOT looks at every C and CUDA file of core/ and plugins/ of a tree and prints each include that goes the
wrong way; --self-test tries it on includes that it must refuse and on ones that it must not.
"""
import pathlib
import re
import sys

# What a folder of core/src may include beside itself and the SDK (lsbench/...): a folder, or one header of it.
ALLOWED = {
    "base": set(),
    "schedule": {"base"},
    "measure": {"schedule", "base"},  # schedule: predictions step as the real loop would
    "report": {"measure", "base", "wire"},  # wire: the journal's reader
    "wire": {"base"},
    "plugin": {"base"},
    "suite": {"plugin", "base", "schedule/arrivals.h"},
    "launch": {"suite", "plugin", "wire", "measure", "base", "schedule/arrivals.h"},
    "node": {"schedule", "plugin", "wire", "base", "measure/record.h"},
    "cli": {"report", "measure", "launch", "suite", "plugin", "node", "wire", "base"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
SOURCES = {".c", ".h", ".cu", ".cuh", ".def"}
# Model formats, accelerators, MPI and sockets of the data plane are plugins' business.
FOREIGN = re.compile(r"^(cuda|cublas|cudnn|nvml|nccl|mpi\.h|gguf|sys/socket\.h|netinet/|arpa/)")
# Socket pairs that are the harness's own: the control channel, and the two processes of a conformance run.
FOREIGN_EXCEPT = {("core/src/launch/spawn.c", "sys/socket.h"), ("core/src/wire/frame.c", "sys/socket.h"),
                  ("core/src/launch/dial.c", "sys/socket.h"), ("core/src/launch/dial.c", "netinet/tcp.h"),
                  ("core/src/base/address.c", "sys/socket.h"), ("core/src/base/address.c", "arpa/inet.h"),
                  ("core/src/plugin/conform_transport.c", "sys/socket.h")}


def wrong(path, quoted, include, local):
    """Why the file `path` (from the tree's root) may not include this, or None. `local`: it lies beside `path`."""
    parts = pathlib.PurePosixPath(path).parts
    if quoted and include.startswith("lsbench/"):
        return None
    if parts[:2] == ("core", "include"):
        return "the SDK includes only itself and libc" if quoted else None
    if parts[:2] == ("core", "src"):
        if not quoted:
            foreign = FOREIGN.match(include) and (path, include) not in FOREIGN_EXCEPT
            return "core/src knows no model format, accelerator, MPI or data-plane socket" if foreign else None
        layer, target = parts[2], include.split("/")[0]
        if layer not in ALLOWED:
            return f"core/src/{layer} has no place in the order of layers: give it one in tests/layers/layers.py"
        if "/" not in include or target not in ALLOWED:
            return "core/src includes its own files as folder/file.h, and nothing else of this tree"
        if target == layer or target in ALLOWED[layer] or include in ALLOWED[layer]:
            return None
        return f"{layer} may include {', '.join(sorted(ALLOWED[layer])) or 'nothing'} beside itself, not {target}"
    if parts[:2] == ("core", "model"):
        return None if not quoted or local else "core/model includes itself and the SDK"
    if parts[0] == "plugins" and quoted and not local:
        if parts[1].startswith("backend-"):
            return None if (include, "model") in MODEL_HEADERS else "a backend includes itself, the SDK and core/model"
        if parts[1].startswith("transport-") and include.startswith("transport-common/"):
            return None
        return "a plugin includes itself and the SDK, a transport also transport-common"
    return None


MODEL_HEADERS = set()


def violations(root):
    MODEL_HEADERS.update((header.name, "model") for header in (root / "core/model").glob("*.h"))
    n_files = 0
    for folder in ("core/include", "core/src", "core/model", "plugins"):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in SOURCES:
                continue
            n_files += 1
            text = file.read_text()
            for match in INCLUDE.finditer(text):
                include = match.group(2)
                path = file.relative_to(root).as_posix()
                why = wrong(path, match.group(1) == '"', include, (file.parent / include).exists())
                if why:
                    line = text.count("\n", 0, match.start(2)) + 1
                    yield f"{path}:{line}: includes {include}: {why}"
    assert n_files > 50, f"only {n_files} files seen in {root}: is this the tree's root?"


def self_test():
    MODEL_HEADERS.add(("model.h", "model"))
    refused = [
        ("core/src/base/text.c", True, "plugin/loader.h", False),
        ("core/src/measure/ledger.c", True, "node/stage.h", False),
        ("core/src/measure/ledger.c", True, "wire/journal.h", False),
        ("core/src/schedule/scheduler.c", True, "measure/predict.h", False),
        ("core/src/plugin/loader.c", True, "suite/suite.h", False),
        ("core/src/suite/suite.c", True, "launch/run.h", False),
        ("core/src/node/stage.c", True, "measure/ledger.h", False),
        ("core/src/node/stage.c", True, "launch/local.h", False),
        ("core/src/report/report.c", True, "cli/cli.h", False),
        ("core/src/launch/run.c", True, "cli/cli.h", False),
        ("core/src/node/node.c", True, "model.h", False),
        ("core/src/node/node.c", True, "../../model/model.h", False),
        ("core/src/node/link.c", False, "sys/socket.h", False),
        ("core/src/new/file.c", True, "base/base.h", False),
        ("core/model/gguf.c", True, "base/base.h", False),
        ("core/include/lsbench/types.h", True, "base/base.h", False),
        ("plugins/transport-tcp/link.c", True, "model.h", False),
        ("plugins/workload-summarize/plugin.c", True, "base/base.h", False),
        ("plugins/workload-summarize/plugin.c", True, "transport-common/wait.h", False),
        ("plugins/backend-cpu/plugin.c", True, "base/base.h", False),
    ]
    accepted = [
        ("core/src/cli/run.c", True, "launch/run.h", False),
        ("core/src/node/recorder.h", True, "measure/record.h", False),
        ("core/src/measure/predict.c", True, "schedule/scheduler.h", False),
        ("core/src/suite/attach.c", True, "lsbench/types.h", False),
        ("core/src/launch/spawn.c", False, "sys/socket.h", False),
        ("core/model/bpe.c", True, "bpe.h", True),
        ("plugins/backend-cpu/load.c", True, "model.h", False),
        ("plugins/transport-tcp/link.c", True, "tcp.h", True),
        ("plugins/transport-tcp/tcp.h", True, "transport-common/requests.h", False),
        ("plugins/transport-tcp/link.c", False, "sys/socket.h", False),
    ]
    for case in refused:
        assert wrong(*case), f"accepted: {case}"
    for case in accepted:
        assert not wrong(*case), f"refused: {case}: {wrong(*case)}"


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    found = list(violations(pathlib.Path(sys.argv[1]).resolve()))
    print("\n".join(found) or "all includes go one way")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
