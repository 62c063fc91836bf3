/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of report.html share: escaping, tables, and one function a section.
 *
 * Markup is written with lsb_html_add() alone, whose %s escapes: nothing of a
 * journal reaches the page in another way.
 */
#ifndef LSB_REPORT_HTML_H
#define LSB_REPORT_HTML_H

#include <stdarg.h>

#include "report/chart.h"
#include "report/parts.h"

struct lsb_page {
	struct lsb_text *to;
	const struct lsb_report_source *source;
	const json_t *summary;	     /* of the source */
	struct lsb_gnuplot *gnuplot; /* draws the charts that have axes */
};

/* --- html_text.c: text to HTML --- */

/*
 * `bytes` of text as HTML, fit for content and for quoted attributes: markup
 * characters become entities, control characters their visible pictures, what is
 * no UTF-8 and what turns the direction of text U+FFFD. Newlines and tabs stay.
 */
void lsb_html_escape(struct lsb_text *to, const char *text, size_t bytes);
/*
 * Markup with data: `format` is trusted, every %s is escaped. It knows %s, %d,
 * %zu, %% and %f, %g with flags, width and precision, and no more.
 */
void lsb_html_add(struct lsb_text *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with the arguments as a pointer: reading them moves it on. */
void lsb_html_vadd(struct lsb_text *to, const char *format, va_list *args);
/* Lines of Markdown as rules write them: "- " items, `code`, **strong**; ids of points become links. */
void lsb_html_prose(const struct lsb_page *page, const char *markdown);
/* A sentence of it, without a paragraph around. */
void lsb_html_phrase(const struct lsb_page *page, const char *text, size_t bytes);
/* --- html_table.c: the forms that sections are made of --- */

/* A section: its heading and its anchor. */
void lsb_html_open(const struct lsb_page *page, const char *anchor, const char *title);
void lsb_html_close(const struct lsb_page *page);
/* What must be known to read the tables above it. */
void lsb_html_note(const struct lsb_page *page, const char *text);
/* The label of a point, as a link to its row. */
void lsb_html_point(const struct lsb_page *page, const json_t *point);

/* A table in a container that scrolls by itself. Heads that begin with '#' are of numbers. */
void lsb_html_table(const struct lsb_page *page, const char *caption, const char *const *heads, size_t n);
void lsb_html_table_end(const struct lsb_page *page);
/* A table that begins with its first row: nothing where there is none. */
struct lsb_html_rows {
	const char *caption;
	const char *const *heads; /* [n_heads] */
	size_t n_heads, n;	  /* n: rows so far */
};
/* Begin a row, as lsb_html_row without an anchor does. */
void lsb_html_rows_add(const struct lsb_page *page, struct lsb_html_rows *rows, const json_t *point);
/* Whether there was a table. */
int lsb_html_rows_end(const struct lsb_page *page, const struct lsb_html_rows *rows);
/*
 * A table as it was built for Markdown, columns from `numbers` on set right; nothing without rows. Frees it.
 */
void lsb_html_from_table(const struct lsb_page *page, const char *caption, struct lsb_table *t,
			 size_t numbers);
/*
 * A row; `point` is named in its head, and the row is the anchor of links to it, and has its id
 * and flags, when `is_anchor`.
 */
void lsb_html_row(const struct lsb_page *page, const json_t *point, int is_anchor);
void lsb_html_row_end(const struct lsb_page *page);
void lsb_html_cell(const struct lsb_page *page, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void lsb_html_number(const struct lsb_page *page, double value); /* not finite: a dash */
/* A metric or ratio with its interval in lighter type; a dash for none. */
void lsb_html_estimate(const struct lsb_page *page, const json_t *estimate);
void lsb_html_estimate_inline(const struct lsb_page *page, const json_t *estimate);

/* A bar as wide as its container: begin it, `words` for those who cannot see it; its end is "</svg>". */
void lsb_html_bar(struct lsb_text *to, const char *words);
/* A part of it from `from` percent on, `seconds` of `scale` wide. Returns where it ends. */
double lsb_html_bar_part(struct lsb_text *to, const char *class, const char *words, double from,
			 double seconds, double scale);

/* A chart of gnuplot's in a figure; when it cannot be drawn, which one and why. Frees the chart. */
void lsb_html_chart(const struct lsb_page *page, struct lsb_chart *chart);

/* --- a file for each group of sections; more of them in section.h --- */

void lsb_html_verdict(const struct lsb_page *page); /* html_verdict.c */
void lsb_html_why(const struct lsb_page *page);	    /* html_why.c */
void lsb_html_ledger(const struct lsb_page *page);  /* html_ledger.c; within the section of why */
/* What the ranks of a point did when, in the launch that its ledger is of; html_timeline.c. */
void lsb_html_timeline(const struct lsb_page *page, const json_t *point);
void lsb_html_advice(const struct lsb_page *page); /* html_findings.c, as are the next three */
void lsb_html_sentences(const struct lsb_page *page);
void lsb_html_grades(const struct lsb_page *page);
void lsb_html_checks(const struct lsb_page *page);
void lsb_html_bounds(const struct lsb_page *page);   /* html_bounds.c */
void lsb_html_symmetry(const struct lsb_page *page); /* html_bounds.c */
void lsb_html_kinds(const struct lsb_page *page);    /* html_kinds.c */
void lsb_html_links(const struct lsb_page *page);    /* html_links.c: kind = link, within html_kinds.c */
void lsb_html_latency(const struct lsb_page *page);  /* html_latency.c */
void lsb_html_ranks(const struct lsb_page *page);    /* html_ranks.c: symmetry, memory, cold start */
void lsb_html_answers(const struct lsb_page *page);  /* answers.c: success, equality, quality */
void lsb_html_flags(const struct lsb_page *page);    /* html_back.c */
void lsb_html_configuration(const struct lsb_page *page);
void lsb_html_environment(const struct lsb_page *page);
void lsb_html_definitions(const struct lsb_page *page);
void lsb_html_reproduce(const struct lsb_page *page);

/* The whole page; `gnuplot` may be unusable. */
void lsb_html_page(const struct lsb_report_source *source, struct lsb_gnuplot *gnuplot, struct lsb_text *to);

extern const unsigned char lsb_html_style[]; /* style.css */
extern const size_t lsb_html_style_bytes;

#endif
