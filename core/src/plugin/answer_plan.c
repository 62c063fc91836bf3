/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controller must know of three plugins before a run: that they open
 * with these options, which files they are, the model's shape and the length
 * of every prompt.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "plugin/parts.h"
#include "plugin/prompt.h"

enum { PROMPTS_MAX = 1 << 20, TURNS_MAX = 1024 };

struct plan {
	const struct lsb_asker *to;
	const json_t *request;
	const char *folders, *base; /* base may be NULL */
	json_t *reply, *data;	    /* data: {path: sha256} */
	struct lsb_loaded *backend, *transport, *workload;
	struct lsb_backend *b;
	struct lsb_place place; /* these two live as long as `b` */
	char *model;
	struct lsb_workload *w;
	uint64_t count; /* of the workload's requests */
};

static int no_memory(struct lsb_error *err)
{
	return lsb_fail(err, LSB_ENOMEM, 0, "no memory to plan");
}

/* The settings of a PLUGIN object, their strings borrowed from it; the caller frees the array. */
static int settings_read(const json_t *plugin, struct lsb_setting **out, size_t *n, struct lsb_error *err)
{
	const json_t *list = json_object_get(plugin, "options"), *entry;
	struct lsb_setting *settings = calloc(json_array_size(list) + 1, sizeof(*settings));
	size_t i;

	if (!settings)
		return no_memory(err);
	json_array_foreach(list, i, entry)
	{
		settings[i] = (struct lsb_setting){
			.name = json_string_value(json_object_get(entry, "name")),
			.value = json_string_value(json_object_get(entry, "value")),
			.where = json_string_value(json_object_get(entry, "where")),
		};
		if (!settings[i].name || !settings[i].value) {
			free(settings);
			return lsb_fail(err, LSB_EINVAL, 0,
					"an option in a plan request lacks name or value");
		}
	}
	*out = settings;
	*n = i;
	return LSB_OK;
}

static int digest_add(json_t *digests, const char *path, struct lsb_error *err)
{
	char hex[LSB_DIGEST_HEX];
	const int rc = lsb_digest_file(path, hex, err);

	if (rc == LSB_OK)
		json_object_set_new_nocheck(digests, path, json_string(hex));
	return rc;
}

/* Digest every file that options of `l` name; one that is not there is the plugin's to report. */
static void data_add(struct plan *p, const struct lsb_loaded *l)
{
	for (size_t i = 0; i < lsb_options_count(l->plugin.options); i++) {
		const struct lsb_option *o = &l->plugin.options[i];
		const char *path;

		if (o->type != LSB_OPT_FILE)
			continue;
		memcpy(&path, (const char *)l->options + o->offset, sizeof(path));
		if (*path)
			(void)digest_add(p->data, path, NULL);
	}
}

/* FILES of inspect.h. */
static int files_describe(struct plan *p, const struct lsb_loaded *l, const char *chain, json_t *out,
			  struct lsb_error *err)
{
	json_t *files = json_object();
	int rc = LSB_OK;

	for (const struct lsb_loaded *at = l; at && rc == LSB_OK; at = at->inner) {
		rc = digest_add(files, at->path, err);
		data_add(p, at);
	}
	json_object_set_new(out, "name", json_string(chain));
	json_object_set_new(out, "version", lsb_answer_text(l->plugin.version));
	json_object_set_new(out, "path", lsb_answer_text(l->path));
	json_object_set(out, "sha256", json_object_get(files, l->path));
	json_object_set_new(out, "files", files);
	return rc;
}

int lsb_answer_configure(const struct lsb_asker *to, enum lsb_kind kind, const json_t *plugin,
			 const char *folders, const char *base, struct lsb_loaded **out,
			 struct lsb_error *err)
{
	const char *name = json_string_value(json_object_get(plugin, "name"));
	struct lsb_setting *settings = NULL;
	size_t n = 0;
	int rc;

