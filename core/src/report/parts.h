/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of report/ share: each kind of report, and how numbers and tables are shown. */
#ifndef LSB_REPORT_PARTS_H
#define LSB_REPORT_PARTS_H

#include <jansson.h>
#include <stddef.h>

#include "base/base.h"

/* --- build.c: what there is to report --- */

struct lsb_report_source {
	json_t *header;	     /* the journal's first line */
	json_t *summary;     /* docs/summary.md */
	json_t *environment; /* environment.json; NULL when it is not there */
	json_t *launches;    /* the journal's other lines */
	const char *dir;     /* of the results; borrowed. NULL: there is no folder */
};

int lsb_report_open(const char *dir, struct lsb_report_source *out, struct lsb_error *err);
void lsb_report_close(struct lsb_report_source *source);

/* --- one file each --- */

int lsb_report_json(const char *dir, const json_t *summary, struct lsb_error *err);
int lsb_report_csv(const char *dir, const json_t *summary, struct lsb_error *err);
int lsb_report_markdown(const char *dir, const struct lsb_report_source *source, struct lsb_error *err);
int lsb_report_trace(const char *dir, const struct lsb_report_source *source, struct lsb_error *err);
int lsb_report_html(const char *dir, const struct lsb_report_source *source, struct lsb_error *err);
/* Write `text` as DIR/NAME and free it. */
int lsb_report_file(const char *dir, const char *name, struct lsb_text *text, struct lsb_error *err);

/* Sections of report.md, in markdown_data.c and narrative.c. */
void lsb_markdown_ledger(const json_t *summary, struct lsb_text *to);
void lsb_markdown_latency(const json_t *summary, struct lsb_text *to);
void lsb_markdown_memory(const json_t *summary, struct lsb_text *to);
void lsb_markdown_definitions(const json_t *summary, struct lsb_text *to);
void lsb_markdown_environment(const json_t *environment, const json_t *header, struct lsb_text *to);
void lsb_markdown_narrative(const json_t *summary, struct lsb_text *to);
void lsb_markdown_checks(const json_t *summary, struct lsb_text *to);
/* In markdown_configuration.c. */
void lsb_markdown_configuration(const json_t *summary, struct lsb_text *to);
/* What dealing its layers by time gained, as a sentence; 0: they were not, and nothing is added. */
int lsb_say_split(const json_t *point, struct lsb_text *to);
/* "The same for all points: key = `value`, ..." of factors without a column; nothing when there are none. */
void lsb_markdown_shared(const json_t *points, struct lsb_text *to);
/* Factors that differ between points and have no column, as "key=value ...". */
void lsb_markdown_varied(const json_t *points, const json_t *point, struct lsb_text *to);
/* In markdown_bounds.c. */
void lsb_markdown_bounds(const json_t *summary, struct lsb_text *to);
void lsb_markdown_nodes(const json_t *summary, struct lsb_text *to);

/* --- view.c: looking into a summary --- */

enum { LSB_SHOWN = 48 }; /* room for a shown number or interval */

/* Number with 3 or 4 significant digits, no exponent in the usual range. */
const char *lsb_show(double value, char out[LSB_SHOWN]);
/* With 2 or 3, for narrow columns. */
const char *lsb_show_short(double value, char out[LSB_SHOWN]);
/* 100 part / whole; what rounds to 0 is 0. */
double lsb_percent(double part, double whole);
/* "[lo, hi]" of a "ci95", short as "[lo,hi]", or "" when it is null. */
const char *lsb_show_interval(const json_t *ci, int is_short, char out[LSB_SHOWN]);
/* "12.3 [12.1, 12.6]" of a metric or ratio; "12.3" without an interval; "-" when there is none. */
const char *lsb_show_estimate(const json_t *estimate, char out[LSB_SHOWN]);

double lsb_number(const json_t *object, const char *key);
const char *lsb_text_of(const json_t *object, const char *key); /* "" when absent */
const json_t *lsb_metric(const json_t *point, const char *name);
const json_t *lsb_scaling(const json_t *point, const char *name);
int lsb_has_launches(const json_t *point);
/* Some launches, but too few for an interval. */
int lsb_lacks_interval(const json_t *point);
/* The point is its own equal-batch baseline. */
int lsb_is_own_baseline(const json_t *point);
/* Ratios of a point's "scaling" to other points; the first two mean nothing for a baseline itself. */
enum { LSB_RATIOS = 5, LSB_RATIOS_OF_SPEEDUP = 2 };
struct lsb_ratio {
	const char *name, *words, *baseline; /* baseline: its key in "baselines" */
};
extern const struct lsb_ratio lsb_ratios[LSB_RATIOS];
/* Largest |unattributed| share over the point's ledger; 0 without one. */
double lsb_worst_unattributed(const json_t *point);

