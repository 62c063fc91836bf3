# SPDX-License-Identifier: Apache-2.0
"""transport-mpi under the launcher of the MPI it was built with: the program mpi_ranks, once a rank."""
import os
import shutil
import subprocess
import tempfile
import unittest

RANKS, PLUGIN, LAUNCHER = (os.environ[name] for name in ("MPI_RANKS", "MPI_PLUGIN", "MPI_LAUNCHER"))
# What launchers tell ranks: a test that is itself run under one must not hand it on.
TOLD = ("OMPI_", "PMIX_", "PMI_", "SLURM_", "MPI_LOCAL")


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(TOLD)}
    env.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
               OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_btl_base_warn_component_unused="0",
               ASAN_OPTIONS="detect_leaks=0:" + env.get("ASAN_OPTIONS", ""))  # MPI's own
    env.update(more)
    return env


def run(command, **more):
    return subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=100)


def is_open_mpi(launcher):
    text = run([launcher, "--version"]).stdout
    return "Open MPI" in text or "OpenRTE" in text


class Test(unittest.TestCase):
    def ranks(self, n, case, *more, launcher=LAUNCHER):
        return run([launcher, "-n", str(n), RANKS, PLUGIN, case, *more])

    def holds(self, result, n, case):
        self.assertEqual(result.stdout.count(case + " holds"), n, result.stdout + result.stderr)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_two_ranks_conform_in_every_wait_mode(self):
        for wait in ("0", "1", "2"):
            self.holds(self.ranks(2, "conforms", wait), 2, "conforms")

    def test_three_and_four_ranks_conform(self):
        for n in (3, 4):
            self.holds(self.ranks(n, "conforms"), n, "conforms")

    def test_truncation_is_an_error(self):
        # The rank leaves without MPI_Finalize, which launchers may well call a failure, and for which they end the other.
        result = self.ranks(2, "truncation")
        self.assertIn("truncation holds on rank 1", result.stdout, result.stdout + result.stderr)

    def test_death_of_a_rank_ends_all(self):
        result = self.ranks(3, "death")
        self.assertNotEqual(result.returncode, 0)
        self.assertNotIn("alive a minute after", result.stderr)

    def test_wrong_size_is_refused(self):
        self.holds(self.ranks(2, "wrong-size"), 2, "wrong-size")

    def test_wrong_rank_is_refused(self):
        self.holds(self.ranks(2, "wrong-rank"), 2, "wrong-rank")

    def test_process_that_nobody_launched_is_refused(self):
        self.holds(run([RANKS, PLUGIN, "not-launched"]), 1, "not-launched")

    def test_srun_without_mpi_is_refused(self):
        self.holds(run([RANKS, PLUGIN, "srun-without-mpi"], SLURM_PROCID="0"), 1, "srun-without-mpi")

    def test_launcher_of_another_library_is_refused(self):
        mine = is_open_mpi(LAUNCHER)
        for name in ("mpirun.openmpi", "mpirun.mpich"):
            other = shutil.which(name)
            if other and is_open_mpi(other) != mine:
                self.holds(self.ranks(2, "foreign-launcher", launcher=other), 2, "foreign-launcher")
                return
        self.skipTest("no other MPI is installed")

    def test_a_death_leaves_no_files_behind(self):
        with tempfile.TemporaryDirectory() as folder:
            result = run([LAUNCHER, "-n", "2", RANKS, PLUGIN, "death"], TMPDIR=folder,
                         OMPI_MCA_btl_vader_backing_directory=folder)
            self.assertNotEqual(result.returncode, 0)
            files = [os.path.join(at, f) for at, _, names in os.walk(folder) for f in names]
            self.assertEqual(files, [])


if __name__ == "__main__":
    unittest.main()
