/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answering side of an inspection: runs in a child that may die at any
 * call into a plugin, and says before each what it is about to do.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/base.h"
#include "plugin/inspect.h"
#include "plugin/parts.h"

enum { REQUEST_MAX = 16 << 20 };

json_t *lsb_answer_text(const char *text)
{
	json_t *value = text ? json_string(text) : json_null();
	char *copy;

	if (value)
		return value;
	copy = strdup(text); /* not UTF-8: keep what is ASCII */
	for (char *at = copy; at && *at; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	value = copy ? json_string(copy) : NULL;
	free(copy);
	return value;
}

/* One line to the parent; takes the reference. A parent that is gone needs no answer. */
static void line_send(const struct lsb_asker *to, json_t *line)
{
	char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
	char *whole = text ? lsb_format("%s\n", text) : NULL;
	size_t left = whole ? strlen(whole) : 0;

	for (const char *at = whole; left;) {
		const ssize_t n = write(to->fd, at, left);

		if (n < 0)
			break;
		at += n;
		left -= (size_t)n;
	}
	free(whole);
	free(text);
	json_decref(line);
}

void lsb_answer_doing(const struct lsb_asker *to, const char *file, const char *operation)
{
	line_send(to, json_pack("{s:s, s:o}", "doing", operation, "file", lsb_answer_text(file)));
}

void lsb_answer_result(const struct lsb_asker *to, int passed, const char *name, const char *detail)
{
	line_send(to, json_pack("{s:{s:s, s:b, s:o}}", "result", "name", name, "passed", passed, "detail",
				lsb_answer_text(detail)));
}

int lsb_answer_load(const struct lsb_asker *to, enum lsb_kind kind, const char *chain, const char *folders,
		    struct lsb_loaded **out, struct lsb_error *err)
{
	char link[LSB_PLUGIN_NAME_MAX], path[4096];
	const char *at = chain, *rest;

	/* Open the files one by one first; lsb_plugin_load then finds them open, their constructors run. */
	for (int links = 0; at && links < LSB_CHAIN_MAX && lsb_chain_cut(at, link, &rest);
	     at = rest, links++) {
		struct lsb_loaded *l;
		int rc = lsb_plugin_find(kind, link, folders, path, sizeof(path), err);

		if (rc)
			return rc;
		lsb_answer_doing(to, path, "constructors");
		rc = lsb_plugin_load_file(path, &l, err);
		if (rc)
			return rc;
		lsb_loaded_free(l);
	}
	return lsb_plugin_load(kind, chain, folders, out, err);
}

int lsb_answer_probe(const struct lsb_asker *to, const struct lsb_loaded *l, struct lsb_error *err)
{
	int rc = l->inner ? lsb_answer_probe(to, l->inner, err) : LSB_OK;

	if (rc || !l->plugin.probe)
		return rc;
	*err = (struct lsb_error){ 0 };
	lsb_answer_doing(to, l->path, "probe");
	return lsb_plugin_result(l, "probe", l->plugin.probe(&l->host, err), err);
}

static json_t *describe_options(const struct lsb_option *table)
{
	json_t *list = json_array();

	for (size_t i = 0; i < lsb_options_count(table); i++) {
		const struct lsb_option *o = &table[i];
		json_t *row = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "name", o->name, "type",
					lsb_option_type_name(o->type), "unit", lsb_answer_text(o->unit),
					"default", lsb_answer_text(o->def), "choices",
					lsb_answer_text(o->choices), "help", lsb_answer_text(o->help));
		char range[128];
		const int bounded = lsb_option_range(o, range, sizeof(range));

		json_object_set_new(row, "range", bounded ? lsb_answer_text(range) : json_null());
		json_object_set_new(row, "min", bounded ? json_real(o->min) : json_null());
		json_object_set_new(row, "max", bounded ? json_real(o->max) : json_null());
		json_array_append_new(list, row);
	}
	return list;
}

static json_t *describe_operations(const struct lsb_loaded *l)
{
	json_t *list = json_array();
	size_t n;
	const struct lsb_operation *operations = lsb_kind_operations((enum lsb_kind)l->plugin.kind, &n);

	for (size_t i = 0; i < n; i++)
		if (lsb_loaded_has(l, &operations[i]))
			json_array_append_new(list, json_string(operations[i].name));
	return list;
}

/* The names of the bits that are set, lowest first. */
static json_t *describe_bits(uint32_t bits, const char *const *names, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (bits & (1u << i))
			json_array_append_new(list, json_string(names[i]));
	return list;
}

