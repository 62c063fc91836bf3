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

/* Parse the lines of `text`; *whole is how many bytes were good. */
static int parse_lines(const char *path, const char *text, size_t bytes, json_t *lines, size_t *whole,
		       struct lsb_error *err)
{
	size_t at = 0;

	while (at < bytes) {
		const char *end = memchr(text + at, '\n', bytes - at);
		const size_t length = end ? (size_t)(end - text) - at : bytes - at;
		json_t *line = end ? json_loadb(text + at, length, JSON_REJECT_DUPLICATES, NULL) : NULL;

		if (!json_is_object(line)) {
			json_decref(line);
			if (end && end + 1 < text + bytes)
				return lsb_fail(
					err, LSB_EIO, 0,
					"line %zu of the journal '%s' is damaged, and others follow it",
					json_array_size(lines) + 1, path);
			break;
		}
		if (json_array_append_new(lines, line))
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory for the journal '%s'", path);
		at += length + 1;
	}
	*whole = at;
	if (json_array_size(lines) == 0)
		return lsb_fail(err, LSB_EIO, 0, "the journal '%s' has no whole line", path);
	return check_first(path, json_array_get(lines, 0), err);
}

int lsb_journal_read(const char *path, json_t **lines, size_t *whole_bytes, struct lsb_error *err)
{
	json_t *all = NULL;
	char *text = NULL;
	size_t bytes = 0, whole = 0;
	int rc = lsb_file_read(path, LSB_JOURNAL_BYTES_MAX, &text, &bytes, err);

	if (rc)
		return rc;
	all = json_array();
	rc = all ? parse_lines(path, text, bytes, all, &whole, err)
		 : lsb_fail(err, LSB_ENOMEM, 0, "no memory for the journal '%s'", path);
	free(text);
	if (rc) {
		json_decref(all);
		return rc;
	}
	*lines = all;
	if (whole_bytes)
		*whole_bytes = whole;
	return LSB_OK;
}
