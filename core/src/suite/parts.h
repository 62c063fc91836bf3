/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of reading a suite, for suite/ alone.
 *
 *	names.c		sections and keys by name, nothing by value
 *	cases.c		parents and overrides: which text each key of a case has
 *	resolve.c	one case with its sweep values fixed, to a point
 *	derive.c	what follows from other keys, and what contradicts them
 */
#ifndef LSB_SUITE_PARTS_H
#define LSB_SUITE_PARTS_H

#include "suite/expression.h"
#include "suite/ini.h"
#include "suite/list.h"
#include "suite/suite.h"

/* One key of a case, as text. All strings are borrowed from the file or the overrides. */
struct lsb_binding {
	const char *key; /* without "sweep." */
	const char *value;
	struct lsb_place_in_suite at;
	int is_sweep;
};

struct lsb_bindings {
	struct lsb_binding *items;
	size_t n;
};

struct lsb_case {
	char *name, *parent; /* owned; parent NULL: none */
	const struct lsb_ini_section *section;
	size_t parent_index;
	int unusable;		      /* its parent does not exist or comes back to it */
	struct lsb_bindings bindings; /* with all that it inherits */
};

/* [backend X] and the like, [hosts X]. */
struct lsb_named_set {
	const char *kind; /* "backend", "transport", "workload", "hosts" */
	char *name;	  /* owned */
	const struct lsb_ini_section *section;
};

/* One --set. */
struct lsb_override {
	char *shown;	       /* "--set a.b=c", its place in findings */
	char *case_name, *key; /* case_name NULL: every case */
	const char *value;
};

struct lsb_source {
	const struct lsb_suite_request *request;
	struct lsb_ini ini;
	const struct lsb_ini_section *suite, *defaults, *gate, *report; /* NULL: absent */
	struct lsb_case *cases;
	size_t n_cases;
	struct lsb_named_set *sets;
	size_t n_sets;
	struct lsb_override *overrides;
	size_t n_overrides;
	struct lsb_diagnostics *diag;
};

/* Sort `ini` and the request's overrides into the rest of `source`. 0 or LSB_ENOMEM. */
int lsb_source_index(struct lsb_source *source);
/* Fill every case's bindings. 0 or LSB_ENOMEM. */
int lsb_source_bind(struct lsb_source *source);
void lsb_source_free(struct lsb_source *source);

/* Finding: an unknown name, with the nearest of `names`. `what` is like "unknown key". */
void lsb_diagnose_unknown(struct lsb_diagnostics *d, struct lsb_place_in_suite at, const char *what,
			  const char *word, const char *const *names, size_t n);

struct lsb_place_in_suite lsb_source_place(const struct lsb_source *source, unsigned line);
const struct lsb_named_set *lsb_source_set(const struct lsb_source *source, const char *kind,
					   const char *name);

/* "backend", "transport" or "workload" when `key` is KIND.OPTION, with *option behind the dot; else NULL. */
const char *lsb_plugin_prefix(const char *key, const char **option);

/* The value of a case's sweep number i, chosen for one point. */
struct lsb_choice {
	size_t binding; /* index into the case's bindings */
	const char *value;
};

/* Expand the items of the sweep at `binding`. 0 or LSB_ESUITE with `err` filled. */
int lsb_resolve_sweep(const struct lsb_source *source, const struct lsb_case *c, size_t binding,
		      struct lsb_list *out, struct lsb_error *err);

/*
 * Build the point of case `c` with these choices. Findings go to the source's
 * list. Returns 0 (the point is the caller's even with findings), or LSB_ENOMEM.
 */
int lsb_resolve_point(const struct lsb_source *source, const struct lsb_case *c,
		      const struct lsb_choice *choices, size_t n_choices, struct lsb_point *out);

/* Parse a [suite], [gate] or [report] section (NULL: all defaults) into `object`. 0 or LSB_ENOMEM. */
int lsb_resolve_section(const struct lsb_source *source, const struct lsb_key_table *table,
			const struct lsb_ini_section *section, void *object);

void lsb_point_free(struct lsb_point *point);

/* What a case says about its shape: the derived defaults depend on it. */
struct lsb_given {
	int nodes, stages, replicas; /* whether each is written */
	enum lsb_case_kind kind;
};

/* The default of a key that has none in the table, as an expression; NULL: it must be written. */
const char *lsb_derive_default(const char *key, const struct lsb_given *given);

/* Find contradictions between the keys of a point. */
void lsb_derive_check(const struct lsb_source *source, const struct lsb_case *c,
		      const struct lsb_point *point);

/* Every plugin that a point names must be a file in the folders, or the kind of set that names it. */
void lsb_names_check_plugin(const struct lsb_source *source, const char *kind, const char *name,
			    struct lsb_place_in_suite at);

#endif
