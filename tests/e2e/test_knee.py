# SPDX-License-Identifier: Apache-2.0
"""Limits and the search for the highest rate that keeps them. Nothing here stands on a machine being quiet: the highest
rate fails because its requests must queue, and everything else is held against the run's own figures."""
import statistics
import unittest

import harness

RATES = [4, 8, 16, 32, 64]
# a request takes four steps of 50 ms: at 64 a second the last of twelve waits for two seconds, whatever the machine does
LOAD = f"""[case load]
search = knee
sweep.arrivals = {", ".join(f"fixed:{rate}/s" for rate in RATES)}
"""


def kept(point):
    """Median share of a point's requests within the limits, 0 for launches whose queue grew; None without launches."""
    samples = {name: m["samples"] for name, m in point["metrics"].items()}
    shares = samples.get("slo_share", [])
    growths = samples.get("queue_growth", [0] * len(shares))
    return statistics.median(0 if g > 0.05 else s for s, g in zip(shares, growths)) if shares else None


class Test(harness.Case):
    def suite(self, cases=LOAD, **defaults):
        text = harness.suite(cases, kind="infer", workload="synthetic", workload_pp="8", max_new=4, prompts=12,
                             backend_step_time="50ms", reps=2, **defaults)
        return text.replace("[defaults]", "[defaults]\nslo.ttft = 1s\nslo.e2e = 1500ms")

    def test_search_finds_the_knee_that_its_own_launches_show(self):
        self.run_suite(self.suite())
        summary = self.summary()
        points = {p["id"]: p for p in summary["points"]}
        knee, = summary["knees"]
        self.assertIs(knee["is_closed"], True)
        self.assertEqual([points[i]["params"]["arrivals"] for i in knee["points"]], [f"fixed:{r}/s" for r in RATES])
        shares = [kept(points[i]) for i in knee["points"]]
        failing = [k for k, share in enumerate(shares) if share is not None and share < 0.9]
        self.assertEqual(knee["fails"], knee["points"][failing[0]])
        if knee["meets"]:
            self.assertEqual(knee["points"].index(knee["meets"]), failing[0] - 1)
            self.assertGreaterEqual(shares[failing[0] - 1], 0.9)
        else:
            self.assertEqual(failing[0], 0)
        for point in points.values():
            self.assertIn(point["status"], ("ok", "skipped"))
            self.assertEqual(point["status"] == "skipped", point["launches"] == 0)
            self.assertEqual(point["launches"] == 2, point["id"] in (knee["meets"], knee["fails"]))
            if point["launches"]:
                self.assertLessEqual(point["metrics"]["goodput_rps"]["median"],
                                     point["metrics"]["requests_per_s"]["median"] * (1 + 1e-9))
        self.assertIn("requests/s", [f["text"] for f in summary["findings"]["summary"] if "the knee is" in f["text"]][0])
        self.assertIn("Load and limits", (self.results / "report.md").read_text())
        before = self.journal()
        self.lsbench("suite.ini", "--resume", "results")
        self.assertEqual(self.journal(), before)

    def test_rates_without_a_search_have_all_their_launches(self):
        self.run_suite(self.suite(LOAD.replace("search = knee\n", "").replace("fixed:8/s, fixed:16/s, fixed:32/s, ", "")))
        summary = self.summary()
        self.assertEqual([p["launches"] for p in summary["points"]], [2, 2])
        self.assertEqual(summary["knees"][0]["ceiling"], 64 if summary["points"][0]["slo"]["met"] else 4)
        self.assertIs(summary["points"][1]["slo"]["met"], False)

    def test_limits_are_no_factors(self):
        ids = []
        for limit in ("1s", "2s"):
            self.run_suite(self.suite("[case one]\nnodes = 1\n").replace("slo.ttft = 1s", f"slo.ttft = {limit}"),
                           "--set", "slo.share=0.5", "--reps", "1", out=f"results-{limit}")
            self.results = self.folder / f"results-{limit}"
            ids.append(self.points()["one"]["id"])
            self.assertEqual(self.points()["one"]["slo"]["ttft_s"], float(limit[0]))
            self.assertEqual(self.points()["one"]["slo"]["share"], 0.5)
        self.assertEqual(ids[0], ids[1])

    def test_search_without_rates_or_limits_is_refused(self):
        for text in (self.suite("[case load]\nsearch = knee\n"),
                     self.suite().replace("slo.ttft = 1s\nslo.e2e = 1500ms", "")):
            run = self.run_suite(text, status=2)
            self.assertIn("search = knee needs a limit", run.err)


if __name__ == "__main__":
    unittest.main()
