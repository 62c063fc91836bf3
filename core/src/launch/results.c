/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/results.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

enum { RECORDS_VERSION = 1 };

char *lsb_results_path(const struct lsb_results *r, const char *name)
{
	return lsb_format("%s/%s", r->folder, name);
}

/* Make a folder and those on the way to it. */
static int make_folders(const char *folder, struct lsb_error *err)
{
	char *path = strdup(folder);
	int rc = LSB_OK;

	if (!path)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");
	for (char *at = path + 1; rc == LSB_OK; at++) {
		const char was = *at;

		if (was != '/' && was != '\0')
			continue;
		*at = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			rc = lsb_fail(err, LSB_EIO, errno, "cannot make the results folder '%s': %s", path,
				      strerror(errno));
		*at = was;
		if (was == '\0')
			break;
	}
	free(path);
	return rc;
}

/* Hold the folder as long as this process lives. */
static int lock(struct lsb_results *r, struct lsb_error *err)
{
	char *path = lsb_results_path(r, ".lock");
	int rc = LSB_OK;

	if (!path)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");
	r->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (r->lock_fd < 0)
		rc = lsb_fail(err, LSB_EIO, errno, "cannot write in the results folder '%s': %s", r->folder,
			      strerror(errno));
	else if (flock(r->lock_fd, LOCK_EX | LOCK_NB))
		rc = lsb_fail(err, LSB_EIO, errno,
			      "another lsbench is writing in '%s': wait for it, or choose another --out",
			      r->folder);
	free(path);
	return rc;
}

static int open_folder(const char *folder, struct lsb_results *r, struct lsb_error *err)
{
	*r = (struct lsb_results){ .lock_fd = -1, .journal.fd = -1, .folder = strdup(folder) };
	return r->folder ? LSB_OK : lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");
}

static int make_inner(const struct lsb_results *r, struct lsb_error *err)
{
	static const char *const names[] = { "records", "logs" };
	int rc = LSB_OK;

	for (size_t i = 0; i < LSB_COUNT(names) && rc == LSB_OK; i++) {
		char *path = lsb_results_path(r, names[i]);

		rc = path ? make_folders(path, err) : lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");
		free(path);
	}
	return rc;
}

int lsb_results_create(const char *folder, struct lsb_results *out, struct lsb_error *err)
{
	char *journal = NULL;
	struct stat st;
	int rc = open_folder(folder, out, err);

	if (rc == LSB_OK)
		rc = make_folders(folder, err);
	if (rc == LSB_OK)
		rc = lock(out, err);
	if (rc == LSB_OK) {
		journal = lsb_results_path(out, "journal.jsonl");
		if (!journal)
			rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");
		else if (lstat(journal, &st) == 0 && st.st_size > 0)
			rc = lsb_fail(
				err, LSB_EIO, EEXIST,
				"'%s' already holds a run: go on with --resume, or choose another --out",
				folder);
		else
			(void)unlink(journal); /* an empty one is of a run that died before its first line */
	}
	if (rc == LSB_OK)
		rc = make_inner(out, err);
	if (rc == LSB_OK)
		rc = lsb_journal_create(journal, &out->journal, err);
	free(journal);
	if (rc)
		lsb_results_close(out);
	return rc;
}

int lsb_results_resume(const char *folder, struct lsb_results *out, json_t **lines, size_t *whole_bytes,
		       struct lsb_error *err)
{
	static const char *const unused[] = { "ranks", "ledger", "stage_times", NULL };
	char *journal = NULL;
	struct stat st;
	int rc = open_folder(folder, out, err);

	if (rc == LSB_OK && (stat(folder, &st) || !S_ISDIR(st.st_mode)))
		rc = lsb_fail(err, LSB_EIO, ENOENT, "cannot resume '%s': it is not a folder", folder);
	if (rc == LSB_OK)
		rc = lock(out, err);
	if (rc == LSB_OK)
		rc = make_inner(out, err);
	if (rc == LSB_OK) {
		journal = lsb_results_path(out, "journal.jsonl");
		rc = journal ? lsb_journal_read(journal, unused, lines, whole_bytes, err)
			     : lsb_fail(err, LSB_ENOMEM, 0, "no memory for a path");
	}
	free(journal);
	if (rc)
		lsb_results_close(out);
	return rc;
}

json_t *lsb_results_header(const char *folder)
{
	char *path = lsb_format("%s/journal.jsonl", folder), *line = NULL;
	FILE *file = path ? fopen(path, "re") : NULL;
	json_t *header = NULL;
	size_t room = 0;

	if (file && getline(&line, &room, file) > 0)
		header = json_loads(line, 0, NULL);
	if (file)
		(void)fclose(file);
	free(line);
	free(path);
	return header;
}

void lsb_results_close(struct lsb_results *r)
{
	lsb_journal_close(&r->journal);
	if (r->lock_fd >= 0)
		close(r->lock_fd);
	r->lock_fd = -1;
	free(r->folder);
	r->folder = NULL;
}

int lsb_results_write_json(const struct lsb_results *r, const char *name, const json_t *value,
			   struct lsb_error *err)
{
	char *path = lsb_results_path(r, name), *text = json_dumps(value, JSON_INDENT(2));
	const int rc = path && text ? lsb_file_write(path, text, strlen(text), err)
				    : lsb_fail(err, LSB_ENOMEM, 0, "no memory for '%s'", name);

	free(path);
	free(text);
	return rc;
}

static void add_u32(struct lsb_text *to, uint32_t value)
{
	const uint8_t bytes[4] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
				   (uint8_t)(value >> 24) };

	lsb_text_bytes(to, bytes, sizeof(bytes));
}

int lsb_results_write_records(const struct lsb_results *r, int64_t launch, const struct lsb_outcome *o,
			      json_t **described, struct lsb_error *err)
{
	char *name = lsb_format("records/%lld.bin", (long long)launch);
	char *path = name ? lsb_results_path(r, name) : NULL, digest[LSB_DIGEST_HEX];
	struct lsb_text all = { 0 };
	size_t count = 0;
	int rc;

	for (size_t i = 0; i < o->n_records; i++) {
		lsb_text_bytes(&all, "LSBR", 4);
		add_u32(&all, RECORDS_VERSION);
		add_u32(&all, (uint32_t)i);
		add_u32(&all, (uint32_t)o->records[i].n);
		lsb_text_bytes(&all, o->records[i].records, o->records[i].n * sizeof(struct lsb_record));
		count += o->records[i].n;
	}
	if (!path || all.failed) {
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for the records of launch %lld",
			      (long long)launch);
	} else {
		rc = lsb_file_write(path, all.data, all.length, err);
		lsb_digest(all.data, all.length, digest);
	}
	if (rc == LSB_OK)
		*described = json_pack("{s:s, s:I, s:s}", "file", name, "count", (json_int_t)count, "sha256",
				       digest);
	lsb_text_free(&all);
	free(path);
	free(name);
	return rc;
}
