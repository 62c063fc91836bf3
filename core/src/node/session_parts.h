/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What session.c (opening, connecting, closing) and session_run.c (the run) share; nobody else includes it.
 */
#ifndef LSB_SESSION_PARTS_H
#define LSB_SESSION_PARTS_H

#include "base/base.h"
#include "node/session.h"

static inline double lsb_session_seconds_since(uint64_t t0_ns)
{
	return (double)(lsb_now_ns() - t0_ns) * 1e-9;
}

static inline int lsb_session_is_first_stage(const struct lsb_session *s)
{
	return s->stage == 0;
}

/* The launch measures links and nothing else. */
static inline int lsb_session_is_link(const struct lsb_session *s)
{
	return s->job.n_sizes > 0;
}

/* First stages share out the requests of the launch during the run. */
static inline int lsb_session_shares(const struct lsb_session *s)
{
	return s->job.is_dynamic && s->job.replicas > 1 && lsb_session_is_first_stage(s);
}

struct lsb_scheduler_limits lsb_session_scheduler_limits(const struct lsb_session *s);
void lsb_session_free_peaks(struct lsb_session *s);

#endif
