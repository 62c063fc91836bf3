/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One case with its sweep values fixed: texts to values, values to a point.
 *
 * Each key of the table is looked for among the case's bindings, expanded, and
 * parsed; what is absent has its default, which may be an expression too.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "suite/resolver.h"

const struct lsb_binding *lsb_resolver_find(const struct lsb_resolver *r, const char *key, const char **value,
					    int *literal)
{
	for (size_t i = 0; i < r->c->bindings.n; i++) {
		const struct lsb_binding *b = &r->c->bindings.items[i];

		if (strcmp(b->key, key) != 0)
			continue;
		*value = b->value;
		*literal = 0;
		for (size_t j = 0; j < r->n_choices; j++) {
			if (r->choices[j].binding == i) {
				*value = r->choices[j].value;
				*literal = 1; /* expanded when the list was */
			}
		}
		return b;
	}
	return NULL;
}

static const char *find(void *user, const char *key, int *literal, struct lsb_error *err)
{
	const struct lsb_resolver *r = user;
	const struct lsb_suite_key *known = lsb_key_find(&lsb_case_keys, key);
	const char *value = NULL, *near;
	const struct lsb_binding *b = lsb_resolver_find(r, key, &value, literal);

	if (b && b->is_sweep && r->refuse_swept) {
		lsb_fail(err, LSB_ESUITE, 0, "sweep.%s uses '%s', which is swept itself", r->refuse_swept,
			 key);
		return NULL;
	}
	if (b)
		return value;
	if (known) {
		value = known->def ? known->def : lsb_derive_default(key, &r->given);
		if (!value)
			lsb_fail(err, LSB_ESUITE, 0, "'%s' has no value here", key);
		return value;
	}
	near = lsb_key_nearest(&lsb_case_keys, key);
	if (near)
		lsb_fail(err, LSB_ESUITE, 0, "unknown key '%s' in an expression (did you mean '%s'?)", key,
			 near);
	else
		lsb_fail(err, LSB_ESUITE, 0, "unknown key '%s' in an expression", key);
	return NULL;
}

static const char *environment(void *user, const char *name)
{
	const struct lsb_suite_request *request = ((const struct lsb_resolver *)user)->source->request;

	return request->environment ? request->environment(request->user, name) : getenv(name);
}

static struct lsb_scope scope_of(struct lsb_resolver *r)
{
	return (struct lsb_scope){ .find = find, .environment = environment, .user = r };
}

/* Expand unless `literal`; the result is malloc'ed. A failure is noted at `at`. */
char *lsb_resolver_expand(struct lsb_resolver *r, const char *key, const char *text, int literal,
			  struct lsb_place_in_suite at)
{
	const struct lsb_scope scope = scope_of(r);
	struct lsb_error err;
	char *out = NULL;

	if (literal)
		out = strdup(text);
	else if (lsb_expand(text, key, &scope, &out, &err))
		lsb_diagnose(r->source->diag, at, "%s: %s", key, err.msg);
	return out;
}

static void learn_shape(struct lsb_resolver *r)
{
	const struct lsb_suite_key *kind = lsb_key_find(&lsb_case_keys, "kind");
	const struct lsb_scope scope = scope_of(r);
	const char *value;
	struct lsb_point p = { 0 };
	struct lsb_error err;
	char *text = NULL, *canonical = NULL;
	int literal;

	r->given.nodes = lsb_resolver_find(r, "nodes", &value, &literal) != NULL;
	r->given.stages = lsb_resolver_find(r, "stages", &value, &literal) != NULL;
	r->given.replicas = lsb_resolver_find(r, "replicas", &value, &literal) != NULL;
	/* a failure here is found again, and noted, when `kind` itself is resolved */
	if (lsb_resolver_find(r, "kind", &value, &literal) &&
	    lsb_expand(value, "kind", &scope, &text, &err) == 0 &&
	    lsb_key_fill(kind, text, &p, &canonical, &err) == 0)
		r->given.kind = p.kind;
	free(text);
	free(canonical);
}

/* --- values ----------------------------------------------------------- */

char *lsb_resolver_show_place(struct lsb_place_in_suite at)
{
	return at.line ? lsb_format("%s:%u", at.file, at.line) : strdup(at.file);
}

