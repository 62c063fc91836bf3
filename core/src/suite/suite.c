/* SPDX-License-Identifier: Apache-2.0 */
#include "suite/suite.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "suite/parts.h"

/* Points under construction: their place in the list is their place in the suite. */
struct builder {
	struct lsb_source *source;
	struct lsb_suite *suite;
	size_t room;
};

/* --- ids -------------------------------------------------------------- */

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Of a path only the file's name: the same run in another folder is the same point. */
static const char *value_for_id(const struct lsb_point_value *v)
{
	const struct lsb_suite_key *key = lsb_key_find(&lsb_case_keys, v->key);
	const int is_path = key && (key->type == LSB_KEY_FILE ||
				    (key->type == LSB_KEY_ARRIVALS && strncmp(v->value, "trace:", 6) == 0));
	const char *slash = is_path ? strrchr(v->value, '/') : NULL;

	return slash ? slash + 1 : v->value;
}

/* A key that came later and says what was so before there was it. */
static int is_as_before(const struct lsb_point_value *v)
{
	const struct lsb_suite_key *key = lsb_key_find(&lsb_case_keys, v->key);

	return key && key->is_added && strcmp(v->value, key->def) == 0;
}

/*
 * SHA-256 over the sorted lines "key=value\n" of the factors, its first 16 hex
 * digits. `twin` counts earlier points of the suite with the same factors:
 * above 0 it is one more line, so that ids are unique in a suite.
 */
static int point_id(const struct lsb_point *p, unsigned twin, char id[17])
{
	char **lines = calloc(p->n_values + 1, sizeof(*lines));
	char hex[LSB_DIGEST_HEX];
	struct lsb_text text = { 0 };
	int failed = !lines;
	size_t n = 0;

	for (size_t i = 0; !failed && i < p->n_values; i++) {
		if (!p->values[i].is_factor || is_as_before(&p->values[i]))
			continue;
		lines[n] = lsb_format("%s=%s\n", p->values[i].key, value_for_id(&p->values[i]));
		failed = !lines[n];
		n += !failed;
	}
	if (n && lines)
		qsort(lines, n, sizeof(*lines), compare_lines);
	for (size_t i = 0; i < n; i++) {
		lsb_text_add(&text, "%s", lines[i]);
		free(lines[i]);
	}
	free(lines);
	if (twin)
		lsb_text_add(&text, "twin=%u\n", twin);
	failed |= text.failed;
	if (!failed) {
		lsb_digest(text.data ? text.data : "", text.length, hex);
		memcpy(id, hex, 16);
		id[16] = '\0';
	}
	lsb_text_free(&text);
	return failed ? LSB_ENOMEM : LSB_OK;
}

static int number_points(struct lsb_suite *suite)
{
	int rc = LSB_OK;

	for (size_t i = 0; i < suite->n_points && rc == LSB_OK; i++) {
		struct lsb_point *p = &suite->points[i];
		unsigned twin = 0;
		size_t j = 0;

		rc = point_id(p, 0, p->id);
		while (rc == LSB_OK && j < i) {
			if (strcmp(suite->points[j].id, p->id) == 0) {
				rc = point_id(p, ++twin, p->id);
				j = 0;
			} else {
				j++;
			}
		}
	}
	return rc;
}

/* --- points ----------------------------------------------------------- */

static int add_point(struct builder *b, const struct lsb_case *c, const struct lsb_choice *choices,
		     size_t n_choices)
{
	struct lsb_suite *suite = b->suite;
	struct lsb_point *p;

	if (suite->n_points == b->room) {
		const size_t room = b->room ? 2 * b->room : 16;
		struct lsb_point *points = realloc(suite->points, room * sizeof(*points));

		if (!points)
			return LSB_ENOMEM;
		suite->points = points;
		b->room = room;
	}
	p = &suite->points[suite->n_points++];
	if (lsb_resolve_point(b->source, c, choices, n_choices, p))
		return LSB_ENOMEM;
	p->base = strdup(suite->base);
	return p->base ? LSB_OK : LSB_ENOMEM;
}

enum { SWEEPS_MAX = 32 };

