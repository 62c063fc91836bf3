# SPDX-License-Identifier: Apache-2.0
"""Ranks on the other end of ssh: an sshd of the test's own on loopback, and two hosts made of network namespaces."""
import os
import pathlib
import re
import signal
import subprocess
import time

import engines
import harness

SSHD = "/usr/sbin/sshd"


class Sshd:
    """An sshd for one folder; `prefix` runs it somewhere else."""

    def __init__(self, folder, port=0, listen="127.0.0.1", name="sshd", prefix=()):
        self.pid_file = folder / f"{name}.pid"
        config = folder / f"{name}_config"
        config.write_text(
            f"Port {port}\nListenAddress {listen}\nHostKey {folder}/host_key\nPidFile {self.pid_file}\n"
            f"AuthorizedKeysFile {folder}/user_key.pub\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nMaxStartups 100\nPermitRootLogin yes\nUseDNS no\n")
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        subprocess.run([*prefix, SSHD, "-f", config], check=True)
        end = time.monotonic() + harness.PATIENCE_S
        while not self.pid_file.exists():
            assert time.monotonic() < end, "sshd does not start"
            time.sleep(0.02)

    def stop(self):
        """End it with its sessions, which may wait for clients that a broken link has cut off."""
        try:
            family = {int(self.pid_file.read_text())}
        except FileNotFoundError:
            return
        parents = {pid: int(stat[1]) for pid, stat in harness.processes()}
        while grown := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= grown
        for pid in family:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Fixture(engines.Case):
    def setUp(self):
        super().setUp()
        missing = engines.needs("ssh", "ssh-keygen", SSHD)
        if missing or os.geteuid() != 0:
            self.skipTest(missing or "an sshd of our own needs root")
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / key], check=True)

    def write_config(self, hosts):
        """`hosts`: name -> (address, port)."""
        (self.folder / "ssh_config").write_text("".join(
            f"Host {name}\n  HostName {address}\n  Port {port}\n" for name, (address, port) in hosts.items()) +
            f"Host *\n  User root\n  IdentityFile {self.folder}/user_key\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {self.folder}/known_hosts\n  StrictHostKeyChecking accept-new\n")

    def suite(self, cases, hosts, site="", **defaults):
        return harness.suite(cases, **{"launcher": "ssh", "hosts": "site", "reps": 1, **defaults}) + \
            f"[hosts site]\nlist = {hosts}\nssh_config = ssh_config\n{site}\n"

    @staticmethod
    def far():
        """Agents and ranks of any run; tests compare before and after."""
        found = set()
        for entry in os.listdir("/proc"):
            if entry.isdigit() and engines.words(entry)[1:2] == [b"node"]:
                found.add(int(entry))
        return found

    def own(self):
        """Agents of this run: their folder is not ours, but their controller's ssh is; by the rank's log lines."""
        return [p for p in self.far() if b"--stdio" in engines.words(p)]


