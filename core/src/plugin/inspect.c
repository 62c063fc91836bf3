/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The asking side of an inspection: starts the child, waits for it under a
 * deadline, and turns its end into an answer or an error.
 *
 * The child speaks lines of JSON: {"doing": operation, "file": path} before each
 * piece of foreign code, {"result": ...} for each finished check, and at the end
 * {"reply": ...} or {"error": ...}. The request lies in a memory file, so that
 * nothing here can block on writing.
 */
#include "plugin/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "plugin/parts.h"

enum { ANSWER_MAX = 64 << 20 };

extern char **environ;

/* What became of a child. */
struct outcome {
	struct lsb_text said;
	int timed_out;
	int status;	 /* as waitpid gives it */
	json_t *results; /* of {"result"} lines */
	json_t *last;	 /* {"reply"} or {"error"}; NULL: it never got there */
	json_t *doing;	 /* the last {"doing"}; NULL: none */
};

static void outcome_free(struct outcome *o)
{
	lsb_text_free(&o->said);
	json_decref(o->results);
	json_decref(o->last);
	json_decref(o->doing);
}

static int request_file(const char *text, struct lsb_error *err)
{
	const int fd = memfd_create("lsbench inspect request", MFD_CLOEXEC);
	size_t left = strlen(text);

	while (fd >= 0 && left) {
		const ssize_t n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			close(fd);
			goto fail;
		}
		text += n;
		left -= (size_t)n;
	}
	if (fd >= 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
fail:
	lsb_fail(err, LSB_EIO, errno, "cannot hand a request to a child: %s", strerror(errno));
	return -1;
}

/*
 * Start `lsbench inspect` with stdin and stdout as given, leader of a process
 * group of its own, so that whatever a plugin forks can be ended with it.
 */
static int child_start(int in, int out, pid_t *pid, struct lsb_error *err)
{
	char *const argv[] = { "lsbench", "inspect", NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, defaults;
	int rc;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGINT);
	sigaddset(&defaults, SIGTERM);
	sigaddset(&defaults, SIGHUP);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	rc = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawnattr_setflags(&attributes,
				 POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	if (rc == 0)
		rc = posix_spawn(pid, "/proc/self/exe", &files, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	if (rc)
		return lsb_fail(err, LSB_EIO, rc, "cannot start a child to look at plugins: %s",
				strerror(rc));
	return LSB_OK;
}

/* Read `fd` to its end, or to the deadline. */
static void child_listen(int fd, uint64_t deadline_ns, struct outcome *o)
{
	for (;;) {
		const uint64_t now = lsb_now_ns();
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		char piece[65536];
		ssize_t n;

		if (now >= deadline_ns) {
			o->timed_out = 1;
			return;
		}
		if (poll(&wait, 1, (int)((deadline_ns - now) / 1000000 + 1)) <= 0)
			continue;
		n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || o->said.length + (size_t)n > ANSWER_MAX)
			return;
		lsb_text_bytes(&o->said, piece, (size_t)n);
	}
}

/* Sort what the child said. Unreadable lines are left out: they may be a line that a crash cut. */
static void outcome_parse(struct outcome *o)
{
	char *line = o->said.data, *end;

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

/* Give the child until the deadline to end by itself, then end it and all that it started. */
static void child_end(pid_t pid, uint64_t deadline_ns, struct outcome *o)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int ended = 0;

	while (!o->last && !o->timed_out) {
		siginfo_t info = { 0 };

		/* WNOWAIT: it stays a zombie, so that its group cannot become another's before the kill. */
		ended = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
			info.si_pid == pid;
		if (ended)
			break;
		if (lsb_now_ns() >= deadline_ns)
			o->timed_out = 1;
		else
			nanosleep(&pause, NULL);
	}
	kill(-pid, SIGKILL);
	while (waitpid(pid, &o->status, 0) < 0 && errno == EINTR)
		;
}

static int child_run(const char *request, uint64_t timeout_ms, struct outcome *o, struct lsb_error *err)
{
	const uint64_t deadline_ns = lsb_now_ns() + timeout_ms * 1000000u;
	const int in = request_file(request, err);
	int out[2] = { -1, -1 }, rc = LSB_EIO;
	pid_t pid;

	if (in < 0)
		return rc;
	if (pipe2(out, O_CLOEXEC)) {
		rc = lsb_fail(err, LSB_EIO, errno, "cannot make a pipe: %s", strerror(errno));
		goto done;
	}
	rc = child_start(in, out[1], &pid, err);
	close(out[1]);
	if (rc)
		goto done;
	child_listen(out[0], deadline_ns, o);
	outcome_parse(o);
	child_end(pid, deadline_ns, o);
done:
	if (out[0] >= 0)
		close(out[0]);
	close(in);
	return rc;
}

/* Why there is no answer, as the plugin's fault: it is the only foreign code in the child. */
static int outcome_refuse(const struct outcome *o, uint64_t timeout_ms, struct lsb_error *err)
{
	const char *file = json_string_value(json_object_get(o->doing, "file"));
	const char *doing = json_string_value(json_object_get(o->doing, "doing"));
	const int signal_number = WIFSIGNALED(o->status) ? WTERMSIG(o->status) : 0;

	if (!file || !doing)
		return lsb_fail(err, LSB_EPLUGIN, 0,
				"the child that looks at plugins ended before it opened one");
	if (o->timed_out)
		return lsb_plugin_refuse(file, err, "it did not return from its %s within %g s", doing,
					 (double)timeout_ms / 1e3);
	if (signal_number)
		return lsb_plugin_refuse(file, err, "it crashed with SIG%s (%s) in its %s",
					 sigabbrev_np(signal_number) ? sigabbrev_np(signal_number) : "?",
					 strsignal(signal_number), doing);
	return lsb_plugin_refuse(file, err,
				 "it ended the process with status %d in its %s, wanted an error returned",
				 WEXITSTATUS(o->status), doing);
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
