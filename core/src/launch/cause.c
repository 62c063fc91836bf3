/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went wrong first. When a rank dies its peers complain within the same
 * millisecond, and the order in which that is heard is chance: so findings are
 * weighed, and the launch's reason is only told once everything has ended.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch/ranks.h"

void cause_note(struct running *l, const struct rank *r, enum cause_weight weight, int code, int wants_log,
		const char *format, ...)
{
	struct cause *cause = &l->cause;
	va_list args;

	if (weight <= cause->weight)
		return;
	cause->weight = weight;
	cause->rank = r ? r->number : -1;
	cause->code = code;
	cause->wants_log = wants_log;
	va_start(args, format);
	(void)vsnprintf(cause->text, sizeof(cause->text), format, args);
	va_end(args);
}

/* The last line of a log that is not blank, printable, at most `bytes` with its NUL; "" if there is none. */
static void last_line(const char *path, char *out, size_t bytes)
{
	char tail[2048];
	FILE *log = fopen(path, "re");
	size_t n = 0, begin, end, k = 0;

	*out = '\0';
	if (!log)
		return;
	if (fseek(log, 0, SEEK_END) == 0) {
		const long size = ftell(log);

		if (size >= 0 &&
		    fseek(log, size > (long)sizeof(tail) ? size - (long)sizeof(tail) : 0, SEEK_SET) == 0)
			n = fread(tail, 1, sizeof(tail), log);
	}
	(void)fclose(log);
	for (end = n; end > 0 && isspace((unsigned char)tail[end - 1]);)
		end--;
	for (begin = end; begin > 0 && tail[begin - 1] != '\n';)
		begin--;
	for (; begin < end && k + 1 < bytes; begin++)
		out[k++] = isprint((unsigned char)tail[begin]) ? tail[begin] : '?';
	out[k] = '\0';
}

void cause_tell(const struct running *l, char *out, size_t bytes)
{
	const struct cause *cause = &l->cause;
	char *path = cause->wants_log && cause->rank >= 0 ? launch_log_path(l, cause->rank) : NULL;
	char line[256] = "";

	if (path)
		last_line(path, line, sizeof(line));
	(void)snprintf(out, bytes, "%s%s%s%s", cause->text, *line ? "; its log ends: \"" : "", line,
		       *line ? "\"" : "");
	free(path);
}
