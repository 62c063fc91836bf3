/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option tables: whether one can be believed, and settings parsed by it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "plugin/parts.h"

/* A value before it is stored in its member. */
union option_value {
	uint32_t word;
	int64_t integer;
	double real;
	uint64_t quantity;
	const char *text;
};

static const struct option_type {
	const char *name;
	size_t bytes; /* of the member, and its alignment */
} types[] = {
	[LSB_OPT_BOOL] = { "bool", sizeof(uint32_t) },	   [LSB_OPT_INT] = { "integer", sizeof(int64_t) },
	[LSB_OPT_REAL] = { "real", sizeof(double) },	   [LSB_OPT_SIZE] = { "size", sizeof(uint64_t) },
	[LSB_OPT_TIME] = { "time", sizeof(uint64_t) },	   [LSB_OPT_STRING] = { "text", sizeof(char *) },
	[LSB_OPT_CHOICE] = { "choice", sizeof(uint32_t) }, [LSB_OPT_FILE] = { "file", sizeof(char *) },
};

const char *lsb_option_type_name(uint32_t type)
{
	return type < LSB_COUNT(types) ? types[type].name : NULL;
}

size_t lsb_options_count(const struct lsb_option *table)
{
	size_t n = 0;

	while (table && n < LSB_OPTIONS_MAX && table[n].name)
		n++;
	return n;
}

