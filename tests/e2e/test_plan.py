# SPDX-License-Identifier: Apache-2.0
"""`lsbench plan`: what it warns of before anything runs."""
import json
import pathlib

import harness

TWO = "[case two]\nnodes = 2\n"


class Test(harness.Case):
    def plan(self, **defaults):
        self.write(harness.suite(TWO, **defaults))
        return self.lsbench("plan", "suite.ini").out

    def test_fewer_groups_than_stages_are_told_of(self):
        self.assertIn("NOTE: 8 prompts make 1 group of up to 8 for 2 stages: some stages always stand idle; to keep all at "
                      "work takes at least 16 prompts", self.plan(prompts=8, batch=8))

    def test_as_many_groups_as_stages_are_not(self):
        self.assertNotIn("groups of up to", self.plan(prompts=9, batch=8))
        self.assertNotIn("group of up to", self.plan(prompts=8, batch=8, batching="continuous"))

    def test_a_launch_takes_as_long_as_its_requests_and_a_search_leaves_rates_out(self):
        self.write(harness.suite("[case load]\nsearch = knee\nslo.e2e = 1s\nsweep.arrivals = fixed:1/s, fixed:2/s, "
                                 "fixed:4/s, fixed:8/s, fixed:16/s\n", kind="infer", prompts=41, reps=6, timeout="1h"))
        plan = json.loads(self.lsbench("plan", "suite.ini", "--rate", "1e9", "--json").out)
        self.assertEqual([round(p["estimated_s"], 3) for p in plan["points"]], [40, 20, 10, 5, 2.5])
        # of 5 rates 3 are tried, 2 of them with all 6 launches: 13 of 30
        self.assertAlmostEqual(plan["estimated_s"], 77.5 * 13 / 5, places=3)
        self.assertIn("5 points, 30 launches (of which search = knee makes at most 13)",
                      self.lsbench("plan", "suite.ini").out)

    def test_arrivals_that_outlast_the_launch_are_refused_as_the_run_would(self):
        self.write(harness.suite("[case load]\n", kind="infer", prompts=41, arrivals="fixed:1/s", timeout="30s"))
        for command in (["plan", "suite.ini"], ["suite.ini"]):
            self.assertIn("the last of 41 requests arrives after 40 s", self.lsbench(*command, status=2).err)

    def test_new_tokens_of_requests_that_differ_are_told_as_a_range(self):
        self.assertIn("exactly 4 new tokens each", self.plan())
        told = self.plan(workload="synthetic", workload_pp="8", workload_tg="list 2 4")
        self.assertIn("prompts: 8 to 8 tokens, mean 8.0; exactly 2 to 4 new tokens, mean 2.7", told)

    def test_every_suite_that_comes_along_is_in_the_manual(self):
        root = pathlib.Path(__file__).parents[2]
        manual = (root / "docs/running.md").read_text()
        self.assertEqual([s.name for s in root.glob("suites/*.ini") if f"`{s.name}`" not in manual], [])


if __name__ == "__main__":
    harness.unittest.main()
