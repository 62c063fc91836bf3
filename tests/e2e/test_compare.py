# SPDX-License-Identifier: Apache-2.0
"""`lsbench compare` and `lsbench predict` on real results folders.

What a verdict is must not hang on how busy the machine is: times are put into the journal of a real run by the test.
"""
import json
import shutil
import unittest

from harness import Case, suite

ROUNDS = 6
PIPES = "[case pipe]\nsweep.nodes = 1, 2\n"


class Test(Case):
    def run_once(self, **keys):
        self.run_suite(suite(PIPES, reps=ROUNDS, **keys))

    def folder_with(self, name, seconds):
        """A copy of the results whose launches took seconds(point's label, round)."""
        folder = self.folder / name
        shutil.copytree(self.results, folder)
        lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
        labels = {p["id"]: p["label"] for p in lines[0]["points"]}
        for line in lines[1:]:
            metrics, s = line["metrics"], seconds(labels[line["point"]], line["round"])
            metrics["tokens_per_s"] = metrics["generated_tokens"] / s
            for metric in ("run_s", "ttft_p50_s", "tpot_p50_s"):
                metrics[metric] = s
        (folder / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder

    def compare(self, *arguments, status):
        return json.loads(self.lsbench("compare", *arguments, "--format", "json", status=status).out)

    def test_something_slower_fails_and_within_the_threshold_does_not(self):
        self.run_once()
        old = self.folder_with("old", lambda label, round_: 1 + 0.001 * round_)
        new = self.folder_with("new", lambda label, round_: (1.2 if "nodes=2" in label else 1) + 0.001 * round_)
        verdicts = self.compare(old, new, status=1)["verdicts"]
        self.assertEqual((verdicts["slower"], verdicts["faster"], verdicts["no_difference"]), (3, 0, 3))
        self.assertEqual(self.compare(new, old, status=0)["verdicts"]["faster"], 3)
        self.compare(old, new, "--threshold", "25", status=0)
        self.compare(old, new, "--threshold", "15", status=1)
        self.compare(old, old, status=0)

    def test_markdown_is_a_table_and_says_what_differs(self):
        self.run_once()
        old = self.folder_with("old", lambda label, round_: 1 + 0.001 * round_)
        new = self.folder_with("new", lambda label, round_: 1.5 + 0.001 * round_)
        journal = (new / "journal.jsonl").read_text()
        digest = json.loads(journal.splitlines()[0])["provenance"]["lsbench"]
        (new / "journal.jsonl").write_text(journal.replace(digest, "0" * 64, 1))
        out = self.lsbench("compare", old, new, "--metric", "run_s", "--format", "markdown", status=1).out
        self.assertIn("**2 slower, 0 faster, 0 no difference seen, 0 unknown**", out)
        self.assertIn("| pipe nodes=1 | run_s |", out)
        self.assertIn(f"- lsbench differs: {digest[:12]} and {'0' * 12}", out)

    def folder_with_scores(self, name, source, change):
        """A copy of `source` in which other tokens were answered, and scores are change(request's number) higher."""
        folder = self.folder / name
        shutil.copytree(source, folder)
        lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
        for line in lines[1:]:
            line["outputs_sha256"] = "0" * 64
            for request in (r for rank in line["ranks"] for r in rank.get("requests", [])):
                request["ids"][-1] += 1
                request["scores"]["rouge1"] += change(request["i"])
        (folder / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder

    def test_other_answers_of_two_folders_are_judged_by_their_scores_with_an_interval(self):
        self.run_suite(suite("[case one]\nnodes = 1\n", reps=ROUNDS, prompts=8))
        old = self.folder_with("old", lambda label, round_: 1.5 + 0.001 * round_)
        new = self.folder_with("new", lambda label, round_: 1 + 0.001 * round_)
        # by Student with 7 degrees of freedom: mean +- 2.364624 sd / sqrt(8)
        for name, change, mean, half, word in (("worse", lambda i: -0.1 - 0.01 * (i % 2), -0.105, 0.0044688, "lower"),
                                               ("alike", lambda i: 0.1 * (-1) ** i, 0, 0.0893744, "no difference seen")):
            other = self.folder_with_scores(name, new, change)
            comparison = self.compare(old, other, status=0)
            (pair,) = comparison["pairs"]
            answers = pair["answers"]
            self.assertEqual((answers["compared"], answers["equal"]), (8, 0))
            score = answers["scores"][0]
            self.assertEqual((score["name"], score["n"], score["verdict"]), ("rouge1", 8, word))
            self.assertAlmostEqual(score["difference"], mean, places=6)
            for end, sign in zip(score["ci95"], (-1, 1)):
                self.assertAlmostEqual(end, mean + sign * half, places=5)
            self.assertEqual(comparison["verdicts"]["faster_but_other"], 1)
            text = self.lsbench("compare", old, other).out
            self.assertIn(f"B gives other answers than A to 8 of 8 requests; rouge1: {word}, ", text)
            self.assertIn("B is faster but answers differently", text)
        self.assertEqual(self.compare(old, new, status=0)["pairs"][0]["answers"], None)

    def test_points_of_one_folder_compare_by_factor_and_by_name(self):
        self.run_once()
        folder = self.folder_with("one", lambda label, round_: (0.5 if "nodes=2" in label else 1) + 0.001 * round_)
        by_axis = self.compare(folder, "--axis", "nodes", "--metric", "run_s", status=0)
        by_name = self.compare(folder, "pipe nodes=1", "pipe nodes=2", "--metric", "run_s", status=0)
        for comparison in by_axis, by_name:
            (pair,) = comparison["pairs"]
            self.assertEqual(pair["metrics"]["run_s"]["verdict"], "faster")
            self.assertEqual(pair["metrics"]["run_s"]["pairs"], ROUNDS)
            self.assertAlmostEqual(pair["metrics"]["run_s"]["ratio"], 0.5, places=2)
            self.assertIs(pair["outputs_equal"], True)
        self.compare(folder, "pipe nodes=2", "pipe nodes=1", "--metric", "run_s", status=1)

    def test_two_named_sets_of_one_transport_compare_by_axis(self):
        self.run_suite(suite("[case pipe]\nnodes = 2\nsweep.transport = slow, slower\n"
                             "[transport slow]\nplugin = fault:tcp\ndelay = 1us\n"
                             "[transport slower]\nplugin = fault:tcp\ndelay = 2us\n", reps=ROUNDS))
        folder = self.folder_with("one", lambda label, round_: (2 if "slower" in label else 1) + 0.001 * round_)
        for axis, what, status in (("transport", "pipe: transport slower against slow", 1),
                                   ("transport=slower,slow", "pipe: transport slow against slower", 0)):
            (pair,) = self.compare(folder, "--axis", axis, "--metric", "run_s", status=status)["pairs"]
            self.assertEqual(pair["what"], what)
            self.assertEqual(pair["metrics"]["run_s"]["pairs"], ROUNDS)

    def test_names_and_folders_that_are_not_there(self):
        self.run_once()
        self.lsbench("compare", self.results, "--axis", "colour", status=2)
        self.lsbench("compare", self.results, "pipe", "nobody", status=2)
        self.assertIn("no point has a metric 'run_z'", self.lsbench(
            "compare", self.results, self.results, "--metric", "run_s", "--metric", "run_z", status=2).err)
        self.lsbench("compare", self.results, self.folder, status=5)
        self.lsbench("predict", self.results, "--point", "nobody", status=2)
        self.lsbench("predict", self.results, "--split", "1,1", status=2)
        self.lsbench("predict", self.results, "--nodes", "13", status=2)  # backend-null has 12 layers
        self.lsbench("predict", self.folder, status=5)

    def test_a_prediction_states_its_error_and_its_ledger_adds_up(self):
        self.run_once(backend_layer_time="1ms", max_new=6)
        out = json.loads(self.lsbench("predict", self.results, "--nodes", "1,2,3,4", "--batch", "1,2",
                                      "--format", "json").out)
        self.assertEqual([(p["settings"]["nodes"], p["settings"]["batch"]) for p in out["predictions"]],
                         [(n, b) for n in (1, 2, 3, 4) for b in (1, 2)])
        for prediction in out["predictions"]:
            settings, steps = prediction["settings"], prediction["ledger"][0]["steps"]
            self.assertEqual(sum(settings["layers"]), 12)
            # a sleep is a lower bound of what was measured; so is the busiest stage of the run
            self.assertGreater(prediction["run_s"], 0.7 * steps * max(settings["layers"]) * 1e-3)
            for row in prediction["ledger"]:
                parts = sum(row[part] for part in ("compute_s", "wait_s", "transfer_s", "overhead_s"))
                self.assertAlmostEqual(parts, prediction["run_s"], places=9)
            self.assertAlmostEqual(prediction["tokens_per_s"] * prediction["run_s"], 3 * 6, places=6)
        self.assertTrue(any("3 stages" in note for note in out["predictions"][4]["notes"]))
        self.assertEqual([p["label"] for p in out["holdout"]["points"]], ["pipe nodes=1", "pipe nodes=2"])
        self.assertGreaterEqual(out["holdout"]["worst_error"], out["holdout"]["median_error"])
        text = self.lsbench("predict", self.results, "--nodes", "2").out
        self.assertIn("Error of run s on held-out points", text)
        self.assertIn("Where the time would go", text)

    def test_arrivals_and_claims_are_predicted(self):
        text = suite("""[case closed]
nodes = 1
[case open]
nodes = 1
batching = continuous
batch = 2
sweep.arrivals = fixed:40/s, poisson:60/s
[case claimed]
nodes = 2
replicas = 2
batch = 2
balance = dynamic
[case both]
nodes = 2
replicas = 2
balance = dynamic
arrivals = burst:3:50ms
""", kind="infer", reps=1, prompts=9, max_new=6, backend_layer_time="500us")
        self.run_suite(text)
        out = json.loads(self.lsbench("predict", self.results, "--holdout", "--format", "json").out)
        found = {p["label"]: p for p in out["holdout"]["points"]}
        self.assertEqual({label: p["of"] for label, p in found.items()},
                         {"closed": "run_s", "open arrivals=fixed:40/s": "e2e_mean_s",
                          "open arrivals=poisson:60/s": "e2e_mean_s", "claimed": "run_s", "both": "e2e_mean_s"})
        for point in found.values():  # a sleep is a lower bound of both
            self.assertGreater(point["predicted_e2e_mean_s"], 0.8 * 6 * 12 * 0.5e-3)
            self.assertGreater(point["measured_e2e_mean_s"], 6 * 12 * 0.5e-3)
            self.assertGreaterEqual(point["predicted_run_s"], point["predicted_e2e_mean_s"])

        def predict(*arguments):
            document = json.loads(self.lsbench("predict", self.results, *arguments, "--format", "json").out)
            (prediction,) = document["predictions"]
            for row in prediction["ledger"]:
                parts = ("compute_s", "wait_s", "transfer_s", "overhead_s", "idle_s")
                self.assertAlmostEqual(sum(row[part] for part in parts), row["wall_s"])
            return prediction

        as_it_was, slower = predict("--point", "both"), predict("--point", "both", "--arrivals", "fixed:2/s")
        self.assertEqual(as_it_was["settings"]["balance"], "dynamic")
        self.assertAlmostEqual(slower["settings"]["offered_rps"], 2)
        self.assertGreater(slower["run_s"], 8 / 2)
        self.assertLessEqual(slower["e2e_mean_s"], as_it_was["e2e_mean_s"] * (1 + 1e-9))  # nobody waits for another
        self.assertGreater(min(row["idle_s"] for row in slower["ledger"]), 2)
        self.assertNotIn("offered_rps", predict("--point", "both", "--arrivals", "closed")["settings"])
        self.assertIn("requests arrive during the run", self.lsbench("predict", self.results, "--point", "both").out)
        self.assertIn("has no unit", self.lsbench("predict", self.results, "--arrivals", "fixed:2", status=2).err)


if __name__ == "__main__":
    unittest.main()
