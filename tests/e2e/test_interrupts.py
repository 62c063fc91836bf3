# SPDX-License-Identifier: Apache-2.0
"""A run that is cut short says so, keeps what it has measured, and goes on where it stopped."""
import signal

import harness

# One point is quick, so that something is measured before the slow one is cut.
TEXT = harness.suite("""[case quick]
nodes = 2
[case slow]
nodes = 2
backend.step_time = 10ms
""", order="sequential", max_new=40)


class Test(harness.Case):
    def cut(self, *signals, status=130):
        """Start, interrupt in the third launch, and see what is kept."""
        run = self.start(TEXT)
        run.until(lambda: len(self.journal()) == 2 and len(run.ranks()) == 2, "the third launch")
        for number in signals:
            run.signal(number)
        run.end(status)
        return run

    def check_cut(self, run):
        self.assertIn("--resume", run.err)
        points = self.points()
        self.assertEqual(points["quick"]["status"], "ok")
        self.assertEqual(points["slow"]["status"], "interrupted")
        self.assertTrue((self.results / "report.md").exists())

    def resume(self):
        """Go on, and see that only what was missing ran."""
        before = self.journal()
        run = harness.Run(self.folder, "suite.ini", "--resume", "results")
        self.addCleanup(self.stop, run)
        run.end(0)
        after = self.journal()
        self.assertEqual(after[:len(before)], before)
        self.assertEqual([line["status"] for line in after[len(before):]], ["ok", "ok"])
        self.assertEqual({p["status"] for p in self.points().values()}, {"ok"})
        self.assertEqual({p["launches"] for p in self.points().values()}, {2})
        stand = {f"{p['ledger_launch']}.bin" for p in self.points().values()}
        self.assertEqual({file.name for file in (self.results / "records").iterdir()}, stand)

    def test_sigint_reports_and_resumes(self):
        self.check_cut(self.cut(signal.SIGINT))
        self.resume()

    def test_sigint_twice_reports_and_resumes(self):
        self.check_cut(self.cut(signal.SIGINT, signal.SIGINT))
        self.resume()

    def test_sigterm_reports_and_resumes(self):
        self.check_cut(self.cut(signal.SIGTERM))
        self.resume()

    def test_sighup_reports_and_resumes(self):
        self.check_cut(self.cut(signal.SIGHUP))
        self.resume()

    def test_killed_run_resumes(self):
        run = self.start(TEXT)
        run.until(lambda: len(self.journal()) == 2 and run.ranks(), "the third launch")
        run.kill()
        self.resume()

    def test_finished_run_resumes_to_nothing(self):
        self.run_suite(harness.suite("[case one]\nnodes = 2\n"))
        before = self.journal()
        self.lsbench("suite.ini", "--resume", "results")
        self.assertEqual(self.journal(), before)

    def test_changed_suite_is_not_resumed(self):
        self.cut(signal.SIGINT)
        before = (self.results / "journal.jsonl").read_bytes()
        self.write(TEXT.replace("prompts = 3", "prompts = 4"))
        run = self.lsbench("suite.ini", "--resume", "results", status=5)
        self.assertIn("suite", run.err)
        self.assertEqual((self.results / "journal.jsonl").read_bytes(), before)
