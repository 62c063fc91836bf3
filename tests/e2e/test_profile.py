# SPDX-License-Identifier: Apache-2.0
"""--profile: backends that can mark their steps do, the others run as ever, and the user is told what records it."""
import harness

MIXED = """[case marked]
nodes = 1
[case plain]
nodes = 1
backend = cpu
"""


class Test(harness.Case):
    def test_backends_that_can_mark_their_steps_do(self):
        run = self.run_suite(harness.suite(MIXED, reps=1), "--profile")
        self.assertIn("lsbench: --profile: a line in the rank's log for each step", run.err)
        points = self.points()
        self.assertEqual(points["marked"]["params"]["backend.profile"], "yes")
        self.assertNotIn("backend.profile", points["plain"]["params"])
        logs = "".join(log.read_text() for log in (self.results / "logs").glob("*.0.log"))
        self.assertIn("step of 1 tokens", logs)

    def test_without_it_no_backend_does(self):
        self.run_suite(harness.suite(MIXED, reps=1))
        logs = "".join(log.read_text() for log in (self.results / "logs").glob("*.0.log"))
        self.assertNotIn("step of", logs)

    def test_a_suite_whose_backends_cannot_is_refused(self):
        run = self.run_suite(harness.suite("[case plain]\nnodes = 1\n", backend="cpu"), "--profile", status=2)
        self.assertIn("no backend of this suite can mark its steps for a profiler", run.err)
        self.assertFalse(self.results.exists())

    def test_a_case_of_both_kinds_is_refused_until_some_are_chosen(self):
        text = harness.suite("[case both]\nnodes = 1\nsweep.backend = null, cpu\n", reps=1)
        run = self.run_suite(text, "--profile", status=2)
        self.assertIn("case 'both' has points whose backend can mark its steps", run.err)
        self.run_suite(text, "--profile", "--only", "both backend=null")


if __name__ == "__main__":
    harness.unittest.main()
