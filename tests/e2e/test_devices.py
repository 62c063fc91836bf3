# SPDX-License-Identifier: Apache-2.0
"""Accelerators: who shares one, what they hold and use. backend-null pretends to have them."""
import harness

TWO = """[case one]
nodes = 1
[case two : one]
nodes = 2
baseline = one
"""


class Test(harness.Case):
    def run_on(self, devices):
        self.run_suite(harness.suite(TWO, backend_devices=devices))
        return self.points()

    def test_ranks_that_share_one_are_flagged_and_get_no_efficiency(self):
        points = self.run_on(1)
        self.assertNotIn("oversubscribed", points["one"]["flags"])
        self.assertIn("oversubscribed", points["two"]["flags"])
        self.assertIn("ranks 0 and 1 compute on one device (no device, null-0)",
                      points["two"]["flag_reasons"]["oversubscribed"])
        self.assertIsNone(points["two"]["scaling"]["efficiency"])

    def test_ranks_of_a_host_take_one_each(self):
        points = self.run_on(2)
        flag = points["two"].get("flag_reasons", {}).get("oversubscribed", "")
        self.assertNotIn("device", flag)
        self.assertEqual([rank["backend"]["device_id"] for rank in points["two"]["ranks"]], ["null-0", "null-1"])
        self.assertIn("no arithmetic, inside wait; ", (self.results / "report.md").read_text())

    def test_energy_counts_each_device_once(self):
        apart = self.run_on(2)["two"]["metrics"]
        self.assertEqual(apart["device_memory_bytes"]["median"], 4096)
        self.assertEqual(apart["device_energy_j_per_token"]["unit"], "J")
        shared = self.run_shared()
        self.assertAlmostEqual(apart["device_energy_j_per_token"]["median"],
                               2 * shared["device_energy_j_per_token"]["median"])
        self.assertAlmostEqual(shared["device_power_w"]["median"] * shared["run_s"]["median"],
                               shared["device_energy_j_per_token"]["median"] * shared["generated_tokens"]["median"],
                               delta=0.5 * shared["device_power_w"]["median"] * shared["run_s"]["median"])

    def test_a_step_s_compute_is_when_the_device_was_at_it(self):
        self.run_suite(harness.suite(TWO, backend_async="yes", backend_layers=5, backend_layer_time="1ms"))
        for launch in self.journal():
            for ledger, rank in zip(launch["ledger"], launch["ranks"]):
                steps = sum(kind["n"] for kind in launch["steps"] if kind["rank"] == rank["rank"])
                # A sleep of a known length, on a thread of its own.
                self.assertGreaterEqual(ledger["compute_s"], steps * rank["layers"]["count"] * 1e-3)
                self.assertGreater(ledger["overhead_s"], 0)
                parts = sum(ledger[f"{part}_s"] for part in ("compute", "wait", "transfer", "wait_transfer", "overhead"))
                self.assertAlmostEqual(parts, ledger["wall_s"], delta=1e-6)

    def run_shared(self):
        self.run_suite(harness.suite(TWO, backend_devices=1), out="shared")
        self.results = self.folder / "shared"
        return self.points()["two"]["metrics"]