/* The parts of a rank's time: the same order, words and colours (classes of style.css) everywhere. */
enum { LSB_LEDGER_TERMS = 7 };
struct lsb_ledger_term {
	const char *key, *words, *class;
};
extern const struct lsb_ledger_term lsb_ledger_terms[LSB_LEDGER_TERMS];
/* Whether a term is worth a column: wait+transfer and idle are only where some rank has any. */
int lsb_ledger_has(const json_t *summary, size_t term);
/* Whether some point of the summary `has` it. */
int lsb_any_point(const json_t *summary, int (*has)(const json_t *point));
/* The point has a ledger that closes. */
int lsb_ledger_is_shown(const json_t *point);

/* Share of a rank's wall time that may be unattributed before its breakdown is not shown. */
#define LSB_UNATTRIBUTED_MAX 0.02

/* "faster", "slower" (interval outside 1 +- 2 %), "no difference seen", or "unknown, ..." without an
 * interval.
 */
const char *lsb_verdict(const json_t *ratio);

/*
 * Everything that is the matter, each once: [{"what": flag or status, "why", "points": [POINT, ...]}].
 * New reference.
 */
json_t *lsb_troubles(const json_t *summary);

/* Kinds of case in the order in which reports show them; NULL at the end. */
extern const char *const lsb_report_kinds[];
const char *lsb_kind_title(const char *kind);
int lsb_is_kind(const json_t *point, const char *kind);
size_t lsb_count_kind(const json_t *summary, const char *kind);

/* --- definitions.c --- */

struct lsb_definition {
	const char *name, *text;
};
/*
 * What a metric means, NULL for a workload's own. `group` gets the name that the
 * text is of: "ttft_*_s" for all quantiles of one latency, else the metric's.
 */
const char *lsb_definition_of(const char *metric, char group[LSB_SHOWN]);
extern const struct lsb_definition lsb_flag_definitions[];

/* --- text_findings.c: words on the terminal --- */

enum { LSB_LABEL_WIDTH = 22 };

/*
 * `text` in at most `width` (5 or more) characters, malloc'ed; NULL without memory. What is too long
 * loses its middle: labels of one case differ at their ends.
 */
char *lsb_text_cut(const char *text, size_t width);
/* `text` in lines of at most 110 columns, the later ones indented. */
void lsb_text_wrapped(struct lsb_text *to, const char *text, size_t indent);
void lsb_text_summary(const json_t *summary, struct lsb_text *to);
void lsb_text_advice(const json_t *summary, struct lsb_text *to);
/* A row for each run that was taken apart; 0 when there is none. */
int lsb_text_losses(const json_t *summary, struct lsb_text *to);

/* --- table.c: cells to aligned text or Markdown --- */

struct lsb_table {
	size_t n_columns, n_cells;
	char **cells; /* [n_cells], by rows, heads first; owned */
	int failed;
};

/* With a column for each of `n` heads; more columns can follow until the first row begins. */
struct lsb_table lsb_table_open(const char *const *heads, size_t n);
void lsb_table_column(struct lsb_table *t, const char *head);
void lsb_table_cell(struct lsb_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A number, "-" when `value` is none. */
void lsb_table_number(struct lsb_table *t, const json_t *value);
/* A metric with its interval or, on the narrow terminal, its median alone; "-" when there is none. */
void lsb_table_metric(struct lsb_table *t, const json_t *metric, int is_wide);
/* A point's label, cut to a column's width on the narrow terminal. */
void lsb_table_point(struct lsb_table *t, const json_t *point, int is_wide);
/* The rest of a row that was begun. */
void lsb_table_fill(struct lsb_table *t);
int lsb_table_has_rows(const struct lsb_table *t);
/*
 * Text aligns the first column left and all others right, Markdown columns of
 * numbers right. All free the table.
 */
void lsb_table_text(struct lsb_table *t, struct lsb_text *to);
void lsb_table_markdown(struct lsb_table *t, struct lsb_text *to);
void lsb_table_show(struct lsb_table *t, int is_markdown, struct lsb_text *to);
void lsb_table_free(struct lsb_table *t);

#endif
