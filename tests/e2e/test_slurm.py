# SPDX-License-Identifier: Apache-2.0
"""Ranks that srun has started, in a Slurm cluster of the test's own: a controller and two nodes on this machine."""
import os
import shutil
import signal
import socket
import subprocess
import time

import engines
import harness

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "salloc", "sbatch", "sinfo")
CONFIG = """ClusterName=t
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={d}/munge/munge.sock
CredType=cred/munge
StateSaveLocation={d}/state
SlurmdSpoolDir={d}/spool.%n
TmpFS={d}/tmp.%n
SlurmctldPidFile={d}/slurmctld.pid
SlurmdPidFile={d}/slurmd.%n.pid
SlurmctldLogFile={d}/log/slurmctld.log
SlurmdLogFile={d}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=5
NodeName=n1 NodeAddr=127.0.0.1 NodeHostname={host} Port={ports[2]} CPUs=2 Sockets=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=2000
NodeName=n2 NodeAddr=127.0.0.1 NodeHostname={host} Port={ports[3]} CPUs=2 Sockets=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=2000
PartitionName=p Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
"""


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Test(engines.Case):
    def setUp(self):
        super().setUp()
        missing = engines.needs(*PROGRAMS)
        if missing or os.geteuid() != 0:
            self.skipTest(missing or "Slurm's daemons need root")
        d = self.cluster = self.folder / "cluster"
        for name in ("state", "spool.n1", "spool.n2", "tmp.n1", "tmp.n2", "log", "munge"):
            (d / name).mkdir(parents=True)
        self.folder.chmod(0o755)  # munge refuses a socket that others cannot reach
        for name in ("", "munge"):
            (d / name).chmod(0o755)
        key = d / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        (d / "slurm.conf").write_text(CONFIG.format(d=d, host=socket.gethostname().split(".")[0], ports=free_ports(4)))
        (d / "cgroup.conf").write_text("CgroupAutomount=no\n")
        self.environment = {**os.environ, "SLURM_CONF": str(d / "slurm.conf"),
                            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
        self.addCleanup(self.stop_cluster)
        self.begin("munged", f"--key-file={key}", f"--socket={d}/munge/munge.sock", f"--pid-file={d}/munged.pid",
                   f"--log-file={d}/log/munged.log", f"--seed-file={d}/munge/seed", "--force")
        self.begin("slurmctld")
        self.begin("slurmd", "-N", "n1")
        self.begin("slurmd", "-N", "n2")
        end = time.monotonic() + harness.PATIENCE_S
        while subprocess.run(["sinfo", "-h", "-t", "idle", "-o", "%D"], env=self.environment, capture_output=True,
                             text=True).stdout.strip() != "2":
            assert time.monotonic() < end, "the cluster does not come up"
            time.sleep(0.1)

    def begin(self, *command):
        done = subprocess.run(command, env=self.environment, cwd=self.cluster, capture_output=True, text=True)
        if done.returncode:
            self.skipTest(f"{command[0]} does not start here: {done.stderr.strip()[:200]}")

    def stop_cluster(self):
        pids = [p for p in engines.of_folder(self.cluster)]
        for file in self.cluster.glob("*.pid"):
            if file.read_text().strip().isdigit():
                pids.append(int(file.read_text()))
        for name in ("spool.n1", "spool.n2", "log", "state"):  # daemons change into their own folders
            pids += engines.of_folder(self.cluster / name)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in set(pids):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            end = time.monotonic() + 5
            while any(engines.words(p) for p in pids) and time.monotonic() < end:
                time.sleep(0.05)

    def suite(self, cases, site="", **defaults):
        return harness.suite(cases, **{"launcher": "srun", "hosts": "site", "reps": 1, **defaults}) + \
            f"[hosts site]\ncontrol_address = 127.0.0.1\n{site}\n"

    def allocate(self, text, *arguments, status=0, tasks=4, nodes=2):
        """A run inside an allocation."""
        self.write(text)
        done = subprocess.run(["salloc", "-Q", f"-N{nodes}", f"-n{tasks}", harness.LSBENCH, "suite.ini", "--out",
                               "results", *map(str, arguments)], cwd=self.folder, env=self.environment, capture_output=True, text=True,
                              timeout=100, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.vanish()
        return done

    def test_gives_the_answers_of_local_ranks(self):
        self.allocate(self.suite("[case all]\nsweep.nodes = 1, 2, 3\n[case here]\nnodes = 2\nlauncher = local\n"
                                 "hosts = none\n", backend="cpu"))
        digests = {p["outputs"]["sha256"] for p in self.points().values()}
        self.assertEqual(len(self.points()), 4)
        self.assertEqual(len(digests), 1)
        for line in self.journal():
            cpus = [tuple(r["cpus"]) for r in line["ranks"]]
            self.assertEqual(len(set(cpus)), min(len(cpus), len(os.sched_getaffinity(0))))

    def test_dead_rank_is_named_and_the_next_point_runs(self):
        self.allocate(self.suite("[case sick]\nnodes = 2\nbackend.fail_rank = 1\nbackend.kill_at_step = 3\n"
                                 "[case quits]\nnodes = 2\nbackend.fail_rank = 0\nbackend.exit_at_step = 3\n"
                                 "[case healthy]\nnodes = 2\n"), status=1)
        points = self.points()
        self.assertRegex(points["sick"]["reason"], "rank 1 on .*signal 9")
        self.assertRegex(points["quits"]["reason"], "rank 0 on ")
        self.assertEqual(points["healthy"]["status"], "ok")

    def test_auto_within_an_allocation_is_srun_and_too_small_a_one_is_said(self):
        self.allocate(self.suite("[case fits]\nnodes = 2\n[case large]\nnodes = 4\n", launcher="auto"), tasks=2)
        points = self.points()
        self.assertEqual(points["fits"]["status"], "ok")
        self.assertEqual(points["large"]["status"], "waived")
        self.assertIn("-n 4", points["large"]["reason"])
        self.assertIn('"launcher": "srun"', (self.results / "journal.jsonl").read_text().split("\n")[0]
                      .replace('"launcher":"srun"', '"launcher": "srun"'))

    def test_mpi_gets_the_plumbing_it_needs(self):
        if "transport-mpi" not in subprocess.run([harness.LSBENCH, "plugins"], capture_output=True, text=True).stdout:
            self.skipTest("transport-mpi is not built")
        described = subprocess.run([harness.LSBENCH, "describe", "transport-mpi"], capture_output=True, text=True).stdout
        kinds = ("pmix", "pmi2") if "mpich" not in described.lower() else ("pmi2", "none")
        self.allocate(self.suite(f"[case found]\nnodes = 2\n[case right]\nnodes = 2\nhosts = named\n[hosts named]\n"
                                 f"control_address = 127.0.0.1\nsrun_mpi = {kinds[0]}\n[case wrong]\nnodes = 2\n"
                                 f"hosts = other\n[hosts other]\ncontrol_address = 127.0.0.1\nsrun_mpi = {kinds[1]}\n",
                                 transport="mpi"), status=1)
        self.assertEqual(self.points()["found"]["status"], "ok", self.reasons())
        self.assertEqual(self.points()["right"]["status"], "ok", self.reasons())
        self.assertEqual(self.points()["wrong"]["status"], "failed")

    def test_mpich_gets_pmi2_without_being_told(self):
        plugins, missing = engines.other_mpi(self.folder, "mpich")
        if missing:
            self.skipTest(missing)
        self.allocate(self.suite("[case a]\nnodes = 2\n", transport="mpi"), "--plugins", plugins)
        self.assertEqual(self.points()["a"]["status"], "ok", self.reasons())
        self.assertIn("MPICH", (self.results / "logs/0.0.log").read_text())

    def test_slurm_without_the_plumbing_waives_the_point(self):
        if "transport-mpi" not in subprocess.run([harness.LSBENCH, "plugins"], capture_output=True, text=True).stdout:
            self.skipTest("transport-mpi is not built")
        self.script("srun", f'case "$1" in --mpi=list) echo "MPI plugin types are... none cray_shasta";; '
                            f'*) exec {shutil.which("srun")} "$@";; esac\n')
        self.environment["PATH"] = f"{self.folder}:{self.environment['PATH']}"
        self.allocate(self.suite("[case a]\nnodes = 2\ntransport = mpi\n[case b]\nnodes = 2\n"))
        self.assertEqual((self.points()["a"]["status"], self.points()["b"]["status"]), ("waived", "ok"))
        self.assertRegex(self.points()["a"]["reason"], "speaks pmi.*none cray_shasta")

    def test_batch_script_of_the_manual_runs(self):
        page = (engines.pathlib.Path(__file__).parents[2] / "docs/launchers/slurm.md").read_text()
        script = page.split("```sh\n#!/bin/sh")[1].split("```")[0]
        self.write(self.suite("[case a]\nnodes = 2\n"), "strong.ini")
        batch = self.folder / "job.sh"
        batch.write_text("#!/bin/sh" + script.replace("lsbench suites/strong_scaling.ini",
                                                      f"{harness.LSBENCH} strong.ini --out results"))
        done = subprocess.run(["sbatch", "--wait", "-o", self.folder / "out", batch], cwd=self.folder,
                              env=self.environment, capture_output=True, text=True, timeout=100)
        self.assertEqual(done.returncode, 0, done.stderr + (self.folder / "out").read_text())
        self.assertEqual(self.points()["a"]["status"], "ok")


