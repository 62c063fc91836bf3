/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptor of a plugin: checked field by field before any of its
 * operations is called, and copied. What is copied is believed from then on.
 *
 * A table may be older (shorter) or newer (longer) than ours: min(theirs,
 * ours) bytes are copied over zeroes, so what an old plugin lacks reads NULL and
 * what a new one has more is never seen. Only then are operations looked at.
 */
#include <stdarg.h>
#include <string.h>

#include "base/base.h"
#include "plugin/parts.h"

#define REQUIRED(kind, op)                                                                                   \
	{                                                                                                    \
#op, offsetof(struct lsb_##kind##_ops, op), 1                                                \
	}
#define OPTIONAL(kind, op)                                                                                   \
	{                                                                                                    \
#op, offsetof(struct lsb_##kind##_ops, op), 0                                                \
	}

static const struct lsb_operation backend_operations[] = {
	REQUIRED(backend, open),     REQUIRED(backend, info),	   REQUIRED(backend, encode),
	REQUIRED(backend, decode),   REQUIRED(backend, buf_alloc), REQUIRED(backend, buf_free),
	REQUIRED(backend, submit),   REQUIRED(backend, wait),	   REQUIRED(backend, slot_clear),
	REQUIRED(backend, close),    OPTIONAL(backend, buf_copy),  OPTIONAL(backend, ticket_times),
	OPTIONAL(backend, counters), OPTIONAL(backend, measure),
};
static const struct lsb_operation transport_operations[] = {
	REQUIRED(transport, open),	     REQUIRED(transport, address),  REQUIRED(transport, connect),
	REQUIRED(transport, isend),	     REQUIRED(transport, irecv),    REQUIRED(transport, wait_any),
	REQUIRED(transport, barrier),	     REQUIRED(transport, close),    OPTIONAL(transport, buf_register),
	OPTIONAL(transport, buf_unregister), OPTIONAL(transport, progress), OPTIONAL(transport, counters),
	OPTIONAL(transport, mem_caps_here),
};
static const struct lsb_operation workload_operations[] = {
	REQUIRED(workload, open),  REQUIRED(workload, count), REQUIRED(workload, get),
	REQUIRED(workload, close), OPTIONAL(workload, score),
};

static const struct kind_table {
	const struct lsb_operation *operations;
	size_t n;
	size_t bytes; /* of the table as this lsbench knows it */
} kinds[] = {
	[LSB_BACKEND] = { backend_operations, LSB_COUNT(backend_operations), sizeof(struct lsb_backend_ops) },
	[LSB_TRANSPORT] = { transport_operations, LSB_COUNT(transport_operations),
			    sizeof(struct lsb_transport_ops) },
	[LSB_WORKLOAD] = { workload_operations, LSB_COUNT(workload_operations),
			   sizeof(struct lsb_workload_ops) },
};

const struct lsb_operation *lsb_kind_operations(enum lsb_kind kind, size_t *n)
{
	*n = kinds[kind].n;
	return kinds[kind].operations;
}

int lsb_loaded_has(const struct lsb_loaded *l, const struct lsb_operation *operation)
{
	void (*function)(void);

	memcpy(&function, (const char *)&l->ops + operation->offset, sizeof(function));
	return function != NULL;
}

