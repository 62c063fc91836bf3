# SPDX-License-Identifier: Apache-2.0
"""Machines on which one should not measure: other work on a rank's core, a quota of processor time, a clock that is set.

Each must be marked, or change nothing. Nothing is said of how long anything takes: a core that is shared is shared on a busy
machine, too.
"""
import calendar
import json
import os
import pathlib
import subprocess
import sys
import time
import unittest

import harness

# Its steps use the processor all the time.
SPIN = {"nodes": 1, "prompts": 2, "max_new": 24, "reps": 2, "backend_layers": 4, "backend_layer_time": "2ms",
        "backend_mode": "spin"}
PERIOD_US = 20000


def is_counted():
    """Whether this kernel counts how long threads wait for a core."""
    try:
        return pathlib.Path("/proc/thread-self/schedstat").read_text().split()[0] != "0"
    except OSError:
        return False


def own_cpu_group():
    """Folder of this process's control group that may have a quota, and the quota's files: (folder, version), or None."""
    groups = [line.split(":", 2) for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()]
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields, tail = (part.split() for part in line.split(" - ", 1))
        for number, controllers, path in groups:
            version = 2 if number == "0" else 1
            if tail[0] != ("cgroup2" if version == 2 else "cgroup"):
                continue
            below = path[len(fields[3].rstrip("/")):] if path.startswith(fields[3].rstrip("/")) else ""
            folder = pathlib.Path(fields[4] + below)
            if version == 1 and "cpu" in controllers.split(",") and "cpu" in tail[2].split(","):
                return folder, 1
            if version == 2 and (folder / "cgroup.subtree_control").exists() and \
                    "cpu" in (folder / "cgroup.subtree_control").read_text().split():
                return folder, 2
    return None


class Test(harness.Case):
    def flags(self):
        (point,) = self.summary()["points"]
        return point["flag_reasons"]

    def test_busy_process_on_a_rank_s_core_is_marked(self):
        if not is_counted():
            raise unittest.SkipTest("this kernel does not count how long threads wait for a core")
        core = min(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {core})  # inherited: the busy process and the rank have but this core
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        self.addCleanup(busy.wait)
        self.addCleanup(busy.kill)
        self.run_suite(harness.suite("[case one]\n", **SPIN))
        reason = self.flags()["disturbed"]
        self.assertIn("2 of 2 launches", reason)
        for line in self.journal():
            (rank,) = line["ranks"]
            self.assertEqual(rank["cpus"], [core])
            self.assertGreater(rank["runqueue_s"], 0.02 * rank["run_s"])
            self.assertLessEqual(rank["runqueue_s"], rank["run_s"])
            self.assertEqual(line["metrics"]["runqueue_share"], rank["runqueue_s"] / rank["run_s"])
        self.assertIn(reason, (self.results / "report.md").read_text().replace("\\", ""))
        self.assertRegex(self.flags()["gated"], r"other work on the machine: [01]\.\d\d of 1 cores busy")
        refusal = self.run_suite(harness.suite("[case one]\n[gate]\nload = refuse\n", **SPIN), status=1, out="refused").err
        self.assertRegex(refusal, r"\[gate\] refuses this machine: other work on the machine: [01]\.\d\d of 1 cores busy")

    def quota(self, cores):
        """Move this process into a group without a quota, in a group that allows `cores`."""
        own = own_cpu_group()
        if not own or os.geteuid() != 0:
            raise unittest.SkipTest("no control group for processor time can be made here")
        folder, version = own
        outer = folder / f"lsbench-test-{os.getpid()}"
        inner = outer / "inner"
        try:
            outer.mkdir()
            self.addCleanup(outer.rmdir)
            if version == 1:
                (outer / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                (outer / "cpu.cfs_quota_us").write_text(str(int(cores * PERIOD_US)))
            else:
                (outer / "cpu.max").write_text(f"{int(cores * PERIOD_US)} {PERIOD_US}")
                (outer / "cgroup.subtree_control").write_text("+cpu")
            inner.mkdir()
            self.addCleanup(inner.rmdir)
            (inner / "cgroup.procs").write_text(str(os.getpid()))
            self.addCleanup((folder / "cgroup.procs").write_text, str(os.getpid()))
        except OSError as error:
            raise unittest.SkipTest(f"no control group for processor time can be made here: {error}")

    def test_quota_of_a_group_above_is_gated_and_its_use_marked(self):
        self.quota(0.5)
        self.run_suite(harness.suite("[case one]\n", **SPIN))
        flags = self.flags()
        self.assertIn("the control group allows the time of 0.50 cores", flags["gated"])
        if is_counted():
            self.assertIn("disturbed", flags)
        environment = json.loads((self.results / "environment.json").read_text())
        self.assertEqual(environment["limits"]["cpu_quota_cores"], 0.5)
        text = harness.suite("[case one]\n[gate]\nquota = refuse\n", **SPIN)
        refusal = self.run_suite(text, status=1, out="refused").err
        self.assertIn("[gate] refuses this machine: the control group allows the time of 0.50 cores", refusal)

    def test_date_that_is_set_during_a_run_changes_no_figure(self):
        text = harness.suite("[case one]\nsweep.nodes = 1, 2\n", **{**SPIN, "nodes": None, "backend_mode": "sleep"})
        run = harness.Run(self.folder, self.write(text.replace("nodes = None\n", "")), "--out", "results", environment={
            "LD_PRELOAD": os.environ["STEPPED_CLOCK_LIBRARY"],
            "ASAN_OPTIONS": f"verify_asan_link_order=0:{os.environ.get('ASAN_OPTIONS', '')}"})
        self.addCleanup(self.stop, run)
        begun = time.time()
        run.end(0)
        journal = self.journal()
        stamps = [calendar.timegm(time.strptime(line["started"], "%Y-%m-%dT%H:%M:%SZ")) for line in journal]
        self.assertTrue(any(abs(stamp - begun) > 3000 for stamp in stamps), stamps)  # the date was set
        for line in journal:
            for row in line["ledger"]:
                parts = sum(row[part] for part in ("compute_s", "wait_s", "transfer_s", "wait_transfer_s", "overhead_s",
                                                   "unattributed_s"))
                self.assertAlmostEqual(parts, row["wall_s"], places=6)
            for name, value in line["metrics"].items():
                if name.endswith("_s"):  # the run took less than the harness waits
                    self.assertTrue(-1e-3 <= value < harness.PATIENCE_S or "per_s" in name, (name, value))
        # and what is made of the journal does not look at dates
        before = self.summary()["points"]
        lines = (self.results / "journal.jsonl").read_text().splitlines()
        for i, line in enumerate(lines):
            entry = {**json.loads(line), "started": f"{2000 + 37 * i % 60}-01-01T00:00:00Z"}
            lines[i] = json.dumps(entry)
        (self.results / "journal.jsonl").write_text("".join(line + "\n" for line in lines))
        self.lsbench("report", "results")
        self.assertEqual(self.summary()["points"], before)
