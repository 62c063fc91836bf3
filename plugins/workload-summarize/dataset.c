/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lsbench/host.h"

enum { ITEMS_MAX = 1 << 20, LINE_MAX_BYTES = 16 << 20, ARRAY_MAX_BYTES = 1 << 30 };

void lsb_dataset_close(struct lsb_dataset *set)
{
	for (size_t i = 0; i < set->n; i++) {
		free(set->items[i].id);
		free(set->items[i].article);
		free(set->items[i].reference);
	}
	free(set->items);
	*set = (struct lsb_dataset){ 0 };
}

/* The first of `keys` that `object` has as a string; NULL without any. */
static const char *first_string(const json_t *object, const char *const *keys)
{
	for (; *keys; keys++) {
		const char *value = json_string_value(json_object_get(object, *keys));

		if (value)
			return value;
	}
	return NULL;
}

static int copy_string(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -1 : 0;
}

/* An id as text, whether it was written as a string or a number; the item's number when there is none. */
static char *item_id(const json_t *object, size_t index)
{
	const json_t *id = json_object_get(object, "id");
	char text[32];

	if (json_is_string(id))
		return strdup(json_string_value(id));
	(void)snprintf(text, sizeof(text), "%lld",
		       json_is_integer(id) ? (long long)json_integer_value(id) : (long long)index);
	return strdup(text);
}

/* Add one object; `path` and `line` are for messages. */
static int add_item(struct lsb_dataset *set, const json_t *object, const char *path, size_t line,
		    struct lsb_error *err)
{
	static const char *const articles[] = { "article", "document", "text", "input", NULL };
	static const char *const references[] = { "reference", "highlights", "summary", "output", NULL };
	struct lsb_item *item;

	if (!json_is_object(object))
		return lsb_fail(err, LSB_EINVAL, 0, "%s:%zu: not a JSON object", path, line);
	if (!first_string(object, articles) && !first_string(object, references))
		return lsb_fail(err, LSB_EINVAL, 0,
				"%s:%zu: neither an \"article\" nor a \"reference\" that is a string", path,
				line);
	if (set->n == ITEMS_MAX)
		return lsb_fail(err, LSB_EINVAL, 0, "%s:%zu: more than %d items", path, line, ITEMS_MAX);
	if (set->n == set->room) {
		const size_t room = set->room ? 2 * set->room : 64;
		struct lsb_item *items = realloc(set->items, room * sizeof(*items));

		if (!items)
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the items of '%s'", path);
		set->items = items;
		set->room = room;
	}
	item = &set->items[set->n];
	*item = (struct lsb_item){ .id = item_id(object, set->n) };
	set->n++;
	if (!item->id || copy_string(first_string(object, articles), &item->article) ||
	    copy_string(first_string(object, references), &item->reference))
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the items of '%s'", path);
	return LSB_OK;
}

/* One line of JSONL; blank ones are passed over. */
static int add_line(struct lsb_dataset *set, const char *text, size_t bytes, const char *path, size_t line,
		    struct lsb_error *err)
{
	json_error_t where;
	json_t *object;
	int rc;

	if (strspn(text, " \t\r\n") == bytes)
		return LSB_OK;
	object = json_loadb(text, bytes, 0, &where);
	if (!object)
		return lsb_fail(err, LSB_EINVAL, 0, "%s:%zu: %s", path, line, where.text);
	rc = add_item(set, object, path, line, err);
	json_decref(object);
	return rc;
}

static int read_lines(struct lsb_dataset *set, FILE *file, const char *path, struct lsb_error *err)
{
	char *text = NULL;
	size_t room = 0, line = 0;
	ssize_t bytes;
	int rc = LSB_OK;

	errno = 0;
	while (rc == LSB_OK && (bytes = getline(&text, &room, file)) > 0) {
		line++;
		if (bytes > LINE_MAX_BYTES)
			rc = lsb_fail(err, LSB_EINVAL, 0, "%s:%zu: a line of %zd bytes; at most %d", path,
				      line, bytes, LINE_MAX_BYTES);
		else
			rc = add_line(set, text, (size_t)bytes, path, line, err);
	}
	if (rc == LSB_OK && ferror(file))
		rc = lsb_fail(err, LSB_EIO, errno, "cannot read '%s': %s", path, strerror(errno));
	free(text);
	return rc;
}

/* One JSON array of objects. */
static int read_array(struct lsb_dataset *set, FILE *file, const char *path, struct lsb_error *err)
{
	json_error_t where;
	json_t *array, *object;
	size_t i;
	int rc = LSB_OK;

	if (fseeko(file, 0, SEEK_END) == 0 && ftello(file) > ARRAY_MAX_BYTES)
		return lsb_fail(err, LSB_EINVAL, 0, "'%s' is larger than %d bytes: write it as JSONL", path,
				ARRAY_MAX_BYTES);
	rewind(file);
	array = json_loadf(file, 0, &where);
	if (!array)
		return lsb_fail(err, LSB_EINVAL, 0, "%s:%d: %s", path, where.line, where.text);
	json_array_foreach(array, i, object)
	{
		rc = add_item(set, object, path, i + 1, err);
		if (rc)
			break;
	}
	json_decref(array);
	return rc;
}

/* The first byte that is not white space, put back; EOF for an empty file. */
static int first_byte(FILE *file)
{
	int c;

	do {
		c = getc(file);
	} while (c == ' ' || c == '\t' || c == '\r' || c == '\n');
	rewind(file);
	return c;
}

int lsb_dataset_open(struct lsb_dataset *set, const char *path, struct lsb_error *err)
{
	struct stat st;
	FILE *file;
	int rc;

	*set = (struct lsb_dataset){ 0 };
	if (!*path) {
		file = fmemopen((void *)lsb_articles, lsb_articles_bytes, "r");
		path = "built-in articles";
	} else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		/* a FIFO would hang every rank, a device never end */
		return lsb_fail(err, LSB_EINVAL, 0, "'%s' is not a regular file", path);
	} else {
		file = fopen(path, "re");
	}
	if (!file)
		return lsb_fail(err, LSB_EIO, errno, "cannot open '%s': %s", path, strerror(errno));
	rc = first_byte(file) == '[' ? read_array(set, file, path, err) : read_lines(set, file, path, err);
	fclose(file);
	if (rc == LSB_OK && set->n == 0)
		rc = lsb_fail(err, LSB_EINVAL, 0, "'%s' has no items", path);
	if (rc)
		lsb_dataset_close(set);
	return rc;
}
