# SPDX-License-Identifier: Apache-2.0
"""suites/transports.ini itself, on a tiny model: the same answers over all, side by side, with and without MPI."""
import os
import pathlib
import unittest

import engines
import harness

SUITE = pathlib.Path(__file__).parents[2] / "suites" / "transports.ini"
SMALL = ["--set", "model=random:tiny", "--set", "reps=2", "--set", "iterations=10", "--set", "max_new=4",
         "--set", "link.sizes=1,1KiB"]


class Test(engines.Case):
    def run_shipped(self, suite, *arguments, environment=None):
        run = harness.Run(self.folder, suite, *SMALL, *arguments, "--out", "results", environment=environment)
        run.end(0)
        return self.summary()["points"]

    def assert_side_by_side(self, points, names):
        """All pairs of the suite, and one launcher and one set of answers for all that ran."""
        ran = [p for p in points if p["status"] == "ok"]
        self.assertEqual(len({p["launcher"] for p in ran}), 1, "transports are compared under several launchers")
        runs = [p for p in ran if p["case"] == "run"]
        self.assertEqual({p["label"].partition("transport=")[2] for p in runs}, set(names))
        self.assertEqual(len({p["outputs"]["sha256"] for p in runs}), 1, "answers depend on the transport")
        pairs = self.summary()["side_by_side"]["pairs"]
        self.assertEqual([pair["what"] for pair in pairs if pair["b"]["status"] == "ok"],
                         [f"{case}: transport {name} against tcp" for case in ("link", "run") for name in names[1:]])
        for pair in pairs:
            self.assertIsNone(pair["confounded"] if pair["b"]["status"] == "ok" else None)
        for report in "report.md", "report.html":
            self.assertIn("Side by side", (self.results / report).read_text())

    def test_all_transports_give_the_same_answers_under_one_launcher(self):
        missing = engines.needs("mpirun")
        if missing:
            self.skipTest(missing)
        quiet = "detect_leaks=0:" + os.environ.get("ASAN_OPTIONS", "")  # MPI libraries leave memory behind
        points = self.run_shipped(SUITE, environment={"ASAN_OPTIONS": quiet})
        self.assert_side_by_side(points, ["tcp", "shm", "mpi_shm", "mpi_tcp"])
        logs = "".join(path.read_text() for path in (self.results / "logs").glob("*.log"))
        self.assertIn("its shared memory: rank 0 of 2", logs)
        self.assertIn("its TCP: rank 0 of 2", logs)

    def test_without_a_launcher_of_mpi_its_points_are_waived_and_the_others_run(self):
        text = SUITE.read_text().replace("[defaults]", "[hosts none_such]\nmpirun = no-such-mpirun\n[defaults]\n"
                                         "hosts = none_such")
        self.write(text, "here.ini")
        points = self.run_shipped("here.ini")
        waived = [p for p in points if p["status"] == "waived"]
        self.assertEqual({p["label"].partition("transport=")[2] for p in waived}, {"mpi_shm", "mpi_tcp"})
        for point in waived:
            self.assertIn("no-such-mpirun", point["reason"])
        self.assert_side_by_side(points, ["tcp", "shm"])


if __name__ == "__main__":
    unittest.main()