/* DESCRIPTION of inspect.h; probes. */
static json_t *describe(const struct lsb_asker *to, const struct lsb_loaded *l)
{
	static const char *const memory[] = { "host", "pinned", "cuda" };
	static const char *const flags[] = { "stream-ordered", "needs-mpirun", "sees-arrival", "speaks-pmix",
					     "speaks-pmi2" };
	const struct lsb_plugin *p = &l->plugin;
	const int is_transport = p->kind == LSB_TRANSPORT;
	struct lsb_error why = { 0 };
	json_t *d = json_pack("{s:o, s:s, s:s, s:o, s:o, s:i, s:b, s:b, s:o, s:o}", "path",
			      lsb_answer_text(l->path), "kind", lsb_kind_name((enum lsb_kind)p->kind), "name",
			      p->name, "version", lsb_answer_text(p->version), "summary",
			      lsb_answer_text(p->summary), "abi_minor", (int)p->abi_minor, "interposer",
			      (p->flags & LSB_PLUGIN_INTERPOSER) != 0, "global",
			      (p->flags & LSB_PLUGIN_GLOBAL) != 0, "options", describe_options(p->options),
			      "operations", describe_operations(l));

	json_object_set_new(
		d, "direct",
		describe_bits(is_transport ? l->ops.transport.mem_caps : 0, memory, LSB_COUNT(memory)));
	json_object_set_new(
		d, "flags",
		describe_bits(is_transport ? l->ops.transport.flags : 0, flags, LSB_COUNT(flags)));
	json_object_set_new(d, "inner", l->inner ? describe(to, l->inner) : json_null());
	if (p->probe) {
		lsb_answer_doing(to, l->path, "probe");
		(void)lsb_plugin_result(l, "probe", p->probe(&l->host, &why), &why);
	}
	json_object_set_new(d, "waived", why.code ? lsb_answer_text(why.msg) : json_null());
	return d;
}

static int answer_file(const struct lsb_asker *to, const json_t *request, json_t **reply,
		       struct lsb_error *err)
{
	const char *path = json_string_value(json_object_get(request, "path"));
	struct lsb_loaded *l;
	int rc;

	if (!path)
		return lsb_fail(err, LSB_EINVAL, 0, "a request to look at a plugin file names none");
	lsb_answer_doing(to, path, "constructors");
	rc = lsb_plugin_load_file(path, &l, err);
	if (rc)
		return rc;
	*reply = describe(to, l);
	lsb_loaded_free(l);
	return LSB_OK;
}

static int answer_describe(const struct lsb_asker *to, const json_t *request, json_t **reply,
			   struct lsb_error *err)
{
	const char *kind_name = json_string_value(json_object_get(request, "kind"));
	const char *name = json_string_value(json_object_get(request, "name"));
	const char *folders = json_string_value(json_object_get(request, "folders"));
	const enum lsb_kind kind = kind_name ? lsb_kind_parse(kind_name) : (enum lsb_kind)0;
	struct lsb_loaded *l;
	int rc;

	if (!kind || !name || !folders)
		return lsb_fail(err, LSB_EINVAL, 0,
				"a request to describe a plugin lacks kind, name or folders");
	rc = lsb_answer_load(to, kind, name, folders, &l, err);
	if (rc)
		return rc;
	*reply = describe(to, l);
	lsb_loaded_free(l);
	return LSB_OK;
}

static const struct {
	const char *want;
	int (*answer)(const struct lsb_asker *to, const json_t *request, json_t **reply,
		      struct lsb_error *err);
} answers[] = {
	{ "file", answer_file },       { "describe", answer_describe }, { "plan", lsb_answer_plan },
	{ "costs", lsb_answer_costs }, { "check", lsb_answer_check },
};

static int answer(const struct lsb_asker *to, const json_t *request, json_t **reply, struct lsb_error *err)
{
	const char *want = json_string_value(json_object_get(request, "want"));

	for (size_t i = 0; want && i < LSB_COUNT(answers); i++)
		if (strcmp(answers[i].want, want) == 0)
			return answers[i].answer(to, request, reply, err);
	return lsb_fail(err, LSB_EINVAL, 0, "nobody knows how to answer '%s'", want ? want : "nothing");
}

/* The whole of `in`, parsed; NULL if it is no JSON object of bearable size. */
static json_t *request_read(int in)
{
	struct lsb_text text = { 0 };
	char piece[65536];
	json_t *request;
	ssize_t n;

	while ((n = read(in, piece, sizeof(piece))) > 0 && text.length < REQUEST_MAX)
		lsb_text_bytes(&text, piece, (size_t)n);
	request = text.data && !text.failed ? json_loadb(text.data, text.length, 0, NULL) : NULL;
	lsb_text_free(&text);
	return request;
}

int lsb_inspect_serve(int in, int out)
{
	const struct rlimit no_core = { 0 };
	const struct lsb_asker to = { .fd = fcntl(out, F_DUPFD_CLOEXEC, 3) };
	struct pollfd asker = { .fd = to.fd };
	struct lsb_error err = { 0 };
	json_t *request, *reply = NULL;

	if (to.fd < 0 || dup2(STDERR_FILENO, out) < 0)
		return LSB_EIO;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (poll(&asker, 1, 0) >
	    0) /* an error is all that can be there: the asker died before the line above */
		return LSB_EIO;
	setrlimit(RLIMIT_CORE, &no_core);
	request = request_read(in);
	if (!request)
		lsb_fail(&err, LSB_EINVAL, 0, "a request about plugins is not JSON");
	else if (answer(&to, request, &reply, &err) == LSB_OK && !reply)
		lsb_fail(&err, LSB_ENOMEM, 0, "no memory for an answer about plugins");
	if (reply)
		line_send(&to, json_pack("{s:o}", "reply", reply));
	else
		line_send(&to, json_pack("{s:{s:i, s:o}}", "error", "code", err.code, "message",
					 lsb_answer_text(err.msg)));
	json_decref(request);
	close(to.fd);
	return LSB_OK;
}
