/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --profile: whichever backends of a suite can mark their steps for a profiler are told
 * to. Such a backend has a switch of the name `profile`, whose help says what records
 * the marks; nothing is known of profilers here.
 */
#include "cli/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "cli/cli.h"

#define SWITCH "profile"

/*
 * The description of a backend's switch, from `known` if it was asked for before; NULL in *out: it has none.
 */
static int find_switch(const char *backend, const char *folders, json_t *known, const json_t **out,
		       struct lsb_error *err)
{
	json_t *reply = json_object_get(known, backend), *option;
	size_t i;
	int rc;

	*out = NULL;
	if (!reply) {
		rc = lsb_cli_inspect(json_pack("{s:s, s:s, s:s, s:s}", "want", "describe", "kind", "backend",
					       "name", backend, "folders", folders),
				     0, &reply, err);
		if (rc)
			return rc;
		json_object_set_new(known, backend, reply);
	}
	json_array_foreach(json_object_get(reply, "options"), i, option)
	{
		if (strcmp(lsb_cli_text(option, "name"), SWITCH) == 0 &&
		    strcmp(lsb_cli_text(option, "type"), "bool") == 0)
			*out = option;
	}
	return LSB_OK;
}

/* What is found out case by case: since an override is one of a case, all its points must agree. */
static int look_at_point(const struct lsb_point *p, const char *folders, json_t *known, json_t *cases,
			 const char **how, struct lsb_error *err)
{
	const json_t *before = json_object_get(cases, p->case_name), *option;
	const int rc = find_switch(p->backend.name, folders, known, &option, err);

	if (rc)
		return rc;
	if (before && json_is_true(before) != (option != NULL))
		return lsb_fail(
			err, LSB_ESUITE, 0,
			"--profile: case '%s' has points whose backend can mark its steps for a profiler "
			"and points whose backend ('%s' among them) cannot; choose some with --only",
			p->case_name, p->backend.name);
	if (option)
		*how = lsb_cli_text(option, "help");
	json_object_set_new(cases, p->case_name, json_boolean(option != NULL));
	return LSB_OK;
}

static int add_overrides(json_t *cases, struct lsb_profile *out, struct lsb_error *err)
{
	const char *name;
	json_t *has;

	out->sets = calloc(json_object_size(cases) + 1, sizeof(*out->sets));
	if (!out->sets)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory for --profile");
	json_object_foreach(cases, name, has)
	{
		if (!json_is_true(has))
			continue;
		out->sets[out->n_sets] = lsb_format("%s.backend." SWITCH "=yes", name);
		if (!out->sets[out->n_sets++])
			return lsb_fail(err, LSB_ENOMEM, 0, "no memory for --profile");
	}
	return LSB_OK;
}

int lsb_profile_find(const struct lsb_suite *suite, const char *folders, struct lsb_profile *out,
		     struct lsb_error *err)
{
	json_t *known = json_object(), *cases = json_object();
	const char *how = NULL;
	int rc = LSB_OK;

	*out = (struct lsb_profile){ 0 };
	for (size_t i = 0; i < suite->n_points && rc == LSB_OK; i++)
		if (suite->points[i].kind != LSB_CASE_LINK)
			rc = look_at_point(&suite->points[i], folders, known, cases, &how, err);
	if (rc == LSB_OK && !how)
		rc = lsb_fail(
			err, LSB_ESUITE, 0,
			"--profile: no backend of this suite can mark its steps for a profiler ('lsbench "
			"describe backend-NAME' shows an option '" SWITCH "' where one can)");
	if (rc == LSB_OK)
		rc = add_overrides(cases, out, err);
	if (rc == LSB_OK && !(out->how = strdup(how)))
		rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for --profile");
	json_decref(known);
	json_decref(cases);
	return rc;
}

void lsb_profile_free(struct lsb_profile *p)
{
	for (size_t i = 0; i < p->n_sets; i++)
		free(p->sets[i]);
	free(p->sets);
	free(p->how);
	*p = (struct lsb_profile){ 0 };
}
