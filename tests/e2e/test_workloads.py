# SPDX-License-Identifier: Apache-2.0
"""What workloads ask is what runs: lengths, data sets, and quality beside speed."""
import json
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
        for point in self.points().values():  # fewer tokens than max_new allows are what was asked for
            self.assertEqual(point["metrics"]["asked_tokens"], point["metrics"]["generated_tokens"])
            self.assertNotIn("implausible", point["flags"])

    def test_synthetic_lengths_that_are_none_fail_before_anything_starts(self):
        run = self.run_suite(harness.suite("[case one]\nnodes = 1\n", workload="synthetic", workload_pp="many"), status=2)
        self.assertIn("pp = many", run.err)

    def test_data_set_limits_hold(self):
        items = [{"id": "a", "article": "one two three four", "reference": "one two"},
                 {"id": "b", "article": "one two", "reference": "one", "max_new": 2}, {"id": "c", "article": "one"}]
        (self.folder / "data.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
        self.run_suite(harness.suite("[case cut]\nnodes = 1\n[case left_out]\nnodes = 1\nworkload.long = skip\n", reps=1,
                                     workload_data="data.jsonl", workload_max_words=3))
        cut, left_out = ({r["i"]: r for r in requests(launch)} for launch in
                         sorted(self.journal(), key=lambda launch: launch["point"] != self.points()["cut"]["id"]))
        self.assertEqual([(cut[i]["id"], cut[i]["generated_tokens"]) for i in range(3)], [("a", 4), ("b", 2), ("c", 4)])
        self.assertEqual([cut[i]["scores"].get("input_cut") for i in range(3)], [1, 0, None])
        self.assertEqual([left_out[i]["id"] for i in range(3)], ["b", "c", "b"])

    def test_prompts_are_cut_to_tokens_and_the_report_says_how_many(self):
        items = [{"id": name, "article": " ".join(["word"] * n), "reference": "word"}
                 for name, n in (("long", 300), ("short", 2), ("longer", 400), ("fits", 20))]
        (self.folder / "data.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
        text = harness.suite("[case one]\nnodes = 1\n[case two]\nnodes = 2\n", reps=1, prompts=6,
                             workload_data="data.jsonl", workload_max_tokens=300)
        plan = self.lsbench("plan", self.write(text))
        self.assertIn("3 of 6 prompts are cut", plan.out)
        self.run_suite(text)
        for launch in self.journal():
            asked = {r["i"]: r for r in requests(launch)}
            self.assertEqual([i for i in range(6) if asked[i].get("prompt_cut")], [0, 2, 4])
            for i in (0, 2, 4):
                self.assertLessEqual(asked[i]["prompt_tokens"], 300)
                self.assertGreater(asked[i]["prompt_tokens"], 300 - len("word "))  # as little as fits is cut
        for point in self.points().values():
            self.assertEqual(point["metrics"]["prompts_cut"]["median"], 3)
            self.assertEqual(point["requests"]["failed"], 0)
        self.assertRegex((self.results / "report.md").read_text(), r"\| Point .*\| Prompts cut \|")

    def test_data_set_that_is_broken_is_told_by_its_line(self):
        (self.folder / "data.jsonl").write_text('{"article": "one"}\n{"article": 2}\n')
        run = self.run_suite(harness.suite("[case one]\nnodes = 1\n", workload_data="data.jsonl"), status=2)
        self.assertIn("data.jsonl:2: ", run.err)

    def test_caches_that_cannot_fit_are_refused_before_anything_starts(self):
        run = self.run_suite(harness.suite("[case large]\nnodes = 1\nbatch = 1024\nin_flight = 1024\ncontext = 2048\n",
                                           backend="cpu", model="random:openllama-3b", reps=1), status=2)
        self.assertIn("large: its ranks need at least", run.err)
        self.assertFalse(self.results.exists())


if __name__ == "__main__":
    unittest.main()
