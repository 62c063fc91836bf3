/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "wire/prune.h"

static int name_journal(struct lsb_journal *j, const char *path, struct lsb_error *err)
{
	j->fd = -1;
	if (strlen(path) >= sizeof(j->path))
		return lsb_fail(err, LSB_EINVAL, 0, "the path of the journal is too long: '%s'", path);
	memcpy(j->path, path, strlen(path) + 1);
	return LSB_OK;
}

/* A new file survives a crash only once its folder is on disk as well. */
static void sync_folder(const char *path)
{
	char copy[4096];
	int fd;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
}

int lsb_journal_create(const char *path, struct lsb_journal *j, struct lsb_error *err)
{
	const int rc = name_journal(j, path, err);

	if (rc)
		return rc;
	j->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
	if (j->fd < 0)
		return lsb_fail(err, LSB_EIO, errno, "cannot make the journal '%s': %s", path,
				strerror(errno));
	sync_folder(path);
	return LSB_OK;
}

int lsb_journal_continue(const char *path, size_t whole_bytes, struct lsb_journal *j, struct lsb_error *err)
{
	const int rc = name_journal(j, path, err);

	if (rc)
		return rc;
	j->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (j->fd < 0 || ftruncate(j->fd, (off_t)whole_bytes) || fsync(j->fd)) {
		lsb_fail(err, LSB_EIO, errno, "cannot go on with the journal '%s': %s", path,
			 strerror(errno));
		lsb_journal_close(j);
		return LSB_EIO;
	}
	return LSB_OK;
}

static int write_whole(int fd, const char *at, size_t n)
{
	while (n) {
		const ssize_t wrote = write(fd, at, n);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return -1;
		at += wrote;
		n -= (size_t)wrote;
	}
	return 0;
}

int lsb_journal_append(struct lsb_journal *j, const json_t *line, struct lsb_error *err)
{
	char *text = json_dumps(line, JSON_COMPACT);
	struct lsb_text whole = { 0 };
	struct stat st = { .st_size = -1 };
	int rc = LSB_OK;

	lsb_text_bytes(&whole, text ? text : "", text ? strlen(text) : 0);
	lsb_text_bytes(&whole, "\n", 1);
	if (!text || whole.failed) {
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for a line of the journal '%s'", j->path);
	} else if (fstat(j->fd, &st) || write_whole(j->fd, whole.data, whole.length) || fsync(j->fd)) {
		rc = lsb_fail(err, LSB_EIO, errno, "cannot write the journal '%s': %s", j->path,
			      strerror(errno));
		if (st.st_size >= 0 && ftruncate(j->fd, st.st_size))
			(void)0; /* the torn line stays; readers stop before it */
	}
	free(text);
	lsb_text_free(&whole);
	return rc;
}

void lsb_journal_close(struct lsb_journal *j)
{
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
}

static int check_first(const char *path, const json_t *first, struct lsb_error *err)
{
	const json_t *format = json_object_get(first, "lsbench_journal");

	if (!json_is_integer(format))
		return lsb_fail(err, LSB_EIO, 0, "'%s' is not a journal of lsbench", path);
	if (json_integer_value(format) != LSB_JOURNAL_FORMAT)
		return lsb_fail(
			err, LSB_EIO, 0,
			"the journal '%s' has format %lld, this lsbench reads %d: use the one that wrote it",
			path, (long long)json_integer_value(format), LSB_JOURNAL_FORMAT);
	return LSB_OK;
}

/* A journal that is being read, line by line. */
struct reader {
	const char *path;
	const char *const *without;
	FILE *file;
	char *line, *pruned; /* owned */
	size_t room, pruned_room, bytes;
	json_t *latest; /* {id of a point: its latest launch}; owned */
};

static int open_reader(const char *path, const char *const *without, struct reader *r, struct lsb_error *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	*r = (struct reader){ .path = path, .without = without, .latest = json_object() };
	if (fd < 0)
		return lsb_fail(err, LSB_EIO, errno, "cannot open the journal '%s': %s", path,
				strerror(errno));
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		close(fd);
		return lsb_fail(err, LSB_EIO, 0, "the journal '%s' is not a file", path);
	}
	r->file = fdopen(fd, "r");
	if (!r->file) {
		close(fd);
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the journal '%s'", path);
	}
	return LSB_OK;
}

static void close_reader(struct reader *r)
{
	if (r->file)
		(void)fclose(r->file);
	free(r->line);
	free(r->pruned);
	json_decref(r->latest);
}

/* The next line, with its end if it has one; r->bytes 0 when there is none. */
static int next_line(struct reader *r, struct lsb_error *err)
{
	const ssize_t n = getline(&r->line, &r->room, r->file);

	r->bytes = n > 0 ? (size_t)n : 0;
	if (n < 0 && ferror(r->file))
		return lsb_fail(err, errno == ENOMEM ? LSB_ENOMEM : LSB_EIO, errno,
				"cannot read the journal '%s': %s", r->path, strerror(errno));
	return LSB_OK;
}

static json_t *parse_object(const char *text, size_t bytes)
{
	json_t *line = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(line))
		return line;
	json_decref(line);
	return NULL;
}