const struct lsb_option *lsb_options_find(const struct lsb_option *table, const char *name)
{
	const size_t n = lsb_options_count(table);

	for (size_t i = 0; i < n; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

/* The place of `word` among "a|b|c". */
static int choice_parse(const char *choices, const char *word, uint32_t *index, struct lsb_error *err)
{
	const size_t length = strlen(word);
	uint32_t i = 0;

	for (const char *at = choices;; i++) {
		const size_t n = strcspn(at, "|");

		if (n == length && memcmp(at, word, n) == 0) {
			*index = i;
			return LSB_OK;
		}
		if (!at[n])
			break;
		at += n + 1;
	}
	return lsb_fail(err, LSB_ESUITE, 0, "'%s' is none of %s", word, choices);
}

int lsb_option_choice(const char *choices, uint32_t index, char *word, size_t bytes)
{
	size_t n = strcspn(choices, "|");

	for (; index > 0 && choices[n]; index--) {
		choices += n + 1;
		n = strcspn(choices, "|");
	}
	if (index > 0)
		return 0;
	(void)snprintf(word, bytes, "%.*s", (int)n, choices);
	return 1;
}

/* A bound as a suite would write it: 60s, 64KiB, 5. */
static void bound_print(uint32_t type, double value, char *out, size_t bytes)
{
	static const struct unit {
		const char *name;
		double factor;
	} times[] = { { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 }, { "ns", 1 } },
	  sizes[] = { { "GiB", 1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "B", 1 } };
	const struct unit *unit = type == LSB_OPT_TIME ? times : sizes;

	if (value == 0 || (type != LSB_OPT_TIME && type != LSB_OPT_SIZE)) {
		(void)snprintf(out, bytes, "%.15g", value);
		return;
	}
	while (unit->factor > 1 && fmod(value, unit->factor) != 0)
		unit++;
	(void)snprintf(out, bytes, "%.15g%s", value / unit->factor, unit->name);
}

int lsb_option_range(const struct lsb_option *o, char *out, size_t bytes)
{
	const int has_unit = o->unit && o->type != LSB_OPT_TIME && o->type != LSB_OPT_SIZE;
	char least[40], most[40];

	if (o->min == 0 && o->max == 0)
		return 0;
	bound_print(o->type, o->min, least, sizeof(least));
	bound_print(o->type, o->max, most, sizeof(most));
	(void)snprintf(out, bytes, "%s to %s%s%s", least, most, has_unit ? " " : "", has_unit ? o->unit : "");
	return 1;
}

static int range_check(const struct lsb_option *o, const char *text, double value, struct lsb_error *err)
{
	char range[128];

	if (!lsb_option_range(o, range, sizeof(range)) || (value >= o->min && value <= o->max))
		return LSB_OK;
	return lsb_fail(err, LSB_ESUITE, 0, "'%s' is out of range: %s", text, range);
}

/* Text to value, in range. Messages are about the text alone. */
static int value_parse(const struct lsb_option *o, const char *text, union option_value *v,
		       struct lsb_error *err)
{
	int rc;

	memset(v, 0, sizeof(*v));
	switch (o->type) {
	case LSB_OPT_BOOL:
		return lsb_parse_bool(text, &v->word, err);
	case LSB_OPT_INT:
		rc = lsb_parse_int(text, &v->integer, err);
		return rc ? rc : range_check(o, text, (double)v->integer, err);
	case LSB_OPT_REAL:
		rc = lsb_parse_real(text, &v->real, err);
		return rc ? rc : range_check(o, text, v->real, err);
	case LSB_OPT_SIZE:
		rc = lsb_parse_size(text, &v->quantity, err);
		return rc ? rc : range_check(o, text, (double)v->quantity, err);
	case LSB_OPT_TIME:
		rc = lsb_parse_time(text, &v->quantity, err);
		return rc ? rc : range_check(o, text, (double)v->quantity, err);
	case LSB_OPT_CHOICE:
		return choice_parse(o->choices, text, &v->word, err);
	default:
		v->text = text;
		return LSB_OK;
	}
}

/* A string's own copy, at the end of list[*n]; files made relative to `base`. NULL when out of memory. */
static const char *text_keep(const struct lsb_option *o, const char *text, const char *base, char **list,
			     size_t *n)
{
	if (o->type == LSB_OPT_FILE && base && *text && *text != '/')
		list[*n] = lsb_format("%s/%s", base, text);
	else
		list[*n] = strdup(text);
	return list[*n] ? list[(*n)++] : NULL;
}

/* The last setting of `name`, or NULL: later ones win. */
static const struct lsb_setting *setting_find(const struct lsb_setting *settings, size_t n, const char *name)
{
	while (n-- > 0)
		if (strcmp(settings[n].name, name) == 0)
			return &settings[n];
	return NULL;
}

static int unknown_option(const struct lsb_option *table, const struct lsb_setting *s, struct lsb_error *err)
{
	const char *names[LSB_OPTIONS_MAX], *near;
	const size_t n = lsb_options_count(table);

	for (size_t i = 0; i < n; i++)
		names[i] = table[i].name;
	near = lsb_nearest(s->name, names, n);
	return lsb_fail(err, LSB_ESUITE, 0, "%s%sunknown option '%s'%s%s%s", s->where ? s->where : "",
			s->where ? ": " : "", s->name, near ? " (did you mean '" : "", near ? near : "",
			near ? "'?)" : "");
}

/* One row of the table: from its setting or its default into its member. */
static int option_fill(const struct lsb_option *o, const struct lsb_setting *s, const char *base, char *out,
		       char **list, size_t *n, struct lsb_error *err)
{
	const char *where = s && s->where ? s->where : "", *colon = *where ? ": " : "";
	const char *text = s ? s->value : o->def;
	union option_value v;
	struct lsb_error why;

	if (!text)
		return lsb_fail(err, LSB_ESUITE, 0, "%s%soption '%s' must be set: %s", where, colon, o->name,
				o->help);
	if (value_parse(o, text, &v, &why))
		return lsb_fail(err, LSB_ESUITE, 0, "%s%soption '%s': %s", where, colon, o->name, why.msg);
	if (o->type == LSB_OPT_STRING || o->type == LSB_OPT_FILE) {
		v.text = text_keep(o, text, base, list, n);
		if (!v.text)
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory for option '%s'", o->name);
	}
	memcpy(out + o->offset, &v, types[o->type].bytes);
	return LSB_OK;
}

int lsb_options_parse(const struct lsb_option *table, const struct lsb_setting *settings, size_t n,
		      const char *base, void *out, size_t bytes, char ***strings, struct lsb_error *err)
{
	const size_t rows = lsb_options_count(table);
	char **list = calloc(rows + 1, sizeof(*list));
	size_t kept = 0;
	int rc = LSB_OK;

	if (!list)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for options");
	if (bytes)
		memset(out, 0, bytes);
	for (size_t i = 0; i < n && rc == LSB_OK; i++)
		if (!lsb_options_find(table, settings[i].name))
			rc = unknown_option(table, &settings[i], err);
	for (size_t i = 0; i < rows && rc == LSB_OK; i++)
		rc = option_fill(&table[i], setting_find(settings, n, table[i].name), base, out, list, &kept,
				 err);
	if (rc)
		lsb_options_free(list);
	else
		*strings = list;
	return rc;
}

void lsb_options_free(char **strings)
{
	for (char **at = strings; at && *at; at++)
		free(*at);
	free(strings);
}

/* --- tables that came from a plugin --------------------------------------- */

static int bounded(const char *text)
{
	return strnlen(text, LSB_PLUGIN_TEXT_MAX) < LSB_PLUGIN_TEXT_MAX;
}

static int option_name_valid(const char *name)
{
	const size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return length > 0 && length < LSB_PLUGIN_NAME_MAX && name[length] == '\0';
}

/* "a|b" has words, all of them non-empty. */
static int choices_valid(const char *choices)
{
	for (const char *at = choices;;) {
		const size_t n = strcspn(at, "|");

		if (n == 0)
			return 0;
		if (!at[n])
			return 1;
		at += n + 1;
	}
}

/* Does a row's member share bytes with that of another? */
static int members_overlap(const struct lsb_option *a, const struct lsb_option *b)
{
	return a->offset < b->offset + types[b->type].bytes && b->offset < a->offset + types[a->type].bytes;
}

static int row_check(const struct lsb_option *o, size_t options_size, struct lsb_error *why)
{
	union option_value v;
	struct lsb_error bad;
	size_t bytes;

	if (!bounded(o->name) || !option_name_valid(o->name))
		return lsb_fail(why, LSB_EPLUGIN, 0, "option '%.64s' has a bad name, wanted [a-z0-9_]+",
				o->name);
	if (!lsb_option_type_name(o->type))
		return lsb_fail(why, LSB_EPLUGIN, 0, "option '%s' has type %u, wanted 1 to %zu", o->name,
				o->type, LSB_COUNT(types) - 1);
	bytes = types[o->type].bytes;
	if (o->offset % bytes || o->offset > options_size || options_size - o->offset < bytes)
		return lsb_fail(why, LSB_EPLUGIN, 0,
				"option '%s' has offset %u, wanted a multiple of %zu inside the %zu bytes of "
				"options_size",
				o->name, o->offset, bytes, options_size);
	if (!o->help || !*o->help || !bounded(o->help) || (o->unit && !bounded(o->unit)) ||
	    (o->def && !bounded(o->def)))
		return lsb_fail(why, LSB_EPLUGIN, 0,
				"option '%s' has no help text, or a text of %d bytes or more", o->name,
				LSB_PLUGIN_TEXT_MAX);
	if ((o->type == LSB_OPT_CHOICE) != (o->choices != NULL) ||
	    (o->choices && (!bounded(o->choices) || !choices_valid(o->choices))))
		return lsb_fail(why, LSB_EPLUGIN, 0,
				"option '%s' has bad choices, wanted \"a|b|c\" for a choice and none "
				"otherwise",
				o->name);
	if (!isfinite(o->min) || !isfinite(o->max) || o->min > o->max)
		return lsb_fail(why, LSB_EPLUGIN, 0, "option '%s' has the range %g to %g", o->name, o->min,
				o->max);
	if (o->def && value_parse(o, o->def, &v, &bad))
		return lsb_fail(why, LSB_EPLUGIN, 0, "option '%s' has a bad default: %s", o->name, bad.msg);
	return LSB_OK;
}

int lsb_options_check(const struct lsb_option *table, size_t options_size, struct lsb_error *why)
{
	const size_t n = lsb_options_count(table);
	int rc;

	if (options_size > LSB_OPTIONS_BYTES_MAX)
		return lsb_fail(why, LSB_EPLUGIN, 0, "options_size is %zu, wanted at most %d", options_size,
				LSB_OPTIONS_BYTES_MAX);
	if (n == LSB_OPTIONS_MAX)
		return lsb_fail(why, LSB_EPLUGIN, 0,
				"its option table has no end within %d rows, wanted a last row { 0 }",
				LSB_OPTIONS_MAX);
	for (size_t i = 0; i < n; i++) {
		rc = row_check(&table[i], options_size, why);
		if (rc)
			return rc;
		for (size_t k = 0; k < i; k++) {
			if (strcmp(table[k].name, table[i].name) == 0)
				return lsb_fail(why, LSB_EPLUGIN, 0, "option '%s' is there twice",
						table[i].name);
			if (members_overlap(&table[k], &table[i]))
				return lsb_fail(why, LSB_EPLUGIN, 0,
						"options '%s' and '%s' share bytes of the options struct",
						table[k].name, table[i].name);
		}
	}
	return LSB_OK;
}
