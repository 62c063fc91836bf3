/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"

int lsb_engine_set(struct lsb_engine_request *r, const char *text, struct lsb_error *err)
{
	const char *equals = strchr(text, '=');

	if (!equals || equals == text)
		return lsb_fail(err, LSB_ESUITE, 0, "--set wants name=value, not '%s'", text);
	if (r->n_settings == LSB_ENGINE_OPTIONS_MAX)
		return lsb_fail(err, LSB_ESUITE, 0, "more than %d --set", LSB_ENGINE_OPTIONS_MAX);
	r->names[r->n_settings] = strndup(text, (size_t)(equals - text));
	if (!r->names[r->n_settings])
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for an option");
	r->settings[r->n_settings] = (struct lsb_setting){ r->names[r->n_settings], equals + 1, "--set" };
	r->n_settings++;
	return LSB_OK;
}

void lsb_engine_request_free(struct lsb_engine_request *r)
{
	for (size_t i = 0; i < r->n_settings; i++)
		free(r->names[i]);
	r->n_settings = 0;
}

int lsb_engine_open(struct lsb_engine *e, const struct lsb_engine_request *request, struct lsb_place *place,
		    struct lsb_error *err)
{
	char folders[16384];
	int rc;

	*e = (struct lsb_engine){ 0 };
	if (!request->model)
		return lsb_fail(err, LSB_ESUITE, 0, "--model is missing: a GGUF file, or random:tiny");
	rc = lsb_plugin_folders(request->plugins, folders, sizeof(folders), err);
	if (rc == LSB_OK)
		rc = lsb_plugin_load(LSB_BACKEND, request->backend, folders, &e->loaded, err);
	if (rc)
		return rc;
	e->ops = &e->loaded->ops.backend;
	rc = lsb_loaded_configure(e->loaded, request->settings, request->n_settings, NULL, err);
	if (rc == LSB_OK && e->loaded->plugin.probe)
		rc = e->loaded->plugin.probe(&e->loaded->host, err);
	place->struct_size = sizeof(*place);
	place->model = request->model;
	if (rc == LSB_OK)
		rc = e->ops->open(&e->loaded->host, e->loaded->options, place, &e->handle, err);
	e->info.struct_size = sizeof(e->info);
	return rc ? rc : e->ops->info(e->handle, &e->info, err);
}

void lsb_engine_close(struct lsb_engine *e)
{
	if (e->handle)
		e->ops->close(e->handle);
	lsb_loaded_free(e->loaded);
	*e = (struct lsb_engine){ 0 };
}
