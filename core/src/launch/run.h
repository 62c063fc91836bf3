/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run: every launch of a suite in its order, each on disk before the next.
 */
#ifndef LSB_RUN_H
#define LSB_RUN_H

#include "launch/prepare.h"

struct lsb_run_request {
	const struct lsb_prepared *prepared;
	int argc; /* as typed, for the journal */
	char *const *argv;
	const char *program; /* that ranks run; NULL: this one */
	const char *folder;  /* of results */
	int is_resumed;	     /* `folder` holds a run that is to go on */
	int is_quiet;
};

/* How the points stand after the run, launches of earlier runs included. */
struct lsb_run_result {
	size_t n_failed, n_waived, n_launched; /* points, points, launches of this run */
	int code; /* enum lsb_status that all failed points have in common, if all points failed; else 0 */
	int interrupted;
};

/* Why the machine is unfit by [gate], as a list of texts; LSB_EDEVICE when it says to refuse. */
int lsb_run_gate(const struct lsb_prepared *p, json_t **reasons, struct lsb_error *err);

/*
 * Run what is missing. 0 however the launches went; LSB_EIO when results cannot
 * be written or resumed (what was measured before stays), LSB_ENOMEM.
 */
int lsb_run(const struct lsb_run_request *request, struct lsb_run_result *out, struct lsb_error *err);

#endif
