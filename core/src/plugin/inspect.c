/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The asking side of an inspection: runs the child under a deadline, and turns
 * its end into an answer or an error.
 *
 * The child speaks lines of JSON: {"doing": operation, "file": path} before each
 * piece of foreign code, {"result": ...} for each finished check, and at the end
 * {"reply": ...} or {"error": ...}.
 */
#include "plugin/inspect.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "plugin/parts.h"

enum { ANSWER_MAX = 64 << 20 };

extern char **environ;

/* What became of a child. */
struct outcome {
	struct lsb_child child;
	json_t *results; /* of {"result"} lines */
	json_t *last;	 /* {"reply"} or {"error"}; NULL: it never got there */
	json_t *doing;	 /* the last {"doing"}; NULL: none */
};

static void outcome_free(struct outcome *o)
{
	lsb_text_free(&o->child.said);
	json_decref(o->results);
	json_decref(o->last);
	json_decref(o->doing);
}

/* Sort what the child said. Unreadable lines are left out: they may be a line that a crash cut. */
static void outcome_parse(struct outcome *o)
{
	char *line = o->child.said.data, *end;

	o->results = json_array();
	for (; line && (end = strchr(line, '\n')); line = end + 1) {
		json_t *said = json_loadb(line, (size_t)(end - line), 0, NULL);

		if (json_object_get(said, "result"))
			json_array_append(o->results, json_object_get(said, "result"));
		else if (json_object_get(said, "doing")) {
			json_decref(o->doing);
			o->doing = json_incref(said);
		} else if (json_object_get(said, "reply") || json_object_get(said, "error")) {
			json_decref(o->last);
			o->last = json_incref(said);
		}
		json_decref(said);
	}
}

static int child_run(const char *request, uint64_t timeout_ms, struct outcome *o, struct lsb_error *err)
{
	static char *const argv[] = { "lsbench", "inspect", NULL };
	int rc;

	o->child = (struct lsb_child){
		.path = "/proc/self/exe",
		.argv = argv,
		.environment = environ,
		.input = request,
		.deadline_ns = lsb_now_ns() + timeout_ms * 1000000u,
		.said_max = ANSWER_MAX,
	};
	rc = lsb_child_run(&o->child, err);
	if (rc == LSB_OK)
		outcome_parse(o);
	return rc;
}

/* Why there is no answer, as the plugin's fault: it is the only foreign code in the child. */
static int outcome_refuse(const struct outcome *o, uint64_t timeout_ms, struct lsb_error *err)
{
	const char *file = json_string_value(json_object_get(o->doing, "file"));
	const char *doing = json_string_value(json_object_get(o->doing, "doing"));
	const int signal_number = WIFSIGNALED(o->child.status) ? WTERMSIG(o->child.status) : 0;

	if (!file || !doing)
		return lsb_fail(err, LSB_EPLUGIN, 0,
				"the child that looks at plugins ended before it opened one");
	if (o->child.timed_out)
		return lsb_plugin_refuse(file, err, "it did not return from its %s within %g s", doing,
					 (double)timeout_ms / 1e3);
	if (signal_number)
		return lsb_plugin_refuse(file, err, "it crashed with SIG%s (%s) in its %s",
					 sigabbrev_np(signal_number) ? sigabbrev_np(signal_number) : "?",
					 strsignal(signal_number), doing);
	return lsb_plugin_refuse(file, err,
				 "it ended the process with status %d in its %s, wanted an error returned",
				 WEXITSTATUS(o->child.status), doing);
}

/* The child's own error, carried over. */
static int error_carry(const json_t *error, struct lsb_error *err)
{
	const json_int_t code = json_integer_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));

	return lsb_fail(err, code < 0 && code >= LSB_ESUITE ? (int)code : LSB_EPLUGIN, 0, "%s",
			message ? message : "unknown error");
}

