/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugin names, their files and the folders these lie in. Opens no plugin.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "plugin/parts.h"

enum { FILES_MAX = 1024, FOLDER_MAX = 4096 };

static const char prefix[] = "lsbench-", suffix[] = ".so";
static const char *const kind_names[] = {
	[LSB_BACKEND] = "backend",
	[LSB_TRANSPORT] = "transport",
	[LSB_WORKLOAD] = "workload",
};

const char *lsb_kind_name(enum lsb_kind kind)
{
	return (size_t)kind < LSB_COUNT(kind_names) ? kind_names[kind] : NULL;
}

enum lsb_kind lsb_kind_parse(const char *name)
{
	for (size_t i = 0; i < LSB_COUNT(kind_names); i++)
		if (kind_names[i] && strcmp(kind_names[i], name) == 0)
			return (enum lsb_kind)i;
	return (enum lsb_kind)0;
}

int lsb_plugin_name_valid(const char *name)
{
	const size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return length > 0 && length < LSB_PLUGIN_NAME_MAX && name[length] == '\0';
}

int lsb_plugin_file_parse(const char *path, enum lsb_kind *kind, char name[LSB_PLUGIN_NAME_MAX])
{
	const char *slash = strrchr(path, '/');
	const char *at = slash ? slash + 1 : path;
	size_t length;

	if (strncmp(at, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	at += sizeof(prefix) - 1;
	for (size_t i = 0; i < LSB_COUNT(kind_names); i++) {
		const size_t n = kind_names[i] ? strlen(kind_names[i]) : 0;

		if (n == 0 || strncmp(at, kind_names[i], n) != 0 || at[n] != '-')
			continue;
		at += n + 1;
		length = strlen(at);
		if (length < sizeof(suffix) || strcmp(at + length - (sizeof(suffix) - 1), suffix) != 0)
			return 0;
		length -= sizeof(suffix) - 1;
		if (length >= LSB_PLUGIN_NAME_MAX)
			return 0;
		memcpy(name, at, length);
		name[length] = '\0';
		*kind = (enum lsb_kind)i;
		return lsb_plugin_name_valid(name);
	}
	return 0;
}

int lsb_chain_cut(const char *chain, char link[LSB_PLUGIN_NAME_MAX], const char **rest)
{
	const size_t length = strcspn(chain, ":");

	if (length >= LSB_PLUGIN_NAME_MAX)
		return 0;
	memcpy(link, chain, length);
	link[length] = '\0';
	*rest = chain[length] ? chain + length + 1 : NULL;
	return lsb_plugin_name_valid(link);
}

/*
 * The next folder of a ':'-separated list into `folder`; 0 at its end. Empty and over-long ones are skipped.
 */
static int folder_next(const char **list, char folder[FOLDER_MAX])
{
	while (**list) {
		const char *at = *list;
		const size_t length = strcspn(at, ":");

		*list = at + length + (at[length] == ':');
		if (length == 0 || length >= FOLDER_MAX)
			continue;
		memcpy(folder, at, length);
		folder[length] = '\0';
		return 1;
	}
	return 0;
}

/* All folders that a user has named are there: a typing error must not measure another plugin. */
static int folders_check(const char *list, struct lsb_error *err)
{
	char folder[FOLDER_MAX];
	struct stat st;

	while (folder_next(&list, folder))
		if (stat(folder, &st) || !S_ISDIR(st.st_mode))
			return lsb_fail(err, LSB_ESUITE, errno,
					"there is no plugin folder '%s' (from --plugins or LSBENCH_PLUGINS)",
					folder);
	return LSB_OK;
}

int lsb_plugin_folders(const char *extra, char *out, size_t bytes, struct lsb_error *err)
{
	char self[FOLDER_MAX];
	int n, rc = lsb_self_folder(self, sizeof(self), err);

	if (!extra)
		extra = getenv("LSBENCH_PLUGINS");
	if (!extra)
		extra = "";
	if (rc == LSB_OK)
		rc = folders_check(extra, err);
	if (rc)
		return rc;
	n = snprintf(out, bytes, "%s%s%s/plugins:%s/%s", extra, *extra ? ":" : "", self, self,
		     LSB_PLUGINS_FROM_BIN);
	if (n < 0 || (size_t)n >= bytes)
		return lsb_fail(err, LSB_EINVAL, 0, "the list of plugin folders is longer than %zu bytes",
				bytes - 1);
	return LSB_OK;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Append the plugin files of one folder to list[*n], which has room for FILES_MAX and a NULL. */
static int files_add(const char *folder, char **list, size_t *n, struct lsb_error *err)
{
	DIR *dir = opendir(folder);
	const size_t first = *n;
	const struct dirent *entry;
	int rc = LSB_OK;

	if (!dir)
		return LSB_OK; /* a folder that is not there holds no plugins */
	while ((entry = readdir(dir))) {
		char name[LSB_PLUGIN_NAME_MAX];
		enum lsb_kind kind;

		if (!lsb_plugin_file_parse(entry->d_name, &kind, name))
			continue;
		if (*n == FILES_MAX) {
			rc = lsb_fail(err, LSB_EPLUGIN, 0, "more than %d plugin files, the last in '%s'",
				      FILES_MAX, folder);
			break;
		}
		list[*n] = lsb_format("%s/%s", folder, entry->d_name);
		if (!list[*n]) {
			rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory to list plugins");
			break;
		}
		(*n)++;
	}
	closedir(dir);
	qsort(list + first, *n - first, sizeof(*list), by_text);
	return rc;
}

int lsb_plugin_files(const char *folders, char ***paths, struct lsb_error *err)
{
	char folder[FOLDER_MAX];
	char **list = calloc(FILES_MAX + 1, sizeof(*list));
	size_t n = 0;
	int rc = LSB_OK;

	if (!list)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to list plugins");
	while (rc == LSB_OK && folder_next(&folders, folder))
		rc = files_add(folder, list, &n, err);
	if (rc)
		lsb_options_free(list);
	else
		*paths = list;
	return rc;
}

/* The name of `kind` among `paths` that is nearest to `name`, into `out`; 0 if none is. */
static int name_nearest(enum lsb_kind kind, const char *name, char *const *paths,
			char out[LSB_PLUGIN_NAME_MAX])
{
	int found = 0;

	for (; *paths; paths++) {
		char other[LSB_PLUGIN_NAME_MAX];
		const char *pair[2] = { other, out };
		enum lsb_kind other_kind;

		if (!lsb_plugin_file_parse(*paths, &other_kind, other) || other_kind != kind)
			continue;
		/* Of two equally near ones lsb_nearest takes the first: keep the one we have. */
		if (found) {
			pair[0] = out;
			pair[1] = other;
		}
		if (lsb_nearest(name, pair, found ? 2 : 1) == other) {
			memcpy(out, other, sizeof(other));
			found = 1;
		}
	}
	return found;
}

const char *lsb_plugin_optional(const char *kind, const char *name)
{
	static const struct {
		const char *kind, *name, *needs;
	} optional[] = {
		{ "transport", "mpi",
		  "an MPI library with its headers (in Debian libopenmpi-dev and openmpi-bin)" },
		{ "backend", "cuda", "the CUDA toolkit (nvcc)" },
	};

	for (size_t i = 0; i < LSB_COUNT(optional); i++)
		if (strcmp(optional[i].kind, kind) == 0 && strcmp(optional[i].name, name) == 0)
			return optional[i].needs;
	return NULL;
}

int lsb_plugin_find(enum lsb_kind kind, const char *name, const char *folders, char *path, size_t bytes,
		    struct lsb_error *err)
{
	char folder[FOLDER_MAX], near[LSB_PLUGIN_NAME_MAX] = "", hint[LSB_PLUGIN_NAME_MAX + 32] = "";
	const char *list = folders, *needs = lsb_plugin_optional(kind_names[kind], name);
	char **paths = NULL;

	while (folder_next(&list, folder)) {
		const int n =
			snprintf(path, bytes, "%s/%s%s-%s%s", folder, prefix, kind_names[kind], name, suffix);

		if (n > 0 && (size_t)n < bytes && access(path, F_OK) == 0)
			return LSB_OK;
	}
	if (needs)
		return lsb_fail(
			err, LSB_EUNAVAIL, ENOENT,
			"%s '%s' is not part of this build: it needs %s; install that and build lsbench "
			"again",
			kind_names[kind], name, needs);
	if (lsb_plugin_files(folders, &paths, NULL) == LSB_OK) {
		if (name_nearest(kind, name, paths, near))
			(void)snprintf(hint, sizeof(hint), " (did you mean '%s'?)", near);
		lsb_options_free(paths);
	}
	return lsb_fail(err, LSB_EPLUGIN, ENOENT, "no %s '%s'%s: there is no file %s%s-%s%s in %s",
			kind_names[kind], name, hint, prefix, kind_names[kind], name, suffix, folders);
}
