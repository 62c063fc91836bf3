#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make docs/sample-report.* anew: run suites/strong_scaling.ini with the default model, or take RESULTS of such a run.

    scripts/sample_report.py [RESULTS]

Writes the report as Markdown and as the terminal shows it, and a picture of the top of report.html, for which it needs
Chromium. The machine should have nothing else to do. Paths of the checkout are shown relative to it; nothing else is
changed.
"""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from browser import Browser  # noqa: E402

WINDOW, SHOWN, SCALE = (1100, 900), (1100, 2360), 0.68
BYTES_MAX = 300_000


def lsbench(*arguments):
    return subprocess.run([ROOT / "build" / "lsbench", *arguments], cwd=ROOT, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def shown(text):
    """The checkout's own path says nothing about the run."""
    return text.replace(f"{ROOT}/", "")


def picture(page):
    with Browser() as browser:
        browser.open(page, *WINDOW)
        return browser.picture(*SHOWN, SCALE)


def main():
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    if not Browser.program():
        sys.exit("sample_report.py: no Chromium is installed to take the picture with")
    with tempfile.TemporaryDirectory(prefix="lsbench-sample-") as scratch:
        results = pathlib.Path(sys.argv[1]) if sys.argv[1:] else pathlib.Path(scratch, "results")
        if not sys.argv[1:]:
            lsbench("suites/strong_scaling.ini", "--out", results)
        (ROOT / "docs" / "sample-report.txt").write_text(shown(lsbench("report", results)))
        (ROOT / "docs" / "sample-report.md").write_text(shown((results / "report.md").read_text()))
        png = picture(results / "report.html")
    if len(png) > BYTES_MAX:
        sys.exit(f"sample_report.py: the picture has {len(png)} bytes; keep it under {BYTES_MAX}")
    (ROOT / "docs" / "sample-report.png").write_bytes(png)


if __name__ == "__main__":
    main()