/* One request to one child. *reply is a new reference. */
static int ask(const json_t *request, uint64_t timeout_ms, json_t **reply, struct lsb_error *err)
{
	char *text = json_dumps(request, JSON_COMPACT);
	const int is_check = strcmp(json_string_value(json_object_get(request, "want")), "check") == 0;
	struct outcome o = { 0 };
	struct lsb_error why;
	int rc;

	if (!text)
		return lsb_fail(err, LSB_ENOMEM, 0, "no memory to ask about plugins");
	rc = child_run(text, timeout_ms, &o, err);
	free(text);
	if (rc)
		goto done;
	if (!o.last)
		rc = outcome_refuse(&o, timeout_ms, &why);
	else if (json_object_get(o.last, "error"))
		rc = error_carry(json_object_get(o.last, "error"), &why);
	if (is_check) {
		if (rc)
			json_array_append_new(o.results,
					      json_pack("{s:s, s:b, s:s}", "name", "runs to its end",
							"passed", 0, "detail", why.msg));
		*reply = json_pack("{s:O}", "results", o.results);
		rc = LSB_OK;
	} else if (rc) {
		if (err)
			*err = why;
	} else {
		*reply = json_incref(json_object_get(o.last, "reply"));
	}
done:
	outcome_free(&o);
	return rc;
}

/* One entry of the list: what the file says of itself, or why it does not. */
static json_t *list_entry(const char *path, uint64_t timeout_ms)
{
	json_t *request = json_pack("{s:s, s:o}", "want", "file", "path", lsb_answer_text(path));
	char name[LSB_PLUGIN_NAME_MAX];
	struct lsb_error err;
	enum lsb_kind kind;
	json_t *entry = NULL;

	if (!request || !lsb_plugin_file_parse(path, &kind, name))
		goto done;
	if (ask(request, timeout_ms, &entry, &err))
		entry = json_pack("{s:o, s:s, s:s, s:{s:i, s:o}}", "path", lsb_answer_text(path), "kind",
				  lsb_kind_name(kind), "name", name, "error", "code", err.code, "message",
				  lsb_answer_text(err.msg));
done:
	json_decref(request);
	return entry;
}

/* Is a plugin of the same kind and name already in `list`? Then this file is never loaded. */
static int is_shadowed(const json_t *list, const json_t *entry)
{
	const json_t *other;
	size_t i;

	json_array_foreach(list, i, other) if (json_equal(json_object_get(other, "kind"),
							  json_object_get(entry, "kind")) &&
					       json_equal(json_object_get(other, "name"),
							  json_object_get(entry, "name"))) return 1;
	return 0;
}

static int list_all(const json_t *request, uint64_t timeout_ms, json_t **reply, struct lsb_error *err)
{
	const char *folders = json_string_value(json_object_get(request, "folders"));
	json_t *list = json_array();
	char **paths = NULL;
	int rc;

	if (!folders)
		rc = lsb_fail(err, LSB_EINVAL, 0, "a request to list plugins names no folders");
	else
		rc = lsb_plugin_files(folders, &paths, err);
	for (char **path = paths; path && *path; path++) {
		json_t *entry = list_entry(*path, timeout_ms);

		json_object_set_new(entry, "shadowed", json_boolean(is_shadowed(list, entry)));
		json_array_append_new(list, entry);
	}
	if (rc == LSB_OK)
		*reply = json_pack("{s:s, s:O}", "folders", folders, "plugins", list);
	lsb_options_free(paths);
	json_decref(list);
	return rc;
}

int lsb_inspect(const char *request_json, uint64_t timeout_ms, char **reply_json, struct lsb_error *err)
{
	json_t *request = json_loads(request_json, 0, NULL), *reply = NULL;
	const char *want = json_string_value(json_object_get(request, "want"));
	int rc;

	if (timeout_ms == 0)
		timeout_ms = LSB_INSPECT_TIMEOUT_MS;
	if (!want)
		rc = lsb_fail(err, LSB_EINVAL, 0, "a request about plugins does not say what it wants");
	else if (strcmp(want, "list") == 0)
		rc = list_all(request, timeout_ms, &reply, err);
	else
		rc = ask(request, timeout_ms, &reply, err);
	if (rc == LSB_OK) {
		*reply_json = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
		if (!*reply_json)
			rc = lsb_fail(err, LSB_ENOMEM, 0, "no memory for an answer about plugins");
	}
	json_decref(reply);
	json_decref(request);
	return rc;
}
