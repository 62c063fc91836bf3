/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of plugin/ share and nobody else includes.
 */
#ifndef LSB_PLUGIN_PARTS_H
#define LSB_PLUGIN_PARTS_H

#include <jansson.h>

#include "plugin/loader.h"

enum {
	LSB_OPTIONS_MAX = 128,		 /* rows of one option table */
	LSB_OPTIONS_BYTES_MAX = 1 << 16, /* of the struct it describes */
	LSB_PLUGIN_TEXT_MAX = 1024,	 /* any one string of a descriptor */
	LSB_PLUGIN_OPS_MAX = 1 << 12,	 /* bytes of an operations table */
};

/* --- folders.c: names and files ------------------------------------------ */

/* Whether `name` is [a-z0-9-]+ and short enough. */
int lsb_plugin_name_valid(const char *name);
/* Kind and name out of ".../lsbench-<kind>-<name>.so"; 0 when the file is not named so. */
int lsb_plugin_file_parse(const char *path, enum lsb_kind *kind, char name[LSB_PLUGIN_NAME_MAX]);
/* The kind called `name`, or 0. */
enum lsb_kind lsb_kind_parse(const char *name);
/*
 * The first file for kind and name in `folders`. LSB_EPLUGIN with the nearest name and the folders;
 * LSB_EUNAVAIL for a plugin of this project that is only built where what it needs is found.
 */
int lsb_plugin_find(enum lsb_kind kind, const char *name, const char *folders, char *path, size_t bytes,
		    struct lsb_error *err);
/*
 * Every plugin file of `folders`, folder by folder, sorted within each; a
 * NULL-terminated list that the caller frees with lsb_options_free.
 */
int lsb_plugin_files(const char *folders, char ***paths, struct lsb_error *err);
/*
 * Cut the first link off a chain "fault:tcp": into `link`, and the rest, or NULL, to *rest. 0 if malformed.
 */
int lsb_chain_cut(const char *chain, char link[LSB_PLUGIN_NAME_MAX], const char **rest);

/* --- descriptor.c: what is believed, and why ------------------------------ */

/* One operation of a kind's table. */
struct lsb_operation {
	const char *name;
	size_t offset;
	int required;
};
const struct lsb_operation *lsb_kind_operations(enum lsb_kind kind, size_t *n);
/* Whether the checked copy of `l` has it. */
int lsb_loaded_has(const struct lsb_loaded *l, const struct lsb_operation *operation);

/*
 * Check `theirs`, found in file `path` as a symbol of `symbol_bytes` bytes (0:
 * unknown), and fill l->path, l->plugin and l->ops. LSB_EPLUGIN.
 */
int lsb_descriptor_check(const char *path, const struct lsb_plugin *theirs, size_t symbol_bytes,
			 struct lsb_loaded *l, struct lsb_error *err);
/* LSB_EPLUGIN: "plugin 'FILE' refused: ...". */
int lsb_plugin_refuse(const char *path, struct lsb_error *err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* --- options.c ------------------------------------------------------------ */

size_t lsb_options_count(const struct lsb_option *table);
const struct lsb_option *lsb_options_find(const struct lsb_option *table, const char *name);
const char *lsb_option_type_name(uint32_t type);
/* Word `index` of "a|b|c" into `word`; 0 when there are fewer. */
int lsb_option_choice(const char *choices, uint32_t index, char *word, size_t bytes);
/* "1 to 4 tokens", "1KiB to 1GiB" into `out`; 0 when it is unbounded. */
int lsb_option_range(const struct lsb_option *o, char *out, size_t bytes);
/* Whether a plugin's table can be believed; `why` gets the fault, without the file's name. */
int lsb_options_check(const struct lsb_option *table, size_t options_size, struct lsb_error *why);

/* --- host.c --------------------------------------------------------------- */

/* The loader's own part of a loaded plugin; what lsb_host.context points at. */
struct lsb_loaded_state {
	struct lsb_loaded *self;
	struct lsb_inner inner;
	char **strings; /* that the options point to */
};
void lsb_host_init(struct lsb_loaded *l);

/* --- answer*.c, conform*.c: inside an inspect child ----------------------- */

/* Who asked: where the child's lines go. */
struct lsb_asker {
	int fd;
};
/* Tell the parent what is about to run foreign code, in case it is the last thing heard. */
void lsb_answer_doing(const struct lsb_asker *to, const char *file, const char *operation);
/* One finished check of a conformance run; `detail` may be NULL. */
void lsb_answer_result(const struct lsb_asker *to, int passed, const char *name, const char *detail);
/* A JSON string of `text`, which may be no UTF-8 at all; null for NULL. */
json_t *lsb_answer_text(const char *text);
/* Load, telling about every file of the chain before it is opened. */
int lsb_answer_load(const struct lsb_asker *to, enum lsb_kind kind, const char *chain, const char *folders,
		    struct lsb_loaded **out, struct lsb_error *err);
/*
 * Load and configure PLUGIN of inspect.h; `base` may be NULL. *out is the caller's to free, after failures
 * too.
 */
int lsb_answer_configure(const struct lsb_asker *to, enum lsb_kind kind, const json_t *plugin,
			 const char *folders, const char *base, struct lsb_loaded **out,
			 struct lsb_error *err);
/*
 * A model's path, from `base` on (NULL: none) where it is relative; random:... as it is. malloc'ed, or NULL.
 */
char *lsb_answer_model_path(const char *base, const char *model);
/* Probe the whole chain, innermost first. LSB_EUNAVAIL: waived, with the reason in `err`. */
int lsb_answer_probe(const struct lsb_asker *to, const struct lsb_loaded *l, struct lsb_error *err);

int lsb_answer_plan(const struct lsb_asker *to, const json_t *request, json_t **reply, struct lsb_error *err);
int lsb_answer_costs(const struct lsb_asker *to, const json_t *request, json_t **reply,
		     struct lsb_error *err);
int lsb_answer_check(const struct lsb_asker *to, const json_t *request, json_t **reply,
		     struct lsb_error *err);

/* The exercise of each kind, on a loaded and configured plugin. */
void lsb_conform_backend(const struct lsb_asker *to, const struct lsb_loaded *l, const char *model);
void lsb_conform_transport(const struct lsb_asker *to, const struct lsb_loaded *l);
void lsb_conform_workload(const struct lsb_asker *to, const struct lsb_loaded *l);

#endif
