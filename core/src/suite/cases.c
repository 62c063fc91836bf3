/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parents and overrides: which text each key of a case has, and where it is
 * written.
 *
 * Layers, later ones winning key by key: [defaults], the case's parents from
 * the oldest down, the case, --set KEY=VALUE, --set CASE.KEY=VALUE. A plain
 * value replaces an inherited sweep of the same key, and the other way round.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "suite/parts.h"

/* --- parents ---------------------------------------------------------- */

static size_t case_by_name(const struct lsb_source *source, const char *name)
{
	size_t i = 0;

	while (i < source->n_cases && strcmp(source->cases[i].name, name) != 0)
		i++;
	return i;
}

static void find_parents(struct lsb_source *source)
{
	const char **names = calloc(source->n_cases + 1, sizeof(*names));

	for (size_t i = 0; i < source->n_cases; i++) {
		struct lsb_case *c = &source->cases[i];
		size_t others = 0;

		c->parent_index = c->parent ? case_by_name(source, c->parent) : source->n_cases;
		if (!c->parent || c->parent_index < source->n_cases)
			continue;
		c->unusable = 1;
		for (size_t j = 0; names && j < source->n_cases; j++)
			if (j != i)
				names[others++] = source->cases[j].name;
		lsb_diagnose_unknown(source->diag, lsb_source_place(source, c->section->line),
				     "unknown parent", c->parent, names, others);
	}
	free(names);
}

/* A walk up that has not ended after as many steps as there are cases never will. */
static void find_parent_loops(struct lsb_source *source)
{
	for (size_t i = 0; i < source->n_cases; i++) {
		size_t at = i, steps = 0;

		while (at < source->n_cases && steps <= source->n_cases) {
			at = source->cases[at].parent_index;
			steps++;
		}
		if (at < source->n_cases) {
			source->cases[i].unusable = 1;
			lsb_diagnose(source->diag, lsb_source_place(source, source->cases[i].section->line),
				     "the parents of case '%s' form a loop through '%s'",
				     source->cases[i].name, source->cases[i].parent);
		}
	}
}

/* --- bindings --------------------------------------------------------- */

static int bind(struct lsb_bindings *b, const char *written, const char *value, struct lsb_place_in_suite at)
{
	const int is_sweep = strncmp(written, "sweep.", 6) == 0;
	const struct lsb_binding binding = {
		.key = is_sweep ? written + 6 : written, .value = value, .at = at, .is_sweep = is_sweep
	};
	struct lsb_binding *items;

	for (size_t i = 0; i < b->n; i++) {
		if (strcmp(b->items[i].key, binding.key) == 0) {
			b->items[i] = binding;
			return LSB_OK;
		}
	}
	items = realloc(b->items, (b->n + 1) * sizeof(*items));
	if (!items)
		return LSB_ENOMEM;
	b->items = items;
	items[b->n++] = binding;
	return LSB_OK;
}

static int bind_section(const struct lsb_source *source, struct lsb_bindings *b,
			const struct lsb_ini_section *section)
{
	int rc = LSB_OK;

	for (size_t i = 0; section && i < section->n_pairs && rc == LSB_OK; i++)
		rc = bind(b, section->pairs[i].key, section->pairs[i].value,
			  lsb_source_place(source, section->pairs[i].line));
	return rc;
}

/* A case's ancestors, the oldest first, then itself. Loops were refused before. */
static int bind_family(const struct lsb_source *source, struct lsb_bindings *b, size_t index)
{
	size_t *line = calloc(source->n_cases + 1, sizeof(*line)), n = 0;
	int rc = line ? LSB_OK : LSB_ENOMEM;

	for (size_t at = index; line && at < source->n_cases; at = source->cases[at].parent_index)
		line[n++] = at;
	while (rc == LSB_OK && n)
		rc = bind_section(source, b, source->cases[line[--n]].section);
	free(line);
	return rc;
}

static int bind_overrides(const struct lsb_source *source, const struct lsb_case *c, struct lsb_bindings *b)
{
	int rc = LSB_OK;

	for (int specific = 0; specific < 2; specific++) {
		for (size_t i = 0; i < source->n_overrides && rc == LSB_OK; i++) {
			const struct lsb_override *o = &source->overrides[i];

			if (specific != (o->case_name != NULL) ||
			    (o->case_name && strcmp(o->case_name, c->name) != 0))
				continue;
			rc = bind(b, o->key, o->value, (struct lsb_place_in_suite){ .file = o->shown });
		}
	}
	return rc;
}

/* Whether an ancestor is unusable, which makes this case so. */
static int has_bad_ancestor(const struct lsb_source *source, size_t index)
{
	for (size_t at = index; at < source->n_cases; at = source->cases[at].parent_index)
		if (source->cases[at].unusable)
			return 1;
	return 0;
}

int lsb_source_bind(struct lsb_source *source)
{
	int rc = LSB_OK;

	find_parents(source);
	find_parent_loops(source);
	for (size_t i = 0; i < source->n_cases && rc == LSB_OK; i++) {
		struct lsb_case *c = &source->cases[i];

		if (has_bad_ancestor(source, i)) {
			c->unusable = 1;
			continue;
		}
		rc = bind_section(source, &c->bindings, source->defaults);
		if (rc == LSB_OK)
			rc = bind_family(source, &c->bindings, i);
		if (rc == LSB_OK)
			rc = bind_overrides(source, c, &c->bindings);
	}
	return rc;
}
