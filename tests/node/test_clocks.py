# SPDX-License-Identifier: Apache-2.0
"""Ranks whose clocks differ: what differs is measured, and the ledger is as if it did not.

One rank runs in a time namespace of its own, whose monotonic clock is ahead by a known time. Nothing here depends on how
busy the machine is: a measured offset must be right within the error that it is printed with.
"""
import os
import shutil
import subprocess
import unittest

import harness

AHEAD_S = 1000
SHAPE = {"nodes": 3, "prompts": 3, "max_new": 10, "reps": 1, "backend_layers": 3, "backend_layer_time": "2ms"}


class Test(harness.Case):
    def enter(self):
        """Environment that puts one rank into a namespace whose clock is ahead."""
        unshare = shutil.which("unshare")
        if not unshare or not os.path.exists("/proc/self/ns/time"):
            raise unittest.SkipTest("no time namespaces here")
        holder = subprocess.Popen([unshare, "--time", "--monotonic", str(AHEAD_S), "--fork", "--kill-child", "sh", "-c",
                                   "echo $$; exec sleep 1000"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(holder.communicate)
        self.addCleanup(holder.kill)
        pid = holder.stdout.readline().strip()
        if not pid:
            raise unittest.SkipTest("no time namespace may be made here")
        return {"LD_PRELOAD": os.environ["OTHER_CLOCK_LIBRARY"], "OTHER_CLOCK": f"/proc/{pid}/ns/time",
                "OTHER_CLOCK_TAKEN": str(self.folder / "taken"),
                "ASAN_OPTIONS": f"verify_asan_link_order=0:{os.environ.get('ASAN_OPTIONS', '')}"}

    def run_one(self, environment=None, **keys):
        text = harness.suite("[case one]\n", **{**SHAPE, **keys})
        run = harness.Run(self.folder, self.write(text), "--out", "results", environment=environment)
        self.addCleanup(self.stop, run)
        run.end(0)
        (line,) = self.journal()
        self.assertEqual(len(line["clocks"]), 3)
        for row in line["ledger"]:
            parts = sum(row[part] for part in ("compute_s", "wait_s", "transfer_s", "wait_transfer_s", "overhead_s",
                                               "unattributed_s"))
            self.assertAlmostEqual(parts, row["wall_s"], places=6)
            self.assertLess(abs(row["unattributed_s"]), 0.02 * row["wall_s"])
        return line

    def test_ranks_of_one_machine_share_a_clock_and_compare_nothing(self):
        line = self.run_one()
        for rank, clock in zip(line["ranks"], line["clocks"]):
            self.assertNotIn("clock", rank)
            self.assertEqual((clock["shared"], clock["known"], clock["misordered"]), (True, True, 0))

    def test_injected_delay_is_counted_on_the_receivers_clock(self):
        # Stamps of another clock would hold messages for a quarter of an hour, or not at all.
        line = self.run_one(self.enter(), transport="fault:tcp", transport_delay="3ms", timeout="60s")
        self.assertTrue((self.folder / "taken").exists())
        delays = [row["transfer_s"] + row["wait_transfer_s"] + row["wait_s"] for row in line["ledger"]]
        self.assertGreater(min(delays), 0.003)

    def test_known_offset_is_found_within_the_error_told(self):
        line = self.run_one(self.enter())
        self.assertTrue((self.folder / "taken").exists())
        # A clock that is ahead shows in the rank's own times.
        starts = [rank["run_t0_ns"] * 1e-9 for rank in line["ranks"]]
        ahead = [AHEAD_S if start > min(starts) + AHEAD_S / 2 else 0 for start in starts]
        self.assertEqual(sorted(ahead), [0, 0, AHEAD_S])
        for rank, clock in enumerate(line["clocks"]):
            wanted = (ahead[rank] - ahead[0]) * 1e9
            self.assertTrue(clock["known"])
            if clock["shared"]:
                self.assertEqual(wanted, 0)
            else:
                self.assertGreater(clock["error_ns"], 0)
                # In the middle of the run; drift was fitted, and there was none.
                now = clock["root_ns"] + wanted
                self.assertLessEqual(abs(clock["own_ns"] - now), clock["error_ns"] + 1)
        differ = [a != b for a, b in zip(ahead, ahead[1:])]
        for rank, differs in zip(line["ranks"], differ):
            self.assertEqual("clock" in rank, differs)
            for at, offset, rtt in rank.get("clock", {"samples": []})["samples"]:
                self.assertGreater(at, 0)
                self.assertGreaterEqual(rtt, 0)
                self.assertGreater(abs(offset), (AHEAD_S - 1) * 1e9)
        report = (self.results / "report.md").read_text()
        for clock in line["clocks"]:
            if not clock["shared"]:
                self.assertIn(f"drift {clock['drift_ppm']:.2f} ppm, error {clock['error_ns'] / 1e3:.1f} us", report)
        # Unaligned, some time would be off by 1000 s; aligned, all lies within the run.
        for row in line["ledger"]:
            self.assertGreaterEqual(row["compute_s"], 0.002 * 10)
            self.assertLess(row["wall_s"], AHEAD_S / 2)


if __name__ == "__main__":
    unittest.main()
