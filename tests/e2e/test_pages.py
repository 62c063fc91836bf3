# SPDX-License-Identifier: Apache-2.0
"""report.html as people see it: in a browser, on a desk, on a phone, in the dark and on paper."""
import re
import shutil
import unittest
import zlib

import harness
from browser import Browser

CASES = """
[case pipeline]
sweep.nodes = 1, 2
[case a_case_with_quite_a_long_name_to_be_shown : pipeline]
kind = batch
nodes = 2
sweep.batch = 1, 2
"""
PHONE, DESK = (360, 780), (1280, 900)

# Elements that reach over the window's edge, but for those in a container that scrolls by itself.
TOO_WIDE = """[...document.querySelectorAll("body *")].filter(e => !e.closest(".scroll, .unseen, svg") &&
    e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(e => e.outerHTML.slice(0, 120))"""
# Pixels that the letters of charts are high.
LETTERS = """[...document.querySelectorAll("svg.chart text")].map(e => e.getBoundingClientRect().height)"""
# Contrast of text to its page, as WCAG computes it, for the colours of text.
CONTRAST = """["--ink", "--quiet", "--link"].map(name => {
    const style = getComputedStyle(document.documentElement);
    const light = colour => { const c = [1, 3, 5].map(i => parseInt(colour.trim().substr(i, 2), 16) / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; };
    const [a, b] = [name, "--paper"].map(n => light(style.getPropertyValue(n))).sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05); })"""


def is_blank(png):
    """Whether the whole picture is of one colour: then all rows but the first are filtered to the same few bytes."""
    data, at = b"", 8
    while at < len(png):
        size = int.from_bytes(png[at:at + 4], "big")
        if png[at + 4:at + 8] == b"IDAT":
            data += png[at + 8:at + 8 + size]
        at += size + 12
    return len(set(zlib.decompress(data))) < 16


@unittest.skipUnless(Browser.program(), "no Chromium is installed")
class Test(harness.Case):
    def setUp(self):
        super().setUp()
        self.run_suite(harness.suite(CASES, reps=6))
        self.page = self.results / "report.html"

    def assert_quiet(self, browser):
        said, asked = browser.complaints()
        self.assertEqual(said, [])
        self.assertEqual(asked, ["file://" + str(self.page.resolve())])

    def test_pages_fit_desks_and_phones_in_light_and_dark(self):
        with Browser() as browser:
            for size, dark in ((DESK, False), (DESK, True), (PHONE, False), (PHONE, True)):
                with self.subTest(size=size, dark=dark):
                    browser.open(self.page, *size, dark)
                    self.assertEqual(browser.evaluate(TOO_WIDE), [])
                    self.assertLessEqual(browser.evaluate("document.documentElement.scrollWidth"), size[0])
                    self.assertFalse(is_blank(browser.screenshot()))
                    paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
                    self.assertEqual(sum(map(int, re.findall(r"\d+", paper))) < 150, dark, paper)
                    self.assertGreaterEqual(min(browser.evaluate(CONTRAST)), 4.5)
                    if shutil.which("gnuplot"):
                        self.assertGreater(min(browser.evaluate(LETTERS)), 8)
                    self.assert_quiet(browser)

    def test_pages_print_without_a_browser_s_navigation(self):
        with Browser() as browser:
            browser.open(self.page, *DESK)
            pdf = browser.pdf()
            self.assertEqual(pdf[:5], b"%PDF-")
            self.assertGreater(len(re.findall(rb"/Type\s*/Page\b", pdf)), 2)
            browser.call("Emulation.setEmulatedMedia", media="print")
            self.assertEqual(browser.evaluate("getComputedStyle(document.querySelector('nav')).display"), "none")
            self.assertEqual(browser.evaluate("""[...document.querySelectorAll(".scroll")]
                .filter(e => getComputedStyle(e).overflowX !== "visible").length"""), 0)
            self.assert_quiet(browser)

    def test_links_of_a_page_lead_somewhere_and_headings_are_in_order(self):
        with Browser() as browser:
            browser.open(self.page, *DESK)
            self.assertEqual(browser.evaluate("""[...document.querySelectorAll("a")].map(a => a.getAttribute("href"))
                .filter(href => !href.startsWith("#") || !document.getElementById(href.slice(1)))"""), [])
            levels = browser.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
            self.assertEqual(levels[0], 1)
            self.assertEqual(levels.count(1), 1)
            self.assertTrue(all(b <= a + 1 for a, b in zip(levels, levels[1:])), levels)
            self.assertEqual(browser.evaluate("""[...document.querySelectorAll("table")].filter(t => !t.caption &&
                !t.ariaLabel).length"""), 0)
            self.assertEqual(browser.evaluate("""[...document.querySelectorAll("svg")].filter(s =>
                s.getAttribute("role") !== "img" || !(s.ariaLabel || s.querySelector("title"))).length"""), 0)


if __name__ == "__main__":
    unittest.main()
