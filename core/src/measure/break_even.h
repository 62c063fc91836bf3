/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When do several nodes pay off? The latency, at the measured bandwidth, and the
 * bandwidth, at the measured latency, at which they would be as fast as what they
 * are held against. Pure: the search takes any law, the rest the predictor's.
 */
#ifndef LSB_BREAK_EVEN_H
#define LSB_BREAK_EVEN_H

#include <jansson.h>

/* Links that are tried: beyond these nobody runs a pipeline. */
#define LSB_BREAK_EVEN_LATENCY_S 1.0	  /* largest */
#define LSB_BREAK_EVEN_BYTES_PER_S 1000.0 /* smallest */

/* Tokens a second over links of so much latency and bandwidth (0: any); falls as either gets worse. */
struct lsb_break_even_law {
	double (*tokens_per_s)(const void *user, double latency_s, double bytes_per_s);
	const void *user;
	double latency_s, bytes_per_s; /* of the link as it is */
};

enum lsb_break_even_kind {
	LSB_PAYS_UP_TO, /* `value` is where it ends: the largest latency, the smallest bandwidth */
	LSB_PAYS_ALWAYS,
	LSB_PAYS_NEVER,	  /* not even without any latency, with any bandwidth */
	LSB_PAYS_UNKNOWN, /* of a run: measured it is on the other side of its baseline than by the model */
};

struct lsb_break_even {
	enum lsb_break_even_kind kind;
	double value; /* s, or B/s; 0 unless LSB_PAYS_UP_TO */
};

/* By bisection, to 0.1 %: where the law gives `target` tokens a second. */
struct lsb_break_even lsb_break_even_latency(const struct lsb_break_even_law *law, double target);
struct lsb_break_even lsb_break_even_bandwidth(const struct lsb_break_even_law *law, double target);

/* 0.0031 as "3.1 ms", 2.1e6 as "2.1 MB/s"; return `out`. */
enum { LSB_BREAK_EVEN_SHOWN = 32 };
const char *lsb_break_even_time(double s, char out[LSB_BREAK_EVEN_SHOWN]);
const char *lsb_break_even_rate(double bytes_per_s, char out[LSB_BREAK_EVEN_SHOWN]);

/* "up_to", "always", "never", "unknown". */
const char *lsb_break_even_word(enum lsb_break_even_kind kind);

/*
 * Set "break_even" of every point of `summary` (docs/summary.md): of pipelines of
 * several nodes beside their one-node points, from the launches that stand for the
 * points. `header` and `launches` are the journal's.
 */
void lsb_break_even_add(const json_t *header, const json_t *launches, json_t *summary);

/* What that says, as findings (findings.h), onto `list`: once for points that differ in transport alone. */
void lsb_break_even_findings(const json_t *summary, json_t *list);

#endif
