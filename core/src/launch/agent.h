/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent: `lsbench node` as mpirun, srun or ssh start it. It proves itself to
 * the controller, starts one rank beside itself, and stands between the two.
 *
 * Frames are passed on in both directions, with numbers of their own; what the
 * rank prints becomes LOG frames. The agent adds who and where it is (JOIN), and
 * how the rank ended (ENDED), which no launcher tells reliably. When the controller says QUIT, is gone, or is
 * silent, the rank ends: by itself, by SIGTERM, or by SIGKILL.
 */
#ifndef LSB_AGENT_H
#define LSB_AGENT_H

#include <stdint.h>

#include "lsbench/types.h"

/* On standard streams an agent's first bytes; whatever comes before is not its own. */
#define LSB_AGENT_PREFACE "\nlsbench agent 1\n"
/* The variable that launchers pass on; gone from the environment once read. */
#define LSB_SECRET_VARIABLE "LSBENCH_SECRET"

struct lsb_agent_request {
	const char *addresses;	/* "HOST:PORT,..." of the controller; NULL: standard input and output */
	const char *token_file; /* holds the secret; NULL: the environment does */
	int32_t rank, size;	/* rank -1: as the launcher's environment says */
};

/* Serve one launch to its end. An error here is one that the controller could not be told. */
int lsb_agent_serve(const struct lsb_agent_request *request, struct lsb_error *err);

#endif
