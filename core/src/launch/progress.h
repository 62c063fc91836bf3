/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person sees while a suite runs: on a terminal one line rewritten in
 * place, elsewhere a line per launch, with --quiet nothing. To stderr.
 */
#ifndef LSB_PROGRESS_H
#define LSB_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "launch/launch.h"

struct lsb_progress {
	int is_quiet, is_terminal;
	size_t n_launches, done; /* of this run; done: finished or not needed */
	size_t n_points;
	uint64_t *spent_ns;	   /* [n_points] of finished launches; owned */
	uint32_t *finished, *left; /* [n_points] launches; owned */
	/* of the launch that runs */
	size_t point;
	uint32_t round, rounds;
	const char *label;
	uint64_t begun_ns;
};

int lsb_progress_open(struct lsb_progress *p, size_t n_points, int is_quiet, struct lsb_error *err);
/* One more launch of `point` is to come. */
void lsb_progress_expect(struct lsb_progress *p, size_t point);
void lsb_progress_begin(struct lsb_progress *p, size_t point, const char *label, uint32_t round,
			uint32_t rounds);
void lsb_progress_show(struct lsb_progress *p, const struct lsb_launch_progress *now);
/* The launch ended: `rate` in tokens a second, 0 if unknown; `reason` unless it went well. */
void lsb_progress_end(struct lsb_progress *p, enum lsb_launch_status status, double rate, const char *reason);
/* A launch of `point` will not be needed after all. */
void lsb_progress_skip(struct lsb_progress *p, size_t point);
void lsb_progress_close(struct lsb_progress *p);

#endif
