/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a summary says in words: grades, bottlenecks, recommendations, checks and an
 * executive summary. Every sentence follows from a stated rule on the numbers of
 * the summary and names the points that it stands on. Pure; report/ renders it.
 */
#ifndef LSB_FINDINGS_H
#define LSB_FINDINGS_H

#include <jansson.h>

#define LSB_GRADE_PRECISION "Precision" /* name of a grade that others look up */

/*
 * The "findings" of docs/summary.md of a `summary` that has all else; `header` is
 * the journal's. Sets the flags of plausible.h. New reference.
 */
json_t *lsb_findings(const json_t *header, json_t *summary);

/* --- the parts, one file each; each returns a list that is a new reference --- */

json_t *lsb_findings_grades(const json_t *summary);				   /* grades.c */
json_t *lsb_findings_bottlenecks(const json_t *summary);			   /* bottleneck.c */
json_t *lsb_findings_recommendations(const json_t *summary, const json_t *grades); /* advice.c */

/*
 * That the gate found the machine unfit, or else that the grade of precision is F; NULL when neither is so
 * (busy.c). New reference.
 */
json_t *lsb_finding_busy(const json_t *summary, const json_t *grades);

/* --- what they share, in findings.c --- */

/*
 * {"rule", "text", "points"}: a sentence about `points`, which are NULL-terminated and
 * named by their ids in the order in which the sentence speaks of them. New reference.
 */
json_t *lsb_finding(const char *rule, const json_t *const *points, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The point's name in a sentence. */
const char *lsb_finding_name(const json_t *point);

/* A loss term of a point by name; NULL when there is none. */
const json_t *lsb_finding_term(const json_t *point, const char *name);

/* Median of a metric of a point with launches, and whether it has one. */
int lsb_finding_metric(const json_t *point, const char *name, double *median);

#endif
