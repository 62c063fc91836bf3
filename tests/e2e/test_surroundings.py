# SPDX-License-Identifier: Apache-2.0
"""What a shell may hand over: closed streams, small limits, files that are none."""
import os
import subprocess

import harness

GOOD = harness.suite("[case one]\nnodes = 2\n", reps=1)


class Test(harness.Case):
    def shell(self, before, after="", status=0, out="results"):
        """Run the good suite from a shell: `before` it, with `after` as redirections."""
        name = self.write(GOOD)
        done = subprocess.run(["sh", "-c", f'{before}; exec "$0" {name} --quiet --out {out} {after}', harness.LSBENCH],
                              cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=harness.PATIENCE_S)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertLessEqual(done.stderr.count("\n"), 1)
        return done.stderr

    def test_closed_streams_are_no_files(self):
        self.shell(":", "<&- 2>&-")
        self.assertEqual(self.points()["one"]["status"], "ok")

    def test_closed_output_is_an_error_after_the_run(self):
        self.assertIn("cannot write the output", self.shell(":", ">&-", status=5))
        self.assertEqual(self.points()["one"]["status"], "ok")

    def test_file_size_limit_is_an_error_and_leaves_the_folder_free(self):
        self.assertIn("File too large", self.shell("ulimit -f 1", status=5))
        self.shell(":")
        self.assertEqual(self.points()["one"]["status"], "ok")

    def test_too_few_descriptors_are_told(self):
        self.assertIn("ulimit -n", self.shell("ulimit -n 8", status=5))
        self.assertFalse(self.results.exists())

    def test_data_that_is_no_regular_file_is_refused(self):
        os.mkfifo(self.folder / "fifo")
        for path in ("fifo", "/dev/zero", "."):
            run = self.run_suite(GOOD, "--set", f"workload.data={path}", status=2)
            self.assertIn("not a regular file", run.err)
