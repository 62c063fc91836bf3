# SPDX-License-Identifier: Apache-2.0
"""What a run computes does not depend on how it is spread."""
import json
import os
import unittest

import harness

SPREAD = """[case whole]
nodes = 1
[case two : whole]
nodes = 2
[case three : whole]
nodes = 3
[case batched : three]
batch = 2
[case chunked : two]
chunk = 5
[case staged : two]
in_flight = 1
"""


class Test(harness.Case):
    def equal(self, text):
        self.run_suite(text, "--reps", "1")
        points = self.points()
        self.assertEqual({name: p["status"] for name, p in points.items()}, dict.fromkeys(points, "ok"))
        self.assertEqual(len({p["outputs"]["sha256"] for p in points.values()}), 1,
                         {name: p["outputs"] for name, p in points.items()})
        for name in ("two", "three"):
            self.assertIs(points[name]["outputs"]["equal_to_baseline"], True)

    def test_equal_over_nodes_batch_and_chunk_on_cpu(self):
        self.equal(harness.suite(SPREAD, backend="cpu", temperature=1.5))

    def test_equal_over_nodes_batch_and_chunk_on_null(self):
        self.equal(harness.suite(SPREAD))

    def test_equal_when_staged_through_host_memory(self):
        self.equal(harness.suite(SPREAD, backend_mem="fake", backend_async="yes"))

    def test_equal_over_a_slow_link(self):
        self.equal(harness.suite(SPREAD, transport="fault:tcp", transport_delay="1ms"))

    def equal_over_splits(self, splits, **keys):
        """Wherever the layers are cut, the same prompts get the same answers."""
        cases = "".join(f"[case s{i}]\nnodes = {split.count('+') + 1}\nsplit = {split}\n"
                        for i, split in enumerate(splits))
        self.run_suite(harness.suite(f"[case whole]\nnodes = 1\n{cases}", backend="cpu", kind="infer", reps=1, batch=2,
                                     **keys))
        points = self.points()
        self.assertEqual({name: p["status"] for name, p in points.items()}, dict.fromkeys(points, "ok"))
        self.assertEqual({name: p["layers"] for name, p in points.items() if name != "whole"},
                         {f"s{i}": [int(n) for n in split.split("+")] for i, split in enumerate(splits)})
        answers = {launch["point"]: {request["i"]: request["ids"] for rank in launch["ranks"]
                                     for request in rank.get("requests", [])} for launch in self.journal()}
        whole = answers[points["whole"]["id"]]
        self.assertEqual([len(whole[i]) for i in range(keys["prompts"])], [keys["max_new"]] * keys["prompts"])
        self.assertGreater(len({tuple(ids) for ids in whole.values()}), 1)  # answers depend on what is asked
        for name, point in points.items():
            self.assertEqual(answers[point["id"]], whole, name)

    def test_equal_over_splits_on_cpu(self):
        # a random model with tied embeddings says its last token again: drawn ones depend on all logits
        self.equal_over_splits(("2+2", "3+1", "1+3", "1+2+1", "2+1+1", "1+1+1+1"), prompts=5, max_new=8, temperature=1.5)

    def test_equal_over_splits_of_the_default_model(self):
        model = os.environ.get("LSB_MODEL")
        if not model:
            raise unittest.SkipTest("LSB_MODEL is not set")
        self.equal_over_splits(("15+15", "20+10", "1+29", "3+20+7"), prompts=2, max_new=6, model=model)

    def test_equal_over_threads_on_cpu(self):
        self.run_suite(harness.suite("[case one]\nnodes = 2\n[case many : one]\nthreads = 3\n", backend="cpu",
                                     temperature=1.5),
                       "--reps", "1")
        self.assertEqual(len({p["outputs"]["sha256"] for p in self.points().values()}), 1)

    def test_model_file_is_relative_to_the_suite(self):
        model = os.environ.get("LSB_MODEL")
        if not model:
            raise unittest.SkipTest("LSB_MODEL is not set")
        (self.folder / "suites").mkdir()
        (self.folder / "model.gguf").symlink_to(model)
        self.write(harness.suite("[case one]\nnodes = 2\n", backend="cpu", model="../model.gguf", prompts=1, reps=1),
                   "suites/relative.ini")
        self.lsbench("suites/relative.ini", "--out", "results")
        request = self.journal()[0]["ranks"][0]["requests"][0]
        self.assertNotEqual(request["text"], "")

    def test_replicas_share_the_requests(self):
        self.run_suite(harness.suite("[case whole]\nnodes = 1\n[case twice]\nkind = replica\nnodes = 2\n",
                                     backend="cpu"), "--reps", "1")
        points = self.points()
        self.assertEqual(points["whole"]["outputs"]["sha256"], points["twice"]["outputs"]["sha256"])
        requests = [r["i"] for rank in self.journal()[-1]["ranks"] for r in rank["requests"]]
        self.assertEqual(sorted(requests), [0, 1, 2])

    def test_generate_gives_ids_of_a_random_model(self):
        run = self.lsbench("generate", "--backend", "cpu", "--model", "random:tiny", "--ids", "1 2 3",
                           "--max-new", "4", "--json", "--logits", "logits")
        answer = json.loads(run.out)
        self.assertEqual(answer["prompt_ids"], [1, 2, 3])
        self.assertEqual(len(answer["ids"]), 4)
        self.assertGreater((self.folder / "logits").stat().st_size, 0)
