/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A conformance run: what every plugin must hold, then the exercise of its
 * kind. Reports each check as it ends, so that a crash costs only the rest.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "plugin/parts.h"

static int configure(struct lsb_loaded *l, const json_t *request, struct lsb_error *err)
{
	const json_t *list = json_object_get(request, "options"), *entry;
	struct lsb_setting *settings = calloc(json_array_size(list) + 1, sizeof(*settings));
	size_t i;
	int rc;

	if (!settings)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for options");
	json_array_foreach(list, i, entry)
	{
		settings[i].name = json_string_value(json_object_get(entry, "name"));
		settings[i].value = json_string_value(json_object_get(entry, "value"));
		settings[i].where = json_string_value(json_object_get(entry, "where"));
	}
	rc = lsb_loaded_configure(l, settings, i, NULL, err);
	free(settings);
	return rc;
}

/* Probe and self-test; 0 when the exercise makes sense. */
static int own_checks(const struct lsb_asker *to, const struct lsb_loaded *l)
{
	struct lsb_error err = { 0 };
	int rc = lsb_answer_probe(to, l, &err);

	if (rc) {
		char *why = lsb_format(
			"%s%s", rc == LSB_EUNAVAIL ? "waived here, the rest is not tried: " : "", err.msg);

		lsb_answer_result(to, rc == LSB_EUNAVAIL, "probe", why);
		free(why);
		return -1;
	}
	lsb_answer_result(to, 1, "probe", l->plugin.probe ? NULL : "has none");
	if (l->plugin.self_test) {
		lsb_answer_doing(to, l->path, "self_test");
		rc = lsb_plugin_result(l, "self_test", l->plugin.self_test(&l->host, &err), &err);
		lsb_answer_result(to, rc == LSB_OK, "self-test", rc ? err.msg : NULL);
	}
	return 0;
}

int lsb_answer_check(const struct lsb_asker *to, const json_t *request, json_t **reply, struct lsb_error *err)
{
	const char *path = json_string_value(json_object_get(request, "path"));
	const char *model = json_string_value(json_object_get(request, "model"));
	struct lsb_loaded *l = NULL;
	int rc;

	if (!path || !model)
		return lsb_fail(err, LSB_EINVAL, 0, "a request to check a plugin lacks path or model");
	*reply = json_true();
	lsb_answer_doing(to, path, "constructors");
	rc = lsb_plugin_load_file(path, &l, err);
	lsb_answer_result(to, rc == LSB_OK, "descriptor", rc ? err->msg : NULL);
	if (rc)
		return LSB_OK;
	rc = configure(l, request, err);
	lsb_answer_result(to, rc == LSB_OK, "options", rc ? err->msg : NULL);
	if (rc || own_checks(to, l))
		goto done;
	if (l->plugin.flags & LSB_PLUGIN_INTERPOSER)
		lsb_answer_result(to, 1, "exercise", "not tried: an interposer does nothing by itself");
	else if (l->plugin.kind == LSB_BACKEND)
		lsb_conform_backend(to, l, model);
	else if (l->plugin.kind == LSB_TRANSPORT)
		lsb_conform_transport(to, l);
	else
		lsb_conform_workload(to, l);
done:
	lsb_loaded_free(l);
	return LSB_OK;
}
