/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sections, keys and overrides by name: what exists, and what was misspelled.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "suite/parts.h"

static const char *const section_kinds[] = { "suite",	 "defaults", "case", "backend", "transport",
					     "workload", "hosts",    "gate", "report" };
static const char *const plugin_kinds[] = { "backend", "transport", "workload" };

struct lsb_place_in_suite lsb_source_place(const struct lsb_source *source, unsigned line)
{
	return (struct lsb_place_in_suite){ .file = source->request->path, .line = line };
}

void lsb_diagnose_unknown(struct lsb_diagnostics *d, struct lsb_place_in_suite at, const char *what,
			  const char *word, const char *const *names, size_t n)
{
	const char *near = lsb_nearest(word, names, n);

	if (near)
		lsb_diagnose(d, at, "%s '%s' (did you mean '%s'?)", what, word, near);
	else
		lsb_diagnose(d, at, "%s '%s'", what, word);
}

const char *lsb_plugin_prefix(const char *key, const char **option)
{
	for (size_t i = 0; i < LSB_COUNT(plugin_kinds); i++) {
		const size_t n = strlen(plugin_kinds[i]);

		if (strncmp(key, plugin_kinds[i], n) == 0 && key[n] == '.') {
			*option = key + n + 1;
			return plugin_kinds[i];
		}
	}
	return NULL;
}

const struct lsb_named_set *lsb_source_set(const struct lsb_source *source, const char *kind,
					   const char *name)
{
	for (size_t i = 0; i < source->n_sets; i++)
		if (strcmp(source->sets[i].kind, kind) == 0 && strcmp(source->sets[i].name, name) == 0)
			return &source->sets[i];
	return NULL;
}

static int is_plain_name(const char *text)
{
	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
			return 0;
	return *text != '\0';
}

static int is_option_name(const char *text)
{
	for (const char *c = text; *c; c++)
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '_')
			return 0;
	return *text != '\0';
}

/* --- keys of a case --------------------------------------------------- */

static void check_case_key(const struct lsb_source *source, const char *written, struct lsb_place_in_suite at)
{
	const int is_sweep = strncmp(written, "sweep.", 6) == 0;
	const char *key = is_sweep ? written + 6 : written;
	const struct lsb_suite_key *known = lsb_key_find(&lsb_case_keys, key);
	const char *option, *near;

	if (lsb_plugin_prefix(key, &option)) {
		if (!is_option_name(option))
			lsb_diagnose(source->diag, at, "'%s' names no option (small letters, digits, '_')",
				     key);
		return;
	}
	if (!known) {
		near = lsb_key_nearest(&lsb_case_keys, key);
		if (near)
			lsb_diagnose(source->diag, at, "unknown key '%s' (did you mean '%s%s'?)", written,
				     is_sweep ? "sweep." : "", near);
		else
			lsb_diagnose(source->diag, at, "unknown key '%s'", written);
	} else if (is_sweep && !known->is_factor) {
		lsb_diagnose(source->diag, at, "'%s' cannot be swept: it is not a factor of a point", key);
	}
}

static void check_case_section(const struct lsb_source *source, const struct lsb_ini_section *section)
{
	for (size_t i = 0; i < section->n_pairs; i++) {
		const struct lsb_ini_pair *pair = &section->pairs[i];

		check_case_key(source, pair->key, lsb_source_place(source, pair->line));
		if (strncmp(pair->key, "sweep.", 6) != 0)
			continue;
		for (size_t j = 0; j < section->n_pairs; j++)
			if (strcmp(section->pairs[j].key, pair->key + 6) == 0)
				lsb_diagnose(source->diag,
					     lsb_source_place(source, section->pairs[j].line > pair->line
									      ? section->pairs[j].line
									      : pair->line),
					     "'%s' is set and swept in the same section", pair->key + 6);
	}
}

static void check_fixed_section(const struct lsb_source *source, const struct lsb_key_table *table,
				const struct lsb_ini_section *section)
{
	for (size_t i = 0; i < section->n_pairs; i++) {
		const struct lsb_ini_pair *pair = &section->pairs[i];
		const char *near = lsb_key_nearest(table, pair->key);

		if (lsb_key_find(table, pair->key))
			continue;
		if (near)
			lsb_diagnose(source->diag, lsb_source_place(source, pair->line),
				     "unknown key '%s' in [%s] (did you mean '%s'?)", pair->key,
				     section->name, near);
		else
			lsb_diagnose(source->diag, lsb_source_place(source, pair->line),
				     "unknown key '%s' in [%s]", pair->key, section->name);
	}
}

/* --- sections --------------------------------------------------------- */