/* Note a resolved value; takes `value`. */
int lsb_resolver_note(struct lsb_point *p, const char *key, char *value, struct lsb_place_in_suite at,
		      int is_factor)
{
	struct lsb_point_value v = { .key = strdup(key),
				     .value = value,
				     .where = lsb_resolver_show_place(at),
				     .is_factor = is_factor };
	struct lsb_point_value *values = realloc(p->values, (p->n_values + 1) * sizeof(*values));

	if (values)
		p->values = values;
	if (!values || !v.key || !v.value || !v.where) {
		free(v.key);
		free(v.value);
		free(v.where);
		return LSB_ENOMEM;
	}
	values[p->n_values++] = v;
	return LSB_OK;
}

/* 0, LSB_ESUITE with the finding noted, or LSB_ENOMEM. */
static int resolve_key(struct lsb_resolver *r, const struct lsb_suite_key *key, struct lsb_point *p)
{
	const struct lsb_place_in_suite by_default = { .file = "default" };
	struct lsb_place_in_suite blame;
	char *canonical = NULL, *expanded;
	const char *text = NULL;
	struct lsb_error err;
	int literal = 0, rc;
	const struct lsb_binding *b = lsb_resolver_find(r, key->name, &text, &literal);

	if (!b)
		text = key->def ? key->def : lsb_derive_default(key->name, &r->given);
	if (!text)
		return LSB_OK; /* lsb_derive_check knows which keys must be there */
	/* a derived value that fails does so because of what the case says */
	blame = b ? b->at : lsb_source_place(r->source, r->c->section->line);
	expanded = lsb_resolver_expand(r, key->name, text, literal, blame);
	if (!expanded)
		return LSB_ESUITE;
	rc = lsb_key_fill(key, expanded, p, &canonical, &err);
	free(expanded);
	if (rc == LSB_ESUITE)
		lsb_diagnose(r->source->diag, blame, "%s", err.msg);
	if (key->is_for_link && r->given.kind != LSB_CASE_LINK) {
		free(canonical);
		return rc;
	}
	return rc ? rc : lsb_resolver_note(p, key->name, canonical, b ? b->at : by_default, key->is_factor);
}

static int compare_by_table(const void *a, const void *b)
{
	const struct lsb_suite_key *left =
		lsb_key_find(&lsb_case_keys, ((const struct lsb_point_value *)a)->key);
	const struct lsb_suite_key *right =
		lsb_key_find(&lsb_case_keys, ((const struct lsb_point_value *)b)->key);

	return (left > right) - (left < right);
}

/*
 * Every key of the table, those that are written first: when one of them is
 * wrong, what would follow from it is not judged, and only the cause is noted.
 */
static int resolve_keys(struct lsb_resolver *r, struct lsb_point *p)
{
	int worst = LSB_OK;

	for (int written = 1; written >= 0 && worst == LSB_OK; written--) {
		for (size_t i = 0; i < lsb_case_keys.n; i++) {
			const struct lsb_suite_key *key = &lsb_case_keys.keys[i];
			const char *text;
			int literal, rc;

			if ((lsb_resolver_find(r, key->name, &text, &literal) != NULL) != written)
				continue;
			rc = resolve_key(r, key, p);
			if (rc == LSB_ENOMEM)
				return rc;
			worst = rc ? rc : worst;
		}
	}
	if (p->n_values)
		qsort(p->values, p->n_values, sizeof(*p->values), compare_by_table);
	return worst;
}

/* --- points ----------------------------------------------------------- */

