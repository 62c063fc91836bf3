# SPDX-License-Identifier: Apache-2.0
"""Requests that arrive during the run, and slots that are refilled one by one."""
import json
import unittest

import harness

BATCHING = """[case static]
batch = 3
[case continuous : static]
batching = continuous
[case deep : continuous]
nodes = 2
[case flight : deep]
in_flight = 3
batch = 2
[case chunked : deep]
chunk = 5
[case open : deep]
arrivals = poisson:200/s
"""


class Test(harness.Case):
    def equal(self, **defaults):
        self.run_suite(harness.suite(BATCHING, kind="infer", prompts=8, **defaults), "--reps", "1")
        points = self.points()
        self.assertEqual({name: p["status"] for name, p in points.items()}, dict.fromkeys(points, "ok"))
        self.assertEqual(len({p["outputs"]["sha256"] for p in points.values()}), 1,
                         {name: p["outputs"] for name, p in points.items()})

    def test_batching_changes_no_answer_on_cpu(self):
        self.equal(backend="cpu")

    def test_batching_changes_no_answer_of_an_asynchronous_backend(self):
        self.equal(backend_async="yes")

    def requests(self, line):
        return sorted((request for rank in line["ranks"] for request in rank.get("requests", [])),
                      key=lambda request: request["i"])

    def test_requests_are_served_when_they_arrive_and_timed_from_then(self):
        cases = "[case open]\nnodes = 2\narrivals = trace:times.txt\nbatching = continuous\nbatch = 2\n"
        (self.folder / "times.txt").write_text("0\n0\n120ms\n# a remark\n240ms\n0.36s\n")
        self.run_suite(harness.suite(cases, kind="infer", prompts=5), "--reps", "1")
        (line,) = self.journal()
        requests = self.requests(line)
        begin = line["ranks"][0]["run_t0_ns"]
        self.assertEqual([r["arrival_ns"] - begin for r in requests], [0, 0, 120e6, 240e6, 360e6])
        for request in requests:
            self.assertLessEqual(request["arrival_ns"], request["admitted_ns"])
            self.assertLess(request["admitted_ns"], request["first_ns"])
        self.assertGreaterEqual(line["metrics"]["run_s"], 0.36)
        for row in line["ledger"]:
            parts = sum(row[part] for part in ("compute_s", "wait_s", "transfer_s", "wait_transfer_s", "overhead_s",
                                               "idle_s", "unattributed_s"))
            self.assertAlmostEqual(parts, row["wall_s"], places=6)
        self.assertAlmostEqual(line["metrics"]["offered_rps"], 4 / 0.36, places=6)
        self.assertNotIn("replay_s", line["metrics"])
        header = json.loads((self.results / "journal.jsonl").read_text().splitlines()[0])
        self.assertIn("times.txt", header["provenance"]["data"])

    def test_a_load_that_is_not_sustained_is_flagged(self):
        # each step takes 2 ms at least, so 6 tokens of 24 requests take longer than they take to come
        cases = "[case hot]\narrivals = fixed:1000/s\n[case calm]\narrivals = closed\n"
        self.run_suite(harness.suite(cases, kind="infer", prompts=24, max_new=6, stop="length",
                                     backend_step_time="2ms"), "--reps", "1")
        points = self.points()
        self.assertIn("not_sustained", points["hot"]["flags"])
        self.assertNotIn("not_sustained", points["calm"]["flags"])
        self.assertNotIn("offered_rps", points["calm"]["metrics"])

    def test_what_cannot_be_is_refused_before_anything_starts(self):
        for case, why in (("kind = strong\narrivals = fixed:5/s", "kind = infer"),
                          ("arrivals = fixed:5", "no unit"),
                          ("arrivals = trace\ndistinct = 1", "distinct"),
                          ("batching = dynamic", "none of static, continuous")):
            run = self.run_suite(harness.suite(f"[case wrong]\n{case}\n", kind="infer"), status=2, out=None)
            self.assertIn(why, run.err)

    def test_a_trace_that_is_too_short_or_ends_too_late_is_refused(self):
        (self.folder / "one.txt").write_text("0\n")
        (self.folder / "late.txt").write_text("0\n1h\n")
        cases = "[case short]\narrivals = trace:one.txt\n[case late]\narrivals = trace:late.txt\n"
        run = self.run_suite(harness.suite(cases, kind="infer", prompts=2), status=2)
        self.assertIn("1 times, and there are 2 requests", run.err)
        self.assertIn("timeout", run.err)

    def test_defaults_leave_ids_as_they_were(self):
        said = "[case one]\nbatching = static\narrivals = closed\n"
        self.run_suite(harness.suite("[case one]\n", kind="infer"), "--reps", "1")
        before = self.summary()["points"][0]["id"]
        self.run_suite(harness.suite(said, kind="infer"), "--reps", "1", out="again")
        self.results = self.folder / "again"
        self.assertEqual(self.summary()["points"][0]["id"], before)


if __name__ == "__main__":
    unittest.main()
