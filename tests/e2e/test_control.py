# SPDX-License-Identifier: Apache-2.0
"""The controller's door: strangers learn nothing and keep nobody out, and who is in must still keep to the protocol."""
import os
import pathlib
import signal
import socket
import threading

import engines
import harness

MPIRUN = "mpirun.openmpi"


class Test(engines.Case):
    def setUp(self):
        super().setUp()
        missing = engines.needs(MPIRUN)
        if missing:
            self.skipTest(missing)

    def besieged(self, attack, site=""):
        """Run two ranks; attack(address) goes on between the opening of the door and the ranks' coming."""
        wrapper = self.script("mpirun", f'case "$1" in --version) exec {MPIRUN} "$1";; esac\n'
                                        'for word; do case $last in --control) echo "$word" > at.new;; esac; '
                                        'last=$word; done\nmv at.new at\n'
                                        'while ! test -e go; do sleep 0.05; done\n'
                                        f'exec {MPIRUN} "$@"\n')
        run = self.start(harness.suite("[case a]\nnodes = 2\nreps = 1\n", launcher="mpirun", hosts="site") +
                         f"[hosts site]\nmpirun = {wrapper}\n{site}\n")
        at = self.folder / "at"
        run.until(at.exists, "the door")
        try:
            attack(at.read_text().strip())
        finally:
            (self.folder / "go").touch()
        run.end(0)
        self.vanish()
        self.assertEqual(self.points()["a"]["status"], "ok")
        log = self.results / "logs" / "0.control.log"
        return log.read_text() if log.exists() else ""

    def secret(self):
        """That of the run, as only its own user can find it."""
        for pid in engines.of_folder(self.folder):
            for variable in engines.environment(pid).split(b"\0"):
                if variable.startswith(b"LSBENCH_SECRET="):
                    return bytes.fromhex(variable.split(b"=")[1].decode())
        self.fail("nobody has the secret")

    def test_strangers_are_dropped_without_a_word_and_logged(self):
        def attack(address):
            host, port = address.split(":")
            silent = 0
            for first in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                          os.urandom(1 << 20), b"LSBH\x00\x00\x00\x00", b"LSBF" + bytes(60)):
                with socket.create_connection((host, int(port)), 5) as s:
                    try:
                        s.sendall(first)
                    except ConnectionError:
                        pass
                    s.settimeout(5)
                    try:
                        self.assertEqual(s.recv(100), b"", first[:20])
                    except ConnectionError:
                        pass
                    silent += 1
            self.assertEqual(silent, 5)
        log = self.besieged(attack)
        self.assertIn("127.0.0.1 port", log)
        self.assertEqual(log.count("does not speak the handshake"), 4)
        self.assertIn("another protocol", log)

    def test_wrong_tokens_are_dropped_without_a_word_and_logged(self):
        def attack(address):
            secret = self.secret()

            def answered(rank=0, size=2):
                door = engines.Door(address)
                self.addCleanup(door.socket.close)
                door.knock(rank, size)
                return door, door.take(72)
            for wrong in (bytes(32), os.urandom(32)):  # empty, another
                door, answer = answered()
                door.socket.sendall(door.proof(wrong, b"lsbench node", door.hello, answer[8:40]))
                self.assertTrue(door.is_closed(5))
            door, answer = answered()  # reflected
            door.socket.sendall(answer[40:])
            self.assertTrue(door.is_closed(5))
            door, answer = answered()  # truncated
            proof = door.proof(secret, b"lsbench node", door.hello, answer[8:40])
            door.socket.sendall(proof[:31])
            door.socket.shutdown(socket.SHUT_WR)
            self.assertTrue(door.is_closed(5))
            other, _ = answered()  # replayed to another visit
            other.socket.sendall(proof)
            self.assertTrue(other.is_closed(5))
        log = self.besieged(attack)
        self.assertEqual(log.count("does not know the secret"), 4, log)
        self.assertIn("in the middle of the handshake", log)

    def test_silence_and_a_thousand_tries_keep_nobody_out(self):
        def attack(address):
            host, port = address.split(":")
            silent = [socket.create_connection((host, int(port)), 5) for _ in range(64)]
            for _ in range(1000):  # as fast as they come
                try:
                    socket.create_connection((host, int(port)), 5).close()
                except OSError:
                    pass
            silent[-1].settimeout(harness.PATIENCE_S)
            try:
                self.assertEqual(silent[-1].recv(1), b"")
            except ConnectionError:
                pass
            stop = threading.Event()

            def flood():
                while not stop.wait(0.001):
                    try:
                        silent.append(socket.create_connection((host, int(port)), 5))
                    except OSError:
                        return  # the door is shut: all have come
            thread = threading.Thread(target=flood, daemon=True)
            thread.start()
            self.addCleanup(lambda: [s.close() for s in silent])
            self.addCleanup(thread.join)
            self.addCleanup(stop.set)
        log = self.besieged(attack)
        self.assertIn("said nothing", log)
        self.assertLessEqual(len(log.splitlines()), 202, "the log grows with the flood")

    def test_door_is_shut_when_all_are_in(self):
        wrapper = self.script("mpirun", f'case "$1" in --version) exec {MPIRUN} "$1";; esac\n'
                                        'for word; do case $last in --control) echo "$word" > at;; esac; last=$word; '
                                        f'done\nexec {MPIRUN} "$@"\n')
        run = self.start(harness.suite("[case a]\nnodes = 2\nreps = 1\nbackend.step_time = 50ms\n", launcher="mpirun",
                                       hosts="site", max_new=400) + f"[hosts site]\nmpirun = {wrapper}\n")
        run.until(lambda: len(engines.ranks(self.folder)) == 2, "ranks")
        host, port = (self.folder / "at").read_text().strip().split(":")

        def is_shut():
            try:
                socket.create_connection((host, int(port)), 5).close()
                return False
            except ConnectionRefusedError:
                return True
        run.until(is_shut, "the door was shut")
        self.assertEqual(host, "127.0.0.1", "no host was named")
        run.signal(signal.SIGINT)
        run.end(130)
        self.vanish()

    def test_addresses_that_lead_nowhere_are_all_told(self):
        wrapper = self.script("mpirun", f'case "$1" in --version) exec {MPIRUN} "$1";; esac\n'
                                        'set -- "$@" 127.0.0.1:1,[::1]:2; while :; do case $1 in --control) break;; esac; '
                                        'set -- "$@" "$1"; shift; done\n'
                                        'shift 2; last=$1; shift; '
                                        f'exec {MPIRUN} "$@" --control "$last"\n')
        self.run_suite(harness.suite("[case a]\nnodes = 2\nreps = 1\n", launcher="mpirun", hosts="site") +
                       f"[hosts site]\nmpirun = {wrapper}\n", status=1)
        self.vanish()
        self.assertRegex(self.reasons(), r"127.0.0.1:1 \(Connection refused\), \[::1\]:2 \(")
        self.assertRegex(self.reasons(), "rank [01]")

    def test_token_file_joins_ranks_and_is_refused_when_others_can_read_it(self):
        token = self.folder / "token"
        token.write_text("0123456789abcdef0123456789abcdef\n")
        token.chmod(0o600)
        suite = harness.suite("[case a]\nnodes = 2\nreps = 1\n", launcher="mpirun", hosts="site") + \
            f"[hosts site]\nmpirun = {MPIRUN}\ntoken_file = token\n"
        self.run_suite(suite)
        self.assertEqual(self.points()["a"]["status"], "ok")
        token.chmod(0o640)
        self.run_suite(suite, out="second", status=1)
        self.results = self.folder / "second"
        self.assertIn("chmod 600", self.reasons())
        self.vanish()

    def test_who_is_in_must_keep_to_the_protocol(self):
        deeds = {"length": "door.send('HEARTBEAT', b'{}', length=0xffffffff)",
                 "type": "door.send('X', b'{}', type=99)",
                 "sequence": "door.send('HEARTBEAT', b'{}', sequence=7)",
                 "magic": "door.send('HEARTBEAT', b'{}', magic=1)",
                 "early": "door.send('RESULT', {'rank': 0})",
                 "cpus": "door.join(cpus=[-5])"}
        text = harness.suite("", launcher="mpirun", nodes=2, reps=1)
        for name, deed in deeds.items():
            (self.folder / f"{name}.py").write_text(
                "import os, sys\n"
                f"sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})\n"
                "import engines\n"
                "door = engines.Door(sys.argv[sys.argv.index('--control') + 1].split(',')[0])\n"
                "door.knock(int(os.environ['OMPI_COMM_WORLD_RANK']), int(os.environ['OMPI_COMM_WORLD_SIZE']))\n"
                "door.prove(bytes.fromhex(os.environ['LSBENCH_SECRET']))\n"
                f"{deed}\n"
                "try:\n    while door.receive(): pass\nexcept ConnectionError: pass\n")
            program = self.script(f"lsbench-{name}", f'LSBENCH="{harness.LSBENCH}" exec python3 -B {name}.py "$@"\n')
            text += f"[case {name}]\nhosts = {name}\n[hosts {name}]\nmpirun = {MPIRUN}\nprogram = {program}\n"
        self.run_suite(text, status=1)
        self.vanish()
        wanted = {"length": "4294967295 bytes", "type": "unknown type 99", "sequence": "was next",
                  "magic": "not a frame", "early": "no place", "cpus": "processor -5"}
        for name, point in self.points().items():
            self.assertEqual(point["status"], "failed", name)
            self.assertIn("control protocol", point["reason"])
            self.assertIn(wanted[name], point["reason"])
