/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports of a results folder, from its journal alone: summary.json,
 * summary.csv, report.md, report.html and what the terminal shows. The same journal always
 * gives the same bytes.
 */
#ifndef LSB_REPORT_H
#define LSB_REPORT_H

#include <jansson.h>

#include "base/base.h"

/* Flags of lsb_report_write. */
enum {
	LSB_REPORT_NO_HTML = 1u << 0,
};

/*
 * Read DIR/journal.jsonl, to its last whole line, and write the reports beside
 * it, each whole or not at all. *summary (may be NULL) gets a new reference to what
 * lsb_report_summary would say, so that nothing is read twice. LSB_EIO when the journal cannot be read, is
 * damaged, foreign or of another format, or when a report cannot be written.
 */
int lsb_report_write(const char *dir, int flags, json_t **summary, struct lsb_error *err);

/* The summary alone, of docs/summary.md; *out is a new reference. LSB_EIO, LSB_ENOMEM. */
int lsb_report_summary(const char *dir, json_t **out, struct lsb_error *err);

/* The summary as the terminal shows it, at most 120 columns wide; `colour` for a terminal. */
void lsb_report_text(const json_t *summary, int colour, struct lsb_text *to);

#endif
