# SPDX-License-Identifier: Apache-2.0
"""What a run measures of its machine and says of itself: the link, and why two nodes are not two times as fast."""
import harness

PAIR = "[case pair]\nsweep.nodes = 1, 2\n"


class Test(harness.Case):
    def measured(self, **options):
        self.run_suite(harness.suite(PAIR, backend_layer_time="1ms", **options), "--no-html")
        return self.points()["pair", 2]

    def test_link_is_measured_once_with_the_messages_of_the_run(self):
        point = self.measured(transport="tcp", batch=2)
        first, later = [[rank.get("link") for rank in line["ranks"]] for line in self.journal()
                        if line["point"] == point["id"]]
        self.assertEqual(later, [None, None])
        self.assertIsNone(first[1])  # the last stage sends no hidden states
        self.assertEqual(first[0]["peer"], 1)
        hidden = point["ranks"][0]["hidden_bytes"]
        self.assertIn(2 * hidden, [size["bytes"] for size in first[0]["sizes"]])
        self.assertTrue(all(size["one_way_s"] > 0 and size["rounds"] for size in first[0]["sizes"]))

    def test_delayed_link_is_measured_late(self):
        point = self.measured(transport="fault:tcp", transport_delay="2ms")
        for size in self.journal_link(point)["sizes"]:
            self.assertGreaterEqual(size["one_way_s"], 2e-3)  # each message is that long on its way at least

    def journal_link(self, point):
        return next(rank["link"] for line in self.journal() if line["point"] == point["id"]
                    for rank in line["ranks"] if "link" in rank)

    def test_losses_of_a_run_add_up(self):
        losses = self.measured(transport="tcp")["bounds"]["losses"]
        self.assertAlmostEqual(sum(term["share"] for term in losses["terms"]), 1 - losses["speedup"] / 2, places=9)
        self.assertAlmostEqual(losses["ideal_s"] + sum(term["s"] for term in losses["terms"]), losses["run_s"],
                               places=9)
        rest = next(term for term in losses["terms"] if term["name"] == "rest")
        self.assertLess(abs(rest["share"]), 0.02)  # the ledger closes, and so do the terms made of it
        self.assertIn("is not 2 times as fast", " ".join(s["text"] for s in self.summary()["findings"]["summary"]))

    def test_idle_stages_of_one_prompt_at_once_are_the_bubble(self):
        point = self.measured(transport="tcp", in_flight=1, chunk=512)
        metrics = {name: metric["samples"] for name, metric in point["metrics"].items()}
        for bubble, compute in zip(metrics["bubble_s"], metrics["compute_s"]):
            self.assertAlmostEqual(bubble, compute, places=9)  # while one of two works, the other is idle
        advice = [a for a in self.summary()["findings"]["recommendations"] if a["kind"] == "in_flight"]
        self.assertEqual(advice[0]["set"], "in_flight = 2")
        self.assertEqual(advice[0]["points"], [point["id"]])