	if (!name)
		return lsb_fail(err, LSB_EINVAL, 0, "a %s in a request has no name", lsb_kind_name(kind));
	rc = lsb_answer_load(to, kind, name, folders, out, err);
	if (rc == LSB_OK)
		rc = settings_read(plugin, &settings, &n, err);
	if (rc == LSB_OK)
		rc = lsb_loaded_configure(*out, settings, n, base, err);
	free(settings);
	return rc;
}

/* Load, configure and probe one of the three; *out stays NULL when the request has none. */
static int part_open(struct plan *p, enum lsb_kind kind, struct lsb_loaded **out, struct lsb_error *err)
{
	const json_t *plugin = json_object_get(p->request, lsb_kind_name(kind));
	json_t *part;
	int rc;

	if (!plugin || json_is_null(plugin))
		return LSB_OK;
	rc = lsb_answer_configure(p->to, kind, plugin, p->folders, p->base, out, err);
	if (rc)
		return rc;
	part = json_object();
	json_object_set_new(p->reply, lsb_kind_name(kind), part);
	rc = files_describe(p, *out, json_string_value(json_object_get(plugin, "name")), part, err);
	if (rc == LSB_OK && kind == LSB_TRANSPORT) {
		json_object_set_new(part, "needs_mpirun", json_boolean(lsb_loaded_needs_mpirun(*out)));
		json_object_set_new(part, "pmi", lsb_answer_text(lsb_loaded_pmi(*out)));
	}
	return rc ? rc : lsb_answer_probe(p->to, *out, err);
}

static int workload_open(struct plan *p, struct lsb_error *err)
{
	const struct lsb_loaded *l = p->workload;
	int rc;

	if (!l)
		return LSB_OK;
	*err = (struct lsb_error){ 0 };
	lsb_answer_doing(p->to, l->path, "open");
	rc = lsb_plugin_result(l, "open", l->ops.workload.open(&l->host, l->options, &p->w, err), err);
	if (rc)
		return rc;
	lsb_answer_doing(p->to, l->path, "count");
	p->count = l->ops.workload.count(p->w);
	if (p->count == 0)
		return lsb_fail(err, LSB_EPLUGIN, 0, "workload '%s' has no requests", l->plugin.name);
	json_object_set_new(json_object_get(p->reply, "workload"), "count",
			    json_integer((json_int_t)p->count));
	return LSB_OK;
}

static json_t *model_describe(const struct lsb_backend_info *i)
{
	char name[LSB_MODEL_NAME_MAX];

	(void)snprintf(name, sizeof(name), "%.*s", LSB_MODEL_NAME_MAX - 1, i->model_name);
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "name",
			 lsb_answer_text(name), "layers", (json_int_t)i->layers, "hidden",
			 (json_int_t)i->hidden_size, "hidden_elem", (json_int_t)i->hidden_elem, "vocab",
			 (json_int_t)i->vocabulary, "context", (json_int_t)i->context, "layer_macs",
			 (json_int_t)i->layer_macs, "head_macs", (json_int_t)i->head_macs, "layer_bytes",
			 (json_int_t)i->layer_bytes, "head_bytes", (json_int_t)i->head_bytes,
			 "kv_bytes_per_position", (json_int_t)i->kv_bytes_per_position, "invariant_over",
			 (json_int_t)i->invariant_over, "in_host_memory",
			 (i->mem_kinds & ~(1u << LSB_MEM_HOST)) == 0);
}

char *lsb_answer_model_path(const char *base, const char *model)
{
	const int is_relative = base && *model != '/' && strncmp(model, "random:", 7) != 0;

	return lsb_format("%s%s%s", is_relative ? base : "", is_relative ? "/" : "", model);
}

