# SPDX-License-Identifier: Apache-2.0
"""The results folder: what it holds, and when it is refused."""
import csv
import json
import os
import pathlib
import shutil
import subprocess
import unittest

import harness

PAIR = harness.suite("[case pair]\nsweep.nodes = 1, 2\n", reps=6)


class Test(harness.Case):
    def test_summary_keeps_the_contract(self):
        self.run_suite(PAIR)
        summary = self.summary()
        self.assertEqual((summary["schema"], summary["suite"]), (1, "e2e"))
        self.assertEqual(len(summary["points"]), 2)
        for point in summary["points"]:
            self.assertLessEqual({"id", "case", "params", "in_flight", "concurrency", "status", "reason", "flags",
                                  "launches", "metrics", "scaling", "ledger_launch", "ledger", "outputs"}, set(point))
            self.assertEqual((point["status"], point["reason"], point["launches"]), ("ok", None, 6))
            self.assertEqual(point["concurrency"], int(point["params"]["batch"]) * point["in_flight"])
            self.assertLessEqual({"wall_s", "run_s", "load_s", "preprocess_s", "load_bytes", "tokens_per_s",
                                  "total_tokens_per_s", "requests_per_s", "ttft_p50_s", "tpot_p50_s", "e2e_p50_s",
                                  "success_rate", "communication_s", "wait_s"}, set(point["metrics"]))
            for name, metric in point["metrics"].items():
                self.assertLessEqual({"median", "ci95", "n", "unit", "samples"}, set(metric), name)
                self.assertEqual(len(metric["samples"]), metric["n"], name)
            self.assertEqual(len(point["metrics"]["run_s"]["ci95"]), 2)
            self.assertEqual([row["rank"] for row in point["ledger"]], list(range(int(point["params"]["nodes"]))))
            for row in point["ledger"]:
                parts = sum(row[part] for part in ("compute_s", "wait_s", "transfer_s", "overhead_s",
                                                   "unattributed_s"))
                self.assertAlmostEqual(parts, row["wall_s"], places=6)
                self.assertLessEqual({"stage", "replica", "hidden_transfer_s"}, set(row))
        one, two = self.points()[("pair", 1)], self.points()[("pair", 2)]
        scaling = two["scaling"]
        self.assertEqual(scaling["baseline"], one["id"])
        for ratio in ("speedup", "efficiency"):
            self.assertLessEqual({"value", "ci95"}, set(scaling[ratio]))
        self.assertLessEqual({"value", "kind"}, set(scaling["bound"]))
        self.assertIsInstance(scaling["formula"], str)
        self.assertRegex(two["outputs"]["sha256"], "^[0-9a-f]{64}$")
        self.assertIs(two["outputs"]["equal_to_baseline"], True)

    def test_folder_holds_all_files_of_the_contract(self):
        self.run_suite(PAIR, "--reps", "1")
        for name in ("journal.jsonl", "environment.json", "summary.json", "summary.csv", "report.md"):
            self.assertGreater((self.results / name).stat().st_size, 0, name)
        json.loads((self.results / "environment.json").read_text())
        with open(self.results / "summary.csv", newline="") as file:
            rows = list(csv.reader(file))
        self.assertGreaterEqual(len(rows), 3)
        self.assertEqual({len(row) for row in rows}, {len(rows[0])})
        for line in self.journal():
            self.assertEqual((self.results / line["records"]["file"]).stat().st_size,
                             16 * len(line["ranks"]) + 64 * line["records"]["count"])

    def test_kept_records_are_those_of_the_launch_that_stands_for_its_point(self):
        for keep, wanted in ("median", 1), ("all", 5), ("none", 0):
            with self.subTest(keep=keep):
                self.results = self.folder / keep
                self.run_suite(PAIR, "--reps", "5", "--set", f"keep_records={keep}", out=keep)
                files = {f"records/{file.name}" for file in (self.results / "records").iterdir()}
                self.assertEqual(len(files), 2 * wanted)
                told = {line["launch"]: line["records"] for line in self.journal()}
                self.assertEqual(files - {records["file"] for records in told.values() if records}, set())
                for point in self.points().values():
                    if wanted:
                        self.assertIn(told[point["ledger_launch"]]["file"], files)

    def test_default_folder_is_named_after_the_suite(self):
        self.run_suite(PAIR, "--reps", "1", out=None)
        self.assertEqual(len(list(self.folder.glob("results/e2e-*/summary.json"))), 1)

    def test_second_run_in_a_folder_is_refused(self):
        slow = harness.suite("[case slow]\nnodes = 2\nbackend.step_time = 10ms\n", max_new=40)
        first = self.start(slow)
        first.until(first.ranks, "its ranks")
        second = self.lsbench("suite.ini", "--out", "results", status=5)
        self.assertIn("results", second.err)
        first.end(0)
        self.assertEqual(self.points()["slow"]["launches"], 2)

    def test_folder_of_an_earlier_run_is_refused(self):
        self.run_suite(PAIR, "--reps", "1")
        before = (self.results / "journal.jsonl").read_bytes()
        run = self.run_suite(PAIR, "--reps", "1", status=5)
        self.assertIn("--resume", run.err)
        self.assertEqual((self.results / "journal.jsonl").read_bytes(), before)

    def test_unwritable_place_is_refused(self):
        parent = self.folder / "closed"
        parent.mkdir(mode=0o555)
        if os.access(parent, os.W_OK):  # root writes anywhere but here
            parent = pathlib.Path("/proc")
        run = self.run_suite(PAIR, status=5, out=str(parent / "lsbench-e2e"))
        self.assertIn("lsbench-e2e", run.err)

    def test_file_in_the_way_is_refused(self):
        self.write("", "results")
        self.run_suite(PAIR, status=5)

    def test_full_disk_keeps_what_was_measured(self):
        disk = self.folder / "disk"
        disk.mkdir()
        self.write(harness.suite("[case pair]\nnodes = 2\n", reps=200, max_new=60))
        script = 'mount -t tmpfs -o size=1m none "$1" || exit 77\n"$2" suite.ini --out "$1/results"\n' \
                 'echo "status $?"\ntail -n +2 "$1/results/journal.jsonl"'
        unshare = shutil.which("unshare")
        if not unshare:
            raise unittest.SkipTest("no unshare here to make a small disk with")
        done = subprocess.run([unshare, "-rm", "sh", "-c", script, "sh", disk, harness.LSBENCH], cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=harness.PATIENCE_S)
        if done.returncode == 77 or "unshare" in done.stderr:
            raise unittest.SkipTest("no small disk may be mounted here")
        self.assertIn("status 5\n", done.stdout, done.stderr)
        self.assertIn("space", done.stderr)
        lines = [json.loads(line) for line in done.stdout.partition("status 5\n")[2].splitlines()]
        self.assertGreater(len(lines), 0)
        self.assertEqual({line["status"] for line in lines}, {"ok"})
