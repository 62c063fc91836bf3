/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiling this is the test: every member lies where it lay when the ABI was
 * frozen. A struct that may grow has at least its frozen size, any other exactly
 * that: it is used in arrays.
 */
#include "lsbench/plugin.h"

#define SIZE(type, bytes) _Static_assert(sizeof(struct type) >= (bytes), #type " shrank");
#define MEMBER(type, member, offset)                                                                         \
	_Static_assert(offsetof(struct type, member) == (offset), #type "." #member " moved");
#include "offsets.h"

#define FIXED(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type " changed its size")
FIXED(lsb_error, 512);
FIXED(lsb_buf, 48);
FIXED(lsb_span, 16);
FIXED(lsb_metric, 24);
FIXED(lsb_option, 64);
FIXED(lsb_token, 16);
FIXED(lsb_sampling, 32);
FIXED(lsb_completion, 24);
FIXED(lsb_turn, 16);
