/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which plugins there are, by the names of their files alone: so that a
 * misspelled one is a finding in the suite. Nothing is opened.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "plugin/loader.h"
#include "suite/parts.h"

struct names {
	char **items;
	size_t n;
};

static void add_name(struct names *names, const char *text, size_t n)
{
	char *copy = strndup(text, n);
	char **items = copy ? realloc(names->items, (names->n + 1) * sizeof(*items)) : NULL;

	if (!items) {
		free(copy); /* a name fewer to suggest; what is looked for is looked for by itself */
		return;
	}
	names->items = items;
	items[names->n++] = copy;
}

/* Names of lsbench-KIND-NAME.so in one folder; one that cannot be read has none. */
static void list_folder(const char *folder, const char *kind, struct names *out)
{
	char prefix[64];
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	size_t skip;

	if (!dir)
		return;
	(void)snprintf(prefix, sizeof(prefix), "lsbench-%s-", kind);
	skip = strlen(prefix);
	while ((entry = readdir(dir))) {
		const size_t n = strlen(entry->d_name);

		if (n > skip + 3 && strncmp(entry->d_name, prefix, skip) == 0 &&
		    strcmp(entry->d_name + n - 3, ".so") == 0)
			add_name(out, entry->d_name + skip, n - skip - 3);
	}
	closedir(dir);
}

static void list_plugins(const struct lsb_source *source, const char *kind, struct names *out)
{
	char *folders = strdup(source->request->folders);

	if (!folders)
		return;
	for (char *save, *folder = strtok_r(folders, ":", &save); folder; folder = strtok_r(NULL, ":", &save))
		list_folder(folder, kind, out);
	free(folders);
}

static int has_name(const struct names *names, const char *text)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->items[i], text) == 0)
			return 1;
	return 0;
}

/* "fault:tcp" is two plugins. */
void lsb_names_check_plugin(const struct lsb_source *source, const char *kind, const char *name,
			    struct lsb_place_in_suite at)
{
	struct names known = { 0 };
	char what[64];
	char *copy;

	if (!source->request->folders)
		return;
	copy = strdup(name);
	if (!copy)
		return;
	list_plugins(source, kind, &known);
	(void)snprintf(what, sizeof(what), "unknown %s", kind);
	for (char *save, *part = strtok_r(copy, ":", &save); part; part = strtok_r(NULL, ":", &save)) {
		size_t files = known.n;

		/* What was not built here is no misspelling: its points are waived, and say why. */
		if (has_name(&known, part) || lsb_plugin_optional(kind, part))
			continue;
		for (size_t i = 0; i < source->n_sets; i++)
			if (strcmp(source->sets[i].kind, kind) == 0)
				add_name(&known, source->sets[i].name, strlen(source->sets[i].name));
		lsb_diagnose_unknown(source->diag, at, what, part, (const char *const *)known.items, known.n);
		while (known.n > files)
			free(known.items[--known.n]);
	}
	while (known.n)
		free(known.items[--known.n]);
	free(known.items);
	free(copy);
}
