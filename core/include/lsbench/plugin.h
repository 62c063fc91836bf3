/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plugin is to lsbench: one constant.
 *
 * A plugin is a shared object named lsbench-<kind>-<name>.so that exports
 * exactly one symbol, the constant `lsb_plugin_v1`. lsbench reads it, before
 * calling anything, to learn what the plugin is, what it can be configured
 * with, and what it can do:
 *
 *	static const struct lsb_transport_ops ops = { .struct_size = sizeof(ops), ... };
 *
 *	LSB_EXPORT const struct lsb_plugin lsb_plugin_v1 = {
 *		LSB_PLUGIN_HEADER, .kind = LSB_TRANSPORT, .name = "tcp", .version = "1.0",
 *		.summary = "Stage links over TCP sockets",
 *		.options = options, .options_size = sizeof(struct tcp_options),
 *		.ops = { .transport = &ops },
 *	};
 *
 * Growing. The 1 in the symbol's name is the major version: a plugin for
 * another one is not found at all. Within v1, tables grow at their end only;
 * lsbench copies min(its size, the plugin's size) into a zeroed table of its
 * own, so an older plugin's missing operations read as NULL, "not supported",
 * and a newer plugin's extra ones are never called. Nothing is renamed, moved
 * or reused. lsbench never writes to a plugin's tables.
 *
 * A struct that lsbench hands in begins with its size: a plugin that was built
 * with newer headers copies no more than that, and reads a later member only
 * after LSB_HAS-like checks. A struct that the plugin fills begins with the size
 * that the caller has; the plugin writes no further than that, and leaves the size
 * as it is.
 *
 * An older lsbench does not know what a newer plugin cannot do without. Such a
 * need is a bit of LSB_PLUGIN_NEEDS: lsbench refuses a plugin with one that it
 * does not know, and ignores unknown flags below it.
 *
 * Manners. A plugin does not exit, abort, print, change signal handlers or
 * read environment variables of its own; it logs and allocates through
 * lsb_host. It is never unloaded once an open has succeeded.
 */
#ifndef LSBENCH_PLUGIN_H
#define LSBENCH_PLUGIN_H

#include "lsbench/backend.h"
#include "lsbench/host.h"
#include "lsbench/option.h"
#include "lsbench/transport.h"
#include "lsbench/types.h"
#include "lsbench/workload.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LSB_EXPORT __attribute__((visibility("default")))
#define LSB_PLUGIN_SYMBOL "lsb_plugin_v1"
#define LSB_PLUGIN_MAGIC 0x3142534cu /* "LSB1" read as little-endian bytes */
#define LSB_ABI_MINOR 0u	     /* for messages; sizes decide */
#define LSB_PLUGIN_HEADER                                                                                    \
	.magic = LSB_PLUGIN_MAGIC, .abi_minor = LSB_ABI_MINOR, .struct_size = sizeof(struct lsb_plugin)

enum lsb_kind { LSB_BACKEND = 1, LSB_TRANSPORT = 2, LSB_WORKLOAD = 3 };

/* Flags of lsb_plugin. */
enum {
	LSB_PLUGIN_GLOBAL = 1u << 0,	 /* its libraries need RTLD_GLOBAL (libmpi opens components) */
	LSB_PLUGIN_INTERPOSER = 1u << 1, /* wraps another of its kind: reached as NAME:INNER */
};
#define LSB_PLUGIN_NEEDS 0xffff0000u /* flags that must be known; none in this version */

struct lsb_plugin {
	uint32_t magic;	    /* LSB_PLUGIN_MAGIC */
	uint32_t abi_minor; /* LSB_ABI_MINOR it was built with */
	size_t struct_size;
	uint32_t kind;			  /* enum lsb_kind; must agree with the file's name */
	uint32_t flags;			  /* LSB_PLUGIN_* */
	const char *name;		  /* [a-z0-9-]+; must agree with the file's name */
	const char *version;		  /* the plugin's own */
	const char *summary;		  /* one line for `lsbench plugins` */
	const struct lsb_option *options; /* may be NULL */
	size_t options_size;		  /* bytes of the struct the table describes, at most 64 KiB */

	/*
	 * Can it work here? LSB_EUNAVAIL with a reason becomes "waived". Quick, and
	 * leaves nothing behind: it runs once more in each rank, before open.
	 * Optional. [main]
	 */
	int (*probe)(const struct lsb_host *host, struct lsb_error *err);

	/* The table of its kind; never NULL. */
	union {
		const struct lsb_backend_ops *backend;
		const struct lsb_transport_ops *transport;
		const struct lsb_workload_ops *workload;
	} ops;

	/* Check itself without touching a run, for `lsbench check`. Optional. [main] */
	int (*self_test)(const struct lsb_host *host, struct lsb_error *err);
};

extern LSB_EXPORT const struct lsb_plugin lsb_plugin_v1;

#ifdef __cplusplus
}
#endif
#endif
