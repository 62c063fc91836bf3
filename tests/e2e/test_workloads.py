# SPDX-License-Identifier: Apache-2.0
"""What workloads ask is what runs: lengths, data sets, and quality beside speed."""
import unittest

import harness


def requests(launch):
    return [r for rank in launch["ranks"] for r in rank.get("requests", [])]


class Test(harness.Case):
    def test_synthetic_lengths_are_exact(self):
        self.run_suite(harness.suite("[case batched]\nnodes = 2\nbatch = 3\n", backend="cpu", workload="synthetic",
                                     workload_pp="list 5 70", max_new=6, reps=1))
        self.assertEqual([(r["prompt_tokens"], r["generated_tokens"], r["finish"])
                          for r in requests(self.journal()[0])], [(5, 6, "length"), (70, 6, "length"), (5, 6, "length")])
        metrics = self.points()["batched"]["metrics"]
        self.assertEqual(metrics["prompt_tokens"]["median"], 80)
        for phase in ("prefill", "decode"):
            self.assertGreater(metrics[phase + "_tokens_per_s"]["median"], 0)
        self.assertIn("Speed and quality", (self.results / "report.md").read_text())

    def test_synthetic_phases_share_out_the_run(self):
        self.run_suite(harness.suite("[case one]\nnodes = 1\n", workload="synthetic", workload_pp="100", max_new=5,
                                     prompts=3, chunk=64, reps=1))
        metrics = {name: m["median"] for name, m in self.points()["one"]["metrics"].items()}
        # of each request two chunks of the prompt, then four steps of one token
        seconds = 300 / metrics["prefill_tokens_per_s"] + 12 / metrics["decode_tokens_per_s"]
        self.assertLessEqual(seconds, metrics["run_s"] * (1 + 1e-6))

    def test_synthetic_prompts_of_one_token_are_decode_alone(self):
        self.run_suite(harness.suite("[case tg]\nnodes = 1\n", workload="synthetic", workload_pp="1", max_new=7,
                                     prompts=2, reps=1))
        metrics = self.points()["tg"]["metrics"]
        self.assertNotIn("prefill_tokens_per_s", metrics)
        self.assertGreaterEqual(metrics["decode_tokens_per_s"]["median"] * (1 + 1e-6),
                                metrics["tokens_per_s"]["median"])

    def test_synthetic_lengths_are_drawn_alike_on_every_layout(self):
        self.run_suite(harness.suite("[case one]\nnodes = 1\n[case two]\nkind = replica\nnodes = 2\n", prompts=8, reps=1,
                                     workload="synthetic", workload_pp="normal 20 8", workload_tg="1..9", max_new=9))
        lengths = [sorted((r["i"], r["id"], r["prompt_tokens"], r["generated_tokens"]) for r in requests(launch))
                   for launch in self.journal()]
        self.assertEqual(lengths[0], lengths[1])
        self.assertGreater(len({n for _, _, n, _ in lengths[0]}), 2)
        self.assertTrue(all(id == f"{i}-pp{pp}-tg{tg}" for i, id, pp, tg in lengths[0]))

    def test_synthetic_lengths_that_are_none_fail_before_anything_starts(self):
        run = self.run_suite(harness.suite("[case one]\nnodes = 1\n", workload="synthetic", workload_pp="many"), status=2)
        self.assertIn("pp = many", run.err)


if __name__ == "__main__":
    unittest.main()
