# SPDX-License-Identifier: Apache-2.0
"""What a run says of each misfortune of a link, injected by transport fault: an error in words, or outputs that differ."""
import json

import harness

PAIR = "[case pair]\nnodes = 2\ntransport = fault:tcp\n[case one]\nnodes = 1\n"
PLAN, HIDDEN, IDS, PROBE = 1, 2, 3, 5


class Test(harness.Case):
    def point(self, out="results", **options):
        options = {f"transport_{name}": value for name, value in options.items()}
        text = harness.suite(PAIR, reps=1, stall_timeout="3s", **options)
        run = self.start(text, "--no-html", out=out)
        self.results = self.folder / out
        run.process.wait(timeout=harness.PATIENCE_S)
        run.end(run.process.returncode)
        return next(p for p in self.summary()["points"] if p["case"] == "pair")

    def fails(self, rank, pattern, reason=None, **options):
        """The rank says it in its log, and so does the run: what another rank saw of that rank's end is none of its reasons."""
        point = self.point(**options)
        self.assertEqual(point["status"], "failed")
        logs = "".join(log.read_text() for log in (self.results / "logs").glob(f"*.{rank}.log"))
        self.assertRegex(logs, pattern)
        self.assertRegex(point["reason"], reason or f"rank {rank} .*({pattern})")

    def test_lost_plan_is_told_by_its_step(self):
        self.fails(1, "the plan of step 2 came where step 1 was due", drop_at=2, from_rank=0, only_tag=PLAN)

    def test_lost_ids_are_told_by_their_step(self):
        self.fails(0, "ids of step 1 came where step 0 was due", drop_at=1, from_rank=1)

    def test_link_that_falls_silent_is_a_loop_that_stands_still(self):
        point = self.point(drop_after=4, from_rank=0)
        self.assertEqual(point["status"], "failed")
        self.assertRegex(point["reason"], "stage loop of rank . .* has stood still")

    def test_truncated_messages_are_told_by_their_length(self):
        self.fails(1, "step plan 0 has [0-9]+ bytes, not what its counts say", truncate_at=1, from_rank=0)

    def test_truncated_hidden_states_are_told_by_their_length(self):
        self.fails(1, "[0-9]+ bytes of hidden states for [0-9]+ tokens", truncate_at=1, from_rank=0,
                   only_tag=HIDDEN)

    def test_truncated_ids_are_told_by_their_length(self):
        self.fails(0, "an ids message of 4 bytes is too short", truncate_at=1, from_rank=1)

    def test_reset_link_is_told_by_either_end(self):
        # Both ends lose the link, and neither is more to blame.
        self.fails(0, "reset at message 4", r"rank 0 .*reset at message 4|link with rank 0 failed|rank 0 has ended", reset_at=4,
                   from_rank=0)

    def test_corrupted_ids_are_refused(self):
        self.fails(0, "64 ids in 8 bytes", corrupt_at=1, from_rank=1)

    def test_corrupted_hidden_states_are_outputs_that_differ(self):
        point = self.point(corrupt_at=1, from_rank=0, only_tag=HIDDEN)
        self.assertEqual(point["status"], "ok")
        self.assertIn("outputs_differ", point["flags"])
        self.assertIs(point["outputs"]["equal_to_baseline"], False)

    def test_failing_operations_are_named_with_their_rank(self):
        for operation in ("isend", "irecv", "barrier", "connect", "open"):
            with self.subTest(operation):
                self.fails(1, f"call 1 of {operation} failed, as transport.fail_at asked for", out=operation, fail_at=1,
                           fail_op=operation, from_rank=1)

    def test_trace_leaves_a_file_a_rank_and_changes_no_output(self):
        run = self.run_suite(harness.suite(PAIR.replace("fault:tcp", "trace:fault:tcp"), reps=1), "--no-html")
        self.assertEqual(run.process.returncode, 0)
        point = next(p for p in self.summary()["points"] if p["case"] == "pair")
        self.assertIs(point["outputs"]["equal_to_baseline"], True)
        for rank in (0, 1):
            file, = (self.results / "logs").glob(f"*.{rank}.trace.fault.json")
            trace = json.loads(file.read_text())
            names = {e["name"] for e in trace["traceEvents"]}
            self.assertLessEqual({"connect", "barrier", "isend", "irecv", "wait_any"}, names)
            ended = [e for e in trace["traceEvents"] if e["ph"] == "e"]
            self.assertEqual({e["args"]["peer"] for e in ended}, {1 - rank})
            self.assertEqual({e["args"]["tag"] for e in ended}, {PLAN, HIDDEN, IDS, PROBE})

    def test_jitter_changes_no_output(self):
        point = self.point(delay="200us", jitter="2ms")
        self.assertEqual(point["status"], "ok")
        self.assertIs(point["outputs"]["equal_to_baseline"], True)