static int add_case(struct lsb_source *source, const char *rest, const struct lsb_ini_section *section)
{
	const struct lsb_place_in_suite at = lsb_source_place(source, section->line);
	const char *colon = strchr(rest, ':');
	size_t n = colon ? (size_t)(colon - rest) : strlen(rest);
	struct lsb_case c = { .section = section }, *cases;

	while (n && rest[n - 1] == ' ')
		n--;
	c.name = strndup(rest, n);
	c.parent = colon ? strdup(colon + 1 + (colon[1] == ' ')) : NULL;
	cases = realloc(source->cases, (source->n_cases + 1) * sizeof(*cases));
	if (cases)
		source->cases = cases;
	if (!cases || !c.name || (colon && !c.parent)) {
		free(c.name);
		free(c.parent);
		return LSB_ENOMEM;
	}
	if (!is_plain_name(c.name) || (c.parent && !is_plain_name(c.parent)))
		lsb_diagnose(source->diag, at,
			     "[%s] is not [case NAME] or [case NAME : PARENT] (letters, digits, "
			     "'-', '_')",
			     section->name);
	for (size_t i = 0; i < LSB_COUNT(plugin_kinds); i++)
		if (strcmp(c.name, plugin_kinds[i]) == 0 || strcmp(c.name, "sweep") == 0) {
			lsb_diagnose(source->diag, at,
				     "a case cannot be called '%s': '--set %s.KEY' means another thing",
				     c.name, c.name);
			break;
		}
	for (size_t i = 0; i < source->n_cases; i++)
		if (strcmp(source->cases[i].name, c.name) == 0)
			lsb_diagnose(source->diag, at, "case '%s' is defined twice (first on line %u)",
				     c.name, source->cases[i].section->line);
	cases[source->n_cases++] = c;
	return LSB_OK;
}

static int add_set(struct lsb_source *source, const char *kind, const char *rest,
		   const struct lsb_ini_section *section)
{
	struct lsb_named_set set = { .kind = kind, .name = strdup(rest), .section = section }, *sets;

	sets = realloc(source->sets, (source->n_sets + 1) * sizeof(*sets));
	if (sets)
		source->sets = sets;
	if (!sets || !set.name) {
		free(set.name);
		return LSB_ENOMEM;
	}
	sets[source->n_sets++] = set;
	if (!is_plain_name(rest))
		lsb_diagnose(source->diag, lsb_source_place(source, section->line),
			     "[%s] is not [%s NAME] (letters, digits, '-', '_')", section->name, kind);
	if (strcmp(kind, "hosts") == 0) {
		check_fixed_section(source, &lsb_hosts_keys, section);
		return LSB_OK;
	}
	for (size_t i = 0; i < section->n_pairs; i++)
		if (!is_option_name(section->pairs[i].key))
			lsb_diagnose(source->diag, lsb_source_place(source, section->pairs[i].line),
				     "'%s' names no option (small letters, digits, '_')",
				     section->pairs[i].key);
	return LSB_OK;
}

static const char *const lone_sections[] = { "suite", "defaults", "gate", "report" };

static int stands_alone(const char *name)
{
	for (size_t i = 0; i < LSB_COUNT(lone_sections); i++)
		if (strcmp(name, lone_sections[i]) == 0)
			return 1;
	return 0;
}

static void take_lone_section(struct lsb_source *source, const struct lsb_ini_section *section)
{
	if (strcmp(section->name, "suite") == 0) {
		source->suite = section;
		check_fixed_section(source, &lsb_suite_keys, section);
	} else if (strcmp(section->name, "gate") == 0) {
		source->gate = section;
		check_fixed_section(source, &lsb_gate_keys, section);
	} else if (strcmp(section->name, "report") == 0) {
		source->report = section;
		check_fixed_section(source, &lsb_report_keys, section);
	} else {
		source->defaults = section;
		check_case_section(source, section);
	}
}

