# SPDX-License-Identifier: Apache-2.0
"""`lsbench plan`: what it warns of before anything runs."""
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


if __name__ == "__main__":
    harness.unittest.main()