/* What the line holds but for what is not wanted; NULL when it is not whole or there is no memory. */
static json_t *parse_line(struct reader *r, int is_first)
{
	const size_t bytes = r->bytes - 1; /* without its end */

	if (r->line[bytes] != '\n')
		return NULL;
	if (is_first || !r->without)
		return parse_object(r->line, bytes);
	if (r->pruned_room < r->room) {
		char *more = realloc(r->pruned, r->room);

		if (!more)
			return NULL;
		r->pruned = more;
		r->pruned_room = r->room;
	}
	return parse_object(r->pruned, lsb_json_prune(r->line, bytes, r->without, r->pruned));
}

/*
 * Make `now` hold the very values of `before` that it equals: lines of a journal
 * say the same of hosts, plugins and sizes again and again. Returns whether all is
 * equal. No deeper than the parser goes.
 */
static int share(json_t *now, json_t *before)
{
	int equal = json_typeof(now) == json_typeof(before);

	if (equal && json_is_object(now)) {
		equal = json_object_size(now) == json_object_size(before);
		for (void *at = json_object_iter(now); at; at = json_object_iter_next(now, at)) {
			json_t *old = json_object_get(before, json_object_iter_key(at));

			if (old && share(json_object_iter_value(at), old))
				json_object_iter_set_new(now, at, json_incref(old));
			else
				equal = 0;
		}
		return equal;
	}
	if (equal && json_is_array(now)) {
		equal = json_array_size(now) == json_array_size(before);
		for (size_t i = 0; i < json_array_size(now) && i < json_array_size(before); i++) {
			json_t *old = json_array_get(before, i);

			if (share(json_array_get(now, i), old))
				json_array_set(now, i, old);
			else
				equal = 0;
		}
		return equal;
	}
	return json_equal(now, before);
}

/* Let a launch share what it can with the one before of the same point. */
static void share_launch(struct reader *r, json_t *line)
{
	const char *point = json_string_value(json_object_get(line, "point"));
	json_t *before = point ? json_object_get(r->latest, point) : NULL;

	if (before)
		(void)share(line, before);
	point = json_string_value(
		json_object_get(line, "point")); /* the one before's, where that was shared */
	if (point)
		(void)json_object_set(r->latest, point, line);
}

/* All whole lines into `lines`; *whole is how many bytes of the file they are. */
static int read_lines(struct reader *r, json_t *lines, size_t *whole, struct lsb_error *err)
{
	for (*whole = 0;;) {
		const size_t n = json_array_size(lines);
		json_t *line;
		size_t bytes;
		int rc = next_line(r, err);

		if (rc)
			return rc;
		if (r->bytes == 0)
			break;
		bytes = r->bytes;
		line = parse_line(r, n == 0);
		if (!line && n == 0)
			return lsb_fail(err, LSB_EIO, 0,
					"'%s' is not a journal of lsbench: it has no whole first line",
					r->path);
		if (!line) {
			if (next_line(r, err) || r->bytes)
				return lsb_fail(
					err, LSB_EIO, 0,
					"line %zu of the journal '%s' is damaged, and others follow it",
					n + 1, r->path);
			break; /* torn: the launch that was being written when the run ended */
		}
		if (json_array_append_new(lines, line))
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the journal '%s'", r->path);
		if (n && r->without)
			share_launch(r, line);
		rc = n == 0 ? check_first(r->path, line, err) : LSB_OK;
		if (rc)
			return rc;
		*whole += bytes;
	}
	return json_array_size(lines) ? LSB_OK
				      : lsb_fail(err, LSB_EIO, 0, "the journal '%s' is empty", r->path);
}

int lsb_journal_read(const char *path, const char *const *without, json_t **lines, size_t *whole_bytes,
		     struct lsb_error *err)
{
	json_t *all = json_array();
	struct reader reader = { 0 };
	size_t whole = 0;
	int rc = all ? open_reader(path, without, &reader, err)
		     : lsb_fail(err, LSB_ENOMEM, 0, "no memory for the journal '%s'", path);

	if (rc == LSB_OK)
		rc = read_lines(&reader, all, &whole, err);
	close_reader(&reader);
	if (rc) {
		json_decref(all);
		return rc;
	}
	*lines = all;
	if (whole_bytes)
		*whole_bytes = whole;
	return LSB_OK;
}

int lsb_journal_restore(const char *path, const size_t *indices, size_t n, json_t *launches,
			struct lsb_error *err)
{
	struct reader reader;
	int rc = open_reader(path, NULL, &reader, err);
	size_t done = 0;

	for (size_t line = 0; rc == LSB_OK && done < n; line++) {
		rc = next_line(&reader, err);
		if (rc == LSB_OK && line == indices[done] + 1) { /* behind the run */
			json_t *whole = reader.bytes ? parse_line(&reader, 0) : NULL;

			if (!whole || json_array_set_new(launches, indices[done], whole))
				rc = lsb_fail(err, LSB_EIO, 0, "line %zu of the journal '%s' is damaged",
					      line + 1, path);
			done++;
		} else if (rc == LSB_OK && reader.bytes == 0) {
			rc = lsb_fail(err, LSB_EIO, 0, "the journal '%s' has become shorter", path);
		}
	}
	close_reader(&reader);
	return rc;
}
