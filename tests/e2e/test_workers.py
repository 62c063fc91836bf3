# SPDX-License-Identifier: Apache-2.0
"""A rank that dies, stops or hangs fails its point with the reason, and the suite goes on."""
import os
import signal

import harness

HEALTHY = "\n[case healthy]\nnodes = 2\n"


class Test(harness.Case):
    def sick(self, lines, *words):
        """The case `sick` fails with all these words in its reason; the other one is measured."""
        self.run_suite(harness.suite(f"[case sick]\nnodes = 2\nbackend.fail_rank = 1\n{lines}{HEALTHY}"), status=1)
        points = self.points()
        self.assertEqual(points["sick"]["status"], "failed")
        for word in words:
            self.assertIn(word, points["sick"]["reason"])
        self.assertEqual(points["healthy"]["status"], "ok")
        self.assertEqual(points["healthy"]["launches"], 2)

    def test_killed_in_a_step_names_rank_and_signal(self):
        self.sick("backend.kill_at_step = 3\n", "rank 1", "signal 9")

    def test_exit_in_a_step_names_rank_and_status(self):
        self.sick("backend.exit_at_step = 3\n", "rank 1", "3")

    def test_failing_step_names_rank_and_reason(self):
        self.sick("backend.fail_at_step = 3\n", "rank 1", "step")

    def test_stopped_names_rank(self):
        self.sick("backend.stop_at_step = 3\nreps = 1\n", "rank 1")

    def test_hanging_step_names_rank_after_stall_timeout(self):
        self.sick("backend.hang_at_step = 3\nstall_timeout = 1s\nreps = 1\n", "rank 1")

    def test_launch_that_takes_too_long_fails(self):
        self.sick("backend.step_time = 200ms\ntimeout = 1s\nstall_timeout = 1s\nreps = 1\n", "timeout of 1.0 s")

    def test_killed_from_outside_names_rank_and_signal(self):
        run = self.start(harness.suite(f"[case slow]\nnodes = 2\nreps = 1\nbackend.step_time = 50ms\n{HEALTHY}",
                                       order="sequential", max_new=200))
        victim = run.until(run.ranks, "ranks")[0]
        os.kill(victim, signal.SIGKILL)
        run.end(1)
        points = self.points()
        self.assertEqual(points["slow"]["status"], "failed")
        self.assertRegex(points["slow"]["reason"], r"rank [01].*signal 9")
        self.assertEqual(points["healthy"]["status"], "ok")

    def test_a_rank_has_time_to_free_everything_once_all_results_have_come(self):
        self.run_suite(harness.suite("[case slow]\nnodes = 2\nreps = 1\nbackend.close_time = 4s\n"))
        point = self.points()["slow"]
        self.assertEqual(point["status"], "ok", point["reason"])

    def test_one_failed_launch_of_many_is_no_success(self):
        run = self.start(harness.suite("[case slow]\nnodes = 2\nreps = 2\nbackend.step_time = 20ms\n", max_new=50))
        os.kill(run.until(run.ranks, "ranks")[0], signal.SIGKILL)
        run.end(1)
        point = self.points()["slow"]
        self.assertEqual((point["status"], point["launches"]), ("incomplete", 1))

    def test_ranks_end_when_the_controller_is_killed(self):
        run = self.start(harness.suite("[case slow]\nnodes = 3\nbackend.step_time = 50ms\n", max_new=200))
        run.until(lambda: len(run.ranks()) == 3, "three ranks")
        run.kill()
