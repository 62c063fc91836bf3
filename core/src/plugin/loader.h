/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugins as files: find, open, check, negotiate; and their options as text.
 *
 * A plugin is named as users write it: "cpu", or "fault:tcp" for an interposer
 * and what it wraps. Files are named lsbench-<kind>-<name>.so and looked for in
 * the folders given, first match wins. Everything that crosses the ABI is
 * checked here, once; the rest of lsbench only sees the checked copies below.
 *
 * This opens foreign code in the calling process: the controller does it only
 * through `lsbench inspect` children (plugin/inspect.h), nodes do it directly.
 */
#ifndef LSB_LOADER_H
#define LSB_LOADER_H

#include <stddef.h>

#include "lsbench/plugin.h"

enum { LSB_CHAIN_MAX = 4, LSB_PLUGIN_NAME_MAX = 64 };

/* One `name = value` for a plugin, with where the value was written. Strings are the caller's. */
struct lsb_setting {
	const char *name; /* without "backend." and the like */
	const char *value;
	const char *where; /* "suite.ini:12", "--set", or NULL */
};

/*
 * An opened plugin: checked copies of its tables. `ops` has the size this
 * lsbench knows; what the plugin lacks is NULL.
 */
struct lsb_loaded {
	char path[4096];
	struct lsb_plugin plugin; /* checked copy; .ops points at the union below */
	union {
		struct lsb_backend_ops backend;
		struct lsb_transport_ops transport;
		struct lsb_workload_ops workload;
	} ops;
	void *options; /* filled struct of plugin.options_size bytes, owned; NULL before lsb_loaded_configure
			*/
	struct lsb_loaded *inner; /* what an interposer wraps, owned; else NULL */
	struct lsb_host host;	  /* what its open() gets; .context points at this struct's own state */
	void *state;		  /* the loader's own */
};

/* "backend", "transport", "workload"; NULL if `kind` is none of them. */
const char *lsb_kind_name(enum lsb_kind kind);

/*
 * The folders to search, ':'-separated: `extra` (of --plugins; NULL: what the
 * environment's LSBENCH_PLUGINS says, if anything) first, then `plugins/` beside
 * the running binary, then ../lib/lsbench/plugins. Writes a NUL-terminated list.
 * Returns 0, LSB_ESUITE when a folder of `extra` is not there, or LSB_EINVAL when
 * the list does not fit.
 */
int lsb_plugin_folders(const char *extra, char *out, size_t bytes, struct lsb_error *err);

/*
 * What plugin KIND-NAME of this project needs to be built, in words, when it is
 * one that is left out of a build that lacks it; NULL for all others.
 */
const char *lsb_plugin_optional(const char *kind, const char *name);

/*
 * Open `name` ("tcp", "fault:tcp") of `kind` from `folders`. On success *out is
 * owned by the caller (lsb_loaded_free, which never dlcloses). Errors are
 * LSB_EPLUGIN and name file, wanted and found.
 */
int lsb_plugin_load(enum lsb_kind kind, const char *name, const char *folders, struct lsb_loaded **out,
		    struct lsb_error *err);

/* Open exactly the file `path`, whatever its kind; for `lsbench check` and `plugins`. */
int lsb_plugin_load_file(const char *path, struct lsb_loaded **out, struct lsb_error *err);

/*
 * Fill the options of `l` and of what it wraps from `settings`; each goes to
 * the first plugin of the chain whose table knows its name. `base` is the folder
 * that relative LSB_OPT_FILE values start from (NULL: the working folder).
 * Errors are LSB_ESUITE: unknown name with the nearest one, wrong type, range.
 */
int lsb_loaded_configure(struct lsb_loaded *l, const struct lsb_setting *settings, size_t n, const char *base,
			 struct lsb_error *err);

void lsb_loaded_free(struct lsb_loaded *l);

/*
 * The word that option `name`, a choice, of a configured plugin or of what it wraps stands at
 * ("hybrid" of wait), into `word`; 0 where the chain has no such option.
 */
int lsb_loaded_choice(const struct lsb_loaded *l, const char *name, char *word, size_t bytes);

/* Whether any plugin of a transport's chain needs ranks that an MPI launcher started (fault:mpi). */
int lsb_loaded_needs_mpirun(const struct lsb_loaded *l);
/* "pmix" or "pmi2": what a transport's MPI wants of its launcher, as srun --mpi names it; NULL: not told. */
const char *lsb_loaded_pmi(const struct lsb_loaded *l);

/*
 * What an operation of `l` returned, made fit to show: `err`, zeroed by the
 * caller before the operation, gets a message where the plugin gave none (and an
 * end where it gave none), and a code that is not an lsb_status becomes
 * LSB_EPLUGIN. Returns the code to go on with; LSB_OK for LSB_OK.
 */
int lsb_plugin_result(const struct lsb_loaded *l, const char *operation, int rc, struct lsb_error *err);

/*
 * The backend's encode and decode (lsbench/backend.h) into malloc'ed *ids [*n] and
 * NUL-terminated *text, which the caller frees even after an error. LSB_EPLUGIN when
 * the plugin tells absurd sizes or two different ones. [main]
 */
int lsb_loaded_encode(const struct lsb_loaded *backend, struct lsb_backend *handle,
		      const struct lsb_turn *turns, size_t n_turns, uint32_t flags, int32_t **ids, size_t *n,
		      struct lsb_error *err);
int lsb_loaded_decode(const struct lsb_loaded *backend, struct lsb_backend *handle, const int32_t *ids,
		      size_t n, char **text, struct lsb_error *err);

/*
 * Pure: parse `settings` by `table` into `out` (`bytes` long, zeroed here).
 * Strings that `out` points to are copied and owned by `*strings`, a
 * NULL-terminated list the caller frees with lsb_options_free.
 */
int lsb_options_parse(const struct lsb_option *table, const struct lsb_setting *settings, size_t n,
		      const char *base, void *out, size_t bytes, char ***strings, struct lsb_error *err);
void lsb_options_free(char **strings);

/* The callback that lsb_host.progress of every loaded plugin reaches; one per process. */
void lsb_host_set_progress(int (*progress)(void *user), void *user);
/* Where lsb_host.log lines go; default: stderr with "name: " before them. */
void lsb_host_set_log(void (*log)(void *user, const char *plugin, uint32_t level, const char *message),
		      void *user);
/* What lsb_host.file_path puts before ".NAME" ("results/logs/0.1", copied); NULL, as at first: no files. */
int lsb_host_set_files(const char *prefix);
/* Bytes that all plugins of this process hold from lsb_host.alloc, now and at most so far. */
void lsb_host_memory(uint64_t *now_bytes, uint64_t *peak_bytes);

#endif