class Test(Fixture):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        sshd = Sshd(self.folder, self.port)
        self.addCleanup(sshd.stop)
        self.write_config({"h1": ("127.0.0.1", self.port), "h2": ("127.0.0.1", self.port),
                           "down": ("127.0.0.1", free_port())})

    def test_gives_the_answers_of_local_ranks(self):
        self.run_suite(self.suite("[case all]\nsweep.nodes = 1, 2\n[case here]\nnodes = 2\nlauncher = local\n"
                                  "hosts = none\n", "h1, h2", backend="cpu"))
        digests = {p["outputs"]["sha256"] for p in self.points().values()}
        self.assertEqual(len(digests), 1)
        self.assertEqual(len(self.points()), 3)

    def test_a_rank_has_time_to_free_everything_once_all_results_have_come(self):
        self.run_suite(self.suite("[case slow]\nnodes = 2\nbackend.close_time = 4s\n", "h1, h2"))
        point = self.points()["slow"]
        self.assertEqual(point["status"], "ok", point["reason"])

    def test_rank_killed_is_named_with_its_signal(self):
        self.run_suite(self.suite("[case sick]\nnodes = 2\nbackend.fail_rank = 1\nbackend.kill_at_step = 3\n"
                                  "[case healthy]\nnodes = 2\n", "h1, h2"), status=1)
        self.assertRegex(self.points()["sick"]["reason"], "rank 1.*signal 9")
        self.assertEqual(self.points()["healthy"]["status"], "ok")

    def slow(self):
        before = self.far()
        run = self.start(self.suite("[case slow]\nnodes = 2\nbackend.step_time = 50ms\n", "h1, h2", max_new=400))
        log = self.results / "logs"
        run.until(lambda: len([p for p in self.far() - before if self.is_ours(p)]) >= 4, "agents and ranks")
        self.assertTrue(log.exists())
        return run, [p for p in self.far() - before if self.is_ours(p)]

    def is_ours(self, pid):
        """Whether its environment names the test's sshd."""
        return f" {self.port}".encode() in engines.environment(pid)  # SSH_CONNECTION

    def gone(self, pids):
        end = time.monotonic() + harness.PATIENCE_S
        while left := [p for p in pids if engines.words(p)]:
            assert time.monotonic() < end, f"left behind: {[engines.words(p) for p in left]}"
            time.sleep(0.05)

    def test_killed_controller_leaves_nothing_on_the_hosts(self):
        run, pids = self.slow()
        run.signal(signal.SIGKILL)
        run.process.communicate()
        self.gone(pids)

    def test_killed_ssh_is_a_lost_rank_and_leaves_nothing(self):
        run, pids = self.slow()
        clients = [p for p in engines.of_folder(self.folder) if engines.words(p)[:1] == [b"ssh"]]
        self.assertEqual(len(clients), 2)
        os.kill(clients[0], signal.SIGKILL)
        run.end(1)
        self.assertRegex(self.points()["slow"]["reason"], r"ssh was killed by signal 9 .*, and rank \d on")
        self.gone(pids)

    def test_nothing_listens(self):
        run, _ = self.slow()
        tables = "".join(pathlib.Path(f"/proc/{run.session}/net/{t}").read_text() for t in ("tcp", "tcp6"))
        listening = {line.split()[9] for line in tables.splitlines() if " 0A " in line}
        own = {re.sub(r"\D", "", os.readlink(f)) for f in pathlib.Path(f"/proc/{run.session}/fd").iterdir()
               if "socket" in os.readlink(f)}
        self.assertFalse(own & listening, "the controller listens")
        run.signal(signal.SIGINT)
        run.end(130)

    def fails(self, hosts, *words, config=None):
        begun = time.monotonic()
        self.run_suite(self.suite("[case a]\nnodes = 2\n", hosts), status=1)
        self.assertLess(time.monotonic() - begun, 60)
        for word in words:
            self.assertIn(word, self.reasons())

    def test_host_that_cannot_be_resolved_is_named(self):
        self.fails("h1, lsbench-nosuch.invalid", "lsbench-nosuch.invalid", "resolve")

    def test_host_without_sshd_is_named(self):
        self.fails("h1, down", "rank 1 on down", "refused")

    def test_password_prompt_is_a_failure(self):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / "other_key"], check=True)
        config = self.folder / "ssh_config"
        config.write_text(config.read_text().replace("user_key", "other_key"))
        self.fails("h1, h2", "Permission denied", "on h")

    def test_chatter_of_the_remote_shell_is_skipped(self):
        shell = self.script("chatty", 'echo "welcome to $0"; echo; echo lsbench\n'
                                      f'shift; exec "{harness.LSBENCH}" node "$@"\n')
        self.run_suite(self.suite("[case a]\nnodes = 2\n", "h1, h2", f"program = {shell}"))
        self.assertEqual(self.points()["a"]["status"], "ok")

    def test_program_that_is_not_there_is_named(self):
        self.run_suite(self.suite("[case a]\nnodes = 2\n", "h1, h2", "program = /nowhere/lsbench"), status=1)
        self.assertIn("/nowhere/lsbench", self.reasons())

    def test_mpirun_reaches_hosts_through_ssh(self):
        missing = engines.needs("mpirun.openmpi")
        if missing:
            self.skipTest(missing)
        self.run_suite(self.suite("[case a]\nnodes = 2\n", "h1, h2",
                                  "mpirun = mpirun.openmpi\ncontrol_address = 127.0.0.1", launcher="mpirun"))
        self.assertEqual(self.points()["a"]["status"], "ok")
