/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sections that stand in every kind of report, where a run has what they show. Each is
 * a constant in the file that builds its tables; a new one is a row in section.c.
 */
#ifndef LSB_REPORT_SECTION_H
#define LSB_REPORT_SECTION_H

#include "report/html.h"

struct lsb_section {
	const char *title, *hint;  /* the hint: behind the title on the terminal */
	const char *anchor, *link; /* in report.html, and its words in the list of contents */
	/* Whether a run has anything to show. */
	int (*is_there)(const json_t *summary);
	/* What comes under the heading on the terminal or in report.md; in report.html. */
	void (*show)(const json_t *summary, int is_markdown, struct lsb_text *to);
	void (*html)(const struct lsb_page *page);
};

extern const struct lsb_section lsb_section_side, lsb_section_break_even; /* side.c */
extern const struct lsb_section lsb_section_sensitivity, lsb_section_speed, lsb_section_load,
	lsb_section_replicas; /* a file of its name each */

/* In the order of reports, NULL at the end: what the run compares, and what its points did. */
extern const struct lsb_section *const lsb_sections_compared[];
extern const struct lsb_section *const lsb_sections_done[];

#endif
