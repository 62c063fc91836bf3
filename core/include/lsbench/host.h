/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lsbench offers a plugin: a clock, a log, memory, progress, and for
 * interposers the plugin that they wrap.
 *
 * The table is handed to every open() and probe() and lives until the process
 * ends. A plugin uses these instead of the C library's own where it has the
 * choice: what goes through here is counted and shown.
 */
#ifndef LSBENCH_HOST_H
#define LSBENCH_HOST_H

#include <stdarg.h>
#include <stdio.h>

#include "lsbench/types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum lsb_log_level { LSB_LOG_ERROR = 0, LSB_LOG_WARN = 1, LSB_LOG_INFO = 2, LSB_LOG_DEBUG = 3 };

struct lsb_host;

/*
 * What an interposer wraps: lsbench's checked copy of the inner plugin's table.
 * It has the size that lsbench knows: test optional operations with LSB_HAS.
 */
struct lsb_inner {
	size_t struct_size;
	const char *name;	     /* "tcp" in `transport = fault:tcp` */
	const void *ops;	     /* struct lsb_<kind>_ops of the interposer's own kind */
	const void *options;	     /* the inner plugin's options struct, filled and checked */
	const struct lsb_host *host; /* what the inner plugin's open() must get: it may wrap another itself */
};

struct lsb_host {
	size_t struct_size;
	void *context; /* lsbench's own; pass it back as the first argument */

	/* Nanoseconds of the clock all records and deadlines use (CLOCK_MONOTONIC). [any, hot] */
	uint64_t (*now_ns)(void *context);

	/* One line, without a newline, into the rank's log; copied. [any] */
	void (*log)(void *context, uint32_t level, const char *message);

	/*
	 * Zeroed memory, aligned to `align` (a power of two, at least 8); counted
	 * in the rank's memory figures. NULL when there is none. Give it back with
	 * `free` of the same host; NULL is fine. [any]
	 */
	void *(*alloc)(void *context, size_t bytes, size_t align);
	void (*free)(void *context, void *ptr);

	/*
	 * A backend that computes on the caller's thread calls this between
	 * layers, from inside its wait, so that pending messages move on. Returns
	 * LSB_OK, or LSB_ECANCELED when the backend should abandon the step. It
	 * calls no operation of the backend. [rank, hot]
	 */
	int (*progress)(void *context);

	/*
	 * The plugin that this interposer wraps; LSB_EINVAL when it was not
	 * reached as NAME:INNER. `out` lives until the handle is closed. [main]
	 */
	int (*inner)(void *context, const struct lsb_inner **out, struct lsb_error *err);

	/*
	 * Where this rank may leave a file called `name` ([A-Za-z0-9.-]+, such as
	 * "trace.json"): a path beside the rank's log in the results folder, into
	 * `to`. LSB_EUNAVAIL where nothing is being run (`lsbench describe`, `check`)
	 * or the rank's machine does not have that folder; LSB_EINVAL when name or
	 * path do not fit. Whoever creates the file keeps it small. [main]
	 */
	int (*file_path)(void *context, const char *name, char *to, size_t bytes, struct lsb_error *err);
};

/*
 * Fill `err` (may be NULL) and return `code`, so that a failure is one line:
 *
 *	return lsb_fail(err, LSB_EIO, errno, "cannot open '%s': %s", path, strerror(errno));
 */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5), unused))
#endif
static inline int
lsb_fail(struct lsb_error *err, int code, int64_t sys, const char *format, ...)
{
	if (err) {
		va_list args;

		err->code = (int32_t)code;
		err->reserved = 0;
		err->sys = sys;
		va_start(args, format);
		(void)vsnprintf(err->msg, sizeof(err->msg), format, args);
		va_end(args);
	}
	return code;
}

/* Whether table `t` reaches as far as operation `op` and has it. */
#define LSB_HAS(t, op)                                                                                       \
	((t)->struct_size >= offsetof(__typeof__(*(t)), op) + sizeof((t)->op) && (t)->op != NULL)

#ifdef __cplusplus
}
#endif
#endif
