/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lsbench/host.h"

enum { ITEMS_MAX = 1 << 20, LINE_MAX_BYTES = 16 << 20, ARRAY_MAX_BYTES = 1 << 30, NEW_MAX = 131072 };

static const char white[] = " \t\r\n\v\f";

static void item_free(struct lsb_item *item)
{
	free(item->id);
	free(item->article);
	free(item->reference);
}

void lsb_dataset_close(struct lsb_dataset *set)
{
	for (size_t i = 0; i < set->n; i++)
		item_free(&set->items[i]);
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

/* "max_new" of an item; 0 where it has none. LSB_EINVAL when it is no number of tokens. */
static int item_limit(const json_t *object, uint32_t *out, const char *path, size_t line,
		      struct lsb_error *err)
{
	const json_t *limit = json_object_get(object, "max_new");

	*out = 0;
	if (!limit || json_is_null(limit))
		return LSB_OK;
	if (!json_is_integer(limit) || json_integer_value(limit) < 1 || json_integer_value(limit) > NEW_MAX)
		return lsb_fail(err, LSB_EINVAL, 0,
				"%s:%zu: \"max_new\" is not a whole number of tokens from 1 to %d", path,
				line, NEW_MAX);
	*out = (uint32_t)json_integer_value(limit);
	return LSB_OK;
}

/* Add one object; `path` and `line` are for messages. */
static int add_item(struct lsb_dataset *set, const json_t *object, const char *path, size_t line,
		    struct lsb_error *err)
{
	static const char *const articles[] = { "article", "document", "text", "input", NULL };
	static const char *const references[] = { "reference", "highlights", "summary", "output", NULL };
	struct lsb_item *item;
	uint32_t max_new;
	int rc;

	if (!json_is_object(object))
		return lsb_fail(err, LSB_EINVAL, 0, "%s:%zu: not a JSON object", path, line);
	if (!first_string(object, articles) && !first_string(object, references))
		return lsb_fail(err, LSB_EINVAL, 0,
				"%s:%zu: neither an \"article\" nor a \"reference\" that is a string", path,
				line);
	rc = item_limit(object, &max_new, path, line, err);
	if (rc)
		return rc;
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
	*item = (struct lsb_item){ .id = item_id(object, set->n), .max_new = max_new };
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

	if (strspn(text, white) == bytes)
		return LSB_OK;
	object = json_loadb(text, bytes, 0, &where);
	if (!object)
		return lsb_fail(err, LSB_EINVAL, 0, "%s:%zu: %s", path, line, where.text);
	rc = add_item(set, object, path, line, err);
	json_decref(object);
	return rc;
}

/*
 * A line without its end into *text, grown as needed; 0 at the end of the file, -1 when longer than a line
 * may be.
 */
static int next_line(FILE *file, char **text, size_t *room, size_t *bytes)
{
	int c;

	for (*bytes = 0; (c = getc(file)) != EOF && c != '\n'; (*text)[(*bytes)++] = (char)c) {
		if (*bytes == LINE_MAX_BYTES)
			return -1;
		if (*bytes + 1 >= *room) {
			const size_t more = *room ? 2 * *room : 4096;
			char *grown = realloc(*text, more);

			if (!grown)
				return -1;
			*text = grown;
			*room = more;
		}
	}
	if (*text)
		(*text)[*bytes] = '\0';
	return *bytes > 0 || c == '\n';
}

static int read_lines(struct lsb_dataset *set, FILE *file, const char *path, struct lsb_error *err)
{
	char *text = NULL;
	size_t room = 0, bytes, line = 0;
	int more, rc = LSB_OK;

	while (rc == LSB_OK && (more = next_line(file, &text, &room, &bytes)) != 0) {
		line++;
		if (more < 0)
			rc = lsb_fail(err, LSB_EINVAL, 0,
				      "%s:%zu: a line of more than %d bytes, or no memory", path, line,
				      LINE_MAX_BYTES);
		else if (bytes)
			rc = add_line(set, text, bytes, path, line, err);
	}
	free(text);
	return rc;
}

/* To the first byte of the file's text, behind a byte order mark. */
static void begin(FILE *file)
{
	rewind(file);
	if (getc(file) != 0xEF || getc(file) != 0xBB || getc(file) != 0xBF)
		rewind(file);
}

static int next_char(FILE *file)
{
	int c;

	do {
		c = getc(file);
	} while (c != EOF && c != '\0' && strchr(white, c));
	return c;
}

/* One JSON array of objects, one object at a time: MLPerf's hold the article's tokens as well. */
static int read_array(struct lsb_dataset *set, FILE *file, const char *path, struct lsb_error *err)
{
	size_t n = 0;
	int c, rc = LSB_OK;

	if (fseeko(file, 0, SEEK_END) == 0 && ftello(file) > ARRAY_MAX_BYTES)
		return lsb_fail(err, LSB_EINVAL, 0, "'%s' is larger than %d bytes: write it as JSONL", path,
				ARRAY_MAX_BYTES);
	begin(file);
	(void)next_char(file); /* '[' */
	c = next_char(file);
	if (c == ']')
		return LSB_OK;
	(void)ungetc(c, file);
	for (c = ','; c == ',' && rc == LSB_OK; n++) {
		json_error_t where;
		json_t *object = json_loadf(file, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &where);

		rc = object ? add_item(set, object, path, n + 1, err)
			    : lsb_fail(err, LSB_EINVAL, 0, "%s:%zu: of this item, line %d: %s", path, n + 1,
				       where.line, where.text);
		json_decref(object);
		if (rc == LSB_OK)
			c = next_char(file);
	}
	if (rc == LSB_OK && c != ']')
		rc = lsb_fail(err, LSB_EINVAL, 0, "%s:%zu: the array does not go on or end behind this item",
			      path, n);
	return rc;
}

/* The first byte that is not white space, EOF for an empty file; then the file is at its beginning. */
static int first_byte(FILE *file)
{
	int c;

	begin(file);
	c = next_char(file);
	begin(file);
	return c;
}

int lsb_dataset_read(struct lsb_dataset *set, FILE *file, const char *name, struct lsb_error *err)
{
	int rc;

	*set = (struct lsb_dataset){ 0 };
	errno = 0;
	rc = first_byte(file) == '[' ? read_array(set, file, name, err) : read_lines(set, file, name, err);
	if (ferror(file))
		rc = lsb_fail(err, LSB_EIO, errno, "cannot read '%s': %s", name, strerror(errno));
	if (rc == LSB_OK && set->n == 0)
		rc = lsb_fail(err, LSB_EINVAL, 0, "'%s' has no items", name);
	if (rc)
		lsb_dataset_close(set);
	return rc;
}

/* Where `text` ends behind its first `max_words` words; NULL when it has no more. */
static char *end_of_words(char *text, size_t max_words)
{
	size_t begin = strspn(text, white);

	for (size_t n = 0; n < max_words && text[begin]; n++) {
		text += begin + strcspn(text + begin, white);
		begin = strspn(text, white);
	}
	return text[begin] ? text : NULL;
}

size_t lsb_dataset_shorten(struct lsb_dataset *set, size_t max_words, int leave_out)
{
	size_t n_kept = 0, n_long = 0;

	for (size_t i = 0; i < set->n; i++) {
		struct lsb_item *item = &set->items[i];
		char *end = item->article ? end_of_words(item->article, max_words) : NULL;

		n_long += end != NULL;
		if (end && leave_out) {
			item_free(item);
			continue;
		}
		if (end) {
			*end = '\0';
			item->is_cut = 1;
		}
		set->items[n_kept++] = *item;
	}
	set->n = n_kept;
	return n_long;
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
	rc = lsb_dataset_read(set, file, path, err);
	fclose(file);
	return rc;
}
