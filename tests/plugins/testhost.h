/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least an lsb_host can be, for tests and benchmarks that drive one plugin
 * directly, without lsbench's loader: clock, heap, a log to stderr, and an inner
 * plugin if one is set.
 */
#ifndef LSB_TESTHOST_H
#define LSB_TESTHOST_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lsbench/plugin.h"

static inline uint64_t testhost_now(void *context)
{
	struct timespec t;

	(void)context;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void testhost_log(void *context, uint32_t level, const char *message)
{
	(void)context;
	fprintf(stderr, "plugin (level %u): %s\n", level, message);
}

static inline void *testhost_alloc(void *context, size_t bytes, size_t align)
{
	void *p = NULL;

	(void)context;
	if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, bytes ? bytes : 1))
		return NULL;
	return memset(p, 0, bytes);
}

static inline void testhost_free(void *context, void *ptr)
{
	(void)context;
	free(ptr);
}

static inline int testhost_progress(void *context)
{
	(void)context;
	return LSB_OK;
}

/* `context` of the host is the struct lsb_inner, or NULL. */
static inline int testhost_inner(void *context, const struct lsb_inner **out, struct lsb_error *err)
{
	if (!context)
		return lsb_fail(err, LSB_EINVAL, 0, "this plugin wraps another: name it as NAME:INNER");
	*out = context;
	return LSB_OK;
}

static inline struct lsb_host testhost(struct lsb_inner *inner)
{
	return (struct lsb_host){
		.struct_size = sizeof(struct lsb_host),
		.context = inner,
		.now_ns = testhost_now,
		.log = testhost_log,
		.alloc = testhost_alloc,
		.free = testhost_free,
		.progress = testhost_progress,
		.inner = testhost_inner,
	};
}

/* The descriptor in a plugin file; ends the program when there is none. */
static inline const struct lsb_plugin *testhost_plugin(const char *path)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct lsb_plugin *plugin = object ? dlsym(object, LSB_PLUGIN_SYMBOL) : NULL;

	if (!plugin) {
		fprintf(stderr, "cannot load %s: %s\n", path, dlerror());
		exit(EXIT_FAILURE);
	}
	return plugin;
}

#endif