/* Open the backend for header and vocabulary alone, and say what model it is. */
static int backend_open(struct plan *p, struct lsb_error *err)
{
	const struct lsb_loaded *l = p->backend;
	const char *model = json_string_value(json_object_get(p->request, "model"));
	struct lsb_backend_info info = { .struct_size = sizeof(info) };
	char device[LSB_MODEL_NAME_MAX];
	int rc;

	if (!model)
		return lsb_fail(err, LSB_EINVAL, 0, "a plan request with a backend names no model");
	p->model = lsb_answer_model_path(p->base, model);
	if (!p->model)
		return no_memory(err);
	p->place = (struct lsb_place){
		.struct_size = sizeof(p->place),
		.model = p->model,
		.stages = 1,
		.flags = LSB_PLACE_VOCABULARY,
		.slots = 1,
		.context = 1,
		.max_tokens = 1,
		.max_outputs = 1,
		.max_tickets = 1,
		.device = -1,
		.threads = 1,
	};
	*err = (struct lsb_error){ 0 };
	lsb_answer_doing(p->to, l->path, "open");
	rc = lsb_plugin_result(l, "open", l->ops.backend.open(&l->host, l->options, &p->place, &p->b, err),
			       err);
	if (rc)
		return rc;
	lsb_answer_doing(p->to, l->path, "info");
	rc = lsb_plugin_result(l, "info", l->ops.backend.info(p->b, &info, err), err);
	if (rc)
		return rc;
	if (info.layers == 0 && info.vocabulary > 0)
		return lsb_fail(err, LSB_EMODEL, 0,
				"model: '%s' is a vocabulary without layers and cannot be run", model);
	if (info.layers == 0 || info.hidden_size == 0 || info.vocabulary == 0)
		return lsb_fail(err, LSB_EPLUGIN, 0,
				"backend '%s' says the model has %u layers, hidden size %u, vocabulary %u",
				l->plugin.name, info.layers, info.hidden_size, info.vocabulary);
	(void)snprintf(device, sizeof(device), "%.*s", LSB_MODEL_NAME_MAX - 1, info.device_name);
	json_object_set_new(json_object_get(p->reply, "backend"), "device", lsb_answer_text(device));
	json_object_set_new(p->reply, "model", model_describe(&info));
	return LSB_OK;
}

/* How many tokens a request's prompt has, and whether it had to be cut to them. */
static int prompt_count(struct plan *p, const struct lsb_request *r, struct lsb_prompt *out,
			struct lsb_error *err)
{
	*out = (struct lsb_prompt){ .n = r->prompt_tokens };
	return r->n_turns || r->text ? lsb_prompt_encode(p->backend, p->b, r, 1, out, err) : LSB_OK;
}

static int request_check(const struct lsb_loaded *l, uint64_t index, const struct lsb_request *r,
			 struct lsb_error *err)
{
	const char *fault = NULL;

	if (!r->id || !*r->id)
		fault = "has no id";
	else if (r->n_turns > TURNS_MAX || (r->n_turns && !r->turns))
		fault = "has turns that are not there";
	else if (!r->n_turns && !r->text && !r->prompt_tokens)
		fault = "is empty";
	for (uint32_t i = 0; !fault && i < r->n_turns; i++)
		if (!r->turns[i].role || !r->turns[i].text)
			fault = "has a turn without role or text";
	if (fault)
		return lsb_fail(err, LSB_EPLUGIN, 0, "request %llu of workload '%s' %s",
				(unsigned long long)index, l->plugin.name, fault);
	return LSB_OK;
}

/* Fetch the first `n` requests, whose strings stay the workload's. */
static int requests_fetch(struct plan *p, uint64_t n, struct lsb_request *out, struct lsb_error *err)
{
	const struct lsb_loaded *l = p->workload;

	lsb_answer_doing(p->to, l->path, "get");
	for (uint64_t i = 0; i < n; i++) {
		int rc;

		out[i].struct_size = sizeof(out[i]);
		rc = lsb_plugin_result(l, "get", l->ops.workload.get(p->w, i, &out[i], err), err);
		if (rc == LSB_OK)
			rc = request_check(l, i, &out[i], err);
		if (rc)
			return rc;
	}
	return LSB_OK;
}

