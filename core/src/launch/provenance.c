/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/provenance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CACHE_FROM_BYTES = 16 << 20, CACHE_BYTES_MAX = 1 << 20, CACHE_ENTRIES_MAX = 1000 };

/* Path of the cache file, its folder made; NULL when there is no place for one. */
static char *cache_path(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *parent, *folder, *path = NULL;

	if (cache && *cache == '/')
		parent = lsb_format("%s", cache);
	else if (home && *home == '/')
		parent = lsb_format("%s/.cache", home);
	else
		return NULL;
	folder = parent ? lsb_format("%s/lsbench", parent) : NULL;
	if (folder && (mkdir(parent, 0700) == 0 || errno == EEXIST) &&
	    (mkdir(folder, 0700) == 0 || errno == EEXIST))
		path = lsb_format("%s/digests.json", folder);
	free(parent);
	free(folder);
	return path;
}

static json_t *cache_read(const char *path)
{
	char *text = NULL;
	size_t bytes;
	json_t *cache = NULL;

	if (path && lsb_file_read(path, CACHE_BYTES_MAX, &text, &bytes, NULL) == LSB_OK)
		cache = json_loadb(text, bytes, 0, NULL);
	free(text);
	if (json_is_object(cache) && json_object_size(cache) < CACHE_ENTRIES_MAX)
		return cache;
	json_decref(cache);
	return json_object();
}

static void cache_write(const char *path, const json_t *cache)
{
	char *text = json_dumps(cache, JSON_INDENT(1) | JSON_SORT_KEYS);

	if (path && text)
		(void)lsb_file_write(path, text, strlen(text), NULL); /* only costs time next time */
	free(text);
}

static void format_state(const struct stat *st, char out[LSB_FILE_STATE])
{
	(void)snprintf(out, LSB_FILE_STATE, "%llx:%llx:%llx:%llx.%09lx", (unsigned long long)st->st_dev,
		       (unsigned long long)st->st_ino, (unsigned long long)st->st_size,
		       (unsigned long long)st->st_mtim.tv_sec, (unsigned long)st->st_mtim.tv_nsec);
}

int lsb_provenance_model_state(const char *model, const char *base, char out[LSB_FILE_STATE])
{
	char *path = lsb_provenance_model_path(model, base);
	struct stat st;

	if (!path)
		return LSB_ENOMEM;
	*out = '\0';
	if (*path && stat(path, &st) == 0)
		format_state(&st, out);
	free(path);
	return LSB_OK;
}

int lsb_provenance_digest(const char *path, char hex[LSB_DIGEST_HEX], struct lsb_error *err)
{
	char key[LSB_FILE_STATE];
	const char *known;
	json_t *cache;
	struct stat st;
	char *file;
	int rc;

	if (stat(path, &st))
		return lsb_fail(err, LSB_EIO, errno, "cannot open '%s': %s", path, strerror(errno));
	if (st.st_size < CACHE_FROM_BYTES)
		return lsb_digest_file(path, hex, err);
	format_state(&st, key);
	file = cache_path();
	cache = cache_read(file);
	known = json_string_value(json_object_get(cache, key));
	if (known && strlen(known) == LSB_DIGEST_HEX - 1) {
		memcpy(hex, known, LSB_DIGEST_HEX);
		rc = LSB_OK;
	} else {
		rc = lsb_digest_file(path, hex, err);
		if (rc == LSB_OK) {
			json_object_set_new(cache, key, json_string(hex));
			cache_write(file, cache);
		}
	}
	json_decref(cache);
	free(file);
	return rc;
}

char *lsb_provenance_model_path(const char *model, const char *base)
{
	if (strncmp(model, "random:", 7) == 0)
		return strdup("");
	return *model == '/' || !base ? strdup(model) : lsb_format("%s/%s", base, model);
}

int lsb_provenance_model(const char *model, const char *base, char hex[LSB_DIGEST_HEX], struct lsb_error *err)
{
	char *path = lsb_provenance_model_path(model, base);
	int rc = LSB_OK;

	if (!path)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");
	if (*path)
		rc = lsb_provenance_digest(path, hex, err);
	else
		lsb_digest(model, strlen(model), hex);
	free(path);
	return rc;
}