static int take_section(struct lsb_source *source, const struct lsb_ini_section *section)
{
	const struct lsb_place_in_suite at = lsb_source_place(source, section->line);
	const char *space = strchr(section->name, ' ');
	const size_t n = space ? (size_t)(space - section->name) : strlen(section->name);
	char kind[64];

	if (!*section->name) {
		lsb_diagnose(source->diag, at,
			     "keys before the first section (put them under [defaults] or [case NAME])");
		return LSB_OK;
	}
	if (stands_alone(section->name)) {
		take_lone_section(source, section);
		return LSB_OK;
	}
	if (n >= sizeof(kind)) {
		lsb_diagnose(source->diag, at, "unknown section [%s]", section->name);
		return LSB_OK;
	}
	memcpy(kind, section->name, n);
	kind[n] = '\0';
	for (size_t i = 0; i < LSB_COUNT(section_kinds); i++) {
		if (strcmp(kind, section_kinds[i]) != 0)
			continue;
		if (stands_alone(kind)) {
			lsb_diagnose(source->diag, at, "[%s] takes no name, found [%s]", kind, section->name);
			return LSB_OK;
		}
		if (!space) {
			lsb_diagnose(source->diag, at, "[%s] needs a name: [%s NAME]", kind, kind);
			return LSB_OK;
		}
		if (strcmp(kind, "case") != 0)
			return add_set(source, section_kinds[i], space + 1, section);
		check_case_section(source, section);
		return add_case(source, space + 1, section);
	}
	lsb_diagnose_unknown(source->diag, at, "unknown section", kind, section_kinds,
			     LSB_COUNT(section_kinds));
	return LSB_OK;
}

/* --- overrides -------------------------------------------------------- */

static void check_override(struct lsb_source *source, const struct lsb_override *o)
{
	const struct lsb_place_in_suite at = { .file = o->shown };
	const char *names[256];
	size_t n = 0;

	check_case_key(source, o->key, at);
	if (!o->case_name)
		return;
	for (size_t i = 0; i < source->n_cases; i++) {
		if (strcmp(source->cases[i].name, o->case_name) == 0)
			return;
		if (n < LSB_COUNT(names))
			names[n++] = source->cases[i].name;
	}
	lsb_diagnose_unknown(source->diag, at, "unknown case", o->case_name, names, n);
}

/* Whether the first `n` bytes are a key by themselves, as slo.ttft. */
static int is_key(const char *text, size_t n)
{
	for (size_t i = 0; i < lsb_case_keys.n; i++)
		if (strlen(lsb_case_keys.keys[i].name) == n &&
		    memcmp(lsb_case_keys.keys[i].name, text, n) == 0)
			return 1;
	return 0;
}

/* "KEY=VALUE" or "CASE.KEY=VALUE"; backend.OPTION, sweep.KEY and slo.ttft are keys. */
static int add_override(struct lsb_source *source, const char *text)
{
	const char *equals = strchr(text, '=');
	const char *dot = memchr(text, '.', equals ? (size_t)(equals - text) : 0), *option;
	struct lsb_override o = { .shown = lsb_format("--set %s", text) }, *overrides;
	int names_case;

	overrides = realloc(source->overrides, (source->n_overrides + 1) * sizeof(*overrides));
	if (overrides)
		source->overrides = overrides;
	if (!overrides || !o.shown) {
		free(o.shown);
		return LSB_ENOMEM;
	}
	overrides[source->n_overrides] = o;
	if (!equals) {
		lsb_diagnose(source->diag, (struct lsb_place_in_suite){ .file = o.shown },
			     "missing '=' (write --set KEY=VALUE or --set CASE.KEY=VALUE)");
		free(o.shown);
		return LSB_OK;
	}
	names_case = dot && !lsb_plugin_prefix(text, &option) && strncmp(text, "sweep.", 6) != 0 &&
		     !is_key(text, (size_t)(equals - text));
	if (names_case) {
		o.case_name = strndup(text, (size_t)(dot - text));
		text = dot + 1;
	}
	o.key = strndup(text, (size_t)(equals - text));
	o.value = equals + 1;
	overrides[source->n_overrides++] = o;
	if (!o.key || (names_case && !o.case_name))
		return LSB_ENOMEM;
	check_override(source, &overrides[source->n_overrides - 1]);
	return LSB_OK;
}

int lsb_source_index(struct lsb_source *source)
{
	int rc = LSB_OK;

	for (size_t i = 0; i < source->ini.n_sections && rc == LSB_OK; i++)
		rc = take_section(source, &source->ini.sections[i]);
	for (size_t i = 0; i < source->request->n_sets && rc == LSB_OK; i++)
		rc = add_override(source, source->request->sets[i]);
	return rc;
}

void lsb_source_free(struct lsb_source *source)
{
	for (size_t i = 0; i < source->n_cases; i++) {
		free(source->cases[i].name);
		free(source->cases[i].parent);
		free(source->cases[i].bindings.items);
	}
	free(source->cases);
	for (size_t i = 0; i < source->n_sets; i++)
		free(source->sets[i].name);
	free(source->sets);
	for (size_t i = 0; i < source->n_overrides; i++) {
		free(source->overrides[i].shown);
		free(source->overrides[i].case_name);
		free(source->overrides[i].key);
	}
	free(source->overrides);
	lsb_ini_free(&source->ini);
}