/* Length and limit of every request that will be asked. */
static int prompts_measure(struct plan *p, struct lsb_error *err)
{
	const json_int_t wanted = json_integer_value(json_object_get(p->request, "prompts"));
	const uint64_t n = wanted > 0 && (uint64_t)wanted < p->count ? (uint64_t)wanted : p->count;
	json_t *lengths = json_array(), *limits = json_array(), *cut = json_array();
	struct lsb_request *requests;
	int rc;

	json_object_set_new(p->reply, "prompt_tokens", lengths);
	json_object_set_new(p->reply, "max_new", limits);
	json_object_set_new(p->reply, "prompt_cut", cut);
	if (n > PROMPTS_MAX)
		return lsb_fail(err, LSB_ESUITE, 0, "%llu distinct prompts are more than %d: set `prompts`",
				(unsigned long long)n, PROMPTS_MAX);
	requests = calloc(n, sizeof(*requests));
	if (!requests)
		return no_memory(err);
	*err = (struct lsb_error){ 0 };
	rc = requests_fetch(p, n, requests, err);
	if (rc == LSB_OK)
		lsb_answer_doing(p->to, p->backend->path, "encode");
	for (uint64_t i = 0; i < n && rc == LSB_OK; i++) {
		struct lsb_prompt prompt;

		rc = prompt_count(p, &requests[i], &prompt, err);
		json_array_append_new(lengths, json_integer((json_int_t)prompt.n));
		json_array_append_new(cut, json_boolean(prompt.is_cut));
		json_array_append_new(limits, json_integer(requests[i].max_new));
	}
	free(requests);
	return rc;
}

static int plan_make(struct plan *p, struct lsb_error *err)
{
	int rc = part_open(p, LSB_TRANSPORT, &p->transport, err);

	if (rc == LSB_OK)
		rc = part_open(p, LSB_WORKLOAD, &p->workload, err);
	if (rc == LSB_OK)
		rc = part_open(p, LSB_BACKEND, &p->backend, err);
	if (rc == LSB_OK)
		rc = workload_open(p, err);
	if (rc == LSB_OK && p->backend)
		rc = backend_open(p, err);
	if (rc == LSB_OK && p->backend && p->workload)
		rc = prompts_measure(p, err);
	return rc;
}

static void plan_close(struct plan *p)
{
	if (p->b) {
		lsb_answer_doing(p->to, p->backend->path, "close");
		p->backend->ops.backend.close(p->b);
	}
	if (p->w) {
		lsb_answer_doing(p->to, p->workload->path, "close");
		p->workload->ops.workload.close(p->w);
	}
	lsb_loaded_free(p->backend);
	lsb_loaded_free(p->transport);
	lsb_loaded_free(p->workload);
	free(p->model);
}

int lsb_answer_plan(const struct lsb_asker *to, const json_t *request, json_t **reply, struct lsb_error *err)
{
	struct plan p = {
		.to = to,
		.request = request,
		.folders = json_string_value(json_object_get(request, "folders")),
		.base = json_string_value(json_object_get(request, "base")),
		.reply = json_object(),
		.data = json_object(),
	};
	int rc = LSB_OK;

	if (!p.reply || !p.data)
		rc = no_memory(err);
	else if (!p.folders)
		rc = lsb_fail(err, LSB_EINVAL, 0, "a plan request names no folders");
	else
		rc = plan_make(&p, err);
	json_object_set(p.reply, "data", p.data);
	json_object_set_new(p.reply, "waived", rc == LSB_EUNAVAIL ? lsb_answer_text(err->msg) : json_null());
	if (rc == LSB_EUNAVAIL)
		rc = LSB_OK;
	if (rc == LSB_OK)
		*reply = json_incref(p.reply);
	plan_close(&p);
	json_decref(p.reply);
	json_decref(p.data);
	return rc;
}
