# SPDX-License-Identifier: Apache-2.0
"""Exit statuses, and that bad input is refused before anything is made."""
import harness

GOOD = harness.suite("[case one]\nnodes = 1\n", reps=1)


class Test(harness.Case):
    def refused(self, text, status, *words, arguments=()):
        run = self.run_suite(text, *arguments, status=status)
        for word in words:
            self.assertIn(word, run.err)
        self.assertFalse(self.results.exists())
        return run

    def test_0_when_all_is_well(self):
        self.run_suite(GOOD)
        self.assertIn("lsbench ", self.lsbench("--version").out)
        self.assertIn("usage", self.lsbench("--help").out)

    def test_1_when_a_point_failed(self):
        self.run_suite(harness.suite("[case one]\nnodes = 1\nbackend.fail_at_step = 0\n[case two]\nnodes = 1\n",
                                     reps=1), status=1)

    def test_2_for_a_wrong_suite_with_every_error_at_its_line(self):
        run = self.refused("[suite]\nnmae = x\n[case a]\nnodes = two\nbakend = cpu\n", 2, "suite.ini:2:",
                           "suite.ini:4:", "suite.ini:5:", "backend")
        self.assertNotIn("Traceback", run.err)

    def test_2_for_wrong_usage(self):
        for arguments in ([], ["plann"], ["absent.ini"], ["suite.ini", "--bogus"], ["suite.ini", "--reps", "x"],
                          ["suite.ini", "--set", "one.nodez=1"], ["suite.ini", "--only", "nothing-like-it"]):
            self.write(GOOD)
            with self.subTest(arguments=arguments):
                self.assertNotEqual(self.lsbench(*arguments, status=2).err, "")
        self.assertFalse((self.folder / "results").exists())

    def test_3_for_a_missing_or_broken_model(self):
        self.write("GGUF but not really", "broken.gguf")
        for model in ("absent.gguf", "broken.gguf", "random:nothing-like-it"):
            with self.subTest(model=model):
                self.refused(harness.suite("[case one]\nnodes = 1\n", backend="cpu").replace("random:tiny", model), 3,
                             model)

    def test_2_for_an_unknown_plugin_with_the_nearest(self):
        self.refused(GOOD.replace("backend = null", "backend = nul"), 2, "suite.ini:6:", "'null'")

    def test_4_for_a_broken_plugin(self):
        self.write("This is no shared object.\n", "lsbench-backend-broken.so")
        self.refused(GOOD.replace("backend = null", "backend = broken"), 4, "lsbench-backend-broken.so",
                     arguments=["--plugins", "."])

    def test_2_for_an_unknown_option_of_a_plugin(self):
        self.refused(GOOD + "backend.steptime = 1ms\n", 2, "step_time")

    def test_5_for_no_results_to_resume(self):
        self.write(GOOD)
        self.lsbench("suite.ini", "--resume", "absent", status=5)

    def test_plan_starts_nothing(self):
        self.write(GOOD)
        self.assertIn("one", self.lsbench("plan", "suite.ini").out)
        self.assertEqual([p.name for p in self.folder.iterdir()], ["suite.ini"])
