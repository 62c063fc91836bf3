# SPDX-License-Identifier: Apache-2.0
"""A replica that dies, stops or hangs leaves the others working, and what it owed is counted as failed with the reason."""
import json
import os
import signal

import harness

PROMPTS = 12


def case(lines, replicas=2, stages=1, **defaults):
    """A point of several replicas that take long enough to be killed."""
    keys = {"kind": "replica", "prompts": PROMPTS, "max_new": 8, "reps": 1, "backend_step_time": "2ms", **defaults}
    return harness.suite(f"[case it]\nreplicas = {replicas}\nstages = {stages}\n{lines}", **keys)


class Test(harness.Case):
    def reconcile(self, point):
        """Issued = completed + failed, in all and by replica, and tokens are those that the ranks computed."""
        requests, rows = point["requests"], point["per_replica"]
        self.assertEqual(requests["issued"], requests["completed"] + requests["failed"])
        self.assertEqual(sum(reason["requests"] for reason in requests["reasons"]), requests["failed"])
        for key, total in ("requests", "issued"), ("completed", "completed"), ("failed", "failed"):
            self.assertEqual(sum(row[key] for row in rows), requests[total], key)
        for row in rows:
            answers = row["prompt_tokens"] + row["generated_tokens"] - row["completed"]
            self.assertEqual(row["computed_tokens"], [answers] * point["stages"] if row["completed"] else [])
        self.close_ledgers(point)
        metrics = point["metrics"]
        self.assertEqual(metrics["success_rate"]["median"], requests["completed"] / requests["issued"])
        self.assertEqual(metrics["generated_tokens"]["median"], sum(row["generated_tokens"] for row in rows))

    def close_ledgers(self, point):
        """Each rank has a ledger that adds up, or what was known of it when it was lost; none has both or neither."""
        parts = ("compute_s", "wait_s", "transfer_s", "wait_transfer_s", "overhead_s", "idle_s", "unattributed_s")
        told = [row["rank"] for row in point["ledger"]]
        lost = [row["rank"] for row in point["lost"] if row["launch"] == point["ledger_launch"]]
        self.assertEqual(sorted(told + lost), list(range(point["nodes"])))
        for rows in point["ranks"], point["work"], point["clocks"]:
            self.assertEqual([row["rank"] for row in rows], told)
        for row in point["ledger"]:
            self.assertAlmostEqual(sum(row[part] for part in parts), row["wall_s"])
        if len(point["rounds"]) > 1:
            return
        self.assertLessEqual(max(row["wall_s"] for row in point["ledger"]),
                             point["metrics"]["run_s"]["median"] * (1 + 1e-9))
        for work in point["work"]:
            computed = point["per_replica"][work["rank"] // point["stages"]]["computed_tokens"]
            self.assertEqual(work["decode"]["tokens"] + work["prefill"]["tokens"], computed[work["rank"] % point["stages"]])

    def bereft(self, text, *words, lost=1, status=1):
        """Replica `lost` is, for a reason with all these words; the others answer all that is theirs."""
        self.run_suite(text, status=status)
        return self.judge(lost, *words)

    def judge(self, lost, *words):
        point = self.points()["it"]
        self.assertEqual(point["status"], "incomplete")
        for word in (f"replica {lost}:", *words):
            self.assertIn(word, point["reason"])
            self.assertIn(word, point["requests"]["reasons"][0]["reason"])
        self.reconcile(point)
        rows = point["per_replica"]
        self.assertEqual([row["success_rate"] for row in rows], [float(row["replica"] != lost) for row in rows])
        self.assertEqual([row["lost"] for row in rows], [int(row["replica"] == lost) for row in rows])
        self.assertIn("failed_requests", point["flags"])
        report = (self.results / "report.md").read_text()
        self.assertIn(f"replica {lost}: ", report)
        self.assertIn("had already answered of them is lost with it and counted as failed", report)
        for row in point["lost"]:
            self.assertEqual(row["replica"], lost)
            self.assertIn(f"rank {row['rank']} on ", row["text"])
            self.assertIn(row["text"], report)
        return point

    def test_killed_replica_leaves_the_other_working(self):
        point = self.bereft(case("backend.fail_rank = 1\nbackend.kill_at_step = 5\n"), "rank 1", "signal 9")
        self.assertEqual(point["requests"]["failed"], PROMPTS / 2)

    def test_killed_stage_ends_its_own_pipeline_alone(self):
        for transport in "tcp", "shm":
            with self.subTest(transport):
                self.results = self.folder / transport
                self.run_suite(case("backend.fail_rank = 3\nbackend.kill_at_step = 5\n", stages=2, transport=transport),
                               status=1, out=transport)
                self.judge(1, "rank 3", "signal 9")

    def test_killed_from_outside_names_its_replica(self):
        run = self.start(case("", replicas=3, stages=2, prompts=9, max_new=100, backend_step_time="10ms"))
        run.until(lambda: len(run.ranks()) == 6 and self.pid_of(run, 2), "six ranks")
        os.kill(self.pid_of(run, 2), signal.SIGKILL)
        run.end(1)
        self.judge(1, "rank 2", "signal 9")

    def pid_of(self, run, rank):
        """Of a rank that runs: its steps have begun once it has opened its log and the launch is under way."""
        for pid in run.ranks():
            try:
                if os.readlink(f"/proc/{pid}/fd/2").endswith(f"/0.{rank}.log") and self.has_run(pid):
                    return pid
            except OSError:
                pass
        return None

    @staticmethod
    def has_run(pid):
        """Whether a rank has slept in steps: what comes before sleeps far less often."""
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return any(line.startswith("voluntary_ctxt_switches") and int(line.split()[1]) > 60 for line in status)

    def test_stopped_replica_is_lost_by_its_silence(self):
        self.bereft(case("backend.fail_rank = 1\nbackend.stop_at_step = 5\n"), "rank 1", "said nothing")

    def test_hanging_replica_is_lost_after_stall_timeout(self):
        self.bereft(case("backend.fail_rank = 3\nbackend.hang_at_step = 5\nstall_timeout = 1s\n", stages=2),
                    "stood still")

    def test_failing_step_loses_its_replica(self):
        self.bereft(case("backend.fail_rank = 0\nbackend.fail_at_step = 5\n"), "rank 0", "step", lost=0)

    def test_replica_that_dies_while_peaks_are_measured_costs_the_others_their_peaks_alone(self):
        for transport, stages in ("tcp", 1), ("shm", 2):
            with self.subTest(transport):
                self.results = self.folder / transport
                self.run_suite(case("backend.fail_rank = 1\nbackend.kill_at_peaks = yes\n", replicas=3, stages=stages,
                                    transport=transport), status=1, out=transport)
                point = self.judge(1 // stages, "rank 1", "signal 9")
                self.assertEqual(point["requests"]["failed"], PROMPTS / 3)
                # all was generated, and it had said so before anybody measured anything
                self.assertEqual(sum(row["generated_tokens"] for row in point["lost"]), PROMPTS / 3 * 8)
                self.assertIn({row["rank"]: row["phase"] for row in point["lost"]}[1], ("report", "peaks"))

    def test_lone_pipeline_that_dies_while_peaks_are_measured_says_so(self):
        self.run_suite(case("backend.fail_rank = 1\nbackend.kill_at_peaks = yes\n", replicas=1, stages=2), status=1)
        point = self.points()["it"]
        self.assertEqual(point["status"], "failed")
        self.assertRegex(point["reason"], "rank 1 on .* was killed by signal 9 .* in phase '(report|peaks)'")

    def test_all_replicas_lost_is_a_failed_launch(self):
        self.run_suite(case("backend.kill_at_step = 5\n"), status=1)
        point = self.points()["it"]
        self.assertEqual(point["status"], "failed")
        self.assertIn("signal 9", point["reason"])

    def test_replica_that_dies_before_the_start_fails_the_launch(self):
        self.run_suite(case("backend.fail_rank = 1\nbackend.kill_at_step = 0\nwarmup = 1\n"), status=1)
        self.assertEqual(self.points()["it"]["status"], "failed")

    def test_slow_replica_is_named_with_its_significance_and_share(self):
        slow = "backend.slow_rank = 1\nbackend.slow_time = 10ms\nreps = 6\nmax_new = 4\n"
        self.run_suite(case(slow))
        point = self.points()["it"]
        comparison = point["symmetry"]["comparisons"][0]
        self.assertEqual((comparison["unit"], comparison["verdict"]), (1, "slower"))
        self.assertLessEqual(comparison["p_adjusted"], 0.05)
        said = [finding["text"] for finding in self.summary()["findings"]["summary"] if "straggler" in finding["text"]]
        self.assertEqual(len(said), 1)
        self.assertIn("replica 1", said[0])
        self.assertIn("50 %", said[0])

    # --- balance = dynamic ---

    def test_dynamic_balance_gives_a_slow_replica_fewer_requests_and_the_same_answers(self):
        """Whichever is slow: the one that claims, or the one that hands out."""
        lines = "sweep.balance = static, dynamic\nbackend.slow_time = 20ms\n"
        for slow, transport, stages in (0, "tcp", 1), (1, "shm", 1), (2, "tcp", 2):
            with self.subTest(slow=slow):
                self.results = self.folder / str(slow)
                self.run_suite(case(f"{lines}backend.slow_rank = {slow}\n", prompts=24, stages=stages,
                                    transport=transport), out=str(slow))
                static, dynamic = self.summary()["points"]
                for point in static, dynamic:
                    self.assertEqual(point["status"], "ok", point["reason"])
                    self.reconcile(point)
                self.assertEqual([row["requests"] for row in static["per_replica"]], [12, 12])
                its, others = (dynamic["per_replica"][i]["requests"] for i in (slow // stages, 1 - slow // stages))
                self.assertLess(its, others)
                self.assertEqual(static["outputs"]["sha256"], dynamic["outputs"]["sha256"])

    def test_dynamic_balance_in_groups_and_with_answers_that_stop_anywhere(self):
        lines = "sweep.balance = static, dynamic\nbatch = 3\nin_flight = 2\nbackend.eos_every = 7\n"
        self.run_suite(case(lines, replicas=3, stages=2, prompts=50, stop="eos"))
        static, dynamic = self.summary()["points"]
        self.reconcile(dynamic)
        self.assertEqual(static["outputs"]["sha256"], dynamic["outputs"]["sha256"])

    def test_claims_are_messages_in_the_records(self):
        self.run_suite(case("balance = dynamic\nkeep_records = all\n"))
        launch = self.journal()[0]
        claims = launch["ranks"][0]["claims"]
        self.assertEqual(sorted(set(claims)), [0, 1])
        for rank, claimer in enumerate(launch["ranks"]):
            self.assertEqual({request["i"] for request in claimer["requests"]},
                             {i for i, owner in enumerate(claims) if owner == rank})
        events = json.loads((self.results / "trace.json").read_text())["traceEvents"]
        ranks = {event["pid"]: int(event["args"]["name"].split(": rank ")[1].split(",")[0])
                 for event in events if event["name"] == "process_name"}
        for message, sender in ("claim", 1), ("grant", 0):
            for name, rank in (f"send: {message}", sender), (f"received: {message}", 1 - sender):
                found = [ranks[event["pid"]] for event in events if event["name"] == name]
                self.assertEqual(set(found), {rank}, name)

    def test_claimer_that_dies_loses_what_it_had_claimed_and_no_more(self):
        for transport in "tcp", "shm":
            with self.subTest(transport):
                self.results = self.folder / transport
                self.run_suite(case("balance = dynamic\nbackend.fail_rank = 2\nbackend.kill_at_step = 60\n", stages=2,
                                    transport=transport, prompts=24), status=1, out=transport)
                point = self.points()["it"]
                self.assertIn("signal 9", point["reason"])
                self.reconcile(point)
                rows = point["per_replica"]
                self.assertGreater(rows[0]["completed"], PROMPTS)  # it took over
                self.assertEqual((rows[1]["completed"], rows[0]["failed"]), (0, 0))
                self.assertGreater(rows[1]["failed"], 0)

    def test_stopped_claimer_does_not_hold_the_others_up(self):
        self.run_suite(case("balance = dynamic\nbackend.fail_rank = 1\nbackend.stop_at_step = 20\n"), status=1)
        point = self.points()["it"]
        self.assertIn("said nothing", point["reason"])
        self.reconcile(point)
        self.assertGreater(point["per_replica"][0]["completed"], PROMPTS / 2)

    def test_dispatcher_that_dies_leaves_the_others_what_they_have(self):
        self.run_suite(case("balance = dynamic\nbackend.fail_rank = 0\nbackend.kill_at_step = 40\n"
                            "backend.slow_rank = 1\nbackend.slow_time = 5ms\n", prompts=24), status=1)
        point = self.points()["it"]
        self.assertIn("replica 0:", point["reason"])
        self.assertIn("signal 9", point["reason"])
        self.reconcile(point)
        rows = point["per_replica"]
        self.assertGreater(rows[1]["completed"], 0)
        self.assertEqual((rows[1]["failed"], rows[0]["completed"]), (0, 0))

    def test_whole_replicas_reconcile(self):
        self.run_suite(case("", stages=2, replicas=3))
        point = self.points()["it"]
        self.assertEqual((point["status"], point["requests"]["failed"]), ("ok", 0))
        self.reconcile(point)
        self.assertEqual([row["share"] for row in point["per_replica"]], [1 / 3] * 3)
