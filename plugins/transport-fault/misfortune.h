/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What befalls the n-th message of a link, or the n-th call of an operation. Pure:
 * counts in, verdicts out. Counts start at 1, so that 0 is never.
 */
#ifndef LSB_FAULT_MISFORTUNE_H
#define LSB_FAULT_MISFORTUNE_H

#include <stdint.h>

enum fault_fate { FAULT_PASSES = 0, FAULT_DROPPED, FAULT_TRUNCATED, FAULT_CORRUPTED, FAULT_RESET };

/* Operations that can fail; in the order of the option's words. */
enum fault_op {
	FAULT_OP_ISEND = 0,
	FAULT_OP_IRECV,
	FAULT_OP_WAIT_ANY,
	FAULT_OP_BARRIER,
	FAULT_OP_CONNECT,
	FAULT_OP_OPEN,
	FAULT_OPS,
};
#define FAULT_OP_WORDS "isend|irecv|wait_any|barrier|connect|open"

struct fault_misfortune {
	int64_t drop_after; /* all messages after so many are lost; -1: none */
	int64_t drop_at, truncate_at, corrupt_at, reset_at; /* which message of a link; 0: none */
	int64_t fail_at;				    /* which call of fail_op fails; 0: none */
	enum fault_op fail_op;
	uint64_t calls[FAULT_OPS]; /* so far */
};

/* What becomes of message number `nth` of a link. */
enum fault_fate fault_fate_of(const struct fault_misfortune *m, uint64_t nth);
/* Count a call; whether it fails. */
int fault_call_fails(struct fault_misfortune *m, enum fault_op op);
/* "isend" */
const char *fault_op_name(enum fault_op op);

#endif
