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

int lsb_engine_encode(struct lsb_engine *e, const struct lsb_turn *turns, size_t n_turns, uint32_t flags,
		      int32_t **ids, size_t *n, struct lsb_error *err)
{
	size_t room;
	int rc = e->ops->encode(e->handle, turns, n_turns, flags, NULL, 0, n, err);

	if (rc)
		return rc;
	room = *n;
	*ids = malloc((room + 1) * sizeof(**ids));
	if (!*ids)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu tokens", room);
	rc = e->ops->encode(e->handle, turns, n_turns, flags, *ids, room, n, err);
	if (rc == LSB_OK && *n > room)
		rc = lsb_fail(err, LSB_EPLUGIN, 0, "backend '%s' encoded one text to %zu and then %zu tokens",
			      e->loaded->plugin.name, room, *n);
	return rc;
}

int lsb_engine_decode(struct lsb_engine *e, const int32_t *ids, size_t n, char **text, struct lsb_error *err)
{
	size_t bytes = 0, written = 0;
	int rc = e->ops->decode(e->handle, ids, n, NULL, 0, &bytes, err);

	if (rc)
		return rc;
	*text = malloc(bytes + 1);
	if (!*text)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for %zu bytes of text", bytes);
	rc = e->ops->decode(e->handle, ids, n, *text, bytes, &written, err);
	(*text)[written < bytes ? written : bytes] = '\0';
	return rc;
}