/* Every combination, the last sweep turning fastest. */
static int add_combinations(struct builder *b, const struct lsb_case *c, const struct lsb_list *lists,
			    const size_t *bindings, size_t n)
{
	size_t at[SWEEPS_MAX] = { 0 };
	struct lsb_choice choices[SWEEPS_MAX];
	size_t turn;

	do {
		int rc;

		for (size_t i = 0; i < n; i++)
			choices[i] =
				(struct lsb_choice){ .binding = bindings[i], .value = lists[i].items[at[i]] };
		rc = add_point(b, c, choices, n);
		if (rc)
			return rc;
		for (turn = n; turn > 0; turn--) {
			if (++at[turn - 1] < lists[turn - 1].n)
				break;
			at[turn - 1] = 0;
		}
	} while (turn > 0);
	return LSB_OK;
}

static int add_case_points(struct builder *b, const struct lsb_case *c)
{
	struct lsb_diagnostics *diag = b->source->diag;
	struct lsb_list lists[SWEEPS_MAX] = { { 0 } };
	size_t bindings[SWEEPS_MAX], n = 0, count = 1;
	struct lsb_error err;
	int rc = LSB_OK, usable = 1;

	for (size_t i = 0; i < c->bindings.n; i++) {
		const struct lsb_binding *binding = &c->bindings.items[i];

		if (!binding->is_sweep)
			continue;
		if (n == SWEEPS_MAX) {
			lsb_diagnose(diag, binding->at, "a case sweeps at most %d keys", SWEEPS_MAX);
			usable = 0;
			break;
		}
		if (lsb_resolve_sweep(b->source, c, i, &lists[n], &err)) {
			lsb_diagnose(diag, binding->at, "sweep.%s: %s", binding->key, err.msg);
			usable = 0;
			continue;
		}
		count = count > LSB_POINTS_MAX ? count : count * lists[n].n;
		bindings[n++] = i;
	}
	if (usable && b->suite->n_points + count > LSB_POINTS_MAX)
		lsb_diagnose(diag, lsb_source_place(b->source, c->section->line),
			     "too many points: with case '%s' the suite has more than %d", c->name,
			     LSB_POINTS_MAX);
	else if (usable)
		rc = add_combinations(b, c, lists, bindings, n);
	while (n)
		lsb_list_free(&lists[--n]);
	return rc;
}

/* Launches of all points share one order, so `order` has one value. */
static void check_order(const struct lsb_source *source, const struct lsb_suite *suite)
{
	for (size_t i = 1; i < suite->n_points; i++) {
		const struct lsb_point *p = &suite->points[i], *first = &suite->points[0];

		if (p->order && first->order && strcmp(p->order, first->order) != 0)
			lsb_diagnose(source->diag, lsb_source_place(source, 0),
				     "case '%s' has order = %s and case '%s' has order = %s: a suite has one "
				     "order",
				     first->case_name, first->order, p->case_name, p->order);
	}
}

static int add_points(struct builder *b)
{
	struct lsb_source *source = b->source;
	int rc = LSB_OK;

	if (source->n_cases == 0)
		lsb_diagnose(source->diag, lsb_source_place(source, 1),
			     source->ini.n_sections ? "nothing to run: the suite has no [case NAME]"
						    : "nothing to run: the suite is empty");
	for (size_t i = 0; i < source->n_cases && rc == LSB_OK; i++)
		if (!source->cases[i].unusable)
			rc = add_case_points(b, &source->cases[i]);
	if (rc == LSB_OK)
		check_order(source, b->suite);
	return rc;
}

/* Drop what `only` does not match. */
static void filter_points(struct lsb_suite *suite, const char *only, struct lsb_source *source)
{
	size_t kept = 0;
	struct lsb_text names = { 0 };
	char *shown;

	if (!only || suite->n_points == 0)
		return;
	for (size_t i = 0; i < suite->n_points; i++) {
		struct lsb_point *p = &suite->points[i];

		if (fnmatch(only, p->case_name, 0) == 0 || fnmatch(only, p->label, 0) == 0)
			suite->points[kept++] = *p;
		else
			lsb_point_free(p);
	}
	suite->n_points = kept;
	if (kept)
		return;
	for (size_t i = 0; i < source->n_cases; i++)
		lsb_text_add(&names, "%s%s", i ? ", " : "", source->cases[i].name);
	shown = lsb_format("--only %s", only);
	lsb_diagnose(source->diag, (struct lsb_place_in_suite){ .file = shown ? shown : "--only" },
		     "matches no case and no point (cases: %s)", names.data ? names.data : "");
	free(shown);
	lsb_text_free(&names);
}

/* --- the suite -------------------------------------------------------- */

