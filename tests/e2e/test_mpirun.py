# SPDX-License-Identifier: Apache-2.0
"""Ranks that mpirun has started, Open MPI's and MPICH's: measured as local ones are, and never lost unseen."""
import json
import os
import re
import signal
import time
import unittest

import engines
import harness

FAMILIES = {"open_mpi": "mpirun.openmpi", "mpich": "mpirun.mpich"}
SECRET = re.compile(rb"LSBENCH_SECRET=([0-9a-f]{64})")


def suite(cases, mpirun, site="", **defaults):
    return harness.suite(cases, launcher="mpirun", hosts="site", **defaults) + \
        f"\n[hosts site]\nmpirun = {mpirun}\n{site}\n"


def loopback_bytes():
    """What has been sent over the loopback interface so far."""
    with open("/proc/net/dev", encoding="ascii") as devices:
        line = next(row for row in devices if row.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[8])


class Test(engines.Case):
    def setUp(self):
        super().setUp()
        missing = engines.needs(*FAMILIES.values())
        if missing:
            self.skipTest(missing)

    def run_family(self, family):
        text = suite("[case all]\nsweep.nodes = 1, 2, 3\n[case here]\nnodes = 2\nlauncher = local\nhosts = none\n",
                     FAMILIES[family], backend="cpu", reps=1)
        self.run_suite(text)
        self.vanish()
        points = self.points()
        digests = {name: p["outputs"]["sha256"] for name, p in points.items()}
        self.assertEqual(len(digests), 4)
        self.assertEqual(len(set(digests.values())), 1, "answers depend on who started the ranks")
        for line in self.journal():
            self.assertEqual(line["status"], "ok")
            cpus = [tuple(rank["cpus"]) for rank in line["ranks"]]
            wanted = min(len(cpus), len(os.sched_getaffinity(0)))
            self.assertEqual(len(set(cpus)), wanted, "ranks are not pinned to different processors")

    def sick(self, family, lines, *words, **defaults):
        self.run_suite(suite(f"[case sick]\nnodes = 2\nbackend.fail_rank = 1\nreps = 1\n{lines}\n[case healthy]\n"
                             "nodes = 2\nreps = 1\n", FAMILIES[family], **defaults), status=1)
        self.vanish()
        points = self.points()
        self.assertEqual(points["sick"]["status"], "failed")
        for word in words:
            self.assertIn(word, points["sick"]["reason"])
        self.assertEqual(points["healthy"]["status"], "ok")

    def test_open_mpi_gives_the_answers_of_local_ranks(self):
        self.run_family("open_mpi")

    def test_mpich_gives_the_answers_of_local_ranks(self):
        self.run_family("mpich")

    def test_rank_killed_under_open_mpi_is_named(self):
        self.sick("open_mpi", "backend.kill_at_step = 3", "rank 1", "signal 9")

    def test_rank_killed_under_mpich_is_named(self):
        self.sick("mpich", "backend.kill_at_step = 3", "rank 1", "signal 9")

    def test_rank_that_exits_with_0_under_mpich_is_no_success(self):
        self.sick("mpich", "backend.exit_at_step = 3", "rank 1")

    def test_rank_that_exits_under_open_mpi_is_no_success(self):
        self.sick("open_mpi", "backend.exit_at_step = 3", "rank 1")

    def test_stopped_rank_is_named(self):
        self.sick("open_mpi", "backend.stop_at_step = 3", "rank 1", "said nothing")

    def slow(self, family="open_mpi", nodes=2, **defaults):
        run = self.start(suite(f"[case slow]\nnodes = {nodes}\nreps = 1\nbackend.step_time = 50ms\n",
                               FAMILIES[family], max_new=400, **defaults))
        run.until(lambda: len(engines.ranks(self.folder)) == nodes, "ranks")
        return run

    def killed_mpirun(self, family):
        run = self.slow(family)
        mpirun = [p for p in engines.of_folder(self.folder) if b"mpirun" in (engines.words(p) + [b""])[0]]
        self.assertEqual(len(mpirun), 1)
        os.kill(mpirun[0], signal.SIGKILL)
        run.end(1)
        self.vanish()
        self.assertRegex(self.points()["slow"]["reason"], r"mpirun was killed by signal 9|rank \d on")

    def test_killed_open_mpi_leaves_nothing(self):
        self.killed_mpirun("open_mpi")

    def test_killed_mpich_leaves_nothing(self):
        self.killed_mpirun("mpich")

    def test_killed_agent_is_a_lost_rank(self):
        run = self.slow()
        os.kill(engines.agents(self.folder)[0], signal.SIGKILL)
        run.end(1)
        self.vanish()
        self.assertRegex(self.points()["slow"]["reason"], r"rank [01] on ")

    def test_killed_controller_leaves_nothing(self):
        run = self.slow(nodes=3)
        run.signal(signal.SIGKILL)
        run.process.communicate()
        self.vanish()

    def test_interrupt_ends_all(self):
        run = self.slow()
        run.signal(signal.SIGINT)
        run.end(130)
        self.vanish()

    def test_secret_is_nowhere_to_be_read(self):
        run = self.slow()
        pids = engines.of_folder(self.folder)
        secrets = {m.group(1) for p in pids for m in [SECRET.search(engines.environment(p))] if m}
        self.assertEqual(len(secrets), 1, "only mpirun has it in its environment")
        secret = secrets.pop()
        self.assertEqual(len(engines.agents(self.folder)), 2)
        for pid in engines.agents(self.folder) + engines.ranks(self.folder):
            self.assertNotIn(secret, engines.environment(pid))
        for pid in engines.ranks(self.folder):
            self.assertNotIn(b"LSBENCH_SECRET=", engines.environment(pid))
        for pid in pids:
            self.assertNotIn(secret, b" ".join(engines.words(pid)))
        run.signal(signal.SIGINT)
        run.end(130)
        for file in self.results.rglob("*"):
            if file.is_file():
                self.assertNotIn(secret, file.read_bytes(), file)

    def test_wrong_world_size_is_refused(self):
        wrapper = self.script("mpirun", f'case "$1" in --version) ;; *) shift 2; set -- -n 3 "$@";; esac\n'
                                        f'exec {FAMILIES["open_mpi"]} "$@"\n')
        self.run_suite(suite("[case a]\nnodes = 2\nreps = 1\n", wrapper), status=1)
        self.vanish()
        self.assertIn("world of 3 ranks", self.reasons())

    def test_mpirun_that_starts_nothing_is_no_success(self):
        wrapper = self.script("mpirun", f'case "$1" in --version) exec {FAMILIES["open_mpi"]} "$1";; esac\nexit 0\n')
        self.run_suite(suite("[case a]\nnodes = 2\nreps = 1\n", wrapper), status=1)
        self.assertIn("rank 0", self.reasons())
        self.assertIn("never came", self.reasons())

    def test_mpirun_that_fails_after_all_is_no_success(self):
        wrapper = self.script("mpirun", f'{FAMILIES["open_mpi"]} "$@" || exit\n'
                                        'case "$1" in --version) ;; *) echo late trouble; exit 9;; esac\n')
        self.run_suite(suite("[case a]\nnodes = 2\nreps = 1\n", wrapper), status=1)
        self.assertIn("status 9", self.reasons())
        self.assertIn("late trouble", self.reasons())

    def test_host_that_is_not_there_is_named_in_time(self):
        begun = time.monotonic()
        self.run_suite(suite("[case a]\nnodes = 2\nreps = 1\n", FAMILIES["open_mpi"],
                             "list = lsbench-nosuch.invalid:2"), status=1)
        self.assertLess(time.monotonic() - begun, 60)
        self.assertIn("lsbench-nosuch.invalid", self.reasons())
        self.vanish()

    def test_version_skew_names_both_versions(self):
        self.foreign_agent("door.join(version='0.0.9')")
        self.assertIn("0.0.9", self.reasons())
        self.assertIn(engines.VERSION, self.reasons())

    def test_another_build_is_refused(self):
        self.foreign_agent("door.join()")
        self.assertIn("another build", self.reasons())
        self.assertIn("elsewhere", self.reasons())

    def foreign_agent(self, deed):
        (self.folder / "agent.py").write_text(
            "import os, sys, time\n"
            f"sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})\n"
            "import engines\n"
            "door = engines.Door(sys.argv[sys.argv.index('--control') + 1].split(',')[0])\n"
            "door.knock(int(os.environ['OMPI_COMM_WORLD_RANK']), int(os.environ['OMPI_COMM_WORLD_SIZE']))\n"
            "door.prove(bytes.fromhex(os.environ['LSBENCH_SECRET']))\n"
            f"{deed}\n"
            "try:\n    while door.receive(): pass\nexcept ConnectionError: pass\n")
        program = self.script("lsbench", f'LSBENCH="{harness.LSBENCH}" exec python3 -B agent.py "$@"\n')
        self.run_suite(suite("[case a]\nnodes = 2\nreps = 1\n", FAMILIES["open_mpi"], f"program = {program}"),
                       status=1)
        self.vanish()

    def needs_mpi(self):
        plugins = self.lsbench("plugins").out
        if "transport-mpi" not in plugins and "mpi" not in plugins.split():
            self.skipTest("transport-mpi is not built")
        return FAMILIES["mpich" if "mpich" in self.lsbench("describe", "transport-mpi").out.lower() else "open_mpi"]

    def test_transports_are_compared_under_one_launcher(self):
        mpirun = self.needs_mpi()
        self.run_suite(suite("[case a]\nnodes = 2\nsweep.transport = tcp, mpi\n[case base]\nnodes = 1\n"
                             "[case other]\nnodes = 2\nmax_new = 5\n", mpirun, reps=1)
                       .replace("launcher = mpirun", "launcher = auto"))
        self.vanish()
        header = json.loads((self.results / "journal.jsonl").read_text().split("\n")[0])
        self.assertEqual([p["launcher"] for p in header["points"]], ["mpirun", "mpirun", "mpirun", "local"])
        plan = json.loads(self.lsbench("plan", "--json", "suite.ini").out)
        self.assertEqual([p["launcher"] for p in plan["points"]], ["mpirun", "mpirun", "mpirun", "local"])
        self.assertEqual(len({p["launcher_reason"] for p in plan["points"]}), 2)
        text = self.lsbench("plan", "suite.ini").out
        self.assertIn("launched by mpirun: a transport in this comparison needs MPI", text)
        self.assertEqual({line["status"] for line in self.journal()}, {"ok"}, self.reasons())

    def test_dead_rank_is_named_although_its_peer_waits_in_mpi(self):
        mpirun = self.needs_mpi()
        self.run_suite(suite("[case sick]\nnodes = 2\nbackend.fail_rank = 1\nbackend.kill_at_step = 3\n[case healthy]\n"
                             "nodes = 2\n", mpirun, reps=1, transport="mpi"), status=1)
        self.vanish()
        self.assertRegex(self.points()["sick"]["reason"], "rank 1 on .*signal 9")
        self.assertEqual(self.points()["healthy"]["status"], "ok")

    def mpich_route(self, via):
        """A link measured over one of MPICH's routes: how the run ended, and what the ranks wrote into their logs."""
        plugins, missing = engines.other_mpi(self.folder, "mpich")
        if missing:
            self.skipTest(missing)
        run = self.start("[suite]\nname = routes\n[defaults]\nkind = link\nnodes = 2\nreps = 1\nhosts = site\n"
                         "iterations = 100\nsizes = 1MiB\nlauncher = mpirun\n"
                         f"[transport route]\nplugin = mpi\nvia = {via}\n[case a]\ntransport = route\n"
                         "[hosts site]\nmpirun = mpirun.mpich\n", "--plugins", plugins)
        run.process.communicate(timeout=harness.PATIENCE_S)
        self.vanish()
        logs = sorted((self.results / "logs").glob("*.log"))
        return run.process.returncode, "".join(path.read_text() for path in logs)

    def test_shared_memory_of_mpich_carries_a_link(self):
        status, logs = self.mpich_route("shm")
        self.assertEqual(status, 0, self.reasons())
        self.assertRegex(logs, "MPICH.*its shared memory: rank 0 of 2")

    def test_tcp_of_mpich_goes_over_the_network(self):
        """Whether it also ends is MPICH's: its MPI_Finalize may hang after all results (docs/transports.md)."""
        before = loopback_bytes()
        status, logs = self.mpich_route("tcp")
        self.assertIn(status, (0, 1))
        self.assertRegex(logs, "MPICH.*its TCP: rank 1 of 2")
        self.assertGreaterEqual(loopback_bytes() - before, 2 * 100 << 20, "not a hundred messages each way")

    def test_no_mpirun_waives_the_point(self):
        self.run_suite(suite("[case a]\nnodes = 2\nreps = 1\n", "mpirun-that-is-not-there"))
        self.assertEqual(self.points()["a"]["status"], "waived")
        self.assertIn("mpirun-that-is-not-there", self.points()["a"]["reason"])

    def test_lsbench_started_as_ranks_says_what_to_do(self):
        self.write(suite("[case a]\nnodes = 2\nreps = 1\n", "mpirun"))
        for prefix in ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"},
                       {"PMI_RANK": "0", "PMI_SIZE": "2"}, {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4"}):
            run = harness.Run(self.folder, "suite.ini", environment=prefix).end(2)
            self.assertIn("launcher=", run.err)
            self.assertIn("suite.ini", run.err)
            self.assertFalse(self.results.exists())


if __name__ == "__main__":
    unittest.main()
