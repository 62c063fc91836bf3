/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal (docs/journal.md): one JSON object a line, each on disk before
 * the next launch begins.
 */
#ifndef LSB_JOURNAL_H
#define LSB_JOURNAL_H

#include <jansson.h>
#include <stddef.h>

#include "lsbench/types.h"

enum { LSB_JOURNAL_FORMAT = 1 };

struct lsb_journal {
	int fd;
	char path[4096];
};

/* Make `path`, which must not exist. LSB_EIO. */
int lsb_journal_create(const char *path, struct lsb_journal *j, struct lsb_error *err);
/* Open `path` to go on behind its first `whole_bytes`; what follows them, a torn line, is cut off. */
int lsb_journal_continue(const char *path, size_t whole_bytes, struct lsb_journal *j, struct lsb_error *err);
/*
 * Add one line and see it to the disk. On LSB_EIO (a full disk) the journal is
 * as it was before.
 */
int lsb_journal_append(struct lsb_journal *j, const json_t *line, struct lsb_error *err);
void lsb_journal_close(struct lsb_journal *j);

/*
 * All whole lines of the journal `path`: *lines is a new array, [0] the run, and
 * *whole_bytes (may be NULL) how much of the file they are. A torn last line is
 * left out. LSB_EIO when there is no whole first line, when it is not lsbench's or
 * of another format, or when a line before the last is damaged.
 *
 * Members named in `without` (lsb_json_prune) are left out of all lines but the
 * first before anything is parsed: what the ranks answered is most of a journal, and
 * few readers want it of every launch. Launches then share equal values: change none
 * in place. NULL: nothing is left out or shared.
 */
int lsb_journal_read(const char *path, const char *const *without, json_t **lines, size_t *whole_bytes,
		     struct lsb_error *err);

/*
 * Make launches[indices[i]] whole again, of a journal of which some members were
 * left out: `launches` are its lines behind the first, the `n` indices ascend.
 */
int lsb_journal_restore(const char *path, const size_t *indices, size_t n, json_t *launches,
			struct lsb_error *err);

#endif
