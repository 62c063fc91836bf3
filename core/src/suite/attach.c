/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a point names and another section describes: its plugins with their
 * options, and its hosts.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "suite/resolver.h"

/* --- plugins ---------------------------------------------------------- */

static int add_option(struct lsb_point_plugin *plugin, const char *name, const char *value,
		      struct lsb_place_in_suite at)
{
	struct lsb_point_option *options, *slot = NULL;
	struct lsb_point_option o = { .name = strdup(name),
				      .value = strdup(value),
				      .where = lsb_resolver_show_place(at) };

	for (size_t i = 0; i < plugin->n_options; i++)
		if (strcmp(plugin->options[i].name, name) == 0)
			slot = &plugin->options[i];
	if (slot) {
		free(slot->name);
		free(slot->value);
		free(slot->where);
	} else {
		options = realloc(plugin->options, (plugin->n_options + 1) * sizeof(*options));
		if (!options) {
			free(o.name);
			free(o.value);
			free(o.where);
			return LSB_ENOMEM;
		}
		plugin->options = options;
		slot = &options[plugin->n_options++];
	}
	*slot = o;
	return o.name && o.value && o.where ? LSB_OK : LSB_ENOMEM;
}

/* Options of [KIND X], and which plugin it is of. */
static int take_set(struct lsb_resolver *r, const struct lsb_named_set *set, struct lsb_point_plugin *plugin,
		    struct lsb_place_in_suite *at)
{
	for (size_t i = 0; i < set->section->n_pairs; i++) {
		const struct lsb_ini_pair *pair = &set->section->pairs[i];
		const struct lsb_place_in_suite place = lsb_source_place(r->source, pair->line);
		char *value = lsb_resolver_expand(r, pair->key, pair->value, 0, place);
		int rc = LSB_OK;

		if (!value)
			continue;
		if (strcmp(pair->key, "plugin") == 0) {
			free(plugin->name);
			plugin->name = value;
			*at = place;
			continue;
		}
		rc = add_option(plugin, pair->key, value, place);
		free(value);
		if (rc)
			return rc;
	}
	return LSB_OK;
}

/* NAME or NAME:INNER, as files are named. */
static int is_plugin_name(const char *name)
{
	size_t part = 0, parts = 1;

	for (; *name; name++) {
		if (*name == ':') {
			if (part == 0 || ++parts > 4)
				return 0;
			part = 0;
		} else if (islower((unsigned char)*name) || isdigit((unsigned char)*name) || *name == '-') {
			if (++part > 63)
				return 0;
		} else {
			return 0;
		}
	}
	return part > 0;
}

/* The value noted for key `kind` becomes the plugin's own name, whatever the set is called. */
static int rename_value(struct lsb_point *p, const char *kind, const char *name)
{
	for (size_t i = 0; i < p->n_values; i++) {
		char *copy;

		if (strcmp(p->values[i].key, kind) != 0)
			continue;
		copy = strdup(name);
		if (!copy)
			return LSB_ENOMEM;
		free(p->values[i].value);
		p->values[i].value = copy;
	}
	return LSB_OK;
}

static int compare_options(const void *a, const void *b)
{
	return strcmp(((const struct lsb_point_option *)a)->name, ((const struct lsb_point_option *)b)->name);
}

static int resolve_plugin(struct lsb_resolver *r, const char *kind, struct lsb_point_plugin *plugin,
			  struct lsb_point *p)
{
	const struct lsb_named_set *set;
	struct lsb_place_in_suite at = lsb_source_place(r->source, r->c->section->line);
	const char *value, *option, *prefix;
	int literal, rc = LSB_OK;
	const struct lsb_binding *b = lsb_resolver_find(r, kind, &value, &literal);

	if (!plugin->name)
		return LSB_OK; /* already found wrong */
	if (b)
		at = b->at;
	set = lsb_source_set(r->source, kind, plugin->name);
	if (set)
		rc = take_set(r, set, plugin, &at);
	for (size_t i = 0; i < r->c->bindings.n && rc == LSB_OK; i++) {
		const struct lsb_binding *o = &r->c->bindings.items[i];
		char *text;

		prefix = lsb_plugin_prefix(o->key, &option);
		if (!prefix || strcmp(prefix, kind) != 0)
			continue;
		(void)lsb_resolver_find(r, o->key, &value, &literal);
		text = lsb_resolver_expand(r, o->key, value, literal, o->at);
		if (text)
			rc = add_option(plugin, option, text, o->at);
		free(text);
	}
	if (rc)
		return rc;
	if (!is_plugin_name(plugin->name))
		lsb_diagnose(r->source->diag, at,
			     "%s = %s is not a plugin's name (small letters, digits, '-'; "
			     "WRAPPER:NAME for one in another)",
			     kind, plugin->name);
	else
		lsb_names_check_plugin(r->source, kind, plugin->name, at);
	if (plugin->n_options)
		qsort(plugin->options, plugin->n_options, sizeof(*plugin->options), compare_options);
	return rename_value(p, kind, plugin->name);
}

static int note_options(struct lsb_point *p, const char *kind, const struct lsb_point_plugin *plugin)
{
	for (size_t i = 0; i < plugin->n_options; i++) {
		const struct lsb_point_option *o = &plugin->options[i];
		char *key = lsb_format("%s.%s", kind, o->name);
		const int rc = key ? lsb_resolver_note(p, key, strdup(o->value),
						       (struct lsb_place_in_suite){ .file = o->where }, 1)
				   : LSB_ENOMEM;

		free(key);
		if (rc)
			return rc;
	}
	return LSB_OK;
}

