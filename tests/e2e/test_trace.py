# SPDX-License-Identifier: Apache-2.0
"""trace.json: events that a viewer can open, on tracks without overlap, with an arrow for each message."""
import collections
import json

import harness

TEXT = harness.suite("""[case pair]
nodes = 2
[case three]
nodes = 3
in_flight = 3
[case replicas]
kind = replica
nodes = 4
stages = 2
replicas = 2
prompts = 4
""", reps=3, transport="fault:tcp", transport_delay="1ms", backend_layer_time="1ms", backend_layers=3)
TRACKS = {1: "compute", 2: "transport", 3: "schedule", 4: "arrivals"}
TICK_US = 0.002  # times are printed to a nanosecond


class Test(harness.Case):
    def trace(self):
        return json.loads((self.results / "trace.json").read_text())

    def test_trace_shows_the_launch_that_stands_for_each_point(self):
        self.run_suite(TEXT)
        trace = self.trace()
        told = {point["point"]: point for point in trace["otherData"]["points"]}
        names = {e["pid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "process_name"}
        self.assertEqual(len(names), 2 + 3 + 4)
        for event in trace["traceEvents"]:
            self.check_schema(event, names)
        for point in self.summary()["points"]:
            self.assertEqual(told[point["id"]]["launch"], point["ledger_launch"])
            self.assertNotIn("left_out", told[point["id"]])
            pids = [pid for pid, name in names.items() if name.startswith(point["label"] + ":")]
            self.assertEqual(len(pids), int(point["params"]["nodes"]))
            self.check_point(point, told[point["id"]], [e for e in trace["traceEvents"] if e["pid"] in pids])

    def check_schema(self, event, names):
        self.assertIn(event["ph"], "MXsf")
        self.assertIn(event["pid"], names)
        if event["ph"] == "M":
            self.assertIn(event["name"], ("process_name", "process_sort_index", "thread_name"))
            return
        self.assertIn(event["tid"], TRACKS)
        self.assertIsInstance(event["name"], str)
        self.assertGreaterEqual(event["ts"], 0)
        if event["ph"] == "X":
            self.assertGreaterEqual(event["dur"], 0)
        if event["cat"] == "compute":
            self.assertLessEqual({"step", "group", "tokens", "outputs", "phase"}, set(event["args"]))
            self.assertIn(event["args"]["phase"], ("prefill", "decode"))

    def check_point(self, point, told, events):
        slices = collections.defaultdict(list)
        for event in events:
            if event["ph"] == "X":
                slices[event["pid"], event["tid"]].append(event)
        self.assertEqual(told["shown_s"], told["run_s"])
        for track in slices.values():
            track.sort(key=lambda e: (e["ts"], e["dur"]))
            for before, after in zip(track, track[1:]):
                self.assertLessEqual(before["ts"] + before["dur"], after["ts"] + TICK_US)
            slack = 100 if track[0]["tid"] == 4 else 0  # arrivals are moments, drawn with a width
            self.assertLessEqual(track[-1]["ts"] + track[-1]["dur"], told["run_s"] * 1e6 + TICK_US + slack)
        # What a rank computed and waited for adds up to its ledger.
        pids = sorted({pid for pid, _ in slices})
        for row, pid in zip(sorted(point["ledger"], key=lambda row: row["rank"]), pids):
            computed = sum(e["dur"] for e in slices[pid, 1]) * 1e-6
            self.assertAlmostEqual(computed, row["compute_s"], places=5)
            transfer = sum(e["dur"] for e in slices[pid, 2] if e["name"].startswith("transfer")) * 1e-6
            self.assertLessEqual(transfer, row["transfer_s"] + 1e-5)
        self.check_arrows(events, slices)

    def check_arrows(self, events, slices):
        """Each arrow has one start in a send and one end in an arrival of the same kind, later by the delay at least."""
        starts = {e["id"]: e for e in events if e["ph"] == "s"}
        ends = {e["id"]: e for e in events if e["ph"] == "f"}
        self.assertGreater(len(starts), 0)
        self.assertEqual(set(starts), set(ends))
        self.assertEqual(len(starts) + len(ends), sum(e["ph"] in "sf" for e in events))
        sends = {(e["pid"], e["ts"]) for e in events if e["ph"] == "X" and e["name"].startswith("send:")}
        received = {(e["pid"], e["ts"]) for e in events if e["ph"] == "X" and e["name"].startswith("received:")}
        self.assertEqual(len(received), len(ends))
        for number, start in starts.items():
            end = ends[number]
            self.assertIn((start["pid"], start["ts"]), sends)
            self.assertIn((end["pid"], end["ts"]), received)
            self.assertNotEqual(start["pid"], end["pid"])
            self.assertEqual(start["name"], end["name"])
            self.assertGreaterEqual(end["ts"] - start["ts"], 1000 - TICK_US)

    def test_trace_is_rebuilt_and_says_what_is_not_there(self):
        self.run_suite(TEXT)
        before = (self.results / "trace.json").read_bytes()
        (self.results / "trace.json").unlink()
        self.lsbench("report", "results", "--no-html")
        self.assertEqual((self.results / "trace.json").read_bytes(), before)
        launches = [str(point["launch"]) for point in self.trace()["otherData"]["points"]]
        gone, spoilt = (self.results / "records" / f"{launch}.bin" for launch in launches[:2])
        gone.unlink()
        spoilt.write_bytes(spoilt.read_bytes()[:-1])
        self.lsbench("report", "results", "--no-html")
        told = self.trace()["otherData"]["points"]
        self.assertIn(launches[0], told[0]["left_out"])
        self.assertIn("changed or cut", told[1]["left_out"])
        self.assertNotIn("left_out", told[2])
        self.assertGreater(sum(e["ph"] == "X" for e in self.trace()["traceEvents"]), 0)

    def test_trace_of_a_long_run_is_cut_and_says_where(self):
        self.run_suite(harness.suite("[case long]\nnodes = 1\n", prompts=1, max_new=80000, reps=1))
        trace = self.trace()
        (told,) = trace["otherData"]["points"]
        self.assertLess(told["shown_s"], told["run_s"])
        self.assertGreater(told["shown_s"], 0)
        events = [e for e in trace["traceEvents"] if e["ph"] != "M"]
        self.assertLessEqual(len(events), 400_000)
        self.assertGreater(len(events), 100_000)
        self.assertLessEqual(max(e["ts"] for e in events), told["shown_s"] * 1e6 + 1)
