/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening plugin files, chains of them, and giving them their options.
 *
 * A file that was opened is never closed again: its constructors may have
 * started threads or registered handlers that live in its code.
 */
#include "plugin/loader.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "plugin/parts.h"

/* dlerror's words, without the path that it may begin with. */
static const char *open_error(const char *path)
{
	const char *text = dlerror();
	const size_t length = strlen(path);

	if (!text)
		return "unknown reason";
	return strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0 ? text + length + 2
											: text;
}

/* The descriptor in `handle`, and how many bytes its symbol has (0: unknown). */
static const struct lsb_plugin *symbol_find(const char *path, void *handle, size_t *bytes,
					    struct lsb_error *err)
{
	const struct lsb_plugin *found = dlsym(handle, LSB_PLUGIN_SYMBOL);
	ElfW(Sym) *symbol = NULL;
	Dl_info info;

	*bytes = 0;
	if (found) {
		if (dladdr1(found, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol &&
		    info.dli_saddr == (const void *)found)
			*bytes = symbol->st_size;
		return found;
	}
	for (int major = 2; major < 10; major++) {
		char other[] = "lsb_plugin_v?";

		other[sizeof(other) - 2] = (char)('0' + major);
		if (!dlsym(handle, other))
			continue;
		lsb_plugin_refuse(path, err,
				  "it exports %s, wanted %s; rebuild it with this lsbench's headers", other,
				  LSB_PLUGIN_SYMBOL);
		return NULL;
	}
	lsb_plugin_refuse(path, err, "it exports no %s, wanted in every plugin; is it one?",
			  LSB_PLUGIN_SYMBOL);
	return NULL;
}

int lsb_plugin_load_file(const char *path, struct lsb_loaded **out, struct lsb_error *err)
{
	/* Without a slash dlopen would search the system's library folders. */
	char *file = lsb_format("%s%s", strchr(path, '/') ? "" : "./", path);
	struct lsb_loaded *l = calloc(1, sizeof(*l));
	struct lsb_loaded_state *state = calloc(1, sizeof(*state));
	const struct lsb_plugin *theirs;
	struct stat st;
	size_t bytes;
	void *handle;
	int rc;

	if (!file || !l || !state) {
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory to open plugin '%s'", path);
		goto fail;
	}
	if (stat(file, &st) == 0 && !S_ISREG(st.st_mode)) {
		/* dlopen would wait for a FIFO's writer */
		rc = lsb_plugin_refuse(file, err, "it cannot be opened: not a regular file");
		goto fail;
	}
	handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		rc = lsb_plugin_refuse(file, err, "it cannot be opened: %s", open_error(file));
		goto fail;
	}
	theirs = symbol_find(file, handle, &bytes, err);
	rc = theirs ? lsb_descriptor_check(file, theirs, bytes, l, err) : LSB_EPLUGIN;
	if (rc)
		goto fail;
	if ((l->plugin.flags & LSB_PLUGIN_GLOBAL) && !dlopen(file, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL)) {
		rc = lsb_plugin_refuse(file, err, "its symbols cannot be made global: %s", open_error(file));
		goto fail;
	}
	*state = (struct lsb_loaded_state){ .self = l };
	l->state = state;
	lsb_host_init(l);
	free(file);
	*out = l;
	return LSB_OK;
fail:
	free(state);
	free(l);
	free(file);
	return rc;
}

int lsb_plugin_load(enum lsb_kind kind, const char *name, const char *folders, struct lsb_loaded **out,
		    struct lsb_error *err)
{
	char link[LSB_PLUGIN_NAME_MAX], path[4096];
	struct lsb_loaded *first = NULL, **tail = &first;
	const char *at = name, *rest;
	int rc = LSB_OK;

	for (int links = 0; at; at = rest, links++) {
		if (!lsb_chain_cut(at, link, &rest) || links == LSB_CHAIN_MAX) {
			rc = lsb_fail(err, LSB_EPLUGIN, 0,
				      "'%.128s' is not the name of a %s, wanted [a-z0-9-]+, or up to %d of "
				      "them as in fault:tcp",
				      name, lsb_kind_name(kind), LSB_CHAIN_MAX);
			goto fail;
		}
		rc = lsb_plugin_find(kind, link, folders, path, sizeof(path), err);
		if (rc == LSB_OK)
			rc = lsb_plugin_load_file(path, tail, err);
		if (rc)
			goto fail;
		if (rest && !((*tail)->plugin.flags & LSB_PLUGIN_INTERPOSER)) {
			rc = lsb_fail(err, LSB_EPLUGIN, 0,
				      "%s '%s' wraps no other: '%s' cannot stand behind it",
				      lsb_kind_name(kind), link, rest);
			goto fail;
		}
		if (!rest && ((*tail)->plugin.flags & LSB_PLUGIN_INTERPOSER)) {
			rc = lsb_fail(err, LSB_EPLUGIN, 0, "%s '%s' only wraps another: write %s:NAME",
				      lsb_kind_name(kind), link, name);
			goto fail;
		}
		tail = &(*tail)->inner;
	}
	*out = first;
	return LSB_OK;
fail:
	lsb_loaded_free(first);
	return rc;
}

