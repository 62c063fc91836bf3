/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step records of one launch, read back from its results folder
 * (docs/journal.md, "Step records"). Nothing in the file is believed: its size,
 * its headers and its digest must be those of the launch's journal line.
 */
#ifndef LSB_RECORDS_H
#define LSB_RECORDS_H

#include <jansson.h>

#include "measure/ledger.h"

enum { LSB_RECORDS_VERSION = 1, LSB_RECORDS_HEADER_BYTES = 16 };

struct lsb_records {
	int64_t launch;			/* number of the launch, as in the journal */
	struct lsb_rank_records *ranks; /* [n], by rank; owned, as is what they view */
	size_t n;
	char *data; /* what they view; NULL: it lies behind `ranks` */
};

/*
 * Records of the launch whose journal line is `line`, from the folder `dir`, on
 * rank 0's clock.
 * LSB_EUNAVAIL when they were not kept; LSB_EIO when they cannot be read or are
 * not what the journal says. lsb_records_free gives them back.
 */
int lsb_records_read(const char *dir, const json_t *line, struct lsb_records *out, struct lsb_error *err);
void lsb_records_free(struct lsb_records *records);

#endif