/* --- hosts ------------------------------------------------------------ */

static int add_host(struct lsb_point *p, const char *name)
{
	char **hosts = realloc(p->hosts, (p->n_hosts + 1) * sizeof(*hosts));

	if (!hosts)
		return LSB_ENOMEM;
	p->hosts = hosts;
	hosts[p->n_hosts] = strdup(name);
	return hosts[p->n_hosts] ? (p->n_hosts++, LSB_OK) : LSB_ENOMEM;
}

/* "alpha" or "alpha:2". */
static int add_host_item(struct lsb_resolver *r, struct lsb_point *p, char *item,
			 struct lsb_place_in_suite at)
{
	char *colon = strrchr(item, ':');
	struct lsb_error err;
	int64_t ranks = 1;
	int rc = LSB_OK;

	if (colon) {
		*colon = '\0';
		if (lsb_parse_int(colon + 1, &ranks, &err) || ranks < 1 || ranks > 1024) {
			lsb_diagnose(r->source->diag, at, "host '%s' takes '%s' ranks (1 to 1024)", item,
				     colon + 1);
			return LSB_OK;
		}
	}
	for (const char *c = item; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c)) {
			lsb_diagnose(r->source->diag, at, "'%s' is not a host name", item);
			return LSB_OK;
		}
	/* a name that ssh or mpirun would take for an option */
	if (!isalnum((unsigned char)*item)) {
		lsb_diagnose(r->source->diag, at, "'%s' is not a host name", item);
		return LSB_OK;
	}
	while (rc == LSB_OK && ranks--)
		rc = add_host(p, item);
	return rc;
}

/* `list` of [hosts X]: a host for each rank. */
static int take_list(struct lsb_resolver *r, struct lsb_point *p, const char *text,
		     struct lsb_place_in_suite at)
{
	struct lsb_list list = { 0 };
	struct lsb_error err;
	int rc = LSB_OK;

	if (lsb_list_parse(text, &list, &err))
		lsb_diagnose(r->source->diag, at, "list: %s", err.msg);
	for (size_t i = 0; i < list.n && rc == LSB_OK; i++)
		rc = add_host_item(r, p, list.items[i], at);
	lsb_list_free(&list);
	return rc;
}

/* A relative path starts at the suite's folder; takes `path`. NULL without memory. */
static char *from_suite(const struct lsb_resolver *r, char *path)
{
	const char *suite = r->source->request->path, *slash = strrchr(suite, '/');
	char *whole;

	if (*path == '/' || !slash)
		return path;
	whole = lsb_format("%.*s/%s", (int)(slash - suite), suite, path);
	free(path);
	return whole;
}

/* Any other key of [hosts X]. */
static int take_site(struct lsb_resolver *r, struct lsb_point *p, const char *name, char *text,
		     struct lsb_place_in_suite at)
{
	const struct lsb_suite_key *key = lsb_key_find(&lsb_hosts_keys, name);
	char *canonical = NULL;
	struct lsb_error err;
	int rc;

	if (!key) { /* already found wrong */
		free(text);
		return LSB_OK;
	}
	if (!*text) {
		lsb_diagnose(r->source->diag, at, "%s has no value", name);
		free(text);
		return LSB_OK;
	}
	if (key->type == LSB_KEY_FILE)
		text = from_suite(r, text);
	if (!text)
		return LSB_ENOMEM;
	rc = lsb_key_fill(key, text, &p->site, &canonical, &err);
	if (rc == LSB_ESUITE) {
		lsb_diagnose(r->source->diag, at, "%s", err.msg);
		rc = LSB_OK;
	}
	free(canonical);
	free(text);
	return rc;
}

static int resolve_hosts(struct lsb_resolver *r, struct lsb_point *p)
{
	const char *value = NULL;
	int literal, rc = LSB_OK;
	const struct lsb_binding *b = lsb_resolver_find(r, "hosts", &value, &literal);
	const struct lsb_named_set *set;
	char *name = b ? lsb_resolver_expand(r, "hosts", value, literal, b->at) : NULL;

	if (!name || strcmp(name, "none") == 0)
		goto done;
	set = lsb_source_set(r->source, "hosts", name);
	if (!set)
		lsb_diagnose(r->source->diag, b->at, "unknown hosts '%s': there is no section [hosts %s]",
			     name, name);
	for (size_t i = 0; set && i < set->section->n_pairs && rc == LSB_OK; i++) {
		const struct lsb_ini_pair *pair = &set->section->pairs[i];
		const struct lsb_place_in_suite at = lsb_source_place(r->source, pair->line);
		char *text = lsb_resolver_expand(r, pair->key, pair->value, 0, at);

		if (!text)
			continue;
		if (strcmp(pair->key, "list") == 0) {
			rc = take_list(r, p, text, at);
			free(text);
		} else {
			rc = take_site(r, p, pair->key, text, at);
		}
	}
done:
	free(name);
	return rc;
}

int lsb_resolver_attach(struct lsb_resolver *r, struct lsb_point *p)
{
	const struct {
		const char *kind;
		struct lsb_point_plugin *plugin;
	} parts[] = { { "backend", &p->backend },
		      { "transport", &p->transport },
		      { "workload", &p->workload } };
	int rc = LSB_OK;

	for (size_t i = 0; i < LSB_COUNT(parts) && rc == LSB_OK; i++) {
		rc = resolve_plugin(r, parts[i].kind, parts[i].plugin, p);
		if (rc == LSB_OK)
			rc = note_options(p, parts[i].kind, parts[i].plugin);
	}
	return rc == LSB_OK ? resolve_hosts(r, p) : rc;
}
