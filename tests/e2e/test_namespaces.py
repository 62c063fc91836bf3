# SPDX-License-Identifier: Apache-2.0
"""Two hosts of different addresses: network namespaces joined by a veth pair, an sshd in each."""
import os
import signal
import subprocess
import time

import engines
import harness
import test_ssh

NETWORK = "10.199.77"


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True)


class Test(test_ssh.Fixture):
    """The controller runs in a namespace too, so that no address of this machine is touched."""

    def setUp(self):
        super().setUp()
        missing = engines.needs("ip", "nsenter", "unshare")
        if missing:
            self.skipTest(missing)
        names = [f"lsb{os.getpid()}{i}" for i in "abc"]
        if ip("netns", "add", names[0]).returncode:
            self.skipTest("network namespaces are not allowed here")
        self.names = names
        for name in names[1:]:
            ip("netns", "add", name)
        for name in names:
            self.addCleanup(ip, "netns", "del", name)
        # a bridge in the first one, which is the controller's; an address each
        steps = [f"-n {names[0]} link add lan type bridge", f"-n {names[0]} addr add {NETWORK}.1/24 dev lan",
                 f"-n {names[0]} link set lan up", f"-n {names[0]} link set lo up"]
        for i, name in enumerate(names[1:], 2):
            steps += [f"-n {names[0]} link add v{i} type veth peer name eth0 netns {name}",
                      f"-n {names[0]} link set v{i} master lan", f"-n {names[0]} link set v{i} up",
                      f"-n {name} addr add {NETWORK}.{i}/24 dev eth0", f"-n {name} link set eth0 up",
                      f"-n {name} link set lo up"]
        for step in steps:
            done = ip(*step.split())
            if done.returncode:
                self.skipTest(f"ip {step}: {done.stderr.strip()}")
        for i, name in enumerate(names[1:], 2):
            sshd = test_ssh.Sshd(self.folder, 22, f"{NETWORK}.{i}", f"sshd{i}", (
                "nsenter", f"--net=/run/netns/{name}", "unshare", "--mount", "--uts", "sh", "-c",
                'hostname "$0"; mount -t tmpfs tmpfs /dev/shm; exec "$@"', f"node{i}"))
            self.addCleanup(sshd.stop)
        self.write_config({f"node{i}": (f"{NETWORK}.{i}", 22) for i in (2, 3)})

    def run_inside(self, text, status=0, during=None):
        """A run whose controller has the first namespace's network."""
        inside = self.script("inside", f'exec nsenter --net=/run/netns/{self.names[0]} "{harness.LSBENCH}" "$@"\n')
        whole, harness.LSBENCH = harness.LSBENCH, os.fspath(inside)
        try:
            # the copy that ranks start must be the real one
            run = self.start(text.replace("@PROGRAM@", whole))
        finally:
            harness.LSBENCH = whole
        if during:
            during(run)
        return run.end(status)

    def check_hosts(self):
        for line in self.journal():
            self.assertEqual(line["status"], "ok", line["reason"])
            self.assertEqual([r["host"] for r in line["ranks"]], ["node2", "node3"][:len(line["ranks"])])
            cpus = [tuple(r["cpus"]) for r in line["ranks"]]
            self.assertEqual(len(set(cpus)), min(len(cpus), len(os.sched_getaffinity(0))),
                             "both hosts have the processors of one machine")

    def test_ssh_joins_two_hosts_over_their_network(self):
        self.run_inside(self.suite("[case a]\nsweep.nodes = 1, 2\n[case there]\nnodes = 2\n", "node2, node3",
                                   f"network = {NETWORK}.0/24"))
        self.check_hosts()

    def test_mpirun_joins_two_hosts_and_ranks_dial_back(self):
        missing = engines.needs("mpirun.openmpi")
        if missing:
            self.skipTest(missing)
        self.run_inside(self.suite("[case a]\nnodes = 2\n", "node2, node3", "mpirun = mpirun.openmpi\n"
                                   "mpirun_arguments = --mca oob_tcp_if_include lan,eth0",
                                   launcher="mpirun"))
        self.check_hosts()

    def test_network_that_a_host_lacks_is_named(self):
        self.run_inside(self.suite("[case a]\nnodes = 2\n", "node2, node3", "network = 10.9.9.0/24"), status=1)
        self.assertIn("10.9.9.0/24", self.reasons())
        self.assertIn("node", self.reasons())

    def is_connected(self):
        """Whether the second host has a connection with the first one, which is the data link."""
        hosts = {bytes(reversed([*map(int, NETWORK.split(".")), i])).hex().upper() for i in (2, 3)}
        table = subprocess.run(["nsenter", f"--net=/run/netns/{self.names[2]}", "cat", "/proc/self/net/tcp"],
                               capture_output=True, text=True).stdout
        return any({row[1][:8], row[2][:8]} == hosts and row[3] == "01"  # established
                   for row in map(str.split, table.splitlines()[1:]))

    def broken(self, break_link, *words):
        """A run whose data link is broken once the ranks run."""
        def during(run):
            run.until(self.is_connected, "a connection between the two hosts")
            time.sleep(1)
            break_link()
        self.run_inside(self.suite("[case a]\nnodes = 2\nbackend.step_time = 20ms\nstall_timeout = 3s\n"
                                   "[case next]\nnodes = 1\n", "node2, node3", max_new=2000,
                                   order="sequential").replace("[case next]\n", "[case next]\nmax_new = 4\n"),
                        status=1, during=during)
        self.assertRegex(self.points()["a"]["reason"], "rank [01] on node[23]")
        self.assertEqual(self.points()["next"]["status"], "ok")

    def filter(self, verdict):
        """In the second host: what comes from the first one."""
        rules = "\n".join(("table inet t {", "chain c {", "type filter hook input priority 0;",
                           f"ip saddr {NETWORK}.2 {verdict}", "}", "}"))
        done = subprocess.run(["nsenter", f"--net=/run/netns/{self.names[2]}", "nft", rules], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def needs_filter(self):
        missing = engines.needs("nft")
        if missing or subprocess.run(["nsenter", f"--net=/run/netns/{self.names[1]}", "nft", "list", "ruleset"],
                                     capture_output=True).returncode:
            self.skipTest(missing or "packet filters are not allowed here")

    def test_link_that_goes_down_fails_the_point_naming_a_host(self):
        self.broken(lambda: ip("-n", self.names[0], "link", "set", "v3", "down"))

    def test_link_that_drops_one_way_fails_the_point_naming_a_host(self):
        self.needs_filter()
        self.broken(lambda: self.filter("drop"))

    def test_ranks_that_cannot_connect_fail_the_point_naming_a_host(self):
        self.needs_filter()
        self.filter("drop")  # from the beginning: the control channel is up, the data link is not
        self.run_inside(self.suite("[case a]\nnodes = 2\nstall_timeout = 3s\n[case next]\nnodes = 1\n",
                                   "node2, node3", order="sequential"), status=1)
        self.assertRegex(self.points()["a"]["reason"], "rank [01] on node[23] failed in phase 'connect'")
        self.assertEqual(self.points()["next"]["status"], "ok")

    def test_link_that_is_reset_fails_the_point_naming_a_host(self):
        self.needs_filter()
        self.broken(lambda: self.filter("ip protocol tcp reject with tcp reset"))
