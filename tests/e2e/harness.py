# SPDX-License-Identifier: Apache-2.0
"""What all end-to-end tests share: a scratch folder each, runs of the real program, and a look for what they left.

Every run is the leader of a new session. Ranks make process groups but no sessions, so whoever still has the run's
session id when the run is over is an orphan. Nothing is ever looked for by its name.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

LSBENCH = os.environ["LSBENCH"]
PATIENCE_S = 200  # for what should take a moment; no test passes or fails by a shorter time
GRACE_S = 60  # for what the kernel is still taking apart, as a sanitizer's helper of a child that was killed
PLUGIN_KINDS = ("backend_", "transport_", "workload_")

DEFAULTS = {"kind": "strong", "model": "random:tiny", "backend": "null", "prompts": 3, "max_new": 4, "stop": "length",
            "warmup": 0, "reps": 2}


def suite(cases, **defaults):
    """Text of a suite with these cases; a default named backend_NAME is the backend's option NAME."""
    keys = {**DEFAULTS, **defaults}
    lines = [f"{key.replace('_', '.', 1) if '_' in key and key.startswith(PLUGIN_KINDS) else key} = {value}"
             for key, value in keys.items()]
    return "[suite]\nname = e2e\n[defaults]\n" + "\n".join(lines) + "\n" + cases


def processes():
    """Fields 1 and on of /proc/PID/stat behind the name, by pid."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text()
            except OSError:
                continue  # it has ended
            yield int(entry), stat.rpartition(")")[2].split()


def members(session, states="RSDTt"):
    """Living processes of a session, without its leader."""
    return [pid for pid, stat in processes() if int(stat[3]) == session and pid != session and stat[0] in states]


class Run:
    """One lsbench process with everything that it starts."""

    def __init__(self, folder, *arguments, environment=None):
        self.folder = folder
        self.process = subprocess.Popen([LSBENCH, *map(str, arguments)], cwd=folder, start_new_session=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env={**os.environ, **(environment or {})})
        self.session = self.process.pid

    def signal(self, number):
        os.kill(self.session, number)

    def until(self, condition, what):
        """Wait for condition() to be true while the run goes on, and return what it returned."""
        end = time.monotonic() + PATIENCE_S
        while not (result := condition()):
            assert self.process.poll() is None, f"the run ended before {what}: {self.process.communicate()}"
            assert time.monotonic() < end, f"waited {PATIENCE_S} s for {what}"
            time.sleep(0.01)
        return result

    def kill(self):
        """Kill the controller alone, and see that its ranks end by themselves."""
        self.signal(signal.SIGKILL)
        self.process.communicate()
        self.vanish(PATIENCE_S)

    def vanish(self, patience_s):
        """Wait until nobody of this run is left."""
        end = time.monotonic() + patience_s
        while members(self.session):
            assert time.monotonic() < end, f"left behind: {members(self.session)}"
            time.sleep(0.01)

    def ranks(self):
        """Pids of ranks: children that run `lsbench node`."""
        found = []
        for pid in members(self.session):
            try:
                words = pathlib.Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"node" in words:
                found.append(pid)
        return found

    def end(self, status):
        """Wait for the end, and see that the status is right and nobody is left."""
        self.out, self.err = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == status, \
            f"exit status {self.process.returncode}, wanted {status}\n{self.out}{self.err}"
        assert not self.ranks(), f"ranks outlive their controller: {self.ranks()}"
        self.vanish(GRACE_S)
        return self


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lsbench-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.results = self.folder / "results"

    def write(self, text, name="suite.ini"):
        (self.folder / name).write_text(text)
        return name

    def start(self, text, *arguments, out="results"):
        """Begin a run of a suite's text; `out` None: no --out."""
        run = Run(self.folder, self.write(text), *(["--out", out] if out else []), *arguments)
        self.addCleanup(self.stop, run)
        return run

    def run_suite(self, text, *arguments, status=0, out="results"):
        return self.start(text, *arguments, out=out).end(status)

    def lsbench(self, *arguments, status=0):
        run = Run(self.folder, *arguments)
        self.addCleanup(self.stop, run)
        return run.end(status)

    @staticmethod
    def stop(run):
        """After a failed test: leave nothing running."""
        for pid in [*members(run.session), *([run.session] if run.process.poll() is None else [])]:
            os.kill(pid, 9)
        run.process.communicate()

    def summary(self):
        return json.loads((self.results / "summary.json").read_text())

    def points(self):
        """Points of the summary by case, or by case and nodes where a case has several."""
        points = self.summary()["points"]
        names = [p["case"] for p in points]
        return {p["case"] if names.count(p["case"]) == 1 else (p["case"], int(p["params"]["nodes"])): p
                for p in points}

    def journal(self):
        """Lines of the journal behind the first; while it is being written, the whole ones."""
        try:
            text = (self.results / "journal.jsonl").read_text()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.split("\n")[:-1]][1:]
