# SPDX-License-Identifier: Apache-2.0
"""Launchers for end-to-end tests: which there are, what their runs leave behind, and an agent that speaks Python.

Whatever a fixture starts, it ends by process id.
"""
import hashlib
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import time

import harness

MAGIC_HANDSHAKE, MAGIC_FRAME, PROTOCOL = 0x4842534C, 0x4642534C, 1
FRAMES = dict(HELLO=1, JOB=2, HEARTBEAT=7, RESULT=10, FAILURE=11, QUIT=12, JOIN=13, ENDED=14, PING=15)
VERSION = "0.1.0"


def needs(*programs):
    """A reason to skip, or None."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [p for p in programs if not shutil.which(p, path=path)]
    return f"not installed: {', '.join(missing)}" if missing else None


def of_folder(folder):
    """Processes that belong to a test: those that work in its folder."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                if os.readlink(f"/proc/{entry}/cwd") == os.fspath(folder):
                    found.append(int(entry))
            except OSError:
                pass  # ended, or not ours
    return found


def words(pid):
    try:
        return pathlib.Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []


def environment(pid):
    try:
        return pathlib.Path("/proc", str(pid), "environ").read_bytes()
    except OSError:
        return b""


def agents(folder):
    return [p for p in of_folder(folder) if b"--control" in words(p) and b"node" in words(p)[1:2]]


def ranks(folder):
    return [p for p in of_folder(folder) if words(p)[1:3] == [b"node", b"--fd"]]


def other_mpi(folder, library):
    """transport-mpi built with another MPI library into a folder of its own, for --plugins; a reason to skip instead."""
    compiler = f"mpicc.{library}"
    missing = needs(compiler)
    if missing:
        return None, missing
    root, folder = pathlib.Path(__file__).parents[2], pathlib.Path(folder, library)
    folder.mkdir()
    sources = [file for part in ("mpi", "common") for file in (root / "plugins" / f"transport-{part}").glob("*.c")]
    subprocess.run([compiler, "-std=gnu11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-I", root / "core/include",
                    "-I", root / "plugins", *sources, "-o", folder / "lsbench-transport-mpi.so"], check=True)
    return folder, None


class Case(harness.Case):
    """A run whose launcher may put its children into sessions of their own."""

    def vanish(self):
        end = time.monotonic() + harness.GRACE_S
        while left := of_folder(self.folder):
            assert time.monotonic() < end, f"left behind: {[(p, words(p)) for p in left]}"
            time.sleep(0.02)

    def script(self, name, text):
        path = self.folder / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def reasons(self):
        return " | ".join(line["reason"] or "" for line in self.journal())


class Door:
    """The node's end of the handshake (core/src/wire/handshake.h), written anew."""

    def __init__(self, address, timeout=10):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout)
        self.sent = self.received = 0

    def knock(self, rank, size, protocol=PROTOCOL, magic=MAGIC_HANDSHAKE):
        self.challenge = os.urandom(32)
        self.hello = struct.pack("<IHHII", magic, protocol, 0, rank, size) + self.challenge
        self.socket.sendall(self.hello)

    def take(self, n):
        data = b""
        while len(data) < n:
            part = self.socket.recv(n - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data

    @staticmethod
    def proof(secret, role, hello, challenge):
        return hashlib.blake2b(role + b"\0" + hello + challenge, digest_size=32, key=secret).digest()

    def prove(self, secret):
        answer = self.take(72)
        assert answer[8 + 32:] == self.proof(secret, b"lsbench controller", self.hello, answer[8:40])
        self.socket.sendall(self.proof(secret, b"lsbench node", self.hello, answer[8:40]))
        assert self.take(8) == struct.pack("<IHH", MAGIC_HANDSHAKE, PROTOCOL, 0)

    def send(self, name, payload, **header):
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        fields = dict(magic=MAGIC_FRAME, type=FRAMES.get(name, 0), protocol=PROTOCOL, length=len(data),
                      sequence=self.sent, **{})
        fields.update(header)
        self.sent += 1
        self.socket.sendall(struct.pack("<IHHII", *(fields[k] for k in
                                                    ("magic", "type", "protocol", "length", "sequence"))) + data)

    def receive(self):
        magic, kind, protocol, length, sequence = struct.unpack("<IHHII", self.take(16))
        assert (magic, protocol, sequence) == (MAGIC_FRAME, PROTOCOL, self.received)
        self.received += 1
        return kind, self.take(length)

    def join(self, **changes):
        self.send("JOIN", {"version": VERSION, "lsbench": "0" * 64, "pid": 1, "host": "elsewhere", "boot_id": "b",
                           "place": "p", "cpus": [0], "cores": 1, **changes})

    def is_closed(self, within_s):
        """Whether the other side hangs up, and without a word."""
        self.socket.settimeout(within_s)
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False
