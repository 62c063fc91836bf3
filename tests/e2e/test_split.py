# SPDX-License-Identifier: Apache-2.0
"""split = auto: layers and head are timed before the run, what was chosen is in the journal, and stays."""
import json

import harness

CASE = """[case pair]
nodes = 2
"""


class Test(harness.Case):
    def header(self):
        return json.loads((self.results / "journal.jsonl").read_text().splitlines()[0])

    def test_layers_are_dealt_by_their_times(self):
        self.run_suite(harness.suite(CASE, backend_layer_time="1ms", backend_layers=7))
        point, = self.header()["points"]
        split = point["split"]
        self.assertEqual(split["by"], "time")
        self.assertGreaterEqual(split["chunk_s"], 1e-3)
        self.assertGreaterEqual(split["batch_s"], 1e-3)
        self.assertGreaterEqual(split["head_s"], 0)
        self.assertGreaterEqual(split["run_s"], split["even_s"] * 0.999999)
        self.assertGreaterEqual(split["equal_s"], split["run_s"])
        self.assertEqual(sum(point["layers"]), 7)
        self.assertRegex((self.results / "report.md").read_text(), r"pair: layers were dealt \d\+\d by their measured times")
        self.assertEqual(self.summary()["points"][0]["split"], split)

    def test_where_there_is_nothing_to_choose_nothing_is_said(self):
        self.run_suite(harness.suite("[case given]\nnodes = 2\nsplit = 5+7\n[case alone]\nnodes = 1\n",
                                     backend_layers=12))
        points = {point["label"]: point for point in self.header()["points"]}
        self.assertEqual(points["given"]["layers"], [5, 7])
        self.assertNotIn("split", points["given"])
        self.assertNotIn("split", points["alone"])

    def test_a_resumed_run_keeps_its_layers(self):
        self.run_suite(harness.suite(CASE, reps=2, backend_layer_time="1ms", backend_layers=7))
        journal = self.results / "journal.jsonl"
        header, first, _ = journal.read_text().splitlines()
        header = json.loads(header)
        point, = header["points"]
        point["layers"] = [6, 1]  # as times would never have it
        point["split"]["head_s"] = 5.0
        journal.write_text(json.dumps(header) + "\n" + first + "\n")
        self.lsbench("suite.ini", "--resume", "results")
        header, _, last = map(json.loads, journal.read_text().splitlines())
        self.assertEqual(header["points"], [point])
        self.assertEqual([rank["layers"]["count"] for rank in last["ranks"]], [6, 1])


if __name__ == "__main__":
    harness.unittest.main()
