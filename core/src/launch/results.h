/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The results folder: made, locked against a second run, and written to.
 */
#ifndef LSB_RESULTS_H
#define LSB_RESULTS_H

#include "launch/launch.h"
#include "wire/journal.h"

struct lsb_results {
	char *folder; /* owned */
	int lock_fd;
	struct lsb_journal journal;
};

/*
 * A fresh run in `folder`, made with what leads to it. LSB_EIO when it holds a
 * journal already, or another lsbench is writing there.
 */
int lsb_results_create(const char *folder, struct lsb_results *out, struct lsb_error *err);
/* Go on in `folder`: *lines is the journal so far (new reference); `out`'s journal is not open yet. */
int lsb_results_resume(const char *folder, struct lsb_results *out, json_t **lines, size_t *whole_bytes,
		       struct lsb_error *err);
void lsb_results_close(struct lsb_results *r);
/*
 * First line of the journal in `folder`, a new reference; NULL: none that can be read, as going on with it
 * tells.
 */
json_t *lsb_results_header(const char *folder);

/* Path of a file in the folder; malloc'ed, NULL without memory. */
char *lsb_results_path(const struct lsb_results *r, const char *name);
/* Write `value` as the file `name`, whole or not at all. */
int lsb_results_write_json(const struct lsb_results *r, const char *name, const json_t *value,
			   struct lsb_error *err);
/* Write records/<launch>.bin and give the journal's "records" object (new reference). */
int lsb_results_write_records(const struct lsb_results *r, int64_t launch, const struct lsb_outcome *o,
			      json_t **described, struct lsb_error *err);

#endif
