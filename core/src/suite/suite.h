/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Suites: an INI file, overrides and a filter in; points to run out.
 *
 *	text -> sections (ini) -> cases with their parents (cases) -> one set of
 *	values a point (resolve, expression, derive) -> const points with ids
 *
 * Reading opens nothing but the suite file and, to know their names, the
 * folders that plugins lie in. docs/suites.md says what may be written.
 */
#ifndef LSB_SUITE_H
#define LSB_SUITE_H

#include <stddef.h>
#include <stdio.h>

#include "suite/diagnostics.h"
#include "suite/keys.h"
#include "suite/point.h"

enum { LSB_POINTS_MAX = 4096, LSB_SUITE_BYTES_MAX = 1 << 20 };

enum lsb_gate_action { LSB_GATE_IGNORE, LSB_GATE_MARK, LSB_GATE_REFUSE };

/* [gate]: what to do when the machine is unfit for measuring. */
struct lsb_gate {
	enum lsb_gate_action load, governor, quota, oversubscribed;
	double max_load; /* share of the cores that other work keeps busy before the run */
};

/* [report] */
struct lsb_report_settings {
	char *compare;	    /* a case key whose values are compared with each other; "" for none */
	char *charts;	    /* "all" or "none" */
	double noise_floor; /* a smaller ratio is no difference: 0.02 is 2 % */
};

/* All of it is const to everyone but suite/. */
struct lsb_suite {
	char *path, *base; /* as given; the folder it lies in */
	char *text;	   /* as read, `bytes` long */
	size_t bytes;
	char *name, *title, *out; /* [suite]; out "" means results/<name>-<time> */
	struct lsb_gate gate;
	struct lsb_report_settings report;
	struct lsb_point *points;
	size_t n_points;
};

struct lsb_suite_request {
	const char *path;	 /* the suite file; also its name in findings */
	const char *const *sets; /* "KEY=VALUE" or "CASE.KEY=VALUE", as after --set */
	size_t n_sets;
	const char *only; /* keep points whose case or label matches this glob; NULL: all */
	const char
		*folders; /* ':'-separated plugin folders: unknown plugins are findings; NULL: not checked */
	const char *(*environment)(void *user, const char *name); /* NULL: getenv */
	void *user;
};

/*
 * Read a suite. On success *out is the caller's (lsb_suite_free). Otherwise
 * LSB_ESUITE (or LSB_ENOMEM), every finding in `diag`, sorted.
 */
int lsb_suite_load(const struct lsb_suite_request *request, struct lsb_suite **out,
		   struct lsb_diagnostics *diag);

/* The same from text in memory; opens no file but `folders`. */
int lsb_suite_parse(const struct lsb_suite_request *request, const char *text, size_t bytes,
		    struct lsb_suite **out, struct lsb_diagnostics *diag);

/* lsb_suite_load without a check of plugin names. */
int lsb_suite_read(const char *path, const char *const *sets, size_t n_sets, const char *only,
		   struct lsb_suite **out, struct lsb_diagnostics *diag);

const struct lsb_point *lsb_suite_points(const struct lsb_suite *suite, size_t *n);

void lsb_suite_free(struct lsb_suite *suite);

#endif
