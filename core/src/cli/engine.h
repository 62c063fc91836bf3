/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One backend opened in this process, for the commands that use a model without
 * a suite: generate and tokenize. Its options come as `--set name=value`.
 */
#ifndef LSB_ENGINE_H
#define LSB_ENGINE_H

#include "plugin/loader.h"

enum { LSB_ENGINE_OPTIONS_MAX = 64 };

/* What the command line asks for; strings are argv's. */
struct lsb_engine_request {
	const char *backend, *model, *plugins;
	struct lsb_setting settings[LSB_ENGINE_OPTIONS_MAX];
	char *names[LSB_ENGINE_OPTIONS_MAX]; /* owned storage of the settings' names */
	size_t n_settings;
};

struct lsb_engine {
	struct lsb_loaded *loaded;
	const struct lsb_backend_ops *ops;
	struct lsb_backend *handle;
	struct lsb_backend_info info;
};

/* Take one `name=value`. LSB_ESUITE when it is not of that form. */
int lsb_engine_set(struct lsb_engine_request *r, const char *text, struct lsb_error *err);
void lsb_engine_request_free(struct lsb_engine_request *r);

/* Load, configure and open. `place` says what is to be held; its model is filled in here. */
int lsb_engine_open(struct lsb_engine *e, const struct lsb_engine_request *request, struct lsb_place *place,
		    struct lsb_error *err);
void lsb_engine_close(struct lsb_engine *e);

#endif
