/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking gnuplot: found on PATH, started without its user's settings and with an
 * environment that is always the same, fed from a memory file, heard under a
 * deadline. A machine without it has reports without these charts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "report/chart.h"

enum { SVG_BYTES_MAX = 16 << 20, TIMEOUT_MS = 10000 };

static int is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

void lsb_gnuplot_find(struct lsb_gnuplot *out)
{
	const char *path = getenv("PATH");

	*out = (struct lsb_gnuplot){
		.timeout_ms = TIMEOUT_MS,
		.why = "gnuplot is not on PATH; install it and run 'lsbench report' again"
	};
	while (path && *path) {
		const size_t n = strcspn(path, ":");

		/* no relative folders: a report is not to run what lies in the folder it is made in */
		if (*path == '/' && n + sizeof("/gnuplot") <= sizeof(out->path)) {
			memcpy(out->path, path, n);
			memcpy(out->path + n, "/gnuplot", sizeof("/gnuplot"));
			if (is_program(out->path)) {
				out->why[0] = '\0';
				return;
			}
		}
		path += n + (path[n] == ':');
	}
	out->path[0] = '\0';
}

/* The first line that says something of what it complained about. */
static void first_complaint(const char *at, char out[128])
{
	out[0] = '\0';
	while (*at && !out[0]) {
		const size_t bytes = strcspn(at, "\n");

		if (memchr(at, ':', bytes) && strspn(at, " \t^") < bytes)
			(void)snprintf(out, 128, "%.*s", (int)(bytes < 127 ? bytes : 127),
				       at + strspn(at, " \t"));
		at += bytes + (at[bytes] == '\n');
	}
}

/* It is not asked again, for this reason. */
static int give_up(struct lsb_gnuplot *gnuplot, const char *why, struct lsb_error *err)
{
	(void)snprintf(gnuplot->why, sizeof(gnuplot->why), "%.*s", (int)sizeof(gnuplot->why) - 1, why);
	return lsb_fail(err, LSB_EIO, 0, "%s", gnuplot->why);
}

int lsb_gnuplot_run(struct lsb_gnuplot *gnuplot, const char *script, struct lsb_text *out,
		    struct lsb_error *err)
{
	static char *const argv[] = { "gnuplot", "--default-settings", "-", NULL };
	static char *const environment[] = { "LC_ALL=C", "PATH=/usr/bin:/bin", "HOME=/", NULL };
	struct lsb_child child = {
		.path = gnuplot->path,
		.argv = argv,
		.environment = environment,
		.input = script,
		.deadline_ns = lsb_now_ns() + gnuplot->timeout_ms * (uint64_t)1000000,
		.said_max = SVG_BYTES_MAX,
		.keeps_complaints = 1,
	};
	char why[128];

	if (gnuplot->why[0])
		return lsb_fail(err, LSB_EIO, 0, "%s", gnuplot->why);
	if (lsb_child_run(&child, err))
		return give_up(gnuplot, err->msg, err);
	*out = child.said;
	if (child.timed_out || child.said_too_much) {
		(void)snprintf(why, sizeof(why), "gnuplot gave no chart within %u ms", gnuplot->timeout_ms);
		return give_up(gnuplot, why, err);
	}
	first_complaint(child.complaints, why);
	if (!WIFEXITED(child.status) || WEXITSTATUS(child.status))
		return lsb_fail(err, LSB_EIO, 0, "gnuplot ended with status %d%s%s",
				WIFEXITED(child.status) ? WEXITSTATUS(child.status)
							: 128 + WTERMSIG(child.status),
				*why ? ": " : "", why);
	return LSB_OK;
}
