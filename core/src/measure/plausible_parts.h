/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of plausible.h, one function each: what the table in plausible.c and the
 * files with the rules share. Pure.
 */
#ifndef LSB_PLAUSIBLE_PARTS_H
#define LSB_PLAUSIBLE_PARTS_H

#include <jansson.h>

#define LSB_PLAUSIBLE_NOISE 1.02 /* a ratio this far above its limit is implausible */
#define LSB_PLAUSIBLE_EXACT 1e-6 /* relative error of numbers that are one another's quotient */

/* What a rule sees. */
struct lsb_plausible {
	const json_t *header, *summary, *entry; /* the entry of `point` in the header */
	const json_t *point, *baseline;		/* the latter may be NULL */
};

enum lsb_outcome { LSB_DOES_NOT_APPLY, LSB_HOLDS, LSB_FIRES };

/* Each rule looks at one point; when it fires, *why is malloc'ed. */

/* --- plausible_scaling.c: ratios, and what they are formed of --- */

enum lsb_outcome lsb_plausible_efficiency(const struct lsb_plausible *look, char **why);
enum lsb_outcome lsb_plausible_bound(const struct lsb_plausible *look, char **why);
enum lsb_outcome lsb_plausible_formula(const struct lsb_plausible *look, char **why);
enum lsb_outcome lsb_plausible_baseline(const struct lsb_plausible *look, char **why);

/* --- plausible_times.c: transfers and loading beside what explains them --- */

enum lsb_outcome lsb_plausible_transfer(const struct lsb_plausible *look, char **why);
enum lsb_outcome lsb_plausible_growth(const struct lsb_plausible *look, char **why);
enum lsb_outcome lsb_plausible_load(const struct lsb_plausible *look, char **why);

/* --- plausible_totals.c: rates, latencies and counts that reconcile --- */

enum lsb_outcome lsb_plausible_latency(const struct lsb_plausible *look, char **why);
enum lsb_outcome lsb_plausible_totals(const struct lsb_plausible *look, char **why);
enum lsb_outcome lsb_plausible_lost(const struct lsb_plausible *look, char **why);
enum lsb_outcome lsb_plausible_tokens(const struct lsb_plausible *look, char **why);
enum lsb_outcome lsb_plausible_symmetry(const struct lsb_plausible *look, char **why);

/* --- what they share, in plausible.c --- */

/* Set *why to `reason`, malloc'ed; LSB_FIRES. */
enum lsb_outcome lsb_plausible_fires(char **why, char *reason);

/* Value of a ratio, and the lower end of its interval; 0 without one. */
double lsb_plausible_value(const json_t *ratio);
double lsb_plausible_lower_end(const json_t *ratio);

/* Launch `i`'s value of a metric. */
double lsb_plausible_sample(const json_t *point, const char *name, size_t i);

/* Further from each other than `relative`, of the larger. */
int lsb_plausible_apart(double a, double b, double relative);

/* Tokens of prompts and answers. */
double lsb_plausible_all_tokens(const json_t *point);

#endif
