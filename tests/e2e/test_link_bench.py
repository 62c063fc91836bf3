# SPDX-License-Identifier: Apache-2.0
"""kind = link: what it measures over real sockets, and what it says of a link that is not sound."""
import unittest

import harness

LINKS = """[suite]
name = links
[defaults]
kind = link
nodes = 2
reps = 2
iterations = 20
sizes = 1, 64, 4KiB, 64KiB
[case link]
"""


class Test(harness.Case):
    def point(self):
        (point,) = self.summary()["points"]
        return point

    def test_every_size_and_direction_is_measured(self):
        self.run_suite(LINKS.replace("nodes = 2", "nodes = 3"))
        point = self.point()
        self.assertEqual((point["status"], point["launches"]), ("ok", 2))
        pairs = [(link["from"], link["to"]) for link in point["links"]]
        self.assertEqual(pairs, [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)])
        for link in point["links"]:
            self.assertEqual([row["bytes"] for row in link["sizes"]], [1, 64, 4096, 65536])
            for row in link["sizes"]:
                self.assertGreater(row["latency_s"]["median"], 0)
                self.assertLessEqual(row["latency_p50_s"]["median"], row["latency_p99_s"]["median"])
                self.assertAlmostEqual(row["bandwidth_bps"]["median"] / row["messages_per_s"]["median"],
                                       row["bytes"], delta=1e-6 * row["bytes"])
        for size in (1, 64, 4096, 65536):
            for metric in (f"latency_{size}_s", f"bandwidth_{size}_bps", f"messages_{size}_per_s"):
                self.assertEqual(len(point["metrics"][metric]["samples"]), 2, metric)
        report = (self.results / "report.md").read_text()
        self.assertIn("Latency, one way", report)
        self.assertIn("64 KiB", report)

    def test_injected_delay_is_in_every_latency(self):
        # A message cannot be faster than its delay, however busy the machine is.
        self.run_suite(LINKS + "transport = fault:tcp\ntransport.delay = 2ms\n", "--reps", "1")
        for row in self.point()["links"][0]["sizes"]:
            self.assertGreaterEqual(row["latency_s"]["median"], 0.002)

    def test_gap_is_waited_and_not_counted(self):
        self.run_suite(LINKS + "gap = 3ms\ntransport = fault:tcp\ntransport.delay = 1ms\n", "--reps", "1")
        point = self.point()
        # 20 rounds and a warm-up one of 4 sizes, from either side, with a gap on both sides of each
        self.assertGreaterEqual(point["metrics"]["run_s"]["median"], 2 * 4 * 21 * 2 * 0.003)
        self.assertNotIn("bandwidth_bps", point["metrics"])
        for row in point["links"][0]["sizes"]:
            self.assertGreaterEqual(row["latency_s"]["median"], 0.001)

    def test_sizes_of_the_model_join(self):
        self.run_suite(LINKS + "model = random:tiny\nbackend = null\nbatch = 3\nchunk = 16\n", "--reps", "1")
        sizes = [row["bytes"] for row in self.point()["links"][0]["sizes"]]
        hidden = [size for size in sizes if size not in (1, 64, 4096, 65536)]
        self.assertTrue(hidden)
        self.assertEqual(sizes, sorted(sizes))

    def test_changed_payload_fails_the_point(self):
        run = self.run_suite(LINKS + "transport = fault:tcp\ntransport.corrupt_at = 5\n", "--reps", "1", status=1)
        self.assertEqual(self.point()["status"], "failed")
        self.assertIn("arrived changed", self.point()["reason"])
        self.assertIn("arrived changed", run.out + run.err)

    def test_lost_message_fails_within_the_timeout(self):
        self.run_suite(LINKS + "transport = fault:tcp\ntransport.drop_at = 5\ntimeout = 2s\nstall_timeout = 1s\n",
                       "--reps", "1", status=1)
        self.assertEqual(self.point()["status"], "failed")


if __name__ == "__main__":
    unittest.main()
