/* SPDX-License-Identifier: Apache-2.0 */
#include "misfortune.h"

enum fault_fate fault_fate_of(const struct fault_misfortune *m, uint64_t nth)
{
	const int64_t n = nth > INT64_MAX ? INT64_MAX : (int64_t)nth;

	if (m->drop_after >= 0 && n > m->drop_after)
		return FAULT_DROPPED;
	if (n == m->drop_at)
		return FAULT_DROPPED;
	if (n == m->reset_at)
		return FAULT_RESET;
	if (n == m->truncate_at)
		return FAULT_TRUNCATED;
	return n == m->corrupt_at ? FAULT_CORRUPTED : FAULT_PASSES;
}

int fault_call_fails(struct fault_misfortune *m, enum fault_op op)
{
	m->calls[op]++;
	return m->fail_op == op && m->fail_at > 0 && m->calls[op] == (uint64_t)m->fail_at;
}

const char *fault_op_name(enum fault_op op)
{
	static const char *const names[FAULT_OPS] = { "isend",	 "irecv",   "wait_any",
						      "barrier", "connect", "open" };

	return names[op];
}