int lsb_plugin_refuse(const char *path, struct lsb_error *err, const char *format, ...)
{
	enum { PATH_SHOWN = 200 }; /* the reason must fit behind it */
	const size_t length = strlen(path);
	char why[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	return lsb_fail(err, LSB_EPLUGIN, 0, "plugin '%s%s' refused: %s", length > PATH_SHOWN ? "..." : "",
			length > PATH_SHOWN ? path + length - PATH_SHOWN : path, why);
}

/* The fixed fields: is this a descriptor of our ABI at all, and how long is it? */
static int header_check(const char *path, const struct lsb_plugin *theirs, size_t symbol_bytes,
			struct lsb_error *err)
{
	const size_t least = offsetof(struct lsb_plugin, self_test);

	if (symbol_bytes && symbol_bytes < offsetof(struct lsb_plugin, kind))
		return lsb_plugin_refuse(path, err,
					 "its %s has %zu bytes, wanted a struct lsb_plugin of at least %zu",
					 LSB_PLUGIN_SYMBOL, symbol_bytes, least);
	if (theirs->magic != LSB_PLUGIN_MAGIC)
		return lsb_plugin_refuse(
			path, err,
			"its ABI magic is 0x%08x, wanted 0x%08x; rebuild it with this lsbench's headers",
			theirs->magic, LSB_PLUGIN_MAGIC);
	if (theirs->struct_size < least || theirs->struct_size > LSB_PLUGIN_OPS_MAX)
		return lsb_plugin_refuse(path, err,
					 "its descriptor (ABI 1.%u) says it has %zu bytes, wanted %zu to %d; "
					 "rebuild it with this lsbench's headers (ABI 1.%u)",
					 theirs->abi_minor, theirs->struct_size, least, LSB_PLUGIN_OPS_MAX,
					 LSB_ABI_MINOR);
	if (symbol_bytes && theirs->struct_size > symbol_bytes)
		return lsb_plugin_refuse(path, err, "its descriptor says it has %zu bytes, found only %zu",
					 theirs->struct_size, symbol_bytes);
	return LSB_OK;
}

/* A string of the descriptor: there, of one line, and not endless. */
static int text_check(const char *path, const char *field, const char *text, struct lsb_error *err)
{
	const size_t length = text ? strnlen(text, LSB_PLUGIN_TEXT_MAX) : 0;

	if (length == 0)
		return lsb_plugin_refuse(path, err, "it has no %s", field);
	if (length == LSB_PLUGIN_TEXT_MAX || memchr(text, '\n', length))
		return lsb_plugin_refuse(path, err, "its %s is not one line of less than %d bytes", field,
					 LSB_PLUGIN_TEXT_MAX);
	return LSB_OK;
}

/* What it says it is, against what its file says. */
static int identity_check(const char *path, const struct lsb_plugin *p, struct lsb_error *err)
{
	char file_name[LSB_PLUGIN_NAME_MAX];
	enum lsb_kind file_kind;
	int rc;

	if (!lsb_plugin_file_parse(path, &file_kind, file_name))
		return lsb_plugin_refuse(
			path, err,
			"the file is not named lsbench-<kind>-<name>.so, with a kind of backend, "
			"transport or workload and a name of [a-z0-9-]+");
	if (!lsb_kind_name((enum lsb_kind)p->kind))
		return lsb_plugin_refuse(path, err, "its kind is %u, wanted %u (%s)", p->kind,
					 (unsigned)file_kind, lsb_kind_name(file_kind));
	if (p->kind != (uint32_t)file_kind)
		return lsb_plugin_refuse(path, err, "it is a %s, wanted a %s as its file name says",
					 lsb_kind_name((enum lsb_kind)p->kind), lsb_kind_name(file_kind));
	rc = text_check(path, "name", p->name, err);
	if (rc)
		return rc;
	if (strcmp(p->name, file_name) != 0)
		return lsb_plugin_refuse(path, err, "its name is '%.64s', wanted '%s' as its file name says",
					 p->name, file_name);
	if (p->flags & LSB_PLUGIN_NEEDS)
		return lsb_plugin_refuse(
			path, err,
			"it needs 0x%08x of lsbench (ABI 1.%u), which this one (ABI 1.%u) lacks; "
			"use a newer one",
			p->flags & LSB_PLUGIN_NEEDS, p->abi_minor, LSB_ABI_MINOR);
	rc = text_check(path, "version", p->version, err);
	return rc ? rc : text_check(path, "summary", p->summary, err);
}

/* Copy the operations and see that those which a plugin of this kind cannot do without are there. */
static int operations_check(const char *path, const struct lsb_plugin *p, struct lsb_loaded *l,
			    struct lsb_error *err)
{
	const struct kind_table *kind = &kinds[p->kind];
	const void *theirs =
		p->ops.backend; /* any member: all are pointers to a struct with its size first */
	size_t bytes;

	if (!theirs)
		return lsb_plugin_refuse(path, err, "its ops.%s is NULL, wanted a table of operations",
					 lsb_kind_name((enum lsb_kind)p->kind));
	memcpy(&bytes, theirs, sizeof(bytes));
	if (bytes < sizeof(bytes) || bytes > LSB_PLUGIN_OPS_MAX || bytes % sizeof(void *))
		return lsb_plugin_refuse(
			path, err,
			"its table of operations (ABI 1.%u) says it has %zu bytes, wanted %zu "
			"as in ABI 1.%u, or a smaller or larger multiple of %zu",
			p->abi_minor, bytes, kind->bytes, LSB_ABI_MINOR, sizeof(void *));
	memcpy(&l->ops, theirs, bytes < kind->bytes ? bytes : kind->bytes);
	memcpy(&l->ops, &kind->bytes, sizeof(kind->bytes));
	for (size_t i = 0; i < kind->n; i++)
		if (kind->operations[i].required && !lsb_loaded_has(l, &kind->operations[i]))
			return lsb_plugin_refuse(path, err, "it has no operation '%s', wanted in every %s",
						 kind->operations[i].name,
						 lsb_kind_name((enum lsb_kind)p->kind));
	return LSB_OK;
}

int lsb_descriptor_check(const char *path, const struct lsb_plugin *theirs, size_t symbol_bytes,
			 struct lsb_loaded *l, struct lsb_error *err)
{
	struct lsb_plugin *p = &l->plugin;
	struct lsb_error why;
	int rc = header_check(path, theirs, symbol_bytes, err);

	if (rc)
		return rc;
	if (snprintf(l->path, sizeof(l->path), "%s", path) >= (int)sizeof(l->path))
		return lsb_plugin_refuse(path, err, "its path is longer than %zu bytes", sizeof(l->path) - 1);
	memcpy(p, theirs, theirs->struct_size < sizeof(*p) ? theirs->struct_size : sizeof(*p));
	p->struct_size = sizeof(*p);
	rc = identity_check(path, p, err);
	if (rc)
		return rc;
	if (lsb_options_check(p->options, p->options_size, &why))
		return lsb_plugin_refuse(path, err, "%s", why.msg);
	rc = operations_check(path, p, l, err);
	if (rc)
		return rc;
	p->ops.backend = &l->ops.backend; /* the union's address, whatever the kind */
	return LSB_OK;
}
