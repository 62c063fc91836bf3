/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LSB_CLI_PROFILE_H
#define LSB_CLI_PROFILE_H

#include "suite/suite.h"

/* What --profile makes of a suite; owned. */
struct lsb_profile {
	char **sets; /* [n_sets] overrides, as after --set */
	size_t n_sets;
	char *how; /* what is marked, and how to record it, in a backend's words */
};

/*
 * Ask every backend of the suite whether it can mark its steps for a profiler.
 * LSB_ESUITE when none can, or within a case only some. To be freed in any case.
 */
int lsb_profile_find(const struct lsb_suite *suite, const char *folders, struct lsb_profile *out,
		     struct lsb_error *err);
void lsb_profile_free(struct lsb_profile *p);

#endif