/* "dir/strong.ini": base "dir", name "strong" unless [suite] says another. */
static int name_suite(struct lsb_suite *suite)
{
	const char *slash = strrchr(suite->path, '/');
	const char *file = slash ? slash + 1 : suite->path;
	const char *dot = strrchr(file, '.');
	const size_t n = dot && dot != file ? (size_t)(dot - file) : strlen(file);

	suite->base = slash ? strndup(suite->path, slash == suite->path ? 1 : (size_t)(slash - suite->path))
			    : strdup(".");
	if (!suite->name)
		suite->name = strndup(file, n);
	if (!suite->title && suite->name)
		suite->title = strdup(suite->name);
	return suite->base && suite->name && suite->title ? LSB_OK : LSB_ENOMEM;
}

static int build(struct lsb_source *source, struct lsb_suite *suite, const char *text, size_t bytes)
{
	struct builder b = { .source = source, .suite = suite };
	int rc = lsb_ini_parse(source->request->path, text, bytes, &source->ini, source->diag);

	if (rc == LSB_OK)
		rc = lsb_source_index(source);
	if (rc == LSB_OK)
		rc = lsb_source_bind(source);
	if (rc == LSB_OK)
		rc = lsb_resolve_section(source, &lsb_suite_keys, source->suite, suite);
	if (rc == LSB_OK)
		rc = lsb_resolve_section(source, &lsb_gate_keys, source->gate, suite);
	if (rc == LSB_OK)
		rc = lsb_resolve_section(source, &lsb_report_keys, source->report, suite);
	if (rc == LSB_OK)
		rc = name_suite(suite);
	if (rc == LSB_OK)
		rc = add_points(&b);
	/* before the filter: an id does not depend on what else is run */
	if (rc == LSB_OK && source->diag->n == 0)
		rc = number_points(suite);
	if (rc == LSB_OK && source->diag->n == 0)
		filter_points(suite, source->request->only, source);
	return rc;
}

int lsb_suite_parse(const struct lsb_suite_request *request, const char *text, size_t bytes,
		    struct lsb_suite **out, struct lsb_diagnostics *diag)
{
	struct lsb_suite *suite = calloc(1, sizeof(*suite));
	struct lsb_source source = { .request = request, .diag = diag };
	int rc = LSB_ENOMEM;

	*out = NULL;
	if (suite) {
		suite->path = strdup(request->path);
		suite->text = malloc(bytes + 1);
		suite->bytes = bytes;
		if (suite->path && suite->text) {
			if (bytes)
				memcpy(suite->text, text, bytes);
			suite->text[bytes] = '\0';
			rc = build(&source, suite, text, bytes);
		}
	}
	lsb_source_free(&source);
	lsb_diagnostics_sort(diag);
	diag->failed |= rc == LSB_ENOMEM;
	if (rc == LSB_OK && (diag->n || diag->failed))
		rc = LSB_ESUITE;
	if (rc) {
		lsb_suite_free(suite);
		return rc;
	}
	*out = suite;
	return LSB_OK;
}

int lsb_suite_load(const struct lsb_suite_request *request, struct lsb_suite **out,
		   struct lsb_diagnostics *diag)
{
	struct lsb_error err;
	char *text = NULL;
	size_t bytes = 0;
	int rc = lsb_file_read(request->path, LSB_SUITE_BYTES_MAX, &text, &bytes, &err);

	*out = NULL;
	if (rc) {
		lsb_diagnose(diag, (struct lsb_place_in_suite){ .file = request->path }, "%s", err.msg);
		return LSB_ESUITE;
	}
	rc = lsb_suite_parse(request, text, bytes, out, diag);
	free(text);
	return rc;
}

int lsb_suite_read(const char *path, const char *const *sets, size_t n_sets, const char *only,
		   struct lsb_suite **out, struct lsb_diagnostics *diag)
{
	const struct lsb_suite_request request = {
		.path = path, .sets = sets, .n_sets = n_sets, .only = only
	};

	return lsb_suite_load(&request, out, diag);
}

const struct lsb_point *lsb_suite_points(const struct lsb_suite *suite, size_t *n)
{
	*n = suite->n_points;
	return suite->points;
}

void lsb_suite_free(struct lsb_suite *suite)
{
	if (!suite)
		return;
	for (size_t i = 0; i < suite->n_points; i++)
		lsb_point_free(&suite->points[i]);
	free(suite->points);
	free(suite->path);
	free(suite->base);
	free(suite->text);
	free(suite->name);
	free(suite->title);
	free(suite->out);
	free(suite->report.compare);
	free(suite->report.charts);
	free(suite);
}