/* Which of the chain knows the option `name`; NULL if none. */
static struct lsb_loaded *chain_knows(struct lsb_loaded *l, const char *name)
{
	while (l && !lsb_options_find(l->plugin.options, name))
		l = l->inner;
	return l;
}

static int unknown_option(const struct lsb_loaded *l, const struct lsb_setting *s, struct lsb_error *err)
{
	const char *names[LSB_CHAIN_MAX * LSB_OPTIONS_MAX], *near;
	const char *kind = lsb_kind_name((enum lsb_kind)l->plugin.kind), *name = l->plugin.name;
	size_t n = 0;

	for (const struct lsb_loaded *at = l; at; at = at->inner)
		for (size_t i = 0; i < lsb_options_count(at->plugin.options); i++)
			names[n++] = at->plugin.options[i].name;
	near = lsb_nearest(s->name, names, n);
	return lsb_fail(err, LSB_ESUITE, 0,
			"%s%s%s '%s' has no option '%s'%s%s%s; 'lsbench describe %s-%s' lists them",
			s->where ? s->where : "", s->where ? ": " : "", kind, name, s->name,
			near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "", kind, name);
}

/* Fill one plugin's options from those `settings` that are its own. */
static int options_fill(struct lsb_loaded *l, struct lsb_loaded *chain, const struct lsb_setting *settings,
			size_t n, const char *base, struct lsb_error *err)
{
	struct lsb_loaded_state *state = l->state;
	struct lsb_setting *own = calloc(n + 1, sizeof(*own));
	char **strings = NULL;
	void *options = calloc(1, l->plugin.options_size + 1);
	size_t n_own = 0;
	int rc = LSB_ENOMEM;

	if (!own || !options) {
		lsb_fail(err, rc, 0, "no memory for the options of '%s'", l->plugin.name);
		goto done;
	}
	for (size_t i = 0; i < n; i++)
		if (chain_knows(chain, settings[i].name) == l)
			own[n_own++] = settings[i];
	rc = lsb_options_parse(l->plugin.options, own, n_own, base, options, l->plugin.options_size, &strings,
			       err);
	if (rc)
		goto done;
	lsb_options_free(state->strings);
	free(l->options);
	state->strings = strings;
	l->options = options;
	options = NULL;
done:
	free(options);
	free(own);
	return rc;
}

int lsb_loaded_configure(struct lsb_loaded *l, const struct lsb_setting *settings, size_t n, const char *base,
			 struct lsb_error *err)
{
	for (size_t i = 0; i < n; i++)
		if (!chain_knows(l, settings[i].name))
			return unknown_option(l, &settings[i], err);
	for (struct lsb_loaded *at = l; at; at = at->inner) {
		const int rc = options_fill(at, l, settings, n, base, err);

		if (rc)
			return rc;
	}
	return LSB_OK;
}

int lsb_loaded_choice(const struct lsb_loaded *l, const char *name, char *word, size_t bytes)
{
	const struct lsb_option *o = NULL;
	uint32_t index;

	while (l && !(o = lsb_options_find(l->plugin.options, name)))
		l = l->inner;
	if (!o || o->type != LSB_OPT_CHOICE || !l->options)
		return 0;
	memcpy(&index, (const char *)l->options + o->offset, sizeof(index));
	return lsb_option_choice(o->choices, index, word, bytes);
}

int lsb_loaded_needs_mpirun(const struct lsb_loaded *l)
{
	for (; l; l = l->inner)
		if (l->plugin.kind == LSB_TRANSPORT && (l->ops.transport.flags & LSB_TRANSPORT_NEEDS_MPIRUN))
			return 1;
	return 0;
}

const char *lsb_loaded_pmi(const struct lsb_loaded *l)
{
	for (; l && l->plugin.kind == LSB_TRANSPORT; l = l->inner) {
		if (l->ops.transport.flags & LSB_TRANSPORT_SPEAKS_PMIX)
			return "pmix";
		if (l->ops.transport.flags & LSB_TRANSPORT_SPEAKS_PMI2)
			return "pmi2";
	}
	return NULL;
}

void lsb_loaded_free(struct lsb_loaded *l)
{
	while (l) {
		struct lsb_loaded *inner = l->inner;
		struct lsb_loaded_state *state = l->state;

		lsb_options_free(state->strings);
		free(state);
		free(l->options);
		free(l);
		l = inner;
	}
}

int lsb_plugin_result(const struct lsb_loaded *l, const char *operation, int rc, struct lsb_error *err)
{
	if (rc == LSB_OK)
		return LSB_OK;
	err->msg[sizeof(err->msg) - 1] = '\0';
	if (rc > 0 || rc < LSB_EPROTO)
		return lsb_fail(err, LSB_EPLUGIN, 0, "%s '%s' returned %d from %s, which is no status",
				lsb_kind_name((enum lsb_kind)l->plugin.kind), l->plugin.name, rc, operation);
	if (!err->msg[0])
		return lsb_fail(err, rc, 0, "%s '%s' failed in %s (status %d) and did not say why",
				lsb_kind_name((enum lsb_kind)l->plugin.kind), l->plugin.name, operation, rc);
	err->code = rc;
	return rc;
}
