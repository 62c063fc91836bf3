/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plugin may call back: the table behind lsb_host.
 *
 * The log and the progress callback are one per process, set before plugins
 * run; a process is one rank.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "plugin/parts.h"

static struct {
	int (*progress)(void *user);
	void *progress_user;
	void (*log)(void *user, const char *plugin, uint32_t level, const char *message);
	void *log_user;
	char *files; /* what paths of files begin with; NULL: no files */
} hooks;

static atomic_uint_fast64_t memory_now, memory_peak;

/* Before each block that host_alloc hands out. */
struct block {
	void *base; /* what calloc gave */
	uint64_t bytes;
};

void lsb_host_set_progress(int (*progress)(void *user), void *user)
{
	hooks.progress = progress;
	hooks.progress_user = user;
}

void lsb_host_set_log(void (*log)(void *user, const char *plugin, uint32_t level, const char *message),
		      void *user)
{
	hooks.log = log;
	hooks.log_user = user;
}

int lsb_host_set_files(const char *prefix)
{
	free(hooks.files);
	hooks.files = prefix ? strdup(prefix) : NULL;
	return prefix && !hooks.files ? LSB_ENOMEM : LSB_OK;
}

void lsb_host_memory(uint64_t *now_bytes, uint64_t *peak_bytes)
{
	*now_bytes = atomic_load(&memory_now);
	*peak_bytes = atomic_load(&memory_peak);
}

static uint64_t host_now_ns(void *context)
{
	(void)context;
	return lsb_now_ns();
}

static void host_log(void *context, uint32_t level, const char *message)
{
	const struct lsb_loaded_state *state = context;
	const char *name = state->self->plugin.name;

	if (!message)
		return;
	if (hooks.log)
		hooks.log(hooks.log_user, name, level, message);
	else
		fprintf(stderr, "%s: %s\n", name, message);
}

/*
 * calloc and a header in front rather than aligned_alloc and memset: large
 * blocks come from the kernel zeroed and untouched, so that the thread which
 * first writes a page decides on which NUMA node it lies.
 */
static void *host_alloc(void *context, size_t bytes, size_t align)
{
	uint64_t now, peak;
	struct block *block;
	char *base, *at;

	(void)context;
	if (align & (align - 1))
		return NULL;
	if (align < sizeof(void *) * 2)
		align = sizeof(void *) * 2;
	if (bytes > SIZE_MAX - align - sizeof(*block))
		return NULL;
	base = calloc(1, bytes + align + sizeof(*block));
	if (!base)
		return NULL;
	at = base + sizeof(*block);
	at += (align - (uintptr_t)at % align) % align;
	block = (struct block *)(void *)at - 1;
	*block = (struct block){ .base = base, .bytes = bytes };

	now = atomic_fetch_add(&memory_now, bytes) + bytes;
	peak = atomic_load(&memory_peak);
	while (now > peak && !atomic_compare_exchange_weak(&memory_peak, &peak, now))
		;
	return at;
}

static void host_free(void *context, void *ptr)
{
	const struct block *block;

	(void)context;
	if (!ptr)
		return;
	block = (const struct block *)ptr - 1;
	atomic_fetch_sub(&memory_now, block->bytes);
	free(block->base);
}

static int host_progress(void *context)
{
	(void)context;
	return hooks.progress ? hooks.progress(hooks.progress_user) : LSB_OK;
}

static int host_inner(void *context, const struct lsb_inner **out, struct lsb_error *err)
{
	struct lsb_loaded_state *state = context;
	const struct lsb_loaded *l = state->self;

	if (!l->inner)
		return lsb_fail(err, LSB_EINVAL, 0, "%s '%s' wraps nothing here; write %s:NAME",
				lsb_kind_name(l->plugin.kind), l->plugin.name, l->plugin.name);
	state->inner = (struct lsb_inner){
		.struct_size = sizeof(state->inner),
		.name = l->inner->plugin.name,
		.ops = &l->inner->ops,
		.options = l->inner->options,
		.host = &l->inner->host,
	};
	*out = &state->inner;
	return LSB_OK;
}

/* Only beside the logs: a name with a slash, or with a leading dot, could lead elsewhere. */
static int host_file_path(void *context, const char *name, char *to, size_t bytes, struct lsb_error *err)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
	const char *folder_end = hooks.files ? strrchr(hooks.files, '/') : NULL;
	int n;

	(void)context;
	if (!name || !*name || *name == '.' || name[strspn(name, letters)])
		return lsb_fail(err, LSB_EINVAL, 0, "'%.64s' is no name for a file of a rank",
				name ? name : "");
	if (!hooks.files)
		return lsb_fail(err, LSB_EUNAVAIL, 0, "nothing is being run that could leave a file '%s'",
				name);
	n = snprintf(to, bytes, "%.*s", folder_end ? (int)(folder_end - hooks.files) : 1,
		     folder_end ? hooks.files : ".");
	if (n < 0 || (size_t)n >= bytes)
		return lsb_fail(err, LSB_EINVAL, 0, "no room for the path of '%s'", name);
	if (access(*to ? to : "/", W_OK | X_OK))
		return lsb_fail(err, LSB_EUNAVAIL, errno, "this machine cannot write to '%s': %s", to,
				strerror(errno));
	n = snprintf(to, bytes, "%s.%s", hooks.files, name);
	if (n < 0 || (size_t)n >= bytes)
		return lsb_fail(err, LSB_EINVAL, 0, "no room for the path of '%s'", name);
	return LSB_OK;
}

void lsb_host_init(struct lsb_loaded *l)
{
	l->host = (struct lsb_host){
		.struct_size = sizeof(l->host),
		.context = l->state,
		.now_ns = host_now_ns,
		.log = host_log,
		.alloc = host_alloc,
		.free = host_free,
		.progress = host_progress,
		.inner = host_inner,
		.file_path = host_file_path,
	};
}
