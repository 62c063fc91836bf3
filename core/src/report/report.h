/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports of a results folder, from its journal alone.
 */
#ifndef LSB_REPORT_H
#define LSB_REPORT_H

#include "lsbench/types.h"

/* Flags of lsb_report_write. */
enum {
	LSB_REPORT_NO_HTML = 1u << 0,
	LSB_REPORT_INTERRUPTED = 1u << 1, /* the run was cut short: points that lack launches say so */
};

/* Read DIR/journal.jsonl and write the reports beside it. LSB_EIO, LSB_ENOMEM. */
int lsb_report_write(const char *dir, int flags, struct lsb_error *err);

#endif