int lsb_resolve_point(const struct lsb_source *source, const struct lsb_case *c,
		      const struct lsb_choice *choices, size_t n_choices, struct lsb_point *p)
{
	struct lsb_resolver r = { .source = source, .c = c, .choices = choices, .n_choices = n_choices };
	const size_t before = source->diag->n;
	struct lsb_text label = { 0 };
	int rc = LSB_OK;

	*p = (struct lsb_point){ 0 };
	learn_shape(&r);
	rc = resolve_keys(&r, p);
	if (rc == LSB_OK) {
		rc = lsb_resolver_attach(&r, p);
		/* contradictions are looked for among values that are right by themselves */
		if (rc == LSB_OK && source->diag->n == before)
			lsb_derive_check(source, c, p);
	}
	if (rc == LSB_ESUITE)
		rc = LSB_OK; /* noted */
	lsb_text_add(&label, "%s", c->name);
	for (size_t i = 0; i < n_choices; i++)
		lsb_text_add(&label, " %s=%s", c->bindings.items[choices[i].binding].key, choices[i].value);
	p->label = label.data;
	p->case_name = strdup(c->name);
	return rc == LSB_OK && !label.failed && p->case_name ? LSB_OK : LSB_ENOMEM;
}

int lsb_resolve_sweep(const struct lsb_source *source, const struct lsb_case *c, size_t binding,
		      struct lsb_list *out, struct lsb_error *err)
{
	const struct lsb_binding *b = &c->bindings.items[binding];
	struct lsb_resolver r = { .source = source, .c = c, .refuse_swept = b->key };
	const struct lsb_scope scope = scope_of(&r);
	char *text = NULL;
	int rc;

	learn_shape(&r);
	rc = lsb_expand(b->value, NULL, &scope, &text, err);
	if (rc == LSB_OK)
		rc = lsb_list_parse(text, out, err);
	free(text);
	return rc;
}

int lsb_resolve_section(const struct lsb_source *source, const struct lsb_key_table *table,
			const struct lsb_ini_section *section, void *object)
{
	/* only the environment and constants here: a case's keys belong to its points */
	struct lsb_case none = { 0 };
	struct lsb_resolver r = { .source = source, .c = &none };

	for (size_t i = 0; i < table->n; i++) {
		const struct lsb_suite_key *key = &table->keys[i];
		const char *text = key->def;
		struct lsb_place_in_suite at = { .file = "default" };
		struct lsb_error err;
		char *expanded, *canonical = NULL;
		int rc;

		for (size_t j = 0; section && j < section->n_pairs; j++) {
			if (strcmp(section->pairs[j].key, key->name) == 0) {
				text = section->pairs[j].value;
				at = lsb_source_place(source, section->pairs[j].line);
			}
		}
		expanded = text ? lsb_resolver_expand(&r, key->name, text, 0, at) : NULL;
		if (!expanded)
			continue;
		rc = lsb_key_fill(key, expanded, object, &canonical, &err);
		if (rc == LSB_ESUITE)
			lsb_diagnose(source->diag, at, "%s", err.msg);
		free(expanded);
		free(canonical);
		if (rc == LSB_ENOMEM)
			return rc;
	}
	return LSB_OK;
}

static void free_plugin(struct lsb_point_plugin *plugin)
{
	for (size_t i = 0; i < plugin->n_options; i++) {
		free(plugin->options[i].name);
		free(plugin->options[i].value);
		free(plugin->options[i].where);
	}
	free(plugin->options);
	free(plugin->name);
}

static void free_site(struct lsb_site *site)
{
	char *const texts[] = { site->control_address,	site->network,	  site->program,
				site->token_file,	site->ssh_config, site->mpirun,
				site->mpirun_arguments, site->srun_mpi,	  site->srun_arguments };

	for (size_t i = 0; i < LSB_COUNT(texts); i++)
		free(texts[i]);
}

void lsb_point_free(struct lsb_point *p)
{
	char *const texts[] = { p->case_name, p->label,	  p->base,	   p->model,	p->launcher, p->order,
				p->baseline,  p->pair_by, p->keep_records, p->arrivals, p->search };

	for (size_t i = 0; i < LSB_COUNT(texts); i++)
		free(texts[i]);
	free(p->split);
	free(p->sizes);
	free_plugin(&p->backend);
	free_plugin(&p->transport);
	free_plugin(&p->workload);
	for (size_t i = 0; i < p->n_values; i++) {
		free(p->values[i].key);
		free(p->values[i].value);
		free(p->values[i].where);
	}
	free(p->values);
	for (size_t i = 0; i < p->n_hosts; i++)
		free(p->hosts[i]);
	free(p->hosts);
	free_site(&p->site);
	*p = (struct lsb_point){ 0 };
}
