/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a transport waits for a message: the options `wait` and `spin`, which mean the
 * same to tcp, shm and mpi, so that they can be compared.
 *
 * A plugin's options struct holds a struct wait_options, and its option table begins
 * with these two rows.
 */
#ifndef TRANSPORT_COMMON_WAIT_H
#define TRANSPORT_COMMON_WAIT_H

#include <stddef.h>
#include <stdint.h>

#include "lsbench/option.h"

enum wait_how { WAIT_BLOCK = 0, WAIT_POLL = 1, WAIT_HYBRID = 2 }; /* in the order of the option's words */

struct wait_options {
	uint32_t how; /* enum wait_how */
	uint32_t reserved;
	uint64_t spin_ns;
};

/* Rows for the member `wait` of `struct options`; `help_text` tells what sleeping means here. */
#define WAIT_OPTION(options, help_text)                                                                      \
	{                                                                                                    \
		.name = "wait", .type = LSB_OPT_CHOICE, .choices = "block|poll|hybrid", .def = "hybrid",     \
		.offset = offsetof(options, wait.how), .help = help_text                                     \
	}
#define WAIT_OPTION_SPIN(options)                                                                            \
	{                                                                                                    \
		.name = "spin", .type = LSB_OPT_TIME, .def = "50us", .unit = "s", .max = 1e9,                \
		.offset = offsetof(options, wait.spin_ns),                                                   \
		.help = "how long `wait = hybrid` looks before it sleeps"                                    \
	}

/* Until when a wait that began at `now_ns` looks without a pause; from then on it sleeps between looks. */
static inline uint64_t wait_spins_until(const struct wait_options *options, uint64_t now_ns)
{
	switch (options->how) {
	case WAIT_BLOCK:
		return now_ns;
	case WAIT_POLL:
		return UINT64_MAX;
	default:
		return now_ns + options->spin_ns;
	}
}

#endif
