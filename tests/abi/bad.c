/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small good workload, and by BAD_* macros everything that can be wrong with
 * a plugin, one fault at a time.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "lsbench/plugin.h"

#ifndef BAD_NAME
#define BAD_NAME NAME
#endif
#ifndef BAD_KIND
#define BAD_KIND LSB_WORKLOAD
#endif
#ifndef BAD_MAGIC
#define BAD_MAGIC LSB_PLUGIN_MAGIC
#endif
#ifndef BAD_SIZE
#define BAD_SIZE sizeof(struct lsb_plugin)
#endif
#ifndef BAD_OPS_SIZE
#define BAD_OPS_SIZE sizeof(struct lsb_workload_ops)
#endif
#ifndef BAD_OPS
#define BAD_OPS &ops
#endif
#ifndef BAD_GET
#define BAD_GET bad_get
#endif
#ifndef BAD_VERSION
#define BAD_VERSION "1.0"
#endif
#ifndef BAD_OPTIONS_SIZE
#define BAD_OPTIONS_SIZE sizeof(struct bad_options)
#endif
#ifndef BAD_FLAGS
#define BAD_FLAGS 0
#endif
#ifndef BAD_OPEN
#define BAD_OPEN return LSB_OK
#endif

struct bad_options {
	int64_t n;
	double x;
};

struct lsb_workload {
	char id[24];
};

static inline void hang(void)
{
	for (;;)
		pause();
}

#ifdef BAD_CONSTRUCTOR
__attribute__((constructor)) static void at_load(void)
{
	BAD_CONSTRUCTOR;
}
#endif

static int bad_open(const struct lsb_host *host, const void *options, struct lsb_workload **out,
		    struct lsb_error *err)
{
	(void)options;
	(void)err;
	*out = host->alloc(host->context, sizeof(**out), 8);
	BAD_OPEN;
}

static uint64_t bad_count(const struct lsb_workload *w)
{
	(void)w;
	return 3;
}

static inline int bad_get(struct lsb_workload *w, uint64_t index, struct lsb_request *out,
			  struct lsb_error *err)
{
	static const char *const ids[] = { "a", "b", "c" };
	static const struct lsb_turn turn = { .role = "user", .text = "one two three" };

	(void)w;
	if (index >= 3)
		return lsb_fail(err, LSB_EINVAL, 0, "no request %d", (int)index);
	out->id = ids[index];
	if (index == 0) {
		out->turns = &turn;
		out->n_turns = 1;
	} else if (index == 1) {
		out->text = "four five";
		out->max_new = 7;
	} else {
		out->prompt_tokens = 11;
	}
	return LSB_OK;
}

static void bad_close(struct lsb_workload *w)
{
	(void)w;
}

#define TIMES4(x) x, x, x, x
#define ROW                                                                                                  \
	{                                                                                                    \
		.name = "n", .type = LSB_OPT_INT, .help = "h"                                                \
	}
#ifndef BAD_ROWS
#define BAD_ROWS                                                                                             \
	{ .name = "n",                                                                                       \
	  .def = "1",                                                                                        \
	  .type = LSB_OPT_INT,                                                                               \
	  .offset = offsetof(struct bad_options, n),                                                         \
	  .max = 9,                                                                                          \
	  .unit = "requests",                                                                                \
	  .help = "how many" },                                                                              \
	{                                                                                                    \
		0                                                                                            \
	}
#endif
static const struct lsb_option rows[] = { BAD_ROWS };

__attribute__((unused)) static const struct lsb_workload_ops ops = { .struct_size = BAD_OPS_SIZE,
								     .open = bad_open,
								     .count = bad_count,
								     .get = BAD_GET,
								     .close = bad_close };

#ifdef BAD_SYMBOL
#define lsb_plugin_v1 BAD_SYMBOL
extern LSB_EXPORT const struct lsb_plugin BAD_SYMBOL;
#endif
LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
	.magic = BAD_MAGIC,
	.abi_minor = LSB_ABI_MINOR,
	.struct_size = BAD_SIZE,
	.kind = BAD_KIND,
	.flags = BAD_FLAGS,
	.name = BAD_NAME,
	.version = BAD_VERSION,
	.summary = "A workload for the tests",
	.options = rows,
	.options_size = BAD_OPTIONS_SIZE,
	.ops = { .workload = BAD_OPS },
};
