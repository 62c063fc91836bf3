/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Declarative options: a plugin says what can be set, lsbench does the rest.
 *
 * The table below is all a plugin writes. lsbench parses the words of a suite,
 * checks type and range, names the nearest option on a typing error, fills the
 * plugin's struct, and prints the same table in `lsbench describe` and in the
 * documentation.
 *
 *	struct tcp_options { uint32_t wait; uint32_t reserved; uint64_t buffer; };
 *
 *	static const struct lsb_option options[] = {
 *		{ .name = "wait", .type = LSB_OPT_CHOICE, .choices = "block|poll|hybrid", .def = "hybrid",
 *		  .offset = offsetof(struct tcp_options, wait), .help = "how to wait for a message" },
 *		{ .name = "buffer", .type = LSB_OPT_SIZE, .def = "4MiB", .min = 4096, .max = 1u << 30,
 *		  .offset = offsetof(struct tcp_options, buffer), .help = "socket buffer each way" },
 *		{ 0 },
 *	};
 */
#ifndef LSBENCH_OPTION_H
#define LSBENCH_OPTION_H

#include "lsbench/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The member that each type fills. */
enum lsb_option_type {
	LSB_OPT_BOOL = 1,   /* uint32_t 0 or 1: yes, no, true, false, on, off */
	LSB_OPT_INT = 2,    /* int64_t */
	LSB_OPT_REAL = 3,   /* double */
	LSB_OPT_SIZE = 4,   /* uint64_t bytes: 64KiB, 1MB; a bare number only for 0 */
	LSB_OPT_TIME = 5,   /* uint64_t nanoseconds: 500us, 2s; a bare number only for 0 */
	LSB_OPT_STRING = 6, /* const char *, lives as long as the handle; never NULL */
	LSB_OPT_CHOICE = 7, /* uint32_t index into `choices`, "block|poll|hybrid" */
	LSB_OPT_FILE = 8,   /* const char *, a path; relative ones are relative to the suite */
};

/* One row of an option table; the table ends with name == NULL. */
struct lsb_option {
	const char *name;    /* [a-z0-9_]+, as in `transport.wait = poll` */
	const char *def;     /* default, in the words a suite would use; NULL: must be set */
	const char *unit;    /* for people: "tokens", "B", "s"; NULL if it has none */
	const char *help;    /* one sentence */
	const char *choices; /* LSB_OPT_CHOICE only: words separated by '|' */
	uint32_t type;	     /* enum lsb_option_type */
	uint32_t offset;     /* into the plugin's options struct */
	double min, max;     /* inclusive, in the member's unit; both 0: unbounded */
};

#ifdef __cplusplus
}
#endif
#endif
